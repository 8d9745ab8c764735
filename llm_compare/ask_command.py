"""``equipoise compare ask``: put a study's comparisons to a model and keep every reply."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from llm_compare.asking import Answerer, Asked
    from llm_compare.plan import Request, Settings
    from llm_compare.replies_file import ReplyFile
    from llm_compare.respondents import ReplyTally
    from survey.design import Comparison, StudyDesign

_CHARACTERS_PER_TOKEN = 4  # Rule of thumb for English; good enough for an estimate that says it is one.
_FAILURES_SHOWN = 5
_SCRIPTED_NOTE = "a scripted respondent, not a model"


@click.command(
    "ask",
    epilog="Example: equipoise compare ask design.toml --model scripted/coin --repeats 3 --out replies.jsonl",
)
@click.argument("design", type=click.Path(path_type=Path))
@click.option(
    "--model",
    required=True,
    help="A litellm model string such as openai/gpt-4o or ollama/llama3, or scripted/youngest-first, "
    "scripted/always-left, scripted/coin.",
)
@click.option(
    "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Calls per presentation."
)
@click.option("--arm", help="Arm of the design whose answers are offered; the first unless named.")
@click.option(
    "--from",
    "answered",
    type=click.Path(path_type=Path),
    help="Ask exactly the comparisons that people answered in this answers.csv.",
)
@click.option(
    "--comparisons",
    type=click.IntRange(min=1),
    help="Ask this many comparisons, drawn with the seed. Unless given: all that the design or --from lists, "
    "or as many as one person sees where the design draws them.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of draws: of comparisons, and of what a scripted respondent leaves to chance.",
)
@click.option(
    "--temperature", type=click.FloatRange(min=0), help="Sent only if given; some models refuse it."
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Most tokens of a reply. Models that reason first need far more (2000 and up), or they are cut off.",
)
@click.option("--api-base", help="Address of your own server, e.g. http://127.0.0.1:8000/v1.")
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, help="Calls in flight."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds per attempt."
)
@click.option("--max-calls", type=click.IntRange(min=1), help="Stop after this many calls in this run.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write replies.jsonl here; needed unless --dry-run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def ask(
    ctx: click.Context,
    design: Path,
    model: str,
    repeats: int,
    arm: str | None,
    answered: Path | None,
    comparisons: int | None,
    seed: int,
    temperature: float | None,
    max_tokens: int,
    api_base: str | None,
    concurrency: int,
    timeout: float,
    max_calls: int | None,
    dry_run: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Ask a model the comparisons of DESIGN (design.toml), both ways round.

    Replies are stored as they come: the same command again asks only what is missing.
    """
    import numpy as np

    from llm_compare.asking import ask as ask_all
    from llm_compare.plan import Settings, is_scripted, plan_requests
    from llm_compare.replies_file import ReplyFile, write_replies
    from llm_compare.respondents import tally
    from llm_compare.store import find_replies, open_store
    from survey.design import design_hash
    from survey.design_file import read_design

    scripted = is_scripted(model)
    if scripted and (api_base is not None or temperature is not None):
        raise click.UsageError(
            f"{model} is {_SCRIPTED_NOTE}; --api-base and --temperature mean nothing to it"
        )
    _assert_plain_address(api_base)
    if out is None and not dry_run:
        raise click.UsageError(
            "name the file for the replies with --out, or see the plan alone with --dry-run"
        )
    if out is not None and not out.parent.is_dir():
        raise click.UsageError(f"--out {out}: there is no folder {out.parent}; make it first")

    study = read_design(design)
    # A script draws by the seed, so the seed is part of what it is asked; a model is never sent one unasked.
    settings = (
        Settings(max_tokens=None, seed=seed)
        if scripted
        else Settings(temperature=temperature, max_tokens=max_tokens)
    )
    rng = np.random.default_rng(seed)
    requests = plan_requests(
        study,
        _comparisons(study, answered, comparisons, rng),
        arm=study.arms[0] if arm is None else study.arm(arm),
        model=model,
        settings=settings,
        repeats=repeats,
        api_base=api_base,
    )

    with open_store() as sessions:
        with sessions() as session:
            stored = find_replies(session, requests)
        missing = [r for r in requests if r.identity not in stored]
        _show_plan(model, requests, missing, max_calls=max_calls, api_base=api_base)
        if dry_run or out is None:
            return
        answerer = _answerer(study, model, settings, api_base=api_base, timeout_seconds=timeout, seed=seed)
        to_ask = len(missing) if max_calls is None else min(max_calls, len(missing))
        with click.progressbar(length=to_ask, label="Asking", file=sys.stderr, hidden=to_ask == 0) as bar:
            asked = ask_all(
                sessions,
                requests,
                answerer,
                # Of two runs at once on one store, the same order would have both make the same calls.
                rng=rng if scripted else np.random.default_rng(),
                concurrency=concurrency,
                max_calls=max_calls,
                on_reply=lambda request, reply: bar.update(1),
            )
    file = ReplyFile(
        model=model,
        slug=study.slug,
        title=study.title,
        design_hash=design_hash(study),
        attributes=study.attributes,
        planned=asked.planned,
        replies=asked.replies,
    )
    write_replies(out, file)
    _report(file, asked, tally(asked.replies), out, as_json=as_json)
    if not asked.complete:
        ctx.exit(1)


