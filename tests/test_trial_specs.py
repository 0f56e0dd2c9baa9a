"""Fits whose replicas take their models from a scan: which model a replica has, and that it does not depend on its batch."""

import copy
import json

import numpy as np
import pytest
from toy_cards import SMALL_CARD

from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.methodologies import scan_models
from nnpdf_lite.fit.training_task import TrainingTask
from nnpdf_lite.results.fit import load_fit
from nnpdf_lite.results.run import folder_models, run_fit
from nnpdf_lite.runcard import parse_runcard

MODELS = [  # as lines of a scan: two shapes, and two patiences of one shape
    {"parameters": {"nodes_per_layer": [4, 8], "activation_per_layer": "tanh", "epochs": 200}},
    {"parameters": {"nodes_per_layer": [3, 3, 8], "activation_per_layer": "sigmoid", "epochs": 100}, "diagonal_frac": 0.9},
    {"parameters": {"nodes_per_layer": [4, 8], "activation_per_layer": "tanh", "epochs": 100, "feature_scaling_points": 20}},
]


def card_with_scan(card, folder):
    """A card (mapping) whose replicas take one of three models; the scan has a better one in its first trial."""
    scan = folder / "scan"
    scan.mkdir()
    lines = [{"trial": 1, "state": "ok", "loss": 0.1, "model": MODELS[0]}]
    lines += [{"trial": 2 + i, "state": "ok", "loss": 1.0 + i, "model": model} for i, model in enumerate(MODELS)]
    lines += [{"trial": 9, "state": "pruned", "loss": 0.2, "model": MODELS[0]}]
    (scan / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return copy.deepcopy(card) | {"trial_specs": {"hyperscan": str(scan), "thermalization": 1, "number_of_trials": 3}}


@pytest.fixture
def specs_card(small_card, tmp_path):
    """Such a card, the test's own."""
    return card_with_scan(small_card, tmp_path)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A finished fit of six replicas and three models, and its card (mapping); not to be changed."""
    folder = tmp_path_factory.mktemp("mixed")
    card = card_with_scan(SMALL_CARD, folder)
    return load_fit(run_fit(parse_runcard(card), folder / "fit", range(1, 7)).path), card


def test_the_best_trials_after_thermalization_are_used_and_those_given_up_are_not(specs_card):
    card = parse_runcard(specs_card)
    assert scan_models(card) == MODELS


def test_a_replica_is_the_same_alone_and_beside_others_of_other_models(mixed, tmp_path):
    fit, card = mixed
    together = {record.replica: f for record, f in zip(fit.all_replicas.records, fit.all_replicas.f)}
    alone = load_fit(run_fit(parse_runcard(card), tmp_path / "alone", [5]).path)  # of a scaled network, beside 2 above
    np.testing.assert_array_equal(alone.all_replicas.f[0], together[5])


def test_each_replica_has_the_model_of_its_number(mixed):
    records = mixed[0].all_replicas.records
    assert {record.replica: record.stop_epoch for record in records} == {1: 100, 2: 100, 3: 200, 4: 100, 5: 100, 6: 200}
    scaled = {record.replica: record.preprocessing[0]["largex"] == 0 for record in records}
    assert scaled == {1: False, 2: True, 3: False, 4: False, 5: True, 6: False}


def test_replicas_of_one_model_form_a_batch_of_one_worker(specs_card):
    models = tuple(parse_runcard({k: v for k, v in specs_card.items() if k != "trial_specs"}) for _ in range(3))
    numbers = np.arange(1, 13)
    task = TrainingTask(models[0], None, numbers, np.zeros((12, 1)), np.zeros((12, 1), bool), models=models)
    assert [part.replicas.tolist() for part in task.by_model()] == [[3, 6, 9, 12], [1, 4, 7, 10], [2, 5, 8, 11]]
    shares = task.shares(2)
    assert sorted(np.concatenate(shares)) == list(range(12))
    assert not {n % 3 for n in numbers[shares[0]]} & {n % 3 for n in numbers[shares[1]]}


def test_a_fit_keeps_its_models_when_the_scan_goes_on_or_away(mixed, tmp_path):
    fit, mapping = mixed
    card = parse_runcard(mapping)
    kept = fit.folder.models_path
    gone = card.model_copy(update={"trial_specs": card.trial_specs.model_copy(update={"hyperscan": "gone"})})
    assert folder_models(kept, gone) == folder_models(tmp_path / "none_yet.json", card)


def test_an_override_holds_for_all_models(specs_card, tmp_path):
    specs_card["trial_specs"]["override"] = {"epochs": 77}
    models = folder_models(tmp_path / "models.json", parse_runcard(specs_card))
    assert [model.parameters.epochs for model in models] == [77, 77, 77]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hyperscan": "nowhere"}, "trial_specs.hyperscan: nowhere: not the folder of a scan"),
        ({"number_of_trials": 4}, "trial_specs.number_of_trials: the scan has 3 finished trials after the first 1"),
        ({"override": {"epochz": 3}}, "unknown key. Did you mean 'epochs'?"),
        ({"override": {"nodes_per_layer": [3, 3]}}, "the last layer has 3 nodes"),
    ],
)
def test_mistakes_are_named_before_the_fit_starts(specs_card, tmp_path, change, words):
    specs_card["trial_specs"] |= change
    with pytest.raises(InputError) as error:
        run_fit(parse_runcard(specs_card), tmp_path / "fit", [1])
    assert words in str(error.value) and not (tmp_path / "fit").exists()


def test_a_line_that_is_none_is_named(specs_card, tmp_path):
    scan = tmp_path / "scan" / "trials.jsonl"
    scan.write_text("nonsense\n" + scan.read_text())
    with pytest.raises(InputError, match="line 1 is not a trial"):
        run_fit(parse_runcard(specs_card), tmp_path / "fit", [1])
