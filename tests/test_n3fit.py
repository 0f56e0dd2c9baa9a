"""Runcards, theories and fit folders of n3fit: what a user coming from there brings along."""

import importlib.util
import json
import shlex
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pages import follows
from scipy.linalg import solve_triangular

import nnpdf_lite
from nnpdf_lite.cli import main
from nnpdf_lite.data import catalogue, cut_indices, documents, load_dataset, resolve_legacy_name
from nnpdf_lite.errors import InputError
from nnpdf_lite.fit.problem import build_problem
from nnpdf_lite.paths import nnpdf_data, shipped
from nnpdf_lite.runcard import load_runcard, parse_runcard, review
from nnpdf_lite.runcard.choices import MOVED, UNSUPPORTED
from nnpdf_lite.runcard.messages import all_paths
from nnpdf_lite.runcard.n3fit_keys import DEFAULTS, DIFFERENT, INSTEAD, VALUES, key_table, markdown
from nnpdf_lite.theory import load_theory, predict

needs_nnpdf_data = pytest.mark.skipif(not importlib.util.find_spec("nnpdf_data"), reason="nnpdf-data is not installed")
DOCS = Path(__file__).parents[1] / "docs"
N3FIT_CARD = Path(__file__).parent / "external" / "card.yml"
N3FIT_FIT = Path(__file__).parent / "n3fit_fit"


@pytest.fixture
def official(tmp_path, monkeypatch):
    """A folder with the shipped tables as NNPDF's theory 708: no card, no cfactors."""
    theory = tmp_path / "theories" / "theory_708"
    theory.mkdir(parents=True)
    (theory / "fastkernel").symlink_to(shipped("theory_grids") / "nnlo" / "fastkernel")
    monkeypatch.setenv("NNPDF_LITE_THEORY_PATH", str(theory.parent))
    return theory


def card(**keys):
    return yaml.safe_load(N3FIT_CARD.read_text()) | keys


def write(path, mapping):
    path.write_text(yaml.safe_dump(mapping, sort_keys=False))
    return str(path)


# --- official theories ---------------------------------------------------------------------------------------------


@needs_nnpdf_data
def test_an_official_folder_is_used_as_it_is(official):
    theory, ours = load_theory(708), load_theory("nnlo")
    assert theory.folder == official
    ours_alone = {"Comments", "ModEv"}  # the shipped tables hold the exact solution
    assert {key: value for key, value in theory.parameters.items() if key not in ours_alone} == {
        key: value for key, value in ours.parameters.items() if key not in ours_alone
    }
    assert theory.cfactor_path("MAS", "NUTEV_CC_NU_FE_SIGMARED").parent == nnpdf_data("cfactors")


@needs_nnpdf_data
@pytest.mark.parametrize("above", [False, True], ids=["the theory", "the folder above"])
def test_theory_path_names_a_theory_or_the_folder_that_holds_it(official, monkeypatch, tmp_path, capsys, above):
    monkeypatch.delenv("NNPDF_LITE_THEORY_PATH")
    monkeypatch.setenv("NNPDF_LITE_PATH", "")  # restored after main() has set the other one
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNPDF_LITE_THEORY_PATH", "")
        where = official.parent if above else official
        assert main(["validate", str(N3FIT_CARD), "--theory-path", str(where)]) == 0
    assert "3 sets, 191 points" in capsys.readouterr().out


@needs_nnpdf_data
def test_an_official_theory_that_is_not_there_says_where_to_put_it(capsys):
    with pytest.raises(InputError, match="one of NNPDF's: put its folder theory_40000000 there, or name it with --theory-path"):
        load_theory(40_000_000)
    assert main(["validate", str(N3FIT_CARD), "--theory-path", "/nowhere"]) == 2
    assert "there is no such folder" in capsys.readouterr().err


