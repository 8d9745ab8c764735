"""People with tabs, old pages, the back button and time; researchers beside them. Hypothesis looks for an order of
their doings that breaks a promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, select

from survey.app import create_app
from survey.config import Settings, load_settings
from survey.db import Base, reading, writing
from survey.doctor import answers, attributes, draws, every, people
from survey.doctor.check import examine
from survey.store import studies
from survey.store.studies import StudyConflict
from survey.tables import (
    AnswerRow,
    AttributePageAnswerRow,
    AttributePageRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    SuggestionRow,
)
from survey.web.context import use_clock

SLUG = "every-step"
BEGINNING = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
QUICK_CHECKS = (*answers.CHECKS, *people.CHECKS, *draws.CHECKS, *attributes.CHECKS)
ATTRIBUTES = """
[suggestions]
order = "random"
should = { question = "What should count?", label = "Something", why_label = "Why?" }
should_not = { question = "What should not count?", label = "Something", direction_label = "Who first?" }

[acceptability]
question = "May these decide?"
ranked = 2
ranking_question = "Which matter most?"
attributes = [{ name = "fame", label = "Fame" }, { name = "need", label = "Need" }]
"""


class Form:
    """A form of a page that somebody had open once, to be sent now or much later."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fixed: dict[str, str] = {}
        self.offered: dict[str, list[str]] = {}
        """Name -> values of radio buttons, checkboxes and buttons; no values: a field to fill in."""

    def fill(self, data: st.DataObject) -> dict[str, str | list[str]]:
        sent: dict[str, str | list[str]] = dict(self.fixed)
        for name, values in self.offered.items():
            if values:
                sent[name] = data.draw(st.sampled_from(values), label=name)
            else:
                sent[name] = data.draw(st.sampled_from(["", "30", "words"]), label=name)
        return sent


