"""Postfit: which replicas are kept.

Replicas that fail positivity, whose chi2 or arc length lies more than 4 standard deviations above the centre of those kept
(repeated until nothing more is dropped), or whose ``sum |x f|`` at small x exceeds 0.5, are vetoed (arXiv:1410.8849, app. B;
arXiv:2109.02653, sec. 3.3). For chi2 centre and deviation come from medians: replicas caught in a bad minimum lie far above all
others, and in a mean they would hide each other (of 20 replicas none can lie beyond 4.3 standard deviations).
"""

import json
import os
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError
from .ensemble import ARC_LENGTH_FLAVOURS, INTEGRABILITY_FLAVOURS, Ensemble
from .fit_folder import FitFolder, write_text

NSIGMA_CHI2 = 4.0
NSIGMA_ARC_LENGTH = 4.0
INTEGRABILITY_THRESHOLD = 0.5
#: Standard deviation of a normal distribution over its median absolute deviation.
GAUSSIAN_MAD = 1.4826


@dataclass(frozen=True)
class Selection:
    """Result of the vetoes.

    Attributes
    ----------
    kept : (R,) bool array
    vetoes : dict of name to (R,) bool array
        True where a replica passes that veto.
    replicas : (R,) int array
    """

    kept: np.ndarray
    vetoes: dict[str, np.ndarray]
    replicas: np.ndarray

    def table(self) -> pd.DataFrame:
        """One row per veto: replicas that fail it."""
        rows = [
            {"veto": name, "failed": int((~passed).sum()), "replicas": " ".join(map(str, self.replicas[~passed]))}
            for name, passed in self.vetoes.items()
        ]
        return pd.DataFrame(rows)


def select(ensemble: Ensemble) -> Selection:
    """Apply all vetoes to an ensemble."""
    records = ensemble.records
    vetoes = {"positivity": np.array([r.passed_positivity for r in records])}
    numbers = np.array([(r.chi2, *r.arc_lengths, *r.integrability) for r in records])
    vetoes["finite"] = np.isfinite(ensemble.f).all(axis=(1, 2)) & np.isfinite(numbers).all(axis=1)
    for i, name in enumerate(INTEGRABILITY_FLAVOURS):
        vetoes[f"integrability {name}"] = np.array([r.integrability[i] for r in records]) <= INTEGRABILITY_THRESHOLD
    kept = np.all(list(vetoes.values()), axis=0)
    limits = {"chi2": (np.array([r.chi2 for r in records]), _median_limit)}
    for i, name in enumerate(ARC_LENGTH_FLAVOURS):
        limits[f"arc length {name}"] = (np.array([r.arc_lengths[i] for r in records]), _mean_limit)
    while True:
        passed = {name: ~(values > limit(values[kept])) for name, (values, limit) in limits.items()}
        remaining = kept & np.all(list(passed.values()), axis=0)
        if (remaining == kept).all():
            break
        kept = remaining
    return Selection(kept, {**vetoes, **passed}, np.array([r.replica for r in records]))


def _mean_limit(values: np.ndarray) -> float:
    """Return the largest value that is kept, from mean and standard deviation of those kept; infinite for fewer than two."""
    return values.mean() + NSIGMA_ARC_LENGTH * values.std() if len(values) > 1 else np.inf


def _median_limit(values: np.ndarray) -> float:
    """Return the largest value that is kept, from median and median absolute deviation; infinite for fewer than five."""
    if len(values) < 5:
        return np.inf
    median = np.median(values)
    return median + NSIGMA_CHI2 * GAUSSIAN_MAD * np.median(np.abs(values - median))


def run_postfit(folder: FitFolder, ensemble: Ensemble) -> Selection:
    """Select replicas and record them: ``postfit/veto_count.json`` and links ``postfit/replica_i`` to those kept.

    Raises
    ------
    InputError
        If no replica is left, or the folder cannot be written.
    """
    selection = select(ensemble)
    if not selection.kept.any():
        failed = ", ".join(f"{name} {int((~p).sum())}" for name, p in selection.vetoes.items() if not p.all())
        raise InputError(f"{folder.path}: postfit leaves none of {len(ensemble)} replicas (failed: {failed})")
    postfit = folder.path / "postfit"
    try:
        postfit.mkdir(exist_ok=True)
        for link in postfit.glob("replica_*"):
            if link.is_symlink():
                link.unlink()
        for i, number in enumerate(selection.replicas[selection.kept], start=1):
            os.symlink(os.path.join("..", "nnfit", f"replica_{number}"), postfit / f"replica_{i}")
        counts = {name: int(passed.sum()) for name, passed in selection.vetoes.items()}
        counts["Total"] = int(selection.kept.sum())
        record = {"passed": counts, "replicas": len(ensemble), "kept": selection.replicas[selection.kept].tolist()}
        write_text(postfit / "veto_count.json", json.dumps(record, indent=1))
    except OSError as error:
        raise InputError(f"{postfit}: cannot be written ({error.strerror or error})") from None
    return selection
