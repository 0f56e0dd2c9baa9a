"""The verb ``hyperopt`` of the command line: a scan, the runcard of its best trial, and its report."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .usage import add_cluster_option, seed

if TYPE_CHECKING:
    from ..hyperopt.folder import ScanFolder
    from ..runcard import Runcard

#: What may stand before a scan, instead of a runcard.
ACTIONS = ("best", "again", "report")


def add_verb(verb: Callable) -> None:
    """Add the verb."""
    parser = verb(
        "hyperopt", run, "scan hyperparameters with folds of the data; the runcard of the best trial",
        "hyperopt dis_nnlo_hyperopt --trials 500",
    )  # fmt: skip
    parser.add_argument(
        "what", nargs="+", metavar="RUNCARD | best SCAN | again SCAN | report SCAN",
        help="a runcard to scan; or print the runcard of the best trial of a scan, judge its best trials again with other seeds "
        "and more replicas beside the runcard's own methodology, or write its report",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=int, metavar="N",
        help="trials the scan shall have in the end (default 500); with again: how many of the best (default 5)",
    )  # fmt: skip
    parser.add_argument("--replicas", type=int, metavar="N", help="replicas of each fold (default 10; with again: 40)")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at once; by default one per core")
    parser.add_argument("--algorithm", metavar="NAME", help="tpe (default), random, anneal or atpe")
    parser.add_argument("--seed", type=seed, metavar="N", help="seed of the trials (default 1)")
    parser.add_argument("--trial", type=int, metavar="N", help="with best: this trial instead of the best one")
    parser.add_argument(
        "--fitted", type=float, metavar="MAX",
        help="with best and again: only trials whose chi2 per point to the data they fitted is at most this",
    )  # fmt: skip
    parser.add_argument("--output", metavar="DIR", help="folder of the scan, or of the report")
    add_cluster_option(parser)


def run(options: argparse.Namespace) -> None:
    """Scan hyperparameters, print the runcard of the best trial, or write the report."""
    action, *rest = options.what
    if action in ACTIONS and len(rest) == 1:
        verb, takes = {
            "best": (_best, ("trial", "fitted")),
            "again": (_again, ("trials", "replicas", "fitted", "workers", "cluster", "output")),
            "report": (_report, ("output",)),
        }[action]
        options_of_scans = ("trials", "replicas", "workers", "algorithm", "seed", "cluster", "trial", "fitted", "output")
        unused = [name for name in options_of_scans if name not in takes and getattr(options, name) is not None]
        if unused:
            raise InputError(f"hyperopt {action}: takes no --{unused[0]}")
        verb(rest[0], options)
    elif rest:
        raise InputError(f"hyperopt: one argument too many: '{rest[0]}'; expected a runcard, or best, again or report and a SCAN")
    else:
        wrong = next((name for name in ("trial", "fitted") if getattr(options, name) is not None), None)
        if wrong:
            raise InputError(f"hyperopt: --{wrong} goes with {'best' if wrong == 'trial' else 'best or again'}")
        _scan(action, options)


def _best(scan: str, options: argparse.Namespace) -> None:
    from ..hyperopt.scan import best_card

    print(best_card(Path(scan), options.trial, options.fitted).dump(), end="")


def _report(scan: str, options: argparse.Namespace) -> None:
    from ..report.build import write_scan_report
    from ..results.progress import track

    print(write_scan_report(Path(scan), options.output and Path(options.output), track=track))


def _scan(runcard: str, options: argparse.Namespace) -> None:
    from ..runcard import load_runcard

    card = load_runcard(runcard)
    from ..hyperopt.scan import run_scan

    trials = 500 if options.trials is None else options.trials
    folder = run_scan(
        card,
        Path(options.output or Path(runcard).stem),
        trials,
        replicas=10 if options.replicas is None else options.replicas,
        seed=1 if options.seed is None else options.seed,
        algorithm=options.algorithm or "tpe",
        **_where(options, trials, card),
    )
    _finish(folder)


def _again(scan: str, options: argparse.Namespace) -> None:
    from ..hyperopt.folder import open_scan
    from ..hyperopt.scan import judge_again

    trials = 5 if options.trials is None else options.trials
    folder = open_scan(Path(scan))
    output = Path(options.output or f"{folder.path.name}_again")
    replicas = 40 if options.replicas is None else options.replicas
    where = _where(options, trials + 1, folder.runcard())
    _finish(judge_again(folder.path, output, trials, replicas=replicas, fitted=options.fitted, **where))


def _where(options: argparse.Namespace, trials: int, card: "Runcard") -> dict[str, Any]:
    """Return where trials run and who watches."""
    from ..fit.parallel import worker_count
    from ..hyperopt.progress import TerminalWatcher

    workers = options.workers
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: expected at least 1")
    if options.cluster is None:
        workers = workers or worker_count(trials, card.maxcores)
    return {"workers": workers, "cluster": options.cluster or "local", "watcher": TerminalWatcher()}


def _finish(folder: "ScanFolder") -> None:
    """Write the report if there is anything to report, and name the folder."""
    finished = folder.trials()
    if any(trial["state"] == "ok" for trial in finished):
        from ..report.build import write_scan_report
        from ..results.progress import track

        print(f"report: {write_scan_report(folder.path, None, track=track)}", file=sys.stderr)
    print(folder.path)
