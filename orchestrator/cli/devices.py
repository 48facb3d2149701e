"""``farm devices``: the fleet."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import FarmOption, JsonOption, new_app

app = new_app()


@app.callback()
def _devices() -> None:
    """The devices, their state and facts."""


@app.command("list")
def list_(farm: FarmOption = None, as_json: JsonOption = False) -> None:
    """List devices with their state and health."""
    from orchestrator.reads import device_document

    with session.reading(farm) as store:
        devices = store.devices()
    if as_json:
        view.document([device_document(status) for status in devices])
        return
    from orchestrator.cli.tables import devices_table

    view.table(devices_table(devices))


@app.command()
def show(
    device: Annotated[str, typer.Argument(metavar="DEVICE")],
    farm: FarmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one device with all its facts."""
    from orchestrator.reads import device_document

    with session.reading(farm) as store:
        status = store.device(device)
    if as_json:
        view.document({**device_document(status), "facts": dict(status.facts)})
        return
    from orchestrator.cli.details import device_table

    view.table(device_table(status))
