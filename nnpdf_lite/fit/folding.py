"""Folding: the masked, whitened operator as a triangular factor, so that a chi2 no longer costs N.

``||M (A z - d)||^2 = ||R z - Q^T d||^2 + const`` with ``M A = Q R``. QR rather than the normal matrix, so no precision is
lost to squaring.
"""

import numpy as np

from .operator import Operator


def fold(operator: Operator, data: np.ndarray, masks: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, dict]:
    """Fold whitened rows and masks into triangular factors.

    Parameters
    ----------
    operator : Operator
    data : (R, N) whitened pseudo-data
    masks : (G, N) bool, the distinct training masks
    groups : (R,) which mask each replica uses

    Returns
    -------
    factors : (G, 2, C, C)
    per replica : dict with ``group`` (R,), ``target`` (R, 2, C), ``floor`` (R, 2)
    """
    n = operator.n_data
    nonlinear = np.zeros((n, operator.n_nonlinear))
    nonlinear[n - operator.n_nonlinear :] = operator.mixing
    columns = np.concatenate([operator.whitened, nonlinear], axis=1)
    return fold_rows(
        [[(columns[chosen], data[:, chosen]) for chosen in (mask, ~mask)] for mask in masks], groups
    )


def fold_rows(parts: list[list[tuple[np.ndarray, np.ndarray]]], groups: np.ndarray) -> tuple[np.ndarray, dict]:
    """Fold, for each mask, its (training, validation) pairs of rows (P, C) and data (R, P); see ``fold``."""
    width = parts[0][0][0].shape[1]
    factors = np.zeros((len(parts), 2, width, width))
    target, floor = np.zeros((len(groups), 2, width)), np.zeros((len(groups), 2))
    for g, pair in enumerate(parts):
        members = np.flatnonzero(groups == g)
        for side, (rows, data) in enumerate(pair):
            q, r = np.linalg.qr(rows)
            rank = len(r)
            projected = np.array([one @ q for one in data[members]])  # one by one, for the same bits in any batch
            factors[g, side, :rank] = r
            target[members, side, :rank] = projected
            floor[members, side] = ((data[members] - projected @ q.T) ** 2).sum(axis=1)
    return factors, {"group": groups, "target": target, "floor": floor}
