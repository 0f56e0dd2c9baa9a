"""The impact of new data on a fit: what they are, chi2, uncertainties, PDFs, weights."""

import numpy as np
import pandas as pd

from ...data.coverage import x_and_q2
from ...ensembles import PARTONS, latex
from ...ensembles.reweighting import ALPHAS
from ...impact.estimate import Impact, X
from ...impact.tables import agreement, chi2_before_and_after, pdf_table, summary
from ..figures import Curve, Curves, bands, kinematic_coverage
from ..figures.impact import alpha_curve, new_data_ratio, uncertainty_ratios, weight_histogram
from ..page import Figure, Folded, Item, Section, Table, Tabs, Text
from .pdfs import slug

_UNCERTAINTIES = (
    "Standard deviation after over that before; below 1 the new data help. Bands are statistical, with as many replicas as "
    "there are, or are effective."
)
_WEIGHTS = (
    "giele-keller: exp(−χ²/2), what Bayes' theorem says; nnpdf: χ²^((n−1)/2) exp(−χ²/2) (arXiv:1012.0836). χ² is that of the new "
    "data given the old ones: correlations between them count."
)
_ALPHA = "how probable it is that errors of the new data should be multiplied by α (arXiv:1012.0836)"


def impact_sections(impact: Impact, q: float) -> tuple[Section, ...]:
    """Return the sections of a page on the impact of new data, PDFs at scale ``q`` (GeV)."""
    curves, shown = pdf_table(impact, q, X), pdf_table(impact, q)
    return (
        Section("summary", "Summary", _summary(impact, shown)),
        Section(
            "chi2", "χ²", (_chi2(impact),), "Per point, of the central prediction, with the covariance of the fit."
        ),
        Section("uncertainties", "Uncertainties", _uncertainties(curves, shown, q), _UNCERTAINTIES),
        Section("pdfs", "PDFs", _pdfs(impact, curves, q), "Over the fit without the new data."),
        Section(
            "new-data",
            "New data and theory",
            _new_data(impact),
            "Bars are total errors; their correlations are not seen.",
        ),
        Section("weights", "Weights", _weights(impact), _WEIGHTS),
    )


def _summary(impact: Impact, shown: pd.DataFrame) -> tuple[Item, ...]:
    kind = "plain" if impact.is_reliable else "note"
    words = impact.verdict()
    items: list[Item] = [Text(words[0].upper() + words[1:] + ".", kind), Table("impact", "", summary(impact))]
    agreed = agreement(impact, shown)
    if agreed:
        items.insert(1, Text(agreed[0].upper() + agreed[1:] + "."))
    return tuple(items)


def _chi2(impact: Impact) -> Table:
    table = chi2_before_and_after(impact)
    ways = [name for name in table if name in ("before", "reweighted", "refit")]
    strong = pd.DataFrame({"name": np.where(table.level == "total", "strong", "")})
    return Table(
        "chi2-table", "new sets, experiments and total", table, dict.fromkeys(ways, ".3f"), {"ndata": "N"}, strong
    )


def _uncertainties(curves: pd.DataFrame, shown: pd.DataFrame, q: float) -> tuple[Item, ...]:
    figures = tuple(
        Figure(
            slug(f"ratio-{flavour}"),
            f"{flavour} at {q:.4g} GeV",
            uncertainty_ratios,
            curves[curves.flavour == flavour].reset_index(drop=True),
        )
        for flavour in PARTONS
    )
    ways = [way for way in ("reweighted", "refit") if f"ratio_{way}" in shown]
    columns = ["flavour", "x", "sigma", *(f"{what}_{way}" for what in ("shift", "ratio", "error") for way in ways)]
    formats = {
        f"{what}_{way}": form for what, form in (("shift", "+.2f"), ("ratio", ".2f"), ("error", ".2f")) for way in ways
    }
    headings = {f"shift_{way}": f"shift / σ, {way}" for way in ways} | {
        f"ratio_{way}": f"σ ratio, {way}" for way in ways
    }
    headings |= {f"error_{way}": f"± ({way})" for way in ways}
    columns += ["pull"] * ("pull" in shown)
    headings |= {"pull": "reweighted − refit, over their errors"}
    table = Table(
        "pdf-table",
        f"at {q:.4g} GeV; shifts in units of σ before",
        shown[columns],
        formats | {"pull": "+.1f"},
        headings,
    )
    return (*figures, Folded("Table of uncertainties and shifts", (table,)))


