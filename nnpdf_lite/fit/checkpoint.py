"""Checkpoints: the state of a batch on disk, from which training goes on to the same end."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError

State = dict[str, np.ndarray]


class Checkpoint:
    """Saves a worker's state at most every ``interval`` seconds, keeping the one before.

    Files are written under a temporary name and renamed, so a kill at any moment leaves a whole one.
    """

    def __init__(self, path: Path, interval: float = 60.0):
        self.path, self.interval = path, interval
        self.saved = time.monotonic()

    def __call__(self, state: State) -> None:
        """Save if the interval has passed."""
        if time.monotonic() - self.saved < self.interval:
            return
        temporary = self.path.with_suffix(".part")
        try:
            with temporary.open("wb") as file:
                arrays: dict[str, Any] = {**state}  # no names of options among them
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            if self.path.exists():
                self.path.replace(previous(self.path))
            temporary.replace(self.path)
        except OSError as error:
            raise InputError(f"{self.path}: checkpoint cannot be written ({error.strerror})") from None
        self.saved = time.monotonic()


def previous(path: Path) -> Path:
    """Return the name of the checkpoint before ``path``."""
    return path.with_suffix(".previous.npz")


def load_checkpoint(path: Path) -> tuple[State | None, str]:
    """Read a checkpoint, or the one before it; returns the state (None when there is none) and a warning ("" if all is well)."""
    warning = ""
    for candidate in (path, previous(path)):
        if not candidate.exists():
            continue
        try:
            with np.load(candidate) as file:
                return {name: file[name] for name in file.files}, warning
        except Exception as error:  # noqa: BLE001 - a damaged archive fails in many ways; all mean the same
            warning = f"{candidate}: unreadable checkpoint ({error}); falling back to the one before"
    return None, warning
