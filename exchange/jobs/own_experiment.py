"""Write the experiment file of one's own choices, and the files that it names, into a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange.clearing.clear import goals_of
from exchange.clearing.objectives import Policy
from exchange.errors import BadRequest
from exchange.jobs.job import EXPERIMENT
from exchange.pool_settings import toml_string
from exchange.published_weights import DONOR_WEIGHTS, WEIGHTS
from exchange.simulation.scenario_file import parse_scenario, preset_names
from exchange.simulation.scenario_text import scenario_text
from survey.design_file import example_design, parse_design
from survey.design_file.document import read_document
from survey.errors import BadDesign

STUDY = "study.toml"
POOL_ENDINGS = (".pairs.csv", ".kep.json", ".json", ".wmd")
"""Of pool files that may be sent; packed ones and others may hold far more than their size says."""
_BESIDE: Mapping[str, tuple[str, ...]] = {".pairs.csv": (".ndds.csv", ".arcs.csv"), ".wmd": (".dat",)}
_FILES = (
    ("profiles", "file"),
    ("first_pool", "file"),
    ("arrivals", "numbers_file"),
    ("ndd_arrivals", "numbers_file"),
)
"""Keys of a scenario file that name another file."""
_LONGEST_LABEL = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that was sent."""

    name: str
    """As it was called there; for people to read."""
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What somebody chose."""

    title: str
    study: str
    """Name of one that ships; ignored where there is a file."""
    study_file: str | None
    """Text of the design."""
    preset: str
    """Name of a scenario that ships; ignored where there is a file."""
    scenario_file: Upload | None
    pool_files: Sequence[Upload]
    """Who waits on the first day; empty for the scenario's own."""
    policies: Sequence[Policy]
    weights: Sequence[str]
    """Published."""
    donor_weights: Sequence[str]
    """Published."""
    weights_files: Sequence[Upload]
    people_files: Sequence[Upload]
    people_as: str
    """What is made of them: ``donors`` draw from them, ``classes`` for the weights of each kind, or ``both``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighing:
    """Weights, as an experiment file names them."""

    key: str
    value: str
    label: str


def write_own_experiment(chosen: Chosen, folder: Path) -> dict[str, str]:
    """Write ``experiment.toml`` and the files that it names; return the names that these had, by ours.

    Raises
    ------
    BadRequest
        Choices that do not go together, or a scenario file that cannot be read; a line for each complaint.
    """
    complaints: list[str] = []
    names: dict[str, str] = {}
    weighings = list(_weighings(chosen, folder, names))
    needy = [p for p in chosen.policies if any(g.objective.needs_weights for g in goals_of(p, ()))]
    if needy and not weighings:
        complaints.append(f"Policy {needy[0]} needs weights: choose published ones, or send a file.")
    if weighings and not needy:
        complaints.append(
            "Weights are chosen, and none of the policies looks at weights: choose one that does."
        )
    pool = _pool_file(chosen.pool_files, folder, names, complaints)
    if chosen.study_file is not None:
        (folder / STUDY).write_text(chosen.study_file, encoding="utf-8")
    scenario = _scenario(chosen, pool, folder, names, complaints)
    if complaints:
        raise BadRequest("\n".join(complaints))
    lines = [
        "# Put together on the researcher's page.",
        f"name = {toml_string(chosen.title)}",
        f"title = {toml_string(chosen.title)}",
        f"design = {toml_string(chosen.study if chosen.study_file is None else STUDY)}",
        "# The command line says which.",
        "seeds = [1]",
        *_ranks(weighings),
        "",
        "[[scenarios]]",
        *scenario,
    ]
    for policy in chosen.policies:
        for weighing in weighings if policy in needy else [None]:
            lines += ["", "[[conditions]]", *_condition(policy, weighing)]
    (folder / EXPERIMENT).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return names


def _ranks(weighings: Sequence[_Weighing]) -> list[str]:
    """Count ranks in the orders of the first donors who have own preferences."""
    donors = [w for w in weighings if w.key == "donor_weights"]
    return [f"ranks_by = {toml_string(donors[0].value)}"] if donors else []


def _condition(policy: Policy, weighing: _Weighing | None) -> list[str]:
    if weighing is None:
        return [f"name = {toml_string(policy)}", f"policy = {toml_string(policy)}"]
    several = ", {weights}" if weighing.key == "classes" else ""
    return [
        f"name = {toml_string(f'{policy}, {weighing.label}{several}')}",
        f"policy = {toml_string(policy)}",
        f"{weighing.key} = {toml_string(weighing.value)}",
    ]


def _weighings(chosen: Chosen, folder: Path, names: dict[str, str]) -> Iterator[_Weighing]:
    labels: list[str] = []

    def label(text: str) -> str:
        # Braces would be filled in by the reader of the file, and "#1" makes a condition a draw of weights.
        plain = "".join(c if c.isprintable() and c not in "{}#" else " " for c in text)
        plain = " ".join(plain.split())[:_LONGEST_LABEL] or "weights"
        own = next(n for i in range(1, 1000) if (n := plain if i == 1 else f"{plain} ({i})") not in labels)
        labels.append(own)
        return own

    for name in chosen.weights:
        if name in WEIGHTS:
            yield _Weighing(key="weights", value=name, label=label(name))
    for name in chosen.donor_weights:
        if name in DONOR_WEIGHTS:
            yield _Weighing(key="donor_weights", value=name, label=label(f"{name}, by donor"))
    for i, upload in enumerate(chosen.weights_files, start=1):
        ours = _keep(upload, folder / f"weights-{i}.json", names)
        yield _Weighing(key="weights", value=ours, label=label(_stem(upload.name)))
    for i, upload in enumerate(chosen.people_files, start=1):
        ours = _keep(upload, folder / f"people-{i}.json", names)
        if chosen.people_as != "classes":
            yield _Weighing(key="donor_weights", value=ours, label=label(f"{_stem(upload.name)}, by donor"))
        if chosen.people_as != "donors":
            yield _Weighing(key="classes", value=ours, label=label(_stem(upload.name)))


def _keep(upload: Upload, path: Path, names: dict[str, str]) -> str:
    path.write_bytes(upload.content)
    names[path.name] = upload.name
    return path.name


def _stem(name: str) -> str:
    return name.removesuffix(".json")


def _pool_file(
    uploads: Sequence[Upload], folder: Path, names: dict[str, str], complaints: list[str]
) -> str | None:
    """Keep the files of a pool under our names; return that of the main one."""
    if not uploads:
        return None
    endings = [_ending(upload.name) for upload in uploads]
    main = [ending for ending in endings if ending in POOL_ENDINGS]
    if len(main) != 1:
        complaints.append(
            f"Pool: send one pool file, whose name ends in {', '.join(POOL_ENDINGS)}; others can be turned into "
            "one with 'equipoise exchange convert'."
        )
        return None
    for upload, ending in zip(uploads, endings, strict=True):
        if ending not in (main[0], *_BESIDE.get(main[0], ())):
            complaints.append(f"Pool: {upload.name} does not belong to a pool file that ends in {main[0]}.")
        else:
            _keep(upload, folder / f"pool{ending}", names)
    # What is missing is called by the name that it should have had.
    stem = uploads[endings.index(main[0])].name[: -len(main[0])]
    for ending in _BESIDE.get(main[0], ()):
        names.setdefault(f"pool{ending}", f"{stem}{ending}")
    return f"pool{main[0]}"


def _ending(name: str) -> str:
    every = (*POOL_ENDINGS, *(ending for beside in _BESIDE.values() for ending in beside))
    return next((ending for ending in every if name.lower().endswith(ending)), "")


def _scenario(
    chosen: Chosen, pool: str | None, folder: Path, names: dict[str, str], complaints: list[str]
) -> list[str]:
    """Return the lines of the scenario's table."""
    pool_lines = [] if pool is None else ["[scenarios.first_pool]", f"file = {toml_string(pool)}"]
    if chosen.scenario_file is None:
        if chosen.preset not in preset_names():
            complaints.append("Choose one of the scenarios, or send a file.")
        name = chosen.preset if pool is None else f"{chosen.preset}, {names[pool]} on the first day"
        return [f"preset = {toml_string(chosen.preset)}", f"name = {toml_string(name)}", *pool_lines]
    upload = chosen.scenario_file
    try:
        text = upload.content.decode("utf-8-sig")
        document = read_document(text, upload.name)
    except UnicodeDecodeError:
        complaints.append(f"{upload.name}: not UTF-8 text; save it as UTF-8")
        return []
    except BadDesign as error:
        complaints += error.complaints
        return []
    for table, key in _FILES:
        inner = document.get(table)
        # Else it could name any file of this machine.
        if isinstance(inner, dict) and key in inner:
            complaints.append(
                f"{upload.name}: {table}.{key}: a file that is sent may not name others; take it out. Who waits on "
                "the first day has a field of its own; for the rest use 'equipoise exchange experiment'."
            )
    if complaints:
        return []
    if pool is not None:
        text += f"\n[first_pool]\nfile = {toml_string(pool)}\n"
    study = example_design(chosen.study) if chosen.study_file is None else parse_design(chosen.study_file)
    try:
        scenario, _ = parse_scenario(text, upload.name, study, folder)
    except BadRequest as error:
        said = str(error).replace(f"{folder}/", "")
        complaints += (said if pool is None else said.replace(pool, names[pool])).splitlines()
        return []
    whole = scenario_text(scenario, first_pool_file=pool)
    # As a table of the experiment file.
    lines = re.sub(r"^(\[\[?)", r"\1scenarios.", whole, flags=re.MULTILINE).splitlines()
    return [line for line in lines if line and not line.startswith("#")]
