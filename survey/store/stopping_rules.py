"""Rules that say beforehand how precise an estimate must be for a study to end, and what became of them.

They stand in the events and nowhere else: a rule, its withdrawal and each check of it are added and never changed,
each with who did it and when. So no state can differ from the record that a reader is asked to trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from survey.store.choice_counts import choice_counts, count_finished
from survey.store.events import log_event
from survey.store.looks import looks_at_people
from survey.store.studies import lock_study
from survey.tables import EventRow, StudyRow

STATED = "stopping rule stated"
WITHDRAWN = "stopping rule withdrawn"
CHECKED = "stopping rule checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How precise the estimate must be, and when that is checked."""

    width: float
    """The widest 95 % interval of the log-strengths must be below this."""
    at_least: int
    """So many participants must have finished, whatever the intervals."""
    every: int
    """It is checked only each time so many more have finished."""
    model: str
    arm: str
    """Empty: all arms together."""
    wave: int
    """Whose participants are counted and estimated from."""

    def checkpoints(self, finished: int) -> range:
        """Return the numbers of finished participants at which it is checked, as far as they were reached."""
        first = -(-self.at_least // self.every) * self.every
        return range(first, finished + 1, self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a rule said at one of its checkpoints."""

    participants: int
    """Those who finished first, from whose answers the intervals were computed."""
    width: float | None
    """Of the widest interval; None where there was no estimate."""
    met: bool
    why: str
    """Why there was no estimate; empty where there was one."""
    at: datetime | None = None
    """When it was recorded; None before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule as somebody stated it."""

    id: int
    precision: Precision
    at: datetime
    actor: str
    answers_then: int
    """People's main answers that were in when it was stated."""
    looks_then: int
    """How often somebody had looked at the estimate before."""
    design_hash: str
    """A draft's design may be replaced; the rule is about the design that there was."""
    ended_at: datetime | None
    """When another took its place or it was withdrawn; None while it is in force."""
    ended_by: str
    checks: Sequence[Check]
    """In the order of checkpoints."""

    @property
    def stated_first(self) -> bool:
        """Whether it was stated before there was anything to choose it by."""
        return self.answers_then == 0 and self.looks_then == 0

    @property
    def met(self) -> Check | None:
        """The check at which it was met, if it was."""
        return next((check for check in self.checks if check.met), None)

    def waiting(self, finished: int) -> list[int]:
        """Return the checkpoints that were reached and not yet checked; none once it is met."""
        done = {check.participants for check in self.checks}
        if self.ended_at is not None or self.met is not None:
            return []
        return [n for n in self.precision.checkpoints(finished) if n not in done]

    def next_checkpoint(self, finished: int) -> int:
        """Return the first checkpoint that was not reached."""
        points = self.precision.checkpoints(finished)
        return points[-1] + self.precision.every if points else points.start


def state_rule(session: Session, study: StudyRow, precision: Precision, *, now: datetime, actor: str) -> None:
    """Put a rule in force, in place of the one before. Stating the very same again changes nothing."""
    lock_study(session, study)
    there = rule_in_force(session, study)
    if there is not None and there.precision == precision:
        return
    looks, _ = looks_at_people(session, study, latest=0)
    only = {"arm": precision.arm} if precision.arm else {}
    replaced = {"replaces": there.id} if there else {}
    log_event(
        session,
        study,
        None,
        STATED,
        now=now,
        actor=actor,
        width=precision.width,
        at_least=precision.at_least,
        every=precision.every,
        model=precision.model,
        wave=precision.wave,
        answers_then=choice_counts(session, study, simulated=False).answers,
        looks_then=looks,
        design_hash=study.design_hash,
        **only,
        **replaced,
    )


def withdraw_rule(session: Session, study: StudyRow, *, now: datetime, actor: str) -> None:
    """Put no rule in force any more."""
    lock_study(session, study)
    there = rule_in_force(session, study)
    if there is not None:
        log_event(session, study, None, WITHDRAWN, now=now, actor=actor, rule=there.id)


def record_checks(
    session: Session, study: StudyRow, rule_id: int, checks: Sequence[Check], *, now: datetime, actor: str
) -> None:
    """Record what a rule said, unless it was recorded already or the rule is no longer in force.

    Once a check meets the rule, later ones are not recorded: the rule has said its word.
    """
    lock_study(session, study)
    for check in checks:
        rule = rule_in_force(session, study)
        if rule is None or rule.id != rule_id or rule.met is not None:
            return
        if check.participants in {done.participants for done in rule.checks}:
            continue
        log_event(
            session,
            study,
            None,
            CHECKED,
            now=now,
            actor=actor,
            rule=rule_id,
            participants=check.participants,
            met=check.met,
            **({"why": check.why} if check.width is None else {"width": check.width}),
        )
        session.flush()


def rule_in_force(session: Session, study: StudyRow) -> Rule | None:
    """Return the rule that counts now, if any."""
    return next((rule for rule in rules_of(session, study) if rule.ended_at is None), None)


def rules_of(session: Session, study: StudyRow) -> list[Rule]:
    """Return every rule that was stated, newest first, with its checks.

    A rule ends when another is stated, when it is withdrawn, or when a draft's design is replaced.
    """
    events = session.scalars(
        select(EventRow)
        .where(
            EventRow.study_id == study.id,
            EventRow.participant_id.is_(None),
            EventRow.what.in_((STATED, WITHDRAWN, CHECKED, "design replaced")),
        )
        .order_by(EventRow.id)
    ).all()
    stated = [event for event in events if event.what == STATED]
    rules = []
    for event in stated:
        end = next(
            (
                other
                for other in events
                if other.id > event.id and other.what in (STATED, WITHDRAWN, "design replaced")
            ),
            None,
        )
        detail = event.detail
        rules.append(
            Rule(
                id=event.id,
                precision=Precision(
                    width=detail["width"],
                    at_least=detail["at_least"],
                    every=detail["every"],
                    model=detail["model"],
                    arm=detail.get("arm", ""),
                    wave=detail["wave"],
                ),
                at=event.at,
                actor=event.actor,
                answers_then=detail["answers_then"],
                looks_then=detail["looks_then"],
                design_hash=detail["design_hash"],
                ended_at=end.at if end else None,
                ended_by=end.actor if end else "",
                checks=sorted(
                    (
                        Check(
                            participants=check.detail["participants"],
                            width=check.detail.get("width"),
                            met=check.detail["met"],
                            why=check.detail.get("why", ""),
                            at=check.at,
                        )
                        for check in events
                        if check.what == CHECKED and check.detail["rule"] == event.id
                    ),
                    key=lambda check: check.participants,
                ),
            )
        )
    return rules[::-1]


def finished_under(session: Session, study: StudyRow, precision: Precision) -> int:
    """Count the people who finished, of the rule's arm and wave."""
    return count_finished(session, study, simulated=False, arm=precision.arm or None, wave=precision.wave)
