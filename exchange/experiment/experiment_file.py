"""Read experiment files (TOML): scenarios, what is compared within them, and seeds. Complaints name line and key.

Ready ones ship with Equipoise under ``exchange/experiments``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from estimation.errors import EstimationError
from exchange.compatibility import BloodGroupClass
from exchange.errors import BadRequest, ExchangeError
from exchange.experiment.conditions import Misplaced, Sources, conditions_of_table
from exchange.experiment.experiment_tables import ExperimentTable
from exchange.experiment.plan import ExperimentPlan
from exchange.experiment.weight_sets import listed_weights
from exchange.named_weights import NamedWeights
from exchange.outcomes.groups import BLOOD_GROUP_CLASS, PROFILE
from exchange.outcomes.outcome import EVERYBODY
from exchange.outcomes.published import PublishedValue
from exchange.pool import MOST_COMPLAINTS
from exchange.pool_model import Place
from exchange.simulation.condition import Condition, DonorPreferences
from exchange.simulation.scenario import Scenario
from exchange.simulation.scenario_file import scenario_of_table
from survey.design import StudyDesign
from survey.design_file import example_design, examples_with_comparisons, read_design_with_comparisons
from survey.design_file.complaints import complaint, key_lines, location, message
from survey.errors import BadDesign, NoComparisons

PRESETS = Path(__file__).resolve().parents[1] / "experiments"
DEFAULT_STUDY = "kidney-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentFile:
    """An experiment, and the text that it was read from."""

    plan: ExperimentPlan
    text: str


def experiment_names() -> tuple[str, ...]:
    """Return the names of the experiments that ship with Equipoise."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def experiment_path(given: str) -> Path:
    """Return the path of an experiment file, given itself or by the name of one that ships.

    Raises
    ------
    BadRequest
        There is neither.
    """
    path = Path(given)
    if not path.exists() and given in experiment_names():
        return PRESETS / f"{given}.toml"
    if not path.is_file():
        raise BadRequest(
            f"{given}: there is no such file, and no experiment of that name; there are "
            f"{', '.join(experiment_names())}"
        )
    return path


def study_named(given: str, folder: Path | None = None) -> tuple[StudyDesign, Path | None]:
    """Return a study by the path of its file, or by the name of one that ships, and the file read if any.

    Raises
    ------
    BadRequest, BadDesign, NoComparisons
        There is neither, the file is no design, or its study asks for attributes alone.
    """
    path = Path(given) if folder is None else folder / given
    if path.exists():
        return read_design_with_comparisons(path), path
    shipped = examples_with_comparisons()
    if given not in shipped:
        raise BadRequest(
            f"there is no file {path}, and no study '{given}' ships; there are {', '.join(shipped)}"
        )
    return example_design(given), None


def read_experiment(path: Path) -> ExperimentFile:
    """Read an experiment file. Paths in it are relative to its folder.

    Raises
    ------
    BadRequest
        The file, or one that it names, cannot be read, or says what cannot be; the message names file, line and key
        of each complaint.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror or error}; name an existing experiment file") from None
    plan = parse_experiment(text, str(path), path.parent, name=path.stem)
    return ExperimentFile(plan=plan, text=text)


def parse_experiment(text: str, where: str, folder: Path, *, name: str = "experiment") -> ExperimentPlan:
    """Return the experiment in a text that complaints call ``where``; see :func:`read_experiment`.

    Parameters
    ----------
    folder
        Where relative paths begin.
    name
        What it is called if the text does not say.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{where}: not valid TOML: {error}") from None
    lines = key_lines(text)
    try:
        table = ExperimentTable.model_validate(document)
    except ValidationError as error:
        raise _refused(
            [complaint(where, lines, location(document, e["loc"]), _words(dict(e))) for e in error.errors()]
        ) from None
    return _Reader(table, where, lines, folder).plan(name)


