"""Finding inconsistent data: n_sigma of each set, and the weighted fits of arXiv:2503.17447, section 4."""

import numpy as np
import pandas as pd

from ..errors import InputError, nearest
from ..fit.problem import measured_problem
from ..runcard import Runcard
from .estimators import chi2_of_means, n_sigma, whiten
from .sample import ClosureSample

#: Thresholds of n_sigma that are tabulated; the field flags sets above 2.
THRESHOLDS = (1.0, 1.5, 2.0, 2.5, 3.0)


def n_sigma_table(sample: ClosureSample) -> pd.DataFrame:
    """Return ``n_sigma = (chi2 - n) / sqrt(2 n)`` of the mean PDF of each fit (columns) on each set it fitted (rows).

    The chi2 is that to the data of the fit, with the uncertainties the fit believes in and no weights.
    """
    noise = sample.central - sample.truth
    found = {}
    for name in dict.fromkeys(sample.datasets[sample.fitted]):
        chosen = (sample.datasets == name) & sample.fitted
        factor = np.linalg.cholesky(sample.covmat[np.ix_(chosen, chosen)])
        deviations, (eta,) = whiten([d[:, chosen] for d in sample.deviations], factor), whiten([noise[:, chosen]], factor)
        found[name] = n_sigma(chi2_of_means(deviations, eta), int(chosen.sum()))
    return pd.DataFrame(found, index=list(sample.names)).T


def weighted_card(card: Runcard, dataset: str) -> Runcard:
    """Return the card of the weighted fit that tests a set: its weight is that of all data, N / N_set.

    Raises
    ------
    InputError
        If the set is not fitted.
    """
    names = [entry.dataset for entry in card.dataset_inputs]
    problem = measured_problem(card)
    sizes = {d.name: len(d) for d in problem.datasets}
    if dataset not in names or dataset not in sizes:
        raise InputError(f"--weight {dataset}: not a dataset that is fitted.{nearest(dataset, names)}")
    weight = problem.n_data / sizes[dataset]
    entries = [
        entry.model_copy(update={"weight": weight}) if entry.dataset == dataset else entry for entry in card.dataset_inputs
    ]
    return card.model_copy(update={"dataset_inputs": tuple(entries)})


def inconsistent_fits(reference: pd.DataFrame, weighted: pd.DataFrame, dataset: str, z: float) -> pd.DataFrame:
    """Return which fits call a set inconsistent at threshold ``z``, one row per fit.

    A set is a candidate where its n_sigma exceeds z (``candidate``, S1 of the paper). The fit in which it has a large
    weight then says whether it can be described at all (if not, ``not_described``, S2), and whether that costs the
    others (``tension``, S3: n_sigma of another set grows by more than z). ``inconsistent`` is the paper's C2, (S1 and S3)
    or S2, ``inconsistent_any`` its C3, S2 or S3, which also finds sets that look fine by themselves.

    Parameters
    ----------
    reference, weighted : pandas.DataFrame
        `n_sigma_table` of the same fits without and with the weight.
    dataset : str
    z : float
    """
    weighted = weighted[reference.columns]
    others = weighted.drop(index=dataset) - reference.drop(index=dataset)
    candidate = reference.loc[dataset] > z
    not_described = weighted.loc[dataset] > z
    tension = (others > z).any()
    return pd.DataFrame(
        {
            "candidate": candidate,
            "not_described": not_described,
            "tension": tension,
            "inconsistent": (candidate & tension) | not_described,
            "inconsistent_any": tension | not_described,
        }
    )


def weighted_fit_table(reference: ClosureSample, weighted: ClosureSample) -> pd.DataFrame:
    """Tabulate in which fraction of the fits the weighted set is called inconsistent, for each of `THRESHOLDS`.

    Raises
    ------
    InputError
        Unless the two tests have the same fits, and differ in the weight of one set.
    """
    weights = [{entry.dataset: entry.weight for entry in s.card.dataset_inputs} for s in (reference, weighted)]
    changed = [name for name in weights[1] if weights[1][name] != weights[0].get(name)]
    if len(changed) != 1:
        which = ", ".join(changed) or "none"
        raise InputError(f"--weighted: the weight of one set must differ between the two tests; it does for {which}")
    if not np.array_equal(reference.central, weighted.central):
        raise InputError("--weighted: the two tests have not the same data; expected the same filterseed and fits")
    tables = n_sigma_table(reference), n_sigma_table(weighted)
    rows = [inconsistent_fits(*tables, changed[0], z).mean().rename(z) for z in THRESHOLDS]
    table = pd.DataFrame(rows)
    table.insert(0, "n_sigma above", THRESHOLDS)
    table.insert(0, "dataset", changed[0])
    return table.reset_index(drop=True)
