"""What a runcard's data consist of."""

import pandas as pd

from ..data import cut_indices, load_dataset
from ..runcard import Runcard
from ..theory import load_dataset_theory, load_theory


def contents_table(card: Runcard) -> pd.DataFrame:
    """Tabulate the measurements and constraints of a runcard.

    Returns
    -------
    pandas.DataFrame
        One row per set: kind, name, variant, experiment, points before and after cuts, number of uncorrelated and
        correlated sources (and how many are multiplicative), operation, FK tables and hadrons in the initial state.

    Raises
    ------
    InputError
        If a set or its theory is missing or unreadable.
    """
    theory = load_theory(card.theory.theoryid)
    rows = []
    for kind, entries in (
        ("data", card.dataset_inputs),
        ("positivity", card.positivity.posdatasets),
        ("integrability", card.integrability.integdatasets),
    ):
        for entry in entries:
            uncut = load_dataset(entry.dataset, entry.variant, cfac=getattr(entry, "cfac", ()))
            dataset = uncut.select(cut_indices(uncut, card.datacuts, card.added_filter_rules, theory.parameters))
            sources = dataset.uncertainties
            uncorrelated = [kind in ("UNCORR", "THEORYUNCORR") for kind in sources.kind]
            predicted = load_dataset_theory(dataset, theory)
            rows.append(
                {
                    "kind": kind,
                    "name": dataset.name,
                    "variant": " ".join(dataset.variants),
                    "experiment": dataset.experiment,
                    "points": dataset.ndata_total,
                    "kept": len(dataset.kept),
                    "uncorrelated": sum(uncorrelated),
                    "correlated": len(uncorrelated) - sum(uncorrelated),
                    "multiplicative": int((sources.treatment == "MULT").sum()),
                    "operation": predicted.operation,
                    "hadrons": max(operand.n_hadrons for operand in predicted.operands),
                    "fk_tables": " ".join(name for operand in dataset.theory.fk_tables for name in operand),
                    "cfac": " ".join(dataset.cfac),
                }
            )
    return pd.DataFrame(rows)
