"""Curves with uncertainties of several PDF sets: PDFs, ratios of them, luminosities, effective exponents."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from ...ensembles import Members
from ..style import INK, PALETTE, superscript

if TYPE_CHECKING:
    from matplotlib.typing import LineStyleType

#: Styles of the central lines, so that sets are told apart without colour.
DASHES: "tuple[LineStyleType, ...]" = ("-", (0, (6, 2)), (0, (2, 1.5)), "-.", (0, (4, 1, 1, 1, 1, 1)), (0, (1, 1)))


#: Where the scale ``both`` turns from logarithmic to linear.
_JOINT = 0.1


@dataclass(frozen=True, eq=False)
class Curve:
    """One quantity (X,) of one set: central value, sigma, 68% interval, and its members (R, X) where they are shown.

    ``sigma`` is NaN for a set of one member, which is drawn as a line.
    """

    label: str
    central: np.ndarray
    sigma: np.ndarray
    low: np.ndarray
    high: np.ndarray
    replicas: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)

    @classmethod
    def of(cls, label: str, members: Members, with_replicas: bool = False) -> "Curve":
        """Take the curve of a quantity (M, X)."""
        low, high = members.interval()
        curve = cls(label, members.central, members.sigma, low, high)
        return replace(curve, replicas=members.replicas) if with_replicas else curve


@dataclass(frozen=True, eq=False)
class Curves:
    """What `bands` and its like draw.

    Attributes
    ----------
    x : (X,) array
    curves : tuple of Curve
    xlabel, ylabel, title : str
        May hold LaTeX.
    lines : tuple of float
        Heights of horizontal lines, such as 1 for a ratio.
    """

    x: np.ndarray
    curves: tuple[Curve, ...]
    xlabel: str
    ylabel: str
    title: str = ""
    lines: tuple[float, ...] = ()

    def table(self) -> pd.DataFrame:
        """One row per set and x; the members, where shown, as further columns."""
        tables = []
        for curve in self.curves:
            columns = {"set": curve.label, "x": self.x, "central": curve.central, "sigma": curve.sigma}
            columns |= {"low68": curve.low, "high68": curve.high}
            columns |= {f"replica_{i}": values for i, values in enumerate(curve.replicas, start=1)}
            tables.append(pd.DataFrame(columns))
        return pd.concat(tables, ignore_index=True)


def bands(data: Curves, ax: Axes, xscale: str = "log") -> Axes:
    """Draw every set's one-sigma band and, dashed, its 68% interval; a set of one member as a line."""
    handles = []
    for curve, colour, dashes in zip(data.curves, _cycle(PALETTE), _cycle(DASHES)):
        ax.fill_between(
            data.x, curve.central - curve.sigma, curve.central + curve.sigma, color=colour, alpha=0.25, linewidth=0
        )
        for edge in (curve.low, curve.high):
            ax.plot(data.x, edge, color=colour, linewidth=0.7, linestyle=(0, (3, 2)))
        handles += ax.plot(data.x, curve.central, color=colour, linestyle=dashes, label=plain(curve.label))
    if any(np.isfinite(curve.low).any() for curve in data.curves):
        handles.append(Line2D([], [], color=INK, linewidth=0.7, linestyle=(0, (3, 2)), label="68% (band: 1σ)"))
    return _finish(data, ax, xscale, handles)


def pdf_overview(data: Curves, ax: Axes) -> Axes:
    """Draw one-sigma bands of several flavours of one set, each with its name beside it."""
    ax.axhline(0, color=INK, linewidth=0.6)
    for curve, colour in zip(data.curves, _cycle((*PALETTE, "#7f7f7f"))):
        ax.fill_between(
            data.x, curve.central - curve.sigma, curve.central + curve.sigma, color=colour, alpha=0.35, linewidth=0
        )
        ax.plot(data.x, curve.central, color=colour, label=curve.label)
    set_xscale(ax, "both")
    inside = data.x > 0.02
    top = max(np.max(curve.central[inside]) for curve in data.curves[1:])
    ax.set(xlabel=data.xlabel, ylabel=data.ylabel, xlim=(1e-4, data.x[-1]), ylim=(-0.04 * top, 1.1 * top))
    ax.text(0.98, 0.97, plain(data.title), transform=ax.transAxes, ha="right", va="top")
    ax.grid(True)
    ax.legend(ncols=7, loc="lower left", bbox_to_anchor=(-0.02, 1), columnspacing=1, handlelength=1, borderaxespad=0.2)
    return ax


