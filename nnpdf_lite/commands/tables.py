"""Tables on standard output: aligned text for people, JSON for programs."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_GAP = 2
#: Width of a table that does not go to a terminal: as wide as it needs.
_UNLIMITED = 100_000


def json_rows(table: "pd.DataFrame") -> list[dict]:
    """Return one object per row; what is not a number is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def print_json(table: "pd.DataFrame") -> None:
    """Print one object per row; what is not a number is null."""
    print(json.dumps(json_rows(table), indent=1))


def print_table(table: "pd.DataFrame", *, group: str | None = None, dispensable: Sequence[str] = ()) -> None:
    """Print aligned columns; those that do not fit into the terminal are left out and named on standard error.

    Parameters
    ----------
    table : pandas.DataFrame
        Its last column, when text, is broken between words where it is too long.
    group : str, optional
        Column whose changes are marked by an empty line.
    dispensable : sequence of str
        Columns that may be left out, the least important one first.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    width = console.width if console.is_terminal else _UNLIMITED
    cells = {str(name): [_cell(value) for value in values] for name, values in table.items()}
    left_out = []
    for name in dispensable:
        if _needed(cells) <= width:
            break
        cells.pop(name)
        left_out.append(name)
    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for i, name in enumerate(cells):
        text = table[name].dtype.kind not in "iuf"
        shown.add_column(name, justify="left" if text else "right", no_wrap=i < len(cells) - 1)
    groups = table[group].tolist() if group else [None] * len(table)
    for i, row in enumerate(zip(*cells.values())):
        if i and groups[i] != groups[i - 1]:
            shown.add_row()
        shown.add_row(*row)
    with console.capture() as capture:
        console.width = max(width, _needed(cells))
        console.print(shown)
    sys.stdout.write("".join(line.rstrip() + "\n" for line in capture.get().splitlines()))
    if left_out:
        print(f"left out, for lack of width: {', '.join(left_out)} (--json has all)", file=sys.stderr)


def _needed(cells: dict[str, list[str]]) -> int:
    """Return the least width of a table: only the last column may break, between words."""
    *fixed, last = ([name, *values] for name, values in cells.items())
    words = [word for text in last for word in text.split()]
    return sum(max(map(len, column)) + _GAP for column in fixed) + max(map(len, words))


def _cell(value: object) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        return f"{value:.3f}" if abs(value) < 1e5 else f"{value:.3e}"
    if value is True or value is False:
        return "yes" if value else "no"
    return str(value)


def show(table: "pd.DataFrame", options: argparse.Namespace, **layout: Any) -> None:
    """Print a table as the option ``--json`` asks; ``layout`` is that of ``print_table``."""
    if options.json:
        print_json(table)
    else:
        print_table(table, **layout)
