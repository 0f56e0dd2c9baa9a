"""The kinds of value a key may hold: each checks, says in words what it expected, and states its JSON schema."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..errors import nearest

# Numbers as YAML 1.2 writes them; readers of YAML 1.1 hand over 1e6 and 6.073e-6 as text.
NUMBER_TEXT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
LARGEST_SEED = 2**32 - 1
LONGEST_EXPECTATION = 120  # beyond this the nearest choice alone says more than the list of all


class Unexpected(ValueError):
    """A value is not of the kind expected; carries a hint such as the nearest choice."""


@dataclass(frozen=True)
class Expectation:
    """What a key expects, in words; read by the error messages and by the reference table."""

    text: str


def kind(python_type: Any, check: Callable[[Any], Any], text: str, schema: dict, nullable: bool = False) -> Any:
    """Return an annotated type whose values pass ``check``, which returns the clean value or raises `Unexpected`."""
    if nullable:
        text += ", or null"
        schema = {"anyOf": [schema, {"type": "null"}]}
        python_type = python_type | None

    def checked(value: Any) -> Any:
        if value is None and nullable:
            return None
        try:
            return check(value)
        except Unexpected as error:
            hint = str(error)
            wanted = "unknown" if hint and len(text) > LONGEST_EXPECTATION else f"expected {text}"
            wanted += f".{hint}" if hint else ""
            raise PydanticCustomError("expected", "{text}", {"text": wanted}) from None

    return Annotated[python_type, BeforeValidator(checked), WithJsonSchema(schema), Expectation(text)]


def as_number(value: Any) -> float:
    """Return ``value`` as a finite float; text such as ``1e6`` counts as a number, truth values do not."""
    if isinstance(value, str) and NUMBER_TEXT.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise Unexpected("")
    try:
        number = float(value)
    except OverflowError:
        raise Unexpected("") from None
    if not math.isfinite(number):
        raise Unexpected("")
    return number


def as_whole(value: Any) -> int:
    """Return ``value`` as an integer; whole floats such as ``1e3`` count."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    number = as_number(value)
    if not number.is_integer():
        raise Unexpected("")
    return int(number)


def number(
    lower: float | None = None,
    upper: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
    nullable: bool = False,
) -> Any:
    """Return the kind of a number in bounds, inclusive (``lower``, ``upper``) or exclusive (``above``, ``below``)."""
    limits = (
        ("at least", "minimum", lower, lambda value: value >= lower),
        ("above", "exclusiveMinimum", above, lambda value: value > above),
        ("at most", "maximum", upper, lambda value: value <= upper),
        ("below", "exclusiveMaximum", below, lambda value: value < below),
    )
    bounds = [limit for limit in limits if limit[2] is not None]
    schema = {"type": "integer" if whole else "number"} | {keyword: limit for _, keyword, limit, _ in bounds}
    words = " and ".join(f"{word} {limit}" for word, _, limit, _ in bounds)

    def check(value: Any) -> float | int:
        clean = as_whole(value) if whole else as_number(value)
        if not all(passes(clean) for *_, passes in bounds):
            raise Unexpected("")
        return clean

    text = f"a {'whole ' if whole else ''}number {words}".rstrip()
    return kind(int if whole else float, check, text, schema, nullable)


def choice(
    names: tuple[str, ...],
    *,
    aliases: Mapping[str, str] | None = None,
    hints: Mapping[str, str] | None = None,
    nullable: bool = False,
) -> Any:
    """Return the kind of a name out of ``names``; ``aliases`` are replaced, ``hints`` say what to write instead."""
    aliases, hints = aliases or {}, hints or {}

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Unexpected("")
        clean = aliases.get(value, value)
        if clean not in names:
            raise Unexpected(hints.get(value, nearest(value, names)))
        return clean

    return kind(str, check, "one of " + ", ".join(names), {"enum": [*names, *aliases]}, nullable)


def choices(names: tuple[str, ...]) -> Any:
    """Return the kind of a list of different names out of ``names``, in any order."""

    def check(value: Any) -> tuple[str, ...]:
        wanted = _names(value)
        wrong = next((name for name in wanted if name not in names), None)
        if wrong is not None:
            raise Unexpected(nearest(wrong, names))
        return wanted

    return kind(
        tuple[str, ...], check, f"a list out of {', '.join(names)}", {"type": "array", "items": {"enum": [*names]}}
    )


