"""Raw reply -> proposed categories, held strictly to what was offered: the unreadable proposes nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_compare.replies.json_object import objects_in
from llm_compare.replies.offered import without_thoughts
from llm_compare.replies.phrases import DECLINED
from llm_compare.replies.reply import Reply
from llm_compare.suggesting.category_call import LONGEST_NEW_LABEL, NEW, NO_CATEGORY, UNUSABLE, CategoryCall
from survey.coding.coding import Category, Outcome

READER = "1"
"""Version of the rules; change a rule, change the version."""


class NotProposed(StrEnum):
    """Why a reply proposes nothing for a suggestion."""

    FAILED_CALL = "failed call"
    REFUSED = "refused"
    CUT_OFF = "cut off before the object ended"
    NO_OBJECT = "no JSON object"
    SEVERAL_OBJECTS = "several JSON objects that differ"
    STRANGER = "an answer with a number that was not asked about"
    LEFT_OUT = "this answer is left out"
    TWICE = "this answer stands there twice"
    NOT_OFFERED = "names what was not offered"
    CONTRADICTION = "names a category, and says that there is none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a model proposes for one suggestion."""

    outcome: Outcome
    categories: tuple[str, ...] = ()
    """Names, in the codebook's order; some if and only if the outcome is a category."""
    new_label: str = ""
    """What a new category might be called; only beside ``no_category``, and only if that was allowed."""


def read_proposals(reply: Reply, call: CategoryCall) -> tuple[Proposal | NotProposed, ...]:
    """Return what a reply proposes, one for each suggestion of the call in its order.

    An answer is a list of numbers of categories, or holds one of the two words. Everything else is no proposal for
    that answer; an object about other answers than those asked about is none for any.
    """
    n = len(call.suggestions)
    if reply.error is not None:
        return (NotProposed.FAILED_CALL,) * n
    if reply.refusal or reply.finish_reason == "content_filter":
        return (NotProposed.REFUSED,) * n
    text = without_thoughts(reply.content or "")
    found = [dict_of for o in objects_in(text) if (dict_of := o.members)]
    if not found:
        if reply.finish_reason == "length":
            return (NotProposed.CUT_OFF,) * n
        return (NotProposed.REFUSED if DECLINED.search(text) else NotProposed.NO_OBJECT,) * n
    if any(one != found[0] for one in found):
        return (NotProposed.SEVERAL_OBJECTS,) * n
    members = [(str(name).strip(), value) for name, value in found[0]]
    asked = [str(number) for number in range(1, n + 1)]
    if any(name not in asked for name, _ in members):
        return (NotProposed.STRANGER,) * n
    return tuple(_one([value for name, value in members if name == number], call) for number in asked)


def _one(values: Sequence[object], call: CategoryCall) -> Proposal | NotProposed:
    if not values:
        return NotProposed.LEFT_OUT
    if len(values) > 1:
        return NotProposed.TWICE
    # One number or word without a list around it can mean nothing else.
    items = values[0] if isinstance(values[0], list) else [values[0]]
    words = [item.strip().casefold() for item in items if isinstance(item, str)]
    numbers = [_number(item, call.categories) for item in items if not _is_word(item)]
    if not items or any(number is None for number in numbers):
        return NotProposed.NOT_OFFERED
    said = [word for word in words if word in (NO_CATEGORY, UNUSABLE)]
    labels = [
        item.strip()[len(NEW) :].strip()
        for item in items
        if isinstance(item, str) and item.strip().casefold().startswith(NEW)
    ]
    if labels and (not call.allows_new or len(labels) > 1 or not 1 <= len(labels[0]) <= LONGEST_NEW_LABEL):
        return NotProposed.NOT_OFFERED
    if (numbers and (said or labels)) or len(set(said)) > 1 or (labels and UNUSABLE in said):
        return NotProposed.CONTRADICTION
    if numbers:
        chosen = set(numbers)
        return Proposal(
            outcome=Outcome.CATEGORY,
            categories=tuple(c.name for i, c in enumerate(call.categories, start=1) if i in chosen),
        )
    if UNUSABLE in said:
        return Proposal(outcome=Outcome.UNUSABLE)
    return Proposal(outcome=Outcome.NO_CATEGORY, new_label=labels[0] if labels else "")


def _is_word(item: object) -> bool:
    return isinstance(item, str) and (
        item.strip().casefold() in (NO_CATEGORY, UNUSABLE) or item.strip().casefold().startswith(NEW)
    )


def _number(item: object, categories: Sequence[Category]) -> int | None:
    """Return the number of an offered category that ``item`` is, or whose name or label it is."""
    if isinstance(item, bool) or not isinstance(item, int | str):
        return None
    if isinstance(item, str) and not item.strip().isdecimal():
        word = item.strip().casefold()
        named = [
            i for i, c in enumerate(categories, start=1) if word in (c.name.casefold(), c.label.casefold())
        ]
        return named[0] if len(named) == 1 else None
    number = int(item) if isinstance(item, int) or len(item.strip()) <= 6 else 0
    return number if 1 <= number <= len(categories) else None
