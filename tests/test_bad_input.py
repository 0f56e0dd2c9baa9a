"""Whatever is wrong with the input: one clear message, exit code 2, nothing overwritten, nothing lost."""

import copy
import errno
import json
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nnpdf_lite
from nnpdf_lite import cli
from nnpdf_lite.fit import parallel
from nnpdf_lite.fit.training_task import TrainedReplica
from nnpdf_lite.paths import shipped
from nnpdf_lite.results import fit_folder, run

SLAC = "SLAC_NC_NOTFIXED_P"
MUTATED = {  # of all kinds of keys some, and quick to check
    "dataset_inputs": [
        {"dataset": "SLAC_NC_NOTFIXED_P_EM-F2", "variant": "legacy_dw", "frac": 0.5, "weight": 2.0},
        {"dataset": "NUTEV_CC_NOTFIXED_FE_NB-SIGMARED", "variant": ["legacy_dw"], "cfac": ["MAS"]},
    ],
    "datacuts": {"t0pdfset": "NNPDFLITE_dis_nnlo", "q2min": 3.49, "w2min": 12.5, "use_cuts": "internal"},
    "theory": {"theoryid": "nnlo"},
    "trvlseed": 1,
    "genrep": True,
    "diagonal_basis": False,
    "diagonal_frac": 0.75,
    "parameters": {"nodes_per_layer": [4, 8], "activation_per_layer": ["tanh", "linear"], "epochs": 10},
    "fitting": {"fitbasis": "EVOL", "sum_rules": True},
    "positivity": {"posdatasets": [{"dataset": "NNPDF_POS_2P24GEV_XGL", "maxlambda": 1e6}]},
    "integrability": {"integdatasets": [{"dataset": "NNPDF_INTEG_3GEV_XT3", "maxlambda": 100}]},
    "added_filter_rules": [
        {"dataset": "NNPDF_POS_2P24GEV_XGL", "rule": "x > 0.1", "reason": "large x"},
        {"process_type": "DIS_ALL", "rule": "W2 > 3", "local_variables": {"W2": "Q2 * (1 - x) / x"}, "PTO": "NNLO+"},
    ],
}


