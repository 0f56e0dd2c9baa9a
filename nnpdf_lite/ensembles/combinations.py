"""Names of flavours and formulas of them: ``g``, ``V8``, ``uv``, ``s+``, ``d/u``, ``(s + sbar)/(ubar + dbar)``."""

import re
from collections.abc import Mapping

import numpy as np

from ..data.expressions import evaluate
from ..errors import InputError
from ..flavours import EVOLUTION_FLAVOURS, FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION

_QUARKS = {"d": 1, "u": 2, "s": 3, "c": 4, "b": 5, "t": 6}

#: Partons by name, with their PDG numbers.
PARTON_PIDS = {f"{q}bar": -pid for q, pid in _QUARKS.items()} | {"g": 21} | _QUARKS | {"photon": 22}
#: Every name, with its coefficients on partons by PDG number.
COEFFICIENTS: dict[str, dict[int, float]] = (
    {name: {pid: 1.0} for name, pid in PARTON_PIDS.items()}
    | {f"{q}v": {pid: 1.0, -pid: -1.0} for q, pid in _QUARKS.items()}
    | {f"{q}plus": {pid: 1.0, -pid: 1.0} for q, pid in _QUARKS.items()}
    | {
        name: {pid: float(c) for pid, c in zip(FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION[i]) if c}
        for i, name in enumerate(EVOLUTION_FLAVOURS)
        if name not in ("g", "photon")
    }
)
#: Flavours usually shown, in the two bases.
PARTONS = ("g", "u", "ubar", "d", "dbar", "s", "sbar", "c+")
EVOLUTION = ("Sigma", "g", "V", "V3", "V8", "T3", "T8", "T15")

_LATEX = {"Sigma": r"\Sigma", "photon": r"\gamma"} | {q + "bar": rf"\bar{{{q}}}" for q in _QUARKS}
_LATEX |= {f"{q}plus": f"{q}^+" for q in _QUARKS} | {f"{q}v": f"{q}_V" for q in _QUARKS}
_LATEX |= {name: f"{name[0]}_{{{name[1:]}}}" for name in EVOLUTION_FLAVOURS if re.fullmatch(r"[VT]\d+", name)}
_NAME = re.compile(r"[A-Za-z_]\w*")


def pids_of(formula: str) -> list[int]:
    """Return the PDG numbers of the partons in a formula.

    Raises
    ------
    InputError
        If the formula names something that is not a flavour, or is no formula.
    """
    text = _spelled_out(formula)
    _degree(formula)
    return sorted({pid for name in _NAME.findall(text) for pid in COEFFICIENTS[name]})


def value(formula: str, xf: Mapping[int, np.ndarray]) -> np.ndarray:
    """Evaluate a formula on ``x f`` of the partons by PDG number; arrays of any one shape."""
    text = _spelled_out(formula)
    shape = next(iter(xf.values()))
    known = {
        name: sum((c * xf[pid] for pid, c in parts.items()), np.zeros_like(shape))
        for name, parts in COEFFICIENTS.items()
        if name in _NAME.findall(text) and all(pid in xf for pid in parts)
    }
    # What the formula lacks is offered too, so that a misspelt name is answered with the nearest one.
    offered = {name: np.nan for name in COEFFICIENTS} | known
    result = evaluate(text, offered, "flavour")
    if result.dtype == bool or result.shape != np.shape(shape):
        raise InputError(f"flavour '{formula}': expected a combination of flavours, such as g, T3, uv, s+ or d/u")
    return result


def is_ratio(formula: str) -> bool:
    """Return whether a formula, such as ``d/u``, does not grow with the PDFs."""
    return _degree(formula) == 0


def _degree(formula: str) -> int:
    """Return the power, 0 or 1, with which a formula grows with the PDFs; an InputError for any other."""
    xf = dict(zip(FLAVOUR_PIDS, np.random.default_rng(1).uniform(1, 2, (len(FLAVOUR_PIDS), 1))))
    once, twice = value(formula, xf), value(formula, {pid: 2 * v for pid, v in xf.items()})
    for degree in (0, 1):
        if np.allclose(twice, 2**degree * once):
            return degree
    raise InputError(f"flavour '{formula}': expected a sum of flavours or a ratio of such sums")


def latex(formula: str) -> str:
    r"""Return a formula as the field writes it, without dollar signs: ``xg``, ``x\bar{u}``, ``xs^+``, ``d/u``."""
    pids_of(formula)
    text = _spelled_out(formula).replace(" ", "").replace("*", "")
    written = _NAME.sub(lambda name: _LATEX.get(name[0], name[0]), text)
    if is_ratio(formula):
        return written
    return f"x{written}" if _NAME.fullmatch(text) else f"x({written})"


def _spelled_out(formula: str) -> str:
    """Return the formula with ``s+`` alone, which no formula can contain, written ``splus``."""
    return re.sub(r"^\s*([udscbt])\+\s*$", r"\1plus", str(formula))
