"""Compression: fewer replicas that say the same, chosen so that their statistics are those of all.

Source: arXiv:1504.06469. A subset is judged by six estimators, each compared with that of all R replicas on a grid of
flavours and x at Q0: mean, standard deviation, skewness and kurtosis; the Kolmogorov estimator, which counts replicas
in six intervals that begin and end at -2, -1, 0, 1, 2 sigma; and the correlations between all flavours at five x. The
error of an estimator is the mean square of its difference over all points (mean and standard deviation in units of the
full sigma), divided by what subsets drawn at random have on average; their sum is minimised. (There, differences are
divided by the value itself, which for skewness is often near zero, and correlations enter by a trace.)

Every estimator is a function of sums over the chosen replicas, so that candidates are judged by a matrix product.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from .combinations import EVOLUTION
from .linear import Part, write_combinations
from .sources import PDFSet, Track, silent

ESTIMATORS = ("mean", "sigma", "skewness", "kurtosis", "kolmogorov", "correlation")
SAMPLED_X = np.concatenate([np.geomspace(1e-5, 0.1, 20, endpoint=False), np.linspace(0.1, 0.8, 15)])
CORRELATED_X = np.array([1e-4, 1e-2, 0.1, 0.3, 0.6])

_MUTANTS, _RANDOM = 64, 1000
#: Probability of one, two, ... replicas exchanged in a mutation.
_EXCHANGES = (0.6, 0.3, 0.1)


@dataclass(frozen=True, eq=False)
class Compression:
    """Chosen replicas and how well they do.

    Attributes
    ----------
    chosen : (N,) int array
        Members of the full set, ascending.
    errors : pandas.DataFrame
        A row per estimator, root mean square differences from the full set: ``compressed``, ``random``, that of 1000
        subsets of the same size drawn at random, ``random_best``, the least of them, and ``ratio``, the first over the
        second.
    """

    chosen: np.ndarray
    errors: pd.DataFrame


def compress(
    pdf: PDFSet, n: int, *, seed: int = 1, searches: int = 3, generations: int = 400, track: Track = silent
) -> Compression:
    """Choose ``n`` replicas of a set by a genetic search: the best of several mutants replaces its parent if better.

    Each of the ``searches`` begins elsewhere and lasts for ``generations``; the best of all is the result.

    Raises
    ------
    InputError
        If the set is not one of replicas, or has not more than ``n``.
    """
    if pdf.errors.kind != "replicas":
        raise InputError(f"{pdf.name}: only sets of replicas are compressed; this is a set of {pdf.errors}")
    if not 2 <= n < pdf.errors.n:
        raise InputError(f"{n} replicas out of {pdf.label}: expected 2 to {pdf.errors.n - 1}")
    rng = np.random.default_rng(seed)
    statistics = _Statistics.of(pdf)
    random = statistics.errors(_subsets(rng, pdf.errors.n, n, _RANDOM))
    scale = random.mean(axis=0)
    starts = _subsets(rng, pdf.errors.n, n, searches)
    best, least = starts[0], np.inf
    for generation in track(range(searches * generations), "compressing"):
        if generation % generations == 0:  # a search ends in a local minimum: the next one begins elsewhere
            parent, lowest = starts[generation // generations], np.inf
        candidates = _mutants(rng, parent, _MUTANTS)
        totals = (statistics.errors(candidates) / scale).sum(axis=1)
        if totals.min() < lowest:
            parent, lowest = candidates[totals.argmin()], totals.min()
        if lowest < least:
            best, least = parent, lowest
    found = statistics.errors(best[None])[0]
    squares = {"compressed": found, "random": scale, "random_best": random.min(axis=0), "ratio": found / scale}
    errors = pd.DataFrame({"estimator": ESTIMATORS} | {name: np.sqrt(column) for name, column in squares.items()})
    return Compression(np.flatnonzero(best) + 1, errors)


def write_selection(
    pdf: PDFSet,
    path: str | os.PathLike,
    members: Sequence[int] | np.ndarray,
    description: str,
    *,
    overwrite: bool = False,
    track: Track = silent,
) -> Path:
    """Write the replicas ``members`` (which may repeat) of a set as a set of their own; member 0 is their mean.

    Raises
    ------
    InputError
        If ``path`` exists or cannot be written.
    """
    matrix = np.zeros((1 + len(members), 1 + pdf.errors.n))
    matrix[np.arange(1, 1 + len(members)), members] = 1.0
    matrix[0] = matrix[1:].mean(axis=0)
    info = {"ErrorType": "replicas", "ErrorConfLevel": None, "SetDesc": description}
    return write_combinations(path, [Part(pdf, matrix)], info, overwrite=overwrite, track=track)


@dataclass(frozen=True, eq=False)
class _Statistics:
    """Values of a set, centred and in units of sigma, as features whose sums over replicas give every estimator.

    ``features`` (R, 9 P + C) holds, for P points, four powers and five steps, then products of C pairs of points; the
    pairs' points are ``pairs`` (2, C). ``target`` holds the estimators of the whole set.
    """

    features: np.ndarray
    n_points: int
    pairs: np.ndarray
    target: list[np.ndarray]

    @classmethod
    def of(cls, pdf: PDFSet) -> "_Statistics":
        x = np.union1d(SAMPLED_X, CORRELATED_X)
        xf = pdf.xf(EVOLUTION, x, pdf.q0)
        varies = xf.sigma > 1e-6 * np.abs(xf.central).max(axis=1, keepdims=True)
        if not varies.any():
            raise InputError(f"{pdf.name}: its replicas are all alike, any of them will do")
        z = ((xf.replicas - xf.central) / np.where(varies, xf.replicas.std(axis=0), 1.0))[:, varies]
        powers = [z**k for k in (1, 2, 3, 4)]
        steps = [z < edge for edge in (-2, -1, 0, 1, 2)]
        correlated = np.flatnonzero(np.broadcast_to(np.isin(x, CORRELATED_X), varies.shape)[varies])
        pairs = correlated[np.array(np.triu_indices(len(correlated), k=1))]
        features = np.hstack([*powers, *steps, z[:, pairs[0]] * z[:, pairs[1]]])
        whole = cls(features, z.shape[1], pairs, [])
        return cls(features, z.shape[1], pairs, whole.estimators(np.ones((1, len(z)), bool)))

    def estimators(self, subsets: np.ndarray) -> list[np.ndarray]:
        """Return for each of ``ESTIMATORS`` its values (S, points) in subsets (S, R) of one size."""
        averages = subsets.astype(float) @ self.features / subsets[0].sum()
        points = averages[:, : 9 * self.n_points].reshape(len(subsets), 9, self.n_points)
        m1, m2, m3, m4 = points[:, :4].transpose(1, 0, 2)
        variance = m2 - m1**2
        sigma = np.sqrt(np.maximum(variance, 1e-12))
        third = m3 - 3 * m1 * m2 + 2 * m1**3
        fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
        steps = points[:, 4:]
        kolmogorov = np.diff(steps, axis=1, prepend=0.0, append=1.0).reshape(len(subsets), -1)
        a, b = self.pairs
        products = averages[:, 9 * self.n_points :] - m1[:, a] * m1[:, b]
        return [m1, sigma, third / sigma**3, fourth / sigma**4, kolmogorov, products / (sigma[:, a] * sigma[:, b])]

    def errors(self, subsets: np.ndarray) -> np.ndarray:
        """Return the error (S, 6) of each estimator in subsets (S, R)."""
        found = self.estimators(subsets)
        return np.stack([np.square(f - t).mean(axis=1) for f, t in zip(found, self.target)], axis=1)


def _subsets(rng: np.random.Generator, replicas: int, n: int, count: int) -> np.ndarray:
    """Return ``count`` random choices (count, R) of n out of R replicas."""
    return rng.permuted(np.tile(np.arange(replicas) < n, (count, 1)), axis=1)


def _mutants(rng: np.random.Generator, parent: np.ndarray, count: int) -> np.ndarray:
    """Return copies of a choice (R,) with one to three replicas exchanged for others."""
    mutants = np.tile(parent, (count, 1))
    exchanged = 1 + rng.choice(len(_EXCHANGES), size=(count, 1), p=_EXCHANGES)
    for side in (parent, ~parent):
        order = np.argsort(np.where(side, rng.random(mutants.shape), 2.0), axis=1)
        rank = np.argsort(order, axis=1)  # random among this side, behind it for the other
        mutants ^= (rank < np.minimum(exchanged, min(parent.sum(), (~parent).sum()))) & side
    return mutants
