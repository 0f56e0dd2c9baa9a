"""Reports of fits, closure tests, the impact of new data and scans of hyperparameters, each with all its sections on one page."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..closure.results import ClosureResults
from ..ensembles.sources import Track, silent
from ..errors import InputError
from ..hyperopt.folder import open_scan
from ..impact import Impact
from ..results.fit import Fit, load_fit
from .page import Page, Section, Text
from .sections import SECTIONS
from .sections.closure import closure_sections
from .sections.impact import impact_sections
from .sections.scan import scan_sections
from .site import check_target, write_site
from .study import Study


def fit_page(study: Study) -> Page:
    """Return the page of a fit; a section that cannot be shown says why."""
    sections = []
    for name, title, text, make in SECTIONS:
        try:
            items = make(study)
        except InputError as error:
            items = (Text(str(error), "missing"),)
        if items:
            sections.append(Section(name, title, items, text))
    subtitle = study.fit.runcard.description
    if study.against:
        subtitle += f" · compared with {', '.join(study.names[1:])}"
    return Page(study.name, subtitle, tuple(sections))


def write_report(
    fit: "str | os.PathLike | Fit",
    against: Sequence = (),
    folder: "str | os.PathLike | None" = None,
    *,
    workers: int | None = None,
    track: Track = silent,
) -> Path:
    """Write the report of a fit, by default into ``FIT/report``; returns its ``index.html``.

    Parameters
    ----------
    fit : path or Fit
    against : sequence of path, Fit or PDFSet
        Fits and LHAPDF sets to compare with.
    folder : path, optional
        Where to write; replaced if it is an earlier report.
    workers, track
        As for ``write_site``.

    Raises
    ------
    InputError
        If a fit or set is not there or unreadable, or ``folder`` holds something else.
    """
    study = Study(fit if isinstance(fit, Fit) else load_fit(fit), against)
    if not study.fit.selection.kept.any():
        raise InputError(
            f"{study.fit.folder.path}: postfit leaves none of {len(study.fit.all_replicas)} replicas to report on"
        )
    target = Path(folder) if folder is not None else study.fit.folder.path / "report"
    check_target(target)
    return write_site(fit_page(study), target, workers=workers, track=track)


def write_closure_report(
    results: ClosureResults, folder: Path, *, workers: int | None = None, track: Track = silent
) -> Path:
    """Write the report of a closure test into ``folder``; returns its ``index.html``.

    Parameters
    ----------
    results : ClosureResults
    folder : Path
        New or empty, or an earlier report, which is replaced.
    workers, track
        As for ``write_site``.

    Raises
    ------
    InputError
        If ``folder`` holds something else.
    """
    check_target(folder)
    title = f"Closure test, level {results.sample.level}"
    page = Page(title, results.sample.card.description, closure_sections(results))
    return write_site(page, folder, workers=workers, track=track)


def write_impact_report(
    impact: Impact, folder: Path, q: float = 10.0, *, workers: int | None = None, track: Track = silent
) -> Path:
    """Write the report on the impact of new data into ``folder``; returns its ``index.html``.

    Parameters
    ----------
    impact : Impact
    folder : Path
        New or empty, or an earlier report, which is replaced.
    q : float
        Scale of the PDFs in GeV.
    workers, track
        As for ``write_site``.

    Raises
    ------
    InputError
        If ``folder`` holds something else, or the sets do not cover the scale.
    """
    check_target(folder)
    title = f"Impact of {', '.join(impact.added)} on {impact.prior.name}"
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    page = Page(title, impact.card.description, impact_sections(impact, q))
    return write_site(page, folder, workers=workers, track=track)


def write_scan_report(
    scan: Path, folder: Path | None = None, *, workers: int | None = None, track: Track = silent
) -> Path:
    """Write the report of a scan of hyperparameters, by default into ``SCAN/report``; returns its ``index.html``.

    Parameters
    ----------
    scan : Path
        Folder of the scan, which may be going on.
    folder : Path, optional
        New or empty, or an earlier report, which is replaced.
    workers, track
        As for ``write_site``.

    Raises
    ------
    InputError
        If there is no scan or no finished trial in it, or ``folder`` holds something else.
    """
    found = open_scan(scan)
    if not found.trials():
        raise InputError(f"{scan}: no trial of this scan has finished yet")
    target = folder or found.path / "report"
    check_target(target)
    page = Page(f"Scan {found.path.name}", found.runcard().description, scan_sections(found))
    return write_site(page, target, workers=workers, track=track)
