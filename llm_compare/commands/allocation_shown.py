"""What the three tasks would ask and what came of it: for people, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.allocation_options import AllocationOptions, leaves_this_network
from llm_compare.commands.plan_shown import SCRIPTED_NOTE, CallPlan, show_cost

if TYPE_CHECKING:
    from llm_compare.allocation.problems.problem import ProblemSet
    from llm_compare.allocation.trials.answer import TrialFile
    from llm_compare.allocation.trials.conversation import Addressee, Preview, Put
    from llm_compare.allocation.trials.trial import Task, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan(CallPlan):
    """What one respondent would be asked."""

    addressee: Addressee
    trials: tuple[Trial, ...]
    preview: Preview


def say_problems(problems: ProblemSet, sha256: str) -> None:
    """Say which problems are put, and whether people's records are in them."""
    echo(f"Problems '{problems.title}' ({problems.origin}), SHA-256 {sha256}")
    if problems.is_restricted:
        echo("  They hold records of people: keep them, and everything written here, on this machine.")


def show_trial_plan(plan: TrialPlan, task: Task, options: AllocationOptions, problems: ProblemSet) -> None:
    """Show on standard error what would be asked, and what it may cost."""
    from llm_compare.allocation.trials.conversation import TOKENS_OF_A_TURN

    asked, found = plan.asked, plan.preview
    note = f" ({SCRIPTED_NOTE})" if plan.scripted else ""
    at = f" at {asked.api_base}" if asked.api_base else ""
    echo(f"Model {asked.model}{note}{at}" + (f", called {asked.label}" if asked.label else ""))
    for line in _trial_lines(plan, options):
        echo(f"  {line}")
    echo(f"  = {len(plan.trials)} trials of {task}, in {found.calls} different calls")
    if plan.preview.missing and any(call.turn for call in found.missing) and not plan.scripted:
        echo(f"  (replies to earlier turns are not known yet: counted with {TOKENS_OF_A_TURN} tokens each)")
    echo(f"  already stored {found.stored}, to be asked {len(found.missing)}")
    if plan.to_ask < len(found.missing):
        echo(f"  this run stops after {plan.to_ask} of them (--max-calls)")
    if problems.is_restricted and leaves_this_network(asked):
        echo(f"  THE RECORDS LEAVE THIS NETWORK: prompts carry them to the provider of {asked.model}")
    if not plan.scripted:
        sent = ", ".join(f"{name} {value}" for name, value in plan.addressee.settings.sent().items())
        echo(f"  sent with {sent}")
        show_cost(plan)
    if options.calls.show_prompt:
        _show_prompts(plan)


def _trial_lines(plan: TrialPlan, options: AllocationOptions) -> list[str]:
    """Return one line for each way: what is multiplied."""
    from llm_compare.allocation.trials.trial import Task

    lines = []
    for way in dict.fromkeys(t.way for t in plan.trials):
        own = [t for t in plan.trials if t.way == way]
        of_viability = own[0].task is Task.VIABILITY
        counts = (
            (len({t.problem.name for t in own}), "pairs" if of_viability else "problems"),
            (len({t.shuffle for t in own}), "row orders"),
            (len({t.column_shuffle for t in own}), "column orders"),
            (len({t.repeat for t in own}), "repeats"),
        )
        words = " x ".join(f"{n} {what}" for n, what in counts if n > 1 or what in ("pairs", "problems"))
        changed = sum(t.change is not None for t in own)
        extra = f", and {changed} with a candidate changed" if changed else ""
        name = f"{way.strategy}, {way.turns}" if of_viability else str(way.turns)
        lines.append(f"{name}, {way.form}, {way.identity}: {words} = {len(own) - changed} trials{extra}")
    return lines


def _show_prompts(plan: TrialPlan) -> None:
    from llm_compare.allocation.trials.prompts import user_turns

    for way in dict.fromkeys(t.way for t in plan.trials):
        first = next(t for t in plan.trials if t.way == way)
        echo(f"--- first trial, {', '.join(way.as_dict().values())} ---")
        for number, text in enumerate(user_turns(first), start=1):
            echo(f"[user, turn {number}]\n{text}\n")


