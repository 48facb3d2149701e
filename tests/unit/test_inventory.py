"""inventory.yaml: the declared devices, and the ones a new farm starts with."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.device import Arch, Device, DeviceType
from orchestrator.inventory import default_inventory_text, parse_inventory, read_inventory
from orchestrator.machine import (
    KNOWN_CPUS,
    MachineFacts,
    cpu_of,
    emulated_cpu,
    probe_machine,
    why_absent,
)
from tests.support import factories as make
from tests.support.files import complaint, inventory

TYPES = "device_types:\n  t: {arch: x86_64, cpu: x86-64-v3}\n  e: {arch: aarch64, cpu: generic}\n"

BAD = [
    ("", "inv.yaml:1: the file is empty: write device_types and devices"),
    (
        "devices:\n  a: {type: t}",
        "inv.yaml:1: 'device_types' is missing: add a map: name of a type -> arch and cpu",
    ),
    (
        TYPES + "devices: {}",
        "inv.yaml:4: 'devices' is {}: write a map: name of a device -> its type, ..",
    ),
    (
        TYPES + "devices:\n  a: {type: pi}",
        "inv.yaml:5: unknown device type 'pi': known are t, e",
    ),
    (
        TYPES + "devices:\n  a: {machine: m}",
        "inv.yaml:5: 'type' of 'a' is missing: add a name from device_types",
    ),
    (
        TYPES + "devices:\n  a: {type: t}\n  a: {type: e}",
        "inv.yaml:6: doubled key 'a': keep one of them",
    ),
    (
        TYPES + "devices:\n  a:\n    type: t\n    emulater: q",
        "inv.yaml:7: unknown key 'emulater': did you mean 'emulator'?",
    ),
    (
        TYPES + "devices:\n  a: {type: t, ssh: pi@host}",
        "inv.yaml:5: 'ssh' is not supported yet: remove it (devices run on this machine so far)",
    ),
    (
        TYPES + "devices:\n  a: {type: t, share_machine: 1}",
        "inv.yaml:5: 'share_machine' is 1: write true or false",
    ),
    (
        TYPES + "devices:\n  ../a: {type: t}",
        "inv.yaml:5: '../a' is no name: write a name of letters, digits, '.', '_' and '-'",
    ),
    (
        TYPES + "devices:\n  a: {type: e}\n  b: {type: e, emulator: qemu-aarch64-static}",
        "inv.yaml:6: 'b' and 'a' are both of type 'e', but one is emulated: give it a"
        " type of its own",
    ),
    (
        "device_types:\n  t: {arch: x86_64, cpu: cortex-a72}\ndevices:\n  a: {type: t}",
        "inv.yaml:2: unknown x86_64 CPU 'cortex-a72': known are x86-64, x86-64-v2, x86-64-v3,"
        " x86-64-v4, nehalem, westmere, sandybridge, ivybridge, haswell, broadwell, skylake,"
        " skylake-avx512 and 16 more",
    ),
    (
        "device_types:\n  t: {arch: aarch64, cpu: cortexa72}\ndevices:\n  a: {type: t}",
        "inv.yaml:2: unknown aarch64 CPU 'cortexa72': did you mean 'cortex-a72'?",
    ),
    (
        "device_types:\n  t: {arch: riscv, cpu: x}\ndevices:\n  a: {type: t}",
        "inv.yaml:2: 'arch' is 'riscv': write one of x86_64, aarch64, armv7",
    ),
    (
        "device_types:\n  t: {arch: x86_64, cpu: x86-64, os_bits: 32}\ndevices:\n  a: {type: t}",
        "inv.yaml:2: x86_64 programs need a 64-bit system: write that",
    ),
]


@pytest.mark.parametrize(("written", "told"), BAD)
def test_a_mistake_is_one_line(written: str, told: str) -> None:
    """The line says file, line, what is wrong and what to write."""
    assert complaint(lambda: parse_inventory(written, Path("inv.yaml"))) == told


def test_devices_are_read_in_the_order_of_the_file() -> None:
    """Names, types, machines, tags and emulators arrive as declared."""
    laptop = DeviceType("laptop", Arch.X86_64, "x86-64-v3")
    board = DeviceType("board", Arch.AARCH64, "cortex-a72")
    emulated = DeviceType("emulated", Arch.AARCH64, "cortex-a72")
    assert inventory().devices == (
        Device("local", laptop, "here", ("desk",)),
        Device("emu", emulated, "here", emulator="qemu-aarch64-static"),
        Device("pi-1", board, "pi-1", ("shelf",)),
        Device("pi-2", board, "pi-2", ("shelf", "fan")),
    )


def test_the_example_of_the_checkout_is_valid() -> None:
    """A person who copies it starts with something that works."""
    found = read_inventory(Path(__file__).parents[2] / "inventory.yaml")
    assert [device.name for device in found.devices] == ["local", "emu-aarch64", "emu-armv7"]
    assert {device.machine for device in found.devices} == {"this-machine"}


@pytest.mark.parametrize("arch", [Arch.X86_64, Arch.AARCH64])
def test_a_new_inventory_is_valid(arch: Arch) -> None:
    """This machine and what it emulates share one machine, and their types differ."""
    emulators = {Arch.ARMV7: "qemu-arm-static", Arch.AARCH64: "qemu-aarch64-static"}
    facts = MachineFacts(arch, KNOWN_CPUS[arch][0], emulators)
    found = parse_inventory(default_inventory_text(facts), Path("inventory.yaml"))
    local, emulated, small = found.devices
    assert (local.name, local.type.arch, local.emulated) == ("local", arch, False)
    assert (emulated.name, emulated.emulator) == ("emu-aarch64", "qemu-aarch64-static")
    assert (small.name, small.emulator) == ("emu-armv7", "qemu-arm-static")
    assert small.type == DeviceType("qemu-armv7", Arch.ARMV7, "cortex-a7", 32)
    assert {device.machine for device in found.devices} == {"this-machine"}
    assert len({device.type for device in found.devices}) == 3


@pytest.mark.parametrize(
    ("arch", "cpu", "played"),
    [
        (Arch.X86_64, "x86-64-v2", "Nehalem"),
        (Arch.X86_64, "znver4", "max"),
        (Arch.AARCH64, "cortex-a72", "cortex-a72"),
        (Arch.AARCH64, "cortex-x4", "max"),
        (Arch.ARMV7, "cortex-a7", "cortex-a7"),
        (Arch.ARMV7, "cortex-a53", "max"),
    ],
)
def test_an_emulator_plays_the_types_cpu(arch: Arch, cpu: str, played: str) -> None:
    """By QEMU's name for it; one it does not know is played by all it has."""
    assert emulated_cpu(DeviceType("t", arch, cpu)) == played


