"""Claims about datasets of one's own: a published table becomes a folder that means what the table says."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnpdf_lite import paths
from nnpdf_lite.data import covariance, load_dataset
from nnpdf_lite.errors import InputError
from nnpdf_lite.measurements import Recipe, new_dataset
from nnpdf_lite.measurements.hepdata import read_table
from nnpdf_lite.measurements.source import cell
from nnpdf_lite.measurements.systematics import symmetrised
from nnpdf_lite.theory import load_theory
from nnpdf_lite.theory_build.observables import measurement

NAME = "TEST_NC_318GEV_EP-F2"
EMC = str(Path(__file__).parents[1] / "docs" / "data" / "HEPData-ins180921-v1-Table_1.csv")
#: As HEPData gives them: part of NMC's deuteron table (ins424154, table 31), and of LHCb's Z rapidities (ins1373300, table 1).
NMC = """#: name: Table 31
#: keyword observables: F2
#: RE,MUON DEUT --> MUON X
#: X,0.35
Q**2 [GEV**2],SIG(L)/SIG(T),F2,stat +,stat -,sys +,sys -
4.5,0.138,0.2123,0.0081,-0.0081,0.0093,-0.0093
5.5,0.119,0.2192,0.0069,-0.0069,0.0074,-0.0074
7.0,0.099,0.2153,0.0049,-0.0049,0.0046,-0.0046
"""
LHCB = r"""
dependent_variables:
- header: {name: '$\sigma_{Z \to \mu^{+}\mu^{-}}$', units: PB}
  qualifiers:
  - {name: SQRT(S), units: GeV, value: '7000.0'}
  values:
  - errors:
    - {label: stat, symerror: 0.039}
    - {label: 'sys,lumi', symerror: 0.017}
    value: 0.969
  - errors:
    - {label: stat, symerror: 0.063}
    - {label: 'sys,lumi', symerror: 0.049}
    value: 2.84
independent_variables:
- header: {name: '$y_Z$'}
  values:
  - {high: 2.125, low: 2.0}
  - {high: 2.25, low: 2.125}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working directory, whose ``datasets`` are found."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table_of(dataset, path):
    """Write a dataset as HERA published it: columns of numbers between blanks, errors in percent, below some words."""
    kinds = dataset.uncertainties.kind
    names = ["stat", "uncor", *(kind.removeprefix("HC_") for kind in kinds[2:])]
    percent = 100 * dataset.uncertainties.values / dataset.central[:, None]
    rows = np.column_stack([dataset.kinematics[["Q2", "x"]], dataset.central, percent])
    lines = ["", "&Data", "  Reaction = 'NC e+-p charm',", "&End", "  ".join(["Q2", "x", "Sigma", *names])]
    Path(path).write_text("\n".join([*lines, *("  ".join(f"{v:.17g}" for v in row) for row in rows)]) + "\n")
    return str(path)


def hepdata_yaml(path, values, errors, x=None, q2=None):
    """Write a table of HEPData: ``errors`` maps labels to lists of numbers, percents or (plus, minus)."""

    def entry(error, label):
        if isinstance(error, tuple):
            return {"asymerror": {"plus": error[0], "minus": error[1]}, "label": label}
        return {"symerror": error, "label": label}

    n = len(values)
    x = x if x is not None else np.linspace(0.01, 0.5, n).tolist()
    q2 = q2 if q2 is not None else [10.0] * n
    rows = [
        {"value": value, "errors": [entry(column[i], label) for label, column in errors.items()]}
        for i, value in enumerate(values)
    ]
    document = {
        "independent_variables": [
            {"header": {"name": "$x_{Bj}$"}, "values": [{"value": v} for v in x]},
            {"header": {"name": "Q**2", "units": "GEV**2"}, "values": [{"value": v} for v in q2]},
        ],
        "dependent_variables": [
            {"header": {"name": "F2"}, "qualifiers": [{"name": "SQRT(S)", "units": "GeV", "value": "318.0"}], "values": rows}
        ],
    }
    Path(path).write_text(yaml.safe_dump(document))
    return str(path)


