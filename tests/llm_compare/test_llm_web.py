"""The researcher's page of models that took a study."""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import MetaData, select

from llm_compare.participation.model_participant import Group, usual_label
from llm_compare.participation.store import study_to_take
from llm_compare.participation.taking import take
from llm_compare.prompting.call import Settings
from llm_compare.prompting.variant import Variant
from llm_compare.replies.reply import Reply
from survey.answers_file import read_answers
from survey.app import create_app
from survey.config import load_settings, secrets_of
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES
from survey.serving import served_in_background
from survey.store import studies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CHROMIUM = Path("/usr/bin/chromium")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Says:
    """Answers calls with texts in turn, one second after the other, at a price."""

    name = "test"

    def __init__(self, *texts, returned="served-2026-11-20", cost=0.0002):
        self._texts, self._returned, self._cost = texts, returned, cost
        self._made = 0

    async def reply(self, request):
        self._made += 1
        return Reply(
            content=self._texts[self._made % len(self._texts)],
            finish_reason="stop",
            returned_model=self._returned,
            cost_usd=self._cost,
            seconds=1.0,
            asked_at=NOW + timedelta(seconds=self._made),
        )

    async def close(self):
        """Nothing is open."""


@pytest.fixture
def engine(database_url):
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(database_url, tmp_path):
    return load_settings(
        {"EQUIPOISE_DATABASE_URL": database_url}, state_dir=tmp_path / "var", log_level="error"
    )


@pytest.fixture
def app(settings, engine):
    return create_app(settings, engine)


@pytest.fixture
def owner(app, settings):
    client = app.test_client()
    assert client.get(f"/research/?token={secrets_of(settings).research_token}").status_code == 303
    return client


@pytest.fixture
def study(engine):
    with writing(engine) as session:
        row = studies.add_study(
            session, (EXAMPLES / "kidney-complete.toml").read_text(encoding="utf-8"), now=NOW
        )
        studies.open_study(session, row, now=NOW)
        return study_to_take(session, row.slug)


@pytest.fixture
def let_take(engine, study):
    def run(model, count, answerer, **options):
        group = Group(
            model=model,
            api_base=None,
            label=usual_label(model),
            settings=Settings(temperature=0.0),
            variant=Variant(),
            arm=study.design.arms[0].name,
            design_hash=study.design_hash,
            seed=1,
        )
        rng = np.random.default_rng(0)
        return take(
            partial(writing, engine), study, group, count, lambda: answerer, now=NOW, rng=rng, **options
        )

    return run


def words(page):
    """Return what stands in the page's main part, without tags and with single spaces."""
    main = page.text[page.text.index("<main") :]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)))


def path_of(study, rest=""):
    return f"/research/studies/{study.id}/models{rest}"


def all_rows(engine):
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table))]
            for name, table in tables.tables.items()
        }


@pytest.mark.parametrize("rest", ["", "/answers.csv"])
def test_strangers_are_sent_to_sign_in(app, study, rest):
    answer = app.test_client().get(path_of(study, rest))
    assert answer.status_code == 303
    assert "/sign-in" in answer.headers["Location"]


def test_without_models_the_page_explains_the_command(owner, study):
    page = owner.get(path_of(study))
    assert page.status_code == 200
    assert "None yet." in words(page)
    assert "equipoise compare take kidney-complete --model openai/gpt-4o --respondents 20 --seed 1" in words(
        page
    )
    assert owner.get(path_of(study, "/answers.csv")).status_code == 404


def test_a_study_that_does_not_exist_is_not_found(owner, study):
    for rest in ("", "/answers.csv"):
        assert owner.get(f"/research/studies/99/models{rest}").status_code == 404


def test_each_study_has_the_tab(owner, study):
    assert f'href="{path_of(study)}"' in owner.get(f"/research/studies/{study.id}").text