class Forms(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open = False
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(Form(given.get("action") or ""))
            self._open = True
        name = given.get("name")
        if self._open and tag == "option" and self._select:
            self.forms[-1].offered[self._select].append(given.get("value") or "")
        if not self._open or not name:
            return
        form, value = self.forms[-1], given.get("value") or ""
        if given.get("type") == "hidden":
            form.fixed[name] = value
        elif tag == "button" or given.get("type") in ("radio", "checkbox"):
            form.offered.setdefault(name, []).append(value)
        elif tag in ("input", "textarea"):
            form.offered.setdefault(name, [])
        elif tag == "select":
            form.offered[name], self._select = [], name

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
        elif tag == "select":
            self._select = ""


class Surveyed(RuleBasedStateMachine):
    """Three browsers, a few people, one study with every step."""

    pages = Bundle("pages")
    """(browser, form) of every page that was ever open."""

    def __init__(self, app: Flask, engine: Engine, design: str) -> None:
        super().__init__()
        self.app, self.engine = app, engine
        self.now = BEGINNING
        use_clock(app, lambda: self.now)
        with engine.begin() as connection:
            for table in reversed(Base.metadata.sorted_tables):
                connection.execute(table.delete())
        with writing(engine) as session:
            studies.open_study(session, studies.add_study(session, design, now=self.now), now=self.now)
        self.browsers = [app.test_client() for _ in range(3)]
        self.addresses: list[str] = []
        """Of every participant there ever was."""
        self.known = self._answers()
        self.erasing = False
        self.steps = 0
        self.wave = 1

    # --- people ---------------------------------------------------------------------------------------------

    @rule(target=pages, browser=st.integers(0, 2), worker=st.sampled_from([None, "w-1", "w-2"]))
    def land(self, browser: int, worker: str | None) -> Any:
        """Open the study's address, with a recruitment id or without."""
        address = f"/s/{SLUG}" + (f"?pid={worker}" if worker else "")
        return self._open(browser, address)

    @rule(target=pages, page=pages, data=st.data())
    def send(self, page: tuple[int, Form], data: st.DataObject) -> Any:
        """Send the form of a page, however old: a double click, a second tab, the back button, a bookmark."""
        browser, form = page
        return multiple(*self._sent(browser, form, form.fill(data)))

    @rule(target=pages, page=consumes(pages), data=st.data())
    def send_and_close(self, page: tuple[int, Form], data: st.DataObject) -> Any:
        """Send the form of a page and never again."""
        return self.send(page=page, data=data)

    @initialize(target=pages, far=st.integers(0, 14))
    def begin_with_somebody(self, far: int) -> Any:
        """Somebody has begun before the story does."""
        opened = self._forms(0, f"/s/{SLUG}?pid=w-1")
        return self._go(0, opened, far, data=None)

    @precondition(lambda self: self.addresses)
    @rule(target=pages, browser=st.integers(0, 2), steps=st.integers(1, 8), data=st.data())
    def go_on(self, browser: int, steps: int, data: st.DataObject) -> Any:
        """Open the personal link and go on from page to page: what most people do most of the time."""
        address = data.draw(st.sampled_from(self.addresses), label="address")
        return self._go(browser, self._forms(browser, address), steps, data=data)

    def _go(self, browser: int, forms: list[Form], steps: int, *, data: st.DataObject | None) -> Any:
        """Send the first form of page after page in a willing mood; without ``data``, always the first choice."""
        met = [(browser, form) for form in forms]
        for _ in range(steps):
            form = next((f for f in forms if not f.action.endswith("/change")), None)
            if form is None:
                break
            fields: dict[str, Any] = dict(form.fixed)
            for name, values in form.offered.items():
                willing = [v for v in values if v in ("agree", "yes", "alike")] or values or [""]
                if name == "step":
                    willing = ["go_on", "go_on", "add"]  # An open question is left at some time.
                elif name == "text":
                    willing = ["Age", "Fame", ""]
                fields[name] = data.draw(st.sampled_from(willing), label=name) if data else willing[0]
            forms = [form for _, form in self._sent(browser, form, fields)]
            met += [(browser, form) for form in forms]
        return multiple(*met)

    @precondition(lambda self: self.addresses)
    @rule(target=pages, browser=st.integers(0, 2), data=st.data())
    def reload(self, browser: int, data: st.DataObject) -> Any:
        """Open a personal link: again, in another tab, in another browser."""
        return self._open(browser, data.draw(st.sampled_from(self.addresses), label="address"))

    @precondition(lambda self: self.addresses and self.steps % 4 == 3)
    @rule(target=pages, browser=st.integers(0, 2), data=st.data())
    def stop(self, browser: int, data: st.DataObject) -> Any:
        """Open the page that offers to stop and to have everything deleted, and do so or leave it in a tab."""
        forms = self._forms(browser, data.draw(st.sampled_from(self.addresses), label="address") + "/stop")
        if not forms or data.draw(st.booleans(), label="leave it"):
            return multiple(*[(browser, form) for form in forms])
        form = data.draw(st.sampled_from(forms), label="form")
        return multiple(*self._sent(browser, form, form.fill(data)))

    @precondition(lambda self: len(self.addresses) > 1)
    @rule(page=pages, data=st.data())
    def send_to_anothers_address(self, page: tuple[int, Form], data: st.DataObject) -> None:
        """Send one's own page to somebody else's address: nothing may be stored for either."""
        browser, form = page
        own = re.match(r"(/p/[^/]+)(/(?:answer|suggest|remove|rate|rank))$", form.action)
        if not own:
            return
        other = data.draw(st.sampled_from([a for a in self.addresses if a != own[1]]), label="address")
        before = self._everything()
        response = self.browsers[browser].post(f"{other}{own[2]}", data=form.fill(data))
        assert response.status_code in (303, 400, 404), response.status_code  # 303: the study is paused.
        assert self._everything() == before

    @rule(minutes=st.sampled_from([0, 0.1, 2, 29, 31, 24 * 60]))
    def wait(self, minutes: float) -> None:
        """Let time pass; after half an hour a slot may go to somebody else."""
        self.now += timedelta(minutes=minutes)

    # --- researchers ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.steps % 3 == 0)
    @rule(act=st.sampled_from([studies.pause_study, studies.close_study]), data=st.data())
    def stop_the_study_for_a_while(self, act: Callable[..., None], data: st.DataObject) -> None:
        """Pause or close it, let somebody try to go on meanwhile, and open it again."""
        self._researcher(act)
        if self.addresses:
            address = data.draw(st.sampled_from(self.addresses), label="address")
            self._go(0, self._forms(0, address), 2, data=data)
        self._forms(1, f"/s/{SLUG}")
        if act is studies.close_study:
            with pytest.raises(StudyConflict):
                self._researcher(studies.pause_study)
        self._researcher(studies.open_study)

    def _researcher(self, act: Callable[..., None]) -> None:
        with writing(self.engine) as session:
            act(session, studies.find_study(session, SLUG), now=self.now, actor="test")

    @precondition(lambda self: self.steps > 5)
    @rule()
    def open_next_wave(self) -> None:
        """Invite everybody who finished a second time; there are two waves."""
        if self.wave == 1:
            self._researcher(studies.open_next_wave)
            self.wave = 2
        else:
            with pytest.raises(StudyConflict):
                self._researcher(studies.open_next_wave)

    # --- promises ---------------------------------------------------------------------------------------------

    @invariant()
    def no_answer_is_lost_or_changed(self) -> None:
        """Only erasing takes away what was answered or named, and then all of one person."""
        answers_now = self._answers()
        lost = {key: value for key, value in self.known.items() if answers_now.get(key) != value}
        if lost:
            with reading(self.engine) as session:
                there = {("answer", id_) for id_ in session.scalars(select(PresentationRow.id))}
                pages = list(session.scalars(select(AttributePageRow.id)))
            there |= {(what, id_) for what in ("page", "suggestion") for id_ in pages}
            assert self.erasing, lost
            assert not {(what, where) for what, where, _ in lost} & there
        self.known, self.erasing = answers_now, False

    @invariant()
    def nothing_is_broken(self) -> None:
        """Every invariant of ``equipoise db doctor`` holds: now and then without the slow ones, all at the end."""
        self.steps += 1
        if self.steps % 8 == 0:
            self._examine(QUICK_CHECKS)

    @invariant()
    def the_quota_holds_but_for_those_who_came_back(self) -> None:
        """At most four have a slot at any moment among those who were active in the last half hour."""
        with reading(self.engine) as session:
            admitted = session.scalars(
                select(ParticipantRow.admitted_at)
                .where(ParticipantRow.wave == 1, ParticipantRow.admitted_at.is_not(None))
                .order_by(ParticipantRow.admitted_at)
            ).all()
        for i, first in enumerate(admitted):
            # Who was admitted and stays away keeps the slot for 30 minutes; activity is noted to the minute.
            within = [a for a in admitted[i:] if a - first < timedelta(minutes=29)]
            withdrawn = self._left_early()
            assert len(within) <= 4 + withdrawn, within

    def teardown(self) -> None:
        self._examine(every.CHECKS)

    # --- helpers ----------------------------------------------------------------------------------------------

    def _open(self, browser: int, address: str) -> Any:
        return multiple(*[(browser, form) for form in self._forms(browser, address)])

    def _forms(self, browser: int, address: str) -> list[Form]:
        """Open a page: it must come, and the database must be afterwards as it was before."""
        before = self._everything()
        response = self.browsers[browser].get(address, follow_redirects=True)
        assert response.status_code in (200, 404), (address, response.status_code)
        assert self._everything() == before, "a GET has changed something"
        return Forms(response.text).forms if response.status_code == 200 else []

    def _sent(self, browser: int, form: Form, fields: dict[str, Any]) -> list[tuple[int, Form]]:
        """Send a form; return what the page offers that the browser then shows."""
        client: FlaskClient = self.browsers[browser]
        self.erasing |= fields.get("wish") == "erase"
        response = client.post(form.action, data=fields)
        # 422: a form with something missing, shown again. 400: a page whose comparison waits no longer.
        assert response.status_code in (200, 303, 400, 404, 422), (form.action, response.status_code)
        if response.status_code == 303:
            address = response.headers["Location"]
            if re.fullmatch(r"/p/[^/]+", address) and address not in self.addresses:
                self.addresses.append(address)
            return [(browser, one) for one in self._forms(browser, address)]
        shown = Forms(response.text).forms if response.status_code in (200, 422) else []
        return [(browser, one) for one in shown]

    def _answers(self) -> dict[tuple[str, int, int | str], Any]:
        """Return all that people said: (what, where it was asked, which of several) -> what was said."""
        with reading(self.engine) as session:
            compared = session.execute(
                select(AnswerRow.presentation_id, AnswerRow.revision, AnswerRow.choice)
            ).all()
            gone_on = session.scalars(select(AttributePageAnswerRow)).all()
            named = session.scalars(select(SuggestionRow)).all()
        said: dict[tuple[str, int, int | str], Any] = {
            ("answer", presentation, revision): choice.value for presentation, revision, choice in compared
        }
        said |= {("page", a.attribute_page_id, a.revision): (a.ratings, a.ranking) for a in gone_on}
        # Taking one back leaves its words.
        said |= {("suggestion", s.page_id or 0, s.key): (s.text, s.why, s.direction) for s in named}
        return said

    def _everything(self) -> dict[str, list[Any]]:
        with self.engine.connect() as connection:
            return {
                table.name: [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
                for table in Base.metadata.sorted_tables
            }

    def _left_early(self) -> int:
        with reading(self.engine) as session:
            gone = (ParticipantState.WITHDRAWN, ParticipantState.ERASED, ParticipantState.SCREENED_OUT)
            return len(session.scalars(select(ParticipantRow.id).where(ParticipantRow.state.in_(gone))).all())

    def _examine(self, checks: Any) -> None:
        with reading(self.engine) as session:
            findings = examine(session, checks, now=self.now)
        assert not [(f.check, f.first) for f in findings if f.broken]


@pytest.fixture
def unlimited(settings: Settings) -> Settings:
    """Settings without rate limits: the machine is quicker than people."""
    return load_settings(
        {},
        state_dir=settings.state_dir,
        database_url=settings.database_url,
        log_level="error",
        rate_limits="off",
    )


@pytest.mark.parametrize("examples", [5, pytest.param(150, marks=pytest.mark.long)])
def test_whatever_people_and_researchers_do_every_promise_holds(
    engine: Engine, unlimited: Settings, every_step: str, examples: int
) -> None:
    app = create_app(unlimited, engine)
    run_state_machine_as_test(
        lambda: Surveyed(app, engine, every_step + ATTRIBUTES),
        settings=hypothesis.settings(
            max_examples=examples,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
