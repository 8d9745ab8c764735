"""Read a served survey page the way a participant does: its forms, its buttons, its comparison table. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

from survey.answers import Choice
from survey.design import Attribute, Profile, StudyDesign, Value
from survey.errors import SurveyError
from survey.wording import value_words


class UnexpectedPage(SurveyError):
    """The survey served something that a participant could not act on; the message quotes it."""


@dataclass(slots=True)
class Form:
    """A form as a browser would send it."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    """Hidden and filled-in inputs."""
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """(name, value) of each submit button."""

    def sent_with(self, value: str | None = None) -> dict[str, str]:
        """Return the fields sent when the button of this value (by default the only one) is pressed."""
        for name, offered in self.buttons:
            if value is None or offered == value:
                return self.fields | ({name: offered} if name else {})
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

    def compared(self, design: StudyDesign) -> tuple[Profile, Profile]:
        """Return the profiles on the left and on the right, read back from their words."""
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
        return tuple(Choice(value) for _, value in self.form("/answer").buttons)


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
    for value in (*attribute.values, *listed):
        if _as_read(value_words(attribute, value)) == words:
            return value
    raise UnexpectedPage(f"the page says '{words}' for '{attribute.label}', which the design never says")


def _as_read(text: str) -> str:
    """Return ``text`` as a browser shows it, where one space is like many."""
    return " ".join(text.split())


class _Reader(HTMLParser):
    """Collects forms, three-cell rows, outputs and the first heading."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._form: Form | None = None
        self._row: list[str] | None = None
        self._text: list[str] | None = None
        self._output = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""))
            self.page.forms.append(self._form)
        elif tag == "input" and self._form is not None and given.get("name"):
            self._form.fields[given["name"]] = given.get("value", "")
        elif tag == "button" and self._form is not None:
            self._form.buttons.append((given.get("name", ""), given.get("value", "")))
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th", "output", "h1"):
            self._text = []
            self._output = given.get("id", "")

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "tr":
            if self._row is not None and len(self._row) == 3:
                self.page.rows.append(self._row)
            self._row = None
        elif tag in ("td", "th", "output", "h1") and self._text is not None:
            text = _as_read("".join(self._text))
            self._text = None
            if tag == "output":
                self.page.outputs[self._output] = text
            elif tag == "h1":
                self.page.heading = self.page.heading or text
            elif self._row is not None:
                self._row.append(text)
