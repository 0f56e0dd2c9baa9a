"""Matching at a heavy-quark threshold for a quark that is there below it: one loop, at the mass.

References: Ball et al., arXiv:1510.00491, eq. (20) with mu = m, for K_hh and K_gh.
"""

import numpy as np

from .interpolation import XGrid

_CF = 4.0 / 3.0


def heavy_to_heavy(grid: XGrid) -> np.ndarray:
    """Return the (X, X) matrix of K_hh, the coefficient of ``alpha_s / 4 pi``, acting on ``x f``."""
    rows = []
    for x in grid.x[:-1]:
        rule = grid.rule(x)
        log = np.log1p(-rule.z)
        singular = 2 * _CF * (1 + rule.z**2) / (1 - rule.z) * (-2 * log - 1)
        # minus the integral of the singular part from 0 to x
        end = np.log1p(-x)
        local = -2 * _CF * (-2 * x + end * (x * (2 + x) - 1 + 2 * end))
        rows.append(rule.convolve(np.zeros_like(rule.z), singular, local))
    return np.array([*rows, np.zeros(len(grid))])


def heavy_to_gluon(grid: XGrid) -> np.ndarray:
    """Return the (X, X) matrix of K_gh, the coefficient of ``alpha_s / 4 pi``, acting on ``x f``."""
    rows = []
    for x in grid.x[:-1]:
        rule = grid.rule(x)
        regular = 2 * _CF * (1 + (1 - rule.z) ** 2) / rule.z * (-2 * np.log(rule.z) - 1)
        rows.append(rule.convolve(regular, None, 0.0))
    return np.array([*rows, np.zeros(len(grid))])
