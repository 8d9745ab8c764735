"""Who gets in, who may change what, and when a session ends. Through Flask's test client on a real database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from survey.config import Secrets
from survey.db import reading, writing
from survey.passwords import hash_password, is_outdated, is_password
from survey.store import accounts, api_tokens, studies
from survey.tables import AccountRole, EventRow, StudyState
from survey.web.access import own_path
from survey.web.context import use_clock

AddOpenStudy = Callable[..., object]
Send = Callable[..., TestResponse]

PASSWORDS = {"anna": "anna's good password", "bo": "bo's good password", "cy": "cy's good password"}


@pytest.fixture(scope="session")
def hashes() -> dict[str, str]:
    """Hashing is slow on purpose: once for all tests."""
    return {name: hash_password(password, name=name) for name, password in PASSWORDS.items()}


@pytest.fixture
def with_accounts(sqlite_engine: Engine, hashes: dict[str, str], now: datetime) -> None:
    """Anna is an owner, Bo a viewer, Cy a coder."""
    roles = (("anna", AccountRole.OWNER), ("bo", AccountRole.VIEWER), ("cy", AccountRole.CODER))
    with writing(sqlite_engine) as session:
        for name, role in roles:
            accounts.add_account(session, name, hashes[name], role, now=now, actor="command line")


def signed_in(app: Flask, name: str, send: Send) -> FlaskClient:
    client = app.test_client()
    page = send(client, client.get("/research/sign-in"), "/sign-in", name=name, password=PASSWORDS[name])
    assert page.status_code == 200
    assert "Sign out" in page.text
    return client


@pytest.fixture
def owner(app: Flask, with_accounts: None, send: Send) -> FlaskClient:
    return signed_in(app, "anna", send)


@pytest.fixture
def viewer(app: Flask, with_accounts: None, send: Send) -> FlaskClient:
    return signed_in(app, "bo", send)


@pytest.fixture
def coder(app: Flask, with_accounts: None, send: Send) -> FlaskClient:
    return signed_in(app, "cy", send)


@pytest.fixture
def operator(app: Flask, secrets: Secrets) -> FlaskClient:
    client = app.test_client()
    assert client.get(f"/research/?token={secrets.research_token}").status_code == 303
    return client


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/research/audit").status_code == 200


def events(engine: Engine) -> list[tuple[str, str, dict[str, object]]]:
    with reading(engine) as session:
        rows = session.scalars(select(EventRow).where(EventRow.actor != "").order_by(EventRow.id)).all()
    return [(row.actor, row.what, row.detail) for row in rows]


def csrf_of(page: TestResponse) -> str:
    found = re.search('name="csrf_token" value="([^"]*)"', page.text)
    assert found, page.text
    return found.group(1)


# --- signing in ---------------------------------------------------------------------------------------


def test_name_and_password_open_the_pages_and_sign_out_closes_them(
    owner: FlaskClient, sqlite_engine: Engine, send: Send
) -> None:
    assert "anna" in owner.get("/research/").text
    send(owner, owner.get("/research/"), "/sign-out")
    assert not is_signed_in(owner)
    assert [(actor, what) for actor, what, _ in events(sqlite_engine)][-2:] == [
        ("account anna", "signed in"),
        ("account anna", "signed out"),
    ]


@pytest.mark.parametrize(
    ("name", "password", "noted"),
    [
        ("anna", "bo's good password", {"account": "anna"}),
        ("anna", "", {"account": "anna"}),
        ("my secret password", "anna", {}),
        ("", "", {}),
        ("anna", "x" * 400_000, {"account": "anna"}),
    ],
)
def test_a_failed_sign_in_is_noted_without_what_was_typed(
    client: FlaskClient,
    with_accounts: None,
    sqlite_engine: Engine,
    send: Send,
    name: str,
    password: str,
    noted: dict[str, str],
) -> None:
    page = send(client, client.get("/research/sign-in"), "/sign-in", name=name, password=password)
    assert page.status_code == 403
    assert "Name or password is not right" in page.text
    assert not is_signed_in(client)
    assert events(sqlite_engine)[-1] == ("nobody", "sign-in failed", noted)


def test_the_answer_to_a_wrong_name_and_a_wrong_password_is_the_same(
    app: Flask, with_accounts: None, send: Send
) -> None:
    texts = set()
    for name in ("anna", "nemo"):
        client = app.test_client()
        page = send(client, client.get("/research/sign-in"), "/sign-in", name=name, password="wrong one")
        texts.add(re.sub('value="[^"]*"', "", page.text))
    assert len(texts) == 1


def test_a_disabled_account_opens_nothing(
    client: FlaskClient, with_accounts: None, sqlite_engine: Engine, send: Send, now: datetime
) -> None:
    with writing(sqlite_engine) as session:
        accounts.disable_account(
            session, accounts.account_named(session, "bo"), now=now, actor="account anna"
        )
    page = send(client, client.get("/research/sign-in"), "/sign-in", name="bo", password=PASSWORDS["bo"])
    assert page.status_code == 403


def test_signing_in_leaves_nothing_in_the_cookie_that_was_there_before(
    app: Flask, with_accounts: None, send: Send
) -> None:
    client = app.test_client()
    page = client.get("/research/sign-in")
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
        before = session["csrf_token"]
    send(client, page, "/sign-in", name="anna", password=PASSWORDS["anna"])
    with client.session_transaction() as session:
        assert "planted" not in session
        assert session.get("csrf_token") != before
        assert set(session) <= {"_permanent", "_user_id", "_fresh", "signed_in_at", "csrf_token"}


def test_a_hash_of_weaker_parameters_is_renewed_at_the_next_sign_in(
    client: FlaskClient, sqlite_engine: Engine, send: Send, now: datetime
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash("a good password")
    with writing(sqlite_engine) as session:
        accounts.add_account(session, "anna", weak, AccountRole.OWNER, now=now, actor="command line")
    page = send(client, client.get("/research/sign-in"), "/sign-in", name="anna", password="a good password")
    assert page.status_code == 200
    with reading(sqlite_engine) as session:
        kept = accounts.account_named(session, "anna").password_hash
    assert not is_outdated(kept)
    assert is_password("a good password", kept)
    assert is_signed_in(client)


@pytest.mark.parametrize(
    "path",
    [
        "/research/sign-in",
        "/research/sign-out",
        "/research/password",
        "/research/accounts",
        "/research/accounts/1",
        "/research/accounts/1/password",
        "/research/tokens",
        "/research/tokens/revoke",
        "/research/add",
        "/research/studies/1/state",
    ],
)
def test_no_form_of_another_site_is_accepted(owner: FlaskClient, sqlite_engine: Engine, path: str) -> None:
    before = events(sqlite_engine)
    answer = owner.post(path, data={"name": "eve", "role": "owner", "change": "viewer", "label": "x"})
    assert answer.status_code == 400
    assert "Please try that again" in answer.text
    assert events(sqlite_engine) == before


# --- going on to the page that was asked for -----------------------------------------------------------


def test_after_signing_in_comes_the_page_that_was_asked_for(
    client: FlaskClient, with_accounts: None, send: Send
) -> None:
    page = client.get("/research/audit?before=99", follow_redirects=True)
    assert page.request.path == "/research/sign-in"
    again = send(client, page, "/sign-in", name="anna", password="wrong password")
    arrived = send(client, again, "/sign-in", name="anna", password=PASSWORDS["anna"])
    assert arrived.request.full_path == "/research/audit?before=99"


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example",
        "///evil.example",
        "https://evil.example",
        "https:evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/%0d%0aLocation:x\r\n",
        "javascript:alert(1)",
        "evil.example",
        "research/",
        "",
        "/research\0",
        "//[evil",
    ],
)
def test_no_link_leads_to_another_site_by_way_of_signing_in(
    client: FlaskClient, with_accounts: None, send: Send, address: str
) -> None:
    assert own_path(address) is None
    if "\0" in address:
        return  # Refused before any view sees it.
    csrf = csrf_of(client.get("/research/sign-in", query_string={"next": address}))
    answer = client.post(
        "/research/sign-in",
        data={"csrf_token": csrf, "name": "anna", "password": PASSWORDS["anna"], "next": address},
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/research/")
    again = client.get("/research/sign-in", query_string={"next": address})
    assert (again.status_code, again.headers["Location"]) == (303, "/research/")


@given(address=st.text(st.sampled_from("/\\:.?#@%ahtps \t\n\0e"), max_size=12))
def test_a_path_of_ours_stays_on_our_host_as_browsers_read_it(address: str) -> None:
    found = own_path(address)
    if found is not None:
        # As the URL standard has it: control characters go, backslashes are slashes.
        read = "".join(c for c in found if c > " ").replace("\\", "/")
        assert read.startswith("/")
        assert not read.startswith("//")


# --- sessions end -------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["password", "role", "disable"])
def test_a_session_ends_when_the_account_changes(
    viewer: FlaskClient, owner: FlaskClient, sqlite_engine: Engine, now: datetime, change: str
) -> None:
    assert is_signed_in(viewer)
    with writing(sqlite_engine) as session:
        bo = accounts.account_named(session, "bo")
        if change == "password":
            accounts.set_password(session, bo, "hash", now=now, actor="command line")
        elif change == "role":
            accounts.set_role(session, bo, AccountRole.OWNER, now=now, actor="command line")
        else:
            accounts.disable_account(session, bo, now=now, actor="command line")
            accounts.enable_account(session, bo, now=now, actor="command line")
    assert not is_signed_in(viewer)
    assert is_signed_in(owner)


def test_changing_ones_own_password_signs_out_every_other_browser(
    app: Flask, owner: FlaskClient, send: Send
) -> None:
    other = signed_in(app, "anna", send)
    form = owner.get("/research/password")
    wrong = send(owner, form, "/password", current="wrong", password="a new password", again="a new password")
    assert (wrong.status_code, "Nothing was changed" in wrong.text) == (403, True)
    differ = send(
        owner,
        form,
        "/password",
        current=PASSWORDS["anna"],
        password="a new password",
        again="an old password",
    )
    assert (differ.status_code, "passwords differ" in differ.text) == (400, True)
    assert is_signed_in(other)
    done = send(
        owner, form, "/password", current=PASSWORDS["anna"], password="a new password", again="a new password"
    )
    assert "Your password is changed" in done.text
    assert is_signed_in(owner)
    assert not is_signed_in(other)
    page = send(other, other.get("/research/sign-in"), "/sign-in", name="anna", password="a new password")
    assert page.status_code == 200


def test_a_session_ends_after_twelve_hours(app: Flask, owner: FlaskClient) -> None:
    for hours, stays in ((11, True), (13, False)):
        use_clock(app, lambda hours=hours: datetime.now(UTC) + timedelta(hours=hours))
        assert is_signed_in(owner) is stays


@pytest.mark.parametrize(
    "forged", ["operator:", "operator:x", "account:1", "account:1:", "account:x:1", "nobody", ""]
)
def test_a_session_that_names_nobody_opens_nothing(app: Flask, with_accounts: None, forged: str) -> None:
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = forged
    assert client.get("/research/audit").status_code == 303


# --- the operator's link ------------------------------------------------------------------------------


def test_the_link_opens_the_pages_until_there_is_an_account(
    app: Flask,
    operator: FlaskClient,
    sqlite_engine: Engine,
    secrets: Secrets,
    hashes: dict[str, str],
    now: datetime,
) -> None:
    assert "operator" in operator.get("/research/").text
    assert operator.get("/research/password").status_code == 404
    with writing(sqlite_engine) as session:
        accounts.add_account(
            session, "anna", hashes["anna"], AccountRole.OWNER, now=now, actor="command line"
        )
    assert not is_signed_in(operator)
    late = app.test_client()
    page = late.get(f"/research/?token={secrets.research_token}", follow_redirects=True)
    assert page.request.path == "/research/sign-in"
    assert "no longer opens these pages" in page.text
    assert "Account name" in page.text
    assert not is_signed_in(late)
    typed = late.post(
        "/research/sign-in", data={"csrf_token": csrf_of(page), "token": secrets.research_token}
    )
    assert typed.status_code == 403
    assert [actor for actor, what, _ in events(sqlite_engine) if what == "signed in"] == ["operator"]


def test_the_operator_makes_the_first_account_and_goes_on_as_its_owner(
    operator: FlaskClient, sqlite_engine: Engine, send: Send
) -> None:
    page = operator.get("/research/accounts")
    assert "There is no account yet" in page.text
    page = send(operator, page, "/accounts", name="Anna", password="a good password", again="a good password")
    assert "signed in as &#39;anna&#39;" in page.text
    assert is_signed_in(operator)
    page = send(
        operator,
        page,
        "/accounts",
        name="bo",
        role="viewer",
        password="another password",
        again="another password",
    )
    assert "Account &#39;bo&#39; is added" in page.text
    assert [(a, w) for a, w, _ in events(sqlite_engine) if w == "account added"] == [
        ("operator", "account added"),
        ("account anna", "account added"),
    ]


# --- roles --------------------------------------------------------------------------------------------

CHANGES = [
    ("/research/add", {"text": "x"}),
    ("/research/studies/1/state", {"state": "closed"}),
    (
        "/research/accounts",
        {"name": "eve", "role": "owner", "password": "a good password", "again": "a good password"},
    ),
    ("/research/accounts/1", {"change": "disable"}),
    ("/research/accounts/2", {"change": "owner"}),
    ("/research/accounts/1/password", {"password": "a good password", "again": "a good password"}),
    ("/research/tokens", {"label": "x", "scope": "write", "days": "30"}),
    ("/research/tokens/revoke", {"label": "lab"}),
]


@pytest.mark.parametrize(("path", "fields"), CHANGES)
def test_a_viewer_changes_nothing(
    viewer: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    now: datetime,
    path: str,
    fields: dict[str, str],
) -> None:
    add_open_study(sqlite_engine, short_design)
    with writing(sqlite_engine) as session:
        api_tokens.make_token(
            session, "lab", api_tokens.TokenScope.READ, days=1, now=now, actor="account anna"
        )
    before = events(sqlite_engine)
    csrf = csrf_of(viewer.get("/research/audit"))
    answer = viewer.post(path, data={"csrf_token": csrf} | fields)
    assert answer.status_code == 403
    assert "Your account is a viewer" in answer.text
    assert "Back to the studies" in answer.text
    assert events(sqlite_engine) == before
    with reading(sqlite_engine) as session:
        assert studies.find_study(session, "short").state is StudyState.OPEN


@pytest.mark.parametrize(("path", "fields"), CHANGES)
def test_a_stranger_changes_nothing_and_is_sent_to_the_sign_in_page(
    client: FlaskClient, with_accounts: None, sqlite_engine: Engine, path: str, fields: dict[str, str]
) -> None:
    before = events(sqlite_engine)
    csrf = csrf_of(client.get("/research/sign-in"))
    answer = client.post(path, data={"csrf_token": csrf} | fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/research/sign-in")
    assert events(sqlite_engine) == before


def test_every_researchers_route_is_guarded(app: Flask, client: FlaskClient, viewer: FlaskClient) -> None:
    open_to_all = {"research.sign_in_page", "research.sign_in_sent", "research.sign_out_sent"}
    csrf = {"csrf_token": csrf_of(client.get("/research/sign-in"))}
    viewers_csrf = {"csrf_token": csrf_of(viewer.get("/research/audit"))}
    seen = 0
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("research.") or rule.endpoint in open_to_all:
            continue
        seen += 1
        with app.test_request_context():
            path = rule.build(dict.fromkeys(rule.arguments, 1), append_unknown=False)
        assert path is not None
        if "POST" in (rule.methods or ()):
            assert client.post(path[1], data=csrf).headers.get("Location") == "/research/sign-in", rule
            # A viewer's own password is the one thing that is theirs to change.
            if rule.endpoint != "research.change_password":
                assert viewer.post(path[1], data=viewers_csrf).status_code == 403, rule
        else:
            assert client.get(path[1]).headers["Location"].startswith("/research/sign-in"), rule
    assert seen > 12


def test_a_viewer_sees_studies_and_the_audit_log_but_neither_codes_nor_accounts(
    viewer: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    add_open_study(sqlite_engine, short_design)
    for path in ("", "audit", "password", "studies/1", "studies/1/design.toml"):
        assert viewer.get(f"/research/{path}").status_code == 200, path
    for path in ("add", "accounts", "tokens", "accounts/1/password", "studies/1/completion-codes.csv"):
        assert viewer.get(f"/research/{path}").status_code == 403, path
    nav = viewer.get("/research/audit").text
    assert "/research/accounts" not in nav
    assert "/research/tokens" not in nav


@pytest.mark.parametrize(("path", "fields"), CHANGES)
def test_a_coder_changes_nothing_but_codes(
    coder: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    path: str,
    fields: dict[str, str],
) -> None:
    add_open_study(sqlite_engine, short_design)
    before = events(sqlite_engine)
    csrf = csrf_of(coder.get("/research/audit"))
    answer = coder.post(path, data={"csrf_token": csrf} | fields)
    assert answer.status_code == 403
    assert "Your account is a coder" in answer.text
    assert events(sqlite_engine) == before


def test_refusals_say_for_whom_it_is(app: Flask) -> None:
    """The guards themselves, on views of the test's own."""
    from survey.web import access

    kinds = (access.OwnersOnly, access.CodersOnly, access.NotForCoders)
    for kind in kinds:
        for role in AccountRole:
            said = kind(role).description or ""
            assert said.startswith(f"Your account is a {role.value}'s."), said
    assert len({kind.heading for kind in kinds}) == 3


