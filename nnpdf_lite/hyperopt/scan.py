"""A scan from runcard to folder: trials are drawn, run wherever there is room, and written as they end."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
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

#: Trials after which a worker gets a fresh process: oneDNN keeps a kernel for every shape of matrix it has met, 3 to 4 MB a trial.
RENEW = 40


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
    check_numbers(trials, replicas)
    history = History(card, algorithm, seed)
    check_space(card, search_space(card))

    def draw(number: int, finished: list[dict[str, Any]]) -> Trial:
        history.tell(finished)
        return history.next(number)

    def made_by(number: int) -> dict[str, Any]:
        return {"algorithm": algorithm, "seed": seed}

    return _run_trials(card, output, trials, replicas, draw, made_by, workers, cluster, watcher or Watcher())


def judge_again(
    scan: Path,
    output: Path,
    trials: int = 5,
    *,
    replicas: int = 40,
    fitted: float | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    watcher: Watcher | None = None,
) -> ScanFolder:
    """Judge the best trials of a scan again beside the runcard as it is; the result is a scan folder, too.

    The best of many trials owes part of its loss to luck; with more replicas, and pseudo-data, masks and initial weights of
    their own (the seeds of the card plus one), the losses here do not. Trial 1 is the methodology of the runcard that was
    scanned, trial n + 1 the n-th best of the scan (``again`` in its line is its number there), of those whose chi2 to the data
    they fitted is at most ``fitted``. None is pruned.

    Raises
    ------
    InputError
        If ``scan`` is none or has not so many finished trials, or ``output`` holds something else.
    """
    check_numbers(trials, replicas)
    first = open_scan(scan)
    best = best_trials(first.trials(), trials, fitted=fitted)
    card = first.runcard()
    card = card.model_copy(update={name: getattr(card, name) + 1 for name in ("trvlseed", "nnseed", "mcseed")})
    models = [_own_model(card, best[0]["model"]), *(trial["model"] for trial in best)]
    origins = [None, *(trial["trial"] for trial in best)]

    there = {trial["trial"]: trial.get("again") for trial in ScanFolder(Path(output)).trials()}
    if any(number > len(origins) or origins[number - 1] != origin for number, origin in there.items()):
        raise InputError(f"{output}: holds other trials than the {trials} best of {scan}; choose another --output, or remove the folder")

    def draw(number: int, finished: list[dict[str, Any]]) -> Trial:
        return Trial(number, {}, models[number - 1])

    def made_by(number: int) -> dict[str, Any]:
        return {"algorithm": "again", "again": origins[number - 1]}

    return _run_trials(card, output, len(models), replicas, draw, made_by, workers, cluster, watcher or Watcher())


def check_numbers(trials: int, replicas: int) -> None:
    """Raise InputError for numbers of trials or replicas that no scan has."""
    if trials < 1:
        raise InputError(f"--trials {trials}: expected at least 1")
    if replicas < FEWEST:
        raise InputError(f"--replicas {replicas}: expected at least {FEWEST}; a spread needs more than one replica")


def _own_model(card: Runcard, like: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model like ``like`` changes in the card, as the card has it."""
    mapping = card.mapping()
    parameters = {name: mapping["parameters"][name] for name in like["parameters"] if name in mapping["parameters"]}
    return {"parameters": parameters} | {name: mapping[name] for name in like if name != "parameters"}


def _run_trials(
    card: Runcard,
    output: Path,
    trials: int,
    replicas: int,
    draw: Callable[[int, list[dict[str, Any]]], Trial],
    made_by: Callable[[int], dict[str, Any]],
    workers: int | None,
    cluster: str | None,
    watcher: Watcher,
) -> ScanFolder:
    """Run what ``draw`` makes of the numbers up to ``trials`` and of the trials finished before."""
    folder, card, task = prepare_scan(card, output, replicas)
    claims: dict[int, Claim] = {}

    def units() -> Iterator[Trial]:
        while (claim := folder.claim(trials)) is not None:
            claims[claim.number] = claim
            yield draw(claim.number, folder.trials())

    try:
        with connect(cluster, workers, note=watcher.note) as pool:
            create_scan(folder, card, replicas)
            watcher.start(len(folder.trials()), trials, pool.count)
            for trial, line in pool.run(run_trial, task, units(), renew=RENEW):
                folder.append(line | made_by(trial.number) | {"finished": time.time()})
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


def best_card(path: Path, number: int | None = None, fitted: float | None = None) -> Runcard:
    """Return the runcard of the best trial of a scan, or of trial ``number``: a fit of all data.

    ``fitted``: the best of those whose chi2 to the data they fitted is at most this.

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
        (trial,) = best_trials(trials, 1, fitted=fitted)
    card = with_model(folder.runcard(), trial["model"])
    loss = "no loss" if trial.get("loss") is None else f"loss {trial['loss']:.4f}"
    words = f"trial {trial['trial']} of the scan {folder.path.name}, {loss}"
    description = f"{card.description}; {words}" if card.description else words
    return card.model_copy(update={"description": description, "kfold": None})
