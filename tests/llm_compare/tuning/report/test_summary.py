"""The sentences: numbers with intervals, what got worse first, nothing claimed that is not told."""

from __future__ import annotations

import re

import pytest

from llm_compare.tuning.report.summary import sentences, warnings

NONE = {"value": None, "low": None, "high": None, "reason": "not asked"}


def said(record) -> str:
    return " ".join(sentences(record)).replace("\u202f", " ")


def without_intervals(record) -> None:
    for part in (*record["curve"], *record["differences"]):
        for number in part["values"].values():
            number.update(low=None, high=None, reason="one draw")


def quiet_elsewhere(record) -> None:
    record["moved"] = None


def entry(record, respondent, size, test="comparisons"):
    return next(
        e for e in record["curve"] if (e["test"], e["respondent"], e["size"]) == (test, respondent, size)
    )


def difference(record, size, minus, test="comparisons"):
    return next(
        d for d in record["differences"] if (d["test"], d["size"], d["minus"]) == (test, size, minus)
    )["values"]


def test_what_got_worse_comes_first(record):
    first, second = sentences(record)[:2]
    assert first.startswith("Worse after tuning: ")
    assert "“Lost by exchanging sides” is +6.0 points, before +1.0 points" in first
    assert second.startswith("Worse elsewhere, too: ")
    assert "“Favorite season”, which should not count, counts more than before" in second
    assert "in study study-1, “Lost by exchanging sides”" in second
    assert "under 1 of 2 other prompts, “Lost by exchanging sides”" in second
    assert "the text preamble.txt is foretold less well" in second


def test_a_measure_is_named_as_worse_once_however_many_tests_show_it(record):
    assert sentences(record)[0].count("“Lost by exchanging sides”") == 1


def test_answering_in_shares_is_not_called_worse_for_giving_the_same_answer_less_often(record):
    assert "“Same answer with sides exchanged”" not in said(record)
    record["measures"] = [m for m in record["measures"] if m["key"] != "lost_by_exchange"]
    assert "“Same answer with sides exchanged” is 51 %, before 95 %" in said(record)


def test_a_measure_that_is_worse_only_on_another_test_is_named(record):
    difference(record, 256, "base", "both")["distance"].update(value=0.2, low=0.1, high=0.3)
    assert "“Squared distance from people’s shares”" in sentences(record)[0]


def test_how_people_are_foretold_stands_before_how_often_they_are_met(record):
    text = said(record)
    assert (
        "log score of −1.300 (−1.320 to −1.280) bits, before −2.600: better, by 1.300 (1.280 to 1.320)"
        in text
    )
    assert (
        "that of people in 60 % (58 to 62) of cases, before 52 %: better, by 8.0 points (6.0 to 10.0)" in text
    )
    assert text.index("foretell people’s answers") < text.index("gives a random person’s answer")
    difference(record, 256, "base")["likeliest"].update(value=-0.08, low=-0.1, high=-0.06)
    assert "before 52 %: worse, by 8.0 points (6.0 to 10.0)" in said(record)


def test_a_decided_base_that_learns_people_s_shares_is_not_called_worse_for_meeting_fewer_of_them(record):
    difference(record, 256, "base")["person"].update(value=-0.1, low=-0.12, high=-0.08)
    entry(record, "tuned", 0)["values"]["person"].update(value=0.56, low=0.54, high=0.58)
    assert "Gives a random person’s answer" not in sentences(record)[0]
    assert "−10 points (−12 to −8) against before. Being decided raises this number" in said(record)


def test_the_prompt_of_the_training_sets_is_not_counted_among_the_others(record):
    own = {**record["moved"]["other_prompts"][0], "name": "as-tuned", "words": "as tuned"}
    record["moved"]["other_prompts"].insert(0, own)
    assert "under 1 of 2 other prompts" in said(record)


def test_indecision_farther_from_another_study_s_people_is_told(record):
    study = record["moved"]["other_studies"][0]
    assert "Indecision" not in sentences(record)[1]
    study["indecision"] = 0.0
    assert "in study study-1, “Indecision”" in sentences(record)[1]


def test_nothing_worse_is_no_proof_that_nothing_is(record):
    quiet_elsewhere(record)
    for part in record["differences"]:
        for key, number in part["values"].items():
            if key in ("sides", "lost_by_exchange"):
                number.update(low=-1.0, high=1.0)
    assert said(record).startswith(
        "Nothing that was measured is shown to be worse after tuning. That is no proof"
    )


def test_without_intervals_nothing_is_said_to_be_worse_or_better(record):
    quiet_elsewhere(record)
    without_intervals(record)
    text = said(record)
    assert text.startswith("Whether anything is worse after tuning cannot be told")
    assert "Whether it differs from before cannot be told: there is no interval." in text
    assert "which of the two is better cannot be told" in text
    assert "whether it moved toward people cannot be told" in text
    assert "without intervals nobody can say whether more answers help" in text
    assert not re.search(r"nearer to people than before|: more answers|: better|: worse|That is [+−]", text)


