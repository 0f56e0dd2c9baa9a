"""From a problem to what training needs: the operator, pseudo-data and masks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import solve_triangular

from ..data import pseudodata, training_mask
from ..pdf.parametrisation import FIT_BASES
from ..runcard import Runcard
from .operator import build_operator, compress
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
    problem: Problem,
    card: Runcard,
    replicas: Sequence[int],
    data: np.ndarray | None = None,
    models: tuple[Runcard, ...] = (),
) -> TrainingTask:
    """Whiten everything and lay it out for the chosen replicas, whose pseudo-data may be given as ``data`` (R, N).

    ``models``: cards of the replicas, where these have models of their own (``TrainingTask``).
    """
    operator = build_operator(problem, FIT_BASES[card.fitting.fitbasis].columns, card.operator_tolerance)
    operator = compress(operator, problem, card.operator_tolerance)
    # One by one: the last bit of a solution depends on how many there are.
    data = replica_data(problem, card, replicas) if data is None else data
    whitened = [solve_triangular(problem.cholesky, one, lower=True) for one in data]
    task = TrainingTask(
        card,
        operator,
        np.asarray(replicas),
        data=np.array(whitened),
        masks=np.empty(0),
        cholesky=None if card.diagonal_basis else problem.cholesky,
        models=models,
    )
    masks = [replica_masks(problem, task.card_of(replica), [replica])[0] for replica in replicas]
    return replace(task, masks=np.array(masks))


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
