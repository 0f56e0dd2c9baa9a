"""Closure-test estimators as functions of arrays (arXiv:2111.05787, arXiv:2109.02653 section 6.1, arXiv:2503.17447).

Deviations are replicas minus truth, one array (R_f, n) for each of F fits. In data space their columns are predictions of
n points, in PDF space values of ``x f``. *Whitened* deviations are divided by the Cholesky factor of a covariance, so that
its chi2 is a sum of squares. Results carry a leading axis of the sample and its bootstrap samples (`Resampling`).

The mean of R replicas scatters around the mean of infinitely many, and their spread is taken around it: the literature's
bias is too large by variance / R and its variance too small by 1 / R. Here both are put right, so that the expected values
hold for any number of replicas.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from scipy import special, stats

from .resampling import Resampling

Deviations = Sequence[np.ndarray]


def whiten(deviations: Deviations, cholesky: np.ndarray) -> list[np.ndarray]:
    """Divide deviations (R_f, n), or any rows (., n), by a Cholesky factor (n, n)."""
    return [scipy.linalg.solve_triangular(cholesky, rows.T, lower=True).T for rows in deviations]


def bias_and_variance(whitened: Deviations, resampling: Resampling) -> tuple[np.ndarray, np.ndarray]:
    """Return bias and variance per point of each fit, both (B + 1, F).

    Bias is the chi2 of the mean PDF to the truth, ``1/n (E[g] - f)^T C^-1 (E[g] - f)``; variance the mean chi2 of the
    replicas to their mean, ``1/n E[(g - E[g])^T C^-1 (g - E[g])]`` (arXiv:2111.05787). Expected: equal
    on average over fits. A single bias may be negative where it vanishes.
    """
    biases, variances = [], []
    for rows, weights in zip(whitened, resampling.replicas):
        r, n = rows.shape
        of_mean = ((weights @ rows) ** 2).sum(axis=1) / n
        variance = (weights @ (rows**2).sum(axis=1) / n - of_mean) * r / (r - 1)
        biases.append(of_mean - variance / r)
        variances.append(variance)
    return np.array(biases).T, np.array(variances).T


def ratio_bias_variance(bias: np.ndarray, variance: np.ndarray, resampling: Resampling) -> np.ndarray:
    """Return ``R_bv = sqrt(<bias> / <variance>)`` (B + 1,), averages over fits (arXiv:2111.05787, arXiv:2109.02653 section 6.1).

    Expected: 1. Above 1 the errors are too small by this factor, below 1 too large.
    """
    mean_bias = np.maximum(resampling.average(bias), 0.0)
    return np.sqrt(mean_bias / resampling.average(variance))


def chi2_decomposition(whitened: Deviations, noise: np.ndarray) -> dict[str, np.ndarray]:
    """Return how the chi2 of replicas to the data they were fitted to comes about, per point, each (F,).

    ``chi2 = bias + variance + noise + cross`` holds exactly: ``noise`` is the chi2 of the truth to the data and ``cross``
    is ``-2/n (E[g] - f)^T C^-1 eta``, negative as far as the fit follows the noise eta (arXiv:2111.05787; for data that
    were not fitted its expectation is 0). ``delta_chi2`` is the chi2 of the mean PDF minus that of
    the truth (arXiv:1410.8849, eq. 28, here per point); in a linear model without bias it is expected to be -variance.

    Parameters
    ----------
    whitened : sequence of F arrays (R_f, n)
    noise : (F, n)
        Whitened data minus truth.
    """
    rows = []
    for deviations, eta in zip(whitened, noise):
        r, n = deviations.shape
        mean = deviations.mean(axis=0)
        variance = deviations.var(axis=0, ddof=1).sum() / n
        bias, cross = mean @ mean / n - variance / r, -2 * mean @ eta / n
        rows.append(
            {
                "chi2": ((deviations - eta) ** 2).sum(axis=1).mean() / n,
                "bias": bias,
                "variance": variance,
                "noise": eta @ eta / n,
                "cross": cross,
                "delta_chi2": bias + cross,
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def pulls(deviations: Deviations) -> np.ndarray:
    """Return the pulls (F, n) of the mean of each fit from the truth, in units of its standard deviation.

    ``(E[g] - f) / sigma``, with mean and sigma taken from R replicas, follows Student's distribution of R - 1 degrees of
    freedom times ``sqrt(1 + 1/R)`` if the errors are right and Gaussian; it is mapped to the normal distribution with the
    same probability. Expected: N(0, 1) for any R.
    """
    result = []
    for rows in deviations:
        r = len(rows)
        t = rows.mean(axis=0) / rows.std(axis=0, ddof=1) / np.sqrt(1 + 1 / r)
        # From the nearer tail: a probability close to 1 has no digits left.
        result.append(-np.sign(t) * stats.norm.ppf(stats.t.sf(np.abs(t), r - 1)))
    return np.array(result)


def pull_statistics(
    deviations: Deviations, resampling: Resampling, n_sigmas: Sequence[float] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coverage, mean and mean square of the pulls of each fit, averaged over its points.

    Coverage, xi_n, is the fraction of points whose pull is smaller than n sigma (arXiv:2111.05787). Expected:
    erf(n / sqrt 2), which is 0.683 and 0.954 for 1 and 2; a mean of 0 and a mean square of 1. Limits and squares are
    those of Student's distribution, so that this holds for any R (see `pulls`).

    Returns
    -------
    coverage : (len(n_sigmas), B + 1, F) array
    mean, mean_square : (B + 1, F) arrays
    """
    coverages, first, second = [], [], []
    for rows, weights in zip(deviations, resampling.replicas):
        r = len(rows)
        mean = weights @ rows
        variance = np.maximum(weights @ rows**2 - mean**2, np.finfo(float).tiny) * r / (r - 1)
        t2 = mean**2 / variance / (1 + 1 / r)
        limits = stats.t.ppf(stats.norm.cdf(n_sigmas), r - 1) ** 2
        coverages.append([(t2 < limit).mean(axis=1) for limit in limits])
        scale = (r - 3) / (r - 1)  # the variance of Student's distribution is its inverse
        first.append((np.sign(mean) * np.sqrt(t2 * scale)).mean(axis=1))
        second.append(t2.mean(axis=1) * scale)
    return np.moveaxis(np.array(coverages), 0, -1), np.array(first).T, np.array(second).T


