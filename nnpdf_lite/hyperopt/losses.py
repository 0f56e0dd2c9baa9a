"""What a fold's replicas say about data they did not see, and how the folds of a trial become one number.

Sources: loss and statistics of K-folds, arXiv:2109.02653 (section 3.3) and arXiv:2410.16248; the spread phi,
arXiv:1410.8849 (equation 4.6); chi2 and likelihood with the PDFs' covariance, arXiv:2605.31482. Definitions that differ
between code and paper are those of n3fit 4.1 (``hyper_optimization.rewards``, ``vpinterface.compute_hyperopt_metrics``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from ..runcard.hyperopt_schema import KFold

#: Statistics over replicas or folds; ``best_worst`` is the loss of the worst.
STATISTICS: Mapping[str, Callable[[np.ndarray], float]] = {"average": np.mean, "best_worst": np.max, "std": np.std}


@dataclass(frozen=True)
class LeftOutData:
    """Central values (n,) that a fold leaves out, and the Cholesky factor (n, n) of their experimental covariance."""

    central: np.ndarray
    cholesky: np.ndarray


@dataclass(frozen=True)
class FoldMetrics:
    """What the replicas of a fold say about the data left out, per point.

    Attributes
    ----------
    chi2 : float
        Of the mean of the replicas.
    replicas : (R,) array
        Of each replica.
    phi2 : float
        Spread of the replicas in units of the experimental uncertainty.
    chi2p, logp : float
        chi2 with the PDFs' covariance added, and minus the logarithm of the likelihood.
    """

    chi2: float
    replicas: np.ndarray
    phi2: float
    chi2p: float
    logp: float


def fold_metrics(predictions: np.ndarray, data: LeftOutData) -> FoldMetrics:
    """Compare the predictions (R, n) of a fold's replicas with the data it left out.

    - ``chi2_k = (D - <T>)^T C^-1 (D - <T>) / n``, C the experimental covariance.
    - ``phi2_k = <chi2_k[T]> - chi2_k[<T>]`` (arXiv:1410.8849, equation 4.6), over the n points.
    - ``chi2p``: the same as chi2 with ``C + cov(T)``, the covariance of the predictions over replicas, in place of C, and
      ``logp = (n ln 2 pi + ln det(C + cov(T)) + n chi2p) / 2 n`` with the determinant in units of the data, as n3fit 4.1
      (arXiv:2605.31482): an ensemble that is too narrow is punished by chi2p, one that is too wide by the determinant.
    """
    n, mean = len(data.central), predictions.mean(axis=0)
    whitened = solve_triangular(data.cholesky, (predictions - data.central).T, lower=True)
    replicas = (whitened**2).mean(axis=0)
    chi2 = float((whitened.mean(axis=1) ** 2).mean())
    covmat = data.cholesky @ data.cholesky.T
    if len(predictions) > 1:
        covmat = covmat + np.cov(predictions, rowvar=False)
    total = cho_factor(covmat, lower=True)
    difference = mean - data.central
    chi2p = float(difference @ cho_solve(total, difference)) / n
    log_det = 2 * np.log(np.diag(total[0])).sum() - 2 * np.log(np.abs(data.central)).sum()
    logp = 0.5 * (np.log(2 * np.pi) + log_det / n + chi2p)
    return FoldMetrics(chi2, replicas, float(replicas.mean() - chi2), chi2p, float(logp))


def fold_loss(metrics: FoldMetrics, settings: KFold, weight: float = 1.0) -> float:
    """Return the loss of one fold: that of ``loss_type``; for chi2 of the mean, or a statistic over the replicas."""
    if settings.loss_type == "chi2" and settings.replica_statistic != "central":
        return weight * float(STATISTICS[settings.replica_statistic](metrics.replicas))
    return weight * getattr(metrics, settings.loss_type)


def trial_loss(folds: np.ndarray, settings: KFold) -> float:
    """Return the loss of a trial from those of its folds (K,).

    For phi2 it is the reciprocal of the statistic: the model that extrapolates most conservatively wins
    (arXiv:2410.16248).
    """
    statistic = float(STATISTICS[settings.fold_statistic](folds))
    return 1 / statistic if settings.loss_type == "phi2" else statistic


def judged(validation: np.ndarray, passed: np.ndarray, proportion: float) -> np.ndarray:
    """Return the positions of the replicas that count: of those that ``passed`` (R,), the best of lowest validation chi2 (R,).

    ``proportion`` of all replicas, rounded up (n3fit's ``reduce_proportion``); fewer where not that many passed.
    """
    wanted = int(np.ceil(proportion * len(validation)))
    order = np.argsort(np.where(np.isfinite(validation), validation, np.inf), kind="stable")
    return order[passed[order]][:wanted]
