"""Headers, cookies, what is refused before a view sees it, and what is never logged."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from survey.app import create_app
from survey.config import BadSettings, Secrets, load_settings, secrets_of
from survey.db import open_database, writing
from survey.serving import keep_visitors_out_of_logs
from survey.store import api_tokens
from survey.tables import TokenScope
from survey.web.security import MOST_FORM_BYTES, MOST_FORM_FIELDS, POLICY

AddOpenStudy = Callable[..., object]
Send = Callable[..., TestResponse]


@pytest.fixture
def anywhere(engine: Engine, tmp_path: Path) -> FlaskClient:
    """A client of the application on each database in turn, signed in as the operator."""
    settings = load_settings({}, state_dir=tmp_path / "served", log_level="error")
    client = create_app(settings, engine).test_client()
    token = secrets_of(settings).research_token
    assert client.get(f"/research/?token={token}").status_code == 303
    return client


@pytest.fixture
def bearer(engine: Engine) -> dict[str, str]:
    with writing(engine) as session:
        made = api_tokens.make_token(
            session, "test", TokenScope.WRITE, days=30, now=datetime.now(UTC), actor="operator"
        )
    return {"Authorization": f"Bearer {made[1]}"}


def csrf_of(page: TestResponse) -> str:
    found = re.search('name="csrf_token" value="([^"]*)"', page.text)
    assert found, page.text
    return found.group(1)


# --- what PostgreSQL would choke on --------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/s/a%00b",
        "/p/a%00b",
        "/research/studies/1%00",
        "/%00",
        "/api/v1/studies/%00",
        "/s/%00/start",
        "/static/%00",
    ],
)
def test_nul_in_an_address_is_not_found(anywhere: FlaskClient, bearer: dict[str, str], path: str) -> None:
    assert anywhere.get(path, headers=bearer).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/s/x?PROLIFIC_PID=%00",
        "/?a%00=b",
        "/research/audit?study=%00",
        "/api/v1/studies?slug=%00",
        "/research/?token=%00",
    ],
)
def test_nul_in_a_query_is_refused(anywhere: FlaskClient, bearer: dict[str, str], path: str) -> None:
    assert anywhere.get(path, headers=bearer).status_code == 400


def test_nul_in_a_form_is_refused(
    anywhere: FlaskClient, engine: Engine, add_open_study: AddOpenStudy, short_design: str, send: Send
) -> None:
    add_open_study(engine, short_design)
    csrf = csrf_of(anywhere.get("/research/accounts"))
    for path, fields in (
        ("/research/accounts", {"name": "a\0b", "role": "owner", "password": "x" * 12, "again": "x" * 12}),
        ("/research/tokens", {"label": "a\0b", "scope": "read", "days": "3"}),
        ("/research/tokens/revoke", {"label": "\0"}),
        ("/research/add", {"text": "\0"}),
        ("/research/sign-in", {"name": "\0", "password": "x"}),
        ("/s/short/start", {"start_key": "a\0"}),
        ("/p/x/answer", {"presentation": "a\0", "choice": "left"}),
        ("/p/x/answer", {"a\0": "b"}),
    ):
        answer = anywhere.post(path, data={"csrf_token": csrf} | fields)
        assert answer.status_code == 400, path
        assert (
            anywhere.post(
                path, data={"csrf_token": csrf} | fields, content_type="multipart/form-data"
            ).status_code
            == 400
        )


@pytest.mark.parametrize(
    "number", ["0", "99", "2147483647", "2147483648", "9" * 10, "9" * 30, "9" * 5000, "-1", "1.0", "²", "１"]
)
def test_a_number_that_no_row_can_have_is_not_found(
    anywhere: FlaskClient, bearer: dict[str, str], number: str
) -> None:
    csrf = csrf_of(anywhere.get("/research/accounts"))
    for path in ("studies/{}", "studies/{}/design.toml", "studies/{}/answers.csv", "accounts/{}/password"):
        assert anywhere.get("/research/" + path.format(quote(number))).status_code == 404, path
    for path in ("accounts/{}", "studies/{}/state"):
        answer = anywhere.post(
            "/research/" + path.format(quote(number)),
            data={"csrf_token": csrf, "change": "viewer", "state": "open"},
        )
        assert answer.status_code == 404, path
    for path in ("", "/participants", "/design.toml", "/answers.csv", "/answers.jsonl"):
        assert anywhere.get(f"/api/v1/studies/{quote(number)}{path}", headers=bearer).status_code == 404, path


@given(path=st.text(max_size=40))
def test_no_address_is_an_error_of_ours(app_once: Flask, path: str) -> None:
    # With the base address given, the client does not take what follows "//" for another host's name.
    address = "/" + quote(path, errors="replace")
    with app_once.test_client().get(address, base_url="http://localhost/") as answer:
        assert answer.status_code < 500


@pytest.fixture(scope="module")
def app_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    settings = load_settings({}, state_dir=tmp_path_factory.mktemp("once"), log_level="error")
    engine = open_database(settings)
    yield create_app(settings, engine)
    engine.dispose()


# --- what is too much ---------------------------------------------------------------------------------


def test_more_than_a_design_needs_is_refused(anywhere: FlaskClient, bearer: dict[str, str]) -> None:
    big = anywhere.post(
        "/api/v1/studies", data=b"x" * 3_000_000, headers=bearer, content_type="application/toml"
    )
    assert (big.status_code, big.content_type) == (413, "application/problem+json")
    csrf = csrf_of(anywhere.get("/research/add"))
    for fields in (
        {"csrf_token": csrf, "text": "x" * (MOST_FORM_BYTES + 1)},
        {f"field{i}": "" for i in range(MOST_FORM_FIELDS + 2)},
    ):
        parts = [
            f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()
        ]
        answer = anywhere.post(
            "/research/add", data="".join(parts) + "--b--\r\n", content_type="multipart/form-data; boundary=b"
        )
        assert answer.status_code == 413


# --- headers and cookies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/s/none", "/research/sign-in", "/api/", "/api/v1/studies", "/static/equipoise.css"]
)
def test_every_response_carries_the_headers(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        headers = response.headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"


def test_scripts_come_from_us_alone_and_no_page_needs_another(
    app: Flask, client: FlaskClient, secrets: Secrets
) -> None:
    assert "script-src 'self';" in POLICY
    assert "unsafe" not in POLICY
    client.get(f"/research/?token={secrets.research_token}")
    for path in ("/", "/api/", "/research/accounts", "/research/tokens", "/research/audit", "/research/add"):
        page = client.get(path).text
        assert not re.search(r"<script(?![^>]*src=\"/static/)", page), path
        assert not re.search(r"\s(style|on\w+)=", page), path
        assert not re.search(r"(src|href)=\"(https?:)?//", page), path


def test_the_session_cookie_is_ours_alone(client: FlaskClient, secrets: Secrets) -> None:
    plain = client.get(f"/research/?token={secrets.research_token}").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    secure = client.get(f"/research/?token={secrets.research_token}", base_url="https://localhost").headers[
        "Set-Cookie"
    ]
    assert "Secure" in secure


def test_an_error_of_the_api_is_for_programs_and_of_a_page_for_people(client: FlaskClient) -> None:
    missing = client.get("/api/v1/nothing")
    assert (missing.status_code, missing.content_type) == (404, "application/problem+json")
    assert missing.json is not None
    assert set(missing.json) == {"type", "title", "status", "detail"}
    wrong = client.delete("/api/v1/openapi.json")
    assert (wrong.status_code, wrong.content_type) == (405, "application/problem+json")
    assert "GET" in wrong.headers["Allow"]
    assert client.get("/nothing").content_type == "text/html; charset=utf-8"


# --- settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["study.example.org", "ftp://study.example.org", "https://", "https://a b", "https://me:pw@host",
     "javascript:x", "https://host\\evil", "https://host:99999", "https://host:0", "https://[::1", "//host", "https://hö.example"],
)  # fmt: skip
def test_a_public_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match="EQUIPOISE_PUBLIC_URL"):
        load_settings({"EQUIPOISE_PUBLIC_URL": url})


@pytest.mark.parametrize(
    "url", ["https://host/survey", "https://host/?x", "https://host#x", "https://host//"]
)
def test_a_public_address_with_a_path_is_refused_with_the_one_to_write(url: str) -> None:
    with pytest.raises(BadSettings, match=r"write https://host \("):
        load_settings({"EQUIPOISE_PUBLIC_URL": url})


@pytest.mark.parametrize(
    "url", ["https://study.example.org", "http://localhost:8000/", "https://[::1]:8443", "HTTPS://Host"]
)
def test_a_public_address_is_scheme_host_and_port(url: str) -> None:
    if url == "HTTPS://Host":
        with pytest.raises(BadSettings, match="write https://Host"):
            load_settings({"EQUIPOISE_PUBLIC_URL": url})
        return
    assert load_settings({"EQUIPOISE_PUBLIC_URL": url}).base_url == url.rstrip("/")


def test_a_research_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(BadSettings, match="EQUIPOISE_RESEARCH_TOKEN: is shorter than 32") as caught:
        load_settings({"EQUIPOISE_RESEARCH_TOKEN": "letmein"})
    assert "letmein" not in str(caught.value)


# --- logs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logger", "message", "args"),
    [
        (
            "gunicorn.error",
            "Invalid request from ip=203.0.113.9: Invalid HTTP request line: 'GET /p/secret'",
            (),
        ),
        ("gunicorn.error", "Error handling request %s", ("/p/secret",)),
        ("gunicorn.error", "Error handling request %s %s", ("GET", "/p/secret")),
        ("waitress", "Exception while serving /p/secret", ()),
        ("waitress", "Client disconnected while serving /p/secret", ()),
    ],
)
def test_servers_log_neither_addresses_nor_paths(
    caplog: pytest.LogCaptureFixture, logger: str, message: str, args: tuple[str, ...]
) -> None:
    keep_visitors_out_of_logs()
    keep_visitors_out_of_logs()
    with caplog.at_level(logging.INFO, logger):
        logging.getLogger(logger).warning(message, *args)
        logging.getLogger(logger).warning("Worker (pid:%s) was sent SIGKILL!", 7)
    assert "secret" not in caplog.text
    assert "203.0.113.9" not in caplog.text
    assert len(caplog.records) == 2
    assert "pid:7" in caplog.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked_of_a_service(tmp_path: Path, port: int, *requests: bytes) -> tuple[list[bytes], str]:
    """Send raw requests to a real service, one connection each; return the answers and all that it printed."""
    server = subprocess.Popen(
        [sys.executable, "-m", "survey.cli", "serve", "--port", str(port), "--workers", "1"],
        cwd=tmp_path,
        env={
            "EQUIPOISE_STATE_DIR": str(tmp_path / "var"),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path.cwd()),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    answers = []
    try:
        for request in requests:
            for _ in range(600):
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=30) as visitor:
                        visitor.sendall(request)
                        answers.append(visitor.recv(65_536))
                    break
                except ConnectionRefusedError:
                    time.sleep(0.1)
    finally:
        server.terminate()
        said = "".join(server.communicate(timeout=30))
    return answers, said


def test_gunicorn_refuses_what_is_no_http_without_noting_from_whom(tmp_path: Path) -> None:
    port = free_port()
    [answered], said = asked_of_a_service(tmp_path, port, b"GET /p/secret-token NONSENSE\r\n\r\n")
    assert b"400" in answered
    assert "a request that is not HTTP was refused" in said
    assert "secret-token" not in said
    # The addresses of its own pages are all that is left.
    assert "127.0.0.1" not in said.replace(f"http://127.0.0.1:{port}", "")


def test_without_trusted_proxies_a_request_states_neither_its_path_nor_its_scheme(tmp_path: Path) -> None:
    """Gunicorn by itself believes these headers of any neighbor on the same machine, a proxy for one."""
    asked = b"GET /nothing/research/add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    answers, _said = asked_of_a_service(
        tmp_path,
        free_port(),
        asked + b"SCRIPT_NAME: /nothing\r\n\r\n",
        asked + b"PATH_INFO: /research/add\r\n\r\n",
        asked + b"X-Forwarded-Proto: https\r\n\r\n",
    )
    assert [answer.split(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 404 NOT FOUND"] * 3
    assert b"Strict-Transport-Security" not in answers[2]
