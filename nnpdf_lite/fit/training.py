"""The training loop: blocks of epochs in one compiled graph, each replica with its own stopping.

Python sees the fit once per block, at multiples of 100 epochs, where multipliers grow, finished replicas leave the
batch, diverged ones start again and checkpoints are taken.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from ..pdf.model import PDFModel
from ..runcard import Runcard
from .folding import Folding
from .objective import Chi2, Objective
from .optimizers import Optimizer
from .replica_inputs import ReplicaInputs
from .training_task import Progress, TrainedReplica, TrainingTask

#: Multipliers grow, and Python looks in, every this many epochs.
BLOCK = 100
#: Replicas that train together on a CPU; when one ends, the next takes its place. An epoch costs as much per row from 16 rows
#: on, so the best number is that whose last replicas wait least for each other (docs/performance.md).
BATCH = 24
#: The same on a GPU, where more rows cost little.
GPU_BATCH = 1024
#: Batches are filled up with repeats to a multiple of the first number and at least the second: products of other shapes
#: round differently, and a replica would not come out the same, bit for bit, alone and in a batch.
BATCH_MULTIPLE, LEAST_ROWS = 8, 16
#: Training chi2 per point, at the end of a block, beyond which a replica has diverged; it may pass 1e4 and come back, when
#: the integral of a sum rule changes sign early on.
DIVERGED = 1e8
#: A replica that diverged starts again this often before it is given up.
MAX_ATTEMPTS = 5

State = dict[str, np.ndarray]


def replica_seed(card: Runcard, replica: int, attempt: int = 0) -> np.random.SeedSequence:
    """Return the seed of a replica's initial network: a function of runcard, replica number and attempt alone."""
    return np.random.SeedSequence([card.nnseed, int(replica), attempt])


