"""Opening sets of every kind, flavours by name, and what the members mean."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_sets import X, central, normal, toy_set, variations

import nnpdf_lite
from nnpdf_lite.ensembles import latex, load_set
from nnpdf_lite.ensembles.combinations import COEFFICIENTS, is_ratio, pids_of, value
from nnpdf_lite.ensembles.statistics import data_correlations, flavour_correlations
from nnpdf_lite.ensembles.uncertainty import ErrorModel, Members
from nnpdf_lite.errors import InputError
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS, FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION

SHOWN = np.array([1e-5, 1e-3, 0.1, 0.5])


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    return toy_set(tmp_path_factory.mktemp("sets") / "mc", normal(60))


# Sources


def test_a_fit_folder_its_fit_object_and_its_set_are_the_same_set(written_tiny_fit):
    sets = [
        load_set(written_tiny_fit),
        nnpdf_lite.load_set(nnpdf_lite.load_fit(written_tiny_fit)),
        load_set(written_tiny_fit / "postfit/tiny"),
    ]
    values = [pdf.xf("g", SHOWN, 10.0).values for pdf in sets]
    assert np.array_equal(values[0], values[1]) and np.array_equal(values[0], values[2])
    assert [pdf.fit is None for pdf in sets] == [False, False, True]
    assert sets[0].label == "tiny (3 replicas)"
    assert load_set(sets[0]) is sets[0]


def test_a_fit_without_a_set_is_told_what_to_run(tiny_fit, tmp_path):
    copy = Path(shutil.copytree(tiny_fit, tmp_path / "tiny", symlinks=True))
    shutil.rmtree(copy / "postfit", ignore_errors=True)
    with pytest.raises(InputError, match="no LHAPDF set yet; run 'nnpdf-lite evolve .*tiny'"):
        load_set(copy)


def test_a_fit_under_a_new_name_is_told_that_its_set_has_the_former_one(written_tiny_fit, tmp_path):
    copy = Path(shutil.copytree(written_tiny_fit, tmp_path / "renamed", symlinks=True))
    with pytest.raises(InputError, match="has that of its former name, 'tiny'; run 'nnpdf-lite evolve .*renamed'"):
        load_set(copy)


def test_a_set_older_than_its_postfit_is_refused(written_tiny_fit, tmp_path):
    copy = Path(shutil.copytree(written_tiny_fit, tmp_path / "tiny", symlinks=True))
    (copy / "postfit/tiny/tiny_0003.dat").unlink()
    with pytest.raises(InputError, match="has 2 replicas where postfit kept 3 of 3.*run 'nnpdf-lite evolve"):
        load_set(copy)


def test_a_set_is_refused_when_replicas_came_after_it(written_tiny_fit, tmp_path):
    copy = Path(shutil.copytree(written_tiny_fit, tmp_path / "tiny", symlinks=True))
    shutil.copytree(copy / "nnfit/replica_1", copy / "nnfit/replica_9")
    with pytest.raises(InputError, match="kept 3 of 3, and 4 are there now; run 'nnpdf-lite evolve"):
        load_set(copy)


def test_a_misspelt_fit_is_answered_with_the_nearest_one(written_tiny_fit):
    with pytest.raises(InputError, match="Did you mean 'tiny'"):
        load_set(written_tiny_fit.parent / "tiny1")


def test_a_set_of_one_member_has_a_value_and_no_uncertainty():
    pdf = load_set("NNPDFLITE_dis_nnlo")
    table = pdf.table(["g", "d/u"], SHOWN, 10.0)
    assert pdf.label == "NNPDFLITE_dis_nnlo (one member, no uncertainty)"
    assert np.isfinite(table.central).all() and table[["sigma", "low68", "high68"]].isna().all(axis=None)
    assert flavour_correlations(pdf, ["g"], SHOWN, 10.0).isna().all(axis=None)


def test_predictions_of_a_fit_are_those_of_its_replicas_and_not_of_its_grids(written_tiny_fit, small_problem):
    pdf = load_set(written_tiny_fit)
    assert np.allclose(pdf.predictions(small_problem).values, pdf.fit.predictions(), rtol=1e-12)
    grids = load_set(written_tiny_fit / "postfit/tiny").predictions(small_problem).values
    assert np.allclose(grids, pdf.fit.predictions(), rtol=1e-3)


# Flavours


def test_evolution_names_are_the_evolution_basis(replicas):
    x = SHOWN
    basis = np.array([replicas.lhapdf.evolution_basis(x, 10.0, m) for m in (0, 7)]) * x[None, :, None]
    names = [name for name in EVOLUTION_FLAVOURS if name != "photon"]
    ours = replicas.xf(names, x, 10.0).values[[0, 7]]
    columns = [EVOLUTION_FLAVOURS.index(name) for name in names]
    assert np.allclose(ours, basis[:, :, columns].transpose(0, 2, 1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("formula", "by_hand"),
    [
        ("uv", lambda u, ubar, d, dbar: u - ubar),
        ("d+", lambda u, ubar, d, dbar: d + dbar),
        ("ubar + dbar", lambda u, ubar, d, dbar: ubar + dbar),
        ("d/u", lambda u, ubar, d, dbar: d / u),
        ("(dbar - ubar) / (dbar + ubar)", lambda u, ubar, d, dbar: (dbar - ubar) / (dbar + ubar)),
        ("0.5 * T3", lambda u, ubar, d, dbar: 0.5 * (u + ubar - d - dbar)),
    ],
)
def test_formulas_are_evaluated_member_by_member(replicas, formula, by_hand):
    u, ubar, d, dbar = replicas.xf(["u", "ubar", "d", "dbar"], SHOWN, 10.0).values.transpose(1, 0, 2)
    assert np.allclose(replicas.xf(formula, SHOWN, 10.0).values, by_hand(u, ubar, d, dbar), rtol=1e-12)


@given(st.sampled_from(sorted(COEFFICIENTS)), st.lists(st.floats(-1, 1), min_size=14, max_size=14))
def test_every_name_is_linear_in_the_partons(name, numbers):
    xf = {pid: np.array([v]) for pid, v in zip(FLAVOUR_PIDS, numbers)}
    vector = np.array([COEFFICIENTS[name].get(pid, 0.0) for pid in FLAVOUR_PIDS])
    assert value(name, xf)[0] == pytest.approx(vector @ numbers, abs=1e-12)
    if name in EVOLUTION_FLAVOURS:
        assert vector.tolist() == FLAVOUR_TO_EVOLUTION[EVOLUTION_FLAVOURS.index(name)].tolist()


def test_labels_are_the_fields():
    written = {
        "g": "xg",
        "Sigma": r"x\Sigma",
        "ubar": r"x\bar{u}",
        "uv": "xu_V",
        "s+": "xs^+",
        "T15": "xT_{15}",
        "d/u": "d/u",
    }
    assert {name: latex(name) for name in written} == written
    assert latex("ubar+dbar") == r"x(\bar{u}+\bar{d})" and is_ratio("d/u") and not is_ratio("ubar+dbar")


@pytest.mark.parametrize(
    ("formula", "words"),
    [("sigma", "Did you mean 'Sigma'"), ("u*g", "sum of flavours or a ratio"), ("log(u)", "sum of flavours or a ratio"),
     ("u > d", "expected a combination"), ("2", "expected a combination"), ("u+", None), ("u+*", "not a valid formula"),
     ("__import__('os')", "unknown function"), ("", "not a valid formula")],
)  # fmt: skip
def test_what_is_no_flavour_is_refused(formula, words):
    if words is None:
        assert pids_of(formula) == [-2, 2]
        return
    with pytest.raises(InputError, match=words):
        pids_of(formula)


# Uncertainties


def members(values, kind, **info):
    values = np.asarray(values, dtype=float)
    return Members(values, ErrorModel.from_info("toy", {"ErrorType": kind, **info}, len(values)))


def test_replicas_have_mean_standard_deviation_and_quantiles():
    drawn = np.random.default_rng(3).lognormal(size=1001)
    found = members(np.concatenate([[7.0], drawn]), "replicas")  # member 0 plays no part
    assert found.central == pytest.approx(drawn.mean()) and found.sigma == pytest.approx(drawn.std(ddof=1))
    low, high = found.interval()
    inside = np.mean((drawn > low) & (drawn < high))
    assert inside == pytest.approx(0.683, abs=2e-3)
    assert found.interval(0.95)[1] > high


def test_hessian_pairs_have_lhapdfs_symmetric_and_asymmetric_errors():
    # Two pairs about 10: (+3, -1) and (+2, +1), the second to one side only.
    found = members([10, 13, 9, 12, 11], "hessian")
    assert found.central == 10
    assert found.sigma == pytest.approx(0.5 * np.hypot(4, 1))
    low, high = found.interval()
    assert high - 10 == pytest.approx(np.hypot(3, 2)) and 10 - low == pytest.approx(1)


def test_ninety_percent_eigenvectors_are_rescaled_to_one_sigma():
    at90 = members([10, 11.645, 8.355], "hessian", ErrorConfLevel=90)
    assert at90.sigma == pytest.approx(1.0, rel=1e-3)
    symmetric = members([10, 11.645], "symmhessian", ErrorConfLevel=90)
    assert symmetric.sigma == pytest.approx(1.0, rel=1e-3)
    assert symmetric.interval(0.9)[1] == pytest.approx(11.645, rel=1e-3)


def test_parameter_variations_are_no_error_members(tmp_path):
    assert ErrorModel.from_info("toy", {"ErrorType": "hessian+as"}, 5) == ErrorModel("hessian", 2, pytest.approx(1))
    pdf = toy_set(tmp_path / "as", normal(6), kind="replicas+as")
    assert pdf.errors == ErrorModel("replicas", 4) and pdf.xf("g", SHOWN, 10.0).values.shape == (5, 4)


@pytest.mark.parametrize(
    ("info", "members_there", "words"),
    [({"ErrorType": "hesian"}, 5, "Did you mean 'hessian'"), ({"ErrorType": "hessian", "NumMembers": 9}, 5, "9 expected"),
     ({"ErrorType": "hessian"}, 4, "without all of them"), ({"ErrorType": "hessian", "NumMembers": "x"}, 5, "expected a number"), ({"ErrorType": "symmhessian", "ErrorConfLevel": 100}, 5, "below 100")],
)  # fmt: skip
def test_a_set_whose_errors_mean_nothing_is_refused(info, members_there, words):
    with pytest.raises(InputError, match=words):
        ErrorModel.from_info("toy", info, members_there)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_the_three_kinds_agree_on_one_gaussian(seed):
    """Eigenvectors, pairs of them and an exact sample with their covariance give one sigma and one correlation."""
    rng = np.random.default_rng(seed)
    vectors, origin = rng.normal(size=(3, 5)), rng.normal(size=5)
    symmetric = members(np.vstack([origin, origin + vectors]), "symmhessian")
    pairs = members(np.vstack([origin, *[origin + s * v for v in vectors for s in (1, -1)]]), "hessian")
    sample = np.linalg.qr(rng.normal(size=(40, 3)) - 0.0)[0]
    sample = np.linalg.qr(sample - sample.mean(axis=0))[0] * np.sqrt(39)  # mean 0, covariance exactly 1
    replicas = members(np.vstack([origin, origin + sample @ vectors]), "replicas")
    for other in (pairs, replicas):
        assert np.allclose(other.central, symmetric.central)
        assert np.allclose(other.sigma, symmetric.sigma)
        assert np.allclose(other.correlation(), symmetric.correlation())


def test_two_sets_have_no_correlation_with_each_other():
    one, other = (members(np.random.default_rng(0).normal(size=(n, 2)), "replicas") for n in (5, 6))
    with pytest.raises(InputError, match="two sets"):
        one.correlation(other)


# Tables


def test_the_table_is_the_closed_form_on_the_knots(replicas):
    x, q = X[[5, 30, 60, 80]], 10.0
    table = replicas.table(["g", "u"], x, q).set_index(["flavour", "x"])
    rows = normal(60)
    for flavour, pid in (("g", 21), ("u", 2)):
        exact = (1 + rows @ variations(pid, 6, x)) * central(pid, x, np.array([q]))[:, 0]
        assert np.allclose(table.loc[flavour].central, exact.mean(axis=0), rtol=1e-6)
        assert np.allclose(table.loc[flavour].sigma, exact.std(axis=0, ddof=1), rtol=1e-5)


def test_correlations_are_pearsons(replicas):
    table = flavour_correlations(replicas, ["g", "u"], SHOWN, 10.0)
    g, u = (replicas.xf(f, SHOWN, 10.0).replicas for f in ("g", "u"))
    assert table.loc[("g", 0.1), ("u", 0.5)] == pytest.approx(np.corrcoef(g[:, 2], u[:, 3])[0, 1])
    assert np.allclose(np.diag(table), 1)


def test_predictions_correlate_with_the_pdfs_they_are_made_of(written_tiny_fit, small_problem):
    pdf = load_set(written_tiny_fit)
    table = data_correlations(pdf, small_problem, "u", SHOWN, 10.0)
    point = table.index.get_loc(("SLAC_NC_NOTFIXED_P_EM-F2", int(small_problem.datasets[0].kept[0])))
    by_hand = np.corrcoef(pdf.fit.predictions()[1:, point], pdf.xf("u", SHOWN, 10.0).replicas[:, 2])[0, 1]
    assert table.shape == (small_problem.n_data, 4) and table.iloc[point, 2] == pytest.approx(by_hand)
