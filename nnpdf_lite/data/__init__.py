"""Measurements: what was measured, which points are used, how they are correlated, and how replicas fluctuate.

Owns the commondata format (reading sets by name, with variants), the kinematic cuts, the covariance matrix with the t0
prescription and its Cholesky factor, and pseudo-data. May import ``nnpdf_lite.errors``, ``nnpdf_lite.paths`` and
``nnpdf_lite.runcard``; it knows nothing of theory, PDFs or fits.
"""

from .catalogue import available_datasets, resolve_legacy_name
from .closure_data import level1_noise, rescale_uncertainties, with_central
from .commondata import load_dataset, load_kinematics
from .covariance import absolute_errors, cholesky, covariance
from .cuts import CutRule, cut_indices
from .dataset import Dataset, TheoryMetadata, Uncertainties
from .left_out import left_out_points, publication_year
from .masks import training_mask
from .pseudodata import pseudodata, replica_generator

__all__ = [
    "CutRule",
    "Dataset",
    "TheoryMetadata",
    "Uncertainties",
    "absolute_errors",
    "available_datasets",
    "cholesky",
    "covariance",
    "cut_indices",
    "left_out_points",
    "level1_noise",
    "load_dataset",
    "load_kinematics",
    "pseudodata",
    "publication_year",
    "replica_generator",
    "rescale_uncertainties",
    "resolve_legacy_name",
    "training_mask",
    "with_central",
]
