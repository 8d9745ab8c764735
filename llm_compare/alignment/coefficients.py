"""How much each attribute counts for people and for a model, by logit coefficients made alike. Pure.

Raw coefficients of a model that hardly errs are many times those of a crowd, which says how decisive it is and not
what it values. So they are divided by their sum over attributes, and that sum, the scale, is a number of its own.
Indecision is a choice with a parameter of its own (see :mod:`llm_compare.alignment.logit`); where it was not on
offer to both sides, indecisions are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimation.effects import Term, attribute_terms, term_matrix
from estimation.errors import EstimationError
from llm_compare.alignment.choices import Array, Pairing
from llm_compare.alignment.group_tests import GroupTests, group_tests
from llm_compare.alignment.logit import (
    INDECISION_PULL,
    POSITION,
    PRIOR_SHARE,
    SideLogit,
    model_of,
    named,
    separated,
    side_logit,
)
from llm_compare.alignment.ranks import LargestMove, largest_move, rank_numbers
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured
from llm_compare.alignment.tallies import varied_attributes
from survey.design import Attribute, CategoricalAttribute, Profile, Value, plain_number
from survey.wording import value_words

_NOT_ESTIMATED = "a side whose attributes have no effect has no shares"
# A sum of effects below this is rounding.
_NO_EFFECT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class BothSides:
    """One number of people and model."""

    people: Measured
    model: Measured
    difference: Measured
    """The model's less people's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """One coefficient of both sides."""

    name: str
    """``drinking=heavy``, or the attribute's name for a number."""
    contrast: str
    """Who is compared with whom, in the design's words; a number counts over its whole range in the design."""
    normalized: BothSides
    """Difference of log-strengths, divided by the side's scale: below 0 if the first named loses priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeShare:
    """How much of all that attributes do is one attribute's."""

    attribute: str
    label: str
    share: BothSides
    """From 0 to 1: the greatest difference of log-strengths that the attribute makes, over the sum of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An attribute without a coefficient."""

    attribute: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RankAgreement:
    """Profiles in the order of people's and of the model's weights."""

    n_profiles: int
    kendall: Measured
    """Kendall's tau-b; no value where one side gives every profile the same weight."""
    spearman: Measured
    moved_most: LargestMove | None
    """The profile that stands elsewhere most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """What the logit says of both sides."""

    estimator: str
    """``min-delta`` or ``conditional-logit``."""
    regularized: str
    """Why both sides were mixed with prior answers; empty if they were not."""
    coefficients: tuple[Coefficient, ...]
    attributes: tuple[AttributeShare, ...]
    scale: BothSides | None
    """Decisiveness: the sum over attributes of the greatest difference of log-strengths that each makes. Says how
    predictable choices are; where regularized, no more than that they are very predictable."""
    position: BothSides | None
    """What standing on the left (being shown first) adds to a log-strength; 0 without position bias."""
    pull: BothSides | None
    """Pull of indecision: the log-odds of indecision against one of two equal patients. None where indecision was
    not on offer to both."""
    ranks: RankAgreement | None
    left_out: tuple[LeftOut, ...]
    tests: GroupTests
    """People against the model in nested steps: own scale, own habits, own effects."""
    reason: str
    """Why there are no coefficients; empty if there are."""


def coefficients(
    pairing: Pairing,
    resampling: Resampling,
    *,
    profiles: Sequence[Profile],
    regularize: bool | None = None,
) -> Coefficients:
    """Estimate both sides alike and compare what is left when their scales are taken out.

    Intervals come from draws of people and comparisons, in each of which the estimate takes one Newton step.

    Parameters
    ----------
    profiles
        Those whose order by weight is compared.
    regularize
        Whether prior answers are added to both sides; None: if one of them has no finite estimate. Give True to all
        models of a comparison where one needs it (see :func:`llm_compare.alignment.logit.separated`).

    References
    ----------
    Davidson (1970), J. Amer. Statist. Assoc. 65; Clogg et al. (1991), J. Amer. Statist. Assoc. 86 (prior answers);
    Swait and Louviere (1993), J. Marketing Research 30 (scale apart from preferences).
    """
    kept, without = varied_attributes(pairing.attributes, pairing.comparisons)
    left_out = tuple(LeftOut(attribute=name, reason=why) for name, why in without.items())
    model = model_of(pairing)
    nothing = Coefficients(
        estimator=model.value,
        regularized="",
        coefficients=(),
        attributes=(),
        scale=None,
        position=None,
        pull=None,
        ranks=None,
        left_out=left_out,
        tests=group_tests(pairing, regularize=regularize),
        reason="no comparison is of two patients who differ in an attribute",
    )
    if not kept:
        return nothing
    try:
        never_err = separated([pairing], kept)
        prior = bool(never_err) if regularize is None else regularize
        sides = [side_logit(s, kept, model, regularize=prior) for s in (pairing.people, pairing.model)]
    except EstimationError as error:
        return replace(nothing, reason=str(error))
    covered = [p for p in profiles if _is_covered(p, kept)]
    plan = _Plan.of(kept, covered, described_by=pairing.attributes)

    def numbers(weighted: Weighted) -> list[float]:
        people, other = (
            side.at(weights)
            for side, weights in zip(sides, (weighted.people_answers, weighted.model_answers), strict=True)
        )
        return plan.numbers(sides, people, other)

    found = measured(numbers, pairing, resampling, undefined=_NOT_ESTIMATED)
    return replace(
        plan.result(nothing, found, sides),
        regularized=_why(never_err) if prior else "",
        reason="",
    )


def _why(never_err: Sequence[str]) -> str:
    because = (
        f"{' and '.join(never_err)} {'follow' if len(never_err) > 1 else 'follows'} a rule without exception, or "
        "never chose one of the answers, so no finite estimate exists"
        if never_err
        else "another model of this comparison has no finite estimate"
    )
    return (
        f"{because}: both sides were mixed with {PRIOR_SHARE:.0%} of answers spread evenly. The scale then depends "
        "on that; trust signs, shares and orders more than sizes"
    )


def _is_covered(profile: Profile, attributes: Sequence[Attribute]) -> bool:
    return all(
        not isinstance(a, CategoricalAttribute) or profile[a.name] in a.level_names for a in attributes
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    """Which numbers are computed from both sides' parameters, in which order."""

    attributes: tuple[Attribute, ...]
    terms: tuple[Term, ...]
    reach: Array
    """What a coefficient is multiplied by: a number's range, 1 for a level."""
    own: tuple[Array, ...]
    """Of each attribute, the places of its terms."""
    described_by: tuple[Attribute, ...]
    """All attributes of the profiles, those without a term, too."""
    profiles: tuple[Profile, ...]
    values: Array
    """Terms of the profiles, shape (n_profiles, n_terms)."""

    @classmethod
    def of(
        cls,
        attributes: Sequence[Attribute],
        profiles: Sequence[Profile],
        *,
        described_by: Sequence[Attribute],
    ) -> _Plan:
        terms = attribute_terms(attributes)
        ranges = {
            a.name: 1.0 if isinstance(a, CategoricalAttribute) else a.maximum - a.minimum for a in attributes
        }
        return cls(
            attributes=tuple(attributes),
            terms=terms,
            reach=np.array([ranges[t.attribute] for t in terms]),
            own=tuple(
                np.array([i for i, t in enumerate(terms) if t.attribute == a.name]) for a in attributes
            ),
            described_by=tuple(described_by),
            profiles=tuple(profiles),
            values=term_matrix(terms, profiles),
        )

    def numbers(self, sides: Sequence[SideLogit], people: Array, model: Array) -> list[float]:
        """Return normalized coefficients, shares, scale, position, pull (people, model, difference), then ranks."""
        k = len(self.terms)
        found: list[float] = []
        parts = [self._normalized(values[:k] * self.reach) for values in (people, model)]
        for one, other in zip(*parts, strict=True):
            found += [one, other, other - one]
        for name in (POSITION, INDECISION_PULL):
            places = [named(side, name) for side in sides]
            one, other = (
                float("nan") if at is None else float(values[at])
                for at, values in zip(places, (people, model), strict=True)
            )
            found += [one, other, other - one]
        return found + list(rank_numbers(self.values @ people[:k], self.values @ model[:k]))

    def _normalized(self, sizes: Array) -> list[float]:
        """Return coefficients and attributes' greatest differences over their sum, and that sum."""
        greatest = np.array([max(sizes[i].max(), 0.0) - min(sizes[i].min(), 0.0) for i in self.own])
        scale = float(greatest.sum())
        if scale < _NO_EFFECT:
            return [float("nan")] * (len(sizes) + len(greatest)) + [scale]
        return [*(float(x) for x in sizes / scale), *(float(x) for x in greatest / scale), scale]

    def result(
        self, nothing: Coefficients, found: Sequence[Measured], sides: Sequence[SideLogit]
    ) -> Coefficients:
        """Put the measured numbers where they belong."""
        k, n = len(self.terms), len(self.attributes)

        def both(place: int, least: float = -np.inf, most: float = np.inf) -> BothSides:
            at, widest = 3 * place, most - least
            return BothSides(
                people=_within(found[at], least, most),
                model=_within(found[at + 1], least, most),
                difference=_within(found[at + 2], -widest, widest),
            )

        words = {a.name: a for a in self.attributes}
        last = 3 * (k + n + 3)
        strengths = [self.values @ side.values[:k] for side in sides]
        return replace(
            nothing,
            coefficients=tuple(
                Coefficient(
                    name=t.name, contrast=_contrast(words[t.attribute], t), normalized=both(i, -1.0, 1.0)
                )
                for i, t in enumerate(self.terms)
            ),
            attributes=tuple(
                AttributeShare(attribute=a.name, label=a.label, share=both(k + i, 0.0, 1.0))
                for i, a in enumerate(self.attributes)
            ),
            scale=both(k + n, least=0.0),
            position=_told(both(k + n + 1), "the sides on which patients stood cannot tell it"),
            pull=both(k + n + 2) if all(named(s, INDECISION_PULL) is not None for s in sides) else None,
            ranks=RankAgreement(
                n_profiles=len(self.profiles),
                kendall=_within(found[last], -1.0, 1.0),
                spearman=_within(found[last + 1], -1.0, 1.0),
                moved_most=largest_move(self.described_by, self.profiles, *strengths),
            )
            if self.profiles
            else None,
        )


def _told(both: BothSides, reason: str) -> BothSides:
    """Give the reason where a parameter is missing on one side."""

    def said(m: Measured) -> Measured:
        return replace(m, reason=reason) if m.value is None else m

    return BothSides(people=said(both.people), model=said(both.model), difference=said(both.difference))


def _within(m: Measured, least: float, most: float) -> Measured:
    """End the interval at values that cannot be: symmetric ones would promise shares of more than everything."""
    if m.low is None or m.high is None:
        return m
    return replace(m, low=max(m.low, least), high=min(m.high, most))


def _contrast(attribute: Attribute, term: Term) -> str:
    ends: tuple[Value, Value]
    if isinstance(attribute, CategoricalAttribute):
        ends = attribute.level_names[0], str(term.factors[0].at)
    else:
        ends = plain_number(attribute.minimum), plain_number(attribute.maximum)
    low, high = (value_words(attribute, value) for value in ends)
    return f"'{high}' rather than '{low}'"
