"""Claims about ``dataset check``: every mistake is named at once, and sets without mistakes pass."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from nnpdf_lite import cli, paths
from nnpdf_lite.data.catalogue import nnpdf_data_folder
from nnpdf_lite.errors import InputError
from nnpdf_lite.measurements import check_folder
from nnpdf_lite.theory import load_theory
from nnpdf_lite.theory.fktable import read_fk_table

SLAC = "SLAC_NC_NOTFIXED_P"
SHIPPED = sorted(path.parent.name for path in paths.shipped("datasets").glob("*/metadata.yaml"))
#: Sets of nnpdf-data 4.1.5 that fail, and why: pseudo-data without values, and a set that NNPDF's own reader refuses, too.
DEFECTIVE = {
    "ATHENA_NC_140GEV_EP": "data_central: point 0 is None",
    "NNPDF_FIATLUX_NOTFIXED": "plotting.plot_x: the key is missing",
}


@pytest.fixture
def folder(tmp_path):
    """A small set without mistakes, ready to be spoilt: two points with x and Q2, a statistical and a correlated error."""
    made = tmp_path / "OWN_NC_318GEV"
    made.mkdir()
    observable = {
        "observable_name": "EP-F2", "observable": {"description": "F2", "label": "F2", "units": ""}, "process_type": "DIS_NC",
        "ndata": 3, "plotting": {"dataset_label": "own", "plot_x": "x"}, "kinematic_coverage": ["x", "Q2"],
        "kinematics": {"variables": {v: {"label": v, "description": v, "units": ""} for v in ("x", "Q2")}, "file": "kinematics.yaml"},
        "data_central": "data.yaml", "data_uncertainties": ["uncertainties.yaml"],
        "theory": {"FK_tables": [["SLAC_NC_EM_P_F2"]], "operation": "null"},
        "variants": {"larger": {"data_uncertainties": ["uncertainties_larger.yaml"]}},
    }  # fmt: skip
    metadata = {
        "setname": "OWN_NC_318GEV", "version": 1, "version_comment": "test",
        "nnpdf_metadata": {"nnpdf31_process": "DIS NC", "experiment": "OWN"}, "implemented_observables": [observable],
    }  # fmt: skip
    bins = [{"x": {"min": None, "mid": x, "max": None}, "Q2": {"min": 8.0, "mid": 10.0, "max": 12.0}} for x in (0.1, 0.2, 0.3)]
    sources = {
        "definitions": {
            "stat": {"description": "s", "treatment": "ADD", "type": "UNCORR"},
            "sys": {"description": "s", "treatment": "MULT", "type": "CORR"},
        },
        "bins": [{"stat": 0.1, "sys": 0.2}, {"stat": 0.2, "sys": 0.1}, {"stat": 0.1, "sys": 0.1}],
    }
    documents = {
        "metadata.yaml": metadata, "data.yaml": {"data_central": [1.0, 2.0, 3.0]}, "kinematics.yaml": {"bins": bins},
        "uncertainties.yaml": sources, "uncertainties_larger.yaml": sources,
    }  # fmt: skip
    for name, document in documents.items():
        (made / name).write_text(yaml.safe_dump(document, sort_keys=False))
    return made


def change(folder, file, *path, to=None, drop=False):
    """Change one value of a document, or drop it."""
    document = yaml.safe_load((folder / file).read_text())
    *way, last = path
    place = document
    for key in way:
        place = place[key]
    if drop:
        del place[last]
    else:
        place[last] = to
    (folder / file).write_text(yaml.safe_dump(document, sort_keys=False))


OBSERVABLE = ("implemented_observables", 0)
#: file, path of keys, new value (or DROP), what is said of which file, severity.
DROP = object()
SPOILT = [
    ("metadata.yaml", ("setname",), "OTHER_NC_318GEV", "metadata.yaml: setname: is 'OTHER_NC_318GEV', expected the name of its folder"),
    ("metadata.yaml", ("setname",), DROP, "metadata.yaml: setname: the key is missing"),
    ("metadata.yaml", ("verison",), 1, "metadata.yaml: verison: unknown key, .* Did you mean 'version'"),
    ("metadata.yaml", ("version",), "one", "metadata.yaml: version: is 'one', expected a whole number"),
    ("metadata.yaml", ("nnpdf_metadata", "experiment"), DROP, "nnpdf_metadata.experiment: the key is missing"),
    ("metadata.yaml", ("implemented_observables",), [], "implemented_observables: is empty"),
    ("metadata.yaml", (*OBSERVABLE, "observable_name"), "EP_F2", "expected no underscore.* Did you mean 'EP-F2'"),
    ("metadata.yaml", (*OBSERVABLE, "process_type"), "DIS_NCC", "process_type: is 'DIS_NCC', expected one of .* Did you mean"),
    ("metadata.yaml", (*OBSERVABLE, "ndata"), 4, "data.yaml: data_central: has 3 entries, expected 4"),
    ("metadata.yaml", (*OBSERVABLE, "ndata"), 0, "ndata: is 0, expected at least 1"),
    ("metadata.yaml", (*OBSERVABLE, "ndatta"), 3, "ndatta: unknown key, .* Did you mean 'ndata'"),
    ("metadata.yaml", (*OBSERVABLE, "plotting"), DROP, "plotting: the key is missing"),
    ("metadata.yaml", (*OBSERVABLE, "plotting", "plot_x"), "xx", "plot_x: is 'xx', expected one of x, Q2"),
    ("metadata.yaml", (*OBSERVABLE, "kinematic_coverage"), ["x", "Q"], "'Q' is not described in kinematics.variables"),
    ("metadata.yaml", (*OBSERVABLE, "kinematic_coverage"), ["x", "Q2", "y", "a"], "has 4 variables, expected 1 to 3"),
    ("metadata.yaml", (*OBSERVABLE, "kinematics", "file"), "kinematic.yaml", "there is no file 'kinematic.yaml' .* Did you mean 'kinematics.yaml'"),
    ("metadata.yaml", (*OBSERVABLE, "data_central"), DROP, "data_central: the key is missing"),
    ("metadata.yaml", (*OBSERVABLE, "data_uncertainties"), ["uncertainty.yaml"], "there is no file 'uncertainty.yaml'"),
    ("metadata.yaml", (*OBSERVABLE, "theory", "operation"), "RATIOS", "operation: is 'RATIOS', expected one of .* Did you mean 'RATIO'"),
    ("metadata.yaml", (*OBSERVABLE, "theory", "operation"), "RATIO", "FK_tables: has 1 operands, expected 2 for RATIO"),
    ("metadata.yaml", (*OBSERVABLE, "theory", "FK_tables"), ["A"], "expected a list of lists of names"),
    ("metadata.yaml", (*OBSERVABLE, "variants", "larger"), {"data_uncertainty": []}, "variants.larger.data_uncertainty: unknown key"),
    ("metadata.yaml", (*OBSERVABLE, "variants", "larger", "data_uncertainties"), ["no.yaml"], "variants.larger.data_uncertainties: there is no file"),
    ("data.yaml", ("data_central",), [1.0, float("nan"), "a"], "data_central: point 1 is nan, point 2 is 'a'"),
    ("data.yaml", ("data_central",), DROP, "data.yaml: data_central: expected a list of numbers"),
    ("kinematics.yaml", ("bins", 1, "x"), DROP, "bins.x: point 1 .*: the variable is missing"),
    ("kinematics.yaml", ("bins", 1, "x", "mid"), None, "bins.x: point 1 .*: neither 'mid' nor both"),
    ("kinematics.yaml", ("bins", 1, "x", "mid"), 1.2, r"bins.x: point 1 .*: x = 1.2, expected above 0 and at most 1"),
    ("kinematics.yaml", ("bins", 0, "Q2", "mid"), 13.0, "bins.Q2: point 0 .*: 'mid' is not between"),
    ("kinematics.yaml", ("bins",), [], "bins: has 0 entries, expected 3"),
    ("uncertainties.yaml", ("definitions", "sys", "treatment"), "MUL", "definitions.sys.treatment: is 'MUL', .* Did you mean 'MULT'"),
    ("uncertainties.yaml", ("definitions", "sys", "type"), "corr", "definitions.sys.type: is 'corr', .* Did you mean 'CORR'"),
    ("uncertainties.yaml", ("definitions", "stat", "treatment"), "MULT", "definitions.stat: is MULT and UNCORR: NNPDF's reader"),
    ("uncertainties.yaml", ("definitions", "sys"), DROP, "2 values in point 0 for 1 definitions: 'sys'"),
    ("uncertainties.yaml", ("bins", 1, "sys"), float("inf"), "bins.sys: point 1 is inf"),
    ("uncertainties.yaml", ("bins", 1, "sys"), DROP, "bins: point 1 .*: other sources than in point 0"),
    ("uncertainties.yaml", ("bins",), [{"sys": 0.1, "stat": 0.1}] * 3, "stand in another order .* NNPDF's reader pairs them by place"),
]  # fmt: skip


def test_a_set_without_mistakes_passes(folder):
    assert check_folder(folder) == []


@pytest.mark.parametrize(("file", "path", "value", "message"), SPOILT, ids=[f"{'.'.join(map(str, s[1]))}={s[2]!s:.12}" for s in SPOILT])
def test_each_mistake_is_explained(folder, file, path, value, message):
    change(folder, file, *path, to=None if value is DROP else value, drop=value is DROP)
    found = check_folder(folder)
    assert any(re.search(message, str(one)) for one in found), "\n".join(map(str, found))


def test_all_mistakes_are_named_at_once(folder, capsys):
    """Six files' worth of mistakes, one run; exit code 2 and a line for each."""
    change(folder, "metadata.yaml", *OBSERVABLE, "process_type", to="DIS_NCC")
    change(folder, "metadata.yaml", *OBSERVABLE, "ndatta", to=3)
    change(folder, "metadata.yaml", *OBSERVABLE, "theory", "operation", to="RATIOS")
    change(folder, "data.yaml", "data_central", 1, to="?")
    change(folder, "kinematics.yaml", "bins", 2, "x", "mid", to=-1.0)
    change(folder, "uncertainties.yaml", "definitions", "sys", "treatment", to="MUL")
    (folder / "uncertainties_larger.yaml").unlink()
    assert cli.main(["dataset", "check", str(folder)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: 7 mistakes in ") and len(err.splitlines()) == 8
    for word in ("DIS_NCC", "ndatta", "RATIOS", "'?'", "x = -1", "'MUL'", "uncertainties_larger.yaml"):
        assert word in err
    assert cli.main(["dataset", "check", str(folder), "--json"]) == 2
    rows = json.loads(capsys.readouterr().out)
    assert sum(row["severity"] == "error" for row in rows) == 7 and {"folder", "file", "key", "message"} <= set(rows[0])


@pytest.mark.parametrize("text", ["a: [", "", "- 1", "\x00"])
@pytest.mark.parametrize("file", ["metadata.yaml", "data.yaml", "kinematics.yaml", "uncertainties.yaml"])
def test_unreadable_files_are_findings_not_tracebacks(folder, file, text):
    (folder / file).write_text(text)
    found = check_folder(folder)
    assert any(one.severity == "error" and one.file == file for one in found)


def test_a_folder_or_theory_that_is_not_there_is_an_error(folder):
    with pytest.raises(InputError, match="there is no such folder.* Did you mean 'OWN_NC_318GEV'"):
        check_folder(folder.with_name("OWN_NC_318GE"))
    with pytest.raises(InputError, match="no theory 'nnl'.* Did you mean 'nnlo'"):
        check_folder(folder, "nnl")


def test_what_a_theory_lacks_is_said(folder):
    """Too few rows cannot be: the table has 211; a missing table, and points outside it, are named."""
    assert check_folder(folder, "nnlo") == []
    change(folder, "metadata.yaml", *OBSERVABLE, "theory", "FK_tables", to=[["SLAC_NC_EM_P_F3"]])
    (only,) = check_folder(folder, "nnlo")
    assert "has no FK table 'SLAC_NC_EM_P_F3'" in only.message and "Did you mean 'SLAC_NC_EM_P_F2'" in only.message


def test_points_beyond_the_tables_are_named(tmp_path):
    """SLAC's own kinematics, one x far below the table's grid: an error; rows that the build left empty: a warning."""
    copy = tmp_path / SLAC
    shutil.copytree(paths.shipped("datasets") / SLAC, copy)
    filled = read_fk_table(load_theory("nnlo").table_path("SLAC_NC_EM_P_F2")).table.any(axis=(1, 2))
    row = int(np.flatnonzero(filled)[0])
    change(copy, "kinematics_EM-F2.yaml", "bins", row, "x", "mid", to=1e-9)
    found = [str(one) for one in check_folder(copy, "nnlo")]
    assert any(f"point {row} (from 0): x = 1e-09 is below the smallest x of the table" in one for one in found)
    assert any("the rows of the table are empty" in one for one in found)


@pytest.mark.parametrize("setname", SHIPPED)
def test_shipped_sets_pass_with_the_shipped_theory(setname):
    errors = [str(one) for one in check_folder(paths.shipped("datasets") / setname, "nnlo") if one.severity == "error"]
    assert not errors


@pytest.mark.slow
def test_sets_of_nnpdf_data_pass_but_for_known_defects():
    """All 172 of them, every observable and variant."""
    parent = nnpdf_data_folder()
    if parent is None:
        pytest.skip("nnpdf-data is not installed")
    failed = {}
    for path in sorted(Path(parent).glob("*/metadata.yaml")):
        errors = [str(one) for one in check_folder(path.parent) if one.severity == "error"]
        if errors:
            failed[path.parent.name] = " ".join(errors)
    assert failed.keys() == DEFECTIVE.keys()
    for name, message in DEFECTIVE.items():
        assert message in failed[name]


def test_positive_definiteness_is_judged_by_correlations(folder):
    """A point measured 1e5 times better than another is no mistake; two points that are one, are."""
    definitions = {"a": {"treatment": "ADD", "type": "UNCORR", "description": ""}}
    bins = [{"a": 1e-9}, {"a": 1.0}, {"a": 1e5}]
    (folder / "uncertainties.yaml").write_text(yaml.safe_dump({"definitions": definitions, "bins": bins}))
    assert check_folder(folder) == []
    common = np.array([[1.0, 0.5], [1.0, 0.5], [0.3, 1.0]])
    definitions = {f"c{i}": {"treatment": "ADD", "type": "CORR", "description": ""} for i in range(2)}
    bins = [dict(zip(definitions, map(float, row))) for row in common]
    (folder / "uncertainties.yaml").write_text(yaml.safe_dump({"definitions": definitions, "bins": bins}))
    (only,) = check_folder(folder)
    assert "not positive definite" in only.message and only.severity == "error"
