"""Who allots kidneys on waiting lists that evolve: models and scripts by calls, policies without."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llm_compare.allocation.trials.reading import Repair
from llm_compare.allocation.trials.trial import Form, Identity, Turns, Way
from llm_compare.commands.allocation_options import (
    CallOptions,
    addressee_of,
    check_records_may_be_sent,
    leaves_this_network,
)
from llm_compare.commands.plan_shown import SCRIPTED_NOTE, CallPlan, is_agreed, known_price, show_cost
from llm_compare.commands.records import RecordOptions
from llm_compare.commands.waiting_list_shown import echo

if TYPE_CHECKING:
    from llm_compare.allocation.problems.problem import Origin
    from llm_compare.allocation.trials.answer import Read
    from llm_compare.allocation.trials.conversation import Addressee, Put
    from llm_compare.allocation.trials.trial import Trial
    from llm_compare.allocation.waiting_list.course import Course, Ranker
    from llm_compare.allocation.waiting_list.episode import Episode, Scenario
    from llm_compare.asking.protocol import AskedModel
    from llm_compare.replies.store import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What was given on the command line."""

    calls: CallOptions
    extract: RecordOptions
    against: tuple[str, ...]
    weights: Path | None
    mapping: Path | None
    episodes: int
    kidneys: int
    start: int
    arrivals: float
    departures: float
    acceptance: float
    days: float
    shown: int
    seed: int
    groupings: tuple[str, ...]
    turns: str
    form: str
    identity: str
    repair: str
    out: Path
    as_json: bool

    @property
    def scenario(self) -> Scenario:
        """How lists evolve."""
        from llm_compare.allocation.waiting_list.episode import Scenario

        return Scenario(
            n_episodes=self.episodes,
            n_kidneys=self.kidneys,
            start_size=self.start,
            arrivals_per_kidney=self.arrivals,
            departure_probability=self.departures,
            acceptance=self.acceptance,
            days_between_kidneys=self.days,
            most_shown=self.shown,
            seed=self.seed,
        )

    @property
    def way(self) -> Way:
        """How rankings are asked for."""
        return Way(turns=Turns(self.turns), form=Form(self.form), identity=Identity(self.identity))

    @property
    def policy(self) -> str:
        """What the policy is called."""
        return "policy/" if self.weights is None else f"policy/{self.weights.stem}"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What everybody is put to."""

    scenario: Scenario
    episodes: tuple[Episode, ...]
    sha256: str
    origin: Origin
    source: str

    @property
    def is_restricted(self) -> bool:
        """Whether real people's records are in it."""
        from llm_compare.allocation.problems.problem import Origin

        return self.origin is Origin.REGISTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How far somebody who is called came."""

    course: Course
    last: Put | None
    """The last kidney's calls."""

    def say_why(self) -> None:
        """Say why the lists came to no end."""
        from llm_compare.commands.allocation_shown import say_why_incomplete

        scenario = self.course.scenario
        echo(f"Stopped after {self.course.n_kidneys} of {scenario.n_kidneys} kidneys of each list.")
        if self.last is not None:
            say_why_incomplete(self.last)


def script(model: str) -> AskedModel:
    """Return a script as whoever is asked."""
    from llm_compare.asking.protocol import AskedModel, Choices

    return AskedModel(model=model, api_base=None, label="", choices=Choices(), price=None, sends_schema=False)


def _addressee(options: ListOptions, world: World, asked: AskedModel) -> Addressee:
    from llm_compare.allocation.trials.trial import Task

    return addressee_of(
        asked,
        Task.RANK_ALL,
        n_candidates=options.shown,
        in_turns=options.way.turns is Turns.CONVERSATION,
        set_sha256=world.sha256,
        seed=options.seed,
    )


