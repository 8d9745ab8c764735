"""Carry out one of the three tasks: show the plan, ask, write the trials, say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from llm_compare.commands.allocation_options import (
    AllocationOptions,
    addressee_of,
    check_records_may_be_sent,
)
from llm_compare.commands.allocation_policy import rank_by_policy
from llm_compare.commands.allocation_shown import (
    TrialPlan,
    calls_record,
    echo,
    echo_json,
    say_outcomes,
    say_problems,
    say_why_incomplete,
    show_trial_plan,
    summary,
    trial_plan_record,
    write_file,
)
from llm_compare.commands.plan_shown import CallPlan, is_agreed, known_price

if TYPE_CHECKING:
    from pathlib import Path

    from llm_compare.allocation.problems.problem import Problem, ProblemSet
    from llm_compare.allocation.trials.conversation import Addressee, Put
    from llm_compare.allocation.trials.trial import Task, TrialCall
    from llm_compare.asking.run import Answerer
    from llm_compare.asking.spending import Price
    from llm_compare.replies.store import Sessions


def carry_out(ctx: click.Context, task: Task, options: AllocationOptions) -> None:
    """Put a task to whom the options name, and write what came of it.

    Raises
    ------
    click.UsageError
        Options that do not go together.
    CompareError
        Problems, weights or a mapping that cannot be read, or that nobody can be asked about.
    """
    from estimation.commands.writing import check_outputs
    from llm_compare.allocation.problems.problems_file import problems_sha256, read_problems

    _check_ways(options)
    check_outputs(("--out", options.out), inputs=(options.problems, options.weights, options.mapping))
    problems = read_problems(options.problems)
    sha256 = problems_sha256(problems)
    say_problems(problems, sha256)
    if options.weights is not None:
        rank_by_policy(task, options, problems, sha256)
    else:
        _ask(ctx, task, options, problems, sha256)


def make_answerers(
    plan: CallPlan, task: Task, problems: Sequence[Problem] | None, *, timeout_seconds: float
) -> Callable[[], Answerer[TrialCall]]:
    """Return what makes answerers for :func:`llm_compare.allocation.trials.conversation.put`.

    Raises
    ------
    UnknownModel, CannotAsk
        A script that there is not, or that has no opinion on the task.
    """
    from llm_compare.allocation.trials.scripted import ScriptedChooser
    from llm_compare.asking.client import ModelClient

    if plan.scripted:
        chooser = ScriptedChooser(plan.asked.model, task, problems)
        return lambda: chooser
    price: Price | None = plan.price
    return lambda: ModelClient(timeout_seconds=timeout_seconds, price=price)


def _check_ways(options: AllocationOptions) -> None:
    by_files = (options.export_batch is not None, bool(options.import_batch))
    if sum((options.calls.dry_run, *by_files)) > 1:
        raise click.UsageError("--dry-run, --export-batch and --import-batch are done one at a time")
    if any(by_files) and options.weights is not None:
        raise click.UsageError("--weights: a policy ranks at once; there is nothing to put into a batch")
    if options.out is None and not options.calls.dry_run and options.export_batch is None:
        raise click.UsageError(
            "name the file for the trials with --out, or see the plan alone with --dry-run"
        )
    if options.weights is None:
        if options.mapping is not None or options.weights_draws is not None:
            raise click.UsageError(
                "--mapping and --weights-draws say how --weights ranks; name the weights, too"
            )
        return
    if options.calls.model is not None:
        raise click.UsageError("--model and --weights: one respondent at a time, each with a file of its own")
    if options.mapping is None:
        raise click.UsageError(
            "--weights: say with --mapping which columns give the study's attributes; see examples/policies"
        )
    calls = options.calls
    sent = (
        calls.api_base,
        calls.price,
        calls.temperature,
        calls.top_p,
        calls.max_tokens,
        calls.reasoning_effort,
    )
    if any(value is not None for value in sent):
        raise click.UsageError(
            "--weights: a policy is no model; an address, price or settings mean nothing to it"
        )


def _ask(
    ctx: click.Context, task: Task, options: AllocationOptions, problems: ProblemSet, sha256: str
) -> None:
    from llm_compare.allocation.trials.answer import RespondentKind, TrialFile
    from llm_compare.allocation.trials.conversation import answered
    from llm_compare.allocation.trials.reading import Repair
    from llm_compare.allocation.trials.trial import Turns
    from llm_compare.asking.client import capabilities, check_model
    from llm_compare.commands.batch import import_results
    from llm_compare.replies.store import open_store

    calls = options.calls
    asked = calls.asked
    addressee = addressee_of(
        asked,
        task,
        n_candidates=max((p.size for p in problems.problems), default=1),
        in_turns=any(way.turns is Turns.CONVERSATION for way in options.design.ways),
        set_sha256=sha256,
        seed=options.seed,
    )
    with open_store() as sessions:
        plan = _plan(sessions, task, options, problems, addressee)
        make_answerer = make_answerers(
            plan, task, problems.problems, timeout_seconds=calls.limits.timeout_seconds
        )
        show_trial_plan(plan, task, options, problems)
        is_sent = plan.to_ask > 0 and not plan.scripted and not options.import_batch
        if is_sent and not calls.dry_run:
            check_records_may_be_sent(
                asked, is_restricted=problems.is_restricted, is_agreed=calls.send_records
            )
        if not plan.scripted:
            capabilities(asked.model, asked.api_base)  # Says also in a dry run if there is no such model.
        if calls.dry_run:
            if options.as_json:
                echo_json(trial_plan_record(plan, task, problems))
            return
        if options.export_batch is not None:
            _export(plan, options, options.export_batch, is_restricted=problems.is_restricted)
            return
        imported = None
        if options.import_batch:
            imported = import_results(sessions, plan.preview.asked, batches=options.import_batch, replies=())
        if is_sent:
            check_model(asked.model, addressee.settings, api_base=asked.api_base)
            if not is_agreed([plan], yes=calls.yes, has_budget=calls.budget is not None):
                echo("Nothing was asked.")
                ctx.exit(1)
        found = _put(sessions, plan, options, make_answerer)
    file = TrialFile(
        label=asked.name,
        model=asked.model,
        kind=RespondentKind.SCRIPT if plan.scripted else RespondentKind.MODEL,
        task=task,
        set_sha256=sha256,
        origin=problems.origin,
        planned=found.planned,
        answered=answered(found, Repair(options.repair)),
        settings=addressee.settings.sent(),
    )
    write_file(options, file, problems)
    if options.as_json:
        echo_json(summary(options, file) | calls_record(found) | {"imported": imported})
    else:
        say_outcomes(options, file, complete=found.complete)
    if not found.complete:
        if imported is None:
            say_why_incomplete(found)
        else:
            left = found.planned - len(found.trials)
            echo(
                f"{left} of {found.planned} trials are not answered yet: the same command with --export-batch "
                "writes the calls that can be made now, and without either asks them"
            )
        ctx.exit(1)


def _export(plan: TrialPlan, options: AllocationOptions, path: Path, *, is_restricted: bool) -> None:
    """Write the calls that wait for no other reply; of a conversation one turn at a time can be exported."""
    from llm_compare.commands.batch import Export, export_batches

    calls = plan.preview.possible[: options.calls.max_calls]
    export_batches(
        [Export(model=plan.asked.model, calls=calls, path=path)],
        as_json=options.as_json,
        owner_only=is_restricted,
    )
    if later := len(plan.preview.missing) - len(plan.preview.possible):
        echo(
            f"{later} more calls follow upon replies that are not there yet: import these, then export again. "
            "--turns acknowledged needs one batch only."
        )


def _plan(
    sessions: Sessions,
    task: Task,
    options: AllocationOptions,
    problems: ProblemSet,
    addressee: Addressee,
) -> TrialPlan:
    from llm_compare.allocation.trials.conversation import preview
    from llm_compare.allocation.trials.plan import planned_trials
    from llm_compare.asking.spending import estimate

    asked = options.calls.asked
    trials = planned_trials(problems, task, options.design)
    found = preview(sessions, trials, addressee)
    most = options.calls.max_calls
    to_ask = len(found.missing) if most is None else min(most, len(found.missing))
    price = known_price(asked)
    return TrialPlan(
        asked=asked,
        to_ask=to_ask,
        price=price,
        # Calls are made turn by turn, and so they stand.
        estimate=estimate(found.missing[:to_ask], price),
        addressee=addressee,
        trials=trials,
        preview=found,
    )


def _put(
    sessions: Sessions,
    plan: TrialPlan,
    options: AllocationOptions,
    make_answerer: Callable[[], Answerer[TrialCall]],
) -> Put:
    import numpy as np

    from llm_compare.allocation.trials.conversation import put
    from llm_compare.commands.ask_report import progress_shown
    from llm_compare.commands.failures import FailureNotes

    limits = options.calls.limits
    to_ask = 0 if options.import_batch else plan.to_ask
    with progress_shown(plan.asked.name, to_ask) as note:
        return put(
            sessions,
            plan.trials,
            plan.addressee,
            make_answerer,
            # Of two runs at once on one store, the same order would have both make the same calls.
            rng=np.random.default_rng(options.seed if plan.scripted else None),
            concurrency=limits.concurrency,
            limits=limits.per_minute,
            budget=plan.budget(limits.budget_usd),
            max_calls=0 if options.import_batch else limits.max_calls,
            on_reply=lambda _, reply: note(reply),
            on_failed_attempt=FailureNotes().note,
        )
