"""Raw reply -> outcome and choice, by named rules, strict before lax, and never by guessing. Pure.

Reading is separate from asking: replies are stored verbatim, so better rules never need a new call. The
phrases are English; a design's own labels are recognized in any language.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from llm_compare.prompts import Labels
from llm_compare.reply import Reply
from survey.answers import Choice

PARSER = "2"
"""Version of the rules below; change a rule, change the version."""


class Outcome(StrEnum):
    """What a call came to. The six stay apart everywhere: merging any two has misled published comparisons."""

    CHOICE = "choice"
    INDECISION = "indecision"
    """The offered answer "I cannot say"; an answer like left and right."""
    REFUSAL = "refusal"
    """The model or its provider declined to answer."""
    TRUNCATED = "truncated"
    """Cut off by the limit on tokens before an answer was complete."""
    UNREADABLE = "unreadable"
    """A text that names no answer, or more than one."""
    ERROR = "error"
    """The call failed; there is no reply."""


class Rule(StrEnum):
    """Which rule decided, in the order in which they are tried."""

    FAILED_CALL = "failed call"
    PROVIDER = "provider says refused or filtered"
    EXACT = "the whole reply is an answer"
    STATED = "last 'Answer: X'"
    LINE = "a line of its own"
    CUT_OFF = "cut off before an answer"
    UNIQUE = "the only answer named, as the one chosen"
    NOT_OFFERED = "an indecision that was not offered"
    UNDECIDED = "says that it cannot decide"
    DECLINED = "says that it will not answer"
    SEVERAL = "names more than one answer"
    EMPTY = "no text"
    NONE = "no rule applies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a reply means, and by which rule."""

    outcome: Outcome
    choice: Choice | None
    """Set for ``choice`` (left or right) and ``indecision``, None otherwise."""
    rule: Rule


def parse(reply: Reply, labels: Labels) -> Parsed:
    """Read a reply against the answers that were offered.

    The provider's own marks come first: what it calls refused or filtered is no answer even if a letter
    was let through. Of a reply cut off by the token limit only finished lines can be answers, since what
    follows may have turned the sentence. Two different answers named without one being stated as the
    answer are unreadable, and so is an answer that the model takes back afterwards.
    """
    if reply.error is not None:
        return _parsed(Outcome.ERROR, Rule.FAILED_CALL)
    if reply.refusal or reply.finish_reason == "content_filter":
        return _parsed(Outcome.REFUSAL, Rule.PROVIDER)

    cut_off = reply.finish_reason == "length"
    text = _visible(reply.content or "")
    if cut_off:
        text = text.rpartition("\n")[0]
    elif not text.strip():
        return _parsed(Outcome.UNREADABLE, Rule.EMPTY)

    answers = _Answers(labels)
    for rule, (found, after) in (
        (Rule.EXACT, (answers.exactly(text), "")),
        (Rule.STATED, answers.stated(text)),
        (Rule.LINE, answers.on_lines(text)),
    ):
        if len(found) == 1 and not answers.replaced(found, after):
            return _chosen(found, rule)
        if found:
            return _parsed(Outcome.UNREADABLE, Rule.SEVERAL)
    if cut_off:
        return _parsed(Outcome.TRUNCATED, Rule.CUT_OFF)
    return _read_sentences(text, answers, indecision_offered=labels.indecision is not None)


def _read_sentences(text: str, answers: _Answers, *, indecision_offered: bool) -> Parsed:
    text = answers.without_both_named(text)
    negated = _NEGATION.search(text) is not None
    by_chance = _LEFT_TO_CHANCE.search(text) is not None
    named = answers.named(text)
    if len(named) > 1:
        return _parsed(Outcome.UNREADABLE, Rule.SEVERAL)
    if not negated and not by_chance:
        unique = answers.chosen_in_a_sentence(text)
        if len(unique) == 1:
            return _chosen(unique, Rule.UNIQUE)
    if named - {Choice.INDECISION}:
        return _parsed(Outcome.UNREADABLE, Rule.NONE)
    # An indecision counts as an answer and a refusal does not, so words of refusal outweigh words of indecision.
    if _DECLINED.search(text):
        return _parsed(Outcome.REFUSAL, Rule.DECLINED)
    if _UNDECIDED.search(text) or (by_chance and not negated):
        if not indecision_offered:
            return _parsed(Outcome.REFUSAL, Rule.NOT_OFFERED)
        return _chosen({Choice.INDECISION}, Rule.UNDECIDED)
    return _parsed(Outcome.UNREADABLE, Rule.NONE)


