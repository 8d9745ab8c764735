"""People against several models: from answers and reply files to everything that a report shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path

from estimation.results import Fit
from estimation.weights import PriorityWeights, redrawn
from exchange.pool import Pool
from exchange.simulation.scenario import Scenario
from llm_compare.alignment.alignment import ModelAlignment, align_model
from llm_compare.alignment.calls import calls_of
from llm_compare.alignment.fits import AlikeFits, decided_weights, fit_alike
from llm_compare.alignment.resampling import Resampling
from llm_compare.alignment.sides import AskedModel, People, asked_models, people_under
from llm_compare.consequences.cleared_pool import ClearedPool
from llm_compare.consequences.clearings import clear_for_models
from llm_compare.consequences.generated_pools import PoolConsequences, compare_generated_pools
from llm_compare.consequences.simulated_years import simulate_consequences
from llm_compare.consequences.study import study_design
from llm_compare.consequences.year_outcomes import SimulatedConsequences
from llm_compare.errors import NotComparable
from llm_compare.replies.parsing import PARSER
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.report.record import (
    Methods,
    ModelShown,
    PeopleShown,
    Report,
    StudyShown,
    WeightsShown,
    WithoutChoice,
    attribute_words,
    model_origin,
    people_origin,
    pool_origin,
)
from llm_compare.report.summary import sentences
from survey.answers import AnswerSet
from survey.design import LISTABLE, Attribute, Profile, make_profile

Say = Callable[[str], None]

_CONDITION = {True: "with", False: "without"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Years:
    """A simulation of an exchange under everybody's weights."""

    folder: Path
    """Keeps the runs, so that a stopped comparison goes on."""
    years: float
    n_seeds: int
    scenario: Scenario | None = None
    """None for the default world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequential:
    """Which exchanges are run with people's and every model's weights."""

    pool: Pool | None = None
    """A given pool, cleared once."""
    n_pools: int = 0
    """Generated pools."""
    years: Years | None = None
    cycle_cap: int = 3
    chain_cap: int = 0
    n_weight_draws: int = 0
    """Draws of each side's weights, to tell what they do from the noise of their estimate."""

    @property
    def anything(self) -> bool:
        """Whether any exchange is run."""
        return self.pool is not None or self.n_pools > 0 or self.years is not None


