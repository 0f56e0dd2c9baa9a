"""Scans of hyperparameters with folds of the data (K-folds): which network, which optimiser, which patience.

Owns the search space, the default folds, the losses, trials and the scan: its folder, its history, which trial comes
next. Training is that of ``fit``, whose `folds` train all folds of a trial in one batch.
"""
