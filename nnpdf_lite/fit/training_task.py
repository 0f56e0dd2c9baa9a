"""What goes into training and what comes out: plain arrays that travel between processes."""

from dataclasses import dataclass, replace

import numpy as np

from ..runcard import Runcard
from .operator import Operator


@dataclass(frozen=True)
class TrainingTask:
    """What a worker needs to train some replicas; plain arrays, picklable.

    Attributes
    ----------
    card : Runcard
    operator : Operator
    replicas : (R,) replica numbers
    data : (R, N) whitened pseudo-data
    masks : (R, N) bool, training masks
    cholesky : (N, N) array or None
        Factor of the covariance where training and validation points are whitened each on their own: splits in the
        basis of the data. None in the diagonal basis.
    models : tuple of Runcard
        Where replicas have models of their own (``methodologies``): replica k that of number k modulo how many there are.
    """

    card: Runcard
    operator: Operator
    replicas: np.ndarray
    data: np.ndarray
    masks: np.ndarray
    cholesky: np.ndarray | None = None
    models: tuple[Runcard, ...] = ()

    @property
    def one_mask(self) -> bool:
        """True when the runcard gives all replicas the same mask."""
        return self.card.same_trvl_per_replica or self.card.training_masks == 1

    def card_of(self, replica: int) -> Runcard:
        """Return the card that a replica is trained with."""
        return self.models[int(replica) % len(self.models)] if self.models else self.card

    def shares(self, workers: int) -> list[np.ndarray]:
        """Share the positions of the replicas out, those of one model to one worker: they train as a batch."""
        order = self.replicas % len(self.models) if self.models else np.arange(len(self.replicas))
        return [np.flatnonzero(order % workers == i) for i in range(workers)]

    def by_model(self) -> "list[TrainingTask]":
        """Return a task for each model that some replica has."""
        if not self.models:
            return [self]
        numbers = self.replicas % len(self.models)
        return [
            replace(self.select(np.flatnonzero(numbers == i)), card=self.models[i], models=())
            for i in np.unique(numbers)
        ]

    def select(self, chosen: np.ndarray) -> "TrainingTask":
        """Return the task of a part of the replicas (positions)."""
        return replace(self, replicas=self.replicas[chosen], data=self.data[chosen], masks=self.masks[chosen])


@dataclass(frozen=True)
class Progress:
    """Where a batch stands after a block: arrays over its replicas, chi2 per point.

    ``restarted`` says of each replica that starts again in a word what went wrong.
    """

    epochs: np.ndarray
    replicas: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    stopped: int
    restarted: dict[int, str]


@dataclass(frozen=True)
class TrainedReplica:
    """A replica at its best epoch.

    ``history`` (B, 3) holds epoch, training and validation chi2 per point at the end of each block.
    """

    replica: int
    parameters: np.ndarray
    best_epoch: int
    stop_epoch: int
    passed_positivity: bool
    attempts: int
    training: float
    validation: float
    history: np.ndarray
