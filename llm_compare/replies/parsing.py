"""Raw reply -> outcome and choice, by named rules, strict before lax, and never by guessing. Pure.

Reading is separate from asking: replies are stored verbatim, so better rules never need a new call. A design's own
labels are recognized in any language, phrases around them in the languages that prompts are made in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from llm_compare.prompting.labels import Labels
from llm_compare.prompting.variant import AnswerFormat
from llm_compare.replies.json_answer import read_json
from llm_compare.replies.offered import answers_on_offer, visible
from llm_compare.replies.outcome import Outcome, Parsed, Rule, no_answer
from llm_compare.replies.reply import Reply
from llm_compare.replies.scale import read_scale
from llm_compare.replies.shares import read_allocation, read_first_token
from llm_compare.replies.text_answer import read_text

__all__ = ["PARSER", "Outcome", "Parsed", "Rule", "parse"]

PARSER = "3"
"""Version of the rules of this package; change a rule, change the version."""

_WITHOUT_MARKS = (AnswerFormat.FREE, AnswerFormat.SCALE)


def parse(reply: Reply, labels: Labels, answer_format: AnswerFormat = AnswerFormat.LETTER) -> Parsed:
    """Read a reply against the answers that were offered, in the format that was asked for.

    The provider's own marks come first: what it calls refused or filtered is no answer even if a letter
    was let through. What does not keep to the format is read as text, so a plain ``A`` counts in each.
    """
    if reply.error is not None:
        return no_answer(Outcome.ERROR, Rule.FAILED_CALL)
    if reply.refusal or reply.finish_reason == "content_filter":
        return no_answer(Outcome.REFUSAL, Rule.PROVIDER)
    text = reply.content or ""
    read = _read(text, labels, answer_format, cut_off=reply.finish_reason == "length")
    if answer_format is AnswerFormat.FIRST_TOKEN and reply.first_token is not None:
        return _by_first_token(reply.first_token, text, labels, read)
    return read


@lru_cache(maxsize=4096)
def _read(text: str, labels: Labels, answer_format: AnswerFormat, *, cut_off: bool) -> Parsed:
    # Kept, because most of a run's replies are the same few letters.
    text = visible(text)
    answers = answers_on_offer(labels, marks_shown=answer_format not in _WITHOUT_MARKS)
    found = None
    if answer_format is AnswerFormat.JSON:
        found = read_json(text, answers)
    elif answer_format is AnswerFormat.SCALE:
        found = read_scale(text, answers, cut_off=cut_off)
    elif answer_format is AnswerFormat.ALLOCATION and not cut_off:
        found = read_allocation(text, labels)
    return found or read_text(text, answers, cut_off=cut_off)


def _by_first_token(
    log_probabilities: Mapping[str, float], text: str, labels: Labels, read: Parsed
) -> Parsed:
    """Return what the probabilities say, unless the text shows that its first token was no answer.

    A model that goes on to refuse has refused, and the ``A`` of "A difficult question" is an article.
    """
    if read.outcome is Outcome.REFUSAL:
        return read
    begins_a_sentence = re.match(r"\W*\w+[ \t]+[^\W\d_]", visible(text)) is not None
    if begins_a_sentence and read.choice is None:
        return read
    return read_first_token(log_probabilities, labels) or read
