"""One line of ``trials.jsonl`` as an answered trial; ``trials_file`` writes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_compare.allocation.problems.columns import GROUPINGS
from llm_compare.allocation.problems.problem import Problem, ProblemSet
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, Read
from llm_compare.allocation.trials.reading import Repair, read_trial
from llm_compare.allocation.trials.trial import (
    ALL_COLUMNS,
    Change,
    Form,
    Identity,
    Strategy,
    Task,
    Trial,
    Turns,
    Way,
)
from llm_compare.replies.record import (
    LIST,
    MAYBE_TABLE,
    MAYBE_WHOLE,
    TABLE,
    TEXT,
    WHOLE,
    BadRecord,
    Kinds,
    checked,
    checked_items,
    word_of,
)
from llm_compare.replies.reply_parts import REPLY_PARTS, reply_of

_LINE: Mapping[str, Kinds] = {
    "problem": TEXT,
    "way": TABLE,
    "row_order": LIST,
    "shuffle": WHOLE,
    "repeat": WHOLE,
    "column_order": LIST,
    "column_shuffle": WHOLE,
    "change": MAYBE_TABLE,
    "examples": MAYBE_WHOLE,
    "respondent": TEXT,
    "request_key": TEXT,
    "turns": LIST,
    "outcome": TEXT,
    "order": LIST,
    "viable": (bool, type(None)),
    "rule": TEXT,
    "repairs": LIST,
    "parser": TEXT,
    "reply": TABLE,
}
_WAY: Mapping[str, Kinds] = {"strategy": TEXT, "turns": TEXT, "form": TEXT, "identity": TEXT}
_CHANGE: Mapping[str, Kinds] = {"candidate": WHOLE, "grouping": TEXT, "value": (str, int, float, type(None))}


class TrialLineReader:
    """Reads the lines of one file. What lines have in common is made once."""

    def __init__(
        self,
        *,
        problems: ProblemSet,
        task: Task,
        by_people: bool,
        repair: Repair,
        further: Mapping[str, Problem],
    ) -> None:
        own = problems.pairs if task is Task.VIABILITY else problems.problems
        self._problems = {**further, **{p.name: p for p in own}}
        self._examples = problems.example_sets
        self._task = task
        self._by_people = by_people
        self._repair = repair
        self._known: dict[Any, Any] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def answered(self, document: object) -> AnsweredTrial:
        """Return the trial that a line describes, its reply read anew; a person's answer as it stands.

        Raises
        ------
        BadRecord
            A part is missing, unknown or of the wrong kind, names what the problems do not hold, or the line is
            about a trial that an earlier line is about.
        """
        line = checked(document, _LINE)
        trial = self._trial(line)
        self._refuse_second(line, trial)
        reply = reply_of(checked(line["reply"], REPLY_PARTS, "reply"), "reply.")
        return AnsweredTrial(
            trial=trial,
            reply=reply,
            read=_stated(line, trial) if self._by_people else read_trial(reply, trial, self._repair),
            respondent=line["respondent"],
            earlier=tuple(checked_items(line["turns"], TEXT, "turns")),
            request_key=line["request_key"],
        )

    def _trial(self, line: dict[str, Any]) -> Trial:
        problem = self._problems.get(line["problem"])
        if problem is None:
            raise BadRecord(f"problem: there is no '{line['problem']}' for {self._task} among the problems")
        return Trial(
            task=self._task,
            way=self._way(line["way"]),
            problem=problem,
            row_order=self._row_order(line["row_order"], problem),
            shuffle=line["shuffle"],
            repeat=line["repeat"],
            column_order=self._column_order(line["column_order"]),
            column_shuffle=line["column_shuffle"],
            change=_change(line["change"], problem),
            examples=line["examples"],
            example_pairs=self._example_pairs(line["examples"]),
        )

    def _refuse_second(self, line: dict[str, Any], trial: Trial) -> None:
        change = None if trial.change is None else tuple(line["change"].values())
        key = (
            *(trial.problem.name, trial.way, trial.row_order, trial.shuffle, trial.repeat),
            *(trial.column_order, trial.column_shuffle, change, trial.examples, line["respondent"]),
        )
        if key in self._seen:
            raise BadRecord("is about the same trial as an earlier line")
        self._seen.add(key)

    def _way(self, document: dict[str, Any]) -> Way:
        key = ("way", *document.items())
        try:
            return self._known[key]  # type: ignore[no-any-return]
        except (KeyError, TypeError):  # What is no key is of the wrong kind, and ``checked`` complains.
            given = checked(document, _WAY, "way")
        way = Way(
            strategy=word_of(Strategy, given["strategy"], "way.strategy"),
            turns=word_of(Turns, given["turns"], "way.turns"),
            form=word_of(Form, given["form"], "way.form"),
            identity=word_of(Identity, given["identity"], "way.identity"),
        )
        self._known[key] = way
        return way

    def _row_order(self, given: list[Any], problem: Problem) -> tuple[int, ...]:
        numbers = tuple(checked_items(given, WHOLE, "row_order"))
        order: tuple[int, ...] = self._known.setdefault(numbers, numbers)
        if sorted(order) != list(range(problem.size)):
            raise BadRecord(f"row_order: is not an order of the {problem.size} candidates of {problem.name}")
        return order

    def _column_order(self, given: list[Any]) -> tuple[str, ...]:
        names = tuple(checked_items(given, TEXT, "column_order"))
        if names not in self._known and sorted(names) != sorted(ALL_COLUMNS):
            raise BadRecord("column_order: is not an order of the columns of candidates")
        return self._known.setdefault(names, names)  # type: ignore[no-any-return]

    def _example_pairs(self, number: int | None) -> tuple[Problem, ...]:
        if number is None:
            return ()
        if not 0 <= number < len(self._examples):
            raise BadRecord(f"examples: is {number}, and there are {len(self._examples)} sets of examples")
        return self._examples[number]


def _change(document: dict[str, Any] | None, problem: Problem) -> Change | None:
    if document is None:
        return None
    given = checked(document, _CHANGE, "change")
    if not 0 <= given["candidate"] < problem.size:
        raise BadRecord(f"change.candidate: {problem.name} has no candidate {given['candidate']}")
    if given["grouping"] not in GROUPINGS:
        raise BadRecord(f"change.grouping: is '{given['grouping']}', not one of {', '.join(GROUPINGS)}")
    return Change(**given)


def _stated(line: dict[str, Any], trial: Trial) -> Read:
    """Return what a person answered: pressed buttons are no text to read anew."""
    order = tuple(checked_items(line["order"], WHOLE, "order"))
    if len(set(order)) < len(order) or not set(order) <= set(trial.row_order):
        raise BadRecord(f"order: does not name different candidates of {trial.problem.name}")
    return Read(
        outcome=word_of(Outcome, line["outcome"], "outcome"),
        rule=line["rule"],
        order=order,
        viable=line["viable"],
    )
