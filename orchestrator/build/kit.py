"""Owns which targets a cell needs; tools are looked for once per build, when one needs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from orchestrator.build import aot, native, wamr, wasm
from orchestrator.build.cmake import find_program
from orchestrator.build.command import Stopped
from orchestrator.build.modes import ResolvedMode, resolve_mode
from orchestrator.build.recipes import Constant, Product, Source, Target, Tool
from orchestrator.build.toolchain import find_zig
from orchestrator.build.workshop import Workshop
from orchestrator.domain.errors import BuildError
from orchestrator.domain.matrix import CellPlan, Runtime
from orchestrator.domain.order import BuildStep
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.domain.workload import Workload

_SOURCES_STEP = "WAMR sources"
_NEVER_FETCHED = "never fetched"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a cell needs."""

    runner: Target
    #: A path where the user's own file is run as it is.
    program: Target | Path
    #: ``wasm`` (a .wasm or .aot) or ``native``.
    kind: str


@dataclass
class Kit:
    """What one build works with.

    Args:
        workshop: finds and makes targets; lends its blobs and digests.
        cache: the per-user folder.
        native: the folder of that name.
        runtime_sources: by name; ``pinned`` is among them.
        jobs: compilers at a time.
        progress: told of the fetching of sources.
        stop: the wish to stop.
        fetches: whether sources are fetched when they are not here; without, targets are the same,
            since the pin says what will come, but cannot be made.
    """

    workshop: Workshop
    cache: Path
    native: Path
    runtime_sources: Mapping[str, RuntimeSource]
    jobs: int
    progress: Callable[[BuildStep], None]
    stop: threading.Event
    fetches: bool = True
    #: Why the sources could not be fetched; it was told as a step.
    fetch_error: BuildError | None = None
    _modules: dict[tuple[object, ...], Target] = field(default_factory=dict)
    _wamrs: dict[str, wamr.Wamr | BuildError] = field(default_factory=dict)

    def wanted(self, cell: CellPlan) -> Wanted:
        """What a cell needs.

        Raises:
            BuildError: a tool is missing, or the runtime's sources cannot be had.
        """
        workload = cell.case.workload
        mode = resolve_mode(cell.mode, cell.device_type, workload)
        is_native = mode.runtime is Runtime.NATIVE
        program = self._program(workload, mode)
        kind = "native" if is_native else "wasm"
        # Native kernels are linked into a native program, into the runner for a module.
        tools = self._runner_tools(self._wamr(mode.runtime_source))
        return Wanted(wamr.runner(tools, mode, bare=is_native), program, kind)

    def _program(self, workload: Workload, mode: ResolvedMode) -> Target | Path:
        if workload.program is not None:
            return workload.program
        if mode.runtime is Runtime.NATIVE:
            return self._once(
                (workload.folder, workload.name, mode),
                lambda: native.program(self._zig, workload, mode, self.native),
            )
        if mode.runtime is Runtime.AOT:
            return self._once(
                (workload.folder, workload.name, mode), lambda: self._aot(workload, mode)
            )
        return workload.module or self._module(workload, mode)

    def _module(self, workload: Workload, mode: ResolvedMode) -> Target:
        functions = tuple(function for function, _ in mode.kernels)
        key = (workload.folder, workload.name, mode.simd, mode.opt, functions)
        return self._once(key, lambda: wasm.module(self._zig, workload, mode, self.native))

    def _aot(self, workload: Workload, mode: ResolvedMode) -> Target:
        module: Source | Product
        if workload.module is not None:
            module = Source("module", workload.module.name, str(workload.module))
        else:
            module = Product("module", "program.wasm", self._module(workload, mode))
        tools = self._compiler_tools(self._wamr(mode.runtime_source))
        return aot.aot_module(tools, module, mode, workload.name)

    def _once(self, key: tuple[object, ...], make: Callable[[], Target]) -> Target:
        """The same target for the same key, since the engine knows targets by identity."""
        found = self._modules.get(key)
        if found is None:
            found = self._modules[key] = make()
        return found

    @cached_property
    def _zig(self) -> Tool:
        return find_zig()

    def _runner_tools(self, source: wamr.Wamr) -> wamr.RunnerTools:
        return wamr.RunnerTools(
            zig=self._zig,
            cmake=self._cmake,
            ninja=self._ninja,
            simde=self._simde,
            native=self.native,
            source=source,
            jobs=self._wide_jobs,
        )

    def _compiler_tools(self, source: wamr.Wamr) -> aot.CompilerTools:
        llvm, llvm_cmake = self._llvm
        return aot.CompilerTools(
            cmake=self._cmake,
            ninja=self._ninja,
            host=self._host_compiler,
            llvm=llvm,
            llvm_cmake=llvm_cmake,
            native=self.native,
            source=source,
            jobs=self._wide_jobs,
        )

    @cached_property
    def _cmake(self) -> Tool:
        return find_program("cmake", self.workshop.files)

    @cached_property
    def _ninja(self) -> Tool:
        return find_program("ninja", self.workshop.files)

    @cached_property
    def _simde(self) -> Path:
        return wamr.find_simde()

    @cached_property
    def _host_compiler(self) -> Tool:
        return aot.find_host_compiler(self.workshop.files)

    @cached_property
    def _llvm(self) -> tuple[Constant, Path]:
        return aot.find_llvm(self.workshop.files)

    @property
    def _wide_jobs(self) -> int:
        """Compilers one ninja starts: in a cold build several run beside each other, then one."""
        return max(2, self.jobs // 2)

    def _wamr(self, name: str) -> wamr.Wamr:
        """What a mode's ``runtime_source`` names; each is looked at once in a build.

        Raises:
            BuildError: it cannot be had.
        """
        if name not in self._wamrs:
            try:
                self._wamrs[name] = self._choose(name)
            except BuildError as error:
                self._wamrs[name] = error
        found = self._wamrs[name]
        if isinstance(found, BuildError):
            raise found
        return found

    def _choose(self, name: str) -> wamr.Wamr:
        source = self.runtime_sources.get(name)
        if source is None:
            raise BuildError(f"farm.toml has no runtime source {name}; add it to runtime_sources")
        tree = self._pinned if source.tree is None else self._look_at(name, source.tree)
        return tree if name == PINNED else wamr.choose(tree, name, source.flags)

    def _look_at(self, name: str, folder: Path) -> wamr.Wamr:
        try:
            return wamr.use_tree(folder, self.workshop.files)
        except BuildError as error:
            raise BuildError(f"runtime source {name}: {error}") from error

    @cached_property
    def _pinned(self) -> wamr.Wamr:
        found = wamr.find_pinned(self.native, self.cache, self.workshop.files)
        if found is not None:
            return found
        if self.fetch_error is not None:
            raise self.fetch_error
        if not self.fetches:
            self.progress(BuildStep(_SOURCES_STEP, "waiting", _NEVER_FETCHED))
            return wamr.pinned_source(self.native, self.cache)
        return self._fetch()

    def _fetch(self) -> wamr.Wamr:
        begun_s = time.monotonic()
        step = BuildStep(_SOURCES_STEP, "building", _NEVER_FETCHED)
        self.progress(step)
        try:
            source = self._fetched()
        except BuildError as error:
            self.fetch_error = error
            self.progress(replace(step, state="failed", error=str(error)))
            raise
        took_s = time.monotonic() - begun_s
        digest = source.digest.sha256
        self.progress(replace(step, state="made", elapsed_s=took_s, sha256=digest))
        return source

    def _fetched(self) -> wamr.Wamr:
        try:
            return wamr.fetch_pinned(
                self.native, self.cache, self.workshop.files, self.workshop.blobs, self.stop
            )
        except Stopped as stopped:
            raise BuildError(f"{_SOURCES_STEP}: {stopped}") from stopped
