"""Figures as functions ``(data, ax) -> ax``, for a report and for a notebook.

>>> from nnpdf_lite.report.figures import Curve, Curves, bands
>>> pdf = nnpdf_lite.ensembles.load_set("my_fit")
>>> x = np.geomspace(1e-4, 0.9, 100)
>>> curve = Curve.of(pdf.label, pdf.xf("g", x, 10.0))
>>> bands(Curves(x, (curve,), "$x$", "$xg(x, Q)$", "Q = 10 GeV"), plt.gca())
"""

from .comparisons import distance_curves, exponent_curves, exponent_ranges, interval_points
from .curves import Curve, Curves, bands, pdf_overview, replicas, uncertainty
from .data_theory import Points, data_theory, data_theory_ratio
from .overview import Matrix, chi2_bars, correlation_map, kinematic_coverage
from .training import (
    history_table,
    positivity_range,
    replica_chi2,
    stopping_epochs,
    training_curves,
    training_validation,
)

__all__ = [
    "Curve",
    "Curves",
    "Matrix",
    "Points",
    "bands",
    "chi2_bars",
    "correlation_map",
    "data_theory",
    "data_theory_ratio",
    "distance_curves",
    "exponent_curves",
    "exponent_ranges",
    "history_table",
    "interval_points",
    "kinematic_coverage",
    "pdf_overview",
    "positivity_range",
    "replica_chi2",
    "replicas",
    "stopping_epochs",
    "training_curves",
    "training_validation",
    "uncertainty",
]
