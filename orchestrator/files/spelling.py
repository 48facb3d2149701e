"""Names what a misspelt word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: How many known words a complaint lists before it stops.
_LISTED = 12


#: Of a value in a line for people; arguments may be 100,000 characters long.
_SHOWN = 80


def shortened(value: object) -> str:
    """Write a value on one line, and no more of it than a reader takes in."""
    text = str(value).replace("\n", "\\n")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def next_step(word: str, known: Iterable[str]) -> str:
    """Say what to write in place of an unknown word.

    Args:
        word: what was written.
        known: the words that would have been right, in the order to show them.

    Returns:
        ``did you mean 'repeats'?``, or the known words where none is near.
    """
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    if not words:
        return "none is known here"
    more = "" if len(words) <= _LISTED else f" and {len(words) - _LISTED} more"
    return f"known are {', '.join(words[:_LISTED])}{more}"
