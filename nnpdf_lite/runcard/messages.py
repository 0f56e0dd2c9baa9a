"""Every mistake of a card in one message: where it is, what stands there, what was expected."""

import re
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ..errors import nearest
from .choices import MOVED, UNSUPPORTED
from .kinds import NAME, Expectation
from .schema import Runcard

Path = tuple[str | int, ...]

MOST_SHOWN = 20
LONGEST_VALUE = 60


def block_of(annotation: Any) -> type[BaseModel] | None:
    """Return the block that a key with this annotation holds, alone or in a list, or None."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    blocks = (block_of(argument) for argument in typing.get_args(annotation))
    return next((block for block in blocks if block), None)


class Mistake(NamedTuple):
    """What is wrong at one place; ``value`` is the text of what stands there, where it helps."""

    path: Path
    text: str
    value: str = ""


def mistakes(error: ValidationError, card: Any) -> list[Mistake]:
    """Return the mistakes that ``error`` found in ``card``."""
    found: list[Mistake] = []
    for detail in error.errors(include_url=False):
        path = tuple(detail["loc"])
        if detail["type"] == "mistakes":
            found += [Mistake((*path, *inner), text) for inner, text in detail["ctx"]["mistakes"]]
        elif detail["type"] == "extra_forbidden":
            found.append(Mistake(path, _unknown(path)))
        elif detail["type"] == "missing":
            found.append(Mistake(path, f"missing; expected {expectation(_field(path))}"))
        elif detail["type"] == "too_short" and detail["input"]:
            continue  # its entries have mistakes of their own
        else:
            text = detail["ctx"]["text"] if detail["type"] == "expected" else _expected(path, detail)
            found.append(Mistake(path, text, _value_at(card, path)))
    return found


def compose(source: str, found: list[Mistake], lines: Mapping[Path, int]) -> str:
    """Return the message for the mistakes ``found`` in ``source``, in the order of the lines."""
    rows = []
    for line, mistake in sorted(((_line(mistake.path, lines), mistake) for mistake in found), key=lambda item: item[0]):
        place = (f"line {line}, " if line else "") + spell(mistake.path)
        rows.append(f"{place} = {mistake.value}: {mistake.text}" if mistake.value else f"{place}: {mistake.text}")
    if len(rows) == 1:
        return f"{source}: {rows[0]}"
    left = len(rows) - MOST_SHOWN
    more = [f"... and {left} more"] if left > 0 else []
    return "\n  ".join([f"{source}: {len(rows)} mistakes", *rows[:MOST_SHOWN], *more])


def spell(path: Path) -> str:
    """Return ``path`` as in ``dataset_inputs[3].frac``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_spell_key(part)}" for part in path)
    return text.removeprefix(".") or "the card"


def _spell_key(key: str) -> str:
    return key if re.fullmatch(NAME, key) and len(key) <= LONGEST_VALUE else show(key)


def show(value: Any) -> str:
    """Return ``value`` as it may stand in a message: as YAML spells it, cut to a readable length."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits has no decimal text
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def expectation(field: FieldInfo) -> str:
    """Return in words what ``field`` may hold."""
    words = next((item.text for item in field.metadata if isinstance(item, Expectation)), None)
    if words:
        return words
    if typing.get_origin(field.annotation) is not tuple:
        return "a mapping" if type(None) not in typing.get_args(field.annotation) else "a mapping, or null"
    entry = typing.get_args(field.annotation)[0]
    kinds = [item.text for item in getattr(entry, "__metadata__", ()) if isinstance(item, Expectation)]
    return f"a list, each entry {kinds[0]}" if kinds else "a list of mappings"


def _expected(path: Path, detail: Mapping[str, Any]) -> str:
    if detail["type"] == "too_short":
        return "expected at least one entry"
    if detail["type"] == "model_type":
        return f"expected a mapping with keys such as {', '.join(tuple(_block(path).model_fields)[:4])}"
    return f"expected {expectation(_field(path))}"


def _value_at(card: Any, path: Path) -> str:
    for part in path:
        try:
            card = card[part]
        except (LookupError, TypeError):  # the value comes from a default
            return ""
    return show(card)


def _line(path: Path, lines: Mapping[Path, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _block(path: Path) -> type[BaseModel]:
    block: type[BaseModel] = Runcard
    for part in path:
        if isinstance(part, str):
            block = block_of(block.model_fields[part].annotation) or block
    return block


def _field(path: Path) -> FieldInfo:
    return _block(path[:-1]).model_fields[str(path[-1])]


def _unknown(path: Path) -> str:
    dotted = ".".join(part for part in path if isinstance(part, str))
    if dotted in UNSUPPORTED:
        return f"not supported yet: {UNSUPPORTED[dotted]}"
    if dotted in MOVED:
        return f"write {MOVED[dotted]} instead"
    keys = tuple(_block(path[:-1]).model_fields)
    hint = nearest(path[-1], keys)
    if not hint:
        places = [place for place in all_paths() if place.split(".")[-1] == path[-1]]
        hint = f" Did you mean '{places[0]}'?" if places else f" Known keys: {', '.join(keys)}."
    return f"unknown key.{hint}"


def field_of(path: str) -> FieldInfo:
    """Return the field behind a dotted path."""
    return _field(tuple(path.split(".")))


def all_paths(block: type[BaseModel] = Runcard, prefix: str = "") -> list[str]:
    """Return every key of the runcard as a dotted path."""
    paths = []
    for name, field in block.model_fields.items():
        paths.append(prefix + name)
        inner = block_of(field.annotation)
        paths += all_paths(inner, f"{prefix}{name}.") if inner else []
    return paths
