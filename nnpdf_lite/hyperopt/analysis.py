"""What a finished scan shows: tables of trials and parameters, importance of parameters, correlation of folds, cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

#: Classes of a number, and how often losses are shuffled.
CLASSES, SHUFFLES = 5, 200
#: Fewest trials from which importance says something.
FEWEST = 20


def parameter_table(trials: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per trial: number, state, loss, epochs done, and its parameters, those that it has.

    Columns of nested keys are dotted; layers are ``layers`` (how many) and ``units`` (of all hidden layers together).
    """
    rows = []
    for trial in trials:
        row = {"trial": trial["trial"], "state": trial["state"], "loss": trial.get("loss")}
        for name, value in _flat({**trial["model"]["parameters"], **_others(trial["model"])}).items():
            if name == "nodes_per_layer":
                row |= {"layers": len(value) - 1, "units": sum(value[:-1])}
            else:
                row[name.replace("optimizer.optimizer_name", "optimizer")] = "none" if value is None else value
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(loss=pd.to_numeric(table["loss"], errors="coerce")) if rows else table


def scanned_parameters(table: pd.DataFrame) -> list[str]:
    """Return the columns of a `parameter_table` in which trials differ."""
    names = [name for name in table if name not in ("trial", "state", "loss")]
    return [name for name in names if table[name].dropna().astype(str).nunique() > 1]


def is_number(column: pd.Series) -> bool:
    """Return whether the values of a parameter are numbers."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in column.dropna())


def best_table(trials: Sequence[Mapping[str, Any]], number: int = 15) -> pd.DataFrame:
    """Return the rows of the best trials, the best first, with the losses of their folds."""
    table = parameter_table(trials)
    for k in range(max((len(t["folds"]["loss"]) for t in trials if "folds" in t), default=0)):
        losses = {t["trial"]: t["folds"]["loss"][k] for t in trials if "folds" in t}
        table.insert(3 + k, f"fold {k + 1}", table["trial"].map(losses))
    table.insert(3, "fitted", table["trial"].map({t["trial"]: np.mean(t["folds"]["fitted"]) for t in trials if "folds" in t}))
    return table[table["state"] == "ok"].sort_values(["loss", "trial"]).head(number).drop(columns="state")


def importance(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Estimate how much each parameter alone matters for the loss, from a `parameter_table`; empty with fewer than 20 trials.

    The estimator is the correlation ratio ``eta^2``: the share of the variance of the loss's rank, over the trials that have
    a loss, that lies between classes of the parameter (its values, or fifths of the trials for a number; trials of
    another branch of the space, which do not have it, are left out), less what it is on average when the losses are
    shuffled. 0: does not matter; 1: decides all. What parameters do only together it does not see.

    Returns
    -------
    pandas.DataFrame
        ``parameter``, ``importance``, ``error`` (its standard deviation when nothing matters), the most important first.
    """
    done = table[np.isfinite(table["loss"].to_numpy(float))]
    rng = np.random.default_rng(seed)
    rows = []
    for name in scanned_parameters(done):
        having = done.dropna(subset=[name])
        classes = _classes(having[name])
        if len(having) < FEWEST or len(set(classes)) < 2:
            continue
        ranks = having["loss"].rank().to_numpy()
        chance = [_correlation_ratio(classes, rng.permutation(ranks)) for _ in range(SHUFFLES)]
        found = _correlation_ratio(classes, ranks) - np.mean(chance)
        rows.append({"parameter": name, "importance": found, "error": np.std(chance)})
    result = pd.DataFrame(rows, columns=["parameter", "importance", "error"])
    return result.sort_values("importance", ascending=False, ignore_index=True)


def fold_correlation(trials: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rank correlation (K, K) between the losses of folds over finished trials: do they agree on what is good?"""
    losses = np.array([t["folds"]["loss"] for t in trials if t["state"] == "ok"], dtype=float)
    names = [f"fold {k + 1}" for k in range(losses.shape[1])] if losses.ndim == 2 else []
    return pd.DataFrame(losses, columns=names).corr("spearman").rename_axis("fold").reset_index()


def cost_table(trials: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Tabulate trials and time by how they ended."""
    rows = []
    for state in ("ok", "pruned", "failed"):
        chosen = [t for t in trials if t["state"] == state]
        cpu, wall = (sum(t["seconds"][name] for t in chosen) for name in ("cpu", "wall"))
        rows.append({"trials": state, "number": len(chosen), "processor hours": cpu / 3600, "hours": wall / 3600,
                     "seconds each": wall / len(chosen) if chosen else np.nan})  # fmt: skip
    total = pd.DataFrame(rows)
    last = {"trials": "all", **total[["number", "processor hours", "hours"]].sum().to_dict()}
    last["seconds each"] = 3600 * last["hours"] / max(last["number"], 1)
    return pd.concat([total, pd.DataFrame([last])], ignore_index=True).astype({"number": int})


def _others(model: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in model.items() if name != "parameters"}


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {above + name: value}
    return flat


def _classes(column: pd.Series) -> np.ndarray:
    """Return the class of each trial: fifths of the trials for a number of many values, else its values."""
    if is_number(column) and column.nunique() > CLASSES:
        return pd.qcut(column.astype(float), CLASSES, labels=False, duplicates="drop").to_numpy()
    return pd.Categorical(column.map(str)).codes


def _correlation_ratio(classes: np.ndarray, values: np.ndarray) -> float:
    counts, sums = np.bincount(classes), np.bincount(classes, values)
    means = sums / np.maximum(counts, 1)
    return float((counts * (means - values.mean()) ** 2).sum() / ((values - values.mean()) ** 2).sum())
