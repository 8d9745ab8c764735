"""Which comparisons a respondent sees, in which order, on which side. Pure; takes the random generator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from survey.answers import Choice, Presentation, Role
from survey.design import Arm, AttributeOrder, Comparison, ComparisonKind, Highlight, Profile, StudyDesign
from survey.pairing.adaptive import draw_adaptive
from survey.pairing.comparisons import NOTHING_ASKED, Asked, Drawn, Ints, Pairs, draw_comparisons, pairs_of
from survey.pairing.roles import Place, draw_places, draw_repeat, draw_role
from survey.pairing.sides import draw_next_sides, draw_sides


def presentation_count(design: StudyDesign) -> int:
    """Return how many comparisons a respondent sees in one wave, the practice left out."""
    return design.comparisons_per_respondent + design.roles.count


def draw_presentations(
    design: StudyDesign, arm: Arm, rng: np.random.Generator, *, asked: Asked = NOTHING_ASKED
) -> tuple[Presentation, ...]:
    """Draw everything that is drawn when a participant is admitted, in order of position.

    A practice, if the design has one, stands at position 0; main comparisons and other roles stand at positions 1
    to :func:`presentation_count`. Of an adaptive design main comparisons and repeats are left out, and
    :func:`draw_next` draws each when it is reached. How comparisons are drawn: ``comparisons``; sides: ``sides``;
    other roles and their places: ``roles``.

    Parameters
    ----------
    asked
        What the study has asked so far; only a balanced design looks at it.

    Raises
    ------
    BadDesign
        The design asks for more comparisons than there are, or for repeats that cannot be far enough from what they
        repeat; the design file refuses both.
    """
    if design.comparison_kind is ComparisonKind.ADAPTIVE:
        plan = _plan(design, arm, rng)
        return _with_roles(design, plan, [], rng)
    drawn = draw_comparisons(design, rng, asked=asked)
    sided = draw_sides(design.sides, [d.pair for d in drawn], rng)
    return _with_roles(
        design, _plan(design, arm, rng), [_sided(d, s) for d, s in zip(drawn, sided, strict=True)], rng
    )


def draw_next(
    design: StudyDesign,
    arm: Arm,
    position: int,
    *,
    seen: Sequence[tuple[Presentation, Choice | None]],
    asked: Asked,
    answers_so_far: int,
    rng: np.random.Generator,
    slots_rng: np.random.Generator,
) -> Presentation:
    """Draw the main comparison or repeat at ``position`` of an adaptive design.

    Parameters
    ----------
    seen
        Every presentation drawn for this respondent in this wave, shown or not yet, with its answer.
    asked
        The study's main comparisons so far, this respondent's included.
    answers_so_far
        Answers to main comparisons in the whole study.
    slots_rng
        A fresh generator seeded like the one :func:`draw_presentations` was given for this respondent: which
        position holds which role is drawn first from it, so it comes out the same again.

    Raises
    ------
    ValueError
        The design is not adaptive, the position holds no main comparison or repeat, ``seen`` lacks an earlier
        position, or ``seen`` does not fit the roles that ``slots_rng`` puts at its positions.
    """
    if design.comparison_kind is not ComparisonKind.ADAPTIVE:
        raise ValueError(f"study '{design.slug}' is not adaptive; draw_presentations has drawn all of it")
    plan = _plan(design, arm, slots_rng)
    before = [presentation for presentation, _ in seen]
    _check(plan, position, before)
    if before:
        plan = replace(plan, attribute_order=before[0].attribute_order, highlighted=before[0].highlighted)
    if plan.places[position - 1].role is Role.REPEAT:
        return _repeat(design, plan, position, before, rng)

    pairs = pairs_of(design)
    mains = [p for p in before if p.role is Role.MAIN]
    drawn = draw_adaptive(
        pairs,
        design.adaptive,
        rng,
        asked=asked,
        answers_so_far=answers_so_far,
        own=_places_of(pairs, (p.comparison for p in mains)),
        other_roles=_places_of(pairs, _comparisons(p for p in before if p.role is not Role.MAIN)),
    )
    left, right = draw_next_sides(
        design.sides,
        Comparison.of(*drawn.pair),
        [(p.left, p.right) for p in mains],
        design.comparisons_per_respondent,
        rng,
    )
    return plan.presentation(
        design,
        left,
        right,
        rng,
        position=position,
        draw_rule=drawn.rule,
        draw_probability=drawn.probability,
    )


def redraw_presentations(
    design: StudyDesign, arm: Arm, earlier: Sequence[Presentation], rng: np.random.Generator
) -> tuple[Presentation, ...]:
    """Draw a later wave with the same main comparisons, shuffled; sides and other roles are drawn anew.

    The respondent keeps the attribute order, and the highlighting where it was drawn per respondent. Practice and
    positions are as :func:`draw_presentations` gives them, of adaptive designs, too: here everything is known.

    Parameters
    ----------
    earlier
        The respondent's presentations in an earlier wave.

    Raises
    ------
    ValueError
        ``earlier`` lacks main comparisons: an adaptive wave that was not finished.
    """
    mains = [p for p in sorted(earlier, key=lambda p: p.position) if p.role is Role.MAIN]
    wanted = design.comparisons_per_respondent
    if len(mains) != wanted:
        raise ValueError(
            f"the earlier wave holds {len(mains)} main comparisons and the design has {wanted}; "
            "only a wave that was drawn to its end can be asked again"
        )
    drawn = [
        Drawn(
            pair=(mains[i].left, mains[i].right),
            rule=f"the {wanted} comparisons of an earlier wave, shuffled",
            probability=1 / (wanted - already),
        )
        for already, i in enumerate(rng.permutation(wanted))
    ]
    sided = draw_sides(design.sides, [d.pair for d in drawn], rng)
    plan = _plan(design, arm, rng)
    if design.attribute_order is AttributeOrder.PER_RESPONDENT:
        plan = replace(plan, attribute_order=mains[0].attribute_order)
    if _highlight(design, arm) is Highlight.RANDOM:
        plan = replace(plan, highlighted=mains[0].highlighted)
    return _with_roles(design, plan, [_sided(d, s) for d, s in zip(drawn, sided, strict=True)], rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What holds for all presentations of a respondent in a wave."""

    places: tuple[Place, ...]
    attribute_order: tuple[str, ...]
    highlighted: bool
    indecision_offered: bool

    def presentation(
        self,
        design: StudyDesign,
        left: Profile,
        right: Profile,
        rng: np.random.Generator,
        *,
        position: int,
        draw_rule: str,
        draw_probability: float | None,
        role: Role = Role.MAIN,
        expected: Choice | None = None,
        note: str = "",
    ) -> Presentation:
        per_comparison = design.attribute_order is AttributeOrder.PER_COMPARISON
        return Presentation(
            left=left,
            right=right,
            attribute_order=_attribute_order(design, rng) if per_comparison else self.attribute_order,
            indecision_offered=self.indecision_offered,
            position=position,
            role=role,
            draw_rule=draw_rule,
            draw_probability=draw_probability,
            expected=expected,
            note=note,
            highlighted=self.highlighted,
        )


