"""Coefficient functions of ``yadism`` as smooth functions of z, sampled once and interpolated.

``yadism`` evaluates a coefficient function point by point. Massless ones depend on z alone, massless limits on z and
polynomially on L = ln(Q2/m2), massive ones on z and Q2/m2. Each is sampled in a variable in which it is smooth: ln(z/(1-z)),
or the logarithm of the distance to threshold, eta = Q2/(4 m2) (1/z - 1) - 1. Quintic splines then agree with it to 1e-7,
and to 1e-4 of the two-loop massive ones, 5e-6 of F2, which ``LeProHQ`` patches together from limits and tables.
"""

import copy
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline
from yadism.coefficient_functions.asy.partonic_channel import PartonicChannelAsy
from yadism.coefficient_functions.heavy.partonic_channel import NeutralCurrentBase
from yadism.coefficient_functions.intrinsic import partonic_channel as intrinsic
from yadism.coefficient_functions.partonic_channel import PartonicChannel

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


@dataclass(frozen=True)
class Channel:
    """A coefficient function as ``yadism`` gives it, at one order.

    Attributes
    ----------
    coefficient : PartonicChannel
    order : int
        Power of alpha_s.
    """

    coefficient: PartonicChannel
    order: int

    @property
    def name(self) -> Hashable:
        """What the function is, whatever the scale: class, power of alpha_s and number of flavours."""
        kind = type(self.coefficient)
        return (kind.__module__, kind.__name__, self.order, self.coefficient.nf)

    @property
    def is_limit(self) -> bool:
        """True for a polynomial in L, the massless limit of a massive function."""
        return isinstance(self.coefficient, PartonicChannelAsy)

    @property
    def is_massless(self) -> bool:
        """True for a function of z alone."""
        return ".light." in type(self.coefficient).__module__

    def parts(self) -> list[tuple[Hashable, float, Function]]:
        """Return the functions whose sum, with the factors between, this is; an identity stands before each.

        Functions of one identity are the same whatever the scale.
        """
        if self.is_limit:
            powers = _limit(self.name, _Frozen(self.coefficient), self.order)
            return [((*self.name, n), self.coefficient.L**n, part) for n, part in powers.items()]
        if self.is_massless:
            part = _massless(self.name, _Frozen(self.coefficient), self.order)
            return [] if part is None else [(self.name, 1.0, part)]
        part = _massive(self.coefficient, self.order)
        return [] if part is None else [((*self.name, _scale(self.coefficient)), 1.0, part)]


@dataclass(frozen=True)
class _Frozen:
    """Carries a coefficient function past a cache that must not look at it."""

    coefficient: PartonicChannel

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen)


@cache
def _massless(name: Hashable, frozen: _Frozen, order: int) -> Function | None:
    return _sample(getattr(frozen.coefficient, _ORDERS[order])())


@cache
def _limit(name: Hashable, frozen: _Frozen, order: int) -> dict[int, Function]:
    """Return the coefficient of each power of L; no power is above that of alpha_s."""
    samples = []
    for logarithm in range(order + 1):
        at_logarithm = copy.copy(frozen.coefficient)
        at_logarithm.L = float(logarithm)
        samples.append(_values(getattr(at_logarithm, _ORDERS[order])()))
    solve = np.linalg.inv(np.vander(np.arange(order + 1.0), increasing=True))
    powers = {}
    for n, weights in enumerate(solve):
        parts = [_combine(weights, [sample[i] for sample in samples]) for i in range(2)]
        locals_ = [sample[2] for sample in samples]
        if any(part is not None and np.max(np.abs(part)) > 1e-12 for part in parts) or any(locals_):
            powers[n] = Function(*(None if part is None else _spline(_LOGIT, part) for part in parts), _local(weights, locals_))
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


def _sample(rsl, stretch: float = 1.0, vectorised: bool = False) -> Function | None:
    if rsl is None:
        return None
    regular, singular, local = _values(rsl, vectorised)
    splines = (None if part is None else _spline(_LOGIT, part) for part in (regular, singular))
    return Function(*splines, local, stretch)


def _values(rsl, vectorised: bool = False) -> tuple[np.ndarray | None, np.ndarray | None, Callable | None]:
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


def _combine(weights: np.ndarray, parts: list[np.ndarray | None]) -> np.ndarray | None:
    present = [weight * part for weight, part in zip(weights, parts) if part is not None]
    return sum(present) if present else None


def _local(weights: np.ndarray, parts: list[Callable | None]) -> Callable[[float], float] | None:
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
