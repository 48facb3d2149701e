"""Wrong turns with farm.toml: each of its keys."""

from __future__ import annotations

import re

from tests.support.wrongturns import Content, Folder, Pipe, Sparse, WrongTurn


def _turn(name: str, says: str | re.Pattern[str], content: Content, code: int = 2) -> WrongTurn:
    return WrongTurn(name, "runs list", says, code, files={"farm.toml": content})


def _key(name: str, says: str, text: str) -> WrongTurn:
    return _turn(name, says, f'farm_id = "a"\n{text}\n')


TURNS = (
    _turn("empty", "HOME/farm.toml: 'farm_id' is missing: add it, or make a new farm", ""),
    _turn(
        "no TOML",
        "HOME/farm.toml:1: not valid TOML (Illegal character '\\n'): correct this line",
        'farm_id = "a\n',
    ),
    _turn(
        "YAML",
        "HOME/farm.toml:1: not valid TOML (Expected '=' after a key in a key/value pair):"
        " correct this line",
        "farm_id: a\n",
    ),
    _turn(
        "a doubled key",
        "HOME/farm.toml:3: not valid TOML (Cannot overwrite a value): correct this line",
        'farm_id = "a"\nretries = 1\nretries = 2\n',
    ),
    _turn(
        "not UTF-8",
        "HOME/farm.toml:1: not UTF-8 text: save the file as UTF-8",
        b'farm_id = "\xff"\n',
    ),
    _turn(
        "a pipe",
        "no farm here: make one with `farm init`, or name one with --farm DIR or FARM_DIR",
        Pipe(),
    ),
    _turn(
        "a folder",
        "no farm here: make one with `farm init`, or name one with --farm DIR or FARM_DIR",
        Folder(),
    ),
    _turn(
        "100 MB of nothing",
        "HOME/farm.toml: larger than 1 MiB: this is not a file of the farm's",
        Sparse(100_000_000),
    ),
    _turn(
        "farm_id: with capitals",
        "HOME/farm.toml:1: 'farm_id' is 'My Farm': write the id that `farm init` made",
        'farm_id = "My Farm"\n',
    ),
    _turn(
        "farm_id: a number",
        "HOME/farm.toml:1: 'farm_id' is 1: write text in quotes",
        "farm_id = 1\n",
    ),
    _turn(
        "farm_id: another farm's",
        re.compile(
            r"HOME/data/farm\.db: the database of farm farm-\w+, not of other; correct database in"
            r" farm\.toml"
        ),
        'farm_id = "other"\n',
        2,
    ),
    _key(
        "database: MySQL's",
        "HOME/farm.toml:2: 'database' begins with 'mysql': write sqlite:///PATH or"
        " postgresql://USER@HOST:PORT/NAME",
        'database = "mysql://root:secret@db/farm"',
    ),
    _key(
        "database: a path",
        "HOME/farm.toml:2: 'database' begins with 'data/farm.db': write sqlite:///PATH or"
        " postgresql://USER@HOST:PORT/NAME",
        'database = "data/farm.db"',
    ),
    _key(
        "database: no path",
        "HOME/farm.toml:2: 'database' begins with 'sqlite': write sqlite:///PATH or"
        " postgresql://USER@HOST:PORT/NAME",
        'database = "sqlite:///"',
    ),
    _key(
        "database: an unknown parameter",
        "postgresql://farm@localhost/farm: no address of PostgreSQL (invalid URI query"
        ' parameter: "sslmod")',
        'database = "postgresql://farm@localhost/farm?sslmod=require"',
    ),
    _turn(
        "database: not there",
        "HOME/data/gone.db: no database there; run: farm init (new farm) or farm db upgrade",
        'farm_id = "a"\ndatabase = "sqlite:///data/gone.db"\n',
        3,
    ),
    _key("data: a number", "HOME/farm.toml:2: 'data' is 1: write text in quotes", "data = 1"),
    _key("data: empty", "HOME/farm.toml:2: 'data' is '': write text in quotes", 'data = ""'),
    _key(
        "listen: no port",
        "HOME/farm.toml:2: 'listen' is '127.0.0.1': write HOST:PORT, such as 127.0.0.1:0",
        'listen = "127.0.0.1"',
    ),
    _key(
        "listen: a port above all",
        "HOME/farm.toml:2: 'listen' is '127.0.0.1:65536': write HOST:PORT, such as 127.0.0.1:0",
        'listen = "127.0.0.1:65536"',
    ),
    _key(
        "listen: a number",
        "HOME/farm.toml:2: 'listen' is 8080: write text in quotes",
        "listen = 8080",
    ),
    _key(
        "lease_s: 0",
        "HOME/farm.toml:2: 'lease_s' is 0: write a number of seconds from 1 to 86400",
        "lease_s = 0",
    ),
    _key(
        "lease_s: text",
        "HOME/farm.toml:2: 'lease_s' is '30': write a number of seconds",
        'lease_s = "30"',
    ),
    _key(
        "lease_s: no number",
        "HOME/farm.toml:2: 'lease_s' is nan: write a number of seconds from 1 to 86400",
        "lease_s = nan",
    ),
    _key(
        "grace_s: below 0",
        "HOME/farm.toml:2: 'grace_s' is -1: write a number of seconds from 1 to 86400",
        "grace_s = -1",
    ),
    _key(
        "grace_s: endless",
        "HOME/farm.toml:2: 'grace_s' is inf: write a number of seconds from 1 to 86400",
        "grace_s = inf",
    ),
    _key(
        "retries: a fraction",
        "HOME/farm.toml:2: 'retries' is 1.5: write a whole number from 0 to 100",
        "retries = 1.5",
    ),
    _key(
        "retries: huge",
        "HOME/farm.toml:2: 'retries' is 99999999999999999999: write a whole number from 0 to 100",
        "retries = 99999999999999999999",
    ),
    _key(
        "retries: true",
        "HOME/farm.toml:2: 'retries' is true: write a whole number from 0 to 100",
        "retries = true",
    ),
    _key(
        "cache: a list",
        "HOME/farm.toml:2: 'cache' is ['a']: write text in quotes",
        'cache = ["a"]',
    ),
    _key(
        "cache: of a user who is not there",
        "HOME/farm.toml:2: '~nobody-here/cache': there is no such user; write a path",
        'cache = "~nobody-here/cache"',
    ),
    _key(
        "workloads: text",
        "HOME/farm.toml:2: 'workloads' is 'more': write a list of text in quotes",
        'workloads = "more"',
    ),
    _key(
        "workloads: not there",
        "HOME/farm.toml:2: no folder HOME/more: make it or remove it here",
        'workloads = ["more"]',
    ),
    _key(
        "workloads: a file",
        "HOME/farm.toml:2: no folder HOME/inventory.yaml: make it or remove it here",
        'workloads = ["inventory.yaml"]',
    ),
    _key(
        "workloads: of a user who is not there",
        "HOME/farm.toml:2: '~nobody-here/w': there is no such user; write a path",
        'workloads = ["~nobody-here/w"]',
    ),
    _key(
        "runtime_sources: a list",
        "HOME/farm.toml:2: 'runtime_sources' is ['../wamr']: write a table of names",
        'runtime_sources = ["../wamr"]',
    ),
    _key(
        "runtime_sources: pinned",
        "HOME/farm.toml:2: 'pinned' is always there: choose another name",
        'runtime_sources.pinned = "../wamr"',
    ),
    _key(
        "runtime_sources: an unknown key",
        "HOME/farm.toml:2: unknown key 'path': known are tree, flags",
        'runtime_sources.mine = {path = "../wamr"}',
    ),
    _key(
        "runtime_sources: an unknown flag",
        "HOME/farm.toml:2: unknown flag 'TAIL_CAL': did you mean 'TAIL_CALL'?",
        "runtime_sources.mine = {flags = {TAIL_CAL = 0}}",
    ),
    _key(
        "runtime_sources: a flag that cannot be chosen",
        "HOME/farm.toml:2: 'SIMD' cannot be chosen: the mode's option 'simd' says it",
        "runtime_sources.mine = {flags = {SIMD = 0}}",
    ),
    _key(
        "runtime_sources: a flag that is so already",
        "HOME/farm.toml:2: 'TAIL_CALL' is 1 already: leave it out",
        "runtime_sources.mine = {flags = {TAIL_CALL = 1}}",
    ),
    _key(
        "runtime_sources: a flag of 2",
        "HOME/farm.toml:2: 'TAIL_CALL' is 2: write 0 or 1",
        "runtime_sources.mine = {flags = {TAIL_CALL = 2}}",
    ),
    _key(
        "runtime_sources: nothing",
        "HOME/farm.toml:2: 'mine' is {}: write a folder in quotes, or {tree = \"..\","
        " flags = {TAIL_CALL = 0}}",
        "runtime_sources.mine = {}",
    ),
    _key(
        "runtime_sources: of a user who is not there",
        "HOME/farm.toml:2: '~nobody-here/wamr': there is no such user; write a path",
        'runtime_sources.mine = "~nobody-here/wamr"',
    ),
    _key(
        "a misspelt key",
        "HOME/farm.toml:2: unknown key 'lease': did you mean 'lease_s'?",
        "lease = 30",
    ),
)
