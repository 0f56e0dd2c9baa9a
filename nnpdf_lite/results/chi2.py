"""chi2 tables: per dataset, per experiment and in total, with the experimental and the t0 covariance."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from ..data import covariance
from ..fit.problem import Problem


def experiment_of(dataset: str) -> str:
    """Return the experiment a dataset belongs to: the first part of its name."""
    return dataset.split("_")[0]


def chi2_table(problem: Problem, predictions: np.ndarray, order: Iterable[str] = ()) -> pd.DataFrame:
    """Tabulate the chi2 of predictions (N,).

    Returns
    -------
    pandas.DataFrame
        One row per dataset, experiment and for the total, with columns ``level``, ``name``, ``ndata``, ``chi2_t0``,
        ``chi2_exp`` (per point; all correlations within the row, none of the fit's weights). ``chi2_t0`` uses the fit's
        t0 predictions and is NaN without a t0 set.
    """
    names = np.concatenate([[d.name] * len(d.kept) for d in problem.datasets])
    experiments = np.array([experiment_of(name) for name in names])
    covmats = {"chi2_exp": covariance(problem.datasets)}
    if problem.t0_predictions is not None:
        covmats["chi2_t0"] = covariance(problem.datasets, problem.t0_predictions)
    residual = predictions - problem.central
    wanted = [name for name in order if name in names] or [d.name for d in problem.datasets]
    selections = [("dataset", name, names == name) for name in wanted]
    selections += [("experiment", e, experiments == e) for e in dict.fromkeys(map(experiment_of, wanted))]
    selections.append(("total", "total", np.ones(len(names), bool)))
    rows = []
    for level, name, chosen in selections:
        row = {"level": level, "name": name, "ndata": int(chosen.sum()), "chi2_t0": np.nan, "chi2_exp": np.nan}
        for kind, covmat in covmats.items():
            row[kind] = _chi2(covmat[np.ix_(chosen, chosen)], residual[chosen]) / chosen.sum()
        rows.append(row)
    return pd.DataFrame(rows)


def _chi2(covmat: np.ndarray, residual: np.ndarray) -> float:
    return float(residual @ cho_solve(cho_factor(covmat, lower=True), residual))
