from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.allocation.trials.answer import Outcome
from llm_compare.allocation.trials.reading import Repair, faults, is_whole, read_trial
from llm_compare.allocation.trials.trial import Task
from llm_compare.replies.reply import Failure, Reply

GOLDEN = tomllib.loads(Path(__file__).with_name("golden_trials.toml").read_text("utf-8"))
ASKED = {
    "viability": (Task.VIABILITY, (18,)),
    "choose-one": (Task.CHOOSE_ONE, (7, 3, 0, 12)),
    "rank-all": (Task.RANK_ALL, (7, 3, 0, 12)),
    "one_to_three": (Task.RANK_ALL, (1, 2, 3)),
    "choose_one_to_three": (Task.CHOOSE_ONE, (1, 2, 3)),
}
CASES = [(name, *case) for name, cases in GOLDEN.items() for case in cases]
CUT = "<CUT>"


def reply_with(text):
    return Reply(content=text.removesuffix(CUT), finish_reason="length" if text.endswith(CUT) else "stop")


def test_the_golden_table_covers_every_task_and_every_outcome_of_a_text():
    assert len(CASES) >= 120
    outcomes = {(name, case[1]) for name, cases in GOLDEN.items() for case in cases}
    for name in ("viability", "choose-one", "rank-all"):
        assert {o for n, o in outcomes if n == name} >= {"answer", "refusal", "truncated", "unreadable"}
    assert len({(c[0], c[1]) for c in CASES}) == len(CASES)


@pytest.mark.parametrize(
    ("name", "text", "outcome", "answer", "rule"), CASES, ids=[repr(c[1])[:60] for c in CASES]
)
def test_a_reply_of_the_golden_table_is_read_as_it_says(trial_of, name, text, outcome, answer, rule):
    task, ids = ASKED[name]
    read = read_trial(reply_with(text), trial_of(task, ids=ids))
    assert read.outcome is Outcome(outcome), read
    if task is Task.VIABILITY:
        assert read.viable == (None if answer == [] else answer)
        assert read.order == ()
    else:
        assert [ids[number] for number in read.order] == answer
        assert read.viable is None
    assert re.search(rule, read.rule), read.rule
    assert read.repairs == ()


# ---- the provider's own marks


@pytest.mark.parametrize("task", Task)
def test_what_the_provider_says_comes_before_the_text(trial_of, task):
    trial = trial_of(task)
    answer = {Task.VIABILITY: "18, Yes", Task.CHOOSE_ONE: "2", Task.RANK_ALL: "0, 1\n1, 2\n2, 3\n3, 4"}[task]
    assert read_trial(Reply(content=answer), trial).outcome is Outcome.ANSWER
    for reply, outcome in (
        (Reply(content=None, error=Failure(kind="Timeout", status=None, message="late")), Outcome.ERROR),
        (Reply(content=answer, refusal="I will not."), Outcome.REFUSAL),
        (Reply(content=answer, finish_reason="content_filter"), Outcome.REFUSAL),
        (Reply(content=None), Outcome.UNREADABLE),
        (Reply(content=None, finish_reason="length"), Outcome.TRUNCATED),
    ):
        assert read_trial(reply, trial).outcome is outcome


# ---- the row order is not the order of the numbers


def test_ids_are_read_as_the_candidates_numbers_whatever_the_order_shown(trial_of):
    trial = trial_of(Task.RANK_ALL, ids=(40, 30, 20, 10), row_order=(2, 0, 3, 1))
    assert read_trial(Reply(content="20, 1\n40, 2\n10, 3\n30, 4"), trial).order == (2, 0, 3, 1)
    trial = trial_of(Task.CHOOSE_ONE, ids=(40, 30, 20, 10), row_order=(2, 0, 3, 1))
    assert read_trial(Reply(content="30"), trial).order == (1,)


# ---- repairs


