"""Put trials to whoever answers, turn by turn, a block of trials at a time; nothing that is stored twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from llm_compare.allocation.trials.answer import AnsweredTrial
from llm_compare.allocation.trials.prompts import messages, n_calls
from llm_compare.allocation.trials.reading import Repair, read_trial
from llm_compare.allocation.trials.trial import Trial, TrialCall
from llm_compare.asking.attempts import FailedCall
from llm_compare.asking.limiter import Limits
from llm_compare.asking.run import Answerer, Ending, Paces, ask
from llm_compare.asking.spending import Budget
from llm_compare.prompting.call import Settings
from llm_compare.replies.reply import Failure, Reply
from llm_compare.replies.store import Sessions, find_replies

TOKENS_OF_A_TURN = 30
"""What an earlier reply that is not there yet is counted with in estimates: it is asked for no more than a nod."""
TRIALS_AT_ONCE = 64
"""So many trials go through their turns together, or eight for each call in flight: what stops a run leaves most of
what it paid for answered, rather than every trial half way."""
_STAND_IN = "yes " * TOKENS_OF_A_TURN
"""In place of a reply that is not there yet. Estimates count four characters as a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Whom trials are put to, with everything that is sent beside the words."""

    model: str
    """The litellm model string, or ``scripted/...``."""
    api_base: str | None = None
    settings: Settings = field(default_factory=Settings)
    set_sha256: str
    """Of the problem set."""

    def call(self, trial: Trial, replies: Sequence[str]) -> TrialCall:
        """Return the call that follows upon earlier ``replies``."""
        return TrialCall(
            model=self.model,
            api_base=self.api_base,
            settings=self.settings,
            messages=messages(trial, replies),
            repeat=trial.repeat + 1,
            trial=trial,
            turn=len(replies),
            n_turns=n_calls(trial),
            set_sha256=self.set_sha256,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTrial:
    """A trial that came to its end: its last reply, or an earlier one that nothing could follow upon."""

    trial: Trial
    calls: tuple[TrialCall, ...]
    replies: tuple[Reply, ...]
    """One for each call."""

    @property
    def reply(self) -> Reply:
        """What the trial comes to."""
        return self.replies[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What a run brought, earlier runs included."""

    trials: tuple[PutTrial, ...]
    """Those that came to their end, in the order of the plan."""
    planned: int
    """Trials."""
    already_stored: int
    """Calls, each counted once."""
    made: int
    """Calls of this run, failed ones included."""
    ending: Ending
    stopped_by: Failure | None
    """The failure that ended a failing run."""
    failed_attempts: int

    @property
    def failed(self) -> int:
        """Trials that ended with a failed call."""
        return sum(t.reply.error is not None for t in self.trials)

    @property
    def complete(self) -> bool:
        """Whether every trial has a reply, whatever it says."""
        return len(self.trials) == self.planned and self.failed == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Which calls a run would make."""

    calls: int
    """Different ones, over all turns."""
    stored: int
    missing: tuple[TrialCall, ...]
    """In the order of turns. What would follow upon a reply that is not there yet holds a stand-in for it."""
    possible: tuple[TrialCall, ...]
    """Those of the missing that follow upon no missing reply: for a batch file, which waits for none."""
    asked: tuple[TrialCall, ...]
    """Those, and every call that has a reply."""


def preview(sessions: Sessions, trials: Sequence[Trial], addressee: Addressee) -> Preview:
    """Return the calls that :func:`put` would make, without making any.

    Replies that are not there yet are counted with :data:`TOKENS_OF_A_TURN` tokens; trials go on from them.
    """
    courses = [_Course(trial) for trial in trials]
    stored: set[tuple[str, int]] = set()
    missing: dict[tuple[str, int], TrialCall] = {}
    possible: dict[tuple[str, int], TrialCall] = {}
    asked: dict[tuple[str, int], TrialCall] = {}
    while going := [course for course in courses if course.is_open]:
        calls = [course.next_call(addressee) for course in going]
        with sessions() as session:
            found = find_replies(session, calls)
        for course, call in zip(going, calls, strict=True):
            if call.identity in found:
                stored.add(call.identity)
            else:
                missing.setdefault(call.identity, call)
                if course.is_as_said:
                    possible.setdefault(call.identity, call)
            if course.is_as_said:
                asked.setdefault(call.identity, call)
            course.note(call, found.get(call.identity, _NOT_THERE))
    return Preview(
        calls=len(stored) + len(missing),
        stored=len(stored),
        missing=tuple(missing.values()),
        possible=tuple(possible.values()),
        asked=tuple(asked.values()),
    )


def put(
    sessions: Sessions,
    trials: Sequence[Trial],
    addressee: Addressee,
    make_answerer: Callable[[], Answerer[TrialCall]],
    *,
    rng: np.random.Generator,
    concurrency: int = 8,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    paces: Paces | None = None,
    budget: Budget | None = None,
    max_calls: int | None = None,
    on_reply: Callable[[TrialCall, Reply], None] = lambda call, reply: None,
    on_failed_attempt: Callable[[TrialCall, FailedCall], None] = lambda call, failed: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Put:
    """Carry trials through their turns, block by block: the first of all, then the second of those that can go on.

    Blocks are drawn at random: a provider's drift over the run is not to be taken for a difference of problems.
    Trials whose calls are the same to the last letter share them, such as the opening turns of one repeat. What
    the store has is not asked again, so the same once more makes only the calls that are missing. A trial ends
    early with a call that failed, or with a reply without a text: nothing can follow upon those.

    Parameters
    ----------
    make_answerer
        Makes who answers; each turn closes its own.
    rng
        For the order of calls and the waits between attempts.
    limits
        Requests and tokens per minute, over all turns.
    paces
        As :func:`llm_compare.asking.run.ask` takes it, where trials were put before that the limits cover, too.
    budget, max_calls
        Over all turns: what one leaves goes to the next. Where a run stops, later turns are read from the store.
    on_reply
        Called after each reply is stored, or its call failed.
    sleep, clock
        Waiting and the time waited by, in seconds.

    Raises
    ------
    CompareError
        As :func:`llm_compare.asking.run.ask` raises.
    """
    courses = [_Course(trial) for trial in trials]
    made = already_stored = failed_attempts = 0
    ending, stopped_by = Ending.COMPLETE, None
    paces = {} if paces is None else paces

    def count_and_tell(call: TrialCall, reply: Reply) -> None:
        nonlocal made
        made += 1
        on_reply(call, reply)

    size = max(TRIALS_AT_ONCE, 8 * concurrency)
    order = rng.permutation(len(courses))
    for start in range(0, len(courses), size):
        block = [courses[i] for i in order[start : start + size]]
        while going := [course for course in block if course.is_open]:
            calls = [course.next_call(addressee) for course in going]
            left = None if max_calls is None else max(max_calls - made, 0)
            asked = ask(
                sessions,
                calls,
                make_answerer(),
                rng=rng,
                concurrency=concurrency,
                limits=limits,
                paces=paces,
                budget=budget,
                max_calls=left if ending is Ending.COMPLETE else 0,
                on_reply=count_and_tell,
                on_failed_attempt=on_failed_attempt,
                sleep=sleep,
                clock=clock,
            )
            already_stored += asked.already_stored
            failed_attempts += asked.failed_attempts
            if ending is Ending.COMPLETE:
                ending, stopped_by = asked.ending, asked.stopped_by
            found = {r.request.identity: r.reply for r in asked.replies}
            for course, call in zip(going, calls, strict=True):
                course.note(call, found.get(call.identity))
    return Put(
        trials=tuple(course.ended() for course in courses if course.has_ended),
        planned=len(trials),
        already_stored=already_stored,
        made=made,
        ending=ending,
        stopped_by=stopped_by,
        failed_attempts=failed_attempts,
    )


def answered(found: Put, repair: Repair = Repair.NONE) -> tuple[AnsweredTrial, ...]:
    """Return the trials as they were read."""
    return tuple(
        AnsweredTrial(
            trial=t.trial,
            reply=t.reply,
            read=read_trial(t.reply, t.trial, repair),
            earlier=tuple(r.content or "" for r in t.replies[:-1]),
            request_key=t.calls[-1].key,
        )
        for t in found.trials
    )


_NOT_THERE = Reply(content=_STAND_IN)


class _Course:
    """How far a trial has come."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._calls: list[TrialCall] = []
        self._replies: list[Reply] = []
        self.is_open = True
        """Whether there is a call to make next."""
        self.has_ended = False
        """Whether it came to its end, rather than was stopped on the way."""

    def next_call(self, addressee: Addressee) -> TrialCall:
        """Return the call that comes next."""
        return addressee.call(self._trial, [r.content or "" for r in self._replies])

    @property
    def is_as_said(self) -> bool:
        """Whether everything said so far was said by who is asked."""
        return all(reply is not _NOT_THERE for reply in self._replies)

    def note(self, call: TrialCall, reply: Reply | None) -> None:
        """Take the reply to the call that came next; None where the run stopped before there was one."""
        if reply is None:
            self.is_open = False
            return
        self._calls.append(call)
        self._replies.append(reply)
        self.has_ended = call.is_last or reply.error is not None or not (reply.content or "").strip()
        self.is_open = not self.has_ended

    def ended(self) -> PutTrial:
        """Return the trial with all that was said."""
        return PutTrial(trial=self._trial, calls=tuple(self._calls), replies=tuple(self._replies))
