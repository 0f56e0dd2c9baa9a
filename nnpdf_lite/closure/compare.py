"""Several closure tests side by side: methods, levels, or sizes of an inconsistency."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..errors import InputError
from .results import ClosureResults, evaluate, write_results
from .sample import find_fits, load_sample

#: Columns of the comparison: (space, level, estimator) of the rows called total, then R_bv of each flavour.
COMPARED = {
    "R_bv data": ("data", "total", "R_bv"),
    "xi_1 data": ("data", "total", "xi_1"),
    "R_b data": ("data", "total", "R_b"),
    "n_sigma": ("data", "total", "n_sigma"),
    "R_bv pdf": ("pdf", "total", "R_bv"),
    "xi_1 pdf": ("pdf", "total", "xi_1"),
}


def stored_summary(folder: Path) -> dict:
    """Return the summary of a closure test, from its ``estimators.json`` or, where that is not newer than its fits, anew.

    Raises
    ------
    InputError
        If the folder holds no closure test, or its file is unreadable.
    """
    file = folder / "estimators.json"
    newest = max(fit.folder.replicas_path.stat().st_mtime for fit in find_fits([folder]))
    if not file.is_file() or file.stat().st_mtime < newest:
        results: ClosureResults = evaluate(load_sample([folder]))
        write_results(results, folder)
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: unreadable ({error}); remove it, and it is computed anew") from None


def comparison(folders: Sequence[Path]) -> pd.DataFrame:
    """Tabulate the main estimators of several closure tests, a row each.

    Returns
    -------
    pandas.DataFrame
        ``test``, ``level``, ``fits``, the estimators of `COMPARED` with their errors, R_bv of every flavour, and for
        inconsistent tests ``lambda`` and, averaged over the inconsistent sets, ``R_b set`` and ``n_sigma set``.
    """
    return pd.DataFrame([_row(folder) for folder in map(Path, folders)])


def _row(folder: Path) -> dict:
    summary = stored_summary(folder)
    table = pd.DataFrame(summary["estimators"])
    table = table[table.part.isin(["", "fitted"])]
    row = {"test": folder.name, "level": summary["level"], "fits": len(summary["fits"])}
    settings = summary["inconsistent"]
    if settings:
        sets = table[(table.level == "dataset") & table.name.isin(settings["datasets"])]
        row["lambda"] = settings["factor"]
        for estimator in ("R_b", "n_sigma"):
            rows = sets[sets.estimator == estimator]
            row[f"{estimator} set"] = rows.value.astype(float).mean()
            row[f"{estimator} set +-"] = (rows.error.astype(float) ** 2).sum() ** 0.5 / len(rows)
    for column, (space, level, estimator) in COMPARED.items():
        row |= _cell(table, column, space, level, "total", estimator)
    for name in table[table.level == "flavour"].name.unique():
        row |= _cell(table, f"R_bv {name}", "pdf", "flavour", name, "R_bv")
    return row


def _cell(table: pd.DataFrame, column: str, space: str, level: str, name: str, estimator: str) -> dict:
    wanted = (table.space == space) & (table.level == level) & (table.name == name) & (table.estimator == estimator)
    found = table[wanted].iloc[0]
    return {column: found.value, f"{column} +-": found.error}
