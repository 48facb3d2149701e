"""Wrong turns with modules: what is no program that any mode here could run."""

from __future__ import annotations

from tests.support.wasmfiles import function_import, module
from tests.support.wrongturns import WrongTurn

TURNS = (
    WrongTurn(
        "imports what is not there",
        "run rockets.wasm",
        "HOME/rockets.wasm: imports function env.launch_rockets, which does not exist here:"
        " link it into the module (WASI preview 1 and bench.start/end are there)",
        files={"rockets.wasm": module(function_import("env", "launch_rockets"))},
    ),
)
