"""Read and check ``design.toml``. Every complaint names the line and the key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from survey.design import (
    Adaptive,
    Arm,
    Attribute,
    AttributeOrigin,
    CategoricalAttribute,
    ComparisonKind,
    DesignedRoles,
    Indecision,
    Level,
    ListedCheck,
    ListedProfile,
    NumericAttribute,
    Profile,
    ProfileKind,
    StudyDesign,
    Texts,
    design_hash,
    make_profile,
    require_comparisons,
)
from survey.design_file.attributes_asked import (
    acceptability_from,
    check_without_comparisons,
    speaks_of_comparisons,
    suggestions_from,
)
from survey.design_file.checks import check_amounts, check_forms, check_values, no_duplicates
from survey.design_file.choose_one import choose_one_from
from survey.design_file.complaints import (
    NAME_RULE,
    Complain,
    Loc,
    bounded,
    complaint,
    key_lines,
    key_text,
    location,
    message,
)
from survey.design_file.document import read_document
from survey.design_file.fields import OptionTable
from survey.design_file.participation_tables import (
    ComprehensionTable,
    EndingsTable,
    FormQuestionTable,
    QuotasTable,
    ScreenerOptionTable,
)
from survey.design_file.tables import (
    ATTRIBUTE_TABLES,
    CategoricalTable,
    DesignTables,
    NoComparisonsTables,
    NumericTable,
    PairTable,
)
from survey.design_file.words import translations_from, words_tell_apart
from survey.errors import BadDesign, BadProfile
from survey.participation import Ending, EndingPage, Exclusions, QuotaCell, Quotas, Recruitment, Waves
from survey.questionnaire import Comprehension, FormQuestion, Option

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

_SHARES_SUM_TOLERANCE = 1e-3  # Published shares are rounded to a few digits.
_KEYS_OF_A_LISTED_PROFILE = ("name", "patient_share")


def read_design(path: Path) -> StudyDesign:
    """Read and check a design file.

    Raises
    ------
    BadDesign
        With every complaint found, each naming file, line and key.
    """
    return parse_design(read_design_text(path), str(path))


def read_design_with_comparisons(path: Path) -> StudyDesign:
    """Read and check the design file of a study that asks for comparisons.

    Raises
    ------
    BadDesign
        As :func:`read_design`.
    NoComparisons
        The study asks for attributes alone.
    """
    return require_comparisons(read_design(path), str(path))


def read_design_text(path: Path) -> str:
    """Return the text of a design file, unchecked. Raises :class:`BadDesign` if it is no readable text."""
    try:
        return path.read_text(encoding="utf-8-sig")  # Some editors begin a file with a byte order mark.
    except UnicodeDecodeError as error:
        raise BadDesign([f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8"], str(path)) from None
    except OSError as error:
        raise BadDesign([f"{path}: {error.strerror or error}; name an existing file"], str(path)) from None


def example_design(name: str) -> StudyDesign:
    """Return a design that ships with Equipoise, e.g. ``kidney-8``."""
    return read_design(EXAMPLES / f"{name}.toml")


@lru_cache(maxsize=1)
def examples_with_comparisons() -> tuple[str, ...]:
    """Return the names of the designs that ship with Equipoise and ask for comparisons, sorted."""
    return tuple(path.stem for path in sorted(EXAMPLES.glob("*.toml")) if read_design(path).compares)


def example_with_hash(hashed: str) -> StudyDesign | None:
    """Return the shipped design with this design hash, if there is one."""
    for path in sorted(EXAMPLES.glob("*.toml")):
        design = read_design(path)
        if design_hash(design) == hashed:
            return design
    return None


def parse_design(text: str, where: str = "design.toml", *, accepted: bool = False) -> StudyDesign:
    """Check the text of a design file; ``where`` names it in complaints. See :func:`read_design`.

    ``accepted`` reads a design that a study was added with, without judging again what its tables must agree on: a
    rule that a later version adds must not close a study that people are taking.
    """
    document = read_document(text, where)
    lines = key_lines(text)
    complaints: list[str] = []

    def complain(loc: Loc, text: str) -> None:
        complaints.append(complaint(where, lines, loc, text))

    has_comparisons = speaks_of_comparisons(document)
    if not has_comparisons:
        check_without_comparisons(document, complain)
    try:
        tables = (DesignTables if has_comparisons else NoComparisonsTables).model_validate(document)
    except ValidationError as error:
        complaints += [
            complaint(where, lines, location(document, e["loc"]), message(dict(e))) for e in error.errors()
        ]
    if complaints:
        raise BadDesign(bounded(complaints), where)
    design = _design_from(tables, complain)
    if not accepted:
        check_forms(design, complain)
    design = replace(design, translations=translations_from(tables.languages, design, complain))
    if not complaints and not accepted:
        check_values(design, complain)
        words_tell_apart(design, document, complain)
    if not complaints and not accepted:
        check_amounts(design, complain)
    if complaints:
        raise BadDesign(bounded(complaints), where)
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
    """Return the design that the tables describe, without its translations."""
    attributes = tuple(_attribute(a) for a in tables.attributes)
    no_duplicates([a.name for a in attributes], ("attributes",), "attribute", complain)
    for i, attribute in enumerate(attributes):
        if attribute.name in _KEYS_OF_A_LISTED_PROFILE:
            complain(
                ("attributes", i, "name"), f"'{attribute.name}' is a key of [[profiles.list]]; choose another"
            )
    listed = _listed_profiles(tables, attributes, complain)
    arms = tuple(
        Arm(
            name=a.name,
            indecision_offered=a.indecision,
            indecision_label=a.indecision_label,
            question=a.question,
            instructions=a.instructions,
            highlight=a.highlight,
        )
        for a in tables.arms
    )
    no_duplicates([a.name for a in arms], ("arms",), "arm", complain)
    known = [
        entry.profile for entry in reversed(listed)
    ]  # The first of equals, which are complained of, wins.
    pairs = _Pairs(attributes, {p: p for p in known}, {p.name: p for p in known if p.name}, complain)
    comparisons, adaptive = tables.comparisons, tables.comparisons.adaptive

    return StudyDesign(
        slug=tables.study.slug,
        title=tables.study.title,
        version=tables.study.version,
        language=tables.study.language,
        source=tables.study.source,
        attributes=attributes,
        profile_kind=tables.profiles.kind,
        listed_profiles=listed,
        comparison_kind=comparisons.kind,
        listed_comparisons=_listed_comparisons(tables, pairs, complain),
        comparisons_per_respondent=comparisons.per_respondent,
        sides=comparisons.sides,
        attribute_order=comparisons.attribute_order,
        indecision=_indecision(tables),
        arms=arms or (Arm(name="main", indecision_offered=tables.indecision.offered),),
        texts=Texts(**tables.texts.model_dump()),
        contact=tables.study.contact,
        highlight=tables.display.highlight,
        adaptive=Adaptive(**adaptive.model_dump()) if adaptive else Adaptive(),
        roles=_roles(tables, pairs),
        practice=pairs.read(tables.practice, ("practice",)) if tables.practice else None,
        comprehension=_comprehension(tables.comprehension) if tables.comprehension else None,
        choose_one=choose_one_from(tables.choose_one, complain) if tables.choose_one else None,
        suggestions=suggestions_from(tables.suggestions) if tables.suggestions else None,
        acceptability=acceptability_from(tables.acceptability) if tables.acceptability else None,
        origins=_origins(tables),
        screener=tuple(_form_question(question) for question in tables.screener),
        demographics=tuple(_form_question(question) for question in tables.demographics),
        recruitment=Recruitment(**tables.recruitment.model_dump()),
        quotas=_quotas(tables.quotas),
        waves=Waves(**tables.waves.model_dump()),
        endings=_endings(tables.endings),
        exclusions=Exclusions(**tables.exclusions.model_dump()),
        analysis=tables.preregistration.analysis,
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
    seen: set[Profile] = set()
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
        if profile in seen:
            complain(loc, f"profile '{profile.id}' has the same values as an earlier one")
        seen.add(profile)
        listed.append(ListedProfile(profile=profile, patient_share=None if share is None else float(share)))
    no_duplicates([p.profile.name for p in listed if p.profile.name], ("profiles", "list"), "name", complain)
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


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Reads two profiles that a table gives by name or by values."""

    attributes: tuple[Attribute, ...]
    listed: Mapping[Profile, Profile]
    """Profile -> itself, as the design names it."""
    named: Mapping[str, Profile]
    complain: Complain

    def read(self, pair: PairTable, loc: Loc) -> tuple[Profile, Profile] | None:
        """Return (left, right), or None after a complaint."""
        left = self._profile(pair.left, (*loc, "left"))
        right = self._profile(pair.right, (*loc, "right"))
        if left is None or right is None:
            return None
        if left == right:
            self.complain(loc, f"compares profile '{left.id}' with itself")
            return None
        return left, right

    def _profile(self, given: str | dict[str, object], loc: Loc) -> Profile | None:
        if isinstance(given, str):
            named = self.named.get(given)
            if named is None:
                self.complain(loc, f"no profile is named '{given}' in [[profiles.list]]")
            return named
        try:
            profile = make_profile(self.attributes, given)
        except BadProfile as error:
            self.complain(loc, str(error))
            return None
        return self.listed.get(profile, profile)


