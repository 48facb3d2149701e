"""What each command is shown with: examples that are real, and the exit codes of its own.

Data only: ``manual.py`` shows it, and a test holds every example to its command's own parser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Example:
    """A line for a shell and what it does."""

    line: str
    about: str


@dataclass(frozen=True, slots=True)
class Notes:
    """What is told of a command besides what its parser knows."""

    examples: tuple[Example, ...]
    #: Besides those of every command.
    exits: Mapping[int, str] = field(default_factory=dict)


#: Of every command.
EXITS: Mapping[int, str] = {
    0: "done",
    2: "a mistake in the command, in a file it names, or a name of nothing; one line says which",
    3: "the farm cannot be used now: no orchestrator answers, its database is away, a full disk",
    70: "a bug in farm; the line names a file with the details",
    129: "ended by a hangup (SIGHUP): its terminal closed; 128 and the signal's number",
    130: "interrupted with Ctrl-C (SIGINT)",
    143: "ended by SIGTERM, as kill and service managers send it",
}
#: Of commands that measure or build.
FAILED: Mapping[int, str] = {1: "an outcome failed, or something could not be built"}


def _notes(*examples: tuple[str, str], exits: Mapping[int, str] | None = None) -> Notes:
    return Notes(tuple(Example(line, about) for line, about in examples), exits or {})


#: By the words after ``farm``.
NOTES: Mapping[str, Notes] = {
    "demo": _notes(
        ("farm demo", "From nothing to a table, in a farm that is gone afterwards."),
        ("farm demo --keep ~/demo", "The same, and leave the farm there."),
        exits=FAILED,
    ),
    "doctor": _notes(
        ("farm doctor", "What is here, what is missing, and the command that brings it."),
        ("farm doctor --json", "The same for a script."),
        exits={1: "something that is needed is missing"},
    ),
    "init": _notes(
        ("farm init ~/my-farm", "A new farm with this machine's devices."),
        ("farm init", "In this folder."),
    ),
    "up": _notes(
        ("farm up", "Serve this folder's farm until Ctrl-C."),
        ("farm --farm ~/my-farm up", "Another one."),
    ),
    "run": _notes(
        ("farm run first.yaml", "Build what is missing, measure, print the table."),
        ("farm run first.yaml --set repeats=3 --set attempts=5", "With other values."),
        ("farm run sum.c -- 1 2 3", "A C file of your own, with arguments."),
        (
            "farm run tool.wasm --mode wamr-fast --dir ./texts::texts --stdin input.txt",
            "A module with a folder and an input.",
        ),
        ("farm run --resume 3", "Go on with a run that was cancelled or stopped."),
        ("farm run first.yaml --detach", "Leave it to a running orchestrator."),
        exits=FAILED,
    ),
    "plan": _notes(
        ("farm plan first.yaml", "The cells, what would be built, and why one can run nowhere."),
        ("farm plan first.yaml --json", "The same for a script."),
    ),
    "build": _notes(
        ("farm build first.yaml", "All that a matrix needs."),
        ("farm build --arch aarch64 --workload gemm", "One workload in every mode."),
        exits=FAILED,
    ),
    "runs list": _notes(
        ("farm runs list --state running --state queued", "What is not over yet."),
        ("farm runs list --since 7d --csv", "The last week as a table for a spreadsheet."),
    ),
    "runs show": _notes(
        ("farm runs show 3", "How far run 3 is, and its numbers."),
        ("farm runs show 3 --json", "With the order it came from."),
    ),
    "runs cancel": _notes(
        ("farm runs cancel 3", "Stop it; what was measured stays."),
    ),
    "runs logs": _notes(
        ("farm runs logs 3", "What the last attempt of each cell printed."),
        ("farm runs logs 3 7 --stderr", "Of one cell, what it complained of."),
        ("farm runs logs 3 7 --stdout > out.bin", "Its output, byte for byte."),
        ("farm runs logs 3 --attempt 12", "Of one attempt."),
    ),
    "runs retry": _notes(
        ("farm runs retry 3", "Measure what failed again."),
        ("farm runs retry 3 --cells 7,9", "Only these two."),
        ("farm runs retry 3 --cells all --detach", "All of it, by a running orchestrator."),
        exits=FAILED,
    ),
    "explain": _notes(
        ("farm explain 3", "Why each cell of run 3 waits, or how it ended."),
        ("farm explain 3 7", "One cell in full, with tries that did not count."),
        ("farm explain 3 --json", "For a script."),
    ),
    "results list": _notes(
        ("farm results list 3", "All cells of run 3."),
        ("farm results list --workload gemm --arch aarch64 --valid", "What may be compared."),
        ("farm results list --since 7d --outcome timed_out", "What was too slow last week."),
        ("farm results list --mode native --sort slowest --limit 10", "The ten slowest."),
        ("farm results list --csv > results.csv", "Everything, for a spreadsheet."),
    ),
    "results show": _notes(
        ("farm results show 7", "One cell: attempts, conditions, how it was made."),
        ("farm results show 7 --json", "With every sample."),
    ),
    "results files": _notes(
        ("farm results files 7", "What the attempts of cell 7 left."),
        ("farm results files 7 --to out", "Copy it into a folder."),
    ),
    "devices list": _notes(("farm devices list", "Who can measure, and who is away.")),
    "devices show": _notes(("farm devices show local", "All that is known of one device.")),
    "workloads list": _notes(("farm workloads list", "What can be run, with parameters.")),
    "workloads show": _notes(("farm workloads show gemm", "Parameters, limits and sources.")),
    "workloads new": _notes(
        ("farm workloads new sum --from sum.c -- 1 2 3", "Of a C file, with its arguments."),
        ("farm workloads new tool --from tool.wasm --dir ./texts::texts", "Of a module."),
    ),
    "db upgrade": _notes(("farm db upgrade", "After a new version of farm, with none running.")),
    "db downgrade": _notes(
        ("farm db downgrade", "Say what going one schema back would lose."),
        ("farm db downgrade --yes", "Do it, for the farm version before this one."),
    ),
    "db check": _notes(
        ("farm db check", "Look for rows and blobs that cannot be."),
        ("farm db check --deep", "And read every blob."),
        exits={1: "something was found"},
    ),
    "db backup": _notes(
        ("farm db backup ~/farm.tar.zst", "Database, blobs, CA and inventory in one file."),
        exits={1: "it was made, without blobs that are missing or damaged"},
    ),
    "db restore": _notes(
        ("farm db restore ~/farm.tar.zst ~/my-farm", "Make a farm of it elsewhere."),
    ),
    "sql": _notes(
        (
            "farm sql 'SELECT workload, mode, execute_s FROM result WHERE run_id = 1'",
            "Ask the view of results.",
        ),
        ("farm sql --views", "What the views hold, column by column."),
        ("farm sql --file report.sql --csv > report.csv", "Any number of rows, for a sheet."),
        ("farm sql --timeout 300 --json --file long.sql", "Give a long one five minutes."),
    ),
    "gc": _notes(
        ("farm gc --dry-run", "What would go."),
        ("farm gc --older-than 30d", "Leave what was used within a month."),
        ("farm gc --cache --older-than 30d", "Clear the build cache."),
    ),
    "completion": _notes(
        ("farm completion bash > ~/.local/share/bash-completion/completions/farm", "For bash."),
        ('eval "$(farm completion zsh)"', "For zsh, as a line of ~/.zshrc after compinit."),
        ("farm completion fish > ~/.config/fish/completions/farm.fish", "For fish."),
    ),
    "help": _notes(
        ("farm help", "All commands."),
        ("farm help runs logs", "One in full."),
    ),
}
