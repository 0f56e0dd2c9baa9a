"""The runcard of a fit with new data added."""

from collections.abc import Sequence

from ..data import resolve_legacy_name
from ..errors import InputError
from ..runcard import Runcard, parse_runcard


def with_data_added(card: Runcard, data: Sequence[str], fit: str) -> Runcard:
    """Return a fit's runcard with datasets added.

    Parameters
    ----------
    card
        Of the fit.
    data
        ``NAME`` or ``NAME:VARIANT`` of each set.
    fit
        Name of the fit, for messages.

    Raises
    ------
    InputError
        For a set that the fit has already, one that is named twice, or a closure test, whose data are not measured.
    """
    if card.closuretest is not None:
        raise InputError(
            f"{fit} is a closure test: its data are made from a known truth, and measured data cannot join them"
        )
    had = {_current(entry.dataset): (i, entry.dataset) for i, entry in enumerate(card.dataset_inputs)}
    added: list[dict[str, str]] = []
    for text in data:
        name, _, variant = text.partition(":")
        if _current(name) in {_current(entry["dataset"]) for entry in added}:
            raise InputError(f"--data {text}: is named twice")
        if _current(name) in had:
            i, there = had[_current(name)]
            raise InputError(
                f"--data {text}: is in {fit} already (dataset_inputs[{i}], {there}): its data count in every replica, and would "
                "count twice. To see what they do, fit without them, and ask for the impact on that fit"
            )
        added.append({"dataset": name} | ({"variant": variant} if variant else {}))
    plain = card.model_dump(exclude_none=True)
    return parse_runcard({**plain, "dataset_inputs": [*plain["dataset_inputs"], *added]}, "--data")


def _current(name: str) -> str:
    return resolve_legacy_name(name)[0].upper()
