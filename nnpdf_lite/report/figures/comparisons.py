"""Numbers per flavour of several sets, and how far sets are from each other."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ..style import INK, PALETTE
from .curves import DASHES, Curves, bands, plain

_MARKERS = "osD^vP"


def distance_curves(data: pd.DataFrame, ax: Axes, column: str = "distance", xscale: str = "log") -> Axes:
    """Draw distances (or ``sigma_distance``, ``pull``) of every flavour against x.

    ``data``: columns ``flavour``, ``label`` (LaTeX), ``x`` and ``column``.
    """
    for i, (label, line) in enumerate(data.groupby("label", sort=False)):
        ax.plot(line.x, line[column], color=PALETTE[i % len(PALETTE)], linestyle=DASHES[i // 3 % 3], label=f"${label}$")
    ax.axhline(1, color=INK, linewidth=0.8)
    top = np.nanmax(data[column]) if data[column].notna().any() else 1.0
    names = {
        "distance": "distance of central values",
        "sigma_distance": r"distance of $\sigma$",
        "pull": r"pull ($\sigma$)",
    }
    ax.set(
        xscale=xscale,
        xlabel="$x$",
        ylabel=names[column],
        xlim=(data.x.min(), data.x.max()),
        ylim=(0, max(2.0, 1.3 * top)),
    )
    ax.legend(ncols=3, loc="upper center", fontsize=8.5)
    ax.grid(True)
    return ax


def interval_points(data: pd.DataFrame, ax: Axes, ylabel: str = "") -> Axes:
    """Draw central value, sigma (thick) and 68% interval (thin) of a number per flavour and set.

    ``data``: columns ``set``, ``label`` (text or LaTeX), ``central``, ``sigma``, ``low68``, ``high68``.
    """
    sets, labels = list(dict.fromkeys(data.set)), list(dict.fromkeys(data.label))
    for i, name in enumerate(sets):
        rows = data[data.set == name]
        place = rows.label.map(labels.index).to_numpy() + 0.6 * ((i + 0.5) / len(sets) - 0.5)
        colour = PALETTE[i % len(PALETTE)]
        ax.vlines(place, rows.low68, rows.high68, color=colour, linewidth=0.9)
        ax.errorbar(
            place, rows.central, rows.sigma, fmt=_MARKERS[i % 6], markersize=4, color=colour, elinewidth=2.4, alpha=0.9,
            label=plain(name),
        )  # fmt: skip
    ax.set_xticks(range(len(labels)), labels)
    ax.set(xlim=(-0.6, len(labels) - 0.4), ylabel=ylabel)
    ax.grid(True, axis="y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8.5, borderaxespad=0.2)
    return ax


def exponent_curves(data: Curves, ax: Axes, ranges: Mapping[str, tuple[float, float]], xscale: str = "log") -> Axes:
    """Draw effective exponents as `bands`, and the ends of ``ranges`` of preprocessing exponents by their name."""
    bands(data, ax, xscale)
    handles, labels = ax.get_legend_handles_labels()
    for (name, ends), dashes in zip(ranges.items(), ((0, (5, 1.5)), (0, (1, 1.2)))):
        lines = [ax.axhline(end, color=INK, linewidth=1.1, linestyle=dashes) for end in ends if np.isfinite(end)]
        handles, labels = [*handles, *lines[:1]], labels + [name] * bool(lines)
    finite = [end for ends in ranges.values() for end in ends if np.isfinite(end)]
    low, high = ax.get_ylim()
    ax.set_ylim(min([low, *(end - 0.1 for end in finite)]), max([high, *(end + 0.1 for end in finite)]))
    ax.legend(handles, labels, fontsize=8.5)
    return ax


def exponent_ranges(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw preprocessing ranges of one exponent: the runcard's, those for the next fit; ``preprocessing_table`` rows."""
    place = np.arange(len(data))
    for shift, colour, low, high in ((-0.12, PALETTE[0], "low", "high"), (0.12, PALETTE[1], "next_low", "next_high")):
        ax.vlines(place + shift, data[low], data[high], color=colour, linewidth=5)
    ax.set_xticks(place, [f"${label}$" for label in data.label])
    ax.set(xlim=(-0.6, len(data) - 0.4), ylabel=rf"$\{data.exponent.iloc[0]}$")
    handles = [Line2D([], [], color=c, linewidth=5, label=t) for c, t in zip(PALETTE, ("runcard", "next fit"))]
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    ax.grid(True, axis="y")
    return ax
