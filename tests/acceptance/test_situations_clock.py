"""The date of a whole farm jumps, while it measures and while it waits; or is 1970's."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.commands import farm, started
from tests.support.hands import Hands
from tests.support.situations import NATIVE, is_whole, new_farm

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(300)]

DAY_S = 86_400
SLOW = """\
#include <stdio.h>
#include <time.h>
int main(void) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    do clock_gettime(CLOCK_MONOTONIC, &b); while (b.tv_sec - a.tv_sec < 2);
    return puts("slow") < 0;
}
"""


@pytest.fixture(name="hands")
def _hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands(tmp_path)
    hands.wind(monkeypatch)
    return hands


def _of_1970() -> int:
    """Answer how far ahead the tenth second of all is."""
    return 10 - int(time.time())


@pytest.mark.parametrize("days", [-2, 400], ids="{} days".format)
def test_a_run_goes_on_over_a_jump(days: int, hands: Hands, tmp_path: Path) -> None:
    """While a lease is held: every block is accepted once, and the next run is as good.

    A certificate that ran out with the jump may cost a try; that one is nobody's result.
    """
    home = new_farm(tmp_path / "farm")
    (home / "slow.c").write_text(SLOW)
    with started("run", "slow.c", *NATIVE, "--attempts", "2", cwd=home) as command:
        command.wait_for_line("running")
        hands.turn(days * DAY_S)
        said = command.end()
    assert said.code == 0, said.err
    again = farm("run", "quick.c", *NATIVE, cwd=home)
    assert again.code == 0, again.err
    hands.turn(max(days, 0) * DAY_S)
    is_whole(home)
    told = farm("sql", "--json", "SELECT state, outcome, reason FROM attempts", cwd=home)
    attempts = json.loads(told.out)
    assert [one["outcome"] for one in attempts if one["state"] == "accepted"] == ["succeeded"] * 3
    lost = [one for one in attempts if one["state"] != "accepted"]
    assert all(one["outcome"] in {"infrastructure_failed", "device_failed"} for one in lost), lost


@pytest.mark.parametrize("days", [-2, 400], ids="{} days".format)
def test_who_serves_goes_on_over_a_jump(days: int, hands: Hands, tmp_path: Path) -> None:
    """Its agents too, also where their certificates ran out with it."""
    home = new_farm(tmp_path / "farm")
    with started("up", cwd=home) as living:
        living.wait_for_line("serves agents on")
        assert farm("run", "quick.c", *NATIVE, cwd=home).code == 0
        hands.turn(days * DAY_S)
        said = farm("run", "quick.c", *NATIVE, "--", "next", cwd=home)
        assert said.code == 0, said.err
    hands.turn(max(days, 0) * DAY_S)
    is_whole(home)


def test_a_farm_of_1970_is_one_of_today(hands: Hands, tmp_path: Path) -> None:
    """A machine without a battery for its clock makes a farm, measures, and is set right."""
    hands.turn(_of_1970())
    home = new_farm(tmp_path / "farm")
    said = farm("run", "quick.c", *NATIVE, cwd=home)
    assert said.code == 0, said.err
    hands.turn(0)
    said = farm("run", "quick.c", *NATIVE, "--", "next", cwd=home)
    assert said.code == 0, said.err
    is_whole(home)


def test_rows_ahead_of_the_clock_are_told(hands: Hands, tmp_path: Path) -> None:
    """By the check, with what to do; nothing else minds them."""
    home = new_farm(tmp_path / "farm")
    hands.turn(DAY_S)
    assert farm("run", "quick.c", *NATIVE, cwd=home).code == 0
    hands.turn(0)
    said = farm("db", "check", cwd=home)
    assert said.code == 1
    assert "runs.created_at is ahead of this machine's clock: " in said.out + said.err
    assert "set the clock (timedatectl), or wait until then" in said.out + said.err
    assert farm("results", "list", "--since", "1d", cwd=home).code == 0
