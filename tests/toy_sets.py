"""Small LHAPDF sets of closed form: the members' values on the knots are known."""

import numpy as np

from nnpdf_lite.ensembles import load_set
from nnpdf_lite.pdf.lhapdf_format import Subgrid, member_text, write_set

FLAVOURS = (-5, -4, -3, -2, -1, 21, 1, 2, 3, 4, 5)
X = np.concatenate([np.geomspace(1e-9, 0.1, 60, endpoint=False), np.linspace(0.1, 1, 40)])
Q = (np.array([1.65, 2.0, 3.0, 4.0, 4.92]), np.array([4.92, 7.0, 10.0, 30.0, 100.0, 1000.0, 1e4]))
#: x f ~ N x^(1-a) (1-x)^b by PDG number.
SHAPES = {21: (2.0, 1.1, 5.0), 1: (1.5, 0.6, 4.0), 2: (3.0, 0.6, 3.0), -1: (0.3, 1.1, 7.0), -2: (0.25, 1.1, 7.0)}
SHAPES |= {3: (0.15, 1.1, 7.0), -3: (0.15, 1.1, 7.0), 4: (0.05, 1.1, 7.0), -4: (0.05, 1.1, 7.0), 22: (0.1, 1.0, 5.0)}


def central(pid, x, q):
    """``x f`` (X, Q) of a parton."""
    if abs(pid) == 5:
        return np.zeros((len(x), len(q))) + (q > 4.92) * 0.01 * (1 - x[:, None]) ** 7
    norm, a, b = SHAPES[pid]
    slow = 1 + 0.1 * np.log(q / 1.65) * (0.3 - x[:, None])
    return norm * (x ** (1 - a) * (1 - x) ** b)[:, None] * slow


def variations(pid, n, x):
    """``n`` smooth relative variations (n, X) of a parton, another set for each parton."""
    phase = 0.7 * (pid % 29 + 1)
    return np.array([0.05 * np.cos(phase * (k + 1) + (k + 1) * x**0.3) for k in range(n)])


def write_toy(path, coefficients, kind="replicas", *, x=X, q=Q, flavours=FLAVOURS, first=None, **info):
    """Write the set whose member k is ``central (1 + coefficients[k] . variations)``; member 0 is ``first`` or the mean.

    ``coefficients`` (R, n): one row per error member, one column per variation.
    """
    coefficients = np.atleast_2d(np.asarray(coefficients, dtype=float))
    first = coefficients.mean(axis=0) if first is None else np.asarray(first)
    rows = np.vstack([first, coefficients]) if coefficients.size else np.zeros((1, 1))

    def text(number, row):
        grids = []
        for knots in q:
            values = [central(pid, x, knots) * (1 + row @ variations(pid, len(row), x))[:, None] for pid in flavours]
            grids.append(Subgrid(x, knots, tuple(flavours), np.stack(values, axis=2)))
        return number, member_text("replica" if number else "central", grids)

    header = {
        "SetDesc": "toy", "SetIndex": 0, "Authors": "nobody", "Reference": "", "Format": "lhagrid1", "DataVersion": 1,
        "NumMembers": len(rows), "Particle": 2212, "Flavors": list(flavours), "OrderQCD": 2, "FlavorScheme": "variable",
        "NumFlavors": 5, "ErrorType": kind, "XMin": float(x[0]), "XMax": 1.0, "QMin": float(q[0][0]),
        "QMax": float(q[-1][-1]), "AlphaS_MZ": 0.118, "AlphaS_Qs": [1.65, 10.0, 91.2, 1e4],
        "AlphaS_Vals": [0.33, 0.18, 0.118, 0.07],
    }  # fmt: skip
    return write_set(path, header | info, (text(k, row) for k, row in enumerate(rows)))


def toy_set(path, *args, **kwargs):
    """Write a toy set and open it."""
    return load_set(write_toy(path, *args, **kwargs))


def normal(n, k=6, seed=0):
    """Coefficients (n, k) of ``n`` replicas."""
    return np.random.default_rng(seed).standard_normal((n, k))
