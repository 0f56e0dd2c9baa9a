"""Pools of workers: whatever they run on and whatever happens to them, the same results come back."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import toy_units
import yaml

import nnpdf_lite
from nnpdf_lite import cluster
from nnpdf_lite.cluster import batch_system, places
from nnpdf_lite.cluster.cluster_file import read_cluster_file
from nnpdf_lite.errors import InputError

ROOT = Path(nnpdf_lite.__file__).parents[1]
EXAMPLES = ROOT / "examples" / "cluster"


def dask(*arguments, **environment):
    """Start ``dask ...`` beside the tests; workers import ``toy_units``, and the package from here unless told otherwise."""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        cwd=Path(__file__).parent,  # where -m looks for modules first; the package is not there
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_scheduler():
    """A real ``dask scheduler``: its address, and the process."""
    process = dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    try:
        for line in process.stderr:
            if found := re.search(r"Scheduler at:\s+(tcp://\S+)", line):
                break
        yield found[1], process
    finally:
        end(process)


@contextmanager
def running_worker(address, *options, nanny="--no-nanny", **environment):
    """A real ``dask worker`` of a scheduler."""
    process = dask("worker", address, "--host", "127.0.0.1", "--no-dashboard", nanny, *options, **environment)
    try:
        yield process
    finally:
        end(process)


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stderr.close()


def results(pool, function, shared, units, **options):
    return sorted(pool.run(function, shared, units, **options))


EXPECTED = [(unit, 10 + unit**2) for unit in range(6)]


@pytest.fixture(scope="module")
def pair():
    """Two local workers."""
    with cluster.connect("local:2") as pool:
        yield pool


@pytest.fixture(scope="module")
def scheduler():
    """A running cluster's scheduler, without workers."""
    with running_scheduler() as (address, _):
        yield address


# --- the same results everywhere ----------------------------------------------------------------------------------


def test_this_process_does_one_unit_after_another():
    with cluster.connect(None) as pool:
        assert pool.count == 1
        assert list(pool.run(toy_units.square, 10, range(6))) == EXPECTED


def test_local_workers_give_the_same_results(pair):
    assert pair.count == 2 and results(pair, toy_units.square, 10, range(6)) == EXPECTED


def test_a_running_cluster_gives_the_same_results(scheduler):
    with running_worker(scheduler, "--nthreads", "1"), cluster.connect(scheduler) as pool:
        assert pool.count == 1 and results(pool, toy_units.square, 10, range(6)) == EXPECTED


def test_what_workers_report_is_heard(pair):
    heard = []

    def listen(unit, message):
        heard.append((unit, message))

    with cluster.connect(None) as here:
        assert results(here, toy_units.slow_square, 10, range(6), listen=listen) == EXPECTED
    assert heard == [(unit, unit) for unit in range(6) for _ in range(2)]
    heard.clear()
    assert results(pair, toy_units.slow_square, 10, range(6), listen=listen) == EXPECTED
    # A unit's last words may be overtaken by its result, after which nobody asks.
    assert 0 < len(heard) <= 12 and all(unit == message for unit, message in heard)


def test_a_worker_gets_a_fresh_process_after_so_many_units_where_the_pool_started_it(scheduler):
    with cluster.connect("local:1") as pool:
        done = results(pool, toy_units.process, None, range(6), renew=2)
    processes = [found[0] for _, found in done]
    assert processes[::2] == processes[1::2] and len(set(processes)) == 3
    with running_worker(scheduler, "--nthreads", "1", nanny="--nanny"), cluster.connect(scheduler) as pool:
        assert len({found[0] for _, found in results(pool, toy_units.process, None, range(4), renew=2)}) == 1


def test_a_unit_is_asked_for_only_when_a_worker_is_free_and_all_results_are_known(pair):
    known, surplus = set(), []

    def ask():
        for unit in range(8):
            surplus.append(unit - len(known))
            yield unit

    for unit, _ in pair.run(toy_units.slow_square, 0, ask()):
        known.add(unit)
    assert len(known) == 8 and max(surplus) == 1  # with two workers, one unit is under way when the next is asked for


def test_ahead_keeps_a_queue(pair):
    asked = []
    for _ in pair.run(toy_units.slow_square, 0, (asked.append(unit) or unit for unit in range(8)), ahead=3):
        break
    assert asked == [0, 1, 2, 3, 4]


