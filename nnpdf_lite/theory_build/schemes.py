"""Flavour-number schemes: which calculations are added up, each with PDFs and coupling of its own flavour number.

FONLL (arXiv:1001.2312, with fitted charm arXiv:1510.00491) is the sum of seven calculations by ``yadism``; the others are
one. Orders of the mixed schemes: arXiv:2109.02653, section 2.1, and arXiv:2401.15187.
"""

from dataclasses import dataclass

from .card import BuildCard


@dataclass(frozen=True)
class Term:
    """One calculation of structure functions.

    Attributes
    ----------
    flavours : int
        Number of active flavours of PDFs, coupling and light quarks.
    scheme, parts : str
        ``yadism``'s names for the scheme and for what of it is computed.
    sign : int
    order : int
        Power of alpha_s up to which it is computed.
    logarithms : int
        Power of alpha_s of the evolution: in massless limits, the towers of logarithms to subtract.
    opens : int or None
        The quark above whose threshold it contributes.
    damped : tuple of int
        Quarks whose damping factor multiplies it, where the card asks for damping.
    """

    flavours: int
    scheme: str
    parts: str
    sign: int
    order: int
    logarithms: int
    opens: int | None = None
    damped: tuple[int, ...] = ()


#: FONLL scheme -> power of alpha_s of the evolution and massless parts, and how much higher massive parts go.
FONLL_ORDERS = {"FONLL-A": (1, 0), "FONLL-B": (1, 1), "FONLL-C": (2, 0)}


def terms(card: BuildCard) -> tuple[Term, ...]:
    """Return the calculations of a card's scheme, whatever the scale."""
    if card.scheme in FONLL_ORDERS:
        return _fonll(card.order, card.order + FONLL_ORDERS[card.scheme][1])
    if card.scheme == "FFNS":
        return (Term(card.fixed_flavours, "FFNS", "full", +1, card.order, card.order),)
    return tuple(Term(n, "ZM-VFNS", "full", +1, card.order, card.order) for n in range(3, card.max_flavours + 1))


def active(card: BuildCard, q2: float) -> list[tuple[Term, float]]:
    """Return the calculations that contribute at ``Q2`` (GeV2), each with its factor."""
    chosen = []
    for term in terms(card):
        if card.scheme == "ZM-VFNS":
            factor = float(term.flavours == card.flavours(q2))
        else:
            factor = float(term.sign * (term.opens is None or q2 > card.mass(term.opens) ** 2))
            for quark in term.damped:
                factor *= max(0.0, 1 - card.mass(quark) ** 2 / q2) ** card.damping.get(quark, 0)
        if factor:
            chosen.append((term, factor))
    return chosen


def _fonll(order: int, massive: int) -> tuple[Term, ...]:
    return (
        Term(3, "FONLL-FFNS", "full", +1, massive, order),
        Term(3, "FONLL-FFN0", "full", -1, massive, order, opens=4, damped=(4,)),
        Term(4, "FONLL-FFNS", "massless", +1, order, order, opens=4, damped=(4,)),
        Term(4, "FONLL-FFNS", "massive", +1, massive, order),
        Term(4, "FONLL-FFN0", "full", -1, massive, order, opens=5, damped=(4, 5)),
        Term(5, "FONLL-FFNS", "massless", +1, order, order, opens=5, damped=(4, 5)),
        Term(5, "FONLL-FFNS", "massive", +1, massive, order),
    )
