from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from survey.db import reading, writing
from survey.errors import BadDesign
from survey.store import studies
from survey.store.studies import NoSuchStudy, StudyConflict
from survey.tables import AnswerRow, EventRow, ParticipantRow, PresentationRow, StudyRow, StudyState

SECOND = ('version = "1"', 'version = "2"')


def add(taking, text: str) -> int:
    with writing(taking.engine) as session:
        return studies.add_study(session, text, now=taking.now, actor="test").id


def test_adding_the_same_design_again_returns_the_same_study(taking, short_design: str) -> None:
    first = add(taking, short_design)
    assert add(taking, "# a comment\n" + short_design) == first
    with reading(taking.engine) as session:
        study = studies.find_study(session, "short")
    assert study.state is StudyState.DRAFT
    assert study.design_toml == short_design


def test_a_draft_that_nobody_has_started_takes_a_changed_design(taking_sqlite, short_design: str) -> None:
    first = add(taking_sqlite, short_design)
    with reading(taking_sqlite.engine) as session:
        before = studies.find_study(session, "short")
    assert add(taking_sqlite, short_design.replace("What to do.", "What else to do.")) == first
    with reading(taking_sqlite.engine) as session:
        after = studies.find_study(session, "short")
        said = session.scalars(select(EventRow).order_by(EventRow.id)).all()
    assert studies.design_of(after).texts.instructions == "What else to do."
    assert (after.design_hash, after.draw_seed) != (before.design_hash, before.draw_seed)
    assert [event.what for event in said] == ["study added", "design replaced"]
    assert said[1].detail == {
        "design_hash": after.design_hash,
        "before": before.design_hash,
        "rehearsed_participants_deleted": 0,
    }


def test_a_draft_that_was_rehearsed_takes_a_changed_design_and_forgets_the_rehearsal(
    taking, short_design: str
) -> None:
    add(taking, short_design)
    for _ in range(2):
        token = taking.start("short", simulated=True)
        taking.finish_every_step(token)
    add(taking, short_design.replace("What to do.", "What else to do."))
    with reading(taking.engine) as session:
        assert session.scalars(select(StudyRow.design_toml)).one().count("What else to do.") == 1
        for table in (ParticipantRow, PresentationRow, AnswerRow):
            assert session.scalars(select(func.count()).select_from(table)).one() == 0
        replaced = session.scalars(select(EventRow).where(EventRow.what == "design replaced")).one()
        assert replaced.detail["rehearsed_participants_deleted"] == 2


@pytest.mark.parametrize("froze", ["opened", "closed"])
def test_a_changed_design_under_the_same_version_is_refused_once_it_is_frozen(
    taking_sqlite, short_design: str, froze: str
) -> None:
    add(taking_sqlite, short_design)
    taking_sqlite.study("short", studies.open_study)
    if froze == "closed":
        taking_sqlite.study("short", studies.close_study)
    with pytest.raises(StudyConflict, match=r"raise study\.version"):
        add(taking_sqlite, short_design.replace("What to do.", "What else to do."))
    with reading(taking_sqlite.engine) as session:
        assert studies.find_study(session, "short").design_toml == short_design


def test_a_bad_design_is_refused_with_its_complaints(taking_sqlite) -> None:
    with writing(taking_sqlite.engine) as session, pytest.raises(BadDesign) as caught:
        studies.add_study(session, "[study]\nslug = 'x'\n", now=taking_sqlite.now)
    assert len(caught.value.complaints) > 3


def test_a_slug_finds_the_version_at_the_address_else_the_newest(taking_sqlite, short_design: str) -> None:
    first, second = add(taking_sqlite, short_design), add(taking_sqlite, short_design.replace(*SECOND))
    with writing(taking_sqlite.engine) as session:
        one, two = (studies.find_study(session, "short", version) for version in ("1", "2"))
        assert studies.find_study(session, "short").id == second
        studies.open_study(session, one, now=taking_sqlite.now)
        assert studies.find_study(session, "short").id == first
        studies.pause_study(session, one, now=taking_sqlite.now)
        assert studies.find_study(session, "short").id == first
        assert studies.find_study(session, "short", digest=two.design_hash).id == second
        with pytest.raises(StudyConflict, match="close it first"):
            studies.open_study(session, two, now=taking_sqlite.now)
        studies.close_study(session, one, now=taking_sqlite.now)
        studies.open_study(session, two, now=taking_sqlite.now)
        with pytest.raises(NoSuchStudy, match=r"short \(version 2\)"):
            studies.find_study(session, "long")


