"""The open questions as a model reads them: the words of the page that the survey serves, and how to answer."""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from llm_compare.errors import CannotAsk
from llm_compare.prompting.call import Settings
from llm_compare.prompting.messages import Speaker
from llm_compare.prompting.words import languages, prompt_words
from llm_compare.replies.reply import Reply
from llm_compare.suggesting.open_question import (
    Form,
    Part,
    open_calls,
    parts_of,
    respondent_name,
)
from llm_compare.suggesting.reading import read_suggestions
from survey.app import create_app
from survey.coding.repeats import model_of
from survey.config import load_settings
from survey.db import make_engine, writing
from survey.design import Translation
from survey.design_file import EXAMPLES, example_design
from survey.languages import worded, words_of
from survey.served_page import read_page
from survey.store import studies
from survey.suggestions import Stance

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NAME = "kidney-attributes"


@pytest.fixture(scope="module")
def design():
    return example_design(NAME)


def calls(design, **given):
    return open_calls(design, model="openai/any", settings=Settings(), **given)


def flat(text):
    return " ".join(text.split())


def words(page, pattern):
    """Return what a browser shows of the parts of a page that a pattern finds."""
    found = re.findall(pattern, page, re.DOTALL)
    return [flat(html.unescape(re.sub(r"<[^>]+>", "", text))) for text in found]


@pytest.fixture
def served_pages(tmp_path, migrated_database):
    """Return a function that takes a person through both open questions: the landing page, then theirs."""
    settings = load_settings({}, state_dir=tmp_path / "var", log_level="error")
    settings.state_dir.mkdir()
    shutil.copy(migrated_database, settings.state_dir / "equipoise.sqlite")
    engine = make_engine(settings.database_url)
    app = create_app(settings, engine)

    def served(name, language):
        with writing(engine) as session:
            study = studies.add_study(session, (EXAMPLES / f"{name}.toml").read_text("utf-8"), now=NOW)
            studies.open_study(session, study, now=NOW)
        client = app.test_client()
        response = client.get(f"/s/{name}?lang={language}", follow_redirects=True)
        pages, asked = [response.text], {}
        for _ in range(8):
            page = read_page(response.text)
            steps = {
                "landing": ("/start", None, {}),
                "consenting": ("/consent", "agree", {}),
                "screening": ("/screener", None, {"adult": ["yes"], "place": ["city"]}),
                "suggesting": ("/suggest", "go_on", {}),
            }
            if page.name not in steps:
                break
            if page.name == "suggesting":
                asked[words(response.text, r"<h1[^>]*>(.*?)</h1>")[0]] = response.text
            ending, button, given = steps[page.name]
            form = page.form(ending)
            response = client.post(form.action, data=form.sent_with(button, given), follow_redirects=True)
        return pages[0], asked

    yield served
    engine.dispose()


@pytest.mark.parametrize(
    ("name", "language"),
    [
        (name, language)
        for name in (NAME, "kidney-complete")
        for language in example_design(name).languages
        if example_design(name).suggestions is not None
    ],
)
def test_a_model_reads_the_words_of_a_persons_page_and_how_to_answer_and_nothing_else(
    served_pages, name, language
):
    landing, asked = served_pages(name, language)
    design = example_design(name)
    made = calls(design, language=language)
    assert {flat(c.question.question) for c in made} == set(asked)
    for call in made:
        system, user = call.messages
        assert (system.role, user.role) == (Speaker.SYSTEM, Speaker.USER)
        introduced = [flat(part) for part in system.content.split("\n\n")]
        assert words(landing, r"<p[^>]*>(.*?)</p>")[: len(introduced)] == introduced
        page = asked[flat(call.question.question)]
        main = re.search(r"<main.*?</main>", page, re.DOTALL)[0]
        expected = words(main, r"<h1[^>]*>(.*?)</h1>")
        expected += words(
            re.search(r'<div class="explanation">.*?</div>', main, re.DOTALL)[0], r"<p[^>]*>(.*?)</p>"
        )
        expected += words(main, r"<label[^>]*>(.*?)</label>")
        said = [flat(line) for line in user.content.split("\n") if line.strip()]
        own = prompt_words(language).suggestions
        how = [own["lines"], own["parts"], own["nothing"].replace("{word}", own["nothing_word"])]
        assert said == [*expected, *(line for line in how if line != own["parts"] or len(call.parts) > 1)]


