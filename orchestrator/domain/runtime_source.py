"""Which WAMR a mode is built from: a tree of sources with a choice of flags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: The one that is always there: ``native/wamr-source`` as ``native/features.cmake`` has it built.
PINNED = "pinned"


@dataclass(frozen=True, slots=True)
class RuntimeSource:
    """A WAMR to build runners and AOT compilers from."""

    #: Absolute; None: the pinned tree.
    tree: Path | None = None
    #: (``REF_TYPES``, 0 or 1), sorted: choices that differ from ``native/features.cmake``.
    flags: tuple[tuple[str, int], ...] = ()

    @property
    def description(self) -> str:
        """One line for people: ``../wamr, TAIL_CALL=0``."""
        words = [str(self.tree) if self.tree is not None else "the pinned tree"]
        return ", ".join([*words, *(f"{name}={value}" for name, value in self.flags)])
