"""The one exception a user sees, the suggestion that goes with it, and silence for what others would print."""

import difflib
import os
import sys
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


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what compiled libraries write to file descriptors 1 and 2 (banners, panics) from the user."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        with open(os.devnull, "w") as sink:
            for descriptor in (1, 2):
                os.dup2(sink.fileno(), descriptor)
        yield
    finally:
        for descriptor, copy in zip((1, 2), saved):
            os.dup2(copy, descriptor)
            os.close(copy)