def test_the_page_says_what_each_model_brought(owner, study, let_take):
    let_take("openai/gpt-4o", 3, Says("A", "C", "I decline.", "?"))
    let_take("scripted/coin", 1, Says("C", cost=None), max_calls=5)
    said = words(owner.get(path_of(study)))
    per_respondent = study.design.comparisons_per_respondent + study.design.roles.count
    assert "Respondents of one model are repeats of that model, not people" in said
    assert "openai/gpt-4o" in said
    assert "served-2026-11-20" in said
    assert "3 , of them 3 with a reply to every comparison" in said
    assert "1 , of them 0 with a reply to every comparison" in said
    assert "scripted/coin – a scripted respondent, not a model" in said
    assert f"{0.0002 * 3 * per_respondent:.2f} USD" in said
    assert "temperature 0.0" in said
    assert "2026-11-22 12:00" in said
    cells = re.findall(
        r'<td class="number">(\d+)</td>', owner.get(path_of(study)).text.split('id="outcomes"')[1]
    )
    outcomes = [int(cell) for cell in cells[:7]]
    assert sum(outcomes) == 3 * per_respondent
    assert min(outcomes[0], outcomes[1], outcomes[2], outcomes[4]) > 0
    assert outcomes[3] == outcomes[5] == outcomes[6] == 0


def test_the_answers_are_those_that_the_calls_brought(owner, study, let_take, tmp_path):
    let_take("openai/gpt-4o", 2, Says("A", "?"))
    file = tmp_path / "answers.csv"
    answer = owner.get(path_of(study, "/answers.csv"))
    assert "kidney-complete-1-model-answers.csv" in answer.headers["Content-Disposition"]
    file.write_bytes(answer.data)
    found = read_answers(file, study.design.attributes).answers
    assert {(a.respondent, a.kind.value, a.arm) for a in found} == {
        (f"model-gpt-4o-{n}", "model", "model") for n in (1, 2)
    }
    assert {a.choice.value for a in found} == {"left"}


def test_looking_changes_nothing(owner, study, let_take, engine):
    let_take("openai/gpt-4o", 1, Says("A"))
    before = all_rows(engine)
    for rest in ("", "/answers.csv"):
        assert owner.get(path_of(study, rest)).status_code == 200
    assert all_rows(engine) == before


def test_names_from_outside_are_text_on_the_page(owner, study, let_take):
    let_take("openai/<script>alert(1)</script>", 1, Says("A", returned="<b>x</b>"))
    text = owner.get(path_of(study)).text
    assert "<script>alert" not in text
    assert "<b>x" not in text


def test_the_web_process_never_imports_litellm(tmp_path):
    code = (
        "import sys\n"
        "from survey.app import create_app\n"
        "from survey.config import load_settings\n"
        "from survey.db import open_database\n"
        f"settings = load_settings({{}}, state_dir={str(tmp_path)!r})\n"
        "from pathlib import Path\n"
        "app = create_app(settings, open_database(settings))\n"
        "from survey.config import secrets_of\n"
        "client = app.test_client()\n"
        "client.get(f'/research/?token={secrets_of(settings).research_token}')\n"
        "from survey.db import writing\n"
        "from survey.store import studies\n"
        "from survey.design_file import EXAMPLES\n"
        "from datetime import UTC, datetime\n"
        "with writing(app.extensions['equipoise'].engine) as session:\n"
        "    text = (EXAMPLES / 'kidney-8.toml').read_text(encoding='utf-8')\n"
        "    studies.add_study(session, text, now=datetime.now(UTC))\n"
        "print(client.get('/research/studies/1/models').status_code, 'litellm' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.split()[-2:] == ["200", "False"], done.stderr


@pytest.mark.browser
def test_the_page_fits_phones_and_screens_and_axe_finds_nothing(app, settings, study, let_take):
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    axe = (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    let_take("openai/a-model-with-quite-a-long-name-2026-11-20-preview", 3, Says("A", "C", "I decline."))
    let_take("scripted/coin", 1, Says("C", cost=None), max_calls=5)
    with served_in_background(app) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        for width in (390, 1280):
            # A content policy of the page's own forbids what is added to it by a test.
            page = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True).new_page()
            page.goto(f"{url}/research/?token={secrets_of(settings).research_token}")
            page.goto(f"{url}{path_of(study)}")
            assert page.evaluate("document.documentElement.scrollWidth") == width
            page.evaluate(axe)
            found = page.evaluate("tags => axe.run({runOnly: tags})", AXE_TAGS)
            assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []
        browser.close()
