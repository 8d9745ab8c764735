"""Counts made by the database, against the export that reads every answer."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from survey.answers import Choice, Role
from survey.db import reading
from survey.export import answers_of_study
from survey.store import answering, participants, studies
from survey.store.choice_counts import ChoiceCounts, choice_counts, count_finished
from survey.tables import ParticipantState


def counted(taking: Any, slug: str = "every-step", *, simulated: bool = False, **only: Any) -> ChoiceCounts:
    with reading(taking.engine) as session:
        return choice_counts(session, studies.find_study(session, slug), simulated=simulated, **only)


def as_counter(counts: ChoiceCounts) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    columns = (
        counts.respondent,
        counts.arm,
        counts.left,
        counts.right,
        counts.offered,
        counts.choice,
        counts.times,
    )
    for respondent, arm, left, right, offered, choice, times in zip(*columns, strict=True):
        key = (
            counts.respondents[respondent],
            counts.arms[arm],
            counts.profiles[left],
            counts.profiles[right],
        )
        found[(*key, offered, choice)] += times
    return found


def exported(taking: Any, slug: str = "every-step", *, simulated: bool = False) -> tuple[Any, Counter[Role]]:
    """Count what the export reads row by row: an export with simulated participants less one without them."""
    with reading(taking.engine) as session:
        study = studies.find_study(session, slug)
        answers = answers_of_study(session, study, simulated).answers
        if simulated:
            people = {a.respondent for a in answers_of_study(session, study, False).answers}
            answers = [a for a in answers if a.respondent not in people]
    main = [a for a in answers if a.role is Role.MAIN]
    table = Counter((a.respondent, a.arm, a.left, a.right, a.indecision_offered, a.choice) for a in main)
    return table, Counter(a.role for a in answers if a.role is not Role.MAIN)


def finish(taking: Any, token: str, choice: Choice) -> None:
    """Go from the consent page to the end, answering every comparison alike where that is possible."""
    begin(taking, token)
    while (shown := taking.shown(token)) is not None:
        taking.answer(token, choice if shown.indecision_offered else Choice.RIGHT)
    taking.step(token, participants.describe, {"gender": "woman"})


def begin(taking: Any, token: str) -> None:
    """Go from the consent page (or, in a later wave, from there too) to the first comparison."""
    taking.step(token, participants.consent)
    if taking.state(token) is ParticipantState.SCREENING:
        taking.step(token, participants.screen, {"adult": "yes", "place": "country"})
    taking.step(token, answering.begin)
    if taking.state(token) is ParticipantState.PRACTICING:
        taking.answer(token)
        taking.step(token, answering.comprehend, "alike")


@pytest.fixture
def taken(taking: Any, every_step: str) -> Any:
    """Three finish, one in two waves; one stops after a changed answer, one is erased, one is simulated."""
    for line in ("reason_question", "reasons", "strict", "strict_question"):
        every_step = re.sub(rf"^{line} = .*$", "", every_step, flags=re.MULTILINE)
    taking.open(re.sub(r"^most = \d+$", "most = 100", every_step, flags=re.MULTILINE))
    for choice, pid in ((Choice.LEFT, "one"), (Choice.RIGHT, None), (Choice.INDECISION, None)):
        taking.wait(minutes=1)
        finish(taking, taking.start("every-step", pid=pid), choice)
    midway = taking.start("every-step")
    begin(taking, midway)
    taking.answer(midway, Choice.LEFT)
    assert taking.step(midway, answering.change_last_answer)
    taking.answer(midway, Choice.RIGHT)
    erased = taking.start("every-step")
    finish(taking, erased, Choice.LEFT)
    taking.erase("every-step", taking.person(erased).code)
    finish(taking, taking.start("every-step", simulated=True), Choice.LEFT)
    taking.study("every-step", studies.open_next_wave)
    finish(taking, taking.start("every-step", pid="one"), Choice.RIGHT)
    return taking


@pytest.mark.parametrize("simulated", [False, True])
def test_the_counts_are_those_of_the_export(taken: Any, simulated: bool) -> None:
    table, other_roles = exported(taken, simulated=simulated)
    counts = counted(taken, simulated=simulated)
    assert as_counter(counts) == table
    assert counts.other_roles == other_roles
    assert counts.answers == sum(table.values()) > 0
    assert (len(counts.respondents) == 4) != simulated
    assert list(counts.respondents) == sorted(counts.respondents)


def test_profiles_are_the_designs_and_numbered_by_their_ids(taken: Any) -> None:
    counts = counted(taken)
    ids = [profile.id for profile in counts.profiles]
    assert ids == sorted(set(ids))
    with reading(taken.engine) as session:
        known = studies.design_of(studies.find_study(session, "every-step")).profiles()
    assert known is not None
    assert set(counts.profiles) <= set(known)
    assert {p.id for p in counts.profiles} <= {p.id for p in known}


def test_an_arm_and_a_wave_can_be_had_alone(taken: Any) -> None:
    everything = as_counter(counted(taken))
    arms = counted(taken).arms
    assert sum((as_counter(counted(taken, arm=arm)) for arm in arms), Counter()) == everything
    first, second = counted(taken, wave=1), counted(taken, wave=2)
    assert as_counter(first) + as_counter(second) == everything
    assert len(second.respondents) == 1
    assert second.respondents[0] in first.respondents


def test_those_who_finished_first_are_the_same_whenever_it_is_asked(taken: Any) -> None:
    first = as_counter(counted(taken, wave=1, first_finished=2))
    assert {key[-1] for key in first} == {Choice.LEFT, Choice.RIGHT}
    assert {key[-1] for key in as_counter(counted(taken, wave=1, first_finished=1))} == {Choice.LEFT}
    with reading(taken.engine) as session:
        study = studies.find_study(session, "every-step")
        assert count_finished(session, study, simulated=False, wave=1) == 3
        assert count_finished(session, study, simulated=False) == 4
        assert count_finished(session, study, simulated=True) == 1
    # Somebody else finishing changes nothing.
    finish(taken, taken.start("every-step", simulated=True), Choice.INDECISION)
    assert as_counter(counted(taken, wave=1, first_finished=2)) == first


def test_a_study_that_nobody_took_has_no_counts(taking: Any, every_step: str) -> None:
    taking.open(every_step)
    counts = counted(taking)
    assert (counts.answers, counts.profiles, counts.respondents, counts.other_roles) == (0, (), (), {})
