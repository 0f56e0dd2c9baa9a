"""A batch of replicas in training: its state, its blocks as Python sees them, and how a replica ends.

What a block does to the parameters is the optimiser's business (``training``, ``levenberg_marquardt``).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from ..pdf.model import PDFModel
from ..runcard import Runcard
from .folding import Folding
from .objective import Chi2, Objective
from .replica_inputs import ReplicaInputs
from .training_task import Progress, TrainedReplica, TrainingTask

#: A replica that went wrong starts again this often before it is given up.
MAX_ATTEMPTS = 5

State = dict[str, np.ndarray]


def replica_seed(card: Runcard, replica: int, attempt: int = 0) -> np.random.SeedSequence:
    """Return the seed of a replica's initial network: a function of runcard, replica number and attempt alone."""
    return np.random.SeedSequence([card.nnseed, int(replica), attempt])


class BatchTrainer(ABC):
    """Trains the replicas of a task together, each with its own stopping."""

    #: Epochs per block: multipliers grow, and Python looks in, this often.
    block: ClassVar[int]
    #: Replicas that train together; when one ends, the next takes its place.
    batch: int

    def __init__(self, task: TrainingTask, dtype: tf.DType, inputs: ReplicaInputs | None = None):
        """``inputs``: those of the task's replicas, where they are folded already."""
        parameters = task.card.parameters
        self.task, self.card, self.dtype = task, task.card, dtype
        self.model = PDFModel.from_runcard(task.card, task.operator.x)
        self.on_nodes = self.model.on_nodes(task.operator.x, dtype)
        self.inputs = inputs or ReplicaInputs(task, Folding(task.operator, task.cholesky), dtype)
        self.folding = self.inputs.folding
        self.objective = Objective(task.operator, Chi2(self.folding, task.one_mask, dtype), dtype)
        #: (P,) 1 for parameters that are trained; the others stay where they were drawn.
        self.free = np.concatenate([np.ones(self.model.network.n_parameters), self.model.trained_exponents])
        self.patience = int(parameters.epochs * parameters.stopping_patience)

    # --- what an optimiser brings ----------------------------------------------------------------------------------

    @abstractmethod
    def slots(self, theta: np.ndarray) -> State:
        """Return what the optimiser remembers of fresh replicas with parameters (R, P), replicas first."""

    @abstractmethod
    def advance(self, batch: State) -> State:
        """Train a batch for a block, the last of which may be shorter."""

    @abstractmethod
    def failures(self, batch: State) -> np.ndarray:
        """Return in a word what went wrong with each replica (R,), "" if nothing did."""

    @property
    def raises(self) -> int:
        """How often multipliers grow until they reach ``maxlambda``."""
        return max(self.card.parameters.epochs // self.block, 1)

    # --- state -----------------------------------------------------------------------------------------------------

    def initial_state(
        self, replicas: Sequence[int] | np.ndarray, attempts: Sequence[int] | np.ndarray | None = None
    ) -> State:
        """Return the state of fresh replicas: everything that changes during training, replicas first."""
        attempts = np.zeros(len(replicas), int) if attempts is None else np.asarray(attempts)
        drawn = self.model.initial([replica_seed(self.card, r, a) for r, a in zip(replicas, attempts)])
        theta, exponents = np.split(drawn, [self.model.network.n_parameters], axis=1)
        if self.model.trains_exponents:
            theta = drawn
        n, dtype = len(replicas), self.dtype.as_numpy_dtype
        theta = theta.astype(dtype)
        return {
            "replica": np.asarray(replicas, np.int32),
            "attempt": attempts.astype(np.int32),
            "theta": theta,
            "exponents": exponents.astype(dtype),
            **self.slots(theta),
            "epoch": np.zeros((n, 1), np.int32),
            "best_theta": theta.copy(),
            "best": np.full(n, np.inf, dtype),
            "best_training": np.full(n, np.inf, dtype),
            "best_epoch": np.full(n, -1, np.int32),
            "counting": np.zeros(n, bool),
            "waited": np.zeros(n, np.int32),
            "active": np.ones(n, bool),
            "stop_epoch": np.zeros(n, np.int32),
            "training": np.full(n, np.inf, dtype),
            "validation": np.full(n, np.inf, dtype),
            "history": np.full((n, -(-self.card.parameters.epochs // self.block), 3), np.nan, np.float32),
        }

    def multipliers(self, epoch: np.ndarray) -> np.ndarray:
        """Return the Lagrange multipliers (R, sets) at ``epoch`` (R,): raised geometrically after every block."""
        columns = []
        for settings, penalty in (
            (self.card.parameters.positivity, self.task.operator.positivity),
            (self.card.parameters.integrability, self.task.operator.integrability),
        ):
            goal = penalty.maxlambda
            if settings.initial is None and settings.multiplier is not None:
                start = goal / settings.multiplier**self.raises
            else:
                start = np.full_like(goal, 1.0 if settings.initial is None else settings.initial)
            factor = (goal / start) ** (1 / self.raises) if settings.multiplier is None else settings.multiplier
            columns.append(start * factor ** (epoch[:, None] // self.block))
        return np.concatenate(columns, axis=1).astype(self.dtype.as_numpy_dtype)

    def judge(
        self, state: Mapping[str, tf.Tensor], training: tf.Tensor, validation: tf.Tensor, violation: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Count an epoch: are the parameters in ``state`` the best so far, and is it time to stop?

        From their chi2 per point (R,) and their violation of each positivity set (R, S).
        """
        parameters, active = self.card.parameters, state["active"]
        improved = (
            active
            & (state["counting"] | (validation < parameters.threshold_chi2))
            & (validation < state["best"])
            & tf.reduce_all(violation < parameters.positivity.threshold, axis=1)
        )
        counting = state["counting"] | improved
        waited = tf.where(improved, 0, state["waited"] + tf.cast(counting, tf.int32))
        epoch = state["epoch"][:, 0]
        return {  # of those that are not active nothing changes
            **state,
            "epoch": state["epoch"] + tf.cast(active, tf.int32)[:, None],
            "best_theta": tf.where(improved[:, None], state["theta"], state["best_theta"]),
            "best": tf.where(improved, validation, state["best"]),
            "best_training": tf.where(improved, training, state["best_training"]),
            "best_epoch": tf.where(improved, epoch, state["best_epoch"]),
            "counting": counting,
            "waited": waited,
            "stop_epoch": tf.where(active, epoch + 1, state["stop_epoch"]),
            "active": active & (waited <= self.patience) & (epoch + 1 < parameters.epochs),
            "training": tf.where(active, training, state["training"]),
            "validation": tf.where(active, validation, state["validation"]),
        }

    def bound(self, theta: tf.Tensor) -> tf.Tensor:
        """Keep trained exponents in their ranges."""
        if not self.model.trains_exponents:
            return theta
        n, ranges = self.model.network.n_parameters, np.concatenate([self.model.alpha_range, self.model.beta_range])
        low, high = tf.constant(ranges[:, 0], self.dtype), tf.constant(ranges[:, 1], self.dtype)
        return tf.concat([theta[:, :n], tf.clip_by_value(theta[:, n:], low, high)], axis=1)

    # --- blocks, seen from Python ----------------------------------------------------------------------------------

    def train(
        self, state: State, watch: Callable[[Progress], None], save: Callable[[State], None] = lambda state: None
    ) -> Iterator[TrainedReplica]:
        """Train until every replica of ``state`` has stopped, yielding each as it does.

        ``watch`` is told after every block; ``save`` is handed the whole state, from which training can go on to the
        same end.
        """
        while len(state["replica"]):
            batch = self.advance({k: v[: self.batch] for k, v in state.items()})
            self._record(batch)
            batch, restarted = self._restart(batch)
            done = ~batch["active"]
            watch(_progress(batch, int(done.sum()), restarted))
            yield from (self.finish(batch, int(i)) for i in np.flatnonzero(done))
            state = {k: np.concatenate([batch[k][~done], v[self.batch :]]) for k, v in state.items()}
            save(state)

    def _record(self, state: State) -> None:
        row = np.minimum(-(-state["epoch"][:, 0] // self.block), state["history"].shape[1]) - 1
        values = np.stack([state["epoch"][:, 0], state["training"], state["validation"]], axis=1)
        state["history"][np.arange(len(row)), row] = values

    def _restart(self, state: State) -> tuple[State, dict[int, str]]:
        """Start replicas that went wrong again, from new weights of the same number; give up those that always do."""
        failures = np.where(state["active"], self.failures(state), "")
        retry = np.flatnonzero((failures != "") & (state["attempt"] < MAX_ATTEMPTS))
        state["active"] = state["active"] & (failures == "")
        if len(retry):
            fresh = self.initial_state(state["replica"][retry], state["attempt"][retry] + 1)
            for key, values in fresh.items():
                state[key][retry] = values
        return state, {int(state["replica"][i]): str(failures[i]) for i in retry}

    def finish(self, state: State, i: int) -> TrainedReplica:
        """Return replica ``i`` of a state as it is at its best epoch."""
        passed = bool(state["best_epoch"][i] >= 0)
        theta = state["best_theta" if passed else "theta"][i].astype(float)
        if not self.model.trains_exponents:
            theta = np.concatenate([theta, state["exponents"][i].astype(float)])
        history = state["history"][i]
        return TrainedReplica(
            replica=int(state["replica"][i]),
            parameters=theta,
            best_epoch=int(state["best_epoch"][i]) if passed else int(state["stop_epoch"][i]),
            stop_epoch=int(state["stop_epoch"][i]),
            passed_positivity=passed,
            attempts=int(state["attempt"][i]) + 1,
            training=float(state["best_training" if passed else "training"][i]),
            validation=float(state["best" if passed else "validation"][i]),
            history=history[np.isfinite(history[:, 0])],
        )


def _progress(state: State, stopped: int, restarted: dict[int, str]) -> Progress:
    return Progress(
        state["epoch"][:, 0], state["replica"], state["training"], state["validation"], stopped, restarted
    )
