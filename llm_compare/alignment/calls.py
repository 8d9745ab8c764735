"""What a model was asked and what came of the calls: everything a reader needs to judge or repeat it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from llm_compare.alignment.sides import AskedModel, ModelSide
from llm_compare.replies.respondents import ReadReply, ReplyTally, tally_by_level, tally_of
from survey.design import Attribute, CategoricalAttribute
from survey.wording import value_words


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptShown:
    """One prompt in full: the first of a variant."""

    variant: str
    language: str
    template: str
    factors: Mapping[str, str]
    """Level of every factor: of the prompt, and of the parameters that may be varied."""
    messages: tuple[tuple[str, str], ...]
    """Who speaks, and what is said."""
    parameters: Mapping[str, object]
    """Everything else that was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How many calls came to what; the six stay apart."""

    counts: Mapping[str, int]
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelOutcomes:
    """The same for calls about patients with one value of an attribute. Refusals that come with a value are a
    finding."""

    attribute: str
    value: str
    """In the design's words."""
    outcomes: Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls to one model."""

    model: str
    """The string that litellm was given."""
    scripted: bool
    returned_models: tuple[str, ...]
    """Which models the provider says answered; an alias may point elsewhere next month."""
    fingerprints: tuple[str, ...]
    addresses: tuple[str, ...]
    """Of servers other than the provider's own."""
    protocol_sha256: str
    """Of the protocol file; empty if options said what to ask."""
    n_planned: int
    n_repeats: int
    outcomes: Outcomes
    """Of the headline variant."""
    by_level: tuple[LevelOutcomes, ...]
    failures: Mapping[str, int]
    """Calls that failed for good, by kind."""
    retried: int
    """Calls that took more than one attempt."""
    first_asked: str
    """ISO 8601, UTC; empty for scripted respondents."""
    last_asked: str
    cost_usd: float | None
    """Sum of the known costs; None if none is known."""
    n_cost_unknown: int
    tokens_in: int
    tokens_out: int
    tokens_reasoning: int
    prompts: tuple[PromptShown, ...]
    """The first prompt of each variant, the headline's first."""


def calls_of(asked: AskedModel, attributes: Sequence[Attribute]) -> Calls:
    """Sum up the calls to one model, all variants together, outcomes of the headline."""
    replies = [r.recorded for side in asked.sides for r in side.replies]
    moments = [r.reply.asked_at for r in replies if r.reply.asked_at is not None]
    costs = [r.reply.cost_usd for r in replies if r.reply.cost_usd is not None]
    failures = Counter(r.reply.error.kind for r in replies if r.reply.error is not None)
    return Calls(
        model=asked.file.model,
        scripted=asked.file.scripted,
        returned_models=_distinct(r.reply.returned_model for r in replies),
        fingerprints=_distinct(r.reply.system_fingerprint for r in replies),
        addresses=_distinct(r.request.api_base for r in replies),
        protocol_sha256=asked.file.protocol_sha256,
        n_planned=asked.file.planned,
        n_repeats=max((r.request.repeat for r in replies), default=0),
        outcomes=outcomes_of(asked.headline.replies),
        by_level=_by_level(asked.headline.replies, tuple(attributes)),
        failures=dict(sorted(failures.items())),
        retried=sum(r.reply.attempts > 1 for r in replies),
        first_asked=_moment(min(moments, default=None)),
        last_asked=_moment(max(moments, default=None)),
        cost_usd=sum(costs) if costs else None,
        n_cost_unknown=0 if asked.file.scripted else len(replies) - len(costs),
        tokens_in=sum(r.reply.tokens_in or 0 for r in replies),
        tokens_out=sum(r.reply.tokens_out or 0 for r in replies),
        tokens_reasoning=sum(r.reply.tokens_reasoning or 0 for r in replies),
        prompts=tuple(_prompt(side) for side in asked.sides if side.replies),
    )


def _prompt(side: ModelSide) -> PromptShown:
    request = side.replies[0].recorded.request
    return PromptShown(
        variant=side.variant.name,
        language=request.language,
        template=request.template,
        factors=side.factors(),
        messages=tuple((m.role.value, m.content) for m in request.messages),
        parameters=request.parameters,
    )


def outcomes_of(replies: Sequence[ReadReply]) -> Outcomes:
    """Count what replies came to."""
    return _outcomes(tally_of(replies))


def _outcomes(tally: ReplyTally) -> Outcomes:
    return Outcomes(counts={outcome.value: n for outcome, n in tally.counts.items()}, n=tally.total)


def _by_level(replies: Sequence[ReadReply], attributes: tuple[Attribute, ...]) -> tuple[LevelOutcomes, ...]:
    # Of a numeric attribute nearly every value is its own: nothing could be compared.
    named = {a.name: a for a in attributes if isinstance(a, CategoricalAttribute)}
    return tuple(
        LevelOutcomes(
            attribute=named[name].label, value=value_words(named[name], value), outcomes=_outcomes(tally)
        )
        for (name, value), tally in tally_by_level(replies, attributes).items()
        if name in named
    )


def _distinct(found: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({x for x in found if x}))


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")
