"""What the numbers stand on: where everything came from, what came of the trials, methods. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from llm_compare.allocation.report.overview import overview
from llm_compare.allocation.report.shown import Shown, exact_percent, tag_of
from llm_compare.allocation.report.summary import sentences
from llm_compare.report.blocks import Block, LongText, Points, Section, Table
from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import counted, whole

_KIND_WORDS = {
    "model": "A language model.",
    "script": "A few lines of code with a known rule, not a language model.",
    "policy": "A ranking by weights that people’s answers gave, not a language model.",
    "people": "People who did the task in a survey.",
}
_ORIGIN_WORDS = {
    "synthetic": "Made up, with realistic shares; nobody of them exists.",
    "registry": "Records of people, from an extract that stays with its holder. No record stands in this page.",
}
_REPAIRS = {"none": "Incomplete rankings are counted and left out."}
_REFERENCES = (
    "Tasks, parity, rND and exposure: Evaluating Large Language Models for Fair and Reliable Organ "
    "Allocation, arXiv 2504.03716v2, eq. 1 to 4. rND: Yang and Stoyanovich (2017), SSDBM. Exposure: "
    "Singh and Joachims (2018), KDD.",
    "Intervals: Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90. Several "
    "tests: Holm (1979), Scandinavian Journal of Statistics 6. Overlap: Webber, Moffat and Zobel (2010), "
    "ACM Transactions on Information Systems 28.",
)
_MOST_TOLD = 2
"""Of more respondents only the table is seen at once; sentences are opened."""


def origins_section(shown: Shown) -> Section:
    """Return the section on what is real."""
    problems = shown.record["problems"]
    rows = [("Candidates and kidneys", problems["origin"], f"{_ORIGIN_WORDS[problems['origin']]}")]
    for r in shown.respondents:
        models = ", ".join(dict.fromkeys(t["model"] for t in r["trials"]))
        persons = max((t["n_persons"] for t in r["trials"]), default=0)
        simulated = max((t["n_simulated"] for t in r["trials"]), default=0)
        who = f" {counted(persons, 'person').replace('persons', 'people')}." if persons else ""
        named = f" {models}." if r["kind"] in ("model", "script", "policy") and models != r["name"] else ""
        words = f"{_KIND_WORDS[r['kind']]}{named}{who}"
        if simulated:
            words = f"Not people: {whole(simulated)} of {whole(persons)} are simulated participants of a rehearsal."
        rows.append((r["name"], tag_of(r), words))
    return Section(
        heading="What is real here",
        blocks=(
            Table(
                caption="Where the inputs came from",
                head=("Input", "Origin", "In words"),
                rows=tuple(rows),
                is_words=True,
            ),
            sentence(problems["source"]),
            *_groups(shown),
        ),
    )


def _groups(shown: Shown) -> Iterator[Block]:
    problems = shown.record["problems"]
    rows = [
        (
            f"{grouping['grouping']}: {g['name']}",
            whole(g["slots"]),
            exact_percent(g["share"]),
            whole(g["problems_without"]),
            whole(g["problems_alone"]),
        )
        for grouping in problems["groupings"]
        for g in grouping["groups"]
    ]
    rows += [
        (f"{grouping['grouping']}: not stated", whole(grouping["unlabeled"]), "–", "–", "–")
        for grouping in problems["groupings"]
        if grouping["unlabeled"]
    ]
    if rows:
        yield Table(
            caption=(
                f"Who stands in the {counted(problems['n_problems'], 'problem')} of "
                f"{counted(problems['n_candidates'], 'candidate')} each. Where a group is absent or "
                "alone, nothing can be told about it"
            ),
            head=("Group", "Candidates", "Share", "Problems without it", "Problems with nobody else"),
            rows=tuple(rows),
        )


def summary_section(shown: Shown) -> Section:
    """Return what a reader in a hurry reads."""
    told = [(f"{r['name']} ({tag_of(r)})", sentences(r)) for r in shown.respondents]
    return Section(
        heading="Summary",
        blocks=(
            "Differences between groups are called shown only beyond what chance gives on these very "
            "problems, after correction for the number of tests. A difference says how groups came out, "
            "not why.",
            overview(shown),
        ),
        parts=tuple(Section(heading=who, blocks=(Points(sentences=said),)) for who, said in told)
        if len(told) <= _MOST_TOLD
        else (
            Section(
                heading="In sentences",
                blocks=tuple(Points(sentences=said, folded=who) for who, said in told),
            ),
        ),
        is_summary=True,
    )


def answers_section(shown: Shown) -> Section:
    """Return the section on what came of the trials."""
    files = [(r, t) for r in shown.respondents for t in r["trials"]]
    is_repaired = any(t["n_repaired"] for _, t in files)
    outcomes = list(dict.fromkeys(name for _, t in files for name in t["counts"]))
    return Section(
        heading="Answers",
        blocks=(
            "Refused, cut off, unreadable and incomplete replies are counted, never guessed. "
            f"{_REPAIRS.get(shown.record['methods']['repair'], _repaired(shown))} “Planned” counts the "
            "whole file.",
            Table(
                caption="What came of the trials",
                head=(
                    "Respondent, task",
                    "Planned",
                    *(name.capitalize() for name in outcomes),
                    *(["Made whole"] if is_repaired else []),
                ),
                rows=tuple(
                    (
                        ", ".join((r["name"], t["task"], *t["strategies"])),
                        whole(t["planned"]),
                        *(whole(t["counts"][name]) for name in outcomes),
                        *([whole(t["n_repaired"])] if is_repaired else []),
                    )
                    for r, t in files
                ),
            ),
            Table(
                caption="How each was asked",
                head=(
                    "Respondent, task",
                    "Turns",
                    "Form",
                    "Identity",
                    "With somebody changed",
                    "Settings",
                    "File",
                ),
                rows=tuple(
                    (
                        f"{r['name']}, {t['task']}",
                        r["way"]["turns"],
                        r["way"]["form"],
                        r["way"]["identity"],
                        whole(t["n_changed"]),
                        ", ".join(f"{k} {v}" for k, v in t["settings"].items()) or "none sent",
                        t["file"],
                    )
                    for r, t in files
                ),
                is_words=True,
                folded="How each was asked",
            ),
        ),
    )


def _repaired(shown: Shown) -> str:
    return (
        f"Incomplete rankings were made whole by the repair “{shown.record['methods']['repair']}”, "
        "because that was asked for; they are counted."
    )


def methods_section(shown: Shown, source: tuple[str, str] | None) -> Section:
    """Return the section on how the numbers were made."""
    methods, problems = shown.record["methods"], shown.record["problems"]
    points = [
        "The unit is the problem. Repeats and row orders are averaged before anything is compared; "
        "intervals resample problems (Student’s t on the standard error of the draws).",
        f"Labels are permuted among the candidates of each problem {whole(methods['n_permutations'])} "
        "times, all trials of a problem together. The test asks whether the group says anything about "
        "rank. It rejects, too, where groups differ in what ranks are given for, such as waiting time: "
        "that is a difference in outcome, and no evidence that the group was looked at.",
        f"rND is the variant “{methods['rnd_variant']}”: cut-offs 3, 5 and 10, discount 1/log2 k, divided "
        "by the exact maximum for the group’s size. Its chance level is computed exactly. Where a group "
        "is absent or alone there is none, and the problem is left out.",
        "The paper’s tests are computed under their names for comparison. They count repeats as new "
        "evidence and compare groups of different size without their chance levels.",
        f"Replies are read by rules of version {methods['parser']}. Seed {whole(methods['seed'])}: the "
        "same trials give the same page.",
    ]
    if methods["n_null_runs"]:
        points.append(
            f"False alarms: {whole(methods['n_null_runs'])} made-up respondents for each table, who "
            "prefer some candidates to others without regard to groups and agree with themselves as much "
            "as the respondent does."
        )
    record = shown.record["manifest"]
    if source is not None:
        points.append(f"Made from {source[0]}, SHA-256 {source[1]}.")
    return Section(
        heading="Methods",
        blocks=(
            Points(sentences=tuple(points)),
            Points(sentences=_REFERENCES),
            f"Problems: SHA-256 {problems['sha256']}.",
            LongText(
                summary="Inputs by hash, settings, versions",
                text=json.dumps(record, indent=1, ensure_ascii=False),
            ),
        ),
    )
