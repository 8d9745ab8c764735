"""A training file holds what was trained on, word for word, and nobody's name; a damaged one says where."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from llm_compare.errors import BadTrainingSet
from llm_compare.prompting.variant import AnswerFormat, Paraphrase, Variant
from llm_compare.replies.record import BadRecord
from llm_compare.tuning.training_sets.labels import LabelKind, Sides, examples_of
from llm_compare.tuning.training_sets.training_file import (
    TrainingSet,
    answers_of,
    read_training_set,
    variant_from,
    write_training_set,
)
from survey.design import design_hash


@pytest.fixture
def training_set(study, crowd):
    """Return a function that makes a set of the crowd's answers."""

    def make(labels=LabelKind.SHARES, sides=Sides.BOTH, variant=None):
        variant = variant or Variant()
        found = examples_of(crowd().answers, study, study.arms[0], variant, labels, sides, "young")
        return TrainingSet(
            name="young-0030-1",
            group="young",
            personas=False,
            size=len(found.units),
            draw=1,
            labels=labels,
            sides=sides,
            design_hash=design_hash(study),
            arm="with-coin",
            variant=variant,
            examples=tuple(e for unit in found.units for e in unit.examples),
        )

    return make


@pytest.mark.parametrize("labels", list(LabelKind))
def test_what_is_written_is_read(training_set, study, tmp_path, labels):
    made = training_set(labels)
    write_training_set(tmp_path / "set.jsonl", made)
    assert read_training_set(tmp_path / "set.jsonl", study.attributes) == made
    write_training_set(tmp_path / "again.jsonl", made)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "set.jsonl").read_bytes()


def test_nobody_is_named_and_nobody_else_may_read_it(training_set, tmp_path):
    path = tmp_path / "set.jsonl"
    write_training_set(path, training_set(LabelKind.ANSWERS))
    assert b"person-" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("labels", list(LabelKind))
@pytest.mark.parametrize("sides", list(Sides))
def test_the_answers_behind_a_set_are_each_told_once(training_set, crowd, labels, sides):
    made = training_set(labels, sides)

    def counted(answers):
        # Of two patients, whichever way round: who was chosen.
        return Counter(
            (a.comparison, a.choice if a.comparison.first == a.left else a.choice.mirrored) for a in answers
        )

    found = answers_of(made)
    assert all(a.respondent is None and a.arm == "with-coin" and a.indecision_offered for a in found)
    truth = counted(crowd().answers)
    if labels is LabelKind.MAJORITY:  # Ties are in no set.
        assert counted(found) <= truth
        assert len(found) == sum(e.n for e in made.examples) // (2 if sides is Sides.BOTH else 1)
    else:
        assert counted(found) == truth


def test_numbers_stay_whole(training_set, study, tmp_path):
    write_training_set(tmp_path / "set.jsonl", training_set())
    found = read_training_set(tmp_path / "set.jsonl", study.attributes)
    assert {type(v) for e in found.examples for v in e.left.as_dict().values()} == {int}


def test_variants_are_read_back():
    paraphrase = Paraphrase(name="short", question="Who?")
    given = Variant(name="v", persona="a nurse", answer_format=AnswerFormat.JSON, paraphrase=paraphrase)
    assert variant_from(given.as_dict()) == given
    with pytest.raises(BadRecord, match=r"variant: .*loud"):
        variant_from({"name": "v", "answer_format": "loud"})
    with pytest.raises(BadRecord, match="variant: "):
        variant_from({"name": "v", "colour": "red"})


def _example(line, **changes):
    return json.dumps(json.loads(line) | changes)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda lines: [], r":1: is not JSON"),
        (lambda lines: ['{"format": "replies"}', *lines[1:]], r":1: is not the first line of a training set"),
        (lambda lines: [_example(lines[0], format_version=9), *lines[1:]], r":1: is version 9"),
        (lambda lines: [_example(lines[0], labels="votes"), *lines[1:]], r":1: labels: is 'votes'"),
        (lambda lines: lines[:-1], r"holds 59 examples, but its first line says 60"),
        (lambda lines: [*lines[:2], "{", *lines[3:]], r":3: is not JSON"),
        (lambda lines: [lines[0], _example(lines[1], group=3), *lines[2:]], r":2: group: is a whole number"),
        (lambda lines: [lines[0], _example(lines[1], left={"age": 30}), *lines[2:]], r":2: no value for"),
        (lambda lines: [lines[0], _example(lines[1], messages=[]), *lines[2:]], r":2: messages: is empty"),
        (lambda lines: [lines[0], _example(lines[1], comparison="0" * 12), *lines[2:]], r":2: comparison: "),
        (
            lambda lines: [lines[0], _example(lines[1], side_order="second_left"), *lines[2:]],
            r":2: side_order: ",
        ),
        (lambda lines: [lines[0], _example(lines[1], targets=[]), *lines[2:]], r":2: shares of an example"),
        (
            lambda lines: [lines[0], lines[1].replace('"choice": "left"', '"choice": "right"'), *lines[2:]],
            r":2: targets: name a choice twice",
        ),
        (
            lambda lines: [lines[0], lines[1].replace('"content": "A', '"content": "B', 1), *lines[2:]],
            r"was changed after it was written",
        ),
        (lambda lines: [*lines[:1], *lines[2:], lines[1]], r"was changed after it was written"),
    ],
)
def test_a_damaged_file_says_where(training_set, study, tmp_path, change, complaint):
    path = tmp_path / "set.jsonl"
    write_training_set(path, training_set())
    lines = path.read_text().splitlines()
    assert len(lines) == 61
    changed = change(lines)
    assert changed != lines
    path.write_text("".join(f"{line}\n" for line in changed))
    with pytest.raises(BadTrainingSet, match=complaint) as failure:
        read_training_set(path, study.attributes)
    assert str(path) in str(failure.value)


def test_a_missing_file_says_what_to_name(study, tmp_path):
    with pytest.raises(BadTrainingSet, match="tune prepare"):
        read_training_set(tmp_path / "nowhere.jsonl", study.attributes)
