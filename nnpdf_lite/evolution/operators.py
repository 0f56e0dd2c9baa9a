"""Evolution operators: PDFs at any scale and flavour number as linear maps of the PDFs at Q0, on one x grid.

Coefficient functions of a flavour-number scheme meet PDFs of *its* flavour number, below as well as above the
thresholds. From the flavour number at Q0, PDFs go up by HOPPET's matching conditions, and down by their inverse expanded
in alpha_s, with the heavy quark that is fitted (arXiv:1510.00491): in the lower scheme it does not evolve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..flavours import EVOLUTION_FLAVOURS, EVOLUTION_TO_FLAVOUR, FLAVOUR_TO_EVOLUTION
from .hoppet_evolution import PARTON_PIDS, Evolution
from .interpolation import XGrid
from .matching import heavy_to_gluon, heavy_to_heavy
from .settings import EvolutionSettings

Q_MIN = 0.8
"""Lowest scale in GeV to which PDFs are evolved."""

_NUDGE = 1e-9
_NODES_PER_LOGLOG = 24
_MULTIPLETS = {3: (), 4: (15,), 5: (15, 24), 6: (15, 24, 35)}


def components(flavours: int) -> tuple[str, ...]:
    """Return the combinations of PDFs that are independent with so many active flavours."""
    multiplets = (3, 8, *_MULTIPLETS[flavours])
    return ("Sigma", "g", "V", *(f"V{n}" for n in multiplets), *(f"T{n}" for n in multiplets))


@dataclass(frozen=True)
class Operator:
    """A linear map between combinations of PDFs, as ``x f`` on one x grid, at one or several scales.

    Attributes
    ----------
    blocks : Mapping of (out, in) to (Q, X, X) array
        Names of combinations as in :func:`components`, ``c+`` and ``c-`` for a quark that does not evolve. A block that
        is absent is zero.
    """

    blocks: Mapping[tuple[str, str], np.ndarray]

    def __matmul__(self, first: "Operator") -> "Operator":
        """Return the map that applies ``first`` before this one."""
        product: dict[tuple[str, str], np.ndarray] = {}
        for (out, middle), left in self.blocks.items():
            for (inner, source), right in first.blocks.items():
                if inner == middle:
                    product[out, source] = product.get((out, source), 0.0) + left @ right
        return Operator(product)

    def __add__(self, other: "Operator") -> "Operator":
        total = dict(self.blocks)
        for key, block in other.blocks.items():
            total[key] = total.get(key, 0.0) + block
        return Operator(total)

    def scaled(self, factor: float) -> "Operator":
        """Return the map times a number."""
        return Operator({key: factor * block for key, block in self.blocks.items()})


Entry = tuple[float, float, Operator]
"""Where a flavour number begins: scale in GeV, alpha_s there, and the operator from Q0, blocks (1, X, X)."""


@dataclass(frozen=True)
class Patch:
    """PDFs of one flavour number, from those at Q0, at any scale between two.

    Attributes
    ----------
    flavours : int
        Number of active flavours of PDFs and coupling.
    operator : Operator
        At the scales :attr:`nodes`, acting on the :func:`components` at Q0.
    to_flavours : (13, L) array
        Rotation to partons :data:`PARTON_PIDS` of the L combinations :attr:`outputs`.
    outputs : tuple of str
    nodes : (n,) array
        Chebyshev points in ln ln(Q / 0.2 GeV), ascending scales in GeV.
    coupling : (n,) array
        alpha_s at the nodes.
    """

    flavours: int
    operator: Operator
    to_flavours: np.ndarray
    outputs: tuple[str, ...]
    nodes: np.ndarray
    coupling: np.ndarray

    def weights(self, q: float) -> np.ndarray:
        """Return the weights (n,) that interpolate what is given at :attr:`nodes` to the scale ``q`` in GeV."""
        if not self.nodes[0] * (1 - 1e-6) <= q <= self.nodes[-1] * (1 + 1e-6):
            raise ValueError(f"scale {q} outside {self.nodes[0]} to {self.nodes[-1]} GeV")
        distance = _loglog(np.array([q])) - _loglog(self.nodes)
        if np.any(np.abs(distance) < 1e-14):
            return (np.abs(distance) < 1e-14).astype(float)
        barycentric = np.where(np.arange(len(self.nodes)) % 2, -1.0, 1.0)
        barycentric[[0, -1]] /= 2
        return barycentric / distance / np.sum(barycentric / distance)

    def alphas(self, q: float) -> float:
        """Return alpha_s at scale ``q`` in GeV."""
        return float(self.weights(q) @ self.coupling)

    def at(self, q: float) -> Operator:
        """Return the operator, blocks (X, X), at scale ``q`` in GeV."""
        weights = self.weights(q)
        return Operator({key: np.tensordot(weights, block, 1) for key, block in self.operator.blocks.items()})


def evolution_patches(
    settings: EvolutionSettings, grid: XGrid, ranges: Mapping[int, tuple[float, float]], *, refinement: float = 1.0
) -> dict[int, Patch]:
    """Compute the evolution from Q0 in several flavour numbers.

    Parameters
    ----------
    settings : EvolutionSettings
    grid : XGrid
        Of PDFs at Q0 and at all scales.
    ranges : Mapping of int to (float, float)
        Lowest and highest scale in GeV wanted in each flavour number.
    refinement : float
        As in :class:`Evolution`.

    Returns
    -------
    dict of int to Patch
    """
    for low, high in ranges.values():
        if low < Q_MIN or high > 1e5:
            raise InputError(f"PDFs are wanted from {low:.3g} to {high:.3g} GeV; evolution covers {Q_MIN} to 1e5 GeV")
    chain = _Chain(settings, grid, refinement)
    n0 = settings.flavours(settings.q0)
    one = Operator(_identity(components(n0), grid))
    patches: dict[int, Patch] = {}
    for step in (+1, -1):
        entry, n = (settings.q0, chain.alphas_at_q0, one), n0
        last = max(*ranges, n0) if step > 0 else min(*ranges, n0)
        while True:
            leave = None if n == last else settings.masses[n - 3 if step > 0 else n - 4]
            # The flavour number of Q0 begins both ways; its patch is made once.
            span = ranges.get(n) if n not in patches else None
            patch, to_mass = chain.evolve(n, entry, span, leave)
            patches |= {} if patch is None else {n: patch}
            if to_mass is None:
                break
            entry = chain.up(n, to_mass) if step > 0 else chain.down(n, to_mass)
            n += step
    return patches


def splitting_operators(settings: EvolutionSettings, grid: XGrid, flavours: int) -> list[Operator]:
    """Return the splitting functions with so many flavours, order by order in ``alpha_s / 4 pi``; blocks (1, X, X)."""
    evolution = Evolution(replace(settings, fixed_flavours=flavours))
    names = components(flavours)
    runs = _runs(grid, evolution.nodes)
    return [
        _blocks(evolution.split(runs, grid.x, loops, flavours)[:, None], names, names)
        for loops in range(1, settings.loops + 1)
    ]


class _Chain:
    """Takes operators from the flavour number of Q0 to others, threshold by threshold."""

    def __init__(self, settings: EvolutionSettings, grid: XGrid, refinement: float) -> None:
        self.settings, self.grid, self.refinement = settings, grid, refinement
        reference = Evolution(replace(settings, q_min=min(settings.q0, Q_MIN)))
        self.alphas_at_q0 = float(reference.alphas(settings.q0))
        # Just below and just above each threshold.
        self.couplings = {
            mass: tuple(float(reference.alphas(mass * (1 + side))) for side in (-_NUDGE, _NUDGE))
            for mass in settings.thresholds
        }

    def evolve(
        self, n: int, entry: Entry, span: tuple[float, float] | None, leave: float | None
    ) -> tuple[Patch | None, Operator | None]:
        """Evolve with ``n`` flavours: to nodes between two scales, and to the threshold where they are left."""
        q0, alphas, start = entry
        nodes = np.array([]) if span is None else _scale_nodes(*span)
        scales = np.append(nodes, [] if leave is None else leave)
        if not len(scales):
            return None, None
        fixed = Evolution(_fixed(self.settings, n, q0, alphas, scales), refinement=self.refinement)
        blocks = _evolve(fixed, self.grid, n, scales).blocks
        to_mass = None if leave is None else Operator({key: block[-1:] for key, block in blocks.items()}) @ start
        if span is None:
            return None, to_mass
        operator = Operator({key: block[: len(nodes)] for key, block in blocks.items()})
        return self._patch(n, operator, start, nodes, fixed.alphas(nodes)), to_mass

    def _patch(self, n: int, operator: Operator, start: Operator, nodes: np.ndarray, coupling: np.ndarray) -> Patch:
        outputs, static = components(n), sorted({out for out, _ in start.blocks} - set(components(n)))
        product = (operator + Operator(_identity(static, self.grid))) @ start
        shape = (len(nodes), len(self.grid), len(self.grid))
        blocks = {key: np.broadcast_to(block, shape) for key, block in product.blocks.items()}
        rotation = [EVOLUTION_TO_FLAVOUR[:13] @ _evolution_vector(name, n) for name in outputs]
        rotation += [_heavy_vector(n + 1, +1 if name == "h+" else -1) for name in static]
        return Patch(n, Operator(blocks), np.array(rotation).T, (*outputs, *static), nodes, coupling)

    def up(self, n: int, to_mass: Operator) -> Entry:
        """Go from ``n`` to ``n + 1`` flavours."""
        mass = self.settings.masses[n - 3]
        return mass, self.couplings[mass][1], self._matching(n) @ to_mass

    def down(self, n: int, to_mass: Operator) -> Entry:
        """Go from ``n`` to ``n - 1`` flavours, with the heavy quark as a distribution that does not evolve."""
        mass, grid, loops = self.settings.masses[n - 4], self.grid, self.settings.loops
        below, above = self.couplings[mass]
        separate = _separate(n, grid)
        inverse = Operator(_identity((*components(n - 1), "h+", "h-"), grid))
        if loops > 1:
            heavy, to_gluon = heavy_to_heavy(grid)[None], heavy_to_gluon(grid)[None]
            first = Operator({("h+", "h+"): heavy, ("h-", "h-"): heavy, ("g", "h+"): to_gluon}).scaled(above / (4 * np.pi))
            inverse = inverse + first.scaled(-1.0)
        if loops > 2:
            light = Operator(_identity(components(n - 1), grid))
            second = separate @ self._matching(n - 1) + light.scaled(-1.0)
            inverse = inverse + second.scaled(-1.0) + first @ first
        return mass, below, inverse @ separate @ to_mass

    def _matching(self, n: int) -> Operator:
        """Return the map from ``n`` to ``n + 1`` flavours at the threshold, without a heavy quark below it."""
        mass = self.settings.masses[n - 3]
        q0 = mass * (1 - _NUDGE)
        alphas = self.couplings[mass][0]
        settings = replace(self.settings, q0=q0, q_ref=q0, alphas=alphas, q_min=None, q_max=1.1 * mass)
        evolution = Evolution(settings, refinement=self.refinement)
        after = evolution.respond(_runs(self.grid, evolution.nodes), self.grid.x, np.array([mass * (1 + _NUDGE)]))
        return _blocks(after, components(n), components(n + 1))


def _fixed(settings: EvolutionSettings, n: int, q0: float, alphas: float, q: np.ndarray) -> EvolutionSettings:
    """Return the settings of evolution with ``n`` flavours from ``q0`` to scales ``q``."""
    span = {"q_min": min(q.min(), q0), "q_max": 1.1 * max(q.max(), q0)}
    return replace(settings, fixed_flavours=n, q0=q0, alphas=alphas, q_ref=q0, **span)


def _evolve(evolution: Evolution, grid: XGrid, n: int, q: np.ndarray) -> Operator:
    return _blocks(evolution.respond(_runs(grid, evolution.nodes), grid.x, q), components(n), components(n))


def _runs(grid: XGrid, nodes: np.ndarray) -> np.ndarray:
    """Return what is to be evolved, (2 X, nodes, 13): each basis function as all combinations but g, and as g.

    Evolution does not mix the other combinations with each other, so one run serves all of them.
    """
    basis = grid.extend(nodes).T
    quarks, gluon = np.ones(14), np.zeros(14)
    quarks[[0, 2]] = 0.0
    gluon[2] = 1.0
    partons = [EVOLUTION_TO_FLAVOUR[:13] @ vector for vector in (quarks, gluon)]
    return np.concatenate([basis[:, :, None] * vector for vector in partons])


def _blocks(responses: np.ndarray, inputs: Sequence[str], outputs: Sequence[str]) -> Operator:
    """Sort the responses (2 X, Q, X, 13) to :func:`_runs` into blocks (Q, X, X)."""
    rotated = np.moveaxis(responses @ FLAVOUR_TO_EVOLUTION[:, :13].T, 0, 2)  # (Q, X, 2 X, 14)
    quarks, gluon = np.split(rotated, 2, axis=2)
    blocks = {}
    for out in outputs:
        column = EVOLUTION_FLAVOURS.index(out)
        source = out if out in inputs else "Sigma" if out[0] in "TSg" else "V"
        blocks[out, "Sigma" if out == "g" else source] = quarks[..., column]
        if out == "g" or source == "Sigma":
            blocks[out, "g"] = gluon[..., column]
    return Operator(blocks)


def _separate(n: int, grid: XGrid) -> Operator:
    """Return the rotation from ``n`` flavours to ``n - 1`` light ones and the heaviest, ``h+`` and ``h-``."""
    one, m = np.eye(len(grid))[None], n - 1
    blocks = _identity([name for name in components(m) if name not in ("Sigma", "V")], grid)
    for total, multiplet, heavy in (("Sigma", f"T{n * n - 1}", "h+"), ("V", f"V{n * n - 1}", "h-")):
        blocks |= {
            (total, total): m / n * one, (total, multiplet): one / n,
            (heavy, total): one / n, (heavy, multiplet): -one / n,
        }  # fmt: skip
    return Operator(blocks)


def _identity(names: Sequence[str], grid: XGrid) -> dict[tuple[str, str], np.ndarray]:
    return {(name, name): np.eye(len(grid))[None] for name in names}


def _evolution_vector(name: str, n: int) -> np.ndarray:
    """Return a combination of ``n`` flavours in the evolution basis (14,): those not active equal Sigma or V."""
    vector = np.zeros(14)
    vector[EVOLUTION_FLAVOURS.index(name)] = 1.0
    if name in ("Sigma", "V"):
        letter = "T" if name == "Sigma" else "V"
        for other in set(components(6)) - set(components(n)):
            vector[EVOLUTION_FLAVOURS.index(other)] = float(other.startswith(letter))
    return vector


def _heavy_vector(quark: int, sign: int) -> np.ndarray:
    vector = np.zeros(len(PARTON_PIDS))
    vector[PARTON_PIDS.index(quark)], vector[PARTON_PIDS.index(-quark)] = 0.5, 0.5 * sign
    return vector


def _loglog(q: np.ndarray) -> np.ndarray:
    return np.log(np.log(q / 0.2))


def _scale_nodes(low: float, high: float) -> np.ndarray:
    """Return Chebyshev points in ln ln(Q / 0.2 GeV) from ``low`` to ``high``."""
    ends = _loglog(np.array([low, high * (1 + 1e-6)]))
    count = 4 + int(np.ceil(_NODES_PER_LOGLOG * (ends[1] - ends[0])))
    t = ends.mean() - 0.5 * (ends[1] - ends[0]) * np.cos(np.pi * np.arange(count) / (count - 1))
    q = 0.2 * np.exp(np.exp(t))
    q[0] = low
    return q
