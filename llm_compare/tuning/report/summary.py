"""What tuning did, in plain sentences from the numbers: what got worse first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from llm_compare.report.number_words import Record, counted, percent
from llm_compare.tuning.report.moved_words import what_got_worse
from llm_compare.tuning.report.shown import (
    AGREEMENT,
    BASE,
    CONSTANT,
    INDECISION,
    LIKELIEST,
    LOG_SCORE,
    LOST,
    SIDES,
    SMALLEST,
    TOY_PARAMETERS,
    TUNED,
    WEIGHTS,
    Shown,
    bare,
    change_of,
    number_of,
    told,
    trained_words,
    value_of,
    words_of,
)
from llm_compare.tuning.report.verdicts import Verdict, is_moved, verdict


def sentences(record: Record) -> tuple[str, ...]:
    """Return the findings, what got worse first. What is not known is said, never left out silently."""
    return tuple(_sentences(Shown(record=record)))


def warnings(record: Record) -> tuple[str, ...]:
    """Return what a reader must know before believing any number."""
    found = []
    if record["training"]["labels"] == "majority":
        found.append(
            "The training sets hold only the most frequent answer to each comparison. Such labels erase "
            "disagreement and most of indecision. Prepare with --labels answers or --labels shares to keep "
            "both."
        )
    n_parameters = record["base"]["n_parameters"]
    if n_parameters is not None and n_parameters < TOY_PARAMETERS:
        found.append(
            f"The base is a toy of {counted(n_parameters, 'parameter')}: these numbers show that the steps "
            "work, not how large models behave."
        )
    if record["study"].get("people_source", {}).get("kind") == "simulated":
        found.append("The people of this study are simulated.")
    return tuple(found)


def _sentences(shown: Shown) -> Iterator[str]:
    test = shown.main_test
    if test is None:
        yield "Nothing was measured on held-out answers, so what tuning did is not known."
        return
    before, after = shown.before(test["name"]), shown.after(test["name"])
    if after is None:
        yield "No tuned model was asked, so what tuning does is not known."
        if before is not None:
            known = value_of(before, AGREEMENT)
            yield (
                f"How often the base gives a random person’s answer is {words_of(AGREEMENT, known)}."
                if known["value"] is None
                else f"The base gives a random person’s answer in {told(AGREEMENT, known)} of cases "
                f"({test['words']})."
            )
        return
    yield from _worse(shown)
    yield from _foretold(shown, test, before, after)
    yield from _beside_weights(shown, after)
    yield from _agreement(shown, test, before, after)
    yield from _indecision(shown, test, before, after)
    yield from _sides(shown, before, after)
    yield from _learning(shown, test)


def _worse(shown: Shown) -> Iterator[str]:
    """Say what is worse, on any test and elsewhere; or that nothing is shown to be, and why."""
    found: list[str] = []
    named: set[str] = set()
    is_tested = False
    for test in shown.tests:
        before, after = shown.before(test["name"]), shown.after(test["name"])
        if before is None or after is None:
            continue
        changes = shown.difference(after, BASE)
        is_tested |= any(change["low"] is not None for change in changes.values())
        people = shown.people(test)
        for measure in shown.judged:
            key = measure["key"]
            change = number_of(changes, key)
            then, theirs = value_of(before, key)["value"], number_of(people, key)
            is_worse = verdict(measure["better"], change, before=then, people=theirs) is Verdict.WORSE
            if is_worse and key not in named:
                found.append(
                    f"“{measure['name']}” is {bare(words_of(key, value_of(after, key)))}, before "
                    f"{bare(words_of(key, value_of(before, key)))}"
                )
                named.add(key)
    elsewhere = tuple(what_got_worse(shown))
    if found:
        yield f"Worse after tuning: {'; '.join(found)}."
    if elsewhere:
        yield (
            f"Worse elsewhere, too: {'; '.join(elsewhere)}."
            if found
            else f"Worse elsewhere: {'; '.join(elsewhere)}."
        )
    if not found and not elsewhere:
        yield (
            "Nothing that was measured is shown to be worse after tuning. That is no proof that nothing is."
            if is_tested
            else "Whether anything is worse after tuning cannot be told: no difference has an interval."
        )


def _foretold(shown: Shown, test: Record, before: Record | None, after: Record) -> Iterator[str]:
    """Say how well people's answers are foretold: what tuning is for."""
    of_whom = trained_words(shown.record["training"], after["size"])
    changes = shown.difference(after, BASE)
    said = []
    for key, words, unit in (
        (LOG_SCORE, "its shares foretell people’s answers with a log score of", " bits"),
        (LIKELIEST, "the answer that it most likely gives is that of people in", " of cases"),
    ):
        now, then, change = value_of(after, key), value_of(before, key), number_of(changes, key)
        if now["value"] is None:
            continue
        was = f", before {bare(words_of(key, then))}" if then["value"] is not None else ""
        which = verdict("more", change)
        moved = (
            f": {which.value}, by {_size_of(key, change)}"
            if which is not Verdict.OPEN
            else "; the difference may be chance"
            if was
            else ""
        )
        said.append(f"{words} {told(key, now)}{unit}{was}{moved}")
    if not said:
        unknown = words_of(LOG_SCORE, value_of(after, LOG_SCORE))
        yield f"How well the tuned model foretells people’s answers is {unknown}."
        return
    yield f"Tuned on {of_whom}, and tested on {test['words']}: {'; '.join(said)}."


