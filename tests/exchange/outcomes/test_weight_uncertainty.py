from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from exchange.errors import BadRequest
from exchange.outcomes.comparison import RunSummaries, summarize
from exchange.outcomes.outcome import Measure
from exchange.outcomes.run_summary import Quantity, RunSummary
from exchange.outcomes.weight_uncertainty import DrawnOutcome, drawn_conditions, outcomes_under_draws

TOTAL = Quantity("all", "all", Measure.TRANSPLANTED)


def summaries_of(
    table: np.ndarray, base: np.ndarray | None = None, quantity: Quantity = TOTAL
) -> RunSummaries:
    def runs(condition: str, values: np.ndarray) -> dict[int, RunSummary]:
        return {
            seed: RunSummary(
                scenario="s", condition=condition, seed=seed, n_days=365, values={quantity: float(value)}
            )
            for seed, value in enumerate(values)
        }

    found = {("s", f"w #{d + 1}"): runs(f"w #{d + 1}", row) for d, row in enumerate(table)}
    if base is not None:
        found["s", "base"] = runs("base", base)
    return RunSummaries(runs=found, quantities=(quantity,))


def outcome_of(table: np.ndarray, base: np.ndarray | None = None) -> DrawnOutcome:
    (found,) = outcomes_under_draws(
        summaries_of(table, base), "s", "w", baseline=None if base is None else "base"
    )
    return found


def drawn_table(
    rng: np.random.Generator, sds: tuple[float, float, float], shape: tuple[int, int]
) -> np.ndarray:
    n_draws, n_seeds = shape
    draws, seeds = rng.normal(0, sds[0], (n_draws, 1)), rng.normal(0, sds[1], (1, n_seeds))
    return 50.0 + draws + seeds + rng.normal(0, sds[2], shape)


def test_draws_are_told_by_their_names_and_come_in_the_order_of_their_numbers() -> None:
    found = drawn_conditions(["equal", "w #10", "w #2", "v #1", "w#3", "w #x"])
    assert found == {"w": ("w #2", "w #10"), "v": ("v #1",)}


def test_a_small_table_can_be_worked_out_by_hand() -> None:
    # Draws differ by 4, seeds by 2, and nothing else does.
    found = outcome_of(np.array([[1.0, 3.0], [5.0, 7.0]]))
    assert found.value == 4.0
    # Variances between two numbers that differ by 4 and by 2.
    assert (found.sd_draws**2, found.sd_seeds**2, found.sd_rest) == pytest.approx((8.0, 2.0, 0.0))
    assert found.share_of_draws == pytest.approx(0.8)
    assert (found.n_draws, found.n_seeds, found.n_left_out) == (2, 2, 0)


def test_the_parts_of_the_variance_are_found_again() -> None:
    rng = np.random.default_rng(1)
    found = [outcome_of(drawn_table(rng, (3.0, 2.0, 1.0), (20, 20))) for _ in range(200)]
    variances = [
        np.mean([getattr(o, part) ** 2 for o in found]) for part in ("sd_draws", "sd_seeds", "sd_rest")
    ]
    assert variances == pytest.approx([9.0, 4.0, 1.0], rel=0.12)


@pytest.mark.parametrize("sds", [(3.0, 1.0, 1.0), (0.5, 3.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0)])
def test_the_interval_holds_for_other_draws_and_other_seeds(sds: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(9)
    found = [outcome_of(drawn_table(rng, sds, (8, 10))) for _ in range(400)]
    covered = np.mean([o.low <= 50.0 <= o.high for o in found])
    # Where a part is really 0 the interval is too wide, as a part estimated below 0 is taken as 0.
    assert 0.92 <= covered <= (1.0 if 0.0 in sds else 0.985)


def test_more_seeds_alone_do_not_make_the_uncertainty_of_the_weights_go_away() -> None:
    rng = np.random.default_rng(3)
    few, many = (outcome_of(drawn_table(rng, (3.0, 1.0, 0.1), (6, n))) for n in (5, 500))
    assert many.high - many.low > 0.3 * (few.high - few.low)
    assert many.high - many.low > 1.0


def test_subtracting_a_baseline_takes_the_seeds_out() -> None:
    rng = np.random.default_rng(5)
    seeds = rng.normal(0, 10, 12)
    table = 50.0 + rng.normal(0, 1, (6, 1)) + seeds + rng.normal(0, 0.1, (6, 12))
    found = outcome_of(table, 48.0 + seeds)
    assert found.value == pytest.approx(table.mean() - (48.0 + seeds).mean())
    assert found.sd_seeds < 0.2
    assert found.baseline == "base"
    assert found.high - found.low < outcome_of(table).high - outcome_of(table).low


def test_numbers_that_never_vary_have_an_interval_without_width() -> None:
    found = outcome_of(np.full((3, 4), 7.0))
    assert (found.value, found.low, found.high) == (7, 7, 7)
    assert isnan(found.share_of_draws)


def test_seeds_that_a_draw_lacks_are_left_out_and_counted(random_record) -> None:
    records = [random_record(seed, condition=f"w #{d}") for d in (1, 2) for seed in range(4)]
    found = outcomes_under_draws(summarize(records[:-1]), "s", "w")
    assert {(o.n_seeds, o.n_left_out) for o in found if o.quantity.grouping == "all"} == {(3, 1)}


def test_a_median_that_one_run_does_not_reach_is_not_a_number() -> None:
    quantity = Quantity("all", "all", Measure.MEDIAN_WAIT)
    summaries = summaries_of(np.array([[1.0, 2.0], [3.0, np.nan]]), quantity=quantity)
    (found,) = outcomes_under_draws(summaries, "s", "w")
    assert isnan(found.value)
    assert isnan(found.low)


def test_too_few_draws_or_seeds_are_refused(random_record) -> None:
    with pytest.raises(BadRequest, match=r"'w' has 0 drawn condition\(s\), named like 'w #1'"):
        outcomes_under_draws(summarize([random_record(1)]), "s", "w")
    records = [random_record(1, condition="w #1"), random_record(2, condition="w #2")]
    with pytest.raises(BadRequest, match=r"only 0 seed\(s\) were run with all of w #1, w #2"):
        outcomes_under_draws(summarize(records), "s", "w")
