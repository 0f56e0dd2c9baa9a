"""Sets made from sets: Hessian, compressed, combined. Read back by two readers; what they keep and what they refuse."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_sets import FLAVOURS, Q, X, normal, toy_set

import nnpdf_lite
from nnpdf_lite.ensembles import load_set
from nnpdf_lite.ensembles.compression import ESTIMATORS, compress, write_selection
from nnpdf_lite.ensembles.hessian import write_hessian
from nnpdf_lite.ensembles.linear import Part, common_grid, write_combinations
from nnpdf_lite.ensembles.set_combination import replica_combinations, write_combination
from nnpdf_lite.ensembles.uncertainty import ErrorModel, Members
from nnpdf_lite.errors import InputError
from nnpdf_lite.pdf.lhapdf_format import read_member

ROOT = Path(__file__).parents[1]
SHOWN = np.geomspace(1e-4, 0.7, 15)
NAMES = ("g", "u", "ubar", "d", "dbar", "s", "c", "b", "Sigma", "V", "V3", "V8", "T3", "T8", "T15")
#: The data region, in which conversion and compression are to hold.
REGION = np.concatenate([np.geomspace(1e-4, 0.1, 60), np.linspace(0.1, 0.7, 60)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sets")


@pytest.fixture(scope="module")
def replicas(folder):
    return toy_set(folder / "mc", normal(60))


@pytest.fixture(scope="module")
def other(folder):
    return toy_set(folder / "other", 0.5 + normal(40, seed=9))


@pytest.fixture(scope="module")
def hundred(tmp_path_factory):
    """A fit of a hundred replicas to the DIS data: NNPDF_LITE_TEST_FIT names one that is finished, to save the time."""
    if "NNPDF_LITE_TEST_FIT" in os.environ:
        return load_set(os.environ["NNPDF_LITE_TEST_FIT"])
    fit = nnpdf_lite.fit("dis_nnlo", output=tmp_path_factory.mktemp("fits") / "hundred", progress=False)
    fit.postfit()
    fit.to_lhapdf()
    return load_set(fit)


def relative(found, expected):
    return np.max(np.abs(found - expected) / np.abs(expected))


# Linear combinations


def test_the_same_members_are_the_same_numbers(replicas, folder):
    path = write_combinations(folder / "copy", [Part(replicas, np.eye(61))], {"SetDesc": "a copy"})
    for member in (0, 17, 60):
        ours, theirs = (read_member(p / f"{p.name}_{member:04d}.dat") for p in (path, replicas.lhapdf.path))
        for a, b in zip(ours, theirs, strict=True):
            assert np.array_equal(a.values, b.values) and np.array_equal(a.x, b.x) and np.array_equal(a.q, b.q)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_a_combination_of_grids_is_the_combination_of_values(tmp_path_factory, coefficients):
    base = tmp_path_factory.mktemp("linear")
    pdf = toy_set(base / "three", normal(3))
    made = load_set(write_combinations(base / "made", [Part(pdf, np.array([[1, 0, 0, 0], coefficients]))], {}))
    expected = np.tensordot(coefficients, pdf.xf(NAMES, SHOWN, 10.0).values, axes=(0, 0))
    found = made.lhapdf.xfxq(FLAVOURS, SHOWN, 10.0, 1)[FLAVOURS.index(21), :, 0]
    assert np.allclose(found, expected[0], atol=1e-6)


# Hessian sets


def test_as_many_eigenvectors_as_variations_lose_nothing(replicas, folder):
    made = load_set(write_hessian(replicas, folder / "hessian6", 6))
    for q in (1.65, 10.0, 1e3):
        ours, theirs = made.xf(NAMES, SHOWN, q), replicas.xf(NAMES, SHOWN, q)
        assert np.allclose(ours.central, theirs.central, rtol=1e-6)
        varies = theirs.sigma > 0
        assert relative(ours.sigma[varies], theirs.sigma[varies]) < 1e-4
        one, two = (Members(m.values[:, varies], m.errors).correlation() for m in (ours, theirs))
        assert np.allclose(one, two, atol=1e-3)


def test_a_hessian_set_is_read_alike_by_neopdf_and_parton(replicas, folder):
    parton = pytest.importorskip("parton")
    path = write_hessian(replicas, folder / "hessian4", 4)
    info = yaml.safe_load((path / "hessian4.info").read_text())
    assert (info["ErrorType"], info["NumMembers"], info["SetIndex"]) == ("symmhessian", 5, 0)
    assert info["ErrorConfLevel"] == pytest.approx(68.268949)
    pdf = load_set(path)
    for member in range(5):
        other = parton.PDF(path.name, member, pdfdir=str(path.parent))
        theirs = other.xfxQ(np.full(len(SHOWN), 21), SHOWN, np.full(len(SHOWN), 10.0), grid=False)
        assert np.allclose(pdf.lhapdf.xfxq([21], SHOWN, 10.0, member)[0, :, 0], theirs, rtol=5e-3)
    assert [path.joinpath(f"hessian4_000{m}.dat").read_text().split("\n")[0] for m in (0, 1)] == [
        "PdfType: central",
        "PdfType: error",
    ]


@pytest.mark.slow
def test_fifty_eigenvectors_keep_means_and_bands_of_a_hundred_replicas_within_five_percent(hundred, tmp_path):
    made = load_set(write_hessian(hundred, tmp_path / "hessian", 50))
    for q in (10.0, 100.0):
        ours, theirs = made.xf(NAMES, REGION, q), hundred.xf(NAMES, REGION, q)
        assert np.max(np.abs(ours.central - theirs.central) / theirs.sigma) < 1e-3
        assert relative(ours.sigma, theirs.sigma) < 0.05


@pytest.mark.parametrize("n", [0, 60])
def test_more_eigenvectors_than_replicas_allow_are_refused(replicas, tmp_path, n):
    with pytest.raises(InputError, match="expected 1 to 59"):
        write_hessian(replicas, tmp_path / "x", n)
    assert not (tmp_path / "x").exists()


def test_only_replicas_become_eigenvectors(folder, tmp_path):
    with pytest.raises(InputError, match="made from replicas; this is a set of one member"):
        write_hessian(load_set("NNPDFLITE_dis_nnlo"), tmp_path / "x")
    with pytest.raises(InputError, match="only sets of replicas"):
        compress(toy_set(tmp_path / "h", normal(6), kind="hessian"), 3)


# Compression


def test_a_compressed_set_beats_random_ones_on_every_estimator(replicas):
    found = compress(replicas, 24, searches=1, generations=100)
    assert found.errors.estimator.tolist() == list(ESTIMATORS)
    assert (found.errors.compressed < found.errors.random).all()
    assert found.errors.ratio.mean() < 0.75
    assert len(set(found.chosen)) == 24 and found.chosen.min() >= 1 and found.chosen.max() <= 60


def test_a_compression_is_a_function_of_its_seed(replicas):
    one, again, another = (compress(replicas, 10, seed=seed, searches=2, generations=5).chosen for seed in (3, 3, 4))
    assert np.array_equal(one, again) and not np.array_equal(one, another)


@pytest.mark.slow
def test_forty_of_a_hundred_replicas_beat_random_ones_on_every_estimator(hundred):
    errors = compress(hundred, 40).errors
    assert (errors.compressed < errors.random).all()
    assert errors.ratio.max() < 0.9 and errors.ratio.mean() < 0.65


def test_the_estimators_are_those_of_scipy(replicas, folder):
    from scipy.stats import kurtosis, skew

    from nnpdf_lite.ensembles.compression import SAMPLED_X, _Statistics

    statistics = _Statistics.of(replicas)
    subset = np.zeros((1, 60), bool)
    subset[0, :30] = True
    found = dict(zip(ESTIMATORS, (values[0] for values in statistics.estimators(subset))))
    z = statistics.features[:, : statistics.n_points]
    assert np.allclose(found["mean"], z[:30].mean(axis=0)) and np.allclose(found["sigma"], z[:30].std(axis=0))
    assert np.allclose(found["skewness"], skew(z[:30])) and np.allclose(
        found["kurtosis"], kurtosis(z[:30], fisher=False)
    )
    pearson = np.corrcoef(z[:30].T)[tuple(statistics.pairs)]
    assert np.allclose(found["correlation"], pearson) and len(SAMPLED_X) <= statistics.n_points
    within = np.mean((z[:30] >= 0) & (z[:30] < 1), axis=0)
    assert np.allclose(found["kolmogorov"].reshape(6, -1)[3], within)


def test_a_selection_holds_its_members_and_their_mean(replicas, folder):
    made = load_set(write_selection(replicas, folder / "some", [5, 9, 9], "three"))
    values = replicas.xf("g", SHOWN, 10.0).values[[5, 9, 9]]
    assert np.allclose(made.xf("g", SHOWN, 10.0).values, [values.mean(axis=0), *values], rtol=1e-6)
    assert made.errors == ErrorModel("replicas", 3) and made.lhapdf.info["SetDesc"] == "three"


def test_replicas_that_are_all_alike_have_nothing_to_describe(tmp_path):
    alike = toy_set(tmp_path / "alike", np.ones((6, 2)))
    for make in (lambda: write_hessian(alike, tmp_path / "x", 2), lambda: compress(alike, 3)):
        with pytest.raises(InputError, match="all alike"):
            make()


# Combination


def test_a_combination_has_the_moments_of_the_mixture(replicas, other, folder):
    made = load_set(write_combination([replicas, other], folder / "both", [40, 40]))
    assert made.errors.n == 80
    assert "40 from mc, 40 from other" in made.lhapdf.info["SetDesc"]
    found = made.xf("g", SHOWN, 10.0)
    one, two = found.replicas[:40], found.replicas[40:]
    for part, source in ((one, replicas), (two, other)):
        own = source.xf("g", SHOWN, 10.0).replicas
        assert all(any(np.allclose(row, candidate, rtol=1e-6) for candidate in own) for row in part)
        assert len(np.unique(part, axis=0)) == 40
    assert np.allclose(found.values[0], (one.mean(axis=0) + two.mean(axis=0)) / 2, rtol=1e-6)
    within = (one.var(axis=0) + two.var(axis=0)) / 2
    between = np.square(one.mean(axis=0) - two.mean(axis=0)) / 4
    assert np.allclose(found.replicas.var(axis=0), within + between, rtol=1e-6)


def test_replicas_of_a_hessian_set_have_its_mean_and_spread():
    rng = np.random.default_rng(2)
    for kind, n in (("hessian", 8), ("symmhessian", 4)):
        values = np.concatenate([[10.0], 10 + rng.normal(size=n)])
        errors = ErrorModel(kind, n, 0.6)
        drawn = replica_combinations(errors, 20_000, np.random.default_rng(1)) @ values
        assert drawn.mean() == pytest.approx(10, abs=0.05)
        assert drawn.std() == pytest.approx(float(Members(values, errors).sigma), rel=0.03)


def test_by_default_each_set_gives_as_many_as_the_smallest_has(replicas, other, folder):
    assert load_set(write_combination([replicas, other], folder / "even")).errors.n == 80


def test_sets_on_other_grids_are_combined_where_both_reach(replicas, tmp_path):
    narrow = toy_set(
        tmp_path / "narrow", normal(20), x=X[X > 1e-7], q=(np.geomspace(3.0, 4.92, 5), np.geomspace(4.92, 1e3, 12)),
        flavours=FLAVOURS[1:-1],
    )  # fmt: skip
    made = load_set(write_combination([replicas, narrow], tmp_path / "common", [10, 10]))
    assert made.flavours == FLAVOURS[1:-1]
    assert (made.lhapdf.q_min, made.lhapdf.q_max) == (3.0, 1e3) and made.lhapdf.x_min == X[X > 1e-7][0]
    inside = made.xf("g", SHOWN, 10.0).replicas[10:]
    own = narrow.xf("g", SHOWN, 10.0).replicas
    assert all(min(np.max(np.abs(row / candidate - 1)) for candidate in own) < 2e-3 for row in inside)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"AlphaS_MZ": 0.12}, "AlphaS_MZ is 0.118 and 0.12"), ({"OrderQCD": 1}, "OrderQCD is 2 and 1"),
     ({"flavours": (22,)}, "no flavours or no range"), ({"q": (np.geomspace(2e4, 1e5, 4),)}, "no range of Q in common")],
)  # fmt: skip
def test_sets_that_do_not_fit_together_are_refused(replicas, tmp_path, changes, words):
    odd = toy_set(tmp_path / "odd", normal(5), **changes)
    with pytest.raises(InputError, match=words):
        write_combination([replicas, odd], tmp_path / "x", [3, 3])
    assert not (tmp_path / "x").exists()


def test_more_replicas_than_a_set_has_are_refused(replicas, other, tmp_path):
    with pytest.raises(InputError, match="other: 41 replicas asked for, 40 are there"):
        write_combination([replicas, other], tmp_path / "x", [41, 41])
    with pytest.raises(InputError, match="one for each"):
        write_combination([replicas, other], tmp_path / "x", [1, 2, 3])
    with pytest.raises(InputError, match="one member has no replicas"):
        write_combination([replicas, load_set("NNPDFLITE_dis_nnlo")], tmp_path / "x")


def test_a_name_that_is_taken_is_left_alone(replicas, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes").write_text("keep")
    for write in (lambda p: write_hessian(replicas, p, 3), lambda p: write_selection(replicas, p, [1, 2], "")):
        with pytest.raises(InputError, match="exists already"):
            write(tmp_path / "mine")
    assert (tmp_path / "mine/notes").read_text() == "keep"


def test_the_grid_of_one_set_is_its_own(replicas):
    grid = common_grid([replicas])
    assert [len(g.q) for g in grid] == [len(q) for q in Q] and np.array_equal(grid[0].x, X)
