"""A farm.toml that names another farm's database: nothing is kept of it, and it is told."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.care.backup import back_up
from orchestrator.care.check import examine
from orchestrator.care.farm_state import examine_farm
from orchestrator.config import FarmConfig
from orchestrator.domain.errors import ConfigError
from orchestrator.foundation import new_farm


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> FarmConfig:
    """A farm whose database is another one's."""
    mine, other = new_farm(tmp_path / "mine"), new_farm(tmp_path / "other")
    return replace(mine, database_url=other.database_url)


def test_no_backup_is_made_of_it(config: FarmConfig, tmp_path: Path) -> None:
    """It would hold one farm's keys with another one's results."""
    kept = tmp_path / "kept"
    kept.mkdir()
    with pytest.raises(ConfigError, match=f"the database of farm .*, not of {config.farm_id}; "):
        back_up(config, kept / "b.tar", datetime.now(UTC), print)
    assert os.listdir(kept) == []


def test_check_and_doctor_tell_of_it(config: FarmConfig) -> None:
    """With what to do about it."""
    (found,) = examine(config, datetime.now(UTC))
    assert f"not of {config.farm_id}" in found.what
    assert found.step == "correct database in farm.toml"
    (finding,) = [one for one in examine_farm(config) if one.needs == "database"]
    assert not finding.present
    assert f"not of {config.farm_id}" in finding.remedy
