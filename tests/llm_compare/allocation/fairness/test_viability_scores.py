from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from llm_compare.allocation.fairness.viability_scores import (
    UNDEFINED,
    Confusion,
    Metric,
    viability_scores,
)
from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS
from llm_compare.allocation.problems.problem import Candidate, Kidney, Problem
from llm_compare.allocation.problems.viability import Reason
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, Read
from llm_compare.allocation.trials.trial import Change, Task, Trial, Way
from llm_compare.replies.reply import Reply

DONOR = {"ABO_DON": "A", "HGT_CM_DON_CALC": 170.0, "WGT_KG_DON_CALC": 70.0}
FITS = {"ABO": "A", "HGT_CM_TCR": 175.0, "WGT_KG_TCR": 75.0}
KIDNEY = Kidney(tuple(DONOR.get(c.name) for c in KIDNEY_COLUMNS))


def pair(name: str, **other) -> Problem:
    """Return a pair that is viable but for ``other`` values."""
    values = FITS | other
    candidate = Candidate(tuple(values.get(c.name) for c in CANDIDATE_COLUMNS))
    return Problem(name=name, kidney=KIDNEY, candidates=(candidate,), ids=(0,))


def answer(
    problem: Problem, viable: bool | None, *, repeat: int = 0, outcome=Outcome.ANSWER
) -> AnsweredTrial:
    trial = Trial(task=Task.VIABILITY, way=Way(), problem=problem, row_order=(0,), repeat=repeat)
    return AnsweredTrial(
        trial=trial, reply=Reply(content=""), read=Read(outcome=outcome, rule="", viable=viable)
    )


def value(reading, metric: Metric) -> float | None:
    return next(s.by_pair.value for s in reading.scores if s.metric is metric)


def answers(pairs, shares, repeats: int = 5) -> list[AnsweredTrial]:
    """Return answers of which ``shares`` of each pair's repeats call it viable."""
    return [
        answer(p, r < round(share * repeats), repeat=r)
        for p, share in zip(pairs, shares, strict=True)
        for r in range(repeats)
    ]


def test_the_papers_table_1_is_rebuilt_from_its_counts(shared):
    rows = json.loads(shared("reference/organ_allocation_table1_viability.json").read_text("utf-8"))["rows"]
    assert len(rows) == 9
    for row in rows:
        confusion = Confusion(tp=row["TP"], fp=row["FP"], tn=row["TN"], fn=row["FN"])
        assert confusion.trials == row["trials"]
        for cell in ("TP", "FP", "TN", "FN"):
            assert round(100 * getattr(confusion, cell.lower()) / confusion.trials, 1) == row["percent"][cell]
        for metric in (Metric.ACCURACY, Metric.PRECISION, Metric.RECALL, Metric.F1):
            percent = 100 * confusion.value(metric)
            # One F1 is printed as 77.1 where its counts give 77.049.
            one = metric is Metric.F1 and row["f1"] == 77.1
            assert percent == pytest.approx(row[metric.value], abs=0.0501 if not one else 0.052)


def test_metrics_the_paper_does_not_print_are_those_worked_out_by_hand():
    confusion = Confusion(tp=6, fp=1, tn=3, fn=2)
    assert confusion.value(Metric.SPECIFICITY) == 0.75
    assert confusion.value(Metric.BALANCED_ACCURACY) == 0.75
    assert confusion.value(Metric.MCC) == pytest.approx((6 * 3 - 1 * 2) / (7 * 8 * 4 * 5) ** 0.5)


def test_what_cannot_be_divided_is_none_with_a_reason():
    never = [
        answer(pair("p1"), False),
        answer(pair("p2", ABO="B"), False),
        answer(pair("p3", ABO="B"), False),
    ]
    reading = viability_scores(never, seed=1).answered
    by_metric = {s.metric: s.by_pair for s in reading.scores}
    for metric in (Metric.PRECISION, Metric.MCC):
        assert reading.confusion.value(metric) is None
        assert by_metric[metric].value is None
        assert by_metric[metric].reason == UNDEFINED[metric]
    assert by_metric[Metric.RECALL].value == 0
    assert by_metric[Metric.SPECIFICITY].value == 1
    assert Confusion(tp=0, fp=0, tn=0, fn=0).value(Metric.ACCURACY) is None
    assert set(UNDEFINED) == set(Metric)


def test_truth_is_what_the_criteria_say_and_every_reply_lands_in_its_cell():
    said = [
        answer(pair("viable"), True),
        answer(pair("viable"), False, repeat=1),
        answer(pair("tall", HGT_CM_TCR=183.0), True),
        answer(pair("heavy", WGT_KG_TCR=95.0), False),
        answer(pair("blood", ABO="O"), False),
    ]
    found = viability_scores(said, seed=1)
    assert found.answered.confusion == Confusion(tp=1, fp=1, tn=2, fn=1)
    assert found.strict.confusion == found.answered.confusion
    assert (found.pairs, found.viable_pairs) == (4, 1)
    assert value(found.answered, Metric.ACCURACY) == 0.6


