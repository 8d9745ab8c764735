"""Training sets as other trainers read them."""

from __future__ import annotations

import json
import stat
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.manifest import file_hash
from llm_compare.errors import BadTrainingSet
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.prompting.request import SideOrder
from llm_compare.prompting.variant import Variant
from llm_compare.tuning.training_sets.example import Example, Target
from llm_compare.tuning.training_sets.formats import (
    LEAST_LINES,
    FormatKind,
    as_file,
    check_openai,
    lines_of,
    write_formats,
)
from llm_compare.tuning.training_sets.held_out import HeldOut
from llm_compare.tuning.training_sets.labels import LabelKind, Sides, examples_of
from llm_compare.tuning.training_sets.preparation import PrepareSettings, prepare
from llm_compare.tuning.training_sets.prepared_writing import write_prepared
from llm_compare.tuning.training_sets.training_file import TrainingSet
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import design_hash, make_profile
from survey.design_file import EXAMPLES, example_design

KIDNEY_8 = example_design("kidney-8")
ARM = KIDNEY_8.arms[0]
PAIRS = KIDNEY_8.comparisons()
MARK = {Choice.LEFT: "A", Choice.RIGHT: "B", Choice.INDECISION: "C"}


def answer(pair, choice, respondent, *, swapped=False):
    left, right = (pair.second, pair.first) if swapped else (pair.first, pair.second)
    return Answer(
        respondent=respondent,
        kind=RespondentKind.HUMAN,
        arm=ARM.name,
        position=1,
        left=left,
        right=right,
        choice=choice,
        indecision_offered=True,
        design_hash=design_hash(KIDNEY_8),
    )


def set_of(answers, labels, sides=Sides.BOTH, name="all-0016-1"):
    labelled = examples_of(answers, KIDNEY_8, ARM, Variant(), labels, sides)
    return TrainingSet(
        name=name,
        group="",
        personas=False,
        size=len(labelled.units),
        draw=1,
        labels=labels,
        sides=sides,
        design_hash=design_hash(KIDNEY_8),
        arm=ARM.name,
        variant=Variant(),
        examples=tuple(e for unit in labelled.units for e in unit.examples),
    )


def hand_made(labels=LabelKind.SHARES):
    """One comparison that three people answered, shown from one side."""
    old, young = (make_profile(KIDNEY_8.attributes, p.as_dict()) for p in (PAIRS[0].first, PAIRS[0].second))
    return TrainingSet(
        name="all-0001-1",
        group="",
        personas=False,
        size=1,
        draw=1,
        labels=labels,
        sides=Sides.AS_SHOWN,
        design_hash="d" * 64,
        arm=ARM.name,
        variant=Variant(),
        examples=(
            Example(
                messages=(
                    Message(role=Speaker.SYSTEM, content="Decide."),
                    Message(role=Speaker.USER, content="Älter?\u2028A, B or C."),
                ),
                targets=(
                    Target(choice=Choice.LEFT, text="A", share=2 / 3, n=2),
                    Target(choice=Choice.INDECISION, text="C", share=1 / 3, n=1),
                    Target(choice=Choice.RIGHT, text="B", share=0.0, n=0),
                ),
                left=old,
                right=young,
                side_order=SideOrder.FIRST_LEFT,
            ),
        ),
    )


PROMPT = '{"role": "system", "content": "Decide."}, {"role": "user", "content": "Älter?\u2028A, B or C."}'


@pytest.mark.parametrize("kind", [FormatKind.OPENAI, FormatKind.AXOLOTL])
def test_a_chat_line_holds_the_prompt_and_one_persons_answer(kind):
    line = f'{{"messages": [{PROMPT}, {{"role": "assistant", "content": "%s"}}]}}'
    assert sorted(lines_of(hand_made(), kind)) == [line % "A", line % "A", line % "C"]


def test_a_prompt_completion_line_holds_the_answer_apart_from_the_prompt():
    line = f'{{"prompt": [{PROMPT}], "completion": [{{"role": "assistant", "content": "%s"}}]}}'
    assert sorted(lines_of(hand_made(), FormatKind.PROMPT_COMPLETION)) == [
        line % "A",
        line % "A",
        line % "C",
    ]


