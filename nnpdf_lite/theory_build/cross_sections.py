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
    total: dict[int, np.ndarray] = {}
    for kind, factors in zip(KINDS, coefficients.T):
        if factors.any():
            for n, values in _corrected(functions, observable, kind, q2, x).items():
                total[n] = total.get(n, 0.0) + factors[:, None, None, None] * values
    return {n: _isospin(values, observable) for n, values in total.items()}


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


def _corrected(
    functions: StructureFunctions, observable: Observable, kind: str, q2: float, x: Sequence[float]
) -> dict[int, np.ndarray]:
    """Return a structure function with target-mass corrections."""
    probe, name = observable.probe, f"{kind}_{observable.flavour}"
    if not functions.card.target_mass or observable.probe.charge is not None:
        return functions.maps(probe, name, q2, x)
    points = [_Nachtmann(point, functions.card.parameters["MP"] ** 2 / q2) for point in x]
    factors = np.array([point.factors(kind) for point in points])
    result = {
        n: factors[:, 0, None, None, None] * values
        for n, values in functions.maps(probe, name, q2, [point.xi for point in points]).items()
    }
    grid = functions.grid
    integrals = np.zeros((len(points), len(grid)))
    for row, point in zip(integrals, points):
        rule = grid.rule(point.xi)
        row += rule.convolve(np.full_like(rule.z, 1 / point.xi), None, 0.0)
    # The integrand is interpolated between grid points; those below all xi have no weight worth computing.
    used = np.flatnonzero(np.max(np.abs(factors[:, 1, None] * integrals) * grid.x[None], axis=0) > 1e-9)
    integrand = f"{'F3' if kind == 'F3' else 'F2'}_{observable.flavour}"
    for n, values in functions.maps(probe, integrand, q2, grid.x[used]).items():
        term = np.einsum("nu,ukpx->nkpx", factors[:, 1, None] * integrals[:, used], values)
        result[n] = result.get(n, 0.0) + term
    return result


def _isospin(values: np.ndarray, observable: Observable) -> np.ndarray:
    """Mix u and d as in a nucleus of ``Z`` protons and ``A - Z`` neutrons."""
    protons = observable.protons / observable.nucleons
    mixed = values.copy()
    for sign in (1, -1):
        up, down = PARTON_PIDS.index(2 * sign), PARTON_PIDS.index(sign)
        mixed[..., up, :] = protons * values[..., up, :] + (1 - protons) * values[..., down, :]
        mixed[..., down, :] = protons * values[..., down, :] + (1 - protons) * values[..., up, :]
    return mixed
