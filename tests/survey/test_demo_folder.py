"""What a demo may replace. The demo itself runs in ``make demo``; its commands have tests of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from survey.answers import RespondentKind
from survey.cli import run
from survey.commands import demo
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES
from survey.migration import upgrade
from survey.recruitment import IdKeeper
from survey.store import participants, studies
from survey.store.participants import Arrival
from survey.store.suggestion_imports import ImportedRespondent, ImportedSuggestion, import_suggestions
from survey.store.tokens import new_token
from survey.suggestions import Stance

Demo = Callable[[], tuple[int, str]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "my demo"


@pytest.fixture
def run_demo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: Path) -> Demo:
    """Return a function that runs a demo whose commands are replaced by writing one result."""
    monkeypatch.setattr(
        demo, "_run", lambda _words, folder, _environment: (folder / "report.html").write_text("made")
    )

    def run_it() -> tuple[int, str]:
        code = run(["demo", "--out", str(out)])
        return code, capsys.readouterr().err

    return run_it


@pytest.fixture
def engine(run_demo: Demo, out: Path) -> Engine:
    """The database of a finished demo."""
    assert run_demo()[0] == 0
    url = f"sqlite:///{out}/equipoise.sqlite"
    upgrade(url)
    return make_engine(url)


def add_study(engine: Engine, name: str, now: datetime, *, people: int = 0, simulated: int = 0) -> None:
    with writing(engine) as session:
        study = studies.add_study(session, (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"), now=now)
        studies.open_study(session, study, now=now)
        for is_simulated, count in ((False, people), (True, simulated)):
            for _ in range(count):
                arrival = Arrival(start_key=new_token(), language="en", simulated=is_simulated)
                participants.start_participant(session, study, arrival, IdKeeper("k" * 40), now=now)
    engine.dispose()


def add_suggestion(engine: Engine, now: datetime, *, simulated: bool) -> int:
    """Add a suggestion to the demo's own study, and return its id."""
    with writing(engine) as session:
        text_of = (EXAMPLES / "kidney-attributes.toml").read_text(encoding="utf-8")
        study = studies.add_study(session, text_of, now=now)
        asked = ImportedRespondent(
            respondent="w1",
            kind=RespondentKind.HUMAN,
            stances=frozenset({Stance.SHOULD}),
            simulated=simulated,
        )
        entry = ImportedSuggestion(
            respondent="w1", kind=RespondentKind.HUMAN, stance=Stance.SHOULD, text="age"
        )
        done = import_suggestions(
            session, study, [entry], source="w", asked=[asked], now=now, actor="command line"
        )
    engine.dispose()
    return done.ids[0]


def add_code(engine: Engine, suggestion: int, kind: str, coder: str, *, by: str = "command line") -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO code (suggestion_id, kind, coder, outcome, added_at, added_by, removed_by) VALUES"
                " (:suggestion, :kind, :coder, 'unusable', '2026-01-01 00:00:00', :by, '')"
            ),
            {"suggestion": suggestion, "kind": kind, "coder": coder, "by": by},
        )
    engine.dispose()


def test_a_second_demo_replaces_the_first(run_demo: Demo, out: Path, engine: Engine, now: datetime) -> None:
    add_study(engine, "kidney-8", now, simulated=2)
    (out / "weights.json").write_text("of the first")
    (out / "years").mkdir()
    (out / "years" / "report.html").write_text("of the first")
    assert run_demo()[0] == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "kidney-study1-years.toml",
        "made-by-equipoise-demo.txt",
        "report.html",
    ]


def test_what_the_demos_own_participants_named_is_replaced(
    run_demo: Demo, engine: Engine, now: datetime
) -> None:
    suggestion = add_suggestion(engine, now, simulated=True)
    for kind, coder in (("coder", "sim-coder-1"), ("adjudicated", "")):
        add_code(engine, suggestion, kind, coder)
    assert run_demo()[0] == 0


@pytest.mark.parametrize(
    ("simulated", "coder", "by", "complaint"),
    [
        (False, "sim-coder-1", "command line", "1 suggestions that no rehearsal made are kept there"),
        (True, "anna", "command line", "1 codes that the demo did not give are kept there"),
        (True, "sim-coder-1", "account anna", "1 codes that the demo did not give are kept there"),
    ],
)
def test_a_demo_in_which_people_named_or_coded_something_is_kept(
    run_demo: Demo,
    out: Path,
    engine: Engine,
    now: datetime,
    simulated: bool,
    coder: str,
    by: str,
    complaint: str,
) -> None:
    add_code(engine, add_suggestion(engine, now, simulated=simulated), "coder", coder, by=by)
    code, said = run_demo()
    assert code == 2
    assert complaint in said
    assert (out / "equipoise.sqlite").exists()


def test_every_file_of_a_demo_is_known_as_its_own(run_demo: Demo, out: Path) -> None:
    assert run_demo()[0] == 0
    for name in (
        "weights.json",
        "people.csv",
        "coin.jsonl",
        "pool.json",
        "equipoise.sqlite-wal",
        "secret_key",
    ):
        (out / name).touch()
    assert run_demo()[0] == 0


def test_a_folder_that_no_demo_made_is_not_touched(run_demo: Demo, out: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("all my work")
    code, said = run_demo()
    assert code == 2
    assert "thesis.tex" in said
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_a_file_that_somebody_put_into_a_demos_folder_is_kept(run_demo: Demo, out: Path) -> None:
    assert run_demo()[0] == 0
    (out / "answers.csv").write_text("of people")
    code, said = run_demo()
    assert code == 2
    assert "answers.csv" in said
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "people", "complaint"),
    [
        ("kidney-8", 3, "3 people took part in a study there"),
        ("kidney-numeric", 0, "1 more studies were added there"),
    ],
)
def test_a_demo_whose_service_was_used_for_a_study_is_kept(
    run_demo: Demo, out: Path, engine: Engine, now: datetime, name: str, people: int, complaint: str
) -> None:
    # The demo's last line tells how to serve from its folder, so somebody will.
    add_study(engine, name, now, people=people)
    code, said = run_demo()
    assert code == 2
    assert complaint in said
    assert (out / "equipoise.sqlite").exists()


def test_a_demo_in_which_a_paid_model_was_asked_is_kept(run_demo: Demo, out: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO model_reply (request_key, repeat, model, scripted, messages, settings, template,"
                " design_hash, arm, left_values, right_values, side_order, attribute_order, indecision_offered,"
                " attempts) VALUES"
                " ('k', 1, 'm', 0, '[]', '{}', 't', 'h', 'a', '{}', '{}', 'o', '[]', 1, 1)"
            )
        )
    engine.dispose()
    code, said = run_demo()
    assert code == 2
    assert "1 replies of models are kept there" in said
    assert (out / "equipoise.sqlite").exists()
