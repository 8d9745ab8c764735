"""Numbers of a coding as a reader sees them, and what they say in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from survey.answers import RespondentKind
from survey.coding.coding import Ended
from survey.coding.counts import CategoryCounts, LeftOut
from survey.coding.directions import Directions
from survey.coding.measures import FEWEST_DRAWN, Measure
from survey.coding.opinions import Mean
from survey.coding.saturation import FURTHER, Saturation
from survey.coding.shares import Difference, Share
from survey.suggestions import Stance


def counted(n: int, one: str, many: str = "") -> str:
    """Return ``1 person``, ``2 people``; many is one with an s unless given."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def number(value: float, digits: int = 2) -> str:
    """Return a number with a real minus, and no minus zero."""
    words = f"{value:,.{digits}f}"
    return words.lstrip("-") if not words.strip("-0.,") else words.replace("-", "−")


def measured(measure: Measure) -> str:
    """Return ``0.54 [0.50, 0.58]``; what cannot be said is said so."""
    if measure.value is None:
        return "cannot be said"
    if measure.low is None or measure.high is None:
        return number(measure.value)
    return f"{number(measure.value)} [{number(measure.low)}, {number(measure.high)}]"


def measured_mean(mean: Mean | None) -> str:
    """Return a mean with its interval and of how many it is; a dash of nobody."""
    if mean is None:
        return "–"
    interval = "" if mean.low is None or mean.high is None else f" [{number(mean.low)}, {number(mean.high)}]"
    return f"{number(mean.value)}{interval}, of {mean.of}"


def shared(share: Share | None) -> str:
    """Return ``12 of 40: 30 [18, 45]``, in percent; a dash of nobody."""
    if share is None:
        return "–"
    return (
        f"{share.count} of {share.of}: {percent(share.value)} [{percent(share.low)}, {percent(share.high)}]"
    )


def differing(difference: Difference | None) -> str:
    """Return ``+12 [+3, +20]``, in percentage points; a dash of nobody."""
    if difference is None:
        return "–"
    value, low, high = (_signed(100 * v) for v in (difference.value, difference.low, difference.high))
    return f"{value} [{low}, {high}]"


def percent(share: float) -> str:
    """Return a share of 1 in percent: whole ones, but tenths below 1."""
    return number(100 * share, 1 if 0 < share < 0.01 else 0)


def _signed(value: float) -> str:
    words = number(value, 0)
    return words if words == "0" or words.startswith("−") else f"+{words}"


def probability(p: float) -> str:
    """Return a p-value as papers print it."""
    return "< 0.001" if p < 0.001 else number(p, 3)


def respondents(kind: RespondentKind, *, simulated: bool) -> tuple[str, str]:
    """Return what one and several of these respondents are called."""
    if kind is RespondentKind.MODEL:
        return "repeat", "repeats"
    if simulated:
        return "simulated participant", "simulated participants"
    return "person", "people"


def counts_sentences(counts: CategoryCounts) -> tuple[str, ...]:
    """Return who was asked, and what of their suggestions is in no category."""
    one, many = respondents(counts.kind, simulated=counts.simulated)
    sentences = [
        f"{counted(counts.asked, one, many)} asked: {counts.asked_for} what should count, "
        f"{counts.asked_against} what should not. {counts.named_nothing} of them named nothing, and are counted "
        "among those asked.",
        f"There {'is' if counts.suggestions == 1 else 'are'} {counted(counts.suggestions, 'suggestion')}.",
    ]
    return (*sentences, *left_out_sentences(counts.left_out), *undecided_sentences(counts.left_out))


class OfCategory(Protocol):
    """Any number of one category."""

    @property
    def label(self) -> str:
        """What readers see."""
        ...

    @property
    def ended(self) -> Ended | None:
        """Why it is offered no longer; None: it is offered."""
        ...


def category_words(of: OfCategory) -> str:
    """Return a category's label, and whether it was split or retired: ``Lifestyle (split)``."""
    return f"{of.label} ({of.ended.value})" if of.ended else of.label


def directions_words(directions: Directions) -> str:
    """Return what people would give more priority: ``“young people” (7); 3 gave others; 12 gave none``."""
    parts = [f"“{said.words}” ({said.people:,})" for said in directions.said]
    if directions.others:
        alone = "others" if parts else f"directions that fewer than {directions.fewest} people gave"
        parts.append(f"{directions.others:,} gave {alone}")
    return "; ".join([*parts, f"{directions.none:,} gave none" if directions.none else "all gave one"]) + "."


def of_those_asked_both(counts: CategoryCounts) -> str:
    """Return ``of the 13 asked both`` where differences are of others than the shares beside them; else nothing."""
    if counts.asked_both in (0, max(counts.asked_for, counts.asked_against)):
        return ""
    return f"of the {counts.asked_both:,} asked both"


def undecided_sentences(left_out: LeftOut) -> Iterator[str]:
    """Yield what to think of shares while suggestions have no final code."""
    if left_out.undecided:
        yield (
            f"Shares can only rise by the {counted(left_out.undecided, 'suggestion')} without a final code, and "
            "their intervals know nothing of it: settle and code these before printing any."
        )


