"""DGLAP evolution: conservation laws, thresholds, accuracy, agreement with NNPDF4.0's own grid."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_proton import CARD, field_xgrid, integral, proton

from nnpdf_lite.errors import InputError
from nnpdf_lite.evolution import PARTON_PIDS, Evolution
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS, FLAVOUR_TO_EVOLUTION
from nnpdf_lite.pdf.lhapdf_set import load_pdf_set

SHARED = Path(__file__).parents[2] / "shared"
NNPDF40 = SHARED / "pdfs" / "NNPDF40_nnlo_as_01180"


def column(xf, pid):
    return xf[..., PARTON_PIDS.index(pid)]


@pytest.fixture(scope="module")
def evolution():
    return Evolution(CARD)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_momentum_and_valence_numbers_are_conserved(order):
    x = field_xgrid()
    for xf in Evolution(CARD | {"PTO": order}).evolve(x, proton(x), [1.65, 10, 100, 1e4]):
        assert integral(x, xf.sum(axis=-1)) == pytest.approx(1, abs=1e-4)
        assert integral(x, (column(xf, 2) - column(xf, -2)) / x) == pytest.approx(2, abs=1e-3)
        assert integral(x, (column(xf, 1) - column(xf, -1)) / x) == pytest.approx(1, abs=1e-3)
        assert integral(x, (column(xf, 3) - column(xf, -3)) / x) == pytest.approx(0, abs=1e-3)


def test_at_q0_the_input_comes_back(evolution):
    x = field_xgrid()
    xf = evolution.evolve(x, proton(x), [1.65])[0]
    expected = x[:, None] * (proton(x) @ np.linalg.inv(FLAVOUR_TO_EVOLUTION).T)[:, :13]
    used = x < 0.9
    assert np.allclose(xf[used], expected[used], rtol=1e-5, atol=1e-7)


def test_input_is_interpolated_to_1e_5_between_its_points(evolution):
    x, y = field_xgrid(), np.concatenate([np.geomspace(1.1e-9, 0.1, 97), np.linspace(0.11, 0.89, 41)])

    def shape(x):
        return x**-0.2 * (1 - x) ** 3 * (1 + 0.3 * np.sin(np.log(x)) + 0.2 * np.tanh(5 * (x - 0.2)))

    f = np.zeros((len(x), 14))
    f[:, EVOLUTION_FLAVOURS.index("g")] = shape(x) / x
    gluon = column(evolution.evolve(x, f, [1.65], y)[0], 21)
    assert np.max(np.abs(gluon / shape(y) - 1)) < 1e-5


def test_grid_spacings_are_accurate_to_3e_5(evolution):
    x = field_xgrid()
    y = np.concatenate([np.geomspace(1e-9, 0.1, 40), np.linspace(0.15, 0.85, 15)])
    q = [2.0, 4.9, 5.0, 10, 100, 1e5]
    coarse = evolution.evolve(x, proton(x), q, y)
    fine = Evolution(CARD, refinement=2).evolve(x, proton(x), q, y)
    assert np.max(np.abs(coarse - fine) / (np.abs(fine) + 1e-3 * column(fine, 21)[..., None])) < 3e-5


def test_evolution_is_linear(evolution):
    x = field_xgrid()
    one, two = proton(x), proton(x, soft=0.8)
    separate = [evolution.evolve(x, f, [10.0], x[::20]) for f in (one, two)]
    together = evolution.evolve(x, 0.3 * one + 0.7 * two, [10.0], x[::20])
    assert np.allclose(together, 0.3 * separate[0] + 0.7 * separate[1], rtol=1e-10, atol=1e-12)


def test_bottom_starts_at_its_threshold_and_top_never_with_five_flavours(evolution):
    x = field_xgrid()
    below, above = evolution.subgrids()
    assert below[-1] == above[0] == CARD["mb"]
    scales = [evolution.inside(below)[-1], evolution.inside(above)[0], 10.0, 1e4]
    bottom = column(evolution.evolve(x, proton(x), scales, np.array([1e-3, 0.1])), 5)
    assert np.all(bottom[0] == 0)
    assert np.all(bottom[1] != 0)  # the O(alpha_s^2) matching
    assert np.all(bottom[2] > np.abs(bottom[1]))
    assert np.all(column(evolution.evolve(x, proton(x), [1e5]), 6) == 0)


def test_with_six_flavours_top_appears():
    evolution, x = Evolution(CARD | {"MaxNfPdf": 6, "MaxNfAs": 6}), field_xgrid()
    assert [q[-1] for q in evolution.subgrids()] == [4.92, 172.5, 1e5]
    assert np.all(column(evolution.evolve(x, proton(x), [1e4], np.array([1e-3, 0.1])), 6) > 0)


def test_alphas_runs_through_its_reference_and_jumps_at_bottom(evolution):
    assert evolution.alphas(91.2) == pytest.approx(0.118, abs=1e-9)
    values = evolution.alphas(np.array([1.65, 4.92 * (1 - 1e-9), 4.92 * (1 + 1e-9), 10.0]))
    assert values.shape == (4,)
    # three loops with O(alpha_s^3) matching at the pole mass: a step of 7/24 (alpha_s/pi)^2
    assert values[2] / values[1] - 1 == pytest.approx(7 / 24 * (values[1] / np.pi) ** 2, rel=0.05)
    assert values[0] > values[1] > values[3]


def test_two_configurations_may_alternate(evolution):
    x, nlo = field_xgrid(), Evolution(CARD | {"PTO": 1})
    first = [each.evolve(x, proton(x), [10.0], x[::40]) for each in (evolution, nlo)]
    second = [each.evolve(x, proton(x), [10.0], x[::40]) for each in (evolution, nlo)]
    assert np.array_equal(first, second)
    assert not np.allclose(*first, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"PTO": 5}, "PTO = 5; expected one of 0, 1, 2, 3"),
        ({"alphas": "big"}, "alphas = 'big'; expected a positive number"),
        ({"mb": None}, "mb = None"),
        ({"MaxNfAs": 4}, "MaxNfAs = 4 differs"),
        ({"QED": 1}, "QED = 1"),
        ({"kbThr": 2.0}, "kbThr = 2.0"),
        ({"Q0": 1.51}, "lies on a quark threshold"),
        ({"mc": 5.0}, "mc < mb < mt"),
        ({"HQ": "MSBAR", "Qmb": 2.0}, "Qmb = 2.0"),
    ],
)
def test_a_card_that_cannot_be_evolved_is_named(change, expected):
    with pytest.raises(InputError, match=expected):
        Evolution(CARD | change)


def test_heavy_quarks_and_numbers_that_are_not_finite_are_refused(evolution):
    x = field_xgrid()
    bottom, nan = proton(x), proton(x)
    bottom[:, EVOLUTION_FLAVOURS.index("T24")] *= 0.9
    nan[7, 1] = np.nan
    with pytest.raises(InputError, match=r"parton -?5 is not zero at Q0 = 1.65 GeV, where 4 flavours"):
        evolution.evolve(x, bottom, [10.0])
    with pytest.raises(InputError, match="not a finite number"):
        evolution.evolve(x, nan, [10.0])


@pytest.mark.skipif(not NNPDF40.is_dir(), reason="NNPDF4.0's grid is not here")
def test_nnpdf40_evolved_from_q0_agrees_with_its_own_grid(evolution):
    """Exact and truncated solutions differ by 1% for x > 1e-3 at 10 GeV, quarks by half of that."""
    card = yaml.safe_load((SHARED / "theory" / "theory.yaml").read_text())
    nnpdf, x = load_pdf_set(NNPDF40), field_xgrid()
    y = x[(x > 1e-3) & (x < 0.7)]
    ours = Evolution(card).evolve(x, nnpdf.evolution_basis(x, 1.65), [10.0], y)[0]
    theirs = nnpdf.xfxq(PARTON_PIDS, y, 10.0)[:, :, 0].T
    for pid, tolerance in ((21, 0.012), (1, 0.005), (2, 0.005), (-1, 0.005), (-2, 0.005), (3, 0.005), (4, 0.005)):
        assert np.max(np.abs(column(ours, pid) / column(theirs, pid) - 1)) < tolerance, pid
    for q in (10.0, 100.0):
        assert integral(x, evolution.evolve(x, nnpdf.evolution_basis(x, 1.65), [q])[0].sum(-1)) == pytest.approx(
            1, abs=1e-4
        )


def test_three_loop_matching_prints_nothing(capfd):
    """Results go to standard output, and HOPPET's N3LO announces itself there."""
    Evolution(CARD | {"PTO": 3}).alphas(10.0)
    output = capfd.readouterr()
    assert output.out == output.err == ""