def text(words: str, pattern: str, *, nullable: bool = False) -> Any:
    """Return the kind of a text that matches ``pattern`` from its first to its last character."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise Unexpected("")
        return value

    return kind(str, check, words, {"type": "string", "pattern": f"^{pattern}$"}, nullable)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unexpected("")
    return value


def _file_or_flag(value: Any) -> str | bool:
    if not isinstance(value, (str, bool)):
        raise Unexpected("")
    return value


def _names(value: Any) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else () if value is None else value
    if not isinstance(names, (list, tuple)):
        raise Unexpected("")
    if not all(isinstance(name, str) and re.fullmatch(NAME, name) for name in names) or len(set(names)) < len(names):
        raise Unexpected("")
    return tuple(names)


def _theoryid(value: Any) -> int | str:
    if isinstance(value, str) and re.fullmatch(PRINTABLE, value):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= LARGEST_SEED:
        return int(value)
    raise Unexpected("")


def _sum_rules(value: Any) -> str | bool:
    if isinstance(value, bool):
        return "ALL" if value else False
    if isinstance(value, str) and value.upper() in ("ALL", "MSR", "VSR"):
        return value.upper()
    raise Unexpected("")


def _interval(lower: float, upper: float) -> Callable[[Any], tuple[float, float]]:
    def check(value: Any) -> tuple[float, float]:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise Unexpected("")
        low, high = as_number(value[0]), as_number(value[1])
        if not lower <= low <= high <= upper:
            raise Unexpected("")
        return low, high

    return check


def interval(lower: float, upper: float, *, nullable: bool = False) -> Any:
    """Return the kind of a range ``[low, high]`` inside ``[lower, upper]``."""
    schema = {
        "type": "array", "items": {"type": "number", "minimum": lower, "maximum": upper}, "minItems": 2, "maxItems": 2
    }  # fmt: skip
    words = f"two numbers [low, high] with {lower} <= low <= high <= {upper}"
    return kind(tuple[float, float], _interval(lower, upper), words, schema, nullable)


def _local_variables(value: Any) -> dict[str, float | str]:
    if not isinstance(value, dict):
        raise Unexpected("")
    if not all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in value):
        raise Unexpected("")
    return {name: item if isinstance(item, str) else as_number(item) for name, item in value.items()}


def sampled(
    lower: float | None = None,
    upper: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
    nullable: bool = False,
) -> Any:
    """Return the kind of a number in bounds that a scan may draw.

    The clean value is a number, a tuple to choose from (null among them where ``nullable``), or a mapping ``{sampling,
    min, max}`` with ``sampling`` ``uniform`` or ``log``.
    """
    inside = number(lower, upper, above=above, below=below, whole=whole)
    words = next(item.text for item in inside.__metadata__ if isinstance(item, Expectation))
    limit = TypeAdapter(inside)

    def one(value: Any) -> float | int:
        try:
            return limit.validate_python(value)
        except ValidationError:
            raise Unexpected("") from None

    def check(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            chosen = tuple(None if item is None and nullable else one(item) for item in value)
            if not chosen or len(set(chosen)) < len(chosen):
                raise Unexpected("")
            return chosen
        if not isinstance(value, Mapping):
            return one(value)
        if not {"min", "max"} <= set(value) <= {"min", "max", "sampling"}:
            raise Unexpected(" A range has the keys min, max and sampling.")
        low, high, sampling = one(value["min"]), one(value["max"]), value.get("sampling", "uniform")
        if sampling not in ("uniform", "log"):
            raise Unexpected(f" sampling is uniform or log.{nearest(sampling, ('uniform', 'log'))}")
        if low > high or (sampling == "log" and low <= 0):
            raise Unexpected(" min must not exceed max" + (", and be above 0 with sampling: log." if low <= 0 else "."))
        return {"sampling": sampling, "min": low, "max": high}

    text = f"{words}, a range {{min: , max: , sampling: uniform or log}} of them, or a list to choose from"
    return kind(Any, check, text, {"type": ["number", "object", "array"]}, nullable)


def _counts(value: Any) -> tuple[int, ...]:
    counts = [as_whole(item) for item in value] if isinstance(value, (list, tuple)) else [as_whole(value)]
    if any(not 1 <= count <= 20 for count in counts) or len(set(counts)) < len(counts):
        raise Unexpected("")
    return tuple(counts)


def _anything(value: Any) -> Any:
    return value


NAME = r"[A-Za-z0-9_.+-]+"
PRINTABLE = r"[^\x00-\x1f\x7f]+"

Flag = kind(bool, _flag, "true or false", {"type": "boolean"})
MaybeFlag = kind(bool, _flag, "true or false", {"type": "boolean"}, nullable=True)
Text = text("text", r"[\s\S]*")
Name = text("a name of letters, digits and _ . + -", NAME)
MaybeName = text("a name of letters, digits and _ . + -", NAME, nullable=True)
Names = kind(
    tuple[str, ...],
    _names,
    "a name or a list of different names",
    {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}]},
)
Expression = text("an expression as text", r"[\s\S]*\S[\s\S]*")
MaybeExpression = text("an expression as text", r"[\s\S]*\S[\s\S]*", nullable=True)
PdfSet = text("the name or the path of a PDF set", PRINTABLE, nullable=True)
PerturbativeOrder = text(
    "a perturbative order such as NNLO, N3LO, NNLO+, NNLO- or NNLO!", r"(N[0-9]|N*)LO[-+!]?", nullable=True
)
TheoryId = kind(
    int | str, _theoryid, "the number or the name of a theory", {"type": ["integer", "string"], "minimum": 0}
)
MaybeTheoryId = kind(
    int | str, _theoryid, "the number or the name of a theory", {"type": ["integer", "string"], "minimum": 0}, nullable=True
)
SumRules = kind(str | bool, _sum_rules, "true, ALL, MSR, VSR or false", {"enum": [True, False, "ALL", "MSR", "VSR"]})
LocalVariables = kind(
    dict[str, float | str],
    _local_variables,
    "a mapping from variable names to numbers or expressions",
    {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
)
FileOrFlag = kind(
    str | bool, _file_or_flag, "a file name, true or false", {"type": ["string", "boolean"]}, nullable=True
)
Counts = kind(
    tuple[int, ...], _counts, "a list of different whole numbers from 1 to 20", {"type": "array", "items": {"type": "integer"}}
)
Anything = kind(Any, _anything, "a mapping", {"type": "object"}, nullable=True)
Seed = number(0, LARGEST_SEED, whole=True)
Positive = number(above=0)
MaybePositive = number(above=0, nullable=True)
NonNegative = number(0)
