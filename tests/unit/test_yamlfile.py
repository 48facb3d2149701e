"""YAML files: every mistake is one line with file, line and next step."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import MatrixError, UsageError
from orchestrator.files.schema import closed, flag, later, named, seconds, text, texts, whole
from orchestrator.files.yamlfile import check, dump_yaml, parse_value, parse_yaml, read_yaml, show
from tests.support.files import complaint

SCHEMA = closed(
    {
        "count": whole(1, 5),
        "title": text("a title"),
        "names": texts("a list of names"),
        "wait_s": seconds(10),
        "loud": flag(),
        "boxes": named(closed({"size": whole(0, 9)}, "a size", required=["size"]), "a map"),
        "soon": later("use count"),
    },
    "count and more",
    required=["count"],
)

BAD = [
    ("", "f.yaml:1: the file is empty: write count and more"),
    ("- 1", "f.yaml:1: the file is [1]: write count and more"),
    ("title: x", "f.yaml:1: 'count' is missing: add a whole number from 1 to 5"),
    ("count: 7", "f.yaml:1: 'count' is 7: write a whole number from 1 to 5"),
    ("count: true", "f.yaml:1: 'count' is true: write a whole number from 1 to 5"),
    ("\n\ncount: x", "f.yaml:3: 'count' is 'x': write a whole number from 1 to 5"),
    ("count:", "f.yaml:1: 'count' is empty: write a whole number from 1 to 5"),
    ("count: 1\ncuont: 2", "f.yaml:2: unknown key 'cuont': did you mean 'count'?"),
    (
        "count: 1\nxyz: 2",
        "f.yaml:2: unknown key 'xyz': known are count, title, names, wait_s, loud, boxes",
    ),
    ("count: 1\nsoon: 2", "f.yaml:2: 'soon' is not supported yet: remove it (use count)"),
    ("count: 1\ncount: 2", "f.yaml:2: doubled key 'count': keep one of them"),
    ("count: 1\nnames: []", "f.yaml:2: 'names' is []: write a list of names"),
    ("count: 1\nnames:\n- a\n- a", "f.yaml:4: 'a' is listed twice: keep one of them"),
    ("count: 1\nnames:\n- a\n- 2", "f.yaml:4: item 2 of 'names' is 2: write text"),
    (
        "count: 1\nwait_s: .inf",
        "f.yaml:2: not a finite number: write one that is",
    ),
    (
        "count: 1\nwait_s: .nan",
        "f.yaml:2: not a finite number: write one that is",
    ),
    ("count: 1\nloud: yes", "f.yaml:2: 'loud' is 'yes': write true or false"),
    (
        "count: 1\nboxes:\n  a b: {size: 1}",
        "f.yaml:3: 'a b' is no name: write a name of letters, digits, '.', '_' and '-'",
    ),
    (
        "count: 1\nboxes:\n  a:\n    siez: 1",
        "f.yaml:4: unknown key 'siez': did you mean 'size'?",
    ),
    (
        "count: 1\nboxes:\n  a: {}",
        "f.yaml:3: 'size' of 'a' is missing: add a whole number from 0 to 9",
    ),
    ("count: 1\n1: 2", "f.yaml:2: key 1 is not text: put it in quotes"),
    ("count: 2020-01-01", "f.yaml:1: date 2020-01-01: put it in quotes"),
    ("count: 1 \x01", "f.yaml:1: a control character: remove it"),
    ("count: &a [*a]", "f.yaml:1: 'count' is [null]: write a whole number from 1 to 5"),
    (
        "count: {exact: a/{b}.txt}",
        "f.yaml:1: not valid YAML (expected ',' or '}', but got '{'): check the indentation, quote"
        " text that holds { } [ ] : #",
    ),
    (
        "count: 1\n\tnames: 2",
        "f.yaml:2: not valid YAML (found character '\\t' that cannot start any token): check the"
        " indentation, quote text that holds { } [ ] : #",
    ),
    (
        "count: *nowhere",
        "f.yaml:1: not valid YAML (found undefined alias 'nowhere'): check the indentation, quote"
        " text that holds { } [ ] : #",
    ),
]


@pytest.mark.parametrize(("written", "told"), BAD)
def test_a_mistake_is_one_line(written: str, told: str) -> None:
    """The line says file, line, what is wrong and what to write."""

    def read() -> None:
        check(parse_yaml(written, Path("f.yaml"), UsageError), SCHEMA)

    assert complaint(read) == told


def test_the_first_mistake_by_line_is_told() -> None:
    """A file with several mistakes is corrected from its top."""
    document = parse_yaml("wait_s: x\ncount: 9\nzzz: 1\n", Path("f"), UsageError)
    assert complaint(lambda: check(document, SCHEMA)).startswith("f:1: 'wait_s' is 'x'")


def test_a_good_file_becomes_plain_values() -> None:
    """No value of the parser's own classes leaves the door."""
    document = parse_yaml(
        "count: 0x2\ntitle: 'a'\nnames: [b]\nwait_s: 1.5\nloud: false\n", Path("f"), UsageError
    )
    check(document, SCHEMA)
    assert document.data == {
        "count": 2,
        "title": "a",
        "names": ["b"],
        "wait_s": 1.5,
        "loud": False,
    }
    assert {type(value) for value in document.data.values()} == {int, str, list, float, bool}