def _agreement(shown: Shown, test: Record, before: Record | None, after: Record) -> Iterator[str]:
    size, known = after["size"], value_of(after, AGREEMENT)
    if known["value"] is None:
        yield f"How often the tuned model gives a random person’s answer is {words_of(AGREEMENT, known)}."
        return
    beside = []
    if value_of(before, AGREEMENT)["value"] is not None:
        beside.append(f"before: {told(AGREEMENT, value_of(before, AGREEMENT))}")
    for respondent, words in (
        (WEIGHTS, "an attribute-based model fitted to the same answers"),
        (CONSTANT, "always people’s overall shares"),
    ):
        found = value_of(shown.at(test["name"], respondent, size), AGREEMENT)
        if found["value"] is not None:
            beside.append(f"{words}: {bare(words_of(AGREEMENT, found))}")
    theirs = number_of(shown.people(test), AGREEMENT)
    if theirs["value"] is not None:
        beside.append(f"two people: {told(AGREEMENT, theirs)}")
    held_against = f"; {'; '.join(beside)}" if beside else ""
    yield (
        f"Answering in its shares, it gives a random person’s answer in {told(AGREEMENT, known)} of "
        f"cases{held_against}.{_gained(shown, after, before)} Being decided raises this number, so it can fall "
        "while shares come nearer to people’s."
    )


def _gained(shown: Shown, after: Record, before: Record | None) -> str:
    if before is None:
        return ""
    change = number_of(shown.difference(after, BASE), AGREEMENT)
    if change["value"] is None or change["low"] is None:
        return " Whether it differs from before cannot be told: there is no interval."
    if not is_moved(change):
        return f" The difference from before may be chance: {change_of(AGREEMENT, change)}."
    return f" That is {change_of(AGREEMENT, change)} against before."


def _size_of(key: str, change: Record) -> str:
    """Return how large a difference is that is known to be none of 0, without its sign."""
    low, high = sorted((abs(change["low"]), abs(change["high"])))
    positive = {**change, "value": abs(change["value"]), "low": low, "high": high}
    return change_of(key, positive).replace("+", "")


def _beside_weights(shown: Shown, after: Record) -> Iterator[str]:
    """Say whether the tuned model is worth more than a model of a few numbers."""
    size = after["size"]
    if shown.at(after["test"], WEIGHTS, size) is None:
        return
    change = number_of(shown.difference(after, WEIGHTS), LOG_SCORE)
    mine = value_of(after, LOG_SCORE)
    theirs = value_of(shown.at(after["test"], WEIGHTS, size), LOG_SCORE)
    if mine["value"] is None or theirs["value"] is None:
        return
    text = (
        f"Its shares foretell people’s answers with a log score of {bare(words_of(LOG_SCORE, mine))} bits, "
        f"the attribute-based model’s with {bare(words_of(LOG_SCORE, theirs))} (nearer to 0 is better)"
    )
    if not is_moved(change):
        yield f"{text}: which of the two is better cannot be told."
        return
    which = "the tuned model" if change["value"] > 0 else "the attribute-based model"
    yield f"{text}: {which} is better, by {_size_of(LOG_SCORE, change)}."


