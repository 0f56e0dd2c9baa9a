"""How the replicas of a fit were trained."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from ...results.ensemble import ReplicaRecord
from ..style import FAINT, INK, PALETTE

#: Colours of training and validation.
SIDES = {"training": PALETTE[0], "validation": PALETTE[1]}


def history_table(records: Sequence[ReplicaRecord]) -> pd.DataFrame:
    """Return one row per replica and recorded epoch: training and validation chi2 per point."""
    tables = [
        pd.DataFrame(record.history, columns=["epoch", "training", "validation"]).assign(replica=record.replica)
        for record in records
    ]
    return pd.concat(tables, ignore_index=True)[["replica", "epoch", "training", "validation"]]


def training_curves(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw training and validation chi2 per point against epochs: every replica thin, the median of those left thick.

    ``data`` is a `history_table`.
    """
    for side, colour in SIDES.items():
        lines = [group[["epoch", side]].to_numpy() for _, group in data.groupby("replica")]
        ax.add_collection(LineCollection(lines, color=colour, linewidth=0.4, alpha=0.35, rasterized=True))
        median = data.groupby("epoch")[side].median()
        ax.plot(median.index, median, color=colour, linewidth=1.8)
    settled = data.groupby("replica").tail(max(1, len(data) // data.replica.nunique() // 2))[list(SIDES)].to_numpy()
    settled = settled[np.isfinite(settled)]
    low, high = np.quantile(settled, [0.0, 0.99]) if len(settled) else (0.0, 1.0)
    room = max(high - low, 1e-3)
    ax.set(xlim=(0, data.epoch.max()), ylim=(low - 0.15 * room, high + 1.1 * room))
    ax.set(xlabel="epoch", ylabel=r"$\chi^2/N$ to the pseudo-data")
    handles = [Line2D([], [], color=colour, linewidth=1.8, label=f"{side}, median") for side, colour in SIDES.items()]
    ax.legend(handles=[*handles, Line2D([], [], color=FAINT, label="replicas")], loc="upper right")
    ax.grid(True)
    return ax


def stopping_epochs(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how many replicas have their best epoch and stop in each interval of epochs; ``data`` is ``Fit.replicas()``."""
    edges = np.linspace(0, max(1, data.stop_epoch.max()), 26).tolist()
    ax.hist(data.best_epoch, edges, color=PALETTE[0], alpha=0.55, label="best epoch")
    ax.hist(data.stop_epoch, edges, color=PALETTE[1], histtype="step", linewidth=1.6, label="training ends")
    ax.set(xlabel="epoch", ylabel="replicas", xlim=(0, edges[-1]))
    ax.grid(True, axis="y")
    ax.legend()
    return ax


def training_validation(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw training against validation chi2 per point at the best epoch, and their mean; ``data`` is ``Fit.replicas()``."""
    kept, vetoed = data[data.kept], data[~data.kept]
    ax.scatter(kept.training, kept.validation, s=16, color=PALETTE[0], label=f"kept ({len(kept)})")
    if len(vetoed):
        ax.scatter(
            vetoed.training, vetoed.validation, s=22, color=PALETTE[1], marker="x", label=f"vetoed ({len(vetoed)})"
        )
    ax.scatter(
        kept.training.mean(), kept.validation.mean(), s=60, color=INK, marker="+", label="mean of the kept", zorder=3
    )
    shown = (kept if len(kept) else data)[["training", "validation"]].to_numpy()
    shown = shown[np.isfinite(shown).all(axis=1)]
    low, high = np.quantile(shown, [0, 0.985]) if len(shown) else (0, 1)
    limits = (low - 0.1 * (high - low) - 1e-3, high + 0.2 * (high - low) + 1e-3)
    ax.plot(limits, limits, color=FAINT, linewidth=1, zorder=0)
    ax.set(xlim=limits, ylim=limits, xlabel=r"training $\chi^2/N$", ylabel=r"validation $\chi^2/N$")
    ax.legend(loc="upper left")
    return ax


def replica_chi2(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the chi2 per point of every replica to the central data; ``data`` is ``Fit.replicas()``."""
    kept, vetoed = (data.chi2[chosen & np.isfinite(data.chi2)] for chosen in (data.kept, ~data.kept))
    low, high = (kept.min(), kept.max()) if len(kept) else (0.0, 1.0)
    edges = np.linspace(low - 1e-9, high + 0.2 * (high - low) + 1e-6, 28).tolist()
    ax.hist(kept, edges, color=PALETTE[0], label=f"kept ({len(kept)})")
    if len(vetoed):
        beyond = int(((vetoed < edges[0]) | (vetoed > edges[-1])).sum())
        ax.hist(
            vetoed,
            edges,
            color=PALETTE[1],
            label=f"vetoed ({len(vetoed)}" + (f", {beyond} outside)" if beyond else ")"),
        )
    ax.set(xlabel=r"$\chi^2/N$ to the central data", ylabel="replicas")
    ax.grid(True, axis="y")
    ax.legend()
    return ax


def positivity_range(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the smallest value of each positivity observable, over its points, for every replica.

    ``data``: columns ``set``, ``replica``, ``smallest``, the latter relative to the set's mean over points.
    """
    names = list(dict.fromkeys(data.set))
    for i, name in enumerate(names):
        values = data.smallest[data.set == name].to_numpy()
        spread = i + 0.5 * (np.arange(len(values)) / max(1, len(values) - 1) - 0.5)
        ax.scatter(
            values, spread, s=5, color=np.where(values < 0, PALETTE[1], PALETTE[0]), linewidth=0, rasterized=True
        )
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_xscale("symlog", linthresh=1e-6)
    ax.set_xticks([-1e-2, -1e-4, 0, 1e-4, 1e-2, 1])
    low = min(-1e-6, 2 * data.smallest.min())
    ax.set(yticks=range(len(names)), yticklabels=names, xlim=(low, 3), ylim=(len(names) - 0.4, -0.6))
    ax.set_xlabel("smallest value / mean size")
    ax.grid(True, axis="x")
    return ax
