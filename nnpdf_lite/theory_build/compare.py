"""Verifies the output of a build, and compares the predictions of two theories."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ..errors import InputError
from ..theory.fktable import FKTable, read_fk_table
from .manifest import Manifest, file_hash

#: Limits of the checks that a manifest records.
LIMITS = {"momentum": 1e-5, "valence": 1e-5, "two steps": 1e-5}


def check(folder: Path) -> pd.DataFrame:
    """Verify a theory folder against its manifest.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    pandas.DataFrame
        A row for the manifest itself, for each check of evolution and for each table: ``what``, ``result``, ``ok``.

    Raises
    ------
    InputError
        When there is no manifest.
    """
    manifest = Manifest.read(folder)
    content = manifest.content
    rows = [("manifest", *_about_itself(manifest))]
    for name, value in content.get("checks", {}).items():
        limit = LIMITS.get(name, 0.0)
        rows.append((f"evolution: {name}", f"{value:.1e}, limit {limit:.0e}", value <= limit))
    for name, entry in content["tables"].items():
        rows.append((name, *_verdict(folder / "fastkernel" / f"{name}.pineappl.lz4", entry)))
    return pd.DataFrame(rows, columns=["what", "result", "ok"])


def _about_itself(manifest: Manifest) -> tuple[str, bool]:
    if manifest.content.get("hash") != manifest.hash:
        return "its hash is not that of the card and the tables it lists", False
    card = manifest.folder / "theory.yaml"
    try:
        held = yaml.safe_load(card.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        held = None
    if held != manifest.content["card"]:
        return f"{card.name} is not the card of these tables", False
    return f"{len(manifest.content['tables'])} tables, {manifest.hash[:12]}", True


def _verdict(path: Path, entry: dict) -> tuple[str, bool]:
    if not path.is_file():
        return "missing", False
    if file_hash(path) != entry.get("sha256"):
        return "not the file that was built", False
    try:
        table = read_fk_table(path)
    except InputError as error:
        return str(error), False
    if len(table.table) != entry["points"]:
        return f"{len(table.table)} points, not {entry['points']}", False
    return f"{entry['computed']} of {entry['points']} points", True


def compare(
    folder: Path, reference: Path, pdf: Callable[[np.ndarray], np.ndarray], names: list[str] | None = None
) -> pd.DataFrame:
    """Compare the predictions of the tables that two theories share.

    Parameters
    ----------
    folder, reference : Path
        Theory folders.
    pdf : callable
        ``f(x)``, x of shape (X,) to (X, 14): ``xf/x`` at Q0 in the evolution basis.
    names : list of str, optional
        Only these tables.

    Returns
    -------
    pandas.DataFrame
        A row per table: ``table``, ``points``, ``median`` and ``max`` of the relative difference, and where the largest
        one is (``at``: row of the table).

    Raises
    ------
    InputError
        When a folder holds no tables, or the two share none.
    """
    here, there = (_tables(each) for each in (folder, reference))
    shared = [name for name in here if name in there and (names is None or name in names)]
    if not shared:
        raise InputError(f"{folder} and {reference} have no table in common")
    rows = []
    for name in shared:
        ours, theirs = (read_fk_table(tables[name]) for tables in (here, there))
        if len(ours.table) != len(theirs.table):
            raise InputError(f"{name}: {len(ours.table)} points in {folder}, {len(theirs.table)} in {reference}")
        computed = ours.table.any(axis=(1, 2)) & theirs.table.any(axis=(1, 2))
        one, other = _predict(ours, pdf)[computed], _predict(theirs, pdf)[computed]
        difference = np.abs(one / other - 1)
        worst = int(np.argmax(difference)) if len(difference) else 0
        at = int(np.flatnonzero(computed)[worst]) if len(difference) else -1
        summary = (np.median(difference), difference.max()) if len(difference) else (np.nan, np.nan)
        rows.append((name, int(computed.sum()), *map(float, summary), at))
    return pd.DataFrame(rows, columns=["table", "points", "median", "max", "at"])


def _tables(folder: Path) -> dict[str, Path]:
    found = sorted((folder / "fastkernel").glob("*.pineappl.lz4"))
    if not found:
        raise InputError(f"{folder}: holds no FK tables (fastkernel/*.pineappl.lz4)")
    return {path.name.removesuffix(".pineappl.lz4"): path for path in found}


def _predict(table: FKTable, pdf: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if table.n_hadrons != 1:
        raise InputError(f"{table.name}: a table of two hadrons cannot be compared")
    return np.einsum("ncx,xc->n", table.table, pdf(table.x)[:, table.channels[:, 0]])
