"""Two sets side by side: what can be compared, chi2 on the same data, PDFs in numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import InputError
from ..results.chi2 import chi2_table
from ..results.fit_folder import first_difference
from .combinations import PARTONS
from .distances import distance_table
from .sources import PDFSet

#: Momentum fractions of tables in a terminal.
SHOWN_X = (1e-4, 1e-3, 1e-2, 0.1, 0.3, 0.6)
#: What two runcards must share for their chi2 to be of the same data and theory; t0 is taken from the first.
_DATA_AND_THEORY = {
    "dataset_inputs": True,
    "datacuts": dict.fromkeys(("q2min", "w2min", "maxTau", "use_cuts"), True),
    "added_filter_rules": True,
    "theory": True,
}


def check_comparable(first: PDFSet, second: PDFSet) -> None:
    """Refuse to compare sets that begin at another scale or hold other flavours.

    Raises
    ------
    InputError
        With all the reasons.
    """
    reasons = []
    if not np.isclose(first.q0, second.q0, rtol=1e-3):
        reasons.append(f"they begin at other scales, Q0 = {first.q0:g} and {second.q0:g} GeV")
    if first.flavours != second.flavours:
        for one, other in ((first, second), (second, first)):
            extra = [str(pid) for pid in one.flavours if pid not in other.flavours]
            if extra:
                reasons.append(f"only {one.name} holds the partons {', '.join(extra)} (PDG numbers)")
    if reasons:
        raise InputError(f"{first.name} and {second.name} cannot be compared: {'; '.join(reasons)}")


def chi2_comparison(first: PDFSet, second: PDFSet) -> tuple[pd.DataFrame | None, str]:
    """Put chi2 of two sets side by side: of two fits to the same data, or of a fit and any other set on the fit's data.

    Returns
    -------
    pandas.DataFrame or None
        ``level``, ``name``, ``ndata``, then ``t0``, ``t0_against`` and ``experimental``, ``experimental_against``, all
        per point, of the central members; t0 of the first fit throughout. None where there is nothing to compare.
    str
        What was done, or why nothing was.
    """
    fits = [pdf.fit for pdf in (first, second) if pdf.fit is not None]
    if not fits:
        return None, "no chi2: neither set belongs to a fit, so there are no data to compare with"
    card = fits[0].runcard
    if len(fits) == 2:
        difference = first_difference(card, fits[1].runcard, only=_DATA_AND_THEORY)
        if difference:
            return None, f"no chi2: the fits are to other data or with other theory ({difference})"
    problem = fits[0].problem
    order = [entry.dataset for entry in card.dataset_inputs]
    q0 = problem.card.q0
    for pdf in (first, second):
        if pdf.q0 > q0 * (1 + 1e-6):
            return None, f"no chi2: {pdf.name} begins at {pdf.q0:g} GeV, above Q0 = {q0:g} GeV of the FK tables"
    tables = [chi2_table(problem, pdf.predictions(problem).values[0], order) for pdf in (first, second)]
    table = tables[0][["level", "name", "ndata"]].assign(
        t0=tables[0].chi2_t0, t0_against=tables[1].chi2_t0,
        experimental=tables[0].chi2_exp, experimental_against=tables[1].chi2_exp,
    )  # fmt: skip
    return table, f"chi2 per point of the central members on the data of {fits[0].folder.name}"


def pdf_comparison(
    first: PDFSet, second: PDFSet, q: float, x: Sequence[float] = SHOWN_X, flavours: Sequence[str] = PARTONS
) -> pd.DataFrame:
    """Put two sets side by side at scale ``q`` (GeV).

    Returns
    -------
    pandas.DataFrame
        ``flavour``, ``x``, ``central``, ``sigma``, ``central_against``, ``sigma_against``, ``distance``,
        ``sigma_distance``, ``pull`` (`distances.distance_table`).

    Raises
    ------
    InputError
        If the sets cannot be compared, or do not cover the scale.
    """
    check_comparable(first, second)
    points = np.asarray(x, dtype=float)
    one, other = first.table(flavours, points, q), second.table(flavours, points, q)
    apart = distance_table(first, second, flavours, points, q)
    return one[["flavour", "x", "central", "sigma"]].assign(
        central_against=other.central, sigma_against=other.sigma,
        distance=apart.distance, sigma_distance=apart.sigma_distance, pull=apart.pull,
    )  # fmt: skip
