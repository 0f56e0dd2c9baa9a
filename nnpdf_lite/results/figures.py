"""Figures of a fit."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..pdf.lhapdf_set import LHAPDFSet

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


def members_at(pdf_set: LHAPDFSet, x: np.ndarray, q: float, combination: dict[int, float]) -> np.ndarray:
    """Return ``x f`` (members, X) of a linear combination of partons; the central member alone if it is the only one."""
    pids, weights = list(combination), np.array(list(combination.values()))
    first = 1 if pdf_set.n_members > 1 else 0
    values = [pdf_set.xfxq(pids, x, q, member=m)[:, :, 0] for m in range(first, pdf_set.n_members)]
    return np.einsum("p,mpx->mx", weights, np.array(values))


def pdf_overview(pdf_set: LHAPDFSet, q: float = 10.0, against: LHAPDFSet | None = None) -> Figure:
    """Draw every flavour with its one-sigma band at scale ``q`` (GeV), small x to the left and large x to the right.

    ``against``: another set, drawn dashed (its central member).
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True, width_ratios=[1.3, 1])
    ranges = (np.geomspace(1e-5, 0.1, 80), np.linspace(0.1, 0.9, 60))
    for axis, x in zip(axes, ranges):
        for (label, combination, factor), colour in zip(FLAVOURS, PALETTE):
            values = factor * members_at(pdf_set, x, q, combination)
            mean, sigma = values.mean(axis=0), values.std(axis=0)
            text = label if factor == 1 else f"{label} / {1 / factor:g}"
            axis.fill_between(x, mean - sigma, mean + sigma, color=colour, alpha=0.3, linewidth=0)
            axis.plot(x, mean, color=colour, linewidth=1.3, label=text)
            if against is not None:
                reference = factor * _central(against, x, q, combination)
                axis.plot(x, reference, color=colour, linewidth=1.1, linestyle="--")
        axis.axhline(0, color="0.7", linewidth=0.6)
        axis.set_xlabel(r"$x$")
    axes[0].set(xscale="log", ylim=(-0.05, 1.1), ylabel=rf"$x f(x, Q = {q:g}\ \mathrm{{GeV}})$", xlim=(1e-5, 0.1))
    axes[1].set(xlim=(0.1, 0.9))
    axes[1].legend(frameon=False, ncols=2, loc="upper right")
    n = pdf_set.n_members - 1
    title = f"{pdf_set.name}, {n} replicas, mean and 1σ" if n else pdf_set.name
    figure.suptitle(title + (f"; dashed: {against.name}" if against else ""), fontsize=11)
    return figure


def pdf_ratios(
    pdf_set: LHAPDFSet, against: LHAPDFSet, q: float = 10.0, x_range: Sequence[float] = (1e-4, 0.7)
) -> Figure:
    """Draw each flavour's one-sigma band over the central member of ``against`` at scale ``q`` (GeV)."""
    combinations = [FLAVOURS[0], (r"$xu$", {2: 1.0}, 1.0), (r"$xd$", {1: 1.0}, 1.0), *FLAVOURS[3:]]
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots(2, 4, sharex=True)
    x = np.geomspace(*x_range, 120)
    for axis, (label, combination, _), colour in zip(axes.flat, combinations, PALETTE):
        reference = _central(against, x, q, combination)
        values = members_at(pdf_set, x, q, combination) / reference
        mean, sigma = values.mean(axis=0), values.std(axis=0)
        axis.fill_between(x, mean - sigma, mean + sigma, color=colour, alpha=0.3, linewidth=0)
        axis.plot(x, mean, color=colour)
        axis.axhline(1, color="0.3", linewidth=0.8, linestyle="--")
        axis.set(xscale="log", ylim=(0.7, 1.3), title=label)
    for axis in axes.flat[len(combinations) :]:
        axis.set_visible(False)
    for axis in axes[1]:
        axis.set_xlabel(r"$x$")
    figure.supylabel(rf"ratio to {against.name} at $Q = {q:g}$ GeV", fontsize=10)
    figure.suptitle(f"{pdf_set.name}, {pdf_set.n_members - 1} replicas, mean and 1σ", fontsize=11)
    return figure


def save(figure: Figure, path) -> None:
    """Write a figure; needs no display."""
    with matplotlib.rc_context({"savefig.dpi": 130}):
        figure.savefig(path)


def _central(pdf_set: LHAPDFSet, x: np.ndarray, q: float, combination: dict[int, float]) -> np.ndarray:
    weights = np.array(list(combination.values()))
    return weights @ pdf_set.xfxq(list(combination), x, q, member=0)[:, :, 0]
