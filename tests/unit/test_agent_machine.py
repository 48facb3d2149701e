"""What the agent reads of the machine, and whether it is fit, from texts of real machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.facts.machine import parse_cpuinfo, parse_memory_bytes, parse_os_release, read_facts
from agent.gate import (
    Decision,
    Sight,
    Thresholds,
    decide,
    next_thresholds,
    share_busy,
    wait_until_fit,
)
from agent.telemetry import CpuTicks, Machine, parse_available, parse_swap, parse_ticks

STAT = """cpu  5690 10 2915 90996 741 3 57 12 0 0
cpu0 1371 0 940 47864 28 0 13 5 0 0
cpu1 4319 10 1975 43132 713 3 44 7 0 0
intr 1
"""
PI = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n"
PC = "processor\t: 0\nmodel name\t: Fast CPU @ 3GHz\nflags\t\t: fpu avx2 hypervisor\n"


def test_reads_the_ticks_of_the_measured_core() -> None:
    """Busy is user, nice, system and interrupts; waiting for I/O is idle; steal is apart."""
    assert CpuTicks(busy=6351, total=50203, steal=7) == parse_ticks(STAT, 1)
    assert parse_ticks(STAT, -1).busy == 8675
    assert CpuTicks(0, 0, 0) == parse_ticks(STAT, 7)


def test_reads_memory_and_swap() -> None:
    """Available memory in bytes, free memory on an old kernel; pages swapped."""
    assert parse_available("MemFree: 1 kB\nMemAvailable: 2 kB\n") == 2048
    assert parse_available("MemFree: 1 kB\n") == 1024
    assert parse_swap("pgfault 1\npswpin 3\npswpout 4\n") == (3, 4)
    assert parse_swap("") == (0, 0)


def test_reads_a_pi(tmp_path: Path) -> None:
    """Frequency, governor, temperature and throttling flags of a faked board."""
    files = {
        "devices/system/cpu/cpu3/cpufreq/scaling_governor": "performance\n",
        "devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": "1500000\n",
        "class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "class/thermal/thermal_zone0/temp": "61234\n",
        "class/thermal/thermal_zone1/type": "iwlwifi_1\n",
        "class/thermal/thermal_zone1/temp": "90000\n",
        "devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    seen = Machine(3, sys=tmp_path).read_conditions()
    assert (seen.governor, seen.frequency_khz) == ("performance", 1_500_000)
    assert seen.temperature_celsius == 61.234
    assert seen.throttled_flags == 0x50005
    assert seen.to_wire().throttled_flags == 0x50005


def test_a_machine_without_sensors_is_told_without(tmp_path: Path) -> None:
    """What is unknown stays absent on the wire, so that nobody takes it for zero."""
    wire = Machine(0, proc=tmp_path, sys=tmp_path).read_conditions().to_wire()
    assert not wire.HasField("temperature_celsius")
    assert not wire.HasField("frequency_khz")
    assert not wire.HasField("throttled_flags")
    assert wire.at_unix_ns > 0


def test_names_the_processor() -> None:
    """By its model on x86, by implementer and part on Arm."""
    assert parse_cpuinfo(PC)["cpu.model"] == "Fast CPU @ 3GHz"
    assert parse_cpuinfo(PC)["machine.virtual"] == "yes"
    assert parse_cpuinfo(PI)["cpu.model"] == "implementer 0x41 part 0xd08"
    assert parse_cpuinfo(PI)["cpu.features"] == "fp asimd"
    assert parse_memory_bytes("MemTotal:  4 kB\n", "MemTotal") == "4096"
    assert parse_os_release('NAME=x\nPRETTY_NAME="Debian 12"\n') == "Debian 12"


def test_facts_hold_no_empty_values() -> None:
    """What this machine does not tell is left out."""
    facts = read_facts(None)
    assert all(facts.values())
    assert {"arch", "boot.id", "kernel.release", "memory.page_bytes"} <= set(facts)
    assert "emulator.name" not in facts


@pytest.mark.parametrize(
    ("sight", "waited_s", "decision"),
    [
        (Sight(0.0, None), 0, Decision(True)),
        (Sight(0.04, 50.0), 0, Decision(True)),
        (Sight(0.5, 50.0), 0, Decision(False, "the core is 50% busy, waits for 5%")),
        (Sight(0.5, 50.0), 10, Decision(True, "the core is 50% busy, waits for 5%")),
        (Sight(0.0, 80.0), 10, Decision(False, "80 degrees, waits for 65")),
        (Sight(0.0, 80.0), 120, Decision(True, "80 degrees, waits for 65")),
    ],
)
def test_the_gate_waits_for_a_fit_machine(
    sight: Sight, waited_s: float, decision: Decision
) -> None:
    """Heat and neighbours delay an attempt, each for a bounded time."""
    assert decision == decide(sight, Thresholds(), waited_s)


def test_patience_wears_out_and_comes_back() -> None:
    """A neighbour who stays is waited for ever shorter; a fit machine restores the patience."""
    usual = Thresholds()
    now, waits = usual, []
    for _ in range(6):
        now = next_thresholds(usual, now, fit=False)
        waits.append(now.busy_patience_s)
    assert waits == [5.0, 2.5, 1.25, 1.0, 1.0, 1.0]
    assert next_thresholds(usual, now, fit=True) == usual


def test_stolen_time_counts_as_busy() -> None:
    """What the hypervisor gave to others was not free for us; a clock that stood still is free."""
    assert share_busy(CpuTicks(10, 100, 0), CpuTicks(30, 200, 30)) == 0.5
    assert share_busy(CpuTicks(10, 100, 0), CpuTicks(10, 100, 0)) == 0.0


def test_the_gate_says_what_it_waits_for_until_it_is_quiet(tmp_path: Path) -> None:
    """A busy core is waited for and told; when it is quiet the wait ends."""
    stat = tmp_path / "stat"
    told: list[str] = []
    looks = iter([(90, 100), (90, 200), (180, 300)])

    def pause(_: float) -> None:
        busy, total = next(looks)
        stat.write_text(f"cpu0 {busy} 0 0 {total - busy} 0 0 0 0\n")

    stat.write_text("cpu0 0 0 0 0 0 0 0 0\n")
    machine = Machine(0, proc=tmp_path, sys=tmp_path)
    assert wait_until_fit(machine, Thresholds(), tell=told.append, pause=pause)
    assert told == ["the core is 90% busy, waits for 5%", ""]
