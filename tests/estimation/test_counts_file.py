from __future__ import annotations

import pytest

from estimation.counts_file import is_counts_file, read_counts
from estimation.errors import EstimationError
from survey.cli import run

TEXT = "left,right,left_chosen,right_chosen,indecision\na,b,7,3,2\nb,c,6,4,1\nc,a,2,8,\n"


@pytest.fixture
def counts(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_counts_are_read_with_the_side_shown_first(counts):
    data = read_counts(counts)

    assert is_counts_file(counts)
    assert data.names == ("a", "b", "c")
    assert data.counts.tolist() == [[7, 3, 2], [6, 4, 1], [2, 8, 0]]
    assert list(zip(data.left, data.right, strict=True)) == [(0, 1), (1, 2), (2, 0)]


def test_counts_can_be_fitted_on_the_command_line(counts, capsys):
    assert run(["estimate", "fit", str(counts), "--model", "davidson"]) == 0
    assert "weight 1" in capsys.readouterr().out
    assert run(["estimate", "fit", str(counts)]) == 0
    assert capsys.readouterr().out.startswith("bradley-terry")
    assert run(["estimate", "fit", str(counts), "--model", "davidson", "--arm", "main"]) == 2
    assert "--arm needs a file of answers" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["-1", "many", "nan", "inf"])
def test_a_cell_that_is_no_count_is_named(counts, cell):
    counts.write_text(TEXT.replace("b,c,6", f"b,c,{cell}"), encoding="utf-8")
    with pytest.raises(EstimationError, match=r"counts\.csv:3: .*left_chosen"):
        read_counts(counts)


def test_answers_are_not_taken_for_counts(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("respondent,left,right,choice\n", encoding="utf-8")
    assert not is_counts_file(path)
    assert not is_counts_file(tmp_path / "nowhere.csv")
