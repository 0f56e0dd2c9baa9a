"""Per-replica tensors of the chi2, for the replicas in the batch."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from .folding import Folding
from .folds import KFolding
from .training_task import TrainingTask


class ReplicaInputs:
    """Folds the masks and pseudo-data of replicas as they enter the batch, and forgets those of replicas that left."""

    def __init__(self, task: TrainingTask, folding: Folding, dtype: tf.DType):
        self.task, self.dtype = task, dtype
        self.folding: Folding | KFolding = folding
        self.mask = folding.mask
        self.position = {int(replica): i for i, replica in enumerate(task.replicas)}
        self.shared = folding.mask(task.masks[0]) if task.one_mask else None
        self.folded: dict[int, dict[str, np.ndarray]] = {}

    def __call__(self, replicas: np.ndarray, rows: np.ndarray | None = None) -> dict[str, tf.Tensor]:
        """Return the tensors of ``replicas``, repeated by ``rows`` (positions among them) to fill a batch up."""
        rows = np.arange(len(replicas)) if rows is None else rows
        numbers = [int(replica) for replica in replicas]
        self.folded = {number: self.folded.get(number) or self.fold(number) for number in numbers}
        folded = [self.folded[numbers[row]] for row in rows]
        arrays = {name: np.array([one[name] for one in folded]) for name in folded[0] if name != "form"}
        arrays["form"] = np.array([one["form"] for one in folded[: 1 if self.shared else None]])
        return {name: tf.constant(values) for name, values in arrays.items()}

    def fold(self, replica: int) -> dict[str, np.ndarray]:
        """Return the arrays of one replica."""
        i = self.position[replica]
        data, mask = self.task.data[i], self.task.masks[i]
        folded = self.shared or self.mask(mask)
        arrays = {"form": folded.form, **folded(data), "n_training": mask.sum(), "n_validation": (~mask).sum()}
        return {name: np.asarray(values, self.dtype.as_numpy_dtype) for name, values in arrays.items()}


class FoldInputs(ReplicaInputs):
    """The same for replicas of several folds of the data (``folds``), folded beforehand: many trials train on them."""

    def __init__(self, folding: KFolding, folded: Mapping[int, dict[str, np.ndarray]]):
        self.folding, self.shared, self.all, self.folded = folding, None, folded, {}

    def fold(self, replica: int) -> dict[str, np.ndarray]:
        """Return the arrays of one replica."""
        return self.all[replica]
