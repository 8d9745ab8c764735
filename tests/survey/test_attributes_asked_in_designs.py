"""[suggestions], [acceptability] and [attributes.origin] in design files, with comparisons and alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from survey.design import AttributeOrigin, StudyDesign, design_hash, require_comparisons
from survey.design_file import (
    EXAMPLES,
    example_design,
    examples_with_comparisons,
    parse_design,
    read_design_with_comparisons,
)
from survey.errors import BadDesign, NoComparisons
from survey.languages import worded, words_of
from survey.steps import steps_of
from survey.suggestions import Stance
from survey.tables import ParticipantState as State

ALONE = """
[study]
slug = "alone"
title = "A study"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
debrief = "What it was about."
"""
SUGGESTIONS = """
[suggestions.should]
question = "What should count?"
label = "Something that should"
direction_label = "Who comes first?"
why_label = "Why?"

[suggestions.should_not]
question = "What should not count?"
label = "Something that should not"
"""
ACCEPTABILITY = """
[acceptability]
question = "May this decide?"
ranked = 2
ranking_question = "Which matter most?"
attributes = [
    { name = "age", label = "Age", explanation = "How old" },
    { name = "wealth", label = "Wealth" },
]
"""
GERMAN = """
[languages.de.study]
title = "Eine Studie"

[languages.de.texts]
introduction = "Was das ist."
consent = "Worin Sie einwilligen."
debrief = "Worum es ging."

[languages.de.suggestions.should]
question = "Was soll zählen?"
label = "Etwas, das zählen soll"
direction_label = "Wer kommt zuerst?"
why_label = "Warum?"

[languages.de.suggestions.should_not]
question = "Was soll nicht zählen?"
label = "Etwas, das nicht zählen soll"

[languages.de.acceptability]
question = "Darf das entscheiden?"
acceptable = "Annehmbar"
not_acceptable = "Nicht annehmbar"
cannot_say = "Kann ich nicht sagen"
ranking_question = "Was zählt am meisten?"

[languages.de.acceptability.attributes.age]
label = "Alter"
explanation = "Wie alt"

