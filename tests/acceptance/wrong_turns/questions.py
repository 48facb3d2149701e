"""Wrong turns with the arguments of commands that look, and that care for a farm."""

from __future__ import annotations

from tests.support.wrongturns import Content, Folder, WrongTurn

_FILES: dict[str, Content] = {
    "folder": Folder(),
    "taken": "1\n",
    "cut.tar": "1\n",
    "cut.tar.zst": b"(\xb5/\xfd",
}


def _turn(argv: str, says: str, code: int = 2, *, stdin: str = "") -> WrongTurn:
    """Ask a farm that has cell 1 in run 1 and cell 2 in run 2."""
    return WrongTurn(argv, argv, says, code, files=_FILES, stdin=stdin, measured=True)


TURNS = (
    _turn("runs", "Missing command; see: farm runs --help"),
    _turn("runs lst", "No such command 'lst'. Did you mean 'list'?; see: farm runs --help"),
    _turn("runs list --state runing", "--state: unknown 'runing': did you mean 'running'?"),
    _turn(
        "runs list --since yesterday",
        "--since: 'yesterday' is no time: write 7d, 12h, 30m or 2w ago, a date such as"
        " 2026-11-25, or 2026-11-25T14:30",
    ),
    _turn(
        "runs list --since 99999999999d",
        "--since: '99999999999d' is no time: write 7d, 12h, 30m or 2w ago, a date such as"
        " 2026-11-25, or 2026-11-25T14:30",
    ),
    _turn(
        "runs list --until 2026-13-01",
        "--until: '2026-13-01' is no time: write 7d, 12h, 30m or 2w ago, a date such as"
        " 2026-11-25, or 2026-11-25T14:30",
    ),
    _turn("runs list --json --csv", "--json and --csv are two forms of the same: take one"),
    _turn(
        "runs list --limit -1",
        "Invalid value for '--limit': -1 is not in the range x>=0; see: farm runs list --help",
    ),
    _turn(
        "runs list --offset -1",
        "Invalid value for '--offset': -1 is not in the range x>=0; see: farm runs list --help",
    ),
    _turn(
        "runs list --limit 99999999999999999999",
        "a number is too large for a database: write a smaller one",
    ),
    _turn(
        "runs list --offset 99999999999999999999",
        "a number is too large for a database: write a smaller one",
    ),
    _turn("runs list 1", "Got unexpected extra argument(s) (1); see: farm runs list --help"),
    _turn("runs show", "Missing argument 'RUN'; see: farm runs show --help"),
    _turn("runs show 0", "no run 0; see: farm runs list"),
    _turn("runs show -- -1", "no run -1; see: farm runs list"),
    _turn("runs show -1", "No such option: -1; see: farm runs show --help"),
    _turn("runs show 99", "no run 99; see: farm runs list"),
    _turn(
        "runs show abc",
        "Invalid value for 'RUN': 'abc' is no whole number; see: farm runs show --help",
    ),
    _turn(
        "runs show 1.0",
        "Invalid value for 'RUN': '1.0' is no whole number; see: farm runs show --help",
    ),
    _turn(
        "runs show 9223372036854775808",
        "a number is too large for a database: write a smaller one",
    ),
    _turn("runs show 1 2", "Got unexpected extra argument(s) (2); see: farm runs show --help"),
    _turn("runs cancel 99", "no run 99; see: farm runs list"),
    _turn("runs cancel 1", "run 1 is done already"),
    _turn("runs retry 99", "no run 99; see: farm runs list"),
    _turn("runs retry 1", "run 1 has no failed cell; measure all again with: --cells all"),
    _turn("runs retry 1 --cells 2", "run 1 has no cell 2; see: farm results list 1"),
    _turn(
        "runs retry 1 --cells some",
        "--cells: 'some' is no cell's number; 'failed' and 'all' stand alone",
    ),
    _turn(
        "runs retry 1 --cells ''",
        "--cells: '' is no cell's number; 'failed' and 'all' stand alone",
    ),
    _turn(
        "runs retry 1 --cells all,1",
        "--cells: 'all' is no cell's number; 'failed' and 'all' stand alone",
    ),
    _turn(
        "runs retry 1 --cells 9223372036854775808",
        "run 1 has no cell 9223372036854775808; see: farm results list 1",
    ),
    _turn(
        "runs retry 1 --cells all --detach",
        "no orchestrator of this farm is running; start one with: farm up",
        3,
    ),
    _turn("runs logs 99", "no run 99; see: farm runs list"),
    _turn("runs logs 1 2", "run 1 has no cell 2; see: farm results list 1"),
    _turn(
        "runs logs 1 abc",
        "Invalid value for 'CELL': 'abc' is no whole number; see: farm runs logs --help",
    ),
    _turn(
        "runs logs 9223372036854775808",
        "a number is too large for a database: write a smaller one",
    ),
    _turn("explain 99", "no run 99; see: farm runs list"),
    _turn("explain 1 2", "run 1 has no cell 2; see: farm results list 1"),
    _turn(
        "explain abc",
        "Invalid value for 'RUN': 'abc' is no whole number; see: farm explain --help",
    ),
    _turn(
        "explain 9223372036854775808", "a number is too large for a database: write a smaller one"
    ),
    _turn(
        "explain 1 9223372036854775808",
        "a number is too large for a database: write a smaller one",
    ),
    _turn("results list 99", "no run 99; see: farm runs list"),
    _turn(
        "results list --run 9223372036854775808",
        "a number is too large for a database: write a smaller one",
    ),
    _turn("results list --workload quik", "--workload: unknown 'quik': did you mean 'quick'?"),
    _turn("results list --mode nativ", "--mode: unknown 'nativ': did you mean 'native'?"),
    _turn("results list --device locl", "--device: unknown 'locl': did you mean 'local'?"),
    _turn("results list --arch arm64", "--arch: unknown 'arm64': did you mean 'aarch64'?"),
    _turn(
        "results list --outcome ok",
        "--outcome: unknown 'ok': known are succeeded, workload_failed, wrong_output,"
        " timed_out, cancelled, device_failed, infrastructure_failed, unsupported",
    ),
    _turn(
        "results list --sort median",
        "--sort: unknown 'median': known are newest, oldest, fastest, slowest, workload,"
        " mode, device",
    ),
    _turn("results list --json --csv", "--json and --csv are two forms of the same: take one"),
    _turn(
        "results list --since tomorrow",
        "--since: 'tomorrow' is no time: write 7d, 12h, 30m or 2w ago, a date such as"
        " 2026-11-25, or 2026-11-25T14:30",
    ),
    _turn("results show", "Missing argument 'CELL'; see: farm results show --help"),
    _turn("results show 99", "there is no cell 99; see: farm results list"),
    _turn(
        "results show 9223372036854775808",
        "a number is too large for a database: write a smaller one",
    ),
    _turn("results files", "Missing argument 'CELL'; see: farm results files --help"),
    _turn(
        "results files 99 out",
        "Got unexpected extra argument(s) (out); see: farm results files --help",
    ),
    _turn(
        "results files 1 out",
        "Got unexpected extra argument(s) (out); see: farm results files --help",
    ),
    _turn("sql", "there is no statement: write one, such as 'SELECT * FROM result'"),
    _turn("sql 'SELEC 1'", 'line 1, column 1 of the statement: near "SELEC": syntax error'),
    _turn(
        "sql 'SELECT 1; SELECT 2'",
        "the statement is wrong: You can only execute one statement at a time.",
    ),
    _turn(
        "sql 'DELETE FROM runs'", "farm sql only reads: begin with SELECT, WITH, VALUES or EXPLAIN"
    ),
    _turn(
        "sql \"ATTACH 'x.db' AS x\"",
        "farm sql only reads: begin with SELECT, WITH, VALUES or EXPLAIN",
    ),
    _turn(
        "sql 'PRAGMA writable_schema = 1'",
        "farm sql only reads: begin with SELECT, WITH, VALUES or EXPLAIN",
    ),
    _turn(
        "sql 'SELECT nothing_such FROM result'",
        "line 1, column 8 of the statement: no such column: nothing_such",
    ),
    _turn(
        "sql --timeout 0.2 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT count(*) FROM n'",
        "stopped after 0.2 s: ask for less, or allow more with --timeout SECONDS",
    ),
    _turn("sql --timeout nan 'SELECT 1'", "--timeout nan: write a number of seconds, 0: never"),
    _turn(
        "sql --timeout -1 'SELECT 1'",
        "Invalid value for '--timeout': -1.0 is not in the range 0<=x<=86400; see: farm"
        " sql --help",
    ),
    _turn(
        "sql --file gone.sql", "gone.sql: cannot be read (No such file or directory): name a file"
    ),
    _turn("sql --file folder", "folder: cannot be read (Is a directory): name a file"),
    _turn("sql --file taken 'SELECT 1'", "a statement and --file: give one of them"),
    _turn("sql --json --csv 'SELECT 1'", "--json and --csv are two forms of the same: take one"),
    _turn("sql --views 'SELECT 1'", "--views takes no statement: leave one of them out"),
    _turn(
        "devices list now", "Got unexpected extra argument(s) (now); see: farm devices list --help"
    ),
    _turn("devices show", "Missing argument 'DEVICE'; see: farm devices show --help"),
    _turn("devices show locl", "no device locl; see: farm devices list"),
    _turn("db", "Missing command; see: farm db --help"),
    _turn(
        "db restor cut.tar new",
        "No such command 'restor'. Did you mean 'restore'?; see: farm db --help",
    ),
    _turn("db backup", "Missing argument 'FILE'; see: farm db backup --help"),
    _turn(
        "db backup farm.zip", "farm.zip: name it .tar, .tar.gz or .tar.zst, such as farm.tar.zst"
    ),
    _turn(
        "db backup cut.tar", "cut.tar is there already: nothing was changed; choose another name"
    ),
    _turn("db backup gone/farm.tar", "gone/farm.tar: there is no folder gone: make it first"),
    _turn(
        "db restore gone.tar new",
        "gone.tar: cannot be read (No such file or directory): name a backup",
    ),
    _turn(
        "db restore cut.tar new",
        "cut.tar: no backup of a farm, or damaged (truncated header): take another",
    ),
    _turn(
        "db restore cut.tar.zst new",
        "cut.tar.zst: no backup of a farm, or damaged (empty file): take another",
    ),
    _turn("db restore folder new", "folder: cannot be read (Is a directory): name a backup"),
    _turn(
        "db restore cut.tar .", "HOME is there already: nothing was changed; choose a new folder"
    ),
    _turn(
        "db restore cut.tar taken",
        "HOME/taken is there already: nothing was changed; choose a new folder",
    ),
    _turn(
        "db restore cut.tar new --database mysql://root:secret@db/farm",
        "--database takes postgresql://USER@HOST:PORT/NAME; without it the farm gets a"
        " SQLite file of its own",
    ),
    _turn(
        "db check --dep",
        "No such option: --dep (Possible options: --deep, --help); see: farm db check --help",
    ),
    _turn(
        "db upgrade 0001", "Got unexpected extra argument(s) (0001); see: farm db upgrade --help"
    ),
    _turn(
        "db downgrade 0001",
        "Got unexpected extra argument(s) (0001); see: farm db downgrade --help",
    ),
    _turn(
        "gc --older-than 30", "--older-than 30: write a number and a unit, such as 30d, 12h or 5m"
    ),
    _turn(
        "gc --older-than 99999999d",
        "--older-than 99999999d: write a number and a unit, such as 30d, 12h or 5m",
    ),
    _turn(
        "gc --older-than -1d",
        "--older-than -1d: write a number and a unit, such as 30d, 12h or 5m",
    ),
    _turn("gc all", "Got unexpected extra argument(s) (all); see: farm gc --help"),
)
