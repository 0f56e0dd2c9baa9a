"""Structure functions of the proton at one Q2 as linear maps of its PDFs, in any flavour-number scheme.

``yadism`` says which coefficient function meets which parton with which charge; the convolutions are made here, with one
quadrature for all functions that share a convolution point (:mod:`nnpdf_lite.evolution.interpolation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np
import yadism.log
from yadism.coefficient_functions import Combiner
from yadism.coefficient_functions.asy.partonic_channel import PartonicChannelAsy
from yadism.coefficient_functions.kernels import Kernel
from yadism.coefficient_functions.light.kernels import nc_weights
from yadism.esf.esf import EvaluatedStructureFunction
from yadism.observable_name import ObservableName
from yadism.runner import Runner, RunnerConfigs

from ..evolution import PARTON_PIDS
from ..evolution.interpolation import XGrid
from .card import BuildCard
from .coefficients import Function, Library
from .probe import Probe
from .schemes import Term, active

yadism.log.silent_mode = True


@dataclass
class Contribution:
    """A function of z with the weight of each parton."""

    function: Function
    is_static: bool
    weights: np.ndarray = field(default_factory=lambda: np.zeros(len(PARTON_PIDS)))


class StructureFunctions:
    """Computes structure functions for a theory card on an x grid.

    Parameters
    ----------
    card : BuildCard
    grid : XGrid
        Of the PDFs.
    """

    def __init__(self, card: BuildCard, grid: XGrid) -> None:
        self.card, self.grid = card, grid
        self._library = Library()
        self._static_rows: dict[tuple, np.ndarray] = {}
        self._static_rules = lru_cache(maxsize=2 * len(grid))(grid.rule)
        self._configuration = cache(self._build_configuration)
        self._contributions = lru_cache(maxsize=4)(self._find_contributions)

    def maps(self, probe: Probe, name: str, q2: float, x: Sequence[float] | np.ndarray) -> dict[int, np.ndarray]:
        """Return F(x, Q2), without target-mass corrections, as a map of PDFs.

        Parameters
        ----------
        probe : Probe
        name : str
            ``yadism``'s name: ``F2``, ``FL`` or ``F3`` (which is x F3), ``_total``, ``_light``, ``_charm``, ...
        q2 : float
            GeV2.
        x : sequence of n float

        Returns
        -------
        dict of int to (n, K, 13, X) array
            For each flavour number, the coefficients of ``(alpha_s / 4 pi)^k``, k < K, that multiply ``x f`` of the
            partons :data:`~nnpdf_lite.evolution.PARTON_PIDS` on the grid.
        """
        orders = 1 + max(term.order for term, _ in active(self.card, q2))
        result = {}
        for n, per_order in self._contributions(probe, name, q2).items():
            values = np.zeros((len(x), orders, len(PARTON_PIDS), len(self.grid)))
            for i, point in enumerate(x):
                self._convolve(per_order, point, values[i])
            if values.any():
                result[n] = values
        return result

    def _convolve(self, per_order: Mapping[tuple, Contribution], x: float, values: np.ndarray) -> None:
        """Add all contributions at ``x`` to ``values`` (K, 13, X)."""
        rules = {}
        for (order, identity), contribution in per_order.items():
            function = contribution.function
            point = function.stretch * x
            if point >= function.z_max * (1 - 1e-12):
                continue
            row = self._static_rows.get((identity, x)) if contribution.is_static else None
            if row is None:
                at = (point, function.z_max)
                if at not in rules:
                    rules[at] = self._static_rules(*at) if contribution.is_static else self.grid.rule(*at)
                row = function.row(rules[at])
                if contribution.is_static and x in self.grid.x:
                    self._static_rows[identity, x] = row
            values[order] += contribution.weights[:, None] * row

    def _find_contributions(self, probe: Probe, name: str, q2: float) -> dict[int, dict[tuple, Contribution]]:
        """Return what adds up to a structure function, by flavour number; what cancels between terms is left out."""
        found: dict[int, dict[tuple, Contribution]] = {}
        settings = self.card.evolution
        for term, factor in active(self.card, q2):
            merged = found.setdefault(term.flavours, {})
            # Heavier quarks have no PDF, but for the one that is there at Q0 and does not evolve.
            heaviest = max(term.flavours, min(term.flavours + 1, settings.flavours(settings.q0)))
            for kernel in self._kernels(probe, name, q2, term):
                partons = {pid: weight for pid, weight in kernel.partons.items() if pid == 21 or abs(pid) <= heaviest}
                if not partons:
                    continue
                weights = np.array([partons.get(pid, 0.0) for pid in PARTON_PIDS])
                # Of mixed schemes (FONLL-B), only the production of heavy quarks goes to the higher order.
                for order in range((term.logarithms if _couples_to_light_quarks(kernel) else term.order) + 1):
                    if not kernel.has_order(order):
                        continue
                    for identity, static, power, function in self._library.parts(kernel.coeff, order):
                        entry = merged.setdefault((order, identity), Contribution(function, static))
                        entry.weights += factor * power * weights
        return {
            n: {key: entry for key, entry in merged.items() if np.max(np.abs(entry.weights)) > 1e-14}
            for n, merged in found.items()
        }

    def _kernels(self, probe: Probe, name: str, q2: float, term: Term) -> list[Kernel]:
        configuration = self._configuration(probe, term)
        # Below any threshold in x, and off the grid: which functions there are does not depend on x.
        point = EvaluatedStructureFunction({"x": 1e-12, "Q2": q2}, ObservableName(name), configuration)
        kernels = Combiner(point).collect_elems()
        for kernel in kernels:
            if isinstance(kernel.coeff, PartonicChannelAsy) and _couples_to_light_quarks(kernel):
                # The massless limit of heavy quarks in a loop: yadism leaves out the heaviest of the light quarks.
                parity_violating = point.info.obs_name.is_parity_violating
                kernel.partons = nc_weights(configuration.coupling_constants, q2, term.flavours, parity_violating)["ns"]
        return kernels

    def _build_configuration(self, probe: Probe, term: Term) -> RunnerConfigs:
        card = self.card.parameters
        theory = {
            **{key: card[key] for key in ("mc", "mb", "mt", "GF", "MW", "MZ", "MP", "SIN2TW", "CKM", "Q0")},
            "PTO": term.logarithms, "PTODIS": term.order, "FNS": term.scheme, "FONLLParts": term.parts,
            "NfFF": term.flavours, "nf0": 4, "TMC": 0, "n3lo_cf_variation": 0,
            "RenScaleVar": False, "FactScaleVar": False,
            **{f"k{q}Thr": 0.0 if i + 4 <= term.flavours else np.inf for i, q in enumerate("cbt")},
        }  # fmt: skip
        observable = {
            "prDIS": probe.current, "ProjectileDIS": probe.projectile, "TargetDIS": "proton", "PolarizationDIS": 0.0,
            "PropagatorCorrection": 0.0, "NCPositivityCharge": probe.charge, "observables": {},
            "interpolation_xgrid": [1e-13, 1.0], "interpolation_is_log": True, "interpolation_polynomial_degree": 1,
        }  # fmt: skip
        return Runner(theory, observable).configs


def _couples_to_light_quarks(kernel: Kernel) -> bool:
    """Return whether the boson couples to a light quark: massless functions, and heavy quarks in a gluon's loop."""
    kind = type(kernel.coeff)
    return ".light." in kind.__module__ or (kind.__module__.endswith("_nc") and kind.__name__.endswith("NonSinglet"))
