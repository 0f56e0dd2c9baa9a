"""Claims about covariance matrices, chi2 with them, and the pseudo-data drawn from them."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from nnpdf_lite import data
from nnpdf_lite.errors import InputError

REFERENCE = Path(__file__).parents[2] / "shared" / "theory" / "reference"
DATACUTS = SimpleNamespace(q2min=3.49, w2min=12.5, maxTau=0.080, use_cuts="internal")
THEORY = {"PTO": 2, "FNS": "FONLL-C", "IC": 1}
KINDS = ("UNCORR", "CORR", "THEORYUNCORR", "THEORYCORR", "SKIP", "LUMI", "SCALE")


def toy(name, central, sources, weight=1.0):
    """Make a set of sources given as (values, treatment, kind)."""
    central = np.array(central, dtype=float)
    values = np.array([source[0] for source in sources], dtype=float).reshape(len(sources), len(central)).T
    uncertainties = data.Uncertainties(
        values,
        np.array([source[1] for source in sources], dtype=str),
        np.array([source[2] for source in sources], dtype=str),
        np.array([f"sys{i}" for i in range(len(sources))], dtype=str),
    )
    return data.Dataset(
        name=name,
        variants=(),
        experiment=name,
        process_type="DIS_NC",
        label=name,
        central=central,
        kinematics=pd.DataFrame(index=np.arange(len(central))),
        uncertainties=uncertainties,
        theory=data.TheoryMetadata(()),
        citation={},
        ndata_total=len(central),
        kept=np.arange(len(central)),
        folder=Path(),
        weight=weight,
    )


@st.composite
def toys(draw):
    """Draw up to three sets with sources of every kind."""
    numbers = st.floats(-2, 2).map(lambda x: round(x, 3))
    sets = []
    for index in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 4))
        central = draw(st.lists(st.floats(0.5, 3), min_size=n, max_size=n))
        values = st.lists(numbers, min_size=n, max_size=n)
        source = st.tuples(values, st.sampled_from(["ADD", "MULT"]), st.sampled_from(KINDS))
        weight = draw(st.floats(0.1, 10))
        sets.append(toy(f"T{index}", central, draw(st.lists(source, max_size=6)), weight))
    return sets


@given(sets=toys(), weights=st.booleans())
@settings(deadline=None)
def test_covariance_is_symmetric_and_positive_semidefinite(sets, weights):
    matrix = data.covariance(sets, use_weights=weights)
    assert np.array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() >= -1e-12 * max(1.0, np.abs(matrix).max())


@given(sets=toys(), choice=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_order_of_the_sets_only_reorders_the_matrix(sets, choice):
    order = list(range(len(sets)))
    choice.shuffle(order)
    starts = np.cumsum([0, *map(len, sets)])
    rows = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in order])
    shuffled = data.covariance([sets[i] for i in order])
    assert np.allclose(shuffled, data.covariance(sets)[np.ix_(rows, rows)], rtol=1e-12, atol=1e-14)


@given(sets=toys(), factor=st.floats(0.1, 10))
@settings(deadline=None)
def test_t0_scales_multiplicative_errors_only(sets, factor):
    def only(treatment):
        kept = []
        for one in sets:
            errors = one.uncertainties
            sources = zip(errors.values.T, errors.treatment, errors.kind)
            kept.append(toy(one.name, one.central, [source for source in sources if source[1] == treatment]))
        return kept

    t0 = factor * np.concatenate([one.central for one in sets])
    additive, multiplicative = data.covariance(only("ADD")), data.covariance(only("MULT"))
    assert np.allclose(data.covariance(only("ADD"), t0), additive, rtol=1e-12, atol=1e-14)
    assert np.allclose(data.covariance(only("MULT"), t0), factor**2 * multiplicative, rtol=1e-10, atol=1e-14)


def test_each_kind_correlates_what_it_should():
    def one(kind):
        return data.covariance([toy("A", [1, 1], [([1, 2], "ADD", kind)]), toy("B", [1], [([3], "ADD", kind)])])

    independent, within, across = np.diag([1, 4, 9]), [[1, 2, 0], [2, 4, 0], [0, 0, 9]], np.outer([1, 2, 3], [1, 2, 3])
    assert np.array_equal(one("UNCORR"), independent) and np.array_equal(one("THEORYUNCORR"), independent)
    assert np.array_equal(one("CORR"), within) and np.array_equal(one("THEORYCORR"), within)
    assert np.array_equal(one("SKIP"), np.zeros((3, 3)))
    assert np.array_equal(one("LUMI"), across)


def test_weights_divide_blocks_by_the_square_roots():
    sets = [toy("A", [1], [([2], "ADD", "LUMI")], weight=4.0), toy("B", [1], [([3], "ADD", "LUMI")], weight=9.0)]
    assert np.allclose(data.covariance(sets, use_weights=True), [[1, 1], [1, 1]])


def test_multiplicative_errors_on_zero_data_have_no_t0_covariance():
    zero = toy("Z", [0, 1], [([0.1, 0.1], "MULT", "CORR")])
    with pytest.raises(InputError, match="Dataset Z: point 0 is 0"):
        data.covariance([zero], np.ones(2))


@pytest.fixture(scope="module")
def reference():
    """Sets after cuts, predictions with the reference PDF, and reference chi2 values."""
    if not REFERENCE.is_dir():
        pytest.skip("the reference numbers are not here")
    with (REFERENCE / "chi2.csv").open() as file:
        rows = list(csv.DictReader(file))
    predictions = {}
    with (REFERENCE / "predictions.csv").open() as file:
        for row in csv.DictReader(file):
            if row["in_fit"] == "1":
                predictions.setdefault(row["dataset"], []).append(float(row["prediction_NNPDF40"]))
    sets = []
    for row in rows:
        dataset = data.load_dataset(row["dataset"], row["variant"])
        sets.append(dataset.select(data.cut_indices(dataset, DATACUTS, (), THEORY)))
    return rows, sets, [np.array(predictions[dataset.name]) for dataset in sets]


def chi2(sets, predictions, t0=False):
    """Return chi2 of predictions with the experimental or the t0 covariance."""
    theory = np.concatenate(predictions)
    labels = [one.name for one in sets for _ in range(len(one))]
    factor = data.cholesky(data.covariance(sets, theory if t0 else None), labels)
    residuals = np.concatenate([one.central for one in sets]) - theory
    whitened = scipy.linalg.solve_triangular(factor, residuals, lower=True)
    return whitened @ whitened


def test_chi2_of_each_set_is_the_reference(reference):
    for row, dataset, prediction in zip(*reference):
        assert len(dataset) == int(row["ndata"])
        assert chi2([dataset], [prediction]) == pytest.approx(float(row["chi2_experimental"]), rel=1e-6)
        assert chi2([dataset], [prediction], t0=True) == pytest.approx(float(row["chi2_t0"]), rel=1e-6)


def test_chi2_with_correlations_across_sets(reference):
    _rows, sets, predictions = reference
    inclusive = [i for i, one in enumerate(sets) if one.name.startswith("HERA") and "EAVG" not in one.name]
    hera = [sets[i] for i in inclusive], [predictions[i] for i in inclusive]
    assert chi2(*hera) / sum(map(len, hera[0])) == pytest.approx(1.178, abs=1e-3)
    assert chi2(sets, predictions, t0=True) / sum(map(len, sets)) == pytest.approx(1.1723, abs=1e-4)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]], ["not symmetric", "A"]),
        ([[1, 0, 0], [0, 1, 0], [0, 0, np.nan]], ["not finite", "B"]),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 0]], ["not positive definite", "B", "no uncertainty"]),
        ([[1, 2, 0], [2, 1, 0], [0, 0, 1]], ["covariance matrix of A is not positive definite"]),
        ([[1, 0, 0.9], [0, 1, 0.9], [0.9, 0.9, 1]], ["covariance matrix of B together with A is not positive"]),
        ([[1, 0], [0, 1]], ["shape (2, 2)", "(3, 3)"]),
    ],
    ids=lambda value: None,
)
def test_a_bad_covariance_names_the_sets(matrix, words):
    with pytest.raises(InputError) as caught:
        data.cholesky(np.array(matrix, dtype=float), ["A", "A", "B"])
    for word in words:
        assert word in str(caught.value)


def test_cholesky_factor_gives_the_matrix_back():
    matrix = np.array([[4.0, 2.0, 0.0], [2.0, 3.0, 1.0], [0.0, 1.0, 2.0]])
    factor = data.cholesky(matrix, ["A"] * 3)
    assert np.array_equal(factor, np.tril(factor)) and np.allclose(factor @ factor.T, matrix)


COVARIANCE = np.array([[4.0, 1.5, 0.0], [1.5, 1.0, 0.2], [0.0, 0.2, 0.25]])
CENTRAL = np.array([10.0, -5.0, 1.0])


def test_pseudodata_have_the_mean_and_covariance_of_the_data():
    factor = data.cholesky(COVARIANCE, ["A"] * 3)
    replicas = np.array([data.pseudodata(CENTRAL, factor, 7, k) for k in range(1, 4001)])
    n = len(replicas)
    spread = np.sqrt(np.diag(COVARIANCE) / n)
    assert (np.abs(replicas.mean(axis=0) - CENTRAL) < 4 * spread).all()
    variance = (COVARIANCE**2 + np.outer(np.diag(COVARIANCE), np.diag(COVARIANCE))) / n
    assert (np.abs(np.cov(replicas.T) - COVARIANCE) < 4 * np.sqrt(variance)).all()
    whitened = scipy.linalg.solve_triangular(factor, (replicas - CENTRAL).T, lower=True)
    assert (whitened**2).sum(axis=0).mean() == pytest.approx(3.0, abs=4 * np.sqrt(6 / n))


def test_replica_zero_and_genrep_false_are_the_central_data():
    factor = np.linalg.cholesky(COVARIANCE)
    assert np.array_equal(data.pseudodata(CENTRAL, factor, 7, 0), CENTRAL)
    assert np.array_equal(data.pseudodata(CENTRAL, factor, 7, 3, genrep=False), CENTRAL)
    assert not np.shares_memory(data.pseudodata(CENTRAL, factor, 7, 0), CENTRAL)


@given(seed=st.integers(0, 2**63), replica=st.integers(1, 10**6))
def test_a_replica_depends_on_its_seed_and_number_alone(seed, replica):
    def numbers(*arguments):
        return data.replica_generator(*arguments).standard_normal(4)

    first = numbers(seed, replica, "pseudodata")
    assert np.array_equal(first, numbers(seed, replica, "pseudodata"))
    assert not np.array_equal(first, numbers(seed, replica + 1, "pseudodata"))
    assert not np.array_equal(first, numbers(seed + 1, replica, "pseudodata"))
    assert not np.array_equal(first, numbers(seed, replica, "mask"))
