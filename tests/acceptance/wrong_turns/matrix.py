"""Wrong turns with matrix files: each of their keys, the modes in them, and ``--set``."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.wrongturns import Added, WrongTurn

_RIGHT = {"name": "m", "workloads": "[gemm]", "modes": "[native]", "devices": "[local]"}


def _turn(name: str, says: str, options: str = "", /, **keys: str | None) -> WrongTurn:
    """Plan a right matrix with some keys written otherwise, or left out."""
    written: Mapping[str, str | None] = {**_RIGHT, **keys}
    lines = [f"{key}: {value}\n" for key, value in written.items() if value is not None]
    argv = f"plan m.yaml {options}".rstrip()
    return WrongTurn(name, argv, says, files={"m.yaml": "".join(lines)})


TURNS = (
    WrongTurn(
        "modes: kernels nobody wrote",
        "run m.yaml",
        "no device can take any of its cells: gemm has no kernels 'neno' (it has plain, tiled)",
        files={
            "m.yaml": "name: m\nworkloads: [gemm]\n"
            "modes: ['wamr-aot[kernels=neno]']\ndevices: [local]\n"
        },
    ),
    WrongTurn(
        "modes: a runtime source where no runtime runs",
        "run m.yaml",
        "no device can take any of its cells: runtime_source changes nothing in native: no"
        " WAMR runs there",
        files={
            "m.yaml": "name: m\nworkloads: [gemm]\n"
            "modes: ['native[runtime_source=lean]']\ndevices: [local]\n",
            "farm.toml": Added("runtime_sources.lean.flags.TAIL_CALL = 0\n"),
        },
    ),
    _turn(
        "name: left out",
        "HOME/m.yaml:1: 'name' is missing: add a name of letters, digits, '.', '_' and '-'",
        name=None,
    ),
    _turn(
        "name: with a slash",
        "HOME/m.yaml:1: '../m' is no name: write a name of letters, digits, '.', '_' and '-'",
        name="../m",
    ),
    _turn(
        "workloads: empty",
        "HOME/m.yaml:2: 'workloads' is []: write a list of workload names",
        workloads="[]",
    ),
    _turn(
        "workloads: text",
        "HOME/m.yaml:2: 'workloads' is 'gemm': write a list of workload names",
        workloads="gemm",
    ),
    _turn(
        "workloads: a map",
        'HOME/m.yaml:2: \'workloads\' is {"gemm": "yes"}: write a list of workload names',
        workloads="{gemm: yes}",
    ),
    _turn(
        "workloads: one twice",
        "HOME/m.yaml:2: 'gemm' is listed twice: keep one of them",
        workloads="[gemm, gemm]",
    ),
    _turn(
        "workloads: misspelt",
        "HOME/m.yaml:2: unknown workload 'gem': did you mean 'gemm'?",
        workloads="[gem]",
    ),
    _turn(
        "workloads: a number",
        "HOME/m.yaml:2: item 1 of 'workloads' is 1: write text",
        workloads="[1]",
    ),
    _turn(
        "modes: unknown",
        "HOME/m.yaml:3: unknown mode 'wamr-jit': did you mean 'wamr-aot'?",
        modes="[wamr-jit]",
    ),
    _turn(
        "modes: empty",
        "HOME/m.yaml:3: 'modes' is []: write a list of modes, such as [wamr-fast, native]",
        modes="[]",
    ),
    _turn(
        "modes: one twice",
        "HOME/m.yaml:3: mode 'wamr-fast' is listed twice: keep one of them",
        modes="[wamr-fast, wamr-fast]",
    ),
    _turn(
        "modes: an unknown option",
        "HOME/m.yaml:3: unknown key 'smid': did you mean 'simd'?",
        modes="[{mode: wamr-aot, smid: false}]",
    ),
    _turn(
        "modes: an unknown option in a label",
        "HOME/m.yaml:3: in 'wamr-aot[smid=false]' unknown key 'smid': did you mean 'simd'?",
        modes="['wamr-aot[smid=false]']",
    ),
    _turn(
        "modes: a label with an unclosed bracket",
        "HOME/m.yaml:3: unknown mode 'wamr-aot[simd=false': known are wamr-classic,"
        " wamr-fast, wamr-aot, native, wamr-aot+kernels",
        modes="['wamr-aot[simd=false']",
    ),
    _turn(
        "modes: simd that is no flag",
        "HOME/m.yaml:3: 'simd' is 'maybe': write true or false",
        modes="[{mode: wamr-aot, simd: maybe}]",
    ),
    _turn(
        "modes: opt out of range",
        "HOME/m.yaml:3: 'opt' is 4: write a whole number from 0 to 3",
        modes="[{mode: wamr-aot, opt: 4}]",
    ),
    _turn(
        "modes: an empty axis",
        "HOME/m.yaml:3: 'opt' is []: write a whole number from 0 to 3, or a list of such values",
        modes="[{mode: wamr-aot, opt: []}]",
    ),
    _turn(
        "modes: a cpu nobody knows",
        "HOME/m.yaml:3: unknown CPU 'cortex-a73x': did you mean 'cortex-a73'?",
        modes="[{mode: wamr-aot, cpu: cortex-a73x}]",
    ),
    _turn(
        "modes: an unknown runtime source",
        "HOME/m.yaml:3: unknown runtime source 'lean': known are pinned",
        modes="[{mode: wamr-fast, runtime_source: lean}]",
    ),
    _turn(
        "modes: bounds checks in a language's words",
        "HOME/m.yaml:3: 'bounds_checks' is 'nil': write true or false",
        modes="[{mode: wamr-aot, bounds_checks: nil}]",
    ),
    _turn(
        "modes: threads, which are later",
        "HOME/m.yaml:3: 'threads' is not supported yet: remove it (programs run on one"
        " thread so far)",
        modes="[{mode: wamr-aot, threads: 2}]",
    ),
    _turn(
        "modes: segue, which is later",
        "HOME/m.yaml:3: 'segue' is not supported yet: remove it (WAMR runs without it so far)",
        modes="[{mode: wamr-aot, segue: true}]",
    ),
    _turn(
        "modes: a map without its mode",
        "HOME/m.yaml:3: 'mode' of item 1 of 'modes' is missing: add one of wamr-classic,"
        " wamr-fast, wamr-aot, native, wamr-aot+kernels",
        modes="[{simd: true}]",
    ),
    _turn(
        "devices: empty",
        "HOME/m.yaml:4: 'devices' is []: write a list of device names, or a map such as"
        " {arch: [x86_64]}",
        devices="[]",
    ),
    _turn(
        "devices: unknown",
        "HOME/m.yaml:4: unknown device 'lokal': did you mean 'local'?",
        devices="[lokal]",
    ),
    _turn(
        "devices: a number",
        "HOME/m.yaml:4: 'devices' is 3: write a list of device names, or a map such as"
        " {arch: [x86_64]}",
        devices="3",
    ),
    _turn(
        "devices: one twice",
        "HOME/m.yaml:4: 'local' is listed twice: keep one of them",
        devices="[local, local]",
    ),
    _turn(
        "devices: an unknown type",
        "HOME/m.yaml:4: unknown device type 'pi4': known are local-x86_64, qemu-aarch64,"
        " qemu-armv7",
        devices="{device_type: [pi4]}",
    ),
    _turn(
        "devices: an unknown architecture",
        "HOME/m.yaml:4: unknown architecture 'arm64': did you mean 'aarch64'?",
        devices="{arch: [arm64]}",
    ),
    _turn(
        "devices: tags nobody has",
        "HOME/m.yaml:4: unknown tag 'lab': none is known here",
        devices="{tags: [lab]}",
    ),
    _turn(
        "devices: an unknown key",
        "HOME/m.yaml:4: unknown key 'archs': did you mean 'arch'?",
        devices="{archs: [aarch64]}",
    ),
    _turn(
        "devices: a type beside names",
        "HOME/m.yaml:4: 'device_type' stands alone: remove the other keys, or name devices",
        devices="{device_type: [local-x86_64], names: [local]}",
    ),
    _turn(
        "devices: a map of nothing",
        "HOME/m.yaml:4: 'devices' is {}: write a list of device names, or a map such as"
        " {arch: [x86_64]}",
        devices="{}",
    ),
    _turn(
        "parameters: unknown",
        "HOME/m.yaml:5: no workload here has a parameter 'siez': did you mean 'size'?",
        parameters="{siez: small}",
    ),
    _turn(
        "parameters: a value it cannot have",
        "HOME/m.yaml:5: parameter 'size' of gemm cannot be 'huge': write one of small, layer",
        parameters="{size: huge}",
    ),
    _turn(
        "parameters: an empty axis",
        "HOME/m.yaml:5: 'size' is []: write a value or a list of values",
        parameters="{size: []}",
    ),
    _turn(
        "parameters: one value twice",
        "HOME/m.yaml:5: 'small' is listed twice: keep one of them",
        parameters="{size: [small, small]}",
    ),
    _turn(
        "parameters: a value that is a map",
        'HOME/m.yaml:5: \'size\' is {"a": "b"}: write text, a number, true or false',
        parameters="{size: {a: b}}",
    ),
    _turn(
        "parameters: a list",
        "HOME/m.yaml:5: 'parameters' is [\"size\"]: write a map: parameter -> value or"
        " list of values",
        parameters="[size]",
    ),
    _turn(
        "attempts: none",
        "HOME/m.yaml:5: 'attempts' is 0: write a whole number from 1 to 10000",
        attempts="0",
    ),
    _turn(
        "attempts: a fraction",
        "HOME/m.yaml:5: 'attempts' is 1.5: write a whole number from 1 to 10000",
        attempts="1.5",
    ),
    _turn(
        "attempts: text",
        "HOME/m.yaml:5: 'attempts' is 'three': write a whole number from 1 to 10000",
        attempts="'three'",
    ),
    _turn(
        "warmups: below none",
        "HOME/m.yaml:5: 'warmups' is -1: write a whole number from 0 to 100000",
        warmups="-1",
    ),
    _turn(
        "warmups: true",
        "HOME/m.yaml:5: 'warmups' is true: write a whole number from 0 to 100000",
        warmups="true",
    ),
    _turn(
        "repeats: more than a database would hold",
        "HOME/m.yaml:5: 'repeats' is 1000000000000000000000000000000: write a whole number"
        " from 1 to 1000000",
        repeats="1" + 30 * "0",
    ),
    _turn(
        "repeats: empty",
        "HOME/m.yaml:5: 'repeats' is empty: write a whole number from 1 to 1000000",
        repeats="",
    ),
    _turn(
        "emulated_counts: an unknown key",
        "HOME/m.yaml:5: unknown key 'repeat': did you mean 'repeats'?",
        emulated_counts="{repeat: 1}",
    ),
    _turn(
        "emulated_counts: none kept",
        "HOME/m.yaml:5: 'repeats' is 0: write a whole number from 1 to 1000000",
        emulated_counts="{repeats: 0}",
    ),
    _turn(
        "exclude: everything",
        "HOME/m.yaml:5: the matrix is empty: exclude fewer cells",
        exclude="[{device: local}]",
    ),
    _turn(
        "exclude: an unknown key",
        "HOME/m.yaml:5: unknown key 'devise': did you mean 'device'?",
        exclude="[{devise: local}]",
    ),
    _turn(
        "exclude: an unknown device",
        "HOME/m.yaml:5: unknown device 'locl': did you mean 'local'?",
        exclude="[{device: locl}]",
    ),
    _turn(
        "exclude: a map of nothing",
        "HOME/m.yaml:5: item 1 of 'exclude' is {}: write a map such as {mode:"
        " wamr-classic, arch: armv7}",
        exclude="[{}]",
    ),
    _turn(
        "exclude: a map in place of a list",
        'HOME/m.yaml:5: \'exclude\' is {"device": "local"}: write a list; each item a map'
        " such as {mode: wamr-classic, arch: armv7}",
        exclude="{device: local}",
    ),
    _turn(
        "exclude: an unknown mode",
        "HOME/m.yaml:5: unknown mode 'nativ': did you mean 'native'?",
        exclude="[{mode: nativ}]",
    ),
    _turn(
        "timeout_s: 0",
        "HOME/m.yaml:5: 'timeout_s' is 0: write a number of seconds above 0, at most 86400",
        timeout_s="0",
    ),
    _turn(
        "timeout_s: beyond any float",
        "HOME/m.yaml:5: not a finite number: write one that is",
        timeout_s="1e309",
    ),
    _turn(
        "timeout_s: not a number",
        "HOME/m.yaml:5: not a finite number: write one that is",
        timeout_s=".nan",
    ),
    _turn(
        "timeout_s: a week",
        "HOME/m.yaml:5: 'timeout_s' is 604800: write a number of seconds above 0, at most 86400",
        timeout_s="604800",
    ),
    _turn(
        "priority: a word",
        "HOME/m.yaml:5: 'priority' is 'high': write a whole number from -1000000 to 1000000",
        priority="high",
    ),
    _turn(
        "priority: huge",
        "HOME/m.yaml:5: 'priority' is 99999999999: write a whole number from -1000000 to 1000000",
        priority="99999999999",
    ),
    _turn(
        "a misspelt key",
        "HOME/m.yaml:5: unknown key 'repeat': did you mean 'repeats'?",
        repeat="3",
    ),
    _turn(
        "--set of an unknown key",
        "--set repeat=3: unknown key 'repeat': did you mean 'repeats'?",
        "--set repeat=3",
    ),
    _turn("--set without a value", "'repeats' is not K=V, such as repeats=3", "--set repeats"),
    _turn(
        "--set of an empty value",
        "--set repeats=: 'repeats' is empty: write a whole number from 1 to 1000000",
        "--set repeats=",
    ),
    _turn(
        "--set of no number",
        "--set repeats=nan: 'repeats' is 'nan': write a whole number from 1 to 1000000",
        "--set repeats=nan",
    ),
    _turn(
        "--set of a parameter's wrong value",
        "--set size=huge: parameter 'size' of gemm cannot be 'huge': write one of small, layer",
        "--set size=huge",
    ),
    _turn(
        "--set of YAML that is none",
        "--set size=[small: parameter 'size' of gemm cannot be '[small': write one of"
        " small, layer",
        "--set 'size=[small'",
    ),
    _turn(
        "an option for programs",
        "a matrix takes --set only, such as --set repeats=3; the other options and"
        " arguments are for a program",
        "--device local",
    ),
    _turn(
        "arguments for a program",
        "a matrix takes --set only, such as --set repeats=3; the other options and"
        " arguments are for a program",
        "-- 1 2",
    ),
)
