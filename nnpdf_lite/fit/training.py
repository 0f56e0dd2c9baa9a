"""Training with first-order optimisers: blocks of 100 epochs in one compiled graph."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from .batch import BatchTrainer, State
from .optimizers import Optimizer
from .replica_inputs import ReplicaInputs
from .training_task import TrainingTask

#: Replicas that train together on a CPU. An epoch costs as much per row from 16 rows on, so the best number is that whose last
#: replicas wait least for each other (docs/performance.md).
BATCH = 24
#: The same on a GPU, where more rows cost little.
GPU_BATCH = 1024
#: Batches are filled up with repeats to a multiple of the first number and at least the second: products of other shapes
#: round differently, and a replica would not come out the same, bit for bit, alone and in a batch.
BATCH_MULTIPLE, LEAST_ROWS = 8, 16
#: Training chi2 per point, at the end of a block, beyond which a replica has diverged; it may pass 1e4 and come back, when
#: the integral of a sum rule changes sign early on.
DIVERGED = 1e8


class Trainer(BatchTrainer):
    """Trains with a first-order optimiser."""

    block = 100

    def __init__(self, task: TrainingTask, inputs: ReplicaInputs | None = None):
        super().__init__(task, tf.float64 if task.card.double_precision else tf.float32, inputs)
        chosen = self.card.parameters.optimizer
        options = {"learning_rate": chosen.learning_rate, **chosen.options()}
        self.optimizer = Optimizer(chosen.optimizer_name, options, chosen.clipnorm)
        self.batch = GPU_BATCH if tf.config.list_physical_devices("GPU") else BATCH
        self._block = tf.function(self._epochs)  # compiled for each number of rows: a third faster than for any

    # --- blocks, seen from Python ----------------------------------------------------------------------------------

    def slots(self, theta: np.ndarray) -> State:
        """Return the optimiser's running means, empty."""
        widths = self.optimizer.slot_widths(theta.shape[1])
        return {f"slot_{i}": np.zeros((len(theta), width), theta.dtype) for i, width in enumerate(widths)}

    def advance(self, batch: State) -> State:
        """Train a batch for a block, the last of which may be shorter."""
        n = len(batch["replica"])
        rows = np.resize(np.arange(n), max(LEAST_ROWS, -(-n // BATCH_MULTIPLE) * BATCH_MULTIPLE))
        left = self.card.parameters.epochs - int(batch["epoch"].min())
        out = self._block(
            {k: tf.constant(v[rows]) for k, v in batch.items() if k not in ("attempt", "history")},
            self.inputs(batch["replica"], rows),
            tf.constant(self.multipliers(batch["epoch"][rows, 0])),
            tf.constant(min(self.block, left)),
        )
        return {**batch, **{k: np.array(v)[:n] for k, v in out.items()}}

    def failures(self, batch: State) -> np.ndarray:
        """Return "diverged" for replicas (R,) whose loss is not finite, or absurd."""
        return np.where(batch["training"] < DIVERGED, "", "diverged")

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
        theta = state["theta"]
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss, total = self._loss(theta, prefactor, replicas, multipliers, self._dropout(state))
        gradient = tape.gradient(total, theta)
        if self.model.trains_exponents:
            gradient *= tf.constant(self.free, self.dtype)
        if self.model.network.dropout:  # stopping looks at the whole network
            loss, _ = self._loss(theta, prefactor, replicas, multipliers, None)
        training, validation = loss.training / replicas["n_training"], loss.validation / replicas["n_validation"]
        slots = tuple(state[f"slot_{i}"] for i in range(len(self.optimizer.slot_widths(1))))
        step = tf.cast(state["epoch"] + 1, self.dtype)
        update, slots = self.optimizer.step(gradient, slots, step)
        moving = state["active"][:, None]  # the others have ended and wait, as they are, for the end of the block
        state = {
            **self.judge(state, training, validation, loss.violation),
            **{f"slot_{i}": slot for i, slot in enumerate(slots)},
            "theta": tf.where(moving, self.bound(theta + update), theta),
        }
        return [state[key] for key in keys]
