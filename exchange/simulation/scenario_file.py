"""Read scenario files (TOML): everything a simulation depends on but its seed and what is compared.

Every key may be left out where the file starts from a ``preset``, a scenario that ships with Equipoise under
``exchange/scenarios``. Complaints name line and key. ``scenario_text`` writes a scenario as such a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exchange.errors import BadRequest
from exchange.pool_model import Place
from exchange.pool_settings import bad_keys
from exchange.simulation.scenario import Scenario
from exchange.simulation.scenario_reading import ScenarioReading
from exchange.simulation.scenario_tables import ScenarioTable
from survey.design import StudyDesign
from survey.design_file.complaints import key_lines, location, message

PRESETS = Path(__file__).resolve().parents[1] / "scenarios"


def preset_names() -> tuple[str, ...]:
    """Return the names of the scenarios that ship with Equipoise."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


@cache
def preset(name: str) -> Scenario:
    """Return a scenario that ships with Equipoise.

    Raises
    ------
    BadRequest
        There is none of this name.
    """
    if name not in preset_names():
        raise BadRequest(f"'{name}' is no preset; there are {', '.join(preset_names())}")
    path = PRESETS / f"{name}.toml"
    scenario, _ = parse_scenario(path.read_text(encoding="utf-8"), str(path), None, PRESETS)
    return scenario


def read_scenario(path: Path, design: StudyDesign) -> tuple[Scenario, dict[str, Path]]:
    """Read a scenario file.

    Parameters
    ----------
    design
        The study that describes the patients.

    Returns
    -------
    scenario, inputs
        What was read, and every file it was read from by what it is for; for a manifest.

    Raises
    ------
    BadRequest
        The file, or one that it names, cannot be read, or says what cannot be; the message names file, line and
        key of each complaint.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise BadRequest(
            f"{path}: {error.strerror or error}; name an existing scenario file, or one of the presets "
            f"{', '.join(preset_names())}"
        ) from None
    scenario, inputs = parse_scenario(text, str(path), design, path.parent)
    return scenario, {"scenario": path, **inputs}


def parse_scenario(
    text: str, where: str, design: StudyDesign | None, folder: Path
) -> tuple[Scenario, dict[str, Path]]:
    """Return the scenario in a text that complaints call ``where``, and the files it names; see
    :func:`read_scenario`.

    Names of files are relative to ``folder``. Without ``design`` there can be no profiles and no first pool.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{where}: not valid TOML: {error}") from None
    return scenario_of_table(document, where, key_lines(text), (), design, folder)


def scenario_of_table(
    table: Mapping[str, Any],
    where: str,
    lines: Mapping[Place, int],
    place_prefix: Place,
    design: StudyDesign | None,
    folder: Path,
) -> tuple[Scenario, dict[str, Path]]:
    """Return the scenario in a table of a file that may hold more, and the files it names.

    Parameters
    ----------
    table
        The keys of a scenario file.
    where, lines
        Name of the file, and its ``survey.design_file.complaints.key_lines``.
    place_prefix
        Where the table is in the file, such as ("scenarios", 0).
    design, folder
        See :func:`parse_scenario`.

    Raises
    ------
    BadRequest
        See :func:`read_scenario`.
    """
    try:
        tables = ScenarioTable.model_validate(table)
    except ValidationError as error:
        said = [((*place_prefix, *location(table, e["loc"])), _words(e)) for e in error.errors()]
        raise bad_keys(where, lines, said) from None
    try:
        base = None if tables.preset is None else preset(tables.preset)
    except BadRequest as error:
        raise bad_keys(where, lines, [((*place_prefix, "preset"), str(error))]) from None
    reading = ScenarioReading(
        tables, base, where=Path(where), design=design, folder=folder, is_whole_file=not place_prefix
    )
    scenario = reading.scenario()
    if scenario is None or reading.complaints:
        raise bad_keys(where, lines, [((*place_prefix, *place), text) for place, text in reading.complaints])
    return scenario, reading.inputs


def _words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return (
            "is not a key of a scenario file; see 'equipoise exchange simulate --print-scenario freedman2020'"
        )
    return message(error)