@pytest.mark.parametrize(
    ("who", "codes", "compares"), [("owner", 200, 200), ("viewer", 403, 200), ("coder", 200, 403)]
)
def test_coding_is_for_coders_and_owners_and_comparing_coders_for_viewers_and_owners(
    request: pytest.FixtureRequest, app: Flask, who: str, codes: int, compares: int
) -> None:
    from survey.web import access

    app.add_url_rule("/coding", "coding", access.coders_only(lambda: "codes"))
    app.add_url_rule("/comparing", "comparing", access.not_coders(lambda: "compares"))
    client = request.getfixturevalue(who)
    assert (client.get("/coding").status_code, client.get("/comparing").status_code) == (codes, compares)
    stranger = app.test_client()
    for path in ("/coding", "/comparing"):
        assert stranger.get(path).headers["Location"].startswith("/research/sign-in")


def test_a_coders_audit_log_leaves_out_what_others_coded(
    coder: FlaskClient, owner: FlaskClient, sqlite_engine: Engine, now: datetime
) -> None:
    from survey.store.events import log_event

    with writing(sqlite_engine) as session:
        for actor in ("account anna", "account cy"):
            log_event(
                session, None, None, "coding: suggestion coded", now=now, actor=actor, after=[f"by {actor}"]
            )
    assert "by account anna" in owner.get("/research/audit").text
    page = coder.get("/research/audit").text
    assert "by account cy" in page
    assert "by account anna" not in page
    assert "coders work apart" in page


