"""Folds: which datasets each fit of a trial leaves out, by default such that folds are alike in process, x and Q2."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..data import Dataset
from ..errors import InputError
from ..runcard import Runcard
from ..runcard.hyperopt_schema import KFold, Partition

#: Edges between the classes in which points are counted: x, and Q2 in GeV2.
EDGES: Mapping[str, tuple[float, ...]] = {"x": (1e-3, 1e-2, 0.1, 0.3), "Q2": (10.0, 30.0, 100.0, 1000.0)}


def partitions(card: Runcard, datasets: Sequence[Dataset]) -> tuple[Partition, ...]:
    """Return the folds of a card: those written, or the default ones.

    Raises
    ------
    InputError
        If there are fewer datasets than folds, or the cuts leave a fold nothing.
    """
    settings = card.kfold or KFold()
    folds = settings.partitions or balanced_partitions(datasets, settings.folds, settings.always_fitted)
    present = {dataset.name for dataset in datasets if len(dataset.kept)}
    for i, fold in enumerate(folds):
        if not present & set(fold.datasets):
            raise InputError(f"kfold.partitions[{i}]: the cuts leave no point of {', '.join(fold.datasets)}; merge this fold with another")
        if not fold.overfit and present <= set(fold.datasets):
            raise InputError(f"kfold.partitions[{i}]: holds every dataset, so nothing is left to fit; split it")
    return folds


def balanced_partitions(datasets: Sequence[Dataset], folds: int, always_fitted: Sequence[str] = ()) -> tuple[Partition, ...]:
    """Distribute datasets over folds that are alike in the numbers of points by process, experiment, x and Q2.

    Points are counted in classes (``class_counts``). Minimised is ``sum_c sum_k (n_ck - n_c / K)^2 / n_c`` over classes c
    and folds k, so that rare classes count as much as common ones: sets are placed one by one, the largest first, where the
    sum grows least, then moved and swapped as long as that lowers it. No random number is drawn.
    """
    chosen = sorted((d for d in datasets if len(d.kept) and d.name not in always_fitted), key=lambda d: (-len(d.kept), d.name))
    if len(chosen) < folds:
        raise InputError(f"kfold.folds: {folds} folds of {len(chosen)} datasets; expected at most one fold per dataset")
    counts = class_counts(chosen).to_numpy(float)
    home = np.full(len(chosen), -1)
    for i in range(len(chosen)):
        home[i] = min(range(folds), key=lambda fold: _imbalance(counts[: i + 1], np.append(home[:i], fold), folds))
    while (better := _improved(counts, home, folds)) is not None:
        home = better
    names = [sorted(d.name for d, fold in zip(chosen, home) if fold == k) for k in range(folds)]
    return tuple(Partition(datasets=fold) for fold in sorted(names))


def class_counts(datasets: Sequence[Dataset]) -> pd.DataFrame:
    """Count the points of each set (rows) by process and experiment, and in intervals of x and Q2 where the set has them."""
    rows = []
    for dataset in datasets:
        n = len(dataset.kept)
        row = {f"process {dataset.process_type}": n, f"experiment {dataset.experiment}": n, "points": n}
        for name, edges in EDGES.items():
            if name in dataset.kinematics:
                values = np.searchsorted(edges, dataset.kinematics[name].to_numpy(float))
                row |= {f"{name} {_interval(edges, i)}": int((values == i).sum()) for i in range(len(edges) + 1)}
        rows.append(row)
    table = pd.DataFrame(rows, index=[d.name for d in datasets]).fillna(0).astype(int)
    return table.loc[:, table.sum() > 0]


def fold_counts(folds: Sequence[Partition], datasets: Sequence[Dataset]) -> pd.DataFrame:
    """Tabulate the same for folds: a row per class, a column per fold."""
    table = class_counts([d for d in datasets if len(d.kept)])
    columns = {f"fold {i + 1}": table[table.index.isin(fold.datasets)].sum() for i, fold in enumerate(folds)}
    return pd.DataFrame(columns).rename_axis("class").reset_index()


def _interval(edges: Sequence[float], i: int) -> str:
    if i == 0:
        return f"below {edges[0]:g}"
    return f"above {edges[-1]:g}" if i == len(edges) else f"{edges[i - 1]:g} to {edges[i]:g}"


def _imbalance(counts: np.ndarray, home: np.ndarray, folds: int) -> float:
    total = counts.sum(axis=0)
    inside = np.array([counts[home == fold].sum(axis=0) for fold in range(folds)])
    return float(((inside - total / folds) ** 2 / np.maximum(total, 1)).sum())


def _improved(counts: np.ndarray, home: np.ndarray, folds: int) -> np.ndarray | None:
    """Return the best distribution that differs by one set moved or two swapped, if it is better."""
    candidates = []
    for i in range(len(home)):
        for fold in range(folds):
            moved = home.copy()
            moved[i] = fold
            candidates.append(moved)
        for j in range(i):
            swapped = home.copy()
            swapped[[i, j]] = home[[j, i]]
            candidates.append(swapped)
    candidates = [c for c in candidates if len(set(c.tolist())) == folds]
    scores = [_imbalance(counts, candidate, folds) for candidate in candidates]
    best = int(np.argmin(scores))
    return candidates[best] if scores[best] < _imbalance(counts, home, folds) * (1 - 1e-9) else None
