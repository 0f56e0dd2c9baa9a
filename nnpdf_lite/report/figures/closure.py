"""Figures of closure tests: estimators with their errors, pulls, coverage, PDFs around their truth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy import stats

from ..style import FAINT, INK, PALETTE
from .curves import set_xscale


def estimate_points(data: pd.DataFrame, ax: Axes, expected: float | None = 1.0, xlabel: str = "") -> Axes:
    """Draw numbers with their errors, one a line; ``data``: columns ``name``, ``value``, ``error`` (NaN for none)."""
    places = np.arange(len(data))
    if expected is not None:
        ax.axvline(expected, color=INK, linewidth=0.8)
    ax.errorbar(data.value, places, xerr=data.error.fillna(0), fmt="o", color=PALETTE[0], markersize=4, elinewidth=1.2)
    ax.set(yticks=places, yticklabels=data.name, ylim=(len(data) - 0.4, -0.6), xlabel=xlabel)
    return _rows(ax)


def bias_variance_points(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw bias and variance per point of each group; ``data``: ``name``, ``bias``, ``variance`` and their ``... error``."""
    places = np.arange(len(data))
    for name, shift, marker, colour in (("bias", -0.15, "o", PALETTE[1]), ("variance", 0.15, "s", PALETTE[0])):
        errors = data[f"{name} error"].fillna(0)
        ax.errorbar(
            data[name], places + shift, xerr=errors, fmt=marker, color=colour, markersize=4, elinewidth=1.2, label=name
        )
    ax.set(yticks=places, yticklabels=data.name, ylim=(len(data) - 0.4, -0.6), xlabel=r"$\chi^2$ per point")
    ax.set_xlim(min(0, data.bias.min()), None)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    return _rows(ax)


