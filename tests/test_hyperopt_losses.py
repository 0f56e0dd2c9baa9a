"""What a scan says of data that a fold left out: chi2, spread, likelihood with PDF errors, statistics, penalties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.hyperopt.losses import LeftOutData, fold_loss, fold_metrics, judged, trial_loss
from nnpdf_lite.hyperopt.penalties import INTEGRABILITY_X, PENALTIES, PENALTY_X, TrainedFold
from nnpdf_lite.runcard.hyperopt_schema import KFold


def sample(seed, n=30, replicas=200, spread=1.0, shift=0.0):
    """Replicas that scatter around the data by ``spread``, their mean off by ``shift``, in units of the error."""
    rng = np.random.default_rng(seed)
    factor = np.tril(0.1 * rng.normal(size=(n, n)), -1) + np.diag(rng.uniform(0.5, 2, n))
    central = 10 + rng.random(n)
    truth = central + factor @ (shift * np.ones(n))
    predictions = truth + spread * rng.normal(size=(replicas, n)) @ factor.T
    return predictions, LeftOutData(central, factor)


@given(st.integers(0, 1000), st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_chi2_is_that_of_the_replicas_mean_with_the_experimental_covariance(seed, shift):
    predictions, data = sample(seed, shift=shift)
    difference = predictions.mean(axis=0) - data.central
    expected = difference @ np.linalg.solve(data.cholesky @ data.cholesky.T, difference) / len(difference)
    assert fold_metrics(predictions, data).chi2 == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 1000), st.floats(0.1, 3))
@settings(max_examples=25, deadline=None)
def test_phi2_is_the_spread_of_the_predictions_in_units_of_the_errors_whatever_the_data(seed, spread):
    predictions, data = sample(seed, spread=spread, shift=1.0)
    covariance = np.cov(predictions, rowvar=False, ddof=0)
    expected = np.trace(np.linalg.solve(data.cholesky @ data.cholesky.T, covariance)) / len(data.central)
    assert fold_metrics(predictions, data).phi2 == pytest.approx(expected, rel=1e-8)


def test_pdf_errors_in_chi2_turn_a_deviation_that_the_spread_covers_into_one_of_a_standard_deviation():
    # Means off by one error of the data, PDFs uncertain by twice that: chi2 is 1, with both errors 1 / (1 + 4) = 0.2; 200
    # replicas know their covariance of 30 points to some 20%.
    predictions, data = sample(3, spread=2.0, shift=1.0, replicas=2000)
    metrics = fold_metrics(predictions, data)
    assert metrics.chi2 == pytest.approx(1, abs=0.15)
    assert metrics.chi2p == pytest.approx(0.2, abs=0.05)


def test_the_likelihood_is_that_of_a_gaussian_with_both_covariances():
    from scipy.stats import multivariate_normal

    predictions, data = sample(4)
    covariance = data.cholesky @ data.cholesky.T + np.cov(predictions, rowvar=False)
    normal = multivariate_normal(predictions.mean(axis=0) / data.central, covariance / np.outer(data.central, data.central))
    expected = -normal.logpdf(np.ones(len(data.central))) / len(data.central)
    assert fold_metrics(predictions, data).logp == pytest.approx(expected, rel=1e-9)


def test_the_likelihood_prefers_an_honest_spread_to_one_too_narrow_or_too_wide():
    # Means are off by twice the errors of the data: PDF errors of twice those are honest.
    losses = [fold_metrics(*sample(5, spread=spread, shift=2.0, replicas=1000)).logp for spread in (0.05, 2.0, 60.0)]
    assert losses[1] < min(losses[0], losses[2])


def test_one_replica_has_no_covariance_and_no_spread():
    predictions, data = sample(6, replicas=1)
    metrics = fold_metrics(predictions, data)
    assert metrics.phi2 == pytest.approx(0, abs=1e-12) and metrics.chi2p == pytest.approx(metrics.chi2, rel=1e-9)


@pytest.mark.parametrize(
    ("statistic", "expected"), [("average", 2.0), ("best_worst", 3.0), ("std", np.sqrt(2 / 3)), ("average_best", 2.0)]
)
def test_folds_become_one_loss(statistic, expected):
    assert trial_loss(np.array([1.0, 2.0, 3.0]), KFold(fold_statistic=statistic)) == pytest.approx(expected)
    spread = trial_loss(np.array([1.0, 2.0, 3.0]), KFold(fold_statistic=statistic, loss_type="phi2"))
    assert spread == pytest.approx(1 / expected)  # the largest spread wins


def test_the_loss_of_a_fold_is_of_the_mean_or_of_single_replicas_and_carries_its_weight():
    metrics = fold_metrics(*sample(7))
    assert fold_loss(metrics, KFold()) == metrics.chi2
    assert fold_loss(metrics, KFold(replica_statistic="average"), 2.0) == pytest.approx(2 * metrics.replicas.mean())
    assert fold_loss(metrics, KFold(replica_statistic="best_worst")) == metrics.replicas.max()
    assert fold_loss(metrics, KFold(loss_type="logp", replica_statistic="average")) == metrics.logp


def test_replicas_of_lowest_validation_chi2_are_judged_and_none_that_fails_positivity():
    validation = np.array([3.0, 1.0, 2.0, np.nan, 0.5])
    assert judged(validation, np.ones(5, bool), 0.6).tolist() == [4, 1, 2]
    assert judged(validation, np.array([True, True, True, True, False]), 0.6).tolist() == [1, 2, 0]
    assert len(judged(validation, np.ones(5, bool), 0.41)) == 3  # rounded up


def trained(small_x=0.0, slope=1.0, best_epoch=600, passed=True):
    x = PENALTY_X
    xf = np.zeros((2, len(x), 14))
    xf[..., [EVOLUTION_FLAVOURS.index(name) for name in ("Sigma", "g")]] = (slope * np.log10(x))[:, None]
    xf[:, : len(INTEGRABILITY_X), EVOLUTION_FLAVOURS.index("T3")] = small_x
    return TrainedFold(xf, np.array([2.0, 2.0]), np.full(2, best_epoch), np.full(2, passed), epochs=1000, patience=400)


def test_saturation_is_large_where_sigma_and_g_are_flat_in_log_x():
    rising, flat = (PENALTIES["saturation"](trained(slope=slope)) for slope in (1.0, 1e-3))
    assert rising == pytest.approx([2.0, 2.0], rel=1e-6)  # a slope of 1 in each of two flavours, the same everywhere
    assert flat == pytest.approx([2e3, 2e3], rel=1e-3)


def test_patience_is_least_for_a_replica_whose_best_epoch_just_lies_its_patience_before_the_end():
    here = PENALTIES["patience"](trained(best_epoch=600))
    assert here == pytest.approx([2.0, 2.0])  # the validation chi2 itself, as in n3fit
    for other in (100, 999):
        assert (PENALTIES["patience"](trained(best_epoch=other)) > here).all()


def test_integrability_counts_from_where_postfit_would_drop_a_replica_and_does_not_overflow():
    assert PENALTIES["integrability"](trained(small_x=0.1)).tolist() == [0, 0]  # 0.3 in three points, 0.5 is allowed
    assert PENALTIES["integrability"](trained(small_x=0.2)) == pytest.approx(np.full(2, np.expm1(0.6)))
    assert np.isfinite(PENALTIES["integrability"](trained(small_x=1e9))).all()


def test_positivity_counts_replicas_without_an_epoch_that_passes():
    assert PENALTIES["positivity"](trained()).tolist() == [0, 0]
    assert PENALTIES["positivity"](trained(passed=False)).tolist() == [1, 1]
