"""From codes to a design: what the choices say, what is counted, what is told, what is refused."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.answers import RespondentKind
from survey.coding.choices import BadChoices, ChosenAttribute, StudyAbout, choices_from, read_choices
from survey.coding.coding import Asked, Category, Code, CodeKind, Coding, CodingError, Outcome, Suggestion
from survey.coding.coding_file import coding_sha256
from survey.coding.counts import counts_of
from survey.coding.design_templates import acceptability_for, template_for
from survey.coding.to_design import design_from, remarks_on
from survey.coding.toml_text import toml_text
from survey.design import ComparisonKind, ProfileKind, StudyDesign
from survey.design_file import example_design, parse_design
from survey.errors import BadDesign
from survey.suggestions import Stance

SHOULD, SHOULD_NOT = Stance.SHOULD, Stance.SHOULD_NOT

# (respondent, stance, what each coder says, what was adjudicated)
SAID: tuple[tuple[str, Stance, dict[str, str], str], ...] = (
    ("ann", SHOULD, {"A": "age", "B": "age"}, ""),
    ("ann", SHOULD, {"A": "years"}, ""),  # Merged into age: a second mention by the same person.
    ("ann", SHOULD_NOT, {"A": "wealth"}, ""),
    ("ben", SHOULD, {"A": "smoking", "B": "smoking"}, ""),
    ("ben", SHOULD_NOT, {"A": "age", "B": "wealth"}, ""),  # Open.
    ("cid", SHOULD, {"A": "drinking", "B": "smoking"}, "drinking"),
    ("cid", SHOULD_NOT, {"A": "age"}, ""),
    ("dot", SHOULD, {}, ""),  # Uncoded.
)
CATEGORIES = (
    Category(name="age", label="Age", definition="How old the patient is."),
    Category(name="years", label="Years", merged_into="age"),
    Category(name="smoking", label="Smoking"),
    Category(name="drinking", label="Drinking"),
    Category(name="wealth", label="Wealth", retired=True),
    Category(name="gender", label="Gender"),
)


def made_coding(*, simulated: bool = False) -> Coding:
    suggestions, codes = [], []
    for i, (who, stance, coded, settled) in enumerate(SAID, start=1):
        suggestions.append(
            Suggestion(id=i, respondent=who, kind=RespondentKind.HUMAN, stance=stance, text="words")
        )
        given = [(CodeKind.CODER, coder, category) for coder, category in coded.items()]
        given += [(CodeKind.ADJUDICATED, "", settled)] if settled else []
        codes += [
            Code(suggestion=i, kind=kind, coder=coder, outcome=Outcome.CATEGORY, category=category)
            for kind, coder, category in given
        ]
    return Coding(
        study="kidney-attributes",
        version="2",
        design_hash="0" * 64,
        categories=CATEGORIES,
        suggestions=tuple(suggestions),
        codes=tuple(codes),
        asked=tuple(
            Asked(
                respondent=who,
                kind=RespondentKind.HUMAN,
                simulated=simulated,
                stances=frozenset(Stance),
                stated={},
            )
            for who in ("ann", "ben", "cid", "dot", "eve")  # Eve named nothing.
        ),
    )


CODING = made_coding()
ONE_SIDED = replace(CODING, asked=tuple(replace(a, stances=frozenset({SHOULD})) for a in CODING.asked))
"""Nobody was asked what should not count."""
SHA256 = coding_sha256(CODING)

CHOICES = """
[study]
slug = "from-people"
title = "Who should get the kidney?"

[[attributes]]
category = "age"
name = "age"
label = "Age"
kind = "categorical"
favoured = "young"
levels = [{ name = "young", words = "30 years old" }, { name = "old", words = "70 years old" }]

