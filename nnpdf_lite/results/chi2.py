"""chi2 tables: per dataset, per experiment and in total, with the experimental and the t0 covariance."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from ..data import Dataset, covariance
from ..fit.problem import Problem


def experiment_of(dataset: str) -> str:
    """Return the experiment a dataset belongs to: the first part of its name."""
    return dataset.split("_")[0]




#: Groups of points a chi2 is quoted for, and which of them a dataset belongs to.
GROUPS: dict[str, Callable[[Dataset], str]] = {
    "dataset": lambda dataset: dataset.name,
    "experiment": lambda dataset: experiment_of(dataset.name),
    "process": lambda dataset: dataset.process_type.replace("_", " "),
    "total": lambda dataset: "total",
}
LEVELS = ("dataset", "experiment", "total")


def chi2_table(
    problem: Problem, predictions: np.ndarray, order: Iterable[str] = (), levels: Sequence[str] = LEVELS
) -> pd.DataFrame:
    """Tabulate the chi2 of predictions (N,).

    Parameters
    ----------
    problem : Problem
    predictions : (N,) array
    order : iterable of str
        Names of the datasets, in the order of rows.
    levels : sequence of str
        Which rows, of ``GROUPS``.

    Returns
    -------
    pandas.DataFrame
        One row per group of points of each level, with columns ``level``, ``name``, ``ndata``, ``chi2_t0``,
        ``chi2_exp`` (per point; all correlations within the row, none of the fit's weights). ``chi2_t0`` uses the fit's
        t0 predictions and is NaN without a t0 set.
    """
    wanted = [problem.datasets[i] for i in _positions(problem, order)]
    covmats = {"chi2_exp": covariance(problem.datasets)}
    if problem.t0_predictions is not None:
        covmats["chi2_t0"] = covariance(problem.datasets, problem.t0_predictions)
    residual = predictions - problem.central
    selections = []
    for level in levels:
        labels = np.concatenate([[GROUPS[level](d)] * len(d.kept) for d in problem.datasets])
        selections += [(level, name, labels == name) for name in dict.fromkeys(map(GROUPS[level], wanted))]
    rows = []
    for level, name, chosen in selections:
        row = {"level": level, "name": name, "ndata": int(chosen.sum()), "chi2_t0": np.nan, "chi2_exp": np.nan}
        for kind, covmat in covmats.items():
            row[kind] = _chi2(covmat[np.ix_(chosen, chosen)], residual[chosen]) / chosen.sum()
        rows.append(row)
    return pd.DataFrame(rows)


def _positions(problem: Problem, order: Iterable[str]) -> list[int]:
    """Return the positions of the datasets named in ``order``, or of all where it names none of them."""
    names = [dataset.name for dataset in problem.datasets]
    return [names.index(name) for name in order if name in names] or list(range(len(names)))


def _chi2(covmat: np.ndarray, residual: np.ndarray) -> float:
    return float(residual @ cho_solve(cho_factor(covmat, lower=True), residual))
