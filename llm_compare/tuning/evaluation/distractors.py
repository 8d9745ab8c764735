"""Does a line count that should not? A property of no account is added to both patients, then exchanged. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from llm_compare.alignment.choices import FIRST, SECOND, Array
from llm_compare.alignment.resampling import LEVEL, Measured
from llm_compare.errors import CannotTune
from llm_compare.tuning.evaluation.curve import shown
from llm_compare.tuning.evaluation.share_table import ShareTable
from survey.design import CategoricalAttribute, Comparison, Level, Profile, StudyDesign, make_profile

FEWEST = 2
_NO_VARIATION = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A comparison with the added levels one way round and the other."""

    levels: tuple[str, str]
    """Of the first patient and of the second in ``one``; the other way round in ``other``."""
    one: Comparison
    other: Comparison
    first: tuple[Profile, Profile]
    """The same patient in ``one`` and in ``other``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistractorMoved:
    """What a line that should not count does, before tuning and after."""

    attribute: CategoricalAttribute
    n_comparisons: int
    before: Measured
    """Mean absolute change of the chance that a patient is chosen when the two added levels are exchanged."""
    after: Measured
    difference: Measured
    by_level: Mapping[str, tuple[Measured, Measured]]
    """Before and after: mean change of a patient's chance when the patient has the level and the other had it
    before, over all comparisons that show the level."""

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            "attribute": self.attribute.name,
            "label": self.attribute.label,
            "levels": list(self.attribute.level_names),
            "n_comparisons": self.n_comparisons,
            "before": shown(self.before),
            "after": shown(self.after),
            "difference": shown(self.difference),
            "by_level": [
                {"level": level, "before": shown(before), "after": shown(after)}
                for level, (before, after) in self.by_level.items()
            ],
        }


def parse_distractor(text: str) -> CategoricalAttribute:
    """Return the attribute that ``Label=level|level`` describes.

    Raises
    ------
    CannotTune
        It is not written so, or has fewer than two different levels.
    """
    label, separator, after = text.partition("=")
    levels = [level.strip() for level in after.split("|")]
    if not separator or not label.strip() or len(set(levels)) < FEWEST or not all(levels):
        raise CannotTune(
            f"--distractor {text!r}: write a label and two or more levels, e.g. 'Favorite season=spring|autumn'"
        )
    name = "".join(c if c.isalnum() else "_" for c in label.strip().lower())
    return CategoricalAttribute(
        name=name, label=label.strip(), levels=tuple(Level(name=x, words=x) for x in dict.fromkeys(levels))
    )


def with_distractor(design: StudyDesign, attribute: CategoricalAttribute) -> StudyDesign:
    """Return the design with an attribute more, shown last.

    Raises
    ------
    CannotTune
        The design has an attribute of that name.
    """
    if any(attribute.name == a.name or attribute.label == a.label for a in design.attributes):
        raise CannotTune(
            f"--distractor: the study has an attribute '{attribute.label}' itself; choose one that it does not have"
        )
    return replace(design, attributes=(*design.attributes, attribute))


def pairs_with(
    comparisons: Sequence[Comparison], design: StudyDesign, *, rng: np.random.Generator
) -> tuple[Pair, ...]:
    """Return every comparison with two different levels of the design's last attribute, both ways round."""
    attribute = design.attributes[-1]
    names = [str(value) for value in attribute.values]
    found = []
    for comparison in comparisons:
        a, b = (names[i] for i in rng.permutation(len(names))[:2])
        first, second = (
            {
                level: make_profile(design.attributes, {**profile.as_dict(), attribute.name: level})
                for level in (a, b)
            }
            for profile in (comparison.first, comparison.second)
        )
        found.append(
            Pair(
                levels=(a, b),
                one=Comparison.of(first[a], second[b]),
                other=Comparison.of(first[b], second[a]),
                first=(first[a], first[b]),
            )
        )
    return tuple(found)


def distractor_moved(
    attribute: CategoricalAttribute, pairs: Sequence[Pair], before: ShareTable, after: ShareTable
) -> DistractorMoved:
    """Measure what exchanging the added levels does, with intervals over comparisons."""
    changes = [changes_of(pairs, table) for table in (before, after)]
    sizes = [np.abs(change) for change in changes]
    return DistractorMoved(
        attribute=attribute,
        n_comparisons=int(np.isfinite(changes[0] + changes[1]).sum()),
        before=mean_measured(sizes[0], bounds=(0.0, 1.0)),
        after=mean_measured(sizes[1], bounds=(0.0, 1.0)),
        difference=mean_measured(sizes[1] - sizes[0], bounds=(-1.0, 1.0)),
        by_level={
            level: (
                mean_measured(_toward(pairs, changes[0], level), bounds=(-1.0, 1.0)),
                mean_measured(_toward(pairs, changes[1], level), bounds=(-1.0, 1.0)),
            )
            for level in attribute.level_names
        },
    )


def changes_of(pairs: Sequence[Pair], table: ShareTable) -> Array:
    """Return by how much the first patient's chance changes when the levels are exchanged, NaN if not known."""
    one = table.of([p.one for p in pairs]).shares
    other = table.of([p.other for p in pairs]).shares
    rows = np.arange(len(pairs))
    column = [
        [FIRST if comparison.first == patient else SECOND for comparison, patient in which]
        for which in (
            [(p.one, p.first[0]) for p in pairs],
            [(p.other, p.first[1]) for p in pairs],
        )
    ]
    return np.asarray(one[rows, column[0]] - other[rows, column[1]])


def mean_measured(values: Array, *, bounds: tuple[float, float]) -> Measured:
    """Return the mean of one value per comparison with its 95 % t interval; NaN values do not count."""
    found = values[np.isfinite(values)]
    n = len(found)
    if not n:
        return Measured(value=None, reason="no reply could be read")
    value = float(found.mean())
    if n < FEWEST:
        return Measured(value=value, n_comparisons=n, reason="a single comparison: no interval")
    se = float(found.std(ddof=1) / np.sqrt(n))
    if se < _NO_VARIATION:
        return Measured(
            value=value, low=value, high=value, se=0.0, n_comparisons=n, reason="the same everywhere"
        )
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * se
    return Measured(
        value=value,
        low=max(value - half, bounds[0]),
        high=min(value + half, bounds[1]),
        se=se,
        n_comparisons=n,
    )


def _toward(pairs: Sequence[Pair], changes: Array, level: str) -> Array:
    """Return the change toward patients with a level, of the comparisons that show it."""
    signs = np.array(
        [1.0 if p.levels[0] == level else -1.0 if p.levels[1] == level else np.nan for p in pairs]
    )
    return np.asarray(signs * changes)
