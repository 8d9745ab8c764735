"""From the tables of a scenario file to a scenario: what is given, over what the preset says, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from exchange.arc_success import SURE, SuccessRule, success_rule
from exchange.errors import BadModel, BadPool, BadRequest, BadScenario
from exchange.formats.text_rows import Complaints, file_lines, whole_number
from exchange.pool import Pair, Pool
from exchange.pool_file import files_of, read_pool
from exchange.pool_model import MODELS, SAIDMAN, Place, PoolModel
from exchange.pool_settings import changed_model
from exchange.simulation.imported_profiles import read_profiles
from exchange.simulation.scenario import (
    FOREVER,
    NOBODY,
    ArrivalLaw,
    Arrivals,
    GraftFailure,
    Scenario,
    Sensitization,
    Stay,
    StayLaw,
)
from exchange.simulation.scenario_tables import (
    ARRIVAL_KEYS,
    MAY_BE_LEFT_OUT,
    STAY_KEYS,
    ArrivalsTable,
    FileTable,
    ScenarioTable,
    StayTable,
)
from survey.design import Profile, StudyDesign
from survey.errors import BadProfile

_Law = TypeVar("_Law", ArrivalLaw, StayLaw)
_FIELDS = {"match_every": "match_every_days", "bridge_donors": "has_bridge_donors"}
"""Key of the file -> field of the scenario, where they differ."""
_KEYS = {field: key for key, field in _FIELDS.items()} | {"imported_profiles": "profiles"}
_PLAIN = (
    "days",
    "match_every",
    "delay_days",
    "same_day_crossmatch_tests",
    "cycle_cap",
    "chain_cap",
    "bridge_donors",
    "renege",
)
_PAIRS_END = ".pairs.csv"


class ScenarioReading:
    """Leads from the tables to a scenario, noting complaints rather than stopping at the first.

    Parameters
    ----------
    base
        The preset that the tables start from, None for none.
    where
        The file, for names, sources and complaints.
    design
        The study that describes the patients; without one there can be no profiles and no first pool.
    folder
        What names of files are relative to.
    is_whole_file
        Whether the file holds nothing else, so that a scenario may be called as the file is.
    """

    def __init__(
        self,
        tables: ScenarioTable,
        base: Scenario | None,
        *,
        where: Path,
        design: StudyDesign | None,
        folder: Path,
        is_whole_file: bool,
    ) -> None:
        self._tables, self._base, self._where, self._design = tables, base, where, design
        self._folder, self._is_whole_file = folder, is_whole_file
        self.complaints: list[tuple[Place, str]] = []
        """What is wrong, and where in the tables."""
        self.inputs: dict[str, Path] = {}
        """Files that were read, by what they are for."""

    def scenario(self) -> Scenario | None:
        """Return the scenario, None if it cannot be; with complaints it is not the one that was meant."""
        tables = self._tables
        given = {key: getattr(tables, key) for key in _PLAIN if getattr(tables, key) is not None}
        values: dict[str, Any] = {_FIELDS.get(key, key): value for key, value in given.items()}
        values |= self._processes() | self._people()
        if tables.success is not None:
            values["success"] = self._success(tables.success)
        if self._base is None:
            for key in ("model", "days", "arrivals"):
                if getattr(tables, key) is None:
                    self._complain((key,), "is missing; give it, or start from a preset")
            # What stands in is never seen: the complaint about what is missing is.
            values = {"model": SAIDMAN, "days": 1, "arrivals": NOBODY} | values
        changed = [
            field for field, value in values.items() if not self._base or value != getattr(self._base, field)
        ]
        values["name"], values["source"] = self._name(bool(changed)), self._source(changed)
        try:
            return Scenario(**values) if self._base is None else replace(self._base, **values)
        except BadScenario as error:
            known = {place for place, _ in self.complaints}
            for place, text in error.complaints:
                there = (_KEYS.get(str(place[0]), place[0]), *place[1:])
                if there not in known:  # That a value is missing makes the one that stands in wrong, too.
                    self._complain(there, text)
            return None

    def _complain(self, place: Place, text: str) -> None:
        self.complaints.append((place, text))

    def _inherited(self, field: str) -> Any:
        return None if self._base is None else getattr(self._base, field)

    def _name(self, is_changed: bool) -> str:
        if self._tables.name is not None:
            return self._tables.name
        if self._base is not None and not is_changed:
            return self._base.name
        if not self._is_whole_file:
            self._complain(("name",), "is missing; a scenario that is no unchanged preset needs its own")
        return self._where.stem

    def _source(self, changed: list[str]) -> str:
        if self._tables.source is not None:
            return self._tables.source
        if self._base is None:
            return self._where.name
        keys = ", ".join(_KEYS.get(field, field) for field in changed)
        return f"{self._base.source}, but {keys} by {self._where.name}" if keys else self._base.source

    def _success(self, text: str) -> SuccessRule | None:
        try:
            return success_rule(text)
        except BadRequest as error:
            self._complain(("success",), str(error))
            return self._inherited("success") or SURE

    def _processes(self) -> dict[str, Any]:
        """Return who arrives and leaves, and what befalls those who wait or were transplanted."""
        tables = self._tables
        values: dict[str, Any] = {}
        for key, arrivals in (("arrivals", tables.arrivals), ("ndd_arrivals", tables.ndd_arrivals)):
            if arrivals is not None:
                values[key] = self._arrivals(key, arrivals)
        for key, stay in (("stay", tables.stay), ("ndd_stay", tables.ndd_stay)):
            if stay is not None:
                values[key] = self._stay(key, stay)
        if tables.sensitization is not None:
            rates = tables.sensitization.model_dump(exclude_none=True)
            values["sensitization"] = replace(self._inherited("sensitization") or Sensitization(), **rates)
        if tables.graft_failure is not None:
            rates = tables.graft_failure.model_dump(exclude_none=True)
            values["graft_failure"] = replace(self._inherited("graft_failure") or GraftFailure(), **rates)
        return values

    def _arrivals(self, key: str, table: ArrivalsTable) -> Arrivals:
        given = table.model_dump(exclude_none=True, exclude={"law", "numbers_file"})
        if table.numbers_file is not None:
            if table.numbers is not None:
                self._complain(
                    (key, "numbers_file"), "give either numbers or the file that they stand in, not both"
                )
            given["numbers"] = self._numbers(key, table.numbers_file)
        if "numbers" in given:
            given["numbers"] = tuple(given["numbers"])
        base: Arrivals = self._inherited(key) or NOBODY
        law = table.law or base.law
        # That nobody arrives is no mean that another law, or a file without one, could take over.
        inherited = {} if base == NOBODY else {name: getattr(base, name) for name in ARRIVAL_KEYS[base.law]}
        return Arrivals(law=law, **self._of_law(key, law, ARRIVAL_KEYS, given, inherited))

    def _stay(self, key: str, table: StayTable) -> Stay:
        given = table.model_dump(exclude_none=True, exclude={"law"})
        base: Stay = self._inherited(key) or FOREVER
        law = table.law or base.law
        inherited = {name: getattr(base, name) for name in STAY_KEYS[base.law]}
        return Stay(law=law, **self._of_law(key, law, STAY_KEYS, given, inherited))

    def _of_law(
        self,
        key: str,
        law: _Law,
        keys: Mapping[_Law, tuple[str, ...]],
        given: dict[str, Any],
        inherited: dict[str, Any],
    ) -> dict[str, Any]:
        """Return what describes a law: what is given, else what the preset says if its law has that, too."""
        for name in given:
            if name not in keys[law]:
                others = " or ".join(f"'{other}'" for other, used in keys.items() if name in used)
                self._complain(
                    (key, name), f"has no meaning with law '{law}'; remove it, or take law {others}"
                )
        found: dict[str, Any] = {}
        for name in keys[law]:
            if name in given:
                found[name] = given[name]
            elif name in inherited:
                found[name] = inherited[name]
            elif name not in MAY_BE_LEFT_OUT:
                self._complain((key, name), f"is missing; law '{law}' needs it")
        return found

    def _numbers(self, key: str, name: str) -> list[int]:
        path = self._folder / name
        try:
            lines = file_lines(path)
            while lines and not lines[-1].strip():
                lines.pop()
            numbers = [whole_number(path, i, line, "each line") for i, line in enumerate(lines, start=1)]
        except OSError as error:
            self._complain(
                (key, "numbers_file"),
                f"{path}: {error.strerror or error}; name a file with a whole number per line",
            )
            return [0]
        except BadPool as error:
            self._complain((key, "numbers_file"), str(error))
            return [0]
        self.inputs[key] = path
        return numbers

    def _people(self) -> dict[str, Any]:
        """Return what patients and donors are drawn from, and who waits on the first day."""
        tables = self._tables
        values: dict[str, Any] = {}
        if tables.model is not None:
            values["model"] = self._model()
        if tables.profiles is not None:
            values["imported_profiles"] = self._profiles(tables.profiles)
        if tables.first_pool is not None:
            values["first_pool"] = self._first_pool(tables.first_pool)
        return values

    def _model(self) -> PoolModel:
        table = self._tables.model
        assert table is not None  # noqa: S101 - asked for where there is one
        base: PoolModel | None = self._inherited("model")
        if table.base is not None:
            base = MODELS.get(table.base)
            if base is None:
                self._complain(
                    ("model", "base"), f"'{table.base}' is no model; there are {', '.join(MODELS)}"
                )
        elif base is None:
            self._complain(("model", "base"), f"is missing; name one of {', '.join(MODELS)}")
        if base is None:
            return SAIDMAN
        try:
            return changed_model(table, base, name=self._tables.name or self._where.stem, by=self._where.name)
        except BadModel as error:
            for place, text in error.complaints:
                self._complain(("model", *place), text)
            return base

    def _profiles(self, table: FileTable) -> tuple[Profile, ...]:
        path = self._folder / table.file
        if self._design is None:
            self._complain(("profiles",), "a study must say what profiles mean; leave them out")
            return ()
        try:
            profiles = read_profiles(path, self._design)
        except BadRequest as error:
            for line in str(error).splitlines():
                self._complain(("profiles", "file"), line)
            return ()
        self.inputs["profiles"] = path
        return profiles

    def _first_pool(self, table: FileTable) -> Pool | None:
        path = self._folder / table.file
        if self._design is None:
            self._complain(("first_pool",), "a study must say what profiles mean; leave the pool out")
            return None
        # Forgiving: the file is refused here, without advice for other commands.
        complaints = Complaints(is_forgiving=True)
        try:
            is_table = path.name.lower().endswith(_PAIRS_END)
            pool = read_pool(path, complaints, design=self._design if is_table else None)
        except BadPool as error:
            self._complain(("first_pool", "file"), str(error))
            return None
        for text in complaints.found:
            self._complain(("first_pool", "file"), text)
        main, *others = files_of(path)
        self.inputs["first_pool"] = main
        self.inputs |= {f"first_pool{''.join(f.suffixes[-2:])}": f for f in others if f.exists()}
        return replace(pool, pairs=tuple(self._of_study(pair, path, self._design) for pair in pool.pairs))

    def _of_study(self, pair: Pair, path: Path, design: StudyDesign) -> Pair:
        """Return a pair whose profile is the study's, under the study's name for it."""
        if pair.profile is None:
            return pair
        try:
            return replace(pair, profile=design.profile(pair.profile.as_dict()))
        except BadProfile as error:
            self._complain(("first_pool", "file"), f"{path}: pair {pair.id}: {error}")
            return pair
