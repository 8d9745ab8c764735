"""Read and write the settings file of a pool model (TOML): a researcher's own constants.

Every key may be left out; the constant is then that of the model the file starts from. Complaints name line and
key. ``settings_text`` writes a model as such a file, with every key.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exchange.errors import BadModel, BadRequest
from exchange.pool import MOST_COMPLAINTS, BloodGroup
from exchange.pool_model import CpraClass, Place, PoolModel, ProfileShare
from survey.design_file.complaints import complaint, key_lines, location, message


class _Table(BaseModel):
    # Strict: "0.4" in quotes is a slip, not a number.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _BloodGroups(_Table):
    O: float  # noqa: E741 - the group's own name
    A: float
    B: float
    AB: float

    def shares(self) -> Mapping[BloodGroup, float]:
        return {group: getattr(self, group.value) for group in BloodGroup}


class _CpraClass(_Table):
    share: float
    positive_crossmatch: float


class _ProfileShare(_Table):
    share: float
    values: dict[str, str | int | float]


class _Settings(_Table):
    name: str | None = None
    source: str | None = None
    female_patient: float | None = None
    spousal_donor: float | None = None
    wife_negative_crossmatch_factor: float | None = None
    crossmatch_tests: int | None = None
    patient_blood_groups: _BloodGroups | None = None
    donor_blood_groups: _BloodGroups | None = None
    ndd_blood_groups: _BloodGroups | None = None
    cpra_classes: list[_CpraClass] | None = Field(default=None, min_length=1)
    profiles: list[_ProfileShare] | None = None


_PLAIN = ("female_patient", "spousal_donor", "wife_negative_crossmatch_factor", "crossmatch_tests")
_KEYS_OF_THE_FILE = {"profile_shares": "profiles"}
_BLOOD_GROUPS = ("patient_blood_groups", "donor_blood_groups", "ndd_blood_groups")


def read_settings(path: Path, base: PoolModel) -> PoolModel:
    """Return ``base`` with the constants of a settings file in place of its own.

    Raises
    ------
    BadRequest
        The file cannot be read, or a constant is wrong; the message names file, line and key of each.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadRequest(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror or error}; name an existing settings file") from None
    return parse_settings(text, str(path), base)


def parse_settings(text: str, where: str, base: PoolModel) -> PoolModel:
    """Return ``base`` with the constants in the text of a settings file, which complaints call ``where``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{where}: not valid TOML: {error}") from None
    lines = key_lines(text)
    try:
        settings = _Settings.model_validate(document)
    except ValidationError as error:
        raise _bad_settings(
            where, lines, [(location(document, e["loc"]), _words(e)) for e in error.errors()]
        ) from None
    constants = {key: value for key, value in _constants(settings).items() if value != getattr(base, key)}
    if constants and settings.source is None:
        changed = ", ".join(_KEYS_OF_THE_FILE.get(key, key) for key in constants)
        constants["source"] = f"{base.source}, but {changed} by {Path(where).name}"
    elif settings.source is not None:
        constants["source"] = settings.source
    if settings.name is not None:
        constants["name"] = settings.name
    elif constants:
        constants["name"] = Path(where).stem
    try:
        return replace(base, **constants)
    except BadModel as error:
        raise _bad_settings(where, lines, error.complaints) from None


def settings_text(model: PoolModel) -> str:
    """Return a settings file with every constant of a model; not its name and source, which an edit makes wrong."""
    parts = [
        "# Constants of a pool generator, for: equipoise exchange generate --settings FILE",
        "# Keys that are left out are those of --model. Shares sum to 1.",
        "# Two more keys are kept with every pool: name (default: this file's name), and source, where your",
        "# constants come from (default: the model's source, and which of its constants this file changes).",
        "",
        f"female_patient = {model.female_patient!r}",
        "# donors who are the patient's spouse",
        f"spousal_donor = {model.spousal_donor!r}",
        "# what is left of the probability of a negative crossmatch for a woman whose donor is her husband",
        f"wife_negative_crossmatch_factor = {model.wife_negative_crossmatch_factor!r}",
        "# crossmatches between two pairs, of which one negative is enough",
        f"crossmatch_tests = {model.crossmatch_tests}",
    ]
    for key in _BLOOD_GROUPS:
        shares: Mapping[BloodGroup, float] = getattr(model, key)
        parts += ["", f"[{key}]", *(f"{group} = {shares[group]!r}" for group in BloodGroup)]
    for level in model.cpra_classes:
        parts += [
            "",
            "[[cpra_classes]]",
            f"share = {level.share!r}",
            f"positive_crossmatch = {level.positive_crossmatch!r}",
        ]
    for profile in model.profile_shares:
        values = ", ".join(f"{_quoted(name)} = {_value(value)}" for name, value in profile.values)
        parts += ["", "[[profiles]]", f"share = {profile.share!r}", f"values = {{ {values} }}"]
    return "\n".join(parts) + "\n"


def _constants(settings: _Settings) -> dict[str, Any]:
    """Return the given constants as arguments of :class:`PoolModel`."""
    given = {key: getattr(settings, key) for key in _PLAIN}
    for key in _BLOOD_GROUPS:
        groups: _BloodGroups | None = getattr(settings, key)
        given[key] = None if groups is None else groups.shares()
    if settings.cpra_classes is not None:
        given["cpra_classes"] = tuple(
            CpraClass(share=c.share, positive_crossmatch=c.positive_crossmatch) for c in settings.cpra_classes
        )
    if settings.profiles is not None:
        given["profile_shares"] = tuple(
            ProfileShare(share=p.share, values=tuple(p.values.items())) for p in settings.profiles
        )
    return {key: value for key, value in given.items() if value is not None}


def _bad_settings(
    where: str, lines: Mapping[Place, int], complaints: Sequence[tuple[Place, str]]
) -> BadRequest:
    said = [complaint(where, lines, place, text) for place, text in complaints]
    more = len(said) - MOST_COMPLAINTS
    return BadRequest("\n".join([*said[:MOST_COMPLAINTS], *([f"and {more} more"] if more > 0 else [])]))


def _words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a key of a settings file; see 'equipoise exchange generate --print-settings saidman'"
    return message(error)


def _quoted(text: str) -> str:
    # A JSON string without control characters is a TOML basic string.
    return json.dumps(text, ensure_ascii=False)


def _value(value: str | int | float) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)
