"""How sets of PDFs differ, and numbers that sum them up: distances, arc lengths, exponents, luminosities, sum rules."""

import numpy as np
import pandas as pd

from ...ensembles import PARTONS, latex
from ...ensembles.arc_lengths import arc_length_table
from ...ensembles.distances import distance_table
from ...ensembles.exponents import RUNCARD_FLAVOURS, alpha_effective, beta_effective, preprocessing_table
from ...ensembles.luminosity import CHANNELS, LHC, default_masses, luminosities
from ...ensembles.sum_rules import sum_rule_table
from ...errors import InputError, nearest
from ..figures import Curve, Curves, bands, distance_curves, exponent_curves, exponent_ranges, interval_points
from ..page import Figure, Folded, Item, Table, Tabs, Text
from ..study import SCALES, X_GRIDS, Study
from .pdfs import scale_name, slug

_COLUMNS = {"distance": "central values", "sigma_distance": "sigma", "pull": "pull"}
_TEX_CHANNELS = {"gg": "gg", "gq": "gq", "qq": "qq", "qqbar": r"q\bar{q}"}
_EXPONENTS = {
    "alpha": (alpha_effective, np.geomspace(1e-7, 0.1, 60), "log"),
    "beta": (beta_effective, np.linspace(0.5, 0.97, 60), "linear"),
}


def distance_figure(study: Study, q: float = 10.0, column: str = "distance", other: int = 0) -> Figure:
    """Distances of central values between the fit and the first set compared with; ``sigma_distance`` and ``pull`` too."""
    if column not in _COLUMNS:
        raise InputError(f"column '{column}': expected {', '.join(_COLUMNS)}.{nearest(column, _COLUMNS)}")
    if not study.against:
        raise InputError("distances are between two sets: name another one with --against")
    compared = study.against[other]
    sets, reasons = study.readable(q)
    if study.pdf not in sets or compared not in sets:
        raise InputError(" ".join(reasons))
    flavours = [f for f in PARTONS if {study.pdf, compared} <= set(study.readable(q, [f])[0])]
    table = distance_table(study.pdf, compared, flavours, X_GRIDS["log"], q)
    if not table[column].notna().any():
        raise InputError(f"{study.name} and {study.names[1 + other]}: {column} needs the replicas of both")
    table = table.assign(label=table.flavour.map(lambda name: latex(name).removeprefix("x")))
    caption = f"{_COLUMNS[column]}, to {study.names[1 + other]}, Q = {q:.4g} GeV"
    return Figure(slug(f"{column}-{other + 1}-Q{q:.4g}"), caption, distance_curves, table, {"column": column})


def distances(study: Study) -> tuple[Item, ...]:
    """Distances to every set compared with."""
    if not study.against:
        raise InputError("There is nothing to compare with: give another fit or PDF set with --against.")
    items: list[Item] = []
    for i, other in enumerate(study.against):
        columns: tuple[str, ...] = ("distance", "sigma_distance")
        if {study.pdf.errors.kind, other.errors.kind} != {"replicas"}:
            columns = ("pull",)
            items.append(Text(f"{study.label(other)}: distances need replicas of both sets, so pulls are shown: "
                              "|difference| over sigma of both in quadrature.", "note"))  # fmt: skip
        for q in (study.q0, *SCALES):
            try:
                items += [distance_figure(study, q, column, i) for column in columns]
            except InputError as error:
                items.append(Text(str(error), "missing"))
    return tuple(items)


def arc_length_figure(study: Study, q: float | None = None) -> Figure:
    """Arc lengths of the PDFs at Q0, of every set."""
    return Figure(
        "arc-length-figure",
        f"arc lengths at {scale_name(study, q or study.q0)}",
        interval_points,
        _arc_lengths(study, q),
    )


def arc_lengths(study: Study) -> tuple[Item, ...]:
    """Arc lengths at Q0."""
    table = _arc_lengths(study).drop(columns="label")
    notes = [Text(reason, "missing") for reason in study.readable(study.q0)[1]]
    return (*notes, arc_length_figure(study), Table("arc-length-table", f"at {scale_name(study, study.q0)}", table))


def _arc_lengths(study: Study, q: float | None = None) -> pd.DataFrame:
    q = study.q0 if q is None else q
    sets, reasons = study.readable(q)
    if study.pdf not in sets:
        raise InputError(reasons[0])
    tables = [arc_length_table(pdf, q).assign(set=study.label(pdf)) for pdf in sets]
    table = pd.concat(tables, ignore_index=True)
    table = table.assign(label=table.flavour.map(lambda name: f"${latex(name)}$"))
    return table[["set", "flavour", "label", "central", "sigma", "low68", "high68"]]


def exponent_figure(study: Study, flavour: str = "g", exponent: str = "alpha") -> Figure:
    """Effective exponent of a flavour against x, beside the runcard's preprocessing range and that for the next fit."""
    if exponent not in _EXPONENTS:
        raise InputError(f"exponent '{exponent}': expected {' or '.join(_EXPONENTS)}.{nearest(exponent, _EXPONENTS)}")
    effective, x, xscale = _EXPONENTS[exponent]
    sets, _ = study.readable(study.q0, [flavour])
    curves = tuple(Curve.of(study.label(pdf), effective(pdf, flavour, x, study.q0)) for pdf in sets)
    ranges = _ranges(study)
    rows = ranges[(ranges.flavour == flavour) & (ranges.exponent == exponent)]
    old, new = (
        tuple(rows[[low, high]].to_numpy().ravel()) for low, high in (("low", "high"), ("next_low", "next_high"))
    )
    name = latex(flavour).removeprefix("x")
    data = Curves(x, curves, "$x$", rf"$\{exponent}_\mathrm{{eff}}$ of ${name}$", f"Q₀ = {study.q0:.4g} GeV")
    options = {"xscale": xscale, "ranges": {"runcard": old, "next fit": new}}
    return Figure(slug(f"{exponent}-{flavour}"), f"{exponent} of {flavour}", exponent_curves, data, options)


