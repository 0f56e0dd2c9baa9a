"""Which observable each dataset measures, read from ``observables.yaml``."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..data import available_datasets
from ..errors import InputError, nearest
from .probe import Probe

CATALOGUE = Path(__file__).with_name("observables.yaml")


@dataclass(frozen=True)
class Observable:
    """A structure function or cross section.

    Attributes
    ----------
    measures : str
        ``F2``, ``FL``, ``F3`` (which is x F3), or a cross section by ``yadism``'s name.
    flavour : str
        ``total``, ``light``, ``charm`` or ``bottom``.
    probe : Probe
    protons, nucleons : float
        Of the target.
    """

    measures: str
    flavour: str
    probe: Probe
    protons: float
    nucleons: float


@dataclass(frozen=True)
class Distribution:
    """``x f`` at the scale of a set: a parton's PDG number, or a combination of the evolution basis."""

    parton: int | str


@dataclass(frozen=True)
class Measurement:
    """What a dataset measures.

    Attributes
    ----------
    dataset : str
    operands : tuple of Observable or Distribution
        One for each operand of the set's prediction.
    points : tuple of int
        How many points each table of an operand has; empty for one table.
    columns : dict of str to str
        Kinematic variables that stand under other names.
    """

    dataset: str
    operands: tuple[Observable | Distribution, ...]
    points: tuple[int, ...]
    columns: dict[str, str]


def known_datasets() -> list[str]:
    """Return the names of the datasets for which tables can be computed."""
    document = _catalogue()
    return [*document["cross_sections"], *document["distributions"]]


def measurement(dataset: str) -> Measurement:
    """Return what a dataset measures.

    Raises
    ------
    InputError
        When there is no such dataset, or none of its predictions can be computed.
    """
    document = _catalogue()
    if dataset in document["distributions"]:
        return Measurement(dataset, (Distribution(document["distributions"][dataset]),), (), {})
    entry = document["cross_sections"].get(dataset)
    if entry is None:
        known = known_datasets()
        if dataset in available_datasets():
            raise InputError(
                f"dataset '{dataset}': tables can be computed for deep-inelastic scattering only, and this set is not "
                f"one of {len(known)} in {CATALOGUE.name}.{nearest(dataset, known)}"
            )
        raise InputError(f"there is no dataset '{dataset}'.{nearest(dataset, known)}")
    probe = Probe(entry["current"], entry["projectile"], entry.get("charge"))
    operands = tuple(
        Observable(entry["measures"], entry.get("flavour", "total"), probe, *map(float, document["targets"][target]))
        for target in entry["target"]
    )
    return Measurement(dataset, operands, tuple(entry.get("points", ())), entry.get("columns", {}))


@cache
def _catalogue() -> dict[str, Any]:
    return yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
