"""What a runcard's data consist of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..data import left_out_points
from ..data.covariance import CORRELATED_WITHIN_SET, IGNORED, UNCORRELATED
from ..errors import at
from ..fit.operator import build_operator, compress
from ..fit.problem import build_problem, load_entry
from ..fit.two_hadrons import BilinearForm
from ..pdf.parametrisation import FIT_BASES
from ..runcard import ConstraintSet, DatasetInput, Runcard
from ..theory import load_dataset_theory, load_theory
from .chi2 import experiment_of

#: Columns that a narrow display may leave out, the least important one first.
DISPENSABLE = (
    "hadrons", "operation", "experiment", "cfac", "fk_tables", "multiplicative", "shared", "correlated", "uncorrelated",
    "variant",
)  # fmt: skip


def contents_table(card: Runcard) -> pd.DataFrame:
    """Tabulate the measurements and constraints of a runcard.

    Returns
    -------
    pandas.DataFrame
        One row per set: kind, name, variant, experiment, points before and after cuts, sources of uncertainty
        (uncorrelated, correlated within the set, shared with other sets; how many of them are multiplicative),
        operation, FK tables and hadrons in the initial state.

    Raises
    ------
    InputError
        If a set or its theory is missing or unreadable.
    """
    theory = load_theory(card.theory.theoryid)
    rows = []
    blocks: tuple[tuple[str, str, Sequence[DatasetInput | ConstraintSet]], ...] = (
        ("data", "dataset_inputs", card.dataset_inputs),
        ("positivity", "positivity.posdatasets", card.positivity.posdatasets),
        ("integrability", "integrability.integdatasets", card.integrability.integdatasets),
    )
    for kind, key, entries in blocks:
        for i, entry in enumerate(entries):
            with at(f"{key}[{i}]"):
                dataset = load_entry(entry, card, theory.parameters)
                if kind == "data" and card.left_out:
                    dataset = dataset.select(np.flatnonzero(~left_out_points(dataset, card.left_out)))
                predicted = load_dataset_theory(dataset, theory)
            sources = dataset.uncertainties.kind
            used = ~np.isin(sources, IGNORED)
            uncorrelated = np.isin(sources, UNCORRELATED)
            within = np.isin(sources, CORRELATED_WITHIN_SET)
            rows.append(
                {
                    "kind": kind,
                    "name": dataset.name,
                    "variant": " ".join(dataset.variants),
                    "experiment": experiment_of(dataset.name),
                    "points": dataset.ndata_total,
                    "kept": len(dataset.kept),
                    "uncorrelated": int(uncorrelated.sum()),
                    "correlated": int(within.sum()),
                    "shared": int((used & ~uncorrelated & ~within).sum()),
                    "multiplicative": int((used & (dataset.uncertainties.treatment == "MULT")).sum()),
                    "operation": predicted.operation,
                    "hadrons": max(operand.n_hadrons for operand in predicted.operands),
                    "cfac": " ".join(dataset.cfac),
                    "fk_tables": " ".join(name for operand in dataset.theory.fk_tables for name in operand),
                }
            )
    return pd.DataFrame(rows)


def total(table: pd.DataFrame) -> str:
    """Return in words how much a contents table holds."""
    data = table[table.kind == "data"]
    words = [f"{len(data)} sets, {data.kept.sum()} of {data.points.sum()} points kept"]
    for kind, rows in table[table.kind != "data"].groupby("kind", sort=False):
        words.append(f"{len(rows)} {kind} set{'s' if len(rows) > 1 else ''}")
    return "; ".join(words)


def operator_summary(card: Runcard) -> str:
    """Return in words what compressing the theory keeps, drops and saves (``fit.operator``)."""
    problem = build_problem(card)
    operator = build_operator(problem, FIT_BASES[card.fitting.fitbasis].columns, card.operator_tolerance)
    n, columns = operator.n_data, operator.rows.shape[1]
    words = [f"theory operator: {n} x {columns}, {operator.n_nonlinear} points not linear"]
    compression = compress(operator, problem, card.operator_tolerance).compression
    if compression is None:
        return "\n".join([*words, "not compressed"])
    rank = len(compression.right)
    products = operator.rows.size - n * columns + rank * (n + columns)
    saving = f"{products / operator.rows.size:.0%} of the operations"
    words.append(f"compressed to rank {rank}: changes below {compression.error:.1e} sigma, {saving}")
    observables = (*operator.nonlinear, *operator.positivity.observables, *operator.integrability.observables)
    forms = [o for observable in observables for o in observable.operands if isinstance(o, BilinearForm)]
    if forms:
        ranks = [form.cores.shape[1] for form in forms]
        points = sum(len(form.cores) for form in forms)
        size = sum(columns * rank + form.cores.size for form, rank in zip(forms, ranks))
        words.append(
            f"two-hadron tables: {len(forms)} of {points} points together, {columns} x {columns} forms reduced to rank "
            f"{min(ranks)} to {max(ranks)}: changes below {max(form.error for form in forms):.1e} sigma, "
            f"{size / (points * columns**2):.2%} of the numbers"
        )
    return "\n".join(words)
