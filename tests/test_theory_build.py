"""Structure functions and tables from first principles: physics that they must obey, and what others find."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from toy_proton import field_xgrid as fine_xgrid
from toy_proton import proton

pytest.importorskip("yadism", reason="yadism is not installed (pip install '.[theory]')")

import hoppet
from yadism.coefficient_functions import Combiner
from yadism.esf import conv
from yadism.esf.esf import EvaluatedStructureFunction
from yadism.observable_name import ObservableName

from nnpdf_lite.evolution import PARTON_PIDS, Evolution
from nnpdf_lite.evolution.interpolation import XGrid
from nnpdf_lite.evolution.operators import components
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS, EVOLUTION_TO_FLAVOUR
from nnpdf_lite.theory_build import schemes, structure_functions
from nnpdf_lite.theory_build.atlas import field_xgrid, tables
from nnpdf_lite.theory_build.card import BuildCard
from nnpdf_lite.theory_build.cross_sections import observable_maps
from nnpdf_lite.theory_build.join import Evolved
from nnpdf_lite.theory_build.observables import Observable, measurement
from nnpdf_lite.theory_build.probe import Probe
from nnpdf_lite.theory_build.structure_functions import StructureFunctions

ROOT = Path(__file__).parents[1]
CARD = yaml.safe_load((ROOT / "theory_grids" / "nnlo" / "theory.yaml").read_text())
GRID = XGrid(field_xgrid())
PHOTON, NEUTRAL = Probe("EM", "electron"), Probe("NC", "electron")


def functions(**changes):
    return StructureFunctions(BuildCard.read(CARD | changes), GRID)


def toy(x=GRID.x):
    """Return x f of the toy proton, (13, X)."""
    fine = fine_xgrid()
    f = XGrid(fine).interpolate(x) @ (fine[:, None] * proton(fine))
    return (f @ EVOLUTION_TO_FLAVOUR[:13].T).T


def values(maps, pdf):
    """Return a structure function order by order, (n, K), summed over flavour numbers."""
    return sum(np.einsum("nkpx,px->nk", each, pdf) for each in maps.values())


def test_at_leading_order_f2_is_the_sum_of_charges_squared():
    x = np.array([1e-4, 0.02, 0.3])
    f2 = values(functions(PTO=0, FNS="ZM-VFNS").maps(PHOTON, "F2_total", 30.0, x), toy())[:, 0]
    charges = [(4 if pid % 2 == 0 else 1) / 9 if abs(pid) < 6 and pid != 21 else 0.0 for pid in PARTON_PIDS]
    assert f2 == pytest.approx(charges @ toy(x), rel=1e-6)


def test_at_leading_order_massless_fl_vanishes():
    assert functions(PTO=0, FNS="ZM-VFNS").maps(PHOTON, "FL_total", 30.0, [0.01]) == {}


@pytest.mark.parametrize(("name", "index"), [("F2", hoppet.iF2EM), ("FL", None)])
def test_massless_structure_functions_are_those_of_hoppet(name, index):
    """Two codes, two quadratures, the same PDFs, at NNLO and 10 GeV: parametrised coefficients agree to 1e-3 of F2."""
    card = CARD | {"FNS": "ZM-VFNS"}
    x, q, fine = np.array([1e-4, 1e-3, 1e-2, 0.1, 0.3, 0.6]), 10.0, fine_xgrid()
    evolution = Evolution(card)
    xf = evolution.evolve(fine, proton(fine), [q], GRID.x)[0].T
    a = float(evolution.alphas(q)) / (4 * np.pi)
    ours = values(functions(FNS="ZM-VFNS").maps(PHOTON, f"{name}_total", q**2, x), xf) @ a ** np.arange(3)
    hoppet.StartStrFctExtended(3, 5, hoppet.scale_choice_Q, 0.0, True, 80.4, 91.2)
    hoppet.InitStrFct(3, 0, 1.0, 1.0)
    theirs = np.array([hoppet.StrFct(point, q, q, q) for point in x])
    f2, f1 = theirs[:, hoppet.iF2EM], theirs[:, hoppet.iF1EM]
    expected = f2 if index is not None else f2 - 2 * x * f1
    assert np.max(np.abs(ours - expected) / f2) < 1e-3


@pytest.mark.parametrize("probe", [NEUTRAL, Probe("CC", "neutrino")], ids=["NC", "CC"])
@pytest.mark.parametrize("name", ["F2_total", "FL_total", "F3_total"])
def test_massive_convolutions_are_those_of_yadism(probe, name, monkeypatch):
    """One point through yadism's adaptive integration, on a grid so fine that both interpolations are exact enough."""
    from eko.interpolation import InterpolatorDispatcher
    from eko.interpolation import XGrid as EkoGrid

    x, q2, fine = 0.02, 20.0, np.geomspace(1e-2, 1, 40)
    ours = StructureFunctions(BuildCard.read(CARD | {"PTO": 1, "FNS": "FONLL-A"}), XGrid(fine))
    term = next(term for term in schemes.terms(ours.card) if term.scheme == "FONLL-FFNS")
    monkeypatch.setattr(structure_functions, "active", lambda card, q2: [(term, 1.0)])
    rows = ours.maps(probe, name, q2, [x])[3][0]
    theirs = np.zeros((2, 13))
    basis = InterpolatorDispatcher(EkoGrid(fine), 4, mode_N=False)
    shape = fine**-0.2 * (1 - fine) ** 4
    point = EvaluatedStructureFunction({"x": x, "Q2": q2}, ObservableName(name), ours._configuration(probe, term))
    for kernel in Combiner(point).collect_elems():
        for order in range(2):
            rsl = kernel.coeff[order]()
            if rsl is not None and kernel.has_order(order):
                at = kernel.coeff.convolution_point()
                row, _ = conv.convolve_vector(rsl, basis, at)
                weights = np.array([kernel.partons.get(pid, 0.0) if abs(pid) < 5 or pid == 21 else 0.0 for pid in PARTON_PIDS])
                theirs[order] += weights * (at * row @ (shape / fine))
    size = np.max(np.abs(theirs), axis=1, keepdims=True)
    assert np.all(size > 0)
    assert np.max(np.abs(rows @ shape - theirs) / size) < 3e-4


