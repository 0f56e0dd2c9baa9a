"""From a problem to what training needs: pseudo-data, masks and, where masks are shared, folded factors."""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from ..data import pseudodata, training_mask
from ..pdf.parametrisation import FIT_BASES
from ..runcard import Runcard
from .folding import fold, fold_rows
from .operator import Operator, build_operator, compress
from .problem import Problem
from .training_task import TrainingTask


def replica_data(problem: Problem, card: Runcard, replicas: Sequence[int]) -> np.ndarray:
    """Return the pseudo-data (R, N) of each replica."""
    return np.array(
        [pseudodata(problem.central, problem.cholesky, card.mcseed, int(r), card.genrep) for r in replicas]
    )


def replica_masks(problem: Problem, card: Runcard, replicas: Sequence[int]) -> np.ndarray:
    """Return the training mask (R, N) of each replica."""
    return np.array(
        [
            training_mask(
                problem.datasets,
                card.trvlseed,
                mask_number(card, int(r)),
                diagonal_basis=card.diagonal_basis,
                diagonal_frac=card.diagonal_frac,
            )
            for r in replicas
        ]
    )


def mask_number(card: Runcard, replica: int) -> int:
    """Return which mask a replica uses: its own, one of ``training_masks`` shared ones, or the only one."""
    if card.same_trvl_per_replica:
        return 0
    return replica % card.training_masks if card.training_masks else replica


def prepare(
    problem: Problem, card: Runcard, replicas: Sequence[int], data: np.ndarray | None = None
) -> TrainingTask:
    """Whiten everything and lay it out for the chosen replicas, whose pseudo-data may be given as ``data`` (R, N).

    In the diagonal basis with a mask per replica the whitened rows are shared and masked; shared masks, and splits in
    the basis of the data, where each mask has a covariance of its own, are folded.
    """
    operator = build_operator(problem, FIT_BASES[card.fitting.fitbasis].columns)
    operator = compress(operator, problem, card.operator_tolerance)
    data = replica_data(problem, card, replicas) if data is None else data
    masks = replica_masks(problem, card, replicas)
    counts = {"n_training": masks.sum(axis=1).astype(float), "n_validation": (~masks).sum(axis=1).astype(float)}
    numbers = np.array([mask_number(card, int(r)) for r in replicas])
    _distinct, first, groups = np.unique(numbers, return_index=True, return_inverse=True)
    factors = None
    if not card.diagonal_basis:
        factors, arrays = fold_rows(_split_in_data_basis(problem, operator, data, masks[first]), groups)
    else:
        # One by one: the last bit of a solution depends on how many there are.
        whitened = np.array([solve_triangular(problem.cholesky, one, lower=True) for one in data])
        if card.same_trvl_per_replica or card.training_masks:
            factors, arrays = fold(operator, whitened, masks[first], groups)
        else:
            arrays = {"data": whitened, "mask": masks.astype(float)}
    return TrainingTask(card, operator, np.asarray(replicas), {**arrays, **counts}, factors)


def _split_in_data_basis(
    problem: Problem, operator: Operator, data: np.ndarray, masks: np.ndarray
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Whiten training and validation points of each mask with the covariance of those points alone."""
    n, k = problem.n_data, operator.n_nonlinear
    linear = problem.cholesky @ operator.whitened
    columns = np.concatenate([linear, np.zeros((n, k))], axis=1)
    columns[n - k :, linear.shape[1] :] = np.eye(k)
    covmat = problem.cholesky @ problem.cholesky.T
    parts = []
    for mask in masks:
        pair = []
        for chosen in (mask, ~mask):
            factor = np.linalg.cholesky(covmat[np.ix_(chosen, chosen)])
            pair.append(
                (
                    solve_triangular(factor, columns[chosen], lower=True),
                    solve_triangular(factor, data[:, chosen].T, lower=True).T,
                )
            )
        parts.append(pair)
    return parts


def split_chi2(
    problem: Problem, card: Runcard, prediction: np.ndarray, data: np.ndarray, mask: np.ndarray
) -> tuple[float, float, float]:
    """Return chi2 per point of a prediction (N,): training and validation to pseudo-data, all points to central data.

    A prediction that is not finite, of a replica that diverged to the last, has a chi2 that is not.
    """
    everything = solve_triangular(problem.cholesky, prediction - problem.central, lower=True, check_finite=False)
    pair = []
    if card.diagonal_basis:
        whitened = solve_triangular(problem.cholesky, prediction - data, lower=True, check_finite=False)
        pair = [np.mean(whitened[chosen] ** 2) for chosen in (mask, ~mask)]
    else:
        for chosen in (mask, ~mask):
            rows = problem.cholesky[chosen]
            factor = np.linalg.cholesky(rows @ rows.T)
            residual = solve_triangular(factor, (prediction - data)[chosen], lower=True, check_finite=False)
            pair.append(np.mean(residual**2))
    return float(pair[0]), float(pair[1]), float(np.mean(everything**2))
