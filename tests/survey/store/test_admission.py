from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sqlalchemy import select

from survey.answers import Role
from survey.db import reading
from survey.pairing import draw_presentations
from survey.store import answering, participants, studies
from survey.store.presentations import presentation_of
from survey.tables import EventRow, ParticipantRow, ParticipantState, PresentationRow

State = ParticipantState


def admit(taking, slug: str, *, place: str = "country", **arrival) -> str:
    """Start, consent and answer the screener."""
    token = taking.consented(slug, **arrival)
    taking.step(token, participants.screen, {"adult": "yes", "place": place})
    return token


def test_consent_draws_everything_once(taking, short_design: str) -> None:
    taking.open(short_design)
    token = taking.consented("short")
    taking.step(token, participants.consent)
    rows = taking.drawn(token)
    with reading(taking.engine) as session:
        design = studies.design_of(studies.find_study(session, "short"))
    arm = design.arm(taking.person(token).arm)
    assert [row.position for row in rows] == [1, 2, 3, 4]
    assert len({row.token for row in rows}) == 4
    assert {row.indecision_offered for row in rows} == {arm.indecision_offered}
    assert {(row.asked, row.answered, row.served_at) for row in rows} == {(1, 0, None)}


def test_the_draws_follow_from_the_design_and_the_number(
    taking_sqlite, taking_postgres, short_design: str
) -> None:
    drawn = []
    for taking in (taking_sqlite, taking_postgres):
        taking.open(short_design)
        tokens = [taking.at_first_comparison("short") for _ in range(3)]
        drawn.append(
            [
                [
                    (p.left_profile, p.right_profile, p.attribute_order, p.indecision_offered)
                    for p in taking.drawn(t)
                ]
                for t in tokens
            ]
        )
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]


def test_what_a_participant_is_shown_does_not_depend_on_the_arms_of_others(
    taking_sqlite, short_design: str
) -> None:
    study = taking_sqlite.open(short_design)
    design = studies.design_of(study)
    for number in range(1, 7):
        token = taking_sqlite.consented("short")
        drawn = [presentation_of(design, row) for row in taking_sqlite.drawn(token)]
        rng = np.random.default_rng([study.draw_seed, number])
        arm = design.arm(taking_sqlite.person(token).arm)
        assert drawn == list(draw_presentations(design, arm, rng))


def test_arms_fill_evenly_and_simulated_participants_do_not_count(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    for simulated in (False, True, False, False, True, False, False, False):
        taking_sqlite.consented("short", simulated=simulated)
    with reading(taking_sqlite.engine) as session:
        people = Counter(session.scalars(select(ParticipantRow.arm).where(~ParticipantRow.simulated)))
    assert people == {"with-coin": 3, "no-coin": 3}


def test_a_quota_admits_as_many_as_it_says(taking, every_step: str) -> None:
    taking.open(every_step)
    states = [taking.state(admit(taking, "every-step")) for _ in range(6)]
    assert states == [State.INSTRUCTED] * 4 + [State.QUOTA_FULL] * 2
    with reading(taking.engine) as session:
        said = session.scalars(select(EventRow.detail).where(EventRow.what == "quota full")).all()
    assert said == [{"quota": "all"}] * 2


def test_a_cell_of_a_quota_turns_away_only_those_in_it(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    for _ in range(3):
        admit(taking_sqlite, "every-step", place="city")
    fourth = admit(taking_sqlite, "every-step", place="city")
    assert taking_sqlite.state(fourth) is State.QUOTA_FULL
    assert taking_sqlite.person(fourth).completion_code.startswith("Q")
    assert taking_sqlite.state(admit(taking_sqlite, "every-step", place="country")) is State.INSTRUCTED


@pytest.mark.parametrize("left", ["abandoned", "withdrawn", "erased"])
def test_a_slot_that_is_given_up_goes_to_somebody_else(taking_sqlite, every_step: str, left: str) -> None:
    taking_sqlite.open(every_step)
    tokens = [admit(taking_sqlite, "every-step") for _ in range(4)]
    taking_sqlite.wait(minutes=29)
    for token in tokens[1:]:
        taking_sqlite.step(token, answering.begin)
    if left == "abandoned":
        assert taking_sqlite.state(admit(taking_sqlite, "every-step")) is State.QUOTA_FULL
        taking_sqlite.wait(minutes=2)
    elif left == "withdrawn":
        taking_sqlite.step(tokens[0], participants.withdraw)
    else:
        taking_sqlite.erase("every-step", taking_sqlite.person(tokens[0]).code)
    assert taking_sqlite.state(admit(taking_sqlite, "every-step")) is State.INSTRUCTED
    assert taking_sqlite.state(admit(taking_sqlite, "every-step")) is State.QUOTA_FULL


def test_who_comes_back_after_the_slot_was_given_away_finishes_all_the_same(
    taking_sqlite, every_step: str
) -> None:
    taking_sqlite.open(every_step)
    slow = admit(taking_sqlite, "every-step")
    taking_sqlite.wait(minutes=31)
    for _ in range(4):
        admit(taking_sqlite, "every-step")
    taking_sqlite.step(slow, answering.begin)
    taking_sqlite.answer(slow)
    taking_sqlite.step(slow, answering.comprehend, "alike")
    taking_sqlite.answer_all(slow)
    taking_sqlite.step(slow, participants.describe, {})
    assert taking_sqlite.state(slow) is State.FINISHED


def test_simulated_participants_take_nobodys_slot(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    for _ in range(5):
        admit(taking_sqlite, "every-step", simulated=True)
    assert taking_sqlite.state(admit(taking_sqlite, "every-step")) is State.INSTRUCTED


def test_an_adaptive_study_draws_each_comparison_when_it_is_reached(taking, adaptive: str) -> None:
    taking.open(adaptive)
    token = taking.at_first_comparison("adaptive")
    for position in range(1, 9):
        shown = taking.shown(token)
        assert shown.position == position
        drawn_now = [row.position for row in taking.drawn(token) if row.role is not Role.CHECK]
        assert drawn_now == [p for p in range(1, position + 1) if p in drawn_now]
        assert max(drawn_now, default=0) <= position
        taking.answer(token)
    assert taking.state(token) is State.FINISHED
    rows = taking.drawn(token)
    assert [row.position for row in rows] == list(range(1, 9))
    assert Counter(row.role for row in rows) == {Role.MAIN: 6, Role.CHECK: 1, Role.REPEAT: 1}
    assert all(0 < row.draw_probability <= 1 for row in rows)
    assert len({frozenset({r.left_profile, r.right_profile}) for r in rows if r.role is Role.MAIN}) == 6


def test_an_adaptive_study_of_several_people_stays_within_its_bounds(taking_sqlite, adaptive: str) -> None:
    taking_sqlite.open(adaptive)
    for _ in range(8):
        taking_sqlite.answer_all(taking_sqlite.at_first_comparison("adaptive"))
    shown: Counter[str] = Counter()
    with reading(taking_sqlite.engine) as session:
        for row in session.scalars(select(PresentationRow).where(PresentationRow.role == Role.MAIN)):
            shown.update((row.left_profile, row.right_profile))
            assert "bound" not in row.draw_rule, "a bound was lifted"
    assert len(shown) == 7
    assert max(shown.values()) - min(shown.values()) <= 3