def test_a_merged_value_has_the_line_of_its_map() -> None:
    """``<<`` brings keys that stand elsewhere; a complaint still points into the file."""
    written = "base: &base {size: 1}\nboxes:\n  a:\n    <<: *base\n    other: 2\n"
    document = parse_yaml(written, Path("f"), UsageError)
    assert document.data["boxes"]["a"] == {"size": 1, "other": 2}
    assert document.line(("boxes", "a", "size")) == 3
    assert document.line(("boxes", "a", "other")) == 5


def test_a_replaced_value_is_blamed_on_its_origin() -> None:
    """A wrong ``--set`` is not looked for in the file."""
    document = parse_yaml("count: 1\n", Path("f"), MatrixError)
    replaced = document.put(("boxes", "a"), {"size": 99}, "--set boxes.a=..")
    told = complaint(lambda: check(replaced, SCHEMA))
    assert told == "--set boxes.a=..: 'size' is 99: write a whole number from 0 to 9"
    assert document.data == {"count": 1}


@pytest.mark.parametrize(
    "written",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"k{n}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
        ),
        "[" * 30 + "]" * 30,
    ],
    ids=["doubling aliases", "deep"],
)
def test_a_file_that_grows_is_refused(written: str) -> None:
    """Aliases of aliases and deep nesting end in a line, not in all of memory."""
    told = complaint(lambda: parse_yaml(written, Path("f"), UsageError))
    assert told.endswith("too many or too deep values: simplify the file")


def test_very_deep_nesting_is_refused() -> None:
    """The parser's own recursion limit is told as a mistake of the file."""
    told = complaint(lambda: parse_yaml("[" * 500, Path("f"), UsageError))
    assert told == "f:1: not valid YAML: simplify the file"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, not text, too large: each has its next step."""
    missing = tmp_path / "missing.yaml"
    assert complaint(lambda: read_yaml(missing, UsageError), tmp_path) == (
        "DIR/missing.yaml: no such file: check the path"
    )
    assert complaint(lambda: read_yaml(tmp_path, UsageError), tmp_path) == (
        "DIR: cannot be read (Is a directory): name a readable file"
    )
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe4\n")
    assert complaint(lambda: read_yaml(tmp_path / "latin.yaml", UsageError), tmp_path) == (
        "DIR/latin.yaml:2: not UTF-8 text: save the file as UTF-8"
    )
    (tmp_path / "large.yaml").write_text("a: 1\n" * 300_000)
    assert "larger than 1 MiB" in complaint(
        lambda: read_yaml(tmp_path / "large.yaml", UsageError), tmp_path
    )


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]), max_size=20
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: object) -> None:
    """A stored matrix means the same when a run is taken up again."""
    assert parse_yaml(dump_yaml(value), Path("f"), UsageError).data == value


@given(st.text(max_size=200))
def test_any_text_is_values_or_a_complaint(written: str) -> None:
    """No text a person can write ends in an error of the parser's own."""
    with contextlib.suppress(UsageError):
        parse_yaml(written, Path("f"), UsageError)


@pytest.mark.parametrize(
    ("written", "value"),
    [("3", 3), ("layer", "layer"), ("[a, 2]", ["a", 2]), ("true", True), ("{", "{"), ("1.5", 1.5)],
)
def test_an_option_is_read_as_yaml(written: str, value: object) -> None:
    """``--set`` takes what the file would."""
    assert parse_value(written) == value


def test_a_shown_value_is_short_and_one_line() -> None:
    """A complaint never spills a file over the terminal."""
    assert len(show(["x" * 500])) <= 60
    assert "\n" not in show("a\nb")
