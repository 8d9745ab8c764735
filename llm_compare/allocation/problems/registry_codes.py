"""The registry's codes in the words that prompts show, and values as they should be. Pure.

Source: the formats of OPTN's STAR files; the words as in the prompts of arXiv 2504.03716v2, appendix B.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from llm_compare.allocation.problems.columns import Column, Kind
from llm_compare.allocation.problems.problem import Value
from llm_compare.allocation.problems.viability import blood_group
from llm_compare.errors import BadProblems

_GENDER = {"M": "Male", "F": "Female"}
_ETHNICITY: Mapping[str, str | None] = {
    "1": "White, Non-Hispanic",
    "2": "Black, Non-Hispanic",
    "4": "Hispanic/Latino",
    "5": "Asian, Non-Hispanic",
    "6": "Amer Ind/Alaska Native, Non-Hispanic",
    "7": "Native Hawaiian/other Pacific Islander, Non-Hispanic",
    "9": "Multiracial, Non-Hispanic",
    "998": None,
}
_EDUCATION: Mapping[str, str | None] = {
    "1": "NONE",
    "2": "GRADE SCHOOL (0-8)",
    "3": "HIGH SCHOOL (9-12) or GED",
    "4": "ATTENDED COLLEGE/TECHNICAL SCHOOL",
    "5": "ASSOCIATE/BACHELOR DEGREE",
    "6": "POST-COLLEGE GRADUATE DEGREE",
    "996": "N/A (< 5 YRS OLD)",
    "998": None,
}
_WORK: Mapping[str, str | None] = {"Y": "Yes", "N": "No", "U": None}
STATES: Mapping[str, str] = {
    "AL": "ALABAMA",
    "AK": "ALASKA",
    "AZ": "ARIZONA",
    "AR": "ARKANSAS",
    "CA": "CALIFORNIA",
    "CO": "COLORADO",
    "CT": "CONNECTICUT",
    "DE": "DELAWARE",
    "DC": "DISTRICT OF COLUMBIA",
    "FL": "FLORIDA",
    "GA": "GEORGIA",
    "HI": "HAWAII",
    "ID": "IDAHO",
    "IL": "ILLINOIS",
    "IN": "INDIANA",
    "IA": "IOWA",
    "KS": "KANSAS",
    "KY": "KENTUCKY",
    "LA": "LOUISIANA",
    "ME": "MAINE",
    "MD": "MARYLAND",
    "MA": "MASSACHUSETTS",
    "MI": "MICHIGAN",
    "MN": "MINNESOTA",
    "MS": "MISSISSIPPI",
    "MO": "MISSOURI",
    "MT": "MONTANA",
    "NE": "NEBRASKA",
    "NV": "NEVADA",
    "NH": "NEW HAMPSHIRE",
    "NJ": "NEW JERSEY",
    "NM": "NEW MEXICO",
    "NY": "NEW YORK",
    "NC": "NORTH CAROLINA",
    "ND": "NORTH DAKOTA",
    "OH": "OHIO",
    "OK": "OKLAHOMA",
    "OR": "OREGON",
    "PA": "PENNSYLVANIA",
    "PR": "PUERTO RICO",
    "RI": "RHODE ISLAND",
    "SC": "SOUTH CAROLINA",
    "SD": "SOUTH DAKOTA",
    "TN": "TENNESSEE",
    "TX": "TEXAS",
    "UT": "UTAH",
    "VT": "VERMONT",
    "VA": "VIRGINIA",
    "WA": "WASHINGTON",
    "WV": "WEST VIRGINIA",
    "WI": "WISCONSIN",
    "WY": "WYOMING",
    "AS": "AMERICAN SAMOA",
    "GU": "GUAM",
    "MP": "NORTHERN MARIANA ISLANDS",
    "VI": "VIRGIN ISLANDS",
}

_CODES: Mapping[str, Mapping[str, str | None]] = {
    "GENDER": _GENDER,
    "GENDER_DON": _GENDER,
    "ETHCAT": _ETHNICITY,
    "ETHCAT_DON": _ETHNICITY,
    "EDUCATION": _EDUCATION,
    "WORK_INCOME_TCR": _WORK,
    "PERM_STATE": STATES,
    "HOME_STATE_DON": STATES,
}
"""Column -> code -> word, None where the code says that nothing is known."""

_WORDS: Mapping[str, Mapping[str, str]] = {
    column: {word.casefold(): word for word in codes.values() if word is not None}
    for column, codes in _CODES.items()
}
_NOTHING = frozenset(("", ".", "unknown"))
"""Blank; SAS's mark of a missing value, which its text exports keep; the registry's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """The values that a living human can have."""

    least: float
    most: float
    unit: str
    is_whole: bool = False


