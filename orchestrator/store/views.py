"""Views for people who ask the database itself: results, attempts, and what made each product.

They hold standard SQL, the same on SQLite and PostgreSQL. A chain down to the sources, compilers
and flags of one artifact::

    WITH RECURSIVE chain(sha256, depth) AS (
        SELECT CAST('<sha256 of an artifact>' AS VARCHAR(64)), 0
        UNION
        SELECT made.ingredient_sha256, depth + 1
        FROM chain JOIN made ON made.product_sha256 = chain.sha256
    )
    SELECT depth, product, tool, argv, role, ingredient
    FROM chain JOIN made ON made.product_sha256 = chain.sha256
    ORDER BY depth;
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: One row per attempt, rejected ones included. ``runner_*_ns`` are stamps since that boot.
ATTEMPT = """
CREATE VIEW attempt AS
SELECT a.id AS attempt_id, c.run_id, a.cell_id, a.block, w.name AS workload, m.label AS mode,
    d.name AS device, l.machine, l.shared, l.emulator, l.fence, a.sequence, a.state, a.outcome,
    a.reason, a.valid, a.exit_code, a.signal, a.trap, a.region, s.boot_id, a.runner_started_ns,
    a.runner_ended_ns, a.granted_at, a.started_at, a.ended_at, a.adopted
FROM attempts a
JOIN cells c ON c.id = a.cell_id
JOIN cases k ON k.id = c.case_id
JOIN workloads w ON w.id = k.workload_id
JOIN modes m ON m.id = c.mode_id
JOIN leases l ON l.id = a.lease_id
JOIN devices d ON d.id = l.device_id
LEFT JOIN sessions s ON s.id = a.session_id
"""

#: One row per cell. ``execute_s``: the median over its accepted attempts of each one's median,
#: seconds; empty unless the cell succeeded.
RESULT = """
CREATE VIEW result AS
SELECT c.run_id, c.id AS cell_id, w.name AS workload, k.parameters, m.label AS mode,
    d.name AS device, t.name AS device_type, t.arch, c.emulated, c.state, c.outcome, c.reason,
    (SELECT count(*) FROM attempts a WHERE a.cell_id = c.id AND a.state = 'accepted') AS attempts,
    (SELECT avg(median) FROM (
        SELECT x.median, row_number() OVER (ORDER BY x.median) AS place,
            count(*) OVER () AS number
        FROM attempts a
        JOIN metrics e ON e.phase = 'execute' AND e.name = 'wall'
        JOIN attempt_metrics x ON x.series_id = a.series_id AND x.metric_id = e.id
            AND x.granted_at = a.granted_at AND x.attempt_id = a.id
        WHERE a.cell_id = c.id AND a.state = 'accepted' AND c.outcome = 'succeeded'
    ) AS ranked WHERE place IN ((number + 1) / 2, (number + 2) / 2)) AS execute_s,
    (SELECT min(CASE WHEN a.valid THEN 1 ELSE 0 END)
        FROM attempts a WHERE a.cell_id = c.id AND a.state = 'accepted') AS valid,
    p.sha256 AS artifact, r.sha256 AS runtime
FROM cells c
JOIN cases k ON k.id = c.case_id
JOIN workloads w ON w.id = k.workload_id
JOIN modes m ON m.id = c.mode_id
JOIN device_types t ON t.id = c.device_type_id
LEFT JOIN devices d ON d.id = c.device_id
LEFT JOIN variants v ON v.id = c.variant_id
LEFT JOIN artifacts p ON p.id = v.program_id
LEFT JOIN artifacts r ON r.id = v.runner_id
"""

#: One row per ingredient of every product; a product without ingredients has one row.
MADE = """
CREATE VIEW made AS
SELECT p.sha256 AS product_sha256, r.name AS product, r.kind, r.arch, r.tool, r.tool_sha256,
    r.argv, r.wall_s, r.made_at, e.role, e.name AS ingredient, i.sha256 AS ingredient_sha256,
    i.size_bytes AS ingredient_bytes