def test_far_above_the_mass_charm_is_its_massless_limit():
    """FFNS with three flavours minus its limit falls like a power of m2/Q2, where HERA can see it (y = 0.3)."""
    calculation, difference = functions(), []
    for q2 in (30.0, 300.0, 3000.0):
        maps = calculation.maps(PHOTON, "F2_charm", q2, [q2 / 3e4])
        three = values({3: maps[3]}, toy())[0]
        total = values(maps, toy())[0]
        difference.append(np.abs(three / total[0]))
    first, second, third = difference
    assert np.all(second < 0.3 * first)
    assert np.all(third[:2] < 0.3 * second[:2])
    assert third[2] < 0.2 * first[2]  # two loops: LeProHQ's tables end the fall at 1e-3 of the coefficient


def test_below_bottom_five_flavours_contribute_nothing_to_photon_exchange():
    assert set(functions().maps(PHOTON, "F2_total", 10.0, [0.01])) == {3, 4}


def test_target_mass_matters_at_large_x_and_small_q2_alone():
    proton_f2 = Observable("F2", "total", PHOTON, 1, 1)
    ratio = {}
    with_mass, without = functions(PTO=0, FNS="ZM-VFNS"), functions(PTO=0, FNS="ZM-VFNS", TMC=0)
    for x, q2 in ((0.6, 5.0), (0.6, 500.0), (0.01, 5.0)):
        one, other = (values(observable_maps(each, proton_f2, q2, [x], [0.0]), toy())[0, 0] for each in (with_mass, without))
        ratio[x, q2] = one / other - 1
    assert ratio[0.6, 5.0] > 0.01 and abs(ratio[0.6, 500.0]) < 2e-3 and abs(ratio[0.01, 5.0]) < 1e-3


def test_target_mass_correction_is_the_integral_of_its_definition():
    """F2 of a target with mass, integrated with the massless F2 on a fine grid (arXiv:0709.1775, eq. 22)."""
    x, q2 = 0.5, 6.0
    calculation = functions(PTO=0, FNS="ZM-VFNS")
    mu = CARD["MP"] ** 2 / q2
    rho = np.sqrt(1 + 4 * x**2 * mu)
    xi = 2 * x / (1 + rho)
    points, weights = np.polynomial.legendre.leggauss(60)
    u = xi + (1 - xi) * (points + 1) / 2
    f2 = values(calculation.maps(PHOTON, "F2_total", q2, [xi, *u]), toy())[:, 0]
    integral = (1 - xi) / 2 * np.sum(weights * f2[1:] / u**2)
    expected = x**2 / (xi**2 * rho**3) * f2[0] + 6 * mu * x**3 / rho**4 * integral
    ours = observable_maps(calculation, Observable("F2", "total", PHOTON, 1, 1), q2, [x], [0.0])
    assert values(ours, toy())[0, 0] == pytest.approx(expected, rel=1e-5)


def test_a_deuteron_is_the_mean_of_proton_and_neutron():
    calculation = functions(PTO=1, FNS="FONLL-A")
    nuclei = [Observable("F2", "total", NEUTRAL, z, a) for z, a in ((1, 1), (0, 1), (1, 2))]
    one, other, mean = (
        values(observable_maps(calculation, nucleus, 20.0, [0.1], [0.0]), toy())[0] for nucleus in nuclei
    )
    assert mean == pytest.approx((one + other) / 2, rel=1e-12)
    assert abs(one[0] / other[0] - 1) > 0.1