@pytest.fixture
def refused(capsys):
    """Run a command line that must fail; returns its message."""

    def check(*arguments):
        assert cli.main([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        progress, message = err.split("error: ", 1)
        assert (not progress or progress.endswith("\n")) and "Traceback" not in err
        return message.rstrip("\n")

    return check


@pytest.fixture
def write(tmp_path, small_card):
    """Write a changed small card; returns its path."""

    def file(change=lambda card: None, name="card.yml"):
        card = copy.deepcopy(small_card)
        change(card)
        path = tmp_path / name
        path.write_text(yaml.safe_dump(card))
        return path

    return file


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Copy a shipped folder to where the user keeps their own, which is searched first; returns the copy."""
    monkeypatch.setenv("NNPDF_LITE_PATH", str(tmp_path / "own"))

    def folder(kind, name):
        return Path(shutil.copytree(shipped(kind) / name, tmp_path / "own" / kind / name))

    return folder


@pytest.fixture
def fit_copy(tmp_path, tiny_fit):
    return Path(shutil.copytree(tiny_fit, tmp_path / "tiny", symlinks=True))


def contents(folder):
    """Return what a folder holds, file by file, for comparison."""
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def rewrite(path, change):
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


# Runcards


def test_a_missing_runcard_gets_a_suggestion(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused("fit", "dis_nnlo_quik") == "dis_nnlo_quik: there is no such runcard. Did you mean 'dis_nnlo_quick'?"
    assert "Shipped runcards: dis_nnlo, dis_nnlo_closure, dis_nnlo_hyperopt, dis_nnlo_quick" in refused("data", "my.yml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        (b"", "is empty"),
        (b"theory: [", "line 1"),
        (b"theory: {}\ntheory: {}", "line 2: the key 'theory' appears twice"),
    ],
)
def test_an_unreadable_runcard_is_named(refused, tmp_path, content, words):
    path = tmp_path / "bad.yml"
    path.write_bytes(content)
    message = refused("validate", path)
    assert message.startswith(str(path))
    assert words in message


def test_every_mistake_of_a_card_is_listed_with_its_line_value_and_expectation(refused, write):
    def change(card):
        card["parameters"]["epochs"] = "many"
        card["datacut"] = {}
        card["diagonal_frac"] = 1.0

    message = refused("fit", write(change))
    assert "3 mistakes" in message
    assert "parameters.epochs = 'many': expected a whole number" in message
    assert "datacut: unknown key. Did you mean 'datacuts'?" in message
    assert "diagonal_frac = 1.0: expected a number above 0 and below 1" in message


# Data, theory and PDF sets


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda card: card["dataset_inputs"][1].update(dataset="NMC_NC_NOTFIXED_EM-F3"),
            ["dataset_inputs[1]: Dataset 'NMC_NC_NOTFIXED_EM-F3' was not found", "'NMC_NC_NOTFIXED_EM-F2'?"],
        ),
        (
            lambda card: card["dataset_inputs"][0].update(variant="legacy_dv"),
            ["dataset_inputs[0]: Dataset SLAC_NC_NOTFIXED_P_EM-F2: there is no variant 'legacy_dv'", "'legacy_dw'?"],
        ),
        (
            lambda card: card["dataset_inputs"][0].update(cfac=["MAS"]),
            ["CF_MAS_SLAC_NC_EM_P_F2.dat: cfactor file missing"],
        ),
        (
            lambda card: card["positivity"]["posdatasets"][0].update(dataset="NNPDF_POS_2P24GEV_F2"),
            ["positivity.posdatasets[0]: ", "was not found", "Did you mean 'NNPDF_POS_2P24GEV_F2"],
        ),
        (
            lambda card: card["theory"].update(theoryid="nlo"),
            ["theory.theoryid: no theory 'nlo'", "there: nnlo. Did you mean 'nnlo'?"],
        ),
        (
            lambda card: card["datacuts"].update(t0pdfset="NNPDFLITE_dis_nlo"),
            ["datacuts.t0pdfset: PDF set 'NNPDFLITE_dis_nlo' not found", "Did you mean 'NNPDFLITE_dis_nnlo'?"],
        ),
        (
            lambda card: card["datacuts"].update(t0pdfset="NNPDFLITE_dis_nnlo/7"),
            ["datacuts.t0pdfset: PDF set NNPDFLITE_dis_nnlo", "has no member 7 (0 to 0 exist)"],
        ),
        (
            lambda card: card["datacuts"].update(q2min=1e9),
            ["q2min = 1000000000.0, w2min = 12.5 and the filter rules leave no data"],
        ),
        (
            lambda card: card["datacuts"].update(w2min=1.5),
            ["FK tables of theory 'nnlo' are empty for", "the first being point", "datacuts.w2min"],
        ),
        (
            lambda card: card["added_filter_rules"].append({"process_type": "DIS_ALL", "rule": "y2 > 0"}),
            ["added_filter_rules[1]", "y2"],
        ),
        (
            lambda card: card.update(
                diagonal_basis=False, dataset_inputs=[{**entry, "frac": 1.0} for entry in card["dataset_inputs"]]
            ),
            ["frac is 1 for every dataset: no point is left for validation"],
        ),
        (
            lambda card: card.update(
                dataset_inputs=card["dataset_inputs"][:1],
                added_filter_rules=[{"dataset": "SLAC_NC_NOTFIXED_P_EM-F2", "rule": "idat == 166"}],
            ),
            ["diagonal_frac: leaves no", "point of 1; expected a fraction that leaves some of both"],
        ),
    ],
)
def test_what_the_card_asks_for_and_is_not_there_is_named_before_anything_is_written(
    refused, write, tmp_path, change, words
):
    card = write(change)
    for verb in (["validate"], ["fit", "--output", tmp_path / "new"]):
        message = refused(*verb, card)
        for word in words:
            assert word in message
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (
            "data_legacy_EM-F2.yaml",
            lambda data: data["data_central"].__setitem__(5, float("nan")),
            "point 5 (from 0) is nan, expected finite numbers",
        ),
        ("data_legacy_EM-F2.yaml", lambda data: data["data_central"].pop(), "expected 211 numbers, found 210"),
        ("uncertainties_legacy_dw_EM-F2.yaml", lambda data: data["bins"].pop(), "expected 211 bins, found 210"),
        ("kinematics_EM-F2.yaml", lambda data: data.pop("bins"), "the key 'bins' is missing"),
    ],
)
def test_damaged_data_are_named_by_file_and_point(refused, write, own, file, change, words):
    path = own("datasets", SLAC) / file
    rewrite(path, change)
    message = refused("validate", write())
    assert message.startswith(f"dataset_inputs[0]: {path}")
    assert words in message


def test_a_missing_data_file_is_named(refused, write, own):
    path = own("datasets", SLAC) / "data_legacy_EM-F2.yaml"
    path.unlink()
    assert f"{path}: the file does not exist" in refused("data", write())


def test_a_set_without_theory_is_named(refused, write, own):
    def without(metadata):
        metadata["implemented_observables"][0].pop("theory")
        for variant in metadata["implemented_observables"][0]["variants"].values():
            variant.pop("theory", None)

    rewrite(own("datasets", SLAC) / "metadata.yaml", without)
    for verb in ("validate", "data"):
        assert "SLAC_NC_NOTFIXED_P_EM-F2" in refused(verb, write())


def test_points_without_uncertainty_make_a_covariance_that_is_refused(refused, write, own):
    def exact(document):
        for name in document["bins"][100]:
            for one in document["bins"]:
                one[name] = 0.0

    rewrite(own("datasets", SLAC) / "uncertainties_legacy_dw_EM-F2.yaml", exact)
    message = refused("validate", write())
    assert "not positive definite" in message and "SLAC_NC_NOTFIXED_P_EM-F2" in message


@pytest.mark.parametrize(("spoil", "words"), [("asymmetric", "not symmetric"), ("negative", "not positive definite")])
def test_a_covariance_that_is_none_is_refused(refused, write, monkeypatch, spoil, words):
    from nnpdf_lite.fit import problem

    def spoiled(*arguments, original=problem.covariance, **options):
        matrix = original(*arguments, **options)
        matrix[0, 1] += np.sqrt(matrix[0, 0] * matrix[1, 1]) * (1e-3 if spoil == "asymmetric" else 3)
        if spoil == "negative":
            matrix[1, 0] = matrix[0, 1]
        return matrix

    monkeypatch.setattr(problem, "covariance", spoiled)
    message = refused("validate", write())
    assert words in message and "SLAC_NC_NOTFIXED_P_EM-F2" in message


def test_missing_and_damaged_fk_tables_are_named(refused, write, own):
    folder = own("theory_grids", "nnlo")
    card = folder / "theory.yaml"  # of another theory: where cards agree, the shipped tables step in
    card.write_text(card.read_text().replace("alphas: 0.118", "alphas: 0.117"))
    table = folder / "fastkernel" / "SLAC_NC_EM_P_F2.pineappl.lz4"
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) // 2])
    assert f"{table}: not a readable PineAPPL FK table" in refused("validate", write())
    table.unlink()
    message = refused("validate", write())
    assert "theory 'nnlo' has no FK table 'SLAC_NC_EM_P_F2'" in message and "Did you mean 'SLAC_NC_EM_D_F2'?" in message


@pytest.mark.parametrize(
    ("name", "words"), [("nowhere", "not found"), ("/", "not a PDF set"), ("NNPDFLITE_dis_nnlo/3", "has no member 3")]
)
def test_a_pdf_set_that_is_not_there(refused, write, name, words):
    assert words in refused("chi2", write(), "--pdf", name)


def test_chi2_needs_a_fit_or_a_set(refused, write, tmp_path):
    assert "name a PDF set with --pdf" in refused("chi2", write())
    assert "not a fit folder" in refused("chi2", tmp_path)
    assert "there is no such" in refused("chi2", tmp_path / "nowhere")


# Fit folders


def test_a_folder_of_another_runcard_is_left_as_it_is(refused, write, fit_copy):
    before = contents(fit_copy)
    message = refused("fit", write(lambda card: card["parameters"].update(epochs=7)), "--output", fit_copy, "--resume")
    assert "was made with another runcard (parameters.epochs is 300 there, 7 here); nothing was written" in message
    assert contents(fit_copy) == before


def test_replicas_already_there_are_not_fitted_again_unasked(refused, write, fit_copy):
    before = contents(fit_copy)
    assert "replica 2 is there already (2 of 4 wanted); use --resume" in refused(
        "run", write(), "--output", fit_copy, "--replicas", "2-5"
    )
    assert contents(fit_copy) == before


def test_a_folder_with_something_else_in_it_is_left_as_it_is(refused, write, tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("precious")
    assert "is not a fit folder; nothing was written" in refused("fit", write(), "--output", thesis)
    assert "is not a fit folder; nothing was written" in refused("fit", write(), "--output", thesis / "chapter.tex")
    assert contents(thesis) == {Path("chapter.tex"): b"precious"}


def test_resuming_what_is_not_there_starts_nothing(refused, write, tmp_path):
    assert "nothing to resume" in refused("fit", write(), "--output", tmp_path / "new", "--resume")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("verb", ["postfit", "evolve", "chi2"])
def test_a_folder_without_a_fit(refused, fit_copy, verb):
    assert refused(verb, fit_copy.with_name("tyni")).startswith(f"{fit_copy.with_name('tyni')}: there is no such")
    (fit_copy / "filter.yml").unlink()
    assert "not a fit folder" in refused(verb, fit_copy)


def test_the_nearest_fit_is_suggested(refused, fit_copy):
    assert "Did you mean 'tiny'?" in refused("postfit", fit_copy.with_name("tinny"))


def test_a_fit_without_replicas_says_so(refused, fit_copy):
    shutil.rmtree(fit_copy / "nnfit")
    assert "holds no finished replica yet" in refused("postfit", fit_copy)


@pytest.mark.parametrize("verb", [["evolve"], ["chi2"], ["fit", "card"]])
def test_a_damaged_filter_file_is_named_and_kept(refused, fit_copy, write, verb):
    (fit_copy / "filter.yml").write_text("theory: [")
    arguments = ["fit", write(), "--resume", "--output", fit_copy] if verb[0] == "fit" else [*verb, fit_copy]
    assert str(fit_copy / "filter.yml") in refused(*arguments)
    assert (fit_copy / "filter.yml").read_text() == "theory: ["


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        ("tiny.exportgrid", lambda text: text[: len(text) // 2], ""),
        ("tiny.exportgrid", lambda text: text.replace('"q20"', '"q2"'), "the key 'q20' is missing"),
        ("tiny.exportgrid", lambda text: text.replace('"PHT"', '"PHOTON"'), "PHT"),
        ("tiny.exportgrid", lambda text: None, "expected one file *.exportgrid, found 0"),
        ("tiny.json", lambda text: "", ""),
        ("tiny.json", lambda text: "[]", ""),
        ("tiny.json", lambda text: text.replace('"erf_vl"', '"erf"'), "the key 'erf_vl' is missing"),
    ],
)
def test_a_damaged_replica_is_named_with_a_remedy(refused, fit_copy, file, damage, words):
    path = fit_copy / "nnfit" / "replica_2" / file
    damaged = damage(path.read_text())
    path.unlink()
    if damaged is not None:
        path.write_text(damaged)
    for verb in ("postfit", "evolve", "chi2"):
        message = refused(verb, fit_copy)
        assert message.startswith(f"{path.parent}: unreadable replica (") and words in message
        assert message.endswith("remove this folder and fit replica 2 again with --resume")


def test_a_replica_that_is_not_finite_is_dropped_by_postfit(fit_copy, capsys):
    path = fit_copy / "nnfit" / "replica_2" / "tiny.exportgrid"
    grid = json.loads(path.read_text())
    grid["pdfgrid"][10][6] = float("nan")
    path.write_text(json.dumps(grid))
    assert cli.main(["postfit", str(fit_copy)]) == 0
    assert "2 of 3 replicas kept (failed: finite 1" in capsys.readouterr().out


def test_replica_numbers_may_have_gaps_and_any_order(fit_copy, capsys):
    (fit_copy / "nnfit" / "replica_2").rename(fit_copy / "nnfit" / "replica_12")
    assert nnpdf_lite.load_fit(fit_copy).replicas().replica.tolist() == [1, 3, 12]
    assert cli.main(["postfit", str(fit_copy)]) == 0
    links = {link.name: os.readlink(link) for link in (fit_copy / "postfit").glob("replica_*")}
    assert links == {f"replica_{i}": f"../nnfit/replica_{n}" for i, n in ((1, 1), (2, 3), (3, 12))}


# Disks and processes


@pytest.fixture
def training(monkeypatch, tiny_fit):
    """Replace training by replicas of the finished fit, so that what happens around it is quick to test."""
    ensemble = nnpdf_lite.load_fit(tiny_fit).all_replicas

    def train(task, x, folder, *, skip=(), **options):
        for replica in (int(number) for number in task.replicas if number not in skip):
            trained = TrainedReplica(replica, np.zeros(3), 5, 10, True, 1, 1.0, 1.1, np.zeros((0, 3)))
            yield trained, ensemble.at(x)[replica % 3], np.full(8, 1.0), np.full(8, 3.0)

    monkeypatch.setattr(run, "train_parallel", train)


@pytest.mark.parametrize("output", ["/proc/fit", "/dev/null/fit"])
def test_an_output_that_cannot_be_written(refused, write, training, output):
    if not Path(output).parent.exists():
        pytest.skip("not on this system")
    assert refused("fit", write(), "--output", output).split("\n")[-1].startswith(f"{output}: ")


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_fills_during_a_fit_loses_no_finished_replica(
    refused, write, training, tmp_path, monkeypatch, problem, capsys
):
    original = Path.write_text

    def full(path, *arguments, **options):
        if "replica_2" in str(path):
            raise OSError(problem, os.strerror(problem), str(path))
        return original(path, *arguments, **options)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        message = refused("fit", write(), "--output", tmp_path / "new")
    assert f"replica_2: replica cannot be written ({os.strerror(problem)})" in message
    assert fit_folder.open_folder(tmp_path / "new").finished() == [1]
    first = contents(tmp_path / "new" / "nnfit" / "replica_1")
    assert cli.main(["fit", str(write()), "--output", str(tmp_path / "new"), "--resume"]) == 0
    assert fit_folder.open_folder(tmp_path / "new").finished() == [1, 2, 3]
    assert contents(tmp_path / "new" / "nnfit" / "replica_1") == first


@contextmanager
def small_files(size):
    """Let no file grow beyond ``size`` bytes: a disk that fails at writing, for root too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_set_that_cannot_be_written_leaves_the_one_before(refused, fit_copy, capsys):
    assert cli.main(["evolve", str(fit_copy)]) == 0
    capsys.readouterr()
    before = contents(fit_copy / "postfit" / "tiny")
    with small_files(10_000):
        assert "cannot write the PDF set" in refused("evolve", fit_copy)
    assert contents(fit_copy / "postfit" / "tiny") == before
    assert {path.name for path in (fit_copy / "postfit").iterdir()} == {
        "tiny", "veto_count.json", "replica_1", "replica_2", "replica_3"
    }  # fmt: skip


def test_a_set_is_not_written_over_something_else(refused, fit_copy, tmp_path):
    (tmp_path / "thesis").mkdir()
    assert "exists already" in refused("evolve", fit_copy, "--output", tmp_path / "thesis")
    assert list((tmp_path / "thesis").iterdir()) == []


def test_postfit_that_cannot_be_recorded(refused, fit_copy):
    shutil.rmtree(fit_copy / "postfit", ignore_errors=True)
    (fit_copy / "postfit").write_text("a file where a folder belongs")
    assert f"{fit_copy / 'postfit'}: cannot be written" in refused("postfit", fit_copy)


def test_a_killed_worker_is_reported_with_its_log(refused, write, tmp_path, monkeypatch):
    original = parallel._start

    def start_and_kill(*arguments):
        process = original(*arguments)
        process.kill()
        return process

    monkeypatch.setattr(parallel, "_start", start_and_kill)
    message = refused("fit", write(), "--output", tmp_path / "new")
    log = tmp_path / "new" / "training" / "worker_0.log"
    assert f"worker 0 stopped unexpectedly (its log: {log})" in message and "continue with --resume" in message
    assert log.exists()
    assert "holds no finished replica yet" in refused("postfit", tmp_path / "new")


# Mutated runcards

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.sampled_from([10**400, 2**63, 1e-300, 1e300, [], {}]),
    st.sampled_from(["", "/", "..", "~nobody", "\x00", "a" * 300, "/dev/null", "NNPDFLITE_dis_nnlo/7", "LO!"]),
    st.sampled_from(["legacy", "QCD", "NNPDF_POS_2P24GEV_F2U", "SLAC_NC_NOTFIXED_D_EM-F2", "CCBAR_ASYMM", "nocuts"]),
    st.sampled_from(["1/0 > 1", "x >", "sqrt(-x) > 0", "x**1000 > 1", "10**10**10 > 1", "x", "().__class__"]),
    st.text(max_size=8), st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=3), st.floats()),
)  # fmt: skip


