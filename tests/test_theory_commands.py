"""``nnpdf-lite theory``: what a user gets, an interrupted build, and mistakes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from nnpdf_lite.cli import main
from nnpdf_lite.errors import InputError
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set
from nnpdf_lite.theory.fktable import read_fk_table
from nnpdf_lite.theory_build.card import BuildCard
from nnpdf_lite.theory_build.observables import known_datasets, measurement
from nnpdf_lite.theory_build.variations import alphas_variations, scale_variations

ROOT = Path(__file__).parents[1]
CARD = yaml.safe_load((ROOT / "theory_grids" / "nnlo" / "theory.yaml").read_text())
SHARED = ROOT.parent / "shared"
SETS = ["SLAC_NC_NOTFIXED_P_EM-F2", "NNPDF_POS_2P24GEV_XUB", "NNPDF_INTEG_3GEV_XT3"]

needs_yadism = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("yadism") is None,
    reason="yadism is not installed (pip install '.[theory]')",
)


@pytest.fixture
def card(tmp_path):
    """Write a card with changes and return its path."""

    def write(**changes):
        path = tmp_path / "card.yaml"
        path.write_text(yaml.safe_dump(CARD | changes))
        return str(path)

    return write


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A finished massless NLO theory of a structure function, a positivity and an integrability set."""
    folder = tmp_path_factory.mktemp("theories")
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(CARD | {"PTO": 1, "FNS": "ZM-VFNS"}))
    output = folder / "small"
    assert main(["theory", "build", str(path), "--output", str(output), "--jobs", "1", "--sets", *SETS]) == 0
    return path, output


@needs_yadism
def test_a_built_theory_is_a_theory(built, capsys):
    _, folder = built
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["scheme"] == "ZM-VFNS" and manifest["evolution"].startswith("HOPPET, exact solution, NLO")
    assert {name: (entry["points"], entry["computed"]) for name, entry in manifest["tables"].items()} == {
        "SLAC_NC_EM_P_F2": (211, 33), "NNPDF_POS_ANTI_UP_40": (20, 20), "INTEGXT3": (1, 1),
    }  # fmt: skip
    assert yaml.safe_load((folder / "theory.yaml").read_text())["ModEv"] == "EXA"
    assert main(["theory", "check", str(folder), "--json"]) == 0
    assert all(row["ok"] for row in json.loads(capsys.readouterr().out))


