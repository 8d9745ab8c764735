"""Read a served survey page the way a participant does: forms, buttons, questions, the comparison table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TypeAlias

from survey.answers import Choice
from survey.design import Attribute, Profile, StudyDesign, Value
from survey.errors import SurveyError
from survey.suggestions import OpenQuestion
from survey.wording import value_words

Sent: TypeAlias = dict[str, str | list[str]]
"""Field name -> what is sent for it."""


class UnexpectedPage(SurveyError):
    """The survey served something that a participant could not act on; the message quotes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """Something that sends a form when pressed."""

    name: str
    value: str
    words: str


@dataclass(slots=True)
class Form:
    """A form as a browser would send it."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    """Hidden inputs."""
    buttons: list[Button] = field(default_factory=list)
    asked: dict[str, list[str]] = field(default_factory=dict)
    """Name of each question -> values of its radio buttons, boxes or list, in order."""
    written: set[str] = field(default_factory=set)
    """Names of the questions that take a written answer."""

    def sent_with(
        self, value: str | None = None, filled_in: Mapping[str, Sequence[str]] | None = None
    ) -> Sent:
        """Return what is sent when the button of this value (by default the first one) is pressed.

        Raises
        ------
        UnexpectedPage
            The form has no such button, or no field for something that is filled in.
        """
        sent: Sent = dict(self.fields)
        for name, answers in (filled_in or {}).items():
            for answer in answers:
                if answer not in self.asked.get(name, ()) and name not in self.written:
                    raise UnexpectedPage(f"the form at {self.action} does not take '{answer}' for '{name}'")
            sent[name] = list(answers)
        for button in self.buttons:
            if value is None or button.value == value:
                return sent | ({button.name: button.value} if button.name else {})
        raise UnexpectedPage(f"the form at {self.action} has no button '{value}'")


@dataclass(slots=True)
class Page:
    """What was found on a page."""

    forms: list[Form] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    """Cells of each table row with three cells, as read from left to right."""
    outputs: dict[str, str] = field(default_factory=dict)
    """Texts of ``<output>`` elements by id."""
    heading: str = ""
    note: str = ""
    """The line below the comparison, if there is one."""
    name: str = ""
    """Which of the participant's pages it is, e.g. ``comparison`` or ``finished``; empty for other pages."""
    language: str = ""

    def form(self, ending: str) -> Form:
        """Return the form whose address ends like this.

        Raises
        ------
        UnexpectedPage
            There is none: quotes the page's heading.
        """
        for form in self.forms:
            if form.action.endswith(ending):
                return form
        raise UnexpectedPage(
            f"expected a form for '{ending}', but the page says: {self.heading or '(no heading)'}"
        )

    def shows_form(self, ending: str) -> bool:
        """Tell whether the page has such a form."""
        return any(form.action.endswith(ending) for form in self.forms)

    def open_question(self, design: StudyDesign) -> OpenQuestion:
        """Return which of the design's open questions the page asks, read back from its heading.

        Raises
        ------
        UnexpectedPage
            The page asks what the design does not.
        """
        for asked in design.suggestions.questions if design.suggestions else ():
            if _as_read(asked.question) == self.heading:
                return asked
        raise UnexpectedPage(f"the page asks '{self.heading}', which the design does not")

    def compared(self, design: StudyDesign) -> tuple[Profile, Profile]:
        """Return the profiles on the left and on the right, read back from their words.

        ``design`` is worded in the page's language.
        """
        left: dict[str, Value] = {}
        right: dict[str, Value] = {}
        by_label = {_as_read(attribute.label): attribute for attribute in design.attributes}
        for left_words, label, right_words in self.rows[1:]:
            attribute = by_label.get(label)
            if attribute is None:
                raise UnexpectedPage(f"the page shows an attribute '{label}' that the design does not have")
            left[attribute.name] = _value_of(attribute, left_words, design)
            right[attribute.name] = _value_of(attribute, right_words, design)
        return design.profile(left), design.profile(right)

    def offered(self) -> tuple[Choice, ...]:
        """Return the choices that the answer form offers."""
        return tuple(Choice(button.value) for button in self.form("/answer").buttons)

    def instructed(self, design: StudyDesign) -> Choice | None:
        """Return the answer that the line below the comparison asks for; None where there is no line.

        Raises
        ------
        UnexpectedPage
            The line names none of the answers.
        """
        if not self.note:
            return None
        for button in self.form("/answer").buttons:
            if _as_read(design.texts.instructed.replace("{answer}", button.words)) == self.note:
                return Choice(button.value)
        raise UnexpectedPage(f"the page says '{self.note}', which names none of its answers")


