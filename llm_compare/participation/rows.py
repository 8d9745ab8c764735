"""Rows of models that took a study, made from the domain's objects and read back as them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from llm_compare.errors import CannotTake
from llm_compare.participation.model_participant import (
    Group,
    ModelParticipant,
    Shown,
    variant_of,
    variant_record,
)
from llm_compare.participation.tables import ModelParticipantRow, ModelPresentationRow
from llm_compare.prompting.call import Settings
from llm_compare.prompting.labels import Labels, Option
from llm_compare.prompting.messages import Message, Speaker
from survey.answers import Choice, Presentation, Role
from survey.design import StudyDesign


def participant_row(study_id: int, participant: ModelParticipant) -> ModelParticipantRow:
    """Return the row of a respondent, without its comparisons."""
    group = participant.group
    return ModelParticipantRow(
        study_id=study_id,
        design_hash=group.design_hash,
        respondent=participant.respondent,
        model=group.model,
        label=group.label,
        api_base=group.api_base,
        settings=group.settings.sent(),
        variant=variant_record(group.variant),
        arm=group.arm,
        group_key=group.key,
        seed=group.seed,
        number=participant.number,
        created_at=participant.created_at,
    )


def presentation_row(row: ModelParticipantRow, shown: Shown, key: str) -> ModelPresentationRow:
    """Return the row of a comparison drawn for the respondent in ``row``, which has its id."""
    presentation = shown.presentation
    return ModelPresentationRow(
        model_participant_id=row.id,
        position=presentation.position,
        left_values=presentation.left.as_dict(),
        right_values=presentation.right.as_dict(),
        attribute_order=list(presentation.attribute_order),
        indecision_offered=presentation.indecision_offered,
        role=presentation.role.value,
        draw_rule=presentation.draw_rule,
        draw_probability=presentation.draw_probability,
        expected=None if presentation.expected is None else presentation.expected.value,
        repeat_of=presentation.repeat_of,
        note=presentation.note,
        highlighted=presentation.highlighted,
        messages=[{"role": m.role.value, "content": m.content} for m in shown.messages],
        labels=[asdict(option) for option in shown.labels.options],
        template=shown.template,
        language=shown.language,
        request_key=key,
        repeat=shown.repeat,
    )


def participant_of(
    design: StudyDesign, row: ModelParticipantRow, shown: Sequence[ModelPresentationRow]
) -> ModelParticipant:
    """Return a stored respondent with its comparisons.

    Raises
    ------
    CannotTake
        What is sent is no longer what was recorded with the respondent.
    """
    participant = ModelParticipant(
        respondent=row.respondent,
        group=Group(
            model=row.model,
            api_base=row.api_base,
            label=row.label,
            settings=Settings(**{"max_tokens": None, **row.settings}),
            variant=variant_of(row.variant),
            arm=row.arm,
            design_hash=row.design_hash,
            seed=row.seed,
        ),
        number=row.number,
        created_at=row.created_at,
        shown=tuple(_shown(design, one) for one in shown),
    )
    for stored, request in zip(shown, participant.requests(), strict=True):
        if stored.request_key != request.key:
            raise CannotTake(
                f"respondent {row.respondent}, position {stored.position}: this version would not send what was "
                "recorded when the respondent was added, so its reply cannot be found; read it with the version "
                "that added it"
            )
    return participant


def _shown(design: StudyDesign, row: ModelPresentationRow) -> Shown:
    return Shown(
        presentation=Presentation(
            left=design.profile(row.left_values),
            right=design.profile(row.right_values),
            attribute_order=tuple(row.attribute_order),
            indecision_offered=row.indecision_offered,
            position=row.position,
            role=Role(row.role),
            draw_rule=row.draw_rule,
            draw_probability=row.draw_probability,
            expected=None if row.expected is None else Choice(row.expected),
            repeat_of=row.repeat_of,
            note=row.note,
            highlighted=row.highlighted,
        ),
        messages=tuple(Message(role=Speaker(m["role"]), content=m["content"]) for m in row.messages),
        labels=Labels(
            options=tuple(
                Option(mark=o["mark"], name=o["name"], choice=Choice(o["choice"])) for o in row.labels
            )
        ),
        template=row.template,
        language=row.language,
        repeat=row.repeat,
    )
