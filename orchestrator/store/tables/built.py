"""What was built: artifacts, the recipes that made them, and the variants that ran."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Index, Integer, String, Table, Text

from orchestrator.domain.artifact import ArtifactKind
from orchestrator.store.columns import Instant, key, metadata, reference, sha256, words

artifacts = Table(
    "artifacts",
    metadata,
    key(),
    sha256("sha256", unique=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("kind", words(ArtifactKind), nullable=False),
    Column("name", Text, nullable=False),
    Column("arch", String(20), nullable=False),
)

recipes = Table(
    "recipes",
    metadata,
    key(),
    sha256("key", unique=True),
    reference("product_id", "artifacts"),
    # The product as this recipe calls it; two recipes may give the same bytes.
    Column("kind", words(ArtifactKind), nullable=False),
    Column("name", Text, nullable=False),
    Column("arch", String(20), nullable=False),
    Column("tool", Text, nullable=False),
    sha256("tool_sha256"),
    Column("argv", JSON, nullable=False),
    Column("wall_s", Float, nullable=False),
    Column("made_at", Instant, nullable=False),
)
Index("recipes_of", recipes.c.product_id)

artifact_edges = Table(
    "artifact_edges",
    metadata,
    reference("recipe_id", "recipes", primary_key=True),
    # Two ingredients may have the same bytes, so the place tells them apart.
    Column("position", Integer, primary_key=True, autoincrement=False),
    reference("child_id", "artifacts"),
    reference("parent_id", "artifacts"),
    Column("role", String, nullable=False),
    Column("name", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("edges_up", artifact_edges.c.child_id)
Index("edges_down", artifact_edges.c.parent_id)

variants = Table(
    "variants",
    metadata,
    key(),
    # Over runner, program and every further part.
    sha256("sha256", unique=True),
    # Over the parts that are input: with another input nothing can be compared.
    sha256("inputs_sha256"),
    reference("runner_id", "artifacts"),
    reference("program_id", "artifacts"),
)

variant_artifacts = Table(
    "variant_artifacts",
    metadata,
    reference("variant_id", "variants", primary_key=True),
    Column("role", Text, primary_key=True),
    reference("artifact_id", "artifacts"),
    sqlite_with_rowid=False,
)
