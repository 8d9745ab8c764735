"""Simulated participants on a real server, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from survey import store
from survey.answers import Choice
from survey.app import create_app
from survey.config import Secrets, Settings
from survey.db import reading, writing
from survey.design import Profile, StudyDesign
from survey.design_file import example_design, parse_design
from survey.export import answers_of_study
from survey.rehearsal import RehearsalFailed, SimulatedRule, known_rule, rehearse
from survey.served_page import UnexpectedPage, read_page
from survey.serving import served_in_background
from survey.tables import AnswerRow, ParticipantRow, ParticipantState


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with served_in_background(app) as url:
        yield url


def add(engine: Engine, text: str, now: datetime) -> StudyDesign:
    with writing(engine) as session:
        return store.design_of(store.add_study(session, text, now=now))


def test_simulated_participants_take_the_survey_and_are_marked(
    engine: Engine, settings: Settings, secrets: Secrets, short_design: str, now: datetime
) -> None:
    design = add(engine, short_design, now)
    answered: list[int] = []
    with served_in_background(create_app(settings, engine)) as address:
        done = rehearse(
            design,
            address,
            rehearsal_token=secrets.rehearsal_token,
            participants=3,
            seed=1,
            progress=answered.append,
        )
    assert (done.participants, done.answers, len(answered), done.stopped) == (3, 12, 12, False)
    with reading(engine) as session:
        people = session.scalars(select(ParticipantRow)).all()
        stored = answers_of_study(session, store.find_study(session, "short"), include_simulated=True).answers
        real = answers_of_study(session, store.find_study(session, "short"), include_simulated=False).answers
    assert {(p.simulated, p.state) for p in people} == {(True, ParticipantState.FINISHED)}
    assert {choice: sum(a.choice is choice for a in stored) for choice in Choice} == dict(done.choices)
    assert not real


def test_the_same_seed_gives_the_same_answers(
    address: str, sqlite_engine: Engine, secrets: Secrets, one_arm_design: str, now: datetime
) -> None:
    runs = []
    for version in ("1", "2"):
        text = one_arm_design.replace('version = "1"', f'version = "{version}"')
        design = add(sqlite_engine, text, now)
        with writing(sqlite_engine) as session:
            # The draws follow from the study's seed, which follows from the design: make both studies draw alike.
            store.find_study(session, "short", version).draw_seed = 7
        rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=3, seed=5)
        with reading(sqlite_engine) as session:
            answers = answers_of_study(
                session, store.find_study(session, "short", version), include_simulated=True
            )
        runs.append([(a.respondent, a.position, a.left, a.right, a.choice) for a in answers.answers])
    assert len(runs[0]) == 12
    assert runs[0] == runs[1]


def test_a_stopped_rehearsal_loses_nothing(
    address: str, sqlite_engine: Engine, secrets: Secrets, one_arm_design: str, now: datetime
) -> None:
    design = add(sqlite_engine, one_arm_design, now)
    stop = threading.Event()
    done = rehearse(
        design,
        address,
        rehearsal_token=secrets.rehearsal_token,
        participants=4,
        seed=1,
        concurrent=2,
        stop=stop,
        progress=lambda _: stop.set(),
    )
    assert done.stopped
    assert 1 <= done.answers < 16
    with reading(sqlite_engine) as session:
        assert session.scalar(select(func.count()).select_from(AnswerRow)) == done.answers


def test_a_service_that_is_not_there_is_named(one_arm_design: str) -> None:
    with pytest.raises(RehearsalFailed, match=r"http://127\.0\.0\.1:9: "):
        rehearse(
            parse_design(one_arm_design), "http://127.0.0.1:9", rehearsal_token="x", participants=1, seed=1
        )


def test_a_service_with_another_secret_refuses(
    address: str, sqlite_engine: Engine, one_arm_design: str, now: datetime
) -> None:
    design = add(sqlite_engine, one_arm_design, now)
    with pytest.raises(RehearsalFailed, match="403"):
        rehearse(design, address, rehearsal_token="guess", participants=1, seed=1)


def test_a_closed_study_is_named_with_the_way_out(
    address: str, sqlite_engine: Engine, secrets: Secrets, one_arm_design: str, now: datetime
) -> None:
    design = add(sqlite_engine, one_arm_design, now)
    with writing(sqlite_engine) as session:
        store.close_study(session, store.find_study(session, "short"), now=now)
    with pytest.raises(RehearsalFailed, match="study 'short' version 1 is closed"):
        rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=1, seed=1)


@pytest.mark.parametrize("name", ["kidney-8", "kidney-numeric", "kidney-study1"])
def test_the_known_rule_goes_in_the_usual_direction(name: str) -> None:
    design = example_design(name)
    rule = known_rule(design)
    rng = np.random.default_rng(0)
    for _ in range(20):
        profile = design.draw_profile(rng)
        for attribute in design.attributes:
            values = profile.as_dict()
            utilities = [rule.utility(design.profile(values | {attribute.name: v})) for v in attribute.values]
            favoured = getattr(attribute, "favoured", None)
            if favoured is not None:
                assert max(utilities) == utilities[attribute.values.index(favoured)]
                assert min(utilities) < max(utilities)
            elif getattr(attribute, "favours", None) == "low":
                assert utilities == sorted(utilities, reverse=True)
            else:
                assert utilities == sorted(utilities)


def test_choices_follow_the_stated_probabilities(one_arm_design: str) -> None:
    design = parse_design(one_arm_design)
    left = design.profile({"age": 20, "health": "good"})
    right = design.profile({"age": 60, "health": "good"})
    rule = SimulatedRule(coefficients={"age": -0.02}, indecision_log_weight=-0.25)
    rng = np.random.default_rng(3)
    n = 20_000
    drawn = [rule.choose(left, right, tuple(Choice), rng) for _ in range(n)]
    d = 0.02 * 40
    weights = {Choice.LEFT: np.exp(d / 2), Choice.RIGHT: np.exp(-d / 2), Choice.INDECISION: np.exp(-0.25)}
    for choice, weight in weights.items():
        expected = weight / sum(weights.values())
        assert drawn.count(choice) / n == pytest.approx(
            expected, abs=4 * np.sqrt(expected * (1 - expected) / n)
        )


def test_a_page_that_says_what_the_design_never_says_is_noticed(one_arm_design: str) -> None:
    design = parse_design(one_arm_design)
    page = read_page(
        "<table><tr><th>A</th><td></td><th>B</th></tr>"
        "<tr><td>21 years old</td><th>Age</th><td>20 years old</td></tr></table>"
    )
    with pytest.raises(UnexpectedPage, match="'21 years old'"):
        page.compared(design)


def test_a_new_version_is_rehearsed_while_another_is_open_to_people(
    address: str, sqlite_engine: Engine, secrets: Secrets, one_arm_design: str, now: datetime
) -> None:
    add(sqlite_engine, one_arm_design, now)
    with writing(sqlite_engine) as session:
        store.open_study(session, store.find_study(session, "short"), now=now)
    # Words that both versions share: nothing on the pages would show that the wrong one is taken.
    second = add(sqlite_engine, one_arm_design.replace('version = "1"', 'version = "2"'), now)
    rehearse(second, address, rehearsal_token=secrets.rehearsal_token, participants=1, seed=1)
    with reading(sqlite_engine) as session:
        counts = [
            len(answers_of_study(session, store.find_study(session, "short", v), True).answers)
            for v in ("1", "2")
        ]
    assert counts == [0, 4]


def test_a_design_that_the_service_does_not_have_is_named(
    address: str, sqlite_engine: Engine, secrets: Secrets, one_arm_design: str, now: datetime
) -> None:
    add(sqlite_engine, one_arm_design, now)
    other = parse_design(one_arm_design.replace("What to do.", "Else."))
    with pytest.raises(RehearsalFailed, match=r"no study 'short' with exactly this design \(version 1\)"):
        rehearse(other, address, rehearsal_token=secrets.rehearsal_token, participants=1, seed=1)


class TheOlder(SimulatedRule):
    """Always takes the older, so that a mix-up of sides, rows or values would show."""

    def choose(
        self, left: Profile, right: Profile, offered: tuple[Choice, ...], rng: np.random.Generator
    ) -> Choice:
        return Choice.LEFT if left["age"] > right["age"] else Choice.RIGHT


OFF_THE_GRID = """
[profiles]
kind = "list"
list = [{ age = 20.5, health = "good" }, { age = 80, health = "poor" }, { name = "N", age = 40, health = "good" }]

