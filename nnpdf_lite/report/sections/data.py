"""The data of a fit: chi2, data beside theory, where they are, what they are."""

from collections import Counter

import numpy as np
import pandas as pd

from ...data.coverage import x_and_q2
from ...data.presentation import Presentation, presentation
from ...ensembles.data_theory import DataTheory
from ...errors import InputError, nearest
from ...results.chi2 import experiment_of
from ...results.contents import contents_table
from ..figures import Points, chi2_bars, kinematic_coverage
from ..figures import data_theory as draw_data_theory
from ..figures import data_theory_ratio as draw_ratio
from ..page import Figure, Folded, Item, Table, Tabs, Text
from ..study import Study
from .pdfs import slug

#: Most lines, and points, in one figure of data beside theory.
LINES, POINTS = 12, 120
_LEVELS = ("dataset", "experiment", "process")
#: Deviation of chi2/N from 1, in units of sqrt(2/N), up to which a cell has a colour.
_COLOURS = ((-2.0, "low"), (2.0, "good"), (4.0, "high"), (7.0, "higher"), (np.inf, "highest"))


def chi2_figure(study: Study, level: str = "dataset") -> Figure:
    """chi2 per point of each dataset, experiment or process."""
    if level not in _LEVELS:
        raise InputError(f"level '{level}': expected {', '.join(_LEVELS)}.{nearest(level, _LEVELS)}")
    table, _ = study.chi2
    kind = study.chi2_kind
    rows = table[table.level.isin([level, "total"])]
    names = {f"{kind} {name}": name for name in study.names}
    data = rows[["name", "ndata", *(column for column in names if column in rows)]].rename(columns=names)
    height = 1.1 + len(rows) * (0.13 + 0.12 * (len(data.columns) - 2))
    return Figure(f"chi2-{level}", f"chi2 per point of each {level}", chi2_bars, data, size=(5.2, height))


def chi2(study: Study) -> tuple[Item, ...]:
    """chi2 of every group of points, against the sets compared with."""
    panels = tuple(
        ({"process": "processes"}.get(level, f"{level}s"), (chi2_figure(study, level), _chi2_table(study, level)))
        for level in _LEVELS
    )
    return (*(Text(reason, "missing") for reason in study.chi2[1]), Tabs("chi2-level", panels))


def _chi2_table(study: Study, level: str) -> Table:
    table = study.chi2[0]
    table = table[table.level.isin([level, "total"])].reset_index(drop=True)
    numbers = [column for column in table if column.startswith("chi2_") and table[column].notna().any()]
    shown = table[["name", "ndata", *numbers]].copy()
    kind, own = study.chi2_kind, f"{study.chi2_kind} {study.name}"
    formats = dict.fromkeys(numbers, ".3f")
    headings = {"name": level, "ndata": "N"}
    headings |= {c: c.replace("chi2_t0 ", "t0: ").replace("chi2_exp ", "exp.: ") for c in numbers}
    for name in study.names[1:]:
        if f"{kind} {name}" in shown:
            difference = f"difference {name}"
            shown[difference] = shown.ndata * (shown[own] - shown[f"{kind} {name}"])
            formats[difference], headings[difference] = "+.1f", f"Δχ² to {name}"
    classes = pd.DataFrame({column: [_colour(v, n) for v, n in zip(shown[column], shown.ndata)] for column in numbers})
    classes["name"] = np.where(table.level == "total", "strong", "")
    caption = (
        "χ²/N with all correlations within each row; t0: the covariance of the fit; exp.: multiplicative errors relative "
        "to the data. Colours: above 1 by 2, 4, 7 or more times √(2/N); blue is below by 2."
    )
    return Table(f"chi2-{level}-table", caption, shown, formats, headings, classes)


def _colour(chi2: float, n: int) -> str:
    deviation = (chi2 - 1) / np.sqrt(2 / n)
    return next(name for limit, name in _COLOURS if deviation <= limit) if np.isfinite(deviation) else ""