def read_page(html: str) -> Page:
    """Return what a participant finds on the page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


def _value_of(attribute: Attribute, words: str, design: StudyDesign) -> Value:
    # A profile that the design lists may lie between the values that it would draw.
    listed = [p.profile[attribute.name] for p in design.listed_profiles]
    listed += [profile[attribute.name] for pair in design.listed_comparisons for profile in pair]
    listed += [profile[attribute.name] for profile in design.practice or ()]
    listed += [p[attribute.name] for check in design.roles.checks for p in (check.left, check.right)]
    for value in (*attribute.values, *listed):
        if _as_read(value_words(attribute, value)) == words:
            return value
    raise UnexpectedPage(f"the page says '{words}' for '{attribute.label}', which the design never says")


def _as_read(text: str) -> str:
    """Return ``text`` as a browser shows it, where one space is like many."""
    return " ".join(text.split())


_WITH_TEXT = ("td", "th", "output", "h1", "button")


class _Reader(HTMLParser):
    """Collects forms, three-cell rows, outputs, the first heading and the note."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._form: Form | None = None
        self._list: list[str] | None = None
        self._row: list[str] | None = None
        self._text: list[str] | None = None
        self._given: dict[str, str] = {}
        self._in_hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.page.language = given.get("lang", "")
        elif tag == "body":
            self.page.name = given.get("data-page", "")
        elif tag == "form":
            self._form = Form(given.get("action", ""))
            self.page.forms.append(self._form)
        elif tag in ("input", "textarea") and self._form is not None and given.get("name"):
            _note_field(self._form, tag, given)
        elif tag == "select" and self._form is not None and given.get("name"):
            self._list = self._form.asked.setdefault(given["name"], [])
        elif tag == "option" and self._list is not None:
            self._list.append(given.get("value", ""))
        elif tag == "tr":
            self._row = []
        elif tag == "span" and "hidden" in given.get("class", "").split():
            # Said to those who do not see the page; what it says stands on the page in another way.
            self._in_hidden = True
        elif tag in _WITH_TEXT or _is_note(given):
            self._text = []
            self._given = given

    def handle_data(self, data: str) -> None:
        if self._text is not None and not self._in_hidden:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._list = None
        elif tag == "span":
            self._in_hidden = False
        elif tag == "tr":
            if self._row is not None and len(self._row) == 3:
                self.page.rows.append(self._row)
            self._row = None
        elif self._text is not None and (tag in _WITH_TEXT or (tag == "p" and _is_note(self._given))):
            text = _as_read("".join(self._text))
            self._text = None
            self._keep(tag, text)

    def _keep(self, tag: str, text: str) -> None:
        given = self._given
        if tag == "output":
            self.page.outputs[given.get("id", "")] = text
        elif tag == "h1":
            self.page.heading = self.page.heading or text
        elif tag == "p":
            self.page.note = text
        elif tag == "button":
            if self._form is not None and given.get("type") != "button":
                self._form.buttons.append(
                    Button(name=given.get("name", ""), value=given.get("value", ""), words=text)
                )
        elif self._row is not None:
            self._row.append(text)


def _is_note(given: Mapping[str, str]) -> bool:
    return given.get("id") == "note"


def _note_field(form: Form, tag: str, given: Mapping[str, str]) -> None:
    kind = given.get("type", "text") if tag == "input" else "text"
    name, value = given["name"], given.get("value", "")
    if kind == "hidden":
        form.fields[name] = value
        return
    values = form.asked.setdefault(name, [])
    if kind in ("radio", "checkbox"):
        values.append(value)
    else:
        form.written.add(name)
