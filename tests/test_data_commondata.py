"""Claims about reading datasets: what is shipped, what a set contains, and what a user is told when it is wrong."""

import copy
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnpdf_lite import data, paths
from nnpdf_lite.data import catalogue
from nnpdf_lite.errors import InputError

DIS_SETS = {
    "NMC_NC_NOTFIXED_EM-F2": "legacy_dw",
    "NMC_NC_NOTFIXED_P_EM-SIGMARED": "legacy",
    "SLAC_NC_NOTFIXED_P_EM-F2": "legacy_dw",
    "SLAC_NC_NOTFIXED_D_EM-F2": "legacy_dw",
    "BCDMS_NC_NOTFIXED_P_EM-F2": "legacy_dw",
    "BCDMS_NC_NOTFIXED_D_EM-F2": "legacy_dw",
    "CHORUS_CC_NOTFIXED_PB_NU-SIGMARED": "legacy_dw",
    "CHORUS_CC_NOTFIXED_PB_NB-SIGMARED": "legacy_dw",
    "NUTEV_CC_NOTFIXED_FE_NU-SIGMARED": "legacy_dw",
    "NUTEV_CC_NOTFIXED_FE_NB-SIGMARED": "legacy_dw",
    "HERA_NC_225GEV_EP-SIGMARED": "legacy",
    "HERA_NC_251GEV_EP-SIGMARED": "legacy",
    "HERA_NC_300GEV_EP-SIGMARED": "legacy",
    "HERA_NC_318GEV_EP-SIGMARED": "legacy",
    "HERA_NC_318GEV_EM-SIGMARED": "legacy",
    "HERA_CC_318GEV_EP-SIGMARED": "legacy",
    "HERA_CC_318GEV_EM-SIGMARED": "legacy",
    "HERA_NC_318GEV_EAVG_CHARM-SIGMARED": "legacy",
    "HERA_NC_318GEV_EAVG_BOTTOM-SIGMARED": "legacy",
}
POSITIVITY = ["F2U", "F2D", "F2S", "F2C", "FLL", "XUQ", "XUB", "XDQ", "XDB", "XSQ", "XSB", "XCQ", "XGL"]
INTEGRABILITY = ["XV", "XV3", "XV8", "XT3", "XT8"]
CONSTRAINTS = [f"NNPDF_POS_2P24GEV_{name}" for name in POSITIVITY]
CONSTRAINTS += [f"NNPDF_INTEG_3GEV_{name}" for name in INTEGRABILITY]

METADATA = {
    "setname": "TOY_NC_1GEV",
    "version": 1,
    "version_comment": "made up",
    "nnpdf_metadata": {"nnpdf31_process": "DIS NC", "experiment": "TOYS"},
    "arXiv": {"url": "https://arxiv.org/abs/0000.00000", "journal": "J. Toys 1"},
    "implemented_observables": [
        {
            "observable_name": "F2",
            "observable": {"description": "toy", "label": "toy", "units": ""},
            "process_type": "DIS_NC",
            "ndata": 2,
            "plotting": {"dataset_label": "Toy $F_2$", "plot_x": "x"},
            "kinematic_coverage": ["x", "Q2"],
            "kinematics": {"variables": {"x": {"label": "x"}, "Q2": {"label": "Q2"}}, "file": "kinematics.yaml"},
            "theory": {"FK_tables": [["A", "B"], ["C"]], "operation": "ratio", "conversion_factor": "1e-3"},
            "data_central": "data.yaml",
            "data_uncertainties": [],
            "variants": {
                "plain": {"data_uncertainties": ["unc.yaml"]},
                "other": {"data_central": "data_other.yaml", "experiment": "OTHER"},
            },
        }
    ],
}
UNCERTAINTIES = {
    "definitions": {
        "stat": {"description": "", "treatment": "ADD", "type": "UNCORR"},
        "norm": {"description": "", "treatment": "MULT", "type": "TOYLUMI"},
    },
    "bins": [{"stat": 0.1, "norm": 0.02}, {"stat": 0.2, "norm": 0.04}],
}
KINEMATICS = {
    "bins": [
        {"x": {"min": 0.1, "mid": None, "max": 0.3}, "Q2": {"mid": 10.0, "min": None, "max": None}},
        {"x": {"min": None, "mid": 0.4, "max": None}, "Q2": {"mid": 20.0, "min": None, "max": None}},
    ]
}
FILES = {
    "metadata.yaml": METADATA,
    "unc.yaml": UNCERTAINTIES,
    "kinematics.yaml": KINEMATICS,
    "data.yaml": {"data_central": [1.0, 2.0]},
    "data_other.yaml": {"data_central": [3.0, 4.0]},
}


