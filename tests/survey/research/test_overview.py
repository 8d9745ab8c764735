"""A study's figures, counted from what people were let do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from survey.answers import Choice, Presentation, Role
from survey.attention import Shown, attention_of
from survey.db import reading, writing
from survey.design import Profile, StudyDesign
from survey.overview import overview_of
from survey.overview.counts import overviews
from survey.overview.coverage import coverage
from survey.overview.figures import Figures, figures_of
from survey.overview.flags import stated_rules
from survey.overview.people import count_people, page_of_people, person_of
from survey.overview.progress import NOT_ASSIGNED, drop_out_by_position, drop_out_by_step
from survey.overview.quartiles import quartiles_of
from survey.overview.records import Given, Record, Seen, judged, read_records
from survey.participation import Exclusions
from survey.questionnaire import PREFER_NOT_TO_SAY
from survey.steps import steps_of
from survey.store import admission, answering, erasure, participants, studies
from survey.store.answering import Sent
from survey.store.presentations import seen_by
from survey.tables import FollowUpKind, ParticipantRow, ParticipantState, StudyRow

Walker = Any
Plan = Callable[..., Any]
Follow = Callable[..., Walker]
SaysIndecision = Callable[[Any], Choice]


def figures(
    walker: Walker, *, simulated: bool = False, wave: int = 1, now: datetime | None = None
) -> Figures:
    with reading(walker.engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        return figures_of(session, study, simulated=simulated, wave=wave, now=now or walker.now)


def study_of(walker: Walker) -> StudyRow:
    with reading(walker.engine) as session:
        return session.get_one(StudyRow, walker.study_id)


# --- how far people came -------------------------------------------------------------------------------


def test_participants_are_counted_by_state_and_arm(walker: Walker, plan: Plan) -> None:
    walker.take(plan(arm="coin"))
    walker.take(plan(arm="no-coin", answers=2))
    walker.take(plan(decline=True))
    erased = walker.take(plan(arm="coin"))
    with writing(walker.engine) as session:
        erasure.erase(session, session.get_one(StudyRow, walker.study_id), erased, now=walker.tick())
    found = figures(walker).states
    assert found.arms == ["coin", "no-coin", NOT_ASSIGNED]
    assert found.counts == {
        ParticipantState.ANSWERING: {"coin": 0, "no-coin": 1, NOT_ASSIGNED: 0},
        ParticipantState.FINISHED: {"coin": 1, "no-coin": 0, NOT_ASSIGNED: 0},
        ParticipantState.DECLINED: {"coin": 0, "no-coin": 0, NOT_ASSIGNED: 1},
        ParticipantState.ERASED: {"coin": 0, "no-coin": 0, NOT_ASSIGNED: 1},
    }
    assert [found.total(arm) for arm in found.arms] == [1, 1, 2]


def test_each_step_says_how_many_came_went_on_left_and_are_there(
    sqlite_engine: Engine, follow: Follow, plan: Plan, followed_design: str
) -> None:
    walker = follow(sqlite_engine, followed_design.replace("most = 4", "most = 3"))
    walker.take(plan(decline=True))
    walker.take(plan(screener={"adult": "no", "place": "city"}))
    walker.take(plan(begins=False))
    walker.take(plan(comprehension=["guess"]))
    walker.take(plan(answers=3, withdraws=True))
    walker.take(plan(screener={"adult": "yes", "place": "country"}, demographics=None))
    walker.take(plan(screener={"adult": "yes", "place": "city"}))  # The quota is full by now.
    found = {step.step: step for step in figures(walker).steps}
    assert list(found) == list(steps_of(studies.design_of(study_of(walker))))
    counted = {
        step: (c.reached, c.went_on, c.ended, c.here)
        for step, c in found.items()
        if step is not step.FINISHED
    }
    assert counted == {
        ParticipantState.CONSENTING: (7, 6, 1, 0),
        ParticipantState.SCREENING: (6, 4, 2, 0),
        ParticipantState.INSTRUCTED: (4, 3, 0, 1),
        ParticipantState.PRACTICING: (3, 3, 0, 0),
        ParticipantState.COMPREHENDING: (3, 2, 0, 1),
        ParticipantState.ANSWERING: (2, 1, 1, 0),
        ParticipantState.DESCRIBING: (1, 0, 0, 1),
    }
    assert found[ParticipantState.FINISHED].reached == 0


def test_somebody_is_quiet_when_nothing_came_for_as_long_as_a_slot_is_held(
    walker: Walker, plan: Plan
) -> None:
    walker.take(plan(answers=1))
    hold = timedelta(minutes=30)

    def quiet(now: datetime) -> int:
        return sum(step.inactive for step in figures(walker, now=now).steps)

    assert quiet(walker.now) == 0
    assert quiet(walker.now + hold + timedelta(minutes=1)) == 1


def test_each_position_says_how_many_saw_and_answered_it(
    walker: Walker, plan: Plan, says_indecision: SaysIndecision
) -> None:
    walker.take(plan(arm="coin", choose=says_indecision))
    walker.take(plan(arm="no-coin", answers=4, seconds=lambda position: 1.0 + position))
    found = figures(walker).positions
    assert [p.position for p in found] == list(range(1, 11))
    assert [p.shown for p in found] == [2] * 5 + [1] * 5
    assert [p.answered for p in found] == [2] * 4 + [1] * 6
    assert [p.unanswered for p in found] == [0] * 4 + [1] + [0] * 5
    assert sum(p.indecisions for p in found) == 6
    assert [p.indecision_offered for p in found] == [1] * 10
    assert [p.median_seconds for p in found[:2]] == [2.5, 3.0]


def test_a_later_wave_is_counted_apart(walker: Walker, plan: Plan) -> None:
    codes = [walker.take(plan()), walker.take(plan())]
    walker.take(plan(answers=1))
    with writing(walker.engine) as session:
        studies.open_next_wave(session, session.get_one(StudyRow, walker.study_id), now=walker.tick())
    walker.take_again(codes[0], plan(answers=2))
    first, second = figures(walker), figures(walker, wave=2)
    assert (first.participants, first.finished, second.participants, second.finished) == (3, 2, 1, 0)
    assert second.answers == 2
    assert (second.quotas, second.screener, second.demographics, second.comprehension) == ((), (), (), None)
    assert [(w.wave, w.invited, w.started, w.admitted, w.finished) for w in first.waves] == [
        (1, None, 3, 1, 2),
        (2, 2, 1, 1, 0),
    ]
    assert ParticipantState.SCREENING not in {step.step for step in second.steps}


# --- what was answered ---------------------------------------------------------------------------------


def test_people_and_simulated_participants_are_never_counted_together(
    engine: Engine, follow: Follow, plan: Plan, says_indecision: SaysIndecision
) -> None:
    walker = follow(engine)
    walker.take(plan(arm="coin"))
    walker.take(plan(arm="coin", choose=says_indecision, simulated=True))
    walker.take(plan(arm="coin", choose=says_indecision, simulated=True))
    people, simulated = figures(walker), figures(walker, simulated=True)
    assert (people.participants, simulated.participants) == (1, 2)
    assert [arm.indecisions for arm in people.indecision] == [0, 0]
    assert [arm.indecisions for arm in simulated.indecision] == [12, 0]
    with reading(engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        counted = [overview_of(session, study, simulated=kind) for kind in (False, True)]
        assert overviews(session, simulated=False) == {study.id: counted[0]}
    assert [(o.participants, o.finished, o.answers, o.indecision_offered) for o in counted] == [
        (1, 1, 10, 10),
        (2, 2, 20, 20),
    ]
    assert counted[0].indecision_rate == 0
    assert counted[1].indecision_rate == pytest.approx(12 / 20)


def test_a_study_without_participants_has_figures(walker: Walker) -> None:
    found = figures(walker)
    assert (found.participants, found.answers, found.coverage.pairs, found.times.all) == (0, 0, None, None)
    with reading(walker.engine) as session:
        counted = overview_of(session, study_of(walker), simulated=False)
    assert (counted.participants, counted.indecision_rate, counted.left_share) == (0, None, None)


def test_indecision_is_counted_by_arm_with_what_followed(
    walker: Walker, plan: Plan, says_indecision: SaysIndecision
) -> None:
    walker.take(plan(arm="coin", choose=says_indecision))
    walker.take(plan(arm="coin", follow_ups={FollowUpKind.REASON: "", FollowUpKind.STRICT: "right"}))
    walker.take(
        plan(
            arm="coin",
            choose=says_indecision,
            answers=2,
            follow_ups={FollowUpKind.REASON: "", FollowUpKind.STRICT: "right"},
        )
    )
    country = {"adult": "yes", "place": "country"}
    walker.take(plan(arm="no-coin", choose=says_indecision, screener=country))
    found = figures(walker)
    coin, no_coin = found.indecision
    undecided_of_two = found.follow_ups.skipped
    assert (coin.arm, coin.offered, coin.answers) == ("coin", True, 12 + undecided_of_two)
    assert coin.indecisions == 6 + undecided_of_two
    assert coin.of_participants is not None
    assert (coin.of_participants.count, coin.of_participants.upper) == (3, 1.0)
    assert (no_coin.offered, no_coin.rate, no_coin.of_participants, no_coin.answers) == (False, None, None, 6)
    assert found.follow_ups.reasons == {"equal": 6, "close": 0}
    assert found.follow_ups.strict == {Choice.LEFT: 6, Choice.RIGHT: undecided_of_two}


def test_times_are_grouped_by_position_and_the_missing_are_explained(
    engine: Engine, follow: Follow, plan: Plan
) -> None:
    walker = follow(engine)
    walker.take(
        plan(
            seconds=lambda p: 4.0 if p == 1 else 2.0 if p < 6 else 1.0,
            client={"input": "touch", "hidden_seconds": 0},
        )
    )
    walker.take(plan(seconds=lambda p: None, answers=3))
    # Longer than the server's interval of five seconds.
    walker.take(plan(seconds=lambda p: 60.0, answers=1, client={"input": "mouse", "hidden_seconds": 2.5}))
    found = figures(walker).times
    assert found.answers == 14
    assert [(g.first, g.last, g.seconds.count, g.seconds.median) for g in found.by_position if g.seconds] == [
        (1, 1, 1, 4.0),
        (2, 5, 4, 2.0),
        (6, None, 5, 1.0),
    ]
    assert found.missing == {"not measured (no script)": 3, "longer than the server's interval": 1}
    assert found.without_time == 4
    assert found.told_hidden == 11
    assert found.hidden is not None
    assert (found.hidden.count, found.hidden.median) == (1, 2.5)
    assert found.inputs == {"touch": 10, "": 3, "mouse": 1}


def test_flags_count_checks_and_rules_of_those_who_were_admitted(walker: Walker, plan: Plan) -> None:
    walker.take(plan())
    walker.take(
        plan(
            choose=lambda row: row.expected.mirrored if row.expected else Choice.RIGHT,
            comprehension=["guess", "guess"],
            seconds=lambda p: 0.5,
        )
    )
    walker.take(plan(answers=0))
    walker.take(plan(decline=True))
    found = figures(walker).flags
    assert (found.participants, found.still_going, found.under_no_rule) == (3, 1, 1)
    assert (found.checks_answered, found.checks_failed) == (2, 1)
    assert (found.dominated_answered, found.dominated_against) == (2, 1)
    assert (found.identical_answered, found.identical_decided) == (2, 2)
    # Sides are exchanged in a repeat, so that the same side is the other patient.
    assert (found.repeats_answered, found.repeats_changed) == (2, 2)
    assert [(rule.rule, rule.participants) for rule in found.rules] == [
        ("unfinished", 1),
        ("failed_checks_above", 1),
        ("median_seconds_below", 1),
        ("comprehension_failed", 1),
    ]


def test_each_rule_that_a_design_states_has_its_own_sentence() -> None:
    assert stated_rules(Exclusions(unfinished=False)) == []
    every = Exclusions(
        unfinished=True,
        failed_checks_above=0,
        dominated_against_above=1,
        median_seconds_below=1.5,
        same_side_above=0.9,
        repeats_changed_above=2,
        comprehension_failed=True,
    )
    found = stated_rules(every)
    assert [name for name, _ in found] == [
        "unfinished",
        "failed_checks_above",
        "dominated_against_above",
        "median_seconds_below",
        "same_side_above",
        "repeats_changed_above",
        "comprehension_failed",
    ]
    assert len({sentence for _, sentence in found}) == 7
    assert "1.5 seconds" in dict(found)["median_seconds_below"]


def test_sides_are_summed_up_and_the_extremes_named(walker: Walker, plan: Plan) -> None:
    left = walker.take(plan(choose=lambda row: Choice.LEFT))
    right = walker.take(plan(choose=lambda row: Choice.RIGHT))
    walker.take(plan(choose=lambda row: Choice.RIGHT, answers=2))  # Too few answers for a share of one's own.
    found = figures(walker).sides
    assert found.left == 6
    assert found.right >= 6
    assert (found.participants, found.one_sided) == (2, 2)
    assert (found.most_left, found.most_right) == ((1.0, left), (0.0, right))


def test_profiles_and_pairs_are_counted_in_main_comparisons(
    walker: Walker, plan: Plan, says_indecision: SaysIndecision
) -> None:
    walker.take(plan(arm="coin", choose=lambda row: Choice.LEFT))
    walker.take(plan(arm="coin", choose=says_indecision))
    found = figures(walker).coverage
    assert found.profiles is not None
    counts = {p.profile: (p.left, p.right, p.chosen, p.indecisions) for p in found.profiles}
    # The design puts each pair's earlier profile on the left: YG thrice, OP never.
    assert counts == {"YG": (6, 0, 3, 3), "YP": (4, 2, 2, 3), "OG": (2, 4, 1, 3), "OP": (0, 6, 0, 3)}
    assert found.pairs is not None
    assert (found.pairs.different, found.pairs.possible, found.pairs.fewest, found.pairs.most) == (6, 6, 2, 2)


def test_a_possible_comparison_that_was_never_asked_makes_the_fewest_zero(walker: Walker, plan: Plan) -> None:
    walker.take(plan(answers=1, choose=lambda row: Choice.LEFT))
    pairs = figures(walker).coverage.pairs
    assert pairs is not None
    assert (pairs.different, pairs.possible, pairs.fewest, pairs.most) == (1, 6, 0, 1)


def test_replays_and_changed_answers_are_counted(walker: Walker, plan: Plan) -> None:
    code = walker.take(plan(answers=2))
    with writing(walker.engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        person = session.scalars(select(ParticipantRow).where(ParticipantRow.code == code)).one()
        row = answering.open_presentation(session, studies.design_of(study), person)
        assert row is not None
        sent = Sent(
            presentation=row.token,
            revision=1,
            choice=Choice.LEFT,
            client_seconds=1.0,
            client_seconds_problem="",
        )
        for _ in range(3):
            answering.record_answer(session, person, sent, now=walker.tick())
        assert answering.change_last_answer(session, person, now=walker.tick())
    found = figures(walker)
    assert (found.replayed, found.reopened, found.answers) == (2, 1, 3)
    # The answer that is being changed counts until the new one is there.
    assert found.positions[2].unanswered == 0


# --- forms and quotas ----------------------------------------------------------------------------------


def test_forms_are_counted_with_what_was_left_out(walker: Walker, plan: Plan) -> None:
    walker.take(plan(demographics={"age": 30, "ties": ["donor", "patient"], "remarks": "Fine."}))
    walker.take(
        plan(demographics={"age": PREFER_NOT_TO_SAY, "ties": ["donor"]}, comprehension=["guess", "alike"])
    )
    walker.take(plan(demographics={}, comprehension=["guess", "guess"]))
    walker.take(
        plan(screener={"adult": "yes", "place": "country"}, demographics=None, comprehension=["guess"])
    )
    found = figures(walker)
    age, ties, remarks = found.demographics
    assert (age.asked, age.preferred_not_to_say, age.left_blank) == (3, 1, 1)
    assert age.numbers == quartiles_of([30])
    assert (ties.options, ties.left_blank) == ({"donor": 2, "patient": 1}, 1)
    assert (remarks.texts, remarks.left_blank) == (1, 2)
    adult, place = found.screener
    assert (adult.asked, adult.options) == (4, {"yes": 4, "no": 0})
    assert place.options == {"city": 3, "country": 1}
    assert found.comprehension is not None
    assert (list(found.comprehension.right_at), found.comprehension.failed, found.comprehension.trying) == (
        [1, 1],
        1,
        1,
    )


def test_a_quota_is_full_on_the_page_exactly_when_nobody_else_is_admitted(
    engine: Engine, follow: Follow, plan: Plan
) -> None:
    walker = follow(engine)
    country = {"adult": "yes", "place": "country"}

    def admits(now: datetime) -> list[bool]:
        """Whether the next person from the city and the next from the country would find a slot."""
        found = []
        for place in ("city", "country"):
            with writing(walker.engine) as session:
                study = session.get_one(StudyRow, walker.study_id)
                arrival = participants.Arrival(start_key=f"{place} {now} and so on", language="en")
                person = participants.start_participant(session, study, arrival, walker.ids, now=now)
                participants.consent(session, person, now=now)
                answers = {"adult": "yes", "place": place}
                participants.keep_statements(session, person, participants.Section.SCREENER, answers, now=now)
                found.append(not admission.full_quota(session, study, person, now=now))
                session.rollback()
        return found

    def page(now: datetime) -> list[bool]:
        total, city = figures(walker, now=now).quotas
        return [total.left > 0 and city.left > 0, total.left > 0]

    walker.take(plan())
    walker.take(plan(answers=1))
    assert page(walker.now) == [True, True]
    walker.take(plan(answers=1))
    assert page(walker.now) == admits(walker.now) == [False, True]
    walker.take(plan(screener=country))
    assert page(walker.now) == admits(walker.now) == [False, False]
    # Slots of people who went quiet are free again.
    later = walker.now + timedelta(minutes=40)
    assert page(later) == admits(later) == [True, True]
    total, city = figures(walker, now=walker.now).quotas
    assert (total.name, total.finished, total.held, total.most, total.left) == (
        "all participants",
        2,
        2,
        4,
        0,
    )
    assert (city.name, city.finished, city.held, city.most) == ("place = city", 1, 2, 3)


# --- one by one ----------------------------------------------------------------------------------------


def test_people_are_listed_by_code_a_page_at_a_time(engine: Engine, follow: Follow, plan: Plan) -> None:
    walker = follow(engine)
    codes = sorted(walker.take(plan(decline=True)) for _ in range(5))
    walker.take(plan(simulated=True))
    with reading(engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        assert count_people(session, study, simulated=False) == 5
        listed = [
            one.record.code
            for skip in (0, 2, 4)
            for one in page_of_people(session, study, simulated=False, skip=skip, count=2)
        ]
    assert listed == codes


def test_one_person_is_shown_with_every_wave_and_answer(
    engine: Engine, follow: Follow, plan: Plan, says_indecision: SaysIndecision
) -> None:
    walker = follow(engine)
    code = walker.take(
        plan(arm="coin", choose=says_indecision, demographics={"age": 44}, client={"input": "keyboard"})
    )
    with writing(engine) as session:
        studies.open_next_wave(session, session.get_one(StudyRow, walker.study_id), now=walker.tick())
    walker.take_again(code, plan(answers=1))
    with reading(engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        first, second = person_of(session, study, code)
        assert person_of(session, study, "p-nobody") == []
    assert [c.position for c in first.compared] == list(range(11))
    assert {c.input for c in first.compared} == {"keyboard"}
    undecided = [c for c in first.compared if c.role is Role.MAIN]
    assert all(c.choice is Choice.INDECISION for c in undecided)
    assert all(c.follow_ups == [("reason", "equal"), ("strict", "left")] for c in undecided)
    assert [e.what for e in first.events][:3] == ["started", "consented", "admitted"]
    assert ("demographics", "age", 44) in {(s.section, s.question, s.value) for s in first.said}
    assert len(second.compared) == 2
    assert second.judged.record.wave == 2
    assert second.judged.excluded_by == ("unfinished",)


def test_an_indecision_does_not_speak_against_somebody_where_one_patient_is_dominated(
    walker: Walker, plan: Plan
) -> None:
    code = walker.take(plan(arm="coin", choose=lambda row: Choice.INDECISION))
    with reading(walker.engine) as session:
        (wave,) = person_of(session, session.get_one(StudyRow, walker.study_id), code)
    assert {c.role for c in wave.compared if c.is_unexpected} == {Role.CHECK}


# --- properties ----------------------------------------------------------------------------------------

# The design asks nothing about attributes, and nobody to choose one of many.
_NOT_ASKED = (ParticipantState.SUGGESTING, ParticipantState.RATING, ParticipantState.CHOOSING)
_STATES = st.sampled_from([state for state in ParticipantState if state not in _NOT_ASKED])
_MOMENT = datetime.fromisoformat("2026-11-21T12:00:00+00:00")


def record(state: ParticipantState, left_at: ParticipantState, seen: list[Seen]) -> Record:
    answered = [(s.presentation, s.given) for s in seen if s.given is not None]
    return Record(
        id=1,
        code="p-1",
        wave=1,
        returning=False,
        arm="coin",
        language="en",
        state=state,
        left_at=left_at,
        admitted=True,
        started_at=_MOMENT,
        active_at=_MOMENT,
        ended_at=None,
        seen=seen,
        answered=answered,
        main=answered,
        stated={},
        follow_ups=(),
    )


@given(states=st.lists(_STATES, max_size=40))
def test_whoever_goes_on_from_a_step_comes_to_the_next(
    design: StudyDesign, states: list[ParticipantState]
) -> None:
    steps = steps_of(design)
    ended_at = {
        ParticipantState.DECLINED: ParticipantState.CONSENTING,
        ParticipantState.SCREENED_OUT: ParticipantState.SCREENING,
        ParticipantState.QUOTA_FULL: ParticipantState.SCREENING,
        ParticipantState.WITHDRAWN: ParticipantState.ANSWERING,
    }
    counts = drop_out_by_step(
        design, [record(state, ended_at.get(state, state), []) for state in states], wave=1, now=_MOMENT
    )
    assert [c.step for c in counts] == list(steps)
    assert counts[0].reached == sum(state is not ParticipantState.ERASED for state in states)
    for one, following in pairwise(counts):
        assert one.went_on == following.reached
        assert min(one.here, one.ended, one.went_on) >= 0
    assert counts[-1].reached == states.count(ParticipantState.FINISHED)


_ANSWERS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(Choice)).filter(
        lambda pair: pair[0] != pair[1]
    ),
    max_size=10,
)


@given(people=st.lists(_ANSWERS, max_size=8))
def test_exchanging_the_sides_exchanges_left_and_right_and_nothing_else(
    design: StudyDesign, people: list[list[tuple[int, int, Choice]]]
) -> None:

    def seen(one: int, other: int, choice: Choice, position: int) -> Seen:
        names = ("YG", "YP", "OG", "OP")
        left, right = (Profile((("id", names[i]),), name=names[i]) for i in (one, other))
        return Seen(
            presentation=Presentation(
                left=left, right=right, attribute_order=(), indecision_offered=True, position=position
            ),
            was_shown=True,
            given=Given(choice=choice, seconds=1.0, seconds_missing="", hidden_seconds=None, input=""),
        )

    def records(mirrored: bool) -> list[Record]:
        return [
            record(
                ParticipantState.ANSWERING,
                ParticipantState.ANSWERING,
                [
                    seen(b, a, choice.mirrored, k) if mirrored else seen(a, b, choice, k)
                    for k, (a, b, choice) in enumerate(answers, start=1)
                ],
            )
            for answers in people
        ]

    as_shown, exchanged = coverage(design, records(False)), coverage(design, records(True))
    assert as_shown.profiles is not None
    assert exchanged.profiles is not None
    for one, other in zip(as_shown.profiles, exchanged.profiles, strict=True):
        assert (one.left, one.right) == (other.right, other.left)
        assert (one.chosen, one.indecisions) == (other.chosen, other.indecisions)
    assert as_shown.pairs == exchanged.pairs
    answers = sum(map(len, people))
    assert sum(p.left for p in as_shown.profiles) == sum(p.right for p in as_shown.profiles) == answers
    by_position = drop_out_by_position(design, records(False))
    assert sum(p.answered for p in by_position) == answers
    assert all(p.shown >= p.answered >= p.indecisions for p in by_position)


@given(st.lists(st.floats(0, 1_000), min_size=1, max_size=50))
def test_quartiles_are_in_order_and_within_the_numbers(numbers: list[float]) -> None:
    found = quartiles_of(numbers)
    assert found is not None
    slack = 1e-9 * max(numbers)
    assert min(numbers) - slack <= found.lower <= found.median + slack
    assert found.median <= found.upper + slack <= max(numbers) + 2 * slack
    assert found.count == len(numbers)


def test_flags_of_records_are_those_of_whole_presentations(walker: Walker, plan: Plan) -> None:
    """Records know profiles by id alone; attention must come out as from the stored values."""
    walker.take(plan(choose=lambda row: Choice.RIGHT))
    with reading(walker.engine) as session:
        study = session.get_one(StudyRow, walker.study_id)
        design = studies.design_of(study)
        (one,) = read_records(session, study, simulated=False)
        person = session.get_one(ParticipantRow, one.id)
        whole = [
            Shown(presentation=presentation, choice=choice, seconds=3.0)
            for presentation, choice in seen_by(session, design, person)
            if choice is not None
        ]
    assert judged(design, one).attention == attention_of(whole)
