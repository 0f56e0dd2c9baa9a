"""Sum rules are integrated to 1e-6 on the few nodes that training uses."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import beta as beta_function
from scipy.special import betainc

from nnpdf_lite.pdf.quadrature import X_MIN, integration_nodes, reference_rule, sum_rule_weights
from nnpdf_lite.runcard.choices import PREPROCESSING

#: The 50 nodes from 2e-7 to 1 that the field's FK tables share, to a few per cent.
FK_GRID = np.concatenate([np.exp(np.linspace(np.log(2e-7), np.log(0.1), 34)), np.linspace(0.1, 1, 17)[1:]])
GRIDS = {
    "of the tables": FK_GRID,
    "coarse": FK_GRID[::5],
    "large x only": FK_GRID[FK_GRID > 0.05],
    "no node": FK_GRID[:0],
}
#: alpha and beta of every flavour, and which integral fixes it.
RANGES = [
    (flavour, "momentum" if flavour in ("sng", "g") else "valence", *ranges)
    for flavour, ranges in PREPROCESSING["CCBAR_ASYMM"].items()
    if flavour in ("sng", "g", "v", "v3", "v8", "v15")
]


def network(x, seed, steepness=1.0):
    """A random 2-25-20-1 network of Glorot weights times ``steepness``, tanh, at x (X,)."""
    rng = np.random.default_rng(seed)
    h = np.stack([x, np.log(x)])
    for out, inp in ((25, 2), (20, 25), (1, 20)):
        bias = rng.normal(size=(out, 1)) * 0.3 * steepness
        h = rng.normal(size=(out, inp)) * np.sqrt(2 / (out + inp)) * steepness @ h + bias
        h = np.tanh(h) if out > 1 else h
    return h[0]


@lru_cache
def few_nodes(grid, kind):
    """Nodes and weights for the FK grid named ``grid``."""
    x = integration_nodes(GRIDS[grid])
    return x, sum_rule_weights(x, kind)


def relative_error(grid, kind, alpha, beta, smooth):
    """Error of the few-node integral in units of that of the modulus."""
    (x, few_weights), (fine, weights) = few_nodes(grid, kind), reference_rule()
    few = few_weights @ (x ** (1 - alpha) * (1 - x) ** beta * smooth(x))
    terms = weights * fine ** (1 - alpha) * (1 - fine) ** beta * smooth(fine) * (fine if kind == "momentum" else 1)
    return abs(few - terms.sum()) / abs(terms).sum()


@pytest.mark.parametrize("a, b", [(0.95, 0.0), (-0.3, 2.0), (0.2, 1.0), (1.3, 4.7)])
def test_reference_rule_reproduces_beta_functions(a, b):
    x, weights = reference_rule()
    expected = beta_function(a + 1, b + 1) * (1 - betainc(a + 1, b + 1, X_MIN))  # int x^a (1-x)^b dx
    assert weights @ (x ** (a + 1) * (1 - x) ** b) == pytest.approx(expected, rel=1e-9)


def test_sixty_four_nodes_serve_the_tables_of_the_field():
    x = integration_nodes(FK_GRID)
    assert len(x) <= 66
    assert set(FK_GRID[FK_GRID < 1]) <= set(x)


@pytest.mark.parametrize("grid", GRIDS)
def test_nodes_ascend_within_the_integration_range(grid):
    x = integration_nodes(GRIDS[grid])
    assert (np.diff(x) > 0).all() and x[0] == pytest.approx(X_MIN) and x[-1] < 1


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("flavour, kind, smallx, largex", RANGES, ids=[entry[0] for entry in RANGES])
def test_sum_rules_of_initial_networks_are_integrated_to_1e_6(grid, flavour, kind, smallx, largex):
    errors = [
        relative_error(grid, kind, alpha, beta, lambda x, seed=seed: network(x, seed))
        for seed in range(8)
        for alpha in smallx
        for beta in largex
    ]
    assert max(errors) < 1e-6


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    entry=st.sampled_from(RANGES),
    position=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 2**32 - 1),
    grid=st.sampled_from(list(GRIDS)),
)
def test_sum_rules_are_integrated_to_1e_6_anywhere_in_the_preprocessing_ranges(entry, position, seed, grid):
    _, kind, smallx, largex = entry
    alpha, beta = (low + t * (high - low) for t, (low, high) in zip(position, (smallx, largex)))
    assert relative_error(grid, kind, alpha, beta, lambda x, seed=seed: network(x, seed)) < 1e-6


def test_steep_networks_lose_precision_slowly():
    errors = [
        relative_error("of the tables", "momentum", 1.1, 2.0, lambda x, seed=seed: network(x, seed, 1.5)) for seed in range(60)
    ]
    assert max(errors) < 1e-4 and np.median(errors) < 1e-6
