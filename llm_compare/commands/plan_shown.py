"""The plan of a run: what would be asked and what it may cost, shown before anything is sent.

Cost and consent are those of every command that makes calls; the rest is of ``compare ask``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from llm_compare.prompting.call import is_scripted
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import AnswerFormat, Paraphrase, Variant

if TYPE_CHECKING:
    from llm_compare.asking.protocol import AskedModel, Protocol
    from llm_compare.asking.spending import Budget, Estimate, Price

SCRIPTED_NOTE = "a scripted respondent, not a model"
CONFIRMED_FROM_USD = 1.0
_MOST_VARIANTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """Whom a run asks, how often, and what that may cost."""

    asked: AskedModel
    to_ask: int
    """How many of the missing calls this run makes."""
    price: Price | None
    estimate: Estimate
    """For the calls of this run."""

    @property
    def scripted(self) -> bool:
        """Whether a script answers."""
        return is_scripted(self.asked.model)

    @property
    def is_free(self) -> bool:
        """Whether calls cost nothing that anybody would ask for: a script, an own server, or none to be made."""
        return self.to_ask == 0 or self.scripted or (self.price is None and self.asked.runs_here)

    def budget(self, max_usd: float | None) -> Budget | None:
        """Return the budget that the run is held to; None where there is none, or nothing to pay for.

        Raises
        ------
        NoPrice
            The price is unknown: nobody could tell when the budget is used up.
        """
        from llm_compare.asking.spending import Budget

        return None if max_usd is None or self.is_free else Budget(max_usd, self.price)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan(CallPlan):
    """What one model would be asked by ``compare ask``."""

    requests: tuple[Request, ...]
    missing: tuple[Request, ...]
    """Calls without a stored reply, each once."""
    takes_schema: bool


class Consent(StrEnum):
    """What it takes to begin."""

    GIVEN = "given"
    ASK = "ask"
    """A question at the terminal."""
    WANTING = "wanting"
    """There is no terminal to ask at, and nothing on the command line bounds the cost."""


def consent(plans: Sequence[CallPlan], *, yes: bool, has_budget: bool, at_terminal: bool) -> Consent:
    """Return what it takes to begin: calls that may cost more than 1 USD, or nobody knows what, need a yes.

    Without a terminal a budget is a yes, too: it bounds the cost.
    """
    high = _total([p.estimate.usd_high for p in plans if not p.is_free])
    if yes or (high is not None and high <= CONFIRMED_FROM_USD):
        return Consent.GIVEN
    if at_terminal:
        return Consent.ASK
    return Consent.GIVEN if has_budget else Consent.WANTING


def is_agreed(plans: Sequence[CallPlan], *, yes: bool, has_budget: bool) -> bool:
    """Return whether to begin, asking at the terminal where that needs a yes.

    Raises
    ------
    click.UsageError
        It needs one, and there is no terminal to ask at.
    """
    needed = consent(
        plans, yes=yes, has_budget=has_budget, at_terminal=sys.stdin.isatty() and sys.stderr.isatty()
    )
    if needed is Consent.WANTING:
        raise click.UsageError(
            f"the cost is {cost_words(plans)}, and there is no terminal to ask at whether to go on; add --yes, or "
            "--budget USD"
        )
    return needed is Consent.GIVEN or click.confirm(
        f"Cost {cost_words(plans)}. Make {sum(p.to_ask for p in plans)} calls?", err=True
    )


def known_price(asked: AskedModel) -> Price | None:
    """Return a model's price: the one that the researcher gives, else litellm's; None where neither says it."""
    from llm_compare.asking.client import price_of
    from llm_compare.asking.spending import Price

    if is_scripted(asked.model):
        return None
    if asked.price is not None:
        return Price(usd_per_million_in=asked.price[0], usd_per_million_out=asked.price[1], source="given")
    return price_of(asked.model, api_base=asked.api_base)


def cost_words(plans: Sequence[CallPlan]) -> str:
    """Return what all calls may cost together, in words."""
    known = [p.estimate for p in plans if not p.is_free]
    low, high = _total([e.usd_low for e in known]), _total([e.usd_high for e in known])
    return "unknown" if low is None or high is None else f"{low:.2f} to {high:.2f} USD"


def show_plan(protocol: Protocol, plans: Sequence[ModelPlan], *, design_hash: str) -> None:
    """Show the plan on standard error."""
    if protocol.file is not None:
        _say(f"Protocol {protocol.file}, SHA-256 {protocol.sha256}")
    _say(f"Design SHA-256 {design_hash}")
    for plan in plans:
        _show_model(protocol, plan)
    if len(plans) > 1:
        cost = "" if all(p.is_free for p in plans) else f", cost {cost_words(plans)}"
        _say(f"In all {sum(p.to_ask for p in plans)} calls{cost}")


def show_prompts(plan: ModelPlan) -> None:
    """Show the first prompt of every variant in full on standard error."""
    for request in _first_requests(plan.requests).values():
        _say(f"--- first prompt of variant {request.variant.name} ---")
        for message in request.messages:
            if message.content:
                _say(f"[{message.role.value}]\n{message.content}\n")


def show_cost(plan: CallPlan) -> None:
    """Show on standard error what the calls of a run may take."""
    estimated = plan.estimate
    most = "any number" if estimated.tokens_out_high is None else f"{estimated.tokens_out_high:,}"
    _say(f"  about {estimated.tokens_in:,} tokens in, {estimated.tokens_out_low:,} to {most} out")
    if plan.price is None and plan.asked.runs_here:
        _say("  no price: the server is on this machine or network")
    elif plan.price is None:
        _say("  cost unknown: there is no price for this model (give it with --price or in the protocol)")
    elif estimated.usd_low is None or estimated.usd_high is None:
        _say("  cost unknown: replies may have any length")
    else:
        _say(f"  cost {estimated.usd_low:.2f} to {estimated.usd_high:.2f} USD (price: {plan.price.source})")


def plan_record(plan: ModelPlan) -> dict[str, Any]:
    """Return the plan of one model for JSON."""
    estimated = plan.estimate
    return {
        "model": plan.asked.model,
        "label": plan.asked.name,
        "scripted": plan.scripted,
        "planned": len(plan.requests),
        "missing": len(plan.missing),
        "to_ask": plan.to_ask,
        "variants": [{"name": v.name, **v.factors()} for v in _variants(plan.requests)],
        "tokens_in": estimated.tokens_in,
        "tokens_out_low": estimated.tokens_out_low,
        "tokens_out_high": estimated.tokens_out_high,
        "usd_low": estimated.usd_low,
        "usd_high": estimated.usd_high,
        "price": None if plan.price is None else plan.price.source,
    }


def _say(line: str) -> None:
    click.echo(line, err=True)


def _show_model(protocol: Protocol, plan: ModelPlan) -> None:
    requests, asked = plan.requests, plan.asked
    note = f" ({SCRIPTED_NOTE})" if plan.scripted else ""
    at = f" at {asked.api_base}" if asked.api_base else ""
    _say(f"Model {asked.model}{note}{at}" + (f", called {asked.label}" if asked.label else ""))
    variants = _variants(requests)
    factors = [f"{len({r.comparison for r in requests})} comparisons", "2 side orders"]
    for n, what in (
        (len({r.attribute_order for r in requests}), "attribute orders"),
        (len(variants), "variants"),
    ):
        factors += [f"{n} {what}"] if n > 1 else []
    _say(f"  {' x '.join([*factors, f'{protocol.repeats} repeats'])} = {len(requests)} calls")
    different = len({r.identity for r in requests})
    if different < len(requests):
        _say(f"  of them {different} different ones: several variants send the same, which is asked once")
    _say(f"  already stored {different - len(plan.missing)}, to be asked {len(plan.missing)}")
    if plan.to_ask < len(plan.missing):
        _say(f"  this run stops after {plan.to_ask} of them (--max-calls)")
    _show_variants(plan, variants)
    if not plan.scripted:
        show_cost(plan)


def _show_variants(plan: ModelPlan, variants: Sequence[Variant]) -> None:
    first = _first_requests(plan.requests)
    for variant in variants[:_MOST_VARIANTS]:
        request = first[variant.name]
        sent = {name: value for name, value in request.parameters.items() if name != "response_format"}
        words = [*_differences(variant), *(f"{name} {value}" for name, value in sent.items())]
        if request.sends_schema:
            words.append("JSON schema")
        if words and not plan.scripted:
            _say(f"  variant {variant.name}: {', '.join(words)}")
    if len(variants) > _MOST_VARIANTS and not plan.scripted:
        _say(f"  and {len(variants) - _MOST_VARIANTS} more variants (--dry-run --json lists them)")
    asks_json = any(v.answer_format is AnswerFormat.JSON for v in variants)
    if asks_json and not plan.scripted and not any(r.sends_schema for r in plan.requests):
        why = "switched off" if plan.takes_schema else "the provider is not known to take one"
        _say(f"  no JSON schema is sent ({why}); the prompt asks for JSON in words")


def _differences(variant: Variant) -> list[str]:
    """Return the levels that differ from how people are asked, by the names of the factors."""
    usual = Variant()
    found = [str(variant.answer_format)]
    for f in fields(Variant):
        value = getattr(variant, f.name)
        if f.name in ("name", "answer_format") or value == getattr(usual, f.name):
            continue
        words = (
            value.name
            if isinstance(value, Paraphrase)
            else repr(value)
            if f.name == "persona"
            else str(value)
        )
        found.append(f"{f.name.replace('_', ' ')} {words}")
    return found


def _first_requests(requests: Sequence[Request]) -> dict[str, Request]:
    """Return the first call of every variant, by the variant's name."""
    found: dict[str, Request] = {}
    for request in requests:
        found.setdefault(request.variant.name, request)
    return found


def _variants(requests: Sequence[Request]) -> list[Variant]:
    return [r.variant for r in _first_requests(requests).values()]


def _total(costs: Sequence[float | None]) -> float | None:
    """Return the sum; None if one is unknown."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
