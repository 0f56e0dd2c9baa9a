"""Fit folders: what a fit writes, what it reads back, adding to it, and going on after a kill."""

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
from nnpdf_lite.data import pseudodata
from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.training_task import TrainedReplica
from nnpdf_lite.flavours import EVOLUTION_TO_FLAVOUR
from nnpdf_lite.results import run
from nnpdf_lite.results.ensemble import Ensemble, ReplicaRecord, export_xgrid
from nnpdf_lite.results.fit_folder import LABELS, create_folder, open_folder, read_ensemble, write_replica
from nnpdf_lite.runcard import load_runcard, parse_runcard


@pytest.fixture(scope="module")
def fit(tiny_fit):
    return nnpdf_lite.load_fit(tiny_fit)


@pytest.fixture
def copy(tiny_fit, tmp_path):
    """The tiny fit, to be changed."""
    return shutil.copytree(tiny_fit, tmp_path / tiny_fit.name, symlinks=True)


def snapshot(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


# --- what is in the folder ------------------------------------------------------------------------


def test_the_layout_is_that_of_the_field(tiny_fit):
    assert (tiny_fit / "filter.yml").is_file()
    for replica in (1, 2, 3):
        names = {path.name for path in (tiny_fit / "nnfit" / f"replica_{replica}").iterdir()}
        assert names == {"tiny.json", "tiny.exportgrid", "pseudodata.csv", "chi2exps.log"}
    assert not list(tiny_fit.rglob("*.part"))


def test_the_full_runcard_is_kept(tiny_fit, small_card):
    card = load_runcard(tiny_fit / "filter.yml")
    assert card == parse_runcard(small_card | {"replicas": 100}), "all but how many replicas were wanted"
    assert "threshold_chi2" in yaml.safe_load((tiny_fit / "filter.yml").read_text())["parameters"]


def test_an_export_grid_is_yaml_with_fourteen_partons(tiny_fit, fit):
    grid = yaml.safe_load((tiny_fit / "nnfit" / "replica_2" / "tiny.exportgrid").read_text())
    assert grid["replica"] == 2 and grid["q20"] == pytest.approx(1.65**2) and grid["labels"] == list(LABELS)
    x, xf = np.array(grid["xgrid"]), np.array(grid["pdfgrid"])
    assert xf.shape == (196, 14) and x[0] == 1e-9 and x[-1] == 1 and (xf[-1] == 0).all()
    f = fit.all_replicas.f[1]
    assert xf == pytest.approx((f * x[:, None]) @ EVOLUTION_TO_FLAVOUR.T, rel=1e-12, abs=1e-15)
    assert xf[:, [LABELS.index(name) for name in ("T", "TBAR", "B", "BBAR", "PHT")]] == pytest.approx(0, abs=1e-12)


def test_the_record_of_a_replica_has_the_keys_of_the_field(tiny_fit):
    record = json.loads((tiny_fit / "nnfit" / "replica_1" / "tiny.json").read_text())
    assert {"preprocessing", "stop_epoch", "best_epoch", "erf_tr", "erf_vl", "chi2", "pos_state", "arc_lengths",
            "integrability", "timing", "version"} <= set(record)  # fmt: skip
    assert record["pos_state"] == "POS_PASS" and record["stop_epoch"] == 300
    assert [entry["fl"] for entry in record["preprocessing"]] == ["sng", "g", "v", "v3", "v8", "t3", "t8", "t15"]


def test_pseudodata_are_saved(tiny_fit, fit):
    table = pd.read_csv(tiny_fit / "nnfit" / "replica_3" / "pseudodata.csv")
    problem = fit.problem
    expected = pseudodata(problem.central, problem.cholesky, fit.runcard.mcseed, 3)
    assert table["data"].to_numpy() == pytest.approx(problem.central)
    assert table["pseudodata"].to_numpy() == pytest.approx(expected)
    assert table["dataset"].value_counts().to_dict() == {d.name: len(d.kept) for d in problem.datasets}


# --- what Python gives ----------------------------------------------------------------------------


def test_replicas_are_tabulated(fit):
    table = fit.replicas()
    assert table["replica"].tolist() == [1, 2, 3] and table["kept"].all() and table["passed_positivity"].all()
    assert (table["best_epoch"] < table["stop_epoch"]).all() and (table[["training", "validation", "chi2"]] > 0).all(
        axis=None
    )


def test_chi2_per_dataset_experiment_and_total(fit):
    table = fit.chi2()
    assert table["level"].tolist() == ["dataset"] * 3 + ["experiment"] * 3 + ["total"]
    assert table["ndata"].iloc[-1] == table["ndata"][:3].sum() == fit.problem.n_data
    mean = fit.predictions()[0]
    whitened = np.linalg.solve(fit.problem.cholesky, mean - fit.problem.central)
    assert table["chi2_t0"].iloc[-1] == pytest.approx(np.mean(whitened**2), rel=1e-8)
    assert np.isfinite(table[["chi2_t0", "chi2_exp"]].to_numpy()).all()


def test_the_chi2_of_a_replica_is_that_of_its_export_grid(fit):
    """Recorded on the nodes of the tables; computed here from the grid, through an interpolation."""
    for record, prediction in zip(fit.all_replicas.records, fit.predictions()[1:]):
        whitened = np.linalg.solve(fit.problem.cholesky, prediction - fit.problem.central)
        assert np.mean(whitened**2) == pytest.approx(record.chi2, rel=1e-3)


def test_the_lhapdf_set_holds_the_mean_and_the_kept_replicas(copy):
    fit = nnpdf_lite.load_fit(copy)
    path = fit.to_lhapdf()
    assert path == copy / "postfit" / "tiny" and len(list(path.glob("*.dat"))) == 4
    with pytest.raises(InputError, match="exists"):
        fit.to_lhapdf()
    x = np.array([1e-4, 0.01, 0.3])
    values = fit.pdf(x, [2.0, 10.0], pids=(21, 2))
    assert values.shape == (4, 2, 3, 2)
    assert values[0] == pytest.approx(values[1:].mean(axis=0), rel=1e-4)
    at_q0 = fit.pdf(x, 1.65, pids=(21,))[1:, 0, :, 0]
    gluon = np.einsum("rxe,e->rx", fit.ensemble.at(x), np.eye(14)[2]) * x
    assert at_q0 == pytest.approx(gluon, rel=1e-3)


def test_a_set_can_be_written_elsewhere(fit, tmp_path):
    assert fit.to_lhapdf(tmp_path / "mine").name == "mine"
    assert (tmp_path / "mine" / "mine.info").is_file()


# --- reading and writing --------------------------------------------------------------------------


def test_an_ensemble_survives_writing_and_reading(small_card, tmp_path):
    rng = np.random.default_rng(4)
    x = export_xgrid()
    f = rng.normal(size=(2, len(x), 14)) / x[:, None]
    folder = create_folder(tmp_path / "written", parse_runcard(small_card))
    records = tuple(
        ReplicaRecord(
            number,
            10,
            20,
            *rng.random(3),
            bool(number % 2),
            tuple(rng.random(5)),
            tuple(rng.random(5)),
            ({"fl": "g", "smallx": 1.0, "largex": 2.0},),
            2,
            np.round(rng.random((3, 3)), 6),
        )
        for number in (4, 11)
    )
    for record, values in zip(records, f):
        write_replica(folder, record, x, values, 1.65, {}, {"note.txt": "kept"})
    read = read_ensemble(open_folder(tmp_path / "written"))
    assert isinstance(read, Ensemble) and read.records == records and read.q0 == pytest.approx(1.65)
    assert all(np.array_equal(a.history, b.history) for a, b in zip(read.records, records))
    assert np.abs((read.f - f) * x[:, None]).max() < 1e-12
    assert (folder.replica_path(4) / "note.txt").read_text() == "kept"


def test_a_damaged_replica_is_named(copy):
    (copy / "nnfit" / "replica_2" / "tiny.exportgrid").write_text("{")
    with pytest.raises(InputError, match="replica_2.* unreadable"):
        read_ensemble(open_folder(copy))


def test_a_renamed_fit_is_still_one(copy):
    moved = copy.rename(copy.with_name("other"))
    assert len(nnpdf_lite.load_fit(moved).all_replicas) == 3


@pytest.mark.parametrize("content", [None, {}, {"notes.txt": "mine"}], ids=["missing", "empty", "something else"])
def test_a_folder_without_a_fit_is_none(tmp_path, content):
    folder = tmp_path / "folder"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text)
    with pytest.raises(InputError, match="no.* fit folder"):
        nnpdf_lite.load_fit(folder)


