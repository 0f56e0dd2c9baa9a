"""Ensembles: what PDF sets say, whatever their kind, and what can be made of them.

Owns opening a fit or an LHAPDF set as one kind of object (`sources`), uncertainties as the set means them
(`uncertainty`), the quantities people look at (`statistics`, `distances`, `exponents`, `sum_rules`, `luminosity`,
`data_theory`), and the sets made from other sets: Hessian, compressed, reweighted, combined. May import every
subpackage up to ``results``.
"""

from .combinations import EVOLUTION, PARTONS, latex
from .sources import PDFSet, load_set
from .uncertainty import Members

__all__ = ["EVOLUTION", "PARTONS", "Members", "PDFSet", "latex", "load_set"]
