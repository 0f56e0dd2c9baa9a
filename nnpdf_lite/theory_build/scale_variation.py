"""Coefficient functions at renormalisation and factorisation scales other than Q.

With ``a = alpha_s(mu) / 4 pi`` and ``F = sum_k a^k C_k f(mu)``, independence of mu gives, for ``L = ln mu^2/Q^2``,
``d C_n / d L = sum_{m < n} (m beta_{n-1-m} C_m - C_m P_{n-1-m})`` (arXiv:hep-ph/0006154, eqs. 2.16-2.17), which is
integrated as a polynomial in L; the coupling is then expressed at the renormalisation scale.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..evolution.operators import Operator

Row = Mapping[str, np.ndarray]
"""A linear map of PDFs: for each combination of them an array (n, X) that multiplies ``x f``."""


def beta_function(flavours: int) -> tuple[float, float, float]:
    """Return beta_0, beta_1, beta_2 in ``d a / d ln mu^2 = -sum_j beta_j a^(2 + j)`` (arXiv:hep-ph/9701390)."""
    n = flavours
    return (
        11 - 2 / 3 * n,
        102 - 38 / 3 * n,
        2857 / 2 - 5033 / 18 * n + 325 / 54 * n**2,
    )


def at_factorisation_scale(rows: Sequence[Row], splitting: Sequence[Operator], flavours: int, log: float) -> list[Row]:
    """Return the coefficients of ``a(mu_F)^k`` that multiply PDFs at ``mu_F``.

    Parameters
    ----------
    rows : sequence of K Row
        Coefficients at ``mu_F = Q``.
    splitting : sequence of Operator
        Splitting functions, at least K - 1 orders, blocks (1, X, X).
    flavours : int
    log : float
        ``ln mu_F^2 / Q^2``.
    """
    beta = beta_function(flavours)
    # polynomials[n][p] is the coefficient of L^p in C_n
    polynomials: list[list[Row]] = []
    for n, row in enumerate(rows):
        slope: list[Row] = []
        for m in range(n):
            for power, term in enumerate(polynomials[m]):
                change = _sum(_scaled(term, m * beta[n - 1 - m]), _scaled(_through(term, splitting[n - 1 - m]), -1.0))
                if power == len(slope):
                    slope.append({})
                slope[power] = _sum(slope[power], change)
        polynomials.append([row, *(_scaled(term, 1 / (power + 1)) for power, term in enumerate(slope))])
    varied = []
    for polynomial in polynomials:
        total: Row = {}
        for power, term in enumerate(polynomial):
            total = _sum(total, _scaled(term, log**power))
        varied.append(total)
    return varied


def at_renormalisation_scale(rows: Sequence[Row], flavours: int, log: float) -> list[Row]:
    """Return the coefficients of ``a(mu_R)^k``, given those of ``a(mu_F)^k``, with ``log = ln mu_F^2 / mu_R^2``."""
    beta0, beta1, _ = beta_function(flavours)
    # a(mu_F)^m in powers of a(mu_R)
    expansions = {
        1: {1: 1.0, 2: -beta0 * log, 3: beta0**2 * log**2 - beta1 * log},
        2: {2: 1.0, 3: -2 * beta0 * log},
        3: {3: 1.0},
    }
    varied: list[Row] = list(rows[:1])
    for n in range(1, len(rows)):
        total: Row = {}
        for m in range(1, n + 1):
            total = _sum(total, _scaled(rows[m], expansions[m].get(n, 0.0)))
        varied.append(total)
    return varied


def _through(row: Row, operator: Operator) -> Row:
    result: dict[str, np.ndarray] = {}
    for (out, source), block in operator.blocks.items():
        if out in row:
            result[source] = result.get(source, 0.0) + row[out] @ block[0]
    return result


def _scaled(row: Row, factor: float) -> Row:
    return {name: factor * values for name, values in row.items()}


def _sum(one: Row, other: Row) -> Row:
    return {**one, **other, **{name: values + other[name] for name, values in one.items() if name in other}}
