"""The JSON API: by hand, and every call of its OpenAPI document against what schemathesis makes up."""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import Engine, select

from survey.answers import Choice
from survey.answers_file import COLUMNS
from survey.app import create_app
from survey.config import Secrets, load_settings
from survey.db import open_database, reading, writing
from survey.design_file import EXAMPLES
from survey.recruitment import IdKeeper
from survey.store import answering, api_tokens, participants, studies
from survey.store.answering import Sent
from survey.store.participants import Arrival
from survey.tables import ApiTokenRow, EventRow, StudyRow, StudyState, TokenScope

AddOpenStudy = Callable[[Engine, str], StudyRow]
Bearer = dict[str, str]

OPERATIONS = (
    "listStudies",
    "addStudy",
    "getStudy",
    "setState",
    "countParticipants",
    "downloadBundle",
    "downloadDesign",
    "downloadAnswersCsv",
    "downloadAnswersJsonLines",
)


def bearer_of(engine: Engine, label: str, scope: TokenScope, *, days: int = 30) -> Bearer:
    with writing(engine) as session:
        now = datetime.now(UTC)
        secret = api_tokens.make_token(session, label, scope, days=days, now=now, actor="account anna")[1]
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def reads(sqlite_engine: Engine) -> Bearer:
    return bearer_of(sqlite_engine, "reader", TokenScope.READ)


@pytest.fixture
def writes(sqlite_engine: Engine) -> Bearer:
    return bearer_of(sqlite_engine, "writer", TokenScope.WRITE)


def take(
    engine: Engine, study_id: int, choices: Sequence[Choice], now: datetime, *, simulated: bool = False
) -> None:
    """Let one participant answer these choices in turn."""
    with writing(engine) as session:
        study = session.get_one(StudyRow, study_id)
        arrival = Arrival(start_key=secrets.token_hex(8), language="en", simulated=simulated)
        person = participants.start_participant(session, study, arrival, IdKeeper("k" * 40), now=now)
        participants.consent(session, person, now=now)
        answering.begin(session, person, now=now)
        for choice in choices:
            row = answering.open_presentation(session, studies.design_of(study), person)
            assert row is not None
            sent = Sent(
                presentation=row.token,
                revision=row.answered + 1,
                choice=choice,
                client_seconds=0.5,
                client_seconds_problem="",
            )
            answering.record_answer(session, person, sent, now=now + timedelta(seconds=1))


def actors(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as session:
        rows = session.scalars(select(EventRow).where(EventRow.actor.startswith("API")).order_by(EventRow.id))
        return [(row.actor, row.what) for row in rows]


# --- who gets in --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer equipoise_guess"},
        {"Authorization": "Basic YW5uYTpwYXNzd29yZA=="},
        {"Authorization": "Token equipoise_guess"},
    ],
)
def test_without_a_token_that_works_nothing_is_shown(
    client: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    headers: Bearer,
) -> None:
    add_open_study(sqlite_engine, short_design)
    for path in (
        "/api/v1/studies",
        "/api/v1/studies/1",
        "/api/v1/studies/1/answers.csv",
        "/api/v1/studies/1/bundle.zip",
        "/api/v1/studies/99",
    ):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "short" not in answer.text


def test_a_signed_in_researchers_cookie_does_not_open_the_api(client: FlaskClient, secrets: Secrets) -> None:
    assert client.get(f"/research/?token={secrets.research_token}").status_code == 303
    assert client.get("/api/v1/studies").status_code == 401
    assert client.post("/api/v1/studies", data="x", content_type="application/toml").status_code == 401


def test_a_revoked_and_an_expired_token_open_nothing(
    client: FlaskClient, sqlite_engine: Engine, reads: Bearer, writes: Bearer
) -> None:
    assert client.get("/api/v1/studies", headers=reads).status_code == 200
    with writing(sqlite_engine) as session:
        api_tokens.revoke_token(session, "reader", now=datetime.now(UTC), actor="account anna")
        row = session.scalars(select(ApiTokenRow).where(ApiTokenRow.label == "writer")).one()
        row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    assert client.get("/api/v1/studies", headers=reads).status_code == 401
    assert client.get("/api/v1/studies", headers=writes).status_code == 401


def test_a_token_that_may_only_read_changes_nothing(
    client: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str, reads: Bearer
) -> None:
    add_open_study(sqlite_engine, short_design)
    other = short_design.replace('"short"', '"other"')
    added = client.post("/api/v1/studies", data=other, headers=reads, content_type="application/toml")
    closed = client.put("/api/v1/studies/1/state", json={"state": "closed"}, headers=reads)
    for answer in (added, closed):
        assert (answer.status_code, answer.content_type) == (403, "application/problem+json")
    with reading(sqlite_engine) as session:
        assert [(s.slug, s.state) for s in studies.list_studies(session)] == [("short", StudyState.OPEN)]
    assert actors(sqlite_engine) == []


def test_the_day_of_the_last_use_is_kept_and_written_once(
    client: FlaskClient, sqlite_engine: Engine, reads: Bearer
) -> None:
    for _ in range(3):
        client.get("/api/v1/studies", headers=reads)
    with reading(sqlite_engine) as session:
        used = session.scalars(select(ApiTokenRow)).one().last_used_at
    assert used == datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


