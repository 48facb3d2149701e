"""The tables of one cell, one device, one workload; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.care.doctor import Finding
from orchestrator.cli import words
from orchestrator.cli.tables import Column, Table, outcome, pairs_table, place, plain_table
from orchestrator.domain.artifact import Digest, Provenance
from orchestrator.domain.attempt import Finished, Sample
from orchestrator.domain.device import Device, DeviceStatus
from orchestrator.domain.matrix import CellPlan
from orchestrator.domain.run import CellResult
from orchestrator.domain.workload import Workload
from orchestrator.explanations import Explanation
from orchestrator.reads import proposals, quartiles, takers
from orchestrator.store.base import AttemptRecord


def cell_table(cell: CellResult) -> Table:
    """Lay out what one cell is and came to."""
    median_s, q1_s, q3_s = quartiles(cell.execute_s)
    spread = f"{words.seconds(q1_s)} to {words.seconds(q3_s)}"
    options = " ".join(f"{name}={value}" for name, value in cell.options.items())
    return pairs_table(
        (
            ("cell", f"{cell.cell_id} of run {cell.run_id}"),
            ("case", words.case(cell.workload, cell.case)),
            ("mode", cell.mode + (f" ({options})" if options else "")),
            ("device", _device(cell)),
            ("outcome", outcome(cell)),
            ("validity", "; ".join(cell.validity) or words.NOTHING),
            ("execute", f"{words.seconds(median_s)} ({spread}), region {cell.region or 'none'}"),
            ("attempts", f"{cell.attempts} with {words.count(cell.samples, 'sample')}"),
            ("load", words.seconds(cell.load_s)),
            ("instantiate", words.seconds(cell.instantiate_s)),
            ("peak memory", words.size(cell.peak_memory_bytes)),
            ("program", cell.artifact or words.NOTHING),
            ("runner", cell.runtime or words.NOTHING),
            ("output", cell.output_digest or words.NOTHING),
        )
    )


def _device(cell: CellResult) -> str:
    mark = ", emulated" if cell.emulated else ""
    return f"{cell.device or 'any'} ({cell.device_type}, {cell.arch}{mark})"


def explanations_table(explained: Sequence[Explanation]) -> Table:
    """Lay out what is to be said of cells, a row each."""
    columns = (
        Column("cell", right=True),
        Column("state"),
        Column("case", spare=1),
        Column("mode"),
        Column("device"),
        Column("why"),
    )
    rows = tuple(
        (
            str(one.cell.cell_id),
            one.cell.state.value,
            words.case(one.cell.workload, one.cell.case),
            one.cell.mode,
            place(one.cell),
            "; ".join(map(words.first_line, one.why)),
        )
        for one in explained
    )
    return plain_table(columns, rows, "no cells")


def attempts_table(attempts: Sequence[tuple[AttemptRecord, Sequence[Sample]]]) -> Table:
    """Lay out attempts, rejected ones included."""
    columns = (
        Column("attempt", right=True),
        Column("block", right=True),
        Column("device"),
        Column("fence", right=True, spare=2),
        Column("state"),
        Column("granted", spare=1),
        Column("execute s"),
        Column("outcome"),
    )
    rows = tuple(
        (
            str(attempt.attempt_id),
            str(attempt.block),
            attempt.device,
            f"{attempt.fence}.{attempt.sequence}",
            attempt.state.value,
            words.moment(attempt.granted_at),
            _execute(samples),
            _ending(attempt.finished),
        )
        for attempt, samples in attempts
    )
    return plain_table(columns, rows, "no attempt yet")


def _execute(samples: Sequence[Sample]) -> str:
    kept = (
        value
        for sample in samples
        if sample.phase == "execute" and sample.metric == "wall"
        for value in sample.values[sample.warmups :]
    )
    return " ".join(f"{value:.6f}" for value in kept) or words.NOTHING


def _ending(finished: Finished | None) -> str:
    if finished is None:
        return words.NOTHING
    details = [finished.reason, finished.trap]
    if finished.exit_code:
        details.append(f"exit {finished.exit_code}")
    if finished.signal:
        details.append(f"signal {finished.signal}")
    if finished.output_truncated:
        details.append("output capped")
    if finished.adopted:
        details.append("adopted")
    return ", ".join((finished.outcome.value, *dict.fromkeys(word for word in details if word)))


def files_table(left: Iterable[tuple[int, Mapping[str, Digest]]]) -> Table:
    """Lay out the files attempts left, by attempt."""
    columns = (
        Column("attempt", right=True),
        Column("file"),
        Column("size", right=True),
        Column("sha256"),
    )
    rows = tuple(
        (str(attempt_id), path, words.size(digest.size_bytes), digest.sha256)
        for attempt_id, files in left
        for path, digest in files.items()
    )
    return plain_table(columns, rows, "no files")


def provenance_table(made: Sequence[Provenance]) -> Table:
    """Lay out how artifacts were made, the last step first."""
    columns = (
        Column("artifact"),
        Column("digest"),
        Column("made by"),
        Column("from"),
        Column("command"),
    )
    rows = tuple(
        (
            " ".join(word for word in (edge.product.name, edge.product.arch) if word),
            words.digest(edge.product.digest.sha256),
            edge.tool,
            ", ".join(f"{i.name} {words.digest(i.digest.sha256)}" for i in edge.ingredients),
            " ".join(edge.argv),
        )
        for edge in made
    )
    return plain_table(columns, rows, "no provenance is stored")


def device_table(status: DeviceStatus) -> Table:
    """Lay out one device with its facts."""
    device = status.device
    emulated = f"by {device.emulator}" if device.emulated else "no"
    about = (
        ("device", device.name),
        ("type", f"{device.type.name} ({device.type.arch}, {device.type.cpu})"),
        ("machine", device.machine + (", shared" if device.share_machine else "")),
        ("emulated", emulated),
        ("tags", ", ".join(device.tags) or words.NOTHING),
        ("state", status.state.value),
        ("health", status.health.value),
        ("hold", status.hold.value),
        ("note", status.note or words.NOTHING),
        ("seen", words.moment(status.seen_at)),
        ("agent", status.agent_version or words.NOTHING),
    )
    return pairs_table((*about, *sorted(status.facts.items())))


def workload_table(workload: Workload) -> Table:
    """Lay out one workload."""
    kernels = (f"{name}: {', '.join(variants)}" for name, variants in workload.kernels.items())
    program = workload.module or workload.program
    return pairs_table(
        (
            ("workload", workload.name),
            ("about", workload.description),
            ("folder", str(workload.folder)),
            ("sources", ", ".join(workload.sources) or str(program)),
            *([("needs", needs(workload.module))] if workload.module is not None else []),
            ("parameters", parameters(workload) or words.NOTHING),
            ("arguments", " ".join(workload.arguments) or words.NOTHING),
            ("kernels", "; ".join(kernels) or words.NOTHING),
            ("leaves", ", ".join(workload.outputs) or words.NOTHING),
            ("output", words.checker(workload.checker)),
            ("time limit", words.seconds(workload.limits.timeout_s)),
            ("memory limit", words.size(workload.limits.memory_bytes)),
            ("output limit", words.size(workload.limits.output_bytes)),
        )
    )


def needs(module: Path) -> str:
    """Write what a module needs of its runtime: ``WebAssembly 1.0, bulk-memory, simd``."""
    return ", ".join(["WebAssembly 1.0", *proposals(module)])


def parameters(workload: Workload) -> str:
    """Write a workload's parameters: ``size=small (small, layer)``."""
    return "; ".join(
        f"{p.name}={p.default}" + (f" ({', '.join(map(str, p.values))})" if p.values else "")
        for p in workload.parameters
    )


