"""Trains on the workers of a pool: batches of replicas go out, trained replicas come back."""

import time
import uuid
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..cluster import Pool, report
from .training_task import Progress, TrainedReplica, TrainingTask
from .worker import export, make_trainer, tensorboard

if TYPE_CHECKING:
    from .batch import BatchTrainer

#: Replicas of a batch at most. A worker trains some 24 at once and takes in others as they end, so large batches waste least at
#: their end, when rows are empty; still larger ones would only be lost with a worker.
LARGEST_BATCH = 64
#: The same of second-order training, which takes one replica after another.
LARGEST_SECOND_ORDER_BATCH = 8
#: Reports per second from all workers together, at most.
REPORT_RATE = 10.0

Batch = tuple[int, ...]
Trained = tuple[TrainedReplica, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Assignment:
    """What every worker has: the whole task, x (X,) to export f at, and seconds between its reports."""

    task: TrainingTask
    x_export: np.ndarray
    interval: float


def batches(replicas: Sequence[int], workers: int, largest: int) -> list[Batch]:
    """Share replicas out in batches of equal size, as few for each worker as ``largest`` allows."""
    rounds = -(-len(replicas) // (workers * largest))
    size = -(-len(replicas) // (workers * max(rounds, 1)))
    return [tuple(replicas[i : i + size]) for i in range(0, len(replicas), max(size, 1))]


def train_on_cluster(
    pool: Pool,
    task: TrainingTask,
    x_export: np.ndarray,
    folder: Path,
    *,
    skip: Collection[int] = (),
    watch: Callable[[int, Progress], None],
    warn: Callable[[str], None],
) -> Generator[Trained, None, None]:
    """Train a task on a pool; yields each replica with f (X, 14), alpha (F,), beta (F,) when its batch is done.

    A replica does not depend on its batch, so all replicas but those in ``skip`` are shared out anew. TensorBoard's logs, if
    the card wants them, go to ``folder``; workers write nothing.
    """
    parts = task.by_model()
    units = []
    for part in parts:
        missing = [int(replica) for replica in part.replicas if replica not in set(skip)]
        largest = LARGEST_SECOND_ORDER_BATCH if part.card.parameters.optimizer.second_order else LARGEST_BATCH
        units += batches(missing, max(pool.count // len(parts), 1), largest)
    log = tensorboard(folder / "cluster") if task.card.tensorboard else lambda progress: None
    watched = _WatchedBatches(watch, warn, log)
    assignment = Assignment(task, x_export, max(1.0, pool.count / REPORT_RATE))
    for batch, trained in pool.run(train_batch, assignment, units, ahead=pool.count, listen=watched.listen):
        watched.done(batch, [replica for replica, *_ in trained])
        yield from trained


def train_batch(assignment: Assignment, batch: Batch) -> list[Trained]:
    """Train a batch, in a worker."""
    trainer = _trainer(assignment.task, batch[0])
    replicas = trainer.train(trainer.initial_state(batch), _Reporter(assignment.interval))
    return [export(trainer, replica, assignment.x_export) for replica in replicas]


#: The task and card this process trained last, and their trainer: its graphs are compiled once, not for each batch.
_last: tuple = (None, None, None)


def _trainer(task: TrainingTask, replica: int) -> "BatchTrainer":
    """Return what trains a batch with this replica."""
    global _last
    card = task.card_of(replica)
    if _last[0] is not task or _last[1] is not card:
        import tensorflow as tf

        with suppress(RuntimeError):  # in use already
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        _last = (None, None, None)  # frees the memory of the one before
        part = next(part for part in task.by_model() if replica in part.replicas)
        _last = (task, card, make_trainer(part))
    return _last[2]


class _Reporter:
    """Reports the progress of a batch, at most every ``interval`` seconds; what is only counted once is kept until then."""

    def __init__(self, interval: float):
        self.interval, self.attempt, self.said = interval, uuid.uuid4().hex, 0.0
        self.stopped = 0
        self.restarted: dict[int, str] = {}

    def __call__(self, progress: Progress) -> None:
        self.stopped += progress.stopped
        self.restarted |= progress.restarted
        if time.monotonic() - self.said >= self.interval:
            report((self.attempt, replace(progress, stopped=self.stopped, restarted=self.restarted)))
            self.said, self.stopped, self.restarted = time.monotonic(), 0, {}


class _WatchedBatches:
    """Passes on what batches report as if each came from one of a fixed number of workers."""

    def __init__(
        self, watch: Callable[[int, Progress], None], warn: Callable[[str], None], log: Callable[[Progress], None]
    ):
        self.watch, self.warn, self.log = watch, warn, log
        self.slots: dict[Batch, int] = {}
        self.attempts: dict[Batch, str] = {}
        self.stopped: dict[Batch, int] = {}

    def listen(self, batch: Batch, message: tuple[str, Progress]) -> None:
        """Take in a report of a batch."""
        attempt, progress = message
        lost = 0
        if self.attempts.setdefault(batch, attempt) != attempt:
            lost, self.attempts[batch] = self.stopped.pop(batch), attempt
            self.warn(f"a worker was lost; replicas {batch[0]} to {batch[-1]} begin again on another one")
        self.stopped[batch] = self.stopped.get(batch, 0) + progress.stopped
        self.log(progress)
        self.watch(self._slot(batch), replace(progress, stopped=progress.stopped - lost))

    def done(self, batch: Batch, replicas: list[TrainedReplica]) -> None:
        """Take in the end of a batch, whose last reports may still be under way."""
        progress = Progress(
            epochs=np.array([r.stop_epoch for r in replicas]),
            replicas=np.array([r.replica for r in replicas]),
            training=np.array([r.training for r in replicas]),
            validation=np.array([r.validation for r in replicas]),
            stopped=len(batch) - self.stopped.pop(batch, 0),
            restarted={},
        )
        self.watch(self._slot(batch), progress)
        del self.slots[batch]

    def _slot(self, batch: Batch) -> int:
        if batch not in self.slots:
            self.slots[batch] = next(i for i in range(len(self.slots) + 1) if i not in self.slots.values())
        return self.slots[batch]
