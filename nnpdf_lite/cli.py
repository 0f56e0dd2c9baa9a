"""The command line: one thin function per verb. Results go to standard output, the rest to standard error."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .cli_ensembles import add_verbs
from .completion import SHELLS, PrintCompletion
from .dataset_commands import add_dataset_verbs
from .errors import InputError
from .report.registry import FIGURES, OPTIONS
from .theory_commands import add_theory_verbs
from .usage import UsageParser, add_cluster_option, replica_numbers, seconds

if TYPE_CHECKING:
    import pandas as pd

    from .results.fit import Fit

EXAMPLES = """examples:
  nnpdf-lite run dis_nnlo_quick             fit, postfit, evolve, report: everything
  nnpdf-lite fit my.yml --replicas 1-50     some replicas only
  nnpdf-lite chi2 dis_nnlo --pdf SET        how well a PDF set describes the data of a runcard
  nnpdf-lite report FIT --against OTHER     a page of figures and tables
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 after a mistake in the input, or 130 when interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments and "_ARGCOMPLETE" not in os.environ:
        _parser().print_help(sys.stderr)
        return 2
    try:
        if "_ARGCOMPLETE" in os.environ:
            from .completion import complete

            complete(_parser())
        options = _parser().parse(arguments)
        if getattr(options, "theory_path", None):
            _use_theories(Path(options.theory_path))
        options.verb(options)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        _abandon_output()
        return 0
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept, and a fit goes on with --resume", file=sys.stderr)
        return 130
    except (InputError, OSError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        print(f"error: {_message(error)}", file=sys.stderr)
        return 2


def _message(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"not enough memory ({error})" if str(error) else "not enough memory"
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_output()
    return f"{error.filename or 'input or output'}: {error.strerror or error}"


def _use_theories(folder: Path) -> None:
    """Look for theories in ``folder`` first, here and in the workers of a fit."""
    from .paths import THEORY_PATH

    if not folder.is_dir():
        raise InputError(f"--theory-path {folder}: there is no such folder")
    os.environ[THEORY_PATH] = str(folder.expanduser().absolute())


def _abandon_output() -> None:
    """Keep the interpreter from writing, at its end, what could not be written now."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> UsageParser:
    from . import __version__

    common = UsageParser(add_help=False)
    # Suppressed, so that a verb does not reset what stands before it.
    common.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks of errors")
    tables = UsageParser(add_help=False)
    tables.add_argument("--json", action="store_true", help="print JSON instead of a table")
    theories = UsageParser(add_help=False)
    theories.add_argument(
        "--theory-path", metavar="DIR", help="folder that holds theories (theory_40000000), or one of them itself"
    )
    card = UsageParser(add_help=False, parents=[theories])
    card.add_argument(
        "runcard", metavar="RUNCARD", help="runcard file, or the name of a shipped one (dis_nnlo, dis_nnlo_quick)"
    )
    fitting = UsageParser(add_help=False)
    fitting.add_argument(
        "--replicas", type=replica_numbers, metavar="1-100", help="replica numbers, such as 1-50 or 1-10,17"
    )
    fitting.add_argument("--output", metavar="DIR", help="fit folder; by default the runcard's name, here")
    fitting.add_argument("--resume", action="store_true", help="go on with a fit that was interrupted, or add replicas")
    fitting.add_argument(
        "--checkpoint", type=seconds, default=60.0, metavar="SECONDS", help="seconds between checkpoints (default 60)"
    )
    add_cluster_option(fitting)
    folder = UsageParser(add_help=False)
    folder.add_argument("fit", metavar="FIT", help="fit folder")

    parser = UsageParser(
        prog="nnpdf-lite",
        description="Parton distribution functions from data, with tested uncertainties.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    parser.add_argument("--version", action="version", version=f"nnpdf-lite {__version__}", help="show the version")
    parser.add_argument(
        "--print-completion", action=PrintCompletion, metavar="SHELL",
        help=f"print what makes a shell complete arguments ({', '.join(SHELLS)}), and end",
    )  # fmt: skip
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(name: str, function, summary: str, example: str, parents=()) -> argparse.ArgumentParser:
        added = verbs.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=[*parents, common],
            epilog=f"example: nnpdf-lite {example}",
        )  # fmt: skip
        added.set_defaults(verb=function)
        parser.verbs[name] = added
        return added

    verb("run", run, "fit, postfit, evolve and report", "run dis_nnlo_quick", [card, fitting, tables])
    verb("fit", fit, "fit replicas", "fit dis_nnlo --replicas 1-50 --output mine", [card, fitting, tables])
    from .n3fit_command import add_options as add_n3fit_options

    added = verb("validate", validate, "check a runcard, its data and its theory", "validate my.yml", [card, tables])
    add_n3fit_options(added)
    verb("data", data, "what is in the fit: sets, points, uncertainties, FK tables", "data dis_nnlo", [card, tables])
    added = verb("chi2", chi2, "chi2 of a fit or a PDF set", "chi2 dis_nnlo --pdf NNPDFLITE_dis_nnlo", [theories, tables])
    added.add_argument("what", metavar="RUNCARD|FIT", help="a runcard (with --pdf), or a fit folder")
    added.add_argument("--pdf", metavar="SET[/member]", help="LHAPDF set, by name or folder")
    verb("postfit", postfit, "select the good replicas of a fit", "postfit dis_nnlo_quick", [folder, tables])
    added = verb("evolve", evolve, "evolve a fit and write its LHAPDF set", "evolve dis_nnlo_quick", [folder])
    added.add_argument("--output", metavar="DIR", help="folder of the set; by default FIT/postfit/FIT")
    from .closure_command import add_options

    added = verb(
        "closure", closure, "closure tests: fits of a known truth, and whether their errors are right",
        "closure my_closure.yml --fits 25 --replicas 40", [tables],
    )  # fmt: skip
    add_options(added)
    from .hyperopt_command import add_options as add_scan_options

    added = verb(
        "hyperopt", hyperopt, "scan hyperparameters with folds of the data; the runcard of the best trial",
        "hyperopt dis_nnlo_hyperopt --trials 500",
    )  # fmt: skip
    add_scan_options(added)
    from .impact_command import add_options as add_impact_options

    added = verb(
        "impact", impact, "what new data would do to a fit: by reweighting, and by fitting again",
        "impact dis_nnlo --data EMC_NC_250GEV_EM-F2C:rzero --refit", [folder, tables],
    )  # fmt: skip
    add_impact_options(added)
    added = verb("merge", merge, "one fit out of several of the same runcard", "merge here there --output all")
    added.add_argument("fits", nargs="+", metavar="FIT", help="fit folders")
    added.add_argument("--output", metavar="DIR", required=True, help="fit folder that receives all replicas")
    against = UsageParser(add_help=False)
    against.add_argument(
        "--against",
        nargs="+",
        default=[],
        metavar="FIT|SET",
        help="fits, or LHAPDF sets by name or folder, to compare with",
    )
    added = verb(
        "report",
        report,
        "report of a fit: one page that opens from disk",
        "report mine --against dis_nnlo",
        [folder, against],
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
    add_verbs(verb, tables)
    verb("schema", schema, "print the JSON schema of runcards", "schema > runcard.schema.json")
    added = verb("dataset", None, "your own measurements: make, check, list and show datasets", "dataset list HERA")
    add_dataset_verbs(added, [common], tables)
    added = verb("theory", None, "build and verify theory tables", "theory build nnlo --output my_nnlo")
    add_theory_verbs(added, [common], tables)
    return parser


def run(options: argparse.Namespace) -> None:
    """Everything: fit, postfit, LHAPDF set, chi2 and report."""
    done = _fit(options)
    done.postfit()
    print(f"postfit: {_kept(done)}; evolving", file=sys.stderr)
    path = done.to_lhapdf(overwrite=True)
    page = _report(done)
    _show(done.chi2(), options, group="level")
    # The table is the result that programs read; where the files are then goes with the messages.
    print(f"\n{_kept(done)}\nLHAPDF set   {path}\nreport       {page}", file=sys.stderr if options.json else sys.stdout)


def fit(options: argparse.Namespace) -> None:
    """Fit replicas and tabulate them."""
    _show(_fit(options).replicas(), options, dispensable=["stop_epoch"])


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
        cluster=options.cluster,
        watcher=TerminalWatcher(),
    )
    return load_fit(folder.path)


def _kept(done: "Fit") -> str:
    failed = done.selection.table()
    dropped = ", ".join(f"{row.veto} {row.failed}" for row in failed[failed["failed"] > 0].itertuples())
    kept = f"{int(done.selection.kept.sum())} of {len(done.all_replicas)} replicas kept"
    return f"{kept} (failed: {dropped})" if dropped else kept


def validate(options: argparse.Namespace) -> None:
    """Check a runcard, then that its data, theory and PDF set are there and consistent."""
    if options.n3fit or options.write:
        from .n3fit_command import run as review

        review(options)
        return
    from .runcard import load_runcard

    card = load_runcard(options.runcard)
    from .fit.methodologies import scan_models
    from .fit.preparation import replica_masks
    from .fit.problem import build_problem

    problem = build_problem(card)
    replica_masks(problem, card, [1])
    if card.trial_specs:
        scan_models(card)
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
        contents = f"{report['datasets']} sets, {report['ndata']} points, theory {report['theory']}"
        print(f"{options.runcard}: valid; {contents}")


def data(options: argparse.Namespace) -> None:
    """Tabulate what is in the fit."""
    from .runcard import load_runcard

    card = load_runcard(options.runcard)
    from .results.contents import DISPENSABLE, contents_table, operator_summary, total

    table = contents_table(card)
    _show(table, options, group="kind", dispensable=DISPENSABLE)
    words = f"{total(table)}\n{operator_summary(card)}"
    print(words if options.json else f"\n{words}", file=sys.stderr if options.json else sys.stdout)


def chi2(options: argparse.Namespace) -> None:
    """Tabulate the chi2 of a fit's mean, or of a PDF set on a runcard's or a fit's data."""
    is_fit = (Path(options.what) / "filter.yml").is_file()
    if not is_fit and options.pdf is None:
        from .runcard import find_runcard

        if find_runcard(options.what).is_dir():
            raise InputError(f"{options.what}: not a fit folder (it holds no filter.yml)")
        raise InputError(f"chi2 {options.what}: name a PDF set with --pdf SET[/member], or give a fit folder")
    from .runcard import load_runcard

    card = load_runcard(Path(options.what) / "filter.yml" if is_fit else options.what)
    from .fit.problem import build_problem, set_predictions
    from .results.chi2 import chi2_table
    from .results.fit import load_fit

    if options.pdf is None:
        table = load_fit(options.what).chi2()
    else:
        problem = build_problem(card)
        predictions = set_predictions(options.pdf, problem.theories, problem.card)[0]
        table = chi2_table(problem, predictions, [entry.dataset for entry in card.dataset_inputs])
    _show(table, options, group="level")


def postfit(options: argparse.Namespace) -> None:
    """Select replicas and tabulate the vetoes."""
    from .results.fit import load_fit

    done = load_fit(options.fit)
    _show(done.postfit().table(), options)
    if not options.json:
        print(f"\n{_kept(done)}")


def evolve(options: argparse.Namespace) -> None:
    """Write the LHAPDF set and print where it is."""
    from .results.fit import load_fit

    done = load_fit(options.fit)
    done.postfit()
    print(done.to_lhapdf(options.output, overwrite=options.output is None))


def closure(options: argparse.Namespace) -> None:
    """Run the fits of a closure test, or take finished ones, and tabulate the estimators."""
    from .closure_command import run

    run(options, _show)


def hyperopt(options: argparse.Namespace) -> None:
    """Scan hyperparameters, print the runcard of the best trial, or write the report."""
    from .hyperopt_command import run

    run(options)


def impact(options: argparse.Namespace) -> None:
    """Estimate the impact of new data on a fit, write its report and tabulate it."""
    from .impact_command import run

    run(options, _show)


def merge(options: argparse.Namespace) -> None:
    """Collect the replicas of several folders and print where they are."""
    from .results.merge import merge_folders

    merged = merge_folders(options.fits, Path(options.output))
    print(f"{len(merged.finished())} replicas", file=sys.stderr)
    print(merged.path)


def report(options: argparse.Namespace) -> None:
    """Write the report and print where it is."""
    print(_report(options.fit, options.against, options.output))


def _report(fit: "str | Fit", against: Sequence[str] = (), output: str | None = None) -> Path:
    from .report.build import write_report
    from .results.progress import track

    return write_report(fit, against, output, track=track)


def plot(options: argparse.Namespace) -> None:
    """Draw one figure and print where it is."""
    from .report.registry import draw, recipe_of
    from .report.study import Study

    recipe_of(options.name)
    chosen = {option: getattr(options, option) for option in OPTIONS}
    print(draw(options.name, Study(options.fit, options.against), Path(options.output), **chosen))


def schema(options: argparse.Namespace) -> None:
    """Print the JSON schema."""
    from .runcard import json_schema

    print(json.dumps(json_schema(), indent=2))


def _show(table: "pd.DataFrame", options: argparse.Namespace, **layout) -> None:
    from .tables import print_json, print_table

    if options.json:
        print_json(table)
    else:
        print_table(table, **layout)


if __name__ == "__main__":
    sys.exit(main())
