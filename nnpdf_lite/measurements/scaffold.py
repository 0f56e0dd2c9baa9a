"""Writing a dataset: a published table becomes a folder in the commondata layout."""

import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ..data.documents import read_document
from ..errors import InputError, nearest
from ..theory_build.observables import OWN, read_prediction
from .hepdata import read_table
from .matrices import covariance_of, matrix_sources, read_matrix
from .recognition import kinematics
from .source import Column, SourceTable
from .systematics import ErrorRule, Source, sources
from .vocabulary import PROCESSES, TREATMENTS, VARIABLES, name_mistake


@dataclass(frozen=True)
class Recipe:
    """How a published table becomes a dataset.

    Attributes
    ----------
    name : str
        Of the dataset, ``vocabulary.NAME_RULE``.
    table : str
        File of the table; further ``table_name``, ``value`` and ``skip`` as for `hepdata.read_table`.
    process : str
        One of ``vocabulary.PROCESSES``.
    columns : mapping
        Variable -> column or number, where names alone do not tell.
    errors : tuple of str
        Rules (`systematics.ErrorRule`).
    covariance : tuple of str
        ``FILE`` or ``FILE:MULT``: matrices that are added up; then only errors that rules name are added.
    correlation : tuple of str
        ``LABEL=FILE``: correlation of one error of the table.
    sqrts : float or None
        Energy in GeV.
    factor : float
        Multiplies values and errors: a change of units, a branching fraction.
    fk_tables, operation, conversion_factor
        How it is predicted; by default one table of the dataset's name.
    prediction : mapping
        What is measured, for ``theory build``: keys of ``prediction.yaml``; empty when tables come from elsewhere.
    label, units, arxiv, hepdata, journal : str
        For figures and references.
    """

    name: str
    table: str
    process: str
    table_name: str | None = None
    value: str | None = None
    skip: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    covariance: tuple[str, ...] = ()
    correlation: tuple[str, ...] = ()
    sqrts: float | None = None
    factor: float = 1.0
    fk_tables: tuple[str, ...] = ()
    operation: str = "null"
    conversion_factor: float = 1.0
    prediction: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    units: str = ""
    arxiv: str = ""
    hepdata: str = ""
    journal: str = ""


@dataclass(frozen=True, eq=False)
class NewDataset:
    """What was written: n points, and where each part of it came from.

    Attributes
    ----------
    folder : Path
    central : (n,) array
    shift : (n,) array
        By which asymmetric errors moved the published values; ``central`` includes it.
    kinematics : dict
        Variable -> values and their origin.
    sources : list of Source
    left_out : int
        Rows of the published table without a value.
    """

    folder: Path
    central: np.ndarray
    shift: np.ndarray
    kinematics: dict[str, tuple[Column, str]]
    sources: list[Source]
    left_out: int

    def kinematics_table(self) -> pd.DataFrame:
        """One row per variable: its origin and range."""
        rows = [(name, origin, c.centre.min(), c.centre.max()) for name, (c, origin) in self.kinematics.items()]
        return pd.DataFrame(rows, columns=["variable", "from", "min", "max"])

    def sources_table(self) -> pd.DataFrame:
        """One row per source: its origin, treatment, type and mean size in percent of the data."""
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = [100 * np.nanmean(np.abs(source.values / self.central)) for source in self.sources]
        rows = [(s.name, s.description, s.treatment, s.kind, size) for s, size in zip(self.sources, sizes)]
        return pd.DataFrame(rows, columns=["source", "from", "treatment", "type", "percent"])


def new_dataset(recipe: Recipe, parent: str | Path = "datasets") -> NewDataset:
    """Write the dataset of a recipe into ``parent/SET``, which other observables of the set may share.

    Raises
    ------
    InputError
        For any mistake in the recipe, the table or the matrices, or where the dataset exists; nothing is written then.
    """
    setname, observable = _names(recipe)
    if recipe.process not in PROCESSES:
        raise InputError(
            f"--process {recipe.process}: expected one of {', '.join(PROCESSES)}.{nearest(recipe.process, PROCESSES)}"
        )
    if recipe.prediction:
        read_prediction(dict(recipe.prediction), "prediction")
    folder = Path(parent).expanduser() / setname
    old = _existing(folder, setname, observable)
    table = read_table(recipe.table, recipe.value, recipe.table_name, recipe.skip)
    variables = kinematics(table, recipe.process, recipe.columns, recipe.sqrts)
    found, shift = _uncertainties(recipe, table)
    found = [dataclasses.replace(source, values=recipe.factor * source.values) for source in found]
    shift = recipe.factor * shift
    central = recipe.factor * table.value.mid + shift
    made = NewDataset(folder, central, shift, variables, found, table.n_published - len(table.rows))
    files: dict[str, dict[str, Any]] = {
        f"data_{observable}.yaml": {"data_central": _plain(central)},
        f"kinematics_{observable}.yaml": {"bins": _kinematic_bins(variables)},
        f"uncertainties_{observable}.yaml": _uncertainty_document(found),
        "metadata.yaml": _metadata(recipe, setname, observable, made, table, old),
    }
    if recipe.prediction:
        own = read_document(folder / OWN) if (folder / OWN).is_file() else {}
        files[OWN] = own | {observable: dict(recipe.prediction)}
    _write(folder, files)
    return made


def _names(recipe: Recipe) -> tuple[str, str]:
    mistake = name_mistake(recipe.name)
    if mistake:
        raise InputError(f"name of the dataset: {mistake}")
    setname, _, observable = recipe.name.rpartition("_")
    return setname, observable


