"""What datasets there are, and what is in one."""

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from ..data import Dataset, absolute_errors, available_datasets
from ..data.catalogue import Entry, find_dataset, nnpdf_data_folder
from ..data.covariance import CORRELATED_WITHIN_SET, IGNORED, UNCORRELATED
from ..errors import InputError, nearest
from ..paths import shipped


def datasets_table(pattern: str = "*") -> pd.DataFrame:
    """Tabulate the datasets whose names match a pattern with ``*``, or hold it as a part; case does not count.

    Returns
    -------
    pandas.DataFrame
        ``name``, ``process``, ``points``, ``variants``, ``where`` (own, shipped or nnpdf-data).

    Raises
    ------
    InputError
        If there is none.
    """
    wanted = (pattern if "*" in pattern else f"*{pattern}*").lower()
    known = available_datasets()
    rows = []
    for name in known:
        if fnmatchcase(name.lower(), wanted):
            entry = find_dataset(name)
            one = entry.observable
            rows.append((name, one.get("process_type"), one.get("ndata"), " ".join(entry.variants), origin(entry)))
    if not rows:
        raise InputError(f"dataset list {pattern}: no dataset has such a name.{nearest(pattern, known)}")
    return pd.DataFrame(rows, columns=["name", "process", "points", "variants", "where"])


def origin(entry: Entry) -> str:
    """Say whose a set is: ``own``, ``shipped`` or ``nnpdf-data``."""
    package, parent = nnpdf_data_folder(), entry.folder.parent.resolve()
    if package is not None and parent == package.resolve():
        return "nnpdf-data"
    return "shipped" if parent == shipped("datasets").resolve() else "own"


def points_table(dataset: Dataset) -> pd.DataFrame:
    """Tabulate the points: kinematics, value, and its errors in the units of the data.

    Columns ``uncorrelated``, ``correlated`` (sources of this set and shared ones) and ``total``.
    """
    errors, kinds = absolute_errors(dataset), dataset.uncertainties.kind
    alone, used = np.isin(kinds, UNCORRELATED), ~np.isin(kinds, IGNORED)
    sizes = {
        "uncorrelated": np.sqrt(np.square(errors[:, alone]).sum(axis=1)),
        "correlated": np.sqrt(np.square(errors[:, used & ~alone]).sum(axis=1)),
        "total": np.sqrt(np.square(errors[:, used]).sum(axis=1)),
    }
    return dataset.kinematics.rename_axis("point").reset_index().assign(value=dataset.central, **sizes)


def sources_table(dataset: Dataset) -> pd.DataFrame:
    """Tabulate the sources of uncertainty by treatment and type: how many, and their size together in percent of the data."""
    sources = dataset.uncertainties
    kinds = pd.Series(
        np.where(
            np.isin(sources.kind, (*UNCORRELATED, *CORRELATED_WITHIN_SET, *IGNORED)), sources.kind, "shared: others"
        )
    )
    rows = []
    for (treatment, kind), chosen in pd.Series(range(len(kinds))).groupby(
        [sources.treatment, kinds.to_numpy()], sort=False
    ):
        size = np.sqrt(np.square(sources.values[:, chosen]).sum(axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            percent = float(np.nanmean(100 * size / np.abs(dataset.central)))
        names = list(map(str, sources.names[chosen] if kind != "shared: others" else sources.kind[chosen]))
        shown = ", ".join(names[:4]) + (f", ... {names[-1]}" if len(names) > 4 else "")
        rows.append((treatment, kind, len(chosen), percent, shown))
    return pd.DataFrame(rows, columns=["treatment", "type", "sources", "percent", "names"])


def folder_of(what: str) -> Path:
    """Return the folder of a set: a folder itself, or by the name of the set or of one of its datasets.

    Raises
    ------
    InputError
        If there is neither.
    """
    if Path(what).expanduser().is_dir():
        return Path(what).expanduser()
    if "/" not in what:
        names = available_datasets()
        name = next(
            (name for name in names if name.lower() == what.lower() or name.rpartition("_")[0].lower() == what.lower()),
            None,
        )
        if name is not None:
            return find_dataset(name).folder
        raise InputError(f"{what}: neither a folder nor the name of a dataset.{nearest(what, names)}")
    raise InputError(f"{what}: there is no such folder")