# --- what it does -------------------------------------------------------------------------------------


def test_a_study_is_added_opened_paused_and_closed(
    client: FlaskClient, sqlite_engine: Engine, short_design: str, writes: Bearer
) -> None:
    def post(text: str) -> Any:
        return client.post("/api/v1/studies", data=text, headers=writes, content_type="application/toml")

    added = post(short_design.replace("\n", "\r\n"))
    assert (added.status_code, added.headers["Location"]) == (201, "/api/v1/studies/1")
    study = added.json
    assert (study["slug"], study["state"], study["wave"], study["people"]) == ("short", "draft", 1, {})
    assert client.get(added.headers["Location"], headers=writes).json == study
    assert post(short_design).status_code == 200

    def put(state: str) -> Any:
        return client.put("/api/v1/studies/1/state", json={"state": state}, headers=writes)

    assert put("paused").status_code == 409
    for state in ("open", "paused", "open", "closed"):
        answer = put(state)
        assert (answer.status_code, answer.json["state"]) == (200, state)
    other = post(short_design.replace("What to do.", "What else to do."))
    assert (other.status_code, other.content_type) == (409, "application/problem+json")
    assert "raise study.version" in other.json["detail"]
    assert actors(sqlite_engine) == [
        ("API writer", what)
        for what in ("study added", "study opened", "study paused", "study opened", "study closed")
    ]


def test_a_bad_design_comes_back_with_every_complaint(
    client: FlaskClient, short_design: str, writes: Bearer
) -> None:
    bad = short_design.replace('favours = "low"', 'favours = "lowest"').replace(
        "per_respondent = 4", "per_respondent = 0"
    )
    answer = client.post("/api/v1/studies", data=bad, headers=writes, content_type="application/toml")
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert answer.json is not None
    assert len(answer.json["complaints"]) >= 2
    assert any("favours" in c for c in answer.json["complaints"])
    for body in (b"\xff\xfe", b"", b"not toml", b"\0"):
        answer = client.post("/api/v1/studies", data=body, headers=writes, content_type="text/plain")
        assert answer.status_code == 422, body


