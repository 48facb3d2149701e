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
        query = urlsplit(url).query
    except ValueError as error:
        return f"is no address ({error})"
    if ":" in _user(url) or _SECRETS & {name for name, _ in _parameters(query)}:
        return (
            "holds a password: take it out, put it into ~/.pgpass or PGPASSWORD,"
            " and change it if others may have seen it"
        )
    return ""


def shown(url: str) -> str:
    """Name a database for people: without parameters, and without a password in any case."""
    if not is_postgresql(url):
        return url.removeprefix(SQLITE)
    user = _user(url)
    place = url.removeprefix(POSTGRESQL).removeprefix(f"{user}@" if user else "")
    name = f"{user.partition(':')[0]}@" if user else ""
    return f"{POSTGRESQL}{name}{place.partition('?')[0]}"


def _user(url: str) -> str:
    """Answer what stands before the host, password included; empty: nothing does.

    libpq takes what is before an @ for it, ? and # included; a / in it was meant for a password,
    and an @ too.
    """
    rest = url.removeprefix(POSTGRESQL)
    before_path = rest.partition("/")[0].rpartition("@")[0]
    return before_path or rest.partition("?")[0].rpartition("@")[0]


def _parameters(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
