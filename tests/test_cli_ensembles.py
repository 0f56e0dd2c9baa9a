"""Verbs that look at finished sets and make new ones: what a user sees, and what is refused in one message."""

import json
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_sets import FLAVOURS, normal, write_toy

from nnpdf_lite import cli
from nnpdf_lite.ensembles import load_set
from nnpdf_lite.runcard import load_runcard

CHARM = "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    return [write_toy(folder / name, normal(n, seed=n)) for name, n in (("one", 20), ("two", 16))]


VERBS = ("compare", "next", "hessian", "compress", "reweight", "combine")
DOCUMENT = Path(__file__).parents[1] / "docs" / "ensembles.md"


# Help and documentation


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as done:
        cli.main([verb, "--help"])
    assert done.value.code == 0 and f"example: nnpdf-lite {verb}" in capsys.readouterr().out


def test_every_command_of_the_document_is_one():
    commands = re.findall(r"^nnpdf-lite (.*?)(?: > \S+)?$", DOCUMENT.read_text(), re.MULTILINE)
    assert {command.split()[0] for command in commands} == set(VERBS)
    for command in commands:
        cli._parser().parse(command.split())


def test_every_example_of_the_document_runs(written_tiny_fit, tmp_path, monkeypatch):
    shutil.copytree(written_tiny_fit, tmp_path / "my_fit", symlinks=True)
    shutil.copytree(tmp_path / "my_fit/postfit/tiny", tmp_path / "my_fit/postfit/my_fit")
    for file in (tmp_path / "my_fit/postfit/my_fit").iterdir():
        file.rename(file.with_name(file.name.replace("tiny", "my_fit")))
    for file in (tmp_path / "my_fit/nnfit").glob("*/tiny.*"):
        file.rename(file.with_name(file.name.replace("tiny", "my_fit")))
    monkeypatch.chdir(tmp_path)
    code = "".join(re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL))
    for size in ("50", "40"):  # of a fit of a hundred replicas; this one has three
        code = code.replace(f"{size})", "2)")
    (tmp_path / "examples.py").write_text(code)
    runpy.run_path(str(tmp_path / "examples.py"))
    assert [load_set(tmp_path / name).errors.n for name in ("unweighted", "smaller", "eigenvectors")] == [2, 2, 2]


# compare


def test_compare_puts_chi2_and_pdfs_side_by_side(call, written_tiny_fit):
    code, out, _ = call("compare", written_tiny_fit, "NNPDFLITE_dis_nnlo")
    assert code == 0
    assert "tiny (3 replicas), against NNPDFLITE_dis_nnlo (one member, no uncertainty)" in out
    assert "chi2 per point of the central members on the data of tiny" in out
    code, out, _ = call("compare", written_tiny_fit, "NNPDFLITE_dis_nnlo", "--json", "--q", 100)
    report = json.loads(out)
    pdf = load_set(written_tiny_fit)
    chi2 = {row["name"]: row for row in report["chi2"]}
    expected = pdf.fit.chi2().set_index("name")
    for name, row in chi2.items():
        assert row["t0"] == pytest.approx(expected.chi2_t0[name]) and row["ndata"] == expected.ndata[name]
    assert chi2["total"]["t0_against"] < chi2["total"]["t0"]  # a full fit beats three replicas trained for seconds
    gluon = next(row for row in report["pdfs"] if (row["flavour"], row["x"]) == ("g", 0.1))
    assert gluon["central"] == pytest.approx(pdf.lhapdf.xfxq([21], [0.1], 100.0)[0, 0, 0], rel=1e-6)
    assert gluon["sigma_against"] is None and gluon["distance"] is None and gluon["pull"] > 0


def test_fits_to_other_data_are_compared_without_chi2(call, written_tiny_fit, tmp_path):
    other = Path(shutil.copytree(written_tiny_fit, tmp_path / "tiny", symlinks=True))
    card = yaml.safe_load((other / "filter.yml").read_text())
    card["datacuts"]["q2min"] = 5.0
    (other / "filter.yml").write_text(yaml.safe_dump(card))
    code, out, _ = call("compare", written_tiny_fit, other)
    assert code == 0 and "no chi2: the fits are to other data or with other theory (datacuts.q2min is 3.49 there" in out
    assert "distance" in out


