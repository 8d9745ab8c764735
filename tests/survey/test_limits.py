"""How often something may be asked for, and what those who ask too often are told."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select
from werkzeug.test import TestResponse

from survey.app import create_app
from survey.config import REHEARSAL_HEADER, BadSettings, Secrets, Settings, load_settings
from survey.db import reading, writing
from survey.passwords import hash_password
from survey.store import accounts, api_tokens
from survey.tables import AccountRole, ParticipantRow, TokenScope
from survey.web import limits
from survey.web.limits import RULES, Rule, the_limiter

AddOpenStudy = Callable[..., object]
Send = Callable[..., TestResponse]


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that makes the limit of an endpoint's rules small, before the application is made."""

    def make_small(endpoint: str, amounts: str) -> None:
        changed = tuple(
            Rule(amounts=amounts, key=r.key, scope=r.scope, counts=r.counts) for r in RULES[endpoint]
        )
        monkeypatch.setattr(limits, "RULES", {**RULES, endpoint: changed})

    return make_small


def csrf_of(page: TestResponse) -> str:
    found = re.search('name="csrf_token" value="([^"]*)"', page.text)
    assert found, page.text
    return found.group(1)


def assert_is_friendly(response: TestResponse) -> None:
    assert response.status_code == 429
    assert "Too many requests in a short time" in response.text
    assert re.search(r"Wait \d+ (seconds|minutes), then go on", response.text)
    assert 1 <= int(response.headers["Retry-After"]) <= 900


def test_guessing_the_password_of_one_account_is_stopped_and_nobody_else_is(
    app: Flask, sqlite_engine: Engine, now: datetime
) -> None:
    with writing(sqlite_engine) as session:
        for name in ("anna", "bo"):
            made = hash_password(f"{name}'s good password", name=name)
            accounts.add_account(session, name, made, AccountRole.OWNER, now=now, actor="command line")
    client = app.test_client()
    csrf = csrf_of(client.get("/research/sign-in"))

    def attempt(name: str, password: str, address: str) -> TestResponse:
        fields = {"csrf_token": csrf, "name": name, "password": password}
        return client.post("/research/sign-in", data=fields, environ_overrides={"REMOTE_ADDR": address})

    # From a new address each time: the account is what is counted.
    answers = [attempt("Anna", f"guess number {i}", f"10.0.0.{i}").status_code for i in range(10)]
    assert answers == [403] * 10
    assert_is_friendly(attempt("anna ", "anna's good password", "10.0.1.1"))
    assert attempt("bo", "bo's good password", "10.0.0.1").status_code == 303


def test_guessing_from_one_address_is_stopped(
    app: Flask, strict: Callable[[str, str], None], settings: Settings, sqlite_engine: Engine
) -> None:
    strict("research.sign_in_sent", "3 per minute")
    client = create_app(settings, sqlite_engine).test_client()
    csrf = csrf_of(client.get("/research/sign-in"))
    statuses = [
        client.post("/research/sign-in", data={"csrf_token": csrf, "name": f"n{i}", "token": "x"}).status_code
        for i in range(4)
    ]
    assert statuses == [403, 403, 403, 429]
    elsewhere = client.post(
        "/research/sign-in",
        data={"csrf_token": csrf, "name": "n", "token": "x"},
        environ_overrides={"REMOTE_ADDR": "10.0.0.9"},
    )
    assert elsewhere.status_code == 403


def test_a_flood_of_starts_is_stopped_and_stores_nobody(
    settings: Settings,
    sqlite_engine: Engine,
    strict: Callable[[str, str], None],
    add_open_study: AddOpenStudy,
    short_design: str,
    secrets: Secrets,
    send: Send,
) -> None:
    strict("participate.start", "2 per minute")
    add_open_study(sqlite_engine, short_design)
    app = create_app(settings, sqlite_engine)

    def start() -> TestResponse:
        client = app.test_client()
        return send(client, client.get("/s/short"), "/start")

    assert [start().status_code, start().status_code] == [200, 200]
    assert_is_friendly(start())
    with reading(sqlite_engine) as session:
        assert session.scalar(select(func.count()).select_from(ParticipantRow)) == 2
    # A rehearsal of hundreds comes from one address.
    rehearsal = app.test_client()
    page = rehearsal.get("/s/short")
    fields = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text))
    for header, status in ((secrets.rehearsal_token, 303), ("wrong", 429), ("ü", 429)):
        answer = rehearsal.post("/s/short/start", data=fields, headers={REHEARSAL_HEADER: header})
        assert answer.status_code == status


def test_forms_of_one_participant_are_counted_together_and_leave_the_others_alone(
    settings: Settings,
    sqlite_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    add_open_study: AddOpenStudy,
    short_design: str,
    send: Send,
) -> None:
    rule = limits.PARTICIPANTS_FORMS
    monkeypatch.setattr(
        limits, "PARTICIPANTS_FORMS", Rule(amounts="3 per minute", key=rule.key, scope=rule.scope)
    )
    add_open_study(sqlite_engine, short_design)
    app = create_app(settings, sqlite_engine)
    one, other = app.test_client(), app.test_client()
    page = send(one, one.get("/s/short"), "/start")
    address = page.request.path
    csrf = csrf_of(page)
    forms = ("consent", "begin", "answer", "withdraw")
    there = [rule.rule for rule in app.url_map.iter_rules()]
    posted = [f for f in forms if f"/p/<token>/{f}" in there]
    assert len(posted) >= 3
    statuses = [
        one.post(f"{address}/{posted[i % len(posted)]}", data={"csrf_token": csrf}).status_code
        for i in range(4)
    ]
    assert 429 not in statuses[:3]
    assert statuses[3] == 429
    refused = one.post(f"{address}/consent", data={"csrf_token": csrf})
    assert_is_friendly(refused)
    assert f'href="{address}"' in refused.text
    assert one.get(address).status_code == 200
    page = send(other, other.get("/s/short"), "/start")
    assert send(other, page, "/consent", decision="agree").status_code == 200