def test_an_owner_makes_a_viewer_a_coder_on_the_page(
    owner: FlaskClient, sqlite_engine: Engine, send: Send
) -> None:
    page = owner.get("/research/accounts")
    assert page.text.count("Make a coder") == 2
    send(owner, page, "/accounts/2", change="coder")
    with reading(sqlite_engine) as session:
        assert accounts.account_named(session, "bo").role is AccountRole.CODER


# --- accounts, tokens, audit log: the pages -----------------------------------------------------------


def test_an_owner_changes_accounts_and_is_told_what_cannot_be(
    owner: FlaskClient, viewer: FlaskClient, sqlite_engine: Engine, send: Send
) -> None:
    page = send(owner, owner.get("/research/accounts"), "/accounts/2", change="owner")
    assert "Account &#39;bo&#39; is changed" in page.text
    page = send(owner, page, "/accounts/2", change="disable")
    assert "disabled" in page.text
    page = send(owner, page, "/accounts/1", change="viewer")
    assert "only enabled owner" in page.text
    page = send(
        owner, owner.get("/research/accounts/2/password"), "/2/password", password="short", again="short"
    )
    assert page.status_code == 400
    page = send(
        owner,
        owner.get("/research/accounts/2/password"),
        "/2/password",
        password="a new password",
        again="a new password",
    )
    assert "has a new password" in page.text
    page = send(
        owner,
        page,
        "/accounts",
        name="bo",
        role="viewer",
        password="a good password",
        again="a good password",
    )
    assert (page.status_code, "already" in page.text) == (400, True)
    assert owner.get("/research/accounts/99/password").status_code == 404
    assert [(w, d.get("account")) for _, w, d in events(sqlite_engine)][-3:] == [
        ("role changed", "bo"),
        ("account disabled", "bo"),
        ("password changed", "bo"),
    ]


