"""Whether a number may be used, from the conditions around its attempt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.results.validity import Conditions, Window, judge

BEFORE = Conditions(
    at_unix_ns=1_000_000_000_000,
    governor="performance",
    frequency_khz=2_400_000,
    temperature_celsius=50.0,
    throttled_flags=0,
    ticks_per_s=100,
    busy_ticks=1000,
    steal_ticks=10,
)
#: Ten seconds later; the program itself used 9.9 s of its core.
AFTER = replace(BEFORE, at_unix_ns=BEFORE.at_unix_ns + 10_000_000_000, busy_ticks=1990)
QUIET = Window(BEFORE, AFTER, own_cpu_s=9.9, runner_s=9.95, measured_cpu=1)


def _after(**changes: object) -> Window:
    return replace(QUIET, after=replace(AFTER, **changes))  # type: ignore[arg-type]  # by name


def _reasons(window: Window, *, shared: bool = False) -> list[str]:
    return [reason.partition(":")[0] for reason in judge(window, shared_machine=shared)]


def test_a_quiet_machine_is_valid() -> None:
    """Nothing happened: the number may be used."""
    assert judge(QUIET, shared_machine=False) == ()


def test_a_shared_core_is_busy() -> None:
    """Somebody else's 20 % of the core is told with its share."""
    assert judge(_after(busy_ticks=2190), shared_machine=False) == (
        "busy: others used 20 % of core 1",
    )


def test_a_little_noise_is_not_busy() -> None:
    """Four percent are the kernel's and the agent's own."""
    assert _reasons(_after(busy_ticks=2030)) == []


def test_ticks_of_a_short_attempt_prove_nothing() -> None:
    """In 20 ms two ticks of 10 ms may be anybody's."""
    after = replace(BEFORE, at_unix_ns=BEFORE.at_unix_ns + 20_000_000, busy_ticks=1002)
    assert _reasons(Window(BEFORE, after, 0.001, 0.02, 0)) == []


def test_the_farms_own_work_around_a_short_attempt_is_not_others() -> None:
    """Starting the runner takes ticks of the same core."""
    after = replace(BEFORE, at_unix_ns=BEFORE.at_unix_ns + 60_000_000, busy_ticks=1006)
    assert _reasons(Window(BEFORE, after, 0.005, 0.05, 0)) == []


def test_a_program_that_lost_its_core_again_and_again_is_busy() -> None:
    """What ticks cannot tell of a short attempt, its own switches do."""
    after = replace(BEFORE, at_unix_ns=BEFORE.at_unix_ns + 90_000_000, busy_ticks=1009)
    short = Window(BEFORE, after, 0.05, 0.08, 1, involuntary_switches=12)
    assert judge(short, shared_machine=False) == (
        "busy: the program had to give up core 1 12 times",
    )
    assert _reasons(replace(short, involuntary_switches=5)) == []
    assert _reasons(replace(QUIET, involuntary_switches=400)) == []


def test_what_the_program_waited_says_who_shared_its_core() -> None:
    """Where the kernel counts it, neither ticks nor switches accuse anybody."""
    waiting = replace(_after(busy_ticks=2190), waited_s=0.9, timed_s=9.0, involuntary_switches=600)
    assert judge(waiting, shared_machine=False) == (
        "busy: the program waited 900.0 ms for core 1; 9000.0 ms are measured",
    )
    assert _reasons(replace(waiting, waited_s=0.45)) == []
    assert _reasons(replace(waiting, waited_s=0.0)) == []
    assert _reasons(replace(waiting, waited_s=0.45001)) == ["busy"]


def test_many_short_turns_of_others_are_not_busy() -> None:
    """Twenty switches in 99 ms that cost less than a millisecond: seen on a quiet machine."""
    after = replace(BEFORE, at_unix_ns=BEFORE.at_unix_ns + 150_000_000, busy_ticks=1015)
    short = Window(BEFORE, after, 0.099, 0.11, 1, involuntary_switches=20)
    assert _reasons(short) == ["busy"]
    assert _reasons(replace(short, waited_s=0.0009, timed_s=0.08)) == []
    assert _reasons(replace(short, waited_s=0.02, timed_s=0.08)) == ["busy"]


def test_one_turn_of_the_kernel_says_nothing_of_a_very_short_program() -> None:
    """Tens of microseconds, of which noop has no more itself."""
    noop = replace(QUIET, waited_s=0.0001, timed_s=0.0001)
    assert _reasons(noop) == []
    assert _reasons(replace(noop, waited_s=0.004)) == ["busy"]


