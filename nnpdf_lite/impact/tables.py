"""Tables of an impact: chi2 before and after, and PDFs with their uncertainties."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..ensembles import PARTONS
from ..ensembles.comparison import SHOWN_X
from ..ensembles.reweighting import ALPHAS
from ..results.chi2 import chi2_tables
from .estimate import Impact


def chi2_before_and_after(impact: Impact) -> pd.DataFrame:
    """Tabulate chi2 per point, with the covariance of the fit: of new sets, of old data, and of all.

    Returns
    -------
    pandas.DataFrame
        ``level`` (new, experiment, total), ``name``, ``ndata``, then ``before``, ``reweighted`` and, if there is one, ``refit``.
    """
    predictions = impact.central_predictions()
    order = [entry.dataset for entry in impact.card.dataset_inputs]
    kind = "chi2_exp" if impact.problem.t0_predictions is None else "chi2_t0"
    tables = chi2_tables(
        impact.problem, np.array(list(predictions.values())), order, ("dataset", "experiment", "total")
    )
    table = tables[0][["level", "name", "ndata"]].assign(**{name: one[kind] for name, one in zip(predictions, tables)})
    new = table[(table.level == "dataset") & table.name.isin(impact.added)].assign(level="new")
    return pd.concat([new, table[table.level != "dataset"]], ignore_index=True)


def pdf_table(
    impact: Impact, q: float, x: Sequence[float] | np.ndarray = SHOWN_X, flavours: Sequence[str] = PARTONS
) -> pd.DataFrame:
    """Tabulate PDFs before and after at scale ``q`` (GeV).

    Returns
    -------
    pandas.DataFrame
        ``flavour``, ``x``, ``central``, ``sigma`` before; then for ``reweighted`` and, if there is one, ``refit``:
        ``central_*``, ``sigma_*``, ``shift_*`` (in units of sigma before), ``ratio_*`` (sigma after over sigma before) and
        ``error_*``, the statistical error of that ratio with as many replicas as there are; ``pull`` between the two ways, over
        the errors of both central values.
    """
    x = np.asarray(x, dtype=float)
    prior = impact.prior.xf(list(flavours), x, q)
    central, sigma, weights = prior.central, prior.sigma, impact.reweighting
    n = len(weights.weights)
    after = {"reweighted": (weights.mean(prior.replicas), weights.sigma(prior.replicas), weights.n_effective)}
    if impact.posterior is not None:
        new = impact.posterior.xf(list(flavours), x, q)
        after["refit"] = new.central, new.sigma, impact.posterior.errors.n
    columns = {"flavour": np.repeat(list(flavours), len(x)), "x": np.tile(x, len(flavours))}
    columns |= {"central": central.ravel(), "sigma": sigma.ravel()}
    for name, (value, error, size) in after.items():
        ratio = _over(error, sigma)
        # Replicas of a reweighted ensemble are those of the prior: only what the weights add fluctuates.
        parts = 1 / size - 1 / n if name == "reweighted" else 1 / size + 1 / n
        columns |= {
            f"central_{name}": value.ravel(),
            f"sigma_{name}": error.ravel(),
            f"shift_{name}": _over(value - central, sigma).ravel(),
            f"ratio_{name}": ratio.ravel(),
            f"error_{name}": (ratio * np.sqrt(max(parts, 0.0) / 2)).ravel(),
        }
    if "refit" in after:
        (one, s, size), (other, t, more) = after["reweighted"], after["refit"]
        columns["pull"] = _over(one - other, np.sqrt(s**2 / size + t**2 / more)).ravel()
    return pd.DataFrame(columns)


def summary(impact: Impact) -> pd.DataFrame:
    """Return what it is about and how reliable it is, as pairs of words and values."""
    weights = impact.weights
    rows = [
        ("new data", ", ".join(impact.added)),
        ("new points", str(int(impact.new_points.sum()))),
        ("replicas", str(len(impact.reweighting.weights))),
        *((f"effective, {name} weights", f"{one.n_effective:.1f}") for name, one in weights.items()),
        ("errors of the new data fit best times", _alpha(impact.reweighting.alpha)),
    ]
    if impact.posterior is not None:
        rows.append(("refit", f"{impact.posterior.name}, {impact.posterior.errors.n} replicas kept"))
    return pd.DataFrame(rows, columns=["", " "])


def agreement(impact: Impact, table: pd.DataFrame) -> str:
    """Say how far reweighting and refit agree in a PDF table; empty without a refit."""
    if impact.posterior is None:
        return ""
    difference = table.shift_reweighted - table.shift_refit
    chosen = np.isfinite(difference) & np.isfinite(table.pull)
    rms = float(np.sqrt(np.mean(np.square(difference[chosen]))))
    words = f"central values by reweighting and by refit differ by {rms:.2f} of the sigma before (rms over flavours and x)"
    if not impact.is_reliable:  # the errors of what is left of the ensemble mean nothing
        return words
    ratio = float(np.median((table.ratio_reweighted / table.ratio_refit)[chosen]))
    beyond = float((np.abs(table.pull[chosen]) > 2).mean())
    return (
        f"{words}, more than twice their statistical error at {beyond:.0%} of the points; uncertainties by reweighting are "
        f"{ratio:.2f} of the refit's (median)"
    )


def _alpha(alpha: float) -> str:
    """Return alpha, or that it lies beyond the range in which it is looked for."""
    return f"{alpha:.2f}" if ALPHAS[0] < alpha < ALPHAS[-1] else f"{alpha:.2f} or {'more' if alpha > 1 else 'less'}"


def _over(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
