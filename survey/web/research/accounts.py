"""Accounts, API tokens, the audit log. On the same blueprint as the studies' pages."""

from __future__ import annotations

from flask import abort, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from survey.db import reading, writing
from survey.passwords import SHORTEST_PASSWORD, BadPassword
from survey.store import accounts, api_tokens, studies
from survey.store.accounts import AccountConflict
from survey.store.api_tokens import BadToken, NoSuchToken
from survey.store.audit import audit_page
from survey.tables import AccountRole, StudyRow, TokenScope
from survey.web import access
from survey.web.access import current_actor, current_researcher, owners_only, researchers_only
from survey.web.context import now, the_engine
from survey.web.research.sessions import account_or_404, as_sentence, hash_of_new_password
from survey.web.research.views import blueprint
from survey.web.security import LARGEST_ID

_LIFETIMES = (7, 30, 90, 365)
"""Days that the page offers for a token."""

# --- accounts -----------------------------------------------------------------------------------------


@blueprint.get("/accounts")
@owners_only
def accounts_page() -> str:
    """List the accounts; offer to add and change them."""
    return _accounts_form()


@blueprint.post("/accounts")
@owners_only
def add_account() -> Response:
    """Add an account."""
    name = request.form.get("name", "")
    try:
        role = AccountRole(request.form.get("role", ""))
    except ValueError:
        abort(400)
    is_first = not access.accounts_exist()
    try:
        password_hash = hash_of_new_password(name)
        with writing(the_engine()) as session:
            account = accounts.add_account(
                session, name, password_hash, role, now=now(), actor=current_actor()
            )
    except (BadPassword, AccountConflict) as error:
        flash(as_sentence(error))
        return make_response(_accounts_form(name=name, role=role), 400)
    if is_first:
        # The operator's session ended with the first account: whoever made it goes on as its owner.
        access.sign_in_again(account)
        flash(
            f"You are signed in as '{account.name}'. The link of 'equipoise serve' opens these pages no longer."
        )
    else:
        flash(f"Account '{account.name}' is added. Tell its owner the password in person; it can be changed.")
    return redirect(url_for(".accounts_page"), code=303)


@blueprint.post("/accounts/<int:account_id>")
@owners_only
def change_account(account_id: int) -> Response:
    """Change an account's role, disable or enable it."""
    change = request.form.get("change", "")
    actor, moment = current_actor(), now()
    try:
        with writing(the_engine()) as session:
            account = account_or_404(session, account_id)
            if change in {role.value for role in AccountRole}:
                accounts.set_role(session, account, AccountRole(change), now=moment, actor=actor)
            elif change == "disable":
                accounts.disable_account(session, account, now=moment, actor=actor)
            elif change == "enable":
                accounts.enable_account(session, account, now=moment, actor=actor)
            else:
                abort(400)
    except AccountConflict as error:
        flash(as_sentence(error))
    else:
        flash(f"Account '{account.name}' is changed.")
    return redirect(url_for(".accounts_page"), code=303)


def _accounts_form(*, name: str = "", role: AccountRole = AccountRole.VIEWER) -> str:
    with reading(the_engine()) as session:
        return render_template(
            "research/accounts.html",
            accounts=accounts.list_accounts(session),
            name=name,
            role=role.value,
            roles=[role.value for role in AccountRole],
            shortest=SHORTEST_PASSWORD,
        )


# --- API tokens ---------------------------------------------------------------------------------------


@blueprint.get("/tokens")
@owners_only
def tokens_page() -> str:
    """List the API tokens; offer to make and revoke them."""
    return _tokens_form()


@blueprint.post("/tokens")
@owners_only
def make_token() -> Response:
    """Make a token and show it, this once."""
    try:
        scope = TokenScope(request.form.get("scope", ""))
        days = int(request.form.get("days", ""))
    except ValueError:
        abort(400)
    try:
        with writing(the_engine()) as session:
            row, secret = api_tokens.make_token(
                session, request.form.get("label", ""), scope, days=days, now=now(), actor=current_actor()
            )
    except BadToken as error:
        flash(as_sentence(error))
        return make_response(_tokens_form(), 400)
    # Not after a redirect: the secret would have to be kept somewhere in between.
    return make_response(_tokens_form(made=row.label, secret=secret))


@blueprint.post("/tokens/revoke")
@owners_only
def revoke_token() -> Response:
    """End a token."""
    label = request.form.get("label", "")
    try:
        with writing(the_engine()) as session:
            api_tokens.revoke_token(session, label, now=now(), actor=current_actor())
    except NoSuchToken as error:
        flash(as_sentence(error))
    else:
        flash(f"The token '{label}' works no longer.")
    return redirect(url_for(".tokens_page"), code=303)


def _tokens_form(*, made: str = "", secret: str = "") -> str:
    with reading(the_engine()) as session:
        return render_template(
            "research/tokens.html",
            tokens=[(row, api_tokens.state_of(row, now())) for row in api_tokens.list_tokens(session)],
            made=made,
            secret=secret,
            lifetimes=_LIFETIMES,
            longest_label=api_tokens.LONGEST_LABEL,
        )


# --- the audit log ------------------------------------------------------------------------------------


@blueprint.get("/audit")
@researchers_only
def audit() -> str:
    """Show who did what, newest first; to coders nothing of what other coders wrote."""
    study_id, before = _number("study"), _number("before")
    researcher = current_researcher()
    works_apart = researcher is not None and not researcher.sees_other_coders
    with reading(the_engine()) as session:
        chosen = None if study_id is None else session.get(StudyRow, study_id)
        if study_id is not None and chosen is None:
            abort(404)
        return render_template(
            "research/audit.html",
            page=audit_page(
                session,
                study_id=study_id,
                before=before,
                only_codes_of=current_actor() if works_apart else None,
            ),
            works_apart=works_apart,
            studies=studies.list_studies(session),
            chosen=chosen,
            is_first=before is None,
        )


def _number(name: str) -> int | None:
    """Return a row's number from the query; 404 for what no row can have."""
    text = request.args.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= LARGEST_ID):
        abort(404)
    return int(text)
