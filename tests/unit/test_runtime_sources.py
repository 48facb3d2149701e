"""``runtime_sources`` of farm.toml, and modes that name them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.build.modes import resolve_mode, why_impossible
from orchestrator.care.doctor import examine_sources
from orchestrator.config import parse_config
from orchestrator.domain.device import Arch, DeviceType
from orchestrator.domain.errors import MatrixError
from orchestrator.domain.matrix import MatrixSpec, Mode, Runtime
from orchestrator.domain.order import ProgramOrder
from orchestrator.domain.runtime_source import PINNED, RuntimeSource
from orchestrator.domain.workload import Case, Workload
from orchestrator.files.matrixfile import parse_matrix
from orchestrator.files.modefile import parse_mode
from orchestrator.files.programs import program_spec
from orchestrator.files.sources import FEATURES, FLAGS
from orchestrator.matrix import cell_key, points
from tests.support.files import complaint, inventory, workloads

ROOT = Path(__file__).parents[2]
HEAD = "farm_id = 'a'\n[runtime_sources]\n"
SOURCES = (PINNED, "lean", "mine")
PC = DeviceType("pc", Arch.X86_64, "x86-64-v3")
HINT = 'write a folder in quotes, or {tree = "..", flags = {TAIL_CALL = 0}}'

BAD = [
    ("pinned = '../wamr'", "3: 'pinned' is always there: choose another name"),
    (
        "'a b' = '../wamr'",
        "3: 'a b' cannot be a name: write a name of letters, digits, '.', '_' and '-'",
    ),
    ("x = 1", f"3: 'x' is 1: {HINT}"),
    ("x = {}", f"3: 'x' is {{}}: {HINT}"),
    ("x = {tree = 1}", f"3: 'tree' is 1: {HINT}"),
    ("x = ''", f"3: 'x' is '': {HINT}"),
    ("x = {flags = {}}", "3: 'x' is the pinned WAMR as it is: name a tree or flags"),
    ("x = {flag = {TAIL_CALL = 0}}", "3: unknown key 'flag': did you mean 'flags'?"),
    ("x = {flags = 1}", "3: 'flags' is 1: write flags, such as {TAIL_CALL = 0}"),
    ("x = {flags = {TAIL_CAL = 0}}", "3: unknown flag 'TAIL_CAL': did you mean 'TAIL_CALL'?"),
    ("x = {flags = {TAIL_CALL = false}}", "3: 'TAIL_CALL' is False: write 0 or 1"),
    ("x = {flags = {TAIL_CALL = 2}}", "3: 'TAIL_CALL' is 2: write 0 or 1"),
    ("x = {flags = {TAIL_CALL = 1}}", "3: 'TAIL_CALL' is 1 already: leave it out"),
    (
        "x = {flags = {TAIL_CALL = 0, WAMR_BUILD_TAIL_CALL = 0}}",
        "3: 'TAIL_CALL' is said twice: keep one of them",
    ),
    (
        "x = {flags = {BULK_MEMORY_OPT = 0}}",
        "3: BULK_MEMORY_OPT = 0 changes nothing without BULK_MEMORY = 0: say both",
    ),
    (
        "x = {flags = {SIMD = 0}}",
        "3: 'SIMD' cannot be chosen: the mode's option 'simd' says it",
    ),
    # The line is the flag's own, though its words stand elsewhere too.
    (
        "x = '../TAIL_CALL'\n[runtime_sources.y.flags]\nTAIL_CALL = 0\nMEMORY46 = 1",
        "6: unknown flag 'MEMORY46': did you mean 'MEMORY64'?",
    ),
    (
        "[runtime_sources.z]\ntree = '../a'\nflagz = 1",
        "5: unknown key 'flagz': did you mean 'flags'?",
    ),
]


@pytest.mark.parametrize(("written", "told"), BAD)
def test_a_mistake_is_one_line(tmp_path: Path, written: str, told: str) -> None:
    """The line says file, line, what is wrong and what to write."""
    assert complaint(lambda: parse_config(HEAD + written, tmp_path, {}), tmp_path) == (
        f"DIR/farm.toml:{told}"
    )


def test_sources_are_read(tmp_path: Path) -> None:
    """A tree, flags, or both; ``pinned`` is first; a tree need not be there until it is used."""
    written = """
