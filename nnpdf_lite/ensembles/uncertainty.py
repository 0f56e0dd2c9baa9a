"""What the members of a PDF set mean: central value, standard deviation, interval and correlation of any quantity.

The prescriptions are LHAPDF's (arXiv:1412.7420) for Monte Carlo sets (``replicas``),
Hessian sets of pairs of members (``hessian``) and of one member per eigenvector (``symmhessian``). Hessian sets given at
another confidence level than one sigma (``ErrorConfLevel``, such as CT18's 90) are rescaled as LHAPDF does.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from ..errors import InputError, nearest

#: Probability within one standard deviation.
ONE_SIGMA = 0.6826894921370859
KINDS = ("replicas", "hessian", "symmhessian", "none")


def number_in(info: Mapping, key: str, name: str, default: float) -> float:
    """Return a number of a set's ``.info``; InputError where something else stands there."""
    value = info.get(key, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"PDF set {name}: {key} is {value!r} in its info file, expected a number") from None


@dataclass(frozen=True)
class ErrorModel:
    """How the members of a set express its uncertainty.

    Attributes
    ----------
    kind : str
        ``replicas``, ``hessian``, ``symmhessian``, or ``none`` for a set of one member.
    n : int
        Error members, those that follow member 0; parameter variations (``ErrorType: hessian+as``) are not among them.
    scale : float
        Factor from the set's deviations to one sigma.
    """

    kind: str
    n: int
    scale: float = 1.0

    @classmethod
    def from_info(cls, name: str, info: Mapping, n_members: int) -> "ErrorModel":
        """Read the model from a set's ``.info`` and the number of its members, the central one included.

        Raises
        ------
        InputError
            For an unknown ``ErrorType``, or a Hessian set some of whose members are missing.
        """
        kind, *variations = str(info.get("ErrorType", "unknown")).lower().split("+")
        n = n_members - 1 - 2 * len(variations)
        if n < 1 or (kind == "replicas" and n < 2):
            return cls("none", 0)
        if kind not in KINDS[:3]:
            raise InputError(
                f"PDF set {name}: ErrorType is '{kind}' where {', '.join(KINDS[:3])} is expected, so its {n_members} "
                f"members have no known meaning.{nearest(kind, KINDS[:3])}"
            )
        expected = number_in(info, "NumMembers", name, n_members)
        if kind != "replicas" and (expected != n_members or (kind == "hessian" and n % 2)):
            raise InputError(
                f"PDF set {name}: {n_members} members there, {expected:g} expected by its info file; a Hessian set has no "
                "uncertainty without all of them"
            )
        level = number_in(info, "ErrorConfLevel", name, 100 * ONE_SIGMA) / 100
        if not 0 < level < 1:
            raise InputError(
                f"PDF set {name}: ErrorConfLevel = {info['ErrorConfLevel']}; expected a percentage below 100"
            )
        return cls(kind, n, 1.0 if kind == "replicas" else float(1 / norm.ppf((1 + level) / 2)))

    @property
    def has_uncertainty(self) -> bool:
        """False for a set of one member."""
        return self.kind != "none"

    def __str__(self) -> str:
        pairs = self.n // 2 if self.kind == "hessian" else self.n
        return {
            "replicas": f"{self.n} replicas",
            "hessian": f"{pairs} pairs of eigenvectors",
            "symmhessian": f"{pairs} eigenvectors",
            "none": "one member, no uncertainty",
        }[self.kind]


@dataclass(frozen=True, eq=False)
class Members:
    """One quantity, or an array of them, for every member of a set.

    Attributes
    ----------
    values : (M, ...) array
        Member 0 first, then the error members.
    errors : ErrorModel
    """

    values: np.ndarray
    errors: ErrorModel

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Members":
        """Return another quantity, ``function`` of this one member by member, such as a ratio to a reference."""
        return replace(self, values=np.asarray(function(self.values)))

    @property
    def replicas(self) -> np.ndarray:
        """Error members, (R, ...); member 0 itself, (1, ...), where it is the only one."""
        return self.values[1:] if self.errors.has_uncertainty else self.values[:1]

    @property
    def central(self) -> np.ndarray:
        """Best value: the mean of the replicas (which differs from member 0 for what is not linear), else member 0."""
        return self.replicas.mean(axis=0) if self.errors.kind == "replicas" else self.values[0]

    @property
    def deviations(self) -> np.ndarray:
        """(D, ...) deviations whose squares add up to the variance; none for a set of one member."""
        kind, scale = self.errors.kind, self.errors.scale
        if kind == "replicas":
            return (self.replicas - self.central) / np.sqrt(self.errors.n - 1)
        if kind == "hessian":
            return 0.5 * scale * (self.values[1::2] - self.values[2::2])
        return scale * (self.values[1:] - self.values[0])

    @property
    def sigma(self) -> np.ndarray:
        """Standard deviation; NaN for a set of one member."""
        if not self.errors.has_uncertainty:
            return np.full(self.values.shape[1:], np.nan)
        return np.sqrt(np.square(self.deviations).sum(axis=0))

    def interval(self, level: float = ONE_SIGMA) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper end of the central interval of a confidence level.

        Quantiles of the replicas; for Hessian sets, deviations up and down added separately and scaled from one sigma;
        NaN for a set of one member.
        """
        if self.errors.kind == "replicas":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # all NaN, as is the answer
                low, high = np.nanquantile(self.replicas, [(1 - level) / 2, (1 + level) / 2], axis=0)
            return low, high
        down, up = self._asymmetric() if self.errors.kind == "hessian" else (self.sigma, self.sigma)
        factor = norm.ppf((1 + level) / 2)
        return self.central - factor * down, self.central + factor * up

    def _asymmetric(self) -> tuple[np.ndarray, np.ndarray]:
        """One sigma down and up: of each pair, the larger deviation to that side (arXiv:hep-ph/0110378)."""
        pairs = np.array([self.values[1::2], self.values[2::2]]) - self.values[0]
        sides = (np.maximum(0, sign * pairs).max(axis=0) for sign in (-1, 1))
        down, up = (self.errors.scale * np.sqrt(np.square(side).sum(axis=0)) for side in sides)
        return down, up

    def covariance(self, other: "Members | None" = None) -> np.ndarray:
        """Return the covariance (A, B) of this quantity (A,) with another (B,) of the same members, or with itself.

        Raises
        ------
        InputError
            If the members are not those of one set.
        """
        other = other or self
        if other.errors != self.errors:
            raise InputError(f"no correlation between members of two sets ({self.errors}; {other.errors})")
        return np.tensordot(self.deviations, other.deviations, axes=([0], [0]))

    def correlation(self, other: "Members | None" = None) -> np.ndarray:
        """Return the correlation coefficients (A, B) with another quantity, or with itself; NaN without spread."""
        other = other or self
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance(other) / np.multiply.outer(self.sigma, other.sigma)
