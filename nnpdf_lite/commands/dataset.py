"""The verbs of ``nnpdf-lite dataset``: make, check, list and show datasets."""

import argparse
import sys
from typing import TYPE_CHECKING

from ..errors import InputError
from .tables import show
from .usage import UsageParser, adder_of_verbs, positive_number

if TYPE_CHECKING:
    import pandas as pd

_NEW_EXAMPLE = (
    "new EMC_NC_22GEV_MUFE_F2C table.csv --process DIS_NC --error error:ADD:UNCORR --error sys=15%:MULT:CORR "
    "--measures F2 --flavour charm --target iron"
)


def add_dataset_verbs(dataset: UsageParser, parents: list[UsageParser], tables: UsageParser) -> None:
    """Add the verbs below ``dataset`` to its parser."""
    verb = adder_of_verbs(dataset, parents)
    _add_new(verb("new", new, "make a dataset of a published table", _NEW_EXAMPLE))
    added = verb(
        "check", check, "explain every mistake in a dataset", "check datasets/MY_NC_318GEV_EP --theory nnlo", [tables]
    )
    added.add_argument("what", nargs="+", metavar="FOLDER|DATASET", help="folder of a set, or its name")
    added.add_argument("--theory", metavar="THEORY", help="check that this theory predicts it, too")
    added = verb("list", show_list, "list datasets", "list HERA", [tables])
    added.add_argument("pattern", nargs="?", default="*", help="part of their names, or a pattern with *")
    added = verb("show", describe, "show what is in a dataset", "show HERA_CC_318GEV_EP-SIGMARED --points", [tables])
    added.add_argument("dataset", metavar="DATASET[:VARIANT]", help="name of a dataset")
    added.add_argument("--points", action="store_true", help="every point, with its errors")


def _add_new(new: UsageParser) -> None:
    new.add_argument("name", metavar="NAME", help="EXPERIMENT_PROCESS_ENERGY[_MORE]_OBSERVABLE")
    new.add_argument("table", metavar="TABLE", help="HEPData's YAML or CSV, a submission.yaml, or columns of numbers")
    new.add_argument("--process", default="DIS_NC", metavar="TYPE", help="process type (default DIS_NC)")
    new.add_argument("--table-name", metavar="NAME", help="which table of a submission")
    new.add_argument("--value", metavar="COLUMN", help="column of the measured values, where it is not clear")
    new.add_argument(
        "--skip", type=_lines, default=0, metavar="N", help="lines before the header, in columns of numbers"
    )
    new.add_argument(
        "--column", action="append", default=[], type=_pair, metavar="VARIABLE=COLUMN",
        help="kinematic variable, where its name does not tell; a number or '0.1 TO 0.2' instead of a column",
    )  # fmt: skip
    new.add_argument(
        "--error", action="append", default=[], metavar="NAME[=SIZE][:ADD|MULT][:TYPE][:percent]",
        help="what an error is (names may hold *), or one to add, such as lumi=1.5%%:MULT:CORR; TYPE is UNCORR, CORR, SKIP "
        "or a name of your own",
    )  # fmt: skip
    new.add_argument("--covariance", action="append", default=[], metavar="FILE[:MULT]", help="covariance matrix")
    new.add_argument(
        "--correlation", action="append", default=[], metavar="ERROR=FILE", help="correlation matrix of one error"
    )
    new.add_argument("--sqrts", type=positive_number, metavar="GEV", help="centre-of-mass energy")
    new.add_argument("--factor", type=positive_number, default=1.0, help="multiply values and errors")
    new.add_argument("--output", default="datasets", metavar="DIR", help="folder of datasets (default datasets)")
    prediction = new.add_argument_group("what is measured in DIS, for 'theory build'")
    prediction.add_argument("--measures", metavar="WHAT", help="F2, FL, F3, XSHERANC, XSHERACC, ...")
    prediction.add_argument("--flavour", default="total", help="total, light, charm or bottom (default total)")
    prediction.add_argument("--current", help="NC, EM or CC (default by the process)")
    prediction.add_argument("--projectile", default="electron", help="electron, positron, neutrino or antineutrino")
    prediction.add_argument(
        "--target", action="append", metavar="NAME", help="proton, deuteron, iron or lead, or PROTONS,NUCLEONS; "
        "once for each operand (default proton)",
    )  # fmt: skip
    tables = new.add_argument_group("prediction from other tables")
    tables.add_argument("--fk-table", action="append", default=[], metavar="NAME", help="once for each operand")
    tables.add_argument("--operation", default="null", metavar="OP", help="null, ratio, add, asy, ...")
    tables.add_argument("--conversion-factor", type=positive_number, default=1.0, metavar="F", help="tables to data")
    words = new.add_argument_group("description")
    for option in ("label", "units", "arxiv", "hepdata", "journal"):
        words.add_argument(f"--{option}", default="", metavar="TEXT")


