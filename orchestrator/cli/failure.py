"""How a failure is told: a line and an exit code; for a bug, a file with the traceback too."""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

import typer

from orchestrator.cli import view
from orchestrator.domain.errors import FarmError, refusal

#: EX_SOFTWARE of sysexits.h.
BUG = 70

#: What the machine refuses anybody, wherever it happens: no bug, and no mistake in the command.
_REMEDIES = {
    errno.ENOSPC: "make room and try again",
    errno.EDQUOT: "make room and try again",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its owner and permissions",
    errno.ELOOP: "its links lead in a circle: correct them",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "its disk or terminal fails, see: dmesg",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


def tell(error: Exception, arguments: list[str]) -> int:
    """Say on stderr what went wrong.

    Args:
        error: what ended the command.
        arguments: the command, kept with a bug.

    Returns:
        The exit code.
    """
    if isinstance(error, FarmError):
        view.complain(str(error))
        return error.exit_code
    if isinstance(error, typer.TyperException):
        view.complain(_mistake(error))
        return error.exit_code
    if isinstance(error, typer.Abort):
        return 1
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        view.complain(_refused(error))
        return FarmError.exit_code
    view.complain(
        f"a bug in farm ({_one_line(error)}); the details are in {_keep(error, arguments)}"
    )
    return BUG


def _refused(error: OSError) -> str:
    return f"{refusal(error)}; {_REMEDIES[error.errno or 0]}"


def _mistake(error: typer.TyperException) -> str:
    """Say in one line what the parser did not like."""
    context: typer.Context | None = getattr(error, "ctx", None)
    command = "farm" if context is None else context.command_path
    said = " ".join(error.format_message().split()).rstrip(".")
    said = said.replace("is not a valid int range", "is no whole number")
    said = said.replace("is not a valid int", "is no whole number")
    return f"{said}; see: {command} --help"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__


def _keep(error: Exception, arguments: list[str]) -> str:
    """Write the traceback where it can be found; into the farm's data folder if there is one."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    name = f"farm-bug-{stamp}-{os.getpid()}.txt"
    text = f"farm {' '.join(arguments)}\n\n" + "".join(traceback.format_exception(error))
    for folder in _folders():
        try:
            path = folder / name
            # Never through a link that somebody laid there: /tmp is everybody's.
            with open(path, "x", opener=_private, errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return str(path)
    view.complain(text)
    return "the lines above"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _folders() -> list[Path]:
    from orchestrator.cli.session import this_farm

    temporary = Path(tempfile.gettempdir())
    try:
        return [this_farm().data, temporary]
    except Exception:  # noqa: BLE001  # a bug where the farm is looked for is the one being told
        return [temporary]
