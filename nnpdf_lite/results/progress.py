"""Progress of a fit on standard error: a live bar in a terminal, plain lines elsewhere."""

import time

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..fit.training_task import Progress as BatchProgress
from .ensemble import ReplicaRecord
from .run import Watcher

#: Seconds between plain lines when standard error is not a terminal.
PLAIN_INTERVAL = 10.0


class TerminalWatcher(Watcher):
    """Shows epochs, training and validation chi2 (median and range over replicas), replicas done, and time left."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.batches: dict[int, BatchProgress] = {}
        self.stopped: dict[int, int] = {}
        self.bar: Progress | None = None
        self.done = 0

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.console.print(f"warning: {text}", style="yellow", highlight=False, soft_wrap=True)

    def start(self, n_replicas: int, epochs: int) -> None:
        """Open the bar."""
        self.n_replicas, self.epochs = n_replicas, epochs
        self.started = self.last_line = time.monotonic()
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn("epoch"),
                BarColumn(bar_width=20),
                TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[chi2]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self.bar_task = self.bar.add_task("", total=epochs, chi2="starting")
            self.bar.start()

    def update(self, worker: int, progress: BatchProgress) -> None:
        """Take in a block of one worker and show all of them."""
        self.batches[worker] = progress
        self.stopped[worker] = self.stopped.get(worker, 0) + progress.stopped
        for replica in progress.restarted:
            self.warn(f"replica {replica} diverged and starts again from a new initialisation")
        epoch = min(batch.epoch for batch in self.batches.values())
        text = (
            f"chi2/N training {_range([b.training for b in self.batches.values()])}, "
            f"validation {_range([b.validation for b in self.batches.values()])}, "
            f"{sum(self.stopped.values())}/{self.n_replicas} replicas stopped"
        )
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(self.bar_task, completed=epoch, chi2=text)
        elif now - self.last_line >= PLAIN_INTERVAL:
            self.last_line = now
            left = (now - self.started) * (self.epochs - epoch) / max(epoch, 1)
            self.note(f"epoch {epoch}/{self.epochs}  {text}  about {left:.0f} s left at most")

    def finished(self, record: ReplicaRecord) -> None:
        """Count a replica."""
        self.done += 1

    def stop(self) -> None:
        """Close the bar and say how it ended."""
        if self.bar is not None:
            self.bar.stop()
        if self.done:
            self.note(f"{self.done} replicas trained in {time.monotonic() - self.started:.0f} s")


def _range(values: list[np.ndarray]) -> str:
    finite = np.concatenate(values)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return "-"
    return f"{np.median(finite):.2f} [{finite.min():.2f}, {finite.max():.2f}]"
