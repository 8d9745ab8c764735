"""Answers to the numeric kidney study, made up so that their truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import design_hash


@pytest.fixture(scope="session")
def answer(study):
    """Return a function that makes one answer; profiles are (age, drinks, dependents)."""
    hashed = design_hash(study)

    def make(respondent, left, right, choice, **given):
        profiles = {
            side: study.profile(dict(zip(("age", "drinks", "dependents"), values, strict=True)))
            for side, values in (("left", left), ("right", right))
        }
        usual = Answer(
            respondent=respondent,
            kind=RespondentKind.HUMAN,
            arm="with-coin",
            position=1,
            choice=Choice(choice),
            indecision_offered=True,
            design_hash=hashed,
            **profiles,
        )
        return replace(usual, **given)

    return make


@pytest.fixture(scope="session")
def crowd(study, answer):
    """Return a function: so many people answer comparisons drawn from a few; half care for age, half for drinks."""

    def make(people=12, each=20, *, comparisons=30, seed=0):
        rng = np.random.default_rng(seed)
        pairs = [(left, right) for left, right in study.draw_pairs(comparisons, rng)]
        found = []
        for person in range(people):
            for position, i in enumerate(rng.permutation(len(pairs))[:each], start=1):
                left, right = pairs[i] if rng.random() < 0.5 else pairs[i][::-1]
                cares = "age" if person % 2 == 0 else "drinks"
                gap = float(left[cares]) - float(right[cares])
                choice = "indecision" if gap == 0 or rng.random() < 0.1 else "left" if gap < 0 else "right"
                shown = [tuple(p.as_dict().values()) for p in (left, right)]
                found.append(answer(f"person-{person:02d}", *shown, choice, position=position))
        return AnswerSet(attributes=study.attributes, answers=found, source="made up")

    return make