def test_every_core_has_one_worker_of_one_thread(pair):
    found = {result for _, result in pair.run(toy_units.process, None, range(6))}
    assert len(found) == 2 and {threads for _, *threads in map(list, found) for threads in threads} == {"1"}


def test_by_default_there_is_a_worker_per_core():
    assert places.find_place("local", None).workers == len(os.sched_getaffinity(0))
    assert places.find_place("local:3", None).workers == 3 and places.find_place("local:3", 2).workers == 2


# --- mishaps ------------------------------------------------------------------------------------------------------


def test_the_unit_of_a_killed_worker_is_done_by_another(tmp_path, pair):
    assert results(pair, toy_units.kill_once, str(tmp_path), range(6)) == [(unit, 2 * unit) for unit in range(6)]
    assert (tmp_path / "killed").exists()


def test_the_only_worker_may_be_killed_and_what_it_was_sent_with_it(tmp_path):
    with cluster.connect("local:1") as pool:
        assert results(pool, toy_units.kill_once, str(tmp_path), range(3)) == [(0, 0), (1, 2), (2, 4)]


def test_a_unit_that_kills_every_worker_is_given_up(monkeypatch):
    monkeypatch.setattr(places, "ALLOWED_FAILURES", 1)
    with cluster.connect("local:1") as pool, pytest.raises(InputError, match=r"has ended 2 workers.*memory.*--resume"):
        list(pool.run(toy_units.kill_always, None, [1]))


def test_a_mistake_found_by_a_worker_is_told_in_its_words(pair):
    with pytest.raises(InputError, match="^unit 3: refused$"):
        list(pair.run(toy_units.complain, None, [3]))
    assert results(pair, toy_units.square, 10, range(6)) == EXPECTED


def test_units_that_nobody_waits_for_are_abandoned(tmp_path, pair):
    running = pair.run(toy_units.stay, str(tmp_path), iter("ab"), listen=lambda *said: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(running)
    wait_for(lambda: len(list(tmp_path.glob("abandoned_*"))) == len(list(tmp_path.glob("begun_*"))))
    assert results(pair, toy_units.square, 10, range(6)) == EXPECTED


def test_no_process_outlives_the_pool(tmp_path):
    with cluster.connect("local:2") as pool:
        pids = {result[0] for _, result in pool.run(toy_units.process, None, range(6))}
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_scheduler_that_goes_is_named(monkeypatch):
    monkeypatch.setattr(places, "ANSWER_TIME", 2.0)
    with (
        running_scheduler() as (address, process),
        running_worker(address, "--nthreads", "1"),
        pytest.raises(InputError, match=rf"scheduler {address} has gone.*--resume"),
        cluster.connect(address) as pool,
    ):
        for unit, _ in pool.run(toy_units.slow_square, 0, range(100)):
            if unit == 1:
                process.kill()


def test_a_client_that_gave_up_reaching_its_scheduler_still_names_it(scheduler):
    with running_worker(scheduler, "--nthreads", "1"), cluster.connect(scheduler) as pool:
        pool.client.close()  # as it does itself in the end
        assert f"scheduler {scheduler} has gone" in str(pool.gone())


# --- before anything starts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("listening", [True, False])
def test_a_scheduler_that_does_not_answer_is_named(listening, monkeypatch):
    """Nothing there, or something that accepts connections and is silent."""
    monkeypatch.setattr(places, "ANSWER_TIME", 1.0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if listening:
            other.listen()
        address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        message = rf"{address}: no Dask scheduler answers there within 1 s .*'dask scheduler'"
        with pytest.raises(InputError, match=message), cluster.connect(address):
            pass


def copy_of_the_package(folder, change):
    shutil.copytree(ROOT / "nnpdf_lite", folder / "nnpdf_lite", ignore=shutil.ignore_patterns("__pycache__"))
    change(folder / "nnpdf_lite")
    return {"PYTHONPATH": str(folder)}


def other_version(package):
    path = package / "__init__.py"
    path.write_text(path.read_text().replace(nnpdf_lite.__version__, "0.0.7"))


def other_source(package):
    (package / "flavours.py").open("a").write("# changed\n")


def broken(package):
    (package / "__init__.py").write_text("import no_such_module")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_version, rf"worker tcp://127\.0\.0\.1:\d+ has nnpdf_lite 0\.0\.7, this is {nnpdf_lite.__version__}"),
        (other_source, r"worker tcp://127\.0\.0\.1:\d+ has nnpdf_lite with other source files, checksum \w+, this is \w+"),
        (broken, r"worker tcp://127\.0\.0\.1:\d+ cannot import nnpdf_lite \(No module named 'no_such_module'\)"),
    ],
)
def test_a_worker_with_another_version_is_named(scheduler, tmp_path, change, message):
    environment = copy_of_the_package(tmp_path, change)
    with (
        running_worker(scheduler, "--nthreads", "1", **environment),
        pytest.raises(InputError, match=message),
        cluster.connect(scheduler),
    ):
        pass


