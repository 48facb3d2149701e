"""``farm db``: care for the database."""

from __future__ import annotations

from orchestrator.cli import care, session, view
from orchestrator.cli.options import FarmOption, new_app

app = new_app()


@app.callback()
def _db() -> None:
    """Care for the database."""


app.command()(care.backup)
app.command()(care.restore)
app.command()(care.check)


@app.command()
def upgrade(farm: FarmOption = None) -> None:
    """Bring the database to this version's schema; the orchestrator must not be running."""
    from orchestrator.foundation import hold_farm
    from orchestrator.store.sql import upgrade as upgrade_store

    config = session.this_farm(farm)
    with hold_farm(config):
        applied = upgrade_store(config.database_url)
    view.say(f"applied {', '.join(applied)}" if applied else "nothing to do")
