"""Databases, the application and its test client."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from survey.app import create_app
from survey.config import Secrets, Settings, load_settings, secrets_of
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES
from survey.migration import upgrade
from survey.store import studies
from survey.tables import StudyRow

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CHROMIUM = Path("/usr/bin/chromium")

SHORT_DESIGN = """
[study]
slug = "short"
title = "A short study"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
instructions = "What to do."
question = "Which patient should get the kidney?"
debrief = "What it was about."

[[attributes]]
name = "age"
label = "Age"
kind = "numeric"
minimum = 20
maximum = 80
step = 20
words = "{value} years old"
favours = "low"

[[attributes]]
name = "health"
label = "Other health"
kind = "categorical"
favoured = "good"
levels = [{ name = "good", words = "in good health" }, { name = "poor", words = "in poor health" }]

[profiles]
kind = "random"

[comparisons]
kind = "random"
per_respondent = 4

[[arms]]
name = "with-coin"
indecision = true

[[arms]]
name = "no-coin"
indecision = false
"""


# Asks for attributes alone: both open questions, ratings and a ranking, in two languages.
ASKING_DESIGN = """
[study]
slug = "asking"
title = "What should decide who gets a kidney?"
version = "1"

[texts]
introduction = "There are fewer kidneys than people who need one."
consent = "You will be asked open questions. Taking part is voluntary."
debrief = "Thank you."

[suggestions]
order = "should_first"

[suggestions.should]
question = "What about patients should be considered when deciding who gets a kidney first?"
explanation = "Name one thing at a time, as many as you like, in your own words."
label = "Something that should count"
direction_label = "Who should come first because of it? (optional)"
why_label = "Why? (optional)"

[suggestions.should_not]
question = "What about patients should not be considered when deciding who gets a kidney first?"
explanation = "Name one thing at a time, as many as you like, in your own words."
label = "Something that should not count"
why_label = "Why? (optional)"

[acceptability]
question = "May these things decide who gets a kidney first?"
explanation = "Other people named them. Say what you think of each."
ranked = 3
ranking_question = "Which three matter most to you?"
ranking_explanation = "Give the first, the second and the third place. You may leave places free."

[[acceptability.attributes]]
name = "age"
label = "Age"
explanation = "How old a patient is."

[[acceptability.attributes]]
name = "smoking"
label = "Smoking and drinking before the illness"

[[acceptability.attributes]]
name = "children"
label = "Children or others who depend on the patient"
explanation = "For instance young children, or old parents who are cared for at home."

[[acceptability.attributes]]
name = "wealth"
label = "Wealth"

[[acceptability.attributes]]
name = "waiting"
label = "Time on the waiting list"

[[demographics]]
name = "age_group"
text = "How old are you?"
kind = "choice"
options = [{ name = "under-35", words = "Under 35" }, { name = "older", words = "35 or older" }]

