"""Sum-rule integrals from few x nodes.

The integrands are ``x^(1-alpha) (1-x)^beta`` times a smooth function of ``x`` and ``ln x``, so weights fitted to that
family integrate them on the FK tables' own nodes, plus a few below the smallest and above the largest: 64 nodes reach
1e-6 where an equidistant rule needs thousands.
"""

from functools import lru_cache

import numpy as np

X_MIN = 1e-9
#: Exponents (alpha, beta) the weights are fitted to: momentum and valence integrands.
_FAMILIES = {"momentum": np.linspace(0.2, 1.25, 5), "valence": np.linspace(-0.5, 0.9, 5)}
_BETAS = (0.8, 1.5, 2.5, 4.0, 6.0)
_ORDER_LN_X, _ORDER_X = 12, 6


@lru_cache(maxsize=1)
def reference_rule() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights, (Q,) each, of a composite Gauss-Legendre rule for ``int_1e-9^1 g(x) dx/x``.

    Exact to about 1e-10 on the model's integrands; used to fit the few-node weights and for exported replicas.
    """
    nodes, weights = np.polynomial.legendre.leggauss(12)
    edges = np.append(np.linspace(np.log(X_MIN), np.log(0.1), 80), np.linspace(np.log(0.1), np.log(0.5), 8)[1:])
    y, dy = _composite(edges, nodes, weights)
    t, dt = _composite(np.linspace(0, 1, 5), nodes, weights)
    x_high = 1 - 0.5 * t**4  # resolves the end point, where (1-x)^beta is not analytic
    return np.concatenate([np.exp(y), x_high]), np.concatenate([dy, 2 * t**3 * dt / x_high])


def _composite(edges: np.ndarray, nodes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Repeat a rule for [-1, 1] on every interval between ``edges``; returns nodes and weights."""
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * nodes).ravel(), (half * weights).ravel()


def integration_nodes(fk_nodes: np.ndarray) -> np.ndarray:
    """Extend FK nodes (X,) with the few more the sum rules need; returns sorted nodes in [1e-9, 1).

    Where the tables leave gaps wider than the usual 50-point grid's, nodes of such a grid are added.
    """
    inner = fk_nodes[(fk_nodes >= X_MIN) & (fk_nodes < 1)]
    wanted = np.concatenate(
        [
            np.exp(np.linspace(np.log(X_MIN), np.log(2e-7), 11, endpoint=False)),
            np.exp(np.linspace(np.log(2e-7), np.log(0.1), 33)),
            np.linspace(0.1, 0.93, 16)[1:],
            [0.955, 0.975, 0.99, 0.997],
        ]
    )
    spacing = np.gradient(_stretch(wanted))
    distance = np.abs(_stretch(wanted)[:, None] - _stretch(inner)[None, :]).min(axis=1) if len(inner) else np.inf
    return np.union1d(inner, wanted[distance > 0.8 * spacing])


def _stretch(x: np.ndarray) -> np.ndarray:
    """Logarithmic at small x, linear at large x (the interpolation variable of arXiv:0911.2985)."""
    return np.log(x) + 5 * x


@lru_cache(maxsize=8)
def _family_integrals(kind: str) -> tuple[np.ndarray, np.ndarray]:
    x, weights = reference_rule()
    values = _family(x, kind)
    measure = weights * (x if kind == "momentum" else 1.0)
    return values @ measure, np.abs(values) @ measure


def _family(x: np.ndarray, kind: str) -> np.ndarray:
    """Functions (M, X) the weights are fitted to, as x f(x)."""
    scaled = 1 + 2 * np.log(x) / -np.log(X_MIN)
    smooth = np.polynomial.chebyshev.chebvander(scaled, _ORDER_LN_X - 1).T[:, None] * x ** np.arange(_ORDER_X)[:, None]
    prefactors = [x ** (1 - alpha) * (1 - x) ** beta for alpha in _FAMILIES[kind] for beta in _BETAS]
    return (np.array(prefactors)[:, None, None] * smooth[None]).reshape(-1, len(x))


def sum_rule_weights(x: np.ndarray, kind: str) -> np.ndarray:
    """Return weights w (X,) with ``sum_j w_j x_j f(x_j) = int x f dx`` (momentum) or ``int f dx`` (valence) on [1e-9, 1]."""
    integrals, scale = _family_integrals(kind)
    return np.linalg.lstsq(_family(x, kind) / scale[:, None], integrals / scale, rcond=1e-9)[0]
