"""Reads what a person asks a list for: names, outcomes, moments, an order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.config import FarmConfig
    from orchestrator.store.base import Noun, Store

Word = TypeVar("Word", bound=StrEnum)

SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="WHEN", help="Ordered since then: 7d, 12h, 30m, 2w ago, or a date."
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="WHEN", help="Ordered before then; of a date, to the end of that day."
    ),
]
CsvOption = Annotated[
    bool, typer.Option("--csv", help="Comma-separated values on stdout, names first.")
]

_SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def one_form(*, as_json: bool, as_csv: bool) -> None:
    """Refuse two forms at once.

    Raises:
        UsageError: both were asked for.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv are two forms of the same: take one")


def moment(
    text: str | None, option: str, now: datetime, *, ends_day: bool = False
) -> datetime | None:
    """Read a moment as people write it, in their own time zone.

    Args:
        text: ``7d`` ago, a date, or a date with a time; None: none was given.
        option: whose value it is.
        now: what it is counted back from.
        ends_day: a date alone means its end.

    Raises:
        UsageError: it is none of these.
    """
    if text is None:
        return None
    try:
        return _ago(text.strip(), now) or _written(text.strip(), ends_day=ends_day)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: '{text}' is no time: write 7d, 12h, 30m or 2w ago, a date such as"
            " 2026-11-25, or 2026-11-25T14:30"
        ) from None


def span(text: str) -> timedelta | None:
    """Read a length of time as people write it, such as ``7d``; None: it is none."""
    found = _SPAN.fullmatch(text)
    return found and timedelta(**{_UNITS[found[2]]: int(found[1])})


def _ago(text: str, now: datetime) -> datetime | None:
    found = span(text)
    return None if found is None else now - found


def _written(text: str, *, ends_day: bool) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text).astimezone(UTC)
    if ends_day:
        day += timedelta(days=1)
    return datetime.combine(day, time()).astimezone(UTC)


def words_of(kind: type[Word], texts: Iterable[str], option: str) -> tuple[Word, ...]:
    """Read words of a closed list.

    Raises:
        UsageError: one is not on it; the nearest is named.
    """
    known = [member.value for member in kind]
    return tuple(kind(_known(text, known, option)) for text in texts)


def names_of(
    store: Store, noun: Noun, texts: Sequence[str] | None, ordered: Callable[[], Iterable[str]]
) -> tuple[str, ...]:
    """Read names that the store knows, or that could be ordered and were not yet.

    Args:
        store: what was ordered so far.
        noun: what they name; its option has the same word.
        texts: as written.
        ordered: lists what could be ordered; asked only where the store does not know a name.

    Raises:
        UsageError: one is neither; the nearest is named.
    """
    known = set(store.names(noun)) if texts else set()
    if not known.issuperset(texts or ()):
        known |= set(ordered())
    return tuple(_known(text, sorted(known), f"--{noun}") for text in texts or ())


def _known(text: str, known: Sequence[str], option: str) -> str:
    if text not in known:
        from orchestrator.files.spelling import next_step

        raise UsageError(f"{option}: unknown '{text}': {next_step(text, known)}")
    return text


def orderable(config: FarmConfig, noun: Noun) -> Callable[[], Iterable[str]]:
    """Answer what lists the names of a kind that this farm could order now."""

    def names() -> Iterable[str]:
        from orchestrator.domain.device import Arch
        from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
        from orchestrator.files.workloads import catalogue
        from orchestrator.inventory import read_inventory
        from orchestrator.store.base import Noun

        match noun:
            case Noun.WORKLOAD:
                return catalogue(config.workloads)
            case Noun.DEVICE:
                return (device.name for device in read_inventory(config.inventory).devices)
            case Noun.ARCH:
                return (arch.value for arch in Arch)
            case Noun.MODE:
                modes = (*map(Mode, Runtime), Mode(Runtime.AOT, kernels=BEST_KERNELS))
                return (mode.label for mode in modes)

    return names
