"""A scan of hyperparameters: the best trials, loss against trial and parameters, what matters, folds, cost."""

import pandas as pd

from ...fit.problem import load_data
from ...hyperopt.analysis import (
    best_table,
    cost_table,
    fold_correlation,
    importance,
    is_number,
    parameter_table,
    scanned_parameters,
)
from ...hyperopt.folder import ScanFolder
from ...hyperopt.partitions import fold_counts
from ...runcard import Runcard
from ...runcard.hyperopt_schema import KFold
from ...theory import load_theory
from ..figures.scan import fold_losses, importance_bars, loss_against_number, loss_by_choice, loss_history
from ..page import Code, Figure, Item, Section, Table, Text

_LOSSES = {
    "chi2": "χ² per point of the mean of a fold's replicas to the data that the fold left out",
    "phi2": "the reciprocal of the spread of a fold's replicas on the data that the fold left out",
    "chi2p": "χ² per point to the data that a fold left out, with the PDFs' covariance",
    "logp": "minus the logarithm of the likelihood, per point, of the data that a fold left out, with the PDFs' covariance",
}
_IMPORTANCE = (
    "The share of the variance of the loss's rank between classes of a parameter's values (correlation ratio), less what chance "
    "gives; the band is one standard deviation if nothing mattered. TPE looks where it is good, so what is bad everywhere "
    "it has looked counts little, and parameters that matter only together are not seen."
)
_PARAMETERS = (
    "Of trials that have a loss, pruned ones included, with the loss they had then; axes reach as far as nine in ten of the "
    "finished trials."
)
_FOLDS = "Points by class in each fold, and the rank correlation of the folds' losses over finished trials: do they agree?"


def scan_sections(folder: ScanFolder) -> tuple[Section, ...]:
    """Return the sections of the page of a scan."""
    trials, card = folder.trials(), folder.runcard()
    settings = card.kfold or KFold()
    table = parameter_table(trials)
    cost = cost_table(trials)
    return (
        Section("best", "Best trials", _best(folder, trials, table), f"The loss is {_loss(settings)}."),
        Section("history", "Loss against trial", (_history(table),)),
        Section("importance", "Importance of parameters", _importance(table), _IMPORTANCE),
        Section("parameters", "Parameters", _parameters(table), _PARAMETERS),
        Section("folds", "Folds", _folds(card, settings, trials), _FOLDS),
        Section("cost", "Cost", (Table("cost-table", "time by how trials ended", cost, {"seconds each": ".1f"}),)),
        Section("runcard", "Runcard", (Code("runcard.yml", card.dump()),), "Of the scan, with every default."),
    )


def _loss(settings: KFold) -> str:
    words = {"average": "the average over folds", "best_worst": "that of the worst fold", "std": "the spread over folds"}
    penalties = ", penalties added" if settings.penalties_in_loss else ""
    return f"{_LOSSES[settings.loss_type]}; {words[settings.fold_statistic]}{penalties}"


def _best(folder: ScanFolder, trials: list, table: pd.DataFrame) -> tuple[Item, ...]:
    best = best_table(trials)
    shown = [name for name in best if name in scanned_parameters(table) or name in ("trial", "loss", "fitted") or name.startswith("fold ")]
    if not len(best):
        return (Text("No trial has finished yet.", "missing"),)
    command = f"nnpdf-lite hyperopt best {folder.path.name} > best.yml"
    return (
        Text(f"Trial {best.trial.iloc[0]} is the best: {command}", "note"),
        Table("best-table", "the best trials; fitted: χ² per point to the data that were fitted", best[shown]),
    )


def _history(table: pd.DataFrame) -> Figure:
    return Figure("loss-history", "loss of each trial", loss_history, table[["trial", "state", "loss"]], {}, (8.0, 3.7))


def _importance(table: pd.DataFrame) -> tuple[Item, ...]:
    found = importance(table)
    if not len(found):
        return (Text("Too few trials have a loss yet.", "missing"),)
    return (
        Figure("importance-bars", "importance", importance_bars, found, {}, (6.2, 1.1 + 0.26 * len(found))),
        Table("importance-table", "importance", found, {"importance": ".3f", "error": ".3f"}),
    )


def _parameters(table: pd.DataFrame) -> tuple[Item, ...]:
    figures = []
    done = table[table["loss"].notna()]
    for name in scanned_parameters(done):
        data = done[["trial", "state", name, "loss"]].rename(columns={name: "value"}).dropna()
        number = is_number(data["value"]) and data["value"].nunique() > 5
        draw = loss_against_number if number else loss_by_choice
        data = data.assign(value=data["value"].astype(float) if number else data["value"].astype(str))
        identifier = f"loss-{name.replace('.', '-').replace('_', '-')}"
        figures.append(Figure(identifier, name, draw, data, {"label": name}))
    return tuple(figures) or (Text("No trial has a loss yet.", "missing"),)


def _folds(card: Runcard, settings: KFold, trials: list) -> tuple[Item, ...]:
    datasets = load_data(card, load_theory(card.theory.theoryid))
    sets = pd.DataFrame(
        [(f"fold {i + 1}", ", ".join(fold.datasets), fold.weight) for i, fold in enumerate(settings.partitions)],
        columns=["fold", "left out", "weight"],
    )
    items: list[Item] = [
        Table("fold-sets", "datasets that the fits of a fold leave out", sets),
        Table("fold-counts", "points", fold_counts(settings.partitions, datasets)),
    ]
    if sum(trial["state"] == "ok" for trial in trials) > 2:
        items.append(Figure("fold-correlation", "rank correlation of losses", fold_losses, fold_correlation(trials)))
    return tuple(items)