def test_emc_charm_from_hepdata_is_what_nnpdf_made_of_it(home):
    """Blocks of CSV with conditions, empty cells, edges of bins: NNPDF's own numbers come out."""
    recipe = Recipe(
        "EMC_NC_22GEV_MUFE_F2C", EMC, "DIS_NC", factor=0.82,
        errors=("error:ADD:UNCORR", "sys=15%:MULT:CORR", "norm=1.2%:MULT:CORR"),
    )  # fmt: skip
    made = new_dataset(recipe)
    own, nnpdf = load_dataset(recipe.name), load_dataset("EMC_NC_250GEV_EM-F2C", "rzero")
    assert made.left_out == 51 and len(own) == 21
    assert np.allclose(own.central, nnpdf.central, atol=5e-8)  # theirs are rounded to seven decimals
    assert np.allclose(own.kinematics[["x", "Q2"]], nnpdf.kinematics[["x", "Q2"]], rtol=1e-3)
    assert np.allclose(own.uncertainties.values, nnpdf.uncertainties.values, atol=5.1e-8)
    assert own.uncertainties.treatment.tolist() == nnpdf.uncertainties.treatment.tolist()
    assert own.uncertainties.kind.tolist() == nnpdf.uncertainties.kind.tolist()


def test_hera_charm_from_its_table_has_the_shipped_covariance(home):
    """Columns of percents, 167 systematics shared with other sets under their own names."""
    shipped = load_dataset("HERA_NC_318GEV_EAVG_CHARM-SIGMARED", "legacy")
    recipe = Recipe(
        "OWN_NC_318GEV_CHARM", table_of(shipped, home / "table.txt"), "DIS_NC_CHARM", skip=4, value="Sigma", sqrts=318.0,
        errors=("stat:ADD:UNCORR:percent", "uncor:MULT:UNCORR:percent", "sys*:MULT:HC_sys*:percent"),
    )  # fmt: skip
    new_dataset(recipe)
    own = load_dataset(recipe.name)
    assert np.allclose(own.kinematics, shipped.kinematics, rtol=1e-12)
    assert np.allclose(covariance([own]), covariance([shipped]), rtol=1e-12, atol=0)
    together, theirs = covariance([own, shipped]), covariance([shipped, shipped])
    assert np.allclose(together, theirs, rtol=1e-12, atol=0)  # the shared names correlate it with every other set, too


@pytest.mark.parametrize("recipe", ["table", "matrix"])
def test_nnpdf_reads_the_folder_to_the_same_numbers(home, recipe):
    parser = pytest.importorskip("nnpdf_data.commondataparser")
    errors = {"stat": [0.1, 0.2, 0.3, 0.4], "sys,lumi": ["2%"] * 4, "sys,scale": [(0.1, -0.2), (0.1, -0.1), (0.2, 0.1), (-0.1, 0.1)]}
    table = hepdata_yaml(home / "t.yaml", [1.0, -2.0, 3.0, 4.0], errors)
    np.savetxt(home / "cov.csv", np.diag([1.0, 2.0, 3.0, 4.0]) + 0.3, delimiter=",")
    matrix = {"covariance": ("cov.csv",), "errors": ("sys,lumi:MULT:OWNLUMI",)} if recipe == "matrix" else {}
    new_dataset(Recipe(NAME, table, "DIS_NC", **matrix))
    ours = load_dataset(NAME)
    metadata = parser.parse_new_metadata(home / "datasets/TEST_NC_318GEV/metadata.yaml", "EP-F2")
    theirs = parser.load_commondata(metadata)
    assert np.allclose(theirs.central_values, ours.central, rtol=1e-14)
    assert np.allclose(theirs.kinematics[["kin1", "kin2", "kin3"]].to_numpy(float), ours.kinematics.to_numpy(), rtol=1e-14)
    values = metadata.load_uncertainties()
    assert np.allclose(values.to_numpy(), ours.uncertainties.values, rtol=1e-14)
    names = [tuple(map(str, column)) for column in values.columns]
    assert names == list(zip(ours.uncertainties.names, ours.uncertainties.treatment, ours.uncertainties.kind))
    assert metadata.theory.FK_tables == [(NAME,)] or metadata.theory.FK_tables == [[NAME]]


