"""Where datasets, theories, runcards and PDF sets are found."""

import importlib.util
import os
from functools import cache
from pathlib import Path

KINDS = ("datasets", "theory_grids", "runcards", "pdfsets")

#: Environment variable behind ``--theory-path``: workers inherit it.
THEORY_PATH = "NNPDF_LITE_THEORY_PATH"


def shipped(kind: str) -> Path:
    """Return the folder of what the project ships: inside an installed copy, or beside the package in a checkout."""
    package = Path(__file__).parent
    installed = package / "share" / kind
    return installed if installed.is_dir() else package.parent / kind


def search_path(kind: str) -> list[Path]:
    """Return the folders searched for ``kind``: ``ENTRY/kind`` for each entry of NNPDF_LITE_PATH, then the shipped one.

    Theories are looked for in the entries of NNPDF_LITE_THEORY_PATH (``--theory-path``) before.
    """
    folders = [entry / kind for entry in _entries("NNPDF_LITE_PATH")] + [shipped(kind)]
    if kind == "theory_grids":
        # An entry may also be a theory itself: it is found in the folder above by its name.
        named = [entry.parent if (entry / "fastkernel").is_dir() else entry for entry in _entries(THEORY_PATH)]
        return named + folders
    return folders


@cache
def nnpdf_data(kind: str) -> Path | None:
    """Return the folder ``kind`` (commondata, theory_cards, cfactors) of the nnpdf-data package; None where it is not installed."""
    spec = importlib.util.find_spec("nnpdf_data")  # not imported: that takes seconds, and only files are needed
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / kind
    return folder if folder.is_dir() else None


def _entries(variable: str) -> list[Path]:
    return [Path(entry).expanduser().absolute() for entry in os.environ.get(variable, "").split(os.pathsep) if entry]
