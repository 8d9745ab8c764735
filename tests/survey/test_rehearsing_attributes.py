"""Simulated participants on the pages about attributes, on a real server, and simulated coders of their words."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from survey.acceptability import Rating
from survey.app import create_app
from survey.cli import run
from survey.coding.coding import Outcome
from survey.coding.synthetic import Manner, Meanings, synthetic_population
from survey.config import Secrets, Settings
from survey.db import reading, writing
from survey.design import StudyDesign
from survey.design_file import EXAMPLES, parse_design
from survey.export import answers_of_study
from survey.rehearsal import Rehearsal, answer_count, rehearse
from survey.served_page import UnexpectedPage, read_page
from survey.serving import served_in_background
from survey.store import studies
from survey.suggestions import Stance
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    ParticipantRow,
    ParticipantState,
    SuggestionRow,
)

SLUG = "kidney-attributes"
ATTRIBUTES = (EXAMPLES / f"{SLUG}.toml").read_text(encoding="utf-8")
RATINGS = (EXAMPLES / "kidney-ratings.toml").read_text(encoding="utf-8")


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with served_in_background(app) as url:
        yield url


def add(engine: Engine, text: str, now: datetime, *, draw_seed: int | None = None) -> StudyDesign:
    with writing(engine) as session:
        study = studies.add_study(session, text, now=now)
        if draw_seed is not None:
            study.draw_seed = draw_seed
        return studies.design_of(study)


def version(text: str, number: int) -> str:
    return text.replace('version = "1"', f'version = "{number}"', 1)


def suggested(engine: Engine, design: StudyDesign) -> list[tuple[str, Stance, str, str, str]]:
    """Return who named what to which question, in order, of what was not taken back."""
    with reading(engine) as session:
        study = studies.find_study(session, design.slug, design.version)
        found = session.execute(
            select(
                ParticipantRow.code,
                SuggestionRow.stance,
                SuggestionRow.text,
                SuggestionRow.why,
                SuggestionRow.direction,
            )
            .join(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
            .join(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
            .where(SuggestionRow.study_id == study.id, SuggestionRow.removed_at.is_(None))
            .order_by(SuggestionRow.id)
        )
        rows = [(code, stance, text, why, direction) for code, stance, text, why, direction in found]
    return sorted(rows, key=lambda row: (row[0], row[1]))


def opinions(engine: Engine, design: StudyDesign) -> list[tuple[str, dict[str, str], list[str]]]:
    """Return who gave which ratings and which ranking, in order."""
    with reading(engine) as session:
        study = studies.find_study(session, design.slug, design.version)
        found = session.execute(
            select(ParticipantRow.code, AttributePageRow.task, AttributePageAnswerRow)
            .join(AttributePageRow, AttributePageRow.id == AttributePageAnswerRow.attribute_page_id)
            .join(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
            .where(
                ParticipantRow.study_id == study.id,
                AttributePageRow.task.in_((AttributeTask.RATE, AttributeTask.RANK)),
            )
            .order_by(ParticipantRow.number, AttributePageRow.position)
        )
        return [(code, dict(answer.ratings), list(answer.ranking)) for code, _task, answer in found]


def take(design: StudyDesign, address: str, secrets: Secrets, **more: Any) -> Rehearsal:
    arguments: dict[str, Any] = {"participants": 4, "seed": 1} | more
    return rehearse(design, address, rehearsal_token=secrets.rehearsal_token, **arguments)


# --- the pages -------------------------------------------------------------------------------------------


def test_every_page_about_attributes_is_taken_and_marked_as_simulated(
    engine: Engine, settings: Settings, secrets: Secrets, asking_design: str, now: datetime
) -> None:
    design = add(engine, asking_design, now)
    progress: list[int] = []
    with served_in_background(create_app(settings, engine)) as address:
        done = take(design, address, secrets, participants=5, progress=progress.append)
    assert (done.endings, done.answers) == ({"finished": 5}, 0)
    assert len(progress) == 5 * answer_count(design) == 5 * 4
    named = suggested(engine, design)
    assert len(named) == done.suggestions > 15
    assert {stance for _, stance, *_ in named} == set(Stance)
    assert any(why for *_, why, _ in named)
    assert not any(direction for _, stance, *_, direction in named if stance is Stance.SHOULD_NOT), (
        "that question does not ask for a direction"
    )
    assert any(direction for *_, direction in named)
    given = opinions(engine, design)
    assert len(given) == 2 * 5
    assert sum(len(ratings) for _, ratings, _ in given) == done.ratings > 15
    with reading(engine) as session:
        assert {p.state for p in session.scalars(select(ParticipantRow))} == {ParticipantState.FINISHED}
        assert {(s.simulated, s.language) for s in session.scalars(select(SuggestionRow))} == {(True, "en")}


@pytest.mark.parametrize("text", [ATTRIBUTES, RATINGS], ids=["kidney-attributes", "kidney-ratings"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_examples_are_rehearsed_in_their_languages(
    address: str, sqlite_engine: Engine, secrets: Secrets, now: datetime, text: str, language: str
) -> None:
    design = add(sqlite_engine, text, now)
    done = take(design, address, secrets, language=language)
    assert done.endings == {"finished": 4}
    assert (done.suggestions > 0, done.ratings > 0) == (bool(design.suggestions), bool(design.acceptability))
    phrases = {
        phrase.casefold()
        for category in synthetic_population().categories
        for phrase in category.words[language].phrases
    }
    named = [text.casefold().rstrip(".") for _, _, text, *_ in suggested(sqlite_engine, design)]
    assert bool(named) is bool(design.suggestions)
    assert sum(text in phrases for text in named) >= 0.6 * len(named), (
        "the rest is misspelled, odd or neither"
    )


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_study_with_every_step_is_rehearsed(
    address: str,
    sqlite_engine: Engine,
    secrets: Secrets,
    quick_complete: str,
    asking_design: str,
    now: datetime,
    language: str,
) -> None:
    def part(start: str, end: str) -> str:
        return asking_design[asking_design.index(start) : asking_design.index(end)]

    text = "\n".join(
        [
            quick_complete,
            part("[suggestions]", "[[demographics]]"),
            part("[languages.de.suggestions.should]", "[languages.de.demographics"),
        ]
    )
    design = add(sqlite_engine, text, now)
    done = take(design, address, secrets, participants=3, language=language)
    assert done.endings == {"finished": 3}
    assert done.answers == 3 * (answer_count(design) - 4) > 0
    assert done.suggestions > 0
    assert done.ratings > 0


def test_every_stored_word_means_what_the_population_says(
    address: str, sqlite_engine: Engine, secrets: Secrets, now: datetime
) -> None:
    # What a browser sends and a database stores is looked up, not what was drawn.
    design = add(sqlite_engine, ATTRIBUTES, now)
    population = replace(
        synthetic_population(),
        manner=Manner(misspells=0.6, writes_oddly=0.9, says_nothing_usable=0.9, takes_back=0.4),
    )
    done = take(design, address, secrets, participants=12, population=population)
    named = suggested(sqlite_engine, design)
    assert len(named) == done.suggestions
    meanings = Meanings(population)
    outcomes = Counter(meanings.of(text).outcome for _, _, text, *_ in named)
    assert outcomes[Outcome.CATEGORY] > 40
    assert outcomes[Outcome.UNUSABLE] > 10
    assert "<script>alert(1)</script>" in {text for _, _, text, *_ in named} | set(population.unusable)
    assert any(not text.isascii() for _, _, text, *_ in named)
    with reading(sqlite_engine) as session:
        taken_back = session.scalars(select(SuggestionRow).where(SuggestionRow.removed_at.is_not(None))).all()
    assert taken_back
    # Each was there twice, and one of the two stays.
    assert {s.text for s in taken_back} <= {text for _, _, text, *_ in named}


def test_the_same_seed_names_the_same_in_whichever_order_the_questions_come(
    address: str, sqlite_engine: Engine, secrets: Secrets, now: datetime
) -> None:
    assert 'order = "random"' in ATTRIBUTES
    found = []
    for number, order in enumerate(("random", "should_first", "should_not_first"), start=1):
        text = version(ATTRIBUTES, number).replace('order = "random"', f'order = "{order}"')
        design = add(sqlite_engine, text, now)
        take(design, address, secrets, seed=7)
        found.append(suggested(sqlite_engine, design))
    assert found[0]
    assert found[0] == found[1] == found[2]
    other = add(sqlite_engine, version(ATTRIBUTES, 9), now)
    take(other, address, secrets, seed=8)
    assert suggested(sqlite_engine, other) != found[0]


def test_what_is_named_and_rated_changes_no_choice_between_patients(
    address: str,
    sqlite_engine: Engine,
    secrets: Secrets,
    one_arm_design: str,
    asking_and_comparing: str,
    now: datetime,
) -> None:
    chosen = []
    for number, text in enumerate((one_arm_design, asking_and_comparing), start=1):
        design = add(sqlite_engine, version(text, number), now, draw_seed=7)
        done = take(design, address, secrets, participants=2, seed=5)
        assert done.answers == 8
        with reading(sqlite_engine) as session:
            study = studies.find_study(session, design.slug, design.version)
            found = answers_of_study(session, study, include_simulated=True).answers
        chosen.append([(a.respondent, a.position, a.left, a.right, a.choice) for a in found])
    assert chosen[0] == chosen[1]
    assert done.suggestions > 0
    assert done.ratings > 0


def test_who_leaves_ratings_out_is_asked_and_says_that_it_was_meant(
    address: str, sqlite_engine: Engine, secrets: Secrets, asking_design: str, now: datetime
) -> None:
    design = add(sqlite_engine, asking_design, now)
    shares = {}
    for leaves in (0.0, 0.5, 1.0):
        design = add(sqlite_engine, asking_design.replace('version = "1"', f'version = "{leaves}"', 1), now)
        population = replace(synthetic_population(), manner=Manner(leaves_unrated=leaves))
        done = take(design, address, secrets, population=population)
        assert done.endings == {"finished": 4}
        shares[leaves] = done.ratings / (4 * 5)
    assert shares[0.0] == 1
    assert 0 < shares[0.5] < 1
    assert shares[1.0] == 0


def test_only_what_a_participant_called_acceptable_is_ranked(
    address: str, sqlite_engine: Engine, secrets: Secrets, asking_design: str, now: datetime
) -> None:
    design = add(sqlite_engine, asking_design, now)
    take(
        design,
        address,
        secrets,
        participants=8,
        population=replace(synthetic_population(), manner=Manner(leaves_unranked=0.0)),
    )
    rated = {code: ratings for code, ratings, _ in opinions(sqlite_engine, design) if ratings}
    ranked = {code: ranking for code, _, ranking in opinions(sqlite_engine, design) if ranking}
    assert len(rated) == 8
    assert ranked
    for code, ratings in rated.items():
        acceptable = {name for name, rating in ratings.items() if rating == Rating.ACCEPTABLE}
        assert set(ranked.get(code, ())) <= acceptable
        assert len(ranked.get(code, ())) == min(3, len(acceptable))


def test_the_next_wave_rates_again_and_is_asked_no_open_question(
    address: str, sqlite_engine: Engine, secrets: Secrets, asking_and_comparing: str, now: datetime
) -> None:
    design = add(sqlite_engine, f"{asking_and_comparing}\n[waves]\ncount = 2\n", now)
    first = take(design, address, secrets, participants=2, ids="sim")
    with writing(sqlite_engine) as session:
        studies.open_next_wave(session, studies.find_study(session, design.slug), now=now)
    progress: list[int] = []
    again = take(
        design, address, secrets, participants=2, seed=2, ids="sim", concurrent=1, progress=progress.append
    )
    assert first.suggestions > 0
    assert (again.suggestions, again.endings) == (0, {"finished": 2})
    assert again.ratings > 0
    assert len(progress) == 2 * answer_count(design, returning=True)
    assert answer_count(design) - answer_count(design, returning=True) == 2


def test_a_question_that_the_design_does_not_ask_is_noticed() -> None:
    page = read_page(
        '<body data-page="suggesting"><h1>What is your secret?</h1><form action="/suggest"></form>'
    )
    with pytest.raises(UnexpectedPage, match="'What is your secret\\?', which the design does not"):
        page.open_question(parse_design(ATTRIBUTES))


def test_the_places_of_a_list_are_read_as_what_may_be_sent() -> None:
    page = read_page(
        '<form action="/rank"><select name="place-age"><option value="">–</option><option value="1">1</option>'
        '</select><select name="place-wealth"><option value=""></option></select><button>Send</button></form>'
    )
    form = page.form("/rank")
    assert form.asked == {"place-age": ["", "1"], "place-wealth": [""]}
    assert form.sent_with(filled_in={"place-age": ["1"]}) == {"place-age": ["1"]}
    with pytest.raises(UnexpectedPage, match="does not take '2' for 'place-age'"):
        form.sent_with(filled_in={"place-age": ["2"]})


# --- the commands ----------------------------------------------------------------------------------------


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def equipoise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in an empty folder with a database of its own."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("EQUIPOISE_"):
            monkeypatch.delenv(name)

    def run_command(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_command


def record_of(ran: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = ran
    assert code == 0, err
    record: dict[str, Any] = json.loads(out)
    return record


def test_a_rehearsal_says_what_is_known_of_whom_it_simulated(equipoise: Run, tmp_path: Path) -> None:
    record = record_of(
        equipoise("survey", "rehearse", str(EXAMPLES / f"{SLUG}.toml"), "--participants", "3", "--json")
    )
    assert record["known_shares"]["age"] == {"should": 0.45, "should_not": 0.2}
    assert record["manner"]["misspells"] == 0.1
    assert record["suggestions"] > 0
    assert "known_ratings" not in record
    code, said, err = equipoise(
        "survey", "rehearse", str(EXAMPLES / "kidney-ratings.toml"), "--participants", "2"
    )
    assert code == 0, err
    assert "2 simulated participants finished, " in said
    assert "  wealth: acceptable 0.08, not acceptable 0.85, cannot say 0.07\n" in said
    assert "known weights" not in said


def test_simulated_coders_code_what_a_rehearsal_wrote_once(equipoise: Run) -> None:
    equipoise("survey", "rehearse", str(EXAMPLES / f"{SLUG}.toml"), "--participants", "5", "--seed", "1")
    coding = ("survey", "coding", "rehearse", SLUG, "--seed", "1", "--json")
    first = record_of(equipoise(*coding))
    assert first["coders"] == ["sim-coder-1", "sim-coder-2"]
    assert first["categories_added"] == len(synthetic_population().categories)
    assert first["codes_added"] >= 2 * first["suggestions"] > 0
    assert first["rates"] == {"misses": 0.08, "adds_wrong": 0.03, "calls_unusable": 0.02}
    again = record_of(equipoise(*coding))
    assert (again["categories_added"], again["codes_added"], again["codes_ended"]) == (0, 0, 0)
    assert again["codes_already_there"] == first["codes_added"]
    listed = record_of(equipoise("survey", "coding", "list", SLUG, "--simulated", "--json"))
    assert listed["total"] == first["suggestions"]
    agreement = record_of(
        equipoise("survey", "coding", "agreement", SLUG, "--simulated", "--draws", "20", "--json")
    )
    assert agreement["by_two"] == first["suggestions"]


def test_simulated_coders_leave_a_merged_category_merged(equipoise: Run) -> None:
    equipoise("survey", "rehearse", str(EXAMPLES / f"{SLUG}.toml"), "--participants", "4", "--seed", "1")
    coding = ("survey", "coding", "rehearse", SLUG, "--coders", "1", "--json")
    record_of(equipoise(*coding, "--seed", "1"))
    assert equipoise("survey", "coding", "category", "merge", SLUG, "smoking", "--into", "drinking")[0] == 0
    again = record_of(equipoise(*coding, "--seed", "2"))
    assert again["categories_added"] == 0
    assert again["codes_ended"] > 0, "what the coder said before is replaced"


@pytest.mark.parametrize("simulated", [False, True])
def test_what_real_respondents_say_is_not_coded_by_simulated_coders(
    equipoise: Run, tmp_path: Path, simulated: bool
) -> None:
    equipoise("survey", "add", str(EXAMPLES / f"{SLUG}.toml"))
    if simulated:
        equipoise("survey", "rehearse", SLUG, "--participants", "2", "--seed", "1")
    (tmp_path / "workshop.csv").write_text("respondent,stance,text\nw1,should,age\n", encoding="utf-8")
    assert equipoise("survey", "coding", "import", SLUG, "workshop.csv")[0] == 0
    code, _, said = equipoise("survey", "coding", "rehearse", SLUG)
    assert code == 2
    assert "holds 1 suggestion that no rehearsal made" in said
    assert "rehearse a version of the study that nobody has taken" in said
    code, out, _ = equipoise("survey", "coding", "categories", SLUG, "--json")
    assert "sim-coder" not in out
    assert "urgency" not in out, "nothing was added"


def test_a_study_without_suggestions_says_how_to_get_some(equipoise: Run) -> None:
    equipoise("survey", "add", str(EXAMPLES / f"{SLUG}.toml"))
    code, _, said = equipoise("survey", "coding", "rehearse", SLUG)
    assert code == 2
    assert "'equipoise survey rehearse' makes some" in said


def test_shares_of_codes_follow_the_rates_that_are_given(equipoise: Run) -> None:
    equipoise("survey", "rehearse", str(EXAMPLES / f"{SLUG}.toml"), "--participants", "5", "--seed", "1")
    for rates, unusable in ((("--calls-unusable", "1"), 1.0), (("--calls-unusable", "0"), 0.0)):
        record = record_of(equipoise("survey", "coding", "rehearse", SLUG, "--coders", "1", *rates, "--json"))
        agreement = record_of(
            equipoise("survey", "coding", "agreement", SLUG, "--simulated", "--draws", "2", "--json")
        )
        (coder,) = agreement["coders"]
        share = coder["codes"].get("(unusable)", 0) / record["suggestions"]
        assert share == 1 if unusable else share < 0.2
