"""One sentence about a closure test: pass, or which estimator is how far off, given how many were looked at."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

#: Probability that a method whose errors are right fails, all looks together: that of 3 sigma in a single look.
FALSE_ALARM = 2 * stats.norm.sf(3)

#: Fewest fits for a verdict: the error of an estimator comes from the spread of the fits.
FEWEST_FITS = 5

#: What is judged: space, level and estimators. What is finer (per set, per x) is tabulated, and judged as details.
JUDGED = (
    ("data", "total", ("R_bv", "R_b", "xi_1", "xi_1_eigen", "pull_width", "KS", "chi2_exp_pdf")),
    ("pdf", "total", ("R_bv", "xi_1", "xi_1_eigen")),
    ("pdf", "flavour", ("R_bv", "xi_1")),
)
DETAILS = (
    ("data", "experiment", ("R_bv", "xi_1")),
    ("data", "dataset", ("R_bv", "xi_1")),
    ("pdf", "point", ("pull_mean", "pull_width")),
)

#: Estimators that are ratios: they are judged on a logarithmic scale, on which their errors are even.
RATIOS = ("R_bv", "R_b", "pull_width")


@dataclass(frozen=True)
class Verdict:
    """What a closure test says.

    Attributes
    ----------
    passed : bool or None
        None when there is none: too few fits, or a level without expected values.
    sentence : str
    details : str
        The same about the finer rows, "" if there is no verdict.
    looks : int
        How many estimators were looked at.
    threshold : float
        Deviation, in Gaussian sigma, that one of them must exceed to fail the test.
    """

    passed: bool | None
    sentence: str
    details: str
    looks: int
    threshold: float


def significance(table: pd.DataFrame, fits: int) -> np.ndarray:
    """Return by how many Gaussian sigma each row lies above (positive) or below its expected value.

    The error of an estimator comes from F fits, so that the deviation divided by it follows Student's distribution of
    F - 1 degrees of freedom; it is given as the sigma of the same probability. NaN where nothing is expected.
    """
    ratio = table.estimator.isin(RATIOS) & (table.value > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = (table.value - table.expected) / table.error
        logarithmic = np.log(table.value / table.expected) * table.value / table.error
    t = np.where(ratio, logarithmic, linear)
    freedom = np.where(table.estimator == "KS", np.inf, max(fits - 1, 1))
    return np.sign(t) * stats.norm.isf(np.maximum(stats.t.sf(np.abs(t), freedom), 1e-300))


def threshold(looks: int, false_alarm: float = FALSE_ALARM) -> float:
    """Return the sigma that one of so many looks exceeds by chance with probability ``false_alarm`` (Sidak's bound).

    It is exact for independent looks and safe for correlated ones, such as these.
    """
    return float(stats.norm.isf(-np.expm1(np.log1p(-false_alarm) / looks) / 2))


def judge(table: pd.DataFrame, fits: int) -> Verdict:
    """Judge the table of all estimators (`tables.estimator_table`) of so many fits."""
    if table.expected.notna().sum() == 0:
        return Verdict(None, "no verdict: only level 2 has expected values; compare this level with it", "", 0, np.nan)
    if fits < FEWEST_FITS:
        few = f"{fits} fit{'s' if fits > 1 else ''}; a verdict needs at least {FEWEST_FITS}, better 25"
        return Verdict(None, f"no verdict: {few}", "", 0, np.nan)
    passed, sentence, looks, limit = _sentence(chosen_rows(table, JUDGED, fits))
    fine = _sentence(chosen_rows(table, DETAILS, fits))
    return Verdict(passed, sentence, f"in detail (by experiment, set and x): {fine[1]}", looks, limit)


def chosen_rows(table: pd.DataFrame, what: tuple, fits: int) -> pd.DataFrame:
    """Return the rows of a table that `JUDGED` or `DETAILS` names and that can be judged, with their ``sigma``."""
    chosen = np.zeros(len(table), bool)
    for space, level, estimators in what:
        chosen |= ((table.space == space) & (table.level == level) & table.estimator.isin(estimators)).to_numpy()
    rows = table[chosen & table.value.notna() & table.error.notna() & table.expected.notna()]
    return rows.assign(sigma=significance(rows, fits))


def _sentence(rows: pd.DataFrame) -> tuple[bool, str, int, float]:
    looks, limit = len(rows), threshold(max(len(rows), 1))
    order = rows.reindex(rows.sigma.abs().sort_values(ascending=False).index)
    failed = order[order.sigma.abs() > limit]
    rule = f"{limit:.1f} sigma, which {looks} looks exceed by chance once in {1 / FALSE_ALARM:.0f} tests"
    if len(failed):
        named = "; ".join(_words(row) for row in failed.head(3).itertuples())
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        return False, f"fail: {named}{more} (threshold {rule})", looks, limit
    furthest = _words(next(order.itertuples())) if looks else "nothing was looked at"
    return True, f"pass: no estimator is off by more than {rule}; the furthest: {furthest}", looks, limit


def _words(row: Any) -> str:
    where = {"data": f"the {row.part} data", "pdf": "the PDFs"}[row.space]
    what = where if row.level == "total" else f"{row.name} in {where}"
    side = "above" if row.sigma > 0 else "below"
    return (
        f"{row.estimator} of {what} is {row.value:.3g} +- {row.error:.2g}, {abs(row.sigma):.1f} sigma {side} "
        f"{row.expected:.3g}"
    )
