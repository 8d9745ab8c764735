from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.design import (
    Adaptive,
    ComparisonKind,
    DesignedRoles,
    Highlight,
    Indecision,
    ListedCheck,
    Sides,
    design_hash,
)
from survey.design_file import (
    EXAMPLES,
    attribute_records,
    attributes_from_records,
    example_design,
    example_with_hash,
    parse_design,
    read_design,
)
from survey.errors import BadDesign
from survey.languages import words_of
from survey.participation import (
    Ending,
    EndingPage,
    Exclusions,
    QuotaCell,
    Quotas,
    Recruitment,
    WaveComparisons,
    Waves,
)
from survey.questionnaire import Option, QuestionKind

EXAMPLE_NAMES = (
    "kidney-8",
    "kidney-attributes",
    "kidney-complete",
    "kidney-numeric",
    "kidney-ratings",
    "kidney-study1",
)


def text_of(name: str) -> str:
    return (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")


def complaints(text: str) -> list[str]:
    with pytest.raises(BadDesign) as caught:
        parse_design(text, "d.toml")
    return caught.value.complaints


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


def test_every_file_beside_the_shipped_designs_is_one() -> None:
    # Studies are looked for among all of them, by their hash.
    assert sorted(path.stem for path in EXAMPLES.glob("*.toml")) == sorted(EXAMPLE_NAMES)
    assert example_with_hash("of no shipped design") is None


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_every_example_is_a_valid_design(name: str):
    assert example_design(name).slug == name


def test_kidney_8_has_the_eight_profiles_of_freedman_and_all_28_comparisons():
    design = example_design("kidney-8")

    assert [p.id for p in design.profiles()] == ["YRH", "YFH", "YRC", "YFC", "ORH", "OFH", "ORC", "OFC"]
    assert len(design.comparisons()) == 28


def test_kidney_8_has_the_patient_shares_of_the_published_code(shared):
    import json

    published = json.loads(shared("reference/freedman_simulation_params.json").read_text())
    shares = [p.patient_share for p in example_design("kidney-8").listed_profiles]
    assert shares == pytest.approx(published["D"]["expected_profile_share_by_profile_1_to_8"], abs=1e-9)


def test_kidney_numeric_has_the_ranges_and_the_coin_of_study_2():
    design = example_design("kidney-numeric")

    assert [(a.minimum, a.maximum) for a in design.attributes] == [(25, 70), (1, 5), (0, 2)]
    assert design.indecision.label == "Flip a coin"
    assert len(design.profiles()) == 46 * 5 * 3


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("kidney-8", "82dc6dfc348ebb183b3bc6e4a91c09dbc2a496057b4ebb7a353209e048366063"),
        ("kidney-numeric", "f3ac9424f7bc8c81927638b8e584308900fec39e53a410b456c15609562f3440"),
        ("kidney-study1", "28527b8ae1ce4d4f84409c2ce475d868c2035f6c300763605eb060adf92af8c2"),
        ("kidney-complete", "f749af8ba8a1720956d442f5ceebbc9934c02a2f956759c7687a80cec0b85819"),
    ],
)
def test_a_design_keeps_its_hash_whatever_designs_can_say_besides(name: str, hashed: str):
    assert design_hash(example_design(name)) == hashed


def test_the_hash_does_not_depend_on_layout_but_on_every_word():
    text = text_of("kidney-8")
    moved = "# another comment\n\n" + text.replace("per_respondent = 28", "per_respondent    =   28")
    reworded = text.replace("70 years old", "71 years old")

    assert design_hash(parse_design(moved)) == design_hash(parse_design(text))
    assert design_hash(parse_design(reworded)) != design_hash(parse_design(text))


