"""Evolution operators: what they conserve, what they agree with, and how flavour numbers connect."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_proton import CARD, field_xgrid, proton

from nnpdf_lite.errors import InputError
from nnpdf_lite.evolution import PARTON_PIDS, Evolution, EvolutionSettings
from nnpdf_lite.evolution.interpolation import XGrid
from nnpdf_lite.evolution.matching import heavy_to_gluon, heavy_to_heavy
from nnpdf_lite.evolution.operators import Operator, components, evolution_patches, splitting_operators
from nnpdf_lite.flavours import EVOLUTION_FLAVOURS
from nnpdf_lite.theory_build.atlas import field_xgrid as table_xgrid
from nnpdf_lite.theory_build.card import BuildCard
from nnpdf_lite.theory_build.checks import evolution_checks

GRID = XGrid(table_xgrid())
SETTINGS = EvolutionSettings.from_theory_card(CARD)


@pytest.fixture(scope="module")
def patches():
    """PDFs of three, four and five flavours from the four of Q0."""
    return evolution_patches(SETTINGS, GRID, {3: (1.6, 100.0), 4: (1.65, 100.0), 5: (4.92, 100.0)})


def at_q0(x):
    """Return x f of the toy proton as combinations; it is normalised on the field's grid, and read off there."""
    fine = field_xgrid()
    xf = XGrid(fine).interpolate(x) @ (fine[:, None] * proton(fine))
    return {name: xf[:, EVOLUTION_FLAVOURS.index(name)] for name in components(4)}


def applied(operator, values):
    """Apply an operator of one scale to combinations."""
    result = {}
    for (out, source), block in operator.blocks.items():
        result[out] = result.get(out, 0.0) + block @ values[source]
    return result


def partons(patch, q):
    """Return x f of the 13 partons at a scale, (X, 13)."""
    combinations = applied(patch.at(q), at_q0(GRID.x))
    return np.array([combinations[name] for name in patch.outputs]).T @ patch.to_flavours.T


@pytest.mark.parametrize(("flavours", "q"), [(4, 1.65), (4, 3.0), (4, 4.9), (5, 4.93), (5, 10.0), (5, 100.0)])
def test_operators_do_what_evolving_a_proton_does(patches, flavours, q):
    """The tables' 50 points against the 196 of LHAPDF sets: one solution, 2e-5 apart for x < 0.5, 3e-4 below 0.75."""
    fine = field_xgrid()
    direct = Evolution(CARD).evolve(fine, proton(fine), [q], GRID.x)[0]
    ours = partons(patches[flavours], q)
    size = np.max(np.abs(direct), axis=1, keepdims=True)
    for low, high, tolerance in ((2e-7, 0.5, 2e-5), (0.5, 0.75, 3e-4)):
        inside = (GRID.x >= low) & (GRID.x < high)
        assert np.max((np.abs(ours - direct) / size)[inside]) < tolerance


def test_coupling_of_a_patch_is_that_of_the_evolution(patches):
    reference = Evolution(CARD)
    for flavours, q in ((4, 2.0), (4, 4.5), (5, 6.0), (5, 91.2)):
        assert patches[flavours].alphas(q) == pytest.approx(float(reference.alphas(q)), rel=1e-8)
    # Fewer flavours screen less: the coupling of three flavours runs faster, so above charm it is the smallest.
    assert patches[3].alphas(10.0) < patches[4].alphas(10.0) < patches[5].alphas(10.0)


def test_sum_rules_hold_and_two_steps_are_one(patches):
    class Theory:
        grid, card = GRID, BuildCard

    Theory.patches, Theory.card = patches, type("Card", (), {"evolution": SETTINGS})
    checks = evolution_checks(Theory)
    assert set(checks) == {"momentum", "valence", "two steps"}
    assert max(checks.values()) < 1e-5


def test_operators_of_any_scale_come_from_few(patches):
    """Interpolation in the scale, against operators computed for just that scale."""
    for flavours, q in ((3, 7.3), (4, 2.7), (5, 31.0)):
        alone = evolution_patches(SETTINGS, GRID, {flavours: (q, 1.0001 * q)})[flavours]
        one, other = applied(alone.at(q), at_q0(GRID.x)), applied(patches[flavours].at(q), at_q0(GRID.x))
        for name, values in one.items():
            assert np.max(np.abs(other[name] - values)) < 3e-6 * np.max(np.abs(one["Sigma"]))


def test_a_heavy_quark_that_does_not_evolve_is_the_same_at_every_scale(patches):
    charm = [partons(patches[3], q)[:, PARTON_PIDS.index(4)] for q in (1.7, 10.0, 90.0)]
    assert np.allclose(charm[0], charm[1], rtol=0, atol=1e-9) and np.allclose(charm[0], charm[2], rtol=0, atol=1e-9)
    assert np.max(np.abs(charm[0])) > 1e-3


