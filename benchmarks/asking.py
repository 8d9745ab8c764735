"""Measure how models are asked, against a server on the loopback address that answers after 200 ms.

    python benchmarks/asking.py [--rows throughput stopped faults aligned] [--calls 2000] [--rounds 3]

throughput  calls per second with 64 in flight, every reply stored, beside bare litellm in the same run: asyncio, a
            semaphore and ``acompletion`` with the same parameters, replies thrown away. They take turns in one
            process; medians of the rounds.
stopped     a run in a process of its own, ended by Ctrl-C, SIGTERM or kill -9 and resumed: replies lost, calls
            repeated, as the server counts them. After kill -9 only calls without a stored reply may be repeated.
faults      5 % of all responses are 429, 500, timeouts, web pages, empty or broken or cut: every attempt that the
            server failed is in the store, and every call has a reply in the end.
aligned     100,000 stored replies (500 comparisons, both ways round, 100 repeats) and 8,000 answers of 200 people:
            read from the store, parsed, every measure with 400 draws, alignment.json and report.html written.

The server runs in a process of its own. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from llm_compare.alignment.alignment_file import write_alignment
from llm_compare.alignment.resampling import Resampling
from llm_compare.asking.client import ModelClient, check_model
from llm_compare.asking.run import Asked, ask
from llm_compare.asking.scripted import PlantedRespondent
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import comparisons_to_ask, plan_requests
from llm_compare.prompting.request import Request
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.replies.reply import RecordedReply, Reply
from llm_compare.replies.store import add_replies, failures_of, find_replies
from llm_compare.report.compared import Consequential, compare_models
from llm_compare.report.report import render
from survey.answers import Answer, AnswerSet, Presentation, RespondentKind
from survey.db import make_engine, writing
from survey.design import Arm, Comparison, StudyDesign, design_hash
from survey.design_file import example_design
from survey.migration import upgrade

IN_FLIGHT = 64
DELAY_SECONDS = 0.2
MODEL = "openai/anything"
_SERVER = Path(__file__).parent / "peers" / "model_server.py"


def main() -> None:
    rows = {"throughput": throughput, "stopped": stopped, "faults": faults, "aligned": aligned}
    parser = argparse.ArgumentParser(description="Measure how models are asked.")
    parser.add_argument("--rows", nargs="*", default=list(rows), choices=list(rows))
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("PORT", "FILE", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        port, file, seed = given.child
        ours(requests(int(port), given.calls), Path(file), seed=int(seed))
        return
    for name in given.rows:
        rows[name](given.calls, given.rounds)


# --- the rows -------------------------------------------------------------------------------------------------


def throughput(calls: int, rounds: int) -> None:
    print(
        f"\nthroughput: {calls:,} calls, {IN_FLIGHT} in flight, answered after {DELAY_SECONDS * 1000:.0f} ms"
    )
    seconds: dict[str, list[float]] = {"ours": [], "bare litellm": []}
    processor: dict[str, list[float]] = {name: [] for name in seconds}
    with tempfile.TemporaryDirectory() as folder, served() as port:
        asked = requests(port, calls)
        check_model(MODEL, Settings(), api_base=f"http://127.0.0.1:{port}/v1")
        asyncio.run(bare(asked[:8]))  # The first call takes long by itself.
        for round_ in range(rounds):
            order = list(seconds) if round_ % 2 == 0 else list(seconds)[::-1]
            for name in order:
                file = Path(folder) / f"{round_}.sqlite"
                if name == "ours":
                    upgrade(f"sqlite:///{file}")
                began, used = time.perf_counter(), time.process_time()
                if name == "ours":
                    found = ours(asked, file, seed=round_)
                    assert found.complete
                else:
                    asyncio.run(bare(asked))
                seconds[name].append(time.perf_counter() - began)
                processor[name].append(time.process_time() - used)
                if name == "ours":
                    assert stored(file, asked) == calls
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        each = ", ".join(f"{calls / s:.0f}" for s in values)
        used = statistics.median(processor[name]) / calls * 1000
        print(
            f"  {name:<14} {calls / middle[name]:>7.1f} calls/s   (rounds: {each}); {used:.2f} ms of CPU a call"
        )
    print(f"  ours / bare    {middle['bare litellm'] / middle['ours']:>7.2f}   every reply stored")


def stopped(calls: int, rounds: int) -> None:
    calls = min(calls, 600)
    print(f"\nstopped and resumed: {calls} calls, {IN_FLIGHT} in flight")
    print(
        f"  {'ended by':<10} {'stored':>7} {'in flight':>10} {'lost':>6} {'repeated':>9} {'stored at last':>15}"
    )
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with tempfile.TemporaryDirectory() as folder, served() as port:
            file = Path(folder) / "replies.sqlite"
            upgrade(f"sqlite:///{file}")
            asked = requests(port, calls)
            child = subprocess.Popen(
                [sys.executable, __file__, "--calls", str(calls), "--child", str(port), str(file), "1"],
                stdout=subprocess.DEVNULL,
            )
            while stored(file, asked) < calls // 3:
                time.sleep(0.05)
            child.send_signal(how)
            child.wait()
            time.sleep(2 * DELAY_SECONDS)  # What the server was at is counted, too.
            kept, before = stored(file, asked), counts(port)
            ours(asked, file, seed=2)
            after = counts(port)
            under_way = sum(before["asked"].values()) - kept
            repeated = sum(n > 1 for n in after["asked"].values())
            # Lost: a reply that had been stored and was asked for again.
            lost = max(0, repeated - under_way)
            print(
                f"  {how.name:<10} {kept:>7} {under_way:>10} {lost:>6} {repeated:>9} {stored(file, asked):>15}",
                flush=True,
            )


def faults(calls: int, rounds: int) -> None:
    print(f"\nfaults: {calls:,} calls, 5 % of responses fail")
    with tempfile.TemporaryDirectory() as folder, served("--faulty", "0.05", "--timeout", "8") as port:
        file = Path(folder) / "replies.sqlite"
        upgrade(f"sqlite:///{file}")
        asked = requests(port, calls)
        began = time.perf_counter()
        found = ours(asked, file, seed=1, timeout_seconds=5.0)
        took = time.perf_counter() - began
        with writing(make_engine(f"sqlite:///{file}")) as session:
            kept = failures_of(session, asked)
        seen = counts(port)
    injected = seen["injected"]
    print(
        f"  injected       {sum(injected.values()):>6}   "
        + ", ".join(f"{k} {n}" for k, n in injected.items())
    )
    by_kind = Counter(f"{f.failure.kind} {f.failure.status}" for f in kept)
    print(f"  in the store   {len(kept):>6}   " + ", ".join(f"{k}: {n}" for k, n in by_kind.items()))
    print(f"  asked {sum(seen['asked'].values())}, of which replies {len(found.replies) - found.failed}")
    print(f"  calls without a reply in the end: {found.failed}; {took:.0f} s")


# --- what is measured -----------------------------------------------------------------------------------------


def aligned(calls: int, rounds: int) -> None:
    """Print how long stored replies take to a report. ``calls`` and ``rounds`` are of the other rows."""
    design, rng = example_design("kidney-numeric"), np.random.default_rng(1)
    arm = design.arm("with-coin")
    comparisons = comparisons_to_ask(design, count=500, rng=rng)
    asked = plan_requests(
        design, comparisons, arm=arm, model=MODEL, settings=Settings(temperature=1.0), repeats=100
    )
    print(f"\naligned: {len(asked):,} stored replies to {len(comparisons)} comparisons")
    model = PlantedRespondent(design, {"age": -0.02, "drinks": -0.9, "dependents": 0.3}, left_bias=0.3)
    people = _people(design, arm, comparisons, rng)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "replies.sqlite"
        upgrade(f"sqlite:///{file}")
        engine = make_engine(f"sqlite:///{file}")
        planted = asyncio.run(_replies_of(model, asked))
        with writing(engine) as session:
            for start in range(0, len(asked), 5_000):
                add_replies(session, planted[start : start + 5_000], client="scripted")
        spent: dict[str, float] = {}
        with _timed(spent, "read from the store"), writing(engine) as session:
            found = find_replies(session, asked)
            replies = tuple(RecordedReply(request=r, reply=found[r.identity]) for r in asked)
        engine.dispose()
        kept = ReplyFile(
            model=MODEL,
            slug=design.slug,
            title=design.title,
            design_hash=design_hash(design),
            attributes=design.attributes,
            planned=len(asked),
            replies=replies,
        )
        with _timed(spent, "parsed and measured"):
            report = compare_models(
                people,
                {"anything": kept},
                title="100,000 replies",
                people_source="simulated",
                resampling=Resampling(n_draws=400, seed=1),
                n_splits=200,
                exchange=Consequential(),
                manifest={},
            )
        with _timed(spent, "written"):
            record = report.record()
            write_alignment(Path(folder) / "alignment.json", record)
            (Path(folder) / "report.html").write_text(render(record, source=None), encoding="utf-8")
    for name, seconds in spent.items():
        print(f"  {name:<22}{seconds:7.1f} s")
    print(f"  {'in all':<22}{sum(spent.values()):7.1f} s   (aim: under 60 s)")


async def _replies_of(model: PlantedRespondent, asked: Sequence[Request]) -> list[tuple[Request, Reply]]:
    return [(request, await model.reply(request)) for request in asked]


@contextmanager
def _timed(spent: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    spent[name] = time.perf_counter() - began


def _people(
    design: StudyDesign, arm: Arm, comparisons: Sequence[Comparison], rng: np.random.Generator
) -> AnswerSet:
    """Return 200 simulated people with 40 comparisons each."""
    planted = PlantedRespondent(design, {"age": -0.05, "drinks": -0.5, "dependents": 0.8})
    order = tuple(a.name for a in design.attributes)
    answers = []
    for person in range(200):
        for i in rng.choice(len(comparisons), size=40, replace=False):
            c = comparisons[int(i)]
            shown = Presentation(
                left=c.first,
                right=c.second,
                attribute_order=order,
                indecision_offered=arm.indecision_offered,
                position=1,
            )
            shares = planted.probabilities(shown)
            answers.append(
                Answer(
                    respondent=f"p{person}",
                    kind=RespondentKind.HUMAN,
                    arm=arm.name,
                    position=None,
                    left=c.first,
                    right=c.second,
                    choice=list(shares)[int(rng.choice(3, p=list(shares.values())))],
                    indecision_offered=arm.indecision_offered,
                    design_hash=design_hash(design),
                )
            )
    return AnswerSet(attributes=design.attributes, answers=tuple(answers), source="simulated")


def ours(asked: Sequence[Request], file: Path, *, seed: int, timeout_seconds: float = 60.0) -> Asked:
    """Ask as the command does."""
    engine = make_engine(f"sqlite:///{file}")
    try:
        return ask(
            partial(writing, engine),
            asked,
            ModelClient(timeout_seconds=timeout_seconds),
            rng=np.random.default_rng(seed),
            concurrency=IN_FLIGHT,
        )
    finally:
        engine.dispose()


async def bare(asked: Sequence[Request]) -> None:
    """Ask as a short script would, and keep nothing."""
    import litellm

    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(request: Request) -> None:
        async with room:
            await litellm.acompletion(
                model=request.model,
                messages=request.sent_messages,
                api_base=request.api_base,
                api_key="none",
                timeout=60.0,
                max_retries=0,
                num_retries=0,
                **request.parameters,
            )

    await asyncio.gather(*(one(r) for r in asked))
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    await close_litellm_async_clients()


def requests(port: int, calls: int) -> tuple[Request, ...]:
    """Return different calls, each sent once: kidney-8 under so many temperatures."""
    design = example_design("kidney-8")
    comparisons = design.comparisons() or ()
    found: list[Request] = []
    while len(found) < calls:
        found += plan_requests(
            design,
            comparisons,
            arm=design.arms[0],
            model=MODEL,
            settings=Settings(temperature=len(found) / 1e6),
            api_base=f"http://127.0.0.1:{port}/v1",
        )
    return tuple(found[:calls])


def stored(file: Path, asked: Sequence[Request]) -> int:
    engine = make_engine(f"sqlite:///{file}")
    try:
        with writing(engine) as session:
            return len(find_replies(session, asked))
    finally:
        engine.dispose()


# --- the server -----------------------------------------------------------------------------------------------


@contextmanager
def served(*options: str) -> Iterator[int]:
    """Start the server and yield its port."""
    command = [sys.executable, str(_SERVER), "--delay", str(DELAY_SECONDS), *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def counts(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts") as response:
        found = json.load(response)
    assert isinstance(found, dict)
    return found


if __name__ == "__main__":
    main()
