"""Which rule of indecision predicts each side's choices best. Pure.

The rules of McElfresh et al. are fitted to the model's choices and to people's alike. Indecision is likely where
patients are close (min-delta), far apart (max-delta), both unattractive (min-u), both attractive (max-u), or where
neither is better in everything (dom). A decided choice is a logit of attributes in all of them. Sides on the screen
are left out: the first and second patient of a comparison do not depend on them.

References
----------
McElfresh, Chan, Doyle, Sinnott-Armstrong, Conitzer, Schaich Borg and Dickerson (2021), Indecision Modeling, AAAI.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from estimation.assembly import assemble
from estimation.choice_model import maximize_tables, probabilities_at
from estimation.dataset import INDECISION, ChoiceData, Clustering
from estimation.effects import EffectKind
from estimation.errors import EstimationError, Separated
from estimation.fitting import fit
from estimation.held_out import folds_of
from estimation.results import Fit
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals
from llm_compare.alignment.choices import Array, Choices, Indices, Pairing
from llm_compare.alignment.logit import PRIOR_SHARE
from llm_compare.alignment.tallies import tallied, varied_attributes
from survey.design import Attribute

RULES = {
    Model.MIN_DELTA: "undecided where two patients are about equally good",
    Model.MAX_DELTA: "undecided where one patient is far better",
    Model.MIN_U: "undecided where neither patient is attractive",
    Model.MAX_U: "undecided where both patients are attractive",
    Model.DOM: "undecided where neither patient is better in everything",
}
"""The rules, in words."""

# Models with several maxima are searched from so many starts, held out in so many parts, and fitted to so many
# comparisons at most, to keep time bearable: the search takes seconds for five hundred comparisons.
_STARTS = 2
_FOLDS = 3
_MOST_COMPARISONS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One rule fitted to one side. Log-likelihoods are means per answer: the log-probability of the choice made."""

    rule: str
    words: str
    log_likelihood: float | None
    """Of the answers that the rule was fitted to; None where it could not be fitted."""
    held_out: float | None
    """Of answers to comparisons that the rule was not fitted to."""
    held_out_se: float | None
    """Standard error of that, over comparisons."""
    behind: float | None
    """Held-out log-likelihood of the side's best rule, less this one's."""
    behind_se: float | None
    """Standard error of that difference, over comparisons (0 for the best)."""
    reason: str = ""
    """Why it could not be fitted or held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideStrategies:
    """All rules of one side, best first."""

    label: str
    n_answers: int
    n_indecisions: float
    n_comparisons: int
    """Fewer than were answered where those were too many to search: a random sample, the same on both sides."""
    strategies: tuple[Strategy, ...]
    coin: float | None
    """Log-likelihood if every answer on offer were equally likely."""
    same_shares: float | None
    """Log-likelihood if the first, the second and indecision had their overall shares, whatever the patients."""
    best: str
    """Name of the rule with the greatest held-out log-likelihood; empty where there is none."""
    regularized: str
    """Why prior answers were added to every rule of this side; empty if they were not."""
    sentence: str
    reason: str = ""
    """Why there are no strategies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategies:
    """Both sides."""

    people: SideStrategies
    model: SideStrategies
    sentence: str
    """Whether they go by the same rule, in words."""


def strategies(
    pairing: Pairing, *, seed: int = 0, progress: Callable[[str], None] = lambda _: None
) -> Strategies:
    """Fit every rule to both sides, and predict comparisons that it was not fitted to.

    The same comparisons are held out on both sides and for every rule. Indecision is a choice like the others;
    answers where it was not on offer count, too.

    Parameters
    ----------
    seed
        Of the folds and of the starts of the searches.
    """
    kept, _ = varied_attributes(pairing.attributes, pairing.comparisons)
    n = len(pairing.comparisons)
    chosen = np.random.default_rng(seed).permutation(n) < _MOST_COMPARISONS
    people, model = (
        side_strategies(side.only(chosen[side.comparison]), kept, seed=seed, progress=progress)
        for side in (pairing.people, pairing.model)
    )
    return Strategies(people=people, model=model, sentence=_both(people, model))


