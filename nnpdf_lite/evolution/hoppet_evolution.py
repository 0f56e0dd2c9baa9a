"""DGLAP evolution of PDFs and of alpha_s with HOPPET.

The equations are solved exactly (no expansion of the solution in alpha_s), at the order, masses and coupling of a
theory card, with the flavour number changing at each threshold. HOPPET's state is global to the process: only this
module touches it, and it reconfigures HOPPET when an :class:`Evolution` other than the last one is used.

References: G.P. Salam and J. Rojo, arXiv:0804.3755; A. Karlberg et al., arXiv:2510.09310.
"""

import ctypes
from collections.abc import Callable, Mapping, Sequence

import hoppet
import numpy as np

from ..errors import InputError, quiet_libraries
from ..flavours import EVOLUTION_TO_FLAVOUR, FLAVOUR_PIDS
from .interpolation import interpolation_matrix
from .settings import Q_MAX, EvolutionSettings

PARTON_PIDS = FLAVOUR_PIDS[:13]
"""Flavours of evolved distributions, in HOPPET's order: tbar ... dbar, gluon, d ... t."""

X_MIN = 1e-9

# Spacing of HOPPET's grids in ln(1/x) and ln(ln Q). Against half of both, the largest error for 1e-9 < x < 0.9 and
# 1.65 < Q < 1e5 GeV is 3e-5 (x > 0.7), 1e-5 (x > 0.1) and 2e-6 below; twice the spacing in x gives 1e-3.
_DY = 0.1
_DLNLNQ = 0.0125
# Side of a threshold: HOPPET takes the flavour number from the scale itself.
_NUDGE = 1e-9
_Q_KNOTS = 48
_HEAVY_TOLERANCE = 1e-5


