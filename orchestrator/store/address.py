"""Addresses of databases: their kind, what no address may hold, and how one is shown; pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"

#: Parameters of an address that hold a secret; the rest is libpq's to judge.
_SECRETS = frozenset({"password", "sslpassword"})


def is_postgresql(url: str) -> bool:
    """Say whether an address is a PostgreSQL server's."""
    return url.startswith(POSTGRESQL)


def complaint_of(url: str) -> str:
    """Say what is wrong with a PostgreSQL address, never repeating it; empty: nothing is.

    A password has no place in it: farm.toml is shared, backed up and shown.
    """
    if not url.isprintable() or " " in url:
        return "holds a blank or a control character: write %20 for a blank"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"is no address ({error})"
    user, at, _ = parts.netloc.rpartition("@")
    if (at and ":" in user) or _SECRETS & {name for name, _ in _parameters(parts.query)}:
        return (
            "holds a password: take it out, put it into ~/.pgpass or PGPASSWORD,"
            " and change it if others may have seen it"
        )
    return ""


def shown(url: str) -> str:
    """Name a database for people: without parameters, and without a password in any case."""
    if not is_postgresql(url):
        return url.removeprefix(SQLITE)
    rest = url.removeprefix(POSTGRESQL).partition("?")[0]
    user, at, place = rest.rpartition("@")
    return f"{POSTGRESQL}{user.partition(':')[0]}{at}{place}"


def _parameters(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
