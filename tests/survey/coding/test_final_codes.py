"""Which codes count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from survey.coding.coding import Category, Code, CodeKind, CodingError, Ended, Outcome
from survey.coding.counts import counts_of
from survey.coding.final import How, final_codes
from survey.suggestions import Stance

S = Stance.SHOULD


def test_what_all_coders_say_counts_and_one_alone_agrees_with_himself(coded):
    final = final_codes(
        coded([("p1", S, {"ann": "age wealth", "ben": "wealth age"}), ("p2", S, {"ann": "age"})])
    )

    assert (final.of(1).how, final.of(1).categories, final.of(1).coders) == (How.AGREED, {"age", "wealth"}, 2)
    assert (final.of(2).how, final.of(2).categories, final.of(2).coders) == (How.AGREED, {"age"}, 1)
    assert (final.agreed_by(1), final.agreed_by(2), final.settled) == (1, 1, 2)


def test_coders_who_differ_leave_it_open_until_it_is_adjudicated(coded):
    said = [("p1", S, {"ann": "age", "ben": "age wealth"}), ("p1", S, {"ann": "age", "ben": "-"})]

    final = final_codes(coded(said))
    settled = final_codes(coded([(p, s, {**coders, "adjudicated": "wealth"}) for p, s, coders in said]))

    assert [final.of(i).how for i in (1, 2)] == [How.OPEN, How.OPEN]
    assert (final.of(1).outcome, final.of(1).categories, final.n(How.OPEN)) == (None, frozenset(), 2)
    assert (settled.of(2).how, settled.of(2).categories, settled.of(2).coders) == (
        How.ADJUDICATED,
        {"wealth"},
        2,
    )


def test_adjudication_counts_even_against_all_coders_and_without_any(coded):
    final = final_codes(
        coded(
            [
                ("p1", S, {"ann": "age", "ben": "age", "adjudicated": "!"}),
                ("p2", S, {"adjudicated": "age"}),
            ]
        )
    )

    assert final.of(1).outcome is Outcome.UNUSABLE
    assert (final.of(2).categories, final.of(2).coders) == ({"age"}, 0)
    assert (final.n(How.ADJUDICATED), final.n_outcome(Outcome.UNUSABLE)) == (2, 1)


def test_what_a_model_proposes_never_counts(coded):
    final = final_codes(
        coded([("p1", S, {"model-x": "age"}), ("p2", S, {"ann": "age", "model-x": "wealth"})])
    )

    assert final.of(1).how is How.UNCODED
    assert final.of(2).categories == {"age"}


def test_coders_who_used_categories_that_were_merged_since_agree(coded):
    merged = [Category(name="age", label="Age"), Category(name="years", label="Years", merged_into="age")]
    coding = coded(
        [("p1", S, {"ann": "age", "ben": "years"}), ("p1", S, {"ann": "age years"})], categories=merged
    )

    final = final_codes(coding)

    assert [final.of(i).categories for i in (1, 2)] == [{"age"}, {"age"}]
    assert [(c.category, c.mentions, c.for_people) for c in counts_of(coding).categories] == [("age", 2, 1)]


def test_a_retired_category_counts_until_coded_anew_and_is_not_told_without_a_mention(coded):
    retired = [
        Category(name="life", label="Life", retired=True),
        Category(name="old", label="Old", retired=True),
    ]

    counts = counts_of(coded([("p1", S, {"ann": "life"})], categories=retired))

    assert [(c.category, c.mentions) for c in counts.categories] == [("life", 1)]


def test_what_counts_in_a_category_that_was_split_or_retired_is_to_be_coded_again(coded):
    categories = [
        Category(name="life", label="Life", retired=True),
        Category(name="smoking", label="Smoking", split_from="life"),
        Category(name="looks", label="Looks", retired=True),
    ]
    coding = coded(
        [
            ("p1", S, {"ann": "smoking", "ben": "smoking", "adjudicated": "life"}),
            ("p2", S, {"ann": "life smoking"}),
            ("p2", Stance.SHOULD_NOT, {"ann": "looks"}),
            ("p3", S, {"ann": "life", "ben": "smoking"}),
            ("p4", S, {"ann": "smoking"}),
        ],
        categories=categories,
    )

    final, counts = final_codes(coding), counts_of(coding)

    assert [final.of(i).again for i in range(1, 6)] == [True, True, True, False, False]
    assert (final.of(1).how, final.of(1).categories) == (How.ADJUDICATED, {"life"})
    assert (counts.left_out.to_code_again, counts.left_out.open) == (3, 1)
    assert {c.category: (c.mentions, c.ended) for c in counts.categories} == {
        "life": (2, Ended.SPLIT),
        "smoking": (2, None),
        "looks": (1, Ended.RETIRED),
    }


def test_what_was_split_and_merged_since_stands_where_the_other_does(coded):
    categories = [
        Category(name="life", label="Life", retired=True, merged_into="habits"),
        Category(name="habits", label="Habits", split_from="life"),
    ]

    coding = coded([("p1", S, {"ann": "life"})], categories=categories)

    assert not final_codes(coding).of(1).again
    assert coding.ended == {}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            Code(suggestion=9, kind=CodeKind.CODER, coder="ann", outcome=Outcome.UNUSABLE),
            "suggestion 9, which",
        ),
        (
            Code(suggestion=1, kind=CodeKind.CODER, coder="ann", outcome=Outcome.CATEGORY, category="luck"),
            "no category 'luck'",
        ),
        (
            Code(suggestion=1, kind=CodeKind.CODER, coder="ann", outcome=Outcome.UNUSABLE),
            "coder 'ann' says both category and unusable",
        ),
    ],
)
def test_codes_that_contradict_the_coding_are_refused_with_their_place(coded, code, message):
    coding = coded([("p1", S, {"ann": "age"})])

    with pytest.raises(CodingError, match=message):
        final_codes(replace(coding, codes=(*coding.codes, code)))


def test_a_suggestion_that_does_not_exist_has_no_final_code(coded):
    with pytest.raises(CodingError, match="no suggestion 7"):
        final_codes(coded([])).of(7)
