"""Draws figures into files, side by side in processes of one thread each.

Started as ``python -m nnpdf_lite.report.drawing FOLDER``: a list of figures comes pickled on standard input, and a line
goes to standard output for each one drawn. (``multiprocessing`` would import the user's main script anew.)
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..fit.parallel import worker_count
from . import style
from .page import Figure

#: Below this many figures a process takes longer to start than it saves.
WORTH_A_PROCESS = 8


def draw_figures(
    figures: Sequence[Figure],
    folder: Path,
    workers: int | None = None,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write ``ID.svg``, ``ID.png`` and ``ID.csv`` of every figure into ``folder``; ``watch(done, total)`` after each."""
    workers = worker_count(len(figures) // WORTH_A_PROCESS, workers)
    if workers < 2:
        for i, figure in enumerate(figures, start=1):
            draw_figure(figure, folder)
            watch(i, len(figures))
        return
    done = [0] * workers

    def listen(i: int, process: subprocess.Popen) -> None:
        for _line in process.stdout:
            done[i] += 1
            watch(sum(done), len(figures))

    processes, threads = [], []
    try:
        for i in range(workers):
            processes.append(_start(folder))
            threads.append(threading.Thread(target=listen, args=(i, processes[i]), daemon=True))
            threads[i].start()
        for i, process in enumerate(processes):
            with contextlib.suppress(BrokenPipeError):  # one that failed to start says why below
                pickle.dump(list(figures[i::workers]), process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
                process.stdin.close()
        for process, thread in zip(processes, threads):
            message = process.stderr.read().decode(errors="replace")
            thread.join()
            if process.wait():
                raise RuntimeError(f"drawing figures failed:\n{message}")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _start(folder: Path) -> subprocess.Popen:
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "-m", "nnpdf_lite.report.drawing", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


def draw_figure(figure: Figure, folder: Path) -> None:
    """Write one figure as SVG and PNG, and its data as CSV."""
    picture = style.drawn(figure.draw, figure.data, figure.options, figure.size)
    for suffix in ("svg", "png"):
        style.save(picture, folder / f"{figure.id}.{suffix}")
    figure.table().to_csv(folder / f"{figure.id}.csv", index=False, float_format="%.4g")


def main(folder: Path) -> None:
    """Draw the figures on standard input."""
    for figure in pickle.load(sys.stdin.buffer):
        draw_figure(figure, folder)
        print(figure.id, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
