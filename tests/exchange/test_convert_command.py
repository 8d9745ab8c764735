from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from exchange.commands.convert import command
from exchange.errors import BadPool, BadRequest
from exchange.pool_file import read_pool, write_pool
from exchange.pool_generator import generate_pool
from survey.design_file import EXAMPLES, example_design


def invoke(*arguments: object) -> Result:
    """Run the command; its errors propagate, as they do to the root command."""
    result = CliRunner().invoke(
        command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False
    )
    if isinstance(result.exception, click.ClickException):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def pool_path(tmp_path: Path) -> Path:
    path = tmp_path / "pool.json"
    write_pool(generate_pool(example_design("kidney-8"), n_pairs=12, n_ndds=2, seed=1), path)
    return path


@pytest.mark.parametrize(
    "out", ["out.pairs.csv", "out.wmd", "out.input", "out.npz", "out.kep.json", "out.json"]
)
def test_a_pool_is_turned_into_every_format_that_can_be_written(
    pool_path: Path, tmp_path: Path, out: str
) -> None:
    pool = read_pool(pool_path)
    result = invoke(pool_path, "--out", tmp_path / out)
    back = read_pool(tmp_path / out)
    assert (len(back.pairs), len(back.ndds), len(back.arcs)) == (12, 2, len(pool.arcs))
    assert result.stdout == f"{tmp_path / out}: 12 pairs, 2 non-directed donors, {len(pool.arcs)} arcs\n"
    assert ("does not keep that the people in it are simulated" in result.stderr) == (out != "out.json")
    assert f"note: {pool.note}" in result.stderr


def test_a_bad_row_stops_the_conversion_unless_it_is_forgiven(tmp_path: Path) -> None:
    source, out = tmp_path / "x.input", tmp_path / "pool.json"
    source.write_text("3 4\n0 1 1\n1 0 oops\n1 7 1\n2 0 1\n-1 -1 -1\n")
    with pytest.raises(BadPool, match=r"2 complaints(.|\n)*x\.input:3: (.|\n)*x\.input:4: "):
        invoke(source, "--out", out)
    assert not out.exists()
    result = invoke(source, "--out", out, "--forgiving")
    assert "x.input:3: the weight should be a number, not 'oops'" in result.stderr
    assert "x.input:4: recipient 7 does not exist" in result.stderr
    assert "2 complaint(s), 2 row(s) left out" in result.stderr
    assert len(read_pool(out).arcs) == 2


def test_the_report_is_data_if_wanted(tmp_path: Path) -> None:
    source, out = tmp_path / "x.input", tmp_path / "out.wmd"
    source.write_text("2 2\n0 1 1\n1 0 oops\n-1 -1 -1\n")
    table = json.loads(invoke(source, "--out", out, "--forgiving", "--json").stdout)
    assert (table["pairs"], table["ndds"], table["arcs"], table["rows_left_out"]) == (2, 0, 1, 1)
    assert table["complaints"] == [f"{source}:3: the weight should be a number, not 'oops'"]
    assert table["not_kept"][0] == "ids: members are numbered instead, e.g. P0 becomes P1"


def test_a_design_says_what_the_attributes_of_a_table_mean(pool_path: Path, tmp_path: Path) -> None:
    tables, back = tmp_path / "t.pairs.csv", tmp_path / "back.json"
    invoke(pool_path, "--out", tables)
    invoke(tables, "--design", EXAMPLES / "kidney-8.toml", "--out", back)
    assert read_pool(back).attributes == read_pool(pool_path).attributes
    assert read_pool(back).pairs == read_pool(pool_path).pairs


def test_the_file_that_is_read_and_its_companions_are_never_overwritten(
    pool_path: Path, tmp_path: Path
) -> None:
    with pytest.raises(click.UsageError, match="the file that is read"):
        invoke(pool_path, "--out", pool_path)
    source = tmp_path / "x.input"
    invoke(pool_path, "--out", source)
    # A link by another name leads to a companion of the source.
    (tmp_path / "y.input").symlink_to(tmp_path / "elsewhere.input")
    (tmp_path / "y.ndds").symlink_to(tmp_path / "x.ndds")
    with pytest.raises(BadRequest, match="belongs to the pool that is read"):
        invoke(source, "--out", tmp_path / "y.input")


def test_a_folder_that_is_not_there_is_noticed_first(pool_path: Path, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="there is no folder"):
        invoke(pool_path, "--out", tmp_path / "no" / "pool.json")


def test_an_unknown_format_is_refused_with_those_that_are_known(pool_path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadPool, match=r"\.pairs\.csv"):
        invoke(pool_path, "--out", tmp_path / "pool.xlsx")


def test_help_shows_an_example_and_every_format() -> None:
    text = invoke("--help").output
    assert "equipoise exchange convert" in text
    for ending in (".pairs.csv", ".wmd", ".input", ".npz", ".kep.json", ".yaml"):
        assert ending in text


def test_patients_who_are_all_alike_can_be_written_to_tables_and_read_with_the_study(
    pool_path: Path, tmp_path: Path
) -> None:
    document = json.loads(pool_path.read_text())
    for pair in document["pairs"]:
        pair["profile"] = document["pairs"][0]["profile"]
    pool_path.write_text(json.dumps(document))
    tables = tmp_path / "t.pairs.csv"
    assert "what the attributes mean" in invoke(pool_path, "--out", tables).stderr
    with pytest.raises(BadPool, match=r"of everybody.*--design"):
        read_pool(tables)
    assert read_pool(tables, design=example_design("kidney-8")).pairs == read_pool(pool_path).pairs
