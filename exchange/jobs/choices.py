"""What the page on which an experiment is put together has on offer, each with a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from exchange.clearing.objectives import Policy
from exchange.experiment.experiment_file import PRESETS, experiment_names, read_experiment
from exchange.jobs.running_time import rough_seconds
from exchange.published_weights import DONOR_WEIGHTS, WEIGHTS
from exchange.simulation.scenario_file import preset, preset_names
from survey.design_file import examples_with_comparisons

POLICIES: Mapping[Policy, str] = {
    Policy.EQUAL: "Most transplants; every patient counts the same. The usual baseline.",
    Policy.PRIORITY_AFTER_CARDINALITY: "Most transplants; among those the greatest total weight. Needs weights.",
    Policy.GREATEST_WEIGHT: "The greatest total weight, whatever it costs in transplants. Needs weights.",
    Policy.FAILURE_AWARE: "Most transplants that can be expected to happen, where some fall through.",
    Policy.PRIORITY_AFTER_EXPECTED: (
        "Most expected transplants, and among those the greatest expected weight. Needs weights."
    ),
    Policy.SENSITIZED_FIRST: "Most highly sensitized patients, and among those most transplants.",
    Policy.WEIGHTED_FAIRNESS: "Most transplants, where those of highly sensitized patients count twice.",
    Policy.ROBUST: "Most transplants, by the exchanges that lose least when one falls through.",
}
"""Arcs of simulated pools have no weights of their own, so the policy about these is not among them."""

WEIGHT_WORDS: Mapping[str, str] = WEIGHTS
DONOR_WORDS: Mapping[str, str] = DONOR_WEIGHTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something to choose: a name, and what it is."""

    name: str
    title: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedOffer(Offer):
    """An experiment that ships."""

    n_conditions: int
    n_scenarios: int
    n_seeds: int
    n_runs: int
    seconds: float
    """About how long it takes with one process."""


@cache
def shipped_experiments() -> Sequence[ShippedOffer]:
    """Return the experiments that ship with Equipoise."""
    found = []
    for name in experiment_names():
        plan = read_experiment(PRESETS / f"{name}.toml").plan
        n_cells = len(plan.scenarios) * len(plan.conditions)
        found.append(
            ShippedOffer(
                name=name,
                title=plan.title,
                words=plan.source,
                n_conditions=len(plan.conditions),
                n_scenarios=len(plan.scenarios),
                n_seeds=len(plan.seeds),
                n_runs=n_cells * len(plan.seeds),
                seconds=rough_seconds(plan, 1),
            )
        )
    return tuple(found)


def scenarios() -> Sequence[Offer]:
    """Return the scenarios that ship with Equipoise."""
    found = []
    for name in preset_names():
        one = preset(name)
        chains = f", chains of at most {one.chain_cap}" if one.chain_cap else ", no chains"
        words = (
            f"{one.days:,} days, {one.arrivals.expected:.2g} pairs a day on average, match runs every "
            f"{'day' if one.match_every_days == 1 else f'{one.match_every_days} days'}{chains}"
        )
        found.append(Offer(name=name, title=name, words=words))
    return found


def shipped_studies() -> Sequence[str]:
    """Return the names of the studies that ship with Equipoise and have profiles to draw patients from."""
    return examples_with_comparisons()
