from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from exchange.clearing.objectives import Fairness
from exchange.errors import BadRequest
from exchange.experiment.plan import ExperimentPlan, changed, seeds_in_words
from exchange.outcomes.outcome import Measure
from exchange.outcomes.published import PublishedValue


def keys(plan: ExperimentPlan) -> list[str]:
    return [run.key for run in plan.runs()]


def test_all_conditions_of_a_seed_come_together(small: ExperimentPlan) -> None:
    runs = small.runs()
    assert [(r.seed, r.condition.name) for r in runs] == [
        (seed, name) for seed in (1, 2, 3) for name in ("EQUAL", "PRIORITY")
    ]
    assert [r.stem for r in runs[:2]] == ["0001-short-equal-1", "0002-short-priority-1"]
    assert len({r.key for r in runs}) == 6


def test_a_run_keeps_name_and_key_whatever_else_runs(small: ExperimentPlan) -> None:
    alone = small.runs(["PRIORITY"])
    both = [r for r in small.runs() if r.condition.name == "PRIORITY"]
    assert [(r.stem, r.key) for r in alone] == [(r.stem, r.key) for r in both]
    more = changed(small, seeds=[3, 9])
    assert (more.runs()[0].stem, more.runs()[0].key) == (small.runs()[4].stem, small.runs()[4].key)
    with pytest.raises(BadRequest, match="has no condition 'X'; it has EQUAL, PRIORITY"):
        small.runs(["X"])


def test_whatever_a_run_depends_on_changes_its_key(small: ExperimentPlan) -> None:
    (scenario,), (equal, priority) = small.scenarios, small.conditions
    assert small.ranks_by is not None
    others = [
        replace(small, scenarios=(replace(scenario, days=31),)),
        replace(small, scenarios=(replace(scenario, cycle_cap=2),)),
        replace(small, scenarios=(replace(scenario, model=replace(scenario.model, female_patient=0.5)),)),
        replace(small, ranks_by=None),
        replace(small, ranks_by=replace(small.ranks_by, reference=small.ranks_by.reference[:4])),
        replace(small, design=replace(small.design, version="2")),
        replace(small, conditions=(replace(equal, fairness=Fairness(bonus=2.0)), priority)),
        replace(small, conditions=(replace(equal, name="X"), priority), baseline="X"),
    ]
    before = keys(small)
    found = [keys(other) for other in others]
    assert all(one[0] != before[0] for one in found)
    assert len({one[0] for one in found}) == len(found)
    # Only the condition that was changed.
    assert found[6][1] == before[1]
    weights = priority.weights
    assert weights is not None
    moved = replace(small, conditions=(equal, replace(priority, weights=None, preferences=small.ranks_by)))
    assert keys(moved)[0] == before[0]
    assert keys(moved)[1] != before[1]


def test_words_about_sources_change_no_key(small: ExperimentPlan) -> None:
    (scenario,), (equal, priority) = small.scenarios, small.conditions
    model = replace(scenario.model, source="elsewhere")
    other = replace(
        small,
        title="other",
        source="other",
        scenarios=(replace(scenario, source="other", model=model),),
        conditions=(equal, replace(priority, words="other")),
    )
    assert keys(other) == keys(small)
    assert other.identity() == small.identity()


def test_two_names_with_one_slug_get_two_files(small: ExperimentPlan) -> None:
    equal, _ = small.conditions
    plan = replace(
        small, conditions=(equal, replace(equal, name="Equal!"), replace(equal, name="±")), seeds=(1,)
    )
    assert [r.stem for r in plan.runs()] == [
        "0001-short-equal-1",
        "0002-short-equal-1",
        "0003-short-unnamed-1",
    ]


def test_published_numbers_are_dropped_with_other_days(small: ExperimentPlan) -> None:
    value = PublishedValue(
        condition="EQUAL", measure=Measure.SEEN, grouping="all", group="all", mean=1.0, sd=1.0, n_runs=9
    )
    plan = replace(small, published=(value,))
    assert changed(plan, seeds=[7], days=30).published == (value,)
    other = changed(plan, days=12)
    assert other.published == ()
    assert [s.days for s in other.scenarios] == [12]
    assert other.scenarios[0].source.endswith("but 12 days")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("100-103", (100, 101, 102, 103)),
        (" 7 - 7 ", (7,)),
        ("2", (5, 3)),
        ("3", (5, 3, 4)),
        ("5", (5, 3, 4, 6, 7)),
    ],
)
def test_seeds_in_words(text: str, seeds: tuple[int, ...]) -> None:
    assert seeds_in_words(text, (5, 3, 4)) == seeds


@pytest.mark.parametrize("text", ["", "0", "5-4", "-3", "1,2", "all", "1-99999999"])
def test_seeds_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="seeds"):
        seeds_in_words(text, (1, 2))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": ()}, "has no seed"),
        ({"conditions": ()}, "has no condition"),
        ({"baseline": "X"}, "baseline 'X' is not among its conditions EQUAL, PRIORITY"),
        ({"seeds": tuple(range(500_001))}, "1,000,002 runs"),
    ],
)
def test_plans_that_cannot_be_are_refused(
    small: ExperimentPlan, change: dict[str, object], said: str
) -> None:
    make: Callable[..., ExperimentPlan] = replace
    with pytest.raises(BadRequest, match=said):
        make(small, **change)
