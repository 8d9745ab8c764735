"""``equipoise serve``."""

from __future__ import annotations

import socket

import click

from survey.config import load_settings, secrets_of
from survey.db import open_database, reading
from survey.errors import SurveyError
from survey.serving import serve as run_service
from survey.store.accounts import has_accounts
from survey.store.studies import list_studies
from survey.tables import StudyState
from survey.web.limits import require_storage

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class CannotListen(SurveyError):
    """The address cannot be served at; the message says why."""


@click.command()
@click.option("--host", help="Address to listen on.  [default: EQUIPOISE_HOST]")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on.  [default: EQUIPOISE_PORT]")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: EQUIPOISE_WORKERS]")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the survey and the researcher's pages until Ctrl-C.

    \b
    Example:
      equipoise serve --port 8000
    """
    settings = load_settings(host=host, port=port, workers=workers)
    require_storage(settings)
    _require_free(settings.host, settings.port)
    engine = open_database(settings)
    with reading(engine) as session:
        open_studies = [(s.slug, s.version) for s in list_studies(session) if s.state is StudyState.OPEN]
        with_accounts = has_accounts(session)
    engine.dispose()
    base = settings.base_url
    if with_accounts:
        click.echo(f"Researcher's pages: {base}/research/sign-in")
    else:
        click.echo(f"Researcher's pages: {base}/research/?token={secrets_of(settings).research_token}")
        click.echo("                    (until there is an account: equipoise account add NAME --role owner)")
    for slug, version in open_studies:
        click.echo(f"Participants:       {base}/s/{slug}  (version {version})")
    if not open_studies:
        click.echo(
            "No study is open: add and open one on the researcher's pages, or with 'equipoise survey add'."
        )
    if settings.host not in _LOOPBACK and not settings.public_url.startswith("https://"):
        click.echo(
            "Warning: other machines can reach this service without encryption. Put an HTTPS proxy in front and "
            "set EQUIPOISE_PUBLIC_URL before real participants use it.",
            err=True,
        )
    click.echo("Stop with Ctrl-C.")
    run_service(settings)


def _require_free(host: str, port: int) -> None:
    """Try the address: gunicorn would try for seconds and end with its own words."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # As gunicorn does, so that a restart is quick.
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotListen(
                f"{host}:{port}: cannot be listened on ({error.strerror}); choose another with --host and --port"
            ) from None
