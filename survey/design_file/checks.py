"""What several tables of a design file must agree on. Each check complains of all it finds. Pure."""

from __future__ import annotations

from math import comb, prod

from survey.design import (
    LISTABLE,
    Attribute,
    CategoricalAttribute,
    ComparisonKind,
    NumericAttribute,
    ProfileKind,
    Sides,
    StudyDesign,
)
from survey.design_file.complaints import Complain, Loc
from survey.pairing.dominance import dominated_count

# As many characters as the database keeps (survey.tables), as for names in ``fields``.
_LONGEST_PROFILE_ID = 500
_GRID_TOLERANCE = 1e-6  # Of a step: 0.1 is no exact binary fraction.
_MOST_RANKED = 1_000  # Listed profiles of which every pair is looked at and kept in memory.
_LONGEST_NUMBER = 24  # Characters of a number.
_LISTED_KINDS = (ComparisonKind.ALL_PAIRS, ComparisonKind.BALANCED, ComparisonKind.ADAPTIVE)
_EVENED_OUT_KINDS = (ComparisonKind.BALANCED, ComparisonKind.ADAPTIVE)


def no_duplicates(names: list[str], loc: Loc, what: str, complain: Complain) -> None:
    """Complain of each name that stands in the list at ``loc`` a second time."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            complain((*loc, i), f"{what} '{name}' is given twice")
        seen.add(name)


def check_forms(design: StudyDesign, complain: Complain) -> None:
    """Check what concerns the questions around the comparisons, quotas, and who offers indecision."""
    _form_names_differ(design, complain)
    _quotas_can_be_counted(design, complain)
    _arms_agree_with_indecision(design, complain)
    _exclusions_can_apply(design, complain)


def check_values(design: StudyDesign, complain: Complain) -> None:
    """Check what concerns the values that profiles take and how they are shown."""
    for i, attribute in enumerate(design.attributes):
        if isinstance(attribute, NumericAttribute) and not attribute.points:
            steps = (attribute.maximum - attribute.minimum) / attribute.step
            if round(steps) < 1 or abs(steps - round(steps)) > _GRID_TOLERANCE:
                complain(
                    ("attributes", i, "step"),
                    f"steps of {attribute.step:g} do not lead from minimum {attribute.minimum:g} to maximum "
                    f"{attribute.maximum:g}; change one of the three, or list the values as points",
                )
    if design.sides is Sides.FIXED and design.comparison_kind in _LISTED_KINDS:
        complain(
            ("comparisons", "sides"),
            "'fixed' needs comparisons that name a left and a right profile; use kind = 'list' or sides = 'random'",
        )
    longest = sum(len(a.name) + 2 + _longest_value(a) for a in design.attributes)
    if longest > _LONGEST_PROFILE_ID:
        complain(
            ("attributes",),
            f"names and values of one profile come to {longest} characters, and {_LONGEST_PROFILE_ID} can be "
            "stored; shorten the names of attributes and levels",
        )


def check_amounts(design: StudyDesign, complain: Complain) -> None:
    """Check that there are as many comparisons of each kind as a respondent is to see."""
    _enough_comparisons(design, complain)
    _comparisons_can_be_evened_out(design, complain)
    _enough_of_each_role(design, complain)


def _longest_value(attribute: Attribute) -> int:
    return (
        max(len(str(v)) for v in attribute.values) if attribute.value_count <= LISTABLE else _LONGEST_NUMBER
    )


def _enough_comparisons(design: StudyDesign, complain: Complain) -> None:
    if design.comparison_kind is ComparisonKind.LIST:
        available = len(design.listed_comparisons)
    else:
        every = design.profiles()
        if every is None:
            return
        available = len(every) * (len(every) - 1) // 2
    if design.comparisons_per_respondent > available:
        complain(
            ("comparisons", "per_respondent"),
            f"asks for {design.comparisons_per_respondent} comparisons, but the design has only {available}",
        )


def _comparisons_can_be_evened_out(design: StudyDesign, complain: Complain) -> None:
    """Drawing that looks at what was asked before needs the list of all that can be asked."""
    kind = design.comparison_kind
    if kind not in _EVENED_OUT_KINDS:
        return
    if design.profile_kind is ProfileKind.RANDOM:
        complain(
            ("comparisons", "kind"),
            f"'{kind}' has no meaning with profiles drawn at random; use profiles of kind 'full_factorial' or "
            "'list', or comparisons of kind 'random'",
        )
    elif design.comparisons() is None:
        profiles = design.profiles()
        count = prod(a.value_count for a in design.attributes) if profiles is None else len(profiles)
        complain(
            ("comparisons", "kind"),
            f"'{kind}' needs at most {LISTABLE} comparisons to even out, and {count} profiles make "
            f"{comb(count, 2)}; use fewer values or listed profiles, or kind = 'random'",
        )


def _enough_of_each_role(design: StudyDesign, complain: Complain) -> None:
    roles, mains = design.roles, design.comparisons_per_respondent
    profiles = design.profiles()
    if roles.dominated and not any(_states_direction(attribute) for attribute in design.attributes):
        complain(
            ("roles", "dominated"),
            "needs an attribute that says which values are usually given priority (favoured or favours)",
        )
    elif roles.dominated and len(design.listed_profiles) > _MOST_RANKED:
        complain(
            ("roles", "dominated"),
            f"needs at most {_MOST_RANKED} listed profiles, of which each is compared with each; there are "
            f"{len(design.listed_profiles)}",
        )
    elif roles.dominated and roles.dominated > (available := dominated_count(design)):
        complain(
            ("roles", "dominated"),
            f"asks for {roles.dominated}, but in only {available} pairs is one profile better in something and "
            "worse in nothing",
        )
    if profiles is not None and roles.identical > len(profiles):
        complain(
            ("roles", "identical"),
            f"asks for {roles.identical}, but the design has only {len(profiles)} profiles",
        )
    if roles.instructed and not design.texts.instructed:
        complain(
            ("texts", "instructed"),
            "is needed for instructed checks, e.g. 'To show that you read this, please answer: {answer}.'",
        )
    if design.texts.instructed and not roles.instructed:
        complain(("texts", "instructed"), "has no meaning without [roles] instructed; add that or remove it")
    if roles.repeats > mains:
        complain(
            ("roles", "repeats"),
            f"asks for {roles.repeats}, but there are only {mains} comparisons to repeat",
        )
    elif roles.repeats and roles.repeat_gap >= mains:
        complain(
            ("roles", "repeat_gap"),
            f"of {roles.repeat_gap} cannot be kept with {mains} comparisons; make it smaller than that",
        )
    for i, check in enumerate(roles.checks):
        if check.expected == "indecision" and not all(arm.indecision_offered for arm in design.arms):
            complain(("roles", "checks", i, "expected"), "is 'indecision', which not every arm offers")


def _states_direction(attribute: Attribute) -> bool:
    if isinstance(attribute, CategoricalAttribute):
        return attribute.favoured is not None
    return attribute.favours is not None


def _arms_agree_with_indecision(design: StudyDesign, complain: Complain) -> None:
    offering = any(arm.indecision_offered for arm in design.arms)
    if offering and not design.indecision.offered:
        complain(("indecision", "offered"), "is false, but an arm has indecision = true; let them agree")


def _form_names_differ(design: StudyDesign, complain: Complain) -> None:
    """Answers to both forms are stored by name."""
    asked: set[str] = set()
    for table, questions in (("screener", design.screener), ("demographics", design.demographics)):
        for i, question in enumerate(questions):
            if question.name in asked:
                complain((table, i, "name"), f"'{question.name}' is the name of another question")
            asked.add(question.name)


def _quotas_can_be_counted(design: StudyDesign, complain: Complain) -> None:
    questions = {question.name: question for question in design.screener}
    seen: set[tuple[str, str]] = set()
    for i, cell in enumerate(design.quotas.cells):
        loc = ("quotas", "cells", i)
        question = questions.get(cell.question)
        if question is None:
            complain((*loc, "question"), f"no question of the screener is named '{cell.question}'")
            continue
        option = question.option(cell.option)
        if option is None:
            named = ", ".join(o.name for o in question.options) or "none"
            complain((*loc, "option"), f"'{cell.option}' is not an option of '{cell.question}': {named}")
        elif option.screens_out:
            complain(
                (*loc, "option"), f"whoever answers '{cell.option}' is screened out, so none would count"
            )
        if (cell.question, cell.option) in seen:
            complain(loc, f"'{cell.question}' = '{cell.option}' has a cell already")
        seen.add((cell.question, cell.option))


def _exclusions_can_apply(design: StudyDesign, complain: Complain) -> None:
    """A rule that nobody can fall under was meant otherwise, and this is the time to say so.

    Each wave of a respondent is judged by itself.
    """
    rules, roles = design.exclusions, design.roles
    limited = {
        "failed_checks_above": (rules.failed_checks_above, roles.instructed + len(roles.checks), "checks"),
        "dominated_against_above": (rules.dominated_against_above, roles.dominated, "dominated comparisons"),
        "repeats_changed_above": (rules.repeats_changed_above, roles.repeats, "repeats"),
    }
    for name, (most, shown, what) in limited.items():
        if most is not None and most >= shown:
            seen = (
                f"{what} that a respondent sees in a wave: {shown}" if shown else f"the design has no {what}"
            )
            complain(("exclusions", name), f"can never apply: {seen}")
    if rules.comprehension_failed and design.comprehension is None:
        complain(("exclusions", "comprehension_failed"), "can never apply without [comprehension]")
