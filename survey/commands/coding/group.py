"""``equipoise survey coding``: the group, and which commands are in it."""

from __future__ import annotations

import click

from survey.commands.coding.categories import categories_command, category_group
from survey.commands.coding.designs import acceptability_command, choices_command, design_command
from survey.commands.coding.exports import export_command
from survey.commands.coding.giving import adjudicate_command, code_command
from survey.commands.coding.import_removal import remove_import_command
from survey.commands.coding.imports import import_command
from survey.commands.coding.listing import alike_command, audit_command, list_command
from survey.commands.coding.measures import agreement_command, results_command, saturation_command
from survey.commands.coding.proposals import import_proposals_command
from survey.commands.coding.rehearsing import rehearse_command


@click.group("coding")
def coding_group() -> None:
    """Code what people say should count, measure it, and make a design of it.

    \b
    Example:
      equipoise survey coding list kidney-attributes
      equipoise survey coding category add kidney-attributes "Age"
      equipoise survey coding code kidney-attributes 12 17 --coder anna --category age
      equipoise survey coding results kidney-attributes
    """


for _command in (
    list_command,
    alike_command,
    categories_command,
    category_group,
    code_command,
    agreement_command,
    adjudicate_command,
    results_command,
    saturation_command,
    choices_command,
    design_command,
    acceptability_command,
    export_command,
    import_command,
    import_proposals_command,
    remove_import_command,
    audit_command,
    rehearse_command,
):
    coding_group.add_command(_command)
