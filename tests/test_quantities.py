"""Distances, arc lengths, exponents, sum rules, luminosities, and data beside theory, each against another route."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize
from toy_proton import CARD, field_xgrid, proton
from toy_sets import X, normal, toy_set

from nnpdf_lite.ensembles import load_set
from nnpdf_lite.ensembles.arc_lengths import arc_length_table, arc_lengths
from nnpdf_lite.ensembles.data_theory import data_theory
from nnpdf_lite.ensembles.distances import distance_table, distances, pulls
from nnpdf_lite.ensembles.exponents import (
    ALPHA_LIMITS,
    alpha_effective,
    beta_effective,
    next_ranges,
    preprocessing_table,
)
from nnpdf_lite.ensembles.luminosity import CHANNELS, luminosities, luminosity_table
from nnpdf_lite.ensembles.sum_rules import SUM_RULES, momentum_fractions, quadrature, sum_rule_table, sum_rules
from nnpdf_lite.ensembles.uncertainty import ErrorModel, Members
from nnpdf_lite.errors import InputError
from nnpdf_lite.results.chi2 import chi2_table
from nnpdf_lite.results.lhapdf_writer import write_lhapdf

NNPDF40 = Path(__file__).parents[2] / "shared" / "pdfs" / "NNPDF40_nnlo_as_01180"
PIDS = (-5, -4, -3, -2, -1, 21, 1, 2, 3, 4, 5)


def sample(values):
    """A quantity of a set of replicas; member 0 plays no part."""
    values = np.asarray(values, dtype=float)
    return Members(np.concatenate([values[:1], values]), ErrorModel("replicas", len(values)))


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    return toy_set(tmp_path_factory.mktemp("sets") / "mc", normal(60))


@pytest.fixture(scope="module")
def nnpdf40():
    if not NNPDF40.is_dir():
        pytest.skip(f"no PDF set in {NNPDF40}")
    return load_set(NNPDF40)


@pytest.fixture(scope="module")
def written_fit(written_tiny_fit):
    return load_set(written_tiny_fit)


# Distances


def test_two_samples_of_one_distribution_are_at_distance_one():
    rng = np.random.default_rng(5)
    one, other = sample(rng.normal(size=(100, 4000))), sample(rng.normal(size=(70, 4000)))
    means, sigmas = distances(one, other)
    # The mean of 4000 squares with expectation 1 scatters by sqrt(2/4000) = 0.02; variances are a little less Gaussian.
    assert np.mean(means**2) == pytest.approx(1, abs=0.08)
    assert np.mean(sigmas**2) == pytest.approx(1, abs=0.12)


def test_a_shift_by_one_sigma_of_a_hundred_replicas_is_a_distance_of_seven():
    drawn = np.random.default_rng(5).normal(size=(100, 50))
    drawn = (drawn - drawn.mean(axis=0)) / drawn.std(axis=0, ddof=1)
    means, sigmas = distances(sample(drawn), sample(drawn + 1))
    assert np.allclose(means, np.sqrt(50)) and np.allclose(sigmas, 0, atol=1e-6)
    assert np.allclose(pulls(sample(drawn), sample(drawn + 1)), 1 / np.sqrt(2))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_distances_are_symmetric_and_know_no_units(seed, unit, offset):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(12, 3)), 0.3 + 2 * rng.normal(size=(9, 3))
    there, back = distances(sample(a), sample(b)), distances(sample(b), sample(a))
    moved = distances(sample(unit * (a + offset)), sample(unit * (b + offset)))
    assert np.allclose(there, back) and np.allclose(there, moved, rtol=1e-6)


def test_only_replicas_have_distances_and_everything_has_a_pull(replicas):
    alone = load_set("NNPDFLITE_dis_nnlo")
    table = distance_table(replicas, alone, ["g"], np.array([0.1]), 10.0)
    assert table[["distance", "sigma_distance"]].isna().all(axis=None) and table.pull[0] > 0
    with pytest.raises(InputError, match="two sets of replicas"):
        distances(replicas.xf("g", [0.1], 10.0), alone.xf("g", [0.1], 10.0))
    assert distance_table(alone, alone, ["g"], np.array([0.1]), 10.0).pull.isna().all()


# Arc lengths


def test_arc_lengths_of_a_fit_are_those_postfit_used(written_fit):
    recorded = np.array([record.arc_lengths for record in written_fit.fit.ensemble.records])
    assert np.allclose(arc_lengths(written_fit, 1.65).replicas, recorded, rtol=1e-3)
    assert np.allclose(arc_length_table(written_fit, 1.65).central, recorded.mean(axis=0), rtol=1e-3)


def test_arc_length_is_the_integral_of_the_slope(replicas):
    x = np.concatenate([np.geomspace(1e-6, 1e-2, 20_000, endpoint=False), np.linspace(1e-2, 1, 20_000)])
    slope = np.gradient(replicas.xf("g", x, 1.65).values[0], x)
    assert arc_lengths(replicas, 1.65, ["g"]).values[0, 0] == pytest.approx(
        np.trapezoid(np.hypot(1, slope), x), rel=1e-3
    )


# Exponents


def test_the_exponents_of_a_power_are_that_power(tmp_path):
    # x g = 2 x^-0.1 (1-x)^5: alpha -> 1.1 - ln 2 / ln x, beta -> 5 + (ln 2 - 1.1 ln x) / ln(1-x).
    pdf = toy_set(tmp_path / "power", np.zeros((3, 1)))
    small, large = np.array([1e-8, 1e-6, 1e-4]), X[[86, 94, 97]]  # on knots
    assert np.allclose(alpha_effective(pdf, "g", small).central, 1.1 - np.log(2) / np.log(small), atol=2e-3)
    expected = 5 + (np.log(2) - 1.1 * np.log(large)) / np.log(1 - large)
    assert np.allclose(beta_effective(pdf, "g", large).central, expected, atol=2e-3)


def test_next_ranges_are_mean_and_twice_the_interval_at_the_fields_points(replicas):
    ranges = next_ranges(replicas, ["g", "t3", "sng"], limits=False)
    at = {fl: alpha_effective(replicas, name, np.array([1e-6, 1e-3])) for fl, name in (("g", "g"), ("t3", "T3"))}
    mean, (low, high) = at["g"].central, at["g"].interval()
    assert ranges["g"]["alpha"] == pytest.approx((2 * low[0] - mean[0], 2 * high[0] - mean[0]))  # at 1e-6 alone
    mean, (low, high) = at["t3"].central, at["t3"].interval()
    assert ranges["t3"]["alpha"] == pytest.approx((min(2 * low - mean), min(2, max(2 * high - mean))))
    beta = beta_effective(replicas, "g", np.array([0.65, 0.95]))
    mean, (low, high) = beta.central, beta.interval()
    assert ranges["g"]["beta"] == pytest.approx((max(0, min(2 * low - mean)), max(2 * high - mean)))


def test_alpha_stays_where_pdfs_are_integrable(written_fit):
    table = preprocessing_table(written_fit).set_index(["fl", "exponent"])
    free = preprocessing_table(written_fit, limits=False).set_index(["fl", "exponent"])
    for fl, most in ALPHA_LIMITS.items():
        if (fl, "alpha") in table.index:
            assert table.next_high[fl, "alpha"] == pytest.approx(min(most, free.next_high[fl, "alpha"]))
    assert table.low["sng", "alpha"] == written_fit.fit.runcard.fitting.basis[0].smallx[0]
    assert (table.next_low <= table.next_high).all()


def test_ranges_need_a_fit(replicas):
    with pytest.raises(InputError, match="belongs to none"):
        preprocessing_table(replicas)


# Sum rules


def test_every_member_of_a_proton_obeys_its_sum_rules(tmp_path):
    x = field_xgrid()
    members = np.array([proton(x, soft) for soft in (0.7, 0.8)])
    pdf = load_set(write_lhapdf(tmp_path / "proton", members, x, CARD))
    expected = [value for _, _, value in SUM_RULES.values()]
    for q in (1.65, 10.0, 100.0):
        assert np.allclose(sum_rules(pdf, q).values, expected, atol=1e-3)
        table = sum_rule_table(pdf, q).set_index("rule")
        assert table.central["momentum of g"] + table.central["momentum of Sigma"] == pytest.approx(1, abs=1e-3)


def test_the_quadrature_integrates_powers():
    x, weights = quadrature(1e-9)
    for power in (-0.5, 0.0, 3.0):
        assert weights @ x**power == pytest.approx((1 - 1e-9 ** (power + 1)) / (power + 1), rel=1e-9)


def test_momentum_fractions_against_another_integration(replicas):
    def integrand(x):
        return float(replicas.xf("g", [x], 10.0).values[3, 0])

    by_quad = sum(quad(integrand, *limits, limit=100)[0] for limits in ((1e-9, 1e-4), (1e-4, 0.1), (0.1, 1)))
    assert momentum_fractions(replicas, 10.0, ("g",)).values[3, 0] == pytest.approx(by_quad, rel=1e-4)


# Luminosities


def luminosity_by_quad(pdf, channel, mass, sqrts, cut):
    """Integrate in x, not in rapidity, with sums written out."""
    tau = (mass / sqrts) ** 2

    def f(x):
        return dict(zip(PIDS, pdf.lhapdf.xfxq(PIDS, [x], mass)[:, 0, 0] / x))

    def integrand(log_x):
        x = np.exp(log_x)
        a, b = f(x), f(tau / x)
        quarks = [pid for pid in PIDS if pid != 21]
        return {
            "gg": lambda: a[21] * b[21],
            "gq": lambda: sum(a[21] * b[i] + a[i] * b[21] for i in quarks),
            "qq": lambda: sum(a[i] * b[j] for i in quarks for j in quarks),
            "qqbar": lambda: sum(a[i] * b[-i] for i in quarks),
        }[channel]()

    low, high = np.log(tau), 0.0
    if cut is not None:
        low, high = max(low, 0.5 * np.log(tau) - cut), min(high, 0.5 * np.log(tau) + cut)
    return quad(integrand, low, high, epsrel=1e-6, limit=200)[0] / sqrts**2


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("mass", "cut"), [(30.0, None), (125.0, 2.5), (3000.0, None)])
def test_luminosities_of_nnpdf40_against_an_integration_in_x(nnpdf40, channel, mass, cut):
    found = luminosities(nnpdf40, [mass], 14e3, channels=[channel], rapidity_cut=cut).values[0, 0, 0]
    assert found == pytest.approx(luminosity_by_quad(nnpdf40, channel, mass, 14e3, cut), rel=1e-3)


def test_a_cut_beyond_the_kinematic_limit_changes_nothing(replicas):
    free = luminosities(replicas, [100.0], 14e3).values
    assert np.array_equal(luminosities(replicas, [100.0], 14e3, rapidity_cut=9.0).values, free)
    assert np.all(luminosities(replicas, [100.0], 14e3, rapidity_cut=2.0).values < free)
    assert luminosity_table(replicas, [100.0, 500.0]).channel.tolist() == [c for c in CHANNELS for _ in range(2)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": ["gluon"]}, "expected gg, gq"),
        ({"masses": [2e4]}, "0 < M < 14000"),
        ({"rapidity_cut": -1}, "positive"),
    ],
)
def test_luminosities_that_make_no_sense_are_refused(replicas, options, words):
    with pytest.raises(InputError, match=words):
        luminosities(replicas, **options)


# Data and theory


@pytest.mark.parametrize("t0", [False, True])
def test_shifts_and_what_they_leave_add_up_to_chi2(written_fit, small_problem, t0):
    predictions = written_fit.predictions(small_problem)
    table = chi2_table(small_problem, predictions.values[0]).set_index("name")
    for found in data_theory(written_fit, small_problem, predictions, t0=t0):
        expected = table.loc[found.name, "chi2_t0" if t0 else "chi2_exp"] * len(found.data)
        assert found.chi2 == pytest.approx(expected, rel=1e-8)
        assert len(found.table()) == len(found.data) == table.ndata[found.name]


def test_shifts_minimise_chi2(written_fit, small_problem):
    found = data_theory(written_fit, small_problem)[0]
    uncertainties = found.dataset.uncertainties
    beta = uncertainties.values[:, [str(name) in found.sources for name in uncertainties.names]]

    def chi2(r):
        return np.sum(((found.data - found.central - beta @ r) / found.uncorrelated) ** 2) + r @ r

    best = minimize(chi2, np.zeros(len(found.nuisance)), tol=1e-12)
    assert best.fun == pytest.approx(found.chi2, rel=1e-6)
    assert np.allclose(best.x, found.nuisance, atol=1e-3)
    assert np.allclose(found.shifted_theory - found.central, found.data - found.shifted_data)
