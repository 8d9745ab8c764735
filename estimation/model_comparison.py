"""All models that the answers allow, side by side, and which to prefer by rules that are stated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import xlogy

from estimation import likelihood_ratio
from estimation.conventions import Conventions, conventions
from estimation.dataset import INDECISION, ChoiceData, Clustering
from estimation.effects import EffectKind, attribute_terms, term_matrix
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.held_out import FOLDS, HeldOut, Score, difference, folds_of, held_out
from estimation.likelihood_ratio import (
    FEWEST_PER_PROFILE,
    LikelihoodRatio,
    NoTest,
    standard_tests,
)
from estimation.results import Fit, Outcome
from estimation.specification import DECIDED_ONLY, Model, Specification
from estimation.uncertainty import Intervals

ALL = "all"
REFUSED = "refused"

RULES = (
    "Only models whose estimate exists compete; regularized ones do if there is no other.",
    "The model with the greatest held-out log-likelihood per answer leads. Every model that trails it by no more "
    "than one standard error of the paired difference over clusters predicts as well, and of those the one with "
    "the fewest parameters is preferred (the one-standard-error rule of Breiman et al. 1984).",
    "Where nobody can be held out, because the source does not say who answered, the least BIC decides.",
    "Models of decided answers compete on all answers with a coin of constant weight added, so that every model is "
    "judged by the same answers.",
)
"""How :func:`compare` recommends."""

# Models with several maxima and more parameters than this take minutes; they are fitted if asked for by name.
_MOST_TO_SEARCH = 20
# Below this p a test's effect is named in the recommendation.
_NOTABLE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One model in one table."""

    name: str
    outcome: str
    """``fine``, ``regularized`` or ``refused``."""
    reason: str
    """Why it was regularized or refused, or why nobody could be held out; empty if nothing was."""
    n_parameters: int | None = None
    log_likelihood: float | None = None
    """Of the table's answers. A regularized fit's is not the greatest possible, nor are its AIC and BIC exact."""
    aic: float | None = None
    bic: float | None = None
    """With the number of clusters as the sample size."""
    held_out: Score | None = None
    behind: float | None = None
    """Held-out log-likelihood per answer of the table's leader, less this model's."""
    behind_se: float | None = None
    """Standard error of that, over clusters (0 for the leader)."""
    n_folds_regularized: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """What :func:`compare` finds."""

    n_answers: int
    n_indecisions: int
    n_clusters: int
    everything: tuple[Row, ...]
    """All models on all answers; models of decided answers with a coin of constant weight, one parameter more."""
    decided: tuple[Row, ...]
    """On decided answers only. Models of indecision appear with held-out predictions given that the answer is
    decided; their likelihood is of other answers. Empty if there is no indecision: then both tables are one."""
    baselines: tuple[tuple[str, Score], ...]
    """Held-out scores, on all answers, of predicting the same for every comparison."""
    n_folds: int
    seed: int
    tests: tuple[LikelihoodRatio | NoTest, ...]
    tested: str
    """The model that the tests extend."""
    conventions: Conventions | None
    recommended: str | None
    recommendation: tuple[str, ...]
    """Which model to prefer and what to mind, in words."""
    notes: tuple[str, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that the recommendation follows."""
        return RULES


def compare(
    data: ChoiceData,
    *,
    models: Sequence[str] = (ALL,),
    n_folds: int = FOLDS,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Fit models, hold respondents out, test extensions, compare conventions, and recommend a model.

    Parameters
    ----------
    models
        Names among :func:`candidates`; ``all`` stands for those that are quick and make sense.
    n_folds
        Parts of the respondents, each predicted from the others.
    executor
        Computes the folds; the result is the same whoever does. None: here.
    progress
        Is told each step, for a terminal.

    Raises
    ------
    EstimationError
        An unknown model, or no model can be fitted at all.
    """
    tell = progress or (lambda _: None)
    known = candidates(data, seed=seed)
    named = [name for name in models if name != ALL]
    for name in named:
        if name not in known:
            raise EstimationError(
                f"there is no model '{name}' for these answers; there are {', '.join(known)}"
            )
    chosen = list(known) if ALL in models else list(dict.fromkeys(named))
    notes = list(data.notes)
    can_hold_out = True
    try:
        folds_of(data, n_folds=n_folds, seed=seed)
    except EstimationError as error:
        can_hold_out = False
        notes.append(f"nobody is held out: {error}")
    done: list[_Tried] = []
    for name in chosen:
        tell(name)
        skip = "" if name in named else _too_much(data, known[name])
        done.append(_try(data, name, known[name], n_folds if can_hold_out else 0, seed, executor, skip))
    made = [d for d in done if d.fit is not None]
    if not made:
        raise EstimationError("no model can be fitted: " + "; ".join(f"{d.name}: {d.reason}" for d in done))
    everything = _table([_row(data, d, decided_only=False) for d in done])
    has_indecision = bool(data.n_indecisions)
    decided = _table([_row(data, d, decided_only=True) for d in done]) if has_indecision else ()
    tell("tests")
    base = _base(data, [d.name for d in made if d.fit and d.fit.gate.outcome is Outcome.FINE], known)
    tests = standard_tests(data, known[base]) if base else ()
    tell("conventions")
    beside = _conventions(data, made, seed)
    recommended, sentences = _recommend(everything, tests, beside, known, _unit(data))
    predicted = next((d.held_out for d in made if d.held_out), None)
    return Comparison(
        n_answers=data.n_answers,
        n_indecisions=data.n_indecisions,
        n_clusters=data.n_clusters,
        everything=everything,
        decided=decided,
        baselines=(("same shares everywhere", predicted.frequencies), ("all alike", predicted.uniform))
        if predicted
        else (),
        n_folds=n_folds if predicted else 0,
        seed=seed,
        tests=tests,
        tested=base or "",
        conventions=beside,
        recommended=recommended,
        recommendation=sentences,
        notes=tuple(notes),
    )


def candidates(data: ChoiceData, *, seed: int = 0) -> dict[str, Specification]:
    """Return the models that are of use for such answers, by name: ``+`` says what is added to a model."""
    values = term_matrix(attribute_terms(data.attributes), data.profiles)
    spread = values - values.mean(axis=0)
    # Attributes that tell every profile apart freely, such as the profile's name, are free profiles once more.
    saturated = bool(np.linalg.matrix_rank(spread) >= len(data.profiles) - 1)
    kind = EffectKind.PROFILES if saturated else EffectKind.ATTRIBUTES
    found = {"bradley-terry": Specification(model=Model.BRADLEY_TERRY)}
    if not saturated:
        found["conditional-logit"] = Specification(model=Model.CONDITIONAL_LOGIT)
    if not data.offered.any():
        found |= {f"{name}+order": replace(spec, order_effect=True) for name, spec in found.items()}
        return {name: replace(spec, seed=seed) for name, spec in found.items()}
    found["davidson"] = Specification(model=Model.DAVIDSON)
    found["rao-kupper"] = Specification(model=Model.RAO_KUPPER)
    if saturated:
        found["davidson+order"] = replace(found["davidson"], order_effect=True)
    else:
        own = Specification(model=Model.MIN_DELTA)
        found["min-delta"] = own
        found["min-delta+order"] = replace(own, order_effect=True)
        found["min-delta+distance"] = replace(own, by_distance=True)
        threshold = Specification(model=Model.RAO_KUPPER, effects=kind)
        found["rao-kupper+attributes"] = threshold
        found["rao-kupper+attributes+distance"] = replace(threshold, by_distance=True)
    if len(data.groups) > 1:
        name = "davidson" if saturated else "min-delta"
        found[f"{name}+pull-by-group"] = replace(found[name], pull_by_group=True)
        if not saturated:
            both = replace(found[name], pull_by_group=True, effects_by_group=True)
            found["min-delta+effects-by-group"] = both
    for model in (Model.MIN_U, Model.MAX_U, Model.MAX_DELTA):
        found[model.value] = Specification(model=model, effects=kind)
    if not saturated:
        found[Model.DOM.value] = Specification(model=Model.DOM)
    return {name: replace(spec, seed=seed) for name, spec in found.items()}


# --- trying models --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tried:
    name: str
    specification: Specification
    fit: Fit | None
    held_out: HeldOut | None
    reason: str


def _too_much(data: ChoiceData, spec: Specification) -> str:
    """Return why a model is not tried unless asked for by name."""
    by_name = "ask for it by name (--models) to fit it nevertheless"
    by_profile = spec.effect_kind is EffectKind.PROFILES
    n = len(data.profiles)
    if by_profile and data.n_answers < FEWEST_PER_PROFILE * n:
        return f"{data.n_answers} answers are fewer than {FEWEST_PER_PROFILE} for each of {n} profiles; {by_name}"
    if by_profile and n > _MOST_TO_SEARCH and not spec.rule(1).concave:
        return f"its likelihood may have several maxima, and {n} profiles are many to search; {by_name}"
    return ""


def _try(
    data: ChoiceData,
    name: str,
    spec: Specification,
    n_folds: int,
    seed: int,
    executor: Executor | None,
    skip: str,
) -> _Tried:
    if skip:
        return _Tried(name, spec, None, None, skip)
    try:
        made = fit(data, spec, intervals=Intervals(draws=1, seed=seed))
    except EstimationError as error:
        return _Tried(name, spec, None, None, str(error))
    if not n_folds:
        return _Tried(name, spec, made, None, made.gate.reason)
    try:
        predicted = held_out(data, spec, n_folds=n_folds, seed=seed, fitted=made, executor=executor)
    except EstimationError as error:
        return _Tried(name, spec, made, None, f"respondents cannot be held out: {error}")
    return _Tried(name, spec, made, predicted, made.gate.reason)


def _row(data: ChoiceData, tried: _Tried, *, decided_only: bool) -> Row:
    if tried.fit is None:
        return Row(name=tried.name, outcome=REFUSED, reason=tried.reason)
    of_decided = tried.specification.model in DECIDED_ONLY
    score = None
    if tried.held_out:
        score = tried.held_out.decided if decided_only else tried.held_out.everything
    plain = Row(
        name=tried.name,
        outcome=tried.fit.gate.outcome.value,
        reason=tried.reason,
        held_out=score,
        n_folds_regularized=tried.held_out.n_regularized if tried.held_out else 0,
    )
    if decided_only and not of_decided:
        return plain
    n_parameters, log_likelihood = tried.fit.n_parameters, tried.fit.log_likelihood
    if of_decided and not decided_only and data.offered.any():
        n_parameters, log_likelihood = n_parameters + 1, log_likelihood + coin_log_likelihood(data)
    n_clusters = tried.fit.n_clusters if decided_only else data.n_clusters
    return replace(
        plain,
        n_parameters=n_parameters,
        log_likelihood=log_likelihood,
        aic=2 * n_parameters - 2 * log_likelihood,
        bic=float(np.log(n_clusters) * n_parameters - 2 * log_likelihood),
    )


def coin_log_likelihood(data: ChoiceData) -> float:
    """Return the log-likelihood of being undecided or not, if a coin of one weight decides that."""
    total = data.counts[data.offered].sum(axis=0)
    undecided, all_offered = float(total[INDECISION]), float(total.sum())
    share = undecided / all_offered
    return float(xlogy(undecided, share) + xlogy(all_offered - undecided, 1 - share))


def _table(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows with their distance from the leader: held-out best first, then AIC, the refused last."""
    scored = [r for r in rows if r.held_out]
    leader = max(scored, key=lambda r: _mean(r), default=None)
    compared = []
    for row in rows:
        if leader is not None and leader.held_out and row.held_out:
            behind, se = difference(leader.held_out, row.held_out)
            compared.append(replace(row, behind=behind, behind_se=se))
        else:
            compared.append(row)
    return tuple(
        sorted(
            compared,
            key=lambda r: (
                r.outcome == REFUSED,
                -_mean(r) if r.held_out else np.inf,
                r.aic if r.aic is not None else np.inf,
            ),
        )
    )


def _mean(row: Row) -> float:
    return row.held_out.log_likelihood if row.held_out else -np.inf


def _base(data: ChoiceData, fine: Sequence[str], known: dict[str, Specification]) -> str | None:
    """Return the model that is tested for extensions: the field's usual one that has an estimate."""
    order: tuple[str, ...] = (
        "min-delta",
        "davidson",
        "rao-kupper+attributes",
        "rao-kupper",
        "conditional-logit",
        "bradley-terry",
    )
    if not data.n_indecisions:
        order = ("conditional-logit", "bradley-terry")
    return next((name for name in order if name in fine and name in known), None)


def _conventions(data: ChoiceData, made: Sequence[_Tried], seed: int) -> Conventions | None:
    """Compare conventions over free profiles if their estimate exists, else over attributes."""
    if not data.n_indecisions:
        return None
    free = any(
        d.specification.effect_kind is EffectKind.PROFILES
        and d.fit is not None
        and d.fit.gate.outcome is Outcome.FINE
        for d in made
    )
    try:
        return conventions(data, effects=EffectKind.PROFILES if free else EffectKind.ATTRIBUTES, seed=seed)
    except EstimationError:
        # The rows above say why no model of this kind has an estimate.
        return None


# --- recommending ---------------------------------------------------------------------------------------


def _unit(data: ChoiceData) -> str:
    """Return what is held out: of a single respondent, comparisons."""
    return "comparisons" if data.clustering is Clustering.COMPARISON else "respondents"


def _recommend(
    table: Sequence[Row],
    tests: Sequence[LikelihoodRatio | NoTest],
    beside: Conventions | None,
    known: Mapping[str, Specification],
    unit: str,
) -> tuple[str | None, tuple[str, ...]]:
    fine = [r for r in table if r.outcome == Outcome.FINE.value]
    competing = fine or [r for r in table if r.outcome == Outcome.REGULARIZED.value]
    sentences = []
    scored = [r for r in competing if r.held_out]
    if scored:
        leader = max(scored, key=_mean)
        level = [r for r in scored if _within(leader, r)]
        chosen = min(level, key=lambda r: (r.n_parameters or 0, -_mean(r)))
        if chosen is leader:
            sentences.append(
                f"Prefer {chosen.name}: it predicts held-out {unit} best "
                f"({_mean(chosen):.4f} per answer), and no model with fewer parameters comes within one standard "
                "error."
            )
        else:
            behind, se = _between(leader, chosen)
            sentences.append(
                f"Prefer {chosen.name}: with {chosen.n_parameters} parameters it predicts held-out {unit} as "
                f"well as {leader.name} with {leader.n_parameters} (behind by {behind:.4f} ± {se:.4f} per answer)."
            )
        equals = [r.name for r in level if r is not chosen and r is not leader]
        if equals:
            sentences.append(f"Within one standard error of the leader, too: {', '.join(equals)}.")
    else:
        chosen = min(competing, key=lambda r: r.bic if r.bic is not None else np.inf)
        sentences.append(f"Prefer {chosen.name}: it has the least BIC; nobody could be held out to check.")
    if not fine:
        sentences.append("No model has a finite estimate without prior answers: trust signs more than sizes.")
    if chosen.n_folds_regularized:
        sentences.append(
            f"{chosen.n_folds_regularized} of its folds had no estimate without prior answers: the answers barely "
            "determine it."
        )
    for test in tests:
        if isinstance(test, LikelihoodRatio) and test.robust_p < _NOTABLE:
            own = " The preferred model has it." if _has(known[chosen.name], test.question) else ""
            sentences.append(
                f"It matters: {test.question} (p {test.robust_p:.2g}, answers of one cluster not taken as "
                f"independent).{own}"
            )
    if beside and beside.rules_differ:
        sentences.append(
            "Davidson's and Rao and Kupper's rules are told apart by these answers; report the weights of both."
        )
    if beside and beside.order_changes:
        sentences.append(
            "The order of the weights depends on the convention for indecision; say so with the result."
        )
    sentences.append(
        "To predict best is not to explain: people may decide in another way than the best model."
    )
    return chosen.name, tuple(sentences)


def _has(spec: Specification, question: str) -> bool:
    """Return whether a model has what a test asks about."""
    return {
        likelihood_ratio.ORDER: spec.order_effect,
        likelihood_ratio.DISTANCE: spec.by_distance,
        likelihood_ratio.PULL_BY_GROUP: spec.pull_by_group,
        likelihood_ratio.EFFECTS_BY_GROUP: spec.effects_by_group,
        likelihood_ratio.PROFILES: spec.effect_kind is EffectKind.PROFILES,
    }[question]


def _between(leader: Row, row: Row) -> tuple[float, float]:
    if leader.held_out is None or row.held_out is None:
        return np.inf, 0.0
    return difference(leader.held_out, row.held_out)


def _within(leader: Row, row: Row) -> bool:
    behind, se = _between(leader, row)
    return behind <= se
