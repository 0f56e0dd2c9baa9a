"""Coefficient functions of ``yadism`` as smooth functions of z, sampled once and interpolated.

``yadism`` evaluates a coefficient function point by point. Massless ones depend on z alone, massless limits on z and
polynomially on L = ln(Q2/m2), massive ones on z and Q2/m2. Each is sampled in a variable in which it is smooth: ln(z/(1-z)),
or the logarithm of the distance to threshold, eta = Q2/(4 m2) (1/z - 1) - 1. Quintic splines then agree with it to 1e-7,
and to 1e-4 of the two-loop massive ones, 5e-6 of F2, which ``LeProHQ`` patches together from limits and tables.
"""

import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline
from yadism.coefficient_functions.asy.partonic_channel import PartonicChannelAsy
from yadism.coefficient_functions.heavy.partonic_channel import NeutralCurrentBase
from yadism.coefficient_functions.intrinsic import partonic_channel as intrinsic
from yadism.coefficient_functions.partonic_channel import RSL, PartonicChannel

from ..evolution.interpolation import ConvolutionRule

_ORDERS = ("LO", "NLO", "NNLO", "N3LO")

# ln(z/(1-z)) from below the x grids to where 1 - z drowns in rounding; ln(eta) from there to eta at the smallest z.
_LOGIT = np.arange(-17.0, 24.05, 0.1)
_LOG_ETA_STEP = 0.2
_LOG_ETA_MIN = np.log(1e-9)
_SMALLEST_Z = 1e-7


@dataclass(frozen=True)
class Function:
    """A distribution in z: regular, singular (as in a plus distribution) and local part.

    Attributes
    ----------
    regular, singular : BSpline or None
        Of ``z`` times and of ``1 - z`` times the part, in :attr:`variable`.
    local : callable or None
        Coefficient of the undisplaced PDF, a function of x.
    stretch : float
        The convolution is taken at ``stretch`` times Bjorken's x, and multiplied by it.
    threshold : float or None
        Q2/m2 of a pair-produced quark, else None.
    """

    regular: BSpline | None = None
    singular: BSpline | None = None
    local: Callable[[float], float] | None = None
    stretch: float = 1.0
    threshold: float | None = None

    @property
    def z_max(self) -> float:
        """Where the function ends."""
        return 1.0 if self.threshold is None else 1.0 / (1.0 + 4.0 / self.threshold)

    def row(self, rule: ConvolutionRule) -> np.ndarray:
        """Return the row (X,) that maps ``x f`` to its convolution with this function."""
        variable = _log_eta(rule.z, self.threshold) if self.threshold else np.log(rule.z / (1 - rule.z))
        if self.regular is not None:
            variable = np.minimum(variable, self.regular.t[-1])
        regular = np.zeros_like(rule.z) if self.regular is None else self.regular(variable) / rule.z
        singular = None if self.singular is None else self.singular(variable) / (1 - rule.z)
        return rule.convolve(regular, singular, 0.0 if self.local is None else self.local(rule.x))


class Library:
    """The functions that make up coefficient functions; those that do not depend on the scale are sampled once."""

    def __init__(self) -> None:
        self._massless: dict[Hashable, Function | None] = {}
        self._limits: dict[Hashable, dict[int, Function]] = {}

    def parts(self, coefficient: PartonicChannel, order: int) -> list[tuple[Hashable, bool, float, Function]]:
        """Return the functions whose sum a coefficient function is.

        Parameters
        ----------
        coefficient : PartonicChannel
            ``yadism``'s object, made for one Q2.
        order : int
            Power of alpha_s.

        Returns
        -------
        list of (identity, is_static, factor, Function)
            Equal identities are equal functions, and static ones are the same at every Q2.
        """
        kind = type(coefficient)
        name = (kind.__module__, kind.__name__, order, coefficient.nf)
        if isinstance(coefficient, PartonicChannelAsy):
            if name not in self._limits:
                self._limits[name] = _limit(coefficient, order)
            return [((*name, n), True, coefficient.L**n, part) for n, part in self._limits[name].items()]
        if ".light." in kind.__module__:
            if name not in self._massless:
                self._massless[name] = _sample(getattr(coefficient, _ORDERS[order])())
            part = self._massless[name]
            return [] if part is None else [(name, True, 1.0, part)]
        part = _massive(coefficient, order)
        return [] if part is None else [((*name, *_scale(coefficient)), False, 1.0, part)]


