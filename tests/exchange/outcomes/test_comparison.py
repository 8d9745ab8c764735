from __future__ import annotations

from dataclasses import replace
from math import inf, isnan

import numpy as np
import pytest
from scipy import stats

from exchange.errors import BadRequest
from exchange.outcomes.comparison import outcomes, outcomes_of, paired_differences, summarize
from exchange.outcomes.groups import groupings
from exchange.outcomes.outcome import Measure, Outcome
from exchange.outcomes.run_mean import mean_over_runs, ratio_over_runs
from exchange.outcomes.run_summary import Quantity, summarize_run
from exchange.simulation.record import NEVER, RunRecord

ALL = ("all", "all")


def by_place(found: list[Outcome]) -> dict[tuple[str, str, str, str, Measure], Outcome]:
    keys = [(o.condition, o.baseline, o.grouping, o.group, o.measure) for o in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def same(a: Outcome, b: Outcome) -> bool:
    numbers = ("value", "low", "high", "n_runs", "sd")
    return bool(
        np.allclose([getattr(a, n) for n in numbers], [getattr(b, n) for n in numbers], equal_nan=True)
    )


def small(make_record, **changes) -> RunRecord:
    """Four patients: transplanted after 2 and 20 days, left after 10, and one who waits."""
    return make_record(
        **{
            "arrived": [0, 5, 0, 0],
            "transplanted": [2, 25, NEVER, NEVER],
            "left": [NEVER, NEVER, 10, NEVER],
            "times_planned": [1, 3, 1, 0],
            "rank": [1, 4, 2, 0],
            "profile": ["a", "a", "b", "b"],
            **changes,
        }
    )


def test_every_measure_of_a_small_run_can_be_worked_out_by_hand(make_record) -> None:
    record = small(make_record)
    found = summarize_run(record, groupings(record)).values
    expected = {
        Measure.SEEN: 4,
        Measure.MATCHED: 5,
        Measure.TRANSPLANTED: 2,
        Measure.LEFT: 1,
        Measure.WAITING: 1,
        Measure.MATCHED_PER_SEEN: 1.25,
        Measure.MATCHED_SHARE: 0.75,
        Measure.TRANSPLANTED_SHARE: 0.5,
        Measure.LEFT_SHARE: 0.25,
        # Kaplan-Meier: 3/4 from day 2, times 1/2 from day 20.
        Measure.MEDIAN_WAIT: 20,
        Measure.MEAN_WAIT: 2 + 18 * 0.75 + 345 * 0.375,
        Measure.WAIT_OF_TRANSPLANTED: 11,
        Measure.WITHIN_YEAR: 0.5,
        Measure.AVERAGE_RANK: 7 / 3,
        Measure.FIRST_RANK_SHARE: 1 / 3,
    }
    assert {m: found[Quantity(*ALL, m)] for m in expected} == pytest.approx(expected)
    assert found[Quantity("profile", "a", Measure.TRANSPLANTED_SHARE)] == 1
    assert found[Quantity("profile", "", Measure.GINI)] == pytest.approx(0.5)
    assert found[Quantity("profile", "", Measure.RATIO)] == 0
    assert found[Quantity("profile", "", Measure.RANGE)] == 1
    assert not [q for q in found if q.grouping == "all" and not q.group]


def test_the_parts_sum_to_the_whole_in_every_grouping(random_record) -> None:
    record = random_record(3)
    found = summarize_run(record, groupings(record)).values
    for measure in (Measure.SEEN, Measure.MATCHED, Measure.TRANSPLANTED, Measure.LEFT, Measure.WAITING):
        for grouping in {q.grouping for q in found}:
            parts = [v for q, v in found.items() if q.grouping == grouping and q.measure is measure]
            assert sum(parts) == found[Quantity(*ALL, measure)]


def test_means_have_students_interval_over_runs(random_record) -> None:
    records = [random_record(seed) for seed in range(5)]
    found = by_place(outcomes(iter(records)))[("equal", "", *ALL, Measure.TRANSPLANTED)]
    values = [np.count_nonzero(r.patients["transplanted"] != NEVER) for r in records]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert (found.n_runs, found.sd) == (5, pytest.approx(np.std(values, ddof=1)))


def test_one_run_has_no_interval(random_record) -> None:
    found = by_place(outcomes([random_record(1)]))[("equal", "", *ALL, Measure.SEEN)]
    assert found.value == 200
    assert all(isnan(number) for number in (found.low, found.high, found.sd))


def test_differences_are_taken_seed_by_seed(random_record) -> None:
    records = [
        random_record(seed, condition=c, boost=b) for c, b in (("e", 0.0), ("y", 0.3)) for seed in range(4)
    ]
    found = by_place(outcomes(iter(records), baseline="e"))
    got = {
        c: [np.count_nonzero(r.patients["transplanted"] != NEVER) for r in records if r.condition == c]
        for c in "ey"
    }
    differences = np.array(got["y"]) - np.array(got["e"])
    outcome = found[("y", "e", *ALL, Measure.TRANSPLANTED)]
    assert outcome.value == pytest.approx(differences.mean())
    assert outcome.sd == pytest.approx(differences.std(ddof=1))
    # The old have the same luck under both.
    assert found[("y", "e", "age", "old", Measure.TRANSPLANTED)].sd == 0
    assert not [key for key in found if key[0] == "e" and key[1]]


def test_the_order_of_records_changes_nothing_but_the_order(random_record) -> None:
    records = [random_record(seed, condition=c) for c in "ab" for seed in (1, 2, 3)]
    first = by_place(outcomes(records, baseline="a"))
    for order in (records[::-1], records[3:] + records[:3], records[1::2] + records[::2]):
        other = by_place(outcomes(order, baseline="a"))
        assert first.keys() == other.keys()
        # To the last digit: sums run over seeds in their order.
        assert {key: repr(outcome) for key, outcome in first.items()} == {
            k: repr(o) for k, o in other.items()
        }


def test_new_names_for_levels_change_nothing_but_names(random_record) -> None:
    records = [random_record(seed) for seed in range(3)]
    names = {"young": "zz", "old": "aa"}
    renamed = []
    for record in records:
        patients = dict(record.patients)
        patients["patient.age"] = np.array([names[str(age)] for age in patients["patient.age"]])
        renamed.append(replace(record, patients=patients))
    before, after = by_place(outcomes(records)), by_place(outcomes(renamed))
    for (condition, baseline, grouping, group, measure), outcome in before.items():
        assert same(outcome, after[(condition, baseline, grouping, names.get(group, group), measure)])


def test_doubling_the_patients_doubles_counts_and_leaves_shares(random_record) -> None:
    records = [random_record(seed) for seed in range(3)]
    twice = [
        replace(r, patients={name: np.concatenate([c, c]) for name, c in r.patients.items()}) for r in records
    ]
    before, after = by_place(outcomes(records)), by_place(outcomes(twice))
    counts = (Measure.SEEN, Measure.MATCHED, Measure.TRANSPLANTED, Measure.LEFT, Measure.WAITING)
    for key, outcome in before.items():
        expected = outcome.value * (2 if outcome.measure in counts else 1)
        assert after[key].value == pytest.approx(expected, nan_ok=True)


def test_a_group_that_a_run_lacks_counts_as_none_and_has_no_share(make_record) -> None:
    records = [
        small(make_record, seed=1),
        small(make_record, seed=2, profile=["a", "a", "a", "a"]),
        small(make_record, seed=3),
    ]
    found = by_place(outcomes(records))
    seen = found[("equal", "", "profile", "b", Measure.SEEN)]
    share = found[("equal", "", "profile", "b", Measure.LEFT_SHARE)]
    assert (seen.value, seen.n_runs) == (pytest.approx(4 / 3), 3)
    assert (share.value, share.n_runs) == (0.5, 2)


def test_a_median_that_one_run_does_not_reach_is_not_averaged_over_the_others(make_record) -> None:
    late = {"transplanted": [NEVER] * 4, "left": [NEVER] * 4}
    found = by_place(outcomes([small(make_record, seed=1), small(make_record, seed=2, **late)]))
    median = found[("equal", "", *ALL, Measure.MEDIAN_WAIT)]
    assert isnan(median.value)
    assert isnan(median.low)
    assert median.n_runs == 1
    # A mean wait of those transplanted is one of those runs that have some.
    assert found[("equal", "", *ALL, Measure.WAIT_OF_TRANSPLANTED)].n_runs == 1


def test_ranks_are_left_out_where_nobody_ranks(make_record) -> None:
    found = by_place(outcomes([small(make_record, seed=s, rank=[0, 0, 0, 0]) for s in (1, 2)]))
    assert not [key for key in found if key[-1] in (Measure.AVERAGE_RANK, Measure.FIRST_RANK_SHARE)]


def test_a_run_without_patients_has_counts_of_nobody(make_record) -> None:
    found = by_place(outcomes([small(make_record, seed=1), make_record(seed=2)]))
    assert found[("equal", "", *ALL, Measure.SEEN)].value == 2
    assert found[("equal", "", *ALL, Measure.LEFT_SHARE)].n_runs == 1


def test_seeds_of_one_condition_only_are_left_out_and_counted(random_record) -> None:
    records = [random_record(seed, condition="a") for seed in (1, 2, 3)]
    records += [random_record(seed, condition="b", boost=0.2) for seed in (2, 3, 4, 5)]
    pairs = paired_differences(summarize(records), "s", "b", "a")
    (total,) = [p for p in pairs if (p.outcome.grouping, p.outcome.measure) == ("all", Measure.TRANSPLANTED)]
    assert (total.outcome.n_runs, total.n_unpaired) == (2, 3)
    pairs = paired_differences(summarize(records[1:3] + records[3:5]), "s", "b", "a")
    assert {p.n_unpaired for p in pairs} == {0}


def test_the_variance_ratio_compares_with_other_seeds_for_each_condition(make_record) -> None:
    def run(condition: str, seed: int, n: int) -> RunRecord:
        return make_record(condition=condition, seed=seed, transplanted=[1] * n)

    records = [run("a", s, n) for s, n in enumerate((5, 9, 7))] + [
        run("b", s, n) for s, n in enumerate((6, 11, 8))
    ]
    records += [run("c", s, n) for s, n in enumerate((6, 10, 8))]
    summaries = summarize(records)

    def ratio(condition: str, measure: Measure) -> float:
        (pair,) = [
            p
            for p in paired_differences(summaries, "s", condition, "a")
            if (p.outcome.grouping, p.outcome.measure) == ("all", measure)
        ]
        return pair.variance_ratio

    a, b = (5, 9, 7), (6, 11, 8)
    expected = (np.var(a, ddof=1) + np.var(b, ddof=1)) / np.var(np.subtract(b, a), ddof=1)
    assert ratio("b", Measure.TRANSPLANTED) == pytest.approx(expected)
    assert ratio("c", Measure.TRANSPLANTED) == inf
    assert isnan(ratio("b", Measure.TRANSPLANTED_SHARE))


def test_what_cannot_be_compared_is_refused_with_the_way_out(random_record) -> None:
    a, b = random_record(1, condition="a"), random_record(2, condition="b")
    with pytest.raises(BadRequest, match="no runs; give at least one"):
        outcomes([])
    with pytest.raises(BadRequest, match="'a' has two runs with seed 1; give each run once"):
        outcomes([a, a])
    with pytest.raises(BadRequest, match="condition 'c' has no runs in scenario 's'; 'a', 'b' has"):
        outcomes([a, b], baseline="c")
    summaries = summarize([a, b])
    with pytest.raises(BadRequest, match=r"no seed in common.*same seeds"):
        paired_differences(summaries, "s", "b", "a")
    assert not [o for o in outcomes_of(summaries, "a") if o.baseline]


def test_a_mean_of_nothing_is_not_a_number() -> None:
    assert isnan(mean_over_runs([]).value)
    assert isnan(ratio_over_runs([], []).value)
    assert isnan(ratio_over_runs([1.0, 2.0], [0.0, 0.0]).value)


def test_a_negative_factor_turns_an_interval_round() -> None:
    mean = mean_over_runs([1.0, 2.0, 6.0])
    turned = mean.scaled(-10.0)
    assert (turned.value, turned.low, turned.high) == pytest.approx((-30, -10 * mean.high, -10 * mean.low))
    assert turned.sd == pytest.approx(10 * mean.sd)
    assert isnan(mean_over_runs([3.0]).scaled(2.0).low)


def test_the_interval_of_a_ratio_covers_it_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        b = rng.normal(100, 20, 15)
        a = 0.3 * b + rng.normal(0, 3, 15)
        found = ratio_over_runs(a.tolist(), b.tolist())
        covered += found.low <= 0.3 <= found.high
    assert covered / 1000 == pytest.approx(0.95, abs=0.025)
