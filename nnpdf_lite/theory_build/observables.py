"""Which observable each dataset measures: from ``observables.yaml``, or from a set's own ``prediction.yaml``."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..data import available_datasets
from ..data.catalogue import find_dataset
from ..data.documents import expect, read_document, require
from ..errors import InputError, nearest
from .probe import Probe

CATALOGUE = Path(__file__).with_name("observables.yaml")
#: Beside the metadata of a set that the catalogue does not know: what it measures, by the name of the observable.
OWN = "prediction.yaml"
#: Keys of an entry with what they may hold; lists and mappings are checked where they are read.
CHOICES = {
    "measures": ("F2", "FL", "F3", "XSHERANC", "XSHERANCAVG", "XSHERACC", "XSCHORUSCC", "XSNUTEVCC"),
    "flavour": ("total", "light", "charm", "bottom"),
    "current": ("NC", "EM", "CC"),
    "projectile": ("electron", "positron", "neutrino", "antineutrino"),
}


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
    entry = document["cross_sections"].get(dataset) or _own_entry(dataset)
    probe = Probe(entry["current"], entry["projectile"], entry.get("charge"))
    operands = tuple(
        Observable(
            entry["measures"], entry.get("flavour", "total"), probe,
            *map(float, document["targets"][target] if isinstance(target, str) else target),
        )
        for target in entry["target"]
    )  # fmt: skip
    return Measurement(dataset, operands, tuple(entry.get("points", ())), entry.get("columns", {}))


def _own_entry(dataset: str) -> dict[str, Any]:
    """Read what a set measures from its own folder."""
    known = known_datasets()
    if dataset not in available_datasets():
        raise InputError(f"there is no dataset '{dataset}'.{nearest(dataset, [*known, *available_datasets()])}")
    found = find_dataset(dataset)
    path = found.folder / OWN
    if not path.is_file():
        raise InputError(
            f"dataset '{dataset}': tables can be computed for deep-inelastic scattering only, and for this set nothing "
            f"says what it measures: expected {path}, or one of {len(known)} sets in {CATALOGUE.name}."
            f"{nearest(dataset, known)}"
        )
    observable = found.observable["observable_name"]
    return read_prediction(require(read_document(path), observable, dict, str(path)), f"{path}: {observable}")


def read_prediction(entry: dict[str, Any], where: str) -> dict[str, Any]:
    """Return an entry of ``prediction.yaml`` as the catalogue has it, targets as protons and nucleons.

    Raises
    ------
    InputError
        For a key or value it does not know, or one that is missing.
    """
    keys = (*CHOICES, "target", "columns", "points")
    for key in entry:
        if key not in keys:
            raise InputError(f"{where}: unknown key '{key}', expected {', '.join(keys)}.{nearest(key, keys)}")
    for key, choices in CHOICES.items():
        value = entry.get("flavour", "total") if key == "flavour" else require(entry, key, str, where)
        if value not in choices:
            raise InputError(f"{where}: {key} is '{value}', expected {', '.join(choices)}.{nearest(value, choices)}")
    targets = _catalogue()["targets"]
    for target in require(entry, "target", list, where):
        pair = targets.get(target) if isinstance(target, str) else target
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(n, (int, float)) for n in pair)):
            raise InputError(
                f"{where}: target is {target!r}, expected {', '.join(targets)}, or [protons, nucleons]."
                f"{nearest(target, targets)}"
            )
    expect(entry.get("columns", {}), dict, f"{where}: 'columns'")
    expect(entry.get("points", []), list, f"{where}: 'points'")
    return entry


def target_names() -> list[str]:
    """Return the targets that have a name."""
    return list(_catalogue()["targets"])


@cache
def _catalogue() -> dict[str, Any]:
    return yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
