"""The answers on offer as patterns to look for in a text. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from itertools import islice

from llm_compare.prompting.labels import Labels
from llm_compare.replies.phrases import (
    AFTER,
    ANSWER_IS,
    ANY_OPENING,
    BEFORE,
    CHOOSES,
    GOES_ON,
    GOES_ON_ELSEWHERE,
    I_CHOOSE,
    IS_CHOSEN,
    IT_IS,
    KINDS,
    NOT_THE_ANSWER,
    OPENING,
    REASON,
    TAKEN_BACK,
    TAKEN_BACK_BY_A_QUESTION,
)
from survey.answers import Choice

EDGES = " \t\r\n*_`\"'()[]{}<>.:;,!#-=$\\\u2013\u2014\u201c\u201d\u00ab\u00bb\u201e\u3002\u300c\u300d"
"""Decoration that may stand around an answer."""

# Between two answers that are listed ("A, B", "A; B", "A (or C)") rather than one chosen.
_OR = r"(?:or|and|oder|und|o|y|ou|et|e|of|en|或|和)"
_BETWEEN_LISTED = rf"[\s*_`\"')\]]*(?:[,;|/&(、]|{_OR}{AFTER}|-+)[\s(\[\"'*]*(?:{_OR}\s+)?"
_SLOT = "\ue000"  # Of the characters that nobody uses.
_MOST_PLACES = 3  # A sentence names its choice early; a hostile one names it ten thousand times.
_MINUS = re.compile(r"[-\u2212]\d")
_THOUGHT_BEGINS = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THOUGHT_ENDS = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=\u3002)|\n")


def visible(text: str) -> str:
    """Return the text as a reader sees it: one form of each character, markup of formulas and reasoning removed."""
    if text.isascii() and text.isalnum():
        return text  # Most replies are one letter.
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\r\n", "\n")
    for _ in range(2):  # A box around text is two layers.
        text = re.sub(r"\\(?:boxed|text|textbf|mathrm|mathbf)\{([^{}\n]*)\}", r"\1", text)
    return without_thoughts(text)


def without_thoughts(text: str) -> str:
    """Return what stands outside marks of reasoning.

    Some servers drop the opening mark; an opening mark without an end is a thought without an answer.
    """
    *parts, last = _THOUGHT_ENDS.split(text)
    said: list[str] = []
    for part in parts:
        before, *thought = _THOUGHT_BEGINS.split(part, maxsplit=1)
        if thought:
            said.append(before)
        else:
            said.clear()  # All of it was thought.
    return "".join([*said, _THOUGHT_BEGINS.split(last, maxsplit=1)[0]])


@lru_cache(maxsize=256)
def answers_on_offer(labels: Labels, *, marks_shown: bool = True) -> OfferedAnswers:
    """Return the patterns of ``labels``; kept, because a run reads thousands of replies against the same ones."""
    return OfferedAnswers(labels, marks_shown=marks_shown)


class OfferedAnswers:
    """The answers on offer, by mark and by name.

    Where no marks were shown, a mark still counts if the name itself holds it: ``A`` for ``Patient A``.
    """

    def __init__(self, labels: Labels, *, marks_shown: bool = True) -> None:
        self.indecision_offered = labels.indecision is not None
        self._offered = labels.offered()
        self._numbered = any(mark.isdigit() for mark, _, _ in self._offered)
        self._label = {c: rf"{BEFORE}{_loosely(name)}{AFTER}" for _, name, c in self._offered}
        self._mark = {
            c: _mark_pattern(mark) if marks_shown or mark in name.split() else r"(?!)"
            for mark, name, c in self._offered
        }
        self._either = {c: f"(?:{self._label[c]}|{self._mark[c]})" for c in self._label}
        self._whole = {
            c: self._whole_answer(mark, name, by_mark=self._mark[c] != r"(?!)")
            for mark, name, c in self._offered
        }
        self._named = {c: re.compile(self._either[c]) for c in self._label}
        self._both = [re.compile(pattern) for pattern in self._both_named()]
        self._chosen = {
            c: re.compile(rf"\(?(?:(?i:the )?(?i:option|choice|letter|number) )?{self._either[c]}\)?")
            for c in self._label
        }

    @staticmethod
    def _whole_answer(mark: str, name: str, *, by_mark: bool) -> re.Pattern[str]:
        label = re.escape(name.strip(EDGES))
        article = r"(?:the|die|der|den|das|el|la|le|o|a|il|de)\s+"
        named = rf"(?:{article})?{label}"
        if not by_mark:
            return re.compile(named, re.IGNORECASE)
        return re.compile(rf"{KINDS}(?:{mark}(?:\W+{label})?|{named}(?:\W+{mark})?)", re.IGNORECASE)

    def _both_named(self) -> list[str]:
        both = []
        for one, other in ((Choice.LEFT, Choice.RIGHT), (Choice.RIGHT, Choice.LEFT)):
            for forms in (self._label, self._mark):
                both.append(rf"{forms[one]}\s*(?:,|/|&|nor|vs\.?|versus|noch|{_OR})\s*{forms[other]}")
            both.append(rf"{self._label[one]}\s*(?:nor|/|{_OR})\s*{self._mark[other]}")
        return both

    def exactly(self, text: str) -> set[Choice]:
        """Return the answer that ``text`` is, apart from decoration around it."""
        if self._numbered and _MINUS.search(text):
            return set()
        bare = text.strip(EDGES)
        return {c for c, pattern in self._whole.items() if pattern.fullmatch(bare)}

    def stated(self, text: str) -> tuple[set[Choice], str]:
        """Return what follows the last ``Answer:`` (what it begins with, or all that it offers), and the rest."""
        found = last_statement(text)
        if found is None:
            return set(), ""
        said, after = found
        whole = self.exactly(said)
        if whole:
            return (set() if "?" in said else whole), after
        if self.without_both_named(said) != said:
            return self.named(said), after
        for c in self._label:
            begun = re.match(
                rf"{self._either[c]}(?!\s+(?!because|since|as\b|for\b|weil|porque|parce|pois|perché|omdat)[^\W\d_])",
                said,
            )
            if begun is not None:
                rest = said[begun.end() :]
                if re.match(r"[\s*_`\"')\]]*\?", rest):
                    return set(), after
                listed = re.match(rf"{_BETWEEN_LISTED}(.*)", rest)
                also = self.starting(listed[1]) if listed is not None else set()
                return {c} | also, rest + after
        return set(), after

    def starting(self, text: str) -> set[Choice]:
        """Return the answer that ``text`` begins with."""
        return {c for c, pattern in self._named.items() if pattern.match(text)}

    def on_lines(self, text: str) -> tuple[set[Choice], str]:
        """Return every answer that stands alone on a line, and what comes after the last of them."""
        lines = text.split("\n")
        found = [self.exactly(line) if "?" not in line else set() for line in lines]
        last = max((i for i, answers in enumerate(found) if answers), default=len(lines))
        return set().union(*found), "\n".join(lines[last + 1 :])

    def replaced(self, found: set[Choice], after: str) -> bool:
        """Return whether the text after an answer takes it back and names another."""
        turns = (TAKEN_BACK.search(after), TAKEN_BACK_BY_A_QUESTION.search(after))
        ends = [turn.end() for turn in turns if turn is not None]
        return bool(ends) and bool(self.named(after[min(ends) :]) - found)

    def without_both_named(self, text: str) -> str:
        """Return ``text`` without phrases like "Patient A and Patient B", which prefer neither."""
        for pattern in self._both:
            text = pattern.sub(" ", text)
        return text

    def named(self, text: str) -> set[Choice]:
        """Return every answer that ``text`` names or may name."""
        return {c for c, pattern in self._named.items() if pattern.search(text)}

    def chosen_in_a_sentence(self, text: str) -> set[Choice]:
        """Return the answers that a whole sentence picks. Anything about the sentence that is not known is a no."""
        found = set()
        for part in _SENTENCE_END.split(text):
            if self._numbered and _MINUS.search(part):
                continue
            bare = re.sub(r"[*_`\"\u201c\u201d\u201e\u00ab\u00bb{}$\\]", "", part)
            bare = bare.strip(" \t.!,;:-\u3002").replace(_SLOT, "")
            for c, pattern in self._chosen.items():
                for place in islice(pattern.finditer(bare), _MOST_PLACES):
                    slotted = bare[: place.start()] + _SLOT + bare[place.end() :]
                    if any(sentence.fullmatch(slotted) for sentence in _choosing_sentences()):
                        found.add(c)
        return found


@cache
def _choosing_sentences() -> tuple[re.Pattern[str], ...]:
    """Return what a sentence that chooses looks like, with a slot in place of the answer."""
    english = (
        f"{OPENING}{_SLOT}{REASON}",
        rf"{ANY_OPENING}{I_CHOOSE}\s*{_SLOT}{GOES_ON}",
        rf"{OPENING}{IT_IS}\s*{_SLOT}{GOES_ON}",
        rf"{OPENING}{_SLOT}\s+{IS_CHOSEN}{GOES_ON}",
    )
    elsewhere = (rf"(?:{before})\s*{_SLOT}\s*{behind}{GOES_ON_ELSEWHERE}" for before, behind in CHOOSES)
    return tuple(re.compile(sentence, re.IGNORECASE) for sentence in (*english, *elsewhere))


def last_statement(text: str) -> tuple[str, str] | None:
    """Return what follows the last ``Answer:`` on its line, and the text after that line; None where none is."""
    statements = [
        found
        for found in ANSWER_IS.finditer(text)
        if not NOT_THE_ANSWER.search(text[: found.start()].rpartition("\n")[2])
    ]
    if not statements:
        return None
    return statements[-1][1], text[statements[-1].end() :]


def _mark_pattern(mark: str) -> str:
    if mark.isdigit():
        # "1.5", "1,000" and "-1" hold no mark.
        return rf"{BEFORE}(?<![.,'-]){mark}(?![.,]\d){AFTER}(?!')"
    return rf"{BEFORE}(?<!'){mark}{AFTER}(?!')"


def _loosely(name: str) -> str:
    """Return a pattern for ``name`` in any case, lone letters as written: "the patient a kidney" names no one."""
    parts = [p if len(p) == 1 else f"(?i:{re.escape(p)})" for p in name.split()]
    return r"\s+".join(re.escape(p) if len(p) == 1 else p for p in parts)