def test_what_is_no_answer_is_counted_and_wrong_only_in_the_strict_reading():
    yes, no = pair("viable"), pair("blood", ABO="O")
    said = [
        answer(yes, True),
        answer(no, False),
        answer(yes, None, repeat=1, outcome=Outcome.REFUSAL),
        answer(no, None, repeat=1, outcome=Outcome.UNREADABLE),
        answer(no, None, repeat=2, outcome=Outcome.TRUNCATED),
        answer(no, None, repeat=3, outcome=Outcome.ERROR),
    ]
    found = viability_scores(said, seed=1)
    counts = dict(found.outcomes)
    assert set(counts) == set(Outcome)
    assert counts[Outcome.ANSWER] == 2
    once = (Outcome.REFUSAL, Outcome.TRUNCATED, Outcome.UNREADABLE, Outcome.ERROR)
    assert [counts[outcome] for outcome in once] == [1, 1, 1, 1]
    assert sum(counts.values()) == len(said)
    assert found.answered.confusion == Confusion(tp=1, fp=0, tn=1, fn=0)
    assert found.strict.confusion == Confusion(tp=1, fp=2, tn=1, fn=1)  # The failed call is in neither.
    assert value(found.strict, Metric.ACCURACY) == pytest.approx(2 / 5)


def test_repeats_that_agree_make_the_naive_interval_too_narrow():
    pairs = [pair(f"v{i}") for i in range(10)] + [pair(f"n{i}", ABO="B") for i in range(15)]
    found = viability_scores(answers(pairs, [1] * 6 + [0] * 4 + [0] * 12 + [1] * 3), seed=1).answered
    for score in found.scores:
        by_pair, naive = score.by_pair, score.naive
        assert by_pair.value == pytest.approx(naive.value)
        # Five agreeing repeats of each pair: five times the trials and no more knowledge.
        assert (by_pair.high - by_pair.low) / (naive.high - naive.low) == pytest.approx(5**0.5, rel=0.25)
    assert (found.scores[0].by_pair.n, found.scores[0].naive.n) == (25, 125)


def test_intervals_by_pair_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    held = {"by_pair": 0, "naive": 0}
    pairs = [pair(f"v{i}") for i in range(25)]
    for seed in range(40):
        said = answers(pairs, rng.beta(0.35, 0.15, 25))  # Called viable .7 of the time on average.
        accuracy = viability_scores(said, seed=seed).answered.scores[0]
        for name in held:
            interval = getattr(accuracy, name)
            held[name] += interval.low <= 0.7 <= interval.high
    assert held["by_pair"] >= 34  # .85 of 40; nominal .95.
    assert held["naive"] < held["by_pair"] - 5


def test_each_reason_says_how_often_it_is_overlooked():
    pairs = [
        pair("abo", ABO="O"),
        pair("height", HGT_CM_TCR=150.0),
        pair("height too", HGT_CM_TCR=151.0),
        pair("all", ABO="B", HGT_CM_TCR=150.0, WGT_KG_TCR=30.0),
    ]
    rates = viability_scores(answers(pairs, [0, 1, 0.6, 0.2]), seed=1).by_reason
    found = {(r.reason, r.alone): (r.pairs, r.trials, r.called_viable.value) for r in rates}
    assert found[Reason.ABO, True] == (1, 5, 0)
    assert found[Reason.ABO, False] == (2, 10, pytest.approx(0.1))
    assert found[Reason.HEIGHT, True] == (2, 10, pytest.approx(0.8))
    assert found[Reason.HEIGHT, False] == (3, 15, pytest.approx(0.6))
    assert found[Reason.WEIGHT, True] == (0, 0, None)
    assert found[Reason.WEIGHT, False] == (1, 5, pytest.approx(0.2))


def test_trials_with_a_changed_candidate_are_left_out():
    plain = answer(pair("viable"), True)
    changed = replace(
        plain, trial=replace(plain.trial, change=Change(candidate=0, grouping="gender", value="Female"))
    )
    assert viability_scores([plain, changed, changed], seed=1).answered.confusion.trials == 1


def test_the_order_of_answers_changes_nothing_and_no_answer_says_so():
    pairs = [pair("a"), pair("b", ABO="B"), pair("c")]
    said = answers(pairs, [0.8, 0.4, 0])
    assert viability_scores(said[::-1], seed=1) == viability_scores(said, seed=1)
    empty = viability_scores([], seed=1)
    assert empty.pairs == 0
    assert all(s.by_pair.value is None and s.by_pair.reason for s in empty.answered.scores)
