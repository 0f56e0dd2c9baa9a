"""A proton of closed form, on the x grid of the field's fits, for tests of evolution and of PDF sets."""

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.special import lambertw

from nnpdf_lite.flavours import FLAVOUR_PIDS, FLAVOUR_TO_EVOLUTION

CARD = {
    "PTO": 2, "FNS": "FONLL-C", "HQ": "POLE", "MaxNfAs": 5, "MaxNfPdf": 5, "Q0": 1.65, "alphas": 0.118, "Qref": 91.2,
    "mc": 1.51, "mb": 4.92, "mt": 172.5, "kcThr": 1.0, "kbThr": 1.0, "ktThr": 1.0, "QED": 0,
}  # fmt: skip


def field_xgrid(n=196):
    """The x grid of NNPDF's fits: uniform in ln(1/x) + 30 (1 - x) from 1e-9 to 1."""
    y = np.linspace(np.log(1e9) + 30 * (1 - 1e-9), 0, n)
    x = np.real(lambertw(30 * np.exp(30 - y))) / 30
    x[[0, -1]] = 1e-9, 1.0
    return x


def integral(x, values):
    """Integral over x of ``values`` given on the field's grid."""
    variable = np.log(x) + 30 * x
    return make_interp_spline(variable, values / (1 / x + 30), k=5).integrate(variable[0], variable[-1])


def proton(x, soft=0.6):
    """A proton with symmetric sea, 14 flavours: valence number 3 and momentum 1 on the grid; valence ~ x^soft."""
    sea = 0.1 * x**-0.15 * (1 - x) ** 7
    partons = dict.fromkeys(FLAVOUR_PIDS, np.zeros_like(x))
    for pid, number, power in ((2, 2, 3), (1, 1, 4)):
        shape = x**soft * (1 - x) ** power * (1 + 2 * x)
        partons[pid] = number * shape / integral(x, shape / x) + sea
    partons |= {-2: 1.1 * sea, 3: 0.5 * sea, -3: 0.5 * sea, 4: 0.1 * sea, -4: 0.1 * sea, -1: 1.2 * sea}
    partons[2], partons[1] = partons[2] + 0.1 * sea, partons[1] + 0.2 * sea
    gluon = x**-0.1 * (1 - x) ** 5
    partons[21] = gluon * (1 - integral(x, sum(partons.values()))) / integral(x, gluon)
    with np.errstate(divide="ignore"):
        flavour = np.array([partons[pid] for pid in FLAVOUR_PIDS])
    return (FLAVOUR_TO_EVOLUTION @ flavour / x).T