[[attributes]]
categories = ["smoking", "drinking"]
name = "habits"
label = "Habits"
kind = "categorical"
levels = [{ name = "neither", words = "neither smokes nor drinks" }, { name = "both", words = "smokes and drinks" }]
"""


def made(text: str = CHOICES, coding: Coding = CODING) -> str:
    choices = choices_from(text, "choices.toml")
    return design_from(coding, choices.attributes, about=choices.about, coding_sha256=SHA256)


def design_of(text: str = CHOICES, coding: Coding = CODING) -> StudyDesign:
    return parse_design(made(text, coding))


def problems(text: str) -> list[str]:
    with pytest.raises(BadChoices) as caught:
        made(text)
    return [f"{p.line}: {p.key}: {p.text}" for p in caught.value.problems]


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


# --- what is made ---------------------------------------------------------------------------------------


def test_the_design_has_the_chosen_attributes_and_says_where_each_came_from():
    design = design_of()

    assert [attribute.name for attribute in design.attributes] == ["age", "habits"]
    age, habits = design.origins
    # Three final mentions: twice Ann for, once Cid against. Ben's is open, so it does not count.
    assert (age.mentions, age.for_people, age.against_people) == (3, 1, 1)
    assert (age.asked_for, age.asked_against) == (5, 5)
    # Over both categories: Ben's smoking, Cid's drinking as adjudicated.
    assert (habits.mentions, habits.for_people, habits.against_people) == (2, 2, 0)
    assert (age.category, habits.category) == ("age", "smoking, drinking")
    assert {origin.study for origin in design.origins} == {"kidney-attributes 2"}
    assert {origin.coding_sha256 for origin in design.origins} == {SHA256}


def test_a_person_who_names_both_categories_of_an_attribute_is_one_person():
    design = design_of(CHOICES.replace('["smoking", "drinking"]', '["age", "years", "wealth"]'))

    habits = design.origins[1]
    assert habits.category == "age, wealth"
    # Ann: age for (twice), wealth against; Cid: age against.
    assert (habits.mentions, habits.for_people, habits.against_people) == (4, 1, 2)


def test_shares_for_and_against_can_be_read_from_the_origin_where_fewer_were_asked_one_question():
    fewer = replace(
        CODING,
        asked=tuple(
            replace(a, stances=a.stances - {SHOULD_NOT}) if a.respondent in ("dot", "eve") else a
            for a in CODING.asked
        ),
    )
    age = design_of(coding=fewer).origins[0]
    shares = counts_of(fewer).of("age")

    assert (age.asked_for, age.asked_against) == (5, 3)
    assert age.for_people / age.asked_for == shares.for_share.value
    assert age.against_people / age.asked_against == shares.against_share.value


def test_of_a_question_that_nobody_was_asked_the_origin_says_nothing():
    text = made(coding=ONE_SIDED)
    (written, _) = tomllib.loads(text)["attributes"]
    age = parse_design(text).origins[0]

    assert written["origin"].keys() == {
        "study", "coding_sha256", "category", "mentions", "asked_for", "for_people",
    }  # fmt: skip
    assert (age.asked_for, age.for_people, age.asked_against, age.against_people) == (5, 1, None, None)
    assert "1 of 5 (20%) for, nobody was asked against, in 2" in text.replace("\n# ", " ")


def test_an_attribute_whose_people_were_asked_nothing_can_still_be_chosen():
    age = design_of(coding=replace(CODING, asked=())).origins[0]

    assert (age.mentions, age.asked_for, age.asked_against) == (0, None, None)


def test_what_is_left_out_gets_a_default_that_is_written_out():
    text = made()
    design = parse_design(text)

    assert (design.version, design.language) == ("1", "en")
    assert design.source == "Attributes as named in study 'kidney-attributes' version 2"
    assert (design.profile_kind, design.comparison_kind) == (
        ProfileKind.FULL_FACTORIAL,
        ComparisonKind.BALANCED,
    )
    assert design.comparisons_per_respondent == 6  # All pairs of four profiles: fewer than the usual 20.
    assert design.indecision.label == "Flip a coin"
    assert design.texts.question == "Which patient should get the kidney?"
    document = tomllib.loads(text)
    assert set(document) == {"study", "texts", "attributes", "profiles", "comparisons", "indecision"}
    assert document["texts"]["question"] == design.texts.question
    assert document["study"]["language"] == "en"


def test_what_the_choices_say_is_taken_over_as_it_is():
    more = """
[texts]
question = "Who comes first?"

[comparisons]
kind = "all_pairs"
per_respondent = 5

[indecision]
offered = false

[[demographics]]
name = "remarks"
text = "Anything else?"
kind = "text"

