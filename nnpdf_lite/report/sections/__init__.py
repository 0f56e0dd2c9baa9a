"""The sections of a fit's report, in their order: each is a function ``(study) -> items``.

A section that cannot be shown raises InputError; its message then stands in the section's place.
"""

from .comparison import arc_lengths, distances, exponents, luminosity, sum_rules
from .correlations import correlations
from .data import chi2, data_theory, details, kinematics
from .fit import cite, runcard, summary, training
from .pdfs import pdfs, uncertainties

#: Anchor, title, a sentence below it, function.
SECTIONS = (
    ("summary", "Summary", "", summary),
    ("chi2", "χ²", "Of the mean of the kept replicas, per point.", chi2),
    (
        "pdfs",
        "PDFs",
        "Bands are one standard deviation, thin dashed lines the 68% interval. Ratios are to the first set compared with.",
        pdfs,
    ),
    ("uncertainties", "Uncertainties", "One standard deviation over the size of the central value.", uncertainties),
    (
        "distances",
        "Distances",
        "Differences in units of their statistical fluctuation (arXiv:1002.4407): 1 for two samples of one distribution, "
        "7 for a shift by one sigma at 100 replicas each.",
        distances,
    ),
    ("luminosities", "Luminosities", "Parton luminosities at 14 TeV against the invariant mass.", luminosity),
    ("arc-lengths", "Arc lengths", "Length of x f(x) against x; unusually long means wiggles.", arc_lengths),
    (
        "exponents",
        "Effective exponents",
        "α = ln f / ln(1/x) and β = ln f / ln(1 − x) (arXiv:1410.8849), beside the ranges that preprocessing exponents were "
        "drawn from. The next fit's ranges are what the replicas ask for.",
        exponents,
    ),
    ("sum-rules", "Sum rules", "Integrals of every member, from the written grids.", sum_rules),
    (
        "correlations",
        "Correlations",
        "Between flavours, and of the predictions of the data with PDFs, over the replicas.",
        correlations,
    ),
    (
        "data-theory",
        "Data and theory",
        "Solid lines are the theory after the shifts by correlated systematics that bring it closest to the data; "
        "compare them with the uncorrelated errors.",
        data_theory,
    ),
    ("training", "Training", "", training),
    ("kinematics", "Kinematic coverage", "", kinematics),
    ("data", "Data", "", details),
    ("runcard", "Runcard", "With every default, as the fit used it.", runcard),
    ("cite", "How to cite", "", cite),
)