@pytest.mark.parametrize(
    ("name", "old", "new", "key", "what"),
    [
        ("kidney-8", 'slug = "kidney-8"', 'slug = "kidney 8"', "study.slug", "not a name"),
        ("kidney-8", 'source = "After', 'sorce = "After', "study.sorce", "not a key"),
        ("kidney-8", "per_respondent = 28", "per_respondent = 29", "comparisons.per_respondent", "only 28"),
        (
            "kidney-8",
            "per_respondent = 28",
            "per_respondent = 0",
            "comparisons.per_respondent",
            "greater than",
        ),
        ("kidney-8", 'kind = "all_pairs"', 'kind = "all"', "comparisons.kind", "not 'all'"),
        ("kidney-8", 'favoured = "rare"', 'favoured = "rarely"', "attributes[2]", "rarely"),
        ("kidney-8", 'name = "YFH"', 'name = "YRH"', "profiles.list[2]", "given twice"),
        (
            "kidney-8",
            "patient_share = 0.160144993008",
            "patient_share = 1.5",
            "profiles.list[1].patient_share",
            "1.5",
        ),
        ("kidney-8", "patient_share = 0.160144993008", "", "profiles.list", "for every profile or for none"),
        ("kidney-numeric", "minimum = 25", "minimum = 75", "attributes[1]", "not below maximum"),
        ("kidney-numeric", 'words = "{value} years old"', 'words = "years old"', "attributes[1]", "{value}"),
        (
            "kidney-numeric",
            "offered = true",
            "offered = false",
            "indecision.offered",
            "an arm has indecision",
        ),
        ("kidney-numeric", 'name = "no-coin"', 'name = "with-coin"', "arms[2]", "given twice"),
        (
            "kidney-study1",
            "points = [18, 32, 55, 90]",
            "points = [18, 55, 32, 90]",
            "attributes[1]",
            "must rise",
        ),
        (
            "kidney-study1",
            "left = { age = 90, dependents = 0",
            "left = { age = 91, dependents = 0",
            "comparisons.list[4].left",
            "not 91",
        ),
        (
            "kidney-study1",
            "left = { age = 90, dependents = 0",
            "left = { age = 90, dependents = true",
            "comparisons.list[4].left.dependents",
            "not true",
        ),
        ("kidney-8", 'age = "young"\n', "age = 1979-05-27\n", "profiles.list[1].age", "text or a number"),
        ("kidney-8", 'slug = "kidney-8"', f'slug = "{"k" * 101}"', "study.slug", "100 characters"),
        ("kidney-8", 'version = "1"', 'version = "  "', "study.version", "is empty"),
        ("kidney-8", 'label = "Age"', 'label = "Other  health"', "attributes[3]", "given twice"),
        ("kidney-8", "70 years old", "30 years old", "attributes[1].levels[2]", "given twice"),
        ("kidney-8", 'right = "Patient B"', 'right = "Patient A"', "texts.right", "tell them apart"),
        ("kidney-8", 'label = "Flip a coin"', 'label = "Patient B"', "indecision.label", "tell them apart"),
        ("kidney-8", 'sides = "random"', 'sides = "fixed"', "comparisons.sides", "kind = 'list'"),
        ("kidney-numeric", "maximum = 70", "maximum = inf", "attributes[1].maximum", "finite"),
        ("kidney-numeric", "minimum = 25", "minimum = nan", "attributes[1].minimum", "finite"),
        ("kidney-numeric", "maximum = 70", "maximum = 70\nstep = 4", "attributes[1].step", "steps of 4"),
        ("kidney-numeric", "maximum = 70", "maximum = 70\nstep = 100", "attributes[1].step", "steps of 100"),
        ("kidney-numeric", 'name = "age"', 'name = "name"', "attributes[1].name", "key of [[profiles.list]]"),
    ],
)
def test_a_complaint_names_line_key_and_what_is_wrong(name, old, new, key, what):
    text = text_of(name)
    assert old in text
    changed = text.replace(old, new, 1)

    found = complaints(changed)
    assert len(found) == 1
    assert key in found[0]
    assert what in found[0]
    assert found[0].startswith("d.toml:")


def test_the_line_named_is_the_line_of_the_key():
    text = text_of("kidney-8").replace(
        'age = "old"\ndrinking = "frequent"', 'age = "odl"\ndrinking = "frequent"', 1
    )

    (complaint,) = complaints(text)
    assert complaint.startswith(f"d.toml:{line_of(text, 'odl')}: profiles.list[6].age:")


def test_all_complaints_are_given_at_once():
    text = (
        text_of("kidney-8")
        .replace('slug = "kidney-8"\n', "")
        .replace('question = "Which', 'qestion = "Which')
    )

    found = " ".join(complaints(text))
    assert "study.slug: is missing" in found
    assert "texts.question: is missing" in found
    assert "texts.qestion" in found


def test_broken_toml_is_reported_with_its_line():
    (complaint,) = complaints('[study]\nslug = "a\n')
    assert "line 2" in complaint


def test_a_key_inside_a_multi_line_text_is_not_taken_for_a_key():
    text = text_of("kidney-8").replace('version = "1"', 'version = "1"\nsource2 = """\nslug = 1\n"""')

    (complaint,) = complaints(text)
    assert complaint.startswith(f"d.toml:{line_of(text, 'source2')}:")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(BadDesign, match=r"nowhere\.toml"):
        read_design(tmp_path / "nowhere.toml")


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path):
    path = tmp_path / "latin.toml"
    path.write_bytes("[study]\ntitle = 'Größe'".encode("latin-1"))

    with pytest.raises(BadDesign, match="UTF-8"):
        read_design(path)


@pytest.mark.parametrize("name", EXAMPLE_NAMES)
def test_attributes_survive_being_written_as_records(name: str):
    attributes = example_design(name).attributes
    assert attributes_from_records(attribute_records(attributes)) == attributes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[study]\nslug = "kidney-8"', "[study]\n'slug' = 'a b'"),
        ('[study]\nslug = "kidney-8"', "['study']  # don't\nslug = 'a b'"),
        (
            '[study]\nslug = "kidney-8"\ntitle = "Who should get the kidney?"\nversion = "1"\nsource =',
            "study . slug = 'a b'\nstudy.'title' = 't'\nstudy.version = '1'\nstudy.source =",
        ),
        ('[study]\nslug = "kidney-8"', "# A comment may hold \"\"\" or ''' or [[\n[study]\nslug = 'a b'"),
        ('slug = "kidney-8"\ntitle = "Who', "title = \"[ ''' # \\\" \u2028 Who should\"\nslug = 'a b' #"),
        ('slug = "kidney-8"\ntitle = "Who', 'title = """\n[x]\nslug = 1 \\"""\n"""\nslug = "a b" #'),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_line_is_right_however_the_file_is_written(old: str, new: str, newline: str):
    text = text_of("kidney-8")
    assert old in text
    changed = text.replace(old, new, 1)

    (complaint,) = complaints(changed.replace("\n", newline))
    line = next(i for i, row in enumerate(changed.split("\n"), start=1) if "a b" in row)
    assert complaint.startswith(f"d.toml:{line}: study.slug: 'a b' is not a name")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path):
    path = tmp_path / "d.toml"
    path.write_text(text_of("kidney-8"), encoding="utf-8-sig")

    assert design_hash(read_design(path)) == design_hash(example_design("kidney-8"))


