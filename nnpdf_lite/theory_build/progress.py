"""Progress of a build on standard error: a bar in a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

#: Seconds between plain lines when standard error is not a terminal.
PLAIN_INTERVAL = 10.0


class Stage:
    """One stage under way; :meth:`advance` counts an item."""

    def __init__(self, console: Console, name: str, total: int, unit: str, bar: Bar | None) -> None:
        self._console, self._name, self._total, self._unit, self._bar = console, name, total, unit, bar
        self._count, self._started, self._last = 0, time.monotonic(), time.monotonic()
        self._task = bar.add_task(name, total=total, item="") if bar else None

    def advance(self, item: str) -> None:
        """Count an item that is finished."""
        self._count += 1
        now = time.monotonic()
        if self._bar and self._task is not None:
            self._bar.update(self._task, advance=1, item=item)
        elif now - self._last > PLAIN_INTERVAL and self._count < self._total:
            self._last = now
            left = (now - self._started) * (self._total - self._count) / self._count
            self._line(f"{self._count}/{self._total} {self._unit}, about {left:.0f} s left")

    def finish(self) -> None:
        """Say how long it took."""
        self._line(f"{self._count} {self._unit} in {time.monotonic() - self._started:.1f} s")

    def _line(self, text: str) -> None:
        self._console.print(f"{self._name}: {text}", highlight=False, soft_wrap=True, markup=False)


class Progress:
    """Shows the stages of a build one after the other."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Stage]:
        """Show a stage of ``total`` items while the block runs."""
        if not self.console.is_terminal or not total:
            stage = Stage(self.console, name, total, unit, None)
            yield stage
        else:
            columns = (
                TextColumn("{task.description}"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeElapsedColumn(),
                TimeRemainingColumn(), TextColumn("{task.fields[item]}"),
            )  # fmt: skip
            with Bar(*columns, console=self.console, transient=True) as bar:
                stage = Stage(self.console, name, total, unit, bar)
                yield stage
        stage.finish()
