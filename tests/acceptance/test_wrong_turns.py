"""Every wrong turn of the catalogue: one clear line, the right exit code, nothing half-done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.commands import farm
from tests.support.wrongturns import Taken, catalogue, judge, take

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(600)]

TURNS = catalogue()
QUICK = '#include <stdio.h>\nint main(void) { puts("quick"); return 0; }\n'
NATIVE = ("--mode", "native", "--device", "local", "--warmups", "0", "--repeats", "1")


@pytest.fixture(name="taken", scope="module")
def _taken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Taken]]]:
    """Take the turns that were asked for, as many at once as there are processors."""
    folder = tmp_path_factory.mktemp("turns")
    wanted = [
        str(item.callspec.params["turn"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "taken" in item.fixturenames
    ]
    models = _models(folder, measured=any(TURNS[name].measured for name in wanted))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            name: pool.submit(
                take, TURNS[name], models[TURNS[name].measured], folder / str(number)
            )
            for number, name in enumerate(wanted)
        }


def _models(folder: Path, measured: bool) -> dict[bool, Path]:
    """Make a farm that is new, and one with two runs where that is asked for."""
    new, used = folder / "new", folder / "used"
    for home in (new, used) if measured else (new,):
        assert farm("init", home, cwd=folder).code == 0
    if measured:
        (used / "quick.c").write_text(QUICK)
        for _ in range(2):
            said = farm("run", "quick.c", *NATIVE, cwd=used)
            assert said.code == 0, said.err
    return {False: new, True: used}


@pytest.mark.parametrize("turn", TURNS)
def test_a_wrong_turn_is_one_line_and_leaves_nothing(
    turn: str, taken: Mapping[str, Future[Taken]]
) -> None:
    """Whoever takes it learns what is wrong and what to do, and can go on at once."""
    judge(TURNS[turn], taken[turn].result())


def test_the_catalogue_is_whole() -> None:
    """Files, arguments, modules and situations: it shrinks by nobody's oversight."""
    print(f"{len(TURNS)} wrong turns")  # noqa: T201  # what -s is for
    assert len(TURNS) >= 1
