"""``farm plan``: the cells of a run and what they need, without running or building anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli import program, session, view, words
from orchestrator.cli.options import FarmOption, JsonOption, new_app
from orchestrator.cli.program import Given, order_of
from orchestrator.domain.runtime_source import PINNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from orchestrator.domain.matrix import Plan
    from orchestrator.domain.order import BuildStep
    from orchestrator.domain.runtime_source import RuntimeSource

app = new_app()


@app.command()
def plan(
    target: program.TargetArgument = None,
    arguments: program.ArgumentsArgument = None,
    set_: program.SetOption = None,
    mode: program.ModeOption = None,
    device: program.DeviceOption = None,
    source: program.SourceOption = None,
    cflag: program.CflagOption = None,
    directory: program.DirectoryOption = None,
    stdin: program.StdinOption = None,
    env: program.EnvOption = None,
    output: program.OutputOption = None,
    memory: program.MemoryOption = None,
    output_bytes: program.OutputBytesOption = None,
    timeout: program.TimeoutOption = None,
    attempts: program.AttemptsOption = None,
    warmups: program.WarmupsOption = None,
    repeats: program.RepeatsOption = None,
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the cells, what would be built, which devices could take each, and why none can."""
    given = Given(
        arguments=tuple(arguments or ()),
        overrides=tuple(set_ or ()),
        sources=tuple(source or ()),
        flags=tuple(cflag or ()),
        modes=tuple(mode or ()),
        devices=tuple(device or ()),
        directories=tuple(directory or ()),
        stdin=stdin,
        environment=tuple(env or ()),
        outputs=tuple(output or ()),
        memory=memory,
        output_bytes=output_bytes,
        timeout_s=timeout,
        attempts=attempts,
        warmups=warmups,
        repeats=repeats,
    )
    order = order_of(target, given)
    from dataclasses import asdict

    from orchestrator.builds import open_builder
    from orchestrator.cli.details import needs, plan_table
    from orchestrator.foundation import open_orders
    from orchestrator.reads import order_document, plan_document

    config = session.this_farm(farm)
    orders = open_orders(config)
    found = orders.plan(order)
    devices = orders.inventory.devices
    steps = open_builder(config).survey(found.cells)
    used = used_sources(found, config.runtime_sources)
    if as_json:
        cells = [plan_document(cell, devices) for cell in found.cells]
        build = [asdict(step) for step in steps]
        wamrs = {name: each.description for name, each in used.items()}
        view.document(
            {
                "name": found.spec.name,
                "order": order_document(found.spec.text),
                "cells": cells,
                "build": build,
                "runtime_sources": wamrs,
            }
        )
        return
    view.table(plan_table(found.cells, devices))
    _show_build(steps)
    for module in modules(found):
        view.note(f"{module.name} needs {needs(module)}")
    for name, runtime_source in used.items():
        view.note(f"runtime source {name}: {runtime_source.description}")
    ordered = order_document(found.spec.text)
    if ordered["order"] == "program":
        view.note(program.command_line(ordered))
    view.note(plan_line(found))
    view.note(survey_line(steps))


def _show_build(steps: Sequence[BuildStep]) -> None:
    """Show what would be made, and what cannot be."""
    from orchestrator.cli.tables import survey_table

    if any(step.state != "known" for step in steps):
        view.say("")
        view.table(survey_table(steps))


def used_sources(plan: Plan, sources: Mapping[str, RuntimeSource]) -> dict[str, RuntimeSource]:
    """Answer the runtime sources that a plan's modes name; the pinned one needs no word."""
    named = {cell.mode.runtime_source for cell in plan.cells} - {PINNED}
    return {name: source for name, source in sources.items() if name in named}


def modules(plan: Plan) -> list[Path]:
    """Answer the ready modules of a plan, each once."""
    workloads = (cell.case.workload for cell in plan.cells)
    return list(dict.fromkeys(one.module for one in workloads if one.module is not None))


def plan_line(plan: Plan) -> str:
    """Count a plan's cells: ``gemm-modes: 12 cells, 1 impossible``."""
    impossible = sum(bool(cell.impossible) for cell in plan.cells)
    return f"{plan.spec.name}: {words.count(len(plan.cells), 'cell')}, {impossible} impossible"


def survey_line(steps: Sequence[BuildStep]) -> str:
    """Count what a build would make: ``to build: 3 of 31 artifacts``."""
    waiting = sum(step.state == "waiting" for step in steps)
    failed = sum(step.state == "failed" for step in steps)
    known = f"{words.count(len(steps), 'artifact')}, all known"
    line = f"to build: {waiting} of {words.count(len(steps), 'artifact')}" if waiting else known
    return line + (f", {failed} cannot be" if failed else "")
