"""Checks of a dataset against a theory: are the FK tables there, and do they predict its points."""

from typing import Any

import numpy as np

from ..errors import InputError, nearest
from ..theory import TheoryCard, load_theory
from ..theory.fktable import FKTable, read_fk_table
from .findings import Findings, points

_FILE = "metadata.yaml"


def check_theory(
    name: str,
    theory: dict[str, Any],
    tables: list[list[str]],
    theoryid: str,
    kinematics: dict[str, np.ndarray] | None,
    n: int | None,
    where: str,
    found: Findings,
) -> None:
    """Add what is wrong between an observable's prediction and a theory's tables.

    Raises
    ------
    InputError
        If there is no such theory.
    """
    card = load_theory(theoryid)
    for mapping in ("shifts", "normalization"):
        for table in theory.get(mapping) or {}:
            known = [str(one) for operand in tables for one in operand]
            if table not in known:
                found.error(
                    _FILE,
                    f"{where}.{mapping}",
                    f"names '{table}', expected one of {', '.join(known)}.{nearest(table, known)}",
                )
    for i, operand in enumerate(tables):
        wanted = [_table(card, str(table), f"{where}.FK_tables[{i}]", found) for table in operand]
        read = [one for one in wanted if one is not None]
        if len(read) < len(wanted):
            continue
        rows = sum(len(one.table) for one in read) + sum((theory.get("shifts") or {}).values())
        if n is not None and rows < n and not (rows == 1 and i):
            found.error(_FILE, f"{where}.FK_tables[{i}]", f"the tables {', '.join(operand)} of theory '{theoryid}' have {rows} rows, "
                                                          f"expected {n}, the 'ndata' of the observable")  # fmt: skip
        if kinematics and len(read) == 1 and len(read[0].table) == n:
            _check_coverage(read[0], kinematics, card, f"{where}.FK_tables[{i}]", found)


def _table(card: TheoryCard, table: str, where: str, found: Findings) -> FKTable | None:
    try:
        path = card.table_path(table)
    except InputError:
        found.error(_FILE, where, f"theory '{card.name}' has no FK table '{table}' ({card.folder}/fastkernel)."
                                  f"{nearest(table, card.tables())} Tables of DIS can be made with 'nnpdf-lite theory build'")  # fmt: skip
        return None
    read = found.attempt(_FILE, where, lambda: read_fk_table(path))
    if read is not None and not np.isclose(read.q0, card.q0, rtol=1e-4):
        found.error(
            _FILE,
            where,
            f"FK table '{table}' starts at Q0 = {read.q0:g} GeV, expected {card.q0:g} GeV, that of theory '{card.name}'",
        )
    return read


def _check_coverage(
    table: FKTable, kinematics: dict[str, np.ndarray], card: TheoryCard, where: str, found: Findings
) -> None:
    filled = table.table.reshape(len(table.table), -1).any(axis=1)
    x, q2 = kinematics.get("x"), kinematics.get("Q2")
    if x is not None and table.n_hadrons == 1:
        low = np.flatnonzero(filled & (x < table.x[0] * (1 - 1e-6)))
        if len(low):
            found.error(
                _FILE,
                where,
                f"{points(low)}: x = {x[low[0]]:.3g} is below the smallest x of the table, {table.x[0]:.3g}: the table belongs to "
                "other points",
            )
    if q2 is not None:
        low = np.flatnonzero(q2 < card.q0**2 * (1 - 1e-6))
        if len(low):
            found.warning(
                _FILE,
                where,
                f"{points(low)}: Q2 = {q2[low[0]]:.3g} GeV2 is below Q0^2 = {card.q0**2:.3g} GeV2, where PDFs are parametrised; cut them",
            )
    if not filled.all():
        empty = np.flatnonzero(~filled)
        first = ", ".join(f"{name} = {values[empty[0]]:.4g}" for name, values in kinematics.items())
        found.warning(
            _FILE,
            where,
            f"{points(empty)}: the rows of the table are empty ({first}); only fits that cut these points can use it",
        )
