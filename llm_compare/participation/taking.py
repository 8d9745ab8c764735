"""Let models take a study: add the respondents, make their calls, and read what came back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from llm_compare.asking.attempts import FailedCall
from llm_compare.asking.limiter import Limits
from llm_compare.asking.run import Answerer, Asked, Ending, Paces, ask
from llm_compare.asking.spending import Budget
from llm_compare.participation.model_participant import Given, Group, ModelParticipant
from llm_compare.participation.store import Study, draw_on, enroll, given_by
from llm_compare.prompting.request import Request
from llm_compare.replies.reply import Reply
from llm_compare.replies.store import Sessions, find_replies
from survey.design import ComparisonKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a group of model respondents brought, earlier runs included."""

    participants: Sequence[ModelParticipant]
    given: Sequence[Given]
    """Every stored reply with what it means."""
    asked: Asked
    """Of the last round of calls; of a design that is not adaptive there is one."""
    made: int
    """Calls of this run, failed ones included."""

    @property
    def planned(self) -> int:
        """Number of comparisons drawn so far."""
        return sum(len(participant.shown) for participant in self.participants)

    @property
    def complete(self) -> bool:
        """Whether every comparison has a reply."""
        return len(self.given) == self.planned and self.asked.complete


def preview(
    sessions: Sessions, study: Study, group: Group, count: int, *, now: datetime
) -> tuple[tuple[ModelParticipant, ...], frozenset[tuple[str, int]]]:
    """Return the respondents that :func:`take` would let answer, and the calls that have a reply already. Nobody is
    added: those that are new are drawn, and the drawing is undone.

    Raises
    ------
    CannotTake
        Respondents would have to be added to a study that is not open.
    """
    with sessions() as session:
        trial = session.begin_nested()
        participants = enroll(session, study, group, count, now=now)
        stored = find_replies(session, [r for one in participants for r in one.requests()])
        trial.rollback()
    return participants, frozenset(stored)


def take(
    sessions: Sessions,
    study: Study,
    group: Group,
    count: int,
    make_answerer: Callable[[], Answerer[Request]],
    *,
    now: datetime,
    rng: np.random.Generator,
    concurrency: int = 8,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    budget: Budget | None = None,
    max_calls: int | None = None,
    on_reply: Callable[[Request, Reply], None] = lambda request, reply: None,
    on_failed_attempt: Callable[[Request, FailedCall], None] = lambda request, failed: None,
) -> Taken:
    """Let the first ``count`` respondents of ``group`` answer what they have not answered yet.

    The same again makes no call twice, and a larger count adds respondents. Of an adaptive design one comparison of
    each respondent is asked, then the next drawn for all: each draw knows the answers before it.

    Parameters
    ----------
    make_answerer
        Makes who answers the calls; each round closes its own.
    rng
        For the order of calls and the waits between attempts.
    limits
        Requests and tokens per minute; of an adaptive design in each round anew.
    budget
        Most money for this run.
    on_failed_attempt
        Called after each attempt that brought no reply.

    Raises
    ------
    CannotTake
        Respondents would have to be added to a study that is not open.
    CompareError
        As :func:`llm_compare.asking.run.ask` raises.
    """
    made = 0

    def count_and_tell(request: Request, reply: Reply) -> None:
        nonlocal made
        made += 1
        on_reply(request, reply)

    with sessions() as session:
        participants = enroll(session, study, group, count, now=now)
    paces: Paces = {}
    while True:
        asked = ask(
            sessions,
            [request for participant in participants for request in participant.requests()],
            make_answerer(),
            rng=rng,
            concurrency=concurrency,
            limits=limits,
            paces=paces,
            budget=budget,
            max_calls=None if max_calls is None else max(max_calls - made, 0),
            on_reply=count_and_tell,
            on_failed_attempt=on_failed_attempt,
        )
        if not asked.complete or study.design.comparison_kind is not ComparisonKind.ADAPTIVE:
            break
        with sessions() as session:
            if not draw_on(session, study, group, count):
                break
            participants = enroll(session, study, group, count, now=now)
        if asked.ending is not Ending.COMPLETE:
            break  # An interrupt came while the last replies did.
    with sessions() as session:
        given = given_by(session, participants)
    return Taken(participants=participants, given=given, asked=asked, made=made)
