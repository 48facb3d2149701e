"""A run that stands still because nothing can be stored says so to whoever follows it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.domain.order import MatrixOrder
from protos.states import RunState
from tests.support.farms import living, wait_for


def test_who_follows_a_run_is_told_why_it_stands_still(tmp_path: Path) -> None:
    """The line comes with the trouble and goes with it."""
    with living(tmp_path) as rig:
        run_id = rig.farm.submit(MatrixOrder(rig.matrix))
        wait_for(lambda: rig.farm.watch_run(run_id).state is RunState.QUEUED, "queued")
        line = "not everything can be stored: no room left on its disk"
        assert line not in rig.farm.watch_run(run_id).running
        rig.farm.life.trouble = lambda: "no room left on its disk"
        assert rig.farm.watch_run(run_id).running[0] == line
