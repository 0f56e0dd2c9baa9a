"""The models of a scan: read from its lines, put into a runcard, and given to the replicas of a fit (``trial_specs``)."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ..errors import InputError, at
from ..runcard import Runcard, parse_runcard

#: The file of a scan that holds a line for each finished trial.
TRIALS = "trials.jsonl"


def read_trials(folder: Path) -> list[dict[str, Any]]:
    """Read the finished trials of a scan, in the order of their numbers.

    A last line that is not whole, of a process that was killed while it wrote, counts as none.

    Raises
    ------
    InputError
        If there is no scan, or a line is not one of a scan.
    """
    path = Path(folder) / TRIALS if Path(folder).is_dir() else Path(folder)
    if not path.is_file():
        raise InputError(f"{folder}: not the folder of a scan (it holds no {TRIALS})")
    trials = []
    lines = path.read_bytes().split(b"\n")
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            trial = json.loads(line)
            trials.append(trial | {"trial": int(trial["trial"]), "model": dict(trial["model"]), "state": str(trial["state"])})
        except (ValueError, KeyError, TypeError):
            if i == len(lines) - 1:
                continue
            raise InputError(f"{path}: line {i + 1} is not a trial; remove it, the others are kept") from None
    return sorted(trials, key=lambda trial: trial["trial"])


def best_trials(
    trials: Sequence[Mapping[str, Any]], number: int = 1, thermalization: int = 0, fitted: float | None = None
) -> list[Mapping[str, Any]]:
    """Return the finished trials of lowest loss, the best first, without the first ``thermalization`` of a scan.

    ``fitted``: of those alone that describe the data they fitted with at most this chi2 per point, on average over folds.

    Raises
    ------
    InputError
        If there are not that many.
    """
    good = [t for t in trials if t["state"] == "ok" and t["trial"] > thermalization and _finite(t.get("loss"))]
    if fitted is not None:
        good = [t for t in good if fmean(t["folds"]["fitted"]) <= fitted]
    if len(good) < number:
        after = f" after the first {thermalization}" if thermalization else ""
        which = f" that were not given up{'' if fitted is None else f' and have chi2 of at most {fitted} to fitted data'}"
        raise InputError(
            f"the scan has {len(good)} finished trials{after}{which}, {number} are needed; scan on, or ask for fewer"
        )
    return sorted(good, key=lambda trial: (trial["loss"], trial["trial"]))[:number]


def scan_models(card: Runcard) -> list[Mapping[str, Any]]:
    """Return the models that a card's ``trial_specs`` name, the best first.

    Raises
    ------
    InputError
        If the scan is not there, has too few trials, or one of its models does not suit the card.
    """
    specs = card.trial_specs
    assert specs is not None  # asked of cards with trial_specs alone
    with at("trial_specs.hyperscan"):
        trials = read_trials(Path(specs.hyperscan).expanduser())
    with at("trial_specs.number_of_trials"):
        best = best_trials(trials, specs.number_of_trials, specs.thermalization)
    for trial in best:
        with at(f"trial_specs, trial {trial['trial']} of {specs.hyperscan}"):
            with_model(card, trial["model"], specs.override)
    return [trial["model"] for trial in best]


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def with_model(card: Runcard, model: Mapping[str, Any], override: Mapping[str, Any] | None = None) -> Runcard:
    """Return the card with the model of a trial: its ``parameters`` and, if scanned, ``diagonal_frac``; not a scan any more.

    ``activation_per_layer`` may be one name, that of all hidden layers; ``override`` are keys of `parameters`.

    Raises
    ------
    InputError
        If there is no such model.
    """
    mapping = card.mapping()
    changes = {**model.get("parameters", {}), **(override or {})}
    parameters = mapping["parameters"]
    for name, value in changes.items():
        merged = name in ("positivity", "integrability") and isinstance(value, Mapping)
        parameters[name] = parameters.get(name, {}) | value if merged else value
    if "regularizer" in changes and "regularizer_args" not in changes:
        parameters.pop("regularizer_args", None)
    hidden, layers = changes.get("activation_per_layer"), parameters["nodes_per_layer"]
    if isinstance(hidden, str):
        parameters["activation_per_layer"] = [hidden] * (len(layers) - 1) + ["linear"]
    elif "nodes_per_layer" in changes and hidden is None:
        first = parameters["activation_per_layer"][0]
        parameters["activation_per_layer"] = [first] * (len(layers) - 1) + parameters["activation_per_layer"][-1:]
    if parameters.get("feature_scaling_points") is not None:
        for entry in mapping["fitting"]["basis"]:
            entry.pop("largex", None)  # feature scaling has none
    mapping.pop("hyperscan_config", None)
    mapping.pop("trial_specs", None)
    return parse_runcard({**mapping, **{k: v for k, v in model.items() if k != "parameters"}}, "the model")
