"""Scans of hyperparameters: loss against trial, against each parameter, importance, folds against each other."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..style import FAINT, INK, PALETTE

#: Quantile of the losses up to which figures reach: one trial that went wrong must not hide the others.
SHOWN = 0.9
#: Values per decade from which on an axis is logarithmic.
LOGARITHMIC = 30


def loss_history(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the loss of every trial and the best so far; ``data``: ``trial``, ``state``, ``loss``.

    Failed trials are ticks below, pruned ones are at the upper edge where their loss lies beyond.
    """
    ok, pruned = (data[data.state == state] for state in ("ok", "pruned"))
    ax.scatter(ok.trial, ok.loss, s=12, color=PALETTE[0], linewidth=0, label=f"finished ({len(ok)})")
    low, high = _limits(data)
    ax.scatter(pruned.trial, np.minimum(pruned.loss, high), s=12, color=PALETTE[4], marker="v", linewidth=0,
               label=f"pruned ({len(pruned)})", clip_on=False, zorder=3)  # fmt: skip
    failed = data[data.state == "failed"]
    ax.plot(ok.trial, ok.loss.cummin(), color=PALETTE[1], drawstyle="steps-post", label="best so far")
    ax.plot(failed.trial, np.full(len(failed), low), "|", color=INK, markersize=7, label=f"failed ({len(failed)})", clip_on=False)
    ax.set(xlabel="trial", ylabel="loss", ylim=(low, high), xlim=(0, data.trial.max() + 1))
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4)
    ax.grid(True)
    return ax


def loss_against_number(data: pd.DataFrame, ax: Axes, label: str) -> Axes:
    """Draw the loss against a parameter that is a number, early trials pale. ``data``: ``trial``, ``state``, ``value``, ``loss``."""
    points = ax.scatter(data.value, data.loss, c=data.trial, s=14, cmap="viridis_r", linewidth=0)
    best = data[data.state == "ok"].nsmallest(1, "loss")
    ax.scatter(best.value, best.loss, s=70, facecolor="none", edgecolor=PALETTE[1], linewidth=1.6, label="best")
    values = data.value.to_numpy(float)
    if (values > 0).all() and values.max() > LOGARITHMIC * values.min():
        ax.set_xscale("log")
    ax.figure.colorbar(points, ax=ax, label="trial")
    ax.set(xlabel=label, ylabel="loss", ylim=_limits(data))
    ax.legend()
    ax.grid(True)
    return ax


def loss_by_choice(data: pd.DataFrame, ax: Axes, label: str) -> Axes:
    """Draw the distribution of the loss for each value of a parameter, and every trial. ``data``: as above."""
    names = sorted(data.value.unique(), key=lambda name: data.loss[data.value == name].median())
    for i, name in enumerate(names):
        losses = data.loss[data.value == name].to_numpy()
        losses = losses[losses <= _limits(data)[1]]
        if len(losses) > 2 and np.ptp(losses) > 0:
            ax.violinplot(losses, [i], widths=0.8, showextrema=False)
            ax.collections[-1].set(facecolor=PALETTE[0], alpha=0.25)
        spread = 0.25 * (np.arange(len(losses)) % 7 - 3) / 3
        ax.scatter(i + spread, losses, s=10, color=PALETTE[0], linewidth=0)
    medians = [data.loss[data.value == name].median() for name in names]
    ax.scatter(range(len(names)), medians, marker="_", s=400, color=INK, label="median")
    counts = [f"{name} ({(data.value == name).sum()})" for name in names]
    ax.set(xticks=range(len(names)), xticklabels=counts, xlabel=label, ylabel="loss", ylim=_limits(data))
    ax.legend()
    ax.grid(True, axis="y")
    return ax


def importance_bars(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the importance of each parameter and what chance would give. ``data``: ``parameter``, ``importance``, ``error``."""
    positions = np.arange(len(data))
    ax.barh(positions, 2 * data.error, 0.9, left=-data.error, color=FAINT, alpha=0.6, label="if nothing mattered")
    ax.barh(positions, data.importance, 0.6, color=PALETTE[0])
    ax.set(yticks=positions, yticklabels=data.parameter, ylim=(len(data) - 0.4, -0.6), xlabel="importance")
    ax.legend(loc="lower right")
    ax.grid(True, axis="x")
    return ax


def fold_losses(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the rank correlation of the losses of folds; ``data``: ``fold`` and a column per fold."""
    values = data.drop(columns="fold").to_numpy(float)
    ax.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
    for (i, j), value in np.ndenumerate(values):
        ax.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if abs(value) > 0.6 else "black")
    ax.set(xticks=range(len(data)), xticklabels=data.fold, yticks=range(len(data)), yticklabels=data.fold)
    return ax


def _limits(data: pd.DataFrame) -> tuple[float, float]:
    """Return the limits of an axis of losses: those of finished trials, as far as there are some."""
    finite = data[np.isfinite(data.loss)]
    finite = finite.loss[finite.state == "ok"] if (finite.state == "ok").any() else finite.loss
    if not len(finite):
        return 0.0, 1.0
    low, high = finite.min(), finite.quantile(SHOWN)
    room = max(high - low, 1e-3 * abs(low), 1e-9)
    return float(low - 0.1 * room), float(high + 0.15 * room)
