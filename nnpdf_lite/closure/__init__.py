"""Closure tests: whether a method recovers a known truth within its errors.

Owns running many fits of one truth (`multifit`), estimators on their ensembles, and the judgement over them. May import
all that stands before it: `runcard`, `data`, `theory`, `pdf`, `fit`, `results`, `ensembles`. Training is not known here;
estimators see arrays.
"""
