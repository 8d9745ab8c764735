"""The estimate of a running study: from counts to what its researcher sees, whatever the answers so far support."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from estimation.connectivity import Connectivity, connectivity
from estimation.dataset import COLUMN_OF, ChoiceData, Clustering, tally
from estimation.effect_rows import EffectRow, effect_rows, widest
from estimation.effects import EffectKind
from estimation.errors import EstimationError, NotConnected, NotIdentified
from estimation.fitting import fit
from estimation.model_quality import ModelQuality, quality
from estimation.results import Fit, Outcome
from estimation.specification import Model, Specification
from estimation.uncertainty import Intervals
from survey.answers import Choice, Role
from survey.design import Attribute, Profile, StudyDesign

MODEL_WORDS = {
    Model.DAVIDSON: "a strength per patient, indecision explained",
    Model.MIN_DELTA: "a weight per attribute, indecision explained",
    Model.BRADLEY_TERRY: "a strength per patient, indecision left out",
    Model.CONDITIONAL_LOGIT: "a weight per attribute, indecision left out",
}
"""What each model on offer estimates."""

MOST_PROFILES = 30
"""Of more profiles none gets a strength of its own on the page: a weight per attribute says more."""
FEWEST_FOR_CLASSES = 20
"""With fewer respondents nobody can tell kinds of people from chance."""
MOST_CLASSES = 3

_MOST_LISTED = 10


class StoredCounts(Protocol):
    """Counts as the survey's store makes them: columns of equal length."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Of the design."""

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Those that occur."""

    @property
    def respondents(self) -> tuple[str, ...]:
        """Their pseudonyms."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Those that occur."""

    @property
    def left(self) -> Sequence[int]:
        """Number of the left profile."""

    @property
    def right(self) -> Sequence[int]:
        """Number of the right profile."""

    @property
    def choice(self) -> Sequence[Choice]:
        """What was chosen."""

    @property
    def offered(self) -> Sequence[bool]:
        """Whether indecision could be chosen."""

    @property
    def respondent(self) -> Sequence[int]:
        """Number of the respondent."""

    @property
    def times(self) -> Sequence[int]:
        """How many answers a row stands for."""

    @property
    def other_roles(self) -> Mapping[Role, int]:
        """Answers that no estimate uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEstimate:
    """What the answers so far say, or why they say nothing yet."""

    model: Model
    gate: tuple[str, ...]
    """Sentences: what hangs together, what was never asked, who only won or lost."""
    fit: Fit | None
    problem: str
    """Why there is no fit; empty if there is one."""
    rows: tuple[EffectRow, ...]
    quality: ModelQuality | None

    @property
    def is_regularized(self) -> bool:
        """Whether prior answers had to be added."""
        return self.fit is not None and self.fit.gate.outcome is Outcome.REGULARIZED


def choice_data_of(counts: StoredCounts) -> ChoiceData:
    """Return the counts as estimators read them: the same as of the exported answers.

    Raises
    ------
    EstimationError
        There are no answers, or an indecision was not on offer.
    """
    if not counts.left:
        raise EstimationError("nobody has answered a main comparison yet")
    impossible = sum(
        n
        for n, choice, offered in zip(counts.times, counts.choice, counts.offered, strict=True)
        if choice is Choice.INDECISION and not offered
    )
    if impossible:
        raise EstimationError(f"{impossible} answers are indecision although it was not on offer")
    notes = [
        f"{n} answers to comparisons shown as {role} left out"
        for role, n in sorted(counts.other_roles.items())
    ]
    if len(counts.arms) > 1:
        notes.append(f"answers of the arms {', '.join(counts.arms)} are fitted together")
    cluster: Sequence[int] = counts.respondent
    names, clustering = counts.respondents, Clustering.RESPONDENT
    if len(names) == 1:
        # One person's answers vary from comparison to comparison, if at all.
        pairs = [
            " / ".join(sorted((counts.profiles[a].id, counts.profiles[b].id)))
            for a, b in zip(counts.left, counts.right, strict=True)
        ]
        number = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        cluster, names, clustering = [number[p] for p in pairs], tuple(number), Clustering.COMPARISON
    return tally(
        attributes=counts.attributes,
        profiles=counts.profiles,
        left=counts.left,
        right=counts.right,
        choice=[COLUMN_OF[choice] for choice in counts.choice],
        offered=counts.offered,
        cluster=cluster,
        cluster_names=names,
        clustering=clustering,
        times=counts.times,
        notes=tuple(notes),
    )


def models_for(design: StudyDesign) -> tuple[Model, ...]:
    """Return the models that suit a design, the usual one first.

    A strength per patient needs few patients, all hanging together by the comparisons that the design can ask.
    """
    offered = any(arm.indecision_offered for arm in design.arms)
    of_profiles = [Model.DAVIDSON] * offered + [Model.BRADLEY_TERRY]
    of_attributes = [Model.MIN_DELTA] * offered + [Model.CONDITIONAL_LOGIT]
    profiles = design.profiles()
    if profiles is None or len(profiles) > MOST_PROFILES:
        return tuple(of_attributes)
    if _hangs_together(design, profiles):
        return (*of_profiles, *of_attributes)
    return (*of_attributes, *of_profiles)


def _hangs_together(design: StudyDesign, profiles: Sequence[Profile]) -> bool:
    comparisons = design.comparisons()
    if comparisons is None:
        return True  # Drawn from all pairs.
    number = {profile: i for i, profile in enumerate(profiles)}
    joined = [(number[c.first], number[c.second]) for c in comparisons]
    rows, columns = np.array(joined, dtype=np.intp).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(profiles), len(profiles)))
    return int(connected_components(graph, directed=False)[0]) == 1


def live_estimate(data: ChoiceData, model: Model, *, profiles: Sequence[Profile] = ()) -> LiveEstimate:
    """Fit a model to the answers so far, or say in words why that cannot be done.

    Parameters
    ----------
    profiles
        All profiles that the design can show, to name those that nobody has answered about yet.
    """
    spec = Specification(model=model)
    graph = connectivity(data, by_indecision=spec.uses_indecision)
    gate = gate_words(graph, data, profiles) if spec.effect_kind is EffectKind.PROFILES else ()
    if data.clustering is not Clustering.RESPONDENT:
        problem = (
            "Only one participant has answered so far. An estimate of what people want needs the answers of at "
            "least two; with a handful, its intervals are still much too narrow."
        )
        return no_estimate(model, problem, gate)
    if spec.uses_indecision and not data.offered.any():
        return no_estimate(
            model, "Indecision was not on offer in these answers: choose a model that leaves it out.", gate
        )
    if not spec.uses_indecision and data.n_indecisions == data.n_answers:
        return no_estimate(
            model,
            "Every answer so far is an indecision, and this model leaves those out: choose one that "
            "explains them.",
            gate,
        )
    try:
        fitted = fit(data, spec, intervals=Intervals(draws=0))
    except NotConnected:
        return no_estimate(
            model,
            "These groups have no common scale, so no strength per patient can be estimated. A weight "
            "per attribute may be: choose a model with one.",
            gate,
        )
    except NotIdentified as error:
        return no_estimate(
            model,
            f"The comparisons answered so far cannot tell {_names(error.involved)} apart, or never vary "
            "them. More answers will help only if the design asks comparisons in which they differ.",
            gate,
        )
    except EstimationError as error:
        return no_estimate(model, _sentence(str(error)), gate)
    return LiveEstimate(
        model=model,
        gate=gate,
        fit=fitted,
        problem="",
        rows=tuple(effect_rows(fitted)),
        quality=quality(data, fitted),
    )


def no_estimate(model: Model, problem: str, gate: tuple[str, ...] = ()) -> LiveEstimate:
    """Return what is shown where nothing can be estimated, with the reason in words."""
    return LiveEstimate(model=model, gate=gate, fit=None, problem=problem, rows=(), quality=None)


def width_at_checkpoint(counts: StoredCounts, model: Model) -> tuple[float | None, str]:
    """Return the width of the widest 95 % interval, or None and why there is none.

    Only a maximum-likelihood estimate counts: prior answers narrow intervals without anybody having said more, and
    with no more respondents than parameters intervals have no meaning.
    """
    try:
        fitted = fit(choice_data_of(counts), model, intervals=Intervals(draws=0))
    except EstimationError as error:
        return None, str(error)
    if fitted.gate.outcome is Outcome.REGULARIZED:
        return None, fitted.gate.reason
    if fitted.n_clusters <= fitted.n_parameters:
        return None, f"{fitted.n_clusters} respondents are too few for {fitted.n_parameters} parameters"
    return widest(fitted), ""


def gate_words(graph: Connectivity, data: ChoiceData, profiles: Sequence[Profile] = ()) -> tuple[str, ...]:
    """Say what the comparisons asked so far can and cannot tell, in sentences."""
    n = len(data.profiles)
    words = []
    if graph.is_connected:
        words.append(
            f"All {n} profiles hang together: each can be measured against each, if only by way of others."
        )
    else:
        islands = "; ".join(_names(island) for island in graph.islands[:_MOST_LISTED])
        words.append(
            f"The answers fall into {len(graph.islands)} groups of profiles that were never compared with each "
            f"other: {islands}. Between the groups nothing can be said."
        )
    unseen = [p.id for p in profiles if p not in set(data.profiles)]
    if unseen:
        words.append(f"Nobody has answered yet about {_names(unseen)}.")
    asked = graph.n_pairs_asked
    if graph.n_pairs_never_asked:
        never = ", ".join(f"{a} with {b}" for a, b in graph.pairs_never_asked[:_MOST_LISTED])
        more = "" if graph.n_pairs_never_asked <= _MOST_LISTED else ", …"
        pairs = asked + graph.n_pairs_never_asked
        words.append(f"{graph.n_pairs_never_asked} of {pairs} pairs have no answer: {never}{more}.")
    else:
        words.append(f"All {asked} pairs were answered.")
    if graph.only_won:
        words.append(f"{_names(graph.only_won)} won every decided comparison so far.")
    if graph.only_lost:
        words.append(f"{_names(graph.only_lost)} lost every decided comparison so far.")
    return tuple(words)


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join([*names[:_MOST_LISTED], *([f"and {more} more"] if more > 0 else [])])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
