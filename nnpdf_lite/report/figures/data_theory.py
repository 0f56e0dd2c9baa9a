"""Data beside theory: along their kinematics, in the units of the measurement, and as ratio to the theory."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..style import FAINT, INK, PALETTE, superscript
from .curves import DASHES, plain

_UNSHIFTED = (0, (3, 2))
_OTHER = PALETTE[3]
#: Points, in one figure, from which on they are rasterised.
DENSE = 150


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a measurement beside theory.

    Attributes
    ----------
    points : pandas.DataFrame
        One row per point: ``group`` (points of one value are a line), ``along`` (abscissa), ``data``, ``uncorrelated``,
        ``total``, ``theory``, ``theory_sigma``, ``shifted_theory``.
    others : pandas.DataFrame
        Predictions of other sets, a column per set, of the same index.
    title, xlabel, ylabel, grouplabel, label : str
        May hold LaTeX; ``label`` names the theory, ``grouplabel`` the variable of groups.
    logarithmic : bool
        Scale of the abscissa.
    """

    points: pd.DataFrame
    others: pd.DataFrame
    title: str
    xlabel: str
    ylabel: str
    grouplabel: str
    label: str
    logarithmic: bool = False

    def table(self) -> pd.DataFrame:
        """One row per point."""
        return pd.concat([self.points, self.others], axis=1)


def data_theory(data: Points, ax: Axes) -> Axes:
    """Draw data and theory along their abscissa, a line per group, lines moved apart by factors or summands.

    Points with uncorrelated errors; theory with its uncertainty, dashed before and solid after the shifts by correlated
    systematics that suit the data best.
    """
    factor, shifts = _separation(data.points)
    for i, (value, line) in enumerate(data.points.groupby("group", sort=False)):
        colour = PALETTE[i % 3]
        scale, summand = (factor ** shifts[i], 0.0) if factor > 1 else (1.0, shifts[i])
        moved = {column: line[column] * scale + summand for column in ("data", "theory", "shifted_theory")}
        sigma = line.theory_sigma * scale
        ax.fill_between(
            line.along, moved["theory"] - sigma, moved["theory"] + sigma, color=colour, alpha=0.3, linewidth=0
        )
        for column, dashes in zip(data.others, DASHES[1:]):
            ax.plot(
                line.along,
                data.others.loc[line.index, column] * scale + summand,
                color=_OTHER,
                linewidth=0.8,
                linestyle=dashes,
            )
        ax.plot(line.along, moved["theory"], color=colour, linewidth=0.8, linestyle=_UNSHIFTED)
        ax.plot(line.along, moved["shifted_theory"], color=colour, linewidth=1.1)
        _bars(ax, line.along, moved["data"], line.uncorrelated * scale, 0.8, len(data.points) > DENSE)
        ax.annotate(
            _line_label(value, factor, shifts[i]), (line.along.iloc[-1], moved["theory"].iloc[-1]), xytext=(5, 0),
            textcoords="offset points", fontsize=8, va="center", color=colour, annotation_clip=False,
        )  # fmt: skip
    ax.set(xlabel=data.xlabel, ylabel=data.ylabel, xscale="log" if data.logarithmic else "linear")
    ax.set_yscale("log" if factor > 1 else "linear")
    _room_for_labels(ax, data.points.along, data.logarithmic)
    return _finish(
        data, ax, Line2D([], [], color=PALETTE[0], linewidth=0.8, linestyle=_UNSHIFTED), "data, uncorrelated errors"
    )


def data_theory_ratio(data: Points, ax: Axes) -> Axes:
    """Draw data over theory, point by point, groups side by side in the order of their kinematics.

    Thin bars are total errors, thick ones uncorrelated; the band is the uncertainty of the theory, the line the theory
    shifted by correlated systematics.
    """
    points, theory = data.points, data.points.theory.to_numpy()
    number = points.groupby("group", sort=False).ngroup().to_numpy()
    place = np.arange(len(points)) + 1.5 * number
    size = np.abs(theory)
    starts = np.flatnonzero(np.diff(number)) + 1
    # One path for all groups, broken between them.
    broken = np.insert(place, starts, np.nan)

    def over_theory(values: pd.Series) -> np.ndarray:
        return np.insert(values.to_numpy() / theory, starts, np.nan)

    sigma = np.insert(points.theory_sigma.to_numpy() / size, starts, np.nan)
    ax.fill_between(broken, 1 - sigma, 1 + sigma, color=PALETTE[0], alpha=0.25, linewidth=0)
    for column, dashes in zip(data.others, DASHES[1:]):
        ax.plot(broken, over_theory(data.others[column]), color=_OTHER, linewidth=0.9, linestyle=dashes)
    ax.plot(broken, over_theory(points.shifted_theory), color=PALETTE[0], linewidth=1.1)
    ratio = points.data.to_numpy() / theory
    _bars(ax, place, ratio, points.uncorrelated / size, 1.1, len(points) > DENSE)
    _bars(ax, place, ratio, points.total / size, 0.4, len(points) > DENSE)
    ax.axhline(1, color=PALETTE[0], linewidth=0.7)
    groups = points.groupby("group", sort=False)
    if len(groups) > 1:
        ax.vlines(place[starts] - 1.25, 0, 1, transform=ax.get_xaxis_transform(), color=FAINT, linewidth=0.6)
        middles = [place[positions].mean() for positions in groups.indices.values()]
        middles = sorted(middles)
        ax.set_xticks(middles, [_number(v) for v in groups.groups], rotation=90 if len(groups) > 8 else 0, fontsize=8)
    else:
        ax.set_xticks([])
    ax.tick_params(axis="x", length=0)
    ax.set(xlim=(place[0] - 1.5, place[-1] + 1.5), ylim=_limits(ratio, points.total.to_numpy() / size))
    ax.set(xlabel=data.grouplabel, ylabel="data / theory")
    return _finish(data, ax, Patch(facecolor=PALETTE[0], alpha=0.25), "data (thin: total error)")


