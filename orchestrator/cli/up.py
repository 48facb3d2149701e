"""``farm up``: the orchestrator, until told to stop."""

from __future__ import annotations

import logging
import signal
import threading

from orchestrator.cli import session, view
from orchestrator.cli.options import FarmOption, new_app

app = new_app()


@app.command()
def up(farm: FarmOption = None) -> None:
    """Run the orchestrator until Ctrl-C or SIGTERM; unfinished runs go on."""
    from orchestrator.app import serve
    from orchestrator.foundation import hold_farm

    config = session.this_farm(farm)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    told = threading.Event()
    with hold_farm(config), serve(config) as living:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: told.set())
        view.note(
            f"farm {config.folder} serves agents on {living.status().agents_address};"
            " stop it with Ctrl-C"
        )
        told.wait()
        view.note("stopping")
