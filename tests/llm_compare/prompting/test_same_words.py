"""What a model is shown is what a person is shown: prompts rebuilt from the pages that the survey serves."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from llm_compare.prompting.labels import Labels
from llm_compare.prompting.messages import Wording
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.prompting.words import prompt_words
from survey.answers import Choice, Presentation
from survey.app import create_app
from survey.config import load_settings
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES, example_design
from survey.languages import worded
from survey.served_page import Page, read_page
from survey.store import studies

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CASES = [
    (name, arm.name, language)
    for name in ("kidney-8", "kidney-numeric", "kidney-study1", "kidney-complete")
    for design in [example_design(name)]
    for arm in design.arms
    for language in design.languages
]
# What to press on each page on the way to the first comparison.
ON_THE_WAY = {
    "landing": ("/start", None, {}),
    "consenting": ("/consent", "agree", {}),
    "screening": ("/screener", None, {"adult": ["yes"], "place": ["city"]}),
    "instructed": ("/begin", None, {}),
    "practice": ("/answer", "left", {}),
    "comprehending": ("/comprehension", "alike", {}),
}


class Seen:
    """The pages that one participant saw, by name."""

    def __init__(self, client, address):
        self.pages: dict[str, str] = {}
        response = client.get(address, follow_redirects=True)
        for _ in range(len(ON_THE_WAY) + 1):
            page = read_page(response.text)
            self.pages[page.name] = response.text
            if page.name == "comparison":
                return
            ending, button, given = ON_THE_WAY[page.name]
            form = page.form(ending)
            response = client.post(form.action, data=form.sent_with(button, given), follow_redirects=True)
        raise AssertionError(f"no comparison came, only {', '.join(self.pages)}")

    @property
    def comparison(self) -> Page:
        return read_page(self.pages["comparison"])

    @property
    def offered(self) -> dict[Choice, str]:
        return {Choice(b.value): b.words for b in self.comparison.form("/answer").buttons}

    def paragraphs(self, name: str) -> list[str]:
        """Return what the paragraphs of a page's main part say."""
        main = re.search(r"<main.*?</main>", self.pages[name], re.DOTALL)[0]
        found = re.findall(r"<p[^>]*>(.*?)</p>", main, re.DOTALL)
        return [flat(html.unescape(re.sub(r"<[^>]+>", "", text))) for text in found]


def flat(text: str) -> str:
    """Return ``text`` as a browser shows it, where a line's end is a space."""
    return " ".join(text.split())


@pytest.fixture
def app(tmp_path, migrated_database):
    settings = load_settings({}, state_dir=tmp_path / "var", log_level="error")
    settings.state_dir.mkdir()
    shutil.copy(migrated_database, settings.state_dir / "equipoise.sqlite")
    engine = make_engine(settings.database_url)
    yield create_app(settings, engine)
    engine.dispose()


@pytest.fixture
def take_part(app) -> Callable[..., Seen]:
    """Return a function that takes people to their first comparison until one is in the arm wanted."""

    def take(name: str, arm: str, language: str) -> Seen:
        with writing(app.extensions["equipoise"].engine) as session:
            study = studies.add_study(session, (EXAMPLES / f"{name}.toml").read_text("utf-8"), now=NOW)
            studies.open_study(session, study, now=NOW)
        design = example_design(name)
        wanted = {
            a.name: flat(worded(design, arm=a.name, language=language).indecision.label)
            if a.indecision_offered
            else None
            for a in design.arms
        }
        for _ in range(40):
            seen = Seen(app.test_client(), f"/s/{name}?lang={language}")
            if seen.offered.get(Choice.INDECISION) == wanted[arm]:
                return seen
        raise AssertionError(f"nobody of 40 people was in arm {arm}")

    return take


def asked_of_a_model(seen: Seen, name: str, arm: str, language: str, **variant) -> tuple[str, str, Labels]:
    """Return the prompt for what stands on a person's page: what comes before, the question, the answers' names."""
    design = example_design(name)
    design_arm = design.arm(arm)
    said = worded(design, arm=arm, language=language)
    page = seen.comparison
    left, right = page.compared(said)
    by_label = {flat(attribute.label): attribute.name for attribute in said.attributes}
    shown = Presentation(
        left=left,
        right=right,
        attribute_order=tuple(by_label[label] for _, label, _ in page.rows[1:]),
        indecision_offered=Choice.INDECISION in seen.offered,
        position=1,
    )
    wording = Wording.of(design, arm=design_arm, variant=Variant(language=language, **variant))
    system, user = wording.messages(shown)
    return system.content, user.content, wording.labels(shown)


@pytest.mark.parametrize(("name", "arm", "language"), CASES)
def test_a_model_reads_the_words_of_a_persons_page_and_how_to_answer_and_nothing_else(
    take_part, name, arm, language
):
    seen = take_part(name, arm, language)
    page = seen.comparison
    system, user, labels = asked_of_a_model(seen, name, arm, language)

    # Before the first comparison: the study's own paragraphs stand first on their pages, then those of the site.
    told = [flat(part) for part in system.split("\n\n")]
    on_pages = [seen.paragraphs("landing"), seen.paragraphs("instructed")]
    introduced = next(n for n in range(len(told)) if told[n] == on_pages[1][0])
    assert told[:introduced] == on_pages[0][:introduced]
    assert told[introduced:] == on_pages[1][: len(told) - introduced]
    assert introduced > 0

    # The comparison, rebuilt from the page alone.
    (left, _, right), *rows = page.rows
    expected = [page.heading, f"{left}:"]
    expected += [f"- {label}: {words}" for words, label, _ in rows]
    expected += [f"{right}:"]
    expected += [f"- {label}: {words}" for _, label, words in rows]
    expected += [prompt_words(language).answer["letter"]]
    # The buttons stand in this order: left, indecision, right. The marks do, too.
    marks = {Choice.LEFT: "A", Choice.INDECISION: "C", Choice.RIGHT: "B"}
    expected += [f"{marks[choice]} = {name}" for choice, name in seen.offered.items()]
    assert [flat(line) for line in user.split("\n") if line] == expected
    assert page.language == language
    assert [(c, n) for _, n, c in labels.offered()] == list(seen.offered.items())


@pytest.mark.parametrize("answer_format", AnswerFormat)
def test_in_every_answer_format_only_the_words_after_the_comparison_differ(take_part, answer_format):
    seen = take_part("kidney-8", "main", "en")
    system, user, _ = asked_of_a_model(seen, "kidney-8", "main", "en")
    other_system, other_user, _ = asked_of_a_model(
        seen, "kidney-8", "main", "en", answer_format=answer_format
    )
    how = user.index(prompt_words("en").answer["letter"])
    assert other_system == system
    assert other_user[:how] == user[:how]
