"""Pools of every kind through every format that can be written, and what each format says that it loses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import BadPool, BadRequest
from exchange.formats.pool_losses import losses
from exchange.formats.text_rows import Complaints
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.pool_file import lost_in, parse_pool, pool_text, read_pool, write_pool
from survey.design import make_profile
from survey.design_file import example_design

STUDY = example_design("kidney-numeric")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
GROUPS = st.none() | st.sampled_from(BloodGroup)
FRACTIONS = st.floats(0, 1)
WEIGHTS = st.floats(0, 1e300, allow_subnormal=True)


@st.composite
def pools(draw: st.DrawFn, *, with_profiles: bool = True) -> Pool:
    ids = draw(st.lists(TEXT, unique=True, max_size=6))
    n_pairs = draw(st.integers(0, len(ids)))
    pairs = []
    for pair_id in ids[:n_pairs]:
        profile = None
        if with_profiles and draw(st.booleans()):
            values: dict[str, Any] = {a.name: draw(st.sampled_from(a.values)) for a in STUDY.attributes}
            profile = make_profile(STUDY.attributes, values, name=draw(st.just("") | TEXT))
        pairs.append(
            Pair(
                id=pair_id,
                patient_blood_group=draw(GROUPS),
                donor_blood_group=draw(GROUPS),
                cpra=draw(st.none() | FRACTIONS),
                profile=profile,
                is_compatible=draw(st.booleans()),
                donors=tuple(
                    draw(st.lists(TEXT.filter(lambda text: ";" not in text), unique=True, max_size=3))
                ),
            )
        )
    donors_of = {pair.id: pair.donors for pair in pairs}
    arcs = []
    for donor in ids:
        for pair in pairs:
            is_own = donor == pair.id
            if pair.is_compatible if is_own else draw(st.booleans()):
                giver = draw(st.sampled_from(["", *donors_of.get(donor, ())]))
                arcs.append(
                    Arc(
                        donor=donor,
                        recipient=pair.id,
                        weight=draw(WEIGHTS),
                        success_probability=draw(FRACTIONS),
                        giver=giver,
                    )
                )
    return Pool(
        pairs=tuple(pairs),
        ndds=tuple(NonDirectedDonor(id=i, blood_group=draw(GROUPS)) for i in ids[n_pairs:]),
        arcs=tuple(arcs),
        source=draw(TEXT),
        attributes=STUDY.attributes if any(pair.profile for pair in pairs) else (),
        is_simulated=draw(st.booleans()),
        note=draw(st.just("") | TEXT),
    )


def numbered(pool: Pool, prefix_of_ndds: int) -> dict[str, str]:
    """Return what the formats that number members call them."""
    first = 0 if prefix_of_ndds == 0 else 1
    names = {pair.id: f"P{i}" for i, pair in enumerate(pool.pairs, first)}
    start = 0 if prefix_of_ndds == 0 else len(pool.pairs) + 1
    return {**names, **{ndd.id: f"N{i}" for i, ndd in enumerate(pool.ndds, start)}}


@given(pools())
@settings(max_examples=60)
def test_pool_json_keeps_everything(pool: Pool) -> None:
    text = pool_text(pool)
    assert parse_pool(text, "here") == pool
    assert pool_text(parse_pool(text, "here")) == text
    # The same document laid out by another program.
    assert parse_pool(json.dumps(json.loads(text), indent=3), "here") == pool
    assert parse_pool(json.dumps(json.loads(text)), "here") == pool


@given(pools())
@settings(max_examples=40)
def test_tables_keep_everything_but_the_origin(pool: Pool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.pairs.csv"
        write_pool(pool, path)
        design = STUDY if pool.attributes else None
        back = read_pool(path, design=design)
    assert replace(back, source=pool.source, is_simulated=pool.is_simulated, note=pool.note) == pool


@given(pools())
@settings(max_examples=40)
def test_wmd_keeps_the_arcs_between_numbered_members_and_the_facts_known_of_all(pool: Pool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.wmd"
        write_pool(pool, path)
        back = read_pool(path)
    names = numbered(pool, 1)
    assert [(a.donor, a.recipient, a.weight) for a in back.arcs] == [
        (names[a.donor], names[a.recipient], a.weight) for a in pool.arcs if a.donor != a.recipient
    ]
    facts = [(p.patient_blood_group, p.donor_blood_group, p.cpra) for p in pool.pairs]
    groups = [ndd.blood_group for ndd in pool.ndds]
    if any(None in fact for fact in facts) or None in groups:
        facts, groups = [(None, None, None)] * len(facts), [None] * len(groups)
    assert [(p.patient_blood_group, p.donor_blood_group, p.cpra) for p in back.pairs] == facts
    assert [ndd.blood_group for ndd in back.ndds] == groups


@given(pools())
@settings(max_examples=40)
def test_input_files_keep_the_arcs_between_numbered_members(pool: Pool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.input"
        write_pool(pool, path)
        back = read_pool(path)
    names = numbered(pool, 0)
    assert {(a.donor, a.recipient, a.weight) for a in back.arcs} == {
        (names[a.donor], names[a.recipient], a.weight) for a in pool.arcs if a.donor != a.recipient
    }
    assert (len(back.pairs), len(back.ndds)) == (len(pool.pairs), len(pool.ndds))


@given(pools(with_profiles=False), st.sampled_from(["x.wmd", "x.input", "x.pairs.csv", "x.json", "x.npz"]))
@settings(max_examples=60)
def test_what_is_said_to_be_lost_is_all_that_is_lost(pool: Pool, name: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        lost = lost_in(pool, path)
        write_pool(pool, path)
        back = read_pool(path)
    changed = {
        fact for fact in ("source", "note", "is_simulated") if getattr(pool, fact) != getattr(back, fact)
    }
    said = {
        "source": any(text.startswith("where the pool came from") for text in lost),
        "note": "the note for readers of results" in lost,
        "is_simulated": "that the people in it are simulated" in lost,
    }
    assert {fact for fact, is_said in said.items() if is_said} == changed
    rest = [text for text in lost if not text.startswith(("where the pool", "the note", "that the people"))]
    assert (not rest) == ((pool.pairs, pool.ndds, set(pool.arcs)) == (back.pairs, back.ndds, set(back.arcs)))


def full_pool() -> Pool:
    """Return a pool that has something of everything."""
    values: dict[str, Any] = {a.name: a.values[0] for a in STUDY.attributes}
    return Pool(
        pairs=(
            Pair(
                id="Ann",
                patient_blood_group=BloodGroup.O,
                profile=make_profile(STUDY.attributes, values, name="first"),
                is_compatible=True,
                donors=("d1", "d2"),
            ),
            Pair(id="Bob", cpra=0.4),
        ),
        ndds=(NonDirectedDonor(id="Cy", blood_group=BloodGroup.A),),
        arcs=(
            Arc(donor="Ann", recipient="Ann", giver="d1"),
            Arc(donor="Ann", recipient="Bob", weight=2.5, giver="d2"),
            Arc(donor="Cy", recipient="Bob", success_probability=0.5),
        ),
        source="by hand",
        attributes=STUDY.attributes,
        is_simulated=True,
        note="a note",
    )


def test_the_losses_of_each_format_are_said_in_words(tmp_path: Path) -> None:
    pool = full_pool()
    assert lost_in(pool, tmp_path / "x.json") == ()
    assert lost_in(pool, tmp_path / "x.wmd") == (
        "ids: members are numbered instead, e.g. Ann becomes P1",
        "blood groups of patients: of 1 pair(s)",
        "cPRA: of 1 pair(s)",
        "the mark that a pair is compatible, with the arc to itself: of 1 pair(s)",
        "the names of several donors: of 1 pair(s)",
        "profiles: of 1 pair(s)",
        "blood groups of non-directed donors: of 1 non-directed donor(s)",
        "success probabilities: of 1 arc(s)",
        "which of a pair's donors gives: of 1 arc(s)",
        "that the people in it are simulated",
        "the note for readers of results",
        "where the pool came from (by hand)",
    )
    assert lost_in(pool, tmp_path / "x.pairs.csv") == (
        "what the attributes mean (labels, levels, ranges, units): read with the study's design",
        "that the people in it are simulated",
        "the note for readers of results",
        "where the pool came from (by hand)",
    )
    assert lost_in(pool, tmp_path / "x.kep.json") == (
        "profiles: of 1 pair(s)",
        "success probabilities: of 1 arc(s)",
        "that the people in it are simulated",
        "the note for readers of results",
        "where the pool came from (by hand)",
    )
    assert list(tmp_path.iterdir()) == []


def test_losses_are_only_asked_for_between_the_same_people() -> None:
    pool = full_pool()
    with pytest.raises(ValueError, match="does not hold the members"):
        losses(pool, replace(pool, pairs=pool.pairs[1:], arcs=()))


def test_a_name_of_no_known_format_is_refused_for_writing(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"x\.txt: pools are written to names that end in .*\.wmd"):
        write_pool(full_pool(), tmp_path / "x.txt")
    with pytest.raises(BadPool, match=r"name the one that ends in \.pairs\.csv"):
        read_pool(tmp_path / "x.arcs.csv")


def test_a_dat_of_another_pool_is_never_left_beside_a_new_wmd(tmp_path: Path) -> None:
    known = Pool(
        pairs=(Pair(id="a", patient_blood_group=BloodGroup.O, donor_blood_group=BloodGroup.A, cpra=0.5),),
        source="x",
    )
    path = tmp_path / "x.wmd"
    write_pool(known, path)
    assert read_pool(path).pairs[0].cpra == 0.5
    before = path.read_bytes()
    with pytest.raises(BadRequest, match=r"x\.dat would be read with x\.wmd"):
        write_pool(Pool(pairs=(Pair(id="a"),), source="x"), path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.dat", "x.wmd"]


def test_writing_again_takes_the_donors_of_the_former_pool_away(tmp_path: Path) -> None:
    for name in ("x.input", "x.pairs.csv"):
        write_pool(full_pool(), tmp_path / name)
        write_pool(Pool(pairs=(Pair(id="P0"),), source="x"), tmp_path / name)
        assert read_pool(tmp_path / name).ndds == ()


def test_a_pool_that_cannot_be_written_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.pairs.csv"
    write_pool(full_pool(), path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    for bad in (
        Pair(id="a", donors=("d;1", "d2")),
        Pair(id="a", profile=make_profile((), {})),
        Pair(id="\ud800"),
    ):
        with pytest.raises(BadRequest):
            write_pool(Pool(pairs=(bad,), source="x"), path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_file_that_a_link_leads_to_is_written_and_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_pool(full_pool(), link)
    assert link.is_symlink()
    assert read_pool(target) == full_pool()
    assert target.stat().st_mode & 0o777 == 0o600


@given(pools(with_profiles=False), st.data())
@settings(max_examples=80)
def test_forgiving_reads_what_is_sound_and_strict_names_the_same_places(
    pool: Pool, data: st.DataObject
) -> None:
    document = json.loads(pool_text(pool))
    rows = [(key, i) for key in ("pairs", "ndds", "arcs") for i in range(len(document[key]))]
    bad = data.draw(st.lists(st.sampled_from(rows), unique=True) if rows else st.just([]))
    for key, i in bad:
        if key == "arcs":
            spoil = data.draw(st.sampled_from([lambda a: a.pop(), lambda a: a.__setitem__(2, -1)]))
        else:
            spoil = data.draw(
                st.sampled_from([lambda d: d.update(hair="red"), lambda d: d.update(blood_group="C")])
            )
        spoil(document[key][i])
    text = json.dumps(document, indent=data.draw(st.sampled_from([None, 1])))
    complaints = Complaints(is_forgiving=True)
    read = parse_pool(text, "here", complaints)
    gone = {document[key][i]["id"] for key, i in bad if key != "arcs"}
    bad_arcs = {i for key, i in bad if key == "arcs"}
    kept = [
        arc
        for i, arc in enumerate(pool.arcs)
        if i not in bad_arcs and arc.donor not in gone and arc.recipient not in gone
    ]
    assert list(read.arcs) == kept
    assert [p.id for p in read.pairs] == [p.id for p in pool.pairs if p.id not in gone]
    n_before = len(pool.pairs) + len(pool.ndds) + len(pool.arcs)
    assert complaints.rows_left_out == n_before - len(read.pairs) - len(read.ndds) - len(read.arcs)
    if not bad:
        assert read == pool
    else:
        with pytest.raises(BadPool) as caught:
            parse_pool(text, "here")
        key, i = bad[0]
        assert len(bad) > 10 or f"{key}[{i + 1}]" in str(caught.value)


@given(pools(), st.data())
@settings(max_examples=80)
def test_the_quick_check_of_arcs_agrees_with_the_plain_one(pool: Pool, data: st.DataObject) -> None:
    arcs = list(pool.arcs)
    ids = [*(p.id for p in pool.pairs), *(d.id for d in pool.ndds), "nobody"]
    for _ in range(data.draw(st.integers(0, 2))):
        arcs.append(
            Arc(
                donor=data.draw(st.sampled_from(ids)),
                recipient=data.draw(st.sampled_from(ids)),
                weight=data.draw(st.floats(-1, 1) | st.just(float("inf")) | st.just(float("nan"))),
                success_probability=data.draw(st.floats(-1, 2)),
            )
        )
    pairs = {p.id: p for p in pool.pairs}
    ends = [(a.donor, a.recipient) for a in arcs]
    is_sound = (
        len(set(ends)) == len(ends)
        and all(r in pairs and d != "nobody" for d, r in ends)
        and {d for d, r in ends if d == r} == {i for i, p in pairs.items() if p.is_compatible}
        and all(0 <= a.weight < float("inf") and 0 <= a.success_probability <= 1 for a in arcs)
    )
    if is_sound:
        replace(pool, arcs=tuple(arcs))
    else:
        with pytest.raises(BadPool):
            replace(pool, arcs=tuple(arcs))
