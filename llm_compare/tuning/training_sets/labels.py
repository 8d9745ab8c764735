"""From people's answers to what a model shall say: every answer, shares, or what most people said. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_compare.errors import CannotTune
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.request import Request, SideOrder
from llm_compare.prompting.variant import Variant
from llm_compare.tuning.training_sets.example import Example, Target, said
from llm_compare.tuning.training_sets.held_out import comparison_key
from survey.answers import Answer, Choice
from survey.design import Arm, Comparison, StudyDesign


class LabelKind(StrEnum):
    """What one example stands for."""

    ANSWERS = "answers"
    """One person's answer to a comparison."""
    SHARES = "shares"
    """Everybody's answers to a comparison, as shares."""
    MAJORITY = "majority"
    """What most people answered to a comparison, as if all had. Erases disagreement and most indecision."""


class Sides(StrEnum):
    """From which sides a model is shown a comparison."""

    BOTH = "both"
    """Both ways round, whichever people saw."""
    AS_SHOWN = "as-shown"
    """As the people saw it who answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a sample counts as one: an answer, or a comparison."""

    examples: tuple[Example, ...]
    """One per side order in which it is shown."""
    n_answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Everything there is to train on, in an order that says nothing about who answered."""

    units: tuple[Unit, ...]
    n_answers: int
    """People's answers, those to comparisons without a majority included."""
    n_indecisions: int
    """Among them."""
    n_tied: int
    """Comparisons left out because no answer was the most frequent."""

    @property
    def indecision_of_answers(self) -> float:
        """Share of people's answers that are indecision."""
        return self.n_indecisions / self.n_answers

    @property
    def indecision_of_labels(self) -> float:
        """Share of what a model is shown that is indecision, every example counting alike."""
        shares = [e.shares().get(Choice.INDECISION, 0.0) for unit in self.units for e in unit.examples]
        return sum(shares) / len(shares)


def examples_of(
    answers: Sequence[Answer],
    design: StudyDesign,
    arm: Arm,
    variant: Variant,
    labels: LabelKind,
    sides: Sides,
    group: str = "",
) -> Labelled:
    """Label the comparisons of some answers; prompts are word for word those of ``compare ask``.

    Raises
    ------
    CannotTune
        There are no answers, none of the comparisons has a majority, or people's answers do not tell what the
        variant's format asks for.
    """
    by_key: dict[str, list[Answer]] = {}
    for answer in answers:
        by_key.setdefault(comparison_key(answer.comparison), []).append(answer)
    keys = sorted(by_key)
    if not keys:
        raise CannotTune("there are no answers to train on")
    prompts = _prompts([by_key[key][0].comparison for key in keys], design, arm, variant)
    units: list[Unit] = []
    n_tied = 0
    for key, both_ways in zip(keys, prompts, strict=True):
        for together in _units_of(by_key[key], labels):
            examples = tuple(
                example
                for request in both_ways
                if (seen := _seen(together, request, sides))
                and (example := _example(request, seen, labels, group)) is not None
            )
            if examples:
                units.append(Unit(examples=examples, n_answers=len(together)))
            else:
                n_tied += 1
    if not units:
        raise CannotTune(
            "in no comparison did most people give the same answer; use --labels shares or answers"
        )
    return Labelled(
        units=tuple(units),
        n_answers=len(answers),
        n_indecisions=sum(a.choice is Choice.INDECISION for a in answers),
        n_tied=n_tied,
    )


def _prompts(
    comparisons: Sequence[Comparison], design: StudyDesign, arm: Arm, variant: Variant
) -> Iterator[tuple[Request, ...]]:
    """Return the two requests of each comparison, the first profile on the left first."""
    # A request names a model; its messages do not depend on which.
    requests = plan_requests(
        design, comparisons, arm=arm, model="openai/any", settings=Settings(), variants=(variant,)
    )
    return zip(requests[::2], requests[1::2], strict=True)


def _units_of(answers: Sequence[Answer], labels: LabelKind) -> Sequence[Sequence[Answer]]:
    if labels is not LabelKind.ANSWERS:
        return [answers]
    # Equal answers in whichever order are equal examples, so this order tells of nobody.
    return [[a] for a in sorted(answers, key=lambda a: (_side_order(a), a.choice))]


def _seen(answers: Sequence[Answer], request: Request, sides: Sides) -> Sequence[Choice]:
    """Return what was answered, the sides as in the request; only by those who saw it so, if that is wanted."""
    order = request.side_order
    return [
        a.choice if _side_order(a) is order else a.choice.mirrored
        for a in answers
        if sides is Sides.BOTH or _side_order(a) is order
    ]


def _side_order(answer: Answer) -> SideOrder:
    first_left = answer.comparison.first == answer.left
    return SideOrder.FIRST_LEFT if first_left else SideOrder.SECOND_LEFT


def _example(request: Request, seen: Sequence[Choice], labels: LabelKind, group: str) -> Example | None:
    """Return the example, or None where the majority is wanted and there is none."""
    counts = Counter(seen)
    offered = [choice for _, _, choice in request.labels.offered()]
    shares = {choice: counts[choice] / len(seen) for choice in offered}
    if labels is LabelKind.MAJORITY:
        most = max(counts.values())
        winners = [choice for choice in offered if counts[choice] == most]
        if len(winners) > 1:
            return None
        shares = {choice: float(choice is winners[0]) for choice in offered}
    return Example(
        messages=request.messages,
        targets=tuple(
            Target(
                choice=choice,
                text=said(request.labels, choice, request.variant.answer_format),
                share=shares[choice],
                n=counts[choice],
            )
            for choice in offered
        ),
        left=request.left,
        right=request.right,
        side_order=request.side_order,
        group=group,
    )
