"""The runner in every mode on every architecture: what it measures, ends and tells."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from tests.support import native
from tests.support.native import CONDUCT, Built, measure
from tests.support.waiting import SOON_S, wait_until

#: A cold cache builds WAMR for three architectures first.
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1200)]

MODES = {
    "classic": Mode(Runtime.CLASSIC),
    "fast": Mode(Runtime.FAST),
    "fast-simd": Mode(Runtime.FAST, simd=True),
    "aot-scalar": Mode(Runtime.AOT, simd=False),
    "aot": Mode(Runtime.AOT),
    "native": Mode(Runtime.NATIVE),
}
#: WAMR has no vectors for armv7, so there AOT is scalar.
SCALAR = ("classic", "fast", "aot", "native")
ARCHS = [
    pytest.param(Arch.X86_64, id="x86_64"),
    pytest.param(Arch.AARCH64, id="aarch64", marks=pytest.mark.emulator),
    pytest.param(Arch.ARMV7, id="armv7", marks=pytest.mark.emulator),
]
TARGETS = [
    pytest.param(
        (mode, arch),
        id=f"{arch}-{mode}",
        marks=[] if arch is Arch.X86_64 else [pytest.mark.emulator],
    )
    for arch in Arch
    for mode in (SCALAR if arch is Arch.ARMV7 else MODES)
]
WASM = [target for target in TARGETS if "native" not in str(target.id)]


@pytest.fixture(params=ARCHS)
def arch(request: pytest.FixtureRequest) -> Arch:
    """One architecture after the other."""
    found: Arch = request.param
    return found


@pytest.fixture(params=TARGETS)
def built(request: pytest.FixtureRequest) -> Built:
    """The program that does as it is told, in every mode."""
    mode, arch = request.param
    return native.build(CONDUCT, MODES[mode], arch)


@pytest.fixture(params=WASM)
def module(request: pytest.FixtureRequest) -> Built:
    """The same, in the modes that run it inside WAMR."""
    mode, arch = request.param
    return native.build(CONDUCT, MODES[mode], arch)


@pytest.fixture
def elf(arch: Arch) -> Built:
    """The same, as a native program."""
    return native.build(CONDUCT, MODES["native"], arch)


def test_arguments_environment_stdin_reach_the_program(built: Built, tmp_path: Path) -> None:
    """A program sees the ordered arguments, environment and input, in every repeat anew."""
    (tmp_path / "in").write_text("first\nlast\n")
    options = {"warmups": 1, "repeats": 2, "stdin": tmp_path / "in"}
    pairs = [("env", "A=1"), ("env", "B=two words")]
    attempt = native.start(built, tmp_path, ["tell", "a b"], options=options, pairs=pairs).wait()
    assert attempt.code == 0
    for index in range(3):
        lines = attempt.stdout(index).splitlines()
        assert lines[:3] == ["argument conduct", "argument tell", "argument a b"]
        own = {line for line in lines if line.startswith("environment ")}
        own -= {line for line in own if line.startswith("environment FARM_")}
        assert own == {"environment A=1", "environment B=two words"}
        assert lines[-2:] == ["first", "last"]
    assert attempt.stderr == "said on stderr\n" * 3


def test_events_of_a_good_attempt(built: Built, tmp_path: Path) -> None:
    """Every event of the contract comes once per attempt or per repeat, with its fields."""
    attempt = measure(built, tmp_path, "exit", "0", warmups=1, repeats=2)
    begun, ended = attempt.one("start"), attempt.one("end")
    assert begun["mode"] == built.command
    assert begun["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert begun["cpu"] == -1
    assert [(r["index"], r["warmup"]) for r in attempt.all("repeat")] == [
        (0, True),
        (1, False),
        (2, False),
    ]
    assert all(r["ns"] > 0 and r["region_ns"] == 0 for r in attempt.all("repeat"))
    phases = [p["phase"] for p in attempt.all("phase")]
    loaded = ["load", *["instantiate", "execute"] * 3]
    assert phases == (["execute"] * 3 if built.command == "exec" else loaded)
    assert (ended["exit_code"], ended["signal"], ended["trap"]) == (0, 0, "")
    assert (ended["limit"], ended["stage"], ended["message"]) == ("", "done", "")
    assert ended["monotonic_ns"] > begun["monotonic_ns"]
    assert attempt.events[0] == begun
    assert attempt.events[-1] == ended


@pytest.mark.parametrize("fault", ["text", "loader"])
def test_a_program_the_kernel_refuses_is_told_apart(tmp_path: Path, fault: str) -> None:
    """It was not loaded, which is its own fault; one that is not there was never started."""
    good = native.build(CONDUCT, MODES["native"], Arch.X86_64)
    program, arguments = tmp_path / "program", ["exit", "0"]
    program.write_text("no program at all" if fault == "text" else "#!/gone/loader\n")
    program.chmod(0o755)
    unfit = replace(good, program=program)
    ended = measure(unfit, tmp_path, *arguments).one("end")
    assert ended["stage"] == "load"
    assert ended["message"].startswith("cannot start the program: ")
    other = tmp_path / "other"
    other.mkdir()
    gone = replace(good, program=tmp_path / "gone")
    assert measure(gone, other, *arguments).one("end")["stage"] == "start"


def test_exit_code_ends_the_attempt(built: Built, tmp_path: Path) -> None:
    """A program's own failure is told, no further repeat runs, and the runner itself succeeds."""
    attempt = measure(built, tmp_path, "exit", "3", repeats=3)
    assert attempt.code == 0
    assert attempt.all("repeat") == []
    assert attempt.one("end")["exit_code"] == 3
    assert not (tmp_path / "stdout.1").exists()


