from __future__ import annotations

from collections import Counter
from math import sqrt
from statistics import correlation, mean, median

import pytest

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS
from llm_compare.allocation.problems.registry_codes import decoder, why_unusable
from llm_compare.allocation.problems.synthetic import (
    synthetic_candidates,
    synthetic_kidneys,
    synthetic_source,
)
from llm_compare.errors import BadProblems

N = 4000


@pytest.fixture(scope="module")
def candidates():
    return synthetic_candidates(N, seed=11)


@pytest.fixture(scope="module")
def kidneys():
    return synthetic_kidneys(N, seed=11)


@pytest.mark.parametrize("draw", [synthetic_candidates, synthetic_kidneys])
def test_a_larger_draw_begins_with_the_smaller_and_another_seed_is_another_draw(draw):
    assert draw(30, seed=3)[:12] == draw(12, seed=3)
    assert draw(12, seed=4) != draw(12, seed=3)
    assert draw(0, seed=0) == ()


@pytest.mark.parametrize(
    ("column", "of_300"),
    [
        # arXiv 2504.03716v2, section 5: 300 places.
        ("GENDER", {"Male": 204, "Female": 96}),
        (
            "ETHCAT",
            {
                "White, Non-Hispanic": 123,
                "Black, Non-Hispanic": 90,
                "Hispanic/Latino": 60,
                "Asian, Non-Hispanic": 25,
                None: 2,
            },
        ),
    ],
)
def test_groups_have_the_papers_shares(candidates, column, of_300):
    found = Counter(candidate[column] for candidate in candidates)

    assert found.keys() == of_300.keys()
    for group, places in of_300.items():
        share = places / 300
        assert abs(found[group] / N - share) < 4 * sqrt(share * (1 - share) / N), group


def test_every_value_is_one_that_the_registry_could_have(candidates, kidneys):
    for columns, records in ((CANDIDATE_COLUMNS, candidates), (KIDNEY_COLUMNS, kidneys)):
        for i, column in enumerate(columns):
            decode = decoder(column)
            for value in {record.values[i] for record in records}:
                read = decode("" if value is None else str(value))
                assert (read, type(read)) == (value, type(value)), column.name
        assert {why_unusable(columns, record.values) for record in records} == {None}


def test_bodies_are_as_surveys_find_them(candidates):
    men = [c for c in candidates if c["GENDER"] == "Male"]
    women = [c for c in candidates if c["GENDER"] == "Female"]

    # NHANES 2015-2018: 175.3 and 161.3 cm; of our groups, shifts included, a little less.
    assert mean(c["HGT_CM_TCR"] for c in men) == pytest.approx(174.8, abs=1.0)
    assert mean(c["HGT_CM_TCR"] for c in women) == pytest.approx(160.8, abs=1.0)
    assert correlation([c["HGT_CM_TCR"] for c in men], [c["WGT_KG_TCR"] for c in men]) > 0.3


def test_waiting_is_skewed(candidates):
    days = [c["DAYSWAIT_CHRON_KI"] for c in candidates]

    assert mean(days) > 1.3 * median(days)
    assert 0 <= min(days) <= max(days) <= 5475
    # "nearly 10 % of candidates having been waiting 5 years or longer", OPTN/SRTR 2021 Annual Data Report.
    assert sum(d >= 5 * 365 for d in days) / N == pytest.approx(0.10, abs=0.03)


def test_blood_group_b_is_more_common_where_the_source_says_so(candidates):
    # Garratty, Glynn, McEntire (2004): 10.9 % of White, 19.7 % of Black, 25.4 % of Asian donors.
    def share(ethnicity):
        types = [c["ABO"] for c in candidates if c["ETHCAT"] == ethnicity]
        return types.count("B") / len(types)

    white, black, asian = (share(f"{name}, Non-Hispanic") for name in ("White", "Black", "Asian"))
    assert white < 0.145 < black < asian


def test_a_second_antigen_is_never_the_first(candidates):
    for record in candidates:
        for name in ("A", "B", "DR"):
            assert record[f"{name}1"] != record[f"{name}2"]
            assert record[f"{name}1"] != 0


def test_the_source_says_synthetic_and_which_constants():
    assert synthetic_source(4).startswith(
        "synthetic: drawn with seed 4 from synthetic_constants.toml (SHA-256 "
    )


def test_negative_numbers_are_refused():
    with pytest.raises(BadProblems, match="seed: -1"):
        synthetic_candidates(1, seed=-1)
    with pytest.raises(BadProblems, match="records: -2"):
        synthetic_kidneys(-2, seed=0)
