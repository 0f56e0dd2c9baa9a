"""Reading a dataset from files in the commondata layout of NNPDF."""

from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from .catalogue import Entry, find_dataset, resolve_legacy_name
from .dataset import Dataset, TheoryMetadata, Uncertainties
from .documents import expect, finite_array, read_document, require

TREATMENTS = ("ADD", "MULT")


def load_dataset(
    name: str,
    variants: Sequence[str] | str | None = (),
    *,
    sys: int | None = None,
    cfac: Sequence[str] = (),
    frac: float = 0.75,
    weight: float = 1.0,
) -> Dataset:
    """Read a dataset with all its points.

    Parameters
    ----------
    name
        ``<set>_<observable>``, or a legacy name when the nnpdf-data package is installed.
    variants
        Variants to apply, in order; a later one wins over an earlier one.
    sys
        Number of an old treatment of systematic uncertainties, with a legacy name.
    cfac, frac, weight
        Runcard settings of the set, carried along.

    Raises
    ------
    InputError
        When the set or a variant does not exist, or its files are missing, malformed or contain numbers that are not
        finite.
    """
    variants = (variants,) if isinstance(variants, str) else tuple(variants or ())
    name, variants = resolve_legacy_name(name, variants, sys)
    entry = find_dataset(name, variants)
    chosen = _apply_variants(entry, variants)
    where = f"{entry.file}: {entry.observable['observable_name']}"
    n = require(chosen, "ndata", int, where)
    if n < 1:
        raise InputError(f"{where}: 'ndata' is {n}, expected at least 1.")
    central, uncertainties = _measurement(entry, chosen, n, where)
    return Dataset(
        name=entry.name,
        variants=variants,
        experiment=_experiment(entry, chosen),
        process_type=require(chosen, "process_type", str, where),
        label=_label(entry, chosen),
        central=central,
        kinematics=_read_kinematics(entry.folder, chosen, n, where),
        uncertainties=uncertainties,
        theory=_theory(chosen.get("theory"), where),
        citation=_citation(entry.set_metadata),
        ndata_total=n,
        kept=np.arange(n),
        folder=entry.folder,
        cfac=tuple(cfac),
        frac=frac,
        weight=weight,
    )


def _apply_variants(entry: Entry, variants: Sequence[str]) -> dict[str, Any]:
    chosen = dict(entry.observable)
    for variant in variants:
        chosen.update({key: value for key, value in entry.variants[variant].items() if value is not None})
    return chosen


def _measurement(entry: Entry, chosen: dict[str, Any], n: int, where: str) -> tuple[np.ndarray, Uncertainties]:
    """Return the central values (n,) and uncertainties, empty for what is a constraint rather than a measurement."""
    if entry.name.startswith("NNPDF_"):
        none = np.array([], dtype=str)
        return np.zeros(n), Uncertainties(np.zeros((n, 0)), none, none, none)
    files = expect(chosen.get("data_uncertainties") or [], list, f"{where}: 'data_uncertainties'")
    if not files:
        choices = ", ".join(entry.variants) or "none"
        raise InputError(
            f"Dataset {entry.name} has no uncertainties without a variant. Choose one of its variants: {choices}."
        )
    central_file = entry.folder / require(chosen, "data_central", str, where)
    values = require(read_document(central_file), "data_central", list, str(central_file))
    central = finite_array(values, (n,), f"{central_file}: 'data_central'")
    parts = [_read_uncertainties(entry.folder / expect(file, str, f"{where}: uncertainty file"), n) for file in files]
    fields = ("treatment", "kind", "names")
    return central, Uncertainties(
        np.concatenate([part.values for part in parts], axis=1),
        *(np.concatenate([getattr(part, field) for part in parts]) for field in fields),
    )


def _read_uncertainties(path: Path, n: int) -> Uncertainties:
    document = read_document(path)
    definitions = require(document, "definitions", dict, str(path))
    for name, definition in definitions.items():
        where = f"{path}: definition of '{name}'"
        expect(definition, dict, where)
        if require(definition, "treatment", str, where) not in TREATMENTS:
            raise InputError(f"{where}: treatment is '{definition['treatment']}', expected ADD or MULT.")
        require(definition, "type", str, where)
    bins = require(document, "bins", list, str(path))
    if len(bins) != n:
        raise InputError(f"{path}: expected {n} bins, found {len(bins)}.")
    return Uncertainties(
        finite_array(_rows(bins, definitions, path), (n, len(definitions)), f"{path}: 'bins'"),
        np.array([definition["treatment"] for definition in definitions.values()], dtype=str),
        np.array([definition["type"] for definition in definitions.values()], dtype=str),
        np.array(list(definitions), dtype=str),
    )


