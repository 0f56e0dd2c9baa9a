"""The problem a fit solves: data, covariance, theory and constraints, and nothing about how it is solved."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..data import Dataset, cholesky, covariance, cut_indices, load_dataset
from ..errors import InputError, at
from ..pdf.lhapdf_set import load_pdf_set, split_member
from ..runcard import Runcard
from ..theory import DatasetTheory, TheoryCard, load_dataset_theory, load_theory, predict


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


def load_data(card: Runcard, theory: TheoryCard) -> list[Dataset]:
    """Load the runcard's datasets and cut them.

    Raises
    ------
    InputError
        If a set cannot be loaded or the cuts leave nothing.
    """
    datasets = []
    for i, entry in enumerate(card.dataset_inputs):
        with at(f"dataset_inputs[{i}]"):
            uncut = load_dataset(
                entry.dataset, entry.variant, cfac=entry.cfac, frac=entry.frac, weight=entry.weight
            )
            datasets.append(uncut.select(_cut(uncut, card, theory)))
    if not sum(len(dataset.kept) for dataset in datasets):
        raise InputError(
            f"datacuts: q2min = {card.datacuts.q2min}, w2min = {card.datacuts.w2min} and the filter rules leave no data"
        )
    return datasets


def _cut(dataset: Dataset, card: Runcard, theory: TheoryCard) -> np.ndarray:
    return cut_indices(dataset, card.datacuts, card.added_filter_rules, theory.parameters)


def load_constraints(entries: Iterable, key: str, card: Runcard, theory: TheoryCard) -> tuple[Constraint, ...]:
    """Load the positivity or integrability sets under ``key``; only the card's added filter rules cut them."""
    constraints = []
    for i, entry in enumerate(entries):
        with at(f"{key}[{i}]"):
            uncut = load_dataset(entry.dataset, entry.variant)
            dataset = uncut.select(_cut(uncut, card, theory))
            constraints.append(Constraint(entry.dataset, load_dataset_theory(dataset, theory), float(entry.maxlambda)))
    return tuple(constraints)


def build_problem(card: Runcard) -> Problem:
    """Assemble the problem of a runcard.

    Raises
    ------
    InputError
        For anything missing, unreadable or inconsistent, named.
    """
    theory = load_theory(card.theory.theoryid)
    datasets = [dataset for dataset in load_data(card, theory) if len(dataset.kept)]
    theories = [load_dataset_theory(dataset, theory) for dataset in datasets]
    for dataset, predicted in zip(datasets, theories):
        _check_predicted(dataset, predicted, theory)
    order = sorted(range(len(datasets)), key=lambda i: not theories[i].is_linear)
    datasets, theories = [datasets[i] for i in order], [theories[i] for i in order]
    positivity = load_constraints(card.positivity.posdatasets, "positivity.posdatasets", card, theory)
    integrability = load_constraints(
        card.integrability.integdatasets, "integrability.integdatasets", card, theory
    )
    with at("datacuts.t0pdfset"):
        t0 = t0_predictions(card.datacuts.t0pdfset, theories, theory) if card.datacuts.t0pdfset else None
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
