from __future__ import annotations

from pathlib import Path

import pytest

from exchange.errors import BadPool, BadRequest
from exchange.formats.text_rows import Complaints
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair
from exchange.pool_file import read_pool, write_pool
from exchange.pool_generator import generate_pool
from survey.design import CategoricalAttribute, NumericAttribute
from survey.design_file import example_design

PAIRS = """\
id,patient_blood_group,donor_blood_group,cpra,compatible,donors,profile,attribute.age,attribute.diet
P1,O,A,0.45,no,,,40,vegan
P2,AB,B,,yes,d1;d2,second,61.5,any
P3,,,,,,,,
"""
NDDS = "id,blood_group\nN1,O\nN2,\n"
ARCS = """\
donor,recipient,weight,success_probability,giver
P1,P2,2.5,0.5,
P2,P2,,,d1
N1,P3,1,1,
"""


def write(folder: Path, pairs: str = PAIRS, ndds: str | None = NDDS, arcs: str | None = ARCS) -> Path:
    for end, text in (("pairs", pairs), ("ndds", ndds), ("arcs", arcs)):
        if text is not None:
            (folder / f"x.{end}.csv").write_bytes(text.encode())
    return folder / "x.pairs.csv"


def test_the_three_tables_make_a_pool(tmp_path: Path) -> None:
    pool = read_pool(write(tmp_path))
    assert [p.id for p in pool.pairs] == ["P1", "P2", "P3"]
    first, second, third = pool.pairs
    assert (first.patient_blood_group, first.donor_blood_group, first.cpra) == (
        BloodGroup.O,
        BloodGroup.A,
        0.45,
    )
    assert (second.is_compatible, second.donors) == (True, ("d1", "d2"))
    assert second.profile is not None
    assert (second.profile.name, second.profile.as_dict()) == ("second", {"age": 61.5, "diet": "any"})
    assert third == Pair(id="P3")
    assert pool.ndds == (NonDirectedDonor(id="N1", blood_group=BloodGroup.O), NonDirectedDonor(id="N2"))
    assert pool.arcs == (
        Arc(donor="P1", recipient="P2", weight=2.5, success_probability=0.5),
        Arc(donor="P2", recipient="P2", giver="d1"),
        Arc(donor="N1", recipient="P3"),
    )


def test_attributes_without_a_study_are_inferred_and_the_note_says_so(tmp_path: Path) -> None:
    pool = read_pool(write(tmp_path))
    age, diet = pool.attributes
    assert isinstance(age, NumericAttribute)
    assert (age.minimum, age.maximum) == (40, 61.5)
    assert isinstance(diet, CategoricalAttribute)
    assert diet.level_names == ("vegan", "any")
    assert "inferred from a table: age 40 to 61.5; diet vegan/any" in pool.note
    write_pool(pool, tmp_path / "pool.json")
    assert read_pool(tmp_path / "pool.json") == pool