def workloads_table(workloads: Mapping[str, Workload]) -> Table:
    """Lay out all workloads, a row each."""
    columns = (Column("workload"), Column("parameters"), Column("kernels"), Column("about"))
    rows = tuple(
        (w.name, parameters(w), ", ".join(w.kernels), words.first_line(w.description))
        for w in workloads.values()
    )
    return plain_table(columns, rows, "no workloads")


def plan_table(cells: Sequence[CellPlan], devices: Sequence[Device]) -> Table:
    """Lay out the cells of a matrix with who could take them."""
    columns = (
        Column("case"),
        Column("mode"),
        Column("type"),
        Column("counts"),
        Column("devices, or why none"),
    )
    rows = tuple(
        (
            words.case(cell.case.workload.name, dict(cell.case.parameters)),
            cell.mode.label,
            cell.device_type.name,
            f"{cell.counts.attempts} x ({cell.counts.warmups} + {cell.counts.repeats})",
            cell.impossible or ", ".join(takers(cell, devices)),
        )
        for cell in cells
    )
    return plain_table(columns, rows, "no cells")


def findings_table(findings: Sequence[Finding]) -> Table:
    """Lay out what a machine has and lacks."""
    columns = (
        Column("feature"),
        Column("needs"),
        Column("state"),
        Column("found, or the command that brings it"),
    )
    rows = tuple(
        (
            finding.feature + (" (optional)" if finding.optional else ""),
            finding.needs,
            "present" if finding.present else "missing",
            finding.found or finding.remedy,
        )
        for finding in findings
    )
    return plain_table(columns, rows, "nothing is needed")