def _existing(folder: Path, setname: str, observable: str) -> dict[str, Any] | None:
    """Return the metadata of other observables of the set, if there are any."""
    if not folder.exists():
        return None
    if not (folder / "metadata.yaml").is_file():
        raise InputError(
            f"{folder}: exists and holds no metadata.yaml; nothing was written. Choose another --output or name"
        )
    old = read_document(folder / "metadata.yaml")
    taken = [
        str(one.get("observable_name")) for one in old.get("implemented_observables") or [] if isinstance(one, dict)
    ]
    if observable.upper() in (name.upper() for name in taken):
        raise InputError(
            f"{folder}: has the observable {observable} already; nothing was written. Choose another name or --output"
        )
    return old


def _uncertainties(recipe: Recipe, table: SourceTable) -> tuple[list[Source], np.ndarray]:
    rules = [ErrorRule.parse(text) for text in recipe.errors]
    found, shift = sources(table, rules, given_by_matrix=bool(recipe.covariance))
    for i, text in enumerate(recipe.covariance):
        file, _, treatment = (
            text.rpartition(":") if text.rpartition(":")[2].upper() in TREATMENTS else (text, "", "ADD")
        )
        matrix = read_matrix(file, table)
        name = "cov" if len(recipe.covariance) == 1 else f"cov{i + 1}"
        found += matrix_sources(matrix, name, f"covariance {Path(file).name}", treatment.upper(), file)
    for text in recipe.correlation:
        label, _, file = text.partition("=")
        place = next((i for i, source in enumerate(found) if label in (source.description, source.name)), None)
        if place is None or not file:
            known = [source.description for source in found]
            raise InputError(
                f"--correlation {text}: expected ERROR=FILE with an error of {', '.join(known)}.{nearest(label, known)}"
            )
        source = found.pop(place)
        covmat = covariance_of(read_matrix(file, table), source.values, file)
        found[place:place] = matrix_sources(covmat, source.name, f"correlation of {label}", source.treatment, file)
    return found, shift


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _kinematic_bins(variables: Mapping[str, tuple[Column, str]]) -> list[dict[str, dict[str, float | None]]]:
    parts = {name: (_plain(c.low), _plain(c.centre), _plain(c.high)) for name, (c, _) in variables.items()}
    n = len(next(iter(parts.values()))[0])
    return [
        {name: {"min": low[i], "mid": mid[i], "max": high[i]} for name, (low, mid, high) in parts.items()}
        for i in range(n)
    ]


def _uncertainty_document(found: Sequence[Source]) -> dict[str, Any]:
    definitions = {
        source.name: {"description": source.description, "treatment": source.treatment, "type": source.kind}
        for source in found
    }
    rows = np.column_stack([source.values for source in found]).tolist()
    return {"definitions": definitions, "bins": [dict(zip(definitions, row)) for row in rows]}


def _metadata(
    recipe: Recipe, setname: str, observable: str, made: NewDataset, table: SourceTable, old: dict[str, Any] | None
) -> dict[str, Any]:
    names = list(made.kinematics)
    described = {name: VARIABLES.get(name, (name, "", name)) for name in names}
    label = recipe.label or recipe.name.replace("_", " ")
    entry = {
        "observable_name": observable,
        "observable": {"description": label, "label": label, "units": recipe.units or table.value.units},
        "process_type": recipe.process,
        "tables": [],
        "npoints": [],
        "ndata": len(made.central),
        "plotting": {"dataset_label": label, "plot_x": names[0], "y_label": table.value.name}
        | ({"line_by": [names[1]]} if len(names) > 1 else {})
        | ({"x_scale": "log"} if names[0] in ("x", "Q2") else {}),
        "kinematic_coverage": names,
        "kinematics": {
            "variables": {
                name: {"description": words, "label": symbol, "units": units}
                for name, (symbol, units, words) in described.items()
            },
            "file": f"kinematics_{observable}.yaml",
        },
        "data_central": f"data_{observable}.yaml",
        "data_uncertainties": [f"uncertainties_{observable}.yaml"],
        "theory": {
            "FK_tables": [[name] for name in recipe.fk_tables or (recipe.name,)],
            "operation": recipe.operation,
            "conversion_factor": recipe.conversion_factor,
        },
    }
    if old is not None:
        return old | {"implemented_observables": [*old["implemented_observables"], entry]}
    family = "DIS CC" if recipe.prediction.get("current") == "CC" else PROCESSES[recipe.process].family
    references = {
        "arXiv": {"url": recipe.arxiv, "journal": recipe.journal} if recipe.arxiv else None,
        "hepdata": {"url": recipe.hepdata, "version": 1} if recipe.hepdata else None,
    }
    return {
        "setname": setname,
        "version": 1,
        "version_comment": f"Made by nnpdf-lite dataset new from {Path(recipe.table).name}",
        **{key: value for key, value in references.items() if value},
        "nnpdf_metadata": {"nnpdf31_process": family, "experiment": setname.split("_")[0]},
        "implemented_observables": [entry],
    }


def _write(folder: Path, files: Mapping[str, dict[str, Any]]) -> None:
    """Write documents; a new folder appears when all are there, and in an old one the metadata is replaced last."""
    target = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name, document in files.items():
            text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
            (target / name).write_text(text, encoding="utf-8")
        if not folder.exists():
            os.replace(target, folder)
            return
        for name in sorted(files, key=lambda name: name == "metadata.yaml"):
            os.replace(target / name, folder / name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(target, ignore_errors=True)
