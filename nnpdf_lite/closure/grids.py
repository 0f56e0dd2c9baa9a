"""Where closure tests look at PDFs: the field's flavours and x, inside the range of the data."""

import numpy as np

from ..flavours import EVOLUTION_FLAVOURS

#: Flavours of arXiv:2109.02653, section 6.1; charm is left out, being mostly noise at Q0.
FLAVOURS = ("Sigma", "g", "V", "V3", "V8", "T3", "T8")


def flavour_grid(points: int = 4) -> list[tuple[str, np.ndarray]]:
    """Return each flavour with its ``points`` momentum fractions (validphys, ``multiclosure_pdf``).

    Sigma and g: half of them spaced logarithmically from 1e-3 to 0.1 (left out), half linearly from 0.1 to 0.5; the
    others linearly from 0.1 to 0.5.
    """
    half = points // 2
    wide = np.concatenate([np.geomspace(1e-3, 0.1, half, endpoint=False), np.linspace(0.1, 0.5, points - half)])
    narrow = np.linspace(0.1, 0.5, points)
    return [(name, wide if name in ("Sigma", "g") else narrow) for name in FLAVOURS]


def column(flavour: str) -> int:
    """Return the position of a flavour in the evolution basis."""
    return EVOLUTION_FLAVOURS.index(flavour)
