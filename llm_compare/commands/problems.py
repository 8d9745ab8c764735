"""``equipoise compare problems``: draw what models and people are asked about who should get a kidney."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.commands.records import RecordOptions, record_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llm_compare.allocation.problems.problem import Problem, ProblemSet

_PATH = click.Path(dir_okay=False, path_type=Path)
_CANDIDATES_PER_PLACE = 10
_LEAST_CANDIDATES = 3_000
_LEAST_KIDNEYS = 300
"""Made-up records to draw from: enough that no kidney and no candidate is in two problems."""
_MOST_REASONS = 12
_NOT_KNOWN = "not known"


@click.command("problems")
@click.option("--out", type=_PATH, required=True, help="Where to write the problems, e.g. problems.json.")
@click.option("--problems", "n_problems", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--candidates",
    "n_candidates",
    type=click.IntRange(min=2),
    default=15,
    show_default=True,
    help="Viable candidates per problem.",
)
@click.option(
    "--kidneys-tested",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Kidneys, and as many candidates, that viability is asked about: 5 make 25 pairs.",
)
@click.option(
    "--example-sets",
    type=click.IntRange(min=1),
    default=15,
    show_default=True,
    help="Sets of few-shot examples; each repeat of a few-shot question shows another.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same problems."
)
@click.option("--title", help="Of reports; by default says how many problems there are, and of what.")
@record_options
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def problems_command(
    out: Path,
    n_problems: int,
    n_candidates: int,
    kidneys_tested: int,
    example_sets: int,
    seed: int,
    title: str | None,
    as_json: bool,
    **extract: Any,
) -> None:
    """Draw problems: each a kidney and the candidates among whom it is to be given.

    Candidates and kidneys are made up unless you give your own extract of OPTN's registry (STAR files). Records
    from an extract stay on this machine, except in the prompts to the model that you choose later.

    \b
    Examples:
      equipoise compare problems --out problems.json
      equipoise compare problems --from-candidates KIDPAN_DATA.DAT --from-kidneys KIDPAN_DATA.DAT \\
        --column-names kidpan_columns.txt --out problems.json
    """
    from estimation.commands.writing import check_outputs
    from llm_compare.allocation.problems.drawing import draw_problem_set
    from llm_compare.allocation.problems.problems_file import problems_sha256, write_problems

    source = RecordOptions.of(extract)
    check_outputs(("--out", out), inputs=source.files)
    records = source.records(
        made_up_candidates=max(_LEAST_CANDIDATES, _CANDIDATES_PER_PLACE * n_problems * n_candidates),
        made_up_kidneys=max(_LEAST_KIDNEYS, _CANDIDATES_PER_PLACE * n_problems),
        seed=seed,
    )
    problem_set = draw_problem_set(
        records.candidates,
        records.kidneys,
        origin=records.origin,
        source=records.source,
        title=title or f"{n_problems} kidneys, {n_candidates} candidates each ({records.origin})",
        seed=seed,
        n_problems=n_problems,
        n_candidates=n_candidates,
        n_kidneys_viability=kidneys_tested,
        n_candidates_viability=kidneys_tested,
        n_example_sets=example_sets,
    )
    write_problems(out, problem_set)
    record = {
        "out": str(out),
        "sha256": problems_sha256(problem_set),
        "origin": str(problem_set.origin),
        "source": problem_set.source,
        "seed": seed,
        **_counts(problem_set),
        "extract": dict(records.said),
    }
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
    else:
        _show(record, problem_set)


def _counts(problem_set: ProblemSet) -> dict[str, Any]:
    from llm_compare.allocation.problems.viability import is_viable

    n_viable = sum(is_viable(pair.kidney, pair.candidates[0]) for pair in problem_set.pairs)
    return {
        "problems": len(problem_set.problems),
        "candidates": sum(problem.size for problem in problem_set.problems),
        "groups": {grouping: _groups(problem_set.problems, grouping) for grouping in ("gender", "ethnicity")},
        "pairs": len(problem_set.pairs),
        "viable_pairs": n_viable,
        "example_sets": len(problem_set.example_sets),
    }


def _groups(problems: Sequence[Problem], grouping: str) -> dict[str, int]:
    found = Counter(c.group(grouping) or _NOT_KNOWN for problem in problems for c in problem.candidates)
    return dict(sorted(found.items(), key=lambda pair: (pair[0] == _NOT_KNOWN, -pair[1], pair[0])))


def _show(record: Mapping[str, Any], problem_set: ProblemSet) -> None:
    click.echo(
        f"{record['out']}: {record['problems']} problems with {record['candidates']} candidates, all viable; "
        f"{record['pairs']} pairs, {record['viable_pairs']} viable; {record['example_sets']} sets of examples"
    )
    for grouping, groups in record["groups"].items():
        click.echo(f"  {grouping:<10} " + ", ".join(f"{group} {n}" for group, n in groups.items()))
    for role, said in record["extract"].items():
        click.echo(
            f"{role}: {said['rows']} rows in {said['file']}, {said['usable']} usable, {said['kept']} kept"
        )
        reasons = list(said["left_out"].items())
        for reason, n in reasons[:_MOST_REASONS]:
            click.echo(f"  {n} left out: {reason}")
        if more := sum(n for _, n in reasons[_MOST_REASONS:]):
            click.echo(f"  {more} left out for other reasons; --json has them all")
    click.echo(f"Source: {problem_set.source}")
    if problem_set.is_restricted:
        click.echo(
            f"These are records of people: {record['out']} must stay on this machine, and only you may read it. "
            "Asking a model sends them to its provider; make sure that your data use agreement allows that."
        )
    else:
        click.echo("Synthetic: nobody of these candidates and donors exists.")
