from __future__ import annotations

import json
import stat

import pytest
from click.testing import CliRunner

from llm_compare.allocation.problems.problems_file import problems_sha256, read_problems
from llm_compare.allocation.problems.viability import is_viable
from llm_compare.commands.problems import problems_command
from llm_compare.errors import BadProblems


@pytest.fixture
def run(tmp_path):
    """Return a function that draws problems into a file."""

    def run(*arguments, out="problems.json"):
        return CliRunner().invoke(problems_command, ["--out", str(tmp_path / out), *map(str, arguments)])

    return run


@pytest.fixture
def registry(extract):
    """Write an extract with people of many sizes, some of whom cannot be used."""
    rows = [
        {
            "ABO": "OAB"[i % 3],
            "HGT_CM_TCR": str(150 + i % 40),
            "WGT_KG_TCR": str(50 + i % 37),
            "ABO_DON": "OAO"[i % 3],
            "HGT_CM_DON_CALC": str(150 + (7 * i) % 40),
            "WGT_KG_DON_CALC": str(50 + (11 * i) % 37),
        }
        for i in range(200)
    ]
    return extract(*rows, {"WGT_KG_TCR": ""}, {"HGT_CM_TCR": "1730", "ABO_DON": ""})


def test_the_defaults_are_the_papers_numbers_and_say_synthetic(run, tmp_path):
    done = run()

    assert done.exit_code == 0, done.output
    read = read_problems(tmp_path / "problems.json")
    assert (len(read.problems), read.problems[0].size, len(read.pairs)) == (20, 15, 25)
    assert len(read.example_sets) == 15
    assert "20 problems with 300 candidates" in done.stdout
    assert "25 pairs, 10 viable" in done.stdout
    assert "Synthetic: nobody of these candidates and donors exists." in done.stdout
    assert "synthetic" in read.title
    assert read.source.startswith("synthetic")


def test_the_counts_are_those_of_the_file(run, tmp_path):
    done = run("--problems", 4, "--candidates", 6, "--kidneys-tested", 3, "--seed", 2, "--json")

    said, read = json.loads(done.stdout), read_problems(tmp_path / "problems.json")
    genders = [c["GENDER"] for p in read.problems for c in p.candidates]
    assert said["groups"]["gender"] == {name: genders.count(name) for name in ("Male", "Female")}
    assert sum(said["groups"]["ethnicity"].values()) == said["candidates"] == 24
    assert said["viable_pairs"] == sum(is_viable(p.kidney, p.candidates[0]) for p in read.pairs)
    assert said["sha256"] == problems_sha256(read)
    assert said["extract"] == {}


def test_the_same_seed_writes_the_same_bytes(run, tmp_path):
    for seed, out in ((1, "a.json"), (1, "b.json"), (2, "c.json")):
        assert run("--problems", 2, "--seed", seed, out=out).exit_code == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.json", "b.json", "c.json"))

    assert a == b != c


def test_problems_of_an_extract_stay_on_the_machine(run, registry, tmp_path):
    done = run(
        *("--from-candidates", registry, "--from-kidneys", registry),
        *("--problems", 3, "--candidates", 5, "--example-sets", 2),
    )

    assert done.exit_code == 0, done.output
    path = tmp_path / "problems.json"
    read = read_problems(path)
    assert read.is_restricted
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "must stay on this machine" in done.stdout
    assert "candidates: 202 rows in extract.csv, 200 usable, 200 kept" in done.stdout
    assert "1 left out: WGT_KG_TCR is missing" in done.stdout
    assert "1 left out: HGT_CM_TCR is outside 30 to 250 cm" in done.stdout
    assert "kidneys: 202 rows in extract.csv, 201 usable, 201 kept" in done.stdout
    assert str(tmp_path) not in path.read_text()


def test_an_extract_in_codes_that_are_not_known_is_refused_before_anything_is_written(run, extract, tmp_path):
    path = extract({"ETHCAT": "77"})

    done = run("--from-candidates", path, "--from-kidneys", path)

    assert isinstance(done.exception, BadProblems)
    assert not (tmp_path / "problems.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from-candidates", "a.csv"), "belong together"),
        (("--forgiving",), "add --from-candidates"),
        (("--column-names", "names.txt"), "add --from-candidates"),
        (("--problems", 0), "--problems"),
    ],
)
def test_options_that_make_no_sense_are_refused(run, arguments, message):
    done = run(*arguments)

    assert done.exit_code == 2
    assert message in done.stderr


def test_the_extract_is_never_written_over(run, registry):
    before = registry.read_bytes()

    done = run("--from-candidates", registry, "--from-kidneys", registry, out="extract.csv")

    assert done.exit_code == 2
    assert registry.read_bytes() == before
