"""Accounts and API tokens: what may be stored, changed, and what stays possible. On both databases."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from survey import passwords
from survey.cli import run
from survey.db import make_engine, reading, writing
from survey.migration import upgrade
from survey.passwords import BadPassword, hash_password, is_outdated, is_password
from survey.store import accounts, api_tokens
from survey.store.accounts import AccountConflict, NoSuchAccount
from survey.store.api_tokens import BadToken, NoSuchToken
from survey.store.audit import audit_page
from survey.store.events import log_event
from survey.tables import AccountRole, AccountRow, ApiTokenRow, EventRow, TokenScope

OWNER, VIEWER = AccountRole.OWNER, AccountRole.VIEWER
ACTOR = "command line"
PASSWORD = "correct horse battery"

Run = Callable[..., tuple[int, str, str]]


def add(engine: Engine, name: str, role: AccountRole, now: datetime) -> None:
    with writing(engine) as session:
        accounts.add_account(session, name, "hash", role, now=now, actor=ACTOR)


def look(engine: Engine, name: str) -> AccountRow:
    with reading(engine) as session:
        return accounts.account_named(session, name)


# --- passwords ----------------------------------------------------------------------------------------


def test_a_password_is_known_again_and_no_other_is() -> None:
    made = hash_password(PASSWORD, name="anna")
    assert made.startswith("$argon2id$")
    assert PASSWORD not in made
    assert is_password(PASSWORD, made)
    assert not is_password(PASSWORD + " ", made)
    assert not is_password("", made)


def test_the_same_letters_composed_differently_are_the_same_password() -> None:
    made = hash_password("caf\u00e9 au lait", name="anna")
    assert is_password("cafe\u0301 au lait", made)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("ninechars", "shorter than 10"),
        ("x" * 10, "one character repeated"),
        ("Anna-the-Owner", "account's name"),
        ("ab" * 501, "longer than 1000"),
        ("lone surrogate \ud800", "no text"),
    ],
)
def test_a_password_that_cannot_be_used_is_refused_without_being_repeated(password: str, said: str) -> None:
    with pytest.raises(BadPassword, match=said) as caught:
        hash_password(password, name="anna-the-owner")
    assert password not in str(caught.value)


def test_a_name_that_nobody_has_costs_as_much_work_as_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = hash_password(PASSWORD, name="anna")
    verified: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            verified.append(str(hash).rsplit("$", 2)[0])
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_HASHER", Counting())
    assert not is_password("wrong password", made)
    assert not is_password("wrong password", None)
    assert not is_password("nobody's password", None)
    # The same algorithm with the same parameters each time.
    assert len(verified) == 3
    assert len(set(verified)) == 1


def test_a_hash_that_is_no_hash_opens_nothing() -> None:
    assert not is_password("", "")
    assert not is_password("x", "not a hash")


def test_a_password_too_long_to_be_one_is_not_hashed() -> None:
    made = hash_password(PASSWORD, name="anna")
    assert not is_password("x" * 5_000_000, made)


def test_a_hash_of_weaker_parameters_is_outdated() -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    assert is_outdated(weak)
    assert is_password(PASSWORD, weak)
    assert not is_outdated(hash_password(PASSWORD, name="anna"))


# --- accounts -----------------------------------------------------------------------------------------


def test_an_account_is_added_once_whatever_the_case_of_its_name(engine: Engine, now: datetime) -> None:
    add(engine, " Anna ", OWNER, now)
    assert look(engine, "ANNA").name == "anna"
    with pytest.raises(AccountConflict, match="account 'anna' already"):
        add(engine, "aNNa", VIEWER, now)
    with reading(engine) as session:
        assert [a.name for a in accounts.list_accounts(session)] == ["anna"]


def test_two_who_add_the_same_name_at_once_get_one_account_and_one_clear_answer(
    engine: Engine, now: datetime
) -> None:
    together = Barrier(6)

    def add_one(_: int) -> str:
        together.wait()
        try:
            add(engine, "anna", OWNER, now)
        except AccountConflict as error:
            return str(error)
        return "added"

    with ThreadPoolExecutor(6) as pool:
        said = sorted(pool.map(add_one, range(6)))
    assert said.count("added") == 1
    assert all("already" in word for word in said if word != "added")


@pytest.mark.parametrize("name", ["", "-anna", "anna b", "änna", "a" * 61, "anna\0", "anna\n", "../anna"])
def test_a_name_that_is_no_name_is_refused(sqlite_engine: Engine, now: datetime, name: str) -> None:
    if name == "anna\n":
        name = "an\nna"  # Space around a name is dropped.
    with pytest.raises(AccountConflict, match="not an account name"):
        add(sqlite_engine, name, OWNER, now)


@given(name=st.text(max_size=80))
def test_what_names_no_account_finds_none_and_breaks_nothing(sqlite_engine_once: Engine, name: str) -> None:
    with reading(sqlite_engine_once) as session:
        assert accounts.find_account(session, name.replace("\0", "")) is None


@pytest.fixture(scope="module")
def sqlite_engine_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path_factory.mktemp('once') / 'equipoise.sqlite'}"
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


def test_the_first_account_is_an_owner(sqlite_engine: Engine, now: datetime) -> None:
    with pytest.raises(AccountConflict, match="first account must be an owner's"):
        add(sqlite_engine, "bo", VIEWER, now)
    with reading(sqlite_engine) as session:
        assert not accounts.has_accounts(session)


def test_the_last_owner_can_neither_be_disabled_nor_made_a_viewer(engine: Engine, now: datetime) -> None:
    add(engine, "anna", OWNER, now)
    add(engine, "bo", OWNER, now)
    add(engine, "cy", VIEWER, now)
    with writing(engine) as session:
        accounts.disable_account(session, accounts.account_named(session, "bo"), now=now, actor=ACTOR)
    for change in (
        lambda s, a: accounts.disable_account(s, a, now=now, actor=ACTOR),
        lambda s, a: accounts.set_role(s, a, VIEWER, now=now, actor=ACTOR),
    ):
        with pytest.raises(AccountConflict, match="only enabled owner"), writing(engine) as session:
            change(session, accounts.account_named(session, "anna"))
    assert (look(engine, "anna").role, look(engine, "anna").disabled_at) == (OWNER, None)
    with writing(engine) as session:
        accounts.enable_account(session, accounts.account_named(session, "bo"), now=now, actor=ACTOR)
        accounts.set_role(session, accounts.account_named(session, "anna"), VIEWER, now=now, actor=ACTOR)
    assert look(engine, "anna").role is VIEWER


def test_an_owner_made_a_coder_loses_tokens_and_sessions_and_the_last_one_stays_an_owner(
    engine: Engine, now: datetime
) -> None:
    coder = AccountRole.CODER
    add(engine, "anna", OWNER, now)
    add(engine, "bo", OWNER, now)
    add(engine, "cy", coder, now)
    with writing(engine) as session:
        api_tokens.make_token(session, "lab", TokenScope.READ, days=1, now=now, actor="account bo")
        accounts.set_role(session, accounts.account_named(session, "bo"), coder, now=now, actor=ACTOR)
    with reading(engine) as session:
        (token,) = api_tokens.list_tokens(session)
    assert token.revoked_at == now
    assert (look(engine, "bo").role, look(engine, "bo").epoch) == (coder, 2)
    with pytest.raises(AccountConflict, match="cannot be made a coder"), writing(engine) as session:
        accounts.set_role(session, accounts.account_named(session, "anna"), coder, now=now, actor=ACTOR)
    with writing(engine) as session:
        accounts.set_role(session, accounts.account_named(session, "cy"), VIEWER, now=now, actor=ACTOR)
    assert look(engine, "cy").role is VIEWER


def test_a_coders_audit_log_tells_nothing_of_what_other_coders_wrote(engine: Engine, now: datetime) -> None:
    with writing(engine) as session:
        for actor, what in (
            ("account bo", "signed in"),
            ("account bo", "coding: suggestion coded"),
            ("account cy", "coding: suggestions coded"),
            ("account bo", "coding: category added"),
            ("account bo", "coding: categories merged"),
            ("account bo", "coding: suggestion adjudicated"),
            ("account bo", "coding: model proposals stored"),
        ):
            log_event(session, None, None, what, now=now, actor=actor)
    with reading(engine) as session:
        seen = [event.what for event, _ in audit_page(session, only_codes_of="account cy").events]
        assert len(audit_page(session).events) == 7
    assert seen == [
        "coding: categories merged",
        "coding: category added",
        "coding: suggestions coded",
        "signed in",
    ]


def test_two_owners_who_disable_each_other_at_once_leave_one(engine: Engine, now: datetime) -> None:
    add(engine, "anna", OWNER, now)
    add(engine, "bo", OWNER, now)
    together = Barrier(2)

    def disable(name: str) -> bool:
        with writing(engine) as session:
            account = None if engine.dialect.name == "sqlite" else accounts.account_named(session, name)
            if account is not None:
                together.wait()  # Both have read before either writes; SQLite lets nobody read in between.
            try:
                accounts.disable_account(
                    session, account or accounts.account_named(session, name), now=now, actor=ACTOR
                )
            except AccountConflict:
                return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, ["anna", "bo"])) == [False, True]
    assert [look(engine, name).disabled_at is None for name in ("anna", "bo")].count(True) == 1


def test_changes_of_password_and_role_and_disabling_raise_the_epoch(
    sqlite_engine: Engine, now: datetime
) -> None:
    add(sqlite_engine, "anna", OWNER, now)
    add(sqlite_engine, "bo", VIEWER, now)
    epochs = [look(sqlite_engine, "bo").epoch]
    for change in (
        lambda s, a: accounts.set_password(s, a, "another", now=now, actor=ACTOR),
        lambda s, a: accounts.set_role(s, a, OWNER, now=now, actor=ACTOR),
        lambda s, a: accounts.disable_account(s, a, now=now, actor=ACTOR),
    ):
        with writing(sqlite_engine) as session:
            change(session, accounts.account_named(session, "bo"))
        epochs.append(look(sqlite_engine, "bo").epoch)
    assert epochs == sorted(set(epochs))


def test_changes_that_change_nothing_are_not_noted(sqlite_engine: Engine, now: datetime) -> None:
    add(sqlite_engine, "anna", OWNER, now)
    with writing(sqlite_engine) as session:
        account = accounts.account_named(session, "anna")
        accounts.set_role(session, account, OWNER, now=now, actor=ACTOR)
        accounts.enable_account(session, account, now=now, actor=ACTOR)
    with reading(sqlite_engine) as session:
        assert session.scalars(select(EventRow.what)).all() == ["account added"]
        assert accounts.account_named(session, "anna").epoch == 1


def test_an_account_that_is_not_there_is_named_with_those_that_are(
    sqlite_engine: Engine, now: datetime
) -> None:
    add(sqlite_engine, "anna", OWNER, now)
    with pytest.raises(NoSuchAccount, match=r"'bo'; the accounts are: anna"):
        look(sqlite_engine, "bo")


# --- API tokens ---------------------------------------------------------------------------------------


def make(engine: Engine, now: datetime, label: str = "lab", *, days: int = 30, actor: str = ACTOR) -> str:
    with writing(engine) as session:
        return api_tokens.make_token(session, label, TokenScope.READ, days=days, now=now, actor=actor)[1]


def works(engine: Engine, secret: str, at: datetime) -> bool:
    with reading(engine) as session:
        return api_tokens.find_token(session, secret, now=at) is not None


def test_a_token_works_until_it_expires_and_only_its_hash_is_kept(engine: Engine, now: datetime) -> None:
    secret = make(engine, now)
    assert works(engine, secret, now)
    assert works(engine, secret, now + timedelta(days=30, seconds=-1))
    assert not works(engine, secret, now + timedelta(days=30))
    assert not works(engine, secret[:-1], now)
    assert not works(engine, secret + "x", now)
    with reading(engine) as session:
        row = session.scalars(select(ApiTokenRow)).one()
        stored = " ".join(str(getattr(row, column.key)) for column in ApiTokenRow.__table__.columns)
        noted = str([e.detail for e in session.scalars(select(EventRow))])
    assert secret.removeprefix("equipoise_") not in stored + noted


@pytest.mark.parametrize("secret", ["", "equipoise_", "equipoise_ü", "Bearer", "equipoise_" + "x" * 10_000])
def test_what_is_no_token_opens_nothing(sqlite_engine: Engine, now: datetime, secret: str) -> None:
    make(sqlite_engine, now)
    assert not works(sqlite_engine, secret, now)


def test_a_revoked_token_works_no_longer_and_its_label_is_free(sqlite_engine: Engine, now: datetime) -> None:
    secret = make(sqlite_engine, now)
    with pytest.raises(BadToken, match="works already"):
        make(sqlite_engine, now)
    with writing(sqlite_engine) as session:
        api_tokens.revoke_token(session, "lab", now=now, actor=ACTOR)
    assert not works(sqlite_engine, secret, now)
    assert works(sqlite_engine, make(sqlite_engine, now), now)
    with pytest.raises(NoSuchToken, match="there are: 'lab'"), writing(sqlite_engine) as session:
        api_tokens.revoke_token(session, "other", now=now, actor=ACTOR)


@pytest.mark.parametrize(
    ("label", "days", "said"),
    [("", 30, "label"), (" ", 30, "label"), ("x" * 61, 30, "label"), ("a\0b", 30, "label"), ("ok", 0, "1 to 730"),
     ("ok", 731, "1 to 730")],
)  # fmt: skip
def test_a_token_without_label_or_end_is_refused(
    sqlite_engine: Engine, now: datetime, label: str, days: int, said: str
) -> None:
    with pytest.raises(BadToken, match=said):
        make(sqlite_engine, now, label, days=days)


@pytest.mark.parametrize("change", ["disable", "role"])
def test_tokens_of_an_owner_who_is_one_no_longer_end(
    sqlite_engine: Engine, now: datetime, change: str
) -> None:
    add(sqlite_engine, "anna", OWNER, now)
    add(sqlite_engine, "bo", OWNER, now)
    of_bo = make(sqlite_engine, now, "of bo", actor="account bo")
    of_anna = make(sqlite_engine, now, "of anna", actor="account anna")
    with writing(sqlite_engine) as session:
        bo = accounts.account_named(session, "bo")
        if change == "disable":
            accounts.disable_account(session, bo, now=now, actor=ACTOR)
        else:
            accounts.set_role(session, bo, VIEWER, now=now, actor=ACTOR)
    assert not works(sqlite_engine, of_bo, now)
    assert works(sqlite_engine, of_anna, now)


def test_use_is_noted_to_the_day(sqlite_engine: Engine, now: datetime) -> None:
    secret = make(sqlite_engine, now)
    with writing(sqlite_engine) as session:
        row = api_tokens.find_token(session, secret, now=now)
        assert row is not None
        assert not api_tokens.used_today(row, now)
        api_tokens.note_use(session, row.id, now=now)
        assert api_tokens.used_today(row, now + timedelta(hours=1))
        assert not api_tokens.used_today(row, now + timedelta(days=1))
        assert row.last_used_at == now.replace(hour=0)


# --- the audit log ------------------------------------------------------------------------------------


def test_the_audit_log_holds_what_somebody_caused_newest_first_page_by_page(
    engine: Engine, now: datetime
) -> None:
    with writing(engine) as session:
        for number in range(7):
            log_event(session, None, None, "downloaded", now=now, actor="account anna", number=number)
            log_event(session, None, None, "answer replayed", now=now)
    seen, before, pages = [], None, 0
    with reading(engine) as session:
        while True:
            page = audit_page(session, before=before, count=3)
            seen += [event.detail["number"] for event, _ in page.events]
            pages += 1
            if page.older is None:
                break
            before = page.older
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    assert pages == 3


# --- the command --------------------------------------------------------------------------------------


@pytest.fixture
def equipoise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in an empty folder, with a line on standard input."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("EQUIPOISE_"):
            monkeypatch.delenv(name)

    def run_command(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        code = run(["account", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_command


def test_accounts_are_added_listed_and_changed_from_the_command_line(equipoise: Run) -> None:
    assert equipoise("list")[2].startswith("no account yet")
    add_anna = ("add", "anna", "--role", "owner", "--password-stdin")
    assert equipoise(*add_anna, typed=PASSWORD + "\n") == (0, "account 'anna': owner\n", "")
    assert equipoise("add", "bo", "--role", "viewer", "--password-stdin", typed=PASSWORD)[0] == 0
    code, _, said = equipoise(*add_anna, typed=PASSWORD)
    assert (code, "already" in said) == (2, True)
    assert equipoise("role", "bo", "owner")[1] == "account 'bo': owner\n"
    assert equipoise("disable", "anna")[1] == "account 'anna': disabled\n"
    code, _, said = equipoise("disable", "bo")
    assert (code, "only enabled owner" in said) == (2, True)
    assert equipoise("enable", "anna")[0] == 0
    assert equipoise("password", "anna", "--password-stdin", typed="another good one\n")[0] == 0
    code, _, said = equipoise("password", "cy", "--password-stdin", typed="another good one\n")
    assert (code, "the accounts are: anna, bo" in said) == (2, True)
    rows = json.loads(equipoise("list", "--json")[1])
    assert [(r["name"], r["role"], r["state"]) for r in rows] == [
        ("anna", "owner", "enabled"),
        ("bo", "owner", "enabled"),
    ]


def test_a_password_typed_at_the_terminal_is_asked_for_twice(
    equipoise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["one good password", "another", "one good password", "one good password"])
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _prompt: next(typed))
    code, said, _ = equipoise("add", "anna", "--role", "owner")
    assert code == 0
    assert "do not match" in said
    assert "one good password" not in said


def test_a_password_that_is_no_text_is_refused(equipoise: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    assert run(["account", "add", "anna", "--role", "owner", "--password-stdin"]) == 2


def test_tokens_are_made_listed_and_revoked_from_the_command_line(equipoise: Run) -> None:
    code, secret, told = equipoise("token", "add", "lab server", "--scope", "write", "--days", "7")
    assert (code, secret.startswith("equipoise_"), "until" in told) == (0, True, True)
    rows = json.loads(equipoise("token", "list", "--json")[1])
    assert [(r["label"], r["scope"], r["state"], r["made_by"]) for r in rows] == [
        ("lab server", "write", "works", "command line")
    ]
    assert secret.strip() not in str(rows)
    assert equipoise("token", "revoke", "lab server")[0] == 0
    assert equipoise("token", "revoke", "lab server")[0] == 2
    assert "revoked" in equipoise("token", "list")[1]


def test_serve_prints_its_link_until_there_is_an_account(
    equipoise: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("survey.commands.serve.run_service", lambda _settings: None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert run(["serve", "--port", str(port)]) == 0
    said = capsys.readouterr().out
    assert f"http://127.0.0.1:{port}/research/?token=" in said
    assert "equipoise account add" in said
    equipoise("add", "anna", "--role", "owner", "--password-stdin", typed=PASSWORD)
    assert run(["serve", "--port", str(port)]) == 0
    said = capsys.readouterr().out
    assert f"Researcher's pages: http://127.0.0.1:{port}/research/sign-in\n" in said
    assert "token" not in said


def test_serve_names_a_storage_for_limits_that_cannot_be_used(
    equipoise: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EQUIPOISE_RATE_LIMIT_STORAGE", "nowhere://x")
    assert run(["serve"]) == 2
    assert "EQUIPOISE_RATE_LIMIT_STORAGE" in capsys.readouterr().err
