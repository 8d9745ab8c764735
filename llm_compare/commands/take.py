"""``equipoise compare take``: let a model take an open study as people do, apart from them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llm_compare.commands.take_report import REPEATS, answers_text, reply_file, report
from llm_compare.prompting.variant import AnswerFormat

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from llm_compare.asking.protocol import AskedModel
    from llm_compare.asking.run import Answerer
    from llm_compare.asking.spending import Price
    from llm_compare.commands.plan_shown import ModelPlan
    from llm_compare.participation.model_participant import Group, ModelParticipant
    from llm_compare.participation.store import Study
    from llm_compare.prompting.request import Request

_GREATEST_SEED = 2**32 - 1
# A respondent gives one answer to a comparison, not shares of answers.
_FORMATS = tuple(kind.value for kind in AnswerFormat if not kind.brings_shares)


@click.command("take")
@click.argument("study")
@click.option("--version", "study_version", help="Version of the study.  [default: the open one]")
@click.option(
    "--model",
    required=True,
    help="A litellm model string such as openai/gpt-4o or ollama/llama3, or scripted/youngest-first, "
    "scripted/always-left, scripted/coin.",
)
@click.option("--label", help="Short name in respondents' ids.  [default: the last part of the model string]")
@click.option(
    "--respondents", type=click.IntRange(min=1), default=1, show_default=True, help="How many take the study."
)
@click.option(
    "--seed",
    type=click.IntRange(0, _GREATEST_SEED),
    default=0,
    show_default=True,
    help="Seed of the comparisons drawn. The same seed draws the same for every model; another one adds other "
    "respondents.",
)
@click.option("--arm", help="Arm of the design whose answers are offered; the first unless named.")
@click.option("--language", default="", help="A language of the design; its own unless named.")
@click.option(
    "--answer-format",
    type=click.Choice(_FORMATS),
    default=AnswerFormat.LETTER.value,
    show_default=True,
    help="How the model is asked to answer, in place of the buttons.",
)
@click.option(
    "--temperature", type=click.FloatRange(min=0), help="Sent only if given; some models refuse it."
)
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Sent only if given.")
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    help="Most tokens of a reply.  [default: what the answer format needs]",
)
@click.option("--reasoning-effort", help="How much the model thinks first: none, low, medium, high.")
@click.option("--api-base", help="Address of your own server, e.g. http://127.0.0.1:8000/v1.")
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, help="Most calls in flight."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds per attempt."
)
@click.option("--rpm", type=click.IntRange(min=1), help="Most requests per minute.")
@click.option("--tpm", type=click.IntRange(min=1), help="Most tokens per minute.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="Stop before a call that could bring this run's cost above so much.",
)
@click.option("--max-calls", type=click.IntRange(min=1), help="Stop after this many calls in this run.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop; nobody is added.")
@click.option("--yes", is_flag=True, help="Do not ask before spending.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the answers as answers.csv here.")
@click.option(
    "--replies",
    "replies_path",
    type=click.Path(path_type=Path),
    help="Write the replies to main comparisons as replies.jsonl here, for 'equipoise compare align'.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def take_command(
    ctx: click.Context,
    study: str,
    study_version: str | None,
    model: str,
    label: str | None,
    respondents: int,
    seed: int,
    arm: str | None,
    language: str,
    answer_format: str,
    temperature: float | None,
    top_p: float | None,
    max_tokens: int | None,
    reasoning_effort: str | None,
    api_base: str | None,
    concurrency: int,
    timeout: float,
    rpm: int | None,
    tpm: int | None,
    budget: float | None,
    max_calls: int | None,
    dry_run: bool,
    yes: bool,
    out: Path | None,
    replies_path: Path | None,
    as_json: bool,
) -> None:
    """Let a model take the open STUDY (its slug): each respondent is drawn comparisons as a person would be.

    Models stand apart from people, in tables of their own: no quota, count, payment or export of people knows of
    them. Every call is a conversation of its own. The same command again asks only what is missing, and with more
    --respondents adds some. Respondents of one model are repeats of that model, not people.

    --out writes the answers in the columns of people's answers.csv, with kind and arm "model". To analyze both as
    one file, put them together without the second header:

    \b
      equipoise compare take kidney-8 --model openai/gpt-4o --respondents 20 --out model_answers.csv \\
        --replies replies.jsonl
      (cat answers.csv; tail -n +2 model_answers.csv) > both.csv
      equipoise estimate fit both.csv --model min-delta --arm model
      equipoise compare align answers.csv replies.jsonl --report report.html
    """
    import numpy as np

    from estimation.commands.writing import check_outputs, write_text
    from llm_compare.asking.limiter import Limits
    from llm_compare.asking.protocol import AskedModel, AskedVariant, Choices, address_complaint, settings_for
    from llm_compare.asking.spending import Budget
    from llm_compare.commands.failures import FailureNotes
    from llm_compare.participation.model_participant import Group, usual_label
    from llm_compare.participation.store import study_to_take
    from llm_compare.participation.taking import preview, take
    from llm_compare.prompting.call import is_scripted
    from llm_compare.prompting.variant import Variant
    from llm_compare.replies.replies_file import write_replies
    from llm_compare.replies.store import open_store

    choices = Choices(
        temperature=temperature, top_p=top_p, max_tokens=max_tokens, reasoning_effort=reasoning_effort
    )
    if is_scripted(model) and (api_base is not None or choices != Choices()):
        raise click.UsageError(
            f"{model} is a scripted respondent, not a model; --api-base, --temperature and other settings mean "
            "nothing to it"
        )
    if api_base is not None and (wrong := address_complaint(api_base)):
        raise click.UsageError(f"--api-base: {wrong}")
    check_outputs(("--out", out), ("--replies", replies_path))
    now = datetime.now(UTC)
    asked = AskedModel(model=model, api_base=api_base, label=label or "", choices=choices)
    variant = Variant(answer_format=AnswerFormat(answer_format), language=language)

    with open_store() as sessions:
        with sessions() as session:
            taken_study = study_to_take(session, study, study_version)
        group = Group(
            model=model,
            api_base=api_base,
            label=usual_label(label or model),
            settings=settings_for(asked, AskedVariant(variant=variant), seed=seed),
            variant=variant,
            arm=(taken_study.design.arms[0] if arm is None else taken_study.design.arm(arm)).name,
            design_hash=taken_study.design_hash,
            seed=seed,
        )
        participants, stored = preview(sessions, taken_study, group, respondents, now=now)
        plan = _plan(asked, participants, stored, max_calls)
        _show(taken_study, group, participants, plan)
        if dry_run:
            return
        _get_consent(plan, yes=yes, has_budget=budget is not None)
        _check(taken_study, group)
        with click.progressbar(
            length=plan.to_ask, label="Asking", file=sys.stderr, hidden=plan.to_ask == 0
        ) as bar:
            taken = take(
                sessions,
                taken_study,
                group,
                respondents,
                lambda: _answerer(taken_study, group, plan.price, timeout),
                now=now,
                # Of two runs at once on one store, the same order would have both make the same calls.
                rng=np.random.default_rng(seed if group.scripted else None),
                concurrency=concurrency,
                limits=Limits(requests_per_minute=rpm, tokens_per_minute=tpm),
                budget=None if budget is None else Budget(budget, plan.price),
                max_calls=max_calls,
                on_reply=lambda request, reply: bar.update(1),
                on_failed_attempt=FailureNotes().note,
            )
    text = answers_text(taken_study, taken)
    if out is not None and text is not None:
        write_text(out, text)
    if replies_path is not None:
        write_replies(replies_path, reply_file(taken_study, taken))
    report(taken_study, taken, out, out is not None and text is not None, as_json=as_json)
    if replies_path is not None and not as_json:
        click.echo(f"Written to {replies_path}")
    if not taken.complete or (out is not None and text is None):
        ctx.exit(1)


def _plan(
    asked: AskedModel,
    participants: Sequence[ModelParticipant],
    stored: Set[tuple[str, int]],
    max_calls: int | None,
) -> ModelPlan:
    from llm_compare.asking.client import price_of
    from llm_compare.asking.spending import estimate
    from llm_compare.commands.plan_shown import ModelPlan
    from llm_compare.prompting.call import is_scripted

    requests = tuple(r for one in participants for r in one.requests())
    missing = tuple(r for r in requests if r.identity not in stored)
    price = None if is_scripted(asked.model) else price_of(asked.model, api_base=asked.api_base)
    to_ask = len(missing) if max_calls is None else min(max_calls, len(missing))
    return ModelPlan(
        asked=asked,
        requests=requests,
        missing=missing,
        to_ask=to_ask,
        price=price,
        estimate=estimate(missing[:to_ask], price),
        takes_schema=False,
    )


def _show(study: Study, group: Group, participants: Sequence[ModelParticipant], plan: ModelPlan) -> None:
    from llm_compare.commands.plan_shown import SCRIPTED_NOTE, cost_words
    from survey.design import ComparisonKind

    def say(line: str) -> None:
        click.echo(line, err=True)

    say(f"Study {study.slug}, version {study.version} ({study.state}), arm {group.arm}")
    say(f"Model {group.model}{f' ({SCRIPTED_NOTE})' if group.scripted else ''}")
    first, last = participants[0].respondent, participants[-1].respondent
    who = first if first == last else f"{first} to {last}"
    say(f"  {len(participants)} respondents ({who}), {len(plan.requests)} comparisons drawn")
    if study.design.comparison_kind is ComparisonKind.ADAPTIVE:
        say("  adaptive: the others are drawn one by one, each after the answers before it")
    say(f"  already stored {len(plan.requests) - len(plan.missing)}, to be asked {len(plan.missing)}")
    if plan.to_ask < len(plan.missing):
        say(f"  this run stops after {plan.to_ask} of them (--max-calls)")
    if not plan.is_free:
        say(f"  cost {cost_words([plan])}")
    if len(participants) > 1:
        say(f"  {REPEATS}")


def _get_consent(plan: ModelPlan, *, yes: bool, has_budget: bool) -> None:
    from llm_compare.commands.plan_shown import Consent, consent, cost_words

    wanted = consent([plan], yes=yes, has_budget=has_budget, at_terminal=sys.stdin.isatty())
    if wanted is Consent.WANTING:
        raise click.UsageError(
            f"the calls may cost {cost_words([plan])}; agree with --yes, or bound the cost with --budget"
        )
    if wanted is Consent.ASK:
        click.confirm(f"The calls may cost {cost_words([plan])}. Begin?", abort=True, err=True)


def _check(study: Study, group: Group) -> None:
    """Raise before anybody is added if no call could be made."""
    from llm_compare.asking.client import check_model
    from llm_compare.asking.scripted import ScriptedRespondent

    if group.scripted:
        ScriptedRespondent(study.design, group.model)
    else:
        check_model(group.model, group.settings, api_base=group.api_base)


def _answerer(study: Study, group: Group, price: Price | None, timeout_seconds: float) -> Answerer[Request]:
    from llm_compare.asking.client import ModelClient
    from llm_compare.asking.scripted import ScriptedRespondent

    if group.scripted:
        return ScriptedRespondent(study.design, group.model)
    return ModelClient(timeout_seconds=timeout_seconds, price=price)
