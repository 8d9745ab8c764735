"""Write a scenario as a scenario file with every key, to start one's own from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from exchange.arc_success import SuccessRule, success_rule
from exchange.errors import BadRequest
from exchange.pool_model import MODELS, SAIDMAN, PoolModel
from exchange.pool_settings import constant_lines, toml_string
from exchange.simulation.scenario import ArrivalLaw, Arrivals, Scenario, Stay, StayLaw
from exchange.simulation.scenario_file import preset, preset_names
from exchange.simulation.scenario_tables import ARRIVAL_KEYS, STAY_KEYS

_Law = TypeVar("_Law", ArrivalLaw, StayLaw)
_ARRIVAL_WORDS = {
    "mean": "mean parameter of the law, per day",
    "dispersion": "the variance of a day's number is mean + mean^2 / dispersion",
    "numbers": "people of each day; or numbers_file, one number per line",
}
_STAY_WORDS = {
    "daily_risk": "probability of leaving on each day, that of arrival included",
    "mean_days": "mean of the law, in days",
    "shape": "with a shape above 1 the risk grows with the time waited",
    "least_days": "days; nobody leaves before",
    "most_days": "days; nobody stays longer",
}


def scenario_text(
    scenario: Scenario, *, profiles_file: str | None = None, first_pool_file: str | None = None
) -> str:
    """Return a scenario file that reads back as this scenario.

    Keys that the chosen laws do not use stand in comments. A preset's text starts from the preset and gives neither
    name nor source, which an edit makes wrong.

    Parameters
    ----------
    profiles_file, first_pool_file
        Names of the files that hold the imported profiles and the first pool, where there are any.

    Raises
    ------
    BadRequest
        One of these names is missing, or the success rule has no name.
    """
    if scenario.imported_profiles and profiles_file is None:
        raise BadRequest(
            f"scenario '{scenario.name}' has imported profiles; name the file that they stand in"
        )
    if scenario.first_pool is not None and first_pool_file is None:
        raise BadRequest(f"scenario '{scenario.name}' has a first pool; name the file that it stands in")
    lines = [
        "# A scenario, for: equipoise exchange simulate FILE",
        "# Every key may be left out where the file starts from a preset.",
        "",
        *_head(scenario),
        "",
        "# days that are simulated",
        f"days = {scenario.days}",
        '# days from one match run to the next, the first on the first day; or "daily", "weekly", "monthly" (30)',
        f"match_every = {scenario.match_every_days}",
        "# days from a match run to its transplants; with 0 they are carried out at once",
        f"delay_days = {scenario.delay_days}",
        "# crossmatches between two pairs that arrive on the same day, of which one negative is enough",
        f"same_day_crossmatch_tests = {scenario.same_day_crossmatch_tests}",
        "# most pairs in a cycle; 0 for no cycles",
        f"cycle_cap = {scenario.cycle_cap}",
        "# most pairs in a chain that a match run plans; 0 for no chains",
        f"chain_cap = {scenario.chain_cap}",
        "# whether the last donor of a chain waits to begin another; otherwise they give to the waiting list",
        f"bridge_donors = {str(scenario.has_bridge_donors).lower()}",
        "# probability that a donor who should wait so never gives",
        f"renege = {scenario.renege!r}",
        '# probability that a planned transplant happens: "1", "constant:0.7", or by cPRA: "unos", "apd"',
        f"success = {toml_string(_success_name(scenario.success))}",
        "",
        "# pairs who arrive; law: poisson, floor-exponential, negative-binomial, regular, listed",
        "[arrivals]",
        *_arrivals(scenario.arrivals),
        "",
        "# non-directed donors who arrive",
        "[ndd_arrivals]",
        *_arrivals(scenario.ndd_arrivals),
        "",
        "# how long pairs stay who are not matched; law: forever, constant-risk, exponential, weibull, fixed",
        "[stay]",
        *_stay(scenario.stay),
        "",
        "# how long non-directed donors stay, and bridge donors from the day they become one",
        "[ndd_stay]",
        *_stay(scenario.ndd_stay),
        "",
        "# patients whose antibodies come to rule out more donors while they wait",
        "[sensitization]",
        "# events per patient and year",
        f"yearly_rate = {scenario.sensitization.yearly_rate!r}",
        "# what part of the donors that were still possible an event rules out; a fraction",
        f"increase = {scenario.sensitization.increase!r}",
        "",
        "# patients who come back after their graft failed",
        "[graft_failure]",
        "# failures per graft and year",
        f"yearly_rate = {scenario.graft_failure.yearly_rate!r}",
        "# probability that such a patient finds another donor and joins the pool again",
        f"returns = {scenario.graft_failure.returns!r}",
        "# what part of the donors that were still possible the lost graft rules out; a fraction",
        f"increase = {scenario.graft_failure.increase!r}",
        "",
        "# real patients' profiles (CSV), of which each simulated patient gets one at random: a column for each",
        "# attribute of the study and, if you like, count; without it, the model's shares or the study's",
        *_file("profiles", profiles_file if scenario.imported_profiles else None, "patients.csv"),
        "",
        "# a pool file: who waits already on the first day",
        *_file("first_pool", first_pool_file if scenario.first_pool else None, "pool.json"),
        "",
        "# what patients and donors are drawn from; shares sum to 1",
        *_model(scenario.model),
    ]
    return "\n".join(lines) + "\n"


def _head(scenario: Scenario) -> list[str]:
    if scenario.name in preset_names() and preset(scenario.name) == scenario:
        return [
            f"preset = {toml_string(scenario.name)}",
            "# what the scenario is called (default: the preset's name, or this file's where a key differs)",
            '# name = "..."',
            "# where its numbers are from (default: the preset's source, and which of its keys differ)",
            '# source = "..."',
        ]
    return [
        f"name = {toml_string(scenario.name)}",
        "# where the numbers are from",
        f"source = {toml_string(scenario.source)}",
    ]


def _success_name(rule: SuccessRule) -> str:
    # The name of a constant is rounded.
    name = f"constant:{rule.bands[0][1]!r}" if rule.name.startswith("constant:") else rule.name
    try:
        known = success_rule(name)
    except BadRequest:
        known = None
    if known != rule:
        raise BadRequest(
            f"the success rule '{rule.name}' cannot be written to a scenario file; take a named one"
        )
    return name


def _arrivals(arrivals: Arrivals) -> Iterator[str]:
    yield f'law = "{arrivals.law}"'
    for key, words in _ARRIVAL_WORDS.items():
        value = getattr(arrivals, key)
        yield from _of_law(arrivals.law, key, list(value) if key == "numbers" else value, words, ARRIVAL_KEYS)


def _stay(stay: Stay) -> Iterator[str]:
    yield f'law = "{stay.law}"'
    for key, words in _STAY_WORDS.items():
        yield from _of_law(stay.law, key, getattr(stay, key), words, STAY_KEYS)


def _of_law(
    law: _Law, key: str, value: object, words: str, keys: Mapping[_Law, tuple[str, ...]]
) -> Iterator[str]:
    if key in keys[law]:
        yield f"# {words}"
        yield f"{key} = {value!r}"
    else:
        others = ", ".join(other for other, used in keys.items() if key in used)
        yield f"# {key}, only with law {others}: {words}"


def _file(table: str, name: str | None, example: str) -> list[str]:
    if name is None:
        return [f"# [{table}]", f'# file = "{example}"']
    return [f"[{table}]", f"file = {toml_string(name)}"]


def _model(model: PoolModel) -> list[str]:
    named = MODELS.get(model.name) == model
    own = [] if named else [f"name = {toml_string(model.name)}", f"source = {toml_string(model.source)}"]
    base = model.name if named else SAIDMAN.name
    return [
        "[model]",
        "# named model whose constants hold where this table has none",
        f"base = {toml_string(base)}",
        *own,
        *constant_lines(model, "model"),
    ]
