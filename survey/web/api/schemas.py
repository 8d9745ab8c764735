"""What the API takes and returns, as pydantic models; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from survey.tables import ParticipantState, StudyState

EXAMPLE_HASH = "82dc6dfc348ebb183b3bc6e4a91c09dbc2a496057b4ebb7a353209e048366063"


class YesNo(StrEnum):
    """Yes or no, as in the files."""

    YES = "yes"
    NO = "no"


class WantedState(StrEnum):
    """State that a study can be brought to."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class StudySummary(BaseModel):
    """A study in the list."""

    id: Annotated[int, Field(description="Names the study in the other calls.", examples=[1])]
    slug: Annotated[str, Field(description="Name in the participants' address.", examples=["kidney-8"])]
    version: Annotated[str, Field(description="As its design says.", examples=["1"])]
    title: Annotated[str, Field(examples=["Who should get the kidney?"])]
    state: Annotated[StudyState, Field(description="Whether it takes participants.")]
    wave: Annotated[int, Field(description="The wave that is asked now, from 1.", examples=[1])]
    design_hash: Annotated[
        str, Field(description="SHA-256 of the design, carried by every answer.", examples=[EXAMPLE_HASH])
    ]
    created_at: Annotated[datetime, Field(description="When the design was added, UTC.")]


class StudyList(BaseModel):
    """Studies, newest first."""

    studies: list[StudySummary]


class Study(StudySummary):
    """A study and where it stands."""

    participants_url: Annotated[str, Field(description="Where participants start once the study is open.")]
    people: Annotated[
        dict[str, int], Field(description="People by state, all waves; states with nobody are left out.")
    ]
    simulated: Annotated[dict[str, int], Field(description="Simulated participants by state.")]
    answers: Annotated[int, Field(description="Presentations that people have answered.")]
    suggestions: Annotated[
        int, Field(description="What people named to open questions here and did not take back.")
    ]


class ParticipantCount(BaseModel):
    """How many participants are alike in wave, arm and state."""

    wave: int
    arm: Annotated[str | None, Field(description="Empty until a participant is admitted.")]
    state: ParticipantState
    participants: int


class ParticipantCounts(BaseModel):
    """Participants counted by wave, arm and state. Nothing here tells who they are."""

    simulated: Annotated[bool, Field(description="Whether these are people or simulated participants.")]
    counts: list[ParticipantCount]


class StateChange(BaseModel):
    """The state that a study is to be in."""

    model_config = ConfigDict(extra="forbid")

    state: WantedState


class StudiesQuery(BaseModel):
    """Which studies to list."""

    model_config = ConfigDict(extra="forbid")

    slug: Annotated[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)] | None,
        Field(description="Only versions of this study.", examples=["kidney-8"]),
    ] = None


class SimulatedQuery(BaseModel):
    """Whether simulated participants are wanted."""

    model_config = ConfigDict(extra="forbid")

    simulated: Annotated[
        YesNo, Field(description="Also answers of simulated participants (respondents sim-...).")
    ] = YesNo.NO


class CountsQuery(BaseModel):
    """Whom to count."""

    model_config = ConfigDict(extra="forbid")

    simulated: Annotated[YesNo, Field(description="Simulated participants instead of people.")] = YesNo.NO


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: Annotated[str, Field(description="The status in words.", examples=["Unprocessable Content"])]
    status: Annotated[int, Field(description="The HTTP status.", examples=[422])]
    detail: Annotated[str, Field(description="What is wrong and what to do.")]
    complaints: Annotated[
        list[str] | None, Field(description="Every fault that was found, each with its place.")
    ] = None