def _rows(bins: list[Any], definitions: dict[str, Any], path: Path) -> list[list[Any]]:
    """Return the uncertainties of each bin in the order of the definitions."""
    found = expect(bins[0], dict, f"{path}: bin 0")
    undefined = [name for name in found if name not in definitions]
    missing = [name for name in definitions if name not in found]
    if len(undefined) != len(missing):
        odd = [*undefined, *missing][0]
        raise InputError(f"{path}: bin 0: '{odd}' stands in only one of the bin and the definitions.")
    # Some published sets spell a source differently in the two places: what is left over pairs up in order.
    spelling = dict(zip(missing, undefined))
    names = [spelling.get(name, name) for name in definitions]
    for index, one in enumerate(bins):
        if expect(one, dict, f"{path}: bin {index}").keys() != bins[0].keys():
            raise InputError(f"{path}: bin {index} does not have the same uncertainties as bin 0.")
    return [[one[name] for name in names] for one in bins]


def load_kinematics(name: str, columns: Sequence[str] = ()) -> tuple[pd.DataFrame, TheoryMetadata]:
    """Read where a dataset was measured and which FK tables predict it, without its uncertainties.

    Parameters
    ----------
    name
        ``<set>_<observable>``.
    columns
        Variables beside those of the kinematic coverage.

    Raises
    ------
    InputError
        When the set does not exist, or its files are missing or malformed.
    """
    entry = find_dataset(name)
    where = f"{entry.file}: {entry.observable['observable_name']}"
    chosen = dict(entry.observable)
    chosen["kinematic_coverage"] = [*require(chosen, "kinematic_coverage", list, where), *columns]
    points = _read_kinematics(entry.folder, chosen, require(chosen, "ndata", int, where), where)
    return points, _theory(chosen.get("theory"), where)


def _read_kinematics(folder: Path, chosen: dict[str, Any], n: int, where: str) -> pd.DataFrame:
    """Return one column per variable of the coverage: the centre of each bin, or the middle of its edges."""
    path = folder / require(require(chosen, "kinematics", dict, where), "file", str, f"{where}: 'kinematics'")
    bins = require(read_document(path), "bins", list, str(path))
    if len(bins) != n:
        raise InputError(f"{path}: expected {n} bins, found {len(bins)}.")
    columns = {}
    for variable in require(chosen, "kinematic_coverage", list, where):
        middles = [_middle(one, variable, f"{path}: bin {index}") for index, one in enumerate(bins)]
        columns[variable] = finite_array(middles, (n,), f"{path}: '{variable}'")
    return pd.DataFrame(columns, index=np.arange(n))


def _middle(bin_values: Any, variable: str, where: str) -> Any:
    edges = require(expect(bin_values, dict, where), variable, dict, where)
    if edges.get("mid") is not None:
        return edges["mid"]
    bounds = [edges.get("min"), edges.get("max")]
    if any(not isinstance(bound, (int, float)) for bound in bounds):
        raise InputError(f"{where}: '{variable}' has neither a 'mid' nor both 'min' and 'max'.")
    return 0.5 * (bounds[0] + bounds[1])


def _theory(theory: Any, where: str) -> TheoryMetadata:
    if theory is None:
        return TheoryMetadata(())
    where = f"{where}: 'theory'"
    expect(theory, dict, where)
    operands = require(theory, "FK_tables", list, where)
    for operand in operands:
        expect(operand, list, f"{where}: operand of 'FK_tables'")
    operation = str(theory.get("operation") or "NULL").upper()
    factor = 1.0 if theory.get("conversion_factor") is None else theory["conversion_factor"]
    return TheoryMetadata(
        fk_tables=tuple(tuple(map(str, operand)) for operand in operands),
        operation="NULL" if operation == "NONE" else operation,
        conversion_factor=float(finite_array(factor, (), f"{where}: 'conversion_factor'")),
        shifts=expect(theory.get("shifts"), (dict, NoneType), f"{where}: 'shifts'"),
        normalization=expect(theory.get("normalization"), (dict, NoneType), f"{where}: 'normalization'"),
    )


def _experiment(entry: Entry, chosen: dict[str, Any]) -> str:
    """Return the variant's experiment, else that of the set, else the first word of its name."""
    common = _mapping(entry.set_metadata, "nnpdf_metadata")
    return str(chosen.get("experiment") or common.get("experiment") or entry.name.split("_")[0])


def _label(entry: Entry, chosen: dict[str, Any]) -> str:
    label = _mapping(chosen, "plotting").get("dataset_label") or _mapping(chosen, "observable").get("label")
    return str(label or entry.name)


def _citation(metadata: dict[str, Any]) -> dict[str, str]:
    """Collect the references a set gives, dropping those left empty in the metadata."""
    references = {
        "arxiv": _mapping(metadata, "arXiv").get("url"),
        "journal": _mapping(metadata, "arXiv").get("journal"),
        "inspire": _mapping(metadata, "iNSPIRE").get("url"),
        "hepdata": _mapping(metadata, "hepdata").get("url"),
    }
    return {key: str(value) for key, value in references.items() if value and value != "https://arxiv.org/abs/"}


def _mapping(document: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a block that only describes the set; one that is missing or malformed does not stop a fit."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}
