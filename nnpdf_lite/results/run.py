"""From a runcard to a fit folder: build the problem, train, and write every replica as soon as it is done."""

import json
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from ..cluster import Pool, connect
from ..errors import InputError
from ..fit.methodologies import scan_models, with_model
from ..fit.on_cluster import train_on_cluster
from ..fit.parallel import train_parallel, training_workers
from ..fit.preparation import prepare, replica_data, replica_masks, split_chi2
from ..fit.problem import Problem, build_problem
from ..fit.training_task import Progress, TrainedReplica, TrainingTask
from ..pdf.parametrisation import FIT_BASES
from ..runcard import Runcard
from ..theory import predict
from .ensemble import ReplicaRecord, arc_lengths, export_xgrid, integrability_numbers
from .fit_folder import FitFolder, check_folder, create_folder, write_replica, write_text


class Watcher:
    """What a run tells whoever watches; this one is silent."""

    def note(self, text: str) -> None:
        """Say something once."""

    def warn(self, text: str) -> None:
        """Say that something is not as it should be."""

    def start(self, n_replicas: int, epochs: int) -> None:
        """Training starts."""

    def update(self, worker: int, progress: Progress) -> None:
        """A block of epochs of one worker's batch is done."""

    def finished(self, record: ReplicaRecord) -> None:
        """A replica is on disk."""

    def stop(self) -> None:
        """Training is over, by success or otherwise."""


def run_fit(
    card: Runcard,
    output: Path,
    replicas: Sequence[int] | None = None,
    *,
    resume: bool = False,
    checkpoint_interval: float = 60.0,
    cluster: str | None = None,
    watcher: Watcher | None = None,
) -> FitFolder:
    """Fit replicas of a runcard into the folder ``output``.

    Parameters
    ----------
    card : Runcard
    output : Path
        New, or a folder of the same runcard: replicas are added to it.
    replicas : sequence of int, optional
        Replica numbers; by default 1 to ``card.replicas``.
    resume : bool
        Keep replicas already there and continue from checkpoints; without it, replicas already there are an error.
    checkpoint_interval : float
        Seconds between checkpoints.
    cluster : str, optional
        Where to train (``nnpdf_lite.cluster.connect``); by default in one process per core of this machine.
    watcher : Watcher, optional
        Told how the fit proceeds.

    Raises
    ------
    InputError
        For any mistake in the runcard, the data, the theory or the folder.
    """
    watcher = watcher or Watcher()
    numbers = list(replicas) if replicas is not None else list(range(1, card.replicas + 1))
    started = time.monotonic()
    if not numbers or min(numbers) < 0:
        raise InputError(f"replicas: {numbers}; expected at least one replica number, none of them negative")
    folder = check_folder(output, card, resume=resume)
    present = sorted(set(folder.finished()) & set(numbers))
    if present and not resume:
        raise InputError(
            f"{output}: replica {present[0]} is there already ({len(present)} of {len(numbers)} wanted); "
            "use --resume to keep them and fit the others, or choose another --output"
        )
    missing = [n for n in numbers if n not in present]
    if not missing:
        watcher.note(f"all {len(numbers)} replicas are there already")
        return folder
    problem = build_problem(card)
    models = folder_models(folder.models_path, card)
    task = prepare(problem, card, numbers, models=models)
    loaded = time.monotonic() - started
    with open_pool(cluster, watcher) as pool:
        create_folder(output, card)  # only now: all mistakes that a card can have have been looked for
        keep_models(folder.models_path, models)
        watcher.note(
            f"{problem.n_data} points, {len(missing)} replicas, {workers_text(len(numbers), card, pool)}; "
            f"data and theory loaded in {loaded:.1f} s"
        )
        train_and_write(
            task,
            lambda replica: (folder, problem),
            folder.training_path,
            present,
            resume=resume,
            checkpoint_interval=checkpoint_interval,
            loaded=loaded,
            pool=pool,
            watcher=watcher,
        )
    return folder


def folder_models(path: Path, card: Runcard) -> tuple[Runcard, ...]:
    """Return the models of a card's ``trial_specs``: those that a fit has begun with, kept in the file ``path``, or the best of the scan now."""
    if card.trial_specs is None:
        return ()
    try:
        models = json.loads(path.read_text())
    except FileNotFoundError:
        models = scan_models(card)
    return tuple(with_model(card, model, card.trial_specs.override) for model in models)


def keep_models(path: Path, models: tuple[Runcard, ...]) -> None:
    """Keep the models of a fit in its folder: the scan may go on, or go away."""
    if models and not path.exists():
        kept = [{"parameters": m.mapping()["parameters"], "diagonal_frac": m.diagonal_frac} for m in models]
        write_text(path, json.dumps(kept, indent=1))


def open_pool(cluster: str | None, watcher: Watcher) -> AbstractContextManager[Pool | None]:
    """Open the pool that trains; None stands for processes of our own."""
    return connect(cluster, note=watcher.note) if cluster else nullcontext()


