"""The loss of every replica: training chi2, positivity, integrability and regularisation, in TensorFlow.

A *kernel* turns predictions into training and validation chi2. ``MaskedKernel`` keeps all N whitened points and a mask
per replica. ``FoldedKernel`` holds, for each distinct mask, the triangular factor of the masked operator: the chi2 is
the same number, and its cost no longer depends on N.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ..theory.predictions import OPERATIONS
from .operator import Observable, Operator, Penalty

#: Positivity is penalised by elu with this negative slope, which keeps a gradient at the boundary (arXiv:1907.05075).
ELU_ALPHA = 1e-7

PerReplica = Mapping[str, np.ndarray]


class MaskedKernel:
    """chi2 of all whitened points, split by a mask.

    Per replica: ``data`` (R, N) whitened pseudo-data, ``mask`` (R, N) 1 where a point trains.
    """

    def __init__(self, operator: Operator, dtype: tf.DType):
        compression = operator.compression
        rest = operator.rows[operator.n_data :]
        first = operator.n_data - operator.n_nonlinear
        self.exact = compression is None
        self.rank = 0 if self.exact else len(compression.right)
        self.rows = tf.constant(rest if self.exact else np.concatenate([compression.right, rest]), dtype)
        # Two blocks: only the last rows take in what is not linear.
        self.blocks = [tf.constant(block, dtype) for block in np.split(operator.whitened, [first])]
        self.sizes = [first, operator.n_nonlinear]
        self.mixing = tf.constant(operator.mixing, dtype)

    def linear_rows(self, xf: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what the whitened rows act on, ``x f`` itself or its compressed components, and all other rows."""
        stacked = tf.matmul(xf, self.rows, transpose_b=True)
        return (xf if self.exact else stacked[:, : self.rank]), stacked[:, self.rank :]

    def chi2(
        self, z: tf.Tensor, nonlinear: tf.Tensor | None, replicas: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return training and validation chi2 (R,), summed over points."""
        predictions = [tf.matmul(z, self.blocks[0], transpose_b=True)]
        if nonlinear is not None:
            last = tf.matmul(z, self.blocks[1], transpose_b=True)
            predictions.append(last + tf.matmul(nonlinear, self.mixing, transpose_b=True))
        sizes = self.sizes[: len(predictions)]
        data, mask = tf.split(replicas["data"], sizes, axis=1), tf.split(replicas["mask"], sizes, axis=1)
        parts = [_masked_chi2(p - d, m) for p, d, m in zip(predictions, data, mask)]
        return tf.add_n([part[0] for part in parts]), tf.add_n([part[1] for part in parts])


@tf.custom_gradient
def _masked_chi2(residual: tf.Tensor, mask: tf.Tensor):
    """Sums of squares of masked and of other residuals (R, N); only the first has a gradient.

    Written out because memory traffic, not arithmetic, is what it costs: automatic differentiation passes over (R, N)
    twice as often.
    """
    masked = residual * mask
    training = tf.matmul(masked[:, None, :], residual[:, :, None])[:, 0, 0]
    total = tf.matmul(residual[:, None, :], residual[:, :, None])[:, 0, 0]

    def gradient(d_training: tf.Tensor, d_validation: tf.Tensor) -> tuple[tf.Tensor, None]:
        return (2 * d_training)[:, None] * masked, None

    return (training, total - training), gradient


class FoldedKernel:
    """chi2 from triangular factors, one pair (training, validation) per distinct mask.

    ``factors`` is (G, 2, C, C) for G masks and C = K J (or the compressed rank) + n_nonlinear columns. Per replica: ``group`` (R,) which mask,
    ``target`` (R, 2, C) projected data, ``floor`` (R, 2) the chi2 no PDF can remove.
    """

    def __init__(self, operator: Operator, factors: np.ndarray, dtype: tf.DType):
        compression = operator.compression
        rest = operator.rows[operator.n_data :]
        self.rank = 0 if compression is None else len(compression.right)
        self.rows = tf.constant(rest if compression is None else np.concatenate([compression.right, rest]), dtype)
        self.groups = len(factors)
        self.factors = [tf.constant(np.ascontiguousarray(factors[:, side]), dtype) for side in (0, 1)]

    def linear_rows(self, xf: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what the factors act on, ``x f`` itself or its compressed components, and all other rows."""
        stacked = tf.matmul(xf, self.rows, transpose_b=True)
        return (stacked[:, : self.rank] if self.rank else xf), stacked[:, self.rank :]

    def chi2(
        self, whitened: tf.Tensor, nonlinear: tf.Tensor | None, replicas: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return training and validation chi2 (R,), summed over points."""
        z = whitened if nonlinear is None else tf.concat([whitened, nonlinear], axis=1)
        if self.groups > 1:  # ``order`` lays the replicas out as (G, M), ``position`` takes them back
            z = tf.reshape(tf.gather(z, replicas["order"]), (self.groups, -1, z.shape[1]))
        else:
            z = z[None]
        sides = []
        for side, factor in zip((z, tf.stop_gradient(z)), self.factors):
            projected = tf.reshape(tf.matmul(side, factor, transpose_b=True), (-1, z.shape[2]))
            sides.append(tf.gather(projected, replicas["position"]) if self.groups > 1 else projected)
        training, validation = sides
        target, floor = replicas["target"], replicas["floor"]
        return (
            tf.reduce_sum((training - target[:, 0]) ** 2, axis=1) + floor[:, 0],
            tf.reduce_sum((validation - target[:, 1]) ** 2, axis=1) + floor[:, 1],
        )


@dataclass(frozen=True)
class Loss:
    """What one evaluation gives, per replica (R,): ``violation`` (R, S) per positivity set."""

    total: tf.Tensor
    training: tf.Tensor
    validation: tf.Tensor
    violation: tf.Tensor


class Objective:
    """The loss as a function of ``x f`` on the operator's nodes."""

    def __init__(self, operator: Operator, kernel: MaskedKernel | FoldedKernel, dtype: tf.DType):
        self.operator, self.kernel = operator, kernel
        self.forms = {
            id(form): tf.constant(form, dtype)
            for observable in (
                *operator.nonlinear,
                *operator.positivity.observables,
                *operator.integrability.observables,
            )
            for form in observable.operands
            if not isinstance(form, slice)
        }
        self.positivity_sets = tf.constant(operator.positivity.membership, dtype)
        self.integrability_sets = tf.constant(operator.integrability.membership, dtype)

    def __call__(self, xf: tf.Tensor, replicas: Mapping[str, tf.Tensor], multipliers: tf.Tensor) -> Loss:
        """Evaluate at ``x f`` (R, K, X), with the kernel's per-replica tensors and multipliers (R, sets)."""
        n_positivity = self.positivity_sets.shape[1]
        flat = tf.reshape(xf[:, :, : self.operator.n_fk], (-1, xf.shape[1] * self.operator.n_fk))
        whitened, rows = self.kernel.linear_rows(flat)
        training, validation = self.kernel.chi2(whitened, self._predict(self.operator.nonlinear, rows, flat), replicas)
        total = training
        violation = self._violation(self.operator.positivity, rows, flat)
        if violation is not None:
            total += tf.reduce_sum(multipliers[:, :n_positivity] * violation, axis=1)
        integrability = self._predict(self.operator.integrability.observables, rows, flat)
        if integrability is not None:
            squares = tf.matmul(integrability**2, self.integrability_sets)
            total += tf.reduce_sum(multipliers[:, n_positivity:] * squares, axis=1)
        none = tf.zeros((tf.shape(flat)[0], 1), flat.dtype)
        return Loss(total, training, validation, none if violation is None else violation)

    def _violation(self, penalty: Penalty, rows: tf.Tensor, flat: tf.Tensor) -> tf.Tensor | None:
        values = self._predict(penalty.observables, rows, flat)
        if values is None:
            return None
        elu = tf.nn.relu(-values) + ELU_ALPHA * (tf.exp(tf.minimum(-values, 0.0)) - 1)
        return tf.matmul(elu, self.positivity_sets)

    def _predict(
        self, observables: tuple[Observable, ...], rows: tf.Tensor, flat: tf.Tensor
    ) -> tf.Tensor | None:
        if not observables:
            return None
        offset = self.operator.n_data
        if all(o.operation == "NULL" and isinstance(o.operands[0], slice) for o in observables):
            first, last = observables[0].operands[0].start, observables[-1].operands[0].stop
            return rows[:, first - offset : last - offset]  # stacked in order: one slice serves all
        values = []
        for observable in observables:
            operands = [
                rows[:, operand.start - offset : operand.stop - offset]
                if isinstance(operand, slice)
                else self._two_hadrons(self.forms[id(operand)], flat)
                for operand in observable.operands
            ]
            values.append(OPERATIONS[observable.operation][1](*operands))
        return tf.concat(values, axis=1)

    @staticmethod
    def _two_hadrons(form: tf.Tensor, flat: tf.Tensor) -> tf.Tensor:
        n, width = form.shape[0], form.shape[1]
        half = tf.matmul(flat, tf.reshape(form, (n * width, width)), transpose_b=True)
        return tf.reduce_sum(tf.reshape(half, (-1, n, width)) * flat[:, None, :], axis=2)
