"""The record of a build beside its tables: card, versions, checks, and the hash of each table."""

import hashlib
import json
import os
import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import InputError
from .atlas import Table
from .card import ORDER_NAMES, BuildCard

NAME = "manifest.json"
_PACKAGES = ("nnpdf_lite", "yadism", "LeProHQ", "adani", "hoppet", "pineappl", "numpy", "scipy")


@dataclass
class Manifest:
    """A manifest being written or read.

    Attributes
    ----------
    folder : Path
        Of the theory.
    content : dict
    """

    folder: Path
    content: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def start(cls, folder: Path, card: BuildCard, cuts: tuple[float, float]) -> "Manifest":
        """Begin a manifest, keeping the tables of an earlier build of the same card in the same folder."""
        path = folder / NAME
        tables = cls.read(folder).content.get("tables", {}) if path.is_file() else {}
        order, settings = ORDER_NAMES[card.order], card.evolution
        content = {
            "card": dict(card.parameters),
            "order": order,
            "scheme": card.scheme,
            "evolution": f"HOPPET, exact solution, {order}, {settings.mass_scheme.lower()} masses",
            "cuts": {"q2min": cuts[0], "w2min": cuts[1]},
            "versions": {"python": platform.python_version(), **_versions()},
            "tables": tables,
        }
        return cls(folder, content)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of a folder.

        Raises
        ------
        InputError
            When there is none or it cannot be read.
        """
        path = folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: missing; '{folder}' is not the finished output of 'theory build'") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error})") from None
        if not isinstance(content, dict) or not isinstance(content.get("tables"), dict):
            raise InputError(f"{path}: expected an object with the entry 'tables'")
        return cls(folder, content)

    @property
    def hash(self) -> str:
        """SHA-256 of the card and the tables; equal builds have equal ones, whenever and wherever they were made."""
        identity = {"card": self.content.get("card"), "tables": self.content["tables"]}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def add(self, table: Table, path: Path) -> None:
        """Record a table that was written."""
        self.content["tables"][table.name] = {
            "dataset": table.dataset,
            "points": len(table.x),
            "computed": int(table.wanted.sum()),
            "sha256": file_hash(path),
        }

    def finish(self, checks: dict[str, float], seconds: dict[str, float]) -> None:
        """Write the manifest."""
        self.content |= {
            "tables": dict(sorted(self.content["tables"].items())),
            "checks": {name: float(f"{value:.3g}") for name, value in checks.items()},
            "seconds": {stage: round(value, 1) for stage, value in seconds.items()},
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "hash": self.hash,
        }
        path = self.folder / NAME
        temporary = path.with_name(f".{NAME}.{os.getpid()}")
        temporary.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