def _listed_comparisons(
    tables: DesignTables, pairs: _Pairs, complain: Complain
) -> tuple[tuple[Profile, Profile], ...]:
    rows = tables.comparisons.listed
    if tables.comparisons.kind is not ComparisonKind.LIST:
        if rows:
            complain(("comparisons", "list"), "has no meaning unless kind = 'list'")
        return ()
    if not rows:
        complain(("comparisons", "list"), "needs [[comparisons.list]] entries for kind = 'list'")
    read = [pairs.read(row, ("comparisons", "list", i)) for i, row in enumerate(rows)]
    return tuple(pair for pair in read if pair is not None)


def _roles(tables: DesignTables, pairs: _Pairs) -> DesignedRoles:
    checks = []
    for i, row in enumerate(tables.roles.checks):
        pair = pairs.read(row, ("roles", "checks", i))
        if pair is not None:
            checks.append(ListedCheck(left=pair[0], right=pair[1], expected=row.expected))
    return DesignedRoles(**tables.roles.model_dump(exclude={"checks"}), checks=tuple(checks))


def _options(options: Sequence[OptionTable]) -> tuple[Option, ...]:
    return tuple(
        Option(
            name=option.name,
            words=option.words,
            screens_out=isinstance(option, ScreenerOptionTable) and option.screens_out,
        )
        for option in options
    )


