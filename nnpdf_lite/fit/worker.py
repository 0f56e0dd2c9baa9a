"""A worker process: trains its share of the replicas on one thread and reports through its standard output.

Started as ``python -m nnpdf_lite.fit.worker TASK``; messages are pickled one after another. One thread per worker and
one worker per core beats threads inside TensorFlow, whose operations here are too small to share.
"""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import InputError

if TYPE_CHECKING:
    from .batch import BatchTrainer
    from .training_task import TrainedReplica, TrainingTask


def main(task_file: Path) -> None:
    """Train the task pickled in ``task_file``: a dict with ``task``, ``x_export`` (X,) and ``checkpoint`` (path)."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever libraries print goes to the log, not into the messages
    try:
        _train(pickle.loads(task_file.read_bytes()), channel)
    except InputError as error:
        _send(channel, ("error", str(error)))
    except Exception:
        import traceback

        _send(channel, ("crash", traceback.format_exc()))
        raise


def _send(channel: BinaryIO, message: Any) -> None:
    pickle.dump(message, channel, protocol=pickle.HIGHEST_PROTOCOL)
    channel.flush()


def _train(order: dict, channel: BinaryIO) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    tasks = order["task"].by_model()
    for i, task in enumerate(tasks):
        path = order["checkpoint"]
        _train_one({**order, "task": task, "checkpoint": path.with_stem(f"{path.stem}_{i}") if len(tasks) > 1 else path}, channel)
    _send(channel, ("done",))


def _train_one(order: dict, channel: BinaryIO) -> None:
    from .checkpoint import Checkpoint, load_checkpoint

    task = order["task"]
    trainer = make_trainer(task)
    saved, warning = load_checkpoint(order["checkpoint"]) if order["resume"] else (None, "")
    if warning:
        _send(channel, ("warning", warning))
    state = _merge(trainer, saved, task.replicas)
    save = Checkpoint(order["checkpoint"], order["checkpoint_interval"])
    log = tensorboard(order["checkpoint"].with_suffix("")) if task.card.tensorboard else lambda progress: None

    def watch(progress: Any) -> None:
        log(progress)
        _send(channel, ("progress", progress))

    for replica in trainer.train(state, watch, save):
        _send(channel, ("replica", *export(trainer, replica, order["x_export"])))


def export(trainer: "BatchTrainer", replica: "TrainedReplica", x: Any) -> tuple:
    """Return a trained replica with f (X, 14) at ``x`` (X,), alpha (F,) and beta (F,)."""
    parameters = replica.parameters[None]
    alpha, beta = (values[0] for values in trainer.model.exponents(parameters))
    return replica, trainer.model(parameters, x)[0], alpha, beta


def make_trainer(task: "TrainingTask") -> "BatchTrainer":
    """Return what trains a task with the optimiser of its card."""
    if task.card.parameters.optimizer.second_order:
        import tensorflow as tf

        from .levenberg_marquardt import LevenbergMarquardt

        tf.config.set_visible_devices([], "GPU")  # one replica at a time keeps none busy
        return LevenbergMarquardt(task)
    from .training import Trainer

    return Trainer(task)


def tensorboard(folder: Path) -> Callable[[Any], None]:
    """Return what logs the chi2 of every replica for TensorBoard."""
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(folder))

    def log(progress: Any) -> None:
        with writer.as_default():
            for replica, epoch, training, validation in zip(
                progress.replicas, progress.epochs, progress.training, progress.validation
            ):
                tf.summary.scalar(f"training/replica_{replica}", training, step=epoch)
                tf.summary.scalar(f"validation/replica_{replica}", validation, step=epoch)
        writer.flush()

    return log


def _merge(trainer: Any, saved: dict | None, replicas: Any) -> dict:
    """Take the replicas a checkpoint holds from it and start the others."""
    import numpy as np

    fresh = trainer.initial_state(replicas)
    if saved is None or set(saved) != set(fresh) or any(saved[k].shape[1:] != fresh[k].shape[1:] for k in fresh):
        return fresh
    for i, replica in enumerate(replicas):
        for j in np.flatnonzero(saved["replica"] == replica):
            for key, values in fresh.items():
                values[i] = saved[key][j]
    return fresh


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(Path(sys.argv[1]))
