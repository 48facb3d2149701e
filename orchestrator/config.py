"""farm.toml: finds a farm's folder, reads it with the line of every mistake, makes a new one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import secrets
import shutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.domain.errors import ConfigError
from orchestrator.domain.runtime_source import RuntimeSource
from orchestrator.files.sources import read_sources
from orchestrator.files.spelling import next_step
from orchestrator.files.textfile import read_text
from orchestrator.store.address import SQLITE, complaint_of, is_postgresql

FILE_NAME = "farm.toml"
INVENTORY_NAME = "inventory.yaml"
DATA_NAME = "data"
#: A farm.toml under another name until all the rest is there: its name is what makes a farm.
_DRAFT_NAME = f".{FILE_NAME}.making"

#: The project's own workloads, beside its code.
BUILTIN_WORKLOADS = Path(__file__).resolve().parent.parent / "workloads"
#: A farm's own ones, in its folder: found there without a word in farm.toml.
OWN_WORKLOADS = "workloads"

DEFAULT_LISTEN = "127.0.0.1:0"
#: An agent answers every few seconds; 30 s rides over a restart of it and a slow disk.
DEFAULT_LEASE_S = 30.0
DEFAULT_GRACE_S = 30.0
#: The first try and two more tell a broken device from bad luck.
DEFAULT_RETRIES = 2

#: Of farm.toml; each key has its meaning in ``files/meanings.py``.
KEYS = (
    "farm_id",
    "database",
    "data",
    "listen",
    "lease_s",
    "grace_s",
    "retries",
    "cache",
    "workloads",
    "runtime_sources",
)
#: A DNS label, since it is the TLS name of the farm (D2).
_FARM_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LISTEN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\s]+):(?P<port>\d{1,5})")
#: A day; longer silences are not leases but forgetting.
MAX_S = 86_400.0
MAX_RETRIES = 100

Got = TypeVar("Got")


@dataclass(frozen=True, slots=True)
class FarmConfig:
    """A farm's settings, every path absolute."""

    folder: Path
    farm_id: str
    database_url: str
    #: Blobs, keys and the socket.
    data: Path
    #: ``host:port`` where agents connect; port 0: any free one.
    listen: str
    lease_s: float
    grace_s: float
    #: Further tries after a device or the farm itself failed.
    retries: int
    cache: Path
    #: Folders of workloads, the project's own first.
    workloads: tuple[Path, ...]
    #: Which WAMR a mode's ``runtime_source`` names; ``pinned`` is always there.
    runtime_sources: Mapping[str, RuntimeSource]

    @property
    def inventory(self) -> Path:
        """The declared devices."""
        return self.folder / INVENTORY_NAME


