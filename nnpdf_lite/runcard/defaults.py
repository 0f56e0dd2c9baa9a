"""Defaults that depend on other keys, filled in before the schema checks a card."""

from collections.abc import Mapping
from typing import Any

from .choices import CLOSURE_WITHOUT_EFFECT, FITBASES, OFF, OPTIMIZERS, PREPROCESSING, UNSUPPORTED, WITHOUT_PART

#: Default `epochs` of Levenberg-Marquardt, whose epochs are second-order steps; with the default patience, 40 of them.
LEVENBERG_MARQUARDT_STEPS = 400


def default_basis(fitbasis: str, scaled: bool) -> list[dict[str, Any]]:
    """Return the default `fitting.basis` of ``fitbasis``, without large-x exponents when x is ``scaled``."""
    return [
        {"fl": flavour, "trainable": False, "smallx": smallx} | ({} if scaled else {"largex": largex})
        for flavour, (smallx, largex) in PREPROCESSING[fitbasis].items()
    ]


def complete(card: Any) -> Any:
    """Return a copy of the mapping ``card`` with the defaults that depend on other keys.

    Keys without a value count as absent, and so do n3fit's unsupported blocks where they are switched off.
    """
    if not isinstance(card, Mapping):
        return card
    card = {key: value for key, value in card.items() if value is not None and not _switched_off(key, value)}
    card = _sum_rules(card | _closure_test(card))
    parameters, fitting = card.get("parameters", {}), card.get("fitting", {})
    if not isinstance(parameters, Mapping) or not isinstance(fitting, Mapping):
        return card
    fitbasis = fitting.get("fitbasis", "EVOL")
    if not isinstance(fitbasis, str) or fitbasis not in FITBASES:
        return card
    parameters, fitting = dict(parameters), dict(fitting)
    optimizer = parameters.get("optimizer")
    if isinstance(optimizer, Mapping) and optimizer.get("optimizer_name") == "LevenbergMarquardt":
        parameters.setdefault("epochs", LEVENBERG_MARQUARDT_STEPS)
    if "nodes_per_layer" not in parameters:
        parameters["nodes_per_layer"] = [25, 20, len(FITBASES[fitbasis])]
    layers = parameters["nodes_per_layer"]
    if "activation_per_layer" not in parameters and isinstance(layers, (list, tuple)) and layers:
        parameters["activation_per_layer"] = ["tanh"] * (len(layers) - 1) + ["linear"]
    if "basis" not in fitting and fitbasis in PREPROCESSING:
        fitting["basis"] = default_basis(fitbasis, scaled=parameters.get("feature_scaling_points") is not None)
    return card | {"parameters": parameters, "fitting": fitting}


def complete_optimizer(options: Any) -> Any:
    """Return ``options`` with the defaults of the optimiser they name; AMSGrad becomes Adam with its flag."""
    if not isinstance(options, Mapping):
        return options
    name = options.get("optimizer_name", "Nadam")
    if not isinstance(name, str) or name not in OPTIMIZERS:
        return options
    filled = {"optimizer_name": name, **OPTIMIZERS[name], **options}
    if name == "Amsgrad":
        filled["optimizer_name"] = "Adam"
    return filled


def _switched_off(key: object, value: object) -> bool:
    if not isinstance(key, str):
        return False
    return key in WITHOUT_PART or (key in UNSUPPORTED and value is OFF.get(key, False))


def _sum_rules(card: dict[str, Any]) -> dict[str, Any]:
    """Return the card with ``sum_rules``, which n3fit reads from the top level too, in ``fitting``."""
    fitting = card.get("fitting", {})
    if "sum_rules" not in card or not isinstance(fitting, Mapping) or "sum_rules" in fitting:
        return card
    return {key: value for key, value in card.items() if key != "sum_rules"} | {
        "fitting": {**fitting, "sum_rules": card["sum_rules"]}
    }


def _closure_test(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the blocks of a closure test, without keys that ask for nothing, and null where it is switched off.

    n3fit reads the settings of inconsistent data from either place.
    """
    block = card.get("closuretest")
    if not isinstance(block, Mapping):
        return {}
    if block.get("fakedata") is False:
        return {"closuretest": None, "inconsistent_data_settings": None}
    neutral = CLOSURE_WITHOUT_EFFECT
    kept = {key: value for key, value in block.items() if key not in neutral or value != neutral[key]}
    if "inconsistent_data_settings" in card or "inconsistent_data_settings" not in kept:
        return {"closuretest": kept}
    return {"inconsistent_data_settings": kept.pop("inconsistent_data_settings"), "closuretest": kept}
