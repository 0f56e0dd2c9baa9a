"""The loss of one replica as a sum of squares: residuals of data, positivity and integrability, and their slopes in x f.

A positivity point y >= 0 of natural size s (the sum of its terms without their signs) enters as
``softplus(REACH - sqrt(lambda) y / s)``: a smooth wall of width s / sqrt(lambda) that is felt before it is touched.
A kink at y = 0 would invalidate every step that crosses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy.special import expit, log_expit

from ..theory.predictions import OPERATIONS
from .folding import Folding
from .objective import Objective
from .operator import Operator

#: How far from y = 0, in widths, the middle of the wall stands: what pushes at y = 0 is then enough to keep y positive.
REACH = 2.0
#: Residuals of positivity below this have no slope worth computing: points far from the wall.
NEGLIGIBLE = 1e-3
#: Added to the natural size of a point: well below this a negative value does not matter (``positivity.threshold``).
SMALLEST = 1e-5


class DataResiduals:
    """The training chi2 of a replica, but for a constant, as the squares of M numbers ``linear xf + nonlinear y - target``.

    With the eigenvalues w and vectors V of the form G of a folded mask, ``r^T G r + 2 s r`` is, up to a constant, the square
    of ``w^1/2 V^T r + w^-1/2 V^T s`` (s lies in the range of G); rows of the tail are residuals as they are.

    Attributes
    ----------
    linear : (M, K J) array
    nonlinear : (M, n) array
        Acts on the predictions y that are not linear.
    target : (M,) array
    """

    def __init__(self, folding: Folding, folded: Mapping[str, np.ndarray]):
        """``folded``: arrays of the replica (``FoldedMask``)."""
        values, vectors = np.linalg.eigh(folded["form"][0].astype(float))
        kept = values > 1e-12 * values[-1]
        root = np.sqrt(values[kept])
        factor, tail = root[:, None] * vectors[:, kept].T, folded["tail_mask"] > 0
        shift = vectors[:, kept].T @ folded["slope"][0] / root
        self.linear = np.concatenate([factor @ folding.linear, folding.tail_linear[tail]])
        self.nonlinear = np.concatenate([factor @ folding.nonlinear, folding.tail_nonlinear[tail]])
        self.target = np.concatenate([factor @ folded["target"] - shift, folded["tail_data"][tail]])
        self._meets = np.flatnonzero(self.nonlinear.any(axis=1))  # what nonlinear predictions enter

    def __call__(self, xf: np.ndarray, nonlinear: np.ndarray) -> np.ndarray:
        """Return the residuals (M,) of ``x f`` (K J,) and the nonlinear predictions (n,)."""
        return self.linear @ xf + self.nonlinear @ nonlinear - self.target

    def slopes(self, nonlinear: np.ndarray) -> np.ndarray:
        """Return the derivatives (M, K J), given those of the nonlinear predictions (n, K J)."""
        found = self.linear.copy()
        found[self._meets] += self.nonlinear[self._meets] @ nonlinear
        return found


@dataclass(frozen=True)
class ConstraintWeights:
    """What multiplies the predictions of positivity and integrability, (n,) each; fixed for the duration of a step."""

    positivity: np.ndarray
    integrability: np.ndarray

    @classmethod
    def at(
        cls, operator: Operator, multipliers: np.ndarray, xf: np.ndarray, positivity_slopes: np.ndarray
    ) -> "ConstraintWeights":
        """Return those of multipliers (sets,), 0 for sets not in force, where slopes at ``x f`` (K J,) are given."""
        n = operator.positivity.membership.shape[1]
        size = np.abs(positivity_slopes) @ np.abs(xf) + SMALLEST
        return cls(
            np.sqrt(operator.positivity.membership @ multipliers[:n]) / size,
            np.sqrt(operator.integrability.membership @ multipliers[n:]),
        )

    def wall(self, positivity: np.ndarray) -> np.ndarray:
        """Return the residuals (n,) of positivity."""
        return np.where(self.positivity > 0, -log_expit(self.positivity * positivity - REACH), 0.0)

    def wall_slopes(self, positivity: np.ndarray) -> np.ndarray:
        """Return the derivatives (n,) of ``wall`` by the predictions."""
        return -self.positivity * expit(REACH - self.positivity * positivity)


def slopes(objective: Objective, flat: tf.Tensor) -> list[tf.Tensor]:
    """Return derivatives (n, K J) of nonlinear data, positivity and integrability at ``x f`` (1, K J) of a replica."""
    pieces = [piece[0] for piece in objective.pieces(flat)]
    rows = tf.split(objective.rows, objective.sizes)
    plans = (objective.nonlinear, objective.positivity, objective.integrability)
    found = [[_slopes(operation, operands, pieces, rows) for operation, operands in plan] for plan in plans]
    return [tf.concat(parts, axis=0) if parts else tf.zeros_like(flat)[:0] for parts in found]


def _slopes(operation: str, operands: list[tuple], pieces: list[tf.Tensor], rows: list[tf.Tensor]) -> tf.Tensor:
    values, inner = [], []
    for i, cores in operands:
        half = None if cores is None else tf.tensordot(cores, pieces[i], 1)
        values.append(pieces[i] if cores is None else tf.linalg.matvec(half, pieces[i]))
        inner.append(rows[i] if cores is None else 2 * tf.matmul(half, rows[i]))
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = OPERATIONS[operation][1](*values)
    outer = tape.gradient(result, values)  # of the sum: operations act point by point
    return tf.add_n([slope[:, None] * each for slope, each in zip(outer, inner)])
