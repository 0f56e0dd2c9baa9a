"""A closure test: the verdict, estimators in data and PDF space, pulls, coverage, PDFs around the truth."""

import numpy as np
import pandas as pd

from ...closure import estimators as e
from ...closure.grids import FLAVOURS, column, flavour_grid
from ...closure.inconsistency import n_sigma_table
from ...closure.levels import chi2_against_epochs
from ...closure.multifit import truth_pdf
from ...closure.results import ClosureResults, evaluate
from ...closure.sample import load_sample
from ...closure.verdict import JUDGED, chosen_rows
from ...ensembles import latex
from ..figures.closure import (
    around_truth,
    bias_variance_points,
    chi2_epochs,
    coverage_curves,
    estimate_points,
    n_sigma_points,
    pull_histogram,
    pulls_against_x,
)
from ..page import Code, Figure, Item, Section, Table, Tabs, Text
from ..study import X_GRIDS, Study

_EDGES = np.linspace(-4, 4, 33)
_NOMINAL = np.linspace(0.02, 0.98, 49)
_DATA = (
    "Predictions against those of the truth. R_bv is the error that is made over the error that is stated; xi_n is how often "
    "the truth lies within n standard deviations; R_b is R_bv in the principal components of the PDFs' covariance on the "
    "data; n_sigma measures the chi2 of the mean PDF to the data of the fit. Expected at level 2: R_bv = R_b = pull_width = 1, "
    "xi_1 = 0.683, xi_2 = 0.954, n_sigma about 0."
)
_CHI2 = (
    "chi2 = bias + variance + noise + cross, per point, for the chi2 of replicas to the data of their fit: bias is that of "
    "the mean PDF to the truth, variance that of replicas to their mean, noise that of the truth to the data."
)
_PDFS = "x f at Q₀ on the grid of arXiv:2109.02653, section 6.1, with all correlations within a row."


def closure(study: Study) -> tuple[Item, ...]:
    """The closure test of the fit itself, for the fit's own report; nothing if it is a fit to measurements."""
    if study.fit.runcard.closuretest is None:
        return ()
    results = evaluate(load_sample([study.fit.folder.path]))
    note = Text("One fit says little about its errors: 'nnpdf-lite closure' makes many and judges them.", "note")
    tables = [results.shown(name).drop(columns=["part"], errors="ignore") for name in ("chi2", "pdf")]
    return (
        note,
        Table("closure-chi2", _CHI2, tables[0], dict.fromkeys(tables[0].columns[3:], ".3f")),
        pull_figure(results, "data"),
        *truth_figures(results),
    )


def closure_sections(results: ClosureResults) -> tuple[Section, ...]:
    """Return the sections of the page of a closure test."""
    sample = results.sample
    sections = [
        Section("verdict", "Verdict", _verdict(results)),
        Section("data", "Data", _data(results), _DATA),
        Section("chi2", "χ²", _chi2(results), _CHI2),
        Section("pulls", "Pulls and coverage", _pulls(results)),
        Section("pdfs", "PDFs", _pdfs(results), _PDFS),
        Section("truth", "PDFs around the truth", truth_figures(results)),
        Section(
            "runcard", "Runcard", (Code("runcard.yml", sample.card.dump()),), "Of the first fit, with every default."
        ),
    ]
    if sample.level == 0:
        table = chi2_against_epochs(sample.ensembles)
        epochs = Figure("chi2-epochs", "χ² to the exact data against epochs: it goes to zero", chi2_epochs, table)
        sections.insert(3, Section("level-0", "Level 0", (epochs,)))
    return tuple(sections)