def _limit(coefficient: PartonicChannelAsy, order: int) -> dict[int, Function]:
    """Return the coefficient of each power of L; no power is above that of alpha_s."""
    samples = []
    for logarithm in range(order + 1):
        at_logarithm = copy.copy(coefficient)
        at_logarithm.L = float(logarithm)
        samples.append(_values(getattr(at_logarithm, _ORDERS[order])()))
    regular, singular, local = zip(*samples)
    powers = {}
    for n, weights in enumerate(np.linalg.inv(np.vander(np.arange(order + 1.0), increasing=True))):
        parts = [_combine(weights, part) for part in (regular, singular)]
        if any(part is not None and np.max(np.abs(part)) > 1e-12 for part in parts) or any(local):
            splines = [None if part is None else _spline(_LOGIT, part) for part in parts]
            powers[n] = Function(splines[0], splines[1], _local(weights, local))
    return powers


def _massive(coefficient: PartonicChannel, order: int) -> Function | None:
    rsl = coefficient[order]()
    if rsl is None or (rsl.reg is None and rsl.sing is None and rsl.loc is None):
        return None
    if not isinstance(coefficient, NeutralCurrentBase):
        stretch = coefficient.convolution_point() / coefficient.ESF.x
        vectorised = isinstance(coefficient, (intrinsic.NeutralCurrentBase, intrinsic.ChargedCurrentBase))
        return _sample(rsl, stretch, vectorised)
    ratio = coefficient.ESF.Q2 / coefficient.m2hq
    top = np.log(max(ratio / 4 / _SMALLEST_Z, 10.0))
    grid = np.linspace(_LOG_ETA_MIN, top, int((top - _LOG_ETA_MIN) / _LOG_ETA_STEP))
    z = ratio / 4 / (np.exp(grid) + 1 + ratio / 4)
    values = np.zeros_like(z) if rsl.reg is None else z * _apply(rsl.reg, rsl.args["reg"], z)
    known = np.isfinite(values)  # LeProHQ fails where eta is very large; the functions have reached their limits there
    return Function(_spline(grid[known], values[known]), None, _bind(rsl.loc, rsl.args["loc"]), threshold=ratio)


def _sample(rsl: RSL | None, stretch: float = 1.0, vectorised: bool = False) -> Function | None:
    if rsl is None:
        return None
    regular, singular, local = _values(rsl, vectorised)
    splines = [None if part is None else _spline(_LOGIT, part) for part in (regular, singular)]
    return Function(splines[0], splines[1], local, stretch)


def _values(rsl: RSL | None, vectorised: bool = False) -> tuple[np.ndarray | None, np.ndarray | None, Callable | None]:
    """Return regular times z and singular times 1 - z on :data:`_LOGIT`, and the local part."""
    if rsl is None:
        return None, None, None
    z, rest = 1 / (1 + np.exp(-_LOGIT)), 1 / (1 + np.exp(_LOGIT))
    regular = None if rsl.reg is None else z * _apply(rsl.reg, rsl.args["reg"], z, vectorised)
    singular = None if rsl.sing is None else rest * _apply(rsl.sing, rsl.args["sing"], z, vectorised)
    return regular, singular, _bind(rsl.loc, rsl.args["loc"])


def _apply(function: Callable, arguments: np.ndarray, z: np.ndarray, vectorised: bool = False) -> np.ndarray:
    if vectorised and not hasattr(function, "py_func"):
        return np.broadcast_to(function(z, arguments), z.shape)
    return np.array([function(point, arguments) for point in z])


def _bind(function: Callable | None, arguments: np.ndarray) -> Callable[[float], float] | None:
    return None if function is None else lambda x: function(x, arguments)


def _combine(weights: np.ndarray, parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    present = [weight * part for weight, part in zip(weights, parts) if part is not None]
    return sum(present) if present else None


def _local(weights: np.ndarray, parts: Sequence[Callable | None]) -> Callable[[float], float] | None:
    present = [(weight, part) for weight, part in zip(weights, parts) if part is not None]
    return (lambda x: sum(weight * part(x) for weight, part in present)) if present else None


def _spline(variable: np.ndarray, values: np.ndarray) -> BSpline:
    return make_interp_spline(variable, values, k=5)


def _log_eta(z: np.ndarray, ratio: float) -> np.ndarray:
    return np.log(np.maximum(ratio / 4 * (1 / z - 1) - 1, np.exp(_LOG_ETA_MIN)))


def _scale(coefficient: PartonicChannel) -> tuple[float, ...]:
    """Return what a massive function depends on beside z."""
    masses = [getattr(coefficient, name, None) for name in ("m2hq", "m1sq", "m2sq", "labda", "y")]
    return (coefficient.ESF.Q2, *(mass for mass in masses if mass is not None))