def data_theory_figures(study: Study, dataset: str, ratio: bool = False) -> list[Figure]:
    """Data of one set beside theory in the units of the measurement, or as ratio; some figures where it is large."""
    datasets = {entry.name: entry for entry in study.data_theory}
    if dataset not in datasets:
        raise InputError(
            f"dataset '{dataset}' is not in the fit; there: {', '.join(datasets)}.{nearest(dataset, datasets)}"
        )
    entry = datasets[dataset]
    shown = presentation(entry.dataset)
    points, others = _points(study, entry, shown), _others(study, entry)
    pieces = _pieces(points.group, POINTS if ratio else None, None if ratio else LINES)
    figures = []
    for i, chosen in enumerate(pieces, start=1):
        part = f" ({i} of {len(pieces)})" if len(pieces) > 1 else ""
        data = Points(
            points[chosen], others[chosen], f"{entry.dataset.label}{part}", _axis(shown, shown.along), _observable(shown),
            _axis(shown, shown.by) if shown.by else "", study.names[0], shown.logarithmic,
        )  # fmt: skip
        n = points.group[chosen].nunique()
        kind, draw, size = (
            ("ratio", draw_ratio, (5.2, 3.5)) if ratio else ("data", draw_data_theory, (5.2, 2.7 + 0.24 * n))
        )
        figures.append(Figure(slug(f"{kind}-{entry.name}-{i}"), f"{entry.name}{part}", draw, data, {}, size))
    return figures


def data_theory_figure(study: Study, dataset: str, part: int = 1, ratio: bool = False) -> Figure:
    """Data of one set beside theory, in the units of the measurement; ``part`` of a large set."""
    figures = data_theory_figures(study, dataset, ratio)
    if not 1 <= part <= len(figures):
        raise InputError(f"part {part}: {dataset} is drawn in {len(figures)} figure{'s' if len(figures) > 1 else ''}")
    return figures[part - 1]


def data_ratio_figure(study: Study, dataset: str, part: int = 1) -> Figure:
    """Data of one set over theory; ``part`` of a large set."""
    return data_theory_figure(study, dataset, part, ratio=True)


def data_theory(study: Study) -> tuple[Item, ...]:
    """Data beside theory, folded away set by set."""
    table = study.chi2[0]
    table = table[table.level == "dataset"].set_index("name")
    items = []
    for name in table.index:
        chi2 = table.loc[name, f"{study.chi2_kind} {study.name}"]
        title = f"{name}: {table.loc[name, 'ndata']} points, χ²/N = {chi2:.2f}"
        figures = data_theory_figures(study, name) + data_theory_figures(study, name, ratio=True)
        items.append(Folded(title, (*figures, _shift_table(study, name))))
    return tuple(items)


def _shift_table(study: Study, name: str) -> Table | Text:
    entry = next(entry for entry in study.data_theory if entry.name == name)
    if not len(entry.nuisance):
        return Text("No correlated systematics: nothing shifts.")
    table = pd.DataFrame({"source": entry.sources, "shift": entry.nuisance})
    table = table.reindex(table["shift"].abs().sort_values(ascending=False).index).head(8)
    caption = (
        f"χ² = {entry.chi2:.1f} (experimental covariance): {entry.chi2_uncorrelated:.1f} after shifts that cost "
        f"{entry.chi2_shifts:.1f}; the largest of {len(entry.nuisance)} shifts, in standard deviations"
    )
    return Table(slug(f"shifts-{name}"), caption, table, {"shift": "+.2f"})


def _points(study: Study, entry: DataTheory, shown: Presentation) -> pd.DataFrame:
    """Return the points of a set in the order they are drawn in: by group, then along the abscissa."""
    kinematics = entry.dataset.kinematics
    by = kinematics[shown.by] if shown.by else pd.Series(np.nan, index=kinematics.index)
    along = kinematics[shown.along] if shown.along else pd.Series(kinematics.index, index=kinematics.index, dtype=float)
    table = entry.table().set_index("point")
    table.insert(0, "group", by)
    table.insert(1, "along", along)
    return table.sort_values(["group", "along"]).reset_index()


def _others(study: Study, entry: DataTheory) -> pd.DataFrame:
    """Return the predictions of the sets compared with, in the order of `_points`."""
    start = 0
    for other in study.data_theory:
        if other is entry:
            break
        start += len(other.data)
    shown = presentation(entry.dataset)
    order = _points(study, entry, shown).point
    positions = pd.Series(np.arange(len(entry.data)), index=entry.dataset.kinematics.index)[order].to_numpy()
    available = [name for name in study.names[1:] if f"{study.chi2_kind} {name}" in study.chi2[0]]
    columns = {}
    for name, pdf in zip(study.names[1:], study.against):
        if name in available:
            columns[name] = study.central_predictions(pdf)[start : start + len(entry.data)][positions]
    return pd.DataFrame(columns, index=range(len(positions)))


