"""Finished closure tests of one truth, as the arrays that estimators see."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset, covariance, left_out_points
from ..errors import InputError
from ..fit.problem import Problem, closure_problem, measured_problem, truth_predictions
from ..results.chi2 import experiment_of
from ..results.ensemble import Ensemble
from ..results.fit import Fit, load_fit
from ..results.fit_folder import difference
from ..runcard import Runcard
from ..theory import predict
from .multifit import ClosureFolder, truth_pdf

#: What may differ between the fits of one test: seeds, and how many replicas are asked for.
FREE = ("replicas", "description", "maxcores", "debug", "trvlseed", "nnseed", "mcseed")


@dataclass(frozen=True)
class ClosureSample:
    """F closure tests of one truth; replicas are those that postfit keeps.

    Attributes
    ----------
    names : tuple of str
        Of the fits.
    card : Runcard
        Of the first fit.
    problem : Problem
        All data, those left out of the fits included, with the uncertainties the fit believes in and the central values
        of the first fit.
    fitted : (N,) bool array
        Which points were fitted.
    truth : (N,) array
        Predictions of the truth.
    central : (F, N) array
        Central values of each fit.
    predictions : tuple of F arrays (R_f, N)
    ensembles : tuple of F Ensemble
    """

    names: tuple[str, ...]
    card: Runcard
    problem: Problem
    fitted: np.ndarray
    truth: np.ndarray
    central: np.ndarray
    predictions: tuple[np.ndarray, ...]
    ensembles: tuple[Ensemble, ...]

    @property
    def sizes(self) -> list[int]:
        """Number of replicas of each fit."""
        return [len(rows) for rows in self.predictions]

    @property
    def deviations(self) -> list[np.ndarray]:
        """Predictions minus truth, F arrays (R_f, N)."""
        return [rows - self.truth for rows in self.predictions]

    @property
    def level(self) -> int:
        """Level of the closure test: 0, 1 or 2."""
        return int(self.card.closure.fakenoise) + int(self.card.genrep)

    @cached_property
    def covmat(self) -> np.ndarray:
        """(N, N) covariance the fit believes in, with multiplicative errors relative to the truth, and no weights."""
        return covariance(self.problem.datasets, self.truth)

    @cached_property
    def datasets(self) -> np.ndarray:
        """(N,) name of the set of each point."""
        return _names(self.problem.datasets)

    def groups(self) -> list[tuple[str, str, np.ndarray]]:
        """Return (level, name, which of the N points) of every dataset, every experiment and the total."""
        return groups_of(self.problem.datasets)

    def pdf_deviations(self, grid: Sequence[tuple[int, np.ndarray]]) -> list[np.ndarray]:
        """Return ``x f`` minus truth at Q0, F arrays (R_f, n), for a list of (evolution flavour, x (X,)).

        Differences are interpolated, not PDFs: values close to each other are known better than any interpolation.
        """
        x = np.unique(np.concatenate([points for _, points in grid]))
        rows = np.concatenate([np.searchsorted(x, points) for _, points in grid])
        columns = np.concatenate([np.full(len(points), flavour) for flavour, points in grid])
        q0 = self.problem.card.q0
        differences = [e.at(x, e.f - truth_pdf(self.card, q0, e.x)) for e in self.ensembles]
        return [(difference * x[:, None])[:, rows, columns] for difference in differences]


def groups_of(datasets: Sequence[Dataset]) -> list[tuple[str, str, np.ndarray]]:
    """Return (level, name, which of all points) of every dataset, every experiment and the total."""
    names = _names(datasets)
    experiments = np.array([experiment_of(name) for name in names])
    found = [("dataset", name, names == name) for name in dict.fromkeys(names.tolist())]
    found += [("experiment", name, experiments == name) for name in dict.fromkeys(experiments.tolist())]
    return [*found, ("total", "total", np.ones(len(names), bool))]


def _names(datasets: Sequence[Dataset]) -> np.ndarray:
    return np.repeat([dataset.name for dataset in datasets], [len(dataset) for dataset in datasets])


def find_fits(paths: Sequence[str | Path]) -> list[Fit]:
    """Return the fits in ``paths``: fit folders, or folders of multi-fit tests.

    Raises
    ------
    InputError
        If a path holds no fit.
    """
    fits = []
    for path in map(Path, paths):
        inside = ClosureFolder(path.expanduser().absolute()).fits() if not (path / "filter.yml").is_file() else []
        fits += [load_fit(folder.path) for folder in inside] or [load_fit(path)]
    return fits


def load_sample(paths: Sequence[str | Path]) -> ClosureSample:
    """Read closure tests of one truth that differ in their noise alone.

    Raises
    ------
    InputError
        If a folder holds no closure test, the tests differ in more than their seeds, or two have the same noise.
    """
    fits = find_fits(paths)
    first = fits[0]
    for fit in fits:
        _check_comparable(first, fit)
    _check_independent(fits)
    card = first.runcard
    measured = measured_problem(card, left_out=True)
    truth = truth_predictions(measured, card)
    problems = [closure_problem(measured, fit.runcard, truth) for fit in fits]
    ensembles = tuple(fit.ensemble for fit in fits)
    return ClosureSample(
        names=tuple(fit.folder.name for fit in fits),
        card=card,
        problem=problems[0],
        fitted=fitted_points(problems[0], card),
        truth=truth,
        central=np.array([problem.central for problem in problems]),
        predictions=tuple(predict(measured.theories, ensemble.at) for ensemble in ensembles),
        ensembles=ensembles,
    )


def fitted_points(problem: Problem, card: Runcard) -> np.ndarray:
    """Return which points (N,) of a problem that holds all data a card fits."""
    if card.left_out is None:
        return np.ones(problem.n_data, bool)
    return ~np.concatenate([left_out_points(dataset, card.left_out) for dataset in problem.datasets])


def _check_comparable(first: Fit, fit: Fit) -> None:
    if fit.runcard.closuretest is None:
        raise InputError(f"{fit.folder.path}: not a closure test (its filter.yml has no closuretest)")
    there, here = (_comparable(one.runcard) for one in (first, fit))
    found = difference(there, here)
    if found:
        raise InputError(
            f"{fit.folder.path}: differs from {first.folder.path} in more than its seeds ({found}); estimators need fits "
            "of one truth with one method"
        )


def _comparable(card: Runcard) -> dict[str, Any]:
    plain = card.model_dump(exclude=set(FREE))
    del plain["closuretest"]["filterseed"]
    return plain


def _check_independent(fits: Sequence[Fit]) -> None:
    seen: dict[int, Fit] = {}
    for fit in fits:
        seed = fit.runcard.closure.filterseed
        if seed in seen:
            raise InputError(
                f"{fit.folder.path} and {seen[seed].folder.path} have the same noise (closuretest.filterseed: {seed}); "
                "estimators need fits of independent data"
            )
        seen[seed] = fit
