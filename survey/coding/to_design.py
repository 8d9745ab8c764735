"""From codes to a design: chosen categories as the attributes of a checked ``design.toml``. Pure.

The researcher chooses and words; nothing here decides which categories make an attribute, or what its levels are.
Each attribute says where it came from (``[attributes.origin]``), which is part of the design hash.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from math import comb, prod
from typing import Any

from survey.coding.choices import (
    BadChoices,
    Choices,
    ChosenAttribute,
    Problem,
    StudyAbout,
    choices_from,
    read_choices,
)
from survey.coding.coding import Coding, CodingError
from survey.coding.final import FinalCodes
from survey.coding.origins import Origins, counted
from survey.coding.toml_text import toml_text
from survey.design import LISTABLE
from survey.design_file import parse_design
from survey.errors import BadDesign
from survey.suggestions import Stance

__all__ = [
    "BadChoices",
    "Choices",
    "ChosenAttribute",
    "Problem",
    "StudyAbout",
    "choices_from",
    "design_from",
    "read_choices",
    "remarks_on",
]

USUAL_COMPARISONS = 20
"""Per respondent, where the choices do not say and the design has as many."""
_LANGUAGE = "en"
"""Of the default words."""
_WHERE = "design.toml"
_COMPLAINT = re.compile(rf"{re.escape(_WHERE)}(?::\d+)?: (?:([\w.\[\]-]+): )?(.*)", re.DOTALL)
_KEYS = ("name", "label", "kind", "favoured", "levels", "minimum", "maximum", "step", "points", "words")
_TEXTS = {
    "introduction": (
        "There are fewer kidneys for transplantation than people who need one, so somebody has to decide who comes "
        "first. This study asks who you think should be helped when not everybody can be."
    ),
    "consent": (
        "You will compare two patients at a time. There are no right answers. Taking part is voluntary, you can "
        "stop at any moment by closing the page, and your answers are stored under a random code without your name."
    ),
    "instructions": (
        "Two patients need the same kidney and only one can get it. Assume that they are alike in everything "
        "that is not shown."
    ),
    "question": "Which patient should get the kidney?",
    "left": "Patient A",
    "right": "Patient B",
    "debrief": (
        "Thank you. What you compared was named by other people, who were asked what should count. Your answers "
        "will be combined with those of others to estimate how much each property of a patient counts for people. "
        "No real patient is affected by them."
    ),
}
_INDECISION = {
    "offered": True,
    "label": "Flip a coin",
    "explanation": (
        "If you cannot say who should get the kidney, you can let a coin decide: that is an answer like the others."
    ),
}
# In the order in which a design has them.
_ORDER = ("study", "texts", "display", "attributes", "profiles", "comparisons", "roles", "indecision", "arms")


def design_from(
    coding: Coding,
    chosen: Sequence[ChosenAttribute],
    *,
    about: StudyAbout,
    coding_sha256: str,
    final: FinalCodes | None = None,
) -> str:
    """Return the text of a design whose attributes are the chosen ones; it has been checked as any design is.

    Parameters
    ----------
    about
        The rest of the design. Texts, profiles, comparisons and indecision that it leaves out are filled in with
        defaults, which are written out; their words are English, so a design in another language brings its own.
    coding_sha256
        Of the coding file (``coding_file.coding_sha256``), which the design names as the place to look.
    final
        Which codes count, if known already.

    Raises
    ------
    BadChoices
        With every problem found, each with its key in the choices (and its line, if they are from a file).
    """
    origins = Origins(coding, final)
    problems = [
        about.problem(
            ("attributes", i, "categories" if len(attribute.categories) > 1 else "category"), complaint
        )
        for i, attribute in enumerate(chosen)
        for name in attribute.categories
        if (complaint := origins.unknown(name))
    ]
    if not chosen:
        problems.append(about.problem(("attributes",), "choose at least one category"))
    problems += _not_theirs(chosen, about)
    if problems:
        raise BadChoices([*problems, *_further(problems, coding, chosen, about, origins)], about.where)
    document = _document(coding, chosen, about, origins, coding_sha256)
    text = toml_text(document, comment=_head(coding, chosen, origins, coding_sha256))
    try:
        parse_design(text, _WHERE)
    except BadDesign as error:
        raise BadChoices(
            [_problem(complaint, about) for complaint in error.complaints], about.where
        ) from None
    if tomllib.loads(text) != document:
        raise CodingError(
            f"{about.where}: something in it cannot be written to a design as it is; take out unusual characters"
        )
    return text


def remarks_on(
    coding: Coding, chosen: Sequence[ChosenAttribute], *, final: FinalCodes | None = None
) -> tuple[str, ...]:
    """Return, in sentences, what whoever reads the counts in the design must know: categories without a mention,
    merged or retired ones, disagreements that nobody has settled.

    Raises
    ------
    CodingError
        A category does not exist.
    """
    return Origins(coding, final).remarks(chosen)


# --- the document ---------------------------------------------------------------------------------------


def _further(
    problems: Sequence[Problem],
    coding: Coding,
    chosen: Sequence[ChosenAttribute],
    about: StudyAbout,
    origins: Origins,
) -> list[Problem]:
    """Return what else is wrong with the design itself, so that all is told at once and not one thing a run."""
    if not chosen:
        return []
    without_origins = [
        ChosenAttribute(categories=(), table={k: v for k, v in attribute.table.items() if k != "origin"})
        for attribute in chosen
    ]
    try:
        parse_design(toml_text(_document(coding, without_origins, about, origins, "")), _WHERE)
    except BadDesign as error:
        told = {problem.key for problem in problems}
        found = (_problem(complaint, about) for complaint in error.complaints)
        return [problem for problem in found if problem.key not in told]
    return []


def _not_theirs(chosen: Sequence[ChosenAttribute], about: StudyAbout) -> list[Problem]:
    """Return what the choices say that is not for them to say."""
    problems = [
        about.problem(("attributes", i, "origin"), "is filled in from the coding; remove it")
        for i, attribute in enumerate(chosen)
        if "origin" in attribute.table
    ]
    given = about.tables.get("comparisons")
    if (
        isinstance(given, Mapping)
        and "per_respondent" in given
        and about.comparisons_per_respondent is not None
    ):
        problems.append(
            about.problem(
                ("study", "comparisons_per_respondent"),
                "is said by comparisons.per_respondent, too; remove one of them",
            )
        )
    return problems if about.language == _LANGUAGE else problems + _english_left(about)


def _english_left(about: StudyAbout) -> list[Problem]:
    """Return the words that a design in another language would have in English."""
    texts, indecision = about.tables.get("texts", {}), about.tables.get("indecision", {})
    needed: list[tuple[str, str]] = []
    if isinstance(texts, Mapping):
        needed += [("texts", key) for key in _TEXTS if key not in texts]
    if (
        isinstance(indecision, Mapping)
        and indecision.get("offered") is not False
        and "label" not in indecision
    ):
        needed.append(("indecision", "label"))
    return [
        about.problem(loc, f"is missing: the default is English and the design is in '{about.language}'")
        for loc in needed
    ]


def _document(
    coding: Coding,
    chosen: Sequence[ChosenAttribute],
    about: StudyAbout,
    origins: Origins,
    coding_sha256: str,
) -> dict[str, Any]:
    """Return the design as plain data, in the order in which it is to be read."""
    attributes = [_attribute(attribute, coding, origins, coding_sha256) for attribute in chosen]
    study = {
        "slug": about.slug,
        "title": about.title,
        "version": about.version,
        "language": about.language,
        "source": about.source or f"Attributes as named in study '{coding.study}' version {coding.version}",
    }
    if about.contact:
        study["contact"] = about.contact
    made: dict[str, Any] = dict(about.tables)
    made |= {"study": study, "attributes": attributes}
    texts = about.tables.get("texts", {})
    if isinstance(texts, Mapping):  # What is no table is complained of with the rest.
        made["texts"] = {key: texts.get(key, default) for key, default in _TEXTS.items()} | dict(texts)
    made.setdefault("indecision", _INDECISION)
    made["profiles"], made["comparisons"] = _profiles_and_comparisons(attributes, about)
    order = [name for name in _ORDER if name in made]
    return {name: made[name] for name in order + [name for name in made if name not in order]}


def _attribute(
    attribute: ChosenAttribute, coding: Coding, origins: Origins, coding_sha256: str
) -> dict[str, Any]:
    own = attribute.table
    table = {key: own[key] for key in _KEYS if key in own}
    table |= {key: value for key, value in own.items() if key not in table}
    if attribute.categories:
        origin = origins.of(attribute.categories)
        named: dict[str, str | int | None] = {
            "study": _study(coding, origins),
            "coding_sha256": coding_sha256,
            "category": ", ".join(origin.categories),
            "mentions": origin.mentions,
        }
        # Of a question that nobody was asked nothing is known: 0 people would say that nobody named it.
        if origin.asked_for is not None:
            named |= {"asked_for": origin.asked_for, "for_people": origin.for_people}
        if origin.asked_against is not None:
            named |= {"asked_against": origin.asked_against, "against_people": origin.against_people}
        table["origin"] = named
    return table


def _study(coding: Coding, origins: Origins) -> str:
    return f"{coding.study} {coding.version}" + (" (simulated participants)" if origins.simulated else "")


def _profiles_and_comparisons(attributes: Sequence[Mapping[str, Any]], about: StudyAbout) -> tuple[Any, Any]:
    """Return both tables: every profile, each comparison asked equally often, if they are few enough to list;
    otherwise both drawn at random. What the choices say stays."""
    n_profiles = prod(_value_count(attribute) for attribute in attributes)
    is_listable = comb(n_profiles, 2) <= LISTABLE
    profiles = about.tables.get("profiles", {"kind": "full_factorial" if is_listable else "random"})
    if isinstance(profiles, Mapping) and isinstance(profiles.get("list"), list):
        n_profiles = len(profiles["list"])
    is_even = (
        comb(n_profiles, 2) <= LISTABLE and isinstance(profiles, Mapping) and profiles.get("kind") != "random"
    )
    comparisons = about.tables.get("comparisons", {"kind": "balanced" if is_even else "random"})
    if not isinstance(comparisons, Mapping) or "per_respondent" in comparisons:
        return profiles, comparisons
    listed = comparisons.get("list")
    available = len(listed) if isinstance(listed, list) else comb(n_profiles, 2)
    wanted = about.comparisons_per_respondent
    # With a single profile there is none, which is complained of where its cause is.
    per_respondent = max(1, min(USUAL_COMPARISONS, available)) if wanted is None else wanted
    kind = {"kind": comparisons["kind"]} if "kind" in comparisons else {}
    return profiles, {**kind, "per_respondent": per_respondent, **comparisons}


def _value_count(attribute: Mapping[str, Any]) -> int:
    """Return how many values an attribute takes; 1 where its table does not say, which is complained of later."""
    for several in ("levels", "points"):
        if isinstance(attribute.get(several), list):
            return max(1, len(attribute[several]))
    low, high, step = (_number(attribute.get(key)) for key in ("minimum", "maximum", "step"))
    if low is None or high is None:
        return 1
    step = 1.0 if step is None else step
    steps = (high - low) / step if step > 0 else 0
    return round(steps) + 1 if 0 <= steps < LISTABLE else LISTABLE


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


# --- what it says of itself -----------------------------------------------------------------------------


def _head(
    coding: Coding, chosen: Sequence[ChosenAttribute], origins: Origins, coding_sha256: str
) -> list[str]:
    who = "simulated participants" if origins.simulated else "people"
    lines = [
        f"The attributes come from what {who} named in study '{coding.study}' version {coding.version}.",
        f"Coding: SHA-256 {coding_sha256}, made by {counted(origins.coders, 'coder')}. Only final codes count: "
        "what was adjudicated, or what all coders of a suggestion agree on.",
        f"{origins.asked} {who} were asked: {origins.asked_about(Stance.SHOULD)} what should count, "
        f"{origins.asked_about(Stance.SHOULD_NOT)} what should not. Of those asked each question, so many named:",
    ]
    for attribute in chosen:
        if attribute.categories:
            origin = origins.of(attribute.categories)
            lines.append(
                f"- {attribute.table.get('name', '')} (category {', '.join(origin.categories)}): "
                f"{_share(origin.for_people, origin.asked_for, 'for')}, "
                f"{_share(origin.against_people, origin.asked_against, 'against')}, in "
                f"{counted(origin.mentions, 'suggestion')}"
            )
    remarks = origins.remarks(chosen)
    return (
        lines + (["", "To know when reading these numbers:"] if remarks else []) + [f"- {r}" for r in remarks]
    )


def _share(count: int | None, of: int | None, stance: str) -> str:
    if count is None or not of:
        return f"nobody was asked {stance}"
    return f"{count} of {of} ({count / of:.0%}) {stance}"


def _problem(complaint: str, about: StudyAbout) -> Problem:
    """Return a complaint about the design as a problem of the choices that it was made from."""
    found = _COMPLAINT.fullmatch(complaint)
    if found is None:
        return Problem(key="choices", text=complaint)
    key, text = found[1] or "choices", found[2]
    if key == "comparisons.per_respondent" and about.comparisons_per_respondent is not None:
        key = "study.comparisons_per_respondent"
    return about.problem_at(key, text)
