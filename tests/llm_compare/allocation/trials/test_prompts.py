from __future__ import annotations

import ast
import csv
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS, Column, Kind
from llm_compare.allocation.problems.problem import Candidate, Kidney, Problem, Value
from llm_compare.allocation.trials.prompts import ACKNOWLEDGMENT, messages, n_calls, shown, user_turns
from llm_compare.allocation.trials.trial import (
    ALL_COLUMNS,
    Change,
    Form,
    Identity,
    Strategy,
    Task,
    Trial,
    Turns,
    Way,
)
from llm_compare.errors import CannotAsk
from llm_compare.prompting.messages import Speaker

EVERY_WAY = [
    (task, Way(strategy=strategy, turns=turns, form=form, identity=identity))
    for task in Task
    for strategy in (Strategy if task is Task.VIABILITY else [Strategy.OUT_OF_BOX])
    for turns in Turns
    for form in Form
    for identity in Identity
]


def a_trial(trial_of, problem_set, task, way=None, **parts):
    if way is not None and way.strategy is Strategy.FEW_SHOT:
        parts |= {"examples": 0, "example_pairs": problem_set.example_sets[0]}
    return trial_of(task, way=way, **parts)


def tables(text):
    """Every table of candidates in a text, as rows of named values."""
    found = re.findall(r"^(?:.*: )?(Candidate ID,.*(?:\n[0-9]+,.*)+)", text, re.MULTILINE)
    return [list(csv.DictReader(each.splitlines())) for each in found]


# ---- word for word


SECTIONS = {
    "B.1.1. Out-of-Box": (Task.VIABILITY, Strategy.OUT_OF_BOX),
    "B.1.2. Zero-Shot": (Task.VIABILITY, Strategy.ZERO_SHOT),
    "B.1.3. Few-Shot": (Task.VIABILITY, Strategy.FEW_SHOT),
    "B.2. Choose-One": (Task.CHOOSE_ONE, Strategy.OUT_OF_BOX),
    "B.3. Rank-All": (Task.RANK_ALL, Strategy.OUT_OF_BOX),
}


def without_typesetting(text):
    """Undo what the page's typesetting did to the prompts, each thing named."""
    text = text.translate({ord(c): "'" for c in "\u2018\u2019"})  # curly quotes
    # a blank behind the comma at which a header breaks
    text = re.sub(r"(?<=[A-Z],) (?=[A-Z]+_[A-Z_]+|EDUCATION)", "", text)
    text = text.replace('" White,', '"White,').replace('" Black,', '"Black,').replace('" Asian,', '"Asian,')
    # an example without its period
    return re.sub(r"(not compatible)$", r"\1.", text, flags=re.MULTILINE)


def turns_of(section):
    """The turns of a section of the appendix; an empty line may be lost on the page, never a word."""
    return tuple(re.split(r"^Turn \d: ", without_typesetting(section), flags=re.MULTILINE)[1:])


@pytest.fixture(scope="module")
def appendix(shared):
    text = shared("papers/organ_allocation.txt").read_text("utf-8")
    text = text[text.index("Appendix B Prompts") :]
    starts = sorted((text.index(name), name) for name in SECTIONS)
    ends = [at for at, _ in starts[1:]] + [len(text)]
    return {name: turns_of(text[at + len(name) : end]) for (at, name), end in zip(starts, ends, strict=True)}


def value(column: Column, text: str) -> Value:
    if column.kind is Kind.WORD:
        return text
    return float(text) if "." in text else int(text)


def kidney(header: str, row: str) -> Kidney:
    assert header == ",".join(c.name for c in KIDNEY_COLUMNS)
    (cells,) = csv.reader([row])
    return Kidney(tuple(value(c, t) for c, t in zip(KIDNEY_COLUMNS, cells, strict=True)))


