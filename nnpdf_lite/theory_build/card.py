"""What a theory card says about tables to be built, checked before any work starts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..errors import InputError, nearest
from ..evolution import EvolutionSettings

#: Schemes, and the powers of alpha_s for which each has coefficient functions.
SCHEMES = {
    "ZM-VFNS": (0, 1, 2, 3),
    "FFNS": (0, 1, 2),
    "FONLL-A": (0, 1),
    "FONLL-B": (1,),
    "FONLL-C": (2,),
}
ORDER_NAMES = ("LO", "NLO", "NNLO", "N3LO")

_POSITIVE = ("MZ", "MW", "GF", "SIN2TW", "MP", "XIR", "XIF")
_FLAVOUR_NAMES = {4: "c", 5: "b", 6: "t"}


@dataclass(frozen=True)
class BuildCard:
    """A theory card from which tables can be built.

    Attributes
    ----------
    parameters : Mapping
        The card itself, NNPDF's keys.
    evolution : EvolutionSettings
    scheme : str
        One of :data:`SCHEMES`.
    order : int
        Power of alpha_s: 0 (LO) to 3 (N3LO).
    fixed_flavours : int
        Flavour number of a fixed-flavour scheme.
    ren_ratio, fac_ratio : float
        Renormalisation and factorisation scale over Q.
    target_mass : bool
        Whether target-mass corrections are made.
    damping : Mapping of int to float
        Power of the damping factor of a quark in FONLL; empty without damping.
    """

    parameters: Mapping[str, Any]
    evolution: EvolutionSettings
    scheme: str
    order: int
    fixed_flavours: int
    ren_ratio: float
    fac_ratio: float
    target_mass: bool
    damping: Mapping[int, float]

    @classmethod
    def read(cls, parameters: Mapping[str, Any], source: str = "theory card") -> "BuildCard":
        """Check a card.

        Raises
        ------
        InputError
            For a key that is missing, or a value with which no table can be computed.
        """
        evolution = EvolutionSettings.from_theory_card(parameters)
        scheme, order = parameters.get("FNS"), evolution.loops - 1
        if scheme not in SCHEMES:
            known = ", ".join(SCHEMES)
            raise InputError(f"{source}: FNS = {scheme!r}; expected one of {known}.{nearest(scheme, SCHEMES)}")
        if order not in SCHEMES[scheme]:
            powers = " or ".join(f"PTO = {power}" for power in SCHEMES[scheme])
            raise InputError(
                f"{source}: PTO = {order} ({ORDER_NAMES[order]}) with FNS = {scheme}; there are coefficient functions "
                f"for {powers}" + (" (N3LO: FNS = ZM-VFNS)" if order == 3 else "")
            )
        for key in _POSITIVE:
            value = parameters.get(key, 1.0 if key.startswith("XI") else None)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise InputError(f"{source}: {key} = {value!r}; expected a positive number")
        if not 0 < parameters["SIN2TW"] < 1:
            raise InputError(f"{source}: SIN2TW = {parameters['SIN2TW']!r}; expected a number between 0 and 1")
        ckm = parameters.get("CKM")
        ckm = ckm.split() if isinstance(ckm, str) else ckm
        if not isinstance(ckm, list) or len(ckm) != 9 or any(not _is_number(element) for element in ckm):
            raise InputError(f"{source}: CKM = {parameters.get('CKM')!r}; expected its nine elements, row by row")
        if parameters.get("TMC", 0) not in (0, 1):
            raise InputError(f"{source}: TMC = {parameters['TMC']!r}; expected 0 (none) or 1 (to first order in M2/Q2)")
        _check_scale(evolution, scheme, source)
        return cls(
            parameters=parameters,
            evolution=evolution,
            scheme=scheme,
            order=order,
            fixed_flavours=int(parameters.get("NfFF", 5)),
            ren_ratio=float(parameters.get("XIR", 1.0)),
            fac_ratio=float(parameters.get("XIF", 1.0)),
            target_mass=bool(parameters.get("TMC", 0)),
            damping=_damping(parameters, scheme, source),
        )

    @property
    def max_flavours(self) -> int:
        """Largest number of active flavours."""
        return self.evolution.max_flavours

    def mass(self, quark: int) -> float:
        """Return the mass in GeV of quark 4, 5 or 6."""
        return self.evolution.masses[quark - 4]

    def flavours(self, q2: float) -> int:
        """Return the number of active flavours at ``Q2`` (GeV2) with variable flavour number."""
        return self.evolution.flavours(math.sqrt(q2))


def _is_number(value: Any) -> TypeGuard[float | str]:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _check_scale(evolution: EvolutionSettings, scheme: str, source: str) -> None:
    if scheme.startswith("FONLL"):
        n0 = evolution.flavours(evolution.q0)
        if n0 > 4:
            limit = evolution.masses[1]
            raise InputError(
                f"{source}: Q0 = {evolution.q0} GeV is above the bottom threshold {limit} GeV; FNS = {scheme} needs the "
                f"PDFs of three, four and five flavours, so Q0 must be below it"
            )
        if evolution.max_flavours < 5:
            raise InputError(f"{source}: MaxNfPdf = {evolution.max_flavours}; FNS = {scheme} needs 5 or 6")
        if evolution.mass_scheme != "POLE":
            raise InputError(f"{source}: HQ = {evolution.mass_scheme}; FNS = {scheme} needs pole masses (HQ: POLE)")


def _damping(parameters: Mapping[str, Any], scheme: str, source: str) -> dict[int, float]:
    if not scheme.startswith("FONLL") or not parameters.get("DAMP"):
        return {}
    powers = {}
    for quark in (4, 5):
        key = f"DAMPPOWER{_FLAVOUR_NAMES[quark]}"
        value = parameters.get(key)
        if not _is_number(value) or float(value) < 0:
            raise InputError(f"{source}: {key} = {value!r}; with DAMP it must be a power, 0 or more")
        powers[quark] = float(value)
    return powers
