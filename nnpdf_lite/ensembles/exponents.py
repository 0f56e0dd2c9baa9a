"""Effective exponents of PDFs at small and large x, and the preprocessing ranges that follow for the next fit.

Definition and iteration as in arXiv:1410.8849::

    alpha(x) = ln f(x) / ln(1/x),   beta(x) = ln f(x) / ln(1 - x)

The ranges follow NNPDF's rule (validphys, ``eff_exponents.next_effective_exponents_table``): mean plus and minus twice
the distance to the ends of the 68% interval, at x = 1e-6 and 1e-3 for alpha (for Sigma and g at 1e-6 alone), at x = 0.65
and 0.95 for beta; of two points, the widest. alpha ends at 2, beta begins at 0, and alpha of what must be integrable
ends at ``ALPHA_LIMITS``.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import InputError
from ..pdf.parametrisation import FIT_BASES
from .sources import PDFSet
from .uncertainty import Members

#: Points at which the ranges are read off.
ALPHA_X, BETA_X = (1e-6, 1e-3), (0.65, 0.95)
#: Largest alpha. NNPDF's limit is 1, where the integral of f diverges; V and V8 stop earlier, since with more evolution
#: carries up to 0.5% of the valence sum below x = 1e-9 (docs/methodology.md).
ALPHA_LIMITS = {"v": 0.65, "v3": 1.0, "v8": 0.60, "v15": 0.65, "t3": 1.0, "t8": 1.0}
_SMALLEST_X_ALONE = ("sng", "g")

#: Names of combinations by the runcard's names of flavours.
RUNCARD_FLAVOURS = {
    "sng": "Sigma", "g": "g", "v": "V", "v3": "V3", "v8": "V8", "v15": "V15", "t3": "T3", "t8": "T8", "t15": "T15",
    "u": "u", "ubar": "ubar", "d": "d", "dbar": "dbar", "s": "s", "sbar": "sbar", "c": "c",
}  # fmt: skip


def alpha_effective(pdf: PDFSet, flavours: str | Sequence[str], x: np.ndarray, q: float | None = None) -> Members:
    """Return ``alpha(x) = ln|f| / ln(1/x)`` of every member; NaN where f is 0. ``q`` (GeV) is the set's Q0 by default."""
    x = np.atleast_1d(np.asarray(x, dtype=float))
    return pdf.xf(flavours, x, q or pdf.q0).map(lambda xf: _logarithm(xf / x) / np.log(1 / x))


def beta_effective(pdf: PDFSet, flavours: str | Sequence[str], x: np.ndarray, q: float | None = None) -> Members:
    """Return ``beta(x) = ln|f| / ln(1 - x)`` of every member; NaN where f is 0. ``q`` (GeV) is the set's Q0 by default."""
    x = np.atleast_1d(np.asarray(x, dtype=float))
    return pdf.xf(flavours, x, q or pdf.q0).map(lambda xf: _logarithm(xf / x) / np.log(1 - x))


def preprocessing_table(pdf: PDFSet, *, limits: bool = True) -> pd.DataFrame:
    """Tabulate preprocessing ranges: those of a fit's runcard, and those for the next iteration.

    Parameters
    ----------
    pdf : PDFSet
        Of a fit, in whose basis and flavours the table is.
    limits : bool
        Keep alpha below ``ALPHA_LIMITS``.

    Returns
    -------
    pandas.DataFrame
        A row per flavour and exponent: ``fl`` (runcard's name), ``flavour``, ``exponent`` (``alpha`` or ``beta``; the
        latter not with feature scaling), ``low``, ``high`` (the runcard's range), ``next_low``, ``next_high``.

    Raises
    ------
    InputError
        If the set is not that of a fit with replicas.
    """
    if pdf.fit is None:
        raise InputError(f"{pdf.name}: preprocessing ranges are those of a fit; this set belongs to none")
    if not pdf.errors.has_uncertainty:
        raise InputError(
            f"{pdf.name}: preprocessing ranges follow from two or more replicas; this fit has {pdf.errors}"
        )
    card = pdf.fit.runcard
    scaled = card.parameters.feature_scaling_points is not None
    ranges = next_ranges(pdf, [entry.fl for entry in card.fitting.basis], limits=limits)
    rows = []
    for entry in card.fitting.basis:
        for exponent, old in (("alpha", entry.smallx), ("beta", entry.largex)):
            if exponent == "alpha" or not scaled:
                low, high = old or (np.nan, np.nan)
                rows.append((entry.fl, RUNCARD_FLAVOURS[entry.fl], exponent, low, high, *ranges[entry.fl][exponent]))
    return pd.DataFrame(rows, columns=["fl", "flavour", "exponent", "low", "high", "next_low", "next_high"])


def next_ranges(
    pdf: PDFSet, flavours: Sequence[str] = FIT_BASES["EVOL"].flavours, *, limits: bool = True
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return, by the runcard's name of a flavour, the ranges of ``alpha`` and ``beta`` that the set suggests."""
    names = [RUNCARD_FLAVOURS[fl] for fl in flavours]
    ends = {
        "alpha": _ends(alpha_effective(pdf, names, np.array(ALPHA_X))),
        "beta": _ends(beta_effective(pdf, names, np.array(BETA_X))),
    }
    result = {}
    for i, fl in enumerate(flavours):
        points = slice(0, 1) if fl in _SMALLEST_X_ALONE else slice(None)
        low, high = ends["alpha"][0][i, points].min(), ends["alpha"][1][i, points].max()
        most = ALPHA_LIMITS.get(fl, 2.0) if limits else 2.0
        beta = ends["beta"][0][i].min(), ends["beta"][1][i].max()
        result[fl] = {
            "alpha": (min(float(low), most), min(float(high), most)),
            "beta": (max(0.0, float(beta[0])), float(beta[1])),
        }
    return result


def _ends(exponents: Members) -> tuple[np.ndarray, np.ndarray]:
    """Return mean minus and plus twice the distance to the ends of the 68% interval."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN, as is the answer
        mean = np.nanmean(exponents.replicas, axis=0)
    low, high = exponents.interval()
    return mean - 2 * (mean - low), mean + 2 * (high - mean)


def _logarithm(f: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.where(f == 0, np.nan, np.abs(f)))