def n_sigma_points(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw n_sigma of each set, a dot per fit, with the mean; ``data``: columns ``name``, ``fit``, ``n_sigma``."""
    names = list(dict.fromkeys(data.name))
    for place, name in enumerate(names):
        values = data.n_sigma[data.name == name].to_numpy()
        ax.scatter(values, np.full(len(values), place), s=9, color=PALETTE[0], alpha=0.6, linewidth=0)
        ax.scatter(values.mean(), place, s=60, color=INK, marker="|")
    for height in (0, 2):
        ax.axvline(height, color=INK, linewidth=0.8, linestyle="-" if not height else (0, (4, 2)))
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6))
    ax.set_xlabel(r"$n_\sigma = (\chi^2 - N)/\sqrt{2N}$")
    return _rows(ax)


def _rows(ax: Axes) -> Axes:
    ax.tick_params(axis="y", labelsize=9, length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(True, axis="x")
    return ax


def pull_histogram(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw a density of pulls beside the normal distribution, and where it would lie if the errors were right.

    ``data``: columns ``low``, ``high`` (edges), ``density``, and ``expected_low``, ``expected_high`` (16% and 84%).
    """
    edges = np.append(data.low, data.high.iloc[-1])
    ax.stairs(data.expected_high, edges, baseline=data.expected_low, fill=True, color=FAINT, alpha=0.7)
    ax.stairs(data.density, edges, color=PALETTE[0], linewidth=1.5)
    x = np.linspace(edges[0], edges[-1], 200)
    ax.plot(x, stats.norm.pdf(x), color=INK, linewidth=0.9)
    ax.set(xlabel="(mean − truth) / σ", ylabel="density", xlim=(edges[0], edges[-1]), ylim=(0, None))
    ax.legend(
        [Line2D([], [], color=PALETTE[0]), Line2D([], [], color=FAINT, linewidth=6), Line2D([], [], color=INK)],
        ["pulls", "expected (68%)", "N(0, 1)"], loc="upper left",
    )  # fmt: skip
    return ax


def coverage_curves(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the coverage found against the nominal one.

    ``data``: columns ``space``, ``nominal``, ``found``, ``low``, ``high`` (what is expected, 16% to 84%).
    """
    ax.plot([0, 1], [0, 1], color=INK, linewidth=0.8)
    for (space, rows), colour in zip(data.groupby("space", sort=False), PALETTE):
        ax.fill_between(rows.nominal, rows.low, rows.high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(rows.nominal, rows.found, color=colour, label=space)
    ax.set(xlabel="nominal coverage", ylabel="coverage found", xlim=(0, 1), ylim=(0, 1))
    ax.legend(loc="upper left", title="(bands: expected, 68%)", title_fontsize=9)
    ax.grid(True)
    return ax


def around_truth(data: pd.DataFrame, ax: Axes, flavour: str, xscale: str = "both") -> Axes:
    """Draw the mean PDF of every fit minus the truth, and the standard deviation of the replicas around the truth.

    ``data``: columns ``x``, ``truth``, ``sigma`` (average over fits) and one per fit, all ``x f``.
    """
    fits = [name for name in data if name not in ("x", "truth", "sigma")]
    ax.fill_between(data.x, data.truth - data.sigma, data.truth + data.sigma, color=PALETTE[0], alpha=0.22, linewidth=0)
    for name in fits:
        ax.plot(data.x, data[name], color=PALETTE[0], linewidth=0.7 if len(fits) > 1 else 1.5, alpha=0.8)
    ax.plot(data.x, data.truth, color=PALETTE[1], linewidth=1.6)
    handles = [Line2D([], [], color=PALETTE[1]), Line2D([], [], color=PALETTE[0], linewidth=0.9)]
    names = ["truth (band: σ of the replicas)", f"mean of each of {len(fits)} fits" if len(fits) > 1 else "fit"]
    ax.legend(handles, names, loc="best")
    set_xscale(ax, xscale)
    shown = data[data.x > 1e-4]
    low, high = (shown.truth - 3 * shown.sigma).min(), (shown.truth + 3 * shown.sigma).max()
    ax.set(xlabel="$x$", ylabel=f"${flavour}$", xlim=(data.x.iloc[0], data.x.iloc[-1]), ylim=(low, high))
    ax.grid(True)
    return ax


def pulls_against_x(data: pd.DataFrame, ax: Axes, flavour: str, xscale: str = "both") -> Axes:
    """Draw the pull of every fit against x, and their root mean square, 1 where errors are right.

    ``data``: columns ``x`` and one per fit.
    """
    fits = data.drop(columns="x").to_numpy()
    ax.axhspan(-1, 1, color=FAINT, alpha=0.5, linewidth=0)
    ax.plot(data.x, fits, color=PALETTE[0], linewidth=0.6, alpha=0.7)
    rms = np.sqrt((fits**2).mean(axis=1))
    for sign in (-1, 1):
        ax.plot(data.x, sign * rms, color=PALETTE[1], linewidth=1.6)
    handles = [Line2D([], [], color=PALETTE[0], linewidth=0.8), Line2D([], [], color=PALETTE[1])]
    ax.legend(handles, ["fits", "± their root mean square"], loc="upper right")
    set_xscale(ax, xscale)
    ax.set(xlabel="$x$", ylabel=f"(mean − truth) / σ of ${flavour}$", ylim=(-4, 4))
    ax.set_xlim(data.x.iloc[0], data.x.iloc[-1])
    ax.grid(True)
    return ax


def chi2_epochs(data: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the training chi2 against epochs; ``data``: columns ``epoch``, ``median``, ``low``, ``high``."""
    ax.fill_between(data.epoch, data.low, data.high, color=PALETTE[0], alpha=0.25, linewidth=0)
    ax.plot(data.epoch, data["median"], color=PALETTE[0])
    ax.set(xlabel="epoch", ylabel=r"training $\chi^2/N$ (median, 68%)", yscale="log")
    ax.grid(True)
    return ax
