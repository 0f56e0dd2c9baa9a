"""chi2 tables: per dataset, per experiment and in total, with the experimental and the t0 covariance."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.linalg import cholesky, solve_triangular

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


def chi2_table(problem: Problem, predictions: np.ndarray, order: Iterable[str] = ()) -> pd.DataFrame:
    """Tabulate the chi2 of predictions (N,).

    Returns
    -------
    pandas.DataFrame
        One row per dataset, experiment and for the total, with columns ``level``, ``name``, ``ndata``, ``chi2_t0``,
        ``chi2_exp`` (per point; all correlations within the row, none of the fit's weights). ``chi2_t0`` uses the fit's
        t0 predictions and is NaN without a t0 set.
    """
    return chi2_tables(problem, predictions[None], order, ("dataset", "experiment", "total"))[0]


def chi2_tables(
    problem: Problem, predictions: np.ndarray, order: Iterable[str] = (), levels: Sequence[str] = tuple(GROUPS)
) -> list[pd.DataFrame]:
    """Tabulate the chi2 of several predictions (K, N) of the same points; returns K tables as `chi2_table`'s.

    ``order`` names the datasets in the order of rows; ``levels`` says which rows, of ``GROUPS``.
    """
    names = [dataset.name for dataset in problem.datasets]
    wanted = [problem.datasets[names.index(name)] for name in order if name in names] or problem.datasets
    covmats = {"chi2_exp": covariance(problem.datasets)}
    if problem.t0_predictions is not None:
        covmats["chi2_t0"] = covariance(problem.datasets, problem.t0_predictions)
    residuals = predictions - problem.central
    rows: list[list[dict]] = [[] for _ in predictions]
    for level in levels:
        labels = np.repeat([GROUPS[level](d) for d in problem.datasets], [len(d.kept) for d in problem.datasets])
        for name in dict.fromkeys(map(GROUPS[level], wanted)):
            chosen = labels == name
            values = {kind: _chi2(c[np.ix_(chosen, chosen)], residuals[:, chosen]) for kind, c in covmats.items()}
            for k, table in enumerate(rows):
                numbers = {kind: values[kind][k] / chosen.sum() if kind in values else np.nan for kind in ("chi2_t0", "chi2_exp")}
                table.append({"level": level, "name": name, "ndata": int(chosen.sum()), **numbers})
    return [pd.DataFrame(table) for table in rows]


def _chi2(covmat: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Return the chi2 (K,) of residuals (K, n)."""
    whitened = solve_triangular(cholesky(covmat, lower=True), residuals.T, lower=True)
    return np.square(whitened).sum(axis=0)
