"""Reading tables: HEPData's YAML and CSV, and plain columns of numbers.

HEPData's formats: https://hepdata-submission.readthedocs.io (``data_yaml``), and its downloads as CSV, where ``#:`` lines
hold conditions, several blocks may follow each other, ``NAME LOW`` and ``NAME HIGH`` are edges of bins, and ``LABEL +`` and
``LABEL -`` are errors of the value before them.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..data.documents import expect, require
from ..errors import InputError, nearest
from .source import Column, SourceTable, TableError, cell, deviation, name_and_units

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_table(
    path: str | Path, value: str | None = None, table: str | None = None, skip: int = 0, *, last: bool = False
) -> SourceTable:
    """Read a measured table.

    Parameters
    ----------
    path
        YAML (a table, or a submission that names tables), CSV, or text with columns between blanks.
    value
        Name of the column of measured values; may be left out where there is one alone that has errors.
    table
        Name of the table, in a submission.
    skip
        Lines before the header, in CSV and text.
    last
        Take the last column for the values where they are not clear.

    Raises
    ------
    InputError
        For a file that is missing, malformed or no table, or whose values are not clear.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); expected a table in YAML, CSV or plain columns") from None
    if path.suffix.lower() in (".yaml", ".yml"):
        return _yaml_table(path, text, value, table)
    if table is not None:
        raise InputError(f"--table-name {table}: only a submission in YAML holds several tables, {path} is one")
    return _text_table(path, text.splitlines()[skip:], value, last)


def yaml_documents(path: Path, text: str) -> list[dict[str, Any]]:
    """Return the mappings in a YAML file; InputError if it is not valid."""
    try:
        return [document for document in yaml.load_all(text, Loader=_LOADER) if isinstance(document, dict)]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _yaml_table(path: Path, text: str, value: str | None, table: str | None) -> SourceTable:
    documents = yaml_documents(path, text)
    named = {str(document.get("name")): document for document in documents if "data_file" in document}
    if named:
        if table not in named:
            asked = f"--table-name {table}: " if table else ""
            raise InputError(
                f"{asked}{path} is a submission of {len(named)} tables; name one with --table-name: {', '.join(named)}."
                f"{nearest(table, named) if table else ''}"
            )
        inner = path.parent / str(named[table]["data_file"])
        return read_table(inner, value)
    document = next((d for d in documents if "dependent_variables" in d), None)
    if document is None:
        raise InputError(f"{path}: holds no 'dependent_variables'; expected a table of HEPData, or its submission.yaml")
    where = str(path)
    dependents = require(document, "dependent_variables", list, where)
    names = [_header(variable, where)[0] for variable in dependents]
    chosen = dependents[_choose(names, [i for i, d in enumerate(dependents) if _has_errors(d)], value, where)]
    values = [expect(v, dict, f"{where}: a value") for v in require(chosen, "values", list, where)]
    name, units = _header(chosen, where)
    measured = Column.of(name, [cell(v.get("value")) for v in values], units)
    columns = {}
    for variable in document.get("independent_variables") or []:
        header, unit = _header(variable, where)
        columns[header] = Column.of(header, [_bin(v) for v in require(variable, "values", list, where)], unit)
    for other, variable in zip(names, dependents):
        if variable is not chosen:
            columns.setdefault(other, Column.of(other, [cell((v or {}).get("value")) for v in variable["values"]]))
    for qualifier in chosen.get("qualifiers") or []:
        held = cell(qualifier.get("value"))
        if not all(np.isnan(held)):
            columns.setdefault(str(qualifier.get("name")), Column.of(str(qualifier["name"]), [held] * len(values)))
    short = next((header for header, column in columns.items() if len(column.mid) != len(values)), None)
    if short is not None:
        raise InputError(f"{where}: '{short}' has {len(columns[short].mid)} values, '{name}' has {len(values)}")
    return SourceTable.of(where, measured, _yaml_errors(values, measured, where), columns)


def _has_errors(variable: dict[str, Any]) -> bool:
    return any(isinstance(v, dict) and v.get("errors") for v in variable.get("values") or [])


def _header(variable: Any, where: str) -> tuple[str, str]:
    header = require(expect(variable, dict, f"{where}: a variable"), "header", dict, where)
    name, units = name_and_units(str(header.get("name") or ""))
    return name, str(header.get("units") or units)


def _bin(entry: dict[str, Any]) -> tuple[float, float, float]:
    if "low" in entry and "high" in entry:
        return cell(entry.get("value"))[0], cell(entry["low"])[0], cell(entry["high"])[0]
    return cell(entry.get("value"))


def _yaml_errors(values: list[dict[str, Any]], measured: Column, where: str) -> list[TableError]:
    found: dict[str, np.ndarray] = {}
    for i, entry in enumerate(values):
        for k, error in enumerate(entry.get("errors") or []):
            label = str(error.get("label") or ("error" if not k else f"error {k + 1}"))
            pair = found.setdefault(label, np.zeros((2, len(values))))
            at, central = f"{where}: point {i}, error '{label}'", measured.mid[i]
            if "asymerror" in error:
                ends = expect(error["asymerror"], dict, at)
                pair[:, i] = [deviation(ends.get(end), central, at) for end in ("plus", "minus")]
            else:
                size = deviation(error.get("symerror"), central, at)
                pair[:, i] = size, -size
    return [TableError(label, *pair) for label, pair in found.items()]


