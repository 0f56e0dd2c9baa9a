"""The command line: one thin function per verb. Results go to standard output, progress and errors to standard error."""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from .results.fit import Fit

EXAMPLES = """examples:
  nnpdf-lite run dis_nnlo_quick             fit, postfit, evolve, summary: everything
  nnpdf-lite fit my.yml --replicas 1-50     some replicas only
  nnpdf-lite chi2 dis_nnlo --pdf SET        how well a PDF set describes the data of a runcard
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 after a mistake in the input, or 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.verb(options)
        sys.stdout.flush()
        return 0
    except InputError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; finished replicas and checkpoints are kept, continue with --resume", file=sys.stderr)
        return 130
    except OSError as error:
        if options.debug:
            raise
        print(f"error: {error.filename or 'input/output'}: {error.strerror or error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    from . import __version__

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    tables = argparse.ArgumentParser(add_help=False)
    tables.add_argument("--json", action="store_true", help="print JSON instead of a table")
    fitting = argparse.ArgumentParser(add_help=False)
    fitting.add_argument("runcard", help="runcard file, or the name of a shipped one (dis_nnlo, dis_nnlo_quick)")
    fitting.add_argument("--replicas", type=_replicas, metavar="1-100", help="replica numbers, such as 1-50 or 1-10,17")
    fitting.add_argument("--output", metavar="DIR", help="fit folder; by default the runcard's name, here")
    fitting.add_argument("--resume", action="store_true", help="go on with a fit that was interrupted")
    fitting.add_argument(
        "--checkpoint", type=float, default=60.0, metavar="SECONDS", help="seconds between checkpoints (default 60)"
    )

    parser = argparse.ArgumentParser(
        prog="nnpdf-lite",
        description="Parton distribution functions from data, with tested uncertainties.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    parser.add_argument("--version", action="version", version=f"nnpdf-lite {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(name: str, function, summary: str, parents=(), example: str = "") -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name, help=summary, description=summary, parents=[common, *parents],
            epilog=f"example: nnpdf-lite {example}" if example else None,
        )  # fmt: skip
        added.set_defaults(verb=function)
        return added

    verb("run", run, "fit, postfit, evolve and summarise", [fitting, tables], "run dis_nnlo_quick")
    verb("fit", fit, "fit replicas", [fitting, tables], "fit dis_nnlo --replicas 1-50 --output mine")
    added = verb("validate", validate, "check a runcard, its data and its theory", [tables], "validate my.yml")
    added.add_argument("runcard")
    added = verb("data", data, "what is in the fit: sets, points, uncertainties, FK tables", [tables], "data dis_nnlo")
    added.add_argument("runcard")
    added = verb("chi2", chi2, "chi2 of a fit or a PDF set", [tables], "chi2 dis_nnlo --pdf NNPDFLITE_dis_nnlo")
    added.add_argument("what", metavar="RUNCARD|FIT", help="a runcard (with --pdf), or a fit folder")
    added.add_argument("--pdf", metavar="SET[/member]", help="LHAPDF set, by name or folder")
    added = verb("postfit", postfit, "select the good replicas of a fit", [tables], "postfit dis_nnlo_quick")
    added.add_argument("fit", metavar="FIT", help="fit folder")
    added = verb("evolve", evolve, "evolve a fit and write its LHAPDF set", [], "evolve dis_nnlo_quick")
    added.add_argument("fit", metavar="FIT", help="fit folder")
    added.add_argument("--output", metavar="DIR", help="folder of the set; by default FIT/postfit/FIT")
    verb("schema", schema, "print the JSON schema of runcards", [], "schema > runcard.schema.json")
    return parser


def _replicas(text: str) -> list[int]:
    """Read ``1-50,60`` as replica numbers."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"{text!r}: expected replica numbers such as 1-50 or 1-10,17")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return sorted(set(numbers))


def run(options: argparse.Namespace) -> None:
    """Everything: fit, postfit, LHAPDF set, chi2 and picture."""
    from .results.summary import write_summary

    done = _fit(options)
    _note("postfit: ", done)
    done.postfit()
    print("evolving", len(done.ensemble), "replicas", file=sys.stderr)
    path = done.to_lhapdf(overwrite=True)
    files = write_summary(done)
    _print_table(done.chi2(), options.json)
    if not options.json:
        print(f"\n{len(done.ensemble)} replicas kept of {len(done.all_replicas)}")
        print(f"LHAPDF set  {path}")
        for file in files:
            print(f"{file.suffix[1:]:11s} {file}")


