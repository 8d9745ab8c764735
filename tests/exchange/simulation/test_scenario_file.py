from __future__ import annotations

import hashlib
import json
import math
import tempfile
import tomllib
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.arc_success import APD, SURE, UNOS, SuccessRule, success_rule
from exchange.errors import BadRequest
from exchange.pool import BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.pool_file import write_pool
from exchange.pool_generator import generate_pool
from exchange.pool_model import MODELS, UNOS_SPARSE, CpraClass, PoolModel, ProfileShare
from exchange.simulation.imported_profiles import profiles_text
from exchange.simulation.scenario import (
    MOST_DAYS,
    ArrivalLaw,
    Arrivals,
    GraftFailure,
    Scenario,
    Sensitization,
    Stay,
    StayLaw,
)
from exchange.simulation.scenario_file import (
    PRESETS,
    parse_scenario,
    preset,
    preset_names,
    read_scenario,
    scenario_of_table,
)
from exchange.simulation.scenario_record import scenario_record
from exchange.simulation.scenario_tables import ARRIVAL_KEYS, STAY_KEYS
from exchange.simulation.scenario_text import scenario_text
from survey.design import make_profile
from survey.design_file import example_design
from survey.design_file.complaints import key_lines

REFERENCE = Path(__file__).resolve().parents[3].parent / "shared" / "reference"
CONFIGS = REFERENCE.parent / "data" / "kidney" / "enckep_config"
STUDY = example_design("kidney-8")
WHOLE = 'days = 10\n[arrivals]\nmean = 1\n[model]\nbase = "saidman"\n'

fractions = st.floats(0, 1, allow_subnormal=False)
# Any text but what TOML cannot hold: surrogates.
words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
means = st.floats(0.001, 100)
bounds = st.tuples(st.integers(0, 400), st.integers(0, 400)).map(sorted)


def parse(text: str, folder: Path = Path(), where: str = "mine.toml") -> Scenario:
    return parse_scenario(text, where, STUDY, folder)[0]


@st.composite
def arrivals(draw: st.DrawFn) -> Arrivals:
    law = draw(st.sampled_from(ArrivalLaw))
    values = {
        "mean": draw(st.floats(0, 100)),
        "dispersion": draw(st.floats(0.01, 100)),
        "numbers": tuple(draw(st.lists(st.integers(0, 9), min_size=1, max_size=4))),
    }
    return Arrivals(law=law, **{key: values[key] for key in ARRIVAL_KEYS[law]})


@st.composite
def stays(draw: st.DrawFn) -> Stay:
    law = draw(st.sampled_from(StayLaw))
    least, most = draw(bounds)
    values = {
        "daily_risk": draw(fractions),
        "mean_days": draw(means),
        "shape": draw(st.floats(0.1, 9)),
        "least_days": least,
        "most_days": most,
    }
    return Stay(law=law, **{key: values[key] for key in STAY_KEYS[law]})


@st.composite
def shares(draw: st.DrawFn, count: int) -> list[float]:
    parts = draw(st.lists(st.floats(0.01, 1), min_size=count, max_size=count))
    return [part / math.fsum(parts) for part in parts]


@st.composite
def own_models(draw: st.DrawFn) -> PoolModel:
    groups = [dict(zip(BloodGroup, draw(shares(4)), strict=True)) for _ in range(3)]
    profiles = draw(st.integers(0, 2))
    return PoolModel(
        name=draw(words),
        source=draw(words),
        patient_blood_groups=groups[0],
        donor_blood_groups=groups[1],
        ndd_blood_groups=groups[2],
        female_patient=draw(fractions),
        spousal_donor=draw(fractions),
        cpra_classes=tuple(
            CpraClass(share=share, positive_crossmatch=draw(fractions)) for share in draw(shares(2))
        ),
        profile_shares=tuple(
            ProfileShare(share=share, values=(("age", draw(words)),)) for share in draw(shares(profiles))
        )
        if profiles
        else (),
        crossmatch_tests=draw(st.integers(1, 3)),
    )


@cache
def small_pool(seed: int) -> Pool:
    return generate_pool(STUDY, n_pairs=6, n_ndds=1, seed=seed)