number = st.floats(-1.0, 1.0, allow_nan=False).map(lambda v: round(v, 6))
size = st.floats(0.01, 1.0).map(lambda v: round(v, 6))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_table_of_errors_comes_back_as_the_covariance_it_means(home, data):
    """Symmetric, asymmetric and relative errors; the expectation is computed from the published rules, not by the package."""
    shutil.rmtree(home / "datasets", ignore_errors=True)
    n = data.draw(st.integers(1, 5))
    values = data.draw(st.lists(size.map(lambda v: 10 * v), min_size=n, max_size=n))
    stat = data.draw(st.lists(size, min_size=n, max_size=n))
    percent = data.draw(st.lists(size, min_size=n, max_size=n))
    pairs = data.draw(st.lists(st.tuples(number, number), min_size=n, max_size=n))
    errors = {"stat": stat, "sys,a": [f"{p}%" for p in percent], "sys,b": pairs}
    new_dataset(Recipe(NAME, hepdata_yaml(home / "t.yaml", values, errors), "DIS_NC", errors=("sys,b:ADD:CORR",)))
    up, down = np.array(pairs).T
    shift, half = (up + down) / 2, (up - down) / 2
    beta = np.copysign(np.sqrt(half**2 + 2 * shift**2), half)
    relative = np.array(percent) / 100 * np.array(values)
    expected = np.diag(np.square(stat)) + np.outer(relative, relative) + np.outer(beta, beta)
    own = load_dataset(NAME)
    assert np.allclose(own.central, values + shift, rtol=1e-12, atol=1e-15)
    assert np.allclose(covariance([own]), expected, rtol=1e-10, atol=1e-14)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from(["rows", "pairs", "triangle", "csv"]))
def test_any_covariance_matrix_comes_back(home, n, seed, form):
    shutil.rmtree(home / "datasets", ignore_errors=True)
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(n, n + 1))
    covmat = root @ root.T
    table = hepdata_yaml(home / "t.yaml", [1.0] * n, {"stat": [0.1] * n})
    new_dataset(Recipe(NAME, table, "DIS_NC", covariance=(write_matrix(home, covmat, form),)))
    assert np.allclose(covariance([load_dataset(NAME)]), covmat, rtol=1e-9, atol=1e-12)


def write_matrix(folder, covmat, form):
    """Write a matrix in one of the ways people publish them."""
    n = len(covmat)
    path = folder / f"matrix.{'yaml' if form in ('pairs', 'triangle') else 'csv'}"
    pairs = [(i, j) for i in range(n) for j in range(n) if form != "triangle" or i <= j]
    if form == "rows":
        np.savetxt(path, covmat, fmt="%.17g")
    elif form == "csv":
        lines = ["#: name: a matrix", "bin i,bin j,covariance", *(f"{i},{j},{covmat[i, j]:.17g}" for i, j in pairs)]
        path.write_text("\n".join(lines) + "\n")
    else:
        axes = [{"header": {"name": f"bin {k}"}, "values": [{"value": pair[k]} for pair in pairs]} for k in (0, 1)]
        cells = [{"value": float(covmat[pair])} for pair in pairs]
        path.write_text(yaml.safe_dump({"independent_variables": axes, "dependent_variables": [{"header": {"name": "cov"}, "values": cells}]}))
    return str(path)


def test_a_correlation_matrix_of_one_error_multiplies_it(home):
    table = hepdata_yaml(home / "t.yaml", [1.0, 2.0], {"stat": [0.1, 0.3], "sys,lumi": ["2%", "2%"]})
    np.savetxt(home / "corr.txt", [[1, 0.5], [0.5, 1]])
    new_dataset(Recipe(NAME, table, "DIS_NC", correlation=("stat=corr.txt",)))
    expected = np.array([[0.01, 0.015], [0.015, 0.09]]) + np.outer([0.02, 0.04], [0.02, 0.04])
    assert np.allclose(covariance([load_dataset(NAME)]), expected, rtol=1e-12)


