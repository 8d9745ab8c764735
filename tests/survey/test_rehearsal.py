"""Simulated participants on a real server, over real HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime

import httpx
import numpy as np
import pytest
from flask import Flask
from sqlalchemy import Engine, func, select

from survey.answers import Choice
from survey.app import create_app
from survey.config import Secrets, Settings
from survey.db import reading, writing
from survey.design import Profile, StudyDesign
from survey.design_file import EXAMPLES, example_design, parse_design
from survey.export import answers_of_study
from survey.pairing import presentation_count
from survey.rehearsal import RehearsalFailed, rehearse
from survey.served_page import UnexpectedPage, read_page
from survey.serving import served_in_background
from survey.simulated import Conduct, SimulatedRule, known_rule
from survey.store import studies
from survey.tables import (
    AnswerRow,
    FollowUpKind,
    FollowUpRow,
    IdentityRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    Section,
    StatementRow,
)


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with served_in_background(app) as url:
        yield url


def add(engine: Engine, text: str, now: datetime) -> StudyDesign:
    with writing(engine) as session:
        return studies.design_of(studies.add_study(session, text, now=now))


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
        stored = answers_of_study(
            session, studies.find_study(session, "short"), include_simulated=True
        ).answers
        real = answers_of_study(
            session, studies.find_study(session, "short"), include_simulated=False
        ).answers
    assert {(p.simulated, p.state) for p in people} == {(True, ParticipantState.FINISHED)}
    assert {choice: sum(a.choice is choice for a in stored) for choice in Choice} == dict(done.choices)
    assert not real


def test_participants_who_wait_hold_no_connection(
    address: str,
    sqlite_engine: Engine,
    secrets: Secrets,
    short_design: str,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A service takes only so many connections: hundreds of waiting participants once used them up.
    design = add(sqlite_engine, short_design, now)
    lock, opened, most = threading.Lock(), set[int](), 0

    class Counted(httpx.Client):
        def __enter__(self) -> Counted:
            nonlocal most
            with lock:
                opened.add(id(self))
                most = max(most, len(opened))
            super().__enter__()
            return self

        def __exit__(self, *error: object) -> None:
            super().__exit__(*error)  # type: ignore[arg-type]
            with lock:
                opened.discard(id(self))

    monkeypatch.setattr("survey.rehearsal.httpx.Client", Counted)
    done = rehearse(
        design, address, rehearsal_token=secrets.rehearsal_token, participants=12, seed=1, concurrent=2
    )
    assert done.participants == 12
    assert 1 <= most <= 3  # Two who answer and one who arrives.


def test_the_same_seed_gives_the_same_answers(
    address: str, sqlite_engine: Engine, secrets: Secrets, one_arm_design: str, now: datetime
) -> None:
    runs = []
    for version in ("1", "2"):
        text = one_arm_design.replace('version = "1"', f'version = "{version}"')
        design = add(sqlite_engine, text, now)
        with writing(sqlite_engine) as session:
            # The draws follow from the study's seed, which follows from the design: make both studies draw alike.
            studies.find_study(session, "short", version).draw_seed = 7
        rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=3, seed=5)
        with reading(sqlite_engine) as session:
            answers = answers_of_study(
                session, studies.find_study(session, "short", version), include_simulated=True
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
        studies.close_study(session, studies.find_study(session, "short"), now=now)
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
        studies.open_study(session, studies.find_study(session, "short"), now=now)
    # Words that both versions share: nothing on the pages would show that the wrong one is taken.
    second = add(sqlite_engine, one_arm_design.replace('version = "1"', 'version = "2"'), now)
    rehearse(second, address, rehearsal_token=secrets.rehearsal_token, participants=1, seed=1)
    with reading(sqlite_engine) as session:
        counts = [
            len(answers_of_study(session, studies.find_study(session, "short", v), True).answers)
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
            session, studies.find_study(session, "short"), include_simulated=True
        ).answers
    decided = [a for a in answers if a.left["age"] != a.right["age"]]
    assert decided
    assert [a.choice for a in decided] == [
        Choice.LEFT if a.left["age"] > a.right["age"] else Choice.RIGHT for a in decided
    ]


# --- every step ----------------------------------------------------------------------------------------


def answers_of(engine: Engine, slug: str) -> list[tuple[PresentationRow, AnswerRow, ParticipantRow]]:
    with reading(engine) as session:
        study = studies.find_study(session, slug)
        found = session.execute(
            select(PresentationRow, AnswerRow, ParticipantRow)
            .join(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
            .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
            .where(ParticipantRow.study_id == study.id)
            .order_by(ParticipantRow.number, PresentationRow.position)
        )
        return [(p, a, who) for p, a, who in found]


def choices_of(engine: Engine, slug: str, number: int) -> str:
    """Return the initials of what a participant chose, in order."""
    found = answers_of(engine, slug)
    return "".join(a.choice[0] for p, a, who in found if who.number == number and p.position > 0)


# What the first two chose when version 0.1.0 was rehearsed: seeds in papers and figures still mean the same.
CHOSEN = {
    ("kidney-8", 2): ("illrrilrrillrrlrrlrllilrrril", "illririlrlrlrrlrlrlrillirrli"),
    ("kidney-study1", 1): ("rlrllrlrrlllrll", "rrrlrlilrirlilr"),
    ("kidney-numeric", 1): (
        "rlrllrlrrrllrlllrlrlrlrllrlrrlrlrrrlrrrr",
        "lrrlllirlirlrlrrlrlrrllllirrlrrrlrlilrrl",
    ),
}


@pytest.mark.parametrize(("name", "seed"), CHOSEN)
def test_a_seed_means_what_it_always_meant(
    address: str, sqlite_engine: Engine, secrets: Secrets, now: datetime, name: str, seed: int
) -> None:
    design = add(sqlite_engine, (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"), now)
    rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=2, seed=seed)
    assert tuple(choices_of(sqlite_engine, name, number) for number in (1, 2)) == CHOSEN[name, seed]


def test_every_step_of_a_study_is_taken(
    engine: Engine, settings: Settings, secrets: Secrets, quick_complete: str, now: datetime
) -> None:
    design = add(engine, quick_complete, now)
    n, count = 6, presentation_count(design)
    with served_in_background(create_app(settings, engine)) as address:
        done = rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=n, seed=1)
    assert (done.participants, done.endings, done.answers) == (n, {"finished": n}, n * count)
    stored = answers_of(engine, design.slug)
    assert len([1 for p, _, _ in stored if p.position == 0]) == n, "the practice is stored, but not counted"
    counted = [a.choice for p, a, _ in stored if p.position > 0]
    assert {choice: counted.count(choice) for choice in Choice} == dict(done.choices)
    with reading(engine) as session:
        said = session.scalars(select(StatementRow)).all()
        follow_ups = session.scalars(select(FollowUpRow)).all()
        people = session.scalars(select(ParticipantRow)).all()
    assert {p.simulated for p in people} == {True}
    assert {arm: sum(p.arm == arm for p in people) for arm in ("coin", "cannot-decide")} == {
        "coin": n // 2,
        "cannot-decide": n // 2,
    }
    assert {s.value for s in said if s.question == "adult"} == {"yes"}, "nobody screens out"
    assert len({s.participant_id for s in said if s.section is Section.COMPREHENSION}) == n
    assert {s.question for s in said if s.section is Section.DEMOGRAPHICS} == {
        question.name for question in design.demographics
    }
    for kind in FollowUpKind:
        assert sum(f.kind is kind for f in follow_ups) == done.choices[Choice.INDECISION]


@pytest.mark.parametrize(("share", "follows"), [(1.0, True), (0.0, False)])
def test_instructed_checks_are_followed_as_the_conduct_says(
    address: str,
    sqlite_engine: Engine,
    secrets: Secrets,
    quick_complete: str,
    now: datetime,
    share: float,
    follows: bool,
) -> None:
    design = add(sqlite_engine, quick_complete, now)

    class Undecided(SimulatedRule):
        """Never decides, which no instructed check asks for: so only those who follow it decide."""

        def choose(
            self, left: Profile, right: Profile, offered: tuple[Choice, ...], rng: np.random.Generator
        ) -> Choice:
            return Choice.INDECISION if Choice.INDECISION in offered else Choice.LEFT

    rehearse(
        design,
        address,
        rehearsal_token=secrets.rehearsal_token,
        participants=4,
        seed=1,
        rule=Undecided(coefficients={}),
        conduct=Conduct(follows_instructed=share),
    )
    checks = [(p, a) for p, a, _ in answers_of(sqlite_engine, design.slug) if p.note]
    assert len(checks) == 4
    assert [a.choice is p.expected for p, a in checks] == [follows] * 4


def test_a_wrong_answer_about_the_instructions_comes_once_and_then_the_right_one(
    address: str, sqlite_engine: Engine, secrets: Secrets, quick_complete: str, now: datetime
) -> None:
    design = add(sqlite_engine, quick_complete, now)
    conduct = Conduct(errs_in_comprehension=1.0)
    done = rehearse(
        design, address, rehearsal_token=secrets.rehearsal_token, participants=3, seed=1, conduct=conduct
    )
    assert done.endings == {"finished": 3}
    with reading(sqlite_engine) as session:
        given = session.scalars(
            select(StatementRow)
            .where(StatementRow.section == Section.COMPREHENSION)
            .order_by(StatementRow.id)
        ).all()
    assert {s.value for s in given if s.attempt == 1} <= {"guess", "unlike"}
    assert [s.value for s in given if s.attempt == 2] == ["alike"] * 3


def test_what_simulated_participants_say_of_themselves_changes_no_choice(
    address: str, sqlite_engine: Engine, secrets: Secrets, one_arm_design: str, now: datetime
) -> None:
    more = (
        one_arm_design
        + """
