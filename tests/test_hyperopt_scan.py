"""Scans: the library finds what is known to be best, killed scans go on to the same end, processes share a folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml

from nnpdf_lite.cli import main
from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.methodologies import best_trials, read_trials, with_model
from nnpdf_lite.hyperopt.folder import ScanFolder, check_scan, create_scan
from nnpdf_lite.hyperopt.history import STARTUP, History
from nnpdf_lite.hyperopt.losses import LeftOutData, fold_loss, fold_metrics, trial_loss
from nnpdf_lite.hyperopt.scan import best_card, run_scan
from nnpdf_lite.hyperopt.space import check_space, model_of, search_space
from nnpdf_lite.runcard import load_runcard, parse_runcard
from nnpdf_lite.runcard.hyperopt_schema import KFold

REPLICAS = 2


@pytest.fixture
def scan_card(small_card):
    """A scan (mapping) whose trials take a second."""
    small_card["parameters"] |= {"epochs": 100}
    return small_card | {
        "hyperscan_config": {
            "stopping": {"min_epochs": 100, "max_epochs": 200, "min_patience": 0.5, "max_patience": 1.0},
            "architecture": {"n_layers": [1, 2], "min_units": 2, "max_units": 8, "activations": ["tanh", "sigmoid"]},
            "optimizer": [{"optimizer_name": "Nadam", "learning_rate": {"sampling": "log", "min": 1e-3, "max": 1e-1}}],
        },
        "kfold": {"folds": 3, "threshold": 1e9, "penalties": ["saturation", "integrability"]},
    }


def key(trial):
    """What of a trial does not depend on when and where it ran."""
    return {name: trial[name] for name in ("trial", "state", "loss", "model", "values", "folds", "running")}


# --- the search ---------------------------------------------------------------------------------------------------

#: A curve and its noise: polynomials of low degree cannot follow it, of high degree follow the noise.
POINTS, NOISE, BEST_DEGREE = 32, 0.4, 7


def polynomial_loss(degree, decay, replicas=6):
    """K-fold loss of polynomials of a degree with penalty ``decay`` on their coefficients, fitted to noisy points."""
    rng, settings = np.random.default_rng(5), KFold()
    x = np.linspace(-1, 1, POINTS)
    data = np.polynomial.chebyshev.chebval(x, [0, 0.5, 1, -1, 1, 0.5, -1, 2]) + 10 + NOISE * rng.normal(size=POINTS)
    design = np.polynomial.chebyshev.chebvander(x, degree)
    losses = []
    for fold in range(4):
        out = np.arange(POINTS) % 4 == fold
        a = design[~out]
        normal = a.T @ a + decay * np.eye(degree + 1) * (np.arange(degree + 1) > 0)
        fits = [
            np.linalg.solve(normal, a.T @ (data[~out] + NOISE * rng.normal(size=(~out).sum()))) for _ in range(replicas)
        ]
        left_out = LeftOutData(data[out], NOISE * np.eye(out.sum()))
        losses.append(fold_loss(fold_metrics(np.array(fits) @ design[out].T, left_out), settings))
    return trial_loss(np.array(losses), settings)


def polynomial_card(small_card):
    scan = {
        "architecture": {"n_layers": [1], "min_units": 1, "max_units": 22},
        "regularizer": [{"regularizer": "l2", "l2": {"sampling": "log", "min": 1e-6, "max": 1e3}}],
        "diagonal_frac": {"min": 0.5, "max": 0.9},  # has no effect on the loss, as many a parameter
    }
    return parse_runcard(small_card | {"hyperscan_config": scan})


def scanned(card, algorithm, seed, trials):
    history, lines = History(card, algorithm, seed), []
    for number in range(1, trials + 1):
        trial = history.next(number)
        parameters = trial.model["parameters"]
        loss = polynomial_loss(parameters["nodes_per_layer"][0], parameters["regularizer_args"]["l2"])
        lines.append({"trial": number, "state": "ok", "loss": loss, "model": trial.model, "values": trial.values})
        history.tell(lines)
    return lines


def test_the_loss_of_folds_ranks_models_that_fit_too_little_and_too_much_below_the_right_one():
    right = polynomial_loss(BEST_DEGREE, 1e-3)
    assert right < 0.5 * polynomial_loss(2, 1e-3)  # too stiff
    assert right < 0.5 * polynomial_loss(22, 1e-6)  # follows the noise
    assert right < 0.5 * polynomial_loss(BEST_DEGREE, 1e3)  # pressed flat


def test_tpe_finds_the_best_setting_and_beats_random_search_at_equal_trials(small_card):
    card, seeds, trials = polynomial_card(small_card), range(4), 50
    best = {
        algorithm: [best_trials(scanned(card, algorithm, seed, trials))[0] for seed in seeds]
        for algorithm in ("tpe", "random")
    }
    losses = {name: np.array([trial["loss"] for trial in found]) for name, found in best.items()}
    grid = min(polynomial_loss(degree, decay) for degree in range(1, 23) for decay in np.geomspace(1e-6, 1e3, 19))
    assert np.median(losses["tpe"]) < 1.1 * grid
    assert losses["tpe"].mean() < losses["random"].mean()
    assert all(BEST_DEGREE <= trial["model"]["parameters"]["nodes_per_layer"][0] <= BEST_DEGREE + 3 for trial in best["tpe"])


@pytest.mark.parametrize("algorithm", ["tpe", "random", "anneal"])
def test_a_trial_is_a_function_of_seed_number_and_history(small_card, algorithm):
    card = polynomial_card(small_card)
    lines = scanned(card, algorithm, 1, STARTUP + 3)
    again = History(card, algorithm, 1)
    again.tell(json.loads(json.dumps(lines[:-1])))  # as read from disk
    assert again.next(lines[-1]["trial"]).values == lines[-1]["values"]
    other = History(card, algorithm, 2)
    other.tell(lines[:-1])
    assert other.next(lines[-1]["trial"]).values != lines[-1]["values"]


def test_trials_are_given_up_only_once_enough_others_got_as_far(small_card):
    history = History(polynomial_card(small_card), "random", 1)
    line = {"state": "ok", "loss": 1.0, "values": {}, "model": {}}
    history.tell([line | {"trial": i, "running": {"500": float(i)}} for i in range(1, STARTUP)])
    assert history.next(100).limits == {}
    history.tell([line | {"trial": STARTUP, "running": {"500": None}}])  # diverged: the worst there can be
    assert history.next(100).limits == {500: 15.0}  # three quarters of the twenty were better


def test_every_point_of_the_shipped_space_is_a_model():
    card = load_runcard("dis_nnlo_hyperopt")
    check_space(card, search_space(card))


def test_a_scan_of_feature_scaling_drops_the_exponents_it_has_no_place_for(small_card):
    card = parse_runcard(small_card)
    scaled = with_model(card, {"parameters": {"feature_scaling_points": 20}})
    assert scaled.parameters.feature_scaling_points == 20 and scaled.fitting.basis[0].largex is None


def test_spaces_translate_to_the_library(small_card):
    from hyperopt.pyll.stochastic import sample

    scan = {
        "stopping": {"min_epochs": 10, "max_epochs": 20},
        "optimizer": [{"optimizer_name": "Adam", "learning_rate": {"sampling": "log", "min": 1e-4, "max": 1e-2}, "beta_1": [0.8, 0.9]}],
        "architecture": {"n_layers": [3], "min_units": 5, "max_units": 6},
        "regularizer": [{"regularizer": None}],
        "feature_scaling_points": [None],
    }
    space = search_space(parse_runcard(small_card | {"hyperscan_config": scan}))
    for seed in range(20):
        parameters = model_of(sample(space, rng=np.random.default_rng(seed)))["parameters"]
        assert 10 <= parameters["epochs"] <= 20 and isinstance(parameters["epochs"], int)
        assert 1e-4 <= parameters["optimizer"]["learning_rate"] <= 1e-2 and parameters["optimizer"]["beta_1"] in (0.8, 0.9)
        assert len(parameters["nodes_per_layer"]) == 4 and set(parameters["nodes_per_layer"][:3]) <= {5, 6}
        assert parameters["nodes_per_layer"][-1] == 8 and parameters["regularizer"] is None


# --- scans on disk ------------------------------------------------------------------------------------------------


def test_a_scan_that_is_taken_up_again_ends_as_one_that_was_not_interrupted(scan_card, tmp_path):
    card = parse_runcard(scan_card)
    whole = run_scan(card, tmp_path / "whole", 3, replicas=REPLICAS).trials()
    run_scan(card, tmp_path / "parts", 1, replicas=REPLICAS)
    file = ScanFolder(tmp_path / "parts").trials_path
    file.write_bytes(file.read_bytes() + b'{"trial": 2, "state": "o')  # killed while it wrote
    parts = run_scan(card, tmp_path / "parts", 3, replicas=REPLICAS).trials()
    assert [key(trial) for trial in parts] == [key(trial) for trial in whole]


def test_a_line_holds_parameters_losses_of_folds_and_replicas_penalties_and_times(scan_card, tmp_path):
    (trial,) = run_scan(parse_runcard(scan_card), tmp_path / "scan", 1, replicas=REPLICAS).trials()
    assert trial["state"] == "ok" and trial["loss"] == pytest.approx(np.mean(trial["folds"]["chi2"]))
    assert {"epochs", "stopping_patience", "nodes_per_layer", "activation_per_layer", "optimizer"} <= set(trial["model"]["parameters"])
    assert np.shape(trial["replicas"]["validation"]) == np.shape(trial["penalties"]["saturation"]) == (3, REPLICAS)
    assert {len(trial["folds"][name]) for name in ("loss", "chi2", "phi2", "chi2p", "logp", "fitted")} == {3}
    assert trial["seconds"]["wall"] > 0 and trial["seed"] == 1 and trial["algorithm"] == "tpe"


@pytest.mark.slow
def test_a_killed_scan_loses_no_finished_trial_and_two_processes_share_what_is_left(scan_card, tmp_path):
    card, output = tmp_path / "card.yml", tmp_path / "scan"
    card.write_text(yaml.safe_dump(scan_card))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    program = (
        "import sys; from pathlib import Path; from nnpdf_lite.runcard import load_runcard; "
        "from nnpdf_lite.hyperopt.scan import run_scan; "
        f"run_scan(load_runcard({str(card)!r}), Path({str(output)!r}), int(sys.argv[1]), replicas={REPLICAS})"
    )
    start = [sys.executable, "-c", program]
    first = subprocess.Popen([*start, "100"], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (output / "trials.jsonl").exists() or len(read_trials(output)) < 2:
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = read_trials(output)
    total = len(before) + 4
    both = [subprocess.Popen([*start, str(total)], env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    after = read_trials(output)
    assert [trial["trial"] for trial in after] == list(range(1, total + 1))  # each once, the killed one among them
    assert after[: len(before)] == before
    assert all(line.endswith("}") for line in (output / "trials.jsonl").read_text().splitlines())


def test_two_claims_on_one_trial_are_impossible(scan_card, tmp_path):
    folder = ScanFolder(tmp_path / "scan")
    create_scan(folder, parse_runcard(scan_card), REPLICAS)
    first, second = folder.claim(2), folder.claim(2)
    assert (first.number, second.number) == (1, 2) and folder.claim(2) is None
    first.release()
    assert folder.claim(2).number == 1


def test_processes_that_begin_one_scan_at_the_same_moment_do_not_disturb_each_other(scan_card, tmp_path):
    folder, card = ScanFolder(tmp_path / "scan"), parse_runcard(scan_card)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: create_scan(folder, card, REPLICAS), range(100)))
    assert check_scan(folder.path, card, REPLICAS).settings() == {"replicas": REPLICAS}
    assert {path.name for path in folder.path.iterdir()} == {".lock", "runcard.yml", "settings.json", "running"}


def finished_scan(path, card, losses):
    """A scan on disk whose trials had these losses; None: given up."""
    folder = ScanFolder(path)
    create_scan(folder, parse_runcard(card), REPLICAS)
    for i, loss in enumerate(losses):
        model = {"parameters": {"epochs": 100 + i, "nodes_per_layer": [4 + i % 2, 8]}}
        line = {"trial": i + 1, "loss": loss, "model": model, "values": {"epochs": 100 + i}, "seconds": {"wall": 1, "cpu": 1}}
        found = {"folds": {"fitted": [1 + 0.1 * i] * 3}, "running": {}}
        folder.append(line | found | {"state": "failed" if loss is None else "ok"})
    return folder


def test_the_best_trial_becomes_a_runcard_of_all_data(scan_card, tmp_path, capsys):
    finished_scan(tmp_path / "scan", scan_card, [3.0, None, 1.0, 2.0])
    assert main(["hyperopt", "best", str(tmp_path / "scan")]) == 0
    (tmp_path / "best.yml").write_text(capsys.readouterr().out)
    card = load_runcard(tmp_path / "best.yml")
    assert card.parameters.epochs == 102 and card.parameters.nodes_per_layer == (4, 8)
    assert card.parameters.activation_per_layer == ("tanh", "linear")
    assert card.hyperscan_config is None and card.kfold is None and "trial 3" in card.description
    assert card.dataset_inputs == parse_runcard(scan_card).dataset_inputs and card.replicas == 3
    assert best_card(tmp_path / "scan", 4).parameters.epochs == 103


def test_trials_that_do_not_describe_what_they_fitted_can_be_passed_over(scan_card, tmp_path, capsys):
    scan = finished_scan(tmp_path / "scan", scan_card, [3.0, 2.0, 1.0]).path
    assert best_card(scan).parameters.epochs == 102 and best_card(scan, fitted=1.15).parameters.epochs == 101
    assert main(["hyperopt", "best", str(scan), "--fitted", "0.9"]) == 2
    assert "0 finished trials that were not given up and have chi2 of at most 0.9 to fitted data" in capsys.readouterr().err


def test_the_best_trials_are_judged_again_with_other_seeds_beside_the_card_as_it_is(scan_card, tmp_path, capsys):
    scan, card = tmp_path / "scan", parse_runcard(scan_card)
    first = run_scan(card, scan, 2, replicas=REPLICAS).trials()
    best = min(first, key=lambda trial: trial["loss"])
    command = ["hyperopt", "again", str(scan), "--replicas", "3", "--workers", "1", "--output", str(tmp_path / "second")]
    assert main([*command, "--trials", "1"]) == 0
    own, again = ScanFolder(tmp_path / "second").trials()
    assert own["again"] is None and own["model"]["parameters"]["epochs"] == card.parameters.epochs
    assert own["model"]["parameters"]["nodes_per_layer"] == list(card.parameters.nodes_per_layer)
    assert again["again"] == best["trial"] and again["model"] == best["model"] and again["loss"] != best["loss"]
    assert np.shape(again["replicas"]["validation"]) == (3, 3)
    assert best_card(tmp_path / "second").mcseed == card.mcseed + 1
    assert (tmp_path / "second" / "report" / "index.html").is_file()
    shutil.rmtree(scan)
    finished_scan(scan, scan_card, [1.0, 2.0] if best["trial"] == 2 else [2.0, 1.0])  # another scan, with another best trial
    capsys.readouterr()
    assert main([*command, "--trials", "1"]) == 2
    assert f"holds other trials than the 1 best of {scan}" in capsys.readouterr().err


# --- bad input ----------------------------------------------------------------------------------------------------

NMC, SLAC, CHARM = "NMC_NC_NOTFIXED_EM-F2", "SLAC_NC_NOTFIXED_P_EM-F2", "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kfold": {"partitions": [{"datasets": [NMC, SLAC]}, {"datasets": [SLAC, CHARM]}]}},
         f"kfold.partitions[1].datasets[0]: {SLAC} is in partition 0 already; folds must not overlap"),
        ({"kfold": {"partitions": [{"datasets": [NMC]}, {"datasets": [SLAC]}]}},
         f"kfold.partitions: {CHARM} in no fold; add to one, or name in kfold.always_fitted"),
        ({"kfold": {"partitions": [{"datasets": [NMC, SLAC, CHARM]}]}}, "expected two or more"),
        ({"kfold": {"partitions": [{"datasets": ["NMC_NC_NOTFIXED_EM-F"]}, {"datasets": [SLAC]}]}}, f"Did you mean '{NMC}'?"),
        ({"kfold": {"always_fitted": [SLAC], "partitions": [{"datasets": [NMC, SLAC]}, {"datasets": [CHARM]}]}}, "always_fitted already"),
        ({"kfold": {"loss_type": "chi3"}}, "Did you mean 'chi2'?"),
        ({"kfold": {"target": "average"}}, "write kfold.fold_statistic instead"),
        ({"hyperscan_config": {}}, "hyperscan_config: nothing is scanned"),
        ({"hyperscan_config": {"architecture": {"min_units": 3}}}, "nothing is scanned"),
        ({"hyperscan_config": {"stopping": {"min_epochs": 9, "max_epochs": 3}}}, "9 is above max_epochs: 3"),
        ({"hyperscan_config": {"stopping": {"max_epochs": 3}}}, "needs min_epochs as well"),
        ({"hyperscan_config": {"optimizer": [{"optimizer_name": "SGD", "beta_1": 0.5}]}}, "not an option of SGD"),
        ({"hyperscan_config": {"optimizer": [{"optimizer_name": "Adam", "learning_rate": {"min": 2, "max": 1}}]}}, "min must not exceed max"),
        ({"hyperscan_config": {"optimizer": [{"optimizer_name": "Adam", "learning_rate": {"sampling": "log", "min": 0, "max": 1}}]}}, "a number above 0"),
        ({"hyperscan_config": {"architecture": {"activations": ["tanhh"]}}}, "Did you mean 'tanh'?"),
        ({"hyperscan_config": {"architecture": {"n_layers": [2], "min_units": 9, "max_units": 3}}}, "9 is above max_units: 3"),
        ({"hyperscan_config": {"regularizer": [{"regularizer": "l2"}]}}, "needs a number or a range"),
        ({"hyperscan_config": {"diagonal_frac": [1.5]}}, "below 1"),
        ({"hyperscan_config": {"diagonal_frac": [0.5, 0.6]}, "diagonal_basis": False}, "diagonal_basis"),
        ({"hyperscan_config": {"positivity": {"min_initial": 1, "max_initial": 1e9}}}, "above the smallest maxlambda"),
    ],
)  # fmt: skip
def test_mistakes_in_the_runcard_are_named(small_card, change, words):
    with pytest.raises(InputError) as error:
        parse_runcard(small_card | change)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ({}, {"trials": 0}, "--trials 0"),
        ({}, {"replicas": 1}, "--replicas 1"),
        ({}, {"algorithm": "grid"}, "expected one of tpe, random, anneal, atpe"),
        ({"hyperscan_config": None}, {}, "hyperscan_config: missing"),
        ({"kfold": {"folds": 7}}, {}, "7 folds of 3 datasets"),
        ({"kfold": {"partitions": [{"datasets": [NMC]}, {"datasets": [SLAC, CHARM]}]}, "datacuts": {"q2min": 100}}, {}, "leave no point of"),
    ],
)  # fmt: skip
def test_mistakes_are_named_before_a_trial_starts_and_nothing_is_written(scan_card, tmp_path, change, arguments, words):
    with pytest.raises(InputError) as error:
        run_scan(parse_runcard(scan_card | change), tmp_path / "scan", **{"trials": 1, "replicas": REPLICAS, **arguments})
    assert words in str(error.value) and not (tmp_path / "scan").exists()


def test_a_model_that_cannot_be_is_named_before_a_trial_starts(scan_card, tmp_path):
    # square_singlet is for the last layer, which keeps its activation; a hidden layer of a scanned network cannot have it.
    scan_card["parameters"] |= {"layer_type": "dense_per_flavour"}
    scan_card["hyperscan_config"]["architecture"] |= {"max_drop": 0.5}
    with pytest.raises(InputError, match="hyperscan_config: allows a model that cannot be.*dropout needs layer_type: dense"):
        run_scan(parse_runcard(scan_card), tmp_path / "scan", 1, replicas=REPLICAS)


def test_the_folder_of_another_scan_is_left_alone(scan_card, tmp_path):
    card = parse_runcard(scan_card)
    run_scan(card, tmp_path / "scan", 1, replicas=REPLICAS)
    before = (tmp_path / "scan" / "trials.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"is a scan of another runcard \(mcseed is 3 there, 4 here\)"):
        run_scan(parse_runcard(scan_card | {"mcseed": 4}), tmp_path / "scan", 2, replicas=REPLICAS)
    with pytest.raises(InputError, match=r"2 replicas of each fold there, 3 here"):
        run_scan(card, tmp_path / "scan", 2, replicas=3)
    assert (tmp_path / "scan" / "trials.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["best", "nowhere"], "not the folder of a scan"),
        (["best", "SCAN", "--trial", "77"], "there is no finished trial 77"),
        (["best", "SCAN", "--trials", "3"], "takes no --trials"),
        (["again", "SCAN", "--seed", "3"], "takes no --seed"),
        (["again", "SCAN", "--trials", "2"], "1 finished trials"),
        (["dis_nnlo", "--fitted", "1.2"], "--fitted goes with best or again"),
        (["dis_nnlo", "extra"], "one argument too many: 'extra'"),
        (["dis_nnlo", "--trials", "2"], "hyperscan_config: missing"),
        (["dis_nnlo_hyperopt", "--workers", "0"], "--workers 0"),
    ],
)
def test_mistakes_on_the_command_line_are_named(scan_card, tmp_path, capsys, arguments, words):
    finished_scan(tmp_path / "scan", scan_card, [1.0])
    arguments = [str(tmp_path / "scan") if word == "SCAN" else word for word in arguments]
    assert main(["hyperopt", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_scan_without_a_trial_that_finished_has_no_best_one(scan_card, tmp_path, capsys):
    finished_scan(tmp_path / "scan", scan_card, [None, None])
    assert main(["hyperopt", "best", str(tmp_path / "scan")]) == 2
    assert "0 finished trials that were not given up" in capsys.readouterr().err
