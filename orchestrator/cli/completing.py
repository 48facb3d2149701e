"""Answers shells: which words can stand where the cursor is. Quick, and silent when in trouble."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli.nouns import NOUNS

if TYPE_CHECKING:
    from orchestrator.config import FarmConfig

#: A word and what it means.
Word = tuple[str, str]
#: Runs and cells that are offered: newer ones are what people mean.
_MOST = 50
#: What every shell takes as one word and nothing else; other names are for people to quote.
_PLAIN_WORD = re.compile(r"[\w.@%+=:,/\[\]-]+")


@dataclass(frozen=True, slots=True)
class Offer:
    """What can stand at the cursor."""

    words: tuple[Word, ...] = ()
    #: The shell completes files itself; it knows quotes and homes.
    files: bool = False


FILES = Offer(files=True)


@dataclass(frozen=True, slots=True)
class _Line:
    """What was typed before the cursor."""

    farm: str | None
    #: Words that are neither options nor their values, without those of the command itself.
    positional: tuple[str, ...]


def answer(words: Sequence[str]) -> int:
    """Print what can stand in place of the last of these words.

    Args:
        words: those after ``farm``, the one at the cursor last; it may be empty.
    """
    import sqlite3

    from orchestrator.cli.layout import harmless
    from orchestrator.domain.errors import FarmError

    try:
        offer = complete(words)
    except (FarmError, OSError, OverflowError, sqlite3.Error):
        offer = Offer()  # a farm that cannot be read has no names; its command will say why
    current = words[-1] if words else ""
    lines = [
        f"{word}\t{harmless(about)}"
        for word, about in offer.words
        if word.startswith(current) and _PLAIN_WORD.fullmatch(word)
    ]
    sys.stdout.write("\n".join(("files" if offer.files else "words", *lines)) + "\n")
    return 0


def complete(words: Sequence[str]) -> Offer:
    """Say what can stand in place of the last of these words."""
    # Bash makes three words of ``--farm=DIR``.
    typed = [word for word in words[:-1] if word != "="]
    current = "" if words and words[-1] == "=" else (words[-1] if words else "")
    farm = None
    while typed and typed[0].startswith("-"):
        option = typed.pop(0)
        if option in {"--farm", "--color"}:
            if not typed:
                return FILES if option == "--farm" else _plain(("auto", "always", "never"))
            value = typed.pop(0)
            farm = value if option == "--farm" else farm
    if not typed:
        return _first(current)
    noun = next((noun for noun in NOUNS if noun.name == typed[0]), None)
    if noun is None:
        return Offer()
    if noun.name == "help":
        return _help(typed[1:])
    from orchestrator.cli.manual import load

    return _within(load(noun), typed[1:], current, farm)


def _first(current: str) -> Offer:
    if current.startswith("-"):
        return _plain(("--farm", "--color", "--version", "--help"))
    return Offer(tuple((noun.name, noun.help) for noun in NOUNS))


def _help(typed: Sequence[str]) -> Offer:
    if not typed:
        return _first("")
    from orchestrator.cli.manual import load

    noun = next((noun for noun in NOUNS if noun.name == typed[0]), None)
    members = getattr(load(noun), "commands", {}) if noun and len(typed) == 1 else {}
    return Offer(tuple((name, _short(command)) for name, command in members.items()))


def _within(command: Any, typed: Sequence[str], current: str, farm: str | None) -> Offer:
    members = getattr(command, "commands", None)
    if members is not None:
        if not typed:
            return Offer(tuple((name, _short(own)) for name, own in members.items()))
        command, typed = members.get(typed[0]), typed[1:]
        if command is None:
            return Offer()
    options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
    positional: list[str] = []
    rest = list(typed)
    while rest:
        word = rest.pop(0)
        option = options.get(word) if word.startswith("-") else None
        if word == "--":
            return FILES
        if option is None or option.is_flag:
            positional += [] if word.startswith("-") else [word]
        elif not rest:
            return _value(word, option, _Line(farm, tuple(positional)))
        else:
            value = rest.pop(0)
            farm = value if word == "--farm" else farm
    if current.startswith("-"):
        named = [(name, one.help or "") for name, one in options.items() if name[:1] == "-"]
        return Offer((*named, ("--help", "Show how to use it.")))
    return _argument(command, _Line(farm, tuple(positional)))


def _argument(command: Any, line: _Line) -> Offer:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    place = len(line.positional)
    if not arguments or (place >= len(arguments) and arguments[-1].nargs != -1):
        return Offer()
    return _value("", arguments[min(place, len(arguments) - 1)], line)


def _value(name: str, parameter: Any, line: _Line) -> Offer:
    """Offer values by what an option is called, by what its value is called, or by its kind."""
    source = _SOURCES.get(name) or _SOURCES.get(parameter.metavar or "")
    if source is not None:
        return Offer(tuple(source(line)))
    choices = getattr(parameter.type, "choices", None)
    if choices is not None:
        return _plain(str(choice) for choice in choices)
    return FILES if parameter.type.name == "path" else Offer()


def _short(command: Any) -> str:
    return (command.help or "").strip().partition("\n")[0]


def _plain(words: Iterable[str]) -> Offer:
    return Offer(tuple((word, "") for word in words))


def _config(line: _Line) -> FarmConfig:
    from orchestrator.config import find_farm, load_config

    explicit = None if line.farm is None else Path(line.farm).expanduser()
    return load_config(find_farm(explicit, os.environ, Path.cwd()))


def _runs(line: _Line) -> list[Word]:
    from orchestrator.store.glance import recent_runs

    return [
        (str(run_id), f"{name}, {state}")
        for run_id, name, state in recent_runs(_config(line).database_url, _MOST)
    ]


def _cells(line: _Line) -> list[Word]:
    from orchestrator.store.glance import recent_cells

    run = line.positional[0] if line.positional else None
    run_id = int(run) if run is not None and run.isdecimal() else None
    return [
        (str(cell_id), f"{workload} {mode}")
        for cell_id, workload, mode in recent_cells(_config(line).database_url, run_id, _MOST)
    ]


def _workloads(line: _Line) -> list[Word]:
    """Name folders, without reading what is in their files."""
    return [
        (file.parent.name, "")
        for root in _config(line).workloads
        for file in sorted(root.glob("*/workload.yaml"))
    ]


def _devices(line: _Line) -> list[Word]:
    from orchestrator.store.glance import device_names

    return [(name, "") for name in device_names(_config(line).database_url)]


def _modes(line: _Line) -> list[Word]:
    from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
    from orchestrator.store.glance import mode_labels

    usual = (*map(Mode, Runtime), Mode(Runtime.AOT, kernels=BEST_KERNELS))
    ordered = mode_labels(_config(line).database_url)
    return [(label, "") for label in dict.fromkeys((*(mode.label for mode in usual), *ordered))]


def _archs(_: _Line) -> list[Word]:
    from orchestrator.domain.device import Arch

    return [(arch.value, "") for arch in Arch]


def _outcomes(_: _Line) -> list[Word]:
    from protos.states import Outcome

    return [(outcome.value, "") for outcome in Outcome]


def _states(_: _Line) -> list[Word]:
    from protos.states import RunState

    return [(state.value, "") for state in RunState]


def _fixed(*words: str) -> Callable[[_Line], list[Word]]:
    return lambda _: [(word, "") for word in words]


#: By the name of an option, or else of its value.
_SOURCES: dict[str, Callable[[_Line], list[Word]]] = {
    "RUN": _runs,
    "CELL": _cells,
    "WORKLOAD": _workloads,
    "--workload": _workloads,
    "DEVICE": _devices,
    "--device": _devices,
    "--mode": _modes,
    "--arch": _archs,
    "--outcome": _outcomes,
    "--state": _states,
    "--sort": _fixed("newest", "oldest", "fastest", "slowest", "workload", "mode", "device"),
    "--cells": _fixed("failed", "all"),
    "WHEN": _fixed("1d", "7d", "30d"),
    "AGE": _fixed("1d", "7d", "30d"),
}
