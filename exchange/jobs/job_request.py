"""From what somebody chose on a page to a job: an experiment file with its inputs, read by the very readers.

Names of uploaded files are shown and never used as paths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from estimation.errors import EstimationError
from exchange.errors import BadRequest, ExchangeError
from exchange.experiment.experiment_file import PRESETS, experiment_names, read_experiment
from exchange.experiment.plan import ExperimentPlan, changed, seeds_in_words
from exchange.jobs.choices import POLICIES, shipped_studies
from exchange.jobs.job import EXPERIMENT, INPUTS, Description, Job
from exchange.jobs.job_folder import JobFolder
from exchange.jobs.own_experiment import Chosen, Upload, write_own_experiment
from exchange.jobs.running_time import rough_seconds
from exchange.people_file import FORMAT as PEOPLE_FORMAT
from exchange.simulation.scenario import MOST_DAYS
from survey.errors import BadDesign

MOST_SEEDS = 10_000
LARGEST_SEED = 10**9
LONGEST_TITLE = 120
_OF_OUR_FILE = re.compile(rf"^{re.escape(EXPERIMENT)}(?::\d+)?: (?:[\w.\[\]-]+: )?(?=.)")
"""Line and key of a file that nobody but us has seen."""


class BadChoices(ExchangeError):
    """Choices that make no experiment; ``complaints`` lists everything that is wrong."""

    def __init__(self, complaints: Sequence[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(self.complaints))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was sent, as it came."""

    fields: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[Upload]]
    """Without those that were left empty."""

    def one(self, name: str) -> str:
        """Return a field's text without spaces at its ends."""
        return next(iter(self.fields.get(name, ())), "").strip()

    def several(self, name: str) -> Sequence[str]:
        """Return all that was chosen in a field."""
        return self.fields.get(name, ())


def add_job(
    jobs: JobFolder,
    form: Form,
    *,
    study_text: Callable[[int], str | None],
    most_workers: int,
    made_at: datetime,
    made_by: str,
) -> Job:
    """Check what was chosen and make a job of it. It is not started.

    Parameters
    ----------
    study_text
        Gives the design of a study of the service by its id; None if there is none.

    Raises
    ------
    BadChoices
        Something is wrong; nothing is kept.
    """
    complaints: list[str] = []

    def number(name: str, words: str, low: int, high: int, empty: int | None = None) -> int:
        text = form.one(name)
        if not text and empty is not None:
            return empty
        is_whole = text.isascii() and text.isdigit() and len(text) <= 12
        if not is_whole or not low <= int(text) <= high:
            complaints.append(f"{words}: give a whole number from {low:,} to {high:,}.")
            return low
        return int(text)

    first = number("first_seed", "First seed", 0, LARGEST_SEED)
    count = number("n_seeds", "Number of seeds", 1, MOST_SEEDS)
    days = number("days", "Days", 1, MOST_DAYS, empty=0) or None
    workers = number("workers", "Processes", 1, most_workers)
    seeds = f"{first}-{first + count - 1}"
    with jobs.draft() as draft:
        inputs = draft / INPUTS
        if form.one("kind") == "shipped":
            plan = _shipped(form.one("experiment"), inputs, complaints)
        else:
            plan = _own(form, inputs, study_text, complaints)
        if plan is None or complaints:
            raise BadChoices(complaints)
        try:
            plan = changed(plan, seeds=seeds_in_words(seeds, plan.seeds), days=days)
            n_runs = len(plan.runs())
        except BadRequest as error:
            raise BadChoices([str(error)]) from None
        about = Description(
            title=one_line(form.one("title"), LONGEST_TITLE) or plan.title,
            made_at=made_at,
            made_by=made_by,
            workers=workers,
            seeds=seeds,
            days=days,
            scenarios=tuple(s.name for s in plan.scenarios),
            conditions=tuple(c.name for c in plan.conditions),
            n_seeds=count,
            n_runs=n_runs,
            rough_seconds=rough_seconds(plan, workers),
        )
        return jobs.keep(draft, about)


def one_line(text: str, longest: int) -> str:
    """Return a text on one line, without characters that cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest].strip()


def _shipped(name: str, inputs: Path, complaints: list[str]) -> ExperimentPlan | None:
    if name not in experiment_names():
        complaints.append("Choose one of the experiments.")
        return None
    text = (PRESETS / f"{name}.toml").read_text(encoding="utf-8")
    (inputs / EXPERIMENT).write_text(text, encoding="utf-8")
    return read_experiment(inputs / EXPERIMENT).plan


def _own(
    form: Form, inputs: Path, study_text: Callable[[int], str | None], complaints: list[str]
) -> ExperimentPlan | None:
    study, study_file = _study(form.one("study"), study_text, complaints)
    policies = [policy for policy in POLICIES if policy in form.several("policy")]
    if not policies:
        complaints.append("Choose at least one policy.")
    weights, people = _sorted_uploads(form.files.get("weights_file", ()), complaints)
    chosen = Chosen(
        title=one_line(form.one("title"), LONGEST_TITLE),
        study=study,
        study_file=study_file,
        preset=form.one("scenario"),
        scenario_file=next(iter(form.files.get("scenario_file", ())), None),
        pool_files=form.files.get("pool_file", ()),
        policies=policies,
        weights=form.several("weights"),
        donor_weights=form.several("donor_weights"),
        weights_files=weights,
        people_files=people,
        people_as=form.one("people_as"),
    )
    if not chosen.title:
        complaints.append("Give the experiment a title.")
    if complaints:
        return None
    try:
        names = write_own_experiment(chosen, inputs)
    except BadRequest as error:
        complaints += str(error).splitlines()
        return None
    try:
        return read_experiment(inputs / EXPERIMENT).plan
    except (ExchangeError, EstimationError, BadDesign) as error:
        complaints += [_spoken(line, inputs, names) for line in str(error).splitlines()]
        return None


def _spoken(complaint: str, inputs: Path, names: Mapping[str, str]) -> str:
    """Return a complaint without our paths, and with the names that files had when they were sent."""
    complaint = _OF_OUR_FILE.sub("", complaint.replace(f"{inputs}/", ""))
    for ours, theirs in names.items():
        complaint = complaint.replace(ours, theirs)
    return complaint


def _study(
    given: str, study_text: Callable[[int], str | None], complaints: list[str]
) -> tuple[str, str | None]:
    """Return the name of a study that ships, or the text of one of the service's own."""
    if given in shipped_studies():
        return given, None
    number = given.removeprefix("study-")
    is_id = number != given and number.isascii() and number.isdigit() and len(number) <= 9
    text = study_text(int(number)) if is_id else None
    if text is None:
        complaints.append("Choose the study that describes the patients.")
    return given, text


def _sorted_uploads(uploads: Sequence[Upload], complaints: list[str]) -> tuple[list[Upload], list[Upload]]:
    """Return files with weights, and files that say how people differ."""
    weights: list[Upload] = []
    people: list[Upload] = []
    for upload in uploads:
        try:
            document = json.loads(upload.content)
        except (ValueError, RecursionError):
            complaints.append(f"{upload.name}: is not JSON; give weights.json or people.json")
            continue
        is_people = isinstance(document, dict) and document.get("format") == PEOPLE_FORMAT
        (people if is_people else weights).append(upload)
    return weights, people
