"""Single keys of a farm.toml change, and the rest stays as it was written."""

from __future__ import annotations

import tomllib

from orchestrator.care.settings import with_settings

BEFORE = """\
# mine
farm_id = "farm-1"  # never change it
workloads = [
    "a",  # one
    "b",
]
"database" = "sqlite:///data/farm.db"

[runtime_sources]
mine = "../wamr"
"""


def test_a_key_is_set_anew_and_the_rest_kept() -> None:
    """Also where it took several lines, in quotes, or was not there."""
    after = with_settings(
        BEFORE,
        {"workloads": ["w 'x'", 'w"y'], "database": "postgresql://h/\\d", "data": "data"},
    )
    assert tomllib.loads(after) == {
        **tomllib.loads(BEFORE),
        "workloads": ["w 'x'", 'w"y'],
        "database": "postgresql://h/\\d",
        "data": "data",
    }
    assert '# mine\nfarm_id = "farm-1"  # never change it\n' in after


def test_what_is_so_already_is_not_touched() -> None:
    """Its comment would be lost."""
    assert with_settings(BEFORE, {"farm_id": "farm-1", "workloads": ["a", "b"]}) == BEFORE
