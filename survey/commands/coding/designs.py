"""``equipoise survey coding choices``, ``design`` and ``acceptability``: from codes to the next study's design."""

from __future__ import annotations

import json
from pathlib import Path

import click

from survey.coding.coding_file import coding_sha256
from survey.coding.design_templates import acceptability_for, template_for
from survey.coding.to_design import design_from, read_choices, remarks_on
from survey.commands.coding.common import require_file, simulated_option, slug_argument
from survey.commands.common import counted, json_option, looking, version_option
from survey.design import design_hash
from survey.design_file import parse_design
from survey.store import studies
from survey.store.coding_data import coding_of_whom
from survey.writing import check_outputs, write_text

_toml = click.Path(dir_okay=False, path_type=Path)


@click.command("choices")
@slug_argument
@version_option
@click.option(
    "--at-least",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Leave out categories that fewer people named.",
)
@click.option("--out", required=True, type=_toml, help="File to write (.toml).")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@simulated_option
@json_option
def choices_command(
    slug: str,
    study_version: str | None,
    at_least: int,
    out: Path,
    force: bool,
    simulated: bool,
    as_json: bool,
) -> None:
    """Begin a file that says which categories become attributes, with their counts; you fill in the words.

    \b
    Example:
      equipoise survey coding choices kidney-attributes --at-least 5 --out choices.toml
    """
    require_file(out, "--out", ".toml")
    check_outputs(("--out", out))
    if out.exists() and not force:
        raise click.UsageError(
            f"--out: {out} is there already, and words may stand in it; name another, or replace it with --force"
        )
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        coding = coding_of_whom(session, study, simulated=simulated)
    text = template_for(coding, at_least=at_least)
    write_text(out, text)
    number = text.count("[[attributes]]")
    if as_json:
        click.echo(json.dumps({"file": str(out), "categories": number}, indent=2))
        return
    what = "1 category" if number == 1 else f"{number} categories"
    click.echo(
        f"{out}: {what}; fill in the words of their levels, then run\n"
        f"  equipoise survey coding design {slug} {out} --out design.toml"
    )


@click.command("design")
@slug_argument
@click.argument("choices_path", metavar="CHOICES.TOML", type=click.Path(path_type=Path))
@version_option
@click.option("--out", required=True, type=_toml, help="Design file to write (.toml).")
@simulated_option
@json_option
def design_command(
    slug: str, choices_path: Path, study_version: str | None, out: Path, simulated: bool, as_json: bool
) -> None:
    """Make a checked design out of chosen categories. Each attribute says where it came from.

    Export the coding at the same time ('coding export'): the design names it by its SHA-256.

    \b
    Example:
      equipoise survey coding design kidney-attributes choices.toml --out design.toml
    """
    require_file(out, "--out", ".toml")
    check_outputs(("--out", out), inputs=(choices_path,))
    choices = read_choices(choices_path)
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        coding = coding_of_whom(session, study, simulated=simulated)
    digest = coding_sha256(coding)
    text = design_from(coding, choices.attributes, about=choices.about, coding_sha256=digest)
    remarks = remarks_on(coding, choices.attributes)
    design = parse_design(text, str(out))
    write_text(out, text)
    if as_json:
        record = {
            "file": str(out),
            "slug": design.slug,
            "version": design.version,
            "design_hash": design_hash(design),
            "coding_sha256": digest,
            "attributes": [attribute.name for attribute in design.attributes],
            "remarks": list(remarks),
        }
        click.echo(json.dumps(record, indent=2, ensure_ascii=False))
        return
    names = ", ".join(attribute.name for attribute in design.attributes)
    click.echo(
        f"{out}: '{design.slug}' version {design.version}, {counted(len(design.attributes), 'attribute')} "
        f"({names})\ndesign hash {design_hash(design)}\nfrom the coding with SHA-256 {digest}"
    )
    for remark in remarks:
        click.echo(remark, err=True)


@click.command("acceptability")
@slug_argument
@click.argument("names", metavar="CATEGORY...", nargs=-1, required=True)
@version_option
@simulated_option
def acceptability_command(
    slug: str, names: tuple[str, ...], study_version: str | None, simulated: bool
) -> None:
    """Print the table [acceptability] of a design in which people rate these categories, to paste into it.

    \b
    Example:
      equipoise survey coding acceptability kidney-attributes age smoking income >> design.toml
    """
    with looking() as session:
        study = studies.find_study(session, slug, study_version)
        coding = coding_of_whom(session, study, simulated=simulated)
    click.echo(acceptability_for(coding, names), nl=False)
