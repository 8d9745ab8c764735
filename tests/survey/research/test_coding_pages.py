"""The researcher's pages for coding suggestions, through Flask's test client on a real database."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from threading import Event
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, select
from werkzeug.test import TestResponse

from survey.answers import RespondentKind
from survey.app import create_app
from survey.coding.coding import Category, CodeKind, CodingError, Outcome
from survey.coding.shuffled import shuffled
from survey.config import Secrets, Settings
from survey.db import reading, writing
from survey.design_file import EXAMPLES, parse_design
from survey.kept_figures import Worked
from survey.store import accounts, categories, codes, studies
from survey.store.coding_data import coding_of
from survey.store.coding_state import coding_state
from survey.store.look_alikes import groups_among
from survey.store.suggestion_imports import ImportedRespondent, ImportedSuggestion, import_suggestions
from survey.suggestions import Stance
from survey.tables import AccountRole, CodeRow, EventRow, StudyRow, SuggestionRow
from survey.web.context import use_clock
from survey.web.research.coding import grouping
from survey.web.research.coding.design_form import read_form
from survey.web.research.coding.quick import read_typed
from survey.web.research.coding.workings import Figures, figures_of, finish_figures

Send = Callable[..., TestResponse]
BASE = "/research/studies/1/suggestions"
SHOULD, SHOULD_NOT = Stance.SHOULD, Stance.SHOULD_NOT
NASTY = "<script>alert(1)</script> & <b>'\"</b>"
SAID = [
    ("p1", SHOULD, "young people first"),
    ("p1", SHOULD_NOT, "Religion"),
    ("p2", SHOULD, NASTY),
    ("p2", SHOULD, "العمر"),
    ("p3", SHOULD, "kids at home 👨‍👩‍👧"),
    ("p3", SHOULD_NOT, "religion!"),
]


class Coded:
    """A study with suggestions and categories, and what was said of them."""

    def __init__(self, engine: Engine, now: Any) -> None:
        self.engine, self.now = engine, now
        with writing(engine) as session:
            text = (EXAMPLES / "kidney-attributes.toml").read_text(encoding="utf-8")
            study = studies.add_study(session, text, now=now, actor="command line")
            entries = [
                ImportedSuggestion(
                    respondent=who, kind=RespondentKind.HUMAN, stance=stance, text=text, number=number
                )
                for number, (who, stance, text) in enumerate(SAID)
            ]
            asked = [
                ImportedRespondent(
                    respondent=f"p{number}",
                    kind=RespondentKind.HUMAN,
                    stances=frozenset(Stance),
                    stated={"knows_patient": ("yes" if number % 2 else "no",)},
                    order=number,
                )
                for number in range(1, 5)
            ]
            self.ids = import_suggestions(
                session, study, entries, source="panel", asked=asked, now=now, actor="command line"
            ).ids
            for label in ("Age", "Ageism", "Dependents", "Religion"):
                categories.add_category(session, study, label, now=now, actor="command line")

    def code(self, id_: int, coder: str, *names: str, outcome: Outcome | None = None) -> None:
        with writing(self.engine) as session:
            study = session.get_one(StudyRow, 1)
            codes.code_suggestion(
                session, study, id_, coder=coder, categories=names, outcome=outcome, now=self.now, actor=coder
            )

    def words(self, id_: int, coder: str = "operator", kind: CodeKind = CodeKind.CODER) -> set[str]:
        """What a coder says of a suggestion now."""
        with reading(self.engine) as session:
            coding = coding_of(session, session.get_one(StudyRow, 1), include_simulated=True)
        return {
            code.category or code.outcome.value
            for code in coding.codes
            if (code.suggestion, code.coder, code.kind) == (id_, coder, kind)
        }

    def category(self, name: str) -> Category:
        with reading(self.engine) as session:
            return coding_of(session, session.get_one(StudyRow, 1), include_simulated=True).category(name)

    def counts(self) -> tuple[int, int]:
        """Number of codes ever given, and of events."""
        with reading(self.engine) as session:
            return (
                session.scalars(select(func.count(CodeRow.id))).one(),
                session.scalars(select(func.count(EventRow.id)).where(EventRow.what != "signed in")).one(),
            )


@pytest.fixture(autouse=True)
def nothing_goes_on(app: Flask) -> Iterator[None]:
    """Figures may still be worked out when a test ends: before the database is closed, they are to be done."""
    yield
    finish_figures(app)


@pytest.fixture
def coded(sqlite_engine: Engine, start: Any) -> Coded:
    return Coded(sqlite_engine, start)


@pytest.fixture
def postgres_pages(settings: Settings, request: pytest.FixtureRequest) -> Iterator[tuple[Flask, Coded]]:
    engine = request.getfixturevalue("postgres_engine")
    app = create_app(settings, engine)
    yield app, Coded(engine, datetime.now(UTC))
    finish_figures(app)


@pytest.fixture
def people(app: Flask, coded: Coded, viewers_hash: str, start: Any, send: Send) -> Mapping[str, FlaskClient]:
    """An owner, two coders and a viewer, signed in."""
    roles = {
        "olga": AccountRole.OWNER,
        "cora": AccountRole.CODER,
        "carl": AccountRole.CODER,
        "vera": AccountRole.VIEWER,
    }
    with writing(coded.engine) as session:
        for name, role in roles.items():
            accounts.add_account(session, name, viewers_hash, role, now=start, actor="command line")
    found = {}
    for name in roles:
        client = app.test_client()
        page = client.get("/research/sign-in")
        assert (
            send(client, page, "/sign-in", name=name, password="a viewer's good password").status_code == 200
        )
        found[name] = client
    return found


def csrf_of(client: FlaskClient) -> str:
    return client.get("/research/").text.split('name="csrf_token" value="')[1].split('"')[0]


def post(client: FlaskClient, path: str, **fields: str | Sequence[str]) -> TestResponse:
    return client.post(BASE + path, data={"csrf_token": csrf_of(client), **fields})


def words_of(page: TestResponse) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def worked_out(client: FlaskClient, path: str) -> TestResponse:
    """Ask for a page with figures until they are there."""
    for _ in range(200):
        page = client.get(BASE + path)
        if page.status_code == 200 and "worked-out-soon" not in page.text:
            return page
        time.sleep(0.1)
    raise AssertionError(f"{path} was never worked out")


# --- who may see and do what ---------------------------------------------------------------------------

PAGES = {
    "": {"olga", "cora", "vera"},
    "/next": {"olga", "cora"},
    "/1": {"olga", "cora"},
    "/categories": {"olga", "cora", "vera"},
    "/categories/age": {"olga", "cora", "vera"},
    "/codebook.csv": {"olga", "cora", "vera"},
    "/codebook.json": {"olga", "cora", "vera"},
    "/merge?name=age&name=religion": {"olga"},
    "/agreement": {"olga", "vera"},
    "/results": {"olga", "vera"},
    "/results/results.json": {"olga", "vera"},
    "/coding.json": {"olga"},
    "/adjudication": {"olga"},
    "/design": {"olga"},
    "/design/words?category=age": {"olga"},
    "/audit": {"olga", "vera"},
}
CHANGES: list[tuple[str, dict[str, str], set[str]]] = [
    ("/1", {"quick": "age", "do": "save"}, {"olga", "cora"}),
    ("/codes", {"which": "page", "shown": "1", "to": "age", "do": "add"}, {"olga", "cora"}),
    ("/alike", {"threshold": "0.6"}, {"olga", "cora"}),
    ("/categories", {"label": "New"}, {"olga", "cora"}),
    ("/categories/age/words", {"label": "Years", "definition": ""}, {"olga"}),
    ("/merge", {"name": "age", "into": "religion"}, {"olga"}),
    ("/categories/age/unmerge", {}, {"olga"}),
    ("/categories/age/retire", {}, {"olga"}),
    ("/categories/age/restore", {}, {"olga"}),
    ("/categories/age/split", {"labels": "Young\nOld"}, {"olga"}),
    ("/codebook", {}, {"olga"}),
    ("/1/settle", {"do": "unusable"}, {"olga"}),
    ("/1/open", {}, {"olga"}),
    ("/settle", {"sure": "yes", "open": "0", "coder": "olga"}, {"olga"}),
    ("/design/words", {}, {"olga"}),
    ("/design/again", {}, {"olga"}),
    ("/design.toml", {"text": "x"}, {"olga"}),
]


def test_every_page_opens_for_those_it_is_for_and_for_nobody_else(
    people: Mapping[str, FlaskClient], client: FlaskClient
) -> None:
    for path, may in PAGES.items():
        for name in ("olga", "cora", "vera"):
            status = people[name].get(BASE + path).status_code
            assert (status in (200, 303)) if name in may else status == 403, f"{name} {path}: {status}"
        stranger = client.get(BASE + path)
        assert stranger.headers["Location"].startswith("/research/sign-in"), path
        assert people["olga"].get(f"/research/studies/9/suggestions{path}").status_code == 404, path


@pytest.mark.parametrize(
    ("path", "fields", "may"), CHANGES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_change_is_refused_to_those_it_is_not_for(
    people: Mapping[str, FlaskClient],
    client: FlaskClient,
    coded: Coded,
    path: str,
    fields: dict[str, str],
    may: set[str],
) -> None:
    before = coded.counts()
    for name in {"olga", "cora", "vera"} - may:
        answer = post(people[name], path, **fields)
        assert answer.status_code == 403
        assert "Nothing was changed" in words_of(answer)
    stranger_csrf = client.get("/research/sign-in").text.split('name="csrf_token" value="')[1].split('"')[0]
    stranger = client.post(BASE + path, data={"csrf_token": stranger_csrf, **fields})
    assert (stranger.status_code, stranger.headers["Location"]) == (303, "/research/sign-in")
    without_token = people["olga"].post(BASE + path, data=fields)
    assert without_token.status_code == 400
    assert coded.counts() == before


def test_the_bundle_with_everybodys_codes_is_not_for_coders(people: Mapping[str, FlaskClient]) -> None:
    bundle = "/research/studies/1/bundle.zip"
    assert [people[name].get(bundle).status_code for name in ("olga", "vera", "cora")] == [200, 200, 403]


def test_looking_changes_nothing(people: Mapping[str, FlaskClient], coded: Coded) -> None:
    coded.code(coded.ids[0], "cora", "age")
    coded.code(coded.ids[0], "carl", "dependents")
    before = coded.counts()
    for path in PAGES:
        if not path.endswith((".csv", ".json")):
            people["olga"].get(BASE + path)
    assert coded.counts() == before


def test_a_coder_sees_nothing_of_what_others_coded(people: Mapping[str, FlaskClient], coded: Coded) -> None:
    coded.code(coded.ids[1], "carl", "religion")
    coded.code(coded.ids[0], "cora", "age")
    for path in ("", "/categories", "/categories/religion", f"/{coded.ids[1]}"):
        page = people["cora"].get(BASE + path)
        assert "carl" not in page.text, path
        assert "1 of 1" not in words_of(page), path
    assert "Religion 1 of 1 coder" in words_of(people["vera"].get(BASE))
    listed = people["cora"].get(f"{BASE}?category=religion")
    assert "0 suggestions" in words_of(listed)
    assert "1 suggestion" in words_of(people["olga"].get(f"{BASE}?category=religion&codes=all"))
    assert "0 suggestions" in words_of(people["olga"].get(f"{BASE}?category=religion")), "her own"
    form = people["cora"].get(f"{BASE}/{coded.ids[1]}").text
    assert 'value="religion" checked' not in form
    for state in ("differ", "settled"):
        assert people["cora"].get(f"{BASE}?state={state}").status_code == 404
    for path in ("", "/next", f"/{coded.ids[1]}"):
        assert people["cora"].get(f"{BASE}{path}?codes=all").status_code == 404


def test_nobody_is_told_who_said_it(people: Mapping[str, FlaskClient], coded: Coded) -> None:
    coded.code(coded.ids[0], "cora", "age")
    coded.code(coded.ids[0], "carl", "dependents")
    for path in ("", f"/{coded.ids[0]}", "/adjudication?names=yes"):
        assert not re.search(r"\bp[1-4]\b", words_of(people["olga"].get(BASE + path))), path


@pytest.fixture
def with_models(coded: Coded) -> int:
    """Id of a suggestion of a model, beside people's."""
    entry = ImportedSuggestion(
        respondent="gpt#1", kind=RespondentKind.MODEL, stance=SHOULD, text="Waiting time", number=1
    )
    with writing(coded.engine) as session:
        study = session.get_one(StudyRow, 1)
        return import_suggestions(
            session, study, [entry], source="model_suggestions.jsonl", now=coded.now, actor="command line"
        ).ids[0]