def expected_coverage(n_sigma: float) -> float:
    """Return the probability that a Gaussian lies within ``n_sigma``."""
    return float(stats.norm.cdf(n_sigma) - stats.norm.cdf(-n_sigma))


def ks_distance(values: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of all ``values`` to the normal distribution N(0, 1)."""
    expected = special.ndtr(np.sort(values, axis=None))  # scipy.stats.kstest also finds a p-value, which takes longer
    steps = np.arange(len(expected) + 1) / len(expected)
    return float(max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))


def pulls_expected(deviations: Deviations, samples: int = 50, seed: int = 0) -> np.ndarray:
    """Return what pulls (samples, F, n) would be if the errors were right, to compare a KS distance with.

    Points of one fit are correlated, so that textbook values of the distance do not hold. Here a replica of each fit, at
    random, takes the place of the truth, and the pulls are those of the others from it: the same correlations, and by
    construction the right size.
    """
    rng = np.random.default_rng(seed)
    drawn = [[(rows, rng.integers(len(rows))) for rows in deviations] for _ in range(samples)]
    return np.array([pulls([np.delete(rows, i, axis=0) - rows[i] for rows, i in sample]) for sample in drawn])


def pooled_covariance(deviations: Deviations) -> tuple[np.ndarray, int]:
    """Return the covariance (n, n) of replicas around the mean of their fit, all fits together, and its degrees of freedom."""
    centred = np.concatenate([rows - rows.mean(axis=0) for rows in deviations])
    freedom = len(centred) - len(deviations)
    return centred.T @ centred / freedom, freedom


def principal_components(deviations: Deviations, explained: float, correlation: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the leading principal components of the replicas' covariance, averaged over fits.

    Parameters
    ----------
    deviations : sequence of F arrays (R_f, n)
    explained : float
        Fraction of the variance that the components kept explain.
    correlation : bool
        Of the correlation matrix instead, for points of different units (arXiv:2503.17447).

    Returns
    -------
    components : (n, K) array
        Columns that act on deviations; in units where each component of the replicas has unit variance.
    variances : (K,) array
        Eigenvalues, descending.
    """
    rows = np.concatenate(
        [(d - d.mean(axis=0)) / np.sqrt(len(deviations) * (len(d) - 1)) for d in deviations]
    )
    scale = np.sqrt((rows**2).sum(axis=0)) if correlation else np.ones(rows.shape[1])
    rows = rows / scale
    tall = rows.shape[0] > rows.shape[1]
    variances, vectors = np.linalg.eigh(rows.T @ rows if tall else rows @ rows.T)  # of the smaller of the two
    variances, vectors = variances[::-1], vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(variances) / variances.sum(), explained * (1 - 1e-12))) + 1
    kept = min(kept, int((variances > 1e-12 * variances[0]).sum()))
    variances = variances[:kept]
    components = vectors[:, :kept] / np.sqrt(variances) if tall else rows.T @ vectors[:, :kept] / variances
    return components / scale[:, None], variances


def normalised_bias(deviations: Deviations, components: np.ndarray, resampling: Resampling) -> np.ndarray:
    """Return the bias of each fit in units of the PDF covariance, (B + 1, F), in K principal components (n, K).

    ``B = 1/K sum_k (v_k . (E[g] - f))^2 / lambda_k`` (arXiv:2503.17447). Expected: 1 on average over fits; the
    root of that average says by how much errors are too small. Basis and variances are not drawn anew in bootstraps.
    """
    biases = []
    for rows, weights in zip(deviations, resampling.replicas):
        mean = weights @ (rows @ components)
        biases.append((mean**2).mean(axis=1) / (1 + 1 / len(rows)))
    return np.array(biases).T


def chi2_of_means(whitened: Deviations, noise: np.ndarray) -> np.ndarray:
    """Return the chi2 (F,), summed over points, of the mean of each fit to its data, truth plus whitened ``noise`` (F, n)."""
    return np.array([((rows.mean(axis=0) - eta) ** 2).sum() for rows, eta in zip(whitened, noise)])


def n_sigma(chi2: np.ndarray, n: int) -> np.ndarray:
    """Return by how many standard deviations a chi2 (summed over ``n`` points) exceeds n: ``(chi2 - n) / sqrt(2 n)``."""
    return (chi2 - n) / np.sqrt(2 * n)