def test_a_study_is_paused_and_goes_on(taking, short_design: str) -> None:
    taking.open(short_design)
    taking.study("short", studies.pause_study)
    taking.study("short", studies.pause_study)
    with reading(taking.engine) as session:
        assert studies.find_study(session, "short").state is StudyState.PAUSED
    taking.study("short", studies.open_study)
    with reading(taking.engine) as session:
        study = studies.find_study(session, "short")
        said = session.execute(select(EventRow.what, EventRow.actor).order_by(EventRow.id)).all()
    assert study.state is StudyState.OPEN
    assert [tuple(row) for row in said] == [
        ("study added", ""),
        ("study opened", ""),
        ("study paused", "test"),
        ("study opened", "test"),
    ]


@pytest.mark.parametrize("state", [StudyState.DRAFT, StudyState.CLOSED])
def test_only_an_open_study_can_be_paused(taking_sqlite, short_design: str, state: StudyState) -> None:
    add(taking_sqlite, short_design)
    if state is StudyState.CLOSED:
        taking_sqlite.study("short", studies.open_study)
        taking_sqlite.study("short", studies.close_study)
    with pytest.raises(StudyConflict, match=f"is {state.value}; only an open study can be paused"):
        taking_sqlite.study("short", studies.pause_study)


def test_a_study_has_the_waves_of_its_design_and_no_more(taking_sqlite, every_step: str) -> None:
    taking_sqlite.open(every_step)
    assert taking_sqlite.study("every-step", studies.open_next_wave) == 2
    with pytest.raises(StudyConflict, match=r"wave 2 of 2.*waves\.count"):
        taking_sqlite.study("every-step", studies.open_next_wave)


def test_people_begin_in_the_first_wave_whichever_was_rehearsed(taking, every_step: str) -> None:
    with writing(taking.engine) as session:
        studies.add_study(session, every_step, now=taking.now)
    assert taking.study("every-step", studies.open_next_wave) == 2
    taking.study("every-step", studies.open_study)
    assert taking.person(taking.start("every-step")).wave == 1
    assert taking.study("every-step", studies.open_next_wave) == 2
    for change in (studies.pause_study, studies.open_study, studies.close_study, studies.open_study):
        taking.study("every-step", change)
    with reading(taking.engine) as session:
        assert studies.find_study(session, "every-step").wave == 2, "what people have begun stays"


def test_a_draft_that_takes_a_changed_design_is_in_the_first_wave_again(
    taking_sqlite, every_step: str
) -> None:
    with writing(taking_sqlite.engine) as session:
        studies.add_study(session, every_step, now=taking_sqlite.now)
    taking_sqlite.study("every-step", studies.open_next_wave)
    with writing(taking_sqlite.engine) as session:
        changed = every_step.replace("What you agree to.", "What you agree to, now.")
        assert studies.add_study(session, changed, now=taking_sqlite.now).wave == 1


def test_events_carry_the_time_of_what_they_tell(taking_sqlite, short_design: str) -> None:
    taking_sqlite.open(short_design)
    taking_sqlite.wait(hours=2)
    taking_sqlite.study("short", studies.close_study)
    with reading(taking_sqlite.engine) as session:
        times = session.scalars(select(EventRow.at).order_by(EventRow.id)).all()
    assert times[-1] - times[0] == timedelta(hours=2)


def test_a_rule_that_came_later_does_not_close_a_study(
    taking_sqlite, short_design: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(taking_sqlite, short_design)

    def refuse(_design: object, complain: Callable[..., None]) -> None:
        complain(("study",), "is against a rule of a later version")

    monkeypatch.setattr("survey.design_file.reading.check_amounts", refuse)
    studies._parsed.cache_clear()
    with reading(taking_sqlite.engine) as session:
        assert studies.design_of(studies.find_study(session, "short")).slug == "short"
    with pytest.raises(BadDesign, match="later version"):
        add(taking_sqlite, short_design.replace(*SECOND))
