"""Parton luminosities of a hadron collider.

Source: arXiv:1607.01831, equations 1 to 4, with factorisation scale M_X and a cut on the rapidity of the final state::

    L_ij(M_X) = 1/s int dx/x f_i(x, M_X) f_j(tau/x, M_X),   tau = M_X^2 / s,   x = sqrt(tau) exp(y)

``gq`` sums g with every quark and antiquark, ``qqbar`` every quark with its antiquark, ``qq`` every pair of quarks or
antiquarks, each with either parton in either proton.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, nearest
from .sources import PDFSet
from .uncertainty import Members

CHANNELS = ("gg", "gq", "qq", "qqbar")
LHC = 14_000.0  # GeV

_QUARKS = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)
_NODES = 120


def default_masses(sqrts: float = LHC, n: int = 40) -> np.ndarray:
    """Return invariant masses (n,) in GeV, evenly spaced in the logarithm, from 10 GeV to sqrt(s) / 3."""
    return np.geomspace(10.0, sqrts / 3, n)


def luminosities(
    pdf: PDFSet,
    masses: np.ndarray | None = None,
    sqrts: float = LHC,
    *,
    channels: Sequence[str] = CHANNELS,
    rapidity_cut: float | None = None,
) -> Members:
    """Return luminosities of every member, (M, channels, masses), in 1/GeV^2.

    Parameters
    ----------
    pdf : PDFSet
    masses : (n,) array, optional
        Invariant masses M_X in GeV, below sqrt(s) and within the scales of the set.
    sqrts : float
        Centre-of-mass energy in GeV.
    channels : sequence of str
        Of ``CHANNELS``.
    rapidity_cut : float, optional
        Largest ``|y|`` of the final state.

    Raises
    ------
    InputError
        For an unknown channel, or energies, masses or a cut that make no sense.
    """
    masses = default_masses(sqrts) if masses is None else np.atleast_1d(np.asarray(masses, dtype=float))
    unknown = [channel for channel in channels if channel not in CHANNELS]
    if unknown:
        raise InputError(f"luminosity '{unknown[0]}': expected {', '.join(CHANNELS)}.{nearest(unknown[0], CHANNELS)}")
    if not np.all((masses > 0) & (masses < sqrts)):
        raise InputError(
            f"invariant masses from {masses.min():g} to {masses.max():g} GeV: expected 0 < M < {sqrts:g} GeV"
        )
    if rapidity_cut is not None and not rapidity_cut > 0:
        raise InputError(f"rapidity cut {rapidity_cut}: expected a positive number")
    columns = [_at_mass(pdf, mass, sqrts, channels, rapidity_cut) for mass in masses]
    return Members(np.stack(columns, axis=2), pdf.errors)


def luminosity_table(pdf: PDFSet, masses: np.ndarray | None = None, sqrts: float = LHC, **options: Any) -> pd.DataFrame:
    """Tabulate luminosities: ``channel``, ``mass`` (GeV), ``central``, ``sigma``, ``low68``, ``high68`` (1/GeV^2)."""
    masses = default_masses(sqrts) if masses is None else np.atleast_1d(np.asarray(masses, dtype=float))
    members = luminosities(pdf, masses, sqrts, **options)
    channels = options.get("channels", CHANNELS)
    low, high = members.interval()
    table = pd.DataFrame({"channel": np.repeat(list(channels), len(masses)), "mass": np.tile(masses, len(channels))})
    columns = {"central": members.central, "sigma": members.sigma, "low68": low, "high68": high}
    return table.assign(**{name: column.ravel() for name, column in columns.items()})


def _at_mass(pdf: PDFSet, mass: float, sqrts: float, channels: Sequence[str], rapidity_cut: float | None) -> np.ndarray:
    """Return luminosities (M, channels) at one invariant mass by a Gauss-Legendre rule in y."""
    limit = np.log(sqrts / mass)
    limit = limit if rapidity_cut is None else min(limit, rapidity_cut)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    x = np.minimum(mass / sqrts * np.exp(limit * nodes), 1.0)
    xf = np.array([pdf.lhapdf.xfxq((21, *_QUARKS), x, mass, m)[:, :, 0] for m in pdf.member_numbers])
    gluon, quarks = xf[:, 0], xf[:, 1:]
    # The nodes are symmetric about y = 0, so the other parton's are these reversed.
    other_gluon, other_quarks = gluon[:, ::-1], quarks[:, :, ::-1]
    integrands = {
        "gg": lambda: gluon * other_gluon,
        "gq": lambda: gluon * other_quarks.sum(axis=1) + quarks.sum(axis=1) * other_gluon,
        "qq": lambda: quarks.sum(axis=1) * other_quarks.sum(axis=1),
        "qqbar": lambda: (quarks * other_quarks[:, ::-1]).sum(axis=1),
    }
    return np.stack([integrands[c]() @ (limit * weights) for c in channels], axis=1) / mass**2
