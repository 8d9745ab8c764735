"""``equipoise compare``: ask models, and compare them with people."""

from __future__ import annotations

import click

from llm_compare.commands.align import align_command
from llm_compare.commands.answers import answers_command
from llm_compare.commands.ask import ask
from llm_compare.commands.choose_one import choose_one_command
from llm_compare.commands.compare_suggestions import compare_suggestions_command
from llm_compare.commands.fairness import fairness_command
from llm_compare.commands.people_task import people_task_command
from llm_compare.commands.problems import problems_command
from llm_compare.commands.propose import propose_command
from llm_compare.commands.rank_all import rank_all_command
from llm_compare.commands.report import report_command
from llm_compare.commands.suggest import suggest_command
from llm_compare.commands.take import take_command
from llm_compare.commands.tune.group import group as tune
from llm_compare.commands.viability import viability_command
from llm_compare.commands.waiting_list import waiting_list_command


@click.group("compare")
def group() -> None:
    """Ask models the questions that people were asked, and measure how far apart they are."""


for command in (
    ask,
    align_command,
    answers_command,
    report_command,
    take_command,
    suggest_command,
    propose_command,
    compare_suggestions_command,
    problems_command,
    viability_command,
    choose_one_command,
    rank_all_command,
    people_task_command,
    fairness_command,
    waiting_list_command,
    tune,
):
    group.add_command(command)
