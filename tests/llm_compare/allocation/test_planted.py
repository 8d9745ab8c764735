"""From problems to the page over the real commands: what was planted in a respondent is what the numbers say."""

from __future__ import annotations

import json

import pytest

from llm_compare.allocation.report.allocation_file import document_text
from survey.cli import EXIT_BAD_INPUT, run

PREFERS, RANDOM, WAITING = "scripted/prefers:gender=Female", "scripted/random", "scripted/waiting-time"


def of(parts, grouping):
    return next(part for part in parts if part["grouping"] == grouping)


def effect(respondent, part, grouping, measure, group):
    tests = of(respondent[part]["tests"], grouping)
    groups = next(m for m in tests["measures"] if m["measure"] == measure)["groups"]
    found = next(g for g in groups if g["group"] == group)
    return next(t["effect"] for t in found["tests"] if t["method"] == "permutation")


def every_effect(respondent):
    for part in ("choices", "rankings"):
        for tests in respondent[part]["tests"] if respondent[part] else ():
            for measure in tests["measures"]:
                for group in measure["groups"]:
                    yield from (t["effect"] for t in group["tests"] if t["method"] == "permutation")


def test_who_prefers_women_at_the_first_rank_chooses_one_wherever_there_is_one(planted):
    respondent = planted.respondent(PREFERS)
    for part in ("choices", "rankings"):
        parity = of(respondent[part]["parity"], "gender")
        women = next(g for g in parity["groups"] if g["group"] == "Female")
        with_women = parity["n_problems"] - women["problems_without"]
        assert with_women > 0
        assert women["weighted_selection"] == pytest.approx(with_women)


@pytest.mark.parametrize(
    ("part", "measure"), [("choices", "selected share"), ("rankings", "first-rank share")]
)
def test_the_planted_preference_is_shown_after_correction(planted, part, measure):
    found = effect(planted.respondent(PREFERS), part, "gender", measure, "Female")
    assert found["value"] > 0.2
    assert found["p_adjusted"] < 0.05
    assert found["value"] > found["high"]


def test_a_preference_at_the_first_rank_shows_at_no_other(planted):
    curve = of(planted.respondent(PREFERS)["rankings"]["curves"], "gender")["curves"]
    women = next(c for c in curve if c["group"] == "Female")
    first, *others = (d["value"] for d in women["deviation"])
    assert first > 0.2
    assert all(value < first / 2 for value in others)


def test_showing_the_same_candidate_as_a_woman_makes_her_chosen(planted):
    (gender,) = planted.respondent(PREFERS)["counterfactuals"][0]["groupings"]
    (contrast,) = gender["contrasts"]
    assert (contrast["value"], contrast["reference"]) == ("Female", "Male")
    (chosen,) = contrast["effects"]
    assert chosen["difference"]["value"] > 0.1
    (as_random,) = planted.respondent(RANDOM)["counterfactuals"][0]["groupings"][0]["contrasts"]
    assert abs(as_random["effects"][0]["difference"]["value"]) < 0.25


def test_random_answers_show_no_difference_anywhere(planted):
    effects = list(every_effect(planted.respondent(RANDOM)))
    assert len(effects) > 8
    assert [e for e in effects if e["p_adjusted"] is not None and e["p_adjusted"] < 0.05] == []


def test_random_rankings_stand_at_their_chance_levels(planted):
    rankings = planted.respondent(RANDOM)["rankings"]
    assert rankings["agreement"]["kendall"]["same_order"]["value"] == pytest.approx(0, abs=0.15)
    assert rankings["columns"]["n_orders"] == 2
    for row in rankings["rnd"]:
        if row["value"] is not None and row["n_problems"] > 3:
            assert row["value"] == pytest.approx(row["chance"], abs=0.15)


def test_who_sorts_by_waiting_time_ranks_alike_every_time(planted):
    rankings = planted.respondent(WAITING)["rankings"]
    assert rankings["agreement"]["kendall"]["other_order"]["value"] == pytest.approx(1)
    assert rankings["stability"]["diagonal"]["observed"]["value"] == pytest.approx(1)


def test_who_knows_the_criteria_is_never_wrong_on_viability(planted):
    strategies = planted.respondent("scripted/criteria")["viability"]
    assert [s["strategy"] for s in strategies] == ["out-of-box", "zero-shot"]
    for strategy in strategies:
        confusion = strategy["scores"]["answered"]["confusion"]
        assert confusion["fp"] == confusion["fn"] == 0
        assert confusion["tp"] > 0
        assert confusion["tn"] > 0


def test_the_same_files_give_the_same_bytes(planted, tmp_path):
    chosen = [path for path in planted.trials if "choose-random" in path or "viability" in path]
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        written = ["--out", str(folder / "allocation.json"), "--report", str(folder / "allocation.html")]
        assert planted.compare(*chosen, *written, "--permutations", "99", "--null-runs", "1") == 0
    for name in ("allocation.json", "allocation.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_page_is_made_again_from_the_file_alone(planted, tmp_path):
    page = tmp_path / "again.html"
    assert (
        run(["compare", "fairness", "--from", str(planted.folder / "allocation.json"), "--report", str(page)])
        == 0
    )
    assert page.read_bytes() == (planted.folder / "allocation.html").read_bytes()


def test_the_file_holds_plain_numbers_and_no_candidates_record(planted):
    record = planted.record
    assert (record["format"], record["format_version"]) == ("equipoise allocation", 1)
    json.dumps(record, allow_nan=False)
    text = document_text(record)
    problem = json.loads(planted.problems.read_text(encoding="utf-8"))["problems"][0]
    assert json.dumps(problem["candidates"][0])[1:-1] not in " ".join(text.split())
    for column in ("HGT_CM_TCR", "DAYSWAIT_CHRON_KI"):
        assert column not in text
    assert set(record["manifest"]["inputs"]) == {"problems", *(f"trials {i}" for i in range(1, 7))}


def test_few_permutations_are_said_to_show_nothing(planted, tmp_path, capsys):
    out = tmp_path / "few.json"
    chosen = [path for path in planted.trials if "prefers" in path]
    assert planted.compare(*chosen, "--out", str(out), "--permutations", "99", "--null-runs", "0") == 0
    assert "no difference between groups can be shown; take more permutations" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "{folder}/problems.json", "--report", "{tmp}/x.html"], "--from renders"),
        (["{folder}/rank-random.jsonl", "{folder}/rank-random.jsonl"], "named twice"),
        ([], "name the problems and at least one file of trials"),
        (["{folder}/missing.jsonl"], "missing.jsonl"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_way_out(planted, tmp_path, capsys, arguments, words):
    given = [text.format(folder=planted.folder, tmp=tmp_path) for text in arguments]
    assert planted.compare(*given) == EXIT_BAD_INPUT
    assert words in capsys.readouterr().err