def write_toy(folder: Path, **changed: object) -> None:
    """Write the toy set, with the content of files (named without extension) changed."""
    target = folder / "datasets" / "TOY_NC_1GEV"
    target.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        content = changed.get(name.removesuffix(".yaml"), content)
        (target / name).write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A folder with the toy set on the search path."""
    monkeypatch.setenv("NNPDF_LITE_PATH", str(tmp_path))
    write_toy(tmp_path)
    return tmp_path


def observable(**changes: object) -> dict:
    """Return the toy metadata with keys of its observable changed."""
    metadata = copy.deepcopy(METADATA)
    metadata["implemented_observables"][0].update(changes)
    return metadata


def test_every_dis_set_loads():
    sets = [data.load_dataset(name, variant) for name, variant in DIS_SETS.items()]
    assert [dataset.name for dataset in sets] == list(DIS_SETS)
    assert sum(map(len, sets)) == 4268
    assert all(dataset.theory.fk_tables and dataset.citation for dataset in sets)


@pytest.mark.parametrize("name", [name for name in DIS_SETS if name.startswith("HERA")])
def test_hera_sets_have_a_default(name):
    assert np.array_equal(data.load_dataset(name).central, data.load_dataset(name, "legacy").central)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_have_points_and_tables_but_no_data(name):
    dataset = data.load_dataset(name)
    assert len(dataset) == len(dataset.kinematics) > 0
    assert not dataset.central.any() and dataset.uncertainties.values.shape == (len(dataset), 0)
    assert len(dataset.theory.fk_tables) == 1 and dataset.theory.conversion_factor == 1.0


def test_kfactors_of_nutev_are_shipped_for_every_point():
    for name in ("NB", "NU"):
        lines = (paths.shipped("theory_grids") / f"nnlo/cfactor/CF_MAS_NUTEV_CC_{name}_FE_SIGMARED.dat").read_text()
        values = [line.split() for line in lines.rsplit("*\n", 1)[1].splitlines()]
        assert len(values) == 45


def test_a_set_is_what_its_files_say(toys):
    toy = data.load_dataset("TOY_NC_1GEV_F2", ["plain"], cfac=("QCD",), frac=0.5, weight=2.0)
    assert (toy.name, toy.variants, toy.experiment, toy.label) == ("TOY_NC_1GEV_F2", ("plain",), "TOYS", "Toy $F_2$")
    assert toy.central.tolist() == [1.0, 2.0] and toy.kept.tolist() == [0, 1] and toy.ndata_total == 2
    assert toy.kinematics.to_dict("list") == {"x": [0.2, 0.4], "Q2": [10.0, 20.0]}
    assert toy.uncertainties.values.tolist() == [[0.1, 0.02], [0.2, 0.04]]
    assert toy.uncertainties.treatment.tolist() == ["ADD", "MULT"]
    assert toy.uncertainties.kind.tolist() == ["UNCORR", "TOYLUMI"]
    assert toy.uncertainties.names.tolist() == ["stat", "norm"]
    assert toy.theory == data.TheoryMetadata((("A", "B"), ("C",)), "RATIO", 1e-3)
    assert toy.citation == {"arxiv": "https://arxiv.org/abs/0000.00000", "journal": "J. Toys 1"}
    assert (toy.cfac, toy.frac, toy.weight) == (("QCD",), 0.5, 2.0)


def test_variants_apply_in_order(toys):
    toy = data.load_dataset("TOY_NC_1GEV_F2", ["plain", "other"])
    assert toy.central.tolist() == [3.0, 4.0]
    assert toy.experiment == "OTHER"
    assert toy.uncertainties.values.shape == (2, 2)


def test_order_of_uncertainties_in_a_bin_does_not_matter(toys):
    bins = [{"norm": 0.02, "stat": 0.1}, {"norm": 0.04, "stat": 0.2}]
    write_toy(toys, unc={**UNCERTAINTIES, "bins": bins})
    assert data.load_dataset("TOY_NC_1GEV_F2", "plain").uncertainties.values.tolist() == [[0.1, 0.02], [0.2, 0.04]]


def test_selections_compose():
    whole = data.load_dataset("HERA_NC_225GEV_EP-SIGMARED")
    once = whole.select([5, 3, 10, 7])
    twice = once.select(np.array([2, 0]))
    assert twice.kept.tolist() == [10, 5]
    assert np.array_equal(twice.central, whole.central[[10, 5]])
    assert np.array_equal(twice.uncertainties.values, whole.uncertainties.values[[10, 5]])
    assert twice.kinematics.index.tolist() == [10, 5] and twice.ndata_total == 209
    assert len(whole.select([])) == 0


@pytest.mark.parametrize("indices", [[-1], [209], [0.5], [[0, 1]]])
def test_selecting_points_that_are_not_there_is_an_error(indices):
    with pytest.raises(InputError, match="HERA_NC_225GEV_EP-SIGMARED"):
        data.load_dataset("HERA_NC_225GEV_EP-SIGMARED").select(indices)


def test_shipped_datasets_are_found_without_nnpdf_data(monkeypatch):
    monkeypatch.setattr(catalogue, "nnpdf_data_folder", lambda: None)
    assert sorted([*DIS_SETS, *CONSTRAINTS]) == data.available_datasets()
    with pytest.raises(InputError, match="nnpdf-data package, which is not installed"):
        data.load_dataset("ATLAS_Z0_7TEV_46FB_CC-Y")
    assert data.resolve_legacy_name("NMC", ("x",)) == ("NMC", ("x",))


def toy_errors():
    """Each mistake in the toy set: changed files, variants asked for, words of the message."""
    long = {"data_central": [1.0, 2.0, 3.0]}
    bad_treatment = copy.deepcopy(UNCERTAINTIES)
    bad_treatment["definitions"]["norm"]["treatment"] = "MUL"
    no_y = [{"x": {"mid": 0.1}}, {"x": {"mid": 0.1}}]
    no_middle = [{"x": {"mid": None, "min": 0.1}, "Q2": {"mid": 1}}] * 2
    bad_value = {**UNCERTAINTIES, "bins": [{"stat": 0.1, "norm": 0.1}, {"stat": float("nan"), "norm": 0.1}]}
    extra = {**UNCERTAINTIES, "bins": [{"stat": 0.1, "norm": 0.1, "more": 0.1}] * 2}
    uneven = {**UNCERTAINTIES, "bins": [{"stat": 0.1, "norm": 0.1}, {"stat": 0.1}]}
    return [
        ({}, (), ["no uncertainties without a variant", "plain, other"]),
        ({}, ("plane",), ["no variant 'plane'", "plain, other", "Did you mean 'plain'?"]),
        ({"data": long}, ("plain",), ["data.yaml", "expected 2 numbers, found 3"]),
        ({"data": {"data_central": [1.0, float("inf")]}}, ("plain",), ["data.yaml", "point 1", "inf"]),
        ({"data": {"data_central": [1.0, "one"]}}, ("plain",), ["data.yaml", "numbers only"]),
        ({"data": {"data_central": [1.0, None]}}, ("plain",), ["data.yaml"]),
        ({"data": {"central": [1.0, 2.0]}}, ("plain",), ["data.yaml", "'data_central' is missing"]),
        ({"data": "[1, 2"}, ("plain",), ["data.yaml", "not valid YAML"]),
        ({"data": "just words"}, ("plain",), ["data.yaml", "expected a mapping"]),
        ({"data": "{\n"}, ("plain",), ["data.yaml", "not valid YAML"]),
        ({"unc": bad_treatment}, ("plain",), ["unc.yaml", "'norm'", "treatment is 'MUL'", "ADD or MULT"]),
        ({"unc": bad_value}, ("plain",), ["unc.yaml", "point 1", "nan"]),
        ({"unc": extra}, ("plain",), ["unc.yaml", "'more'"]),
        ({"unc": uneven}, ("plain",), ["unc.yaml", "bin 1"]),
        ({"unc": {**UNCERTAINTIES, "bins": []}}, ("plain",), ["unc.yaml", "expected 2 bins, found 0"]),
        ({"kinematics": {"bins": no_y}}, ("plain",), ["kinematics.yaml", "bin 0", "'Q2' is missing"]),
        ({"kinematics": {"bins": no_middle}}, ("plain",), ["kinematics.yaml", "neither a 'mid'"]),
        ({"metadata": observable(ndata=0)}, ("plain",), ["metadata.yaml", "'ndata' is 0"]),
        ({"metadata": observable(ndata="two")}, ("plain",), ["metadata.yaml", "'ndata'", "'two'", "int"]),
        ({"metadata": observable(theory={"FK_tables": "A"})}, ("plain",), ["metadata.yaml", "FK_tables", "list"]),
        ({"metadata": observable(data_central="gone.yaml")}, ("plain",), ["gone.yaml", "does not exist"]),
    ]


@pytest.mark.parametrize(("changed", "variants", "words"), toy_errors(), ids=lambda value: None)
def test_one_message_says_where_and_what_is_wrong(toys, changed, variants, words):
    write_toy(toys, **changed)
    with pytest.raises(InputError) as caught:
        data.load_dataset("TOY_NC_1GEV_F2", variants)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["HERA_NC_318GEV_EP-SIGMARD", "hera_nc_318gev_ep-sigmared"])
def test_a_misspelt_name_gets_a_suggestion(name):
    with pytest.raises(InputError, match="Did you mean 'HERA_NC_318GEV_EP-SIGMARED'"):
        data.load_dataset(name)


@pytest.mark.parametrize("name", ["", "_", "X", "../datasets/HERA_NC_225GEV_EP-SIGMARED", "a\0_b"])
def test_a_name_that_is_no_name_is_not_found(name):
    with pytest.raises(InputError, match="not found"):
        data.load_dataset(name)


def test_an_unreadable_file_is_reported(toys):
    (toys / "datasets" / "TOY_NC_1GEV" / "data.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="data.yaml: the file cannot be read"):
        data.load_dataset("TOY_NC_1GEV_F2", "plain")


JUNK = st.one_of(st.none(), st.integers(-1, 3), st.text(max_size=3), st.just([]), st.just({}), st.just([None]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.sampled_from(sorted(FILES)), choice=st.randoms(use_true_random=False), junk=JUNK, drop=st.booleans())
def test_no_damage_to_a_file_gives_anything_but_an_input_error(toys, file, choice, junk, drop):
    document = copy.deepcopy(FILES[file])
    place = document
    while True:
        key = choice.choice(list(place)) if isinstance(place, dict) else choice.randrange(len(place))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or choice.random() < 0.3:
            break
        place = inner
    if drop:
        del place[key]
    else:
        place[key] = junk
    write_toy(toys, **{file.removesuffix(".yaml"): document})
    try:
        data.load_dataset("TOY_NC_1GEV_F2", ["plain", "other"])
    except InputError as error:
        assert str(error)


needs_nnpdf_data = pytest.mark.skipif(not importlib.util.find_spec("nnpdf_data"), reason="nnpdf-data is not installed")


@needs_nnpdf_data
def test_other_sets_come_from_nnpdf_data():
    dataset = data.load_dataset("ATLAS_Z0_7TEV_46FB_CC-Y")
    assert dataset.folder.parent == catalogue.nnpdf_data_folder()
    assert dataset.theory.conversion_factor == 1000.0


@needs_nnpdf_data
def test_variants_that_are_not_shipped_come_from_nnpdf_data():
    assert data.load_dataset("NMC_NC_NOTFIXED_EM-F2", "hepdata").folder.parent == catalogue.nnpdf_data_folder()


@needs_nnpdf_data
def test_old_names_are_translated():
    assert data.resolve_legacy_name("HERACOMBNCEM") == ("HERA_NC_318GEV_EM-SIGMARED", ("legacy",))
    assert data.load_dataset("NMC").variants == ("legacy",)
    assert data.load_dataset("NMC").name == "NMC_NC_NOTFIXED_P_EM-SIGMARED"


@needs_nnpdf_data
@pytest.mark.parametrize(
    "name", ["SLAC_NC_NOTFIXED_P_EM-F2", "NUTEV_CC_NOTFIXED_FE_NB-SIGMARED", "HERA_CC_318GEV_EP-SIGMARED"]
)
def test_nnpdf_reads_the_shipped_files_as_we_do(name):
    from nnpdf_data.commondataparser import load_commondata, parse_new_metadata

    setname, observable_name = name.rsplit("_", 1)
    metadata = paths.shipped("datasets") / setname / "metadata.yaml"
    theirs = load_commondata(parse_new_metadata(metadata, observable_name, variant=DIS_SETS[name]))
    ours = data.load_dataset(name, DIS_SETS[name])
    assert np.array_equal(theirs.central_values, ours.central)
    assert np.array_equal(theirs.kinematics, ours.kinematics)
    errors = theirs.systematic_errors()
    square = (theirs.stat_errors**2 + (errors**2).sum(axis=1)).to_numpy()
    assert np.allclose(square, (ours.uncertainties.values**2).sum(axis=1), rtol=1e-12)


@needs_nnpdf_data
@pytest.mark.parametrize("setname", ["HERA_NC_318GEV_EAVG", "NMC_NC_NOTFIXED", "NNPDF_INTEG_3GEV"])
def test_shipped_numbers_are_those_of_the_package(setname):
    shipped, package = paths.shipped("datasets") / setname, catalogue.nnpdf_data_folder() / setname
    for file in shipped.glob("*.yaml"):
        if file.name != "metadata.yaml":
            assert json.loads(file.read_text()) == yaml.load((package / file.name).read_text(), yaml.CSafeLoader)
