"""People's choices beside models': the table for the survey, and the way back from its export."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from llm_compare.allocation.fairness.collected import selections_of
from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS
from llm_compare.allocation.problems.drawing import draw_problem_set
from llm_compare.allocation.problems.problem import Origin, ProblemSet
from llm_compare.allocation.problems.problems_file import problems_sha256, write_problems
from llm_compare.allocation.problems.synthetic import synthetic_candidates, synthetic_kidneys
from llm_compare.allocation.trials.answer import Outcome, RespondentKind
from llm_compare.allocation.trials.people import people_trials
from llm_compare.allocation.trials.people_section import people_section
from llm_compare.allocation.trials.trial import ALL_COLUMNS
from llm_compare.commands.people_task import people_task_command
from llm_compare.errors import BadProblems, BadTrials
from survey.allocation_task import in_words
from survey.answers import Choice
from survey.bundle import write_bundle
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES, parse_design
from survey.migration import upgrade
from survey.recruitment import IdKeeper
from survey.store import answering, choice_tasks, choosing, participants, studies
from survey.tables import ParticipantState

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

HEADER = [
    "respondent",
    "wave",
    "arm",
    "position",
    "problem",
    "set_sha256",
    "columns",
    "row_order",
    "indecision_offered",
    "language",
    "revision",
    "counts",
    "choice",
    "chosen",
    "seconds",
    "seconds_problem",
    "server_seconds",
    "input",
    "hidden_seconds",
    "width",
    "served_at",
    "answered_at",
]


@pytest.fixture(scope="module")
def problems() -> ProblemSet:
    return draw_problem_set(
        synthetic_candidates(2_000, seed=1),
        synthetic_kidneys(100, seed=1),
        origin=Origin.SYNTHETIC,
        source="synthetic, drawn in a test",
        title="Three problems",
        seed=1,
        n_problems=3,
        n_candidates=4,
        n_kidneys_viability=3,
        n_candidates_viability=3,
        n_example_sets=1,
    )


def section_of(problems: ProblemSet, **options: object) -> str:
    given = {"columns": ALL_COLUMNS, "n_problems": None, "per_respondent": 2} | options
    return people_section(problems, **given)  # type: ignore[arg-type]


def design_with(section: str) -> str:
    return (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8") + "\n" + section


def exported(path: Path, problems: ProblemSet, *rows: dict[str, str]) -> Path:
    """Write a file as a study's export has it."""
    ids = ";".join(map(str, reversed(problems.problems[0].ids)))
    usual = {
        **dict.fromkeys(HEADER, ""),
        "respondent": "p-one",
        "wave": "1",
        "position": "1",
        "problem": problems.problems[0].name,
        "set_sha256": problems_sha256(problems),
        "columns": ";".join(ALL_COLUMNS),
        "row_order": ids,
        "counts": "yes",
        "choice": "candidate",
        "chosen": str(problems.problems[0].ids[2]),
        "seconds": "12.5",
        "served_at": "2026-11-22T12:00:00.000+00:00",
    }
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, HEADER, lineterminator="\n")
        writer.writeheader()
        writer.writerows(usual | row for row in rows)
    return path


# --- to the survey -------------------------------------------------------------------------------------


def test_the_table_puts_the_very_same_problems_into_a_design(problems: ProblemSet) -> None:
    asked = parse_design(design_with(section_of(problems))).choose_one
    assert asked is not None
    assert (asked.problems_per_respondent, asked.set_sha256) == (2, problems_sha256(problems))
    assert [column.name for column in asked.columns] == list(ALL_COLUMNS)
    for problem, original in zip(asked.problems, problems.problems, strict=True):
        assert (problem.name, problem.ids) == (original.name, original.ids)
        shown = in_words(asked, problem, problem.ids, indecision=None)
        for candidate, own in zip(shown.candidates, original.candidates, strict=True):
            for column, words in zip(CANDIDATE_COLUMNS, candidate.facts, strict=True):
                value = own[column.name]
                # Nothing known, or a second antigen that there is not, is an empty place.
                absent = value is None or (value == 0 and column.name != "DAYSWAIT_CHRON_KI")
                assert words.lower() == ("" if absent else str(value).lower()), column.name