def test_a_worker_of_several_threads_is_refused(scheduler):
    with (
        running_worker(scheduler, "--nthreads", "4"),
        pytest.raises(InputError, match="has 4 threads; expected one.*--nthreads 1 --nworkers 4"),
        cluster.connect(scheduler),
    ):
        pass


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("loca", "there is no such file; expected local, local:N.*Did you mean 'local'"),
        ("local:", "'' is not a number of workers"),
        ("local:two", "'two' is not a number of workers; expected local:N"),
        ("local:0", "'0' is not a number of workers"),
        ("local:-1", "'-1' is not a number of workers"),
        ("tcp://scheduler", "not the address of a scheduler; expected tcp://HOST:PORT"),
        ("tcp://:8786", "not the address of a scheduler"),
        ("http://host:8786", "not the address of a scheduler"),
        ("no/such/cluster.yml", "no/such/cluster.yml: there is no such file"),
        ("", "there is no such file"),
    ],
)
def test_a_place_that_is_none_is_explained(where, message):
    with pytest.raises(InputError, match=message), cluster.connect(where):
        pass


def test_the_number_of_workers_is_checked():
    with pytest.raises(InputError, match="workers: 0; expected at least 1"), cluster.connect("local", 0):
        pass


SLURM = {"cores": 4, "memory": "8GB"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"slrum": SLURM}, "slrum: unknown batch system.*Did you mean 'slurm'"),
        ({"slurm": SLURM | {"memroy": "1GB"}}, "slurm.memroy: unknown key.*Did you mean 'memory'"),
        ({"slurm": SLURM | {"processes": 2}}, "slurm.processes: cannot be chosen here; there is one worker per core"),
        ({"slurm": SLURM | {"loop": 1}}, "slurm.loop: cannot be chosen here"),
        ({"slurm": {"cores": 4}}, "slurm.memory: missing; expected the memory of a job"),
        ({"htcondor": SLURM}, "htcondor.disk: missing; expected the disk of a job"),
        ({"slurm": SLURM | {"cores": "four"}}, "slurm.cores: four; expected a whole number from 1"),
        ({"slurm": SLURM | {"workers": 0}}, "slurm.workers: 0; expected a whole number from 1"),
        ({"slurm": SLURM | {"memory": "much"}}, "slurm.memory: much; expected an amount such as 16GB"),
        ({"slurm": SLURM | {"job_script_prologue": "module load"}}, "slurm.job_script_prologue: module load; expected a list"),
        ({"pbs": SLURM, "slurm": SLURM}, "slurm: a second block after 'pbs'"),
        ({"local": {"wokers": 2}}, "local.wokers: unknown key.*Did you mean 'workers'"),
        ({"slurm": 3}, "slurm: 3; expected keys and values"),
        ([1], "expected one block named slurm, htcondor"),
        ("{", "cannot be read as YAML"),
    ],
)
def test_a_mistake_in_a_cluster_file_is_named(document, message, tmp_path):
    path = tmp_path / "cluster.yml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    with pytest.raises(InputError, match=f"^{path}: {message}"), cluster.connect(str(path)):
        pass


def test_what_the_batch_system_library_refuses_is_told(tmp_path):
    path = tmp_path / "cluster.yml"
    path.write_text(yaml.safe_dump({"slurm": SLURM | {"interface": "no0"}}))
    with pytest.raises(InputError, match="slurm: refused by dask-jobqueue: .*no0"), cluster.connect(str(path)):
        pass


