"""Codings in few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from survey.answers import RespondentKind
from survey.coding.coding import Asked, Category, Code, CodeKind, Coding, Outcome, Suggestion
from survey.suggestions import Stance

Said = tuple[str, Stance, Mapping[str, str]]
"""Respondent, question, and who coded it as what: ``age wealth``, ``-`` (no category) or ``!`` (unusable)."""

_OUTCOMES = {"-": Outcome.NO_CATEGORY, "!": Outcome.UNUSABLE}


def coding_of(
    said: Sequence[Said],
    *,
    categories: Sequence[str | Category] = (),
    asked: Sequence[Asked] = (),
    kind: RespondentKind = RespondentKind.HUMAN,
) -> Coding:
    """Return a coding. Coders called ``adjudicated`` settle; those that begin with ``model`` are models."""
    used = sorted({word for _, _, coders in said for words in coders.values() for word in words.split()})
    made = [c if isinstance(c, Category) else Category(name=c, label=c.capitalize()) for c in categories]
    made += [
        Category(name=word, label=word.capitalize())
        for word in used
        if word not in _OUTCOMES and word not in {c.name for c in made}
    ]
    codes = [
        Code(
            suggestion=i,
            kind=_kind(coder),
            coder="" if coder == "adjudicated" else coder,
            outcome=_OUTCOMES.get(word, Outcome.CATEGORY),
            category="" if word in _OUTCOMES else word,
        )
        for i, (_, _, coders) in enumerate(said, start=1)
        for coder, words in coders.items()
        for word in words.split()
    ]
    known = {a.respondent for a in asked}
    others = dict.fromkeys(respondent for respondent, _, _ in said if respondent not in known)
    people = [*asked, *(asked_of(name, order=i) for i, name in enumerate(others, start=len(asked) + 1))]
    return Coding(
        study="kidney-attributes",
        version="1",
        design_hash="ab" * 32,
        categories=tuple(made),
        suggestions=tuple(
            Suggestion(id=i, respondent=respondent, kind=kind, stance=stance, text=f"suggestion {i}")
            for i, (respondent, stance, _) in enumerate(said, start=1)
        ),
        codes=tuple(sorted(codes, key=lambda c: (c.suggestion, c.kind, c.coder, c.outcome, c.category))),
        asked=tuple(sorted(people, key=lambda a: a.respondent)),
    )


def asked_of(
    respondent: str,
    *,
    stances: Sequence[Stance] = tuple(Stance),
    kind: RespondentKind = RespondentKind.HUMAN,
    simulated: bool = False,
    order: int = 0,
    **stated: str,
) -> Asked:
    """Return a respondent; options of a question are separated by spaces."""
    return Asked(
        respondent=respondent,
        kind=kind,
        simulated=simulated,
        stances=frozenset(stances),
        stated={question: tuple(options.split()) for question, options in stated.items()},
        order=order,
    )


def _kind(coder: str) -> CodeKind:
    if coder == "adjudicated":
        return CodeKind.ADJUDICATED
    return CodeKind.MODEL if coder.startswith("model") else CodeKind.CODER


@pytest.fixture
def coded() -> Callable[..., Coding]:
    return coding_of


@pytest.fixture
def asking() -> Callable[..., Asked]:
    return asked_of