def _verdict(results: ClosureResults) -> tuple[Item, ...]:
    sample, settings = results.sample, results.sample.card.inconsistent_data_settings
    sizes = f"{min(sample.sizes)} to {max(sample.sizes)} replicas each, after postfit"
    rows = [
        ("truth", sample.card.closure.fakepdf),
        ("level", str(sample.level)),
        ("fits", f"{len(sample.names)}, {sizes}"),
        ("points", f"{int(sample.fitted.sum())} fitted, {int((~sample.fitted).sum())} left out"),
    ]
    if settings:
        sets = ", ".join(settings.inconsistent_datasets)
        rows.append(("inconsistent data", f"{sets}: systematics times {settings.sys_rescaling_factor:g} in the fit"))
    items: list[Item] = [Text(results.verdict.sentence[0].upper() + results.verdict.sentence[1:] + ".")]
    if results.verdict.details:
        details = results.verdict.details
        items.append(Text(details[0].upper() + details[1:] + "."))
    items.append(Table("test", "", pd.DataFrame(rows, columns=["", " "])))
    judged = chosen_rows(results.table, JUDGED, len(sample.names))
    if len(judged) and results.verdict.passed is not None:
        judged = judged[["space", "part", "name", "estimator", "value", "error", "expected", "sigma"]]
        headings = {"sigma": "deviation (σ)"}
        items.append(Table("judged", "what is judged", judged, {"sigma": "+.1f"}, headings))
    return tuple(items)


def _data(results: ClosureResults) -> tuple[Item, ...]:
    table = results.shown("data")
    numbers = dict.fromkeys([name for name in table if table[name].dtype.kind == "f"], ".3f")
    fitted = "fitted" if results.sample.fitted.any() else "left out"
    groups = [_figure(results, part, "R_bv", 1.0) for part in dict.fromkeys(results.table.part) if part]
    n_sigma = n_sigma_table(results.sample).rename_axis("name").reset_index()
    long = n_sigma.melt(id_vars="name", var_name="fit", value_name="n_sigma")
    return (
        Table("data-table", "by dataset, experiment and in total", table, numbers),
        *groups,
        _figure(results, fitted, "xi_1", e.expected_coverage(1)),
        Figure(
            "n-sigma", "n_sigma of each fitted set, a dot per fit; dashed: 2", n_sigma_points, long, {}, _tall(n_sigma)
        ),
    )


def _figure(results: ClosureResults, part: str, estimator: str, expected: float) -> Figure:
    table = results.table
    rows = table[(table.space == "data") & (table.part == part) & (table.estimator == estimator)]
    rows = rows[rows.level != "experiment"][["name", "value", "error"]]
    name = f"{estimator}-{part}".replace("_", "-").replace(" ", "-").lower()
    options = {"expected": expected if results.sample.level == 2 else None, "xlabel": estimator}
    return Figure(name, f"{estimator} of the {part} data", estimate_points, rows, options, _tall(rows))


def _tall(rows: pd.DataFrame) -> tuple[float, float]:
    return 6.2, 1.1 + 0.22 * len(rows)


def _chi2(results: ClosureResults) -> tuple[Item, ...]:
    table = results.shown("chi2")
    numbers = dict.fromkeys([name for name in table if table[name].dtype.kind == "f"], ".3f")
    rows = table[table.level != "experiment"]
    if "part" in rows:
        rows = rows.assign(name=rows.name + rows.part.map({"fitted": "", "left out": " (left out)"}))
    points = pd.DataFrame({"name": rows.name, "bias": rows.bias, "variance": rows.variance})
    for name in ("bias", "variance"):
        points[f"{name} error"] = rows.get(f"{name} +-", np.nan)
    return (
        Table("chi2-table", "by dataset, experiment and in total", table, numbers),
        Figure("bias-variance", "bias and variance per point", bias_variance_points, points, {}, _tall(points)),
    )


def _pulls(results: ClosureResults) -> tuple[Item, ...]:
    return pull_figure(results, "data"), pull_figure(results, "pdf"), coverage_figure(results)


def _deviations(results: ClosureResults, space: str) -> e.Deviations:
    sample = results.sample
    if space == "data":
        return [rows[:, sample.fitted] for rows in sample.deviations]
    return sample.pdf_deviations([(column(name), x) for name, x in flavour_grid()])


