"""Time the coding of many suggestions: the store, the measures, and the researcher's pages.

    python benchmarks/coding.py [--suggestions 10000] [--rounds 7] [--url postgresql://…] [--rows WORD ...]

A database (SQLite in a temporary folder, or the empty one at ``--url``) is filled with so many suggestions of a
third as many respondents, 40 categories, 5 of them merged and one split, and 3 coders who have coded 90, 80 and
70 % of the suggestions, with one or two categories each and 6 % other outcomes; 2 % are adjudicated, and a model
has proposed one category for each. Texts are made by seed from a stated list: an attribute, an opening, an ending,
and in every tenth a letter exchanged. What is timed is done ``--rounds`` times; the table has the middle and the
longest of them, and the middle of the processor's time in this process (with SQLite's work, without PostgreSQL's).

store    what a page asks the database for, in a transaction of its own
measure  computations on the whole coding; look-alikes are grouped anew each time
page     through Flask's test client, signed in, from request to the last byte; the aim is under 300 ms. What
         takes seconds (agreement, results, look-alikes) is worked out beside the request, in another process;
         "figures under way" is what pages take meanwhile

A row is measured if its line contains one of the words. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import html
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.app import create_app
from survey.coding.coding import Code, CodeKind, Outcome
from survey.config import load_settings, secrets_of
from survey.db import make_engine, reading, writing
from survey.design_file import EXAMPLES
from survey.migration import upgrade
from survey.serving import keep_startup_out_of_collections
from survey.store import studies
from survey.store.categories import (
    add_category,
    categories_of,
    category_uses,
    merge_categories,
    split_category,
)
from survey.store.codes import code_several, code_suggestion
from survey.store.coding_data import coding_of
from survey.store.look_alikes import keep_groups
from survey.store.suggestion_imports import ImportedSuggestion, import_codes, import_suggestions
from survey.store.suggestion_list import (
    CodingState,
    Order,
    coding_progress,
    next_suggestion,
    suggestion_ids,
    suggestions_page,
)
from survey.suggestions import Stance
from survey.tables import StudyRow
from survey.web.research.coding.design_form import MOST_CHOSEN
from survey.web.research.coding.workings import finish_figures

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BASE = "/research/studies/1/suggestions"
CODERS = {"anna": 0.9, "bo": 0.8, "cy": 0.7}
ATTRIBUTES = (
    "age", "how long they waited", "drinking", "smoking", "wealth", "whether they have children", "general health",
    "chance of success", "criminal record", "race", "religion", "gender", "being famous", "past donations",
    "where they live", "whether they work", "education", "nationality", "pain", "mental health", "weight",
    "blood group", "whether they take their medicine", "help from a family", "insurance", "a job that helps others",
    "years left to live", "quality of life", "being on dialysis", "how urgent it is", "other illnesses", "looks",
    "political views", "military service", "marriage", "sexual orientation", "being a parent of small children",
    "drugs", "immigration", "luck",
)  # fmt: skip
OPENINGS = ("", "", "", "I think ", "Mostly ", "The patient's ", "only ", "somebody's ")
ENDINGS = ("", "", "", ".", " of course", " (if it can be known)", "!!", " should matter", " 😀")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the coding of many suggestions.")
    parser.add_argument("--suggestions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--url", help="an empty PostgreSQL database; default: SQLite")
    parser.add_argument("--rows", nargs="*", default=[""])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings({}, state_dir=Path(folder), log_level="error")
        if given.url:
            settings = settings.model_copy(update={"database_url": given.url})
        upgrade(settings.database_url)
        engine = make_engine(settings.database_url)
        began = time.perf_counter()
        fill(engine, given.suggestions)
        took = time.perf_counter() - began
        print(
            f"{engine.dialect.name}: {given.suggestions:,} suggestions, filled in {took:.1f} s; milliseconds"
        )
        print(f"{'':<48}{'middle':>10}{'longest':>10}{'processor':>11}")
        app = create_app(settings, engine)
        keep_startup_out_of_collections()  # As the service does.
        for name, act in rows(engine, app, secrets_of(settings).research_token):
            if any(word in name for word in given.rows):
                show(name, act, given.rounds)
        engine.dispose()


def show(name: str, act: Callable[[], object], rounds: int) -> None:
    """Do it so many times, and once before that does not count; print how long it took."""
    act()
    took, worked = [], []
    for _ in range(rounds):
        began, processor = time.perf_counter(), time.process_time()
        act()
        took.append((time.perf_counter() - began) * 1_000)
        worked.append((time.process_time() - processor) * 1_000)
    print(
        f"{name:<48}{statistics.median(took):>10.1f}{max(took):>10.1f}{statistics.median(worked):>11.1f}",
        flush=True,
    )


# --- what is measured -------------------------------------------------------------------------------------------


def rows(engine: Engine, app: Flask, token: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is measured, with its name."""

    def see(act: Callable[..., object], *values: object, **named: object) -> Callable[[], object]:
        def do() -> object:
            with reading(engine) as session:
                return act(session, the_study(session), *values, **named)

        return do

    def change(act: Callable[[Session, StudyRow], object]) -> Callable[[], object]:
        def do() -> object:
            with writing(engine) as session:
                return act(session, the_study(session))

        return do

    last = see(suggestions_page, page=10**6)()
    for name, asked in (
        ("first page", {}),
        ("first page of a coder", {"coder": "anna"}),
        ("last page", {"page": 10**6}),
        ("search, many hits", {"search": "the"}),
        ("search, no hit", {"search": "nowhere at all"}),
        ("category", {"category": "age", "coder": "anna"}),
        ("category of anybody", {"category": "age"}),
        ("to code", {"coder": "cy", "state": CodingState.TO_CODE}),
        ("to code again", {"coder": "anna", "state": CodingState.TO_CODE_AGAIN}),
        ("coders differ, all codes", {"state": CodingState.DIFFER, "with_codes": True}),
        ("coders differ, last page", {"state": CodingState.DIFFER, "with_codes": True, "page": 10**6}),
        ("in order of texts", {"order": Order.TEXT}),
        ("in order of groups", {"order": Order.ALIKE}),
        ("shuffled", {"order": Order.SHUFFLED, "coder": "anna"}),
        ("no category", {"outcome": Outcome.NO_CATEGORY}),
    ):
        yield f"store: {name}", see(suggestions_page, **asked)
    yield "store: progress of a coder", see(coding_progress, coder="anna")
    yield "store: progress of all", see(coding_progress)
    yield "store: next to code", see(next_suggestion, coder="cy", after=5_000)
    yield "store: next to code, in order of groups", see(next_suggestion, coder="cy", order=Order.ALIKE)
    yield "store: categories with uses", see(category_uses)
    assert last is not None
    numbers = count()
    names = ("age", "wealth")

    def code_one(session: Session, study: StudyRow) -> bool:
        n = next(numbers)
        return code_suggestion(
            session, study, 1 + n // 2, coder="dora", categories=[names[n % 2]], now=NOW, actor="benchmark"
        )

    def code_200(session: Session, study: StudyRow) -> int:
        first = 500 + 200 * (next(numbers) % 5)
        wanted = names[next(numbers) % 2]
        return code_several(
            session,
            study,
            range(first, first + 200),
            coder="dora",
            outcome=None,
            add=[wanted],
            remove=[name for name in names if name != wanted],
            now=NOW,
            actor="benchmark",
        )

    yield "store: code one", change(code_one)
    yield "store: code 200 at once", change(code_200)
    yield "measure: coding_of", see(coding_of, include_simulated=False)
    yield from measures(engine)
    settled = see(suggestion_ids, state=CodingState.SETTLED)()
    assert isinstance(settled, list)
    yield from pages(app, token, settled[0])


