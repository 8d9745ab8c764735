"""The study that describes simulated patients, and what a simulation of its patients needs. Reads shipped files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from estimation.weights import PriorityWeights
from llm_compare.errors import NotComparable
from survey.design import (
    LISTABLE,
    Arm,
    Attribute,
    AttributeOrder,
    ComparisonKind,
    Indecision,
    ListedProfile,
    Profile,
    ProfileKind,
    Sides,
    StudyDesign,
    Texts,
)
from survey.design_file import example_with_hash

_NOTHING = Texts(introduction="", consent="", instructions="", question="", left="", right="", debrief="")


def study_design(
    slug: str,
    title: str,
    design_hash: str,
    attributes: Sequence[Attribute],
    profiles: Sequence[Profile] = (),
) -> StudyDesign:
    """Return the study that a replies file is about.

    That is the shipped design with this hash where there is one. Otherwise a design is made that can describe
    patients, and nothing else: nobody can be asked with it, and its own hash is not that of the study.

    Parameters
    ----------
    attributes
        As in the head of a replies file.
    profiles
        The only profiles that patients have, for weights of single profiles; none for all that attributes allow.
    """
    shipped = example_with_hash(design_hash)
    if shipped is not None:
        return shipped
    attributes = tuple(attributes)
    n_profiles = prod(a.value_count for a in attributes)
    kind = ProfileKind.FULL_FACTORIAL if n_profiles <= LISTABLE else ProfileKind.RANDOM
    return StudyDesign(
        slug=slug,
        title=title,
        version="attributes only",
        language="en",
        source=f"attributes of the study with design hash {design_hash}",
        attributes=attributes,
        profile_kind=ProfileKind.LIST if profiles else kind,
        listed_profiles=tuple(ListedProfile(profile=p) for p in dict.fromkeys(profiles)),
        comparison_kind=ComparisonKind.RANDOM,
        listed_comparisons=(),
        comparisons_per_respondent=1,
        sides=Sides.RANDOM,
        attribute_order=AttributeOrder.FIXED,
        indecision=Indecision(),
        arms=(Arm(name="main", indecision_offered=True),),
        texts=_NOTHING,
    )


def profiles_in_words(drawn_by: str, design: StudyDesign) -> str:
    """Return how patients get their profiles, as loudly as it matters.

    Parameters
    ----------
    drawn_by
        ``exchange.people.ProfileDraw.words``.
    """
    if drawn_by == "uniform draws":
        return (
            f"Patients' profiles are drawn uniformly from those of study '{design.slug}'. Real patients are not "
            "spread like this: read how large a difference is for one group beside another, not as a forecast."
        )
    return f"Patients' profiles are drawn by {drawn_by}, independently of blood groups and cPRA."


def check_models_and_seeds(models: Mapping[str, PriorityWeights], seeds: Sequence[int]) -> None:
    """Raise :class:`NotComparable` unless there is something to run, each seed once."""
    if not models:
        raise NotComparable("no model has weights, so there is nothing to compare; give at least one")
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise NotComparable(
            f"seeds {', '.join(map(str, seeds)) or '(none)'}: give at least one, each once, 0 or more"
        )
