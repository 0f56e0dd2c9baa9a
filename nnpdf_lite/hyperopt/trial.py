"""One trial: a model trained on every fold of the data at once, judged on what each fold left out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cluster import report
from ..data import cholesky, covariance
from ..fit.folds import KFolding, KFoldProblem, folded_replicas, prepare_folds
from ..fit.methodologies import with_model
from ..fit.problem import Problem
from ..runcard import Runcard
from ..runcard.hyperopt_schema import KFold, Partition
from .losses import FoldMetrics, LeftOutData, fold_loss, fold_metrics, judged, trial_loss
from .penalties import PENALTIES, PENALTY_X, TrainedFold

if TYPE_CHECKING:
    from ..fit.fold_training import FoldReplicas, FoldTrainer

#: Epochs after which a trial may be given up.
RUNGS = (500, 1000, 2000, 4000, 8000)
#: Rungs at which ``kfold.threshold`` is not looked at yet: a network that has hardly begun is no failure.
FIRST_JUDGED = 2000
#: Fewest replicas of a fold that say something about their spread.
FEWEST = 2


@dataclass(frozen=True)
class ScanTask:
    """What all trials of a scan share; plain arrays, picklable.

    Attributes
    ----------
    key : str
        Tells one scan from another.
    card : Runcard
    replicas : int
        Of each fold.
    problem : KFoldProblem
    left_out : tuple
        Of each fold: positions (n,) of the points left out, and their data.
    weights : tuple of float
        Of each fold.
    """

    key: str
    card: Runcard
    replicas: int
    problem: KFoldProblem
    left_out: tuple[tuple[np.ndarray, LeftOutData], ...]
    weights: tuple[float, ...]

    @property
    def settings(self) -> KFold:
        """How trials are judged."""
        return self.card.kfold or KFold()


@dataclass(frozen=True)
class Trial:
    """A trial to be run.

    Attributes
    ----------
    number : int
        From 1.
    values : Mapping of label to number
        The point in the search space, as hyperopt has it: a position for a choice.
    model : Mapping
        What it changes in the runcard (``fit.methodologies.with_model``).
    limits : Mapping of epoch to float
        Running losses above which the trial is given up.
    """

    number: int
    values: Mapping[str, float]
    model: Mapping[str, Any]
    limits: Mapping[int, float] = field(default_factory=dict)


class GivenUp(Exception):
    """A trial is not worth its time; says which ``state`` it ends in, why, and at which running loss."""

    def __init__(self, state: str, reason: str, loss: float | None = None):
        super().__init__(reason)
        self.state, self.loss = state, loss


def scan_task(problem: Problem, card: Runcard, folds: tuple[Partition, ...], replicas: int, key: str) -> ScanTask:
    """Prepare what all trials share: each fold whitened, in coordinates common to all, and the data it leaves out."""
    prepared = prepare_folds(problem, card, [() if fold.overfit else fold.datasets for fold in folds])
    labels = np.repeat([d.name for d in problem.datasets], [len(d.kept) for d in problem.datasets])
    experimental = covariance(problem.datasets)
    left_out = []
    for fold in folds:
        points = np.flatnonzero(np.isin(labels, fold.datasets))
        factor = cholesky(experimental[np.ix_(points, points)], labels[points])
        left_out.append((points, LeftOutData(problem.central[points], factor)))
    return ScanTask(key, card, replicas, prepared, tuple(left_out), tuple(fold.weight for fold in folds))


def run_trial(task: ScanTask, trial: Trial) -> dict[str, Any]:
    """Train and judge a trial; returns its line in the scan."""
    from ..fit.fold_training import FoldTrainer, forget_graphs

    wall, cpu = time.monotonic(), time.process_time()
    card = with_model(task.card, trial.model)
    folding, folded = _folded(task, card)
    trainer = FoldTrainer(folding, folded, card, task.replicas)
    prepared = time.monotonic() - wall
    rungs: dict[int, float] = {}

    def look(epoch: int, replicas: "FoldReplicas") -> None:
        report(epoch)  # ends the trial if the scan has ended
        folds = [_metrics(task, replicas, fold, running=True) for fold in range(len(task.weights))]
        rungs[epoch] = _losses(task, folds)[1]
        _give_up(task, trial, epoch, folds, rungs[epoch])

    line = {"trial": trial.number, "state": "ok", "loss": None, "model": trial.model, "values": trial.values}
    try:
        line |= _judge(task, card, trainer, trainer.train(look, [rung for rung in RUNGS if rung < card.parameters.epochs]))
    except GivenUp as given_up:
        line |= {"state": given_up.state, "loss": given_up.loss, "reason": str(given_up)}
    del trainer
    forget_graphs()
    seconds = {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu, "preparation": prepared}
    return plain(line | {"running": {str(epoch): loss for epoch, loss in rungs.items()}, "seconds": seconds})


def _give_up(task: ScanTask, trial: Trial, epoch: int, folds: list[FoldMetrics], loss: float) -> None:
    """Raise GivenUp where a trial is hopeless, or does worse than earlier trials did at this epoch."""
    worst = max(_losses(task, folds)[0])
    if epoch >= FIRST_JUDGED and task.settings.loss_type != "phi2" and not worst <= task.settings.threshold:
        raise GivenUp("failed", f"a fold has a loss of {worst:.3g} after {epoch} epochs, above kfold.threshold")
    limit = trial.limits.get(epoch)
    if limit is not None and not loss <= limit:
        raise GivenUp("pruned", f"loss {loss:.4g} after {epoch} epochs; most trials were below {limit:.4g}", loss)


def _judge(task: ScanTask, card: Runcard, trainer: "FoldTrainer", replicas: "FoldReplicas") -> dict[str, Any]:
    """Return what a trained trial adds to its line.

    Raises
    ------
    GivenUp
        If a fold is above the threshold, or too few of its replicas pass positivity.
    """
    settings = task.settings
    epochs = card.parameters.epochs
    folds = [_metrics(task, replicas, fold) for fold in range(len(task.weights))]
    losses, loss = _losses(task, folds)
    penalties: dict[str, list] = {name: [] for name in settings.penalties}
    for fold in range(len(folds)):
        trained = TrainedFold(
            trainer.xf(replicas.parameters[fold], PENALTY_X) if penalties else np.empty(0),
            replicas.validation[fold],
            replicas.best_epoch[fold],
            replicas.passed[fold],
            epochs=epochs,
            patience=trainer.trainer.patience,
        )
        for name, values in penalties.items():
            values.append(PENALTIES[name](trained))
    fitted = [fold.chi2(replicas.z[k], replicas.nonlinear[k]) for k, fold in enumerate(task.problem.folds)]
    means = [
        fold.chi2(replicas.z[k].mean(axis=0, keepdims=True), replicas.nonlinear[k].mean(axis=0, keepdims=True))[0]
        for k, fold in enumerate(task.problem.folds)
    ]
    names = ("training", "validation", "best_epoch", "stop_epoch", "passed")
    found: dict[str, Any] = {
        "folds": {"loss": losses, "fitted": means}
        | {name: [getattr(fold, name) for fold in folds] for name in ("chi2", "phi2", "chi2p", "logp")},
        "replicas": {name: getattr(replicas, name) for name in names}
        | {"chi2": [fold.replicas for fold in folds], "fitted": fitted},
        "penalties": penalties,
    }
    if not max(losses) <= settings.threshold and settings.loss_type != "phi2":
        return found | {"state": "failed", "reason": f"a fold has a loss of {max(losses):.3g}, above kfold.threshold"}
    if settings.penalties_in_loss:
        loss += sum(float(np.mean(values)) for values in penalties.values())
    return found | {"loss": loss}


def _metrics(task: ScanTask, replicas: "FoldReplicas", fold: int, *, running: bool = False) -> FoldMetrics:
    """Compare the replicas of a fold that count with the data it left out; while it runs all may count."""
    passed = replicas.passed[fold]
    if passed.sum() < FEWEST:
        if not running:
            raise GivenUp("failed", f"fold {fold + 1}: {passed.sum()} of {len(passed)} replicas pass positivity")
        passed = np.ones_like(passed)
    chosen = judged(replicas.validation[fold], passed, task.settings.reduce_proportion)
    points, data = task.left_out[fold]
    z, nonlinear = replicas.z[fold, chosen], replicas.nonlinear[fold, chosen]
    n = len(task.problem.predictions)
    linear = points < n
    predictions = np.concatenate(
        [z @ task.problem.predictions[points[linear]].T, nonlinear[:, points[~linear] - n]], axis=1
    )
    if not np.isfinite(predictions).all():
        raise GivenUp("failed", f"fold {fold + 1}: diverged")
    return fold_metrics(predictions, data)


def _losses(task: ScanTask, folds: list[FoldMetrics]) -> tuple[list[float], float]:
    """Return the losses of the folds and that of the trial, without penalties."""
    losses = [fold_loss(fold, task.settings, weight) for fold, weight in zip(folds, task.weights)]
    return losses, trial_loss(np.array(losses), task.settings)


class _Kept:
    """What a process keeps from trial to trial: the folds of its scan, folded, and the inputs of the last ``diagonal_frac``."""

    key: str | None = None
    folding: KFolding | None = None
    diagonal_frac: float | None = None
    folded: Mapping[int, dict[str, np.ndarray]] | None = None


_kept = _Kept()


def _folded(task: ScanTask, card: Runcard) -> tuple[KFolding, Mapping[int, dict[str, np.ndarray]]]:
    """Return the folds, folded, and the inputs of all replicas: they do not depend on the model but for ``diagonal_frac``."""
    folding, folded = _kept.folding, _kept.folded
    if folding is None or _kept.key != task.key:
        folding, folded = KFolding(task.problem), None
    if folded is None or _kept.diagonal_frac != card.diagonal_frac:
        dtype = np.float64 if card.double_precision else np.float32
        folded = folded_replicas(folding, card, task.replicas, dtype)
    _kept.key, _kept.folding, _kept.diagonal_frac, _kept.folded = task.key, folding, card.diagonal_frac, folded
    return folding, folded


def plain(value: Any) -> Any:
    """Return a value as JSON has it; what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
