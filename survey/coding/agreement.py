"""How far coders agree, and how far a model's proposals agree with them. Pure.

Only coders working apart are compared: what was adjudicated is no coder's. Categories are the standing ones, so
merging two takes away their confusion. Models stand apart: nothing of theirs is in the coders' numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from survey.coding.alpha import coincidences, masi, nominal
from survey.coding.coding import CodeKind, Coding, Ended, Outcome
from survey.coding.final import FinalCodes, Word, element_of, final_codes, words_of
from survey.coding.kappa import Numbers
from survey.coding.measures import Measure, draw_weights, measure
from survey.coding.pairs import PairAgreement, pair_agreement
from survey.coding.shares import Share, share_of

FINAL = "final codes"
"""What stands in the place of a coder where a model is compared with the final codes."""
_NOTHING_TWICE = "no suggestion was coded by two coders"
_NO_VARIATION = "all codes are the same: no variation"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoderWork:
    """How much one coder has done."""

    coder: str
    suggestions: int
    """That this coder has dealt with."""
    codes: Mapping[str, int]
    """Element (category, ``(no_category)``, ``(unusable)``) -> suggestions that this coder put into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryAlpha:
    """How far all coders agree on one category, or on one of the outcomes without a category."""

    category: str
    label: str
    ended: Ended | None
    """As in ``CategoryCount``."""
    suggestions: int
    """Of those coded by two or more: that at least one coder put into it."""
    alpha: Measure
    """Krippendorff's, of whether a suggestion belongs to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """How far a model's proposals find one category of the final codes."""

    category: str
    label: str
    ended: Ended | None
    """As in ``CategoryCount``."""
    final: int
    """Suggestions that belong to it."""
    proposed: int
    both: int
    precision: Share | None
    """Of what the model proposed, how much belongs to it (Wilson's interval); None: nothing was proposed."""
    recall: Share | None
    """Of what belongs to it, how much the model proposed; None: nothing belongs to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAgreement:
    """How far one model's proposals agree with the final codes and with each coder."""

    model: str
    proposals: int
    """Suggestions for which it proposed something, also that they fit no category."""
    without_final: int
    """Of these, those that have no final code yet: left out of the comparison with the final codes."""
    with_final: PairAgreement
    retrieval: tuple[Retrieval, ...]
    """For each category that either has."""
    precision: Share | None
    """Over all categories and outcomes together."""
    recall: Share | None
    with_coders: tuple[PairAgreement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of everybody who coded."""

    suggestions: int
    """All there are."""
    coded: int
    """Dealt with by at least one coder."""
    by_two: int
    """Dealt with by two coders or more: those that the numbers are about."""
    respondents: int
    """Who said those."""
    coders: tuple[CoderWork, ...]
    alpha: Measure
    """Krippendorff's with MASI distances of the sets of categories."""
    alpha_same: Measure
    """Krippendorff's where sets are equal or different, nothing between."""
    categories: tuple[CategoryAlpha, ...]
    """Those that any coder used on these suggestions, in the codebook's order, then the outcomes."""
    pairs: tuple[PairAgreement, ...]
    """Of every two coders."""
    models: tuple[ModelAgreement, ...]
    draws: int
    seed: int


def agreement_of(
    coding: Coding, final: FinalCodes | None = None, *, draws: int = 1000, seed: int = 0
) -> Agreement:
    """Measure agreement, with 95 % intervals over samples of respondents.

    Parameters
    ----------
    final
        Which codes count, if known already; models are compared with them.
    draws
        Bootstrap samples.

    Raises
    ------
    CodingError
        As ``final.final_codes``.
    """
    words = words_of(coding)
    coders = {coder: own for (kind, coder), own in words.items() if kind is CodeKind.CODER}
    models = {model: own for (kind, model), own in words.items() if kind is CodeKind.MODEL}
    labels, ended = labels_of(coding), coding.ended
    columns: dict[tuple[str, str], int] = {}
    respondent_of = {
        s.id: columns.setdefault((s.kind.value, s.respondent), len(columns)) for s in coding.suggestions
    }
    weights = draw_weights(len(columns), draws, seed)

    def pair(first: str, second: str, one: Mapping[int, Word], other: Mapping[int, Word]) -> PairAgreement:
        return pair_agreement(
            first,
            second,
            (one, other),
            labels=labels,
            ended=ended,
            respondent_of=respondent_of,
            weights=weights,
        )

    said = {s.id: [own[s.id] for own in coders.values() if s.id in own] for s in coding.suggestions}
    units = {suggestion: own for suggestion, own in said.items() if len(own) > 1}
    of_units = [respondent_of[suggestion] for suggestion in units]
    sets = [[word.elements for word in own] for own in units.values()]
    settled = (
        {
            suggestion: f.word
            for suggestion, f in (final or final_codes(coding)).by_suggestion.items()
            if f.word is not None
        }
        if models
        else {}
    )
    return Agreement(
        suggestions=len(coding.suggestions),
        coded=sum(bool(own) for own in said.values()),
        by_two=len(units),
        respondents=len(set(of_units)),
        coders=tuple(_work(coder, own) for coder, own in coders.items()),
        alpha=_alpha_of_sets(sets, of_units, weights, masi_sets=True),
        alpha_same=_alpha_of_sets(sets, of_units, weights, masi_sets=False),
        categories=_alphas(sets, of_units, weights, labels, ended),
        pairs=tuple(pair(a, b, coders[a], coders[b]) for a, b in combinations(coders, 2)),
        models=tuple(
            ModelAgreement(
                model=model,
                proposals=len(own),
                without_final=sum(suggestion not in settled for suggestion in own),
                with_final=pair(FINAL, model, settled, own),
                retrieval=(found := _retrievals(settled, own, labels, ended)),
                precision=share_of(sum(r.both for r in found), sum(r.proposed for r in found)),
                recall=share_of(sum(r.both for r in found), sum(r.final for r in found)),
                with_coders=tuple(pair(coder, model, words_, own) for coder, words_ in coders.items()),
            )
            for model, own in models.items()
        ),
        draws=draws,
        seed=seed,
    )


def labels_of(coding: Coding) -> dict[str, str]:
    """Return element -> label: the standing categories in the codebook's order, then the outcomes without one."""
    return {category.name: category.label for category in coding.current} | {
        element_of(Outcome.NO_CATEGORY): "No category",
        element_of(Outcome.UNUSABLE): "Unusable",
    }


def _work(coder: str, own: Mapping[int, Word]) -> CoderWork:
    codes = Counter(element for word in own.values() for element in word.elements)
    return CoderWork(coder=coder, suggestions=len(own), codes=dict(sorted(codes.items())))


def _alpha_of_sets(
    sets: Sequence[Sequence[frozenset[str]]], columns: Sequence[int], weights: Numbers, *, masi_sets: bool
) -> Measure:
    if not sets:
        return Measure(value=None, reason=_NOTHING_TWICE)
    made = coincidences(sets, masi if masi_sets else nominal)
    # Samples of respondents are added up from respondents, who are fewer than suggestions.
    samples = made.summed(columns, weights.shape[1]).alpha(weights)
    return measure(samples, _NO_VARIATION, respondents=len(set(columns)))


def _alphas(
    sets: Sequence[Sequence[frozenset[str]]],
    columns: Sequence[int],
    weights: Numbers,
    labels: Mapping[str, str],
    ended: Mapping[str, Ended],
) -> tuple[CategoryAlpha, ...]:
    """Return alpha of every category at once: of yes and no it needs but three sums over units.

    They are: values of all units, values that are yes, and products of the numbers of yes and no within a unit,
    divided by one less than its values.
    """
    from scipy.sparse import coo_array

    used = {element for unit in sets for own in unit for element in own}
    elements = [element for element in labels if element in used]
    if not elements:
        return ()
    place = {element: i for i, element in enumerate(elements)}
    rows, at, yes, mixed = [], [], [], []
    for column, unit in zip(columns, sets, strict=True):
        for element, n_yes in Counter(element for own in unit for element in own).items():
            rows.append(column)
            at.append(place[element])
            yes.append(float(n_yes))
            mixed.append(n_yes * (len(unit) - n_yes) / (len(unit) - 1))
    shape = (weights.shape[1], len(elements))
    sum_yes, sum_mixed = (
        np.asarray((coo_array((numbers, (rows, at)), shape=shape).tocsr().T @ weights.T).T)
        for numbers in (yes, mixed)
    )
    values = np.bincount(columns, weights=[len(unit) for unit in sets], minlength=weights.shape[1])
    n = (weights @ values)[:, None]
    by_chance = sum_yes * (n - sum_yes)
    with np.errstate(divide="ignore", invalid="ignore"):
        samples = np.where(by_chance > 0, 1 - (n - 1) * sum_mixed / by_chance, np.nan)
    units_with = Counter(element for unit in sets for element in frozenset().union(*unit))
    return tuple(
        CategoryAlpha(
            category=element,
            label=labels[element],
            ended=ended.get(element),
            suggestions=units_with[element],
            alpha=measure(
                samples[:, i],
                _NO_VARIATION,
                respondents=len(set(columns)),
                lowest=_lowest_alpha(float(sum_yes[0, i] / n[0, 0])),
            ),
        )
        for i, element in enumerate(elements)
    )


def _lowest_alpha(share: float) -> float:
    """Return how low alpha of yes and no can be, of many values, where so large a share is yes: whoever says what
    is said less often is alone with it. Disagreement is 2 share then, and 2 share (1 - share) by chance.
    """
    rare = min(share, 1 - share)
    return -rare / (1 - rare)


def _retrievals(
    final: Mapping[int, Word],
    proposed: Mapping[int, Word],
    labels: Mapping[str, str],
    ended: Mapping[str, Ended],
) -> tuple[Retrieval, ...]:
    common = [suggestion for suggestion in proposed if suggestion in final]
    right = Counter(element for s in common for element in final[s].elements)
    given = Counter(element for s in common for element in proposed[s].elements)
    both = Counter(element for s in common for element in final[s].elements & proposed[s].elements)
    return tuple(
        Retrieval(
            category=element,
            label=label,
            ended=ended.get(element),
            final=right[element],
            proposed=given[element],
            both=both[element],
            precision=share_of(both[element], given[element]),
            recall=share_of(both[element], right[element]),
        )
        for element, label in labels.items()
        if right[element] or given[element]
    )
