"""How much of the choices does a simple rule explain, such as "younger first"?

A rule looks at one attribute after the other, each in one direction; the first in which the patients differ decides
(lexicographic). With one attribute it is a single-attribute rule. Where the patients are equal in all attributes of
the rule it says indecision, or tosses a coin.

References
----------
Gigerenzer and Goldstein (1996), Psychol. Rev. 103 (one-reason decisions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Array, Choices, Indices, Pairing
from llm_compare.alignment.consistency import totals
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured
from survey.design import Attribute, CategoricalAttribute, Value
from survey.wording import value_words

MOST_ENUMERATED = 6
"""Attributes up to which every rule is tried; of more, each next attribute is the one that explains most."""
MOST_PER_PERSON = 4
"""Attributes up to which persons are matched with lexicographic rules; of more, with single attributes only."""
MOST_LISTED = 20
"""Rules listed of those that persons follow."""
FOLDS = 10

INDECIDE, COIN = "indecision", "a coin"
_PREDICTS = {INDECIDE: (0.0, 0.0, 1.0), COIN: (0.5, 0.5, 0.0)}
# Shares that differ by less are equal.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedBy:
    """A rule and how much it explains."""

    rule: str
    """In words."""
    share: Measured
    """Share of the side's answers that the rule predicts; a coin predicts half of decided answers. Indecision is
    predicted by a rule that says indecision where patients are equal, and by no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestRule:
    """The rule that explains most of a side's answers."""

    rule: str
    share: Measured
    """As answered: flattered, because the best of ``n_rules`` was picked on the same answers."""
    held_out: Measured
    """Share explained in comparisons that were held out when the rule was picked (each in turn, in ten folds)."""
    n_rules: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRules:
    """What explains the answers of one side."""

    best: BestRule
    """Over all rules."""
    best_single: BestRule
    """Over rules of a single attribute."""
    singles: tuple[ExplainedBy, ...]
    """Every rule of a single attribute, that which explains most first."""
    coin: Measured
    """Share that a coin between the patients explains: half of the decided answers. Chance to compare with."""
    always_undecided: Measured
    """Share that constant indecision explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRule:
    """A rule that some persons follow better than any other."""

    rule: str
    persons: float
    """How many; a person whom several rules explain equally well counts in parts for the shortest of these."""
    mean_share: float
    """Mean share of these persons' answers that it explains. Not held out: a person's answers are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleRules:
    """People together, the model, and people one by one."""

    people: SideRules
    model: SideRules
    by_person: tuple[PersonRule, ...]
    """The rules that explain most persons best, most frequent first."""
    search: str
    """How rules were searched, in words."""


def simple_rules(pairing: Pairing, resampling: Resampling) -> SimpleRules:
    """Find the rules that explain most of both sides' answers, per answer, and of each person's."""
    steps, n = _Steps(pairing), len(pairing.attributes)
    search = (
        "every order of the attributes with each in either direction, and every beginning of such a rule"
        if n <= MOST_ENUMERATED
        else f"{n} attributes are too many to try every order: each next attribute is the one with which most is "
        "explained"
    )
    per_person = "the same" if n <= MOST_PER_PERSON else "single attributes only"
    people, model = (
        _Searched(steps, side, longest=n, seed=resampling.seed) for side in (pairing.people, pairing.model)
    )

    def statistic(draw: Weighted) -> list[float]:
        return [
            *people.shares(draw.people_counts, draw.comparison),
            *model.shares(draw.model_counts, draw.comparison),
        ]

    found = measured(statistic, pairing, resampling, bounds=(0.0, 1.0), undefined="no answers")
    return SimpleRules(
        people=people.named(found[: len(people.says)]),
        model=model.named(found[len(people.says) :]),
        by_person=_by_person(steps, pairing.people, longest=n if n <= MOST_PER_PERSON else 1),
        search=f"{search}; person by person: {per_person}",
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    steps: tuple[int, ...]
    """Numbers of attributes in a direction, see :class:`_Steps`."""
    if_equal: str
    """What it says where patients are equal: indecision, a coin, or empty where that never happens."""


class _Steps:
    """What each attribute in each direction says of each comparison."""

    def __init__(self, pairing: Pairing) -> None:
        said: list[Indices] = []
        self.words: list[str] = []
        self.attribute: list[int] = []
        self.stands_alone: list[bool] = []
        """Of each step, whether no longer rule contains it: one level before all others of several."""
        for number, attribute in enumerate(pairing.attributes):
            for words, rank, stands_alone in _directions(attribute):
                first = np.array([rank(c.first[attribute.name]) for c in pairing.comparisons])
                second = np.array([rank(c.second[attribute.name]) for c in pairing.comparisons])
                said.append(np.where(first > second, FIRST, np.where(first < second, SECOND, INDECISION)))
                self.words.append(words)
                self.attribute.append(number)
                self.stands_alone.append(stands_alone)
        self.said = np.array(said, dtype=np.intp).reshape(-1, len(pairing.comparisons))

    def after(self, steps: tuple[int, ...]) -> list[int]:
        """Return the steps that may follow."""
        if not steps:
            return list(range(len(self.words)))
        if self.stands_alone[steps[-1]]:
            return []
        used = {self.attribute[s] for s in steps}
        return [s for s, a in enumerate(self.attribute) if a not in used and not self.stands_alone[s]]

    def in_words(self, rule: _Rule) -> str:
        """Return the rule in words."""
        looked_at = ", then ".join(self.words[s] for s in rule.steps)
        return f"{looked_at}; if equal, {rule.if_equal}" if rule.if_equal else looked_at

    def says(self, rule: _Rule) -> Array:
        """Return the shares of the choices that a rule predicts, shape (n_comparisons, 3)."""
        said = np.full(self.said.shape[1], INDECISION)
        for s in rule.steps:
            said = np.where(said == INDECISION, self.said[s], said)
        predicted = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), _PREDICTS[rule.if_equal or INDECIDE]]
        return np.asarray(np.array(predicted)[said], dtype=float)