def test_majority_labels_are_one_line_per_example():
    people = [Choice.LEFT, Choice.LEFT, Choice.INDECISION]
    answers = [answer(PAIRS[0], choice, f"p{i}") for i, choice in enumerate(people)]
    said = [
        json.loads(line)["messages"][-1]["content"]
        for line in lines_of(set_of(answers, LabelKind.MAJORITY), FormatKind.OPENAI)
    ]
    assert sorted(said) == ["A", "B"]  # From the two sides.


gave = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(list(Choice)), st.booleans()), min_size=1, max_size=30
)


@pytest.mark.parametrize("labels", [LabelKind.ANSWERS, LabelKind.SHARES])
@settings(max_examples=25, deadline=None)
@given(gave=gave)
def test_there_is_a_line_per_answer_and_side_with_the_shares_of_peoples_answers(labels, gave):
    answers = [
        answer(PAIRS[i], choice, f"p{n}", swapped=swapped) for n, (i, choice, swapped) in enumerate(gave)
    ]
    training_set = set_of(answers, labels)
    lines = lines_of(training_set, FormatKind.OPENAI)
    assert len(lines) == 2 * len(answers)
    # Counted from the answers themselves: with both sides, left and right are equally frequent.
    decided = sum(a.choice is not Choice.INDECISION for a in answers)
    said = Counter(json.loads(line)["messages"][-1]["content"] for line in lines)
    assert said == +Counter({"A": decided, "B": decided, "C": 2 * (len(answers) - decided)})
    # And comparison by comparison, as they were shown.
    prompts = {(e.comparison_id, e.side_order): e.messages[1].content for e in training_set.examples}
    lines_by_prompt = Counter(
        (m[1]["content"], m[2]["content"]) for m in (json.loads(line)["messages"] for line in lines)
    )
    expected = Counter()
    for a in answers:
        first_left = a.left == a.comparison.first
        for order in SideOrder:
            same = (order is SideOrder.FIRST_LEFT) == first_left
            example = next(
                e for e in training_set.examples if e.comparison == a.comparison and e.side_order is order
            )
            choice = a.choice if same else a.choice.mirrored
            expected[prompts[example.comparison_id, order], MARK[choice]] += 1
    assert lines_by_prompt == expected


def test_as_people_were_shown_there_is_one_line_per_answer():
    answers = [answer(PAIRS[i % 5], Choice.LEFT, f"p{i}", swapped=i % 2 == 0) for i in range(12)]
    for labels in (LabelKind.ANSWERS, LabelKind.SHARES):
        lines = lines_of(set_of(answers, labels, Sides.AS_SHOWN), FormatKind.OPENAI)
        assert [json.loads(line)["messages"][-1]["content"] for line in lines] == ["A"] * 12


def test_the_order_of_lines_tells_nothing_of_the_order_of_examples():
    answers = [answer(PAIRS[i % 9], list(Choice)[i % 3], f"p{i}") for i in range(30)]
    one = set_of(answers, LabelKind.ANSWERS)
    other = replace(one, examples=one.examples[::-1])
    lines = lines_of(one, FormatKind.OPENAI)
    assert lines == lines_of(other, FormatKind.OPENAI)
    assert list(lines) != sorted(lines)
    assert lines != lines_of(replace(one, name="all-0016-2"), FormatKind.OPENAI)


# --- what a provider would refuse -------------------------------------------------------------------------

LINE = '{"messages": [{"role": "user", "content": "A or B?"}, {"role": "assistant", "content": "A"}]}'


def test_a_file_that_openai_takes_is_counted():
    found = check_openai(as_file([LINE] * 9 + [LINE.replace('"A"', '"B"')]), where="here")
    assert (found.lines, found.answers, found.characters) == (10, {"A": 9, "B": 1}, 80)