def fit(options: argparse.Namespace) -> None:
    """Fit replicas and tabulate them."""
    _print_table(_fit(options).replicas(), options.json)


def _fit(options: argparse.Namespace) -> "Fit":
    from .runcard import load_runcard

    card = load_runcard(options.runcard)
    from .results.fit import load_fit
    from .results.progress import TerminalWatcher
    from .results.run import run_fit

    folder = run_fit(
        card,
        Path(options.output or Path(options.runcard).stem),
        options.replicas,
        resume=options.resume,
        checkpoint_interval=options.checkpoint,
        watcher=TerminalWatcher(),
    )
    return load_fit(folder.path)


def _note(prefix: str, done: "Fit") -> None:
    failed = done.selection.table()
    failed = failed[failed["failed"] > 0]
    dropped = ", ".join(f"{row.veto} {row.failed}" for row in failed.itertuples()) or "no veto"
    print(f"{prefix}{int(done.selection.kept.sum())} of {len(done.all_replicas)} kept ({dropped})", file=sys.stderr)


def validate(options: argparse.Namespace) -> None:
    """Check a runcard, then that its data, theory and PDF set are there and consistent."""
    from .runcard import load_runcard

    card = load_runcard(options.runcard)
    from .fit.preparation import replica_masks
    from .fit.problem import build_problem

    problem = build_problem(card)
    replica_masks(problem, card, [1])
    report = {
        "runcard": str(options.runcard),
        "valid": True,
        "datasets": len(problem.datasets),
        "ndata": problem.n_data,
        "theory": str(problem.card.folder),
    }
    if options.json:
        print(json.dumps(report))
    else:
        print(f"{options.runcard}: valid; {report['datasets']} sets, {report['ndata']} points, theory {report['theory']}")


def data(options: argparse.Namespace) -> None:
    """Tabulate what is in the fit."""
    from .runcard import load_runcard

    card = load_runcard(options.runcard)
    from .results.contents import contents_table

    _print_table(contents_table(card), options.json)


def chi2(options: argparse.Namespace) -> None:
    """Tabulate the chi2 of a fit's mean, or of a PDF set on a runcard's or a fit's data."""
    from .runcard import load_runcard

    is_fit = Path(options.what).is_dir()
    if not is_fit and options.pdf is None:
        raise InputError(f"chi2 {options.what}: name a PDF set with --pdf SET[/member], or give a fit folder")
    card = None if is_fit else load_runcard(options.what)
    from .fit.problem import build_problem, set_predictions
    from .results.chi2 import chi2_table
    from .results.fit import load_fit

    if is_fit and options.pdf is None:
        _print_table(load_fit(options.what).chi2(), options.json)
        return
    if is_fit:
        card = load_fit(options.what).runcard
    problem = build_problem(card)
    predictions = set_predictions(options.pdf, problem.theories, problem.card)[0]
    _print_table(chi2_table(problem, predictions, [entry.dataset for entry in card.dataset_inputs]), options.json)


def postfit(options: argparse.Namespace) -> None:
    """Select replicas and tabulate the vetoes."""
    from .results.fit import load_fit

    done = load_fit(options.fit)
    selection = done.postfit()
    _print_table(selection.table(), options.json)
    _note("", done)


def evolve(options: argparse.Namespace) -> None:
    """Write the LHAPDF set and print where it is."""
    from .results.fit import load_fit

    done = load_fit(options.fit)
    done.postfit()
    print(done.to_lhapdf(options.output, overwrite=options.output is None))


def schema(options: argparse.Namespace) -> None:
    """Print the JSON schema."""
    from .runcard import json_schema

    print(json.dumps(json_schema(), indent=2))


def _print_table(table: "pd.DataFrame", as_json: bool) -> None:
    if as_json:
        print(table.to_json(orient="records", indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name, values in table.items():
        shown.add_column(str(name), justify="left" if values.dtype.kind in "OUT" else "right", overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(*(_cell(value) for value in row))
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=200)
    console.print(shown, highlight=False)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if value != value else f"{value:.4g}"
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
