"""Raw reply -> what a trial came to, by named rules, strict before lax, and never by guessing. Pure.

Reading is separate from asking: replies are stored verbatim, so better rules never need a new call. A ranking that
is not whole is kept as incomplete with what was read of it; it is made whole only where a repair is asked for by
name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from operator import itemgetter

from llm_compare.allocation.trials.answer import Outcome, Read
from llm_compare.allocation.trials.answer_forms import (
    declines,
    ids_named,
    leaves_open,
    turns_of,
    without_fences,
)
from llm_compare.allocation.trials.choice_text import read_choice
from llm_compare.allocation.trials.ranking_doubts import doubts, only_lists
from llm_compare.allocation.trials.ranking_text import Entry, ReadRanking, read_rankings
from llm_compare.allocation.trials.trial import Task, Trial
from llm_compare.allocation.trials.viability_text import read_viability
from llm_compare.replies.offered import visible
from llm_compare.replies.outcome import Rule
from llm_compare.replies.reply import Reply

PARSER = "2"
"""Version of the rules; change a rule, change the version."""

TWO_RANKINGS = "gives two different rankings"
TAKES_BACK = "takes its ranking back"


class Repair(StrEnum):
    """What may be done to a ranking that is not whole. Ties and candidates named twice are never repaired."""

    NONE = "none"
    DROP_STRANGERS = "drop-strangers"
    """Who is not in the list is left out, and everybody behind moves up."""
    LAST_PLACE = "last-place"
    """Candidates who are left out come last, in the order of the list as shown."""
    BOTH = "both"

    def allows(self, single: Repair) -> bool:
        """Return whether one of the two single repairs may be done."""
        return self in (single, Repair.BOTH)


def read_trial(reply: Reply, trial: Trial, repair: Repair = Repair.NONE) -> Read:
    """Read the reply to a trial.

    The provider's own marks come first: what it calls refused or filtered is no answer even if one was let through.
    Of a text that was cut off only finished lines count, since what follows may have changed the last. An answer
    given in the form that was asked for, or in a JSON object, counts in each form.

    Parameters
    ----------
    repair
        What may be done to make an incomplete ranking whole; what was done stands in ``Read.repairs``.
    """
    if reply.error is not None:
        return Read(outcome=Outcome.ERROR, rule=Rule.FAILED_CALL)
    if reply.refusal or reply.finish_reason == "content_filter":
        return Read(outcome=Outcome.REFUSAL, rule=Rule.PROVIDER)
    text = without_fences(visible(reply.content or ""))
    cut_off = reply.finish_reason == "length"
    if trial.task is Task.RANK_ALL:
        return _ranking(text, trial, repair, cut_off=cut_off)
    # A choice is a few characters, which the next could have changed; an object is complete with its brace.
    finished = text[: max(text.rfind("\n"), text.rfind("}")) + 1] if cut_off else text
    numbers = {trial.problem.ids[number]: number for number in trial.row_order}
    read = (
        read_viability(finished, trial.problem.ids[0])
        if trial.task is Task.VIABILITY
        else read_choice(finished, numbers)
    )
    return read or _no_answer(text, cut_off=cut_off)


def _no_answer(text: str, *, cut_off: bool) -> Read:
    if cut_off:
        return Read(outcome=Outcome.TRUNCATED, rule=Rule.CUT_OFF)
    if not text.strip():
        return Read(outcome=Outcome.UNREADABLE, rule=Rule.EMPTY)
    if declines(text):
        return Read(outcome=Outcome.REFUSAL, rule=Rule.DECLINED)
    if leaves_open(text):
        return Read(outcome=Outcome.REFUSAL, rule=Rule.NOT_OFFERED)
    return Read(outcome=Outcome.UNREADABLE, rule=Rule.NONE)


def _ranking(text: str, trial: Trial, repair: Repair, *, cut_off: bool) -> Read:
    finished = text[: max(text.rfind("\n"), text.rfind("}"), text.rfind("]")) + 1] if cut_off else text
    ids = trial.problem.ids
    found = read_rankings(finished, frozenset(ids))
    whole = [r for r in found if is_whole(r.entries, ids)]
    if turns := turns_of(finished):
        after = finished[turns[-1] :]
        anew = [r for r in read_rankings(after, frozenset(ids)) if is_whole(r.entries, ids)]
        if whole and not anew and ids_named(after, ids):
            return Read(outcome=Outcome.UNREADABLE, rule=TAKES_BACK)
        whole = anew or whole
    if whole:
        if doubt := doubts(finished, whole[0]):
            return Read(outcome=Outcome.UNREADABLE, rule=doubt)
        if only_lists(finished, whole[0]):
            return Read(outcome=Outcome.REFUSAL, rule=Rule.DECLINED)
        orders = {tuple(i for i, _ in _by_rank(r.entries)) for r in whole}
        if len(orders) > 1:
            return Read(outcome=Outcome.UNREADABLE, rule=TWO_RANKINGS)
        numbers = {id_: number for number, id_ in enumerate(ids)}
        return Read(
            outcome=Outcome.ANSWER, rule=whole[0].rule, order=tuple([numbers[i] for i in orders.pop()])
        )
    # What was meant to be the ranking is what names the most candidates.
    best = max(found, key=lambda r: len({i for i, _ in r.entries} & set(ids)), default=None)
    named = set() if best is None else {i for i, _ in best.entries} & set(ids)
    if best is None or (not named and not best.entries) or (len(named) < 2 and declines(text)):
        return _no_answer(text, cut_off=cut_off)
    return _incomplete(best, trial, repair, cut_off=cut_off)


def _incomplete(found: ReadRanking, trial: Trial, repair: Repair, *, cut_off: bool) -> Read:
    ids = trial.problem.ids
    numbers = {id_: number for number, id_ in enumerate(ids)}
    what = "; ".join(faults(found.entries, ids))
    read = tuple(dict.fromkeys(numbers[i] for i, _ in _by_rank(found.entries) if i in numbers))
    if cut_off:
        return Read(outcome=Outcome.TRUNCATED, rule=f"{Rule.CUT_OFF}; {what}", order=read)
    entries, done = list(found.entries), []
    if repair.allows(Repair.DROP_STRANGERS) and any(i not in numbers for i, _ in entries):
        entries = [(i, r) for i, r in entries if i in numbers]
        done.append(Repair.DROP_STRANGERS)
    order = [numbers[i] for i, _ in _by_rank(entries) if i in numbers]
    left_out = [n for n in trial.row_order if n not in order]
    if repair.allows(Repair.LAST_PLACE) and left_out and order:
        order += left_out
        done.append(Repair.LAST_PLACE)
    strangers = any(i not in numbers for i, _ in entries)
    # Ranks that the repair leaves open close up; a gap or tie that it does not explain stays a fault.
    tied = len({r for _, r in entries}) < len(entries)
    if done and not strangers and not tied and sorted(order) == list(range(len(ids))):
        return Read(
            outcome=Outcome.ANSWER,
            rule=f"{found.rule}; {what}",
            order=tuple(order),
            repairs=tuple(step.value for step in done),
        )
    return Read(outcome=Outcome.INCOMPLETE, rule=what, order=read)


def is_whole(entries: Sequence[Entry], ids: Sequence[int]) -> bool:
    """Return whether pairs of id and rank give every candidate one rank from 1 on, and every rank one candidate."""
    if len(entries) != len(ids):
        return False
    named, ranks = zip(*entries, strict=True)
    return set(named) == set(ids) and set(ranks) == set(range(1, len(ids) + 1))


def faults(entries: Sequence[Entry], ids: Sequence[int]) -> list[str]:
    """Return in words what keeps pairs of id and rank from being a ranking of all candidates."""
    named = [i for i, _ in entries]
    known = set(ids)
    different = set(named)
    said = []
    if missing := len(known - different):
        said.append(f"leaves out {_candidates(missing)}")
    if strangers := sorted(different - known):
        listed = ", ".join(map(str, strangers[:5])) + (" ..." if len(strangers) > 5 else "")
        said.append(f"names {listed}, not in the list")
    if twice := sum(n > 1 for n in Counter(named).values()):
        said.append(f"names {_candidates(twice)} more than once")
    ranks = [r for _, r in entries]
    if len(set(ranks)) < len(ranks):
        said.append("gives a rank more than once")
    elif set(ranks) != set(range(1, len(ranks) + 1)):
        said.append(f"has ranks other than 1 to {len(ranks)}")
    return said


def _by_rank(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=itemgetter(1))


def _candidates(n: int) -> str:
    return "1 candidate" if n == 1 else f"{n} candidates"