branch = "../wamr"
lean = {flags = {WAMR_BUILD_REF_TYPES = 0, CALL_INDIRECT_OVERLONG = 0, TAIL_CALL = 0}}
[runtime_sources.both]
tree = "/srv/wamr"
flags = {INSTRUCTION_METERING = 1}
"""
    assert parse_config(HEAD + written, tmp_path / "farm", {}).runtime_sources == {
        "pinned": RuntimeSource(),
        "branch": RuntimeSource(tmp_path / "wamr"),
        "lean": RuntimeSource(
            None, (("CALL_INDIRECT_OVERLONG", 0), ("REF_TYPES", 0), ("TAIL_CALL", 0))
        ),
        "both": RuntimeSource(Path("/srv/wamr"), (("INSTRUCTION_METERING", 1),)),
    }


def test_features_are_those_of_the_build() -> None:
    """What the reader knows of a proposal is what native/features.cmake has built."""
    built = dict(
        re.findall(r"^    ([A-Z0-9_]+)=([01])", (ROOT / "native/features.cmake").read_text(), re.M)
    )
    assert {name: int(built[name]) for name in FEATURES} == dict(FEATURES)
    assert "GC" in built
    assert "GC" not in FLAGS


def matrix(tmp_path: Path, modes: str, more: str = "") -> MatrixSpec:
    """A matrix of noop on this machine."""
    text = f"name: m\nworkloads: [noop]\nmodes: {modes}\ndevices: [local]\n{more}"
    found = workloads(tmp_path / "workloads")
    return parse_matrix(text, tmp_path / "m.yaml", found, inventory(), (), SOURCES)


def test_a_list_in_a_mode_is_an_axis(tmp_path: Path) -> None:
    """Each combination is a mode of its own, in the order written; ``pinned`` is the default."""
    spec = matrix(
        tmp_path,
        "\n- {mode: wamr-aot, runtime_source: [pinned, lean], simd: [true, false]}"
        '\n- "wamr-fast[runtime_source=mine]"',
    )
    assert [mode.label for mode in spec.modes] == [
        "wamr-aot[simd=true]",
        "wamr-aot[simd=false]",
        "wamr-aot[runtime_source=lean,simd=true]",
        "wamr-aot[runtime_source=lean,simd=false]",
        "wamr-fast[runtime_source=mine]",
    ]
    assert spec.modes[2].options == {"simd": True, "runtime_source": "lean"}


def test_labels_are_read_back() -> None:
    """What ``Mode.label`` writes, ``--mode`` takes."""
    mode = Mode(Runtime.AOT, opt=2, runtime_source="lean")
    assert parse_mode(mode.label, "--mode", SOURCES) == mode
    assert Mode(Runtime.AOT, runtime_source=PINNED).label == "wamr-aot"


@pytest.mark.parametrize(
    ("modes", "told"),
    [
        (
            "\n- {mode: wamr-fast, runtime_source: laen}",
            "4: unknown runtime source 'laen': did you mean 'lean'?",
        ),
        (
            '["wamr-fast[runtime_source=other]"]',
            "3: unknown runtime source 'other': known are pinned, lean, mine",
        ),
        (
            "\n- {mode: wamr-fast, runtime_source: []}",
            "4: 'runtime_source' is []: write a name of farm.toml's runtime_sources, or pinned,"
            " or a list of such values",
        ),
        (
            "\n- {mode: wamr-fast, runtime_source: [lean, lean]}",
            "4: 'lean' is listed twice: keep one of them",
        ),
        (
            "\n- wamr-fast\n- {mode: wamr-fast, runtime_source: [lean, pinned]}",
            "5: mode 'wamr-fast' is listed twice: keep one of them",
        ),
    ],
)
def test_wrong_names_are_told(tmp_path: Path, modes: str, told: str) -> None:
    """With the line of the mode."""
    assert complaint(lambda: matrix(tmp_path, modes), tmp_path) == f"DIR/m.yaml:{told}"


def test_a_source_can_be_excluded(tmp_path: Path) -> None:
    """By its name, ``pinned`` too; a name of nothing is refused."""
    modes = "\n- {mode: wamr-fast, runtime_source: [pinned, lean]}"
    for excluded, left in (("pinned", "lean"), ("lean", "pinned")):
        spec = matrix(tmp_path / excluded, modes, f"exclude: [{{runtime_source: {excluded}}}]\n")
        found = [mode.runtime_source for _, _, mode in points(spec, inventory().devices)]
        assert found == [left]
    told = complaint(lambda: matrix(tmp_path / "x", modes, "exclude:\n- {runtime_source: lena}\n"))
    assert told.endswith("m.yaml:7: unknown runtime source 'lena': did you mean 'lean'?")


def test_a_programs_mode_may_name_a_source(tmp_path: Path) -> None:
    """``farm run FILE --mode 'wamr-aot[runtime_source=lean]'``."""
    file = tmp_path / "main.c"
    file.write_text("int main(void) { return 0; }\n")
    order = ProgramOrder(file, modes=("wamr-aot[runtime_source=lean]",))
    spec = program_spec(order, inventory(), SOURCES)
    assert [mode.runtime_source for mode in spec.modes] == ["lean"]
    with pytest.raises(MatrixError, match=r"^--mode .*: unknown runtime source 'lean'"):
        program_spec(order, inventory())


def test_the_key_of_a_cell_knows_its_source() -> None:
    """The pinned WAMR's cells keep the keys they had; another's are other cells."""
    case = Case(Workload("noop", "", Path("noop"), ("noop.c",)), ())
    keys = {
        name: cell_key(case, Mode(Runtime.FAST, runtime_source=name), PC)
        for name in (PINNED, "lean", "mine")
    }
    assert keys[PINNED] == cell_key(case, Mode(Runtime.FAST), PC)
    assert len(set(keys.values())) == 3


def test_native_code_runs_without_wamr() -> None:
    """A source would change nothing there, so it is refused; elsewhere it reaches the build."""
    workload = Workload("noop", "", Path("noop"), ("noop.c",))
    case = Case(workload, ())
    native = why_impossible(case, Mode(Runtime.NATIVE, runtime_source="lean"), PC)
    assert native == "runtime_source changes nothing in native: no WAMR runs there"
    for runtime in (Runtime.CLASSIC, Runtime.FAST, Runtime.AOT):
        mode = Mode(runtime, runtime_source="lean")
        assert why_impossible(case, mode, PC) == ""
        assert resolve_mode(mode, PC, workload).runtime_source == "lean"


def test_the_doctor_looks_at_trees(tmp_path: Path) -> None:
    """A tree of WAMR is told with its version; one that is none is missing; flags need no look."""
    version = tmp_path / "wamr" / "core" / "version.h"
    version.parent.mkdir(parents=True)
    version.write_text(
        "#define WAMR_VERSION_MAJOR 2\n#define WAMR_VERSION_MINOR 4\n"
        "#define WAMR_VERSION_PATCH 3\n"
    )
    found = examine_sources(
        {
            PINNED: RuntimeSource(),
            "good": RuntimeSource(tmp_path / "wamr"),
            "gone": RuntimeSource(tmp_path / "gone", (("TAIL_CALL", 0),)),
            "lean": RuntimeSource(None, (("TAIL_CALL", 0),)),
        }
    )
    assert [(one.feature, one.needs, one.found) for one in found] == [
        ("runtime source good", f"{tmp_path}/wamr", "WAMR 2.4.3"),
        ("runtime source gone", f"{tmp_path}/gone, TAIL_CALL=0", ""),
    ]
