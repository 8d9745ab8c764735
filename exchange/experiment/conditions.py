"""From a table of an experiment file to its conditions: policies with weights, draws, moved coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from estimation.errors import EstimationError
from estimation.weights import PriorityWeights
from exchange.clearing.clear import Goal, goals_of
from exchange.clearing.objectives import Fairness, Objective, Policy
from exchange.errors import BadRequest, ExchangeError
from exchange.experiment.experiment_tables import ConditionTable
from exchange.experiment.weight_sets import drawn, moved
from exchange.named_weights import (
    CLASS_MARK,
    NamedWeights,
    class_weights,
    preferences_named,
    weights_named,
)
from exchange.outcomes.weight_uncertainty import is_draw
from exchange.pool import Pool
from exchange.pool_model import Place
from exchange.priorities import assert_same_attributes
from exchange.simulation.condition import Condition, DonorPreferences
from survey.design import StudyDesign


class Misplaced(Exception):
    """What is wrong with a table, and at which key."""

    def __init__(self, place: Place, text: str) -> None:
        self.place, self.text = place, text
        super().__init__(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the weights of an experiment may come from, and what was read."""

    study: StudyDesign
    sets: Mapping[str, NamedWeights] = field(default_factory=dict)
    """Those of the file itself, by name."""
    folder: Path | None = None
    """Where relative paths begin."""
    inputs: dict[str, Path] = field(default_factory=dict)
    """Files read so far, by what they are for."""

    def weights(self, given: str, option: str = "weights") -> NamedWeights:
        """Return weights by the name of a set, by a published name, or by a path.

        Raises
        ------
        BadRequest, BadWeights, MissingPriorities
            There are none, or they are about another study.
        """
        if given in self.sets:
            return self.sets[given]
        if CLASS_MARK in given:
            named = class_weights(given, self.study, folder=self.folder)[0]
        else:
            named = weights_named(given, option=option, folder=self.folder)
        return self._checked(given, named)

    def kinds(self, given: str) -> tuple[NamedWeights, ...]:
        """Return the weights of each kind of people in a file; raises like :meth:`weights`."""
        return tuple(
            self._checked(given, kind) for kind in class_weights(given, self.study, folder=self.folder)
        )

    def preferences(self, given: str, option: str = "donor_weights") -> tuple[DonorPreferences, str]:
        """Return preferences that donors draw from, and in words where they are from; raises like
        :meth:`weights`."""
        named = preferences_named(given, self.study.attributes, self.study, option=option, folder=self.folder)
        assert_same_attributes(self._nobody(), named.distribution.attributes)
        if named.path is not None:
            self.inputs[f"people {given}"] = named.path
        return DonorPreferences(distribution=named.distribution, reference=named.reference), named.words

    def _checked(self, given: str, named: NamedWeights) -> NamedWeights:
        assert_same_attributes(self._nobody(), named.weights.attributes)
        for profile in self.study.profiles() or ():
            named.weights.weight(profile)
        if named.path is not None:
            self.inputs[f"weights {given}"] = named.path
        return named

    def _nobody(self) -> Pool:
        return Pool(
            pairs=(), source=f"study '{self.study.slug}'", attributes=self.study.attributes, is_simulated=True
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What clearing pursues."""

    name: str
    policy: Policy | None
    goals: tuple[Goal, ...]

    @property
    def needs_weights(self) -> bool:
        return any(goal.objective.needs_weights for goal in self.goals)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighing:
    """Weights of patients, preferences of donors, or neither."""

    name: str
    named: NamedWeights | None = None
    preferences: DonorPreferences | None = None
    words: str = ""


def conditions_of_table(table: ConditionTable, sources: Sources) -> Iterator[Condition]:
    """Yield the conditions that a table stands for.

    Each policy with each of the weights; a policy that looks at no weights once. They are called ``name, policy,
    weights`` with what is several, unless the name says where ``{policy}`` and ``{weights}`` stand. Draws and moved
    coefficients follow the condition that they are of.

    Raises
    ------
    Misplaced
        Something is wrong; it names the key.
    """
    rules = _rules(table)
    weighings = _weighings(table, sources)
    combined = [
        (rule, weighing)
        for rule in rules
        for weighing in (weighings if rule.needs_weights else [_Weighing(name="")])
    ]
    if table.weights or table.classes or table.donor_weights:
        if not any(rule.needs_weights for rule in rules):
            raise Misplaced(
                ("weights" if table.weights else "classes" if table.classes else "donor_weights",),
                f"{' and '.join(rule.name for rule in rules)} looks at no weights; leave them out",
            )
    elif any(rule.needs_weights for rule in rules):
        needy = next(rule for rule in rules if rule.needs_weights)
        raise Misplaced((), f"{needy.name} needs priority weights; give weights, classes or donor_weights")
    for rule, weighing in combined:
        name = _name(table, rule, weighing, n_rules=len(rules), n_weighings=len(weighings))
        if is_draw(name):
            raise Misplaced(
                ("name",), f"'{name}': names that end in # and a number are those of draws; choose another"
            )
        weights = None if weighing.named is None else weighing.named.weights
        yield _condition(table, name, rule, weights, weighing)
        if weighing.named is None:
            continue
        for key, variants in (
            ("draws", drawn(weighing.named, table.draws)),
            ("sensitivity", moved(weighing.named) if table.sensitivity else iter(())),
        ):
            try:
                for end, variant in variants:
                    joint = " " if key == "draws" else ", "
                    yield _condition(table, f"{name}{joint}{end}", rule, variant, weighing)
            except BadRequest as error:
                raise Misplaced((key,), str(error)) from None


def _condition(
    table: ConditionTable, name: str, rule: _Rule, weights: PriorityWeights | None, weighing: _Weighing
) -> Condition:
    try:
        return Condition(
            name=name,
            policy=rule.policy,
            goals=() if rule.policy is not None else rule.goals,
            weights=weights,
            preferences=weighing.preferences,
            fairness=Fairness(threshold=table.sensitized_from, bonus=table.sensitized_bonus),
            words=weighing.words,
        )
    except BadRequest as error:
        raise Misplaced((), str(error)) from None


def _rules(table: ConditionTable) -> list[_Rule]:
    if (table.policy is None) == (table.objectives is None):
        raise Misplaced((), f"give either policy or objectives; policies are {', '.join(Policy)}")
    if table.policy is not None:
        if table.concede:
            raise Misplaced(
                ("concede",), "changes what a policy is; name its objectives instead of the policy"
            )
        unknown = [name for name in table.policy if name not in list(Policy)]
        if unknown:
            raise Misplaced(("policy",), f"'{unknown[0]}' is no policy; there are {', '.join(Policy)}")
        return [
            _Rule(name=name, policy=Policy(name), goals=goals_of(Policy(name), ())) for name in table.policy
        ]
    named = table.objectives or []
    for key, names in (("objectives", named), ("concede", list(table.concede))):
        unknown = [name for name in names if name not in list(Objective)]
        if unknown:
            raise Misplaced((key,), f"'{unknown[0]}' is no objective; there are {', '.join(Objective)}")
    for name in table.concede:
        if name not in named:
            raise Misplaced(("concede", name), "is not among the objectives")
        if name == named[-1]:
            raise Misplaced(("concede", name), "no objective comes after it, so giving up some gains nothing")
    try:
        goals = goals_of(
            None,
            [Goal(objective=Objective(name), concession=table.concede.get(name, 0.0)) for name in named],
        )
    except BadRequest as error:
        raise Misplaced(("objectives",), str(error)) from None
    return [_Rule(name=" then ".join(named), policy=None, goals=goals)]


def _weighings(table: ConditionTable, sources: Sources) -> list[_Weighing]:
    given = [key for key in ("weights", "classes", "donor_weights") if getattr(table, key) is not None]
    if len(given) > 1:
        raise Misplaced((given[1],), f"stands beside {given[0]}; give one of them")
    if given == ["donor_weights"] or not given:
        for key, is_there in (("draws", table.draws > 0), ("sensitivity", table.sensitivity)):
            if is_there:
                raise Misplaced((key,), "needs weights of patients; give weights")
    try:
        if table.weights is not None:
            found = [(_label(text), sources.weights(text)) for text in table.weights]
        elif table.classes is not None:
            kinds = sources.kinds(table.classes)
            # A number behind the path means that class alone.
            first = int(table.classes.partition(CLASS_MARK)[2] or 1)
            found = [(f"class {k}", kind) for k, kind in enumerate(kinds, start=first)]
        elif table.donor_weights is not None:
            preferences, words = sources.preferences(table.donor_weights)
            return [
                _Weighing(
                    name=_label(table.donor_weights),
                    preferences=preferences,
                    words=f"drawn by each donor, {words}",
                )
            ]
        else:
            return [_Weighing(name="")]
    except (ExchangeError, EstimationError) as error:
        raise Misplaced((given[0],), str(error)) from None
    return [_Weighing(name=name, named=named, words=named.words) for name, named in found]


def _name(table: ConditionTable, rule: _Rule, weighing: _Weighing, *, n_rules: int, n_weighings: int) -> str:
    if table.name is not None and ("{policy}" in table.name or "{weights}" in table.name):
        return table.name.replace("{policy}", rule.name).replace("{weights}", weighing.name).strip(" ,")
    is_named = table.name is not None
    parts = [
        table.name or "",
        rule.name if n_rules > 1 or not is_named else "",
        weighing.name if n_weighings > 1 or not is_named else "",
    ]
    return ", ".join(part for part in parts if part)


def _label(given: str) -> str:
    """Return what weights are called in names of conditions: a path without its folder and ending."""
    name, mark, number = given.partition(CLASS_MARK)
    stem = name.rsplit("/", 1)[-1].removesuffix(".json")
    return f"{stem} class {number}" if mark else stem
