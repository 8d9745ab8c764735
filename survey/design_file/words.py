"""The words of a design file: complete translations, and nothing that reads like something else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from survey.acceptability import Rating
from survey.design import StudyDesign, Translation
from survey.design_file.complaints import Complain, Loc
from survey.design_file.fields import Language, readable
from survey.languages import words_of

_LANGUAGE = TypeAdapter(Language)
_LONGEST_QUOTE = 60
# What stands in the place of something else, and is lost if a translation leaves it out.
_PLACES = ("{value}", "{answer}", "{id}")


def translations_from(
    languages: Mapping[str, Mapping[str, Any]], design: StudyDesign, complain: Complain
) -> tuple[Translation, ...]:
    """Return the translations of [languages.*] for ``design``, sorted by language; complain of every gap."""
    translations = []
    taken = {design.language.lower()}
    for language, tables in sorted(languages.items()):
        loc: Loc = ("languages", language)
        try:
            _LANGUAGE.validate_python(language)
        except ValidationError:
            complain(loc, f"'{language}' is not a language tag such as 'en', 'de' or 'pt-BR'")
            continue
        if language.lower() in taken:
            complain(loc, "the design has its words in this language elsewhere; keep them in one place")
            continue
        taken.add(language.lower())
        translations.append(Translation(language=language, words=_translated(design, tables, loc, complain)))
    return tuple(translations)


def _translated(
    design: StudyDesign, tables: Mapping[str, Any], loc: Loc, complain: Complain
) -> tuple[tuple[str, str], ...]:
    own = words_of(design)
    paths = {tuple(key.split(".")) for key in own}
    given = dict(_flat(tables))
    for path in given:
        if path not in paths:
            complain(
                loc + path,
                f"translates nothing: the design has no such text in its own language ('{design.language}'); "
                "check the spelling, or remove it",
            )
    words = []
    for key, text in own.items():
        path = tuple(key.split("."))
        if path not in given:
            complain(loc + path, f"is missing; translate {_quoted(text)}")
            continue
        translated = given[path]
        if not isinstance(translated, str):
            complain(loc + path, f"must be a text, not {translated!r}")
        elif not translated.strip():
            complain(loc + path, f"is empty; translate {_quoted(text)}")
        else:
            try:
                readable(translated)
            except ValueError as error:
                complain(loc + path, str(error))
            # "One drink" may leave the number out in one language and not in another.
            for place in _PLACES if not key.endswith(".words_one") else ():
                if place in text and place not in translated:
                    complain(loc + path, f"must contain {place}, as {_quoted(text)} does")
            words.append((key, translated))
    return tuple(words)


def _flat(tables: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, inside in tables.items():
        if isinstance(inside, dict):
            yield from _flat(inside, (*above, name))
        else:
            yield (*above, name), inside


def _quoted(text: str) -> str:
    read = _as_read(text)
    return f"'{read if len(read) <= _LONGEST_QUOTE else read[: _LONGEST_QUOTE - 1] + '…'}'"


_TWICE = "'{text}' is given twice; respondents could not tell them apart"
_ANSWER = "'{text}' already stands for another answer; respondents could not tell them apart"


def words_tell_apart(design: StudyDesign, document: Mapping[str, Any], complain: Complain) -> None:
    """Complain where a respondent would read the same words for different things, in any language or arm.

    ``document`` is the file that the design was read from, in which the design's own words have their places.
    """
    own = {key: (text, _place(document, key)) for key, text in words_of(design).items()}
    read: list[dict[str, tuple[str, Loc]]] = [own]
    for translation in design.translations:
        above = ("languages", translation.language)
        read.append({key: (text, (*above, *key.split("."))) for key, text in translation.words})
    for words in read:
        complained: set[str] = set()
        for keys, what in _read_side_by_side(design):
            said: set[str] = set()
            for key in keys:
                text, loc = words[key]
                if _as_read(text) in said and key not in complained:
                    complained.add(key)
                    complain(loc, what.format(text=text))
                said.add(_as_read(text))


def _read_side_by_side(design: StudyDesign) -> Iterator[tuple[list[str], str]]:
    """Yield the keys of texts that stand side by side for different things, and what to say if two are alike."""
    known = list(words_of(design))

    def below(start: str) -> list[str]:
        return [key for key in known if key.startswith(f"{start}.")]

    yield [f"attributes.{a.name}.label" for a in design.attributes], _TWICE
    for attribute in design.attributes:
        yield below(f"attributes.{attribute.name}.levels"), _TWICE
    answers = [key for key in ("texts.left", "texts.right") if key in known]
    yield [*answers, *(["indecision.label"] if design.indecision.offered else [])], _ANSWER
    for arm in design.arms:
        if arm.indecision_label:
            yield [*answers, f"arms.{arm.name}.indecision_label"], _ANSWER
    yield below("indecision.reasons"), _TWICE
    yield below("comprehension.options"), _TWICE
    if design.choose_one is not None:
        for table, columns in (
            ("columns", design.choose_one.columns),
            ("resource", design.choose_one.resource),
        ):
            yield [f"choose_one.{table}.{column.name}.label" for column in columns], _TWICE
            for column in columns:
                yield below(f"choose_one.{table}.{column.name}.values"), _TWICE
    if design.suggestions is not None:
        keys = [f"suggestions.{question.stance}" for question in design.suggestions.questions]
        yield [f"{key}.question" for key in keys], _TWICE
        for key in keys:
            labels = (f"{key}.label", f"{key}.direction_label", f"{key}.why_label")
            yield [label for label in labels if label in known], _TWICE
    if design.acceptability is not None:
        rated = [
            f"acceptability.attributes.{attribute.name}.label"
            for attribute in design.acceptability.attributes
        ]
        yield rated, _TWICE
        yield [f"acceptability.{rating}" for rating in Rating], _ANSWER
    for table, questions in (("screener", design.screener), ("demographics", design.demographics)):
        for question in questions:
            yield below(f"{table}.{question.name}.options"), _TWICE


def _as_read(text: str) -> str:
    """Return ``text`` as a page shows it, where one space is like many."""
    return " ".join(text.split())


def _place(document: Mapping[str, Any], key: str) -> Loc:
    """Return where in the document the text with this key stands, or would if it were not a default.

    Where the document lists named things, the key has the thing's name in place of its number in the list.
    """
    loc: list[str | int] = []
    here: Any = document
    for part in key.split("."):
        if isinstance(here, list):
            number = next(i for i, entry in enumerate(here) if entry["name"] == part)
            loc.append(number)
            here = here[number]
        else:
            loc.append(part)
            here = here.get(part, {})
    return (*loc, "words") if isinstance(here, dict) and "words" in here else tuple(loc)
