"""What a theory card says about evolution, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

Q_MAX = 1e5
"""Largest scale of evolution in GeV."""


@dataclass(frozen=True)
class EvolutionSettings:
    """What a theory card says about evolution.

    Attributes
    ----------
    loops : int
        Number of loops of splitting functions and beta function (1 for LO to 4 for N3LO).
    q0 : float
        Scale in GeV at which PDFs are given.
    alphas, q_ref : float
        Value of alpha_s and its scale in GeV.
    mass_scheme : str
        ``"POLE"`` or ``"MSBAR"``.
    masses : tuple of float
        Charm, bottom and top masses in GeV, which are the thresholds.
    max_flavours : int
        Largest flavour number of PDFs and alpha_s; higher thresholds are never crossed.
    fixed_flavours : int or None
        Flavour number of a fixed-flavour scheme, else None.
    q_min : float or None
        Lowest scale in GeV that is evolved to, when below ``q0``.
    q_max : float
        Highest scale in GeV that is evolved to.
    """

    loops: int
    q0: float
    alphas: float
    q_ref: float
    mass_scheme: str
    masses: tuple[float, float, float]
    max_flavours: int
    fixed_flavours: int | None = None
    q_min: float | None = None
    q_max: float = Q_MAX

    @classmethod
    def from_theory_card(cls, card: Mapping) -> "EvolutionSettings":
        """Read the settings from a theory card in NNPDF's keys.

        Raises
        ------
        InputError
            For a missing key or a value that cannot be evolved with.
        """
        max_flavours = _choice(card, "MaxNfPdf", (3, 4, 5, 6))
        if card.get("MaxNfAs", max_flavours) != max_flavours:
            raise InputError(
                f"theory card: MaxNfAs = {card['MaxNfAs']} differs from MaxNfPdf = {max_flavours}; "
                "PDFs and alpha_s are evolved with the same number of flavours"
            )
        if card.get("QED"):
            raise InputError(f"theory card: QED = {card['QED']}; only QCD evolution (QED: 0) is available")
        for quark in "cbt":
            mass, ratio = card.get(f"m{quark}"), card.get(f"k{quark}Thr", 1.0)
            if ratio != 1.0:
                raise InputError(f"theory card: k{quark}Thr = {ratio}; thresholds must be at the masses (1)")
            if card.get("HQ") == "MSBAR" and card.get(f"Qm{quark}", mass) != mass:
                raise InputError(f"theory card: Qm{quark} = {card[f'Qm{quark}']}; MSbar masses must be given as m(m)")
        scheme = card.get("FNS", "FONLL-C")
        settings = cls(
            loops=_choice(card, "PTO", (0, 1, 2, 3)) + 1,
            q0=_positive(card, "Q0"),
            alphas=_positive(card, "alphas"),
            q_ref=_positive(card, "Qref"),
            mass_scheme=_choice({"HQ": card.get("HQ", "POLE")}, "HQ", ("POLE", "MSBAR")),
            masses=(_positive(card, "mc"), _positive(card, "mb"), _positive(card, "mt")),
            max_flavours=max_flavours,
            fixed_flavours=_choice(card, "NfFF", (3, 4, 5, 6)) if str(scheme).startswith("FFN") else None,
        )
        if settings.q0 in settings.thresholds:
            raise InputError(f"theory card: Q0 = {settings.q0} lies on a quark threshold; move it to one side")
        if list(settings.masses) != sorted(settings.masses) or not settings.q0 < Q_MAX:
            raise InputError(f"theory card: expected mc < mb < mt and Q0 < {Q_MAX:g}, got {settings}")
        return settings

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Scales in GeV at which the flavour number grows."""
        return () if self.fixed_flavours else self.masses[: self.max_flavours - 3]

    def flavours(self, q: float) -> int:
        """Return the number of active flavours at scale ``q`` in GeV."""
        return self.fixed_flavours or 3 + sum(bool(threshold < q) for threshold in self.thresholds)


def _positive(card: Mapping, key: str) -> float:
    value = card.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise InputError(f"theory card: {key} = {value!r}; expected a positive number")
    return float(value)


def _choice(card: Mapping, key: str, choices: tuple) -> Any:
    if card.get(key) not in choices:
        raise InputError(f"theory card: {key} = {card.get(key)!r}; expected one of {', '.join(map(str, choices))}")
    return choices[choices.index(card[key])]