def test_a_design_must_be_said_to_be_one(client: FlaskClient, short_design: str, writes: Bearer) -> None:
    # What curl sends unless told would be read as a form.
    for kind in ("application/x-www-form-urlencoded", "application/json", None):
        answer = client.post("/api/v1/studies", data=short_design, headers=writes, content_type=kind)
        assert answer.status_code == 415
        assert answer.json is not None
        assert "Content-Type: application/toml" in answer.json["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"open"',
        b'{"state": "draft"}',
        b'{"state": 1}',
        b'{"state": "open", "x": 1}',
    ],
)
def test_a_state_that_is_none_is_refused_by_name(
    client: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    writes: Bearer,
    body: bytes,
) -> None:
    add_open_study(sqlite_engine, short_design)
    answer = client.put("/api/v1/studies/1/state", data=body, headers=writes, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert answer.json is not None
    assert answer.json["complaints"]


def test_answers_and_counts_are_of_people_unless_simulated_ones_are_asked_for(
    client: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    one_arm_design: str,
    reads: Bearer,
    now: datetime,
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    take(sqlite_engine, study.id, [Choice.LEFT, Choice.INDECISION], now)
    take(sqlite_engine, study.id, [Choice.RIGHT] * 4, now)
    take(sqlite_engine, study.id, [Choice.RIGHT], now, simulated=True)

    shown = client.get("/api/v1/studies/1", headers=reads).json
    assert shown is not None
    assert shown["people"] == {"answering": 1, "finished": 1}
    assert shown["simulated"] == {"answering": 1}
    assert shown["answers"] == 6
    assert shown["participants_url"] == "http://localhost/s/short"
    counted = client.get("/api/v1/studies/1/participants", headers=reads).json
    assert counted == {
        "simulated": False,
        "counts": [
            {"wave": 1, "arm": "main", "state": "answering", "participants": 1},
            {"wave": 1, "arm": "main", "state": "finished", "participants": 1},
        ],
    }
    made = client.get("/api/v1/studies/1/participants?simulated=yes", headers=reads).json
    assert made is not None
    assert [c["participants"] for c in made["counts"]] == [1]

    for query, count in (("", 6), ("?simulated=no", 6), ("?simulated=yes", 7)):
        as_csv = client.get(f"/api/v1/studies/1/answers.csv{query}", headers=reads)
        rows = list(csv.DictReader(io.StringIO(as_csv.text)))
        as_lines = client.get(f"/api/v1/studies/1/answers.jsonl{query}", headers=reads)
        lines = [json.loads(line) for line in as_lines.text.splitlines()]
        assert len(rows) == len(lines) == count
        assert set(COLUMNS) <= set(lines[0])
        for row, line in zip(rows, lines, strict=True):
            assert set(row) == set(line)
            # The same, but numbers are numbers and nothing is null.
            for name, cell in row.items():
                assert line[name] == (
                    None if cell == "" else float(cell) if isinstance(line[name], int | float) else cell
                )
            assert isinstance(line["left.age"], int)
            assert isinstance(line["seconds"], float)
    assert as_csv.headers["Content-Disposition"] == 'attachment; filename="short-1-answers.csv"'
    assert client.get("/api/v1/studies/1/answers.csv?simulated=maybe", headers=reads).status_code == 422
    assert client.get("/api/v1/studies/1/answers.csv?extra=1", headers=reads).status_code == 422
    assert client.get("/api/v1/studies/1/design.toml", headers=reads).text == one_arm_design
    bundle = zipfile.ZipFile(io.BytesIO(client.get("/api/v1/studies/1/bundle.zip", headers=reads).data))
    assert bundle.read("design.toml").decode() == one_arm_design
    assert "sim-" not in bundle.read("answers.csv").decode()
    assert set(actors(sqlite_engine)) == {("API reader", "downloaded")}


def test_studies_are_listed_newest_first_and_by_slug(
    client: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str, reads: Bearer
) -> None:
    add_open_study(sqlite_engine, short_design)
    add_open_study(sqlite_engine, short_design.replace('"short"', '"other"'))
    listed = client.get("/api/v1/studies", headers=reads).json
    assert listed is not None
    assert [(s["id"], s["slug"]) for s in listed["studies"]] == [(2, "other"), (1, "short")]
    found = client.get("/api/v1/studies?slug=short", headers=reads).json
    assert found is not None
    assert [s["slug"] for s in found["studies"]] == ["short"]
    missing = client.get("/api/v1/studies/99", headers=reads)
    assert missing.status_code == 404
    assert missing.json is not None
    assert "No study has the id 99" in missing.json["detail"]


# --- its description ----------------------------------------------------------------------------------


def test_the_document_names_every_call_and_each_needs_a_token(app: Flask, client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").json
    assert document is not None
    described = {
        (method.upper(), path): about
        for path, methods in document["paths"].items()
        for method, about in methods.items()
    }
    routed = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint not in ("api.openapi", "api.described")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(described) == routed
    assert sorted(about["operationId"] for about in described.values()) == sorted(OPERATIONS)
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for about in described.values():
        assert {"401", "429"} <= set(about["responses"])
        assert "security" not in about


def test_the_page_shows_every_call_with_an_example_and_no_script(client: FlaskClient) -> None:
    page = client.get("/api/").text
    for operation in OPERATIONS:
        assert f'id="{operation}"' in page
    assert page.count("curl ") >= len(OPERATIONS)
    assert "<script" not in page
    links = set(re.findall(r'href="#([^"]+)"', page)) - {"main"}
    assert links <= set(re.findall(r'id="([^"]+)"', page))


# --- what schemathesis makes up ------------------------------------------------------------------------


@schemathesis.serializer("application/toml")
def _toml_as_text(_context: schemathesis.SerializationContext, value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.deserializer("application/problem+json")
def _problem(_context: schemathesis.DeserializationContext, response: schemathesis.Response) -> object:
    return json.loads(response.content)


@schemathesis.deserializer("application/toml", "text/csv", "application/jsonl")
def _text(_context: schemathesis.DeserializationContext, response: schemathesis.Response) -> object:
    return response.content.decode("utf-8")


@pytest.fixture(scope="module")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Bearer]]:
    """An application with people, simulated participants and answers, without limits; and a token that writes."""
    settings = load_settings(
        {"EQUIPOISE_RATE_LIMITS": "off"}, state_dir=tmp_path_factory.mktemp("populated"), log_level="error"
    )
    engine = open_database(settings)
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    with writing(engine) as session:
        study = studies.add_study(session, (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8"), now=now)
        studies.open_study(session, study, now=now)
    take(engine, study.id, [Choice.LEFT, Choice.RIGHT, Choice.LEFT], now)
    take(engine, study.id, [Choice.LEFT], now)
    take(engine, study.id, [Choice.RIGHT] * 4, now, simulated=True)
    yield create_app(settings, engine), bearer_of(engine, "made up", TokenScope.WRITE)
    engine.dispose()


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_whatever_is_sent_the_answer_is_as_described(
    populated: tuple[Flask, Bearer], operation_id: str, mode: GenerationMode
) -> None:
    app, bearer = populated
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    operation = schema.find_operation_by_id(operation_id)
    is_positive = mode is GenerationMode.POSITIVE

    @hypothesis.settings(
        max_examples=25,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), there=st.booleans())
    def check(case: schemathesis.Case, there: bool) -> None:
        if is_positive and there and "study_id" in case.path_parameters:
            case.path_parameters["study_id"] = 1
        # Text that is valid by the schema is rarely a design.
        excluded = [positive_data_acceptance] if operation_id == "addStudy" else []
        response = case.call_and_validate(headers=bearer, excluded_checks=excluded)
        seen.add(response.status_code)

    seen: set[int] = set()
    check()
    # What does not fit may be a token that does not.
    assert seen - {401}
    if is_positive:
        assert 401 not in seen
        assert (seen == {422}) if operation_id == "addStudy" else (200 in seen)
