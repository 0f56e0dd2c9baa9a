"""Sibling theories: other values of alpha_s, other scales."""

import re

import numpy as np

from ..errors import InputError, nearest

#: Points of renormalisation and factorisation scale over Q, beside the central one (arXiv:1906.10698, section 4).
SCALE_POINTS: dict[str, tuple[tuple[float, float], ...]] = {
    "3": ((2, 2), (0.5, 0.5)),
    "5": ((2, 1), (0.5, 1), (1, 2), (1, 0.5)),
    "7": ((2, 1), (0.5, 1), (1, 2), (1, 0.5), (2, 2), (0.5, 0.5)),
    "9": ((2, 1), (0.5, 1), (1, 2), (1, 0.5), (2, 2), (0.5, 0.5), (2, 0.5), (0.5, 2)),
}


def alphas_variations(text: str) -> dict[str, dict[str, float]]:
    """Read values of alpha_s, ``0.116:0.120:0.001`` or ``0.117,0.119``; returns what changes, by name.

    Raises
    ------
    InputError
        For text that is neither, or values that no coupling has.
    """
    message = f"--alphas {text}: expected first:last:step, such as 0.116:0.120:0.001, or values with commas between"
    try:
        values = [float(part) for part in re.split("[:,]", text)]
    except ValueError:
        raise InputError(message) from None
    if ":" in text:
        if len(values) != 3 or "," in text or not values[2] > 0 or not values[0] <= values[1]:
            raise InputError(message)
        first, last, step = values
        values = [first + i * step for i in range(int(np.floor((last - first) / step + 1e-6)) + 1)]
    for value in values:
        if not 0.05 < value < 0.2:
            raise InputError(f"--alphas {text}: {value:g} is no coupling at the Z mass; expected 0.05 to 0.2")
    return {f"as_{value:.4f}": {"alphas": round(value, 8)} for value in values}


def scale_variations(points: str) -> dict[str, dict[str, float]]:
    """Return what changes in the card for each point of a scale variation, by name.

    Raises
    ------
    InputError
        When there is no prescription of so many points.
    """
    if points not in SCALE_POINTS:
        known = ", ".join(SCALE_POINTS)
        raise InputError(f"--scales {points}: expected one of {known} points.{nearest(points, SCALE_POINTS)}")
    return {f"muR{ren:g}_muF{fac:g}": {"XIR": float(ren), "XIF": float(fac)} for ren, fac in SCALE_POINTS[points]}
