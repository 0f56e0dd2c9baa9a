"""Trains the replicas of all folds of a trial as one batch, and says what they predict, also on the way."""

import gc
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ..runcard import Runcard
from .batch import State
from .folds import KFolding, replica_number
from .replica_inputs import FoldInputs
from .training import Trainer
from .training_task import TrainedReplica, TrainingTask


@dataclass(frozen=True)
class FoldReplicas:
    """The replicas of K folds, R each, at their best epochs so far; those without one as they are.

    Attributes
    ----------
    parameters : (K, R, P) array
    z, nonlinear : (K, R, C), (K, R, n) arrays
        Coordinates (``folds``) and the predictions that are not linear.
    training, validation : (K, R) arrays
        chi2 per point to the pseudo-data.
    best_epoch, stop_epoch : (K, R) arrays of int
    passed : (K, R) array of bool
        Whether there is an epoch that passes positivity.
    """

    parameters: np.ndarray
    z: np.ndarray
    nonlinear: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    best_epoch: np.ndarray
    stop_epoch: np.ndarray
    passed: np.ndarray


class FoldTrainer:
    """One trial in training.

    ``folded`` are the inputs of ``replicas`` replicas of each fold (``folds.folded_replicas``), ``card`` has the model.
    """

    def __init__(self, folding: KFolding, folded: Mapping[int, dict[str, np.ndarray]], card: Runcard, replicas: int):
        self.folding, self.shape = folding, (len(folding.whole), replicas)
        self.numbers = [replica_number(fold, r, replicas) for fold in range(self.shape[0]) for r in range(replicas)]
        nothing = np.empty((len(self.numbers), 0))
        task = TrainingTask(card, folding.problem.operator, np.array(self.numbers), nothing, nothing.astype(bool))
        self.trainer = Trainer(task, FoldInputs(folding, folded))
        self.trainer.batch = len(self.numbers)  # all folds in one batch
        self.on_nodes = self.trainer.model.on_nodes(task.operator.x, tf.float64)

    def train(self, look: Callable[[int, FoldReplicas], None], at: Collection[int]) -> FoldReplicas:
        """Train to the end; ``look(epoch, replicas)`` is called after the epochs ``at``, and may raise to end it all."""
        ended: dict[int, TrainedReplica] = {}

        def save(state: State) -> None:
            epoch = int(state["epoch"].max(initial=0))
            if epoch in at:
                look(epoch, self._replicas({**self._running(state), **ended}))

        state = self.trainer.initial_state(self.numbers)
        for replica in self.trainer.train(state, lambda progress: None, save):
            ended[replica.replica] = replica
        return self._replicas(ended)

    def xf(self, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Evaluate ``x f`` (R, X, 14) in double precision at parameters (R, P)."""
        return self.trainer.model(parameters, x) * x[:, None]

    def _running(self, state: State) -> dict[int, TrainedReplica]:
        return {int(number): self.trainer.finish(state, i) for i, number in enumerate(state["replica"])}

    def _replicas(self, replicas: Mapping[int, TrainedReplica]) -> FoldReplicas:
        ordered = [replicas[number] for number in self.numbers]
        parameters = np.array([replica.parameters for replica in ordered])
        z, nonlinear = self._predict(parameters)
        arrays = {
            "parameters": parameters,
            "z": z,
            "nonlinear": nonlinear,
            "passed": np.array([replica.passed_positivity for replica in ordered]),
            **{
                name: np.array([getattr(replica, name) for replica in ordered])
                for name in ("training", "validation", "best_epoch", "stop_epoch")
            },
        }
        return FoldReplicas(**{name: values.reshape(*self.shape, *values.shape[1:]) for name, values in arrays.items()})

    def _predict(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates (R, C) and predictions that are not linear (R, n)."""
        objective, n = self.trainer.objective, self.trainer.model.network.n_parameters
        network, exponents = np.split(parameters, [n], axis=1)
        flat = objective.on_fk_nodes(self.on_nodes(tf.constant(network), self.on_nodes.prefactor(tf.constant(exponents))))
        nonlinear = objective.predict(objective.pieces(tf.cast(flat, self.trainer.dtype)))[0]
        found = np.zeros((len(parameters), 0)) if nonlinear is None else nonlinear.numpy().astype(float)
        return flat.numpy() @ self.folding.linear.T, found


def forget_graphs() -> None:
    """Free what a trial leaves behind: its compiled blocks refer to each other in circles."""
    gc.collect()
