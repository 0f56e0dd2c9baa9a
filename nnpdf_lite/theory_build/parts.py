"""The pieces of a build on disk: coefficient functions of one table at one Q2.

They do not depend on alpha_s, on Q0 or on scale factors, so theories that differ in these alone share them. A piece appears
under its name when it is complete; one that cannot be read is computed again.
"""

import hashlib
import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..evolution.interpolation import XGrid
from .atlas import Table
from .card import BuildCard

#: Raised when the meaning or the computation of a piece changes.
FORMAT = 1
#: What coefficient functions depend on; all other keys of a card come in later.
_RELEVANT = ("mc", "mb", "mt", "MZ", "MW", "GF", "SIN2TW", "MP", "CKM")


@dataclass(frozen=True)
class Inventory:
    """The folder of pieces that belong to one choice of scheme, masses, couplings and x grid."""

    folder: Path

    @classmethod
    def open(cls, root: Path, card: BuildCard, grid: XGrid) -> "Inventory":
        """Return the inventory for a card below ``root``."""
        identity = {
            "format": FORMAT,
            "yadism": version("yadism"),
            "scheme": card.scheme,
            "order": card.order,
            "flavours": [card.fixed_flavours if card.scheme == "FFNS" else None, card.max_flavours],
            "flavours at Q0": card.evolution.flavours(card.evolution.q0),
            "target_mass": card.target_mass,
            "damping": {str(quark): power for quark, power in card.damping.items()},
            "x": [f"{x:.12e}" for x in grid.x],
            **{key: card.parameters[key] for key in _RELEVANT},
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return cls(root / digest[:12])

    def path(self, table: Table, q2: float) -> Path:
        """Return where a piece lies."""
        return self.folder / table.name / f"q2_{q2:.9g}.npz"

    def save(self, table: Table, q2: float, rows: np.ndarray, maps: dict[int, np.ndarray]) -> None:
        """Write a piece: maps (n, K, 13, X) of each flavour number for ``rows`` of the table."""
        path = self.path(table, q2)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(temporary, "wb") as file:
                points = np.array([table.x[rows], table.q2[rows], table.y[rows]])
                arrays: dict[str, Any] = {f"nf{n}": values for n, values in maps.items()}
                np.savez_compressed(file, points=points, **arrays)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def load(self, table: Table, q2: float, rows: np.ndarray) -> dict[int, np.ndarray] | None:
        """Return a piece, or None when it is not there, cannot be read or is of other points."""
        try:
            with np.load(self.path(table, q2)) as content:
                expected = np.array([table.x[rows], table.q2[rows], table.y[rows]])
                if not np.array_equal(content["points"], expected):
                    return None
                return {int(key[2:]): content[key] for key in content.files if key != "points"}
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
            return None