@needs_nnpdf_data
def test_every_official_card_is_one_of_ours():
    cards = sorted(nnpdf_data("theory_cards").glob("*.yaml"))
    for path in cards[::40]:
        parameters = yaml.safe_load(path.read_text())
        assert {"PTO", "Q0", "alphas", "Qref", "mc", "mb", "mt"} <= set(parameters), path
    assert len(cards) > 100


@needs_nnpdf_data
def test_t0_predictions_may_come_from_another_theory(official):
    plain = parse_runcard(card())
    other = parse_runcard(card(theory={"theoryid": 708, "t0theoryid": "nnlo"}))
    assert build_problem(other).t0_predictions == pytest.approx(build_problem(plain).t0_predictions, rel=1e-12)
    with pytest.raises(InputError, match="theory.t0theoryid: .*no theory 'elsewhere'"):
        build_problem(parse_runcard(card(theory={"theoryid": 708, "t0theoryid": "elsewhere"})))


# --- missing tables ------------------------------------------------------------------------------------------------

GLOBAL = [
    {"dataset": "SLAC_NC_NOTFIXED_P_EM-F2", "variant": "legacy_dw"},
    {"dataset": "ATLAS_Z0J_8TEV_PT-M", "variant": "legacy_10"},
    {"dataset": "ATLAS_WPWM_13TEV_TOT", "cfac": ["QCD"], "variant": "legacy"},
    {"dataset": "CDF_Z0_1P96TEV_ZRAP", "variant": "legacy"},
]


@needs_nnpdf_data
def test_missing_tables_are_named_by_experiment_in_one_message(official, tmp_path, capsys):
    assert main(["validate", write(tmp_path / "card.yml", card(dataset_inputs=GLOBAL))]) == 2
    first, *groups, last = capsys.readouterr().err.splitlines()
    assert "lacks 8 FK tables and 2 cfactors of 3 sets" in first
    assert groups == ["  ATLAS: ATLAS_Z0J_8TEV_PT-M, ATLAS_WPWM_13TEV_TOT", "  CDF: CDF_Z0_1P96TEV_ZRAP"]
    assert "the other 1 datasets (33 points) and 4 constraints would run" in last


@needs_nnpdf_data
def test_the_review_names_every_key_and_file_and_writes_the_card_that_runs(official, tmp_path, capsys):
    theirs = card(
        dataset_inputs=GLOBAL, theorycovmatconfig={"point_prescriptions": ["9 point"]}, load="weights.h5", maxcores=1
    )
    path, out = write(tmp_path / "card.yml", theirs), tmp_path / "runs.yml"
    assert main(["validate", path, "--n3fit"]) == 2
    printed = capsys.readouterr().out
    for words in (
        "theorycovmatconfig: theory covariance matrices; leave it out: the experimental covariance alone is fitted",
        "load: starting from the weights of another fit; leave it out",
        "trvlseed, nnseed, mcseed: other random numbers",
        "complete: 1 of 4 datasets, 33 of 107 points; 4 of 4 constraints",
        "CDF: CDFZRAP_NEW-CDF_ZRAP_MCgrid_500M_last_two_bins_combined",
        "CF_QCD_ATLAS_WZ_TOT_13TEV-ATLASWZTOT13TEV81PB_WM_tot",
    ):
        assert words in printed
    assert main(["validate", path, "--n3fit", "--write", str(out)]) == 0
    assert "CDF_Z0_1P96TEV_ZRAP (missing: CDFZRAP_NEW" in out.read_text()
    capsys.readouterr()
    assert main(["validate", str(out), "--n3fit"]) == 0
    assert main(["validate", str(out)]) == 0
    assert "1 sets, 33 points" in capsys.readouterr().out
    assert main(["validate", path, "--n3fit", "--write", str(out)]) == 2
    assert "exists; nothing was written" in capsys.readouterr().err


