"""The words of the command line: each with its module and one line for the root's help.

This table is all that ``farm --help`` needs, so that it stays quick; a module is imported when its
word is called.
"""

from __future__ import annotations

from dataclasses import dataclass

BEGIN, MEASURE, LOOK, CARE = "Begin", "Measure", "Look", "Care"
#: The parts of the root's help, in order.
GROUPS = (BEGIN, MEASURE, LOOK, CARE)


@dataclass(frozen=True, slots=True)
class Noun:
    """One word after ``farm``."""

    name: str
    help: str
    #: The part of the root's help it stands in.
    group: str = CARE

    @property
    def module(self) -> str:
        """Where its commands are."""
        return f"orchestrator.cli.{self.name}"


NOUNS: tuple[Noun, ...] = (
    Noun("demo", "See it work: build, start devices, measure, print the table.", BEGIN),
    Noun("doctor", "Say what this machine has and lacks for which feature.", BEGIN),
    Noun("init", "Make a new farm in a folder.", BEGIN),
    Noun("up", "Run the orchestrator until told to stop.", BEGIN),
    Noun("run", "Measure a matrix, or a program of your own.", MEASURE),
    Noun("plan", "Show a matrix's cells without running them.", MEASURE),
    Noun("build", "Build what is missing.", MEASURE),
    Noun("runs", "List, show, cancel and retry runs, and read what they printed.", LOOK),
    Noun("explain", "Why a cell waits, or how it ended.", LOOK),
    Noun("results", "The numbers: of all cells, or of one with all its attempts.", LOOK),
    Noun("sql", "Ask the database in SQL, read-only.", LOOK),
    Noun("devices", "The devices, their state and facts.", LOOK),
    Noun("workloads", "What can be run.", LOOK),
    Noun("db", "Care for the database: keep, restore, check, upgrade."),
    Noun("gc", "Remove what nothing needs any more."),
    Noun("completion", "Let bash, zsh or fish complete commands and names."),
    Noun("help", "Explain a command in full, with examples."),
)

_HEAD = """\
Usage: farm [--farm DIR] [--color WHEN] COMMAND [ARGS]...

  Builds, runs and compares WebAssembly and native programs on many devices.

Options:
  --farm DIR    The farm; default: $FARM_DIR, else the nearest parent folder
                with a farm.toml.
  --color WHEN  auto, always or never; auto: on a terminal without NO_COLOR.
  --version     Show the version and exit.
  --help        Show this message and exit; also after a COMMAND.
"""


def root_help() -> str:
    """Write the root's help."""
    parts = [_HEAD]
    for group in GROUPS:
        rows = (noun for noun in NOUNS if noun.group == group)
        parts.append(f"\n{group}:\n" + "".join(f"  {n.name:<10} {n.help}\n" for n in rows))
    return "".join(parts)
