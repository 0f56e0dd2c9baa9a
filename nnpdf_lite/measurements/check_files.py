"""Checks of what a dataset's files hold: central values, kinematics, uncertainties."""

from pathlib import Path
from typing import Any

import numpy as np

from ..data import Uncertainties
from ..errors import nearest
from .findings import Findings, not_numbers, number, points
from .vocabulary import PROCESSES, TREATMENTS, TYPE_HINTS, TYPES, VARIABLES

_METADATA = "metadata.yaml"
#: Where the values of DIS variables lie: lower end, upper end, and whether the lower one is allowed.
_RANGES = {"x": (0.0, 1.0, False), "Q2": (0.0, np.inf, False), "y": (0.0, 1.0, True)}


def central_values(
    folder: Path, chosen: dict[str, Any], n: int | None, where: str, found: Findings
) -> np.ndarray | None:
    """Return the central values (n,), or None after saying what is wrong with them."""
    if chosen.get("data_central") is None:
        found.error(_METADATA, f"{where}.data_central", "the key is missing, expected the name of a file")
        return None
    document = found.document(folder, chosen["data_central"], f"{where}.data_central")
    if document is None:
        return None
    file = chosen["data_central"]
    values = document.get("data_central")
    if not isinstance(values, list):
        near = "" if "data_central" in document else nearest("data_central", document)
        found.error(file, "data_central", f"expected a list of numbers under this key.{near}")
        return None
    if not found.length(file, "data_central", values, n):
        return None
    if bad := not_numbers(values):
        found.error(file, "data_central", bad)
        return None
    return np.array([number(value) for value in values])


def kinematic_values(
    folder: Path, content: dict[str, Any], process: str | None, n: int | None, where: str, found: Findings
) -> dict[str, np.ndarray] | None:
    """Return the variables of the coverage, each (n,), or None after saying what is wrong with them."""
    coverage, kinematics = content.get("kinematic_coverage"), content.get("kinematics")
    if coverage is not None:
        _check_coverage(coverage, process, where, found)
    if kinematics is None:
        return None
    good = found.keys(_METADATA, f"{where}.kinematics", kinematics, {"variables": (dict, True), "file": (str, True)})
    for variable, words in (good.get("variables") or {}).items():
        found.keys(
            _METADATA, f"{where}.kinematics.variables.{variable}", words,
            {"label": (str, True), "description": (str, False), "units": (str, False)},
        )  # fmt: skip
    for variable in coverage or []:
        if (
            good.get("variables") is not None
            and variable not in good["variables"]
            and not str(variable).startswith("extra_")
        ):
            known = list(good["variables"])
            found.error(_METADATA, f"{where}.kinematic_coverage", f"'{variable}' is not described in kinematics.variables, which has "
                                                                  f"{', '.join(known)}.{nearest(variable, known)}")  # fmt: skip
    document = found.document(folder, good["file"], f"{where}.kinematics.file") if "file" in good else None
    if document is None or coverage is None:
        return None
    bins = document.get("bins")
    if not isinstance(bins, list) or not all(isinstance(one, dict) for one in bins):
        found.error(good["file"], "bins", "expected a list of mappings, one for each point")
        return None
    if not found.length(good["file"], "bins", bins, n):
        return None
    values = {
        str(v): _variable(bins, str(v), good["file"], process, found)
        for v in coverage
        if not str(v).startswith("extra_")
    }
    whole = {name: one for name, one in values.items() if one is not None}
    return whole if len(whole) == len(values) else None


def _check_coverage(coverage: list, process: str | None, where: str, found: Findings) -> None:
    key = f"{where}.kinematic_coverage"
    if not 1 <= len(coverage) <= 3:
        found.error(_METADATA, key, f"has {len(coverage)} variables, expected 1 to 3")
    accepted = (*PROCESSES[process.upper()].variables, "sqrts") if process and process.upper() in PROCESSES else None
    for variable in map(str, coverage):
        if (
            accepted
            and variable not in accepted
            and variable not in ("k1", "k2", "k3")
            and not variable.startswith("extra_")
        ):
            found.warning(_METADATA, key, f"'{variable}' is no variable that process {process} is known by: {', '.join(accepted)}."
                                          f"{nearest(variable, (*accepted, *VARIABLES))}")  # fmt: skip


