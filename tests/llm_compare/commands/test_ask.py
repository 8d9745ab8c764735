from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256

import pytest
from click.testing import CliRunner

from llm_compare.asking.protocol import AskedModel
from llm_compare.asking.spending import Price, estimate
from llm_compare.commands.ask import ask
from llm_compare.commands.ask_report import Progress
from llm_compare.commands.plan_shown import Consent, ModelPlan, consent
from llm_compare.errors import CannotAsk, NoPrice, UnknownModel
from llm_compare.replies.replies_file import read_replies
from llm_compare.replies.reply import Failure, Reply
from llm_compare.replies.respondents import answers_of
from survey.answers_file import write_answers
from survey.design_file import EXAMPLES
from survey.errors import BadDesign, BadProfile

# litellm's own types, built on its first call in a process, make pydantic warn.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")


@pytest.fixture
def run(monkeypatch, tmp_path, database_url):
    """Return a function that runs ``compare ask`` in a fresh folder with a fresh database."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)

    def run(*arguments, design="kidney-8", model="scripted/youngest-first", out="replies.jsonl"):
        given = [str(EXAMPLES / f"{design}.toml"), "--model", model, "--out", str(tmp_path / out), *arguments]
        return CliRunner().invoke(ask, given)

    return run


@pytest.fixture
def run_protocol(monkeypatch, tmp_path, database_url):
    """Return a function that writes a protocol and runs ``compare ask`` on kidney-8 with it."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)

    def run(text, *arguments):
        (tmp_path / "protocol.toml").write_text(text, encoding="utf-8")
        given = [str(EXAMPLES / "kidney-8.toml"), "--protocol", str(tmp_path / "protocol.toml"), *arguments]
        return CliRunner().invoke(ask, given)

    return run


def test_the_example_of_the_design_document_works(run, tmp_path):
    result = run("--repeats", "3")
    assert result.exit_code == 0
    assert "28 comparisons x 2 side orders x 3 repeats = 168 calls" in result.stderr
    assert "scripted/youngest-first (a scripted respondent, not a model): 168 of 168 calls" in result.stdout
    assert result.stdout.splitlines()[1:3] == ["  choice          96", "  indecision      72"]
    file = read_replies(tmp_path / "replies.jsonl")
    assert (file.complete, file.scripted, len(file.replies)) == (True, True, 168)


def test_the_same_command_again_asks_nothing_and_writes_the_same_bytes(run, tmp_path):
    run("--json")
    again = run("--json", out="again.jsonl")
    assert json.loads(again.stdout)["already_stored"] == 56
    assert "already stored 56, to be asked 0" in again.stderr
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "replies.jsonl").read_bytes()


def test_a_scripted_run_gives_the_same_bytes_from_another_database(run, tmp_path, monkeypatch):
    options = ("--arm", "no-coin", "--repeats", "2")
    run(*options, design="kidney-numeric", model="scripted/coin")
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", f"sqlite:///{tmp_path}/other.sqlite")
    run(*options, design="kidney-numeric", model="scripted/coin", out="other.jsonl")
    assert (tmp_path / "other.jsonl").read_bytes() == (tmp_path / "replies.jsonl").read_bytes()


def test_more_repeats_ask_only_the_new_ones(run):
    run("--repeats", "1")
    assert json.loads(run("--repeats", "3", "--json").stdout)["already_stored"] == 56


def test_a_budget_stops_the_run_and_says_how_to_go_on(run, tmp_path):
    first = run("--max-calls", "10")
    assert first.exit_code == 1
    assert "this run stops after 10 of them" in first.stderr
    assert "Stopped at --max-calls. 0 calls failed, 46 were not made." in first.stderr
    assert "the same command again asks only the rest" in first.stderr
    assert "incomplete" in first.stdout
    file = read_replies(tmp_path / "replies.jsonl")
    assert (file.complete, file.planned, len(file.replies)) == (False, 56, 10)
    assert run("--max-calls", "46").exit_code == 0
    assert read_replies(tmp_path / "replies.jsonl").complete


def test_a_dry_run_shows_the_plan_and_asks_nothing(run, tmp_path):
    result = run("--dry-run")
    assert result.exit_code == 0
    assert "already stored 0, to be asked 56" in result.stderr
    assert not (tmp_path / "replies.jsonl").exists()
    assert "already stored 0, to be asked 56" in run().stderr


