"""Cross sections and target-mass corrections: what is measured, as combinations of structure functions.

References: target mass, Schienbein et al., arXiv:0709.1775, eqs. (22)-(24), without the doubly suppressed integrals;
reduced cross sections as in arXiv:1506.06042 (HERA), arXiv:hep-ex/0102049 and hep-ex/0509010 (neutrinos).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from yadism.esf.exs import xs_coeffs_unpolarized

from ..evolution import PARTON_PIDS
from .card import BuildCard
from .observables import Observable
from .structure_functions import StructureFunctions

KINDS = ("F2", "FL", "F3")


@dataclass(frozen=True)
class _Nachtmann:
    """Kinematics of target-mass corrections: xi, rho and M2/Q2 of a point."""

    x: float
    mu: float

    @property
    def rho(self) -> float:
        return float(np.sqrt(1 + 4 * self.x**2 * self.mu))

    @property
    def xi(self) -> float:
        return 2 * self.x / (1 + self.rho)

    def factors(self, kind: str) -> tuple[float, float]:
        """Return what multiplies the structure function at xi, and the integral of ``F / u2`` from xi to 1."""
        x, mu, rho, shift = self.x, self.mu, self.rho, (self.x / self.xi) ** 2
        return {
            "F2": (shift / rho**3, 6 * mu * x**3 / rho**4),
            "FL": (shift / rho, 4 * mu * x**3 / rho**2),
            "F3": (shift / rho**2, 2 * mu * x**3 / rho**3),
        }[kind]


def observable_maps(
    functions: StructureFunctions, observable: Observable, q2: float, x: Sequence[float], y: Sequence[float]
) -> dict[int, np.ndarray]:
    """Return an observable at one Q2 as maps of PDFs of the proton, the isospin of the target included.

    Parameters
    ----------
    functions : StructureFunctions
    observable : Observable
    q2 : float
        GeV2.
    x, y : sequences of n float
        Bjorken's x and the inelasticity.

    Returns
    -------
    dict of int to (n, K, 13, X) array
        As :meth:`StructureFunctions.maps`.
    """
    coefficients = np.array([_coefficients(functions.card, observable, q2, *point) for point in zip(x, y)])
    integrals = _MassIntegrals(functions, observable, q2, x) if _has_target_mass(functions.card, observable) else None
    total: dict[int, np.ndarray] = {}
    for kind, factors in zip(KINDS, coefficients.T):
        if factors.any():
            if integrals is None:
                maps = functions.maps(observable.probe, f"{kind}_{observable.flavour}", q2, x)
            else:
                maps = integrals.corrected(kind)
            for n, values in maps.items():
                total[n] = total.get(n, 0.0) + factors[:, None, None, None] * values
    return {n: _isospin(values, observable) for n, values in total.items()}


def _has_target_mass(card: BuildCard, observable: Observable) -> bool:
    """Return whether corrections are made: not in positivity observables, which are those of massless nucleons."""
    return card.target_mass and observable.probe.charge is None


class _MassIntegrals:
    """Structure functions with target-mass corrections at one Q2; the integrals that two share are computed once."""

    def __init__(self, functions: StructureFunctions, observable: Observable, q2: float, x: Sequence[float]) -> None:
        self._functions, self._observable, self._q2 = functions, observable, q2
        self._points = [_Nachtmann(point, functions.card.parameters["MP"] ** 2 / q2) for point in x]
        grid = functions.grid
        self._weights = np.zeros((len(self._points), len(grid)))
        for row, point in zip(self._weights, self._points):
            rule = grid.rule(point.xi)
            row += rule.convolve(np.full_like(rule.z, 1 / point.xi), None, 0.0)
        # The integrand is interpolated between grid points; those below all xi have no weight worth computing.
        largest = np.array([max(point.factors(kind)[1] for kind in KINDS) for point in self._points])
        self._used = np.flatnonzero(np.max(largest[:, None] * np.abs(self._weights) * grid.x, axis=0) > 1e-9)
        self._integrals: dict[str, dict[int, np.ndarray]] = {}

    def corrected(self, kind: str) -> dict[int, np.ndarray]:
        """Return a structure function as maps of PDFs."""
        factors = np.array([point.factors(kind) for point in self._points])[..., None, None, None]
        at_xi = self._maps(kind, [point.xi for point in self._points])
        integral = self._integral("F3" if kind == "F3" else "F2")
        result = {n: factors[:, 0] * values for n, values in at_xi.items()}
        for n, values in integral.items():
            result[n] = result.get(n, 0.0) + factors[:, 1] * values
        return result

    def _integral(self, kind: str) -> dict[int, np.ndarray]:
        """Return the integral of ``F / u2`` from xi to 1."""
        if kind not in self._integrals:
            used = self._used
            self._integrals[kind] = {
                n: np.einsum("nu,ukpx->nkpx", self._weights[:, used], values)
                for n, values in self._maps(kind, self._functions.grid.x[used]).items()
            }
        return self._integrals[kind]

    def _maps(self, kind: str, x: Sequence[float] | np.ndarray) -> dict[int, np.ndarray]:
        return self._functions.maps(self._observable.probe, f"{kind}_{self._observable.flavour}", self._q2, x)


def _coefficients(card: BuildCard, observable: Observable, q2: float, x: float, y: float) -> np.ndarray:
    """Return the coefficients of F2, FL and x F3."""
    if observable.measures in KINDS:
        return np.array([float(observable.measures == kind) for kind in KINDS])
    parameters = {
        "projectilePID": {"electron": 11, "positron": -11, "neutrino": 12, "antineutrino": -12}[observable.probe.projectile],
        "M2target": card.parameters["MP"] ** 2,
        "M2W": card.parameters["MW"] ** 2,
        "GF": card.parameters["GF"],
    }
    return xs_coeffs_unpolarized(observable.measures, y, x=x, Q2=q2, params=parameters)


def _isospin(values: np.ndarray, observable: Observable) -> np.ndarray:
    """Mix u and d as in a nucleus of ``Z`` protons and ``A - Z`` neutrons."""
    protons = observable.protons / observable.nucleons
    mixed = values.copy()
    for sign in (1, -1):
        up, down = PARTON_PIDS.index(2 * sign), PARTON_PIDS.index(sign)
        mixed[..., up, :] = protons * values[..., up, :] + (1 - protons) * values[..., down, :]
        mixed[..., down, :] = protons * values[..., down, :] + (1 - protons) * values[..., up, :]
    return mixed
