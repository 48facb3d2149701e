"""Placement: the right device, a free machine, interleaved blocks, and always a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.device import Device, DeviceStatus
from orchestrator.domain.run import HeldLease, Slot
from orchestrator.placement import Placement, choose, explain, fits, interleaved
from protos.states import DeviceState, Health, Hold, LeaseState
from tests.support.factories import ARM, NOW, X86, device, emulated, later

LOCAL = device("local", machine="here")
EMU = emulated("emu", machine="here")
PI = device("pi", ARM)
DEVICES = {one.name: one for one in (LOCAL, EMU, PI)}


def status(of: Device = LOCAL, **changed: object) -> DeviceStatus:
    """Build the status of a healthy idle device."""
    base = DeviceStatus(of, DeviceState.IDLE, Health.GOOD, Hold.NONE, 3, NOW, "1.0.0")
    return replace(base, **changed)  # type: ignore[arg-type]  # a test's own fields


def slot(position: int = 0, **changed: object) -> Slot:
    """Build an open slot for any x86_64 device."""
    base = Slot(
        run_id=1,
        cell_id=position + 100,
        block=0,
        tries=0,
        priority=0,
        group="gemm",
        device=None,
        device_type=X86.name,
        position=position,
    )
    return replace(base, **changed)  # type: ignore[arg-type]  # a test's own fields


def lease(of: Device) -> HeldLease:
    """Build a held lease of a device."""
    return HeldLease(7, of.name, of.machine, 3, LeaseState.HELD, NOW)


def place(
    of: DeviceStatus,
    slots: Sequence[Slot],
    held: Sequence[HeldLease] = (),
    devices: Mapping[str, Device] = DEVICES,
) -> Placement:
    """Choose at a fixed moment."""
    return choose(of, slots, held, devices, later(90))


@pytest.mark.parametrize(
    ("of", "held", "why"),
    [
        (status(hold=Hold.DRAIN), [], "local is on hold (drain)"),
        (
            status(hold=Hold.MAINTENANCE, note="new fan"),
            [],
            "local is on hold (maintenance): new fan",
        ),
        (status(state=DeviceState.OFFLINE), [], "local is offline, last seen 90 s ago"),
        (
            status(state=DeviceState.OFFLINE, seen_at=None),
            [],
            "local is offline, never seen",
        ),
        (
            status(state=DeviceState.OFFLINE, seen_at=later(100)),
            [],
            "local is offline, last seen 0 s ago",
        ),
        (
            status(health=Health.BAD, note="3 failures"),
            [],
            "the health of local is bad: 3 failures",
        ),
        (status(), [lease(LOCAL)], "local is measuring"),
        (status(), [lease(EMU)], "emu is measuring on the same machine (here)"),
    ],
)
def test_an_obstacle_is_named(of: DeviceStatus, held: list[HeldLease], why: str) -> None:
    """A device that takes nothing says why, whatever is open."""
    assert place(of, [slot()], held) == Placement((), why)


def test_unknown_health_is_no_obstacle() -> None:
    """A device nobody has used yet has to begin somewhere."""
    assert place(status(health=Health.UNKNOWN), [slot()]).slots == (slot(),)


def test_another_machine_is_no_obstacle() -> None:
    """Devices on hardware of their own measure at the same time."""
    assert place(status(), [slot()], [lease(PI)]).slots == (slot(),)


@pytest.mark.parametrize(
    ("mine", "other", "placed"),
    [(True, True, 1), (True, False, 0), (False, True, 0), (False, False, 0)],
)
def test_a_machine_is_shared_only_by_agreement(mine: bool, other: bool, placed: int) -> None:
    """Both have to share: one that wants quiet is not disturbed by one that does not care."""
    local = replace(LOCAL, share_machine=mine)
    emu = replace(EMU, share_machine=other)
    devices = {"local": local, "emu": emu}
    assert len(place(status(local), [slot()], [lease(emu)], devices).slots) == placed


def test_a_lease_of_an_undeclared_device_keeps_its_machine() -> None:
    """A device taken out of the inventory while it measures is still measuring."""
    local = replace(LOCAL, share_machine=True)
    placement = place(status(local), [slot()], [lease(EMU)], {"local": local})
    assert placement.slots == ()


def test_nothing_for_this_device() -> None:
    """Slots of other devices and types stay where they are."""
    others = [slot(device_type=ARM.name), slot(1, device="emu")]
    assert place(status(), others) == Placement((), "no open cell is for this device")
    assert place(status(), []) == Placement((), "no open cell is for this device")


def test_a_named_device_is_meant_itself() -> None:
    """A slot for one device is not taken by another of its type."""
    twin = device("twin")
    assert not fits(twin, slot(device="local"))
    assert fits(LOCAL, slot(device="local"))
    assert fits(twin, slot())


def test_priority_then_age_then_block_then_place() -> None:
    """What is urgent goes first; then the oldest run; then the block that is due."""
    slots = [
        slot(0, run_id=1, block=1),
        slot(1, run_id=1, block=0),
        slot(2, run_id=2, block=0),
        slot(3, run_id=3, block=5, priority=1),
    ]
    order: list[int] = []
    while slots:
        taken = place(status(), slots).slots
        order.extend(one.position for one in taken)
        slots = [one for one in slots if one not in taken]
    assert order == [3, 1, 0, 2]


def test_a_block_is_given_together_and_turns() -> None:
    """A B C, then C B A: slow drift weighs on all alike."""
    block = [slot(2), slot(0), slot(1)]
    assert [one.position for one in place(status(), block).slots] == [0, 1, 2]
    second = [replace(one, block=1) for one in block]
    assert [one.position for one in place(status(), second).slots] == [2, 1, 0]


def test_another_group_waits() -> None:
    """What is not compared is not interleaved."""
    slots = [slot(0), slot(1, group="noop"), slot(2)]
    placement = place(status(), slots)
    assert [one.position for one in placement.slots] == [0, 2]
    assert placement.why == "run 1, gemm, block 0"


def test_a_waiting_slot_is_explained_per_device() -> None:
    """The line a person reads comes from the rules that place."""
    wanted = slot(3, device_type=ARM.name, group="late", run_id=2)
    first = slot(0, device_type=ARM.name)
    statuses = [status(), status(EMU), status(PI, hold=Hold.DRAIN)]
    args = ([wanted, first], [lease(LOCAL)], DEVICES, NOW)
    assert explain(wanted, statuses, *args) == (
        "local is measuring on the same machine (here)",
        "pi is on hold (drain)",
    )
    assert explain(wanted, [status(EMU)], [wanted, first], [], DEVICES, NOW) == (
        "emu takes run 1, gemm, block 0 first",
    )
    assert explain(first, [status(EMU)], [wanted, first], [], DEVICES, NOW) == (
        "emu takes it when it asks next",
    )
    assert explain(wanted, [status()], *args) == (f"no device of type {ARM.name} is declared",)
    assert explain(slot(device="gone"), [status()], *args) == ("no device gone is declared",)


SLOTS = st.lists(
    st.builds(
        slot,
        st.integers(0, 20),
        run_id=st.integers(1, 3),
        block=st.integers(0, 3),
        group=st.sampled_from(["gemm", "noop"]),
        device=st.none() | st.sampled_from(["local", "emu", "pi", "gone"]),
        device_type=st.sampled_from([X86.name, ARM.name]),
    ),
    max_size=12,
    unique_by=lambda one: (one.cell_id, one.block),
).map(
    # A priority is the whole run's: run 2 is the urgent one.
    lambda slots: [replace(one, priority=int(one.run_id == 2)) for one in slots]
)
STATUSES = st.builds(
    status,
    st.sampled_from([LOCAL, EMU, PI]),
    state=st.sampled_from(DeviceState),
    health=st.sampled_from(Health),
    hold=st.sampled_from(Hold),
)
LEASES = st.lists(st.builds(lease, st.sampled_from([LOCAL, EMU, PI])), max_size=3)


@given(STATUSES, SLOTS, LEASES)
def test_no_device_gets_what_it_cannot_run(
    of: DeviceStatus, slots: list[Slot], held: list[HeldLease]
) -> None:
    """Whatever is open: the right device, a free machine, no hold, not bad, not offline."""
    placement = place(of, slots, held)
    assert placement.why
    for one in placement.slots:
        assert one in slots
        assert fits(of.device, one)
        assert of.hold is Hold.NONE
        assert of.state is not DeviceState.OFFLINE
        assert of.health is not Health.BAD
        assert all(other.machine != of.device.machine for other in held)


@given(SLOTS)
def test_what_fits_a_free_device_is_placed(slots: list[Slot]) -> None:
    """A free, healthy device never idles beside a cell it could take, and takes whole blocks."""
    placement = place(status(), slots)
    fitting = [one for one in slots if fits(LOCAL, one)]
    assert bool(placement.slots) == bool(fitting)
    assert len({(one.run_id, one.group, one.block) for one in placement.slots}) <= 1
    if fitting:
        best = placement.slots[0]
        together = [
            one
            for one in fitting
            if (one.run_id, one.group, one.block) == (best.run_id, best.group, best.block)
        ]
        assert sorted(one.cell_id for one in together) == sorted(
            one.cell_id for one in placement.slots
        )
        assert best.priority == max(one.priority for one in fitting)


@given(SLOTS, st.randoms(use_true_random=False))
def test_the_order_slots_come_in_changes_nothing(slots: list[Slot], random: object) -> None:
    """A database may answer in any order."""
    assert place(status(), slots) == place(status(), list(reversed(slots)))


@given(st.integers(0, 6), st.integers(2, 5))
def test_two_blocks_weigh_all_alike(block: int, variants: int) -> None:
    """Over a pair of blocks each variant has the same mean place: linear drift cancels out."""
    pair = [
        [one.position for one in interleaved([slot(n, block=index) for n in range(variants)])]
        for index in (2 * block, 2 * block + 1)
    ]
    sums = {pair[0].index(n) + pair[1].index(n) for n in range(variants)}
    assert sums == {variants - 1}


def test_an_empty_block_has_no_order() -> None:
    """Nothing to interleave is nothing."""
    assert interleaved([]) == ()
