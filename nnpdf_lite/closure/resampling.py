"""Bootstrap over fits and replicas: every estimator is a function of weighted averages, evaluated for many weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError

#: Fewest replicas of a fit whose spread is worth an estimator: their variance is then known to a factor of two.
FEWEST_REPLICAS = 5


@dataclass(frozen=True)
class Resampling:
    """Weights of fits and of their replicas; row 0 is the sample itself, the others are B bootstrap samples.

    Fits are resampled, and so are the replicas of each fit. Replicas of different fits are independent, so that fits alone
    would do; both, as in validphys, give slightly larger errors. Weights are those of the Bayesian bootstrap (Rubin,
    Ann. Statist. 9 (1981) 130), uniform among those that sum to 1: no sample consists of one replica many times, whose
    spread would be zero.

    Attributes
    ----------
    fits : (B + 1, F) array
        Weights that sum to 1.
    replicas : tuple of F arrays (B + 1, R_f)
        Weights that sum to 1.
    """

    fits: np.ndarray
    replicas: tuple[np.ndarray, ...]

    @classmethod
    def draw(cls, sizes: Sequence[int], samples: int = 200, seed: int = 0) -> "Resampling":
        """Draw ``samples`` bootstrap samples of fits that have ``sizes`` (F,) replicas.

        Raises
        ------
        InputError
            If there is no fit, or one has too few replicas for its spread to mean anything.
        """
        if not len(sizes) or min(sizes) < FEWEST_REPLICAS:
            what = f"a fit with {min(sizes)} replicas" if len(sizes) else "no fit"
            raise InputError(f"closure: {what}; estimators need at least {FEWEST_REPLICAS} replicas in each fit")
        rng = np.random.default_rng(seed)
        return cls(_weights(len(sizes), samples, rng), tuple(_weights(size, samples, rng) for size in sizes))

    @property
    def n_fits(self) -> int:
        """Number of fits."""
        return self.fits.shape[1]

    def average(self, per_fit: np.ndarray) -> np.ndarray:
        """Average numbers (B + 1, F) over the fits; returns (B + 1,)."""
        return (self.fits * per_fit).sum(axis=1)


def _weights(n: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([np.full((1, n), 1 / n), rng.dirichlet(np.ones(n), size=samples)])


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap error; NaN where one fit alone gives none."""

    value: float
    error: float


def estimate(samples: np.ndarray, n_fits: int) -> Estimate:
    """Return the value, and the error that the bootstrap samples (B + 1,) give it.

    A Bayesian bootstrap over F fits is too narrow by ``sqrt((F - 1) / (F + 1))``, which is put right. With a single fit the spread
    would be that of its replicas alone, which is no error of the estimator: it is NaN.
    """
    if n_fits < 2:
        return Estimate(float(samples[0]), np.nan)
    spread = np.nanstd(samples[1:], ddof=1) * np.sqrt((n_fits + 1) / (n_fits - 1))
    return Estimate(float(samples[0]), float(spread))
