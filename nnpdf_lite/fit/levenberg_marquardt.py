"""Levenberg-Marquardt: second-order steps, each replica in a trust region of its own.

A step solves ``(J^T J + mu) delta = -J^T r`` for the residuals r of data and constraints (K. Levenberg, Quart. Appl. Math.
2 (1944) 164; D. W. Marquardt, J. SIAM 11 (1963) 431); the damping mu follows the ratio of the gain to the promised gain
(H. B. Nielsen, IMM-REP-1999-05). A rejected step costs a Cholesky factor and the residuals, not another Jacobian.

TensorFlow evaluates the model and its Jacobian, one replica at a time; the linear algebra is NumPy's, in double precision.
So a replica is the same, bit for bit, in any batch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from ..pdf.jacobian import ModelJacobian
from .batch import MAX_ATTEMPTS, BatchTrainer, State
from .damped_least_squares import DampedLeastSquares
from .folding import Folding
from .residuals import NEGLIGIBLE, ConstraintWeights, DataResiduals, slopes
from .training_task import TrainingTask

#: Steps tried, with more and more damping, before the Jacobian is computed anew.
TRIALS = 6
#: Smallest ratio of gain to promised gain at which a step is taken.
ACCEPTED = 1e-3
DAMPING_RANGE = (1e-3, 1e12)
#: A replica that has not come below ``threshold_chi2`` after this many steps starts again.
STALLED = 20


@dataclass(frozen=True)
class Evaluation:
    """A replica at some parameters: ``x f`` (K J,), predictions (n,), chi2 per point, violation (S,) of positivity sets."""

    xf: np.ndarray
    nonlinear: np.ndarray
    positivity: np.ndarray
    integrability: np.ndarray
    training: float
    validation: float
    violation: np.ndarray


@dataclass(frozen=True)
class Replica:
    """What the loss of a replica in the batch is made of."""

    inputs: dict[str, tf.Tensor]
    data: DataResiduals


class LevenbergMarquardt(BatchTrainer):
    """Trains with Levenberg-Marquardt steps; an epoch is a step."""

    block = 1
    batch = 16

    def __init__(self, task: TrainingTask):
        super().__init__(task, tf.float64)
        self.options = self.card.parameters.optimizer.options()
        self.precision = tf.float64 if self.card.double_precision else tf.float32  # of the Jacobian
        self.replicas: dict[int, Replica] = {}
        kernels = np.append(self.model.network.is_kernel, np.zeros(2 * len(self.model.basis.flavours)))
        self.decay = np.sqrt(self.card.parameters.regularizer_args.l2) * kernels
        self._evaluate = tf.function(self._evaluated)
        self._slopes = tf.function(lambda xf: slopes(self.objective, xf[None]))
        jacobian = ModelJacobian(self.model.on_nodes(task.operator.x, self.precision), task.operator.n_fk)
        self._jacobian = tf.function(lambda parameters: jacobian(parameters) * tf.constant(self.free, self.precision))

    @property
    def raises(self) -> int:
        """How often multipliers grow until they reach ``maxlambda``."""
        return int(self.options["constraint_steps"])

    # --- what the batch asks for -----------------------------------------------------------------------------------

    def slots(self, theta: np.ndarray) -> State:
        """Return damping, what a rejected step multiplies it by, and how often multipliers grew (-1: not in force)."""
        n = len(theta)
        return {
            "damping": np.full(n, self.options["damping"]),
            "growth": np.full(n, 2.0),
            "raised": np.full(n, -1, np.int32),
        }

    def advance(self, batch: State) -> State:
        """Take one step with every replica."""
        batch = {name: values.copy() for name, values in batch.items()}
        numbers = [int(number) for number in batch["replica"]]
        self.replicas = {number: self.replicas.get(number) or self._enter(number) for number in numbers}
        multipliers = self.multipliers(np.maximum(batch["raised"], 0)) * (batch["raised"] >= 0)[:, None]
        found, theta = [], batch["theta"].copy()
        for i, number in enumerate(numbers):
            replica = self.replicas[number]
            parameters = theta[i] if self.model.trains_exponents else np.append(theta[i], batch["exponents"][i])
            if batch["epoch"][i] == 0:
                parameters = self._likely_signs(replica, parameters)
            here = self.evaluate(replica, parameters)
            moved, batch["damping"][i], batch["growth"][i] = self._move(
                replica, parameters, here, multipliers[i], batch["damping"][i], batch["growth"][i]
            )
            batch["theta"][i], theta[i] = parameters[: theta.shape[1]], moved[: theta.shape[1]]
            found.append(here)
        training, validation, violation = (
            np.array([getattr(here, name) for here in found]) for name in ("training", "validation", "violation")
        )
        started = (batch["raised"] >= 0) | (validation < self.card.parameters.threshold_chi2)
        batch["raised"] = np.where(started, np.minimum(batch["raised"] + 1, self.raises), batch["raised"])
        tensors = {name: tf.constant(values) for name, values in batch.items()}
        judged = self.judge(tensors, tf.constant(training), tf.constant(validation), tf.constant(violation))
        return {**{name: np.array(values) for name, values in judged.items()}, "theta": theta}

    def failures(self, batch: State) -> np.ndarray:
        """Return "diverged" for replicas (R,) that are not finite, "stalled" for those far from the data that may try again."""
        stalled = ~batch["counting"] & (batch["epoch"][:, 0] >= STALLED) & (batch["attempt"] < MAX_ATTEMPTS)
        far = batch["validation"] >= self.card.parameters.threshold_chi2
        return np.where(~np.isfinite(batch["training"]), "diverged", np.where(stalled & far, "stalled", ""))

    # --- a replica -------------------------------------------------------------------------------------------------

    def _enter(self, number: int) -> Replica:
        assert isinstance(self.folding, Folding)  # folds of a scan are for first-order optimisers
        folded = self.inputs.fold(number)
        inputs = {name: tf.constant(values[None]) for name, values in folded.items()}
        return Replica(inputs, DataResiduals(self.folding, folded))

    def evaluate(self, replica: Replica, parameters: np.ndarray) -> Evaluation:
        """Evaluate a replica at parameters (P,): the network's, alpha, beta."""
        return Evaluation(*(values.numpy() for values in self._evaluate(tf.constant(parameters), replica.inputs)))

    def _evaluated(self, parameters: tf.Tensor, inputs: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        n, objective = self.model.network.n_parameters, self.objective
        network, exponents = parameters[None, :n], parameters[None, n:]
        xf = objective.on_fk_nodes(self.on_nodes(network, self.on_nodes.prefactor(exponents)))
        pieces = objective.pieces(xf)
        predictions = objective.predict(pieces)
        sets = objective.positivity_sets.shape[1] + objective.integrability_sets.shape[1]
        loss = objective.loss(pieces, predictions, inputs, tf.zeros((1, sets), self.dtype))
        training, validation = loss.training / inputs["n_training"], loss.validation / inputs["n_validation"]
        found = [xf[:, :0] if values is None else values for values in predictions]
        return [values[0] for values in (xf, *found, training, validation, loss.violation)]

    def _likely_signs(self, replica: Replica, parameters: np.ndarray) -> np.ndarray:
        """Give each output of a fresh network, one after the other, the sign that describes the data better.

        A network and one with an output negated are equally likely draws, but steps this long seldom turn a sign: a replica
        may end in a minimum where Sigma is negative.
        """
        least = self.evaluate(replica, parameters).training
        for rows in self.model.network.output_rows:
            turned = parameters.copy()
            turned[rows] *= -1
            training = self.evaluate(replica, turned).training
            if training < least:
                parameters, least = turned, training
        return parameters

    def _move(
        self,
        replica: Replica,
        parameters: np.ndarray,
        here: Evaluation,
        multipliers: np.ndarray,
        damping: float,
        growth: float,
    ) -> tuple[np.ndarray, float, float]:
        """Return parameters after a step, the same if none was found, with damping and growth for the next."""
        jacobian, residual, weights = self._linearise(replica, parameters, here, multipliers)
        problem = DampedLeastSquares(jacobian, residual)
        loss = self._loss(replica, here, parameters, weights)
        for _ in range(TRIALS):
            step, promised = problem.step(damping)
            proposed = np.asarray(self.bound((parameters + step)[None]))[0]
            gain = loss - self._loss(replica, self.evaluate(replica, proposed), proposed, weights)
            if promised > 0 and gain > ACCEPTED * promised:
                shrunk = damping * max(1 - (2 * gain / promised - 1) ** 3, 1 / 3)
                return proposed, np.clip(shrunk, *DAMPING_RANGE), 2.0
            damping, growth = np.clip(damping * growth, *DAMPING_RANGE), min(2 * growth, 1e6)
        return parameters, damping, growth

    def _residuals(
        self, replica: Replica, at: Evaluation, parameters: np.ndarray, weights: ConstraintWeights
    ) -> tuple[np.ndarray, ...]:
        """Return the residuals of data, positivity, integrability and regularisation."""
        constraints = weights.wall(at.positivity), weights.integrability * at.integrability
        return replica.data(at.xf, at.nonlinear), *constraints, (self.decay * parameters)[self.decay > 0]

    def _loss(self, *point: Any) -> float:
        return sum(float(residual @ residual) for residual in self._residuals(*point))

    def _linearise(
        self, replica: Replica, parameters: np.ndarray, here: Evaluation, multipliers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, ConstraintWeights]:
        """Return Jacobian (M, P) and residuals (M,), of positivity only what is felt, and the weights of the constraints."""
        of_nonlinear, of_positivity, of_integrability = (
            values.numpy() for values in self._slopes(tf.constant(here.xf))
        )
        weights = ConstraintWeights.at(self.task.operator, multipliers, here.xf, of_positivity)
        data, wall, integrability, decay = self._residuals(replica, here, parameters, weights)
        felt = wall > NEGLIGIBLE
        by_xf = [
            replica.data.slopes(of_nonlinear),
            weights.wall_slopes(here.positivity)[felt, None] * of_positivity[felt],
            weights.integrability[:, None] * of_integrability,
        ]
        by_parameters = self._jacobian(tf.constant(parameters, self.precision)).numpy()
        jacobian = np.concatenate(by_xf).astype(by_parameters.dtype) @ by_parameters
        residual = np.concatenate([data, wall[felt], integrability, decay])
        return np.concatenate([jacobian, np.diag(self.decay)[self.decay > 0]]), residual, weights
