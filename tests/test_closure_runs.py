"""Running closure tests: many fits in one batch, their folders, resumption, and what is refused before any work."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import nnpdf_lite
from nnpdf_lite import cli
from nnpdf_lite.closure.multifit import ClosureFolder, fit_card, leave_out, run_closure
from nnpdf_lite.closure.sample import load_sample
from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.problem import build_problem
from nnpdf_lite.results.fit_folder import open_folder, read_ensemble
from nnpdf_lite.runcard import load_runcard, parse_runcard


@pytest.fixture
def fast(closure_card):
    """A closure test that is over at once: it is about folders, not about PDFs."""
    closure_card["parameters"]["epochs"] = 20
    return closure_card


# --- many fits in one run -------------------------------------------------------------------------


def test_the_folder_holds_the_truth_and_an_ordinary_fit_for_each_noise(tiny_closure):
    names = {path.name for path in tiny_closure.iterdir()}
    assert {"runcard.yml", "truth.csv", "truth_predictions.csv", "training", *(f"fit_0{i}" for i in range(1, 6))} <= names
    for f, folder in enumerate(ClosureFolder(tiny_closure).fits()):
        assert folder.finished() == list(range(6 * f + 1, 6 * f + 7))
        assert folder.runcard().closuretest.filterseed == 10 + f
        assert json.loads((folder.path / "postfit" / "veto_count.json").read_text())["replicas"] == 6


def test_a_fit_alone_gives_the_replicas_of_the_common_run(tiny_closure, tmp_path):
    """Bit for bit, from the card in its folder."""
    alone = nnpdf_lite.fit(tiny_closure / "fit_03" / "filter.yml", [13, 16], tmp_path / "alone", progress=False)
    together = read_ensemble(open_folder(tiny_closure / "fit_03"))
    chosen = together.select([0, 3])
    assert np.array_equal(alone.all_replicas.f, chosen.f)
    assert alone.all_replicas.records == chosen.records


def test_the_truth_is_written_as_it_was_fitted(tiny_closure):
    sample = load_sample([tiny_closure])
    predictions = pd.read_csv(tiny_closure / "truth_predictions.csv")
    assert predictions.truth.to_numpy() == pytest.approx(sample.truth, rel=1e-12)
    truth = pd.read_csv(tiny_closure / "truth.csv")
    assert len(truth) == 196 and truth["g"].iloc[50] > 0
    for f, central in enumerate(sample.central):
        card = load_runcard(tiny_closure / f"fit_0{f + 1}" / "filter.yml")
        assert np.array_equal(build_problem(card).central, central)


def test_a_run_that_lost_replicas_resumes_to_the_same_and_skips_what_is_finished(closure_card, tiny_closure, tmp_path):
    """A replica of fit 2 is missing, and all of fit 5, as if it had been asked for later."""
    card = parse_runcard(closure_card)
    part = shutil.copytree(tiny_closure, tmp_path / "part", symlinks=True)
    shutil.rmtree(part / "fit_05")
    shutil.rmtree(part / "fit_02" / "nnfit" / "replica_8")
    kept = {path: path.stat().st_mtime_ns for path in part.glob("fit_*/nnfit/*/*")}
    with pytest.raises(InputError, match="holds 23 of the 30 replicas already; use --resume"):
        run_closure(card, part, 5, 6)
    run_closure(card, part, 5, 6, resume=True)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    for f in range(5):
        expected, resumed = (read_ensemble(open_folder(p / f"fit_0{f + 1}")) for p in (tiny_closure, part))
        assert np.array_equal(resumed.f, expected.f) and resumed.records == expected.records


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_replicas(closure_card, tmp_path):
    closure_card["parameters"]["epochs"] = 3000
    path = tmp_path / "card.yml"
    path.write_text(yaml.safe_dump(closure_card))
    root = str(Path(nnpdf_lite.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}

    def start(output, *options):
        arguments = ["closure", str(path), "--fits", "2", "--replicas", "10", "--checkpoint", "0", "--output", str(output)]
        return subprocess.Popen(
            [sys.executable, "-m", "nnpdf_lite", *arguments, *options],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    process = start(tmp_path / "killed")
    checkpoint = tmp_path / "killed" / "training" / "worker_0.previous.npz"
    end = time.monotonic() + 200
    while not checkpoint.exists():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[1].decode()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # the orphaned worker notices at its next report
    assert not list((tmp_path / "killed").glob("fit_*/nnfit/replica_*"))
    for process in (start(tmp_path / "killed", "--resume"), start(tmp_path / "whole")):
        error = process.communicate(timeout=300)[1].decode()
        assert process.returncode == 0, error
    for f in (1, 2):
        expected, resumed = (read_ensemble(open_folder(tmp_path / w / f"fit_0{f}")) for w in ("whole", "killed"))
        assert np.array_equal(resumed.f, expected.f)


def test_the_command_line_runs_and_judges(fast, tmp_path, capsys):
    path = tmp_path / "card.yml"
    path.write_text(yaml.safe_dump(fast))
    output = tmp_path / "test"
    assert cli.main(["closure", str(path), "--fits", "2", "--replicas", "9", "--output", str(output)]) == 0
    captured = capsys.readouterr()
    assert "fit 1 complete" in captured.err and "fit 2 complete" in captured.err
    assert captured.out.rstrip().endswith("no verdict: 2 fits; a verdict needs at least 5, better 25")
    assert json.loads((output / "estimators.json").read_text())["truth"] == "NNPDFLITE_dis_nnlo"
    shutil.rmtree(output / "fit_02" / "nnfit" / "replica_12")
    assert cli.main(["closure", str(output), "--resume", "--json"]) == 0  # how many there are stands in the folder
    assert sorted(p.name for p in (output / "fit_02" / "nnfit").iterdir())[:3] == ["replica_10", "replica_11", "replica_12"]
    capsys.readouterr()
    assert cli.main(["closure", str(output), "--fits", "3"]) == 2
    assert "holds 18 of the 27 replicas already; use --resume" in capsys.readouterr().err


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fits", "replicas", "message"),
    [
        ({"closuretest": None}, 2, 5, "closuretest: missing; expected fakedata: true"),
        ({}, 0, 5, "--fits 0: expected at least 1"),
        ({}, 2, 4, "--replicas 4: estimators need at least 5 replicas in each fit, and postfit may drop some"),
        ({}, 1000, 100, "100000 replicas; there are numbers for 9999"),
        ({"datacuts": {}}, 2, 5, "datacuts.t0pdfset: missing; without it each fit has a covariance of its own"),
        ({"genrep": False, "closuretest": {"fakedata": True, "fakepdf": "X"}}, 2, 5, "all 2 fits would have the same data"),
        (
            {"closuretest": {"fakedata": True, "fakepdf": "X", "fakenoise": True, "filterseed": 4294967295}},
            2, 5, "4294967295 + 1 exceeds the largest seed",
        ),
    ],
)  # fmt: skip
def test_requests_that_make_no_sense_are_named(closure_card, tmp_path, change, fits, replicas, message):
    card = parse_runcard({**closure_card, **change})
    with pytest.raises(InputError) as error:
        run_closure(card, tmp_path / "test", fits, replicas)
    assert message in str(error.value) and not (tmp_path / "test").exists()


def test_another_test_or_folder_is_not_overwritten(closure_card, tiny_closure, tmp_path):
    card = parse_runcard(closure_card)
    test = shutil.copytree(tiny_closure, tmp_path / "test", symlinks=True)
    before = {path: path.read_bytes() for path in test.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="6 replicas in each fit there, 7 here"):
        run_closure(card, test, 1, 7, resume=True)
    with pytest.raises(InputError, match="closuretest.filterseed is 10 there, 11 here"):
        run_closure(fit_card(card, 1), test, 5, 6, resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="exists and is not a closure test; nothing was written"):
        run_closure(card, tmp_path / "other", 1, 5)
    with pytest.raises(InputError, match="nothing to resume"):
        run_closure(card, tmp_path / "nowhere", 1, 5, resume=True)
    assert {path: path.read_bytes() for path in test.rglob("*") if path.is_file()} == before


def test_options_leave_data_out(fast):
    card = parse_runcard(fast)
    assert leave_out(card, None, None, None) is card
    assert leave_out(card, None, 2000, None).left_out.published_after == 2000
    names = [entry.dataset for entry in card.dataset_inputs]
    assert leave_out(card, ",".join(names[:2]), None, "x > 0.1").left_out.datasets == tuple(names[:2])
    with pytest.raises(InputError, match=r"left_out.datasets\[0\]: NMC is not in dataset_inputs"):
        leave_out(card, "NMC", None, None)
    with pytest.raises(InputError, match="left_out: stands in the runcard"):
        leave_out(leave_out(card, None, 2000, None), None, 2000, None)


def test_a_folder_that_is_not_there_is_no_runcard(tmp_path, capsys):
    (tmp_path / "fit").mkdir()
    assert cli.main(["closure", str(tmp_path / "fit"), str(tmp_path / "none")]) == 2
    assert "none: expected one runcard to run, or folders of finished fits alone" in capsys.readouterr().err
