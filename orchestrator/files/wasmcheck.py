"""Refuses modules that no runner of the farm could start, and says what would help."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.domain.errors import WorkloadFileError
from orchestrator.files.wasm import ModuleInfo
from orchestrator.files.wasmsections import Export, Import

#: Functions of WASI preview 1 that WAMR's libc-wasi offers (``libc_wasi_wrapper.c``).
WASI_FUNCTIONS = frozenset(
    """
    args_get args_sizes_get clock_res_get clock_time_get environ_get environ_sizes_get
    fd_advise fd_allocate fd_close fd_datasync fd_fdstat_get fd_fdstat_set_flags
    fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread
    fd_prestat_dir_name fd_prestat_get fd_pwrite fd_read fd_readdir fd_renumber fd_seek fd_sync
    fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link
    path_open path_readlink path_remove_directory path_rename path_symlink path_unlink_file
    poll_oneoff proc_exit proc_raise random_get sched_yield sock_accept sock_recv sock_send
    sock_shutdown
    """.split()  # noqa: SIM905  # a list of 46 quoted lines says no more
)
_WASI_MODULES = ("wasi_snapshot_preview1", "wasi_unstable")
#: Import modules with the functions the runner offers in each.
RUNNER_IMPORTS = {
    **dict.fromkeys(_WASI_MODULES, WASI_FUNCTIONS),
    "bench": frozenset({"start", "end"}),
}
KERNELS_MODULE = "kernels"

#: Import modules that betray who a module was made for: what it is, and what to do.
_ORIGINS = {
    "a": ("made by Emscripten for JavaScript", "-sSTANDALONE_WASM"),
    "gojs": ("made by Go for JavaScript", "GOOS=wasip1"),
    "go": ("made by Go for JavaScript", "GOOS=wasip1"),
    "wbg": ("made by wasm-bindgen for JavaScript", "wasm32-wasip1"),
    "__wbindgen_placeholder__": ("made by wasm-bindgen for JavaScript", "wasm32-wasip1"),
    "__wbindgen_externref_xform__": ("made by wasm-bindgen for JavaScript", "wasm32-wasip1"),
    "wasi": ("made for wasi-threads", "one thread (wasm32-wasip1)"),
    "wasix_32v1": ("made for WASIX", "WASI preview 1 (wasm32-wasip1)"),
}
#: How names in ``env`` begin that come from such a host; any other is a function nobody linked.
_EMSCRIPTEN = ("emscripten_", "_emscripten_", "invoke_", "__syscall_", "_embind_", "__cxa_")
_NODE = ("napi_", "emnapi_")


def check_runnable(info: ModuleInfo, kernels: Collection[str] = ()) -> None:
    """Refuse a module that no runner of the farm could start.

    Args:
        info: of the module.
        kernels: functions its workload has native kernels for.

    Raises:
        WorkloadFileError: an import that does not exist, named; no ``_start``, or one that cannot
            be called; no memory for WASI.
    """
    problem = _import_misfit(info.imports, kernels) or _start_misfit(info) or _memory_misfit(info)
    if problem:
        raise WorkloadFileError(problem, file=info.path)


def _import_misfit(imports: Collection[Import], kernels: Collection[str]) -> str:
    for needed in imports:
        known = _known(needed.module, kernels)
        if needed.kind != "function" or needed.name not in known:
            return (
                f"imports {needed.kind} {needed.module}.{needed.name},"
                f" which does not exist here: {_advice(needed)}"
            )
    return ""


def _known(module: str, kernels: Collection[str]) -> Collection[str]:
    return kernels if module == KERNELS_MODULE else RUNNER_IMPORTS.get(module, frozenset())


def _advice(needed: Import) -> str:
    if needed.module.startswith("wasi:"):
        return "made for WASI preview 2; build for preview 1 (wasm32-wasip1)"
    if needed.kind == "memory":
        return "made for threads or for a host's memory; build with a memory of its own"
    if needed.module in _ORIGINS:
        return "{}; build with {}".format(*_ORIGINS[needed.module])
    if needed.module == "env" and needed.name.startswith(_EMSCRIPTEN):
        return "{}; build with {}".format(*_ORIGINS["a"])
    if needed.module == "env" and needed.name.startswith(_NODE):
        return "made as an addon of Node.js; build a program with main (wasm32-wasip1)"
    return "link it into the module (WASI preview 1 and bench.start/end are there)"


def _start_misfit(info: ModuleInfo) -> str:
    if Export("_start", "function") in info.exports:
        return (
            ""
            if info.starts_plainly
            else ("its _start takes or answers something: build it as a program with main")
        )
    if Export("_initialize", "function") in info.exports:
        return (
            "a reactor, which has _initialize and no _start: build it as a command, with main and"
            " without -mexec-model=reactor"
        )
    return "exports no function _start: build it as a program with main, not as a library"


def _memory_misfit(info: ModuleInfo) -> str:
    wants = any(needed.module in _WASI_MODULES for needed in info.imports)
    if wants and Export("memory", "memory") not in info.exports:
        return "exports no memory, which WASI needs: export it as 'memory'"
    return ""
