"""People, policies and incomplete answers in the same record and page as models."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS
from llm_compare.allocation.problems.problem import Origin
from llm_compare.allocation.problems.problems_file import problems_sha256, read_problems
from llm_compare.allocation.report.compared import compare_respondents
from llm_compare.allocation.report.page import render
from llm_compare.allocation.report.summary import sentences
from llm_compare.allocation.trials.answer import Outcome, RespondentKind
from llm_compare.allocation.trials.trials_file import read_trials

FEW = {"seed": 0, "n_permutations": 99, "n_null_runs": 0}


@pytest.fixture(scope="module")
def problems(planted):
    return read_problems(planted.problems)


@pytest.fixture(scope="module")
def ranked(planted, problems):
    return read_trials(planted.folder / "rank-waiting.jsonl", problems)


def export_of(path: Path, problems) -> Path:
    """Write what six people chose as a study's export has it: the one at the top of their list, or nobody."""
    columns = [column.name for column in CANDIDATE_COLUMNS]
    with path.open("w", encoding="utf-8", newline="") as text:
        rows = [
            {
                "respondent": f"p-{person}",
                "wave": "1",
                "position": str(position),
                "problem": problem.name,
                "set_sha256": problems_sha256(problems),
                "row_order": ";".join(map(str, problem.ids[person:] + problem.ids[:person])),
                "columns": ";".join(columns),
                "counts": "yes",
                "choice": "indecision" if (person, position) == (0, 1) else "candidate",
                "chosen": "" if (person, position) == (0, 1) else str(problem.ids[person]),
                "seconds": "9.5",
                "seconds_problem": "",
                "served_at": "2026-11-22T12:00:00+00:00",
            }
            for person in range(6)
            for position, problem in enumerate(problems.problems, start=1)
        ]
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_people_stand_beside_models(planted, problems, tmp_path, capsys):
    export = export_of(tmp_path / "choose_one.csv", problems)
    out, page = tmp_path / "allocation.json", tmp_path / "allocation.html"
    random = str(planted.folder / "choose-random.jsonl")
    given = [random, "--people", str(export), "--permutations", "99", "--null-runs", "0"]
    assert planted.compare(*given, "--out", str(out), "--report", str(page)) == 0

    record = json.loads(out.read_text(encoding="utf-8"))
    model, people = record["respondents"]
    assert (model["kind"], people["kind"]) == ("script", "people")
    assert people["trials"][0]["n_persons"] == 6
    assert people["trials"][0]["counts"]["indecision"] == 1
    assert people["choices"]["n_trials"] == 35
    # They took the top of their lists, and each had another list.
    assert people["choices"]["rows"]["mean_row"]["value"] == 1
    assert people["choices"]["rows"]["mean_row"]["p"] < 0.01
    assert people["choices"]["agreement"]["same_order"]["value"] is None
    assert set(record["manifest"]["inputs"]) == {"problems", "trials 1", "people"}
    assert "2.8\u202f% of choices nobody was chosen (undecided)" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert '<span class="tag people">people</span>' in text
    assert "6 people" in text


def test_a_policy_is_a_respondent_of_its_own_kind(problems, ranked):
    policy = replace(ranked, label="our weights", model="weights.json", kind=RespondentKind.POLICY)
    record = compare_respondents(problems, [ranked, policy], **FEW).record({})
    assert [r["kind"] for r in record["respondents"]] == ["script", "policy"]
    page = render(record, source=None)
    assert '<span class="tag policy">policy</span>' in page
    assert "weights that people’s answers gave" in page


def test_incomplete_rankings_are_counted_and_in_no_number(problems, ranked):
    def spoiled(a):
        return replace(a, read=replace(a.read, outcome=Outcome.INCOMPLETE, order=a.read.order[:3]))

    file = replace(ranked, answered=(*map(spoiled, ranked.answered[:4]), *ranked.answered[4:]))
    record = compare_respondents(problems, [file], **FEW).record({})
    (respondent,) = record["respondents"]
    assert respondent["rankings"]["n_trials"] == len(ranked.answered) - 4
    assert "4 incomplete rankings, in no number below" in sentences(respondent)[0]


def test_rankings_made_whole_are_told(problems, ranked):
    def repaired(a):
        return replace(a, read=replace(a.read, repairs=("last-place",)))

    file = replace(ranked, answered=(*map(repaired, ranked.answered[:2]), *ranked.answered[2:]))
    record = compare_respondents(problems, [file], **FEW).record({})
    assert "2 incomplete rankings made whole by the chosen repair" in sentences(record["respondents"][0])[0]
    assert "Made whole" in render(record, source=None)


def test_of_a_registry_no_candidate_s_record_stands_in_the_results(problems, ranked):
    restricted = replace(problems, origin=Origin.REGISTRY)
    record = compare_respondents(restricted, [ranked], **FEW).record({})
    page = render(record, source=None)
    assert '<span class="tag registry">registry</span>' in page
    assert "No record stands in this page." in page
    for problem in problems.problems:
        for candidate in problem.candidates:
            states = {candidate["PERM_STATE"], candidate["EDUCATION"]}
            assert not any(
                str(value) in json.dumps(record) or str(value) in page for value in states if value
            )


def test_participants_of_a_rehearsal_are_never_shown_as_people(planted, problems, tmp_path):
    export = export_of(tmp_path / "choose_one.csv", problems)
    export.write_text(export.read_text(encoding="utf-8").replace("p-5,", "sim-00005,"), encoding="utf-8")
    page = tmp_path / "allocation.html"
    arguments = ["--people", str(export), "--permutations", "99", "--null-runs", "0", "--report", str(page)]
    assert planted.compare(*arguments) == 0
    text = page.read_text(encoding="utf-8")
    assert '<span class="tag simulated">simulated</span>' in text
    assert '<span class="tag people">' not in text
    assert "Not people: 1 of 6 are simulated participants of a rehearsal." in text
