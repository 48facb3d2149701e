"""The machine at one moment, from /proc and /sys; reads only, starts nothing, so it disturbs
little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protos.farm.v1 import agents_pb2 as pb

#: Where Raspberry Pi firmware shows its throttling flags, newest kernels first (raspberrypi/linux,
#: rpi firmware driver).
_THROTTLED = (
    "devices/platform/soc/soc:firmware/get_throttled",
    "devices/platform/soc@0/soc@0:firmware/get_throttled",
    "devices/platform/axi/soc:firmware/get_throttled",
)

#: Thermal zones that speak of the processor, by how their type begins; others (battery, wifi) are
#: left out.
_CPU_ZONES = ("cpu", "soc", "x86_pkg_temp", "acpitz", "bcm2835", "core")


@dataclass(frozen=True, slots=True)
class CpuTicks:
    """One line of /proc/stat, in clock ticks since boot."""

    #: Everything but idle, waiting for I/O and stolen.
    busy: int
    total: int
    #: What the hypervisor gave to others.
    steal: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """The machine at one moment; the wire's message of the same name, frozen."""

    at_unix_ns: int
    governor: str
    frequency_khz: int | None
    temperature_celsius: float | None
    throttled_flags: int | None
    load_1m: float
    #: Of the measured core.
    steal_ticks: int
    free_memory_bytes: int
    swap_in_pages: int
    swap_out_pages: int
    #: Of the measured core.
    busy_ticks: int
    ticks_per_s: int

    def to_wire(self) -> pb.Conditions:
        """Translate for the wire; what is unknown stays absent."""
        names = self.__slots__
        values = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return pb.Conditions(**values)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look, and at which core; -1: at all of them together."""

    cpu: int
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")

    def read_conditions(self) -> Conditions:
        """Look at the machine now; blocks for well under a millisecond."""
        ticks = self.read_ticks()
        swap_in, swap_out = parse_swap(_read(self.proc / "vmstat"))
        return Conditions(
            at_unix_ns=time.time_ns(),
            governor=_read(self._frequency_file("scaling_governor")),
            frequency_khz=_number(_read(self._frequency_file("scaling_cur_freq"))),
            temperature_celsius=self.read_temperature(),
            throttled_flags=self._throttled(),
            load_1m=_load(_read(self.proc / "loadavg")),
            steal_ticks=ticks.steal,
            free_memory_bytes=parse_available(_read(self.proc / "meminfo")),
            swap_in_pages=swap_in,
            swap_out_pages=swap_out,
            busy_ticks=ticks.busy,
            ticks_per_s=os.sysconf("SC_CLK_TCK"),
        )

    def read_ticks(self) -> CpuTicks:
        """Answer the measured core's ticks."""
        return parse_ticks(_read(self.proc / "stat"), self.cpu)

    def read_temperature(self) -> float | None:
        """Answer the hottest processor sensor, degrees Celsius; None where there is none."""
        values = []
        for zone in sorted((self.sys / "class/thermal").glob("thermal_zone*")):
            kind, value = _read(zone / "type"), _number(_read(zone / "temp"))
            if value is not None and kind.lower().startswith(_CPU_ZONES):
                values.append(value / 1000)
        return max(values, default=None)

    def _frequency_file(self, name: str) -> Path:
        return self.sys / f"devices/system/cpu/cpu{max(self.cpu, 0)}/cpufreq" / name

    def _throttled(self) -> int | None:
        texts = [_read(self.sys / name) for name in _THROTTLED]
        return _number(next(filter(None, texts), ""), base=16)


def parse_ticks(text: str, cpu: int) -> CpuTicks:
    """Read a core's line of /proc/stat (proc(5)); all zero where it has none."""
    name = "cpu" if cpu < 0 else f"cpu{cpu}"
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == name:
            return _sum_ticks([int(word) for word in words[1:9]])
    return CpuTicks(0, 0, 0)


def _sum_ticks(fields: Sequence[int]) -> CpuTicks:
    """Sum user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user already."""
    user, nice, system, idle, iowait, irq, softirq, steal = fields
    busy = user + nice + system + irq + softirq
    return CpuTicks(busy=busy, total=busy + idle + iowait + steal, steal=steal)


def parse_swap(text: str) -> tuple[int, int]:
    """Answer pages swapped in and out since boot, from /proc/vmstat."""
    counts = dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line)
    return int(counts.get("pswpin", 0)), int(counts.get("pswpout", 0))


def parse_available(text: str) -> int:
    """Answer MemAvailable of /proc/meminfo, bytes; MemFree where the kernel is older than 3.14."""
    kilobytes = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        kilobytes[name] = int(rest.split()[0]) if rest.split() else 0
    return 1024 * kilobytes.get("MemAvailable", kilobytes.get("MemFree", 0))


def _read(path: Path) -> str:
    """Answer a small file's text; empty where it cannot be read, since which files exist is the
    machine's choice.
    """
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(text: str, base: int = 10) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None


def _load(text: str) -> float:
    return float(text.split()[0]) if text else 0.0