def test_a_dry_run_of_a_paid_model_needs_no_key_and_no_file_and_the_run_itself_needs_both(
    monkeypatch, tmp_path
):
    from survey.cli import run as equipoise

    monkeypatch.setenv("EQUIPOISE_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    asked = ["compare", "ask", str(EXAMPLES / "kidney-8.toml"), "--model", "openai/gpt-4o"]

    assert equipoise([*asked, "--dry-run"]) == 0
    assert equipoise(asked) == 2
    assert equipoise([*asked, "--out", str(tmp_path / "replies.jsonl")]) == 2


def test_the_arm_decides_whether_indecision_is_offered(run, tmp_path):
    run("--arm", "no-coin", "--comparisons", "5", design="kidney-numeric")
    replies = read_replies(tmp_path / "replies.jsonl").replies
    assert {(r.request.arm, r.request.indecision_offered) for r in replies} == {("no-coin", False)}
    run("--comparisons", "5", design="kidney-numeric")
    replies = read_replies(tmp_path / "replies.jsonl").replies
    assert {(r.request.arm, r.request.indecision_offered) for r in replies} == {("with-coin", True)}


def test_exactly_the_comparisons_that_people_answered_can_be_asked(run, tmp_path, kidney_numeric):
    run("--comparisons", "7", "--seed", "5", design="kidney-numeric", out="some.jsonl")
    some = read_replies(tmp_path / "some.jsonl")
    answer_set, _ = answers_of(some.replies, some.attributes, source="test")
    write_answers(tmp_path / "answers.csv", answer_set)
    run("--from", str(tmp_path / "answers.csv"), design="kidney-numeric")
    asked = read_replies(tmp_path / "replies.jsonl")
    seen = {r.request.presentation.comparison for r in some.replies}
    assert {r.request.presentation.comparison for r in asked.replies} == seen
    assert len(asked.replies) == 14
    run("--from", str(tmp_path / "answers.csv"), "--comparisons", "2", design="kidney-numeric")
    assert len(read_replies(tmp_path / "replies.jsonl").replies) == 4


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--api-base", "http://127.0.0.1:1/v1"], "other settings mean nothing to it"),
        (["--temperature", "1"], "other settings mean nothing to it"),
        (["--repeats", "0"], "x>=1"),
    ],
)
def test_options_that_make_no_sense_are_refused(run, arguments, complaint):
    result = run(*arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())


@pytest.mark.parametrize("address", ["http://me:secret@host/v1", "http://host/v1?key=secret", "host:8000"])
def test_an_address_that_would_store_a_secret_or_is_none_is_refused(run, address):
    result = run("--api-base", address, model="openai/x")
    assert result.exit_code == 2
    assert "--api-base" in result.stderr


def test_a_folder_that_is_not_there_is_noticed_before_anything_is_asked(run):
    result = run(out="no/such/folder.jsonl")
    assert result.exit_code == 2
    assert "make it first" in result.stderr
    result = run(out=".")
    assert result.exit_code == 2
    assert "is a directory" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"model": "scripted/nobody"}, UnknownModel),
        ({"design": "no-such-study"}, BadDesign),
    ],
)
def test_bad_input_raises_an_error_for_the_root_command_to_print(run, arguments, kind):
    assert isinstance(run(**arguments).exception, kind)


def test_an_unknown_arm_and_too_many_comparisons_are_named(run):
    assert isinstance(run("--arm", "third").exception, BadProfile)
    assert isinstance(run("--comparisons", "1000").exception, CannotAsk)


# --- what is asked --------------------------------------------------------------------------------------------