@follows("docs/from-n3fit.md", "")
@pytest.mark.parametrize("supported", [True, False])
def test_the_commands_of_the_page_review_a_card_and_write_the_part_that_runs(found, supported, tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    keys = {} if supported else {"fiatlux": {"luxset": "NNPDF40_nnlo_as_0118"}}
    write(tmp_path / "CARD", card(theory={"theoryid": "nnlo"}, **keys))
    ((_, text),) = found
    (valid, *_), (reviewed, review, _), (written, *_) = (call(*shlex.split(line, comments=True)[1:]) for line in text.splitlines())
    assert (valid, reviewed, written) == ((0, 0, 0) if supported else (2, 2, 0))
    assert ("fiatlux" in review) is not supported
    assert load_runcard("MINE.yml").theory.theoryid == "nnlo"


@needs_nnpdf_data
def test_the_review_of_a_card_with_other_mistakes_still_tells_what_data_there_are(official, tmp_path, capsys):
    polarised = card(fitting={"fitbasis": "POLARIZED_EVOL", "sum_rules": "TSR"}, datacuts={"q2min": 3.49, "unpolarized_bc": "X"})
    assert main(["validate", write(tmp_path / "card.yml", polarised), "--n3fit", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert not found["runs"] and [*found["not_supported"]] == ["line 14, datacuts.unpolarized_bc"] and len(found["refused"]) == 3
    assert [item["points"] for item in found["sets"][:3]] == [121, 33, 37] and not any(i["missing"] for i in found["sets"])


@needs_nnpdf_data
def test_a_card_of_n3fit_runs_unchanged(official, tmp_path):
    quick = card(parameters=card()["parameters"] | {"epochs": 100, "nodes_per_layer": [5, 4, 8]})
    fit = nnpdf_lite.fit(quick, replicas=2, output=tmp_path / "fit", progress=False)
    assert len(fit.all_replicas) == 2 and fit.chi2().query("level == 'total'").ndata.item() == 191
    log = json.loads((tmp_path / "fit/nnfit/replica_1/chi2exps.log").read_text())
    assert {"training_loss", "validation_loss"} == set(next(iter(log.values())))


# --- keys ----------------------------------------------------------------------------------------------------------


def test_the_page_for_users_of_n3fit_lists_every_key():
    assert markdown() in (DOCS / "from-n3fit.md").read_text(), "run: python -m nnpdf_lite.runcard docs/from-n3fit.md"


def test_every_key_has_its_place_in_the_table():
    table = {key.path: key for key in key_table()}
    assert set(table) >= {*all_paths(), *UNSUPPORTED, *MOVED}
    assert all(key.note for key in table.values() if key.status in ("different", "not yet", "moved"))
    assert {*DIFFERENT, *DEFAULTS, *VALUES} <= set(all_paths())
    assert {*INSTEAD} <= {*UNSUPPORTED, *(key.split(".")[0] for key in UNSUPPORTED)}, "advice on keys that are supported now"


def test_a_clean_card_has_nothing_unsupported():
    found = review(N3FIT_CARD)
    assert not found.unsupported and not found.mistakes and found.card == load_runcard(N3FIT_CARD)


@needs_nnpdf_data
def test_old_names_and_numbers_of_systematics_become_variants():
    table = yaml.safe_load((catalogue.nnpdf_data_folder() / "dataset_names.yml").read_text())
    assert resolve_legacy_name("ATLASZPT8TEVMDIST", sys=10) == ("ATLAS_Z0J_8TEV_PT-M", ("legacy_10",))
    assert resolve_legacy_name("NMC") == (table["NMC"]["dataset"], (table["NMC"]["variant"],))
    assert load_dataset("ATLASZPT8TEVMDIST", sys=10).variants == ("legacy_10",)
    with pytest.raises(InputError, match="no variant .* stands for sys: 3"):
        resolve_legacy_name(next(name for name, new in table.items() if isinstance(new, str)), sys=3)


@needs_nnpdf_data
def test_dropped_rules_are_those_of_the_set_alone():
    dataset, datacuts = load_dataset("LHCB_Z0_7TEV_MUON_Y"), parse_runcard(card()).datacuts
    theory = {"PTO": 2}
    assert len(cut_indices(dataset, datacuts, (), theory)) == 15
    assert len(cut_indices(dataset, datacuts, (), theory, ["LHCB_Z0_7TEV_MUON_Y"])) == len(dataset)
    assert len(cut_indices(dataset, datacuts, (), theory, ["LHCB_Z0_8TEV_MUON_Y"])) == 15
    slac = load_dataset("SLAC_NC_NOTFIXED_P_EM-F2", "legacy_dw")
    assert len(cut_indices(slac, datacuts, (), theory, ["SLAC_NC_NOTFIXED_P_EM-F2"])) == 33, "general rules hold"


# --- fit folders of n3fit ------------------------------------------------------------------------------------------


@needs_nnpdf_data
def test_a_fit_folder_of_n3fit_is_a_fit(official, tmp_path):
    folder = shutil.copytree(N3FIT_FIT, tmp_path / "theirs")
    fit = nnpdf_lite.load_fit(folder)
    replicas, problem = fit.all_replicas, fit.problem
    predicted = predict(problem.theories, lambda x: replicas.at(x, replicas.f))
    residuals = solve_triangular(problem.cholesky, (problem.central - predicted).T, lower=True)
    chi2 = (residuals**2).sum(axis=0) / problem.n_data
    # With the shipped tables; when those change, tests/external makes the folder anew.
    assert chi2 == pytest.approx([record.chi2 for record in replicas.records], rel=1e-4), "n3fit's own chi2"
    assert fit.postfit().kept.all()
    written = fit.to_lhapdf()
    assert written.is_dir() and fit.pdf([0.1], 10.0).shape == (3, 8, 1, 1)


@needs_nnpdf_data
def test_a_fit_made_with_what_is_not_supported_is_read_with_a_warning(official, tmp_path):
    folder = shutil.copytree(N3FIT_FIT, tmp_path / "theirs")
    filter_file = folder / "filter.yml"
    filter_file.write_text(filter_file.read_text() + "\ntheorycovmatconfig: {point_prescriptions: [7 point]}\n")
    with pytest.warns(UserWarning, match="made with n3fit's theorycovmatconfig"):
        assert nnpdf_lite.load_fit(folder).runcard.theory.theoryid == 708
    filter_file.write_text(filter_file.read_text() + "\nnonsense: 1\n")
    with pytest.raises(InputError, match="nonsense"):
        _ = nnpdf_lite.load_fit(folder).runcard


# --- bins read line by line ----------------------------------------------------------------------------------------


@needs_nnpdf_data
def test_uncertainties_are_read_as_yaml_reads_them():
    files = sorted(nnpdf_data("commondata").glob("*/uncertainties*.yaml"))[::40]
    assert len(files) > 5
    for file in files:
        expected = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        assert documents.read_document(file) == expected


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True).filter(lambda name: yaml.safe_load(name) == name)
VALUES_AS_WRITTEN = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["1", "-2", "0.5", ".5", "1e3", "null", "yes", "0x1F", "'1.0'", "1_000", ".nan", "1.0 # high", "[1.0]"]),
)


@given(st.lists(st.dictionaries(NAMES, VALUES_AS_WRITTEN, min_size=1, max_size=4), min_size=1, max_size=3), st.sampled_from(["  ", "    "]))
def test_bins_are_read_as_yaml_reads_them_or_left_to_it(bins, indent):
    lines = [f"{'- ' if i == 0 else indent}{name}: {value}" for one in bins for i, (name, value) in enumerate(one.items())]
    text = "\n".join(lines) + "\n"
    read = documents._plain_bins(text)
    if read is not None:
        expected = yaml.safe_load(text)
        # What YAML 1.1 takes for text, such as 1e3, is a number here: the reader of uncertainties makes it one anyway.
        assert read == [{str(name): float(value) for name, value in one.items()} for one in expected]


def test_reading_no_bins_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert documents._plain_bins("") is None
        assert documents._plain_bins("- a: 1.0") == [{"a": 1.0}]
    assert np.isfinite(documents._plain_bins("- a: 1e5")[0]["a"])