[practice]
left = { age = 20, health = "good" }
right = { age = 80, health = "poor" }

[[screener]]
name = "adult"
text = "Are you an adult?"
kind = "choice"
options = [{ name = "yes", words = "Yes" }, { name = "no", words = "No", screens_out = true }]

[[demographics]]
name = "age"
text = "How old are you?"
kind = "number"
"""
    )
    chosen = []
    for version, text in (("1", one_arm_design), ("2", more)):
        design = add(sqlite_engine, text.replace('version = "1"', f'version = "{version}"'), now)
        with writing(sqlite_engine) as session:
            studies.find_study(session, "short", version).draw_seed = 7
        rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=2, seed=5)
        with reading(sqlite_engine) as session:
            found = answers_of_study(session, studies.find_study(session, "short", version), True).answers
        chosen.append(
            [(a.respondent, a.position, a.left, a.right, a.choice) for a in found if a.position > 0]
        )
    assert len(chosen[0]) == 8
    assert chosen[0] == chosen[1]


def test_who_finds_the_quota_full_ends_there(
    address: str, sqlite_engine: Engine, secrets: Secrets, quick_complete: str, now: datetime
) -> None:
    design = add(sqlite_engine, quick_complete.replace("[quotas]\nmost = 1000", "[quotas]\nmost = 2"), now)
    done = rehearse(design, address, rehearsal_token=secrets.rehearsal_token, participants=5, seed=1)
    assert done.endings == {"finished": 2, "quota_full": 3}
    assert done.participants == 2
    assert done.answers == 2 * presentation_count(design)


class TheOld(SimulatedRule):
    """Takes the old rather than the young."""

    def choose(
        self, left: Profile, right: Profile, offered: tuple[Choice, ...], rng: np.random.Generator
    ) -> Choice:
        return Choice.LEFT if left["age"] == "old" else Choice.RIGHT


def test_a_study_is_rehearsed_in_another_language(
    address: str, sqlite_engine: Engine, secrets: Secrets, quick_complete: str, now: datetime
) -> None:
    design = add(sqlite_engine, quick_complete, now)
    for language in ("de", "en"):
        done = rehearse(
            design,
            address,
            rehearsal_token=secrets.rehearsal_token,
            participants=2,
            seed=1,
            language=language,
            conduct=Conduct(follows_instructed=1.0),
            rule=TheOld(coefficients={}),
        )
        assert done.endings == {"finished": 2}
    stored = answers_of(sqlite_engine, design.slug)
    assert (
        [p.language for p, _, _ in stored].count("de") == [p.language for p, _, _ in stored].count("en") > 0
    )
    for p, a, _ in stored:
        ages = p.left_values["age"], p.right_values["age"]
        if ages[0] != ages[1] and not p.note:
            assert a.choice is (Choice.LEFT if ages[0] == "old" else Choice.RIGHT)


def test_the_same_ids_come_back_for_the_next_wave(
    address: str, sqlite_engine: Engine, secrets: Secrets, quick_complete: str, now: datetime
) -> None:
    design = add(sqlite_engine, quick_complete, now)
    token = secrets.rehearsal_token
    rehearse(design, address, rehearsal_token=token, participants=2, seed=1, ids="sim")
    with writing(sqlite_engine) as session:
        studies.open_next_wave(session, studies.find_study(session, design.slug), now=now)
    again = rehearse(design, address, rehearsal_token=token, participants=3, seed=2, ids="sim")
    assert again.endings == {"finished": 3}
    with reading(sqlite_engine) as session:
        people = session.scalars(select(ParticipantRow).order_by(ParticipantRow.id)).all()
        identities = session.scalar(select(func.count()).select_from(IdentityRow))
    assert sorted((p.code, p.wave) for p in people) == [
        ("sim-00001", 1),
        ("sim-00001", 2),
        ("sim-00002", 1),
        ("sim-00002", 2),
        (people[-1].code, 2),
    ]
    assert identities == 3
    third = rehearse(design, address, rehearsal_token=token, participants=3, seed=3, ids="sim")
    assert (third.endings, third.answers) == ({"finished": 3}, 0), (
        "who has finished has nothing left to answer"
    )


def test_an_adaptive_study_repeats_its_choices_one_participant_at_a_time(
    address: str, sqlite_engine: Engine, secrets: Secrets, quick_complete: str, now: datetime
) -> None:
    adaptive, changed = re.subn(
        r'^kind = "balanced"$', 'kind = "adaptive"', quick_complete, flags=re.MULTILINE
    )
    assert changed == 1
    chosen = []
    for version in ("1", "2"):
        design = add(sqlite_engine, adaptive.replace('version = "1"', f'version = "{version}"'), now)
        with writing(sqlite_engine) as session:
            studies.find_study(session, design.slug, version).draw_seed = 7
        token = secrets.rehearsal_token
        rehearse(design, address, rehearsal_token=token, participants=3, seed=5, concurrent=1)
        with reading(sqlite_engine) as session:
            study = studies.find_study(session, design.slug, version)
            found = answers_of_study(session, study, include_simulated=True).answers
        chosen.append([(a.respondent, a.position, a.left, a.right, a.choice) for a in found])
    assert len(chosen[0]) == 3 * presentation_count(parse_design(adaptive))
    assert chosen[0] == chosen[1]


def test_a_form_takes_only_what_it_asks() -> None:
    page = read_page(
        '<body data-page="describing"><form action="/demographics">'
        '<input type="hidden" name="csrf_token" value="t">'
        '<input type="radio" name="gender" value="woman"><input type="radio" name="gender" value="man">'
        '<input type="text" name="age"><button>Finish</button></form>'
    )
    form = page.form("/demographics")
    assert page.name == "describing"
    assert form.sent_with(filled_in={"gender": ["man"], "age": ["43"]}) == {
        "csrf_token": "t",
        "gender": ["man"],
        "age": ["43"],
    }
    for name, answer in (("gender", "other"), ("height", "180")):
        with pytest.raises(UnexpectedPage, match=f"does not take '{answer}' for '{name}'"):
            form.sent_with(filled_in={name: [answer]})


def test_a_line_that_names_no_answer_is_noticed(quick_complete: str) -> None:
    page = read_page(
        '<p id="note">Please answer “Patient C”.</p><form action="/answer">'
        '<button name="choice" value="left">Patient A</button></form>'
    )
    with pytest.raises(UnexpectedPage, match="names none of its answers"):
        page.instructed(parse_design(quick_complete))
