"""Stopping rules: stated, replaced, checked, and never changed."""

from __future__ import annotations

from typing import Any

from survey.db import reading, writing
from survey.store import looks, stopping_rules, studies
from survey.store.stopping_rules import Check, Precision, Rule

RULE = Precision(width=0.8, at_least=25, every=10, model="davidson", arm="", wave=1)
OTHER = Precision(width=0.4, at_least=30, every=5, model="min-delta", arm="coin", wave=1)


def test_checkpoints_are_multiples_that_are_large_enough() -> None:
    assert list(RULE.checkpoints(29)) == []
    assert list(RULE.checkpoints(55)) == [30, 40, 50]
    assert list(OTHER.checkpoints(30)) == [30]


def test_what_waits_is_what_was_reached_and_not_checked_until_it_is_met(taking: Any, every_step: str) -> None:
    taking.open(every_step)
    state(taking, RULE)
    rule = in_force(taking)
    assert rule.waiting(45) == [30, 40]
    assert (rule.next_checkpoint(0), rule.next_checkpoint(45)) == (30, 50)
    record(taking, rule, check(30, 1.2))
    assert in_force(taking).waiting(45) == [40]
    record(taking, rule, check(40, 0.7, met=True))
    assert in_force(taking).waiting(100) == []
    met = in_force(taking).met
    assert met is not None
    assert (met.participants, met.width, met.at) == (40, 0.7, taking.now)


def test_a_check_is_recorded_once_and_none_after_the_rule_is_met_or_replaced(
    taking: Any, every_step: str
) -> None:
    taking.open(every_step)
    state(taking, RULE)
    rule = in_force(taking)
    record(taking, rule, check(30, 1.2))
    # Two researchers open the page at the same moment.
    record(taking, rule, check(30, 1.2), check(40, 0.5, met=True), check(50, 0.4, met=True))
    assert [c.participants for c in in_force(taking).checks] == [30, 40]
    state(taking, OTHER)
    record(taking, rule, check(60, 0.3, met=True))
    assert in_force(taking).checks == []
    assert [c.participants for c in rules(taking)[1].checks] == [30, 40]


def test_a_rule_tells_what_was_known_when_it_was_stated(taking: Any, every_step: str) -> None:
    taking.open(every_step)
    state(taking, RULE)
    assert in_force(taking).stated_first
    taking.finish_every_step(taking.start("every-step"))
    look(taking, simulated=True)
    look(taking, answers=0)
    look(taking)
    state(taking, OTHER)
    rule = in_force(taking)
    assert (rule.answers_then, rule.looks_then, rule.actor) == (3, 1, "account olga")
    assert not rule.stated_first


def test_stating_the_very_same_rule_again_keeps_it_and_its_checks(taking: Any, every_step: str) -> None:
    taking.open(every_step)
    state(taking, RULE)
    record(taking, in_force(taking), check(30, 1.2))
    state(taking, RULE)
    assert len(rules(taking)) == 1
    assert len(in_force(taking).checks) == 1


def test_a_rule_ends_when_it_is_replaced_or_withdrawn(taking: Any, every_step: str) -> None:
    taking.open(every_step)
    state(taking, RULE)
    taking.wait(minutes=1)
    state(taking, OTHER)
    taking.wait(minutes=1)
    taking.study("every-step", stopping_rules.withdraw_rule)
    newest, oldest = rules(taking)
    assert (newest.precision, oldest.precision) == (OTHER, RULE)
    assert (newest.ended_at, newest.ended_by) == (taking.now, "test")
    assert oldest.ended_at == newest.at
    taking.study("every-step", stopping_rules.withdraw_rule)
    assert len(rules(taking)) == 2


def test_a_rule_ends_with_the_draft_that_it_was_about(taking_sqlite: Any, every_step: str) -> None:
    taking = taking_sqlite
    for text in (every_step, every_step.replace("What this is.", "What this is now.")):
        with writing(taking.engine) as session:
            studies.add_study(session, text, now=taking.now, actor="command line")
        if not rules(taking):
            state(taking, RULE)
            assert in_force(taking).precision == RULE
    (rule,) = rules(taking)
    assert rule.ended_by == "command line"


def test_looks_come_newest_first_and_only_those_at_people_count(taking: Any, every_step: str) -> None:
    taking.open(every_step)
    for answers in (10, 20, 30):
        taking.wait(minutes=1)
        look(taking, answers=answers)
        look(taking, answers=answers, simulated=True)
    with reading(taking.engine) as session:
        total, latest = looks.looks_at_people(session, studies.find_study(session, "every-step"), latest=2)
    assert total == 3
    assert [one.answers for one in latest] == [30, 20]
    assert latest[0].at == taking.now


def state(taking: Any, precision: Precision) -> None:
    with writing(taking.engine) as session:
        study = studies.find_study(session, "every-step")
        stopping_rules.state_rule(session, study, precision, now=taking.now, actor="account olga")


def record(taking: Any, rule: Rule, *checks: Check) -> None:
    with writing(taking.engine) as session:
        study = studies.find_study(session, "every-step")
        stopping_rules.record_checks(session, study, rule.id, checks, now=taking.now, actor="account vera")


def look(taking: Any, *, answers: int = 5, simulated: bool = False) -> None:
    with writing(taking.engine) as session:
        looks.note_look(
            session,
            studies.find_study(session, "every-step"),
            now=taking.now,
            actor="account vera",
            answers=answers,
            respondents=2,
            model="davidson",
            arm=None,
            wave=None,
            simulated=simulated,
        )


def rules(taking: Any) -> list[Rule]:
    with reading(taking.engine) as session:
        return stopping_rules.rules_of(session, studies.find_study(session, "every-step"))


def in_force(taking: Any) -> Rule:
    with reading(taking.engine) as session:
        rule = stopping_rules.rule_in_force(session, studies.find_study(session, "every-step"))
    assert rule is not None
    return rule


def check(participants: int, width: float, *, met: bool = False) -> Check:
    return Check(participants=participants, width=width, met=met, why="")
