"""Which trial comes next: the algorithms of the ``hyperopt`` library, told what the finished trials of a scan gave."""

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..errors import InputError
from ..runcard import Runcard
from .space import model_of, search_space
from .trial import RUNGS, Trial

#: By the names of ``--algorithm``: TPE (J. Bergstra et al., NIPS 24 (2011) 2546), random, annealing, adaptive TPE.
ALGORITHMS = ("tpe", "random", "anneal", "atpe")
#: Trials drawn at random before TPE begins, and before any is given up for doing worse than others.
STARTUP = 20
#: A trial is given up where its running loss is above this quantile of the earlier trials' at the same epoch.
QUANTILE = 0.75
#: What the algorithm is told of trials that have no loss: worse than any that has.
WORST = 1e6
_NEVER = datetime.fromtimestamp(0, timezone.utc)


class History:
    """The finished trials of a scan, and the next one."""

    def __init__(self, card: Runcard, algorithm: str, seed: int):
        from hyperopt import Trials
        from hyperopt.base import Domain

        if algorithm not in ALGORITHMS:
            raise InputError(f"--algorithm {algorithm}: expected one of {', '.join(ALGORITHMS)}")
        missing = [name for name in ("lightgbm", "sklearn") if algorithm == "atpe" and find_spec(name) is None]
        if missing:
            raise InputError("--algorithm atpe: needs lightgbm and scikit-learn (pip install lightgbm scikit-learn); or choose tpe")
        self.space, self.seed = search_space(card), seed
        self.pruning = card.kfold is None or card.kfold.pruning
        self.suggest = _algorithm(algorithm)
        self.domain = Domain(lambda point: 0.0, self.space)
        self.trials = Trials()
        self.told: set[int] = set()
        self.running: dict[int, list[float]] = {rung: [] for rung in RUNGS}

    def tell(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Take in finished trials; those known already are left out."""
        new = [trial for trial in trials if trial["trial"] not in self.told]
        self.told |= {trial["trial"] for trial in new}
        for trial in new:
            for epoch, loss in trial.get("running", {}).items():
                self.running.setdefault(int(epoch), []).append(np.inf if loss is None else loss)
        if new:
            self.trials.insert_trial_docs([self._document(trial) for trial in new])
            self.trials.refresh()

    def next(self, number: int) -> Trial:
        """Return trial ``number``: a function of the seed, the number and the trials told."""
        from hyperopt import space_eval

        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0] % 2**31)
        (document,) = self.suggest([number], self.domain, self.trials, seed)
        values = {label: _number(found[0]) for label, found in document["misc"]["vals"].items() if len(found)}
        return Trial(number, values, model_of(space_eval(self.space, values)), self._limits())

    def _limits(self) -> dict[int, float]:
        if not self.pruning:
            return {}
        return {
            epoch: float(np.quantile(losses, QUANTILE, method="lower"))
            for epoch, losses in self.running.items()
            if len(losses) >= STARTUP
        }

    def _document(self, trial: Mapping[str, Any]) -> dict[str, Any]:
        number, values = trial["trial"], trial["values"]
        loss = trial.get("loss")
        labels = self.domain.params
        return {
            "tid": number,
            "state": 2,  # hyperopt.JOB_STATE_DONE
            "spec": None,
            "result": {"status": "ok", "loss": WORST if loss is None else min(loss, WORST)},
            "misc": {
                "tid": number,
                "cmd": ("domain_attachment", "FMinIter_Domain"),
                "workdir": None,
                "idxs": {label: [number] if label in values else [] for label in labels},
                "vals": {label: [values[label]] if label in values else [] for label in labels},
            },
            "exp_key": None,
            "owner": None,
            "version": 0,
            "book_time": _NEVER,  # atpe subtracts them
            "refresh_time": _NEVER,
        }


def _algorithm(name: str) -> Callable:
    from hyperopt import anneal, rand, tpe

    if name == "atpe":
        from hyperopt import atpe

        return atpe.suggest
    tpe_suggest = functools.partial(tpe.suggest, n_startup_jobs=STARTUP)
    return {"tpe": tpe_suggest, "random": rand.suggest, "anneal": anneal.suggest}[name]


def _number(value: Any) -> float | int:
    return value.item() if isinstance(value, np.generic) else value
