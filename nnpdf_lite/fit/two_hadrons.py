"""Predictions of two hadrons as small bilinear forms.

A prediction ``f^T F_i f`` needs (K J)^2 numbers per point. The symmetric parts of all points of an FK table share their
range, which is small: ``F_i = U^T M_i U`` with rank r rows U common to the table, and an r x r core per point.
"""

from dataclasses import dataclass

import numpy as np

from ..pdf.lhapdf_set import load_pdf_set
from ..theory import DatasetTheory
from ..theory.predictions import OPERATIONS

#: The PDFs at which the operations between tables are linearised to see how exact each table has to be.
REFERENCE_SET = "NNPDFLITE_dis_nnlo"


@dataclass(frozen=True)
class BilinearForm:
    """Two-hadron predictions of one operand.

    Attributes
    ----------
    rows : slice
        Where the common rows U lie among the operator's linear rows.
    cores : (n, r, r) array
        Symmetric.
    error : float
        Bound on the effect on any prediction, in units of its experimental uncertainty.
    """

    rows: slice
    cores: np.ndarray
    error: float


def factorise(
    forms: np.ndarray, size: np.ndarray, allowed: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Factorise forms (n, W, W) so that none changes by more than ``tolerance * allowed`` (n,) for any ``|f| < size`` (W,).

    Returns
    -------
    rows : (r, W)
    cores : (n, r, r)
    error : float
        Bound on the change in units of ``allowed``.
    """
    symmetric = (forms + forms.transpose(0, 2, 1)) / 2
    n, width = symmetric.shape[:2]
    if tolerance <= 0:
        return np.eye(width), symmetric, 0.0
    scaled = symmetric * size[:, None] * size
    unfolded = (scaled / allowed[:, None, None]).reshape(n * width, width)
    _, _, directions = np.linalg.svd(np.linalg.qr(unfolded, mode="r"))
    # |f^T (F - P F P) f| <= 2 |f|^2 |(1 - P) F|, and |f|^2 < W in units of ``size``
    squares = ((unfolded @ directions.T) ** 2).reshape(n, width, -1).sum(axis=1)
    dropped = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]  # if rank were 0, 1, ...
    errors = np.append(2 * width * np.sqrt(dropped.max(axis=0)), 0.0)
    rank = int(np.argmax(errors <= tolerance))
    kept = directions[:rank]
    return kept / size, kept @ scaled @ kept.T, float(errors[rank])


def allowed_changes(theory: DatasetTheory, q0: float, sigma: np.ndarray | None) -> list[np.ndarray]:
    """Return by how much each operand (n,) may change so that the prediction changes by less than ``sigma`` (n,).

    Without ``sigma`` (constraints), by less than the prediction itself.
    """
    pdf = load_pdf_set(REFERENCE_SET)
    scale = max(q0, pdf.q_min)
    values = np.array([operand(pdf.evolution_basis(operand.x, scale, 0)[None])[0] for operand in theory.operands])
    function = OPERATIONS[theory.operation][1]
    sigma = np.abs(function(*values)) if sigma is None else sigma
    allowed = []
    for i, value in enumerate(values):
        step = np.zeros_like(values)
        step[i] = 1e-4 * np.abs(value)
        slope = np.abs(function(*(values + step)) - function(*(values - step))) / np.maximum(2 * step[i], 1e-300)
        allowed.append(sigma / np.maximum(slope, 1e-300) / len(values))
    return allowed
