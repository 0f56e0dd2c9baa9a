"""The folder of a scan, which several processes may share: a line for each finished trial, claims on those that run.

``SCAN/runcard.yml``, ``SCAN/settings.json``, ``SCAN/trials.jsonl``, ``SCAN/running/NUMBER``. A claim is a lock on its file,
which the system lifts when its process ends, however it ends: a trial that was killed is free to be run again.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..fit.methodologies import TRIALS, read_trials
from ..results.fit_folder import first_difference, write_text
from ..runcard import Runcard, load_runcard


@dataclass(frozen=True)
class ScanFolder:
    """Where a scan lies."""

    path: Path

    @property
    def trials_path(self) -> Path:
        """File of the finished trials."""
        return self.path / TRIALS

    def runcard(self) -> Runcard:
        """Read the runcard of the scan, with every default and its folds."""
        return load_runcard(self.path / "runcard.yml")

    def settings(self) -> dict[str, Any]:
        """Read what does not change within a scan: ``replicas`` of each fold."""
        return json.loads((self.path / "settings.json").read_text())

    def trials(self) -> list[dict[str, Any]]:
        """Read the finished trials, in the order of their numbers."""
        return read_trials(self.path) if self.trials_path.exists() else []

    def append(self, line: dict[str, Any]) -> None:
        """Add a finished trial, whole or not at all: what an earlier process left half-written at the end goes."""
        text = json.dumps(line, allow_nan=False).encode() + b"\n"
        with self.locked(), self.trials_path.open("a+b") as file:
            end = _whole(file)
            file.truncate(end)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def claim(self, last: int) -> "Claim | None":
        """Claim the first trial up to number ``last`` that is neither finished nor running; None if there is none."""
        with self.locked():
            finished = {trial["trial"] for trial in self.trials()}
            for number in range(1, last + 1):
                if number not in finished:
                    claim = Claim.of(self.path / "running" / str(number), number)
                    if claim is not None:
                        return claim
        return None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing into the folder."""
        with (self.path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@dataclass(frozen=True)
class Claim:
    """A trial that this process runs."""

    number: int
    path: Path
    descriptor: int

    @classmethod
    def of(cls, path: Path, number: int) -> "Claim | None":
        """Claim a trial, or return None where another process has."""
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(number, path, descriptor)

    def release(self) -> None:
        """Give the claim up, the trial being finished or abandoned."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def _whole(file: Any) -> int:
    """Return where the last whole line of a file ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def open_scan(path: Path) -> ScanFolder:
    """Open the folder of a scan, or raise InputError if there is none."""
    folder = ScanFolder(Path(path).expanduser().absolute())
    if not (folder.path / "runcard.yml").is_file() or not (folder.path / "settings.json").is_file():
        raise InputError(f"{path}: not the folder of a scan (expected runcard.yml, settings.json and {TRIALS} in it)")
    return folder


def check_scan(path: Path, card: Runcard, replicas: int) -> ScanFolder:
    """Return the folder ``path``, which need not exist yet, after checking that a scan of ``card`` may go there.

    Raises
    ------
    InputError
        Unless it is new, empty, or a scan of the same runcard with as many replicas.
    """
    folder = ScanFolder(Path(path).expanduser().absolute())
    if (folder.path / "settings.json").is_file():
        there = folder.runcard()
        difference = first_difference(there, card)
        if not difference and folder.settings()["replicas"] != replicas:
            difference = f"{folder.settings()['replicas']} replicas of each fold there, {replicas} here"
        if difference:
            raise InputError(
                f"{path}: exists and is a scan of another runcard ({difference}); nothing was written. Choose another "
                "--output, or remove the folder"
            )
    elif folder.path.exists() and not (folder.path.is_dir() and not any(folder.path.iterdir())):
        raise InputError(f"{path}: exists and is not a scan; nothing was written. Choose another --output")
    return folder


def create_scan(folder: ScanFolder, card: Runcard, replicas: int) -> None:
    """Create a scan folder, or go on in one; several processes may do so at once."""
    try:
        (folder.path / "running").mkdir(parents=True, exist_ok=True)
        with folder.locked():
            write_text(folder.path / "runcard.yml", card.dump())
            write_text(folder.path / "settings.json", json.dumps({"replicas": replicas}) + "\n")
    except OSError as error:
        raise InputError(f"{folder.path}: cannot be written ({error.strerror or error})") from None