rules = st.sampled_from([SURE, UNOS, APD]) | fractions.map(lambda p: success_rule(f"constant:{p!r}"))
rates = st.floats(0, 3)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    cycle_cap, chain_cap = draw(st.sampled_from([(0, 3), (2, 0), (3, 0), (3, 4)]))
    return Scenario(
        name=draw(names),
        source=draw(words),
        model=draw(st.sampled_from([*MODELS.values()]) | own_models()),
        days=draw(st.integers(1, MOST_DAYS)),
        arrivals=draw(arrivals()),
        ndd_arrivals=draw(arrivals()),
        stay=draw(stays()),
        ndd_stay=draw(stays()),
        match_every_days=draw(st.integers(1, 400)),
        delay_days=draw(st.integers(0, 400)),
        same_day_crossmatch_tests=draw(st.integers(1, 3)),
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        has_bridge_donors=draw(st.booleans()),
        renege=draw(fractions),
        success=draw(rules),
        sensitization=Sensitization(yearly_rate=draw(rates), increase=draw(fractions)),
        graft_failure=GraftFailure(
            yearly_rate=draw(rates), returns=draw(fractions), increase=draw(fractions)
        ),
        imported_profiles=tuple(draw(st.lists(st.sampled_from(STUDY.profiles()), max_size=5))),
        first_pool=draw(st.none() | st.integers(0, 2).map(small_pool)),
    )


@settings(max_examples=60)
@given(scenario=scenarios())
def test_a_scenario_written_with_its_files_is_read_back_equal(scenario: Scenario) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "patients.csv").write_text(profiles_text(scenario.imported_profiles, STUDY))
        if scenario.first_pool is not None:
            write_pool(scenario.first_pool, folder / "pool.json")
        text = scenario_text(scenario, profiles_file="patients.csv", first_pool_file="pool.json")
        (folder / "x.toml").write_text(text, encoding="utf-8", newline="")
        found, inputs = read_scenario(folder / "x.toml", STUDY)
    assert found == scenario
    assert scenario_record(found) == scenario_record(scenario)
    assert set(inputs) == {
        "scenario",
        *(["profiles"] if scenario.imported_profiles else []),
        *(["first_pool"] if scenario.first_pool else []),
    }


@pytest.mark.parametrize("name", preset_names())
def test_the_printed_text_of_a_preset_is_the_preset_and_no_longer_passes_for_it_when_edited(
    name: str,
) -> None:
    scenario = preset(name)
    text = scenario_text(scenario)
    assert parse(text) == scenario
    edited = parse(text.replace(f"\ndays = {scenario.days}\n", "\ndays = 99\n"))
    assert edited == replace(
        scenario, name="mine", source=f"{scenario.source}, but days by mine.toml", days=99
    )


def test_printed_text_has_every_key_and_explains_it() -> None:
    text = scenario_text(preset("unos-weekly"))
    document = tomllib.loads(text)
    own_names = {"match_every_days": "match_every", "has_bridge_donors": "bridge_donors"}
    elsewhere = {"name", "source", "imported_profiles", "first_pool"}
    assert {own_names.get(f.name, f.name) for f in fields(Scenario)} - elsewhere <= document.keys()
    for name in ("# name =", "# source =", "# [profiles]", "# [first_pool]"):
        assert f"\n{name}" in text
    lines = text.splitlines()
    plain = lines[: lines.index("[model]") + 8]
    for above, line in pairwise(plain):
        if " = " in line and not line.startswith(("#", "law")) and "preset" not in line:
            assert above.startswith("# "), f"nothing explains {line}"
    assert max(map(len, lines)) <= 116


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_called_as_their_files_and_cite_a_source(name: str) -> None:
    scenario = preset(name)
    assert scenario.name == name
    assert ", but " not in scenario.source
    assert (PRESETS / f"{name}.toml").read_text(encoding="utf-8").startswith("# ")


