"""Read and check ``design.toml``. Every complaint names the line and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from survey.design import (
    LISTABLE,
    Arm,
    Attribute,
    CategoricalAttribute,
    ComparisonKind,
    Indecision,
    Level,
    ListedProfile,
    NumericAttribute,
    Profile,
    ProfileKind,
    Sides,
    StudyDesign,
    Texts,
    design_hash,
    make_profile,
)
from survey.design_complaints import (
    NAME_RULE,
    Complain,
    Loc,
    complaint,
    key_lines,
    key_text,
    location,
    message,
)
from survey.design_tables import ATTRIBUTE_TABLES, CategoricalTable, DesignTables, NumericTable
from survey.errors import BadDesign, BadProfile

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

# As many characters as the database keeps (survey.tables), as for names in design_tables.
_LONGEST_PROFILE_ID = 500

_SHARES_SUM_TOLERANCE = 1e-3  # Published shares are rounded to a few digits.
_GRID_TOLERANCE = 1e-6  # Of a step: 0.1 is no exact binary fraction.
_LONGEST_NUMBER = 24  # Characters of a number.
_KEYS_OF_A_LISTED_PROFILE = ("name", "patient_share")


def read_design(path: Path) -> StudyDesign:
    """Read and check a design file.

    Raises
    ------
    BadDesign
        With every complaint found, each naming file, line and key.
    """
    return parse_design(read_design_text(path), str(path))


def read_design_text(path: Path) -> str:
    """Return the text of a design file, unchecked. Raises :class:`BadDesign` if it is no readable text."""
    try:
        return path.read_text(encoding="utf-8-sig")  # Some editors begin a file with a byte order mark.
    except UnicodeDecodeError as error:
        raise BadDesign([f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8"], str(path)) from None
    except OSError as error:
        raise BadDesign(
            [f"{path}: {error.strerror or error}; name an existing design file"], str(path)
        ) from None


def example_design(name: str) -> StudyDesign:
    """Return a design that ships with Equipoise, e.g. ``kidney-8``."""
    return read_design(EXAMPLES / f"{name}.toml")


def example_with_hash(hashed: str) -> StudyDesign | None:
    """Return the shipped design with this design hash, if there is one."""
    for path in sorted(EXAMPLES.glob("*.toml")):
        design = read_design(path)
        if design_hash(design) == hashed:
            return design
    return None


def parse_design(text: str, where: str = "design.toml") -> StudyDesign:
    """Check the text of a design file; ``where`` names it in complaints. See :func:`read_design`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDesign([f"{where}: not valid TOML: {error}"], where) from None
    lines = key_lines(text)
    try:
        tables = DesignTables.model_validate(document)
    except ValidationError as error:
        complaints = [
            complaint(where, lines, location(document, e["loc"]), message(dict(e))) for e in error.errors()
        ]
        raise BadDesign(complaints, where) from None
    complaints = []

    def complain(loc: Loc, text: str) -> None:
        complaints.append(complaint(where, lines, loc, text))

    design = _design_from(tables, complain)
    if not complaints:
        _grids_end_at_maximum(design, complain)
        _words_tell_apart(design, complain)
        _sides_are_stated(design, complain)
        _ids_can_be_stored(design, complain)
    if not complaints:
        _enough_comparisons(design, complain)
    if complaints:
        raise BadDesign(complaints, where)
    return design


def attribute_records(attributes: Sequence[Attribute]) -> list[dict[str, object]]:
    """Return attributes as plain records, so that a data file can carry them and stand alone."""
    records: list[dict[str, object]] = []
    for attribute in attributes:
        if isinstance(attribute, CategoricalAttribute):
            records.append({"kind": "categorical", **asdict(attribute)})
            continue
        record = {"kind": "numeric", **asdict(attribute)}
        for redundant in ("minimum", "maximum") if attribute.points else ("points",):
            del record[redundant]
        records.append(record)
    return records


def attributes_from_records(records: object) -> tuple[Attribute, ...]:
    """Return the attributes that :func:`attribute_records` wrote.

    Raises
    ------
    BadDesign
        The records do not describe attributes.
    """
    try:
        return tuple(_attribute(table) for table in ATTRIBUTE_TABLES.validate_python(records))
    except ValidationError as error:
        raise BadDesign(
            [
                f"attributes{key_text(location(records, e['loc']))}: {message(dict(e))}"
                for e in error.errors()
            ],
            "attributes",
        ) from None


# --- from checked tables to the domain -----------------------------------------------------------------


