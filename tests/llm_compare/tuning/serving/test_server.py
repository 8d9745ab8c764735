from __future__ import annotations

import json
import socket
import threading
from urllib.parse import quote, urlsplit

import pytest

from llm_compare.errors import CannotServe, OutOfMemory
from llm_compare.tuning.serving.server import MOST_BODY_BYTES, Server


def test_a_question_is_answered_and_the_next_over_the_same_connection(serving, client_of, dice):
    client = client_of(serving(dice).address)
    first, record = client.ask(dice.name)
    port = client.connection.sock.getsockname()
    second, _ = client.ask(dice.name)
    assert (first.status, second.status, client.connection.sock.getsockname()) == (200, 200, port)
    assert record["choices"][0]["message"]["content"].isalpha()


def test_models_and_health_are_told(serving, client_of, dice, dice_named):
    other = dice_named(label="dice+1")
    client = client_of(serving(dice, other).address)
    _, listed = client.send("GET", "/v1/models")
    assert [m["id"] for m in listed["data"]] == [dice.name, other.name]
    for path in (other.name, quote(other.name, safe="")):
        response, record = client.send("GET", f"/v1/models/{path}")
        assert (response.status, record["id"]) == (200, other.name)
    assert client.send("GET", "/v1/models/gpt-4o")[0].status == 404
    assert client.send("GET", "/health")[1] == {"status": "ok", "models": [dice.name, other.name]}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "said"),
    [
        ("POST", "/v1/chat/completions", {}, b"{", 400, "not JSON"),
        ("POST", "/v1/chat/completions", {}, b" " * (MOST_BODY_BYTES + 1), 413, "at most 1048576"),
        ("POST", "/v1/chat/completions", {"content-type": "text/plain"}, b"{}", 415, "application/json"),
        ("POST", "/v1/chat/completions", {"host": "evil.example"}, b"{}", 403, "answers to 127.0.0.1"),
        ("GET", "/health", {"host": "127.0.0.1.evil.example"}, None, 403, "answers to 127.0.0.1"),
        ("GET", "/health", {"host": "[::1"}, None, 403, "answers to 127.0.0.1"),
        (
            "POST",
            "/v1/chat/completions",
            {"transfer-encoding": "chunked"},
            b"0\r\n\r\n",
            411,
            "Content-Length",
        ),
        ("POST", "/v1/chat/completions", {"content-length": "-5"}, None, 400, "whole number"),
        ("POST", "/v1/chat/completions", {"content-length": "9" * 5000}, None, 400, "whole number"),
        ("GET", "/v1/chat/completions", {}, None, 405, "use POST"),
        ("DELETE", "/v1/models", {}, None, 405, "use GET"),
        ("OPTIONS", "/v1/models", {}, None, 405, "use GET"),
        ("POST", "/v1/completions", {}, b"{}", 404, "no /v1/completions here"),
        ("BREW", "/health", {}, None, 501, "BREW"),
    ],
)
def test_what_is_wrong_is_answered_in_openai_s_shape(
    serving, client_of, dice, method, path, headers, body, status, said
):
    server = serving(dice)
    response, record = client_of(server.address).send(method, path, body, headers)
    assert response.status == status
    assert set(record["error"]) == {"message", "type", "param", "code"}
    assert said in record["error"]["message"]
    assert (dice.asked, server.logged) == ([], [])
    assert client_of(server.address).ask(dice.name)[0].status == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1", "[::1]:5"])
def test_a_request_through_a_tunnel_may_name_any_port(serving, client_of, dice, host):
    client = client_of(serving(dice).address)
    assert client.send("GET", "/health", headers={"host": host})[0].status == 200


def test_a_fault_is_logged_here_and_the_client_only_hears_that_there_was_one(serving, client_of, dice):
    server = serving(dice)
    client = client_of(server.address)
    dice.fails = [ZeroDivisionError("the secret of line 5")]
    response, record = client.ask(dice.name)
    assert (response.status, record["error"]["type"]) == (500, "server_error")
    assert "secret" not in json.dumps(record)
    assert "Traceback" in server.logged[0]
    assert "the secret of line 5" in server.logged[0]
    assert client.ask(dice.name)[0].status == 200


def test_a_lack_of_memory_is_a_503_that_says_what_takes_less(serving, client_of, dice):
    dice.fails = [OutOfMemory("not enough memory; load it in bfloat16")]
    response, record = client_of(serving(dice).address).ask(dice.name)
    assert (response.status, record["error"]["code"]) == (503, "out_of_memory")
    assert "bfloat16" in record["error"]["message"]


def test_what_is_not_even_http_is_answered(serving, dice):
    parts = urlsplit(serving(dice).address)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        line.sendall(b"GET / HTTP/9.9.9\r\n\r\n")
        answer = b""
        while chunk := line.recv(4096):
            answer += chunk
    assert b"invalid_request_error" in answer


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(serving, client_of, dice):
    server = serving(dice)
    parts = urlsplit(server.address)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        line.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
    assert client_of(server.address).ask(dice.name)[0].status == 200
    server.stop()
    assert server.logged == []


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.org", ""])  # noqa: S104 - refused
def test_no_other_address_than_this_machine_s_own_is_taken(host):
    with pytest.raises(CannotServe, match="asks for no key") as refused:
        Server(host=host, port=8100, log=print)
    assert "ssh -L 8100:127.0.0.1:8100" in str(refused.value)


def test_a_port_that_is_taken_is_said_with_the_way_out(serving, dice):
    port = urlsplit(serving(dice).address).port
    with pytest.raises(CannotServe, match=f"--port {port}: .* take another port"):
        Server(host="127.0.0.1", port=port, log=print)


def test_it_can_listen_on_ipv6(serving, client_of, dice):
    try:
        server = serving(dice, host="::1")
    except CannotServe:
        pytest.skip("this machine has no IPv6")
    assert server.address.startswith("http://[::1]:")
    assert client_of(server.address).ask(dice.name)[0].status == 200


def test_what_arrived_is_answered_before_the_server_ends_and_idle_connections_do_not_hold_it(
    serving, client_of, dice
):
    server = serving(dice)
    idle, busy = client_of(server.address), client_of(server.address)
    assert idle.send("GET", "/health")[0].status == 200
    dice.may_end.clear()
    found = []
    asking = threading.Thread(target=lambda: found.append(busy.ask(dice.name)[0].status))
    asking.start()
    assert dice.begun.wait(30)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    stopping.join(0.2)
    assert stopping.is_alive()
    dice.may_end.set()
    stopping.join(30)
    asking.join(30)
    assert (stopping.is_alive(), found) == (False, [200])
