"""What the commands that clear a pool read: priorities by file or by name, and objectives by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from exchange.clearing.clear import Goal, goals_of
from exchange.clearing.market import Formulation
from exchange.clearing.objectives import Objective, Policy, stage_objectives
from exchange.clearing.solver import Solver
from exchange.errors import BadRequest
from exchange.priorities import Priorities

if TYPE_CHECKING:
    from estimation.weights import PriorityWeights
    from exchange.pool import Pool

AUTO = "auto"
DEFAULT_TIME_LIMIT_SECONDS = 60.0
WEIGHTS_HELP = "weights.json from 'equipoise estimate fit', or published: freedman2020-profiles, -attributes."
DONOR_WEIGHTS_HELP = (
    "Weights that each donor draws: people.json from 'equipoise estimate people', or published: "
    "freedman2020-heterogeneous. Needs --seed."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPriorities:
    """Priorities as asked for on the command line."""

    priorities: Priorities
    words: str
    """What was used, for people."""
    has_weights: bool
    """False where every patient counts 1 because nothing was given."""
    inputs: dict[str, Path] = field(default_factory=dict)
    """Files read, by what they are for; for a manifest."""
    weights: PriorityWeights | None = None
    """Where one weight holds for every donor."""
    draws: tuple[PriorityWeights, ...] = ()
    """What else the weights could be, given the answers they were estimated from."""


def read_priorities(
    pool: Pool,
    weights: str | None = None,
    donor_weights: str | None = None,
    *,
    seed: int | None = None,
    design: Path | None = None,
) -> GivenPriorities:
    """Return the priorities of a pool's patients.

    Parameters
    ----------
    weights, donor_weights
        Path of a file, or a published name where there is no such file; at most one of the two. None of them: every
        patient counts 1.
    seed
        Of the donors' draws.
    design
        Study whose profiles donors' weights are scaled between; see ``exchange.people_file``.

    Raises
    ------
    BadRequest, MissingPriorities, BadWeights
        Both are given, a seed is missing, a file cannot be read, or weights do not cover the pool.
    """
    from exchange.priorities import equal_priorities

    if weights is not None and donor_weights is not None:
        raise BadRequest("give --weights or --donor-weights, not both")
    if weights is not None:
        return _read_weights(pool, weights)
    if donor_weights is not None:
        if seed is None:
            raise BadRequest("--donor-weights draws each donor's weights; give --seed")
        return _read_donor_weights(pool, donor_weights, seed, design)
    return GivenPriorities(
        priorities=equal_priorities(pool), words="none: every patient counts 1", has_weights=False
    )


def _read_weights(pool: Pool, given: str) -> GivenPriorities:
    from exchange.named_weights import weights_named
    from exchange.priorities import priorities

    named = weights_named(given)
    return GivenPriorities(
        priorities=priorities(pool, named.weights),
        words=named.words,
        has_weights=True,
        inputs={} if named.path is None else {"weights": named.path},
        weights=named.weights,
        draws=named.draws,
    )


def _read_donor_weights(pool: Pool, given: str, seed: int, design: Path | None) -> GivenPriorities:
    from exchange.donor_preferences import donor_priorities
    from exchange.named_weights import preferences_named
    from exchange.priorities import assert_same_attributes
    from survey.design_file import read_design_with_comparisons

    own = None if design is None else read_design_with_comparisons(design)
    named = preferences_named(given, pool.attributes, own)
    if named.path is None:
        assert_same_attributes(pool, named.distribution.attributes)
    inputs = {} if named.path is None else {"donor_weights": named.path}
    if named.path is not None and design is not None:
        inputs["design"] = design
    return GivenPriorities(
        priorities=donor_priorities(pool, named.distribution, named.reference, seed=seed),
        words=f"drawn by each donor (seed {seed}) from {named.words}",
        has_weights=True,
        inputs=inputs,
    )


def read_goals(
    policy: str | None, objectives: str | None, concessions: Sequence[str], *, has_weights: bool
) -> tuple[Policy | None, tuple[Goal, ...]]:
    """Return the policy, None if objectives were named one by one, and the goals in order.

    Parameters
    ----------
    policy
        None, without objectives either, for the default: most transplants, then priority where there are weights.
    objectives
        Names with commas between.
    concessions
        Texts ``objective=number``: how much of it later objectives may cost.

    Raises
    ------
    BadRequest
        Unknown names, both a policy and objectives, or weights missing.
    """
    if objectives is None:
        if concessions:
            raise BadRequest("--concede changes what a policy is; name its --objectives instead of --policy")
        default = Policy.PRIORITY_AFTER_CARDINALITY if has_weights else Policy.EQUAL
        chosen = default if policy is None else Policy(policy)
        missing = [o for o in stage_objectives(chosen) if o.needs_weights]
        if missing and not has_weights:
            raise BadRequest(f"policy {chosen} needs priority weights; give --weights or --donor-weights")
        return chosen, goals_of(chosen, ())
    if policy is not None:
        raise BadRequest("give either --policy or --objectives")
    conceded: dict[Objective, float] = {}
    for text in concessions:
        name, amount = _concession(text)
        if name in conceded:
            raise BadRequest(f"--concede {text}: {name} was conceded before; give each objective one amount")
        conceded[name] = amount
    goals = tuple(
        Goal(objective=name, concession=conceded.pop(name, 0.0))
        for name in (_objective(text.strip(), "--objectives") for text in objectives.split(","))
    )
    if conceded:
        raise BadRequest(f"--concede {next(iter(conceded))}: is not among --objectives {objectives}")
    if goals[-1].concession:
        raise BadRequest(
            f"--concede {goals[-1].objective}: no objective comes after it, so giving up some gains nothing"
        )
    missing = [goal.objective for goal in goals if goal.objective.needs_weights]
    if missing and not has_weights:
        raise BadRequest(f"objective {missing[0]} needs priority weights; give --weights or --donor-weights")
    return None, goals_of(None, goals)


def read_formulation(name: str) -> Formulation | None:
    """Return the formulation of this name; None for ``auto``."""
    return None if name == AUTO else Formulation(name)


def read_solver(name: str) -> Solver | None:
    """Return the solver of this name; None for ``auto``."""
    return None if name == AUTO else Solver(name)


def _objective(name: str, option: str) -> Objective:
    try:
        return Objective(name)
    except ValueError:
        raise BadRequest(f"{option}: '{name}' is no objective; there are {', '.join(Objective)}") from None


def _concession(text: str) -> tuple[Objective, float]:
    name, _, amount = text.partition("=")
    try:
        return _objective(name.strip(), "--concede"), float(amount)
    except ValueError:
        raise BadRequest(f"--concede {text}: give an objective and a number, such as transplants=2") from None
