"""Every page in a real Chromium, small and large, light and dark: axe-core, targets, reflow, zoom, spacing."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from survey.answers import RespondentKind
from survey.app import create_app
from survey.config import load_settings
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES
from survey.serving import served_in_background
from survey.store import categories, codes, studies
from survey.store.look_alikes import keep_groups
from survey.store.suggestion_imports import ImportedSuggestion, import_suggestions
from survey.suggestions import Stance
from survey.tables import StudyRow

pytestmark = pytest.mark.browser

Place = Any
"""What ``Visitor.sees`` returns; see conftest."""

SMALLEST_TARGET = 44
CONTROLS = "button, input, select, textarea, summary"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def variant(text: str, slug: str, *changes: tuple[str, str]) -> str:
    """Return the English part of the complete example under another slug, changed."""
    text = text[: text.index("# --- German")]
    for old, new in (('slug = "kidney-complete"', f'slug = "{slug}"'), *changes):
        assert old in text, f"the example no longer says {old}"
        text = text.replace(old, new)
    return text


def arabic(one_arm_design: str) -> str:
    """Return the short design with an Arabic translation: right to left, and without a catalogue of ours."""
    return (
        one_arm_design
        + """
[languages.ar.study]
title = "دراسة قصيرة"
[languages.ar.texts]
introduction = "ما هي هذه الدراسة."
consent = "ما توافق عليه."
instructions = "ما عليك أن تفعله."
question = "أي مريض يجب أن يحصل على الكلية؟"
left = "المريض أ"
right = "المريض ب"
debrief = "عمّ كانت الدراسة."
[languages.ar.attributes.age]
label = "العمر"
words = "{value} سنة"
[languages.ar.attributes.health]
label = "الصحة العامة"
levels = { good = "بصحة جيدة", poor = "بصحة سيئة" }
[languages.ar.indecision]
label = "إلقاء عملة"
"""
    )


def asking(asking_design: str) -> str:
    """Return the study that asks for attributes with an Arabic translation in place of its German one."""
    return (
        asking_design[: asking_design.index("[languages.de.study]")]
        + """
