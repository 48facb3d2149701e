"""Reads the pages for people as programs: files to write, commands to run, output to expect.

What a page's fences mean to a test:

- ```` ```sh ````: commands, run in order by one bash with ``-e``, so that a ``cd`` lasts.
- A fence whose first line is a comment with a path (``# first.yaml``): that file, written there.
- ```` ```text ````: what the commands above it print, line by line and in order; blanks count as
  one, ``..`` stands for anything, and a note that a number is not valid may follow.
- ``<!-- not run: REASON -->`` right above a fence of commands: they are left out.
- ``<!-- before: COMMANDS -->``: run there, unseen by readers.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Languages a fence may name; another one could hide commands from the test.
LANGUAGES = ("", "sh", "text", "yaml", "toml", "sql", "c", "ini")
_PART = re.compile(
    r"^<!-- (?P<word>not run|before):\s+(?P<said>.*?)\s+-->\n"
    r"|^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_NAMED = re.compile(r"(?:#|//) (?P<path>[\w./-]+\.\w+)\n")
_INVALID = re.compile(r" \[not valid: [^\]]*\]")
_MARK = "@@ farm page step "
_END = "END_OF_A_FARM_PAGE_FILE"


@dataclass(frozen=True, slots=True)
class Step:
    """A fence, or a comment that is for the test."""

    #: ``run``, ``skip``, ``write`` or ``shown``.
    kind: str
    #: Line of the page, from 1.
    line: int
    text: str
    #: The path of what is written; why something is not run.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a page."""

    code: int
    #: By the place of a step among all: what it printed. The last one is where a failure was.
    printed: Mapping[int, str]


def read_page(text: str) -> Iterator[Step]:
    """List a page's steps in their order.

    Raises:
        ValueError: a language that is not known here, or a reason above no commands.
    """
    reason = ""
    for found in _PART.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["word"] == "not run":
            reason = " ".join(found["said"].split())
            continue
        step = _step(found, line, reason)
        if reason and (step is None or step.kind != "skip"):
            raise ValueError(f"line {line}: a reason not to run what is no command")
        reason = ""
        if step is not None:
            yield step


def _step(found: re.Match[str], line: int, reason: str) -> Step | None:
    if found["word"] == "before":
        return Step("run", line, found["said"])
    language, body = found["language"], found["body"]
    if language not in LANGUAGES:
        raise ValueError(f"line {line}: fences are {', '.join(LANGUAGES[1:])}, not {language}")
    if language == "sh":
        return Step("skip", line, body, reason) if reason else Step("run", line, body)
    if language == "text":
        return Step("shown", line, body)
    named = _NAMED.match(body)
    return Step("write", line, body, named["path"]) if named else None


def run_page(
    steps: Sequence[Step], home: Path, environment: Mapping[str, str], timeout_s: float
) -> Done:
    """Run a page in a home of its own.

    Args:
        steps: of the page.
        home: an empty folder; its commands' home, and where they begin.
        environment: of its commands.
        timeout_s: for all of them.
    """
    script = "".join(
        f"printf '\\n{_MARK}{place}\\n'\n{_commands(step)}\n" for place, step in enumerate(steps)
    )
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=home,
        env={**environment, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    parts = re.split(rf"^{_MARK}(\d+)\n", done.stdout, flags=re.MULTILINE)
    return Done(done.returncode, dict(zip(map(int, parts[1::2]), parts[2::2], strict=True)))


def _commands(step: Step) -> str:
    if step.kind == "run":
        return step.text
    if step.kind == "write":
        path = shlex.quote(step.note)
        return f"mkdir -p $(dirname {path})\ncat > {path} << '{_END}'\n{step.text}{_END}"
    return ""


def missing_line(expected: str, printed: str) -> str | None:
    """Answer the first line that a page shows and nothing printed in order; None: all were."""
    lines = iter([_INVALID.sub("", _plain(line)) for line in printed.splitlines()])
    for line in filter(None, map(_plain, expected.splitlines())):
        wanted = re.compile(".*".join(re.escape(part) for part in line.split("..")))
        if not any(wanted.fullmatch(one) for one in lines):
            return line
    return None


def _plain(line: str) -> str:
    return " ".join(line.split())
