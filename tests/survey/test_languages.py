from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.design import Translation, design_hash
from survey.design_file import example_design
from survey.errors import BadProfile
from survey.languages import UnknownWords, with_words, worded, words_of

EXAMPLES = (
    "kidney-8",
    "kidney-numeric",
    "kidney-study1",
    "kidney-complete",
    "kidney-attributes",
    "kidney-ratings",
)
COMPLETE = example_design("kidney-complete")
NUMERIC = example_design("kidney-numeric")

words = st.text(string.ascii_letters + "äß漢ب {}", min_size=1, max_size=20)


@pytest.mark.parametrize("name", EXAMPLES)
def test_putting_a_designs_own_words_in_changes_nothing(name: str):
    design = example_design(name)
    same = with_words(design, words_of(design))

    assert same == design
    assert design_hash(same) == design_hash(design)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("name", EXAMPLES)
def test_words_that_are_put_in_are_read_out_again_and_the_others_stay(name: str, data: st.DataObject):
    design = example_design(name)
    own = words_of(design)
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(own)), words))

    assert words_of(with_words(design, changed)) == own | changed


@given(data=st.data())
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("name", EXAMPLES)
def test_other_words_leave_names_profiles_and_comparisons_alone(name: str, data: st.DataObject):
    design = example_design(name)
    own = words_of(design)
    changed = with_words(design, data.draw(st.dictionaries(st.sampled_from(sorted(own)), words)))

    assert with_words(changed, own) == design
    assert changed.profiles() == design.profiles()
    assert changed.comparisons() == design.comparisons()
    assert [arm.name for arm in changed.arms] == [arm.name for arm in design.arms]


def test_every_word_of_the_complete_example_has_a_key_of_its_own():
    marked = repr(with_words(COMPLETE, {key: f"<{key}>" for key in words_of(COMPLETE)}))

    for key, text in words_of(COMPLETE).items():
        assert marked.count(f"'<{key}>'") == 1
        if len(text) > 40:  # Short words such as "Yes" may be part of a name or a translation.
            assert repr(text)[1:-1] not in marked


def test_texts_that_a_design_leaves_empty_have_no_key():
    assert "texts.instructed" not in words_of(NUMERIC)
    assert "texts.instructed" in words_of(COMPLETE)
    assert "attributes.age.words_one" not in words_of(NUMERIC)
    assert words_of(NUMERIC)["attributes.drinks.words_one"] == "{value} drink per day"


def test_words_for_indecision_have_no_key_where_it_is_not_offered():
    without = replace(NUMERIC, indecision=replace(NUMERIC.indecision, offered=False))

    assert any(key.startswith("indecision.") for key in words_of(NUMERIC))
    assert not any(key.startswith("indecision.") for key in words_of(without))


def test_words_for_a_text_that_the_design_does_not_have_are_refused():
    with pytest.raises(UnknownWords, match=r"kidney-numeric.*texts\.instructed"):
        with_words(NUMERIC, {"texts.instructed": "Answer {answer}."})


@pytest.mark.parametrize("arm", [arm.name for arm in COMPLETE.arms])
def test_a_respondent_reads_every_text_in_one_language(arm: str):
    german = dict(COMPLETE.translations[0].words)
    if arm == "cannot-decide":
        german["indecision.label"] = german["arms.cannot-decide.indecision_label"]
    del german["arms.cannot-decide.indecision_label"]

    read = worded(COMPLETE, arm=arm, language="de")
    assert words_of(read) == german
    assert (read.language, read.languages) == ("de", ("de",))


def test_the_arms_words_stand_in_place_of_the_designs():
    coin, other = NUMERIC.arms
    arm = replace(coin, question="Who?", instructions="Read.", indecision_label="I cannot say")
    design = replace(NUMERIC, arms=(arm, other))

    read = worded(design, arm=coin.name, language="en")
    assert (read.texts.question, read.texts.instructions) == ("Who?", "Read.")
    assert read.indecision.label == "I cannot say"
    assert worded(design, arm=other.name, language="en").texts == NUMERIC.texts


def test_the_arms_words_are_translated_too():
    coin, other = NUMERIC.arms
    design = replace(NUMERIC, arms=(replace(coin, question="Who?"), other))
    german = words_of(design) | {"texts.question": "Welche Person?", "arms.with-coin.question": "Wer?"}
    design = replace(design, translations=(Translation(language="de", words=tuple(german.items())),))

    assert worded(design, arm=coin.name, language="de").texts.question == "Wer?"
    assert worded(design, arm=other.name, language="de").texts.question == "Welche Person?"
    assert worded(design, arm=coin.name, language="en").texts.question == "Who?"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_design_in_its_own_language_reads_as_written_where_the_arm_says_nothing_else(name: str):
    design = example_design(name)
    read = worded(design, arm=design.arms[0].name, language=design.language)

    assert (read.texts, read.indecision, read.attributes) == (
        design.texts,
        design.indecision,
        design.attributes,
    )


@pytest.mark.parametrize("language", ["en", "de"])
def test_profiles_are_the_same_in_every_language(language: str):
    read = worded(COMPLETE, arm="coin", language=language)

    assert read.profiles() == COMPLETE.profiles()
    assert [p.id for p in read.profiles()] == [p.id for p in COMPLETE.profiles()]


def test_a_language_that_the_study_does_not_have_is_refused():
    with pytest.raises(UnknownWords, match="cannot be taken in 'fr'; it has en, de"):
        worded(COMPLETE, arm="coin", language="fr")


def test_an_arm_that_the_study_does_not_have_is_refused():
    with pytest.raises(BadProfile, match="no arm 'nobody'"):
        worded(COMPLETE, arm="nobody", language="de")


def test_designs_that_differ_only_in_what_profiles_are_called_are_not_mistaken_for_each_other():
    renamed = replace(
        COMPLETE,
        listed_profiles=tuple(
            replace(listed, profile=replace(listed.profile, name=f"P{i}"))
            for i, listed in enumerate(COMPLETE.listed_profiles)
        ),
    )
    assert renamed == COMPLETE  # Profiles are equal whatever they are called, and so are these designs.

    assert worded(COMPLETE, arm="coin", language="de").profiles()[0].name == "YRH"
    assert worded(renamed, arm="coin", language="de").profiles()[0].name == "P0"


def test_the_words_are_put_together_once():
    assert worded(COMPLETE, arm="coin", language="de") is worded(COMPLETE, arm="coin", language="de")
