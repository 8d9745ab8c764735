"""The tables [suggestions] and [acceptability] of ``design.toml``, and where attributes came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from survey.acceptability import Acceptability, RatedAttribute
from survey.design_file.complaints import Complain
from survey.design_file.fields import MOST_COUNTED, MaybeText, Name, Table, Text, names_differ
from survey.suggestions import OpenQuestion, Stance, SuggestionsAsked

# A page with more is rated by nobody with care.
_MOST_RATED = 60
# Names of several categories, which make one attribute together.
_LONGEST_CATEGORIES = 1_000
_COMPARISONS = ("attributes", "profiles", "comparisons")
_AROUND_COMPARISONS = ("display", "roles", "indecision", "arms", "practice", "comprehension", "choose_one")
_WORDS_OF_COMPARISONS = ("instructions", "question", "left", "right", "instructed")
_RULES_ABOUT_COMPARISONS = (
    "failed_checks_above",
    "dominated_against_above",
    "median_seconds_below",
    "same_side_above",
    "repeats_changed_above",
    "comprehension_failed",
)
_NEEDS_COMPARISONS = (
    "has no meaning without comparisons; remove it, or add attributes, profiles and comparisons"
)
_Count = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
# Of a question that nobody was asked nothing is said, rather than 0 of 0.
_Asked = Annotated[int, Field(ge=1, le=MOST_COUNTED)]


class OpenQuestionTable(Table):
    """[suggestions.should] or [suggestions.should_not]."""

    question: Text
    explanation: MaybeText = ""
    label: Text
    why_label: MaybeText = ""
    direction_label: MaybeText = ""


class SuggestionsTable(Table):
    """[suggestions]."""

    order: Literal["should_first", "should_not_first", "random"] = "should_first"
    should: OpenQuestionTable | None = None
    should_not: OpenQuestionTable | None = None

    @model_validator(mode="after")
    def _something_is_asked(self) -> Self:
        if self.should is None and self.should_not is None:
            raise ValueError(
                "asks nothing; add [suggestions.should], [suggestions.should_not], or best both of them"
            )
        if (self.should is None or self.should_not is None) and self.order != "should_first":
            raise ValueError("order has no meaning with a single question; remove it or add the other one")
        return self


class RatedAttributeTable(Table):
    """[[acceptability.attributes]]."""

    name: Name
    label: Text
    explanation: MaybeText = ""


class AcceptabilityTable(Table):
    """[acceptability]."""

    question: Text
    explanation: MaybeText = ""
    acceptable: Text = "Acceptable"
    not_acceptable: Text = "Not acceptable"
    cannot_say: Text = "I cannot say"
    ranked: Annotated[int, Field(ge=0, le=_MOST_RATED)] = 0
    ranking_question: Text = ""
    ranking_explanation: MaybeText = ""
    attributes: Annotated[list[RatedAttributeTable], Field(min_length=1, max_length=_MOST_RATED)]

    @model_validator(mode="after")
    def _ranking_can_be_done(self) -> Self:
        names_differ([attribute.name for attribute in self.attributes], "attribute")
        if self.ranked > len(self.attributes):
            raise ValueError(f"ranked = {self.ranked}, but there are only {len(self.attributes)} attributes")
        if self.ranked == 1:
            raise ValueError("ranked = 1 is no ranking; ask for at least two, or for none with ranked = 0")
        if self.ranked and not self.ranking_question:
            raise ValueError("ranked needs a ranking_question, e.g. 'Which of them matter most?'")
        if not self.ranked and (self.ranking_question or self.ranking_explanation):
            raise ValueError("a ranking's words have no meaning with ranked = 0; set it or remove them")
        return self


class OriginTable(Table):
    """[attributes.origin]: where an attribute came from."""

    study: Text
    coding_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    category: Annotated[str, Field(min_length=1, max_length=_LONGEST_CATEGORIES)]
    mentions: _Count
    asked_for: _Asked | None = None
    for_people: _Count | None = None
    asked_against: _Asked | None = None
    against_people: _Count | None = None

    @model_validator(mode="after")
    def _people_are_of_those_asked(self) -> Self:
        for people_key, asked_key in (("for_people", "asked_for"), ("against_people", "asked_against")):
            people, asked = getattr(self, people_key), getattr(self, asked_key)
            if (people is None) != (asked is None):
                given, missing = (people_key, asked_key) if asked is None else (asked_key, people_key)
                raise ValueError(
                    f"{given} needs {missing}, too; where nobody was asked that question, leave out both"
                )
            if people is not None and people > asked:
                raise ValueError(
                    f"{people_key} = {people} is more than the {asked} who were asked ({asked_key})"
                )
        named_for, named_against = self.for_people or 0, self.against_people or 0
        if named_for + named_against > self.mentions:
            raise ValueError(
                f"{named_for} people for and {named_against} against cannot have made only "
                f"{self.mentions} mentions"
            )
        if self.mentions and not named_for + named_against:
            raise ValueError(
                f"mentions = {self.mentions}, but for_people and against_people say that nobody made them"
            )
        return self


def suggestions_from(table: SuggestionsTable) -> SuggestionsAsked:
    """Return the domain's object."""
    tables = {Stance.SHOULD: table.should, Stance.SHOULD_NOT: table.should_not}
    if table.order == "should_not_first":
        tables = dict(reversed(tables.items()))
    return SuggestionsAsked(
        questions=tuple(
            OpenQuestion(stance=stance, **asked.model_dump()) for stance, asked in tables.items() if asked
        ),
        shuffled=table.order == "random",
    )


def acceptability_from(table: AcceptabilityTable) -> Acceptability:
    """Return the domain's object."""
    return Acceptability(
        **table.model_dump(exclude={"attributes"}),
        attributes=tuple(RatedAttribute(**attribute.model_dump()) for attribute in table.attributes),
    )


def speaks_of_comparisons(document: Mapping[str, object]) -> bool:
    """Return whether a file is to be read as a study with comparisons: it names a part of them, or it does not ask
    for attributes either."""
    return any(name in document for name in _COMPARISONS) or not (
        "suggestions" in document or "acceptability" in document
    )


def check_without_comparisons(document: Mapping[str, object], complain: Complain) -> None:
    """Complain of each table and key that a study without comparisons cannot have."""
    for name in _AROUND_COMPARISONS:
        if name in document:
            complain((name,), _NEEDS_COMPARISONS)
    for table, keys in (
        ("texts", _WORDS_OF_COMPARISONS),
        ("exclusions", _RULES_ABOUT_COMPARISONS),
        ("waves", ("comparisons",)),
    ):
        given = document.get(table)
        if isinstance(given, dict):
            for key in keys:
                if key in given:
                    complain((table, key), _NEEDS_COMPARISONS)
    waves, planned = document.get("waves"), document.get("preregistration")
    if "acceptability" not in document and isinstance(waves, dict) and waves.get("count", 1) != 1:
        complain(
            ("waves", "count"),
            "asks nothing in later waves: open questions are asked of each person once; remove it, or add "
            "[acceptability]",
        )
    analysis = planned.get("analysis") if isinstance(planned, dict) else None
    if isinstance(analysis, str) and analysis.split()[:1] == ["estimate"]:
        complain(
            ("preregistration", "analysis"),
            "estimates from comparisons, and there are none; remove it, or name another command, e.g. "
            "'survey coding results SLUG --out results.json'",
        )
