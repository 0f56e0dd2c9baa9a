"""Draws the pictures of "What is a PDF" and "What is a PDF fit": real data, a real fit, a real closure test.

    nnpdf-lite run dis_nnlo
    nnpdf-lite closure dis_nnlo_closure --fits 2 --output known_truth
    python docs/figures/newcomer.py dis_nnlo known_truth
"""

import sys
from pathlib import Path

import numpy as np

import nnpdf_lite
from nnpdf_lite.data import pseudodata
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.report import style
from nnpdf_lite.report.figures import Curve, Curves, bands, kinematic_coverage, pdf_overview, replicas
from nnpdf_lite.report.registry import FIGURES
from nnpdf_lite.report.study import Study

HERE = Path(__file__).parent
HERA = "HERA_NC_318GEV_EP-SIGMARED"
#: Scales (GeV2) at which HERA's cross section is shown, far enough apart for the eye.
Q2 = (6.5, 35.0, 200.0, 1200.0)
#: Points of that set whose kernels are shown, by the x nearest to these, at Q2 nearest to 35.
KERNELS = (8e-4, 0.008, 0.08)
RANGE = np.geomspace(1e-4, 0.9, 90)


def main(fit: str, closure: str) -> None:
    """Draw them all beside this file."""
    study = Study(fit)
    for recipe, draw, name, options in (
        ("overview", pdf_overview, "proton", {"q": 10.0}),
        ("kinematics", kinematic_coverage, "coverage", {}),
        ("replicas", replicas, "replicas", {"flavour": "g", "q": 1.65, "xscale": "log"}),
    ):
        figure = FIGURES[recipe].load()(study, **options)
        _save(name, draw, figure.data, figure.options, figure.size)
    points = _hera_points(study)
    _save("cross-section", cross_section, points)
    _save("kernels", kernels, _contributions(study, points))
    _save("pseudodata", noise, (points, _pseudodata(study)))
    _save("training", training, study.fit)
    truth, found = nnpdf_lite.load_set("NNPDFLITE_dis_nnlo"), nnpdf_lite.load_set(f"{closure}/fit_01")
    _save("closure", bands, _truth_and_fit(truth, found), size=(5.2, 3.9))


def _save(name, draw, data, options=None, size=(5.2, 3.7)):
    style.save(style.drawn(draw, data, options or {}, size), HERE / f"{name}.svg", text="none")


def _hera_points(study):
    """One row per HERA point: kinematics, data, theory and its sigma, and its place in the problem."""
    entry = next(entry for entry in study.data_theory if entry.name == HERA)
    names = [dataset.name for dataset in study.problem.datasets]
    start = sum(len(dataset.kept) for dataset in study.problem.datasets[: names.index(HERA)])
    table = entry.table()
    return table.assign(place=start + np.arange(len(table)))


def cross_section(points, ax):
    """Draw the reduced cross section against x for some Q2, with the fit."""
    for q2, colour in zip(Q2, style.PALETTE):
        line = points[np.isclose(points.Q2, q2)].sort_values("x")
        ax.errorbar(line.x, line.data, line.total, fmt="o", markersize=3, linewidth=1, color=colour, label=f"{q2:g}")
        ax.fill_between(line.x, line.shifted_theory - line.theory_sigma, line.shifted_theory + line.theory_sigma,
                        color=colour, alpha=0.3, linewidth=0)  # fmt: skip
    ax.set(xscale="log", xlabel="$x$", ylabel="reduced cross section")
    ax.legend(title="$Q^2$ (GeV$^2$)")
    ax.grid(True)
    return ax


