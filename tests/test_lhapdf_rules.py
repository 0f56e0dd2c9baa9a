"""The rules that LHAPDF's own consistency check imposes on a set, on a written fit and on the shipped set.

LHAPDF 6.5's ``lhapdf-validate``-style checks (arXiv:1412.7420, sections 3 and 4, and the manual's list of .info keys):
metadata complete and of the right type, one file per member, knots shared by all members and subgrids of flavour numbers
that join at thresholds, alpha_s tabulated with each threshold twice, and nothing that is not a number.
"""

import numpy as np
import pytest

from nnpdf_lite.flavours import FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION
from nnpdf_lite.pdf.lhapdf_format import read_member
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set

#: Keys of an .info file and their types.
KEYS = {
    "SetDesc": str, "SetIndex": int, "Authors": str, "Reference": str, "Format": str, "DataVersion": int, "NumMembers": int,
    "Particle": int, "Flavors": list, "OrderQCD": int, "FlavorScheme": str, "NumFlavors": int, "ErrorType": str,
    "XMin": float, "XMax": float, "QMin": float, "QMax": float, "MZ": float, "MUp": float, "MDown": float, "MStrange": float,
    "MCharm": float, "MBottom": float, "MTop": float, "AlphaS_MZ": float, "AlphaS_OrderQCD": int, "AlphaS_Type": str,
    "AlphaS_Qs": list, "AlphaS_Vals": list,
}  # fmt: skip


@pytest.fixture(scope="module", params=["fit", "shipped"])
def checked(request, written_tiny_fit):
    """A set and the subgrids of all its members."""
    pdf = load_pdf_set(written_tiny_fit if request.param == "fit" else "NNPDFLITE_dis_nnlo")
    return pdf, [read_member(pdf.path / f"{pdf.name}_{m:04d}.dat") for m in range(pdf.n_members)]


def test_the_info_file_has_every_key_with_a_value_of_its_type(checked):
    info = checked[0].info
    assert {key: type(info[key]) for key in KEYS} == KEYS
    assert (info["Format"], info["FlavorScheme"], info["AlphaS_Type"]) == ("lhagrid1", "variable", "ipol")
    assert info["MCharm"] < info["MBottom"] < info["MTop"] and info["ErrorType"] in ("replicas", "unknown")


def test_there_is_one_file_per_member_and_no_other(checked):
    pdf, _ = checked
    files = {file.name for file in pdf.path.iterdir()}
    assert files == {f"{pdf.name}.info"} | {f"{pdf.name}_{m:04d}.dat" for m in range(pdf.info["NumMembers"])}
    for member in range(pdf.n_members):
        head = (pdf.path / f"{pdf.name}_{member:04d}.dat").read_text()[:60].splitlines()
        assert head[:3] == [f"PdfType: {'central' if member == 0 else 'replica'}", "Format: lhagrid1", "---"]


def test_all_members_share_their_knots_and_flavours(checked):
    pdf, members = checked
    for grids in members:
        for grid, first in zip(grids, members[0], strict=True):
            assert np.array_equal(grid.x, first.x) and np.array_equal(grid.q, first.q)
            assert list(grid.flavours) == pdf.info["Flavors"]


def test_subgrids_begin_and_end_where_flavours_do(checked):
    pdf, members = checked
    info, grids = pdf.info, members[0]
    assert all((grid.x[0], grid.x[-1]) == (info["XMin"], info["XMax"]) == (1e-9, 1.0) for grid in grids)
    ends = [grids[0].q[0], *(grid.q[-1] for grid in grids)]
    thresholds = [m for m in (info["MCharm"], info["MBottom"], info["MTop"]) if info["QMin"] < m < info["QMax"]]
    assert ends == [info["QMin"], *thresholds[: info["NumFlavors"] - 4], info["QMax"]]
    for grid in grids:
        assert np.all(np.diff(grid.x) > 0) and np.all(np.diff(grid.q) > 0)
        assert np.all(grid.values[-1] == 0), "no parton carries the whole proton"


def test_alphas_is_tabulated_at_the_knots_with_thresholds_twice(checked):
    pdf, members = checked
    q, alphas = np.array(pdf.info["AlphaS_Qs"]), np.array(pdf.info["AlphaS_Vals"])
    assert len(q) == len(alphas) and np.array_equal(q, np.concatenate([grid.q for grid in members[0]]))
    assert np.all(np.diff(q) >= 0) and list(q[:-1][np.diff(q) == 0]) == [grid.q[-1] for grid in members[0][:-1]]
    for grid in members[0]:
        inside = (q >= grid.q[0]) & (q <= grid.q[-1])
        assert np.all(np.diff(alphas[inside][np.diff(q[inside], prepend=0) > 0]) < 0), "the coupling falls"
    # Cubic in ln Q2 between knots, as LHAPDF interpolates: at MZ it is the value the file states.
    near = np.argsort(np.abs(np.log(q / pdf.info["MZ"])))[:4]
    cubic = np.polyfit(np.log(q[near]), alphas[near], 3)
    assert np.polyval(cubic, np.log(pdf.info["MZ"])) == pytest.approx(pdf.info["AlphaS_MZ"], rel=1e-4)


def test_member_zero_is_the_mean(checked):
    pdf, members = checked
    if pdf.n_members == 1:
        pytest.skip("a central member alone")
    for n, grid in enumerate(members[0]):
        mean = np.mean([others[n].values for others in members[1:]], axis=0)
        # Seven digits are written; where replicas cancel, the digits of the largest remain.
        assert np.allclose(grid.values, mean, rtol=1e-6, atol=1e-6 * np.abs(mean).max())


def test_sums_of_flavours_are_those_of_the_proton(checked):
    _, members = checked
    for grids in members:
        for grid in grids:
            f = np.zeros((*grid.values.shape[:2], 14))
            f[..., [FLAVOUR_PIDS.index(pid) for pid in grid.flavours]] = grid.values
            evolution = f @ FLAVOUR_TO_EVOLUTION.T
            x, above = grid.x, grid.x >= 1e-7
            momentum = np.trapezoid((evolution[..., 1] + evolution[..., 2]) * x[:, None], np.log(x), axis=0)
            # The trapezoid on 196 nodes is good to a few thousandths; the exact rules are tested elsewhere.
            assert np.abs(momentum - 1).max() < 5e-3
            valence = np.trapezoid(evolution[..., 3][above], np.log(x[above]), axis=0)
            assert np.abs(valence - valence[0]).max() < 0.05, "no scale makes or destroys quarks"
