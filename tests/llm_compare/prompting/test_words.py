from __future__ import annotations

import re
import tomllib
from importlib import resources

import pytest

from llm_compare.errors import CannotAsk
from llm_compare.prompting.labels import Labels
from llm_compare.prompting.variant import AnswerFormat, Framing
from llm_compare.prompting.words import languages, prompt_words
from llm_compare.replies.parsing import Outcome, Rule, parse
from llm_compare.replies.reply import Reply
from survey.answers import Choice

# What stands in a text for words of the study, or is part of the format of a reply.
PLACEHOLDERS = re.compile(r"\{[^}]*\}|\bX\b|-3|(?<!-)\b3\b|\b0\b|\b100\b|JSON")


def words_of(language: str) -> dict[str, str]:
    path = resources.files("llm_compare.prompting") / "words" / f"{language}.toml"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return {f"{table}.{key}": text for table, texts in document.items() for key, text in texts.items()}


def test_prompts_can_be_made_in_these_languages():
    assert languages() == ("de", "en", "es", "fr", "it", "nl", "pt", "zh")


@pytest.mark.parametrize("language", languages())
def test_every_language_has_words_for_the_same_with_the_same_placeholders(language):
    english, words = words_of("en"), words_of(language)
    assert list(words) == list(english)
    for key, text in words.items():
        placeholders = sorted(p.replace(" ", "") for p in _placeholders(text))
        assert placeholders == sorted(p.replace(" ", "") for p in _placeholders(english[key])), key
        assert text.strip() == text != "", key


def _placeholders(text: str) -> list[str]:
    # Where words are not spaced, a letter beside them is no word of its own: look for it with spaces.
    return PLACEHOLDERS.findall(re.sub("([\u4e00-\u9fff\uff1a\u201c\u201d])", r" \1 ", text))


@pytest.mark.parametrize("language", [tag for tag in languages() if tag != "en"])
def test_no_language_keeps_an_english_text(language):
    english = set(words_of("en").values())
    assert [text for text in words_of(language).values() if text in english] == []


@pytest.mark.parametrize("language", languages())
def test_every_format_and_framing_has_words_and_a_regional_tag_takes_them(language):
    words = prompt_words(f"{language}-XX")
    assert words == prompt_words(language)
    assert words.role(Framing.PLAIN) == ""
    assert all(words.role(f) for f in Framing if f is not Framing.PLAIN)
    own = set(AnswerFormat) - {AnswerFormat.FIRST_TOKEN, AnswerFormat.SCALE, AnswerFormat.ALLOCATION}
    assert own <= words.answer.keys()


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("choice", Choice)
def test_the_line_that_a_reasoned_prompt_asks_for_is_read_in_every_language(language, choice):
    words = prompt_words(language)
    labels = Labels.of("A1", "B1", words.indecision["cannot"])
    quoted = re.search(
        "[\u201c\u201e\u00ab]\\s*([^\u201c\u201d\u00ab\u00bb]*X)\\s*[\u201d\u201c\u00bb]",
        words.answer["reasoned"],
    )
    line = quoted[1].replace("X", labels.mark(choice))
    parsed = parse(Reply(content=f"...\n\n{line}", finish_reason="stop"), labels, AnswerFormat.REASONED)
    assert (parsed.choice, parsed.rule) == (choice, Rule.STATED)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("label", ["coin", "cannot"])
def test_the_words_of_indecision_are_indecision_where_it_is_called_otherwise(language, label):
    said = prompt_words(language).indecision[label]
    offered = Labels.of("Patient A", "Patient B", "~")
    assert parse(Reply(content=f"{said}.", finish_reason="stop"), offered).outcome is Outcome.INDECISION
    not_offered = Labels.of("Patient A", "Patient B", None)
    parsed = parse(Reply(content=f"{said}.", finish_reason="stop"), not_offered)
    assert (parsed.outcome, parsed.rule) == (Outcome.REFUSAL, Rule.NOT_OFFERED)


def test_a_language_without_words_is_refused_with_the_way_out():
    with pytest.raises(CannotAsk, match=r"'fi'.*prompting/words/fi\.toml"):
        prompt_words("fi")