def test_the_presets_of_freedman_hold_the_published_constants() -> None:
    path = REFERENCE / "freedman_simulation_params.json"
    if not path.exists():
        pytest.skip("the published constants are third-party data in ../shared")
    published = json.loads(path.read_text(encoding="utf-8"))
    common = published["common"]
    for name, days, mean in (
        ("freedman2020", published["A"]["days_in_published_commit"], 2.0),
        ("freedman2020-heterogeneous", published["D"]["days"], 4.0),
    ):
        scenario = preset(name)
        assert scenario.days == days
        assert scenario.arrivals == Arrivals(law=ArrivalLaw.FLOOR_EXPONENTIAL, mean=mean)
        assert (
            f"floor(Exponential(mean {mean:g}))" in published["A" if mean == 2 else "D"]["arrivals_per_day"]
        )
        assert scenario.stay == Stay(law=StayLaw.CONSTANT_RISK, daily_risk=common["death_per_day_per_pair"])
        assert scenario.cycle_cap == common["cycle_cap"]
        assert scenario.chain_cap == common["chain_cap_used"]
        assert scenario.ndd_arrivals.expected == common["altruists"]
        assert (scenario.match_every_days, scenario.delay_days, scenario.success) == (1, 1, SURE)
        assert scenario.model == MODELS[name]
        assert "twice" in common["edge_rule"]
        assert scenario.same_day_crossmatch_tests == 2
    assert preset("freedman2020").arrivals.expected == pytest.approx(1.5415, abs=5e-5)
    assert preset("freedman2020-heterogeneous").arrivals.expected == pytest.approx(3.5208, abs=5e-5)


def test_unos_weekly_has_the_rates_of_openkpd_per_day() -> None:
    scenario = preset("unos-weekly")
    days_per_run = 5.803886925795053
    assert scenario.match_every_days == round(days_per_run) == scenario.delay_days
    assert scenario.arrivals.expected * days_per_run == pytest.approx(4.7715827338129495, rel=1e-6)
    assert scenario.ndd_arrivals.expected * days_per_run == pytest.approx(0.1420863309352518, rel=2e-6)
    assert 1 - (1 - scenario.stay.daily_risk) ** days_per_run == pytest.approx(0.0022019271849597, rel=2e-6)
    assert (scenario.cycle_cap, scenario.chain_cap, scenario.renege) == (3, 4, 0.5)
    assert (scenario.model, scenario.success) == (UNOS_SPARSE, UNOS)


def test_enckep_uk_has_the_numbers_of_its_configuration_files() -> None:
    if not CONFIGS.exists():
        pytest.skip("the configuration files are third-party data in ../shared")
    config = json.loads((CONFIGS / "config_UK.json").read_text(encoding="utf-8"))
    policy = json.loads((CONFIGS / "policy_opti3_recourse.json").read_text(encoding="utf-8"))["general"]
    scenario = preset("enckep-uk")
    assert (scenario.match_every_days, scenario.cycle_cap, scenario.chain_cap) == (
        policy["matching_interval"],
        policy["max_cycle_length"],
        policy["max_chain_length"],
    )
    for arriving, stay, key in (
        (scenario.arrivals, scenario.stay, "inc"),
        (scenario.ndd_arrivals, scenario.ndd_stay, "alt"),
    ):
        assert 1 / arriving.expected == pytest.approx(config["arrival_time"][key]["avg"])
        found = {"avg": stay.mean_days, "min": stay.least_days, "max": stay.most_days}
        assert found == config["duration_stay"][key]
    model = scenario.model
    for groups in (model.patient_blood_groups, model.donor_blood_groups, model.ndd_blood_groups):
        assert {str(group): share for group, share in groups.items()} == config["dist_blood_type"]
    bands = {
        sum(json.loads(band)) / 200: share for band, share in config["dist_pra"].items()
    }  # The middle, as a fraction.
    assert {c.positive_crossmatch: c.share for c in model.cpra_classes} == pytest.approx(bands)


def test_keys_left_out_are_those_of_the_preset() -> None:
    text = (
        'preset = "unos-weekly"\nname = "mine"\nsource = "me"\nmatch_every = "monthly"\n'
        "[ndd_arrivals]\nmean = 1\n[graft_failure]\nyearly_rate = 0.05\n[model]\nspousal_donor = 0\n"
    )
    base = preset("unos-weekly")
    assert parse(text) == replace(
        base,
        name="mine",
        source="me",
        match_every_days=30,
        ndd_arrivals=Arrivals(law=ArrivalLaw.POISSON, mean=1.0),
        graft_failure=GraftFailure(yearly_rate=0.05),
        model=replace(
            base.model,
            name="mine",
            spousal_donor=0.0,
            source=f"{base.model.source}, but spousal_donor by mine.toml",
        ),
    )


