"""Impact of new data on a fit.

Reweighting follows Bayes' theorem: a replica f of the fit to old data counts by ``P(new data | f, old data)``. Where sources of
uncertainty are common to old and new data that is not the likelihood of the new data alone but ``exp(-(chi2(all) -
chi2(old))/2)``, with chi2 of all points and their full covariance; without common sources the two are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..ensembles import Members, PDFSet, load_set
from ..ensembles.reweighting import METHODS, Reweighting, chi2_of, reweight
from ..ensembles.sources import Track, silent
from ..errors import InputError
from ..fit.problem import Problem, build_problem
from ..results.fit import Fit, load_fit
from ..results.run import Watcher, run_fit
from ..runcard import Runcard
from .cards import with_data_added

#: Momentum fractions of curves: logarithmic below 0.1, linear above.
X = np.concatenate([np.geomspace(1e-5, 0.1, 25, endpoint=False), np.linspace(0.1, 0.9, 25)])
#: Effective replicas, and their fraction of all, below which a reweighted ensemble says little.
FEW, SMALL_FRACTION = 20, 0.1


@dataclass(frozen=True, eq=False)
class Impact:
    """What new data would do to a fit.

    Attributes
    ----------
    prior : PDFSet
        The fit.
    card : Runcard
        Its runcard with the data added.
    problem : Problem
        Of that runcard: N points, old and new.
    added : tuple of str
        Names of the new sets.
    weights : dict of method to Reweighting
        Of the fit's replicas.
    method : str
        Which of the weights the tables show.
    predictions : Members
        Of all points by the fit, (M, N).
    posterior : PDFSet or None
        The fit with the data added, if it was made.
    """

    prior: PDFSet
    card: Runcard
    problem: Problem
    added: tuple[str, ...]
    weights: dict[str, Reweighting]
    method: str
    predictions: Members = field(repr=False)
    posterior: PDFSet | None = None

    @property
    def reweighting(self) -> Reweighting:
        """The weights that are shown."""
        return self.weights[self.method]

    @cached_property
    def new_points(self) -> np.ndarray:
        """Which of the points (N,) are new."""
        return np.repeat([d.name in self.added for d in self.problem.datasets], [len(d) for d in self.problem.datasets])

    @cached_property
    def posterior_predictions(self) -> Members | None:
        """Of all points by the fit with the data added, (M, N)."""
        return None if self.posterior is None else self.posterior.predictions(self.problem)

    def central_predictions(self) -> dict[str, np.ndarray]:
        """Predictions (N,) before, after reweighting and, if there is one, by the new fit."""
        found = {"before": self.predictions.values[0], "reweighted": self.reweighting.mean(self.predictions.replicas)}
        refit = self.posterior_predictions
        return found if refit is None else found | {"refit": refit.values[0]}

    @property
    def is_reliable(self) -> bool:
        """Whether enough replicas are left for reweighting to mean something."""
        n = self.reweighting.n_effective
        return n >= FEW and n >= SMALL_FRACTION * len(self.reweighting.weights)

    def verdict(self) -> str:
        """Say in a sentence how far reweighting can be trusted."""
        n, of = self.reweighting.n_effective, len(self.reweighting.weights)
        left = f"{n:.1f} of {of} replicas are effective after reweighting"
        if self.is_reliable:
            return left
        why = f"fewer than {FEW}" if n < FEW else f"less than {SMALL_FRACTION:.0%}"
        return f"{left}, {why}: the new data say more than this ensemble can; {'rely on the refit' if self.posterior else 'fit again with --refit'}"


def estimate_impact(
    fit: "str | Path | Fit",
    data: Sequence[str],
    *,
    method: str = "giele-keller",
    posterior: "str | Path | Fit | None" = None,
    track: Track = silent,
) -> Impact:
    """Reweight a fit's replicas by new data.

    Parameters
    ----------
    fit
        Fit folder with its LHAPDF set, or a fit.
    data
        ``NAME`` or ``NAME:VARIANT`` of each new set; FK tables of the fit's theory predict them.
    method
        Weights that tables show: ``giele-keller``, what Bayes' theorem says, or ``nnpdf``.
    posterior
        A fit with the data added, for comparison (`refit` makes it).
    track
        Shows how far reading is.

    Raises
    ------
    InputError
        For data that are in the fit already, or cannot be loaded or predicted, or a fit without LHAPDF set.
    """
    prior = load_set(fit)
    if prior.fit is None:
        raise InputError(f"{fit}: is a PDF set; the impact of data is that on a fit (for a set: nnpdf-lite reweight)")
    if prior.errors.kind != "replicas":
        raise InputError(f"{prior.name}: holds {prior.errors}; expected two replicas or more")
    card = with_data_added(prior.fit.runcard, data, prior.name)
    problem = build_problem(card)
    old_names = {dataset.name for dataset in prior.fit.problem.datasets}
    added = tuple(dataset.name for dataset in problem.datasets if dataset.name not in old_names)
    cut = [text for text in data if not any(text.partition(":")[0].upper() == name.upper() for name in added)]
    if not added or (cut and len(added) < len(data)):
        raise InputError(
            f"--data {(cut or list(data))[0]}: the cuts of {prior.name} (q2min = {card.datacuts.q2min:g}, w2min = {card.datacuts.w2min:g}) "
            "leave none of its points"
        )
    predictions = prior.read(track).predictions(problem)
    old = ~np.repeat([d.name in added for d in problem.datasets], [len(d) for d in problem.datasets])
    chi2 = chi2_of(predictions.replicas, problem) - chi2_of(predictions.replicas[:, old], prior.fit.problem)
    weights = {name: reweight(chi2, int((~old).sum()), name) for name in METHODS}
    if method not in weights:
        reweight(chi2, 1, method)  # which says what is wrong
    other = None if posterior is None else load_set(posterior).read(track)
    return Impact(prior, card, problem, added, weights, method, predictions, other)


def refit(
    fit: "str | Path | Fit",
    data: Sequence[str],
    replicas: int | None = None,
    *,
    output: "str | Path | None" = None,
    watcher: Watcher | None = None,
) -> Fit:
    """Fit again with new data added, into a folder of its own, or go on with one that was begun.

    Parameters
    ----------
    fit, data
        As for `estimate_impact`.
    replicas
        How many; by default as many as the fit has.
    output
        Folder; by default ``FIT_with_NAME`` beside the fit.
    watcher
        Told how the fit proceeds.

    Returns
    -------
    Fit
        After postfit, with its LHAPDF set.
    """
    done = fit if isinstance(fit, Fit) else load_fit(fit)
    path = done.folder.path
    card = with_data_added(done.runcard, data, path.name)
    names = "_".join(text.partition(":")[0] for text in data)
    folder = Path(output) if output is not None else path.with_name(f"{path.name}_with_{names}")
    numbers = list(range(1, (replicas or len(done.folder.finished())) + 1))
    run_fit(card, folder, numbers, resume=folder.is_dir(), watcher=watcher)
    new = load_fit(folder)
    new.postfit()
    new.to_lhapdf(overwrite=True)
    return new