def test_who_codes_is_not_told_what_a_model_wrote(
    people: Mapping[str, FlaskClient], coded: Coded, with_models: int
) -> None:
    for name in ("cora", "olga"):
        coded.code(with_models, name, "age")
    seen, ahead = set(), {"/research/", "/research/studies/1"}
    while ahead:
        path = ahead.pop()
        seen.add(path)
        page = people["cora"].get(path)
        ahead |= {
            there.partition("#")[0]
            for href in re.findall(r'href="([^"]+)"', page.text)
            if (there := html.unescape(href)).startswith("/research/studies/1")
        } - seen
        if page.mimetype == "text/html":
            assert "model" not in words_of(page), path
    assert f"{BASE}/{with_models}" in seen
    assert people["cora"].get(f"{BASE}?kind=model").status_code == 404
    for path in ("", "?category=age", f"/{with_models}", "/next"):
        assert "model" not in words_of(people["olga"].get(BASE + path, follow_redirects=True)), path
    assert people["olga"].get(f"{BASE}?kind=model").status_code == 404
    for page in (people["vera"].get(BASE), people["olga"].get(f"{BASE}?codes=all")):
        assert page.text.count('class="chip other"><bdi>model</bdi>') == 1


def test_an_owner_reads_everybodys_codes_and_codes_nothing_meanwhile(
    people: Mapping[str, FlaskClient], coded: Coded, with_models: int
) -> None:
    olga, first = people["olga"], coded.ids[0]
    coded.code(first, "cora", "age")
    coded.code(first, "carl", "dependents")
    coded.code(with_models, "carl", "age")
    post(olga, f"/{first}/settle", category="age", do="save")
    table = olga.get(f"{BASE}/categories")
    assert "Age No definition yet 1 1 of models 0 2" in words_of(table)
    ways = [html.unescape(way) for way in re.findall(r'href="([^"]+)"', table.text) if "category=age" in way]
    listed = [words_of(olga.get(way)) for way in ways]
    assert ["1 suggestion" in one for one in listed] == [True, True]
    assert (
        "young people first should count Age settled Age 1 of 2 coders Dependents 1 of 2 coders" in listed[0]
    )
    assert "Waiting time should count model Age 1 of 1 coder" in listed[1]
    assert 'aria-current="page">Everybody’s codes' in olga.get(ways[0]).text
    for page in (olga.get(ways[0]), people["vera"].get(ways[0])):
        assert page.status_code == 200
        assert 'name="id"' not in page.text
        assert "/next" not in page.text
    before = coded.counts()
    sent = post(olga, "/codes?codes=all", which="page", shown=str(first), to="age", do="add")
    assert (sent.status_code, coded.counts()) == (400, before)
    mine = olga.get(BASE)
    assert "settled" not in words_of(mine).partition("young people first")[2]
    assert mine.text.count('name="id"') == 7
    for kind, found in (("human", 6), ("model", 1)):
        page = olga.get(f"{BASE}?codes=all&kind={kind}")
        assert page.text.count('class="said-text"') == found
    assert olga.get(f"{BASE}?codes=all&state=to_code").text.count('class="said-text"') == 5


# --- the list ------------------------------------------------------------------------------------------


def test_the_tab_is_there_only_where_there_are_suggestions(
    researcher: FlaskClient, coded: Coded, short_design: str
) -> None:
    with writing(coded.engine) as session:
        other = studies.add_study(session, short_design, now=coded.now, actor="command line").id
    assert ">Suggestions</a>" in researcher.get("/research/studies/1").text
    assert ">Suggestions</a>" not in researcher.get(f"/research/studies/{other}").text


def test_what_people_wrote_is_text_in_its_own_direction(researcher: FlaskClient, coded: Coded) -> None:
    for path in ("", f"/{coded.ids[2]}"):
        page = researcher.get(BASE + path).text
        assert "<script>alert" not in page
        assert html.escape(NASTY, quote=False).split(" &amp; ")[0] in page
    page = researcher.get(BASE).text
    assert '<p class="said-text" dir="auto">العمر</p>' in page
    assert "👨‍👩‍👧" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 6),
        ("?search=RELIGION", 2),
        ("?search=%25", 0),
        ("?stance=should_not", 2),
        ("?search=religion&stance=should", 0),
        ("?state=coded", 1),
        ("?state=to_code", 5),
        ("?category=age", 1),
        ("?simulated=yes", 0),
    ],
)
def test_the_list_is_narrowed(researcher: FlaskClient, coded: Coded, query: str, found: int) -> None:
    coded.code(coded.ids[0], "operator", "age")
    page = researcher.get(BASE + query)
    assert page.text.count('class="said-text"') == found
    if not found:
        assert "There are no simulated" in page.text or "Nothing was found" in page.text


@pytest.mark.parametrize(
    "query", ["?state=nonsense", "?stance=x", "?order=x", "?page=0", "?page=2", "?alike=-1", "?category=none"]
)
def test_an_address_that_no_link_has_is_no_page(researcher: FlaskClient, coded: Coded, query: str) -> None:
    assert researcher.get(BASE + query).status_code == 404


def test_the_list_is_paged_by_fifty(researcher: FlaskClient, coded: Coded) -> None:
    with writing(coded.engine) as session:
        import_suggestions(
            session,
            session.get_one(StudyRow, 1),
            [
                ImportedSuggestion(
                    respondent="q", kind=RespondentKind.HUMAN, stance=SHOULD, text=f"number {n}", number=n
                )
                for n in range(47)
            ],
            source="more",
            now=coded.now,
            actor="command line",
        )
    assert [researcher.get(f"{BASE}?page={n}").text.count('class="said-text"') for n in (1, 2)] == [50, 3]
    assert 'start="51"' in researcher.get(f"{BASE}?page=2").text