[languages.de.study]
title = "Was soll entscheiden, wer eine Niere bekommt?"
[languages.de.texts]
introduction = "Es gibt weniger Nieren als Menschen, die eine brauchen."
consent = "Sie bekommen offene Fragen gestellt. Die Teilnahme ist freiwillig."
debrief = "Danke."
[languages.de.suggestions.should]
question = "Was soll berücksichtigt werden, wenn entschieden wird, wer zuerst eine Niere bekommt?"
explanation = "Nennen Sie eins nach dem anderen, so viele Sie möchten, in Ihren eigenen Worten."
label = "Etwas, das zählen soll"
direction_label = "Wer soll deswegen zuerst kommen? (freiwillig)"
why_label = "Warum? (freiwillig)"
[languages.de.suggestions.should_not]
question = "Was soll nicht berücksichtigt werden, wenn entschieden wird, wer zuerst eine Niere bekommt?"
explanation = "Nennen Sie eins nach dem anderen, so viele Sie möchten, in Ihren eigenen Worten."
label = "Etwas, das nicht zählen soll"
why_label = "Warum? (freiwillig)"
[languages.de.acceptability]
question = "Darf dies entscheiden, wer zuerst eine Niere bekommt?"
explanation = "Andere haben es genannt. Sagen Sie zu jedem, was Sie denken."
acceptable = "Annehmbar"
not_acceptable = "Nicht annehmbar"
cannot_say = "Kann ich nicht sagen"
ranking_question = "Welche drei sind Ihnen am wichtigsten?"
ranking_explanation = "Vergeben Sie den ersten, zweiten und dritten Platz. Plätze dürfen frei bleiben."
attributes.age = { label = "Alter", explanation = "Wie alt jemand ist." }
attributes.smoking = { label = "Rauchen und Trinken vor der Erkrankung" }
attributes.children.label = "Kinder oder andere Angehörige, die versorgt werden müssen"
attributes.children.explanation = "Zum Beispiel kleine Kinder oder Eltern, die zu Hause gepflegt werden."
attributes.wealth = { label = "Vermögen" }
attributes.waiting = { label = "Wartezeit auf der Warteliste" }
[languages.de.demographics.age_group]
text = "Wie alt sind Sie?"
options = { under-35 = "Unter 35", older = "35 oder älter" }
"""


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def short_design() -> str:
    return SHORT_DESIGN


@pytest.fixture(scope="session")
def one_arm_design() -> str:
    """The short design without its arm that withholds indecision."""
    return SHORT_DESIGN[: SHORT_DESIGN.index("[[arms]]")]


@pytest.fixture(scope="session")
def asking_design() -> str:
    """A study that asks for attributes and nothing else."""
    return ASKING_DESIGN


@pytest.fixture(scope="session")
def asking_and_comparing(one_arm_design: str) -> str:
    """The short design with open questions, ratings and a ranking before its comparisons."""
    return (
        one_arm_design
        + ASKING_DESIGN[ASKING_DESIGN.index("[suggestions]") : ASKING_DESIGN.index("[[demographics]]")]
    )


@pytest.fixture(scope="session")
def kidney_8() -> str:
    return (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def kidney_complete() -> str:
    """The example that uses every part of a design."""
    return (EXAMPLES / "kidney-complete.toml").read_text(encoding="utf-8")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, state_dir=tmp_path / "var", log_level="error")


@pytest.fixture
def secrets(settings: Settings) -> Secrets:
    return secrets_of(settings)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; copying it is quicker than migrating anew for each test."""
    file = tmp_path_factory.mktemp("migrated") / "equipoise.sqlite"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_engine(settings: Settings, migrated_file: Path) -> Iterator[Engine]:
    settings.state_dir.mkdir(exist_ok=True)
    shutil.copy(migrated_file, settings.state_dir / "equipoise.sqlite")
    engine = make_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    upgrade(postgres_url)
    engine = make_engine(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A migrated, empty database: SQLite and PostgreSQL in turn."""
    found = request.getfixturevalue(f"{request.param}_engine")
    assert isinstance(found, Engine)
    return found


@pytest.fixture(scope="session")
def add_open_study() -> Callable[[Engine, str], StudyRow]:
    def add(engine: Engine, text: str) -> StudyRow:
        with writing(engine) as session:
            study = studies.add_study(session, text, now=NOW)
            studies.open_study(session, study, now=NOW)
            return study

    return add


@pytest.fixture
def app(settings: Settings, sqlite_engine: Engine) -> Flask:
    return create_app(settings, sqlite_engine)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@dataclass(frozen=True, kw_only=True)
class Place:
    """A page and what to do there to see it as it should be looked at."""

    path: str
    heading: str
    """Begins with this, so that a test never looks at another page than it thinks."""
    write: tuple[str, str] | None = None
    """(field, text) to write first."""
    press: str = ""
    """Button to press then, e.g. to see a form with complaints."""
    without_cookies: bool = False
    """Whether to press it without our cookie."""


class Visitor:
    """Somebody who takes part through Flask's test client, to get a participant to any page.

    The steps are those of the complete example; designs with fewer have their pages passed by hand.
    """

    def __init__(self, app: Flask, send: Callable[..., TestResponse], slug: str, query: str = "") -> None:
        self._send = send
        self.client: FlaskClient = app.test_client()
        self.page = self.client.get(f"/s/{slug}{query}", follow_redirects=True)

    @property
    def path(self) -> str:
        """Of the page on which the visitor is."""
        return self.page.request.path

    @property
    def token(self) -> str:
        return self.path.split("/")[2]

    @property
    def step(self) -> str:
        """Name of the page on which the visitor is."""
        found = re.search(r'data-page="([^"]*)"', self.page.text)
        assert found, self.page.text
        return found[1]

    @property
    def text(self) -> str:
        """What the page says, in words."""
        return html.unescape(re.sub(r"<[^>]+>", " ", self.page.text))

    @property
    def code(self) -> str:
        found = re.search(r'<output id="completion-code"[^>]*>([^<]*)<', self.page.text)
        return found[1] if found else ""

    def opens(self, path: str) -> Visitor:
        self.page = self.client.get(path, follow_redirects=True)
        return self

    def reloads(self) -> Visitor:
        return self.opens(self.path)

    def sends(self, ending: str, **fields: str | list[str]) -> Visitor:
        self.page = self._send(self.client, self.page, ending, **fields)
        return self

    def agrees(self) -> Visitor:
        return self.sends("/start").sends("/consent", decision="agree")

    def is_admitted(self, *, adult: str = "yes", place: str = "city") -> Visitor:
        return self.agrees().sends("/screener", adult=adult, place=place)

    def is_asked(self) -> Visitor:
        return self.is_admitted().sends("/begin").sends("/answer", choice="left")

    def is_answering(self) -> Visitor:
        return self.is_asked().sends("/comprehension", option="alike")

    def goes_on_until(self, text: str) -> Visitor:
        for _ in range(60):
            if text in self.page.text:
                return self
            self.sends("/answer", choice="left")
        raise AssertionError(f"never came to '{text}'")

    def is_describing(self) -> Visitor:
        return self.is_answering().goes_on_until('data-page="describing"')

    def has_finished(self) -> Visitor:
        return self.is_describing().sends("/demographics")

    def wants_to_stop(self) -> Visitor:
        return self.opens(f"/p/{self.token}/stop")

    def sees(self, heading: str, **more: Any) -> Place:
        return Place(path=self.page.request.full_path.rstrip("?"), heading=heading, **more)


@pytest.fixture(scope="session")
def visit(send: Callable[..., TestResponse]) -> Callable[..., Visitor]:
    """Return a function that opens a study's page: ``visit(app, slug, query)``."""

    def open_study(app: Flask, slug: str = "kidney-complete", query: str = "") -> Visitor:
        return Visitor(app, send, slug, query)

    return open_study


@pytest.fixture(scope="session")
def quick_complete(kidney_complete: str) -> str:
    """The complete example with fewer main comparisons and room for everybody."""
    text, changed = re.subn(
        r"^per_respondent = \d+$", "per_respondent = 7", kidney_complete, flags=re.MULTILINE
    )
    assert changed == 1
    return re.sub(r"^most = \d+$", "most = 1000", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. Not for the whole session: while it runs, nothing else can run an event loop."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def send() -> Callable[..., TestResponse]:
    """Return a function that sends the form of a page as a browser does: hidden fields, then what is given.

    A field whose value is a list is sent once for each.
    """

    def send_form(
        client: FlaskClient, page: TestResponse, ending: str, /, **fields: str | list[str]
    ) -> TestResponse:
        for action, body in re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page.text, re.DOTALL):
            if action.endswith(ending):
                hidden = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', body))
                sent = {name: html.unescape(value) for name, value in hidden.items()} | fields
                return client.post(action, data=sent, follow_redirects=True)
        raise AssertionError(f"no form for {ending} on the page:\n{page.text}")

    return send_form


@pytest.fixture
def at_first_comparison(send: Callable[..., TestResponse]) -> Callable[[FlaskClient, str], TestResponse]:
    """Return a function that takes a client from the landing page to the first comparison."""

    def go(client: FlaskClient, slug: str) -> TestResponse:
        page = send(client, client.get(f"/s/{slug}"), "/start")
        page = send(client, page, "/consent", decision="agree")
        return send(client, page, "/begin")

    return go
