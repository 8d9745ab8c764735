"""``equipoise account``: researchers' accounts and API tokens."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from sqlalchemy.orm import Session

from survey.config import load_settings
from survey.db import open_database, reading, writing
from survey.passwords import BadPassword, hash_password
from survey.store import accounts, api_tokens
from survey.tables import AccountRole, TokenScope

ACTOR = "command line"
"""Who acts, in the audit log."""

name_argument = click.argument("name")
role_choice = click.Choice([role.value for role in AccountRole])
stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@contextmanager
def _changing() -> Iterator[Session]:
    engine = open_database(load_settings())
    try:
        with writing(engine) as session:
            yield session
    finally:
        engine.dispose()


@contextmanager
def _looking() -> Iterator[Session]:
    engine = open_database(load_settings())
    try:
        with reading(engine) as session:
            yield session
    finally:
        engine.dispose()


@click.group()
def group() -> None:
    """Add and change researchers' accounts, and the API tokens of programs.

    While there is no account, the link that 'equipoise serve' prints opens the researcher's pages.

    \b
    Example:
      equipoise account add anna --role owner
    """


@group.command("add")
@name_argument
@click.option(
    "--role",
    type=role_choice,
    required=True,
    help="Owners may do everything; coders look and code suggestions, apart from each other; viewers only look.",
)
@stdin_option
def add_command(name: str, role: str, password_stdin: bool) -> None:
    """Add an account. Its password is asked for twice.

    \b
    Example:
      equipoise account add anna --role owner
    """
    password_hash = hash_password(_password(password_stdin), name=name)
    with _changing() as session:
        account = accounts.add_account(
            session, name, password_hash, AccountRole(role), now=datetime.now(UTC), actor=ACTOR
        )
        click.echo(f"account '{account.name}': {account.role.value}")


@group.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the accounts.

    \b
    Example:
      equipoise account list
    """
    with _looking() as session:
        rows = [
            {
                "name": account.name,
                "role": account.role.value,
                "state": "disabled" if account.disabled_at else "enabled",
                "created_at": account.created_at.isoformat(),
            }
            for account in accounts.list_accounts(session)
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']}: {row['role']}, {row['state']}")
    if not rows:
        click.echo("no account yet; 'equipoise account add NAME --role owner' adds the first", err=True)


@group.command("password")
@name_argument
@stdin_option
def password_command(name: str, password_stdin: bool) -> None:
    """Give an account a new password and end its sessions.

    \b
    Example:
      equipoise account password anna
    """
    with _looking() as session:
        accounts.account_named(session, name)  # Complains before a password is asked for.
    password_hash = hash_password(_password(password_stdin), name=name)
    with _changing() as session:
        account = accounts.account_named(session, name)
        accounts.set_password(session, account, password_hash, now=datetime.now(UTC), actor=ACTOR)
        click.echo(f"account '{account.name}': new password; its sessions ended")


@group.command("role")
@name_argument
@click.argument("role", type=role_choice)
def role_command(name: str, role: str) -> None:
    """Make an account an owner's, a coder's or a viewer's, and end its sessions.

    Who is no owner any more loses the API tokens that the account made.

    \b
    Example:
      equipoise account role anna viewer
    """
    with _changing() as session:
        account = accounts.account_named(session, name)
        accounts.set_role(session, account, AccountRole(role), now=datetime.now(UTC), actor=ACTOR)
        click.echo(f"account '{account.name}': {account.role.value}")


def _switch(name: str, change: Callable[..., None], state: str) -> None:
    with _changing() as session:
        account = accounts.account_named(session, name)
        change(session, account, now=datetime.now(UTC), actor=ACTOR)
        click.echo(f"account '{account.name}': {state}")


@group.command("disable")
@name_argument
def disable_command(name: str) -> None:
    """Let nobody sign in with an account; end its sessions and revoke its API tokens.

    \b
    Example:
      equipoise account disable anna
    """
    _switch(name, accounts.disable_account, "disabled")


@group.command("enable")
@name_argument
def enable_command(name: str) -> None:
    """Let a disabled account sign in again.

    \b
    Example:
      equipoise account enable anna
    """
    _switch(name, accounts.enable_account, "enabled")


@group.group("token")
def token_group() -> None:
    """Make, list and revoke the tokens with which programs use the JSON API.

    \b
    Example:
      equipoise account token add "analysis on the lab server" --scope read --days 90
    """


@token_group.command("add")
@click.argument("label")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in TokenScope]),
    default=TokenScope.READ.value,
    show_default=True,
    help="What the program may do: read (see, download) or write (also change studies).",
)
@click.option(
    "--days",
    type=click.IntRange(1, api_tokens.MOST_DAYS),
    default=90,
    show_default=True,
    help="How long it works.",
)
def token_add_command(label: str, scope: str, days: int) -> None:
    """Make a token; LABEL says what uses it. The token is printed once and kept nowhere.

    \b
    Example:
      equipoise account token add "analysis on the lab server" --scope read --days 90
    """
    with _changing() as session:
        row, secret = api_tokens.make_token(
            session, label, TokenScope(scope), days=days, now=datetime.now(UTC), actor=ACTOR
        )
    click.echo(
        f"token '{row.label}': {row.scope.value}, until {row.expires_at:%Y-%m-%d}; shown only now:", err=True
    )
    click.echo(secret)


@token_group.command("list")
@json_option
def token_list_command(as_json: bool) -> None:
    """List the tokens, newest first. The tokens themselves are not kept.

    \b
    Example:
      equipoise account token list
    """
    now = datetime.now(UTC)
    with _looking() as session:
        rows = [
            {
                "label": token.label,
                "scope": token.scope.value,
                "state": api_tokens.state_of(token, now),
                "expires_at": token.expires_at.isoformat(),
                "last_used": token.last_used_at.date().isoformat() if token.last_used_at else None,
                "made_by": token.made_by,
            }
            for token in api_tokens.list_tokens(session)
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        used = f"last used {row['last_used']}" if row["last_used"] else "never used"
        click.echo(
            f"{row['label']}: {row['scope']}, {row['state']}, until {str(row['expires_at'])[:10]}, {used}"
        )
    if not rows:
        click.echo("no API token yet; 'equipoise account token add LABEL' makes one", err=True)


@token_group.command("revoke")
@click.argument("label")
def token_revoke_command(label: str) -> None:
    """End a token at once.

    \b
    Example:
      equipoise account token revoke "analysis on the lab server"
    """
    with _changing() as session:
        api_tokens.revoke_token(session, label, now=datetime.now(UTC), actor=ACTOR)
    click.echo(f"token '{label}': revoked")


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return sys.stdin.buffer.readline().decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadPassword("the password on standard input is not UTF-8 text") from None
