"""Reweighting: what new data say about an ensemble, without a new fit; unweighting: replicas of equal weight again.

With ``chi2_k`` of replica k to n new data points, the weights, normalised to a mean of 1, are

- NNPDF: ``w_k ~ (chi2_k)^((n - 1) / 2) exp(-chi2_k / 2)`` (arXiv:1012.0836, 1108.1758), the probability of the
  replica given the value of its chi2;
- Giele and Keller: ``w_k ~ exp(-chi2_k / 2)`` (arXiv:hep-ph/9803393), its likelihood given the data
  themselves: what Bayes' theorem says of a prior of which the replicas are a sample.

The effective number of replicas is ``exp(sum_k w_k ln(R / w_k) / R)`` (1012.0836). The profile
``P(alpha) ~ 1/alpha sum_k w_k(alpha)``, with ``chi2_k / alpha^2`` in place of chi2_k in NNPDF's weights, peaks near 1 for
data whose errors are right and that agree with the prior (1012.0836).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from ..errors import InputError, nearest
from ..fit.problem import Problem
from ..results.chi2 import chi2_table
from .sources import PDFSet
from .uncertainty import Members

METHODS = ("nnpdf", "giele-keller")
ALPHAS = np.geomspace(0.3, 4.0, 200)


@dataclass(frozen=True, eq=False)
class Reweighting:
    """A reweighted ensemble.

    Attributes
    ----------
    method : str
    chi2 : (R,) array
        chi2, not per point, of each replica to the new data.
    n_data : int
    weights : (R,) array
        Their mean is 1.
    """

    method: str
    chi2: np.ndarray
    n_data: int
    weights: np.ndarray

    @property
    def n_effective(self) -> float:
        """Effective number of replicas, by Shannon's entropy."""
        return effective_number(self.weights)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted mean over replicas of ``values`` (R, ...)."""
        return np.tensordot(self.weights, values, axes=(0, 0)) / len(self.weights)

    def sigma(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted standard deviation over replicas of ``values`` (R, ...)."""
        return np.sqrt(self.mean(np.square(values - self.mean(values))))

    def alpha_profile(self, alphas: np.ndarray = ALPHAS) -> np.ndarray:
        """Return P(alpha) (A,), its integral over ``alphas`` 1: by how much the new data's errors are too small."""
        scaled = self.chi2[:, None] / alphas**2
        log_p = logsumexp(_log_weights("nnpdf", scaled, self.n_data), axis=0) - np.log(alphas)
        p = np.exp(log_p - log_p.max())
        return p / np.trapezoid(p, alphas)

    @property
    def alpha(self) -> float:
        """Most probable factor by which the errors of the new data are to be multiplied."""
        return float(ALPHAS[self.alpha_profile().argmax()])

    def unweighted(self, n: int) -> np.ndarray:
        """Return ``n`` members, from 1, of the original set that stand for the weighted ensemble; some repeat.

        Each is taken as often as odd multiples of 1/(2n) lie in its share of the cumulated weights (after
        arXiv:1108.1758, with the middles of its steps).
        More than ``n_effective`` replicas carry no more information.
        """
        if n < 2:
            raise InputError(f"unweighting to {n} replicas: expected at least 2")
        cumulated = np.cumsum(self.weights) / self.weights.sum()
        cumulated[-1] = 1.0
        middles = (np.arange(n) + 0.5) / n
        return 1 + np.searchsorted(cumulated, middles)


def reweight(chi2: np.ndarray, n_data: int, method: str = "nnpdf") -> Reweighting:
    """Weight replicas by their chi2 (R,), not per point, to ``n_data`` new points.

    Raises
    ------
    InputError
        For an unknown method, fewer than two replicas or one without a finite chi2.
    """
    chi2 = np.asarray(chi2, dtype=float)
    if method not in METHODS:
        raise InputError(f"method '{method}': expected {' or '.join(METHODS)}.{nearest(method, METHODS)}")
    if chi2.ndim != 1 or len(chi2) < 2 or n_data < 1:
        raise InputError(
            f"reweighting of {chi2.size} replicas with {n_data} points: expected two or more, and one or more"
        )
    if not np.all(np.isfinite(chi2)):
        raise InputError(f"replica {1 + int(np.flatnonzero(~np.isfinite(chi2))[0])} has no finite chi2 to the new data")
    log_weights = _log_weights(method, chi2, n_data)
    return Reweighting(method, chi2, n_data, len(chi2) * np.exp(log_weights - logsumexp(log_weights)))


def reweight_set(pdf: PDFSet, problem: Problem, method: str = "nnpdf") -> tuple[Reweighting, Members]:
    """Reweight a set of replicas with the data of a problem; returns the predictions as well.

    chi2 has the covariance of the problem: every correlation, multiplicative errors by its t0 predictions.

    Raises
    ------
    InputError
        If the set is not one of replicas, or does not reach the scale where the FK tables begin.
    """
    if pdf.errors.kind != "replicas":
        raise InputError(f"{pdf.name}: only replicas can be reweighted; this is a set of {pdf.errors}")
    predictions = pdf.predictions(problem)
    return reweight(chi2_of(predictions.replicas, problem), problem.n_data, method), predictions


def chi2_of(predictions: np.ndarray, problem: Problem) -> np.ndarray:
    """Return chi2 (R,), not per point, of predictions (R, N) to the data of a problem, with its covariance."""
    whitened = solve_triangular(problem.cholesky, (predictions - problem.central).T, lower=True)
    return np.square(whitened).sum(axis=0)


def effective_number(weights: np.ndarray) -> float:
    """Return ``exp(sum_k w_k ln(R / w_k) / R)`` of weights (R,) whose mean is 1."""
    n = len(weights)
    p = weights[weights > 0] / n
    return float(np.exp(-np.sum(p * np.log(p))))


def reweighting_table(
    problem: Problem, predictions: Members, result: Reweighting, order: Sequence[str] = ()
) -> pd.DataFrame:
    """Tabulate chi2 per point before and after: of the prior's central member and of the weighted mean prediction.

    Returns
    -------
    pandas.DataFrame
        ``level``, ``name``, ``ndata``, ``prior``, ``reweighted`` with the covariance of the fit (experimental where the
        problem has no t0 predictions).
    """
    column = "chi2_exp" if problem.t0_predictions is None else "chi2_t0"
    before = chi2_table(problem, predictions.values[0], order)
    after = chi2_table(problem, result.mean(predictions.replicas), order)
    table = before[["level", "name", "ndata"]]
    return table.assign(prior=before[column], reweighted=after[column])


def _log_weights(method: str, chi2: np.ndarray, n_data: int) -> np.ndarray:
    """Return the logarithm of weights that are not normalised."""
    if method == "giele-keller":
        return -0.5 * chi2
    with np.errstate(divide="ignore"):
        power = 0.5 * (n_data - 1) * np.log(chi2) if n_data > 1 else 0.0
    return power - 0.5 * chi2
