"""The loss of every replica: training chi2, positivity, integrability and regularisation, in TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ..theory.predictions import OPERATIONS
from .folding import Folding
from .folds import KFolding
from .operator import Observable, Operator

#: Positivity is penalised by elu with this negative slope, which keeps a gradient at the boundary (arXiv:1907.05075).
ELU_ALPHA = 1e-7

PerReplica = Mapping[str, np.ndarray]


class Chi2:
    """Training and validation chi2 from quadratic forms of the operator's rank C, and a tail of T masked rows (``folding``).

    Per replica: ``target`` (R, C), ``slope`` (R, S, C), ``floor`` (R, 2), ``tail_data`` and ``tail_mask`` (R, T), and ``form``
    (R, S, C, C), or (1, S, C, C) for a mask that all share. Where replicas train on different folds of the data
    (``folds``): ``fold`` (R, number of folds) is 1 for its own, ``whole_slope`` (R, C) and ``tail_known`` (R, T).

    ``rows`` (C + T, K J) act on ``x f``.
    """

    def __init__(self, folding: Folding | KFolding, shared: bool, dtype: tf.DType):
        self.shared = shared
        blocks = [folding.linear, folding.tail_linear]
        self.sizes, self.rows = [len(block) for block in blocks], np.concatenate(blocks)
        self.nonlinear = tf.constant(np.concatenate([folding.nonlinear, folding.tail_nonlinear]), dtype)
        self.whole = None
        if folding.whole is not None:  # side by side: one product serves all folds
            self.whole = tf.constant(np.concatenate(list(folding.whole), axis=1), dtype)

    def __call__(
        self, z: tf.Tensor, nonlinear: tf.Tensor | None, replicas: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return training and validation chi2 (R,), summed over points, from ``rows`` (R, C + T) and nonlinear predictions."""
        if nonlinear is not None:
            z += tf.matmul(nonlinear, self.nonlinear, transpose_b=True)
        folded, tail = tf.split(z, self.sizes, axis=1)
        r, tail = folded - replicas["target"], tail - replicas["tail_data"]
        form, slope, floor = (replicas[name] for name in ("form", "slope", "floor"))
        in_tail = tf.reduce_sum(replicas["tail_mask"] * tail * tail, axis=1)
        training = self._quadratic(r, form[:, 0], slope[:, 0]) + floor[:, 0] + in_tail
        r, tail = tf.stop_gradient(r), tf.stop_gradient(tail)
        if form.shape[1] == 1:
            return training, self._everything(r, tail, replicas) + floor[:, 1] - training
        return training, self._quadratic(r, form[:, 1], slope[:, 1]) + floor[:, 1]

    def _everything(self, r: tf.Tensor, tail: tf.Tensor, replicas: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return the chi2 (R,) of all points that a replica trains on or is validated with, but for ``floor``."""
        if self.whole is None:
            return tf.reduce_sum(r * r, axis=1) + tf.reduce_sum(tail * tail, axis=1)
        of_each_fold = tf.reshape(tf.matmul(r, self.whole), (-1, replicas["fold"].shape[1], r.shape[1]))
        product = tf.reduce_sum(of_each_fold * replicas["fold"][:, :, None], axis=1)
        folded = tf.reduce_sum(r * (product + 2 * replicas["whole_slope"]), axis=1)
        return folded + tf.reduce_sum(replicas["tail_known"] * tail * tail, axis=1)

    def _quadratic(self, r: tf.Tensor, form: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
        """Return ``r^T G r + 2 s r`` (R,); the gradient costs no further product with G.

        A custom gradient would do the same, but TensorFlow keeps the graph around it for ever: 5 MB for each trial of a scan.
        """
        still = tf.stop_gradient(r)
        if self.shared:
            product = tf.matmul(still, form[0])
        else:
            product = tf.matmul(still[:, None, :], form)[:, 0]  # a row vector: four times faster than a column
        value = tf.reduce_sum(still * (product + 2 * slope), axis=1)
        return value + tf.reduce_sum((r - still) * (2 * (product + slope)), axis=1)  # adds 0, and the gradient


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
        # One product with all rows, split once: slicing costs more, and most in the gradient.
        self.rows = tf.constant(np.concatenate([chi2.rows, operator.rows[operator.n_data :]]), dtype)
        self.sizes = [len(chi2.rows)]
        self.nonlinear, self.positivity, self.integrability = (
            self._plan(observables, dtype)
            for observables in (
                operator.nonlinear,
                operator.positivity.observables,
                operator.integrability.observables,
            )
        )
        self.positivity_sets = tf.constant(operator.positivity.membership, dtype)
        self.integrability_sets = tf.constant(operator.integrability.membership, dtype)

    def _plan(self, observables: tuple[Observable, ...], dtype: tf.DType) -> list[tuple[str, list[tuple]]]:
        """Return operations with their operands: a piece of the split rows each, and a core for two hadrons."""
        pieces = [piece for o in observables if o.operation == "NULL" and isinstance(piece := o.operands[0], slice)]
        if pieces and len(pieces) == len(observables):  # stacked in order: one piece serves all
            observables = (Observable("NULL", (slice(pieces[0].start, pieces[-1].stop),)),)
        plan = []
        for observable in observables:
            operands = []
            for operand in observable.operands:
                rows, core = (operand, None) if isinstance(operand, slice) else (operand.rows, operand.cores)
                operands.append((len(self.sizes), None if core is None else tf.constant(core, dtype)))
                self.sizes.append(rows.stop - rows.start)
            plan.append((observable.operation, operands))
        return plan

    def __call__(self, xf: tf.Tensor, replicas: Mapping[str, tf.Tensor], multipliers: tf.Tensor) -> Loss:
        """Evaluate at ``x f`` (R, K, X), with the per-replica tensors of ``chi2`` and multipliers (R, sets)."""
        pieces = self.pieces(self.on_fk_nodes(xf))
        return self.loss(pieces, self.predict(pieces), replicas, multipliers)

    def on_fk_nodes(self, xf: tf.Tensor) -> tf.Tensor:
        """Return what of ``x f`` (R, K, X) the tables see, (R, K J)."""
        n_fk = self.operator.n_fk
        fk_nodes, _ = tf.split(xf, [n_fk, xf.shape[2] - n_fk], axis=2)
        return tf.reshape(fk_nodes, (-1, xf.shape[1] * n_fk))

    def pieces(self, flat: tf.Tensor) -> list[tf.Tensor]:
        """Return the product of ``x f`` (R, K J) with all rows, split: the rows of chi2 first, then those of each operand."""
        return tf.split(tf.matmul(flat, self.rows, transpose_b=True), self.sizes, axis=1)

    def predict(self, pieces: list[tf.Tensor]) -> list[tf.Tensor | None]:
        """Return nonlinear data, positivity and integrability, (R, n) each; None where there is nothing to predict."""
        return [_predict(plan, pieces) for plan in (self.nonlinear, self.positivity, self.integrability)]

    def loss(
        self,
        pieces: list[tf.Tensor],
        predictions: list[tf.Tensor | None],
        replicas: Mapping[str, tf.Tensor],
        multipliers: tf.Tensor,
    ) -> Loss:
        """Return the loss of predictions."""
        n_positivity = self.positivity_sets.shape[1]
        nonlinear, positivity, integrability = predictions
        training, validation = self.chi2(pieces[0], nonlinear, replicas)
        total, violation = training, tf.zeros_like(training)[:, None]
        if positivity is not None:
            elu = tf.nn.relu(-positivity) + ELU_ALPHA * (tf.exp(tf.minimum(-positivity, 0.0)) - 1)
            violation = tf.matmul(elu, self.positivity_sets)
            total += tf.reduce_sum(multipliers[:, :n_positivity] * violation, axis=1)
        if integrability is not None:
            squares = tf.matmul(integrability**2, self.integrability_sets)
            total += tf.reduce_sum(multipliers[:, n_positivity:] * squares, axis=1)
        return Loss(total, training, validation, violation)


def _predict(plan: list[tuple[str, list[tuple]]], pieces: list[tf.Tensor]) -> tf.Tensor | None:
    """Return the predictions (R, n) of a plan, None for an empty one."""
    values = []
    for operation, operands in plan:
        parts = [pieces[i] if core is None else _two_hadrons(pieces[i], core) for i, core in operands]
        values.append(OPERATIONS[operation][1](*parts))
    return (values[0] if len(values) == 1 else tf.concat(values, axis=1)) if values else None


def _two_hadrons(u: tf.Tensor, cores: tf.Tensor) -> tf.Tensor:
    """Return ``u^T M_i u`` (R, n) of rows (R, r) and cores (n, r, r)."""
    n, rank = cores.shape[0], cores.shape[1]
    half = tf.matmul(u, tf.reshape(cores, (n * rank, rank)), transpose_b=True)
    return tf.reduce_sum(tf.reshape(half, (-1, n, rank)) * u[:, None, :], axis=2)