def _pdfs(impact: Impact, curves: pd.DataFrame, q: float) -> tuple[Item, ...]:
    names = {"": impact.prior.name, "_reweighted": "reweighted"}
    names |= {} if impact.posterior is None else {"_refit": impact.posterior.name}
    figures: list[Figure] = []
    ratios: list[Figure] = []
    for flavour in PARTONS:
        rows = curves[curves.flavour == flavour]
        for made, scale, lines in ((figures, np.ones(len(rows)), ()), (ratios, rows.central.to_numpy(), (1.0,))):
            drawn = []
            for ending, name in names.items():
                with np.errstate(divide="ignore", invalid="ignore"):
                    centre = rows[f"central{ending}"].to_numpy() / scale
                    sigma = np.abs(rows[f"sigma{ending}"].to_numpy() / scale)
                drawn.append(Curve(name, centre, sigma, *np.full((2, len(centre)), np.nan)))
            over = f" / {impact.prior.name}" if lines else "$(x, Q)$"
            data = Curves(
                rows.x.to_numpy(), tuple(drawn), "$x$", f"${latex(flavour)}${over}", f"Q = {q:.4g} GeV", lines
            )
            kind = "relative" if lines else "pdf"
            made.append(Figure(slug(f"{kind}-{flavour}"), f"{flavour} at {q:.4g} GeV", bands, data, {"xscale": "both"}))
    return (Tabs("impact-pdfs", (("ratio", tuple(ratios)), ("x f", tuple(figures)))),)


def _new_data(impact: Impact) -> tuple[Item, ...]:
    items: list[Item] = []
    predictions, sigma = impact.central_predictions(), impact.predictions.sigma
    start = 0
    for dataset in impact.problem.datasets:
        rows = slice(start, start := start + len(dataset))
        if dataset.name not in impact.added:
            continue
        errors = dataset.uncertainties
        total = np.sqrt(np.square(errors.values[:, errors.kind != "SKIP"]).sum(axis=1))
        table = (
            dataset.kinematics.rename_axis("point")
            .reset_index()
            .assign(data=dataset.central, error=total, sigma=sigma[rows])
        )
        table = table.assign(**{name: values[rows] for name, values in predictions.items()})
        items.append(
            Figure(
                slug(f"new-{dataset.name}"),
                f"{dataset.label}: {len(dataset)} points",
                new_data_ratio,
                table,
                {},
                (6.4, 3.4),
            )
        )
        items.append(Folded(f"Points of {dataset.name}", (Table(slug(f"points-{dataset.name}"), "", table),)))
    places = [
        where.assign(group=dataset.name if dataset.name in impact.added else "in the fit")
        for dataset in sorted(impact.problem.datasets, key=lambda d: d.name in impact.added)
        if (where := x_and_q2(dataset)) is not None
    ]
    if any(len(one) and one.group.iloc[0] != "in the fit" for one in places):
        table = pd.concat(places, ignore_index=True)
        items.append(Figure("coverage", "where the new data are", kinematic_coverage, table, {}, (5.2, 4.6)))
    return tuple(items)


def _weights(impact: Impact) -> tuple[Item, ...]:
    weights = pd.DataFrame({name: one.weights for name, one in impact.weights.items()})
    profile = pd.DataFrame({"alpha": ALPHAS, "p": impact.reweighting.alpha_profile()})
    table = weights.assign(replica=range(1, len(weights) + 1), chi2=impact.reweighting.chi2 / impact.reweighting.n_data)
    return (
        Figure("weight-histogram", "weights of the replicas", weight_histogram, weights),
        Figure("alpha", _ALPHA, alpha_curve, profile),
        Folded(
            "Weights of all replicas",
            (Table("weights-table", "χ² per new point", table[["replica", "chi2", *weights]]),),
        ),
    )
