"""``compare viability``, ``choose-one`` and ``rank-all`` as they are used."""

from __future__ import annotations

import json
import stat
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from estimation.weights import AttributeWeights, Estimate
from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, Problem, ProblemSet
from llm_compare.allocation.problems.problems_file import write_problems
from llm_compare.allocation.trials.answer import Outcome, RespondentKind
from llm_compare.allocation.trials.reading import Repair
from llm_compare.allocation.trials.trial import Task
from llm_compare.allocation.trials.trials_file import read_trials
from llm_compare.commands.choose_one import choose_one_command
from llm_compare.commands.rank_all import rank_all_command
from llm_compare.commands.viability import viability_command
from llm_compare.errors import CannotAsk, MissingKey, NoPrice, UnknownModel, UnsupportedSetting
from survey.design_file import EXAMPLES, example_design

# litellm's own types, built on its first call in a process, make pydantic warn.
pytestmark = pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning")

COMMANDS = {
    Task.VIABILITY: viability_command,
    Task.CHOOSE_ONE: choose_one_command,
    Task.RANK_ALL: rank_all_command,
}
KIDNEY = Kidney(("O", 2, 24, 44, 7, 4, 15, 41, 175.0, 74.5, "Female", "Black, Non-Hispanic", "MARYLAND"))


def candidate(number: int) -> Candidate:
    return Candidate(
        (
            *("A", 2, 68, 7, 39, 4, 15, 20 + 10 * number, 173.0, 70.7),
            "Male" if number % 2 else "Female",
            "White, Non-Hispanic" if number < 2 else "Hispanic/Latino",
            *("GRADE SCHOOL (0-8)", "No" if number % 3 else "Yes", 100 * number, "OHIO"),
        )
    )


def pair(name: str, one: Candidate) -> Problem:
    return Problem(name=name, kidney=KIDNEY, candidates=(one,), ids=(7,))


@pytest.fixture(scope="session")
def small_set() -> ProblemSet:
    """Two problems of four candidates, two pairs, two sets of examples."""
    tall = candidate(0).changed("HGT_CM_TCR", 200.0)
    return ProblemSet(
        title="Small",
        origin=Origin.SYNTHETIC,
        source="written for tests",
        seed=0,
        problems=tuple(
            Problem(name=name, kidney=KIDNEY, candidates=tuple(candidate(i) for i in order), ids=(0, 1, 2, 3))
            for name, order in (("p01", (0, 1, 2, 3)), ("p02", (3, 1, 0, 2)))
        ),
        pairs=(pair("k1-c1", candidate(0)), pair("k1-c2", tall)),
        example_sets=tuple((pair(f"e{i}", candidate(1)), pair(f"f{i}", tall)) for i in range(2)),
    )


@pytest.fixture
def problems_file(tmp_path, small_set):
    write_problems(tmp_path / "problems.json", small_set)
    return tmp_path / "problems.json"


