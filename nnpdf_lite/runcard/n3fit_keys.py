"""n3fit's keys and what becomes of them here: one table, from which messages and ``docs/from-n3fit.md`` are made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import InputError
from .choices import MOVED, OFF, UNSUPPORTED, WITHOUT_PART
from .loading import find_runcard, parse_runcard, read_card
from .messages import all_paths, field_of, spell
from .schema import Runcard
from .yaml_format import Path as KeyPath

#: Keys that act differently.
DIFFERENT = MappingProxyType(
    dict.fromkeys(("trvlseed", "nnseed", "mcseed"), "other random numbers: replica 17 is not n3fit's replica 17")
    | {
        "diagonal_basis": "true: rows of L^-1 are masked, not eigenvectors of the correlation matrix (methodology.md)",
        "parameters.optimizer.clipnorm": "the norm of all parameters of a replica; Keras clips tensor by tensor",
        "parameters.integrability.threshold": "without effect: postfit judges integrability",
        "parameters.feature_scaling_points": "x is ranked among the x grid of this fit",
        "maxcores": "most worker processes, of one thread each",
        "parallel_models": "true or false: replicas always train together",
        "save": "without effect: checkpoints are kept, and no weights",
        "tensorboard": "chi2 of every replica; weight_freq and profiling are without effect",
        "debug": "without effect",
        "kfold.partitions": "each set is in exactly one fold, or in kfold.always_fitted; n3fit fits what is in none",
        "kfold.loss_type": "chi2: of the data left out alone (hyperopt.md); n3fit 4.1 adds the validation chi2",
        "kfold.replica_statistic": "central by default: chi2 of the replicas' mean",
        "kfold.verbosity": "without effect",
        "trial_specs.hyperscan": "the folder of a scan made here",
        "closuretest.filterseed": "other random numbers: the noise is not n3fit's",
    }
)

#: Keys whose default differs.
DEFAULTS = MappingProxyType(
    {
        "dataset_inputs.frac": "0.75 where left out; n3fit's default is 1",
        "fitting.savepseudodata": "false where left out; n3fit's default is true",
    }
)

#: Keys that take other values than n3fit's: more of them, or fewer.
VALUES = MappingProxyType(
    {
        "datacuts.use_cuts": "internal, nocuts; fromfit, fromintersection and fromsimilarpredictions are refused",
        "theory.theoryid": "also the name or the path of a folder",
        "parameters.optimizer": "also Keras' other options",
        "parameters.optimizer.optimizer_name": "also LevenbergMarquardt",
        "fitting.fitbasis": "EVOL, CCBAR_ASYMM, FLAVOUR, NN31IC; polarised ones and those without fitted charm are refused",
        "fitting.sum_rules": "true, ALL, MSR, VSR, false; TSR and ALLBUTCSR are refused",
        "fitting.basis": "may be left out: NNPDF4.0's ranges",
        "closuretest.fakepdf": "also a fit folder",
        "hyperscan_config.optimizer": "also ranges of Keras' other options, lists to choose from; not LevenbergMarquardt",
        "hyperscan_config.architecture.initializers": "names; ALL is not understood",
        "kfold.penalties": "also positivity",
    }
)

#: What to do about a key that is not supported: dotted path, or its first part -> advice.
INSTEAD = MappingProxyType(
    {
        "theorycovmatconfig": "leave it out: the experimental covariance alone is fitted",
        "fiatlux": "leave it out: no photon PDF is made",
        "positivity_bound": "nothing takes its place",
        "datacuts.unpolarized_bc": "nothing takes its place",
        "load": "leave it out: weights are drawn from nnseed",
        "load_weights_from_fit": "leave it out: weights are drawn from nnseed",
        "hyperscan_config": "write ranges and choices (hyperopt.md)",
        "filter_rules": "write added_filter_rules and drop_internal_rules",
        "default_filter_rules": "leave it out: the cuts of NNPDF4.0 hold",
        "default_filter_settings": "write q2min, w2min and maxTau in datacuts",
        "filter_defaults": "write q2min, w2min and maxTau in datacuts",
        "datacuts.cuts_intersection_spec": "write use_cuts: internal, and added_filter_rules",
        "parameters.stopping_delta": "leave it out: any lower validation loss counts",
        "resample_negative_pseudodata": "leave it out: pseudo-data may be negative, as by default in n3fit 4.1",
        "separate_multiplicative": "leave it out: all uncertainties are sampled together",
        "use_t0_sampling": "leave it out: pseudo-data have the covariance of the fit",
        "closuretest": "leave it out",
    }
)

SAME, OTHER, OURS, NO_EFFECT, NOT_YET, RENAMED = "same", "different", "ours", "no effect", "not yet", "moved"


@dataclass(frozen=True)
class Key:
    """What becomes of one key: its dotted path, its status and a note."""

    path: str
    status: str
    note: str = ""


def key_table() -> list[Key]:
    """Return every key: those of the schema, then n3fit's that are moved, dropped or not supported."""
    table = [Key(path, *_status(path)) for path in all_paths()]
    table += [Key(old, RENAMED, f"write {new}") for old, new in MOVED.items()]
    table += [Key(name, NO_EFFECT, note) for name, note in WITHOUT_PART.items()]
    return table + [Key(name, NOT_YET, f"{what}; {instead(name)}") for name, what in UNSUPPORTED.items()]