def test_several_are_coded_at_once(researcher: FlaskClient, coded: Coded) -> None:
    first, second, third = (str(id_) for id_ in coded.ids[:3])
    answer = post(researcher, "/codes", id=[first, second], to="age", do="add")
    assert answer.status_code == 303
    assert [coded.words(id_) for id_ in coded.ids[:3]] == [{"age"}, {"age"}, set()]
    post(researcher, "/codes", which="page", shown=[second, third], label="Faith", do="add")
    assert [coded.words(id_) for id_ in coded.ids[:3]] == [{"age"}, {"age", "faith"}, {"faith"}]
    post(researcher, "/codes", id=[second], to="age", do="remove")
    assert coded.words(coded.ids[1]) == {"faith"}
    found = {"which": "found", "found": "2", "shown": [str(coded.ids[1]), str(coded.ids[5])]}
    post(researcher, "/codes?search=religion", **found, do="unusable")
    assert [coded.words(id_) for id_ in (coded.ids[1], coded.ids[5])] == [{"unusable"}, {"unusable"}]


def test_coding_several_twice_is_harmless_and_said(researcher: FlaskClient, coded: Coded) -> None:
    fields = {"id": [str(coded.ids[0])], "to": "age", "do": "add"}
    post(researcher, "/codes", **fields)
    before = coded.counts()
    post(researcher, "/codes", **fields)
    assert coded.counts() == before
    assert "Nothing to change: it was coded “Age” already." in words_of(researcher.get(BASE))
    post(researcher, "/codes", **{**fields, "id": [str(id_) for id_ in coded.ids[:3]]})
    assert "2 of 3 are coded “Age” now; the others were so already." in words_of(researcher.get(BASE))


def test_what_was_ticked_is_kept_where_the_category_was_forgotten(
    researcher: FlaskClient, coded: Coded
) -> None:
    ticked = [str(id_) for id_ in coded.ids[1:3]]
    page = post(researcher, "/codes", id=ticked, label="AGE", do="add")
    assert page.status_code == 400
    assert re.findall(r'name="id" value="(\d+)" checked', page.text) == ticked
    assert 'name="label" value="AGE"' in page.text
    assert "has the label &#39;Age&#39; already; choose another. Nothing was coded." in page.text


def test_work_that_the_page_does_not_show_is_replaced_only_when_that_is_meant(
    researcher: FlaskClient, coded: Coded
) -> None:
    coded.code(coded.ids[0], "operator", "age")
    coded.code(coded.ids[0], "anna", "religion")
    fields = {"which": "found", "found": "6", "shown": [str(id_) for id_ in coded.ids[1:]], "do": "unusable"}
    page = post(researcher, "/codes", **fields)
    assert page.status_code == 400
    assert "You have coded 1 of these 6 already" in page.text
    assert coded.words(coded.ids[0]) == {"age"}
    assert coded.words(coded.ids[1]) == set()
    sure = re.search(r'name="sure" value="([^"]+)"', page.text)
    assert sure
    # All that were found are on this page, so that is what the page offers.
    assert re.search(r'name="which" value="page" checked', page.text)
    # It was said of the one, not of the other.
    assert post(researcher, "/codes", **{**fields, "do": "no_category"}, sure=sure[1]).status_code == 400
    assert post(researcher, "/codes", **fields, sure=sure[1]).status_code == 303
    assert [coded.words(id_) for id_ in coded.ids] == [{"unusable"}] * 6
    assert coded.words(coded.ids[0], "anna") == {"religion"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"to": "age", "do": "add"}, "Nothing was ticked"),
        ({"do": "unusable"}, "Nothing was ticked"),
        ({"id": "1", "do": "add"}, "Choose a category"),
        ({"id": "1", "to": "age", "label": "Both", "do": "add"}, "not both"),
        ({"id": "1", "label": "Gone", "do": "remove"}, "cannot be taken away"),
        ({"id": "1", "label": "AGE", "do": "add"}, "has the label"),
        ({"id": "1", "to": "nothing", "do": "add"}, "no longer there"),
        ({"id": "999", "to": "age", "do": "add"}, "no longer there"),
        ({"which": "found", "found": "5", "to": "age", "do": "add"}, "other suggestions are found"),
    ],
)
def test_a_bulk_change_that_cannot_be_says_why_and_does_nothing(
    researcher: FlaskClient, coded: Coded, fields: dict[str, str], says: str
) -> None:
    before = coded.counts()
    page = post(researcher, "/codes", **fields)
    if page.status_code == 303:
        page = researcher.get(BASE)
    assert says.lower() in page.text.lower()
    assert coded.counts() == before


@pytest.mark.parametrize(
    "fields", [{"do": "delete"}, {"id": "x", "to": "age", "do": "add"}, {"which": "none", "do": "add"}]
)
def test_a_form_that_no_page_sends_is_refused(
    researcher: FlaskClient, coded: Coded, fields: dict[str, str]
) -> None:
    assert post(researcher, "/codes", **fields).status_code == 400


def test_look_alikes_are_grouped_listed_together_and_coded_as_a_group(
    app: Flask, researcher: FlaskClient, coded: Coded
) -> None:
    answer = post(researcher, "/alike", threshold="0.6")
    assert answer.headers["Location"].startswith(f"{BASE}?order=alike")
    finish_figures(app)
    page = researcher.get(answer.headers["Location"])
    assert "1 group of look-alikes, with 2 of 6 suggestions." in words_of(page)
    assert "worked-out-soon" not in page.text
    group = re.search(r'name="group" value="(\d+)"', page.text)
    assert group
    post(researcher, "/codes", group=[group[1]], to="religion", do="add")
    assert [i for i, id_ in enumerate(coded.ids) if coded.words(id_) == {"religion"}] == [1, 5]
    assert researcher.get(f"{BASE}?alike={group[1]}").text.count('class="said-text"') == 2
    assert post(researcher, "/alike", threshold="0").status_code == 400


