"""``farm doctor``: what this machine has and lacks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import JsonOption, new_app
from orchestrator.domain.errors import ConfigError

if TYPE_CHECKING:
    from orchestrator.care.doctor import Finding

app = new_app()


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has and lacks for which feature, with the command that brings it.

    Every tool is run, not only looked for. In a farm its settings, inventory, database,
    certificates, disk and emulators are looked at too.

    Exits with 1 if something is missing that is not optional.
    """
    from orchestrator.care.conditions import examine_machine
    from orchestrator.care.doctor import examine
    from orchestrator.reads import finding_document

    farm, cache = _farm()
    findings = [*examine(), *examine_machine(cache), *farm]
    if as_json:
        view.document([finding_document(finding) for finding in findings])
    else:
        from orchestrator.cli.details import findings_table

        view.table(findings_table(findings))
    if not all(finding.present or finding.optional for finding in findings):
        raise typer.Exit(1)


def _farm() -> tuple[list[Finding], Path]:
    """Look at the farm this command is in, if any; answers its build cache too."""
    from orchestrator.care.doctor import examine_sources
    from orchestrator.care.farm_state import examine_farm, farm_toml
    from orchestrator.config import default_cache

    try:
        config = session.farm_here()
    except ConfigError as error:
        # Found like the rest: the doctor is asked just when something is wrong.
        return [farm_toml(error)], default_cache(os.environ)
    if config is None:
        return [], default_cache(os.environ)
    return [*examine_farm(config), *examine_sources(config.runtime_sources)], config.cache
