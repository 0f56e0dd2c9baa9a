"""Writing and reading PDF sets in LHAPDF format."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_proton import CARD, field_xgrid, integral, proton

from nnpdf_lite.errors import InputError
from nnpdf_lite.evolution import PARTON_PIDS, Evolution
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS, EVOLUTION_TO_FLAVOUR
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set, split_member
from nnpdf_lite.results.lhapdf_writer import write_lhapdf

SHARED = Path(__file__).parents[2] / "shared"
NNPDF40 = SHARED / "pdfs" / "NNPDF40_nnlo_as_01180"
PIDS = [-5, -4, -3, -2, -1, 21, 1, 2, 3, 4, 5]
X = field_xgrid()
SOFTNESS = (0.55, 0.7, 0.9)


def members():
    return np.array([proton(X, soft) for soft in SOFTNESS])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("sets") / "toy_proton"
    return write_lhapdf(path, members(), X, CARD, description="A toy: not data", authors="A. Nobody", set_index=7)


@pytest.fixture(scope="module")
def toy(folder):
    return load_pdf_set(folder)


def random_points(n=1000):
    rng = np.random.default_rng(20)
    return np.exp(rng.uniform(np.log(1e-5), np.log(0.9), n)), np.exp(rng.uniform(np.log(1.66), np.log(9e4), n))


@pytest.mark.parametrize("q", [10.0, 100.0])
@pytest.mark.parametrize("member", range(len(SOFTNESS) + 1))
def test_sum_rules_of_every_member_hold_on_the_written_grid(toy, member, q):
    xf = dict(zip(PIDS, toy.xfxq(PIDS, X, q, member)[:, :, 0]))
    assert integral(X, sum(xf.values())) == pytest.approx(1, abs=1e-3)
    assert integral(X, (xf[2] - xf[-2]) / X) == pytest.approx(2, rel=1e-3)
    assert integral(X, (xf[1] - xf[-1]) / X) == pytest.approx(1, rel=1e-3)
    assert integral(X, (xf[3] - xf[-3]) / X) == pytest.approx(0, abs=1e-3)


def test_member_zero_is_the_mean_of_the_others(toy):
    q = np.array([1.65, 5.0, 100.0])
    others = [toy.xfxq(PIDS, X, q, member) for member in range(1, toy.n_members)]
    assert toy.n_members == len(SOFTNESS) + 1
    mean = np.mean(others, axis=0)
    assert np.all(np.abs(toy.xfxq(PIDS, X, q, 0) - mean) < 3e-7 * np.max(np.abs(others), axis=0) + 1e-12)


def test_at_q0_a_member_is_what_was_written(toy):
    read, written = toy.evolution_basis(X, 1.65, 2), members()[1]
    # The eight digits of the file are those of quarks, whose differences hold fewer.
    assert np.all(np.abs(read - written)[X < 0.9] < 1e-5 * np.max(np.abs(written), axis=1, keepdims=True)[X < 0.9])


def test_between_knots_the_set_is_the_evolution(toy):
    x, q = random_points(40)
    direct = Evolution(CARD).evolve(X, members()[0], np.sort(q), np.sort(x)).transpose(2, 1, 0)[1:12]
    read = toy.xfxq(PARTON_PIDS[1:12], np.sort(x), np.sort(q), 1)
    assert np.max(np.abs(read - direct) / (np.abs(direct) + 1e-2 * np.abs(direct[5]))) < 1e-3


def test_another_authors_reader_agrees_at_1000_points(toy, folder):
    parton = pytest.importorskip("parton")
    x, q = random_points()
    for member in (0, 3):
        other = parton.PDF(folder.name, member, pdfdir=str(folder.parent))
        for pid in (21, 2, -1, 4, 5):
            ours = np.array([toy.xfxq([pid], [a], [b], member)[0, 0, 0] for a, b in zip(x, q)])
            theirs = other.xfxQ(np.full(len(x), pid), x, q, grid=False)
            assert np.max(np.abs(ours - theirs) / (np.abs(theirs) + 1e-2)) < 1e-3


def test_neopdf_reads_the_set_and_its_info_by_itself(folder):
    pdf = pytest.importorskip("neopdf.pdf").PDF.mkPDF_lhapdf_file(str(folder / "toy_proton_0002.dat"))
    ours = load_pdf_set(folder).xfxq([21], [0.1], 10.0, 2)[0, 0, 0]
    assert pdf.xfxQ2(21, 0.1, 100.0) == pytest.approx(ours, rel=1e-9)
    assert pdf.alphasQ(91.2) == pytest.approx(0.118, rel=1e-4)
    assert pdf.alphasQ(4.0) == pytest.approx(float(Evolution(CARD).alphas(4.0)), rel=1e-3)


def test_grids_end_at_the_bottom_threshold_on_both_sides(folder):
    blocks = (folder / "toy_proton_0001.dat").read_text().split("---\n")[1:-1]
    x, q, flavours = zip(*([line.split() for line in block.split("\n")[:3]] for block in blocks))
    assert [float(knots[0]) for knots in q] == [1.65, 4.92]
    assert [float(knots[-1]) for knots in q] == [4.92, 1e5]
    assert all(np.array_equal(np.array(knots, dtype=float), X) for knots in x)
    assert all([int(pid) for pid in pids] == PIDS for pids in flavours)
    values = [np.array(block.split("\n", 3)[3].split(), float).reshape(len(X), -1, len(PIDS)) for block in blocks]
    assert np.all(values[0][:, :, [0, -1]] == 0)  # no bottom below
    assert np.all(values[1][100:190, 0, -1] != 0)  # O(alpha_s^2) matching above
    assert np.allclose(values[0][:, -1, 5], values[1][:, 0, 5], rtol=0.05, atol=1e-6)


def test_info_describes_the_set_and_its_coupling(toy):
    info = toy.info
    assert (info["SetDesc"], info["NumMembers"], info["ErrorType"]) == ("A toy: not data", 4, "replicas")
    assert (info["OrderQCD"], info["NumFlavors"], info["MBottom"], info["SetIndex"]) == (2, 5, 4.92, 7)
    scales, values = np.array(info["AlphaS_Qs"]), np.array(info["AlphaS_Vals"])
    double = np.flatnonzero(np.diff(scales) == 0)
    assert scales[double] == [4.92]
    assert values[double + 1] > values[double]
    single = scales != 4.92
    assert np.allclose(values[single], Evolution(CARD).alphas(scales[single]), rtol=1e-10)
    assert info["AlphaS_MZ"] == pytest.approx(0.118, abs=1e-5)


def test_a_central_set_has_one_member(tmp_path):
    folder = write_lhapdf(tmp_path / "central", members(), X, CARD, central_only=True)
    assert sorted(file.name for file in folder.iterdir()) == ["central.info", "central_0000.dat"]
    assert load_pdf_set(folder).info["NumMembers"] == 1


def test_an_existing_folder_is_replaced_only_when_asked_and_only_when_it_is_a_set(tmp_path):
    folder = write_lhapdf(tmp_path / "set", members()[:1], X, CARD)
    with pytest.raises(InputError, match="exists already"):
        write_lhapdf(folder, members(), X, CARD)
    write_lhapdf(folder, members()[:2], X, CARD, overwrite=True)
    assert load_pdf_set(folder).n_members == 3
    precious = tmp_path / "thesis"
    precious.mkdir()
    with pytest.raises(InputError, match="not an LHAPDF set"):
        write_lhapdf(precious, members(), X, CARD, overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["set", "thesis"]


def test_a_member_that_is_not_finite_is_named_and_nothing_is_left_behind(tmp_path):
    broken = members()
    broken[1, 50, 2] = np.inf
    with pytest.raises(InputError, match="member 2 of the PDF set broken: .*not a finite number"):
        write_lhapdf(tmp_path / "broken", broken, X, CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write the PDF set"):
        write_lhapdf(tmp_path / "file" / "set", members()[:1], X, CARD)


def test_sets_are_found_by_name_and_a_typo_gets_a_suggestion(folder, monkeypatch):
    monkeypatch.setenv("LHAPDF_DATA_PATH", f"/nowhere:{folder.parent}")
    assert load_pdf_set("toy_proton", members=[0, 2]).path == folder
    with pytest.raises(InputError, match="PDF set 'toy_protn' not found.*Did you mean 'toy_proton'"):
        load_pdf_set("toy_protn")
    with pytest.raises(InputError, match="is not a PDF set in LHAPDF format"):
        load_pdf_set(folder.parent)
    with pytest.raises(InputError, match=r"has no member 9 \(0 to 3 exist\)"):
        load_pdf_set("toy_proton", members=[9])


def test_points_outside_the_grid(toy):
    with pytest.raises(InputError, match="covers 1.65 < Q < 100000 GeV, not Q = 1 GeV"):
        toy.xfxq([21], [0.1], 1.0)
    edge = toy.xfxq([21], [1e-9, 1e-9 * (1 - 1e-12), 1e-10], [1.65 * (1 - 1e-12), 1e5 * (1 + 1e-12)])
    assert np.all(edge[0, 0] != 0)
    assert np.array_equal(edge[0, 0], edge[0, 1])
    assert np.array_equal(edge[0, 0], edge[0, 2])
    assert np.all(toy.xfxq([6, 22], [0.1], 10.0) == 0)


def test_the_evolution_basis_is_the_flavours_rotated(toy):
    x = np.array([1e-4, 0.1, 0.5])
    evolution = toy.evolution_basis(x, 10.0)
    assert evolution.shape == (3, 14)
    assert np.allclose(evolution[:, EVOLUTION_FLAVOURS.index("T35")], evolution[:, EVOLUTION_FLAVOURS.index("Sigma")])
    flavours = x[:, None] * (evolution @ EVOLUTION_TO_FLAVOUR.T)[:, :13]
    assert np.allclose(flavours, toy.xfxq(PARTON_PIDS, x, 10.0)[:, :, 0].T, rtol=1e-12, atol=1e-12)


def _without_rows(text):
    return "".join(text.splitlines(keepends=True)[:500])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda text: "", "not a complete LHAPDF grid"),
        (lambda text: "hello\n", "not a complete LHAPDF grid"),
        (lambda text: text[: len(text) // 2], "not a complete LHAPDF grid"),
        (lambda text: _without_rows(text) + "---\n", "is the file cut short"),
        (lambda text: re.sub(r"E\+00 ", "E+OO ", text, count=1), "table of numbers"),
        (lambda text: text.replace("0.0000000E+00", "nan", 1), "not finite"),
        (lambda text: text.replace("1e-09", "1.0", 1), "ascending positive x"),
        (lambda text: text.replace("-5 -4 -3", "-5 -4", 1), "are expected"),
        (lambda text: text.replace("-5 -4 -3", "up down up", 1), "lines of x, Q and flavours"),
    ],
)
def test_a_damaged_file_is_one_clear_error(folder, tmp_path, damage, expected):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "broken.info").write_text((folder / "toy_proton.info").read_text())
    (broken / "broken_0000.dat").write_text(damage((folder / "toy_proton_0000.dat").read_text()))
    with pytest.raises(InputError, match=f"broken_0000.dat.*{expected}"):
        load_pdf_set(broken)


@pytest.mark.parametrize("text", ["SetDesc: [", "just words", ""])
def test_a_damaged_info_file_is_one_clear_error(tmp_path, text):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "bad.info").write_text(text)
    with pytest.raises(InputError, match="bad.info"):
        load_pdf_set(folder)


def test_a_set_without_members_is_an_input_error(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "empty.info").write_text(yaml.safe_dump({"SetDesc": "x"}))
    with pytest.raises(InputError, match="has no member 0"):
        load_pdf_set(tmp_path / "empty")


def test_member_numbers_in_names(tmp_path):
    (tmp_path / "sets" / "2020").mkdir(parents=True)
    assert split_member("NNPDF40/3") == ("NNPDF40", 3)
    assert split_member("NNPDF40") == ("NNPDF40", None)
    assert split_member("a/path/NNPDF40/12") == ("a/path/NNPDF40", 12)
    assert split_member(str(tmp_path / "sets" / "2020")) == (str(tmp_path / "sets" / "2020"), None)


@pytest.mark.skipif(not NNPDF40.is_dir(), reason="NNPDF4.0's grid is not here")
def test_nnpdf40_is_read_to_the_digits_of_the_reference():
    reference = np.genfromtxt(SHARED / "theory" / "reference" / "nnpdf40_q0.csv", delimiter=",", names=True)
    x = reference["x"]
    f = load_pdf_set(NNPDF40).evolution_basis(x, 1.65)
    for name in reference.dtype.names[1:]:
        error = x * np.abs(f[:, EVOLUTION_FLAVOURS.index(name)] - reference[name])
        assert np.all(error < 1e-4 * x * np.abs(reference[name]) + 1e-6 * (1 + x * reference["Sigma"])), name
