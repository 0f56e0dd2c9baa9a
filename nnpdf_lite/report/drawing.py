"""Draws figures into files, side by side in processes of one thread each.

Started as ``python -m nnpdf_lite.report.drawing FOLDER``: a list of figures comes pickled on standard input, and a line
goes to standard output for each one drawn. (``multiprocessing`` would import the user's main script anew.)
"""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..fit.parallel import worker_count
from . import style
from .page import Figure

#: Below this many figures a process takes longer to start than it saves.
WORTH_A_PROCESS = 8


def draw_figures(figures: Sequence[Figure], folder: Path, workers: int | None = None) -> Iterator[str]:
    """Write ``ID.svg``, ``ID.png`` and ``ID.csv`` of every figure into ``folder``; yields each one's id when it is done.

    By ``workers`` processes, by default one per core.
    """
    workers = worker_count(len(figures) // WORTH_A_PROCESS, workers)
    if workers < 2:
        for figure in figures:
            draw_figure(figure, folder)
            yield figure.id
        return
    messages: queue.Queue = queue.Queue()
    processes: list[subprocess.Popen] = []
    try:
        for i in range(workers):
            processes.append(_start(figures[i::workers], folder, messages))
        running = workers
        while running:
            process, line = messages.get()
            if line:
                yield line.decode().strip()
            elif process.wait():
                raise RuntimeError(f"drawing figures failed:\n{process.stderr.read().decode(errors='replace')}")
            else:
                running -= 1
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _start(figures: Sequence[Figure], folder: Path, messages: queue.Queue) -> subprocess.Popen:
    """Start a process; its lines come as messages, and an empty one when it has ended."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [sys.executable, "-m", "nnpdf_lite.report.drawing", str(folder)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None and stdout is not None  # pipes

    def talk() -> None:
        with contextlib.suppress(BrokenPipeError):  # of one that failed to start, whose error comes below
            pickle.dump(list(figures), stdin, protocol=pickle.HIGHEST_PROTOCOL)
            stdin.close()
        for line in stdout:
            messages.put((process, line))
        messages.put((process, b""))

    threading.Thread(target=talk, daemon=True).start()
    return process


def draw_figure(figure: Figure, folder: Path) -> None:
    """Write one figure as SVG and PNG, and its data as CSV."""
    picture = style.drawn(figure.draw, figure.data, figure.options, figure.size)
    for suffix in ("svg", "png"):
        style.save(picture, folder / f"{figure.id}.{suffix}", text="none")
    figure.table().to_csv(folder / f"{figure.id}.csv", index=False, float_format="%.4g")


def main(folder: Path) -> None:
    """Draw the figures on standard input."""
    for figure in pickle.load(sys.stdin.buffer):
        draw_figure(figure, folder)
        print(figure.id, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
