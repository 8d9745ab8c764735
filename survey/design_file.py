"""Read, check and write ``design.toml``. Every complaint names the line and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from survey.design import (
    Arm,
    Attribute,
    AttributeOrder,
    CategoricalAttribute,
    ComparisonKind,
    Favours,
    Indecision,
    Level,
    ListedProfile,
    NumericAttribute,
    Profile,
    ProfileKind,
    Sides,
    StudyDesign,
    Texts,
    make_profile,
)
from survey.errors import BadDesign, BadProfile

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Text = Annotated[str, Field(min_length=1)]
Scalar = str | int | float

_NAME_RULE = "use letters, digits, '-' and '_', starting with a letter or digit"
_SHARES_SUM_TOLERANCE = 1e-3  # Published shares are rounded to a few digits.


_Loc = tuple[str | int, ...]


class _Complain(Protocol):
    """Notes one complaint: where in the document, and what is wrong."""

    def __call__(self, loc: _Loc, text: str) -> None: ...


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Study(_Table):
    slug: Name
    title: Text
    version: Text
    language: Text = "en"
    source: str = ""


class _Texts(_Table):
    introduction: Text
    consent: Text
    instructions: Text
    question: Text
    left: Text = "Patient A"
    right: Text = "Patient B"
    debrief: Text


class _Level(_Table):
    name: Name
    words: Text


class _Categorical(_Table):
    kind: Literal["categorical"]
    name: Name
    label: Text
    levels: Annotated[list[_Level], Field(min_length=2)]
    favoured: str | None = None

    @model_validator(mode="after")
    def _levels_are_distinct(self) -> _Categorical:
        names = [level.name for level in self.levels]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"level '{name}' is given twice")
        if self.favoured is not None and self.favoured not in names:
            raise ValueError(f"favoured = '{self.favoured}' is not one of its levels: {', '.join(names)}")
        return self


class _Numeric(_Table):
    kind: Literal["numeric"]
    name: Name
    label: Text
    minimum: float | None = None
    maximum: float | None = None
    step: Annotated[float, Field(gt=0)] = 1.0
    points: list[float] = []
    words: Text
    words_one: str = ""
    unit: str = ""
    favours: Favours | None = None

    @model_validator(mode="after")
    def _values_are_stated(self) -> _Numeric:
        if self.points:
            if self.minimum is not None or self.maximum is not None:
                raise ValueError("give either points or minimum and maximum, not both")
            if any(a >= b for a, b in pairwise(self.points)):
                raise ValueError("points must rise")
        elif self.minimum is None or self.maximum is None:
            raise ValueError("needs minimum and maximum, or points")
        elif self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is not below maximum {self.maximum:g}")
        if "{value}" not in self.words:
            raise ValueError("words must contain {value}, the place for the number")
        return self


_AnyAttribute = Annotated[_Categorical | _Numeric, Field(discriminator="kind")]
_ATTRIBUTES = TypeAdapter(list[_AnyAttribute])


class _Profiles(_Table):
    kind: ProfileKind
    listed: Annotated[list[dict[str, Scalar]], Field(alias="list")] = []


class _Pair(_Table):
    left: dict[str, Scalar] | str
    right: dict[str, Scalar] | str


class _Comparisons(_Table):
    kind: ComparisonKind
    per_respondent: Annotated[int, Field(ge=1)]
    sides: Sides = Sides.RANDOM
    attribute_order: AttributeOrder = AttributeOrder.PER_RESPONDENT
    listed: Annotated[list[_Pair], Field(alias="list")] = []


class _Indecision(_Table):
    offered: bool = True
    label: Text = "Flip a coin"
    explanation: str = ""


class _Arm(_Table):
    name: Name
    indecision: bool


class _Design(_Table):
    study: _Study
    texts: _Texts
    attributes: Annotated[list[_AnyAttribute], Field(min_length=1)]
    profiles: _Profiles
    comparisons: _Comparisons
    indecision: _Indecision = _Indecision()
    arms: list[_Arm] = []


def read_design(path: Path) -> StudyDesign:
    """Read and check a design file.

    Raises
    ------
    BadDesign
        With every complaint found, each naming file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadDesign([f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8"], str(path)) from None
    except OSError as error:
        raise BadDesign(
            [f"{path}: {error.strerror or error}; name an existing design file"], str(path)
        ) from None
    return parse_design(text, str(path))


def example_design(name: str) -> StudyDesign:
    """Return a design that ships with Equipoise, e.g. ``kidney-8``."""
    return read_design(EXAMPLES / f"{name}.toml")


def parse_design(text: str, where: str = "design.toml") -> StudyDesign:
    """Check the text of a design file; ``where`` names it in complaints. See :func:`read_design`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadDesign([f"{where}: not valid TOML: {error}"], where) from None
    lines = _key_lines(text)
    try:
        tables = _Design.model_validate(document)
    except ValidationError as error:
        complaints = [
            _complaint(where, lines, _location(document, e["loc"]), _message(dict(e))) for e in error.errors()
        ]
        raise BadDesign(complaints, where) from None
    complaints = []

    def complain(loc: _Loc, text: str) -> None:
        complaints.append(_complaint(where, lines, loc, text))

    design = _design_from(tables, complain)
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
        return tuple(_attribute(table) for table in _ATTRIBUTES.validate_python(records))
    except ValidationError as error:
        raise BadDesign(
            [
                f"attributes{_key_text(_location(records, e['loc']))}: {_message(dict(e))}"
                for e in error.errors()
            ],
            "attributes",
        ) from None


# --- from checked tables to the domain -----------------------------------------------------------------


def _design_from(tables: _Design, complain: _Complain) -> StudyDesign:
    attributes = tuple(_attribute(a) for a in tables.attributes)
    _no_duplicates([a.name for a in attributes], ("attributes",), "attribute", complain)
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


def _attribute(table: _Categorical | _Numeric) -> Attribute:
    if isinstance(table, _Categorical):
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
    tables: _Design, attributes: tuple[Attribute, ...], complain: _Complain
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
            complain((*loc, "name"), f"{name!r} is not a name; {_NAME_RULE}")
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


def _profile_location(loc: _Loc, row: Mapping[str, object], attributes: tuple[Attribute, ...]) -> _Loc:
    """Return the location of the first attribute whose value does not fit, so that the complaint names its line."""
    for attribute in attributes:
        if attribute.name in row:
            try:
                attribute.checked(row[attribute.name])
            except BadProfile:
                return (*loc, attribute.name)
    return loc


def _listed_comparisons(
    tables: _Design,
    attributes: tuple[Attribute, ...],
    listed: tuple[ListedProfile, ...],
    complain: _Complain,
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


def _enough_comparisons(design: StudyDesign, complain: _Complain) -> None:
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


def _no_duplicates(names: list[str], loc: _Loc, what: str, complain: _Complain) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            complain((*loc, i), f"{what} '{name}' is given twice")


# --- complaints: where in the file ---------------------------------------------------------------------


def _complaint(where: str, lines: Mapping[_Loc, int], loc: _Loc, text: str) -> str:
    probe = loc
    while probe and probe not in lines:
        probe = probe[:-1]
    line = f"{where}:{lines[probe]}" if probe else where
    return f"{line}: {_key_text(loc)}: {text}" if loc else f"{line}: {text}"


def _key_text(loc: _Loc) -> str:
    text = ""
    for part in loc:
        # Entries are counted from 1, as a person reading the file would.
        text += f"[{part + 1}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def _location(document: object, loc: tuple[str | int, ...]) -> _Loc:
    """Drop the parts of a pydantic location that are union tags rather than keys of the document."""
    kept: list[str | int] = []
    here = document
    for i, part in enumerate(loc):
        if isinstance(here, list) and isinstance(part, int):
            here = here[part] if part < len(here) else None
            kept.append(part)
        elif isinstance(here, dict) and part in here:
            here = here[part]
            kept.append(part)
        elif isinstance(here, dict) and i == len(loc) - 1 and part != here.get("kind"):
            kept.append(part)  # A key that is missing or not allowed, not the tag of a union.
    return tuple(kept)


def _message(error: Mapping[str, object]) -> str:
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a key that a design has; remove it or check its spelling"
    if kind == "string_pattern_mismatch":
        return f"{given!r} is not a name; {_NAME_RULE}"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return "kind must be 'categorical' or 'numeric'"
    message = str(error["msg"]).removeprefix("Value error, ")
    if kind == "value_error" or isinstance(given, dict | list):
        return message[0].lower() + message[1:]
    return f"{message[0].lower()}{message[1:]}, not {given!r}"


_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-\" ]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-]+|\"[^\"]+\")\s*=")


def _key_lines(text: str) -> dict[_Loc, int]:
    """Map each table and top-level key of a TOML text to its line.

    tomllib keeps no positions. This scan knows headers, arrays of tables and ``key =`` lines, which is all a
    design needs: keys inside inline tables are reported at the line of the key that holds them. It runs only on
    texts that tomllib has accepted, so it need not judge syntax, only skip multi-line strings.
    """
    lines: dict[_Loc, int] = {}
    counts: dict[_Loc, int] = {}
    table: _Loc = ()
    in_string: str | None = None
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if in_string:
            if in_string in line:
                in_string = None
            continue
        if depth == 0:
            header = _HEADER.match(line)
            if header:
                names = [part.strip().strip('"') for part in header.group(2).split(".")]
                table = _header_path(names, counts, is_array=header.group(1) == "[[")
                for end in range(1, len(table) + 1):
                    lines.setdefault(table[:end], number)
                continue
            key = _KEY.match(line)
            if key:
                lines[(*table, key.group(1).strip('"'))] = number
        for quote in ('"""', "'''"):
            if line.count(quote) % 2:
                in_string = quote
        if not in_string:
            bare = re.sub(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*', "", line)
            depth += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
    return lines


def _header_path(names: list[str], counts: dict[_Loc, int], *, is_array: bool) -> _Loc:
    path: _Loc = ()
    for i, name in enumerate(names):
        path = (*path, name)
        if i == len(names) - 1 and is_array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