[languages.de.acceptability.attributes.wealth]
label = "Vermögen"
"""
ORIGIN = """
[attributes.origin]
study = "kidney-attributes 1"
coding_sha256 = "{sha}"
category = "health"
mentions = 5
asked_for = 10
for_people = 3
asked_against = 8
against_people = 1
""".format(sha="a" * 64)


def complaints(text: str) -> list[str]:
    with pytest.raises(BadDesign) as caught:
        parse_design(text, "d.toml")
    return caught.value.complaints


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


def with_origin(short_design: str, origin: str = ORIGIN) -> str:
    return short_design.replace('\n[profiles]\nkind = "random"', f'{origin}\n[profiles]\nkind = "random"')


# --- alone ----------------------------------------------------------------------------------------------


def test_a_study_may_ask_for_attributes_alone():
    design = parse_design(ALONE + SUGGESTIONS + ACCEPTABILITY)

    assert not design.compares
    assert (design.attributes, design.profiles(), design.comparisons()) == ((), (), ())
    assert [question.stance for question in design.suggestions.questions] == [
        Stance.SHOULD,
        Stance.SHOULD_NOT,
    ]
    assert (design.suggestions.questions[1].why_label, design.suggestions.shuffled) == ("", False)
    assert [attribute.name for attribute in design.acceptability.attributes] == ["age", "wealth"]
    assert (design.acceptability.ranked, design.acceptability.cannot_say) == (2, "I cannot say")
    assert steps_of(design) == (State.CONSENTING, State.SUGGESTING, State.RATING, State.FINISHED)


@pytest.mark.parametrize("part", [SUGGESTIONS, ACCEPTABILITY])
def test_either_part_alone_makes_a_study(part: str):
    assert not parse_design(ALONE + part).compares


def test_a_file_with_neither_part_and_no_comparisons_is_told_what_a_design_needs():
    said = complaints(ALONE)

    assert any("attributes: is missing" in complaint for complaint in said)
    assert any("comparisons: is missing" in complaint for complaint in said)


def test_the_order_of_the_questions_is_the_designs():
    reversed_order = ALONE + '[suggestions]\norder = "should_not_first"\n' + SUGGESTIONS
    shuffled = reversed_order.replace("should_not_first", "random")

    assert [q.stance for q in parse_design(reversed_order).suggestions.questions] == [
        Stance.SHOULD_NOT,
        Stance.SHOULD,
    ]
    assert parse_design(shuffled).suggestions.shuffled


@pytest.mark.parametrize(
    "part",
    [
        '[display]\nhighlight = "on"',
        "[roles]\nrepeats = 1",
        "[indecision]\noffered = true",
        '[[arms]]\nname = "a"\nindecision = false',
        '[practice]\nleft = "a"\nright = "b"',
        '[comprehension]\ntext = "?"\nright = "a"\nexplanation = "!"\n'
        'options = [{ name = "a", words = "A" }, { name = "b", words = "B" }]',
        "[choose_one]\nproblems_per_respondent = 1",
    ],
)
def test_what_is_about_comparisons_is_refused_without_them_with_line_and_reason(part: str):
    text = ALONE + SUGGESTIONS + part + "\n"
    name = part.split("]")[0].strip("[")

    said = complaints(text)

    expected = f"d.toml:{line_of(text, part.splitlines()[0])}: {name}: has no meaning without comparisons"
    assert any(complaint.startswith(expected) for complaint in said), said


@pytest.mark.parametrize("key", ["instructions", "question", "left", "right", "instructed"])
def test_words_of_comparisons_are_refused_without_them(key: str):
    text = ALONE.replace("debrief", f'{key} = "x {{answer}}"\ndebrief') + SUGGESTIONS

    (said,) = complaints(text)

    assert said.startswith(
        f"d.toml:{line_of(text, key + ' =')}: texts.{key}: has no meaning without comparisons"
    )


@pytest.mark.parametrize(
    "rule",
    [
        "failed_checks_above = 1",
        "dominated_against_above = 1",
        "median_seconds_below = 2",
        "same_side_above = 0.9",
        "repeats_changed_above = 1",
        "comprehension_failed = true",
    ],
)
def test_exclusion_rules_about_comparisons_are_refused_without_them(rule: str):
    text = ALONE + SUGGESTIONS + f"[exclusions]\n{rule}\n"

    (said,) = complaints(text)

    assert said.startswith(f"d.toml:{line_of(text, rule)}: exclusions.{rule.split()[0]}: has no meaning")
    assert (
        parse_design(ALONE + SUGGESTIONS + "[exclusions]\nunfinished = false\n").exclusions.unfinished
        is False
    )


def test_an_analysis_that_estimates_is_refused_without_comparisons():
    planned = '[preregistration]\nanalysis = "{} x --out y.json"\n'

    (said,) = complaints(ALONE + SUGGESTIONS + planned.format("estimate fit"))

    assert "preregistration.analysis: estimates from comparisons, and there are none" in said
    assert parse_design(ALONE + SUGGESTIONS + planned.format("survey coding results")).analysis


def test_open_questions_alone_have_nothing_to_ask_in_a_later_wave():
    waves = "[waves]\ncount = 2\n"

    (said,) = complaints(ALONE + SUGGESTIONS + waves)

    assert "waves.count: asks nothing in later waves" in said
    design = parse_design(ALONE + SUGGESTIONS + ACCEPTABILITY + waves)
    assert steps_of(design, returning=True) == (State.CONSENTING, State.RATING, State.FINISHED)


def test_every_complaint_of_a_study_without_comparisons_is_made_at_once():
    text = ALONE + SUGGESTIONS.replace('label = "Something that should"\n', "") + "[roles]\nrepeats = 1\n"

    said = " | ".join(complaints(text))

    assert "roles: has no meaning" in said
    assert "suggestions.should.label: is missing" in said


# --- with comparisons -----------------------------------------------------------------------------------


def test_both_parts_stand_before_comparisons_and_leave_the_rest_as_it_is(short_design: str):
    plain = parse_design(short_design)
    design = parse_design(short_design + SUGGESTIONS + ACCEPTABILITY)

    assert design.compares
    assert replace(design, suggestions=None, acceptability=None) == plain
    assert steps_of(design) == (
        State.CONSENTING,
        State.SUGGESTING,
        State.RATING,
        State.INSTRUCTED,
        State.ANSWERING,
        State.FINISHED,
    )


def test_every_word_that_is_asked_changes_the_hash():
    text = ALONE + SUGGESTIONS + ACCEPTABILITY
    own = design_hash(parse_design(text))
    words = ("What should count?", "Who comes first?", "Which matter most?", "How old", "Wealth")
    changed = [text.replace(part, part + " x") for part in words] + [text.replace("ranked = 2", "ranked = 0")]
    changed[-1] = changed[-1].replace('ranking_question = "Which matter most?"\n', "")

    hashes = {design_hash(parse_design(other)) for other in changed}

    assert len(hashes | {own}) == len(changed) + 1


# --- what is wrong with the tables -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ('question = "What should count?"', 'question = " "', "suggestions.should.question", "is empty"),
        ('label = "Something that should not"', "", "suggestions.should_not.label", "is missing"),
        ('why_label = "Why?"', "why = true", "suggestions.should.why", "is not a key that a design has"),
        (
            "\n[suggestions.should_not]",
            "\n[suggestions.never]",
            "suggestions.never",
            "is not a key that a design has",
        ),
        (
            "\n[suggestions.should]",
            '\n[suggestions]\norder = "x"\n[suggestions.should]',
            "suggestions.order",
            "x",
        ),
        (
            'question = "What should not count?"',
            'question = "What should  count?"',
            "suggestions.should_not.question",
            "is given twice",
        ),
        (
            'direction_label = "Who comes first?"',
            'direction_label = "Why?"',
            "suggestions.should.why_label",
            "is given twice",
        ),
        ('name = "wealth"', 'name = "age"', "acceptability", "attribute 'age' is given twice"),
        ('label = "Wealth"', 'label = "Age"', "acceptability.attributes[2].label", "is given twice"),
        ('name = "wealth"', 'name = "we alth"', "acceptability.attributes[2].name", "is not a name"),
        ("ranked = 2", "ranked = 3", "acceptability", "there are only 2 attributes"),
        ("ranked = 2", "ranked = 1", "acceptability", "is no ranking"),
        ("ranked = 2", "ranked = 0", "acceptability", "no meaning with ranked = 0"),
        ('ranking_question = "Which matter most?"', "", "acceptability", "ranked needs a ranking_question"),
        (
            'question = "May this decide?"',
            'question = "?"\ncannot_say = "Acceptable"',
            "acceptability.cannot_say",
            "already stands for another answer",
        ),
        ('question = "May this decide?"', 'acceptable = ""', "acceptability.question", "is missing"),
    ],
)
def test_every_complaint_names_line_and_key(old: str, new: str, key: str, what: str):
    text = ALONE + SUGGESTIONS + ACCEPTABILITY
    assert text.count(old) == 1
    changed = text.replace(old, new)

    said = complaints(changed)

    about = [complaint for complaint in said if f": {key}: " in complaint]
    assert about, said
    assert what in about[0]
    number = int(about[0].split(":")[1])
    parts = key.replace("[2]", "").split(".")
    near = changed.splitlines()[number - 1]
    assert any(part in near for part in parts) or "name" in near, near


def test_a_table_that_asks_nothing_says_what_to_add():
    (said,) = complaints(ALONE + "[suggestions]\n")

    assert said.startswith(
        f"d.toml:{line_of(ALONE + '[suggestions]', '[suggestions]')}: suggestions: asks nothing"
    )


def test_one_question_has_no_order():
    only = SUGGESTIONS[: SUGGESTIONS.index("[suggestions.should_not]")]

    (said,) = complaints(ALONE + '[suggestions]\norder = "random"\n' + only)

    assert "order has no meaning with a single question" in said
    assert len(parse_design(ALONE + only).suggestions.questions) == 1


def test_more_attributes_than_anybody_rates_with_care_are_refused():
    many = ", ".join(f'{{ name = "a{i}", label = "A {i}" }}' for i in range(61))

    said = complaints(ALONE + f'[acceptability]\nquestion = "?"\nattributes = [{many}]\n')

    assert any("acceptability.attributes: " in complaint for complaint in said)


# --- languages ------------------------------------------------------------------------------------------


def test_a_translation_has_all_words_of_both_parts_and_no_other():
    text = ALONE + SUGGESTIONS + ACCEPTABILITY + GERMAN
    design = parse_design(text)
    german = worded(design, arm="main", language="de")

    assert german.suggestions.questions[0].direction_label == "Wer kommt zuerst?"
    assert [attribute.label for attribute in german.acceptability.attributes] == ["Alter", "Vermögen"]
    assert german.acceptability.cannot_say == "Kann ich nicht sagen"
    assert dict(design.translations[0].words).keys() == words_of(design).keys()

    missing = text.replace('direction_label = "Wer kommt zuerst?"\n', "")
    (said,) = complaints(missing)
    assert "languages.de.suggestions.should.direction_label: is missing; translate 'Who comes first?'" in said

    surplus = text + 'explanation = "Wie viel Geld"\n'
    (said,) = complaints(surplus)
    assert "languages.de.acceptability.attributes.wealth.explanation: translates nothing" in said


def test_words_that_read_alike_are_found_in_every_language():
    text = ALONE + SUGGESTIONS + ACCEPTABILITY + GERMAN.replace('"Vermögen"', '"Alter"')

    (said,) = complaints(text)

    assert "languages.de.acceptability.attributes.wealth.label: 'Alter' is given twice" in said


# --- origins --------------------------------------------------------------------------------------------


def test_an_attribute_says_where_it_came_from_and_the_hash_covers_it(short_design: str):
    plain = parse_design(short_design)
    design = parse_design(with_origin(short_design))

    assert design.origins == (
        AttributeOrigin(
            attribute="health",
            study="kidney-attributes 1",
            coding_sha256="a" * 64,
            category="health",
            mentions=5,
            asked_for=10,
            for_people=3,
            asked_against=8,
            against_people=1,
        ),
    )
    assert design.attributes == plain.attributes
    other = parse_design(with_origin(short_design).replace("mentions = 5", "mentions = 6"))
    assert len({design_hash(d) for d in (plain, design, other)}) == 3


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("a" * 64, "A" * 64, "attributes[2].origin.coding_sha256"),
        ("mentions = 5", "mentions = 5\nasked = 10", "attributes[2].origin.asked: is not a key"),
        (
            "for_people = 3\n",
            "for_people = 11\n",
            "for_people = 11 is more than the 10 who were asked (asked_for)",
        ),
        (
            "against_people = 1",
            "against_people = 9",
            "against_people = 9 is more than the 8 who were asked (asked_against)",
        ),
        ("against_people = 1", "against_people = -1", "attributes[2].origin.against_people"),
        ("mentions = 5", "mentions = 3", "3 people for and 1 against cannot have made only 3 mentions"),
        ("asked_for = 10\n", "", "for_people needs asked_for, too"),
        ("against_people = 1\n", "", "asked_against needs against_people, too"),
        (
            "asked_for = 10",
            "asked_for = 0",
            "attributes[2].origin.asked_for: input should be greater than or equal to 1",
        ),
        ("for_people = 3\nasked_against = 8\nagainst_people = 1", "for_people = 0", "nobody made them"),
    ],
)
def test_an_origin_that_cannot_be_is_refused(short_design: str, old: str, new: str, what: str):
    (said,) = complaints(with_origin(short_design, ORIGIN.replace(old, new)))

    assert what in said


def test_an_origin_of_one_question_alone_knows_nothing_of_the_other(short_design: str):
    (origin,) = parse_design(
        with_origin(short_design, ORIGIN.replace("asked_against = 8\nagainst_people = 1\n", ""))
    ).origins

    assert (origin.for_people, origin.asked_for) == (3, 10)
    assert (origin.against_people, origin.asked_against) == (None, None)


# --- where comparisons are needed ------------------------------------------------------------------------


def test_who_needs_comparisons_is_told_in_one_sentence_that_there_are_none(kidney_8: str):
    asked = example_design("kidney-attributes")

    with pytest.raises(NoComparisons) as caught:
        read_design_with_comparisons(EXAMPLES / "kidney-attributes.toml")

    assert str(caught.value).startswith(
        f"{EXAMPLES / 'kidney-attributes.toml'}: study 'kidney-attributes' asks"
    )
    with pytest.raises(NoComparisons, match=r"^study 'kidney-attributes' asks"):
        require_comparisons(asked)
    compared: StudyDesign = parse_design(kidney_8)
    assert require_comparisons(compared) is compared


def test_only_examples_with_comparisons_are_offered_where_they_are_needed():
    assert examples_with_comparisons() == ("kidney-8", "kidney-complete", "kidney-numeric", "kidney-study1")


def test_the_examples_ask_for_attributes_in_two_languages():
    named, rated = example_design("kidney-attributes"), example_design("kidney-ratings")

    assert named.languages == rated.languages == ("en", "de")
    assert named.suggestions is not None
    assert named.suggestions.shuffled
    assert rated.acceptability is not None
    assert (len(rated.acceptability.attributes), rated.acceptability.ranked) == (8, 3)