def test_fewer_columns_and_problems_can_be_shown(problems: ProblemSet) -> None:
    section = section_of(problems, columns=("AGE", "GENDER"), n_problems=2, per_respondent=1)
    asked = parse_design(design_with(section)).choose_one
    assert asked is not None
    assert [column.name for column in asked.columns] == ["AGE", "GENDER"]
    assert [column.name for column in asked.resource] == ["AGE_DON", "GENDER_DON"]
    assert len(asked.problems) == 2
    assert asked.set_sha256 == problems_sha256(
        problems
    )  # Of the whole set: by it the answers are found again.


def test_records_of_a_registry_are_never_shown_on_the_web(problems: ProblemSet) -> None:
    with pytest.raises(BadProblems, match="must not be shown on the web"):
        section_of(replace(problems, origin=Origin.REGISTRY))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"columns": ("AGE", "INCOME")}, "no column 'INCOME'"),
        ({"n_problems": 4}, "has 3 problems to choose one in, not 4"),
        ({"per_respondent": 9}, "9 problems per respondent are more than the 3 there are"),
    ],
)
def test_what_the_set_does_not_have_cannot_be_asked(
    problems: ProblemSet, options: dict[str, object], says: str
) -> None:
    with pytest.raises(BadProblems, match=says):
        section_of(problems, **options)


def test_a_title_cannot_break_out_of_its_comment(problems: ProblemSet) -> None:
    section = section_of(replace(problems, title="One\n[study]\r\x00"))
    assert set(tomllib.loads(section)) == {"choose_one"}


