"""What is said of a statement a person wrote, whichever database did not take it; pure."""

from __future__ import annotations

from orchestrator.domain.errors import UsageError

_ONLY_READS = "farm sql only reads: begin with SELECT, WITH, VALUES or EXPLAIN"


def wrong(statement: str, said: str, position: int | None = None) -> UsageError:
    """Say in one line what is wrong with a statement.

    Args:
        statement: as it was written.
        said: the database's words.
        position: of the letter it is about, from 0; None: not known.
    """
    what = " ".join(said.split())
    if position is None:
        return UsageError(f"the statement is wrong: {what}")
    before = statement[:position]
    line, column = before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
    return UsageError(f"line {line}, column {column} of the statement: {what}")


def too_slow(timeout_s: float) -> UsageError:
    """Say that a statement was stopped."""
    return UsageError(
        f"stopped after {timeout_s:g} s: ask for less, or allow more with --timeout SECONDS"
    )


def refused() -> UsageError:
    """Say that a statement would have written."""
    return UsageError(_ONLY_READS)