def _chosen(found: set[Choice], rule: Rule) -> Parsed:
    (choice,) = found
    outcome = Outcome.INDECISION if choice is Choice.INDECISION else Outcome.CHOICE
    return Parsed(outcome=outcome, choice=choice, rule=rule)


def _parsed(outcome: Outcome, rule: Rule) -> Parsed:
    return Parsed(outcome=outcome, choice=None, rule=rule)


# --- words ------------------------------------------------------------------------------------------------

# With any of these in a reply, naming a patient need not mean choosing that patient.
_NEGATION = re.compile(
    r"\b(?:not|no|never|nor|neither|none|cannot|\w+n't|without|against|except|instead|rather|less|lower|refuse|"
    r"unable|avoid|wrong|unfair)\b",
    re.IGNORECASE,
)
_CANNOT = (
    r"(?:cannot|can not|can't|could not|couldn't|am unable to|i'm unable to|unable to|impossible to|hard to)"
)
_UNDECIDED = re.compile(
    rf"\b{_CANNOT}\s+(?:really\s+)?(?:choose|decide|say|pick|determine|tell)\b"
    r"|\bnot possible to (?:choose|decide|say)\b|\bundecided\b|\bindifferent\b|\bno preference\b"
    r"|\btoss[- ]?up\b|\bequally (?:deserving|entitled|strong|good)\b|\b50\s*[/-]\s*50\b"
    r"|\bno way to (?:choose|decide)\b",
    re.IGNORECASE,
)
_LEFT_TO_CHANCE = re.compile(
    r"\b(?:flip|flips|flipped|flipping|toss|tosses|tossed|tossing) (?:a|the) coin\b|\bcoin (?:flip|toss|decide)\b"
    r"|\b(?:leave|left) (?:it )?to chance\b|\bat random\b|\brandom(?:ly)? (?:choice|draw|select)|\ba lottery\b"
    r"|\beither (?:one|patient|of them|is fine)\b",
    re.IGNORECASE,
)
_DECLINED = re.compile(
    r"\bas an? (?:ai|artificial|large|language)\b|\bi(?:'m| am) (?:just )?an? (?:ai|language)\b"
    r"|\b(?:cannot|can't|can not|won't|will not|unable to|not able to|not comfortable|decline to|refuse to)"
    r"\s+(?:help|assist|answer|make|provide|give|comply|fulfill|engage|participate|offer|recommend|judge|rank|"
    r"making|answering|choosing|providing|respond|do)\b"
    r"|\b(?:must|have to) decline\b|\bnot (?:be )?appropriate (?:for me )?to\b|\binappropriate (?:for me )?to\b"
    r"|\bi(?:'m| am) sorry,? but i (?:cannot|can't|can not|won't)\b|\bi (?:decline|refuse)\b",
    re.IGNORECASE,
)
_STATED = re.compile(r"\banswer\b[\s\"'*_`]*(?:is\b|[:=])[\s\"'*_`:(\[{<$]*([^\n]*)", re.IGNORECASE)
# Before "answer: A" in its line: not what the model answers, or not yet.
_NOT_THE_ANSWER = re.compile(
    r"\b(?:not|no|\w+n't(?: give| provide)?|if|whether|wrong|initial|first|other|is|was|would) "
    r"(?:(?:the|my|an|your|correct|right) )*$",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|correction|actually|mistake|mistaken|i meant|change my|second thought|reconsider\w*|scratch that|"
    r"thinking more)\b|\?\s*no\b",
    re.IGNORECASE,
)
# What a sentence that chooses may look like around the answer. Listed is what counts, not what doesn't: "Most
# people would choose A", "A should wait" and "A: 30 years old" name a patient too.
_OPENING = r"(?:(?:as an? [^,.]+|between[^,]*|overall|therefore|thus|so|hence|then|hard to say),?\s+)?"
_ANY_OPENING = r"(?:(?!(?:if|unless|were|had|should)\b)[^,]*,\s+|(?:therefore|thus|so|hence|then)\s+)?"
_KIDNEY = r"the (?:donor |donated |available )?(?:kidney|organ|transplant)"
_THING = rf"(?:(?:it|{_KIDNEY}|(?:the |a )?(?:higher |top )?priority)\s+)?"
_I_CHOOSE = (
    rf"(?:(?:i|we)(?:'d|'ll| would| will| should)?(?: (?:have to|personally|therefore|then))?\s+"
    rf"(?:choose|pick|select|prefer|prioritize|recommend|favor|say|go with|save|"
    rf"(?:give|allocate|assign|offer|award)\s+{_THING}to)"
    r"|i'm going with"
    r"|my (?:final )?(?:choice|pick|decision|selection|recommendation|answer)(?: is| would be|:))"
)
_IT_IS = (
    r"(?:the (?:final )?(?:choice|decision|selection|recommendation|answer|letter)(?: is| would be|:)"
    rf"|{_KIDNEY} (?:should |would |must |will )?(?:goes|go|be given|be allocated)\s+to"
    rf"|(?:give|allocate)\s+{_THING}to|it (?:is|must be|should be)"
    r"|(?:conclusion|verdict|decision|choice|selection|pick|recommendation|recipient)\s*[:=]|so:)"
)
_IS_CHOSEN = (
    rf"(?:(?:should|must|would|will)\s+(?:get|receive|have|be given|be offered)\s+(?:it|{_KIDNEY}|"
    rf"(?:the |a )?priority)|(?:gets|receives) (?:it|{_KIDNEY})"
    r"|(?:should|must) be (?:chosen|selected|prioritized|the recipient)|(?:should|must) (?:go|come) first)"
)
_REASON = r"(?:[,;:\s(\u2013\u2014-]+(?:because|since|as|given|due to)\b(?! well)[^?]*)?"
_GOES_ON = (
    r"(?:\s*[,;:(\u2013\u2014-][^?]*"
    r"|\s+(?:because|since|as|given|due to|based on|for|over|to receive|to get)\b[^?]*)?"
)
# Between two answers that are listed ("A, B", "A; B", "A (or C)") rather than one chosen.
_BETWEEN_LISTED = r"[\s*_`\"')\]]*(?:[,;|/&(]|or\b|and\b|-+)[\s(\[\"'*]*(?:(?:or|and)\s+)?"
_EDGES = " \t\r\n*_`\"'()[]{}<>.:;,!#-=$\\\u2013\u2014\u201c\u201d"