def _directions(attribute: Attribute) -> Iterator[tuple[str, Callable[[Value], float], bool]]:
    """Yield each direction: words, rank of a value (higher goes first), whether no longer rule contains it."""
    if not isinstance(attribute, CategoricalAttribute):
        yield f"{attribute.label}: lower first", lambda value: -float(value), False
        yield f"{attribute.label}: higher first", float, False
        return
    place = {name: i for i, name in enumerate(attribute.level_names)}
    words = [f"'{value_words(attribute, name)}'" for name in attribute.level_names]
    one_way, other_way = (
        [f"{w} first" for w in words]
        if len(words) == 2
        else [f"in order from {words[0]} to {words[-1]}", f"in order from {words[-1]} to {words[0]}"]
    )
    yield f"{attribute.label}: {one_way}", lambda value: -float(place[str(value)]), False
    yield f"{attribute.label}: {other_way}", lambda value: float(place[str(value)]), False
    if len(words) > 2:
        for name, word in zip(attribute.level_names, words, strict=True):
            yield f"{attribute.label}: {word} before all others", partial(_is, name), True


def _is(name: str, value: Value) -> float:
    return float(value == name)


@dataclass(frozen=True, slots=True)
class _Tried:
    """Rules with the answers that each explains, by fold of the comparisons."""

    rules: list[_Rule]
    explained: Array
    """Shape (n_rules, n_folds)."""

    def best(self, explained: Array) -> _Rule:
        """Return the rule that explains most; of equals the shortest."""
        most = explained.max()
        equal = np.flatnonzero(explained >= most - _ROUNDING)
        return min((self.rules[i] for i in equal), key=lambda rule: len(rule.steps))


def _try(steps: _Steps, counts: Array, fold: Indices, *, longest: int, offered: bool) -> _Tried:
    """Try rules on choices by comparison, shape (n_comparisons, 3).

    What a rule's first steps decide, later ones leave alone: so each longer rule looks only at what is still open.
    """
    n_folds = int(fold.max(initial=0)) + 1
    rules: list[_Rule] = []
    explained: list[Array] = []
    greedy = len(set(steps.attribute)) > MOST_ENUMERATED

    def grow(done: tuple[int, ...], still_open: Indices, so_far: Array) -> None:
        grown = []
        for s in steps.after(done):
            said = steps.said[s, still_open]
            decides = said != INDECISION
            if done and not decides.any():
                continue  # The same rule in more words.
            at, rest = still_open[decides], still_open[~decides]
            found = so_far + totals(counts[at, said[decides]], fold[at], n_folds)
            for if_equal in (INDECIDE, COIN) if offered else (COIN,):
                hits = counts[rest] @ np.array(_PREDICTS[if_equal])
                rules.append(_Rule((*done, s), if_equal if len(rest) else ""))
                explained.append(found + totals(hits, fold[rest], n_folds))
                if not len(rest):
                    break
            grown.append((float(explained[-1].sum()), (*done, s), rest, found))
        if greedy and grown:
            grown = [max(grown, key=lambda g: g[0])]
        for _, taken, rest, found in grown:
            if len(rest) and len(taken) < longest:
                grow(taken, rest, found)

    grow((), np.arange(len(counts)), np.zeros(n_folds))
    return _Tried(rules, np.array(explained).reshape(-1, n_folds))


