"""The verb ``closure`` of the command line: its options, and what it does."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .tables import show
from .usage import UsageParser, add_cluster_option, seconds


def add_verb(verb: Callable, tables: UsageParser) -> None:
    """Add the verb; ``tables`` holds its ``--json``."""
    parser = verb(
        "closure", run, "closure tests: fits of a known truth, and whether their errors are right",
        "closure my_closure.yml --fits 25 --replicas 40", [tables],
    )  # fmt: skip
    parser.add_argument("what", nargs="+", metavar="RUNCARD|FOLDER", help="a runcard, or the folders of finished fits")
    parser.add_argument("--fits", type=int, metavar="N", help="how many fits (default 25)")
    parser.add_argument("--replicas", type=int, metavar="N", help="replicas of each fit (default 40)")
    parser.add_argument("--output", metavar="DIR", help="folder of the test; by default the runcard's name, here")
    parser.add_argument("--resume", action="store_true", help="go on with a test that was interrupted, or add fits")
    parser.add_argument(
        "--checkpoint", type=seconds, default=60.0, metavar="SECONDS", help="seconds between checkpoints (default 60)"
    )
    add_cluster_option(parser)
    parser.add_argument("--leave-out", metavar="SET,SET", help="sets that are predicted, not fitted")
    parser.add_argument("--until", type=int, metavar="YEAR", help="fit only what was published until then")
    parser.add_argument("--edge", metavar="CONDITION", help="fit only points that fulfil it, such as 'x > 0.01'")
    parser.add_argument(
        "--weight", metavar="SET", help="fit with the weight N/N_set that tests whether a set is consistent"
    )
    parser.add_argument("--weighted", metavar="DIR", help="compare finished fits with those of --weight")
    parser.add_argument("--compare", action="store_true", help="a line for each of several finished tests")
    parser.add_argument("--levels", action="store_true", help="uncertainties of tests of level 0 and 1 over those of level 2")


def run(options: argparse.Namespace) -> None:
    """Run the fits of a closure test, or take finished ones, and tabulate the estimators."""
    running = (options.fits, options.replicas, options.leave_out, options.until, options.edge, options.weight)
    if options.resume or any(value is not None for value in running) or not all(Path(w).is_dir() for w in options.what):
        options.what = [_run_closure(options)]
    if options.compare:
        from ..closure.compare import comparison

        show(comparison(options.what), options)
    elif options.levels:
        from ..closure.levels import levels_table

        show(levels_table(options.what), options, group="flavour")
    elif options.weighted:
        from ..closure.inconsistency import weighted_fit_table
        from ..closure.sample import load_sample

        show(weighted_fit_table(load_sample(options.what), load_sample([options.weighted])), options)
    else:
        _estimators(options)


def _estimators(options: argparse.Namespace) -> None:
    from ..closure.future import future_table
    from ..closure.results import evaluate, write_results
    from ..closure.sample import find_fits, load_sample

    fits = find_fits(options.what)
    if len(fits) == 1 and fits[0].runcard.closuretest is None:
        show(future_table(fits[0]), options, group="part")
        return
    results = evaluate(load_sample(options.what))
    target = options.what[0] if len(options.what) == 1 else options.output
    if target:
        from ..report.build import write_closure_report
        from ..results.progress import track

        paths = write_results(results, Path(target))
        paths.append(write_closure_report(results, Path(target) / "closure", track=track))
        print(f"written: {', '.join(map(str, paths))}", file=sys.stderr)
    if options.json:
        print(json.dumps(results.summary(), indent=1))
        return
    for name in ("data", "pdf"):
        show(results.shown(name), options, group="level", dispensable=["xi_2 +-", "xi_2", "n_sigma +-", "n_sigma"])
        print()
    print("\n".join(filter(None, (results.verdict.sentence, results.verdict.details))))


def _run_closure(options: argparse.Namespace) -> Path:
    from ..runcard import load_runcard

    if len(options.what) > 1:
        wrong = next((what for what in options.what if not Path(what).is_dir()), options.what[1])
        raise InputError(f"closure {wrong}: expected one runcard to run, or folders of finished fits alone")
    what = Path(options.what[0])
    started = (what / "runcard.yml").is_file()
    card = load_runcard(what / "runcard.yml" if started else options.what[0])
    from ..closure.multifit import ClosureFolder, leave_out, run_closure
    from ..closure.progress import ClosureWatcher

    defaults = (len(ClosureFolder(what).fits()), card.replicas) if started else (25, 40)
    fits, replicas = (d if o is None else o for o, d in zip((options.fits, options.replicas), defaults))
    card = leave_out(card, options.leave_out, options.until, options.edge)
    if options.weight:
        from ..closure.inconsistency import weighted_card

        card = weighted_card(card, options.weight)
    return run_closure(
        card,
        Path(options.output or (what if started else what.stem)),
        fits,
        replicas,
        resume=options.resume,
        checkpoint_interval=options.checkpoint,
        cluster=options.cluster,
        watcher=ClosureWatcher(replicas),
    ).path
