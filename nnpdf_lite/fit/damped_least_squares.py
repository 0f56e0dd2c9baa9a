"""Damped least squares: steps that solve ``(J^T J + mu) delta = -J^T r``."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve


class DampedLeastSquares:
    """The linear problem of one step: ``jacobian`` (M, P), ``residual`` (M,).

    Where residuals are fewer than parameters the dual form ``delta = -J^T (J J^T + mu)^-1 r`` is the smaller problem.
    Products and factors are in double precision: their condition is the square of the Jacobian's.
    """

    def __init__(self, jacobian: np.ndarray, residual: np.ndarray):
        self.jacobian, self.dual = jacobian.astype(float), jacobian.shape[0] < jacobian.shape[1]
        self.right = residual if self.dual else residual @ self.jacobian
        self.normal = self.jacobian @ self.jacobian.T if self.dual else self.jacobian.T @ self.jacobian

    def step(self, damping: float) -> tuple[np.ndarray, float]:
        """Return the step (P,), and by how much it would lower ``|r|^2`` if residuals were linear.

        No step, and no gain, where the damping is too small to make the matrix positive in the precision of numbers.
        """
        normal = self.normal.copy()
        normal.flat[:: len(normal) + 1] += damping
        try:
            factor = cho_factor(normal, lower=True, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return np.zeros(self.jacobian.shape[1]), 0.0
        solution = cho_solve(factor, self.right, check_finite=False)
        if self.dual:  # J delta + r = mu (J J^T + mu)^-1 r
            return -(solution @ self.jacobian), float(self.right @ self.right - damping**2 * solution @ solution)
        return -solution, float(self.right @ solution + damping * solution @ solution)
