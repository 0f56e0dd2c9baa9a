"""Kinematic cuts: which points of a set enter a fit.

A point is kept when every rule that concerns its set and the theory holds. The general rules use the strict bounds
``Q2 > q2min`` and ``W2 = Q2 (1 - x) / x > w2min`` on the kinematics of the data files.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import InputError, nearest
from .catalogue import is_named
from .dataset import Dataset
from .documents import read_document
from .expressions import evaluate

RULES_FILE = Path(__file__).with_name("cut_rules.yaml")

_PERTURBATIVE_ORDER = re.compile(r"(?:N(?P<number>\d+)|(?P<letters>N*))LO(?P<mark>[+!-])?")


class DataCuts(Protocol):
    """The cut settings of a runcard."""

    @property
    def q2min(self) -> float: ...
    @property
    def w2min(self) -> float: ...
    @property
    def maxTau(self) -> float: ...
    @property
    def use_cuts(self) -> str: ...


@dataclass(frozen=True)
class CutRule:
    """A condition that points must meet, and what it applies to.

    Attributes
    ----------
    rule
        The condition, in the language of `expressions.evaluate`.
    dataset
        Names of the sets it applies to.
    process_type
        Process it applies to; ``DIS_ALL`` is every DIS process.
    reason
        Why, for the reader.
    local_variables
        Further variables, as formulas; each may use those before it.
    PTO, FNS, IC
        The theory it applies to: a perturbative order such as ``NNLO``, ``NNLO+`` (or higher), ``NNLO-`` (lower),
        ``NNLO!`` (any other); a heavy-quark scheme; whether charm is fitted. None is any.
    """

    rule: str
    dataset: tuple[str, ...] = ()
    process_type: str | None = None
    reason: str | None = None
    local_variables: Mapping[str, str | float] | None = None
    PTO: str | None = None
    FNS: str | None = None
    IC: bool | int | None = None

    @classmethod
    def read(cls, rule: Any, where: str) -> "CutRule":
        """Make a rule of a mapping, or of any object with the same attributes."""
        names = [field.name for field in fields(cls)]
        if not isinstance(rule, Mapping):
            rule = {name: getattr(rule, name, None) for name in names}
        for key in rule:
            if key not in names:
                raise InputError(f"{where}: unknown key '{key}', expected {', '.join(names)}.{nearest(key, names)}")
        content = {key: value for key, value in rule.items() if value is not None}
        if not isinstance(content.get("rule"), str):
            raise InputError(f"{where}: 'rule' is {content.get('rule')!r}, expected a condition such as 'Q2 > 10'.")
        if not content.get("dataset") and not content.get("process_type"):
            raise InputError(f"{where}: neither 'dataset' nor 'process_type' says what '{content['rule']}' applies to.")
        if not isinstance(content.get("local_variables", {}), Mapping):
            raise InputError(f"{where}: 'local_variables' is {content['local_variables']!r}, expected a mapping.")
        names_of_sets = content.get("dataset", ())
        content["dataset"] = (names_of_sets,) if isinstance(names_of_sets, str) else tuple(names_of_sets)
        return cls(**content)

    def concerns(self, dataset: Dataset) -> bool:
        """Whether the rule applies to the set: by its name, old or new, or by its process."""
        if self.process_type == "DIS_ALL" and dataset.process_type.startswith("DIS"):
            return True
        return self.process_type == dataset.process_type or is_named(dataset.name, self.dataset)

    def concerns_theory(self, theory_card: Mapping[str, Any], where: str) -> bool:
        """Whether the rule applies with this theory; what the card does not say does not exclude the rule."""
        if self.PTO is not None and "PTO" in theory_card and not _order_matches(self.PTO, theory_card["PTO"], where):
            return False
        conditions = {"FNS": self.FNS, "IC": self.IC}
        return all(
            wanted is None or key not in theory_card or theory_card[key] == wanted for key, wanted in conditions.items()
        )


def cut_indices(
    dataset: Dataset,
    datacuts: DataCuts,
    added_filter_rules: Iterable[Any],
    theory_card: Mapping[str, Any],
    dropped: Iterable[str] = (),
) -> np.ndarray:
    """Return the rows of a set that pass all cuts.

    Parameters
    ----------
    dataset
        The set.
    datacuts
        Object with ``q2min``, ``w2min`` (GeV^2), ``maxTau`` and ``use_cuts``; with ``use_cuts`` "nocuts" all rows pass.
    added_filter_rules
        Rules beside the built-in ones of ``cut_rules.yaml``: mappings or objects with the attributes of `CutRule`.
    theory_card
        The theory; PTO, FNS and IC are looked at.
    dropped
        Sets, by name, to which the built-in rules made for single sets do not apply (``drop_internal_rules``).

    Returns
    -------
    numpy.ndarray
        Increasing integers, for `Dataset.select`.

    Raises
    ------
    InputError
        When a rule is malformed or uses a variable the set does not have.
    """
    if datacuts.use_cuts == "nocuts":
        return np.arange(len(dataset))
    own = not is_named(dataset.name, dropped)
    rules = [
        (rule, f"{RULES_FILE.name}, rule {index}")
        for index, rule in enumerate(_built_in_rules())
        if own or not is_named(dataset.name, rule.dataset)
    ]
    for index, added in enumerate(added_filter_rules):
        where = f"added_filter_rules[{index}]"
        rules.append((CutRule.read(added, where), where))
    passed = np.ones(len(dataset), dtype=bool)
    for rule, where in rules:
        if rule.concerns(dataset) and rule.concerns_theory(theory_card, where):
            passed &= _passes(rule, dataset, datacuts, f"{where}, dataset {dataset.name}")
    return np.flatnonzero(passed)


@cache
def _built_in_rules() -> tuple[CutRule, ...]:
    rules = read_document(RULES_FILE)["rules"]
    return tuple(CutRule.read(rule, f"{RULES_FILE}: rule {index}") for index, rule in enumerate(rules))


def _passes(rule: CutRule, dataset: Dataset, datacuts: DataCuts, where: str) -> np.ndarray:
    """Return which rows (n,) meet the rule's condition."""
    variables = {
        **{str(name): column.to_numpy() for name, column in dataset.kinematics.items()},
        "idat": dataset.kept.astype(float),
        "central_value": dataset.central,
        "q2min": datacuts.q2min,
        "w2min": datacuts.w2min,
        "maxTau": datacuts.maxTau,
    }
    for name, formula in (rule.local_variables or {}).items():
        variables[name] = evaluate(formula, variables, f"{where}, local variable '{name}'")
    passed = evaluate(rule.rule, variables, where)
    if passed.dtype != bool:
        raise InputError(f"{where}: '{rule.rule}' is a number, expected a condition such as 'Q2 > 10'.")
    return np.broadcast_to(passed, len(dataset))


def _order_matches(wanted: str, order: int, where: str) -> bool:
    """Whether perturbative order ``order`` (0 is LO) is what ``wanted`` describes."""
    match = _PERTURBATIVE_ORDER.fullmatch(str(wanted).upper())
    if match is None:
        raise InputError(f"{where}: PTO is '{wanted}', expected an order such as NLO, NNLO+, N3LO- or NNLO!.")
    reference = int(match["number"]) if match["number"] else len(match["letters"])
    comparison = {"+": order >= reference, "-": order < reference, "!": order != reference, None: order == reference}
    return comparison[match["mark"]]