[languages.ar.study]
title = "دراسة قصيرة"
[languages.ar.texts]
introduction = "ما هي هذه الدراسة."
consent = "ما توافق عليه."
debrief = "عمّ كانت الدراسة."
[languages.ar.suggestions.should]
question = "ما الذي يجب أن يؤخذ في الاعتبار؟"
explanation = "اذكر شيئًا واحدًا في كل مرة."
label = "شيء يجب أن يُحسب"
direction_label = "من يأتي أولًا بسببه؟"
why_label = "لماذا؟"
[languages.ar.suggestions.should_not]
question = "ما الذي لا يجب أن يؤخذ في الاعتبار؟"
explanation = "اذكر شيئًا واحدًا في كل مرة."
label = "شيء لا يجب أن يُحسب"
why_label = "لماذا؟"
[languages.ar.acceptability]
question = "هل يجوز أن تقرر هذه الأشياء؟"
explanation = "ذكرها آخرون."
acceptable = "مقبول"
not_acceptable = "غير مقبول"
cannot_say = "لا أستطيع القول"
ranking_question = "أي ثلاثة هي الأهم؟"
ranking_explanation = "يمكنك ترك أماكن فارغة."
attributes.age = { label = "العمر", explanation = "كم عمر المريض." }
attributes.smoking.label = "التدخين"
attributes.children = { label = "الأطفال", explanation = "أطفال صغار مثلًا." }
attributes.wealth.label = "الثروة"
attributes.waiting.label = "مدة الانتظار"
[languages.ar.demographics.age_group]
text = "كم عمرك؟"
options = { under-35 = "أقل من 35", older = "35 أو أكثر" }
"""
    )


def choosing(one_arm_design: str) -> str:
    """Return the short design with one list of several patients, with as many columns as a registry has."""
    columns = ["Blood type", "Age (years)", "Ethnicity", "Education", "Days on the waiting list"]
    columns += [f"Tissue type {number}" for number in range(1, 11)]
    told = [
        "AB",
        43,
        "Native Hawaiian/other Pacific Islander",
        "Associate/bachelor degree",
        2_345,
        *range(100, 110),
    ]
    section = [
        "[choose_one]",
        "problems_per_respondent = 1",
        'explanation = "All of them are on the waiting list."',
    ]
    for table in ("resource", "columns"):
        for number, label in enumerate(columns):
            section += [f"[[choose_one.{table}]]", f'name = "c{number}"', f'label = "{label}"']
    rows = ", ".join(str([id_, *told[:-1], ""]) for id_ in range(1, 7))
    section += ["[[choose_one.problems]]", 'name = "p01"', f"resource = {told}", f"candidates = [{rows}]"]
    return one_arm_design.replace('slug = "short"', 'slug = "choosing"') + "\n".join(section)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[tuple[Flask, Engine]]:
    folder = tmp_path_factory.mktemp("accessible")
    settings = load_settings({}, state_dir=folder, log_level="error", rate_limits="off")
    shutil.copy(migrated_file, folder / "equipoise.sqlite")
    engine = make_engine(settings.database_url)
    app = create_app(settings, engine)
    yield app, engine
    engine.dispose()


@pytest.fixture(scope="module")
def places(
    service: tuple[Flask, Engine],
    visit: Callable[..., Any],
    add_open_study: Callable[[Engine, str], StudyRow],
    kidney_complete: str,
    short_design: str,
    asking_design: str,
) -> dict[str, Place]:
    """Every page that a participant can come to."""
    app, engine = service
    one_arm = short_design[: short_design.index("[[arms]]")]
    long_words = ('label = "Flip a coin"', 'label = "I cannot decide between these two people"')
    add_open_study(engine, kidney_complete.replace('highlight = "random"', 'highlight = "off"'))
    add_open_study(
        engine, variant(kidney_complete, "lit", ('highlight = "random"', 'highlight = "on"'), long_words)
    )
    add_open_study(engine, variant(kidney_complete, "full", ("most = 200", "most = 1")))
    add_open_study(engine, variant(kidney_complete, "invited", ("required = false", "required = true")))
    no_coin = one_arm.replace('slug = "short"', 'slug = "no-coin"') + "[indecision]\noffered = false\n"
    add_open_study(engine, no_coin)
    add_open_study(engine, arabic(one_arm))
    add_open_study(engine, choosing(one_arm))
    add_open_study(engine, asking(asking_design))
    resting = add_open_study(engine, one_arm.replace('slug = "short"', 'slug = "resting"'))
    over = add_open_study(engine, one_arm.replace('slug = "short"', 'slug = "over"'))
    with writing(engine) as session:
        studies.add_study(session, one_arm.replace('slug = "short"', 'slug = "draft"'), now=datetime.now(UTC))

    def visitor(slug: str = "kidney-complete", query: str = "") -> Any:
        return visit(app, slug, query)

    def choosing_one() -> Any:
        return visitor("choosing").agrees().sends("/begin").goes_on_until('data-page="choosing"')

    def naming(query: str = "") -> Any:
        one = visitor("asking", query).agrees()
        long = "Whether somebody has children or other people who depend on them " * 4
        for text in ("العمر، ثم الصحة", "x" * 200, "Age", long.strip()):
            one.sends(
                "/suggest", step="add", text=text, direction="Younger people", why="They have more ahead"
            )
        return one

    def rating(query: str = "") -> Any:
        return naming(query).sends("/suggest", step="go_on").sends("/suggest", step="go_on")

    def ranking(query: str = "") -> Any:
        return rating(query).sends("/rate", left_out="yes", **{"rating-age": "not_acceptable"})

    paused = visitor("resting").agrees().sends("/begin")
    with writing(engine) as session:
        studies.pause_study(session, session.get_one(StudyRow, resting.id), now=datetime.now(UTC))
        studies.close_study(session, session.get_one(StudyRow, over.id), now=datetime.now(UTC))
    visitor("full").is_admitted(place="country")
    question = "Which patient should get the kidney?"
    return {
        "home": visitor().opens("/").sees("Equipoise"),
        "landing": visitor().sees("Who should get the kidney?"),
        "landing-german": visitor(query="?lang=de").sees("Wer soll die Niere bekommen?"),
        "landing-draft": visitor("draft").sees("A short study"),
        "landing-paused": visitor("resting").sees("A short study"),
        "landing-closed": visitor("over").sees("A short study"),
        "not-invited": visitor("invited").sees("This study is by invitation", press="Start"),
        "consenting": visitor().sends("/start").sees("Taking part"),
        "screening": visitor().agrees().sees("A few questions first"),
        "screening-wrong": visitor().agrees().sees("A few questions first", press="Go on"),
        "instructed": visitor().is_admitted().sees("Before you begin"),
        "practice": visitor().is_admitted().sends("/begin").sees(question),
        "comprehending": visitor().is_asked().sees("One question about the instructions"),
        "comprehending-wrong": visitor()
        .is_asked()
        .sends("/comprehension", option="guess")
        .sees("One question"),
        "comparison": visitor().is_answering().sees(question),
        "comparison-german": visitor(query="?lang=de")
        .is_answering()
        .sees("Welche Person soll die Niere bekommen?"),
        "comparison-highlighted": visitor("lit")
        .is_answering()
        .goes_on_until('class="differs"')
        .sees(question),
        "comparison-instructed": visitor().is_answering().goes_on_until('id="note"').sees(question),
        "comparison-changing": visitor()
        .is_answering()
        .sends("/answer", choice="left")
        .sends("/change")
        .sees(question),
        "comparison-two-answers": visitor("no-coin").agrees().sends("/begin").sees(question),
        "comparison-right-to-left": visitor("short", "?lang=ar").agrees().sends("/begin").sees("أي مريض"),
        "instructed-right-to-left": visitor("short", "?lang=ar").agrees().sees("Before you begin"),
        "follow-up-reason": visitor()
        .is_answering()
        .sends("/answer", choice="indecision")
        .sees("What comes closest"),
        "follow-up-strict": visitor()
        .is_answering()
        .sends("/answer", choice="indecision")
        .sends("/follow-up", value="too-close")
        .sees("And if you had to choose one of the two?"),
        "landing-attributes": visitor("asking").sees("What should decide"),
        "suggesting": visitor("asking").agrees().sees("What about patients"),
        "suggesting-named": naming().sees("What about patients"),
        "suggesting-nothing": naming().sees("What about patients", press="Add this"),
        "suggesting-wrong": naming().sees("What about patients", write=("why", "Fair"), press="Go on"),
        "suggesting-too-long": naming().sees(
            "What about patients", write=("text", "word " * 100), press="Add this"
        ),
        "suggesting-changing": naming()
        .sends("/suggest", step="go_on")
        .sends("/change")
        .sees("What about patients"),
        "suggesting-right-to-left": naming("?lang=ar").sees("ما الذي يجب"),
        "rating": rating().sees("May these things decide"),
        "rating-left-out": rating().sees("May these things decide", press="Send these answers"),
        "rating-changing": ranking().sends("/change").sees("May these things decide"),
        "rating-right-to-left": rating("?lang=ar").sees("هل يجوز"),
        "ranking": ranking().sees("Which three matter most"),
        "ranking-wrong": ranking().sees(
            "Which three matter most", write=("place-age", "2"), press="Send these answers"
        ),
        "ranking-right-to-left": ranking("?lang=ar").sees("أي ثلاثة"),
        "describing-attributes": ranking().sends("/rank").sees("About you"),
        "choosing": choosing_one().sees("Who should get the kidney?"),
        "choosing-wrong": choosing_one().sees("Who should get the kidney?", press="Send this answer"),
        "describing": visitor().is_answering().goes_on_until("About you").sees("About you"),
        "describing-wrong": visitor()
        .is_answering()
        .goes_on_until("About you")
        .sees("About you", write=("age", "old"), press="Finish"),
        "finished": visitor()
        .is_answering()
        .goes_on_until("About you")
        .sends("/demographics")
        .sees("You have finished"),
        "declined": visitor()
        .sends("/start")
        .sends("/consent", decision="decline")
        .sees("You are not taking part"),
        "screened-out": visitor().is_admitted(adult="no").sees("Thank you for your interest"),
        "quota-full": visitor("full").is_admitted().sees("Enough people have taken part"),
        "withdrawn": visitor()
        .is_answering()
        .wants_to_stop()
        .sends("/stop", wish="keep")
        .sees("You have stopped"),
        "stop": visitor().is_answering().wants_to_stop().sees("Stop taking part?"),
        "stop-ended": visitor().is_admitted(adult="no").wants_to_stop().sees("Have everything deleted?"),
        "erased": visitor()
        .is_answering()
        .wants_to_stop()
        .sends("/stop", wish="erase")
        .sees("Everything you said"),
        "paused": paused.sees("The study is paused"),
        "error-no-page": visitor().opens("/p/nobody").sees("There is no such page"),
        "error-no-cookie": visitor()
        .sends("/start")
        .sees("Please try that again", press="I agree to take part", without_cookies=True),
    }


@pytest.fixture(scope="module")
def address(service: tuple[Flask, Engine], places: dict[str, Place]) -> Iterator[str]:
    with served_in_background(service[0]) as url:
        yield url


def go_to(page: Page, address: str, place: Place) -> None:
    page.goto(address + place.path)
    if place.write:
        field = page.locator(f'[name="{place.write[0]}"]').first
        if field.evaluate("one => one.tagName") == "SELECT":
            field.select_option(place.write[1])
        else:
            field.fill(place.write[1])
    if place.press:
        page.wait_for_timeout(300)  # Quicker would not count as meant for this page.
        if place.without_cookies:
            page.context.clear_cookies()
        page.get_by_role("button", name=place.press, exact=True).click()
    expect(page.locator("h1")).to_have_text(re.compile(f"^{re.escape(place.heading)}"), timeout=30_000)


class Look:
    """A browser window, and everything that was found wrong in it."""

    def __init__(self, chromium: Browser, address: str, **window: Any) -> None:
        self._address = address
        self._context = chromium.new_context(**window)
        self.page = self._context.new_page()
        self.found: list[str] = []

    def __enter__(self) -> Look:
        return self

    def __exit__(self, *_error: object) -> None:
        self._context.close()

    def at(self, places: dict[str, Place]) -> Iterator[Page]:
        """Go to each place in turn."""
        assert places
        for name, place in places.items():
            go_to(self.page, self._address, place)
            self._name = name
            yield self.page

    def note(self, problems: list[str]) -> None:
        self.found += [f"{self._name}: {problem}" for problem in problems]


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, from the package that brings it."""
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("tags => axe.run({runOnly: tags, resultTypes: ['violations']})", AXE_TAGS)[
        "violations"
    ]
    return [f"{v['id']}: {v['help']}: {node['html']}" for v in found for node in v["nodes"]]


