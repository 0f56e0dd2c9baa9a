"""The search space of a runcard as expressions of the ``hyperopt`` library, and the runcard of a point in it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..fit.methodologies import with_model
from ..runcard import Runcard
from ..runcard.hyperopt_schema import ScanArchitecture, ScanMultipliers, ScanOptimizer, ScanRegularizer

#: Points drawn to see that every model of a space is one.
SAMPLES = 100

Expression = Any


def search_space(card: Runcard) -> dict[str, Expression]:
    """Return the space that ``hyperscan_config`` describes: by the keys of `parameters`, and ``diagonal_frac``.

    Labels are the keys themselves, with what they depend on before a dot: ``Nadam.learning_rate``, ``2_layers.units_1``.

    Raises
    ------
    InputError
        If the card has no ``hyperscan_config``.
    """
    scan = card.hyperscan_config
    if scan is None:
        raise InputError("hyperscan_config: missing; expected what is to be scanned (docs/hyperopt.md)")
    space: dict[str, Expression] = {}
    if scan.stopping:
        space |= _range("epochs", scan.stopping.min_epochs, scan.stopping.max_epochs, whole=True)
        space |= _range("stopping_patience", scan.stopping.min_patience, scan.stopping.max_patience)
    for name in ("positivity", "integrability"):
        if getattr(scan, name):
            space[name] = _multipliers(name, getattr(scan, name))
    if scan.optimizer:
        space["optimizer"] = _choice("optimizer", [_optimizer(entry) for entry in scan.optimizer])
    if scan.architecture:
        space |= _architecture(scan.architecture, card.parameters.nodes_per_layer[-1])
    if scan.regularizer:
        space["regularizer"] = _choice("regularizer", [_regularizer(entry) for entry in scan.regularizer])
    for name, whole in (("feature_scaling_points", True), ("diagonal_frac", False)):
        if getattr(scan, name) is not None:
            space[name] = _sampled(name, getattr(scan, name), whole=whole)
    return space


def model_of(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a point of the space changes in a runcard: ``parameters``, and ``diagonal_frac`` if it is scanned."""
    parameters = _plain(point)
    changes = {name: parameters.pop(name) for name in ("diagonal_frac",) if name in parameters}
    regularizer = parameters.pop("regularizer", None)
    if regularizer is not None:
        strengths = {name: value for name, value in regularizer.items() if name != "regularizer"}
        parameters |= {"regularizer": regularizer["regularizer"], "regularizer_args": strengths}
    return {"parameters": parameters, **changes}


def check_space(card: Runcard, space: Mapping[str, Expression]) -> None:
    """Raise InputError if some point of the space is no model, with the mistake of the first found."""
    from hyperopt.pyll.stochastic import sample

    rng = np.random.default_rng(0)
    for _ in range(SAMPLES):
        model = model_of(sample(dict(space), rng=rng))
        try:
            with_model(card, model)
        except InputError as error:
            raise InputError(f"hyperscan_config: allows a model that cannot be, {model['parameters']}: {error}") from None


def _sampled(label: str, value: Any, *, whole: bool = False) -> Expression:
    if isinstance(value, tuple):
        return _choice(label, list(value))
    if not isinstance(value, Mapping):
        return value
    return _range(label, value["min"], value["max"], log=value["sampling"] == "log", whole=whole)[label]


def _choice(label: str, values: list) -> Expression:
    from hyperopt import hp

    return hp.choice(label, values)


def _range(
    label: str, low: float | None, high: float | None, *, log: bool = False, whole: bool = False
) -> dict[str, Expression]:
    """Return the expression by its label; nothing where there are no limits, the value where they are equal."""
    from hyperopt import hp
    from hyperopt.pyll import scope

    if low is None or high is None:
        return {}
    if low == high:
        return {label: low}
    if whole:
        draw = hp.qloguniform(label, np.log(low), np.log(high), 1) if log else hp.quniform(label, low, high, 1)
        return {label: scope.int(draw)}
    return {label: hp.loguniform(label, np.log(low), np.log(high)) if log else hp.uniform(label, low, high)}


def _multipliers(name: str, block: ScanMultipliers) -> dict[str, Expression]:
    found = {
        **_range(f"{name}.multiplier", block.min_multiplier, block.max_multiplier),
        **_range(f"{name}.initial", block.min_initial, block.max_initial, log=True),
    }
    return {label.removeprefix(f"{name}."): value for label, value in found.items()}


def _optimizer(entry: ScanOptimizer) -> dict[str, Expression]:
    options = {name: value for name, value in entry if name != "optimizer_name" and value is not None}
    drawn = {name: _sampled(f"{entry.optimizer_name}.{name}", value) for name, value in options.items()}
    return {"optimizer_name": entry.optimizer_name, **drawn}


def _architecture(block: ScanArchitecture, outputs: int) -> dict[str, Expression]:
    space: dict[str, Expression] = {}
    if block.n_layers:
        choices = []
        for n in block.n_layers:
            labels = [f"{n}_layers.units_{i + 1}" for i in range(n)]
            units = [_range(label, block.min_units, block.max_units, whole=True)[label] for label in labels]
            choices.append([*units, outputs])
        space["nodes_per_layer"] = _choice("n_layers", choices)
    for key, label, values in (
        ("activation_per_layer", "activation", block.activations),
        ("initializer", "initializer", block.initializers),
        ("layer_type", "layer_type", block.layer_types),
    ):
        if values:
            space[key] = _choice(label, list(values))
    return space | (_range("dropout", 0.0, block.max_drop) if block.max_drop else {})


def _regularizer(entry: ScanRegularizer) -> dict[str, Expression]:
    name = entry.regularizer or "none"
    strengths = {k: _sampled(f"{name}.{k}", getattr(entry, k)) for k in ("l1", "l2") if getattr(entry, k) is not None}
    return {"regularizer": entry.regularizer, **strengths}


def _plain(value: Any) -> Any:
    """Return what hyperopt drew as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
