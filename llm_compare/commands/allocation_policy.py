"""A policy in the place of a model: priority weights answer choose-one and rank-all. No calls are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_compare.commands.allocation_shown import echo, echo_json, say_outcomes, summary, write_file

if TYPE_CHECKING:
    from estimation.weights import PriorityWeights
    from llm_compare.allocation.problems.problem import ProblemSet
    from llm_compare.allocation.trials.trial import Task
    from llm_compare.commands.allocation_options import AllocationOptions


def rank_by_policy(task: Task, options: AllocationOptions, problems: ProblemSet, sha256: str) -> None:
    """Let the weights that the options name rank the candidates, and write what came of it.

    Raises
    ------
    BadWeights, CannotAsk
        Weights or a mapping that cannot be read, or that say nothing of a candidate.
    """
    from dataclasses import replace
    from hashlib import sha256 as hashed

    from estimation.weights_file import read_weights
    from llm_compare.allocation.trials.answer import RespondentKind, TrialFile
    from llm_compare.allocation.trials.plan import planned_trials
    from llm_compare.allocation.trials.policy import policy_answers
    from llm_compare.allocation.trials.policy_mapping import read_mapping
    from llm_compare.errors import CannotAsk

    if options.weights is None or options.mapping is None:
        raise ValueError("a policy needs weights and a mapping")
    read = read_weights(options.weights)
    mapping = read_mapping(options.mapping, read.weights.attributes)
    design = options.design
    policies: tuple[PriorityWeights, ...] = (read.weights,)
    settings: dict[str, float | int | str] = {
        "weights_sha256": hashed(options.weights.read_bytes()).hexdigest(),
        "mapping_sha256": hashed(options.mapping.read_bytes()).hexdigest(),
        "seed": options.seed,
    }
    if (draws := options.weights_draws) is not None:
        if len(read.draws) < draws:
            raise CannotAsk(
                f"{options.weights}: holds {len(read.draws)} joint draws, not {draws}; ask for fewer, or fit the "
                "weights with more (equipoise estimate fit --bootstrap)"
            )
        policies = read.drawn_weights()[:draws]
        design = replace(design, shuffles=1, repeats=draws)
        settings["weights_draws"] = draws
    trials = planned_trials(problems, task, design)
    name = f"policy/{options.weights.stem}"
    echo(f"Policy {name}, {len(trials)} trials; no calls are made")
    if options.calls.dry_run:
        if options.as_json:
            echo_json({"respondent": name, "task": task.value, "set_sha256": sha256, "planned": len(trials)})
        return
    file = TrialFile(
        label=options.calls.label or name,
        model=name,
        kind=RespondentKind.POLICY,
        task=task,
        set_sha256=sha256,
        origin=problems.origin,
        planned=len(trials),
        answered=policy_answers(trials, policies, mapping, name=name, seed=options.seed),
        settings=settings,
    )
    write_file(options, file, problems)
    if options.as_json:
        echo_json(summary(options, file))
    else:
        say_outcomes(options, file, complete=True)
