"""Researchers' accounts: added, changed, disabled. There is always an enabled owner once there is an account."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from survey.design_file.complaints import NAME_RULE
from survey.errors import SurveyError
from survey.store.api_tokens import revoke_tokens_of
from survey.store.events import log_event
from survey.tables import AccountRole, AccountRow

LONGEST_ACCOUNT_NAME = 60
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class NoSuchAccount(SurveyError):
    """No account has this name."""


class AccountConflict(SurveyError):
    """The name is taken or no name, or the change would leave nobody who may change anything."""


def actor_of(account: AccountRow) -> str:
    """Return who did it, for the audit log."""
    return f"account {account.name}"


def add_account(
    session: Session, name: str, password_hash: str, role: AccountRole, *, now: datetime, actor: str
) -> AccountRow:
    """Add an account; names differ in more than upper and lower case.

    Raises
    ------
    AccountConflict
        The name is taken or unusable, or the first account is not an owner: nobody could add the next.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name) or len(name) > LONGEST_ACCOUNT_NAME:
        raise AccountConflict(
            f"{name!r} is not an account name; {NAME_RULE}, at most {LONGEST_ACCOUNT_NAME} characters"
        )
    if role is not AccountRole.OWNER and not has_accounts(session):
        raise AccountConflict("the first account must be an owner's: nobody else may add the next")
    account = AccountRow(name=name, role=role, password_hash=password_hash, epoch=1, created_at=now)
    try:
        with session.begin_nested():
            session.add(account)
            session.flush()
    except IntegrityError:
        raise AccountConflict(f"there is an account '{name}' already; choose another name") from None
    log_event(session, None, None, "account added", now=now, actor=actor, account=name, role=role.value)
    return account


def has_accounts(session: Session) -> bool:
    """Tell whether there is any account; while there is none, the operator's link opens the pages."""
    return session.scalar(select(AccountRow.id).limit(1)) is not None


def list_accounts(session: Session) -> Sequence[AccountRow]:
    """Return every account in the order of names."""
    return session.scalars(select(AccountRow).order_by(AccountRow.name)).all()


def find_account(session: Session, name: str) -> AccountRow | None:
    """Return the account of this name, in upper or lower case; None if nobody has it."""
    return session.scalar(select(AccountRow).where(AccountRow.name == name.strip().lower()))


def account_named(session: Session, name: str) -> AccountRow:
    """Return the account of this name.

    Raises
    ------
    NoSuchAccount
        Naming the accounts there are.
    """
    account = find_account(session, name)
    if account is None:
        there = ", ".join(a.name for a in list_accounts(session)) or "none yet"
        raise NoSuchAccount(f"no account {name!r}; the accounts are: {there}")
    return account


def set_password(
    session: Session, account: AccountRow, password_hash: str, *, now: datetime, actor: str
) -> None:
    """Change the password and end every session of the account."""
    _lock(session)
    account.password_hash = password_hash
    account.epoch += 1
    log_event(session, None, None, "password changed", now=now, actor=actor, account=account.name)


def renew_hash(session: Session, account: AccountRow, password_hash: str, *, seen_epoch: int) -> None:
    """Store a stronger hash of the same password, unless the password has changed since ``seen_epoch``."""
    _lock(session)
    if account.epoch == seen_epoch:
        account.password_hash = password_hash


def set_role(session: Session, account: AccountRow, role: AccountRole, *, now: datetime, actor: str) -> None:
    """Change what the account may do and end its sessions; who is no owner any more loses the API tokens that the
    account made: owners make them.

    Raises
    ------
    AccountConflict
        It is the last enabled owner.
    """
    _lock(session)
    if account.role is role:
        return
    if role is not AccountRole.OWNER:
        _require_another_owner(session, account, f"be made a {role.value}")
        revoke_tokens_of(session, actor_of(account), now=now, actor=actor)
    before, account.role = account.role, role
    account.epoch += 1
    log_event(
        session,
        None,
        None,
        "role changed",
        now=now,
        actor=actor,
        account=account.name,
        role=role.value,
        before=before.value,
    )


def disable_account(session: Session, account: AccountRow, *, now: datetime, actor: str) -> None:
    """Let nobody sign in with the account, end its sessions, revoke its API tokens.

    Raises
    ------
    AccountConflict
        It is the last enabled owner.
    """
    _lock(session)
    if account.disabled_at is not None:
        return
    _require_another_owner(session, account, "be disabled")
    account.disabled_at = now
    account.epoch += 1
    revoke_tokens_of(session, actor_of(account), now=now, actor=actor)
    log_event(session, None, None, "account disabled", now=now, actor=actor, account=account.name)


def enable_account(session: Session, account: AccountRow, *, now: datetime, actor: str) -> None:
    """Let the account sign in again, with its password of before."""
    _lock(session)
    if account.disabled_at is None:
        return
    account.disabled_at = None
    log_event(session, None, None, "account enabled", now=now, actor=actor, account=account.name)


def _require_another_owner(session: Session, account: AccountRow, what: str) -> None:
    if account.role is not AccountRole.OWNER:
        return
    others = select(func.count()).where(
        AccountRow.role == AccountRole.OWNER,
        AccountRow.disabled_at.is_(None),
        AccountRow.id != account.id,
    )
    if account.disabled_at is None and not session.scalar(others):
        raise AccountConflict(
            f"account '{account.name}' is the only enabled owner and cannot {what}; make another owner first"
        )


def _lock(session: Session) -> None:
    """Make changes of accounts wait for each other: two owners must not disable each other at the same moment.

    SQLite's write transaction has the whole database already. What is in the session is read again.
    """
    query = select(AccountRow).order_by(AccountRow.id).with_for_update()
    session.scalars(query.execution_options(populate_existing=True)).all()