def test_two_sets_without_a_fit_have_no_chi2(call, toys):
    code, out, _ = call("compare", *toys)
    assert code == 0 and "neither set belongs to a fit" in out and "sigma_distance" in out


def test_sets_of_other_scale_and_flavours_are_refused_with_every_reason(call, toys, tmp_path):
    odd = write_toy(tmp_path / "odd", normal(3), q=(np.geomspace(2, 100, 6),), flavours=FLAVOURS[1:-1])
    code, out, error = call("compare", toys[0], odd)
    assert (code, out) == (2, "")
    assert error.strip() == (
        "error: one and odd cannot be compared: they begin at other scales, Q0 = 1.65 and 2 GeV; only one holds the "
        "partons -5, 5 (PDG numbers)"
    )


# next


def test_next_prints_a_card_that_loads_and_says_where_it_comes_from(call, written_tiny_fit, tmp_path):
    code, out, _ = call("next", written_tiny_fit)
    (tmp_path / "second.yml").write_text(out)
    before, after = load_runcard(written_tiny_fit / "filter.yml"), load_runcard(tmp_path / "second.yml")
    assert code == 0 and out.startswith("# Next iteration of the fit tiny, from its 3 replicas in\n")
    assert after.datacuts.t0pdfset == str(load_set(written_tiny_fit).lhapdf.path)
    assert after.description == "three small datasets (iterated from tiny)"
    assert len({before.nnseed, after.nnseed, before.mcseed, after.mcseed}) == 4
    same = {"dataset_inputs", "theory", "parameters", "positivity", "integrability", "replicas", "added_filter_rules"}
    assert before.model_dump(include=same) == after.model_dump(include=same)
    for old, new in zip(before.fitting.basis, after.fitting.basis, strict=True):
        assert old.fl == new.fl and old.smallx != new.smallx and old.largex != new.largex
        line = next(line for line in out.splitlines() if line.split()[:3] == ["#", old.fl, "alpha"])
        assert line.endswith(f"-> [{new.smallx[0]:.4g}, {new.smallx[1]:.4g}]")


def test_next_of_the_same_fit_is_the_same_and_may_keep_seeds(call, written_tiny_fit, tmp_path):
    once, again = (call("next", written_tiny_fit)[1] for _ in range(2))
    assert once == again
    kept = tmp_path / "kept.yml"
    kept.write_text(call("next", written_tiny_fit, "--keep-seeds")[1])
    assert load_runcard(kept).nnseed == load_runcard(written_tiny_fit / "filter.yml").nnseed


def test_with_feature_scaling_there_is_no_beta(call, written_tiny_fit, tmp_path):
    scaled = Path(shutil.copytree(written_tiny_fit, tmp_path / "tiny", symlinks=True))
    card = yaml.safe_load((scaled / "filter.yml").read_text())
    card["parameters"]["feature_scaling_points"] = 5
    card["fitting"]["basis"] = [{k: v for k, v in entry.items() if k != "largex"} for entry in card["fitting"]["basis"]]
    (scaled / "filter.yml").write_text(yaml.safe_dump(card))
    code, out, _ = call("next", scaled)
    (tmp_path / "second.yml").write_text(out)
    assert code == 0 and "beta" not in out.split("description")[0]
    assert all(entry.largex is None for entry in load_runcard(tmp_path / "second.yml").fitting.basis)


# Sets


def test_hessian_compress_and_combine_print_where_the_set_is(call, toys, tmp_path):
    for arguments, members in (
        (("hessian", toys[0], "--eigenvectors", 5), 6),
        (("compress", toys[0], "--replicas", 8), 9),
        (("combine", *toys, "--replicas", "7,4"), 12),
    ):
        code, out, _ = call(*arguments, "--output", tmp_path / arguments[0])
        assert code == 0 and out.splitlines()[-1] == str(tmp_path / arguments[0])
        assert load_set(tmp_path / arguments[0]).lhapdf.n_members == members


