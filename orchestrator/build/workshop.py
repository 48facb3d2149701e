"""Owns the making of one target: looks its recipe up, else runs it and remembers the product.

Many processes may share the cache folder. Whoever makes something holds the lock of its order
key; others wait for it and take what it made.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.blobs import Blobs
from orchestrator.build.book import RecipeBook
from orchestrator.build.command import Stopped, last_lines, run_tool
from orchestrator.build.digests import FileDigests, Snapshot, parts_digest
from orchestrator.build.recipes import (
    SCRATCH,
    Command,
    Made,
    Product,
    Record,
    Source,
    Target,
    Text,
    Tool,
    Tree,
    bind,
    describe,
    find_record,
    locate,
    order_key,
    place_reads,
    real_argument,
    why_made,
)
from orchestrator.domain.artifact import Digest, Ingredient
from orchestrator.domain.errors import BuildError, DigestMismatch, DiskFull

#: In the cache: shared by all that build, held alone by who clears it.
GC_LOCK = "gc.lock"
#: How long a waiter sleeps between looks at another process's lock, s.
_LOCK_PAUSE_S = 0.05
#: A file stamped within the kernel's tick of the start may have been read before or after, ns.
_TICK_NS = 20_000_000
#: In a target's scratch, what is about to become a blob.
_PART = ".part"
#: Times a target is begun anew because its sources were edited under it.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A target with the digests its inputs had when it was begun."""

    target: Target
    parts: Mapping[Target, Made]
    ingredients: tuple[Ingredient, ...]
    order: str