def test_only_a_device_without_its_emulator_is_absent() -> None:
    """The line says what it needs and who knows how to get it."""
    absent = make.device("emu", make.ARM, emulator="qemu-does-not-exist")
    assert why_absent(make.device()) == ""
    assert why_absent(absent) == (
        "emu needs qemu-does-not-exist, which is not installed; farm doctor says how"
    )


def test_without_an_emulator_there_is_one_device() -> None:
    """A machine without qemu-user still makes a farm."""
    facts = MachineFacts(Arch.X86_64, "x86-64", {})
    found = parse_inventory(default_inventory_text(facts), Path("inventory.yaml"))
    assert [device.name for device in found.devices] == ["local"]


V2 = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe"


@pytest.mark.parametrize(
    ("arch", "cpuinfo", "cpu"),
    [
        (Arch.X86_64, f"flags\t\t: fpu {V3} avx512f\n", "x86-64-v3"),
        (Arch.X86_64, f"flags\t\t: {V2}\n", "x86-64-v2"),
        (Arch.X86_64, "flags\t\t: fpu\n", "x86-64"),
        (Arch.X86_64, "", "x86-64"),
        (Arch.AARCH64, "CPU part\t: 0xd08\n", "cortex-a72"),
        (Arch.AARCH64, "CPU part\t: 0xfff\n", "generic"),
        (Arch.AARCH64, "", "generic"),
    ],
)
def test_the_cpu_is_named_from_what_the_kernel_says(arch: Arch, cpuinfo: str, cpu: str) -> None:
    """A known name is used where the machine has all of it, a careful one elsewhere."""
    assert cpu_of(arch, cpuinfo) == cpu
    assert cpu in KNOWN_CPUS[arch]


def test_this_machine_can_be_probed() -> None:
    """Where the tests run, a farm can be made."""
    facts = probe_machine()
    assert facts.cpu in KNOWN_CPUS[facts.arch]
    assert facts.arch not in facts.emulators
