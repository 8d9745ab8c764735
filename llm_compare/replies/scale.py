"""A reply as a whole number from -3 (surely the left) to 3 (surely the right). Pure."""

from __future__ import annotations

import re

from llm_compare.replies.json_object import objects_in
from llm_compare.replies.offered import EDGES, OfferedAnswers, last_statement
from llm_compare.replies.outcome import Outcome, Parsed, Rule, chosen, no_answer
from llm_compare.replies.phrases import TAKEN_BACK
from survey.answers import Choice

ENDS = 3
_EDGES = EDGES.replace("-", "").replace("\u2013", "")
_NUMBER = re.compile(r"[-+\u2212\u2013]?\s?\d{1,9}(?:[.,]\d{1,9})?")


def read_scale(text: str, answers: OfferedAnswers, *, cut_off: bool) -> Parsed | None:
    """Return which side the number in ``text`` means; None where no number is given as the answer.

    The number is the whole reply, ``{"answer": 2}``, what the last ``Answer:`` states, or alone on a line. Numbers
    in sentences are ages and drinks as often as answers and are not read.
    """
    if cut_off:
        text = text.rpartition("\n")[0]
    numbers = _given(text)
    if not numbers:
        return None
    if len(numbers) > 1:
        return no_answer(Outcome.UNREADABLE, Rule.SEVERAL)
    (number,) = numbers
    if not number.is_integer() or abs(number) > ENDS:
        return no_answer(Outcome.UNREADABLE, Rule.OFF_SCALE)
    if number == 0:
        if answers.indecision_offered:
            return chosen(Choice.INDECISION, Rule.SCALE)
        return no_answer(Outcome.UNREADABLE, Rule.ZERO)
    return chosen(Choice.LEFT if number < 0 else Choice.RIGHT, Rule.SCALE)


def _given(text: str) -> set[float]:
    whole = _number(text)
    if whole is not None:
        return {whole}
    in_objects = {_number(str(v)) for found in objects_in(text) for v in found.values("answer")}
    if in_objects:
        return {n for n in in_objects if n is not None}
    stated = last_statement(text)
    if stated is not None and (number := _number(stated[0])) is not None:
        # A number after the answer, once the answer is taken back, makes two of them.
        turn = TAKEN_BACK.search(stated[1])
        later = set() if turn is None else {_as_number(n) for n in _NUMBER.findall(stated[1][turn.end() :])}
        return {number} | later
    return {n for line in text.split("\n") if (n := _number(line)) is not None}


def _number(text: str) -> float | None:
    bare = text.strip(_EDGES)
    return _as_number(bare) if _NUMBER.fullmatch(bare) else None


def _as_number(text: str) -> float:
    return float(re.sub(r"\s", "", text).replace(",", ".").replace("\u2212", "-").replace("\u2013", "-"))