REPAIRS = [
    # reply, what each repair makes of it: order and what was done; None for nothing
    ("7, 1\n3, 2\n0, 3", {"last-place": [7, 3, 0, 12]}),
    ("12, 1", {"last-place": [12, 3, 7, 0]}),
    ("7, 1\n3, 3\n0, 4", {"last-place": [7, 3, 0, 12]}),
    ("7, 1\n5, 2\n3, 3\n0, 4\n12, 5", {"drop-strangers": [7, 3, 0, 12]}),
    ("7, 1\n5, 2\n3, 3\n0, 4", {"both": [7, 3, 0, 12]}),
    ("7, 1\n3, 2\n0, 2\n12, 3", {}),
    ("7, 1\n3, 2\n0, 2", {}),
    ("7\n3\n7\n0", {}),
    ("7, 1\n3, 2\n0, 4\n12, 5", {}),
]


@pytest.mark.parametrize(("text", "made"), REPAIRS)
def test_a_ranking_is_made_whole_only_by_the_repair_that_was_asked_for(trial_of, text, made):
    ids = (7, 3, 0, 12)
    trial = trial_of(Task.RANK_ALL, ids=ids, row_order=(1, 0, 3, 2))
    plain = read_trial(Reply(content=text), trial)
    assert plain.outcome is Outcome.INCOMPLETE
    for repair in (Repair.DROP_STRANGERS, Repair.LAST_PLACE, Repair.BOTH):
        order = made.get(repair.value) or (next(iter(made.values()), None) if repair is Repair.BOTH else None)
        read = read_trial(Reply(content=text), trial, repair)
        if order is None:
            assert read == plain
        else:
            assert read.outcome is Outcome.ANSWER
            assert [ids[n] for n in read.order] == order
            assert plain.rule in read.rule
            needed = ["drop-strangers", "last-place"] if "both" in made else list(made)
            assert list(read.repairs) == needed


@pytest.mark.parametrize("repair", Repair)
def test_repairs_change_nothing_that_needs_none(trial_of, repair):
    for name, text, outcome, _, _ in CASES:
        task, ids = ASKED[name]
        trial = trial_of(task, ids=ids)
        if outcome != "incomplete":
            assert read_trial(reply_with(text), trial, repair) == read_trial(reply_with(text), trial)


# ---- every order, in every form


