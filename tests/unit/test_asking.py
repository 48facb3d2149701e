"""Moments as people write them, in their own time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orchestrator.cli.asking import moment
from orchestrator.domain.errors import UsageError
from tests.support.factories import NOW


@pytest.fixture(autouse=True)
def _somewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Five hours west of UTC, four in summer."""
    monkeypatch.setenv("TZ", "EST5EDT")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "ends_day", "found"),
    [
        ("45s", False, datetime(2026, 11, 25, 11, 59, 15, tzinfo=UTC)),
        ("30m", False, datetime(2026, 11, 25, 11, 30, tzinfo=UTC)),
        ("12h", False, datetime(2026, 11, 25, 0, 0, tzinfo=UTC)),
        ("7d", True, datetime(2026, 11, 18, 12, 0, tzinfo=UTC)),
        ("2w", False, datetime(2026, 11, 11, 12, 0, tzinfo=UTC)),
        ("2026-11-25", False, datetime(2026, 11, 25, 5, 0, tzinfo=UTC)),
        ("2026-11-25", True, datetime(2026, 11, 26, 5, 0, tzinfo=UTC)),
        ("2026-07-01", False, datetime(2026, 7, 1, 4, 0, tzinfo=UTC)),
        ("2026-11-25T14:30", True, datetime(2026, 11, 25, 19, 30, tzinfo=UTC)),
        ("2026-11-25T14:30+02:00", False, datetime(2026, 11, 25, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read(text: str, ends_day: bool, found: datetime) -> None:
    """Counted back from now, or of the reader's own clock unless it names a zone."""
    assert moment(text, "--since", NOW, ends_day=ends_day) == found


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "7x", "yesterday", "2026-02-30", "999999w"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """With the option it stands behind."""
    with pytest.raises(UsageError, match=r"^--since: .* is no time"):
        moment(text, "--since", NOW)


def test_no_moment_is_none() -> None:
    """Nothing was asked for."""
    assert moment(None, "--since", NOW) is None
