"""Claims about kinematic cuts: which points of the shipped sets remain, and what rules may say."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnpdf_lite import data
from nnpdf_lite.data.expressions import evaluate
from nnpdf_lite.errors import InputError

REFERENCE = Path(__file__).parents[2] / "shared" / "theory" / "reference"
DATACUTS = SimpleNamespace(q2min=3.49, w2min=12.5, maxTau=0.080, use_cuts="internal")
THEORY = {"PTO": 2, "FNS": "FONLL-C", "IC": 1}
CHARM = "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"


@pytest.fixture(scope="module")
def charm():
    return data.load_dataset(CHARM)


def kept(dataset, *rules, theory=THEORY, **settings):
    """Return the points of a set that pass."""
    return data.cut_indices(dataset, SimpleNamespace(**{**vars(DATACUTS), **settings}), rules, theory).tolist()


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference numbers are not here")
def test_cuts_leave_the_3089_points_of_nnpdf40():
    expected = {}
    with (REFERENCE / "predictions.csv").open() as file:
        for row in csv.DictReader(file):
            expected.setdefault((row["dataset"], row["variant"]), []).append(row["in_fit"] == "1")
    total = 0
    for (name, variant), in_fit in expected.items():
        points = kept(data.load_dataset(name, variant))
        assert points == np.flatnonzero(in_fit).tolist(), name
        total += len(points)
    assert total == 3089


def test_bounds_are_strict(charm):
    q2 = charm.kinematics["Q2"].to_numpy()
    on_edge = np.flatnonzero(q2 == 12.0)
    assert on_edge.size
    assert not set(on_edge) & set(kept(charm, q2min=12.0))
    assert set(on_edge) <= set(kept(charm, q2min=11.999))


def test_charm_needs_q2_above_8_only_with_fitted_charm_in_fonll(charm):
    q2 = charm.kinematics["Q2"].to_numpy()
    assert q2[kept(charm)].min() > 8
    assert q2[kept(charm, theory={**THEORY, "IC": 0})].min() < 8
    assert q2[kept(charm, theory={**THEORY, "FNS": "ZM-VFNS"})].min() < 8


def test_cuts_can_be_switched_off(charm):
    assert kept(charm, {"dataset": CHARM, "rule": "Q2 > 1e9"}, use_cuts="nocuts") == list(range(52))


def test_constraints_are_not_cut():
    positivity = data.load_dataset("NNPDF_INTEG_3GEV_XT3")
    assert kept(positivity) == [0]


def test_added_rules_apply_on_top(charm):
    before = kept(charm)
    variables = {"root": "sqrt(Q2)", "lim": 6}
    rule = SimpleNamespace(dataset=CHARM, process_type=None, rule="root < lim", local_variables=variables)
    after = kept(charm, rule)
    assert after == [i for i in before if charm.kinematics["Q2"][i] < 36] and after != before
    assert kept(charm, {"dataset": "HERA_NC_225GEV_EP-SIGMARED", "rule": "Q2 > 1e9"}) == before
    assert kept(charm, {"process_type": "DIS_NC_CHARM", "rule": "x > 1"}) == []


def test_idat_counts_in_the_full_set(charm):
    rule = {"dataset": CHARM, "rule": "idat >= 20"}
    part = charm.select(np.arange(10, 52))
    assert charm.kept[kept(charm, rule)].tolist() == part.kept[kept(part, rule)].tolist()


@pytest.mark.parametrize("order", ["NNLO", "N2LO", "NNLO+", "NLO+", "N3LO-", "NLO!"])
def test_rules_apply_at_their_perturbative_order(charm, order):
    assert kept(charm, {"dataset": CHARM, "rule": "x > 1", "PTO": order}) == []


@pytest.mark.parametrize("order", ["LO", "NNLO!", "NNLO-", "N3LO", "N3LO+"])
def test_rules_do_not_apply_at_other_perturbative_orders(charm, order):
    assert kept(charm, {"dataset": CHARM, "rule": "x > 1", "PTO": order}) == kept(charm)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"dataset": CHARM, "rule": "q2 > 10"}, ["added_filter_rules[0]", CHARM, "'q2'", "Did you mean 'Q2'?"]),
        ({"dataset": CHARM, "rule": "Q2 >"}, ["added_filter_rules[0]", "not a valid formula"]),
        ({"dataset": CHARM, "rule": "Q2"}, ["is a number", "condition"]),
        ({"dataset": CHARM, "rule": "Q2 and x > 1"}, ["'Q2' is a number"]),
        ({"dataset": CHARM, "rule": "__import__('os').getcwd() > 1"}, ["not allowed"]),
        ({"dataset": CHARM, "rule": "sqr(Q2) > 1"}, ["unknown function 'sqr'", "Did you mean 'sqrt'?"]),
        ({"dataset": CHARM, "rule": "Q2.size > 1"}, ["not allowed"]),
        ({"dataset": CHARM, "rule": "x" * 3000}, ["at most 2000"]),
        ({"dataset": CHARM, "rule": "x > 1" + "0" * 400}, ["not a valid formula"]),
        ({"dataset": CHARM, "rule": "-(x > 1) > 2"}, ["mixes conditions and numbers"]),
        ({"dataset": CHARM, "rule": "x > a", "local_variables": {"a": "b + 1"}}, ["local variable 'a'", "'b'"]),
        ({"dataset": CHARM, "rule": "x > 1", "local_variables": 3}, ["local_variables", "mapping"]),
        ({"dataset": CHARM, "rule": "x > 1", "PTO": "NNNL"}, ["PTO is 'NNNL'"]),
        ({"dataset": CHARM, "rule": "x > 1", "reson": "?"}, ["unknown key 'reson'", "Did you mean 'reason'?"]),
        ({"dataset": CHARM}, ["'rule' is None"]),
        ({"rule": "x > 1"}, ["neither 'dataset' nor 'process_type'"]),
    ],
    ids=lambda value: None,
)
def test_a_bad_rule_is_named(charm, rule, words):
    with pytest.raises(InputError) as caught:
        kept(charm, rule)
    for word in words:
        assert word in str(caught.value)


def test_a_rule_on_a_variable_the_set_lacks_lists_those_it_has():
    positivity = data.load_dataset("NNPDF_POS_2P24GEV_XGL")
    with pytest.raises(InputError, match="unknown variable 'y'.*x, Q2"):
        kept(positivity, {"process_type": "POS_XPDF", "rule": "y > 0"})


NUMBERS = st.integers(1, 9).map(str) | st.sampled_from(["x", "Q2"])
FORMULAS = st.recursive(
    NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
    | inner.map(lambda t: f"-{t}")
    | inner.map(lambda t: f"fabs({t})"),
    max_leaves=6,
)


@given(left=FORMULAS, right=FORMULAS, other=FORMULAS)
def test_formulas_mean_what_they_mean_in_python(left, right, other):
    condition = f"({left} < {right} <= {other}) or not {left} >= {other}"
    points = {"x": np.array([1.0, 2.0, 3.0]), "Q2": np.array([5.0, -1.0, 0.5])}
    names = [{"x": x, "Q2": q2, "fabs": abs} for x, q2 in zip(points["x"], points["Q2"])]
    expected = [eval(condition, {"__builtins__": {}}, one) for one in names]  # the formulas are made above
    assert np.broadcast_to(evaluate(condition, points, "test"), 3).tolist() == expected


@given(text=st.text(max_size=30))
def test_no_text_does_anything_but_evaluate_or_raise_an_input_error(text):
    try:
        evaluate(text, {"x": np.ones(2)}, "test")
    except InputError as error:
        assert str(error).startswith("test")
