"""Profiles the training loop with TensorFlow's profiler: where the time of an epoch goes, by kind of operation.

    python benchmarks/training_profile.py [--replicas 50] [--output benchmarks/training_profile.txt]

trains the full fit's first replicas for some hundred epochs on one thread, as a worker does, and adds up, per kind of
operation, the time its kernels took.
"""

import argparse
import os
import platform
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import tensorflow as tf

BLOCKS = 3


def main() -> None:
    """Profile and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runcard", default="dis_nnlo")
    parser.add_argument("--replicas", type=int, default=50)
    parser.add_argument("--output", type=Path, help="file of the summary; by default standard output")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    text = summary(options.runcard, options.replicas)
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")


def summary(runcard: str, replicas: int) -> str:
    """Train under the profiler; return the table as text."""
    from nnpdf_lite.fit.preparation import prepare
    from nnpdf_lite.fit.problem import build_problem
    from nnpdf_lite.fit.training import Trainer
    from nnpdf_lite.runcard import load_runcard

    card = load_runcard(runcard)
    task = prepare(build_problem(card), card, range(1, replicas + 1))
    trainer = Trainer(task)
    batch = trainer.advance(trainer.initial_state(task.replicas))  # compiles
    started = time.perf_counter()
    for _ in range(BLOCKS):
        batch = trainer.advance(batch)
    bare = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(BLOCKS):
                batch = trainer.advance(batch)
        times, counts = _by_kind(next(Path(folder).rglob("*.xplane.pb")))
    epochs = BLOCKS * Trainer.block
    total = sum(times.values())
    lines = [
        f"{runcard}, {replicas} replicas, one thread, TensorFlow {tf.__version__}, {platform.machine()}, {date.today()}",
        f"us per epoch and replica: {1e6 * bare / epochs / replicas:.1f} without the profiler, "
        + f"{total / 1e6 / epochs / replicas:.1f} in the operations below",
        "",
        f"{'operation':<28}{'share':>8}{'us per epoch':>14}{'per epoch':>11}",
    ]
    for kind, duration in times.most_common(20):
        lines.append(
            f"{kind:<28}{duration / total:>8.1%}{duration / 1e6 / epochs:>14.1f}{counts[kind] / epochs:>11.1f}"
        )
    return "\n".join(lines) + "\n"


def _by_kind(path: Path) -> tuple[Counter, Counter]:
    """Add up the picoseconds and calls of each kind of operation."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    times, counts = Counter(), Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if ":" not in name or "::" in name or "__inference" in name:
                    continue  # not an operation, which TensorFlow names node:kind, or one that holds all the others
                kind = name.rsplit(":", 1)[1]
                times[kind] += event.duration_ps
                counts[kind] += 1
    return times, counts


if __name__ == "__main__":
    main()