SMALL_TARGETS = """([targets, smallest]) => [...document.querySelectorAll(targets)]
  .filter(one => one.type !== "hidden" && one.checkVisibility() && !one.classList.contains("skip"))
  .map(one => one.closest("label") ?? one)
  .filter(one => {
    const box = one.getBoundingClientRect();
    return Math.min(box.width, box.height) < smallest - 0.5;
  })
  .map(one => `${one.tagName} '${one.textContent.trim()}' of ${one.getBoundingClientRect().width.toFixed(0)} x `
    + `${one.getBoundingClientRect().height.toFixed(0)} px`)"""

TOO_WIDE = """() => {
  const root = document.documentElement, found = [];
  if (root.scrollWidth > root.clientWidth) found.push(`scrolls sideways: ${root.scrollWidth} px`);
  for (const one of document.body.querySelectorAll("*")) {
    if (!one.checkVisibility() || one.closest(".hidden, .skip, .scroll, select, option")) continue;
    const box = one.getBoundingClientRect();
    const out = box.left < -0.5 || box.right > root.clientWidth + 0.5;
    const cut = one.clientWidth > 0 && (one.scrollWidth > one.clientWidth + 1
      || (getComputedStyle(one).overflowY !== "visible" && one.tagName !== "TEXTAREA"
          && one.scrollHeight > one.clientHeight + 1));
    const own = [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (out || (cut && own)) found.push(`${out ? "reaches out" : "is cut"}: ${one.outerHTML.slice(0, 120)}`);
  }
  return found;
}"""