class _Reader:
    """Leads from tables to a plan, noting complaints rather than stopping at the first."""

    def __init__(self, table: ExperimentTable, where: str, lines: Mapping[Place, int], folder: Path) -> None:
        self._table, self._where, self._lines, self._folder = table, where, lines, folder
        self._complaints: list[str] = []
        self._inputs: dict[str, Path] = {}

    def plan(self, name: str) -> ExperimentPlan:
        table = self._table
        study = self._study()
        # Without the study nothing else has a meaning.
        if study is None:
            raise _refused(self._complaints)
        sources = Sources(study=study, sets=self._sets(study), folder=self._folder, inputs=self._inputs)
        scenarios = self._scenarios(study)
        n_complaints = len(self._complaints)
        conditions = self._conditions(sources)
        # Who refers to a condition that is refused is not wrong, too.
        names = [c.name for c in conditions] if len(self._complaints) == n_complaints else []
        ranks_by = self._ranks_by(sources)
        for i, row in enumerate(table.published):
            if names and row.condition not in names:
                self._complain(
                    ("published", i, "condition"),
                    f"there is no condition '{row.condition}'; there are {', '.join(names)}",
                )
            if (known := _groups_known(row.grouping, study)) and row.group not in known:
                self._complain(
                    ("published", i, "group"),
                    f"'{row.group}' is no group of grouping '{row.grouping}'; there are {', '.join(known)}",
                )
        if table.baseline is not None and names and table.baseline not in names:
            self._complain(
                ("baseline",), f"there is no condition '{table.baseline}'; there are {', '.join(names)}"
            )
        if self._complaints:
            raise _refused(self._complaints)
        try:
            return ExperimentPlan(
                name=table.name or name,
                title=table.title or table.name or name,
                source=table.source,
                design=study,
                scenarios=tuple(scenarios),
                conditions=tuple(conditions),
                seeds=tuple(table.seeds),
                baseline=table.baseline or conditions[0].name,
                ranks_by=ranks_by,
                published=tuple(
                    PublishedValue(
                        condition=row.condition,
                        measure=row.measure,
                        grouping=row.grouping,
                        group=row.group,
                        mean=row.mean,
                        sd=row.sd,
                        n_runs=row.runs,
                    )
                    for row in table.published
                ),
                inputs=self._inputs,
            )
        except BadRequest as error:
            raise BadRequest(f"{self._where}: {error}") from None

    def _complain(self, place: Place, text: str) -> None:
        self._complaints.append(complaint(self._where, self._lines, place, text))

    def _study(self) -> StudyDesign | None:
        try:
            study, path = study_named(self._table.design or DEFAULT_STUDY, self._folder)
        except (BadRequest, BadDesign, NoComparisons) as error:
            self._complain(("design",), str(error))
            return None
        if path is not None:
            self._inputs["design"] = path
        return study

    def _sets(self, study: StudyDesign) -> dict[str, NamedWeights]:
        found = {}
        for name, strengths in self._table.weight_sets.items():
            try:
                weights = listed_weights(strengths, study)
            except BadRequest as error:
                self._complain(("weight_sets", name), str(error))
                continue
            found[name] = NamedWeights(weights=weights, words=f"weight set '{name}'")
        return found

    def _scenarios(self, study: StudyDesign) -> list[Scenario]:
        found = []
        for i, table in enumerate(self._table.scenarios):
            try:
                scenario, inputs = scenario_of_table(
                    table, self._where, self._lines, ("scenarios", i), study, self._folder
                )
            except BadRequest as error:
                # It names file, line and key already.
                self._complaints += str(error).splitlines()
                continue
            found.append(scenario)
            self._inputs |= {f"{scenario.name}: {what}": path for what, path in inputs.items()}
        return found

    def _conditions(self, sources: Sources) -> list[Condition]:
        found: list[Condition] = []
        for i, table in enumerate(self._table.conditions):
            try:
                found += conditions_of_table(table, sources)
            except Misplaced as error:
                self._complain(("conditions", i, *error.place), error.text)
        return found

    def _ranks_by(self, sources: Sources) -> DonorPreferences | None:
        if self._table.ranks_by is None:
            return None
        try:
            return sources.preferences(self._table.ranks_by, "ranks_by")[0]
        except (ExchangeError, EstimationError) as error:
            self._complain(("ranks_by",), str(error))
            return None


def _refused(complaints: list[str]) -> BadRequest:
    more = len(complaints) - MOST_COMPLAINTS
    return BadRequest("\n".join([*complaints[:MOST_COMPLAINTS], *([f"and {more} more"] if more > 0 else [])]))


def _words(error: Mapping[str, object]) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a key of an experiment file; see 'equipoise exchange experiment NAME --print'"
    return message(error)


def _groups_known(grouping: str, study: StudyDesign) -> tuple[str, ...]:
    """Return the groups that a grouping has, as far as they are known before there are runs."""
    if grouping == EVERYBODY:
        return (EVERYBODY,)
    if grouping == PROFILE:
        return tuple(profile.id for profile in study.profiles() or ())
    return tuple(BloodGroupClass) if grouping == BLOOD_GROUP_CLASS else ()
