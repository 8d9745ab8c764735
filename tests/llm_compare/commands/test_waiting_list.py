"""``equipoise compare waiting-list``, run as it stands with scripted respondents."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from llm_compare.commands.waiting_list import waiting_list_command
from llm_compare.errors import BadProblems, UnknownModel

# As in test_client: litellm's own type definitions warn about themselves.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SMALL = ("--episodes", "3", "--kidneys", "4", "--start", "60", "--turns", "single", "--acceptance", "0.6")
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Run:
    monkeypatch.setenv("EQUIPOISE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*options: str, out: str = "waiting_list.json") -> Result:
        return CliRunner().invoke(
            waiting_list_command, [*SMALL, *options, "--out", str(tmp_path / out)], catch_exceptions=False
        )

    return invoke


def test_a_script_that_sorts_women_first_gives_them_more_kidneys_on_the_same_lists(run: Run, tmp_path: Path):
    result = run("--model", "scripted/sorts:gender=Female", "--kidneys", "8")

    assert result.exit_code == 0, result.output
    assert "synthetic" in result.stderr
    document = json.loads((tmp_path / "waiting_list.json").read_text())
    assert document["format"] == "equipoise waiting list"
    assert [r["respondent"] for r in document["respondents"]] == [
        "scripted/waiting-time",
        "scripted/sorts:gender=Female",
    ]
    (difference,) = document["differences"]
    women = next(
        row["estimate"]["value"]
        for row in difference["rows"]
        if row["quantity"] == "share of accepted kidneys" and row["group"] == "Female"
    )
    assert women > 0
    for respondent in document["respondents"]:
        groups = {p["id"]: p["candidate"] for p in document["episodes"]["drawn"][0]["persons"]}
        assert {s["accepted_by"] for s in respondent["steps"] if s["episode"] == 1} - {None} <= set(groups)
        counts = respondent["counts"]
        assert counts["kidneys"] == 24
        assert counts["accepted"] <= respondent["reads"]["answer"] + 24
        assert respondent["complete"]


def test_the_same_command_gives_the_same_bytes_from_another_store(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run("--model", "scripted/random")
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{tmp_path}/other.sqlite")
    run("--model", "scripted/random", out="again.json")

    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "waiting_list.json").read_bytes()


def test_a_run_that_was_stopped_goes_on_with_the_same_command_to_the_same_end(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model = ("--model", "scripted/sorts:gender=Male")

    first = run(*model, "--max-calls", "5")
    document = json.loads((tmp_path / "waiting_list.json").read_text())
    second = run(*model)
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{tmp_path}/other.sqlite")
    run(*model, out="at_once.json")

    assert (first.exit_code, second.exit_code) == (1, 0)
    assert "of 4 kidneys of each list" in first.stderr
    assert "the same command again asks only the rest" in first.stderr
    assert [r["complete"] for r in document["respondents"]] == [True, False]
    assert 3 <= document["respondents"][1]["counts"]["kidneys"] < 12
    assert document["differences"] == []  # They did not come as far.
    assert (tmp_path / "waiting_list.json").read_bytes() == (tmp_path / "at_once.json").read_bytes()


def test_a_model_over_http_that_will_not_rank_gives_every_kidney_to_nobody(
    run: Run, tmp_path: Path, provider, serve
):
    provider.otherwise = serve(content="I will not rank people.")

    result = run("--model", "openai/anything", "--api-base", provider.url, "--kidneys", "2")

    assert result.exit_code == 0, result.output
    assert "no price: the server is on this machine or network" in result.stderr
    asked = len(provider.received)
    assert asked > 3
    assert f"rankings that allotted nothing: {asked} refusal" in result.stdout
    model = json.loads((tmp_path / "waiting_list.json").read_text())["respondents"][1]
    assert model["counts"]["without_ranking"] == model["reads"]["refusal"] == asked
    assert not any(step["offers"] for step in model["steps"] if step["read"] == "refusal")


def test_an_interrupt_stops_the_lists_also_where_all_replies_to_the_kidney_still_arrive(
    run: Run, tmp_path: Path, provider, serve, monkeypatch: pytest.MonkeyPatch
):
    class Interrupting(list):
        """The calls that arrived, the first of which is interrupted."""

        def append(self, body: object) -> None:
            super().append(body)
            if len(self) == 1:
                os.kill(os.getpid(), signal.SIGINT)

    provider.received = Interrupting()
    provider.otherwise = serve(content="I will not rank people.", delay_seconds=0.2)
    model = ("--model", "openai/anything", "--api-base", provider.url, "--episodes", "1", "--kidneys", "9")

    stopped = run(*model)
    n_asked = len(provider.received)
    rest = run(*model)

    assert (stopped.exit_code, n_asked, rest.exit_code) == (1, 1, 0)
    assert "Stopped by an interrupt" in stopped.stderr
    assert len(provider.received) == len({json.dumps(body["messages"]) for body in provider.received}) > 2


def test_calls_that_fail_stop_the_lists_and_say_why(run: Run, tmp_path: Path, provider, serve):
    provider.otherwise = serve(status=400)

    result = run("--model", "openai/anything", "--api-base", provider.url)

    assert result.exit_code == 1
    assert "Stopped after 0 of 4 kidneys of each list" in result.stderr
    assert "BadRequestError" in result.stderr
    assert not (tmp_path / "waiting_list.json").exists()


def test_a_budget_holds_over_all_kidneys(run: Run, provider, serve):
    used = {"prompt_tokens": 1500, "completion_tokens": 10, "total_tokens": 1510}
    provider.otherwise = serve(content="I will not rank people.", usage=used)
    model = ("--model", "openai/anything", "--api-base", provider.url, "--price", "100,100")

    result = run(*model, "--budget", "0.85")

    assert result.exit_code == 1
    assert "Stopped at the budget" in result.stderr
    # 0.151 USD each; the first kidneys make two calls, and later ones are held to what those left.
    assert 2 < len(provider.received) <= 5


def test_a_policy_that_favors_the_young_allots_the_same_kidneys(run: Run, tmp_path: Path):
    from estimation.weights import AttributeWeights, Estimate
    from survey.design_file import attribute_records, read_design

    given = {"age=old": -1.0, "drinking=frequent": -0.5, "health=cancer": -0.2}
    attributes = read_design(EXAMPLES / "kidney-8.toml").attributes
    weights = AttributeWeights.named(attributes, {n: Estimate(value=v) for n, v in given.items()})
    document = {
        "format": "equipoise-weights",
        "format_version": 2,
        "model": "bradley-terry",
        "attributes": attribute_records(weights.attributes),
        "coefficients": {n: {"value": v, "low": None, "high": None} for n, v in given.items()},
        "design_hashes": [],
    }
    (tmp_path / "weights.json").write_text(json.dumps(document))
    mapping = EXAMPLES / "policies" / "kidney-8.toml"

    result = run("--weights", str(tmp_path / "weights.json"), "--mapping", str(mapping), "--acceptance", "1")

    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "waiting_list.json").read_text())
    age = found["episodes"]["candidate_columns"].index("AGE")
    persons = {
        (e["episode"], p["id"]): p["candidate"][age] for e in found["episodes"]["drawn"] for p in e["persons"]
    }
    (policy,) = [r for r in found["respondents"] if r["respondent"] == "policy/weights"]
    for step in policy["steps"]:
        if any(persons[step["episode"], id_] < 50 for id_ in step["shown"]):
            assert persons[step["episode"], step["accepted_by"]] < 50


def test_a_dry_run_shows_the_calls_and_writes_nothing(run: Run, tmp_path: Path):
    result = run("--model", "scripted/youngest-first", "--dry-run")

    assert result.exit_code == 0
    assert "calls to be made" in result.stderr
    assert not (tmp_path / "waiting_list.json").exists()


def test_outcomes_can_be_had_as_json_without_single_kidneys(run: Run):
    document = json.loads(run("--json").stdout)

    assert [r["respondent"] for r in document["respondents"]] == ["scripted/waiting-time"]
    assert "steps" not in document["respondents"][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--against", "openai/gpt-4o"), "--model"),
        (("--weights", "weights.json"), "--mapping"),
        (("--from-candidates", "a.csv"), "--from-kidneys"),
        (("--column-names", "names.txt"), "--from-candidates"),
        (("--identity", "names"), "'columns', 'hidden'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run: Run, options: tuple[str, ...], words: str):
    result = run(*options)

    assert result.exit_code == 2
    assert words in result.stderr


def test_a_script_that_there_is_not_is_named(run: Run):
    with pytest.raises(UnknownModel, match="scripted/nobody"):
        run("--model", "scripted/nobody")


def test_an_extract_with_too_few_records_says_so(run: Run, tmp_path: Path):
    from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS
    from llm_compare.allocation.problems.synthetic import synthetic_candidates, synthetic_kidneys

    file = tmp_path / "extract.csv"
    columns = [c.name for c in (*CANDIDATE_COLUMNS, *KIDNEY_COLUMNS)]
    rows = [
        ",".join("" if v is None else f'"{v}"' for v in (*person.values, *kidney.values))
        for person, kidney in zip(
            synthetic_candidates(70, seed=0), synthetic_kidneys(70, seed=0), strict=True
        )
    ]
    file.write_text("\n".join([",".join(columns), *rows]) + "\n")
    extract = ("--from-candidates", str(file), "--from-kidneys", str(file))

    result = run(*extract, "--arrivals", "0")

    assert "records of people" in result.stderr
    assert json.loads((tmp_path / "waiting_list.json").read_text())["episodes"] is None
    with pytest.raises(BadProblems, match="give more records"):
        run(*extract, "--start", "71")
