"""The verb ``hyperopt`` of the command line: a scan, the runcard of its best trial, and its report."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .usage import add_cluster_option, seed

#: What may stand before a scan, instead of a runcard.
ACTIONS = ("best", "report")


def add_verb(verb: Callable) -> None:
    """Add the verb."""
    parser = verb(
        "hyperopt", run, "scan hyperparameters with folds of the data; the runcard of the best trial",
        "hyperopt dis_nnlo_hyperopt --trials 500",
    )  # fmt: skip
    parser.add_argument(
        "what", nargs="+", metavar="RUNCARD | best SCAN | report SCAN",
        help="a runcard to scan; or print the runcard of the best trial of a scan, or write its report",
    )  # fmt: skip
    parser.add_argument("--trials", type=int, metavar="N", help="trials the scan shall have in the end (default 500)")
    parser.add_argument("--replicas", type=int, metavar="N", help="replicas of each fold (default 10)")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at once; by default one per core")
    parser.add_argument("--algorithm", metavar="NAME", help="tpe (default), random, anneal or atpe")
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of the trials (default 1)")
    parser.add_argument("--trial", type=int, metavar="N", help="with best: this trial instead of the best one")
    parser.add_argument("--output", metavar="DIR", help="folder of the scan, or of the report")
    add_cluster_option(parser)


def run(options: argparse.Namespace) -> None:
    """Scan hyperparameters, print the runcard of the best trial, or write the report."""
    action, *rest = options.what
    if action in ACTIONS and len(rest) == 1:
        scanning = ("trials", "replicas", "workers", "algorithm", "seed", "cluster")
        unused = [name for name in (*scanning, *(["trial"] if action == "report" else [])) if getattr(options, name) is not None]
        if unused:
            raise InputError(f"hyperopt {action}: takes no --{unused[0]}")
        (_best if action == "best" else _report)(rest[0], options)
    elif rest:
        raise InputError(f"hyperopt: one argument too many: '{rest[0]}'; expected a runcard, best SCAN or report SCAN")
    else:
        if options.trial is not None:
            raise InputError("hyperopt: --trial goes with best")
        _scan(action, options)


def _best(scan: str, options: argparse.Namespace) -> None:
    from ..hyperopt.scan import best_card

    if options.output:
        raise InputError("hyperopt best: takes no --output; the runcard goes to standard output")
    print(best_card(Path(scan), options.trial).dump(), end="")


def _report(scan: str, options: argparse.Namespace) -> None:
    from ..report.build import write_scan_report
    from ..results.progress import track

    print(write_scan_report(Path(scan), options.output and Path(options.output), track=track))


def _scan(runcard: str, options: argparse.Namespace) -> None:
    from ..runcard import load_runcard

    card = load_runcard(runcard)
    from ..fit.parallel import worker_count
    from ..hyperopt.progress import TerminalWatcher
    from ..hyperopt.scan import run_scan

    trials = 500 if options.trials is None else options.trials
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers}: expected at least 1")
    workers = options.workers
    if options.cluster is None:
        workers = workers or worker_count(trials, card.maxcores)
    folder = run_scan(
        card,
        Path(options.output or Path(runcard).stem),
        trials,
        replicas=10 if options.replicas is None else options.replicas,
        seed=1 if options.seed is None else options.seed,
        algorithm=options.algorithm or "tpe",
        workers=workers,
        cluster=options.cluster or "local",
        watcher=TerminalWatcher(),
    )
    finished = folder.trials()
    if any(trial["state"] == "ok" for trial in finished):
        from ..report.build import write_scan_report
        from ..results.progress import track

        print(f"report: {write_scan_report(folder.path, None, track=track)}", file=sys.stderr)
    print(folder.path)
