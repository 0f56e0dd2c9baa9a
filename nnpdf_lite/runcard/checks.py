"""Checks between keys: each yields the mistakes of one block as (path inside the block, what is wrong)."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from ..errors import nearest
from .choices import FITBASES, OPTIMIZERS, PREPROCESSING

if TYPE_CHECKING:
    from .closure_schema import ClosureTest, InconsistentData, LeftOut
    from .schema import ConstraintSet, DatasetInput, FilterRule, Fitting, Optimizer, Parameters, Runcard

Mistake = tuple[tuple[str | int, ...], str]


def raising(check: Callable[[Any], Iterator[Mistake]]) -> Callable[[Any], Any]:
    """Return ``check`` as a validator, which raises one error that carries all mistakes."""

    def validate(block: Any) -> Any:
        mistakes = list(check(block))
        if mistakes:
            raise PydanticCustomError("mistakes", "inconsistent keys", {"mistakes": mistakes})
        return block

    return validate


def optimizer(block: "Optimizer") -> Iterator[Mistake]:
    """Options that belong to another optimiser, or lost their value."""
    accepted = OPTIMIZERS[block.optimizer_name]
    for name, value in block:
        if name == "optimizer_name":
            continue
        if name not in accepted and value is not None:
            yield (name,), f"not an option of {block.optimizer_name}, which has {', '.join(accepted)}"
        if name in accepted and value is None and name != "clipnorm":
            yield (name,), "has no value; leave it out for the default"


def parameters(block: "Parameters") -> Iterator[Mistake]:
    """Layers that do not fit together, and regularisers without strength."""
    layers, activations = len(block.nodes_per_layer), len(block.activation_per_layer)
    if layers != activations:
        yield ("activation_per_layer",), f"{activations} activations for the {layers} layers of nodes_per_layer"
    for position, name in enumerate(block.activation_per_layer[:-1]):
        if name == "square_singlet":
            yield ("activation_per_layer", position), "square_singlet squares flavours: only the last layer can have it"
    if block.optimizer.second_order:
        if block.dropout > 0:
            yield ("dropout",), "LevenbergMarquardt has no dropout: its steps need a loss that stays the same"
        if "l1" in (block.regularizer or ""):
            yield ("regularizer",), "LevenbergMarquardt takes l2 only: |w| is no square"
    if block.dropout > 0 and block.layer_type == "dense_per_flavour":
        yield ("dropout",), "dropout needs layer_type: dense"
    strength = {"l1": block.regularizer_args.l1, "l2": block.regularizer_args.l2}
    used = (block.regularizer or "").split("_")
    for name, value in strength.items():
        if value > 0 and name not in used:
            yield ("regularizer_args", name), f"has no effect with regularizer: {block.regularizer or 'null'}"
    if block.regularizer and not any(strength[name] for name in used):
        yield ("regularizer_args",), f"regularizer: {block.regularizer} needs {' or '.join(used)} above 0"


def fitting(block: "Fitting") -> Iterator[Mistake]:
    """Flavours that are missing, repeated or foreign to the basis."""
    expected, given = FITBASES[block.fitbasis], [entry.fl for entry in block.basis]
    for position, flavour in enumerate(given):
        if flavour not in expected:
            yield ("basis", position, "fl"), f"{flavour} is not in {block.fitbasis}, which has {', '.join(expected)}"
        elif flavour in given[:position]:
            yield ("basis", position, "fl"), f"{flavour} is already in entry {given.index(flavour)}"
    missing = [flavour for flavour in expected if flavour not in given]
    if missing:
        needs = "" if block.fitbasis in PREPROCESSING else f" ({block.fitbasis} has no default ranges)"
        yield ("basis",), f"{', '.join(missing)} of {block.fitbasis} missing{needs}"


def filter_rule(block: "FilterRule") -> Iterator[Mistake]:
    """A rule for nothing, or for two things."""
    if (block.dataset is None) == (block.process_type is None):
        yield (), "a rule needs either a dataset or a process_type"


def datasets(entries: "tuple[DatasetInput | ConstraintSet, ...]") -> Iterator[Mistake]:
    """Datasets listed twice."""
    names = [entry.dataset for entry in entries]
    for position, name in enumerate(names):
        first = names.index(name)
        if first < position:
            yield (position, "dataset"), f"{name} is already in entry {first}"


def dataset_input(block: "DatasetInput") -> Iterator[Mistake]:
    """Two ways to say one thing."""
    if block.sys is not None and block.variant:
        yield ("sys",), "has no place beside 'variant'; leave it out"


def measurements(entries: "tuple[DatasetInput, ...]") -> Iterator[Mistake]:
    """Datasets listed twice, and constraints among the measurements."""
    yield from datasets(entries)
    for position, entry in enumerate(entries):
        for prefix, place in (("NNPDF_POS", "positivity.posdatasets"), ("NNPDF_INTEG", "integrability.integdatasets")):
            if entry.dataset.startswith(prefix):
                yield (position, "dataset"), f"{entry.dataset} belongs in {place}"


def closure_test(block: "ClosureTest") -> Iterator[Mistake]:
    """Keys that need others."""
    if block.fakedata and block.fakepdf is None:
        yield ("fakepdf",), "missing; with fakedata: true expected the name or the path of a PDF set, the truth"
    if not block.fakedata and (block.fakenoise or block.inconsistent_fakedata or block.fakepdf):
        yield ("fakedata",), "the other keys have no effect with fakedata: false; write true, or leave out the block"
    if block.inconsistent_fakedata and not block.fakenoise:
        yield ("inconsistent_fakedata",), "needs fakenoise: true; without noise no data contradict their uncertainties"


def inconsistent_data(block: "InconsistentData") -> Iterator[Mistake]:
    """Settings that select nothing."""
    for key in ("treatment_names", "names_uncertainties", "inconsistent_datasets"):
        if not getattr(block, key):
            yield (key,), "empty: no uncertainty would be rescaled"


def left_out(block: "LeftOut") -> Iterator[Mistake]:
    """Nothing left out."""
    if not block.datasets and block.published_after is None and block.edge is None:
        yield (), "leaves nothing out; expected datasets, published_after or edge"


def _closure(card: "Runcard") -> Iterator[Mistake]:
    test, settings = card.closuretest, card.inconsistent_data_settings
    if test and test.fakedata and card.genrep and not test.fakenoise:
        levels = "level 0 is fakenoise: false, genrep: false, level 1 true and false, level 2 true and true"
        yield ("closuretest", "fakenoise"), f"false with genrep: true is no level; {levels}"
    inconsistent = bool(test and test.inconsistent_fakedata)
    if inconsistent and settings is None:
        yield ("inconsistent_data_settings",), "missing; closuretest.inconsistent_fakedata: true says what they are for"
    if settings is not None and not inconsistent:
        yield ("inconsistent_data_settings",), "has no effect without closuretest.inconsistent_fakedata: true"
    named = {
        ("inconsistent_data_settings", "inconsistent_datasets"): settings.inconsistent_datasets if settings else (),
        ("left_out", "datasets"): card.left_out.datasets if card.left_out else (),
    }
    known = [entry.dataset for entry in card.dataset_inputs]
    for place, names in named.items():
        for position, name in enumerate(names):
            if name not in known:
                yield (*place, position), f"{name} is not in dataset_inputs.{nearest(name, known)}"


def runcard(card: "Runcard") -> Iterator[Mistake]:
    """Mistakes between blocks."""
    yield from _closure(card)
    if not card.diagonal_basis and all(entry.frac == 1 for entry in card.dataset_inputs):
        yield ("dataset_inputs",), "frac is 1 for every dataset: no point is left for validation"
    yield from _last_layer(card)
    yield from _large_x(card)
    yield from _multipliers(card)


def _last_layer(card: "Runcard") -> Iterator[Mistake]:
    flavours = FITBASES[card.fitting.fitbasis]
    width = card.parameters.nodes_per_layer[-1]
    last = len(card.parameters.nodes_per_layer) - 1
    if width != len(flavours):
        basis = f"fitting.fitbasis: {card.fitting.fitbasis} has {len(flavours)} flavours"
        yield ("parameters", "nodes_per_layer", last), f"the last layer has {width} nodes, but {basis}"
    if card.parameters.activation_per_layer[-1] == "square_singlet" and flavours[:2] != ("sng", "g"):
        basis = f"not {card.fitting.fitbasis}"
        yield ("parameters", "activation_per_layer"), f"square_singlet needs a basis of sng and g, {basis}"


def _large_x(card: "Runcard") -> Iterator[Mistake]:
    scaled = card.parameters.feature_scaling_points is not None
    missing = [entry.fl for entry in card.fitting.basis if entry.largex is None]
    given = [entry.fl for entry in card.fitting.basis if entry.largex not in (None, (0.0, 0.0))]
    if missing and not scaled:
        yield ("fitting", "basis"), f"largex of {', '.join(missing)} missing; only feature scaling does without it"
    if given and scaled:
        yield ("fitting", "basis"), f"largex of {', '.join(given)} has no place with parameters.feature_scaling_points"


def _multipliers(card: "Runcard") -> Iterator[Mistake]:
    constraints = (
        ("positivity", "posdatasets", card.positivity.posdatasets, card.parameters.positivity),
        ("integrability", "integdatasets", card.integrability.integdatasets, card.parameters.integrability),
    )
    for block, key, sets, multipliers in constraints:
        for position, entry in enumerate(sets):
            initial = multipliers.initial or 1.0
            if multipliers.multiplier is None and initial > entry.maxlambda:
                first = f"the first multiplier, parameters.{block}.initial: {initial:g}"
                yield (block, key, position, "maxlambda"), f"{entry.maxlambda:g} is below {first}"
