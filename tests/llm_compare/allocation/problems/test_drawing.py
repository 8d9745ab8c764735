from __future__ import annotations

from collections import Counter

import pytest

from llm_compare.allocation.problems.drawing import _draw_problems, _rng, _Stream, _Table, draw_problem_set
from llm_compare.allocation.problems.problem import Origin
from llm_compare.allocation.problems.synthetic import synthetic_candidates, synthetic_kidneys
from llm_compare.allocation.problems.viability import Limits, Reason, failing, is_viable
from llm_compare.errors import BadProblems


@pytest.fixture(scope="module")
def records():
    return synthetic_candidates(3000, seed=0), synthetic_kidneys(300, seed=0)


@pytest.fixture(scope="module")
def draw(records):
    """Return a function that draws from 3,000 candidates and 300 kidneys, or from others."""

    def draw(candidates=records[0], kidneys=records[1], **changes):
        settings = {"origin": Origin.SYNTHETIC, "source": "s", "title": "t", "seed": 0, **changes}
        return draw_problem_set(candidates, kidneys, **settings)

    return draw


@pytest.fixture(scope="module")
def drawn(draw):
    return draw()


@pytest.fixture
def alike(candidate, kidney):
    """Return a function that makes so many candidates and kidneys, all of whom suit each other."""

    def alike(n_candidates, n_kidneys):
        people = [
            candidate(ABO="O", HGT_CM_TCR=170.0, WGT_KG_TCR=60.0 + i / 100) for i in range(n_candidates)
        ]
        organs = [
            kidney(ABO_DON="O", HGT_CM_DON_CALC=170.0, WGT_KG_DON_CALC=60.0 + i / 100)
            for i in range(n_kidneys)
        ]
        return people, organs

    return alike


def test_problems_are_the_papers_in_number_and_size_and_everybody_is_viable(drawn):
    assert [problem.name for problem in drawn.problems] == [f"p{i:02d}" for i in range(1, 21)]
    assert {problem.ids for problem in drawn.problems} == {tuple(range(15))}
    assert all(is_viable(p.kidney, c) for p in drawn.problems for c in p.candidates)


def test_nobody_is_in_two_problems_while_records_last(drawn):
    people = Counter(c for p in drawn.problems for c in p.candidates)

    assert set(people.values()) == {1}
    assert len({p.kidney for p in drawn.problems}) == 20
    assert drawn.source == "s"


@pytest.mark.parametrize("seed", range(5))
def test_two_in_five_pairs_are_viable_as_in_the_papers_table_1(draw, seed):
    pairs = draw(seed=seed, n_problems=1, n_example_sets=1).pairs

    assert [pair.name for pair in pairs] == [f"k{i}-c{j}" for i in range(1, 6) for j in range(1, 6)]
    assert sum(is_viable(pair.kidney, pair.candidates[0]) for pair in pairs) == 10
    # Every kidney with every candidate, and a candidate is called the same in all of their pairs.
    assert len({pair.kidney for pair in pairs}) == 5
    assert len({(pair.ids, pair.candidates) for pair in pairs}) == 5
    assert len({pair.ids for pair in pairs}) == 5


def test_each_set_of_examples_has_one_viable_pair_and_one_that_fails_for_each_reason_alone(drawn):
    paired = {c for pair in drawn.pairs for c in pair.candidates}
    paired_kidneys = {pair.kidney for pair in drawn.pairs}
    paired_ids = {pair.ids for pair in drawn.pairs}

    assert len(drawn.example_sets) == 15
    for shown in drawn.example_sets:
        why = sorted(sorted(failing(pair.kidney, pair.candidates[0])) for pair in shown)
        assert why == [[], [Reason.ABO], [Reason.HEIGHT], [Reason.WEIGHT]]
        assert len({pair.candidates for pair in shown}) == len({pair.ids for pair in shown}) == 4
        for pair in shown:
            assert pair.candidates[0] not in paired
            assert pair.kidney not in paired_kidneys
            assert pair.ids not in paired_ids


def test_examples_stay_clear_of_the_pairs_where_records_are_few(draw):
    candidates, kidneys = synthetic_candidates(60, seed=8), synthetic_kidneys(12, seed=8)

    drawn = draw(candidates, kidneys, n_problems=1, n_candidates=3, n_example_sets=40)

    shown = [pair for pairs in drawn.example_sets for pair in pairs]
    assert not {pair.candidates for pair in shown} & {pair.candidates for pair in drawn.pairs}
    assert not {pair.kidney for pair in shown} & {pair.kidney for pair in drawn.pairs}
    for pairs in drawn.example_sets:
        assert len({pair.candidates for pair in pairs}) == 4


