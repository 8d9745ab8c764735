"""The study design: attributes, profiles, comparisons, and how they are shown. Pure.

A design is the single source of everything: the survey page, a model's prompt, the estimators and the
exchange read the same object. It knows nothing of files (``design_file``) or words on a page (``wording``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import StrEnum
from itertools import combinations, product
from math import comb, prod
from typing import Any, TypeAlias

import numpy as np

from survey.acceptability import Acceptability
from survey.allocation_task import ChooseOne
from survey.errors import BadProfile, NoComparisons
from survey.participation import EndingPage, Exclusions, Quotas, Recruitment, Waves
from survey.questionnaire import Comprehension, FormQuestion, Option
from survey.suggestions import SuggestionsAsked

Value: TypeAlias = str | int | float
"""A level's name (categorical attribute) or a number in the attribute's unit (numeric attribute)."""

# Beyond this many profiles or comparisons a design is drawn from, never listed in full.
LISTABLE = 5_000
# Two or more profiles yield a new comparison within a few draws; a design that needs more cannot yield so many.
_MOST_DRAWS_PER_COMPARISON = 1_000
# Fields that came after the first designs were hashed: at their default they are left out of the hash, so that a
# design that does not use them keeps the hash it had.
_LATER = {"left out of the hash at its default": True}


class Favours(StrEnum):
    """Which end of a numeric attribute people usually give priority to; used for dominance, never assumed."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One value of a categorical attribute."""

    name: str
    """Identifier in files and data, e.g. ``young``."""
    words: str
    """What a respondent reads, e.g. ``30 years old``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalAttribute:
    """A property with named levels. The first level is the estimators' reference."""

    name: str
    label: str
    levels: tuple[Level, ...]
    favoured: str | None = None
    """Name of the level usually given priority, if the study states one."""

    def checked(self, value: object) -> Value:
        """Return ``value`` if it names a level, else raise :class:`BadProfile`."""
        if value in self.level_names:
            return str(value)
        raise BadProfile(
            f"attribute '{self.name}' has no level {value!r}; its levels are {', '.join(self.level_names)}"
        )

    @property
    def level_names(self) -> tuple[str, ...]:
        """Level names, in the design's order."""
        return tuple(level.name for level in self.levels)

    @property
    def values(self) -> tuple[Value, ...]:
        """Every value a profile may take."""
        return self.level_names

    @property
    def value_count(self) -> int:
        """How many values a profile may take."""
        return len(self.levels)

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw a level, each equally likely."""
        return self.level_names[int(rng.integers(len(self.levels)))]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericAttribute:
    """A property measured in a unit, on a grid from ``minimum`` to ``maximum`` or at listed ``points``."""

    name: str
    label: str
    minimum: float
    maximum: float
    step: float = 1.0
    points: tuple[float, ...] = ()
    """If given, the only values that profiles take, e.g. the four ages of a published study."""
    words: str = "{value}"
    """What a respondent reads, with ``{value}`` in place of the number."""
    words_one: str = ""
    """The same for the value 1 where the language needs it, e.g. ``{value} dependent``."""
    unit: str = ""
    """Unit of one step of the estimate, e.g. ``year``."""
    favours: Favours | None = None

    def checked(self, value: object) -> Value:
        """Return ``value`` as a plain number if it is one of the points or lies in the range, else raise."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadProfile(f"attribute '{self.name}' needs a number, not {value!r}")
        if self.points:
            if float(value) not in self.points:
                raise BadProfile(
                    f"attribute '{self.name}' takes {', '.join(map(_number_text, self.points))}, not {value!r}"
                )
        elif not self.minimum <= value <= self.maximum:
            raise BadProfile(
                f"attribute '{self.name}' ranges from {_number_text(self.minimum)} to "
                f"{_number_text(self.maximum)}, so {value!r} cannot be"
            )
        return plain_number(value)

    @property
    def values(self) -> tuple[Value, ...]:
        """Every value a profile may take when drawn from this design."""
        return tuple(self._value(i) for i in range(self.value_count))

    @property
    def value_count(self) -> int:
        """How many values a profile may take when drawn from this design."""
        return len(self.points) or round((self.maximum - self.minimum) / self.step) + 1

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw a value, each grid point equally likely."""
        # Not from ``values``: a fine grid is long, and this runs for every attribute of every profile drawn.
        return self._value(int(rng.integers(self.value_count)))

    def _value(self, i: int) -> Value:
        return plain_number(self.points[i] if self.points else self.minimum + i * self.step)


Attribute: TypeAlias = CategoricalAttribute | NumericAttribute


def plain_number(value: float) -> int | float:
    """Return ``value`` as an int where it is one, rounded to what a design file can say."""
    rounded = round(float(value), 9)
    return int(rounded) if rounded.is_integer() else rounded


def _number_text(value: float) -> str:
    return str(plain_number(value))


@dataclass(frozen=True, slots=True)
class Profile:
    """A described patient: one value per attribute. Equal profiles are equal whatever they are called."""

    values: tuple[tuple[str, Value], ...]
    """(attribute name, value), in the design's attribute order."""
    name: str = field(default="", compare=False)
    """Short name where the study has one, e.g. ``YRH``."""

    @property
    def id(self) -> str:
        """The name, or ``age=43;drinks=2`` where the study has none. Unique within a study."""
        return self.name or ";".join(f"{a}={v}" for a, v in self.values)

    def __getitem__(self, attribute: str) -> Value:
        for name, value in self.values:
            if name == attribute:
                return value
        raise KeyError(attribute)

    def as_dict(self) -> dict[str, Value]:
        """Attribute name -> value."""
        return dict(self.values)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An unordered pair of different profiles. Make it with :meth:`of`."""

    first: Profile
    second: Profile

    @classmethod
    def of(cls, one: Profile, other: Profile) -> Comparison:
        """Return the comparison of two profiles, the same whichever is named first."""
        if one == other:
            raise BadProfile(f"profile '{one.id}' cannot be compared with itself")
        first, second = sorted((one, other), key=_profile_order)
        return cls(first, second)


def _profile_order(profile: Profile) -> tuple[tuple[str, str, str], ...]:
    return tuple((name, type(value).__name__, str(value)) for name, value in profile.values)


class ProfileKind(StrEnum):
    """Where a study's profiles come from."""

    FULL_FACTORIAL = "full_factorial"
    LIST = "list"
    RANDOM = "random"