[comparisons]
kind = "list"
list = [
    { left = "N", right = { age = 20.5, health = "good" } },
    { left = { age = 33, health = "poor" }, right = "N" },
]
per_respondent = 2
sides = "fixed"

[indecision]
offered = false
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[profiles]", OFF_THE_GRID),
        ('words = "in poor health"', r'words = "  in <poor>\n  health & \"more\" "'),
        ('label = "Age"', 'label = "Age <in>   years"'),
        ("minimum = 20\nmaximum = 80\nstep = 20", "minimum = -1\nmaximum = 1\nstep = 0.1"),
        ("minimum = 20\nmaximum = 80\nstep = 20", "points = [-2.5, 1, 1e9]"),
        ("per_respondent = 4", 'per_respondent = 4\nattribute_order = "per_comparison"'),
    ],
)
def test_what_a_page_says_is_read_back_as_what_was_drawn(
    address: str,
    sqlite_engine: Engine,
    secrets: Secrets,
    one_arm_design: str,
    now: datetime,
    old: str,
    new: str,
) -> None:
    text = one_arm_design.replace(old, new)
    if old == "[profiles]":
        text = text[: text.index(OFF_THE_GRID) + len(OFF_THE_GRID)]
    design = add(sqlite_engine, text, now)
    rule = TheOlder(coefficients={})
    rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=2, seed=1, rule=rule)
    with reading(sqlite_engine) as session:
        answers = answers_of_study(
            session, store.find_study(session, "short"), include_simulated=True
        ).answers
    decided = [a for a in answers if a.left["age"] != a.right["age"]]
    assert decided
    assert [a.choice for a in decided] == [
        Choice.LEFT if a.left["age"] > a.right["age"] else Choice.RIGHT for a in decided
    ]
