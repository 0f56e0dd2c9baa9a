"""Where datasets, theories, runcards and PDF sets are found."""

import importlib.util
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

KINDS = ("datasets", "theory_grids", "runcards", "pdfsets")

#: Folders of runcards that were read, the latest first: what lies beside a runcard belongs to it.
_homes: list[Path] = []

#: Environment variable behind ``--theory-path``: workers inherit it.
THEORY_PATH = "NNPDF_LITE_THEORY_PATH"


def shipped(kind: str) -> Path:
    """Return the folder of what the project ships: inside an installed copy, or beside the package in a checkout."""
    package = Path(__file__).parent
    installed = package / "share" / kind
    return installed if installed.is_dir() else package.parent / kind


def search_path(kind: str) -> list[Path]:
    """Return the folders searched for ``kind``, each ``ENTRY/kind``, the shipped one last.

    Entries are those of NNPDF_LITE_PATH, the folders of the runcards and fits in use, and the working directory; the
    last two only where they hold such a folder. Theories are looked for in NNPDF_LITE_THEORY_PATH (``--theory-path``) before.
    """
    # An entry may also be a theory itself: it is found in the folder above by its name.
    theories = [entry.parent if (entry / "fastkernel").is_dir() else entry for entry in _entries(THEORY_PATH)]
    named = [entry / kind for entry in _entries("NNPDF_LITE_PATH")]
    implied = [entry / kind for entry in (*_homes, Path("."))]
    found = [*named, *(folder.absolute() for folder in implied if folder.is_dir())]
    return _different([*(theories if kind == "theory_grids" else ()), *found, shipped(kind)])


def add_home(folder: Path) -> None:
    """Search ``folder`` from now on, if it holds any of ``KINDS``."""
    folder = folder.absolute()
    if any((folder / kind).is_dir() for kind in KINDS):
        _homes[:] = [folder, *(home for home in _homes if home != folder)]


def _different(folders: Iterable[Path]) -> list[Path]:
    return list({folder.resolve(): folder for folder in reversed(list(folders))}.values())[::-1]


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
