"""Folds of the data in one batch: each replica trains on the datasets that its fold keeps, all through one operator.

A fold that leaves datasets out has a covariance, and so a whitening, of its own: ``W_k = L_k^-1`` of the kept rows. In the
coordinates ``z = B x f`` of the whole problem (``A = Q B``, as in ``folding``) its residuals are ``E_k z - d_k``, and the
singular values of E_k lie between 0 and 1: leaving points out removes information. Around a common point z0 and with
``r = z - z0``, ``rho = E_k z0 - d_k`` a mask M has the chi2

    ``r^T G r + 2 s r + c``   with   ``G = (M E_k)^T (M E_k)``,  ``s = (M E_k)^T M rho``,  ``c = |M rho|^2``,

as a mask of the whole problem has, so that replicas of different folds train side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_triangular

from ..data import Dataset, cholesky, covariance, training_mask
from ..data.catalogue import is_named
from ..data.pseudodata import replica_generator
from ..pdf.parametrisation import FIT_BASES
from ..runcard import Runcard
from .operator import Operator, build_operator, compress
from .preparation import mask_number
from .problem import Problem

#: Coarsest compression of an operator that a runcard wants exact: coordinates must be independent.
FINEST = 1e-8
#: Tails of two folds that differ by less, in units of sigma, are one.
SAME_TAIL = 1e-9


@dataclass(frozen=True)
class Fold:
    """What the replicas of a fold see.

    Attributes
    ----------
    datasets : tuple of Dataset
        Those that are fitted.
    kept : (N,) bool
        Their points.
    linear, nonlinear : (M, C), (M, n) arrays
        Whitened rows acting on the coordinates z and on the predictions that are not linear.
    data : (M,) array
        Whitened central values.
    n_tail : int
        How many rows, the last ones, meet predictions that are not linear.
    """

    datasets: tuple[Dataset, ...]
    kept: np.ndarray
    linear: np.ndarray
    nonlinear: np.ndarray
    data: np.ndarray
    n_tail: int

    def pseudodata(self, card: Runcard, replica: int) -> np.ndarray:
        """Return the whitened pseudo-data (M,) of a replica: those of a fit without the sets left out."""
        if not card.genrep:
            return self.data
        return self.data + replica_generator(card.mcseed, replica, "pseudodata").standard_normal(len(self.data))

    def mask(self, card: Runcard, replica: int) -> np.ndarray:
        """Return the training mask (M,) of a replica, likewise."""
        number = mask_number(card, replica)
        return training_mask(
            self.datasets, card.trvlseed, number, diagonal_basis=True, diagonal_frac=card.diagonal_frac
        )

    def chi2(self, z: np.ndarray, nonlinear: np.ndarray) -> np.ndarray:
        """Return chi2 per point (R,) to the central data that are fitted, with the covariance of the fit."""
        return ((z @ self.linear.T + nonlinear @ self.nonlinear.T - self.data) ** 2).mean(axis=1)


@dataclass(frozen=True)
class KFoldProblem:
    """A problem with its folds, ready to train; plain arrays, picklable.

    Attributes
    ----------
    operator : Operator
        Without the rows of the data: nodes, constraints, and what is not linear.
    basis : (C, K J) array
        B, which takes ``x f`` to the coordinates z.
    start : (C,) array
        z0, the coordinates of the central data.
    predictions : (N - n, C) array
        Takes z to the predictions that are linear.
    central : (N,) array
    folds : tuple of Fold
    """

    operator: Operator
    basis: np.ndarray
    start: np.ndarray
    predictions: np.ndarray
    central: np.ndarray
    folds: tuple[Fold, ...]


def prepare_folds(problem: Problem, card: Runcard, left_out: Sequence[Sequence[str]]) -> KFoldProblem:
    """Whiten the data that each fold keeps and express their theory in common coordinates.

    Parameters
    ----------
    problem : Problem
        Of all data.
    card : Runcard
    left_out : sequence
        Of each fold, the names of the datasets that it does not fit.
    """
    tolerance = max(card.operator_tolerance, FINEST)
    operator = compress(build_operator(problem, FIT_BASES[card.fitting.fitbasis].columns, tolerance), problem, tolerance)
    assert operator.compression is not None  # the tolerance is not zero
    q, factor = np.linalg.qr(operator.whitened)
    theory = problem.cholesky @ q
    n = problem.n_data - problem.n_nonlinear
    theory[n:] = 0  # but for what compression left there
    central = problem.central
    covmat = covariance(problem.datasets, problem.t0_predictions, use_weights=True)
    folds = tuple(_fold(problem, covmat, theory, names) for names in left_out)
    trimmed = replace(operator, rows=operator.rows[operator.n_data :], n_data=0, compression=None)
    start = q.T @ solve_triangular(problem.cholesky, central, lower=True)
    return KFoldProblem(trimmed, factor @ operator.compression.right, start, theory[:n], central, folds)


def _fold(problem: Problem, covmat: np.ndarray, theory: np.ndarray, names: Sequence[str]) -> Fold:
    left_out = [dataset.name for dataset in problem.datasets if is_named(dataset.name, names)]
    labels = np.repeat([d.name for d in problem.datasets], [len(d.kept) for d in problem.datasets])
    kept = ~np.isin(labels, left_out)
    factor = cholesky(covmat[np.ix_(kept, kept)], labels[kept])
    n = problem.n_nonlinear
    selector = np.zeros((problem.n_data, n))
    selector[problem.n_data - n :] = np.eye(n)
    rows = np.concatenate([theory, selector, problem.central[:, None]], axis=1)[kept]
    linear, nonlinear, data = np.split(solve_triangular(factor, rows, lower=True), [theory.shape[1], theory.shape[1] + n], axis=1)
    datasets = tuple(d for d in problem.datasets if d.name not in left_out)
    return Fold(datasets, kept, linear, nonlinear, data[:, 0], int(kept[problem.n_data - n :].sum()))


class KFolding:
    """The folds, folded: the counterpart of ``folding.Folding``.

    The last rows of a fold, its tail, meet predictions that are not linear. Tails of folds that are equal, as where
    these points do not correlate with what is left out, are kept once; the others are stacked, and a mask tells each
    replica which rows are its own.

    Attributes
    ----------
    linear, nonlinear, tail_linear, tail_nonlinear
        As in ``Folding``.
    whole : (folds, C, C) array
        Forms of all points that fold.
    """

    def __init__(self, problem: KFoldProblem):
        self.problem = problem
        heads = [fold.linear[: len(fold.linear) - fold.n_tail] for fold in problem.folds]
        self.linear = problem.basis
        self.nonlinear = np.zeros((len(problem.basis), problem.folds[0].nonlinear.shape[1]))
        self.whole = np.array([head.T @ head for head in heads])
        tails: list[np.ndarray] = []
        self._places: list[slice] = []
        for fold in problem.folds:
            tail = np.concatenate([fold.linear, fold.nonlinear], axis=1)[len(fold.linear) - fold.n_tail :]
            same = (i for i, other in enumerate(tails) if _same(tail, other))
            i = next(same, len(tails))
            tails += [tail] if i == len(tails) else []
            first = sum(len(other) for other in tails[:i])
            self._places.append(slice(first, first + len(tail)))
        stacked = np.concatenate(tails)
        coordinates, self.tail_nonlinear = np.split(stacked, [len(problem.basis)], axis=1)
        self.tail_linear = coordinates @ problem.basis

    def fold(self, number: int, card: Runcard, replica: int) -> dict[str, np.ndarray]:
        """Fold the mask and pseudo-data of a replica of fold ``number`` (``objective.Chi2`` says what the arrays are)."""
        fold, place = self.problem.folds[number], self._places[number]
        data, mask = fold.pseudodata(card, replica), fold.mask(card, replica)
        n = len(data) - fold.n_tail
        rows, (chosen, tail_mask) = fold.linear[:n], np.split(mask, [n])
        rest = rows @ self.problem.start - data[:n]
        training, part = rows[chosen], rest[chosen]
        tail_data, tail_masks = np.zeros(len(self.tail_linear)), np.zeros((2, len(self.tail_linear)))
        tail_data[place], tail_masks[0, place], tail_masks[1, place] = data[n:], tail_mask, 1
        return {
            "form": (training.T @ training)[None],
            "target": self.problem.start,
            "slope": (part @ training)[None],
            "floor": np.array([part @ part, rest @ rest]),
            "whole_slope": rest @ rows,
            "fold": np.eye(len(self.whole))[number],
            "tail_data": tail_data,
            "tail_mask": tail_masks[0],
            "tail_known": tail_masks[1],
            "n_training": mask.sum(),
            "n_validation": (~mask).sum(),
        }


def _same(tail: np.ndarray, other: np.ndarray) -> bool:
    return tail.shape == other.shape and np.allclose(tail, other, rtol=SAME_TAIL, atol=SAME_TAIL)


def replica_number(fold: int, replica: int, replicas: int) -> int:
    """Return the number, from 1, of a fold's replica (from 0): its seeds are that of this replica of a fit."""
    return fold * replicas + replica + 1


def folded_replicas(folding: KFolding, card: Runcard, replicas: int, dtype: type) -> Mapping[int, dict[str, np.ndarray]]:
    """Fold the masks and pseudo-data of ``replicas`` replicas of each fold; depends on the card's seeds and ``diagonal_frac`` alone."""
    folded: dict[int, dict[str, np.ndarray]] = {}
    for fold in range(len(folding.whole)):
        for replica in range(replicas):
            number = replica_number(fold, replica, replicas)
            arrays = folding.fold(fold, card, number)
            folded[number] = {name: np.asarray(values, dtype) for name, values in arrays.items()}
    return folded
