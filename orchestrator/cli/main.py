"""The entry point of ``farm``: the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import os
import sys

from orchestrator.cli.nouns import root_help

#: 128 + SIGINT, as shells count.
INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: those after ``farm``.

    Returns:
        The exit code: 0 ok, 1 an outcome failed, 2 usage, 3 farm unavailable, 70 a bug, 130
        interrupted.
    """
    if arguments in ([], ["--help"]):
        # Importing the parser takes five times as long as starting python, and these two need
        # nothing of it.
        sys.stdout.write(root_help())
        return 0
    from orchestrator.cli import root

    try:
        return root.run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough (`farm results list | head`); python would complain once
        # more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  # the one place where what nobody expected is told
        from orchestrator.cli import failure

        return failure.tell(error, arguments)
