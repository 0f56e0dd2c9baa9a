"""A published table, whatever file it came in: values with their errors, and the columns beside them."""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, nearest

_RANGE = re.compile(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(?:TO|to|\.\.|–|-)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True, eq=False)
class Column:
    """One column of n numbers.

    Attributes
    ----------
    name, units : str
        As the table has them; empty units where it gives none.
    mid, low, high : (n,) arrays
        NaN where there is none: a bin may have edges alone, a value no edges.
    """

    name: str
    units: str
    mid: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, name: str, cells: list[tuple[float, float, float]], units: str = "") -> "Column":
        """Make a column of (mid, low, high) for each row."""
        return cls(name, units, *np.array(cells, dtype=float).reshape(-1, 3).T)

    @property
    def centre(self) -> np.ndarray:
        """Middle (n,): as given, or between the edges."""
        return np.where(np.isnan(self.mid), 0.5 * (self.low + self.high), self.mid)

    def select(self, rows: np.ndarray) -> "Column":
        """Return some rows."""
        return dataclasses.replace(self, mid=self.mid[rows], low=self.low[rows], high=self.high[rows])


@dataclass(frozen=True, eq=False)
class TableError:
    """One error of the values: deviations (n,) upwards and downwards with their signs, in the units of the value."""

    label: str
    plus: np.ndarray
    minus: np.ndarray


@dataclass(frozen=True, eq=False)
class SourceTable:
    """Measured values and what stands beside them; n rows.

    Attributes
    ----------
    where : str
        File and table, for messages.
    value : Column
    errors : tuple of TableError
        Those that the table itself ties to the values.
    columns : dict of name to Column
        The others; conditions that hold for all rows, such as the energy, included.
    rows : (n,) array of int
        Positions in the published table, of which there are ``n_published``: rows without a value are left out.
    n_published : int
    """

    where: str
    value: Column
    errors: tuple[TableError, ...]
    columns: Mapping[str, Column]
    rows: np.ndarray
    n_published: int

    @classmethod
    def of(cls, where: str, value: Column, errors: list[TableError], columns: Mapping[str, Column]) -> "SourceTable":
        """Make a table without the rows that have no value."""
        infinite = np.flatnonzero(np.isinf(value.mid))
        if len(infinite):
            raise InputError(f"{where}: column '{value.name}' is infinite at row {infinite[0]} (from 0)")
        rows = np.flatnonzero(np.isfinite(value.mid))
        if not len(rows):
            raise InputError(f"{where}: column '{value.name}' holds no number; expected measured values")
        kept = [TableError(e.label, e.plus[rows], e.minus[rows]) for e in errors]
        others = {name: column.select(rows) for name, column in columns.items()}
        return cls(where, value.select(rows), tuple(kept), others, rows, len(value.mid))

    def column(self, name: str, asked: str) -> Column:
        """Return a column by its name, case aside; ``asked`` names what wanted it, for the message."""
        found = {key.lower(): column for key, column in self.columns.items()}.get(name.strip().lower())
        if found is None:
            raise InputError(
                f"{asked}: {self.where} has no column '{name}'; it has {', '.join(self.columns)}.{nearest(name, self.columns)}"
            )
        return found


def cell(value: Any) -> tuple[float, float, float]:
    """Read a cell as (mid, low, high): a number, a range such as ``0.1 TO 0.2``, or NaN for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value), math.nan, math.nan
    text = str(value).strip()
    try:
        return float(text), math.nan, math.nan
    except ValueError:
        match = _RANGE.fullmatch(text)
    try:
        return (math.nan, float(match[1]), float(match[2])) if match else (math.nan,) * 3
    except ValueError:
        return (math.nan,) * 3


def deviation(value: Any, central: float, where: str) -> float:
    """Read an error: a number, or percents of the central value; nothing, ``-`` and the like are 0.

    Raises
    ------
    InputError
        For other text.
    """
    text = str(value if value is not None else "").strip()
    if text in ("", "-", "--", "nan", "NaN") or math.isnan(central):
        return 0.0
    try:
        size = float(text[:-1]) / 100 * central if text.endswith("%") else float(text)
    except ValueError:
        size = math.nan
    if not math.isfinite(size):
        raise InputError(f"{where}: the error '{text}' is neither a number nor percents such as 2.5%")
    return size


def name_and_units(header: str) -> tuple[str, str]:
    """Split ``Q**2 [GeV**2]`` into name and units."""
    match = re.fullmatch(r"(.*?)\s*\[([^\]]*)\]\s*", header)
    return (match[1], match[2]) if match else (header.strip(), "")
