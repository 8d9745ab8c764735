from __future__ import annotations

import hashlib

import pytest

from llm_compare.allocation.problems import registry_extract
from llm_compare.allocation.problems.registry_extract import read_candidates, read_kidneys
from llm_compare.errors import BadProblems

# As the paper's Choose-One prompt shows them (arXiv 2504.03716v2, appendix B.2: candidate 10 and the kidney).
SHOWN_CANDIDATE = (
    *("A", 2, 68, 7, 0, 4, 15, 27, 173.0, 56.7),
    *("Male", "Hispanic/Latino", "HIGH SCHOOL (9-12) or GED", "No", 965, "INDIANA"),
)
SHOWN_KIDNEY = (*("A", 2, 29, 45, 58, 4, 11, 22, 183.0, 65.8, "Male", "White, Non-Hispanic", "MISSISSIPPI"),)
DECODED = {
    "GENDER": "Male",
    "ETHCAT": "Hispanic/Latino",
    "EDUCATION": "HIGH SCHOOL (9-12) or GED",
    "WORK_INCOME_TCR": "No",
    "PERM_STATE": "Indiana",
}


def heights(found):
    return [candidate["HGT_CM_TCR"] for candidate in found.records]


@pytest.mark.parametrize("name", ["e.csv", "e.tsv", "e.tab", "e.txt", "E.DAT"])
def test_codes_become_the_words_that_prompts_show(extract, name):
    path = extract({}, name=name)

    candidates, kidneys = read_candidates(path, seed=0), read_kidneys(path, seed=0)

    assert candidates.records[0].values == SHOWN_CANDIDATE
    assert kidneys.records[0].values == SHOWN_KIDNEY
    assert (candidates.n_read, candidates.n_usable, candidates.left_out) == (1, 1, {})
    assert candidates.file == name
    assert candidates.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_words_that_are_decoded_already_stay(extract):
    assert read_candidates(extract(DECODED), seed=0).records[0].values == SHOWN_CANDIDATE


def test_a_file_of_sas_reads_like_the_text_it_was_made_of(extract, tmp_path, monkeypatch):
    import pandas as pd
    import pyreadstat

    text = extract({}, {"HGT_CM_TCR": "180.5", "ETHCAT": "998"}, {"ABO": ""}, {"WGT_KG_TCR": ""})
    table = pd.read_csv(text, keep_default_na=False, na_values={"WGT_KG_TCR": [""]}, dtype={"NOTE": str})
    sas = tmp_path / "extract.xpt"
    pyreadstat.write_xport(table, str(sas), file_format_version=8)
    monkeypatch.setattr(registry_extract, "_CHUNK_ROWS", 2)  # Three chunks, the last one empty.

    for read in (read_candidates, read_kidneys):
        assert read(sas, seed=0).records == read(text, seed=0).records
    assert read_candidates(sas, seed=0).left_out == {"ABO is missing": 1, "WGT_KG_TCR is missing": 1}


def test_a_file_without_header_reads_with_the_names_of_its_columns(extract, tmp_path):
    with_header = extract({}, name="with.dat")
    bare = extract({}, name="bare.dat", header=False)
    first_line = with_header.read_text().splitlines()[0]
    lines, line = tmp_path / "lines.txt", tmp_path / "line.txt"
    lines.write_text("\n".join(first_line.lower().split("\t")) + "\n")
    line.write_text(first_line)

    for names in (lines, line):
        assert read_candidates(bare, seed=0, column_names=names).records[0].values == SHOWN_CANDIDATE
    with pytest.raises(BadProblems, match="--column-names"):
        read_candidates(bare, seed=0)
    with pytest.raises(BadProblems, match=r"no_such\.txt"):
        read_candidates(bare, seed=0, column_names=tmp_path / "no_such.txt")