def problem_in(lines: list[str], given_kidney: Kidney) -> Problem:
    ids, candidates = [], []
    for cells in csv.reader(line for line in lines if re.match(r"[0-9]+,", line)):
        ids.append(int(cells[0]))
        values = [value(c, t) for c, t in zip(CANDIDATE_COLUMNS, cells[1:], strict=False)]
        candidates.append(Candidate((*values, *[None] * (len(CANDIDATE_COLUMNS) - len(values)))))
    return Problem(name="p", kidney=given_kidney, candidates=tuple(candidates), ids=tuple(ids))


def kidney_in(turn: str) -> Kidney:
    lines = turn.split("\n")
    return kidney(lines[1], lines[2])


def examples_in(turn: str) -> tuple[Problem, ...]:
    blocks = turn.split("A kidney with this profile: ")[1:]
    made = []
    for block in blocks:
        lines = block.split("\n")
        made.append(problem_in([lines[3]], kidney(lines[0], lines[1])))
    return tuple(made)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_turn_says_what_the_paper_prints_word_for_word(appendix, name):
    task, strategy = SECTIONS[name]
    printed = appendix[name]
    few_shot = strategy is Strategy.FEW_SHOT
    listed = printed[3 if few_shot else 2 if task is Task.VIABILITY else 1]
    problem = problem_in(listed.split("\n"), kidney_in(printed[-1]))
    trial = Trial(
        task=task,
        way=Way(strategy=strategy),
        problem=problem,
        row_order=tuple(range(problem.size)),
        example_pairs=examples_in(printed[2]) if few_shot else (),
    )
    said = user_turns(trial)
    if task is Task.RANK_ALL:  # The one letter that is not quoted.
        said = tuple(re.sub(r"\b15 candidates\b", "N candidates", turn) for turn in said)
        said = tuple(re.sub(r"\b1 to 15\b", "1 to N", turn) for turn in said)
    assert len(said) == len(printed)
    for turn, theirs in zip(said, printed, strict=True):
        # The paper counts a candidate of group A1 as incompatible with a donor of group A, whose kidney they may
        # receive (its own criteria: "type A, they can donate to type A and AB").
        ours = turn.replace("because height and weight not", "because abo, height, and weight not", 1)
        assert (ours != turn) == (few_shot and turn.startswith("For example"))
        assert ours == theirs.strip()


def test_the_paper_s_misspellings_are_kept(trial_of):
    assert "recieved" in user_turns(trial_of(Task.CHOOSE_ONE))[-1]
    assert "Compatibiltiy" in user_turns(trial_of(Task.VIABILITY))[-1]


# ---- turns


@pytest.mark.parametrize(("task", "way"), EVERY_WAY)
def test_a_conversation_takes_a_call_per_turn_and_the_other_ways_one(trial_of, problem_set, task, way):
    trial = a_trial(trial_of, problem_set, task, way)
    n_turns = len(user_turns(trial))
    if way.turns is Turns.CONVERSATION:
        assert n_calls(trial) == n_turns > 2
    else:
        assert n_calls(trial) == 1
        assert (n_turns == 1) == (way.turns is Turns.SINGLE)


def test_in_a_conversation_the_model_s_own_replies_stand_between_the_turns(trial_of):
    trial = trial_of(Task.RANK_ALL)
    turns = user_turns(trial)
    for k in range(3):
        said = messages(trial, [f"reply {i}" for i in range(k)])
        assert [m.content for m in said[::2]] == list(turns[: k + 1])
        assert [m.content for m in said[1::2]] == [f"reply {i}" for i in range(k)]
        assert all(m.role is Speaker.ASSISTANT for m in said[1::2])
        assert all(m.role is Speaker.USER for m in said[::2])


def test_with_acknowledgments_one_call_holds_every_turn(trial_of):
    trial = trial_of(Task.CHOOSE_ONE, way=Way(turns=Turns.ACKNOWLEDGED))
    said = messages(trial)
    assert [m.content for m in said[::2]] == list(user_turns(trial))
    assert [m.content for m in said[1::2]] == [ACKNOWLEDGMENT] * 2