def test_a_profile_whose_id_the_database_could_not_store_is_refused():
    extra = (
        '[[attributes]]\nname = "%s"\nlabel = "%s"\nkind = "numeric"\npoints = [1, 2]\nwords = "{value}"\n'
    )
    wide = text_of("kidney-numeric") + "".join(extra % (c * 95, c) for c in "abcde")

    (complaint,) = complaints(wide)
    assert "500 can be stored" in complaint


def test_a_design_that_cannot_yield_enough_different_comparisons_is_refused():
    narrow = (
        text_of("kidney-numeric")
        .replace("minimum = 25\nmaximum = 70", "points = [25, 70]")
        .replace("minimum = 1\nmaximum = 5", "points = [1, 5]")
        .replace("minimum = 0\nmaximum = 2", "points = [0, 2]")
    )

    (complaint,) = complaints(narrow)
    assert "only 28" in complaint


def test_a_fine_grid_and_many_comparisons_are_drawn_from_and_never_listed():
    text = text_of("kidney-numeric")
    fine = parse_design(text.replace("maximum = 70", "maximum = 2_000_000_000"))
    assert fine.profiles() is None
    assert len(fine.draw_pairs(40, np.random.default_rng(1))) == 40

    many = parse_design(text.replace('[comparisons]\nkind = "random"', '[comparisons]\nkind = "all_pairs"'))
    assert len(many.profiles() or ()) == 690
    assert many.comparisons() is None


# --- what a study with paid participants needs ---------------------------------------------------------

# The least that a design needs, so that one thing at a time can be added.
PLAIN = """
[study]
slug = "plain"
title = "A study"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
instructions = "What to do."
question = "Who should get the kidney?"
debrief = "What it was about."

[[attributes]]
name = "age"
label = "Age"
kind = "categorical"
favoured = "young"
levels = [{ name = "young", words = "30 years old" }, { name = "old", words = "70 years old" }]

[[attributes]]
name = "children"
label = "Children"
kind = "numeric"
minimum = 0
maximum = 2
words = "{value} children"
words_one = "one child"
favours = "high"

[profiles]
kind = "full_factorial"

[comparisons]
kind = "all_pairs"
per_respondent = 6
"""


def with_comparisons(lines: str) -> str:
    return PLAIN.replace('kind = "all_pairs"\n', lines)


def test_a_design_that_says_nothing_of_them_has_none_of_the_later_parts():
    design = parse_design(PLAIN)

    assert design.contact == design.analysis == ""
    assert design.highlight is Highlight.OFF
    assert design.roles == DesignedRoles()
    assert design.practice is design.comprehension is design.choose_one is None
    assert design.screener == design.demographics == design.endings == design.translations == ()
    assert (design.recruitment, design.quotas, design.waves) == (Recruitment(), Quotas(), Waves())
    assert design.exclusions == Exclusions()
    assert design.languages == ("en",)


def test_the_complete_example_says_something_in_every_part():
    design, plain = example_design("kidney-complete"), parse_design(PLAIN)

    # It draws evenly, and its hash, which data carry, is older than choosing one of many and asking for attributes.
    unused = {"adaptive", "choose_one", "suggestions", "acceptability", "origins"}
    later = [f.name for f in fields(design) if f.metadata and f.name not in unused]
    assert len(later) > 10
    for name in later:
        assert getattr(design, name) != getattr(plain, name), name
    assert all(getattr(design.texts, f.name) for f in fields(design.texts))


def test_the_complete_example_is_read_as_it_is_written():
    design = example_design("kidney-complete")

    assert (design.comparison_kind, design.sides) == (ComparisonKind.BALANCED, Sides.BALANCED)
    assert design.roles == DesignedRoles(dominated=1, identical=1, instructed=1, repeats=2, repeat_gap=5)
    assert design.roles.count == 5
    assert tuple(p.id for p in design.practice) == ("OFH", "YRC")
    assert [arm.indecision_label for arm in design.arms] == ["", "I cannot decide"]
    assert (len(design.indecision.reasons), design.indecision.strict) == (7, True)
    assert (design.comprehension.right, design.comprehension.attempts) == ("alike", 2)
    assert [option.screens_out for option in design.screener[0].options] == [False, True]
    assert [q.kind for q in design.demographics] == [
        QuestionKind.NUMBER,
        QuestionKind.CHOICE,
        QuestionKind.CHOICE,
        QuestionKind.SEVERAL,
        QuestionKind.TEXT,
    ]
    assert (design.demographics[0].minimum, design.demographics[0].maximum) == (18, 120)
    assert design.recruitment == Recruitment(keep_ids=True, keep_days=60)
    assert design.quotas == Quotas(
        most=200,
        cells=(
            QuotaCell(question="place", option="city", most=120),
            QuotaCell(question="place", option="country", most=120),
        ),
    )
    assert design.waves == Waves(count=2, comparisons=WaveComparisons.SAME)
    assert [page.ending for page in design.endings] == list(Ending)
    assert len({page.code for page in design.endings}) == len(Ending)
    assert design.exclusions == Exclusions(
        failed_checks_above=0, median_seconds_below=1.5, same_side_above=0.95, repeats_changed_above=1
    )
    assert design.analysis.startswith("estimate fit answers_included.csv ")


