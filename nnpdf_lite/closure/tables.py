"""All estimators of a closure test as one table: a row per estimator, with its error and what is expected."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ..results.chi2 import experiment_of
from . import estimators as e
from .future import predicted_chi2
from .grids import column, flavour_grid
from .resampling import Estimate, Resampling, estimate
from .sample import ClosureSample

COLUMNS = ("space", "part", "level", "name", "n", "estimator", "value", "error", "expected")

#: Fraction of the variance that the principal components of the normalised bias explain.
EXPLAINED = 0.99

#: Multiples of sigma whose coverage is tabulated, and estimators by the name they have in tables.
COVERAGES = {"xi_1": 1.0, "xi_2": 2.0}

#: Expected values at level 2; the others are there to be looked at.
EXPECTED = {
    "chi2_exp_pdf": 1.0, "R_bv": 1.0, "R_b": 1.0, "noise": 1.0, "pull_mean": 0.0, "pull_width": 1.0,
    **{f"{name}{basis}": e.expected_coverage(n) for name, n in COVERAGES.items() for basis in ("", "_eigen")},
}  # fmt: skip


def estimator_table(
    sample: ClosureSample, resampling: Resampling, *, points: int = 4, explained: float = EXPLAINED
) -> pd.DataFrame:
    """Tabulate every estimator of a sample.

    Parameters
    ----------
    sample : ClosureSample
    resampling : Resampling
    points : int
        Momentum fractions per flavour in PDF space.
    explained : float
        Fraction of the variance that the principal components of the normalised bias explain.

    Returns
    -------
    pandas.DataFrame
        Columns ``space`` (data, pdf), ``part`` (fitted, left out), ``level`` (dataset, experiment, total; flavour,
        point), ``name``, ``n`` (points), ``estimator``, ``value``, ``error`` (NaN for one fit), ``expected`` (NaN where
        there is no definite value, or below level 2).
    """
    rows = [*_data_rows(sample, resampling, explained), *_pdf_rows(sample, resampling, points)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if sample.level < 2:
        table["expected"] = np.nan
    return table


def _data_rows(sample: ClosureSample, resampling: Resampling, explained: float) -> list[tuple]:
    deviations = sample.deviations
    expected_pulls = e.pulls_expected(deviations)
    found_pulls = e.pulls(deviations)
    rows = []
    for part, inside in (("fitted", sample.fitted), ("left out", ~sample.fitted)):
        for level, name, group in sample.groups():
            chosen = group & inside
            if not chosen.any():
                continue
            here = [d[:, chosen] for d in deviations]
            covmat = sample.covmat[np.ix_(chosen, chosen)]
            noise = (sample.central - sample.truth)[:, chosen]
            values = data_estimators(here, noise, covmat, resampling, sample.datasets[chosen], explained=explained)
            if part == "left out":
                values["chi2_exp_pdf"] = _future(sample, chosen, covmat, resampling)
            values["KS"] = Estimate(e.ks_distance(found_pulls[:, chosen]), np.nan)
            null = np.array([e.ks_distance(pulls[:, chosen]) for pulls in expected_pulls])
            head = ("data", part, level, name, int(chosen.sum()))
            for estimator, result in values.items():
                if estimator == "KS":  # bounded from below: its spread is that of the expected value
                    rows.append((*head, estimator, result.value, null.std(ddof=1), null.mean()))
                else:
                    rows.append((*head, estimator, result.value, result.error, EXPECTED.get(estimator, np.nan)))
    return rows


def data_estimators(
    deviations: e.Deviations,
    noise: np.ndarray,
    covmat: np.ndarray,
    resampling: Resampling,
    datasets: np.ndarray | None = None,
    *,
    explained: float = EXPLAINED,
) -> dict[str, Estimate]:
    """Return the estimators of one group of n points by name.

    Parameters
    ----------
    deviations : F arrays (R_f, n), predictions minus truth
    noise : (F, n), central values minus truth
    covmat : (n, n)
    resampling : Resampling
    datasets : (n,) array, optional
        Name of the set of each point. Points of several sets have different units: principal components are those of the
        correlation matrix, and eigenvectors of the covariance are those of each experiment by itself.
    explained : float
        Fraction of the variance that the principal components explain.
    """
    datasets = np.full(len(covmat), "") if datasets is None else datasets
    cholesky = np.linalg.cholesky(covmat)
    whitened = e.whiten(deviations, cholesky)
    mean = _averager(resampling)
    bias, variance = e.bias_and_variance(whitened, resampling)
    components, variances = e.principal_components(deviations, explained, len(set(datasets.tolist())) > 1)
    values = {
        "R_bv": estimate(e.ratio_bias_variance(bias, variance, resampling), resampling.n_fits),
        "bias": mean(bias),
        "variance": mean(variance),
    }
    white_noise = e.whiten([noise], cholesky)[0]
    decomposition = e.chi2_decomposition(whitened, white_noise)
    for name in ("noise", "cross", "chi2", "delta_chi2"):
        values[name] = mean(decomposition[name])
    values["n_sigma"] = mean(e.n_sigma(e.chi2_of_means(whitened, white_noise), len(covmat)))
    blocks = np.array([experiment_of(name) for name in datasets])
    values |= _coverage_and_pulls(deviations, covmat, resampling, blocks)
    values["R_b"] = mean(e.normalised_bias(deviations, components, resampling), np.sqrt)
    values["components"] = Estimate(float(len(variances)), np.nan)
    return values


def _future(sample: ClosureSample, chosen: np.ndarray, covmat: np.ndarray, resampling: Resampling) -> Estimate:
    """Return the chi2 of the fits' predictions with their uncertainties, on points they have not seen."""
    pairs = zip(sample.predictions, sample.central)
    return _averager(resampling)(np.array([predicted_chi2(g[:, chosen], y[chosen], covmat)[1] for g, y in pairs]))