def _design_from(tables: DesignTables, complain: Complain) -> StudyDesign:
    attributes = tuple(_attribute(a) for a in tables.attributes)
    _no_duplicates([a.name for a in attributes], ("attributes",), "attribute", complain)
    for i, attribute in enumerate(attributes):
        if attribute.name in _KEYS_OF_A_LISTED_PROFILE:
            complain(
                ("attributes", i, "name"), f"'{attribute.name}' is a key of [[profiles.list]]; choose another"
            )
    listed = _listed_profiles(tables, attributes, complain)
    arms = tuple(Arm(name=a.name, indecision_offered=a.indecision) for a in tables.arms)
    _no_duplicates([a.name for a in arms], ("arms",), "arm", complain)
    if any(a.indecision_offered for a in arms) and not tables.indecision.offered:
        complain(("indecision", "offered"), "is false, but an arm has indecision = true; let them agree")
    pairs = _listed_comparisons(tables, attributes, listed, complain)

    return StudyDesign(
        slug=tables.study.slug,
        title=tables.study.title,
        version=tables.study.version,
        language=tables.study.language,
        source=tables.study.source,
        attributes=attributes,
        profile_kind=tables.profiles.kind,
        listed_profiles=listed,
        comparison_kind=tables.comparisons.kind,
        listed_comparisons=pairs,
        comparisons_per_respondent=tables.comparisons.per_respondent,
        sides=tables.comparisons.sides,
        attribute_order=tables.comparisons.attribute_order,
        indecision=Indecision(**tables.indecision.model_dump()),
        arms=arms or (Arm(name="main", indecision_offered=tables.indecision.offered),),
        texts=Texts(**tables.texts.model_dump()),
    )


def _attribute(table: CategoricalTable | NumericTable) -> Attribute:
    if isinstance(table, CategoricalTable):
        return CategoricalAttribute(
            name=table.name,
            label=table.label,
            levels=tuple(Level(name=level.name, words=level.words) for level in table.levels),
            favoured=table.favoured,
        )
    points = tuple(table.points)
    return NumericAttribute(
        name=table.name,
        label=table.label,
        minimum=points[0] if points else float(table.minimum or 0),
        maximum=points[-1] if points else float(table.maximum or 0),
        step=table.step,
        points=points,
        words=table.words,
        words_one=table.words_one,
        unit=table.unit,
        favours=table.favours,
    )


def _listed_profiles(
    tables: DesignTables, attributes: tuple[Attribute, ...], complain: Complain
) -> tuple[ListedProfile, ...]:
    if tables.profiles.kind is ProfileKind.LIST and len(tables.profiles.listed) < 2:
        complain(("profiles", "list"), "needs at least two [[profiles.list]] entries for kind = 'list'")
    if tables.profiles.kind is ProfileKind.RANDOM and tables.profiles.listed:
        complain(("profiles", "list"), "has no meaning with kind = 'random'; remove it or use kind = 'list'")
    listed: list[ListedProfile] = []
    all_readable = True
    for i, row in enumerate(tables.profiles.listed):
        loc = ("profiles", "list", i)
        values: dict[str, object] = dict(row)
        name, share = values.pop("name", ""), values.pop("patient_share", None)
        if not isinstance(name, str) or (name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name)):
            complain((*loc, "name"), f"{name!r} is not a name; {NAME_RULE}")
            all_readable = False
            continue
        if share is not None and (not isinstance(share, int | float) or not 0 <= share <= 1):
            complain((*loc, "patient_share"), f"{share!r} is not a share between 0 and 1")
            all_readable = False
            continue
        try:
            profile = make_profile(attributes, values, name=name)
        except BadProfile as error:
            complain(_profile_location(loc, row, attributes), str(error))
            all_readable = False
            continue
        if any(profile == other.profile for other in listed):
            complain(loc, f"profile '{profile.id}' has the same values as an earlier one")
        listed.append(ListedProfile(profile=profile, patient_share=None if share is None else float(share)))
    _no_duplicates([p.profile.name for p in listed if p.profile.name], ("profiles", "list"), "name", complain)
    shares = [p.patient_share for p in listed if p.patient_share is not None]
    if shares and len(shares) < len(listed):
        complain(("profiles", "list"), "give patient_share for every profile or for none")
    elif all_readable and shares and abs(sum(shares) - 1) > _SHARES_SUM_TOLERANCE:
        complain(("profiles", "list"), f"the patient_shares sum to {sum(shares):.4f}, not 1")
    return tuple(listed)


def _profile_location(loc: Loc, row: Mapping[str, object], attributes: tuple[Attribute, ...]) -> Loc:
    """Return the location of the first attribute whose value does not fit, so that the complaint names its line."""
    for attribute in attributes:
        if attribute.name in row:
            try:
                attribute.checked(row[attribute.name])
            except BadProfile:
                return (*loc, attribute.name)
    return loc