def test_emulated_and_shared_devices_are_not_judged_by_waiting() -> None:
    """Whoever says that he shares is told that once; an emulator's times mean nothing."""
    waiting = replace(QUIET, waited_s=5.0, timed_s=9.0)
    assert judge(waiting, shared_machine=False, emulated=True) == ()
    assert _reasons(waiting, shared=True) == ["shared"]


def test_an_emulator_is_not_accused_of_its_own_work() -> None:
    """The emulated mark follows its results anyway; the rest is judged as everywhere."""
    window = replace(QUIET, after=replace(AFTER, busy_ticks=2190, steal_ticks=60))
    reasons = judge(window, shared_machine=False, emulated=True)
    assert [reason.partition(":")[0] for reason in reasons] == ["steal"]


def test_a_wall_clock_that_jumps_back_does_not_make_busy() -> None:
    """The runner's monotonic time is the least that passed."""
    window = _after(at_unix_ns=BEFORE.at_unix_ns - 3_600_000_000_000)
    assert _reasons(window) == []


def test_unpinned_is_told() -> None:
    """Without a core of its own nothing says that it did not share one."""
    assert _reasons(replace(QUIET, measured_cpu=-1)) == ["unpinned"]


def test_shared_machine_marks_everything() -> None:
    """The operator's wish to share is marked, once."""
    assert _reasons(replace(QUIET, measured_cpu=-1), shared=True) == ["shared"]


def test_steal_is_told() -> None:
    """A hypervisor that took 5 % of the time."""
    assert judge(_after(steal_ticks=60), shared_machine=False) == (
        "steal: the hypervisor took 5 % of the time",
    )


@pytest.mark.parametrize("change", [{"swap_in_pages": 3}, {"swap_out_pages": 1}])
def test_swapping_is_told(change: dict[str, int]) -> None:
    """Any page that was swapped."""
    assert _reasons(_after(**change)) == ["swap"]


@pytest.mark.parametrize(
    ("before", "after", "throttled"),
    [
        (0x0, 0x0, False),
        (0x50000, 0x50000, False),  # happened once since boot, long ago
        (0x0, 0x50005, True),
        (0x0, 0x50000, True),  # passed in between
        (0x5, 0x5, True),
        (0x5, 0x50000, True),
        (None, None, False),
    ],
)
def test_throttling_is_told(before: int | None, after: int | None, *, throttled: bool) -> None:
    """What a Pi says now counts, and what it remembers only if it is new."""
    window = replace(
        QUIET,
        before=replace(BEFORE, throttled_flags=before),
        after=replace(AFTER, throttled_flags=after),
    )
    assert ("throttled" in _reasons(window)) == throttled


def test_a_falling_frequency_is_told() -> None:
    """Under the governor performance the frequency has no reason to fall."""
    assert _reasons(_after(frequency_khz=1_800_000)) == ["frequency"]


def test_a_changed_governor_is_told() -> None:
    """Before and after are not the same machine."""
    assert _reasons(_after(governor="powersave")) == ["frequency"]


def test_other_governors_move_by_design() -> None:
    """On demand, a lower frequency afterwards says nothing."""
    window = replace(QUIET, before=replace(BEFORE, governor="ondemand"))
    window = replace(window, after=replace(AFTER, governor="ondemand", frequency_khz=600_000))
    assert _reasons(window) == []


def test_a_machine_that_tells_nothing_is_not_accused() -> None:
    """Without counters there is no evidence, and no reason."""
    assert judge(Window(Conditions(), Conditions(), 1.0, 1.0, 0), shared_machine=False) == ()


@given(st.integers(0, 10**6), st.integers(0, 10**4), st.floats(0, 1000))
def test_more_of_others_never_makes_it_valid(busy: int, more: int, own_s: float) -> None:
    """Busy is monotonic: more work of others never removes the reason."""
    window = replace(QUIET, own_cpu_s=own_s)
    less = replace(window, after=replace(AFTER, busy_ticks=1000 + busy))
    greater = replace(window, after=replace(AFTER, busy_ticks=1000 + busy + more))
    if "busy" in _reasons(less):
        assert "busy" in _reasons(greater)


def test_evidence_leaves_out_what_is_not_known() -> None:
    """What the machine does not have is not kept as a zero."""
    evidence = Conditions(at_unix_ns=1, load_1m=0.5).evidence()
    assert "frequency_khz" not in evidence
    assert "governor" not in evidence
    assert evidence["load_1m"] == 0.5
