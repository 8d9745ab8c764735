"""Read and write the settings file of a pool model (TOML): a researcher's own constants.

Every key may be left out; the constant is then that of the model the file starts from. Complaints name line and
key. ``settings_text`` writes a model as such a file, with every key. The table ``[model]`` of a scenario file has
the same keys.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from exchange.errors import BadModel, BadRequest
from exchange.pool import MOST_COMPLAINTS, BloodGroup
from exchange.pool_model import CpraClass, Place, PoolModel, ProfileShare
from survey.design_file.complaints import complaint, key_lines, location, message

LONGEST_NAME = 300


class StrictTable(BaseModel):
    """A table without unknown keys, and without numbers in quotation marks or that are none."""

    # Strict: "0.4" in quotes is a slip, not a number.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _one_line(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; give a name, or leave the key out")
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a line break or a control character; take it out")
    return text


LineName = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_one_line)]
"""What something is called in tables, pictures and names of files: one line, and not blank."""


class _BloodGroups(StrictTable):
    O: float  # noqa: E741 - the group's own name
    A: float
    B: float
    AB: float

    def shares(self) -> Mapping[BloodGroup, float]:
        return {group: getattr(self, group.value) for group in BloodGroup}


class _CpraClass(StrictTable):
    share: float
    positive_crossmatch: float


class _ProfileShare(StrictTable):
    share: float
    values: dict[str, str | int | float]


class ModelTable(StrictTable):
    """The constants of a pool model; None for those that are left out."""

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
        settings = ModelTable.model_validate(document)
    except ValidationError as error:
        raise bad_keys(
            where, lines, [(location(document, e["loc"]), _words(e)) for e in error.errors()]
        ) from None
    try:
        return changed_model(settings, base, name=Path(where).stem, by=Path(where).name)
    except BadModel as error:
        raise bad_keys(where, lines, error.complaints) from None


def changed_model(table: ModelTable, base: PoolModel, *, name: str, by: str) -> PoolModel:
    """Return ``base`` with the constants of a table in place of its own.

    Parameters
    ----------
    name, by
        What the model is called and who changed it, where it differs from ``base`` and the table does not say.

    Raises
    ------
    BadModel
        Constants that nothing can be drawn from.
    """
    constants = {key: value for key, value in _constants(table).items() if value != getattr(base, key)}
    if constants and table.source is None:
        changed = ", ".join(_KEYS_OF_THE_FILE.get(key, key) for key in constants)
        constants["source"] = f"{base.source}, but {changed} by {by}"
    elif table.source is not None:
        constants["source"] = table.source
    if table.name is not None:
        constants["name"] = table.name
    elif constants:
        constants["name"] = name
    return replace(base, **constants)


def settings_text(model: PoolModel) -> str:
    """Return a settings file with every constant of a model; not its name and source, which an edit makes wrong."""
    parts = [
        "# Constants of a pool generator, for: equipoise exchange generate --settings FILE",
        "# Keys that are left out are those of --model. Shares sum to 1.",
        "# Two more keys are kept with every pool: name (default: this file's name), and source, where your",
        "# constants come from (default: the model's source, and which of its constants this file changes).",
        "",
        *constant_lines(model),
    ]
    return "\n".join(parts) + "\n"


def constant_lines(model: PoolModel, table: str = "") -> list[str]:
    """Return the lines of a TOML file that hold every constant; ``table`` is what the file calls the model."""
    under = f"{table}." if table else ""
    parts = [
        "# patients who are women; a fraction",
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
        parts += ["", f"[{under}{key}]", *(f"{group} = {shares[group]!r}" for group in BloodGroup)]
    for level in model.cpra_classes:
        parts += [
            "",
            f"[[{under}cpra_classes]]",
            f"share = {level.share!r}",
            f"positive_crossmatch = {level.positive_crossmatch!r}",
        ]
    for profile in model.profile_shares:
        values = ", ".join(f"{toml_string(name)} = {_value(value)}" for name, value in profile.values)
        parts += ["", f"[[{under}profiles]]", f"share = {profile.share!r}", f"values = {{ {values} }}"]
    return parts


def _constants(settings: ModelTable) -> dict[str, Any]:
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


def bad_keys(where: str, lines: Mapping[Place, int], complaints: Sequence[tuple[Place, str]]) -> BadRequest:
    """Return the error that names file, line and key of each complaint, of very many the first."""
    said = [complaint(where, lines, place, text) for place, text in complaints]
    more = len(said) - MOST_COMPLAINTS
    return BadRequest("\n".join([*said[:MOST_COMPLAINTS], *([f"and {more} more"] if more > 0 else [])]))


def _words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "is not a key of a settings file; see 'equipoise exchange generate --print-settings saidman'"
    return message(error)


def toml_string(text: str) -> str:
    """Return a text as a TOML file writes it."""
    # As JSON does, but for the one control character that only TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: str | int | float) -> str:
    return toml_string(value) if isinstance(value, str) else repr(value)