def exponents(study: Study) -> tuple[Item, ...]:
    """Effective exponents, the runcard's ranges and those for the next iteration."""
    ranges = _ranges(study)
    labelled = ranges.assign(label=ranges.flavour.map(lambda name: latex(name).removeprefix("x")))
    figures = tuple(
        Figure(f"{exponent}-ranges", f"ranges of {exponent}", exponent_ranges, rows)
        for exponent, rows in labelled.groupby("exponent", sort=False)
    )
    known = [RUNCARD_FLAVOURS[entry.fl] for entry in study.fit.runcard.fitting.basis]
    curves = [
        (name, tuple(exponent_figure(study, flavour, name) for flavour in known if _has(ranges, flavour, name)))
        for name in ranges.exponent.unique()
    ]
    formats = dict.fromkeys(("low", "high", "next_low", "next_high"), ".3f")
    headings = {"low": "runcard, from", "high": "to", "next_low": "next fit, from", "next_high": "to", "fl": "key"}
    return (
        *figures,
        Table("preprocessing", "preprocessing ranges", ranges, formats, headings),
        Tabs("exponent-curves", tuple(curves)),
    )


def _ranges(study: Study) -> pd.DataFrame:
    return preprocessing_table(study.pdf)


def _has(ranges: pd.DataFrame, flavour: str, exponent: str) -> bool:
    return ((ranges.flavour == flavour) & (ranges.exponent == exponent)).any()


def luminosity_figure(study: Study, channel: str = "gg") -> Figure:
    """Parton luminosities at 14 TeV, over those of the first set compared with, or their own central value."""
    masses, values = _luminosities(study, channel)
    reference = values[min(1, len(values) - 1)][1].central
    curves = tuple(Curve.of(study.label(pdf), m.map(lambda v: v / reference)) for pdf, m in values)
    name = study.names[study.sets.index(values[min(1, len(values) - 1)][0])]
    ylabel = rf"$L_{{{_TEX_CHANNELS[channel]}}}$ / {name}"
    data = Curves(masses, curves, "$M_X$ (GeV)", ylabel, "√s = 14 TeV", (1.0,))
    return Figure(f"luminosity-{channel}", f"{channel} luminosity over that of {name}", bands, data)


def luminosity(study: Study) -> tuple[Item, ...]:
    """Parton luminosities at the LHC."""
    figures = [luminosity_figure(study, channel) for channel in CHANNELS]
    rows = []
    for channel in CHANNELS:
        masses, values = _luminosities(study, channel)
        for pdf, members in values:
            columns = {"central": members.central, "sigma": members.sigma}
            rows.append(pd.DataFrame({"channel": channel, "set": study.label(pdf), "mass": masses, **columns}))
    table = pd.concat(rows, ignore_index=True)
    table["sigma_percent"] = 100 * table.sigma / table.central
    headings = {"mass": "M_X (GeV)", "central": "L (1/GeV²)", "sigma": "σ", "sigma_percent": "σ (%)"}
    inside = Table("luminosity-table", "luminosities at 14 TeV", table, {"sigma_percent": ".2f"}, headings)
    return (*figures, Folded("Table of luminosities", (inside,)))


def _luminosities(study: Study, channel: str) -> tuple[np.ndarray, list]:
    if channel not in CHANNELS:
        raise InputError(f"channel '{channel}': expected {', '.join(CHANNELS)}.{nearest(channel, CHANNELS)}")
    masses = default_masses(n=24)
    sets, reasons = study.readable(masses[-1])
    if study.pdf not in sets:
        raise InputError(reasons[0])
    position = CHANNELS.index(channel)
    all_channels = study.once("luminosities", lambda: [luminosities(pdf, masses, LHC) for pdf in sets])
    return masses, [(pdf, m.map(lambda v: v[:, position])) for pdf, m in zip(sets, all_channels)]


def sum_rules(study: Study) -> tuple[Item, ...]:
    """Sum rules and momentum fractions."""
    tables: list[tuple[str, tuple[Item, ...]]] = []
    for q in (study.q0, *SCALES):
        notes = study.readable(q)[1]
        columns = ["set", "rule", "expected", "central", "sigma", "min", "max"]
        formats = dict.fromkeys(("central", "min", "max"), ".5f") | {"sigma": ".1e"}
        headings = {"min": "smallest", "max": "largest"}
        table = Table(
            slug(f"sum-rules-table-Q{q:.4g}"),
            f"at {scale_name(study, q)}",
            _sum_rules(study, q)[columns],
            formats,
            headings,
        )
        tables.append((scale_name(study, q), (*(Text(note, "missing") for note in notes), table)))
    return (Tabs("sum-rules-scale", tuple(tables)),)


def _sum_rules(study: Study, q: float) -> pd.DataFrame:
    sets, reasons = study.readable(q)
    if study.pdf not in sets:
        raise InputError(reasons[0])
    return pd.concat([sum_rule_table(pdf, q).assign(set=study.label(pdf)) for pdf in sets], ignore_index=True)
