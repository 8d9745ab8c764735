"""Hosted fine-tuning: litellm against a server on the loopback address that takes files and jobs as OpenAI does."""

from __future__ import annotations

import json
import shlex
import signal
import stat
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from llm_compare.errors import BadHostedJob, MissingKey, ProviderFailed, UnknownModel
from llm_compare.prompting.variant import AnswerFormat, Marks, Variant
from llm_compare.tuning.hosted.host import HostedTuning, find_host, start_job, watch_job
from llm_compare.tuning.hosted.job import HostedJob, HostedProvider, read_job, write_job
from llm_compare.tuning.training_sets.formats import FormatKind, as_file, lines_of
from llm_compare.tuning.training_sets.held_out import HeldOut
from llm_compare.tuning.training_sets.preparation import PrepareSettings, prepare
from llm_compare.tuning.training_sets.prepared_writing import write_prepared
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.cli import run
from survey.design import design_hash
from survey.design_file import EXAMPLES, example_design

# litellm's own type definitions warn about themselves.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

MODEL = "openai/gpt-4o-mini-2024-07-18"
KEYS = (
    "OPENAI_API_KEY",
    "OPENAI_API_BASE",
    "OPENAI_BASE_URL",
    "AZURE_API_KEY",
    "AZURE_API_BASE",
    "AZURE_API_VERSION",
)


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch):
    for name in (*KEYS, "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Host:
    """What the server was sent and what it says."""

    url: str
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Purpose, name and content of every file."""
    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """Method and path of every request."""
    bodies: list[dict[str, object]] = field(default_factory=list)
    """Of every job."""
    keys: set[str | None] = field(default_factory=set)
    faults: dict[str, list[int]] = field(default_factory=dict)
    """Status codes to answer a request with, in turn, in place of doing it; by method and path."""
    loses_answer: bool = False
    """Create jobs, but answer 500."""
    states: list[str] = field(default_factory=lambda: ["running"])
    """What a job is when it is next asked for, in turn; the last stays."""

    def count(self, request: str) -> int:
        return self.asked.count(request)


JOBS = "/v1/fine_tuning/jobs"


@pytest.fixture
def host():
    """Start a server that takes files and jobs."""
    known: list[Host] = []

    class Handler(BaseHTTPRequestHandler):
        # A connection per request: litellm leaves those that are kept open to the garbage collector, which warns.
        protocol_version = "HTTP/1.0"

        def do_GET(self):
            self.answer()

        def do_POST(self):
            self.answer()

        def answer(self):
            at, path = known[0], urlsplit(self.path).path.replace("/openai/", "/v1/")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            at.asked.append(f"{self.command} {path}")
            at.keys.add(self.headers.get("authorization"))
            if faults := at.faults.get(f"{self.command} {path}"):
                return self.say(
                    faults.pop(0), {"error": {"message": f"not now, {self.headers.get('authorization')}"}}
                )
            if path == "/v1/files":
                return self.say(200, self.take_file(at, body))
            if path == JOBS and self.command == "POST":
                job = self.make_job(at, json.loads(body))
                return self.say(500, {}) if at.loses_answer else self.say(200, job)
            if path == JOBS:
                query = parse_qs(urlsplit(self.path).query)
                found = list(at.jobs.values())
                after = [i for i, j in enumerate(found) if [j["id"]] == query.get("after")]
                page = found[after[0] + 1 :][:2] if after else found[:2]
                more = bool(found) and page[-1:] != found[-1:]
                return self.say(200, {"object": "list", "data": page, "has_more": more})
            name = path.removeprefix(f"{JOBS}/").removesuffix("/cancel")
            if name not in at.jobs:
                return self.say(404, {"error": {"message": f"no job {name}"}})
            job = at.jobs[name]
            if path.endswith("/cancel"):
                job["status"] = "cancelled"
            else:
                job["status"] = at.states.pop(0) if len(at.states) > 1 else at.states[0]
            if job["status"] == "succeeded":
                job |= {"fine_tuned_model": f"ft:{job['model']}:me::abc", "trained_tokens": 12345}
            if job["status"] == "failed":
                job["error"] = {"code": "bad_file", "message": "line 3 is odd", "param": None}
            return self.say(200, job)

        def take_file(self, at, body):
            kind = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
            parts = {
                p.get_param("name", header="content-disposition"): p
                for p in message_from_bytes(kind + body).get_payload()
            }
            content = parts["file"].get_payload(decode=True)
            at.files.append((parts["purpose"].get_payload(), parts["file"].get_filename(), content))
            return {
                "id": f"file-{len(at.files)}",
                "object": "file",
                "bytes": len(content),
                "created_at": 1,
                "filename": "f.jsonl",
                "purpose": "fine-tune",
                "status": "processed",
            }

        def make_job(self, at, body):
            at.bodies.append(body)
            name = f"ftjob-{len(at.jobs) + 1}"
            at.jobs[name] = {
                "id": name,
                "object": "fine_tuning.job",
                "created_at": 1,
                "model": body["model"],
                "training_file": body["training_file"],
                "hyperparameters": body.get("hyperparameters") or {},
                "organization_id": "org",
                "result_files": [],
                "seed": body.get("seed") or 7,
                "status": "validating_files",
                "error": None,
                "fine_tuned_model": None,
                "trained_tokens": None,
                "finished_at": None,
                "validation_file": None,
            }
            return at.jobs[name]

        def say(self, status, record):
            payload = json.dumps(record).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format, *args):
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    known.append(Host(url=f"http://127.0.0.1:{server.server_address[1]}/v1"))
    yield known[0]
    server.shutdown()
    server.server_close()
    thread.join()


def made_up_set(folder, variant):
    """Prepare 8 people's answers to every comparison of kidney-8."""
    design = example_design("kidney-8")
    arm = design.arms[0]
    answers = [
        Answer(
            respondent=f"person-{person}",
            kind=RespondentKind.HUMAN,
            arm=arm.name,
            position=i + 1,
            left=pair.first,
            right=pair.second,
            choice=list(Choice)[(person + i) % 3],
            indecision_offered=True,
            design_hash=design_hash(design),
            reason="because I said so",
        )
        for person in range(8)
        for i, pair in enumerate(design.comparisons())
    ]
    people = AnswerSet(attributes=design.attributes, answers=answers, source="made up")
    settings = PrepareSettings(
        sizes=(4, 16), draws=1, held_out=HeldOut(comparisons=0.25, participants=0.25), variant=variant
    )
    return write_prepared(
        folder, prepare(design, people, settings), design_file=EXAMPLES / "kidney-8.toml", manifest={}
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a prepared folder."""
    return made_up_set(tmp_path_factory.mktemp("hosted") / "prepared", Variant())


@pytest.fixture
def begin(prepared, host, tmp_path):
    """Return a function that runs ``hosted start``, and returns the exit code."""

    def begin(*arguments, set_name="all-0016-1", model=MODEL, api_base=None, yes=True):
        given = [
            "compare",
            "tune",
            "hosted",
            "start",
            str(prepared.folder),
            "--set",
            set_name,
            "--model",
            model,
        ]
        given += ["--api-base", api_base or host.url, *(["--yes"] if yes else [])]
        return run([*given, "--out", str(tmp_path / "job.json"), *arguments])

    return begin


def hosted(*arguments):
    return run(["compare", "tune", "hosted", *map(str, arguments)])


# --- the whole way ----------------------------------------------------------------------------------------


def test_a_set_is_sent_tuned_on_and_ends_in_the_command_that_asks_the_tuned_model(
    begin, host, prepared, tmp_path, capsys, monkeypatch
):
    job_file = tmp_path / "job.json"
    assert begin("--epochs", "3", "--suffix", "people", "--seed", "5") == 0
    purpose, name, content = host.files[0]
    entry = next(e for e in prepared.sets if e.name == "all-0016-1")
    expected = as_file(lines_of(prepared.training_set(entry), FormatKind.OPENAI)).encode()
    assert (purpose, content) == ("fine-tune", expected)
    assert host.bodies == [
        {
            "model": "gpt-4o-mini-2024-07-18",
            "training_file": "file-1",
            "hyperparameters": {"n_epochs": 3},
            "suffix": "people",
            "seed": 5,
        }
    ]
    said = capsys.readouterr()
    assert "Job ftjob-1 of openai: validating_files" in said.out
    assert f"tuned at {host.url}" in said.err
    assert "16 answers as 32 lines" in said.err
    assert "price unknown" in said.err
    assert stat.S_IMODE(job_file.stat().st_mode) == 0o600
    # What leaves tells nobody's name or reason, not even that of the file does.
    assert b"person-" not in content
    assert b"because" not in content
    assert name == f"{read_job(job_file).file_sha256[:12]}.jsonl"

    monkeypatch.setattr(time, "sleep", lambda _: None)
    host.states = ["queued", "running", "running", "succeeded"]
    assert hosted("status", job_file, "--wait") == 0
    said = capsys.readouterr()
    assert said.err.splitlines() == ["ftjob-1: queued", "ftjob-1: running", "ftjob-1: succeeded"]
    assert "12,345 tokens trained on" in said.out
    job = read_job(job_file)
    assert job.states == ("validating_files", "queued", "running", "succeeded")
    assert job.named_model == "openai/ft:gpt-4o-mini-2024-07-18:me::abc"
    after, before = (shlex.split(line) for line in said.out.splitlines()[-2:])
    assert after[after.index("--model") + 1] == job.named_model
    assert before[before.index("--model") + 1] == MODEL


def test_the_command_that_is_shown_asks_the_held_out_comparisons_as_they_were_tuned_on(
    host, tmp_path, capsys, monkeypatch, database_url
):
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)
    variant = Variant(name="v", marks=Marks.NUMBERS, answer_format=AnswerFormat.JSON, persona="a nurse")
    folder = made_up_set(tmp_path / "with a space", variant)
    job_file = tmp_path / "job.json"
    assert (
        hosted(
            "start",
            folder.folder,
            "--set",
            "all-0016-1",
            "--model",
            MODEL,
            "--api-base",
            host.url,
            "--yes",
            "--out",
            job_file,
        )
        == 0
    )
    host.states = ["succeeded"]
    assert hosted("status", job_file) == 0
    command = shlex.split(capsys.readouterr().out.splitlines()[-2])
    assert command[:3] == ["equipoise", "compare", "ask"]
    assert run([*command[1:], "--dry-run", "--show-prompt"]) == 0
    said = capsys.readouterr().err
    # Word for word what the model was tuned on, but for the comparison.
    sent = json.loads(host.files[0][2].split(b"\n")[0])["messages"]
    assert sent[0]["content"] in said
    assert sent[1]["content"].split("\n\n")[-1] in said
    assert "4 comparisons x 2 side orders" not in said.splitlines()[0]
    n_held_out = folder.manifest["tests"][0]["n_comparisons"]
    assert f"{n_held_out} comparisons x 2 side orders" in said


def test_a_job_that_fails_says_why_and_ends_with_1(begin, host, tmp_path, capsys):
    assert begin() == 0
    host.states = ["failed"]
    assert hosted("status", tmp_path / "job.json") == 1
    assert "bad_file: line 3 is odd" in capsys.readouterr().out
    assert read_job(tmp_path / "job.json").status == "failed"


def test_a_job_can_be_ended(begin, tmp_path, capsys):
    assert begin() == 0
    assert hosted("cancel", tmp_path / "job.json") == 0
    assert "cancelled" in capsys.readouterr().out
    assert read_job(tmp_path / "job.json").is_finished


def test_the_state_can_be_had_as_json(begin, host, tmp_path, capsys):
    assert begin() == 0
    capsys.readouterr()
    host.states = ["running"]
    assert hosted("status", tmp_path / "job.json", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["job_id"], said["status"], said["named_model"]) == ("ftjob-1", "running", None)


# --- nothing twice ----------------------------------------------------------------------------------------


def test_after_a_failed_creation_the_same_command_goes_on_without_a_second_upload(
    begin, host, tmp_path, capsys
):
    host.faults[f"POST {JOBS}"] = [500]
    assert begin() == 1
    said = capsys.readouterr().err
    assert "creating the job" in said
    assert (
        f"What was done is kept in {tmp_path / 'job.json'}; the same command again goes on from there."
        in said
    )
    job = read_job(tmp_path / "job.json")
    assert (job.file_id, job.job_id, job.status) == ("file-1", None, "asked for")
    assert begin() == 0
    assert "is not sent again" in capsys.readouterr().err
    assert (len(host.files), len(host.jobs)) == (1, 1)
    assert read_job(tmp_path / "job.json").job_id == "ftjob-1"


def test_a_job_whose_creation_was_not_heard_of_is_found_again_not_made_twice(begin, host, tmp_path):
    host.jobs = {
        f"other-{i}": {"id": f"other-{i}", "training_file": "file-x", "status": "running"} for i in range(3)
    }
    host.loses_answer = True
    assert begin() == 1
    host.loses_answer = False
    assert begin() == 0
    assert host.count(f"POST {JOBS}") == 1
    assert read_job(tmp_path / "job.json").job_id == "ftjob-4"


def test_where_nobody_can_tell_whether_a_job_was_made_none_is_made(begin, host, capsys):
    host.faults = {f"POST {JOBS}": [500], f"GET {JOBS}": [404]}
    assert begin() == 1
    assert begin() == 1
    assert "listing the jobs" in capsys.readouterr().err
    assert host.count(f"POST {JOBS}") == 1


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_failed_upload_is_tried_once_and_leaves_nothing_behind(begin, host, tmp_path, capsys, status):
    host.faults["POST /v1/files"] = [status] * 3
    assert begin() == 1
    said = capsys.readouterr().err
    assert f"({status}): " in said
    assert "kept in" not in said
    assert "Nothing is known to have arrived; the same command again starts anew." in said
    assert host.asked == ["POST /v1/files"]
    assert not (tmp_path / "job.json").exists()


def test_a_job_that_was_begun_is_only_looked_at(begin, host, capsys):
    assert begin() == 0
    capsys.readouterr()
    assert begin(yes=False) == 0  # Nothing is sent, so nothing is asked.
    assert "Job ftjob-1 of openai: running" in capsys.readouterr().out
    assert (len(host.files), len(host.jobs)) == (1, 1)


@pytest.mark.parametrize("other", [["--epochs", "2"], ["--seed", "1"], ["--suffix", "x"]])
def test_a_job_file_is_not_taken_for_another_job(begin, host, capsys, other):
    assert begin() == 0
    assert begin(*other) == 2
    assert other[0].removeprefix("--") in capsys.readouterr().err
    assert len(host.files) == 1


# --- refused before anything is sent ----------------------------------------------------------------------


def test_without_a_terminal_nothing_is_sent_unasked(begin, host, capsys):
    assert begin(yes=False) == 2
    assert "--yes" in capsys.readouterr().err
    assert host.asked == []


def test_a_set_too_small_is_not_sent(begin, host, capsys):
    assert begin(set_name="all-0004-1") == 2
    assert "8 lines, but hosted fine-tuning takes 10 or more" in capsys.readouterr().err
    assert host.asked == []


def test_an_unknown_set_is_answered_with_those_there_are(begin, capsys):
    assert begin(set_name="all-0032-1") == 2
    assert "all-0004-1, all-0016-1" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["anthropic/claude-3-haiku", "vertex_ai/gemini-2.0-flash", "ollama/llama3"])
def test_providers_that_litellm_cannot_follow_are_refused_with_those_that_it_can(begin, host, capsys, model):
    assert begin(model=model) == 2
    said = capsys.readouterr().err
    assert "openai and azure" in said
    assert "compare tune train" in said
    assert host.asked == []


def test_a_model_of_nobody_is_refused():
    with pytest.raises(UnknownModel, match="names no provider"):
        find_host("nonesuch", api_base=None)


@pytest.mark.parametrize(
    ("model", "variables"),
    [
        (MODEL, ("OPENAI_API_KEY",)),
        ("azure/gpt-4o", ("AZURE_API_BASE", "AZURE_API_VERSION", "AZURE_API_KEY")),
    ],
)
def test_a_missing_key_is_named(model, variables):
    with pytest.raises(MissingKey) as refused:
        find_host(model, api_base=None)
    assert set(refused.value.variables) == set(variables)


def test_of_several_variables_only_the_missing_one_is_named(monkeypatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    with pytest.raises(MissingKey) as refused:
        find_host("azure/gpt-4o", api_base="https://me.openai.azure.com")
    assert refused.value.variables == ("AZURE_API_KEY",)


def test_the_address_that_is_shown_is_the_one_that_is_sent_to(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-1234")
    assert find_host(MODEL, api_base=None).address == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_API_BASE", "http://one/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://two/v1")
    assert find_host(MODEL, api_base=None).address == "http://two/v1"
    assert find_host(MODEL, api_base="http://three/v1").address == "http://three/v1"


def test_the_key_reaches_the_provider_and_never_a_message(begin, host, capsys, monkeypatch):
    host.faults["POST /v1/files"] = [401]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert begin() == 1
    assert host.keys == {"Bearer sk-very-secret"}
    said = capsys.readouterr().err
    assert "not now, Bearer [OPENAI_API_KEY]" in said  # The server repeats it.
    assert "sk-very-secret" not in said


# --- job.json ---------------------------------------------------------------------------------------------

JOB = HostedJob(
    provider=HostedProvider.OPENAI,
    model="m",
    address="http://here/v1",
    is_own_server=True,
    set_name="all-0016-1",
    set_sha256="0" * 64,
    file_sha256="1" * 64,
    lines=32,
    epochs=None,
    suffix=None,
    seed=None,
)


def test_a_job_is_read_as_it_was_written(tmp_path):
    write_job(tmp_path / "job.json", JOB)
    assert read_job(tmp_path / "job.json") == JOB


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda r: r.pop("model"), "model: is missing"),
        (lambda r: r.update(more=1), "more: is not known here"),
        (lambda r: r.update(lines="32"), "lines: is text"),
        (lambda r: r.update(provider="nobody"), "not one of openai, azure"),
        (lambda r: r.update(states=[1]), "states"),
        (lambda r: r.update(format="else"), "no job of"),
        (lambda r: r.update(format_version=2), "format version 2"),
    ],
)
def test_a_file_that_is_no_job_is_refused(tmp_path, change, complaint):
    path = tmp_path / "job.json"
    write_job(path, JOB)
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(BadHostedJob, match=complaint):
        read_job(path)


def test_a_job_that_was_not_created_yet_has_no_state_to_ask_for(tmp_path, capsys):
    write_job(tmp_path / "job.json", JOB)
    assert hosted("status", tmp_path / "job.json") == 2
    assert "no job was created yet (not sent)" in capsys.readouterr().err
    assert hosted("status", tmp_path / "nowhere.json") == 2


# --- waiting ----------------------------------------------------------------------------------------------


@pytest.fixture
def created(host):
    """Return a job at the server, and the calls to it."""
    service = HostedTuning(HostedProvider.OPENAI, host.url, is_own_server=True)
    job = start_job(
        HostedJob(**{f: getattr(JOB, f) for f in JOB.__slots__} | {"address": host.url}),
        b"{}\n",
        service,
        lambda _: None,
    )
    return job, service


def test_pauses_grow_and_failures_in_between_are_sat_out(host, created):
    job, service = created
    host.states = ["running"] * 12 + ["succeeded"]
    host.faults[f"GET {JOBS}/{job.job_id}"] = [503, 429, 500, 503]
    pauses, kept = [], []
    done = watch_job(job, job.job_id, service, kept.append, sleep=pauses.append, on_change=lambda _: None)
    assert done.status == "succeeded"
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (10, 300)
    assert len(pauses) == 12 + 4
    assert [k.status for k in kept] == ["running", "succeeded"]


def test_a_provider_that_stays_silent_is_given_up(host, created):
    job, service = created
    host.faults[f"GET {JOBS}/{job.job_id}"] = [503] * 9
    with pytest.raises(ProviderFailed, match="503"):
        watch_job(job, job.job_id, service, lambda _: None, sleep=lambda _: None, on_change=lambda _: None)
    assert len(host.faults[f"GET {JOBS}/{job.job_id}"]) == 4


@pytest.mark.parametrize("status", [401, 404])
def test_a_failure_that_will_not_pass_is_not_waited_for(host, created, status):
    job, service = created
    host.faults[f"GET {JOBS}/{job.job_id}"] = [status] * 2
    with pytest.raises(ProviderFailed, match=str(status)) as failed:
        watch_job(job, job.job_id, service, lambda _: None, sleep=lambda _: None, on_change=lambda _: None)
    assert not failed.value.may_pass
    assert len(host.faults[f"GET {JOBS}/{job.job_id}"]) == 1


def test_a_state_that_litellm_does_not_know_is_a_message_not_a_crash(host, created):
    job, service = created
    host.states = ["paused"]
    with pytest.raises(ProviderFailed, match="litellm cannot read"):
        service.state(job.job_id)


def test_a_server_that_is_not_there_is_a_failure_that_may_pass():
    service = HostedTuning(
        HostedProvider.OPENAI, "http://127.0.0.1:9/v1", is_own_server=True, timeout_seconds=2
    )
    with pytest.raises(ProviderFailed, match=r"at http://127\.0\.0\.1:9/v1 failed") as failed:
        service.state("ftjob-1")
    assert failed.value.may_pass


def test_ctrl_c_while_waiting_leaves_the_job_running_and_says_so(begin, host, tmp_path, capsys, monkeypatch):
    assert begin() == 0
    monkeypatch.setattr(time, "sleep", lambda _: signal.raise_signal(signal.SIGINT))
    assert hosted("status", tmp_path / "job.json", "--wait") == 130
    assert "job ftjob-1 goes on at" in capsys.readouterr().err
    assert host.jobs["ftjob-1"]["status"] == "running"
    assert read_job(tmp_path / "job.json").status == "running"


# --- Azure ------------------------------------------------------------------------------------------------


def test_azure_is_spoken_to_as_azure_and_its_words_for_states_are_understood(
    begin, host, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("AZURE_API_KEY", "azure-secret")
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    address = host.url.removesuffix("/v1")
    assert begin(model="azure/gpt-4o-mini", api_base=address) == 0
    host.states = ["notRunning", "running", "succeeded"]
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert hosted("status", tmp_path / "job.json", "--wait") == 0
    assert read_job(tmp_path / "job.json").states == ("validating_files", "queued", "running", "succeeded")
    assert "azure/DEPLOYMENT" in capsys.readouterr().out
    assert host.bodies[0]["model"] == "gpt-4o-mini"


def test_a_job_that_costs_is_not_asked_of_azure_twice(begin, host, monkeypatch):
    monkeypatch.setenv("AZURE_API_KEY", "azure-secret")
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    host.faults[f"POST {JOBS}"] = [500] * 3
    assert begin(model="azure/gpt-4o-mini", api_base=host.url.removesuffix("/v1")) == 1
    assert host.count(f"POST {JOBS}") == 1
