"""The words of the command line: each with its module and one line for the root's help.

This table is all that ``farm --help`` needs, so that it stays quick; a module is imported when its
word is called.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """One word after ``farm``."""

    name: str
    help: str

    @property
    def module(self) -> str:
        """Where its commands are."""
        return f"orchestrator.cli.{self.name}"


NOUNS: tuple[Noun, ...] = (
    Noun("demo", "See it work: build, start devices, measure, print the table."),
    Noun("doctor", "Say what this machine has and lacks for which feature."),
    Noun("init", "Make a new farm in a folder."),
    Noun("up", "Run the orchestrator until told to stop."),
    Noun("run", "Measure a matrix, or a program of your own."),
    Noun("plan", "Show a matrix's cells without running them."),
    Noun("build", "Build what is missing."),
    Noun("runs", "List, show and cancel runs."),
    Noun("explain", "Why a cell waits, or how it ended."),
    Noun("results", "The numbers: of all cells, or of one with all its attempts."),
    Noun("devices", "The devices, their state and facts."),
    Noun("workloads", "What can be run."),
    Noun("db", "Care for the database: keep, restore, check, upgrade."),
    Noun("gc", "Remove what nothing needs any more."),
)

_HEAD = """\
Usage: farm [--farm DIR] COMMAND [ARGS]...

  Builds, runs and compares WebAssembly and native programs on many devices.

Options:
  --farm DIR  The farm; default: $FARM_DIR, else the nearest parent folder
              with a farm.toml.
  --version   Show the version and exit.
  --help      Show this message and exit; also after a COMMAND.

Commands:
"""


def root_help() -> str:
    """Write the root's help."""
    return _HEAD + "".join(f"  {noun.name:<10} {noun.help}\n" for noun in NOUNS)