def test_every_form_of_a_participant_is_limited(app: Flask) -> None:
    limiter_marks = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("participate.")
        and "POST" in (rule.methods or ())
        and not hasattr(app.view_functions[rule.endpoint], "__wrapper-limiter-instance")
    ]
    assert limiter_marks == []


def test_wrong_tokens_of_the_api_are_stopped_by_address_before_they_are_looked_up(
    app: Flask, sqlite_engine: Engine, now: datetime
) -> None:
    with writing(sqlite_engine) as session:
        secret = api_tokens.make_token(session, "lab", TokenScope.READ, days=30, now=now, actor="x")[1]
    client = app.test_client()

    def ask(token: str, address: str = "10.0.0.1") -> TestResponse:
        return client.get(
            "/api/v1/studies",
            headers={"Authorization": f"Bearer {token}"},
            environ_overrides={"REMOTE_ADDR": address},
        )

    assert [ask(f"equipoise_{i}").status_code for i in range(60)] == [401] * 60
    refused = ask("equipoise_61")
    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")
    assert refused.json is not None
    assert refused.json["status"] == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert ask(secret, "10.0.0.2").status_code == 200


def test_calls_with_one_token_are_counted_and_another_token_is_not_held_up(
    settings: Settings, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    rule = limits.API_CALLS
    monkeypatch.setattr(limits, "API_CALLS", Rule(amounts="2 per minute", key=rule.key, scope=rule.scope))
    with writing(sqlite_engine) as session:
        one, other = (
            api_tokens.make_token(session, label, TokenScope.READ, days=30, now=now, actor="x")[1]
            for label in ("one", "other")
        )
    client = create_app(settings, sqlite_engine).test_client()

    def ask(token: str) -> int:
        return client.get("/api/v1/studies", headers={"Authorization": f"Bearer {token}"}).status_code

    assert [ask(one), ask(one), ask(one), ask(other)] == [200, 200, 429, 200]


def test_neither_addresses_nor_names_lie_in_the_storage(app: Flask) -> None:
    client = app.test_client()
    csrf = csrf_of(client.get("/research/sign-in"))
    client.post(
        "/research/sign-in",
        data={"csrf_token": csrf, "name": "anna-the-owner", "token": "x"},
        environ_overrides={"REMOTE_ADDR": "203.0.113.77"},
    )
    with app.app_context():
        limiter = the_limiter()
    assert limiter is not None
    kept = str(vars(limiter.storage))
    assert "sign-in" in kept
    assert "203.0.113.77" not in kept
    assert "anna-the-owner" not in kept


def test_limits_can_be_switched_off_for_load_tests(
    tmp_path: Path, sqlite_engine: Engine, strict: Callable[[str, str], None]
) -> None:
    strict("research.sign_in_sent", "1 per hour")
    settings = load_settings({"EQUIPOISE_RATE_LIMITS": "off"}, state_dir=tmp_path / "var", log_level="error")
    client = create_app(settings, sqlite_engine).test_client()
    csrf = csrf_of(client.get("/research/sign-in"))
    for _ in range(5):
        answer = client.post("/research/sign-in", data={"csrf_token": csrf, "token": "x"})
        assert answer.status_code == 403


@pytest.mark.parametrize("storage", ["nowhere://x", "just words", ""])
def test_a_storage_that_cannot_be_used_is_named_at_the_start(
    tmp_path: Path, sqlite_engine: Engine, storage: str
) -> None:
    settings = load_settings({}, state_dir=tmp_path / "var", rate_limit_storage=storage)
    with pytest.raises(BadSettings, match="EQUIPOISE_RATE_LIMIT_STORAGE"):
        create_app(settings, sqlite_engine)


def test_a_storage_that_is_down_stops_no_survey_and_opens_no_door(
    settings: Settings,
    sqlite_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    strict: Callable[[str, str], None],
) -> None:
    strict("research.sign_in_sent", "2 per minute")
    app = create_app(settings, sqlite_engine)
    with app.app_context():
        limiter = the_limiter()
    assert limiter is not None

    def down(*_: object, **__: object) -> int:
        raise ConnectionError("storage down")

    for name in ("incr", "get", "check"):
        monkeypatch.setattr(limiter.storage, name, down)
    client = app.test_client()
    csrf = csrf_of(client.get("/research/sign-in"))
    statuses = [
        client.post("/research/sign-in", data={"csrf_token": csrf, "token": "x"}).status_code
        for _ in range(3)
    ]
    assert statuses == [403, 403, 429]


@pytest.mark.parametrize(("proxies", "last"), [("0", 429), ("1", 403)])
def test_a_forwarded_address_counts_only_where_a_proxy_is_trusted(
    tmp_path: Path, sqlite_engine: Engine, strict: Callable[[str, str], None], proxies: str, last: int
) -> None:
    strict("research.sign_in_sent", "1 per hour")
    settings = load_settings(
        {"EQUIPOISE_TRUSTED_PROXIES": proxies}, state_dir=tmp_path / "var", log_level="error"
    )
    client = create_app(settings, sqlite_engine).test_client()
    csrf = csrf_of(client.get("/research/sign-in"))
    statuses = [
        client.post(
            "/research/sign-in",
            data={"csrf_token": csrf, "name": f"name-{number}", "token": "x"},
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        ).status_code
        for number in (1, 2)
    ]
    assert statuses == [403, last]
