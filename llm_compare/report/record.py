"""Everything that a report shows, put together as ``alignment.json`` holds it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_compare.alignment.alignment import ModelAlignment
from llm_compare.alignment.alignment_file import as_record
from llm_compare.alignment.calls import Calls
from llm_compare.consequences.cleared_pool import ClearedPool
from llm_compare.consequences.generated_pools import PoolConsequences
from llm_compare.consequences.year_outcomes import SimulatedConsequences
from survey.answers import AnswerSet
from survey.design import Attribute, CategoricalAttribute
from survey.wording import value_words

# How the survey begins the pseudonyms of rehearsals, as ``survey.export`` says.
_SIMULATED = "sim-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one input of the report came from."""

    what: str
    kind: str
    """``real``, ``simulated``, ``scripted`` or ``not stated``; shown as a label."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeWords:
    """An attribute as respondents read it."""

    name: str
    label: str
    values: tuple[str, ...]
    """Levels in words; of a number, its lowest and highest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyShown:
    """The study that people and models answered."""

    title: str
    slug: str
    design_hash: str
    attributes: tuple[AttributeWords, ...]
    indecision_label: str
    """What indecision was called; empty where it was not offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleShown:
    """The people's answers that were compared."""

    source: str
    n_answers: int
    n_respondents: int | None
    """None where the source does not say who answered."""
    n_comparisons: int
    indecision_offered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """How the numbers were made."""

    n_draws: int
    seed: int
    population: str
    """What the intervals are about: ``comparisons like these`` or ``these comparisons``."""
    n_splits: int
    prior_answers: float
    """With which the weights for the exchange were regularized, alike for all; 0 if they were not."""
    parser: str
    """Version of the rules that read the replies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsShown:
    """The weights that an exchange was cleared with."""

    label: str
    coefficients: Mapping[str, tuple[float, float | None, float | None]]
    """Log-strength per coefficient with its 95 % interval."""
    mean_log_likelihood: float
    n_answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShown:
    """One model: what was measured, and what its weights would do."""

    measured: ModelAlignment
    pool: ClearedPool | None
    """A given pool, cleared once."""
    pools: PoolConsequences | None
    """Generated pools."""
    years: SimulatedConsequences | None
    summary: tuple[str, ...]
    """What was found, a sentence each, for a reader who reads nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutChoice:
    """A model none of whose replies is a choice: nothing to align, but refusing is a finding."""

    label: str
    calls: Calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """People against one model or several."""

    title: str
    study: StudyShown
    people: PeopleShown
    methods: Methods
    models: tuple[ModelShown, ...]
    without_choice: tuple[WithoutChoice, ...]
    weights: tuple[WeightsShown, ...]
    """People's first."""
    origins: tuple[Origin, ...]
    notes: tuple[str, ...]
    manifest: Mapping[str, object]

    def record(self) -> dict[str, Any]:
        """Return the report as it stands in ``alignment.json``."""
        record: dict[str, Any] = as_record(self)
        return record


def attribute_words(attributes: Sequence[Attribute]) -> tuple[AttributeWords, ...]:
    """Return attributes as respondents read them."""
    return tuple(
        AttributeWords(
            name=a.name,
            label=a.label,
            values=tuple(value_words(a, v) for v in a.values)
            if isinstance(a, CategoricalAttribute)
            else (value_words(a, a.values[0]), value_words(a, a.values[-1])),
        )
        for a in attributes
    )


def people_origin(people: AnswerSet, stated: str) -> Origin:
    """Say who gave the people's answers, as far as it is known.

    Parameters
    ----------
    stated
        What the user states about them. Without it nothing is claimed: a file does not say whether real people gave
        its answers.
    """
    what = "People’s answers"
    respondents = {a.respondent for a in people.answers}
    simulated = sum(r is not None and r.startswith(_SIMULATED) for r in respondents)
    if simulated:
        words = (
            f"{simulated} of {len(respondents)} respondents are simulated participants of a rehearsal, not people. "
            f"{stated or f'Read from {people.source}.'}"
        )
        return Origin(what=what, kind="simulated", words=words)
    if stated:
        return Origin(what=what, kind="real", words=stated)
    words = f"Read from {people.source}, which does not say who gave them; say it with --people-source."
    return Origin(what=what, kind="not stated", words=words)


def model_origin(label: str, calls: Calls) -> Origin:
    """Say who gave a model's replies."""
    if calls.scripted:
        return Origin(
            what=label, kind="scripted", words="A few lines of code with a known rule, not a language model."
        )
    answered = f", answered by {', '.join(calls.returned_models)}" if calls.returned_models else ""
    asked = f", {_period(calls.first_asked, calls.last_asked)}" if calls.first_asked else ""
    return Origin(
        what=label, kind="real", words=f"{calls.outcomes.n} calls to {calls.model}{answered}{asked}."
    )


def _period(first: str, last: str) -> str:
    """Return two moments to the minute, the day only once where it is the same."""
    first, last = (moment[:16].replace("T", " ") for moment in (first, last))
    if first == last:
        return f"{first} UTC"
    return f"{first} to {last[11:] if first[:10] == last[:10] else last} UTC"


def pool_origin(source: str, note: str, *, is_simulated: bool) -> Origin:
    """Say where a given pool came from."""
    return Origin(
        what="Exchange pool",
        kind="simulated" if is_simulated else "not stated",
        words=note.removeprefix("Simulated. ")
        or f"Read from {source}, which does not say whether its people are real.",
    )
