"""What is to be computed: every table of the datasets asked for, with the points of each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..data import load_kinematics
from ..errors import InputError
from .observables import Distribution, Measurement, Observable, measurement

#: Momentum fractions of PDFs at Q0, those of NNPDF's tables: even in ln x + 5 x. (lower end, number)
_X_LOWEST, _X_POINTS = 2e-7, 50


@dataclass(frozen=True, eq=False)
class Table:
    """One FK table: an observable at n points.

    Attributes
    ----------
    name : str
        Of the table, as in the dataset's metadata.
    dataset : str
    observable : Observable or Distribution
    x, q2, y : (n,) arrays
        Bjorken's x, Q2 in GeV2, and the inelasticity (0 where the set has none).
    wanted : (n,) array of bool
        Points that are computed; rows of the others are zero.
    """

    name: str
    dataset: str
    observable: Observable | Distribution
    x: np.ndarray
    q2: np.ndarray
    y: np.ndarray
    wanted: np.ndarray

    def scales(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield each Q2 (GeV2) with the rows there that are wanted; Q2 equal to rounding are one."""
        rows = np.flatnonzero(self.wanted)
        rows = rows[np.argsort(self.q2[rows], kind="stable")]
        breaks = np.flatnonzero(np.diff(self.q2[rows]) > 1e-9 * self.q2[rows][1:]) + 1
        for group in np.split(rows, breaks):
            if len(group):
                yield float(self.q2[group[0]]), np.sort(group)


def field_xgrid() -> np.ndarray:
    """Return the 50 momentum fractions, from 2e-7 to 1, on which NNPDF's tables take PDFs at Q0."""
    even = np.linspace(np.log(_X_LOWEST) + 5 * _X_LOWEST, 5.0, _X_POINTS)
    x = np.exp(np.minimum(even, 0.0))
    for _ in range(60):  # Newton's method for ln x + 5 x = even, from above
        x = np.clip(x - (np.log(x) + 5 * x - even) / (1 / x + 5), 1e-9, 1.0)
    x[[0, -1]] = _X_LOWEST, 1.0
    return x


def tables(datasets: Iterable[str], q2min: float, w2min: float) -> list[Table]:
    """Return the tables of datasets, in order.

    Parameters
    ----------
    datasets : iterable of str
    q2min, w2min : float
        Points of measurements are computed above both, in GeV2, on the kinematics of the data files.

    Raises
    ------
    InputError
        When a dataset does not exist or has no prediction, or its metadata contradict the catalogue of observables.
    """
    found: dict[str, Table] = {}
    for name in datasets:
        for table in _tables(measurement(name), q2min, w2min):
            found.setdefault(table.name, table)
    return list(found.values())


def _tables(measured: Measurement, q2min: float, w2min: float) -> Iterator[Table]:
    points, theory = load_kinematics(measured.dataset, tuple(measured.columns.values()))
    if len(theory.fk_tables) != len(measured.operands):
        raise InputError(
            f"dataset '{measured.dataset}': {len(measured.operands)} observables are known for the "
            f"{len(theory.fk_tables)} operands of its prediction"
        )
    is_data = isinstance(measured.operands[0], Observable) and measured.operands[0].probe.charge is None
    x, q2 = points["x"].to_numpy(), points["Q2"].to_numpy()
    wanted = (q2 > q2min) & (q2 * (1 - x) / x > w2min) if is_data else np.ones(len(points), dtype=bool)
    xs, q2s, ys = _columns(points, measured.columns)
    for operand, names in zip(measured.operands, theory.fk_tables):
        for table, rows in zip(names, _rows(measured, names, len(points))):
            yield Table(table, measured.dataset, operand, xs[rows], q2s[rows], ys[rows], wanted[rows])


def _columns(points: pd.DataFrame, renamed: dict[str, str]) -> Sequence[np.ndarray]:
    zeros = pd.Series(np.zeros(len(points)))
    return [points.get(renamed.get(name, name), zeros).to_numpy(dtype=float) for name in ("x", "Q2", "y")]


def _rows(measured: Measurement, names: Sequence[str], n: int) -> list[slice]:
    sizes = measured.points or (n,)
    if len(sizes) != len(names) or sum(sizes) != n:
        raise InputError(
            f"dataset '{measured.dataset}': {n} points in tables {', '.join(names)}, the catalogue of observables says "
            f"{' + '.join(map(str, sizes))}"
        )
    ends = np.cumsum(sizes)
    return [slice(end - size, end) for size, end in zip(sizes, ends)]
