"""Completion of command lines in shells: what may stand where an argument is asked for.

``nnpdf-lite --print-completion SHELL`` prints what a shell needs; the shell then calls the program with ``_ARGCOMPLETE`` set.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import nearest

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "nnpdf-lite"


class PrintCompletion(argparse.Action):
    """Prints the lines that make a shell complete the program's arguments, and ends."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Print for the shell ``values``."""
        if values not in SHELLS:
            parser.error(f"--print-completion {values}: expected {', '.join(SHELLS)}.{nearest(values, SHELLS)}")
        import argcomplete

        print(argcomplete.shellcode([PROGRAM], shell=values))
        parser.exit()


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks how a command line may go on, and end the program."""
    import argcomplete

    _attach(parser)
    argcomplete.autocomplete(parser)


def _attach(parser: argparse.ArgumentParser) -> None:
    """Give every argument of a parser and of the commands below it what completes it, by what help calls it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _attach(below)
        elif isinstance(action.metavar, str) and not hasattr(action, "completer"):
            names = [name.partition("[")[0] for name in action.metavar.split("|")]
            kinds = [COMPLETERS[name] for name in names if name in COMPLETERS]
            if kinds:
                vars(action)["completer"] = _Completer(kinds)  # read by argcomplete, unknown to argparse


class _Completer:
    """Calls the functions of several kinds of words."""

    def __init__(self, kinds: list[Callable[[str], Iterable[str]]]) -> None:
        self.kinds = kinds

    def __call__(self, prefix: str, **kwargs: Any) -> list[str]:
        return sorted({word for kind in self.kinds for word in kind(prefix) if word.startswith(prefix)})


def _runcards(prefix: str) -> Iterable[str]:
    from ..paths import search_path

    shipped = (file.stem for folder in search_path("runcards") for file in folder.glob("*.yml"))
    return [*shipped, *_paths(prefix, lambda path: path.suffix in (".yml", ".yaml"))]


def _fits(prefix: str) -> Iterable[str]:
    return _paths(prefix, lambda path: (path / "filter.yml").is_file())


def _datasets(prefix: str) -> Iterable[str]:
    from ..data.catalogue import available_datasets

    return available_datasets()


def _theories(prefix: str) -> Iterable[str]:
    from ..paths import search_path

    return [path.parent.name for folder in search_path("theory_grids") for path in folder.glob("*/fastkernel")]


def _sets(prefix: str) -> Iterable[str]:
    from ..paths import search_path

    return [path.parent.name for folder in search_path("pdfsets") for path in folder.glob("*/*.info")]


def _folders(prefix: str) -> Iterable[str]:
    return _paths(prefix, Path.is_dir)


def _files(prefix: str) -> Iterable[str]:
    return _paths(prefix, lambda path: True)


def _figures(prefix: str) -> Iterable[str]:
    from ..report.registry import FIGURES

    return FIGURES


def _paths(prefix: str, wanted: Callable[[Path], bool]) -> list[str]:
    """Return paths that begin so and are wanted, and folders on the way to such."""
    before, slash, _ = prefix.rpartition("/")
    folder = Path(before or slash or ".").expanduser()
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        if not path.name.startswith(".") and (wanted(path) or path.is_dir()):
            found.append(f"{before}{slash}{path.name}" + ("/" if path.is_dir() and not wanted(path) else ""))
    return found


#: What help calls an argument -> what completes it. Others have choices of their own, or nothing to complete.
COMPLETERS: dict[str, Callable[[str], Iterable[str]]] = {
    "RUNCARD": _runcards, "FIT": _fits, "SET": _sets, "DATASET": _datasets, "SET,SET": _datasets, "THEORY": _theories,
    "CARD": _theories, "OTHER": _theories, "FOLDER": _folders, "DIR": _folders, "FILE": _files, "TABLE": _files,
    "FIGURE": _figures, "SHELL": lambda prefix: SHELLS,
}  # fmt: skip
