"""The installed command line: help, mistakes with their exact line and code, clean JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.cli.nouns import NOUNS
from tests.support.commands import farm


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new farm."""
    folder = tmp_path_factory.mktemp("farm")
    said = farm("init", ".", cwd=folder)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"a farm in {folder}; its devices are declared in inventory.yaml\n"
    return folder


def test_help_names_every_command(tmp_path: Path) -> None:
    """With and without --help, on stdout, without a farm."""
    said = farm("--help", cwd=tmp_path)
    assert said == farm(cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    for noun in NOUNS:
        assert f"\n  {noun.name:<10} {noun.help}\n" in said.out


@pytest.mark.parametrize("noun", [noun.name for noun in NOUNS])
def test_every_command_has_help(noun: str, tmp_path: Path) -> None:
    """Each loads by itself."""
    said = farm(noun, "--help", cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"Usage: farm {noun}")


def test_version(tmp_path: Path) -> None:
    """The installed one."""
    said = farm("--version", cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("farm ")


MISTAKES = {
    "rnu": "farm: No such command 'rnu'. Did you mean 'run'?; see: farm --help",
    "runs": "farm: Missing command; see: farm runs --help",
    "runs show": "farm: Missing argument 'RUN'; see: farm runs show --help",
    "results list --bogus": "farm: No such option: --bogus; see: farm results list --help",
    "run": "farm: name a matrix (.yaml), a program (.wasm, .c, ELF, folder) or --resume",
    "run x.c --memory 1X": "farm: --memory '1X': write a whole number of bytes, or 64K, 256M, 2G",
    "run x.c --output-bytes 0": (
        "farm: --output-bytes '0': write a size above 0, and below an exabyte"
    ),
    "results files 99": "farm: cell 99 has no attempt; see: farm results list",
    "workloads new a --from gone.c": None,
    "run x.yaml --mode native": (
        "farm: a matrix takes --set only, such as --set repeats=3; the other options and"
        " arguments are for a program"
    ),
    "run x.yaml --set repeats": "farm: 'repeats' is not K=V, such as repeats=3",
    "run x.c --set repeats=3": ("farm: --set is for a matrix; a program has options of its own"),
    "run x.c --dir a": "farm: 'a' is not HOST::GUEST, such as /srv/data::data",
    "run x.c --resume 3": "farm: --resume takes a run's own order and nothing else",
    "build x.yaml --arch x86_64": ("farm: name a matrix, or --arch and --workload, not both"),
    "runs show 99": "farm: no run 99; see: farm runs list",
    "runs cancel 99": "farm: no run 99; see: farm runs list",
    "results list 99": "farm: no run 99; see: farm runs list",
    "results show 99": "farm: there is no cell 99; see: farm results list",
    "devices show locl": "farm: no device locl; see: farm devices list",
    "workloads show gem": "farm: there is no workload gem: did you mean 'gemm'?",
    "init .": None,
    "--farm /nowhere runs list": ("farm: /nowhere is no farm: make one with `farm init /nowhere`"),
    "runs list --farm /nowhere": ("farm: /nowhere is no farm: make one with `farm init /nowhere`"),
}


@pytest.mark.parametrize("line", list(MISTAKES))
def test_a_mistake_is_one_line_and_exit_code_2(line: str, home: Path) -> None:
    """Nothing on stdout, one line on stderr that says the next step."""
    said = farm(*line.split(), cwd=home)
    assert (said.code, said.out) == (2, "")
    assert said.complaint.startswith("farm: ")
    if MISTAKES[line] is not None:
        assert said.complaint == MISTAKES[line]


MATRIX = "name: m\nworkloads: [noop]\nmodes: [native]\ndevices: [local]\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("modes: [native]", "modes: [natve]", 3, "natve"),
        ("workloads: [noop]", "workloads: [nop]", 2, "nop"),
        ("devices: [local]", "devices: [locl]", 4, "locl"),
        ("name: m", "nme: m", 1, "nme"),
        ("devices: [local]", "devices: [local]\nexclude: [{device: local}]", None, "empty"),
    ],
    ids=["mode", "workload", "device", "key", "empty"],
)
@pytest.mark.parametrize("command", ["plan", "run", "build"])
def test_a_wrong_matrix_is_named_by_file_and_line(
    command: str, old: str, new: str, line: int | None, word: str, home: Path, tmp_path: Path
) -> None:
    """The same complaint whoever reads it; no run is left behind."""
    path = tmp_path / "m.yaml"
    path.write_text(MATRIX.replace(old, new))
    said = farm(command, path, cwd=home)
    assert (said.code, said.out) == (2, "")
    place = f"{path}:{line}:" if line else f"{path}"
    assert said.complaint.startswith(f"farm: {place}")
    assert word in said.complaint
    assert json.loads(farm("runs", "list", "--json", cwd=home).out) == []


