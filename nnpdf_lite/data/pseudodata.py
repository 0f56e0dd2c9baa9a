"""Pseudo-data: the fluctuations of the data that carry its uncertainty into the PDFs."""

import numpy as np

# A random stream for each thing drawn per replica, so that streams differ even when runcard seeds are equal.
STREAMS = ("pseudodata", "mask", "initial_weights", "preprocessing", "dropout")


def replica_generator(seed: int, replica: int, stream: str) -> np.random.Generator:
    """Return the random generator of one replica for one purpose: a function of the three arguments alone.

    Parameters
    ----------
    seed
        The runcard's seed for this purpose.
    replica
        Replica number.
    stream
        One of `STREAMS`.
    """
    sequence = np.random.SeedSequence([seed, replica], spawn_key=(STREAMS.index(stream),))
    return np.random.default_rng(sequence)


def pseudodata(
    central: np.ndarray, cholesky: np.ndarray, mcseed: int, replica: int, genrep: bool = True
) -> np.ndarray:
    """Return the data of one replica, ``D + L z`` with ``z`` standard normal.

    Parameters
    ----------
    central
        (N,) central values D.
    cholesky
        (N, N) lower triangular factor L of the covariance matrix, with t0 errors in a fit.
    mcseed, replica
        Replica k depends on these two alone, not on which other replicas are made.
    genrep
        False leaves the central values as they are; replica 0 always does.

    Returns
    -------
    numpy.ndarray
        (N,).
    """
    if replica == 0 or not genrep:
        return np.array(central, dtype=np.float64)
    return central + cholesky @ replica_generator(mcseed, replica, "pseudodata").standard_normal(len(central))
