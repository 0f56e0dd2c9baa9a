"""How a measurement is shown: names and units of its variables, and along which of them its points are drawn."""

import re
from dataclasses import dataclass
from typing import Any

from .catalogue import find_dataset
from .dataset import Dataset

#: Variables that lines of points may share, the first one that groups them well counts.
_GROUPING = ("x", "Q2", "abs_y", "y", "abs_eta", "eta", "m_ll2", "ystar", "yb", "pT")
_UNITS = {"Q2": "GeV$^2$", "M2": "GeV$^2$"}


@dataclass(frozen=True)
class Presentation:
    """What the metadata of a set say about drawing it; labels may hold LaTeX.

    Attributes
    ----------
    quantity, units
        What was measured, as an axis names it; the units are empty for a pure number.
    labels
        Variable -> its symbol.
    variable_units
        Variable -> its unit, empty for a pure number.
    along
        Variable of the abscissa; None stands for the number of the point.
    by
        Variable whose value the points of a line share; None for a single line.
    logarithmic
        Whether the abscissa is better drawn so.
    """

    quantity: str
    units: str
    labels: dict[str, str]
    variable_units: dict[str, str]
    along: str | None
    by: str | None
    logarithmic: bool


def presentation(dataset: Dataset) -> Presentation:
    """Return how a set is shown, from its metadata where they say so and else from its kinematics."""
    observable = find_dataset(dataset.name, dataset.variants).observable
    plotting = _mapping(observable.get("plotting"))
    variables = {name: _mapping(entry) for name, entry in _mapping(_mapping(observable.get("kinematics")).get("variables")).items()}
    names = list(dataset.kinematics)
    along = plotting.get("plot_x") if plotting.get("plot_x") in names else None
    wanted = [*(plotting.get("line_by") or []), *(plotting.get("figure_by") or []), *_GROUPING]
    by = next((name for name in wanted if name != along and _groups(dataset, name)), None) if along else None
    described = _mapping(observable.get("observable"))
    return Presentation(
        quantity=_quantity(plotting) or str(described.get("label") or dataset.name),
        units=_unit(described.get("units")),
        labels={name: str(variables.get(name, {}).get("label") or name) for name in names},
        variable_units={name: _unit(variables.get(name, {}).get("units")) or _UNITS.get(name, "") for name in names},
        along=along,
        by=by,
        logarithmic=along in ("x", "Q2") or plotting.get("x_scale") == "log",
    )


def _quantity(plotting: dict[str, Any]) -> str:
    """Return the label of the ordinate, without the factors NNPDF moves lines apart by."""
    return re.sub(r"10\^\{[^}]*\}\s*", "", str(plotting.get("y_label") or ""))


def _groups(dataset: Dataset, name: str) -> bool:
    """Whether points share values of a variable: two or more a value, on average."""
    return name in dataset.kinematics and 1 < dataset.kinematics[name].nunique() <= len(dataset) / 2


def _unit(text: Any) -> str:
    return str(text or "").strip().strip("[]")


def _mapping(value: Any) -> dict[str, Any]:
    """Descriptions that are missing or malformed do not stop a report."""
    return value if isinstance(value, dict) else {}
