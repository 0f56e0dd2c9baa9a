"""Data beside theory: shifts by correlated systematics, and chi2 split into what is left and what the shifts cost.

With data D, theory T, uncorrelated errors s and correlated ones beta (n, S), chi2 with nuisance parameters r is::

    chi2 = sum_i (D_i - T_i - sum_a beta_ia r_a)^2 / s_i^2 + sum_a r_a^2

Its minimum is the usual chi2 with covariance ``C = diag(s^2) + beta beta^T``, at ``r = beta^T C^-1 (D - T)``
(arXiv:hep-ph/0101032; in this form it also holds where some s are 0).
"""

from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np
import pandas as pd
from scipy.linalg import cho_solve

from ..data import Dataset, absolute_errors, cholesky
from ..data.covariance import IGNORED, UNCORRELATED
from ..fit.problem import Problem
from .sources import PDFSet
from .uncertainty import Members


@dataclass(frozen=True, eq=False)
class DataTheory:
    """One dataset beside its prediction; n points, S correlated sources.

    Attributes
    ----------
    dataset : Dataset
        With kinematics and units.
    theory : Members
        Predictions (M, n) of every member.
    uncorrelated, total : (n,) arrays
        Standard deviations: uncorrelated, and with all sources in quadrature.
    nuisance : (S,) array
        Shifts in units of their standard deviations, that bring data and central theory together best.
    sources : tuple of str
        Their names.
    shift : (n,) array
        What they add to the theory.
    """

    dataset: Dataset = field(repr=False)
    theory: Members = field(repr=False)
    uncorrelated: np.ndarray = field(repr=False)
    total: np.ndarray = field(repr=False)
    nuisance: np.ndarray = field(repr=False)
    sources: tuple[str, ...] = field(repr=False)
    shift: np.ndarray = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.dataset.name

    @property
    def data(self) -> np.ndarray:
        """Central values (n,)."""
        return self.dataset.central

    @property
    def central(self) -> np.ndarray:
        """Predictions (n,) of the central member, as in tables of chi2 (for ratios, not quite the replicas' mean)."""
        return self.theory.values[0]

    @property
    def shifted_theory(self) -> np.ndarray:
        """Central theory moved to the data by the correlated systematics, (n,)."""
        return self.central + self.shift

    @property
    def shifted_data(self) -> np.ndarray:
        """Data moved to the theory instead, (n,); compare with ``uncorrelated``."""
        return self.data - self.shift

    @property
    def chi2_uncorrelated(self) -> float:
        """What is left of chi2 after the shifts; points without uncorrelated error follow the shifts exactly."""
        residual = np.divide(
            self.data - self.shifted_theory,
            self.uncorrelated,
            out=np.zeros(len(self.data)),
            where=self.uncorrelated > 0,
        )
        return float(residual @ residual)

    @property
    def chi2_shifts(self) -> float:
        """What the shifts cost: the sum of squares of the nuisance parameters."""
        return float(self.nuisance @ self.nuisance)

    @property
    def chi2(self) -> float:
        """chi2 with all correlations within the dataset."""
        return self.chi2_uncorrelated + self.chi2_shifts

    def table(self) -> pd.DataFrame:
        """One row per point: kinematics, data, errors, theory with its uncertainty, and both shifted."""
        columns = {
            "data": self.data,
            "uncorrelated": self.uncorrelated,
            "total": self.total,
            "theory": self.central,
            "theory_sigma": self.theory.sigma,
            "shifted_theory": self.shifted_theory,
            "shifted_data": self.shifted_data,
        }
        return self.dataset.kinematics.rename_axis("point").reset_index().assign(**columns)


def data_theory(
    pdf: PDFSet | None, problem: Problem, predictions: Members | None = None, *, t0: bool = False
) -> list[DataTheory]:
    """Put every dataset of a problem beside the predictions of a set.

    Parameters
    ----------
    pdf : PDFSet or None
        None where the predictions are given, as by a fit that has no LHAPDF set.
    problem : Problem
    predictions : Members, optional
        ``pdf.predictions(problem)``, if there already.
    t0 : bool
        Take multiplicative errors relative to the problem's t0 predictions rather than to the data.

    Returns
    -------
    list of DataTheory
        In the order of ``problem.datasets``.
    """
    if predictions is None:
        if pdf is None:
            raise ValueError("expected a set or its predictions")
        predictions = pdf.predictions(problem)
    result, start = [], 0
    for dataset in problem.datasets:
        points = slice(start, start := start + len(dataset.kept))
        scale = problem.t0_predictions[points] if t0 and problem.t0_predictions is not None else None
        result.append(_shifted(dataset, predictions.map(itemgetter((slice(None), points))), scale))
    return result


def _shifted(dataset: Dataset, theory: Members, t0_predictions: np.ndarray | None) -> DataTheory:
    errors = absolute_errors(dataset, t0_predictions)
    kinds = dataset.uncertainties.kind
    alone = np.isin(kinds, UNCORRELATED)
    common = ~alone & ~np.isin(kinds, IGNORED)
    variance, beta = np.square(errors[:, alone]).sum(axis=1), errors[:, common]
    covmat = np.diag(variance) + beta @ beta.T
    factor = cholesky(covmat, [dataset.name] * len(dataset))
    nuisance = beta.T @ cho_solve((factor, True), dataset.central - theory.values[0])
    names = tuple(map(str, dataset.uncertainties.names[common]))
    return DataTheory(dataset, theory, np.sqrt(variance), np.sqrt(np.diag(covmat)), nuisance, names, beta @ nuisance)