_AGE = _Measure(least=0, most=120, unit="years", is_whole=True)
_HEIGHT = _Measure(least=30, most=250, unit="cm")
_WEIGHT = _Measure(least=2, most=300, unit="kg")
_MEASURES: Mapping[str, _Measure] = {
    "AGE": _AGE,
    "AGE_DON": _AGE,
    "HGT_CM_TCR": _HEIGHT,
    "HGT_CM_DON_CALC": _HEIGHT,
    "WGT_KG_TCR": _WEIGHT,
    "WGT_KG_DON_CALC": _WEIGHT,
    "DAYSWAIT_CHRON_KI": _Measure(least=0, most=36525, unit="days", is_whole=True),
}

NEEDED = frozenset(("ABO", "HGT_CM_TCR", "WGT_KG_TCR", "ABO_DON", "HGT_CM_DON_CALC", "WGT_KG_DON_CALC"))
"""Columns without which viability cannot be told."""


class UnknownCode(BadProblems):
    """A value that its column cannot have; the message names column and value."""


def decoder(column: Column) -> Callable[[str], Value]:
    """Return the function that turns a column's text into its value; None where the registry says nothing.

    Words that are decoded already stay as they are. Ages, days and antigens become whole numbers, heights and
    weights floats. The function raises :class:`UnknownCode` for a text that the column cannot have.
    """
    if column.name in _CODES:
        return _words(column.name)
    if column.kind is Kind.WORD:
        return _blood_type(column.name)
    if column.kind is Kind.CODE:
        return lambda text: _whole(column.name, text)
    return lambda text: _measured(column.name, text)


def why_unusable(columns: Sequence[Column], values: Sequence[Value]) -> str | None:
    """Return why a record is of no use, None if it is: something needed is missing, or a measure is impossible."""
    named = [(column.name, value) for column, value in zip(columns, values, strict=True)]
    for name, value in named:
        if value is None and name in NEEDED:
            return f"{name} is missing"
    for name, value in named:
        measure = _MEASURES.get(name)
        if (
            measure is not None
            and isinstance(value, int | float)
            and not measure.least <= value <= measure.most
        ):
            return f"{name} is outside {measure.least:g} to {measure.most:g} {measure.unit}"
    return None


def _words(name: str) -> Callable[[str], Value]:
    codes, words = _CODES[name], _WORDS[name]

    def decode(text: str) -> Value:
        if text in codes:
            return codes[text]
        if (folded := text.casefold()) in _NOTHING:
            return None
        if folded in words:
            return words[folded]
        if (code := _without_point_zero(text)) in codes:
            return codes[code]
        raise UnknownCode(f"{name} is '{text}', a code that is not known here")

    return decode


def _blood_type(name: str) -> Callable[[str], Value]:
    def decode(text: str) -> Value:
        # U and UNK are the registry's.
        if text.casefold() in _NOTHING or text in ("U", "UNK"):
            return None
        try:
            blood_group(text)
        except BadProblems:
            raise UnknownCode(f"{name} is '{text}', which is no blood type") from None
        return text

    return decode


def _number(name: str, text: str) -> float | None:
    if text.casefold() in _NOTHING:
        return None
    try:
        number = float(text)
    except ValueError:
        raise UnknownCode(f"{name} is '{text}', which is no number") from None
    if not isfinite(number):
        raise UnknownCode(f"{name} is '{text}', which is no number")
    return number


def _whole(name: str, text: str) -> int | None:
    number = _number(name, text)
    if number is None:
        return None
    if not number.is_integer():
        raise UnknownCode(f"{name} is '{text}', which is no whole number")
    return int(number)


def _measured(name: str, text: str) -> int | float | None:
    number = _number(name, text)
    measure = _MEASURES[name]
    return int(number) if number is not None and measure.is_whole and number.is_integer() else number


def _without_point_zero(text: str) -> str:
    """Return the code ``4`` for ``4.0``, as numbers of SAS arrive."""
    return text.removesuffix(".0")
