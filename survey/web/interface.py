"""The language of our own words on the pages: catalogues through Babel, and the direction of writing.

The study's words are the design's; these are the buttons and sentences around them. A language without a catalogue
gets the English ones, marked as English, so that they are read aloud and set as English. Researchers' pages are
English only.
"""

from __future__ import annotations

from babel import Locale, UnknownLocaleError
from flask import Flask, g, request
from flask_babel import Babel, get_translations

CATALOGUES = ("en", "de")
"""Languages in which the interface is complete. English is the source."""


def speak(app: Flask) -> None:
    """Choose the catalogue for each request and tell templates the direction of writing."""
    Babel(app, default_locale="en", locale_selector=interface_language)
    # Newstyle callables put values into the words after these have been marked.
    app.jinja_env.install_gettext_callables(_marked, _marked_plural, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals.update(
        direction_of=direction_of,
        interface_language=interface_language,
        name_of_language=name_of_language,
    )


def interface_language() -> str:
    """Return the catalogue for the participant's language; where nobody has chosen one, for the browser's."""
    chosen = g.get("language")
    if chosen is not None:
        primary = str(chosen).partition("-")[0].lower()
        return primary if primary in CATALOGUES else "en"
    if request.blueprint not in (None, "participate"):
        return "en"
    return request.accept_languages.best_match(CATALOGUES, "en") or "en"


def _marked(words: str) -> str:
    return _marked_if_foreign(get_translations().ugettext(words))


def _marked_plural(one: str, many: str, count: int) -> str:
    return _marked_if_foreign(get_translations().ungettext(one, many, count))


def _marked_if_foreign(words: str) -> str:
    """Say of which language our words are where the page is in another. Take it off a title with ``striptags``."""
    ours = interface_language()
    page = str(g.get("language") or ours).partition("-")[0].lower()
    return words if page == ours else f'<bdi lang="{ours}">{words}</bdi>'


def direction_of(language: str) -> str:
    """Return ``ltr`` or ``rtl`` for a language tag such as ``ar`` or ``de-CH``."""
    locale = _locale(language)
    return locale.text_direction if locale else "ltr"


def name_of_language(language: str) -> str:
    """Return the language's own name, e.g. ``Deutsch``; the tag where nobody knows it."""
    locale = _locale(language)
    name = locale.get_display_name() if locale else None
    return name[0].upper() + name[1:] if name else language


def _locale(language: str) -> Locale | None:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return None
