from __future__ import annotations

from collections.abc import Iterable
from math import isnan

import numpy as np
import pytest

from exchange.errors import BadRequest
from exchange.outcomes.groups import attribute_groupings
from exchange.outcomes.marginal_effects import (
    MarginalEffect,
    marginal_effects,
    run_cells,
)
from exchange.outcomes.outcome import Measure
from exchange.outcomes.waiting import kaplan_meier
from exchange.simulation.record import NEVER, RunRecord

SHARE, WAIT = Measure.TRANSPLANTED_SHARE, Measure.MEAN_WAIT


def effects(found: list[MarginalEffect]) -> dict[tuple[str, str, Measure], MarginalEffect]:
    return {(e.attribute, e.level, e.measure): e for e in found}


def effects_of_records(records: Iterable[RunRecord]) -> list[MarginalEffect]:
    return marginal_effects([run_cells(record, attribute_groupings(record)) for record in records])


def cells_run(make_record, seed: int, cells: dict[tuple[str, str], tuple[int, int]]) -> RunRecord:
    """Of each (age, drinking) so many transplanted on day 100, and so many never."""
    people = [
        (age, drinking, day)
        for (age, drinking), (done, rest) in cells.items()
        for day in [100] * done + [NEVER] * rest
    ]
    ages, drinks, days = zip(*people, strict=True)
    return make_record(seed=seed, transplanted=days, attributes={"age": ages, "drinking": drinks})


def test_a_level_is_compared_with_the_others_as_they_occur(make_record) -> None:
    # Drinking hardly matters; but the old, who have poor chances, drink more often.
    cells = {
        ("a-young", "a-rare"): (72, 8),
        ("a-young", "b-frequent"): (16, 4),
        ("b-old", "a-rare"): (16, 24),
        ("b-old", "b-frequent"): (18, 42),
    }
    found = effects(effects_of_records([cells_run(make_record, s, cells) for s in (1, 2)]))
    drinking = found[("drinking", "b-frequent", SHARE)]
    # Both ages lose a tenth; the plain shares, 34 of 80 against 88 of 120, would make it three times as much.
    assert drinking.value == pytest.approx(-0.1)
    assert (drinking.reference, drinking.share_compared, drinking.n_runs) == ("a-rare", 1.0, 2)
    # The runs are alike, so nothing is uncertain.
    assert (drinking.low, drinking.high) == pytest.approx((-0.1, -0.1))
    # 120 of 200 drink rarely.
    age = found[("age", "b-old", SHARE)]
    assert age.value == pytest.approx((120 * (0.4 - 0.9) + 80 * (0.3 - 0.8)) / 200)
    wait = found[("age", "b-old", WAIT)]
    assert wait.value == pytest.approx(0.5 * 265)


def test_combinations_that_never_occur_are_left_out_and_told(make_record) -> None:
    cells = {
        ("a-young", "a-rare"): (5, 5),
        ("a-young", "b-frequent"): (10, 20),
        ("b-old", "a-rare"): (1, 9),
    }
    found = effects(effects_of_records([cells_run(make_record, s, cells) for s in (1, 2)]))
    age = found[("age", "b-old", SHARE)]
    assert age.value == pytest.approx(0.1 - 0.5)
    assert age.share_compared == pytest.approx(20 / 50)


def test_levels_that_share_no_company_cannot_be_compared(make_record) -> None:
    cells = {("a-young", "a-rare"): (5, 5), ("b-old", "b-frequent"): (10, 20)}
    found = effects_of_records([cells_run(make_record, s, cells) for s in (1, 2)])
    assert all(isnan(e.value) and isnan(e.low) and e.share_compared == 0 for e in found)


def test_a_cell_that_a_run_lacks_is_counted_over_all_runs(make_record) -> None:
    one = {("a-young", "a-rare"): (6, 4), ("b-old", "a-rare"): (1, 3)}
    other = {("a-young", "a-rare"): (8, 2)}
    runs = [cells_run(make_record, 1, one), cells_run(make_record, 2, other), cells_run(make_record, 3, one)]
    found = effects(effects_of_records(runs))
    assert found[("age", "b-old", SHARE)].value == pytest.approx(0.25 - 20 / 30)


def test_waits_are_those_of_the_pooled_curve(random_record) -> None:
    records = [random_record(seed) for seed in range(3)]
    found = effects(effects_of_records(records))[("age", "young", WAIT)]
    waits, events = (np.concatenate([r.waits[k] for r in records]) for k in (0, 1))
    ages, drinks = (
        np.concatenate([r.patients[f"patient.{a}"] for r in records]) for a in ("age", "drinking")
    )

    def mean(age: str, drinking: str) -> float:
        mine = (ages == age) & (drinks == drinking)
        return kaplan_meier(waits[mine], events[mine] == 1).mean_within_year

    expected = sum(np.mean(drinks == d) * (mean("young", d) - mean("old", d)) for d in ("rare", "frequent"))
    assert found.value == pytest.approx(expected)


def test_the_order_of_runs_changes_nothing(random_record) -> None:
    records = [random_record(seed, condition=c) for c in "ab" for seed in range(3)]
    before, after = (
        {(e.condition, e.attribute, e.measure): (e.value, e.low, e.high) for e in effects_of_records(r)}
        for r in (records, records[::-1])
    )
    assert before == after


def test_one_run_gives_no_interval(random_record) -> None:
    found = effects_of_records([random_record(1)])
    assert all(isnan(e.low) and not isnan(e.value) for e in found)


def test_patients_without_attributes_have_no_effects(make_record) -> None:
    record = make_record(transplanted=[1, 2])
    with pytest.raises(BadRequest, match="attributes; simulate a study's profiles"):
        effects_of_records([record])
    with pytest.raises(BadRequest, match="need runs"):
        marginal_effects([])


def test_the_interval_covers_the_effect_about_as_often_as_it_says(make_record) -> None:
    # Runs differ in how good they are for everybody, cells are sometimes empty, and drinking goes with age.
    rng = np.random.default_rng(11)
    truth, covered, n_studies = -0.2, 0, 250
    for _ in range(n_studies):
        runs = []
        for seed in range(12):
            n, luck = 60, rng.normal(0, 0.05)
            old = rng.random(n) < 0.7
            frequent = rng.random(n) < np.where(old, 0.4, 0.05)
            done = rng.random(n) < 0.6 + luck - 0.2 * old - 0.1 * frequent
            record = make_record(
                seed=seed,
                transplanted=np.where(done, 50, NEVER).tolist(),
                attributes={
                    "age": np.where(old, "b-old", "a-young"),
                    "drinking": np.where(frequent, "b-frequent", "a-rare"),
                },
            )
            runs.append(run_cells(record, attribute_groupings(record)))
        found = effects(marginal_effects(runs))[("age", "b-old", SHARE)]
        covered += found.low <= truth <= found.high
    assert 0.90 <= covered / n_studies <= 0.985
