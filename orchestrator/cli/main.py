"""The entry point of ``farm``: the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

from orchestrator.cli.nouns import root_help

#: What a signal adds to its number in an exit code, as shells count.
_BY_SIGNAL = 128
INTERRUPTED = _BY_SIGNAL + signal.SIGINT
#: New objects between two searches for cycles. Python's 700 make it search for a seventh of the
#: time that importing a command takes, and what is imported stays.
_BETWEEN_SEARCHES = 50_000


def main() -> None:
    """Run the command line of this process and exit with its code."""
    gc.set_threshold(_BETWEEN_SEARCHES)
    _fill_closed_streams()
    _leave_cleanly_on(signal.SIGTERM, signal.SIGHUP)
    code = run(sys.argv[1:])
    sys.exit(_told[-1] + _BY_SIGNAL if _told and code == INTERRUPTED else code)


#: Signals other than Ctrl-C that asked this command to end.
_told: list[int] = []


def _leave_cleanly_on(*numbers: signal.Signals) -> None:
    """Have a command undo or finish what it is at, as after Ctrl-C, where it would just die.

    What was to be ignored (by ``nohup``) stays so.
    """

    def leave(number: int, _: FrameType | None) -> None:
        _told.append(number)
        raise KeyboardInterrupt

    for number in numbers:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, leave)


def _fill_closed_streams() -> None:
    """Keep files that are opened later, the database first, from becoming a standard stream."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: those after ``farm``.

    Returns:
        The exit code: 0 ok, 1 an outcome failed, 2 usage, 3 farm unavailable, 70 a bug, 130
        interrupted; a signal's number above 128.
    """
    try:
        code = _answer(arguments)
        if sys.stdout is not None:
            # A reader that has left, or a full disk, is noticed here and not at the very end.
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough: `farm results list | head`.
        _let_go_of_stdout()
        return 0
    except Exception as error:  # noqa: BLE001  # the one place where what nobody expected is told
        from orchestrator.cli import failure

        code = failure.tell(error, arguments)
        if isinstance(error, OSError):
            _let_go_of_stdout()
    return code


def _answer(arguments: list[str]) -> int:
    if arguments in ([], ["--help"]) and sys.stdout is not None:
        # Importing the parser takes five times as long as starting python, and these two need
        # nothing of it.
        sys.stdout.write(root_help())
        return 0
    if arguments[:1] == ["__complete"]:
        from orchestrator.cli.completing import answer

        return answer(arguments[1:])
    from orchestrator.cli import root

    return root.run(arguments)


def _let_go_of_stdout() -> None:
    """Send what is still held back nowhere: python would complain of it once more at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