def _origins(tables: DesignTables) -> tuple[AttributeOrigin, ...]:
    return tuple(
        AttributeOrigin(attribute=table.name, **table.origin.model_dump())
        for table in tables.attributes
        if table.origin is not None
    )


def _indecision(tables: DesignTables) -> Indecision:
    given = tables.indecision
    return Indecision(**given.model_dump(exclude={"reasons"}), reasons=_options(given.reasons))


def _comprehension(given: ComprehensionTable) -> Comprehension:
    return Comprehension(**given.model_dump(exclude={"options"}), options=_options(given.options))


def _form_question(given: FormQuestionTable) -> FormQuestion:
    return FormQuestion(**given.model_dump(exclude={"options"}), options=_options(given.options))


def _quotas(given: QuotasTable) -> Quotas:
    cells = tuple(QuotaCell(**cell.model_dump()) for cell in given.cells)
    return Quotas(**given.model_dump(exclude={"cells"}), cells=cells)


def _endings(given: EndingsTable) -> tuple[EndingPage, ...]:
    pages = []
    for ending in Ending:  # In this order whatever the file's, so that layout does not change the hash.
        table = getattr(given, ending.value)
        if table is not None:
            pages.append(EndingPage(ending=ending, code=table.code or "", link=table.link or ""))
    return tuple(pages)
