"""PDFs at the scales people look at: bands, replicas, ratios, uncertainties."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ...ensembles import EVOLUTION, PARTONS, Members, latex
from ...errors import InputError, nearest
from ..figures import Curve, Curves, bands, pdf_overview, replicas, uncertainty
from ..page import Figure, Item, Tabs, Text
from ..study import SCALES, X_GRIDS, Study

#: Flavours of the overview, with the factors they are drawn with.
OVERVIEW = {"g": 0.1, "uv": 1.0, "dv": 1.0, "ubar": 1.0, "dbar": 1.0, "s+": 1.0, "c+": 1.0}
_SCALE_NAMES = {"log": "logarithmic x", "linear": "linear x", "both": "x logarithmic below 0.1, linear above"}


def overview_figure(study: Study, q: float = 10.0) -> Figure:
    """All PDFs of a fit or set in one picture."""
    lacking = study.readable(q)[1]
    if study.pdf not in study.readable(q)[0]:
        raise InputError(lacking[0])
    curves = []
    x = np.concatenate([np.geomspace(1e-4, 0.1, 50, endpoint=False), np.linspace(0.1, 0.9, 60)])
    for flavour, factor in OVERVIEW.items():
        members = study.pdf.xf(flavour, x, q).map(partial(np.multiply, factor))
        name = f"${latex(flavour)}$" + (f" / {1 / factor:g}" if factor != 1 else "")
        curves.append(Curve.of(name, members))
    data = Curves(x, tuple(curves), "$x$", "$xf(x, Q)$", f"{study.label(study.pdf)}, Q = {q:.4g} GeV")
    return Figure(f"overview-Q{q:.4g}", f"PDFs at {q:.4g} GeV, mean and one sigma", pdf_overview, data, {}, (6.6, 4.6))


def pdf_figure(study: Study, flavour: str = "g", q: float = 10.0, xscale: str = "log") -> Figure:
    """PDFs with their one-sigma bands and 68% intervals."""
    return _figure("pdf", bands, _curves(study, flavour, q, xscale), flavour, q, xscale)


def replicas_figure(study: Study, flavour: str = "g", q: float = 10.0, xscale: str = "log") -> Figure:
    """Every replica of a fit, and the central values of the sets compared with."""
    return _figure("replicas", replicas, _curves(study, flavour, q, xscale, members=True), flavour, q, xscale)


def ratio_figure(study: Study, flavour: str = "g", q: float = 10.0, xscale: str = "log") -> Figure:
    """PDFs over the first set compared with, or over their own central value."""
    return _figure("ratio", bands, _curves(study, flavour, q, xscale, ratio=True), flavour, q, xscale)


def uncertainty_figure(study: Study, flavour: str = "g", q: float = 10.0, xscale: str = "log") -> Figure:
    """Relative uncertainties of PDFs, one sigma."""
    curves = replace(_curves(study, flavour, q, xscale), ylabel=rf"$\sigma / |{latex(flavour)}|$ (%)", lines=())
    return _figure("uncertainty", uncertainty, curves, flavour, q, xscale)


def pdfs(study: Study) -> tuple[Item, ...]:
    """PDFs at Q0, 10 and 100 GeV, linear and logarithmic, bands and replicas, ratios."""
    views = (
        ("logarithmic x", pdf_figure, "log"),
        ("linear x", pdf_figure, "linear"),
        ("replicas", replicas_figure, "both"),
        ("ratio", ratio_figure, "both"),
    )
    panels: list[tuple[str, tuple[Item, ...]]] = []
    for q in (study.q0, *SCALES):
        inside = [(label, _each(make, study, PARTONS, q, xscale)) for label, make, xscale in views]
        if q == study.q0:
            inside.append(("evolution basis", _each(pdf_figure, study, EVOLUTION, q, "both")))
        notes = tuple(Text(reason, "missing") for reason in study.readable(q, PARTONS)[1])
        panels.append((scale_name(study, q), (*notes, Tabs(f"pdfs-{q:.4g}", tuple(inside)))))
    return (Tabs("pdfs-scale", tuple(panels)),)


def uncertainties(study: Study) -> tuple[Item, ...]:
    """Relative uncertainties at Q0, 10 and 100 GeV."""
    if not any(pdf.errors.has_uncertainty for pdf in study.sets):
        raise InputError(f"{', '.join(study.names)}: one member, no uncertainty")
    panels = [(scale_name(study, q), _each(uncertainty_figure, study, PARTONS, q, "both")) for q in (study.q0, *SCALES)]
    return (Tabs("uncertainties-scale", tuple(panels)),)


def scale_name(study: Study, q: float) -> str:
    """Return a scale as the page writes it."""
    return f"Q₀ = {q:.4g} GeV" if np.isclose(q, study.q0) else f"{q:.4g} GeV"


def slug(text: str) -> str:
    """Return a name for files and anchors."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text.replace("+", "plus").replace("/", "over")).strip("-")


def _each(
    make: Callable[..., Figure], study: Study, flavours: Sequence[str], q: float, xscale: str
) -> tuple[Figure, ...]:
    return tuple(make(study, flavour, q, xscale) for flavour in flavours)


def _figure(kind: str, draw: Callable, curves: Curves, flavour: str, q: float, xscale: str) -> Figure:
    caption = f"{flavour} at {curves.title}, {_SCALE_NAMES[xscale]}"
    return Figure(slug(f"{kind}-{flavour}-Q{q:.4g}-{xscale}"), caption, draw, curves, {"xscale": xscale})


def _curves(study: Study, flavour: str, q: float, xscale: str, *, members: bool = False, ratio: bool = False) -> Curves:
    if xscale not in X_GRIDS:
        raise InputError(f"xscale '{xscale}': expected {', '.join(X_GRIDS)}.{nearest(xscale, X_GRIDS)}")
    sets, reasons = study.readable(q, [flavour])
    if study.pdf not in sets:
        raise InputError(reasons[0])
    values = [(pdf, study.xf(pdf, flavour, q, xscale)) for pdf in sets]
    label = latex(flavour)
    lines: tuple[float, ...] = (0.0,) if min(m.central.min() for _, m in values) < 0 else ()
    ylabel = f"${label}(x, Q)$"
    if ratio:
        reference = values[min(1, len(values) - 1)]
        values = [(pdf, _over(m, reference[1].central)) for pdf, m in values]
        ylabel, lines = f"${label}$ / {study.names[study.sets.index(reference[0])]}", (1.0,)
    curves = tuple(Curve.of(study.label(pdf), m, with_replicas=members and i == 0) for i, (pdf, m) in enumerate(values))
    symbol = "Q₀" if np.isclose(q, study.q0) else "Q"
    return Curves(X_GRIDS[xscale], curves, "$x$", ylabel, f"{symbol} = {q:.4g} GeV", lines)


def _over(members: Members, reference: np.ndarray) -> Members:
    with np.errstate(divide="ignore", invalid="ignore"):
        return members.map(lambda values: values / reference)
