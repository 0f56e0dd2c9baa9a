"""The two 14-component bases of parton distributions and the exact rotations between them.

The flavour basis lists the partons from anti-top to top with the gluon in the middle and the photon last. The evolution
basis is made of sums and differences of ``q+ = q + qbar`` and ``q- = q - qbar``::

    Sigma = u+ + d+ + s+ + c+ + b+ + t+        V   = the same of q-
    T3    = u+ - d+                            V3  = u- - d-
    T8    = u+ + d+ - 2 s+                     V8  = u- + d- - 2 s-
    T15   = u+ + d+ + s+ - 3 c+                V15 = ...
    T24   = u+ + d+ + s+ + c+ - 4 b+           V24 = ...
    T35   = u+ + d+ + s+ + c+ + b+ - 5 t+      V35 = ...
"""

import numpy as np

EVOLUTION_FLAVOURS = (
    "photon", "Sigma", "g", "V", "V3", "V8", "V15", "V24", "V35", "T3", "T8", "T15", "T24", "T35",
)  # fmt: skip
"""Names of the evolution basis, in the order every array of 14 flavours has."""

EVOLUTION_PIDS = (22, 100, 21, 200, 203, 208, 215, 224, 235, 103, 108, 115, 124, 135)
"""PineAPPL's numbers for :data:`EVOLUTION_FLAVOURS`."""

FLAVOUR_PIDS = (-6, -5, -4, -3, -2, -1, 21, 1, 2, 3, 4, 5, 6, 22)
"""PDG numbers of the flavour basis, in its order."""

# Coefficients of (u, d, s, c, b, t) in each combination; the same serve q+ (Sigma, T) and q- (V).
_COMBINATIONS = {
    0: (1, 1, 1, 1, 1, 1),
    3: (1, -1, 0, 0, 0, 0),
    8: (1, 1, -2, 0, 0, 0),
    15: (1, 1, 1, -3, 0, 0),
    24: (1, 1, 1, 1, -4, 0),
    35: (1, 1, 1, 1, 1, -5),
}
_QUARKS = (2, 1, 3, 4, 5, 6)
_MULTIPLET = {"Sigma": (0, +1), "V": (0, -1)} | {
    f"{letter}{n}": (n, sign) for letter, sign in (("T", +1), ("V", -1)) for n in _COMBINATIONS if n
}


def _flavour_to_evolution() -> np.ndarray:
    matrix = np.zeros((14, 14))
    for row, name in enumerate(EVOLUTION_FLAVOURS):
        if name in ("photon", "g"):
            matrix[row, FLAVOUR_PIDS.index(22 if name == "photon" else 21)] = 1.0
            continue
        multiplet, antiquark_sign = _MULTIPLET[name]
        for quark, coefficient in zip(_QUARKS, _COMBINATIONS[multiplet]):
            matrix[row, FLAVOUR_PIDS.index(quark)] = coefficient
            matrix[row, FLAVOUR_PIDS.index(-quark)] = antiquark_sign * coefficient
    return matrix


def _read_only(matrix: np.ndarray) -> np.ndarray:
    matrix.setflags(write=False)
    return matrix


FLAVOUR_TO_EVOLUTION = _read_only(_flavour_to_evolution())
"""(14, 14): ``evolution = FLAVOUR_TO_EVOLUTION @ flavour``, or for arrays
``f[..., 14]``: ``f @ FLAVOUR_TO_EVOLUTION.T``."""

# The rows of a multiplet matrix are orthogonal, so its inverse is its transpose divided by their squared lengths:
# exact up to one rounding, where a numerical inverse would leave 1e-17 in the place of zeros.
EVOLUTION_TO_FLAVOUR = _read_only(FLAVOUR_TO_EVOLUTION.T / np.sum(FLAVOUR_TO_EVOLUTION**2, axis=1))
"""(14, 14): ``flavour = EVOLUTION_TO_FLAVOUR @ evolution``, or for arrays
``f[..., 14]``: ``f @ EVOLUTION_TO_FLAVOUR.T``."""