def test_single_factors_are_options_and_make_a_variant_named_by_what_differs(run, provider, tmp_path):
    result = run(
        *(
            "--api-base",
            provider.url,
            "--comparisons",
            "1",
            "--framing",
            "ethicist",
            "--answer-format",
            "json",
        ),
        *("--marks", "numbers", "--indecision", "cannot-decide", "--indecision-place", "first"),
        *("--persona", "a nurse", "--language", "en", "--top-p", "0.5", "--reasoning-effort", "low"),
        model="openai/anything",
    )
    assert result.exit_code == 0, result.stderr
    first = provider.received[0]
    assert (first["top_p"], first["reasoning_effort"], first["max_tokens"]) == (0.5, "low", 4096)
    assert "expert in medical ethics" in first["messages"][0]["content"]
    assert "a nurse" in first["messages"][0]["content"]
    enum = first["response_format"]["json_schema"]["schema"]["properties"]["answer"]["enum"]
    assert enum == ["3", "1", "2"]
    (name,) = {r.request.variant.name for r in read_replies(tmp_path / "replies.jsonl").replies}
    assert name == "ethicist+persona+json+cannot-decide+en+numbers+indecision-first"


def test_every_attribute_order_is_asked_on_both_sides(run, tmp_path):
    result = run("--attribute-orders", "rotated", "--comparisons", "2")
    assert "2 comparisons x 2 side orders x 3 attribute orders x 1 repeats = 12 calls" in result.stderr
    replies = read_replies(tmp_path / "replies.jsonl").replies
    assert len({(r.request.attribute_order, r.request.left, r.request.right) for r in replies}) == 12


TWO_MODELS = """
repeats = 2
comparisons = 3
[[model]]
model = "scripted/coin"
[[model]]
model = "scripted/youngest-first"
label = "young"
[factorial]
framings = ["plain", "ethicist"]
"""


def test_every_model_of_a_protocol_has_a_file_and_a_manifest_that_name_the_protocol(run_protocol, tmp_path):
    folder = tmp_path / "replies"
    folder.mkdir()
    result = run_protocol(TWO_MODELS, "--out", str(folder), "--json")
    assert result.exit_code == 0, result.stderr
    digest = sha256((tmp_path / "protocol.toml").read_bytes()).hexdigest()
    assert f"protocol.toml, SHA-256 {digest}" in result.stderr
    assert result.stderr.count("3 comparisons x 2 side orders x 2 variants x 2 repeats = 24 calls") == 2
    summaries = json.loads(result.stdout)["models"]
    assert [(s["model"], s["protocol_sha256"]) for s in summaries] == [
        ("scripted/coin", digest),
        ("scripted/youngest-first", digest),
    ]
    for name in ("scripted-coin", "young"):
        file = read_replies(folder / f"{name}.jsonl")
        assert file.complete
        assert {r.request.variant.name for r in file.replies} == {"plain", "ethicist"}
        manifest = json.loads((folder / f"{name}.manifest.json").read_text())
        assert manifest["inputs"]["protocol"]["sha256"] == digest


def test_some_models_of_a_protocol_can_be_asked_alone_and_files_named_by_a_pattern(run_protocol, tmp_path):
    result = run_protocol(TWO_MODELS, "--model", "young", "--out", str(tmp_path / "of-{model}.jsonl"))
    assert result.exit_code == 0, result.stderr
    assert read_replies(tmp_path / "of-young.jsonl").model == "scripted/youngest-first"
    assert isinstance(run_protocol(TWO_MODELS, "--model", "old", "--dry-run").exception, CannotAsk)


def test_several_models_are_named_without_a_protocol_too(run, tmp_path):
    result = run("--model", "scripted/coin", out="{model}.jsonl")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "scripted-coin.jsonl").exists()
    assert (tmp_path / "scripted-youngest-first.jsonl").exists()
    refused = run("--model", "scripted/coin")
    assert refused.exit_code == 2
    assert "each of 2 models has a file of its own" in refused.stderr


def test_with_a_protocol_options_that_change_what_is_asked_are_refused(run_protocol):
    result = run_protocol(TWO_MODELS, "--repeats", "5", "--framing", "plain", "--dry-run")
    assert result.exit_code == 2
    assert "--framing, --repeats" in result.stderr
    assert "says what is asked; change it there" in " ".join(result.stderr.split())


def test_limits_on_the_command_line_count_before_those_of_the_protocol(run_protocol):
    limited = TWO_MODELS + "[limits]\nmax_calls = 5\n"
    assert "this run stops after 5 of them" in run_protocol(limited, "--dry-run").stderr
    plan = json.loads(run_protocol(limited, "--dry-run", "--max-calls", "30", "--json").stdout)["plan"]
    assert [p["to_ask"] for p in plan] == [24, 6]  # Over all models.


