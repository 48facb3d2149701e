"""What failed, told once: many targets can fail for the same words of a compiler; pure."""

from __future__ import annotations

from collections.abc import Iterable


def told_once(errors: Iterable[str]) -> list[str]:
    """Say what each tool said once, however many targets it said it for.

    Args:
        errors: a line each about what failed, then the tool's own last lines, if any.

    Returns:
        Each error, those with the same words of a tool as one that counts the others.
    """
    groups: dict[str, list[str]] = {}
    for error in dict.fromkeys(errors):
        head, _, words = error.partition("\n")
        groups.setdefault(words or head, []).append(error)
    return [_with_count(same) for same in groups.values()]


def _with_count(same: list[str]) -> str:
    head, newline, words = same[0].partition("\n")
    others = len(same) - 1
    more = f", and the same for {others} more" if others else ""
    return f"{head}{more}{newline}{words}"
