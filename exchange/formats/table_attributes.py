"""The attributes of patients in a table of pairs, inferred from its columns, and values from its cells. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from survey.design import Attribute, CategoricalAttribute, Level, NumericAttribute, Value
from survey.design_file import attribute_records, attributes_from_records
from survey.errors import BadDesign, BadProfile


def inferred_attributes(
    columns: Mapping[str, Sequence[str]], *, decimal_comma: bool
) -> tuple[Attribute, ...]:
    """Return attributes that fit what was seen of them.

    Parameters
    ----------
    columns
        Attribute name -> the cells that are not empty. Numbers make a numeric attribute from the least to the
        greatest, anything else a categorical one with levels in the order of first appearance.
    decimal_comma
        Whether 0,5 is a number.

    Raises
    ------
    BadProfile
        A column says the same of everybody, or holds what no study could; the message names it.
    """
    attributes = []
    for name, cells in columns.items():
        seen = list(dict.fromkeys(cells))
        if len(seen) < 2:
            said = f"says '{seen[0]}' of everybody" if seen else "is empty"
            raise BadProfile(
                f"the attribute '{name}' {said}, so what else it could be is not known; "
                "give the study with --design, or remove the column"
            )
        numbers = [_number(cell, decimal_comma=decimal_comma) for cell in seen]
        known = [number for number in numbers if number is not None]
        if len(known) == len(numbers):
            attribute: Attribute = NumericAttribute(
                name=name, label=name, minimum=float(min(known)), maximum=float(max(known))
            )
        else:
            levels = tuple(Level(name=level, words=level) for level in seen)
            attribute = CategoricalAttribute(name=name, label=name, levels=levels)
        attributes.append(attribute)
    try:
        # As pool.json will ask for it: what cannot be written there is better said here.
        return attributes_from_records(attribute_records(attributes)) if attributes else ()
    except BadDesign as error:
        raise BadProfile(f"{'; '.join(error.complaints)}; give the study with --design") from None


def described(attributes: Sequence[Attribute]) -> str:
    """Return the attributes with their ranges or levels, in words."""
    return "; ".join(
        f"{a.name} {a.minimum:g} to {a.maximum:g}"
        if isinstance(a, NumericAttribute)
        else f"{a.name} {'/'.join(a.level_names)}"
        for a in attributes
    )


def attribute_values(
    attributes: Sequence[Attribute], texts: Mapping[str, str], *, decimal_comma: bool
) -> dict[str, Value]:
    """Return the values that cells hold, numbers for numeric attributes; empty cells hold none."""
    values: dict[str, Value] = {}
    for attribute in attributes:
        text = texts.get(attribute.name, "")
        if not text:
            continue
        number = (
            _number(text, decimal_comma=decimal_comma) if isinstance(attribute, NumericAttribute) else None
        )
        values[attribute.name] = text if number is None else number
    return values


def point_for_comma(text: str) -> str:
    """Return a number with its decimal comma turned into a point."""
    return text.replace(",", ".") if text.count(",") == 1 and "." not in text else text


def _number(text: str, *, decimal_comma: bool) -> int | float | None:
    """Return the number that a cell holds, or None for words."""
    text = point_for_comma(text.strip()) if decimal_comma else text.strip()
    if "_" in text:  # Python reads 1_000, no other program does.
        return None
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if isfinite(value) else None
    return None
