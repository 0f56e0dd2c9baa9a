"""The fit itself: its summary, how it was trained, its runcard, and whom to cite."""

import itertools

import numpy as np
import pandas as pd

from ...errors import InputError
from ...fit.problem import Constraint
from ...results.ensemble import Ensemble
from ...results.run import versions
from ...theory import predict
from ..figures import (
    history_table,
    positivity_range,
    replica_chi2,
    stopping_epochs,
    training_curves,
    training_validation,
)
from ..page import Code, Figure, Folded, Item, Table, Text
from ..study import Study
from .pdfs import overview_figure

#: Method, formats and tools whatever the data are: what for, reference, where. Those of CITATION.cff are among them.
WORKS = (
    ("method, collection of data", "NNPDF, Eur. Phys. J. C 82 (2022) 428", "https://arxiv.org/abs/2109.02653"),
    ("formats, runcards, metadata", "NNPDF, Eur. Phys. J. C 81 (2021) 958", "https://arxiv.org/abs/2109.02671"),
    ("evolution", "HOPPET: Salam, Rojo, Comput. Phys. Commun. 180 (2009) 120", "https://arxiv.org/abs/0804.3755"),
    ("predictions", "PineAPPL: Carrazza, Nocera, Schwan, Zaro, JHEP 12 (2020) 108", "https://arxiv.org/abs/2008.12789"),
    ("format of PDF sets", "LHAPDF6: Buckley et al., Eur. Phys. J. C 75 (2015) 132", "https://arxiv.org/abs/1412.7420"),
    ("t0 covariance", "NNPDF, JHEP 05 (2010) 075", "https://arxiv.org/abs/0912.2276"),
    ("positivity", "Candido, Forte, Hekhorn, JHEP 11 (2020) 129", "https://arxiv.org/abs/2006.07377"),
)


def summary(study: Study) -> tuple[Item, ...]:
    """What was fitted, how well, with how many replicas, in what time, by which versions."""
    fit, card = study.fit, study.fit.runcard
    replicas = fit.replicas()
    kept = replicas[replicas.kept]
    total = study.chi2[0].set_index("level").loc["total"]
    kinds = {"χ²/N, t0 covariance": "chi2_t0", "χ²/N, experimental covariance": "chi2_exp"}
    rows = [(name, total[f"{kind} {study.name}"]) for name, kind in kinds.items()]
    facts = [(name, f"{value:.4f}") for name, value in rows if np.isfinite(value)]
    facts += [
        ("points, datasets", f"{study.problem.n_data}, {len(study.problem.datasets)}"),
        ("replicas kept", f"{len(kept)} of {len(replicas)}"),
        ("χ²/N of a replica, median", f"{kept.chi2.median():.3f}"),
        ("training, validation χ²/N", f"{kept.training.median():.3f}, {kept.validation.median():.3f}"),
        ("best epoch, median", f"{kept.best_epoch.median():.0f} of {card.parameters.epochs}"),
        *_time(study),
        ("theory", f"{card.theory.theoryid}, Q₀ = {study.q0:.4g} GeV"),
        ("t0 set", card.datacuts.t0pdfset or "none"),
    ]
    items: list[Item] = [Table("facts", "", pd.DataFrame(facts, columns=["what", "value"]), facts=True)]
    try:
        items.append(overview_figure(study))
    except InputError as error:
        items.append(Text(str(error), "missing"))
    vetoed = fit.selection.table()
    vetoed = vetoed[vetoed.failed > 0].reset_index(drop=True)
    if len(vetoed):
        items.append(Table("vetoes", "replicas dropped by postfit, by veto (one may fail several)", vetoed))
    versions = _versions(study)
    inside = (Table("versions", "of the packages that trained the replicas", versions),)
    return (*items, Folded("Versions", inside))


def _time(study: Study) -> list[tuple[str, str]]:
    timings = [record.timing for record in study.fit.all_replicas.records if record.timing]
    if not timings:
        return []
    longest = max(timing.get("loading", 0) + timing.get("training", 0) for timing in timings)
    return [("time until the last replica", f"{longest:.0f} s")]


