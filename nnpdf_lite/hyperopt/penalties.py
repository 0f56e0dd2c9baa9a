"""Penalties of a trial, per replica: what makes a model bad although its loss is good. n3fit's (``hyper_optimization.penalties``) and positivity."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..flavours import EVOLUTION_FLAVOURS
from ..results.ensemble import INTEGRABILITY_FLAVOURS
from ..results.postfit import INTEGRABILITY_THRESHOLD

#: Points at which saturation is looked for, and those of the integrability numbers.
SATURATION_X = np.geomspace(1e-6, 1e-4, 100)
INTEGRABILITY_X = np.array([1e-9, 1e-8, 1e-7])
#: Where PDFs are wanted for the penalties.
PENALTY_X = np.concatenate([INTEGRABILITY_X, SATURATION_X])


@dataclass(frozen=True)
class TrainedFold:
    """The replicas of a fold, as penalties look at them.

    Attributes
    ----------
    xf : (R, 103, 14) array
        ``x f`` at ``PENALTY_X``.
    validation, best_epoch, passed : (R,) arrays
        chi2 per point and number of the best epoch, and whether it passes positivity.
    epochs, patience : int
        At most, and without improvement.
    """

    xf: np.ndarray
    validation: np.ndarray
    best_epoch: np.ndarray
    passed: np.ndarray
    epochs: int
    patience: int


def saturation(fold: TrainedFold) -> np.ndarray:
    """Return ``sum_f 1 / (|mean slope| + std of the slope)`` of Sigma and g (R,): large where x f is flat in log x.

    The slope is that of x f against log10 x from 1e-6 to 1e-4 (arXiv:2109.02653, section 3.3).
    """
    xf = fold.xf[:, len(INTEGRABILITY_X) :, [EVOLUTION_FLAVOURS.index(name) for name in ("Sigma", "g")]]
    slope = np.diff(xf, axis=1) / np.diff(np.log10(SATURATION_X))[:, None]
    return (1 / (1e-7 + np.abs(slope.mean(axis=1)) + slope.std(axis=1))).sum(axis=1)


def patience(fold: TrainedFold, alpha: float = 1e-4) -> np.ndarray:
    """Return ``chi2_validation exp(alpha |epochs - patience - best epoch|)`` (R,): epochs or patience are not what is needed."""
    return fold.validation * np.exp(alpha * np.abs(fold.epochs - fold.patience - fold.best_epoch))


def integrability(fold: TrainedFold) -> np.ndarray:
    """Return ``exp(min(I, 50)) - 1`` (R,), I the sum of those integrability numbers that postfit would veto."""
    columns = [EVOLUTION_FLAVOURS.index(name) for name in INTEGRABILITY_FLAVOURS]
    numbers = np.abs(fold.xf[:, : len(INTEGRABILITY_X), columns]).sum(axis=1)
    excess = np.where(numbers > INTEGRABILITY_THRESHOLD, numbers, 0.0).sum(axis=1)
    return np.expm1(np.minimum(excess, 50.0))


def positivity(fold: TrainedFold) -> np.ndarray:
    """Return 1 for a replica that passes positivity at no epoch (R,), as postfit would drop it; not one of n3fit's."""
    return np.where(fold.passed, 0.0, 1.0)


PENALTIES: Mapping[str, Callable[[TrainedFold], np.ndarray]] = {
    "saturation": saturation,
    "patience": patience,
    "integrability": integrability,
    "positivity": positivity,
}
"""By the names of ``kfold.penalties``."""
