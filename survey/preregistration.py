"""The preregistration bundle: made before the first participant, with simulated data from the very same pipeline.

It is an export bundle, checked by the same command, with a plan beside it. Simulated participants take the study
over HTTP, one after another, in a database of their own, with a clock that does not depend on the machine. So the
same design, seed and versions give the same bytes.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from survey.app import create_app
from survey.attention import describe
from survey.bundle import BundleSummary, bundle_files, json_bytes, store_files, summary_of
from survey.config import PREFIX, Settings, load_settings, secrets_of
from survey.db import open_database, reading, writing
from survey.design import StudyDesign, design_hash
from survey.errors import SurveyError
from survey.export import study_data
from survey.pairing import presentation_count
from survey.participation import Exclusions
from survey.rehearsal import rehearse
from survey.serving import served_in_background
from survey.simulated import SimulatedRule, known_rule
from survey.store import studies
from survey.web.context import use_clock

PLAN = "preregistration.md"
PLAN_DATA = "preregistration.json"
FORMAT = "equipoise-preregistration"
FORMAT_VERSION = 1

# Simulated times begin here and move on by so much with every request: nobody can take them for real ones.
_SIMULATED_START = datetime(2000, 1, 1, tzinfo=UTC)
_SIMULATED_STEP = timedelta(seconds=5)
_LARGEST_SEED = 2**32


class AnalysisFailed(SurveyError):
    """The planned analysis does not run on the simulated data; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preregistration:
    """What was written."""

    bundle: BundleSummary
    exclusions: tuple[str, ...]
    """The rules in words."""
    analysis: str
    """The planned command, without the first word ``equipoise``."""
    analysis_ran: bool
    """Whether the command was run on the simulated data; its results are part of the bundle then."""


def preregister(
    design: StudyDesign,
    design_toml: str,
    target: Path,
    *,
    participants: int,
    seed: int,
    run_analysis: bool = True,
    progress: Callable[[int], None] = lambda answers: None,
) -> Preregistration:
    """Write the preregistration of a design to a folder, or to a zip file if ``target`` ends in ``.zip``.

    Parameters
    ----------
    participants
        Simulated ones, each of whom takes every wave.
    run_analysis
        Run the planned analysis on the simulated data and keep what it writes. Only commands of
        ``equipoise estimate`` are run: they use no network and no database.
    progress
        Called with 1 after each simulated answer.

    Raises
    ------
    AnalysisFailed
        The planned analysis ended with an error.
    CannotReplace
        Something else lies at ``target``.
    """
    analysis = planned_analysis(design)
    rule = known_rule(design)
    with tempfile.TemporaryDirectory(prefix="equipoise-preregistration-") as name:
        folder = Path(name)
        settings = load_settings({}, state_dir=folder / "state", log_level="error", rate_limits="off")
        engine = open_database(settings)
        try:
            _simulate(engine, settings, design, design_toml, participants, seed, progress)
            plan = _plan(design, rule, analysis, participants, seed)
            with reading(engine) as session:
                study = studies.find_study(session, design.slug)
                data = study_data(session, study, include_simulated=True)
                more = {PLAN_DATA: json_bytes(plan), PLAN: _plan_text(design, plan).encode()}

                def files(results: Mapping[str, bytes]) -> dict[str, bytes]:
                    return bundle_files(
                        session,
                        data,
                        include_simulated=True,
                        more={**more, **results},
                        about={"preregistration": {"participants": participants, "seed": seed}},
                    )

                runs = run_analysis and shlex.split(analysis)[0] == "estimate"
                results = _results(files({}), analysis, folder / "analysis") if runs else {}
                made = files(results)
        finally:
            engine.dispose()
    store_files(made, target)
    return Preregistration(
        bundle=summary_of(made, data, target),
        exclusions=tuple(describe(design.exclusions)),
        analysis=analysis,
        analysis_ran=bool(runs),
    )


def planned_analysis(design: StudyDesign) -> str:
    """Return the design's own planned analysis, else one that suits it: all answers where indecision can be one,
    decided answers elsewhere; those only who fall under no exclusion rule. A study without comparisons counts what
    people named, once that is coded."""
    if design.analysis:
        return design.analysis
    if not design.compares:
        return f"survey coding results {shlex.quote(design.slug)} --out results.json"
    offered = any(arm.indecision_offered for arm in design.arms)
    answers = "answers.csv" if _excludes_nobody(design) else "answers_included.csv"
    model = "min-delta" if offered else "conditional-logit"
    return f"estimate fit {answers} --design design.toml --model {model} --seed 1 --out weights.json"


def _excludes_nobody(design: StudyDesign) -> bool:
    return design.exclusions == Exclusions(unfinished=False)


# --- simulated data ------------------------------------------------------------------------------------


class _Clock:
    """Moves on by one step each time it is read, from any thread."""

    def __init__(self) -> None:
        self._now = _SIMULATED_START
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self._now += _SIMULATED_STEP
            return self._now


def _simulate(
    engine: Engine,
    settings: Settings,
    design: StudyDesign,
    design_toml: str,
    participants: int,
    seed: int,
    progress: Callable[[int], None],
) -> None:
    clock = _Clock()
    with writing(engine) as session:
        studies.open_study(
            session,
            studies.add_study(session, design_toml, now=clock()),
            now=clock(),
            actor="preregistration",
        )
    app = create_app(settings, engine)
    use_clock(app, clock)
    token = secrets_of(settings).rehearsal_token
    with served_in_background(app) as address:
        for wave in range(1, design.waves.count + 1):
            if wave > 1:
                with writing(engine) as session:
                    studies.open_next_wave(session, studies.find_study(session, design.slug), now=clock())
            for person in range(1, participants + 1):
                # One after another: what is drawn and when does not depend on who is quicker.
                rehearse(
                    design,
                    address,
                    rehearsal_token=token,
                    participants=1,
                    seed=_seed_of(seed, wave, person),
                    ids=f"simulated-{person}",
                    concurrent=1,
                    progress=progress,
                )


