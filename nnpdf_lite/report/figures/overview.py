"""Overviews: chi2 of groups of data, where the data are, and tables of numbers as matrices of colours."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from ..style import FAINT, INK, PALETTE
from .curves import plain

MARKERS = "osD^vP*Xh<>d"
_COLOURS = LinearSegmentedColormap.from_list("correlation", ("#00466e", PALETTE[0], "#f7f7f7", PALETTE[1], "#7a3500"))


def chi2_bars(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw chi2 per point of every row, one bar per set of PDFs, and the one-sigma range expected around 1.

    ``data``: columns ``name``, ``ndata`` and one per set of PDFs.
    """
    sets = [column for column in data if column not in ("name", "ndata")]
    positions = np.arange(len(data))
    height = 0.8 / len(sets)
    expected = np.sqrt(2 / data.ndata.to_numpy())
    ax.barh(positions, 2 * expected, 0.94, left=1 - expected, color=FAINT, alpha=0.45, label=r"$1 \pm \sqrt{2/N}$")
    for i, (name, colour) in enumerate(zip(sets, PALETTE)):
        ax.barh(
            positions + (i - (len(sets) - 1) / 2) * height, data[name], 0.86 * height, color=colour, label=plain(name)
        )
    ax.axvline(1, color=INK, linewidth=0.8)
    values = data[sets].to_numpy()
    top = np.nanmax(values) if np.isfinite(values).any() else 1.0
    # One set that a comparison does not describe at all must not hide the others.
    ax.set_xlim(0, min(1.12 * top, max(3.0, 1.6 * np.nanmax(data[sets[0]]))))
    ax.set(
        yticks=positions,
        yticklabels=[f"{row.name} ({row.ndata})" for row in data[["name", "ndata"]].itertuples(index=False)],
    )
    ax.set(ylim=(len(data) - 0.4, -0.6), xlabel=r"$\chi^2/N$")
    ax.tick_params(axis="y", labelsize=9, length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(True, axis="x")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    return ax


def kinematic_coverage(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw where the data are in x and Q2, one colour and marker per group; ``data``: ``group``, ``x``, ``q2``."""
    groups = list(dict.fromkeys(data.group))
    for i, group in enumerate(groups):
        chosen = data[data.group == group]
        ax.scatter(
            chosen.x, chosen.q2, s=11, linewidth=0.5, facecolor="none", edgecolor=PALETTE[i % len(PALETTE)],
            marker=MARKERS[i % len(MARKERS)], label=group, rasterized=len(data) > 1500,
        )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="$x$", ylabel="$Q^2$ (GeV$^2$)")
    ax.legend(loc="upper left", ncols=1, handletextpad=0.2)
    ax.grid(True)
    return ax


@dataclass(frozen=True, eq=False)
class Matrix:
    """Numbers between -1 and 1.

    Attributes
    ----------
    numbers : pandas.DataFrame
        Index and columns say what is correlated with what, in the CSV file.
    rows, columns : sequence of str
        Names in the figure, one per row and column; neighbours of one name are a block.
    xlabel, title : str
        May hold LaTeX.
    """

    numbers: pd.DataFrame
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    xlabel: str = ""
    title: str = ""

    def table(self) -> pd.DataFrame:
        """Return the matrix with the names of its rows, to two decimals: a correlation over 100 replicas is known to 0.1."""
        return self.numbers.round(2).rename_axis("").reset_index()


def correlation_map(data: Matrix, ax: Axes) -> Axes:
    """Draw correlations as colours, blue for negative and orange for positive."""
    image = ax.imshow(data.numbers, vmin=-1, vmax=1, cmap=_COLOURS, aspect="auto", interpolation="nearest")
    for axis, names, draw in ((ax.xaxis, data.columns, ax.axvline), (ax.yaxis, data.rows, ax.axhline)):
        starts = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
        sizes = np.diff([*starts, len(names)])
        labels = [names[i] if size > 0.012 * len(names) else "" for i, size in zip(starts, sizes)]  # room for a line
        axis.set_ticks(starts + sizes / 2 - 0.5, labels, fontsize=8)
        axis.set_tick_params(length=0)
        for start in starts[1:]:
            draw(start - 0.5, color=INK, linewidth=0.4)
    ax.set_xlabel(data.xlabel)
    ax.set_title(data.title, loc="right")
    ax.figure.colorbar(image, cax=ax.inset_axes((1.03, 0, 0.035, 1)), label="correlation")
    return ax