class ComparisonKind(StrEnum):
    """Which comparisons a respondent sees."""

    ALL_PAIRS = "all_pairs"
    LIST = "list"
    RANDOM = "random"
    BALANCED = "balanced"
    """Those asked least often so far, so that all are asked equally often."""
    ADAPTIVE = "adaptive"
    """Those whose answers say most about the weights, within bounds of balance."""


class Sides(StrEnum):
    """Which profile stands on the left."""

    RANDOM = "random"
    """Drawn per presentation, balanced within a respondent as far as their number is even."""
    BALANCED = "balanced"
    """Each profile as often left as right within a respondent, or once more often."""
    FIXED = "fixed"
    """As listed in the design."""


class AttributeOrder(StrEnum):
    """In which order attributes stand on the page."""

    PER_RESPONDENT = "per_respondent"
    PER_COMPARISON = "per_comparison"
    FIXED = "fixed"


class Highlight(StrEnum):
    """Whether rows in which the patients differ are emphasized, alike for both."""

    OFF = "off"
    ON = "on"
    RANDOM = "random"
    """Drawn per respondent, each with probability one half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProfile:
    """A profile that the design lists."""

    profile: Profile
    patient_share: float | None = None
    """Share of patients with this profile when the exchange draws a pool from the design."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indecision:
    """The answer "I cannot say": offered or not, and in which words."""

    offered: bool = True
    label: str = "Flip a coin"
    explanation: str = ""
    """Follows the instructions of respondents who are offered it, and of nobody else."""
    reasons: tuple[Option, ...] = field(default=(), metadata=_LATER)
    """Offered after an indecision, in random order, and may be skipped; empty: no reason is asked."""
    reason_question: str = field(default="", metadata=_LATER)
    strict: bool = field(default=False, metadata=_LATER)
    """Whether "and if you had to choose?" follows an indecision."""
    strict_question: str = field(default="", metadata=_LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A randomized condition of the study. Empty words: those of the design."""

    name: str
    indecision_offered: bool
    indecision_label: str = field(default="", metadata=_LATER)
    question: str = field(default="", metadata=_LATER)
    instructions: str = field(default="", metadata=_LATER)
    highlight: Highlight | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """Bounds of adaptive drawing."""

    random_share: float = 0.2
    """Probability of a uniform draw among the allowed comparisons instead of the most informative."""
    start_after: int = 0
    """Answers of the study before which drawing is balanced."""
    most_ahead: int = 3
    """No profile is shown more than this many times more often than the least shown one, within a respondent and
    over the study (as far as the respondent has comparisons left that keep to it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCheck:
    """A comparison with an expected answer."""

    left: Profile
    right: Profile
    expected: str
    """``left``, ``right`` or ``indecision``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignedRoles:
    """Comparisons with a purpose of their own, shown among the main ones and left out of estimates."""

    dominated: int = 0
    """Pairs in which one patient is at least as good in everything and better in something."""
    identical: int = 0
    """A profile beside itself."""
    instructed: int = 0
    """Ordinary pairs with a line that says what to answer."""
    repeats: int = 0
    """Earlier main comparisons again, sides exchanged."""
    repeat_gap: int = 5
    """Comparisons between a comparison and its repeat, at least."""
    checks: tuple[ListedCheck, ...] = ()

    @property
    def count(self) -> int:
        """How many comparisons a respondent sees besides the main ones."""
        return self.dominated + self.identical + self.instructed + self.repeats + len(self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A study's words in another language."""

    language: str
    """Tag as in HTML, e.g. ``de`` or ``ar``."""
    words: tuple[tuple[str, str], ...]
    """(key, words) for every key of ``languages.words_of``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeOrigin:
    """Where an attribute of the design came from: the category that people's suggestions were coded into."""

    attribute: str
    """Its name."""
    study: str
    """Slug and version of the study whose suggestions were coded, e.g. ``kidney-attributes 1``."""
    coding_sha256: str
    """Of the coding file, with its codes as they were then."""
    category: str
    """Its name; of several that make one attribute, their names with ``, `` between them."""
    mentions: int
    """Suggestions with this category, or with one of them."""
    asked_for: int | None = None
    """People who were asked what should count; None: nobody was, so that nothing is known of it."""
    for_people: int | None = None
    """Of them, those who named it; None where nobody was asked."""
    asked_against: int | None = None
    """People who were asked what should not count; None: nobody was."""
    against_people: int | None = None
    """Of them, those who named it. Somebody may name one category for both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a respondent reads around the comparisons."""

    introduction: str
    consent: str
    instructions: str
    question: str
    left: str
    right: str
    debrief: str
    instructed: str = field(default="", metadata=_LATER)
    """The line of an instructed check; ``{answer}`` is the answer to give."""
    screened_out: str = field(default="", metadata=_LATER)
    quota_full: str = field(default="", metadata=_LATER)
    declined: str = field(default="", metadata=_LATER)
    withdrawn: str = field(default="", metadata=_LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDesign:
    """Everything a study asks and how. Frozen; its :func:`design_hash` is carried by every answer."""

    slug: str
    title: str
    version: str
    language: str
    source: str
    attributes: tuple[Attribute, ...]
    profile_kind: ProfileKind
    listed_profiles: tuple[ListedProfile, ...]
    comparison_kind: ComparisonKind
    listed_comparisons: tuple[tuple[Profile, Profile], ...]
    """(left, right) as listed; empty unless ``comparison_kind`` is ``list``."""
    comparisons_per_respondent: int
    sides: Sides
    attribute_order: AttributeOrder
    indecision: Indecision
    arms: tuple[Arm, ...]
    """At least one. A study without randomized conditions has the single arm ``main``."""
    texts: Texts
    contact: str = field(default="", metadata=_LATER)
    """Whom to ask, shown on every page of the survey."""
    highlight: Highlight = field(default=Highlight.OFF, metadata=_LATER)
    adaptive: Adaptive = field(default=Adaptive(), metadata=_LATER)
    roles: DesignedRoles = field(default=DesignedRoles(), metadata=_LATER)
    practice: tuple[Profile, Profile] | None = field(default=None, metadata=_LATER)
    """(left, right) of an unscored comparison after the instructions."""
    comprehension: Comprehension | None = field(default=None, metadata=_LATER)
    choose_one: ChooseOne | None = field(default=None, metadata=_LATER)
    """Problems with more than two candidates, after the comparisons; None: there are none."""
    suggestions: SuggestionsAsked | None = field(default=None, metadata=_LATER)
    """Open questions about which attributes should count, before the comparisons; None: they are not asked."""
    acceptability: Acceptability | None = field(default=None, metadata=_LATER)
    """Attributes to rate and rank, before the comparisons; None: there are none."""
    origins: tuple[AttributeOrigin, ...] = field(default=(), metadata=_LATER)
    """Where attributes came from, as far as the design says so."""
    screener: tuple[FormQuestion, ...] = field(default=(), metadata=_LATER)
    demographics: tuple[FormQuestion, ...] = field(default=(), metadata=_LATER)
    recruitment: Recruitment = field(default=Recruitment(), metadata=_LATER)
    quotas: Quotas = field(default=Quotas(), metadata=_LATER)
    waves: Waves = field(default=Waves(), metadata=_LATER)
    endings: tuple[EndingPage, ...] = field(default=(), metadata=_LATER)
    exclusions: Exclusions = field(default=Exclusions(), metadata=_LATER)
    analysis: str = field(default="", metadata=_LATER)
    """The planned analysis, as an ``equipoise`` command without its first word; part of a preregistration."""
    translations: tuple[Translation, ...] = field(default=(), metadata=_LATER)

    @property
    def languages(self) -> tuple[str, ...]:
        """Every language the study can be taken in; the design's own first."""
        return (self.language, *(t.language for t in self.translations))

    @property
    def compares(self) -> bool:
        """Whether comparisons are asked. A study may ask for attributes alone, and has none of its own then."""
        return self.comparisons_per_respondent > 0

    def attribute(self, name: str) -> Attribute:
        """Return the attribute called ``name``."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise BadProfile(f"study '{self.slug}' has no attribute '{name}'")

    def arm(self, name: str) -> Arm:
        """Return the arm called ``name``."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise BadProfile(
            f"study '{self.slug}' has no arm '{name}'; it has {', '.join(a.name for a in self.arms)}"
        )

    def profile(self, values: Mapping[str, object], *, name: str = "") -> Profile:
        """Return a checked profile from attribute values, named as the design lists it where it does."""
        profile = make_profile(self.attributes, values, name=name)
        for listed in self.listed_profiles:
            if listed.profile == profile:
                return listed.profile
        return profile

    def profiles(self) -> tuple[Profile, ...] | None:
        """Return every profile of the study, or None where they are too many to list."""
        if not self.compares:
            return ()
        if self.profile_kind is ProfileKind.LIST:
            return tuple(listed.profile for listed in self.listed_profiles)
        if prod(a.value_count for a in self.attributes) > LISTABLE:
            return None
        names = [a.name for a in self.attributes]
        return tuple(
            self.profile(dict(zip(names, values, strict=True)))
            for values in product(*(a.values for a in self.attributes))
        )

    def comparisons(self) -> tuple[Comparison, ...] | None:
        """Return every comparison that can be asked, or None where they are drawn at random or too many to list."""
        if not self.compares:
            return ()
        if self.comparison_kind is ComparisonKind.LIST:
            return tuple(dict.fromkeys(Comparison.of(a, b) for a, b in self.listed_comparisons))
        profiles = self.profiles()
        if (
            self.comparison_kind is ComparisonKind.RANDOM
            or profiles is None
            or comb(len(profiles), 2) > LISTABLE
        ):
            return None
        return tuple(Comparison.of(a, b) for a, b in combinations(profiles, 2))

    def draw_pairs(self, count: int, rng: np.random.Generator) -> list[tuple[Profile, Profile]]:
        """Draw pairs of different profiles, each profile independently, no comparison twice.

        Returns fewer than ``count`` only if the design cannot yield as many different comparisons.
        """
        drawn: dict[Comparison, tuple[Profile, Profile]] = {}
        for _ in range(_MOST_DRAWS_PER_COMPARISON * count):
            if len(drawn) == count:
                break
            one, other = self.draw_profile(rng), self.draw_profile(rng)
            if one != other:
                drawn.setdefault(Comparison.of(one, other), (one, other))
        return list(drawn.values())

    def draw_profile(self, rng: np.random.Generator) -> Profile:
        """Draw a profile as the design says: from the list, or each attribute independently."""
        if self.profile_kind is ProfileKind.LIST:
            return self.listed_profiles[int(rng.integers(len(self.listed_profiles)))].profile
        return self.profile({a.name: a.draw(rng) for a in self.attributes})


def require_comparisons(design: StudyDesign, where: str = "") -> StudyDesign:
    """Return the design of a study that asks for comparisons; ``where`` names its file in the complaint.

    Raises
    ------
    NoComparisons
        The study asks for attributes alone.
    """
    if not design.compares:
        raise NoComparisons(
            f"{where + ': ' if where else ''}study '{design.slug}' asks which attributes should count and has no "
            "comparisons; name a study that has some ('equipoise survey coding design' makes one of what people "
            "said)"
        )
    return design


def make_profile(attributes: Iterable[Attribute], values: Mapping[str, object], *, name: str = "") -> Profile:
    """Return a profile with exactly the given attributes, every value checked.

    Raises
    ------
    BadProfile
        An attribute without a value, a value out of range, or a value for an unknown attribute.
    """
    attributes = tuple(attributes)
    known = {a.name for a in attributes}
    unknown = [n for n in values if n not in known]
    if unknown:
        raise BadProfile(f"unknown attribute '{unknown[0]}'; the attributes are {', '.join(sorted(known))}")
    missing = [a.name for a in attributes if a.name not in values]
    if missing:
        raise BadProfile(f"no value for attribute '{missing[0]}'")
    return Profile(tuple((a.name, a.checked(values[a.name])) for a in attributes), name=name)


def design_hash(design: StudyDesign) -> str:
    """Return the SHA-256 (hex) of the design's canonical form: its content, not its layout in a file."""
    canonical = json.dumps(_content(design), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _content(value: Any) -> Any:
    """Return the plain content of a part of a design."""
    if is_dataclass(value):
        return {
            f.name: _content(getattr(value, f.name))
            for f in fields(value)
            if f.metadata != _LATER or f.default is MISSING or getattr(value, f.name) != f.default
        }
    return [_content(part) for part in value] if isinstance(value, tuple) else value
