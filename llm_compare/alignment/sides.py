"""Which answers of people stand beside which of a model: same condition, same comparisons. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_compare.alignment.choices import Pairing, choices_of
from llm_compare.errors import NotComparable
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.replies.replies_file import ReplyFile
from llm_compare.replies.respondents import ReadReply, answers_in, read_replies_of
from survey.answers import Answer, AnswerSet, RespondentKind, Role
from survey.design import Attribute
from survey.errors import BadProfile

_CONDITION = {True: "with", False: "without"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSide:
    """One model's replies in one variant of the prompt."""

    label: str
    """Of the model; two files of one model have labels of their own."""
    model: str
    variant: Variant
    replies: tuple[ReadReply, ...]
    answers: tuple[Answer, ...]
    """Of the replies that are choices or indecisions."""
    shares: tuple[tuple[float, float, float] | None, ...]
    """Of each answer, how it is spread over left, right, indecision; None where it is not."""
    orders: tuple[tuple[str, ...], ...]
    """Of each answer, the order in which the attributes were shown."""

    def factors(self) -> dict[str, str]:
        """Return the level of every factor that may be varied: of the prompt, and of parameters sent with it."""
        settings = self.replies[0].recorded.request.settings.sent() if self.replies else {}
        return self.variant.factors() | {
            name: str(settings.get(name, "not sent")) for name in ("temperature", "top_p", "reasoning_effort")
        }

    @property
    def indecision_offered(self) -> bool:
        """Whether indecision was on offer; a variant asks with or without, never both."""
        return any(r.recorded.request.indecision_offered for r in self.replies)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """Everything that one model replied."""

    label: str
    file: ReplyFile
    sides: tuple[ModelSide, ...]
    """One per variant; the headline first: the one that asks as people are asked, or else the first."""

    @property
    def headline(self) -> ModelSide:
        """The variant that is compared with people."""
        return self.sides[0]

    @property
    def has_answers(self) -> bool:
        """Whether any reply of the headline is a choice; without one there is nothing to compare."""
        return bool(self.headline.answers)


def asked_models(files: Mapping[str, ReplyFile]) -> tuple[AskedModel, ...]:
    """Return the models of several reply files (label -> file), each split into its variants.

    Raises
    ------
    NotComparable
        The files are of different studies or versions of one.
    """
    hashes = {file.design_hash for file in files.values()}
    if len(hashes) > 1:
        raise NotComparable(
            "the replies were given to different studies or versions: "
            + ", ".join(f"{label} to {file.slug} ({file.design_hash[:12]})" for label, file in files.items())
            + "; compare them one study at a time"
        )
    return tuple(
        AskedModel(label=label, file=file, sides=_sides(label, file)) for label, file in files.items()
    )


def _sides(label: str, file: ReplyFile) -> tuple[ModelSide, ...]:
    by_variant: dict[Variant, list[ReadReply]] = {}
    for reply in read_replies_of(file.replies):
        by_variant.setdefault(reply.recorded.request.variant, []).append(reply)
    # Stable: of several that ask as people, the first in the file is the headline.
    ordered = sorted(by_variant, key=_distance_from_people) or [Variant()]
    return tuple(_side(label, file, variant, by_variant.get(variant, [])) for variant in ordered)


def _distance_from_people(variant: Variant) -> int:
    as_people = variant.asks_as_people and not variant.answer_format.brings_shares
    return 0 if as_people and variant.answer_format is AnswerFormat.LETTER else 1 if as_people else 2


def _side(label: str, file: ReplyFile, variant: Variant, replies: Sequence[ReadReply]) -> ModelSide:
    answered = [reply for reply in replies if reply.parsed.choice is not None]
    found = answers_in(answered, file.attributes, source=f"replies of {label}")
    return ModelSide(
        label=label,
        model=file.model,
        variant=variant,
        replies=tuple(replies),
        answers=tuple(found.answers),
        shares=tuple(reply.parsed.shares for reply in answered),
        orders=tuple(reply.recorded.request.attribute_order for reply in answered),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The people's answers under one condition: with indecision on offer, or without."""

    answers: tuple[Answer, ...]
    attributes: tuple[Attribute, ...]
    """As the model's design describes them, so that its reference levels serve both sides."""
    source: str
    indecision_offered: bool
    notes: tuple[str, ...]
    """What was left out, in words."""


def people_under(
    people: AnswerSet, attributes: Sequence[Attribute], *, indecision_offered: bool, design_hash: str
) -> People:
    """Return the people's main answers given with indecision on offer, or without.

    Answers of models among them are left out, and said so.

    Raises
    ------
    NotComparable
        People were shown other attributes or levels, or never under this condition.
    """
    if [a.name for a in people.attributes] != [a.name for a in attributes]:
        raise NotComparable(
            f"the people's answers ({people.source}) describe patients by "
            f"{', '.join(a.name for a in people.attributes)}, the model's by "
            f"{', '.join(a.name for a in attributes)}; ask the model with the people's study design"
        )
    main = [a for a in people.answers if a.role is Role.MAIN]
    persons = [a for a in main if a.kind is RespondentKind.HUMAN]
    kept = [a for a in persons if a.indecision_offered is indecision_offered]
    condition = _CONDITION[indecision_offered]
    if not kept:
        raise NotComparable(
            f"{people.source}: no answers of people were given {condition} indecision on offer, as the model's "
            "were; ask the model under the people's condition (--arm)"
        )
    notes = []
    if of_models := len(main) - len(persons):
        notes.append(f"{of_models} answers of models among the people's are left out")
    if others := len(persons) - len(kept):
        notes.append(
            f"{others} of the people's answers were not given {condition} indecision on offer and are left out"
        )
    _check_values(people.source, kept, attributes)
    hashes = {a.design_hash for a in kept} | {design_hash}
    if len(hashes) > 1:
        notes.append(
            "the answers were collected under different versions of the design "
            f"({', '.join(sorted(h[:12] or 'unknown' for h in hashes))}); their words may differ"
        )
    return People(
        answers=tuple(kept),
        attributes=tuple(attributes),
        source=people.source,
        indecision_offered=indecision_offered,
        notes=tuple(notes),
    )


def pairing_of(people: People, side: ModelSide) -> Pairing | None:
    """Return both sides on the comparisons that both answered, or None where there is none."""
    theirs = {a.comparison for a in side.answers if a.left != a.right}
    common = tuple(dict.fromkeys(a.comparison for a in people.answers if a.comparison in theirs))
    if not common:
        return None
    return Pairing(
        attributes=people.attributes,
        people=choices_of(people.answers, label="people", comparisons=common),
        model=choices_of(
            side.answers, label=side.label, comparisons=common, shares=side.shares, orders=side.orders
        ),
    )


def _check_values(source: str, answers: Sequence[Answer], attributes: Sequence[Attribute]) -> None:
    for profile in {p for a in answers for p in (a.left, a.right)}:
        for attribute in attributes:
            try:
                attribute.checked(profile[attribute.name])
            except BadProfile as error:
                raise NotComparable(
                    f"{source}: {error}, according to the design the model was asked with"
                ) from None