WIDER_TEXT = """
* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
p { margin-bottom: 2em !important; }"""


def add_style(page: Page, css: str) -> None:
    """Add a style sheet as a reader's own is added: the page's policy does not forbid it."""
    page.evaluate(
        "css => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css);"
        " document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet]; }",
        css,
    )


MOVING = """() => [...document.querySelectorAll("*")].filter(one => {
  const style = getComputedStyle(one);
  return style.transitionDuration !== "0s" || style.animationName !== "none";
}).map(one => `moves: ${one.outerHTML.slice(0, 80)}`)"""


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_axe_finds_nothing_and_nothing_moves_for_those_who_mind(
    chromium: Browser, address: str, places: dict[str, Place], axe: str, width: int, scheme: str
) -> None:
    window = {"viewport": {"width": width, "height": 720}, "color_scheme": scheme, "reduced_motion": "reduce"}
    with Look(chromium, address, **window) as look:
        for page in look.at(places):
            look.note(violations(page, axe))
            look.note(page.evaluate(MOVING))
    assert look.found == []


def test_axe_would_find_something(
    chromium: Browser, address: str, places: dict[str, Place], axe: str
) -> None:
    with Look(chromium, address) as look:
        for page in look.at({"landing": places["landing"]}):
            page.evaluate("document.querySelector('html').removeAttribute('lang')")
            page.evaluate("document.querySelector('main p').style.color = '#ccc'")
            found = violations(page, axe)
    assert {problem.partition(":")[0] for problem in found} >= {"html-has-lang", "color-contrast"}


