"""The one exception a user sees, and the suggestion that goes with it."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(Exception):
    """A mistake in what the user gave.

    The message names the file, the key and the value, says what was expected and, where there is one, the nearest
    valid choice. The command line prints it without a traceback and exits with code 2.
    """


def nearest(word: object, choices: Iterable[object]) -> str:
    """Return `` Did you mean 'x'?`` for the choice closest to ``word``, or an empty string when none is close."""
    names = {str(choice).lower(): str(choice) for choice in choices}
    matches = difflib.get_close_matches(str(word).lower(), names, n=1, cutoff=0.6)
    return f" Did you mean '{names[matches[0]]}'?" if matches else ""


@contextmanager
def at(place: str) -> Iterator[None]:
    """Put ``place``, such as the key of the runcard that asked for it, before the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
