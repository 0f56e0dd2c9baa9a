"""Builds the tables of a theory: what is needed, the pieces on disk, evolution, tables, manifest."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..errors import InputError
from ..evolution.interpolation import XGrid
from .atlas import Table, field_xgrid, tables
from .card import ORDER_NAMES, BuildCard
from .checks import evolution_checks
from .compute import compute, missing
from .extra import require_extra
from .fk_writer import write_fk_table
from .join import Evolved, Joined, evolution_ranges
from .manifest import Manifest
from .observables import Distribution, known_datasets
from .parts import Inventory
from .progress import Progress


@dataclass(frozen=True)
class Request:
    """What to build.

    Attributes
    ----------
    card : Mapping
        The theory card.
    output : Path
        Folder of the theory.
    datasets : sequence of str
        None for all that are known.
    jobs : int
        Number of processes.
    q2min, w2min : float
        Points of measurements are computed above both, in GeV2.
    variations : Mapping of str to Mapping
        What sibling theories are called after, and the keys of the card that they change.
    cfactors : Path or None
        Folder of K-factors that goes with the tables.
    """

    card: Mapping[str, Any]
    output: Path
    datasets: Sequence[str] | None = None
    jobs: int = 1
    q2min: float = 3.49
    w2min: float = 12.5
    variations: Mapping[str, Mapping[str, Any]] | None = None
    cfactors: Path | None = None


def build(request: Request, progress: Progress) -> list[Path]:
    """Build a theory and its siblings.

    Returns
    -------
    list of Path
        The folders, the theory's own first.

    Raises
    ------
    InputError
        For a card with which nothing can be built, a dataset without prediction, or an output folder that belongs to
        another card.
    """
    theories = _theories(request)
    wanted = tables(request.datasets or known_datasets(), request.q2min, request.w2min)
    for _, parameters in theories:
        evolution_ranges(BuildCard.read(parameters), _scales(wanted))
    require_extra()
    for folder, parameters in theories:
        _claim(folder, parameters)
    if request.card.get("ModEv", "EXA") != "EXA":
        progress.note(f"the card's ModEv is {request.card['ModEv']}; the tables hold the exact solution (ModEv: EXA)")
    grid = XGrid(field_xgrid())
    inventory = Inventory.open(request.output / "parts", BuildCard.read(request.card), grid)
    seconds = {"coefficient functions": _pieces(request, grid, inventory, wanted, progress)}
    for folder, parameters in theories:
        _write_theory(folder, parameters, grid, inventory, wanted, request, dict(seconds), progress)
    return [folder for folder, _ in theories]


def _theories(request: Request) -> list[tuple[Path, dict[str, Any]]]:
    """Return each theory's folder and card, every card checked."""
    theories: list[tuple[Path, Mapping[str, Any]]] = [(request.output, {})]
    for name, change in (request.variations or {}).items():
        theories.append((request.output.with_name(f"{request.output.name}_{name}"), change))
    cards = []
    for folder, change in theories:
        parameters = {**request.card, **change}
        card = BuildCard.read(parameters, f"card of {folder.name}")
        made = f"{ORDER_NAMES[card.order]}, {card.scheme}; made by nnpdf_lite, exact solution of evolution"
        cards.append((folder, {**parameters, "ModEv": "EXA", "Comments": made}))
    return cards


def _claim(folder: Path, parameters: Mapping[str, Any]) -> None:
    """Take a folder for a card, or refuse it when it holds something else."""
    path = folder / "theory.yaml"
    if path.is_file():
        try:
            held = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            held = None
        held = held if isinstance(held, dict) else {}
        keys = [key for key in {**parameters, **held} if key != "Comments"]
        changed = [key for key in keys if held.get(key) != parameters.get(key)]
        if changed:
            raise InputError(
                f"{folder}: holds the tables of another theory card ({', '.join(map(str, changed[:5]))} differ); "
                "choose another --output"
            )
        return
    if folder.is_dir() and {entry.name for entry in folder.iterdir()} - {"parts"}:
        raise InputError(f"{folder}: exists and is not the output of an earlier build; choose another --output")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(parameters), sort_keys=False), encoding="utf-8")


def _pieces(
    request: Request, grid: XGrid, inventory: Inventory, wanted: Sequence[Table], progress: Progress
) -> float:
    started = time.monotonic()
    todo = missing(wanted, inventory)
    with progress.stage("coefficient functions", len(todo), "scales") as stage:
        compute(
            BuildCard.read(request.card), grid, inventory, todo, request.jobs,
            lambda task: stage.advance(f"{task.table.name}, Q2 = {task.q2:.4g} GeV2"),
        )  # fmt: skip
    return time.monotonic() - started


def _write_theory(
    folder: Path,
    parameters: Mapping[str, Any],
    grid: XGrid,
    inventory: Inventory,
    wanted: Sequence[Table],
    request: Request,
    seconds: dict[str, float],
    progress: Progress,
) -> None:
    card = BuildCard.read(parameters)
    started = time.monotonic()
    with progress.stage(f"evolution, {folder.name}", 1, "theory") as stage:
        evolved = Evolved(card, grid, _scales(wanted))
        stage.advance("")
    seconds["evolution"] = time.monotonic() - started
    started = time.monotonic()
    with progress.stage(f"checks of evolution, {folder.name}", 1, "theory") as stage:
        checks = evolution_checks(evolved)
        stage.advance("")
    seconds["checks"] = time.monotonic() - started
    manifest = Manifest.start(folder, card, (request.q2min, request.w2min))
    started = time.monotonic()
    with progress.stage(f"tables, {folder.name}", len(wanted), "tables") as stage:
        for table in wanted:
            path = folder / "fastkernel" / f"{table.name}.pineappl.lz4"
            kinematics = np.array([table.q2, table.x, table.y]).T
            write_fk_table(path, _joined(table, evolved, inventory), kinematics, card.evolution.q0, _labels(table, card))
            manifest.add(table, path)
            stage.advance(table.name)
    seconds["tables"] = time.monotonic() - started
    if request.cfactors is not None:
        shutil.copytree(request.cfactors, folder / "cfactor", dirs_exist_ok=True)
    manifest.finish(checks, seconds)


def _scales(wanted: Sequence[Table]) -> set[float]:
    """Return all Q2 (GeV2) at which PDFs are evolved; combinations of the evolution basis are those of Q0."""
    evolving = [table for table in wanted if not isinstance(getattr(table.observable, "parton", None), str)]
    return {q2 for table in evolving for q2, _ in table.scales()}


def _joined(table: Table, evolved: Evolved, inventory: Inventory) -> Joined:
    if isinstance(table.observable, Distribution):
        return evolved.distribution(table)
    values = np.zeros((len(table.x), len(evolved.channels), len(evolved.grid)))
    for q2, rows in table.scales():
        maps = inventory.load(table, q2, rows)
        if maps is None:
            raise InputError(f"{inventory.path(table, q2)}: vanished or changed during the build; start it again")
        if maps:
            values[rows] = evolved.rows(maps, q2)
    return Joined(evolved.grid.x, evolved.channels, values * evolved.grid.x)


def _labels(table: Table, card: BuildCard) -> dict[str, object]:
    observable = table.observable
    what = f"x f({observable.parton})" if isinstance(observable, Distribution) else observable.measures
    return {
        "observable": what,
        "dataset": table.dataset,
        "computed_mask": table.wanted.tolist(),
        "theory": dict(card.parameters),
        "solution": "exact",
        "q20": str(card.evolution.q0**2),
    }
