"""The groups of simulated patients, as ``exchange.outcomes`` tells them apart, in the words of the study. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exchange.outcomes.groups import BLOOD_GROUP_CLASS, CPRA_BAND, OWN_GROUPINGS, PROFILE
from exchange.outcomes.outcome import EVERYBODY, Measure
from exchange.outcomes.run_summary import Quantity, RunSummary
from llm_compare.consequences.groups import GroupKind, attribute_words, other_words
from survey.design import CategoricalAttribute, StudyDesign

_KINDS = {
    EVERYBODY: GroupKind.EVERYBODY,
    PROFILE: GroupKind.PROFILE,
    BLOOD_GROUP_CLASS: GroupKind.BLOOD_GROUP_CLASS,
    CPRA_BAND: GroupKind.CPRA_BAND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeGroup:
    """A group of simulated patients."""

    kind: GroupKind
    attribute: str
    """Name of the attribute; of another kind, what the kind is called."""
    group: str
    """Level in the study's words, band, class or profile."""
    words: str
    """As a sentence names these patients."""
    grouping: str
    """As in ``exchange.outcomes.Quantity``, like ``key``."""
    key: str

    def value(self, run: RunSummary, measure: Measure) -> float:
        """Return a number of a run about these patients."""
        return run.value(Quantity(self.grouping, self.key, measure))

    def seen(self, run: RunSummary) -> float:
        """Return how many of them there are in a run."""
        return self.value(run, Measure.SEEN)


def outcome_groups(quantities: Sequence[Quantity], design: StudyDesign) -> tuple[OutcomeGroup, ...]:
    """Return the groups that there are numbers about: everybody, levels and bands of attributes, profiles,
    blood-group classes and cPRA bands."""
    # An attribute that is called like one of the groupings has another name among them.
    attributes = {f"patient.{a.name}" if a.name in OWN_GROUPINGS else a.name: a for a in design.attributes}
    found: dict[tuple[str, str], OutcomeGroup] = {}
    for grouping, key, _ in quantities:
        if not key or (grouping, key) in found:
            continue
        if grouping in attributes:
            attribute = attributes[grouping]
            shown = key
            if isinstance(attribute, CategoricalAttribute):
                shown = next((level.words for level in attribute.levels if level.name == key), key)
            kind, name, words = GroupKind.ATTRIBUTE, attribute.name, attribute_words(attribute, shown)
        elif grouping in _KINDS:
            kind, shown = _KINDS[grouping], key
            name, words = kind.value, other_words(kind, key)
        else:
            continue
        found[grouping, key] = OutcomeGroup(
            kind=kind, attribute=name, group=shown, words=words, grouping=grouping, key=key
        )
    return tuple(found.values())
