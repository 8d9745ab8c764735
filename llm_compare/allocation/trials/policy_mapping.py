"""A mapping file: which columns of the registry give the attributes that a policy's weights speak of."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, CANDIDATE_PLACE, Kind
from llm_compare.allocation.problems.problem import Candidate
from llm_compare.errors import CannotAsk
from survey.design import Attribute, CategoricalAttribute, Profile
from survey.design import Value as AttributeValue
from survey.errors import BadProfile


@dataclass(frozen=True, slots=True)
class Band:
    """A level that numbers below a bound have."""

    below: float
    """Infinite for the last band."""
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an attribute's value comes from: one of a number itself, bands, words, or the same for everybody."""

    attribute: str
    column: str | None
    """Of candidates; None for a constant."""
    bands: tuple[Band, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    """The column's word -> the level."""
    constant: AttributeValue | None = None


Mapped = tuple[Source, ...]
"""One source for each attribute of a study."""


def read_mapping(path: Path, attributes: Sequence[Attribute]) -> Mapped:
    """Read which columns give a study's attributes.

    Each table ``[attributes.NAME]`` has ``column`` alone for a number; with ``levels``, bands such as
    ``{ below = 50, level = "young" }`` of which the last has no bound; or with ``values``, words and their levels;
    or, without a column, a ``constant``.

    Raises
    ------
    CannotAsk
        One line per complaint, with file and place.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotAsk(f"{path}: {error.strerror or error}; name an existing mapping file") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CannotAsk(f"{path}: is not TOML ({error})") from None
    given = document.get("attributes")
    complaints = [f"{path}: {key}: is not known here" for key in document if key != "attributes"]
    if not isinstance(given, dict):
        raise CannotAsk(
            "\n".join([*complaints, f"{path}: has no table [attributes.NAME]; give one for each"])
        )
    known = {a.name: a for a in attributes}
    complaints += [
        f"{path}: attributes.{name}: the weights have no such attribute, but {', '.join(known)}"
        for name in given
        if name not in known
    ]
    sources = []
    for name, attribute in known.items():
        if name not in given:
            complaints.append(
                f"{path}: attributes.{name}: is missing; name the column that gives it, or a constant for everybody"
            )
            continue
        try:
            sources.append(_source(attribute, given[name]))
        except _Wrong as wrong:
            complaints.append(f"{path}: attributes.{name}: {wrong}")
    if complaints:
        raise CannotAsk("\n".join(complaints))
    return tuple(sources)


def profile_of(candidate: Candidate, mapping: Mapped) -> Profile:
    """Return a candidate as a profile; a number beyond the study's range stays as it is, as in exchanges.

    Raises
    ------
    CannotAsk
        A value is missing, or the mapping says nothing of it.
    """
    return Profile(tuple((source.attribute, _value(candidate, source)) for source in mapping))


def _value(candidate: Candidate, source: Source) -> AttributeValue:
    if source.column is None:
        assert source.constant is not None  # noqa: S101 - one of both is there
        return source.constant
    value = candidate[source.column]
    if value is None:
        raise CannotAsk(
            f"{source.column} is missing, and attribute '{source.attribute}' needs it; leave the record out of the "
            "problems, or map the attribute to another column"
        )
    if source.words:
        if str(value) not in source.words:
            raise CannotAsk(
                f"{source.column} = '{value}' has no level of '{source.attribute}'; give it one in the mapping"
            )
        return source.words[str(value)]
    number = float(value)
    if source.bands:
        return next(band.level for band in source.bands if number < band.below)
    return number


class _Wrong(Exception):
    """What is wrong with one table."""


def _source(attribute: Attribute, given: Any) -> Source:
    if not isinstance(given, dict):
        raise _Wrong("write a table, such as { constant = ... }")
    if unknown := given.keys() - {"column", "levels", "values", "constant"}:
        raise _Wrong(f"{', '.join(sorted(unknown))}: is not known here")
    if "constant" in given:
        if len(given) > 1:
            raise _Wrong("a constant stands alone")
        return Source(attribute=attribute.name, column=None, constant=_checked(attribute, given["constant"]))
    column = given.get("column")
    if column not in CANDIDATE_PLACE:
        raise _Wrong(f"column = {column!r}: name one of {', '.join(CANDIDATE_PLACE)}, or give a constant")
    if "levels" in given and "values" in given:
        raise _Wrong("give levels (bands of a number) or values (words), not both")
    is_number = CANDIDATE_COLUMNS[CANDIDATE_PLACE[column]].kind is Kind.NUMBER
    if "values" in given:
        return Source(attribute=attribute.name, column=column, words=_words(attribute, given["values"]))
    if not is_number:
        raise _Wrong(f"column {column} holds no number; say with values which word has which level")
    if "levels" in given:
        return Source(attribute=attribute.name, column=column, bands=_bands(attribute, given["levels"]))
    if isinstance(attribute, CategoricalAttribute):
        raise _Wrong(f"say with levels which numbers have which of {', '.join(attribute.level_names)}")
    return Source(attribute=attribute.name, column=column)


def _words(attribute: Attribute, given: Any) -> Mapping[str, str]:
    if not isinstance(given, dict) or not given:
        raise _Wrong('values: write a table of words and levels, such as { Yes = "..." }')
    return {word: _level(attribute, level) for word, level in given.items()}


def _bands(attribute: Attribute, given: Any) -> tuple[Band, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(band, dict) for band in given):
        raise _Wrong('levels: write a list such as [{ below = 50, level = "young" }, { level = "old" }]')
    bands: list[Band] = []
    for i, band in enumerate(given, start=1):
        if unknown := band.keys() - {"below", "level"}:
            raise _Wrong(f"levels[{i}].{sorted(unknown)[0]}: is not known here")
        below = band.get("below", math.inf)
        if isinstance(below, bool) or not isinstance(below, int | float) or math.isnan(below):
            raise _Wrong(f"levels[{i}].below = {below!r}: write a number")
        if bands and below <= bands[-1].below:
            raise _Wrong(f"levels[{i}]: bounds go up from band to band")
        bands.append(Band(float(below), _level(attribute, band.get("level"))))
    if bands[-1].below < math.inf:
        raise _Wrong(
            "levels: the last band has no bound, so that every number has a level; leave out its below"
        )
    return tuple(bands)


def _level(attribute: Attribute, level: Any) -> str:
    if not isinstance(attribute, CategoricalAttribute):
        raise _Wrong("is a number in the study; name a column of numbers alone, or a constant")
    return str(_checked(attribute, level))


def _checked(attribute: Attribute, value: Any) -> AttributeValue:
    try:
        return attribute.checked(value)
    except BadProfile as error:
        raise _Wrong(str(error)) from None
