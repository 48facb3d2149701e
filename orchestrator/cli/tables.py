"""What a table says, before anything draws it; pure, from the store's frozen values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.cli import words
from orchestrator.domain.device import DeviceStatus
from orchestrator.domain.order import BuildStep
from orchestrator.domain.run import CellResult, Run
from orchestrator.results.stats import median, summarize
from protos.states import CellState, Hold, Outcome

#: What ``CellResult.validity`` says of a number that may be used.
_VALID = ((), ("valid",))


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    right: bool = False
    #: Left out where the screen is too narrow, the highest first; 0: never.
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a title; an empty title: the table has no parts."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its parts."""

    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    #: What is said when there is no row.
    empty: str = "nothing"

    @property
    def size(self) -> int:
        """All its rows."""
        return sum(len(section.rows) for section in self.sections)


_RESULT_COLUMNS = (
    Column("mode"),
    Column("cell", right=True),
    Column("median", right=True),
    Column("spread", right=True, spare=1),
    Column("x native", right=True),
    Column("memory", right=True, spare=2),
    Column("outcome"),
)


def results_table(results: Sequence[CellResult]) -> Table:
    """Lay out cells: a part per run, case and device, a row per mode.

    A ratio stands only within a part, so never between an emulated and a real device, and only
    between equal regions.
    """
    parts: dict[tuple[object, ...], list[CellResult]] = {}
    for result in results:
        parts.setdefault(_part(result), []).append(result)
    several_runs = len({result.run_id for result in results}) > 1
    sections = (
        Section(_title(cells[0], several_runs), tuple(_rows(cells))) for cells in parts.values()
    )
    return Table(_RESULT_COLUMNS, tuple(sections), "no results yet; measure with: farm run MATRIX")


_LIST_COLUMNS = (
    Column("run", right=True),
    Column("cell", right=True),
    Column("case"),
    Column("mode"),
    Column("device"),
    Column("median", right=True),
    Column("spread", right=True, spare=1),
    Column("memory", right=True, spare=2),
    Column("outcome"),
)


def results_list(results: Sequence[CellResult]) -> Table:
    """Lay out cells in the order they come, a row each; without ratios, for nothing is near."""
    rows = tuple(
        (
            str(cell.run_id),
            str(cell.cell_id),
            words.case(cell.workload, cell.case),
            cell.mode,
            place(cell),
            words.seconds(median(cell.execute_s)),
            _spread(cell),
            words.size(cell.peak_memory_bytes),
            outcome(cell),
        )
        for cell in results
    )
    return plain_table(_LIST_COLUMNS, rows, "no results")


def place(cell: CellResult) -> str:
    """Say where a cell ran or would run; an emulated device is marked."""
    return (cell.device or f"any {cell.device_type}") + (" (emulated)" if cell.emulated else "")


def _part(result: CellResult) -> tuple[object, ...]:
    case = tuple(sorted(result.case.items()))
    place = result.device or result.device_type
    return (result.run_id, result.workload, case, place, result.emulated)


def _title(result: CellResult, with_run: bool) -> str:
    place = result.device or f"any {result.device_type}"
    mark = ", emulated" if result.emulated else ""
    run = f"run {result.run_id}: " if with_run else ""
    what = words.case(result.workload, result.case)
    return f"{run}{what} on {place} ({result.arch}{mark})"


def _rows(cells: Sequence[CellResult]) -> list[tuple[str, ...]]:
    native = next((cell for cell in cells if cell.mode == "native"), None)
    return [
        (
            cell.mode,
            str(cell.cell_id),
            words.seconds(median(cell.execute_s)),
            _spread(cell),
            _ratio(cell, native),
            words.size(cell.peak_memory_bytes),
            outcome(cell),
        )
        for cell in cells
    ]


def _spread(cell: CellResult) -> str:
    """Half the distance between the attempts' quartiles, in percent of their median."""
    found = summarize(cell.execute_s)
    if found is None or found.count < 2 or found.spread is None:
        return words.NOTHING
    return f"±{50 * found.spread:.1f} %"


def _ratio(cell: CellResult, native: CellResult | None) -> str:
    """In brackets where one of the two numbers is not valid."""
    value = relative(cell, native)
    doubted = native is not None and not (_is_valid(cell) and _is_valid(native))
    return f"({words.ratio(value)})" if value is not None and doubted else words.ratio(value)


def relative(cell: CellResult, native: CellResult | None) -> float | None:
    """Say how many times as long as native a cell took; None where the two cannot be compared."""
    if native is None or not (_usable(cell) and _usable(native)):
        return None
    if cell.region != native.region or cell.emulated != native.emulated:
        return None
    base_s, own_s = median(native.execute_s), median(cell.execute_s)
    return own_s / base_s if base_s and own_s is not None else None


