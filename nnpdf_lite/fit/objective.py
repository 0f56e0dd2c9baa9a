"""The loss of every replica: training chi2, positivity, integrability and regularisation, in TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ..theory.predictions import OPERATIONS
from .folding import Folding
from .operator import Observable, Operator, Penalty

#: Positivity is penalised by elu with this negative slope, which keeps a gradient at the boundary (arXiv:1907.05075).
ELU_ALPHA = 1e-7

PerReplica = Mapping[str, np.ndarray]


class Chi2:
    """Training and validation chi2 from quadratic forms of the operator's rank C, and a tail of T masked rows (``folding``).

    Per replica: ``target`` (R, C), ``slope`` (R, S, C), ``floor`` (R, 2), ``tail_data`` and ``tail_mask`` (R, T), and ``form``
    (n, S, C, C) of the first n replicas (the others only fill the batch up), or (1, S, C, C) for a mask that all share.
    """

    def __init__(self, operator: Operator, folding: Folding, shared: bool, dtype: tf.DType):
        self.shared = shared
        blocks = [folding.linear, folding.tail_linear, operator.rows[operator.n_data :]]
        self.sizes = [len(block) for block in blocks]
        self.rows = tf.constant(np.concatenate(blocks), dtype)
        self.nonlinear = tf.constant(np.concatenate([folding.nonlinear, folding.tail_nonlinear]), dtype)

    def linear_rows(self, xf: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the linear part of folded and tail rows (R, C + T), and all other rows."""
        stacked = tf.matmul(xf, self.rows, transpose_b=True)
        return tf.split(stacked, [sum(self.sizes[:2]), self.sizes[2]], axis=1)

    def __call__(
        self, z: tf.Tensor, nonlinear: tf.Tensor | None, replicas: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return training and validation chi2 (R,), summed over points."""
        if nonlinear is not None:
            z += tf.matmul(nonlinear, self.nonlinear, transpose_b=True)
        folded, tail = tf.split(z, self.sizes[:2], axis=1)
        r, tail = folded - replicas["target"], tail - replicas["tail_data"]
        form, slope, floor = (replicas[name] for name in ("form", "slope", "floor"))
        in_tail = tf.reduce_sum(replicas["tail_mask"] * tail * tail, axis=1)
        training = self._quadratic(r, form[:, 0], slope[:, 0]) + floor[:, 0] + in_tail
        r, tail = tf.stop_gradient(r), tf.stop_gradient(tail)
        if form.shape[1] == 1:
            everything = tf.reduce_sum(r * r, axis=1) + floor[:, 1] + tf.reduce_sum(tail * tail, axis=1)
            return training, everything - training
        return training, self._quadratic(r, form[:, 1], slope[:, 1]) + floor[:, 1]

    def _quadratic(self, r: tf.Tensor, form: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
        """Return ``r^T G r + 2 s r`` (R,); the gradient costs no further product with G."""

        @tf.custom_gradient
        def quadratic(r: tf.Tensor):
            if self.shared:
                product = tf.matmul(r, form[0])
            else:
                n = tf.shape(form)[0]
                product = tf.matmul(r[:n, None, :], form)[:, 0]  # a row vector: four times faster than a column
                product = tf.pad(product, [[0, tf.shape(r)[0] - n], [0, 0]])
            return tf.reduce_sum(r * (product + 2 * slope), axis=1), lambda d: 2 * d[:, None] * (product + slope)

        return quadratic(r)


@dataclass(frozen=True)
class Loss:
    """What one evaluation gives, per replica (R,): ``violation`` (R, S) per positivity set."""

    total: tf.Tensor
    training: tf.Tensor
    validation: tf.Tensor
    violation: tf.Tensor


class Objective:
    """The loss as a function of ``x f`` on the operator's nodes."""

    def __init__(self, operator: Operator, chi2: Chi2, dtype: tf.DType):
        self.operator, self.chi2 = operator, chi2
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
        """Evaluate at ``x f`` (R, K, X), with the per-replica tensors of ``chi2`` and multipliers (R, sets)."""
        n_positivity = self.positivity_sets.shape[1]
        flat = tf.reshape(xf[:, :, : self.operator.n_fk], (-1, xf.shape[1] * self.operator.n_fk))
        linear, rows = self.chi2.linear_rows(flat)
        training, validation = self.chi2(linear, self._predict(self.operator.nonlinear, rows, flat), replicas)
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
