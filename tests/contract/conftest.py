"""The databases a store suite runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.store.base import Store
from orchestrator.store.sql import open_store
from tests.support.databases import DATABASES


@pytest.fixture(params=sorted(DATABASES))
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the address of a fresh database of each kind."""
    with DATABASES[request.param](tmp_path) as url:
        yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Give an empty store."""
    opened = open_store(database_url)
    yield opened
    opened.close()
