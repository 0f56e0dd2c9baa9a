"""Turns a page into a folder: ``index.html``, its figures and tables as files, and every number as JSON."""

import itertools
import json
import math
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from ..ensembles.sources import Track, silent
from ..errors import InputError
from ..results.run import versions
from .drawing import draw_figures
from .page import Code, Figure, Page, Table

#: What tells a folder written here from any other, which is never replaced.
GENERATOR = "nnpdf_lite"
NUMBERS = "report.json"
#: Characters in a cell from which on its lines are broken.
LONG = 40


def write_site(
    page: Page,
    folder: Path,
    *,
    workers: int | None = None,
    track: Track = silent,
) -> Path:
    """Write a page as a static site.

    Parameters
    ----------
    page : Page
    folder : Path
        New or empty, or an earlier site, which is replaced once the new one is complete.
    workers : int, optional
        Processes that draw; by default one per core.
    track : callable
        ``track(steps, what)`` goes through the steps and shows how far it is (``results.progress.track``).

    Returns
    -------
    Path
        ``folder/index.html``. Beside it: ``figures/ID.svg``, ``.png`` and ``.csv``, ``tables/ID.csv``, the files of
        ``Code`` items, and ``report.json`` with every table.

    Raises
    ------
    InputError
        If ``folder`` holds something else, or cannot be written.
    """
    check_target(folder)
    _check_ids(page)
    figures = page.leaves(Figure)
    target = folder.absolute()
    temporary = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        for part in ("figures", "tables"):
            (temporary / part).mkdir(parents=True)
        for _ in zip(track(figures, "figures"), draw_figures(figures, temporary / "figures", workers), strict=True):
            pass
        for table in page.leaves(Table):
            table.data.to_csv(temporary / "tables" / f"{table.id}.csv", index=False)
        for code in page.leaves(Code):
            (temporary / code.name).write_text(code.text)
        (temporary / NUMBERS).write_text(json.dumps(_numbers(page), indent=1, allow_nan=False))
        (temporary / "index.html").write_text(render(page), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"{folder}: the report cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target / "index.html"


def check_target(folder: Path) -> None:
    """Raise InputError unless a site may be written to ``folder``."""
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or _is_site(folder))):
        raise InputError(f"{folder}: exists and is not an earlier report; nothing was written. Choose another folder")


def _is_site(folder: Path) -> bool:
    try:
        return json.loads((folder / NUMBERS).read_text())["generator"] == GENERATOR
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def render(page: Page) -> str:
    """Return the HTML of a page; figures and tables are named by relative paths."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nnpdf_lite.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(runs=_runs, kind=lambda item: type(item).__name__, cells=_cells)
    return environment.get_template("page.html").render(
        page=page, generator=GENERATOR, version=versions()["nnpdf_lite"]
    )


def _runs(items: tuple) -> list[tuple[str, list]]:
    """Group neighbours of one kind, so that figures in a row share a grid."""
    return [(kind, list(run)) for kind, run in itertools.groupby(items, lambda item: type(item).__name__)]


def _cells(table: Table) -> list[list[tuple[Markup, str]]]:
    """Return rows of cells: HTML and CSS classes."""
    numeric = {name: table.data[name].dtype.kind in "iuf" for name in table.data}
    rows = []
    for i, row in enumerate(table.data.itertuples(index=False, name=None)):
        cells = []
        for name, value in zip(table.data, row):
            classes = ["number"] if numeric[name] else ["long"] if len(str(value)) > LONG else []
            if table.classes is not None and name in table.classes:
                classes.append(table.classes[name].iloc[i])
            cells.append((_cell(value, table.formats.get(name, ".4g")), " ".join(filter(None, classes))))
        rows.append(cells)
    return rows


def _cell(value: Any, form: str) -> Markup:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Markup("–")
    if isinstance(value, (bool, np.bool_)):
        return Markup("yes" if value else "no")
    if isinstance(value, float):
        text = format(value, form)
        if float(text) == 0:  # no negative zero
            text = format(0.0, form)
        return Markup(text.replace("-", "\N{MINUS SIGN}"))
    if isinstance(value, str) and value.startswith("http"):
        return Markup('<a href="{}">{}</a>').format(value, link_text(value))
    return escape(value)


def link_text(url: str) -> str:
    """Return what to show for a reference: ``arXiv:1506.06042`` for one of arXiv, else host and record."""
    host, _, rest = url.split("://", 1)[1].removeprefix("www.").partition("/")
    last = rest.rstrip("/").split("/")[-1]
    if host == "arxiv.org":
        return f"arXiv:{rest.removeprefix('abs/')}"
    if host == "doi.org":
        return f"doi:{rest}"
    return f"{host.split('.')[0]} {last}" if last else host


def _check_ids(page: Page) -> None:
    ids = [section.id for section in page.sections] + [item.id for item in page.leaves(Table) + page.leaves(Figure)]
    repeated = [name for name, n in Counter(ids).items() if n > 1]
    if repeated:
        raise ValueError(f"two parts of the page are called {', '.join(repeated)}")


def _numbers(page: Page) -> dict:
    sections = {
        section.id: {item.id: _records(item.data) for item in section.leaves() if isinstance(item, Table)}
        for section in page.sections
    }
    return {"generator": GENERATOR, "title": page.title, "sections": sections}


def _records(table: pd.DataFrame) -> list[dict]:
    rows = table.to_dict("records")
    return [
        {str(k): None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows
    ]
