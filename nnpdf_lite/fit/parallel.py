"""Runs workers side by side, one per core, and passes on what they report."""

import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Generator
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..runcard import Runcard
from .training_task import Progress, TrainedReplica, TrainingTask


def worker_count(n_tasks: int, maxcores: int | None) -> int:
    """Return how many workers share some tasks: one per core this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, maxcores or cores, n_tasks))


def training_workers(n_replicas: int, card: Runcard) -> int:
    """Return how many workers train: one per GPU where TensorFlow has any and the optimiser has a use for it, else one per core."""
    gpus = 0 if card.parameters.optimizer.second_order else gpu_count()
    return worker_count(min(n_replicas, gpus or n_replicas), card.maxcores)


def gpu_count() -> int:
    """Return how many GPUs TensorFlow can use; it is asked, in a process of its own, only where there is a driver."""
    if not Path("/dev/nvidiactl").exists():
        return 0
    question = "import tensorflow; print(len(tensorflow.config.list_physical_devices('GPU')))"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=False)
    return int(answer.stdout.strip() or 0)


def train_parallel(
    task: TrainingTask,
    x_export: np.ndarray,
    folder: Path,
    *,
    skip: Collection[int] = (),
    workers: int,
    resume: bool,
    checkpoint_interval: float = 60.0,
    watch: Callable[[int, Progress], None],
    warn: Callable[[str], None],
) -> Generator[tuple[TrainedReplica, np.ndarray, np.ndarray, np.ndarray], None, None]:
    """Train a task in ``workers`` processes; yields each replica with f (X, 14), alpha (F,), beta (F,) as it ends.

    The replicas are shared out by their place in the task (``TrainingTask.shares``), so the same request is shared in the same way and a
    resumed run, which leaves out the replicas ``skip``, repeats the arithmetic of an uninterrupted one. ``folder`` keeps
    checkpoints and the workers' logs.

    Raises
    ------
    InputError
        With the message of a worker that met a mistake of the user's, or the place of the log of one that crashed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    messages: queue.Queue = queue.Queue()
    processes: list[subprocess.Popen] = []
    with tempfile.TemporaryDirectory(prefix="nnpdf_lite_") as scratch:
        try:
            for i, share in enumerate(task.shares(workers)):
                share = share[~np.isin(task.replicas[share], list(skip))]
                if not len(share):
                    continue
                order = {
                    "task": task.select(share),
                    "x_export": x_export,
                    "checkpoint": folder / f"worker_{i}.npz",
                    "checkpoint_interval": checkpoint_interval,
                    "resume": resume,
                }
                processes.append(_start(i, order, Path(scratch), folder, messages))
            running = len(processes)
            while running:
                worker, message = messages.get()
                kind = message[0]
                if kind == "progress":
                    watch(worker, message[1])
                elif kind == "replica":
                    yield message[1:]
                elif kind == "warning":
                    warn(message[1])
                elif kind == "error":
                    raise InputError(message[1])
                elif kind == "done":
                    running -= 1
                else:  # crashed or killed
                    log = folder / f"worker_{worker}.log"
                    raise InputError(
                        f"worker {worker} stopped unexpectedly (its log: {log}); what was finished is kept, "
                        "continue with --resume"
                    )
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _start(i: int, order: dict, scratch: Path, folder: Path, messages: queue.Queue) -> subprocess.Popen:
    file = scratch / f"task_{i}.pickle"
    file.write_bytes(pickle.dumps(order, protocol=pickle.HIGHEST_PROTOCOL))
    with (folder / f"worker_{i}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nnpdf_lite.fit.worker", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(i, scratch),
        )
    threading.Thread(target=_listen, args=(i, process, messages), daemon=True).start()
    return process


def _environment(i: int, scratch: Path) -> dict[str, str]:
    """Return the environment of worker ``i``: one thread, one GPU if there are any, this package."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [str(i)] if allowed is None else allowed.split(",")[i : i + 1]
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "".join(gpus),
        "TMPDIR": str(scratch),  # TensorFlow leaves the code it generates there when its process is ended
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]),
    }


def _listen(i: int, process: subprocess.Popen, messages: queue.Queue) -> None:
    assert process.stdout is not None  # a pipe
    while True:
        try:
            message = pickle.load(process.stdout)
        except (EOFError, pickle.UnpicklingError):
            message = ("ended",)
        messages.put((i, message))
        if message[0] in ("done", "ended"):
            return
