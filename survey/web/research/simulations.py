"""What pages about simulations need of the survey: a place in the navigation, the studies, settings, the audit log.

The pages themselves belong to the exchange, which knows no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from survey.db import reading, writing
from survey.store.events import log_event
from survey.store.studies import design_of, list_studies
from survey.tables import StudyRow
from survey.web.access import current_actor
from survey.web.context import now, the_context, the_engine

_PAGES = "research_pages"
_FOLDER = "experiments"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOnOffer:
    """A study whose attributes may describe simulated patients."""

    id: int
    slug: str
    version: str
    title: str


def add_research_page(blueprint: Blueprint, endpoint: str, words: str) -> None:
    """Let a page of another package stand in the navigation of all researcher's pages.

    Parameters
    ----------
    endpoint
        Of the page, within the blueprint; its address has no parts to fill in.
    """

    def add(state: BlueprintSetupState) -> None:
        pages: list[tuple[str, str, bool]] = state.app.extensions.setdefault(_PAGES, [])
        state.app.jinja_env.globals[_PAGES] = pages
        # For owners and viewers alike.
        pages.append((f"{blueprint.name}.{endpoint}", words, True))

    blueprint.record(add)


def experiments_folder() -> Path:
    """Return the folder in which experiments are kept."""
    return the_context().settings.state_dir / _FOLDER


def experiments_at_once() -> int:
    """Return how many experiments may run at the same time."""
    return the_context().settings.experiments_at_once


def studies_on_offer() -> Sequence[StudyOnOffer]:
    """Return the studies of this service that have profiles to draw patients from, newest first."""
    with reading(the_engine()) as session:
        designs = [(study, design_of(study)) for study in list_studies(session)]
        return [
            StudyOnOffer(id=study.id, slug=study.slug, version=study.version, title=design.title)
            for study, design in designs
            if design.compares
        ]


def study_text(study_id: int) -> str | None:
    """Return the design of a study on offer as it was added; None if there is none."""
    with reading(the_engine()) as session:
        study = session.get(StudyRow, study_id)
        return None if study is None or not design_of(study).compares else study.design_toml


def note(what: str, **detail: object) -> None:
    """Note in the audit log what who is signed in does."""
    with writing(the_engine()) as session:
        log_event(session, None, None, what, now=now(), actor=current_actor(), **detail)
