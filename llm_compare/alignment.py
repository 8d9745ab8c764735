"""How far a model's choices are from people's, with the level that people reach among themselves beside it.

Both sides are sets of the same :class:`survey.answers.Answer`; each measure runs the same code on both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from estimation.dataset import choice_data
from estimation.effects import attribute_terms
from estimation.errors import EstimationError, Separated
from estimation.fitting import fit
from estimation.results import Fit
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals
from estimation.weights import PriorityWeights
from llm_compare.consistency import SideConsistency, side_consistency
from llm_compare.errors import NotComparable
from llm_compare.rates import Rate, answer_clusters, clustered_rate
from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.design import Attribute, Comparison, Profile
from survey.errors import BadProfile

FIRST, SECOND, INDECISION = 0, 1, 2
"""Columns of choice counts: the comparison's first profile, its second, indecision."""

_CONDITION = {True: "with", False: "without"}

# Fewer comparisons than this, or than half of those in common, give a ceiling that says nothing about the rest.
FEWEST_IN_HALVES = 10

# Weights that differ by less than this are equal: what remains of exactly balanced answers is rounding.
_SAME_LOG_WEIGHT = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonShares:
    """One comparison that both sides answered."""

    comparison: Comparison
    people: tuple[int, int, int]
    """Choices for the first profile, the second, indecision."""
    model: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement with the people's majority, on the comparisons that both sides answered."""

    n_comparisons: int
    n_comparisons_in_halves: int
    """Those that at least two people answered, so that one half can be measured against the other."""
    n_without_majority: int
    """Comparisons on which two of the people's choices are equally frequent; left out of the measures."""
    model_answers: Rate | None
    """Share of the model's answers that equal the people's most frequent choice, clustered by comparison."""
    person_answers: float | None
    """The ceiling: share of the answers of one random half of the people that equal the other half's majority."""
    person_answers_range: tuple[float, float] | None
    """2.5 % and 97.5 % quantiles over random splits. It says how much the split matters, not how sure we are."""
    model_answers_halves: float | None
    """The model's answers measured exactly like the ceiling: against the same halves' majorities, on the same
    comparisons. A majority of half the people is less certain than that of all, and fewer comparisons are tied."""
    model_majority: float | None
    """Share of comparisons on which the model's most frequent choice is the people's."""
    half_majority: float | None
    """The ceiling: the same for the most frequent choices of two halves of the people."""
    n_splits: int

    @property
    def has_ceiling(self) -> bool:
        """Whether enough comparisons were answered by several people for halves of them to be a yardstick."""
        return self.n_comparisons_in_halves >= max(FEWEST_IN_HALVES, self.n_comparisons / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The people, or one model: what is measured on one side alone."""

    label: str
    n_answers: int
    n_respondents: int | None
    """None where the source does not say who answered."""
    indecision: Rate | None
    """None where indecision was not offered."""
    consistency: SideConsistency
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """Agreement of two orders of the same profiles."""

    n_profiles: int
    kendall: float | None
    """tau-b; None where one side gives every profile the same weight."""
    spearman: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """People against one model."""

    people: Side
    model: Side
    shares: tuple[ComparisonShares, ...]
    agreement: Agreement
    ranks: RankCorrelation
    notes: tuple[str, ...]


def align_all(
    people: AnswerSet,
    models: Mapping[str, AnswerSet],
    *,
    profiles: Sequence[Profile],
    bootstrap: int,
    n_splits: int,
    seed: int,
) -> tuple[Alignment, ...]:
    """Align each model with the people, all fits made alike; see :func:`align`.

    Where one side's answers follow a rule without exception, its coefficients have no finite estimate. Then every
    fit, the people's included, is regularized by the same weight of prior answers (one per parameter), and the
    notes say so.

    Parameters
    ----------
    models
        Label -> answers.

    Raises
    ------
    NotComparable
        The models answered under different conditions; or see :func:`align`.
    """
    offered = {label: {a.indecision_offered for a in s.answers} for label, s in models.items()}
    if len(set().union(*offered.values())) > 1:
        asked = ", ".join(f"{label} {_CONDITION[True in o]}" for label, o in offered.items() if o)
        raise NotComparable(
            f"the models were asked under different conditions ({asked} indecision on offer), so one set of "
            "people's answers cannot stand beside all; compare one arm at a time"
        )
    prior_answers = 0.0
    notes: list[str] = []
    while True:
        try:
            return tuple(
                align(
                    people,
                    answers,
                    model_label=label,
                    profiles=profiles,
                    bootstrap=bootstrap,
                    n_splits=n_splits,
                    seed=seed,
                    prior_answers=prior_answers,
                    notes=notes,
                )
                for label, answers in models.items()
            )
        except Separated as error:
            if prior_answers:
                raise
            attributes = next(iter(models.values())).attributes
            has_indecision = any(True in o for o in offered.values())
            prior_answers = float(len(attribute_terms(attributes)) + has_indecision)
            notes = [
                f"at least one respondent follows a rule without exception ({', '.join(error.involved)}): the "
                f"coefficients of all are regularized alike by {prior_answers:g} prior answers. The size of a "
                "coefficient then also says how decisive a respondent is: compare signs and orders"
            ]


def align(
    people: AnswerSet,
    model: AnswerSet,
    *,
    model_label: str,
    profiles: Sequence[Profile],
    bootstrap: int,
    n_splits: int,
    seed: int,
    prior_answers: float = 0.0,
    notes: Sequence[str] = (),
) -> Alignment:
    """Measure how far ``model`` is from ``people``.

    Only people's answers given under the model's condition count: with indecision offered, or without. Answers
    of models among the people's are left out.

    Parameters
    ----------
    profiles
        Over which the orders by weight are compared.
    bootstrap
        Cluster bootstraps for the coefficients' intervals; 0 uses the cluster sandwich.
    n_splits
        Random splits of the people into halves, for the ceiling.
    prior_answers
        Weight of prior answers in both fits, see :func:`estimation.assembly.assemble`.
    notes
        What a reader must know about all alignments of a run; kept first.

    Raises
    ------
    NotComparable
        The sides share no attributes or no condition, a side has no answers, or its answers cannot tell the
        weights of all attributes.
    Separated
        A side follows a rule without exception and ``prior_answers`` is 0.
    """
    if [a.name for a in people.attributes] != [a.name for a in model.attributes]:
        raise NotComparable(
            f"the people's answers ({people.source}) describe patients by "
            f"{', '.join(a.name for a in people.attributes)}, the model's ({model.source}) by "
            f"{', '.join(a.name for a in model.attributes)}; ask the model with the people's study design"
        )
    notes = list(notes)
    theirs = _main_answers(model)
    if not theirs:
        raise NotComparable(
            f"{model.source}: no reply of {model_label} is a readable choice; leave its file out"
        )
    offered = {a.indecision_offered for a in theirs}
    if len(offered) > 1:
        raise NotComparable(
            f"{model.source}: the model was asked both with and without indecision; compare one arm at a time"
        )
    persons = [a for a in _main_answers(people) if a.kind is RespondentKind.HUMAN]
    ours = [a for a in persons if a.indecision_offered in offered]
    condition = _CONDITION[True in offered]
    if not ours:
        raise NotComparable(
            f"{people.source}: no answers were given {condition} indecision on offer, as the model's were; "
            "ask the model under the people's condition (--arm)"
        )
    of_models = len(_main_answers(people)) - len(persons)
    if of_models:
        notes.append(f"{of_models} answers of models among the people's are left out")
    left_out = len(persons) - len(ours)
    if left_out:
        notes.append(
            f"{left_out} of the people's answers were not given {condition} indecision on offer and are left out"
        )
    _check_values(people.source, ours, model.attributes)
    # The model's replies carry the design's attributes in full, so its reference levels serve both sides.
    people = replace(people, answers=ours, attributes=model.attributes)
    model = replace(model, answers=theirs)
    hashes = {a.design_hash for a in (*ours, *theirs)}
    if len(hashes) > 1:
        notes.append(
            "the answers were collected under different versions of the design "
            f"({', '.join(sorted(h[:12] or 'unknown' for h in hashes))}); their words may differ"
        )
    chosen = Specification(
        model=Model.MIN_DELTA if True in offered else Model.CONDITIONAL_LOGIT,
        regularize=Regularize.ALWAYS if prior_answers else Regularize.NEVER,
        prior_answers=prior_answers or None,
    )
    fits = []
    for s in (people, model):
        try:
            data = choice_data(s)
            fits.append(fit(data, chosen, intervals=Intervals(bootstrap=bootstrap, seed=seed)))
        except Separated:
            raise
        except EstimationError as error:
            raise NotComparable(f"{s.source}: attribute weights cannot be estimated: {error}") from error
    shares = _shared_comparisons(ours, theirs)
    if not shares:
        notes.append(
            "people and model answered no comparison in common, so agreement cannot be measured; ask the model "
            "the people's own comparisons (compare ask --from answers.csv)"
        )
    return Alignment(
        people=_side("people", ours, fits[0]),
        model=_side(model_label, theirs, fits[1]),
        shares=shares,
        agreement=_agreement(shares, ours, n_splits=n_splits, seed=seed),
        ranks=rank_correlation(fits[0].weights, fits[1].weights, profiles),
        notes=tuple(notes),
    )


def rank_correlation(
    one: PriorityWeights, other: PriorityWeights, profiles: Sequence[Profile]
) -> RankCorrelation:
    """Compare the orders of ``profiles`` by two sets of weights."""
    x, y = (
        np.round(np.log([weights.weight(p) for p in profiles]) / _SAME_LOG_WEIGHT) for weights in (one, other)
    )
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return RankCorrelation(n_profiles=len(profiles), kendall=None, spearman=None)
    return RankCorrelation(
        n_profiles=len(profiles),
        kendall=float(stats.kendalltau(x, y).statistic),
        spearman=float(stats.spearmanr(x.tolist(), y.tolist()).statistic),
    )


def _main_answers(answer_set: AnswerSet) -> list[Answer]:
    return [a for a in answer_set.answers if a.role is Role.MAIN]


def _check_values(source: str, answers: Sequence[Answer], attributes: Sequence[Attribute]) -> None:
    for profile in {p for a in answers for p in (a.left, a.right)}:
        for attribute in attributes:
            try:
                attribute.checked(profile[attribute.name])
            except BadProfile as error:
                raise NotComparable(
                    f"{source}: {error}, according to the design the model was asked with"
                ) from None


def _side(label: str, answers: Sequence[Answer], fitted: Fit) -> Side:
    respondents = {a.respondent for a in answers}
    clusters, unit = answer_clusters(answers)
    return Side(
        label=label,
        n_answers=len(answers),
        n_respondents=None if None in respondents else len(respondents),
        indecision=clustered_rate(
            [a.choice is Choice.INDECISION for a in answers],
            clusters,
            unit=unit,
        )
        if answers[0].indecision_offered
        else None,
        consistency=side_consistency(answers),
        fit=fitted,
    )


def _counts(answers: Iterable[Answer]) -> dict[Comparison, NDArray[np.int64]]:
    counts: defaultdict[Comparison, NDArray[np.int64]] = defaultdict(lambda: np.zeros(3, dtype=np.int64))
    for answer in answers:
        if answer.left != answer.right:
            counts[answer.comparison][_column(answer)] += 1
    return dict(counts)


def _column(answer: Answer) -> int:
    if answer.choice is Choice.INDECISION:
        return INDECISION
    chosen = answer.left if answer.choice is Choice.LEFT else answer.right
    return FIRST if chosen == answer.comparison.first else SECOND


def _shared_comparisons(people: Sequence[Answer], model: Sequence[Answer]) -> tuple[ComparisonShares, ...]:
    ours, theirs = _counts(people), _counts(model)
    return tuple(
        ComparisonShares(
            comparison=comparison,
            people=_triple(ours[comparison]),
            model=_triple(theirs[comparison]),
        )
        for comparison in ours
        if comparison in theirs
    )


def _triple(counts: NDArray[np.int64]) -> tuple[int, int, int]:
    return int(counts[0]), int(counts[1]), int(counts[2])


def _majority(counts: Sequence[int] | NDArray[np.int64]) -> int | None:
    """Return the column of the most frequent choice, or None where two are equally frequent or none was made."""
    top = max(counts)
    return int(np.argmax(counts)) if top > 0 and sum(c == top for c in counts) == 1 else None


def _agreement(
    shares: Sequence[ComparisonShares], people: Sequence[Answer], *, n_splits: int, seed: int
) -> Agreement:
    hits: list[bool] = []
    clusters: list[Comparison] = []
    majorities: list[bool] = []
    undecided = 0
    for s in shares:
        majority = _majority(s.people)
        if majority is None:
            undecided += 1
            continue
        for column, n in enumerate(s.model):
            hits += [column == majority] * n
            clusters += [s.comparison] * n
        majorities.append(_majority(s.model) == majority)
    singles, models, halves = _ceiling(shares, people, n_splits=n_splits, seed=seed)
    return Agreement(
        n_comparisons=len(shares),
        n_comparisons_in_halves=sum(sum(s.people) > 1 for s in shares),
        n_without_majority=undecided,
        model_answers=clustered_rate(hits, clusters, unit="comparison"),
        person_answers=float(np.mean(singles)) if singles else None,
        person_answers_range=(float(np.quantile(singles, 0.025)), float(np.quantile(singles, 0.975)))
        if singles
        else None,
        model_answers_halves=float(np.mean(models)) if models else None,
        model_majority=float(np.mean(majorities)) if majorities else None,
        half_majority=float(np.mean(halves)) if halves else None,
        n_splits=n_splits if singles else 0,
    )


def _ceiling(
    shares: Sequence[ComparisonShares], people: Sequence[Answer], *, n_splits: int, seed: int
) -> tuple[list[float], list[float], list[float]]:
    """Return, per random split: agreement of one half's answers, and of the model's, with the other half's
    majority; and agreement of the halves' majorities.

    Comparisons weigh as much as the model answered them, for the people, too. Respondents are split where known,
    so that nobody is in both halves; otherwise the answers to each comparison.
    """
    rng = np.random.default_rng(seed)
    comparisons = {s.comparison: s.model for s in shares}
    by_comparison: defaultdict[Comparison, list[tuple[object, int]]] = defaultdict(list)
    for number, answer in enumerate(people):
        if answer.left != answer.right and answer.comparison in comparisons:
            by_comparison[answer.comparison].append((answer.respondent or number, _column(answer)))
    respondents = list(dict.fromkeys(who for group in by_comparison.values() for who, _ in group))
    anonymous = any(a.respondent is None for a in people)

    singles, models, halves = [], [], []
    for _ in range(n_splits):
        in_first = _random_half(respondents, by_comparison, rng, within_comparison=anonymous)
        matched = model_matched = answered = 0.0
        same = compared = 0
        for comparison, group in by_comparison.items():
            model = comparisons[comparison]
            half: tuple[NDArray[np.int64], NDArray[np.int64]] = (
                np.zeros(3, dtype=np.int64),
                np.zeros(3, dtype=np.int64),
            )
            for who, column in group:
                half[in_first[who]][column] += 1
            modes = [_majority(h) for h in half]
            for mine, other in ((0, 1), (1, 0)):
                majority = modes[other]
                if majority is not None and half[mine].any():
                    matched += sum(model) * float(half[mine][majority] / half[mine].sum())
                    model_matched += model[majority]
                    answered += sum(model)
            if None not in modes:
                compared += 1
                same += modes[0] == modes[1]
        if answered:
            singles.append(matched / answered)
            models.append(model_matched / answered)
        if compared:
            halves.append(same / compared)
    return singles, models, halves


def _random_half(
    respondents: Sequence[object],
    by_comparison: Mapping[Comparison, Sequence[tuple[object, int]]],
    rng: np.random.Generator,
    *,
    within_comparison: bool,
) -> dict[object, int]:
    groups = (
        [[who for who, _ in group] for group in by_comparison.values()]
        if within_comparison
        else [list(respondents)]
    )
    half = {}
    for group in groups:
        for place, i in enumerate(rng.permutation(len(group))):
            half[group[i]] = place % 2
    return half