def test_a_single_message_says_the_same_words(trial_of):
    single = trial_of(Task.CHOOSE_ONE, way=Way(turns=Turns.SINGLE))
    (message,) = messages(single)
    assert message.content == "\n\n".join(user_turns(trial_of(Task.CHOOSE_ONE)))


@pytest.mark.parametrize("turns", Turns)
def test_no_turn_follows_the_last(trial_of, turns):
    trial = trial_of(Task.CHOOSE_ONE, way=Way(turns=turns))
    with pytest.raises(ValueError, match="nothing to ask"):
        messages(trial, ["ok"] * n_calls(trial))


# ---- rows, columns, values


def test_rows_stand_in_the_order_of_the_trial_with_their_own_ids(trial_of, problem_set):
    problem = problem_set.problems[0]
    (table,) = tables(user_turns(trial_of(Task.RANK_ALL, row_order=(2, 0, 3, 1)))[1])
    assert [row["Candidate ID"] for row in table] == ["2", "0", "3", "1"]
    for row, number in zip(table, (2, 0, 3, 1), strict=True):
        assert [row[c] for c in ALL_COLUMNS] == [shown(v) for v in problem.candidates[number].values]


def test_what_is_not_known_is_an_empty_cell_and_commas_are_quoted(trial_of):
    text = user_turns(trial_of(Task.RANK_ALL))[1]
    assert (
        "2,A,11,,60,18,7,8,38,180.0,75.2,Male,Hispanic/Latino,ASSOCIATE/BACHELOR DEGREE,Yes,47,MAINE" in text
    )
    assert ',"White, Non-Hispanic",' in text


@pytest.mark.parametrize(
    ("held", "written"),
    [
        (27, "27"),
        (27.0, "27.0"),
        (172.72, "172.72"),
        (0.1 + 0.2, "0.30000000000000004"),
        (None, ""),
        ("AB", "AB"),
    ],
)
def test_a_value_is_written_as_it_is_held(held, written):
    assert shown(held) == written


def test_other_column_orders_move_the_columns_and_their_explanations_and_leave_the_id_first(trial_of):
    order = ALL_COLUMNS[::-1]
    first, second, _ = user_turns(trial_of(Task.CHOOSE_ONE, column_order=order))
    assert f"\nCandidate ID,{','.join(order)}\n" in second
    glossary = ast.literal_eval(re.search(r"Candidate Features: (.*)", first)[1])
    assert tuple(glossary) == order
    assert tables(second) == tables(user_turns(trial_of(Task.CHOOSE_ONE))[1])


def test_viability_explains_every_column_and_shows_the_medical_ones(trial_of):
    turns = user_turns(trial_of(Task.VIABILITY))
    assert "PERM_STATE" in turns[1]
    assert "\nCandidate ID,ABO,A1,A2,B1,B2,DR1,DR2,AGE,HGT_CM_TCR,WGT_KG_TCR\n18,A,2,68," in turns[2]


def test_a_change_shows_in_one_cell_alone(trial_of):
    plain = user_turns(trial_of(Task.RANK_ALL))
    change = Change(candidate=1, grouping="gender", value="Male")
    changed = user_turns(trial_of(Task.RANK_ALL, change=change))
    assert (plain[0], plain[2]) == (changed[0], changed[2])
    (before,), (after,) = tables(plain[1]), tables(changed[1])
    different = [
        (b["Candidate ID"], column)
        for b, a in zip(before, after, strict=True)
        for column in b
        if b[column] != a[column]
    ]
    assert different == [("1", "GENDER")]


# ---- examples


def test_examples_say_which_criteria_fail(trial_of, problem_set):
    trial = a_trial(trial_of, problem_set, Task.VIABILITY, Way(strategy=Strategy.FEW_SHOT))
    text = user_turns(trial)[2]
    assert [line for line in text.split("\n") if line.startswith("Is ")] == [
        "Is not a compatible match because abo not compatible.",
        "Is not a compatible match because height not compatible.",
        "Is a compatible match.",
        "Is not a compatible match because weight not compatible.",
    ]
    assert [row["Candidate ID"] for table in tables(text) for row in table] == ["4", "5", "6", "7"]