def test_who_asked_for_groups_waits_for_them_and_nobody_else(
    app: Flask, researcher: FlaskClient, coded: Coded, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = Event()

    def slowly(*arguments: Any, **more: Any) -> dict[int, int]:
        assert may_go_on.wait(30)
        return groups_among(*arguments, **more)

    monkeypatch.setattr(grouping, "groups_among", slowly)
    place = post(researcher, "/alike", threshold="0.6").headers["Location"]
    again = post(researcher, "/alike", threshold="0.6").headers["Location"]
    assert "grouping=" in place
    assert again == place  # What is under way is waited for, not done twice.
    assert "Look-alikes are being grouped" in words_of(researcher.get(place))
    assert "worked-out-soon" not in researcher.get(f"{BASE}?order=alike").text
    may_go_on.set()
    finish_figures(app)
    page = researcher.get(place)
    assert "worked-out-soon" not in page.text
    assert "The last time: 1 group of look-alikes, with 2 of 6 suggestions." in words_of(page)
    assert researcher.get(f"{BASE}?grouping=2000-01-01").status_code == 200
    assert researcher.get(f"{BASE}?grouping=soon").status_code == 404


def test_groups_that_fail_say_so_and_leave_those_before(
    app: Flask, researcher: FlaskClient, coded: Coded, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(researcher, "/alike", threshold="0.6")
    finish_figures(app)

    def with_somebody_erased(*arguments: Any, **more: Any) -> dict[int, int]:
        return groups_among(*arguments, **more) | {9_999: 1}

    monkeypatch.setattr(grouping, "groups_among", with_somebody_erased)
    post(researcher, "/alike", threshold="0.8")
    finish_figures(app)
    page = words_of(researcher.get(BASE))
    assert "Look-alikes were not grouped. Study 'kidney-attributes' has no suggestion 9999" in page
    assert "2 alike" in page


def test_simulated_suggestions_are_grouped_by_themselves(
    app: Flask, researcher: FlaskClient, coded: Coded
) -> None:
    with writing(coded.engine) as session:
        session.get_one(SuggestionRow, coded.ids[1]).simulated = True
    post(researcher, "/alike", threshold="0.6")
    finish_figures(app)
    assert "0 groups of look-alikes, with 0 of 6" in words_of(researcher.get(BASE))


def test_what_was_taken_back_looks_like_nothing(app: Flask, researcher: FlaskClient, coded: Coded) -> None:
    with writing(coded.engine) as session:
        session.get_one(SuggestionRow, coded.ids[1]).removed_at = datetime.now(UTC)
    post(researcher, "/alike", threshold="0.6")
    finish_figures(app)
    assert "0 groups of look-alikes, with 0 of 5 suggestions." in words_of(researcher.get(BASE))
    with reading(coded.engine) as session:
        grouped = session.scalars(select(SuggestionRow.id).where(SuggestionRow.alike.is_not(None))).all()
    assert set(grouped) == {*coded.ids} - {coded.ids[1]}


# --- one after the other -------------------------------------------------------------------------------

OFFERED = tuple(
    Category(name=label.lower(), label=label) for label in ("Age", "Ageism", "Dependents", "Straße")
)


@pytest.mark.parametrize(
    ("typed", "names", "new", "outcome"),
    [
        ("", (), (), None),
        ("dep", ("dependents",), (), None),
        ("age", ("age",), (), None),
        ("AGEI, d", ("ageism", "dependents"), (), None),
        ("strasse", ("straße",), (), None),
        ("age, age,", ("age",), (), None),
        ("+ New  one , age", ("age",), ("New one",), None),
        ("+AGE", ("age",), (), None),
        ("-", (), (), Outcome.NO_CATEGORY),
        ("!", (), (), Outcome.UNUSABLE),
    ],
)
def test_letters_stand_for_categories(
    typed: str, names: tuple[str, ...], new: tuple[str, ...], outcome: Outcome | None
) -> None:
    found = read_typed(typed, OFFERED)
    assert (found.names, found.new, found.outcome, found.complaints) == (names, new, outcome, ())


@pytest.mark.parametrize(
    ("typed", "says"),
    [("ag", "several categories"), ("x", "+x makes one"), ("-, age", "alone"), ("-,!", "alone"), ("+", "+")],
)
def test_letters_that_are_not_clear_are_asked_about(typed: str, says: str) -> None:
    assert says in " ".join(read_typed(typed, OFFERED).complaints)


def test_a_coder_codes_one_after_the_other_by_typing(researcher: FlaskClient, coded: Coded) -> None:
    page = researcher.get(f"{BASE}/next", follow_redirects=True)
    for typed, words in (
        ("age", {"age"}),
        ("rel", {"religion"}),
        ("!", {"unusable"}),
        ("+Years lived, dep", {"dependents", "years-lived"}),
        ("-", {"no_category"}),
    ):
        id_ = int(page.request.path.rsplit("/", 1)[1])
        page = post(researcher, f"/{id_}", quick=typed, do="save")
        assert coded.words(id_) == words
        page = researcher.get(page.headers["Location"])
        assert "Saved:" in page.text
    assert "1 of 6 left for you to code" in words_of(page)
    last = int(page.request.path.rsplit("/", 1)[1])
    done = post(researcher, f"/{last}", category=["religion", "age"], do="save")
    assert done.headers["Location"] == BASE
    assert coded.words(last) == {"age", "religion"}
    assert "You have coded all of them" in researcher.get(BASE).text


def test_what_was_typed_and_ticked_is_kept_where_it_is_not_clear(
    researcher: FlaskClient, coded: Coded
) -> None:
    before = coded.counts()
    page = post(researcher, f"/{coded.ids[0]}", quick="ag, nonsense", category="religion", do="save")
    assert page.status_code == 400
    assert 'value="ag, nonsense"' in page.text
    assert 'value="religion" checked' in page.text
    assert "Nothing was saved" in page.text
    assert post(researcher, f"/{coded.ids[0]}", do="save").status_code == 400
    # Nothing of a form with a fault is kept, the new category neither.
    assert post(researcher, f"/{coded.ids[0]}", quick="+Fresh, zzz", do="save").status_code == 400
    assert coded.counts() == before


def test_a_word_is_changed_and_taken_back(researcher: FlaskClient, coded: Coded) -> None:
    id_ = coded.ids[0]
    post(researcher, f"/{id_}", quick="age", do="save")
    post(researcher, f"/{id_}", category="dependents", do="save")
    assert coded.words(id_) == {"dependents"}
    post(researcher, f"/{id_}", category="dependents", do="unusable")
    assert coded.words(id_) == {"unusable"}
    assert 'aria-pressed="true"' in researcher.get(f"{BASE}/{id_}").text
    back = post(researcher, f"/{id_}", do="back")
    assert back.headers["Location"].endswith(f"/{id_}")
    assert coded.words(id_) == set()


def test_sending_the_same_code_twice_leaves_one(researcher: FlaskClient, coded: Coded) -> None:
    for _ in range(2):
        assert post(researcher, f"/{coded.ids[0]}", quick="age", do="save").status_code == 303
    with reading(coded.engine) as session:
        assert session.scalars(select(func.count(CodeRow.id))).one() == 1


def test_a_search_is_coded_through_without_leaving_it(researcher: FlaskClient, coded: Coded) -> None:
    first, second = (id_ for id_ in own_order(coded, "operator") if id_ in (coded.ids[1], coded.ids[5]))
    page = researcher.get(f"{BASE}/next?search=religion", follow_redirects=True)
    assert page.request.path == f"{BASE}/{first}"
    page = researcher.get(
        post(researcher, f"/{first}?search=religion", quick="rel", do="save").headers["Location"]
    )
    assert page.request.path == f"{BASE}/{second}"
    assert page.request.args["search"] == "religion"


def own_order(coded: Coded, coder: str) -> list[int]:
    return shuffled(coded.ids, study="kidney-attributes", version="1", coder=coder)


def gone_through(client: FlaskClient, query: str) -> list[int]:
    """Code everything one by one; return the ids in the order in which the pages came."""
    page, seen = client.get(f"{BASE}/next{query}", follow_redirects=True), []
    while page.request.path != BASE:
        seen.append(int(page.request.path.rsplit("/", 1)[1]))
        sent = post(client, f"/{seen[-1]}?{page.request.query_string.decode()}", quick="rel", do="save")
        page = client.get(sent.headers["Location"])
    return seen


def test_they_come_one_by_one_in_each_coders_own_order(
    people: Mapping[str, FlaskClient], coded: Coded
) -> None:
    assert own_order(coded, "cora") != own_order(coded, "carl") != list(coded.ids)
    begin = words_of(people["cora"].get(f"{BASE}/next", follow_redirects=True))
    assert "Shuffled for you: should your coding drift" in begin
    for name in ("cora", "carl"):
        assert gone_through(people[name], "") == own_order(coded, name)


@pytest.mark.parametrize("order", ["arrival", "text", "alike"])
def test_an_order_that_is_asked_for_is_kept_one_by_one(
    researcher: FlaskClient, coded: Coded, order: str
) -> None:
    post(researcher, "/alike", threshold="0.45")
    listed = researcher.get(f"{BASE}?order={order}").text
    wanted = [int(id_) for id_ in re.findall(r'name="shown" value="([0-9]+)"', listed)]
    assert sorted(wanted) == sorted(coded.ids)
    assert wanted != own_order(coded, "operator")
    assert (wanted == sorted(coded.ids)) == (order == "arrival")
    way = re.search(r'href="([^"]+/next[^"]*)"', listed)
    assert way
    assert gone_through(researcher, "?" + html.unescape(way[1]).partition("?")[2]) == wanted


def test_before_and_after_are_neighbors_in_the_order_of_the_page(
    researcher: FlaskClient, coded: Coded
) -> None:
    order = own_order(coded, "operator")
    for place, id_ in enumerate(order):
        page = researcher.get(f"{BASE}/{id_}").text
        before = re.search(r'suggestions/([0-9]+)"[^>]*accesskey="p"', page)
        after = re.search(r'suggestions/([0-9]+)"[^>]*accesskey="n"', page)
        assert [int(found[1]) if found else None for found in (before, after)] == [
            order[place - 1] if place else None,
            order[place + 1] if place + 1 < len(order) else None,
        ]


def test_what_no_category_held_is_found_and_gone_through_once_more(
    researcher: FlaskClient, coded: Coded
) -> None:
    pile = coded.ids[1:4]
    for id_ in pile:
        coded.code(id_, "operator", outcome=Outcome.NO_CATEGORY)
    coded.code(coded.ids[0], "operator", outcome=Outcome.UNUSABLE)
    coded.code(coded.ids[5], "ben", outcome=Outcome.NO_CATEGORY)
    page = researcher.get(BASE)
    assert '<option value="outcome:no_category">(no category)</option>' in page.text
    for query, found in (
        ("?category=outcome:no_category", [1, 2, 3]),
        ("?category=outcome:unusable", [0]),
        ("?category=outcome:no_category&codes=all", [1, 2, 3, 5]),
    ):
        texts = re.findall(r'class="said-text"[^>]*>(.*?)</p>', researcher.get(BASE + query).text)
        assert list(map(html.unescape, texts)) == [SAID[place][2] for place in found]
    assert researcher.get(f"{BASE}?category=outcome:other").status_code == 404

    way = re.search(r'href="([^"]+/next[^"]*)"', researcher.get(f"{BASE}?category=outcome:no_category").text)
    assert way
    page = researcher.get(html.unescape(way[1]), follow_redirects=True)
    assert "Number 1 of 3 of what you searched for." in words_of(page)
    # Each leaves the pile when it is coded, and the next one comes all the same.
    assert gone_through(researcher, "?category=outcome:no_category") == [
        id_ for id_ in own_order(coded, "operator") if id_ in pile
    ]
    assert "Nothing was found" in researcher.get(f"{BASE}?category=outcome:no_category").text


def test_what_is_to_be_coded_again_is_coded_through_alone(researcher: FlaskClient, coded: Coded) -> None:
    for id_ in (coded.ids[2], coded.ids[4]):
        coded.code(id_, "operator", "age")
    post(researcher, "/categories/age/split", labels="Young\nOld")
    page = researcher.get(f"{BASE}?state=to_code_again").text
    way = re.search(r'href="([^"]+/next[^"]*)"', page)
    assert way
    page = researcher.get(html.unescape(way[1]), follow_redirects=True)
    assert page.request.path == f"{BASE}/{coded.ids[2]}"
    assert "2 left for you to code again." in words_of(page)
    page = post(researcher, f"/{coded.ids[2]}?state=to_code_again", quick="you", do="save")
    assert page.headers["Location"].startswith(f"{BASE}/{coded.ids[4]}?")
    post(researcher, f"/{coded.ids[4]}?state=to_code_again", quick="old", do="save")
    assert "4 of 6 left for you to code" in words_of(researcher.get(f"{BASE}/next", follow_redirects=True)), (
        "and the others are left"
    )


def test_a_suggestion_that_was_taken_back_is_no_page(researcher: FlaskClient, coded: Coded) -> None:
    with writing(coded.engine) as session:
        session.get_one(SuggestionRow, coded.ids[0]).removed_at = coded.now
    assert researcher.get(f"{BASE}/{coded.ids[0]}").status_code == 404
    assert post(researcher, f"/{coded.ids[0]}", quick="age", do="save").status_code == 404
    assert researcher.get(f"{BASE}/99999").status_code == 404


# --- categories ----------------------------------------------------------------------------------------


def test_categories_are_added_and_reworded(researcher: FlaskClient, coded: Coded) -> None:
    post(researcher, "/categories", label="Waiting time", definition="How long.")
    assert coded.category("waiting-time").definition == "How long."
    post(researcher, "/categories/waiting-time/words", label="Time waited", definition="Years.")
    assert coded.category("waiting-time").label == "Time waited"
    again = post(researcher, "/categories", label="time WAITED", definition="Kept words")
    assert again.status_code == 400
    assert "Kept words" in again.text
    empty = post(researcher, "/categories/waiting-time/words", label=" ", definition="Kept, too")
    assert empty.status_code == 400
    assert "Kept, too" in empty.text


def test_a_merge_says_what_it_means_and_is_taken_back(researcher: FlaskClient, coded: Coded) -> None:
    coded.code(coded.ids[0], "anna", "ageism")
    said = words_of(researcher.get(f"{BASE}/merge?name=age&name=ageism"))
    assert "1 suggestion at most" in said
    assert "the merge can be taken back" in said
    post(researcher, "/merge", name=["age", "ageism"], into="age")
    assert coded.category("ageism").merged_into == "age"
    assert "Ageism since they were merged" in words_of(researcher.get(f"{BASE}/categories"))
    assert 'value="ageism"' not in researcher.get(f"{BASE}/{coded.ids[1]}").text
    post(researcher, "/categories/ageism/unmerge")
    assert coded.category("ageism").merged_into == ""
    # Twice is harmless, and one that is none is no page.
    assert post(researcher, "/categories/ageism/unmerge").status_code == 303
    assert post(researcher, "/merge", name="age", into="none").status_code == 404
    assert "Tick at least two" in researcher.get(f"{BASE}/merge?name=age").text


def test_a_split_category_comes_to_its_coders_again(researcher: FlaskClient, coded: Coded) -> None:
    coded.code(coded.ids[0], "operator", "age")
    assert post(researcher, "/categories/age/split", labels="Only one").status_code == 400
    post(researcher, "/categories/age/split", labels="Younger\nOlder\n")
    assert coded.category("younger").split_from == "age"
    assert "to code again" in researcher.get(f"{BASE}?state=to_code_again").text
    page = researcher.get(f"{BASE}/{coded.ids[0]}")
    assert "was split since" in page.text
    assert "no longer offered" in page.text
    post(researcher, f"/{coded.ids[0]}", category="younger", do="save")
    assert coded.words(coded.ids[0]) == {"younger"}
    assert "Nothing was found" in researcher.get(f"{BASE}?state=to_code_again").text


def test_a_category_is_retired_and_restored(researcher: FlaskClient, coded: Coded) -> None:
    post(researcher, "/categories/age/retire")
    assert coded.category("age").retired
    assert 'value="age"' not in researcher.get(f"{BASE}/{coded.ids[0]}").text
    assert post(researcher, "/codes", id=str(coded.ids[0]), to="age", do="add").status_code == 400
    assert coded.words(coded.ids[0]) == set()
    post(researcher, "/categories/age/restore")
    assert not coded.category("age").retired
    assert researcher.get(f"{BASE}/categories/none").status_code == 404


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_codebook_goes_out_and_comes_back(researcher: FlaskClient, coded: Coded, ending: str) -> None:
    book = researcher.get(f"{BASE}/codebook.{ending}")
    assert book.headers["Content-Disposition"] == (
        f'attachment; filename="kidney-attributes-1-codebook.{ending}"'
    )
    changed = book.text.replace("Ageism", "Old age")
    answer = researcher.post(
        f"{BASE}/codebook",
        data={"csrf_token": csrf_of(researcher), "file": (BytesIO(changed.encode()), f"book.{ending}")},
    )
    assert answer.status_code == 303
    assert coded.category("ageism").label == "Old age"


def test_columns_of_a_codebook_that_are_passed_over_are_named(researcher: FlaskClient, coded: Coded) -> None:
    def take(content: bytes) -> str:
        file = (BytesIO(content), "<b>.csv")
        answer = researcher.post(f"{BASE}/codebook", data={"csrf_token": csrf_of(researcher), "file": file})
        assert answer.status_code == 303
        return researcher.get(answer.location).text

    page = take(b"name,label,definitions\nrace,Race,Ethnic origin\n")
    assert (
        "&lt;b&gt;.csv: column was passed over: &#39;definitions&#39; (is &#39;definition&#39; meant?)."
        in page
    )
    assert "Categories: 1 added." in page
    assert coded.category("race").definition == ""
    assert "passed over" not in take(b"name,label,definition\nrace,Race,Ethnic origin\n")
    assert coded.category("race").definition == "Ethnic origin"


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "book.csv", "empty or missing"),
        (b"color,shape\nred,round\n", "book.csv", "book.csv"),
        (b"{", "book.json", "book.json"),
        (b"\xff\xfe\x00", "book.json", "UTF-8"),
    ],
)
def test_a_codebook_that_is_none_is_refused_with_its_name(
    researcher: FlaskClient, coded: Coded, content: bytes, name: str, says: str
) -> None:
    before = coded.counts()
    answer = researcher.post(
        f"{BASE}/codebook", data={"csrf_token": csrf_of(researcher), "file": (BytesIO(content), name)}
    )
    assert answer.status_code == 400
    assert says in words_of(answer)
    assert "The codebook was not taken over" in answer.text
    assert coded.counts() == before


