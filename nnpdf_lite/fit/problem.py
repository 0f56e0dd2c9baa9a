"""The problem a fit solves: data, covariance, theory and constraints, and nothing about how it is solved."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..data import (
    Dataset,
    cholesky,
    covariance,
    cut_indices,
    left_out_points,
    level1_noise,
    load_dataset,
    rescale_uncertainties,
    with_central,
)
from ..errors import InputError, at
from ..pdf.lhapdf_set import load_pdf_set, split_member
from ..runcard import ConstraintSet, DatasetInput, Runcard
from ..theory import DatasetTheory, TheoryCard, load_dataset_theory, load_theory, predict, require_files


@dataclass(frozen=True)
class Constraint:
    """A positivity or integrability set: a penalty on predictions rather than data.

    Attributes
    ----------
    name : str
    theory : DatasetTheory
    maxlambda : float
        Lagrange multiplier at the last epoch.
    """

    name: str
    theory: DatasetTheory
    maxlambda: float


@dataclass(frozen=True)
class Problem:
    """Everything a fit needs, in plain NumPy.

    Attributes
    ----------
    datasets : tuple of Dataset
        After cuts. Sets whose prediction is linear in the PDFs come first: whitening then leaves the others' columns
        confined to the last rows.
    theories : tuple of DatasetTheory
        In the same order.
    positivity, integrability : tuple of Constraint
    card : TheoryCard
    t0_predictions : (N,) array or None
        Predictions that multiplicative uncertainties are scaled to; None when the data are used.
    cholesky : (N, N) array
        Lower factor L of the covariance that the fit uses, C = L L^T, weights included.
    """

    datasets: tuple[Dataset, ...]
    theories: tuple[DatasetTheory, ...]
    positivity: tuple[Constraint, ...]
    integrability: tuple[Constraint, ...]
    card: TheoryCard
    t0_predictions: np.ndarray | None
    cholesky: np.ndarray

    @cached_property
    def central(self) -> np.ndarray:
        """Central values (N,)."""
        return np.concatenate([dataset.central for dataset in self.datasets])

    @property
    def n_data(self) -> int:
        """Number of points after cuts."""
        return len(self.central)

    @property
    def n_nonlinear(self) -> int:
        """Points, the last ones, whose prediction is not linear in the PDFs."""
        return sum(len(d.kept) for d, t in zip(self.datasets, self.theories) if not t.is_linear)


def load_data(card: Runcard, theory: TheoryCard, *, left_out: bool = False) -> list[Dataset]:
    """Load the runcard's datasets and cut them; without the points that ``left_out`` names, unless they are asked for.

    Raises
    ------
    InputError
        If a set cannot be loaded or the cuts leave nothing.
    """
    datasets = []
    for i, entry in enumerate(card.dataset_inputs):
        with at(f"dataset_inputs[{i}]"):
            dataset = load_entry(entry, card, theory.parameters)
            if card.left_out and not left_out:
                dataset = dataset.select(np.flatnonzero(~left_out_points(dataset, card.left_out)))
            datasets.append(dataset)
    if not sum(len(dataset.kept) for dataset in datasets):
        raise InputError(
            f"datacuts: q2min = {card.datacuts.q2min}, w2min = {card.datacuts.w2min} and the filter rules leave no data"
            + (" outside left_out" if card.left_out else "")
        )
    return datasets


def load_entry(entry: DatasetInput | ConstraintSet, card: Runcard, theory: Mapping[str, Any]) -> Dataset:
    """Load a measurement or constraint as the runcard lists it and cut it; ``theory`` are the parameters of its card.

    Raises
    ------
    InputError
        If the set cannot be loaded, or a filter rule is wrong.
    """
    settings = {key: getattr(entry, key) for key in ("sys", "cfac", "frac", "weight") if hasattr(entry, key)}
    uncut = load_dataset(entry.dataset, entry.variant, **settings)
    return uncut.select(cut_indices(uncut, card.datacuts, card.added_filter_rules, theory, card.drop_internal_rules))


def constraint_entries(card: Runcard) -> dict[str, tuple[ConstraintSet, ...]]:
    """Return the positivity and integrability sets of a card, by the key they stand under."""
    return {
        "positivity.posdatasets": card.positivity.posdatasets,
        "integrability.integdatasets": card.integrability.integdatasets,
    }


def _load_constraints(card: Runcard, theory: TheoryCard) -> dict[str, list[Dataset]]:
    loaded: dict[str, list[Dataset]] = {}
    for key, entries in constraint_entries(card).items():
        loaded[key] = []
        for i, entry in enumerate(entries):
            with at(f"{key}[{i}]"):
                loaded[key].append(load_entry(entry, card, theory.parameters))
    return loaded


def _constraints(key: str, datasets: Sequence[Dataset], card: Runcard, theory: TheoryCard) -> tuple[Constraint, ...]:
    made = []
    for i, (entry, dataset) in enumerate(zip(constraint_entries(card)[key], datasets)):
        with at(f"{key}[{i}]"):
            made.append(Constraint(entry.dataset, load_dataset_theory(dataset, theory), float(entry.maxlambda)))
    return tuple(made)


def build_problem(card: Runcard) -> Problem:
    """Assemble the problem of a runcard; that of a closure test holds the data made from its truth.

    Raises
    ------
    InputError
        For anything missing, unreadable or inconsistent, named.
    """
    measured = measured_problem(card)
    return closure_problem(measured, card, truth_predictions(measured, card)) if card.closuretest else measured


def measured_problem(card: Runcard, *, left_out: bool = False) -> Problem:
    """Assemble the problem of a runcard with the measured data, whatever its ``closuretest`` says.

    The points that its ``left_out`` names are there only when asked for.

    Raises
    ------
    InputError
        For anything missing, unreadable or inconsistent, named.
    """
    theory = load_theory(card.theory.theoryid)
    datasets = [dataset for dataset in load_data(card, theory, left_out=left_out) if len(dataset.kept)]
    constraints = _load_constraints(card, theory)
    require_files([*datasets, *itertools.chain(*constraints.values())], theory)
    theories = [load_dataset_theory(dataset, theory) for dataset in datasets]
    for dataset, predicted in zip(datasets, theories):
        _check_predicted(dataset, predicted, theory)
    order = sorted(range(len(datasets)), key=lambda i: not theories[i].is_linear)
    datasets, theories = [datasets[i] for i in order], [theories[i] for i in order]
    positivity, integrability = (_constraints(key, sets, card, theory) for key, sets in constraints.items())
    t0 = _t0(card, datasets, theories, theory)
    covmat = covariance(datasets, t0, use_weights=True)
    return Problem(
        tuple(datasets),
        tuple(theories),
        positivity,
        integrability,
        theory,
        t0,
        cholesky(covmat, _labels(datasets)),
    )


def _t0(
    card: Runcard, datasets: Sequence[Dataset], theories: Sequence[DatasetTheory], theory: TheoryCard
) -> np.ndarray | None:
    """Return the t0 predictions (N,), from ``t0theoryid`` where the card names one; None without a t0 set."""
    if not card.datacuts.t0pdfset:
        return None
    if card.theory.t0theoryid not in (None, card.theory.theoryid):
        with at("theory.t0theoryid"):
            theory, theories = other_theory(card.theory.t0theoryid, datasets)
    with at("datacuts.t0pdfset"):
        return t0_predictions(card.datacuts.t0pdfset, theories, theory)


def other_theory(theoryid: int | str, datasets: Sequence[Dataset]) -> tuple[TheoryCard, list[DatasetTheory]]:
    """Load the predictions of ``datasets`` from a theory beside that of the fit.

    Raises
    ------
    InputError
        If it, or what it predicts, is not complete.
    """
    theory = load_theory(theoryid)
    require_files(datasets, theory)
    theories = [load_dataset_theory(dataset, theory) for dataset in datasets]
    for dataset, predicted in zip(datasets, theories):
        _check_predicted(dataset, predicted, theory)
    return theory, theories


def truth_predictions(problem: Problem, card: Runcard) -> np.ndarray:
    """Predict the points (N,) of a problem with the truth of the card's closure test, from ``faketheoryid``.

    Raises
    ------
    InputError
        If the truth or its theory is missing, or does not cover what is needed.
    """
    settings = card.closure
    theory = problem.card
    theories: Sequence[DatasetTheory] = problem.theories
    if settings.faketheoryid is not None and settings.faketheoryid != card.theory.theoryid:
        with at("closuretest.faketheoryid"):
            theory, theories = other_theory(settings.faketheoryid, problem.datasets)
    with at("closuretest.fakepdf"):
        check_coverage(settings.fakepdf, theories, theory)
        return set_predictions(settings.fakepdf, theories, theory)[0]


def closure_problem(measured: Problem, card: Runcard, truth: np.ndarray) -> Problem:
    """Put the data of the card's closure test, around the truth's predictions (N,), in place of the measured ones.

    The noise has the uncertainties of the measurements; the fit uses those of an inconsistent closure test, if it is one.
    """
    central, fitted = truth, measured
    if card.closure.fakenoise:
        central = truth + level1_noise(measured.datasets, truth, card.closure.filterseed)
    if card.closure.inconsistent_fakedata and card.inconsistent_data_settings is not None:
        datasets = tuple(rescale_uncertainties(d, card.inconsistent_data_settings) for d in measured.datasets)
        fitted = _recorrelated(replace(measured, datasets=datasets))
    problem = with_data(fitted, central)
    return problem if problem.t0_predictions is not None else _recorrelated(problem)


def with_data(problem: Problem, central: np.ndarray) -> Problem:
    """Replace the central values (N,); the covariance of the fit, which t0 predictions define, stays."""
    return replace(problem, datasets=with_central(problem.datasets, central))


def _recorrelated(problem: Problem) -> Problem:
    covmat = covariance(problem.datasets, problem.t0_predictions, use_weights=True)
    return replace(problem, cholesky=cholesky(covmat, _labels(problem.datasets)))


def check_coverage(pdf: str, theories: Sequence[DatasetTheory], card: TheoryCard) -> None:
    """Raise InputError unless a PDF set has every parton of the theory at Q0 and reaches down to its smallest x."""
    lhapdf = load_pdf_set(split_member(pdf)[0])
    heavy = [4 + i for i, quark in enumerate("cb") if card.parameters[f"m{quark}"] < card.q0]
    needed = [21, *(sign * quark for quark in (1, 2, 3, *heavy) for sign in (1, -1))]
    missing = [pid for pid in needed if pid not in lhapdf.flavors]
    if missing:
        raise InputError(
            f"{pdf} holds the partons {', '.join(map(str, lhapdf.flavors))}, but not {', '.join(map(str, missing))}, "
            f"which theory '{card.name}' has at Q0 = {card.q0:g} GeV (PDG numbers)"
        )
    for theory in theories:
        for operand in theory.operands:
            smallest = operand.x_needed()
            if smallest < lhapdf.x_min * (1 - 1e-6):
                raise InputError(
                    f"{pdf} begins at x = {lhapdf.x_min:.3g}, but dataset '{theory.name}' needs PDFs down to "
                    f"x = {smallest:.3g}; choose another truth, or cut those points"
                )


def _check_predicted(dataset: Dataset, predicted: DatasetTheory, theory: TheoryCard) -> None:
    """Refuse points whose rows in the FK tables are empty: tables are often computed after the usual cuts only."""
    rows = [operand.table.reshape(len(operand.table), -1) for operand in predicted.operands]
    empty = np.flatnonzero(~np.any([table.any(axis=1) for table in rows], axis=0))
    if len(empty):
        first = dataset.kinematics.iloc[empty[0]]
        where = ", ".join(f"{name} = {value:.4g}" for name, value in first.items())
        raise InputError(
            f"dataset '{dataset.name}': the FK tables of theory '{theory.name}' are empty for {len(empty)} of the "
            f"{len(dataset.kept)} points that the cuts keep, the first being point {dataset.kept[empty[0]]} ({where}); "
            "expected cuts that leave what the tables predict (datacuts.q2min, datacuts.w2min, added_filter_rules)"
        )


def t0_predictions(pdf: str, theories: Sequence[DatasetTheory], card: TheoryCard) -> np.ndarray:
    """Predict all points (N,) with the central member of a PDF set (arXiv:0912.2276)."""
    return set_predictions(pdf, theories, card)[0]


def set_predictions(pdf: str, theories: Sequence[DatasetTheory], card: TheoryCard) -> np.ndarray:
    """Predict all points with a PDF set, ``NAME`` (its central member) or ``NAME/member``; returns (1, N)."""
    name, member = split_member(pdf)
    lhapdf = load_pdf_set(name)
    return predict(theories, lambda x: lhapdf.evolution_basis(x, card.q0, member or 0)[None])


def _labels(datasets: Sequence[Dataset]) -> list[str]:
    return [dataset.name for dataset in datasets for _ in dataset.kept]
