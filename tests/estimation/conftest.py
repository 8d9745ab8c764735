"""Small answer sets with known counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
