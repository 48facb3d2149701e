"""Small builds for tests: targets made by real tools in caches of their own."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.build.engine import make_all
from orchestrator.build.recipes import Command, Made, Product, Source, Target, Text, Tool
from orchestrator.build.toolchain import WASM, Unit, compile_c, find_zig
from orchestrator.build.workshop import Workshop
from orchestrator.domain.artifact import ArtifactKind
from orchestrator.domain.errors import BuildError
from orchestrator.domain.order import BuildStep

#: A tool every machine has; its digest is made up.
SHELL = Tool("sh", "1", "5" * 64, "/bin/sh")


def user_cache() -> Path:
    """The build cache of whoever runs the tests: zig's C libraries take a minute each."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "farm"
    return Path(os.environ.get("FARM_CACHE_DIR", default))


def workshop(cache: Path) -> Workshop:
    """A workshop with a memory of its own that shares the user's C libraries."""
    zig_cache = str(user_cache() / "zig")
    environment = {
        "PATH": os.environ["PATH"],
        "ZIG_GLOBAL_CACHE_DIR": zig_cache,
        "ZIG_LOCAL_CACHE_DIR": zig_cache,
    }
    return Workshop(cache, environment)


def script(
    name: str,
    text: str,
    *inputs: Source | Product | Text,
    places: Mapping[str, Path] | None = None,
    after: tuple[Target, ...] = (),
) -> Target:
    """A target that a shell script makes; the script leaves ``product``."""
    return Target(
        name=name,
        kind=ArtifactKind.OBJECT,
        arch="",
        commands=(Command(SHELL, ("-ec", text)),),
        inputs=inputs,
        file_name="product",
        places=places or {},
        after=after,
    )


def c_object(folder: Path, source: str) -> Target:
    """An object compiled by zig."""
    unit = Unit("test", folder, source)
    return compile_c(find_zig(), unit, WASM, ("-O1",), label="", places={})


class Log:
    """What a build told."""

    def __init__(self) -> None:
        self.steps: list[BuildStep] = []
        self.building = threading.Event()

    def take(self, step: BuildStep) -> None:
        """Note a step."""
        self.steps.append(step)
        if step.state == "building":
            self.building.set()

    def last(self) -> dict[str, BuildStep]:
        """Where each target ended."""
        return {step.name: step for step in self.steps}

    def made(self) -> dict[str, str]:
        """Targets that were made, with the reason."""
        return {name: s.reason for name, s in self.last().items() if s.state == "made"}


def build(
    shop: Workshop,
    targets: Iterable[Target],
    *,
    log: Log | None = None,
    stop: threading.Event | None = None,
    jobs: int = 2,
) -> list[Made | BuildError]:
    """Build targets; answers what became of each."""
    wanted = list(targets)
    log = log or Log()
    results = make_all(shop, wanted, jobs=jobs, progress=log.take, stop=stop or threading.Event())
    return [results[target] for target in wanted]


def made(result: Made | BuildError) -> Made:
    """The product; fails the test where there is none."""
    assert isinstance(result, Made), str(result)
    return result


def content(shop: Workshop, result: Made | BuildError) -> bytes:
    """The bytes of a product."""
    return shop.blobs.path(made(result).digest.sha256).read_bytes()


def write_counting(folder: Path) -> tuple[Target, Path]:
    """A target that takes a moment and notes each time it is made, and the notes."""
    notes = folder / "notes"
    text = "echo made >> {folder}/notes; sleep 0.3; echo done > product"
    return script("counted", text, places={"folder": folder}), notes


def lingering(folder: Path) -> Target:
    """A target whose tool never ends; it and a child in a session of its own note their pids."""
    child = "setsid sh -c 'echo $$ > {folder}/child; exec sleep 600' &"
    text = f"echo $$ > {{folder}}/tool; {child} sleep 600; true"
    return script("lingering", text, places={"folder": folder})


def main() -> None:
    """Build a target in a process of its own: ``counted|lingering CACHE FOLDER``."""
    what, cache, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    target = lingering(folder) if what == "lingering" else write_counting(folder)[0]
    (result,) = build(workshop(cache), [target])
    sys.exit(0 if isinstance(result, Made) else 1)


if __name__ == "__main__":
    main()