@pytest.mark.parametrize(
    ("order", "trap"),
    [
        (("trap",), "unreachable"),
        (("write", "1"), "out of bounds memory access"),
        (("recurse", "100000000"), "stack overflow"),
    ],
)
def test_trap_is_named(module: Built, tmp_path: Path, order: tuple[str, ...], trap: str) -> None:
    """A module that traps says which trap, in the interpreters as in compiled code."""
    attempt = measure(module, tmp_path, *order)
    ended = attempt.one("end")
    assert attempt.code == 0
    assert trap in ended["trap"]
    assert (ended["exit_code"], ended["signal"], ended["stage"]) == (-1, 0, "execute")


def test_deep_recursion_fits_the_ordered_stack(module: Built, tmp_path: Path) -> None:
    """A thousand frames fit the usual stack in every mode."""
    assert measure(module, tmp_path, "recurse", "1000").one("end")["stage"] == "done"


def test_signal_is_told(elf: Built, tmp_path: Path) -> None:
    """A native program killed by a signal is told with it."""
    ended = measure(elf, tmp_path, "signal", str(int(signal.SIGSEGV))).one("end")
    assert (ended["exit_code"], ended["signal"]) == (-1, signal.SIGSEGV)
    assert "Segmentation fault" in ended["message"]


def test_endless_loop_ends_at_the_limit(built: Built, tmp_path: Path) -> None:
    """A program that never ends is killed when the attempt's time is up."""
    ended = measure(built, tmp_path, "spin", timeout_s=2).one("end")
    assert (ended["limit"], ended["signal"]) == ("time", signal.SIGKILL)


def test_time_limit_reaches_what_lost_its_parents(elf: Built, tmp_path: Path) -> None:
    """At the limit all grandchildren die: in sessions of their own, deaf to SIGTERM, orphaned."""
    token = f"{tmp_path.name}{os.getpid()}"
    attempt = native.start(
        elf, tmp_path, ["scatter-and-spin", "5"], options={"timeout-s": 4}, token=token
    )
    wait_until(lambda: len(native.marked(token)) >= 7, "the grandchildren never came to life")
    attempt.wait()
    assert attempt.one("end")["limit"] == "time"
    assert native.marked(token) == []


def test_what_a_repeat_leaves_behind_dies_with_it(elf: Built, tmp_path: Path) -> None:
    """A program that ends well but leaves processes running measures well and leaves none."""
    token = f"{tmp_path.name}{os.getpid()}"
    attempt = native.start(
        elf, tmp_path, ["scatter", "3"], options={"repeats": 2}, token=token
    ).wait()
    assert attempt.one("end")["stage"] == "done"
    assert len(attempt.all("repeat")) == 2
    assert native.marked(token) == []


def test_too_many_processes_end_the_attempt(tmp_path: Path) -> None:
    """More processes than ordered are found and ended."""
    elf = native.build(CONDUCT, MODES["native"], Arch.X86_64)
    attempt = measure(elf, tmp_path, "scatter-and-spin", "20", processes=8)
    assert attempt.one("end")["limit"] == "processes"


def test_memory_beyond_the_limit(built: Built, tmp_path: Path) -> None:
    """A program that takes more memory than it may fails, marked as such."""
    attempt = measure(built, tmp_path, "take", "400", memory_bytes=64 << 20)
    assert attempt.code == 0
    assert attempt.one("end")["limit"] == "memory"
    assert attempt.all("repeat") == []


def test_module_that_starts_too_large(module: Built, tmp_path: Path) -> None:
    """A module whose first memory is above the limit is refused before it runs."""
    ended = measure(module, tmp_path, "exit", "0", memory_bytes=1 << 20).one("end")
    assert (ended["limit"], ended["stage"]) == ("memory", "instantiate")
    assert "more memory than its limit" in ended["message"]


