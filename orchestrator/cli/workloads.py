"""``farm workloads``: what can be run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import program, session, view
from orchestrator.cli.options import FarmOption, JsonOption, new_app

if TYPE_CHECKING:
    from orchestrator.domain.workload import Workload

app = new_app()


@app.callback()
def _workloads() -> None:
    """What can be run: list, show, and make a new one."""


@app.command("list")
def list_(farm: FarmOption = None, as_json: JsonOption = False) -> None:
    """List workloads with their parameters."""
    found = _catalogue(farm)
    if as_json:
        from orchestrator.reads import workload_document

        view.document([workload_document(workload) for workload in found.values()])
        return
    from orchestrator.cli.details import workloads_table

    view.table(workloads_table(found))


@app.command()
def show(
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD")],
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one workload."""
    from orchestrator.domain.errors import NotFound
    from orchestrator.files.spelling import next_step

    found = _catalogue(farm)
    if workload not in found:
        raise NotFound(f"there is no workload {workload}: {next_step(workload, found)}")
    if as_json:
        from orchestrator.reads import workload_document

        view.document(workload_document(found[workload]))
        return
    from orchestrator.cli.details import workload_table

    view.table(workload_table(found[workload]))


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the new workload.")],
    from_: Annotated[
        Path, typer.Option("--from", metavar="PROGRAM", help="A .wasm, a .c, an ELF, a folder.")
    ],
    arguments: program.ArgumentsArgument = None,
    source: program.SourceOption = None,
    cflag: program.CflagOption = None,
    directory: program.DirectoryOption = None,
    stdin: program.StdinOption = None,
    env: program.EnvOption = None,
    output: program.OutputOption = None,
    expect: Annotated[
        Path | None,
        typer.Option("--expect", metavar="F", help="What it must print; default: anything."),
    ] = None,
    memory: program.MemoryOption = None,
    output_bytes: program.OutputBytesOption = None,
    timeout: program.TimeoutOption = None,
    farm: FarmOption = None,
) -> None:
    """Write a workload's folder of a program of your own, with all it is given; runs nothing."""
    from orchestrator.config import OWN_WORKLOADS
    from orchestrator.files.newworkload import new_workload
    from orchestrator.files.workloads import catalogue

    given = program.Given(
        arguments=tuple(arguments or ()),
        sources=tuple(source or ()),
        flags=tuple(cflag or ()),
        directories=tuple(directory or ()),
        stdin=stdin,
        environment=tuple(env or ()),
        outputs=tuple(output or ()),
        memory=memory,
        output_bytes=output_bytes,
        timeout_s=timeout,
    )
    order = program.program_order(from_, given)
    config = session.this_farm(farm)
    folder = new_workload(
        config.folder / OWN_WORKLOADS,
        name,
        order,
        expected=expect,
        taken=catalogue(config.workloads),
        private=config.data,
    )
    view.say(f"{folder}")
    view.note(f"measure it with a matrix that names {name}, or at once with: farm run {folder}")


def _catalogue(farm: Path | None) -> dict[str, Workload]:
    from orchestrator.files.workloads import catalogue

    return catalogue(session.this_farm(farm).workloads)
