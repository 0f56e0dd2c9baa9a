"""Fits on Dask workers: the same replicas as without, whatever happens to the workers or to us."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import yaml
from test_hyperopt_scan import scan_card  # noqa: F401

from nnpdf_lite.cli import main
from nnpdf_lite.closure.multifit import run_closure
from nnpdf_lite.cluster import places
from nnpdf_lite.fit.on_cluster import LARGEST_BATCH, batches
from nnpdf_lite.hyperopt.scan import Watcher as ScanWatcher
from nnpdf_lite.hyperopt.scan import run_scan
from nnpdf_lite.results.run import Watcher, run_fit
from nnpdf_lite.runcard import parse_runcard


def grids(folder):
    """The exported grid of each replica of a fit or a multi-fit test, as it stands in the file."""
    found = {path.parent.relative_to(folder): path.read_text() for path in folder.rglob("*.exportgrid")}
    assert found
    return found


class Notes(Watcher):
    """Keeps what is said."""

    def __init__(self):
        self.warnings, self.updates, self.stopped = [], 0, 0

    def warn(self, text):
        self.warnings.append(text)

    def update(self, worker, progress):
        self.updates += 1
        self.stopped += progress.stopped


def workers_of(pid):
    """Processes of the local workers that a process started."""
    return [child for child in psutil.Process(pid).children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("n", [1, 2, 31, 100, 1000])
@pytest.mark.parametrize("workers", [1, 2, 7, 64, 2000])
def test_batches_hold_each_replica_once_and_leave_no_worker_idle(n, workers):
    shared = batches(range(1, n + 1), workers, LARGEST_BATCH)
    assert [replica for batch in shared for replica in batch] == list(range(1, n + 1))
    assert max(map(len, shared)) <= LARGEST_BATCH
    rounds = -(-len(shared) // workers)
    assert rounds == -(-n // (workers * LARGEST_BATCH))  # no more than it takes


def test_a_scheduler_that_does_not_answer_leaves_no_folder(small_card, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(places, "ANSWER_TIME", 0.5)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.yml").write_text(yaml.safe_dump(small_card))
    for verb in (["fit"], ["closure", "--fits", "2", "--replicas", "8"]):
        card = small_card | ({"closuretest": {"fakedata": True, "fakepdf": "NNPDFLITE_dis_nnlo", "fakenoise": True}})
        (tmp_path / "card.yml").write_text(yaml.safe_dump(card))
        assert main([*verb, "card.yml", "--cluster", "tcp://127.0.0.1:9"]) == 2
        assert "tcp://127.0.0.1:9: no Dask scheduler answers" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["card.yml"]


def test_a_fit_on_local_workers_is_the_same_bit_for_bit(tiny_fit, small_card, tmp_path):
    notes = Notes()
    run_fit(parse_runcard(small_card), tmp_path / "tiny", cluster="local:2", watcher=notes)
    assert grids(tmp_path / "tiny") == grids(tiny_fit)
    assert notes.stopped == 3 and not notes.warnings


@pytest.fixture(scope="module")
def long_card():
    """A card whose training can be interrupted."""
    from toy_cards import SMALL_CARD

    return SMALL_CARD | {"parameters": SMALL_CARD["parameters"] | {"epochs": 3000}}


@pytest.fixture(scope="module")
def uninterrupted(long_card, tmp_path_factory):
    """Folder of 40 replicas of it, made without Dask."""
    return run_fit(parse_runcard(long_card), tmp_path_factory.mktemp("long") / "long", range(1, 41)).path


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(uninterrupted, long_card, tmp_path):
    class Killer(Notes):
        def update(self, worker, progress):
            if not self.updates:
                workers_of(os.getpid())[0].send_signal(signal.SIGKILL)
            super().update(worker, progress)

    killer = Killer()
    run_fit(parse_runcard(long_card), tmp_path / "long", range(1, 41), cluster="local:2", watcher=killer)
    assert grids(tmp_path / "long") == grids(uninterrupted)
    assert len(killer.warnings) <= 1 and all("a worker was lost; replicas" in text for text in killer.warnings)
    assert killer.stopped == 40


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_fit_is_completed_by_resume(uninterrupted, long_card, tmp_path, how):
    card = tmp_path / "card.yml"
    card.write_text(yaml.safe_dump(long_card))
    command = [sys.executable, "-m", "nnpdf_lite", "fit", str(card), "--replicas", "1-40", "--output", str(tmp_path / "long")]
    process = subprocess.Popen([*command, "--cluster", "local:1"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    replicas = tmp_path / "long" / "nnfit"
    while not list(replicas.glob("replica_*")):
        assert process.poll() is None
        time.sleep(0.02)
    workers = workers_of(process.pid)
    os.killpg(process.pid, how) if how == signal.SIGINT else process.kill()
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == (130 if how == signal.SIGINT else -how) and "Traceback" not in errors
    assert not psutil.wait_procs(workers, timeout=20)[1]
    assert 0 < len(list(replicas.glob("replica_*"))) < 40
    assert subprocess.run([*command, "--resume", "--cluster", "local:1"], check=False).returncode == 0
    assert grids(tmp_path / "long") == grids(uninterrupted)


@pytest.mark.slow
def test_a_closure_test_on_local_workers_is_the_same_bit_for_bit(tiny_closure, closure_card, tmp_path):
    run_closure(parse_runcard(closure_card), tmp_path / "tiny", 5, 6, cluster="local:2")
    assert grids(tmp_path / "tiny") == grids(tiny_closure)


@pytest.mark.slow
def test_a_scan_whose_worker_is_killed_has_the_same_trials(scan_card, tmp_path):  # noqa: F811
    """Drawn at random, trials do not depend on which others have ended."""

    class Killer(ScanWatcher):
        killed = False

        def finished(self, line, trials):
            if not self.killed:
                workers_of(os.getpid())[0].send_signal(signal.SIGKILL)
            self.killed = True

    card, killer = parse_runcard(scan_card), Killer()
    options = {"replicas": 2, "algorithm": "random"}
    alone = run_scan(card, tmp_path / "alone", 4, **options).trials()
    shared = run_scan(card, tmp_path / "shared", 4, **options, cluster="local:2", watcher=killer).trials()
    assert killer.killed and len(alone) == 4
    for trial in alone + shared:
        del trial["seconds"], trial["finished"]
    assert sorted(shared, key=lambda trial: trial["trial"]) == alone
