"""docs/reference/database.md: the views for people who ask in SQL, column by column."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.store.views import DESCRIPTIONS, VIEWS
from scripts.reference_pages.markdown import code, opening, table

_WORDS = """
`farm sql` asks a farm's database, read-only and in limited time; any other reader of SQLite or
PostgreSQL may look too. The views below stay as they are where tables may change; how to ask is in
[Read results](../how-to/read-results.md), and `farm sql --views` prints this page's words.
Booleans are 0 and 1 on SQLite.
"""


def database_page() -> str:
    """Write the page."""
    parts = [opening("Database", "`orchestrator/store/views.py`"), _WORDS, *_views()]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _views() -> Iterator[str]:
    for name, view in DESCRIPTIONS.items():
        yield f"## {name}\n\n{view.about[0].upper()}{view.about[1:]}."
        yield table(("column", "meaning"), ((code(c), about) for c, about in view.columns.items()))
        yield f"```sql\n{VIEWS[name].strip()}\n```"
