from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from survey.design import design_hash
from survey.design_file import (
    EXAMPLES,
    attribute_records,
    attributes_from_records,
    example_design,
    parse_design,
    read_design,
)
from survey.errors import BadDesign

EXAMPLE_NAMES = ("kidney-8", "kidney-numeric", "kidney-study1")


def text_of(name: str) -> str:
    return (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")


def complaints(text: str) -> list[str]:
    with pytest.raises(BadDesign) as caught:
        parse_design(text, "d.toml")
    return caught.value.complaints


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), start=1) if part in line)


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


def test_a_fine_grid_and_many_comparisons_are_drawn_from_and_never_listed():
    text = text_of("kidney-numeric")
    fine = parse_design(text.replace("maximum = 70", "maximum = 2_000_000_000"))
    assert fine.profiles() is None
    assert len(fine.draw_pairs(40, np.random.default_rng(1))) == 40

    many = parse_design(text.replace('[comparisons]\nkind = "random"', '[comparisons]\nkind = "all_pairs"'))
    assert len(many.profiles() or ()) == 690
    assert many.comparisons() is None
