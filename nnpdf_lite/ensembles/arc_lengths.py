"""Arc lengths of the PDFs of any set at any scale; the definition is that of the fit's own (`results.ensemble`)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..results.ensemble import ARC_LENGTH_FLAVOURS, arc_length_xgrid, curve_lengths
from .sources import PDFSet
from .uncertainty import Members


def arc_lengths(pdf: PDFSet, q: float, flavours: Sequence[str] = ARC_LENGTH_FLAVOURS) -> Members:
    """Return the length of the curve ``x f(x, Q)`` against x from 1e-6 to 1 of every member, (M, F).

    Source: arXiv:1410.8849. The central value is the mean of the replicas' lengths, not
    the length of their mean, which is smoother.
    """
    xf = pdf.xf(flavours, arc_length_xgrid(), q)
    return xf.map(lambda values: curve_lengths(np.moveaxis(values, 1, 2)))


def arc_length_table(pdf: PDFSet, q: float, flavours: Sequence[str] = ARC_LENGTH_FLAVOURS) -> pd.DataFrame:
    """Tabulate arc lengths: ``flavour``, ``central``, ``sigma``, ``low68``, ``high68``."""
    lengths = arc_lengths(pdf, q, flavours)
    low, high = lengths.interval()
    columns = {"central": lengths.central, "sigma": lengths.sigma, "low68": low, "high68": high}
    return pd.DataFrame({"flavour": list(flavours), **columns})
