"""Where a study stands that asks for attributes: figures, the list of participants, and one participant's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from survey.acceptability import Rating
from survey.attribute_data import OPEN_TASKS
from survey.bundle_check import verify_bundle
from survey.db import reading, writing
from survey.overview.figures import Figures, figures_of
from survey.overview.people import WaveOfPerson, person_of
from survey.recruitment import IdKeeper
from survey.store import accounts, answering, api_tokens, participants, suggesting
from survey.store.attribute_answers import SentPage, change_last_page, record_page
from survey.store.attribute_pages import open_attribute_page
from survey.store.participants import Arrival
from survey.store.suggesting import SentEntry
from survey.store.tokens import new_token
from survey.suggestions import Entry
from survey.tables import AccountRole, AttributeTask, ParticipantRow, ParticipantState, StudyRow, TokenScope
from survey.web.research.common import STATE_WORDS, STEP_WORDS, TASK_WORDS

AddOpenStudy = Callable[[Engine, str], StudyRow]
QUOTA = """
[quotas]
most = 1
"""


class Asked:
    """Takes a study that asks for attributes; five seconds pass with everything that is sent."""

    def __init__(self, engine: Engine, study: StudyRow, start: datetime) -> None:
        self.engine, self.study_id, self.now = engine, study.id, start

    def tick(self) -> datetime:
        self.now += timedelta(seconds=5)
        return self.now

    def take(
        self,
        *,
        should: tuple[str, ...] = (),
        should_not: tuple[str, ...] = (),
        taken_back: int = 0,
        ratings: dict[str, Rating] | None = None,
        ranking: tuple[str, ...] = (),
        pages: int = 4,
        simulated: bool = False,
        seconds: float | None = 3.0,
        changes: bool = False,
    ) -> str:
        """Go on from so many pages, having named, rated and ranked this; return the code."""
        with writing(self.engine) as session:
            study = session.get_one(StudyRow, self.study_id)
            arrival = Arrival(start_key=new_token(), language="en", simulated=simulated)
            keeper = IdKeeper("a secret key of the tests, long enough for any use")
            person = participants.start_participant(session, study, arrival, keeper, now=self.tick())
            participants.consent(session, person, now=self.tick())
            named = {AttributeTask.SHOULD: should, AttributeTask.SHOULD_NOT: should_not}
            for _ in range(pages):
                page = open_attribute_page(session, person)
                assert page is not None
                keys = []
                for number, text in enumerate(named.get(page.task, ())):
                    entry = Entry(text=text, why="a reason", direction="the young")
                    sent = SentEntry(page=page.token, key=str(number), entry=entry)
                    suggesting.add_entry(session, person, sent, now=self.tick())
                    keys.append(suggesting.entries_on(session, page)[-1].key)
                for key in keys[:taken_back] if page.task is AttributeTask.SHOULD else ():
                    suggesting.remove_entry(session, person, page.token, key, now=self.tick())
                for revision in (1, 2) if changes and page.task is AttributeTask.RATE else (1,):
                    if revision == 2:
                        change_last_page(session, person, now=self.tick())
                    answer = SentPage(
                        page=page.token,
                        revision=revision,
                        ratings=(ratings or {}) if page.task is AttributeTask.RATE else {},
                        ranking=ranking if page.task is AttributeTask.RANK else (),
                        client_seconds=seconds,
                        client_seconds_problem="" if seconds else "not measured (no script)",
                    )
                    act = suggesting.finish_page if page.task in OPEN_TASKS else record_page
                    act(session, person, answer, now=self.tick())
            if person.state is ParticipantState.DESCRIBING:
                participants.describe(session, person, {"age_group": "older"}, now=self.tick())
            return person.code

    def figures(self, *, simulated: bool = False) -> Figures:
        with reading(self.engine) as session:
            study = session.get_one(StudyRow, self.study_id)
            return figures_of(session, study, simulated=simulated, wave=1, now=self.now)

    def person(self, code: str) -> WaveOfPerson:
        with reading(self.engine) as session:
            [wave] = person_of(session, session.get_one(StudyRow, self.study_id), code)
            return wave


@pytest.fixture
def start_asking(add_open_study: AddOpenStudy, start: datetime) -> Callable[[Engine, str], Asked]:
    def begin(engine: Engine, text: str) -> Asked:
        return Asked(engine, add_open_study(engine, text), start)

    return begin


@pytest.fixture
def asked(sqlite_engine: Engine, asking_design: str, start_asking: Callable[[Engine, str], Asked]) -> Asked:
    return start_asking(sqlite_engine, asking_design)


# --- counts --------------------------------------------------------------------------------------------


def test_suggestions_are_counted_by_question_and_by_respondent(
    engine: Engine, asking_design: str, start_asking: Callable[[Engine, str], Asked]
) -> None:
    asked = start_asking(engine, asking_design)
    asked.take(should=("age", "health", "waiting"), should_not=("race",), taken_back=1)
    asked.take(should=("age",), seconds=5.0)
    asked.take(seconds=None)
    asked.take(should=("age",), pages=0)
    asked.take(should=("age", "fame"), simulated=True)
    should, should_not, rate, rank = asked.figures().pages
    assert [p.task for p in (should, should_not, rate, rank)] == list(AttributeTask)
    assert [(p.shown, p.answered) for p in (should, should_not, rate, rank)] == [
        (4, 3),
        (3, 3),
        (3, 3),
        (3, 3),
    ]
    assert should.entries is not None
    assert should_not.entries is not None
    assert (rate.entries, rank.entries) == (None, None)
    assert (should.entries.standing, should.entries.taken_back, should.entries.named_nothing) == (3, 1, 1)
    q = should.entries.of_respondents
    assert q is not None
    assert (q.count, q.lower, q.median, q.upper) == (3, 0.5, 1, 1.5)
    assert (should_not.entries.standing, should_not.entries.named_nothing) == (1, 2)
    assert should.seconds is not None
    assert (should.seconds.count, should.seconds.median) == (2, 4.0)
    assert asked.figures().suggestions == 4
    assert asked.figures(simulated=True).suggestions == 2


def test_each_step_says_how_many_named_and_rated(asked: Asked) -> None:
    asked.take()
    asked.take(pages=0)
    asked.take(pages=2)
    asked.take(pages=3)
    steps = {s.step: (s.reached, s.went_on, s.here) for s in asked.figures().steps}
    assert steps == {
        ParticipantState.CONSENTING: (4, 4, 0),
        ParticipantState.SUGGESTING: (4, 3, 1),
        ParticipantState.RATING: (3, 1, 2),
        ParticipantState.DESCRIBING: (1, 1, 0),
        ParticipantState.FINISHED: (1, 1, 0),
    }
    assert set(STEP_WORDS) >= set(steps)
    assert set(STATE_WORDS) == set(ParticipantState)
    assert set(TASK_WORDS) == set(AttributeTask)


def test_who_finds_the_quota_full_left_at_the_consent_where_nothing_else_is_asked_before(
    sqlite_engine: Engine, asking_design: str, start_asking: Callable[[Engine, str], Asked]
) -> None:
    languages = asking_design.index("[languages.de.study]")
    asked = start_asking(sqlite_engine, asking_design[:languages] + QUOTA + asking_design[languages:])
    asked.take()
    asked.take(pages=0)
    steps = {s.step: (s.reached, s.ended) for s in asked.figures().steps}
    assert steps[ParticipantState.CONSENTING] == (2, 1)
    assert steps[ParticipantState.SUGGESTING] == (1, 0)


def test_a_study_without_comparisons_has_figures_of_nothing_compared(asked: Asked) -> None:
    asked.take(should=("age",))
    figures = asked.figures()
    assert (figures.answers, figures.positions, figures.coverage.pairs) == (0, [], None)
    assert (figures.participants, figures.finished) == (1, 1)


def test_one_person_is_shown_with_pages_entries_ratings_and_ranking(asked: Asked) -> None:
    code = asked.take(
        should=("age", "health"),
        taken_back=1,
        ratings={"age": Rating.NOT_ACCEPTABLE},
        ranking=("waiting", "age"),
        changes=True,
    )
    wave = asked.person(code)
    should, should_not, rate, rank = wave.asked
    assert [entry.text for entry in should.named] == ["health"]
    assert (should.taken_back, len(should_not.named)) == (1, 0)
    assert (rate.ratings, rate.changes) == ({"age": "not_acceptable"}, 1)
    assert (list(rank.ranking), rank.shown) == (["waiting", "age"], rate.shown)
    assert wave.judged.record.suggested == 1
    assert wave.compared == []


# --- pages ---------------------------------------------------------------------------------------------


def test_the_pages_of_a_study_without_comparisons_speak_of_none(
    asked: Asked, researcher: FlaskClient, sqlite_engine: Engine
) -> None:
    code = asked.take(should=("age", "<b>wealth</b>"), ratings={"age": Rating.CANNOT_SAY}, ranking=("age",))
    base = f"/research/studies/{asked.study_id}"
    figures = researcher.get(f"{base}/figures").text
    for words in ("What should count", "Naming attributes", "Rating attributes", "Named nothing"):
        assert words in figures
    for words in ("Indecision", "Left among decided", "Drop-out by position", "Balance", "Left was chosen"):
        assert words not in figures
    people = researcher.get(f"{base}/participants").text
    assert "Suggestions</th>" in people
    assert "Answered</th>" not in people
    person = researcher.get(f"{base}/participants/{code}").text
    assert "&lt;b&gt;wealth&lt;/b&gt;" in person
    assert "<b>wealth</b>" not in person
    for words in ("age: cannot say", "wealth: left out", "1. age", "a reason", "the young"):
        assert words in person
    assert "Checks failed" not in person
    empty = researcher.get(f"{base}/figures?simulated=yes")
    assert empty.status_code == 200


def test_only_owners_read_what_somebody_named(asked: Asked, viewer: FlaskClient) -> None:
    code = asked.take(should=("a secret wish",))
    person = viewer.get(f"/research/studies/{asked.study_id}/participants/{code}")
    assert person.status_code == 200
    assert "a secret wish" not in person.text
    assert "a reason" not in person.text
    assert "1 suggestion" in person.text
    assert "owners can read them" in person.text


def test_a_coder_cannot_read_other_coders_words_out_of_the_bundle(
    asked: Asked, app: Flask, viewer: FlaskClient, viewers_hash: str, send: Callable[..., TestResponse]
) -> None:
    path = f"/research/studies/{asked.study_id}"
    assert viewer.get(f"{path}/bundle.zip").status_code == 200
    with writing(asked.engine) as session:
        accounts.add_account(session, "cora", viewers_hash, AccountRole.CODER, now=asked.now, actor="test")
    coder = app.test_client()
    page = coder.get("/research/sign-in")
    send(coder, page, "/sign-in", name="cora", password="a viewer's good password")
    assert coder.get(f"{path}/bundle.zip").status_code == 403
    offered = coder.get(f"{path}/downloads")
    assert offered.status_code == 200
    assert "bundle.zip" not in offered.text
    assert "for owners and viewers" in offered.text


def test_a_study_with_both_has_both_on_its_pages(
    sqlite_engine: Engine,
    asking_and_comparing: str,
    start_asking: Callable[[Engine, str], Asked],
    researcher: FlaskClient,
) -> None:
    asked = start_asking(sqlite_engine, asking_and_comparing)
    code = asked.take(should=("age",))
    with writing(sqlite_engine) as session:
        person = session.get_one(ParticipantRow, asked.person(code).judged.record.id)
        answering.begin(session, person, now=asked.tick())
    base = f"/research/studies/{asked.study_id}"
    figures = researcher.get(f"{base}/figures").text
    for words in ("What should count", "Indecision", "Drop-out by position", "Balance"):
        assert words in figures
    people = researcher.get(f"{base}/participants").text
    assert "Suggestions</th>" in people
    assert "Answered</th>" in people
    assert "Comparisons of wave" in researcher.get(f"{base}/participants/{code}").text


def test_the_api_knows_the_steps_counts_suggestions_and_sends_the_files(
    asked: Asked, app: Flask, tmp_path: Path
) -> None:
    asked.take(should=("age", "health"), taken_back=1, pages=1)
    asked.take(should=("fame",), pages=2)
    asked.take(should=("fame",), simulated=True)
    with writing(asked.engine) as session:
        _, secret = api_tokens.make_token(
            session, "reader", TokenScope.READ, days=1, now=datetime.now(UTC), actor="test"
        )
    client, path = app.test_client(), f"/api/v1/studies/{asked.study_id}"

    def get(ending: str) -> TestResponse:
        return client.get(path + ending, headers={"Authorization": f"Bearer {secret}"})

    study = get("").json
    assert study is not None
    assert (study["people"], study["answers"], study["suggestions"]) == ({"rating": 1, "suggesting": 1}, 0, 2)
    assert get("/answers.csv").text.count("\n") == 1
    assert get("/answers.jsonl").text == ""
    (tmp_path / "b.zip").write_bytes(get("/bundle.zip").data)
    assert verify_bundle(tmp_path / "b.zip") == []
