"""``equipoise compare ask``: put a study's comparisons to models and keep every reply."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.ask_options import AskOptions, how_it_is_carried_out, protocol_of, what_is_asked

if TYPE_CHECKING:
    from llm_compare.asking.protocol import AskedModel, Protocol
    from llm_compare.asking.run import Answerer, Asked
    from llm_compare.asking.spending import Budget
    from llm_compare.commands.plan_shown import ModelPlan
    from llm_compare.prompting.request import Request
    from llm_compare.replies.store import Sessions
    from survey.design import Comparison, StudyDesign


@click.command(
    "ask",
    epilog="Example: equipoise compare ask design.toml --model scripted/coin --repeats 3 --out replies.jsonl",
)
@click.argument("design", type=click.Path(path_type=Path))
@what_is_asked
@how_it_is_carried_out
@click.pass_context
def ask(ctx: click.Context, /, **given: Any) -> None:
    """Ask models the comparisons of DESIGN (design.toml), both ways round.

    Replies are stored as they come: the same command again asks only what is missing.
    """
    from llm_compare.commands.ask_report import report
    from llm_compare.commands.batch import Export, export_batches, import_results
    from llm_compare.commands.plan_shown import is_agreed, show_plan, show_prompts
    from llm_compare.replies.store import open_store
    from survey.design import design_hash
    from survey.design_file import read_design_with_comparisons

    options = AskOptions(**given)
    protocol = protocol_of(ctx, options)
    _check_ways(options)
    _check_out("--out", options.out, protocol)
    _check_out("--export-batch", options.export_batch, protocol)
    study = read_design_with_comparisons(options.design)
    comparisons = _comparisons(study, protocol)
    with open_store() as sessions:
        plans = _plans(sessions, protocol, study, comparisons)
        show_plan(protocol, plans, design_hash=design_hash(study))
        if options.show_prompt:
            show_prompts(plans[0])
        if options.dry_run:
            _show_records(plans, as_json=options.as_json)
            return
        if options.export_batch is not None:
            base = options.export_batch
            export_batches(
                [
                    Export(
                        model=plan.asked.model,
                        calls=plan.missing[: plan.to_ask],
                        path=_path(base, plan.asked, protocol),
                    )
                    for plan in plans
                ],
                as_json=options.as_json,
            )
            return
        imported = None
        if options.import_batch or options.import_replies:
            every = [request for plan in plans for request in plan.requests]
            imported = import_results(
                sessions, every, batches=options.import_batch, replies=options.import_replies
            )
            found = [(plan, _stored(sessions, plan)) for plan in plans]
        else:
            if not is_agreed(plans, yes=options.yes, has_budget=protocol.limits.budget_usd is not None):
                click.echo("Nothing was asked.", err=True)
                ctx.exit(1)
            found = _ask_all(sessions, protocol, study, plans)
    written = [(plan, asked, _write(options, protocol, study, plan, asked)) for plan, asked in found]
    report(written, protocol=protocol, imported=imported, as_json=options.as_json)
    if len(found) < len(plans) or not all(asked.complete for _, asked in found):
        ctx.exit(1)


def _check_ways(options: AskOptions) -> None:
    imports = bool(options.import_batch or options.import_replies)
    ways = [options.dry_run, options.export_batch is not None, imports]
    if sum(ways) > 1:
        raise click.UsageError("--dry-run, --export-batch and the imports are done one at a time")
    if options.out is None and not any(ways):
        raise click.UsageError(
            "name the file for the replies with --out, or see the plan alone with --dry-run"
        )


def _check_out(option: str, out: Path | None, protocol: Protocol) -> None:
    """Refuse, before anything is asked, a place that nothing could be written to."""
    if out is None:
        return
    several = len(protocol.models) > 1
    if several and "{model}" not in out.name and not out.is_dir():
        raise click.UsageError(
            f"{option} {out}: each of {len(protocol.models)} models has a file of its own; name a folder that "
            "is there, or a file with {model} in its name"
        )
    if not several and out.is_dir():
        raise click.UsageError(f"{option} {out}: is a directory; name a file in it")
    if not out.parent.is_dir():
        raise click.UsageError(f"{option} {out}: there is no folder {out.parent}; make it first")


def _path(base: Path, asked: AskedModel, protocol: Protocol) -> Path:
    if "{model}" in base.name:
        return base.with_name(base.name.replace("{model}", asked.file_name))
    return base / f"{asked.file_name}.jsonl" if len(protocol.models) > 1 else base


def _comparisons(study: StudyDesign, protocol: Protocol) -> tuple[Comparison, ...]:
    """Return the comparisons that every model is asked."""
    import numpy as np

    from llm_compare.prompting.plan import comparisons_answered, comparisons_to_ask, drawn_from
    from survey.answers_file import read_answers

    rng = np.random.default_rng(protocol.seed)
    if protocol.answered is None:
        return comparisons_to_ask(study, count=protocol.comparisons, rng=rng)
    seen = comparisons_answered(read_answers(protocol.answered, study.attributes).answers)
    return seen if protocol.comparisons is None else drawn_from(seen, protocol.comparisons, rng)


def _plans(
    sessions: Sessions, protocol: Protocol, study: StudyDesign, comparisons: Sequence[Comparison]
) -> list[ModelPlan]:
    from llm_compare.asking.client import Capabilities, capabilities
    from llm_compare.asking.protocol import protocol_requests
    from llm_compare.asking.spending import estimate
    from llm_compare.commands.plan_shown import ModelPlan, known_price
    from llm_compare.prompting.call import is_scripted
    from llm_compare.replies.store import find_replies

    plans = []
    calls_left = protocol.limits.max_calls
    for asked in protocol.models:
        provider, price = Capabilities(takes=None), known_price(asked)
        if not is_scripted(asked.model):
            provider = capabilities(asked.model, asked.api_base)
        requests = protocol_requests(protocol, asked, study, comparisons, provider=provider)
        with sessions() as session:
            stored = find_replies(session, requests)
        missing = tuple({r.identity: r for r in requests if r.identity not in stored}.values())
        to_ask = len(missing) if calls_left is None else min(calls_left, len(missing))
        calls_left = None if calls_left is None else calls_left - to_ask
        # Of some of the calls, an even sample: the plan goes from variant to variant, and they differ in length.
        sample = [missing[i * len(missing) // to_ask] for i in range(to_ask)]
        plans.append(
            ModelPlan(
                asked=asked,
                requests=requests,
                missing=missing,
                to_ask=to_ask,
                price=price,
                estimate=estimate(sample, price),
                takes_schema=provider.takes_schema,
            )
        )
    return plans


def _show_records(plans: Sequence[ModelPlan], *, as_json: bool) -> None:
    import json

    from llm_compare.commands.plan_shown import plan_record

    if as_json:
        click.echo(json.dumps({"plan": [plan_record(plan) for plan in plans]}, indent=1))


def _ask_all(
    sessions: Sessions, protocol: Protocol, study: StudyDesign, plans: Sequence[ModelPlan]
) -> list[tuple[ModelPlan, Asked]]:
    """Ask one model after the other; an interrupt ends it with the model that is being asked."""
    from llm_compare.asking.run import Ending

    left = protocol.limits.budget_usd
    # Every model, and whether the budget can be kept with it, is checked before the first is asked.
    answerers = [_answerer(study, protocol, plan) for plan in plans]
    for plan in plans:
        plan.budget(left)
    found = []
    for plan, answerer in zip(plans, answerers, strict=True):
        budget = plan.budget(left)
        asked = _ask_one(sessions, protocol, plan, answerer, budget)
        if budget is not None and left is not None:
            left = max(0.0, left - budget.spent_usd)
        found.append((plan, asked))
        if asked.ending is Ending.INTERRUPTED:
            if len(found) < len(plans):
                click.echo(f"{len(plans) - len(found)} more models were not asked.", err=True)
            break
    return found


def _ask_one(
    sessions: Sessions,
    protocol: Protocol,
    plan: ModelPlan,
    answerer: Answerer[Request],
    budget: Budget | None,
) -> Asked:
    import numpy as np

    from llm_compare.asking.run import ask as ask_all
    from llm_compare.commands.ask_report import progress_shown
    from llm_compare.commands.failures import FailureNotes

    limits = protocol.limits
    with progress_shown(plan.asked.name, plan.to_ask) as note:
        return ask_all(
            sessions,
            plan.requests,
            answerer,
            # Of two runs at once on one store, the same order would have both make the same calls.
            rng=np.random.default_rng(protocol.seed) if plan.scripted else np.random.default_rng(),
            concurrency=limits.concurrency,
            limits=limits.per_minute,
            budget=budget,
            max_calls=None if limits.max_calls is None else plan.to_ask,
            on_reply=lambda _, reply: note(reply),
            on_failed_attempt=FailureNotes().note,
        )


def _answerer(study: StudyDesign, protocol: Protocol, plan: ModelPlan) -> Answerer[Request]:
    from llm_compare.asking.client import ModelClient, check_model
    from llm_compare.asking.scripted import ScriptedRespondent

    asked = plan.asked
    if plan.scripted:
        return ScriptedRespondent(study, asked.model)
    if plan.to_ask:
        for settings in dict.fromkeys(r.settings for r in plan.missing):
            check_model(asked.model, settings, api_base=asked.api_base)
    return ModelClient(timeout_seconds=protocol.limits.timeout_seconds, price=plan.price)


def _stored(sessions: Sessions, plan: ModelPlan) -> Asked:
    """Return what the store holds of a plan, as a run that made no call."""
    from llm_compare.asking.run import Asked, Ending
    from llm_compare.replies.reply import RecordedReply
    from llm_compare.replies.store import find_replies

    with sessions() as session:
        stored = find_replies(session, plan.requests)
    replies = tuple(
        RecordedReply(request=r, reply=stored[r.identity]) for r in plan.requests if r.identity in stored
    )
    complete = len(replies) == len(plan.requests)
    return Asked(
        replies=replies,
        planned=len(plan.requests),
        already_stored=len(stored),
        ending=Ending.COMPLETE if complete else Ending.CALLS,
    )


def _write(
    options: AskOptions, protocol: Protocol, study: StudyDesign, plan: ModelPlan, asked: Asked
) -> Path | None:
    from llm_compare.replies.replies_file import ReplyFile, write_replies
    from survey.design import design_hash

    if options.out is None:
        return None
    path = _path(options.out, plan.asked, protocol)
    file = ReplyFile(
        model=plan.asked.model,
        slug=study.slug,
        title=study.title,
        design_hash=design_hash(study),
        attributes=study.attributes,
        planned=asked.planned,
        replies=asked.replies,
        label=plan.asked.label or "",
        protocol_sha256=protocol.sha256 or "",
    )
    write_replies(path, file)
    if protocol.file is not None:
        _write_manifest(path.with_name(f"{path.stem}.manifest.json"), options.design, protocol, plan)
    return path


def _write_manifest(path: Path, design: Path, protocol: Protocol, plan: ModelPlan) -> None:
    """Write which files, by hash, led to the replies, and what the model was asked with."""
    import json
    from dataclasses import asdict

    from estimation.manifest import make_manifest

    named = {"design": design, "protocol": protocol.file, "answers": protocol.answered}
    settings = {
        "model": plan.asked.model,
        "label": plan.asked.name,
        "limits": asdict(protocol.limits),
        "price": None if plan.price is None else asdict(plan.price),
    }
    manifest = make_manifest({role: file for role, file in named.items() if file is not None}, settings)
    path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
