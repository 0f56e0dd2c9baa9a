"""Where datasets, theories, runcards and PDF sets are found."""

import os
from collections.abc import Iterable
from pathlib import Path

KINDS = ("datasets", "theory_grids", "runcards", "pdfsets")

#: Folders of runcards that were read, the latest first: what lies beside a runcard belongs to it.
_homes: list[Path] = []


def shipped(kind: str) -> Path:
    """Return the folder of what the project ships: inside an installed copy, or beside the package in a checkout."""
    package = Path(__file__).parent
    installed = package / "share" / kind
    return installed if installed.is_dir() else package.parent / kind


def search_path(kind: str) -> list[Path]:
    """Return the folders searched for ``kind``, each ``ENTRY/kind``, the shipped one last.

    Entries are those of NNPDF_LITE_PATH, the folders of the runcards and fits in use, and the working directory; the
    last two only where they hold such a folder.
    """
    named = [Path(entry).expanduser() for entry in os.environ.get("NNPDF_LITE_PATH", "").split(os.pathsep) if entry]
    implied = [entry / kind for entry in (*_homes, Path("."))]
    found = [*(entry / kind for entry in named), *(folder.absolute() for folder in implied if folder.is_dir())]
    return _different([*found, shipped(kind)])


def add_home(folder: Path) -> None:
    """Search ``folder`` from now on, if it holds any of ``KINDS``."""
    folder = folder.absolute()
    if any((folder / kind).is_dir() for kind in KINDS):
        _homes[:] = [folder, *(home for home in _homes if home != folder)]


def _different(folders: Iterable[Path]) -> list[Path]:
    return list({folder.resolve(): folder for folder in reversed(list(folders))}.values())[::-1]
