"""The flavour and evolution bases and the rotations between them."""

import numpy as np
import pytest

from nnpdf_lite.flavours import (
    EVOLUTION_FLAVOURS,
    EVOLUTION_PIDS,
    EVOLUTION_TO_FLAVOUR,
    FLAVOUR_PIDS,
    FLAVOUR_TO_EVOLUTION,
)


def evolution(**partons):
    """Evolution-basis components of the given parton densities, by name."""
    names = {"u": 2, "d": 1, "s": 3, "c": 4, "b": 5, "t": 6, "g": 21, "photon": 22}
    flavour = np.zeros(14)
    for name, value in partons.items():
        pid = -names[name[0]] if name.endswith("bar") else names[name]
        flavour[FLAVOUR_PIDS.index(pid)] = value
    return dict(zip(EVOLUTION_FLAVOURS, FLAVOUR_TO_EVOLUTION @ flavour))


def test_rotations_are_each_others_inverse():
    assert np.allclose(EVOLUTION_TO_FLAVOUR @ FLAVOUR_TO_EVOLUTION, np.eye(14), rtol=0, atol=1e-15)
    assert np.allclose(FLAVOUR_TO_EVOLUTION @ EVOLUTION_TO_FLAVOUR, np.eye(14), rtol=0, atol=1e-15)


def test_gluon_and_photon_are_themselves():
    assert evolution(g=2.0, photon=3.0) == {**dict.fromkeys(EVOLUTION_FLAVOURS, 0.0), "g": 2.0, "photon": 3.0}


def test_valence_distributions_count_quarks_minus_antiquarks():
    proton = evolution(u=2.5, ubar=0.5, d=1.25, dbar=0.25, s=0.1, sbar=0.1)
    assert proton["V"] == pytest.approx(3)
    assert proton["V3"] == pytest.approx(1)
    assert proton["V8"] == pytest.approx(3)
    assert proton["V15"] == proton["V24"] == proton["V35"] == pytest.approx(3)
    assert proton["T3"] == pytest.approx(3.0 - 1.5)
    assert proton["T8"] == pytest.approx(3.0 + 1.5 - 0.4)


def test_without_bottom_and_top_the_heavy_multiplets_are_sigma_and_v():
    light = evolution(u=0.7, ubar=0.2, d=0.4, dbar=0.3, s=0.2, sbar=0.1, c=0.05, cbar=0.02)
    assert light["T24"] == light["T35"] == pytest.approx(light["Sigma"])
    assert light["V24"] == light["V35"] == pytest.approx(light["V"])
    assert light["T15"] == pytest.approx(1.9 - 3 * 0.07)
    assert light["V15"] == pytest.approx(0.7 - 3 * 0.03)


def test_numbering_is_pineappls():
    assert dict(zip(EVOLUTION_FLAVOURS, EVOLUTION_PIDS)) == {
        "photon": 22, "Sigma": 100, "g": 21, "V": 200, "V3": 203, "V8": 208, "V15": 215, "V24": 224, "V35": 235,
        "T3": 103, "T8": 108, "T15": 115, "T24": 124, "T35": 135,
    }  # fmt: skip
