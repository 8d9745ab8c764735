"""The export bundle: data files, design, codebook and a manifest with the hash of each. The same data give the same
bytes: nothing in a bundle tells when or where it was exported."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from sqlalchemy.orm import Session

from survey.bundle_source import FORMAT, FORMAT_VERSION, MANIFEST, NoBundle, open_bundle, read_manifest
from survey.codebook import codebook_of, codebook_text
from survey.errors import SurveyError
from survey.export import StudyData, study_data
from survey.export_tables import DataFile, data_files
from survey.parquet import parquet_bytes
from survey.tables import StudyRow

# The earliest time that a zip file can state.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class CannotReplace(SurveyError):
    """Something lies where a bundle shall be written that is not a bundle, or holds more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSummary:
    """What was written."""

    target: Path
    manifest_sha256: str
    """Names the bundle: it covers every other file by its own hash."""
    files: tuple[str, ...]
    rows: Mapping[str, int]
    """Data file -> rows."""
    participants: int
    """Participants, however many waves they took."""
    erased: int
    simulated_left_out: int


def write_bundle(
    session: Session,
    study: StudyRow,
    target: Path,
    *,
    include_simulated: bool,
    parquet: bool = False,
    with_text: bool = False,
) -> BundleSummary:
    """Write a study's bundle to a folder, or to a zip file if ``target`` ends in ``.zip``.

    An earlier bundle there is replaced as a whole; a reader sees the old or the new one.

    Parameters
    ----------
    parquet
        Write each data file as Parquet, too.
    with_text
        Whether what people wrote themselves in forms is part of it.

    Raises
    ------
    CannotReplace
        Something else lies at ``target``.
    """
    data = study_data(session, study, include_simulated=include_simulated)
    files = bundle_files(
        session, data, include_simulated=include_simulated, parquet=parquet, with_text=with_text
    )
    store_files(files, target)
    return summary_of(files, data, target)


def bundle_files(
    session: Session,
    data: StudyData,
    *,
    include_simulated: bool,
    parquet: bool = False,
    with_text: bool = False,
    more: Mapping[str, bytes] | None = None,
    about: Mapping[str, object] | None = None,
) -> dict[str, bytes]:
    """Return every file of a bundle, the manifest included.

    Parameters
    ----------
    more
        Further files that the manifest shall cover.
    about
        What the manifest says besides.
    """
    tables = data_files(data, with_text=with_text)
    codebook = codebook_of(data.design, tables, parquet=parquet)
    files = {f"{table.name}.csv": table.csv() for table in tables}
    if parquet:
        files |= {f"{table.name}.parquet": parquet_bytes(table) for table in tables}
    files |= {
        "design.toml": data.study.design_toml.encode(),
        "codebook.json": json_bytes(codebook),
        "codebook.md": codebook_text(codebook).encode(),
        **(more or {}),
    }
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study": {
            "slug": data.study.slug,
            "version": data.study.version,
            "design_hash": data.study.design_hash,
        },
        "equipoise": version("equipoise"),
        "database_revision": _revision(session),
        "simulated_included": include_simulated,
        "simulated_left_out": data.simulated_left_out,
        "written_answers_included": with_text,
        "participants": _people(data),
        "participants_erased": data.erased,
        **(about or {}),
        "files": {name: _described(body, name, tables) for name, body in sorted(files.items())},
    }
    return files | {MANIFEST: json_bytes(manifest)}


def summary_of(files: Mapping[str, bytes], data: StudyData, target: Path) -> BundleSummary:
    """Return what a caller wants to know of files that were written to ``target``."""
    described = json.loads(files[MANIFEST])["files"]
    return BundleSummary(
        target=target,
        manifest_sha256=hashlib.sha256(files[MANIFEST]).hexdigest(),
        files=tuple(sorted(files)),
        rows={name: about["rows"] for name, about in described.items() if name.endswith(".csv")},
        participants=_people(data),
        erased=data.erased,
        simulated_left_out=data.simulated_left_out,
    )


def json_bytes(content: object) -> bytes:
    """Return JSON for people and programs to read; the same content gives the same bytes."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _people(data: StudyData) -> int:
    return len({row.person.code for row in data.people})


def _described(body: bytes, name: str, tables: tuple[DataFile[Any], ...]) -> dict[str, object]:
    described: dict[str, object] = {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
    rows = {f"{table.name}.{ending}": len(table.rows) for table in tables for ending in ("csv", "parquet")}
    return described | ({"rows": rows[name]} if name in rows else {})


def _revision(session: Session) -> str:
    return ", ".join(sorted(MigrationContext.configure(session.connection()).get_current_heads()))


# --- putting files where they shall lie ----------------------------------------------------------------


def store_files(files: Mapping[str, bytes], target: Path) -> None:
    """Put the files into the folder or zip file ``target``, in place of an earlier bundle.

    Raises
    ------
    CannotReplace
        Something else lies there.
    """
    _require_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix.lower() == ".zip":
        _store(zip_bytes(files), target)
        return
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        draft.chmod(0o755)
        for name, body in files.items():
            (draft / name).write_bytes(body)
        if target.exists():
            old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-old-"))
            target.rename(old / "bundle")
            draft.rename(target)
            shutil.rmtree(old)
        else:
            draft.rename(target)
    finally:
        if draft.exists():
            shutil.rmtree(draft)


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Return a zip file of the files: fixed times, order and permissions, so that equal files give equal bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=_NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Whatever system writes it.
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return written.getvalue()


def _store(body: bytes, target: Path) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        draft.chmod(0o644)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _require_replaceable(target: Path) -> None:
    """Raise :class:`CannotReplace` if there is anything at ``target`` but an earlier bundle."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if target.is_dir() == (target.suffix.lower() == ".zip"):
        raise CannotReplace(f"{target}: is a {'folder' if target.is_dir() else 'file'}; name another target")
    try:
        with open_bundle(target) as source:
            covered = {*read_manifest(source)["files"], MANIFEST}
            foreign = sorted(set(source.sizes) - covered) + source.oddities
    except (NoBundle, KeyError, TypeError):
        raise CannotReplace(
            f"{target}: is there already and is no export bundle; name another target, or move it away"
        ) from None
    if foreign:
        raise CannotReplace(
            f"{target}: holds more than its bundle ({', '.join(foreign[:5])}), which replacing it would delete; "
            "name another target"
        )
