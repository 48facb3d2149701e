"""The store's contract: devices."""

from __future__ import annotations

import pytest

from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.errors import NotFound
from orchestrator.store.base import Store
from protos.states import DeviceState, Health, Hold, IllegalMoveError
from tests.support import factories as make
from tests.support.storing import Rig


def test_a_declared_device_is_known_and_offline(store: Store) -> None:
    """What the inventory says comes back as it was; nobody has heard of the device yet."""
    board = make.device("pi", make.ARM, machine="shelf", tags=("lab", "fan"), share_machine=True)
    with store.transaction() as t:
        t.declare_devices([board, make.emulated()])
    found = store.device("pi")
    assert found.device == board
    assert (found.state, found.health, found.hold) == (
        DeviceState.OFFLINE,
        Health.GOOD,
        Hold.NONE,
    )
    assert (found.fence, found.seen_at, found.agent_version, found.facts) == (0, None, "", {})
    assert [one.device.name for one in store.devices()] == ["emu", "pi"]


def test_a_device_that_changes_in_the_inventory_changes(store: Store) -> None:
    """The inventory's last word holds, and what the store learned itself stays."""
    rig = Rig(store, make.device("pi", make.ARM))
    other = make.device("pi", DeviceType("pi5", Arch.AARCH64, "cortex-a76"), machine="rack")
    with rig.transaction() as t:
        t.declare_devices([other])
    assert store.device("pi").device == other
    assert store.device("pi").state is DeviceState.IDLE


def test_a_device_that_leaves_the_inventory_takes_no_work(store: Store) -> None:
    """It is held and says why; back in the inventory it works again."""
    rig = Rig(store, make.device("a"), make.device("b"))
    with rig.transaction() as t:
        t.declare_devices([make.device("a")])
    assert store.device("b").hold is Hold.MAINTENANCE
    assert "inventory" in store.device("b").note
    with rig.transaction() as t:
        t.declare_devices([make.device("a"), make.device("b")])
    assert (store.device("b").hold, store.device("b").note) == (Hold.NONE, "")


def test_contact_makes_an_offline_device_idle(store: Store) -> None:
    """Contact is noted with the moment and the agent's version."""
    with store.transaction() as t:
        t.declare_devices([make.device()])
        t.see_device("local", make.NOW, agent_version="1.2", boot_id="b")
    found = store.device("local")
    assert (found.state, found.seen_at, found.agent_version) == (
        DeviceState.IDLE,
        make.NOW,
        "1.2",
    )


def test_contact_makes_an_offline_device_with_a_lease_leased(store: Store) -> None:
    """A device that was silent for a while still holds what it was given."""
    rig = Rig(store)
    rig.order()
    rig.grant()
    with rig.transaction() as t:
        t.move_device("local", DeviceState.OFFLINE)
        t.see_device("local", rig.now(), agent_version="1", boot_id="b")
    assert store.device("local").state is DeviceState.LEASED


def test_facts_are_interned(store: Store) -> None:
    """The same facts are one snapshot; changed facts are another, and the current ones show."""
    rig = Rig(store)
    assert not store.knows_facts("local")
    with rig.transaction() as t:
        first = t.record_facts("local", {"cpu.model": "A", "os.name": "x"}, rig.now())
        second = t.record_facts("local", {"cpu.model": "B"}, rig.now())
        again = t.record_facts("local", {"os.name": "x", "cpu.model": "A"}, rig.now())
    assert first == again != second
    assert store.knows_facts("local")
    assert store.device("local").facts == {"cpu.model": "A", "os.name": "x"}


def test_health_says_why(store: Store) -> None:
    """Health and its note come back together."""
    rig = Rig(store)
    with rig.transaction() as t:
        t.set_health("local", Health.BAD, "disk full")
    found = store.device("local")
    assert (found.health, found.note) == (Health.BAD, "disk full")


def test_an_illegal_move_is_a_bug(store: Store) -> None:
    """The tables of states hold for the store too."""
    rig = Rig(store)
    run_id = rig.order()
    rig.measure()
    with pytest.raises(IllegalMoveError), rig.transaction() as t:
        t.expire(1, rig.now(), "released already")
    assert rig.run(run_id).state == "done"


def test_unknown_devices_are_not_found(store: Store) -> None:
    """Every verb on a device names the one it does not know."""
    with pytest.raises(NotFound, match="nope"):
        store.device("nope")
    with pytest.raises(NotFound, match="nope"), store.transaction() as t:
        t.see_device("nope", make.NOW, agent_version="", boot_id="")
    with pytest.raises(NotFound, match="nope"):
        store.ready_slots("nope")
