"""Checks of evolution that need no other code: sum rules, and two steps against one."""

from dataclasses import replace

import numpy as np

from ..evolution.interpolation import XGrid
from ..evolution.operators import Operator, Patch, components, evolution_patches
from .join import Evolved

# Powers of x and of 1 - x of the PDFs used.
_SEA = (-0.2, 7.0)
_VALENCE = (0.7, 3.0)


def evolution_checks(evolved: Evolved) -> dict[str, float]:
    """Return relative violations, the largest over the scales of a build.

    Returns
    -------
    dict of str to float
        ``momentum``: of the momentum sum; ``valence``: of the numbers of valence quarks; ``two steps``: between evolving
        to the highest scale at once and by way of the lowest; all above Q0, and in the flavour numbers without a quark
        that does not evolve.
    """
    worst = {"momentum": 0.0, "valence": 0.0, "two steps": 0.0}
    for patch in evolved.patches.values():
        if "h+" in patch.outputs or not _above_q0(patch, evolved).any():
            continue
        worst["momentum"] = max(worst["momentum"], _momentum(patch, evolved))
        worst["valence"] = max(worst["valence"], _valence(patch, evolved))
        worst["two steps"] = max(worst["two steps"], _two_steps(patch, evolved))
    return worst


def _shape(x: np.ndarray, powers: tuple[float, float]) -> np.ndarray:
    return x ** powers[0] * (1 - x) ** powers[1] * (1 + 2 * np.sqrt(x))


def _integral(grid: XGrid, xf: np.ndarray, power: float) -> np.ndarray:
    """Integrate ``x^power`` times ``x f`` (..., X) from 0 to 1; below the grid, ln(x f) is taken quadratic in ln x."""
    points, weights = np.polynomial.legendre.leggauss(8)
    half = np.diff(grid.x) / 2
    x = ((grid.x[1:] + grid.x[:-1])[:, None] / 2 + half[:, None] * points).ravel()
    inside = xf @ (((half[:, None] * weights).ravel() * x**power) @ grid.interpolate(x))
    start, below = np.log(grid.x[:5:2]), np.linspace(-45.0, 0.0, 2000)
    lagrange = [np.prod([(below - b + start[0]) / (a - b) for b in start if b != a], axis=0) for a in start]
    tail = np.exp(np.log(xf[..., :5:2]) @ lagrange + (power + 1) * (below + start[0]))
    return inside + np.trapezoid(tail, below)


def _momentum(patch: Patch, evolved: Evolved) -> float:
    """Return the violation of momentum conservation for Sigma and g at Q0."""
    grid, sea = evolved.grid, _shape(evolved.grid.x, _SEA)
    violations = []
    up = _above_q0(patch, evolved)
    for source in ("Sigma", "g"):
        total = sum(patch.operator.blocks[out, source][up] for out in ("Sigma", "g")) @ sea
        violations.append(np.max(np.abs(_integral(grid, total, 0.0) / _integral(grid, sea, 0.0) - 1)))
    return float(max(violations))


def _above_q0(patch: Patch, evolved: Evolved) -> np.ndarray:
    """Return which nodes lie above Q0; below, PDFs turn negative at small x, where the integrals go on in ln(x f)."""
    return patch.nodes >= evolved.card.evolution.q0


def _valence(patch: Patch, evolved: Evolved) -> float:
    grid, valence, up = evolved.grid, _shape(evolved.grid.x, _VALENCE), _above_q0(patch, evolved)
    numbers = [_integral(grid, patch.operator.blocks[name, name][up] @ valence, -1.0) for name in ("V", "V3", "V8")]
    return float(np.max(np.abs(np.array(numbers) / _integral(grid, valence, -1.0) - 1)))


def _two_steps(patch: Patch, evolved: Evolved) -> float:
    """Return the largest difference at x < 0.5, relative to the largest combination there."""
    start = int(np.argmax(_above_q0(patch, evolved)))
    first, last, coupling = patch.nodes[start], patch.nodes[-1], float(patch.coupling[start])
    settings = replace(evolved.card.evolution, q0=first, alphas=coupling, q_ref=first, fixed_flavours=patch.flavours)
    second = evolution_patches(settings, evolved.grid, {patch.flavours: (first, last)})[patch.flavours]
    two, one = _at(second, -1) @ _at(patch, start), _at(patch, -1)
    names = components(patch.flavours)
    inside = evolved.grid.x < 0.5
    differences, sizes = [], []
    for name in names:
        shape = _shape(evolved.grid.x, _VALENCE if name.startswith("V") else _SEA)
        for out in names:
            if (out, name) in one.blocks:
                once, twice = one.blocks[out, name][0] @ shape, two.blocks[out, name][0] @ shape
                differences.append(np.abs(once - twice)[inside])
                sizes.append(np.abs(once)[inside])
    return float(np.max(np.array(differences) / np.max(sizes, axis=0)))


def _at(patch: Patch, node: int) -> Operator:
    return Operator({key: block[[node]] for key, block in patch.operator.blocks.items()})