def test_lines_are_told_apart_by_line_feeds_alone():
    lines = lines_of(replace(hand_made(), examples=hand_made().examples * 4), FormatKind.OPENAI)
    assert check_openai(as_file(lines), where="here").lines == 12


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (as_file([LINE] * (LEAST_LINES - 1)), "9 lines"),
        (as_file([LINE] * 10 + ["{"]), "line 11: no JSON"),
        (as_file([LINE] * 10 + ["[]"]), "line 11: no list of messages"),
        (as_file([LINE] * 10 + ['{"messages": []}']), "line 11: the last message"),
        (as_file([LINE] * 10 + [LINE.replace("assistant", "user")]), "line 11: the last message"),
        (as_file([LINE] * 10 + [LINE.replace("user", "assistant")]), "only that"),
        (as_file([LINE] * 10 + [LINE.replace("user", "system")]), "a user's among them"),
        (as_file([LINE] * 10 + [LINE.replace('"user"', '"tool"')]), "messages are of"),
        (as_file([LINE] * 10 + [LINE.replace('"A"', '""')]), "line 11: a message without text"),
        (as_file([LINE] * 10 + [LINE.replace('"A"', "null")]), "line 11: a message without text"),
    ],
)
def test_a_file_that_openai_would_refuse_is_named_with_the_line(text, complaint):
    with pytest.raises(BadTrainingSet, match=complaint) as refused:
        check_openai(text, where="here")
    assert str(refused.value).startswith("here")


# --- files ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a folder prepared from 12 people's answers to all comparisons, and those answers."""
    rng = np.random.default_rng(3)
    answers = [
        answer(pair, list(Choice)[rng.integers(3)], f"p{person}") for person in range(12) for pair in PAIRS
    ]
    made = prepare(
        KIDNEY_8,
        AnswerSet(attributes=KIDNEY_8.attributes, answers=answers, source="made up"),
        PrepareSettings(sizes=(16, 32), draws=2, held_out=HeldOut(comparisons=0.25, participants=0.25)),
    )
    folder = tmp_path_factory.mktemp("formats") / "prepared"
    return write_prepared(folder, made, design_file=EXAMPLES / "kidney-8.toml", manifest={})


def test_every_set_is_written_in_every_format_with_a_manifest_that_is_right(prepared):
    written = write_formats(prepared, [*FormatKind, FormatKind.OPENAI])
    assert len(written) == len(set(written)) == 3 * (4 + 1) + 4
    for kind in FormatKind:
        manifest = json.loads((prepared.folder / kind / "manifest.json").read_text())
        assert manifest["format"] == kind
        assert manifest["prepared_sha256"] == file_hash(prepared.folder / "manifest.json")
        assert [f["file"] for f in manifest["files"]] == [f"{e.name}.jsonl" for e in prepared.sets]
        for entry, record in zip(prepared.sets, manifest["files"], strict=True):
            path = prepared.folder / kind / record["file"]
            lines = path.read_text().splitlines()
            assert record["sha256"] == file_hash(path)
            assert record["set_sha256"] == file_hash(entry.path)
            assert record["lines"] == len(lines) == sum(record["choices"].values()) == 2 * entry.n_answers
            assert record["side_orders"] == ["first_left", "second_left"]


def test_files_with_peoples_answers_are_their_owners_alone_and_name_nobody(prepared):
    for path in write_formats(prepared, list(FormatKind)):
        if path.suffix == ".jsonl":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text()
        assert not any(f'"p{person}"' in text for person in range(12))


def test_what_an_earlier_preparation_left_is_not_taken_for_this_ones(prepared):
    folder = prepared.folder / FormatKind.AXOLOTL
    folder.mkdir(exist_ok=True)
    old = [folder / "all-9999-1.jsonl", folder / "all-9999-1.yaml"]
    for path in old:
        path.write_text("")
    (folder / "notes.txt").write_text("mine")
    write_formats(prepared, [FormatKind.AXOLOTL])
    assert not any(path.exists() for path in old)
    assert (folder / "notes.txt").read_text() == "mine"
    write_formats(prepared, [])
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_the_lines_for_axolotl_name_the_file_and_train_on_the_answer_alone(prepared):
    write_formats(prepared, [FormatKind.AXOLOTL])
    path = prepared.folder / "axolotl" / f"{prepared.sets[0].name}.yaml"
    assert path.read_text().splitlines()[1:] == [
        "train_on_inputs: false",
        "datasets:",
        f'  - path: "{path.with_suffix(".jsonl")}"',
        "    ds_type: json",
        "    type: chat_template",
        "    chat_template: tokenizer_default",
        "    field_messages: messages",
        '    roles_to_train: ["assistant"]',
        "    train_on_eos: turn",
    ]


def test_written_again_the_files_are_the_same_bytes(prepared):
    paths = write_formats(prepared, [FormatKind.OPENAI])
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_formats(prepared, [FormatKind.OPENAI])] == before
