"""What failed is told once."""

from __future__ import annotations

from orchestrator.cli.complaints import told_once

WORDS = "bad.c:1:25: error: no\n1 error generated."


def test_the_same_words_for_several_targets_are_one_error() -> None:
    """A mistake in C fails its object for each architecture, and is read once."""
    errors = [f"bad.o {arch}: zig failed\n{WORDS}" for arch in ("wasm32", "x86_64", "aarch64")]
    assert told_once(errors) == [
        f"bad.o wasm32: zig failed, and the same for 2 more\n{WORDS}",
    ]


def test_different_errors_stay_apart_and_equal_ones_count_once() -> None:
    """Errors without a tool's words are told as they are, each once, in order."""
    errors = ["cargo is missing", f"a.o: zig failed\n{WORDS}", "LLVM is missing"]
    assert told_once([*errors, *errors]) == [
        "cargo is missing",
        f"a.o: zig failed\n{WORDS}",
        "LLVM is missing",
    ]
