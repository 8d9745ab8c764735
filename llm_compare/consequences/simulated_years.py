"""Years of an exchange under people's, every model's and equal weights: who is transplanted, who waits, who leaves.

The runs are those of an ordinary experiment of ``exchange.experiment``: the same people arrive under all weights,
each finished run is kept in a folder, and whoever starts it again goes on. What is worked out here is the
difference that a model's weights make to people's, seed by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import numpy as np

from estimation.errors import NoWeight
from estimation.weights import PriorityWeights
from exchange.clearing.objectives import Policy
from exchange.errors import BadRequest
from exchange.experiment.plan import ExperimentPlan, digest
from exchange.experiment.progress import Progress
from exchange.experiment.run_experiment import run_experiment
from exchange.experiment.run_store import RunStore
from exchange.outcomes.comparison import summarize
from exchange.outcomes.run_summary import RunSummary
from exchange.people import ProfileDraw
from exchange.simulation.condition import Condition
from exchange.simulation.scenario import Scenario
from exchange.simulation.scenario_file import preset
from llm_compare.consequences.clearings import EQUAL, PEOPLE, is_indifferent
from llm_compare.consequences.outcome_groups import OutcomeGroup, outcome_groups
from llm_compare.consequences.study import check_models_and_seeds, profiles_in_words
from llm_compare.consequences.year_outcomes import (
    SimulatedConsequences,
    UnderOneWeights,
    World,
    consequences_of,
)
from llm_compare.errors import NotComparable
from survey.design import Profile, StudyDesign

DEFAULT_SCENARIO = "freedman2020-heterogeneous"
DAYS_PER_YEAR = 365
_PROFILES_LOOKED_AT = 256
"""Of a study that draws its profiles: so many tell whether weights prefer anybody."""


def simulate_consequences(
    people: PriorityWeights,
    models: Mapping[str, PriorityWeights],
    design: StudyDesign,
    *,
    scenario: Scenario | None = None,
    years: float = 5.0,
    seeds: Sequence[int],
    folder: Path,
    people_draws: Sequence[PriorityWeights] = (),
    model_draws: Mapping[str, Sequence[PriorityWeights]] | None = None,
    policy: Policy = Policy.PRIORITY_AFTER_CARDINALITY,
    executor: Executor | None = None,
    n_at_once: int = 1,
    progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[SimulatedConsequences, ...]:
    """Simulate an exchange under every weights; return one result per model, in their order.

    Parameters
    ----------
    design
        The study that describes patients, see :func:`llm_compare.consequences.study.study_design`.
    scenario
        The world; None for :func:`fitting_scenario`.
    years
        How long; in place of the scenario's own length.
    seeds
        Two or more for intervals.
    folder
        Keeps the runs; new or empty, or that of the same comparison, which then goes on. More seeds may join.
    people_draws, model_draws
        What else the weights could be, given the answers they were estimated from. As many are simulated as are
        given, each with every seed; with them intervals hold what the answers leave open about the weights.
    executor, n_at_once
        See :func:`exchange.experiment.run_experiment.run_experiment`.

    Raises
    ------
    NotComparable
        No models, no seeds, one twice, weights that do not cover the study's patients, or no time at all.
    exchange.errors.ExchangeError
        A scenario that does not fit the study, another comparison's folder, or runs that failed.
    """
    plan = planned_experiment(
        people,
        models,
        design,
        scenario=scenario,
        years=years,
        seeds=seeds,
        people_draws=people_draws,
        model_draws=model_draws,
        policy=policy,
    )
    store = RunStore(folder, plan)
    ran = run_experiment(plan, store, executor=executor, n_at_once=n_at_once, progress=progress)
    ran.check(folder)
    return simulated_consequences(plan, store, tuple(models))


def fitting_scenario(design: StudyDesign) -> Scenario:
    """Return the shipped scenario in which patients of a study can live.

    It is :data:`DEFAULT_SCENARIO`: with its own shares of profiles where the study has these very profiles, with
    the study's where it has others.
    """
    found = preset(DEFAULT_SCENARIO)
    try:
        ProfileDraw(design, found.model)
    except BadRequest:
        return replace(
            found,
            name=f"{found.name}, other patients",
            source=f"{found.source}; patients' profiles as in study '{design.slug}'",
            model=replace(found.model, profile_shares=()),
        )
    return found


def planned_experiment(
    people: PriorityWeights,
    models: Mapping[str, PriorityWeights],
    design: StudyDesign,
    *,
    scenario: Scenario | None,
    years: float,
    seeds: Sequence[int],
    people_draws: Sequence[PriorityWeights] = (),
    model_draws: Mapping[str, Sequence[PriorityWeights]] | None = None,
    policy: Policy = Policy.PRIORITY_AFTER_CARDINALITY,
) -> ExperimentPlan:
    """Return the experiment that :func:`simulate_consequences` runs.

    People's weights are the baseline. A model that weighs everybody the same is simulated with equal weights: whom
    its weights prefer would be rounding. Draws are the conditions ``... #1``, ``... #2`` and so on.
    """
    check_models_and_seeds(models, seeds)
    days = round(years * DAYS_PER_YEAR)
    if days < 1:
        raise NotComparable(f"{years:g} years are less than a day; simulate longer")
    world = scenario or fitting_scenario(design)
    if world.days != days:
        world = replace(world, days=days, source=f"{world.source}, but {days} days")
    patients = _patients(world, design)
    for label, weights in ((PEOPLE, people), *models.items()):
        _check_cover(label, weights, patients)
    conditions = [
        *_conditions(PEOPLE, people, people_draws, patients, policy),
        *(
            condition
            for label, weights in models.items()
            for condition in _conditions(
                model_condition(label), weights, (model_draws or {}).get(label, ()), patients, policy
            )
        ),
        Condition(name=EQUAL, policy=Policy.EQUAL, words="every patient the same"),
    ]
    return ExperimentPlan(
        name="people-and-models",
        title="An exchange under the weights of people and of models",
        source="comparison of people and models",
        design=design,
        scenarios=(world,),
        conditions=tuple(conditions),
        seeds=tuple(seeds),
        baseline=PEOPLE,
    )


def model_condition(label: str) -> str:
    """Return what a model's condition is called."""
    return f"weights of {label}"