def find_farm(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Find the folder of the farm a command is for.

    Args:
        explicit: what ``--farm`` said.
        environ: the environment; ``FARM_DIR`` counts where nothing was said.
        cwd: where the command runs; the nearest parent with a farm.toml is the default.

    Raises:
        ConfigError: there is no farm.
    """
    told = explicit if explicit is not None else _from_environment(environ)
    if told is not None:
        if not (cwd / told / FILE_NAME).is_file():
            raise ConfigError(f"{told} is no farm: make one with `farm init {told}`")
        return (cwd / told).resolve()
    for folder in (cwd.resolve(), *cwd.resolve().parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise ConfigError(
        "no farm here: make one with `farm init`, or name one with --farm DIR or FARM_DIR"
    )


def _from_environment(environ: Mapping[str, str]) -> Path | None:
    named = environ.get("FARM_DIR", "")
    return Path(named) if named else None


def load_config(folder: Path, environ: Mapping[str, str] | None = None) -> FarmConfig:
    """Read a farm's settings.

    Args:
        folder: the folder with farm.toml.
        environ: the environment, for the default build cache; None: this process's.

    Raises:
        ConfigError: with file and line: not there, not TOML, an unknown key, a wrong value.
    """
    folder = folder.resolve()
    content = read_text(folder / FILE_NAME, ConfigError, missing="make a farm with `farm init`")
    return parse_config(content, folder, environ)


def parse_config(
    content: str, folder: Path, environ: Mapping[str, str] | None = None
) -> FarmConfig:
    """Check the text of a farm.toml that stands, or will stand, in a folder.

    Args:
        content: the file's text.
        folder: absolute.
        environ: the environment, for the default build cache; None: this process's.

    Raises:
        ConfigError: with file and line: not TOML, an unknown key, a wrong value.
    """
    values = _Values(folder / FILE_NAME, content)
    values.refuse_unknown()
    data = folder / values.text("data", DATA_NAME)
    return FarmConfig(
        folder=folder,
        farm_id=values.matching("farm_id", _FARM_ID, None, "the id that `farm init` made"),
        database_url=_database_url(values, folder, data),
        data=data,
        listen=_listen(values),
        lease_s=values.seconds("lease_s", DEFAULT_LEASE_S),
        grace_s=values.seconds("grace_s", DEFAULT_GRACE_S),
        retries=values.whole("retries", DEFAULT_RETRIES, MAX_RETRIES),
        cache=_cache(values, folder, os.environ if environ is None else environ),
        workloads=_workloads(values, folder),
        runtime_sources=read_sources(values.table, content, values.path),
    )


class _Values:
    """The keys of a farm.toml, each checked as it is asked for."""

    def __init__(self, path: Path, content: str) -> None:
        self.path = path
        self.content = content
        try:
            self.table: dict[str, Any] = tomllib.loads(content)
        except tomllib.TOMLDecodeError as cause:
            raise _not_toml(path, content, str(cause)) from cause

    def complaint(self, key: str, message: str) -> ConfigError:
        return ConfigError(message, file=self.path, line=_line_of(self.content, key))

    def refuse_unknown(self) -> None:
        for key in self.table:
            if key not in KEYS:
                hint = next_step(key, KEYS)
                raise self.complaint(key, f"unknown key '{key}': {hint}")

    def text(self, key: str, default: str | None) -> str:
        found = self.table.get(key, default)
        if found is None:
            raise ConfigError(f"'{key}' is missing: add it, or make a new farm", file=self.path)
        if not isinstance(found, str) or not found or "\0" in found:
            raise self._wrong(key, "text in quotes")
        return found

    def matching(self, key: str, pattern: re.Pattern[str], default: str | None, says: str) -> str:
        found = self.text(key, default)
        if not pattern.fullmatch(found):
            raise self._wrong(key, says)
        return found

    def seconds(self, key: str, default: float) -> float:
        found = self.table.get(key, default)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(key, "a number of seconds")
        if not 1 <= found <= MAX_S:
            raise self._wrong(key, f"a number of seconds from 1 to {MAX_S:g}")
        return float(found)

    def whole(self, key: str, default: int, high: int) -> int:
        found = self.table.get(key, default)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= high:
            raise self._wrong(key, f"a whole number from 0 to {high}")
        return found

    def texts(self, key: str) -> list[str]:
        found = self.table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self._wrong(key, "a list of text in quotes")
        return [str(item) for item in found]

    def place(self, key: str, written: str, folder: Path) -> Path:
        expanded = os.path.expanduser(written)
        if expanded.startswith("~"):
            raise self.complaint(key, f"'{written}': there is no such user; write a path")
        return folder / expanded

    def _wrong(self, key: str, says: str) -> ConfigError:
        found = self.table.get(key)
        shown = str(found).lower() if isinstance(found, bool) else repr(found)
        return self.complaint(key, f"'{key}' is {shown}: write {says}")


def _line_of(content: str, key: str) -> int | None:
    """Find the line of a key of the top; tomllib keeps none."""
    start = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    lines = content.splitlines()
    return next((number for number, line in enumerate(lines, 1) if start.match(line)), None)


def _not_toml(path: Path, content: str, problem: str) -> ConfigError:
    found = re.search(r"\(at line (\d+), column \d+\)", problem)
    line = int(found.group(1)) if found else content.rstrip().count("\n") + 1
    what = problem.split(" (at ")[0]
    return ConfigError(f"not valid TOML ({what}): correct this line", file=path, line=line)


def _listen(values: _Values) -> str:
    found = values.text("listen", DEFAULT_LISTEN)
    match = _LISTEN.fullmatch(found)
    if match is None or int(match["port"]) > 65_535:
        raise values.complaint(
            "listen", f"'listen' is {found!r}: write HOST:PORT, such as {DEFAULT_LISTEN}"
        )
    return found


def _database_url(values: _Values, folder: Path, data: Path) -> str:
    found = values.text("database", f"{SQLITE}{data}/farm.db")
    if is_postgresql(found):
        if wrong := complaint_of(found):
            raise values.complaint("database", f"'database' {wrong}")
        return found
    if not found.startswith(SQLITE) or found == SQLITE:
        # Not repeated in full: what is taken for an address may hold a password.
        begins = found.partition(":")[0][:40]
        raise values.complaint(
            "database",
            f"'database' begins with {begins!r}: write sqlite:///PATH or"
            " postgresql://USER@HOST:PORT/NAME",
        )
    return f"{SQLITE}{folder / found.removeprefix(SQLITE)}"


def _cache(values: _Values, folder: Path, environ: Mapping[str, str]) -> Path:
    if "cache" in values.table:
        return values.place("cache", values.text("cache", None), folder)
    return default_cache(environ)


def default_cache(environ: Mapping[str, str]) -> Path:
    """Say where builds are cached when nothing else was said: one place per user, kept warm.

    Raises:
        ConfigError: this user has no home folder.
    """
    if environ.get("FARM_CACHE_DIR"):
        return Path(environ["FARM_CACHE_DIR"]).absolute()
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]).absolute() / "farm"
    return _home(environ) / ".cache" / "farm"


def _home(environ: Mapping[str, str]) -> Path:
    """Answer the user's folder; an empty HOME says nothing, as a container may leave it."""
    if environ.get("HOME"):
        return Path(environ["HOME"]).absolute()
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise ConfigError(
            f"HOME is not set and user {os.getuid()} has no home: say where builds are cached with"
            " FARM_CACHE_DIR"
        ) from None


def _workloads(values: _Values, folder: Path) -> tuple[Path, ...]:
    further = [values.place("workloads", item, folder) for item in values.texts("workloads")]
    for item in further:
        if not item.is_dir():
            raise values.complaint("workloads", f"no folder {item}: make it or remove it here")
    own = [folder / OWN_WORKLOADS] if (folder / OWN_WORKLOADS).is_dir() else []
    return tuple(dict.fromkeys([BUILTIN_WORKLOADS, *own, *further]))


def create_farm(
    folder: Path,
    inventory_text: str,
    *,
    database: str | None = None,
    fill: Callable[[FarmConfig], None] | None = None,
) -> FarmConfig:
    """Make a new farm: inventory.yaml, a data folder for its owner only, last farm.toml.

    Args:
        folder: where; made if it is not there, may hold other files.
        inventory_text: the text of inventory.yaml.
        database: its database's address; None: a SQLite file in its data folder.
        fill: what else has to be there before the farm counts as made: its database, its CA.

    Raises:
        ConfigError: a farm, or part of one, is there already; or the folder cannot be written.

    Notes:
        Whatever is raised, by ``fill`` too, nothing that was made here is left behind. What one
        that was killed left is cleared away by the next.
    """
    try:
        with contextlib.ExitStack() as held, contextlib.ExitStack() as undo:
            _make_folders(folder.absolute(), undo)
            _hold_folder(folder.absolute(), held)
            config = _make(folder.absolute(), inventory_text, database, undo, fill)
            undo.pop_all()
    except OSError as cause:
        problem = f"cannot make a farm ({cause.strerror}): choose a folder you can write"
        raise ConfigError(problem, file=folder.absolute()) from cause
    return config


def _make(
    folder: Path,
    inventory_text: str,
    database: str | None,
    undo: contextlib.ExitStack,
    fill: Callable[[FarmConfig], None] | None,
) -> FarmConfig:
    _clear_unfinished(folder, inventory_text)
    _refuse_existing(folder)
    folder = folder.resolve()
    draft = folder / _DRAFT_NAME
    draft_text = config_text(f"farm-{secrets.token_hex(8)}", database)
    # First: while it is there, whatever else is there was made here and is not a farm yet.
    _write_new(draft, draft_text, undo)
    data = folder / DATA_NAME
    data.mkdir(mode=0o700)
    undo.callback(shutil.rmtree, data, ignore_errors=True)
    _write_new(folder / INVENTORY_NAME, inventory_text, undo)
    config = parse_config(draft_text, folder)
    if fill is not None:
        fill(config)
    draft.rename(folder / FILE_NAME)
    return config


def _hold_folder(folder: Path, held: contextlib.ExitStack) -> None:
    """Be the only one who makes a farm in a folder; the kernel lets go of it if we die."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"{folder}: another `farm init` is making a farm here: wait for it"
        ) from None


def _clear_unfinished(folder: Path, inventory_text: str) -> None:
    """Remove what a killed `farm init` left; an inventory that is not its own stays."""
    draft, inventory, data = (folder / name for name in (_DRAFT_NAME, INVENTORY_NAME, DATA_NAME))
    if not draft.is_file() or (folder / FILE_NAME).exists():
        return
    if data.is_dir() and not data.is_symlink():
        shutil.rmtree(data)
    if inventory.is_file() and inventory_text.encode().startswith(inventory.read_bytes()):
        inventory.unlink()
    draft.unlink()


def _refuse_existing(folder: Path) -> None:
    for name in (FILE_NAME, INVENTORY_NAME, DATA_NAME):
        if (folder / name).exists() or (folder / name).is_symlink():
            raise ConfigError(
                f"{folder / name} is there already: nothing was changed; choose another folder"
            )


def _make_folders(folder: Path, undo: contextlib.ExitStack) -> None:
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        # One that another process makes meanwhile is not ours to remove.
        with contextlib.suppress(FileExistsError):
            part.mkdir()
            undo.callback(_remove_empty, part)


def _remove_empty(folder: Path) -> None:
    # One that another process has put something in stays, and so does the first error.
    with contextlib.suppress(OSError):
        folder.rmdir()


def _write_new(path: Path, content: str, undo: contextlib.ExitStack) -> None:
    with path.open("x", encoding="utf-8") as file:
        undo.callback(path.unlink, missing_ok=True)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def config_text(farm_id: str, database: str | None = None) -> str:
    """Write the farm.toml of a new farm.

    Args:
        farm_id: its id.
        database: its database's address; None: a SQLite file in its data folder.
    """
    # A JSON string is a TOML string for every character an address may have.
    address = json.dumps(database or f"{SQLITE}{DATA_NAME}/farm.db")
    return f"""\
# A farm. Each key: docs/reference/files.md
farm_id = "{farm_id}"  # the name in the farm's certificates: never change it
database = {address}
listen = "{DEFAULT_LISTEN}"  # where agents connect; port 0: any free one
"""