def _versions(study: Study) -> pd.DataFrame:
    records = study.fit.all_replicas.records
    packages = sorted({name for record in records for name in record.versions})
    rows = [(name, ", ".join(sorted({r.versions[name] for r in records if name in r.versions}))) for name in packages]
    return pd.DataFrame(rows, columns=["package", "version"])


def training_figure(study: Study) -> Figure:
    """Training and validation chi2 against epochs."""
    table = history_table(study.fit.all_replicas.records)
    return Figure("training-curves", "training and validation χ²/N of every replica", training_curves, table)


def stopping_figure(study: Study) -> Figure:
    """Epochs at which replicas are best and stop."""
    return Figure("stopping", "best and last epochs", stopping_epochs, study.fit.replicas())


def validation_figure(study: Study) -> Figure:
    """Training against validation chi2."""
    return Figure("training-validation", "χ²/N at the best epoch", training_validation, study.fit.replicas())


def replica_chi2_figure(study: Study) -> Figure:
    """chi2 of every replica to the central data."""
    return Figure("replica-chi2", "χ²/N of replicas to the central data", replica_chi2, study.fit.replicas())


def positivity_figure(study: Study) -> Figure:
    """Smallest values of the positivity observables."""
    table = _smallest(study)
    height = 1.2 + 0.26 * table.set.nunique()
    return Figure(
        "positivity",
        "smallest value of each positivity set, a dot per kept replica",
        positivity_range,
        table,
        {},
        (5.2, height),
    )


def training(study: Study) -> tuple[Item, ...]:
    """How training went."""
    figures = [stopping_figure(study), validation_figure(study), replica_chi2_figure(study)]
    items: list[Item] = []
    if any(len(record.history) for record in study.fit.all_replicas.records):
        figures.insert(0, training_figure(study))
    else:
        items.append(Text("There are no training curves: the fit did not record them.", "missing"))
    if study.problem.positivity:
        figures.append(positivity_figure(study))
    else:
        items.append(Text("The runcard has no positivity sets.", "missing"))
    return (
        *figures,
        *items,
        Table(
            "replicas",
            "every replica; χ²/N",
            study.fit.replicas(),
            dict.fromkeys(("training", "validation", "chi2"), ".3f"),
        ),
    )


def _smallest(study: Study) -> pd.DataFrame:
    """Return the smallest prediction over the points of each positivity set for every kept replica."""
    ensemble, constraints = study.fit.ensemble, study.problem.positivity
    values = predict([constraint.theory for constraint in constraints], ensemble.at)
    sizes = [len(constraint.theory.operands[0].table) for constraint in constraints]
    ends = list(itertools.accumulate(sizes, initial=0))
    tables = [_smallest_of(c, values[:, a:b], ensemble) for c, (a, b) in zip(constraints, itertools.pairwise(ends))]
    return pd.concat(tables, ignore_index=True)


def _smallest_of(constraint: Constraint, values: np.ndarray, ensemble: Ensemble) -> pd.DataFrame:
    relative = values.min(axis=1) / np.abs(values).mean()
    return pd.DataFrame(
        {"set": constraint.name, "replica": [r.replica for r in ensemble.records], "smallest": relative}
    )


def runcard(study: Study) -> tuple[Item, ...]:
    """The runcard with every default."""
    return (Code("filter.yml", study.fit.runcard.dump()),)


def cite(study: Study) -> tuple[Item, ...]:
    """Whom to cite for method and tools; the data have their own table."""
    works = pd.DataFrame(WORKS, columns=["for", "reference", "link"])
    known = versions()["nnpdf_lite"]
    name = f"nnpdf_lite {known}" if known[0].isdigit() else "nnpdf_lite"
    return (
        Text(f"{name}: its CITATION.cff says how to cite it."),
        Table("works", "cite these, and the experiments", works),
    )
