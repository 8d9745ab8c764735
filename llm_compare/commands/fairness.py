"""``equipoise compare fairness``: everything that trials say, as numbers and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llm_compare.allocation.problems.problem import ProblemSet
    from llm_compare.allocation.trials.answer import TrialFile
    from llm_compare.allocation.trials.reading import Repair
    from llm_compare.report.number_words import Record

_GROUPINGS = ("gender", "ethnicity", "education", "work", "state")
_REPAIRS = ("none", "drop-strangers", "last-place", "both")
_FEWEST_PERMUTATIONS = 99


@click.command("fairness")
@click.argument("trials", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--problems", "problems_path", type=click.Path(path_type=Path), help="problems.json of the trials."
)
@click.option(
    "--people",
    "people_path",
    type=click.Path(path_type=Path),
    help="choose_one.csv: people's answers to the same problems in a survey.",
)
@click.option(
    "--waiting-list",
    "list_path",
    type=click.Path(path_type=Path),
    help="waiting_list.json of 'compare waiting-list': a section of its own.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write allocation.json here.")
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Write allocation.html here.")
@click.option(
    "--from",
    "from_path",
    type=click.Path(path_type=Path),
    help="Render the page again from this allocation.json.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option(
    "--permutations",
    type=click.IntRange(min=_FEWEST_PERMUTATIONS),
    default=2000,
    show_default=True,
    help="Permutations of the groups' labels.",
)
@click.option(
    "--null-runs",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Simulated studies in which groups mean nothing, for each respondent, task and grouping; 0 for none.",
)
@click.option(
    "--grouping",
    "groupings",
    type=click.Choice(_GROUPINGS),
    multiple=True,
    default=("gender", "ethnicity"),
    show_default=True,
    help="How candidates are told apart. Repeatable.",
)
@click.option(
    "--repair",
    type=click.Choice(_REPAIRS),
    default="none",
    show_default=True,
    help="Make incomplete rankings whole; counted and named in the page.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def fairness_command(
    trials: tuple[Path, ...],
    problems_path: Path | None,
    people_path: Path | None,
    list_path: Path | None,
    out: Path | None,
    report_path: Path | None,
    from_path: Path | None,
    seed: int,
    permutations: int,
    null_runs: int,
    groupings: tuple[str, ...],
    repair: str,
    as_json: bool,
) -> None:
    """Measure TRIALS (trials.jsonl, a file for each respondent and task) and compare the respondents.

    \b
    Examples:
      equipoise compare fairness --problems problems.json choose.jsonl rank.jsonl \\
        --out allocation.json --report allocation.html
      equipoise compare fairness --from allocation.json --report allocation.html
    """
    from estimation.commands.writing import check_outputs, write_text
    from estimation.manifest import file_hash
    from llm_compare.allocation.report.allocation_file import read_allocation, write_allocation
    from llm_compare.allocation.report.page import render

    inputs = [*trials, people_path, problems_path, list_path, from_path]
    check_outputs(("--out", out), ("--report", report_path), inputs=inputs)
    source = None
    if from_path is not None:
        if trials or people_path or problems_path or list_path or out:
            raise click.UsageError(
                "--from renders an allocation.json again; it takes no trials, --problems, --people, "
                "--waiting-list or --out"
            )
        record = read_allocation(from_path)
        source = (from_path.name, file_hash(from_path))
    else:
        record = _measure(
            trials, problems_path, people_path, list_path, seed, permutations, null_runs, groupings, repair
        )
        if out is not None:
            write_allocation(out, record)
            source = (out.name, file_hash(out))
    if report_path is not None:
        write_text(report_path, render(record, source=source))
    if as_json:
        click.echo(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False))
        return
    _show(record, [path for path in (out, report_path) if path])


def _measure(
    trials: Sequence[Path],
    problems_path: Path | None,
    people_path: Path | None,
    list_path: Path | None,
    seed: int,
    n_permutations: int,
    n_null_runs: int,
    groupings: Sequence[str],
    repair: str,
) -> Record:
    from estimation.manifest import make_manifest
    from exchange.commands.stopping import ProgressLine
    from llm_compare.allocation.problems.problems_file import read_problems
    from llm_compare.allocation.report.compared import compare_respondents
    from llm_compare.allocation.report.waiting_list_part import waiting_list_part
    from llm_compare.allocation.trials.reading import Repair

    if problems_path is None or not (trials or people_path):
        raise click.UsageError(
            "name the problems and at least one file of trials: --problems problems.json trials.jsonl"
        )
    resolved = [path.resolve() for path in trials]
    if len(set(resolved)) < len(resolved):
        raise click.UsageError("a file is named twice; name each file once")
    problems = read_problems(problems_path)
    own = tuple(dict.fromkeys(groupings))
    inputs = {"problems": problems_path}
    inputs |= {f"trials {i}": path for i, path in enumerate(trials, start=1)}
    if people_path is not None:
        inputs["people"] = people_path
    if list_path is not None:
        inputs["waiting list"] = list_path
    settings: dict[str, object] = {
        "seed": seed,
        "permutations": n_permutations,
        "null_runs": n_null_runs,
        "groupings": list(own),
        "repair": repair,
    }
    # Read first: a wrong file shall not be found after minutes of computing.
    part = None if list_path is None else waiting_list_part(list_path)
    line = ProgressLine(all_lines=False)
    compared = compare_respondents(
        problems,
        _files(problems, trials, people_path, Repair(repair)),
        seed=seed,
        n_permutations=n_permutations,
        n_null_runs=n_null_runs,
        groupings=own,
        repair=Repair(repair),
        on_progress=line,
    )
    line.close()
    return {**compared.record(make_manifest(inputs, settings)), "waiting_list": part}


def _files(
    problems: ProblemSet, trials: Sequence[Path], people_path: Path | None, repair: Repair
) -> list[TrialFile]:
    from llm_compare.allocation.trials.people import people_trials
    from llm_compare.allocation.trials.trials_file import read_trials

    files = [read_trials(path, problems, repair=repair) for path in trials]
    if people_path is not None:
        files.append(people_trials(people_path, problems))
    return files


def _show(record: Record, written: Sequence[Path]) -> None:
    from llm_compare.allocation.report.shown import tag_of
    from llm_compare.allocation.report.summary import sentences

    for respondent in record["respondents"]:
        click.echo(f"{respondent['name']} ({tag_of(respondent)})")
        for sentence in sentences(respondent):
            click.echo(f"  {sentence}")
    for path in written:
        click.echo(f"Written to {path}")
