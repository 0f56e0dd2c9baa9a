"""From coefficient functions at each scale to tables of PDFs at Q0."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import InputError
from ..evolution import PARTON_PIDS, Q_MAX
from ..evolution.interpolation import XGrid
from ..evolution.operators import Q_MIN, Operator, Patch, components, evolution_patches, splitting_operators
from .atlas import Table
from .card import BuildCard
from .observables import Distribution
from .scale_variation import Row, at_factorisation_scale, at_renormalisation_scale
from .schemes import terms


@dataclass(frozen=True)
class Joined:
    """The content of an FK table.

    Attributes
    ----------
    x : (X,) array
        Momentum fractions at Q0.
    channels : tuple of str
        Combinations of PDFs.
    values : (n, C, X) array
        Multiplies ``f = xf / x``.
    """

    x: np.ndarray
    channels: tuple[str, ...]
    values: np.ndarray


def evolution_ranges(card: BuildCard, q2: Iterable[float]) -> dict[int, tuple[float, float]]:
    """Return the lowest and highest scale in GeV at which PDFs and coupling of each flavour number are wanted.

    Parameters
    ----------
    card : BuildCard
    q2 : iterable of float
        All Q2 in GeV2.

    Raises
    ------
    InputError
        When a scale is out of reach of evolution.
    """
    q = np.sqrt(np.array(sorted(q2)))
    ranges = {}
    for n in dict.fromkeys(term.flavours for term in terms(card)) if len(q) else ():
        if card.scheme != "ZM-VFNS" or any(card.flavours(scale**2) == n for scale in q):
            low, high = q[0] * min(card.fac_ratio, card.ren_ratio), q[-1] * max(card.fac_ratio, card.ren_ratio)
            ranges[n] = (float(low), float(high))
    for low, high in ranges.values():
        if low < Q_MIN or high > Q_MAX / 2:
            raise InputError(
                f"Q2 = {q[0] ** 2:.4g} to {q[-1] ** 2:.4g} GeV2 with scales of {card.ren_ratio:g} Q and {card.fac_ratio:g} Q "
                f"ask for evolution from {low:.3g} to {high:.3g} GeV; it reaches from {Q_MIN} to {Q_MAX / 2:g} GeV"
            )
    return ranges


class Evolved:
    """Evolution of one theory card to all scales of its tables, computed at once.

    Parameters
    ----------
    card : BuildCard
    grid : XGrid
    q2 : iterable of float
        All scales Q2 in GeV2 at which coefficient functions were computed.
    """

    def __init__(self, card: BuildCard, grid: XGrid, q2: Iterable[float]) -> None:
        self.card, self.grid = card, grid
        self.channels = components(card.evolution.flavours(card.evolution.q0))
        ranges = evolution_ranges(card, q2)
        self.patches = evolution_patches(card.evolution, grid, ranges) if ranges else {}
        self._splitting = lru_cache(maxsize=None)(lambda n: splitting_operators(card.evolution, grid, n))
        self._operator = lru_cache(maxsize=8)(lambda n, q: self.patches[n].at(q))

    def rows(self, coefficients: Mapping[int, np.ndarray], q2: float) -> np.ndarray:
        """Return the rows of a table at one Q2, (n, C, X), multiplying ``x f`` at Q0.

        Parameters
        ----------
        coefficients : Mapping of int to (n, K, 13, X) array
            As from :func:`~nnpdf_lite.theory_build.cross_sections.observable_maps`.
        q2 : float
            GeV2.
        """
        q = np.sqrt(q2)
        total = np.zeros(())
        for n, values in coefficients.items():
            patch = self.patches[n]
            orders = [_in_combinations(values[:, k], patch) for k in range(values.shape[1])]
            varied = self._varied(orders, n)
            a = patch.alphas(self.card.ren_ratio * q) / (4 * np.pi)
            summed = {name: sum((a**k * row[name] for k, row in enumerate(varied)), np.zeros(())) for name in varied[0]}
            total = total + self._at_q0(summed, self._operator(n, self.card.fac_ratio * q))
        return total

    def distribution(self, table: Table) -> Joined:
        """Return the table of a distribution: of the evolution basis at Q0, of a parton at mu_F, where Q is the scale of the set."""
        assert isinstance(table.observable, Distribution)
        parton = table.observable.parton
        if isinstance(parton, str):
            nodes = np.append(table.x, 1.0)
            values = np.zeros((len(table.x), len(self.channels), len(nodes)))
            for i, x in enumerate(table.x):
                values[i, self.channels.index(parton), i] = x
            return Joined(nodes, self.channels, values)
        vector = np.equal(PARTON_PIDS, parton).astype(float)
        rows = np.zeros((len(table.x), len(self.channels), len(self.grid)))
        for q2, points in table.scales():
            q = np.sqrt(q2)
            patch = self.patches[self.card.evolution.flavours(q)]
            at_x = self.grid.interpolate(table.x[points])
            row = _in_combinations(vector[None, :, None] * at_x[:, None, :], patch)
            rows[points] = self._at_q0(row, patch.at(self.card.fac_ratio * q))
        return Joined(self.grid.x, self.channels, rows * self.grid.x)

    def _varied(self, orders: Sequence[Row], n: int) -> Sequence[Row]:
        log_f = 2 * np.log(self.card.fac_ratio)
        log_r = 2 * np.log(self.card.fac_ratio / self.card.ren_ratio)
        if log_f:
            orders = at_factorisation_scale(orders, self._splitting(n), n, log_f)
        return at_renormalisation_scale(orders, n, log_r) if log_r else orders

    def _at_q0(self, row: Row, operator: Operator) -> np.ndarray:
        result = np.zeros((len(next(iter(row.values()))), len(self.channels), len(self.grid)))
        for (out, source), block in operator.blocks.items():
            result[:, self.channels.index(source)] += row[out] @ block
        return result


def _in_combinations(values: np.ndarray, patch: Patch) -> dict[str, np.ndarray]:
    """Turn (n, 13, X) coefficients of partons into those of the combinations that evolve."""
    rotated = np.einsum("npx,pl->lnx", values, patch.to_flavours)
    return dict(zip(patch.outputs, rotated))
