"""The options of ``compare viability``, ``choose-one`` and ``rank-all``, and what they amount to."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.allocation.problems.columns import GROUPINGS
from llm_compare.allocation.trials.reading import Repair
from llm_compare.allocation.trials.trial import Form, Identity, Strategy, Task, Turns, Way
from llm_compare.commands.call_options import (
    Command,
    address_options,
    asked_model,
    batch_options,
    limit_options,
    limits_of,
    one_of,
    settings_options,
    with_options,
)

if TYPE_CHECKING:
    from llm_compare.allocation.trials.conversation import Addressee
    from llm_compare.allocation.trials.plan import Design
    from llm_compare.asking.protocol import AskedModel, RunLimits

_TOKENS_OF_ONE = 64
"""Most tokens of a reply that names one candidate, or says yes or no."""
_TOKENS_OF_A_RANKING = 300
_TOKENS_OF_A_NOD = 300
"""Room for what a model says to the earlier turns of a conversation: cut off, it would stand there half said."""
_TOKENS_PER_RANK = 20
"""Room for a line of a ranking; decides where more than fifteen candidates are ranked."""
_USUAL = Way()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Who is asked, and how far a run goes, as given on the command line."""

    model: str | None
    label: str | None
    api_base: str | None
    price: tuple[float, float] | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    reasoning_effort: str | None
    send_records: bool
    budget: float | None
    max_calls: int | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    timeout: float | None
    dry_run: bool
    show_prompt: bool
    yes: bool

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> CallOptions:
        """Take these options out of all that were given."""
        return cls(**{f.name: given[f.name] for f in fields(cls)})

    @property
    def asked(self) -> AskedModel:
        """The model that is asked.

        Raises
        ------
        click.UsageError
            There is none, or options that do not go together.
        """
        from llm_compare.asking.protocol import Choices

        if self.model is None:
            raise click.UsageError("name who is asked with --model")
        choices = Choices(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            reasoning_effort=self.reasoning_effort,
        )
        return asked_model(
            self.model, api_base=self.api_base, label=self.label, price=self.price, choices=choices
        )

    @property
    def limits(self) -> RunLimits:
        """What the run must not exceed."""
        return limits_of(
            budget=self.budget,
            max_calls=self.max_calls,
            rpm=self.rpm,
            tpm=self.tpm,
            concurrency=self.concurrency,
            timeout=self.timeout,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationOptions:
    """What was given on the command line of one of the three tasks; what a task lacks has its only value."""

    calls: CallOptions
    problems: Path
    repeats: int
    seed: int
    column_shuffles: int
    turns: str
    form: str
    identity: str
    repair: str
    out: Path | None
    as_json: bool
    strategies: tuple[str, ...] = (_USUAL.strategy.value,)
    few_shot_repeats: int = 1
    shuffles: int = 1
    counterfactuals: tuple[str, ...] = ()
    focal: int = 1
    weights: Path | None = None
    mapping: Path | None = None
    weights_draws: int | None = None
    export_batch: Path | None = None
    import_batch: tuple[Path, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> AllocationOptions:
        """Sort what was given."""
        own = {f.name for f in fields(cls)}
        return cls(calls=CallOptions.of(given), **{n: value for n, value in given.items() if n in own})

    @property
    def design(self) -> Design:
        """How often, and in how many forms, problems are put."""
        from llm_compare.allocation.trials.plan import Design

        way = Way(turns=Turns(self.turns), form=Form(self.form), identity=Identity(self.identity))
        return Design(
            shuffles=self.shuffles,
            repeats=self.repeats,
            few_shot_repeats=self.few_shot_repeats,
            column_shuffles=self.column_shuffles,
            counterfactuals=tuple(dict.fromkeys(self.counterfactuals)),
            focal=self.focal,
            seed=self.seed,
            ways=tuple(replace(way, strategy=Strategy(s)) for s in dict.fromkeys(self.strategies)),
        )


def viability_options(command: Command) -> Command:
    """Add the options of viability."""
    return with_options(
        command,
        _problems,
        whom_options,
        click.option(
            "--strategy",
            "strategies",
            type=click.Choice([s.value for s in Strategy]),
            multiple=True,
            default=[s.value for s in Strategy],
            help="What viability is explained with; repeat it for several.  [default: all three]",
        ),
        *_way,
        _repeats,
        click.option(
            "--few-shot-repeats",
            type=click.IntRange(min=1),
            default=15,
            show_default=True,
            help="Repeats of few-shot questions, each with examples of its own.",
        ),
        *_further,
        limit_options,
        batch_options,
        *_result,
    )


def choice_options(command: Command) -> Command:
    """Add the options of choose-one and rank-all."""
    return with_options(
        command,
        _problems,
        whom_options,
        click.option(
            "--weights",
            type=click.Path(path_type=Path),
            help="In place of a model: a policy, priority weights of 'equipoise estimate fit'.",
        ),
        click.option(
            "--mapping",
            type=click.Path(path_type=Path),
            help="Which columns give the attributes of --weights; see examples/policies.",
        ),
        click.option(
            "--weights-draws",
            type=click.IntRange(min=1),
            metavar="N",
            help="Rank by so many joint draws of the weights in place of --shuffles and --repeats, so that their "
            "uncertainty shows.",
        ),
        *_way,
        click.option(
            "--shuffles",
            type=click.IntRange(min=1),
            default=3,
            show_default=True,
            help="Row orders of each problem.",
        ),
        _repeats,
        click.option(
            "--counterfactual",
            "counterfactuals",
            type=click.Choice(list(GROUPINGS)),
            multiple=True,
            help="Ask also with a candidate changed in this one respect; repeat it for several.",
        ),
        click.option(
            "--focal",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Candidates of each problem that --counterfactual changes.",
        ),
        *_further,
        limit_options,
        batch_options,
        *_result,
    )


def whom_options(command: Command) -> Command:
    """Add the options that say who is asked, with which settings."""
    return with_options(
        command,
        click.option(
            "--model",
            help="A litellm model string such as openai/gpt-4o or ollama/llama3, or a script: scripted/random, "
            "scripted/waiting-time, scripted/youngest-first, scripted/first-row, scripted/prefers:GROUPING=GROUP, "
            "scripted/sorts:GROUPING=GROUP; of viability scripted/criteria, scripted/yes, scripted/random.",
        ),
        address_options,
        settings_options,
        click.option(
            "--send-records",
            is_flag=True,
            help="Agree that records of a registry extract are sent, in prompts, to a provider outside this "
            "machine and network.",
        ),
    )


def addressee_of(
    asked: AskedModel, task: Task, *, n_candidates: int, in_turns: bool, set_sha256: str, seed: int
) -> Addressee:
    """Return whom trials are put to, with the settings that are sent.

    Parameters
    ----------
    in_turns
        Whether the model answers earlier turns, too.
    """
    from llm_compare.allocation.trials.conversation import Addressee
    from llm_compare.asking.protocol import settings_of

    most = _TOKENS_OF_ONE
    if task is Task.RANK_ALL:
        most = max(_TOKENS_OF_A_RANKING, _TOKENS_PER_RANK * n_candidates)
    if in_turns:
        most = max(most, _TOKENS_OF_A_NOD)
    return Addressee(
        model=asked.model,
        api_base=asked.api_base,
        settings=settings_of(asked, asked.choices, most_tokens=most, seed=seed),
        set_sha256=set_sha256,
    )


def leaves_this_network(asked: AskedModel) -> bool:
    """Return whether prompts go to a server outside this machine and its private network."""
    from llm_compare.prompting.call import is_scripted

    provider = asked.model.partition("/")[0].removesuffix("_chat").upper()
    # What litellm takes for the address where none is given, also of programs that are usually on this machine.
    address = asked.api_base or os.environ.get(f"{provider}_API_BASE")
    return not is_scripted(asked.model) and not replace(asked, api_base=address).runs_here


def check_records_may_be_sent(asked: AskedModel, *, is_restricted: bool, is_agreed: bool) -> None:
    """Refuse to send people's records away unasked.

    Raises
    ------
    click.UsageError
        They would leave this network without ``--send-records``.
    """
    if is_restricted and not is_agreed and leaves_this_network(asked):
        raise click.UsageError(
            f"the problems hold records of people from a registry extract, and prompts to {asked.model} would "
            "carry them out of this machine and network; ask a model on a server of your own (--api-base, "
            "ollama/...), or, if what you signed for the extract allows it, add --send-records"
        )


_problems = click.argument("problems", type=click.Path(path_type=Path))
_way: tuple[Callable[[Any], Any], ...] = (
    one_of("--turns", Turns, _USUAL.turns, "In how many messages a question is put."),
    one_of("--form", Form, _USUAL.form, "The form of the answer that is asked for."),
    one_of("--identity", Identity, _USUAL.identity, "How prompts tell who candidates are."),
)
_repeats = click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Times that the very same question is put.",
)
_further: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--column-shuffles",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Column orders beside the registry's own.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed of row and column orders, of who is changed, and of what scripts leave to chance. Never sent.",
    ),
    one_of(
        "--repair",
        Repair,
        Repair.NONE,
        "What makes incomplete rankings whole in the counts; the file keeps replies as they came.",
    ),
)
_result: tuple[Callable[[Any], Any], ...] = (
    click.option("--out", type=click.Path(path_type=Path), help="Write trials.jsonl here."),
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
)