def test_cross_sections_flip_the_sign_of_f3_with_the_lepton():
    calculation = functions(PTO=0, FNS="ZM-VFNS", TMC=0)
    x, y, q2 = [0.1], [0.6], 4000.0
    electron, positron = (
        values(observable_maps(calculation, Observable("XSHERANC", "total", Probe("NC", lepton), 1, 1), q2, x, y), toy())
        for lepton in ("electron", "positron")
    )
    f3 = values(calculation.maps(NEUTRAL, "F3_total", q2, x), toy())
    f2 = values(calculation.maps(NEUTRAL, "F2_total", q2, x), toy())
    ratio = (1 - 0.4**2) / (1 + 0.4**2)
    # Z exchange changes the couplings of F2 with the lepton's charge through the axial ones only, not at this order
    assert electron[0, 0] == pytest.approx(f2[0, 0] + ratio * f3[0, 0], rel=1e-9)
    assert electron[0, 0] > positron[0, 0]


def toy_at_q0():
    """Return x f of the toy proton as combinations."""
    fine = fine_xgrid()
    xf = XGrid(fine).interpolate(GRID.x) @ (fine[:, None] * proton(fine))
    return {name: xf[:, EVOLUTION_FLAVOURS.index(name)] for name in components(5)}


def predict(evolved, maps, q2):
    """Predict an observable from the toy proton at Q0."""
    return np.einsum("ncx,cx->n", evolved.rows(maps, q2), np.array([toy_at_q0()[name] for name in evolved.channels]))


@pytest.mark.slow
def test_scale_dependence_is_of_higher_order():
    """F2 at twice and half of both scales: the spread shrinks with each order, as it must if the logarithms are right."""
    q2, x, spread = 900.0, np.array([0.01, 0.3]), []
    for order in (0, 1, 2):
        card = BuildCard.read(CARD | {"PTO": order, "FNS": "FFNS", "NfFF": 5, "TMC": 0})
        maps = StructureFunctions(card, GRID).maps(PHOTON, "F2_total", q2, x)
        evolved = Evolved(card, GRID, [q2 / 4, 4 * q2])
        predictions = []
        for ren, fac in ((1, 1), (2, 2), (0.5, 0.5), (1, 2), (2, 1)):
            evolved.card = replace(card, ren_ratio=ren, fac_ratio=fac)
            predictions.append(predict(evolved, maps, q2))
        spread.append(np.max(np.abs(np.array(predictions[1:]) / predictions[0] - 1), axis=0))
    assert np.all(spread[1] < 0.5 * spread[0]) and np.all(spread[2] < 0.4 * spread[1])


@pytest.mark.parametrize(
    ("change", "order", "tolerance"),
    [
        ({"FNS": "ZM-VFNS", "PTO": 3}, 3, 0.05),
        ({"FNS": "FONLL-B", "PTO": 1}, 2, 0.1),
        ({"FNS": "FFNS", "NfFF": 3}, 2, 0.25),  # the coupling of three flavours, fixed at the Z, is larger at 7 GeV
    ],
)
def test_every_scheme_gives_f2_of_the_same_size(fonll, change, order, tolerance):
    """Massless N3LO, mixed orders and three flavours with massive charm, against FONLL-C at 50 GeV2."""
    card, q2, x = BuildCard.read(CARD | change), 50.0, np.array([0.01, 0.2])
    maps = StructureFunctions(card, GRID).maps(PHOTON, "F2_total", q2, x)
    assert predict(Evolved(card, GRID, [q2]), maps, q2) == pytest.approx(fonll, rel=tolerance)
    assert max(term.order for term in schemes.terms(card)) == order


@pytest.fixture(scope="module")
def fonll():
    """F2 of the toy proton at 50 GeV2 in FONLL-C."""
    maps = functions().maps(PHOTON, "F2_total", 50.0, np.array([0.01, 0.2]))
    return predict(Evolved(BuildCard.read(CARD), GRID, [50.0]), maps, 50.0)


def test_every_measured_point_of_the_shipped_sets_has_its_table():
    found = tables(["BCDMS_NC_NOTFIXED_P_EM-F2", "NMC_NC_NOTFIXED_EM-F2", "NMC_NC_NOTFIXED_P_EM-SIGMARED"], 3.49, 12.5)
    assert [table.name for table in found][:5] == [
        "BCDMS_NC_100GEV_EM_P_F2", "BCDMS_NC_120GEV_EM_P_F2", "BCDMS_NC_200GEV_EM_P_F2", "BCDMS_NC_280GEV_EM_P_F2",
        "NMC_NC_EM_D_F2",
    ]  # fmt: skip
    assert [int(table.wanted.sum()) for table in found] == [85, 93, 79, 76, 121, 121, 204]
    reduced = found[-1]
    assert reduced.x[0] == 0.0078 and reduced.y[0] == 0.635  # where NMC measured, not the centre of the bin
    assert measurement("NMC_NC_NOTFIXED_EM-F2").operands[0].nucleons == 2

