"""`nnpdf-lite run`, `fit`, `validate`, `data`, `chi2`, `postfit`, `evolve` and `merge`: from a runcard to an LHAPDF set."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .n3fit import add_options as add_n3fit_options
from .report import write_page
from .tables import show
from .usage import UsageParser, add_cluster_option, replica_numbers, seconds

if TYPE_CHECKING:
    from ..results.fit import Fit


def add_fit_verbs(verb: Callable, folder: UsageParser, tables: UsageParser) -> None:
    """Add the verbs; ``folder`` and ``tables`` are the options that others share: the fit folder, and how to print tables."""
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
    verb("run", run, "fit, postfit, evolve and report", "run dis_nnlo_quick", [card, fitting, tables])
    verb("fit", fit, "fit replicas", "fit dis_nnlo --replicas 1-50 --output mine", [card, fitting, tables])
    added = verb("validate", validate, "check a runcard, its data and its theory", "validate my.yml", [card, tables])
    add_n3fit_options(added)
    verb("data", data, "what is in the fit: sets, points, uncertainties, FK tables", "data dis_nnlo", [card, tables])
    added = verb("chi2", chi2, "chi2 of a fit or a PDF set", "chi2 dis_nnlo --pdf NNPDFLITE_dis_nnlo", [theories, tables])
    added.add_argument("what", metavar="RUNCARD|FIT", help="a runcard (with --pdf), or a fit folder")
    added.add_argument("--pdf", metavar="SET[/member]", help="LHAPDF set, by name or folder")
    verb("postfit", postfit, "select the good replicas of a fit", "postfit dis_nnlo_quick", [folder, tables])
    added = verb("evolve", evolve, "evolve a fit and write its LHAPDF set", "evolve dis_nnlo_quick", [folder])
    added.add_argument("--output", metavar="DIR", help="folder of the set; by default FIT/postfit/FIT")
    added = verb("merge", merge, "one fit out of several of the same runcard", "merge here there --output all")
    added.add_argument("fits", nargs="+", metavar="FIT", help="fit folders")
    added.add_argument("--output", metavar="DIR", required=True, help="fit folder that receives all replicas")


def run(options: argparse.Namespace) -> None:
    """Everything: fit, postfit, LHAPDF set, chi2 and report."""
    done = _fit(options)
    done.postfit()
    print(f"postfit: {_kept(done)}; evolving", file=sys.stderr)
    path = done.to_lhapdf(overwrite=True)
    page = write_page(done)
    show(done.chi2(), options, group="level")
    # The table is the result that programs read; where the files are then goes with the messages.
    print(f"\n{_kept(done)}\nLHAPDF set   {path}\nreport       {page}", file=sys.stderr if options.json else sys.stdout)


def fit(options: argparse.Namespace) -> None:
    """Fit replicas and tabulate them."""
    show(_fit(options).replicas(), options, dispensable=["stop_epoch"])


def _fit(options: argparse.Namespace) -> "Fit":
    from ..runcard import load_runcard

    card = load_runcard(options.runcard)
    from ..results.fit import load_fit
    from ..results.progress import TerminalWatcher
    from ..results.run import run_fit

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
        from .n3fit import run as review

        review(options)
        return
    from ..runcard import load_runcard

    card = load_runcard(options.runcard)
    from ..fit.methodologies import scan_models
    from ..fit.preparation import replica_masks
    from ..fit.problem import build_problem

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
    from ..runcard import load_runcard

    card = load_runcard(options.runcard)
    from ..results.contents import DISPENSABLE, contents_table, operator_summary, total

    table = contents_table(card)
    show(table, options, group="kind", dispensable=DISPENSABLE)
    words = f"{total(table)}\n{operator_summary(card)}"
    print(words if options.json else f"\n{words}", file=sys.stderr if options.json else sys.stdout)


def chi2(options: argparse.Namespace) -> None:
    """Tabulate the chi2 of a fit's mean, or of a PDF set on a runcard's or a fit's data."""
    is_fit = (Path(options.what) / "filter.yml").is_file()
    if not is_fit and options.pdf is None:
        from ..runcard import find_runcard

        if find_runcard(options.what).is_dir():
            raise InputError(f"{options.what}: not a fit folder (it holds no filter.yml)")
        raise InputError(f"chi2 {options.what}: name a PDF set with --pdf SET[/member], or give a fit folder")
    from ..runcard import load_runcard

    card = load_runcard(Path(options.what) / "filter.yml" if is_fit else options.what)
    from ..fit.problem import build_problem, set_predictions
    from ..results.chi2 import chi2_table
    from ..results.fit import load_fit

    if options.pdf is None:
        table = load_fit(options.what).chi2()
    else:
        problem = build_problem(card)
        predictions = set_predictions(options.pdf, problem.theories, problem.card)[0]
        table = chi2_table(problem, predictions, [entry.dataset for entry in card.dataset_inputs])
    show(table, options, group="level")


def postfit(options: argparse.Namespace) -> None:
    """Select replicas and tabulate the vetoes."""
    from ..results.fit import load_fit

    done = load_fit(options.fit)
    show(done.postfit().table(), options)
    if not options.json:
        print(f"\n{_kept(done)}")


def evolve(options: argparse.Namespace) -> None:
    """Write the LHAPDF set and print where it is."""
    from ..results.fit import load_fit

    done = load_fit(options.fit)
    done.postfit()
    print(done.to_lhapdf(options.output, overwrite=options.output is None))


def merge(options: argparse.Namespace) -> None:
    """Collect the replicas of several folders and print where they are."""
    from ..results.merge import merge_folders

    merged = merge_folders(options.fits, Path(options.output))
    print(f"{len(merged.finished())} replicas", file=sys.stderr)
    print(merged.path)
