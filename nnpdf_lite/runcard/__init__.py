"""Runcards: what a fit is, in one file, with every mistake found before any work starts.

Owns the schema (`schema`), its defaults and checks, what becomes of n3fit's keys (`n3fit_keys`), reading and writing YAML, the error messages, and the schema's
renderings: JSON schema for editors, `docs/runcard.md` for people (``python -m nnpdf_lite.runcard``).

May import `nnpdf_lite.errors` and `nnpdf_lite.paths` only, and nothing heavier than pydantic and PyYAML.
"""

from .loading import find_runcard, load_runcard, parse_runcard
from .n3fit_keys import Review, review
from .reference import json_schema, reference
from .schema import (
    BasisEntry,
    ConstraintSet,
    DataCuts,
    DatasetInput,
    FilterRule,
    Fitting,
    Multipliers,
    Optimizer,
    Parameters,
    Runcard,
    Theory,
)

__all__ = [
    "BasisEntry",
    "ConstraintSet",
    "DataCuts",
    "DatasetInput",
    "FilterRule",
    "Fitting",
    "Multipliers",
    "Optimizer",
    "Parameters",
    "Review",
    "Runcard",
    "Theory",
    "find_runcard",
    "json_schema",
    "load_runcard",
    "parse_runcard",
    "reference",
    "review",
]