# --- batch systems ------------------------------------------------------------------------------------------------


def example(name, **change):
    """The batch system of an example, to be started on this machine's network."""
    place = read_cluster_file(EXAMPLES / name, None)
    options = {key: value for key, value in place.options.items() if key not in ("interface", "log_directory")}
    return type(place)(place.system, {**options, **change}, place.workers)


def test_the_slurm_example_asks_for_a_worker_per_core():
    place = example("slurm.yml")
    with place.cluster() as jobs:
        script = jobs.job_script()
    for line in ("#SBATCH --cpus-per-task=16", "#SBATCH -t 02:00:00", "#SBATCH -p standard", "export OMP_NUM_THREADS=1"):
        assert line in script.splitlines()
    assert place.jobs == 4
    assert re.search(r"-m distributed.cli.dask_worker tcp://\S+ .*--nthreads 1 .*--nworkers 16 --nanny", script)


def test_the_htcondor_example_asks_for_a_worker_per_core():
    place = example("htcondor.yml")
    with place.cluster() as jobs:
        script = jobs.job_script()
    for line in ("MY.DaskWorkerCores = 1", "MY.DaskWorkerMemory = 2000000000", "+MaxRuntime = 7200"):
        assert line in script.splitlines()
    assert place.jobs == 100
    assert "export OMP_NUM_THREADS=1; " in script and re.search(r"dask_worker tcp://\S+ .*--nthreads 1 ", script)


def test_a_block_may_be_written_as_in_dasks_configuration(tmp_path):
    path = tmp_path / "jobqueue.yaml"
    path.write_text(yaml.safe_dump({"jobqueue": {"slurm": SLURM | {"job-extra-directives": ["--qos=low"]}}}))
    with read_cluster_file(path, 6).cluster() as jobs:
        assert "#SBATCH --qos=low" in jobs.job_script()
    assert read_cluster_file(path, 6).jobs == 2


@pytest.mark.filterwarnings("ignore:OAR Job memory")
@pytest.mark.parametrize("system", ["pbs", "sge", "lsf", "oar", "moab"])
def test_other_batch_systems_are_known(system, tmp_path):
    path = tmp_path / "cluster.yml"
    path.write_text(yaml.safe_dump({system: SLURM | {"walltime": "01:00"}}))
    with read_cluster_file(path, None).cluster() as jobs:
        assert "--nworkers 4" in jobs.job_script()


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A batch system of two commands, which runs jobs at once on this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    commands = {
        "sbatch": f'cp "$1" {tmp_path}/$$.sh\nsetsid bash {tmp_path}/$$.sh > {tmp_path}/$$.log 2>&1 &\n'
        f'echo $! >> {tmp_path}/jobs\necho "Submitted batch job $!"',
        "scancel": 'kill -9 -- "-$1"',
    }
    for name, body in commands.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", path)
    (tmp_path / "jobs").touch()
    yield tmp_path / "jobs"
    for job in (tmp_path / "jobs").read_text().split():
        subprocess.run(["kill", "-9", "--", f"-{job}"], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_jobs_of_a_batch_system_do_the_work_and_one_that_ends_early_is_replaced(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_system, "GRACE", 3.0)
    path = tmp_path / "cluster.yml"
    here = {"scheduler_options": {"host": "127.0.0.1"}, "local_directory": str(tmp_path)}
    path.write_text(yaml.safe_dump({"slurm": {"cores": 2, "memory": "4GB", **here}}))
    notes = []
    with cluster.connect(str(path), note=notes.append) as pool:
        assert pool.count == 2 and results(pool, toy_units.slow_square, 10, range(6)) == EXPECTED
        (job,) = slurm.read_text().split()
        subprocess.run(["kill", "-9", "--", f"-{job}"], check=True)
        assert results(pool, toy_units.slow_square, 10, range(6)) == EXPECTED
    assert notes[0] == "1 job of 2 workers submitted to slurm"
    assert len(slurm.read_text().split()) == 2
    groups = ",".join(slurm.read_text().split())
    wait_for(lambda: subprocess.run(["pgrep", "-g", groups], check=False, stdout=subprocess.DEVNULL).returncode == 1)
