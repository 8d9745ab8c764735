"""Read the population's preferences from ``people.json``, which ``equipoise estimate people`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from estimation.errors import BadWeights
from estimation.heterogeneity.preferences import PreferenceDistribution, population_of_record
from survey.design import Attribute, CategoricalAttribute, Profile, StudyDesign, make_profile
from survey.design_file import example_with_hash

FORMAT = "equipoise-people"
_MOST_CORNERS = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleFile:
    """What a file says of how people's preferences are spread."""

    population: Mapping[str, Any]
    """See ``estimation.heterogeneity.preferences.population_of_record``."""
    design_hashes: tuple[str, ...]
    source: str
    """The file's path."""

    def preferences(
        self, attributes: tuple[Attribute, ...], study: StudyDesign | None = None
    ) -> tuple[PreferenceDistribution, tuple[Profile, ...]]:
        """Return the distribution, and the profiles between which a donor's weights are scaled.

        These are the study's profiles where it is known and lists them; otherwise every combination of levels, with
        both ends of each range.

        Parameters
        ----------
        attributes
            Of the pool's patients.
        study
            None for the shipped study whose design hash the file carries, if there is one.

        Raises
        ------
        BadWeights
            The file's coefficients do not fit the attributes.
        """
        if study is None and len(self.design_hashes) == 1:
            study = example_with_hash(self.design_hashes[0])
        profiles = None if study is None else study.profiles()
        if not profiles:
            profiles = _corners(attributes)
        try:
            found = population_of_record(self.population, attributes, profiles)
        except BadWeights as error:
            raise BadWeights(f"{self.source}: {error}") from None
        return found, tuple(profiles)


def read_people(path: Path) -> PeopleFile:
    """Read ``people.json``.

    Raises
    ------
    BadWeights
        Not such a file, or one without a population; the message names file and place.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadWeights(
            f"{path}: {error.strerror}; name a file of 'equipoise estimate people --out'"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadWeights(f"{path}: is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadWeights(
            f"{path}: does not say how people differ; make one with 'equipoise estimate people answers.csv --out …'"
        )
    population = document.get("population")
    if not isinstance(population, dict) or not isinstance(population.get("distribution"), dict):
        raise BadWeights(
            f"{path}: has no population from which donors could draw; the study was too small for one, or the file "
            "is of an older version"
        )
    return PeopleFile(
        population=population["distribution"],
        design_hashes=tuple(map(str, document.get("design_hashes", ()))),
        source=str(path),
    )


def _corners(attributes: tuple[Attribute, ...]) -> tuple[Profile, ...]:
    values = [
        a.level_names if isinstance(a, CategoricalAttribute) else (a.minimum, a.maximum) for a in attributes
    ]
    n = 1
    for of_one in values:
        n *= len(of_one)
    if n > _MOST_CORNERS:
        raise BadWeights(
            f"{n:,} combinations of levels are too many to scale weights between; give the study with --design"
        )
    names = [a.name for a in attributes]
    return tuple(make_profile(attributes, dict(zip(names, row, strict=True))) for row in product(*values))