class Trainer:
    """Trains the replicas of a task together."""

    def __init__(self, task: TrainingTask):
        card = task.card
        parameters = card.parameters
        self.task, self.card = task, card
        self.dtype = tf.float64 if card.double_precision else tf.float32
        self.model = PDFModel.from_runcard(card, task.operator.x)
        self.on_nodes = self.model.on_nodes(task.operator.x, self.dtype)
        folding = Folding(task.operator, task.cholesky)
        self.inputs = ReplicaInputs(task, folding, self.dtype)
        self.objective = Objective(task.operator, Chi2(folding, task.one_mask, self.dtype), self.dtype)
        chosen = parameters.optimizer
        options = {"learning_rate": chosen.learning_rate, **chosen.options()}
        self.optimizer = Optimizer(chosen.optimizer_name, options, chosen.clipnorm)
        self.patience = int(parameters.epochs * parameters.stopping_patience)
        self.batch = GPU_BATCH if tf.config.list_physical_devices("GPU") else BATCH
        self._block = tf.function(self._epochs)  # compiled for each number of rows: a third faster than for any

    # --- state -----------------------------------------------------------------------------------------------------

    def initial_state(self, replicas: Sequence[int], attempts: Sequence[int] | None = None) -> State:
        """Return the state of fresh replicas: everything that changes during training, replicas first."""
        attempts = np.zeros(len(replicas), int) if attempts is None else np.asarray(attempts)
        drawn = self.model.initial([replica_seed(self.card, r, a) for r, a in zip(replicas, attempts)])
        theta, exponents = np.split(drawn, [self.model.network.n_parameters], axis=1)
        if self.model.trains_exponents:
            theta = drawn
        n, dtype = len(replicas), self.dtype.as_numpy_dtype
        theta = theta.astype(dtype)
        slots = {
            f"slot_{i}": np.zeros((n, width), dtype)
            for i, width in enumerate(self.optimizer.slot_widths(theta.shape[1]))
        }
        return {
            "replica": np.asarray(replicas, np.int32),
            "attempt": attempts.astype(np.int32),
            "theta": theta,
            "exponents": exponents.astype(dtype),
            **slots,
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
            "history": np.full((n, -(-self.card.parameters.epochs // BLOCK), 3), np.nan, np.float32),
        }

    def multipliers(self, epoch: np.ndarray) -> np.ndarray:
        """Return the Lagrange multipliers (R, sets) at ``epoch`` (R,): raised geometrically every 100 epochs."""
        columns = []
        for settings, penalty in (
            (self.card.parameters.positivity, self.task.operator.positivity),
            (self.card.parameters.integrability, self.task.operator.integrability),
        ):
            pushes = max(self.card.parameters.epochs // BLOCK, 1)
            goal = penalty.maxlambda
            if settings.initial is None and settings.multiplier is not None:
                start = goal / settings.multiplier**pushes
            else:
                start = np.full_like(goal, 1.0 if settings.initial is None else settings.initial)
            factor = (goal / start) ** (1 / pushes) if settings.multiplier is None else settings.multiplier
            columns.append(start * factor ** (epoch[:, None] // BLOCK))
        return np.concatenate(columns, axis=1).astype(self.dtype.as_numpy_dtype)

    # --- one block, in the graph -----------------------------------------------------------------------------------

    def _loss(self, theta, prefactor, replicas, multipliers, drop):
        if self.model.trains_exponents:
            theta, exponents = tf.split(
                theta, [self.model.network.n_parameters, 2 * len(self.model.basis.flavours)], axis=1
            )
            prefactor = self.on_nodes.prefactor(exponents)
        loss = self.objective(self.on_nodes(theta, prefactor, drop), replicas, multipliers)
        total = tf.reduce_sum(loss.total)
        return loss, total + self._regularisation(theta)

    def _regularisation(self, network: tf.Tensor) -> tf.Tensor:
        kind, args = self.card.parameters.regularizer, self.card.parameters.regularizer_args
        if not kind:
            return tf.constant(0.0, self.dtype)
        kernels = network * tf.constant(self.model.network.is_kernel, self.dtype)
        terms = []
        if "l1" in kind:
            terms.append(args.l1 * tf.reduce_sum(tf.abs(kernels)))
        if "l2" in kind:
            terms.append(args.l2 * tf.reduce_sum(kernels * kernels))
        return tf.add_n(terms)

    def _dropout(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor | None:
        rate = self.model.network.dropout
        if not rate or self.model.network.per_flavour:
            return None
        width = self.model.network.layer_shapes[-2][0]
        # A function of (seed, replica, epoch) alone, so a replica sees the same units dropped in any batch.
        seeds = tf.concat([state["replica"][:, None] ^ tf.constant(self.card.nnseed % 2**31), state["epoch"]], axis=1)
        uniform = tf.map_fn(
            lambda seed: tf.random.stateless_uniform((width,), seed, dtype=self.dtype), seeds, fn_output_signature=self.dtype
        )
        return tf.cast(uniform >= rate, self.dtype) / (1 - rate)

    def _epochs(self, state, replicas, multipliers, n_epochs):
        prefactor = self.on_nodes.prefactor(state["exponents"])
        keys = sorted(state)

        def body(i, *values):
            return (i + 1, *self._epoch(dict(zip(keys, values)), prefactor, replicas, multipliers, keys))

        out = tf.while_loop(
            lambda i, *_: i < n_epochs, body, (tf.constant(0), *(state[k] for k in keys)), parallel_iterations=1
        )
        return dict(zip(keys, out[1:]))

    def _epoch(self, state, prefactor, replicas, multipliers, keys):
        parameters = self.card.parameters
        theta = state["theta"]
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss, total = self._loss(theta, prefactor, replicas, multipliers, self._dropout(state))
        gradient = tape.gradient(total, theta)
        if self.model.trains_exponents:  # those that are not trained stay where they were drawn
            free = np.concatenate([np.ones(self.model.network.n_parameters), self.model.trained_exponents])
            gradient *= tf.constant(free, self.dtype)
        if self.model.network.dropout:  # stopping looks at the whole network
            loss, _ = self._loss(theta, prefactor, replicas, multipliers, None)
        training, validation = loss.training / replicas["n_training"], loss.validation / replicas["n_validation"]
        improved = (
            state["active"]
            & (state["counting"] | (validation < parameters.threshold_chi2))
            & (validation < state["best"])
            & tf.reduce_all(loss.violation < parameters.positivity.threshold, axis=1)
        )
        slots = tuple(state[f"slot_{i}"] for i in range(len(self.optimizer.slot_widths(1))))
        step = tf.cast(state["epoch"] + 1, self.dtype)
        update, slots = self.optimizer.step(gradient, slots, step)
        new = theta + update
        if self.model.trains_exponents:
            new = self._bound(new)
        counting = state["counting"] | improved
        waited = tf.where(improved, 0, state["waited"] + tf.cast(counting, tf.int32))
        active = state["active"]  # the others have ended and wait, as they are, for the end of the block
        state = {
            **state,
            **{f"slot_{i}": slot for i, slot in enumerate(slots)},
            "theta": tf.where(active[:, None], new, theta),
            "epoch": state["epoch"] + tf.cast(active, tf.int32)[:, None],
            "best_theta": tf.where(improved[:, None], theta, state["best_theta"]),
            "best": tf.where(improved, validation, state["best"]),
            "best_training": tf.where(improved, training, state["best_training"]),
            "best_epoch": tf.where(improved, state["epoch"][:, 0], state["best_epoch"]),
            "counting": counting,
            "waited": waited,
            "stop_epoch": tf.where(state["active"], state["epoch"][:, 0] + 1, state["stop_epoch"]),
            "active": state["active"]
            & (waited <= self.patience)
            & (state["epoch"][:, 0] + 1 < parameters.epochs),
            "training": tf.where(active, training, state["training"]),
            "validation": tf.where(active, validation, state["validation"]),
        }
        return [state[key] for key in keys]

    def _bound(self, theta: tf.Tensor) -> tf.Tensor:
        """Keep exponents in their ranges."""
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
            batch = {k: v[: self.batch] for k, v in state.items()}
            batch, restarted = self._restart(self.advance(batch))
            done = ~batch["active"]
            watch(_progress(batch, int(done.sum()), restarted))
            yield from (self._finish(batch, i) for i in np.flatnonzero(done))
            state = {k: np.concatenate([batch[k][~done], v[self.batch :]]) for k, v in state.items()}
            save(state)

    def advance(self, batch: State) -> State:
        """Train a batch for a block of epochs."""
        n = len(batch["replica"])
        rows = np.resize(np.arange(n), max(LEAST_ROWS, -(-n // BATCH_MULTIPLE) * BATCH_MULTIPLE))
        left = self.card.parameters.epochs - int(batch["epoch"].min())
        out = self._block(
            {k: tf.constant(v[rows]) for k, v in batch.items() if k not in ("attempt", "history")},
            self.inputs(batch["replica"], rows),
            tf.constant(self.multipliers(batch["epoch"][rows, 0])),
            tf.constant(min(BLOCK, left)),
        )
        batch = {**batch, **{k: np.array(v)[:n] for k, v in out.items()}}
        _record(batch)
        return batch

    def _restart(self, state: State) -> tuple[State, tuple[int, ...]]:
        """Start replicas that diverged (loss not finite, or absurd) again, from new weights of the same number."""
        broken = ~(state["training"] < DIVERGED) & state["active"]
        retry = np.flatnonzero(broken & (state["attempt"] < MAX_ATTEMPTS))
        state["active"] = state["active"] & ~broken
        if len(retry):
            fresh = self.initial_state(state["replica"][retry], state["attempt"][retry] + 1)
            for key, values in fresh.items():
                state[key][retry] = values
        return state, tuple(int(r) for r in state["replica"][retry])

    def _finish(self, state: State, i: int) -> TrainedReplica:
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


def _record(state: State) -> None:
    row = np.minimum(-(-state["epoch"][:, 0] // BLOCK), state["history"].shape[1]) - 1
    values = np.stack([state["epoch"][:, 0], state["training"], state["validation"]], axis=1)
    state["history"][np.arange(len(row)), row] = values


def _progress(state: State, stopped: int, restarted: tuple[int, ...]) -> Progress:
    return Progress(
        state["epoch"][:, 0], state["replica"], state["training"], state["validation"], stopped, restarted
    )