def _coverage_and_pulls(
    deviations: e.Deviations, covmat: np.ndarray, resampling: Resampling, blocks: np.ndarray | None = None
) -> dict[str, Estimate]:
    """Return coverage point by point and in the eigenvectors of a covariance (n, n), and the moments of the pulls.

    Eigenvectors are those of each block of points by itself, if points are labelled (n,).
    """
    mean = _averager(resampling)
    blocks = np.zeros(len(covmat)) if blocks is None else blocks
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    vectors = [np.linalg.eigh(covmat[np.ix_(block, block)])[1] for block in members]
    rotated = [np.hstack([rows[:, block] @ v for block, v in zip(members, vectors)]) for rows in deviations]
    bases = {"": deviations, "_eigen": rotated}
    values = {}
    for basis, rows in bases.items():
        coverages, first, second = e.pull_statistics(rows, resampling, list(COVERAGES.values()))
        for (name, n), per_fit in zip(COVERAGES.items(), coverages):
            p = e.expected_coverage(n)
            smallest = np.sqrt(p * (1 - p) / (len(covmat) * resampling.n_fits))  # were all points independent
            found = mean(per_fit)
            values[name + basis] = Estimate(found.value, np.maximum(found.error, smallest))
        if not basis:
            values["pull_mean"], values["pull_width"] = mean(first), mean(second, np.sqrt)
    return values


def _averager(resampling: Resampling) -> Callable[..., Estimate]:
    """Return what averages numbers over fits, (B + 1, F) or (F,), with an error; a function of the average if given."""

    def mean(per_fit: np.ndarray, function: Callable[[np.ndarray], np.ndarray] = np.asarray) -> Estimate:
        return estimate(function(resampling.average(np.atleast_2d(per_fit))), resampling.n_fits)

    return mean


def _pdf_rows(sample: ClosureSample, resampling: Resampling, points: int) -> list[tuple]:
    grid = flavour_grid(points)
    deviations = sample.pdf_deviations([(column(name), x) for name, x in grid])
    labels = [(name, x) for name, points_of in grid for x in points_of]
    rows = []
    groups = [("flavour", name, [i for i, (other, _) in enumerate(labels) if other == name]) for name, _ in grid]
    for level, name, chosen in [*groups, ("total", "total", list(range(len(labels))))]:
        values = pdf_estimators([d[:, chosen] for d in deviations], resampling)
        for estimator, result in values.items():
            expected = EXPECTED.get(estimator, np.nan)
            rows.append(("pdf", "", level, name, len(chosen), estimator, result.value, result.error, expected))
    for i, (name, x) in enumerate(labels):
        for estimator, result in point_estimators([d[:, [i]] for d in deviations], resampling).items():
            row = ("pdf", "", "point", f"{name} x={x:.3g}", 1, estimator, result.value, result.error)
            rows.append((*row, EXPECTED.get(estimator, np.nan)))
    return rows


def pdf_estimators(deviations: e.Deviations, resampling: Resampling) -> dict[str, Estimate]:
    """Return the estimators of n values of PDFs by name, with all correlations between them.

    The covariance is that of the replicas themselves around the mean of their fit, all fits together; that its inverse
    is too large on average, being estimated, is put right. R_bv and coverage are NaN where there are too few replicas.

    Parameters
    ----------
    deviations : F arrays (R_f, n)
    resampling : Resampling
    """
    n = deviations[0].shape[1]
    covmat, freedom = e.pooled_covariance(deviations)
    values = _coverage_and_pulls(deviations, covmat, resampling)
    if freedom <= n + 1:
        return {"R_bv": Estimate(np.nan, np.nan), **values}
    bias, variance = e.bias_and_variance(e.whiten(deviations, np.linalg.cholesky(covmat)), resampling)
    ratio = e.ratio_bias_variance(bias * (freedom - n - 1) / freedom, variance, resampling)
    return {"R_bv": estimate(ratio, resampling.n_fits), **values}


def point_estimators(deviations: e.Deviations, resampling: Resampling) -> dict[str, Estimate]:
    """Return mean and width of the pulls and coverage of a single value, F arrays (R_f, 1)."""
    values = _coverage_and_pulls(deviations, np.eye(1), resampling)
    return {name: values[name] for name in ("pull_mean", "pull_width", *COVERAGES)}


def wide(table: pd.DataFrame, space: str, estimators: Sequence[str], levels: Sequence[str]) -> pd.DataFrame:
    """Return one row per name of a space and levels, with a column for each of some estimators and its error."""
    rows = table[(table.space == space) & table.level.isin(levels) & table.estimator.isin(estimators)]
    keys = ["part", "level", "name", "n"] if rows.part.nunique() > 1 else ["level", "name", "n"]
    found = []
    for key, group in rows.groupby(keys, sort=False):
        row = dict(zip(keys, key))
        for name in estimators:
            for one in group[group.estimator == name].itertuples():
                row[name] = one.value
                if not np.isnan(one.error):
                    row[f"{name} +-"] = one.error
        found.append(row)
    return pd.DataFrame(found)
