"""Whose trials are whose: files sorted into respondents, of whom each was asked in one way. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from llm_compare.allocation.trials.answer import RespondentKind, TrialFile
from llm_compare.allocation.trials.trial import Strategy, Way
from llm_compare.errors import NotMeasurable


def way_words(way: Way) -> str:
    """Return a way of asking in words, the strategy of viability left out."""
    return ", ".join((way.turns.value, way.form.value, f"identity by {way.identity.value}"))


def by_respondent(files: Sequence[TrialFile]) -> dict[tuple[str, Way], list[TrialFile]]:
    """Sort trials by label and way of asking, each file's part of a way as a file of its own.

    Raises
    ------
    NotMeasurable
        Two files call different respondents by one label, or hold the same task of the same one.
    """
    found: dict[tuple[str, Way], list[TrialFile]] = {}
    models: dict[str, TrialFile] = {}
    # Files without a trial say no way; they go with what else there is of their label.
    for file in map(_orders_told_apart, sorted(files, key=lambda f: not f.answered)):
        same = models.setdefault(file.label, file)
        if (same.model, same.kind) != (file.model, file.kind):
            raise NotMeasurable(
                f"{_name(same)} and {_name(file)} both call their respondent '{file.label}', but one is "
                f"{same.model}, the other {file.model}; ask one of them again under another --label"
            )
        ways = dict.fromkeys(_plain(a.trial.way) for a in file.answered)
        ways = ways or {next((way for label, way in found if label == file.label), Way()): None}
        for way in ways:
            own = found.setdefault((file.label, way), [])
            for other in own:
                if other.task is file.task and _strategies(other, way) & _strategies(file, way):
                    raise NotMeasurable(
                        f"{_name(other)} and {_name(file)} both hold {file.task} of '{file.label}'; name "
                        "one of them, or ask one of them again under another --label"
                    )
            own.append(replace(file, answered=tuple(a for a in file.answered if _plain(a.trial.way) == way)))
    return found


def _plain(way: Way) -> Way:
    return replace(way, strategy=Strategy.OUT_OF_BOX)


def _strategies(file: TrialFile, way: Way) -> set[Strategy]:
    """Return how viability was explained in a way; of other tasks one strategy stands for all."""
    return {a.trial.way.strategy for a in file.answered if _plain(a.trial.way) == way}


def _name(file: TrialFile) -> str:
    return file.label if file.file is None else file.file.name


def _orders_told_apart(file: TrialFile) -> TrialFile:
    """Number people's row orders: each person has one of his own, and only equal ones are the same shuffle."""
    if file.kind is not RespondentKind.PEOPLE:
        return file
    orders: dict[str, dict[tuple[int, ...], int]] = defaultdict(dict)
    answered = []
    for a in file.answered:
        seen = orders[a.trial.problem.name]
        shuffle = seen.setdefault(a.trial.row_order, len(seen))
        answered.append(replace(a, trial=replace(a.trial, shuffle=shuffle)))
    return replace(file, answered=tuple(answered))
