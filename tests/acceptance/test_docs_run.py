"""The pages for people, run as they stand: their commands work, and print what they show."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.config import default_cache
from tests.support.commands import FARM, environment
from tests.support.pages import Step, missing_line, read_page, run_page
from tests.support.postgresql import cluster

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

ROOT = Path(__file__).resolve().parents[2]
STEPS = {
    str(file.relative_to(ROOT)): list(read_page(file.read_text(encoding="utf-8")))
    for file in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
}
RUN = [page for page, steps in STEPS.items() if any(step.kind == "run" for step in steps)]
#: A cold build of every runner is below this.
PATIENCE_S = 1500.0
#: Raised with a thought only: each is a block that may rot.
MOST_LEFT_OUT = 5


@contextmanager
def world(page: str) -> Iterator[tuple[dict[str, str], Mapping[str, str]]]:
    """Lend what a page takes for granted.

    Yields:
        Its environment, and the names in it that stand for something here.
    """
    home = {"FARM_CACHE_DIR": str(default_cache(os.environ))}
    # A page's home is its own; the tools of this one stay.
    for name in ("cargo", "rustup"):
        home[f"{name.upper()}_HOME"] = str(Path.home() / f".{name}")
    home |= {
        name: os.environ[name] for name in ("CARGO_HOME", "RUSTUP_HOME") if name in os.environ
    }
    home["PATH"] = f"{FARM.parent}:{os.environ['PATH']}"
    if "postgresql" not in page:
        yield environment(**home), {}
        return
    server = cluster()
    home["PATH"] = f"{server.programs}:{home['PATH']}"
    home |= {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "farm"}
    yield environment(**home), {"db.example.org:5432": f"127.0.0.1:{server.port}"}


def here(step: Step, names: Mapping[str, str]) -> Step:
    """Put this machine's names into a step."""
    text = step.text
    for name, value in names.items():
        text = text.replace(name, value)
    return Step(step.kind, step.line, text, step.note)


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the pages show what an x86_64 machine prints"
)
@pytest.mark.parametrize("page", RUN)
def test_a_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    """Its commands succeed from its first to its last, and show what it shows."""
    with world(page) as (its_environment, names):
        steps = [here(step, names) for step in STEPS[page]]
        done = run_page(steps, tmp_path, its_environment, PATIENCE_S)
    last = max(done.printed)
    assert done.code == 0, f"{page}:{steps[last].line}:\n{steps[last].text}\n{done.printed[last]}"
    assert last == len(steps) - 1
    printed: str | None = None
    for place, step in enumerate(steps):
        if step.kind in {"run", "skip"}:
            printed = done.printed[place] if step.kind == "run" else None
        elif step.kind == "shown" and printed is not None:
            missing = missing_line(step.text, printed)
            assert missing is None, f"{page}:{step.line}: no {missing!r} in\n{printed}"


def test_what_is_not_run_has_a_reason_and_is_little(capsys: pytest.CaptureFixture[str]) -> None:
    """Every block that is left out is told, and how many they are."""
    left_out = [
        f"{page}:{step.line}: {step.note}"
        for page, steps in STEPS.items()
        for step in steps
        if step.kind == "skip"
    ]
    total = sum(step.kind == "run" for steps in STEPS.values() for step in steps)
    with capsys.disabled():
        sys.stdout.write(f"\n{total} blocks of commands are run, {len(left_out)} are not:\n")
        sys.stdout.writelines(f"  {line}\n" for line in left_out)
    assert [line for line in left_out if len(line.split(": ", 1)[1]) < 15] == []
    assert len(left_out) <= MOST_LEFT_OUT


@pytest.mark.parametrize("page", STEPS)
def test_no_command_hides_in_a_plain_fence(page: str) -> None:
    """A reader copies what looks like a command; so all of them are in fences that are run."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    plain = [body for language, body in fences if language in {"", "text"}]
    shown = [line for body in plain for line in body.splitlines() if line.startswith("farm ")]
    assert shown == [] or page == "docs/reference/commands.md"