def test_rows_without_value_leave_the_matrix_with_them(home):
    table = hepdata_yaml(home / "t.yaml", [1.0, "-", 3.0], {"stat": [0.1, 0.1, 0.1]})
    np.savetxt(home / "cov.txt", np.diag([1.0, 2.0, 3.0]))
    new_dataset(Recipe(NAME, table, "DIS_NC", covariance=("cov.txt",)))
    assert np.allclose(covariance([load_dataset(NAME)]), np.diag([1.0, 3.0]))


def test_symmetrisation_is_that_of_the_field():
    """+3 -1 is 2 with a shift of 1: sqrt(2^2 + 2) (physics/0403086); one-sided errors shift by half."""
    sigma, shift = symmetrised(np.array([3.0, 2.0, -1.0]), np.array([-1.0, 0.0, 1.0]))
    assert np.allclose(sigma, [np.sqrt(6), np.sqrt(3), -1.0]) and np.allclose(shift, [1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.1423E-01", (0.11423, None, None)), ("0.0032 TO 0.0056", (None, 0.0032, 0.0056)), ("60.0-120.0", (None, 60, 120)),
        ("-1.5 - -0.5", (None, -1.5, -0.5)), ("> 20", (None,) * 3), ("-", (None,) * 3), (7, (7, None, None)),
    ],
)  # fmt: skip
def test_cells_are_numbers_or_ranges(text, expected):
    wanted = [np.nan if value is None else value for value in expected]
    assert np.allclose(cell(text), wanted, equal_nan=True)


def test_y_follows_from_the_energy_and_bins_keep_their_edges(home):
    table = read_table(EMC)
    assert set(table.columns) >= {"X", "Q**2", "SQRT(S)"}
    new_dataset(Recipe(NAME, EMC, "DIS_NC"))
    own = load_dataset(NAME)
    y = own.kinematics.Q2 / own.kinematics.x / 21.677**2
    assert np.allclose(own.kinematics.y, y, rtol=1e-12)
    first = yaml.safe_load((own.folder / "kinematics_EP-F2.yaml").read_text())["bins"][0]
    assert (first["x"]["min"], first["x"]["max"]) == (0.0032, 0.0056)


