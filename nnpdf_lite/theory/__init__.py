"""Theory: cards, FK tables and the predictions they give.

Owns: finding and reading a theory folder (``theory.yaml``, PineAPPL FK tables, cfactors) and turning the tables of a
dataset into its prediction for any PDF. May import: ``errors``, ``paths``, ``runcard``, ``data``.
"""

from .card import TheoryCard, load_theory, official_parameters
from .missing import missing_files, require_files
from .predictions import DatasetTheory, common_xgrid, load_dataset_theory, predict

__all__ = [
    "DatasetTheory",
    "TheoryCard",
    "common_xgrid",
    "load_dataset_theory",
    "load_theory",
    "missing_files",
    "official_parameters",
    "predict",
    "require_files",
]
