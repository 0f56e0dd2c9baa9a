"""Checks of evolution that need no other code: sum rules, and two steps against one."""

from dataclasses import replace

import numpy as np

from ..evolution.interpolation import XGrid
from ..evolution.operators import Operator, Patch, components, evolution_patches
from .join import Evolved

# PDFs with the powers of x and 1 - x of a proton's; valence vanishes fast enough for the lost x < 2e-7 not to matter.
_SEA = (-0.2, 7.0)
_VALENCE = (0.9, 3.5)


def evolution_checks(evolved: Evolved) -> dict[str, float]:
    """Return relative violations, the largest over the scales of a build.

    Returns
    -------
    dict of str to float
        ``momentum``: of the momentum sum; ``valence``: of the numbers of valence quarks; ``two steps``: between evolving
        to the highest scale at once and by way of the lowest; all in the flavour numbers without a quark that does not
        evolve.
    """
    worst = {"momentum": 0.0, "valence": 0.0, "two steps": 0.0}
    for patch in evolved.patches.values():
        if "h+" in patch.outputs:
            continue
        worst["momentum"] = max(worst["momentum"], _momentum(patch, evolved))
        worst["valence"] = max(worst["valence"], _valence(patch, evolved))
        worst["two steps"] = max(worst["two steps"], _two_steps(patch, evolved))
    return worst


def _shape(x: np.ndarray, powers: tuple[float, float]) -> np.ndarray:
    return x ** powers[0] * (1 - x) ** powers[1] * (1 + 2 * np.sqrt(x))


def _integral_weights(grid: XGrid, power: float) -> np.ndarray:
    """Return the weights (X,) that integrate ``x^power`` times what is given on the grid."""
    points, weights = np.polynomial.legendre.leggauss(8)
    edges = grid.x
    half = np.diff(edges) / 2
    x = ((edges[1:] + edges[:-1])[:, None] / 2 + half[:, None] * points).ravel()
    return ((half[:, None] * weights).ravel() * x**power) @ grid.interpolate(x)


def _momentum(patch: Patch, evolved: Evolved) -> float:
    """Return the violation of momentum conservation for Sigma and g at Q0."""
    weights, sea = _integral_weights(evolved.grid, 0.0), _shape(evolved.grid.x, _SEA)
    violations = []
    for source in ("Sigma", "g"):
        total = sum(patch.operator.blocks[out, source] for out in ("Sigma", "g")) @ sea
        violations.append(np.max(np.abs(total @ weights / (sea @ weights) - 1)))
    return float(max(violations))


def _valence(patch: Patch, evolved: Evolved) -> float:
    weights, valence = _integral_weights(evolved.grid, -1.0), _shape(evolved.grid.x, _VALENCE)
    numbers = [patch.operator.blocks[name, name] @ valence @ weights for name in ("V", "V3", "V8")]
    return float(np.max(np.abs(np.array(numbers) / (valence @ weights) - 1)))


def _two_steps(patch: Patch, evolved: Evolved) -> float:
    """Return the largest difference at x < 0.5, relative to the largest combination there."""
    first, last = patch.nodes[0], patch.nodes[-1]
    settings = replace(
        evolved.card.evolution, q0=first, alphas=float(patch.coupling[0]), q_ref=first, fixed_flavours=patch.flavours
    )
    second = evolution_patches(settings, evolved.grid, {patch.flavours: (first, last)})[patch.flavours]
    two, one = _at(second, -1) @ _at(patch, 0), _at(patch, -1)
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