def _usable(cell: CellResult) -> bool:
    return bool(cell.execute_s) and cell.outcome is Outcome.SUCCEEDED


def _is_valid(cell: CellResult) -> bool:
    return cell.validity in _VALID


def outcome(cell: CellResult) -> str:
    """Say how a cell ended, or where it stands."""
    what = cell.state.value if cell.outcome is None else cell.outcome.value
    reason = words.first_line(cell.reason)
    said = f"{what}: {reason}" if reason else what
    if _is_valid(cell):
        return said
    # The evidence stands behind the colon; `farm results show` has it.
    doubts = dict.fromkeys(doubt.partition(":")[0] for doubt in cell.validity)
    return f"{said} [not valid: {', '.join(doubts)}]"


def is_failure(cell: CellResult) -> bool:
    """Say whether a cell makes its run's exit code 1; one that is impossible does not."""
    if cell.state is CellState.DONE:
        return cell.outcome is not Outcome.SUCCEEDED
    return cell.state is not CellState.IMPOSSIBLE


def runs_table(runs: Sequence[Run]) -> Table:
    """Lay out runs, a row each."""
    columns = (
        Column("run", right=True),
        Column("name"),
        Column("state"),
        Column("cells"),
        Column("ordered", spare=1),
        Column("finished", spare=2),
    )
    rows = tuple(
        (
            str(run.run_id),
            run.name,
            run.state.value,
            cells_line(run),
            words.moment(run.created_at),
            words.moment(run.finished_at),
        )
        for run in runs
    )
    return plain_table(columns, rows, "no runs yet; order one with: farm run MATRIX")


def cells_line(run: Run) -> str:
    """Say how the cells of a run stand: ``12: 10 done, 2 failed``."""
    parts = ", ".join(f"{count} {state.value}" for state, count in run.cells.items() if count)
    return f"{run.size}: {parts}" if parts else "0"


def devices_table(devices: Sequence[DeviceStatus]) -> Table:
    """Lay out devices, a row each."""
    columns = (
        Column("device"),
        Column("type", spare=3),
        Column("arch"),
        Column("cpu", spare=4),
        Column("machine", spare=2),
        Column("state"),
        Column("health"),
        Column("seen", spare=1),
        Column("note"),
    )
    rows = tuple(
        (
            status.device.name + (" (emulated)" if status.device.emulated else ""),
            status.device.type.name,
            status.device.type.arch.value,
            status.device.type.cpu,
            status.device.machine,
            _state(status),
            status.health.value,
            words.moment(status.seen_at),
            status.note,
        )
        for status in devices
    )
    return plain_table(columns, rows, "no devices; declare some in inventory.yaml")


def _state(status: DeviceStatus) -> str:
    if status.hold is Hold.NONE:
        return status.state.value
    return f"{status.state.value}, {status.hold.value}"


def build_table(steps: Sequence[BuildStep]) -> Table:
    """Lay out what a build made or knew."""
    columns = (
        Column("artifact"),
        Column("state"),
        Column("digest", spare=2),
        Column("size", right=True, spare=1),
        Column("time", right=True),
        Column("why"),
    )
    rows = tuple(
        (
            step.name,
            step.state,
            words.digest(step.sha256),
            words.size(step.size_bytes) if step.sha256 else words.NOTHING,
            words.seconds(step.elapsed_s) if step.state != "known" else words.NOTHING,
            words.first_line(step.error) or step.reason,
        )
        for step in steps
    )
    return plain_table(columns, rows, "nothing to build")


def survey_table(steps: Sequence[BuildStep]) -> Table:
    """Lay out what a build would make, why, and what it could not; not what is known."""
    columns = (Column("to build"), Column("why"))
    rows = tuple(
        (
            step.name,
            f"failed: {words.first_line(step.error) or step.reason}"
            if step.state == "failed"
            else step.reason,
        )
        for step in steps
        if step.state != "known"
    )
    return plain_table(columns, rows, "nothing to build")


def plain_table(
    columns: tuple[Column, ...], rows: tuple[tuple[str, ...], ...], empty: str
) -> Table:
    """Make a table without parts."""
    return Table(columns, (Section("", rows),) if rows else (), empty)


def pairs_table(pairs: Sequence[tuple[str, str]]) -> Table:
    """Lay out names and values."""
    return plain_table((Column(""), Column("")), tuple(pairs), "nothing")
