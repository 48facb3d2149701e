"""Wrong turns with the text of a YAML file, whatever it is about."""

from __future__ import annotations

from tests.support.wrongturns import Content, Folder, Link, Pipe, Sparse, WrongTurn

_RIGHT = "name: m\nworkloads: [gemm]\nmodes: [native]\ndevices: [local]\n"
_MISSPELT = "HOME/m.yaml:5: unknown key 'repeat': did you mean 'repeats'?"
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def _turn(name: str, content: Content, says: str, argv: str = "plan m.yaml") -> WrongTurn:
    return WrongTurn(name, argv, says, files={"m.yaml": content})


TURNS = (
    _turn(
        "empty", "", "HOME/m.yaml:1: the file is empty: write name, workloads, modes and devices"
    ),
    _turn(
        "blank lines and comments only",
        "\n# nothing\n\n",
        "HOME/m.yaml:1: the file is empty: write name, workloads, modes and devices",
    ),
    _turn(
        "one word",
        "m\n",
        "HOME/m.yaml:1: the file is 'm': write name, workloads, modes and devices",
    ),
    _turn(
        "a list",
        "- name: m\n",
        'HOME/m.yaml:1: the file is [{"name": "m"}]: write name, workloads, modes and devices',
    ),
    _turn(
        "indented by a tab",
        "name: m\nworkloads:\n\t- gemm\n",
        "HOME/m.yaml:3: not valid YAML (found character '\\t' that cannot start any"
        " token): check the indentation, quote text that holds { } [ ] : #",
    ),
    _turn(
        "a doubled key",
        _RIGHT + "name: n\n",
        "HOME/m.yaml:5: doubled key 'name': keep one of them",
    ),
    _turn(
        "a key that is a number",
        _RIGHT + "1: n\n",
        "HOME/m.yaml:5: key 1 is not text: put it in quotes",
    ),
    _turn(
        "a key that is a list",
        _RIGHT + "? [a, b]\n: n\n",
        'HOME/m.yaml:5: key ["a", "b"] is not text: put it in quotes',
    ),
    _turn(
        "an unclosed bracket",
        "name: m\nworkloads: [gemm\nmodes: [native]\n",
        "HOME/m.yaml:3: not valid YAML (expected ',' or ']', but got ':'): check the"
        " indentation, quote text that holds { } [ ] : #",
    ),
    _turn(
        "an unclosed quote",
        "name: 'm\nworkloads: [gemm]\n",
        "HOME/m.yaml:3: not valid YAML (found unexpected end of stream): check the"
        " indentation, quote text that holds { } [ ] : #",
    ),
    _turn(
        "an unknown alias",
        "name: m\nworkloads: *these\n",
        "HOME/m.yaml:2: not valid YAML (found undefined alias 'these'): check the"
        " indentation, quote text that holds { } [ ] : #",
    ),
    _turn(
        "an alias of itself",
        _RIGHT + "parameters: &p {size: *p}\n",
        "HOME/m.yaml:5: 'size' is empty: write text, a number, true or false",
    ),
    _turn(
        "aliases that double and double",
        _BOMB,
        "HOME/m.yaml:1: too many or too deep values: simplify the file",
    ),
    _turn(
        "brackets a thousand deep",
        "name: " + 1000 * "[" + 1000 * "]" + "\n",
        "HOME/m.yaml:1: not valid YAML: simplify the file",
    ),
    _turn(
        "a tag of a language's objects",
        "name: !!python/object/apply:os.system [ls]\n",
        "HOME/m.yaml:1: a tag, tag:yaml.org,2002:python/object/apply:os.system: remove it",
    ),
    _turn(
        "a date",
        _RIGHT.replace("name: m", "name: 2026-11-25"),
        "HOME/m.yaml:1: date 2026-11-25: put it in quotes",
    ),
    _turn(
        "two documents",
        _RIGHT + "---\n" + _RIGHT,
        "HOME/m.yaml:5: not valid YAML (but found another document): check the"
        " indentation, quote text that holds { } [ ] : #",
    ),
    _turn("not UTF-8", b"name: m\xff\n", "HOME/m.yaml:1: not UTF-8 text: save the file as UTF-8"),
    _turn(
        "UTF-16", _RIGHT.encode("utf-16"), "HOME/m.yaml:1: not UTF-8 text: save the file as UTF-8"
    ),
    _turn(
        "a null byte",
        _RIGHT.encode().replace(b"m\n", b"m\0\n"),
        "HOME/m.yaml:1: a control character: remove it",
    ),
    _turn(
        "an escape of a terminal",
        _RIGHT.replace("m\n", "m\x1b[31m\n"),
        "HOME/m.yaml:1: a control character: remove it",
    ),
    _turn(
        "100 MB of nothing",
        Sparse(100_000_000),
        "HOME/m.yaml: larger than 1 MiB: this is not a file of the farm's",
    ),
    _turn(
        "a folder", Folder(), "HOME/m.yaml: cannot be read (Is a directory): name a readable file"
    ),
    _turn("a pipe", Pipe(), "HOME/m.yaml: no regular file: name a text file"),
    _turn(
        "a link that leads nowhere", Link("gone.yaml"), "HOME/m.yaml: no such file: check the path"
    ),
    _turn(
        "a link to itself",
        Link("m.yaml"),
        "HOME/m.yaml: cannot be read (Too many levels of symbolic links): name a readable file",
    ),
    _turn(
        "a device of endless zeros",
        Link("/dev/zero"),
        "HOME/m.yaml: no regular file: name a text file",
    ),
    _turn("not there", _RIGHT, "HOME/n.yaml: no such file: check the path", "plan n.yaml"),
    _turn(
        "a name longer than any filesystem's",
        _RIGHT,
        "HOME/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn.yaml:"
        " cannot be read (File name too long): name a readable file",
        f"plan {300 * 'n'}.yaml",
    ),
    _turn(
        "below a file",
        _RIGHT,
        "HOME/m.yaml/m.yaml: cannot be read (Not a directory): name a readable file",
        "plan m.yaml/m.yaml",
    ),
    _turn(
        "misspelt, to be run",
        _RIGHT + "repeat: 3\n",
        "HOME/m.yaml:5: unknown key 'repeat': did you mean 'repeats'?",
        "run m.yaml",
    ),
    _turn(
        "misspelt, to be built",
        _RIGHT + "repeat: 3\n",
        "HOME/m.yaml:5: unknown key 'repeat': did you mean 'repeats'?",
        "build m.yaml",
    ),
)