def pull_figure(results: ClosureResults, space: str) -> Figure:
    """Return the histogram of the pulls of all fits and points, beside what it would be if the errors were right."""
    deviations = _deviations(results, space)

    def density(pulls: np.ndarray) -> np.ndarray:
        return np.histogram(pulls, _EDGES)[0] / pulls.size / np.diff(_EDGES)

    expected = [density(pulls) for pulls in e.pulls_expected(deviations)]
    low, high = np.quantile(expected, [0.16, 0.84], axis=0)
    found = density(e.pulls(deviations))
    table = pd.DataFrame(
        {"low": _EDGES[:-1], "high": _EDGES[1:], "density": found, "expected_low": low, "expected_high": high}
    )
    what = "fitted data" if space == "data" else "PDFs at Q₀"
    return Figure(f"pulls-{space}", f"pulls of the {what}", pull_histogram, table)


def coverage_figure(results: ClosureResults) -> Figure:
    """Return coverage against nominal coverage in both spaces."""
    limits = -e.stats.norm.ppf((1 - _NOMINAL) / 2)
    tables = []
    for space, label in (("data", "fitted data"), ("pdf", "PDFs at Q₀")):
        deviations = _deviations(results, space)

        def inside(pulls: np.ndarray) -> np.ndarray:
            return np.searchsorted(np.sort(np.abs(pulls), axis=None), limits) / pulls.size

        low, high = np.quantile([inside(pulls) for pulls in e.pulls_expected(deviations)], [0.16, 0.84], axis=0)
        found = inside(e.pulls(deviations))
        tables.append(pd.DataFrame({"space": label, "nominal": _NOMINAL, "found": found, "low": low, "high": high}))
    caption = "how often the truth lies in an interval of some nominal probability"
    return Figure("coverage", caption, coverage_curves, pd.concat(tables, ignore_index=True))


def _pdfs(results: ClosureResults) -> tuple[Item, ...]:
    table, points = results.shown("pdf"), results.shown("pdf_points")
    formats = [dict.fromkeys([n for n in t if t[n].dtype.kind == "f"], ".3f") for t in (table, points)]
    rows = results.table
    ratio = rows[(rows.space == "pdf") & (rows.estimator == "R_bv")][["name", "value", "error"]]
    expected = 1.0 if results.sample.level == 2 else None
    width = rows[(rows.level == "point") & (rows.estimator == "pull_width")][["name", "value", "error"]]
    return (
        Table("pdf-table", "by flavour and in total", table, formats[0]),
        Figure("r-bv-pdf", "R_bv by flavour", estimate_points, ratio, {"expected": expected, "xlabel": "R_bv"}),
        Figure(
            "pull-width", "width of the pulls at each x", estimate_points, width,
            {"expected": expected, "xlabel": "root mean square of the pulls"}, _tall(width),
        ),
        Table("pdf-points", "at each x", points, formats[1]),
    )  # fmt: skip


def truth_figures(results: ClosureResults) -> tuple[Item, ...]:
    """Return each flavour of every fit beside the truth: x f with the spread of the replicas, and pulls against x."""
    sample, x = results.sample, X_GRIDS["both"]
    q0 = sample.problem.card.q0
    truth = truth_pdf(sample.card, q0, x) * x[:, None]
    members = [ensemble.at(x) * x[:, None] for ensemble in sample.ensembles]
    pdfs, pulls = [], []
    for name in FLAVOURS:
        here = truth[:, column(name)]
        values = [rows[:, :, column(name)] for rows in members]
        sigma = np.sqrt(np.mean([rows.var(axis=0, ddof=1) for rows in values], axis=0))
        means = {fit: rows.mean(axis=0) for fit, rows in zip(sample.names, values)}
        found = dict(zip(sample.names, e.pulls([rows - here for rows in values])))
        caption, options = f"{name} at Q₀ = {q0:.4g} GeV", {"flavour": latex(name)}
        table = pd.DataFrame({"x": x, "truth": here, "sigma": sigma, **means})
        pdfs.append(Figure(f"truth-{name}", caption, around_truth, table, options))
        pulls.append(Figure(f"pulls-{name}", caption, pulls_against_x, pd.DataFrame({"x": x, **found}), options))
    return (Tabs("around-truth", (("x f", tuple(pdfs)), ("pulls", tuple(pulls)))),)
