"""Expansion: the same cells in the same order with the same keys, wherever and whenever."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.device import Device, DeviceType
from orchestrator.domain.errors import MatrixError
from orchestrator.domain.matrix import Counts, MatrixSpec, Mode, Runtime
from orchestrator.domain.workload import Case, Value
from orchestrator.matrix import cell_key, expand, facts_of, same
from tests.support.factories import ARM, X86, case, device, emulated, workload
from tests.support.keys import known_keys

NATIVE = Mode(Runtime.NATIVE)
LOCAL = device("local")
EMU = emulated("emu", machine="local")
DEVICES = (LOCAL, EMU)


def fine(*_: object) -> str:
    """Find every cell possible."""
    return ""


def spec(**changed: object) -> MatrixSpec:
    """Build a matrix of two cases, two modes and two devices."""
    gemm = workload("gemm", sizes=("small", "layer"))
    base: dict[str, object] = {
        "name": "m",
        "cases": (case(gemm, size="small"), case(gemm, size="layer")),
        "modes": (Mode(Runtime.FAST), NATIVE),
        "targets": DEVICES,
    }
    return MatrixSpec(**{**base, **changed})  # type: ignore[arg-type]  # a test's own fields


def shown(made: MatrixSpec, devices: tuple[Device, ...] = DEVICES) -> list[tuple[object, ...]]:
    """Name the cells of a matrix."""
    return [
        (dict(cell.case.parameters).get("size"), cell.target.name, cell.mode.label)
        for cell in expand(made, devices, fine).cells
    ]


def test_modes_stand_beside_each_other() -> None:
    """What is compared, the modes of one case on one device, are neighbours."""
    assert shown(spec()) == [
        ("small", "local", "wamr-fast"),
        ("small", "local", "native"),
        ("small", "emu", "wamr-fast"),
        ("small", "emu", "native"),
        ("layer", "local", "wamr-fast"),
        ("layer", "local", "native"),
        ("layer", "emu", "wamr-fast"),
        ("layer", "emu", "native"),
    ]


@pytest.mark.parametrize(
    ("exclusion", "left"),
    [
        ({"mode": "native", "arch": "aarch64"}, 6),
        ({"size": "layer", "emulated": True}, 6),
        ({"runtime": "wamr-fast"}, 4),
        ({"device": "emu"}, 4),
        ({"device_type": ARM.name, "workload": "gemm", "size": "small"}, 6),
        ({"mode": "wamr-aot"}, 8),
        ({"simd": False}, 8),
        ({"kernels": "none", "size": "small"}, 4),
        ({"opt": 3, "size": "small"}, 4),
        ({"size": "small", "other": 1}, 8),
    ],
)
def test_an_exclusion_takes_out_what_matches_all_of_it(
    exclusion: dict[str, Value], left: int
) -> None:
    """One entry that does not match keeps the cell."""
    assert len(expand(spec(exclude=(exclusion,)), DEVICES, fine).cells) == left


def test_any_exclusion_is_enough() -> None:
    """Several exclusions add up."""
    made = spec(exclude=({"size": "small"}, {"device": "emu"}))
    assert shown(made) == [("layer", "local", "wamr-fast"), ("layer", "local", "native")]


def test_an_empty_matrix_is_refused() -> None:
    """A run of nothing is a mistake, not a success."""
    with pytest.raises(MatrixError) as caught:
        expand(spec(exclude=({"workload": "gemm"},)), DEVICES, fine)
    assert str(caught.value) == (
        "matrix 'm' is empty: name workloads, modes and devices, and exclude fewer"
    )


def test_counts_of_emulated_devices_are_their_own() -> None:
    """Times that mean nothing are not measured often."""
    made = spec(counts=Counts(3, 1, 9), emulated_counts=Counts(1, 0, 1))
    counts = {cell.target.name: cell.counts for cell in expand(made, DEVICES, fine).cells}
    assert counts == {"local": Counts(3, 1, 9), "emu": Counts(1, 0, 1)}
    typed = spec(targets=(ARM, X86), counts=Counts(3, 1, 9), emulated_counts=Counts(1, 0, 1))
    counts = {cell.target.name: cell.counts for cell in expand(typed, DEVICES, fine).cells}
    assert counts == {X86.name: Counts(3, 1, 9), ARM.name: Counts(1, 0, 1)}


def test_a_time_limit_is_the_matrixs_or_the_workloads() -> None:
    """The workload knows how long it may take; the matrix may know better."""
    assert expand(spec(), DEVICES, fine).cells[0].timeout_s == 300.0
    assert expand(spec(timeout_s=2.5), DEVICES, fine).cells[0].timeout_s == 2.5


def test_what_cannot_be_is_a_cell_with_the_reason() -> None:
    """A person sees why a point of the matrix has no number."""

    def never_native(_: Case, mode: Mode, kind: DeviceType) -> str:
        return f"no {mode.label} on {kind.arch}" if mode == NATIVE else ""

    cells = expand(spec(targets=(X86, ARM)), (LOCAL,), never_native).cells
    reasons = {(cell.target.name, cell.mode.label): cell.impossible for cell in cells}
    assert reasons == {
        (X86.name, "wamr-fast"): "",
        (X86.name, "native"): "no native on x86_64",
        (ARM.name, "wamr-fast"): f"no device of type {ARM.name} is declared",
        (ARM.name, "native"): f"no device of type {ARM.name} is declared",
    }


def test_a_device_that_is_absent_takes_no_cell() -> None:
    """Its own cells say so; a class goes on with who is left; what can never be comes first."""
    emu, twin = emulated("emu"), emulated("twin")

    def lacks(*names: str) -> Callable[[Device], str]:
        return lambda device: f"{device.name} lacks qemu" if device.name in names else ""

    def reasons(targets: tuple[Device | DeviceType, ...], *absent: str) -> list[str]:
        made = spec(targets=targets, modes=(NATIVE,), cases=spec().cases[:1])
        cells = expand(made, (LOCAL, emu, twin), fine, lacks(*absent)).cells
        return [cell.impossible for cell in cells]

    assert reasons((LOCAL, emu, twin), "emu") == ["", "emu lacks qemu", ""]
    assert reasons((ARM, X86), "emu") == ["", ""]
    assert reasons((ARM, X86), "emu", "twin") == ["emu lacks qemu", ""]
    never = expand(spec(targets=(emu,)), (emu,), lambda *_: "never", lacks("emu")).cells
    assert {cell.impossible for cell in never} == {"never"}


def test_a_key_never_changes() -> None:
    """Keys of another day and another version still find their cells: these were written down."""
    assert [key[:16] for key in known_keys()] == ["2a9ac1e45284e760", "7291b5afb466911e"]


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)
VALUES: st.SearchStrategy[Value] = st.booleans() | st.integers(-5, 5) | st.text("ab1", max_size=3)
MODES = st.builds(
    Mode,
    st.sampled_from(Runtime),
    simd=st.none() | st.booleans(),
    kernels=st.sampled_from(["none", "best", "tiled"]),
    opt=st.integers(0, 3),
)
CASES = st.builds(
    lambda name, parameters: Case(workload(name), tuple(parameters.items())),
    NAMES,
    st.dictionaries(NAMES, VALUES, max_size=3),
)
TARGETS = st.builds(lambda name, kind: device(name, kind), NAMES, st.sampled_from([X86, ARM])) | (
    st.sampled_from([X86, ARM])
)


def identity(of: Case, mode: Mode, target: Device | DeviceType) -> tuple[object, ...]:
    """Say what a key stands for, told apart by type: 1, True and "1" are three values."""
    parameters = sorted((key, type(value).__name__, value) for key, value in of.parameters)
    return (
        of.workload.name,
        tuple(parameters),
        mode.runtime,
        tuple(sorted(mode.options.items())),
        type(target),
        target.name,
    )


@given(st.lists(st.tuples(CASES, MODES, TARGETS), max_size=8))
def test_keys_are_equal_where_the_orders_are(
    ordered: list[tuple[Case, Mode, Device | DeviceType]],
) -> None:
    """One order, one key; two orders, two keys."""
    keys = {identity(*one): cell_key(*one) for one in ordered}
    assert len(set(keys.values())) == len(keys)
    for of, mode, target in ordered:
        turned = Case(of.workload, tuple(reversed(of.parameters)))
        assert cell_key(turned, mode, target) == keys[identity(of, mode, target)]


UNIQUE_CASES = st.lists(CASES, min_size=1, max_size=3, unique_by=lambda one: one.workload.name)
UNIQUE_MODES = st.lists(MODES, min_size=1, max_size=4, unique=True)
UNIQUE_DEVICES = st.lists(
    st.builds(device, NAMES), min_size=1, max_size=3, unique_by=lambda one: one.name
)


@given(UNIQUE_CASES, UNIQUE_MODES, UNIQUE_DEVICES, st.randoms(use_true_random=False))
def test_expansion_keeps_its_order(
    cases: list[Case], modes: list[Mode], devices: list[Device], shuffle: object
) -> None:
    """Cells follow the file alone: the inventory's order changes nothing, and each is unique."""
    made = MatrixSpec("m", tuple(cases), tuple(modes), tuple(devices))
    cells = expand(made, devices, fine).cells
    assert [(cell.case, cell.target, cell.mode) for cell in cells] == [
        (of, target, mode) for of in cases for target in devices for mode in modes
    ]
    assert expand(made, tuple(reversed(devices)), fine).cells == cells
    assert len({cell.key for cell in cells}) == len(cells)


@given(UNIQUE_CASES, UNIQUE_MODES, UNIQUE_DEVICES, st.data())
def test_exclusions_only_take_out(
    cases: list[Case], modes: list[Mode], devices: list[Device], data: st.DataObject
) -> None:
    """What is left keeps its key and its order; what is gone matched."""
    made = MatrixSpec("m", tuple(cases), tuple(modes), tuple(devices))
    whole = expand(made, devices, fine).cells
    victim = data.draw(st.sampled_from(whole))
    facts = facts_of(victim.case, victim.mode, victim.target, devices)
    keys = data.draw(st.sets(st.sampled_from(sorted(facts)), min_size=1, max_size=2))
    exclusion = {key: value for key in keys if (value := facts[key]) is not None}
    if not exclusion:
        return
    try:
        left = expand(
            MatrixSpec("m", made.cases, made.modes, made.targets, exclude=(exclusion,)),
            devices,
            fine,
        ).cells
    except MatrixError:
        left = ()
    assert victim not in left
    assert [cell for cell in whole if cell in left] == list(left)
    for gone in (cell for cell in whole if cell not in left):
        known = facts_of(gone.case, gone.mode, gone.target, devices)
        assert all(same(known[key], value) for key, value in exclusion.items())
