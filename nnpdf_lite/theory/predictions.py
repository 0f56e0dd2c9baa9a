"""Predictions of a dataset: its FK tables concatenated into operands, combined by its operation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..data import Dataset
from ..errors import InputError, nearest
from .card import TheoryCard
from .fktable import FKTable, read_cfactor, read_fk_table

#: operation -> (number of operands, function of their predictions); works on NumPy arrays and tensors alike.
OPERATIONS: dict[str, tuple[int, Callable]] = {
    "NULL": (1, lambda a: a),
    "ADD": (2, lambda a, b: a + b),
    "SUBTRACT": (2, lambda a, b: a - b),
    "SUBTRACT_ABS": (2, lambda a, b: a - abs(b)),
    "SUBTRACT_ABSPAIR": (4, lambda a, b, c, d: a + b - abs(c + d)),
    "RATIO": (2, lambda a, b: a / b),
    "ASY": (2, lambda a, b: (a - b) / (a + b)),
    "SMN": (4, lambda a, b, c, d: (a + b) / (c + d)),
    "SMT": (10, lambda *p: sum(p)),
    "COM": (20, lambda *p: sum(p[:10]) / sum(p[10:])),
}
#: Operations whose result is linear in its operands, as matrices.
LINEAR_OPERATIONS = ("NULL", "ADD", "SUBTRACT", "SMT")


@dataclass(frozen=True)
class Operand:
    """Predictions of one operand: ``n`` points, tables of one or two hadrons (arrays as in ``FKTable``)."""

    x: np.ndarray
    channels: np.ndarray
    table: np.ndarray

    @property
    def n_hadrons(self) -> int:
        """1 for DIS, 2 for hadron collisions."""
        return self.channels.shape[1]

    def x_needed(self, negligible: float = 1e-3) -> float:
        """Return the smallest x that matters: what is below adds less than a fraction ``negligible`` of any point.

        Tables reach further down, by the tails of their interpolation basis.
        """
        pdf = self.x**-1.2 * (1 - self.x) ** 3  # of the ordinary shape
        terms = np.abs(self.table).sum(axis=1) * pdf
        if self.n_hadrons == 2:
            terms = (terms * pdf[:, None]).sum(axis=1) + (terms * pdf[:, None]).sum(axis=2)
        below = np.cumsum(terms, axis=1)
        return float(self.x[(below > negligible * below[:, -1:]).any(axis=0)].min(initial=1.0))

    def __call__(self, f: np.ndarray) -> np.ndarray:
        """Convolve with ``f`` (R, X, 14) on ``self.x``; returns (R, n)."""
        first = f[:, :, self.channels[:, 0]]
        if self.n_hadrons == 1:
            return np.tensordot(first, self.table, axes=([1, 2], [2, 1]))
        return np.einsum("rxc,ryc,ncxy->rn", first, f[:, :, self.channels[:, 1]], self.table, optimize=True)


@dataclass(frozen=True)
class DatasetTheory:
    """Theory of one dataset: its operands and the operation between them."""

    name: str
    operation: str
    operands: tuple[Operand, ...]

    @property
    def x(self) -> np.ndarray:
        """Union of the operands' x grids."""
        return common_xgrid(operand.x for operand in self.operands)

    @property
    def is_linear(self) -> bool:
        """True when the prediction is linear in the PDFs."""
        return self.operation in LINEAR_OPERATIONS and all(operand.n_hadrons == 1 for operand in self.operands)

    def __call__(self, f: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Predict from ``f`` (R, X, 14) given on ``x`` (X,), which holds every node needed; returns (R, n)."""
        parts = [operand(f[:, nodes_in(operand.x, x)]) for operand in self.operands]
        return OPERATIONS[self.operation][1](*parts)


def common_xgrid(grids: Iterable[np.ndarray]) -> np.ndarray:
    """Return the union of x grids; nodes equal to 1e-9 relative are one."""
    nodes = np.unique(np.concatenate(list(grids)))
    return nodes[np.append(True, np.diff(nodes) > 1e-9 * nodes[1:])]


def nodes_in(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the positions of the nodes ``x`` in ``grid`` (ValueError if one is missing)."""
    positions = np.abs(np.log(grid[None, :] / x[:, None])).argmin(axis=1)
    if not np.allclose(grid[positions], x, rtol=1e-8):
        raise ValueError("x node missing in grid")
    return positions


def load_dataset_theory(dataset: Dataset, card: TheoryCard) -> DatasetTheory:
    """Read the FK tables of ``dataset`` (rows of its kept points) from the theory ``card``.

    Raises
    ------
    InputError
        If a table or cfactor is missing, the operation is unknown or has another number of operands, the tables have
        fewer rows than the dataset needs, or they were made at another scale than the card's Q0.
    """
    meta = dataset.theory
    if meta.operation not in OPERATIONS:
        raise InputError(
            f"dataset '{dataset.name}': unknown operation '{meta.operation}'; known: {', '.join(OPERATIONS)}."
            f"{nearest(meta.operation, OPERATIONS)}"
        )
    if not meta.fk_tables or not all(meta.fk_tables):
        raise InputError(f"dataset '{dataset.name}': its metadata name no FK tables, so it has no theory")
    needed = OPERATIONS[meta.operation][0]
    if len(meta.fk_tables) != needed:
        raise InputError(
            f"dataset '{dataset.name}': operation {meta.operation} takes {needed} operands, {len(meta.fk_tables)} given"
        )
    for name, value in (meta.shifts or {}).items():
        if not isinstance(value, int) or value < 0:
            raise InputError(f"dataset '{dataset.name}': shift of {name} is {value!r}, expected a number of rows")
    for name, factor in (meta.normalization or {}).items():
        if not isinstance(factor, (int, float)) or not np.isfinite(factor):
            raise InputError(f"dataset '{dataset.name}': normalization of {name} is {factor!r}, expected a number")
    operands = [_operand(dataset, tables, card, i == needed - 1) for i, tables in enumerate(meta.fk_tables)]
    return DatasetTheory(dataset.name, meta.operation, tuple(operands))


def _operand(dataset: Dataset, names: tuple[str, ...], card: TheoryCard, is_last: bool) -> Operand:
    tables = [_scaled_table(dataset, name, card) for name in names]
    if len({table.n_hadrons for table in tables}) != 1:
        raise InputError(f"dataset '{dataset.name}': tables {', '.join(names)} mix one and two hadrons")
    x = common_xgrid(table.x for table in tables)
    channels = np.unique(np.concatenate([table.channels for table in tables]), axis=0)
    shifts = dataset.theory.shifts or {}
    rows, blocks = [], []
    start = 0
    for table in tables:
        start += int(shifts.get(table.name, 0))
        blocks.append(_embed(table, x, channels))
        rows.append(np.arange(start, start + len(table.table)))
        start += len(table.table)
    held, values = np.concatenate(rows), np.concatenate(blocks)
    if dataset.theory.operation == "RATIO" and is_last and (len(values) == 1 or not values[1:].any()):
        # A denominator of one bin (a total cross section) divides every point.
        return Operand(x, channels, np.repeat(values[:1], len(dataset.kept), axis=0))
    missing = np.setdiff1d(dataset.kept, held)
    if len(missing):
        raise InputError(
            f"dataset '{dataset.name}': FK table(s) {', '.join(names)} of theory '{card.name}' have no row for point "
            f"{missing[0]} ({len(missing)} missing of {len(dataset.kept)})"
        )
    return Operand(x, channels, values[np.searchsorted(held, dataset.kept)])


def _scaled_table(dataset: Dataset, name: str, card: TheoryCard) -> FKTable:
    table = read_fk_table(card.table_path(name))
    if not np.isclose(table.q0, card.q0, rtol=1e-4):
        raise InputError(
            f"FK table '{name}' starts at Q0 = {table.q0:g} GeV, theory '{card.name}' says Q0 = {card.q0:g} GeV"
        )
    factor = np.full(len(table.table), dataset.theory.conversion_factor)
    factor *= float((dataset.theory.normalization or {}).get(name, 1.0))
    for cfac in dataset.cfac:
        factor *= read_cfactor(card.cfactor_path(cfac, name), len(table.table))
    scale = factor.reshape((-1,) + (1,) * (table.table.ndim - 1))
    return FKTable(table.name, table.x, table.channels, table.table * scale, table.q0)


def _embed(table: FKTable, x: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Write a table into a wider x grid and channel list; what it lacks is zero."""
    where = np.array([np.flatnonzero((channels == channel).all(axis=1))[0] for channel in table.channels])
    out = np.zeros((len(table.table), len(channels)) + (len(x),) * table.n_hadrons)
    nodes = nodes_in(table.x, x)
    out[np.ix_(np.arange(len(table.table)), where, *[nodes] * table.n_hadrons)] = table.table
    return out


def predict(theories: Iterable[DatasetTheory], f: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Predict every dataset from ``f(x) -> (R, X, 14)``, f = xf/x in the evolution basis at Q0; returns (R, N)."""
    theories = list(theories)
    x = common_xgrid(theory.x for theory in theories)
    values = f(x)
    return np.concatenate([theory(values, x) for theory in theories], axis=1)