# --- adjudication --------------------------------------------------------------------------------------


@pytest.fixture
def disputed(coded: Coded) -> Coded:
    """Anna and Ben differ on the first three, agree on the fourth."""
    for id_, anna, ben in (
        (coded.ids[0], ("age",), ("age", "dependents")),
        (coded.ids[1], ("religion",), ("age",)),
        (coded.ids[2], (), ("age",)),
        (coded.ids[3], ("age",), ("age",)),
    ):
        coded.code(id_, "anna", *anna, outcome=None if anna else Outcome.UNUSABLE)
        coded.code(id_, "ben", *ben)
    return coded


def settled(coded: Coded) -> list[set[str]]:
    return [coded.words(id_, "", CodeKind.ADJUDICATED) for id_ in coded.ids[:4]]


def test_coders_stand_side_by_side_without_names_unless_they_are_asked_for(
    researcher: FlaskClient, disputed: Coded
) -> None:
    at = f"{BASE}/adjudication?at={disputed.ids[0]}"
    hidden, shown = (words_of(researcher.get(f"{at}{q}")) for q in ("", "&names=yes"))
    assert "3 suggestions to settle" in hidden
    assert "Coder A Age As Coder A said" in hidden
    assert "Coder B Age Dependents As Coder B said" in hidden
    assert "ben Age Dependents As ben said" in shown
    form = researcher.get(at).text
    assert re.search(r'value="age" checked', form)
    assert not re.search(r'value="dependents" checked', form)


def test_disagreements_are_settled_one_by_one_and_opened_again(
    researcher: FlaskClient, disputed: Coded
) -> None:
    first, second, third, _ = (f"/{id_}/settle" for id_ in disputed.ids[:4])
    answer = post(researcher, first, category=["age", "dependents"], do="save")
    assert answer.headers["Location"] == f"{BASE}/adjudication?after={disputed.ids[0]}"
    post(researcher, second, do="no_category")
    post(researcher, third, do="unusable", category="age")
    assert settled(disputed) == [{"age", "dependents"}, {"no_category"}, {"unusable"}, set()]
    assert "Nothing to settle" in researcher.get(f"{BASE}/adjudication").text
    post(researcher, f"/{disputed.ids[1]}/open")
    assert settled(disputed)[1] == set()
    assert "1 suggestion to settle" in words_of(researcher.get(f"{BASE}/adjudication"))
    without = post(researcher, first, do="save")
    assert without.status_code == 400
    assert "Choose a category, or say that none holds it or that it is unusable." in without.text
    assert post(researcher, "/99999/settle", do="unusable").status_code == 404
    assert settled(disputed)[0] == {"age", "dependents"}


def differ_on_all(coded: Coded) -> None:
    for id_ in coded.ids:
        coded.code(id_, "anna", "age")
        coded.code(id_, "ben", "religion")


