"""Estimators of closure tests where the answer is known: a linear model with Gaussian data, and simple arrays."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnpdf_lite.closure import estimators as e
from nnpdf_lite.closure.resampling import FEWEST_REPLICAS, Resampling, estimate
from nnpdf_lite.closure.tables import COLUMNS, EXPECTED, data_estimators, pdf_estimators
from nnpdf_lite.closure.verdict import FALSE_ALARM, judge, significance, threshold
from nnpdf_lite.errors import InputError

FITS, REPLICAS, POINTS, PARAMETERS = 1000, 12, 30, 6


@dataclass(frozen=True)
class LinearModel:
    """``y = A w + eta`` with Gaussian eta of covariance C: least squares on replicas samples the posterior exactly.

    With a flat prior the posterior of w is Gaussian with mean ``H y`` and covariance ``(A^T C^-1 A)^-1``,
    ``H = (A^T C^-1 A)^-1 A^T C^-1``; replicas ``H (y + eta')`` have just these (arXiv:2111.05787).
    """

    design: np.ndarray
    cholesky: np.ndarray
    truth: np.ndarray

    @classmethod
    def draw(cls, rng):
        design = rng.normal(size=(POINTS, PARAMETERS))
        root = 0.3 * rng.normal(size=(POINTS, POINTS)) + np.eye(POINTS)
        return cls(design, np.linalg.cholesky(root @ root.T), design @ rng.normal(size=PARAMETERS))

    @property
    def covmat(self):
        return self.cholesky @ self.cholesky.T

    @property
    def posterior_covariance(self):
        return np.linalg.inv(self.design.T @ np.linalg.solve(self.covmat, self.design))

    def noise(self, rng, n):
        return rng.normal(size=(n, POINTS)) @ self.cholesky.T

    def fit(self, data):
        """Least squares in data space, for rows of data."""
        projector = self.posterior_covariance @ self.design.T @ np.linalg.inv(self.covmat)
        return data @ projector.T @ self.design.T

    def closure_tests(self, rng, fits=FITS, replicas=REPLICAS, scale=1.0, shift=0.0):
        """Deviations and noise of ``fits`` closure tests; replicas fluctuate with errors times ``scale``."""
        noise = self.noise(rng, fits) + shift
        deviations = [self.fit(self.truth + eta + scale * self.noise(rng, replicas)) - self.truth for eta in noise]
        return deviations, noise


@pytest.fixture(scope="module")
def model():
    return LinearModel.draw(np.random.default_rng(1))


@pytest.fixture(scope="module")
def perfect(model):
    """1000 closure tests of the linear model."""
    return model.closure_tests(np.random.default_rng(2))


def within(found, expected, sigmas=3.0):
    """Whether an estimate is where it should be; 3 of its own errors, which 1 in 370 exceed, with seeds fixed."""
    return abs(found.value - expected) < sigmas * found.error


# --- the linear model -----------------------------------------------------------------------------


def test_replicas_of_a_linear_model_have_the_analytic_posterior(model):
    """Mean and covariance of 4000 replicas of one fit against the formulas; errors of a sample mean and covariance."""
    rng = np.random.default_rng(3)
    data = model.truth + model.noise(rng, 1)[0]
    n = 4000
    replicas = model.fit(data + model.noise(rng, n))
    covariance = model.design @ model.posterior_covariance @ model.design.T
    mean = model.design @ model.posterior_covariance @ model.design.T @ np.linalg.solve(model.covmat, data)
    sigma = np.sqrt(np.diag(covariance))
    assert (np.abs(replicas.mean(axis=0) - mean) < 4.5 * sigma / np.sqrt(n)).all()
    error = np.sqrt((np.outer(sigma, sigma) ** 2 + covariance**2) / n)
    assert (np.abs(np.cov(replicas, rowvar=False) - covariance) < 4.5 * error).all()


def test_every_estimator_of_a_linear_model_has_its_expected_value(model, perfect):
    deviations, noise = perfect
    found = data_estimators(deviations, noise, model.covmat, Resampling.draw([REPLICAS] * FITS))
    assert set(EXPECTED) - set(found) == {"chi2_exp_pdf"}  # that is for data left out
    for name in set(EXPECTED) & set(found):
        assert within(found[name], EXPECTED[name]), name
    # The trace of the projector onto the parameters, per point: bias, variance, and twice that for what is overfitted.
    p = PARAMETERS / POINTS
    for name, expected in {"bias": p, "variance": p, "cross": -2 * p, "delta_chi2": -p, "chi2": 1.0}.items():
        assert within(found[name], expected), name
    # The errors are what 1000 fits can give: 1 in sqrt(2 F P) for R_bv.
    assert found["R_bv"].error == pytest.approx(1 / np.sqrt(2 * FITS * PARAMETERS), rel=0.5)
    assert found["xi_1"].error < 0.01 and found["components"].value <= PARAMETERS


def test_few_replicas_do_not_move_the_expected_values(model):
    """With 5 replicas the literature's R_bv would be 1.22 and its xi_1 0.54."""
    deviations, noise = model.closure_tests(np.random.default_rng(4), replicas=FEWEST_REPLICAS)
    found = data_estimators(deviations, noise, model.covmat, Resampling.draw([FEWEST_REPLICAS] * FITS))
    assert within(found["R_bv"], 1) and within(found["R_b"], 1)
    assert within(found["xi_1"], 0.683) and within(found["xi_2"], 0.954)


def test_parameters_of_a_linear_model_close_with_their_correlations(model):
    """PDF space: here the covariance comes from the replicas themselves."""
    deviations, _ = model.closure_tests(np.random.default_rng(5), fits=200, replicas=20)
    to_parameters = np.linalg.pinv(model.design).T
    found = pdf_estimators([rows @ to_parameters for rows in deviations], Resampling.draw([20] * 200))
    assert within(found["R_bv"], 1) and within(found["xi_1"], 0.683) and within(found["xi_1_eigen"], 0.683)


def rows_of(found, fits):
    """A table of the total of the data, as judged."""
    head = ("data", "fitted", "total", "total", POINTS)
    rows = [(*head, name, one.value, one.error, EXPECTED.get(name, np.nan)) for name, one in found.items()]
    return judge(pd.DataFrame(rows, columns=list(COLUMNS)), fits)


@pytest.mark.parametrize("replicas", [12, 40])
def test_the_linear_model_passes(model, replicas):
    deviations, noise = model.closure_tests(np.random.default_rng(6), fits=25, replicas=replicas)
    verdict = rows_of(data_estimators(deviations, noise, model.covmat, Resampling.draw([replicas] * 25)), 25)
    assert verdict.passed and verdict.sentence.startswith("pass:")


def test_uncertainties_halved_fail(model):
    """Errors too small by two: R_bv 2, coverage of half a sigma, 0.383, pulls twice as wide; each beyond 3 sigma."""
    deviations, noise = model.closure_tests(np.random.default_rng(7), fits=25, replicas=40, scale=0.5)
    found = data_estimators(deviations, noise, model.covmat, Resampling.draw([40] * 25))
    assert within(found["R_bv"], 2) and within(found["xi_1"], 0.383, 4) and within(found["pull_width"], 2)
    table = pd.DataFrame(
        [("data", "fitted", "total", "total", POINTS, n, found[n].value, found[n].error, EXPECTED[n])
         for n in ("R_bv", "xi_1", "pull_width")], columns=list(COLUMNS),
    )  # fmt: skip
    assert (np.abs(significance(table, 25)) > 3).all()
    verdict = rows_of(found, 25)
    assert verdict.passed is False and "R_bv of the fitted data is" in verdict.sentence


def test_a_truth_outside_the_model_fails(model):
    """A part of the truth that no parameter can follow biases every fit; it must show although the chi2 is fitted."""
    rng = np.random.default_rng(8)
    smooth = 1.5 * np.sin(np.arange(POINTS)) * np.sqrt(np.diag(model.covmat))
    deviations, noise = model.closure_tests(rng, fits=25, replicas=40)
    deviations = [rows + model.fit(smooth[None]) - smooth for rows in deviations]
    found = data_estimators(deviations, noise, model.covmat, Resampling.draw([40] * 25))
    table = pd.DataFrame(
        [("data", "fitted", "total", "total", POINTS, n, found[n].value, found[n].error, EXPECTED[n])
         for n in ("R_bv", "xi_1", "pull_width")], columns=list(COLUMNS),
    )  # fmt: skip
    assert (np.abs(significance(table, 25)) > 3).all()
    assert rows_of(found, 25).passed is False


def test_the_ks_distance_is_judged_by_the_correlations_of_the_points(perfect):
    """Ten fits with 30 points that move together: far from 300 independent pulls, and still as expected."""
    deviations = perfect[0][:10]
    distance = e.ks_distance(e.pulls(deviations))
    expected = [e.ks_distance(pulls) for pulls in e.pulls_expected(deviations)]
    textbook = stats.kstwo.mean(10 * POINTS)
    assert abs(distance - np.mean(expected)) < 3 * np.std(expected)
    assert np.mean(expected) > 1.3 * textbook
    narrow = [rows.mean(axis=0) + (rows - rows.mean(axis=0)) / 2.5 for rows in deviations]
    assert e.ks_distance(e.pulls(narrow)) > np.mean(expected) + 1.5 * np.std(expected)


# --- simple arrays --------------------------------------------------------------------------------


def spread(mean, sigma, replicas=10):
    """Replicas (R, n) with exactly this mean and standard deviation."""
    steps = np.linspace(-1, 1, replicas)[:, None]
    return mean + sigma * steps / steps.std(ddof=1)


def test_bias_and_variance_of_known_means_and_spreads():
    mean, sigma = np.array([3.0, 4.0]), np.array([1.0, 2.0])
    resampling = Resampling.draw([10], samples=3)
    bias, variance = e.bias_and_variance([spread(mean, sigma)], resampling)
    assert variance[0, 0] == pytest.approx((1 + 4) / 2)
    assert bias[0, 0] == pytest.approx((9 + 16) / 2 - 2.5 / 10)  # less what ten replicas add
    assert e.ratio_bias_variance(bias, variance, resampling)[0] == pytest.approx(np.sqrt(12.25 / 2.5))


def test_coverage_counts_points_within_n_sigma():
    mean = np.array([0.5, 1.5, 2.5, -0.5])
    rows = [spread(mean, np.ones(4), 2000)]  # many replicas: one sigma is one sigma
    resampling = Resampling.draw([2000], samples=3)
    coverage, first, second = e.pull_statistics(rows, resampling, [1, 2])
    assert coverage[:, 0, 0].tolist() == [0.5, 0.75]
    assert first[0, 0] == pytest.approx(mean.mean(), rel=2e-3)
    assert second[0, 0] == pytest.approx(np.mean(mean**2), rel=2e-3)
    assert e.pulls(rows)[0] == pytest.approx(mean, rel=2e-3)


def test_pulls_of_few_replicas_are_normal_and_finite_far_out():
    rng = np.random.default_rng(9)
    pulls = e.pulls([rng.normal(size=(5, 20000)) + rng.normal(size=20000)])
    assert stats.kstest(pulls[0], "norm").pvalue > 1e-3
    assert np.isfinite(e.pulls([spread(np.array([1e6, -1e6]), np.ones(2))])).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 20), st.integers(1, 8), st.integers(0, 10**6))