class Workshop:
    """Finds and makes targets. Thread-safe.

    Args:
        cache: the per-user folder; made when missing.
        environment: what tools see; the rest of this process's environment is kept from them.
    """

    def __init__(self, cache: Path, environment: Mapping[str, str]) -> None:
        self.blobs = Blobs(cache / "blobs", lasting=False)
        self.files = FileDigests(cache / "digests.json")
        self._book = RecipeBook(cache / "recipes")
        self._locks = cache / "locks"
        self._locks.mkdir(parents=True, exist_ok=True)
        self._environment = environment

    def find(self, target: Target, parts: Mapping[Target, Made], files: Snapshot) -> Made | None:
        """What a target's recipe made before; None: it has to be made.

        Raises:
            BuildError: a source is missing.
        """
        return self._find(self._begin(target, parts, files), files, fresh=False)

    def why(self, target: Target, parts: Mapping[Target, Made]) -> str:
        """Why a target has to be made, given that ``find`` does not know it.

        Raises:
            BuildError: a source is missing.
        """
        files = self.files.snapshot()
        return self._reason(self._begin(target, parts, files), files)

    def was_made(self, target: Target) -> bool:
        """Whether a target was ever made with this cache, from whatever."""
        return self._book.has_made(target)

    def make(
        self,
        target: Target,
        parts: Mapping[Target, Made],
        started: Callable[[str], None],
        stop: threading.Event,
    ) -> tuple[Made, bool]:
        """Make a target, or take what another process made meanwhile; blocks.

        Args:
            target: the target.
            parts: its made inputs.
            started: told the reason once a tool is about to run.
            stop: the wish to stop.

        Returns:
            The product, and whether it was made here.

        Raises:
            BuildError: a tool failed, or a source is missing or kept changing.
            Stopped: it was stopped.
            DiskFull: no room is left.
        """
        for _ in range(_TRIES):
            files = self.files.snapshot()
            attempt = self._begin(target, parts, files)
            with self._hold(attempt.order, stop):
                found = self._find(attempt, files, fresh=True)
                if found is not None:
                    return found, False
                started(self._reason(attempt, files))
                made = self._run(attempt, stop)
                if made is not None:
                    return made, True
            stop.wait(_TICK_NS / 1e9)  # so that a header edited just now is old enough
        raise BuildError(f"{target.name}: its files kept changing while it was built; try again")

    def _begin(self, target: Target, parts: Mapping[Target, Made], files: Snapshot) -> _Attempt:
        ingredients = bind(target, parts, files)
        return _Attempt(target, parts, ingredients, order_key(target, ingredients))

    def _find(self, attempt: _Attempt, files: Snapshot, *, fresh: bool) -> Made | None:
        records = self._book.records(attempt.order, fresh=fresh)
        record = find_record(attempt.target, records, files)
        if record is None:
            return None
        digest = record.product
        if not self.blobs.has(digest.sha256, size_bytes=digest.size_bytes):
            return None
        self._book.note_use(attempt.order)
        return _made(attempt, record)

    def _reason(self, attempt: _Attempt, files: Snapshot) -> str:
        """Compare with the last time, whose headers stand for the unknown ones of this time."""
        target = attempt.target
        nothing = Record((), Digest("0" * 64, 0), 0.0, datetime.now(UTC))
        wanted = describe(target, attempt.ingredients, attempt.order, nothing)
        previous = self._book.previous(target, wanted)
        records = self._book.records(attempt.order)
        if previous is not None and records:
            now = [(r, files.digest(locate(target, r))) for r in records[0].reads]
            changed = [r.name for r, digest in now if digest != r.digest]
            if changed:
                more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                return f"{changed[0]} changed{more}"
        return why_made(previous, target, wanted)

    def _run(self, attempt: _Attempt, stop: threading.Event) -> Made | None:
        """Run the commands; None: an input changed meanwhile."""
        target = attempt.target
        declared = [i.path for i in target.inputs if isinstance(i, Source)]
        if _changed_since(declared, time.time_ns()):
            stop.wait(_TICK_NS / 1e9)
        begun_ns = time.time_ns()
        clock = time.monotonic()
        self._check_trees(target)
        with self.blobs.open_scratch() as scratch:
            for part in (i for i in target.inputs if isinstance(i, Product)):
                blob = self.blobs.path(attempt.parts[part.target].digest.sha256)
                (scratch / part.name).symlink_to(blob)
            for text in (i for i in target.inputs if isinstance(i, Text)):
                (scratch / text.name).write_bytes(text.text.encode())
            for command in target.commands:
                self._start(target, command, scratch, stop)
            self._check_trees(target)
            files = self.files.snapshot()
            base = {**target.places, SCRATCH: scratch}[target.commands[-1].cwd]
            paths = target.reads(scratch) if target.reads else ()
            seen = [os.path.join(base, path) for path in paths]
            own = f"{files.real(str(scratch))}/"
            reads = place_reads(
                target, [p for p in seen if not files.real(p).startswith(own)], files
            )
            touched = [*declared, *(locate(target, read) for read in reads)]
            if _changed_since(touched, begun_ns) or bind(target, attempt.parts, files) != (
                attempt.ingredients
            ):
                return None
            product = self.blobs.put_file(scratch / target.file_name, by=scratch / _PART)
            record = Record(reads, product, time.monotonic() - clock, datetime.now(UTC))
            return self._remember(attempt, record, scratch)

    def _check_trees(self, target: Target) -> None:
        """Hold trees to what was planned: all of a build is made from the same one.

        Raises:
            BuildError: one changed meanwhile, or is gone.
        """
        for tree in (i for i in target.inputs if isinstance(i, Tree)):
            try:
                found = parts_digest(self.files, tree.folder, tree.parts)
            except OSError:
                raise BuildError(f"{target.name}: {tree.folder} went away meanwhile") from None
            if found != tree.digest.sha256:
                raise BuildError(
                    f"{target.name}: {tree.folder} changed while it was built; try again when its"
                    " files rest"
                )

    def _remember(self, attempt: _Attempt, record: Record, scratch: Path) -> Made | None:
        """Keep sources and headers as blobs and the record of it all; None: a source changed."""
        made = _made(attempt, record)
        for text in (i for i in attempt.target.inputs if isinstance(i, Text)):
            self.blobs.put_bytes(text.text.encode())
        try:
            for path, digest in made.sources:
                self.blobs.put_file(Path(path), expect=digest, by=scratch / _PART)
        except DigestMismatch:
            return None
        self._book.add(attempt.order, record)
        self._book.remember(attempt.target, made.provenance)
        return made

    def _start(
        self, target: Target, command: Command, scratch: Path, stop: threading.Event
    ) -> None:
        places = {**target.places, SCRATCH: scratch}
        name = command.tool if isinstance(command.tool, str) else command.tool.name
        path = command.tool.path if isinstance(command.tool, Tool) else f"{scratch}/{name}"
        log = scratch / ".log"
        log.unlink(missing_ok=True)
        try:
            code = run_tool(
                [path, *(real_argument(argument, places) for argument in command.arguments)],
                cwd=places[command.cwd],
                environment={**self._environment, **target.environment, "TMPDIR": str(scratch)},
                stdout=scratch / command.stdout if command.stdout else log,
                log=log,
                keep=scratch.with_name(f"{scratch.name}.lock"),
                stop=stop,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise BuildError(
                f"{target.name}: cannot start {name} ({error.strerror}); see `farm doctor`"
            ) from error
        if code != 0:
            output = last_lines(log).replace(f"{scratch}/", "")
            raise BuildError(f"{target.name}: {name} failed ({_ending(code)})", output=output)

    @contextmanager
    def _hold(self, order: str, stop: threading.Event) -> Iterator[None]:
        """Be the only one who makes this."""
        lock = os.open(self._locks / order, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _try_lock(lock):
                if stop.wait(_LOCK_PAUSE_S):
                    raise Stopped("stopped while another process was building it")
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(f"no room is left in {self._locks.parent}") from error
            raise
        finally:
            os.close(lock)


def _made(attempt: _Attempt, record: Record) -> Made:
    products = (i for i in attempt.target.inputs if isinstance(i, Product))
    parts = tuple(attempt.parts[product.target] for product in products)
    return Made(attempt.target, attempt.ingredients, attempt.order, record, parts)


def _changed_since(paths: list[str], begun_ns: int) -> bool:
    """Whether a file was written after a moment, or so shortly before that nobody can tell."""
    try:
        found = [os.stat(path) for path in paths]
    except FileNotFoundError:
        return True
    newest = max((max(f.st_mtime_ns, f.st_ctime_ns) for f in found), default=0)
    return newest > begun_ns - _TICK_NS


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ending(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"