# ---- form


@pytest.mark.parametrize("task", Task)
def test_the_json_form_changes_the_last_words_alone(trial_of, task):
    text = user_turns(trial_of(task))
    as_json = user_turns(trial_of(task, way=Way(form=Form.JSON)))
    assert text[:-1] == as_json[:-1]
    asked = text[-1].split("Please follow the format" if task is not Task.CHOOSE_ONE else "Just output")[0]
    assert as_json[-1].startswith(asked)
    key = {Task.VIABILITY: "compatible", Task.CHOOSE_ONE: "candidate", Task.RANK_ALL: "ranking"}[task]
    assert f'{{"{key}": ' in as_json[-1]


# ---- identity


@pytest.mark.parametrize("task", Task)
def test_hidden_shows_no_demographic_column_of_anybody(trial_of, problem_set, task):
    way = Way(
        identity=Identity.HIDDEN,
        strategy=Strategy.FEW_SHOT if task is Task.VIABILITY else Strategy.OUT_OF_BOX,
    )
    text = "\n".join(user_turns(a_trial(trial_of, problem_set, task, way)))
    for column in (*CANDIDATE_COLUMNS, *KIDNEY_COLUMNS):
        assert (re.search(rf"\b{column.name}\b", text) is None) == column.is_demographic, column.name
    assert "White" not in text
    assert "Female" not in text


def test_names_stand_for_gender_and_ethnicity(trial_of):
    trial = trial_of(Task.RANK_ALL, way=Way(identity=Identity.NAMES))
    turns = user_turns(trial)
    candidates = turns[0].split("Candidate Features")[1] + turns[1]
    assert "'NAME': 'CANDIDATE NAME'" in candidates
    assert not re.search(r"\b(GENDER|ETHCAT|Female|Hispanic)\b", candidates)
    (table,) = tables(turns[1])
    assert len({row["NAME"] for row in table}) == 4


def test_viability_shows_names_too(trial_of, problem_set):
    way = Way(identity=Identity.NAMES, strategy=Strategy.FEW_SHOT)
    text = "\n".join(user_turns(a_trial(trial_of, problem_set, Task.VIABILITY, way)))
    assert all(row["NAME"] for table in tables(text) for row in table)
    assert len(tables(text)) == 5


@given(
    gender=st.sampled_from(["Male", "Female"]),
    ethnicity=st.sampled_from(
        ["White, Non-Hispanic", "Black, Non-Hispanic", "Hispanic/Latino", "Asian, Non-Hispanic"]
    ),
)
def test_a_change_of_group_changes_the_name_and_nothing_else(trial_of, gender, ethnicity):
    way = Way(identity=Identity.NAMES)
    for grouping, to in (("gender", gender), ("ethnicity", ethnicity)):
        plain = trial_of(Task.CHOOSE_ONE, way=way)
        changed = replace(plain, change=Change(candidate=0, grouping=grouping, value=to))
        (before,), (after,) = tables(user_turns(plain)[1]), tables(user_turns(changed)[1])
        same = plain.candidates == changed.candidates
        assert (before[0]["NAME"] == after[0]["NAME"]) == same
        first, last = before[0].pop("NAME").split(), after[0].pop("NAME").split()
        if grouping == "gender":
            assert first[1] == last[1]
        assert before == after


def test_a_group_without_names_cannot_be_asked_about_by_name(trial_of):
    trial = trial_of(
        Task.CHOOSE_ONE,
        way=Way(identity=Identity.NAMES),
        change=Change(candidate=2, grouping="ethnicity", value="Multiracial, Non-Hispanic"),
    )
    with pytest.raises(
        CannotAsk, match=r"p01, candidate 2: .*'Multiracial'; draw problems from .*White \(Male\)"
    ):
        user_turns(trial)