def asked_course(
    sessions: Sessions,
    options: ListOptions,
    world: World,
    asked: AskedModel,
    *,
    max_calls: int | None = None,
) -> Asked:
    """Put every kidney to a model or script, until a run is stopped; what is stored is not asked again."""
    import numpy as np

    from llm_compare.allocation.trials.conversation import answered, put
    from llm_compare.allocation.trials.trial import Task
    from llm_compare.asking.run import Ending, Paces
    from llm_compare.asking.spending import estimate
    from llm_compare.commands.allocation_asking import make_answerers
    from llm_compare.commands.failures import FailureNotes

    addressee, limits = _addressee(options, world, asked), options.calls.limits
    price = known_price(asked)
    # How many calls there will be hangs on the answers; there may be some, so a budget must be kept.
    plan = CallPlan(asked=asked, to_ask=1, price=price, estimate=estimate((), price))
    make_answerer = make_answerers(plan, Task.RANK_ALL, None, timeout_seconds=limits.timeout_seconds)
    budget = plan.budget(limits.budget_usd)
    rng = np.random.default_rng(options.seed if plan.scripted else None)
    notes = FailureNotes()
    paces: Paces = {}
    made = 0
    last: Put | None = None

    def rank(trials: Sequence[Trial]) -> Sequence[Read | None]:
        nonlocal made, last
        if last is not None and last.ending is not Ending.COMPLETE:
            return [None] * len(trials)  # An interrupt may have come while the kidney's last replies did.
        last = put(
            sessions,
            trials,
            addressee,
            make_answerer,
            rng=rng,
            concurrency=limits.concurrency,
            limits=limits.per_minute,
            paces=paces,
            budget=budget,
            max_calls=None if max_calls is None else max_calls - made,
            on_failed_attempt=notes.note,
        )
        made += last.made
        reads = {a.trial.problem.name: a.read for a in answered(last, Repair(options.repair))}
        return [reads.get(trial.problem.name) for trial in trials]

    course = course_of(options, world, asked.name, rank)
    return Asked(course=course, last=last)


def course_of(options: ListOptions, world: World, respondent: str, rank: Ranker) -> Course:
    """Let somebody allot every kidney, and show how far it has come."""
    from llm_compare.allocation.waiting_list.course import carry_out

    with click.progressbar(length=options.kidneys, label=f"Kidneys to {respondent}", file=sys.stderr) as bar:
        return carry_out(
            world.scenario,
            world.episodes,
            rank,
            respondent=respondent,
            way=options.way,
            on_kidney=lambda _: bar.update(1),
        )


def policy_ranker(options: ListOptions) -> Ranker | None:
    """Return what ranks by the weights that were given."""
    if options.weights is None or options.mapping is None:
        return None
    from estimation.weights_file import read_weights
    from llm_compare.allocation.trials.policy import policy_answers
    from llm_compare.allocation.trials.policy_mapping import read_mapping

    weights = read_weights(options.weights).weights
    mapping = read_mapping(options.mapping, weights.attributes)
    return lambda trials: [
        a.read
        for a in policy_answers(tuple(trials), (weights,), mapping, name=options.policy, seed=options.seed)
    ]


def begins(
    sessions: Sessions, options: ListOptions, world: World, asked: AskedModel, baseline: Course
) -> bool:
    """Show what is to be asked and return whether to go on.

    What will be on the lists hangs on the answers; the calls are counted on the lists that the first script met.
    """
    from llm_compare.allocation.trials.conversation import preview
    from llm_compare.allocation.trials.trial import Task
    from llm_compare.allocation.waiting_list.course import trials_of
    from llm_compare.asking.client import capabilities, check_model
    from llm_compare.asking.spending import estimate
    from llm_compare.prompting.call import is_scripted

    scripted = is_scripted(asked.model)
    addressee = _addressee(options, world, asked)
    trials = trials_of(baseline, options.way)
    found = preview(sessions, trials, addressee)
    most = options.calls.max_calls
    to_ask = len(found.missing) if most is None else min(most, len(found.missing))
    price = known_price(asked)
    plan = CallPlan(asked=asked, to_ask=to_ask, price=price, estimate=estimate(found.missing[:to_ask], price))
    echo(f"Model {asked.model}" + (f" ({SCRIPTED_NOTE})" if scripted else ""))
    echo(f"  about {len(trials)} trials of {Task.RANK_ALL}, {to_ask} calls to be made")
    if not scripted:
        capabilities(asked.model, asked.api_base)  # Says now if there is no such model.
        if world.is_restricted and leaves_this_network(asked):
            echo(f"  THE RECORDS LEAVE THIS NETWORK: prompts carry them to the provider of {asked.model}")
        show_cost(plan)
    if options.calls.show_prompt and trials:
        for message in addressee.call(trials[0], ()).messages:
            echo(f"[{message.role.value}]\n{message.content}\n")
    if options.calls.dry_run:
        return False
    if not scripted:
        check_records_may_be_sent(
            asked, is_restricted=world.is_restricted, is_agreed=options.calls.send_records
        )
        check_model(asked.model, addressee.settings, api_base=asked.api_base)
    if not is_agreed([plan], yes=options.calls.yes, has_budget=options.calls.budget is not None):
        echo("Nothing was asked.")
        return False
    return True