def _plan(design: StudyDesign, arm: Arm, rng: np.random.Generator) -> _Plan:
    # Without other roles and random highlighting nothing but the attribute order is drawn here, after the
    # comparisons and their sides: published figures depend on what a seed draws.
    places = draw_places(design.roles, design.comparisons_per_respondent, rng)
    highlight = _highlight(design, arm)
    highlighted = rng.random() < 0.5 if highlight is Highlight.RANDOM else highlight is Highlight.ON
    return _Plan(
        places=places,
        attribute_order=_attribute_order(design, rng),
        highlighted=highlighted,
        indecision_offered=arm.indecision_offered,
    )


def _highlight(design: StudyDesign, arm: Arm) -> Highlight:
    return design.highlight if arm.highlight is None else arm.highlight


def _attribute_order(design: StudyDesign, rng: np.random.Generator) -> tuple[str, ...]:
    names = [a.name for a in design.attributes]
    if design.attribute_order is AttributeOrder.FIXED:
        return tuple(names)
    return tuple(names[i] for i in rng.permutation(len(names)))


def _sided(drawn: Drawn, sides: tuple[Profile, Profile]) -> Drawn:
    return replace(drawn, pair=sides)


def _with_roles(
    design: StudyDesign, plan: _Plan, mains: Sequence[Drawn], rng: np.random.Generator
) -> tuple[Presentation, ...]:
    """Return practice, ``mains`` (left, right) and other roles; without mains no repeats either."""
    main_positions = [place.position for place in plan.places if place.role is Role.MAIN]
    shown = [
        plan.presentation(
            design,
            *drawn.pair,
            rng,
            position=position,
            draw_rule=drawn.rule,
            draw_probability=drawn.probability,
        )
        for position, drawn in zip(main_positions, mains, strict=False)
    ]
    if design.practice is not None:
        shown.append(
            plan.presentation(
                design,
                *design.practice,
                rng,
                position=0,
                role=Role.PRACTICE,
                draw_rule="practice",
                draw_probability=None,
            )
        )
    avoid = _comparisons(shown)
    avoid |= {
        Comparison.of(check.left, check.right) for check in design.roles.checks if check.left != check.right
    }
    identical: set[Profile] = set()
    for place in plan.places:
        if place.role is Role.MAIN or (place.role is Role.REPEAT and not mains):
            continue
        if place.role is Role.REPEAT:
            shown.append(_repeat(design, plan, place.position, shown, rng))
            continue
        drawn = draw_role(design, place, rng, avoid=avoid, identical=identical)
        if drawn.left == drawn.right:
            identical.add(drawn.left)
        else:
            avoid.add(Comparison.of(drawn.left, drawn.right))
        shown.append(
            plan.presentation(
                design,
                drawn.left,
                drawn.right,
                rng,
                position=place.position,
                role=place.role,
                draw_rule=drawn.rule,
                draw_probability=drawn.probability,
                expected=drawn.expected,
                note=drawn.note,
            )
        )
    return tuple(sorted(shown, key=lambda p: p.position))