def _indecision(shown: Shown, test: Record, before: Record | None, after: Record) -> Iterator[str]:
    now, then = value_of(after, INDECISION), value_of(before, INDECISION)
    if now["value"] is None:
        if test["indecision"] is None:
            yield "Indecision was not on offer."
        else:
            yield f"How often it is undecided is {words_of(INDECISION, now)}."
        return
    theirs = number_of(shown.people(test), INDECISION)
    of_people = f", people in {percent(theirs['value'])}" if theirs["value"] is not None else ""
    was = f", before in {bare(words_of(INDECISION, then))}" if then["value"] is not None else ""
    change = number_of(shown.difference(after, BASE), INDECISION)
    words = {
        Verdict.BETTER: ": nearer to people than before",
        Verdict.WORSE: ": farther from people than before",
        Verdict.OPEN: "; whether it moved toward people cannot be told" if was and of_people else "",
    }[verdict("as people", change, before=then["value"], people=theirs)]
    yield f"It is undecided in {told(INDECISION, now)} of its answers{was}{of_people}{words}."


def _sides(shown: Shown, before: Record | None, after: Record) -> Iterator[str]:
    now, then = value_of(after, SIDES), value_of(before, SIDES)
    if now["value"] is None:
        yield f"Whether it answers the same with the sides exchanged is {words_of(SIDES, now)}."
        return
    changes = shown.difference(after, BASE)
    text = f"With the sides exchanged it gives the same answer in {told(SIDES, now)}"
    if then["value"] is not None:
        open_ = "" if is_moved(number_of(changes, SIDES)) else "; the difference may be chance"
        text += f", before in {bare(words_of(SIDES, then))}{open_}"
    yield f"{text}. Who answers in shares gives the same answer less often, whatever the sides."
    lost, had_lost = value_of(after, LOST), value_of(before, LOST)
    if lost["value"] is not None:
        told_before = "" if had_lost["value"] is None else f", before {bare(words_of(LOST, had_lost))}"
        open_ = (
            "" if is_moved(number_of(changes, LOST)) or not told_before else "; the difference may be chance"
        )
        yield (
            "Beyond the spread of its own answers, exchanging the sides costs "
            f"{told(LOST, lost)}{told_before}{open_}; 0 would be that sides do not matter."
        )


def _learning(shown: Shown, test: Record) -> Iterator[str]:
    """Say what more answers bring, by differences from the smallest set that hold draws, people and comparisons."""
    tuned = [
        e
        for e in shown.curve(test["name"], TUNED)
        if e["size"] and value_of(e, LOG_SCORE)["value"] is not None
    ]
    if len(tuned) < 2:
        yield "Only one size of training set was tried, so what more answers bring is not known."
        return
    # Of one draw nobody knows what another would give, whatever people and comparisons say.
    sure = [e for e in tuned if value_of(e, LOG_SCORE)["low"] is not None]
    is_sure = len(sure) > 1 and sure[0] is tuned[0]
    first, last = tuned[0], (sure if is_sure else tuned)[-1]
    sizes = [trained_words(shown.record["training"], e["size"]) for e in (first, last)]
    changes = shown.difference(last, SMALLEST)
    said = []
    for key, words, unit in (
        (LOG_SCORE, "the log score goes from", " bits"),
        (LIKELIEST, "the likeliest answer is that of people in", ""),
    ):
        then, now, change = value_of(first, key), value_of(last, key), number_of(changes, key)
        if now["value"] is None or then["value"] is None:
            continue
        numbers = f"{words} {bare(words_of(key, then))} to {bare(words_of(key, now))}{unit}"
        if change["low"] is None or not is_sure:
            said.append(f"{numbers}: without intervals nobody can say whether more answers help")
            continue
        which = verdict("more", change)
        claim = (
            f"whether more answers help cannot be told, {change_of(key, change)}"
            if which is Verdict.OPEN
            else f"more answers {'help' if which is Verdict.BETTER else 'hurt'}, by {_size_of(key, change)}"
        )
        said.append(f"{numbers}: {claim}")
    yield f"From {sizes[0]} to {sizes[1]}, {'; '.join(said)}."