def settled_one_by_one(
    client: FlaskClient, query: str = "", *, leave: Sequence[int] = ()
) -> list[tuple[int, bool]]:
    """Go through all that is open; return the ids as the pages came, each with whether names showed."""
    page, seen = client.get(f"{BASE}/adjudication{query}"), []
    while form := re.search(r'action="([^"]+)" id="code"', page.text):
        id_ = int(re.search(r"/([0-9]+)/settle", form[1])[1])  # type: ignore[index]
        seen.append((id_, "<strong>anna</strong>" in page.text))
        if id_ in leave:
            way = re.search(r'href="([^"]+)">Leave it open', page.text)
            assert way
            page = client.get(html.unescape(way[1]))
        else:
            address = html.unescape(form[1]).removeprefix(BASE)
            page = client.get(post(client, address, do="unusable").headers["Location"])
    return seen


def test_they_are_settled_in_an_order_of_whoever_settles(
    app: Flask, people: Mapping[str, FlaskClient], coded: Coded, viewers_hash: str, start: Any, send: Send
) -> None:
    with writing(coded.engine) as session:
        accounts.add_account(
            session, "otto", viewers_hash, AccountRole.OWNER, now=start, actor="command line"
        )
    olga, otto = people["olga"], app.test_client()
    send(otto, otto.get("/research/sign-in"), "/sign-in", name="otto", password="a viewer's good password")
    differ_on_all(coded)
    olgas, ottos = (own_order(coded, who) for who in ("olga", "otto"))
    assert olgas != ottos != sorted(coded.ids) != olgas
    assert "Shuffled for you: should your judgment drift" in words_of(olga.get(f"{BASE}/adjudication"))

    left = olgas[2::2]
    assert settled_one_by_one(olga, leave=left) == [(id_, False) for id_ in olgas]
    assert "2 suggestions to settle; 4 settled" in words_of(otto.get(f"{BASE}/adjudication"))
    # Opened again, a suggestion is the one that is shown.
    for id_ in olgas:
        if id_ not in left:
            assert f"/{id_}/settle" in otto.get(post(otto, f"/{id_}/open").headers["Location"]).text
    assert settled_one_by_one(otto, "?names=yes") == [(id_, True) for id_ in ottos]


@pytest.mark.parametrize("order", ["arrival", "text", "alike"])
def test_another_order_of_settling_is_chosen_on_the_page_and_kept(
    researcher: FlaskClient, coded: Coded, order: str
) -> None:
    post(researcher, "/alike", threshold="0.45")
    differ_on_all(coded)
    listed = researcher.get(f"{BASE}?order={order}").text
    wanted = [int(id_) for id_ in re.findall(r'name="shown" value="([0-9]+)"', listed)]
    page = researcher.get(f"{BASE}/adjudication?names=yes").text
    way = re.search(rf'href="([^"]+order={order}[^"]*)"', page)
    assert way
    shown = re.search(r"at=([0-9]+)", way[1])
    assert shown
    # The choice leaves the suggestion where it is.
    assert f"/{shown[1]}/settle" in page
    first = researcher.get(html.unescape(way[1])).text
    assert f"/{shown[1]}/settle" in first
    assert researcher.get(f"{BASE}/adjudication?order=backwards").status_code == 404
    assert settled_one_by_one(researcher, f"?names=yes&order={order}") == [(id_, True) for id_ in wanted]


def test_what_was_dealt_with_and_is_gone_meanwhile_leaves_the_others_to_settle(
    researcher: FlaskClient, disputed: Coded
) -> None:
    with writing(disputed.engine) as session:
        session.get_one(SuggestionRow, disputed.ids[1]).removed_at = disputed.now
    for gone in (disputed.ids[1], 99999):
        page = researcher.get(f"{BASE}/adjudication?after={gone}").text
        open_ids = [
            id_ for id_ in own_order(disputed, "operator") if id_ in (disputed.ids[0], disputed.ids[2])
        ]
        assert f"/{open_ids[0]}/settle" in page


def test_nothing_can_be_settled_with_a_category_that_was_split(
    researcher: FlaskClient, disputed: Coded
) -> None:
    post(researcher, "/categories/dependents/split", labels="Children\nParents")
    said = words_of(researcher.get(f"{BASE}/adjudication?at={disputed.ids[0]}"))
    assert "Coder A Age As Coder A said" in said
    assert "Coder B Age Dependents to code again" in said
    assert "As Coder B said" not in said


def test_what_was_settled_into_a_category_that_was_split_is_settled_again(
    researcher: FlaskClient, disputed: Coded
) -> None:
    post(researcher, "/settle", coder="ben", open="3", sure="yes")
    # Nobody but the adjudication put it there.
    post(researcher, f"/{disputed.ids[5]}/settle", category="dependents", do="save")
    assert "Nothing to settle" in researcher.get(f"{BASE}/adjudication").text
    assert "Not final" not in words_of(worked_out(researcher, "/results"))
    post(researcher, "/categories/dependents/split", labels="Children\nParents")

    said = words_of(researcher.get(f"{BASE}/adjudication?at={disputed.ids[0]}"))
    assert "2 suggestions to settle; 2 settled" in said
    assert "It was settled as Age Dependents , which was split since." in said
    assert "Age Dependents to settle again" in said
    results = words_of(worked_out(researcher, "/results"))
    assert "Not final: 2 suggestions count in a category that was split or retired since" in results
    assert "Dependents split 2" in results
    agreed = worked_out(researcher, "/agreement")
    assert "Dependents split 1" in words_of(agreed)
    assert "<title>Dependents (split): alpha" in agreed.text
    choosing = words_of(worked_out(researcher, "/design"))
    assert "Not final: 2 suggestions count" in choosing
    assert "Dependents split 2" in choosing
    last = words_of(researcher.get(f"{BASE}/adjudication?at={disputed.ids[5]}"))
    assert "It was settled as Dependents , which was split since." in last
    assert "No coder has coded it." in last

    post(researcher, "/settle", coder="ben", open="2", sure="yes")
    assert settled(disputed)[0] == {"age", "dependents"}, "ben has to code it again"
    disputed.code(disputed.ids[0], "ben", "children")
    post(researcher, "/settle", coder="ben", open="2", sure="yes")
    assert settled(disputed)[0] == {"children"}
    post(researcher, f"/{disputed.ids[5]}/settle", category="parents", do="save")
    assert disputed.words(disputed.ids[5], "", CodeKind.ADJUDICATED) == {"parents"}
    assert "Nothing to settle" in researcher.get(f"{BASE}/adjudication").text
    assert "Not final" not in words_of(worked_out(researcher, "/results"))


def test_a_page_without_disagreements_says_why_there_are_none(researcher: FlaskClient, coded: Coded) -> None:
    says = []
    for coder in ("", "anna", "ben"):
        if coder:
            coded.code(coded.ids[0], coder, "age")
        says.append(words_of(researcher.get(f"{BASE}/adjudication")).split("Nothing to settle: ")[1])
    assert says[0].startswith("nobody has coded anything yet.")
    assert says[1].startswith("only one person has coded so far.")
    assert says[2].startswith("coders agree on everything that several of them coded.")


def test_all_that_is_open_is_settled_as_one_coder_said_once_and_only_when_meant(
    researcher: FlaskClient, disputed: Coded
) -> None:
    assert post(researcher, "/settle", coder="ben", open="3").status_code == 400
    post(researcher, "/settle", coder="ben", open="7", sure="yes")
    assert "Nothing was settled" in researcher.get(f"{BASE}/adjudication").text
    post(researcher, "/settle", coder="nobody", open="3", sure="yes")
    assert "No coder &#39;nobody&#39;" in researcher.get(f"{BASE}/adjudication").text
    assert settled(disputed) == [set()] * 4
    post(researcher, "/settle", coder="ben", open="3", sure="yes")
    assert settled(disputed) == [{"age", "dependents"}, {"age"}, {"age"}, set()]
    before = disputed.counts()
    post(researcher, "/settle", coder="ben", open="3", sure="yes")
    assert disputed.counts() == before


# --- agreement and results -----------------------------------------------------------------------------


def test_agreement_compares_coders_and_keeps_models_apart(researcher: FlaskClient, disputed: Coded) -> None:
    with writing(disputed.engine) as session:
        codes.propose_codes(
            session,
            session.get_one(StudyRow, 1),
            "a-model",
            {disputed.ids[3]: ["age"]},
            now=disputed.now,
            actor="command line",
        )
    said = words_of(worked_out(researcher, "/agreement"))
    assert "By two coders or more 4" in said
    assert "anna and ben 4 0.25" in said
    assert "a-model 1 1.00" in said
    assert "a proposal is never counted" in said
    assert "2 suggestions coded by one coder or by none" in said


def test_results_count_people_with_those_who_named_nothing(researcher: FlaskClient, disputed: Coded) -> None:
    said = words_of(worked_out(researcher, "/results"))
    assert "People asked 4" in said
    assert "Named nothing 1" in said
    assert "3 suggestions on which coders differ" in said
    # Only the fourth is settled: one of four people named age.
    assert "Age 1 1 (25.0 %)" in said
    post(researcher, "/settle", coder="ben", open="3", sure="yes")
    said = words_of(worked_out(researcher, "/results?question=knows_patient"))
    assert "on which coders differ" not in said
    assert "Age 4 2 (50.0 %)" in said
    assert "Yes 2 asked: too few" in said


