"""Lines that should not count: what exchanging them does, planted and measured."""

from __future__ import annotations

import numpy as np
import pytest

from llm_compare.errors import CannotTune
from llm_compare.prompting.plan import comparisons_to_ask
from llm_compare.tuning.evaluation.distractors import (
    distractor_moved,
    mean_measured,
    pairs_with,
    parse_distractor,
    with_distractor,
)
from llm_compare.tuning.evaluation.share_table import ShareTable

SEASONS = parse_distractor("Favorite season=spring|summer|autumn")
PUSH = {"spring": 0.1, "summer": 0.0, "autumn": -0.04}


@pytest.fixture
def pairs(study):
    comparisons = comparisons_to_ask(study, count=60, rng=np.random.default_rng(1))
    return pairs_with(comparisons, with_distractor(study, SEASONS), rng=np.random.default_rng(2))


def planted(pairs, push, own=0.3):
    """Return a model that gives the first profile more for its level, less for the other's."""
    asked = tuple(dict.fromkeys(c for p in pairs for c in (p.one, p.other)))
    shares = []
    for c in asked:
        first = own + push[c.first["favorite_season"]] - push[c.second["favorite_season"]]
        shares.append([first, 1 - first, 0.0])
    return ShareTable.same_from_both_sides(asked, np.array(shares))


def test_a_planted_push_is_found_with_its_size_and_direction(pairs):
    none = dict.fromkeys(PUSH, 0.0)
    found = distractor_moved(SEASONS, pairs, planted(pairs, none), planted(pairs, PUSH))
    sizes = [2 * abs(PUSH[a] - PUSH[b]) for a, b in (p.levels for p in pairs)]
    assert found.before.value == pytest.approx(0)
    assert found.after.value == pytest.approx(np.mean(sizes))
    assert found.difference.value == pytest.approx(np.mean(sizes))
    spring = [2 * (PUSH["spring"] - PUSH[b if a == "spring" else a]) for a, b in
              (p.levels for p in pairs) if "spring" in (a, b)]  # fmt: skip
    assert found.by_level["spring"][1].value == pytest.approx(np.mean(spring))
    assert found.by_level["autumn"][1].value < 0 < found.by_level["spring"][1].value


def test_both_ways_differ_in_the_added_line_alone(pairs, study):
    names = [a.name for a in study.attributes]
    for pair in pairs:
        here, there = pair.first
        assert [here[n] for n in names] == [there[n] for n in names]
        assert (here["favorite_season"], there["favorite_season"]) == pair.levels
        assert {pair.one.first["favorite_season"], pair.one.second["favorite_season"]} == set(pair.levels)


@pytest.mark.parametrize("text", ["", "Season", "Season=", "=a|b", "Season=spring", "Season=a|a", "S=a||b"])
def test_a_distractor_without_label_or_two_levels_is_refused(text):
    with pytest.raises(CannotTune, match="--distractor"):
        parse_distractor(text)


def test_an_attribute_of_the_study_is_no_distractor(study):
    with pytest.raises(CannotTune, match="has an attribute"):
        with_distractor(study, parse_distractor("Age=young|old"))


def test_a_mean_over_comparisons_has_a_t_interval_and_leaves_out_what_is_not_known():
    found = mean_measured(np.array([0.1, np.nan, 0.3, 0.2]), bounds=(0, 1))
    assert (found.value, found.n_comparisons) == (pytest.approx(0.2), 3)
    assert found.high - found.value == pytest.approx(4.302653 * 0.1 / np.sqrt(3))
    assert mean_measured(np.array([np.nan]), bounds=(0, 1)).value is None
