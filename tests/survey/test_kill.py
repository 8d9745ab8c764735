"""The whole service is killed while people answer, and started again: nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine, select

from survey.config import Settings
from survey.db import reading, writing
from survey.doctor.check import examine
from survey.doctor.every import CHECKS
from survey.recruitment import IdKeeper
from survey.store import answering, participants, studies
from survey.store.tokens import new_token
from survey.tables import AnswerRow, ParticipantRow, ParticipantState, PresentationRow

CLIENTS = 6
DOUBLED = 0.05
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
_NETWORK = (OSError, http.client.HTTPException)


class Service:
    """``equipoise serve`` with two workers, in a process group of its own."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._environment = os.environ | {
            "EQUIPOISE_STATE_DIR": str(settings.state_dir),
            "EQUIPOISE_DATABASE_URL": database_url,
            "EQUIPOISE_PORT": str(self.port),
            "EQUIPOISE_WORKERS": "2",
            "EQUIPOISE_LOG_LEVEL": "warning",
        }
        self.log = settings.state_dir / "served.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "survey.cli", "serve"],
                env=self._environment,
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            assert self._process.poll() is None, self.log.read_text()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            with contextlib.suppress(*_NETWORK):
                connection.request("GET", "/healthz")
                with contextlib.closing(connection.getresponse()) as response:
                    response.read()
                if response.status == 200:
                    connection.close()
                    return
            connection.close()
            time.sleep(0.1)
        raise AssertionError(f"the service did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """End master and workers at once, as a power cut or an out-of-memory killer does."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@dataclass(slots=True, kw_only=True)
class Seen:
    """What one client saw."""

    acknowledged: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """(presentation's token, revision) -> the choices that were on their way when a 303 came."""
    unclear: set[tuple[str, int]] = field(default_factory=set)
    """Sent, and the connection broke before an answer came."""
    unexpected: list[str] = field(default_factory=list)
    doubled: int = 0


class Client:
    """Answers for one participant after another; after a broken connection it loads the page again."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.seen = Seen()
        self._rng = random.Random(seed)
        self._cookie = ""

    def answer_all(self, token: str) -> None:
        while True:
            page = self._page(token)
            if page is None or "presentation" not in page:
                return
            self._answer(token, page)

    def _page(self, token: str) -> dict[str, str] | None:
        for _ in range(1_200):
            try:
                status, text = self._asked("GET", f"/p/{token}")
            except _NETWORK:
                time.sleep(0.05)  # The service is down.
                continue
            if status != 200:
                self.seen.unexpected.append(f"GET gave {status}")
                return None
            return dict(_HIDDEN.findall(text.partition('class="change"')[0]))
        self.seen.unexpected.append("the service never came back")
        return None

    def _answer(self, token: str, page: dict[str, str]) -> None:
        key = (page["presentation"], int(page["revision"]))
        choices = [self._rng.choice(["left", "right"])]
        if self._rng.random() < DOUBLED:
            choices.append("right" if choices[0] == "left" else "left")
            self.seen.doubled += 1
        got: list[int | None] = [None] * len(choices)

        def send(i: int) -> None:
            fields = page | {"choice": choices[i], "seconds": "1.5", "client": '{"input":"mouse"}'}
            with contextlib.suppress(*_NETWORK):
                got[i], _ = self._asked("POST", f"/p/{token}/answer", fields)

        together = [threading.Thread(target=send, args=[i]) for i in range(len(choices))]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
        if 303 in got:
            self.seen.acknowledged[key] = set(choices)
        elif any(status is not None for status in got):
            self.seen.unexpected.append(f"POST gave {got}")
        else:
            self.seen.unclear.add(key)

    def _asked(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
            connection.request(method, path, urlencode(fields) if fields else None, headers)
            with contextlib.closing(connection.getresponse()) as response:
                text = response.read().decode()
        finally:
            connection.close()
        if sent := response.getheader("Set-Cookie"):
            self._cookie = sent.partition(";")[0]
        return response.status, text


@pytest.fixture
def start_service(settings: Settings) -> Iterator[Callable[[str], Service]]:
    """Return a function that starts the service on a database; whatever runs at the end is killed."""
    running: list[Service] = []

    def start(database_url: str) -> Service:
        service = Service(settings, database_url)
        service.start()
        running.append(service)
        return service

    settings.state_dir.mkdir(exist_ok=True)
    yield start
    for service in running:
        with contextlib.suppress(ProcessLookupError):
            service.kill()


def people_at_the_first_comparison(engine: Engine, design: str, count: int) -> list[str]:
    now = datetime.now(UTC)
    tokens = []
    with writing(engine) as session:
        study = studies.add_study(session, design, now=now)
        studies.open_study(session, study, now=now)
        for _ in range(count):
            arrival = participants.Arrival(start_key=new_token(), language="en")
            keeper = IdKeeper("unused, because nobody here has a recruitment id")
            person = participants.start_participant(session, study, arrival, keeper, now=now)
            participants.consent(session, person, now=now)
            answering.begin(session, person, now=now)
            tokens.append(person.token)
    return tokens


@pytest.mark.parametrize(
    ("kills", "people"),
    [(2, 6), pytest.param(10, 120, marks=pytest.mark.long)],
)
def test_every_acknowledged_answer_outlives_kills_of_the_whole_service(
    engine: Engine,
    settings: Settings,
    kidney_8: str,
    start_service: Callable[[str], Service],
    kills: int,
    people: int,
    record_property: Callable[[str, object], None],
) -> None:
    tokens = people_at_the_first_comparison(engine, kidney_8, people)
    waiting = iter(tokens)
    lock = threading.Lock()
    service = start_service(engine.url.render_as_string(hide_password=False))
    clients = [Client(service.port, seed) for seed in range(CLIENTS)]

    def run(client: Client) -> None:
        while True:
            with lock:
                token = next(waiting, None)
            if token is None:
                return
            client.answer_all(token)

    threads = [threading.Thread(target=run, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    whole = people * 28
    for kill in range(1, kills + 1):
        # Spread over the work, whatever the machine's speed.
        wanted = whole * kill // (kills + 1)
        while sum(len(c.seen.acknowledged) for c in clients) < wanted and any(t.is_alive() for t in threads):
            time.sleep(0.01)
        service.kill()
        service.start()
    for thread in threads:
        thread.join()

    unexpected = [problem for client in clients for problem in client.seen.unexpected]
    assert not unexpected, (unexpected[:5], service.log.read_text()[-2_000:])
    acknowledged = {key: choices for client in clients for key, choices in client.seen.acknowledged.items()}
    unclear = {key for client in clients for key in client.seen.unclear} - set(acknowledged)
    stored: dict[tuple[str, int], list[str]] = {}
    with reading(engine) as session:
        query = select(PresentationRow.token, AnswerRow.revision, AnswerRow.choice)
        for token, revision, choice in session.execute(query.join(AnswerRow)):
            stored.setdefault((token, revision), []).append(choice.value)
        states = session.scalars(select(ParticipantRow.state)).all()
        findings = examine(session, CHECKS, now=datetime.now(UTC))
    lost = [key for key in acknowledged if key not in stored]
    doubled = [key for key, choices in stored.items() if len(choices) > 1]
    wrong = [key for key, choices in acknowledged.items() if not set(stored.get(key, choices)) <= choices]
    figures = {
        "kills": kills,
        "answers": len(stored),
        "acknowledged": len(acknowledged),
        "stored without a reply": len(set(stored) - set(acknowledged)),
        "cut off": len(unclear),
        "sent twice": sum(client.seen.doubled for client in clients),
        "lost": len(lost),
        "doubled": len(doubled),
    }
    for name, value in figures.items():
        record_property(name, value)
    sys.stdout.write(f"{engine.dialect.name}: {figures}\n")  # Shown with -rP, and where something is wrong.
    assert (lost, doubled, wrong) == ([], [], [])
    assert set(stored) - set(acknowledged) <= unclear, "what is stored was sent"
    assert len(stored) == whole
    assert set(states) == {ParticipantState.FINISHED}
    assert not [(f.check, f.first) for f in findings if f.broken]
