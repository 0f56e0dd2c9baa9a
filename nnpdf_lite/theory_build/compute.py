"""Computes the pieces that are missing, in one process or several."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from ..evolution.interpolation import XGrid
from .atlas import Table
from .card import BuildCard
from .observables import Observable
from .parts import Inventory


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
    if jobs == 1 or len(wanted) < 2:
        _prepare(card, grid, inventory)
        for task in wanted:
            _compute(task)
            done(task)
        return
    for task in _in_processes(card, grid, inventory, wanted, jobs):
        done(task)


def _in_processes(
    card: BuildCard, grid: XGrid, inventory: Inventory, wanted: Sequence[Task], jobs: int
) -> Iterator[Task]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _prepare_worker, (card, grid, inventory))
    try:
        running = {pool.submit(_compute, task): task for task in wanted}
        for finished in as_completed(running):
            finished.result()
            yield running[finished]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_state: tuple = ()


def _prepare_worker(*arguments) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells them when to stop
    _prepare(*arguments)


def _prepare(card: BuildCard, grid: XGrid, inventory: Inventory) -> None:
    global _state
    from .structure_functions import StructureFunctions

    _state = (StructureFunctions(card, grid), inventory)


def _compute(task: Task) -> None:
    from .cross_sections import observable_maps

    functions, inventory = _state
    table, rows = task.table, task.rows
    maps = observable_maps(functions, table.observable, task.q2, table.x[rows], table.y[rows])
    inventory.save(table, task.q2, rows, maps)