def _contributions(study, points):
    """Which PDF at which x makes up three predictions: [(label, x, singlet and the like (X,), gluon (X,)), ...]."""
    names = [dataset.name for dataset in study.problem.datasets]
    operand = study.problem.theories[names.index(HERA)].operands[0]
    f = study.fit.ensemble.at(operand.x, study.fit.ensemble.mean)[0]
    line = points[np.isclose(points.Q2, 35.0)].reset_index(drop=True)
    first = points.place.min()
    found = []
    for x in KERNELS:
        point = line.loc[(np.log(line.x / x)).abs().idxmin()]
        parts = operand.table[int(point.place - first)] * f[:, operand.channels[:, 0]].T  # (channels, X)
        gluon = operand.channels[:, 0] == EVOLUTION_FLAVOURS.index("g")
        scale = parts.sum()
        found.append((float(point.x), operand.x, parts[~gluon].sum(axis=0) / scale, parts[gluon].sum(axis=0) / scale))
    return found


def kernels(data, ax):
    """Draw what each node of x contributes to three predictions: quarks and gluon."""
    for (x, nodes, quarks, gluon), colour in zip(data, style.PALETTE):
        ax.plot(nodes, 100 * quarks, color=colour, label=f"measured at x = {x:.2g}")
        ax.plot(nodes, 100 * gluon, color=colour, linestyle=(0, (3, 2)))
        ax.axvline(x, color=colour, linewidth=0.6, linestyle=":")
    ax.plot([], [], color=style.INK, label="quarks")
    ax.plot([], [], color=style.INK, linestyle=(0, (3, 2)), label="gluon")
    ax.axhline(0, color=style.INK, linewidth=0.6)
    ax.set(xscale="log", xlim=(3e-4, 1), xlabel="$x$ of the PDF at $Q_0$", ylabel="share of the prediction (%)")
    ax.legend()
    ax.grid(True)
    return ax


def _pseudodata(study):
    card = study.fit.runcard
    return [pseudodata(study.problem.central, study.problem.cholesky, card.mcseed, number) for number in (1, 2, 3)]


def noise(data, ax):
    """Draw some data with their errors and the pseudo-data of three replicas."""
    points, made = data
    line = points[np.isclose(points.Q2, 35.0)].sort_values("x")
    place = np.arange(len(line))
    ax.errorbar(place, np.ones(len(line)), line.total / line.data, fmt="o", markersize=4, color=style.INK, label="measured")
    for number, (values, colour) in enumerate(zip(made, style.PALETTE), start=1):
        ax.plot(place, values[line.place] / line.data, "-", linewidth=0.7, marker="D", markersize=3.5, color=colour,
                label=f"replica {number}")  # fmt: skip
    ax.set_xticks(place, [f"{x:.2g}" for x in line.x], rotation=60, fontsize=9)
    ax.set(xlabel="$x$", ylabel="over the measured value")
    ax.set_title("HERA, $Q^2$ = 35 GeV$^2$", loc="right")
    ax.legend(ncols=2, loc="upper left")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.25 * (high - low))
    return ax


def training(fit, ax):
    """Draw training and validation chi2 of one replica, and where it was kept."""
    record = fit.all_replicas.records[0]
    epoch, train, valid = record.history.T
    for values, colour, label in ((train, style.PALETTE[0], "training"), (valid, style.PALETTE[1], "validation")):
        ax.plot(epoch, values, color=colour, label=label)
    ax.axvline(record.best_epoch, color=style.INK, linewidth=0.8, linestyle=":")
    ax.text(record.best_epoch, 0.97, " kept", transform=ax.get_xaxis_transform(), va="top")
    settled = np.concatenate([train[len(train) // 5 :], valid[len(valid) // 5 :]])
    room = np.ptp(settled)
    ax.set(ylim=(settled.min() - 0.15 * room, settled.max() + room), xlim=(0, epoch[-1]))
    ax.set(xlabel="epoch", ylabel=r"$\chi^2$ per point, to its pseudo-data")
    ax.legend()
    ax.grid(True)
    return ax


def _truth_and_fit(truth, found):
    named = {"40 replicas, fitted to made-up data": found, "the truth": truth}
    curves = [Curve.of(name, pdf.xf("g", RANGE, 1.65)) for name, pdf in named.items()]
    return Curves(RANGE, tuple(curves), "$x$", "$xg(x, Q_0)$")


if __name__ == "__main__":
    main(*sys.argv[1:])