def test_peak_memory_is_what_the_program_touched(built: Built, tmp_path: Path) -> None:
    """Peak memory follows what the program takes, megabyte for megabyte."""
    for folder in ("little", "much"):
        (tmp_path / folder).mkdir()
    little = measure(built, tmp_path / "little", "take", "10").one("usage")
    much = measure(built, tmp_path / "much", "take", "110").one("usage")
    source = {"run": "self", "exec": "sampled" if built.emulator else "exit-stop"}
    assert much["peak_memory_source"] == source[built.command]
    taken = much["peak_memory_bytes"] - little["peak_memory_bytes"]
    # An emulated program is looked at every 10 ms only, and freed memory is gone at its end.
    assert taken == pytest.approx(100 << 20, rel=0.05 if not built.emulator else 0.3)
    if not built.emulator:
        assert little["peak_memory_bytes"] < 32 << 20


def test_output_beyond_the_limit_is_cut(built: Built, tmp_path: Path) -> None:
    """Endless output stops at the limit, to the byte, and the attempt is marked."""
    attempt = measure(built, tmp_path, "flood", output_bytes=3_000_000)
    ended = attempt.one("end")
    assert (ended["limit"], ended["signal"]) == ("output", signal.SIGXFSZ)
    assert (tmp_path / "stdout.0").stat().st_size == 3_000_000
    assert attempt.one("usage")["user_us"] >= 0


def test_regions_add_up(built: Built, tmp_path: Path) -> None:
    """Marked regions are timed alone: two of 40 ms, with as much around them."""
    (repeat,) = measure(built, tmp_path, "mark", "40").all("repeat")
    assert repeat["region_ns"] >= 80e6
    assert repeat["ns"] - repeat["region_ns"] >= 80e6


def test_granted_folders(built: Built, tmp_path: Path) -> None:
    """A program reads and writes below its working folder, in every mode by the same names."""
    data = tmp_path / "work" / "data"
    data.mkdir(parents=True)
    (data / "in").write_text("bytes")
    attempt = measure(built, tmp_path, "copy", "data/in", "data/out", cwd=tmp_path / "work")
    assert attempt.one("end")["exit_code"] == 0
    assert (data / "out").read_text() == "bytes"


def test_folder_from_elsewhere(module: Built, tmp_path: Path) -> None:
    """A module sees a granted folder under the name it was given."""
    for folder in ("elsewhere", "work"):
        (tmp_path / folder).mkdir()
    (tmp_path / "elsewhere" / "in").write_text("bytes")
    attempt = native.start(
        module,
        tmp_path,
        ["copy", "given/in", "out"],
        options={"cwd": tmp_path / "work"},
        pairs=[("dir", f"given={tmp_path / 'elsewhere'}")],
    ).wait()
    assert attempt.one("end")["exit_code"] == 0
    assert (tmp_path / "work" / "out").read_text() == "bytes"


def test_module_stays_inside_its_folders(module: Built, tmp_path: Path) -> None:
    """A module cannot name a file outside what it was given."""
    (tmp_path / "work").mkdir()
    (tmp_path / "secret").write_text("bytes")
    attempt = measure(module, tmp_path, "copy", "../secret", "out", cwd=tmp_path / "work")
    assert attempt.one("end")["exit_code"] == 4


def test_sigterm_stops(built: Built, tmp_path: Path) -> None:
    """SIGTERM to the runner ends all it started, and it says so itself."""
    token = f"{tmp_path.name}{os.getpid()}"
    attempt = native.start(built, tmp_path, ["spin"], token=token)
    wait_until(lambda: attempt.all("start") and len(native.marked(token)) > 1, "it never started")
    attempt.process.send_signal(signal.SIGTERM)
    attempt.wait()
    assert attempt.code == 0
    assert attempt.one("end")["limit"] == "stopped"
    assert native.marked(token) == []


def test_killed_supervisor_takes_the_worker_along(built: Built, tmp_path: Path) -> None:
    """kill -9 of the runner leaves neither worker nor program, at whatever moment it comes."""
    for delay_s in (0, 0.01, 0.05, 0.3):
        token = f"{tmp_path.name}{os.getpid()}x{int(delay_s * 100)}"
        folder = tmp_path / token
        folder.mkdir()
        _kill_after(delay_s, native.start(built, folder, ["spin"], token=token))
        wait_until(partial(_gone, token), "the worker outlived its supervisor")


def _kill_after(delay_s: float, attempt: native.Attempt) -> None:
    wait_until(lambda: attempt.all("start"), "it never started")
    threading.Event().wait(delay_s)
    attempt.process.kill()
    attempt.wait()
    assert attempt.all("end") == []


def _gone(token: str) -> bool:
    return not native.marked(token)


