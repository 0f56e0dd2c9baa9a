"""Ensembles: replicas of the PDFs at Q0 with the record of how each was trained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.special import lambertw

from ..evolution import interpolation_matrix
from ..flavours import EVOLUTION_FLAVOURS

#: Flavours whose arc length and small-x behaviour the field watches (n3fit's order).
ARC_LENGTH_FLAVOURS = ("Sigma", "g", "V", "V3", "V8")
INTEGRABILITY_FLAVOURS = ("V", "T3", "V3", "T8", "V8")


@lru_cache(maxsize=1)
def export_xgrid() -> np.ndarray:
    """Return the 196 momentum fractions from 1e-9 to 1 on which the field exports fits: even in ln x + 30 x."""
    y = np.linspace(np.log(1e9) + 30 * (1 - 1e-9), 0, 196)
    x = np.real(lambertw(30 * np.exp(30 - y))) / 30
    x[[0, -1]] = 1e-9, 1.0
    return x


@dataclass(frozen=True)
class ReplicaRecord:
    """How one replica was trained; chi2 per point.

    ``chi2`` is that to the central data; ``history`` (B, 3) holds epoch, training and validation chi2. ``timing`` is in
    seconds since the start of the run that trained it; ``versions`` are those of the packages that matter.
    """

    replica: int
    best_epoch: int
    stop_epoch: int
    training: float
    validation: float
    chi2: float
    passed_positivity: bool
    arc_lengths: tuple[float, ...]
    integrability: tuple[float, ...]
    preprocessing: tuple[dict, ...] = ()
    attempts: int = 1
    history: np.ndarray = field(default_factory=lambda: np.empty((0, 3)), repr=False, compare=False)
    timing: dict = field(default_factory=dict, repr=False, compare=False)
    versions: dict = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Ensemble:
    """Replicas of ``f(x, Q0)``.

    Attributes
    ----------
    x : (X,) array
        Ascending, from 1e-9 to 1.
    f : (R, X, 14) array
        ``f = xf/x`` in the evolution basis (``nnpdf_lite.flavours``).
    q0 : float
        Scale in GeV.
    records : tuple of ReplicaRecord
    """

    x: np.ndarray
    f: np.ndarray
    q0: float
    records: tuple[ReplicaRecord, ...]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the replicas, (1, X, 14)."""
        return self.f.mean(axis=0, keepdims=True)

    def select(self, positions: Sequence[int] | np.ndarray) -> "Ensemble":
        """Return the ensemble of the replicas at these positions."""
        return Ensemble(self.x, self.f[list(positions)], self.q0, tuple(self.records[i] for i in positions))

    def at(self, x: np.ndarray, f: np.ndarray | None = None) -> np.ndarray:
        """Interpolate the replicas (or ``f`` on the same grid) to ``x`` (W,); returns f (R, W, 14)."""
        values = self.f if f is None else f
        xf = np.einsum("wx,rxe->rwe", interpolation_matrix(self.x, x), values * self.x[:, None])
        return xf / x[:, None]


@lru_cache(maxsize=1)
def arc_length_xgrid() -> np.ndarray:
    """Return the points, from 1e-6 to 1, between which a curve's length is added up."""
    return np.concatenate([np.geomspace(1e-6, 0.1, 1000, endpoint=False), np.linspace(0.1, 1, 1000)])


def curve_lengths(xf: np.ndarray) -> np.ndarray:
    """Return the lengths (R, F) of curves ``x f(x)`` against x, given on `arc_length_xgrid`; xf (R, X, F)."""
    return np.hypot(np.diff(xf, axis=1), np.diff(arc_length_xgrid())[:, None]).sum(axis=1)


def arc_lengths(x: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Return the length of the curve ``x f(x)`` against x from 1e-6 to 1 for ``ARC_LENGTH_FLAVOURS``; f (R, X, 14)."""
    columns = [EVOLUTION_FLAVOURS.index(name) for name in ARC_LENGTH_FLAVOURS]
    matrix = interpolation_matrix(x, arc_length_xgrid())
    return curve_lengths(np.einsum("wx,rxe->rwe", matrix, (f * x[:, None])[:, :, columns]))


def integrability_numbers(x: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Return ``sum |x f|`` at x = 1e-9, 1e-8, 1e-7 for ``INTEGRABILITY_FLAVOURS``; f (R, X, 14)."""
    columns = [EVOLUTION_FLAVOURS.index(name) for name in INTEGRABILITY_FLAVOURS]
    matrix = interpolation_matrix(x, np.array([1e-9, 1e-8, 1e-7]))
    return np.abs(np.einsum("wx,rxe->rwe", matrix, (f * x[:, None])[:, :, columns])).sum(axis=1)