def left_out_sentences(left_out: LeftOut) -> Iterator[str]:
    """Yield a sentence for each reason for which suggestions are in no category, and one on those in a category
    that was split or retired."""
    for n, why in (
        (left_out.open, "coders differ, and nobody has settled it"),
        (left_out.uncoded, "no coder has dealt with it"),
        (left_out.no_category, "it fits none of the categories"),
        (left_out.unusable, "unusable, it names nothing"),
        (left_out.not_asked, "from somebody who has not gone on from the question"),
    ):
        if n:
            yield f"Left out and not counted, {counted(n, 'suggestion')}: {why}."
    if n := left_out.to_code_again:
        yield (
            f"Not final, {counted(n, 'suggestion')}: {'it counts' if n == 1 else 'they count'} in a category that "
            f"was split or retired since, until {'it is' if n == 1 else 'they are'} coded again. Shares may rise "
            "or fall by that, and their intervals know nothing of it."
        )


def saturation_sentences(saturation: Saturation, *, with_limits: bool = True) -> tuple[str, ...]:
    """Return what the curve says of asking more people, and (``with_limits``) what it does not."""
    one, many = respondents(saturation.kind, simulated=saturation.simulated)
    asked = {
        None: "",
        Stance.SHOULD: " among what should count",
        Stance.SHOULD_NOT: " among what should not count",
    }[saturation.stance]
    named = counted(saturation.categories, "category", "categories")
    sentences = [f"{counted(saturation.people, one, many)} named {named}{asked}."]
    if saturation.new_of_next_ten is None or saturation.more_people is None:
        sentences.append(f"Nothing can be said of further ones: {saturation.further_reason}.")
        return (*sentences, *left_out_sentences(saturation.left_out))
    sentences.append(
        f"{saturation.named_once} of these were named by one alone; the next ten {many} are expected to name "
        f"{counted_about(saturation.new_of_next_ten)}."
    )
    if saturation.coverage is not None and saturation.people >= FEWEST_DRAWN:
        sentences.append(
            f"About {percent(saturation.coverage)} % of all that {many} would name belongs to categories named "
            "already."
        )
    sentences.append(_when_to_stop(saturation, many))
    if (estimated := saturation.estimated) and estimated.low is not None and estimated.high is not None:
        sentences.append(
            f"At least {number(estimated.value, 0)} categories are estimated to exist "
            f"(95 % interval {number(estimated.low, 0)} to {number(estimated.high, 0)})."
        )
    sentences += _guest(saturation, many)
    if not with_limits:
        return tuple(sentences)
    sentences.append(
        "This is about the categories that coders made, of people like those asked: coarser categories saturate "
        "sooner, other people may name others, and it says nothing of how well shares are known."
    )
    return (*sentences, *left_out_sentences(saturation.left_out))


def counted_about(expected: float) -> str:
    """Return an expected number of new categories: ``0.3 new ones``; never none where some are expected."""
    if 0 < expected < 0.05:
        return "less than 0.1 new ones"
    return f"{number(expected, 1)} new ones"


def _when_to_stop(saturation: Saturation, many: str) -> str:
    more, people = saturation.more_people or 0, saturation.people
    left = saturation.left_out
    if not more:
        words = f"Asking ten more {many} is expected to add less than one new category"
        if (FURTHER - 1) * people < 10:
            return f"{words}, but {people} asked are too few to tell."
        if n := left.undecided + left.no_category:
            return (
                f"{words}, as far as coded: {counted(n, 'suggestion')} without a category may hold others, so this "
                "is no reason to stop yet."
            )
        if n := left.to_code_again:
            return (
                f"{words}, as far as coded: {counted(n, 'suggestion')} to be coded again may hold others, so this "
                "is no reason to stop yet."
            )
        return f"{words}: a reason to stop."
    words = (
        f"After about {more} more, if not later, ten {many} are expected to add less than one new category."
    )
    if more + 10 > (FURTHER - 1) * people:
        words += " That is further than twice the number asked so far: too far to be trusted."
    return words


def _guest(saturation: Saturation, many: str) -> Iterator[str]:
    if saturation.observed_reason:
        yield f"The order of answering is not known: {saturation.observed_reason}."
        return
    runs = saturation.guest
    if runs is None:
        return
    if runs.at_five_percent is None:
        yield (
            f"In the order of answering, no run of {runs.run} {many} after the first {runs.base} brought 5 % or "
            f"less of the {runs.base_categories} categories that those named."
        )
        return
    at_zero = "no run brought none" if runs.at_zero is None else f"none after {runs.at_zero}"
    yield (
        f"In the order of answering, a run of {runs.run} {many} first brought 5 % or less of the "
        f"{runs.base_categories} categories of the first {runs.base} after {runs.at_five_percent}; {at_zero} (the "
        "rule of Guest, Namey and Chen 2020, which depends on that order)."
    )
