"""A reply as text: an answer alone, stated, on a line of its own, or chosen in a sentence. Pure."""

from __future__ import annotations

from llm_compare.replies.offered import OfferedAnswers
from llm_compare.replies.outcome import Outcome, Parsed, Rule, chosen, no_answer, one_of
from llm_compare.replies.phrases import DECLINED, LEFT_TO_CHANCE, NEGATION, UNDECIDED
from survey.answers import Choice


def read_text(text: str, answers: OfferedAnswers, *, cut_off: bool) -> Parsed:
    """Read a visible text, strict rules before lax ones.

    Of a text that was cut off only finished lines can be answers, since what follows may have turned the
    sentence. Two different answers named without one being stated as the answer are unreadable, and so is an
    answer that is taken back afterwards.
    """
    if cut_off:
        text = text.rpartition("\n")[0]
    elif not text.strip():
        return no_answer(Outcome.UNREADABLE, Rule.EMPTY)
    for rule, (found, after) in (
        (Rule.EXACT, (answers.exactly(text), "")),
        (Rule.STATED, answers.stated(text)),
        (Rule.LINE, answers.on_lines(text)),
    ):
        if found:
            return one_of(set() if answers.replaced(found, after) else found, rule)
    if cut_off:
        return no_answer(Outcome.TRUNCATED, Rule.CUT_OFF)
    return read_sentences(text, answers)


def read_sentences(text: str, answers: OfferedAnswers) -> Parsed:
    """Read a text that states no answer: it may choose, or say that it cannot or will not."""
    text = answers.without_both_named(text)
    negated = NEGATION.search(text) is not None
    by_chance = LEFT_TO_CHANCE.search(text) is not None
    named = answers.named(text)
    if len(named) > 1:
        return no_answer(Outcome.UNREADABLE, Rule.SEVERAL)
    if not negated and not by_chance:
        unique = answers.chosen_in_a_sentence(text)
        if len(unique) == 1:
            return one_of(unique, Rule.UNIQUE)
    if named - {Choice.INDECISION}:
        return no_answer(Outcome.UNREADABLE, Rule.NONE)
    # An indecision counts as an answer and a refusal does not, so words of refusal outweigh words of indecision.
    if DECLINED.search(text):
        return no_answer(Outcome.REFUSAL, Rule.DECLINED)
    if UNDECIDED.search(text) or (by_chance and not negated):
        if not answers.indecision_offered:
            return no_answer(Outcome.REFUSAL, Rule.NOT_OFFERED)
        return chosen(Choice.INDECISION, Rule.UNDECIDED)
    return no_answer(Outcome.UNREADABLE, Rule.NONE)
