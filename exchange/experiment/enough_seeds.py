"""How many seeds an experiment needs for intervals of a given width, judged from the runs it has."""

from __future__ import annotations

from collections.abc import Collection

from exchange.errors import BadRequest
from exchange.experiment.plan import ExperimentPlan
from exchange.experiment.run_store import RunStore
from exchange.outcomes.budget import half_width_of, seeds_needed
from exchange.outcomes.comparison import paired_differences, summarize
from exchange.outcomes.outcome import EVERYBODY, Measure

_MOST_GROWTH = 4
"""Times as many seeds as there are: the spread of few runs is too uncertain to plan further ahead."""


def seeds_for_width(
    plan: ExperimentPlan, store: RunStore, only: Collection[str] = (), *, width: float, most_seeds: int
) -> tuple[int, ...]:
    """Return the experiment's seeds and as many more, from the last on, as it seems to need next.

    They are enough when the 95 % interval of each condition's difference from the baseline in the share of all
    patients transplanted is no wider than ``width``. Stopping when an interval is narrow makes it cover slightly
    less often than it says, the less so the more runs there are.

    Raises
    ------
    BadRequest
        A width that is not above 0, fewer than two seeds, or nothing to compare.
    """
    if not 0 < width < 1:
        raise BadRequest(f"a width of {width:g} cannot be; give a share between 0 and 1, such as 0.005")
    if len(plan.seeds) < 2:
        raise BadRequest("a width can be judged from two seeds on; give --seeds 2 or more")
    summaries = summarize(store.records(plan.runs(only)), plan.design)
    needed = 0
    for scenario in summaries.scenarios:
        for condition in summaries.conditions(scenario):
            if condition == plan.baseline:
                continue
            for pair in paired_differences(summaries, scenario, condition, plan.baseline):
                outcome = pair.outcome
                if outcome.measure is not Measure.TRANSPLANTED_SHARE or outcome.grouping != EVERYBODY:
                    continue
                if half_width_of(outcome.sd, outcome.n_runs) > width / 2:
                    # One more at least: the interval of those there are is too wide, whatever the guess says.
                    needed = max(needed, seeds_needed(outcome.sd, width / 2), len(plan.seeds) + 1)
    count = min(needed, _MOST_GROWTH * len(plan.seeds), most_seeds)
    more = range(max(plan.seeds) + 1, max(plan.seeds) + 1 + max(count - len(plan.seeds), 0))
    return (*plan.seeds, *more)
