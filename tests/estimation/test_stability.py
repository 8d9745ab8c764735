"""Agreement of answers across waves: hand counts, a plain slow computation, and what must not matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest

from estimation.errors import EstimationError
from estimation.stability import agreement
from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.design import CategoricalAttribute, Level, Profile
from survey.published_answers import import_study_1_counts

NAMES = "abcdef"
ATTRIBUTE = CategoricalAttribute(name="who", label="Who", levels=tuple(Level(name=n, words=n) for n in NAMES))
L, R, I = Choice.LEFT, Choice.RIGHT, Choice.INDECISION  # noqa: E741


def answer(respondent, wave, left, right, choice, *, role=Role.MAIN) -> Answer:
    return Answer(
        respondent=respondent,
        kind=RespondentKind.HUMAN,
        arm="main",
        position=None,
        wave=wave,
        left=Profile((("who", left),), name=left),
        right=Profile((("who", right),), name=right),
        choice=choice,
        indecision_offered=True,
        design_hash="",
        role=role,
    )


def answer_set(answers) -> AnswerSet:
    return AnswerSet(attributes=(ATTRIBUTE,), answers=answers, source="hand")


HAND = [
    answer("ann", 1, "a", "b", L), answer("ann", 2, "b", "a", R),  # the same patient
    answer("ann", 1, "b", "c", L), answer("ann", 2, "b", "c", R),  # the other patient
    answer("ann", 1, "a", "c", I), answer("ann", 2, "c", "a", I),  # undecided both times
    answer("bob", 1, "a", "b", L), answer("bob", 2, "a", "b", I),  # became undecided
    answer("bob", 1, "b", "c", I), answer("bob", 2, "b", "c", L),  # became decided
    answer("bob", 1, "d", "e", L),  # once only
    answer("bob", 2, "a", "c", L, role=Role.REPEAT),
]  # fmt: skip


def test_answers_are_compared_with_sides_undone_and_indecision_as_its_own_category():
    found = agreement(answer_set(HAND))
    (waves,) = found.waves

    assert (found.n_respondents, found.n_comparisons) == (2, 5)
    assert (waves.same, waves.other_patient, waves.became_undecided, waves.became_decided) == (2, 1, 1, 1)
    assert found.share_same.value == waves.share_same.value == pytest.approx(2 / 5)
    assert found.share_same_patient.value == pytest.approx(1 / 2)
    # Two of five answers are indecision in either wave: by chance 0.16 + 0.36 / 2 are alike.
    assert waves.kappa.value == pytest.approx((0.4 - 0.34) / (1 - 0.34))
    assert found.alpha.value == pytest.approx((0.4 - 0.34) / (1 - 0.34))


def krippendorff(units) -> float:
    """Return alpha for categories by its definition, over pairs of values, without the small-sample term."""
    n = sum(len(u) for u in units)
    observed = sum((a != b) / (len(u) - 1) for u in units for a, b in permutations(u, 2)) / n
    values = [v for u in units for v in u]
    expected = sum(a != b for a in values for b in values) / n**2
    return 1 - observed / expected


def test_alpha_is_krippendorffs_of_the_answers_and_of_the_same_with_patients_relabeled(simulated_answers):
    answers = simulated_answers(seed=1, n_people=15, n_answers=4, waves=(1, 2, 3), same_comparisons=True)
    units: dict = {}
    seen = set()
    for a in answers.answers:
        key = (a.respondent, a.comparison)
        if (key, a.wave) not in seen:
            seen.add((key, a.wave))
            value = 0 if a.choice is I else (1 if (a.choice is L) == (a.left == a.comparison.first) else -1)
            units.setdefault(key, []).append(value)
    both = [*units.values(), *([-v for v in u] for u in units.values())]

    assert agreement(answers).alpha.value == pytest.approx(krippendorff(both), abs=1e-12)


def test_neither_sides_nor_names_of_patients_matter(simulated_answers):
    answers = simulated_answers(seed=2, n_people=20, waves=(1, 2), same_comparisons=True)
    swapped = [replace(a, left=a.right, right=a.left, choice=a.choice.mirrored) for a in answers.answers]
    new = dict(zip(NAMES, "fedcba", strict=True))
    profiles = {n: Profile((("who", n),), name=n) for n in NAMES}
    renamed = [
        replace(a, left=profiles[new[a.left.id]], right=profiles[new[a.right.id]]) for a in answers.answers
    ]
    found = agreement(answers)

    for other in (swapped, renamed):
        again = agreement(replace(answers, answers=other))
        assert (again.share_same, again.alpha, again.waves) == (found.share_same, found.alpha, found.waves)


def test_who_always_answers_alike_has_stability_one_and_who_guesses_alpha_zero(simulated_answers):
    sure = simulated_answers(
        seed=3, n_people=10, strengths=(300.0, 200.0, 100.0, 0.0), waves=(1, 2, 3), pull=-1.0
    )
    found = agreement(sure)
    assert found.share_same.value == found.alpha.value == 1
    assert found.share_same.low is None, "nothing varies, so no interval can be learnt from variation"
    assert all(s.stability.value == 1 for s in found.scenarios)

    guess = simulated_answers(
        seed=4,
        n_people=150,
        n_answers=20,
        strengths=(0.0, 0.0, 0.0, 0.0),
        waves=(1, 2, 3),
        same_comparisons=True,
    )
    found = agreement(guess)
    assert found.alpha.low < 0 < found.alpha.high
    assert abs(found.alpha.value) < 0.05


def test_intervals_cover_what_new_respondents_would_show(simulated_answers):
    values, low, high = [], [], []
    for seed in range(60):
        found = agreement(
            simulated_answers(
                seed=seed, n_people=30, n_answers=6, spread=1.0, waves=(1, 2), same_comparisons=True
            )
        )
        values.append(found.alpha.value)
        low.append(found.alpha.low)
        high.append(found.alpha.high)
    truth = np.mean(values)
    covered = np.mean((np.array(low) <= truth) & (truth <= np.array(high)))
    half = np.mean(np.array(high) - np.array(low)) / 2

    assert covered >= 0.88
    assert half == pytest.approx(2.05 * np.std(values), rel=0.3)


def test_a_scenarios_stability_is_max_p_or_its_complement_averaged_over_respondents():
    answers = [answer("ann", w, "a", "b", c) for w, c in enumerate([L, L, R, L, L], 1)]
    answers += [answer("bob", w, "b", "a", c) for w, c in enumerate([L, R], 1)]
    answers += [answer("eve", 1, "a", "b", L)]
    answers += [answer("ann", w, "c", "d", L) for w in (1, 2)]
    (found,) = agreement(answer_set(answers)).scenarios

    p = np.array([4 / 5, 1 / 2])
    assert found.stability.value == pytest.approx(np.maximum(p, 1 - p).mean())
    assert (found.n_respondents, found.n_answers) == (2, 7)
    assert (found.comparison.first.id, found.comparison.second.id) == ("a", "b")


def test_least_stable_scenarios_come_first(simulated_answers):
    found = agreement(
        simulated_answers(
            seed=5,
            n_people=60,
            strengths=(3.0, 2.0, 0.0, 0.0, -3.0),
            waves=(1, 2, 3, 4),
            same_comparisons=True,
        )
    )
    values = [s.stability.value for s in found.scenarios]
    assert values == sorted(values)
    least, most = found.scenarios[0].comparison, found.scenarios[-1].comparison
    assert {least.first.id, least.second.id} == {"c", "d"}
    assert {most.first.id, most.second.id} == {"a", "e"}


def test_a_single_respondent_is_clustered_by_comparison_and_it_is_said():
    model = [
        answer("model", w, a, b, L if (i + w) % 3 else R)
        for w in (1, 2)
        for i, (a, b) in enumerate(combinations(NAMES, 2))
    ]
    found = agreement(answer_set(model))

    assert found.share_same.low is not None
    assert "single respondent" in found.notes[0]


def test_all_indecision_has_no_agreement_beyond_chance():
    found = agreement(answer_set([answer(p, w, "a", "b", I) for p in ("ann", "bob") for w in (1, 2)]))

    assert found.share_same.value == 1
    assert found.alpha is None
    assert found.waves[0].kappa is None
    assert found.share_same_patient is None


def test_one_wave_has_no_agreement_and_unnamed_respondents_are_refused(simulated_answers):
    assert agreement(simulated_answers(seed=6)) is None
    assert agreement(answer_set(HAND), arm="other") is None
    with pytest.raises(EstimationError, match="who gave which answer"):
        agreement(import_study_1_counts())