def test_the_complete_example_has_no_text_of_two_languages_alike():
    design = example_design("kidney-complete")
    own, german = words_of(design), dict(design.translations[0].words)

    assert list(german) == list(own)
    assert [key for key in own if own[key] == german[key]] == []


def test_adaptive_drawing_is_read_with_its_bounds():
    adaptive = with_comparisons('kind = "adaptive"\n')
    assert parse_design(adaptive).adaptive == Adaptive()

    bounded = parse_design(
        adaptive + "[comparisons.adaptive]\nrandom_share = 0.5\nstart_after = 100\nmost_ahead = 2\n"
    )
    assert bounded.comparison_kind is ComparisonKind.ADAPTIVE
    assert bounded.adaptive == Adaptive(random_share=0.5, start_after=100, most_ahead=2)
    assert len(bounded.comparisons()) == 15


def test_an_arm_may_have_its_own_words_and_its_own_display():
    design = parse_design(
        PLAIN
        + '[display]\nhighlight = "on"\n'
        + '[[arms]]\nname = "a"\nindecision = true\nindecision_label = "Neither"\nquestion = "Who?"\n'
        + 'instructions = "Read."\nhighlight = "off"\n[[arms]]\nname = "b"\nindecision = false\n'
    )

    assert design.highlight is Highlight.ON
    one, other = design.arms
    assert (one.indecision_label, one.question, one.instructions) == ("Neither", "Who?", "Read.")
    assert (one.highlight, other.highlight) == (Highlight.OFF, None)


def test_checks_and_practice_take_profiles_by_name_or_by_values():
    text = text_of("kidney-complete").replace('[practice]\nleft = "OFH"', PRACTICE_BY_VALUES)
    text = text.replace(
        "[roles]\n", "[roles]\n" + 'checks = [{ left = "YRH", right = "OFC", expected = "left" }]\n'
    )
    design = parse_design(text)

    by_name = {listed.profile.name: listed.profile for listed in design.listed_profiles}
    assert design.practice == (by_name["OFH"], by_name["YRC"])
    assert design.practice[0].name == "OFH"
    assert design.roles.checks == (ListedCheck(left=by_name["YRH"], right=by_name["OFC"], expected="left"),)


PRACTICE_BY_VALUES = '[practice]\nleft = { age = "old", drinking = "frequent", health = "healthy" }'

REASONS = (
    'reasons = [{ name = "a", words = "Alike" }, { name = "b", words = "Other" }]\nreason_question = "Why?"\n'
)


def test_follow_ups_of_indecision_are_read():
    design = parse_design(PLAIN + "[indecision]\n" + REASONS + 'strict = true\nstrict_question = "And if?"\n')

    assert design.indecision == Indecision(
        reasons=(Option(name="a", words="Alike"), Option(name="b", words="Other")),
        reason_question="Why?",
        strict=True,
        strict_question="And if?",
    )