def instead(path: str) -> str:
    """Return what to do about an unsupported key."""
    return INSTEAD.get(path) or INSTEAD[path.split(".")[0]]


def _status(path: str) -> tuple[str, str]:
    description = field_of(path).description or ""
    if "ot an n3fit key" in description:
        return OURS, ""
    for notes in (DIFFERENT, DEFAULTS, VALUES):
        if path in notes:
            return OTHER, notes[path]
    return (NO_EFFECT, "") if description.startswith("Accepted, without effect") else (SAME, "")


@dataclass(frozen=True)
class Review:
    """A card of n3fit, read as far as it can be.

    Attributes
    ----------
    source : Path
    unsupported : tuple of (place, Key)
        Keys that `load_runcard` refuses; the place holds the line.
    different : tuple of Key
        Keys that act differently, or have another default, in this card.
    mistakes : str
        What else is wrong with it, or empty.
    card : Runcard or None
        The card without its unsupported keys; None when there are mistakes besides.
    data : Runcard or None
        The same, or what says which data and theory are meant where the rest has mistakes.
    """

    source: Path
    unsupported: tuple[tuple[str, Key], ...]
    different: tuple[Key, ...]
    mistakes: str
    card: Runcard | None
    data: Runcard | None


def review(path: str | Path) -> Review:
    """Read the card at ``path`` as n3fit's, and collect what is not supported instead of refusing it.

    Raises
    ------
    InputError
        When it cannot be read at all.
    """
    source = find_runcard(path)
    mapping, lines = read_card(source)
    known = {key.path: key for key in key_table()}
    unsupported: list[tuple[str, Key]] = []

    def without(value: Any, place: KeyPath) -> Any:
        if isinstance(value, list):
            return [without(item, (*place, i)) for i, item in enumerate(value)]
        if not isinstance(value, Mapping):
            return value
        kept = {}
        for name, item in value.items():
            dotted = ".".join(part for part in (*place, name) if isinstance(part, str))
            refused = dotted in UNSUPPORTED and item is not None and item is not OFF.get(dotted, False)
            if refused:
                unsupported.append((f"line {lines.get((*place, name), 0)}, {spell((*place, name))}", known[dotted]))
            else:
                kept[name] = without(item, (*place, name))
        return kept

    mapping = without(mapping, ())
    written = dict.fromkeys(_dotted(mapping))
    different = tuple(known[name] for name in [n for n in written if n in DIFFERENT] + [n for n in DEFAULTS if n not in written])
    try:
        card = parse_runcard(mapping, str(source))
        return Review(source, tuple(unsupported), different, "", card, card)
    except InputError as error:
        return Review(source, tuple(unsupported), different, str(error), None, _data_of(mapping))


#: What says which data and theory are meant.
_DATA_KEYS = (
    "dataset_inputs", "datacuts", "theory", "positivity", "integrability", "added_filter_rules", "drop_internal_rules",
)  # fmt: skip


def _data_of(mapping: Mapping[str, Any]) -> Runcard | None:
    kept = {key: mapping[key] for key in _DATA_KEYS if key in mapping}
    if isinstance(kept.get("datacuts"), Mapping):
        kept["datacuts"] = {key: value for key, value in kept["datacuts"].items() if key != "use_cuts"}
    try:
        return parse_runcard(kept)
    except InputError:
        return None


def _dotted(value: Any, prefix: str = "") -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            for name, inner in item.items():
                yield f"{prefix}{name}"
                yield from _dotted(inner, f"{prefix}{name}.")


TABLE_HEAD = "| key | here | |\n|---|---|---|"


def markdown() -> str:
    """Return the table of keys for ``docs/from-n3fit.md``."""
    rows = [TABLE_HEAD]
    rows += [f"| `{key.path}` | {key.status} | {key.note} |" for key in key_table() if key.status != SAME]
    same = ", ".join(f"`{key.path}`" for key in key_table() if key.status == SAME)
    return "\n".join(rows) + f"\n\nThe same as in n3fit: {same}.\n"
