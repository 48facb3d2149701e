"""Whether an attempt's number may be used, judged from the machine's conditions (D10). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

#: Of the kept repeats' time that the program may wait for its core, in which others have it. Two
#: programs sharing a core each wait for half.
MOST_WAITED_FRACTION = 0.05
#: The kernel's own short tasks take a core for tens of microseconds: of repeats that are as short,
#: one such turn says nothing of who else is there.
LEAST_WAITED_S = 0.0002
#: Where the kernel does not count that: of the attempt's time that others may use of its core. Two
#: programs sharing a core are off by half; a timer tick, the kernel's own threads and the agent's
#: own waking stay below this on an idle machine (seen: 0 to 2 %).
MOST_BUSY_FRACTION = 0.05
#: The kernel counts in ticks (10 ms at 100 Hz), at both ends: below this nothing can be told.
TICKS_OF_DOUBT = 3
#: What the farm itself does on the core around an attempt: the runner starts, loads the program
#: and ends (seen: 18 to 25 ms for noop). Less than this of others proves nothing.
UNTOLD_S = 0.06
#: A core that is fought for changes hands every 3 to 4 ms (the scheduler's base slice), an idle
#: machine's a few times a second. Short attempts are judged by this alone.
MOST_SWITCHES_PER_S = 50.0
LEAST_SWITCHES = 5
#: Of the attempt's time that the hypervisor may take.
MOST_STEAL_FRACTION = 0.02
#: How far the frequency may fall under the governor ``performance``.
LEAST_FREQUENCY_FRACTION = 0.95
#: Bits 0 to 3 of a Raspberry Pi's ``get_throttled``: under-voltage, frequency capped, throttled,
#: soft temperature limit now. Source: Raspberry Pi documentation, vcgencmd get_throttled.
THROTTLED_NOW = 0b1111


@dataclass(frozen=True, slots=True)
class Conditions:
    """The machine at one moment."""

    at_unix_ns: int = 0
    #: Empty where the machine has none.
    governor: str = ""
    frequency_khz: int | None = None
    temperature_celsius: float | None = None
    throttled_flags: int | None = None
    load_1m: float = 0.0
    steal_ticks: int = 0
    free_memory_bytes: int = 0
    swap_in_pages: int = 0
    swap_out_pages: int = 0
    #: Of the measured core, all processes.
    busy_ticks: int = 0
    #: 0: the ticks are not known.
    ticks_per_s: int = 0

    def evidence(self) -> Mapping[str, float | str]:
        """Answer what was seen, for keeping beside the result."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two readings of the conditions."""

    before: Conditions
    after: Conditions
    #: Processor time the measured program itself used.
    own_cpu_s: float
    #: The runner's time by the device's monotonic clock.
    runner_s: float
    #: The core the program was held to; -1: none.
    measured_cpu: int
    #: How often the program was made to give up its core.
    involuntary_switches: int = 0
    #: How long it was ready to run while its core ran others, in its kept repeats; None: the
    #: kernel does not count that.
    waited_s: float | None = None
    #: Of those repeats, what is measured: the region that the program marks, which may be less
    #: than what ``waited_s`` was counted in, so that a short one is not taken for undisturbed.
    timed_s: float = 0.0

    @property
    def wall_s(self) -> float:
        """Time between the readings; at least the runner's, since the wall clock may jump."""
        return max((self.after.at_unix_ns - self.before.at_unix_ns) / 1e9, self.runner_s)


def judge(window: Window, *, shared_machine: bool, emulated: bool = False) -> tuple[str, ...]:
    """Say why a number may not be used, each reason with its evidence; empty: it is valid.

    Args:
        window: the conditions around the attempt.
        shared_machine: the inventory lets other devices measure on this machine meanwhile.
        emulated: the device's programs run under an emulator.
    """
    reasons = (
        "shared: the machine is declared as shared" if shared_machine else "",
        _throttled(window),
        _frequency(window),
        _swapped(window),
        # Programs on a shared machine are not held to a core: that is the same reason once more.
        # An emulator's own work cannot be told from others', and its times mean nothing anyway.
        "" if shared_machine or emulated else _busy(window),
        _stolen(window),
    )
    return tuple(reason for reason in reasons if reason)


def _throttled(window: Window) -> str:
    before = window.before.throttled_flags or 0
    after = window.after.throttled_flags or 0
    # Bits that appeared during the attempt count too: a Pi remembers in its upper bits what passed
    # in between.
    seen = ((before | after) & THROTTLED_NOW) | (after & ~before)
    return f"throttled: flags {before:#x} before, {after:#x} after" if seen else ""


def _frequency(window: Window) -> str:
    before, after = window.before, window.after
    if before.governor != after.governor:
        return f"frequency: governor changed from {before.governor} to {after.governor}"
    if before.governor != "performance" or not before.frequency_khz or not after.frequency_khz:
        # Other governors move the frequency by design; that is kept as evidence, not judged.
        return ""
    if after.frequency_khz < LEAST_FREQUENCY_FRACTION * before.frequency_khz:
        return f"frequency: fell from {before.frequency_khz} to {after.frequency_khz} kHz"
    return ""


def _swapped(window: Window) -> str:
    pages_in = window.after.swap_in_pages - window.before.swap_in_pages
    pages_out = window.after.swap_out_pages - window.before.swap_out_pages
    if pages_in > 0 or pages_out > 0:
        return f"swap: {pages_in} pages in, {pages_out} out"
    return ""


def _busy(window: Window) -> str:
    if window.measured_cpu < 0:
        return "unpinned: the program was not held to one core"
    if window.waited_s is not None:
        return _waited(window.waited_s, window.timed_s, window.measured_cpu)
    rate = window.after.ticks_per_s
    if not rate:
        return ""
    busy_s = (window.after.busy_ticks - window.before.busy_ticks) / rate
    other_s = busy_s - window.own_cpu_s
    if other_s > max(MOST_BUSY_FRACTION * window.wall_s, UNTOLD_S):
        share = min(100 * other_s / window.wall_s, 100) if window.wall_s else 100
        return f"busy: others used {share:.0f} % of core {window.measured_cpu}"
    switches = window.involuntary_switches
    if switches > max(LEAST_SWITCHES, MOST_SWITCHES_PER_S * window.own_cpu_s):
        return f"busy: the program had to give up core {window.measured_cpu} {switches} times"
    return ""


def _waited(waited_s: float, timed_s: float, cpu: int) -> str:
    """Judge by what a shared core costs, whoever it was shared with."""
    if waited_s <= max(MOST_WAITED_FRACTION * timed_s, LEAST_WAITED_S):
        return ""
    how_long = f"{waited_s * 1e3:.1f} ms for core {cpu}"
    return f"busy: the program waited {how_long}; {timed_s * 1e3:.1f} ms are measured"


def _stolen(window: Window) -> str:
    rate = window.after.ticks_per_s
    if not rate:
        return ""
    stolen_s = (window.after.steal_ticks - window.before.steal_ticks) / rate
    if stolen_s > max(MOST_STEAL_FRACTION * window.wall_s, TICKS_OF_DOUBT / rate):
        share = 100 * stolen_s / window.wall_s if window.wall_s else 100
        return f"steal: the hypervisor took {share:.0f} % of the time"
    return ""