def workers_text(n_replicas: int, card: Runcard, pool: Pool | None) -> str:
    """Say how many workers train."""
    n = pool.count if pool else training_workers(n_replicas, card)
    return f"{n} worker{'s' if n > 1 else ''}"


def train_and_write(
    task: TrainingTask,
    home: Callable[[int], tuple[FitFolder, Problem]],
    training_path: Path,
    present: Collection[int],
    *,
    resume: bool,
    checkpoint_interval: float,
    loaded: float,
    pool: Pool | None = None,
    watcher: Watcher,
) -> None:
    """Train the replicas of a task but those ``present``, and write each as it ends into its fit.

    Parameters
    ----------
    task : TrainingTask
    home : function
        Of a replica number: the fit folder it belongs to, and the problem of that fit.
    training_path : Path
        Folder of checkpoints and logs.
    present : collection of int
        Replicas that are on disk.
    resume : bool
        Continue from checkpoints.
    checkpoint_interval, loaded : float
        Seconds between checkpoints, and that loading took.
    pool : Pool, optional
        Where to train, instead of processes of our own on this machine. Its workers keep no checkpoints.
    watcher : Watcher
    """
    started = time.monotonic()
    cards = task.models or (task.card,)
    watcher.start(len(task.replicas) - len(present), max(card.parameters.epochs for card in cards))
    x = export_xgrid()
    x_export = np.concatenate([x, task.operator.x[: task.operator.n_fk]])
    if pool is None:
        # Shared among workers as the whole request is, so that a resumed run finds its checkpoints.
        workers = training_workers(len(task.replicas), task.card)
        training = train_parallel(
            task, x_export, training_path, skip=present, watch=watcher.update, warn=watcher.warn,
            workers=workers, resume=resume, checkpoint_interval=checkpoint_interval,
        )  # fmt: skip
    else:
        training = train_on_cluster(
            pool, task, x_export, training_path, skip=present, watch=watcher.update, warn=watcher.warn
        )
    try:
        for trained, f, alpha, beta in training:
            folder, problem = home(trained.replica)
            timing = {"loading": loaded, "training": time.monotonic() - started}
            watcher.finished(_write(folder, problem, task, trained, (x, f), alpha, beta, timing))
    finally:
        training.close()  # ends its workers, or what they do for us, now and not when it is collected
        watcher.stop()


def _write(
    folder: FitFolder,
    problem: Problem,
    task: TrainingTask,
    trained: TrainedReplica,
    grid: tuple[np.ndarray, np.ndarray],
    alpha: np.ndarray,
    beta: np.ndarray,
    timing: dict,
) -> ReplicaRecord:
    """Judge a trained replica in double precision and write it."""
    x, values = grid
    f, on_nodes = values[: len(x)], values[len(x) :]
    card = task.card_of(trained.replica)
    nodes = task.operator.x[: task.operator.n_fk]
    prediction = predict(problem.theories, _from_nodes(nodes, on_nodes))[0]
    data = replica_data(problem, card, [trained.replica])[0]
    mask = replica_masks(problem, card, [trained.replica])[0]
    training, validation, chi2 = split_chi2(problem, card, prediction, data, mask)
    names = FIT_BASES[card.fitting.fitbasis].flavours
    record = ReplicaRecord(
        replica=trained.replica,
        best_epoch=trained.best_epoch,
        stop_epoch=trained.stop_epoch,
        training=training,
        validation=validation,
        chi2=chi2,
        passed_positivity=trained.passed_positivity,
        arc_lengths=tuple(arc_lengths(x, f[None])[0].tolist()),
        integrability=tuple(integrability_numbers(x, f[None])[0].tolist()),
        preprocessing=tuple(
            {"fl": name, "smallx": float(a), "largex": float(b)} for name, a, b in zip(names, alpha, beta)
        ),
        attempts=trained.attempts,
        history=trained.history,
    )
    files = {}
    if card.fitting.savepseudodata:
        files["pseudodata.csv"] = _pseudodata_table(problem, data, mask, card).to_csv(index=False)
    write_replica(folder, record, x, f, problem.card.q0, {"timing": timing, "version": versions()}, files)
    return record


def _from_nodes(nodes: np.ndarray, f: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(x) for the FK nodes, where it is known exactly, and x = 1, where it vanishes."""

    def values(x: np.ndarray) -> np.ndarray:
        out = np.zeros((1, len(x), f.shape[1]))
        inside = x < 1
        positions = np.abs(np.log(nodes[None, :] / x[inside, None])).argmin(axis=1)
        out[0, inside] = f[positions]
        return out

    return values


def _pseudodata_table(problem: Problem, data: np.ndarray, mask: np.ndarray, card: Runcard) -> pd.DataFrame:
    names = [(d.name, int(i)) for d in problem.datasets for i in d.kept]
    table = pd.DataFrame(names, columns=["dataset", "index"])
    table["data"], table["pseudodata"] = problem.central, data
    if not card.diagonal_basis:  # in the diagonal basis no single point trains or validates
        table["trains"] = mask
    return table


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide what a fit gives."""
    found = {}
    for package in ("nnpdf_lite", "tensorflow", "numpy", "pineappl", "hoppet"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
