"""Put load on the survey and print what it takes, beside a bare app with one INSERT per answer in the same run.

    python benchmarks/survey_load.py                    the table: both databases, 1 to 64 clients, 3 rounds
    python benchmarks/survey_load.py --soak 10000       10,000 answers, 5 % sent twice: lost, doubled, errors
    python benchmarks/survey_load.py --pace 20 --seconds 120        latency at 20 answers a second

Both apps run under gunicorn (2 workers of 4 threads) with the same database engine: SQLite in WAL mode with
``synchronous = FULL``, PostgreSQL with fsync, as they ship. Equipoise runs complete: CSRF protection, sessions,
rate limits, logs. Rounds alternate which app goes first. Clients run on the same machine in a process of their own;
the table says what they and the servers took of the processors. Every answer that was acknowledged is looked up in
the database at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from load import clients, services
from load.clients import Load, Measured, Person
from sqlalchemy import select

from survey.db import make_engine, reading
from survey.tables import AnswerRow, PresentationRow

PER_PERSON = 28


class Bench:
    """One database with both apps on it."""

    def __init__(self, url: str, folder: Path, stack: ExitStack, *, with_bare: bool = True) -> None:
        services.make_ready(url)
        self.url = url
        self._people: list[Person] = []
        self._acknowledged: dict[str, tuple[str, ...]] = {}
        self.ours = stack.enter_context(services.served(url, folder, bare=False))
        self.bare = stack.enter_context(services.served(url, folder, bare=True)) if with_bare else None

    def people(self, count: int) -> list[Person]:
        """Return participants who have answered nothing yet."""
        if len(self._people) < count:
            self._people += services.add_people(self.url, count - len(self._people))
        taken, self._people = self._people[:count], self._people[count:]
        return taken

    def run(self, load: Load, people: Sequence[Person], *, processes: int) -> tuple[Measured, float]:
        """Put the load on; return what clients saw and the processor seconds of the server."""
        service = self.bare if load.bare else self.ours
        assert service is not None
        before = service.cpu_seconds()
        measured = clients.put_load(load, people, processes=processes)
        if not load.bare:
            self._acknowledged |= measured.acknowledged
        return measured, service.cpu_seconds() - before

    def audit(self) -> tuple[int, int, int, int]:
        """Return how many answers were acknowledged, and of these how many are lost, doubled, or not as sent."""
        engine = make_engine(self.url)
        stored: dict[str, list[str]] = {}
        with reading(engine) as session:
            query = select(PresentationRow.token, AnswerRow.choice).join(
                AnswerRow, AnswerRow.presentation_id == PresentationRow.id
            )
            for token, choice in session.execute(query):
                stored.setdefault(token, []).append(choice.value)
        engine.dispose()
        lost = sum(token not in stored for token in self._acknowledged)
        doubled = sum(len(choices) > 1 for choices in stored.values())
        wrong = sum(
            any(choice not in sent for choice in stored.get(token, ()))
            for token, sent in self._acknowledged.items()
        )
        return len(self._acknowledged), lost, doubled, wrong


def table(given: argparse.Namespace, bench: Bench, name: str) -> bool:
    """Print answers per second and latency of both apps; return whether everything went well."""
    print(
        f"{'database':<10} {'clients':>7} {'path':<10} {'bare app: answers/s':>24} {'p50':>6} {'p95':>6}  "
        f"{'Equipoise: answers/s':>24} {'p50':>6} {'p95':>6} {'ratio':>6}  {'CPU per answer, ms':<26}"
    )
    fine = True
    for count in given.clients:
        for path in clients.Path:
            rates: dict[bool, list[float]] = {True: [], False: []}
            latencies: dict[bool, Measured] = {True: Measured(), False: Measured()}
            cpu: dict[bool, list[float]] = {True: [], False: []}
            own_cpu: list[float] = []
            for round_ in range(given.rounds):
                for bare in (True, False) if round_ % 2 == 0 else (False, True):
                    load = Load(
                        port=(bench.bare if bare else bench.ours).port,  # type: ignore[union-attr]
                        bare=bare,
                        path=path,
                        clients=count,
                        seconds=given.seconds,
                        warm_up_seconds=given.warm_up,
                        seed=round_,
                    )
                    enough = int(given.most_per_second * (given.seconds + given.warm_up) / PER_PERSON) + count
                    people = _nobodies(enough) if bare else bench.people(enough)
                    measured, server_cpu = bench.run(load, people, processes=given.processes)
                    all_answers = len(measured.acknowledged) if not bare else len(measured.latencies)
                    rates[bare].append(len(measured.latencies) / measured.seconds)
                    latencies[bare].latencies += measured.latencies
                    if not bare and all_answers:
                        own_cpu.append(1000 * measured.cpu_seconds / all_answers)
                    share = measured.seconds / (measured.seconds + given.warm_up)
                    cpu[bare].append(1000 * server_cpu * share / max(1, len(measured.latencies)))
                    for error in measured.errors[:3]:
                        fine = False
                        print(f"ERROR ({'bare app' if bare else 'Equipoise'}): {error}")
            ratio = statistics.median(rates[False]) / statistics.median(rates[True])
            print(
                f"{name:<10} {count:>7} {path.value:<10} {_spread(rates[True]):>24} {_latency(latencies[True])}  "
                f"{_spread(rates[False]):>24} {_latency(latencies[False])} {ratio:>6.2f}  "
                f"bare {statistics.median(cpu[True]):.1f}, ours {statistics.median(cpu[False]):.1f}, "
                f"client {statistics.median(own_cpu):.1f}",
                flush=True,
            )
    return fine


def soak(given: argparse.Namespace, bench: Bench, name: str) -> bool:
    """Let clients answer ``given.soak`` comparisons and some of them twice; return whether everything went well."""
    people = bench.people(-(-given.soak // PER_PERSON))
    load = Load(
        port=bench.ours.port,
        bare=False,
        path=clients.Path.POST_AND_GET,
        clients=given.clients[0],
        doubled=given.doubled,
    )
    measured, _ = bench.run(load, people, processes=given.processes)
    print(
        f"{name}: {len(measured.acknowledged)} answers in {measured.seconds:.0f} s with {load.clients} clients, "
        f"{measured.resent} sent twice, {len(measured.errors)} errors; answer and next page: p50 "
        f"{1000 * measured.percentile(0.5):.0f} ms, p95 {1000 * measured.percentile(0.95):.0f} ms",
        flush=True,
    )
    for error in measured.errors[:3]:
        print(f"ERROR: {error}")
    return not measured.errors and len(measured.acknowledged) == PER_PERSON * len(people)


def paced(given: argparse.Namespace, bench: Bench, name: str) -> bool:
    """Answer at a steady rate; return whether everything went well."""
    count = int(given.pace * (given.seconds + given.warm_up))
    # As many clients as people would be there at six seconds an answer, so that a slow answer delays no other.
    people = bench.people(-(-count // PER_PERSON) + given.clients[0])
    load = Load(
        port=bench.ours.port,
        bare=False,
        path=clients.Path.POST_AND_GET,
        clients=given.clients[0],
        seconds=given.seconds,
        warm_up_seconds=given.warm_up,
        per_second=given.pace,
        doubled=given.doubled,
    )
    measured, server_cpu = bench.run(load, people, processes=given.processes)
    print(
        f"{name}: {len(measured.latencies) / measured.seconds:.1f} answers/s for {measured.seconds:.0f} s with "
        f"{load.clients} clients, {measured.resent} sent twice, {len(measured.errors)} errors; answer and page: "
        f"p50 {1000 * measured.percentile(0.5):.0f} ms, p95 {1000 * measured.percentile(0.95):.0f} ms, p99 "
        f"{1000 * measured.percentile(0.99):.0f} ms; processors: server "
        f"{100 * server_cpu / (measured.seconds + given.warm_up):.0f} %",
        flush=True,
    )
    for error in measured.errors[:3]:
        print(f"ERROR: {error}")
    return not measured.errors


def _nobodies(count: int) -> list[Person]:
    return [Person(token="", presentations=("x" * 32,) * PER_PERSON) for _ in range(count)]


def _spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]:.0f} / {statistics.median(ordered):.0f} / {ordered[-1]:.0f}"


def _latency(measured: Measured) -> str:
    return f"{1000 * measured.percentile(0.5):>6.1f} {1000 * measured.percentile(0.95):>6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Put load on the survey.")
    parser.add_argument(
        "--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"]
    )
    parser.add_argument(
        "--clients", nargs="+", type=int, default=None, help="at once  [default: 1 4 16 64, or 16]"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="per measurement")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before each that are not counted")
    parser.add_argument("--soak", type=int, help="answers to give instead of measuring the table")
    parser.add_argument(
        "--pace", type=float, help="answers per second to give instead of measuring the table"
    )
    parser.add_argument(
        "--doubled", type=float, default=0.05, help="share sent twice, with --soak and --pace"
    )
    parser.add_argument("--processes", type=int, default=1, help="of the clients")
    parser.add_argument(
        "--most-per-second", type=float, default=700, help="answers there are participants for"
    )
    given = parser.parse_args()
    # Ended from outside, it still ends the servers that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    measure = soak if given.soak else paced if given.pace else table
    if given.clients is None:
        given.clients = [1, 4, 16, 64] if measure is table else [16 if given.soak else 40]
    print(
        f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f} before the run, Python "
        f"{sys.version.split()[0]}"
    )
    fine = True
    for name in given.databases:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eq-load-")))
            print(
                f"{name}: 4 KiB and fsync take {services.fsync_milliseconds(folder):.2f} ms on this disk",
                flush=True,
            )
            database = services.sqlite_database if name == "sqlite" else services.postgres_database
            bench = Bench(stack.enter_context(database(folder)), folder, stack, with_bare=measure is table)
            fine &= measure(given, bench, name)
            acknowledged, lost, doubled, wrong = bench.audit()
            print(
                f"{name}: {acknowledged} answers acknowledged: {lost} lost, {doubled} doubled, "
                f"{wrong} not as sent\n"
            )
            fine &= not lost + doubled + wrong
    if not fine:
        raise SystemExit("something went wrong, see above")


if __name__ == "__main__":
    main()
