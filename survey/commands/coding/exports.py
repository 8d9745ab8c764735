"""``equipoise survey coding export``: the whole coding, its codebook, its codes, or a sheet to code by hand."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from survey.coding.codebook_file import codebook_csv, codebook_json
from survey.coding.coding import CodeKind, Coding
from survey.coding.coding_file import coding_sha256, coding_text
from survey.coding.coding_tables import codes_csv, tables_of
from survey.coding.sheets import coding_sheet, left_to_code
from survey.coding.shuffled import shuffled
from survey.commands.coding.common import require_file, simulated_option, slug_argument
from survey.commands.common import (
    ACTOR,
    CannotWrite,
    changing,
    counted,
    json_option,
    looking,
    version_option,
)
from survey.store import studies
from survey.store.coding_data import coding_of_whom
from survey.store.events import log_event
from survey.writing import check_outputs, write_text


@click.command("export")
@slug_argument
@version_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="coding.json, or a folder for CSV tables; with --codebook, --codes or --sheet a file.",
)
@click.option("--codebook", is_flag=True, help="Only the categories: .csv or .json.")
@click.option("--codes", is_flag=True, help="Only the codes: .csv.")
@click.option(
    "--sheet", metavar="CODER", help="What this coder has to code, shuffled, to fill in by hand: .csv."
)
@simulated_option
@json_option
def export_command(
    slug: str,
    study_version: str | None,
    out: Path,
    codebook: bool,
    codes: bool,
    sheet: str | None,
    simulated: bool,
    as_json: bool,
) -> None:
    """Write the coding. The same coding gives the same bytes, and its SHA-256 names it in what is made from it.

    A coding holds what people wrote, who may have named somebody: read it before you share it.

    \b
    Example:
      equipoise survey coding export kidney-attributes --out coding.json
      equipoise survey coding export kidney-attributes --codebook --out codebook.csv
      equipoise survey coding export kidney-attributes --sheet anna --out anna.csv
    """
    if codebook + codes + (sheet is not None) > 1:
        raise click.UsageError("--codebook, --codes and --sheet are different files; give one")
    is_folder = not (codebook or codes or sheet is not None) and out.suffix.lower() != ".json"
    if codebook:
        require_file(out, "--out", ".csv", ".json")
    elif codes or sheet is not None:
        require_file(out, "--out", ".csv")
    elif is_folder and out.suffix:
        raise click.UsageError(
            f"--out: {out}: name a file in .json or a folder; .csv goes with --codebook, --codes or --sheet"
        )
    if not is_folder:
        check_outputs(("--out", out))
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        coding = coding_of_whom(session, study, simulated=simulated)
        version = study.version
    digest = coding_sha256(coding)
    record: dict[str, object] = {"file": str(out), "coding_sha256": digest}
    if codebook:
        text = codebook_json(coding) if out.suffix.lower() == ".json" else codebook_csv(coding.categories)
        said = counted_categories(len(coding.categories))
    elif codes:
        text, said = codes_csv(coding.codes), counted(len(coding.codes), "code")
    elif sheet is not None:
        to_code = left_to_code(coding, sheet)
        by_id = {one.id: one for one in coding.suggestions if one.id in to_code}
        # As on the pages where suggestions are coded one by one, and for the same reason.
        order = shuffled(by_id, study=coding.study, version=coding.version, coder=sheet)
        left = [by_id[id_] for id_ in order]
        text, said = coding_sheet(left, to_code), f"{counted(len(left), 'suggestion')} for {sheet} to code"
        if again := sum(map(bool, to_code.values())):
            said += f", {again} of them again (column said_before)"
    else:
        text, said = coding_text(coding), _summary(coding)
    if is_folder:
        _write_folder(out, tables_of(coding, coding_sha256=digest))
    else:
        write_text(out, text)
    with changing() as session:
        study = studies.find_study(session, slug, version)
        name = (
            "codebook"
            if codebook
            else "codes"
            if codes
            else "coding sheet"
            if sheet is not None
            else "coding"
        )
        log_event(session, study, None, "downloaded", now=datetime.now(UTC), actor=ACTOR, file=name)
    whole = not (codebook or codes or sheet is not None)
    hash_line = f"\nSHA-256 of the coding: {digest}" if whole else ""
    click.echo(json.dumps(record, indent=2, ensure_ascii=False) if as_json else f"{out}: {said}{hash_line}")


def counted_categories(number: int) -> str:
    """Return e.g. ``1 category`` or ``2 categories``."""
    return "1 category" if number == 1 else f"{number} categories"


def _summary(coding: Coding) -> str:
    codes = [code for code in coding.codes if code.kind is CodeKind.CODER]
    coders = {code.coder for code in codes}
    settled = {code.suggestion for code in coding.codes if code.kind is CodeKind.ADJUDICATED}
    proposed = sum(code.kind is CodeKind.MODEL for code in coding.codes)
    more = f", {counted(len(settled), 'suggestion')} adjudicated" if settled else ""
    more += f", {counted(proposed, 'proposal')} of models" if proposed else ""
    return (
        f"{counted(len(coding.suggestions), 'suggestion')} of {counted(len(coding.asked), 'respondent')}, "
        f"{counted_categories(len(coding.categories))}, {counted(len(codes), 'code')} by "
        f"{counted(len(coders), 'coder')}{more}"
    )


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder, whole or not at all.

    Raises
    ------
    CannotWrite
        Something is there already, or it cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise CannotWrite(f"{folder}: is there already; name another folder with --out, or remove it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            draft.chmod(0o755)
            for name, content in files.items():
                (draft / name).write_bytes(content)
            draft.replace(folder)
        finally:
            if draft.exists():
                shutil.rmtree(draft)
    except OSError as error:
        raise CannotWrite(
            f"{folder}: cannot be written ({error.strerror}); name another with --out"
        ) from None
