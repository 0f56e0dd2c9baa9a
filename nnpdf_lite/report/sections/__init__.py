"""The sections of a fit's report, in their order: each is a function ``(study) -> items``.

A section that cannot be shown raises InputError; its message then stands in the section's place.
"""

from .closure import closure
from .comparison import arc_lengths, distances, exponents, luminosity, sum_rules
from .correlations import correlations
from .data import chi2, data_theory, details, kinematics
from .fit import cite, runcard, summary, training
from .pdfs import pdfs, uncertainties

_PDFS = (
    "Bands are one standard deviation, thin dashed lines the 68% interval. Ratios are to the first set compared with, "
    "or to the fit's own central value."
)
_DISTANCES = (
    "Differences in units of their statistical fluctuation (arXiv:1002.4407): 1 for two samples of one distribution, 7 for "
    "a shift by one sigma at 100 replicas each."
)
_EXPONENTS = (
    "α = ln f / ln(1/x) and β = ln f / ln(1 − x) (arXiv:1410.8849), beside the ranges that the preprocessing exponents were "
    "drawn from, and the ranges that the replicas ask for in a next fit."
)
_DATA_THEORY = (
    "Solid lines are the theory after the shifts by correlated systematics that bring it closest to the data; compare them "
    "with the uncorrelated errors."
)

#: Anchor, title, a sentence below it, function.
SECTIONS = (
    ("summary", "Summary", "", summary),
    ("closure", "Closure test", "", closure),
    ("chi2", "χ²", "Per point, of the mean of the kept replicas, and of the central members of the others.", chi2),
    ("pdfs", "PDFs", _PDFS, pdfs),
    ("uncertainties", "Uncertainties", "One standard deviation over the size of the central value.", uncertainties),
    ("distances", "Distances", _DISTANCES, distances),
    ("luminosities", "Luminosities", "Parton luminosities at 14 TeV against the invariant mass.", luminosity),
    ("arc-lengths", "Arc lengths", "Length of x f(x) against x; unusually long ones wiggle.", arc_lengths),
    ("exponents", "Effective exponents", _EXPONENTS, exponents),
    ("sum-rules", "Sum rules", "Integrals of every member, from the written grids.", sum_rules),
    ("correlations", "Correlations", "Over the replicas; data are represented by their predictions.", correlations),
    ("data-theory", "Data and theory", _DATA_THEORY, data_theory),
    ("training", "Training", "", training),
    ("kinematics", "Kinematic coverage", "", kinematics),
    ("data", "Data", "", details),
    ("runcard", "Runcard", "With every default, as the fit used it.", runcard),
    ("cite", "How to cite", "", cite),
)
