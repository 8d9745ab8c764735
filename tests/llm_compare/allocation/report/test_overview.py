"""The table with a line for each respondent, and the sentences that must not claim more than it."""

from __future__ import annotations

from llm_compare.allocation.report.overview import overview
from llm_compare.allocation.report.shown import Shown
from llm_compare.allocation.report.summary import sentences

PREFERS = "scripted/prefers:gender=Female"


def line(record, name):
    table = overview(Shown.of(record))
    row = next(row for row in table.rows if row[0] == name)
    return dict(zip(table.head, row, strict=True))


def test_every_respondent_has_a_line_and_a_planted_preference_its_star(planted):
    record = planted.record
    assert [row[0] for row in overview(Shown.of(record)).rows] == [r["name"] for r in record["respondents"]]
    planted_line = line(record, PREFERS)
    assert planted_line["Women less pool"].endswith("\u00a0*")
    assert planted_line["Furthest from its pool"].split()[0] in ("Female", "Male")
    assert "*" not in line(record, "scripted/random")["Women less pool"]
    assert line(record, "scripted/criteria")["Viability right"].replace("\u202f", " ") == "100 %, 100 %, –"


def test_stars_hang_on_the_corrected_p_alone(planted):
    record = planted.record
    for respondent in record["respondents"]:
        for part in ("choices", "rankings"):
            for tests in respondent[part]["tests"] if respondent[part] else ():
                for measure in tests["measures"]:
                    for group in measure["groups"]:
                        for test in group["tests"]:
                            test["effect"]["p_adjusted"] = 0.05
    table = overview(Shown.of(record))
    assert not [cell for row in table.rows for cell in row if "*" in cell]


def test_women_as_the_largest_group_have_the_other_group_s_star(planted):
    record = planted.record
    for respondent in record["respondents"]:
        if respondent["choices"]:
            groups = respondent["choices"]["tests"][0]["measures"][0]["groups"]
            tested, reference = (next(g for g in groups if bool(g["tests"]) is has) for has in (True, False))
            tested["group"], reference["group"] = "Male", "Female"
    assert line(record, PREFERS)["Women less pool"].endswith("\u00a0*")


def test_columns_that_nobody_fills_are_left_out(planted):
    record = planted.record
    record["respondents"] = [r for r in record["respondents"] if r["name"] == "scripted/criteria"]
    assert overview(Shown.of(record)).head == ("Respondent", "Viability right")


def test_indecision_shows_in_the_table_and_in_a_sentence(planted):
    record = planted.record
    respondent = next(r for r in record["respondents"] if r["name"] == PREFERS)
    assert "Undecided" not in overview(Shown.of(record)).head
    counts = next(t for t in respondent["trials"] if t["task"] == "choose-one")["counts"]
    counts["answer"], counts["indecision"] = 30, 10
    assert line(record, PREFERS)["Undecided"].replace("\u202f", " ") == "25 %"
    said = " ".join(sentences(respondent)).replace("\u202f", " ")
    assert "In 25 % of choices nobody was chosen (undecided)." in said


def test_complete_tasks_are_told_in_one_sentence_by_name(planted):
    respondent = planted.respondent("scripted/criteria")
    assert (
        sentences(respondent)[0] == "All planned trials were answered (viability out-of-box, zero-shot: 100)."
    )
    respondent["trials"][0]["counts"].update(answer=99, refusal=1)
    assert sentences(respondent)[0] == (
        "Viability out-of-box, zero-shot: 99 of 100 planned trials answered; 1 refused, in no number below."
    )


def test_opposite_directions_are_claimed_only_where_both_tasks_show_a_difference(planted):
    respondent = planted.respondent(PREFERS)

    def said() -> bool:
        return "opposite directions" in " ".join(sentences(respondent))

    ranked = respondent["rankings"]["tests"][0]["measures"][0]["groups"]
    effect = next(t["effect"] for g in ranked for t in g["tests"] if t["method"] == "permutation")
    for groups in respondent["both"]["groups"]:
        for group in groups["groups"]:
            group["verdict"] = "inverts"
    assert not said()
    effect.update(value=-0.3, p_adjusted=0.01)
    assert said()
    effect.update(p_adjusted=0.2)
    assert not said()


def test_a_p_value_never_stands_without_its_test(planted):
    said = [s for r in planted.record["respondents"] for s in sentences(r) if " p " in s or "(p" in s]
    assert len(said) > 1
    named = ("permutation test, p", "row orders drawn anew", "signs turned at random, p")
    assert [s for s in said if not any(words in s for words in named)] == []
