"""farm.toml: found, read with the line of each mistake, made whole or not at all."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from orchestrator.config import (
    BUILTIN_WORKLOADS,
    FarmConfig,
    config_text,
    create_farm,
    default_cache,
    find_farm,
    load_config,
    parse_config,
)
from orchestrator.domain.errors import ConfigError, StoreUnavailable
from orchestrator.domain.runtime_source import RuntimeSource
from orchestrator.store.address import shown
from tests.support.files import complaint

ENVIRON = {"HOME": "/home/someone", "FARM_CACHE_DIR": "/var/cache/farm"}

BAD = [
    ("", "DIR/farm.toml: 'farm_id' is missing: add it, or make a new farm"),
    ("farm_id = 'a'\nlsten = 'x'", "DIR/farm.toml:2: unknown key 'lsten': did you mean 'listen'?"),
    (
        "farm_id = 'a'\nruntime_sources = 'y'",
        "DIR/farm.toml:2: 'runtime_sources' is 'y': write a table of names",
    ),
    (
        "farm_id = 'A b'",
        "DIR/farm.toml:1: 'farm_id' is 'A b': write the id that `farm init` made",
    ),
    (
        "farm_id = 'a'\nlisten = '7000'",
        "DIR/farm.toml:2: 'listen' is '7000': write HOST:PORT, such as 127.0.0.1:0",
    ),
    (
        "farm_id = 'a'\nlisten = 'h:70000'",
        "DIR/farm.toml:2: 'listen' is 'h:70000': write HOST:PORT, such as 127.0.0.1:0",
    ),
    (
        "farm_id = 'a'\nlease_s = '30'",
        "DIR/farm.toml:2: 'lease_s' is '30': write a number of seconds",
    ),
    (
        "farm_id = 'a'\ngrace_s = 0.1",
        "DIR/farm.toml:2: 'grace_s' is 0.1: write a number of seconds from 1 to 86400",
    ),
    (
        "farm_id = 'a'\nretries = -1",
        "DIR/farm.toml:2: 'retries' is -1: write a whole number from 0 to 100",
    ),
    (
        "farm_id = 'a'\nretries = true",
        "DIR/farm.toml:2: 'retries' is true: write a whole number from 0 to 100",
    ),
    (
        "farm_id = 'a'\ndatabase = 'mysql://me:secret@db'",
        "DIR/farm.toml:2: 'database' begins with 'mysql': write sqlite:///PATH or"
        " postgresql://USER@HOST:PORT/NAME",
    ),
    *(
        (
            f"farm_id = 'a'\ndatabase = '{url}'",
            "DIR/farm.toml:2: 'database' holds a password: take it out, put it into ~/.pgpass or"
            " PGPASSWORD, and change it if others may have seen it",
        )
        for url in (
            "postgresql://me:secret@db/farm",
            "postgresql://me:@db/farm",
            "postgresql://me:sec?ret@db/farm",
            "postgresql://me:sec#ret@db/farm",
            "postgresql://me:sec/ret@db/farm",
            "postgresql://db/farm?sslmode=require&password=secret",
        )
    ),
    (
        "farm_id = 'a'\ndatabase = \"postgresql://db/fa rm\"",
        "DIR/farm.toml:2: 'database' holds a blank or a control character: write %20 for a blank",
    ),
    (
        "farm_id = 'a'\nworkloads = 'w'",
        "DIR/farm.toml:2: 'workloads' is 'w': write a list of text in quotes",
    ),
    (
        "farm_id = 'a'\nworkloads = ['gone']",
        "DIR/farm.toml:2: no folder DIR/gone: make it or remove it here",
    ),
    ("farm_id = 'a'\ndata = ''", "DIR/farm.toml:2: 'data' is '': write text in quotes"),
    ("farm_id = a", "DIR/farm.toml:1: not valid TOML (Invalid value): correct this line"),
    (
        "farm_id = 'a'\nfarm_id = 'b'",
        "DIR/farm.toml:2: not valid TOML (Cannot overwrite a value): correct this line",
    ),
    (
        "farm_id = 'a'\nworkloads = ['x'",
        "DIR/farm.toml:2: not valid TOML (Unclosed array): correct this line",
    ),
]


@pytest.mark.parametrize(("written", "told"), BAD)
def test_a_mistake_is_one_line(tmp_path: Path, written: str, told: str) -> None:
    """The line says file, line, what is wrong and what to write."""
    assert complaint(lambda: parse_config(written, tmp_path, ENVIRON), tmp_path) == told


def test_defaults_fill_what_is_not_written(tmp_path: Path) -> None:
    """A farm.toml needs nothing but the farm's id."""
    (tmp_path / "farm.toml").write_text("farm_id = 'farm-1'\n")
    assert load_config(tmp_path, ENVIRON) == FarmConfig(
        folder=tmp_path,
        farm_id="farm-1",
        database_url=f"sqlite:///{tmp_path}/data/farm.db",
        data=tmp_path / "data",
        listen="127.0.0.1:0",
        lease_s=30.0,
        grace_s=30.0,
        retries=2,
        cache=Path("/var/cache/farm"),
        workloads=(BUILTIN_WORKLOADS,),
        runtime_sources={"pinned": RuntimeSource()},
    )


