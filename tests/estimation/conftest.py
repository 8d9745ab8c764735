"""Small answer sets with known counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pytest

from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import CategoricalAttribute, Level, Profile


@pytest.fixture(scope="session")
def answers_from_wins() -> Callable[..., AnswerSet]:
    """Return a function: {(winner, loser): n} and {(one, other): n indecisions} -> AnswerSet.

    Profiles are levels of a single attribute ``who``; answers rotate over ``n_respondents``.
    """

    def build(
        wins: Mapping[tuple[str, str], int],
        indecisions: Mapping[tuple[str, str], int] | None = None,
        *,
        n_respondents: int = 5,
    ) -> AnswerSet:
        names = sorted({name for pair in (*wins, *(indecisions or {})) for name in pair})
        attribute = CategoricalAttribute(
            name="who", label="Who", levels=tuple(Level(name=n, words=n) for n in names)
        )
        profiles = {n: Profile((("who", n),), name=n) for n in names}
        answers = []
        counted = [(pair, n, Choice.LEFT) for pair, n in wins.items()]
        counted += [(pair, n, Choice.INDECISION) for pair, n in (indecisions or {}).items()]
        for (left, right), n, choice in counted:
            for i in range(n):
                answers.append(
                    Answer(
                        respondent=f"person-{(i + len(answers)) % n_respondents}",
                        kind=RespondentKind.HUMAN,
                        arm="main",
                        position=None,
                        left=profiles[left],
                        right=profiles[right],
                        choice=choice,
                        indecision_offered=indecisions is not None,
                        design_hash="",
                    )
                )
        return AnswerSet(attributes=(attribute,), answers=answers, source="constructed counts")

    return build


@pytest.fixture(scope="session")
def simulated_answers() -> Callable[..., AnswerSet]:
    """Return a function that draws answers of people whose log-strengths of profiles a to f are known.

    Davidson's model with log(nu) = ``pull``; each person compares ``n_answers`` random pairs, sides drawn.
    ``spread`` is the standard deviation of a person's log-strengths around the common ones, the same in all waves.
    """

    def simulate(
        *,
        seed: int,
        n_people: int = 60,
        n_answers: int = 15,
        strengths: tuple[float, ...] = (1.0, 0.6, 0.2, -0.2, -0.6, -1.0),
        pull: float | None = -1.0,
        spread: float = 0.0,
        drift: Mapping[int, tuple[float, ...]] | None = None,
        waves: tuple[int, ...] = (1,),
        same_comparisons: bool = False,
    ) -> AnswerSet:
        rng = np.random.default_rng(seed)
        names = "abcdefgh"[: len(strengths)]
        attribute = CategoricalAttribute(
            name="who", label="Who", levels=tuple(Level(name=n, words=n) for n in names)
        )
        profiles = [Profile((("who", n),), name=n) for n in names]
        pairs = list(combinations(range(len(names)), 2))
        answers = []
        for person in range(n_people):
            own = np.array(strengths) + spread * rng.standard_normal(len(names))
            asked = rng.integers(len(pairs), size=n_answers)
            for wave in waves:
                if not same_comparisons:
                    asked = rng.integers(len(pairs), size=n_answers)
                felt = own + np.array((drift or {}).get(wave, np.zeros(len(names))))
                for position, pair in enumerate(asked, 1):
                    left, right = rng.permutation(pairs[pair])
                    d = felt[left] - felt[right]
                    p = np.exp([d / 2, -d / 2, -np.inf if pull is None else pull])
                    choice = list(Choice)[rng.choice(3, p=p / p.sum())]
                    answers.append(
                        Answer(
                            respondent=f"person-{person}",
                            kind=RespondentKind.HUMAN,
                            arm="main",
                            wave=wave,
                            position=position,
                            left=profiles[left],
                            right=profiles[right],
                            choice=choice,
                            indecision_offered=pull is not None,
                            design_hash="",
                        )
                    )
        return AnswerSet(attributes=(attribute,), answers=answers, source="simulated answers")

    return simulate