@pytest.fixture
def run(monkeypatch, tmp_path, database_url, problems_file):
    """Return a function that runs one of the commands on the small set, with a fresh database."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(task, *arguments, model="scripted/random", out="trials.jsonl"):
        given = [str(problems_file), *(["--model", model] if model else [])]
        given += ["--out", str(tmp_path / out)] if out else []
        return CliRunner().invoke(COMMANDS[task], [*given, *arguments])

    return run


def refused(result, kind, words):
    """Whether a command ended with an error of ours, which the program turns into exit code 2."""
    return isinstance(result.exception, kind) and words in str(result.exception)


def test_a_ranking_by_waiting_time_is_asked_read_and_written(run, tmp_path, small_set):
    result = run(Task.RANK_ALL, model="scripted/waiting-time")
    assert result.exit_code == 0, result.output
    assert "2 problems x 3 row orders x 5 repeats = 30 trials" in result.stderr
    assert "= 30 trials of rank-all, in 90 different calls" in result.stderr
    assert result.stdout.splitlines()[0] == (
        "scripted/waiting-time (a scripted respondent, not a model): 30 of 30 trials"
    )
    named = {line.split()[0]: int(line.split()[1]) for line in result.stdout.splitlines()[1:-1]}
    assert named == {o.value: 30 if o is Outcome.ANSWER else 0 for o in Outcome}
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert (file.kind, file.task, file.planned, len(file.answered)) == (
        RespondentKind.SCRIPT, Task.RANK_ALL, 30, 30,
    )  # fmt: skip
    days = {tuple(a.trial.candidates[i]["DAYSWAIT_CHRON_KI"] for i in a.read.order) for a in file.answered}
    assert days == {(300, 200, 100, 0)}


def test_viability_is_asked_with_every_strategy_unless_some_are_named(run, tmp_path, small_set):
    asked = run(Task.VIABILITY, "--few-shot-repeats", "2", model="scripted/criteria")
    assert "zero-shot, conversation, text, columns: 2 pairs x 5 repeats = 10 trials" in asked.stderr
    assert "few-shot, conversation, text, columns: 2 pairs x 2 repeats = 4 trials" in asked.stderr
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert Counter((a.trial.problem.name, a.read.viable) for a in file.answered) == {
        ("k1-c1", True): 12,
        ("k1-c2", False): 12,
    }
    run(Task.VIABILITY, "--strategy", "zero-shot", "--repeats", "1", model="scripted/yes", out="one.jsonl")
    assert len(read_trials(tmp_path / "one.jsonl", small_set).answered) == 2
    assert refused(run(Task.VIABILITY), CannotAsk, "15 sets of examples")


def test_the_same_command_again_asks_nothing_and_writes_the_same_bytes(run, tmp_path, monkeypatch):
    run(Task.CHOOSE_ONE)
    again = run(Task.CHOOSE_ONE, "--json", out="again.jsonl")
    assert "already stored 90, to be asked 0" in again.stderr
    said = json.loads(again.stdout)
    assert (said["already_stored"], said["made"], said["complete"]) == (90, 0, True)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "trials.jsonl").read_bytes()
    other = run(Task.CHOOSE_ONE, "--seed", "1", out="other.jsonl")
    assert other.exit_code == 0
    assert (tmp_path / "other.jsonl").read_bytes() != (tmp_path / "trials.jsonl").read_bytes()


def test_a_run_that_was_stopped_says_so_and_goes_on(run, tmp_path, small_set):
    options = ("--turns", "single", "--max-calls", "20")
    stopped = run(Task.CHOOSE_ONE, *options)
    assert stopped.exit_code == 1
    assert "this run stops after 20 of them (--max-calls)" in stopped.stderr
    assert "Stopped at --max-calls. 0 trials failed, 10 were not made." in stopped.stderr
    assert stopped.stdout.rstrip().endswith(", incomplete")
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert (file.planned, len(file.answered)) == (30, 20)
    assert run(Task.CHOOSE_ONE, *options).exit_code == 0
    assert len(read_trials(tmp_path / "trials.jsonl", small_set).answered) == 30


def test_a_dry_run_shows_the_plan_needs_no_key_and_asks_nothing(run, tmp_path):
    result = run(Task.RANK_ALL, "--dry-run", "--json", model="openai/gpt-4o", out=None)
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    # Five openings, then two turns of each of 30 trials.
    assert (plan["planned"], plan["calls"], plan["missing"], plan["to_ask"]) == (30, 65, 65, 65)
    assert plan["tokens_out_high"] == 65 * 300
    assert plan["usd_low"] < plan["usd_high"] < 1
    assert "counted with 30 tokens each" in result.stderr
    assert "sent with max_tokens 300" in result.stderr
    assert list(tmp_path.glob("*.jsonl")) == []


@pytest.mark.parametrize(
    ("task", "model", "most"),
    [
        (Task.CHOOSE_ONE, "openai/gpt-4o", 64),
        (Task.RANK_ALL, "openai/o3", 4096),
        (Task.VIABILITY, "openai/gpt-4o", 64),
    ],
)
def test_replies_have_room_for_the_answer_and_more_for_thoughts(run, task, model, most):
    options = ("--strategy", "out-of-box") if task is Task.VIABILITY else ()
    single = ("--turns", "single")
    assert f"sent with max_tokens {most}\n" in run(task, "--dry-run", *options, *single, model=model).stderr
    # What is said to earlier turns stands in the conversation: it must not be cut off.
    assert f"max_tokens {max(most, 300)}\n" in run(task, "--dry-run", *options, model=model).stderr
    assert "max_tokens 99\n" in run(task, "--dry-run", *options, "--max-tokens", "99", model=model).stderr


def test_the_prompts_can_be_seen_before_anything_is_sent(run):
    result = run(Task.CHOOSE_ONE, "--dry-run", "--show-prompt", "--turns", "single", "--identity", "hidden")
    assert "We are tasking you to select 1 candidate" in result.stderr
    assert "--- first trial, out-of-box, single, text, hidden ---" in result.stderr
    assert "GENDER" not in result.stderr


def test_counterfactuals_are_counted_beside_the_unchanged_trials(run, tmp_path, small_set):
    result = run(Task.CHOOSE_ONE, "--counterfactual", "gender", "--counterfactual", "work", "--focal", "2")
    assert "= 30 trials, and 120 with a candidate changed" in result.stderr
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert Counter(a.trial.change and a.trial.change.grouping for a in file.answered) == {
        None: 30, "gender": 60, "work": 60,
    }  # fmt: skip


def test_a_model_over_http_is_asked_in_turn_and_its_outcomes_are_named(
    run, tmp_path, provider, serve, small_set
):
    provider.script = [
        *[serve(content="Noted.") for _ in range(3)],
        serve(content="0, 1\n1, 2\n2, 3"),
    ]
    options = ("--api-base", provider.url, "--shuffles", "1", "--repeats", "1", "--concurrency", "1")
    first = run(Task.RANK_ALL, *options, "--max-calls", "4", model="openai/anything")
    assert first.exit_code == 1
    assert "no price: the server is on this machine or network" in first.stderr
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert [a.read.outcome for a in file.answered] == [Outcome.INCOMPLETE]
    assert file.answered[0].earlier == ("Noted.", "Noted.")
    assert file.settings == {"max_tokens": 300}
    provider.otherwise = serve(content="I will not rank people.")
    done = run(Task.RANK_ALL, *options, "--repair", "last-place", "--json", model="openai/anything")
    said = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (said["repaired"], said["made"], len(provider.received)) == (1, 1, 5)
    assert Counter(said["outcomes"])["answer"] == 1
    assert sum(said["outcomes"].values()) == 2
    # The file keeps what was said; a repair is made by whoever reads it.
    kept = read_trials(tmp_path / "trials.jsonl", small_set)
    repaired = read_trials(tmp_path / "trials.jsonl", small_set, repair=Repair.LAST_PLACE)
    assert kept.counts[Outcome.INCOMPLETE] == 1
    assert repaired.counts[Outcome.ANSWER] == 1


def test_failed_calls_are_errors_with_their_reason_and_exit_code_1(run, tmp_path, provider, serve, small_set):
    provider.otherwise = serve(status=400)
    result = run(
        Task.CHOOSE_ONE, "--api-base", provider.url, "--turns", "single", "--shuffles", "1", "--repeats", "2",
        model="openai/anything",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "4 trials failed, 0 were not made" in result.stderr
    assert "BadRequestError" in result.stderr
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert file.counts[Outcome.ERROR] == 4


def test_spending_needs_a_yes_a_budget_or_a_low_price(run, provider):
    many = ("--api-base", provider.url, "--price", "1000,1000", "--turns", "single")
    wanting = run(Task.CHOOSE_ONE, *many, model="openai/anything")
    assert wanting.exit_code == 2
    assert "add --yes, or --budget USD" in wanting.stderr
    bounded = run(Task.CHOOSE_ONE, *many, "--budget", "3", "--json", model="openai/anything")
    assert bounded.exit_code == 1
    said = json.loads(bounded.stdout)
    assert said["ending"] == "budget"
    assert 0 < said["cost_usd"] <= 3
    assert said["made"] == len(provider.received) < 30
    free = run(Task.CHOOSE_ONE, "--api-base", "http://10.0.0.1/v1", "--dry-run", model="openai/anything")
    assert "no price: the server is on this machine or network" in free.stderr
    assert refused(
        run(
            Task.CHOOSE_ONE, "--api-base", "https://llm.example/v1", "--budget", "1", model="openai/anything"
        ),
        NoPrice,
        "the price of the model is unknown",
    )


@pytest.fixture
def restricted(small_set, problems_file):
    """Make the problems records of a registry extract."""
    held = replace(small_set, origin=Origin.REGISTRY)
    write_problems(problems_file, held)
    return held


def test_records_of_people_are_not_sent_away_unasked(run, restricted, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    result = run(Task.CHOOSE_ONE, "--yes", model="openai/gpt-4o")
    assert result.exit_code == 2
    assert "--send-records" in result.stderr
    assert (
        "THE RECORDS LEAVE THIS NETWORK: prompts carry them to the provider of openai/gpt-4o" in result.stderr
    )
    assert not (tmp_path / "trials.jsonl").exists()
    plan = run(Task.CHOOSE_ONE, "--dry-run", "--json", model="openai/gpt-4o")
    assert json.loads(plan.stdout)["leaves_this_network"] is True
    for address in ("https://llm.example/v1", "http://8.8.8.8/v1"):
        assert run(Task.CHOOSE_ONE, "--api-base", address, "--yes", model="openai/x").exit_code == 2
    # A program that usually runs here, but that the environment says is elsewhere.
    monkeypatch.setenv("OLLAMA_API_BASE", "https://llm.example")
    assert run(Task.CHOOSE_ONE, "--yes", model="ollama/llama3").exit_code == 2
    assert "--send-records" in run(Task.CHOOSE_ONE, "--yes", model="ollama_chat/llama3").stderr


def test_records_of_people_are_sent_to_a_server_on_this_machine(run, restricted, provider, serve, tmp_path):
    provider.otherwise = serve(content="2")
    result = run(Task.CHOOSE_ONE, "--api-base", provider.url, "--turns", "single", model="openai/anything")
    assert result.exit_code == 0, result.output
    assert "LEAVE" not in result.stderr
    assert "records of people" in result.stderr
    assert stat.S_IMODE((tmp_path / "trials.jsonl").stat().st_mode) == 0o600
    assert read_trials(tmp_path / "trials.jsonl", restricted).origin is Origin.REGISTRY
    assert "MARYLAND" not in (tmp_path / "trials.jsonl").read_text()


def test_records_of_people_may_be_sent_where_that_is_agreed(run, restricted):
    # Past the question of records, the missing key is what stops the run.
    result = run(Task.CHOOSE_ONE, "--yes", "--send-records", model="openai/gpt-4o")
    assert refused(result, MissingKey, "OPENAI_API_KEY")


def test_what_cannot_be_asked_is_said_before_anything_is(run, monkeypatch):
    assert refused(run(Task.CHOOSE_ONE, model="scripted/nobody"), UnknownModel, "scripted/waiting-time")
    assert refused(run(Task.CHOOSE_ONE, model="scripted/criteria"), CannotAsk, "no opinion on choose-one")
    assert refused(
        run(Task.CHOOSE_ONE, model="scripted/prefers:gender=X"), UnknownModel, "there are Female, Male"
    )
    assert refused(run(Task.CHOOSE_ONE, model="nonsense"), UnknownModel, "names no provider")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    refusing = run(Task.CHOOSE_ONE, "--reasoning-effort", "low", "--yes", model="openai/gpt-4o")
    assert refused(refusing, UnsupportedSetting, "reasoning_effort")


@pytest.mark.parametrize(
    ("arguments", "model", "words"),
    [
        ((), None, "name who is asked with --model"),
        (("--temperature", "1"), "scripted/random", "mean nothing to it"),
        (("--api-base", "ftp://x"), "openai/x", "write it as http"),
        (("--mapping", "m.toml"), "scripted/random", "name the weights, too"),
        (("--weights", "w.json"), "scripted/random", "one respondent at a time"),
        (("--weights", "w.json"), None, "say with --mapping"),
        (("--weights", "w.json", "--mapping", "m.toml", "--top-p", "1"), None, "a policy is no model"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, arguments, model, words):
    result = run(Task.RANK_ALL, *arguments, model=model)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_a_place_to_write_to_is_needed_and_never_the_problems_themselves(run, problems_file):
    assert "with --out, or see the plan" in run(Task.RANK_ALL, out=None).stderr
    before = problems_file.read_bytes()
    assert run(Task.RANK_ALL, out="problems.json").exit_code == 2
    assert problems_file.read_bytes() == before
    assert "there is no folder" in run(Task.RANK_ALL, out="none/trials.jsonl").stderr


def test_commands_that_fail_on_bad_input_end_with_exit_code_2(tmp_path, monkeypatch):
    (tmp_path / "problems.json").write_text("{}")
    for command in COMMANDS.values():
        result = CliRunner().invoke(
            command,
            [str(tmp_path / "problems.json"), "--model", "scripted/random", "--out", str(tmp_path / "t")],
        )
        assert type(result.exception).__name__ == "BadProblems"
        assert "problems.json" in str(result.exception)


# --- a policy -----------------------------------------------------------------------------------------------


@pytest.fixture
def weights_file(tmp_path):
    """Write weights by which the young come first, with three joint draws of which one says the opposite."""
    design = example_design("kidney-8")
    given = {"age=old": -1.0, "drinking=frequent": -0.5, "health=cancer": -0.2}
    weights = AttributeWeights.named(design.attributes, {n: Estimate(value=v) for n, v in given.items()})
    from survey.design_file import attribute_records

    document = {
        "format": "equipoise-weights",
        "format_version": 2,
        "model": "bradley-terry",
        "attributes": attribute_records(weights.attributes),
        "coefficients": {n: {"value": v, "low": None, "high": None} for n, v in given.items()},
        "draws": {
            "of": list(given),
            "from": "bootstrap",
            "rows": np.array([[-1, -1, -1], [-2, 0, 0], [1, 0, 0]]).tolist(),
        },
        "design_hashes": [],
    }
    (tmp_path / "weights.json").write_text(json.dumps(document))
    return (
        "--weights",
        str(tmp_path / "weights.json"),
        "--mapping",
        str(EXAMPLES / "policies" / "kidney-8.toml"),
    )


def young_first(file):
    return [
        file_answer.trial.candidates[file_answer.read.order[0]]["AGE"] < 50 for file_answer in file.answered
    ]


def test_a_policy_ranks_in_place_of_a_model(run, tmp_path, small_set, weights_file):
    result = run(Task.RANK_ALL, *weights_file, model=None)
    assert result.exit_code == 0, result.output
    assert "policy/weights (a policy, not a model): 30 of 30 trials" in result.stdout
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert (file.kind, file.model) == (RespondentKind.POLICY, "policy/weights")
    assert set(file.settings) == {"weights_sha256", "mapping_sha256", "seed"}
    assert young_first(file) == [True] * 30
    run(Task.RANK_ALL, *weights_file, model=None, out="again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "trials.jsonl").read_bytes()


def test_draws_of_the_weights_show_what_is_not_known_of_them(run, tmp_path, small_set, weights_file):
    result = run(
        Task.CHOOSE_ONE, *weights_file, "--weights-draws", "3", "--label", "people", "--json", model=None
    )
    said = json.loads(result.stdout)
    assert (said["planned"], said["label"], said["kind"]) == (6, "people", "policy")
    file = read_trials(tmp_path / "trials.jsonl", small_set)
    assert young_first(file) == [True, True, False] * 2
    many = run(Task.CHOOSE_ONE, *weights_file, "--weights-draws", "4", model=None)
    assert refused(many, CannotAsk, "holds 3 joint draws, not 4")


def test_a_dry_run_of_a_policy_writes_nothing(run, tmp_path, weights_file):
    result = run(Task.RANK_ALL, *weights_file, "--dry-run", "--json", model=None)
    assert json.loads(result.stdout)["planned"] == 30
    assert not (tmp_path / "trials.jsonl").exists()


def test_a_task_can_be_answered_by_one_batch(run, tmp_path, small_set, answered):
    batch = tmp_path / "batch.jsonl"
    single = ("--turns", "single")
    model = "openai/gpt-4o"
    exported = run(Task.CHOOSE_ONE, *single, "--export-batch", str(batch), model=model, out=None)
    assert exported.exit_code == 0, exported.output
    assert "more calls" not in exported.stderr
    output, _ = answered(batch, content=str(small_set.problems[0].ids[0]))
    assert len(output) == 30
    results = tmp_path / "output.jsonl"
    results.write_text("\n".join(output))
    imported = run(Task.CHOOSE_ONE, *single, "--import-batch", str(results), model=model)
    assert imported.exit_code == 0, imported.output
    assert "30 replies stored" in imported.stderr
    assert read_trials(tmp_path / "trials.jsonl", small_set).counts[Outcome.ANSWER] == 30
    again = run(Task.CHOOSE_ONE, *single, "--import-batch", str(results), "--json", model=model)
    assert json.loads(again.stdout)["imported"] == {
        "stored": 0, "already_stored": 30, "failed": 0, "unknown": 0, "missing": 0,
    }  # fmt: skip


def test_a_conversation_goes_through_a_batch_for_each_turn(run, tmp_path, small_set, answered):
    said = []
    for turn, content in enumerate(("I am ready.", "I remember them.", str(small_set.problems[0].ids[0]))):
        batch = tmp_path / f"turn-{turn}.jsonl"
        exported = run(Task.CHOOSE_ONE, "--export-batch", str(batch), model="openai/gpt-4o", out=None)
        assert exported.exit_code == 0, exported.output
        assert ("import these, then export again" in exported.stderr) == (turn < 2)
        first = json.loads(batch.read_text().splitlines()[0])
        said.append([m["content"] for m in first["body"]["messages"] if m["role"] == "assistant"])
        results = tmp_path / f"output-{turn}.jsonl"
        results.write_text("\n".join(answered(batch, content=content)[0]))
        done = run(Task.CHOOSE_ONE, "--import-batch", str(results), model="openai/gpt-4o")
        assert done.exit_code == (0 if turn == 2 else 1), done.output
        assert ("30 of 30 trials are not answered yet" in done.stderr) == (turn < 2)
        assert "Asking" not in done.stderr
        assert "--max-calls" not in done.stderr
    assert said == [[], ["I am ready."], ["I am ready.", "I remember them."]]
    assert read_trials(tmp_path / "trials.jsonl", small_set).counts[Outcome.ANSWER] == 30


def test_records_do_not_go_into_a_batch_unasked(run, tmp_path, problems_file, small_set):
    write_problems(problems_file, replace(small_set, origin=Origin.REGISTRY))
    batch = tmp_path / "batch.jsonl"
    options = ("--turns", "single", "--export-batch", str(batch))
    refused_one = run(Task.CHOOSE_ONE, *options, model="openai/gpt-4o", out=None)
    assert refused_one.exit_code == 2
    assert "--send-records" in refused_one.output
    assert not batch.exists()
    agreed = run(Task.CHOOSE_ONE, *options, "--send-records", model="openai/gpt-4o", out=None)
    assert agreed.exit_code == 0, agreed.output
    assert batch.stat().st_mode & 0o777 == 0o600
