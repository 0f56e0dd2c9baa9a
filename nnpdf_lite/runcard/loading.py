"""From a file or a mapping to a checked `Runcard`."""

from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import InputError, nearest
from ..paths import add_home, search_path
from . import messages
from .messages import Mistake
from .schema import Runcard
from .yaml_format import RuncardSyntaxError, read_yaml

LARGEST_FILE = 2**21  # bytes; the longest published runcards have some tens of kilobytes
DEEPEST = 20
MOST_VALUES = 100_000


def load_runcard(path: str | Path) -> Runcard:
    """Read the runcard at ``path``; the bare name of a shipped runcard (``dis_nnlo``) works from any folder.

    Folders ``datasets``, ``theory_grids`` and ``pdfsets`` beside it, or beside the fit it belongs to, are searched.

    Raises
    ------
    InputError
        When the file cannot be read or the card has mistakes: all of them in one message, with line numbers.
    """
    file = find_runcard(path)
    for folder in reversed(file.absolute().parents[: 2 if file.name == "filter.yml" else 1]):
        add_home(folder)
    return _parse(*read_card(file), str(file))


def read_card(file: Path) -> tuple[Any, dict[messages.Path, int]]:
    """Read the YAML in ``file``, unchecked, with the line of each key.

    Raises
    ------
    InputError
        When it cannot be read or is not YAML.
    """
    try:
        return read_yaml(_read(file))
    except RuncardSyntaxError as error:
        raise InputError(f"{file}: {error}") from None


def parse_runcard(mapping: Mapping[str, Any], source: str = "runcard") -> Runcard:
    """Return the runcard that ``mapping`` describes; ``source`` names it in error messages.

    Raises
    ------
    InputError
        When the card has mistakes: all of them in one message.
    """
    return _parse(mapping, {}, source)


def find_runcard(path: str | Path) -> Path:
    """Return ``path`` where it exists, else the shipped runcard of that bare name (with or without ``.yml``).

    Raises
    ------
    InputError
        When there is neither.
    """
    try:
        # A folder is no runcard: `run dis_nnlo` makes one of that name, and must still work beside it.
        if Path(path).exists() and not Path(path).is_dir():
            return Path(path)
        shipped = {file.stem: file for folder in reversed(search_path("runcards")) for file in folder.glob("*.yml")}
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r}: cannot read this runcard: {error}") from None
    name = Path(path).name.removesuffix(".yml")
    if str(path).removesuffix(".yml") in shipped:
        return shipped[name]
    if Path(path).is_dir():
        return Path(path)
    hint = nearest(name, shipped) or (f" Shipped runcards: {', '.join(sorted(shipped))}." if shipped else "")
    raise InputError(f"{path}: there is no such runcard.{hint}")


def _read(file: Path) -> str:
    if file.is_dir():
        raise InputError(f"{file}: is a folder; expected a runcard (a YAML file)")
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise InputError(f"{file}: larger than {LARGEST_FILE // 2**20} MB; expected a runcard (a YAML file)")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not text in UTF-8 (byte {error.start}); expected a YAML file") from None


def _parse(mapping: Any, lines: Mapping[messages.Path, int], source: str) -> Runcard:
    plain = _Plain()
    card = plain.value(mapping, ())
    if not isinstance(card, dict):
        what = "is empty" if card is None else f"holds {messages.show(card)}"
        raise InputError(f"{source}: {what}; expected keys with values, such as 'dataset_inputs:' and 'theory:'")
    found = plain.mistakes
    if not found:
        try:
            return Runcard.model_validate(card)
        except ValidationError as error:
            found = messages.mistakes(error, card)
    raise InputError(messages.compose(source, found, lines))


class _Plain:
    """Copies a card into plain dictionaries, lists, numbers and texts, and collects what is none of these."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self.values = 0

    def value(self, value: Any, path: messages.Path) -> Any:
        self.values += 1
        if len(path) > DEEPEST or self.values > MOST_VALUES:
            what = f"nested more than {DEEPEST} deep" if len(path) > DEEPEST else f"more than {MOST_VALUES} values"
            if what not in (mistake.text for mistake in self.mistakes):
                self.mistakes.append(Mistake(path[:3], what))
            return None
        if isinstance(value, Mapping):
            return {self._key(key, path): self.value(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str):
            return self._text(value, path)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Real):
            return float(value)
        self.mistakes.append(Mistake(path, "expected a text, a number, a list or a mapping", messages.show(value)))
        return None

    def _key(self, key: Any, path: messages.Path) -> str:
        if not isinstance(key, str):
            self.mistakes.append(Mistake(path, f"the key {messages.show(key)} is not a word"))
            return "?"
        return self._text(key, path)

    def _text(self, value: str, path: messages.Path) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.mistakes.append(Mistake(path, "expected text in Unicode", messages.show(value)))
            return "?"
        return str(value)
