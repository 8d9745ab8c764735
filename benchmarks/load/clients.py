"""Clients that answer over HTTP with keep-alive, one thread each, in processes of their own."""

from __future__ import annotations

import http.client
import multiprocessing
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlencode

CHOICES = ("left", "right")
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)"')
_CLIENT = '{"input":"mouse","hidden_seconds":0,"blurs":0,"width":1280,"height":720}'


class Path(StrEnum):
    """What one answer takes."""

    POST = "POST"
    """The answer alone, until it is acknowledged."""
    POST_AND_GET = "POST + GET"
    """The answer and the page that follows, as a browser does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A participant who stands at the first comparison."""

    token: str
    presentations: tuple[str, ...]
    """Their tokens, in order of position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What clients shall do."""

    port: int
    bare: bool
    """Whether the service is the bare app."""
    path: Path
    clients: int
    seconds: float | None = None
    """How long it is measured, after the warm-up; None: until everybody has answered everything."""
    warm_up_seconds: float = 0.0
    per_second: float | None = None
    """Answers due per second, all clients together; None: each client answers as soon as it can."""
    doubled: float = 0.0
    """Share of answers that are sent twice, half of them at the same moment on two connections."""
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Measured:
    """What clients did and saw."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Per answer, in seconds. With a pace, from when the answer was due: waiting for a free client counts."""
    acknowledged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Presentation token -> the choices that were sent for it at the same moment; one of these must be stored."""
    resent: int = 0
    reconnected: int = 0
    """How often an idle connection had been closed and the request was sent on a new one."""
    errors: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0
    """Of the clients themselves."""

    def percentile(self, share: float) -> float:
        """Return the latency that this share of answers did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def put_load(load: Load, people: Sequence[Person], *, processes: int = 1) -> Measured:
    """Let clients answer in processes of their own, so that nothing else of ours is measured."""
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    barrier = spawn.Barrier(processes)
    parts = [
        spawn.Process(
            target=_run_part,
            args=(load, people[i::processes], load.clients // processes, processes, i, barrier, results),
        )
        for i in range(processes)
    ]
    for part in parts:
        part.start()
    whole = Measured()
    for _ in parts:
        got = results.get()
        whole.seconds = max(whole.seconds, got.seconds)
        whole.latencies += got.latencies
        whole.acknowledged |= got.acknowledged
        whole.resent += got.resent
        whole.reconnected += got.reconnected
        whole.errors += got.errors
        whole.cpu_seconds += got.cpu_seconds
    for part in parts:
        part.join()
    return whole


def _run_part(
    load: Load,
    people: Sequence[Person],
    clients: int,
    processes: int,
    number: int,
    barrier: object,
    results: object,
) -> None:
    waiting = iter(people)
    lock = threading.Lock()

    def next_person() -> Person | None:
        with lock:
            return next(waiting, None)

    pace = _Pace(load.per_second / processes) if load.per_second else None
    barrier.wait()  # type: ignore[attr-defined]
    began = time.perf_counter()
    counted_from = began + load.warm_up_seconds
    until = None if load.seconds is None else counted_from + load.seconds
    measured = [Measured() for _ in range(max(1, clients))]
    threads = [
        threading.Thread(
            target=_answer_all,
            args=(
                load,
                next_person,
                random.Random(f"{load.seed} {number} {i}"),  # noqa: S311 - load, not secrets
                one,
                counted_from,
                until,
                pace,
            ),
        )
        for i, one in enumerate(measured)
    ]
    cpu = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Measured(
        seconds=(time.perf_counter() if until is None else until) - counted_from,
        cpu_seconds=time.process_time() - cpu,
    )
    for one in measured:
        whole.latencies += one.latencies
        whole.acknowledged |= one.acknowledged
        whole.resent += one.resent
        whole.reconnected += one.reconnected
        whole.errors += one.errors
    results.put(whole)  # type: ignore[attr-defined]


class _Pace:
    """Hands out the moments at which answers are due."""

    def __init__(self, per_second: float) -> None:
        self._step = 1 / per_second
        self._next = time.perf_counter()
        self._lock = threading.Lock()

    def wait(self) -> float:
        """Sleep until the next answer is due; return when that was."""
        with self._lock:
            due = self._next
            self._next += self._step
        time.sleep(max(0.0, due - time.perf_counter()))
        return due


def _answer_all(
    load: Load,
    next_person: Callable[[], Person | None],
    rng: random.Random,
    measured: Measured,
    counted_from: float,
    until: float | None,
    pace: _Pace | None,
) -> None:
    browser = _Browser(load, rng, measured)
    try:
        while (person := next_person()) is not None:
            for presentation in browser.presentations_of(person):
                due = pace.wait() if pace else time.perf_counter()
                if until is not None and due >= until:
                    return
                if not browser.answer(person, presentation):
                    return
                done = time.perf_counter()
                if due >= counted_from and (until is None or done <= until):
                    measured.latencies.append(done - due)
    except (OSError, http.client.HTTPException) as error:
        measured.errors.append(f"a client broke off: {type(error).__name__}: {error}")
    finally:
        browser.close()


class _Browser:
    """One client: a connection, its cookies, the page it is on."""

    def __init__(self, load: Load, rng: random.Random, measured: Measured) -> None:
        self._load, self._rng, self._measured = load, rng, measured
        self._connections = [self._connected(), self._connected()]
        self._cookie = ""
        self._csrf = ""
        self._page: dict[str, str] = {}

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def presentations_of(self, person: Person) -> Iterator[str]:
        if not self._load.bare and (not self._csrf or self._load.path is Path.POST_AND_GET):
            self._get(f"/p/{person.token}")
        yield from person.presentations

    def answer(self, person: Person, presentation: str) -> bool:
        """Send one answer; return False after an error, which ends this client."""
        choice = self._rng.choice(CHOICES)
        twice = self._rng.random() < self._load.doubled
        together = twice and self._rng.random() < 0.5
        if self._load.path is Path.POST_AND_GET and not self._load.bare:
            presentation = self._page.get("presentation", "")
        other = CHOICES[1 - CHOICES.index(choice)]
        if together:
            # The second tab: a new connection each time, because the server closes those that were idle.
            self._connections[1].close()
            self._request(1, "POST", person, presentation, other)
        statuses = [self._post(person, presentation, choice)]
        if together:
            statuses.append(self._response(1))
        elif twice:
            statuses.append(self._post(person, presentation, other))
        self._measured.resent += twice
        if statuses != [303] * len(statuses):
            self._measured.errors.append(f"POST answered {statuses}")
            return False
        self._measured.acknowledged[presentation] = (choice, other) if together else (choice,)
        if self._load.path is Path.POST_AND_GET:
            return self._get("/next" if self._load.bare else f"/p/{person.token}")
        return True

    def _post(self, person: Person, presentation: str, choice: str) -> int:
        try:
            self._request(0, "POST", person, presentation, choice)
            return self._response(0)
        except (http.client.RemoteDisconnected, ConnectionError):
            # The server closes connections that were idle; browsers send again, too.
            self._measured.reconnected += 1
            self._connections[0].close()
            self._request(0, "POST", person, presentation, choice)
            return self._response(0)

    def _request(self, number: int, method: str, person: Person, presentation: str, choice: str) -> None:
        fields = {"presentation": presentation, "choice": choice}
        path = "/one"
        if not self._load.bare:
            path = f"/p/{person.token}/answer"
            fields |= {"csrf_token": self._csrf, "revision": "1", "seconds": "1.234", "client": _CLIENT}
        self._connections[number].request(
            method,
            path,
            urlencode(fields),
            {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self._cookie},
        )

    def _response(self, number: int) -> int:
        response = self._connections[number].getresponse()
        response.read()
        self._keep_cookie(response)
        return response.status

    def _get(self, path: str) -> bool:
        connection = self._connections[0]
        try:
            connection.request("GET", path, headers={"Cookie": self._cookie})
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self._measured.reconnected += 1
            connection.close()
            connection.request("GET", path, headers={"Cookie": self._cookie})
            response = connection.getresponse()
        text = response.read().decode()
        self._keep_cookie(response)
        if response.status != 200:
            self._measured.errors.append(f"GET answered {response.status}")
            return False
        self._page = dict(_HIDDEN.findall(text))
        self._csrf = self._page.get("csrf_token", self._csrf)
        return True

    def _keep_cookie(self, response: http.client.HTTPResponse) -> None:
        if sent := response.getheader("Set-Cookie"):
            self._cookie = sent.partition(";")[0]

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._load.port, timeout=60)
