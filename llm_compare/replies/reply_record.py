"""One line of ``replies.jsonl`` as a recorded reply; ``reply_document`` writes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_compare.prompting.call import Settings
from llm_compare.prompting.labels import Labels, Option
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import (
    AnswerFormat,
    Framing,
    IndecisionOffer,
    IndecisionPlace,
    Marks,
    Paraphrase,
    Variant,
)
from llm_compare.replies.record import (
    LIST,
    MAYBE_LIST,
    MAYBE_NUMBER,
    MAYBE_TABLE,
    MAYBE_TEXT,
    MAYBE_WHOLE,
    TABLE,
    TEXT,
    WHOLE,
    YES_OR_NO,
    BadRecord,
    Kinds,
    checked,
    checked_items,
    word_of,
)
from llm_compare.replies.reply import RecordedReply, Reply
from llm_compare.replies.reply_parts import REPLY_PARTS, reply_of
from survey.answers import Choice
from survey.design import Attribute, Profile, make_profile

_VERSION_1: Mapping[str, Kinds] = {
    "request_key": TEXT,
    "repeat": WHOLE,
    "model": TEXT,
    "scripted": YES_OR_NO,
    "api_base": MAYBE_TEXT,
    "messages": LIST,
    "settings": TABLE,
    "template": TEXT,
    "labels": TABLE,
    "design_hash": TEXT,
    "arm": TEXT,
    "left": TABLE,
    "right": TABLE,
    "side_order": TEXT,
    "attribute_order": LIST,
    "indecision_offered": YES_OR_NO,
    "reply": MAYBE_TEXT,
    "outcome": TEXT,
    "choice": MAYBE_TEXT,
    "rule": TEXT,
    "parser": TEXT,
    "finish_reason": MAYBE_TEXT,
    "refusal": MAYBE_TEXT,
    "returned_model": MAYBE_TEXT,
    "system_fingerprint": MAYBE_TEXT,
    "tokens_in": MAYBE_WHOLE,
    "tokens_out": MAYBE_WHOLE,
    "cost_usd": MAYBE_NUMBER,
    "seconds": MAYBE_NUMBER,
    "seconds_missing": TEXT,
    "attempts": WHOLE,
    "asked_at": MAYBE_TEXT,
    "error": MAYBE_TABLE,
}
_VERSION_2: Mapping[str, Kinds] = {
    **_VERSION_1,
    "labels": LIST,
    "variant": TABLE,
    "language": TEXT,
    "sends_schema": YES_OR_NO,
    "shares": MAYBE_LIST,
    "tokens_reasoning": MAYBE_WHOLE,
    "reasoning": MAYBE_TEXT,
    "first_token": MAYBE_TABLE,
    "response": MAYBE_TEXT,
}
LINES: Mapping[int, Mapping[str, Kinds]] = {1: _VERSION_1, 2: _VERSION_2}
"""What stands in a line, by version of the format."""

_MESSAGE: Mapping[str, Kinds] = {"role": TEXT, "content": TEXT}
_SETTINGS: Mapping[str, Kinds] = {
    "temperature": MAYBE_NUMBER,
    "top_p": MAYBE_NUMBER,
    "max_tokens": MAYBE_WHOLE,
    "seed": MAYBE_WHOLE,
    "reasoning_effort": MAYBE_TEXT,
}
_LABELS_1: Mapping[str, Kinds] = {"left": TEXT, "right": TEXT, "indecision": MAYBE_TEXT}
_OPTION: Mapping[str, Kinds] = {"mark": TEXT, "name": TEXT, "choice": TEXT}
_PROFILE: Mapping[str, Kinds] = {"name": TEXT, "values": TABLE}
_VARIANT: Mapping[str, Kinds] = {
    "name": TEXT,
    "framing": TEXT,
    "persona": TEXT,
    "answer_format": TEXT,
    "indecision": TEXT,
    "language": TEXT,
    "paraphrase": MAYBE_TABLE,
    "marks": TEXT,
    "indecision_place": TEXT,
}
_PARAPHRASE: Mapping[str, Kinds] = {
    "name": TEXT,
    "introduction": TEXT,
    "instructions": TEXT,
    "question": TEXT,
}


class LineReader:
    """Reads the lines of one file. What lines have in common is made once."""

    def __init__(self, attributes: tuple[Attribute, ...], *, version: int) -> None:
        self._attributes = attributes
        self._version = version
        self._parts = LINES[version]
        self._known: dict[Any, Any] = {}

    def recorded(self, document: object) -> RecordedReply:
        """Return the reply that a line describes.

        Raises
        ------
        BadRecord
            A part is missing, unknown, of the wrong kind, or the request's key is not that of what was sent.
        survey.errors.BadProfile
            A patient is not one of the study.
        """
        line = checked(document, self._parts)
        request = Request(
            model=line["model"],
            api_base=line["api_base"],
            messages=tuple(self._message(m, i) for i, m in enumerate(line["messages"], start=1)),
            settings=self._once("settings", line["settings"], _settings),
            template=line["template"],
            labels=self._labels(line["labels"]),
            design_hash=line["design_hash"],
            arm=line["arm"],
            left=self._profile(line["left"], "left"),
            right=self._profile(line["right"], "right"),
            attribute_order=tuple(checked_items(line["attribute_order"], TEXT, "attribute_order")),
            indecision_offered=line["indecision_offered"],
            repeat=line["repeat"],
            variant=self._variant(line),
            language=line.get("language", ""),
            sends_schema=line.get("sends_schema", False),
        )
        if request.key != line["request_key"]:
            raise BadRecord(
                "request_key does not belong to what the line says was sent: it was changed after it was written"
            )
        return RecordedReply(request=request, reply=_reply(line))

    def _once(self, part: str, document: dict[str, Any], make: Any) -> Any:
        """Return what ``make`` makes of a small flat table, the same object for equal tables."""
        key = (part, *((name, type(value), value) for name, value in document.items()))
        try:
            return self._known[key]
        except (KeyError, TypeError):  # A value that is no key is of the wrong kind, and ``make`` complains.
            made = make(document)
        self._known[key] = made
        return made

    def _message(self, document: Any, number: int) -> Message:
        where = f"messages[{number}]"
        if type(document) is not dict:
            raise BadRecord(f"{where}: is not a table")

        def make(given: dict[str, Any]) -> Message:
            given = checked(given, _MESSAGE, where)
            return Message(role=word_of(Speaker, given["role"], f"{where}.role"), content=given["content"])

        return self._once("message", document, make)  # type: ignore[no-any-return]

    def _labels(self, document: Any) -> Labels:
        if self._version == 1:
            return self._once("labels", document, _labels_1)  # type: ignore[no-any-return]
        options = tuple(
            self._once(f"labels[{i}]", checked(option, _OPTION, f"labels[{i}]"), _option)
            for i, option in enumerate(document, start=1)
        )
        if options not in self._known:
            choices = [o.choice for o in options]
            if len(set(choices)) < len(choices) or not {Choice.LEFT, Choice.RIGHT} <= set(choices):
                raise BadRecord("labels: name left and right once each, and indecision at most once")
            self._known[options] = Labels(options=options)
        return self._known[options]  # type: ignore[no-any-return]

    def _profile(self, document: dict[str, Any], side: str) -> Profile:
        given = checked(document, _PROFILE, side)
        key = ("profile", given["name"], *((k, type(v), v) for k, v in given["values"].items()))
        try:
            return self._known[key]  # type: ignore[no-any-return]
        except (KeyError, TypeError):
            made = make_profile(self._attributes, given["values"], name=given["name"])
        self._known[key] = made
        return made

    def _variant(self, line: dict[str, Any]) -> Variant:
        if self._version == 1:
            return _BEFORE_VARIANTS
        document = checked(line["variant"], _VARIANT, "variant")
        other = document["paraphrase"]
        if other is not None:
            return _variant(document, Paraphrase(**checked(other, _PARAPHRASE, "variant.paraphrase")))
        return self._once("variant", document, _variant)  # type: ignore[no-any-return]


# Version 1 offered indecision last.
_BEFORE_VARIANTS = Variant(name="before variants", indecision_place=IndecisionPlace.LAST)


def _settings(given: dict[str, Any]) -> Settings:
    whole = dict.fromkeys(_SETTINGS) | given
    return Settings(**checked(whole, _SETTINGS, "settings"))


def _labels_1(given: dict[str, Any]) -> Labels:
    given = checked(given, _LABELS_1, "labels")
    return Labels.of(given["left"], given["right"], given["indecision"], place=IndecisionPlace.LAST)


def _option(given: dict[str, Any]) -> Option:
    choice = word_of(Choice, given["choice"], "labels.choice")
    return Option(mark=given["mark"], name=given["name"], choice=choice)


def _reply(line: dict[str, Any]) -> Reply:
    # Version 1 had fewer parts.
    return reply_of({name: line.get(name) for name in REPLY_PARTS} | {"content": line["reply"]})


def _variant(given: dict[str, Any], paraphrase: Paraphrase | None = None) -> Variant:
    return Variant(
        name=given["name"],
        framing=word_of(Framing, given["framing"], "variant.framing"),
        persona=given["persona"],
        answer_format=word_of(AnswerFormat, given["answer_format"], "variant.answer_format"),
        indecision=word_of(IndecisionOffer, given["indecision"], "variant.indecision"),
        language=given["language"],
        paraphrase=paraphrase,
        marks=word_of(Marks, given["marks"], "variant.marks"),
        indecision_place=word_of(IndecisionPlace, given["indecision_place"], "variant.indecision_place"),
    )
