"""Progress of a multi-fit test: that of the common training, and a line for each fit that is complete."""

import numpy as np
from rich.console import Console

from ..results.ensemble import ReplicaRecord
from ..results.progress import TerminalWatcher


class ClosureWatcher(TerminalWatcher):
    """Shows the training of all fits together, and says when all replicas of a fit are on disk."""

    def __init__(self, replicas: int, console: Console | None = None) -> None:
        super().__init__(console)
        self.per_fit = replicas
        self.chi2: dict[int, list[float]] = {}
        self.complete = 0

    def finished(self, record: ReplicaRecord) -> None:
        """Count a replica; those that were there before a resumption are not seen here."""
        super().finished(record)
        fit = (record.replica - 1) // self.per_fit
        values = self.chi2.setdefault(fit, [])
        values.append(record.chi2)
        if len(values) == self.per_fit:
            self.complete += 1
            self.note(
                f"fit {fit + 1} complete ({self.complete} in this run): median chi2/N of its {self.per_fit} replicas "
                f"to the central data {np.median(values):.3f}"
            )