def test_the_viable_example_stands_in_every_place(drawn):
    places = Counter(
        [is_viable(pair.kidney, pair.candidates[0]) for pair in shown].index(True)
        for shown in drawn.example_sets
    )

    assert set(places) == {0, 1, 2, 3}
    assert len(set(drawn.example_sets)) == 15


def test_the_same_seed_gives_the_same_set_and_more_problems_keep_pairs_and_examples(draw, drawn):
    assert draw() == drawn
    assert draw(seed=1).problems != drawn.problems
    fewer = draw(n_problems=7, n_example_sets=4)
    assert fewer.problems == drawn.problems[:7]
    assert fewer.pairs == drawn.pairs
    assert fewer.example_sets == drawn.example_sets[:4]


def test_a_kidney_is_held_against_all_candidates_by_the_very_rule(records):
    candidates, kidneys = records[0][:250], records[1][:40]
    for limits in (Limits(), Limits(height_cm=3.0, weight_kg=40.0)):
        table = _Table(candidates, kidneys, limits)
        for k, kidney in enumerate(kidneys):
            fails = table.fails(k)
            slowly = [failing(kidney, candidate, limits) for candidate in candidates]
            for reason in Reason:
                assert fails[reason].tolist() == [reason in found for found in slowly]
            assert table.suited(k).tolist() == [not found for found in slowly]


def test_a_narrower_limit_is_kept_to(draw):
    narrow = Limits(height_cm=5.0, weight_kg=6.0)

    drawn = draw(limits=narrow, n_problems=3)

    assert all(is_viable(p.kidney, c, narrow) for p in drawn.problems for c in p.candidates)


def test_candidates_of_a_problem_are_drawn_at_random_among_those_suited(alike, candidate):
    people, organs = alike(6, 1)
    table = _Table([*people, candidate(ABO="O", HGT_CM_TCR=100.0, WGT_KG_TCR=60.0)], organs, Limits())
    times = Counter()
    for seed in range(400):
        ((problem,), _) = _draw_problems(table, _rng(seed, _Stream.PROBLEMS), 1, 3)
        times.update(people.index(c) for c in problem.candidates)

    # Each of six is drawn with chance 1/2: 200 of 400, standard deviation 10.
    assert all(155 <= times[i] <= 245 for i in range(6))


def test_records_that_run_short_come_again_and_the_source_says_so(draw):
    candidates, kidneys = synthetic_candidates(200, seed=3), synthetic_kidneys(30, seed=3)

    drawn = draw(candidates, kidneys, n_problems=25, n_example_sets=1)

    again = int(drawn.source.removeprefix("s; ").split()[0])
    assert 0 < again < 25
    assert drawn.source == f"s; {again} problems use kidneys or candidates again"
    # 25 problems of 15 have more places than there are candidates; nobody is in one of them twice.
    assert all(len(set(p.candidates)) == 15 for p in drawn.problems)
    assert all(is_viable(p.kidney, c) for p in drawn.problems for c in p.candidates)


def test_too_few_viable_candidates_are_counted(draw, alike):
    people, organs = alike(9, 6)

    with pytest.raises(
        BadProblems, match=r"no kidney suits 15 candidates: of 9 candidates, the best .* suits 9"
    ):
        draw(people, organs)


def test_records_of_which_all_pairs_are_viable_make_no_question(draw, alike, monkeypatch):
    monkeypatch.setattr("llm_compare.allocation.problems.drawing.MOST_GRIDS", 20)
    people, organs = alike(30, 30)

    with pytest.raises(BadProblems, match="no pair was viable, or all were"):
        draw(people, organs, n_problems=1, n_candidates=3)


def test_examples_that_the_records_do_not_have_are_named(draw, alike, candidate):
    people, organs = alike(30, 30)
    tall = [candidate(ABO="O", HGT_CM_TCR=200.0 + i, WGT_KG_TCR=60.0) for i in range(20)]

    with pytest.raises(BadProblems, match="no example is failing by abo alone among the 25 kidneys"):
        draw([*people, *tall], organs, n_problems=1, n_candidates=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": ()}, "there are no candidates"),
        ({"kidneys": ()}, "there are no kidneys"),
        ({"seed": -1}, "seed: -1"),
        ({"n_candidates": 0}, "0 candidates"),
        ({"n_kidneys_viability": 1, "n_candidates_viability": 1}, "cannot make both"),
        ({"n_kidneys_viability": 301}, "there are 300 kidneys"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, changes, message):
    with pytest.raises(BadProblems, match=message):
        draw(**changes)


def test_a_record_without_height_is_refused_rather_than_guessed(draw, records):
    nameless = records[0][0].changed("HGT_CM_TCR", None)

    with pytest.raises(BadProblems, match="HGT_CM_TCR is missing"):
        draw([*records[0][:50], nameless])