def test_three_flavours_matched_at_the_charm_mass_give_four_back():
    """Down by the inverse of the matching expanded in alpha_s, up again: the rest is of order alpha_s^3."""
    at_charm = evolution_patches(SETTINGS, GRID, {3: (1.51, 1.52), 4: (1.51, 1.52)})
    light, all_four = (applied(at_charm[n].at(1.51), at_q0(GRID.x)) for n in (3, 4))
    three = replace(SETTINGS, q0=1.5099999, alphas=at_charm[3].alphas(1.51), q_ref=1.5099999)
    up = evolution_patches(three, GRID, {4: (1.51, 1.52)})[4].at(1.51)
    back = applied(up, {name: light[name] for name in components(3)})
    a = at_charm[4].alphas(1.51) / (4 * np.pi)
    back["g"] = back["g"] + a * heavy_to_gluon(GRID) @ light["h+"]
    heavy = light["h+"] + a * heavy_to_heavy(GRID) @ light["h+"]
    back["Sigma"], back["T15"] = back["Sigma"] + heavy, back["T15"] - 3 * heavy
    size = np.max(np.abs(all_four["g"]))
    for name in ("g", "Sigma", "V3", "T8", "T15"):
        inside = (GRID.x > 1e-3) & (GRID.x < 0.7)
        assert np.max(np.abs(back[name] - all_four[name])[inside]) < 4e-3 * size, name
        # what is undone is much larger than what is left
        assert name in ("V3", "T8") or np.max(np.abs(light[name.replace("T15", "Sigma")] - all_four[name])) > 2e-2 * size


def test_a_heavy_quark_that_turns_light_keeps_its_momentum():
    """K_hh takes from the quark what K_gh gives to the gluon."""
    shape = GRID.x**1.2 * (1 - GRID.x) ** 3
    points, weights = np.polynomial.legendre.leggauss(300)
    x = (points + 1) / 2
    total = weights @ GRID.interpolate(x) @ (heavy_to_heavy(GRID) + heavy_to_gluon(GRID)) @ shape
    given = weights @ GRID.interpolate(x) @ heavy_to_gluon(GRID) @ shape
    assert abs(total) < 1e-4 * abs(given)


def test_splitting_functions_are_the_slope_of_evolution():
    """d f / d ln mu^2 from splitting functions, against a difference of evolved PDFs."""
    settings = replace(SETTINGS, fixed_flavours=4, q_min=1.6)
    evolution = Evolution(settings)
    start, step = at_q0(GRID.x), 1e-3
    patch = evolution_patches(settings, GRID, {4: (1.64, 1.66)})[4]
    low, high = (applied(patch.at(1.65 * np.exp(sign * step / 2)), start) for sign in (-1, 1))
    a = float(evolution.alphas(1.65)) / (4 * np.pi)
    orders = splitting_operators(settings, GRID, 4)
    slope = Operator({})
    for n, operator in enumerate(orders):
        slope = slope + operator.scaled(a ** (n + 1))
    expected = applied(Operator({key: block[0] for key, block in slope.blocks.items()}), start)
    for name in components(4):
        inside = (GRID.x > 1e-5) & (GRID.x < 0.8)
        difference = (high[name] - low[name]) / (2 * step)
        assert np.max(np.abs(difference - expected[name])[inside]) < 2e-4 * np.max(np.abs(expected["g"])), name


def test_scales_out_of_reach_are_named():
    with pytest.raises(InputError, match=r"wanted from 0.5 to 10 GeV; evolution covers 0.8"):
        evolution_patches(SETTINGS, GRID, {4: (0.5, 10.0)})


def test_operators_evolve_as_those_of_eko_do():
    """x f = x^-0.2 (1-x)^5 in each channel, four flavours, LO to NNLO, by eko's exact solution on the same 50 points.

    Its interpolation in x and its steps in alpha_s leave 5e-4 (docs/theory-tables.md); ``benchmarks/theory_eko.py --flavours 4
    --scales 3 100 --iterations 100 --save tests/eko_evolved.csv`` made the file.
    """
    reference = pd.read_csv(Path(__file__).with_name("eko_evolved.csv"))
    assert set(reference["order"]) == {0, 1, 2} and set(reference["q"]) == {3.0, 100.0}
    shape = GRID.x**-0.2 * (1 - GRID.x) ** 5
    for order, rows in reference.groupby("order"):
        patch = evolution_patches(replace(SETTINGS, loops=order + 1), GRID, {4: (3.0, 100.1)})[4]
        for (q, out, source), channel in rows.groupby(["q", "out", "source"]):
            ours = np.interp(channel["x"], GRID.x, patch.at(q).blocks[out, source] @ shape)
            assert ours == pytest.approx(channel["xf"].to_numpy(), rel=1e-3), (order, q, out, source)
