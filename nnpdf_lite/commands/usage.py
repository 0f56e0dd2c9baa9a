"""Reading command lines: mistakes of usage are errors like all others, one message with the nearest valid choice."""

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..errors import InputError, nearest


class UsageParser(argparse.ArgumentParser):
    """An argument parser that raises InputError.

    Attributes
    ----------
    verbs : dict of name to UsageParser
        The commands, where there are any.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self.verbs: dict[str, UsageParser] = {}

    def error(self, message: str) -> NoReturn:
        """Raise an InputError that says where help is."""
        wrong = re.search(r"invalid choice: '(.*?)'", message)
        if wrong and self.verbs:
            known = f"Commands: {', '.join(self.verbs)}"
            message = f"there is no command '{wrong[1]}'.{nearest(wrong[1], self.verbs)} {known}"
        raise InputError(f"{message} (see '{self.prog} --help')")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Read a command line.

        Raises
        ------
        InputError
            For an unknown command or option, an argument too many, or one that is missing or wrong.
        """
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            verb = self
            for argument in arguments:
                verb = verb.verbs.get(argument, verb)
            wrong = next((word for word in unknown if word.startswith("-")), unknown[0])
            if wrong.startswith("-"):
                known = [name for action in verb._actions for name in action.option_strings]
                verb.error(f"there is no option '{wrong}'.{nearest(wrong.split('=')[0], known)}")
            verb.error(f"one argument too many: '{wrong}'")
        return options


def add_cluster_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--cluster``."""
    parser.add_argument(
        "--cluster",
        metavar="WHERE",
        help="train on Dask workers: local, local:N, tcp://SCHEDULER:8786 or cluster.yml (docs/cluster.md)",
    )


def replica_numbers(text: str) -> list[int]:
    """Read ``1-50,60`` as replica numbers; an LHAPDF set has room for 9999."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part, re.ASCII)
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"'{text}': expected replica numbers up to 9999, such as 1-50 or 1-10,17")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return sorted(set(numbers))


def seconds(text: str) -> float:
    """Read a duration."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of seconds, 0 or more")
    return value


def positive_number(text: str) -> float:
    """Read a number above 0."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}': expected a number above 0")
    return value


def positive_numbers(text: str) -> list[int]:
    """Read ``100,50`` as whole numbers above 0."""
    if not re.fullmatch(r"\s*[1-9]\d{0,5}\s*(,\s*[1-9]\d{0,5}\s*)*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"'{text}': expected whole numbers above 0, such as 100,50")
    return [int(part) for part in text.split(",")]


def seed(text: str) -> int:
    """Read a seed."""
    if not re.fullmatch(r"\s*\d{1,18}\s*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"'{text}': expected a seed, a whole number from 0")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def adder_of_verbs(parser: UsageParser, parents: Sequence[UsageParser]) -> Callable[..., UsageParser]:
    """Return what adds a verb below a parser: ``verb(name, function, summary, example, parents=())``.

    ``parents`` hold the options of all verbs; those given to ``verb`` hold options that several share.
    """
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(
        name: str, function: Callable | None, summary: str, example: str, more: Sequence[UsageParser] = ()
    ) -> UsageParser:
        added = verbs.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", parents=[*more, *parents],
            epilog=f"example: {parser.prog} {example}",
        )  # fmt: skip
        added.set_defaults(verb=function)
        parser.verbs[name] = added
        return added

    return verb
