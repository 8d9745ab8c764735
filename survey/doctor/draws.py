"""Checks of what was drawn: complete, sound, balanced as the design promises, and the same when drawn again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import sqrt

from sqlalchemy import Text, cast, func, select

from survey.answers import Presentation, Role
from survey.design import Comparison, ComparisonKind, Profile, Sides, StudyDesign
from survey.doctor.check import Check, Patient, Person, Severity, ShownOne, of
from survey.errors import BadProfile
from survey.pairing import presentation_count
from survey.participation import WaveComparisons
from survey.store.admission import redrawn
from survey.store.presentations import presentation_of
from survey.tables import ParticipantRow, ParticipantState, PresentationRow, StudyRow

_SD = 5
"""Counts that should follow from chance may be off by so many standard deviations: one in two million are."""
REDRAWN = 20
"""Participants per study whose draws are made again."""


# --- complete ------------------------------------------------------------------------------------------


def _finished(patient: Patient) -> Iterator[tuple[Person, StudyDesign, list[ShownOne]]]:
    for person in patient.people.values():
        if person.state is ParticipantState.FINISHED:
            yield person, patient.designs[person.study_id], patient.shown.get(person.id, [])


def _all_positions(patient: Patient) -> Iterable[str]:
    for person, design, shown in _finished(patient):
        practiced = [0] if person.previous_id is None and design.practice is not None else []
        wanted = [*practiced, *range(1, presentation_count(design) + 1)]
        if [one.position for one in shown if one.answered > 0] != wanted or len(shown) != len(wanted):
            yield of(person)


def _all_roles(patient: Patient) -> Iterable[str]:
    for person, design, shown in _finished(patient):
        roles = design.roles
        wanted = {
            Role.MAIN: design.comparisons_per_respondent,
            Role.CHECK: roles.instructed + len(roles.checks),
            Role.REPEAT: roles.repeats,
            Role.DOMINATED: roles.dominated,
            Role.IDENTICAL: roles.identical,
        }
        found = Counter(one.role for one in shown if one.position > 0)
        # How many there are in all is another check's business.
        complete = found.total() == presentation_count(design)
        if complete and any(found[role] != count for role, count in wanted.items()):
            yield of(person)


# --- sound ---------------------------------------------------------------------------------------------


def _expected(patient: Patient) -> Iterable[str]:
    for _, _, shown in patient.each_shown():
        for one in shown:
            if (one.expected is not None) != (one.role in (Role.CHECK, Role.DOMINATED)):
                yield f"presentation {one.id}"


def _repeats(patient: Patient) -> Iterable[str]:
    for _, design, shown in patient.each_shown():
        at = {one.position: one for one in shown}
        repeated: set[int] = set()
        for one in shown:
            if one.role is not Role.REPEAT:
                if one.repeat_of is not None:
                    yield f"presentation {one.id}"
                continue
            original = None if one.repeat_of is None else at.get(one.repeat_of)
            sound = (
                original is not None
                and original.role is Role.MAIN
                and (original.left, original.right) == (one.right, one.left)
                and one.position - original.position > design.roles.repeat_gap
                and original.position not in repeated
            )
            if not sound:
                yield f"presentation {one.id}"
            if original is not None:
                repeated.add(original.position)


def _two_patients(patient: Patient) -> Iterable[str]:
    query = select(PresentationRow.id).where(
        (PresentationRow.left_profile == PresentationRow.right_profile)
        != (PresentationRow.role == Role.IDENTICAL),
        # A listed check may show a patient beside the same one.
        PresentationRow.role != Role.CHECK,
    )
    return patient.ids("presentation", query)


def _profiles(patient: Patient) -> Iterable[str]:
    """Read each profile once, however often it was shown."""
    for side in ("left", "right"):
        name, values = getattr(PresentationRow, f"{side}_profile"), getattr(PresentationRow, f"{side}_values")
        rows = patient.session.execute(
            select(ParticipantRow.study_id, name, cast(values, Text), func.min(PresentationRow.id))
            .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
            .group_by(ParticipantRow.study_id, name, cast(values, Text))
        ).all()
        firsts = {id_: (study, profile) for study, profile, _, id_ in rows}
        read = patient.session.execute(
            select(PresentationRow.id, values).where(PresentationRow.id.in_(firsts))
        ).all()
        for id_, stored in sorted(read, key=lambda row: row[0]):
            study, profile = firsts[id_]
            if study in patient.designs and not _is_profile(patient.designs[study], profile, stored):
                yield f"presentation {id_} ({side}: {profile})"


def _is_profile(design: StudyDesign, name: str, values: object) -> bool:
    try:
        return isinstance(values, dict) and design.profile(values).id == name
    except BadProfile:
        return False


# --- balanced ------------------------------------------------------------------------------------------


def _own_sides(patient: Patient) -> Iterable[str]:
    known: dict[int, dict[str, Profile]] = {}
    for person, design, shown in patient.each_shown():
        mains = [one for one in shown if one.role is Role.MAIN]
        if len(mains) != design.comparisons_per_respondent:
            continue  # Of an adaptive design: not at the end yet.
        if design.sides is Sides.BALANCED:
            if design.comparison_kind is not ComparisonKind.ADAPTIVE and not _each_half_left(mains):
                yield of(person)
            continue
        if not _says_which_was_first(design, person):
            continue
        profiles = known.setdefault(person.study_id, {p.id: p for p in design.profiles() or ()})
        swaps = sum(_is_swapped(design, profiles, one) for one in mains)
        allowed = {0} if design.sides is Sides.FIXED else {len(mains) // 2, len(mains) - len(mains) // 2}
        if swaps not in allowed:
            yield of(person)


def _each_half_left(mains: list[ShownOne]) -> bool:
    surplus: Counter[str] = Counter(one.left for one in mains)
    surplus.subtract(one.right for one in mains)
    return all(abs(number) <= 1 for number in surplus.values())


def _says_which_was_first(design: StudyDesign, person: Person) -> bool:
    """Tell whether the design, not a draw, says which profile of each comparison stands left without a swap."""
    if design.comparison_kind is ComparisonKind.LIST:
        pairs = Counter(frozenset((left, right)) for left, right in design.listed_comparisons)
        named = max(pairs.values()) == 1
    else:
        named = design.comparisons() is not None
    again = person.wave > 1 and design.waves.comparisons is WaveComparisons.SAME
    return named and not (again and design.sides is Sides.RANDOM)


def _is_swapped(design: StudyDesign, profiles: dict[str, Profile], one: ShownOne) -> bool:
    if design.comparison_kind is ComparisonKind.LIST:
        return not any(
            (left.id, right.id) == (one.left, one.right) for left, right in design.listed_comparisons
        )
    left, right = profiles.get(one.left), profiles.get(one.right)
    if left is None or right is None or left == right:
        return False  # Another check complains of it.
    return Comparison.of(left, right).first != left


def _main_counts(patient: Patient) -> Iterator[tuple[str, StudyDesign, Counter[str], Counter[str], int]]:
    """Yield words, design, lefts and rights per profile, and how many main comparisons were drawn.

    Once per study and wave, of people and simulated participants apart.
    """
    lefts: dict[tuple[int, bool, int], Counter[str]] = {}
    rights: dict[tuple[int, bool, int], Counter[str]] = {}
    for person, _, shown in patient.each_shown():
        key = (person.study_id, person.simulated, person.wave)
        mains = [one for one in shown if one.role is Role.MAIN]
        lefts.setdefault(key, Counter()).update(one.left for one in mains)
        rights.setdefault(key, Counter()).update(one.right for one in mains)
    slugs = {study.id: study.slug for study in patient.studies}
    for key, left in lefts.items():
        study, simulated, wave = key
        words = f"study {slugs[study]}{' (simulated)' if simulated else ''}, wave {wave}"
        yield words, patient.designs[study], left, rights[key], left.total()


def _lefts_and_rights(patient: Patient) -> Iterable[str]:
    for words, design, left, right, _ in _main_counts(patient):
        if design.sides is Sides.FIXED:
            continue
        for profile in sorted(left | right):
            n = left[profile] + right[profile]
            if abs(left[profile] - right[profile]) > _SD * sqrt(n):
                yield f"{words}: {profile} left {left[profile]}, right {right[profile]}"


def _appearances(patient: Patient) -> Iterable[str]:
    for words, design, left, right, drawn in _main_counts(patient):
        for profile, share in _shares(design).items():
            expected = drawn * share
            found = left[profile] + right[profile]
            if abs(found - expected) > _SD * sqrt(max(1.0, expected * (1 - share))):
                yield f"{words}: {profile} shown {found} times, expected {expected:.0f}"


def _shares(design: StudyDesign) -> dict[str, float]:
    """Return how likely each profile is one of the two of a drawn comparison; empty: too many to list."""
    if design.comparison_kind is ComparisonKind.LIST:
        listed = Counter(profile.id for pair in design.listed_comparisons for profile in pair)
        return {profile: n / len(design.listed_comparisons) for profile, n in listed.items()}
    profiles = design.profiles() or ()
    return {profile.id: 2 / len(profiles) for profile in profiles}


# --- the same when drawn again -------------------------------------------------------------------------


def _again(patient: Patient) -> Iterable[str]:
    by_id = {study.id: study for study in patient.studies}
    for study_id, design in patient.designs.items():
        if not design.compares:
            continue
        if design.comparison_kind in (ComparisonKind.BALANCED, ComparisonKind.ADAPTIVE):
            continue  # They depend on what others had been asked at that moment.
        finished = [
            person.id
            for person in patient.people.values()
            if person.study_id == study_id and person.state is ParticipantState.FINISHED
        ]
        # Spread over the whole study.
        step = max(1, len(finished) // REDRAWN)
        for id_ in finished[::step][:REDRAWN]:
            yield from _differs(patient, by_id[study_id], design, id_)


def _differs(patient: Patient, study: StudyRow, design: StudyDesign, id_: int) -> Iterator[str]:
    participant = patient.session.get_one(ParticipantRow, id_)
    rows = patient.session.scalars(
        select(PresentationRow)
        .where(PresentationRow.participant_id == id_)
        .order_by(PresentationRow.position)
    )
    try:
        stored = [_essence(presentation_of(design, row)) for row in rows]
        drawn = [_essence(p) for p in redrawn(patient.session, study, participant, asked={})]
    except (BadProfile, ValueError):
        return  # What cannot be read, or lacks the wave before, other checks name.
    if stored != drawn:
        yield of(patient.people[id_])


def _essence(presentation: Presentation) -> Presentation:
    # How the rule is put in words, and what it says of its probability, may change between versions.
    return replace(presentation, draw_rule="", draw_probability=None)


CHECKS = (
    Check(
        name="who finished has seen everything",
        meaning="A finished participant has answered every position of the design, from 1 without a hole, and "
        "the practice where there is one.",
        find=_all_positions,
    ),
    Check(
        name="who finished has had every role",
        meaning="A finished participant has as many comparisons of each role as the design says.",
        find=_all_roles,
    ),
    Check(
        name="checks say what they expect",
        meaning="Checks and dominated comparisons carry the expected answer, and nothing else does.",
        find=_expected,
    ),
    Check(
        name="repeats repeat",
        meaning="A repeat shows an earlier main comparison of the same participant with the sides exchanged, far "
        "enough after it, and none is repeated twice.",
        find=_repeats,
    ),
    Check(
        name="comparisons compare two patients",
        meaning="The two sides differ, but where a profile beside itself was designed.",
        find=_two_patients,
    ),
    Check(
        name="patients are the design's",
        meaning="The stored values fit the design's attributes and give the stored profile id.",
        find=_profiles,
    ),
    Check(
        name="everybody's sides are balanced",
        meaning="Within a participant, sides keep to what comparisons.sides promises: as listed; half of them "
        "swapped; or each patient as often left as right. Checked where that can be told from what is stored.",
        find=_own_sides,
    ),
    Check(
        name="left and right are fair",
        meaning=f"Over a study each profile is left as often as right, within {_SD} standard deviations.",
        find=_lefts_and_rights,
        severity=Severity.LOOK,
    ),
    Check(
        name="profiles appear equally often",
        meaning=f"Over a study each profile appears as often as its design says, within {_SD} standard "
        "deviations.",
        find=_appearances,
        severity=Severity.LOOK,
    ),
    Check(
        name="draws repeat",
        meaning=f"Drawn again from the study's seed, the comparisons of {REDRAWN} finished participants come "
        "out the same. If not, they were changed, or drawn by a version of Equipoise or NumPy that draws "
        "otherwise.",
        find=_again,
        severity=Severity.LOOK,
    ),
)
