"""``equipoise survey coding import``: codebooks, codes, suggestions; all or nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.coding.codebook_file import codebook_remarks, read_codebook_json, read_codebook_rows
from survey.coding.coded_elsewhere import (
    SuggestionLine,
    codes_of,
    codes_remarks,
    read_codes,
    read_suggestions_csv,
    suggestions_remarks,
)
from survey.coding.coding import Asked, Coding, CodingError, Suggestion
from survey.coding.coding_tables import tables_remarks
from survey.coding.model_files import read_model_suggestions
from survey.coding.stated_columns import Said
from survey.commands.coding.common import slug_argument
from survey.commands.coding.sources import (
    Source,
    categories_in,
    content_of,
    folder_of,
    in_lines,
    read_whole,
    recognized,
    text_of,
)
from survey.commands.common import ACTOR, changing, json_option, version_option
from survey.store import studies
from survey.store.coding_data import coding_of
from survey.store.suggestion_imports import (
    STATED,
    BadImport,
    Complaint,
    ImportedRespondent,
    ImportedSuggestion,
    import_categories,
    import_codes,
    import_suggestions,
)
from survey.suggestions import Stance
from survey.tables import StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What an import did: part -> what happened -> how often."""

    counts: dict[str, dict[str, int]]
    remarks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return "; ".join(
            f"{part}: " + ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in counts.items())
            for part, counts in self.counts.items()
        )


@click.command("import")
@slug_argument
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@version_option
@click.option(
    "--as",
    "kind",
    type=click.Choice([s.value for s in Source]),
    help="What the file holds.  [default: told by its columns or format]",
)
@click.option(
    "--source",
    "origin",
    metavar="NAME",
    help="Where suggestions are from, the same at every import.  [default: the file's name, model or study]",
)
@click.option("--coder", default="", help="Whose codes they are, where the table does not say.")
@json_option
def import_command(
    slug: str,
    path: Path,
    study_version: str | None,
    kind: str | None,
    origin: str | None,
    coder: str,
    as_json: bool,
) -> None:
    """Bring in a codebook, codes, suggestions collected elsewhere or by models, or a whole coding.

    All of a file is imported, or nothing; the same file again adds nothing. docs/files.md describes the columns.

    \b
    Example:
      equipoise survey coding import kidney-attributes codebook.csv
      equipoise survey coding import kidney-attributes workshop.csv --source "workshop in May"
      equipoise survey coding import kidney-attributes coding.json
    """
    if path.is_dir():
        what, content = Source.CODING, b""
    else:
        content = content_of(path)
        what = Source(kind) if kind else recognized(path, content)
    with changing() as session:
        study = studies.find_study(session, slug, study_version)
        match what:
            case Source.CODEBOOK:
                done = _import_codebook(session, study, path, content)
            case Source.CODES:
                done = _import_codes(session, study, path, content, coder)
            case Source.SUGGESTIONS:
                done = _import_suggestions(session, study, path, content, origin or path.name)
            case Source.MODEL_SUGGESTIONS:
                done = _import_model(session, study, path, content, origin)
            case Source.CODING:
                done = _import_whole(session, study, path, origin)
    if as_json:
        record = {"file": str(path), "holds": what.value, "done": done.counts, "remarks": list(done.remarks)}
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    click.echo(f"{path}: {done.sentence}")
    for remark in done.remarks:
        click.echo(remark, err=True)


def _import_codebook(session: Session, study: StudyRow, path: Path, content: bytes) -> _Done:
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        categories = read_codebook_json(text_of(path, content), str(path))
        lines: list[int] = []
        remarks: tuple[str, ...] = ()
    else:
        rows = read_codebook_rows(content, str(path))
        remarks = codebook_remarks(content, str(path))
        lines, categories = [line for line, _ in rows], tuple(category for _, category in rows)
    try:
        done = import_categories(session, study, categories, now=datetime.now(UTC), actor=ACTOR)
    except BadImport as error:
        raise in_lines(error, str(path), lines) from None
    counts = {"added": done.added, "reworded": done.reworded, "already_there": done.already_there}
    return _Done(counts={"categories": counts}, remarks=remarks)


