"""`nnpdf-lite report` and `plot`: the page of a fit, and single figures."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..report.registry import FIGURES, OPTIONS
from .usage import UsageParser

if TYPE_CHECKING:
    from ..results.fit import Fit


def add_report_verbs(verb: Callable, folder: UsageParser) -> None:
    """Add the verbs; ``folder`` is the option for a fit folder, which others share."""
    against = UsageParser(add_help=False)
    against.add_argument(
        "--against", nargs="+", default=[], metavar="FIT|SET", help="fits, or LHAPDF sets by name or folder, to compare with"
    )
    added = verb(
        "report", report, "report of a fit: one page that opens from disk", "report mine --against dis_nnlo", [folder, against]
    )
    added.add_argument("-o", "--output", metavar="DIR", help="folder of the report; by default FIT/report")
    added = verb("plot", plot, "one figure, by its name", "plot pdf mine --flavour u --q 100 -o u.svg", [against])
    added.formatter_class = argparse.RawDescriptionHelpFormatter
    added.epilog += "\n\nfigures:\n" + "\n".join(f"  {name:18} {recipe.summary}" for name, recipe in FIGURES.items())
    added.add_argument("name", metavar="FIGURE", help="name of the figure")
    added.add_argument("fit", metavar="FIT", help="fit folder, or LHAPDF set by name or folder")
    for option, (kind, meaning) in OPTIONS.items():
        added.add_argument(f"--{option}", type=kind, help=meaning, metavar=option.upper())
    added.add_argument("-o", "--output", metavar="FILE", required=True, help="FILE.svg, FILE.png or FILE.pdf")


def report(options: argparse.Namespace) -> None:
    """Write the report and print where it is."""
    print(write_page(options.fit, options.against, options.output))


def write_page(fit: "str | Fit", against: Sequence[str] = (), output: str | None = None) -> Path:
    """Write the report of a fit, with progress on the terminal; returns its ``index.html``."""
    from ..report.build import write_report
    from ..results.progress import track

    return write_report(fit, against, output, track=track)


def plot(options: argparse.Namespace) -> None:
    """Draw one figure and print where it is."""
    from ..report.registry import draw, recipe_of
    from ..report.study import Study

    recipe_of(options.name)
    chosen = {option: getattr(options, option) for option in OPTIONS}
    print(draw(options.name, Study(options.fit, options.against), Path(options.output), **chosen))
