from __future__ import annotations

from math import isnan

import pytest

from exchange.outcomes.comparison import summarize
from exchange.outcomes.price import price_of_priority
from exchange.simulation.record import NEVER, RunRecord


def run(make_record, condition: str, seed: int, young: tuple[int, int], old: tuple[int, int]) -> RunRecord:
    """Two years; of each age, so many transplanted on day 10 and so many never."""
    done = [10] * young[0] + [NEVER] * young[1] + [10] * old[0] + [NEVER] * old[1]
    ages = ["young"] * sum(young) + ["old"] * sum(old)
    return make_record(
        condition=condition, seed=seed, n_days=730, transplanted=done, attributes={"age": ages}
    )


def test_the_price_and_what_it_buys_can_be_worked_out_by_hand(make_record) -> None:
    records = [
        run(make_record, "equal", 1, (5, 5), (10, 10)),
        run(make_record, "equal", 2, (5, 5), (14, 6)),
        run(make_record, "young", 1, (9, 1), (4, 16)),
        run(make_record, "young", 2, (9, 1), (6, 14)),
        run(make_record, "young", 3, (9, 1), (6, 14)),
    ]
    price = price_of_priority(summarize(records), "s", "young", "equal")
    # 15 against 13, and 19 against 15.
    assert price.given_up_per_run.value == 3
    assert price.given_up_per_year.value == 1.5
    assert price.given_up_percent.value == pytest.approx(100 * 6 / 34)
    assert price.given_up_percent.low < price.given_up_percent.value < price.given_up_percent.high
    assert price.n_unpaired == 1
    gains = {gain.group: gain for gain in price.gains if gain.grouping in ("all", "age")}
    assert gains["young"].transplants_per_year.value == 2
    assert gains["young"].transplants_per_year.sd == 0
    assert gains["old"].transplants_per_year.value == -3.5
    assert gains["all"].transplants_per_year.value == -1.5
    # Of 10 young patients 4 more get their transplant on day 10 rather than wait the whole year.
    assert gains["young"].wait_days.value == pytest.approx(0.4 * 355)
    assert gains["old"].wait_days.value == pytest.approx(-(0.3 + 0.4) / 2 * 355)
    assert price.gains[0].group == "all"


def test_a_condition_has_no_price_against_itself(random_record) -> None:
    summaries = summarize([random_record(seed) for seed in range(4)])
    price = price_of_priority(summaries, "s", "equal", "equal")
    means = [price.given_up_per_run, price.given_up_per_year, price.given_up_percent]
    means += [gain.transplants_per_year for gain in price.gains]
    assert {(mean.value, mean.sd) for mean in means} == {(0.0, 0.0)}


def test_waits_that_cannot_be_told_are_not_a_number(random_record) -> None:
    records = [random_record(seed, condition=c, n_days=90) for c in "ab" for seed in range(3)]
    price = price_of_priority(summarize(records), "s", "a", "b")
    assert all(isnan(gain.wait_days.value) for gain in price.gains)
    assert not any(isnan(gain.transplants_per_year.value) for gain in price.gains)
