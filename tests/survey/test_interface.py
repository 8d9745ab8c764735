"""Our own words: every one in German, the compiled catalogue up to date, and right in every language."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, g, render_template_string
from sqlalchemy import Engine

from survey.web.interface import CATALOGUES, direction_of, interface_language, name_of_language

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = ROOT / "survey" / "web" / "translations"
TRANSLATED = sorted(set(CATALOGUES) - {"en"})
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%[^(%]")

pytestmark = pytest.mark.usefixtures("sqlite_engine")


def catalogue(language: str) -> Catalog:
    with (TRANSLATIONS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def words(message: Message) -> tuple[str, ...]:
    """Return what a message says, in the singular and the plural where it has both."""
    return tuple(message.string) if isinstance(message.string, list | tuple) else (message.string,)


@pytest.fixture(scope="module")
def ours() -> set[str | tuple[str, ...]]:
    """Every word of ours on the participant's pages, as ``make words`` finds them."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    keywords = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
    found = extract_from_dir(ROOT, methods, options, keywords=keywords)
    return {message for _file, _line, message, _comments, _context in found}


def test_extracting_finds_the_words_of_templates_and_of_python(ours: set[str | tuple[str, ...]]) -> None:
    assert len(ours) > 90
    for known in ("Start", "Change my last answer", "There is no such page", "Prefer not to say"):
        assert known in ours


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_word_of_ours_is_translated_and_nothing_else(
    language: str, ours: set[str | tuple[str, ...]]
) -> None:
    messages = {message.id: message for message in catalogue(language) if message.id}
    assert set(messages) == ours, "run make words and translate what is new"
    assert not [m.id for m in messages.values() if m.fuzzy or not all(words(m))]
    assert not catalogue(language).obsolete


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_keeps_what_is_filled_in(language: str) -> None:
    for message in catalogue(language):
        if not message.id:
            continue
        source = message.id[-1] if isinstance(message.id, tuple) else message.id
        for text in words(message):
            # The singular may say "one" instead of the number.
            missing = set(PLACEHOLDER.findall(source)) - set(PLACEHOLDER.findall(text))
            assert missing <= ({"num"} if isinstance(message.id, tuple) else set()), message.id
            assert set(PLACEHOLDER.findall(text)) <= set(PLACEHOLDER.findall(source)), message.id


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_catalogue_says_what_the_source_says(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    kept = (TRANSLATIONS / language / "LC_MESSAGES" / "messages.mo").read_bytes()
    assert compiled.getvalue() == kept, "run make words"


def test_german_is_formal_and_uses_german_signs() -> None:
    for message in catalogue("de"):
        for text in words(message) if message.id else ():
            assert not re.search(r"\b(?:du|dich|dir|dein\w*|klicke?)\b", text, re.IGNORECASE), text
            assert not re.search(r"[\"'“](?=\w)|\w\"", text.replace("„", "")), text


# --- choosing the language -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "chosen", "accepted", "language"),
    [
        ("/", None, "", "en"),
        ("/", None, "de-CH,fr;q=0.5", "de"),
        ("/s/short", "de-AT", "en", "de"),
        ("/s/short", "en", "de", "en"),
        ("/s/short", "ar", "de", "en"),
        ("/research/", None, "de", "en"),
    ],
)
def test_our_words_are_in_the_participants_language_else_the_browsers(
    app: Flask, path: str, chosen: str | None, accepted: str, language: str
) -> None:
    with app.test_request_context(path, headers={"Accept-Language": accepted}):
        if chosen:
            g.language = chosen
        assert interface_language() == language


def test_a_page_in_a_language_without_a_catalogue_says_which_of_its_words_are_english(app: Flask) -> None:
    template = '{{ _("Start") }} {{ ngettext("There is one short comparison.", "%(num)s & more", 3) }}'
    with app.test_request_context("/s/short"):
        g.language = "ar"
        assert render_template_string(template) == (
            '<bdi lang="en">Start</bdi> <bdi lang="en">3 & more</bdi>'
        )
        assert render_template_string('{{ _("Start")|striptags }}') == "Start"
    with app.test_request_context("/s/short"):
        g.language = "en-GB"
        assert render_template_string('{{ _("Start") }}') == "Start"


def test_what_is_filled_in_is_escaped_in_every_language(app: Flask) -> None:
    for language in ("en", "de", "ar"):
        with app.test_request_context("/s/short"):
            g.language = language
            page = render_template_string('{{ _("Your answer: %(answer)s", answer="<i>") }}')
        assert "&lt;i&gt;" in page
        assert "<i>" not in page


@pytest.mark.parametrize(
    ("accepted", "language", "says"),
    [("de", "de", "Diese Seite gibt es nicht"), ("fr, en;q=0.5", "en", "There is no such page")],
)
def test_an_error_page_is_in_the_browsers_language(
    app: Flask, accepted: str, language: str, says: str
) -> None:
    page = app.test_client().get("/p/nobody", headers={"Accept-Language": accepted})
    assert page.status_code == 404
    assert f'<html lang="{language}" dir="ltr">' in page.text
    assert says in page.text


def test_researchers_pages_are_english_whatever_the_browser_says(app: Flask, sqlite_engine: Engine) -> None:
    page = app.test_client().get("/research/sign-in", headers={"Accept-Language": "de"})
    assert '<html lang="en" dir="ltr">' in page.text
    assert "Skip to the content" in page.text


@pytest.mark.parametrize(
    ("tag", "direction", "name"),
    [
        ("en", "ltr", "English"),
        ("de-CH", "ltr", "Deutsch (Schweiz)"),
        ("ar", "rtl", "العربية"),
        ("he", "rtl", "עברית"),
        ("xx-nowhere", "ltr", "xx-nowhere"),
        ("", "ltr", ""),
    ],
)
def test_a_language_has_a_direction_and_a_name_of_its_own(tag: str, direction: str, name: str) -> None:
    assert direction_of(tag) == direction
    assert name_of_language(tag) == name
