"""Fixtures for asking models: studies, a store on a migrated database, and a server that plays a provider."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.request import Request
from llm_compare.replies.store import Sessions
from survey.db import make_engine, writing
from survey.design import StudyDesign
from survey.design_file import example_design
from survey.migration import upgrade


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let litellm's own types warn about themselves where it is called: they are built on a process's first call,
    and turned into errors their warnings would fail whichever test comes first. Nothing of ours is silenced."""
    for item in items:
        if "provider" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning"))


CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser, to see pages as readers do."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}; install Chromium to see pages as readers do")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def kidney_8() -> StudyDesign:
    """Three categorical attributes, all pairs of eight profiles, indecision offered."""
    return example_design("kidney-8")


@pytest.fixture(scope="session")
def kidney_numeric() -> StudyDesign:
    """Three numeric attributes, comparisons drawn at random, arms with and without the coin."""
    return example_design("kidney-numeric")


@pytest.fixture(scope="session")
def planned(kidney_8: StudyDesign) -> Callable[..., tuple[Request, ...]]:
    """Return a function that plans the first few comparisons of kidney-8."""

    def plan(comparisons: int = 1, **changes: object) -> tuple[Request, ...]:
        every = kidney_8.comparisons()
        assert every is not None
        arguments = {
            "arm": kidney_8.arms[0],
            "model": "openai/anything",
            "settings": Settings(),
            "repeats": 1,
            **changes,
        }
        return plan_requests(kidney_8, every[:comparisons], **arguments)

    return plan


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of an empty migrated database, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "equipoise.sqlite"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def database_url(tmp_path: Path, migrated_database: Path) -> str:
    """Return the address of a migrated database of the test's own."""
    shutil.copy(migrated_database, tmp_path / "equipoise.sqlite")
    return f"sqlite:///{tmp_path}/equipoise.sqlite"


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    """Return the maker of sessions on a migrated database."""
    engine = make_engine(database_url)
    yield partial(writing, engine)
    engine.dispose()


@dataclass
class Served:
    """One response of the server: a completion unless a status or a body says otherwise."""

    content: str | None = "A"
    finish_reason: str = "stop"
    refusal: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    """Sent in place of a completion."""
    error_code: str | None = None
    no_choices: bool = False
    delay_seconds: float = 0.0
    is_cut: bool = False
    """Whether the connection ends in the middle of the response."""
    message: dict[str, object] = field(default_factory=dict)
    """More parts of the message, e.g. its reasoning."""
    logprobs: dict[str, object] | None = None
    usage: dict[str, object] | None = field(
        default_factory=lambda: {"prompt_tokens": 50, "completion_tokens": 1, "total_tokens": 51}
    )


@dataclass
class Provider:
    """An OpenAI-compatible server on the loopback address."""

    url: str
    received: list[dict[str, object]] = field(default_factory=list)
    """Body of every request that arrived."""
    keys: list[str | None] = field(default_factory=list)
    """Authorization header of every request."""
    moments: list[float] = field(default_factory=list)
    """When every request arrived, in seconds of a monotonic clock."""
    script: list[Served] = field(default_factory=list)
    """Responses in turn; when they are used up, ``otherwise``."""
    otherwise: Served = field(default_factory=Served)
    accepted_key: str | None = None
    """If set, any other key is answered 401."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    answers_at_once: int | None = None
    """If set, calls beyond so many are held until ``released``."""
    released: threading.Event = field(default_factory=threading.Event)
    own: threading.local = field(default_factory=threading.local)
    """Of the thread that serves a call: its place among all that arrived."""

    def wait_for_leave(self) -> None:
        """Hold a call that came too late to be answered at once."""
        if self.answers_at_once is not None and self.own.place > self.answers_at_once:
            self.released.wait(60)

    def next_response(self, body: dict[str, object], key: str | None) -> Served:
        """Note a request and return what to answer it with."""
        with self.lock:
            self.received.append(body)
            self.keys.append(key)
            self.moments.append(time.monotonic())
            self.own.place = len(self.received)
            if self.accepted_key is not None and key != f"Bearer {self.accepted_key}":
                return Served(status=401)
            return self.script.pop(0) if self.script else self.otherwise


@pytest.fixture(scope="session")
def serve() -> type[Served]:
    """Return the class that describes a response."""
    return Served


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Start a server that answers as its script says."""
    served: list[Provider] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            response = served[0].next_response(body, self.headers.get("authorization"))
            time.sleep(response.delay_seconds)
            served[0].wait_for_leave()
            payload = _payload(response).encode()
            try:
                self.send_response(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "text/html" if response.body else "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload[: len(payload) // 2] if response.is_cut else payload)
                self.close_connection = self.close_connection or response.is_cut
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # The client gave up waiting, as some tests want it to.

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    served.append(Provider(url=f"http://127.0.0.1:{server.server_address[1]}/v1"))
    yield served[0]
    served[0].released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def _payload(response: Served) -> str:
    if response.body is not None:
        return response.body
    if response.status != 200:
        return json.dumps({"error": {"message": "no", "type": "test", "code": response.error_code}})
    message = {"role": "assistant", "content": response.content, **response.message}
    if response.refusal is not None:
        message["refusal"] = response.refusal
    choice: dict[str, object] = {
        "index": 0,
        "message": message,
        "finish_reason": response.finish_reason,
    }
    if response.logprobs is not None:
        choice["logprobs"] = response.logprobs
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-2026-11",
        "system_fingerprint": "fp_1",
        "choices": [] if response.no_choices else [choice],
    }
    if response.usage is not None:
        completion["usage"] = response.usage
    return json.dumps(completion)
