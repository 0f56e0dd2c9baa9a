"""Results of a closure test: the sample, its estimators and the verdict, and the files they are written to."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import InputError
from ..results.fit_folder import write_text
from .resampling import FEWEST_REPLICAS, Resampling
from .sample import ClosureSample
from .tables import EXPLAINED, estimator_table, wide
from .verdict import Verdict, judge

GROUPS = ("dataset", "experiment", "total")

#: Tables that are shown, by name: the space, the estimators in its columns and the levels in its rows.
SHOWN = {
    "data": ("data", ("R_bv", "xi_1", "xi_2", "pull_width", "R_b", "n_sigma", "chi2_exp_pdf"), GROUPS),
    "chi2": ("data", ("chi2", "bias", "variance", "noise", "cross", "delta_chi2"), GROUPS),
    "pdf": ("pdf", ("R_bv", "xi_1", "xi_2", "pull_width", "pull_mean"), ("flavour", "total")),
    "pdf_points": ("pdf", ("pull_mean", "pull_width", "xi_1"), ("point",)),
}


@dataclass(frozen=True)
class ClosureResults:
    """A closure test with its estimators.

    Attributes
    ----------
    sample : ClosureSample
    table : pandas.DataFrame
        Every estimator (`tables.estimator_table`).
    verdict : Verdict
    """

    sample: ClosureSample
    table: pd.DataFrame
    verdict: Verdict

    def shown(self, name: str) -> pd.DataFrame:
        """Return one of the tables of `SHOWN`, a row per group of points."""
        return wide(self.table, *SHOWN[name])

    def summary(self) -> dict:
        """Return everything but arrays, as plain values."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        verdict = {
            "passed": self.verdict.passed,
            "sentence": self.verdict.sentence,
            "details": self.verdict.details,
            "looks": self.verdict.looks,
            "threshold": None if self.verdict.passed is None else self.verdict.threshold,
        }
        sample, settings = self.sample, self.sample.card.inconsistent_data_settings
        return {
            "verdict": verdict,
            "level": sample.level,
            "inconsistent": settings
            and {"datasets": settings.inconsistent_datasets, "factor": settings.sys_rescaling_factor},
            "truth": sample.card.closure.fakepdf,
            "points": len(sample.truth),
            "fits": dict(zip(sample.names, sample.sizes)),
            "estimators": rows,
        }


def evaluate(
    sample: ClosureSample, samples: int = 200, *, points: int = 4, explained: float = EXPLAINED
) -> ClosureResults:
    """Compute every estimator of a sample, with errors from so many bootstrap samples, and judge them.

    ``points`` and ``explained`` are as for `tables.estimator_table`.

    Raises
    ------
    InputError
        If postfit leaves too few replicas of a fit.
    """
    for name, size in zip(sample.names, sample.sizes):
        if size < FEWEST_REPLICAS:
            raise InputError(
                f"{name}: postfit leaves {size} replicas; estimators need at least {FEWEST_REPLICAS} in each fit"
            )
    resampling = Resampling.draw(sample.sizes, samples)
    table = estimator_table(sample, resampling, points=points, explained=explained)
    return ClosureResults(sample, table, judge(table, len(sample.names)))


def write_results(results: ClosureResults, folder: Path) -> list[Path]:
    """Write ``estimators.json``, ``estimators.csv`` and the tables of `SHOWN`; returns the paths."""
    files = {
        "estimators.json": json.dumps(results.summary(), indent=1),
        "estimators.csv": results.table.to_csv(index=False),
        **{f"{name}.csv": results.shown(name).to_csv(index=False) for name in SHOWN},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_text(folder / name, text)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    return [folder / name for name in files]
