"""The made-up population: what it says is what it means, and whoever counts finds what was stated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from survey.acceptability import Rating
from survey.answers import RespondentKind
from survey.coding.coding import Asked, CodeKind, Coding, Outcome, Suggestion
from survey.coding.counts import counts_of
from survey.coding.final import Word
from survey.coding.simulated_coders import CoderRates, simulated_categories, simulated_codes
from survey.coding.synthetic import (
    Manner,
    Meanings,
    Population,
    SyntheticCategory,
    UnknownSuggestion,
    Words,
    misspelled,
    synthetic_population,
)
from survey.coding.synthetic_voices import Voices
from survey.suggestions import LONGEST_SUGGESTION, MOST_PER_QUESTION, Entry, Stance, read_entry

POPULATION = synthetic_population()
VOICES = Voices(POPULATION)


def answers(participants: int, seed: int, language: str = "en") -> list[Suggestion]:
    """Return what so many participants answer to both questions."""
    said: list[Suggestion] = []
    for number, stream in enumerate(np.random.SeedSequence(seed).spawn(participants)):
        rng = np.random.default_rng(stream)
        said += [
            Suggestion(
                id=0,
                respondent=f"sim-{number:05}",
                kind=RespondentKind.HUMAN,
                stance=stance,
                text=entry.text,
                why=entry.why,
                direction=entry.direction,
                language=language,
            )
            for stance in Stance
            for entry in VOICES.suggestions(stance, language, rng)
        ]
    return [replace(suggestion, id=id_) for id_, suggestion in enumerate(said, start=1)]


def coded_without_error(suggestions: Sequence[Suggestion], participants: int) -> Coding:
    perfect = CoderRates(misses=0, adds_wrong=0, calls_unusable=0)
    return Coding(
        study="s",
        version="1",
        design_hash="ab" * 32,
        categories=simulated_categories(POPULATION),
        suggestions=tuple(suggestions),
        codes=simulated_codes(POPULATION, suggestions, coders=1, seed=1, rates=perfect),
        asked=tuple(
            Asked(
                respondent=f"sim-{number:05}",
                kind=RespondentKind.HUMAN,
                simulated=True,
                stances=frozenset(Stance),
            )
            for number in range(participants)
        ),
    )


@pytest.mark.parametrize("language", ["en", "de"])
def test_95_percent_intervals_hold_about_95_percent_of_the_stated_probabilities(language: str) -> None:
    held = []
    for seed in range(12):
        counts = counts_of(coded_without_error(answers(150, seed, language), 150))
        assert counts.left_out.open == counts.left_out.uncoded == counts.left_out.not_asked == 0
        for category in POPULATION.categories:
            found = counts.of(category.name)
            assert found is not None
            for stance, share in (
                (Stance.SHOULD, found.for_share),
                (Stance.SHOULD_NOT, found.against_share),
            ):
                assert share is not None
                assert share.of == 150
                held.append(share.low <= category.named[stance] <= share.high)
    # 384 intervals: 95 % and three standard deviations of 1.1 % to either side.
    assert len(held) == 12 * 2 * len(POPULATION.categories) == 384
    assert 0.916 < np.mean(held) < 0.984


def test_every_suggestion_means_what_was_meant_also_with_a_slip() -> None:
    meanings = VOICES.meanings
    for category in POPULATION.categories:
        meant = Word(outcome=Outcome.CATEGORY, categories=frozenset({category.name}))
        for phrase in (*(p for words in category.words.values() for p in words.phrases), *category.rare):
            for text in (phrase, phrase.upper(), f"{phrase}.", *meanings.misspellings(phrase)):
                assert meanings.of(text) == meant, text
    for joint in POPULATION.joints:
        for phrase in (p for phrases in joint.phrases.values() for p in phrases):
            assert meanings.of(phrase).categories == frozenset(joint.categories)
    for text in POPULATION.unusable:
        assert meanings.of(text).outcome is Outcome.UNUSABLE
    for phrase in POPULATION.no_category["de"]:
        assert meanings.of(phrase).outcome is Outcome.NO_CATEGORY


def test_what_nobody_says_is_not_guessed() -> None:
    for text in ("agee", "ages", "wealth and age", "smokingg habitss"):
        with pytest.raises(UnknownSuggestion, match=text):
            VOICES.meanings.of(text)


def test_a_slip_that_could_mean_two_things_means_nothing() -> None:
    words = {"one": "planets", "other": "plantes"}
    population = Population(
        categories=tuple(category(name, phrase) for name, phrase in words.items()),
        otherwise_acceptable=0.5,
        otherwise_cannot_say=0.1,
    )
    meanings = Meanings(population)
    # Exchanging two letters makes one of the other: a phrase means itself.
    assert "plantes" in misspelled("planets")
    assert meanings.of("plantes").categories == {"other"}
    assert "plantes" not in meanings.misspellings("planets")
    shared = set(misspelled("planets")) & set(misspelled("plantes")) - set(words.values())
    assert shared
    for text in shared:
        with pytest.raises(UnknownSuggestion):
            meanings.of(text)


def category(name: str, phrase: str, **named: float) -> SyntheticCategory:
    nothing: Mapping[Stance, tuple[str, ...]] = dict.fromkeys(Stance, ())
    return SyntheticCategory(
        name=name,
        label=name.capitalize(),
        definition="",
        named={stance: named.get(stance.value, 0.0) for stance in Stance},
        acceptable=0.5,
        cannot_say=0.1,
        words={"en": Words(phrases=(phrase,), why=nothing, direction=nothing)},
    )


def test_every_probability_is_one_and_ratings_leave_room_for_not_acceptable() -> None:
    assert len(POPULATION.categories) >= 14
    assert len({c.name for c in POPULATION.categories}) == len(POPULATION.categories)
    for found in POPULATION.categories:
        assert all(0 < found.named[stance] < 1 for stance in Stance), found.name
        assert 0 < found.acceptable + found.cannot_say < 1, found.name
        assert found.words.keys() == {"en", "de"}


def test_every_entry_can_be_sent_as_it_is() -> None:
    said = answers(400, 3) + answers(100, 3, "de")
    for suggestion in said:
        entry = Entry(text=suggestion.text, why=suggestion.why, direction=suggestion.direction)
        sent = {"text": entry.text, "why": entry.why, "direction": entry.direction}
        assert read_entry(sent) == entry
        assert len(entry.text) <= LONGEST_SUGGESTION
    most = max(Counter((s.respondent, s.stance, s.language) for s in said).values())
    assert most < MOST_PER_QUESTION
    texts = {s.text for s in said}
    assert any(s.why for s in said)
    assert any(s.direction for s in said)
    assert texts & set(POPULATION.unusable), "some name nothing"
    assert any("<b>" in text or not text.isascii() for text in texts)
    assert any(s.text == "smoking and drinking" for s in said), "some name two at once"


def test_a_language_that_nobody_speaks_is_answered_in_english_and_varieties_as_their_language() -> None:
    def said(language: str) -> tuple[Entry, ...]:
        return VOICES.suggestions(Stance.SHOULD, language, np.random.default_rng(5))

    assert said("fi") == said("en") != said("de") == said("de-CH")


def test_who_is_not_asked_for_reasons_says_the_same() -> None:
    silent = Voices(replace(POPULATION, manner=Manner(gives_why=0.0, gives_direction=0.0)))
    said = silent.suggestions(Stance.SHOULD, "en", np.random.default_rng(2))
    assert said
    assert {(entry.why, entry.direction) for entry in said} == {("", "")}


# --- ratings and rankings --------------------------------------------------------------------------------


def test_ratings_come_with_the_stated_probabilities() -> None:
    n, names, rng = 8_000, ["age", "wealth", "height"], np.random.default_rng(4)
    drawn = [VOICES.ratings(names, rng) for _ in range(n)]
    left_out = POPULATION.manner.leaves_unrated
    assert POPULATION.rated("height") == (0.5, 0.1), "what is no category has stated probabilities, too"
    for name in names:
        acceptable, cannot_say = POPULATION.rated(name)
        stated = {
            Rating.ACCEPTABLE: (1 - left_out) * acceptable,
            Rating.CANNOT_SAY: (1 - left_out) * cannot_say,
            Rating.NOT_ACCEPTABLE: (1 - left_out) * (1 - acceptable - cannot_say),
            None: left_out,
        }
        for rating, p in stated.items():
            share = sum(ratings.get(name) is rating for ratings in drawn) / n
            assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n)), (name, rating)


def test_only_what_is_acceptable_is_ranked_and_first_places_follow_the_stated_weights() -> None:
    ratings = {
        "age": Rating.ACCEPTABLE,
        "waiting": Rating.ACCEPTABLE,
        "record": Rating.ACCEPTABLE,
        "wealth": Rating.NOT_ACCEPTABLE,
        "gender": Rating.CANNOT_SAY,
    }
    n, rng = 8_000, np.random.default_rng(6)
    rankings = [VOICES.ranking(ratings, 2, rng) for _ in range(n)]
    ranked = [ranking for ranking in rankings if ranking]
    p = POPULATION.manner.leaves_unranked
    assert 1 - len(ranked) / n == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n))
    assert {len(ranking) for ranking in ranked} == {2}
    assert {name for ranking in ranked for name in ranking} == {"age", "waiting", "record"}
    # Acceptable to .60, .80 and .30 of people, so first with .60, .80 and .30 of 1.70.
    first = Counter(ranking[0] for ranking in ranked)
    for name, weight in (("age", 0.60), ("waiting", 0.80), ("record", 0.30)):
        assert first[name] / len(ranked) == pytest.approx(weight / 1.70, abs=0.025)
    assert VOICES.ranking({"wealth": Rating.NOT_ACCEPTABLE}, 3, rng) == ()


# --- what the counts are made from -------------------------------------------------------------------------


def test_a_coding_without_error_counts_exactly_whom_the_truth_counts() -> None:
    suggestions = answers(60, 8)
    coding = coded_without_error(suggestions, 60)
    assert {code.kind for code in coding.codes} == {CodeKind.CODER}
    counts = counts_of(coding)
    for category in coding.categories:
        expected = {
            stance: {
                s.respondent
                for s in suggestions
                if s.stance is stance and category.name in VOICES.meanings.of(s.text).categories
            }
            for stance in Stance
        }
        found = counts.of(category.name)
        assert found is not None
        assert (found.for_people, found.against_people) == (
            len(expected[Stance.SHOULD]),
            len(expected[Stance.SHOULD_NOT]),
        )
