"""Progress of a fit on standard error: a live bar in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from ..fit.training_task import Progress as BatchProgress
from .ensemble import ReplicaRecord
from .run import Watcher

#: Seconds between plain lines when standard error is not a terminal.
PLAIN_INTERVAL = 10.0


def track(steps: Sequence, what: str, console: Console | None = None) -> Iterator:
    """Go through ``steps`` and show on standard error how far it is: a bar in a terminal, plain lines elsewhere."""
    console = console or Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=16), TextColumn("{task.percentage:.0f}%"))
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
            yield from bar.track(steps, description=what)
        return
    last = time.monotonic()
    for done, step in enumerate(steps):
        if time.monotonic() - last >= PLAIN_INTERVAL:
            last = time.monotonic()
            console.print(f"{what}: {done} of {len(steps)}", highlight=False, soft_wrap=True, markup=False)
        yield step


class TerminalWatcher(Watcher):
    """Shows epochs, training and validation chi2 (median and range over replicas), replicas stopped, and time left."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.batches: dict[int, BatchProgress] = {}
        self.stopped: dict[int, int] = {}
        self.bar: _Bar | None = None
        self.done = 0
        self.first: float | None = None

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.console.print(f"warning: {text}", style="yellow", highlight=False, soft_wrap=True, markup=False)

    def start(self, n_replicas: int, epochs: int) -> None:
        """Open the bar."""
        self.n_replicas, self.epochs = n_replicas, epochs
        self.started = self.last_line = time.monotonic()
        if self.console.is_terminal:
            self.bar = _Bar(
                TextColumn("{task.percentage:.0f}%"),
                BarColumn(bar_width=16),
                TextColumn("{task.fields[stopped]}"),
                TimeElapsedColumn(),
                TextColumn("at most"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self.console,
            )
            self.bar_task = self.bar.add_task("", total=epochs, stopped="starting")
            self.bar.start()

    def update(self, worker: int, progress: BatchProgress) -> None:
        """Take in a block of one worker and show all of them."""
        self.batches[worker] = progress
        self.stopped[worker] = self.stopped.get(worker, 0) + progress.stopped
        for replica, failure in progress.restarted.items():
            self.warn(f"replica {replica} {failure} and starts again from a new initialisation")
        done, now = self._epochs_done(), time.monotonic()
        if len(self.batches) == 1 and self.first is None:
            self.first, self.first_seen = done, now  # of a resumed fit, far from zero
        training = _range([batch.training for batch in self.batches.values()])
        validation = _range([batch.validation for batch in self.batches.values()])
        stopped = f"{sum(self.stopped.values())}/{self.n_replicas} stopped"
        if self.bar is not None:
            self.bar.chi2 = f"chi2/N  training {training}  validation {validation}"
            self.bar.update(self.bar_task, completed=done, stopped=stopped)
        elif self.first is not None and now - self.last_line >= PLAIN_INTERVAL and done > self.first:
            self.last_line = now
            left = (now - self.first_seen) * (self.epochs - done) / (done - self.first)
            highest = max(int(batch.epochs.max()) for batch in self.batches.values())
            self.note(
                f"epoch {highest}/{self.epochs}: chi2/N training {training}, validation {validation}; "
                f"{stopped}; at most {left:.0f} s left"
            )

    def _epochs_done(self) -> float:
        """Return the epochs done, mean over replicas; those that have stopped have done all of theirs."""
        trained = sum(float(batch.epochs.sum()) for batch in self.batches.values())
        ended = sum(self.stopped.values()) - sum(batch.stopped for batch in self.batches.values())
        return (trained + ended * self.epochs) / self.n_replicas

    def finished(self, record: ReplicaRecord) -> None:
        """Count a replica."""
        self.done += 1

    def stop(self) -> None:
        """Close the bar and say how it ended."""
        if self.bar is not None:
            self.bar.stop()
        if self.done:
            self.note(f"{self.done} replicas trained in {time.monotonic() - self.started:.0f} s")


class _Bar(Progress):
    """A progress bar with a line for chi2 below it; both fit into 80 columns."""

    chi2 = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.chi2, no_wrap=True, overflow="ellipsis")


def _range(values: list[np.ndarray]) -> str:
    """Return median, smallest and largest in a few characters."""
    finite = np.concatenate(values)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return "-"
    median, low, high = (f"{value:.2f}" if value < 1e3 else f"{value:.0e}" for value in _summary(finite))
    return f"{median} ({low} to {high})"


def _summary(values: np.ndarray) -> tuple[float, float, float]:
    return float(np.median(values)), float(values.min()), float(values.max())
