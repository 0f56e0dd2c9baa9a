"""Correlations of PDFs with each other, and of predictions with PDFs."""

import numpy as np
import pandas as pd

from ...ensembles import PARTONS, latex
from ...ensembles.statistics import data_correlations, flavour_correlations
from ...errors import InputError
from ..figures import Matrix, correlation_map
from ..page import Figure, Item, Tabs, Text
from ..study import Study
from ..style import superscript
from .pdfs import slug

#: Scale in GeV, and momentum fractions, at which PDFs are correlated with data, and with each other.
SCALE = 100.0
X_DATA, X_FLAVOURS = np.geomspace(1e-5, 0.7, 20), np.geomspace(1e-4, 0.7, 8)
#: Flavours whose correlation with every single point is on the page.
POINTWISE = ("g",)


def flavour_correlation_figure(study: Study, q: float = SCALE, other: int = 0) -> Figure:
    """Correlations between flavours at several x."""
    pdf = study.sets[other]
    table = flavour_correlations(pdf, PARTONS, X_FLAVOURS, q)
    names = tuple(f"${latex(flavour)}$" for flavour, _ in table.index)
    labels = [f"{flavour} x={x:.3g}" for flavour, x in table.index]
    numbers = pd.DataFrame(table.to_numpy(), index=labels, columns=labels)
    data = Matrix(numbers, names, names, title=f"{study.names[other]}, Q = {q:.4g} GeV")
    first, last = X_FLAVOURS[[0, -1]]
    caption = f"{study.names[other]}: in each block x = {first:.0e} to {last:.1f}, ascending"
    return Figure(f"correlations-{other}", caption, correlation_map, data, {}, (5.2, 4.6))


def data_correlation_figure(study: Study, flavour: str = "g", dataset: str | None = None) -> Figure:
    """Correlations of a flavour with the predictions of every point, or of those of one set."""
    table = _data_correlations(study, flavour)
    names = table.index.get_level_values("dataset")
    if dataset is not None:
        if dataset not in names:
            raise InputError(f"dataset '{dataset}' is not in the fit; there: {', '.join(dict.fromkeys(names))}")
        table = table[names == dataset]
    height = 4.6 if dataset else 6.5
    where = dataset or "every point"
    return _map(table, flavour, slug(f"data-correlations-{flavour}-{where}"), f"{flavour} and {where}", height)


def dataset_correlation_figure(study: Study, flavour: str = "g") -> Figure:
    """Correlations of a flavour with each set: the largest in size over its points."""
    table = _data_correlations(study, flavour)
    largest = table.groupby("dataset", sort=False).agg(lambda column: column.iloc[column.abs().argmax()])
    return _map(
        largest,
        flavour,
        slug(f"set-correlations-{flavour}"),
        f"{flavour}: largest over the points of each set",
        4.4,
    )


def correlations(study: Study) -> tuple[Item, ...]:
    """Correlations between flavours, and of data with PDFs."""
    sets = [i for i, pdf in enumerate(study.sets) if pdf.errors.has_uncertainty]
    notes = [
        Text(f"{study.label(pdf)}: one member, so no correlations.", "missing")
        for i, pdf in enumerate(study.sets) if i not in sets
    ]  # fmt: skip
    if 0 not in sets:
        raise InputError(f"{study.label(study.pdf)}: one member, so no correlations.")
    between = tuple(flavour_correlation_figure(study, SCALE, i) for i in sets)
    by_set = tuple(dataset_correlation_figure(study, flavour) for flavour in PARTONS)
    by_point = tuple(data_correlation_figure(study, flavour) for flavour in POINTWISE)
    panels = (("between flavours", between), ("of sets with flavours", by_set), ("of points with flavours", by_point))
    return (*notes, Tabs("correlation-kind", panels))


def _data_correlations(study: Study, flavour: str) -> pd.DataFrame:
    if not study.pdf.errors.has_uncertainty:
        raise InputError(f"{study.label(study.pdf)}: one member, so no correlations.")
    return data_correlations(study.pdf, study.problem, flavour, X_DATA, SCALE, study.predictions)


def _map(table: pd.DataFrame, flavour: str, name: str, caption: str, height: float) -> Figure:
    rows = table.index.get_level_values("dataset")
    labels = rows if table.index.nlevels == 1 else [f"{dataset} {point}" for dataset, point in table.index]
    numbers = pd.DataFrame(table.to_numpy(), index=labels, columns=[f"x={x:.3g}" for x in X_DATA])
    decades = tuple("10" + superscript(int(np.floor(np.log10(x) + 1e-9))) for x in X_DATA)
    label = f"$x$ of ${latex(flavour).removeprefix('x')}$, Q = {SCALE:.0f} GeV"
    data = Matrix(numbers, tuple(rows), decades, label)
    return Figure(name, caption, correlation_map, data, {}, (5.2, height))