# --- running into a folder ------------------------------------------------------------------------


def test_a_folder_of_another_runcard_is_refused_and_untouched(copy, small_card):
    before = snapshot(copy)
    small_card["mcseed"] += 1
    with pytest.raises(InputError, match="another runcard .mcseed"):
        nnpdf_lite.fit(small_card, output=copy, progress=False, resume=True)
    assert snapshot(copy) == before


def test_a_folder_of_something_else_is_refused_and_untouched(tmp_path, small_card):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not a fit folder"):
        nnpdf_lite.fit(small_card, output=tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_replicas_that_are_there_are_not_made_again_unasked(copy, small_card):
    before = {p: v for p, v in snapshot(copy).items() if "nnfit" in p.parts}
    with pytest.raises(InputError, match="replica 3 is there already"):
        nnpdf_lite.fit(small_card, [3, 4], copy, progress=False)
    nnpdf_lite.fit(small_card, [1, 2, 3], copy, progress=False, resume=True)  # nothing to do
    assert {p: v for p, v in snapshot(copy).items() if "nnfit" in p.parts} == before


def test_other_replicas_are_added_to_a_fit(copy, small_card):
    before = {p: v for p, v in snapshot(copy).items() if "nnfit" in p.parts}
    fit = nnpdf_lite.fit({**small_card, "replicas": 4}, [17], copy, progress=False)
    assert fit.replicas()["replica"].tolist() == [1, 2, 3, 17]
    assert before.items() <= snapshot(copy).items()


def test_a_replica_that_is_no_number_does_not_take_the_fit_down(small_card, tmp_path, monkeypatch):
    def diverge(task, x_export, folder, **_):
        history = np.full((1, 3), np.nan)
        for number, value in ((1, 0.1), (2, np.nan)):
            f = np.full((len(x_export), 14), value)
            trained = TrainedReplica(number, np.full(10, value), 5, 5, number == 1, 6, value, value, history)
            yield trained, f, np.full(8, value), np.full(8, value)

    monkeypatch.setattr(run, "train_parallel", diverge)
    fit = nnpdf_lite.fit(small_card, [1, 2], tmp_path / "diverged", progress=False)
    assert fit.replicas()["kept"].tolist() == [True, False]


def test_a_disk_that_cannot_be_written_is_reported(small_card, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written|not a fit folder"):
        nnpdf_lite.fit(small_card, output=tmp_path / "file" / "fit", progress=False)


# --- killed and resumed ---------------------------------------------------------------------------


def command(card, output, *options):
    root = str(Path(nnpdf_lite.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    arguments = ["fit", str(card), "--output", str(output), "--checkpoint", "0", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "nnpdf_lite", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[1].decode()
        time.sleep(0.005)


def test_a_fit_that_was_killed_resumes_to_the_same_replicas(small_card, tmp_path):
    small_card["parameters"]["epochs"] = 4000
    card = tmp_path / "card.yml"
    card.write_text(yaml.safe_dump(small_card))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    undisturbed, process = command(card, whole), command(card, killed)
    checkpoint = killed / "training" / "worker_0.npz"
    wait_for(lambda: checkpoint.with_suffix(".previous.npz").exists(), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((killed / "nnfit").iterdir())
    time.sleep(1.0)  # the orphaned worker notices at its next report
    with np.load(checkpoint) as state:
        assert 0 < state["epoch"].max() < 4000
    for process in (command(card, killed, "--resume"), undisturbed):
        error = process.communicate(timeout=120)[1].decode()
        assert process.returncode == 0, error
    expected, resumed = (read_ensemble(open_folder(path)) for path in (whole, killed))
    assert resumed.records == expected.records
    assert np.array_equal(resumed.f, expected.f)
    assert all(np.array_equal(a.history, b.history) for a, b in zip(resumed.records, expected.records))


@pytest.mark.slow
def test_a_fit_killed_again_and_again_at_random_moments_ends_the_same(small_card, tmp_path):
    """While it loads, compiles, trains, writes a checkpoint or a replica: wherever the signal finds it."""
    small_card["parameters"]["epochs"] = 4000
    card = tmp_path / "card.yml"
    card.write_text(yaml.safe_dump(small_card))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    started = time.monotonic()
    error = (undisturbed := command(card, whole)).communicate(timeout=300)[1].decode()
    assert undisturbed.returncode == 0, error
    duration = time.monotonic() - started
    rng = np.random.default_rng()  # other moments every time
    for moment in rng.uniform(0.2, 1.0, 6) * duration:
        process = command(card, killed, *(["--resume"] if (killed / "filter.yml").exists() else []))
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        time.sleep(1.0)  # the orphaned worker notices at its next report
    process = command(card, killed, "--resume")
    error = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, error
    expected, resumed = (read_ensemble(open_folder(path)) for path in (whole, killed))
    assert resumed.records == expected.records
    assert np.array_equal(resumed.f, expected.f)