def _variable(bins: list[dict], variable: str, file: str, process: str | None, found: Findings) -> np.ndarray | None:
    """Return a variable (n,), the middle of each bin."""
    lacking = [i for i, one in enumerate(bins) if variable not in one]
    if lacking:
        others = dict.fromkeys(name for i in lacking for name in bins[i])
        found.error(file, f"bins.{variable}", f"{points(lacking)}: the variable is missing.{nearest(variable, others)}")
        return None
    entries = [one[variable] for one in bins]
    odd = [i for i, entry in enumerate(entries) if not isinstance(entry, dict) or "mid" not in entry]
    if odd:
        found.error(file, f"bins.{variable}", f"{points(odd)}: expected a mapping with min, mid and max")
        return None
    parts = {end: np.array([number(entry.get(end)) for entry in entries]) for end in ("min", "mid", "max")}
    for end in parts:
        written = [
            (i, e.get(end)) for i, e in enumerate(entries) if e.get(end) is not None and np.isnan(number(e.get(end)))
        ]
        if written:
            found.error(
                file,
                f"bins.{variable}.{end}",
                f"{points(i for i, _ in written)}: {written[0][1]!r} is no finite number",
            )
            return None
    middle = np.where(np.isnan(parts["mid"]), 0.5 * (parts["min"] + parts["max"]), parts["mid"])
    if np.isnan(middle).any():
        found.error(
            file,
            f"bins.{variable}",
            f"{points(np.flatnonzero(np.isnan(middle)))}: neither 'mid' nor both 'min' and 'max'",
        )
        return None
    with np.errstate(invalid="ignore"):
        outside = np.flatnonzero((parts["min"] > middle) | (middle > parts["max"]))
    if len(outside):
        found.warning(file, f"bins.{variable}", f"{points(outside)}: 'mid' is not between 'min' and 'max'")
    if process and process.upper().startswith("DIS") and variable in _RANGES:
        low, high, closed = _RANGES[variable]
        beyond = np.flatnonzero((middle < low) | (middle > high) | ((middle == low) & (not closed)))
        if len(beyond):
            upper = f" and at most {high:g}" if np.isfinite(high) else ""
            expected = f"expected {'at least' if closed else 'above'} {low:g}{upper}"
            # Structure functions do not depend on y: what is odd about it need not matter.
            add = found.warning if variable == "y" else found.error
            add(file, f"bins.{variable}", f"{points(beyond)}: {variable} = {middle[beyond[0]]:g}, {expected}")
    return middle


def uncertainty_values(
    folder: Path, chosen: dict[str, Any], n: int | None, central: np.ndarray | None, where: str, found: Findings
) -> Uncertainties | None:
    """Return the uncertainties of all files together, or None after saying what is wrong with them."""
    read = [_one_file(folder, name, n, f"{where}.data_uncertainties", found) for name in chosen["data_uncertainties"]]
    parts = [part for part in read if part is not None]
    if not parts or len(parts) < len(read):
        return None
    names = np.concatenate([part.names for part in parts])
    doubled = sorted({str(name) for name in names if (names == name).sum() > 1})
    if doubled:
        found.warning(
            _METADATA,
            f"{where}.data_uncertainties",
            f"several files define {', '.join(doubled[:5])}: they count as different sources",
        )
    return Uncertainties(
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([part.treatment for part in parts]),
        np.concatenate([part.kind for part in parts]),
        names,
    )


