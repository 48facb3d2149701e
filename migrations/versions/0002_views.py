"""Views for people: attempt, made, result."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

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


def upgrade() -> None:
    """Make them."""
    for view in (ATTEMPT, MADE, RESULT):
        op.execute(view)


def downgrade() -> None:
    """Drop the views; nothing stored is lost."""
    for view in ("result", "made", "attempt"):
        op.execute(f"DROP VIEW {view}")
