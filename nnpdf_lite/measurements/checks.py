"""Checks of a commondata folder: every mistake at once, each with its file, its key and what was expected."""

import itertools
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Uncertainties, cholesky, covariance
from ..data.dataset import Dataset, TheoryMetadata
from ..errors import InputError, nearest
from ..theory.predictions import OPERATIONS
from ..theory_build.observables import OWN, read_prediction
from .check_files import central_values, kinematic_values, uncertainty_values
from .check_theory import check_theory
from .findings import Finding, Findings, collapsed, points
from .vocabulary import (
    OBSERVABLE_KEYS,
    PLOTTING_KEYS,
    PROCESSES,
    REFERENCE_KEYS,
    SET_KEYS,
    THEORY_KEYS,
    VARIANT_KEYS,
    name_mistake,
)

_FILE = "metadata.yaml"


def check_folder(folder: str | Path, theory: str | None = None) -> list[Finding]:
    """Check a dataset's folder.

    Parameters
    ----------
    folder
        The folder of a set.
    theory
        Name or folder of a theory whose FK tables are to predict the set.

    Returns
    -------
    list of Finding
        Errors and warnings in the order of the files; none for a set without mistakes.

    Raises
    ------
    InputError
        If there is no such folder, or no such theory.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        siblings = [one.parent.name for one in folder.absolute().parent.glob("*/metadata.yaml")]
        raise InputError(
            f"{folder}: there is no such folder; expected one with {_FILE}.{nearest(folder.name, siblings)}"
        )
    found = Findings()
    if not (folder / _FILE).is_file():
        near = nearest(_FILE, (path.name for path in folder.iterdir()))
        found.error(_FILE, "", f"the file does not exist in {folder}.{near}")
        return found
    metadata = found.document(folder, _FILE, "")
    if metadata is not None:
        _check_set(folder, metadata, theory, found)
    return collapsed(found)


def _check_set(folder: Path, metadata: dict[str, Any], theory: str | None, found: Findings) -> None:
    good = found.keys(_FILE, "", metadata, SET_KEYS)
    for key in ("arXiv", "iNSPIRE", "hepdata"):
        if good.get(key):
            found.keys(_FILE, key, good[key], REFERENCE_KEYS)
    if "nnpdf_metadata" in good:
        for key in ("nnpdf31_process", "experiment"):
            if key not in good["nnpdf_metadata"]:
                found.error(
                    _FILE, f"nnpdf_metadata.{key}", f"the key is missing.{nearest(key, good['nnpdf_metadata'])}"
                )
    setname = good.get("setname")
    if setname is not None and setname != folder.resolve().name:
        found.error(_FILE, "setname", f"is '{setname}', expected the name of its folder, '{folder.resolve().name}'")
    observables = good.get("implemented_observables")
    if observables is not None and not observables:
        found.error(_FILE, "implemented_observables", "is empty, expected at least one observable")
    named: dict[str, int] = {}
    for i, observable in enumerate(observables or []):
        where = f"implemented_observables[{i}]"
        content = found.keys(_FILE, where, observable, OBSERVABLE_KEYS)
        name = content.get("observable_name")
        if name is not None:
            if name.upper() in named:
                found.error(
                    _FILE, f"{where}.observable_name", f"is '{name}', the name of observable {named[name.upper()]} too"
                )
            named.setdefault(name.upper(), i)
            _check_name(f"{setname or folder.resolve().name}_{name}", name, f"{where}.observable_name", found)
        _check_observable(folder, content, f"{setname or folder.resolve().name}_{name}", where, theory, found)
    _check_unused(folder, metadata, found)
    _check_predictions(folder, list(named), found)


def _check_name(full: str, name: str, where: str, found: Findings) -> None:
    if "_" in name:
        found.error(_FILE, where, f"is '{name}', expected no underscore: it stands behind the last one of a dataset's name. "
                                  f"Did you mean '{name.replace('_', '-')}'?")  # fmt: skip
    elif mistake := name_mistake(full):
        found.error(_FILE, where, mistake)


def _check_observable(
    folder: Path, content: dict[str, Any], name: str, where: str, theory: str | None, found: Findings
) -> None:
    process = content.get("process_type")
    if process is not None and process.upper() not in PROCESSES:
        found.error(
            _FILE,
            f"{where}.process_type",
            f"is '{process}', expected one of {', '.join(PROCESSES)}.{nearest(process, PROCESSES)}",
        )
    n = content.get("ndata")
    if n is not None and n < 1:
        found.error(_FILE, f"{where}.ndata", f"is {n}, expected at least 1")
        n = None
    plotting = (
        found.keys(_FILE, f"{where}.plotting", content["plotting"], PLOTTING_KEYS) if "plotting" in content else {}
    )
    kinematics = kinematic_values(folder, content, process, n, where, found)
    _check_plotting(plotting, content, where, found)
    is_measured = not name.startswith("NNPDF_")
    for variant, chosen, place in _choices(content, where, found):
        needs_files = variant is None or any(
            chosen.get(key) != content.get(key) for key in ("data_central", "data_uncertainties")
        )
        if is_measured and needs_files:
            _check_measurement(folder, chosen, n, place, name if variant is None else f"{name}:{variant}", found)
        if variant is None or chosen.get("theory") != content.get("theory"):
            _check_prediction(chosen, name, place, theory, kinematics, n, found)


def _check_measurement(
    folder: Path, chosen: dict[str, Any], n: int | None, where: str, name: str, found: Findings
) -> None:
    """Check central values and uncertainties; a set whose variants alone have uncertainties is one without mistake."""
    if not chosen.get("data_uncertainties"):
        if not any((variant or {}).get("data_uncertainties") for variant in (chosen.get("variants") or {}).values()):
            found.error(
                _FILE, f"{where}.data_uncertainties", "is empty, and no variant has any; expected a list of files"
            )
        return
    central = central_values(folder, chosen, n, where, found)
    uncertainties = uncertainty_values(folder, chosen, n, central, where, found)
    if central is not None and uncertainties is not None:
        _check_covariance(central, uncertainties, name, found)


def _choices(content: dict[str, Any], where: str, found: Findings) -> Iterator[tuple[str | None, dict[str, Any], str]]:
    """Yield each variant's name, what the observable becomes with it, and where it stands; the plain observable first."""
    yield None, content, where
    for variant, changes in (content.get("variants") or {}).items():
        place = f"{where}.variants.{variant}"
        good = found.keys(_FILE, place, changes, VARIANT_KEYS)
        yield variant, {**content, **{key: value for key, value in good.items() if value is not None}}, place


