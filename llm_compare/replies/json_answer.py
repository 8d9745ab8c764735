"""A reply as a JSON object ``{"answer": "A"}``, alone, in a code fence or among other text. Pure."""

from __future__ import annotations

import re

from llm_compare.replies.json_object import objects_in
from llm_compare.replies.offered import OfferedAnswers
from llm_compare.replies.outcome import Outcome, Parsed, Rule, no_answer, one_of
from llm_compare.replies.text_answer import read_sentences
from survey.answers import Choice

_ANSWER = "answer"
# Before an object in its line: what it says is not the answer.
_NOT_MEANT = re.compile(
    r"(?:\b(?:not|\w+n't|never)(?: \w+){0,2}|\b(?:wrong|instead of|example|such as|if)|e\.g\.)[\s:,]*$",
    re.IGNORECASE,
)


def read_json(text: str, answers: OfferedAnswers) -> Parsed | None:
    """Return the answer that the objects of ``text`` give by mark or by name; None where they give none.

    An object is complete when its brace is closed, so one before the cut of a reply that was cut off counts.
    Two different answers, in two objects or under one name, are unreadable.
    """
    objects = [o for o in objects_in(text) if o.values(_ANSWER) not in ([], ["X"])]
    if any(_NOT_MEANT.search(text[: o.start].rpartition("\n")[2]) for o in objects):
        return no_answer(Outcome.UNREADABLE, Rule.NONE)
    values = [value for o in objects for value in o.values(_ANSWER)]
    given = [_exactly(value, answers) for value in values]
    if len(values) == 1 and not given[0] and isinstance(values[0], str):
        return read_sentences(values[0], answers)
    if not all(given):
        return None
    found = set().union(*given)
    if not found:
        return None
    if answers.replaced(found, text[objects[-1].end :]):
        return no_answer(Outcome.UNREADABLE, Rule.SEVERAL)
    return one_of(found, Rule.OBJECT)


def _exactly(value: object, answers: OfferedAnswers) -> set[Choice]:
    if isinstance(value, bool) or not isinstance(value, str | int) or "?" in str(value):
        return set()
    return answers.exactly(str(value))