def _seed_of(seed: int, wave: int, person: int) -> int:
    return int(np.random.default_rng([seed, wave, person]).integers(_LARGEST_SEED))


# --- the plan ------------------------------------------------------------------------------------------


def _plan(
    design: StudyDesign, rule: SimulatedRule, analysis: str, participants: int, seed: int
) -> dict[str, object]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study": {"slug": design.slug, "version": design.version, "design_hash": design_hash(design)},
        "exclusions": describe(design.exclusions),
        "analysis": f"equipoise {analysis}",
        "participants_at_most": design.quotas.most,
        "comparisons_per_participant_and_wave": presentation_count(design),
        "waves": design.waves.count,
        "arms": [arm.name for arm in design.arms],
        "simulation": {
            "participants": participants,
            "seed": seed,
            "coefficients": dict(rule.coefficients),
            "indecision_log_weight": rule.indecision_log_weight,
        },
    }


def _plan_text(design: StudyDesign, plan: Mapping[str, object]) -> str:
    most = design.quotas.most
    of_weights, of_results = (
        (
            ", with the weights that `preregistration.json` states",
            " If `estimate` wrote files here, they are its results on these simulated data: the analysis runs as "
            "planned, and how near it comes to the stated weights can be seen.",
        )
        if design.compares
        else ("", "")
    )
    lines = [
        f"# Preregistration: {design.title}",
        "",
        f"Study `{design.slug}`, version {design.version}, design hash `{design_hash(design)}`. "
        "Made before the first participant; everything that participants see is in `design.toml`.",
        "",
        "## Sample",
        "",
        f"- Participants: {'no limit is set' if most is None else f'at most {most}'}.",
        *_asked(design),
        f"- Arms: {', '.join(arm.name for arm in design.arms)}.",
        "",
        "## Who is left out of the analysis",
        "",
        *(f"- {sentence}" for sentence in describe(design.exclusions)),
        "",
        "No data are dropped: the column `excluded_by` of `participants.csv` says who falls under which rule, "
        "and `answers_included.csv` holds the answers of everybody else.",
        "",
        "## Planned analysis",
        "",
        "In the folder of an unpacked export bundle:"
        if design.compares
        else "Where the study is kept, once people have coded what participants named:",
        "",
        "```",
        str(plan["analysis"]),
        "```",
        "",
        *_who_is_analyzed(design, str(plan["analysis"])),
        "## What else is here",
        "",
        "The data files hold simulated participants (`sim-...`), taken from the study's own pages by the pipeline "
        f"that will take the real ones{of_weights}. Their times begin in the year 2000 and are no times of people."
        f"{of_results}",
        "",
        "`equipoise survey verify` checks this folder. The same design, number of participants and seed give the "
        "same bytes with the same versions of Equipoise and its libraries.",
        "",
    ]
    return "\n".join(lines)


def _asked(design: StudyDesign) -> list[str]:
    """Return what each participant is asked, as lines of the plan."""
    lines = []
    if design.suggestions is not None:
        stances = " and ".join(q.stance.value.replace("_", " ") for q in design.suggestions.questions)
        shuffled = ", in random order" if design.suggestions.shuffled else ""
        lines.append(f"- Open questions per participant: which attributes {stances} count{shuffled}.")
    if design.acceptability is not None:
        ranked = design.acceptability.ranked
        lines.append(
            f"- Attributes rated per participant: {len(design.acceptability.attributes)}"
            + (f"; ranked: at most {ranked}." if ranked else ".")
        )
    waves = f", in each of {design.waves.count} waves" if design.waves.count > 1 else ""
    if design.compares:
        lines.append(f"- Comparisons per participant: {presentation_count(design)}{waves}.")
    elif waves:
        lines.append(f"- Waves: {design.waves.count}; open questions are asked in a person's first only.")
    return lines


def _who_is_analyzed(design: StudyDesign, analysis: str) -> list[str]:
    if not design.compares or _excludes_nobody(design) or "answers_included.csv" in shlex.split(analysis):
        return []
    return ["This command reads the answers of everybody, whatever the rules above say.", ""]


def _results(files: Mapping[str, bytes], analysis: str, folder: Path) -> dict[str, bytes]:
    """Run the planned analysis in a folder that holds the bundle; return the files that it wrote."""
    folder.mkdir()
    for name, body in files.items():
        (folder / name).write_bytes(body)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    done = subprocess.run(
        [sys.executable, "-m", "survey.cli", *shlex.split(analysis)],
        cwd=folder,
        env=environment | {f"{PREFIX}STATE_DIR": str(folder.parent / "unused")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AnalysisFailed(
            f"the planned analysis 'equipoise {analysis}' ended with exit code {done.returncode} on the simulated "
            f"data:\n{done.stderr.strip()}\nCorrect preregistration.analysis, or simulate more participants"
        )
    written = {
        path.name: path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in files
    }
    changed = [name for name, body in files.items() if (folder / name).read_bytes() != body]
    if changed:
        raise AnalysisFailed(
            f"the planned analysis writes over {', '.join(changed)}; let --out name a file of its own"
        )
    return {name: path.read_bytes() for name, path in written.items()} | {
        "analysis.txt": done.stdout.encode()
    }