[quotas]
most = 50
"""
    design = design_of(CHOICES + more)

    assert (design.texts.question, design.texts.left) == ("Who comes first?", "Patient A")
    assert (design.comparison_kind, design.comparisons_per_respondent) == (ComparisonKind.ALL_PAIRS, 5)
    assert not design.indecision.offered
    assert [question.name for question in design.demographics] == ["remarks"]
    assert design.quotas.most == 50


def test_the_number_of_comparisons_may_stand_with_the_study():
    said = CHOICES.replace('title = "', 'comparisons_per_respondent = 4\ntitle = "')

    assert design_of(said).comparisons_per_respondent == 4


def test_more_profiles_than_can_be_listed_are_drawn_at_random():
    numeric = 'kind = "numeric"\nminimum = 18\nmaximum = 90\nstep = 1\nwords = "{value} years old"\n'
    start = CHOICES.index('kind = "categorical"\nfavoured')
    end = CHOICES.index("[[attributes]]\ncategories")
    design = design_of(CHOICES[:start] + numeric + CHOICES[end:])

    assert (design.profile_kind, design.comparison_kind) == (ProfileKind.RANDOM, ComparisonKind.RANDOM)
    assert design.comparisons_per_respondent == 20
    assert design.attributes[0].value_count == 73


def test_every_shipped_design_can_be_given_as_choices_and_comes_out_the_same():
    for name in ("kidney-8", "kidney-numeric", "kidney-study1", "kidney-complete"):
        own = example_design(name)
        path = Path(__file__).resolve().parents[3] / "examples" / f"{name}.toml"
        text = path.read_text(encoding="utf-8").replace("[[attributes]]", "[[attributes]]\ncategories = []")

        assert design_of(text) == own, name


def test_the_file_is_the_same_whenever_it_is_made():
    assert made() == made()


# --- what is told ---------------------------------------------------------------------------------------


def test_the_head_of_the_file_says_who_named_each_attribute():
    head = made().split("\n[study]")[0]
    plain = " ".join(line.removeprefix("#").strip() for line in head.splitlines())

    assert "what people named in study 'kidney-attributes' version 2" in plain
    assert f"Coding: SHA-256 {SHA256}, made by 2 coders" in plain
    assert "5 people were asked" in plain
    assert "age (category age): 1 of 5 (20%) for, 1 of 5 (20%) against, in 3 suggestions" in plain
    assert (
        "habits (category smoking, drinking): 2 of 5 (40%) for, 0 of 5 (0%) against, in 2 suggestions"
        in plain
    )
    assert "'age': coders differ on 1 more suggestion, not settled and not counted" in plain


def test_remarks_name_merged_retired_unmentioned_shared_and_added_ones():
    table = {"label": "A", "kind": "categorical"}
    chosen = [
        ChosenAttribute(categories=("years",), table={"name": "age", **table}),
        ChosenAttribute(categories=("wealth",), table={"name": "wealth", **table}),
        ChosenAttribute(categories=("gender",), table={"name": "gender", **table}),
        ChosenAttribute(categories=("age",), table={"name": "old", **table}),
        ChosenAttribute(categories=(), table={"name": "own", **table}),
    ]

    assert remarks_on(CODING, chosen) == (
        "1 suggestion not coded yet and not counted: numbers may rise",
        "category 'years' was merged into 'age', which is counted for 'age'",
        "'age': coders differ on 1 more suggestion, not settled and not counted",
        "category 'wealth' of 'wealth' is retired; what has it counts until coded anew",
        "'wealth': coders differ on 1 more suggestion, not settled and not counted",
        "'gender' has no mention that counts",
        "'old': coders differ on 1 more suggestion, not settled and not counted",
        "category 'age' stands behind 'age' and 'old': its mentions are counted for each",
        "'own' was named by nobody: the researcher added it",
    )


def test_what_simulated_participants_named_is_marked_as_theirs():
    text = made(coding=made_coding(simulated=True))

    assert "what simulated participants named" in text
    assert {o.study for o in parse_design(text).origins} == {"kidney-attributes 2 (simulated participants)"}


def test_an_attribute_that_nobody_named_has_no_origin():
    design = design_of(CHOICES.replace('category = "age"', "categories = []"))

    assert [origin.attribute for origin in design.origins] == ["habits"]


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ('category = "age"', 'category = "aeg"', "attributes[1].category", "there is no category 'aeg'"),
        ('category = "age"\n', "", "attributes[1]", "needs either category"),
        (
            'category = "age"',
            'category = "age"\ncategories = ["age"]',
            "attributes[1]",
            "needs either category",
        ),
        ('["smoking", "drinking"]', '["smoking", 3]', "attributes[2]", "must be the name of a category"),
        (
            '["smoking", "drinking"]',
            '["smoking", "drunk"]',
            "attributes[2].categories",
            "no category 'drunk'",
        ),
        ('label = "Habits"\n', "", "attributes[2].label", "is missing"),
        ('favoured = "young"', 'favoured = "new"', "attributes[1]", "favoured"),
        ('words = "30 years old"', 'words = ""', "attributes[1].levels[1].words", "is empty"),
        (
            'words = "30 years old"',
            'words = "70 years old"',
            "attributes[1].levels[2].words",
            "is given twice",
        ),
        ('name = "habits"', 'name = "age"', "attributes[2]", "is given twice"),
        ('slug = "from-people"', 'slug = "from people"', "study.slug", "is not a name"),
        ('slug = "from-people"\n', "", "study.slug", "is missing"),
        ('slug = "from-people"', "slug = 3", "study.slug", "must be a text, not 3"),
        ('slug = "from-people"', 'slug = "x"\nname = "y"', "study.name", "is not a key that choices have"),
        (
            'slug = "from-people"',
            'slug = "x"\ncomparisons_per_respondent = "5"',
            "study.comparisons_per_respondent",
            "must be a whole number",
        ),
        (
            'slug = "from-people"',
            'slug = "x"\ncomparisons_per_respondent = 7',
            "study.comparisons_per_respondent",
            "has only 6",
        ),
        ('kind = "categorical"\nfavoured', 'kind = "other"\nfavoured', "attributes[1]", "kind must be"),
        ('label = "Age"', 'label = "Age"\norigin = { mentions = 900 }', "attributes[1].origin", "remove it"),
    ],
)
def test_every_problem_names_line_and_key_of_the_choices(old: str, new: str, key: str, what: str):
    assert CHOICES.count(old) == 1
    text = CHOICES.replace(old, new)

    said = problems(text)

    about = [problem for problem in said if f": {key}: " in problem]
    assert about, said
    assert what in about[0]
    number = int(about[0].split(":")[0])
    line = text.splitlines()[number - 1]
    last = key.split(".")[-1].split("[")[0]
    assert last in line or key.split("[")[0] in line or "levels" in line or "[study]" in line


def test_all_problems_are_told_at_once_whatever_finds_them():
    text = CHOICES.replace('category = "age"', 'category = "aeg"\norigin = { mentions = 900 }')
    text = text.replace('slug = "from-people"', 'slug = "x"\ncomparisons_per_respondent = 7')
    text = text.replace('label = "Habits"\n', "").replace('words = "30 years old"', 'words = ""')

    said = [problem.split(": ")[1] for problem in problems(text)]

    # The number of comparisons can be checked only where the attributes can: the words are needed first.
    assert sorted(said) == [
        "attributes[1].category",
        "attributes[1].levels[1].words",
        "attributes[1].origin",
        "attributes[2].label",
    ]


def test_problems_know_which_attribute_they_are_about():
    with pytest.raises(BadChoices) as caught:
        made(CHOICES.replace('label = "Habits"', "").replace('slug = "from-people"', 'slug = "a b"'))

    assert {p.key: p.attribute for p in caught.value.problems} == {
        "study.slug": None,
        "attributes[2].label": 1,
    }


def test_choices_that_are_no_toml_or_hold_nothing_are_refused(tmp_path: Path):
    path = tmp_path / "choices.toml"
    path.write_text("[study\n", encoding="utf-8")
    with pytest.raises(BadDesign, match="not valid TOML"):
        read_choices(path)
    path.write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(BadChoices) as caught:
        read_choices(path)
    assert {p.key for p in caught.value.problems} >= {"study", "attributes"}
    with pytest.raises(BadDesign, match="name an existing file"):
        read_choices(tmp_path / "none.toml")


def test_a_number_of_comparisons_is_said_once():
    text = CHOICES.replace('title = "', 'comparisons_per_respondent = 4\ntitle = "')

    (said,) = problems(text + '[comparisons]\nkind = "all_pairs"\nper_respondent = 4\n')

    assert said.startswith(
        f"{line_of(text, 'comparisons_per_respondent')}: study.comparisons_per_respondent: is said"
    )


def test_a_design_in_another_language_brings_its_own_words():
    german = CHOICES.replace('title = "', 'language = "de"\ntitle = "')

    said = problems(german)

    assert any(
        ": texts.question: is missing: the default is English and the design is in 'de'" in s for s in said
    )
    assert any(": indecision.label: is missing" in s for s in said)
    words = "\n".join(
        f'{key} = "Wort {key}"'
        for key in ("introduction", "consent", "instructions", "question", "left", "right", "debrief")
    )
    assert design_of(german + f"[texts]\n{words}\n[indecision]\noffered = false\n").language == "de"


def test_choices_of_a_page_are_told_by_key_without_a_line():
    about = StudyAbout(slug="x", title="T")
    with pytest.raises(BadChoices, match=r"choices: attributes: choose at least one category"):
        design_from(CODING, (), about=about, coding_sha256=SHA256)
    chosen = ChosenAttribute(categories=("age",), table={"name": "age", "label": "Age", "kind": "numeric"})
    with pytest.raises(BadChoices) as caught:
        design_from(CODING, [chosen], about=about, coding_sha256=SHA256)
    assert {(p.attribute, p.line) for p in caught.value.problems} >= {(0, None)}


# --- files to begin with ---------------------------------------------------------------------------------


def test_a_template_names_every_category_most_named_first_and_lacks_only_words():
    text = template_for(CODING)
    attributes = tomllib.loads(text)["attributes"]

    # Age 2 people, then one person each, in the codebook's order; gender, which nobody named, is not there.
    assert [a["category"] for a in attributes] == ["age", "smoking", "drinking", "wealth"]
    assert "Definition for coders: How old the patient is." in text
    said = problems(text)
    assert said
    assert all("words: is empty; write what a respondent is to read" in problem for problem in said)
    number = 0

    def numbered(part: str) -> str:
        nonlocal number
        number += 1
        return f'words = "words {number}"{part}'

    head, *rest = text.split('words = ""')
    assert len(design_of(head + "".join(map(numbered, rest))).attributes) == 4


def test_a_template_leaves_out_what_fewer_named():
    assert [a["category"] for a in tomllib.loads(template_for(CODING, at_least=2))["attributes"]] == ["age"]
    with pytest.raises(CodingError, match="named by 3 or more"):
        template_for(CODING, at_least=3)


ALONE = """
[study]
slug = "ratings"
title = "Ratings"
version = "1"
[texts]
introduction = "I"
consent = "C"
debrief = "D"
"""


def test_chosen_categories_make_the_table_of_attributes_to_rate():
    text = acceptability_for(CODING, ["smoking", "years"])

    design = parse_design(ALONE + text)
    assert [(a.name, a.label, a.explanation) for a in design.acceptability.attributes] == [
        ("smoking", "Smoking", ""),
        ("age", "Age", "How old the patient is."),
    ]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["aeg"], "there is no category 'aeg' in this coding; there are age"),
        (["age", "years"], "category 'age' is given twice"),
        ([], "make no table"),
    ],
)
def test_categories_that_make_no_table_are_refused(names: list[str], what: str):
    with pytest.raises(CodingError, match=what):
        acceptability_for(CODING, names)


# --- any words ------------------------------------------------------------------------------------------

_WORDS = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t\"'\\#[]{}"), min_size=1
)


@given(
    label=_WORDS.filter(lambda text: bool(text.strip())),
    introduction=_WORDS.filter(lambda t: bool(t.strip())),
)
@settings(max_examples=60, deadline=None)
def test_any_words_reach_the_design_as_they_were_written(label: str, introduction: str):
    chosen = ChosenAttribute(
        categories=("age",),
        table={
            "name": "age",
            "label": label,
            "kind": "categorical",
            "levels": [{"name": "a", "words": label + " a"}, {"name": "b", "words": label + " b"}],
        },
    )
    about = StudyAbout(slug="x", title=label, tables={"texts": {"introduction": introduction}})

    design = parse_design(design_from(CODING, [chosen], about=about, coding_sha256=SHA256))

    assert design.attributes[0].label == design.title == label
    assert design.texts.introduction == introduction


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.recursive(
            st.booleans() | st.integers(-(2**40), 2**40) | _WORDS | st.floats(allow_nan=False),
            lambda inner: (
                st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3)
                | st.lists(_WORDS, max_size=3)
                | st.lists(
                    st.dictionaries(st.sampled_from(("name", "words", "left")), _WORDS, min_size=1),
                    max_size=3,
                )
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
@settings(max_examples=150, deadline=None)
def test_toml_is_read_back_as_it_was(document: dict[str, Any]):
    assert tomllib.loads(toml_text(document, comment=["any\nthing \x00"])) == document


def test_a_question_that_nobody_was_asked_is_told():
    chosen = [ChosenAttribute(categories=("age",), table={"name": "age"})]

    assert (
        remarks_on(ONE_SIDED, chosen)[0] == "nobody was asked what should not count: nothing is known of it"
    )
    assert not any("nobody was asked" in remark for remark in remarks_on(CODING, chosen))
