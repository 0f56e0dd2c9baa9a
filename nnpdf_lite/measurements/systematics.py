"""Uncertainties of a measurement: which errors of a table are what, and how asymmetric ones become symmetric.

An error of +a and -b becomes ``sqrt(((a + b)/2)^2 + 2 s^2)``, and the central value moves by ``s = (a - b)/2``
(D'Agostini, arXiv:physics/0403086, equations 23 and 24, as NNPDF uses them).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from ..data.covariance import UNCORRELATED
from ..errors import InputError, nearest
from .source import SourceTable, TableError, deviation
from .vocabulary import TREATMENTS, TYPE_HINTS, TYPES

#: What a label says where the user says nothing: pattern, treatment, type; None leaves the error out.
_DEFAULTS = (
    (r"tot.*", None),
    (r"stat.*|error( \d+)?", ("ADD", "UNCORR")),
    (r".*\bunc(or|orr|orrelated)?\b.*|.*bin.to.bin.*", ("MULT", "UNCORR")),
    (r".*", ("MULT", "CORR")),
)


@dataclass(frozen=True, eq=False)
class Source:
    """One source of uncertainty.

    Attributes
    ----------
    name, description : str
    treatment, kind : str
        As in the commondata format (``kind`` is its ``type``).
    values : (n,) array
        In the units of the data, with their signs where they are correlated.
    """

    name: str
    description: str
    treatment: str
    kind: str
    values: np.ndarray


@dataclass(frozen=True)
class ErrorRule:
    """What the user says about errors: ``PATTERN[=SIZE][:ADD|MULT][:TYPE][:percent]``, or ``PATTERN:SKIP``.

    ``pattern`` matches labels of errors and names of columns; ``size`` adds an error that the table does not have, a number or
    percents; a ``*`` in the type stands for what the pattern's ``*`` matched.
    """

    pattern: str
    size: str | None = None
    treatment: str | None = None
    kind: str | None = None
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> "ErrorRule":
        """Read a rule; InputError if it is none."""
        head, *words = text.split(":")
        pattern, _, size = head.partition("=")
        if not pattern.strip():
            raise InputError(
                f"--error {text}: expected NAME[=SIZE][:ADD or MULT][:TYPE][:percent], such as 'lumi=1.5%:MULT:CORR'"
            )
        rule, where = cls(pattern.strip(), size.strip() or None), f"--error {text}"
        for word in words:
            if word.lower() == "percent":
                rule = replace(rule, percent=True)
                continue
            is_treatment = word.upper() in TREATMENTS
            value = word.upper() if is_treatment else checked_type(word, where)
            before = rule.treatment if is_treatment else rule.kind
            if before is not None:
                what = f"two {'treatments' if is_treatment else 'types'}, '{before}' and '{word}'"
                hint = "" if is_treatment else nearest(before, TREATMENTS) or nearest(word, TREATMENTS)
                raise InputError(f"{where}: {what}; expected NAME[=SIZE][:ADD or MULT][:TYPE][:percent].{hint}")
            rule = replace(rule, treatment=value) if is_treatment else replace(rule, kind=value)
        return rule


def checked_type(word: str, where: str) -> str:
    """Return a type of uncertainty, special ones in capitals.

    Raises
    ------
    InputError
        For what is no name, or a likely misspelling of a special one.
    """
    if word.upper() in TYPES:
        return word.upper()
    meant = TYPE_HINTS.get(word.upper())
    if meant or not re.fullmatch(r"[A-Za-z0-9_.*-]+", word):
        hint = f" Did you mean '{meant}'?" if meant else nearest(word, TYPES)
        raise InputError(f"{where}: type '{word}' is none of {', '.join(TYPES)} nor a name of your own.{hint}")
    return word


def symmetrised(plus: np.ndarray, minus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the symmetric error, with the sign of the upward deviation, and the shift of the central value.

    Parameters
    ----------
    plus, minus : (n,) arrays
        Deviations with their signs.
    """
    shift, mean = 0.5 * (plus + minus), 0.5 * (plus - minus)
    return np.copysign(np.sqrt(mean**2 + 2 * shift**2), mean), shift


