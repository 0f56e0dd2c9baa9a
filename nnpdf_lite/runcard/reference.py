"""The schema for people (a table of all keys) and for editors (JSON schema)."""

from pathlib import PurePath
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from .choices import FITBASES, MOVED, OPTIMIZERS, UNSUPPORTED
from .messages import block_of, expectation, show
from .schema import Optimizer, Runcard

_INTRODUCTION = """\
# Runcard reference

Every key a runcard may have, with what it accepts, its default and its meaning. The keys are n3fit's; a key that is
not listed here is an error, never ignored. Keys marked *required* have no default. `nnpdf-lite schema` prints the same
as JSON schema for editors.

A block that is left out takes NNPDF4.0's methodology. Inside a block that is present, each key left out takes the
default below. Numbers may be written as in `1e6`, and whole numbers as in `17e3`.
"""


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of runcards."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Runcard.model_json_schema()


def reference() -> str:
    """Return the reference of all keys in Markdown."""
    parts = [_INTRODUCTION, "## Top level\n\n" + _table(Runcard)]
    parts += [f"## `{path}`\n\n{_summary(block)}\n\n{_table(block)}" for path, block in _blocks(Runcard, PurePath())]
    parts += [_bases(), _optimizers(), _moved(), _unsupported()]
    return "\n".join(parts)


def _blocks(block: type[BaseModel], above: PurePath) -> list[tuple[str, type[BaseModel]]]:
    found = []
    for name, field in block.model_fields.items():
        inner = block_of(field.annotation)
        if inner:
            path = above / name
            found += [(".".join(path.parts), inner), *_blocks(inner, path)]
    return found


def _table(block: type[BaseModel]) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in block.model_fields.items():
        row = (f"`{name}`", expectation(field), _default(block, name), field.description or "")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return "\n".join(rows) + "\n"


def _default(block: type[BaseModel], name: str) -> str:
    field = block.model_fields[name]
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "*required*"
    if block is Optimizer and name != "optimizer_name":
        return "see the table of optimisers"
    return "NNPDF4.0" if name in ("parameters", "fitting", "basis", "optimizer") else _written(default)


def _written(default: Any) -> str:
    if isinstance(default, BaseModel):
        inner = ", ".join(f"{key}: {_value(value)}" for key, value in default if value not in (None, (), {}))
        return f"`{{{inner}}}`" if inner else "empty"
    return f"`{_value(default)}`"


def _value(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_value, value)) + "]"
    return value if isinstance(value, str) and value else show(value)


def _summary(block: type[BaseModel]) -> str:
    return (block.__doc__ or "").strip()


def _bases() -> str:
    rows = [f"| `{name}` | {', '.join(flavours)} |" for name, flavours in FITBASES.items()]
    return "\n".join(["## Fitting bases\n", "| basis | flavours |", "|---|---|", *rows]) + "\n"


def _optimizers() -> str:
    rows = [
        f"| `{name}` | " + ", ".join(f"`{option}: {_value(value)}`" for option, value in options.items()) + " |"
        for name, options in OPTIMIZERS.items()
    ]
    return "\n".join(["## Optimisers\n", "| optimiser | options and their defaults |", "|---|---|", *rows]) + "\n"


def _moved() -> str:
    rows = [f"| `{old}` | `{new}` |" for old, new in MOVED.items()]
    return "\n".join(["## Keys that have moved\n", "| in older runcards | now |", "|---|---|", *rows]) + "\n"


def _unsupported() -> str:
    rows = [f"| `{key}` | {what} |" for key, what in UNSUPPORTED.items()]
    head = [
        "## Keys of n3fit not supported yet\n",
        "A runcard with one of these at the top level is refused, unless it is switched off (`null`, `false`).\n",
        "| key | asks for |",
        "|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"
