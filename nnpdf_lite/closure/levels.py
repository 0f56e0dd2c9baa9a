"""Where the uncertainty comes from: levels 0 and 1 against level 2 (arXiv:1410.8849).

Replicas of level 0 fit the same exact data and differ by what the data do not fix, the extrapolation uncertainty; those of
level 1 fit the same noisy data, and differ also by the many functions that do equally well; those of level 2 have noise of
their own, and carry the uncertainty of the data as well.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from ..results.ensemble import ARC_LENGTH_FLAVOURS, Ensemble
from .grids import column, flavour_grid
from .sample import load_sample

#: Momentum fractions outside the data that are looked at besides the field's.
EXTRAPOLATION = (1e-5, 1e-4)


def spread(ensembles: Sequence[Ensemble], flavour: str, x: np.ndarray) -> np.ndarray:
    """Return the standard deviation (X,) of the replicas of a flavour at ``x`` (X,), averaged over fits in quadrature."""
    variances = [e.at(x)[:, :, column(flavour)].var(axis=0, ddof=1) for e in ensembles]
    return np.sqrt(np.mean(variances, axis=0))


def levels_table(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Tabulate `uncertainty_ratios` of finished tests of several levels, fit folders or folders of multi-fit tests.

    Raises
    ------
    InputError
        Unless there is one of level 2 and one of another level.
    """
    samples = [load_sample([path]) for path in paths]
    levels = {sample.level: sample.ensembles for sample in samples}
    if 2 not in levels or len(levels) < 2:
        found = ", ".join(f"{path}: level {sample.level}" for path, sample in zip(paths, samples))
        raise InputError(f"--levels: expected a test of level 2 and others of level 0 or 1 ({found})")
    return uncertainty_ratios(levels)


def uncertainty_ratios(levels: Mapping[int, Sequence[Ensemble]], points: int = 4) -> pd.DataFrame:
    """Tabulate uncertainty and arc length of level 0 and 1 as ratios to level 2.

    Parameters
    ----------
    levels : dict of level to the ensembles of its fits
        Level 2 and at least one other.
    points : int
        Momentum fractions per flavour.

    Returns
    -------
    pandas.DataFrame
        ``quantity`` (sigma, arc length), ``flavour``, ``x`` (NaN for arc lengths), and ``level_0``, ``level_1``.
    """
    rows = []
    for name, grid in flavour_grid(points):
        x = np.concatenate([EXTRAPOLATION, grid])
        spreads = {level: spread(ensembles, name, x) for level, ensembles in levels.items()}
        ratios = {f"level_{level}": values / spreads[2] for level, values in spreads.items() if level != 2}
        rows += [
            {"quantity": "sigma", "flavour": name, "x": point, **{key: values[i] for key, values in ratios.items()}}
            for i, point in enumerate(x)
        ]
    lengths = {
        level: np.mean([np.mean([r.arc_lengths for r in e.records], axis=0) for e in ensembles], axis=0)
        for level, ensembles in levels.items()
    }
    for i, name in enumerate(ARC_LENGTH_FLAVOURS):
        ratios = {f"level_{level}": values[i] / lengths[2][i] for level, values in lengths.items() if level != 2}
        rows.append({"quantity": "arc length", "flavour": name, "x": np.nan, **ratios})
    return pd.DataFrame(rows)


def chi2_against_epochs(ensembles: Sequence[Ensemble]) -> pd.DataFrame:
    """Tabulate the training chi2 per point against epochs, which goes to zero at level 0 if the truth is in the model.

    Returns
    -------
    pandas.DataFrame
        ``epoch``, and over all replicas still training then ``median``, ``low`` and ``high`` (16% and 84%).
    """
    history = np.concatenate([record.history[:, :2] for e in ensembles for record in e.records])
    rows = []
    for epoch in np.unique(history[:, 0]):
        low, median, high = np.quantile(history[history[:, 0] == epoch, 1], [0.16, 0.5, 0.84])
        rows.append({"epoch": int(epoch), "median": median, "low": low, "high": high})
    return pd.DataFrame(rows)
