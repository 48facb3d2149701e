"""What lies in a folder of the user's, named the same way for who digests, copies and sends it."""

from __future__ import annotations

import os
from pathlib import Path


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, relative to it, sorted; links to folders are not followed."""
    found: list[str] = []
    for place, _, files in os.walk(folder):
        found += [os.path.relpath(os.path.join(place, file), folder) for file in files]
    return sorted(found)
