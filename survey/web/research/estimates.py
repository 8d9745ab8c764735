"""What a page about a study's estimate needs of the survey: counts of choices, the record of looks, stopping rules.

The page itself belongs to the estimators, which know no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from survey.db import reading, writing
from survey.design import StudyDesign, require_comparisons
from survey.store import looks, stopping_rules
from survey.store.choice_counts import ChoiceCounts, choice_counts
from survey.store.looks import Look
from survey.store.stopping_rules import Check, Precision, Rule
from survey.store.studies import design_of
from survey.tables import StudyRow
from survey.web.access import current_actor
from survey.web.context import now, the_engine
from survey.web.research.common import study_or_404

__all__ = [
    "AboutEstimate",
    "Check",
    "ChoiceCounts",
    "Look",
    "Precision",
    "Rule",
    "about_estimate",
    "add_study_tab",
    "counts_at",
    "counts_of",
    "note_look",
    "record_checks",
    "state_rule",
    "withdraw_rule",
]


_TABS = "study_tabs"


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutEstimate:
    """A study, and what there is to know about its estimate before one looks at it."""

    study: StudyRow
    design: StudyDesign
    rules: Sequence[Rule]
    """Newest first."""
    finished: int
    """People who finished, of the arm and wave of the rule in force; 0 without one."""
    n_looks: int
    looks: Sequence[Look]
    """The latest, newest first."""

    @property
    def rule(self) -> Rule | None:
        """The rule in force."""
        return next((rule for rule in self.rules if rule.ended_at is None), None)

    @property
    def waiting(self) -> list[int]:
        """Checkpoints that were reached and not yet checked."""
        return self.rule.waiting(self.finished) if self.rule else []


def about_estimate(study_id: int) -> AboutEstimate:
    """Read what the page shows without an estimate; 404 where there is no such study, 400 where it has no
    comparisons to estimate from."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        rules = stopping_rules.rules_of(session, study)
        in_force = next((rule for rule in rules if rule.ended_at is None), None)
        n_looks, latest = looks.looks_at_people(session, study)
        return AboutEstimate(
            study=study,
            design=require_comparisons(design_of(study)),
            rules=rules,
            finished=stopping_rules.finished_under(session, study, in_force.precision) if in_force else 0,
            n_looks=n_looks,
            looks=latest,
        )


def counts_of(
    study_id: int, *, simulated: bool, arm: str | None = None, wave: int | None = None
) -> ChoiceCounts:
    """Count the choices of a study as they are now."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        return choice_counts(session, study, simulated=simulated, arm=arm, wave=wave)


def counts_at(study_id: int, precision: Precision, participants: int) -> ChoiceCounts:
    """Count the choices at a rule's checkpoint: those of the people who finished first."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        return choice_counts(
            session,
            study,
            simulated=False,
            arm=precision.arm or None,
            wave=precision.wave,
            first_finished=participants,
        )


def note_look(
    study_id: int,
    *,
    answers: int,
    respondents: int,
    model: str,
    arm: str | None,
    wave: int | None,
    simulated: bool,
) -> None:
    """Note in the audit log that who is signed in looks, and at what."""
    with writing(the_engine()) as session:
        looks.note_look(
            session,
            study_or_404(session, study_id),
            now=now(),
            actor=current_actor(),
            answers=answers,
            respondents=respondents,
            model=model,
            arm=arm,
            wave=wave,
            simulated=simulated,
        )


def record_checks(study_id: int, rule: Rule, checks: Sequence[Check]) -> None:
    """Record what a rule said at its checkpoints."""
    with writing(the_engine()) as session:
        study = study_or_404(session, study_id)
        stopping_rules.record_checks(session, study, rule.id, checks, now=now(), actor=current_actor())


def state_rule(study_id: int, precision: Precision) -> None:
    """Put a rule in force, in the name of who is signed in."""
    with writing(the_engine()) as session:
        study = study_or_404(session, study_id)
        stopping_rules.state_rule(session, study, precision, now=now(), actor=current_actor())


def withdraw_rule(study_id: int) -> None:
    """Put no rule in force any more."""
    with writing(the_engine()) as session:
        study = study_or_404(session, study_id)
        stopping_rules.withdraw_rule(session, study, now=now(), actor=current_actor())


def add_study_tab(blueprint: Blueprint, endpoint: str, words: str, *, besides: Sequence[str] = ()) -> None:
    """Let a page of another package stand among the tabs of each study.

    Parameters
    ----------
    endpoint
        Of the page, within the blueprint; its address has ``study_id``.
    besides
        Endpoints of further pages that belong under the tab.
    """

    def add(state: BlueprintSetupState) -> None:
        tabs: list[tuple[list[str], str]] = state.app.extensions.setdefault(_TABS, [])
        state.app.jinja_env.globals[_TABS] = tabs
        names = [f"{blueprint.name}.{name}" for name in (endpoint, *besides)]
        tabs.append((names, words))

    blueprint.record(add)