@pytest.mark.parametrize("name", ["kidney-8", "kidney-numeric"])
def test_with_the_study_a_table_keeps_what_attributes_mean(name: str, tmp_path: Path) -> None:
    design = example_design(name)
    pool = generate_pool(design, n_pairs=20, n_ndds=2, seed=3)
    write_pool(pool, tmp_path / "g.pairs.csv")
    back = read_pool(tmp_path / "g.pairs.csv", design=design)
    assert (back.pairs, back.ndds, back.arcs) == (pool.pairs, pool.ndds, pool.arcs)
    assert (back.attributes, back.note) == (design.attributes, "")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (",40,", ",400,", r"x\.pairs\.csv:2: attribute 'age' ranges from 30 to 70, so 400"),
        (",40,", ",young,", r"x\.pairs\.csv:2: attribute 'age' needs a number, not 'young'"),
        (",40,", ",,", r"x\.pairs\.csv:2: no value for attribute 'age'"),
        (
            "attribute.diet",
            "attribute.hair",
            r"x\.pairs\.csv:1: the study .* age, diet, this table age, hair",
        ),
    ],
)
def test_values_that_the_study_does_not_know_are_complained_about(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    from dataclasses import replace

    from survey.design import Level

    study = replace(
        example_design("kidney-8"),
        attributes=(
            NumericAttribute(name="age", label="age", minimum=30, maximum=70, step=0.5),
            CategoricalAttribute(
                name="diet",
                label="diet",
                levels=(Level(name="any", words="any"), Level(name="vegan", words="vegan")),
            ),
        ),
    )
    assert read_pool(write(tmp_path), design=study).attributes == study.attributes
    with pytest.raises(BadPool, match=complaint):
        read_pool(write(tmp_path, PAIRS.replace(old, new)), design=study)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_spreadsheet_programs_write_is_read(tmp_path: Path, delimiter: str) -> None:
    expected = read_pool(write(tmp_path))

    def exported(text: str, marker: str = "") -> str:
        text = (
            text.replace("d1;d2", '"d1;d2"')
            .replace(",", delimiter)
            .replace(".5", ",5")
            .replace("0.45", "0,45")
        )
        return "\ufeff" + marker + text.replace("yes", "TRUE").replace("no,", "FALSE,").replace("\n", "\r\n")

    blank = delimiter * 4 + "\n"
    path = write(
        tmp_path, exported(PAIRS, f"sep={delimiter}\r\n"), exported(NDDS), exported(ARCS + blank + blank)
    )
    assert read_pool(path) == expected


def test_only_required_columns_are_required_in_any_order(tmp_path: Path) -> None:
    pool = read_pool(write(tmp_path, "id\nb\na\n", None, "recipient,donor\na,b\n"))
    assert pool.pairs == (Pair(id="b"), Pair(id="a"))
    assert pool.arcs == (Arc(donor="b", recipient="a"),)
    assert pool.ndds == ()


@pytest.mark.parametrize(
    ("table", "old", "new", "complaint"),
    [
        ("pairs", "id,", "name,", r"x\.pairs\.csv:1: the column id is missing"),
        ("pairs", "cpra", "id", r"x\.pairs\.csv:1: the column 'id' is given twice"),
        ("pairs", "cpra", "pra", r"x\.pairs\.csv:1: the column 'pra' is not one of id, .*attribute\.NAME"),
        ("pairs", "attribute.diet", "diet", r"x\.pairs\.csv:1: the column 'diet' is not one of"),
        ("pairs", "P1,O", "P1,C", r"x\.pairs\.csv:2: patient_blood_group should be O, A, B or AB, not 'C'"),
        ("pairs", "0.45", "45", r"x\.pairs\.csv:2: pair 'P1' has cPRA 45"),
        ("pairs", "0.45", "high", r"x\.pairs\.csv:2: cpra should be a number, not 'high'"),
        ("pairs", ",no,", ",perhaps,", r"x\.pairs\.csv:2: compatible should be yes or no, not 'perhaps'"),
        ("pairs", "P3,", "P1,", r"x\.pairs\.csv:4: the id 'P1' is given twice"),
        ("pairs", ",40,vegan", ",40", r"x\.pairs\.csv:2: 8 cells under 9 columns"),
        ("pairs", "yes", "no", r"x\.arcs\.csv:3: .*itself, which is not called compatible"),
        (
            "pairs",
            "any",
            "vegan",
            r"x\.pairs\.csv:1: the attribute 'diet' says 'vegan' of everybody.*--design",
        ),
        ("pairs", "attribute.age", "attribute.how old", r"x\.pairs\.csv:1: .*name.*--design"),
        ("pairs", ",any", ',"any', r"x\.pairs\.csv:3: not a table: .*quotation mark"),
        ("ndds", "N2", "P1", r"x\.ndds\.csv:3: the id 'P1' is given twice"),
        ("arcs", "N1,", "N9,", r"x\.arcs\.csv:4: .*nobody has the id 'N9'"),
        ("arcs", "2.5", "-1", r"x\.arcs\.csv:2: .*weight -1"),
        ("arcs", "2.5", "1_0", r"x\.arcs\.csv:2: weight should be a number, not '1_0'"),
        ("arcs", ",d1", ",d7", r"x\.arcs\.csv:3: .*giver 'd7', who is not among"),
        ("arcs", "N1,P3", "P1,P2", r"x\.arcs\.csv:4: .*given twice, first at .*x\.arcs\.csv:2"),
    ],
)
def test_what_does_not_fit_is_named_by_table_and_line(
    tmp_path: Path, table: str, old: str, new: str, complaint: str
) -> None:
    texts = {"pairs": PAIRS, "ndds": NDDS, "arcs": ARCS}
    assert old in texts[table]
    texts[table] = texts[table].replace(old, new, 1)
    with pytest.raises(BadPool, match=complaint):
        read_pool(write(tmp_path, **texts))


def test_every_bad_row_is_named_and_forgiving_leaves_them_out(tmp_path: Path) -> None:
    pairs = PAIRS + '"P\n4",,,,,,,,\nP5,Q,,,,,,,\n'
    arcs = ARCS + "P5,P1,1,1,\nP1,P5,1,1,\nP1,P3,x,1,\nP3,P1\n"
    path = write(tmp_path, pairs, NDDS, arcs)
    complaints = Complaints(is_forgiving=True)
    pool = read_pool(path, complaints)
    assert [p.id for p in pool.pairs] == ["P1", "P2", "P3", "P\n4"]
    assert len(pool.arcs) == 3
    assert complaints.rows_left_out == 5
    texts = "\n".join(complaints.found)
    assert "x.pairs.csv:7: patient_blood_group should be" in texts
    assert "x.arcs.csv:5: 2 arc(s) from or to 'P5'" in texts
    assert "x.arcs.csv:7: weight should be a number, not 'x'" in texts
    assert "x.arcs.csv:8: 2 cells under 5 columns" in texts
    with pytest.raises(BadPool, match=r"3 complaints"):
        read_pool(path)


def test_a_column_of_unknown_name_can_be_forgiven(tmp_path: Path) -> None:
    complaints = Complaints(is_forgiving=True)
    pool = read_pool(write(tmp_path, PAIRS.replace("cpra", "pra")), complaints)
    assert pool.pairs[0].cpra is None
    assert complaints.rows_left_out == 0
    assert len(complaints.found) == 1


def test_a_pool_without_a_table_of_arcs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadPool, match=r"x\.arcs\.csv: there is no such file; a pool without arcs has it with"
    ):
        read_pool(write(tmp_path, arcs=None), Complaints(is_forgiving=True))
    assert read_pool(write(tmp_path, PAIRS.replace("yes", "no"), arcs="donor,recipient\n")).arcs == ()


def test_text_that_is_not_utf_8_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(PAIRS.replace("vegan", "f\xfcr").encode("latin-1"))
    with pytest.raises(BadPool, match=r"x\.pairs\.csv:2: not UTF-8 text; .*CSV UTF-8"):
        read_pool(path)
    path.write_text(PAIRS, encoding="utf-16")
    with pytest.raises(BadPool, match=r"UTF-16.*CSV UTF-8"):
        read_pool(path)


def test_a_design_is_for_tables_only(tmp_path: Path) -> None:
    write_pool(read_pool(write(tmp_path)), tmp_path / "pool.json")
    with pytest.raises(BadRequest, match="leave it out"):
        read_pool(tmp_path / "pool.json", design=example_design("kidney-8"))
