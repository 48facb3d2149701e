"""``farm run``: measures a matrix, or a program of the user's own, and follows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import program, session, view
from orchestrator.cli.options import FarmOption, JsonOption, new_app
from orchestrator.cli.program import Given, order_of
from orchestrator.domain.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.service import Farm

app = new_app()


@app.command()
def run(
    target: program.TargetArgument = None,
    arguments: program.ArgumentsArgument = None,
    set_: program.SetOption = None,
    resume: Annotated[
        int | None, typer.Option("--resume", metavar="RUN", help="Take up a cancelled run.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not follow; needs a running orchestrator.")
    ] = False,
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
    """Measure a matrix, or a program of your own, and show the numbers.

    Exits with 0 if all went well, 1 if an outcome failed, 130 after Ctrl-C.
    """
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
    begin = _beginning(target, resume, given)
    _tell_suite(target)
    config = session.this_farm(farm)
    if detach:
        _submit(farm, begin, as_json)
        return
    from orchestrator.cli.ending import measure_and_show

    code = measure_and_show(config, begin, as_json=as_json)
    if code:
        raise typer.Exit(code)


def _beginning(target: Path | None, resume: int | None, given: Given) -> Callable[[Farm], int]:
    if resume is not None:
        if target is not None or given.named:
            raise UsageError("--resume takes a run's own order and nothing else")
        return lambda farm: _resumed(farm, resume)
    order = order_of(target, given)
    return lambda farm: farm.submit(order)


def _tell_suite(target: Path | None) -> None:
    """Say of a benchmark what nobody asked for: what lies beside it is used."""
    from orchestrator.files.sightglass import told_of

    told = told_of(target) if target is not None else ""
    if told:
        view.note(told)


def _resumed(farm: Farm, run_id: int) -> int:
    farm.resume(run_id)
    return run_id


def _submit(farm: Path | None, begin: Callable[[Farm], int], as_json: bool) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        run_id = begin(session.living(stack, session.this_farm(farm)).farm)
    if as_json:
        view.document({"run_id": run_id})
    else:
        view.say(f"run {run_id}; follow it with: farm runs show {run_id}")
