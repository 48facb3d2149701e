"""The reader of pages finds their files, commands and output, and notices what is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import Step, missing_line, read_page, run_page

PAGE = """\
# A page

```yaml
# a/b.yaml
name: x
```

<!-- before:
echo hidden
-->
```sh
cat a/b.yaml
```

```text
name: ..
```

<!-- not run: needs
another machine -->
```sh
reboot
```

```yaml
name: nothing to write
```
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def test_a_page_is_its_steps_in_order() -> None:
    """Each with its line; a fence without a name is for the eye only."""
    assert list(read_page(PAGE)) == [
        Step("write", 3, "# a/b.yaml\nname: x\n", "a/b.yaml"),
        Step("run", 8, "echo hidden"),
        Step("run", 11, "cat a/b.yaml\n"),
        Step("shown", 15, "name: ..\n"),
        Step("skip", 21, "reboot\n", "needs another machine"),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```bash\nls\n```\n", "line 1: fences are sh, .* not bash"),
        ("<!-- not run: no -->\n```text\nx\n```\n", "line 2: a reason not to run what is no comm"),
    ],
)
def test_what_would_escape_the_test_is_refused(text: str, complaint: str) -> None:
    """Commands in another fence, and a reason that stands above no commands."""
    with pytest.raises(ValueError, match=complaint):
        list(read_page(text))


def test_a_page_is_run_to_its_end(tmp_path: Path) -> None:
    """Files are written where the page says, and each step's output is its own."""
    steps = list(read_page(PAGE))
    done = run_page(steps, tmp_path, ENVIRONMENT, 30)
    assert (done.code, max(done.printed)) == (0, len(steps) - 1)
    assert done.printed[2].strip() == "# a/b.yaml\nname: x"
    assert (tmp_path / "a" / "b.yaml").read_text() == "# a/b.yaml\nname: x\n"


def test_a_page_ends_where_a_command_fails(tmp_path: Path) -> None:
    """So does one that fails before a pipe; what follows is not run."""
    steps = list(read_page("```sh\ncd /\nfalse | cat\n```\n\n```sh\necho no\n```\n"))
    done = run_page(steps, tmp_path, ENVIRONMENT, 30)
    assert (done.code, list(done.printed)) == (1, [0])


@pytest.mark.parametrize(
    ("expected", "printed", "missing"),
    [
        ("a  b\n", "x\na b\n", None),
        ("a .. c\n", "a 17 ms c [not valid: busy, swap]\n", None),
        ("a\nb\n", "b\na\n", "b"),
        ("a .. c\n", "a b\n", "a .. c"),
        ("a\n", "a and more\n", "a"),
    ],
)
def test_what_is_shown_is_looked_for_in_order(
    expected: str, printed: str, missing: str | None
) -> None:
    """Blanks and figures may differ, words and their order may not."""
    assert missing_line(expected, printed) == missing
