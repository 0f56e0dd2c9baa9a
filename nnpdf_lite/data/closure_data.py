"""Data of a closure test: noise around a known truth, and uncertainties that the fit gets wrong."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.special import ndtri

from .catalogue import is_named
from .covariance import CORRELATED_WITHIN_SET, IGNORED, UNCORRELATED, absolute_errors, numbered
from .dataset import Dataset


class InconsistentData(Protocol):
    """Which uncertainties are rescaled (``inconsistent_data_settings`` of a runcard)."""

    @property
    def treatment_names(self) -> Sequence[str]: ...
    @property
    def names_uncertainties(self) -> Sequence[str]: ...
    @property
    def inconsistent_datasets(self) -> Sequence[str]: ...
    @property
    def sys_rescaling_factor(self) -> float: ...


def level1_noise(datasets: Sequence[Dataset], truth: np.ndarray, filterseed: int) -> np.ndarray:
    """Draw the noise (N,) that turns the truth into data of level 1.

    Its covariance is that of the data with multiplicative errors relative to the truth, as in validphys
    (``make_level1_data``). It is drawn source by source, ``eta_i = sum_s sigma_is z_s``, each ``z_s`` a function of the
    seed and the names of source and set alone: a set has the same data whichever other sets are fitted, and whatever is
    cut.

    Parameters
    ----------
    datasets : sequence of Dataset
        After cuts, with the uncertainties that nature obeys.
    truth : (N,) predictions of the truth
    filterseed : int
    """
    noise, start = [], 0
    for dataset in datasets:
        errors = absolute_errors(dataset, truth[start : start + len(dataset)])
        start += len(dataset)
        kind = dataset.uncertainties.kind
        uncorrelated, within = np.isin(kind, UNCORRELATED), np.isin(kind, CORRELATED_WITHIN_SET)
        across = ~(uncorrelated | within | np.isin(kind, IGNORED))
        own = np.random.default_rng(_digest(filterseed, dataset.name))
        each = own.standard_normal(dataset.ndata_total)[dataset.kept]
        common = [_digest(filterseed, f"{name} {n}") for name, n in numbered(kind[across])]
        noise.append(
            np.sqrt((errors[:, uncorrelated] ** 2).sum(axis=1)) * each
            + errors[:, within] @ own.standard_normal(within.sum())
            + errors[:, across] @ ndtri((np.array(common, float) + 0.5) / 2**64)
        )
    return np.concatenate(noise)


def _digest(filterseed: int, name: str) -> int:
    """Return 64 random bits, a function of seed and name alone; a generator for each of thousands of names is slow."""
    return int.from_bytes(hashlib.blake2b(f"level1_noise {filterseed} {name}".encode(), digest_size=8).digest(), "big")


def with_central(datasets: Sequence[Dataset], central: np.ndarray) -> tuple[Dataset, ...]:
    """Return the sets with other central values (N,); multiplicative errors keep their relative size."""
    blocks = np.split(central, np.cumsum([len(dataset) for dataset in datasets])[:-1])
    return tuple(
        dataclasses.replace(
            dataset,
            central=block,
            uncertainties=dataclasses.replace(dataset.uncertainties, values=absolute_errors(dataset, block)),
        )
        for dataset, block in zip(datasets, blocks)
    )


def rescale_uncertainties(dataset: Dataset, settings: InconsistentData) -> Dataset:
    """Return the set with the systematic errors of an inconsistent closure test rescaled (arXiv:2503.17447).

    As in validphys, the names are kinds of sources, SPECIAL stands for all that correlate sets, and the error called
    ``stat`` is left alone.
    """
    if not is_named(dataset.name, settings.inconsistent_datasets):
        return dataset
    sources = dataset.uncertainties
    local = np.isin(sources.kind, (*UNCORRELATED, *CORRELATED_WITHIN_SET, *IGNORED))
    chosen = np.isin(sources.kind, settings.names_uncertainties)
    if "SPECIAL" in settings.names_uncertainties:
        chosen |= ~local
    chosen &= np.isin(sources.treatment, settings.treatment_names) & (sources.names != "stat")
    values = np.where(chosen, settings.sys_rescaling_factor, 1.0) * sources.values
    return dataclasses.replace(dataset, uncertainties=dataclasses.replace(sources, values=values))
