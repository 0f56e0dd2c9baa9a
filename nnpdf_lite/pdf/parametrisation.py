"""Fit bases: which PDFs the network parametrises and how they span the evolution basis at Q0.

Above the charm threshold and below bottom the 14 evolution flavours have at most nine independent members, so operators
contract to the columns listed here rather than to 14.
"""

from dataclasses import dataclass

import numpy as np

from ..flavours import EVOLUTION_FLAVOURS
from ..runcard.choices import FITBASES

_EVOL_COLUMNS = ("Sigma", "g", "V", "V3", "V8", "T3", "T8", "T15")

# Rows: Sigma, g, V, V3, V8, T3, T8, T15; columns: u, ubar, d, dbar, s, sbar, c (= cbar), g.
_FLAVOUR_ROTATION = np.array(
    [
        [1, 1, 1, 1, 1, 1, 2, 0],
        [0, 0, 0, 0, 0, 0, 0, 1],
        [1, -1, 1, -1, 1, -1, 0, 0],
        [1, -1, -1, 1, 0, 0, 0, 0],
        [1, -1, 1, -1, -2, 2, 0, 0],
        [1, 1, -1, -1, 0, 0, 0, 0],
        [1, 1, 1, 1, -2, -2, 0, 0],
        [1, 1, 1, 1, 1, 1, -6, 0],
    ],
    dtype=float,
)

# The same rows; columns: Sigma, g, V, V3, V8, T3, T8, c+. T15 = Sigma - 4 c+.
_NN31IC_ROTATION = np.eye(8)
_NN31IC_ROTATION[7] = [1, 0, 0, 0, 0, 0, 0, -4]


@dataclass(frozen=True)
class FitBasis:
    """A basis the network can parametrise.

    Attributes
    ----------
    name : str
    flavours : tuple of str
        The network's outputs under the runcard's names (``fl``).
    columns : tuple of str
        The K independent evolution flavours at Q0.
    rotation : (K, F) array or None
        From outputs to columns; None when they are the same.
    """

    name: str
    flavours: tuple[str, ...]
    columns: tuple[str, ...]
    rotation: np.ndarray | None = None


FIT_BASES = {
    name: FitBasis(name, tuple(FITBASES[name]), columns, rotation)
    for name, columns, rotation in (
        ("EVOL", _EVOL_COLUMNS, None),
        ("CCBAR_ASYMM", (*_EVOL_COLUMNS, "V15"), None),
        ("FLAVOUR", _EVOL_COLUMNS, _FLAVOUR_ROTATION),
        ("NN31IC", _EVOL_COLUMNS, _NN31IC_ROTATION),
    )
}

#: Values of the valence sum rules (number of valence quarks in each combination).
VALENCE_SUMS = {"V": 3.0, "V3": 1.0, "V8": 3.0, "V15": 3.0}


def columns_to_evolution(columns: tuple[str, ...]) -> np.ndarray:
    """Return the (14, K) matrix from the independent columns to the evolution basis at Q0 (four active flavours)."""
    matrix = np.zeros((14, len(columns)))
    for k, name in enumerate(columns):
        matrix[EVOLUTION_FLAVOURS.index(name), k] = 1.0
    singlet, valence = columns.index("Sigma"), columns.index("V")
    copies = {"T24": singlet, "T35": singlet, "V24": valence, "V35": valence}
    if "V15" not in columns:
        copies["V15"] = valence
    for name, column in copies.items():
        matrix[EVOLUTION_FLAVOURS.index(name), column] = 1.0
    return matrix
