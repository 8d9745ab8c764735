"""Signing in and out, and passwords. On the same blueprint as the studies' pages."""

from __future__ import annotations

from flask import abort, flash, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey import passwords
from survey.db import reading, writing
from survey.errors import SurveyError
from survey.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD, BadPassword
from survey.store import accounts
from survey.tables import AccountRow
from survey.web import access
from survey.web.access import current_actor, current_researcher, owners_only, researchers_only
from survey.web.context import now, the_engine
from survey.web.research.views import blueprint

# --- signing in and out -------------------------------------------------------------------------------


@blueprint.before_request
def open_link() -> Response | None:
    """Sign in with the link that ``equipoise serve`` prints; its token leaves the address, as in Jupyter."""
    token = request.args.get("token")
    if request.endpoint != "research.studies" or token is None:
        return None
    if access.sign_in_with_token(token):
        return redirect(url_for(".studies"), code=303)
    if access.accounts_exist():
        flash("The link of 'equipoise serve' no longer opens these pages: sign in with your account.")
    else:
        flash("That link's token is not right (any more). Use the link that 'equipoise serve' printed last.")
    return redirect(url_for(".sign_in_page"), code=303)


@blueprint.get("/sign-in")
def sign_in_page() -> str | Response:
    """Ask for name and password; while there is no account, for the token."""
    if access.is_researcher():
        return redirect(_way_on(), code=303)
    return _sign_in_form()


@blueprint.post("/sign-in")
def sign_in_sent() -> Response:
    """Check what was sent; go on to the page that was asked for."""
    if access.accounts_exist():
        signed_in = access.sign_in(request.form.get("name", ""), request.form.get("password", ""))
        refusal = "Name or password is not right, or the account is disabled."
    else:
        signed_in = access.sign_in_with_token(request.form.get("token", "").strip())
        refusal = (
            "That token is not right. It stands in the link that 'equipoise serve' prints, after token=."
        )
    if signed_in:
        return redirect(_way_on(), code=303)
    flash(refusal)
    return make_response(_sign_in_form(), 403)


@blueprint.post("/sign-out")
def sign_out_sent() -> Response:
    """Close the session in this browser."""
    access.sign_out()
    return redirect(url_for(".sign_in_page"), code=303)


def _sign_in_form() -> str:
    return render_template(
        "research/sign_in.html",
        with_account=access.accounts_exist(),
        name=request.form.get("name", ""),
        next=access.own_path(request.values.get("next", "")) or "",
    )


def _way_on() -> str:
    return access.own_path(request.values.get("next", "")) or url_for(".studies")


# --- passwords ----------------------------------------------------------------------------------------


@blueprint.get("/password")
@researchers_only
def password_page() -> str:
    """Offer to change one's own password."""
    if _own_name() is None:
        abort(404)  # The operator has none.
    return _password_form(None)


@blueprint.post("/password")
@researchers_only
def change_password() -> Response:
    """Change one's own password; every other browser is signed out."""
    name = _own_name()
    if name is None:
        abort(404)
    with reading(the_engine()) as session:
        account = accounts.account_named(session, name)
    if not passwords.is_password(request.form.get("current", ""), account.password_hash):
        flash("The current password is not right. Nothing was changed.")
        return make_response(_password_form(None), 403)
    try:
        password_hash = hash_of_new_password(name)
    except BadPassword as error:
        flash(as_sentence(error))
        return make_response(_password_form(None), 400)
    with writing(the_engine()) as session:
        account = accounts.account_named(session, name)
        accounts.set_password(session, account, password_hash, now=now(), actor=current_actor())
    access.sign_in_again(account)
    flash("Your password is changed. Every other browser that was signed in is signed out.")
    return redirect(url_for(".studies"), code=303)


@blueprint.get("/accounts/<int:account_id>/password")
@owners_only
def account_password_page(account_id: int) -> str:
    """Offer to give another account a new password."""
    with reading(the_engine()) as session:
        return _password_form(account_or_404(session, account_id))


@blueprint.post("/accounts/<int:account_id>/password")
@owners_only
def set_account_password(account_id: int) -> Response:
    """Give an account a new password; its sessions end."""
    own_name = _own_name()
    with reading(the_engine()) as session:
        account = account_or_404(session, account_id)
    try:
        password_hash = hash_of_new_password(account.name)
    except BadPassword as error:
        flash(as_sentence(error))
        return make_response(_password_form(account), 400)
    with writing(the_engine()) as session:
        account = account_or_404(session, account_id)
        accounts.set_password(session, account, password_hash, now=now(), actor=current_actor())
    if account.name == own_name:
        access.sign_in_again(account)
    flash(f"Account '{account.name}' has a new password, and its sessions ended.")
    return redirect(url_for(".accounts_page"), code=303)


def _own_name() -> str | None:
    researcher = current_researcher()
    return researcher.name if researcher else None


def hash_of_new_password(name: str) -> str:
    """Return the hash of the new password that was sent twice; raises :class:`BadPassword`."""
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        raise BadPassword("the two passwords differ; type the same one twice")
    return passwords.hash_password(password, name=name)


def _password_form(account: AccountRow | None) -> str:
    return render_template(
        "research/password.html", account=account, shortest=SHORTEST_PASSWORD, longest=LONGEST_PASSWORD
    )


def account_or_404(session: Session, account_id: int) -> AccountRow:
    """Return an account by its number; 404 where nobody has it."""
    account = session.get(AccountRow, account_id)
    if account is None:
        abort(404)
    return account


def as_sentence(error: SurveyError) -> str:
    """Return what an error says as a sentence for a page."""
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