def new(options: argparse.Namespace) -> None:
    """Write a dataset, and say where everything in it came from and what is wrong with it."""
    from ..measurements import Recipe, check_folder, new_dataset
    from .tables import print_table

    made = new_dataset(
        Recipe(
            name=options.name,
            table=options.table,
            process=options.process.upper(),
            columns=dict(options.column),
            errors=tuple(options.error),
            prediction=_prediction(options),
            fk_tables=tuple(options.fk_table),
            covariance=tuple(options.covariance),
            correlation=tuple(options.correlation),
            **{
                key: getattr(options, key)
                for key in ("table_name", "value", "skip", "sqrts", "factor", "operation", "conversion_factor", "label",
                            "units", "arxiv", "hepdata", "journal")
            },
        ),
        options.output,
    )  # fmt: skip
    kinematics = made.kinematics_table()
    print_table(kinematics.assign(**{end: kinematics[end].map("{:.4g}".format) for end in ("min", "max")}))
    print()
    sources = made.sources_table()
    print_table(_shortened(sources))
    moved = abs(made.shift) > 0
    notes = [f"{len(made.central)} points"]
    if made.left_out:
        notes.append(f"{made.left_out} rows without a value left out")
    if moved.any():
        notes.append(
            f"asymmetric errors moved {int(moved.sum())} values, by up to {100 * max(abs(made.shift / made.central)):.2g}%"
        )
    print(f"\n{'; '.join(notes)}")
    for finding in check_folder(made.folder):
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    print(made.folder)


def _prediction(options: argparse.Namespace) -> dict:
    if options.measures is None:
        return {}
    targets = [_target(text) for text in options.target or ["proton"]]
    current = options.current or ("CC" if options.process.upper() == "DIS_CC" else "NC")
    return {
        "measures": options.measures, "flavour": options.flavour, "current": current.upper(),
        "projectile": options.projectile, "target": targets,
    }  # fmt: skip


def _target(text: str) -> str | list[float]:
    parts = text.split(",")
    try:
        return [float(part) for part in parts] if len(parts) == 2 else text
    except ValueError:
        return text


def _shortened(sources: "pd.DataFrame", most: int = 12) -> "pd.DataFrame":
    """Show sources that are alike, such as principal components, by the first ones."""
    if len(sources) <= most:
        return sources
    print(f"{len(sources)} sources, the first {most} are:", file=sys.stderr)
    return sources.head(most)


def check(options: argparse.Namespace) -> None:
    """Check folders and tabulate or explain what is wrong; errors make it fail."""
    import pandas as pd

    from ..measurements import check_folder
    from ..measurements.contents import folder_of
    from .tables import print_json

    folders = [folder_of(what) for what in options.what]
    found = [(folder, check_folder(folder, options.theory)) for folder in folders]
    if options.json:
        print_json(pd.DataFrame([{"folder": str(folder), **vars(f)} for folder, findings in found for f in findings]))
    else:
        for folder, findings in found:
            for finding in findings:
                if finding.severity == "warning":
                    print(f"warning: {folder}/{finding}")
    wrong = [f"{folder}/{f}" for folder, findings in found for f in findings if f.severity == "error"]
    if wrong:
        mistakes = "1 mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
        raise InputError("\n  ".join([f"{mistakes} in {', '.join(map(str, folders))}:", *wrong]))
    if not options.json:
        against = f"; theory '{options.theory}' predicts it" if options.theory else ""
        print(f"{', '.join(map(str, folders))}: no mistakes{against}")


def show_list(options: argparse.Namespace) -> None:
    """Tabulate datasets."""
    from ..measurements.contents import datasets_table

    show(datasets_table(options.pattern), options, dispensable=["variants", "where"])


def describe(options: argparse.Namespace) -> None:
    """Tabulate what is in a dataset."""
    from ..data import load_dataset
    from ..measurements.contents import points_table, sources_table

    name, _, variant = options.dataset.partition(":")
    dataset = load_dataset(name, variant or ())
    table = points_table(dataset)
    if options.points or options.json:
        numbers = table.columns[1:]
        show(table if options.json else table.assign(**{n: table[n].map("{:.5g}".format) for n in numbers}), options)
        return
    print(f"{dataset.name}: {dataset.label}\nprocess      {dataset.process_type}\npoints       {len(dataset)}")
    for variable, column in dataset.kinematics.items():
        print(f"{variable:12} {column.min():.4g} to {column.max():.4g}")
    operands = "; ".join(" ".join(operand) for operand in dataset.theory.fk_tables) or "none"
    print(f"prediction   {dataset.theory.operation}: {operands}\nfolder       {dataset.folder}")
    for key, reference in dataset.citation.items():
        print(f"{key:12} {reference}")
    if len(dataset.uncertainties.names):
        print()
        show(sources_table(dataset), options)


def _pair(text: str) -> tuple[str, str]:
    variable, equals, column = text.partition("=")
    if not (variable.strip() and equals and column.strip()):
        raise argparse.ArgumentTypeError(f"'{text}': expected VARIABLE=COLUMN, such as Q2='Q**2'")
    return variable.strip(), column.strip()


def _lines(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of lines")
    return int(text)