@dataclass
class _Block:
    """Lines of one block of a table."""

    conditions: list[list[str]] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def _text_table(path: Path, lines: Sequence[str], value: str | None, last: bool) -> SourceTable:
    where = str(path)
    blocks = _blocks(lines)
    if not blocks:
        raise InputError(f"{where}: expected a line of column names and rows of numbers below it")
    header = blocks[0].header
    for block in blocks:
        if block.header != header:
            raise InputError(
                f"{where}: its parts have different columns ({', '.join(header)}; then {', '.join(block.header)}); "
                "keep one part in the file"
            )
        for row in block.rows:
            if len(row) != len(header):
                raise InputError(
                    f"{where}: a row has {len(row)} cells below {len(header)} column names: {' '.join(row)[:60]}"
                )
    cells = [row for block in blocks for row in block.rows]
    roles = _roles(header)
    plain = [name for name, role in zip(header, roles) if role == "column"]
    names, valued = [name_and_units(name)[0] for name in plain], _valued(plain, roles)
    chosen = _choose(names, valued or [len(names) - 1] * last, value, where)
    at = [i for i, role in enumerate(roles) if role == "column"][chosen]
    columns = _text_columns(header, roles, cells)
    measured = columns.pop(name_and_units(header[at])[0])
    for name, held in _conditions(blocks, at).items():
        columns.setdefault(name, held)
    return SourceTable.of(where, measured, _text_errors(header, roles, cells, at, measured, where), columns)


def _blocks(lines: Sequence[str]) -> list[_Block]:
    """Split lines at what does not continue a block: conditions, then a header, then rows."""
    blocks = [_Block()]
    commas = any("," in line for line in lines if line.strip() and not line.startswith("#"))
    for line in lines:
        if line.startswith("#:"):
            if blocks[-1].header:
                blocks.append(_Block())
            row = next(csv.reader([line[2:].strip()]))
            blocks[-1].conditions.append(row)
        elif not line.strip() or line.startswith("#"):
            if blocks[-1].rows:
                blocks.append(_Block())
        else:
            row = [part.strip() for part in (next(csv.reader([line])) if commas else line.split())]
            if not blocks[-1].header:
                blocks[-1].header = row
            else:
                blocks[-1].rows.append(row)
    # A header that numbers do not follow is a title.
    return [block for block in blocks if block.header and block.rows]


def _roles(header: Sequence[str]) -> list[str]:
    """Say what each column is: ``column``, ``low``, ``high``, ``plus`` or ``minus``."""
    roles = []
    for name in header:
        ending = name.rsplit(" ", 1)[-1] if " " in name else ""
        role = {"LOW": "low", "HIGH": "high", "+": "plus", "-": "minus"}.get(ending, "column")
        base = name[: -len(ending) - 1]
        roles.append("column" if role in ("low", "high") and base not in header else role)
    return roles


def _valued(plain: Sequence[str], roles: Sequence[str]) -> list[int]:
    """Return which of the plain columns have errors behind them."""
    places, found = -1, []
    for role in roles:
        places += role == "column"
        if role == "plus" and places not in found:
            found.append(places)
    return [place for place in found if 0 <= place < len(plain)]


def _choose(names: Sequence[str], with_errors: Sequence[int], value: str | None, where: str) -> int:
    """Return which of several columns holds the measured values."""
    if value is not None:
        lower = [name.lower() for name in names]
        if name_and_units(value)[0].lower() not in lower:
            raise InputError(
                f"--value {value}: {where} has no such column; it has {', '.join(names)}.{nearest(value, names)}"
            )
        return lower.index(name_and_units(value)[0].lower())
    candidates = with_errors if with_errors else range(len(names))
    if len(candidates) != 1:
        raise InputError(
            f"{where}: which column holds the measured values? Name it with --value: {', '.join(names[i] for i in candidates)}"
        )
    return candidates[0]


def _text_columns(header: Sequence[str], roles: Sequence[str], cells: list[list[str]]) -> dict[str, Column]:
    columns = {}
    for i, (name, role) in enumerate(zip(header, roles)):
        if role != "column":
            continue
        base, units = name_and_units(name)
        edges = [header.index(f"{name} {end}") for end in ("LOW", "HIGH") if f"{name} {end}" in header]
        rows = []
        for row in cells:
            mid, low, high = cell(row[i])
            if len(edges) == 2:
                low, high = (cell(row[k])[0] for k in edges)
            rows.append((mid, low, high))
        columns[base] = Column.of(base, rows, units)
    return columns


def _text_errors(
    header: Sequence[str], roles: Sequence[str], cells: list[list[str]], at: int, measured: Column, where: str
) -> list[TableError]:
    found: dict[str, np.ndarray] = {}
    for i in range(at + 1, len(header)):
        if roles[i] == "column":
            break
        if roles[i] in ("low", "high"):
            continue
        label = header[i].rsplit(" ", 1)[0]
        pair = found.setdefault(label, np.zeros((2, len(cells))))
        pair[0 if roles[i] == "plus" else 1] = [
            deviation(row[i], measured.mid[k], f"{where}: point {k}, error '{label}'") for k, row in enumerate(cells)
        ]
    return [TableError(label, *pair) for label, pair in found.items()]


def _conditions(blocks: Sequence[_Block], at: int) -> dict[str, Column]:
    """Return what ``#:`` lines say in numbers: of the measured column, or of all where they have one value."""
    names = list(dict.fromkeys(row[0] for block in blocks for row in block.conditions if len(row) > 1))
    columns = {}
    for name in names:
        held = []
        for block in blocks:
            row = next((row for row in block.conditions if row[0] == name), [name])
            given = [part for part in row[1:] if part.strip()]
            text = row[at] if at < len(row) and row[at].strip() else given[0] if len(set(given)) == 1 else ""
            held += [cell(text)] * len(block.rows)
        base, units = name_and_units(name)
        if not np.isnan(held).all():
            columns[base] = Column.of(base, held, units)
    return columns
