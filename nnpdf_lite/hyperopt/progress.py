"""Progress of a scan on standard error: a line for each trial."""

import time
from typing import Any

from rich.console import Console

from .scan import Watcher


class TerminalWatcher(Watcher):
    """Says how each trial ended, which is the best so far, and when the scan will be done."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def start(self, done: int, trials: int, workers: int) -> None:
        """Say what is to be done."""
        self.began, self.new, self.trials = time.monotonic(), 0, trials
        there = f", {done} of them there already" if done else ""
        self.note(f"{trials} trials{there}; {workers} worker{'s' if workers > 1 else ''}")

    def finished(self, line: dict[str, Any], trials: list[dict[str, Any]]) -> None:
        """Print how a trial ended."""
        self.new += 1
        good = [trial for trial in trials if trial["state"] == "ok"]
        best = min(good, key=lambda trial: trial["loss"]) if good else None
        ended = f"loss {line['loss']:.4f}" if line["state"] == "ok" else f"{line['state']}: {line['reason']}"
        so_far = f"; best {best['loss']:.4f}, trial {best['trial']}" if best else ""
        pace = self.new / (time.monotonic() - self.began)
        left = max(self.trials - len(trials), 0) / pace
        self.note(
            f"trial {line['trial']}: {ended}; {line['seconds']['wall']:.0f} s{so_far}; {len(trials)} of {self.trials}, "
            f"{3600 * pace:.0f} an hour, {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
