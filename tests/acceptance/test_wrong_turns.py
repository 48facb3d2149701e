"""Every wrong turn of the catalogue: one clear line, the right exit code, nothing half-done."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.core import TyperGroup

from orchestrator.cli.manual import load
from orchestrator.cli.nouns import NOUNS
from tests.support.commands import farm
from tests.support.situations import situations
from tests.support.wrongturns import CHECKOUT, Taken, catalogue, judge, take

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(600)]

TURNS = catalogue()
QUICK = '#include <stdio.h>\nint main(void) { puts("quick"); return 0; }\n'
#: Whatever this machine is and has: complaints list devices and types.
INVENTORY = """\
device_types:
  local-x86_64: {arch: x86_64, cpu: x86-64-v2}
  qemu-aarch64: {arch: aarch64, cpu: cortex-a72}
  qemu-armv7: {arch: armv7, cpu: cortex-a7}
devices:
  local: {type: local-x86_64, machine: this-machine}
  emu-aarch64: {type: qemu-aarch64, machine: this-machine, emulator: qemu-aarch64-static}
  emu-armv7: {type: qemu-armv7, machine: this-machine, emulator: qemu-arm-static}
"""
#: The parts of docs/reference/files.md that list keys, and the catalogues of each.
PAGES = {
    "workload.yaml": "workload",
    "Matrix file": "matrix",
    "inventory.yaml": "inventory",
    "farm.toml": "farm_toml",
}
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
        (home / "inventory.yaml").write_text(INVENTORY)
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
    around = situations()
    print(f"{len(TURNS)} wrong turns, {around} situations")  # noqa: T201  # what -s is for
    assert len(TURNS) >= 350
    assert around >= 40


@pytest.mark.parametrize("page", PAGES)
def test_every_key_has_a_wrong_turn(page: str) -> None:
    """A key of the reference can be written wrongly, and what is said then is known."""
    text = (Path(CHECKOUT) / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    table = text.split(f"\n## {page}")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`[^|]+`) \|", table)
    keys = [key for row in rows for key in re.findall(r"`([^`]+)`", row)]
    told = " ".join(
        f"{turn.name} {turn.says}" for name, turn in TURNS.items() if name.startswith(PAGES[page])
    )
    words = set(re.findall(r"\w+", told))
    assert len(keys) >= 13
    assert [key for key in keys if _last(key) not in words] == []


def _last(key: str) -> str:
    """Answer the word a complaint names a key by: ``tags`` of ``devices.NAME.tags[]``."""
    return [part for part in key.replace("[]", "").split(".") if part != "NAME"][-1]


def test_every_command_has_a_wrong_turn() -> None:
    """Also the ones that take nothing at all."""
    tried = [" ".join(shlex.split(turn.argv)) + " " for turn in TURNS.values()]
    commands = list(_commands())
    assert len(commands) >= 25
    assert [name for name in commands if not any(one.startswith(name) for one in tried)] == []


def _commands() -> Iterator[str]:
    """Name every command there is, each with a blank after it."""
    for noun in NOUNS:
        command = load(noun)
        if isinstance(command, TyperGroup):
            yield from (f"{noun.name} {verb} " for verb in command.commands)
        else:
            yield f"{noun.name} "