@pytest.mark.parametrize("width", [320, 1280])
def test_every_target_is_large_and_nothing_reaches_out(
    chromium: Browser, address: str, places: dict[str, Place], width: int
) -> None:
    with Look(chromium, address, viewport={"width": width, "height": 640}) as look:
        for page in look.at(places):
            look.note(page.evaluate(SMALL_TARGETS, [f"{CONTROLS}, a[href]", SMALLEST_TARGET]))
            look.note(page.evaluate(TOO_WIDE))
            add_style(page, WIDER_TEXT)  # WCAG 1.4.12
            look.note([f"with text spaced out, {problem}" for problem in page.evaluate(TOO_WIDE)])
    assert look.found == []


def test_everything_is_there_at_twice_the_size(
    chromium: Browser, address: str, places: dict[str, Place]
) -> None:
    window = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}  # 1280 pixels at 200 %
    with Look(chromium, address, **window) as look:
        for page in look.at(places):
            look.note(page.evaluate(TOO_WIDE))
            page.set_viewport_size({"width": 1280, "height": 800})
            add_style(page, "html { font-size: 200%; }")  # The text alone, as some browsers do it.
            look.note([f"with larger text, {problem}" for problem in page.evaluate(TOO_WIDE)])
            page.set_viewport_size(window["viewport"])
    assert look.found == []


def test_buttons_fade_only_for_those_who_do_not_mind_motion(
    chromium: Browser, address: str, places: dict[str, Place]
) -> None:
    fading = []
    for wish in ("no-preference", "reduce"):
        with Look(chromium, address, reduced_motion=wish) as look:
            fading += [page.evaluate(MOVING) != [] for page in look.at({"some": places["comparison"]})]
    assert fading == [True, False]


@pytest.mark.parametrize(
    ("name", "goes_to"), [("screening-wrong", "question-1"), ("describing-wrong", "question-1")]
)
def test_what_needs_another_look_is_announced_and_leads_there(
    chromium: Browser, address: str, places: dict[str, Place], name: str, goes_to: str
) -> None:
    with Look(chromium, address) as look:
        for page in look.at({name: places[name]}):
            assert page.title().startswith("Please look again:")
            assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            page.wait_for_function("id => document.activeElement.id === id", arg=goes_to)
            assert page.locator(f"#{goes_to} .problem").is_visible()