def test_init_refuses_to_overwrite(home: Path) -> None:
    """What is there stays as it is."""
    before = (home / "farm.toml").read_bytes()
    said = farm("init", cwd=home)
    assert (said.code, said.out) == (2, "")
    assert said.complaint.endswith(
        "farm.toml is there already: nothing was changed; choose another folder"
    )
    assert (home / "farm.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("runs list", list),
        ("results list", list),
        ("devices list", list),
        ("devices show local", dict),
        ("workloads list", list),
        ("workloads show noop", dict),
        ("doctor", list),
    ],
)
def test_every_read_has_clean_json(line: str, shape: type, home: Path) -> None:
    """One document on stdout, nothing else on either stream."""
    said = farm(*line.split(), "--json", cwd=home)
    assert (said.code, said.err) == (0, "")
    assert isinstance(json.loads(said.out), shape)


def test_plan_tells_who_could_take_each_cell(home: Path, tmp_path: Path) -> None:
    """As a table for people and as a document."""
    path = tmp_path / "m.yaml"
    path.write_text(MATRIX)
    found = json.loads(farm("plan", path, "--json", cwd=home).out)
    assert [(cell["workload"], cell["mode"], cell["devices"]) for cell in found["cells"]] == [
        ("noop", "native", ["local"])
    ]
    assert found["name"] == "m"
    said = farm("plan", path, cwd=home)
    assert said.err.startswith("m: 1 cell, 0 impossible\n")
    assert "noop" in said.out


def test_plan_tells_what_would_be_built(home: Path, tmp_path: Path) -> None:
    """Each target with the reason, as a table and as a document; nothing is made or fetched."""
    path = tmp_path / "m.yaml"
    path.write_text(MATRIX)
    cache = tmp_path / "cache"
    cold = {"FARM_CACHE_DIR": str(cache)}
    found = json.loads(farm("plan", path, "--json", cwd=home, env=cold).out)
    steps = {step["name"]: step for step in found["build"]}
    assert {step["state"] for step in steps.values()} == {"waiting"}
    assert steps["WAMR sources"]["reason"] == "never fetched"
    assert steps["farm-runner fast x86_64"]["reason"] == "never built"
    said = farm("plan", path, cwd=home, env=cold)
    assert said.err.splitlines()[1] == f"to build: {len(steps)} of {len(steps)} artifacts"
    assert "farm-runner fast x86_64" in said.out
    assert [file.name for file in cache.rglob("*") if file.is_file()] == ["digests.json"]


def test_an_old_database_names_its_remedy(tmp_path: Path) -> None:
    """Nothing is upgraded behind the user's back; an empty one is what nobody upgraded."""
    assert farm("init", "f", cwd=tmp_path).code == 0
    for file in (tmp_path / "f" / "data").glob("farm.db*"):
        file.unlink()
    (tmp_path / "f" / "data" / "farm.db").touch()
    said = farm("--farm", "f", "runs", "list", cwd=tmp_path)
    assert said.code == 3
    assert "farm db upgrade" in said.complaint
    assert farm("--farm", "f", "db", "upgrade", cwd=tmp_path).code == 0
    assert farm("--farm", "f", "db", "upgrade", cwd=tmp_path).out == "nothing to do\n"
    assert farm("--farm", "f", "runs", "list", cwd=tmp_path).code == 0


def test_a_reader_that_leaves_early_is_no_error(home: Path) -> None:
    """`farm .. | head -1` ends quietly."""
    import subprocess

    from tests.support.commands import FARM, environment

    with subprocess.Popen(
        [FARM, "doctor"],
        cwd=home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