def _pieces(groups: pd.Series, most_points: int | None, most_lines: int | None) -> list[np.ndarray]:
    """Split groups evenly into pieces of at most so many points or lines; returns boolean masks."""
    names = list(dict.fromkeys(groups))
    sizes = groups.value_counts()
    if most_lines:
        n = -(-len(names) // most_lines)
        pieces = [list(piece) for piece in np.array_split(np.array(names, dtype=object), n)]
    else:
        n = -(-len(groups) // (most_points or len(groups)))
        target, filled = len(groups) / n, 0
        pieces = [[]]
        for name in names:
            if pieces[-1] and filled + sizes[name] / 2 > target * len(pieces):
                pieces.append([])
            pieces[-1].append(name)
            filled += sizes[name]
    return [groups.isin(piece).to_numpy() for piece in pieces]


def _axis(shown: Presentation, variable: str | None) -> str:
    if variable is None:
        return "point"
    unit = shown.variable_units[variable]
    return shown.labels[variable] + (f" ({unit})" if unit else "")


def _observable(shown: Presentation) -> str:
    return shown.quantity + (f" ({shown.units})" if shown.units else "")


def kinematics_figure(study: Study) -> Figure:
    """Where the data are in x and Q2."""
    table, _ = _coverage(study)
    return Figure(
        "coverage", "the fitted points, by experiment and process", kinematic_coverage, table, size=(5.2, 4.6)
    )


def kinematics(study: Study) -> tuple[Item, ...]:
    """Where the data are in x and Q2."""
    _table, unknown = _coverage(study)
    notes = (
        [Text(f"Not shown, since their kinematics do not tell x and Q²: {', '.join(unknown)}.", "missing")]
        if unknown
        else []
    )
    return (kinematics_figure(study), *notes)


def _coverage(study: Study) -> tuple[pd.DataFrame, list[str]]:
    tables, unknown = [], []
    sizes: Counter[str] = Counter()
    for dataset in study.problem.datasets:
        where = x_and_q2(dataset)
        if where is None:
            unknown.append(dataset.name)
            continue
        group = f"{experiment_of(dataset.name)} {dataset.process_type.replace('_', ' ')}"
        sizes[group] += len(dataset)
        tables.append(where.assign(group=group, dataset=dataset.name))
    if not tables:
        raise InputError("The kinematics of these data do not tell x and Q².")
    table = pd.concat(tables, ignore_index=True)
    return table.assign(group=[f"{group} ({sizes[group]})" for group in table.group]), unknown


def details(study: Study) -> tuple[Item, ...]:
    """What the data are, and whom to cite for them."""
    contents = contents_table(study.fit.runcard)
    citations = {dataset.name: dataset.citation for dataset in study.problem.datasets}
    citations = {name: citations[name] for name in contents.name if name in citations}  # in the order of the runcard
    sources = pd.DataFrame(
        [
            {"name": name, **{key: _link(citation.get(key, "")) for key in ("journal", "arxiv", "hepdata", "inspire")}}
            for name, citation in citations.items()
        ]
    )
    data, constraints = contents[contents.kind == "data"], contents[contents.kind != "data"]
    columns = [
        "name", "variant", "points", "kept", "uncorrelated", "correlated", "shared", "multiplicative", "operation", "hadrons",
        "cfac", "fk_tables",
    ]  # fmt: skip
    items: list[Item] = [
        Table(
            "datasets",
            "measurements: points before and after cuts, sources of uncertainty, theory",
            data[columns].reset_index(drop=True),
        ),
        Table("citations", "references, from the metadata of each set", sources),
    ]
    if len(constraints):
        shown = constraints[["kind", "name", "points", "kept", "fk_tables"]].reset_index(drop=True)
        items.append(Table("constraints", "positivity and integrability sets", shown))
    return tuple(items)


def _link(reference: str) -> str:
    """Return a reference with the address of its DOI, if it is one."""
    return f"https://doi.org/{reference}" if reference.startswith("10.") else reference