def test_another_observable_joins_the_set_and_the_same_one_is_refused(home):
    table = hepdata_yaml(home / "t.yaml", [1.0, 2.0], {"stat": [0.1, 0.2]})
    new_dataset(Recipe(NAME, table, "DIS_NC"))
    new_dataset(Recipe("TEST_NC_318GEV_EM-F2", table, "DIS_NC"))
    assert len(load_dataset(NAME)) == len(load_dataset("TEST_NC_318GEV_EM-F2")) == 2
    before = {path: path.read_bytes() for path in (home / "datasets").rglob("*.yaml")}
    with pytest.raises(InputError, match="has the observable EP-F2 already; nothing was written"):
        new_dataset(Recipe(NAME, table, "DIS_NC"))
    assert before == {path: path.read_bytes() for path in (home / "datasets").rglob("*.yaml")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "TEST_NC_EP"}, "has 3 parts between underscores"),
        ({"name": "TEST_NC_318gev_EP"}, "Did you mean '318GEV'"),
        ({"process": "DIS_NCC"}, "Did you mean 'DIS_NCE'|Did you mean 'DIS_NC'|Did you mean 'DIS_CC'"),
        ({"value": "F22"}, "--value F22: .* has no such column; it has F2. Did you mean 'F2'"),
        ({"columns": {"Q2": "Q"}}, "--column Q2=Q: .* has no column 'Q'"),
        ({"columns": {"pT": "Q**2"}}, "process DIS_NC has no variable 'pT'"),
        ({"errors": ("stat:ADD:UNCOR",)}, "Did you mean 'UNCORR'"),
        ({"errors": ("statt",)}, "--error statt: .* Did you mean 'stat'"),
        ({"errors": ("lumi=2 percent",)}, "neither a number nor percents"),
        ({"errors": ("lumi=inf",)}, "error 'inf' is neither a number nor percents"),
        ({"errors": ("stat:MUL:UNCORR",)}, "two types, 'MUL' and 'UNCORR'.* Did you mean 'MULT'"),
        ({"errors": ("stat:ADD:MULT",)}, "two treatments, 'ADD' and 'MULT'"),
        ({"covariance": ("missing.csv",)}, "missing.csv: cannot be read"),
        ({"covariance": ("negative.txt",)}, "not positive definite: its smallest eigenvalue is -1"),
        ({"covariance": ("large.txt",)}, "a matrix of 3 points; expected 2"),
        ({"covariance": ("lopsided.txt",)}, r"not symmetric: element \(0, 1\)"),
        ({"correlation": ("stat=lopsided.txt",)}, "not symmetric"),
        ({"correlation": ("lumi=negative.txt",)}, "expected ERROR=FILE with an error of stat"),
        ({"prediction": {"measures": "F22", "current": "NC", "projectile": "electron", "target": ["proton"]}}, "Did you mean 'F2'"),
        ({"table": "nothing.yaml"}, "nothing.yaml: cannot be read"),
        ({"table": "broken.yaml"}, "not valid YAML"),
        ({"table": "other.yaml"}, "holds no 'dependent_variables'"),
    ],
)  # fmt: skip
def test_mistakes_are_named_and_nothing_is_written(home, changes, message):
    table = hepdata_yaml(home / "t.yaml", [1.0, 2.0], {"stat": [0.1, 0.2]})
    np.savetxt(home / "negative.txt", [[1, 2], [2, 1]])
    np.savetxt(home / "large.txt", np.eye(3))
    np.savetxt(home / "lopsided.txt", [[1, 0.5], [0.1, 1]])
    (home / "broken.yaml").write_text("a: [")
    (home / "other.yaml").write_text("a: 1")
    arguments = {"name": NAME, "table": table, "process": "DIS_NC"} | changes
    with pytest.raises(InputError, match=message):
        new_dataset(Recipe(**arguments))
    assert not (home / "datasets").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0.1,abc,0.3,0.01", "Q2, from 'Q2', is no number at row 0"),
        ("0.1,10,0.3,0.01\n0.1,nan,0.3,0.01", "Q2, from 'Q2', is no number at row 1"),
        ("0.1,10,0.3,inf", "'stat' is no number at row 0"),
        ("0.1,10,inf,0.01", "column 'F2' is infinite at row 0"),
    ],
)
def test_what_is_no_number_is_named_with_its_row(home, rows, message):
    (home / "t.csv").write_text(f"x,Q2,F2,stat\n{rows}\n")
    with pytest.raises(InputError, match=message):
        new_dataset(Recipe(NAME, "t.csv", "DIS_NC", value="F2", errors=("stat:ADD:UNCORR",)))


def test_which_table_of_a_submission_must_be_said(home):
    hepdata_yaml(home / "one.yaml", [1.0, 2.0], {"stat": [0.1, 0.2]})
    (home / "submission.yaml").write_text("comment: x\n---\nname: Table 1\ndata_file: one.yaml\n---\nname: Table 2\ndata_file: two.yaml\n")
    with pytest.raises(InputError, match="Did you mean 'Table 1'"):
        new_dataset(Recipe(NAME, "submission.yaml", "DIS_NC", table_name="Table1"))
    new_dataset(Recipe(NAME, "submission.yaml", "DIS_NC", table_name="Table 1"))
    assert load_dataset(NAME).central.tolist() == [1.0, 2.0]


def test_published_tables_are_read(home):
    (home / "nmc.csv").write_text(NMC)
    table = read_table("nmc.csv")
    assert [error.label for error in table.errors] == ["stat", "sys"] and table.value.mid.tolist() == [0.2123, 0.2192, 0.2153]
    assert set(table.columns) == {"Q**2", "SIG(L)/SIG(T)", "X"} and set(table.columns["X"].mid) == {0.35}
    (home / "lhcb.yaml").write_text(LHCB)
    table = read_table("lhcb.yaml")
    assert [error.label for error in table.errors] == ["stat", "sys,lumi"] and table.errors[1].minus.tolist() == [-0.017, -0.049]
    assert table.columns["$y_Z$"].centre.tolist() == [2.0625, 2.1875] and table.value.units == "PB"
    new_dataset(Recipe("LHCB_Z0_7TEV_Y", "lhcb.yaml", "DY_Z_Y", columns={"y": "$y_Z$", "m_Z2": "8315.18"}))
    own = load_dataset("LHCB_Z0_7TEV_Y")
    assert list(own.kinematics) == ["y", "m_Z2", "sqrts"] and own.kinematics.sqrts.tolist() == [7000.0] * 2