@pytest.mark.parametrize(
    ("added", "key", "what"),
    [
        ('[display]\nhighlight = "some"', "display.highlight", "not 'some'"),
        ('[study.languages]\nde = "x"', "study.languages", "not a key"),
        # indecision
        (f"[indecision]\noffered = false\n{REASONS}", "indecision", "no meaning with offered = false"),
        (f"[indecision]\n{REASONS.split(chr(10))[0]}", "indecision", "need a reason_question"),
        ('[indecision]\nreason_question = "Why?"', "indecision", "without reasons"),
        ("[indecision]\nstrict = true", "indecision", "needs a strict_question"),
        ('[indecision]\nstrict_question = "And if?"', "indecision", "without strict"),
        (f"[indecision]\n{REASONS.replace('Other', 'Alike')}", "indecision.reasons[2].words", "given twice"),
        (
            f"[indecision]\n{REASONS.replace(chr(34) + 'b', chr(34) + 'a')}",
            "indecision",
            "'a' is given twice",
        ),
        # arms
        (
            '[[arms]]\nname = "a"\nindecision = false\nindecision_label = "Coin"',
            "arms[1]",
            "no meaning with indecision = false",
        ),
        (
            '[[arms]]\nname = "a"\nindecision = true\nindecision_label = "Patient  A"',
            "arms[1].indecision_label",
            "tell them apart",
        ),
        ('[[arms]]\nname = "a"\nindecision = true\nquestion = " "', "arms[1].question", "is empty"),
        # roles
        ("[roles]\ndominated = 9999", "roles.dominated", "1000"),
        ("[roles]\ndominated = 13", "roles.dominated", "in only 12 pairs"),
        ("[roles]\nidentical = 7", "roles.identical", "only 6 profiles"),
        ("[roles]\ninstructed = 1", "texts.instructed", "is needed"),
        ("[roles]\nrepeats = 7", "roles.repeats", "only 6 comparisons"),
        ("[roles]\nrepeats = 1\nrepeat_gap = 6", "roles.repeat_gap", "cannot be kept with 6 comparisons"),
        (
            "[roles]\nchecks = [{ left = { age = 'young', children = 2 }, right = { age = 'old', children = 3 }, "
            "expected = 'left' }]",
            "roles.checks[1].right",
            "cannot be",
        ),
        (
            "[roles]\nchecks = [{ left = 'A', right = { age = 'old', children = 1 }, expected = 'left' }]",
            "roles.checks[1].left",
            "no profile is named 'A'",
        ),
        (
            "[roles]\nchecks = [{ left = { age = 'old', children = 1 }, right = { age = 'old', children = 1 }, "
            "expected = 'left' }]",
            "roles.checks[1]",
            "with itself",
        ),
        (
            "[roles]\nchecks = [{ left = { age = 'young', children = 1 }, right = { age = 'old', children = 1 }, "
            "expected = 'Patient A' }]",
            "roles.checks[1].expected",
            "'left', 'right' or 'indecision'",
        ),
        (
            "[roles]\nchecks = [{ left = { age = 'young', children = 1 }, right = { age = 'old', children = 1 }, "
            "expected = 'indecision' }]\n[[arms]]\nname = 'a'\nindecision = true\n[[arms]]\nname = 'b'\n"
            "indecision = false",
            "roles.checks[1].expected",
            "not every arm offers",
        ),
        # practice, comprehension
        (
            "[practice]\nleft = { age = 'old', children = 1 }\nright = { age = 'old', children = 1 }",
            "practice",
            "with itself",
        ),
        (
            "[practice]\nleft = { age = 'old', children = 1 }\nright = { age = 'old' }",
            "practice.right",
            "no value for attribute 'children'",
        ),
        (
            "[comprehension]\ntext = 'What?'\n"
            "options = [{ name = 'a', words = 'A' }, { name = 'b', words = 'B' }]\n"
            "right = 'c'\nexplanation = 'It is A.'",
            "comprehension",
            "not one of its options: a, b",
        ),
        (
            "[comprehension]\ntext = 'What?'\n"
            "options = [{ name = 'a', words = 'A' }, { name = 'b', words = ' A' }]\n"
            "right = 'a'\nexplanation = 'It is A.'",
            "comprehension.options[2].words",
            "given twice",
        ),
        (
            "[comprehension]\ntext = 'What?'\noptions = [{ name = 'a', words = 'A' }]\n"
            "right = 'a'\nexplanation = 'It is A.'",
            "comprehension.options",
            "at least 2",
        ),
        # forms
        ("[[screener]]\nname = 'a'\nkind = 'text'", "screener[1].text", "is missing"),
        ("[screener]\nname = 'a'", "screener", "two brackets"),
        (
            "[[demographics]]\nname = 'a'\ntext = 'A?'\nkind = 'choice'",
            "demographics[1]",
            "at least two options",
        ),
        (
            "[[demographics]]\nname = 'a'\ntext = 'A?'\nkind = 'number'\n"
            "options = [{ name = 'a', words = 'A' }, { name = 'b', words = 'B' }]",
            "demographics[1]",
            "options have no meaning with kind = 'number'",
        ),
        (
            "[[demographics]]\nname = 'a'\ntext = 'A?'\nkind = 'text'\nminimum = 1",
            "demographics[1]",
            "unless kind = 'number'",
        ),
        (
            "[[demographics]]\nname = 'a'\ntext = 'A?'\nkind = 'number'\nminimum = 8\nmaximum = 8",
            "demographics[1]",
            "minimum 8 is not below maximum 8",
        ),
        (
            "[[demographics]]\nname = 'a'\ntext = 'A?'\nkind = 'choice'\n"
            "options = [{ name = 'a', words = 'A' }, { name = 'prefer-not-to-say', words = 'B' }]",
            "demographics[1]",
            "offered with every question anyway",
        ),
        (
            "[[demographics]]\nname = 'a'\ntext = 'A?'\nkind = 'choice'\n"
            "options = [{ name = 'a', words = 'A' }, { name = 'b', words = 'B', screens_out = true }]",
            "demographics[1].options[2].screens_out",
            "not a key",
        ),
        (
            "[[screener]]\nname = 'a'\ntext = 'A?'\nkind = 'choice'\noptions = "
            "[{ name = 'a', words = 'A', screens_out = true }, { name = 'b', words = 'B', screens_out = true }]",
            "screener[1]",
            "nobody could take part",
        ),
        (
            "[[screener]]\nname = 'a'\ntext = 'A?'\nkind = 'several'\n"
            "options = [{ name = 'a', words = 'A' }, { name = 'b', words = 'A' }]",
            "screener[1].options[2].words",
            "given twice",
        ),
        (
            "[[screener]]\nname = 'a'\ntext = 'A?'\nkind = 'text'\n"
            "[[demographics]]\nname = 'a'\ntext = 'B?'\nkind = 'text'",
            "demographics[1].name",
            "the name of another question",
        ),
        ("[[screener]]\nname = 'csrf_token'\ntext = 'A?'\nkind = 'text'", "screener[1].name", "another name"),
        ("[[screener]]\nname = 'a.b'\ntext = 'A?'\nkind = 'text'", "screener[1].name", "is not a name"),
        # recruitment, quotas, waves
        ("[recruitment]\nkeep_days = 0", "recruitment.keep_days", "greater than"),
        ("[recruitment]\nkeep_ids = 'some'", "recruitment.keep_ids", "not 'some'"),
        ("[quotas]\nmost = 0", "quotas.most", "greater than"),
        (
            "[quotas]\ncells = [{ question = 'sex', option = 'a', most = 5 }]",
            "quotas.cells[1].question",
            "no question of the screener is named 'sex'",
        ),
        ("[waves]\ncount = 0", "waves.count", "greater than"),
        ("[waves]\ncomparisons = 'old'", "waves.comparisons", "'new' or 'same'"),
        # endings
        ("[endings.finished]\ncode = 'A'", "endings.finished", "not a key"),
        ("[endings.complete]", "endings.complete", "needs a code, a link, or both"),
        ("[endings.complete]\ncode = 'A B'", "endings.complete.code", "is not a name"),
        ("[endings.complete]\ncode = 'A'\n[endings.declined]\ncode = 'A'", "endings", "'A' is given twice"),
        (
            "[endings.complete]\nlink = 'http://example.org'",
            "endings.complete.link",
            "must begin with https://",
        ),
        (
            "[endings.complete]\nlink = 'javascript:alert(1)'",
            "endings.complete.link",
            "must begin with https://",
        ),
        ("[endings.complete]\nlink = '//example.org'", "endings.complete.link", "must begin with https://"),
        ("[endings.complete]\nlink = 'https://'", "endings.complete.link", "must begin with https://"),
        (
            "[endings.complete]\nlink = 'http://localhost.example.org'",
            "endings.complete.link",
            "must begin with https://",
        ),
        (
            "[endings.complete]\nlink = 'https://a.org@b.org'",
            "endings.complete.link",
            "name the site plainly",
        ),
        ("[endings.complete]\nlink = 'https://{code}.org'", "endings.complete.link", "name the site plainly"),
        ("[endings.complete]\nlink = 'https://a.org/{id}'", "endings.complete.link", "only {code}"),
        ("[endings.complete]\nlink = 'https://a.org/ b'", "endings.complete.link", "a space"),
        ("[endings.complete]\nlink = 'https://a.org:port/'", "endings.complete.link", "is not an address"),
        # exclusions, preregistration
        (
            "[exclusions]\nfailed_checks_above = 0",
            "exclusions.failed_checks_above",
            "the design has no checks",
        ),
        (
            "[exclusions]\nrepeats_changed_above = 2\n[roles]\nrepeats = 2\nrepeat_gap = 1\n[waves]\ncount = 2",
            "exclusions.repeats_changed_above",
            "repeats that a respondent sees in a wave: 2",
        ),
        (
            "[exclusions]\ndominated_against_above = 1\n[roles]\ndominated = 1",
            "exclusions.dominated_against_above",
            "dominated comparisons that a respondent sees in a wave: 1",
        ),
        ("[exclusions]\ncomprehension_failed = true", "exclusions.comprehension_failed", "[comprehension]"),
        ("[exclusions]\nsame_side_above = 0.4", "exclusions.same_side_above", "0.5"),
        ("[exclusions]\nmedian_seconds_below = inf", "exclusions.median_seconds_below", "finite"),
        (
            "[preregistration]\nanalysis = 'equipoise estimate fit'",
            "preregistration.analysis",
            "leave that word out",
        ),
        (
            '[preregistration]\nanalysis = "estimate fit \'a"',
            "preregistration.analysis",
            "not a command line",
        ),
        ("[preregistration]\nanalysis = ' '", "preregistration.analysis", "one line"),
        # languages
        ("[languages]\nde = 'Deutsch'", "languages.de", "must be a table"),
        ("[languages.'d e']", "languages.d e", "not a language tag"),
        ("[languages.EN]", "languages.EN", "elsewhere"),
    ],
)
def test_a_complaint_about_a_later_part_names_line_key_and_what_is_wrong(added: str, key: str, what: str):
    text = PLAIN + added + "\n"

    (complaint,) = complaints(text)
    assert f": {key}: " in complaint
    assert what in complaint
    line = int(complaint.removeprefix("d.toml:").split(":")[0])
    assert line <= len(text.splitlines())
    if not key.startswith("texts"):  # Where the missing text is to be written, not where it is asked for.
        assert line > len(PLAIN.splitlines())


