"""The agent's configuration file: who it is, whom it calls, where it keeps its state."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What the file says, checked."""

    #: The name the orchestrator's certificate must carry.
    farm_id: str
    #: ``host:port`` of the orchestrator.
    address: str
    #: This device's name, for people; the orchestrator believes the certificate only.
    device: str
    #: Journal, blobs and attempt folders; one agent each.
    folder: Path
    certificate: Path
    key: Path
    ca: Path
    #: Absolute path of the user-mode emulator that starts every runner; None on real hardware.
    emulator: Path | None = None
    #: Other work shares this machine by the operator's wish: no waiting, no pinning.
    share_machine: bool = False
    #: Folder of the runner locks of all agents on this machine; None: this agent is alone on it.
    machine_locks: Path | None = None
    #: Leave when standard input closes: whoever started this agent is gone.
    exit_with_stdin: bool = False


_TEXTS = ("farm_id", "address", "device", "folder", "certificate", "key", "ca")
_OPTIONAL: Mapping[str, type] = {
    "emulator": str,
    "share_machine": bool,
    "machine_locks": str,
    "exit_with_stdin": bool,
}


def read_config(path: Path) -> AgentConfig:
    """Read and check a configuration file.

    Args:
        path: a TOML file.

    Returns:
        The configuration.

    Raises:
        ConfigError: the file is missing, no TOML, or has a wrong or unknown key; names the file.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    _check(path, table)
    emulator = table.get("emulator", "")
    return AgentConfig(
        farm_id=table["farm_id"],
        address=table["address"],
        device=table["device"],
        folder=Path(table["folder"]),
        certificate=Path(table["certificate"]),
        key=Path(table["key"]),
        ca=Path(table["ca"]),
        emulator=Path(emulator) if emulator else None,
        share_machine=table.get("share_machine", False),
        machine_locks=Path(locks) if (locks := table.get("machine_locks", "")) else None,
        exit_with_stdin=table.get("exit_with_stdin", False),
    )


def _check(path: Path, table: Mapping[str, object]) -> None:
    """Refuse what is missing, unknown or of the wrong kind."""
    unknown = sorted(set(table) - set(_TEXTS) - set(_OPTIONAL))
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}")
    for name in _TEXTS:
        value = table.get(name)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{path}: {name} must be a text that is not empty")
    for name, kind in _OPTIONAL.items():
        if name in table and not isinstance(table[name], kind):
            raise ConfigError(f"{path}: {name} must be a {kind.__name__}")
    emulator = table.get("emulator", "")
    if isinstance(emulator, str) and emulator and not Path(emulator).is_absolute():
        raise ConfigError(f"{path}: emulator must be an absolute path, not {emulator!r}")