@pytest.mark.parametrize(
    ("name", "goes_to"), [("suggesting-too-long", "suggestion"), ("rating-left-out", "attribute-1")]
)
def test_what_cannot_be_stored_of_attributes_is_announced_and_leads_there(
    chromium: Browser, address: str, places: dict[str, Place], name: str, goes_to: str
) -> None:
    with Look(chromium, address) as look:
        for page in look.at({name: places[name]}):
            assert page.title().startswith("Please look again:")
            assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            page.wait_for_function("id => document.activeElement.id === id", arg=goes_to)


def test_after_adding_the_next_can_be_written_at_once_and_the_field_says_how_many_there_are(
    chromium: Browser, address: str, places: dict[str, Place]
) -> None:
    with Look(chromium, address) as look:
        for page in look.at({"named": places["suggesting-named"]}):
            field = page.locator(":focus")
            assert field.get_attribute("name") == "text"
            described = page.locator(f"#{field.get_attribute('aria-describedby')}").inner_text()
            assert described == "You have named 4 so far."


def test_ratings_are_of_equal_size_and_stand_under_their_words(
    chromium: Browser, address: str, places: dict[str, Place]
) -> None:
    with Look(chromium, address, viewport={"width": 1280, "height": 800}) as look:
        for page in look.at({"rating": places["rating"]}):
            heads = [
                page.locator(f"#as-{r}").bounding_box()
                for r in ("acceptable", "not_acceptable", "cannot_say")
            ]
            cells = [page.locator("tbody tr").first.locator("td").nth(i).bounding_box() for i in range(3)]
            assert len({round(box["width"]) for box in cells if box}) == 1
            for head, cell in zip(heads, cells, strict=True):
                assert head is not None
                assert cell is not None
                assert head["x"] == pytest.approx(cell["x"], abs=1)
            names = [one.get_attribute("aria-labelledby") for one in page.locator("[name=rating-age]").all()]
            words = [
                " ".join(page.locator(f"#{part}").inner_text() for part in str(ids).split()) for ids in names
            ]
            assert words == ["Age Acceptable", "Age Not acceptable", "Age I cannot say"]


def test_a_wrong_answer_about_the_instructions_is_announced(
    chromium: Browser, address: str, places: dict[str, Place]
) -> None:
    with Look(chromium, address) as look:
        for page in look.at({"erring": places["comprehending-wrong"]}):
            focused = page.evaluate("document.activeElement.textContent")
    assert "alike in everything that is not shown" in focused
    assert "Please answer once more." in focused


def test_right_to_left_keeps_left_and_right_as_they_are_recorded(
    chromium: Browser, address: str, places: dict[str, Place]
) -> None:
    with Look(chromium, address, viewport={"width": 320, "height": 640}) as look:
        for page in look.at({"comparison": places["comparison-right-to-left"]}):
            assert page.evaluate("document.documentElement.dir") == "rtl"
            assert page.evaluate("document.documentElement.lang") == "ar"
            at = {
                one: page.locator(one).bounding_box()
                for one in ("#left", "#right", "[value=left]", "[value=indecision]", "[value=right]")
            }
            x = {one: box["x"] for one, box in at.items() if box}
            assert x["#left"] == pytest.approx(x["[value=left]"], abs=1)
            assert x["#right"] == pytest.approx(x["[value=right]"], abs=1)
            assert x["[value=left]"] < x["[value=indecision]"] < x["[value=right]"]
            assert (
                page.locator("[value=left]").inner_text() == page.locator("#left").inner_text() == "المريض أ"
            )
            # Our own words have no Arabic: they are English, and say so.
            assert page.locator(".progress bdi").get_attribute("lang") == "en"
            assert (
                page.evaluate("getComputedStyle(document.querySelector('.progress bdi')).direction") == "ltr"
            )


# --- researchers' pages -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def research_places(
    service: tuple[Flask, Engine], address: str, places: dict[str, Place]
) -> dict[str, Place]:
    """Every page of a researcher that can be asked for without more than a study's number."""
    app, engine = service
    found: dict[str, Place] = {}
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith(("research.", "api.")) or "GET" not in (rule.methods or ()):
            continue
        path = re.sub(r"<(?:int:)?study_id>", "1", rule.rule)
        if "<" not in path:
            found[rule.endpoint] = SimpleNamespace(path=path, heading="", write=None, press="")
    return found | coding_places(engine)