def _one_file(folder: Path, file: Any, n: int | None, key: str, found: Findings) -> Uncertainties | None:
    document = found.document(folder, file, key)
    if document is None:
        return None
    definitions, bins = document.get("definitions"), document.get("bins")
    before = sum(one.severity == "error" for one in found)
    if not isinstance(definitions, dict) or not definitions:
        found.error(file, "definitions", f"expected a mapping of sources.{nearest('definitions', document)}")
        return None
    for name, definition in definitions.items():
        _check_definition(str(name), definition, file, found)
    if not isinstance(bins, list) or not bins or not all(isinstance(one, dict) for one in bins):
        found.error(file, "bins", f"expected a list of mappings, one for each point.{nearest('bins', document)}")
        return None
    if not found.length(file, "bins", bins, n):
        return None
    values = _bin_values(definitions, bins, file, found)
    if values is None or sum(one.severity == "error" for one in found) > before:
        return None
    treatment, kind = (
        np.array([str(definition[field]) for definition in definitions.values()], dtype=str)
        for field in ("treatment", "type")
    )
    return Uncertainties(values, treatment, kind, np.array(list(definitions), dtype=str))


def _check_definition(name: str, definition: Any, file: str, found: Findings) -> None:
    key = f"definitions.{name}"
    known = {"treatment": (str, True), "type": (str, True), "description": (str, False)}
    for word in [word for word in definition if word not in known] if isinstance(definition, dict) else []:
        found.warning(file, f"{key}.{word}", f"unknown key, expected {', '.join(known)}.{nearest(word, known)}")
        definition = {name: value for name, value in definition.items() if name != word}
    good = found.keys(file, key, definition, known)
    treatment, kind = good.get("treatment"), good.get("type")
    if treatment is not None and treatment not in TREATMENTS:
        found.error(
            file, f"{key}.treatment", f"is '{treatment}', expected ADD or MULT.{nearest(treatment, TREATMENTS)}"
        )
    if kind is not None and kind not in TYPES:
        meant = TYPE_HINTS.get(kind.upper()) or (kind.upper() if kind.upper() in TYPES else None)
        if meant:
            found.error(
                file,
                f"{key}.type",
                f"is '{kind}', which correlates all sets with a source of that name. Did you mean '{meant}'?",
            )
    if name.lower() == "stat" and treatment is not None and kind is not None and (treatment, kind) != ("ADD", "UNCORR"):
        found.error(
            file,
            key,
            f"is {treatment} and {kind}: NNPDF's reader takes a source called 'stat' for ADD and UNCORR; rename it",
        )


def _bin_values(definitions: dict, bins: list[dict], file: str, found: Findings) -> np.ndarray | None:
    """Return the values (n, S) in the order of the definitions."""
    written, named = list(bins[0]), [name for name in definitions]
    undefined, missing = [x for x in written if x not in definitions], [x for x in named if x not in bins[0]]
    if len(written) != len(named):
        odd = [*undefined, *missing]
        words = f"'{odd[0]}' stands in only one of them" if odd else "the numbers differ"
        found.error(file, "bins", f"{len(written)} values in point 0 for {len(named)} definitions: {words}."
                                  f"{nearest(odd[0], missing or undefined) if odd and undefined and missing else ''}")  # fmt: skip
        return None
    for defined, other in zip(missing, undefined):
        found.warning(
            file, f"bins.{other}", f"is not defined; it stands in the place of '{defined}', which no point has"
        )
    spelling = dict(zip(missing, undefined))
    order = [spelling.get(name, name) for name in named]
    if order != written:
        first = next(i for i, pair in enumerate(zip(order, written)) if pair[0] != pair[1])
        found.warning(file, "bins", f"sources stand in another order than in the definitions (place {first}: '{written[first]}' for "
                                    f"'{named[first]}'): NNPDF's reader pairs them by place")  # fmt: skip
    uneven = [i for i, one in enumerate(bins) if one.keys() != bins[0].keys()]
    if uneven:
        found.error(file, "bins", f"{points(uneven)}: other sources than in point 0")
        return None
    clean = True
    for name in order:
        if bad := not_numbers(one[name] for one in bins):
            found.error(file, f"bins.{name}", bad)
            clean = False
    return np.array([[number(one[name]) for name in order] for one in bins]) if clean else None