def _visible(text: str) -> str:
    """Return the text as a reader sees it: one form of each character, markup of formulas and reasoning removed."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\r\n", "\n")
    for _ in range(2):  # A box around text is two layers.
        text = re.sub(r"\\(?:boxed|text|textbf|mathrm|mathbf)\{([^{}\n]*)\}", r"\1", text)
    text = re.sub(r"<think(?:ing)?>.*?</think(?:ing)?>", "", text, flags=re.DOTALL | re.IGNORECASE)
    # Some servers drop the opening mark; an opening mark without an end is a thought without an answer.
    text = re.split(r"</think(?:ing)?>", text, flags=re.IGNORECASE)[-1]
    return re.split(r"<think(?:ing)?>", text, flags=re.IGNORECASE)[0]


class _Answers:
    """The answers on offer as patterns to look for."""

    def __init__(self, labels: Labels) -> None:
        self._offered = labels.offered()
        self._whole = {c: self._whole_answer(letter, name) for letter, name, c in self._offered}
        self._label = {c: rf"(?<!\w){_loosely(name)}(?!\w)" for _, name, c in self._offered}
        self._letter = {c: rf"(?<![\w']){letter}(?![\w'])" for letter, _, c in self._offered}

    @staticmethod
    def _whole_answer(letter: str, name: str) -> re.Pattern[str]:
        label = re.escape(name.strip(_EDGES))
        return re.compile(
            rf"(?:(?:option|choice|letter)\s+)?(?:{letter}(?:\W+{label})?|{label}(?:\W+{letter})?)",
            re.IGNORECASE,
        )

    def exactly(self, text: str) -> set[Choice]:
        """Return the answer that ``text`` is, apart from decoration around it."""
        bare = text.strip(_EDGES)
        return {c for c, pattern in self._whole.items() if pattern.fullmatch(bare)}

    def stated(self, text: str) -> tuple[set[Choice], str]:
        """Return what follows the last ``Answer:`` (what it begins with, or all that it offers), and the rest."""
        statements = [
            found
            for found in _STATED.finditer(text)
            if not _NOT_THE_ANSWER.search(text[: found.start()].rpartition("\n")[2])
        ]
        if not statements:
            return set(), ""
        said, after = statements[-1][1], text[statements[-1].end() :]
        whole = self.exactly(said)
        if whole:
            return (set() if "?" in said else whole), after
        if self.without_both_named(said) != said:
            return self.named(said), after
        for c in self._label:
            begun = re.match(
                rf"(?:{self._label[c]}|{self._letter[c]})(?!\s+(?!because|since|as\b|for\b)[a-z])", said
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
        return {c for c in self._label if re.match(f"{self._label[c]}|{self._letter[c]}", text)}

    def on_lines(self, text: str) -> tuple[set[Choice], str]:
        """Return every answer that stands alone on a line, and what comes after the last of them."""
        lines = text.split("\n")
        found = [self.exactly(line) if "?" not in line else set() for line in lines]
        last = max((i for i, answers in enumerate(found) if answers), default=len(lines))
        return set().union(*found), "\n".join(lines[last + 1 :])

    def replaced(self, found: set[Choice], after: str) -> bool:
        """Return whether the text after an answer takes it back and names another."""
        turn = _TAKEN_BACK.search(after)
        return turn is not None and bool(self.named(after[turn.end() :]) - found)

    def without_both_named(self, text: str) -> str:
        """Return ``text`` without phrases like "Patient A and Patient B", which prefer neither."""
        sides = [c for c in (Choice.LEFT, Choice.RIGHT) if c in self._label]
        for one, other in (sides, sides[::-1]):
            for forms in (self._label, self._letter):
                text = re.sub(
                    rf"{forms[one]}\s*(?:,|/|&|and|or|nor|vs\.?|versus)\s*{forms[other]}", " ", text
                )
            short = rf"{self._label[one]}\s*(?:and|or|nor|/)\s*{self._letter[other]}"
            text = re.sub(short, " ", text)
        return text

    def named(self, text: str) -> set[Choice]:
        """Return every answer that ``text`` names or may name."""
        return {c for c in self._label if re.search(f"{self._label[c]}|{self._letter[c]}", text)}

    def chosen_in_a_sentence(self, text: str) -> set[Choice]:
        """Return the answers that a whole sentence picks. Anything about the sentence that is not known is a no."""
        found = set()
        for sentence in re.split(r"(?<=[.!?\u3002])\s+|\n", text):
            bare = re.sub(r"[*_`\"\u201c\u201d{}$\\]", "", sentence).strip(" \t.!,;:-\u3002")
            for c in self._label:
                answer = (
                    rf"\(?(?:(?:(?i:the )?(?i:option|choice|letter) )?{self._letter[c]}|{self._label[c]})\)?"
                )
                picks = (
                    rf"(?i:{_OPENING}){answer}(?i:{_REASON})",
                    rf"(?i:{_ANY_OPENING}{_I_CHOOSE})\s*{answer}(?i:{_GOES_ON})",
                    rf"(?i:{_OPENING}{_IT_IS})\s*{answer}(?i:{_GOES_ON})",
                    rf"(?i:{_OPENING}){answer}\s+(?i:{_IS_CHOSEN}{_GOES_ON})",
                )
                if any(re.fullmatch(pick, bare) for pick in picks):
                    found.add(c)
        return found


def _loosely(name: str) -> str:
    """Return a pattern for ``name`` in any case, lone letters as written: "the patient a kidney" names no one."""
    parts = [p if len(p) == 1 else f"(?i:{re.escape(p)})" for p in name.split()]
    return r"\s+".join(re.escape(p) if len(p) == 1 else p for p in parts)
