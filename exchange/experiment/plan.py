"""What an experiment runs: every scenario under every condition with every seed. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from estimation.heterogeneity.preferences import PreferenceDistribution
from estimation.weights import PriorityWeights, ProfileWeights
from exchange.errors import BadRequest
from exchange.outcomes.published import PublishedValue
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.scenario import Scenario
from exchange.simulation.scenario_record import scenario_record
from exchange.simulation.simulate import ENGINE_VERSION
from survey.design import Profile, StudyDesign, design_hash
from survey.design_file import attribute_records

MOST_RUNS = 1_000_000
GREATEST_SEED = 2**63 - 1
"""What a column of whole numbers holds."""
_LONGEST_SLUG = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedRun:
    """One run of an experiment."""

    scenario: Scenario
    condition: Condition
    seed: int
    stem: str
    """Of the names of its files: number, scenario, condition, seed."""
    key: str
    """SHA-256 (hex) of everything the run depends on. Equal keys, equal results."""

    @property
    def words(self) -> str:
        """The run in words, for messages."""
        return f"scenario '{self.scenario.name}', condition '{self.condition.name}', seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExperimentPlan:
    """An experiment. The same seed means the same people under every condition. Checked on construction.

    Raises
    ------
    BadRequest
        Nothing to run, a name or seed given twice, or a baseline that is not among the conditions.
    """

    name: str
    title: str
    source: str
    """Where the experiment is from."""
    design: StudyDesign
    """Whose attributes describe the patients."""
    scenarios: tuple[Scenario, ...]
    conditions: tuple[Condition, ...]
    seeds: tuple[int, ...]
    baseline: str
    """Name of the condition that differences are from."""
    ranks_by: DonorPreferences | None = None
    """Whose own orders of the study's profiles ranks are counted in; None for no ranks."""
    published: tuple[PublishedValue, ...] = ()
    """Numbers that the results are tested against."""
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Files read, by what they are for; for the manifest."""

    def __post_init__(self) -> None:
        for what, names in (
            ("scenario", [s.name for s in self.scenarios]),
            ("condition", [c.name for c in self.conditions]),
            ("seed", [str(s) for s in self.seeds]),
        ):
            if not names:
                raise BadRequest(f"experiment '{self.name}' has no {what}; give at least one")
            name, count = Counter(names).most_common(1)[0]
            if count > 1:
                raise BadRequest(f"experiment '{self.name}': {what} '{name}' is given twice; name each once")
        if min(self.seeds) < 0:
            raise BadRequest(f"experiment '{self.name}': seed {min(self.seeds)} is negative; give 0 or more")
        if max(self.seeds) > GREATEST_SEED:
            raise BadRequest(
                f"experiment '{self.name}': seed {max(self.seeds)} is too great; give at most {GREATEST_SEED}"
            )
        if self.baseline not in [c.name for c in self.conditions]:
            raise BadRequest(
                f"experiment '{self.name}': baseline '{self.baseline}' is not among its conditions "
                f"{', '.join(c.name for c in self.conditions)}"
            )
        n = len(self.scenarios) * len(self.conditions) * len(self.seeds)
        if n > MOST_RUNS:
            raise BadRequest(f"experiment '{self.name}' has {n:,} runs; {MOST_RUNS:,} are the most")

    def runs(self, only: Collection[str] = ()) -> tuple[PlannedRun, ...]:
        """Return the runs, all conditions of a seed together, so that what is done early can be compared.

        Parameters
        ----------
        only
            Names of conditions; empty for all. Each run keeps the name it has in the whole.

        Raises
        ------
        BadRequest
            There is no such condition.
        """
        known = [condition.name for condition in self.conditions]
        for name in only:
            if name not in known:
                raise BadRequest(
                    f"experiment '{self.name}' has no condition '{name}'; it has {', '.join(known)}"
                )
        cells = list(product(self.scenarios, self.conditions))
        shared = self._shared_record()
        of_scenario = {scenario.name: _scenario_values(scenario) for scenario in self.scenarios}
        of_condition = {condition.name: condition_record(condition) for condition in self.conditions}
        found = []
        for seed in self.seeds:
            for number, (scenario, condition) in enumerate(cells, start=1):
                if only and condition.name not in only:
                    continue
                record = {
                    **shared,
                    "scenario": of_scenario[scenario.name],
                    "condition": of_condition[condition.name],
                    "seed": seed,
                }
                stem = f"{number:04d}-{slug(scenario.name)}-{slug(condition.name)}-{seed}"
                found.append(
                    PlannedRun(
                        scenario=scenario,
                        condition=condition,
                        seed=seed,
                        stem=stem,
                        key=digest(record),
                    )
                )
        return tuple(found)

    def identity(self) -> dict[str, object]:
        """Return what a folder of results is of: everything but the seeds, each part by its SHA-256."""
        return {
            "experiment": self.name,
            **{
                key: value if key == "engine_version" else digest(value)
                for key, value in self._shared_record().items()
            },
            "scenarios": {s.name: digest(_scenario_values(s)) for s in self.scenarios},
            "conditions": {c.name: digest(condition_record(c)) for c in self.conditions},
        }

    def _shared_record(self) -> dict[str, object]:
        return {
            "engine_version": ENGINE_VERSION,
            "design": design_hash(self.design),
            "ranks_by": None if self.ranks_by is None else _preferences_record(self.ranks_by),
        }


def changed(
    plan: ExperimentPlan, *, seeds: Sequence[int] | None = None, days: int | None = None
) -> ExperimentPlan:
    """Return an experiment with other seeds, or of other length; None leaves them as they are.

    Published numbers are of the length that was published: with another there is nothing to test.

    Raises
    ------
    BadRequest, BadScenario
        Seeds or days that cannot be.
    """
    if seeds is not None:
        plan = replace(plan, seeds=tuple(seeds))
    if days is None or all(scenario.days == days for scenario in plan.scenarios):
        return plan
    scenarios = tuple(
        replace(scenario, days=days, source=f"{scenario.source}, but {days} days")
        for scenario in plan.scenarios
    )
    return replace(plan, scenarios=scenarios, published=())


def seeds_in_words(text: str, own: Sequence[int]) -> tuple[int, ...]:
    """Return the seeds that a text means.

    ``100-149`` for all of these; ``20`` for the first 20 of ``own``, going on from the last where there are fewer.

    Raises
    ------
    BadRequest
        Neither of the two.
    """
    found = re.fullmatch(r"\s*(\d{1,12})\s*(?:-\s*(\d{1,12})\s*)?", text)
    if found is None:
        raise BadRequest(f"seeds '{text}': give the first and last, such as 100-149, or how many, such as 20")
    first, last = int(found[1]), found[2]
    if last is None:
        if not 1 <= first <= MOST_RUNS:
            raise BadRequest(
                f"seeds '{text}': give 1 to {MOST_RUNS:,} seeds, or the first and last, such as 100-149"
            )
        more = range(max(own) + 1, max(own) + 1 + max(first - len(own), 0))
        return (*own[:first], *more)
    if not first <= int(last) < first + MOST_RUNS:
        raise BadRequest(
            f"seeds '{text}': the last is less than the first, or there are more than {MOST_RUNS:,}"
        )
    return tuple(range(first, int(last) + 1))


def condition_record(condition: Condition) -> dict[str, object]:
    """Return everything that a condition changes in a run, and its name, as plain data."""
    return {
        "name": condition.name,
        "policy": None if condition.policy is None else str(condition.policy),
        "goals": [[str(goal.objective), goal.concession] for goal in condition.goals],
        "weights": None if condition.weights is None else weights_record(condition.weights),
        "preferences": None if condition.preferences is None else _preferences_record(condition.preferences),
        "fairness": {"threshold": condition.fairness.threshold, "bonus": condition.fairness.bonus},
    }


def weights_record(weights: PriorityWeights) -> dict[str, object]:
    """Return the values of weights as plain data; no intervals, which change nothing."""
    record: dict[str, object] = {"attributes": attribute_records(weights.attributes)}
    if isinstance(weights, ProfileWeights):
        strengths = zip(weights.profiles, weights.log_strengths, strict=True)
        return record | {"profiles": [[_values(profile), e.value] for profile, e in strengths]}
    return record | {"coefficients": {name: e.value for name, e in weights.coefficients.items()}}


def digest(record: object) -> str:
    """Return the SHA-256 (hex) of plain data, whatever the order of its keys."""
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _scenario_values(scenario: Scenario) -> dict[str, Any]:
    """Return everything of a scenario that a run depends on; not where its numbers are from."""
    record = scenario_record(scenario)
    record["model"] = {key: value for key, value in record["model"].items() if key not in ("name", "source")}
    return {key: value for key, value in record.items() if key != "source"}


def _preferences_record(preferences: DonorPreferences) -> dict[str, object]:
    distribution: PreferenceDistribution = preferences.distribution
    return {
        "attributes": attribute_records(distribution.attributes),
        "distribution": distribution.to_record(),
        "reference": _all_values(preferences.reference),
    }


def _all_values(profiles: Sequence[Profile]) -> list[list[list[object]]]:
    return [_values(profile) for profile in profiles]


def _values(profile: Profile) -> list[list[object]]:
    return [[name, value] for name, value in profile.values]


def slug(name: str) -> str:
    """Return a name as a part of a file name. Two names may give the same; a number before it tells them apart."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_SLUG].strip("-") or "unnamed"
