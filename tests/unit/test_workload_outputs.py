"""The expected outputs of the workloads, each had by another way than the C that must print it."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from orchestrator.domain.device import Arch
from orchestrator.domain.workload import Case
from orchestrator.files.workloads import catalogue, check_case
from tests.support import references
from tests.support.references import expected

WORKLOADS = Path(__file__).resolve().parents[2] / "workloads"


@pytest.mark.parametrize("workload", references.TEXTS)
def test_small_output_is_right(workload: str) -> None:
    """A hash by hashlib, a sort by Python's, primes by pow, sums in closed form, .."""
    assert expected(workload, "small") == references.TEXTS[workload]("small")


def test_orbits_are_right_to_the_last_bit() -> None:
    """A thousand steps of Python's doubles end in the same bits."""
    assert expected("nbody", "small") == references.nbody_small()


@pytest.mark.parametrize(("size", "steps"), [("small", 1000), ("real", 5000000)])
def test_orbits_keep_the_published_energies(size: str, steps: int) -> None:
    """Energies before and after are those the Computer Language Benchmarks Game publishes."""
    lines = expected("nbody", size).splitlines()
    assert lines[0] == f"nbody {size} {steps}"
    assert [line.split()[2] for line in lines[1:3]] == [
        references.NBODY_PUBLISHED[0],
        references.NBODY_PUBLISHED[steps],
    ]


def test_every_size_has_its_expected_output() -> None:
    """No value of a parameter leads to a case that could not be judged."""
    for workload in catalogue([WORKLOADS]).values():
        axes = [
            [(each.name, value) for value in each.values or (each.default,)]
            for each in workload.parameters
        ]
        for parameters in product(*axes):
            check_case(Case(workload, parameters), list(Arch))


def test_every_workload_is_in_the_table() -> None:
    """Each folder has its row in the page beside it, and each row its folder."""
    page = (WORKLOADS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `([a-z0-9]+)`", page)
    assert sorted(rows) == sorted(catalogue([WORKLOADS]))
