"""``farm doctor``: what this machine has and lacks."""

from __future__ import annotations

import typer

from orchestrator.cli import session, view
from orchestrator.cli.options import JsonOption, new_app

app = new_app()


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has and lacks for which feature, with the command that brings it.

    In a farm it also looks at the trees of WAMR that its farm.toml names.

    Exits with 3 if something is missing without which the farm cannot build.
    """
    from orchestrator.doctor import examine, examine_sources
    from orchestrator.reads import finding_document

    config = session.farm_here()
    findings = examine()
    if config is not None:
        findings += examine_sources(config.runtime_sources)
    if as_json:
        view.document([finding_document(finding) for finding in findings])
    else:
        from orchestrator.cli.details import findings_table

        view.table(findings_table(findings))
    if not all(finding.present or finding.optional for finding in findings):
        raise typer.Exit(3)
