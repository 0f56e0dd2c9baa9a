"""Every command and code block of the documentation is run, or used, by a test, most of them here, as it is written.

Only what takes long is made small: the cards behind the names, and numbers of fits, replicas, trials and epochs.
"""

import copy
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from pages import ROOT, blocks, follows
from toy_cards import CLOSURE, SMALL_CARD
from toy_closure import write_closure_test

import nnpdf_lite
from nnpdf_lite.cluster.cluster_file import read_cluster_file
from nnpdf_lite.hyperopt.folder import ScanFolder
from nnpdf_lite.runcard import load_runcard, parse_runcard

if not (ROOT / "mkdocs.yml").is_file():
    pytest.skip("not a checkout", allow_module_level=True)

# A reader

#: Cards of the names that tutorials use, quickly trained on few data.
SMALL = {
    "dis_nnlo_quick": SMALL_CARD | {"replicas": 4},
    "dis_nnlo_closure": SMALL_CARD | {"closuretest": CLOSURE},
    "new": SMALL_CARD | {"dataset_inputs": [{"dataset": "SLAC_NC_NOTFIXED_D_EM-F2", "variant": "legacy_dw"}]},
}


def write_card(path, card):
    path.write_text(yaml.safe_dump(card, sort_keys=False))


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """What a reader of a tutorial has: a folder, the commands ``nnpdf-lite`` and ``dask``, and cards that are quick here."""
    cards = tmp_path / "own" / "runcards"
    cards.mkdir(parents=True)
    for name, card in SMALL.items():
        write_card(cards / f"{name}.yml", card)
    (tmp_path / "bin").mkdir()
    for name, module in {"nnpdf-lite": "nnpdf_lite", "dask": "dask"}.items():
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("NNPDF_LITE_PATH", str(tmp_path / "own"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def follow(found, **replaced):
    """Run blocks in their order, all of Python in one namespace; returns the last command's output."""
    namespace, output = {}, ""
    for language, text in found:
        for old, new in replaced.items():
            text = re.sub(rf"\b{old}\b", new, text)
        if language == "bash":
            output = run(text)
        elif language == "python":
            exec(compile(text, "tutorial", "exec"), namespace)  # noqa: S102 - the page's own code
    return output


def run(text):
    """Run lines in a shell, each of which must end well, but for those that install; returns what they print."""
    text = "\n".join(line for line in text.splitlines() if "pip install" not in line and ".venv" not in line)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}\n{done.stderr}"
    return done.stdout


def keys(found):
    """Return the keys of a page's YAML blocks together."""
    return {key: value for language, text in found if language == "yaml" for key, value in yaml.safe_load(text).items()}


# First steps


@pytest.mark.slow
@follows("docs/first-fit.md")
def test_the_first_fit_goes_as_told(reader, found):
    last = follow(found)
    assert "without_hera" in last and "distance" in last
    assert Path("dis_nnlo_quick/report/index.html").is_file() and Path("gluon.svg").is_file()
    assert len(nnpdf_lite.load_fit("dis_nnlo_quick").replicas()) == 4 + 20
    assert [d.name for d in nnpdf_lite.load_fit("without_hera").problem.datasets] == [
        "SLAC_NC_NOTFIXED_P_EM-F2",
        "NMC_NC_NOTFIXED_EM-F2",
    ]


@follows("docs/index.md")
def test_the_front_page_begins_with_a_command_of_the_first_fit(found):
    assert set(found) <= set(blocks("docs/first-fit.md"))


@pytest.mark.slow
@follows("docs/api/index.md")
def test_the_first_functions_of_the_reference(reader, found):
    follow(found)
    assert nnpdf_lite.load_set("dis_nnlo_quick").errors.n == 4


@pytest.mark.slow
@follows("README.md", "From Python")
def test_the_readme_from_python(reader, found):
    follow(found)
    assert nnpdf_lite.load_set("somewhere/my_set").errors.n == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", [path.stem for path in sorted((ROOT / "examples").glob("*.ipynb"))])
def test_a_notebook_runs_from_top_to_bottom(reader, name, monkeypatch):
    monkeypatch.delenv("MPLBACKEND")  # pictures go into the notebook
    if name == "closure_test":  # makes its own card small
        monkeypatch.delenv("NNPDF_LITE_PATH")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code"), "stored with output"
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute(cwd=str(reader))
    pictures = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert pictures


@pytest.mark.slow
@follows("CONTRIBUTING.md", "Five minutes to a first change")
def test_the_first_change_of_contributing_works(reader, found):
    """The diff applies, the claim about it holds, and the command shows it."""
    found = dict(found)
    for folder in ("nnpdf_lite", "tests", "datasets", "theory_grids", "pdfsets", "runcards"):
        shutil.copytree(ROOT / folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", "-"], input=found["diff"], text=True, check=True)
    with Path("tests/test_ensembles.py").open("a") as file:
        file.write("\n\n" + found["python"])
    environment = {**os.environ, "PYTHONPATH": str(reader)}
    for command in found["bash"].splitlines()[:2]:
        program = command.replace("nnpdf-lite", "python -m nnpdf_lite").replace("python", sys.executable, 1).split()
        subprocess.run(
            [*program, *(["-k", "valence_and_sea"] if "pytest" in program else [])], env=environment, check=True
        )
    assert Path("sea.svg").is_file()


# Results


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A fit of 160 replicas of the small card, half of which postfit keeps, with its LHAPDF set."""
    done = nnpdf_lite.fit(copy.deepcopy(SMALL_CARD), 160, tmp_path_factory.mktemp("crowd") / "my_fit", progress=False)
    done.postfit()
    done.to_lhapdf()
    return done.folder.path


@pytest.mark.slow
@follows("docs/ensembles.md")
def test_what_can_be_made_of_sets(reader, crowd, found):
    shutil.copytree(crowd, "my_fit", symlinks=True)
    follow(found)
    sizes = {"my_fit_hessian": 50, "my_fit_40": 40, "my_fit_new": 50, "smaller": 40, "unweighted": 50}
    assert {name: nnpdf_lite.load_set(name).errors.n for name in sizes} == sizes


@pytest.fixture
def finished(reader, my_fit):
    """The folder ``FIT`` where the reader is, with its set."""
    shutil.copytree(my_fit, "FIT", symlinks=True)
    (Path("FIT") / "postfit" / "my_fit").rename(Path("FIT") / "postfit" / "FIT")
    for path in Path("FIT/postfit/FIT").iterdir():
        path.rename(path.with_name(path.name.replace("my_fit", "FIT")))


@pytest.mark.slow
@follows("docs/report.md")
def test_a_report_beside_other_fits_and_sets(finished, found):
    there = {"HERA_CC_318GEV_EP-SIGMARED": "SLAC_NC_NOTFIXED_P_EM-F2"}
    follow(found, OTHER_FIT="FIT", LHAPDF_SET="NNPDFLITE_dis_nnlo", **there)
    assert Path("DIR/index.html").is_file() and list(Path("DIR/figures").glob("*.csv"))


@pytest.mark.slow
@follows("docs/fit-folder.md")
def test_a_fit_folder_in_python(finished, found):
    follow([("python", "x = [0.1, 0.2]"), *found])
    assert nnpdf_lite.load_set("sets/MY_SET").errors.n == 3


# Closure tests


@pytest.mark.slow
@follows("docs/closure.md", "", "From Python")
def test_closure_tests_on_the_command_line_and_from_python(reader, found):
    """Only the three levels are not fitted, but written: they are those of the small card with other answers."""
    for level, (noise, own) in enumerate([(False, False), (True, False), (True, True)]):
        card = copy.deepcopy(SMALL_CARD) | {"closuretest": CLOSURE | {"fakenoise": noise}, "genrep": own}
        write_closure_test(Path(f"LEVEL_{level}"), parse_runcard(card), 5, 6, width=0.5 + level)
    follow(
        [(language, text.replace("--fits 25 --replicas 40", "--fits 7 --replicas 15")) for language, text in found],
        DIR="dis_nnlo_closure",
        OTHER_DIR="dis_nnlo_closure",
    )


def inconsistent_card(found, dataset):
    """A card of all YAML blocks of the page, with this set in place of the large one whose uncertainties are rescaled."""
    card = copy.deepcopy(SMALL_CARD) | keys(found)
    card["closuretest"]["inconsistent_fakedata"] = True
    card["inconsistent_data_settings"]["inconsistent_datasets"] = [dataset]
    return card


@follows("docs/closure.md", "The runcard")
def test_the_blocks_of_a_closure_test_are_accepted(found):
    card = parse_runcard(inconsistent_card(found, "NMC_NC_NOTFIXED_EM-F2"))
    assert card.closure.faketheoryid == "nnlo" and card.left_out.edge == "x > 0.001"
    assert card.inconsistent_data_settings.sys_rescaling_factor == 0.3


@pytest.mark.slow
@follows("docs/closure.md", "The runcard", "Finding inconsistent data")
def test_data_declared_inconsistent_are_looked_for(reader, found):
    small = "NMC_NC_NOTFIXED_EM-F2"
    write_card(Path("my_card.yml"), inconsistent_card(found, small))
    shrunk = [(language, text.replace("--fits 25", "--fits 5 --replicas 15")) for language, text in found]
    table = follow(shrunk, **{"HERA_NC_318GEV_EP-SIGMARED": small})
    assert "not_described" in table and small in table
    fits = [nnpdf_lite.load_fit(f"{name}/fit_01") for name in ("reference", "weighted")]
    weights = [{entry.dataset: entry.weight for entry in fit.runcard.dataset_inputs}[small] for fit in fits]
    assert weights[1] > weights[0] == 1
    assert [d.name for d in fits[0].problem.datasets] == ["SLAC_NC_NOTFIXED_P_EM-F2", small]  # charm is left out


# Scans


def scan_card(page="docs/hyperopt.md"):
    """A card with the page's own ranges and folds, of the sets in these folds."""
    found = keys(blocks(page))
    del found["trial_specs"]
    names = [name for fold in found["kfold"]["partitions"] for name in fold["datasets"]]
    cfactors = {name: {"cfac": ["MAS"]} for name in names if name.startswith("NUTEV")}
    inputs = [{"dataset": name, "variant": "legacy_dw"} | cfactors.get(name, {}) for name in names]
    return copy.deepcopy(SMALL_CARD) | {"dataset_inputs": inputs, "replicas": 6} | found


def test_the_blocks_of_a_scan_are_accepted():
    card = parse_runcard(scan_card())
    assert [len(fold.datasets) for fold in card.kfold.partitions] == [2, 2]
    assert {optimizer.optimizer_name for optimizer in card.hyperscan_config.optimizer} == {"Nadam", "Adam"}


@pytest.mark.slow
@follows("docs/hyperopt.md")
def test_a_scan_its_best_trial_and_a_fit_of_several(reader, found):
    card = scan_card()
    card["hyperscan_config"]["stopping"] |= {"min_epochs": 100, "max_epochs": 200}
    card["parameters"]["positivity"]["threshold"] = 1e6  # so short a training need not pass
    write_card(reader.parent / "own/runcards/dis_nnlo_hyperopt.yml", card)
    few = "--replicas 2 --workers 1"
    shrunk = {"--trials 500": f"--trials 3 {few}", "--trials 5 --fitted 1.14": f"--trials 1 --fitted 1000 {few}"}
    for long, short in shrunk.items():
        found = [(language, text.replace(long, short)) for language, text in found]
    follow(found)
    trials = ScanFolder(Path("dis_nnlo_hyperopt")).trials()
    assert [trial["state"] for trial in trials] == ["ok"] * 3
    assert Path("dis_nnlo_hyperopt/report/index.html").is_file()
    best = min(trials, key=lambda trial: trial["loss"])
    assert load_runcard("best/filter.yml").parameters.epochs == best["model"]["parameters"]["epochs"]
    specs = keys(found)["trial_specs"] | {"thermalization": 1, "number_of_trials": 2, "override": {"epochs": 100}}
    several = {key: value for key, value in card.items() if key not in ("hyperscan_config", "kfold")}
    nnpdf_lite.fit(several | {"trial_specs": specs}, 2, "several", progress=False)
    models = json.loads(Path("several/models.json").read_text())
    networks = {tuple(trial["model"]["parameters"]["nodes_per_layer"]) for trial in trials[1:]}
    assert {tuple(model["parameters"]["nodes_per_layer"]) for model in models} == networks


# Clusters


@contextmanager
def in_background(*lines):
    """Programs that run until the end of the block."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen(shlex.split(line), **quiet, start_new_session=True) for line in lines]
    try:
        yield
    finally:
        for process in reversed(processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port, seconds=120):
    """Wait until somebody listens, as a reader does who sees the scheduler's first line."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
@follows("docs/cluster.md", "", "A cluster that is running")
def test_fits_on_workers_are_the_same_wherever_these_are(reader, found, monkeypatch):
    (_, local), (_, running) = found
    run(local)
    grids = {path.parent.name: path.read_text() for path in reader.rglob("nnfit/*/*.exportgrid")}
    (reader / "again").mkdir()
    monkeypatch.chdir(reader / "again")
    port = free_port()
    running = running.replace("dask scheduler", "dask scheduler --port 8786").replace("8786", str(port))
    scheduler, worker, fit = running.splitlines()
    with in_background(scheduler, worker):
        wait_for(port)
        run(fit)
    again = {path.parent.name: path.read_text() for path in Path().rglob("nnfit/*/*.exportgrid")}
    assert len(again) == 4 and again == grids


@follows("docs/cluster.md", "A batch system")
def test_the_blocks_for_batch_systems_are_the_examples(found, tmp_path):
    """What jobs are made of these is in test_cluster.py."""
    assert len(found) == len(list((ROOT / "examples/cluster").iterdir()))
    for _, text in found:
        name = text.partition(":")[0] + ".yml"
        example = (ROOT / "examples/cluster" / name).read_text()
        assert "".join(line for line in example.splitlines(True) if not line.startswith("#")) == text
        (tmp_path / name).write_text(text)
        assert read_cluster_file(tmp_path / name, None).workers == yaml.safe_load(text)[name[:-4]]["workers"]


# Theory tables


@pytest.mark.slow
@follows("docs/theory-tables.md")
def test_theory_tables_of_a_few_sets(reader, found):
    """Complete but for the sets, and for the card that is built, ``my.yaml``, which is massless and of leading order."""
    if not (importlib.util.find_spec("yadism") and importlib.util.find_spec("eko")):
        pytest.skip("yadism and eko are not installed (pip install '.[theory]')")
    theory = yaml.safe_load((ROOT / "theory_grids/nnlo/theory.yaml").read_text())
    write_card(Path("my.yaml"), theory | {"PTO": 0, "FNS": "ZM-VFNS"})
    sets = "theory build my.yaml --sets NNPDF_POS_2P24GEV_XUB NNPDF_INTEG_3GEV_XT3"
    follow([(language, text.replace("theory build nnlo", sets)) for language, text in found])
    built = {path.name for path in Path().iterdir() if (path / "manifest.json").is_file()}
    couplings = {f"my_nnlo_as_0.{n}0" for n in range(116, 121)}
    assert couplings | {"my", "my_nnlo"} <= built and len(built) == 2 + 5 + 6
    assert Path("evolution.tar").is_file()