def sources(
    table: SourceTable, rules: Sequence[ErrorRule], *, given_by_matrix: bool = False
) -> tuple[list[Source], np.ndarray]:
    """Return the sources of uncertainty of a table and the shift (n,) of its central values.

    Parameters
    ----------
    table : SourceTable
    rules : sequence of ErrorRule
        What matches none is judged by its label.
    given_by_matrix : bool
        A covariance matrix holds the errors: of the table's, only those that rules name are added.

    Raises
    ------
    InputError
        For a rule that matches nothing, or a table without errors.
    """
    errors = {error.label: error for error in table.errors}
    found: list[Source] = []
    total_shift = np.zeros(len(table.rows))
    for label, error, rule, kind in _matched(table, errors, rules):
        if kind == "SKIP":
            errors.pop(label, None)
            continue
        treatment = rule.treatment or (_default(label) or ("ADD", "UNCORR"))[0]
        source, shift = _source(label, error, treatment, kind or (_default(label) or ("ADD", "UNCORR"))[1])
        found.append(source)
        total_shift += shift
        errors.pop(label, None)
    if not given_by_matrix:
        judged = {label: _default(label) for label in errors}
        if not found and judged and not any(judged.values()):  # the total is all there is
            judged = dict.fromkeys(judged, ("ADD", "UNCORR"))
        for label, known in judged.items():
            if known is not None:
                source, shift = _source(label, errors[label], *known)
                found.append(source)
                total_shift += shift
        if not found:
            raise InputError(
                f"{table.where}: no errors of '{table.value.name}' are known; name their columns with --error "
                f"({', '.join(table.columns) or 'there are no other columns'}), or give a --covariance"
            )
    return _distinct(found), total_shift


def _matched(
    table: SourceTable, errors: dict[str, TableError], rules: Sequence[ErrorRule]
) -> Iterator[tuple[str, TableError, ErrorRule, str | None]]:
    """Yield label, error, rule and type for all that rules name, the first rule that matches counts."""
    taken = set()
    for rule in rules:
        if rule.size is not None:
            size = np.array([deviation(rule.size, central, f"--error {rule.pattern}") for central in table.value.mid])
            yield rule.pattern, TableError(rule.pattern, size, -size), rule, rule.kind
            continue
        labels = [label for label in [*errors, *table.columns] if fnmatchcase(label, rule.pattern)]
        if not labels:
            known = [*errors, *table.columns]
            raise InputError(
                f"--error {rule.pattern}: {table.where} has {', '.join(known)}.{nearest(rule.pattern, known)}"
            )
        for label in labels:
            if label in taken:
                continue
            taken.add(label)
            error = errors.get(label) or _column_error(table, label)
            if rule.percent:
                scale = table.value.mid / 100
                error = TableError(label, error.plus * scale, error.minus * scale)
            yield label, error, rule, rule.kind and rule.kind.replace("*", _star(rule.pattern, label))


def _column_error(table: SourceTable, name: str) -> TableError:
    values = table.columns[name].centre
    if not np.isfinite(values).all():
        row = table.rows[np.flatnonzero(~np.isfinite(values))[0]]
        raise InputError(f"{table.where}: '{name}' is no number at row {row} (from 0); expected an error")
    return TableError(name, values, -values)


def _star(pattern: str, label: str) -> str:
    """Return what the first ``*`` of a pattern stands for; all of the label where there is none."""
    before, star, after = pattern.partition("*")
    return label[len(before) : len(label) - len(after)] if star and "*" not in after else label


def _default(label: str) -> tuple[str, str] | None:
    return next(kind for pattern, kind in _DEFAULTS if re.fullmatch(pattern, label.strip(), re.IGNORECASE))


def _source(label: str, error: TableError, treatment: str, kind: str) -> tuple[Source, np.ndarray]:
    sigma, shift = symmetrised(error.plus, error.minus)
    values = np.abs(sigma) if kind in UNCORRELATED else sigma
    name = re.sub(r"[^A-Za-z0-9]+", "_", label).strip("_") or "error"
    if name.lower() == "stat" and (treatment, kind) != ("ADD", "UNCORR"):
        name = "stat_error"  # readers of the format take 'stat' for additive and uncorrelated
    return Source(name, label, treatment, kind, values), shift


def _distinct(found: Sequence[Source]) -> list[Source]:
    """Number names that are taken."""
    names: dict[str, int] = {}
    result = []
    for source in found:
        names[source.name] = names.get(source.name, 0) + 1
        again = names[source.name]
        result.append(source if again == 1 else replace(source, name=f"{source.name}_{again}"))
    return result