def test_a_difference_says_of_whom_it_is_where_some_were_asked_one_question(
    researcher: FlaskClient, disputed: Coded
) -> None:
    assert "asked both" not in words_of(worked_out(researcher, "/results"))
    asked = ImportedRespondent(respondent="p9", kind=RespondentKind.HUMAN, stances=frozenset({SHOULD}))
    with writing(disputed.engine) as session:
        study = session.get_one(StudyRow, 1)
        import_suggestions(session, study, [], source="panel", asked=[asked], now=disputed.now, actor="olga")
    said = words_of(worked_out(researcher, "/results"))
    assert "Difference percentage points, of the 4 asked both" in said


def test_the_files_of_the_results_say_what_the_page_says(researcher: FlaskClient, disputed: Coded) -> None:
    worked_out(researcher, "/results")
    results = json.loads(researcher.get(f"{BASE}/results/results.json").text)
    assert results["counts"]["asked"] == 4
    assert results["agreement"]["by_two"] == 4
    table = researcher.get(f"{BASE}/results/counts.csv").text.splitlines()
    assert table[1].startswith("age,Age,1,1,4,0.25,")
    # A spreadsheet gets numbers, those below 0 too, and no formula.
    numbers = [cell for line in table[1:] for cell in line.split(",")[2:]]
    assert any(number.startswith("-") for number in numbers)
    assert all(float(number) <= 4 for number in numbers if number)
    assert table[0].endswith(",difference_high,asked_both,ended")
    assert all(line.endswith(",4,") for line in table[1:])
    for name in ("counts.svg", "agreement.svg", "saturation.svg"):
        assert researcher.get(f"{BASE}/results/{name}").text.startswith("<svg xmlns=")
    assert "<html" in researcher.get(f"{BASE}/results/report.html").text
    coding = json.loads(researcher.get(f"{BASE}/coding.json").text)
    assert coding["sha256"] == results["coding_sha256"]
    for name in ("results.json", "counts.csv", "report.html"):
        assert "young people first" not in researcher.get(f"{BASE}/results/{name}").text
    # A download is noted, and makes no newer coding.
    assert "worked-out-soon" not in researcher.get(f"{BASE}/results").text
    assert researcher.get(f"{BASE}/results/ratings.svg").status_code == 303
    assert researcher.get(f"{BASE}/results/other.json").status_code == 404


def test_figures_are_kept_until_the_coding_changes(researcher: FlaskClient, disputed: Coded) -> None:
    def state() -> str:
        with reading(disputed.engine) as session:
            return coding_state(session, session.get_one(StudyRow, 1))

    seen = [state()]
    worked_out(researcher, "/results")
    researcher.get(f"{BASE}/results/results.json")
    assert state() == seen[0]
    for change in (
        lambda: disputed.code(disputed.ids[4], "anna", "dependents"),
        lambda: disputed.code(disputed.ids[4], "anna"),
        lambda: post(researcher, "/categories/age/words", label="Years", definition=""),
        lambda: post(researcher, "/merge", name="ageism", into="age"),
        lambda: post(researcher, "/categories/ageism/unmerge"),
        lambda: post(researcher, "/categories/religion/retire"),
        lambda: post(researcher, f"/{disputed.ids[0]}/settle", do="unusable"),
    ):
        change()
        assert state() != seen[-1]
        seen.append(state())
    with writing(disputed.engine) as session:
        session.get_one(SuggestionRow, disputed.ids[0]).removed_at = disputed.now
    assert state() not in seen
    assert "Years" in worked_out(researcher, "/results").text


def test_a_study_without_any_suggestion_has_every_page(
    researcher: FlaskClient, sqlite_engine: Engine, start: Any
) -> None:
    with writing(sqlite_engine) as session:
        text = (EXAMPLES / "kidney-attributes.toml").read_text(encoding="utf-8")
        studies.add_study(session, text, now=start, actor="command line")
    for path in ("", "/categories", "/adjudication", "/audit", "/design/words"):
        assert researcher.get(BASE + path).status_code == 200, path
    assert researcher.get(f"{BASE}/next").status_code == 303
    for path in ("/agreement", "/results", "/design"):
        assert "No figures" not in worked_out(researcher, path).text


def test_figures_that_fail_say_so_and_are_tried_again_later(app: Flask, start: Any) -> None:
    tries = []

    def work() -> Mapping[str, str]:
        tries.append(1)
        if len(tries) == 1:
            raise CodingError("the coding is odd")
        if len(tries) == 2:
            raise ZeroDivisionError
        return {"a": "b"}

    def figures(state: str, *, later: timedelta = timedelta()) -> Worked:
        use_clock(app, lambda: start + later)
        with app.app_context():
            found = figures_of(1, "test", state, work, wait=30)
        assert found.latest is not None
        assert found.is_current
        return found.latest

    assert figures("one").problem == "the coding is odd"
    assert figures("one", later=timedelta(days=1)).problem == "the coding is odd"  # Its fault, not ours.
    assert "noted" in figures("two").problem
    assert figures("two", later=timedelta(minutes=5)).is_fault
    assert figures("two", later=timedelta(minutes=11)).files == {"a": "b"}
    assert len(tries) == 3


def test_of_many_states_that_are_looked_at_meanwhile_the_last_alone_is_worked_out(
    app: Flask, start: Any
) -> None:
    may_go_on, done = Event(), []

    def look(state: str, wait: float = 0) -> Figures:
        def work() -> Mapping[str, str]:
            assert may_go_on.wait(30)
            done.append(state)
            return {"a": state}

        return figures_of(1, "test", state, work, wait=wait)

    use_clock(app, lambda: start)
    with app.app_context():
        assert [look(state).latest for state in ("one", "two", "three")] == [None] * 3
        may_go_on.set()
        finish_figures(app)
        assert look("four", wait=30).latest is not None
        assert (look("four").is_current, done) == (True, ["one", "four"])


def test_figures_that_cannot_be_kept_are_in_the_log(
    app: Flask, settings: Settings, start: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    (settings.state_dir / "coding").symlink_to(settings.state_dir / "unplugged")
    use_clock(app, lambda: start)
    with app.app_context():
        found = figures_of(1, "test", "one", lambda: {"a": "b"}, wait=30)
    assert (found.latest, found.is_current) == (None, False)
    assert "figures of a coding not kept" in "".join(capfd.readouterr())


def test_erasing_somebody_deletes_what_was_counted_with_them(
    app: Flask, researcher: FlaskClient, disputed: Coded, settings: Settings, visit: Callable[..., Any]
) -> None:
    worked_out(researcher, "/results")
    kept = settings.state_dir / "coding" / "1-people.json"
    other = kept.with_name("11-people.json")
    other.write_text("of another study")
    assert kept.stat().st_mode & 0o077 == 0
    with writing(disputed.engine) as session:
        study = session.get_one(StudyRow, 1)
        studies.open_study(session, study, now=disputed.now, actor="test")
    visitor = visit(app, "kidney-attributes").agrees()
    visitor.opens(f"/p/{visitor.token}/stop").sends("/stop", wish="erase")
    assert "deleted" in visitor.text
    assert (kept.exists(), other.exists()) == (False, True)


def test_a_later_import_of_who_named_nothing_makes_newer_figures(disputed: Coded) -> None:
    def state(*stances: Stance) -> str:
        with writing(disputed.engine) as session:
            study = session.get_one(StudyRow, 1)
            silent = ImportedRespondent(
                respondent="silent", kind=RespondentKind.HUMAN, stances=frozenset(stances)
            )
            import_suggestions(
                session, study, [], source="panel", asked=[silent], now=disputed.now, actor="test"
            )
            return coding_state(session, study)

    first = state(SHOULD)
    assert state(SHOULD) == first
    assert state(SHOULD_NOT) != first


@pytest.mark.postgres
def test_every_page_opens_on_postgres_too(
    settings: Settings, secrets: Secrets, postgres_pages: tuple[Flask, Coded]
) -> None:
    app, coded = postgres_pages
    client = app.test_client()
    client.get(f"/research/?token={secrets.research_token}")
    coded.code(coded.ids[0], "anna", "age")
    coded.code(coded.ids[0], "ben", "dependents")
    post(client, f"/{coded.ids[1]}/settle", category="age", do="save")
    queries = ["?search=ÄGE&stance=should&state=to_code", "?category=age&order=text", "?state=differ"]
    for path in [*PAGES, *queries]:
        assert client.get(BASE + path).status_code in (200, 303), path
    assert "People asked 4" in words_of(worked_out(client, "/results"))


# --- to a design ---------------------------------------------------------------------------------------


def design_fields(**changes: str) -> dict[str, str]:
    fields = {
        "study-title": "Who should get it?",
        "study-slug": "from-people",
        "study-version": "1",
        "attributes-0-categories": "age",
        "attributes-0-name": "age",
        "attributes-0-label": "Age",
        "attributes-0-kind": "numeric",
        "attributes-0-minimum": "20",
        "attributes-0-maximum": "80",
        "attributes-0-step": "20",
        "attributes-0-words": "{value} years old",
        "attributes-0-favours": "low",
        "attributes-1-categories": "dependents",
        "attributes-1-name": "dependents",
        "attributes-1-label": "Dependents",
        "attributes-1-kind": "categorical",
        "attributes-1-levels": "none = nobody to look after\r\ntwo = two children",
    }
    return fields | changes


def test_chosen_categories_become_a_checked_design_that_is_added_as_a_draft(
    researcher: FlaskClient, disputed: Coded
) -> None:
    offered = worked_out(researcher, "/design")
    assert "not settled" in offered.text
    form = researcher.get(f"{BASE}/design/words?category=age&category=dependents")
    assert 'name="attributes-1-label" value="Dependents"' in form.text
    done = post(researcher, "/design/words", **design_fields())
    assert done.status_code == 200
    found = re.search(r'<textarea id="text"[^>]*>(.*?)</textarea>', done.text, re.DOTALL)
    assert found
    text = html.unescape(found[1])
    design = parse_design(text)
    origin = design.origins[0]
    assert (origin.attribute, origin.mentions, origin.asked_for, origin.for_people) == ("age", 1, 4, 1)
    assert [a.name for a in design.attributes] == ["age", "dependents"]
    file = post(researcher, "/design.toml", text=text)
    assert file.text == text
    assert file.headers["Content-Disposition"] == 'attachment; filename="from-people-1.toml"'
    assert post(researcher, "/design.toml", text="x = 1").status_code == 400
    added = researcher.post("/research/add", data={"csrf_token": csrf_of(researcher), "text": text})
    assert "from-people" in researcher.get(added.headers["Location"]).text
    again = post(researcher, "/design/again", **design_fields())
    assert "two = two children" in again.text


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"attributes-0-minimum": "twenty"}, "attributes-0-minimum", "is no number"),
        ({"attributes-1-levels": "none"}, "attributes-1-levels", "Line 1"),
        ({"attributes-1-levels": ""}, "attributes-1-levels", "at least two"),
        ({"attributes-1-levels": "a = One\na = Two"}, "attributes-1-levels", "“a” stands 2 times"),
        ({"attributes-1-levels": "a = One"}, "attributes-1-levels", ""),
        ({"attributes-0-name": "no name!"}, "attributes-0-name", ""),
        ({"attributes-0-label": ""}, "attributes-0-label", ""),
        ({"attributes-0-words": "years"}, "attributes-0-words", ""),
        ({"study-slug": "No Slug"}, "study-slug", ""),
        ({"study-comparisons_per_respondent": "many"}, "study-comparisons_per_respondent", "whole number"),
        ({"study-comparisons_per_respondent": "99999"}, "study-comparisons_per_respondent", ""),
    ],
)
def test_what_makes_no_design_is_told_beside_its_field_and_everything_is_kept(
    researcher: FlaskClient, disputed: Coded, changes: dict[str, str], field: str, says: str
) -> None:
    page = post(researcher, "/design/words", **design_fields(**changes))
    assert page.status_code == 400
    beside = re.search(rf'<p class="problem" id="{field}-problem">(.*?)</p>', page.text)
    assert beside, re.findall(r'class="problem" id="([^"]*)"', page.text)
    assert says in html.unescape(beside[1])
    assert f'href="#{field}"' in page.text
    for name, value in design_fields(**changes).items():
        if value and "kind" not in name and "favours" not in name:
            assert html.escape(value.split("\r\n")[0], quote=False) in page.text, name


