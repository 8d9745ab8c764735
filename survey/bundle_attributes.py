"""Check that a bundle's files about attributes agree with the design, with each other and the participants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from survey.acceptability import Acceptability, Rating
from survey.bundle_rows import Cells, Key, Tables, key_of, named, orphans, repeated
from survey.design import StudyDesign
from survey.suggestions import Stance
from survey.tables import AttributeTask

PAGES = "attribute_pages.csv"
SUGGESTIONS = "suggestions.csv"
RATINGS = "ratings.csv"
CATEGORIES = "categories.csv"
CODES = "codes.csv"
IMPORTED = "imported_respondents.csv"
"""Only where suggestions of people or models who were asked elsewhere were imported."""

_PERSON = ("respondent", "wave")
_PLACE = (*_PERSON, "position")
_SUGGESTION = ("suggestion",)


def files_about_attributes(design: StudyDesign, there: Iterable[str]) -> list[str]:
    """Return the files about attributes that a bundle of this design must have, given those that it has: what was
    suggested elsewhere may stand beside any design."""
    there = set(there)
    files = []
    if design.suggestions is not None or design.acceptability is not None:
        files.append(PAGES)
    if design.acceptability is not None:
        files.append(RATINGS)
    about_coding = (SUGGESTIONS, CATEGORIES, CODES)
    if design.suggestions is not None or there & {*about_coding, IMPORTED}:
        files += about_coding
    return files + ([IMPORTED] if IMPORTED in there else [])


def attribute_problems(tables: Tables, design: StudyDesign) -> Iterator[str]:
    """Yield what is wrong with the pages, ratings and suggestions."""
    if PAGES in tables:
        yield from _page_problems(tables, design)
    if RATINGS in tables:
        yield from _rating_problems(tables)
    if SUGGESTIONS in tables:
        yield from _suggestion_problems(tables)


# --- pages ---------------------------------------------------------------------------------------------


def _page_problems(tables: Tables, design: StudyDesign) -> Iterator[str]:
    rows = tables[PAGES]
    yield from repeated(tables, PAGES, (*_PLACE, "revision"))
    yield from orphans(tables, PAGES, "participants.csv", _PERSON, "has no participant")
    asked = (
        {question.stance.value for question in design.suggestions.questions} if design.suggestions else set()
    )
    if design.acceptability is not None:
        asked |= {
            AttributeTask.RATE.value,
            *((AttributeTask.RANK.value,) if design.acceptability.ranked else ()),
        }
    other = (key_of(row, _PLACE) for row in rows if row["task"] not in asked)
    yield from named(PAGES, "asks what the design does not ask", other)
    names = sorted(a.name for a in design.acceptability.attributes) if design.acceptability else []
    lists = (
        key_of(row, _PLACE)
        for row in rows
        if sorted(_names(row["attribute_order"])) != ([] if row["task"] in set(Stance) else names)
    )
    yield from named(PAGES, "shows other attributes than the design", lists)
    pages: dict[Key, list[Cells]] = {}
    for row in rows:
        pages.setdefault(key_of(row, _PLACE), []).append(row)
    incomplete = (key for key, answers in pages.items() if not _are_all_answers(answers))
    yield from named(PAGES, "does not have every answer that was stored", incomplete)
    said = (key_of(row, _PLACE) for row in rows if not _fits(row, design.acceptability))
    yield from named(PAGES, "was answered with what was not offered", said)


def _are_all_answers(answers: list[Cells]) -> bool:
    revisions = [row["revision"] for row in answers]
    if revisions == [""]:
        return answers[0]["counts"] == "no"
    wanted = [str(number) for number in range(1, len(answers) + 1)]
    return revisions == wanted and [row["counts"] for row in answers] == ["no"] * (len(answers) - 1) + ["yes"]


def _fits(row: Cells, asked: Acceptability | None) -> bool:
    ratings = _ratings(row)
    ranking = _names(row["ranking"])
    shown = _names(row["attribute_order"])
    if row["task"] != AttributeTask.RATE and ratings:
        return False
    if row["task"] != AttributeTask.RANK and ranking:
        return False
    return (
        set(ratings) <= set(shown)
        and set(ratings.values()) <= {rating.value for rating in Rating}
        and set(ranking) <= set(shown)
        and len(set(ranking)) == len(ranking) <= (asked.ranked if asked else 0)
    )


def _ratings(row: Cells) -> dict[str, str]:
    read = json.loads(row["ratings"]) if row["ratings"] else {}
    if not isinstance(read, dict):
        raise ValueError(f"{PAGES}: ratings are a JSON object, not {row['ratings']!r}")
    return read


def _names(cell: str) -> list[str]:
    return cell.split(";") if cell else []


# --- ratings -------------------------------------------------------------------------------------------


def _rating_problems(tables: Tables) -> Iterator[str]:
    columns = (*_PERSON, "attribute")
    yield from repeated(tables, RATINGS, columns)
    found = {key_of(row, columns): key_of(row, _RATED) for row in tables[RATINGS]}
    wanted = _rated(tables[PAGES])
    yield from named(RATINGS, f"is on no page of {PAGES}", (key for key in found if key not in wanted))
    yield from named(RATINGS, "is missing", (key for key in wanted if key not in found))
    other = (key for key, said in found.items() if wanted.get(key, said) != said)
    yield from named(RATINGS, f"says something else than {PAGES}", other)


_RATED = ("order", "rated", "rating", "ranked", "place")


def _rated(pages: Iterable[Cells]) -> dict[Key, Key]:
    """Return what the pages say: respondent, wave and attribute -> the cells of ``_RATED``."""
    last = {
        (*key_of(row, _PERSON), row["task"]): row
        for row in pages
        if row["counts"] == "yes" or not row["revision"]
    }
    said: dict[Key, Key] = {}
    for (respondent, wave, task), row in last.items():
        if task != AttributeTask.RATE:
            continue
        ratings = _ratings(row)
        ranking = last.get((respondent, wave, AttributeTask.RANK.value))
        places = {
            name: str(n) for n, name in enumerate(_names(ranking["ranking"]) if ranking else [], start=1)
        }
        for order, name in enumerate(_names(row["attribute_order"]), start=1):
            said[respondent, wave, name] = (
                str(order),
                _yes(row["revision"]),
                ratings.get(name, ""),
                _yes(ranking["revision"]) if ranking else "",
                places.get(name, ""),
            )
    return said


def _yes(cell: str) -> str:
    return "yes" if cell else "no"


# --- suggestions ---------------------------------------------------------------------------------------


def _suggestion_problems(tables: Tables) -> Iterator[str]:
    rows = tables[SUGGESTIONS]
    if [row["suggestion"] for row in rows] != [str(number) for number in range(1, len(rows) + 1)]:
        yield f"{SUGGESTIONS}: its rows are not numbered 1, 2, …"
    yield from repeated(tables, SUGGESTIONS, (*_PERSON, "source", "kind", "stance", "position"))
    written = [row for row in rows if row["wave"]]
    pages = {(*key_of(row, _PERSON), row["task"]) for row in tables.get(PAGES, ())}
    alone = (
        key_of(row, _SUGGESTION) for row in written if (*key_of(row, _PERSON), row["stance"]) not in pages
    )
    yield from named(SUGGESTIONS, f"is on no page of {PAGES}", alone)
    respondents = {key_of(row, ("source", "respondent", "kind")) for row in tables.get(IMPORTED, ())}
    unknown = (
        key_of(row, _SUGGESTION)
        for row in rows
        if not row["wave"] and key_of(row, ("source", "respondent", "kind")) not in respondents
    )
    yield from named(SUGGESTIONS, f"is of nobody in {IMPORTED}", unknown)
    standing = Counter((*key_of(row, _PERSON), row["stance"]) for row in written if row["removed"] == "no")
    miscounted = (
        key_of(row, _PLACE)
        for row in tables.get(PAGES, ())
        if row["entries"] and int(row["entries"]) != standing[*key_of(row, _PERSON), row["task"]]
    )
    yield from named(PAGES, f"has another number of entries than {SUGGESTIONS}", miscounted)
    back = (key_of(row, _SUGGESTION) for row in rows if not _is_taken_back_or_not(row))
    yield from named(SUGGESTIONS, "is taken back, and also is not", back)
    words = (key_of(row, _SUGGESTION) for row in rows if not _has_its_words(row))
    yield from named(SUGGESTIONS, "has other words than it says", words)


def _is_taken_back_or_not(row: Cells) -> bool:
    removed = row["removed"] == "yes"
    return removed == bool(row["removed_at"]) and removed == (row["text_characters"] == "")


def _has_its_words(row: Cells) -> bool:
    """Compare the words, where the bundle has them, with their length; nothing is named without words."""
    if row["text_characters"] == "0":
        return False
    if "text" not in row:
        return True
    return all(
        (len(json.loads(row[part])) if row[part] else 0) == int(row[f"{part}_characters"] or 0)
        for part in ("text", "why", "direction")
    )
