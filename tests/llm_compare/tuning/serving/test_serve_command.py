from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from llm_compare.commands.tune.serve import _serve, serve_command
from llm_compare.tuning.serving.served_models import ServedModels
from llm_compare.tuning.serving.server import Server


@pytest.fixture
def refused():
    """Return a function that runs the command and returns what it raised or printed."""

    def run(*options):
        result = CliRunner().invoke(serve_command, [str(o) for o in options])
        assert result.exit_code != 0
        return f"{result.output}{result.exception}"

    return run


@pytest.fixture
def run_and_use(tmp_path):
    """Return a function that runs the command, uses what it serves, and ends it with a signal."""

    def run(use, *options, number=signal.SIGINT):
        file, ended, found = tmp_path / "ready.json", threading.Event(), []
        file.write_text("of a server that is gone")

        def use_and_end():
            record = None
            while record is None and not ended.wait(0.02):
                # What was there before is taken away before the model is loaded.
                text = file.read_text() if file.exists() else ""
                record = json.loads(text) if text.startswith("{") else None
            if record is None:
                return
            try:
                found.append((record, use(record)))
            finally:
                os.kill(os.getpid(), number)

        client = threading.Thread(target=use_and_end)
        client.start()
        given = [*options, "--port", "0", "--ready-file", str(file)]
        result = CliRunner().invoke(serve_command, [str(o) for o in given])
        ended.set()
        client.join()
        assert result.exit_code == 0, f"{result.output}{result.exception}"
        assert not file.exists()
        return result, *found[0]

    return run


@pytest.fixture
def asked(requests_of):
    """Return a function that asks a served model one comparison, over plain HTTP."""
    messages = requests_of(1)[0].sent_messages

    def ask(record, model):
        return _asked(record, model, messages)

    return ask


def _asked(record, model, messages):
    parts = urlsplit(record["address"])
    client = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    body = {"model": model, "messages": messages, "max_tokens": 2}
    client.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    response = client.getresponse()
    found = response.status, json.loads(response.read())
    client.close()
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped_and_says_how_to_ask(run_and_use, asked, random_base, number):
    before = signal.getsignal(number)
    result, record, (status, completion) = run_and_use(
        lambda record: asked(record, record["models"][0]), random_base, number=number
    )
    name = record["models"][0]
    assert (status, completion["model"]) == (200, name)
    command = f"equipoise compare ask design.toml --model openai/{name} --api-base {record['address']} --out "
    assert command in result.stdout
    assert "reached from this machine alone, and nothing asked leaves it" in result.stdout
    assert "Stopped; 1 calls were answered." in result.stdout
    assert signal.getsignal(number) is before


def test_an_adapter_is_served_beside_its_base_under_the_name_given(
    run_and_use, asked, random_base, random_adapters
):
    one, two = random_adapters
    _, record, found = run_and_use(
        lambda record: [asked(record, name)[0] for name in record["models"]],
        *(random_base, "--adapter", one, "--adapter", f"second={two}"),
    )
    assert found == [200, 200, 200]
    assert [name.partition("@")[0] for name in record["models"]] == ["tiny", f"tiny+{one.name}", "second"]
    assert len({name.partition("@")[2] for name in record["models"]}) == 3


def test_a_second_interrupt_gives_up_what_is_under_way(client_of, dice, tmp_path):
    dice.may_end.clear()
    file, found, interrupted = tmp_path / "ready.json", [], threading.Event()
    with Server(host="127.0.0.1", port=0, log=found.append) as server:

        def ask_and_interrupt_twice():
            while not file.exists():
                time.sleep(0.02)
            client = client_of(server.address)
            asking = threading.Thread(target=lambda: found.append(client.ask(dice.name)[0].status))
            asking.start()
            found.append(dice.begun.wait(30))
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.5)
            # The call was not waited for: only now may it end.
            found.append(interrupted.wait(20))
            dice.may_end.set()
            asking.join(30)

        client = threading.Thread(target=ask_and_interrupt_twice)
        client.start()
        with pytest.raises(KeyboardInterrupt):
            _serve(server, ServedModels([dice]), file)
        interrupted.set()
        client.join()
    assert found == [True, True, 200]


def test_an_address_that_others_could_reach_is_refused_before_anything_is_loaded(refused, tmp_path):
    assert "asks for no key" in refused(tmp_path / "no-model", "--host", "0.0.0.0", "--port", "0")  # noqa: S104


def test_a_bad_name_of_an_adapter_is_refused(refused, tmp_path):
    said = refused(tmp_path / "no-model", "--adapter", "a b=adapters/x", "--port", "0")
    assert "a name has letters" in said


def test_a_folder_without_a_model_is_refused(refused, tmp_path, tune_extra, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert str(tmp_path) in refused(tmp_path, "--port", "0")


def test_a_ready_file_that_cannot_be_written_is_refused_first(refused, tmp_path):
    assert "there is no folder" in refused(tmp_path, "--ready-file", tmp_path / "none" / "ready.json")


@pytest.mark.long
def test_as_a_program_it_ends_on_sigterm_after_what_it_had_begun(asked, random_base, tmp_path):
    file = tmp_path / "ready.json"
    program = [sys.executable, "-m", "survey.cli", "compare", "tune", "serve", str(random_base)]
    child = subprocess.Popen(
        [*program, "--port", "0", "--ready-file", str(file)], stdout=subprocess.PIPE, text=True
    )
    try:
        latest = time.monotonic() + 120
        while not file.exists():
            assert child.poll() is None
            assert time.monotonic() < latest
            time.sleep(0.05)
        record = json.loads(file.read_text())
        assert asked(record, record["models"][0])[0] == 200
        child.send_signal(signal.SIGTERM)
        said, _ = child.communicate(timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0
    assert "Stopped; 1 calls were answered." in said