def compare_models(
    people: AnswerSet,
    files: Mapping[str, ReplyFile],
    *,
    title: str,
    people_source: str,
    resampling: Resampling,
    n_splits: int,
    exchange: Consequential,
    manifest: Mapping[str, object],
    executor: Executor | None = None,
    n_at_once: int = 1,
    say: Say = lambda _: None,
) -> Report:
    """Measure how far each model is from the people, and what its weights would do.

    Parameters
    ----------
    files
        Label -> replies of one model, all to the same study.
    people_source
        What the user states about the people's answers.

    Raises
    ------
    NotComparable
        The files are of different studies, the models answered under different conditions, no model made a readable
        choice, or a model's answers cannot be compared with the people's. Where an exchange is run: the answers of
        a side tell no weights to run it with. Without one, all else is measured and the notes say so.
    """
    every = asked_models(files)
    asked = [a for a in every if a.has_answers]
    if not asked:
        raise NotComparable(
            "no reply of any model is a readable choice: "
            + "; ".join(f"{a.label} gave {_came_to(a)}" for a in every)
            + ". Look at the replies in the files, then ask again with other settings"
        )
    first = asked[0].file
    ours = people_under(
        people,
        first.attributes,
        indecision_offered=_one_condition(asked),
        design_hash=first.design_hash,
    )
    say(f"fitting weights of people and {len(asked)} model(s)")
    fits, untold = _fits(ours, asked, resampling.seed, needed=exchange.anything)
    profiles = _profiles(first.attributes, ours)
    certain = decided_weights(ours)
    measured = [
        align_model(
            ours,
            a,
            profiles=profiles,
            people_weights=certain,
            regularize=fits is not None and bool(fits.prior_answers),
            resampling=resampling,
            n_splits=n_splits,
            progress=say,
        )
        for a in asked
    ]
    done = (
        _Done(pool={}, pools={}, years={})
        if fits is None
        else _consequences(
            first, fits, exchange, resampling.seed, executor=executor, n_at_once=n_at_once, say=say
        )
    )
    notes = [*untold, *(note for m in measured for note in m.notes)]
    without = tuple(
        WithoutChoice(label=a.label, calls=calls_of(a, first.attributes)) for a in every if not a.has_answers
    )
    return Report(
        title=title,
        study=StudyShown(
            title=first.title,
            slug=first.slug,
            design_hash=first.design_hash,
            attributes=attribute_words(first.attributes),
            indecision_label=asked[0].headline.replies[0].recorded.request.labels.indecision or "",
        ),
        people=_people(ours),
        methods=Methods(
            n_draws=resampling.n_draws,
            seed=resampling.seed,
            population=resampling.population.value,
            n_splits=n_splits,
            prior_answers=0.0 if fits is None else fits.prior_answers,
            parser=PARSER,
        ),
        models=tuple(_shown(m, done) for m in measured),
        without_choice=without,
        weights=()
        if fits is None
        else (_weights("people", fits.people), *(_weights(a.label, fits.models[a.label]) for a in asked)),
        origins=(
            people_origin(replace(people, answers=ours.answers), people_source),
            *(model_origin(m.label, m.calls) for m in measured),
            *(model_origin(w.label, w.calls) for w in without),
            *(
                ()
                if exchange.pool is None
                else (
                    pool_origin(
                        exchange.pool.source, exchange.pool.note, is_simulated=exchange.pool.is_simulated
                    ),
                )
            ),
        ),
        notes=tuple(dict.fromkeys(notes)),
        manifest=manifest,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What was run with everybody's weights, by model."""

    pool: Mapping[str, ClearedPool]
    pools: Mapping[str, PoolConsequences]
    years: Mapping[str, SimulatedConsequences]


def _consequences(
    file: ReplyFile,
    fits: AlikeFits,
    exchange: Consequential,
    seed: int,
    *,
    executor: Executor | None,
    n_at_once: int,
    say: Say,
) -> _Done:
    people, models = fits.people.weights, {label: f.weights for label, f in fits.models.items()}
    people_draws = _draws(fits.people, exchange.n_weight_draws)
    model_draws = {label: _draws(f, exchange.n_weight_draws) for label, f in fits.models.items()}
    pool: dict[str, ClearedPool] = {}
    pools: dict[str, PoolConsequences] = {}
    years: dict[str, SimulatedConsequences] = {}
    if exchange.pool is not None:
        cleared = clear_for_models(
            exchange.pool,
            people,
            models,
            people_draws=people_draws,
            model_draws=model_draws,
            cycle_cap=exchange.cycle_cap,
            chain_cap=exchange.chain_cap,
            seed=seed,
            executor=executor,
            progress=say,
        )
        pool = {label: ClearedPool.of(c) for label, c in cleared.items()}
    if exchange.n_pools or exchange.years is not None:
        design = study_design(file.slug, file.title, file.design_hash, file.attributes)
        if exchange.n_pools:
            found = compare_generated_pools(
                people,
                models,
                design,
                seeds=range(seed + 1, seed + 1 + exchange.n_pools),
                people_draws=people_draws,
                model_draws=model_draws,
                cycle_cap=exchange.cycle_cap,
                chain_cap=exchange.chain_cap,
                executor=executor,
                progress=say,
            )
            pools = dict(zip(models, found, strict=True))
        if exchange.years is not None:
            simulated = simulate_consequences(
                people,
                models,
                design,
                scenario=exchange.years.scenario,
                years=exchange.years.years,
                seeds=range(seed + 1, seed + 1 + exchange.years.n_seeds),
                folder=exchange.years.folder,
                people_draws=people_draws,
                model_draws=model_draws,
                executor=executor,
                n_at_once=n_at_once,
                progress=lambda p: say(p.words),
            )
            years = dict(zip(models, simulated, strict=True))
    return _Done(pool=pool, pools=pools, years=years)


def _fits(
    people: People, asked: Sequence[AskedModel], seed: int, *, needed: bool
) -> tuple[AlikeFits | None, tuple[str, ...]]:
    """Return the weights for an exchange and what is to be noted of them; None if they are not needed anyhow."""
    try:
        fits = fit_alike(people, [a.headline for a in asked], seed=seed)
    except NotComparable as error:
        if needed:
            raise
        return None, (f"{error}; so no exchange can be run with these answers",)
    return fits, fits.notes


def _draws(fitted: Fit, count: int) -> tuple[PriorityWeights, ...]:
    return tuple(redrawn(fitted.weights, draw) for draw in fitted.draws[:count])


def _shown(measured: ModelAlignment, done: _Done) -> ModelShown:
    pool, pools = done.pool.get(measured.label), done.pools.get(measured.label)
    years = done.years.get(measured.label)
    return ModelShown(
        measured=measured,
        pool=pool,
        pools=pools,
        years=years,
        summary=sentences(measured, pool, pools, years),
    )


def _weights(label: str, fitted: Fit) -> WeightsShown:
    weights = fitted.weights
    return WeightsShown(
        label=label,
        coefficients={
            name: (estimate.value, estimate.low, estimate.high)
            for name, estimate in getattr(weights, "coefficients", {}).items()
        },
        mean_log_likelihood=fitted.mean_log_likelihood,
        n_answers=fitted.n_answers,
    )


def _people(people: People) -> PeopleShown:
    respondents = {a.respondent for a in people.answers}
    return PeopleShown(
        source=people.source,
        n_answers=len(people.answers),
        n_respondents=None if None in respondents else len(respondents),
        n_comparisons=len({a.comparison for a in people.answers if a.left != a.right}),
        indecision_offered=people.indecision_offered,
    )


def _one_condition(asked: Iterable[AskedModel]) -> bool:
    offered = {a.label: a.headline.indecision_offered for a in asked}
    if len(set(offered.values())) > 1:
        said = ", ".join(f"{label} {_CONDITION[o]}" for label, o in offered.items())
        raise NotComparable(
            f"the models were asked under different conditions ({said} indecision on offer), so one set of "
            "people's answers cannot stand beside all; compare one arm at a time"
        )
    return next(iter(offered.values()))


def _came_to(asked: AskedModel) -> str:
    counts = calls_of(asked, ()).outcomes.counts
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n) or "no replies"


def _profiles(attributes: Sequence[Attribute], people: People) -> tuple[Profile, ...]:
    """Return the profiles over which orders are compared: all conceivable ones, or those people judged."""
    if prod(a.value_count for a in attributes) > LISTABLE:
        return tuple(dict.fromkeys(p for a in people.answers for p in (a.left, a.right)))
    names = [a.name for a in attributes]
    return tuple(
        make_profile(attributes, dict(zip(names, values, strict=True)))
        for values in product(*(a.values for a in attributes))
    )