def test_each_question_is_a_conversation_of_its_own_and_every_repeat_another_call(design):
    made = calls(design, repeats=3)
    assert len(made) == len({c.identity for c in made}) == 6
    assert {(c.question.stance, c.repeat) for c in made} == {(s, r) for s in Stance for r in (1, 2, 3)}
    other = {Stance.SHOULD: Stance.SHOULD_NOT, Stance.SHOULD_NOT: Stance.SHOULD}
    by_stance = {c.question.stance: c.messages[1].content for c in made}
    for call in made:
        assert (
            design.suggestions.question(other[call.question.stance]).question
            not in by_stance[call.question.stance]
        )


def test_the_order_of_the_questions_in_the_design_changes_no_call(design):
    turned = replace(
        design,
        suggestions=replace(design.suggestions, questions=design.suggestions.questions[::-1], shuffled=False),
    )
    assert {c.key for c in calls(turned)} == {c.key for c in calls(design)}


def test_form_persona_and_language_are_said_and_make_other_calls(design):
    usual, as_json, nurse = (
        calls(design)[0],
        calls(design, form=Form.JSON)[0],
        calls(design, persona=" A nurse ")[0],
    )
    assert len({usual.key, as_json.key, nurse.key}) == 3
    assert (
        '{"suggestions": [{"text": "...", "direction": "...", "why": "..."}]}' in as_json.messages[1].content
    )
    assert "direction = Who should come first because of it? (optional)" in as_json.messages[1].content
    assert nurse.messages[0].content.startswith("Answer as the following person would: A nurse\n\n")
    with pytest.raises(CannotAsk, match="'fi'"):
        calls(design, language="fi")


def test_a_field_that_the_page_does_not_have_is_not_asked_for(design):
    question = replace(design.suggestions.questions[0], why_label="", direction_label="")
    bare = replace(design, suggestions=replace(design.suggestions, questions=(question,)))
    (call,) = calls(bare)
    assert parts_of(question) == call.parts == (Part.TEXT,)
    assert "|" not in call.messages[1].content
    (as_json,) = calls(bare, form=Form.JSON)
    assert '{"suggestions": [{"text": "..."}]}' in as_json.messages[1].content


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("form", Form)
def test_in_every_language_a_reply_as_the_prompt_asks_for_it_is_read(design, language, form):
    tongue = replace(design, language=language, translations=())
    call = calls(tongue, form=form)[0]
    said = call.messages[1].content
    own = prompt_words(language).suggestions
    assert own["empty" if form is Form.JSON else "nothing"].split("{word}")[0] in said
    assert "{" not in said.replace('{"suggestions": [{', "").replace("}]}", "")
    reply = (
        "A | B | C"
        if form is Form.LINES
        else '{"suggestions": [{"text": "A", "direction": "B", "why": "C"}]}'
    )
    (entry,) = read_suggestions(Reply(content=reply), call.parts).entries
    assert (entry.text, entry.direction, entry.why) == ("A", "B", "C")


def test_a_study_without_open_questions_is_refused_with_the_way_out():
    with pytest.raises(CannotAsk, match=r"\[suggestions\]"):
        calls(example_design("kidney-8"))
    with pytest.raises(CannotAsk, match="at least once"):
        calls(example_design(NAME), repeats=0)


def test_respondents_are_named_by_model_language_and_repeat():
    assert respondent_name("m", language="en", own_language="en", repeat=3) == "m#3"
    assert respondent_name("m", language="de", own_language="en", repeat=3) == "m (de)#3"
    assert [model_of(n) for n in ("m#3", "m (de)#12", "a#b#2", "plain", "odd#x")] == [
        "m", "m (de)", "a#b", "plain", "odd#x",
    ]  # fmt: skip
    with pytest.raises(CannotAsk, match="--label"):
        respondent_name("m" * 100, language="en", own_language="en", repeat=1)
    with pytest.raises(CannotAsk, match="--label"):
        respondent_name(" ", language="en", own_language="en", repeat=1)


def test_the_translated_words_of_the_design_are_asked_in_its_other_language(design):
    other = tuple((key, f"{key} auf Deutsch") for key in words_of(design))
    both = replace(design, translations=(Translation(language="de", words=other),))
    said = worded(both, arm=both.arms[0].name, language="de")
    call = calls(both, language="de")[0]
    assert call.question == said.suggestions.questions[0]
    assert call.messages[0].content == "texts.introduction auf Deutsch"
    assert call.messages[1].content.startswith("suggestions.should.question auf Deutsch\n\n")
    assert prompt_words("de").suggestions["lines"] in call.messages[1].content
    assert call.language == "de"
    assert call.key != calls(both)[0].key