@pytest.mark.parametrize(
    ("lines", "key", "what"),
    [
        ('kind = "balanced"\nsides = "fixed"\n', "comparisons.sides", "'fixed' needs"),
        ('kind = "balanced"\nadaptive = {}\n', "comparisons", "unless kind = 'adaptive'"),
        (
            'kind = "adaptive"\nadaptive = { random_share = 0 }\n',
            "comparisons.adaptive.random_share",
            "greater than 0",
        ),
        (
            'kind = "adaptive"\nadaptive = { random_share = 1.1 }\n',
            "comparisons.adaptive.random_share",
            "less than or equal to 1",
        ),
        (
            'kind = "adaptive"\nadaptive = { most_ahead = 0 }\n',
            "comparisons.adaptive.most_ahead",
            "greater than",
        ),
        ('kind = "balance"\n', "comparisons.kind", "'balanced' or 'adaptive'"),
    ],
)
def test_a_complaint_about_drawing_names_line_key_and_what_is_wrong(lines: str, key: str, what: str):
    (complaint,) = complaints(with_comparisons(lines))
    assert f": {key}: " in complaint
    assert what in complaint


@pytest.mark.parametrize("kind", ["balanced", "adaptive"])
def test_drawing_evenly_needs_comparisons_that_can_be_listed(kind: str):
    wide = with_comparisons(f'kind = "{kind}"\n').replace("maximum = 2", "maximum = 100")
    (complaint,) = complaints(wide)
    assert f"comparisons.kind: '{kind}' needs at most 5000 comparisons" in complaint
    assert "202 profiles make 20301" in complaint

    drawn = with_comparisons(f'kind = "{kind}"\n').replace('"full_factorial"', '"random"')
    (complaint,) = complaints(drawn)
    assert "no meaning with profiles drawn at random" in complaint


