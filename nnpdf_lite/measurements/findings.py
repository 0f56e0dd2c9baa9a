"""What a check finds: every mistake with its file and key, collected instead of raised one by one."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data.documents import read_document
from ..errors import InputError, nearest

#: Types of values as messages name them.
_KINDS = {str: "text", dict: "mapping", list: "list", int: "whole number", (int, float): "number"}
#: How many numbers of one kind a message names.
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One mistake or oddity of a dataset.

    Attributes
    ----------
    severity : str
        ``error``: the set cannot be used, or means something else than it says; ``warning``: look at it.
    file, key : str
        Where: file within the set's folder, and path of keys within it.
    message : str
        What is there, what was expected, the nearest valid choice.
    """

    severity: str
    file: str
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.message}"


class Findings(list):
    """A list of `Finding`, with the ways to add to it."""

    def error(self, file: str, key: str, message: str) -> None:
        """Add a mistake."""
        self.append(Finding("error", file, key, message))

    def warning(self, file: str, key: str, message: str) -> None:
        """Add an oddity."""
        self.append(Finding("warning", file, key, message))

    def attempt(self, file: str, key: str, compute: Callable[[], Any]) -> Any:
        """Return what ``compute`` returns, or None after adding the InputError it raises."""
        try:
            return compute()
        except InputError as error:
            self.error(file, key, str(error))
            return None

    def document(self, folder: Path, name: Any, key: str) -> dict[str, Any] | None:
        """Read a file that ``metadata.yaml`` names under ``key``, or say why it cannot be."""
        if not isinstance(name, str) or not name:
            self.error("metadata.yaml", key, f"is {name!r}, expected the name of a file")
            return None
        path = folder / name
        if not path.is_file():
            near = nearest(name, (other.name for other in folder.glob("*.yaml")))
            self.error("metadata.yaml", key, f"there is no file '{name}' in {folder}.{near}")
            return None
        try:
            return read_document(path)
        except InputError as error:
            self.error(name, "", str(error).removeprefix(f"{path}: "))
            return None

    def keys(self, file: str, where: str, found: Any, known: Mapping[str, tuple[Any, bool]]) -> dict[str, Any]:
        """Check the keys of a mapping and the types of their values; returns those that are as they should be."""
        if not isinstance(found, dict):
            self.error(file, where, f"is {_short(found)}, expected a mapping with {', '.join(known)}")
            return {}
        prefix = f"{where}." if where else ""
        good: dict[str, Any] = {}
        for key, value in found.items():
            if key not in known:
                self.error(file, f"{prefix}{key}", f"unknown key, expected {', '.join(known)}.{nearest(key, known)}")
            elif value is None and not known[key][1]:
                good[key] = None
            elif not _is(value, known[key][0]):
                self.error(file, f"{prefix}{key}", f"is {_short(value)}, expected a {_KINDS[known[key][0]]}")
            else:
                good[key] = value
        for key, (_, required) in known.items():
            if required and key not in found:
                self.error(
                    file, f"{prefix}{key}", f"the key is missing.{nearest(key, (k for k in found if k not in known))}"
                )
        return good

    def length(self, file: str, key: str, values: list, n: int | None) -> bool:
        """Check that there are n entries."""
        if n is not None and len(values) != n:
            self.error(file, key, f"has {len(values)} entries, expected {n}, the 'ndata' of metadata.yaml")
            return False
        return True


def collapsed(findings: Iterable[Finding]) -> list[Finding]:
    """Make one finding of several that say the same of different sources or variants of a file."""
    groups: dict[tuple, list[Finding]] = {}
    for finding in findings:
        first, _, last = (*finding.key.partition("."), finding.key)[:3]
        ending = last.rpartition(".")[2] if first == "definitions" else "" if first == "bins" else finding.key
        groups.setdefault((finding.severity, finding.file, first, ending, finding.message), []).append(finding)
    return [
        replace(group[0], key=f"{group[0].key} (and {len(group) - 1} more)")
        if len({f.key for f in group}) > 1
        else group[0]
        for group in groups.values()
    ]


def _is(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, kind) or (kind == (int, float) and not math.isnan(number(value)))


def number(value: Any) -> float:
    """Return a finite number, also one that is text because YAML 1.1 reads ``1e-3`` so, or NaN for anything else."""
    try:
        result = math.nan if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError):
        return math.nan
    return result if math.isfinite(result) else math.nan


def not_numbers(values: Iterable[Any]) -> str:
    """Say which entries are no finite numbers, with what they are, or return an empty string."""
    bad = [(i, value) for i, value in enumerate(values) if math.isnan(number(value))]
    words = ", ".join(f"point {i} is {_short(value)}" for i, value in bad[:_SHOWN])
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{words}{more} (from 0), expected finite numbers" if bad else ""


def points(rows: Iterable[int]) -> str:
    """Name some points, from 0."""
    rows = [int(row) for row in rows]
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"point{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:_SHOWN]))}{more} (from 0)"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
