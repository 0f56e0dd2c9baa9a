"""Covariance and correlation matrices from files, and the sources of uncertainty that stand for them."""

from pathlib import Path

import numpy as np

from ..errors import InputError
from .hepdata import read_table
from .source import Column, SourceTable
from .systematics import Source

#: Negative eigenvalues down to this fraction of the largest are rounding of what was published.
_ROUNDING = 1e-6
#: Asymmetry, relative to the diagonal, that rounding can explain.
_ASYMMETRY = 1e-4


def read_matrix(path: str | Path, table: SourceTable) -> np.ndarray:
    """Read a matrix of a table's points, and return that of the points it keeps (n, n).

    The file holds rows of numbers, or a table of HEPData (YAML or CSV) with one row for each pair of points, the whole matrix
    or one triangle; points of a pair are told apart by their columns, in the order in which they first appear.

    Raises
    ------
    InputError
        For a file that is missing or malformed, a matrix of another size, or one that is not symmetric.
    """
    path = Path(path).expanduser()
    matrix = _square(path)
    if matrix is None:
        matrix = _from_pairs(read_table(path, last=True), table.n_published)
    n = len(matrix)
    if n == table.n_published:
        matrix = matrix[np.ix_(table.rows, table.rows)]
    elif n != len(table.rows):
        raise InputError(f"{path}: a matrix of {n} points; expected {len(table.rows)}, the points of {table.where}")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise InputError(
            f"{path}: element ({row}, {column}), from 0, is {matrix[row, column]}, expected a finite number"
        )
    scale = np.sqrt(np.abs(np.outer(np.diag(matrix), np.diag(matrix))))
    worst = np.unravel_index(np.argmax(np.abs(matrix - matrix.T) - _ASYMMETRY * scale), matrix.shape)
    if abs(matrix[worst] - matrix.T[worst]) > _ASYMMETRY * scale[worst]:
        row, column = map(int, worst)
        raise InputError(
            f"{path}: not symmetric: element ({row}, {column}), from 0, is {matrix[row, column]:g}, ({column}, {row}) is "
            f"{matrix[column, row]:g}"
        )
    return 0.5 * (matrix + matrix.T)


def covariance_of(correlation: np.ndarray, errors: np.ndarray, where: str) -> np.ndarray:
    """Return the covariance matrix of a correlation matrix (n, n) and errors (n,).

    Raises
    ------
    InputError
        When the diagonal is not 1, or elements exceed 1.
    """
    diagonal = np.diag(correlation)
    if not np.allclose(diagonal, 1, atol=1e-3) or np.abs(correlation).max() > 1 + 1e-6:
        raise InputError(f"{where}: no correlation matrix: its diagonal goes from {diagonal.min():g} to {diagonal.max():g}, "
                         f"its largest element is {np.abs(correlation).max():g}; expected 1 on the diagonal, at most 1 elsewhere")  # fmt: skip
    return correlation * np.outer(errors, errors)


def matrix_sources(covmat: np.ndarray, name: str, description: str, treatment: str, where: str) -> list[Source]:
    """Decompose a covariance matrix (n, n) into sources with all points correlated, whose sum it is: its principal components.

    Raises
    ------
    InputError
        When it has negative eigenvalues beyond rounding.
    """
    eigenvalues, vectors = np.linalg.eigh(covmat)
    if eigenvalues[0] < -_ROUNDING * max(eigenvalues[-1], 0) or eigenvalues[-1] <= 0:
        point = int(np.abs(vectors[:, 0]).argmax())
        raise InputError(
            f"{where}: not positive definite: its smallest eigenvalue is {eigenvalues[0]:.3g}, its largest "
            f"{eigenvalues[-1]:.3g}; the combination at fault is mostly point {point} (from 0). Expected a covariance matrix"
        )
    columns = (vectors * np.sqrt(np.clip(eigenvalues, 0, None))).T[::-1]
    kept = [column for column, value in zip(columns, eigenvalues[::-1]) if value > 0]
    leading = [column if column[np.flatnonzero(column)[0]] > 0 else -column for column in kept]
    width = len(str(len(leading)))
    return [
        Source(f"{name}_{i:0{width}d}", f"{description}, principal component {i}", treatment, "CORR", column)
        for i, column in enumerate(leading, start=1)
    ]


def _square(path: Path) -> np.ndarray | None:
    """Read rows of numbers, or return None where the file is none."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); expected a matrix") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        rows = [[float(part) for part in line.replace(",", " ").split()] for line in lines]
    except ValueError:
        return None
    if not rows or any(len(row) != len(rows) for row in rows):
        lengths = sorted({len(row) for row in rows})
        raise InputError(
            f"{path}: {len(rows)} rows of {' or '.join(map(str, lengths)) or 'no'} numbers; expected a square matrix"
        )
    return np.array(rows)


def _from_pairs(pairs: SourceTable, n: int) -> np.ndarray:
    """Return the matrix (n, n) that a list of pairs holds."""
    values, axes = (
        pairs.value.mid,
        [column for column in pairs.columns.values() if _varies(column) or len(pairs.rows) == 1],
    )
    if len(values) == n * n and len(axes) < 2:
        return values.reshape(n, n)
    if len(axes) < 2 or len(axes) % 2:
        raise InputError(
            f"{pairs.where}: {len(axes)} columns beside its values; expected those of the two points of a pair"
        )
    half = len(axes) // 2
    first, second = (_keys(axes[:half]), _keys(axes[half:]))
    order = list(dict.fromkeys([*first, *second]))
    if len(order) != n:
        raise InputError(f"{pairs.where}: pairs of {len(order)} points; expected {n}")
    matrix = np.full((n, n), np.nan)
    for one, other, value in zip(first, second, values):
        matrix[order.index(one), order.index(other)] = value
    matrix = np.where(np.isnan(matrix), matrix.T, matrix)
    if np.isnan(matrix).any():
        row, column = np.argwhere(np.isnan(matrix))[0]
        raise InputError(f"{pairs.where}: the pair of points {row} and {column} (from 0) is missing")
    return matrix


def _varies(column: Column) -> bool:
    return len(np.unique(column.centre)) > 1


def _keys(columns: list[Column]) -> list[tuple]:
    parts = [part for column in columns for part in (column.mid, column.low, column.high)]
    return list(zip(*(np.nan_to_num(part, nan=-1e99).tolist() for part in parts)))
