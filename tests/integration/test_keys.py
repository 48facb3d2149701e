"""Cell keys across processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.keys import known_keys


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_a_key_is_the_same_in_another_process(seed: str, tmp_path: Path) -> None:
    """Nothing of a key hangs on hash seeds, addresses or the working folder."""
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-m", "tests.support.keys"],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.split() == known_keys()
