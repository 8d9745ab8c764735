"""Labels say what people said: as often, from either side, in the prompts' own words."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.errors import CannotTune
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.variant import AnswerFormat, Marks, Variant
from llm_compare.tuning.training_sets.labels import LabelKind, Sides, examples_of
from survey.answers import Choice

_PAIRS = [((25, 1, 0), (40, 2, 0)), ((25, 1, 0), (70, 1, 2)), ((60, 5, 1), (40, 2, 0))]
ROWS = st.lists(
    st.tuples(st.sampled_from(_PAIRS), st.booleans(), st.sampled_from(list(Choice))), min_size=1, max_size=25
)


def made(answer, rows):
    return [
        answer(f"p{i}", *(pair if straight else pair[::-1]), choice)
        for i, (pair, straight, choice) in enumerate(rows)
    ]


def labelled(answers, study, labels, sides=Sides.BOTH, variant=None):
    return examples_of(answers, study, study.arms[0], variant or Variant(), labels, sides)


def patients(example):
    return (example.left.values, example.right.values)


def answered(answers, left, right, *, as_shown):
    """Count what was said of two patients with these sides, by hand."""
    counts = Counter()
    for a in answers:
        if (a.left.values, a.right.values) == (left, right):
            counts[a.choice] += 1
        elif (a.right.values, a.left.values) == (left, right) and not as_shown:
            counts[a.choice.mirrored] += 1
    return counts


@settings(max_examples=20)
@given(rows=ROWS, labels=st.sampled_from(list(LabelKind)), sides=st.sampled_from(list(Sides)))
def test_labels_are_the_counts_of_the_answers(answer, study, rows, labels, sides):
    answers = made(answer, rows)
    try:
        found = labelled(answers, study, labels, sides)
    except CannotTune:
        assert labels is LabelKind.MAJORITY
        return
    examples = [e for unit in found.units for e in unit.examples]
    by_sides = {}
    for e in examples:
        by_sides.setdefault(patients(e), []).append(e)
    as_shown = sides is Sides.AS_SHOWN
    for (left, right), same in by_sides.items():
        truth = answered(answers, left, right, as_shown=as_shown)
        n = sum(truth.values())
        total = Counter()
        for e in same:
            total.update({t.choice: t.n for t in e.targets})
        assert +total == truth
        if labels is LabelKind.ANSWERS:
            assert len(same) == n
            assert all(sorted(e.shares().values()) == [0, 0, 1] and e.n == 1 for e in same)
        elif labels is LabelKind.SHARES:
            (e,) = same
            assert e.shares() == {c: pytest.approx(truth[c] / n) for c in Choice}
        else:
            (e,) = same
            (most,) = (c for c, share in e.shares().items() if share == 1)
            assert all(truth[most] > truth[c] for c in Choice if c is not most)
    if not as_shown:
        # Each has its twin right behind it, with the sides exchanged.
        for unit in found.units:
            one, other = unit.examples
            assert patients(one) == patients(other)[::-1]
            assert one.shares() == {c.mirrored: share for c, share in other.shares().items()}
    tied = 0
    for left, right in {p for e in answers for p in [tuple(sorted((e.left.values, e.right.values)))]}:
        ways = [(left, right), (right, left)] if as_shown else [(left, right)]
        truths = [t for way in ways if (t := answered(answers, *way, as_shown=as_shown))]
        tied += all(list(t.values()).count(max(t.values())) > 1 for t in truths)
    assert found.n_tied == (tied if labels is LabelKind.MAJORITY else 0)


@settings(max_examples=20)
@given(rows=ROWS, data=st.data())
def test_the_order_of_the_rows_does_not_show(answer, study, rows, data):
    answers = made(answer, rows)
    shuffled = [replace(a, respondent="x") for a in data.draw(st.permutations(answers))]
    for labels in (LabelKind.ANSWERS, LabelKind.SHARES):
        assert labelled(shuffled, study, labels) == labelled(answers, study, labels)


@pytest.mark.parametrize(
    ("answer_format", "marks", "texts"),
    [
        (AnswerFormat.LETTER, Marks.LETTERS, ["A", "C", "B"]),
        (AnswerFormat.FIRST_TOKEN, Marks.NUMBERS, ["1", "3", "2"]),
        (AnswerFormat.JSON, Marks.LETTERS, ['{"answer": "A"}', '{"answer": "C"}', '{"answer": "B"}']),
        (AnswerFormat.FREE, Marks.LETTERS, ["Patient A", "Flip a coin", "Patient B"]),
    ],
)
def test_prompts_are_word_for_word_those_of_asking(study, crowd, answer_format, marks, texts):
    variant = Variant(name="tried", answer_format=answer_format, marks=marks)
    answers = crowd().answers[:20]
    found = labelled(answers, study, LabelKind.SHARES, variant=variant)
    asked = plan_requests(
        study,
        dict.fromkeys(a.comparison for a in answers),
        arm=study.arms[0],
        model="openai/some",
        settings=Settings(),
        variants=(variant,),
    )
    examples = {patients(e): e for unit in found.units for e in unit.examples}
    assert len(examples) == len(asked)
    for request in asked:
        example = examples[request.left.values, request.right.values]
        assert example.messages == request.messages
        assert example.side_order is request.side_order
        assert [t.text for t in example.targets] == texts


def test_formats_that_ask_for_more_than_people_told_are_refused(study, crowd):
    with pytest.raises(CannotTune, match="hold more than people's choices tell"):
        labelled(
            crowd().answers[:5],
            study,
            LabelKind.ANSWERS,
            variant=Variant(name="r", answer_format=AnswerFormat.REASONED),
        )


def test_majority_labels_erase_indecision_and_the_numbers_say_so(study, answer):
    pair = ((25, 1, 0), (40, 2, 0))
    answers = [answer("p", *pair, c) for c in ["left"] * 6 + ["indecision"] * 4]
    answers += [answer("p", (25, 1, 0), (70, 1, 0), c) for c in ["left", "right"]]
    majority = labelled(answers, study, LabelKind.MAJORITY)
    assert (majority.indecision_of_answers, majority.indecision_of_labels) == (pytest.approx(4 / 12), 0)
    assert majority.n_tied == 1
    shares = labelled(answers, study, LabelKind.SHARES)
    assert shares.indecision_of_labels == pytest.approx(0.2)  # Two comparisons, alike: 0.4 and 0.
    with pytest.raises(CannotTune, match="in no comparison"):
        labelled(answers[-2:], study, LabelKind.MAJORITY)
    with pytest.raises(CannotTune, match="no answers"):
        labelled([], study, LabelKind.ANSWERS)
