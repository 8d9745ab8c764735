"""Weights of patients and preferences of donors, by the path of a file or by the name they were published under."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimation.errors import BadWeights, EstimationError
from estimation.heterogeneity.preferences import PreferenceDistribution
from estimation.weights import AttributeWeights, Estimate, PriorityWeights, ProfileWeights
from estimation.weights_file import read_weights
from exchange.errors import BadRequest
from exchange.people_file import FORMAT as PEOPLE_FORMAT
from exchange.people_file import read_people
from exchange.published_weights import (
    DONOR_WEIGHTS,
    WEIGHTS,
    published_preferences,
    published_study,
    published_weights,
)
from survey.design import Attribute, Profile, StudyDesign

CLASS_MARK = "#class-"
"""Between the path of a ``people.json`` and the number of one of its classes, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedWeights:
    """Weights of patients, and where they are from."""

    weights: PriorityWeights
    words: str
    """What was used, for people."""
    path: Path | None = None
    """The file read; None for published weights."""
    draws: tuple[PriorityWeights, ...] = ()
    """What else the weights could be, given the answers they were estimated from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPreferences:
    """Preferences that donors draw from, and where they are from."""

    distribution: PreferenceDistribution
    reference: tuple[Profile, ...]
    """The profiles between which each donor's weights are scaled."""
    words: str
    path: Path | None = None


def weights_named(given: str, *, option: str = "--weights", folder: Path | None = None) -> NamedWeights:
    """Return weights of patients.

    Parameters
    ----------
    given
        Path of a ``weights.json``, or a published name where there is no such file.
    option
        What the text was given as, for complaints.
    folder
        Where relative paths begin; None for the current folder.

    Raises
    ------
    BadRequest, BadWeights
        There is neither such a file nor such a name, or the file cannot be read.
    """
    path = _path(given, folder)
    if not path.exists() and given in WEIGHTS:
        return NamedWeights(weights=published_weights(given), words=f"published {given}: {WEIGHTS[given]}")
    if _is_bare_name(path, given):
        raise BadRequest(
            f"{option} {given}: there is no such file, and no published weights of that name; there are "
            f"{', '.join(WEIGHTS)}"
        )
    file = read_weights(path)
    return NamedWeights(
        weights=file.weights,
        words=f"file {given} (model {file.model})",
        path=path,
        draws=file.drawn_weights(),
    )


def preferences_named(
    given: str,
    attributes: tuple[Attribute, ...],
    study: StudyDesign | None = None,
    *,
    option: str = "--donor-weights",
    folder: Path | None = None,
) -> NamedPreferences:
    """Return preferences that donors draw from.

    Parameters
    ----------
    given
        Path of a ``people.json``, or a published name where there is no such file.
    attributes
        Of the patients.
    study
        That a file's preferences are about; None for the shipped study whose design hash the file carries.

    Raises
    ------
    BadRequest, BadWeights
        See :func:`weights_named`.
    """
    path = _path(given, folder)
    if not path.exists() and given in DONOR_WEIGHTS:
        return NamedPreferences(
            distribution=published_preferences(given),
            reference=published_study().profiles() or (),
            words=f"published {given}: {DONOR_WEIGHTS[given]}",
        )
    if _is_bare_name(path, given):
        raise BadRequest(
            f"{option} {given}: there is no such file, and no published preferences of that name; there are "
            f"{', '.join(DONOR_WEIGHTS)}"
        )
    distribution, reference = read_people(path).preferences(attributes, study)
    return NamedPreferences(
        distribution=distribution, reference=reference, words=f"the population of file {given}", path=path
    )


def class_weights(given: str, study: StudyDesign, *, folder: Path | None = None) -> tuple[NamedWeights, ...]:
    """Return the weights of each kind of people that ``people.json`` found, the most frequent kind first.

    Parameters
    ----------
    given
        Path of the file; with :data:`CLASS_MARK` and a number behind it, of that kind alone.
    study
        That the answers were about.

    Raises
    ------
    BadWeights
        Not such a file, no kind of that number, or kinds that do not fit the study; the message names the place.
    """
    name, _, number = given.partition(CLASS_MARK)
    path = _path(name, folder)
    kinds, names = _kinds(path)
    chosen: Sequence[int] = range(1, len(kinds) + 1)
    if number:
        if not number.isdecimal() or not 1 <= int(number) <= len(kinds):
            raise BadWeights(
                f"{given}: {path} has no class {number}; it has {len(kinds)}, such as {name}{CLASS_MARK}1"
            )
        chosen = [int(number)]
    found = []
    for k in chosen:
        try:
            share = float(kinds[k - 1]["share"]["value"])
            values = [float(v) for v in kinds[k - 1]["values"]]
            others = kinds[k - 1]["others"]
            pairs = [(n, v) for n, v in zip(names, values, strict=True) if n not in others]
            weights = _weights_of_kind(pairs, study)
        except (KeyError, TypeError, ValueError) as error:
            raise BadWeights(f"{path}: class {k}: is damaged ({error!r})") from None
        except EstimationError as error:
            raise BadWeights(f"{path}: class {k}: {error}") from None
        found.append(
            NamedWeights(
                weights=weights, words=f"class {k} of file {name}, {100 * share:.0f} % of people", path=path
            )
        )
    return tuple(found)


def _kinds(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the kinds of people in a file, and the names of what they have values of."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadWeights(
            f"{path}: {error.strerror}; name a file of 'equipoise estimate people --out'"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadWeights(f"{path}: is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != PEOPLE_FORMAT:
        raise BadWeights(
            f"{path}: does not say how people differ; make one with 'equipoise estimate people answers.csv --out …'"
        )
    try:
        chosen = document["classes"]["chosen"]
        return list(chosen["kinds"]), [str(name) for name in chosen["of"]]
    except (KeyError, TypeError) as error:
        raise BadWeights(f"{path}: is damaged, or of an older version: has no {error}") from None


def _weights_of_kind(values: Sequence[tuple[str, float]], study: StudyDesign) -> PriorityWeights:
    listed = {profile.id: profile for profile in study.profiles() or ()}
    if values and all(name in listed for name, _ in values):
        return ProfileWeights(
            attributes=study.attributes,
            profiles=tuple(listed[name] for name, _ in values),
            log_strengths=tuple(Estimate(value=value) for _, value in values),
        )
    return AttributeWeights.named(study.attributes, {name: Estimate(value=value) for name, value in values})


def _path(given: str, folder: Path | None) -> Path:
    return Path(given) if folder is None else folder / given


def _is_bare_name(path: Path, given: str) -> bool:
    """Whether a text looks like a name rather than a path, and there is no file of it."""
    return not path.exists() and path.suffix == "" and Path(given).parent == Path()
