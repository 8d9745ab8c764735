from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from exchange.commands.generate import command
from exchange.errors import BadRequest
from exchange.pool_file import read_pool
from exchange.pool_model import MODELS, UNOS_SPARSE
from exchange.pool_settings import parse_settings
from survey.design_file import EXAMPLES
from survey.errors import BadDesign


def run(*arguments: object) -> Result:
    """Run the command; its own errors propagate, as they do to the root command."""
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def generate(out: Path, *arguments: object) -> str:
    """Write a pool of 30 pairs and 4 ndds and return what the command printed."""
    result = run("--pairs", 30, "--ndds", 4, "--seed", 1, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "pool.json"


def test_it_writes_the_pool_and_says_how_its_people_were_drawn(out: Path) -> None:
    output = generate(out)
    pool = read_pool(out)
    assert (len(pool.pairs), len(pool.ndds)) == (30, 4)
    assert f"{out}: 30 pairs, 4 non-directed donors, {len(pool.arcs)} arcs; simulated" in output
    assert pool.note in output
    assert "Saidman et al. (2006)" in pool.note
    assert [a.name for a in pool.attributes] == ["age", "drinks", "dependents"]


def test_the_same_seed_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    generate(out)
    again = tmp_path / "again.json"
    generate(again)
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_can_be_named(out: Path, name: str) -> None:
    table = json.loads(generate(out, "--model", name, "--json"))
    assert table["model"] == name
    assert MODELS[name].source in read_pool(out).note
    expected_study = "kidney-8" if MODELS[name].profile_shares else "kidney-numeric"
    assert table["study"] == expected_study


def test_the_json_counts_what_the_pool_holds(out: Path) -> None:
    table = json.loads(generate(out, "--model", "unos-sparse", "--success", "apd", "--json"))
    pool = read_pool(out)
    assert table["out"] == str(out)
    assert table["success"] == "apd"
    assert table["note"] == pool.note
    assert (table["pairs"], table["ndds"], table["arcs"]) == (30, 4, len(pool.arcs))
    assert table["compatible_pairs"] == 0
    for group, count in table["donor_blood_groups"].items():
        assert count == sum(p.donor_blood_group == group for p in pool.pairs)
    assert table["mean_cpra"] == pytest.approx(sum(p.cpra or 0 for p in pool.pairs) / 30, abs=1e-4)
    assert {a.success_probability for a in pool.arcs} <= {0.72, 0.42}


def test_compatible_pairs_are_kept_when_asked_for(out: Path) -> None:
    output = generate(out, "--compatible-pairs")
    pool = read_pool(out)
    compatible = [p.id for p in pool.pairs if p.is_compatible]
    assert compatible
    assert f"30 pairs ({len(compatible)} compatible)" in output
    assert [a.donor for a in pool.arcs if a.donor == a.recipient] == compatible


def test_the_settings_of_the_researcher_are_used_and_noted(out: Path, tmp_path: Path) -> None:
    settings = tmp_path / "nowhere.toml"
    settings.write_text("[patient_blood_groups]\nO = 0.0\nA = 0.0\nB = 1.0\nAB = 0.0\n")
    table = json.loads(generate(out, "--settings", settings, "--json"))
    assert table["model"] == "nowhere"
    assert table["patient_blood_groups"] == {"O": 0, "A": 0, "B": 30, "AB": 0}
    assert "but patient_blood_groups by nowhere.toml: blood groups of patients O .0000" in table["note"]


def test_a_models_settings_are_printed_without_a_pool() -> None:
    result = run("--print-settings", "unos-sparse")
    assert result.exit_code == 0
    assert parse_settings(result.stdout, "x.toml", UNOS_SPARSE) == UNOS_SPARSE
    assert "share = 0.624" in result.stdout


def test_a_pool_of_nobody_is_written(out: Path) -> None:
    result = run("--pairs", 0, "--seed", 1, "--out", out, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["mean_cpra"] is None


def test_help_shows_an_example() -> None:
    assert (
        "equipoise exchange generate --pairs 256 --ndds 12 --seed 1 --out pool.json" in run("--help").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--success", "sometimes"), "success 'sometimes' is unknown"),
        (("--settings", "none.toml"), "name an existing settings file"),
        (
            ("--model", "freedman2020", "--design", EXAMPLES / "kidney-numeric.toml"),
            "draws profiles that study 'kidney-numeric' does not have",
        ),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(
    out: Path, arguments: tuple[object, ...], complaint: str
) -> None:
    with pytest.raises(BadRequest, match=complaint):
        run("--pairs", 3, "--seed", 1, "--out", out, *arguments)
    assert not out.exists()


def test_a_missing_design_is_refused(out: Path) -> None:
    with pytest.raises(BadDesign):
        run("--pairs", 3, "--seed", 1, "--out", out, "--design", "none.toml")


@pytest.mark.parametrize("wrong", [("--pairs", -1), ("--seed", -1), ("--model", "delmonico")])
def test_impossible_options_end_with_code_2(out: Path, wrong: tuple[object, ...]) -> None:
    assert run("--pairs", 3, "--seed", 1, "--out", out, *wrong).exit_code == 2


def test_a_pool_is_not_written_into_a_missing_folder_or_over_its_settings(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(run("--print-settings", "saidman").stdout, encoding="utf-8")
    before = settings.read_bytes()
    over = run("--pairs", 3, "--seed", 1, "--settings", settings, "--out", settings)
    assert over.exit_code == 2
    assert "the file that is read" in over.output
    assert settings.read_bytes() == before
    missing = run("--pairs", 3, "--seed", 1, "--out", "nowhere/pool.json")
    assert missing.exit_code == 2
    assert "there is no folder nowhere" in missing.output


def test_no_pairs_have_no_mean_cpra(out: Path) -> None:
    assert "mean cPRA unknown" in run("--pairs", 0, "--seed", 1, "--out", out).stdout
