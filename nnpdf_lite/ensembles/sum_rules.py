"""Sum rules of every member of a set, at any scale."""

import numpy as np
import pandas as pd

from .sources import PDFSet
from .uncertainty import Members

#: name -> (formula, power of x in the integrand besides ``x f``, what QCD says)
SUM_RULES = {
    "momentum": ("Sigma + g", 0, 1.0),
    "u valence": ("uv", -1, 2.0),
    "d valence": ("dv", -1, 1.0),
    "s valence": ("sv", -1, 0.0),
    "c valence": ("cv", -1, 0.0),
    "V": ("V", -1, 3.0),
    "V3": ("V3", -1, 1.0),
    "V8": ("V8", -1, 3.0),
}
#: Momentum fractions that no sum rule fixes, but that people quote.
MOMENTUM_FRACTIONS = ("g", "Sigma", "u+", "d+", "s+", "c+")

_INTERVALS, _ORDER = 60, 12


def sum_rules(pdf: PDFSet, q: float) -> Members:
    """Return the integrals of ``SUM_RULES`` for every member at scale ``q`` (GeV), (M, number of rules).

    The integrals run from the lowest x of the set to 1.
    """
    x, weights = quadrature(pdf.lhapdf.x_min)
    formulas, powers, _ = zip(*SUM_RULES.values())
    factors = np.array([weights * x**power for power in powers])
    return pdf.xf(formulas, x, q).map(lambda xf: np.einsum("mfx,fx->mf", xf, factors))


def momentum_fractions(pdf: PDFSet, q: float, flavours: tuple[str, ...] = MOMENTUM_FRACTIONS) -> Members:
    """Return the share of the proton's momentum that each flavour carries, (M, F), at scale ``q`` (GeV)."""
    x, weights = quadrature(pdf.lhapdf.x_min)
    return pdf.xf(flavours, x, q).map(lambda xf: xf @ weights)


def sum_rule_table(pdf: PDFSet, q: float) -> pd.DataFrame:
    """Tabulate sum rules and momentum fractions.

    Returns
    -------
    pandas.DataFrame
        ``rule``, ``expected`` (NaN for momentum fractions), ``central``, ``sigma``, ``min``, ``max`` (over members).
    """
    rows = [(name, expected) for name, (_, _, expected) in SUM_RULES.items()]
    rows += [(f"momentum of {flavour}", np.nan) for flavour in MOMENTUM_FRACTIONS]
    both = np.concatenate([sum_rules(pdf, q).values, momentum_fractions(pdf, q).values], axis=1)
    members = Members(both, pdf.errors)
    return pd.DataFrame(rows, columns=["rule", "expected"]).assign(
        central=members.central,
        sigma=members.sigma,
        min=members.replicas.min(axis=0),
        max=members.replicas.max(axis=0),
    )


def quadrature(x_min: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes x and weights of a composite Gauss-Legendre rule from ``x_min`` to 1, even in ln x + 30 x.

    PDFs are smooth in that variable, at small x and at large.
    """
    edges = np.linspace(np.log(x_min) + 30 * x_min, 30, _INTERVALS + 1)
    nodes, weights = np.polynomial.legendre.leggauss(_ORDER)
    half = 0.5 * np.diff(edges)[:, None]
    y = (edges[:-1, None] + half * (1 + nodes)).ravel()
    x = _x_of(y)
    return x, (half * weights).ravel() / (1 / x + 30)


def _x_of(y: np.ndarray) -> np.ndarray:
    """Solve ``ln x + 30 x = y`` by Newton's method in ln x."""
    log_x = np.minimum(y, np.log(np.maximum(y, 1e-3) / 30))
    for _ in range(60):
        log_x = log_x - (log_x + 30 * np.exp(log_x) - y) / (1 + 30 * np.exp(log_x))
    return np.exp(log_x)