def _finish(data: Points, ax: Axes, theory: Artist, points: str) -> Axes:
    turned = any(label.get_rotation() for label in ax.get_xticklabels())
    below = 1.1 if turned else 0.62  # inches
    names = [
        Line2D([], [], color=_OTHER, linewidth=0.9, linestyle=dashes) for _, dashes in zip(data.others, DASHES[1:])
    ]
    dot = Line2D([], [], color=INK, marker="o", markersize=2.3, linewidth=1.1)
    handles: list[Artist] = [dot, Line2D([], [], color=PALETTE[0], linewidth=1.1), theory, *names]
    labels = [points, "theory, shifted by systematics", f"{plain(data.label)}, 1σ", *map(plain, data.others)]
    ax.legend(
        handles,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.48, -below / ax.figure.canvas.figure.get_figheight()),
        ncols=2,
        fontsize=8,
    )
    title = data.title + (f", by {data.grouplabel}" if data.grouplabel and ax.get_xlabel() != data.grouplabel else "")
    ax.set_title(title, loc="left", fontsize=10)
    return ax


def _separation(points: pd.DataFrame) -> tuple[float, list[float]]:
    """Return the factor lines are moved apart by powers of, and the powers; or 1, and the summands.

    Lines are moved by factors where values span a wide range, and so that their medians, and their ends, where their
    labels are, ascend by 2 or by a step.
    """
    lines = points.groupby("group", sort=False)
    anchors = lines["theory"].agg(["median", "last"]).to_numpy()
    values = points[["data", "theory"]].to_numpy()
    low, high = values.min(), values.max()
    if low > 0 and high / low > 2.5:
        return 2.0, _ascending(np.log2(anchors), 1.0)
    least = max(float(np.median(lines["data"].agg(np.ptp))), 1e-12)
    power = 10 ** np.floor(np.log10(least))
    return 1.0, _ascending(anchors, float(power * min(m for m in (1, 2, 5, 10) if m * power >= least)))


def _ascending(anchors: np.ndarray, step: float) -> list[float]:
    """Return multiples of ``step`` that, added to the rows (n, 2), make each exceed the one before by it."""
    shifts = [0.0]
    for before, this in itertools.pairwise(anchors):
        shifts.append(step * float(np.ceil(np.max(before + shifts[-1] + 0.999 * step - this) / step)))
    return shifts


def _line_label(value: float, factor: float, shift: float) -> str:
    if not shift or not np.isfinite(value):
        return _number(value)
    return _number(value) + (f"  ×2{superscript(int(shift))}" if factor > 1 else f"  {shift:+.3g}")


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else ""


def _room_for_labels(ax: Axes, along: pd.Series, logarithmic: bool) -> None:
    low, high = along.min(), along.max()
    if logarithmic:
        decades = max(np.log10(high / low), 0.3)
        ax.set_xlim(low / 10 ** (0.05 * decades), high * 10 ** (0.25 * decades))
    else:
        room = (high - low) or 1.0
        ax.set_xlim(low - 0.05 * room, high + 0.25 * room)


def _limits(ratio: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Return limits that show nearly all points, but not the whole error of the worst."""
    low, high = np.quantile(np.concatenate([ratio - error, ratio + error]), [0.03, 0.97])
    half = min(max(1 - low, high - 1, 0.02) * 1.15, 1.5)
    return 1 - half, 1 + half


def _bars(ax: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, width: float, rasterized: bool) -> None:
    """Draw points, and error bars as one path: hundreds of them are a tenth of what ``errorbar`` writes."""
    x, y, error = (np.asarray(values, dtype=float) for values in (x, y, error))
    ends = np.ravel([y - error, y + error, np.full(len(y), np.nan)], "F")
    ax.plot(np.repeat(x, 3), ends, color=INK, linewidth=width, rasterized=rasterized)
    ax.plot(x, y, linestyle="none", marker="o", markersize=2.2, color=INK, markeredgewidth=0, rasterized=rasterized)