def test_dominated_pairs_need_a_direction():
    undirected = PLAIN.replace('favoured = "young"\n', "").replace('favours = "high"\n', "")
    assert parse_design(undirected).roles.dominated == 0

    (complaint,) = complaints(undirected + "[roles]\ndominated = 1\n")
    assert "roles.dominated: needs an attribute that says" in complaint


def test_the_line_of_an_instructed_check_must_have_a_place_for_the_answer():
    (complaint,) = complaints(PLAIN.replace('debrief = "', 'instructed = "Press left."\ndebrief = "'))
    assert "instructed must contain {answer}" in complaint

    (complaint,) = complaints(PLAIN.replace('debrief = "', 'instructed = "Answer {answer}."\ndebrief = "'))
    assert "texts.instructed: has no meaning without [roles] instructed" in complaint


@pytest.mark.parametrize(
    "place",
    [
        'version = "1"',
        'introduction = "What this is."',
        'words_one = "one child"',
        'title = "Eine Studie"',
        'label = "Münze werfen"',
    ],
)
def test_no_text_holds_what_neither_page_nor_database_takes(place: str):
    text = PLAIN + GERMAN
    assert place in text

    (complaint,) = complaints(text.replace(place, place[:-1] + '\\u0000"', 1))
    assert "holds the control character '\\x00'" in complaint


@pytest.mark.parametrize("tag", ["english", "e", "de_DE", "", "de-"])
def test_the_language_of_a_design_is_a_tag(tag: str):
    (complaint,) = complaints(PLAIN.replace('version = "1"', f'version = "1"\nlanguage = "{tag}"'))
    assert "study.language" in complaint
    assert "not a language tag" in complaint


SCREENER = """
[[screener]]
name = "adult"
text = "Are you an adult?"
kind = "choice"
options = [{ name = "yes", words = "Yes" }, { name = "no", words = "No", screens_out = true }]
"""


@pytest.mark.parametrize(
    ("cell", "key", "what"),
    [
        ("{ question = 'adult', option = 'maybe', most = 5 }", "quotas.cells[1].option", "yes, no"),
        ("{ question = 'adult', option = 'no', most = 5 }", "quotas.cells[1].option", "screened out"),
        (
            "{ question = 'adult', option = 'yes', most = 5 }, { question = 'adult', option = 'yes', most = 6 }",
            "quotas.cells[2]",
            "has a cell already",
        ),
    ],
)
def test_a_quota_counts_an_answer_that_lets_people_in(cell: str, key: str, what: str):
    (complaint,) = complaints(f"{PLAIN}{SCREENER}[quotas]\ncells = [{cell}]\n")
    assert f": {key}: " in complaint
    assert what in complaint


def test_endings_are_kept_with_codes_and_links_and_in_one_order():
    declined = '[endings.declined]\nlink = "http://localhost:8000/back?c={code}"\n'
    complete = '[endings.complete]\ncode = "C1"\nlink = "https://example.org/back?c={code}"\n'
    one, other = parse_design(PLAIN + declined + complete), parse_design(PLAIN + complete + declined)

    assert one.endings == (
        EndingPage(ending=Ending.COMPLETE, code="C1", link="https://example.org/back?c={code}"),
        EndingPage(ending=Ending.DECLINED, code="", link="http://localhost:8000/back?c={code}"),
    )
    assert design_hash(one) == design_hash(other)


LINES = text_of("kidney-complete").split("\n")
VALUES = (
    "3",
    "true",
    "[]",
    "{}",
    '""',
    '"x"',
    '"{answer}"',
    "-1",
    "9223372036854775807",
    "[1]",
    "1979-05-27",
)


@given(number=st.integers(0, len(LINES) - 1), value=st.none() | st.sampled_from(VALUES))
@settings(max_examples=60, deadline=None)
def test_whatever_is_wrong_in_a_line_is_a_complaint_with_a_line(number: int, value: str | None):
    """Without a line, or with another value in it, a design is still usable, or refused with the places."""
    key = re.match(r"[\w-]+ = ", LINES[number])
    changed = [f"{key[0]}{value}"] if key and value else []
    try:
        parse_design("\n".join(LINES[:number] + changed + LINES[number + 1 :]), "d.toml")
    except BadDesign as error:
        for complaint in error.complaints:
            # What is missing altogether has no line.
            assert re.match(r"d\.toml:(\d+: .|.*not valid TOML.*line| \w+: is missing)", complaint)


