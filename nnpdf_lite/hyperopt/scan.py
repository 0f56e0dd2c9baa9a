"""A scan from runcard to folder: trials are drawn, run wherever there is room, and written as they end."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..cluster import connect
from ..errors import InputError
from ..fit.methodologies import best_trials, with_model
from ..fit.problem import build_problem
from ..runcard import Runcard
from ..runcard.hyperopt_schema import KFold
from .folder import Claim, ScanFolder, check_scan, create_scan, open_scan
from .history import History
from .partitions import partitions
from .space import check_space, search_space
from .trial import FEWEST, ScanTask, Trial, run_trial, scan_task


class Watcher:
    """What a scan tells whoever watches; this one is silent."""

    def note(self, text: str) -> None:
        """Say something once."""

    def start(self, done: int, trials: int, workers: int) -> None:
        """Trials begin; ``done`` of them are there already."""

    def finished(self, line: dict[str, Any], trials: list[dict[str, Any]]) -> None:
        """A trial is on disk; ``trials`` are all those that are."""


def run_scan(
    card: Runcard,
    output: Path,
    trials: int,
    *,
    replicas: int = 10,
    seed: int = 1,
    algorithm: str = "tpe",
    workers: int | None = None,
    cluster: str | None = None,
    watcher: Watcher | None = None,
) -> ScanFolder:
    """Scan until the folder ``output`` holds ``trials`` finished trials, those that are there included.

    Parameters
    ----------
    card : Runcard
        With ``hyperscan_config``, and ``kfold`` unless its defaults will do.
    output : Path
        New, or the folder of a scan of the same runcard, which goes on: the trials there are the algorithm's history.
        Several processes may scan into one folder.
    trials : int
    replicas : int
        Of each fold.
    seed : int
        Trial n is a function of seed, n and the trials finished before.
    algorithm : str
        One of ``history.ALGORITHMS``.
    workers, cluster
        Where trials run, as for ``cluster.connect``.

    Raises
    ------
    InputError
        For any mistake in runcard, data, theory or folder, before a trial starts.
    """
    watcher = watcher or Watcher()
    if trials < 1:
        raise InputError(f"--trials {trials}: expected at least 1")
    if replicas < FEWEST:
        raise InputError(f"--replicas {replicas}: expected at least {FEWEST}; a spread needs more than one replica")
    history = History(card, algorithm, seed)
    check_space(card, search_space(card))
    folder, card, task = prepare_scan(card, output, replicas)
    claims: dict[int, Claim] = {}

    def units() -> Iterator[Trial]:
        while (claim := folder.claim(trials)) is not None:
            claims[claim.number] = claim
            history.tell(folder.trials())
            yield history.next(claim.number)

    try:
        with connect(cluster, workers, note=watcher.note) as pool:
            create_scan(folder, card, replicas)
            history.tell(folder.trials())
            watcher.start(len(folder.trials()), trials, pool.count)
            for trial, line in pool.run(run_trial, task, units()):
                folder.append(line | {"algorithm": algorithm, "seed": seed, "finished": time.time()})
                claims.pop(trial.number).release()
                watcher.finished(line, folder.trials())
    finally:
        for claim in claims.values():
            claim.release()
    return folder


def prepare_scan(card: Runcard, output: Path, replicas: int) -> tuple[ScanFolder, Runcard, ScanTask]:
    """Return the folder of a scan, its card with the folds written out, and what its trials share; writes nothing."""
    problem = build_problem(card)
    settings = card.kfold or KFold()
    folds = partitions(card, problem.datasets)
    card = card.model_copy(update={"kfold": settings.model_copy(update={"partitions": folds})})
    folder = check_scan(output, card, replicas)
    key = hashlib.sha256(f"{card.dump()} {replicas}".encode()).hexdigest()
    return folder, card, scan_task(problem, card, folds, replicas, key)


def best_card(path: Path, number: int | None = None, thermalization: int = 0) -> Runcard:
    """Return the runcard of the best trial of a scan, or of trial ``number``: a fit of all data.

    Raises
    ------
    InputError
        If there is no scan, or no such trial that finished.
    """
    folder = open_scan(path)
    trials = folder.trials()
    trial: Mapping[str, Any]
    if number is not None:
        chosen = [trial for trial in trials if trial["trial"] == number]
        if not chosen:
            raise InputError(f"{path}: there is no finished trial {number}")
        trial = chosen[0]
    else:
        (trial,) = best_trials(trials, 1, thermalization)
    card = with_model(folder.runcard(), trial["model"])
    loss = "no loss" if trial.get("loss") is None else f"loss {trial['loss']:.4f}"
    words = f"trial {trial['trial']} of the scan {folder.path.name}, {loss}"
    description = f"{card.description}; {words}" if card.description else words
    return card.model_copy(update={"description": description, "kfold": None})
