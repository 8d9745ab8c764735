"""Differences in words: one sentence each, never more than the interval allows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from llm_compare.consequences.difference import Difference, Verdict

MOST_TOLD = 8
"""Groups that get a sentence of their own; a list of dozens is what the table is for."""

_NOTHING = {
    Verdict.CHANCE: "no difference shown",
    Verdict.WEIGHT_NOISE: "no more than the noise of the estimated weights",
}


def counted(n: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def amount(value: float) -> str:
    """Return a number as a sentence shows it: whole from 10 on, otherwise with one decimal; never -0."""
    text = f"{abs(value):.0f}" if abs(value) >= 9.95 else f"{abs(value):.1f}".removesuffix(".0")
    return f"-{text}" if value < 0 and float(text) else text


def with_interval(d: Difference) -> str:
    """Return the size of a difference and its interval, in the direction that it has: ``12 (3 to 21)``."""
    sign = -1.0 if d.value < 0 else 1.0
    if d.interval is None or d.is_same:
        return amount(abs(d.value))
    low, high = sorted(sign * end for end in d.interval)
    return f"{amount(abs(d.value))} ({amount(low)} to {amount(high)})"


def difference_sentence(d: Difference, *, of: str, done: str) -> str:
    """Return a sentence such as ``12 (3 to 21) more matched of 100 patients ...``.

    Parameters
    ----------
    of
        Among whom.
    done
        What happened to them: ``matched``, ``transplanted``.
    """
    if d.verdict is Verdict.SAME:
        return f"As many {done} {of}."
    which = "fewer" if d.value < 0 else "more"
    note = f"; {_NOTHING[d.verdict]}" if d.verdict in _NOTHING else ""
    return f"{with_interval(d)} {which} {done} {of}{note}."


def total_sentence(what: str, d: Difference) -> str:
    """Return a sentence on a number of things under the model's weights against people's."""
    if d.verdict is Verdict.SAME:
        return f"The number of {what} stays the same."
    which = "fewer" if d.value < 0 else "more"
    note = f" ({_NOTHING[d.verdict]})" if d.verdict in _NOTHING else ""
    return f"There would be {with_interval(d)} {which} {what}{note}."


def group_sentences(found: Sequence[tuple[Difference, str]]) -> list[str]:
    """Return the sentences about groups that gain or lose, and one that counts the others.

    Told are those that gain or lose; where nothing says what else might have been, the first few.

    Parameters
    ----------
    found
        Difference and sentence of each group that differs at all, the most important first.
    """
    shown = (Verdict.MORE, Verdict.FEWER, Verdict.UNKNOWN)
    told = [sentence for difference, sentence in found if difference.verdict in shown][:MOST_TOLD]
    rest = len(found) - len(told)
    if not rest:
        return told
    others = counted(rest, "more group")
    return [
        *told,
        f"The table has {others} that differ less, or by no more than chance or the noise of the weights.",
    ]
