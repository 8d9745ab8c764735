"""Who may see and change what: accounts with a role; while there is no account, the operator with the link's token.

The signed session cookie names an account and its epoch. Changing the password or the role, or disabling the
account, raises the epoch and so ends every session, wherever it is.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import ClassVar, ParamSpec, TypeVar
from urllib.parse import urlencode, urlsplit

import flask_login
from flask import Flask, redirect, request, session, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response

from survey import passwords
from survey.db import reading, writing
from survey.store import accounts
from survey.store.events import log_event
from survey.tables import AccountRole, AccountRow
from survey.web.context import now, the_context, the_engine

OPERATOR = "operator"
"""Who acts, in the audit log, while there is no account."""

SIGNED_IN_FOR = timedelta(hours=12)
_SINCE = "signed_in_at"

_ACCOUNT_SESSION = re.compile(r"account:(?P<id>[0-9]{1,9}):(?P<epoch>[0-9]{1,9})")

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Researcher:
    """Somebody who is signed in."""

    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    actor: str
    """For the audit log."""
    name: str | None
    """The account's; None for the operator."""
    role: AccountRole
    session_name: str
    """What the cookie holds, under the application's signature."""

    @property
    def is_owner(self) -> bool:
        """Whether this researcher may change things."""
        return self.role is AccountRole.OWNER

    @property
    def may_code(self) -> bool:
        """Whether this researcher may code suggestions."""
        return self.role in (AccountRole.OWNER, AccountRole.CODER)

    @property
    def sees_other_coders(self) -> bool:
        """Whether this researcher may see what others coded, and results made from it."""
        return self.role is not AccountRole.CODER

    def get_id(self) -> str:
        """Return what the session remembers."""
        return self.session_name


class NotAllowed(Forbidden):
    """Somebody who is signed in asked for something that the account's role may not do."""

    heading = "This account may not do this"

    def __init__(self, role: AccountRole) -> None:
        super().__init__(self.words(role))

    def words(self, role: AccountRole) -> str:
        """Return what to tell an account of this role."""
        return f"Your account is a {role.value}'s. Ask an owner. Nothing was changed."


class OwnersOnly(NotAllowed):
    """A viewer or a coder asked for something that only owners may do."""

    heading = "Only owners may do this"

    def words(self, role: AccountRole) -> str:
        """Return what the role may do, and what is for owners."""
        may = (
            "look at every study and its figures, add categories, and code suggestions, apart from other coders"
            if role is AccountRole.CODER
            else "look at every study and its figures, and download designs and answers"
        )
        return (
            f"Your account is a {role.value}'s. You may {may}. Adding, opening, pausing and closing studies, "
            "merging and splitting categories, settling what coders differ in, adding, starting and deleting "
            "simulations, completion codes, accounts and API tokens are for owners: ask one of them. Nothing was "
            "changed."
        )


class CodersOnly(NotAllowed):
    """A viewer asked to code."""

    heading = "Only coders and owners may do this"

    def words(self, role: AccountRole) -> str:
        """Return what the role may do, and who codes."""
        return (
            f"Your account is a {role.value}'s. You may look at the suggestions, at what coders wrote and at "
            "the results. Coding is for coders and owners: an owner can make your account a coder's. Nothing was "
            "changed."
        )


class NotForCoders(NotAllowed):
    """A coder asked to see what other coders wrote."""

    heading = "Coders work apart"

    def words(self, role: AccountRole) -> str:
        """Return why this is kept from coders."""
        return (
            f"Your account is a {role.value}'s. What other coders wrote, and results made from it, are not shown "
            "to you, so that your codes are your own and agreement means something. Owners and viewers see them."
        )


def keep_sessions(app: Flask) -> None:
    """Let the application recognize who is signed in, and templates ask ``current_researcher()``."""
    manager = flask_login.LoginManager()
    # Else the cookie would hold a hash of the visitor's address; people who change networks stay signed in.
    manager.session_protection = None
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_researcher_of)
    app.jinja_env.globals["current_researcher"] = current_researcher


def current_researcher() -> Researcher | None:
    """Return who is signed in, checked against the database once per request."""
    user = flask_login.current_user
    return user._get_current_object() if user.is_authenticated else None


def is_researcher() -> bool:
    """Tell whether this request comes from a signed-in researcher."""
    return current_researcher() is not None


def current_actor() -> str:
    """Return who is acting, for events: ``operator`` or ``account NAME``. Only where somebody is signed in."""
    researcher = current_researcher()
    if researcher is None:
        raise RuntimeError("nobody is signed in; guard the view with researchers_only or a stricter one")
    return researcher.actor


def accounts_exist() -> bool:
    """Tell whether people sign in with accounts; else the link of 'equipoise serve' opens the pages."""
    with reading(the_engine()) as database:
        return accounts.has_accounts(database)


def sign_in_with_token(token: str) -> bool:
    """Open the operator's session if ``token`` is right and there is no account; compares in constant time."""
    right = the_context().secrets.research_token
    if not hmac.compare_digest(token.encode(errors="replace"), right.encode()):
        return False
    with writing(the_engine()) as database:
        if accounts.has_accounts(database):
            return False
        log_event(database, None, None, "signed in", now=now(), actor=OPERATOR)
    _open_session(_operator())
    return True


