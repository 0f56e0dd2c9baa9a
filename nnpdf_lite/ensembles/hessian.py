"""Hessian sets: the eigenvectors of the covariance of an ensemble, in place of its replicas.

Source: arXiv:1505.06736, section 2, with the singular value decomposition of arXiv:1602.00005, section 2.1. With
deviations ``X_lk = (x f_k - x f_0)_l / sigma_l / sqrt(R - 1)`` of replica k at the points l of a grid in flavour and x,
``X = U S V^T``, and member k of the Hessian set is ``f_0 + sum_j (f_j - f_0) V_jk / sqrt(R - 1)``. Here each point is
divided by its sigma, so that the eigenvectors kept describe every band equally well and not only the widest; and the
flavours are the partons as well as the evolution basis, whose differences of large partons would else be lost at small x.
"""

import os
from pathlib import Path

import numpy as np

from ..errors import InputError
from .combinations import EVOLUTION, PARTON_PIDS
from .linear import Part, write_combinations
from .sources import PDFSet, Track, silent
from .uncertainty import ONE_SIGMA

EIGENVECTORS = 50
#: Where the bands are to be kept: momentum fractions, and scales in GeV beside Q0.
SAMPLED_X = np.concatenate([np.geomspace(1e-5, 0.1, 40, endpoint=False), np.linspace(0.1, 0.9, 33)])
SAMPLED_Q = (10.0,)


def write_hessian(
    pdf: PDFSet,
    path: str | os.PathLike,
    eigenvectors: int = EIGENVECTORS,
    *,
    overwrite: bool = False,
    track: Track = silent,
) -> Path:
    """Convert a set of replicas to an LHAPDF set of symmetric eigenvectors.

    Parameters
    ----------
    pdf : PDFSet
        Of replicas.
    path : path
        New folder of the set.
    eigenvectors : int
        At most one less than there are replicas, where nothing is lost.
    overwrite : bool
        Replace an LHAPDF set of this name.
    track : callable
        Shows progress (`sources.Track`).

    Returns
    -------
    Path
        ``path``. ``ErrorType: symmhessian``, one sigma; member 0 is that of the replicas.

    Raises
    ------
    InputError
        If the set is not one of replicas, or more eigenvectors are asked for than it has.
    """
    vectors = eigenvector_combinations(pdf, eigenvectors)
    # Coefficients of f_j - f_0 become those of f_j and f_0; member 0 comes first.
    rows = np.column_stack([1 - vectors.sum(axis=1), vectors])
    matrix = np.vstack([np.eye(1, rows.shape[1]), rows])
    info = {
        "ErrorType": "symmhessian",
        "ErrorConfLevel": round(100 * ONE_SIGMA, 6),
        "SetDesc": f"{eigenvectors} symmetric eigenvectors of {pdf.label} (arXiv:1505.06736)",
    }
    return write_combinations(path, [Part(pdf, matrix)], info, overwrite=overwrite, track=track)


def eigenvector_combinations(pdf: PDFSet, eigenvectors: int = EIGENVECTORS) -> np.ndarray:
    """Return the (E, R) coefficients of the replicas' deviations from member 0 in each eigenvector's, widest first."""
    if pdf.errors.kind != "replicas":
        raise InputError(f"{pdf.name}: a Hessian set is made from replicas; this is a set of {pdf.errors}")
    if not 1 <= eigenvectors < pdf.errors.n:
        raise InputError(f"{eigenvectors} eigenvectors of {pdf.label}: expected 1 to {pdf.errors.n - 1}")
    deviations = np.hstack([sampled_deviations(pdf, SAMPLED_X, q) for q in (pdf.q0, *SAMPLED_Q)])
    right = np.linalg.svd(deviations.T, full_matrices=False)[2]
    return right[:eigenvectors] / np.sqrt(pdf.errors.n - 1)


def sampled_deviations(pdf: PDFSet, x: np.ndarray, q: float) -> np.ndarray:
    """Return deviations from the mean in units of sigma, (R, L), of every flavour at the points x where it varies."""
    partons = [name for name, pid in PARTON_PIDS.items() if pid in pdf.flavours]
    xf = pdf.xf([*partons, *(name for name in EVOLUTION if name != "g")], x, q)
    varies = xf.sigma > 1e-6 * np.abs(xf.central).max(axis=1, keepdims=True)
    if not varies.any():
        raise InputError(f"{pdf.name}: its replicas are all alike, so there is nothing to describe")
    return ((xf.replicas - xf.central) / np.where(varies, xf.sigma, 1.0))[:, varies]
