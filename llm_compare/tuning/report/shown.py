"""The parts of a tuning record, found by what they are about, and its numbers in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_compare.report.number_words import Record, change, points, share, size

TUNED, WEIGHTS, CONSTANT, PEOPLE = "tuned", "weights", "constant", "people"
AGREEMENT, LIKELIEST, LOG_SCORE, DISTANCE = "person", "likeliest", "log_score", "distance"
INDECISION, KNOWS_WHERE = "indecision", "indecision_auc"
SIDES, LOST = "sides", "lost_by_exchange"
RESPONDENT_WORDS: Mapping[str, str] = {
    PEOPLE: "people",
    TUNED: "the tuned model",
    WEIGHTS: "an attribute-based model",
    CONSTANT: "people’s overall shares, always",
}
BASE, SMALLEST = "base", "smallest"
"""What a difference is less, as ``WEIGHTS`` is: the untuned base, the model tuned on the fewest answers."""
AS_TUNED = "as-tuned"
"""The prompt of the training sets among those that the model is asked in."""
EVERYBODY, ALL = "everybody", "all"
TOY_PARAMETERS = 100_000_000
"""A base with fewer was made to show that the steps work, not how large models behave."""
_SHARES = frozenset({AGREEMENT, LIKELIEST, INDECISION, SIDES, "again", "left", "elsewhere"})
"""Keys of measures that are shown as percent; others are plain numbers."""
_THREE_DIGITS = frozenset({LOG_SCORE, "brier", "distance"})
_NOT_MEASURED: Record = {"value": None, "low": None, "high": None, "reason": "not measured"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What all sections draw on."""

    record: Record
    """Content of ``tuning.json``."""

    @property
    def measures(self) -> Sequence[Record]:
        """All of them, in the order of the record."""
        return [{**m, "name": m["name"].replace("'", "’")} for m in self.record["measures"]]

    @property
    def judged(self) -> Sequence[Record]:
        """The measures that can be called better or worse.

        Giving the same answer with sides exchanged is not among them where what the sides alone change is known: it
        falls for every model that learns to answer in shares.
        """
        measures = self.measures
        has_lost = any(m["key"] == LOST for m in measures)
        return [m for m in measures if not (has_lost and m["key"] == SIDES)]

    @property
    def tests(self) -> Sequence[Record]:
        """The held-out parts that were asked."""
        return [{**t, "words": t["words"].replace("'", "’")} for t in self.record["tests"]]

    @property
    def main_test(self) -> Record | None:
        """The first test of which there is a curve; None where nothing was measured."""
        asked = {e["test"] for e in self.record["curve"]}
        return next((t for t in self.tests if t["name"] in asked), None)

    def curve(self, test: str, respondent: str, group: str = "") -> Sequence[Record]:
        """Return the entries of one curve, the smallest size first."""
        found = [
            e
            for e in self.record["curve"]
            if (e["test"], e["respondent"], e["group"]) == (test, respondent, group)
        ]
        return sorted(found, key=lambda e: int(e["size"]))

    def before(self, test: str, group: str = "") -> Record | None:
        """Return the untuned base's entry; None where it was not asked."""
        return next((e for e in self.curve(test, TUNED, group) if not e["size"]), None)

    def after(self, test: str, group: str = "") -> Record | None:
        """Return the tuned model's entry of the largest size; None where no adapter was asked."""
        tuned = [e for e in self.curve(test, TUNED, group) if e["size"]]
        return tuned[-1] if tuned else None

    def at(self, test: str, respondent: str, size_of_set: int, group: str = "") -> Record | None:
        """Return a respondent's entry of one size; None where there is none."""
        own = self.curve(test, respondent, group)
        return next((e for e in own if e["size"] == size_of_set), None)

    def people(self, test: Record) -> Record:
        """Return what people reach among themselves: key of a measure -> number."""
        values: Record = next((p["values"] for p in self.record["people"] if p["test"] == test["name"]), {})
        if test["indecision"] is None or values.get(INDECISION, _NOT_MEASURED)["value"] is not None:
            return values
        rate = {**_NOT_MEASURED, "value": test["indecision"], "reason": "all answers to this test"}
        return {**values, INDECISION: rate}

    def difference(self, entry: Record, minus: str) -> Record:
        """Return a tuned model's numbers less those of the base or the attribute-based model, by key."""
        place = (entry["test"], entry["group"], entry["size"], minus)
        values: Record = next(
            (
                d["values"]
                for d in self.record["differences"]
                if (d["test"], d["group"], d["size"], d["minus"]) == place
            ),
            {},
        )
        return values


def number_of(values: Record | None, key: str) -> Record:
    """Return a measured number out of several; one that is not known where it was not measured."""
    found: Record = _NOT_MEASURED if values is None else values.get(key, _NOT_MEASURED)
    return found


def value_of(entry: Record | None, key: str) -> Record:
    """Return a measured number of an entry of the curve."""
    return number_of(None if entry is None else entry["values"], key)


def is_share(key: str) -> bool:
    """Return whether a measure is shown as percent."""
    return key in _SHARES


def words_of(key: str, measured: Record) -> str:
    """Return a number of a measure, with its interval or why there is none."""
    if key == LOST:
        return points(measured)
    return share(measured) if is_share(key) else size(measured, _digits(key))


def change_of(key: str, measured: Record) -> str:
    """Return a difference between two numbers of a measure."""
    return points(measured) if is_share(key) or key == LOST else change(measured, _digits(key))


def _digits(key: str) -> int:
    return 3 if key in _THREE_DIGITS else 2


def bare(text: str) -> str:
    """Return a number's words without interval or reason."""
    return text.split(" (", maxsplit=1)[0]


def told(key: str, measured: Record) -> str:
    """Return a number for a sentence: with its interval, or that it has none; why stands in the tables."""
    words = words_of(key, measured)
    if measured["value"] is None or measured["low"] is not None:
        return words
    return f"{bare(words)} (no interval)"


def trained_words(training: Record, n: int) -> str:
    """Return how large a training set is: ``64 answers``; comparisons, where labels are shares or majorities."""
    noun = "answer" if training["labels"] == "answers" else "comparison"
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def group_name(name: str) -> str:
    """Return a group as a table names it."""
    return EVERYBODY if name in ("", ALL) else name
