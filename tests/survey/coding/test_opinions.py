"""Ratings and rankings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.acceptability import Acceptability, RatedAttribute, Rating
from survey.coding.coding import CodingError
from survey.coding.opinions import Sheet, opinions_of

YES, NO, UNSURE = Rating.ACCEPTABLE, Rating.NOT_ACCEPTABLE, Rating.CANNOT_SAY


def asked(n: int = 4, ranked: int = 2) -> Acceptability:
    return Acceptability(
        question="Which are acceptable?",
        attributes=tuple(RatedAttribute(name=c, label=c.upper()) for c in "abcdefgh"[:n]),
        acceptable="yes",
        not_acceptable="no",
        cannot_say="?",
        ranked=ranked,
    )


def test_ratings_are_shares_of_those_who_rated_and_who_left_out_is_told():
    found = opinions_of(
        asked(),
        [
            Sheet(respondent="p1", ratings={"a": YES, "b": NO}),
            Sheet(respondent="p2", ratings={"a": YES}),
            Sheet(respondent="p3", ratings={"a": UNSURE}),
            Sheet(respondent="p4"),  # Went on with nothing.
            Sheet(respondent="p5", rated=False, ranked=True),  # Never saw the ratings.
        ],
    )

    a, b, c = (found.of(name) for name in "abc")
    assert (found.respondents, found.raters) == (5, 3)
    assert (a.acceptable.count, a.acceptable.of, a.cannot_say.count, a.not_acceptable.count) == (2, 3, 1, 0)
    assert (a.rated, a.missing, b.rated, b.missing) == (3, 1, 1, 3)
    assert (c.acceptable, c.missing) == (None, 4)


def test_places_and_borda_points_are_those_counted_by_hand():
    found = opinions_of(
        asked(),
        [
            Sheet(respondent="p1", ranking=("a", "b"), ranked=True),
            Sheet(respondent="p2", ranking=("b",), ranked=True),
            Sheet(respondent="p3", ranked=True),
        ],
        draws=50,
    )

    a, b, c = (found.of(name) for name in "abc")
    assert (found.rankers, found.ranked_nothing) == (2, 1)
    assert [(o.first.count, o.first.of, o.among_ranked.count) for o in (a, b, c)] == [
        (1, 2, 1),
        (1, 2, 2),
        (0, 2, 0),
    ]
    assert (a.mean_place.value, a.mean_place.of, a.mean_place.low) == (1, 1, None)
    assert (b.mean_place.value, c.mean_place) == (1.5, None)
    # Of four: first 3, second 2. The first person's other two share 1 + 0: 0.5 each; the second's three share
    # 2 + 1 + 0: 1 each. Divided by 3.
    assert [o.borda.value for o in (a, b, c)] == pytest.approx([(3 + 1) / 6, (2 + 3) / 6, (0.5 + 1) / 6])
    assert "share equally" in found.borda_rule


@given(
    st.lists(
        st.permutations(list("abcd")).flatmap(lambda p: st.integers(1, 4).map(lambda k: p[:k])), min_size=1
    )
)
def test_every_ranking_gives_the_same_points_in_all(rankings):
    sheets = [Sheet(respondent=f"p{i}", ranking=r, ranked=True) for i, r in enumerate(rankings)]
    found = opinions_of(asked(4, ranked=4), sheets, draws=5)

    # 3 + 2 + 1 + 0, divided by 3.
    assert sum(o.borda.value for o in found.attributes) == pytest.approx(2)


def test_intervals_come_from_people_drawn_again_with_the_seed():
    rng = np.random.default_rng(3)
    sheets = [
        Sheet(respondent=f"p{i}", ranking=tuple(rng.permutation(list("abcd"))[:2]), ranked=True)
        for i in range(40)
    ]
    found = opinions_of(asked(), sheets, draws=30, seed=9)
    places = np.array([s.ranking.index("a") + 1 if "a" in s.ranking else np.nan for s in sheets])
    weights = np.random.default_rng(9).multinomial(40, np.full(40, 1 / 40), size=30)
    slow = [np.nanmean(np.repeat(places, own)) for own in weights]

    mean = found.of("a").mean_place
    assert (mean.low, mean.high) == pytest.approx(np.quantile(slow, (0.025, 0.975)))
    assert opinions_of(asked(), sheets, draws=30, seed=9) == found


def test_simulated_participants_are_never_counted_with_people():
    sheets = [
        Sheet(respondent="p1", ratings={"a": YES}),
        Sheet(respondent="s1", ratings={"a": NO}, simulated=True),
    ]

    people, simulated = opinions_of(asked(), sheets), opinions_of(asked(), sheets, simulated=True)
    only_simulated = opinions_of(asked(), sheets[1:])

    assert (people.simulated, people.of("a").acceptable.count, people.of("a").rated) == (False, 1, 1)
    assert (simulated.simulated, simulated.of("a").not_acceptable.count) == (True, 1)
    assert (only_simulated.simulated, only_simulated.raters) == (True, 1)


def test_nobody_asked_says_nothing():
    found = opinions_of(asked(2, ranked=0), [])

    assert (found.respondents, found.borda_rule) == (0, "")
    for opinion in found.attributes:
        assert (opinion.acceptable, opinion.first, opinion.mean_place, opinion.borda) == (
            None,
            None,
            None,
            None,
        )


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ([Sheet(respondent="p1", ratings={"z": YES})], "'z', which the design does not ask"),
        ([Sheet(respondent="p1", ranking=("a", "a"))], "ranked an attribute twice"),
        ([Sheet(respondent="p1", ranking=("a", "b", "c"))], "ranked 3 attributes, of 2"),
        ([Sheet(respondent="p1"), Sheet(respondent="p1")], "two sheets"),
    ],
)
def test_sheets_that_do_not_fit_the_design_are_refused(sheets, message):
    with pytest.raises(CodingError, match=message):
        opinions_of(asked(), sheets)