def trial_plan_record(plan: TrialPlan, task: Task, problems: ProblemSet) -> dict[str, Any]:
    """Return the plan for JSON."""
    return {
        "model": plan.asked.model,
        "label": plan.asked.name,
        "scripted": plan.scripted,
        "task": task.value,
        "set_sha256": plan.addressee.set_sha256,
        "origin": problems.origin.value,
        "leaves_this_network": leaves_this_network(plan.asked),
        "planned": len(plan.trials),
        "calls": plan.preview.calls,
        "missing": len(plan.preview.missing),
        "to_ask": plan.to_ask,
        "tokens_in": plan.estimate.tokens_in,
        "tokens_out_low": plan.estimate.tokens_out_low,
        "tokens_out_high": plan.estimate.tokens_out_high,
        "usd_low": plan.estimate.usd_low,
        "usd_high": plan.estimate.usd_high,
        "price": None if plan.price is None else plan.price.source,
    }


def write_file(options: AllocationOptions, file: TrialFile, problems: ProblemSet) -> None:
    """Write trials.jsonl."""
    from llm_compare.allocation.trials.trials_file import write_trials

    if options.out is None:
        raise ValueError("there is no place to write to")
    write_trials(options.out, file, problems=problems)


def summary(options: AllocationOptions, file: TrialFile) -> dict[str, Any]:
    """Return what trials came to, for JSON."""
    return {
        "respondent": file.model,
        "label": file.label,
        "kind": file.kind.value,
        "task": file.task.value,
        "set_sha256": file.set_sha256,
        "origin": file.origin.value,
        "planned": file.planned,
        "complete": len(file.answered) == file.planned and not any(a.reply.error for a in file.answered),
        "outcomes": {outcome.value: n for outcome, n in file.counts.items()},
        "repaired": sum(bool(a.read.repairs) for a in file.answered),
        "out": str(options.out),
    }


def calls_record(found: Put) -> dict[str, Any]:
    """Return what a run took, for JSON."""
    once = {call.identity: r for t in found.trials for call, r in zip(t.calls, t.replies, strict=True)}
    known = [reply.cost_usd for reply in once.values() if reply.cost_usd is not None]
    return {
        "already_stored": found.already_stored,
        "made": found.made,
        "failed_attempts": found.failed_attempts,
        "ending": found.ending.value,
        "cost_usd": sum(known) if known else None,
        "cost_known_for": len(known),
    }


def say_outcomes(options: AllocationOptions, file: TrialFile, *, complete: bool) -> None:
    """Say how many trials came to what, every outcome named."""
    from llm_compare.allocation.trials.answer import RespondentKind

    note = {RespondentKind.SCRIPT: f" ({SCRIPTED_NOTE})", RespondentKind.POLICY: " (a policy, not a model)"}
    click.echo(f"{file.model}{note.get(file.kind, '')}: {len(file.answered)} of {file.planned} trials")
    for outcome, n in file.counts.items():
        click.echo(f"  {outcome.value:<11}{n:>7}")
    if repaired := sum(bool(a.read.repairs) for a in file.answered):
        click.echo(f"  of the answers, {repaired} were repaired (--repair {options.repair})")
    click.echo(f"Written to {options.out}" + ("" if complete else ", incomplete"))


def say_why_incomplete(found: Put) -> None:
    """Say why a run did not bring all replies, and how to go on."""
    from llm_compare.commands.failures import calls_left_words, say_why

    say_why(
        found.ending,
        found.stopped_by,
        [error for t in found.trials if (error := t.reply.error) is not None],
        left_words=calls_left_words(found.failed, found.planned - len(found.trials), what="trial"),
    )


def echo(line: str) -> None:
    """Say a line on standard error."""
    click.echo(line, err=True)


def echo_json(document: object) -> None:
    """Print data on standard output."""
    import json

    click.echo(json.dumps(document, indent=1))