def coding_places(engine: Engine) -> dict[str, Place]:
    """The pages for coding, of a study with something on each of them: long words, another direction."""
    now = datetime.now(UTC)
    said = ["Alter" * 12, "العمر", "<b>wealth</b>", "wealth!", "👨‍👩‍👧", "w" * 120, "age", "waiting"]
    with writing(engine) as session:
        design = (EXAMPLES / "kidney-attributes.toml").read_text(encoding="utf-8")
        design = design.replace('slug = "kidney-attributes"', 'slug = "coded"')
        study = studies.add_study(session, design, now=now)
        entries = [
            ImportedSuggestion(
                respondent=f"p{n % 5}",
                kind=RespondentKind.HUMAN,
                stance=list(Stance)[n % 2],
                text=text,
                why="Because of fairness. " * 10 if n % 3 else "",
                direction="more priority to those who have waited longest" if n % 2 else "",
                number=n,
            )
            for n, text in enumerate(said * 8)
        ]
        ids = import_suggestions(session, study, entries, source="panel", now=now, actor="test").ids
        labels = (
            "Age",
            "Wealth of the person and of the whole family, as far as it is known",
            "Bekanntheit" * 6,
        )
        names = [
            categories.add_category(session, study, label, definition=label * 3, now=now, actor="test").name
            for label in labels
        ]
        for coder, shift in (("anna", 0), ("ben", 1), ("operator", 0)):
            for place, name in enumerate(names):
                mine = [id_ for id_ in ids[:48] if (id_ + shift * (id_ % 4 == 0)) % 3 == place]
                codes.code_several(session, study, mine, coder=coder, add=[name], now=now, actor="test")
        codes.propose_codes(session, study, "a-model", {ids[0]: [names[0]]}, now=now, actor="test")
        alike = {id_: n % len(said) + 1 for n, id_ in enumerate(ids)}
        keep_groups(session, study, alike, threshold=0.6, now=now, actor="test")
        base = f"/research/studies/{study.id}/suggestions"
    endings = {
        "list": "",
        "narrowed": "?search=wealth&stance=should",
        "alike": "?order=alike",
        "one": f"/{ids[0]}?was={ids[1]}",
        "open": f"/{ids[-1]}",
        "categories": "/categories",
        "category": f"/categories/{names[1]}",
        "merge": f"/merge?name={names[0]}&name={names[1]}",
        "agreement": "/agreement",
        "adjudication": "/adjudication?names=yes",
        "results": "/results",
        "design": "/design",
        "words": f"/design/words?category={names[1]}&category={names[2]}",
        "audit": "/audit",
    }
    return {
        f"coding {name}": SimpleNamespace(path=base + ending, heading="", write=None, press="")
        for name, ending in endings.items()
    }


def test_researchers_pages_pass_axe_and_fit(
    chromium: Browser,
    address: str,
    service: tuple[Flask, Engine],
    research_places: dict[str, Place],
    axe: str,
) -> None:
    token = service[0].extensions["equipoise"].secrets.research_token
    seen = 0
    with Look(chromium, address, viewport={"width": 390, "height": 844}) as look:
        look.page.goto(f"{address}/research/sign-in")
        look.page.get_by_label("Token").fill(token)
        look.page.get_by_role("button", name="Sign in").click()
        look.page.wait_for_url("**/research/")
        for name, place in research_places.items():
            answer = look.page.request.get(address + place.path)
            if not answer.ok or "text/html" not in answer.headers["content-type"]:
                continue  # A download.
            seen += 1
            for page in look.at({name: place}):
                # Figures that are being worked out: the page shows them by itself.
                expect(page.locator("#worked-out-soon")).to_have_count(0, timeout=30_000)
                page.wait_for_load_state()
                look.note(violations(page, axe))
                look.note(page.evaluate(TOO_WIDE))
                # Links in sentences and tables may be smaller: axe sees to 24 pixels or the space around.
                look.note(page.evaluate(SMALL_TARGETS, [f"{CONTROLS}, nav a, .button", SMALLEST_TARGET]))
    assert seen >= 4
    assert look.found == []