def test_lock_is_held_by_the_supervisor_alone(tmp_path: Path) -> None:
    """The lock's descriptor is open in the supervisor and in nothing that it starts."""
    elf = native.build(CONDUCT, MODES["native"], Arch.X86_64)
    token = f"{tmp_path.name}{os.getpid()}"
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    try:
        os.set_inheritable(lock, True)
        process = _start_with_lock(elf, tmp_path, token, lock)
    finally:
        os.close(lock)
    try:
        wait_until(lambda: len(native.marked(token)) == 2, "the program never started")
        holders = [pid for pid in native.marked(token) if _holds(pid, tmp_path / "lock")]
        assert holders == [process.pid]
    finally:
        process.terminate()
        process.wait(SOON_S)


def _start_with_lock(elf: Built, folder: Path, token: str, lock: int) -> subprocess.Popen[bytes]:
    options = {"events": "events", "stdout": "stdout", "stderr": "stderr"}
    words = [word for k, v in options.items() for word in (f"--{k}", str(folder / v))]
    words += ["--lock-fd", str(lock), "--token", token]
    return subprocess.Popen(
        [elf.runner, "exec", *words, "--", elf.program, "spin"],
        pass_fds=[lock],
        env={**os.environ, "FARM_ATTEMPT": token},
    )


def _holds(pid: int, path: Path) -> bool:
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(os.path.realpath(link) == str(path) for link in links)


def test_no_such_program(tmp_path: Path) -> None:
    """A program that cannot be started is the runner's failure, with the system's reason."""
    runner = native.runner(Arch.X86_64, "fast")
    missing = Built(runner, tmp_path / "missing", "exec", Arch.X86_64)
    attempt = measure(missing, tmp_path)
    assert attempt.code == 3
    assert "No such file" in attempt.one("end")["message"]
    assert attempt.one("end")["stage"] == "start"


@pytest.mark.parametrize("content", [b"", b"\0asm\1\0\0\0\1\xff", b"nothing of the kind"])
def test_damaged_module(tmp_path: Path, arch: Arch, content: bytes) -> None:
    """A module that is none fails while loading, with WAMR's reason."""
    runner = native.runner(arch, "fast")
    (tmp_path / "program.wasm").write_bytes(content)
    ended = measure(Built(runner, tmp_path / "program.wasm", "run", arch), tmp_path).one("end")
    assert ended["stage"] == "load"
    assert ended["message"]


def test_scalar_runner_refuses_vectors(tmp_path: Path) -> None:
    """The classic build runs no SIMD code, and says why."""
    runner = native.runner(Arch.X86_64, "classic")
    program = native.build(native.GEMM, MODES["aot"], Arch.X86_64).program
    ended = measure(Built(runner, program, "run", Arch.X86_64), tmp_path, "exit", "0").one("end")
    assert ended["stage"] == "load"
    assert "simd" in ended["message"].lower()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "say info, run or exec"),
        (["walk"], "say info, run or exec"),
        (["run", "--", "x"], "--events, --stdout and --stderr are needed"),
        (["run", "--colour", "red"], "unknown option --colour"),
        (["exec", "--dir", "a=b"], "--dir is for modules"),
        (["run", "--launcher", "qemu"], "--launcher is for native programs"),
        (["run", "--repeats", "-1"], "--repeats -1: not a number"),
        (["run", "--repeats", "0"], "no program"),
        (["run", "--timeout-s", "nan"], "not a number of seconds"),
        (["run", "--env", "A"], "it must be NAME=VALUE"),
        (["run", "--memory-bytes"], "--memory-bytes needs a value"),
    ],
)
def test_bad_arguments(words: list[str], complaint: str) -> None:
    """Bad arguments are one line on stderr and exit code 2."""
    runner = native.runner(Arch.X86_64, "fast")
    done = subprocess.run(
        [runner, *words], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_full_disk_for_events(tmp_path: Path) -> None:
    """An events file that cannot be written makes the runner fail, not the program's result."""
    elf = native.build(CONDUCT, MODES["native"], Arch.X86_64)
    assert measure(elf, tmp_path, "exit", "0", events="/dev/full").code == 3


def test_noop_is_quick(tmp_path: Path) -> None:
    """From start to end event, doing nothing in the fast interpreter takes milliseconds."""
    noop = native.build(native.NOOP, Mode(Runtime.FAST), Arch.X86_64)
    spans = []
    for index in range(5):
        folder = tmp_path / str(index)
        folder.mkdir()
        attempt = measure(noop, folder)
        spans.append(attempt.one("end")["monotonic_ns"] - attempt.one("start")["monotonic_ns"])
    assert min(spans) < 50e6  # the benchmark holds it to 10 ms; here it shares two cores