def test_another_law_takes_over_what_it_shares_with_the_presets_and_forgets_the_rest() -> None:
    text = 'preset = "enckep-uk"\n[stay]\nlaw = "weibull"\nshape = 2\n[ndd_stay]\nlaw = "fixed"\n'
    found = parse(text)
    assert found.stay == Stay(law=StayLaw.WEIBULL, mean_days=365.0, shape=2.0, least_days=60, most_days=2190)
    assert found.ndd_stay == Stay(law=StayLaw.FIXED, mean_days=180.0)
    found = parse('preset = "enckep-uk"\n[arrivals]\nlaw = "listed"\nnumbers = [1, 0]\n')
    assert found.arrivals == Arrivals(law=ArrivalLaw.LISTED, numbers=(1, 0))


@pytest.mark.parametrize(("word", "days"), [('"daily"', 1), ('"weekly"', 7), ('"monthly"', 30), ("90", 90)])
def test_match_runs_come_as_often_as_words_or_days_say(word: str, days: int) -> None:
    assert parse(f"match_every = {word}\n{WHOLE}").match_every_days == days


def test_an_unchanged_preset_keeps_its_name_and_a_changed_one_says_what_changed() -> None:
    assert parse('preset = "freedman2020"\ndays = 365\n') == preset("freedman2020")
    changed = parse('preset = "freedman2020"\nchain_cap = 4\n[stay]\nlaw = "forever"\n')
    assert changed.name == "mine"
    assert changed.source == f"{preset('freedman2020').source}, but chain_cap, stay by mine.toml"
    assert (parse(WHOLE).name, parse(WHOLE).source) == ("mine", "mine.toml")


def test_numbers_of_each_day_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("3\n0\n12\n\n")
    path = tmp_path / "mine.toml"
    path.write_text('preset = "freedman2020"\n[arrivals]\nlaw = "listed"\nnumbers_file = "numbers.txt"\n')
    scenario, inputs = read_scenario(path, STUDY)
    assert scenario.arrivals == Arrivals(law=ArrivalLaw.LISTED, numbers=(3, 0, 12))
    assert inputs == {"scenario": path, "arrivals": tmp_path / "numbers.txt"}


def test_a_first_pool_and_its_further_files_are_inputs(tmp_path: Path) -> None:
    write_pool(small_pool(1), tmp_path / "who.pairs.csv")
    path = tmp_path / "mine.toml"
    path.write_text('preset = "unos-weekly"\n[first_pool]\nfile = "who.pairs.csv"\n')
    scenario, inputs = read_scenario(path, STUDY)
    assert scenario.first_pool is not None
    assert [p.profile for p in scenario.first_pool.pairs] == [p.profile for p in small_pool(1).pairs]
    assert {role: file.name for role, file in inputs.items()} == {
        "scenario": "mine.toml",
        "first_pool": "who.pairs.csv",
        "first_pool.ndds.csv": "who.ndds.csv",
        "first_pool.arcs.csv": "who.arcs.csv",
    }