def _repeat(
    design: StudyDesign, plan: _Plan, position: int, before: Sequence[Presentation], rng: np.random.Generator
) -> Presentation:
    original, probability = draw_repeat(design.roles, position, before, rng)
    # Nothing but the sides changes: the attribute order is the original's even where each comparison has its own.
    return replace(
        original,
        left=original.right,
        right=original.left,
        position=position,
        role=Role.REPEAT,
        repeat_of=original.position,
        draw_rule=f"designed role: any main comparison at least {design.roles.repeat_gap} comparisons back and not "
        "repeated yet, sides exchanged",
        draw_probability=probability,
    )


def _comparisons(presentations: Iterable[Presentation]) -> set[Comparison]:
    return {p.comparison for p in presentations if p.left != p.right}


def _places_of(pairs: Pairs, comparisons: Iterable[Comparison]) -> Ints:
    # A listed check or the practice may show profiles that the design does not draw.
    found = [pairs.place[c] for c in comparisons if c in pairs.place]
    return np.array(sorted(found), dtype=np.int64)


def _check(plan: _Plan, position: int, before: Sequence[Presentation]) -> None:
    """Raise unless ``position`` is to be drawn now and ``before`` fits the plan."""
    if not 1 <= position <= len(plan.places):
        raise ValueError(f"position {position} is none of the {len(plan.places)} of a respondent")
    place = plan.places[position - 1]
    if place.role not in (Role.MAIN, Role.REPEAT):
        raise ValueError(f"position {position} holds a {place.role} comparison, drawn with the admission")
    planned = {0: Role.PRACTICE} | {p.position: p.role for p in plan.places}
    for presentation in before:
        if presentation.role is not planned.get(presentation.position):
            raise ValueError(
                f"position {presentation.position} was drawn as {presentation.role}, but this seed puts "
                f"{planned.get(presentation.position)} there; slots_rng must be seeded as for draw_presentations"
            )
    missing = set(range(1, position)) - {p.position for p in before}
    if missing:
        raise ValueError(f"positions {sorted(missing)} come before {position} and must be among those seen")