def test_agreement_stands_beside_everything_it_is_held_against(record):
    text = said(record)
    assert "Tuned on 256 answers, and tested on new comparisons, answered by people" in text
    assert "Answering in its shares, it gives a random person’s answer in 48 % (46 to 50) of cases" in text
    assert "Being decided raises this number" in text
    assert "before: 39 % (37 to 41)" in text
    assert "an attribute-based model fitted to the same answers: 47 %" in text
    assert "always people’s overall shares: 41 %" in text
    assert "two people: 46 % (44 to 48)" in text
    assert "That is +9.0 points (+7.0 to +11.0) against before." in text


def test_a_difference_whose_interval_holds_zero_is_not_told(record):
    difference(record, 256, "base")["person"].update(value=0.01, low=-0.02, high=0.04)
    assert "The difference from before may be chance: +1.0 points (−2.0 to +4.0)." in said(record)


@pytest.mark.parametrize(("value", "which"), [(0.2, "the tuned model"), (-0.2, "the attribute-based model")])
def test_the_better_of_tuning_and_a_few_numbers_is_named(record, value, which):
    difference(record, 256, "weights")["log_score"].update(value=value, low=value - 0.1, high=value + 0.1)
    assert f": {which} is better, by 0.200 (0.100 to 0.300)." in said(record)


def test_indecision_is_nearer_to_people_or_farther(record):
    assert (
        "undecided in 16 % (14 to 18) of its answers, before in 0.3 %, people in 17 %: nearer to people"
        in said(record)
    )
    record["tests"][0]["indecision"] = 0.001
    assert "farther from people than before" in said(record)


def test_more_answers_help_or_nobody_can_say(record):
    text = said(record)
    assert (
        "the log score goes from −2.210 to −1.300 bits: more answers help, by 0.910 (0.890 to 0.930)" in text
    )
    assert "of people in 54 % to 60 %: more answers help, by 5.6 points (3.6 to 7.6)." in text
    difference(record, 256, "smallest")["log_score"].update(low=-0.1)
    assert "bits: whether more answers help cannot be told" in said(record)
    difference(record, 256, "smallest")["log_score"].update(value=-0.2, low=-0.3, high=-0.1)
    assert "bits: more answers hurt, by 0.200 (0.100 to 0.300)" in said(record)


def test_a_largest_size_of_one_draw_is_left_out_of_the_claim_about_more_answers(record):
    for key in ("person", "log_score"):
        entry(record, "tuned", 256)["values"][key].update(low=None, high=None, reason="one draw")
    assert "From 16 answers to 64 answers" in said(record)
    assert "in 48 % (no interval) of cases" in said(record)
    entry(record, "tuned", 16)["values"]["log_score"].update(low=None, high=None, reason="one draw")
    assert "without intervals nobody can say whether more answers help" in said(record)


def test_one_size_says_that_it_is_one(record):
    record["curve"] = [e for e in record["curve"] if e["size"] in (0, 64)]
    assert "Only one size of training set was tried" in said(record)


def test_without_a_ceiling_two_people_are_not_spoken_of(record):
    record["people"] = []
    text = said(record)
    assert "two people" not in text
    assert "people in 17 %" in text


def test_soft_labels_count_comparisons(record):
    record["training"]["labels"] = "shares"
    assert "Tuned on 256 comparisons, and tested" in said(record)


def test_a_base_alone_says_that_nothing_was_tuned(record):
    record["curve"] = [e for e in record["curve"] if not e["size"]]
    assert sentences(record)[0].startswith("No tuned model was asked")
    assert "The base gives a random person’s answer in 39 % (37 to 41) of cases" in said(record)
    record["curve"][0]["values"]["person"] = dict(NONE)
    assert "How often the base gives a random person’s answer is not known: not asked." in said(record)


def test_nothing_measured_is_said(record):
    record["curve"] = []
    assert said(record) == "Nothing was measured on held-out answers, so what tuning did is not known."


def test_indecision_that_was_not_offered_is_not_missing(record):
    record["tests"][0]["indecision"] = None
    for part in record["curve"]:
        part["values"]["indecision"] = dict(NONE)
    assert "Indecision was not on offer." in said(record)


def test_measures_that_are_unknown_show_their_reason(record):
    for part in record["curve"]:
        for key in ("indecision", "sides", "person", "log_score"):
            part["values"][key] = dict(NONE)
    text = said(record)
    assert "How often the tuned model gives a random person’s answer is not known: not asked." in text
    assert "How often it is undecided is not known: not asked." in text
    assert "in not known" not in text
    assert "None" not in text
    assert "nan" not in text


def test_majority_labels_a_toy_and_simulated_people_are_warned_of(record):
    assert [w for w in warnings(record) if "toy of 49,776 parameters" in w]
    assert [w for w in warnings(record) if "simulated" in w]
    record["training"]["labels"] = "majority"
    assert "erase disagreement" in warnings(record)[0]
    record["training"]["labels"] = "answers"
    record["base"]["n_parameters"] = 8_000_000_000
    record["study"]["people_source"]["kind"] = "real"
    assert warnings(record) == ()
