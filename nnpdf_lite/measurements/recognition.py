"""Telling kinematic variables by the names that tables give them."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import InputError, nearest
from .source import Column, SourceTable, cell
from .vocabulary import PROCESSES, VARIABLES

#: Names as tables write them, without markup, case and blanks, and what they are called here.
_ALIASES = {
    **dict.fromkeys(("x", "xb", "xbj", "bjorkenx", "xbjorken"), "x"),
    **dict.fromkeys(("q2", "qsq", "qsquared", "q2(gev2)"), "Q2"),
    **dict.fromkeys(("q", "mu"), "Q"),
    **dict.fromkeys(("y", "inelasticity", "yrap"), "y"),
    **dict.fromkeys(("sqrts", "sqrt(s)", "ecm", "cmenergy", "roots"), "sqrts"),
    **dict.fromkeys(("pt", "pt(jet)", "ptjet", "pt(z)", "ptz", "ptll", "pt(w)"), "pT"),
    **dict.fromkeys(("et", "etgamma", "et(gamma)"), "ET"),
    **dict.fromkeys(("|y|", "absy", "|yjet|", "|yll|", "abs(y)", "|y(z)|"), "abs_y"),
    **dict.fromkeys(("eta", "etarap", "etal"), "eta"),
    **dict.fromkeys(("|eta|", "abseta", "abs(eta)", "|etal|"), "abs_eta"),
    **dict.fromkeys(("mll", "m(ll)", "m(l+l-)", "m(mu+mu-)", "m(e+e-)"), "m_ll"),
    **dict.fromkeys(("mjj", "m(jj)", "m12"), "m_jj"),
    **dict.fromkeys(("mtt", "mttbar", "m(ttbar)", "m(tt)"), "m_ttBar"),
    **dict.fromkeys(("ytt", "yttbar", "y(ttbar)"), "y_ttBar"),
    **dict.fromkeys(("yt", "y(t)"), "y_t"),
    **dict.fromkeys(("ptt", "pt(t)"), "pT_t"),
}
_MARKUP = re.compile(r"[\s$\\{}^_*]|bar(?=\b)|text|mathrm|rm\b")


def variable_of(name: str) -> str | None:
    """Return the variable that a column's name stands for, or None."""
    plain = _MARKUP.sub("", name).lower()
    exact = {variable.lower().replace("_", ""): variable for variable in VARIABLES}
    return _ALIASES.get(plain) or exact.get(plain)


def kinematics(
    table: SourceTable, process: str, named: Mapping[str, str], sqrts: float | None = None
) -> dict[str, tuple[Column, str]]:
    """Find the kinematic variables of a table.

    Parameters
    ----------
    table : SourceTable
    process : str
        One of ``vocabulary.PROCESSES``.
    named : mapping
        Variable -> column, or a number or range that holds for all rows; the others are told by their names.
    sqrts : float, optional
        Centre-of-mass energy in GeV: of DIS, y = Q2/(x s) follows where the table has none.

    Returns
    -------
    dict
        Variable -> its values, and where they come from; three variables at most, as the format has them.

    Raises
    ------
    InputError
        When nothing is recognised, something is named that the process or the table does not have, or numbers are missing.
    """
    accepted = (*PROCESSES[process].variables, "sqrts")
    found: dict[str, tuple[Column, str]] = {}
    for variable, source in named.items():
        if variable not in accepted:
            raise InputError(
                f"--column {variable}={source}: process {process} has no variable '{variable}'; it may have "
                f"{', '.join(accepted)}.{nearest(variable, accepted)}"
            )
        held = cell(source)
        if not np.isnan(held).all():
            found[variable] = Column.of(variable, [held] * len(table.rows)), f"{source}"
        else:
            found[variable] = table.column(source, f"--column {variable}={source}"), source
    for name, column in table.columns.items():
        named_so = variable_of(name)
        usable = named_so in _needed(process) or np.isfinite(column.centre).any()
        if named_so in accepted and named_so not in found and usable:
            found[named_so] = column, name
    if process.startswith("DIS"):
        _complete_dis(found, sqrts)
    if sqrts is not None and "sqrts" not in found and not process.startswith("DIS"):
        found["sqrts"] = Column.of("sqrts", [(sqrts, np.nan, np.nan)] * len(table.rows)), "--sqrts"
    _check(found, table, process, accepted)
    order = [variable for variable in accepted if variable in found][:3]
    return {variable: found[variable] for variable in order}


def _complete_dis(found: dict[str, tuple[Column, str]], sqrts: float | None) -> None:
    """Derive Q2 from Q, and y from x, Q2 and the energy."""
    if "Q" in found and "Q2" not in found:
        column, name = found.pop("Q")
        found["Q2"] = (
            Column("Q2", "GeV2", *(np.square(part) for part in (column.mid, column.low, column.high))),
            f"{name} squared",
        )
    energy = found.pop("sqrts", None)
    if "y" in found or not {"x", "Q2"} <= found.keys():
        return
    roots = np.array(sqrts) if sqrts is not None else energy[0].centre if energy else None
    if roots is not None:
        y = found["Q2"][0].centre / (found["x"][0].centre * roots**2)
        found["y"] = Column("y", "", y, *np.full((2, len(y)), np.nan)), "Q2 / (x s)"


def _needed(process: str) -> tuple[str, ...]:
    return ("x", "Q2") if process.startswith("DIS") else ()


def _check(found: Mapping[str, tuple[Column, str]], table: SourceTable, process: str, accepted: Sequence[str]) -> None:
    columns = ", ".join(table.columns) or "none"
    missing = [variable for variable in _needed(process) if variable not in found]
    if missing or not found:
        what = f"no {' and no '.join(missing)}" if missing else "no kinematic variable"
        raise InputError(
            f"{table.where}: {what} recognised among its columns ({columns}); say where it is with --column "
            f"{(missing or accepted)[0]}=COLUMN, or give a number"
        )
    for variable, (column, source) in found.items():
        bad = np.flatnonzero(~np.isfinite(column.centre))
        if len(bad):
            raise InputError(
                f"{table.where}: {variable}, from '{source}', is no number at row {table.rows[bad[0]]} (from 0)"
            )
