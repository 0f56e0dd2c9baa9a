"""Reweighting against what Bayes' theorem gives where it can be written down, and what holds for any weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from nnpdf_lite.ensembles import load_set
from nnpdf_lite.ensembles.reweighting import (
    ALPHAS,
    METHODS,
    chi2_of,
    effective_number,
    reweight,
    reweight_set,
    reweighting_table,
)
from nnpdf_lite.errors import InputError

CHI2 = arrays(float, st.integers(2, 40), elements=st.floats(0.1, 500))


def gaussian_prior(n=20_000):
    """Quantiles of a standard normal: a sample without noise."""
    return norm.ppf((np.arange(n) + 0.5) / n)


# A linear Gaussian problem: prior theta ~ N(0, 1), data D = design theta + noise of covariance C.


@pytest.mark.parametrize("n_data", [1, 3])
def test_giele_keller_weights_give_the_analytic_posterior(n_data):
    rng = np.random.default_rng(n_data)
    design, noise = rng.normal(size=n_data), 0.5 * rng.normal(size=(n_data, n_data)) + np.eye(n_data)
    covmat = noise @ noise.T
    data = 0.7 * design + noise @ rng.normal(size=n_data)
    theta = gaussian_prior()
    residual = theta[:, None] * design - data
    chi2 = np.einsum("ki,ij,kj->k", residual, np.linalg.inv(covmat), residual)
    found = reweight(chi2, n_data, "giele-keller")
    variance = 1 / (1 + design @ np.linalg.solve(covmat, design))
    assert found.mean(theta) == pytest.approx(variance * design @ np.linalg.solve(covmat, data), abs=1e-3)
    assert found.sigma(theta) == pytest.approx(np.sqrt(variance), rel=2e-3)


def test_with_one_point_the_two_weights_are_one_and_the_same():
    theta = gaussian_prior(500)
    chi2 = ((theta - 0.8) / 0.4) ** 2
    assert np.allclose(reweight(chi2, 1, "nnpdf").weights, reweight(chi2, 1, "giele-keller").weights)


def test_nnpdf_weights_are_the_density_of_chi():
    """P(chi) ~ chi^(n-1) exp(-chi2/2), here against scipy's distribution of chi."""
    from scipy.stats import chi

    chi2 = np.linspace(0.5, 40, 30)
    density = chi.pdf(np.sqrt(chi2), df=7)
    assert np.allclose(reweight(chi2, 7, "nnpdf").weights, 30 * density / density.sum())


def test_the_effective_number_is_that_of_the_replicas_left():
    assert effective_number(np.ones(50)) == pytest.approx(50)
    assert effective_number(np.where(np.arange(50) < 10, 5.0, 0.0)) == pytest.approx(10)


def test_data_with_errors_half_of_what_they_should_be_ask_for_alpha_two():
    rng = np.random.default_rng(4)
    chi2 = 4 * rng.chisquare(100, size=200)  # errors too small by a factor of two, no replica distinguished
    found = reweight(chi2, 100)
    assert found.alpha == pytest.approx(2, abs=0.25)
    assert np.trapezoid(found.alpha_profile(), ALPHAS) == pytest.approx(1)
    assert reweight(rng.chisquare(100, size=200), 100).alpha == pytest.approx(1, abs=0.2)


def test_the_unweighted_ensemble_has_the_posteriors_mean_and_spread():
    theta = gaussian_prior(4000)
    found = reweight(((theta - 1) / 0.5) ** 2, 1)
    kept = theta[found.unweighted(500) - 1]
    assert kept.mean() == pytest.approx(found.mean(theta), abs=5e-3) == pytest.approx(0.8, abs=5e-3)
    assert kept.std() == pytest.approx(found.sigma(theta), rel=0.02) == pytest.approx(np.sqrt(0.2), rel=0.02)


# Any chi2


@settings(max_examples=60)
@given(CHI2, st.integers(1, 200), st.sampled_from(METHODS))
def test_weights_are_positive_with_mean_one_and_follow_the_replicas(chi2, n_data, method):
    found = reweight(chi2, n_data, method)
    assert (found.weights >= 0).all() and found.weights.mean() == pytest.approx(1)
    assert 1 - 1e-9 <= found.n_effective <= len(chi2) * (1 + 1e-9)
    order = np.random.default_rng(0).permutation(len(chi2))
    assert np.allclose(reweight(chi2[order], n_data, method).weights, found.weights[order])


@settings(max_examples=60)
@given(CHI2, st.floats(0, 1e4))
def test_giele_keller_prefers_the_smaller_chi2_and_knows_no_offset(chi2, offset):
    weights = reweight(chi2, 10, "giele-keller").weights
    assert (np.diff(weights[np.argsort(chi2)]) <= 1e-12).all()
    assert np.allclose(reweight(chi2 + offset, 10, "giele-keller").weights, weights, rtol=1e-6, atol=1e-9)


@settings(max_examples=60)
@given(CHI2, st.integers(2, 60))
def test_replicas_are_repeated_as_their_weights_say(chi2, n):
    found = reweight(chi2, 5)
    taken = np.bincount(found.unweighted(n), minlength=len(chi2) + 1)[1:]
    assert taken.sum() == n
    assert np.all(np.abs(taken - n * found.weights / len(chi2)) < 1 + 1e-9)


@pytest.mark.parametrize(
    ("chi2", "n_data", "method", "words"),
    [([1, 2], 3, "nnpdff", "expected nnpdf or giele-keller.*Did you mean"), ([1], 3, "nnpdf", "two or more"),
     ([1, np.nan], 3, "nnpdf", "replica 2 has no finite chi2"), ([1, 2], 0, "nnpdf", "one or more")],
)  # fmt: skip
def test_what_cannot_be_weighted_is_refused(chi2, n_data, method, words):
    with pytest.raises(InputError, match=words):
        reweight(chi2, n_data, method)


# Real data


def test_chi2_of_replicas_is_that_of_the_covariance(small_problem):
    rng = np.random.default_rng(0)
    predictions = small_problem.central * (1 + 0.1 * rng.normal(size=(4, small_problem.n_data)))
    residual = predictions - small_problem.central
    covmat = small_problem.cholesky @ small_problem.cholesky.T
    by_hand = np.einsum("ki,ki->k", residual, np.linalg.solve(covmat, residual.T).T)
    assert np.allclose(chi2_of(predictions, small_problem), by_hand, rtol=1e-8)


def test_the_table_shows_the_weighted_mean_prediction(written_tiny_fit, small_problem):
    pdf = load_set(written_tiny_fit)
    found, predictions = reweight_set(pdf, small_problem, "giele-keller")
    table = reweighting_table(small_problem, predictions, found).set_index("name")
    assert found.weights.argmax() == found.chi2.argmin()
    assert table.loc["total", "ndata"] == small_problem.n_data == found.n_data
    weighted = (found.weights / 3) @ predictions.replicas
    residual = np.linalg.solve(small_problem.cholesky, weighted - small_problem.central)
    assert table.loc["total", "reweighted"] == pytest.approx(residual @ residual / found.n_data, rel=1e-8)


def test_a_set_of_one_member_cannot_be_reweighted(small_problem):
    with pytest.raises(InputError, match="only replicas can be reweighted; this is a set of one member"):
        reweight_set(load_set("NNPDFLITE_dis_nnlo"), small_problem)