def places(value, path=()):
    """Return the path of every key and item in ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in ((*path, key), *places(item, (*path, key)))]


def at(card, path):
    for key in path:
        card = card[key]
    return card


@st.composite
def mutations(draw):
    """Drop, rename, retype, move out of range, repeat, or replace by another subtree, once or twice."""
    card = copy.deepcopy(MUTATED)
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from(places(card)))
        parent, action = at(card, above), draw(st.sampled_from(["drop", "rename", "replace", "repeat", "transplant"]))
        if action == "drop":
            del parent[last]
        elif action == "rename" and isinstance(parent, dict):
            parent[str(last)[:-1]] = parent.pop(last)
        elif action == "repeat" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        elif action == "transplant":
            parent[last] = copy.deepcopy(at(MUTATED, draw(st.sampled_from(places(MUTATED)))))
        else:
            parent[last] = draw(VALUES)
        if not places(card):
            break
    return card


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(card=mutations())
def test_no_mutated_runcard_gives_a_traceback(card, tmp_path, capsys):
    try:
        text = yaml.safe_dump(card)
        text.encode()
    except (yaml.YAMLError, ValueError):
        return
    path = tmp_path / "mutated.yml"
    path.write_text(text)
    code = cli.main(["validate", str(path)])
    out, err = capsys.readouterr()
    assert code in (0, 2)
    assert (out == "") == (code == 2) and (err != "") == (code == 2)
    assert code == 0 or err.startswith("error: ")


def test_the_card_that_is_mutated_is_valid(tmp_path):
    (tmp_path / "card.yml").write_text(yaml.safe_dump(MUTATED))
    assert cli.main(["validate", str(tmp_path / "card.yml")]) == 0
