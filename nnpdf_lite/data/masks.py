"""Which points of a replica train it and which validate it."""

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .dataset import Dataset
from .pseudodata import replica_generator


def training_mask(
    datasets: Sequence[Dataset],
    trvlseed: int,
    number: int,
    *,
    diagonal_basis: bool,
    diagonal_frac: float,
) -> np.ndarray:
    """Draw training mask ``number`` (N,), by default a replica's own; the rest validates.

    In the diagonal basis ``diagonal_frac`` of all whitened points are taken at random, otherwise ``frac`` of the points
    of each dataset (a set too small for one point gives one with probability ``frac``, as in n3fit).

    Raises
    ------
    InputError
        If no point is left to train on, or none to validate with.
    """
    rng = replica_generator(trvlseed, number, "mask")
    groups = [(sum(len(d.kept) for d in datasets), diagonal_frac)] if diagonal_basis else [
        (len(d.kept), d.frac) for d in datasets
    ]  # fmt: skip
    mask = np.concatenate([_choose(n, frac, rng) for n, frac in groups])
    if mask.all() or not mask.any():
        key = "diagonal_frac" if diagonal_basis else "dataset_inputs.frac"
        which = "validation" if mask.all() else "training"
        raise InputError(f"{key}: leaves no {which} point of {len(mask)}; expected a fraction that leaves some of both")
    return mask


def _choose(n: int, frac: float, rng: np.random.Generator) -> np.ndarray:
    taken = int(n * frac) or int(rng.random() < frac)
    mask = np.zeros(n, dtype=bool)
    mask[rng.permutation(n)[:taken]] = True
    return mask
