"""``farm db``: care for the database."""

from __future__ import annotations

from typing import Annotated

import typer

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


@app.command()
def downgrade(
    yes: Annotated[bool, typer.Option("--yes", help="Lose what going back loses.")] = False,
    farm: FarmOption = None,
) -> None:
    """Take the database one schema back, for the farm version before this one.

    The orchestrator must not be running. Without --yes it only says what would be lost; a
    backup (farm db backup) can bring it back, this command cannot.
    """
    from orchestrator.domain.errors import UsageError
    from orchestrator.foundation import hold_farm
    from orchestrator.store.schema import go_back, what_going_back_loses

    config = session.this_farm(farm)
    with hold_farm(config):
        if not yes:
            loses = what_going_back_loses(config.database_url)
            raise UsageError(f"going back: {loses} Nothing was changed; agree with --yes")
        undone, now = go_back(config.database_url, config.farm_id)
    view.say(f"undid {undone}; the schema is {now}: only a farm of that version can use it")