def test_variants_that_send_the_same_are_asked_once(run_protocol, tmp_path):
    same = '[[model]]\nmodel = "scripted/coin"\n[factorial]\nlanguages = ["", "en"]\n'
    result = run_protocol(same, "--out", str(tmp_path / "replies.jsonl"))
    assert "= 112 calls" in result.stderr
    assert "of them 56 different ones" in result.stderr
    assert "already stored 0, to be asked 56" in result.stderr
    file = read_replies(tmp_path / "replies.jsonl")
    assert file.complete
    assert len(file.replies) == 112


# --- what is shown, and what it takes to begin ----------------------------------------------------------------


def test_the_plan_shows_settings_tokens_cost_and_what_is_not_sent(run):
    result = run(
        "--dry-run", "--answer-format", "json", "--no-schema", "--temperature", "0", model="openai/gpt-4o"
    )
    assert result.exit_code == 0, result.stderr
    assert "variant json: json, temperature 0.0, max_tokens 32" in result.stderr
    assert "no JSON schema is sent (switched off); the prompt asks for JSON in words" in result.stderr
    assert "tokens in, 56 to 1,792 out" in result.stderr
    assert "(price: price map of litellm" in result.stderr
    free = run("--dry-run", "--api-base", "http://127.0.0.1:1/v1", model="openai/x")
    assert "no price: the server is on this machine or network" in free.stderr
    unknown = run("--dry-run", "--api-base", "https://llm.example.org/v1", model="openai/x")
    assert "cost unknown: there is no price for this model" in unknown.stderr
    given = run(
        "--dry-run", "--price", "1000000,0", "--api-base", "https://llm.example.org/v1", model="openai/x"
    )
    tokens = int(given.stderr.split("about ")[1].split(" tokens")[0].replace(",", ""))
    assert f"cost {tokens:.2f} to {tokens:.2f} USD (price: given)" in given.stderr


def test_prompts_can_be_seen_in_full_before_anything_is_sent(run):
    result = run("--dry-run", "--show-prompt", "--framing", "clinician")
    assert "--- first prompt of variant clinician ---" in result.stderr
    assert "You are a transplant physician" in result.stderr
    assert "Answer with one line that holds only a letter:" in result.stderr


@pytest.fixture
def plan_costing(planned):
    """Return a function that makes a plan of one call at a price."""

    def plan(usd, *, api_base=None):
        requests = planned(api_base=api_base)[:1]
        price = None
        if usd is not None:
            tokens = estimate(requests, None).tokens_in
            price = Price(usd_per_million_in=usd * 1e6 / tokens, usd_per_million_out=0, source="given")
        return ModelPlan(
            asked=AskedModel(model="openai/anything", api_base=api_base),
            requests=requests,
            missing=requests,
            to_ask=1,
            price=price,
            estimate=estimate(requests, price),
            takes_schema=True,
        )

    return plan


OWN = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("costs", "given", "expected"),
    [
        ([0.9], {}, Consent.GIVEN),
        ([0.6, 0.6], {}, Consent.WANTING),
        ([1.1], {}, Consent.WANTING),
        ([1.1], {"at_terminal": True}, Consent.ASK),
        ([1.1], {"at_terminal": True, "has_budget": True}, Consent.ASK),
        ([1.1], {"has_budget": True}, Consent.GIVEN),
        ([1.1], {"yes": True}, Consent.GIVEN),
        ([None], {}, Consent.WANTING),
        ([None], {"at_terminal": True}, Consent.ASK),
        ([None], {"yes": True, "at_terminal": True}, Consent.GIVEN),
        (["own"], {}, Consent.GIVEN),
        (["own", None], {}, Consent.WANTING),
    ],
)
def test_calls_that_may_cost_more_than_a_dollar_or_nobody_knows_what_need_a_yes(
    plan_costing, costs, given, expected
):
    plans = [plan_costing(None, api_base=OWN) if c == "own" else plan_costing(c) for c in costs]
    usual = {"yes": False, "has_budget": False, "at_terminal": False}
    assert consent(plans, **(usual | given)) is expected