def _import_codes(session: Session, study: StudyRow, path: Path, content: bytes, coder: str) -> _Done:
    lines = read_codes(content, str(path), categories_in(session, study), coder=coder)
    rows = [(line, code) for line in lines for code in codes_of(line)]
    try:
        done = import_codes(session, study, [code for _, code in rows], now=datetime.now(UTC), actor=ACTOR)
    except BadImport as error:
        raise in_lines(error, str(path), [line.line for line, _ in rows]) from None
    counts = {"added": done.added, "ended": done.ended, "already_there": done.already_there}
    return _Done(counts={"codes": counts}, remarks=codes_remarks(content, str(path)))


def _import_suggestions(session: Session, study: StudyRow, path: Path, content: bytes, origin: str) -> _Done:
    design = studies.design_of(study)
    lines = read_suggestions_csv(content, str(path), design)
    done = _import_lines(session, study, path, lines, origin)
    remarks = suggestions_remarks(content, str(path), design)
    if remarks:
        # What is there already stays as it is, so that the same entries with another column would change nothing.
        again = f"to read them under other names, first 'equipoise survey coding remove-import {study.slug}"
        remarks = (*remarks, f"{again} --source {shlex.quote(origin)}', then import the file anew")
    return replace(done, remarks=(*remarks, *done.remarks))


def _import_lines(
    session: Session, study: StudyRow, path: Path, lines: Sequence[SuggestionLine], origin: str
) -> _Done:
    entries = [line for line in lines if line.text]
    asked: dict[str, tuple[RespondentKind, set[Stance]]] = {}
    stated: dict[str, dict[str, Said]] = {}
    for line in lines:
        kind, stances = asked.setdefault(line.respondent, (line.kind, set()))
        if kind is not line.kind:
            raise CodingError(
                f"{path}:{line.line}: column 'kind': '{line.respondent}' is a {kind} in an earlier line"
            )
        stances.add(line.stance)
        stated.setdefault(line.respondent, {}).update(line.stated)
    try:
        done = import_suggestions(
            session,
            study,
            [
                ImportedSuggestion(
                    respondent=line.respondent,
                    kind=line.kind,
                    stance=line.stance,
                    text=line.text,
                    why=line.why,
                    direction=line.direction,
                    language=line.language,
                    number=line.number,
                )
                for line in entries
            ],
            source=origin,
            asked=[
                ImportedRespondent(
                    respondent=name, kind=kind, stances=frozenset(stances), stated=stated[name]
                )
                for name, (kind, stances) in asked.items()
            ],
            now=datetime.now(UTC),
            actor=ACTOR,
        )
    except BadImport as error:
        raise _in_lines_of(error, path, lines, list(asked)) from None
    counts = {"added": done.added, "already_there": done.already_there}
    people = {name for name, (kind, _) in asked.items() if kind is RespondentKind.HUMAN}
    remark = (
        "everybody in it named something: if others were asked and named nothing, add a line with an empty text "
        "for each, or every share is too high"
    )
    respondents = {"added": done.respondents_added}
    if done.respondents_completed:
        respondents["with_more_stated"] = done.respondents_completed
    return _Done(
        counts={"suggestions": counts, "respondents": respondents},
        remarks=(remark,) if people and len(entries) == len(lines) else (),
    )


def _in_lines_of(
    error: BadImport, path: Path, lines: Sequence[SuggestionLine], asked: Sequence[str]
) -> CodingError:
    """Return the complaints with lines. Those about respondents alone name them instead: they are counted apart."""
    entries = [line.line for line in lines if line.text]
    firsts: dict[tuple[str, str], int] = {}
    for line in lines:
        for question in line.stated:
            firsts.setdefault((line.respondent, question), line.line)
    placed: list[Complaint] = []
    numbers = list(entries)
    for complaint in error.complaints:
        if complaint.column in ("respondent", "kind"):
            placed.append(replace(complaint, row=0))
        elif complaint.column.startswith(STATED):
            question = complaint.column.removeprefix(STATED)
            numbers.append(firsts[asked[complaint.row - 1], question])
            placed.append(replace(complaint, row=len(numbers), column=question))
        else:
            placed.append(complaint)
    return in_lines(BadImport(list(dict.fromkeys(placed))), str(path), numbers)


