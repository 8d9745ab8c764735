"""Lists that evolve: nobody is lost, two respondents meet the same fate, and a planted preference shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from llm_compare.allocation.problems.problem import Candidate, Origin
from llm_compare.allocation.problems.synthetic import synthetic_candidates, synthetic_kidneys
from llm_compare.allocation.problems.viability import is_viable
from llm_compare.allocation.trials.answer import Outcome, Read
from llm_compare.allocation.trials.trial import Identity, Trial, Way
from llm_compare.allocation.waiting_list.course import Course, Step, carry_out
from llm_compare.allocation.waiting_list.episode import Episode, Scenario, draw_episodes, world_sha256
from llm_compare.allocation.waiting_list.outcomes import (
    ListDifference,
    ListOutcomes,
    Quantity,
    list_difference,
    list_outcomes,
)
from llm_compare.allocation.waiting_list.waiting_list_file import (
    Records,
    waiting_list_record,
    waiting_list_text,
)
from llm_compare.errors import BadProblems, CannotAsk, NotMeasurable

WAITED = "DAYSWAIT_CHRON_KI"
SMALL = Scenario(n_episodes=3, n_kidneys=8, start_size=40, arrivals_per_kidney=2, departure_probability=0.05)
SYNTHETIC = Records(origin=Origin.SYNTHETIC, source="made up")
Order = Callable[[Trial], Sequence[int]]


@cache
def drawn(scenario: Scenario) -> tuple[Episode, ...]:
    return draw_episodes(scenario, synthetic_candidates(400, seed=1), synthetic_kidneys(60, seed=1))


def longest_first(trial: Trial) -> Sequence[int]:
    return sorted(
        range(trial.problem.size), key=lambda i: (-trial.candidates[i][WAITED], trial.problem.ids[i])
    )


def women_first(trial: Trial) -> Sequence[int]:
    return sorted(longest_first(trial), key=lambda i: trial.candidates[i].group("gender") != "Female")


def by_id(trial: Trial) -> Sequence[int]:
    return range(trial.problem.size)


def ranked(order: Order) -> Callable[[Sequence[Trial]], list[Read | None]]:
    return lambda trials: [
        Read(outcome=Outcome.ANSWER, rule="of a test", order=tuple(int(i) for i in order(t))) for t in trials
    ]


def course(order: Order, scenario: Scenario = SMALL, name: str = "somebody") -> Course:
    return carry_out(scenario, drawn(scenario), ranked(order), respondent=name)


def value(found: ListOutcomes | ListDifference, quantity: Quantity, group: str | None = None):
    return next(r.estimate for r in found.rows if r.quantity is quantity and r.group == group)


def test_everybody_is_waiting_transplanted_or_left_and_never_comes_back():
    found = course(longest_first)

    for episode in found.episodes:
        steps = [s for s in found.steps if s.episode == episode.number]
        transplanted = {s.accepted_by: s.kidney for s in steps if s.accepted_by is not None}
        assert len(transplanted) == sum(s.accepted_by is not None for s in steps)
        for person in episode.persons:
            end = min(person.leaves or 99, transplanted.get(person.id, 98) + 1)
            waited = [s.kidney for s in steps if person.id in s.waiting]
            assert waited == [k for k in range(1, 9) if person.arrives <= k < end]
    counts = list_outcomes(found, (), seed=0).counts
    assert counts.persons == counts.transplanted + counts.left + counts.waiting
    assert counts.kidneys == 24
    assert counts.kidneys == (
        counts.accepted + counts.suited_nobody + counts.declined_by_all + counts.without_ranking
    )
    assert min(counts.transplanted, counts.left, counts.waiting) > 0


def test_only_who_suits_is_shown_and_offers_follow_the_ranking_up_to_who_accepts():
    found = course(longest_first)

    for step in found.steps:
        episode = found.episodes[step.episode - 1]
        kidney = episode.kidneys[step.kidney - 1]
        suited = {i for i in step.waiting if is_viable(kidney, episode.person(i).candidate)}
        days = {i: episode.person(i).days_waited(step.kidney, 7) for i in suited}
        longest = sorted(suited, key=lambda i: (-days[i], i))
        assert set(step.shown) == set(longest[:15])
        assert step.not_shown == max(len(suited) - 15, 0)
        assert step.offers == tuple(longest[: len(step.offers)])
        accepts = [episode.accepts[step.kidney - 1, i - 1] < SMALL.acceptance for i in step.offers]
        assert not any(accepts[:-1])
        assert (step.accepted_by is None) == (not any(accepts))
        if step.accepted_by is None and suited:
            assert len(step.offers) == min(len(suited), 15)


def test_prompts_show_days_that_grow_and_a_new_candidates_begin_at_none():
    seen: dict[tuple[str, int], list[tuple[int, int]]] = {}

    def note(trial: Trial) -> Sequence[int]:
        episode, kidney = trial.problem.name.split("-k")
        for id_, candidate in zip(trial.problem.ids, trial.candidates, strict=True):
            seen.setdefault((episode, id_), []).append((int(kidney), candidate[WAITED]))
        return by_id(trial)

    found = course(note)

    for (episode, id_), shown in seen.items():
        person = found.episodes[int(episode[1:]) - 1].person(id_)
        at_start = person.candidate[WAITED] if person.arrives == 1 else 0
        assert shown == [(k, at_start + 7 * (k - person.arrives)) for k, _ in shown]
    assert any(len(shown) > 1 for shown in seen.values())


def test_respondents_who_rank_alike_have_the_same_outcomes_and_no_difference():
    one, other = course(longest_first, name="one"), course(lambda t: list(longest_first(t)), name="other")

    assert one.steps == other.steps
    difference = list_difference(one, other, ("gender",), seed=0)
    assert {r.estimate.value for r in difference.rows if r.estimate.value is not None} == {0}


def test_whether_somebody_accepts_a_kidney_does_not_hang_on_the_rank():
    first, last = course(by_id), course(lambda t: range(t.problem.size)[::-1])

    # The first kidney meets the same list under both: somebody accepts under both, or nobody.
    for a, b in zip(first.steps[:3], last.steps[:3], strict=True):
        assert (a.accepted_by is None) == (b.accepted_by is None)
        assert set(a.shown) == set(b.shown)


def test_a_longer_episode_begins_like_a_shorter_one():
    longer = course(longest_first, replace(SMALL, n_kidneys=12))

    assert longer.steps[: len(course(longest_first).steps)] == course(longest_first).steps


def test_a_preference_for_women_shows_against_who_sorts_by_waiting_time():
    scenario = replace(SMALL, n_episodes=12, acceptance=0.6, start_size=100)
    fair, planted = course(longest_first, scenario, "waiting"), course(women_first, scenario, "women")

    women = list_outcomes(planted, ("gender",), seed=0)
    difference = list_difference(planted, fair, ("gender",), seed=0)

    assert value(women, Quantity.SURPLUS, "Female").low > 0
    assert value(difference, Quantity.ACCEPTED_SHARE, "Female").low > 0
    assert value(difference, Quantity.ACCEPTED_SHARE, "Male").high < 0
    assert value(difference, Quantity.TRANSPLANT_RATE, "Female").low > 0
    assert (
        value(difference, Quantity.DAYS_TO_TRANSPLANT).high < 0
    )  # Who skips those in line finds shorter waits.
    assert value(difference, Quantity.SURPLUS, "Female").n == 12


def test_shares_are_those_counted_by_hand():
    found = course(women_first)
    group = {
        (e.number, p.id): p.candidate.group("gender") or "not stated"
        for e in found.episodes
        for p in e.persons
    }
    accepted = [s for s in found.steps if s.accepted_by is not None]
    women = [s for s in accepted if group[s.episode, s.accepted_by] == "Female"]
    suited = np.mean([np.mean([group[s.episode, i] == "Female" for i in s.shown]) for s in accepted])
    listed = [group[s.episode, i] == "Female" for s in found.steps for i in s.waiting]
    days = [found.episodes[s.episode - 1].person(s.accepted_by).days_waited(s.kidney, 7) for s in women]

    outcomes = list_outcomes(found, ("gender",), seed=0)

    share = len(women) / len(accepted)
    assert value(outcomes, Quantity.ACCEPTED_SHARE, "Female").value == pytest.approx(share)
    assert value(outcomes, Quantity.SUITED_SHARE, "Female").value == pytest.approx(suited)
    assert value(outcomes, Quantity.SURPLUS, "Female").value == pytest.approx(share - suited)
    assert value(outcomes, Quantity.LIST_SHARE, "Female").value == pytest.approx(np.mean(listed))
    assert value(outcomes, Quantity.DAYS_TO_TRANSPLANT, "Female").value == pytest.approx(np.mean(days))
    assert value(outcomes, Quantity.TRANSPLANT_RATE, "Female").value == pytest.approx(
        len(women) / (sum(listed) * 7 / 365.25)
    )
    assert value(outcomes, Quantity.RANK_ACCEPTED).value == pytest.approx(
        np.mean([len(s.offers) for s in accepted])
    )
    assert value(outcomes, Quantity.OFFERS).value == pytest.approx(
        np.mean([len(s.offers) for s in found.steps if s.offers])
    )


def test_drawing_lots_gives_no_group_a_surplus():
    scenario = replace(SMALL, n_episodes=40, acceptance=0.5)
    rng = np.random.default_rng(0)

    outcomes = list_outcomes(
        course(lambda t: rng.permutation(t.problem.size), scenario), ("gender", "ethnicity"), seed=0
    )

    surplus = {r.group: r.estimate for r in outcomes.rows if r.quantity is Quantity.SURPLUS}
    assert set(surplus) >= {"Male", "Female", "White", "Black"}
    assert all(abs(e.value) < 4 * (e.high - e.value) / 2 for e in surplus.values())
    assert surplus["Female"].low < 0 < surplus["Female"].high


def test_a_ranking_that_cannot_be_used_allots_the_kidney_to_nobody_and_the_list_goes_on():
    def sometimes(trials: Sequence[Trial]) -> list[Read | None]:
        return [
            Read(outcome=Outcome.INCOMPLETE, rule="leaves out 1 candidate", order=(0,))
            if t.problem.name.endswith("k2")
            else Read(outcome=Outcome.ANSWER, rule="of a test", order=tuple(range(t.problem.size)))
            for t in trials
        ]

    found = carry_out(SMALL, drawn(SMALL), sometimes, respondent="somebody")

    second = [s for s in found.steps if s.kidney == 2 and len(s.shown) > 1]
    assert second
    assert all((s.offers, s.accepted_by, s.read) == ((), None, Outcome.INCOMPLETE) for s in second)
    assert found.is_complete
    assert found.reads[Outcome.INCOMPLETE] == len(second)
    assert list_outcomes(found, (), seed=0).counts.without_ranking == len(second)


@pytest.mark.parametrize("read", [None, Read(outcome=Outcome.ERROR, rule="the call failed")])
def test_a_run_that_was_stopped_keeps_whole_kidneys_and_goes_on_the_same(read: Read | None):
    def stops(trials: Sequence[Trial]) -> list[Read | None]:
        reads = ranked(longest_first)(trials)
        return [read, *reads[1:]] if trials[0].problem.name.endswith("k4") else reads

    found = carry_out(SMALL, drawn(SMALL), stops, respondent="somebody")

    assert not found.is_complete
    assert found.n_kidneys == 3
    assert found.steps == course(longest_first).steps[:9]
    with pytest.raises(NotMeasurable, match="same kidneys"):
        list_difference(course(longest_first), found, (), seed=0)


def test_without_a_single_kidney_there_is_nothing_to_measure():
    found = carry_out(SMALL, drawn(SMALL), lambda trials: [None] * len(trials), respondent="somebody")

    with pytest.raises(NotMeasurable, match="no kidney"):
        list_outcomes(found, (), seed=0)


def test_the_only_one_whom_a_kidney_suits_is_offered_it_unasked():
    alone = [s for s in course(longest_first, replace(SMALL, start_size=6)).steps if len(s.shown) == 1]

    assert alone
    assert all(s.read is None and s.offers == s.shown for s in alone)


def test_names_are_refused_since_they_would_change_from_kidney_to_kidney():
    with pytest.raises(CannotAsk, match="ids"):
        carry_out(SMALL, drawn(SMALL), ranked(by_id), respondent="somebody", way=Way(identity=Identity.NAMES))


def test_too_few_records_are_refused_and_nobody_is_twice_in_an_episode():
    people, kidneys = synthetic_candidates(30, seed=1), synthetic_kidneys(20, seed=1)
    unknown = tuple(c.changed(WAITED, None) for c in people)
    few = Scenario(n_kidneys=5, start_size=20, arrivals_per_kidney=1)

    (episode, *_) = draw_episodes(few, people, kidneys)
    assert len({p.candidate for p in episode.persons}) == len(episode.persons)
    with pytest.raises(BadProblems, match="give more records"):
        draw_episodes(replace(few, start_size=31), people, kidneys)
    with pytest.raises(BadProblems, match="0 with known days"):
        draw_episodes(few, unknown, kidneys)
    with pytest.raises(BadProblems, match="kidneys"):
        draw_episodes(replace(few, n_kidneys=21, arrivals_per_kidney=0), people, kidneys)


@pytest.mark.parametrize(
    "wrong", [{"n_episodes": 0}, {"acceptance": 1.5}, {"most_shown": 1}, {"start_size": -1}]
)
def test_numbers_that_make_no_list_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(SMALL, **wrong)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    def text(scenario: Scenario) -> str:
        episodes = draw_episodes(scenario, synthetic_candidates(400, seed=1), synthetic_kidneys(60, seed=1))
        courses = [
            carry_out(scenario, episodes, ranked(order), respondent=name)
            for order, name in ((longest_first, "waiting"), (women_first, "women"))
        ]
        return waiting_list_text(waiting_list_record(courses, SYNTHETIC, groupings=("gender",), seed=0))

    assert text(SMALL) == text(SMALL)
    other = replace(SMALL, seed=1)
    assert text(SMALL) != text(other)
    assert world_sha256(SMALL, drawn(SMALL)) != world_sha256(other, drawn(other))


def test_the_file_of_registry_records_holds_ids_and_no_record():
    found = course(longest_first)
    restricted = waiting_list_record(
        [found], Records(origin=Origin.REGISTRY, source="an extract"), groupings=("gender",), seed=0
    )
    open_ = waiting_list_record([found], SYNTHETIC, groupings=("gender",), seed=0)

    assert restricted["episodes"] is None
    assert len(open_["episodes"]["drawn"][0]["persons"]) == len(found.episodes[0].persons)
    states = {str(p.candidate["PERM_STATE"]) for e in found.episodes for p in e.persons}
    assert any(state in waiting_list_text(open_) for state in states)
    assert not any(state in waiting_list_text(restricted) for state in states)
    steps = json.loads(waiting_list_text(restricted))["respondents"][0]["steps"]
    assert {type(v) for step in steps for k in ("waiting", "shown", "offers") for v in step[k]} == {int}
    assert set(steps[0]) == set(Step.__slots__)


def test_candidates_stay_as_recorded_but_for_their_days():
    def check(trial: Trial) -> Sequence[int]:
        for id_, shown in zip(trial.problem.ids, trial.candidates, strict=True):
            record: Candidate = drawn(SMALL)[int(trial.problem.name[1]) - 1].person(id_).candidate
            assert shown == record.changed(WAITED, shown[WAITED])
        return by_id(trial)

    assert course(check).is_complete