class Evolution:
    """Evolves PDFs from the scale Q0 of a theory card.

    Parameters
    ----------
    theory_card : Mapping or EvolutionSettings
        Keys PTO, Q0, alphas, Qref, HQ, mc, mb, mt, MaxNfPdf (and MaxNfAs, QED, FNS, NfFF, k?Thr where present).
    refinement : float
        Divides the spacing of HOPPET's grids; 2 makes the evolution ten times slower and measures its accuracy.
    """

    _active: "tuple[EvolutionSettings, float] | None" = None
    _nodes: np.ndarray

    def __init__(self, theory_card: Mapping | EvolutionSettings, *, refinement: float = 1.0) -> None:
        if not isinstance(theory_card, EvolutionSettings):
            theory_card = EvolutionSettings.from_theory_card(theory_card)
        self.settings = theory_card
        self._refinement = refinement
        self._interpolation: tuple[bytes, np.ndarray] = (b"", np.empty((0, 0)))

    def alphas(self, q: np.ndarray | float) -> np.ndarray:
        """Return alpha_s at scales ``q`` in GeV."""
        self._activate()
        scales = np.asarray(q, dtype=float)
        return np.array([hoppet.AlphaS(scale) for scale in scales.ravel().tolist()]).reshape(scales.shape)

    def subgrids(self) -> list[np.ndarray]:
        """Return the Q knots in GeV of an LHAPDF grid from Q0 to 1e5 GeV, one array per flavour number.

        A threshold ends one array and begins the next. The knots are evenly spaced in ln ln(Q2 / (0.25 GeV)2), where
        PDFs run most evenly, but five times denser at the ends of an array: LHAPDF's interpolation has only one-sided
        derivatives there, which cost 1e-3 with even spacing and 5e-5 with this one (x > 1e-3).
        """
        edges = [self.settings.q0, *(q for q in self.settings.thresholds if self.settings.q0 < q < Q_MAX), Q_MAX]
        t = np.log(np.log(np.square(edges) / 0.25**2))
        knots = []
        for lower, upper, first, last in zip(t[:-1], t[1:], edges[:-1], edges[1:]):
            s = np.linspace(0, 1, 4 + round(_Q_KNOTS * (upper - lower) / (t[-1] - t[0])))
            q = 0.25 * np.exp(0.5 * np.exp(lower + (upper - lower) * (s - 0.8 * np.sin(2 * np.pi * s) / (2 * np.pi))))
            q[0], q[-1] = first, last
            knots.append(q)
        return knots

    def inside(self, q: np.ndarray) -> np.ndarray:
        """Return the scales of one of :meth:`subgrids` with its ends moved off thresholds, into its flavour number."""
        moved = np.array(q, dtype=float)
        if moved[0] in self.settings.thresholds:
            moved[0] *= 1 + _NUDGE
        if moved[-1] in self.settings.thresholds:
            moved[-1] *= 1 - _NUDGE
        return moved

    def evolve(self, x: np.ndarray, f: np.ndarray, q: np.ndarray, x_out: np.ndarray | None = None) -> np.ndarray:
        """Evolve PDFs from Q0.

        Parameters
        ----------
        x : (X,) array
            Ascending momentum fractions from 1e-9 (or below) to 1, dense enough for the PDFs to be interpolated.
        f : (X, 14) array
            ``f = xf/x`` at Q0 in the evolution basis.
        q : (Q,) array
            Scales in GeV from Q0 to 1e5.
        x_out : (Y,) array, optional
            Momentum fractions of the result, between 1e-9 and 1; ``x`` when not given.

        Returns
        -------
        (Q, Y, 13) array
            ``x f`` of the partons :data:`PARTON_PIDS`.

        Raises
        ------
        InputError
            When the PDFs are not finite, or hold a photon or a quark that is not active at Q0.
        """
        x, x_out = np.asarray(x, dtype=float), np.asarray(x if x_out is None else x_out, dtype=float)
        scales = np.clip(np.asarray(q, dtype=float), self.settings.q0, Q_MAX)
        if not np.allclose(scales, q, rtol=1e-8, atol=0):
            raise ValueError(f"scales must lie between {self.settings.q0} and {Q_MAX} GeV")
        if x_out.min() < X_MIN * (1 - 1e-6) or x_out.max() > 1:
            raise ValueError(f"momentum fractions must lie between {X_MIN} and 1")
        initial = self._partons(x, np.asarray(f, dtype=float))
        self._activate()
        return self.respond([self._to_nodes(x) @ initial], x_out, scales)[0]

    @property
    def nodes(self) -> np.ndarray:
        """Momentum fractions of HOPPET's grid, in its order, on which :meth:`respond` takes its input; (nodes,)."""
        self._activate()
        return self._nodes

    def respond(self, initial: np.ndarray | Sequence[np.ndarray], x_out: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Evolve several distributions given on :attr:`nodes`, whatever their flavours.

        Parameters
        ----------
        initial : (B, nodes, 13) array
            ``x f`` at Q0 of the partons :data:`PARTON_PIDS`.
        x_out : (Y,) array
            Momentum fractions of the result.
        q : (Q,) array
            Scales in GeV from the settings' ``q_min`` to ``q_max``.

        Returns
        -------
        (B, Q, Y, 13) array
            ``x f``, linear in ``initial``.
        """
        points, scales = np.asarray(x_out).tolist(), np.asarray(q).tolist()
        return self._evaluate(initial, lambda: [hoppet.Eval(x, scale) for scale in scales for x in points]).reshape(
            len(initial), len(scales), len(points), len(PARTON_PIDS)
        )

    def split(
        self, initial: np.ndarray | Sequence[np.ndarray], x_out: np.ndarray, loops: int, flavours: int
    ) -> np.ndarray:
        """Convolve distributions with splitting functions.

        Parameters
        ----------
        initial, x_out
            As in :meth:`respond`.
        loops : int
            Which order of the splitting functions: 1 for the leading one.
        flavours : int
            Number of active flavours.

        Returns
        -------
        (B, Y, 13) array
            ``x (P f)`` with ``P`` the coefficient of ``(alpha_s / 4 pi)^loops`` in ``d f / d ln mu^2``.
        """
        points, q0 = np.asarray(x_out).tolist(), self.settings.q0
        values = self._evaluate(initial, lambda: [hoppet.EvalSplit(x, q0, loops, flavours) for x in points])
        return 2**loops * values.reshape(len(initial), len(points), len(PARTON_PIDS))

    def _evaluate(self, initial: np.ndarray | Sequence[np.ndarray], read: Callable[[], list[np.ndarray]]) -> np.ndarray:
        self._activate()
        values = []
        for distribution in initial:
            rows = iter(distribution.tolist())
            hoppet.CachedEvolve(lambda _x, _q, rows=rows: next(rows))
            values.append(read())
        return np.array(values)

    def _partons(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Return x f of the partons at Q0, (X, 13), with the quarks that are not active exactly zero."""
        if f.shape != (len(x), 14):
            raise ValueError(f"expected PDFs of shape ({len(x)}, 14), got {f.shape}")
        if x[0] > X_MIN * (1 + 1e-6) or x[-1] != 1 or np.any(np.diff(x) <= 0):
            raise ValueError(f"the x grid of the PDFs must ascend from {X_MIN} to 1")
        if not np.all(np.isfinite(f)):
            raise InputError(f"PDF at x = {x[~np.isfinite(f).all(axis=1)][0]:.3g} is not a finite number")
        xf = x[:, None] * (f @ EVOLUTION_TO_FLAVOUR.T)
        flavours = self.settings.flavours(self.settings.q0)
        inactive = [i for i, pid in enumerate(FLAVOUR_PIDS) if flavours < abs(pid) <= 6 or pid == 22]
        if np.max(np.abs(xf[:, inactive])) > _HEAVY_TOLERANCE * np.max(np.abs(xf)):
            pid = FLAVOUR_PIDS[inactive[int(np.argmax(np.max(np.abs(xf[:, inactive]), axis=0)))]]
            scale = f"Q0 = {self.settings.q0} GeV"
            raise InputError(f"PDF of parton {pid} is not zero at {scale}, where {flavours} flavours are active")
        xf[:, inactive] = 0.0
        return xf[:, : len(PARTON_PIDS)]

    def _to_nodes(self, x: np.ndarray) -> np.ndarray:
        """Return the matrix (nodes, X) that interpolates from grid ``x`` to HOPPET's, kept for the last grid."""
        key = x.tobytes()
        if self._interpolation[0] != key:
            self._interpolation = (key, interpolation_matrix(x, self._nodes))
        return self._interpolation[1]

    def _activate(self) -> None:
        """Make HOPPET's global state that of this object."""
        settings = self.settings
        if Evolution._active == (settings, self._refinement):
            return
        Evolution._active = None
        with quiet_libraries():
            if settings.fixed_flavours:
                hoppet.SetFFN(settings.fixed_flavours)
            else:
                set_masses = {"POLE": hoppet.SetPoleMassVFN, "MSBAR": hoppet.SetMSbarMassVFN}[settings.mass_scheme]
                never = [Q_MAX * 10.0**n for n in (1, 2, 3)]
                set_masses(*settings.thresholds, *never[len(settings.thresholds) :])
            hoppet.SetYLnlnQInterpOrders(5, 4)
            hoppet.StartExtended(
                -np.log(X_MIN) + 0.01, _DY / self._refinement, settings.q_min or settings.q0, settings.q_max, _DLNLNQ / self._refinement,
                settings.loops, -6, hoppet.factscheme_MSbar,
            )  # fmt: skip
            hoppet.SetCoupling(settings.alphas, settings.q_ref, settings.loops)
            hoppet.PreEvolve(settings.alphas, settings.q_ref, settings.loops, 1.0, settings.q0)
            _flush_fortran()
        Evolution._nodes = _node_positions()
        Evolution._active = (settings, self._refinement)


def _node_positions() -> np.ndarray:
    """Return the x at which HOPPET asks for the initial PDFs, in the order in which it asks."""
    positions: list[float] = []

    def nothing(x: float, _q: float) -> list[float]:
        positions.append(x)
        return [0.0] * len(PARTON_PIDS)

    hoppet.CachedEvolve(nothing)
    return np.array(positions)


def _flush_fortran() -> None:
    """Have Fortran write HOPPET's banner now, not at the end of the process."""
    flush = getattr(ctypes.CDLL(hoppet._hoppet_swig.__file__), "_gfortran_flush_i4", None)
    if flush is not None:
        flush(None)
