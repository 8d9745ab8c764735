"""Which calls are made: every comparison, both sides, every variant, order and repeat. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import permutations

import numpy as np

from llm_compare.errors import CannotAsk
from llm_compare.prompting.call import Settings
from llm_compare.prompting.messages import Wording
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import AnswerFormat, Variant
from survey.answers import Answer, Presentation, Role
from survey.design import Arm, Comparison, StudyDesign, design_hash

MOST_ORDERS = 24
"""All orders of more than four attributes are too many to ask; draw some."""


class AttributeOrders(StrEnum):
    """In which orders the attributes are listed."""

    DESIGN = "design"
    """As the design lists them."""
    REVERSED = "reversed"
    """As the design lists them, and the other way round."""
    ROTATED = "rotated"
    """Every attribute first once, the others following as in the design."""
    ALL = "all"


def attribute_orders(design: StudyDesign, kind: AttributeOrders) -> tuple[tuple[str, ...], ...]:
    """Return the orders to ask in, the design's first.

    Raises
    ------
    CannotAsk
        All orders are wanted of more than four attributes.
    """
    own = tuple(a.name for a in design.attributes)
    if kind is AttributeOrders.DESIGN:
        return (own,)
    if kind is AttributeOrders.REVERSED:
        return tuple(dict.fromkeys((own, own[::-1])))
    if kind is AttributeOrders.ROTATED:
        return tuple(own[i:] + own[:i] for i in range(len(own)))
    found = tuple(permutations(own)) if len(own) <= 4 else ()
    if not found or len(found) > MOST_ORDERS:
        raise CannotAsk(
            f"{len(own)} attributes have too many orders to ask in all of them; ask in rotated or reversed order"
        )
    return found


def plan_requests(
    design: StudyDesign,
    comparisons: Iterable[Comparison],
    *,
    arm: Arm,
    model: str,
    settings: Settings,
    variants: Sequence[Variant] = (Variant(),),
    orders: Sequence[tuple[str, ...]] | None = None,
    repeats: int = 1,
    api_base: str | None = None,
    takes_schema: bool = False,
) -> tuple[Request, ...]:
    """Return every comparison in both side orders, in every variant and attribute order, ``repeats`` times.

    Both side orders are always asked: with one, a model's preference for a side could not be told from its
    preference for a profile. A design with fixed sides is no exception.

    Parameters
    ----------
    orders
        Attribute orders; None for the design's own.
    takes_schema
        Whether the model's provider takes a JSON schema for the answer; sent in variants that ask for JSON.

    Raises
    ------
    CannotAsk
        Fewer than one repeat; no variant, or two of the same name.
    """
    if repeats < 1:
        raise CannotAsk(f"repeats = {repeats}: ask at least once")
    names = [v.name for v in variants]
    if not names or len(set(names)) < len(names):
        raise CannotAsk(f"each variant needs a name of its own; there are {', '.join(names) or 'none'}")
    hashed = design_hash(design)
    wordings = [Wording.of(design, arm=arm, variant=variant) for variant in variants]
    shown_orders = orders or attribute_orders(design, AttributeOrders.DESIGN)
    return tuple(
        Request(
            model=model,
            api_base=api_base,
            messages=wording.messages(shown),
            settings=settings,
            template=wording.template,
            labels=wording.labels(shown),
            design_hash=hashed,
            arm=arm.name,
            left=shown.left,
            right=shown.right,
            attribute_order=shown.attribute_order,
            indecision_offered=shown.indecision_offered,
            repeat=repeat,
            variant=wording.variant,
            language=wording.language,
            sends_schema=takes_schema and wording.variant.answer_format is AnswerFormat.JSON,
        )
        for comparison in comparisons
        for wording in wordings
        for shown in _presentations(comparison, wording, shown_orders)
        for repeat in range(1, repeats + 1)
    )


def _presentations(
    comparison: Comparison, wording: Wording, orders: Sequence[tuple[str, ...]]
) -> Iterator[Presentation]:
    for order in orders:
        for left, right in (
            (comparison.first, comparison.second),
            (comparison.second, comparison.first),
        ):
            yield Presentation(
                left=left,
                right=right,
                attribute_order=order,
                indecision_offered=wording.indecision_offered,
                position=1,
            )


def comparisons_to_ask(
    design: StudyDesign, *, count: int | None, rng: np.random.Generator
) -> tuple[Comparison, ...]:
    """Return the design's comparisons: all where they can be listed, else ``count`` drawn ones.

    ``count`` defaults to what one respondent of a random design sees; for a listed design it draws so
    many of all.

    Raises
    ------
    CannotAsk
        The design has fewer comparisons than asked for.
    """
    every = design.comparisons()
    if every is not None:
        return every if count is None else drawn_from(every, count, rng)
    wanted = design.comparisons_per_respondent if count is None else count
    found = tuple(Comparison.of(one, other) for one, other in design.draw_pairs(wanted, rng))
    if len(found) < wanted:
        raise _too_few(len(found), wanted)
    return found


def comparisons_answered(answers: Iterable[Answer]) -> tuple[Comparison, ...]:
    """Return the different comparisons that were answered, attention checks left out, in order of appearance.

    Two equal profiles, shown on purpose or by chance, are no comparison.
    """
    return tuple(
        dict.fromkeys(a.comparison for a in answers if a.role is not Role.CHECK and a.left != a.right)
    )


def drawn_from(
    comparisons: Sequence[Comparison], count: int, rng: np.random.Generator
) -> tuple[Comparison, ...]:
    """Return ``count`` of the comparisons, each equally likely, in their order."""
    if count > len(comparisons):
        raise _too_few(len(comparisons), count)
    return tuple(comparisons[i] for i in sorted(rng.permutation(len(comparisons))[:count]))


def _too_few(available: int, wanted: int) -> CannotAsk:
    return CannotAsk(f"{wanted} comparisons asked for, but there are only {available}; ask for fewer")
