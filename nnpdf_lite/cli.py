"""The command line, put together of the verbs in `commands`. Results go to standard output, the rest to standard error."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .commands import closure, hyperopt, impact
from .commands.completion import SHELLS, PrintCompletion
from .commands.dataset import add_dataset_verbs
from .commands.ensembles import add_ensemble_verbs
from .commands.fit import add_fit_verbs
from .commands.report import add_report_verbs
from .commands.theory import add_theory_verbs
from .commands.usage import UsageParser, adder_of_verbs
from .errors import InputError

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
            from .commands.completion import complete

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


def _message(error: InputError | OSError | MemoryError) -> str:
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
    verb = adder_of_verbs(parser, [common])
    add_fit_verbs(verb, folder, tables)
    closure.add_verb(verb, tables)
    hyperopt.add_verb(verb)
    impact.add_verb(verb, folder, tables)
    add_report_verbs(verb, folder)
    add_ensemble_verbs(verb, tables)
    verb("schema", schema, "print the JSON schema of runcards", "schema > runcard.schema.json")
    added = verb("dataset", None, "your own measurements: make, check, list and show datasets", "dataset list HERA")
    add_dataset_verbs(added, [common], tables)
    added = verb("theory", None, "build and verify theory tables", "theory build nnlo --output my_nnlo")
    add_theory_verbs(added, [common], tables)
    return parser


def schema(options: argparse.Namespace) -> None:
    """Print the JSON schema."""
    from .runcard import json_schema

    print(json.dumps(json_schema(), indent=2))


if __name__ == "__main__":
    sys.exit(main())