def directed(coded: Coded, *given: tuple[str, str], stance: Stance = SHOULD) -> None:
    """So many people more name age, each with a text and a direction, and Anna agrees."""
    entries = [
        ImportedSuggestion(
            respondent=f"d{number}", kind=RespondentKind.HUMAN, stance=stance, text=text, direction=direction
        )
        for number, (text, direction) in enumerate(given)
    ]
    with writing(coded.engine) as session:
        study = session.get_one(StudyRow, 1)
        ids = import_suggestions(
            session, study, entries, source="panel", asked=[], now=coded.now, actor="command line"
        ).ids
        categories.reword_category(
            session, study, "age", definition="How <old> they are.", now=coded.now, actor="olga"
        )
    for id_ in ids:
        coded.code(id_, "anna", "age")


def test_what_people_meant_stands_beside_each_attribute_to_be_worded(
    researcher: FlaskClient, coded: Coded
) -> None:
    given = [("age", "the young"), ("Age!", "The young"), ("years", "the old <b>")]
    directed(coded, *given, *[("age", f"way {number}") for number in range(5)])
    pages = (
        researcher.get(f"{BASE}/design/words?category=age&category=dependents"),
        # Also where something is wrong, and where the design is worked over.
        post(researcher, "/design/words", **design_fields(**{"attributes-0-label": ""})),
        post(researcher, "/design/again", **design_fields()),
    )

    for page in pages:
        age, dependents = page.text.split("<fieldset")[2:]
        assert "How &lt;old&gt; they are." in age
        listed = [
            " ".join(html.unescape(re.sub("<[^>]+>", " ", item)).split())
            for item in re.findall(r"<li>(.*?)</li>", age, re.DOTALL)
        ]
        assert listed == [
            "The young 2 times",
            *("the old <b>", "way 0", "way 1", "way 2"),
            "age 7 times",
            "years",
        ]
        assert "2 more answers." in age
        assert f'href="{BASE}?category=age"' in age
        assert "Nobody said that it should count" in dependents


@pytest.mark.parametrize(
    ("stance", "heading", "named"),
    [
        (SHOULD, "Whom to put first because of it", "said that it should count"),
        (SHOULD_NOT, "Directions of what should not count", "said that it should not"),
    ],
)
def test_what_few_people_said_is_in_no_file_of_the_results_and_in_nothing_that_is_kept(
    researcher: FlaskClient, coded: Coded, settings: Settings, stance: Stance, heading: str, named: str
) -> None:
    directed(coded, *[("age", "the young")] * 3, ("age", "my neighbor Ms Weiss"), stance=stance)
    page = worked_out(researcher, "/results")

    headings = re.findall(r"<details id=\"directions[^>]*><summary>(.*?)</summary>", page.text)
    assert headings == [heading]
    assert f"4 {named}</span>" in page.text
    assert re.search(r"<bdi[^>]*>the young</bdi> <span class=\"quiet\">3</span>", page.text)
    assert "In people’s own words" in page.text
    files = [researcher.get(f"{BASE}/results/{name}").text for name in ("results.json", "report.html")]
    kept = [file.read_text(encoding="utf-8") for file in (settings.state_dir / "coding").iterdir()]
    assert kept
    for text in (page.text, *files, *kept):
        assert "the young" in text
        assert "Weiss" not in text


def test_a_study_of_ratings_alone_tells_no_zeros_about_suggestions(
    researcher: FlaskClient, sqlite_engine: Engine, start: Any
) -> None:
    with writing(sqlite_engine) as session:
        text = (EXAMPLES / "kidney-ratings.toml").read_text(encoding="utf-8")
        studies.add_study(session, text, now=start, actor="command line")

    said = words_of(worked_out(researcher, "/results"))

    assert "Nobody has rated anything yet." in said
    for words in ("People asked", "Named nothing", "open questions"):
        assert words not in said


def test_a_category_that_is_none_makes_no_design(researcher: FlaskClient, disputed: Coded) -> None:
    assert researcher.get(f"{BASE}/design/words?category=none").status_code == 404
    page = post(researcher, "/design/words", **design_fields(**{"attributes-0-categories": "none"}))
    assert page.status_code == 400
    assert "there is no category" in words_of(page).lower()
    assert "Choose at least one category" in researcher.get(f"{BASE}/design/words").text


def test_numbers_are_read_as_they_are_written() -> None:
    fields = design_fields(**{"attributes-0-minimum": "−2.5", "attributes-0-maximum": "1e400"})
    form = read_form(fields)
    assert set(form.problems) == {"attributes-0-maximum"}
    assert read_form(design_fields()).chosen()[0].table["step"] == 20


# --- the audit -----------------------------------------------------------------------------------------


def test_the_audit_says_in_words_what_was_done_and_nothing_that_people_wrote(
    app: Flask, researcher: FlaskClient, disputed: Coded
) -> None:
    post(researcher, "/categories/age/words", label="Years", definition="Now")
    post(researcher, f"/{disputed.ids[0]}/settle", category="age", do="save")
    post(researcher, "/alike", threshold="0.6")
    finish_figures(app)
    said = words_of(researcher.get(f"{BASE}/audit"))
    assert "changed the words of age: from label “Age” to label “Years”, definition “Now”" in said
    assert f"settled suggestion {disputed.ids[0]}: age (before: nothing)" in said
    assert "grouped 6 suggestions that look alike" in said
    assert "added the category “Age” (age)" in said
    for text in {text for _, _, text in SAID} - {"Religion"}:  # Which is what the category is called, too.
        assert text not in said


def test_the_audit_is_paged(researcher: FlaskClient, coded: Coded) -> None:
    for number in range(60):
        coded.code(coded.ids[0], "anna", "age" if number % 2 else "religion")
    first = researcher.get(f"{BASE}/audit")
    assert first.text.count("<time") == 50
    older = re.search(r'href="([^"]*before=\d+)"', first.text)
    assert older
    second = researcher.get(html.unescape(older[1]))
    assert second.text.count("<time") == 60 + 1 + 4 - 50
    assert "Newest" in second.text