FORMS = {
    "asked": lambda ids: "\n".join(f"{i}, {r}" for r, i in enumerate(ids, 1)),
    "asked, by id": lambda ids: "\n".join(f"{i}, {ids.index(i) + 1}" for i in sorted(ids)),
    "header": lambda ids: "Candidate ID, Ranking (1 to N)\n" + FORMS["asked"](ids),
    "swapped": lambda ids: "Ranking, Candidate ID\n" + "\n".join(f"{r}, {i}" for r, i in enumerate(ids, 1)),
    "table": lambda ids: (
        "| Candidate ID | Ranking |\n|---|---|\n" + "\n".join(f"| {i} | {r} |" for r, i in enumerate(ids, 1))
    ),
    "table by rank": lambda ids: (
        "| Rank | Candidate ID | Reason |\n|---|---|---|\n"
        + "\n".join(f"| {r} | {i} | waited {100 - r} days |" for r, i in enumerate(ids, 1))
    ),
    "fence": lambda ids: f"Here it is:\n```csv\n{FORMS['header'](ids)}\n```\n",
    "numbered": lambda ids: "\n".join(f"{r}. Candidate {i}" for r, i in enumerate(ids, 1)),
    "numbered with reasons": lambda ids: "\n".join(
        f"{r}. **Candidate {i}**: waited {99 - r} days" for r, i in enumerate(ids, 1)
    ),
    "bare numbered": lambda ids: "\n".join(f"{r}) {i}" for r, i in enumerate(ids, 1)),
    "labeled": lambda ids: "\n".join(f"Candidate ID: {i}, Ranking: {r}" for r, i in enumerate(ids, 1)),
    "rank first": lambda ids: "\n".join(f"Rank {r}: Candidate {i}" for r, i in enumerate(ids, 1)),
    "ids": lambda ids: "\n".join(map(str, ids)),
    "one line": lambda ids: ", ".join(map(str, ids)),
    "JSON": lambda ids: json.dumps({"ranking": ids}),
    "JSON list": lambda ids: json.dumps(ids, indent=1),
    "JSON rows": lambda ids: json.dumps([{"candidate": i, "rank": r} for r, i in enumerate(ids, 1)]),
    "JSON ranks": lambda ids: json.dumps({str(i): ids.index(i) + 1 for i in sorted(ids)}),
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(data=st.data())
def test_every_ranking_in_every_form_reads_back(trial_of, form, data):
    n = data.draw(st.integers(3, 20))
    ids = data.draw(
        st.one_of(
            st.just(list(range(n))),
            st.just(list(range(1, n + 1))),
            st.lists(st.integers(0, 999), min_size=n, max_size=n, unique=True),
        )
    )
    order = data.draw(st.permutations(ids))
    read = read_trial(Reply(content=FORMS[form](order)), trial_of(Task.RANK_ALL, ids=ids))
    assert read.outcome is Outcome.ANSWER, read
    assert [ids[number] for number in read.order] == order


@given(ids=st.lists(st.integers(0, 999), min_size=1, max_size=15, unique=True), data=st.data())
def test_every_choice_in_every_form_reads_back(trial_of, ids, data):
    chosen = data.draw(st.sampled_from(ids))
    for text in (
        f"{chosen}",
        f"Candidate {chosen}",
        f"Candidate ID: {chosen}",
        f"Candidate ID\n{chosen}",
        f"**{chosen}**",
        f"The best match is candidate {chosen}.",
        f"Many things count.\n\nAnswer: {chosen}",
        json.dumps({"candidate": chosen}),
    ):
        read = read_trial(Reply(content=text), trial_of(Task.CHOOSE_ONE, ids=ids))
        assert (read.outcome, read.order) == (Outcome.ANSWER, (ids.index(chosen),)), text


PIECES = [
    *(
        "7",
        "3",
        "0",
        "12",
        "18",
        "1",
        ", ",
        "\n",
        "Candidate ",
        "Rank ",
        "Yes",
        "No",
        "{",
        "}",
        "[",
        "]",
        '"ranking": ',
    ),
    *(
        "|",
        "-",
        ".",
        ")",
        "```",
        ":",
        "not ",
        "Answer: ",
        "best match is ",
        "wait ",
        "Final ranking:\n",
        "\\boxed{",
    ),
]


@given(text=st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)), length=st.booleans())
def test_no_text_breaks_the_reading_and_answers_are_whole(trial_of, text, length):
    reply = Reply(content=text, finish_reason="length" if length else "stop")
    for task, ids in (ASKED["viability"], ASKED["choose-one"], ASKED["rank-all"]):
        trial = trial_of(task, ids=ids)
        for repair in Repair:
            read = read_trial(reply, trial, repair)
            assert read.rule
            if read.outcome is Outcome.ANSWER:
                size = {Task.VIABILITY: 0, Task.CHOOSE_ONE: 1, Task.RANK_ALL: 4}[task]
                assert len(read.order) == len(set(read.order)) == size
                assert (read.viable is None) == (task is not Task.VIABILITY)
            else:
                assert read.repairs == ()
                assert read.viable is None
            assert set(read.order) <= set(range(4))


@pytest.mark.parametrize(
    "text",
    [
        "9" * 100_000,
        "7, " * 30_000,
        "[" * 50_000,
        "7 " * 50_000,
        "Candidate " * 20_000,
        "(" * 50_000,
        "| " * 50_000,
        "\n" * 50_000,
        "- \n" * 30_000,
    ],
)
@pytest.mark.parametrize("task", Task)
def test_a_hostile_text_is_read_in_time(trial_of, task, text):
    assert read_trial(Reply(content=text), trial_of(task)).outcome in (Outcome.UNREADABLE, Outcome.INCOMPLETE)


@given(
    entries=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=6),
)
def test_faults_are_found_exactly_where_a_ranking_is_not_whole(entries):
    ids = (0, 1, 2, 3)
    whole = sorted(i for i, _ in entries) == [0, 1, 2, 3] and sorted(r for _, r in entries) == [1, 2, 3, 4]
    assert (faults(entries, ids) == []) == whole
    assert is_whole(entries, ids) == whole