def test_without_a_terminal_an_unknown_cost_is_refused_before_anything_is_sent(run, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    result = run("--api-base", "https://llm.example.invalid/v1", model="openai/x")
    assert result.exit_code == 2
    assert "the cost is unknown" in result.stderr
    assert "add --yes, or --budget USD" in " ".join(result.stderr.split())


def test_at_a_terminal_a_no_sends_nothing(tmp_path, database_url):
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals on this system")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "survey.cli", "compare", "ask", str(EXAMPLES / "kidney-8.toml")]
    with subprocess.Popen(
        # Port 9 discards: were anything sent, the run would fail rather than say that nothing was asked.
        [
            *command,
            "--model",
            "openai/x",
            "--api-base",
            "http://8.8.8.8:9/v1",
            "--out",
            str(tmp_path / "r.jsonl"),
        ],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"EQUIPOISE_DATABASE_URL": database_url},
    ) as asking:
        os.close(theirs)
        os.write(ours, b"n\n")
        shown = b""
        while True:
            try:
                some = os.read(ours, 4096)
            except OSError:  # How a pseudo-terminal says that the other end is closed.
                break
            if not some:
                break
            shown += some
    os.close(ours)
    assert b"Cost unknown. Make 56 calls? [y/N]" in shown
    assert b"Nothing was asked." in shown
    assert asking.returncode == 1
    assert not (tmp_path / "r.jsonl").exists()


def test_a_budget_ends_the_run_before_it_is_exceeded(run, provider):
    # A reply is reported as 50 tokens in and 1 out, so it costs 51 USD at this price.
    options = ("--price", "1000000,1000000", "--budget", "2500", "--api-base", provider.url)
    result = run(*options, "--json", "--concurrency", "1", model="openai/anything")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["ending"] == "budget"
    assert "Stopped at the budget" in result.stderr
    assert 0 < summary["cost_usd"] == 51 * len(provider.received) <= 2500


def test_a_model_whose_key_is_missing_is_noticed_before_any_other_model_is_asked(
    run_protocol, monkeypatch, tmp_path
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    two = '[[model]]\nmodel = "scripted/coin"\n[[model]]\nmodel = "openai/gpt-4o"\n'
    result = run_protocol(two, "--yes", "--out", str(tmp_path / "{model}.jsonl"))
    assert "OPENAI_API_KEY" in str(result.exception)
    assert list(tmp_path.glob("*.jsonl")) == []
    assert "already stored 0" in run_protocol(two, "--dry-run").stderr


def test_progress_says_rate_failures_and_what_was_spent():
    moments = iter([0.0, 2.0, 4.0])
    progress = Progress(lambda: next(moments))
    progress.note(Reply(content="A"))
    assert progress.words() == "0.5/s, 0 failed"
    progress.note(Reply(content="B", cost_usd=0.25))
    progress.note(Reply(content=None, error=Failure(kind="k", status=500, message="m")))
    assert progress.words() == "0.8/s, 1 failed, 0.25 USD"


def test_a_budget_that_cannot_be_kept_with_one_model_stops_before_any_is_asked(
    run_protocol, monkeypatch, tmp_path, provider
):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    price = "usd_per_million_in = 1.0\nusd_per_million_out = 1.0\n"
    two = (
        f'[[model]]\nmodel = "openai/a"\napi_base = "{provider.url}"\n{price}'
        '[[model]]\nmodel = "openai/b"\napi_base = "https://llm.example.invalid/v1"\n'
    )
    result = run_protocol(two, "--budget", "1", "--out", str(tmp_path / "{model}.jsonl"))
    assert isinstance(result.exception, NoPrice)
    assert provider.received == []


def test_several_models_share_a_budget(run_protocol, tmp_path, provider):
    price = "usd_per_million_in = 1e6\nusd_per_million_out = 1e6\n"
    two = "".join(f'[[model]]\nmodel = "openai/{m}"\napi_base = "{provider.url}"\n{price}' for m in "ab")
    result = run_protocol(two, "--budget", "5000", "--json", "--out", str(tmp_path / "{model}.jsonl"))
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["models"]
    # A reply costs 51 USD: the first model's 56 fit, and of the second's as many as are left.
    assert (first["ending"], second["ending"]) == ("complete", "budget")
    assert first["cost_usd"] == 56 * 51
    assert 0 < second["cost_usd"] <= 5000 - first["cost_usd"]
