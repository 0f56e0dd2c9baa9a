"""Reading the YAML documents a dataset is made of."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..errors import InputError

# The C loader is an order of magnitude faster; a PyYAML built without libyaml still works.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The first line of a bin follows its dash, the others are indented by two; no quotes, comments or values that are not finite.
_PLAIN_LINE = re.compile(r"^(?:  )?([A-Za-z_][^\s:'\"#]*): (-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)$", re.MULTILINE)


def read_document(path: Path) -> dict[str, Any]:
    """Read a YAML or JSON file that holds a mapping.

    JSON is valid YAML and a hundred times quicker to read, so it is tried first on what looks like it.

    Raises
    ------
    InputError
        When the file is missing, unreadable, malformed or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: the file does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the file cannot be read: {error}.") from error
    document = _parse(text, path)
    if not isinstance(document, dict):
        raise InputError(f"{path}: expected a mapping at the top level, found {type(document).__name__}.")
    return document


def _parse(text: str, path: Path) -> Any:
    if text.startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            pass
    head, found, tail = text.partition("\nbins:\n")
    bins = _plain_bins(tail) if found else None
    if bins is not None:
        document = _yaml(head, path)
        if isinstance(document, dict) and "bins" not in document:
            return document | {"bins": bins}
    return _yaml(text, path)


def _plain_bins(text: str) -> list[dict[str, float]] | None:
    """Read bins that hold nothing but ``name: number``, a line each; None if there is anything else.

    Uncertainties are written so, half a million numbers for the data of a global fit: ten times quicker than as YAML.
    """
    first, *bins = re.split(r"^- ", text if text.endswith("\n") else text + "\n", flags=re.MULTILINE)
    if first or not bins:
        return None
    read = []
    for one in bins:
        pairs = _PLAIN_LINE.findall(one)
        content = {name: float(value) for name, value in pairs}
        if len(content) != one.count("\n"):
            return None
        read.append(content)
    return read


def _yaml(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def require(document: dict[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return ``document[key]``, or raise an InputError saying where the key is missing or of the wrong type."""
    if key not in document:
        raise InputError(f"{where}: the key '{key}' is missing.")
    return expect(document[key], kind, f"{where}: '{key}'")


def expect(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    """Return ``value`` if it is of type ``kind``, else raise an InputError that quotes it."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(one.__name__ for one in kinds)
        raise InputError(f"{where} is {value!r}, expected {expected}.")
    return value


def finite_array(values: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Return ``values`` as float64 of the given shape.

    Numbers written as text are accepted, because YAML 1.1 reads ``1e-3`` as text.

    Raises
    ------
    InputError
        When something is not a number, not finite, or the shape differs.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: expected numbers only: {error}.") from error
    if array.shape != shape and not (array.size == 0 and 0 in shape):
        raise InputError(f"{where}: expected {_dimensions(shape)} numbers, found {_dimensions(array.shape)}.")
    array = array.reshape(shape)
    if not np.isfinite(array).all():
        position = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        point = f"point {position[0]} (from 0)" if position else "the value"
        raise InputError(f"{where}: {point} is {array[position]}, expected finite numbers.")
    return array


def _dimensions(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape) or "one"
