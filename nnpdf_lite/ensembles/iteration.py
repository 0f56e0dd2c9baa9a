"""The runcard of the next iteration of a fit, as the field iterates: until ranges and t0 no longer depend on a guess."""

import re

import numpy as np
import pandas as pd

from ..errors import InputError
from ..runcard import BasisEntry, Runcard
from .exponents import preprocessing_table
from .sources import PDFSet

_SEEDS = ("trvlseed", "nnseed", "mcseed")


def next_runcard(pdf: PDFSet, *, limits: bool = True, new_seeds: bool = True) -> str:
    """Return the text of the runcard of a fit's next iteration, with comments that say what changed.

    Parameters
    ----------
    pdf : PDFSet
        Of a fit.
    limits : bool
        Keep alpha of integrable combinations below `exponents.ALPHA_LIMITS`.
    new_seeds : bool
        Derive new seeds from the old ones, so that the two fits' replicas are independent.

    Returns
    -------
    str
        YAML: the fit's runcard with every default, new preprocessing ranges (`exponents.preprocessing_table`, four
        digits), and the fit's own LHAPDF set for t0.

    Raises
    ------
    InputError
        If the set is not that of a fit with replicas, or its exponents are not those of a PDF.
    """
    table = preprocessing_table(pdf, limits=limits)
    assert pdf.fit is not None  # preprocessing_table refuses others
    card = pdf.fit.runcard
    changes = {
        "description": _description(card, pdf.name),
        "datacuts": card.datacuts.model_copy(update={"t0pdfset": str(pdf.lhapdf.path)}),
        "fitting": card.fitting.model_copy(update={"basis": _basis(card, table)}),
    }
    if new_seeds:
        changes |= {name: _new_seed(getattr(card, name)) for name in _SEEDS}
    text = card.model_copy(update=changes).dump()
    lines = [f"Next iteration of the fit {pdf.name}, from its {pdf.errors} in", f"{pdf.fit.folder.path}", ""]
    lines += [f"datacuts.t0pdfset is this fit's own set (was {card.datacuts.t0pdfset or 'none'})."]
    lines += [f"{', '.join(_SEEDS)} follow from the old ones." if new_seeds else "The seeds are unchanged."]
    lines += ["Preprocessing ranges from the effective exponents (nnpdf_lite docs/ensembles.md):"]
    lines += [
        f"  {row.fl:5s} {row.exponent:5s} [{row.low:.4g}, {row.high:.4g}] -> [{row.next_low:.4g}, {row.next_high:.4g}]"
        for row in table.itertuples()
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines) + "\n" + text


def _basis(card: Runcard, table: pd.DataFrame) -> tuple[BasisEntry, ...]:
    entries = []
    for entry in card.fitting.basis:
        new = {}
        for row in table[table.fl == entry.fl].itertuples():
            pair = (float(f"{row.next_low:.4g}"), float(f"{row.next_high:.4g}"))
            if not np.all(np.isfinite(pair)):
                raise InputError(f"{row.flavour}: its effective {row.exponent} is not a number (a PDF that vanishes?)")
            new["smallx" if row.exponent == "alpha" else "largex"] = pair
        entries.append(entry.model_copy(update=new))
    return tuple(entries)


def _new_seed(seed: int) -> int:
    return int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)


def _description(card: Runcard, name: str) -> str:
    original = re.sub(r" \(iterated from [^()]*\)$", "", card.description)
    return f"{original} (iterated from {name})".strip()
