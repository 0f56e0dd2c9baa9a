"""What a page is made of: sections of text, figures, tables, and groups of them.

A page is plain data; ``site.write_site`` turns it into a folder that opens from disk::

    page = Page("My study", "what it shows", (Section("chi2", "chi2", (Table("chi2", "per set", frame),)),))
    write_site(page, Path("my_site"))

Text is escaped unless it is ``markupsafe.Markup``. Identifiers are unique within a page: they name files and anchors.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure, drawn when the page is written.

    Attributes
    ----------
    id : str
        File name and anchor.
    caption : str
    draw : callable
        ``draw(data, ax, **options) -> ax``, a function of an importable module: figures are drawn in other processes.
    data : object
        What is drawn. A DataFrame, or an object whose ``table()`` returns one; the table becomes the figure's CSV file.
    options : Mapping
        Keyword arguments of ``draw``.
    size : tuple of float
        Width and height in inches.
    """

    id: str
    caption: str
    draw: Callable[..., Any]
    data: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[float, float] = (5.2, 3.7)

    def table(self) -> pd.DataFrame:
        """Return the numbers drawn."""
        return self.data if isinstance(self.data, pd.DataFrame) else self.data.table()


@dataclass(frozen=True, eq=False)
class Table:
    """A table, also written as CSV and into the page's JSON.

    Attributes
    ----------
    id : str
    caption : str
    data : pandas.DataFrame
        Cells are shown as text; one that starts with ``http`` is a link. The index is not shown.
    formats : Mapping of column to str
        Format of its numbers, such as ``.3f``; by default four significant digits.
    headings : Mapping of column to str
        What stands above it; by default its name.
    classes : pandas.DataFrame, optional
        CSS classes of cells, of the same index, for some columns.
    facts : bool
        Show each row of two columns as a large value below its name.
    """

    id: str
    caption: str
    data: pd.DataFrame
    formats: Mapping[str, str] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)
    classes: pd.DataFrame | None = None
    facts: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph. ``kind`` is ``note`` for something to bear in mind, ``missing`` for what cannot be shown and why."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Code:
    """Text shown as it is, such as a runcard; written to the file ``name`` as well."""

    name: str
    text: str


@dataclass(frozen=True)
class Folded:
    """Items behind a heading that opens them."""

    title: str
    items: "tuple[Item, ...]"
    open: bool = False


@dataclass(frozen=True)
class Tabs:
    """Items of which one group is seen at a time: ``panels`` are pairs of a label and items."""

    id: str
    panels: "tuple[tuple[str, tuple[Item, ...]], ...]"


Item = Figure | Table | Text | Code | Folded | Tabs


@dataclass(frozen=True)
class Section:
    """A part of a page with its place in the navigation."""

    id: str
    title: str
    items: tuple[Item, ...]
    text: str = ""

    def leaves(self) -> Iterator[Item]:
        """Yield figures, tables, texts and code, those inside groups included."""
        yield from _leaves(self.items)


@dataclass(frozen=True)
class Page:
    """A whole page: title, a line below it, sections."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]

    def leaves(self, kind: type) -> list:
        """Return all items of a kind, such as ``Figure``, in their order."""
        return [item for section in self.sections for item in section.leaves() if isinstance(item, kind)]


def _leaves(items: tuple[Item, ...]) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Folded):
            yield from _leaves(item.items)
        elif isinstance(item, Tabs):
            for _label, inside in item.panels:
                yield from _leaves(inside)
        else:
            yield item