def simulated_consequences(
    plan: ExperimentPlan, store: RunStore, labels: Sequence[str]
) -> tuple[SimulatedConsequences, ...]:
    """Return what the runs in a folder say about each model.

    Raises
    ------
    exchange.errors.MissingRuns
        The folder does not hold all runs.
    """
    scenario = plan.scenarios[0]
    runs = plan.runs()
    summaries = summarize(store.records(runs), plan.design)
    groups = outcome_groups(summaries.quantities, plan.design)
    names = [condition.name for condition in plan.conditions]
    by_name = {c.name: c for c in plan.conditions}

    def under(name: str) -> UnderOneWeights:
        return UnderOneWeights(
            runs=_in_order(summaries.of(scenario.name, name), plan.seeds),
            draws=tuple(
                _in_order(summaries.of(scenario.name, draw), plan.seeds) for draw in _draws_of(name, names)
            ),
        )

    people, equal = under(PEOPLE), under(EQUAL)
    world = World(
        scenario=scenario.name,
        scenario_source=scenario.source,
        profiles_from=_profiles_from(scenario, plan.design),
        years=scenario.days / DAYS_PER_YEAR,
        seeds=plan.seeds,
        policy=str(next((c.policy for c in plan.conditions if c.weights is not None), Policy.EQUAL)),
        people_are_indifferent=by_name[PEOPLE].weights is None,
        cycle_cap=scenario.cycle_cap,
        chain_cap=scenario.chain_cap,
        runs_sha256=digest([run.key for run in runs]),
    )
    found = []
    for label in labels:
        condition = by_name[model_condition(label)]
        found.append(
            consequences_of(
                label,
                _with_patients(groups, people.runs),
                people,
                under(condition.name),
                equal,
                world,
                model_is_indifferent=condition.weights is None,
            )
        )
    return tuple(found)


def _conditions(
    name: str,
    weights: PriorityWeights,
    draws: Sequence[PriorityWeights],
    patients: Sequence[Profile],
    policy: Policy,
) -> Iterator[Condition]:
    if is_indifferent([weights.weight(profile) for profile in patients]):
        yield Condition(name=name, policy=Policy.EQUAL, words="weights that prefer nobody")
    else:
        yield Condition(name=name, policy=policy, weights=weights)
    for i, drawn in enumerate(draws, start=1):
        yield Condition(name=f"{name} #{i}", policy=policy, weights=drawn, words=f"draw {i} of the {name}")


def _draws_of(name: str, names: Sequence[str]) -> list[str]:
    found: list[str] = []
    while (draw := f"{name} #{len(found) + 1}") in names:
        found.append(draw)
    return found


def _in_order(runs: Mapping[int, RunSummary], seeds: Sequence[int]) -> tuple[RunSummary, ...]:
    return tuple(runs[seed] for seed in seeds)


def _with_patients(groups: Sequence[OutcomeGroup], runs: Sequence[RunSummary]) -> tuple[OutcomeGroup, ...]:
    return tuple(group for group in groups if any(group.seen(run) for run in runs))


def _patients(scenario: Scenario, design: StudyDesign) -> tuple[Profile, ...]:
    """Return the profiles that simulated patients may have, or many of them."""
    if scenario.imported_profiles:
        return tuple(dict.fromkeys(scenario.imported_profiles))
    draw = ProfileDraw(design, scenario.model)
    known = draw.listed or design.profiles()
    if known:
        return known
    rng = np.random.default_rng(0)
    return tuple(design.draw_profile(rng) for _ in range(_PROFILES_LOOKED_AT))


def _check_cover(label: str, weights: PriorityWeights, patients: Sequence[Profile]) -> None:
    try:
        for profile in patients:
            weights.weight(profile)
    except NoWeight as error:
        raise NotComparable(
            f"{label}: the weights do not cover the simulated patients: {error}; simulate only the profiles that "
            "were asked about, or estimate weights of attributes"
        ) from None


def _profiles_from(scenario: Scenario, design: StudyDesign) -> str:
    if scenario.imported_profiles:
        return (
            f"Patients' profiles are drawn from those of {len(scenario.imported_profiles)} imported patients."
        )
    return profiles_in_words(ProfileDraw(design, scenario.model).words, design)
