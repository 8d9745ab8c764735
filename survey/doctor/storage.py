"""Checks of the database itself: sound pages, no loose ends, designs as they were, exports that repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from survey.bundle import bundle_files
from survey.bundle_source import MANIFEST
from survey.design import design_hash
from survey.doctor.check import Check, Patient
from survey.errors import BadDesign, BadProfile
from survey.export import study_data
from survey.migration import load_tables
from survey.store.studies import design_of
from survey.tables import StudyRow


def _integrity(patient: Patient) -> Iterable[str]:
    connection = patient.session.connection()
    if connection.dialect.name != "sqlite":
        return []
    said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    return [str(line) for line in said if line != "ok"]


def _loose_ends(patient: Patient) -> Iterable[str]:
    for table in load_tables().sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            parent = key.column.table.alias("parent")
            query = (
                select(table.c.id)
                .outerjoin(parent, parent.c[key.column.name] == key.parent)
                .where(key.parent.is_not(None), parent.c[key.column.name].is_(None))
            )
            for id_ in sorted(patient.session.scalars(query)):
                yield f"{table.name} {id_} (its {key.column.table.name} is missing)"


def _designs(patient: Patient) -> Iterable[str]:
    for study in patient.studies:
        try:
            design = design_of(study)
        except BadDesign as error:
            yield f"study {study.slug} version {study.version}: {str(error).splitlines()[0]}"
            continue
        stored = (study.design_hash, study.slug, study.version)
        if (design_hash(design), design.slug, design.version) != stored:
            yield f"study {study.slug} version {study.version}"


def _exports(patient: Patient) -> Iterable[str]:
    for study in patient.studies:
        if study.id not in patient.designs:
            continue
        try:
            one, other = (_exported(patient.session, study) for _ in range(2))
        except BadProfile:
            continue  # Another check names the patient that is not the design's.
        if one != other:
            yield f"study {study.slug} version {study.version}"


def _exported(session: Session, study: StudyRow) -> str:
    # What an earlier read left in memory would hide a difference.
    session.expire_all()
    data = study_data(session, study, include_simulated=True)
    files = bundle_files(session, data, include_simulated=True)
    # The manifest holds the hash of every other file.
    return hashlib.sha256(files[MANIFEST]).hexdigest()


CHECKS = (
    Check(
        name="the file is sound",
        meaning="SQLite finds its pages, indexes and constraints in order (PRAGMA integrity_check). If not, "
        "restore a backup.",
        find=_integrity,
    ),
    Check(
        name="nothing refers to what is gone",
        meaning="Every row that belongs to another one finds it.",
        find=_loose_ends,
    ),
    Check(
        name="designs are as they were",
        meaning="Each stored design can be read and has the hash, slug and version that its study carries, and "
        "every answer with it.",
        find=_designs,
    ),
    Check(
        name="exports come out the same",
        meaning="Two exports of each study, one right after the other, have the same hashes.",
        find=_exports,
    ),
)
