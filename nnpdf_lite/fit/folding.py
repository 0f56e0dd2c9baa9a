"""Folding: the chi2 of a training mask as a quadratic form of the operator's rank, so that an epoch does not cost N.

The QR factorisation ``A = Q B`` of the whitened operator splits the residual of pseudo-data d into ``A z - d = Q r - e``
with ``r = B z - Q^T d`` and ``e = d - Q Q^T d``, which no PDF removes. A mask M then has the chi2

    ``r^T G r + 2 s r + c``   with   ``G = (M Q)^T (M Q)``,  ``s = -(M Q)^T M e``,  ``c = |M e|^2``,

and all points together ``r^2 + |e|^2``. Nothing is lost: since ``Q^T Q = 1`` the eigenvalues of G lie between 0 and 1,
and single precision serves. One product with G gives the chi2 and its gradient.
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import solve_triangular

from .operator import Operator


class Folding:
    """An operator, folded.

    In the diagonal basis the rows that do not meet a nonlinear prediction fold; the last ones, the *tail*, stay as they are
    with a mask on each. Where each side of a split is whitened on its own, all rows fold.

    Attributes
    ----------
    linear : (C, K J) array
        B as it acts on ``x f``.
    nonlinear : (C, n) array
        B as it acts on the predictions that are not linear.
    tail_linear, tail_nonlinear : (T, K J), (T, n) arrays
        The whitened rows that are left.
    whole : None
        All replicas have the same points, whose chi2 is ``r^2``; see ``folds.KFolding`` for the other case.
    """

    whole = None

    def __init__(self, operator: Operator, cholesky: np.ndarray | None = None):
        """``cholesky`` (N, N): factor of the covariance where each side of a split is whitened on its own, else None."""
        width, n = operator.whitened.shape[1], operator.n_nonlinear
        nonlinear = np.concatenate([np.zeros((operator.n_data - n, n)), operator.mixing])
        self.cholesky, self.n_folded = cholesky, operator.n_data - (n if cholesky is None else 0)
        head, tail = np.split(np.concatenate([operator.whitened, nonlinear], axis=1), [self.n_folded])
        if cholesky is None:
            self.q, factor = np.linalg.qr(head[:, :width])
            factor = np.pad(factor, [(0, 0), (0, n)])
        else:
            self.q, factor = np.linalg.qr(head)
        right = np.eye(width) if operator.compression is None else operator.compression.right
        self.linear, self.tail_linear = factor[:, :width] @ right, tail[:, :width] @ right
        self.nonlinear, self.tail_nonlinear = factor[:, width:], tail[:, width:]

    def mask(self, mask: np.ndarray) -> "FoldedMask":
        """Fold a training mask (N,)."""
        if self.cholesky is None:
            chosen, tail = np.split(mask, [self.n_folded])
            return FoldedMask(self.q, [lambda values: values[chosen]], tail)
        sides = []
        for chosen in (mask, ~mask):
            rows = self.cholesky[chosen]
            sides.append(_whitening(rows, np.linalg.cholesky(rows @ rows.T)))
        return FoldedMask(self.q, sides, mask[:0])


class FoldedMask:
    """One mask, folded: ``form`` (S, C, C), for training alone (S = 1, validation is the rest) or both sides (S = 2)."""

    def __init__(self, q: np.ndarray, sides: list[Callable[[np.ndarray], np.ndarray]], tail: np.ndarray):
        self.q, self.sides, self.tail = q, sides, tail.astype(float)
        self.bases = [side(q) for side in sides]
        self.form = np.array([basis.T @ basis for basis in self.bases])

    def __call__(self, data: np.ndarray) -> dict[str, np.ndarray]:
        """Fold whitened pseudo-data (N,).

        Returns ``target`` (C,), ``slope`` (S, C), ``floor`` (2,) of both sides (of training and of all points when S = 1),
        and of the tail ``tail_data`` (T,) and ``tail_mask`` (T,).
        """
        data, tail_data = np.split(data, [len(self.q)])
        target = data @ self.q
        rest = data - self.q @ target
        parts = [side(rest) for side in self.sides]
        floor = [part @ part for part in parts] + [rest @ rest]
        slope = np.array([-part @ basis for part, basis in zip(parts, self.bases)])
        folded = {"target": target, "slope": slope, "floor": np.array(floor[:2])}
        return {**folded, "tail_data": tail_data, "tail_mask": self.tail}


def _whitening(rows: np.ndarray, factor: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return what takes whitened residuals of all points to those of some, whitened with their own covariance."""
    return lambda values: solve_triangular(factor, rows @ values, lower=True)