# --- translations --------------------------------------------------------------------------------------

GERMAN = """
[languages.de.study]
title = "Eine Studie"

[languages.de.texts]
introduction = "Was das ist."
consent = "Womit Sie einverstanden sind."
instructions = "Was zu tun ist."
question = "Wer soll die Niere bekommen?"
left = "Person A"
right = "Person B"
debrief = "Worum es ging."

[languages.de.attributes.age]
label = "Alter"
levels = { young = "30 Jahre alt", old = "70 Jahre alt" }

[languages.de.attributes.children]
label = "Kinder"
words = "{value} Kinder"
words_one = "ein Kind"

[languages.de.indecision]
label = "Münze werfen"
"""


def test_a_translation_has_words_for_every_text():
    design = parse_design(PLAIN + GERMAN)

    assert design.languages == ("en", "de")
    assert dict(design.translations[0].words).keys() == words_of(design).keys()
    assert dict(design.translations[0].words)["attributes.age.levels.old"] == "70 Jahre alt"


def test_the_order_of_languages_and_of_their_words_is_layout():
    french = GERMAN.replace("languages.de", "languages.fr")
    blocks = GERMAN.strip().split("\n\n")
    shuffled = "\n\n".join(reversed(blocks))

    one, other = parse_design(PLAIN + french + GERMAN), parse_design(f"{PLAIN}{shuffled}\n{french}")
    assert one.languages == ("en", "de", "fr")
    assert design_hash(one) == design_hash(other)
    assert design_hash(one) != design_hash(parse_design(PLAIN + GERMAN))


@given(left_out=st.sets(st.sampled_from([line for line in GERMAN.splitlines() if " = " in line]), min_size=1))
@settings(max_examples=30, deadline=None)
def test_every_text_that_a_translation_leaves_out_is_named(left_out: set[str]):
    text = PLAIN + "\n".join(line for line in GERMAN.splitlines() if line not in left_out)

    found = complaints(text)
    assert len(found) == len(left_out) + any(line.startswith("levels") for line in left_out)
    assert all(": languages.de." in complaint and "is missing" in complaint for complaint in found)


@pytest.mark.parametrize(
    ("old", "new", "key", "what"),
    [
        ('title = "Eine', 'titel = "x"\ntitle = "Eine', "study.titel", "translates nothing"),
        ('title = "Eine', 'slug = "x"\ntitle = "Eine', "study.slug", "translates nothing"),
        (
            'left = "Person A"',
            'left = "Person A"\ninstructed = "{answer}"',
            "texts.instructed",
            "no such text",
        ),
        ('left = "Person A"', 'left = "Person A"\n"a.b" = "x"', "texts.a.b", "translates nothing"),
        (
            'question = "Wer soll die Niere bekommen?"',
            "question = 3",
            "texts.question",
            "must be a text, not 3",
        ),
        ('question = "Wer soll die Niere bekommen?"', 'question = " "', "texts.question", "is empty"),
        ('words = "{value} Kinder"', 'words = "Kinder"', "attributes.children.words", "must contain {value}"),
        ("70 Jahre alt", "30  Jahre alt", "attributes.age.levels.old", "given twice"),
        ('label = "Kinder"', 'label = "Alter"', "attributes.children.label", "given twice"),
        ("Person B", "Person A", "texts.right", "tell them apart"),
        ("Münze werfen", "Person B", "indecision.label", "tell them apart"),
    ],
)
def test_a_complaint_about_a_translation_names_line_key_and_what_is_wrong(old, new, key, what):
    text = PLAIN + GERMAN
    assert old in text
    changed = text.replace(old, new, 1)

    (complaint,) = complaints(changed)
    assert f": languages.de.{key}: " in complaint
    assert what in complaint
    line = int(complaint.removeprefix("d.toml:").split(":")[0])
    assert line > len(PLAIN.splitlines())


def test_an_arms_words_are_told_apart_in_every_language():
    arm = '[[arms]]\nname = "a"\nindecision = true\nindecision_label = "Neither"\n'
    german_arm = '[languages.de.arms.a]\nindecision_label = "Person A"\n'

    (complaint,) = complaints(PLAIN + arm + GERMAN + german_arm)
    assert ": languages.de.arms.a.indecision_label: " in complaint
    assert "tell them apart" in complaint


def test_the_place_for_the_answer_is_kept_in_every_language():
    text = PLAIN.replace('debrief = "', 'instructed = "Answer {answer}."\ndebrief = "')
    german = GERMAN.replace('left = "Person A"', 'instructed = "Antworten Sie."\nleft = "Person A"')

    (complaint,) = complaints(text + "[roles]\ninstructed = 1\n" + german)
    assert ": languages.de.texts.instructed: must contain {answer}" in complaint


def test_gaps_in_a_translation_are_told_together_with_other_mistakes():
    broken = (PLAIN + GERMAN.replace('title = "Eine Studie"', "")).replace(
        "[languages.de.study]", "[exclusions]\ncomprehension_failed = true\n[languages.de.study]"
    )

    found = " ".join(complaints(broken))
    assert "languages.de.study.title: is missing; translate 'A study'" in found
    assert "exclusions.comprehension_failed" in found
