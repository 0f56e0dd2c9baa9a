"""Figures of a fit."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..pdf.lhapdf_set import LHAPDFSet
from .ensemble import ReplicaRecord

#: Combinations shown: label, parton coefficients and the factor they are drawn with.
FLAVOURS = (
    (r"$xg$", {21: 1.0}, 0.1),
    (r"$xu_V$", {2: 1.0, -2: -1.0}, 1.0),
    (r"$xd_V$", {1: 1.0, -1: -1.0}, 1.0),
    (r"$x\bar u$", {-2: 1.0}, 1.0),
    (r"$x\bar d$", {-1: 1.0}, 1.0),
    (r"$xs^+$", {3: 1.0, -3: 1.0}, 1.0),
    (r"$xc^+$", {4: 1.0, -4: 1.0}, 1.0),
)
#: Okabe and Ito's palette: distinguishable with any colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE = {"font.size": 12, "figure.titlesize": 12, "lines.linewidth": 1.3, "legend.frameon": False}


def members_at(pdf_set: LHAPDFSet, x: np.ndarray, q: float, combination: dict[int, float]) -> np.ndarray:
    """Return ``x f`` (members, X) of a combination of partons; the central member alone if it is the only one."""
    pids, weights = list(combination), np.array(list(combination.values()))
    first = 1 if pdf_set.n_members > 1 else 0
    values = [pdf_set.xfxq(pids, x, q, member=m)[:, :, 0] for m in range(first, pdf_set.n_members)]
    return np.einsum("p,mpx->mx", weights, np.array(values))


def pdf_overview(pdf_set: LHAPDFSet, q: float = 10.0, against: LHAPDFSet | None = None) -> Figure:
    """Draw every flavour with its one-sigma band at scale ``q`` (GeV), small x to the left and large x to the right.

    ``against``: another set, drawn dashed (its central member).
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 5), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True, width_ratios=[1.2, 1])
        ranges = (np.geomspace(1e-4, 0.1, 80), np.linspace(0.1, 0.9, 60))
        for axis, x in zip(axes, ranges):
            for (label, combination, factor), colour in zip(FLAVOURS, PALETTE):
                text = label if factor == 1 else f"{label} / {1 / factor:g}"
                _band(axis, x, factor * members_at(pdf_set, x, q, combination), colour, text)
                if against is not None:
                    axis.plot(x, factor * _central(against, x, q, combination), color=colour, linestyle="--")
            axis.axhline(0, color="0.7", linewidth=0.6, zorder=0)
            axis.set(xlabel=r"$x$", xlim=(x[0], x[-1]))
        axes[0].set(xscale="log", ylim=(-0.05, 1.1), ylabel=rf"$x f(x, Q)$ at $Q = {q:g}$ GeV")
        handles, labels = axes[1].get_legend_handles_labels()
        if against is not None:
            handles.append(Line2D([], [], color="0.3", linestyle="--"))
            labels.append(against.name)
        axes[1].legend(handles, labels, ncols=2, loc="upper right")
        figure.suptitle(_title(pdf_set))
    return figure


def pdf_ratios(
    pdf_set: LHAPDFSet, against: LHAPDFSet, q: float = 10.0, x_range: Sequence[float] = (1e-4, 0.7)
) -> Figure:
    """Draw each flavour's one-sigma band over the central member of ``against`` at scale ``q`` (GeV).

    The band of ``against`` is drawn in grey where it has members of its own.
    """
    combinations = [FLAVOURS[0], (r"$xu$", {2: 1.0}, 1.0), (r"$xd$", {1: 1.0}, 1.0), *FLAVOURS[3:]]
    x = np.geomspace(*x_range, 120)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 5.6), layout="constrained")
        axes = figure.subplots(2, 4, sharex=True, sharey=True)
        for axis, (label, combination, _), colour in zip(axes.flat, combinations, PALETTE):
            reference = _central(against, x, q, combination)
            if against.n_members > 1:
                _band(axis, x, members_at(against, x, q, combination) / reference, "0.5")
            _band(axis, x, members_at(pdf_set, x, q, combination) / reference, colour)
            axis.axhline(1, color="0.3", linewidth=0.8, linestyle="--")
            axis.set(xscale="log", ylim=(0.6, 1.4), xlim=x_range)
            axis.text(0.05, 0.93, label, transform=axis.transAxes, va="top", fontsize=14)
        shown = len(combinations)
        for axis in axes.flat[shown:]:
            axis.set_visible(False)
        for axis in axes.flat[shown - axes.shape[1] : shown]:  # the lowest of each column
            axis.set_xlabel(r"$x$")
            axis.tick_params(labelbottom=True)
        for axis in axes[:, 0]:
            axis.set_ylabel("ratio")
        figure.suptitle(f"{_title(pdf_set)}, over {against.name} at $Q = {q:g}$ GeV")
    return figure


def _band(axis: Axes, x: np.ndarray, values: np.ndarray, colour: str, label: str | None = None) -> None:
    """Draw mean and one sigma of ``values`` (members, X)."""
    mean, sigma = values.mean(axis=0), values.std(axis=0)
    axis.fill_between(x, mean - sigma, mean + sigma, color=colour, alpha=0.3, linewidth=0)
    axis.plot(x, mean, color=colour, label=label)


def _title(pdf_set: LHAPDFSet) -> str:
    n = pdf_set.n_members - 1
    return f"{pdf_set.name}: mean and 1σ of {n} replicas" if n > 1 else pdf_set.name


def training_curves(records: Sequence[ReplicaRecord]) -> Figure:
    """Draw training and validation chi2 per point of every replica against epochs, and their best epochs."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        axes = figure.subplots(1, 2, width_ratios=[1.6, 1])
        for record in records:
            if len(record.history):
                epochs, training, validation = np.asarray(record.history).T
                axes[0].plot(epochs, training, color=PALETTE[0], linewidth=0.5, alpha=0.5)
                axes[0].plot(epochs, validation, color=PALETTE[1], linewidth=0.5, alpha=0.5)
        best = np.array([(r.training, r.validation) for r in records])
        best = best[np.isfinite(best).all(axis=1)]
        low, high = np.quantile(best, [0, 0.97]) if len(best) else (0.0, 1.0)
        axes[0].set(xlabel="epoch", ylabel=r"$\chi^2 / N$ of pseudo-data", ylim=(low - 0.05, high + 0.3))
        axes[0].legend(
            [Line2D([], [], color=colour) for colour in PALETTE[:2]], ["training", "validation"], loc="upper right"
        )
        axes[1].scatter(*best.T, s=12, color=PALETTE[2])
        limits = (low - 0.05, high + 0.15)
        axes[1].plot(limits, limits, color="0.7", linewidth=0.8, zorder=0)
        axes[1].set(xlabel="training, at the best epoch", ylabel="validation", xlim=limits, ylim=limits)
        figure.suptitle(f"{len(records)} replicas")
    return figure


def save(figure: Figure, path) -> None:
    """Write a figure; needs no display."""
    with matplotlib.rc_context({"savefig.dpi": 130}):
        figure.savefig(path)


def _central(pdf_set: LHAPDFSet, x: np.ndarray, q: float, combination: dict[int, float]) -> np.ndarray:
    weights = np.array(list(combination.values()))
    return weights @ pdf_set.xfxq(list(combination), x, q, member=0)[:, :, 0]
