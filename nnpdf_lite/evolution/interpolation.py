"""Interpolation in x of PDFs given on an export grid."""

import numpy as np
from scipy.interpolate import make_interp_spline


def interpolation_matrix(x: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the (W, X) matrix that takes ``x f`` from grid ``x`` to ``wanted``: quintic spline in ln x + 30 x.

    In that variable the field's grids are evenly spaced; the error on fitted PDFs is below 1e-5 for x < 0.9.
    """
    variable, target = (np.log(points) + 30.0 * points for points in (x, wanted))
    return make_interp_spline(variable, np.eye(len(x)), k=min(5, len(x) - 1))(target)
