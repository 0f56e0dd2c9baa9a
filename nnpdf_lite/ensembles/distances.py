"""How far two PDF sets are from each other, in units of what their finite numbers of replicas leave uncertain.

Source: arXiv:1002.4407, appendix A (NNPDF). For central values and for variances::

    d[q]^2       = (<q>_1 - <q>_2)^2 / (s_1^2 / N_1 + s_2^2 / N_2)
    d[s^2]^2     = (s_1^2 - s_2^2)^2 / (v_1 + v_2),   v = (m4 - (N - 3) / (N - 1) s^4) / N

with variance s^2 and fourth central moment m4 of the N replicas. Two samples of one distribution have distances around
1; at 100 replicas each, d = 7 is a shift of central values by one sigma.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import InputError
from .sources import PDFSet
from .uncertainty import Members


def distances(first: Members, second: Members) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of central values and of standard deviations of one quantity in two Monte Carlo sets.

    Raises
    ------
    InputError
        If one of them is not made of replicas: distances are defined by the size of the samples (use `pulls`).
    """
    for members in (first, second):
        if members.errors.kind != "replicas":
            raise InputError(f"distances need two sets of replicas; one of these has {members.errors}")
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.sqrt(np.square(first.central - second.central) / sum(_variance_of_mean(m) for m in (first, second)))
        spread = sum(_variance_of_variance(m) for m in (first, second))
        sigmas = np.sqrt(np.square(first.sigma**2 - second.sigma**2) / spread)
    return means, sigmas


def pulls(first: Members, second: Members) -> np.ndarray:
    """Return ``|c_1 - c_2| / sqrt(s_1^2 + s_2^2)``; a set of one member adds no uncertainty, two give NaN."""
    variance = np.nan_to_num(first.sigma) ** 2 + np.nan_to_num(second.sigma) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        pull = np.abs(first.central - second.central) / np.sqrt(variance)
    return np.where(variance > 0, pull, np.nan)


def distance_table(first: PDFSet, second: PDFSet, flavours: Sequence[str], x: np.ndarray, q: float) -> pd.DataFrame:
    """Tabulate how far two sets are apart at points x (X,) and scale ``q`` (GeV).

    Returns
    -------
    pandas.DataFrame
        A row per flavour and x: ``flavour``, ``x``, ``q``, ``distance`` (of central values), ``sigma_distance``, both
        NaN unless both sets are made of replicas, and ``pull``.
    """
    x = np.atleast_1d(np.asarray(x, dtype=float))
    one, other = first.xf(list(flavours), x, q), second.xf(list(flavours), x, q)
    if {one.errors.kind, other.errors.kind} == {"replicas"}:
        means, sigmas = distances(one, other)
    else:
        means = sigmas = np.full(one.central.shape, np.nan)
    columns = {"distance": means, "sigma_distance": sigmas, "pull": pulls(one, other)}
    table = pd.DataFrame({"flavour": np.repeat(list(flavours), len(x)), "x": np.tile(x, len(flavours)), "q": float(q)})
    return table.assign(**{name: column.ravel() for name, column in columns.items()})


def _variance_of_mean(members: Members) -> np.ndarray:
    return members.sigma**2 / members.errors.n


def _variance_of_variance(members: Members) -> np.ndarray:
    n = members.errors.n
    fourth = np.mean((members.replicas - members.central) ** 4, axis=0)
    return (fourth - (n - 3) / (n - 1) * members.sigma**4) / n