def test_the_command_writes_the_table(problems: ProblemSet, tmp_path: Path) -> None:
    write_problems(tmp_path / "problems.json", problems)
    out = tmp_path / "section.toml"
    arguments = [
        str(tmp_path / "problems.json"),
        "--out",
        str(out),
        "--problems",
        "2",
        "--per-respondent",
        "1",
    ]
    done = CliRunner().invoke(people_task_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "2 problems" in done.output
    assert out.read_text(encoding="utf-8") == section_of(problems, n_problems=2, per_respondent=1)


def test_what_people_choose_in_the_survey_is_read_back(problems: ProblemSet, tmp_path: Path) -> None:
    """The whole way: the table, the study, a participant, the export, the trials."""
    url = f"sqlite:///{tmp_path / 'survey.sqlite'}"
    upgrade(url)
    engine = make_engine(url)
    text = design_with(section_of(problems)).replace("per_respondent = 28", "per_respondent = 1")
    with writing(engine) as session:
        study = studies.add_study(session, text, now=NOW)
        studies.open_study(session, study, now=NOW)
        arrival = participants.Arrival(start_key="a page's key", language="en")
        keeper = IdKeeper("a key for tests, long enough to be one")
        person = participants.start_participant(session, study, arrival, keeper, now=NOW)
        participants.consent(session, person, now=NOW)
        answering.begin(session, person, now=NOW)
        shown = answering.open_presentation(session, studies.design_of(study), person)
        assert shown is not None
        untimed = {"client_seconds": None, "client_seconds_problem": "not measured (no script)"}
        answering.record_answer(
            session,
            person,
            answering.Sent(presentation=shown.token, revision=1, choice=Choice.LEFT, **untimed),
            now=NOW,
        )
        tasks = []
        for indecision in (False, True):
            task = choice_tasks.open_task(session, person)
            assert task is not None
            tasks.append((task.problem, list(task.row_order)))
            choosing.record_choice(
                session,
                person,
                choosing.SentChoice(
                    task=task.token, revision=1, chosen=None if indecision else task.row_order[1], **untimed
                ),
                now=NOW,
            )
        assert person.state is ParticipantState.FINISHED
        write_bundle(session, study, tmp_path / "bundle", include_simulated=False)
    engine.dispose()
    file = people_trials(tmp_path / "bundle" / "choose_one.csv", problems)
    assert [a.trial.problem.name for a in file.answered] == [name for name, _ in tasks]
    ids = {problem.name: problem.ids for problem in problems.problems}
    for answered, (name, row_order) in zip(file.answered, tasks, strict=True):
        assert [ids[name][number] for number in answered.trial.row_order] == row_order
    assert [a.read.outcome for a in file.answered] == [Outcome.ANSWER, Outcome.INDECISION]
    assert file.answered[0].read.order == (file.answered[0].trial.row_order[1],)
    assert file.answered[0].trial.column_order == ALL_COLUMNS


# --- and back ------------------------------------------------------------------------------------------


def test_people_come_back_as_trials(problems: ProblemSet, tmp_path: Path) -> None:
    last = str(problems.problems[0].ids[-1])
    file = people_trials(
        exported(
            tmp_path / "choose_one.csv",
            problems,
            {},
            {"respondent": "p-two", "counts": "no", "chosen": last},  # Changed later:
            {"respondent": "p-two", "choice": "indecision", "chosen": ""},
            {"respondent": "p-three", "chosen": last, "seconds": "999", "seconds_problem": "not plausible"},
            {
                "respondent": "p-four",
                "counts": "no",
                "choice": "",
                "chosen": "",
                "seconds": "",
            },  # Not answered.
        ),
        problems,
    )
    assert (file.kind, file.label, file.planned) == (RespondentKind.PEOPLE, "people", 4)
    assert [(a.respondent, a.trial.repeat, a.read.outcome, a.read.order) for a in file.answered] == [
        ("p-one", 0, Outcome.ANSWER, (2,)),
        ("p-two", 1, Outcome.INDECISION, ()),
        ("p-three", 2, Outcome.ANSWER, (3,)),
    ]
    first = file.answered[0]
    assert first.trial.row_order == (3, 2, 1, 0)
    assert (first.reply.seconds, file.answered[2].reply.seconds) == (12.5, None)
    assert (file.counts[Outcome.ANSWER], file.counts[Outcome.INDECISION]) == (2, 1)
    selections = selections_of(file, problems.problems)
    assert list(selections.chosen) == [2, 3]  # Indecision selects nobody.
    assert list(selections.row) == [1, 0]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"set_sha256": "0" * 64}, "name the problems.json"),
        ({"set_sha256": ""}, r"\(none stated\)"),
        ({"problem": "p99"}, "no problem 'p99'"),
        ({"row_order": "0;1"}, "other candidates"),
        ({"columns": "AGE;INCOME"}, "columns that candidates do not have"),
        ({"chosen": "99"}, "'99' is no candidate"),
        ({"choice": "left"}, "is no candidate"),
        ({"seconds": "soon"}, "no number"),
        ({"served_at": "today"}, "no date and time"),
    ],
)
def test_a_row_that_does_not_fit_the_problems_is_refused(
    problems: ProblemSet, tmp_path: Path, row: dict[str, str], says: str
) -> None:
    path = exported(tmp_path / "choose_one.csv", problems, {}, {"respondent": "p-two"} | row)
    with pytest.raises(BadTrials, match=rf"choose_one\.csv:3: .*{says}"):
        people_trials(path, problems)


@pytest.mark.parametrize("body", [b"", b"respondent,wave\n", b"\xff\xfe", b'"'])
def test_another_file_is_refused(problems: ProblemSet, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "answers.csv").write_bytes(body)
    with pytest.raises(BadTrials, match=r"answers\.csv: "):
        people_trials(tmp_path / "answers.csv", problems)


def test_a_file_that_is_not_there_is_named(problems: ProblemSet, tmp_path: Path) -> None:
    with pytest.raises(BadTrials, match=r"none\.csv: No such file"):
        people_trials(tmp_path / "none.csv", problems)