@needs_yadism
def test_massless_nlo_is_within_some_percent_of_the_shipped_tables(built, capsys):
    _, folder = built
    assert main(["theory", "compare", str(folder), "nnlo", "--pdf", "NNPDFLITE_dis_nnlo", "--json"]) == 0
    rows = {row["table"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["SLAC_NC_EM_P_F2"]["points"] == 33 and 1e-3 < rows["SLAC_NC_EM_P_F2"]["max"] < 0.15
    assert rows["INTEGXT3"]["max"] < 1e-12


@needs_yadism
@pytest.mark.slow
def test_fonll_tables_agree_with_those_made_with_eko(tmp_path, capsys):
    """SLAC and the charm cross section: the solutions differ by NNLO terms, 2e-3 and, near Q0 at small x, 3e-2."""
    reference = SHARED / "theory"
    if not reference.is_dir():
        pytest.skip("the tables to compare with are not here")
    sets = ["SLAC_NC_NOTFIXED_P_EM-F2", "HERA_NC_318GEV_EAVG_CHARM-SIGMARED"]
    assert main(["theory", "build", "nnlo", "--output", str(tmp_path / "fonll"), "--sets", *sets]) == 0
    pdf = str(SHARED / "pdfs" / "NNPDF40_nnlo_as_01180")
    capsys.readouterr()
    assert main(["theory", "compare", str(tmp_path / "fonll"), str(reference), "--pdf", pdf, "--json"]) == 0
    slac, charm = sorted(json.loads(capsys.readouterr().out), key=lambda row: row["median"])
    assert slac["table"] == "SLAC_NC_EM_P_F2" and slac["median"] < 1e-3 and slac["max"] < 3e-3
    assert charm["median"] < 5e-3 and charm["max"] < 4e-2


@needs_yadism
def test_positivity_tables_are_the_pdfs_of_the_evolved_set(built):
    """The table of x ubar at 5 GeV2, with the PDFs at Q0, is what evolution gives."""
    from nnpdf_lite.evolution import PARTON_PIDS, Evolution

    card, folder = built
    pdf = load_pdf_set("NNPDFLITE_dis_nnlo")
    table = read_fk_table(folder / "fastkernel" / "NNPDF_POS_ANTI_UP_40.pineappl.lz4")
    f = pdf.evolution_basis(table.x, 1.65)
    ours = np.einsum("ncx,xc->n", table.table, f[:, table.channels[:, 0]])
    from toy_proton import field_xgrid

    fine = field_xgrid()
    f = pdf.evolution_basis(fine, 1.65)
    f[:, 7:9], f[:, 12:14] = f[:, [3]], f[:, [1]]
    x = np.array([1e-4, 0.1, 0.34])
    evolution = Evolution(yaml.safe_load(card.read_text()))
    expected = evolution.evolve(fine, f, [np.sqrt(5.0)], x)[0, :, PARTON_PIDS.index(-2)]
    points = np.array([5, 9, 12])  # of 20: 4.4e-4, 0.1, 0.34
    assert ours[points[1:]] == pytest.approx(expected[1:], rel=1e-4)


@needs_yadism
def test_a_second_build_reuses_everything_and_a_corrupt_piece_is_made_again(built, capsys):
    card, folder = built
    pieces = sorted((folder / "parts").rglob("*.npz"))
    before = {piece: piece.stat().st_mtime_ns for piece in pieces}
    pieces[3].write_bytes(b"not a piece")
    table = folder / "fastkernel" / "SLAC_NC_EM_P_F2.pineappl.lz4"
    content = table.read_bytes()
    sets = ["SLAC_NC_NOTFIXED_P_EM-F2"]
    assert main(["theory", "build", str(card), "--output", str(folder), "--jobs", "1", "--sets", *sets]) == 0
    assert "coefficient functions: 1 scales" in capsys.readouterr().err
    changed = [piece for piece in pieces if piece.stat().st_mtime_ns != before[piece]]
    assert changed == [pieces[3]]
    assert table.read_bytes() == content
    # tables of the first build are still in the manifest
    assert len(json.loads((folder / "manifest.json").read_text())["tables"]) == 3


@needs_yadism
def test_other_couplings_and_scales_come_from_the_same_pieces(built, capsys):
    card, folder = built
    sets = SETS[:2]  # a positivity set is of a PDF, which is taken at mu_F
    arguments = ["theory", "build", str(card), "--output", str(folder), "--jobs", "1", "--sets", *sets]
    assert main([*arguments, "--alphas", "0.119", "--scales", "3"]) == 0
    output = capsys.readouterr()
    assert "coefficient functions: 0 scales" in output.err
    names = [Path(line).name for line in output.out.split()]
    assert names == ["small", "small_as_0.1190", "small_muR2_muF2", "small_muR0.5_muF0.5"]
    pdf, predictions = load_pdf_set("NNPDFLITE_dis_nnlo"), {}
    for name in names:
        assert main(["theory", "check", str(folder.with_name(name))]) == 0
        table = read_fk_table(folder.with_name(name) / "fastkernel" / "SLAC_NC_EM_P_F2.pineappl.lz4")
        f = pdf.evolution_basis(table.x, 1.65)[:, table.channels[:, 0]]
        predictions[name] = np.einsum("ncx,xc->n", table.table, f)
    computed = predictions["small"] > 0
    middle = predictions["small"][computed]
    # a larger coupling: PDFs fall faster with the scale where x is large
    assert 1e-3 < np.max(1 - predictions["small_as_0.1190"][computed] / middle) < 0.02
    up, down = (predictions[f"small_{name}"][computed] / middle - 1 for name in ("muR2_muF2", "muR0.5_muF0.5"))
    assert 1e-3 < np.max(np.abs(up)) < 0.1 and 1e-3 < np.max(np.abs(down)) < 0.3


@needs_yadism
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_build_that_ends_early_goes_on_and_ends_the_same(built, card, tmp_path, how):
    """The tables of a build that was stopped, and started again, are those of one that was not, byte by byte."""
    folder = tmp_path / "stopped"
    command = [
        sys.executable, "-m", "nnpdf_lite", "theory", "build", card(PTO=1, FNS="ZM-VFNS"), "--output", str(folder),
        "--jobs", "2", "--sets", *SETS,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(folder.rglob("q2_*.npz"))) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, how)
    _, errors = process.communicate(timeout=120)
    if how == signal.SIGINT:
        assert process.returncode == 130 and "Traceback" not in errors
        assert not list(folder.rglob(".*npz*"))
    assert not (folder / "manifest.json").exists()
    kept = {piece: piece.stat().st_mtime_ns for piece in folder.rglob("q2_*.npz")}
    assert len(kept) >= 3
    assert main(command[3:]) == 0
    assert all(piece.stat().st_mtime_ns == before for piece, before in kept.items())
    one, other = (json.loads((each / "manifest.json").read_text()) for each in (folder, built[1]))
    assert one["hash"] == other["hash"]


@needs_yadism
def test_a_folder_of_another_card_is_left_alone(built, tmp_path, card, capsys):
    _, folder = built
    before = (folder / "manifest.json").read_bytes()
    assert main(["theory", "build", card(PTO=0, FNS="ZM-VFNS"), "--output", str(folder)]) == 2
    assert "holds the tables of another theory card (PTO differ)" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    assert main(["theory", "build", card(), "--output", str(tmp_path / "mine")]) == 2
    assert "not the output of an earlier build" in capsys.readouterr().err
    assert (folder / "manifest.json").read_bytes() == before


@needs_yadism
def test_a_damaged_table_is_named(built, tmp_path, capsys):
    import shutil

    _, folder = built
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    table = copy / "fastkernel" / "INTEGXT3.pineappl.lz4"
    table.write_bytes(table.read_bytes()[:-20])
    assert main(["theory", "check", str(copy)]) == 2
    assert "1 of 7 checks failed; INTEGXT3: not the file that was built" in capsys.readouterr().err
    table.unlink()
    assert main(["theory", "check", str(copy)]) == 2
    assert "INTEGXT3: missing" in capsys.readouterr().err
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"computed": 33', '"computed": 34'))
    assert main(["theory", "check", str(copy)]) == 2
    assert "manifest: its hash is not that of the card and the tables it lists" in capsys.readouterr().err
    manifest.unlink()
    assert main(["theory", "check", str(copy)]) == 2
    assert "manifest.json: missing; " in capsys.readouterr().err


def test_the_shipped_tables_are_those_of_their_manifest(capsys):
    assert main(["theory", "check", "nnlo", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 1 + 3 + 43 and all(row["ok"] for row in rows)
    assert CARD["ModEv"] == "EXA"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"FNS": "FONLL-X"}, "FNS = 'FONLL-X'; expected one of ZM-VFNS, FFNS, FONLL-A, FONLL-B, FONLL-C. Did you mean"),
        ({"PTO": 3}, r"PTO = 3 \(N3LO\) with FNS = FONLL-C; there are coefficient functions for PTO = 2 \(N3LO: FNS = ZM"),
        ({"PTO": 1}, r"PTO = 1 \(NLO\) with FNS = FONLL-C"),
        ({"Q0": 5.0}, "Q0 = 5.0 GeV is above the bottom threshold 4.92 GeV"),
        ({"Q0": 1.51}, "Q0 = 1.51 lies on a quark threshold"),
        ({"MW": None}, "MW = None; expected a positive number"),
        ({"CKM": [1, 0, 0]}, "expected its nine elements"),
        ({"TMC": 3}, "TMC = 3; expected 0"),
        ({"SIN2TW": 2.0}, "SIN2TW = 2.0; expected a number between 0 and 1"),
        ({"XIF": 0}, "XIF = 0; expected a positive number"),
        ({"MaxNfPdf": 4, "MaxNfAs": 4}, "MaxNfPdf = 4; FNS = FONLL-C needs 5 or 6"),
        ({"HQ": "MSBAR"}, "HQ = MSBAR; FNS = FONLL-C needs pole masses"),
        ({"DAMP": 1}, "DAMPPOWERc = None; with DAMP it must be a power"),
    ],
)
def test_a_card_with_which_nothing_can_be_built_is_named(change, expected):
    with pytest.raises(InputError, match=expected):
        BuildCard.read(CARD | change)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["build", "nlo"], "no theory 'nlo'"),
        (["build", "nnlo", "--sets", "BCDMS_NC_NOTFIXED_P_EM-F3"], "no dataset 'BCDMS_NC_NOTFIXED_P_EM-F3'. Did you mean"),
        (["build", "nnlo", "--alphas", "0.12:0.11:0.01"], "expected first:last:step"),
        (["build", "nnlo", "--alphas", "0.7"], "0.7 is no coupling at the Z mass"),
        (["build", "nnlo", "--scales", "8"], "--scales 8: expected one of 3, 5, 7, 9 points"),
        (["build", "nnlo", "--jobs", "0"], "expected a number of processes"),
        (["build", "nnlo", "--job", "2"], "there is no option '--job'. Did you mean '--jobs'?"),
        (["build", "nnlo", "--q2min", "0.5"], "ask for evolution from 0.712 to 224 GeV; it reaches from 0.8"),
        (["make"], "there is no command 'make'. Commands: build, check, compare, operator"),
        (["check", "nowhere"], "no theory 'nowhere'"),
        (["operator", "nnlo", "-1", "--output", "x.tar"], "'-1': expected a positive number"),
        (["operator", "nnlo", "fast", "--output", "x.tar"], "'fast': expected a positive number"),
    ],
)
def test_mistakes_are_named_without_a_traceback(arguments, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["theory", *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_dataset_that_is_not_deep_inelastic_scattering_has_no_prediction():
    pytest.importorskip("nnpdf_data", reason="nnpdf-data is not installed")
    with pytest.raises(InputError, match="deep-inelastic scattering only"):
        measurement("ATLAS_Z0_7TEV_46FB_CC-Y")


def test_every_shipped_dataset_can_be_predicted():
    shipped = {path.parent.name for path in (ROOT / "datasets").glob("*/metadata.yaml")}
    assert {name.rpartition("_")[0] for name in known_datasets()} == shipped


def test_variations_are_named_after_what_they_change():
    assert list(alphas_variations("0.116:0.120:0.001")) == [f"as_0.{n}0" for n in (116, 117, 118, 119, 120)]
    assert scale_variations("7")["muR2_muF1"] == {"XIR": 2.0, "XIF": 1.0} and len(scale_variations("7")) == 6


def test_without_yadism_the_extra_is_named(monkeypatch, tmp_path):
    from nnpdf_lite.theory_build import extra
    from nnpdf_lite.theory_build.build import Request, build
    from nnpdf_lite.theory_build.progress import Progress

    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs yadism, which is not installed: pip install '.\[theory\]' in a checkout"):
        build(Request(CARD, tmp_path / "out"), Progress())


@needs_yadism
def test_operators_are_read_by_eko_and_evolve_a_proton(tmp_path):
    """At 10 GeV, from the file as eko reads it, against evolution; both act on f."""
    pytest.importorskip("eko", reason="eko is not installed (pip install '.[theory]')")
    from eko.io.struct import EKO
    from toy_proton import field_xgrid, proton

    from nnpdf_lite.evolution import PARTON_PIDS, Evolution
    from nnpdf_lite.evolution.interpolation import XGrid
    from nnpdf_lite.flavours import EVOLUTION_TO_FLAVOUR, FLAVOUR_PIDS
    from nnpdf_lite.theory_build.eko_format import EKO_PIDS

    path = tmp_path / "evolution.tar"
    assert main(["theory", "operator", "nnlo", "10", "4.92", "100000", "--output", str(path)]) == 0
    with EKO.read(path) as eko:
        items = dict(eko.items())
        assert sorted(items) == [(4.92**2, 4), (4.92**2, 5), (100.0, 5), (1e10, 5)], "a threshold has both flavour numbers"
        item = items[100.0, 5]
        x, operator = eko.xgrid.raw, item.operator
    fine = field_xgrid()
    f = XGrid(fine).interpolate(x) @ (fine[:, None] * proton(fine)) / x[:, None] @ EVOLUTION_TO_FLAVOUR.T
    order = [FLAVOUR_PIDS.index(pid) for pid in EKO_PIDS]
    evolved = np.einsum("axby,yb->xa", operator, f[:, order]) * x[:, None]
    expected = Evolution(CARD).evolve(fine, proton(fine), [10.0], x)[0]
    ours = evolved[:, [EKO_PIDS.index(pid) for pid in PARTON_PIDS]]
    inside = x < 0.5
    size = np.max(np.abs(expected), axis=1, keepdims=True)
    assert np.max((np.abs(ours - expected) / size)[inside]) < 2e-5
    # nothing is overwritten
    assert main(["theory", "operator", "nnlo", "10", "--output", str(path)]) == 2