def test_the_whole_way_on_the_command_line(home, call):
    table = hepdata_yaml(home / "t.yaml", [1.0, 2.0], {"stat": [0.1, 0.2], "sys,lumi": ["2%", "2%"]})
    code, out, err = call("dataset", "new", NAME, table, "--measures", "F2", "--label", "mine")
    assert code == 0 and "2 points" in out and "sys_lumi" in out and out.rstrip().endswith("datasets/TEST_NC_318GEV")
    code, out, err = call("dataset", "check", NAME)
    assert code == 0 and "no mistakes" in out and not err
    assert call("dataset", "list", "TEST_NC")[1].split()[-4:] == [NAME, "DIS_NC", "2", "own"]
    assert "x            0.01 to 0.5" in call("dataset", "show", NAME)[1]
    code, out, err = call("dataset", "check", "TEST_NC_318GEV", "--theory", "nnlo")
    assert code == 2 and f"theory 'nnlo' has no FK table '{NAME}'" in err and "nnpdf-lite theory build" in err


def test_theory_build_knows_what_an_own_set_measures(home):
    table = hepdata_yaml(home / "t.yaml", [1.0, 2.0], {"stat": [0.1, 0.2]})
    wanted = {"measures": "XSHERANC", "current": "NC", "projectile": "positron", "target": [[26, 56]]}
    new_dataset(Recipe(NAME, table, "DIS_NC", prediction=wanted))
    (operand,) = measurement(NAME).operands
    assert (operand.measures, operand.flavour, operand.protons, operand.nucleons) == ("XSHERANC", "total", 26.0, 56.0)


def test_datasets_beside_a_runcard_are_found(tmp_path, monkeypatch, call):
    """From any folder, without setting anything; and a mistake in a name suggests them."""
    monkeypatch.setattr(paths, "_homes", [])
    project = tmp_path / "project"
    shutil.copytree(paths.shipped("datasets") / "SLAC_NC_NOTFIXED_P", project / "datasets" / "MYLAB_NC_NOTFIXED_P")
    metadata = project / "datasets/MYLAB_NC_NOTFIXED_P/metadata.yaml"
    metadata.write_text(metadata.read_text().replace("SLAC_NC_NOTFIXED_P", "MYLAB_NC_NOTFIXED_P"))
    card = {"dataset_inputs": [{"dataset": "MYLAB_NC_NOTFIXED_P_EM-F2", "variant": "legacy_dw"}], "theory": {"theoryid": "nnlo"}}
    (project / "card.yml").write_text(yaml.safe_dump(card))
    assert call("validate", project / "card.yml")[0] == 0
    card["dataset_inputs"][0]["dataset"] = "MYLAB_NC_NOTFIXED_P_EM-F3"
    (project / "card.yml").write_text(yaml.safe_dump(card))
    assert "Did you mean 'MYLAB_NC_NOTFIXED_P_EM-F2'" in call("validate", project / "card.yml")[2]


def test_tables_of_ones_own_add_to_a_theory_of_the_same_card_only(home):
    shipped = paths.shipped("theory_grids") / "nnlo"
    own = home / "theory_grids" / "nnlo"
    (own / "fastkernel").mkdir(parents=True)
    shutil.copy(shipped / "theory.yaml", own)
    shutil.copy(shipped / "fastkernel/SLAC_NC_EM_P_F2.pineappl.lz4", own / "fastkernel/OWN.pineappl.lz4")
    card = load_theory("nnlo")
    assert card.table_path("OWN").is_relative_to(own) and card.table_path("SLAC_NC_EM_P_F2").is_relative_to(shipped)
    assert card.cfactor_path("MAS", "NUTEV_CC_NU_FE_SIGMARED").is_relative_to(shipped)
    other = yaml.safe_load((shipped / "theory.yaml").read_text()) | {"alphas": 0.12}
    (own / "theory.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(InputError, match="has no FK table 'SLAC_NC_EM_P_F2'"):
        load_theory("nnlo").table_path("SLAC_NC_EM_P_F2")