def measures(engine: Engine) -> Iterator[tuple[str, Callable[[], object]]]:
    from survey.coding.agreement import agreement_of
    from survey.coding.alike import groups_of
    from survey.coding.counts import counts_of
    from survey.coding.final import final_codes
    from survey.coding.saturation import saturation_of

    with reading(engine) as session:
        coding = coding_of(session, the_study(session), include_simulated=False)
    texts = [suggestion.text for suggestion in coding.suggestions]
    ids = [suggestion.id for suggestion in coding.suggestions]

    def group() -> None:
        with writing(engine) as session:
            groups = dict(zip(ids, groups_of(texts), strict=True))
            keep_groups(session, the_study(session), groups, threshold=0.6, now=NOW, actor="benchmark")

    yield "measure: groups_of", lambda: groups_of(texts)
    yield "measure: groups_of, and stored", group
    yield "measure: final_codes", lambda: final_codes(coding)
    yield "measure: agreement_of", lambda: agreement_of(coding)
    yield "measure: counts_of", lambda: counts_of(coding)
    yield "measure: saturation_of", lambda: saturation_of(coding)


def pages(app: Flask, token: str, settled: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the researcher's pages, as the operator sees them. ``settled``: id of one that is adjudicated."""
    client = app.test_client()
    assert client.get(f"/research/?token={token}").status_code == 303

    def get(path: str) -> Callable[[], object]:
        def do() -> int:
            answer = client.get(f"{BASE}{path}", follow_redirects=True)
            assert answer.status_code == 200, (path, answer.status_code)
            return len(answer.data)

        return do

    for path in (
        "",
        "?page=200",
        "?search=the",
        "?category=age",
        "?category=age&codes=all",
        "?category=outcome:no_category&codes=all",
        "?state=differ",
        "?order=shuffled",
        "?state=to_code",
        "?order=alike",
        "/next",
        "/77",
        "/77?order=alike",
        "/categories",
        "/categories/age",
        "/merge?name=age&name=wealth",
        "/adjudication",
        f"/adjudication?after={settled}",
        "/agreement",
        "/results",
        "/design",
        "/audit",
    ):
        if path in ("/agreement", "/results", "/design"):
            yield f"page: GET {path}, figures under way", get(path)
            finish_figures(app)
        yield f"page: GET {path or '(list)'}", get(path)
    six = "&".join(f"category={name}" for name in ("age", "smoking", "wealth", "race", "luck", "pain"))
    yield "page: GET /design/words of six categories", get(f"/design/words?{six}")
    offered = re.findall('name="category" value="([^"]*)"', client.get(f"{BASE}/design").text)[:MOST_CHOSEN]
    assert len(offered) == MOST_CHOSEN
    most = "&".join(f"category={name}" for name in offered)
    yield f"page: GET /design/words of {MOST_CHOSEN} categories", get(f"/design/words?{most}")
    found = re.search('name="csrf_token" value="([^"]*)"', client.get(f"{BASE}/77").text)
    assert found
    numbers = count(2_000)

    def post(path: str, **fields: str | list[str]) -> int:
        answer = client.post(f"{BASE}{path}", data={"csrf_token": html.unescape(found[1]), **fields})
        assert answer.status_code == 303, (path, answer.status_code)
        return len(answer.data)

    def code_several(**fields: str | list[str]) -> int:
        # In turns, so that each time something changes.
        return post("/codes", to="age", do=("add", "remove")[next(numbers) % 2], **fields)

    shown = client.get(BASE).text
    all_of_them = re.search('name="found" value="([0-9]+)"', shown)
    assert all_of_them
    yield "page: POST one suggestion", lambda: post(f"/{next(numbers)}", category=["age"])
    yield "page: POST 50 suggestions", lambda: code_several(which="ticked", id=[str(i) for i in range(1, 51)])
    finish_figures(app)
    yield "page: POST all suggestions", lambda: code_several(which="found", found=all_of_them[1])
    yield "page: POST look-alikes", lambda: post("/alike", threshold="0.6")


# --- what is there ----------------------------------------------------------------------------------------------


def the_study(session: Session) -> StudyRow:
    return studies.find_study(session, "kidney-attributes")


def fill(engine: Engine, n: int) -> None:
    """Make the database that the module's first lines state."""
    rng = random.Random(1)  # noqa: S311 - made-up texts, no secrets
    with writing(engine) as session:
        text = (EXAMPLES / "kidney-attributes.toml").read_text(encoding="utf-8")
        study = studies.add_study(session, text, now=NOW)
        about = [rng.choices(range(40), weights=[1 / (k + 1) for k in range(40)])[0] for _ in range(n)]
        entries = [
            ImportedSuggestion(
                respondent=f"r{i // 3:05}",
                kind=RespondentKind.HUMAN,
                stance=rng.choice(list(Stance)),
                text=in_words(rng, ATTRIBUTES[k]),
                why="It is fair." if rng.random() < 0.3 else "",
                number=i,
            )
            for i, k in enumerate(about)
        ]
        ids = import_suggestions(session, study, entries, source="made", now=NOW, actor="benchmark").ids
        for label in ATTRIBUTES:
            add_category(session, study, label[:1].upper() + label[1:], now=NOW, actor="benchmark")
        names = [row.name for row in categories_of(session, study)]
        import_codes(session, study, list(codes_of(rng, ids, about, names)), now=NOW, actor="benchmark")
        merge_categories(session, study, names[30:35], names[29], now=NOW, actor="benchmark")
        split_category(session, study, names[6], ["Heart", "Lungs"], now=NOW, actor="benchmark")


def in_words(rng: random.Random, attribute: str) -> str:
    text = rng.choice(OPENINGS) + attribute + rng.choice(ENDINGS)
    if rng.random() < 0.1:
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice("aeiou") + text[place + 1 :]
    return text.strip() or attribute


def codes_of(
    rng: random.Random, ids: Sequence[int], about: Sequence[int], names: Sequence[str]
) -> Iterator[Code]:
    for id_, k in zip(ids, about, strict=True):
        for coder, share in CODERS.items():
            if rng.random() < share:
                yield from word(rng, id_, k, names, CodeKind.CODER, coder)
        if rng.random() < 0.02:
            yield from word(rng, id_, k, names, CodeKind.ADJUDICATED, "")
        yield Code(
            suggestion=id_, kind=CodeKind.MODEL, coder="model", outcome=Outcome.CATEGORY, category=names[k]
        )


def word(
    rng: random.Random, id_: int, k: int, names: Sequence[str], kind: CodeKind, coder: str
) -> Iterator[Code]:
    """Yield what somebody says of a suggestion about the ``k``-th attribute: mostly that, and at times another."""
    if rng.random() < 0.06:
        outcome = rng.choice([Outcome.NO_CATEGORY, Outcome.UNUSABLE])
        yield Code(suggestion=id_, kind=kind, coder=coder, outcome=outcome)
        return
    said = {k if rng.random() < 0.85 else rng.randrange(40)}
    if rng.random() < 0.3:
        said.add(rng.randrange(40))
    for each in sorted(said):
        yield Code(suggestion=id_, kind=kind, coder=coder, outcome=Outcome.CATEGORY, category=names[each])


if __name__ == "__main__":
    main()
