"""Check what the entries of a kep_solver-style file say: donors, recipients, matches."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exchange.errors import BadPool
from exchange.formats.kep_solver_documents import KepDocument
from exchange.formats.kep_solver_markup import Place
from exchange.formats.text_rows import Complaints
from exchange.pool import BloodGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class KepDonor:
    """A donor of the file."""

    id: str
    recipient: str | None
    """The donor's own recipient; None for a non-directed donor."""
    blood_group: BloodGroup | None
    matches: list[Any]
    """As in the file, unchecked."""


def read_donors(document: KepDocument, complaints: Complaints) -> list[KepDonor]:
    """Return the donors that fit; complain of the others."""
    donors = []
    for donor_id, entry in document.donors.items():
        place = (document.spelling.donors, donor_id)
        try:
            donors.append(_donor(document, place, donor_id, entry, complaints))
        except BadPool as error:
            complaints.add(error)
    return donors


def _donor(
    document: KepDocument, place: Place, donor_id: str, entry: Any, complaints: Complaints
) -> KepDonor:
    _check_entry(document, place, donor_id, entry, "donor")
    spelling = document.spelling
    matches = entry.get(spelling.matches)
    if matches is not None and not isinstance(matches, list):
        raise document.problem(
            (*place, spelling.matches), f"the matches of donor {donor_id} should be a list"
        )
    return KepDonor(
        id=donor_id,
        recipient=_own_recipient(document, place, donor_id, entry),
        blood_group=_blood_group(document, place, entry, f"donor {donor_id}", complaints),
        matches=matches or [],
    )


def _check_entry(document: KepDocument, place: Place, own_id: str, entry: Any, meaning: str) -> None:
    if not own_id:
        raise document.problem(place, f"a {meaning} has an empty id")
    if not isinstance(entry, Mapping):
        raise document.problem(place, f"{meaning} {own_id} should have keys and values, not {entry!r}")
    if "id" in entry and str(entry["id"]) != own_id:
        raise document.problem(
            (*place, "id"), f"{meaning} {own_id} is called {entry['id']!r} here; use one id"
        )


def _own_recipient(
    document: KepDocument, place: Place, donor_id: str, entry: Mapping[str, Any]
) -> str | None:
    spelling = document.spelling
    sources = entry.get(spelling.sources)
    altruistic = entry.get("altruistic")
    here = (*place, spelling.sources)
    if sources is not None and not isinstance(sources, list):
        raise document.problem(here, f"the recipients of donor {donor_id} should be a list")
    if altruistic is not None and not isinstance(altruistic, bool):
        raise document.problem((*place, "altruistic"), f"should be true or false, not {altruistic!r}")
    if sources and len(sources) > 1:
        raise document.problem(
            here, f"donor {donor_id} gives for {len(sources)} recipients; a donor belongs to one pair"
        )
    if bool(sources) == bool(altruistic) and altruistic is not None:
        text = (
            "is called altruistic, but gives for a recipient"
            if altruistic
            else "is not altruistic, but gives for nobody"
        )
        raise document.problem(place, f"donor {donor_id} {text}; correct one of the two")
    if not sources:
        return None
    recipient = _id(sources[0])
    if recipient is None:
        raise document.problem(here, f"donor {donor_id} gives for {sources[0]!r}, which is no id")
    if spelling.lists_every_recipient and recipient not in document.recipients:
        raise document.problem(
            here, f"donor {donor_id} gives for recipient {recipient}, whom the file does not list"
        )
    return recipient


def recipient_facts(
    document: KepDocument, recipient: str, complaints: Complaints
) -> tuple[BloodGroup | None, float | None]:
    """Return a recipient's blood group and cPRA, None where not given."""
    entry = document.recipients.get(recipient)
    if entry is None:
        return None, None
    place = ("recipients", recipient)
    try:
        _check_entry(document, place, recipient, entry, "recipient")
    except BadPool as error:
        complaints.add(error, rows=0)
        return None, None
    blood_group = _blood_group(document, place, entry, f"recipient {recipient}", complaints)
    spelling = document.spelling
    cpra = entry.get(spelling.cpra)
    if cpra is None:
        return blood_group, None
    if type(cpra) not in (int, float) or not 0 <= cpra <= spelling.cpra_scale:
        meaning = (
            "a fraction between 0 and 1" if spelling.cpra_scale == 1 else "a percentage between 0 and 100"
        )
        text = f"the {spelling.cpra} of recipient {recipient} is {cpra!r}; give {meaning}"
        complaints.add(document.problem((*place, spelling.cpra), text), rows=0)
        return blood_group, None
    return blood_group, cpra / spelling.cpra_scale


def _blood_group(
    document: KepDocument, place: Place, entry: Mapping[str, Any], whose: str, complaints: Complaints
) -> BloodGroup | None:
    key = "bloodtype" if entry.get("bloodtype") is not None else "bloodgroup"
    text = entry.get(key)
    if text is None:
        return None
    try:
        return BloodGroup(text)
    except ValueError:
        problem = f"the blood group of {whose} is {text!r}; use O, A, B or AB"
        complaints.add(document.problem((*place, key), problem), rows=0)
        return None


def read_matches(
    document: KepDocument, donor: KepDonor, known: Mapping[str, object], complaints: Complaints
) -> dict[str, float]:
    """Return recipient -> score of a donor's matches, less those that do not fit."""
    scores: dict[str, float] = {}
    key = document.spelling.match_recipient
    for i, match in enumerate(donor.matches):
        # The quick way for what fits; a large file has hundreds of thousands.
        if type(match) is dict:
            given: Any = match.get(key)
            score: Any = match.get("score")
            recipient = str(given) if type(given) is int else given
            if (
                type(recipient) is str
                and recipient in known
                and recipient not in scores
                and type(score) in (float, int)
                and 0 <= score <= sys.float_info.max
            ):
                scores[recipient] = float(score)
                continue
        place = (document.spelling.donors, donor.id, document.spelling.matches, i)
        complaints.add(
            document.problem(place, f"donor {donor.id}: {_match_problem(match, key, known, scores)}")
        )
    return scores


def _match_problem(match: Any, key: str, known: Mapping[str, object], scores: Mapping[str, float]) -> str:
    if not isinstance(match, Mapping):
        return f"a match should have a {key} and a score, not {match!r}"
    recipient = _id(match.get(key))
    if recipient is None:
        return f"a match should name its {key}, not {match.get(key)!r}"
    if recipient not in known:
        return f"recipient {recipient} is matched, but no donor of this file would give for them"
    if recipient in scores:
        return f"recipient {recipient} is matched twice; remove one"
    return f"the score for recipient {recipient} should be a number of at least 0, not {match.get('score')!r}"


def _id(value: Any) -> str | None:
    """Return an id as text, or None if the value is none."""
    if type(value) is int or (isinstance(value, str) and value):
        return str(value)
    return None
