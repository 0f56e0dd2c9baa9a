"""Central values, uncertainties and correlations of PDFs, as pandas."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..fit.problem import Problem
from .sources import PDFSet
from .uncertainty import Members


def summary_table(pdf: PDFSet, flavours: str | Sequence[str], x: np.ndarray, q: float) -> pd.DataFrame:
    """Tabulate PDFs at points x (X,) and scale ``q`` (GeV).

    Returns
    -------
    pandas.DataFrame
        A row per flavour and x: ``flavour``, ``x``, ``q``, ``central``, ``sigma``, ``low68`` and ``high68`` (NaN for a
        set of one member), of ``x f`` or, for formulas such as ``d/u``, of the ratio.
    """
    names = [flavours] if isinstance(flavours, str) else list(flavours)
    x = np.atleast_1d(np.asarray(x, dtype=float))
    members = pdf.xf(names, x, q)
    low, high = members.interval()
    columns = {"central": members.central, "sigma": members.sigma, "low68": low, "high68": high}
    table = pd.DataFrame({"flavour": np.repeat(names, len(x)), "x": np.tile(x, len(names)), "q": float(q)})
    return table.assign(**{name: column.ravel() for name, column in columns.items()})


def flavour_correlations(
    pdf: PDFSet, flavours: Sequence[str], x: Sequence[float] | np.ndarray, q: float
) -> pd.DataFrame:
    """Tabulate the correlation coefficients between flavours and points of x at scale ``q`` (GeV).

    Returns
    -------
    pandas.DataFrame
        (F X, F X), both axes indexed by ``flavour`` and ``x``; NaN where nothing varies, or all of it for a set of one
        member. Sources: arXiv:1412.7420, 0802.0007.
    """
    x = np.atleast_1d(np.asarray(x, dtype=float))
    index = pd.MultiIndex.from_product([list(flavours), x], names=["flavour", "x"])
    members = pdf.xf(list(flavours), x, q)
    return pd.DataFrame(_correlation(members.map(_flat), members.map(_flat)), index=index, columns=index)


def data_correlations(
    pdf: PDFSet, problem: Problem, flavour: str, x: np.ndarray, q: float, predictions: Members | None = None
) -> pd.DataFrame:
    """Tabulate how predictions and a flavour vary together among the members of a set.

    Parameters
    ----------
    pdf : PDFSet
    problem : Problem
        Data and theory.
    flavour : str
    x : (X,) array
    q : float
        Scale in GeV.
    predictions : Members, optional
        ``pdf.predictions(problem)``, if there already.

    Returns
    -------
    pandas.DataFrame
        Correlation coefficients (N, X): a row per point, indexed by ``dataset`` and ``point`` (its place in the uncut
        set), a column per x. Source: arXiv:0802.0007.
    """
    x = np.atleast_1d(np.asarray(x, dtype=float))
    points = [(dataset.name, int(i)) for dataset in problem.datasets for i in dataset.kept]
    index = pd.MultiIndex.from_tuples(points, names=["dataset", "point"])
    values = _correlation(predictions or pdf.predictions(problem), pdf.xf(flavour, x, q))
    return pd.DataFrame(values, index=index, columns=pd.Index(x, name="x"))


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def _correlation(a: Members, b: Members) -> np.ndarray:
    if not a.errors.has_uncertainty:
        return np.full((a.values.shape[1], b.values.shape[1]), np.nan)
    return a.correlation(b)