def test_patients_of_the_first_pool_get_the_studys_names_of_their_profiles(tmp_path: Path) -> None:
    pool = small_pool(1)
    renamed = replace(
        pool,
        pairs=tuple(replace(p, profile=replace(p.profile, name=f"x{i}")) for i, p in enumerate(pool.pairs)),  # type: ignore[type-var]
    )
    write_pool(renamed, tmp_path / "pool.json")
    scenario = parse('preset = "unos-weekly"\n[first_pool]\nfile = "pool.json"\n', tmp_path)
    assert scenario.first_pool is not None
    assert [p.profile.id for p in scenario.first_pool.pairs if p.profile] == [
        p.profile.id for p in pool.pairs if p.profile
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("days = \n", r"a\.toml: not valid TOML: .*line 1"),
        ("", r"a\.toml: model: is missing; give it, or start from a preset\na\.toml: days: .*\na\.toml: arr"),
        (
            'preset = "freedman"\n',
            r"a\.toml:1: preset: 'freedman' is no preset; there are enckep-uk, freedman2020",
        ),
        (
            f"day = 3\n{WHOLE}",
            r"a\.toml:1: day: is not a key of a scenario file; see 'equipoise exchange sim",
        ),
        (f"{WHOLE}female = 1\n", r"a\.toml:6: model\.female: is not a key of a scenario file"),
        (f'renege = "0.5"\n{WHOLE}', r"a\.toml:1: renege: .*valid number, not '0\.5'"),
        (f"renege = nan\n{WHOLE}", r"a\.toml:1: renege: .*finite"),
        (f"renege = 2\n{WHOLE}", r"a\.toml:1: renege: 2 is no fraction"),
        (f'name = ""\n{WHOLE}', r"a\.toml:1: name: is blank; give a name"),
        (
            f'match_every = "hourly"\n{WHOLE}',
            r"a\.toml:1: match_every: 'hourly' is none of daily, weekly, monthly;",
        ),
        (f"match_every = true\n{WHOLE}", r"a\.toml:1: match_every: .*valid integer, not True"),
        (f"match_every = 0\n{WHOLE}", r"a\.toml:1: match_every: 0 is no number of days"),
        (f"cycle_cap = 1\n{WHOLE}", r"a\.toml:1: cycle_cap: 1: a cycle has at least 2 pairs"),
        (f'success = "often"\n{WHOLE}', r"a\.toml:1: success: success 'often' is unknown; give 1, unos"),
        (
            WHOLE.replace("mean", 'law = "often"\nmean'),
            r"a\.toml:3: arrivals\.law: .*'poisson'.*, not 'often'",
        ),
        (
            WHOLE.replace("mean = 1", 'law = "regular"'),
            r"a\.toml:2: arrivals\.mean: is missing; law 'regular'",
        ),
        (WHOLE.replace("mean = 1", "mean = -1"), r"a\.toml:3: arrivals\.mean: -1 is no mean per day"),
        (
            WHOLE.replace("mean = 1", "numbers = [1]"),
            r"toml:3: .*numbers: has no meaning with law 'poisson'; .* 'listed'",
        ),
        (
            WHOLE.replace("mean = 1", 'law = "listed"\nnumbers = [1]\nnumbers_file = "x"'),
            r"a\.toml:5: .*not both",
        ),
        (
            f"{WHOLE}[stay]\nmean_days = 9\n",
            r"a\.toml:7: stay\.mean_days: has no meaning with law 'forever'; .*'weibull'",
        ),
        (
            f'{WHOLE}[stay]\nlaw = "weibull"\nmean_days = 9\n',
            r"a\.toml:6: stay\.shape: is missing; law 'weibull' needs it",
        ),
        (
            'preset = "freedman2020"\n[ndd_arrivals]\nlaw = "regular"\n',
            r"a\.toml:2: ndd_arrivals\.mean: is missing",
        ),
        (
            WHOLE.replace("saidman", "saidmann"),
            r"a\.toml:5: model\.base: 'saidmann' is no model; there are saidman,",
        ),
        (
            WHOLE.replace('base = "saidman"', "spousal_donor = 1"),
            r"a\.toml:4: model\.base: is missing; name one of",
        ),
        (f"{WHOLE}spousal_donor = 2\n", r"a\.toml:6: model\.spousal_donor: 2 is no fraction"),
        (
            f"{WHOLE}[[model.cpra_classes]]\nshare = 1\n",
            r"a\.toml:6: model\.cpra_classes\[1\]\.positive_crossmatch: is missing",
        ),
        (
            f'{WHOLE}[profiles]\nfile = "none.csv"\n',
            r"a\.toml:7: profiles\.file: .*none\.csv: .*name an existing table",
        ),
        (f'{WHOLE}[profiles]\nfile = "a\\u0000"\n', r"a\.toml:7: profiles\.file: no file is called so"),
        (f"{WHOLE}[profiles]\n", r"a\.toml:6: profiles\.file: is missing"),
        (
            f'{WHOLE}[profiles]\nfile = "bad.csv"\n',
            r"a\.toml:7: profiles\.file: .*bad\.csv:3: .*no level 'ill'",
        ),
        (
            f'{WHOLE}[first_pool]\nfile = "none.json"\n',
            r"a\.toml:7: first_pool\.file: .*name an existing pool file",
        ),
        (
            f'{WHOLE}[first_pool]\nfile = "poor.json"\n',
            r"a\.toml:6: first_pool: .*without blood group or cPRA, among them P1",
        ),
        (
            f'{WHOLE}[first_pool]\nfile = "other.json"\n',
            r"a\.toml:7: first_pool\.file: .*other\.json: pair P1: .*'drinks'",
        ),
        (
            f'{WHOLE}[first_pool]\nfile = "bad.pairs.csv"\n',
            r"a\.toml:7: first_pool\.file: .*bad\.pairs\.csv:2: cpra should be",
        ),
        (
            WHOLE.replace("mean = 1", 'law = "listed"\nnumbers_file = "n.txt"'),
            r"a\.toml:4: .*numbers_file: .*n\.txt:2: each line sh",
        ),
        (
            WHOLE.replace("mean = 1", 'law = "listed"\nnumbers_file = "no"'),
            r"a\.toml:4: .*numbers_file: .*no: .*name a file",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_key(text: str, complaint: str, bad_files: Path) -> None:
    with pytest.raises(BadRequest, match=complaint) as caught:
        parse_scenario(text, "a.toml", STUDY, bad_files)
    assert "forgiving" not in str(caught.value)


@pytest.fixture(scope="session")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bad.csv").write_text("age,drinking,health\nold,rare,healthy\nold,rare,ill\n")
    (folder / "n.txt").write_text("1\ntwo\n")
    write_pool(Pool(pairs=(Pair(id="P1"),), source="poor"), folder / "poor.json")
    numeric = example_design("kidney-numeric")
    other = Pair(id="P1", profile=(numeric.profiles() or ())[0])
    write_pool(Pool(pairs=(other,), source="other", attributes=numeric.attributes), folder / "other.json")
    (folder / "bad.pairs.csv").write_text(
        "id,cpra,attribute.age,attribute.drinking,attribute.health\nP1,high,old,rare,cancer\n"
    )
    (folder / "bad.arcs.csv").write_text("donor,recipient\n")
    return folder


def test_every_complaint_is_told_at_once(bad_files: Path) -> None:
    text = (
        'renege = 2\nsuccess = "no"\n[stay]\nlaw = "fixed"\n[model]\nbase = "saidman"\nspousal_donor = -1\n'
        '[profiles]\nfile = "bad.csv"\n'
    )
    with pytest.raises(BadRequest) as caught:
        parse_scenario(text, "a.toml", STUDY, bad_files)
    said = sorted(line.split(" ")[1] for line in str(caught.value).splitlines())
    assert said == sorted(
        [
            "renege:",
            "success:",
            "stay.mean_days:",
            "model.spousal_donor:",
            "profiles.file:",
            "days:",
            "arrivals:",
        ]
    )


def test_scenarios_in_a_larger_file_are_complained_about_where_they_stand() -> None:
    text = (
        'title = "x"\n[[scenarios]]\npreset = "freedman2020"\n'
        '[[scenarios]]\nname = "b"\ndays = 0\npreset = "freedman2020"\n'
    )
    document, lines = tomllib.loads(text), key_lines(text)
    first, second = document["scenarios"]
    found, inputs = scenario_of_table(first, "e.toml", lines, ("scenarios", 0), STUDY, Path())
    assert (found, inputs) == (preset("freedman2020"), {})
    with pytest.raises(BadRequest, match=r"^e\.toml:6: scenarios\[2\]\.days: 0 days cannot be simulated"):
        scenario_of_table(second, "e.toml", lines, ("scenarios", 1), STUDY, Path())
    with pytest.raises(BadRequest, match=r"^e\.toml:4: scenarios\[2\]\.day: is not a key of a scenario file"):
        scenario_of_table({"day": 1}, "e.toml", lines, ("scenarios", 1), STUDY, Path())


def test_a_changed_scenario_among_others_needs_a_name_of_its_own() -> None:
    with pytest.raises(
        BadRequest, match=r"scenarios\[1\]\.name: is missing; a scenario that is no unchanged"
    ):
        scenario_of_table(
            {"preset": "freedman2020", "days": 9}, "e.toml", {}, ("scenarios", 0), STUDY, Path()
        )


def test_a_model_that_took_the_name_of_another_is_written_with_its_own_constants() -> None:
    changed = replace(MODELS["freedman2020"], spousal_donor=0.1)
    scenario = replace(preset("freedman2020"), name="mine", model=changed)
    assert parse(scenario_text(scenario)) == scenario


def test_a_byte_order_mark_is_not_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(WHOLE, encoding="utf-8-sig")
    assert read_scenario(tmp_path / "mine.toml", STUDY)[0] == parse(WHOLE)


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="name an existing scenario file, or one of the presets enckep-uk"):
        read_scenario(tmp_path / "none.toml", STUDY)
    (tmp_path / "latin.toml").write_bytes(b'name = "K\xf6ln"\n')
    with pytest.raises(BadRequest, match="not UTF-8 text"):
        read_scenario(tmp_path / "latin.toml", STUDY)
    with pytest.raises(BadRequest, match="'none' is no preset; there are enckep-uk"):
        preset("none")


def test_without_a_study_there_can_be_no_people_of_ones_own() -> None:
    text = f'{WHOLE}[profiles]\nfile = "x.csv"\n[first_pool]\nfile = "x.json"\n'
    with pytest.raises(BadRequest, match=r"profiles: a study must say(.|\n)*first_pool: a study must say"):
        parse_scenario(text, "a.toml", None, Path())


def test_what_a_file_cannot_hold_is_not_written() -> None:
    base = preset("freedman2020")
    odd = SuccessRule(name="odd", bands=((0.0, 0.5), (0.5, 0.2)))
    changed = SuccessRule(name="unos", bands=((0.0, 0.5),))
    for rule in (odd, changed):
        with pytest.raises(BadRequest, match="cannot be written to a scenario file"):
            scenario_text(replace(base, success=rule))
    with pytest.raises(BadRequest, match="has imported profiles; name the file"):
        scenario_text(replace(base, imported_profiles=(STUDY.profiles() or ())[:1]))
    with pytest.raises(BadRequest, match="has a first pool; name the file"):
        scenario_text(replace(base, first_pool=small_pool(1)))


# One change of each field; what is left out here is found missing by the test below.
_CHANGES: dict[str, object] = {
    "name": "other",
    "source": "other",
    "model": MODELS["saidman"],
    "days": 364,
    "arrivals": Arrivals(mean=2.0),
    "ndd_arrivals": Arrivals(mean=1.0),
    "stay": Stay(law=StayLaw.FIXED, mean_days=3.0),
    "ndd_stay": Stay(law=StayLaw.FIXED, mean_days=3.0),
    "match_every_days": 2,
    "delay_days": 2,
    "same_day_crossmatch_tests": 3,
    "cycle_cap": 2,
    "chain_cap": 2,
    "has_bridge_donors": False,
    "renege": 0.25,
    "success": UNOS,
    "sensitization": Sensitization(yearly_rate=1.0),
    "graft_failure": GraftFailure(yearly_rate=1.0),
    "imported_profiles": (STUDY.profiles() or ())[:1],
    "first_pool": small_pool(1),
}


def record_hash(scenario: Scenario) -> str:
    return hashlib.sha256(json.dumps(scenario_record(scenario), sort_keys=True).encode()).hexdigest()


def test_the_record_changes_with_every_field() -> None:
    base = preset("freedman2020")
    assert _CHANGES.keys() == {field.name for field in fields(Scenario)}
    hashes = {record_hash(replace(base, **{name: value})) for name, value in _CHANGES.items()}  # type: ignore[arg-type]
    assert len(hashes | {record_hash(base)}) == len(_CHANGES) + 1


def test_the_record_knows_the_content_of_a_first_pool_and_not_its_folder() -> None:
    base = preset("unos-weekly")
    pool = small_pool(1)
    here, there = (replace(pool, source=f"{folder}/pool.kep.json") for folder in ("a", "b"))
    assert scenario_record(replace(base, first_pool=here)) == scenario_record(replace(base, first_pool=there))
    more = replace(here, ndds=(*here.ndds, NonDirectedDonor(id="N9", blood_group=BloodGroup.O)))
    assert record_hash(replace(base, first_pool=here)) != record_hash(replace(base, first_pool=more))


def test_the_record_knows_profiles_in_their_order_and_number() -> None:
    base, (one, other, *_) = preset("freedman2020"), STUDY.profiles() or ()
    tuples = [(one,), (one, one), (one, other), (other, one)]
    assert len({record_hash(replace(base, imported_profiles=t)) for t in tuples}) == len(tuples)
    unnamed = make_profile(STUDY.attributes, one.as_dict())
    assert record_hash(replace(base, imported_profiles=(unnamed,))) == record_hash(
        replace(base, imported_profiles=(one,))
    )
