"""Which replicas postfit drops, on ensembles made for the purpose."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from nnpdf_lite.errors import InputError
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.results.ensemble import Ensemble, ReplicaRecord, arc_lengths, export_xgrid, integrability_numbers
from nnpdf_lite.results.fit_folder import FitFolder
from nnpdf_lite.results.postfit import run_postfit, select

X = export_xgrid()


def ensemble(n=50, seed=0, **changes):
    """Good replicas; ``changes`` maps a record's attribute to {position: value}."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(n):
        values = {
            "chi2": 1.2 + 0.02 * rng.normal(),
            "passed_positivity": True,
            "arc_lengths": tuple(2 + 0.1 * rng.normal(size=5)),
            "integrability": tuple(0.2 + 0.02 * rng.normal(size=5)),
        }
        values.update({name: by_position[i] for name, by_position in changes.items() if i in by_position})
        records.append(ReplicaRecord(i + 1, best_epoch=1, stop_epoch=2, training=1.0, validation=1.0, **values))
    return Ensemble(X, np.ones((n, len(X), 14)), 1.65, tuple(records))


def dropped(made):
    selection = select(made)
    return selection.replicas[~selection.kept].tolist()


def test_good_replicas_are_kept():
    assert dropped(ensemble()) == []


def test_replicas_that_fail_positivity_are_dropped():
    assert dropped(ensemble(passed_positivity={3: False, 17: False})) == [4, 18]


@pytest.mark.parametrize("flavour", range(5))
def test_replicas_not_integrable_are_dropped(flavour):
    def numbers(value):
        return tuple(value if i == flavour else 0.2 for i in range(5))

    assert dropped(ensemble(integrability={3: numbers(0.51), 4: numbers(0.49)})) == [4]


def test_replicas_of_outlying_chi2_are_dropped_above_the_mean_alone():
    assert dropped(ensemble(chi2={7: 5.0})) == [8]
    assert dropped(ensemble(chi2={7: 0.1})) == []


@pytest.mark.parametrize("flavour", range(5))
def test_replicas_of_outlying_arc_length_are_dropped(flavour):
    assert dropped(ensemble(arc_lengths={7: tuple(9.0 if i == flavour else 2.0 for i in range(5))})) == [8]


@pytest.mark.parametrize("inside, expected", [(3.9, []), (4.1, [50])])
def test_four_standard_deviations_of_the_kept_are_the_limit_of_arc_lengths(inside, expected):
    lengths = [record.arc_lengths for record in ensemble().records]
    first = np.array(lengths)[:, 0]
    # Put the last replica ``inside`` standard deviations above the mean, both with itself counted.
    value = first[-1]
    for _ in range(500):
        values = np.append(first[:-1], value)
        value = values.mean() + inside * values.std()
    assert dropped(ensemble(arc_lengths={49: (value, *lengths[49][1:])})) == expected


@pytest.mark.parametrize("inside, expected", [(3.8, []), (4.4, [51])])
def test_four_deviations_from_the_median_are_the_limit_of_chi2(inside, expected):
    chi2 = {i: 1.2 + 0.02 * norm.ppf((i + 0.5) / 50) for i in range(50)}
    assert dropped(ensemble(51, chi2={**chi2, 50: 1.2 + 0.02 * inside})) == expected


@pytest.mark.parametrize("stuck", [2, 6])
def test_outliers_do_not_hide_each_other(stuck):
    """2 of 20 at the same place lie 3 standard deviations above the mean of all."""
    assert dropped(ensemble(20, chi2=dict.fromkeys(range(stuck), 2.1))) == list(range(1, stuck + 1))


def test_an_outlier_may_hide_behind_a_greater_one():
    """Only when the first is gone does the second stand out: the vetoes are repeated."""
    made = ensemble(arc_lengths={7: (1000.0,) * 5, 8: (9.0,) * 5})
    lengths = np.array([record.arc_lengths for record in made.records])
    assert (lengths[8] < lengths.mean(axis=0) + 4 * lengths.std(axis=0)).all()
    assert dropped(made) == [8, 9]


def test_an_outlier_that_fails_positivity_does_not_shield_others():
    assert dropped(ensemble(chi2={7: 1000.0, 8: 3.0}, passed_positivity={7: False})) == [8, 9]


def test_replicas_that_are_not_numbers_are_dropped_and_spoil_nothing():
    made = ensemble(chi2={2: np.nan}, arc_lengths={5: (np.nan,) * 5})
    made.f[9, 100, 2] = np.inf
    assert dropped(made) == [3, 6, 10]


def test_one_replica_can_be_kept():
    assert dropped(ensemble(n=1)) == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    chi2=st.lists(st.floats(0.5, 1e4), min_size=2, max_size=40),
    failed=st.sets(st.integers(0, 39)),
)
def test_selecting_again_from_what_is_kept_drops_nothing(chi2, failed):
    made = ensemble(n=len(chi2), chi2=dict(enumerate(chi2)), passed_positivity={i: False for i in failed})
    kept = np.flatnonzero(select(made).kept)
    if len(kept):
        assert select(made.select(kept)).kept.all()
    assert not set(kept) & failed


def test_the_selection_is_recorded_and_links_the_kept(tmp_path):
    folder = FitFolder(tmp_path)
    made = ensemble(n=50, passed_positivity={0: False}, chi2={4: 9.0})
    for record in made.records:
        folder.replica_path(record.replica).mkdir(parents=True)
    for _ in range(2):  # running postfit again is harmless
        selection = run_postfit(folder, made)
    record = json.loads((tmp_path / "postfit" / "veto_count.json").read_text())
    assert record["kept"] == [n for n in range(1, 51) if n not in (1, 5)]
    assert record["passed"]["Total"] == 48 and record["passed"]["positivity"] == 49 and record["replicas"] == 50
    links = sorted((tmp_path / "postfit").glob("replica_*"))
    assert len(links) == 48
    assert (tmp_path / "postfit" / "replica_1").resolve() == folder.replica_path(2).resolve()
    failed = selection.table().set_index("veto")["replicas"]
    assert failed["positivity"] == "1" and failed["chi2"] == "5"


def test_postfit_that_leaves_nothing_says_why(tmp_path):
    made = ensemble(n=3, passed_positivity=dict.fromkeys(range(3), False))
    with pytest.raises(InputError, match="leaves none of 3 replicas .*positivity 3"):
        run_postfit(FitFolder(tmp_path), made)


def shapes(**columns):
    """f (1, X, 14) whose ``x f`` are the functions given."""
    f = np.zeros((1, len(X), 14))
    for name, function in columns.items():
        f[0, :, EVOLUTION_FLAVOURS.index(name)] = function(X) / X
    return f


def test_the_arc_length_of_a_straight_line_is_pythagoras():
    lengths = arc_lengths(X, shapes(Sigma=lambda x: 3 * x, g=lambda x: 0 * x + 5, V=lambda x: 1 - x))[0]
    assert lengths[:3] == pytest.approx([np.sqrt(10), 1, np.sqrt(2)], rel=1e-5)


def test_integrability_adds_three_points_at_small_x():
    numbers = integrability_numbers(X, shapes(V=lambda x: 0 * x - 0.1, T3=lambda x: x**0.5, V8=lambda x: x**-0.1))[0]
    expected = [0.3, sum(x**0.5 for x in (1e-9, 1e-8, 1e-7)), 0, 0, sum(x**-0.1 for x in (1e-9, 1e-8, 1e-7))]
    assert numbers == pytest.approx(expected, rel=1e-6, abs=1e-12)