def test_reweight_tabulates_and_writes_the_unweighted_set(call, written_tiny_fit, tmp_path):
    arguments = ("reweight", written_tiny_fit, "--data", f"{CHARM}:legacy", "--theory", "nnlo")
    code, out, error = call(*arguments, "--unweight", 5, "--output", tmp_path / "new")
    assert code == 0 and out.splitlines()[-1] == str(tmp_path / "new")
    assert f"warning: tiny was fitted to these already: {CHARM}" in error
    assert "warning: 5 replicas hold no more than" in error
    assert load_set(tmp_path / "new").errors.n == 5
    code, out, _ = call(*arguments, "--json", "--method", "giele-keller")
    report = json.loads(out)
    assert report["ndata"] == 37 and np.mean(report["weights"]) == pytest.approx(1)
    log_ratio = np.log(report["weights"][0] / report["weights"][1])
    chi2 = report["chi2_of_replicas"]
    assert log_ratio == pytest.approx(0.5 * (chi2[1] - chi2[0]), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("compare ONE nowhere", "PDF set 'nowhere' not found"),
        ("compare ONE TWO --q 1", "covers 1.65 < Q < 10000 GeV, not Q = 1 GeV"),
        ("compare ONE TWO --q -1", "'-1': expected a number above 0"),
        ("next ONE", "not a fit folder"),
        ("next nowhere", "there is no such fit folder"),
        ("hessian ONE --output OUT --eigenvectors 20", "20 eigenvectors of one (20 replicas): expected 1 to 19"),
        ("hessian ONE --output TWO", "exists already"),
        ("hessian ONE", "arguments are required: --output"),
        ("compress ONE --output OUT --replicas 20", "expected 2 to 19"),
        ("compress NNPDFLITE_dis_nnlo --output OUT", "only sets of replicas"),
        ("compress ONE --output OUT --seed x", "'x': expected a seed"),
        ("combine ONE --output OUT", "needs two sets or more"),
        ("combine ONE TWO --output OUT --replicas 5", "1 numbers of replicas for 2 sets"),
        ("combine ONE TWO --output OUT --replicas 5,0", "expected whole numbers above 0"),
        ("combine ONE TWO --output OUT --replicas 5,17", "two: 17 replicas asked for, 16 are there"),
        ("reweight ONE --data nowhere", "To name datasets instead of a runcard, add --theory"),
        ("reweight ONE --data a --data b", "2 runcards given"),
        ("reweight ONE --data NOWHERE --theory nnlo", "Dataset 'NOWHERE' was not found"),
        (f"reweight ONE --data {CHARM}:legacy --theory nlo", "theory 'nlo'"),
        (f"reweight ONE --data {CHARM}:legacy --theory nnlo --method best", "invalid choice: 'best'"),
        (f"reweight ONE --data {CHARM}:legacy --theory nnlo --unweight 5", "go together"),
        (f"reweight ONE --data {CHARM}:legacy --theory nnlo --unweight 1 --output OUT", "expected at least 2"),
        (f"reweight NNPDFLITE_dis_nnlo --data {CHARM}:legacy --theory nnlo", "only replicas can be reweighted"),
    ],
)
def test_a_mistake_is_one_message_exit_code_2_and_nothing_written(call, toys, tmp_path, arguments, words):
    places = {"ONE": toys[0], "TWO": toys[1], "OUT": tmp_path / "out"}
    code, out, error = call(*(places.get(word, word) for word in arguments.split()))
    assert (code, out) == (2, "")
    lines = [line for line in error.splitlines() if not line.startswith("warning")]
    assert words in lines[-1] and lines[-1].startswith("error: ") and len(lines) == 1
    assert list(tmp_path.iterdir()) == []
