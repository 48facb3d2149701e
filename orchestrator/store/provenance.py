"""Artifacts in SQL and how they were made: recipes, and edges from products to ingredients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select

from orchestrator.domain.artifact import (
    Artifact,
    ArtifactKind,
    Digest,
    Ingredient,
    Provenance,
)
from orchestrator.store import tables as t
from orchestrator.store.base import Store, Transaction
from orchestrator.store.database import Access, Database

#: What an ingredient most likely is, for those nobody recorded as an artifact of their own.
_KINDS: Mapping[str, ArtifactKind] = {
    "source": ArtifactKind.SOURCE,
    "header": ArtifactKind.SOURCE,
    "tree": ArtifactKind.SOURCE,
    "object": ArtifactKind.OBJECT,
    "archive": ArtifactKind.ARCHIVE,
    "module": ArtifactKind.WASM,
}


def intern_artifact(database: Database, artifact: Artifact) -> int:
    """Answer an artifact's number; a digest that is known keeps its first name."""
    return database.intern(
        t.artifacts,
        {"sha256": artifact.digest.sha256},
        size_bytes=artifact.digest.size_bytes,
        kind=artifact.kind,
        name=artifact.name,
        arch=artifact.arch,
    )


class ProvenanceWrites(Access, Transaction):
    """The part of a transaction that is about what was built."""

    def record_artifact(self, artifact: Artifact) -> None:
        intern_artifact(self._db, artifact)

    def record_provenance(self, made: Iterable[Provenance]) -> None:
        new = [one for one in made if not self._knows_recipe(one.key)]
        # Products first: their own record names an ingredient better than its user's does.
        products = {one.key: self._record_product(one.product) for one in new}
        for one in new:
            if not self._knows_recipe(one.key):
                self._record_recipe(one, products[one.key])

    def _knows_recipe(self, key: str) -> bool:
        found = self._db.execute(select(t.recipes.c.id).where(t.recipes.c.key == key))
        return found.first() is not None

    def _record_product(self, product: Artifact) -> int:
        number = intern_artifact(self._db, product)
        named = {"kind": product.kind, "name": product.name, "arch": product.arch}
        self._db.execute(t.artifacts.update().where(t.artifacts.c.id == number), named)
        return number

    def _record_recipe(self, made: Provenance, product_id: int) -> None:
        recipe_id = self._db.insert(
            t.recipes,
            {
                "key": made.key,
                "product_id": product_id,
                "kind": made.product.kind,
                "name": made.product.name,
                "arch": made.product.arch,
                "tool": made.tool,
                "tool_sha256": made.tool_sha256,
                "argv": list(made.argv),
                "wall_s": made.wall_s,
                "made_at": made.made_at,
            },
        )
        edges = [
            self._edge(recipe_id, product_id, place, one)
            for place, one in enumerate(made.ingredients)
        ]
        if edges:
            self._db.execute(t.artifact_edges.insert(), edges)

    def _edge(
        self, recipe_id: int, product_id: int, position: int, ingredient: Ingredient
    ) -> dict[str, Any]:
        kind = _KINDS.get(ingredient.role, ArtifactKind.INPUT)
        parent = Artifact(ingredient.digest, kind, ingredient.name)
        return {
            "recipe_id": recipe_id,
            "position": position,
            "child_id": product_id,
            "parent_id": intern_artifact(self._db, parent),
            "role": ingredient.role,
            "name": ingredient.name,
        }


class ProvenanceReads(Access, Store):
    """The part of a store that is about what was built."""

    def provenance(self, sha256: str) -> Sequence[Provenance]:
        found: list[Provenance] = []
        with self._db.reading():
            wanted, seen = [sha256], {sha256}
            while wanted:
                layer = [self._made(row) for row in self._newest_recipes(wanted)]
                found += layer
                parents = [parent for one in layer for parent in _parents(one)]
                wanted = [one for one in dict.fromkeys(parents) if one not in seen]
                seen.update(wanted)
        return found

    def referenced_blobs(self) -> set[str]:
        with self._db.reading():
            return set(self._db.execute(select(t.artifacts.c.sha256)).scalars())

    def _newest_recipes(self, digests: Sequence[str]) -> Sequence[Row[Any]]:
        """Find how each was made last: the same bytes may have come of several recipes."""
        products = t.artifacts.c
        rows = self._db.execute(
            select(t.recipes, products.sha256, products.size_bytes)
            .join(t.artifacts, products.id == t.recipes.c.product_id)
            .where(products.sha256.in_(digests))
            .order_by(t.recipes.c.id)
        )
        newest = {row.sha256: row for row in rows}
        return [newest[one] for one in digests if one in newest]

    def _made(self, row: Row[Any]) -> Provenance:
        return Provenance(
            key=row.key,
            product=Artifact(Digest(row.sha256, row.size_bytes), row.kind, row.name, row.arch),
            tool=row.tool,
            tool_sha256=row.tool_sha256,
            argv=tuple(row.argv),
            ingredients=tuple(self._ingredients(row.id)),
            wall_s=row.wall_s,
            made_at=row.made_at,
        )

    def _ingredients(self, recipe_id: int) -> list[Ingredient]:
        edges, parents = t.artifact_edges.c, t.artifacts.c
        rows = self._db.execute(
            select(edges.role, edges.name, parents.sha256, parents.size_bytes)
            .join(t.artifacts, parents.id == edges.parent_id)
            .where(edges.recipe_id == recipe_id)
            .order_by(edges.position)
        )
        return [Ingredient(row.role, row.name, Digest(row.sha256, row.size_bytes)) for row in rows]


def _parents(made: Provenance) -> list[str]:
    """Name what to follow: the ingredients, and the tool, which we may have built too."""
    return [*(one.digest.sha256 for one in made.ingredients), made.tool_sha256]
