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
        self.rank = operator.n_data if compression is None else len(compression.right)
        rest = operator.rows[operator.n_data :]
        rows = operator.rows if compression is None else np.concatenate([compression.right, rest])
        self.rows = tf.constant(rows, dtype)
        self.left = None if compression is None else tf.constant(compression.left, dtype)
        self.n_data, self.n_nonlinear = operator.n_data, operator.n_nonlinear
        self.mixing = tf.constant(operator.mixing, dtype)

    def linear_rows(self, xf: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Apply all rows to ``x f`` (R, K J): whitened data part, and rows of everything else."""
        stacked = tf.matmul(xf, self.rows, transpose_b=True)
        whitened, rest = stacked[:, : self.rank], stacked[:, self.rank :]
        return whitened if self.left is None else tf.matmul(whitened, self.left, transpose_b=True), rest

    def chi2(
        self, whitened: tf.Tensor, nonlinear: tf.Tensor | None, replicas: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return training and validation chi2 (R,), summed over points."""
        residual = whitened - replicas["data"]
        if nonlinear is not None:
            mixed = tf.matmul(nonlinear, self.mixing, transpose_b=True)
            first = self.n_data - self.n_nonlinear
            residual = tf.concat([residual[:, :first], residual[:, first:] + mixed], axis=1)
        training = residual * replicas["mask"]
        chi2 = tf.reduce_sum(training * residual, axis=1)
        return chi2, tf.reduce_sum(tf.stop_gradient(residual) ** 2, axis=1) - tf.stop_gradient(chi2)


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
