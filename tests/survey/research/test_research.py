"""The researcher's pages, through Flask's test client on a real database."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from survey.answers_file import read_answers
from survey.app import create_app
from survey.bundle_check import verify_bundle
from survey.config import Secrets, Settings, load_settings
from survey.db import reading, writing
from survey.store import studies
from survey.tables import EventRow, IdentityRow, ParticipantRow, ParticipantState, StudyRow, StudyState
from survey.web.research.common import csv_bytes

AddOpenStudy = Callable[[Engine, str], StudyRow]
Send = Callable[..., TestResponse]
Plan = Callable[..., Any]
Walker = Any
Follow = Callable[..., Walker]

FOR_RESEARCHERS = [
    "",
    "add",
    "studies/1",
    "studies/1/figures",
    "studies/1/participants",
    "studies/1/participants/{code}",
    "studies/1/participants/{code}/erase",
    "studies/1/payment",
    "studies/1/downloads",
    "studies/1/answers.csv",
    "studies/1/bundle.zip",
    "studies/1/design.toml",
    "studies/1/completion-codes.csv",
    "studies/1/recruitment-ids.csv",
    "studies/1/invitations.csv",
]
FOR_OWNERS = {
    "add",
    "studies/1/participants/{code}/erase",
    "studies/1/payment",
    "studies/1/completion-codes.csv",
    "studies/1/recruitment-ids.csv",
    "studies/1/invitations.csv",
}
CHANGES = [
    ("add", {"text": "x"}),
    ("studies/1/state", {"state": "closed"}),
    ("studies/1/wave", {"wave": "2", "sure": "yes"}),
    ("studies/1/preview", {"language": "en"}),
    ("studies/1/forget-ids", {"sure": "yes"}),
    ("studies/1/participants/{code}/erase", {"code": "{code}"}),
]


def noted(engine: Engine) -> list[str]:
    """What the audit log says, oldest first."""
    with reading(engine) as session:
        return list(
            session.scalars(
                select(EventRow.what).where(EventRow.actor == "operator", EventRow.what != "signed in")
            )
        )


def csrf_of(page: TestResponse) -> str:
    return page.text.split('name="csrf_token" value="')[1].split('"')[0]


# --- who may see and do what ---------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?token=", "?token=guess"])
def test_nothing_is_shown_without_the_token(
    client: FlaskClient, walker: Walker, plan: Plan, query: str
) -> None:
    code = walker.take(plan())
    for path in FOR_RESEARCHERS:
        page = client.get(f"/research/{path.format(code=code)}{query}", follow_redirects=True)
        assert page.request.path == "/research/sign-in", path
        assert "A followed study" not in page.text
        assert "PAID-ALL" not in page.text


@pytest.mark.parametrize(("path", "fields"), CHANGES)
def test_nothing_is_changed_without_the_token(
    client: FlaskClient, walker: Walker, plan: Plan, path: str, fields: dict[str, str]
) -> None:
    code = walker.take(plan(pid="A"))
    sent = {name: value.format(code=code) for name, value in fields.items()}
    csrf = csrf_of(client.get("/research/sign-in"))
    answer = client.post(f"/research/{path.format(code=code)}", data={"csrf_token": csrf} | sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/research/sign-in")
    _is_as_it_was(walker, code)


@pytest.mark.parametrize(("path", "fields"), CHANGES)
def test_a_viewer_changes_nothing(
    viewer: FlaskClient, walker: Walker, plan: Plan, path: str, fields: dict[str, str]
) -> None:
    code = walker.take(plan(pid="A"))
    sent = {name: value.format(code=code) for name, value in fields.items()}
    csrf = csrf_of(viewer.get("/research/"))
    answer = viewer.post(f"/research/{path.format(code=code)}", data={"csrf_token": csrf} | sent)
    assert answer.status_code == 403
    assert "Only owners may do this" in answer.text
    _is_as_it_was(walker, code)


def _is_as_it_was(walker: Walker, code: str) -> None:
    with reading(walker.engine) as session:
        (study,) = studies.list_studies(session)
        assert (study.state, study.wave) == (StudyState.OPEN, 1)
        (person,) = session.scalars(select(ParticipantRow)).all()
        assert (person.code, person.state) == (code, ParticipantState.FINISHED)
        assert session.scalars(select(IdentityRow.sealed)).one() is not None


def test_a_viewer_sees_figures_and_answers_and_nothing_about_payment(
    viewer: FlaskClient, walker: Walker, plan: Plan
) -> None:
    code = walker.take(plan(pid="A"))
    for path in FOR_RESEARCHERS:
        page = viewer.get(f"/research/{path.format(code=code)}")
        assert page.status_code == (403 if path in FOR_OWNERS else 200), path
        if page.mimetype == "text/html":
            assert "PAID-ALL" not in page.text
            actions = set(re.findall(r'<form[^>]*action="([^"]*)"', page.text))
            assert actions <= {"/research/sign-out"}
            linked = set(re.findall(r'href="(/research/[^"]*)"', page.text))
            assert not linked & {f"/research/{other.format(code=code)}" for other in FOR_OWNERS}


# --- signing in with the link, and adding studies --------------------------------------------------------


def test_the_links_token_signs_in_and_leaves_the_address(client: FlaskClient, secrets: Secrets) -> None:
    answer = client.get(f"/research/?token={secrets.research_token}")
    assert answer.headers["Location"] == "/research/"
    assert client.get("/research/").status_code == 200


def test_the_token_can_be_typed(client: FlaskClient, secrets: Secrets, send: Send) -> None:
    page = client.get("/research/sign-in")
    wrong = send(client, page, "/sign-in", token="guess")
    assert wrong.status_code == 403
    assert "That token is not right" in wrong.text
    assert "Studies" in send(client, wrong, "/sign-in", token=f" {secrets.research_token} ").text


def test_signing_out_closes_the_pages(researcher: FlaskClient, send: Send) -> None:
    send(researcher, researcher.get("/research/"), "/sign-out")
    assert researcher.get("/research/").status_code == 303


def test_a_new_token_signs_everybody_out(
    researcher: FlaskClient, settings: Settings, secrets: Secrets, sqlite_engine: Engine
) -> None:
    cookie = researcher.get_cookie("equipoise")
    assert cookie is not None
    changed = load_settings(
        {"EQUIPOISE_SECRET_KEY": secrets.secret_key, "EQUIPOISE_RESEARCH_TOKEN": "n" * 32},
        state_dir=settings.state_dir,
    )
    other = create_app(changed, sqlite_engine).test_client()
    other.set_cookie("equipoise", cookie.value)
    assert other.get("/research/").status_code == 303


def test_an_uploaded_design_is_added(researcher: FlaskClient, short_design: str) -> None:
    csrf = researcher.get("/research/add").text.split('name="csrf_token" value="')[1].split('"')[0]
    page = researcher.post(
        "/research/add",
        data={"csrf_token": csrf, "file": (io.BytesIO(short_design.encode()), "my.toml"), "text": ""},
        follow_redirects=True,
    )
    assert page.status_code == 200
    assert "A short study" in page.text


def test_a_bad_design_shows_every_complaint_and_keeps_the_text(
    researcher: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send
) -> None:
    bad = short_design.replace('favours = "low"', 'favours = "lots"').replace(
        'slug = "short"', 'slug = "a b"'
    )
    page = send(researcher, researcher.get("/research/add"), "/add", text=bad)
    assert page.status_code == 400
    assert "2 problems" in page.text
    assert "study.slug" in page.text
    assert "favours" in page.text
    assert "a b" in page.text.split("<textarea")[1]
    with reading(sqlite_engine) as session:
        assert not studies.list_studies(session)


def test_text_that_is_no_toml_or_no_text_is_refused_kindly(researcher: FlaskClient, send: Send) -> None:
    page = send(researcher, researcher.get("/research/add"), "/add", text="<html>")
    assert page.status_code == 400
    assert "not valid TOML" in page.text
    csrf = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    page = researcher.post(
        "/research/add", data={"csrf_token": csrf, "file": (io.BytesIO(b"\xff\xfe\x00"), "my.toml")}
    )
    assert page.status_code == 400
    assert "not UTF-8" in page.text


def test_a_changed_design_under_the_same_version_is_refused(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    send: Send,
) -> None:
    add_open_study(sqlite_engine, short_design)
    page = send(
        researcher, researcher.get("/research/add"), "/add", text=short_design.replace("What to do.", "Else.")
    )
    assert page.status_code == 400
    assert "raise study.version" in page.text


def test_an_upload_that_is_too_large_is_refused(researcher: FlaskClient) -> None:
    page = researcher.post(
        "/research/add", data=b"text=" + b"x" * 3_000_000, content_type="application/x-www-form-urlencoded"
    )
    assert page.status_code == 413
    assert "What was sent is too large" in page.text


def test_a_draft_takes_a_changed_design(
    researcher: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send
) -> None:
    page = send(researcher, researcher.get("/research/add"), "/add", text=short_design)
    assert "added as a draft" in page.text
    assert "put a changed design in its place" in page.text
    page = send(researcher, researcher.get("/research/add"), "/add", text=short_design)
    assert "nothing was changed" in page.text
    changed = short_design.replace("What to do.", "Else.")
    page = send(researcher, researcher.get("/research/add"), "/add", text=changed)
    assert "now has this design in place of the one before" in page.text
    with reading(sqlite_engine) as session:
        (study,) = studies.list_studies(session)
    assert study.design_toml == changed
    assert noted(sqlite_engine) == ["study added", "design replaced"]


# --- one study -----------------------------------------------------------------------------------------


def test_a_study_is_opened_paused_closed_and_opened_again(
    researcher: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send
) -> None:
    page = send(researcher, researcher.get("/research/add"), "/add", text=short_design.replace("\n", "\r\n"))
    assert "A draft takes no participants" in page.text
    for state, says in (
        ("open", "http://localhost/s/short"),
        ("paused", "Everybody keeps the place"),
        ("open", "People who have the link can take part"),
        ("closed", "Nobody new may start"),
        ("open", "People who have the link can take part"),
    ):
        page = send(researcher, page, "/state", state=state)
        assert says in page.text
        with reading(sqlite_engine) as session:
            study = studies.find_study(session, "short")
        assert study.state.value == state
    assert study.design_toml == short_design
    expected = ["study opened", "study paused", "study opened", "study closed", "study opened"]
    assert noted(sqlite_engine) == ["study added", *expected]
    assert researcher.post("/research/studies/1/state", data={"csrf_token": csrf_of(page)}).status_code == 400


def test_a_change_that_cannot_be_says_why(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    send: Send,
) -> None:
    add_open_study(sqlite_engine, short_design)
    page = send(
        researcher, researcher.get("/research/add"), "/add", text=short_design.replace('"1"', '"2"', 1)
    )
    assert "Version 1 of this study is open and has the same address" in page.text
    answer = researcher.post(
        "/research/studies/2/state",
        data={"csrf_token": csrf_of(page), "state": "open"},
        follow_redirects=True,
    )
    assert "Another version of study &#39;short&#39; is open or paused" in answer.text
    answer = researcher.post(
        "/research/studies/2/state",
        data={"csrf_token": csrf_of(page), "state": "paused"},
        follow_redirects=True,
    )
    assert "only an open study can be paused" in answer.text


def test_the_links_for_platforms_are_ready_to_paste(
    researcher: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    add_open_study(sqlite_engine, short_design)
    page = researcher.get("/research/studies/1").text
    prolific = (
        "http://localhost/s/short?PROLIFIC_PID={{%PROLIFIC_PID%}}&amp;STUDY_ID={{%STUDY_ID%}}"
        "&amp;SESSION_ID={{%SESSION_ID%}}"
    )
    assert prolific in page
    assert "http://localhost/s/short?workerId=WORKER&amp;assignmentId=ASSIGNMENT&amp;hitId=HIT" in page
    assert "http://localhost/s/short?pid=ID" in page


def test_links_carry_the_public_address(
    settings: Settings,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    secrets: Secrets,
) -> None:
    add_open_study(sqlite_engine, short_design)
    public = load_settings(
        {"EQUIPOISE_SECRET_KEY": secrets.secret_key, "EQUIPOISE_PUBLIC_URL": "https://study.example.org/"},
        state_dir=settings.state_dir,
    )
    client = create_app(public, sqlite_engine).test_client()
    client.get(f"/research/?token={secrets.research_token}", base_url="https://localhost")
    page = client.get("/research/studies/1", base_url="https://localhost").text
    assert 'href="https://study.example.org/s/short"' in page


@pytest.mark.parametrize("arm", ["", "no-coin"])
def test_a_preview_is_a_simulated_participant_in_the_wanted_arm(
    researcher: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send, arm: str
) -> None:
    page = send(researcher, researcher.get("/research/add"), "/add", text=short_design)
    page = send(researcher, page, "/preview", language="en", arm=arm)
    assert page.request.path.startswith("/p/")
    page = send(researcher, page, "/consent", decision="agree")
    page = send(researcher, page, "/begin")
    assert "nothing here counts as an answer of a person" in page.text
    if arm:
        assert "Flip a coin" not in page.text
    with reading(sqlite_engine) as session:
        (person,) = session.scalars(select(ParticipantRow)).all()
    assert person.simulated
    assert person.arm in ([arm] if arm else ["with-coin", "no-coin"])
    study = researcher.get("/research/studies/1").text
    assert "what its previews and rehearsals left is deleted then" in study


def test_a_preview_in_a_language_or_an_arm_that_is_not_there_is_refused(
    researcher: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    add_open_study(sqlite_engine, short_design)
    csrf = csrf_of(researcher.get("/research/studies/1"))
    for fields in ({"language": "xx"}, {"arm": "third"}):
        assert (
            researcher.post("/research/studies/1/preview", data={"csrf_token": csrf} | fields).status_code
            == 400
        )
    with reading(sqlite_engine) as session:
        assert session.scalars(select(ParticipantRow)).all() == []


def test_a_closed_study_says_that_it_cannot_be_previewed(
    researcher: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    study = add_open_study(sqlite_engine, short_design)
    csrf = csrf_of(researcher.get("/research/studies/1"))
    with writing(sqlite_engine) as session:
        studies.close_study(session, session.get_one(StudyRow, study.id), now=study.created_at)
    answer = researcher.post("/research/studies/1/preview", data={"csrf_token": csrf}, follow_redirects=True)
    assert "A closed study cannot be previewed" in answer.text


def test_the_next_wave_opens_once_however_often_it_is_pressed(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    follow: Follow,
    plan: Plan,
    followed_design: str,
    send: Send,
) -> None:
    walker = follow(sqlite_engine, followed_design.replace("count = 2", "count = 3"))
    code = walker.take(plan(pid="A"))
    page = researcher.get("/research/studies/1")
    unsure = researcher.post("/research/studies/1/wave", data={"csrf_token": csrf_of(page), "wave": "2"})
    assert unsure.status_code == 400
    opened = send(researcher, page, "/wave", sure="yes")
    assert "Wave 2 is open" in opened.text
    send(researcher, page, "/wave", sure="yes")
    with reading(walker.engine) as session:
        assert studies.find_study(session, "followed").wave == 2
        token = session.scalars(select(ParticipantRow.token).where(ParticipantRow.code == code)).one()
    got = researcher.get("/research/studies/1/invitations.csv")
    assert list(csv.reader(io.StringIO(got.text))) == [
        ["source", "id", "completion_code_before", "link"],
        ["prolific", "A", "PAID-ALL", f"http://localhost/p/{token}"],
    ]
    assert noted(walker.engine) == ["wave opened", "invitations downloaded"]
    invited = researcher.get(f"/p/{token}").text
    assert "You are invited to take part once more" in invited


def test_a_design_of_one_wave_has_no_wave_to_open(
    researcher: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    add_open_study(sqlite_engine, short_design)
    page = researcher.get("/research/studies/1")
    assert "Waves" not in page.text
    answer = researcher.post(
        "/research/studies/1/wave",
        data={"csrf_token": csrf_of(page), "wave": "2", "sure": "yes"},
        follow_redirects=True,
    )
    assert "is in wave 1 of 1" in answer.text


def test_every_version_of_a_study_is_listed_with_its_state(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    send: Send,
) -> None:
    add_open_study(sqlite_engine, short_design)
    send(researcher, researcher.get("/research/add"), "/add", text=short_design.replace('"1"', '"2"', 1))
    page = researcher.get("/research/studies/2").text
    versions = page[page.index("Versions") :]
    assert 'href="/research/studies/1"' in versions
    assert '<span class="state draft">draft</span>' in versions
    assert '<span class="state open">open</span>' in versions


# --- figures -------------------------------------------------------------------------------------------


def test_the_pages_show_people_and_simulated_participants_apart(
    researcher: FlaskClient, walker: Walker, plan: Plan, says_indecision: Any
) -> None:
    walker.take(plan(arm="coin"))
    for _ in range(3):
        walker.take(plan(arm="coin", choose=says_indecision, simulated=True))
    study = researcher.get("/research/studies/1").text
    people, simulated = study.split("Simulated participants", 1)
    assert "0.0 %" in people
    assert "60.0 %" in simulated
    shown = researcher.get("/research/studies/1/figures").text
    assert "These are simulated participants" not in shown
    assert "100.0 %" not in shown[shown.index('id="indecision"') : shown.index('id="times"')]
    shown = researcher.get("/research/studies/1/figures?simulated=yes").text
    assert "These are simulated participants" in shown
    assert "100.0 %" in shown[shown.index('id="indecision"') : shown.index('id="times"')]
    assert ">1</td>" in researcher.get("/research/").text


@pytest.mark.parametrize(
    "path", ["studies/1", "studies/1/figures", "studies/1/participants", "studies/1/payment"]
)
@pytest.mark.parametrize("query", ["", "?simulated=yes"])
def test_a_study_without_participants_has_every_page(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    path: str,
    query: str,
) -> None:
    add_open_study(sqlite_engine, short_design)
    assert researcher.get(f"/research/{path}{query}").status_code == 200
    assert researcher.get(f"/research/{path.replace('1', '99')}{query}").status_code == 404


@pytest.mark.parametrize("query", ["wave=0", "wave=2", "wave=x", "wave=99999999", "wave=²"])
def test_a_wave_that_was_never_opened_has_no_figures(
    researcher: FlaskClient, walker: Walker, query: str
) -> None:
    assert researcher.get("/research/studies/1/figures?wave=1").status_code == 200
    assert researcher.get(f"/research/studies/1/figures?{query}").status_code == 404


# --- participants --------------------------------------------------------------------------------------


def test_participants_are_paged_by_a_hundred(researcher: FlaskClient, walker: Walker, plan: Plan) -> None:
    codes = sorted(walker.take(plan(decline=True)) for _ in range(101))
    first, second = (researcher.get(f"/research/studies/1/participants?page={n}").text for n in (1, 2))
    listed = [re.findall(r"participants/(p-\w+)", page) for page in (first, second)]
    assert listed == [codes[:100], codes[100:]]
    assert "Page 2" in first
    for nowhere in ("0", "3", "x", "-1"):
        assert researcher.get(f"/research/studies/1/participants?page={nowhere}").status_code == 404


def test_one_participants_page_shows_flags_and_answers_and_no_id(
    researcher: FlaskClient, walker: Walker, plan: Plan
) -> None:
    code = walker.take(
        plan(
            pid="5f0000000000000000000000",
            choose=lambda row: row.expected.mirrored if row.expected else "left",
            demographics={"remarks": "<script>alert(1)</script>"},
        )
    )
    with reading(walker.engine) as session:
        person = session.scalars(select(ParticipantRow)).one()
        hashed = session.scalars(select(IdentityRow.id_hash)).one()
    page = researcher.get(f"/research/studies/1/participants/{code}").text
    assert "failed checks above" in page
    assert "expected left" in page
    assert "&lt;script&gt;" in page
    for secret in (
        "5f0000000000000000000000",
        hashed,
        person.token,
        person.start_key,
        "PAID-ALL",
        "<script>alert",
    ):
        assert secret not in page
    assert "failed checks above" in researcher.get("/research/studies/1/participants").text
    assert researcher.get("/research/studies/1/participants/p-nobody").status_code == 404


def test_erasing_asks_for_the_code_and_deletes_everything(
    researcher: FlaskClient, walker: Walker, plan: Plan, send: Send
) -> None:
    code, other = walker.take(plan(pid="A")), walker.take(plan())
    page = researcher.get(f"/research/studies/1/participants/{code}/erase")
    assert "for good" in page.text
    wrong = send(researcher, page, "/erase", code=other)
    assert wrong.status_code == 400
    assert "Nothing was erased" in wrong.text
    done = send(researcher, wrong, "/erase", code=f" {code} ")
    assert done.request.path == "/research/studies/1/participants"
    assert "11 answers" in done.text
    assert code not in done.text
    assert other in done.text
    with reading(walker.engine) as session:
        left = session.scalars(select(ParticipantRow.code).order_by(ParticipantRow.id)).all()
        assert session.scalars(select(IdentityRow)).all() == []
    assert left[1] == other
    assert noted(walker.engine) == ["participant erased"]
    erased = researcher.get(f"/research/studies/1/participants/{left[0]}").text
    assert "Everything that this participant said was deleted" in erased
    csrf = csrf_of(researcher.get("/research/"))
    again = researcher.post(
        f"/research/studies/1/participants/{code}/erase", data={"csrf_token": csrf, "code": code}
    )
    assert again.status_code == 404


# --- payment -------------------------------------------------------------------------------------------


def test_codes_say_how_each_person_ended_and_nobody_simulated_has_one(
    researcher: FlaskClient, walker: Walker, plan: Plan
) -> None:
    walker.take(plan())
    walker.take(plan(decline=True))
    walker.take(plan(answers=1))
    walker.take(plan(simulated=True))
    with reading(walker.engine) as session:
        declined = session.scalars(
            select(ParticipantRow.completion_code).where(ParticipantRow.state == ParticipantState.DECLINED)
        ).one()
    got = researcher.get("/research/studies/1/completion-codes.csv").text
    assert got.splitlines() == ["ending,completion_code", "complete,PAID-ALL", f"declined,{declined}"]
    page = researcher.get("/research/studies/1/payment").text
    assert "Show the 2 codes" in page
    assert noted(walker.engine) == ["completion codes downloaded"]


def test_kept_ids_are_downloaded_with_code_and_ending_and_then_deleted(
    researcher: FlaskClient, walker: Walker, plan: Plan, send: Send
) -> None:
    code = walker.take(plan(pid="A"))
    walker.take(plan(pid="=cmd()", answers=0))
    got = researcher.get("/research/studies/1/recruitment-ids.csv")
    rows = list(csv.reader(io.StringIO(got.text)))
    assert rows == [
        ["source", "id", "SESSION_ID", "wave", "ending", "completion_code"],
        ["prolific", "'=cmd()", "s-=cmd()", "1", "", ""],
        ["prolific", "A", "s-A", "1", "complete", "PAID-ALL"],
    ]
    assert code not in got.text
    page = researcher.get("/research/studies/1/payment")
    assert "2 ids are kept" in page.text
    unsure = researcher.post("/research/studies/1/forget-ids", data={"csrf_token": csrf_of(page)})
    assert unsure.status_code == 400
    page = send(researcher, page, "/forget-ids", sure="yes")
    assert "2 kept ids are deleted" in page.text
    assert "0 ids are kept" in page.text
    assert researcher.get("/research/studies/1/recruitment-ids.csv").text.count("\n") == 1
    assert noted(walker.engine)[:2] == ["recruitment ids downloaded", "kept ids deleted"]


def test_a_cell_that_a_spreadsheet_would_run_is_only_text() -> None:
    found = (
        csv_bytes(("a",), [("=1+1",), ("@x",), ("-2",), ("+3",), ("plain",), ("\t=1",)]).decode().splitlines()
    )
    assert found == ["a", "'=1+1", "'@x", "'-2", "'+3", "plain", "'\t=1"]


# --- downloads -----------------------------------------------------------------------------------------


def test_the_downloads_are_the_answers_and_the_design(
    researcher: FlaskClient, walker: Walker, plan: Plan, followed_design: str, tmp_path: Path
) -> None:
    person = walker.take(plan())
    simulated = walker.take(plan(simulated=True))
    base = "/research/studies/1"
    assert researcher.get(f"{base}/design.toml").text == followed_design
    for query, name, codes in (
        ("", "followed-1-answers.csv", {person}),
        ("?simulated=yes", "followed-1-with-simulated-answers.csv", {person, simulated}),
    ):
        got = researcher.get(f"{base}/answers.csv{query}")
        assert got.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        (tmp_path / "answers.csv").write_bytes(got.data)
        assert {a.respondent for a in read_answers(tmp_path / "answers.csv").answers} == codes
    assert noted(walker.engine) == ["design downloaded", "answers downloaded", "answers downloaded"]


@pytest.mark.parametrize(("query", "people"), [("", 1), ("?simulated=yes", 2)])
def test_the_bundle_that_is_downloaded_verifies(
    researcher: FlaskClient, walker: Walker, plan: Plan, tmp_path: Path, query: str, people: int
) -> None:
    walker.take(plan(pid="A"))
    walker.take(plan(simulated=True))
    got = researcher.get(f"/research/studies/1/bundle.zip{query}")
    assert got.mimetype == "application/zip"
    file = tmp_path / "bundle.zip"
    file.write_bytes(got.data)
    assert verify_bundle(file) == []
    with zipfile.ZipFile(file) as files:
        name = next(name for name in files.namelist() if name.endswith("participants.csv"))
        assert files.read(name).decode().count("\n") == people + 1
        assert not any(b"PAID-ALL" in files.read(name) for name in files.namelist() if name.endswith("s.csv"))
    assert noted(walker.engine) == ["bundle downloaded"]


def test_a_version_in_any_letters_can_be_downloaded(
    researcher: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    study = add_open_study(sqlite_engine, short_design.replace('version = "1"', 'version = "β 1"'))
    got = researcher.get(f"/research/studies/{study.id}/design.toml")
    # Headers are Latin-1 on the wire: a server fails on anything else.
    assert got.headers["Content-Disposition"] == 'attachment; filename="short-__1.toml"'
