"""The verb ``impact`` of the command line: its options, and what it does."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from .tables import json_rows, show
from .usage import UsageParser, positive_number


def add_verb(verb: Callable, folder: UsageParser, tables: UsageParser) -> None:
    """Add the verb; ``folder`` and ``tables`` are the options that others share: the fit folder, and how to print tables."""
    parser = verb(
        "impact", run, "what new data would do to a fit: by reweighting, and by fitting again",
        "impact dis_nnlo --data EMC_NC_250GEV_EM-F2C:rzero --refit", [folder, tables],
    )  # fmt: skip
    parser.add_argument(
        "--data", action="append", required=True, metavar="DATASET[:VARIANT]", help="new data; once for each set"
    )
    parser.add_argument("--refit", action="store_true", help="fit again with the data added, beside FIT, and compare")
    parser.add_argument("--replicas", type=int, metavar="N", help="replicas of the refit (default: as many as FIT has)")
    parser.add_argument(
        "--refit-output", metavar="DIR", help="folder of the refit (default FIT_with_DATASET, beside FIT)"
    )
    parser.add_argument(
        "--method", choices=("giele-keller", "nnpdf"), default="giele-keller", help="weights (default giele-keller)"
    )
    parser.add_argument("--q", type=positive_number, default=10.0, metavar="GEV", help="scale of the PDFs (default 10)")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder of the report (default FIT/impact/DATASET)")


def run(options: argparse.Namespace) -> None:
    """Reweight, fit again if asked to, write the report and tabulate."""
    from ..impact import estimate_impact, refit
    from ..impact.tables import agreement, chi2_before_and_after, pdf_table, summary
    from ..report.build import write_impact_report
    from ..report.site import check_target
    from ..results.progress import TerminalWatcher, track

    if options.replicas is not None and not options.refit:
        raise InputError("impact: --replicas is the number of replicas of the refit; add --refit, or leave it out")
    names = "_".join(text.partition(":")[0] for text in options.data)
    folder = Path(options.output) if options.output else Path(options.fit) / "impact" / names
    check_target(folder)
    found = estimate_impact(options.fit, options.data, method=options.method, track=track)
    if options.refit:
        new = refit(options.fit, options.data, options.replicas, output=options.refit_output, watcher=TerminalWatcher())
        found = estimate_impact(options.fit, options.data, method=options.method, posterior=new, track=track)
    page = write_impact_report(found, folder, options.q, track=track)
    table, chi2 = pdf_table(found, options.q), chi2_before_and_after(found)
    words = "\n".join(filter(None, (found.verdict(), agreement(found, table))))
    if options.json:
        facts = dict(summary(found).itertuples(index=False, name=None))
        print(json.dumps(facts | {"verdict": words, "chi2": json_rows(chi2), "pdfs": json_rows(table)}, indent=1))
    else:
        for name, value in summary(found).itertuples(index=False, name=None):
            print(f"{name:40} {value}")
        print("\nchi2 per point")
        show(chi2, options, group="level")
        ways = [way for way in ("reweighted", "refit") if f"ratio_{way}" in table]
        columns = [f"{what}_{way}" for what in ("shift", "ratio") for way in ways]
        print(
            f"\nx f(x, Q) at Q = {options.q:g} GeV: shifts in units of sigma before, and sigma after over sigma before"
        )
        shown = table[["flavour", "x", *columns]].assign(x=table.x.map("{:g}".format))
        show(shown, options, group="flavour")
        print(f"\n{words}")
    if found.posterior is not None and found.posterior.fit is not None:
        print(f"refit        {found.posterior.fit.folder.path}", file=sys.stderr)
    print(f"report       {page}", file=sys.stderr if options.json else sys.stdout)