def test_the_chi2_of_replicas_is_the_sum_of_its_parts(replicas, n, seed):
    rng = np.random.default_rng(seed)
    parts = e.chi2_decomposition([rng.normal(size=(replicas, n)) + rng.normal(size=n)], rng.normal(size=(1, n)))
    assert parts["chi2"] == pytest.approx(sum(parts[name] for name in ("bias", "variance", "noise", "cross")))


def test_whitening_makes_the_covariance_the_identity(model, perfect):
    white = e.whiten([perfect[1]], model.cholesky)[0]
    assert np.cov(white, rowvar=False) == pytest.approx(np.eye(POINTS), abs=0.2)
    assert (white**2).sum(axis=1) == pytest.approx(
        np.einsum("fi,ij,fj->f", perfect[1], np.linalg.inv(model.covmat), perfect[1])
    )


@pytest.mark.parametrize("correlation", [False, True])
def test_principal_components_have_unit_variance_and_explain_what_is_asked(perfect, correlation):
    deviations = perfect[0]
    for explained in (0.5, 0.95, 1.0):
        components, variances = e.principal_components(deviations, explained, correlation)
        within_fit = np.mean([np.cov(rows @ components, rowvar=False, ddof=1) for rows in deviations], axis=0)
        assert np.atleast_2d(within_fit) == pytest.approx(np.eye(components.shape[1]), abs=1e-8)
        everything = e.principal_components(deviations, 1.0, correlation)[1].sum()
        assert variances.sum() >= explained * everything * (1 - 1e-9)
        assert variances[:-1].sum() < explained * everything
    assert components.shape[1] >= PARAMETERS