def test_an_owner_who_sets_the_own_password_on_the_accounts_page_stays_signed_in(
    owner: FlaskClient, send: Send
) -> None:
    page = owner.get("/research/accounts/1/password")
    page = send(owner, page, "/1/password", password="a new password", again="a new password")
    assert "has a new password" in page.text


def test_a_token_is_shown_once_and_works_until_it_is_revoked(
    owner: FlaskClient, app: Flask, send: Send
) -> None:
    page = send(owner, owner.get("/research/tokens"), "/tokens", label="lab", scope="read", days="30")
    secret = re.search(r"equipoise_[\w-]{20,}", page.text)
    assert secret
    assert secret.group() not in owner.get("/research/tokens").text
    bearer = {"Authorization": f"Bearer {secret.group()}"}
    assert app.test_client().get("/api/v1/studies", headers=bearer).status_code == 200
    page = send(owner, owner.get("/research/tokens"), "/tokens", label="lab", scope="read", days="30")
    assert (page.status_code, "works already" in page.text) == (400, True)
    page = send(owner, page, "/revoke", label="lab")
    assert "works no longer" in page.text
    assert app.test_client().get("/api/v1/studies", headers=bearer).status_code == 401
    page = send(owner, page, "/tokens", label="lab", scope="read", days="9999999999999999999")
    assert page.status_code == 400
    page = send(owner, page, "/tokens", label="lab", scope="everything", days="30")
    assert page.status_code == 400


def test_the_audit_log_shows_who_did_what_and_can_be_read_by_study(
    owner: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send
) -> None:
    send(owner, owner.get("/research/add"), "/add", text=short_design)
    page = owner.get("/research/audit")
    assert "account anna" in page.text
    assert "study added" in page.text
    assert "sign" in page.text
    one = owner.get("/research/audit?study=1").text
    assert "study added" in one
    assert "signed in" not in one
    assert "Nothing older" in owner.get("/research/audit?before=1").text
    for query in ("study=99", "study=x", "before=-1", "before=" + "9" * 30, "study=²"):
        assert owner.get(f"/research/audit?{query}").status_code == 404, query


def test_studies_remember_who_opened_them(
    owner: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send
) -> None:
    page = send(owner, owner.get("/research/add"), "/add", text=short_design)
    send(owner, page, "/state", state="open")
    noted = [(actor, what) for actor, what, _ in events(sqlite_engine) if what.startswith("study")]
    assert noted == [("account anna", "study added"), ("account anna", "study opened")]