def test_everything_can_be_written(tmp_path: Path) -> None:
    """Each key counts; relative paths are the farm's."""
    (tmp_path / "mine").mkdir()
    written = """
farm_id = "farm-1"
database = "sqlite:///db/other.db"
data = "elsewhere"
listen = "[::1]:7000"
lease_s = 10
grace_s = 2.5
retries = 0
cache = "cache"
workloads = ["mine"]
"""
    config = parse_config(written, tmp_path, ENVIRON)
    assert config.database_url == f"sqlite:///{tmp_path}/db/other.db"
    assert config.data == tmp_path / "elsewhere"
    assert config.listen == "[::1]:7000"
    assert (config.lease_s, config.grace_s, config.retries) == (10.0, 2.5, 0)
    assert config.cache == tmp_path / "cache"
    assert config.workloads == (BUILTIN_WORKLOADS, tmp_path / "mine")


def test_the_cache_is_one_per_user() -> None:
    """Farms of one user share what was built."""
    assert default_cache({"FARM_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert default_cache({"XDG_CACHE_HOME": "/b"}) == Path("/b/farm")
    assert default_cache({"HOME": "/c", "XDG_CACHE_HOME": ""}) == Path("/c/.cache/farm")


def test_a_user_without_home_has_the_one_of_the_accounts() -> None:
    """Where there is none either, as in a container, the line says what to set."""
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        assert complaint(lambda: default_cache({})).startswith("HOME is not set and user ")
    else:
        assert default_cache({}) == Path(home) / ".cache" / "farm"


def test_a_farm_is_found(tmp_path: Path) -> None:
    """Said, else FARM_DIR, else the nearest parent."""
    inner = tmp_path / "a" / "farm"
    (inner / "deep").mkdir(parents=True)
    (inner / "farm.toml").touch()
    (tmp_path / "farm.toml").touch()
    assert find_farm(None, {}, inner / "deep") == inner
    assert find_farm(None, {"FARM_DIR": str(tmp_path)}, inner) == tmp_path
    assert find_farm(Path("farm"), {"FARM_DIR": str(tmp_path)}, inner.parent) == inner


def test_no_farm_is_told_with_the_next_step(tmp_path: Path) -> None:
    """A person in the wrong folder learns both ways out."""
    assert complaint(lambda: find_farm(None, {}, tmp_path)) == (
        "no farm here: make one with `farm init`, or name one with --farm DIR or FARM_DIR"
    )
    assert complaint(lambda: find_farm(Path("x"), {}, tmp_path)) == (
        "x is no farm: make one with `farm init x`"
    )
    assert complaint(lambda: load_config(tmp_path), tmp_path) == (
        "DIR/farm.toml: no such file: make a farm with `farm init`"
    )


def test_a_servers_database_is_taken_as_written(tmp_path: Path) -> None:
    """With its parameters, which are libpq's to read."""
    url = "postgresql://me@db:5433/farm?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    config = parse_config(config_text("farm-x", url), tmp_path, ENVIRON)
    assert config.database_url == url
    assert shown(url) == "postgresql://me@db:5433/farm"
    for password in ("secret", "sec?ret", "sec#ret", "sec/ret", "sec@ret"):
        assert shown(f"postgresql://me:{password}@db/farm") == "postgresql://me@db/farm"
    assert shown("postgresql://db/farm?user=me@there") == "postgresql://db/farm"


def test_a_new_farm_can_be_loaded(tmp_path: Path) -> None:
    """What ``farm init`` writes is what ``farm up`` reads, in a folder for its owner alone."""
    folder = tmp_path / "new" / "farm"
    made = create_farm(folder, "devices: {}\n")
    assert load_config(folder) == made
    assert made.inventory.read_text() == "devices: {}\n"
    assert stat.S_IMODE(made.data.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == [
        "data",
        "farm.toml",
        "inventory.yaml",
    ]


def test_each_farm_has_its_own_id(tmp_path: Path) -> None:
    """The id is the name in certificates, so two farms never share one."""
    one = create_farm(tmp_path / "one", "")
    other = create_farm(tmp_path / "other", "")
    assert one.farm_id != other.farm_id


@pytest.mark.parametrize("present", ["farm.toml", "inventory.yaml", "data"])
def test_a_farm_is_never_overwritten(tmp_path: Path, present: str) -> None:
    """A second ``farm init`` changes nothing."""
    (tmp_path / present).write_text("mine")
    assert complaint(lambda: create_farm(tmp_path, ""), tmp_path) == (
        f"DIR/{present} is there already: nothing was changed; choose another folder"
    )
    assert [path.name for path in tmp_path.iterdir()] == [present]
    assert (tmp_path / present).read_text() == "mine"


def test_a_farm_half_made_leaves_nothing(tmp_path: Path) -> None:
    """When its database cannot be made there is no farm, and no folder that was not there."""

    def fill(config: FarmConfig) -> None:
        (config.data / "farm.db").write_text("half")
        assert not (config.folder / "farm.toml").exists()
        raise StoreUnavailable("disk full")

    with pytest.raises(StoreUnavailable, match="disk full"):
        create_farm(tmp_path / "a" / "b", "", fill=fill)
    assert list(tmp_path.iterdir()) == []


def test_a_farm_beside_other_files_is_undone_alone(tmp_path: Path) -> None:
    """Undoing never touches what a person had in the folder."""
    (tmp_path / "notes.txt").write_text("mine")

    def fill(_: FarmConfig) -> None:
        raise StoreUnavailable("disk full")

    with pytest.raises(StoreUnavailable):
        create_farm(tmp_path, "", fill=fill)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_place_that_cannot_hold_a_farm_is_told(tmp_path: Path) -> None:
    """A file in the way of the folder is a mistake of the user's."""
    (tmp_path / "file").touch()
    told = complaint(lambda: create_farm(tmp_path / "file" / "farm", ""), tmp_path)
    assert told == (
        "DIR/file/farm: cannot make a farm (Not a directory): choose a folder you can write"
    )


def test_the_written_text_is_valid(tmp_path: Path) -> None:
    """The comments of a new farm.toml do not hide its keys."""
    config = parse_config(config_text("farm-x"), tmp_path, ENVIRON)
    assert (config.farm_id, config.listen) == ("farm-x", "127.0.0.1:0")
    assert os.path.isabs(config.database_url.removeprefix("sqlite:///"))


def test_errors_are_config_errors(tmp_path: Path) -> None:
    """A command line can tell a wrong farm from a wrong matrix."""
    with pytest.raises(ConfigError) as caught:
        parse_config("farm_id = 'a'\nx = 1", tmp_path, ENVIRON)
    assert (caught.value.file, caught.value.line) == (tmp_path / "farm.toml", 2)


def test_own_workloads_are_found(tmp_path: Path) -> None:
    """A farm's own workloads folder is read without a word in farm.toml."""
    (tmp_path / "workloads").mkdir()
    config = parse_config("farm_id = 'a'\n", tmp_path, {})
    assert config.workloads == (BUILTIN_WORKLOADS, tmp_path / "workloads")