def test_every_missing_column_is_named(extract):
    path = extract({}, without=("HGT_CM_TCR", "PERM_STATE"))

    with pytest.raises(BadProblems, match="HGT_CM_TCR, PERM_STATE are missing"):
        read_candidates(path, seed=0)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("ETHCAT", "77"),
        ("GENDER", "X"),
        ("PERM_STATE", "QQ"),
        ("ABO", "C"),
        ("AGE", "old"),
        ("A1", "2.5"),
        ("WGT_KG_TCR", "inf"),
        ("WORK_INCOME_TCR", "maybe"),
        ("EDUCATION", "7"),
    ],
)
def test_a_code_that_is_not_known_is_refused_with_its_place_or_counted(extract, column, text):
    path = extract({}, {column: text})

    with pytest.raises(BadProblems, match=rf"line 3: {column} is '{text}'.*--forgiving"):
        read_candidates(path, seed=0)
    found = read_candidates(path, seed=0, forgiving=True)
    assert (found.n_read, found.n_usable, len(found.records)) == (2, 1, 1)
    assert [(reason.split()[0], n) for reason, n in found.left_out.items()] == [(column, 1)]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("ETHCAT", "998"),
        ("EDUCATION", "UNKNOWN"),
        ("WORK_INCOME_TCR", "U"),
        ("AGE", "."),
        ("B2", ""),
        ("GENDER", ""),
    ],
)
def test_what_the_registry_does_not_know_is_none_and_no_reason_to_leave_somebody_out(extract, column, text):
    found = read_candidates(extract({column: text}), seed=0)

    assert found.records[0][column] is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ABO": "UNK"}, "ABO is missing"),
        ({"HGT_CM_TCR": "."}, "HGT_CM_TCR is missing"),
        ({"WGT_KG_TCR": ""}, "WGT_KG_TCR is missing"),
        ({"HGT_CM_TCR": "17.3"}, "HGT_CM_TCR is outside 30 to 250 cm"),
        ({"WGT_KG_TCR": "567"}, "WGT_KG_TCR is outside 2 to 300 kg"),
        ({"AGE": "-1"}, "AGE is outside 0 to 120 years"),
    ],
)
def test_rows_that_nobody_can_judge_are_left_out_and_counted(extract, changed, reason):
    found = read_candidates(extract({}, changed, changed, {"AGE": "50"}), seed=0)

    assert found.left_out == {reason: 2}
    assert (found.n_read, found.n_usable, len(found.records)) == (4, 2, 2)


def test_rows_without_a_donor_are_no_kidneys(extract):
    waiting = dict.fromkeys(("ABO_DON", "HGT_CM_DON_CALC", "WGT_KG_DON_CALC", "GENDER_DON"), "")

    found = read_kidneys(extract(waiting, {}), seed=0)

    assert (len(found.records), found.left_out) == (1, {"ABO_DON is missing": 1})


def test_quotation_marks_and_other_encodings_in_columns_that_nobody_needs_do_no_harm(extract):
    path = extract({}, {"HGT_CM_TCR": "180"}, name="free.txt")
    first, second, third = path.read_text().splitlines()
    damaged = second.replace("IN\t\tA", 'IN\tsaid "no\tA')
    assert damaged != second
    path.write_bytes("\r\n".join((first, damaged.replace("no", "é"), third, "")).encode("latin-1"))

    assert heights(read_candidates(path, seed=0)) == [173.0, 180.0]


def test_a_row_of_another_width_is_refused_with_its_line(extract):
    path = extract({}, {})
    path.write_text(path.read_text() + "KI,A,2\n")

    with pytest.raises(BadProblems, match="line 4: the row has more or fewer values"):
        read_candidates(path, seed=0)
    assert read_candidates(path, seed=0, forgiving=True).n_usable == 2


def test_of_a_large_extract_a_random_sample_is_kept(extract):
    path = extract(*({"HGT_CM_TCR": str(100 + i)} for i in range(40)))

    samples = [read_candidates(path, seed=seed, most=10) for seed in range(300)]

    assert all(len(set(heights(sample))) == 10 and sample.n_usable == 40 for sample in samples)
    assert read_candidates(path, seed=7, most=10) == samples[7]
    # Everybody's chance is 1/4: 75 of 300, standard deviation 7.5.
    times = [sum(100.0 + i in heights(sample) for sample in samples) for i in range(40)]
    assert 45 <= min(times) <= max(times) <= 105


@pytest.mark.parametrize("name", ["damaged.sas7bdat", "damaged.xpt"])
def test_a_damaged_file_of_sas_is_refused(tmp_path, name):
    path = tmp_path / name
    for content in (b"", b"rubbish" * 1000):
        path.write_bytes(content)
        with pytest.raises(BadProblems, match=rf"{name}: cannot be read as a .* file of SAS .*CSV"):
            read_candidates(path, seed=0)


@pytest.mark.parametrize("name", ["none.csv", "none.sas7bdat", "none.docx"])
def test_a_file_that_is_not_there_or_of_no_known_kind_is_refused(tmp_path, name):
    with pytest.raises(BadProblems, match=name):
        read_candidates(tmp_path / name, seed=0)


def test_files_of_sas_need_no_column_names(tmp_path):
    with pytest.raises(BadProblems, match="leave the column names out"):
        read_candidates(tmp_path / "a.xpt", seed=0, column_names=tmp_path / "names.txt")
