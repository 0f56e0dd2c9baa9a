"""Future tests: how well a fit predicts data it has not seen, its own uncertainty included (arXiv:2103.08606)."""

import numpy as np
import pandas as pd

from ..data import covariance
from ..errors import InputError
from ..fit.problem import measured_problem
from ..results.fit import Fit
from ..theory import predict
from .sample import fitted_points, groups_of


def predicted_chi2(replicas: np.ndarray, data: np.ndarray, covmat: np.ndarray) -> tuple[float, float]:
    """Return chi2 per point of the mean of replicas, without and with the uncertainty of the PDFs.

    The second adds the covariance of the replicas to that of the data, times 1 + 1/R for R replicas, whose mean is not
    exact. Expected of a fit with the right errors for data it has not seen: more than 1, and 1.

    Parameters
    ----------
    replicas : (R, n) predictions
    data : (n,)
    covmat : (n, n) covariance of the data
    """
    r, n = replicas.shape
    residual = replicas.mean(axis=0) - data
    pdf = np.atleast_2d(np.cov(replicas, rowvar=False)) * (1 + 1 / r)
    return tuple(float(residual @ np.linalg.solve(c, residual)) / n for c in (covmat, covmat + pdf))


def future_table(fit: Fit) -> pd.DataFrame:
    """Tabulate how a fit describes the data it left out, beside those it fitted.

    Returns
    -------
    pandas.DataFrame
        One row per dataset, experiment and total of each part: ``part`` (fitted, left out), ``level``, ``name``, ``n``,
        and chi2 per point of the mean with the experimental covariance, ``chi2_exp``, and with that of the PDFs added,
        ``chi2_exp_pdf`` (for data left out only: the errors of fitted data are in the PDFs already).

    Raises
    ------
    InputError
        If the runcard leaves nothing out.
    """
    card = fit.runcard
    if card.left_out is None:
        raise InputError(
            f"{fit.folder.path}: neither a closure test nor a fit that leaves data out (its filter.yml has no closuretest "
            "and no left_out)"
        )
    problem = measured_problem(card, left_out=True)
    predictions = predict(problem.theories, fit.ensemble.at)
    fitted, covmat = fitted_points(problem, card), covariance(problem.datasets)
    rows = []
    for part, inside in (("left out", ~fitted), ("fitted", fitted)):
        for level, name, group in groups_of(problem.datasets):
            chosen = group & inside
            if chosen.any():
                block = covmat[np.ix_(chosen, chosen)]
                chi2, with_pdf = predicted_chi2(predictions[:, chosen], problem.central[chosen], block)
                rows.append((part, level, name, int(chosen.sum()), chi2, with_pdf if part == "left out" else np.nan))
    return pd.DataFrame(rows, columns=["part", "level", "name", "n", "chi2_exp", "chi2_exp_pdf"])
