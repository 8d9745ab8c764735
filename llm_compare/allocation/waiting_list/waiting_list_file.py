"""``waiting_list.json``: who got each kidney on lists that evolve, and what came of it.

Of people from a registry it holds ids, groups' totals and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_compare.alignment.alignment_file import as_record
from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS
from llm_compare.allocation.problems.problem import Origin
from llm_compare.allocation.waiting_list.course import Course
from llm_compare.allocation.waiting_list.episode import Episode, world_sha256
from llm_compare.allocation.waiting_list.outcomes import list_difference, list_outcomes

FORMAT = "equipoise waiting list"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where candidates and kidneys came from."""

    origin: Origin
    source: str


def waiting_list_record(
    courses: Sequence[Course], records: Records, *, groupings: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Return everything about the courses as plain data; the first is what the others are compared with.

    Parameters
    ----------
    courses
        At least one, all through the same episodes. Where some were stopped, nobody is compared with them.

    Raises
    ------
    NotMeasurable
        No kidney was allotted.
    """
    first = courses[0]
    differences = [
        as_record(list_difference(course, first, groupings, seed=seed))
        for course in courses[1:]
        if len(course.steps) == len(first.steps)
    ]
    return {
        "origin": str(records.origin),
        "source": records.source,
        "scenario": as_record(first.scenario),
        "world_sha256": world_sha256(first.scenario, first.episodes),
        "respondents": [
            {
                **as_record(list_outcomes(course, groupings, seed=seed)),
                "complete": course.is_complete,
                "reads": as_record(course.reads),
                "steps": as_record(course.steps),
            }
            for course in courses
        ],
        "differences": differences,
        "episodes": None if records.origin is Origin.REGISTRY else _episodes(first.episodes),
    }


def waiting_list_text(record: dict[str, Any]) -> str:
    """Return the text of the file. The same courses give the same text."""
    # Not indented: steps are lists of ids, each of which would take a line.
    return json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **record}) + "\n"


def _episodes(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Return everybody and every kidney, columns named once."""
    return {
        "candidate_columns": [column.name for column in CANDIDATE_COLUMNS],
        "kidney_columns": [column.name for column in KIDNEY_COLUMNS],
        "drawn": [
            {
                "episode": episode.number,
                "kidneys": [list(kidney.values) for kidney in episode.kidneys],
                "persons": [
                    {
                        "id": p.id,
                        "arrives": p.arrives,
                        "leaves": p.leaves,
                        "days_before": p.days_before,
                        "candidate": list(p.candidate.values),
                    }
                    for p in episode.persons
                ],
            }
            for episode in episodes
        ],
    }
