"""Checks between the keys of a scan of hyperparameters; each yields mistakes as those of ``checks``."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import nearest
from .checks import Mistake
from .choices import OPTIMIZERS

if TYPE_CHECKING:
    from .hyperopt_schema import HyperScan, KFold, ScanArchitecture, ScanOptimizer, ScanRegularizer, TrialSpecs
    from .schema import Runcard


def limits(*names: str) -> Callable[[Any], Iterator[Mistake]]:
    """Return the check that ``min_NAME`` and ``max_NAME`` are given together and in order."""

    def check(block: Any) -> Iterator[Mistake]:
        for name in names:
            low, high = getattr(block, f"min_{name}"), getattr(block, f"max_{name}")
            if (low is None) != (high is None):
                given, missing = (f"max_{name}", f"min_{name}") if low is None else (f"min_{name}", f"max_{name}")
                yield (given,), f"needs {missing} as well: a range has two ends"
            elif low is not None and low > high:
                yield (f"min_{name}",), f"{low:g} is above max_{name}: {high:g}, so nothing lies between"

    return check


def some(names: tuple[str, ...]) -> Iterator[Mistake]:
    """No name at all."""
    if not names:
        yield (), "empty; expected the names of datasets"


def scan_optimizer(block: "ScanOptimizer") -> Iterator[Mistake]:
    """Options that belong to another optimiser."""
    accepted = OPTIMIZERS[block.optimizer_name]
    for name, value in block:
        if name != "optimizer_name" and value is not None and name not in accepted:
            yield (name,), f"not an option of {block.optimizer_name}, which has {', '.join(accepted)}"


def scan_architecture(block: "ScanArchitecture") -> Iterator[Mistake]:
    """Units out of order, activations and dropout where they cannot be."""
    if block.min_units > block.max_units:
        yield ("min_units",), f"{block.min_units} is above max_units: {block.max_units}, so no layer has that many"
    if "square_singlet" in block.activations:
        yield ("activations",), "square_singlet squares flavours: no hidden layer can have it"
    if block.max_drop and "dense_per_flavour" in block.layer_types:
        yield ("max_drop",), "dropout needs layer type dense; choose layer_types: [dense]"


def scan_regularizer(block: "ScanRegularizer") -> Iterator[Mistake]:
    """Strengths that are missing, or belong to another regulariser."""
    used = (block.regularizer or "").split("_") if block.regularizer else []
    for name in ("l1", "l2"):
        if name in used and getattr(block, name) is None:
            yield (name,), f"missing; regularizer: {block.regularizer} needs a number or a range"
        if name not in used and getattr(block, name) is not None:
            yield (name,), f"has no effect with regularizer: {block.regularizer or 'null'}"


def hyperscan(block: "HyperScan") -> Iterator[Mistake]:
    """An empty search space."""
    groups = ("stopping", "positivity", "integrability", "architecture")
    scanned = [any(value not in (None, ()) for _, value in getattr(block, g)) for g in groups if getattr(block, g)]
    if block.architecture and not any(value for name, value in block.architecture if not name.endswith("_units")):
        scanned = [True] if any(scanned[:-1]) else []
    if not any(scanned) and not any(
        (block.optimizer, block.regularizer, block.feature_scaling_points, block.diagonal_frac)
    ):
        yield (), "nothing is scanned; expected a range or choices for stopping, optimizer, architecture or another key"


def kfold(block: "KFold") -> Iterator[Mistake]:
    """Folds that overlap, too few of them."""
    if len(block.partitions) == 1:
        yield ("partitions",), "one fold says nothing about others; expected two or more"
    seen: dict[str, str] = {name: "always_fitted" for name in block.always_fitted}
    for i, partition in enumerate(block.partitions):
        for j, name in enumerate(partition.datasets):
            if name in seen:
                yield ("partitions", i, "datasets", j), f"{name} is in {seen[name]} already; folds must not overlap"
            seen.setdefault(name, f"partition {i}")


def trial_specs(block: "TrialSpecs") -> Iterator[Mistake]:
    """An override that is no mapping."""
    if block.override is not None and not isinstance(block.override, dict):
        yield ("override",), "expected keys of parameters with their values, such as {epochs: 5000}"


def scan(card: "Runcard") -> Iterator[Mistake]:
    """Folds and scans that do not suit the data or the fit."""
    known = [entry.dataset for entry in card.dataset_inputs]
    if card.kfold:
        places: list[Mistake] = [(("kfold", "always_fitted", j), name) for j, name in enumerate(card.kfold.always_fitted)]
        for i, partition in enumerate(card.kfold.partitions):
            places += [(("kfold", "partitions", i, "datasets", j), name) for j, name in enumerate(partition.datasets)]
        for place, name in places:
            if name not in known:
                yield place, f"{name} is not in dataset_inputs.{nearest(name, known)}"
        missing = [name for name in known if name not in [name for _, name in places]]
        if card.kfold.partitions and missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            yield ("kfold", "partitions"), f"{shown} in no fold; add to one, or name in kfold.always_fitted"
    if card.hyperscan_config and not card.diagonal_basis:
        yield ("diagonal_basis",), "false; the folds of a scan are split in the diagonal basis, write true"
    if card.hyperscan_config and card.trial_specs:
        yield ("trial_specs",), "a scan cannot take its models from another one; leave out hyperscan_config or trial_specs"
    yield from _goals(card)


def _goals(card: "Runcard") -> Iterator[Mistake]:
    for name, sets in (("positivity", card.positivity.posdatasets), ("integrability", card.integrability.integdatasets)):
        scanned = getattr(card.hyperscan_config, name, None)
        lowest = min((entry.maxlambda for entry in sets), default=None)
        if scanned and scanned.max_initial and lowest is not None and scanned.max_initial > lowest:
            yield ("hyperscan_config", name, "max_initial"), f"{scanned.max_initial:g} is above the smallest maxlambda, {lowest:g}"
