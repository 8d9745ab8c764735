from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import BadRequest
from exchange.simulation import imported_profiles
from exchange.simulation.imported_profiles import profiles_text, read_profiles
from survey.design import StudyDesign
from survey.design_file import example_design

STUDY = example_design("kidney-8")
KNOWN = STUDY.profiles() or ()


def read(text: str, folder: Path, study: StudyDesign = STUDY) -> list[str]:
    path = folder / "patients.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return [profile.id for profile in read_profiles(path, study)]


def test_each_line_is_a_patient_and_count_says_how_many_are_alike(tmp_path: Path) -> None:
    assert read("health,age,drinking\nhealthy,young,rare\ncancer,old,frequent\n", tmp_path) == ["YRH", "OFC"]
    assert read("age,drinking,health,count\nyoung,rare,healthy,2\nold,rare,healthy,1\n", tmp_path) == [
        "YRH",
        "YRH",
        "ORH",
    ]


def test_numbers_and_what_spreadsheet_programs_write_are_read(tmp_path: Path) -> None:
    numeric = example_design("kidney-numeric")
    names = [a.name for a in numeric.attributes]
    profile = (numeric.profiles() or ())[7]
    cells = [str(profile[name]) for name in names]
    text = f"\ufeff{';'.join(names)}\r\n{';'.join(cells)}\r\n{';' * (len(names) - 1)}\r\n"
    assert read(text, tmp_path, numeric) == [profile.id]


@given(profiles=st.lists(st.sampled_from(KNOWN), min_size=1, max_size=30).map(tuple))
def test_profiles_written_are_read_back_in_order_under_the_names_of_the_study(profiles: tuple) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patients.csv"
        path.write_text(profiles_text(profiles, STUDY), encoding="utf-8")
        found = read_profiles(path, STUDY)
    assert [p.id for p in found] == [p.id for p in profiles]


def test_alike_patients_in_a_row_share_a_line() -> None:
    assert profiles_text((KNOWN[0],) * 1000, STUDY).splitlines()[1:] == ["young,rare,healthy,1000"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("age,drinking\nyoung,rare\n", r"patients\.csv:1: the column health is missing"),
        ("age,drinking,health,id\nyoung,rare,healthy,1\n", r"patients\.csv:1: the column 'id' is not one of"),
        ("age,drinking,health\nyoung,rare,ill\n", r"patients\.csv:2: attribute 'health' has no level 'ill'"),
        ("age,drinking,health\nyoung,,healthy\n", r"patients\.csv:2: drinking is empty"),
        ("age,drinking,health\nyoung,rare\n", r"patients\.csv:2: 2 cells under 3 columns"),
        ("age,drinking,health,count\nyoung,rare,healthy,0\n", r"patients\.csv:2: count should be 1 or more"),
        ("age,drinking,health,count\nyoung,rare,healthy,1.5\n", r"csv:2: count should be a whole number"),
        ("age,drinking,health,count\nyoung,rare,healthy,\n", r"csv:2: count should be a whole number"),
        ("age,drinking,health\n", r"patients\.csv: no patients"),
        ("age,age,drinking,health\n", r"the column 'age' is given twice"),
        ("age,drinking,health,count\nyoung,rare,healthy,2000000\n", r"csv:2: more than 1,000,000 patients"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_column(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=complaint) as caught:
        read(text, tmp_path)
    assert "--forgiving" not in str(caught.value)


def test_every_bad_line_is_told_at_once_but_not_thousands(tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        read("age,drinking,health\n" + "young,rare,ill\n" * 5000, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[0].startswith(f"{tmp_path / 'patients.csv'}:2:")
    assert lines[-1].startswith("and 4990 more")


def test_a_profile_that_the_study_does_not_list_is_refused(tmp_path: Path) -> None:
    numeric = example_design("kidney-numeric")
    profile = (numeric.profiles() or ())[0]
    names = [a.name for a in numeric.attributes]
    cells = [str(profile[n] + 0.5 if i == 0 else profile[n]) for i, n in enumerate(names)]  # type: ignore[operator]
    with pytest.raises(BadRequest, match=r"csv:2: study 'kidney-numeric' does not have the profile"):
        read(f"{','.join(names)}\n{','.join(cells)}\n", tmp_path, numeric)


def test_an_attribute_called_count_is_an_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_profiles, "COUNT", "age")
    assert read("age,drinking,health\nyoung,rare,healthy\n", tmp_path) == ["YRH"]
    assert profiles_text((KNOWN[0],) * 2, STUDY).splitlines() == [
        "age,drinking,health",
        "young,rare,healthy",
        "young,rare,healthy",
    ]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="name an existing table of patients' profiles"):
        read_profiles(tmp_path / "none.csv", STUDY)
    (tmp_path / "latin.csv").write_bytes("age,drinking,health\njüng,rare,healthy\n".encode("latin-1"))
    with pytest.raises(BadRequest, match=r"latin\.csv:2: not UTF-8 text"):
        read_profiles(tmp_path / "latin.csv", STUDY)
