"""Wrong turns with workload.yaml: each of its keys, and what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.wasmfiles import export, module
from tests.support.wrongturns import Content, Folder, Link, Pipe, WrongTurn

_MAIN = "int main(void) { return 0; }\n"
_RIGHT = {"name": "mine", "description": "d", "sources": "[m.c]"}
_MATRIX = "name: m\nworkloads: [mine]\nmodes: [native]\ndevices: [local]\n"


def turn(
    name: str,
    says: str,
    /,
    beside: Mapping[str, Content] | None = None,
    argv: str = "workloads show mine",
    **keys: str | None,
) -> WrongTurn:
    """Show a right workload with some keys written otherwise, or left out."""
    written: Mapping[str, str | None] = {**_RIGHT, **keys}
    lines = [f"{key}: {value}\n" for key, value in written.items() if value is not None]
    files: dict[str, Content] = {"workload.yaml": "".join(lines), "m.c": _MAIN, **(beside or {})}
    below = {f"workloads/mine/{path}": content for path, content in files.items()}
    return WrongTurn(name, argv, says, files={**below, "m.yaml": _MATRIX})


TURNS = (
    turn(
        "name: not the folder's",
        "HOME/workloads/mine/workload.yaml:1: 'name' is 'yours': write the folder's name, 'mine'",
        name="yours",
    ),
    turn(
        "name: left out",
        "HOME/workloads/mine/workload.yaml:1: 'name' is missing: add the folder's name",
        name=None,
    ),
    turn(
        "name: a number",
        "HOME/workloads/mine/workload.yaml:1: 'name' is 1: write the folder's name",
        name="1",
    ),
    turn(
        "name: with a space",
        "HOME/workloads/mine/workload.yaml:1: 'my own' is no name: write the folder's name",
        name="my own",
    ),
    turn(
        "name: another workload's",
        "HOME/workloads/gemm/workload.yaml:1: workload 'gemm' is in"
        " CHECKOUT/workloads/gemm too: rename one of them",
        {
            "../gemm/workload.yaml": "name: gemm\ndescription: d\nsources: [m.c]\n",
            "../gemm/m.c": _MAIN,
        },
    ),
    turn(
        "description: empty",
        "HOME/workloads/mine/workload.yaml:2: 'description' is '': write one line for people",
        description="''",
    ),
    turn(
        "description: a list",
        "HOME/workloads/mine/workload.yaml:2: 'description' is [\"a\"]: write one line for people",
        description="[a]",
    ),
    turn(
        "sources: empty",
        "HOME/workloads/mine/workload.yaml:3: 'sources' is []: write a list of C files",
        sources="[]",
    ),
    turn(
        "sources: left out, with nothing else to run",
        "HOME/workloads/mine/workload.yaml:1: nothing to run given: write one of sources,"
        " module and program",
        sources=None,
    ),
    turn(
        "sources: beside a module",
        "HOME/workloads/mine/workload.yaml:4: sources and module given: write one of"
        " sources, module and program",
        module="m.wasm",
    ),
    turn(
        "sources: not there",
        "HOME/workloads/mine/workload.yaml:3: no file n.c: make it, or correct the path",
        sources="[m.c, n.c]",
    ),
    turn(
        "sources: above the folder",
        "HOME/workloads/mine/workload.yaml:3: '../m.c' leads out of the folder: copy the"
        " file into it",
        sources="[../m.c]",
    ),
    turn(
        "sources: absolute",
        "HOME/workloads/mine/workload.yaml:3: '/etc/passwd' leads out of the folder: copy"
        " the file into it",
        sources="[/etc/passwd]",
    ),
    turn(
        "sources: by a link out of the folder",
        "HOME/workloads/mine/workload.yaml:3: 'n.c' leads out of the folder by a link:"
        " copy the file into it",
        {"n.c": Link("../../m.yaml")},
        sources="[n.c]",
    ),
    turn(
        "sources: one twice",
        "HOME/workloads/mine/workload.yaml:3: 'm.c' is listed twice: keep one of them",
        sources="[m.c, m.c]",
    ),
    turn(
        "sources: a folder",
        "HOME/workloads/mine/workload.yaml:3: item 1 of 'sources' is a folder: name a file",
        {"n.c": Folder()},
        sources="[n.c]",
    ),
    turn(
        "sources: a pipe",
        "HOME/workloads/mine/workload.yaml:3: item 1 of 'sources' is no regular file: name a file",
        {"n.c": Pipe()},
        sources="[n.c]",
    ),
    turn(
        "sources: by a link to itself",
        "HOME/workloads/mine/workload.yaml:3: no file n.c: make it, or correct the path",
        {"n.c": Link("n.c")},
        sources="[n.c]",
    ),
    turn(
        "sources: no C",
        "HOME/workloads/mine/workload.yaml:3: 'm.py' is no C file: name files that end in .c",
        {"m.py": "print()\n"},
        sources="[m.py]",
    ),
    turn(
        "module: not there",
        "HOME/workloads/mine/workload.yaml:3: no file m.wasm: make it, or correct the path",
        sources=None,
        module="m.wasm",
    ),
    turn(
        "module: a folder",
        "HOME/workloads/mine/workload.yaml:3: 'module' is a folder: name a file",
        {"m.wasm": Folder()},
        sources=None,
        module="m.wasm",
    ),
    turn(
        "module: a library",
        "HOME/workloads/mine/m.wasm: exports no function _start: build it as a program"
        " with main, not as a library",
        {"m.wasm": module(exports=(export("run"),))},
        sources=None,
        module="m.wasm",
    ),
    turn(
        "module: text",
        "HOME/workloads/mine/m.wasm: not a WebAssembly module: name a .wasm file, a C file"
        " or an ELF",
        {"m.wasm": "(module)"},
        sources=None,
        module="m.wasm",
    ),
    turn(
        "module: by a link out of the folder",
        "HOME/workloads/mine/workload.yaml:3: 'm.wasm' leads out of the folder by a link:"
        " copy the file into it",
        {"m.wasm": Link("../../m.wasm"), "../../m.wasm": module()},
        sources=None,
        module="m.wasm",
    ),
    turn(
        "program: a script",
        "HOME/workloads/mine/m: not an ELF for x86_64, aarch64, armv7: build it for one of these",
        {"m": "#!/bin/sh\n"},
        sources=None,
        program="m",
    ),
    turn(
        "program: by a link out of the folder",
        "HOME/workloads/mine/workload.yaml:3: 'm' leads out of the folder by a link: copy"
        " the file into it",
        {"m": Link("/bin/true")},
        sources=None,
        program="m",
    ),
    turn(
        "flags: text",
        "HOME/workloads/mine/workload.yaml:4: 'flags' is '-O2': write a list of compiler flags",
        flags="-O2",
    ),
    turn(
        "flags: of a module",
        "HOME/workloads/mine/workload.yaml:4: 'flags' goes with sources only: remove it,"
        " or build from sources",
        {"m.wasm": module()},
        sources=None,
        module="m.wasm",
        flags="[-O2]",
    ),
    turn(
        "parameters: a reserved name",
        "HOME/workloads/mine/workload.yaml:4: a parameter cannot be called 'device':"
        " choose another name",
        parameters="{device: a}",
    ),
    turn(
        "parameters: a name with a blank",
        "HOME/workloads/mine/workload.yaml:4: 'my size' is no name: write a name of"
        " letters, digits, '.', '_' and '-'",
        parameters="{my size: a}",
    ),
    turn(
        "parameters: a default that is not among the values",
        "HOME/workloads/mine/workload.yaml:4: default 'a' is not among the values: write one of b",
        parameters="{size: {default: a, values: [b]}}",
    ),
    turn(
        "parameters: values without a default",
        "HOME/workloads/mine/workload.yaml:4: 'default' of 'size' is missing: add text, a"
        " number, or true or false",
        parameters="{size: {values: [b]}}",
    ),
    turn(
        "parameters: no values",
        "HOME/workloads/mine/workload.yaml:4: 'values' is []: write a list of the values"
        " it may have",
        parameters="{size: {default: a, values: []}}",
    ),
    turn(
        "parameters: an unknown key",
        "HOME/workloads/mine/workload.yaml:4: unknown key 'value': did you mean 'values'?",
        parameters="{size: {default: a, value: [a]}}",
    ),
    turn(
        "arguments: numbers",
        "HOME/workloads/mine/workload.yaml:4: item 1 of 'arguments' is 1: write text in quotes",
        arguments="[1, 2]",
    ),
    turn(
        "arguments: an unknown parameter",
        "HOME/workloads/mine/workload.yaml:4: unknown parameter 'size' in '{size}': none"
        " is known here",
        arguments="['{size}']",
    ),
    turn(
        "arguments: a lone brace",
        "HOME/workloads/mine/workload.yaml:4: a lone brace in '{': write {{ or }} for a brace",
        arguments="['{']",
    ),
    turn(
        "arguments: a format",
        "HOME/workloads/mine/workload.yaml:5: write {size} and nothing else inside the braces",
        parameters="{size: 1}",
        arguments="['{size:>10}']",
    ),
    turn(
        "arguments: an attribute of a value",
        "HOME/workloads/mine/workload.yaml:5: unknown parameter 'size.__class__' in"
        " '{size.__class__}': known are size",
        parameters="{size: 1}",
        arguments="['{size.__class__}']",
    ),
    turn(
        "arguments: a null byte",
        "HOME/workloads/mine/workload.yaml:4: a null character: remove it",
        arguments='["a\\0"]',
    ),
    turn(
        "environment: a number",
        "HOME/workloads/mine/workload.yaml:4: 'LEVEL' is 2: write text in quotes",
        environment="{LEVEL: 2}",
    ),
    turn(
        "environment: a name with '='",
        "HOME/workloads/mine/workload.yaml:4: 'A=B' is no variable's name: use A-Z, 0-9 and _",
        environment="{'A=B': c}",
    ),
    turn(
        "environment: the farm's own",
        "HOME/workloads/mine/workload.yaml:4: the farm sets FARM_ATTEMPT itself: choose"
        " another name",
        environment="{FARM_ATTEMPT: '1'}",
    ),
    turn(
        "environment: a null byte",
        "HOME/workloads/mine/workload.yaml:4: a null character: remove it",
        environment='{A: "a\\0"}',
    ),
    turn(
        "stdin: not there",
        "HOME/workloads/mine/workload.yaml:4: no file in.txt: make it, or correct the path",
        stdin="in.txt",
    ),
    turn(
        "stdin: a folder",
        "HOME/workloads/mine/workload.yaml:4: 'stdin' is a folder: name a file",
        {"in": Folder()},
        stdin="in",
    ),
    turn(
        "stdin: above the folder",
        "HOME/workloads/mine/workload.yaml:4: '../../m.yaml' leads out of the folder: copy"
        " the file into it",
        stdin="../../m.yaml",
    ),
    turn(
        "stdin: by a link out of the folder",
        "HOME/workloads/mine/workload.yaml:4: 'in' leads out of the folder by a link: copy"
        " the file into it",
        {"in": Link("../../m.yaml")},
        stdin="in",
    ),
    turn(
        "stdin: a pipe",
        "HOME/workloads/mine/workload.yaml:4: 'stdin' is no regular file: name a file",
        {"in": Pipe()},
        stdin="in",
    ),
    turn(
        "inputs: a file",
        "HOME/workloads/mine/workload.yaml:4: m.c is a file: put it in a folder and name that",
        inputs="[m.c]",
    ),
    turn(
        "inputs: the folder above",
        "HOME/workloads/mine/workload.yaml:4: '..' leads out of the folder: copy the file into it",
        inputs="[..]",
    ),
    turn(
        "inputs: not there",
        "HOME/workloads/mine/workload.yaml:4: no file data: make it, or correct the path",
        inputs="[data]",
    ),
    turn(
        "inputs: one twice",
        "HOME/workloads/mine/workload.yaml:4: 'data' is listed twice: keep one of them",
        {"data": Folder()},
        inputs="[data, data]",
    ),
    turn(
        "inputs: by a link out of the folder",
        "HOME/workloads/mine/workload.yaml:4: 'data' leads out of the folder by a link:"
        " copy the file into it",
        {"data": Link("../../data")},
        inputs="[data]",
    ),
    turn(
        "kernels: no variant",
        "HOME/workloads/mine/workload.yaml:4: 'gemm_nn' is []: write a list of variants,"
        " best last",
        kernels="{gemm_nn: []}",
    ),
    turn(
        "kernels: of a module",
        "HOME/workloads/mine/workload.yaml:4: 'kernels' goes with sources only: remove it,"
        " or build from sources",
        {"m.wasm": module()},
        sources=None,
        module="m.wasm",
        kernels="{gemm_nn: [plain]}",
    ),
)
