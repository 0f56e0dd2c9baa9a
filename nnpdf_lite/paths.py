"""Where datasets, theories, runcards and PDF sets are found."""

import os
from pathlib import Path

KINDS = ("datasets", "theory_grids", "runcards", "pdfsets")


def shipped(kind: str) -> Path:
    """Return the folder of what the project ships: inside an installed copy, or beside the package in a checkout."""
    package = Path(__file__).parent
    installed = package / "share" / kind
    return installed if installed.is_dir() else package.parent / kind


def search_path(kind: str) -> list[Path]:
    """Return the folders searched for ``kind``: ``ENTRY/kind`` for each entry of NNPDF_LITE_PATH, then the shipped one."""
    entries = [entry for entry in os.environ.get("NNPDF_LITE_PATH", "").split(os.pathsep) if entry]
    return [Path(entry).expanduser() / kind for entry in entries] + [shipped(kind)]