def replicas(data: Curves, ax: Axes, xscale: str = "log") -> Axes:
    """Draw every member of the first set as a thin line, and the central values of all."""
    handles = []
    for curve, colour, dashes in zip(data.curves, _cycle(PALETTE), _cycle(DASHES)):
        lines = [np.column_stack([data.x, values]) for values in curve.replicas]
        ax.add_collection(LineCollection(lines, color=colour, linewidth=0.5, alpha=0.35, rasterized=True, zorder=1))
        handles += ax.plot(
            data.x, curve.central, color=INK if lines else colour, linestyle=dashes, label=plain(curve.label)
        )
    return _finish(data, ax, xscale, handles)


def uncertainty(data: Curves, ax: Axes, xscale: str = "log") -> Axes:
    """Draw sigma over the central value of every set, in percent."""
    handles = []
    for curve, colour, dashes in zip(data.curves, _cycle(PALETTE), _cycle(DASHES)):
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = 100 * curve.sigma / np.abs(curve.central)
        handles += ax.plot(data.x, relative, color=colour, linestyle=dashes, label=plain(curve.label))
    _finish(data, ax, xscale, handles)
    ax.set_ylim(0, 1.15 * _robust_top(ax))
    return ax


def _finish(data: Curves, ax: Axes, xscale: str, handles: list) -> Axes:
    for height in data.lines:
        ax.axhline(height, color=INK, linewidth=0.7, zorder=1.5)
    ax.grid(True)
    set_xscale(ax, xscale)
    ax.set(xlabel=data.xlabel, ylabel=data.ylabel, xlim=(data.x[0], data.x[-1]))
    ax.set_title(plain(data.title), loc="right")
    low, high = _range(data)
    if high > low:
        ax.set_ylim(low, high)
    ax.legend(handles=handles, loc="best", frameon=True, facecolor="none", edgecolor="none")
    return ax


def set_xscale(ax: Axes, xscale: str) -> None:
    """Set a scale of x: ``log``, ``linear``, or ``both``, logarithmic below 0.1 and linear above, with no kink there."""
    if xscale != "both":
        ax.set_xscale(xscale)
        ax.minorticks_off()
        return
    ax.set_xscale("function", functions=(_log_then_linear, _inverse_log_then_linear))
    ticks = [1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9]
    ax.set_xticks(ticks, [f"10{superscript(round(np.log10(x)))}" if x < 0.01 else f"{x:g}" for x in ticks])


def _log_then_linear(x: np.ndarray) -> np.ndarray:
    x = np.maximum(x, 1e-12)
    return np.where(x < _JOINT, _JOINT * (1 + np.log(x / _JOINT)), x)


def _inverse_log_then_linear(u: np.ndarray) -> np.ndarray:
    return np.where(u < _JOINT, _JOINT * np.exp(np.minimum(u, _JOINT) / _JOINT - 1), u)


def _range(data: Curves) -> tuple[float, float]:
    """Return limits that show the bands where they are not wild, with room for the legend."""
    edges = [
        values
        for c in data.curves
        for values in (c.central, c.central - 1.5 * np.nan_to_num(c.sigma), c.central + 1.5 * np.nan_to_num(c.sigma))
    ]
    values = np.concatenate(edges)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 0.0
    if data.lines == (1.0,):  # a ratio, of which the widest quarter must not hide the rest
        half = float(np.clip(1.5 * np.quantile(np.abs(values - 1), 0.78), 0.02, 1.0))
        return 1 - half, 1 + 1.35 * half
    low, high = np.quantile(values, [0.015, 0.985])
    for height in data.lines:
        low, high = min(low, height), max(high, height)
    room = 0.06 * (high - low)
    return low - room, high + 4 * room


def _robust_top(ax: Axes) -> float:
    heights = np.concatenate([line.get_ydata() for line in ax.lines])
    heights = heights[np.isfinite(heights)]
    return float(min(np.quantile(heights, 0.9) * 1.5, heights.max())) if len(heights) else 1.0


def _cycle(values: tuple) -> "tuple":
    return values * 5


def plain(label: str) -> str:
    """Names of sets are no formulas."""
    return label.replace("$", r"\$")