def side_strategies(
    side: Choices,
    attributes: tuple[Attribute, ...],
    *,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> SideStrategies:
    """Fit every rule to one side; see :func:`strategies`.

    Parameters
    ----------
    attributes
        Those in which some compared profiles differ.
    """
    nothing = SideStrategies(
        label=side.label,
        n_answers=side.n_answers,
        n_indecisions=float(side.choice[:, INDECISION].sum()),
        n_comparisons=len(np.unique(side.comparison)),
        strategies=(),
        coin=None,
        same_shares=None,
        best="",
        regularized="",
        sentence="",
    )
    reason = ""
    if not attributes:
        reason = "no comparison is of two patients who differ in an attribute"
    elif not side.offered.any():
        reason = "indecision was not on offer, and rules differ in when they are undecided"
    elif not nothing.n_indecisions:
        reason = f"{side.label} never chose indecision, and rules differ in when they are undecided"
    if reason:
        return replace(nothing, reason=reason, sentence=f"No rule of indecision can be told: {reason}.")
    try:
        data = tallied(attributes, [side], cluster=[Clustering.COMPARISON], as_shown=False).data
    except EstimationError as error:
        return replace(nothing, reason=str(error), sentence=f"No rule of indecision can be told: {error}.")
    try:
        tried = [_tried(data, model, Regularize.NEVER, seed, progress) for model in RULES]
        regularized = ""
    except Separated as error:
        tried = [_tried(data, model, Regularize.ALWAYS, seed, progress) for model in RULES]
        regularized = (
            f"the choices follow a rule without exception ({', '.join(error.involved)}), so every rule was fitted "
            f"with {PRIOR_SHARE:.0%} of prior answers spread evenly over comparisons and alternatives"
        )
    return _ordered(replace(nothing, regularized=regularized), data, tried)


@dataclass(frozen=True, slots=True)
class _Tried:
    model: Model
    fit: Fit | None
    by_comparison: Array | None
    """Log-likelihood of each comparison's answers when it was held out, shape (n_comparisons,)."""
    reason: str


def _tried(
    data: ChoiceData, model: Model, regularize: Regularize, seed: int, progress: Callable[[str], None]
) -> _Tried:
    progress(f"fitting {model} to choices of {data.groups[0]}")
    spec = Specification(
        model=model,
        effects=EffectKind.ATTRIBUTES,
        regularize=regularize,
        prior_answers=PRIOR_SHARE * float(data.counts.sum()),
        n_starts=_STARTS,
        seed=seed,
    )
    try:
        made = fit(data, spec, intervals=Intervals(draws=1, seed=seed))
    except Separated:
        if regularize is Regularize.NEVER:
            raise
        return _Tried(model, None, None, "no finite estimate exists, even with prior answers")
    except EstimationError as error:
        return _Tried(model, None, None, str(error))
    try:
        return _Tried(model, made, _held_out(data, spec, made, seed), "")
    except EstimationError as error:
        return _Tried(model, made, None, f"comparisons cannot be held out: {error}")


def _held_out(data: ChoiceData, spec: Specification, made: Fit, seed: int) -> Array:
    """Return each comparison's log-likelihood, predicted from the other folds.

    All folds climb at once from the estimate of all answers. Where the likelihood has kinks they stop at one, which
    costs predictions next to nothing and saves most of the time.
    """
    prior = made.prior_answers
    assembled = assemble(data, spec, prior_answers=prior)
    cells = assembled.cells
    fold = folds_of(data, n_folds=_FOLDS, seed=seed)[_comparison_of_cell(data)][assembled.cell_of]
    tables = np.repeat(cells.counts[None], _FOLDS, axis=0)
    for k in range(_FOLDS):
        tables[k, : cells.n_observed][fold == k] = 0.0
    values = maximize_tables(cells, tables, made.values)
    log_p = np.stack([np.log(np.maximum(probabilities_at(cells, v), _LEAST)) for v in values])
    own = np.zeros(len(data.left))
    observed = cells.counts[: cells.n_observed]
    own[assembled.cell_of] = (observed * log_p[fold, np.arange(len(fold))]).sum(axis=1)
    return _by_comparison(data, own)


# A choice that was predicted to be impossible costs some 700 units, but not infinitely many.
_LEAST = float(np.finfo(float).tiny)


def _by_comparison(data: ChoiceData, of_cells: Array) -> Array:
    """Return sums over each comparison's cells."""
    return np.bincount(_comparison_of_cell(data), weights=of_cells, minlength=data.n_clusters).astype(float)


def _comparison_of_cell(data: ChoiceData) -> Indices:
    """Return the number of each cell's comparison: its cluster."""
    assert data.by_cluster is not None  # noqa: S101 - answers were clustered by comparison
    cluster, column = data.by_cluster.nonzero()
    found = np.zeros(len(data.left), dtype=np.intp)
    found[column // 3] = cluster
    return found


def _baselines(data: ChoiceData) -> tuple[Array, Array]:
    """Return each comparison's log-likelihood by a coin, and by the shares of all answers."""
    possible = np.column_stack([np.ones((len(data.left), 2)), data.offered])
    shares = np.zeros_like(possible)
    for offered in (False, True):
        own = data.offered == offered
        total = data.counts[own].sum(axis=0)
        shares[own] = total / max(total.sum(), 1.0)
    both = []
    for p in (possible / possible.sum(axis=1, keepdims=True), shares):
        log_p = np.log(np.maximum(p, _LEAST))
        both.append(_by_comparison(data, (data.counts * log_p).sum(axis=1)))
    return both[0], both[1]


def _mean(totals: Array, answers: Array) -> tuple[float, float]:
    """Return the mean per answer and its standard error over comparisons (ratio estimator)."""
    n = len(totals)
    mean = totals.sum() / answers.sum()
    spread = totals - mean * answers
    return float(mean), float(np.sqrt(n / (n - 1) * (spread**2).sum()) / answers.sum())


def _ordered(side: SideStrategies, data: ChoiceData, tried: list[_Tried]) -> SideStrategies:
    answers = _by_comparison(data, data.counts.sum(axis=1))
    predicted = {t.model: t.by_comparison for t in tried if t.by_comparison is not None}
    best = max(predicted, key=lambda m: float(predicted[m].sum()), default=None)
    rows = []
    for t in tried:
        own = predicted.get(t.model)
        score = (None, None) if own is None else _mean(own, answers)
        behind = (None, None) if own is None or best is None else _mean(predicted[best] - own, answers)
        rows.append(
            Strategy(
                rule=t.model.value,
                words=RULES[t.model],
                log_likelihood=None if t.fit is None else t.fit.mean_log_likelihood,
                held_out=score[0],
                held_out_se=score[1],
                behind=behind[0],
                behind_se=behind[1],
                reason=t.reason,
            )
        )
    rows.sort(key=lambda r: -np.inf if r.held_out is None else r.held_out, reverse=True)
    if best is None:
        reason = "; ".join(dict.fromkeys(r.reason for r in rows))
        sentence = f"No rule could be tried on choices of {side.label} that it was not fitted to."
        return replace(side, strategies=tuple(rows), sentence=sentence, reason=reason)
    coin, same = (_mean(totals, answers)[0] for totals in _baselines(data))
    return replace(
        side,
        strategies=tuple(rows),
        coin=coin,
        same_shares=same,
        best=best.value,
        sentence=_sentence(side.label, rows, coin, same),
    )


def _sentence(label: str, rows: list[Strategy], coin: float, same_shares: float) -> str:
    best = rows[0]
    level = [r.rule for r in rows[1:] if r.behind is not None and r.behind <= (r.behind_se or 0.0)]
    if best.held_out is None or best.held_out <= coin:
        return f"No rule predicts choices of {label} better than a coin."
    if best.held_out <= same_shares:
        # As of who is always undecided: then any rule fits, and which comes first means nothing.
        return f"No rule predicts choices of {label} better than the same shares in every comparison do."
    also = f"; within one standard error, too: {', '.join(level)}" if level else ""
    return (
        f"Choices of {label} are predicted best by {best.rule}, {best.words} (log-likelihood per held-out answer "
        f"{best.held_out:.3f}, {coin:.3f} for a coin{also})."
    )


def _is_predicted(side: SideStrategies) -> bool:
    """Whether some rule foretells a side's choices better than a coin and than its rates alone do."""
    held_out = side.strategies[0].held_out if side.best else None
    return held_out is not None and all(
        than is None or held_out > than for than in (side.coin, side.same_shares)
    )


def _both(people: SideStrategies, model: SideStrategies) -> str:
    if not _is_predicted(people) or not _is_predicted(model):
        return " ".join((people.sentence, model.sentence))
    if people.best == model.best:
        return f"One rule predicts people and {model.label} best: {people.best}. {people.sentence} {model.sentence}"
    return f"Different rules predict people and {model.label} best. {people.sentence} {model.sentence}"
