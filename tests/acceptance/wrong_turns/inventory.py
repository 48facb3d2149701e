"""Wrong turns with inventory.yaml: each of its keys."""

from __future__ import annotations

from tests.support.wrongturns import Folder, WrongTurn

_TYPES = (
    "device_types:\n  pc: {arch: x86_64, cpu: x86-64-v3}\n  pi: {arch: aarch64, cpu: cortex-a72}\n"
)
_MATRIX = "name: m\nworkloads: [noop]\nmodes: [native]\ndevices: [a]\n"


def _turn(name: str, says: str, text: str) -> WrongTurn:
    return WrongTurn(name, "plan m.yaml", says, files={"inventory.yaml": text, "m.yaml": _MATRIX})


def _of_type(name: str, says: str, type_text: str) -> WrongTurn:
    return _turn(name, says, f"device_types:\n  pc: {type_text}\ndevices:\n  a: {{type: pc}}\n")


def _of_device(name: str, says: str, device_text: str) -> WrongTurn:
    return _turn(name, says, f"{_TYPES}devices:\n  a: {device_text}\n")


TURNS = (
    _turn(
        "device_types: left out",
        "HOME/inventory.yaml:1: 'device_types' is missing: add a map: name of a type ->"
        " arch and cpu",
        "devices:\n  a: {type: pc}\n",
    ),
    _turn(
        "device_types: a list",
        "HOME/inventory.yaml:1: 'device_types' is [\"pc\"]: write a map: name of a type ->"
        " arch and cpu",
        "device_types: [pc]\ndevices:\n  a: {type: pc}\n",
    ),
    _turn(
        "device_types: a name with a slash",
        "HOME/inventory.yaml:2: 'a/b' is no name: write a name of letters, digits, '.',"
        " '_' and '-'",
        "device_types:\n  a/b: {arch: x86_64, cpu: x86-64-v3}\ndevices: {}\n",
    ),
    _of_type(
        "device_types: an unknown architecture",
        "HOME/inventory.yaml:2: 'arch' is 'riscv64': write one of x86_64, aarch64, armv7",
        "{arch: riscv64, cpu: sifive}",
    ),
    _of_type(
        "device_types: a CPU of another architecture",
        "HOME/inventory.yaml:2: unknown x86_64 CPU 'cortex-a72': known are x86-64,"
        " x86-64-v2, x86-64-v3, x86-64-v4, nehalem, westmere, sandybridge, ivybridge,"
        " haswell, broadwell, skylake, skylake-avx512 and 16 more",
        "{arch: x86_64, cpu: cortex-a72}",
    ),
    _of_type(
        "device_types: a CPU without NEON",
        "HOME/inventory.yaml:2: unknown armv7 CPU 'cortex-a9': did you mean 'cortex-a7'?",
        "{arch: armv7, cpu: cortex-a9}",
    ),
    _of_type(
        "device_types: without a CPU",
        "HOME/inventory.yaml:2: 'cpu' of 'pc' is missing: add the CPU as the AOT compiler"
        " names it, such as x86-64-v3 or cortex-a72",
        "{arch: x86_64}",
    ),
    _of_type(
        "device_types: a 32-bit system on a 64-bit architecture",
        "HOME/inventory.yaml:2: aarch64 programs need a 64-bit system: write that",
        "{arch: aarch64, cpu: cortex-a72, os_bits: 32}",
    ),
    _of_type(
        "device_types: os_bits of 16",
        "HOME/inventory.yaml:2: 'os_bits' is 16: write 32 or 64",
        "{arch: armv7, cpu: cortex-a7, os_bits: 16}",
    ),
    _of_type(
        "device_types: an unknown key",
        "HOME/inventory.yaml:2: unknown key 'bits': did you mean 'os_bits'?",
        "{arch: x86_64, cpu: x86-64-v3, bits: 64}",
    ),
    _turn(
        "devices: none",
        "HOME/inventory.yaml:4: 'devices' is {}: write a map: name of a device -> its type, ..",
        _TYPES + "devices: {}\n",
    ),
    _turn(
        "devices: a list",
        "HOME/inventory.yaml:4: 'devices' is [\"a\"]: write a map: name of a device -> its"
        " type, ..",
        _TYPES + "devices:\n  - a\n",
    ),
    _turn(
        "devices: one twice",
        "HOME/inventory.yaml:6: doubled key 'a': keep one of them",
        _TYPES + "devices:\n  a: {type: pc}\n  a: {type: pi}\n",
    ),
    _turn(
        "devices: a name with a blank",
        "HOME/inventory.yaml:5: 'my pc' is no name: write a name of letters, digits, '.',"
        " '_' and '-'",
        _TYPES + "devices:\n  my pc: {type: pc}\n",
    ),
    _of_device(
        "type: left out",
        "HOME/inventory.yaml:5: 'type' of 'a' is missing: add a name from device_types",
        "{tags: [lab]}",
    ),
    _of_device(
        "type: unknown",
        "HOME/inventory.yaml:5: unknown device type 'cp': known are pc, pi",
        "{type: cp}",
    ),
    _turn(
        "type: of devices and of an emulator",
        "HOME/inventory.yaml:6: 'b' and 'a' are both of type 'pi', but one is emulated:"
        " give it a type of its own",
        _TYPES + "devices:\n  a: {type: pi}\n  b: {type: pi, emulator: qemu-aarch64-static}\n",
    ),
    _of_device(
        "machine: a number",
        "HOME/inventory.yaml:5: 'machine' is 1: write the name of the hardware it sits on",
        "{type: pc, machine: 1}",
    ),
    _of_device(
        "tags: text",
        "HOME/inventory.yaml:5: 'tags' is 'lab': write a list of labels",
        "{type: pc, tags: lab}",
    ),
    _of_device(
        "tags: one twice",
        "HOME/inventory.yaml:5: 'lab' is listed twice: keep one of them",
        "{type: pc, tags: [lab, lab]}",
    ),
    _of_device(
        "emulator: a path",
        "HOME/inventory.yaml:5: '/bin/sh' is no emulator of aarch64: write qemu-aarch64-static",
        "{type: pi, emulator: /bin/sh}",
    ),
    _of_device(
        "emulator: of another architecture",
        "HOME/inventory.yaml:5: 'qemu-arm-static' is no emulator of aarch64: write"
        " qemu-aarch64-static",
        "{type: pi, emulator: qemu-arm-static}",
    ),
    _of_device(
        "share_machine: a word",
        "HOME/inventory.yaml:5: 'share_machine' is 'sometimes': write true or false",
        "{type: pc, share_machine: sometimes}",
    ),
    _of_device(
        "ssh: which is later",
        "HOME/inventory.yaml:5: 'ssh' is not supported yet: remove it (devices run on this"
        " machine so far)",
        "{type: pi, ssh: pi@10.0.0.7}",
    ),
    _of_device(
        "host_key: which is later",
        "HOME/inventory.yaml:5: 'host_key' is not supported yet: remove it (devices run on"
        " this machine so far)",
        "{type: pi, host_key: SHA256}",
    ),
    _of_device(
        "power: which is later",
        "HOME/inventory.yaml:5: 'power' is not supported yet: remove it (devices run on"
        " this machine so far)",
        "{type: pi, power: plug}",
    ),
    _of_device(
        "a misspelt key",
        "HOME/inventory.yaml:5: unknown key 'tag': did you mean 'tags'?",
        "{type: pc, tag: [lab]}",
    ),
    WrongTurn(
        "the file is a folder",
        "plan m.yaml",
        "HOME/inventory.yaml: cannot be read (Is a directory): name a readable file",
        files={"inventory.yaml": Folder(), "m.yaml": _MATRIX},
    ),
)