class _Searched:
    """What was found for one side, before it is measured."""

    def __init__(self, steps: _Steps, side: Choices, *, longest: int, seed: int) -> None:
        n = len(side.comparisons)
        fold = np.random.default_rng((seed, FOLDS)).permutation(n) % max(1, min(FOLDS, n))
        offered = bool(side.offered.any())
        self.steps = steps
        self.picked = [_pick(steps, side.counts, fold, longest=k, offered=offered) for k in (longest, 1)]
        self.singles = self.picked[1].tried.rules
        self.says = np.array(
            [
                *(steps.says(rule) for rule in self.singles),
                *(s for p in self.picked for s in (steps.says(p.rule), p.held_out)),
                *(np.tile(_PREDICTS[kind], (n, 1)) for kind in (COIN, INDECIDE)),
            ]
        ).reshape(-1, 3 * n)

    def shares(self, counts: Array, comparison: Array) -> list[float]:
        """Return the share of the choices that each row of ``says`` predicts."""
        weighted = (comparison[:, None] * counts).ravel()
        total = weighted.sum()
        return list(self.says @ weighted / (total if total > 0 else np.nan))

    def named(self, found: Sequence[Measured]) -> SideRules:
        """Return what was measured of the rows of ``says`` under their names."""
        *of_singles, best, best_held_out, single, single_held_out, coin, undecided = found
        explained = [
            ExplainedBy(rule=self.steps.in_words(rule), share=share)
            for rule, share in zip(self.singles, of_singles, strict=True)
        ]
        best_rule, best_single = (
            BestRule(
                rule=self.steps.in_words(p.rule), share=share, held_out=held_out, n_rules=len(p.tried.rules)
            )
            for p, share, held_out in zip(
                self.picked, (best, single), (best_held_out, single_held_out), strict=True
            )
        )
        return SideRules(
            best=best_rule,
            best_single=best_single,
            singles=tuple(sorted(explained, key=lambda e: -(e.share.value or 0.0))),
            coin=coin,
            always_undecided=undecided,
        )


@dataclass(frozen=True, slots=True)
class _Picked:
    rule: _Rule
    held_out: Array
    """What the rules say that were picked without the comparison's own fold, shape (n_comparisons, 3)."""
    tried: _Tried


def _pick(steps: _Steps, counts: Array, fold: Indices, *, longest: int, offered: bool) -> _Picked:
    tried = _try(steps, counts, fold, longest=longest, offered=offered)
    everything = tried.explained.sum(axis=1)
    greedy = longest > MOST_ENUMERATED
    held_out = np.zeros((len(counts), 3))
    for k in range(tried.explained.shape[1]):
        inside = fold == k
        if greedy:
            others = np.where(inside[:, None], 0.0, counts)
            again = _try(steps, others, fold, longest=longest, offered=offered)
            rule = again.best(again.explained.sum(axis=1))
        else:
            rule = tried.best(everything - tried.explained[:, k])
        held_out[inside] = steps.says(rule)[inside]
    return _Picked(tried.best(everything), held_out, tried)


def _by_person(steps: _Steps, people: Choices, *, longest: int) -> tuple[PersonRule, ...]:
    """Return which rules explain most persons best; each person's answers count once per comparison and choice."""
    n, offered = len(people.comparisons), bool(people.offered.any())
    fold = np.zeros(n, dtype=np.intp)
    rules = _try(steps, people.counts, fold, longest=longest, offered=offered).rules
    row, column = np.nonzero(people.choice)
    answered = sparse.coo_array(
        (people.choice[row, column], (people.respondent[row], 3 * people.comparison[row] + column)),
        shape=(people.n_respondents, 3 * n),
    ).tocsr()
    says = np.array([steps.says(rule).ravel() for rule in rules])
    explained = np.asarray(answered @ says.T)
    size = np.asarray(answered.sum(axis=1))
    explained, size = explained[size > 0], size[size > 0]
    length = np.array([len(rule.steps) for rule in rules])
    best = explained >= explained.max(axis=1, keepdims=True) - _ROUNDING
    shortest = np.where(best, length, length.max() + 1).min(axis=1, keepdims=True)
    taken = best & (length == shortest)
    part = taken / taken.sum(axis=1, keepdims=True)
    persons = part.sum(axis=0)
    share = (part * explained / size[:, None]).sum(axis=0) / np.where(persons > 0, persons, 1)
    order = [int(i) for i in np.argsort(-persons, kind="stable") if persons[i] > 0]
    return tuple(
        PersonRule(rule=steps.in_words(rules[i]), persons=float(persons[i]), mean_share=float(share[i]))
        for i in order[:MOST_LISTED]
    )
