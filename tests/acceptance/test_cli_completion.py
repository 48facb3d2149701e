"""Completion as people have it: the real shells, with the script of `farm completion`."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from string import ascii_letters, digits

import pytest

from tests.support.commands import FARM, environment, farm
from tests.support.measured import measured_farm


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm with three runs, and a file with a space in its name."""
    home = measured_farm(tmp_path_factory.mktemp("measured") / "farm")
    (home / "my matrix.yaml").touch()
    (home / "runs").mkdir()
    return home


def offered(home: Path, *words: str) -> list[str]:
    """Answer what ``farm __complete`` says, its kind first."""
    said = farm("__complete", *words, cwd=home)
    assert (said.code, said.err) == (0, "")
    return [line.partition("\t")[0] for line in said.out.splitlines()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ru"], ["run", "runs"]),
        (["runs", "ca"], ["cancel"]),
        (["runs", "show", ""], ["3", "2", "1"]),
        (["runs", "logs", "1", ""], ["1", "2", "3", "4"]),
        (["explain", "2", ""], ["5"]),
        (["results", "list", "--work"], ["--workload"]),
        (["results", "list", "--workload", "ge"], ["gemm"]),
        (["results", "list", "--json", "--device", "l"], ["local"]),
        (["results", "list", "--mode", "wamr-aot"], ["wamr-aot", "wamr-aot+kernels"]),
        (["results", "list", "--inv"], ["--invalid"]),
        (["results", "list", "--outcome", "wr"], ["wrong_output"]),
        (["runs", "list", "--state", "d"], ["done"]),
        (["runs", "list", "--limit", ""], []),
        (["devices", "show", "l"], ["local"]),
        (["workloads", "show", "gem"], ["gemm"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["help", "runs", "sh"], ["show"]),
        (["--color", "a"], ["auto", "always"]),
        (["nonsense", ""], []),
        (["runs", "nonsense", ""], []),
        (["devices", "list", ""], []),
    ],
)
def test_words_that_fit_are_offered(home: Path, words: list[str], found: list[str]) -> None:
    """Commands, options, their values, and what this farm has."""
    assert offered(home, *words) == ["words", *found]


@pytest.mark.parametrize(
    "words", [["run", "x"], ["plan", ""], ["run", "--stdin", ""], ["run", "x.c", "--", ""]]
)
def test_where_a_file_belongs_the_shell_completes_it(home: Path, words: list[str]) -> None:
    """It knows quotes, homes and folders."""
    assert offered(home, *words) == ["files"]


def test_names_come_from_the_farm_that_is_meant(home: Path, tmp_path: Path) -> None:
    """By the root's option and by the command's own, also as bash takes it apart."""
    assert offered(tmp_path, "--farm", str(home), "runs", "show", "") == ["words", "3", "2", "1"]
    assert offered(tmp_path, "--farm", "=", str(home), "explain", "") == ["words", "3", "2", "1"]
    assert offered(tmp_path, "runs", "show", "--farm", str(home), "") == ["words", "3", "2", "1"]


def test_without_a_farm_there_are_no_names_and_no_noise(tmp_path: Path) -> None:
    """Nor with one that is damaged."""
    assert offered(tmp_path, "runs", "show", "") == ["words"]
    damaged = measured_farm(tmp_path / "farm")
    (damaged / "data" / "farm.db").write_bytes(b"no database" * 1000)
    assert offered(damaged, "runs", "show", "") == ["words"]
    (damaged / "farm.toml").write_text("[")
    assert offered(damaged, "runs", "show", "") == ["words"]


def test_only_what_is_one_plain_word_is_offered(tmp_path: Path) -> None:
    """A folder of workloads may be called anything; a run's name may hold what moves a cursor."""
    home = measured_farm(tmp_path / "farm")
    for name in ("plain", "two words", "$(touch gone)", "a;touch gone", "line\nbreak", "tab\tbed"):
        (home / "workloads" / name).mkdir(parents=True)
        (home / "workloads" / name / "workload.yaml").touch()
    found = offered(home, "workloads", "show", "")
    assert "plain" in found
    assert all(set(word) <= {*ascii_letters, *digits, *"-_."} for word in found), found
    assert offered(home, "runs", "logs", "9" * 30, "") == ["words"]
    with closing(sqlite3.connect(home / "data" / "farm.db")) as database, database:
        database.execute("UPDATE runs SET name = 'x\n\x1b[2J' WHERE id = 1")
    said = farm("__complete", "runs", "show", "1", cwd=home)
    assert said.out == "words\n1\tx\\x0a\\x1b[2J, done\n"


def test_completing_starts_nothing(home: Path) -> None:
    """No orchestrator, and neither SQLAlchemy, gRPC nor rich is imported."""
    script = (
        "import sys; from orchestrator.cli.main import run;"
        " run(['__complete', 'runs', 'show', '']);"
        " print(sorted({'sqlalchemy', 'grpc', 'rich', 'ruamel'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [FARM.with_name("python"), "-c", script],
        cwd=home,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines()[-1] == "[]"
    assert not (home / "data" / "control").exists()


def shell(name: str, script: str, home: Path) -> str:
    """Run a script in a real shell that finds ``farm``."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed; bring it with: apt-get install {name}")
    flags = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
    path = f"{FARM.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [program, *flags, "-c", script],
        cwd=home,
        env=environment(PATH=path, HOME=str(home), TERM="dumb"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("farm ru", ["run", "runs"]),
        ("farm runs show ", ["3", "2", "1"]),
        ("farm results list --workload ge", ["gemm"]),
    ],
)
def test_bash_completes(home: Path, line: str, found: list[str]) -> None:
    """Its own function is called as readline calls it."""
    script = f"""
        source <(farm completion bash)
        line={line!r}
        read -ra COMP_WORDS <<< "$line"
        [[ $line == *" " ]] && COMP_WORDS+=("")
        COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        _farm_complete
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert shell("bash", script, home).split() == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("farm ru", ["run", "runs"]),
        ("farm runs show ", ["3", "2", "1"]),
        ("farm results list --workload ge", ["gemm"]),
    ],
)
def test_zsh_completes(home: Path, line: str, found: list[str]) -> None:
    """Its function is called with a line; what it would show is what ``_describe`` is given."""
    script = f"""
        compdef() {{ : }}
        _files() {{ print files }}
        _describe() {{ print -l -- "${{(@)${{(@P)argv[-1]}}%%:*}}" }}
        eval "$(farm completion zsh)"
        line={line!r}
        words=("${{(@s: :)line}}")
        CURRENT=$#words
        _farm
    """
    assert shell("zsh", script, home).split() == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("farm ru", ["run", "runs"]),
        ("farm runs show ", ["3", "2", "1"]),
        ("farm results list --workload ge", ["gemm"]),
    ],
)
def test_fish_completes(home: Path, line: str, found: list[str]) -> None:
    """Asked as its own key does."""
    script = f"farm completion fish | source; complete -C {line!r}"
    lines = shell("fish", script, home).splitlines()
    assert [text.partition("\t")[0] for text in lines] == found


def test_an_unknown_shell_is_refused(tmp_path: Path) -> None:
    """With those that are known."""
    said = farm("completion", "tcsh", cwd=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert "'bash', 'zsh', 'fish'" in said.complaint