def _import_model(session: Session, study: StudyRow, path: Path, content: bytes, origin: str | None) -> _Done:
    found = read_model_suggestions(text_of(path, content), str(path))
    if (found.study, found.design_hash) != (study.slug, study.design_hash):
        raise CodingError(
            f"{path}: '{found.label}' was asked by study '{found.study}' with design hash "
            f"{found.design_hash[:12]}, this is '{study.slug}' with {study.design_hash[:12]}: the words differed; "
            "ask it by this study's design"
        )
    done = _import_lines(session, study, path, found.lines, origin or found.label)
    replies = "1 reply" if found.unanswered == 1 else f"{found.unanswered} replies"
    remark = f"{replies} left out that answered nothing (refusals, unreadable or failed)"
    return replace(done, remarks=(remark,) if found.unanswered else ())


def _import_whole(session: Session, study: StudyRow, path: Path, origin: str | None) -> _Done:
    """Bring in a coding. What this very study has already (the coding was exported from it) is only coded."""
    coding = read_whole(path)
    is_own = (coding.study, coding.version, coding.design_hash) == (
        study.slug,
        study.version,
        study.design_hash,
    )
    here = coding_of(session, study, include_simulated=True) if is_own else None
    ids = _found_here(coding, here) if here else {}
    there = {asked.respondent for asked in here.asked} if here else set()
    new = [suggestion for suggestion in coding.suggestions if suggestion.id not in ids]
    asked = [a for a in coding.asked if a.respondent not in there]
    told = {a.respondent for a in coding.asked}
    # Who has named something and gone on from no question was not asked there, and is not here.
    unfinished = {s.respondent: s.kind for s in new if s.respondent not in told | there}
    now = datetime.now(UTC)
    try:
        categories = import_categories(session, study, coding.categories, now=now, actor=ACTOR)
        suggestions = import_suggestions(
            session,
            study,
            list(_entries(coding.suggestions, {suggestion.id for suggestion in new})),
            source=origin or f"{coding.study} {coding.version}",
            asked=[
                *map(_respondent, asked),
                *(
                    ImportedRespondent(respondent=name, kind=kind, stances=frozenset())
                    for name, kind in unfinished.items()
                ),
            ],
            now=now,
            actor=ACTOR,
        )
        ids |= dict(zip((suggestion.id for suggestion in new), suggestions.ids, strict=True))
        given = [replace(code, suggestion=ids[code.suggestion]) for code in coding.codes]
        coded = import_codes(session, study, given, now=now, actor=ACTOR)
    except BadImport as error:
        raise in_lines(error, str(path), ()) from None
    return _Done(
        remarks=tables_remarks(folder_of(path), str(path)) if path.is_dir() else (),
        counts={
            "suggestions": {
                "added": suggestions.added,
                "already_there": len(coding.suggestions) - suggestions.added,
            },
            "respondents": {"added": suggestions.respondents_added},
            "categories": {
                "added": categories.added,
                "reworded": categories.reworded,
                "already_there": categories.already_there,
            },
            "codes": {"added": coded.added, "ended": coded.ended, "already_there": coded.already_there},
        },
    )


_Key = tuple[str, Stance, str, int]


def _numbered(suggestions: Iterable[Suggestion]) -> Iterable[tuple[_Key, Suggestion]]:
    """Yield each suggestion with what tells it apart whatever its id: who said what, and which time."""
    times: dict[tuple[str, Stance, str], int] = {}
    for suggestion in suggestions:
        said = (suggestion.respondent, suggestion.stance, suggestion.text)
        times[said] = times.get(said, 0) + 1
        yield (*said, times[said]), suggestion


def _found_here(coding: Coding, here: Coding) -> dict[int, int]:
    """Return id in the file -> id in the study, of the suggestions that the study has."""
    known = {key: suggestion.id for key, suggestion in _numbered(here.suggestions)}
    return {s.id: known[key] for key, s in _numbered(coding.suggestions) if key in known}


def _entries(suggestions: Sequence[Suggestion], wanted: set[int]) -> Iterable[ImportedSuggestion]:
    for (*_, number), suggestion in _numbered(suggestions):
        if suggestion.id in wanted:
            yield ImportedSuggestion(
                respondent=suggestion.respondent,
                kind=suggestion.kind,
                stance=suggestion.stance,
                text=suggestion.text,
                why=suggestion.why,
                direction=suggestion.direction,
                language=suggestion.language,
                number=number,
                group=suggestion.group,
            )


def _respondent(asked: Asked) -> ImportedRespondent:
    return ImportedRespondent(
        respondent=asked.respondent,
        kind=asked.kind,
        stances=asked.stances,
        stated=asked.stated,
        order=asked.order,
        simulated=asked.simulated,
    )