def sign_in(name: str, password: str) -> bool:
    """Open a session if name and password are right and the account is enabled.

    The failed sign-in is noted in the audit log under the account that was named. A name that nobody has is not
    noted: people type passwords into the wrong field.
    """
    with reading(the_engine()) as database:
        account = accounts.find_account(database, name)
    # Outside of any transaction: this takes a while, and SQLite has one writer.
    is_right = passwords.is_password(password, account.password_hash if account else None)
    if account is None or not is_right or account.disabled_at is not None:
        with writing(the_engine()) as database:
            detail = {"account": account.name} if account else {}
            log_event(database, None, None, "sign-in failed", now=now(), actor="nobody", **detail)
        return False
    renewed = (
        passwords.hash_password(password, name=account.name)
        if passwords.is_outdated(account.password_hash)
        else None
    )
    with writing(the_engine()) as database:
        if renewed:
            row = database.get_one(AccountRow, account.id)
            accounts.renew_hash(database, row, renewed, seen_epoch=account.epoch)
        log_event(database, None, None, "signed in", now=now(), actor=accounts.actor_of(account))
    _open_session(_researcher(account))
    return True


def sign_in_again(account: AccountRow) -> None:
    """Go on in this browser after a change that ended the account's sessions."""
    _open_session(_researcher(account))


def sign_out() -> None:
    """Close the session in this browser."""
    researcher = current_researcher()
    if researcher is not None:
        with writing(the_engine()) as database:
            log_event(database, None, None, "signed out", now=now(), actor=researcher.actor)
    session.clear()
    flask_login.logout_user()


def researchers_only(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Send everybody else to the sign-in page. For pages that change nothing."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        if current_researcher() is None:
            return _to_sign_in()
        return view(*args, **kwargs)

    return guarded


def owners_only(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Send strangers to the sign-in page and refuse everybody but owners (403). For everything that changes
    something, but for a coder's own codes."""
    return _only(view, lambda researcher: researcher.is_owner, OwnersOnly)


def coders_only(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Send strangers to the sign-in page and refuse viewers (403). For coding."""
    return _only(view, lambda researcher: researcher.may_code, CodersOnly)


def not_coders(view: Callable[P, R]) -> Callable[P, R | Response]:
    """Send strangers to the sign-in page and refuse coders (403). For what shows other coders' codes."""
    return _only(view, lambda researcher: researcher.sees_other_coders, NotForCoders)


def _only(
    view: Callable[P, R], may: Callable[[Researcher], bool], refusal: type[NotAllowed]
) -> Callable[P, R | Response]:
    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        researcher = current_researcher()
        if researcher is None:
            return _to_sign_in()
        if not may(researcher):
            raise refusal(researcher.role)
        return view(*args, **kwargs)

    return guarded


def own_path(address: str) -> str | None:
    """Return ``address`` if it is a path of ours to go on to, else None: no link may lead to another site by us.

    Browsers read ``\\`` as ``/`` and skip control characters, so neither may occur.
    """
    if (
        not address.startswith("/")
        or address.startswith("//")
        or "\\" in address
        or not address.isprintable()
    ):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc or parts.path.startswith("//") else address


def _to_sign_in() -> Response:
    address = url_for("research.sign_in_page")
    # What a form was going to change is not repeated: its page may have changed meanwhile.
    if request.method in ("GET", "HEAD") and request.endpoint != "research.studies":
        address += "?" + urlencode({"next": request.full_path.rstrip("?")})
    return redirect(address, code=303)


def _open_session(researcher: Researcher) -> None:
    # Nothing that somebody else may have put into the cookie before survives: no session fixation.
    session.clear()
    session.permanent = True
    session[_SINCE] = int(now().timestamp())
    flask_login.login_user(researcher)
    # Flask-Login's hash of address and browser, which nothing reads here.
    session.pop("_id", None)


def _researcher_of(session_name: str) -> Researcher | None:
    """Return who a session is for, if it still stands."""
    since = session.get(_SINCE)
    if not isinstance(since, int) or now().timestamp() - since > SIGNED_IN_FOR.total_seconds():
        return None
    named = _ACCOUNT_SESSION.fullmatch(session_name)
    with reading(the_engine()) as database:
        if named is None:
            operator = _operator()
            same = hmac.compare_digest(session_name.encode(), operator.session_name.encode())
            return operator if same and not accounts.has_accounts(database) else None
        account = database.get(AccountRow, int(named["id"]))
    if account is None or account.disabled_at is not None or account.epoch != int(named["epoch"]):
        return None
    return _researcher(account)


def _researcher(account: AccountRow) -> Researcher:
    return Researcher(
        actor=accounts.actor_of(account),
        name=account.name,
        role=account.role,
        session_name=f"account:{account.id}:{account.epoch}",
    )


def _operator() -> Researcher:
    # A changed token signs the operator out.
    fingerprint = hashlib.sha256(f"researcher {the_context().secrets.research_token}".encode()).hexdigest()
    return Researcher(
        actor=OPERATOR, name=None, role=AccountRole.OWNER, session_name=f"{OPERATOR}:{fingerprint}"
    )
