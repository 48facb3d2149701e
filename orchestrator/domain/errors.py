"""The one error tree of the farm.

FarmError
├── UsageError                 the user's mistake; exit code 2
│   ├── ConfigError            farm.toml
│   ├── InventoryError         inventory.yaml
│   ├── MatrixError            a matrix file
│   └── WorkloadFileError      a workload.yaml, or a program the user named
├── FarmUnavailable            no orchestrator of this farm answers; exit code 3
├── NotFound                   no such run, device, cell, blob
├── StateError                 the thing is there, but not in a state for this
├── LeaseError
│   ├── LeaseExpired
│   └── StaleFence
├── DeviceError
│   ├── DeviceUnreachable      transient
│   ├── TransferInterrupted    transient
│   ├── RuntimeMissing         stable
│   ├── UnsupportedMode        stable
│   ├── DiskFull               stable
│   └── HostKeyChanged         stable
├── BuildError                 a compiler said no; carries its own last lines
├── ArtifactError
│   ├── ArtifactMissing
│   └── DigestMismatch
└── StoreError
    ├── SchemaMismatch
    └── StoreUnavailable

A bug is none of these. A workload that crashes, times out or prints the wrong thing is an outcome,
never an exception.
"""

from __future__ import annotations

from pathlib import Path


class FarmError(Exception):
    """Root of all errors a caller of the farm may handle.

    Args:
        message: one line that says what is wrong and, where there is one, the next step.
    """

    #: What a command line exits with.
    exit_code = 3

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return one_line(self.message)


def one_line(text: str) -> str:
    """Write what would break a line or move a cursor, a file's name may hold it, as an escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def refusal(error: OSError) -> str:
    """Say in words what the machine refused: the place, where one is known, and why."""
    place = f"{error.filename}: " if error.filename else ""
    return one_line(f"{place}{error.strerror or error}")


class UsageError(FarmError):
    """A mistake of the user.

    Args:
        message: one line.
        file: the file with the mistake, where there is one.
        line: its line, from 1.
    """

    exit_code = 2

    def __init__(
        self, message: str, *, file: Path | str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message)
        self.file = None if file is None else Path(file)
        self.line = line

    def __str__(self) -> str:
        if self.file is None:
            return one_line(self.message)
        place = f"{self.file}:{self.line}" if self.line is not None else str(self.file)
        return one_line(f"{place}: {self.message}")


class ConfigError(UsageError):
    """farm.toml, or the farm's folder, is wrong."""


class InventoryError(UsageError):
    """inventory.yaml is wrong."""


class MatrixError(UsageError):
    """A matrix file is wrong."""


class WorkloadFileError(UsageError):
    """A workload.yaml, or a program the user named, is wrong."""


class FarmUnavailable(FarmError):
    """No orchestrator of this farm answers; it may be gone, so asking the next one can help."""


class NotFound(FarmError):  # names of the tree are the design's
    """No such thing."""

    exit_code = 2


class StateError(FarmError):
    """The thing exists, but this cannot be done to it now."""

    exit_code = 2


class LeaseError(FarmError):
    """A lease does not allow this."""


class LeaseExpired(LeaseError):
    """The lease is over."""


class StaleFence(LeaseError):
    """A newer lease of the device exists."""


class DeviceError(FarmError):
    """A device cannot do this.

    ``transient`` says whether trying again can help.
    """

    transient = False


class DeviceUnreachable(DeviceError):
    """The device does not answer."""

    transient = True


class TransferInterrupted(DeviceError):
    """Bytes stopped on their way."""

    transient = True


class RuntimeMissing(DeviceError):
    """The device lacks the runtime."""


class UnsupportedMode(DeviceError):
    """The device cannot run this mode."""


class DiskFull(DeviceError):
    """No room is left where the farm has to write."""


class HostKeyChanged(DeviceError):
    """The device's SSH host key is not the one we know."""


class BuildError(FarmError):
    """A tool failed.

    Args:
        message: one line: what was built and which tool failed.
        output: the tool's own last lines.
    """

    exit_code = 1

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output

    def __str__(self) -> str:
        told = one_line(self.message)
        return f"{told}\n{self.output.rstrip()}" if self.output else told


class ArtifactError(FarmError):
    """An artifact cannot be used."""


class ArtifactMissing(ArtifactError):
    """No blob of this digest is stored."""


class DigestMismatch(ArtifactError):
    """Bytes are not what their name says."""


class StoreError(FarmError):
    """The database cannot be used."""


class SchemaMismatch(StoreError):
    """The database's schema is not this version's."""


class StoreUnavailable(StoreError):
    """The database does not answer, is locked or is full."""
