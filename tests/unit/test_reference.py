"""The reference is what the code says: no page is old, no key, state or column goes untold."""

from __future__ import annotations

import inspect
import re
import shutil
from enum import StrEnum
from pathlib import Path

import pytest

from orchestrator.config import parse_config
from orchestrator.domain.errors import ConfigError
from orchestrator.domain.matrix import Counts
from orchestrator.domain.workload import Limits
from orchestrator.files import meanings
from orchestrator.results import validity
from protos import states
from scripts.reference_pages import outcomes
from scripts.reference_pages.__main__ import FOLDER, PAGES, main, old_pages
from scripts.reference_pages.files import SCHEMAS, farm_keys, keys_of

UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def test_the_pages_are_what_the_code_says() -> None:
    """A change of the code that is not in the pages is told; so is what to do."""
    assert old_pages(FOLDER) == []


def test_an_old_or_missing_page_is_found(tmp_path: Path) -> None:
    """The check can fail."""
    folder = tmp_path / "reference"
    shutil.copytree(FOLDER, folder)
    (folder / "files.md").write_text("# Files\n")
    (folder / "outcomes.md").unlink()
    assert old_pages(folder) == ["files.md", "outcomes.md"]


def test_a_wrong_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """It writes nothing for an argument it does not know."""
    assert main(["--chekc"]) == 2
    assert capsys.readouterr().err == "usage: scripts/reference [--check]\n"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_made_it(page: str) -> None:
    """Nobody edits by hand what would be overwritten."""
    assert "*Made by `scripts/reference` from " in (FOLDER / page).read_text().split("\n\n")[1]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_has_its_meaning_and_every_meaning_its_key(name: str) -> None:
    """A key that is added is explained; one that goes takes its words along."""
    schema, told = SCHEMAS[name]
    assert sorted(told) == sorted(key for key, *_ in keys_of(schema))
    assert [key for key, meaning in told.items() if not meaning.text] == []


def test_every_key_of_farm_toml_has_its_meaning() -> None:
    """As the keys of the schemas."""
    assert sorted(meanings.FARM) == sorted(farm_keys())
    assert [key for key, one in meanings.FARM.items() if not (one.text and one.value)] == []


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("lease_s", ["1", "86400"], ["0.5", "86401"]),
        ("grace_s", ["1", "86400"], ["0.5", "86401"]),
        ("retries", ["0", "100"], ["-1", "101"]),
    ],
)
def test_the_limits_told_of_farm_toml_are_held(
    key: str, good: list[str], bad: list[str], tmp_path: Path
) -> None:
    """The words of a file without a schema are those of its reader."""
    assert meanings.FARM[key].value.endswith(f"from {good[0]} to {good[1]}")
    for value in good:
        parse_config(f'farm_id = "a"\n{key} = {value}\n', tmp_path, {})
    for value in bad:
        with pytest.raises(ConfigError, match=r"a number of seconds from|a whole number from"):
            parse_config(f'farm_id = "a"\n{key} = {value}\n', tmp_path, {})


def test_the_defaults_told_are_the_defaults() -> None:
    """What a reader leaves out is what the page said."""
    for key in ("timeout_s", "memory_bytes", "output_bytes", "processes", "stack_bytes"):
        told = meanings.WORKLOAD[f"limits.{key}"].default
        number, _, unit = told.partition(" ")
        assert float(number) * UNITS.get(unit, 1) == getattr(Limits(), key), key
    for key in ("attempts", "warmups", "repeats"):
        assert meanings.MATRIX[key].default == str(getattr(Counts(), key))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (states.Outcome, outcomes.OUTCOMES),
        (states.RunState, outcomes.RUNS),
        (states.CellState, outcomes.CELLS),
        (states.AttemptState, outcomes.ATTEMPTS),
        (states.LeaseState, outcomes.LEASES),
        (states.DeviceState, outcomes.DEVICES),
        (states.Health, outcomes.HEALTHS),
        (states.Hold, outcomes.HOLDS),
    ],
)
def test_every_state_is_told(kind: type[StrEnum], told: dict[StrEnum, str]) -> None:
    """None is missing, in the code's own order."""
    assert list(told) == list(kind)


def test_every_reason_of_validity_is_told() -> None:
    """The words are those the judge's reasons begin with."""
    said = set(re.findall(r'"([a-z]+): ', inspect.getsource(validity)))
    assert said == set(outcomes.VALIDITY)
