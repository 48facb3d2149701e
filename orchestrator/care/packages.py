"""How this machine's distribution brings a package, as a line to paste."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

#: systemd's os-release(5): where it is, and where it is otherwise.
_RELEASES = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
_DEBIAN = {"debian", "ubuntu"}


def bring(package: str, release: Mapping[str, str] | None = None) -> str:
    """Say what brings a package.

    Args:
        package: its name in Debian.
        release: what the system says it is; None: this one.
    """
    release = os_release() if release is None else release
    if _DEBIAN & {release.get("ID", ""), *release.get("ID_LIKE", "").split()}:
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"{sudo}apt-get install -y --no-install-recommends {package}"
    system = release.get("PRETTY_NAME", "this system")
    return f"install what Debian calls {package}, with the package manager of {system}"


@cache
def os_release() -> dict[str, str]:
    """Answer what this system says it is."""
    for path in _RELEASES:
        if path.is_file():
            return parse_release(path.read_text(errors="replace"))
    return {}


def parse_release(text: str) -> dict[str, str]:
    """Read an os-release file; values are quoted as in a shell, and none of ours has an escape."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}
