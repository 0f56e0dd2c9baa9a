"""Figures of the impact of new data: uncertainties after over before, weights, new data beside theory."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..style import INK, PALETTE
from .curves import DASHES, set_xscale

#: Ways to see the impact, with their colours: as of the second and third set of the bands.
WAYS = {"reweighted": PALETTE[1], "refit": PALETTE[2]}
_MARKERS = {"reweighted": "s", "refit": "^"}


def uncertainty_ratios(data: pd.DataFrame, ax: Axes, xscale: str = "both") -> Axes:
    """Draw sigma after over sigma before against x with its statistical error; ``data``: ``x``, ``ratio_*``, ``error_*``."""
    ax.axhline(1, color=INK, linewidth=0.8)
    top = 1.1
    for (way, colour), dashes in zip(WAYS.items(), DASHES):
        if f"ratio_{way}" not in data:
            continue
        ratio, error = data[f"ratio_{way}"], data[f"error_{way}"]
        ax.fill_between(data.x, ratio - error, ratio + error, color=colour, alpha=0.2, linewidth=0)
        ax.plot(data.x, ratio, color=colour, linestyle=dashes, label=way)
        top = max(top, 1.05 * float(np.nanquantile(ratio + error, 0.95)))
    set_xscale(ax, xscale)
    ax.set(xlabel="$x$", ylabel=r"$\sigma$ after / $\sigma$ before", xlim=(data.x.min(), data.x.max()), ylim=(0, top))
    ax.legend(loc="lower left")
    ax.grid(True)
    return ax


def weight_histogram(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how many replicas have which weight; ``data``: a column for each kind of weights, their mean 1."""
    smallest = 1e-4
    edges = np.geomspace(smallest, max(10.0, 1.1 * float(data.to_numpy().max())), 30)
    for name, colour in zip(data, PALETTE):
        counts, _ = np.histogram(np.maximum(data[name], smallest * 1.001), edges)
        ax.stairs(counts, edges, color=colour, linewidth=1.6, label=name)
    ax.axvline(1, color=INK, linewidth=0.8)
    ax.set(xscale="log", xlabel=f"weight (the first bin holds all below {smallest:g})", ylabel="replicas")
    ax.legend()
    return ax


def alpha_curve(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw P(alpha) of the factor by which errors of the new data are too small; ``data``: ``alpha``, ``p``."""
    ax.plot(data.alpha, data.p, color=PALETTE[0])
    ax.axvline(1, color=INK, linewidth=0.8)
    ax.set(xscale="log", xlabel=r"$\alpha$", ylabel=r"$P(\alpha)$", ylim=(0, None))
    ax.set_xticks([0.3, 0.5, 1, 2, 4], ["0.3", "0.5", "1", "2", "4"])
    ax.minorticks_off()
    ax.grid(True)
    return ax


def new_data_ratio(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw new data and predictions over the prediction before; ``data``: ``data``, ``error``, ``before``, ``sigma``, after."""
    place = np.arange(len(data))
    size = data.before.abs()
    ax.fill_between(place, 1 - data.sigma / size, 1 + data.sigma / size, color=PALETTE[0], alpha=0.25, step="mid", linewidth=0,
                    label="before, 1σ")  # fmt: skip
    ax.errorbar(
        place,
        data.data / data.before,
        data.error / size,
        fmt="o",
        color=INK,
        markersize=3.5,
        linewidth=0.9,
        label="data",
    )
    for way, colour in WAYS.items():
        if way in data:
            ax.plot(place, data[way] / data.before, _MARKERS[way], color=colour, markersize=4, label=way)
    ax.axhline(1, color=PALETTE[0], linewidth=0.8)
    ax.set(xlabel="point", ylabel="over the prediction before", xlim=(-0.6, len(data) - 0.4))
    ax.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    ax.grid(True, axis="y")
    return ax