FROM recipes r
JOIN artifacts p ON p.id = r.product_id
LEFT JOIN artifact_edges e ON e.recipe_id = r.id
LEFT JOIN artifacts i ON i.id = e.parent_id
"""

VIEWS = {"attempt": ATTEMPT, "made": MADE, "result": RESULT}


@dataclass(frozen=True, slots=True)
class Description:
    """What a view is, for people."""

    about: str
    #: Each column, in the view's order.
    columns: Mapping[str, str]


DESCRIPTIONS: Mapping[str, Description] = {
    "result": Description(
        "one row per cell of every run",
        {
            "run_id": "the run",
            "cell_id": "the cell, as `farm results show` takes it",
            "workload": "its workload's name",
            "parameters": "the parameters it was run with, JSON",
            "mode": "how it ran, such as wamr-aot+kernels",
            "device": "where it was ordered to run; empty: on any device of its type",
            "device_type": "the type of that device",
            "arch": "x86_64, aarch64 or armv7",
            "emulated": "whether an emulator ran it: then its times mean nothing",
            "state": "waiting, ready, leased, done, failed, cancelled or impossible",
            "outcome": "succeeded, or what went wrong; empty until it is settled",
            "reason": "why it is as it is, in words",
            "attempts": "attempts that were accepted, one per block",
            "execute_s": "median over attempts of each one's median time, seconds;"
            " empty unless the cell succeeded",
            "valid": "1: nothing speaks against its attempts, 0: something does; empty: none yet",
            "artifact": "sha256 of the program that ran",
            "runtime": "sha256 of the runner that ran it",
        },
    ),
    "attempt": Description(
        "one row per attempt, rejected ones included",
        {
            "attempt_id": "the attempt",
            "run_id": "its run",
            "cell_id": "its cell",
            "block": "which of the cell's blocks it was for, from 0",
            "workload": "its workload's name",
            "mode": "how it ran",
            "device": "where it ran",
            "machine": "the hardware that device sits on",
            "shared": "whether other work was allowed on the machine meanwhile",
            "emulator": "the emulator that ran it; empty: none",
            "fence": "the number of the device's lease it ran under, which only grows",
            "sequence": "its place under that lease, from 1",
            "state": "granted, staging, running, reported, accepted or rejected",
            "outcome": "how it ended; empty until it is reported",
            "reason": "why, in words",
            "valid": "whether nothing speaks against its numbers",
            "exit_code": "its program's exit code",
            "signal": "the signal that ended it",
            "trap": "what the runtime trapped on",
            "region": "what its times cover: bench or main",
            "boot_id": "the device's boot during which it ran",
            "runner_started_ns": "when its runner began, nanoseconds since that boot",
            "runner_ended_ns": "when its runner ended, nanoseconds since that boot",
            "granted_at": "when it was granted, by the orchestrator's clock, UTC",
            "started_at": "when it began, by the device's clock, UTC",
            "ended_at": "when it ended, by the device's clock, UTC",
            "adopted": "whether a restarted agent took it over while it ran",
        },
    ),
    "made": Description(
        "one row per ingredient of every product; a product without ingredients has one row",
        {
            "product_sha256": "the product's digest",
            "product": "its name",
            "kind": "what it is: wasm, aot, native, object, archive, runner ..",
            "arch": "the architecture it is for; empty: any",
            "tool": "what made it, with its version",
            "tool_sha256": "the tool's digest",
            "argv": "the tool's arguments, JSON",
            "wall_s": "how long it took, seconds",
            "made_at": "when, UTC",
            "role": "what the ingredient is to it: source, header, module ..",
            "ingredient": "the ingredient's name",
            "ingredient_sha256": "its digest: look that up as product_sha256 for the next step",
            "ingredient_bytes": "its size, bytes",
        },
    ),
}