def _listed_comparisons(
    tables: DesignTables,
    attributes: tuple[Attribute, ...],
    listed: tuple[ListedProfile, ...],
    complain: Complain,
) -> tuple[tuple[Profile, Profile], ...]:
    rows = tables.comparisons.listed
    if tables.comparisons.kind is not ComparisonKind.LIST:
        if rows:
            complain(("comparisons", "list"), "has no meaning unless kind = 'list'")
        return ()
    if not rows:
        complain(("comparisons", "list"), "needs [[comparisons.list]] entries for kind = 'list'")
    by_name = {p.profile.name: p.profile for p in listed if p.profile.name}
    by_value = {p.profile: p.profile for p in listed}
    pairs = []
    for i, row in enumerate(rows):
        sides = []
        for side, given in (("left", row.left), ("right", row.right)):
            if isinstance(given, str):
                if given not in by_name:
                    complain(
                        ("comparisons", "list", i, side),
                        f"no profile is named '{given}' in [[profiles.list]]",
                    )
                    continue
                sides.append(by_name[given])
                continue
            try:
                profile = make_profile(attributes, dict(given))
            except BadProfile as error:
                complain(("comparisons", "list", i, side), str(error))
                continue
            sides.append(by_value.get(profile, profile))
        if len(sides) == 2:
            if sides[0] == sides[1]:
                complain(("comparisons", "list", i), f"compares profile '{sides[0].id}' with itself")
            else:
                pairs.append((sides[0], sides[1]))
    return tuple(pairs)


def _grids_end_at_maximum(design: StudyDesign, complain: Complain) -> None:
    for i, attribute in enumerate(design.attributes):
        if isinstance(attribute, NumericAttribute) and not attribute.points:
            steps = (attribute.maximum - attribute.minimum) / attribute.step
            if round(steps) < 1 or abs(steps - round(steps)) > _GRID_TOLERANCE:
                complain(
                    ("attributes", i, "step"),
                    f"steps of {attribute.step:g} do not lead from minimum {attribute.minimum:g} to maximum "
                    f"{attribute.maximum:g}; change one of the three, or list the values as points",
                )


def _words_tell_apart(design: StudyDesign, complain: Complain) -> None:
    """Complain where a respondent would read the same words for different things."""
    _no_duplicates([_words_read(a.label) for a in design.attributes], ("attributes",), "label", complain)
    for i, attribute in enumerate(design.attributes):
        if isinstance(attribute, CategoricalAttribute):
            words = [_words_read(level.words) for level in attribute.levels]
            _no_duplicates(words, ("attributes", i, "levels"), "words", complain)
    answers = {("texts", "left"): design.texts.left, ("texts", "right"): design.texts.right}
    if design.indecision.offered:
        answers[("indecision", "label")] = design.indecision.label
    said: set[str] = set()
    for loc, text in answers.items():
        if _words_read(text) in said:
            complain(
                loc, f"'{text}' already stands for another answer; respondents could not tell them apart"
            )
        said.add(_words_read(text))


def _words_read(text: str) -> str:
    """Return ``text`` as a page shows it, where one space is like many."""
    return " ".join(text.split())


def _sides_are_stated(design: StudyDesign, complain: Complain) -> None:
    if design.sides is Sides.FIXED and design.comparison_kind is ComparisonKind.ALL_PAIRS:
        complain(
            ("comparisons", "sides"),
            "'fixed' needs comparisons that name a left and a right profile; use kind = 'list' or sides = 'random'",
        )


def _ids_can_be_stored(design: StudyDesign, complain: Complain) -> None:
    longest = sum(len(a.name) + 2 + _longest_value(a) for a in design.attributes)
    if longest > _LONGEST_PROFILE_ID:
        complain(
            ("attributes",),
            f"names and values of one profile come to {longest} characters, and {_LONGEST_PROFILE_ID} can be "
            "stored; shorten the names of attributes and levels",
        )


def _longest_value(attribute: Attribute) -> int:
    return (
        max(len(str(v)) for v in attribute.values) if attribute.value_count <= LISTABLE else _LONGEST_NUMBER
    )


def _enough_comparisons(design: StudyDesign, complain: Complain) -> None:
    if design.comparison_kind is ComparisonKind.LIST:
        available = len(design.listed_comparisons)
    else:
        every = design.profiles()
        if every is None:
            return
        available = len(every) * (len(every) - 1) // 2
    if design.comparisons_per_respondent > available:
        complain(
            ("comparisons", "per_respondent"),
            f"asks for {design.comparisons_per_respondent} comparisons, but the design has only {available}",
        )


def _no_duplicates(names: list[str], loc: Loc, what: str, complain: Complain) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            complain((*loc, i), f"{what} '{name}' is given twice")
