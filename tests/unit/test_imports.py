"""The house keeps its layers and doors; and the judge of that finds each kind of breach."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.layers import PACKAGES, find_complaints

ROOT = Path(__file__).resolve().parents[2]


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write an invented tree and answer its root."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def test_the_house_keeps_its_layers_and_doors() -> None:
    """No module of the project imports what the design forbids it."""
    assert find_complaints(ROOT) == []


def test_the_judge_reads_the_whole_house() -> None:
    """An empty list above means judged, not overlooked: the packages are where the judge looks."""
    assert [name for name in PACKAGES if any((ROOT / name).rglob("*.py"))] == list(PACKAGES)


#: What breaks each rule: the file, its text, and the complaint it must give.
BREACHES = {
    "upwards": (
        "orchestrator/store/sql.py",
        "import orchestrator.scheduler\n",
        "orchestrator/store/sql.py:1: orchestrator.store.sql may not import "
        "orchestrator.scheduler: imports go down",
    ),
    "upwards, from": (
        "orchestrator/service.py",
        "from orchestrator.rpc import server\n",
        "orchestrator/service.py:1: orchestrator.service may not import "
        "orchestrator.rpc.server: imports go down",
    ),
    "upwards, late": (
        "orchestrator/scheduler.py",
        "def f():\n    from orchestrator.service import Farm\n",
        "orchestrator/scheduler.py:2: orchestrator.scheduler may not import "
        "orchestrator.service: imports go down",
    ),
    "upwards, by name": (
        "orchestrator/rpc/server.py",
        "import importlib\nimportlib.import_module('orchestrator.cli.main')\n",
        "orchestrator/rpc/server.py:2: orchestrator.rpc.server may not import "
        "orchestrator.cli.main: imports go down",
    ),
    "upwards, for types": (
        "orchestrator/blobs.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import orchestrator.build\n",
        "orchestrator/blobs.py:3: orchestrator.blobs may not import orchestrator.build: "
        "imports go down",
    ),
    "foreign door": (
        "orchestrator/scheduler.py",
        "from sqlalchemy import select\n",
        "orchestrator/scheduler.py:1: orchestrator.scheduler may not import sqlalchemy: "
        "the door to sqlalchemy is orchestrator.store, migrations",
    ),
    "nearly the door": (
        "agent/linkage.py",
        "import grpc\n",
        "agent/linkage.py:1: agent.linkage may not import grpc: "
        "the door to grpc is orchestrator.rpc, orchestrator.cli.control, agent.link",
    ),
    "no door": (
        "orchestrator/cli/main.py",
        "import requests\n",
        "orchestrator/cli/main.py:1: orchestrator.cli.main may not import requests: "
        "no door is named for requests in tests/support/layers.py",
    ),
    "second colour": (
        "agent/link.py",
        "import asyncio\n",
        "agent/link.py:1: agent.link may not import asyncio: "
        "the door to asyncio is orchestrator.rpc",
    ),
    "agent looks up": (
        "agent/stage.py",
        "from orchestrator.domain import errors\n",
        "agent/stage.py:1: agent.stage may not import orchestrator.domain: "
        "the agent knows protos and itself only",
    ),
    "agent is imported": (
        "orchestrator/local_agents.py",
        "from agent.config import AgentConfig\n",
        "orchestrator/local_agents.py:1: orchestrator.local_agents may not import "
        "agent.config: an agent is started, never imported",
    ),
    "pure acts": (
        "orchestrator/matrix.py",
        "from orchestrator.blobs import Blobs\n",
        "orchestrator/matrix.py:1: orchestrator.matrix may not import orchestrator.blobs: "
        "a pure module imports only the standard library and pure modules",
    ),
    "messages inside": (
        "orchestrator/store/sql.py",
        "from protos.farm.v1 import agents_pb2\n",
        "orchestrator/store/sql.py:1: orchestrator.store.sql may not import "
        "protos.farm.v1: messages stay at the edges",
    ),
    "relative": (
        "orchestrator/store/__init__.py",
        "from ..cli import main\n",
        "orchestrator/store/__init__.py:1: orchestrator.store may not import "
        "orchestrator.cli: imports go down",
    ),
    "ring": (
        "orchestrator/build/a.py",
        "try:\n    import orchestrator.build.a2\nexcept ImportError:\n    pass\n",
        "modules import each other in a ring: "
        "orchestrator.build.a -> orchestrator.build.a2 -> orchestrator.build.a",
    ),
}


@pytest.mark.parametrize(("file", "text", "complaint"), BREACHES.values(), ids=BREACHES.keys())
def test_the_judge_finds_each_breach(tmp_path: Path, file: str, text: str, complaint: str) -> None:
    """One breach in an otherwise sound tree gives exactly its own complaint."""
    sound = {
        "orchestrator/rpc/server.py": "",
        "orchestrator/build/a2.py": "import orchestrator.build.a\n",
    }
    assert find_complaints(plant(tmp_path, {**sound, file: text})) == [complaint]


def test_the_judge_lets_right_imports_pass(tmp_path: Path) -> None:
    """Down, across, through the right door, late and typed: none of these is a breach."""
    root = plant(
        tmp_path,
        {
            "orchestrator/domain/run.py": "import re\nfrom protos.states import RunState\n",
            "orchestrator/matrix.py": "from orchestrator.domain import run\n",
            "orchestrator/store/sql.py": "import sqlalchemy.orm\nimport orchestrator.domain.run\n",
            "orchestrator/scheduler.py": "from orchestrator.placement import choose\n",
            "orchestrator/placement.py": "import math\n",
            "orchestrator/rpc/agents.py": (
                "import asyncio\nimport grpc\nfrom orchestrator.service import Farm\n"
                "from protos.farm.v1 import agents_pb2\n"
            ),
            "orchestrator/cli/main.py": "import typer\nfrom orchestrator import app\n",
            "agent/link.py": "import grpc\nfrom protos.farm.v1 import agents_pb2_grpc\n",
            "agent/stage.py": "from agent import link\nfrom google.protobuf import message\n",
            "protos/farm/v1/agents_pb2_grpc.py": "import grpc\nimport warnings\n",
        },
    )
    assert find_complaints(root) == []


def test_a_ring_that_is_closed_late_is_no_ring(tmp_path: Path) -> None:
    """Importing back inside a function, or for types only, does no harm at import time."""
    root = plant(
        tmp_path,
        {
            "orchestrator/build/a.py": "import orchestrator.build.b\n",
            "orchestrator/build/b.py": (
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
                "    import orchestrator.build.a\ndef f():\n    import orchestrator.build.a\n"
            ),
        },
    )
    assert find_complaints(root) == []
