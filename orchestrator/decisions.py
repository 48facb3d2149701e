"""What the scheduler decides, as pure functions: what to stop and forget, how long to rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.attempt import Finished
from orchestrator.domain.run import GrantedAttempt
from orchestrator.domain.sync import Activity, AgentWord, AttemptRef, AttemptWord, Work
from protos.states import AttemptState, Outcome, accepts

#: First rest after a failure; doubles with each further one, so that a broken device does not eat
#: a run's retries.
FIRST_REST_S = 0.5
LONGEST_REST_S = 30.0


class ServingClock:
    """Counts seconds in which the orchestrator was serving.

    Between two ticks at most ``longest_step_s`` count: if more passed, this process was stopped,
    suspended or stuck, and no agent could have reached it.
    """

    def __init__(self, longest_step_s: float) -> None:
        self._longest_step_s = longest_step_s
        self._last_s: float | None = None
        self.served_s = 0.0

    def tick(self, monotonic_s: float) -> float:
        """Count the time since the last tick and answer all that was served."""
        if self._last_s is not None:
            self.served_s += min(max(monotonic_s - self._last_s, 0.0), self._longest_step_s)
        self._last_s = monotonic_s
        return self.served_s


@dataclass(frozen=True, slots=True)
class Rest:
    """A device that failed, and until when it gets nothing (served seconds)."""

    failures: int
    until_s: float


def next_rest(rest: Rest | None, served_s: float) -> Rest:
    """Answer the rest after one more failure."""
    failures = (rest.failures if rest else 0) + 1
    length_s = min(FIRST_REST_S * 2 ** (failures - 1), LONGEST_REST_S)
    return Rest(failures, served_s + length_s)


def has_begun(word: AgentWord, ref: AttemptRef) -> bool:
    """Say whether an agent began an attempt, or a later one: it would refuse to begin it again."""
    return not accepts(ref.fence, ref.sequence, word.highest_fence, word.highest_sequence)


def judge_word(
    told: AttemptWord, attempt: GrantedAttempt | None, *, begun: bool, settled: bool
) -> tuple[bool, bool]:
    """Decide what to do about an attempt an agent speaks of.

    Args:
        told: the agent's word.
        attempt: what the device's held lease says of it; None: it is of no held lease.
        begun: whether the agent began it. What it only queues, it drops by not being told again.
        settled: whether nothing more is wanted of it.

    Returns:
        (stop, forget). A finished report that is settled may go; a living attempt that nobody
        wants is stopped first, and so becomes a report.
    """
    if told.state is AttemptState.REPORTED:
        return False, settled
    if attempt is not None and not settled:
        return attempt.cancelled, False
    return begun, False


def is_lost(word: AgentWord, attempt: GrantedAttempt) -> bool:
    """Say whether an agent began an attempt and knows it no more: nobody will ever report it."""
    known = any(told.ref.attempt_id == attempt.attempt_id for told in word.attempts)
    return not known and has_begun(word, ref_of(attempt))


def active(
    device: str, word: AgentWord, attempts: Sequence[GrantedAttempt], now_s: float
) -> Activity | None:
    """The first unfinished attempt of the lease that the agent speaks of."""
    by_id = {attempt.attempt_id: attempt for attempt in attempts}
    for told in sorted(word.attempts, key=lambda one: one.ref):
        attempt = by_id.get(told.ref.attempt_id)
        if attempt is not None and told.state is not AttemptState.REPORTED:
            return Activity(
                device,
                attempt.run_id,
                attempt.cell_id,
                attempt.attempt_id,
                told.state,
                told.detail,
                now_s,
            )
    return None


def not_begun(word: AgentWord, attempts: Sequence[GrantedAttempt]) -> tuple[Work, ...]:
    """Answer the orders of a lease that an agent is to begin yet."""
    return tuple(
        Work(ref_of(attempt), attempt.assignment)
        for attempt in attempts
        if not attempt.cancelled and not has_begun(word, ref_of(attempt))
    )


def is_at_work(word: AgentWord) -> bool:
    """Say whether the agent still works at something, which must end before it is given more."""
    return any(
        told.state is not AttemptState.REPORTED and has_begun(word, told.ref)
        for told in word.attempts
    )


def ref_of(attempt: GrantedAttempt) -> AttemptRef:
    """Name a granted attempt as agents do."""
    return AttemptRef(attempt.fence, attempt.sequence, attempt.attempt_id)


def unreported(device: str, attempt: GrantedAttempt, outcome: Outcome, reason: str) -> Finished:
    """Build the report of an attempt that no agent will make."""
    return Finished(
        attempt_id=attempt.attempt_id,
        device=device,
        fence=attempt.fence,
        sequence=attempt.sequence,
        outcome=outcome,
        reason=reason,
        validity=(),
        exit_code=0,
        signal=0,
        trap="",
        region=None,
        samples=(),
    )
