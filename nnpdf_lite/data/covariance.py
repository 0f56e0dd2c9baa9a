"""Covariance matrices of several sets together, and their Cholesky factors."""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.linalg

from ..errors import InputError
from .dataset import Dataset

UNCORRELATED = ("UNCORR", "THEORYUNCORR")
CORRELATED_WITHIN_SET = ("CORR", "THEORYCORR")
IGNORED = ("SKIP",)

# Relative asymmetry that rounding can explain.
_ASYMMETRY_TOLERANCE = 1e-9


def covariance(
    datasets: Sequence[Dataset], t0_predictions: np.ndarray | None = None, use_weights: bool = False
) -> np.ndarray:
    """Return the covariance matrix of all points of the sets.

    ``C_ij = delta_ij sum_uncorrelated s_i^2 + sum_correlated s_i s_j``. UNCORR and THEORYUNCORR are uncorrelated, CORR
    and THEORYCORR correlate the points of their set, SKIP is left out, and any other kind correlates the points of
    every set that has a source of that kind (arXiv:hep-ph/0501067, equation 2).

    Parameters
    ----------
    datasets
        The sets, after cuts.
    t0_predictions
        (N,) predictions that multiplicative errors are taken relative to, instead of the data: the t0 prescription,
        arXiv:0912.2276, free of the bias towards small normalisations.
    use_weights
        Divide ``C_ij`` by ``sqrt(w_i w_j)``, w the weight of the point's set.

    Returns
    -------
    numpy.ndarray
        (N, N), symmetric.

    Raises
    ------
    InputError
        When a set with a multiplicative error has data of exactly zero, so that t0 cannot scale it.
    """
    starts = np.cumsum([0, *(len(dataset) for dataset in datasets)])
    blocks = [slice(*pair) for pair in itertools.pairwise(starts)]
    total = np.zeros((starts[-1], starts[-1]))
    if t0_predictions is not None and np.shape(t0_predictions) != (starts[-1],):
        raise ValueError(f"t0_predictions has shape {np.shape(t0_predictions)}, expected ({starts[-1]},)")
    shared: dict[tuple[str, int], int] = {}
    columns: list[tuple[slice, np.ndarray, list[int]]] = []
    for dataset, block in zip(datasets, blocks):
        errors = absolute_errors(dataset, None if t0_predictions is None else np.asarray(t0_predictions)[block])
        kind = dataset.uncertainties.kind
        uncorrelated, within = np.isin(kind, UNCORRELATED), np.isin(kind, CORRELATED_WITHIN_SET)
        total[block, block] += np.diag((errors[:, uncorrelated] ** 2).sum(axis=1))
        total[block, block] += _outer(errors[:, within])
        across = ~(uncorrelated | within | np.isin(kind, IGNORED))
        keys = [shared.setdefault(key, len(shared)) for key in numbered(kind[across])]
        columns.append((block, errors[:, across], keys))
    common = np.zeros((starts[-1], len(shared)))
    for block, errors, keys in columns:
        common[block, keys] = errors
    total += _outer(common)
    if use_weights and any(dataset.weight != 1 for dataset in datasets):
        root = np.sqrt(np.repeat([dataset.weight for dataset in datasets], np.diff(starts)))
        total /= np.outer(root, root)
    return total


def absolute_errors(dataset: Dataset, t0_predictions: np.ndarray | None = None) -> np.ndarray:
    """Return the uncertainties (n, S) in units of the data, multiplicative ones relative to ``t0_predictions`` (n,)."""
    uncertainties = dataset.uncertainties
    multiplicative = uncertainties.treatment == "MULT"
    if t0_predictions is None or not multiplicative.any():
        return uncertainties.values
    if (dataset.central == 0).any():
        point = int(dataset.kept[dataset.central == 0][0])
        raise InputError(
            f"Dataset {dataset.name}: point {point} is 0 and has multiplicative uncertainties, which the t0 "
            "prescription cannot scale. Cut the point, or declare its uncertainties additive."
        )
    scale = np.where(multiplicative, (t0_predictions / dataset.central)[:, np.newaxis], 1.0)
    return uncertainties.values * scale


def cholesky(covariance: np.ndarray, labels: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the lower triangular L (N, N) with ``L L^T`` equal to the covariance matrix.

    Parameters
    ----------
    covariance
        (N, N).
    labels
        (N,) name of the set each point belongs to, for messages.

    Raises
    ------
    InputError
        When the matrix has entries that are not finite, or is not symmetric or not positive definite; the sets at
        fault are named.
    """
    labels = np.asarray(labels, dtype=str)
    n = len(labels)
    if np.shape(covariance) != (n, n):
        raise InputError(f"The covariance matrix has shape {np.shape(covariance)}, expected {(n, n)} for {n} points.")
    if not np.isfinite(covariance).all():
        bad = ~np.isfinite(covariance).all(axis=1)
        raise InputError(f"The covariance matrix is not finite for points of {_names(labels[bad])}.")
    diagonal = np.diag(covariance)
    if (diagonal <= 0).any():
        raise InputError(
            f"The covariance matrix is not positive definite: points of {_names(labels[diagonal <= 0])} have no "
            "uncertainty or a negative variance."
        )
    if not (covariance == covariance.T).all():
        tolerance = _ASYMMETRY_TOLERANCE * np.sqrt(np.outer(diagonal, diagonal))
        bad = (np.abs(covariance - covariance.T) > tolerance).any(axis=1)
        if bad.any():
            raise InputError(f"The covariance matrix is not symmetric for points of {_names(labels[bad])}.")
    # Transposed, the matrix lies in memory as LAPACK wants it, which spares a slow copy.
    factor, failed_at = scipy.linalg.lapack.dpotrf(covariance.T, lower=True, clean=True)
    if failed_at:
        raise InputError(_not_positive(covariance, labels, failed_at - 1))
    return factor


def _not_positive(covariance: np.ndarray, labels: np.ndarray, point: int) -> str:
    """Say which set spoils positivity: by itself, or together with the points before it."""
    own = labels == labels[point]
    smallest = scipy.linalg.eigvalsh(covariance[np.ix_(own, own)])[0]
    alone = smallest <= 0 or scipy.linalg.lapack.dpotrf(covariance[np.ix_(own, own)], lower=True)[1]
    others = "" if alone else f" together with {_names(labels[:point][~own[:point]])}"
    return (
        f"The covariance matrix of {labels[point]}{others} is not positive definite: its uncertainties leave a "
        "combination of points without error."
    )


def _outer(columns: np.ndarray) -> np.ndarray:
    """Return ``A A^T``, exactly symmetric."""
    product = columns @ columns.T
    return 0.5 * (product + product.T)


def numbered(kinds: np.ndarray) -> list[tuple[str, int]]:
    """Return a key for each source that correlates sets: tell apart several sources of one kind within a set, which are independent of each other."""
    seen: Counter[str] = Counter()
    keys = []
    for kind in map(str, kinds):
        keys.append((kind, seen[kind]))
        seen[kind] += 1
    return keys


def _names(labels: np.ndarray) -> str:
    return ", ".join(dict.fromkeys(map(str, labels)))