def test_n_sigma_of_a_chi2():
    assert e.n_sigma(np.array([50.0, 70.0]), 50) == pytest.approx([0, 2])


def test_one_fit_has_values_without_errors():
    resampling = Resampling.draw([10], samples=20)
    found = data_estimators([spread(np.ones(3), np.ones(3))], np.zeros((1, 3)), np.eye(3), resampling)
    assert found["R_bv"].value > 0 and np.isnan(found["R_bv"].error)


def test_too_few_replicas_are_refused():
    with pytest.raises(InputError, match="a fit with 4 replicas; estimators need at least 5 replicas in each fit"):
        Resampling.draw([40, 4])


def test_bootstrap_errors_are_those_of_repeated_samples():
    """The error of a mean over 25 fits: sigma / 5, here from one sample, on average over many."""
    rng = np.random.default_rng(10)
    errors = []
    for seed in range(40):
        resampling = Resampling.draw([5] * 25, samples=100, seed=seed)
        errors.append(estimate(resampling.average(rng.normal(size=(1, 25))), 25).error)
    assert np.mean(errors) == pytest.approx(1 / 5, rel=0.06)


# --- the verdict ----------------------------------------------------------------------------------


def test_the_threshold_is_three_sigma_for_one_look_and_grows_with_looks():
    assert threshold(1) == pytest.approx(3)
    assert 3.7 < threshold(20) < 3.9
    looks = 50
    one = 2 * stats.norm.sf(threshold(looks))
    assert 1 - (1 - one) ** looks == pytest.approx(FALSE_ALARM)


def test_errors_from_few_fits_count_less():
    table = pd.DataFrame([("data", "fitted", "total", "total", 3, "xi_1", 0.283, 0.1, 0.683)], columns=list(COLUMNS))
    assert significance(table, 10**6)[0] == pytest.approx(-4, abs=1e-3)
    assert -3.1 < significance(table, 10)[0] < -2.5


def test_there_is_no_verdict_with_few_fits_or_nothing_expected(model):
    deviations, noise = model.closure_tests(np.random.default_rng(11), fits=3)
    found = data_estimators(deviations, noise, model.covmat, Resampling.draw([REPLICAS] * 3))
    verdict = rows_of(found, 3)
    assert verdict.passed is None and "3 fits; a verdict needs at least 5" in verdict.sentence
