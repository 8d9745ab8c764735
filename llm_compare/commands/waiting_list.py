"""``equipoise compare waiting-list``: let respondents allot kidneys on waiting lists that evolve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.allocation.problems.columns import GROUPINGS
from llm_compare.allocation.trials.reading import Repair
from llm_compare.allocation.trials.trial import Form, Identity, Turns, Way
from llm_compare.commands.allocation_options import CallOptions, whom_options
from llm_compare.commands.call_options import limit_options, one_of
from llm_compare.commands.records import RecordOptions, record_options
from llm_compare.commands.waiting_list_asking import (
    Asked,
    ListOptions,
    World,
    asked_course,
    begins,
    course_of,
    policy_ranker,
    script,
)
from llm_compare.commands.waiting_list_shown import echo, say_course, say_difference

if TYPE_CHECKING:
    from llm_compare.allocation.waiting_list.course import Course

_PATH = click.Path(dir_okay=False, path_type=Path)
_USUAL = Way()
_LEAST_CANDIDATES = 1_000
_LEAST_KIDNEYS = 200
"""Made-up records to draw from."""


def _number(name: str, kind: Any, default: float, words: str) -> Callable[[Any], Any]:
    return click.option(name, type=kind, default=default, show_default=True, help=words)


@click.command(
    "waiting-list",
    epilog="\b\nExample:\n  equipoise compare waiting-list --model scripted/youngest-first --out waiting_list.json",
)
@whom_options
@click.option(
    "--against",
    multiple=True,
    default=["scripted/waiting-time"],
    show_default=True,
    metavar="SCRIPT",
    help="Scripts that allot the same kidneys; everybody is compared with the first. Repeat it for several.",
)
@click.option("--weights", type=_PATH, help="A policy that allots the same kidneys: weights.json.")
@click.option("--mapping", type=_PATH, help="Which columns give the attributes of --weights.")
@_number("--episodes", click.IntRange(min=1), 5, "Lists, each with people and kidneys of its own.")
@_number("--kidneys", click.IntRange(min=1), 20, "Kidneys of each list, one after the other.")
@_number("--start", click.IntRange(min=1), 60, "Candidates on the list at the start; most kidneys suit few.")
@_number("--arrivals", click.FloatRange(min=0), 1.0, "Mean number of new candidates between two kidneys.")
@_number("--departures", click.FloatRange(0, 1), 0.01, "Probability to leave the list between two kidneys.")
@_number("--acceptance", click.FloatRange(0, 1), 0.3, "Probability that an offer is accepted.")
@_number("--days", click.FloatRange(min=0), 7.0, "Between two kidneys.")
@_number("--shown", click.IntRange(min=2), 15, "Most candidates shown: those who have waited longest.")
@_number("--seed", click.IntRange(min=0), 0, "Seed of everything that is drawn. Never sent.")
@click.option(
    "--grouping",
    "groupings",
    type=click.Choice(list(GROUPINGS)),
    multiple=True,
    default=["gender", "ethnicity"],
    show_default=True,
    help="Groups to tell apart; repeat it for several.",
)
@one_of("--turns", Turns, _USUAL.turns, "In how many messages a question is put.")
@one_of("--form", Form, _USUAL.form, "The form of the answer that is asked for.")
@click.option(
    "--identity",
    type=click.Choice([Identity.COLUMNS.value, Identity.HIDDEN.value]),
    default=Identity.COLUMNS.value,
    show_default=True,
    help="Whether prompts show who candidates are.",
)
@one_of("--repair", Repair, Repair.NONE, "What makes incomplete rankings whole; others allot to nobody.")
@record_options
@limit_options
@click.option("--out", type=_PATH, required=True, help="Write waiting_list.json here.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON, without single kidneys.")
@click.pass_context
def waiting_list_command(ctx: click.Context, /, **given: Any) -> None:
    """Let a model allot kidney after kidney to waiting lists, and see who is transplanted, and when.

    Of those whom a kidney suits it ranks the ones who have waited longest. Offers go down its ranking until
    somebody accepts, who leaves the list; the others wait on, new ones come, some leave. Every respondent meets the
    same people, kidneys and refusals. The same command again asks only what is missing.
    """
    own = {f.name for f in fields(ListOptions)}
    _carry_out(
        ctx,
        ListOptions(
            calls=CallOptions.of(given),
            extract=RecordOptions.of(given),
            **{n: value for n, value in given.items() if n in own},
        ),
    )


def _carry_out(ctx: click.Context, options: ListOptions) -> None:
    from estimation.commands.writing import check_outputs, write_text
    from llm_compare.allocation.waiting_list.waiting_list_file import (
        Records,
        waiting_list_record,
        waiting_list_text,
    )
    from llm_compare.replies.store import open_store

    inputs = (*options.extract.files, options.weights, options.mapping)
    _check(options)
    check_outputs(("--out", options.out), inputs=inputs)
    world = _world(options)
    courses: list[Course] = []
    policy = policy_ranker(options)
    with open_store() as sessions:
        for model in dict.fromkeys(options.against):
            scripted = asked_course(sessions, options, world, script(model))
            if not scripted.course.is_complete:
                scripted.say_why()
                ctx.exit(1)
            courses.append(scripted.course)
        if policy is not None:
            courses.append(course_of(options, world, options.policy, policy))
        stopped: Asked | None = None
        if options.calls.model not in (None, *options.against):
            asked = options.calls.asked
            if not begins(sessions, options, world, asked, courses[0]):
                ctx.exit(0 if options.calls.dry_run else 1)
            found = asked_course(sessions, options, world, asked, max_calls=options.calls.max_calls)
            courses.append(found.course)
            stopped = None if found.course.is_complete else found
    if courses[-1].steps:
        record = waiting_list_record(
            courses,
            Records(origin=world.origin, source=world.source),
            groupings=tuple(dict.fromkeys(options.groupings)),
            seed=options.seed,
        )
        write_text(options.out, waiting_list_text(record), owner_only=world.is_restricted)
        _show(options, record)
    if stopped is not None:
        stopped.say_why()
        ctx.exit(1)


def _check(options: ListOptions) -> None:
    from llm_compare.prompting.call import is_scripted

    if models := [name for name in options.against if not is_scripted(name)]:
        raise click.UsageError(f"--against: {models[0]} is no script; name the model with --model")
    if (options.weights is None) != (options.mapping is None):
        raise click.UsageError("--weights and --mapping belong together; see examples/policies")


def _world(options: ListOptions) -> World:
    from llm_compare.allocation.waiting_list.episode import draw_episodes, world_sha256

    scenario = options.scenario
    records = options.extract.records(
        made_up_candidates=max(
            _LEAST_CANDIDATES, options.start + int(3 * options.arrivals * options.kidneys)
        ),
        made_up_kidneys=max(_LEAST_KIDNEYS, options.kidneys),
        seed=options.seed,
    )
    episodes = draw_episodes(scenario, records.candidates, records.kidneys)
    sha256 = world_sha256(scenario, episodes)
    world = World(
        scenario=scenario, episodes=episodes, sha256=sha256, origin=records.origin, source=records.source
    )
    echo(f"{options.episodes} lists of {options.kidneys} kidneys each ({records.origin}), SHA-256 {sha256}")
    if world.is_restricted:
        echo(
            "  They hold records of people, which stay on this machine but in prompts; files hold ids alone."
        )
    return world


def _show(options: ListOptions, record: dict[str, Any]) -> None:
    if options.as_json:
        import json

        short = [{k: v for k, v in each.items() if k != "steps"} for each in record["respondents"]]
        click.echo(json.dumps({**record, "respondents": short, "episodes": None}, indent=1))
        return
    for respondent in record["respondents"]:
        say_course(respondent)
    for difference in record["differences"]:
        say_difference(difference)
    click.echo(f"Written to {options.out}")
