"""Many fits of one truth in one run: every replica of every fit goes through one batch, where only its data are its own."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from ..fit.preparation import prepare, replica_data
from ..fit.problem import Problem, closure_problem, measured_problem, truth_predictions, with_data
from ..flavours import EVOLUTION_FLAVOURS
from ..pdf.lhapdf_set import load_pdf_set, split_member
from ..results.ensemble import export_xgrid
from ..results.fit import load_fit
from ..results.fit_folder import FitFolder, check_folder, create_folder, first_difference, write_text
from ..results.run import Watcher, folder_models, keep_models, open_pool, train_and_write, workers_text
from ..runcard import Runcard, load_runcard, parse_runcard
from ..runcard.kinds import LARGEST_SEED
from .resampling import FEWEST_REPLICAS

#: Replica numbers have four digits.
LARGEST_REPLICA = 9999


@dataclass(frozen=True)
class ClosureFolder:
    """Where a multi-fit test lies: ``runcard.yml``, the truth, and a fit folder ``fit_01``, ``fit_02``... for each fit."""

    path: Path

    @property
    def training_path(self) -> Path:
        """Folder of the checkpoints and logs of the common training."""
        return self.path / "training"

    def fit_path(self, fit: int) -> Path:
        """Folder of a fit, counted from 0."""
        return self.path / f"fit_{fit + 1:02d}"

    def runcard(self) -> Runcard:
        """Read the runcard of the first fit; its ``replicas`` are those of each fit."""
        return load_runcard(self.path / "runcard.yml")

    def fits(self) -> list[FitFolder]:
        """Return the fit folders, in the order of their numbers."""
        found = [p.parent for p in self.path.glob("fit_*/filter.yml") if p.parent.name[4:].isdigit()]
        return [FitFolder(path) for path in sorted(found, key=lambda path: int(path.name[4:]))]


def leave_out(card: Runcard, datasets: str | None, until: int | None, edge: str | None) -> Runcard:
    """Return the card with a ``left_out`` block: names separated by commas, last year, condition; unchanged if all None.

    Raises
    ------
    InputError
        If the block makes no sense, or the card has one.
    """
    given = {"datasets": datasets and datasets.split(","), "published_after": until, "edge": edge}
    given = {key: value for key, value in given.items() if value is not None}
    if not given:
        return card
    if card.left_out is not None:
        raise InputError("left_out: stands in the runcard; remove it, or the options that say the same")
    return parse_runcard({**card.model_dump(exclude_none=True), "left_out": given}, "--leave-out, --until, --edge")


def fit_card(card: Runcard, fit: int) -> Runcard:
    """Return the runcard of a fit, counted from 0: its noise has a seed of its own."""
    test = card.closure
    return card.model_copy(
        update={"closuretest": test.model_copy(update={"filterseed": test.filterseed + fit})}
    )


def fit_replicas(fit: int, replicas: int) -> range:
    """Return the replica numbers of a fit, counted from 0; no two fits share one."""
    return range(fit * replicas + 1, (fit + 1) * replicas + 1)


def run_closure(
    card: Runcard,
    output: Path,
    fits: int,
    replicas: int,
    *,
    resume: bool = False,
    checkpoint_interval: float = 60.0,
    cluster: str | None = None,
    watcher: Watcher | None = None,
) -> ClosureFolder:
    """Run ``fits`` closure tests of one truth, each with ``replicas`` replicas and noise of its own.

    Fit f, counted from 0, is the fit of the card with ``closuretest.filterseed + f`` and of the replicas f R + 1 to
    (f + 1) R: ``nnpdf-lite fit`` of the card in its folder gives the same replicas.

    Parameters
    ----------
    card : Runcard
        Of the first fit, with a ``closuretest``.
    output : Path
        New, or the folder of the same test: fits are added to it.
    fits, replicas : int
    resume : bool
        Keep what is there and continue from checkpoints; without it, replicas already there are an error.
    checkpoint_interval : float
        Seconds between checkpoints.
    cluster : str, optional
        Where to train (``nnpdf_lite.cluster.connect``); by default in one process per core of this machine.
    watcher : Watcher, optional

    Raises
    ------
    InputError
        For any mistake in the runcard, the data, the theory, the truth or the folder.
    """
    watcher = watcher or Watcher()
    started = time.monotonic()
    _check_request(card, fits, replicas)
    card = card.model_copy(update={"replicas": replicas})
    folder = _check_folder(Path(output), card, resume=resume)
    homes = [check_folder(folder.fit_path(f), fit_card(card, f)) for f in range(fits)]
    present = {r for f, home in enumerate(homes) for r in home.finished() if r in fit_replicas(f, replicas)}
    if present and not resume:
        raise InputError(
            f"{output}: holds {len(present)} of the {fits * replicas} replicas already; use --resume to keep them and "
            "fit the others, or choose another --output"
        )
    if len(present) < fits * replicas:
        measured = measured_problem(card)
        truth = truth_predictions(measured, card)
        problems = _problems(measured, card, truth, fits)
        data = np.concatenate(
            [replica_data(problems[f], card, fit_replicas(f, replicas)) for f in range(fits)]
        )
        models = folder_models(folder.path / "models.json", card)
        task = prepare(problems[0], card, range(1, fits * replicas + 1), data, models)
        loaded = time.monotonic() - started
        with open_pool(cluster, watcher) as pool:
            _create(folder, card, measured, truth)
            keep_models(folder.path / "models.json", models)
            for f in range(fits):
                create_folder(folder.fit_path(f), fit_card(card, f))
            watcher.note(
                f"{fits} fits of {replicas} replicas, {measured.n_data} points, {len(present)} replicas there already; "
                f"{workers_text(fits * replicas, card, pool)}; data and theory loaded in {loaded:.1f} s"
            )
            train_and_write(
                task,
                lambda replica: (homes[(replica - 1) // replicas], problems[(replica - 1) // replicas]),
                folder.training_path,
                present,
                resume=resume,
                checkpoint_interval=checkpoint_interval,
                loaded=loaded,
                pool=pool,
                watcher=watcher,
            )
    for home in homes:
        load_fit(home.path).postfit()
    return folder


def _problems(measured: Problem, card: Runcard, truth: np.ndarray, fits: int) -> list[Problem]:
    """Return the problem of each fit; theory and covariance are the same in all."""
    first = closure_problem(measured, card, truth)
    others = [closure_problem(measured, fit_card(card, f), truth).central for f in range(1, fits)]
    return [first, *(with_data(first, central) for central in others)]


def _check_request(card: Runcard, fits: int, replicas: int) -> None:
    test = card.closuretest
    if test is None:
        raise InputError(
            "closuretest: missing; expected fakedata: true, fakepdf: the truth and fakenoise: true, as in "
            "docs/closure.md"
        )
    if fits < 1:
        raise InputError(f"--fits {fits}: expected at least 1")
    if replicas < FEWEST_REPLICAS:
        raise InputError(
            f"--replicas {replicas}: estimators need at least {FEWEST_REPLICAS} replicas in each fit, and postfit may drop "
            "some; 40 are usual"
        )
    if fits * replicas > LARGEST_REPLICA:
        raise InputError(
            f"--fits {fits} --replicas {replicas}: {fits * replicas} replicas; there are numbers for {LARGEST_REPLICA}"
        )
    if test.filterseed + fits - 1 > LARGEST_SEED:
        raise InputError(
            f"closuretest.filterseed: {test.filterseed} + {fits - 1} exceeds the largest seed, {LARGEST_SEED}"
        )
    if fits > 1 and not test.fakenoise:
        raise InputError(
            f"closuretest.fakenoise: false, so that all {fits} fits would have the same data; write true, or --fits 1"
        )
    if fits > 1 and card.datacuts.t0pdfset is None:
        raise InputError(
            "datacuts.t0pdfset: missing; without it each fit has a covariance of its own, and fits cannot train "
            f"together. Expected a PDF set, best the truth, {test.fakepdf}"
        )


def _check_folder(path: Path, card: Runcard, *, resume: bool) -> ClosureFolder:
    folder = ClosureFolder(path.expanduser().absolute())
    if resume and not folder.path.is_dir():
        raise InputError(f"{path}: nothing to resume, there is no such folder; leave out --resume to start the test")
    if (folder.path / "runcard.yml").is_file():
        there = folder.runcard()
        difference = first_difference(there, card)
        if not difference and there.replicas != card.replicas:
            difference = f"{there.replicas} replicas in each fit there, {card.replicas} here"
        if difference:
            raise InputError(
                f"{path}: exists and holds another closure test ({difference}); nothing was written. Choose another "
                "--output, or remove the folder"
            )
    elif folder.path.exists() and not (folder.path.is_dir() and not any(folder.path.iterdir())):
        raise InputError(f"{path}: exists and is not a closure test; nothing was written. Choose another --output")
    return folder


def _create(folder: ClosureFolder, card: Runcard, measured: Problem, truth: np.ndarray) -> None:
    points = [(d.name, int(i)) for d in measured.datasets for i in d.kept]
    predictions = pd.DataFrame(points, columns=["dataset", "index"]).assign(truth=truth)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        write_text(folder.path / "runcard.yml", card.dump())
        write_text(folder.path / "truth_predictions.csv", predictions.to_csv(index=False))
        write_text(folder.path / "truth.csv", truth_table(card, measured.card.q0).to_csv(index=False))
    except OSError as error:
        raise InputError(f"{folder.path}: cannot be written ({error.strerror or error})") from None


def truth_pdf(card: Runcard, q0: float, x: np.ndarray) -> np.ndarray:
    """Return the truth of a card's closure test, f (X, 14) in the evolution basis at ``x`` (X,) and ``q0`` (GeV)."""
    name, member = split_member(card.closure.fakepdf)
    return load_pdf_set(name).evolution_basis(x, q0, member or 0)


def truth_table(card: Runcard, q0: float) -> pd.DataFrame:
    """Tabulate the truth at Q0: ``x``, and ``x f`` of each member of the evolution basis."""
    x = export_xgrid()
    xf = truth_pdf(card, q0, x) * x[:, None]
    return pd.DataFrame(xf, columns=list(EVOLUTION_FLAVOURS)).assign(x=x)[["x", *EVOLUTION_FLAVOURS]]

