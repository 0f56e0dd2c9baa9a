"""Computes the pieces that are missing, in one process or several."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..evolution.interpolation import XGrid
from .atlas import Table
from .card import BuildCard
from .observables import Observable
from .parts import Inventory

if TYPE_CHECKING:
    from .structure_functions import StructureFunctions


@dataclass(frozen=True)
class Task:
    """One piece: the rows of a table at one Q2 (GeV2)."""

    table: Table
    q2: float
    rows: np.ndarray


def tasks(tables: Sequence[Table]) -> list[Task]:
    """Return all pieces of tables, the larger Q2 of each table last."""
    return [
        Task(table, q2, rows)
        for table in tables
        if isinstance(table.observable, Observable)
        for q2, rows in table.scales()
    ]


def missing(tables: Sequence[Table], inventory: Inventory) -> list[Task]:
    """Return the pieces that are not on disk, or not whole."""
    return [task for task in tasks(tables) if inventory.load(task.table, task.q2, task.rows) is None]


def compute(
    card: BuildCard, grid: XGrid, inventory: Inventory, wanted: Sequence[Task], jobs: int, done: Callable[[Task], None]
) -> None:
    """Compute pieces and write them to disk.

    Parameters
    ----------
    card : BuildCard
    grid : XGrid
    inventory : Inventory
    wanted : sequence of Task
    jobs : int
        Number of processes.
    done : callable
        Called in this process after each piece.
    """
    if jobs > 1 and len(wanted) > 1:
        for task in _in_processes(card, grid, inventory, wanted, jobs):
            done(task)
    elif wanted:
        from .structure_functions import StructureFunctions

        functions = StructureFunctions(card, grid)
        for task in wanted:
            _compute(functions, inventory, task)
            done(task)


def _compute(functions: "StructureFunctions", inventory: Inventory, task: Task) -> None:
    from .cross_sections import observable_maps

    table, rows = task.table, task.rows
    assert isinstance(table.observable, Observable)  # `tasks` makes none of others
    maps = observable_maps(functions, table.observable, task.q2, table.x[rows], table.y[rows])
    inventory.save(table, task.q2, rows, maps)


def _in_processes(
    card: BuildCard, grid: XGrid, inventory: Inventory, wanted: Sequence[Task], jobs: int
) -> Iterator[Task]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start_worker, (card, grid, inventory))
    try:
        running = {pool.submit(_work, task): task for task in wanted}
        for finished in as_completed(running):
            finished.result()
            yield running[finished]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


#: Of a worker process: what it keeps between tasks, its caches above all.
_worker: "tuple[StructureFunctions, Inventory]"


def _start_worker(card: BuildCard, grid: XGrid, inventory: Inventory) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    from .structure_functions import StructureFunctions

    _worker = (StructureFunctions(card, grid), inventory)


def _work(task: Task) -> None:
    _compute(*_worker, task)
