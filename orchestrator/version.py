"""Which version of the farm this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def farm_version() -> str:
    """Answer the installed version, or ``unknown`` in a tree that was never installed."""
    try:
        return version("farm")
    except PackageNotFoundError:
        return "unknown"
