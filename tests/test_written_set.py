"""The set that a fit writes is what the fit holds: read by two readers, with sum rules, thresholds and coupling."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from toy_proton import CARD, field_xgrid, integral, proton

import nnpdf_lite
from nnpdf_lite.evolution import Evolution
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set
from nnpdf_lite.results.lhapdf_writer import write_lhapdf

PIDS = (-5, -4, -3, -2, -1, 21, 1, 2, 3, 4, 5)
X = field_xgrid()
#: Valence distributions as combinations of q - qbar, with their numbers.
VALENCE = {"V": ({1: 1, 2: 1, 3: 1, 4: 1, 5: 1}, 3), "V3": ({2: 1, 1: -1}, 1), "V8": ({1: 1, 2: 1, 3: -2}, 3)}


@pytest.fixture(scope="module")
def fit(tiny_fit, tmp_path_factory):
    """The tiny fit with its written set."""
    copy = shutil.copytree(tiny_fit, tmp_path_factory.mktemp("written") / "tiny", symlinks=True)
    done = nnpdf_lite.load_fit(copy)
    done.to_lhapdf()
    return done


@pytest.fixture(scope="module")
def toy_set(tmp_path_factory):
    """Protons whose valence vanishes at small x quickly, and so slowly that 1% of it lies below the grid."""
    members = np.array([proton(X, soft) for soft in (0.7, 0.33)])
    return load_pdf_set(write_lhapdf(tmp_path_factory.mktemp("written") / "toy", members, X, CARD))


@pytest.fixture(params=["fit", "toy"])
def written(request, fit, toy_set):
    return fit.lhapdf_set if request.param == "fit" else toy_set


def random_points(n=1000):
    rng = np.random.default_rng(7)
    return np.exp(rng.uniform(np.log(1e-5), np.log(0.9), n)), np.exp(rng.uniform(np.log(1.66), np.log(9e4), n))


def subgrids(path):
    """Return (x, Q, flavours, values (X, Q, flavours)) of each subgrid of a member file."""
    grids = []
    for block in path.read_text().split("---\n")[1:-1]:
        x, q, flavours = (line.split() for line in block.split("\n")[:3])
        values = np.array(block.split("\n", 3)[3].split(), float).reshape(len(x), len(q), len(flavours))
        grids.append((np.array(x, float), np.array(q, float), [int(pid) for pid in flavours], values))
    return grids


def difference(one, other):
    """Return the relative difference, with a floor where ``x f`` goes through zero."""
    return np.abs(one - other) / (np.abs(other) + 1e-2)


# Readers


def test_a_fit_named_from_its_own_folder_is_read(fit, monkeypatch):
    """By a relative path, as on the command line."""
    monkeypatch.chdir(fit.folder.path.parent)
    assert load_pdf_set("tiny").xfxq(PIDS, X[50:60], 10.0, 1) == pytest.approx(fit.lhapdf_set.xfxq(PIDS, X[50:60], 10.0, 1))


def test_neopdf_and_parton_agree_with_fit_pdf_at_1000_points(fit):
    parton = pytest.importorskip("parton")
    neopdf = pytest.importorskip("neopdf.pdf").PDF
    x, q = random_points()
    path, pids = fit.lhapdf_set.path, (21, 2, 1, -1, -2, 3, 4)
    # fit.pdf is a product of points: each random one is asked for along a diagonal, in portions.
    ours = np.concatenate(
        [fit.pdf(a, b, pids).diagonal(axis1=2, axis2=3) for a, b in zip(np.split(x, 50), np.split(q, 50))], axis=2
    )
    assert ours.shape == (4, len(pids), 1000)
    for member in (0, 2):
        file = path / f"{path.name}_{member:04d}.dat"
        itself = neopdf.mkPDF_lhapdf_file(str(file))
        other = parton.PDF(path.name, member, pdfdir=str(path.parent))
        for pid, values in zip(pids, ours[member]):
            same = np.array([itself.xfxQ2(pid, a, b**2) for a, b in zip(x, q)])
            assert np.max(difference(same, values)) < 1e-9
            theirs = difference(other.xfxQ(np.full(len(x), pid), x, q, grid=False), values)
            # Two interpolations of one grid: they differ most next to Q0, where derivatives are one-sided.
            assert np.max(theirs) < 1e-2 and np.quantile(theirs, 0.99) < 5e-4


def test_fit_pdf_is_the_evolved_ensemble(fit):
    x, q = (points[:60] for points in random_points())
    order = np.argsort(x)
    direct = Evolution(CARD).evolve(fit.ensemble.x, fit.ensemble.f[1], np.sort(q), x[order])[:, :, 6]  # gluon
    read = fit.pdf(x[order], np.sort(q), (21,))[2, 0].T
    assert np.max(difference(read, direct)) < 1e-2 and np.quantile(difference(read, direct), 0.95) < 1e-4


def test_at_q0_the_set_is_the_mean_and_the_replicas(fit):
    used = X < 0.8
    for member, f in enumerate([fit.ensemble.mean[0], *fit.ensemble.f]):
        read = fit.lhapdf_set.evolution_basis(X, 1.65, member)
        assert np.all(np.abs(read - f)[used] < 2e-5 * np.max(np.abs(f), axis=1, keepdims=True)[used])


# Sum rules


def valence(pdf_set, member, q, combination):
    """Return x V (X,) of a combination of q - qbar."""
    xf = dict(zip(PIDS, pdf_set.xfxq(PIDS, X, q, member)[:, :, 0]))
    return sum(weight * (xf[pid] - xf[-pid]) for pid, weight in combination.items())


def below_grid(xv):
    """Integrate from 0 to 1e-9 the power law that ``x v`` follows at its four lowest knots; 0 where it follows none."""
    low = xv[:4]
    if not (np.all(low > 0) or np.all(low < 0)):
        return 0.0
    power, _ = np.polyfit(np.log(X[:4]), np.log(np.abs(low)), 1)
    return low[0] / power if 0.1 < power < 2 else 0.0


def test_the_momentum_of_every_member_is_one(written):
    for member in range(written.n_members):
        for q in (10.0, 100.0):
            assert integral(X, written.xfxq(PIDS, X, q, member)[:, :, 0].sum(axis=0)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", VALENCE)
def test_the_valence_numbers_of_every_member_are_right_where_they_are_imposed(written, name):
    combination, number = VALENCE[name]
    for member in range(written.n_members):
        assert integral(X, valence(written, member, 1.65, combination) / X) == pytest.approx(number, rel=1e-3)


def test_v3_of_every_member_stays_right(written):
    for member in range(written.n_members):
        for q in (10.0, 100.0):
            assert integral(X, valence(written, member, q, VALENCE["V3"][0]) / X) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["V", "V8"])
def test_valence_that_leaves_the_grid_is_found_below_it(written, name):
    """Evolution moves quarks to smaller x, and some below 1e-9, where no grid is.

    The number that it conserves is the whole: what has left [1e-9, 1] is what has been added below, so with the
    integral of the change below the grid, from its power law at the lowest knots, the rule holds to 1e-3.
    """
    combination, number = VALENCE[name]
    for member in range(written.n_members):
        at_q0 = valence(written, member, 1.65, combination)
        for q in (10.0, 100.0):
            change = valence(written, member, q, combination) - at_q0
            inside, below = integral(X, change / X), below_grid(change)
            total = integral(X, at_q0 / X) + inside + below
            assert total == pytest.approx(number, rel=1e-3)
            if abs(inside) > 1e-3:  # enough to compare: the tail is the loss, not a fudge
                assert below == pytest.approx(-inside, rel=0.15)


def test_valence_that_is_not_soft_stays_in_the_grid(toy_set):
    assert integral(X, valence(toy_set, 1, 100.0, VALENCE["V"][0]) / X) == pytest.approx(3, abs=1e-3)
    lost = 3 - integral(X, valence(toy_set, 2, 100.0, VALENCE["V"][0]) / X)
    assert 1e-3 < lost < 0.1


# The format


def test_names_members_and_flavours(fit):
    path, info = fit.lhapdf_set.path, fit.lhapdf_set.info
    assert sorted(file.name for file in path.iterdir()) == ["tiny.info", *(f"tiny_{i:04d}.dat" for i in range(4))]
    assert (info["NumMembers"], info["ErrorType"], info["Format"]) == (4, "replicas", "lhagrid1")
    assert tuple(info["Flavors"]) == fit.lhapdf_set.flavors == PIDS
    assert info["SetDesc"] == "three small datasets"
    kinds = [(path / f"tiny_{i:04d}.dat").read_text().split("\n", 1)[0] for i in range(4)]
    assert kinds == ["PdfType: central", *["PdfType: replica"] * 3]


def test_member_zero_is_the_mean_of_the_members(fit):
    path = Path(fit.lhapdf_set.path)
    members = [subgrids(path / f"tiny_{i:04d}.dat") for i in range(4)]
    for central, *others in zip(*members):
        values = np.array([other[3] for other in others])
        assert np.allclose(central[3], values.mean(axis=0), rtol=1e-6, atol=3e-7 * np.max(np.abs(values)))


def test_knots_cover_x_and_q_with_subgrids_that_join_at_the_bottom_threshold(fit):
    info = fit.lhapdf_set.info
    grids = subgrids(fit.lhapdf_set.path / "tiny_0001.dat")
    assert [(q[0], q[-1]) for _, q, _, _ in grids] == [(1.65, 4.92), (4.92, 1e5)]
    for x, q, flavours, _ in grids:
        assert (x[0], x[-1]) == (info["XMin"], info["XMax"]) == (1e-9, 1.0)
        assert np.all(np.diff(x) > 0) and np.all(np.diff(q) > 0) and tuple(flavours) == PIDS
    below, above = grids[0][3], grids[1][3]
    assert np.all(below[:, :, [0, -1]] == 0)
    assert np.any(above[:, 0, [0, -1]] != 0)
    assert (info["QMin"], info["QMax"]) == (1.65, 1e5)
    assert all(np.all(values[-1] == 0) for *_, values in grids)  # x = 1


def test_the_alphas_table_is_that_of_the_evolution(fit):
    info = fit.lhapdf_set.info
    q, values = np.array(info["AlphaS_Qs"]), np.array(info["AlphaS_Vals"])
    knots = np.concatenate([q for _, q, _, _ in subgrids(fit.lhapdf_set.path / "tiny_0000.dat")])
    assert np.array_equal(q, knots)
    assert q[np.flatnonzero(np.diff(q) == 0)].tolist() == [4.92]
    single = q != 4.92
    assert np.allclose(values[single], Evolution(CARD).alphas(q[single]), rtol=1e-9)
    before, after = values[~single]
    assert after > before
    assert (info["AlphaS_OrderQCD"], info["AlphaS_MZ"]) == (2, pytest.approx(0.118, abs=1e-4))
