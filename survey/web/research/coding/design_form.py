"""The form in which chosen categories get the words of a design's attributes. Pure: fields in, choices out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from survey.coding.choices import ChosenAttribute, Problem, StudyAbout
from survey.coding.coding import Category

MOST_CHOSEN = 20
"""Attributes: more than anybody can compare."""
ATTRIBUTE_FIELDS = (
    "categories",
    "name",
    "label",
    "kind",
    "levels",
    "favoured",
    "minimum",
    "maximum",
    "step",
    "words",
    "unit",
    "favours",
)
STUDY_FIELDS = ("slug", "title", "version", "comparisons_per_respondent", "contact")
_NUMBERS = ("minimum", "maximum", "step")
_LONGEST = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignForm:
    """What stands in the fields."""

    study: Mapping[str, str]
    """One of ``STUDY_FIELDS`` -> what was written."""
    attributes: tuple[Mapping[str, str], ...]
    """For each attribute: one of ``ATTRIBUTE_FIELDS`` -> what was written."""
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Field (``attributes-0-minimum``, ``study-slug``) -> complaints that need no coding to be found."""

    def chosen(self) -> list[ChosenAttribute]:
        """Return the attributes; needs a form without ``problems``."""
        return [_chosen(one) for one in self.attributes]

    def about(self) -> StudyAbout:
        """Return the rest of the design; needs a form without ``problems``."""
        wanted = self.study["comparisons_per_respondent"]
        return StudyAbout(
            slug=self.study["slug"],
            title=self.study["title"],
            version=self.study["version"],
            contact=self.study["contact"],
            comparisons_per_respondent=int(wanted) if wanted else None,
            where="the form",
        )

    def beside_fields(self, problems: Iterable[Problem]) -> dict[str, list[str]]:
        """Return field -> complaints; those that belong to no field here stand under the empty name."""
        found: dict[str, list[str]] = {}
        for problem in problems:
            place = self._field(problem)
            text = f"{problem.text[:1].upper()}{problem.text[1:]}{'' if problem.text.endswith('.') else '.'}"
            found.setdefault(place, []).append(text if place else f"{problem.key}: {problem.text}")
        return found

    def _field(self, problem: Problem) -> str:
        # attributes[2].levels[1].words is about the levels; attributes[2] about the attribute, beside its name.
        parts = problem.key.split(".")
        part = parts[1].partition("[")[0] if len(parts) > 1 else ""
        if problem.attribute is not None:
            number = problem.attribute
            if number >= len(self.attributes):
                return ""
            if part not in ATTRIBUTE_FIELDS:
                part = _named_in(problem.text, numeric=self.attributes[number]["kind"] == "numeric")
            return f"attributes-{number}-{part}"
        if parts[0] == "study" and part in STUDY_FIELDS:
            return f"study-{part}"
        return ""


def _named_in(text: str, *, numeric: bool) -> str:
    """Return the field that a complaint about a whole attribute speaks of first; else the likely one."""
    offered = ("minimum", "maximum", "step", "words", "unit") if numeric else ("levels", "favoured")
    found = [(place, name) for name in offered if (place := text.find(name)) >= 0]
    return min(found)[1] if found else offered[0]


def first_form(slug: str, chosen: Sequence[Category]) -> DesignForm:
    """Return the form for categories just chosen: names and labels are theirs, the words are open."""
    return DesignForm(
        study={
            "slug": f"{slug}-compared",
            "title": "Who should get the kidney?",
            "version": "1",
            "comparisons_per_respondent": "",
            "contact": "",
        },
        attributes=tuple(
            {
                **dict.fromkeys(ATTRIBUTE_FIELDS, ""),
                "categories": category.name,
                "name": category.name.replace("-", "_"),
                "label": category.label,
                "kind": "categorical",
            }
            for category in chosen
        ),
    )


def read_form(sent: Mapping[str, str]) -> DesignForm:
    """Read what was sent; what was left out counts as empty."""
    study = {name: _written(sent, f"study-{name}") for name in STUDY_FIELDS}
    attributes = []
    for number in range(MOST_CHOSEN):
        if f"attributes-{number}-categories" not in sent:
            break
        attributes.append({name: _written(sent, f"attributes-{number}-{name}") for name in ATTRIBUTE_FIELDS})
    problems: dict[str, list[str]] = {}
    wanted = study["comparisons_per_respondent"]
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 6):
        problems["study-comparisons_per_respondent"] = ["Write a whole number, or leave it empty."]
    for number, one in enumerate(attributes):
        if one["kind"] == "numeric":
            for name in _NUMBERS:
                if one[name] and _number(one[name]) is None:
                    problems[f"attributes-{number}-{name}"] = [
                        f"“{one[name]}” is no number; write it with a point, as in 2.5."
                    ]
        elif complaints := _level_complaints(one["levels"]):
            problems[f"attributes-{number}-levels"] = complaints
    if not attributes:
        problems[""] = ["Choose at least one category first."]
    return DesignForm(study=study, attributes=tuple(attributes), problems=problems)


def _written(sent: Mapping[str, str], name: str) -> str:
    return sent.get(name, "")[:_LONGEST].replace("\r\n", "\n").strip()


def _chosen(one: Mapping[str, str]) -> ChosenAttribute:
    table: dict[str, object] = {"name": one["name"], "label": one["label"], "kind": one["kind"]}
    if one["kind"] == "numeric":
        table |= {name: _number(one[name]) for name in _NUMBERS if one[name]}
        table |= {name: one[name] for name in ("words", "unit", "favours") if one[name]}
    else:
        table["levels"] = [{"name": name, "words": words} for name, words in _levels(one["levels"])]
        if one["favoured"]:
            table["favoured"] = one["favoured"]
    return ChosenAttribute(
        categories=tuple(name for name in one["categories"].split(",") if name), table=table
    )


def _levels(text: str) -> list[tuple[str, str]]:
    lines = (line.partition("=") for line in text.split("\n") if line.strip())
    return [(name.strip(), words.strip()) for name, _, words in lines]


def _level_complaints(text: str) -> list[str]:
    if not text:
        return ["Write at least two levels, one per line: a short name, =, and what respondents read."]
    complaints = [
        f"Line {number}: write a short name, =, and what respondents read, as in “young = 30 years old”."
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not all(part.strip() for part in line.partition("="))
    ]
    names = Counter(name for name, _ in _levels(text) if name)
    return complaints + [
        f"“{name}” stands {n} times; give each level a name of its own." for name, n in names.items() if n > 1
    ]


def _number(text: str) -> int | float | None:
    try:
        value = float(text.replace("−", "-"))
    except ValueError:
        return None
    if not isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
