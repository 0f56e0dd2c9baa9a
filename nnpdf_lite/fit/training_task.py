"""What goes into training and what comes out: plain arrays that travel between processes."""

from collections.abc import Mapping
from dataclasses import dataclass

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
    per_replica : mapping of name to (R, ...) array
        What the kernel wants, and ``n_training``, ``n_validation`` (R,).
    factors : (G, 2, C, C) array or None
        Folded masks; None for one mask per replica on all points.
    """

    card: Runcard
    operator: Operator
    replicas: np.ndarray
    per_replica: Mapping[str, np.ndarray]
    factors: np.ndarray | None = None

    def select(self, chosen: np.ndarray) -> "TrainingTask":
        """Return the task of a part of the replicas (positions), with the factors of their masks alone."""
        part = {name: values[chosen] for name, values in self.per_replica.items()}
        factors = self.factors
        if factors is not None:
            used, part["group"] = np.unique(part["group"], return_inverse=True)
            factors = factors[used]
        return TrainingTask(self.card, self.operator, self.replicas[chosen], part, factors)


@dataclass(frozen=True)
class Progress:
    """Where a batch stands after a block: arrays over its replicas, chi2 per point."""

    epoch: int
    replicas: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    stopped: int
    restarted: tuple[int, ...]


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