def _assert_plain_address(api_base: str | None) -> None:
    """Refuse an address with a password or key in it: the address is stored with every reply."""
    from urllib.parse import urlsplit

    if api_base is None:
        return
    parts = urlsplit(api_base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"--api-base {api_base!r}: write it as http://host:port/v1")
    if parts.username or parts.password or parts.query:
        raise click.UsageError(
            "--api-base: leave name, password and key out of the address, it is stored with every reply; "
            "put the key into the environment variable of the provider"
        )


def _answerer(
    study: StudyDesign,
    model: str,
    settings: Settings,
    *,
    api_base: str | None,
    timeout_seconds: float,
    seed: int,
) -> Answerer:
    import numpy as np

    from llm_compare.client import ModelClient, check_model
    from llm_compare.plan import is_scripted
    from llm_compare.scripted import ScriptedRespondent

    if is_scripted(model):
        return ScriptedRespondent(study, model)
    check_model(model, settings, api_base=api_base)
    return ModelClient(timeout_seconds=timeout_seconds, rng=np.random.default_rng([seed, 1]))


def _comparisons(
    study: StudyDesign, answered: Path | None, count: int | None, rng: np.random.Generator
) -> tuple[Comparison, ...]:
    from llm_compare.plan import comparisons_answered, comparisons_to_ask, drawn_from
    from survey.answers_file import read_answers

    if answered is None:
        return comparisons_to_ask(study, count=count, rng=rng)
    seen = comparisons_answered(read_answers(answered, study.attributes).answers)
    return seen if count is None else drawn_from(seen, count, rng)


def _show_plan(
    model: str,
    requests: Sequence[Request],
    missing: Sequence[Request],
    *,
    max_calls: int | None,
    api_base: str | None,
) -> None:
    from llm_compare.plan import is_scripted

    def say(line: str) -> None:
        click.echo(line, err=True)

    comparisons = len({r.presentation.comparison for r in requests})
    repeats = max((r.repeat for r in requests), default=0)
    note = f" ({_SCRIPTED_NOTE})" if is_scripted(model) else ""
    say(f"Model {model}{note}")
    say(f"  {comparisons} comparisons x 2 side orders x {repeats} repeats = {len(requests)} calls")
    say(f"  already stored {len(requests) - len(missing)}, to be asked {len(missing)}")
    if max_calls is not None and max_calls < len(missing):
        say(f"  this run stops after {max_calls} of them (--max-calls)")
    if not is_scripted(model):
        cost = _estimated_cost(missing[:max_calls], api_base=api_base)
        say("  cost unknown" if cost is None else f"  at most about {cost:.2f} USD by litellm's price list")


def _estimated_cost(requests: Sequence[Request], *, api_base: str | None) -> float | None:
    from llm_compare.client import price_of

    if not requests:
        return 0.0
    price = price_of(requests[0].model, api_base=api_base)
    if price is None:
        return None
    characters = sum(len(message.content) for r in requests for message in r.messages)
    tokens_out = sum(r.settings.max_tokens or 0 for r in requests)
    return characters / _CHARACTERS_PER_TOKEN * price.usd_per_token_in + tokens_out * price.usd_per_token_out


def _report(file: ReplyFile, asked: Asked, counts: ReplyTally, out: Path, *, as_json: bool) -> None:
    from llm_compare.asking import Ending

    known = [r.reply.cost_usd for r in asked.replies if r.reply.cost_usd is not None]
    if as_json:
        summary = {
            "model": file.model,
            "scripted": file.scripted,
            "design_hash": file.design_hash,
            "planned": asked.planned,
            "already_stored": asked.already_stored,
            "failed": asked.failed,
            "ending": asked.ending.value,
            "complete": asked.complete,
            "outcomes": {outcome.value: n for outcome, n in counts.counts.items()},
            "cost_usd": sum(known) if known else None,
            "cost_known_for": len(known),
            "out": str(out),
        }
        click.echo(json.dumps(summary, indent=1))
    else:
        note = f" ({_SCRIPTED_NOTE})" if file.scripted else ""
        click.echo(f"{file.model}{note}: {len(asked.replies)} of {asked.planned} calls")
        for outcome, n in counts.counts.items():
            click.echo(f"  {outcome.value:<11}{n:>7}")
        click.echo(f"Written to {out}" + ("" if asked.complete else ", incomplete"))
    if asked.complete:
        return
    why = {
        Ending.BUDGET: "Stopped at --max-calls.",
        Ending.INTERRUPTED: "Stopped by an interrupt.",
        Ending.FAILING: "Stopped because one call after another failed.",
        Ending.COMPLETE: "",
    }[asked.ending]
    left = asked.planned - len(asked.replies)
    click.echo(
        f"{why} {asked.failed} calls failed, {left} were not made. Everything that arrived is stored: "
        "the same command again asks only the rest.".strip(),
        err=True,
    )
    failures = {f"{e.kind}: {e.message}" for r in asked.replies if (e := r.reply.error) is not None}
    for failure in sorted(failures)[:_FAILURES_SHOWN]:
        click.echo(f"  {failure}", err=True)