def _check_plotting(plotting: dict[str, Any], content: dict[str, Any], where: str, found: Findings) -> None:
    coverage, extra = content.get("kinematic_coverage") or [], plotting.get("extra_labels") or {}
    known = [*map(str, coverage), *extra, "idat", "k1", "k2", "k3"]
    if plotting.get("plot_x") and coverage and plotting["plot_x"] not in known:
        found.warning(_FILE, f"{where}.plotting.plot_x", f"is '{plotting['plot_x']}', expected one of {', '.join(known[:-4])}."
                                                         f"{nearest(plotting['plot_x'], known[:-4])}")  # fmt: skip


def _check_covariance(central: np.ndarray, uncertainties: Uncertainties, name: str, found: Findings) -> None:
    """Check that the errors leave no combination of points without one."""
    values = uncertainties.values
    file = "uncertainties" if ":" not in name else f"uncertainties of variant {name.partition(':')[2]}"
    scaled = (uncertainties.treatment == "MULT") & (uncertainties.kind != "SKIP") & values.any(axis=0)
    zero = np.flatnonzero(central == 0)
    if len(zero) and scaled.any():
        found.warning(file, "MULT", f"{points(zero)}: the value is 0, to which multiplicative errors cannot be relative; a fit with "
                                    "t0 needs ADD there, or a cut")  # fmt: skip
    n = len(central)
    dataset = Dataset(
        name, (), "", "", "", central, None, uncertainties, TheoryMetadata(()), {}, n, np.arange(n), Path(".")
    )
    covmat = covariance([dataset])
    bare = np.flatnonzero(np.diag(covmat) <= 0)
    if len(bare):
        found.error(file, "", f"{points(bare)}: no uncertainty, expected one above 0")
        return
    correlation = covmat / np.sqrt(np.outer(np.diag(covmat), np.diag(covmat)))
    try:
        cholesky(correlation, [name] * n)
    except InputError:
        eigenvalues, vectors = np.linalg.eigh(correlation)
        main = np.argsort(-np.abs(vectors[:, 0]))[:3]
        found.error(file, "", f"the covariance matrix is not positive definite: the smallest eigenvalue of its correlation matrix is "
                              f"{eigenvalues[0]:.2g}, of a combination mostly of {points(np.sort(main))}; expected an uncorrelated "
                              "error, or one point fewer where points add up to a constant")  # fmt: skip


def _check_prediction(
    chosen: dict[str, Any],
    name: str,
    where: str,
    theory: str | None,
    kinematics: dict | None,
    n: int | None,
    found: Findings,
) -> None:
    if chosen.get("theory") is None:
        found.warning(_FILE, f"{where}.theory", "is missing: the set can be looked at, but not be predicted or fitted")
        return
    place = f"{where}.theory"
    good = found.keys(_FILE, place, chosen["theory"], THEORY_KEYS)
    tables = good.get("FK_tables")
    if tables is None:
        return
    if not tables or any(not isinstance(operand, list) or not operand for operand in tables):
        found.error(
            _FILE,
            f"{place}.FK_tables",
            f"is {tables!r:.60}, expected a list of lists of names: one list for each operand",
        )
        return
    operation = str(good.get("operation") or "NULL").upper()
    operation = "NULL" if operation == "NONE" else operation
    if operation not in OPERATIONS:
        found.error(
            _FILE,
            f"{place}.operation",
            f"is '{operation}', expected one of {', '.join(OPERATIONS)}.{nearest(operation, OPERATIONS)}",
        )
    elif len(tables) != OPERATIONS[operation][0]:
        found.error(
            _FILE,
            f"{place}.FK_tables",
            f"has {len(tables)} operands, expected {OPERATIONS[operation][0]} for {operation}",
        )
    if theory is not None:
        check_theory(name, good, tables, theory, kinematics, n, place, found)


def _check_unused(folder: Path, metadata: dict[str, Any], found: Findings) -> None:
    """Warn of data files that nothing names: usually a name was misspelt, or an observable forgotten."""
    used = set(_texts(metadata))
    for path in sorted(
        itertools.chain(*(folder.glob(f"{kind}*.yaml") for kind in ("data", "kinematics", "uncertainties")))
    ):
        if path.name not in used:
            found.warning(path.name, "", f"no observable or variant of {_FILE} uses this file")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif isinstance(value, str) and re.search(r"\.ya?ml$", value):
        yield value


def _check_predictions(folder: Path, names: list[str], found: Findings) -> None:
    if not (folder / OWN).is_file():
        return
    for name, entry in (found.document(folder, OWN, "") or {}).items():
        if str(name).upper() not in names:
            found.error(OWN, str(name), f"there is no such observable in {_FILE}.{nearest(name, names)}")
        elif not isinstance(entry, dict):
            found.error(OWN, str(name), f"is {entry!r}, expected a mapping")
        else:
            found.attempt(OWN, str(name), partial(read_prediction, entry, "what is measured"))
