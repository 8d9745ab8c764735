from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.errors import BadPool, BadRequest
from exchange.formats.kep_solver_file import read_kep_solver, write_kep_solver
from exchange.formats.text_rows import Complaints
from exchange.match_run import SolveStatus
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.priorities import equal_priorities

Shared = Callable[[str], Path]
Write = Callable[[str, Any], Path]

FOLDERS = ("kep_solver", "trimble_json", "generated")
# kep_solver's own files with the same pool in several layouts.
SAME = [
    ("test1.json", "test1.v2.json", "test1.yaml"),
    ("test1.json", "test1.xml"),
    ("test2.json", "test2.xml", "test2.yaml"),
    ("test3.json", "test3.xml", "test3.yaml", "test3.json.xz"),
    ("test3-dynamic.json", "test3-dynamic.yaml", "test3-dynamic.json.xz", "test3.json"),
    ("test3b.json", "test3b.xml", "test3b.yaml"),
    ("test4.json", "test4.xml", "test4.yaml"),
    ("test5.json", "test5.xml", "test5.yaml"),
    ("test6a.json", "test6a.xml"),
    ("test6b.json", "test6b.xml"),
    ("test7.json", "test7.yaml"),
]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function: name and contents (text, bytes, or anything for JSON) -> path of the file."""

    def make(name: str, contents: Any) -> Path:
        path = tmp_path / name
        if not isinstance(contents, str | bytes):
            contents = json.dumps(contents)
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode("utf-8"))
        return path

    return make


def read_strictly(path: Path) -> Pool:
    return read_kep_solver(path, Complaints())


def read_forgivingly(path: Path) -> tuple[Pool, list[str]]:
    complaints = Complaints(is_forgiving=True)
    return read_kep_solver(path, complaints), complaints.found


def donor(source: int | str, *matches: tuple[int | str, float], **more: Any) -> dict[str, Any]:
    return {"sources": [source], "matches": [{"recipient": r, "score": s} for r, s in matches], **more}


def arcs_of(pool: Pool) -> dict[tuple[str, str], float]:
    return {(arc.donor, arc.recipient): arc.weight for arc in pool.arcs}


# The published files


def test_every_published_pool_has_as_many_pairs_and_non_directed_donors_as_the_reference_says(
    shared: Shared,
) -> None:
    rows = json.loads(shared("reference/kidney_optima.json").read_text(encoding="utf-8"))["optima"]
    counts = {row["file"]: (row["pairs"], row["ndds"]) for row in rows}
    read = checked = 0
    for folder in FOLDERS:
        for path in sorted(shared(f"data/kidney/{folder}").iterdir()):
            if path.suffix in (".npz", ".genconfig") or "_output" in path.name or "test7" in path.name:
                continue
            pool = read_strictly(path)
            read += 1
            assert pool.pairs, path
            if (name := f"{folder}/{path.name}") in counts:
                checked += 1
                assert (len(pool.pairs), len(pool.ndds)) == counts[name], path
    assert (read, checked) == (49, 14)


def test_the_small_published_pools_clear_to_the_reference(shared: Shared) -> None:
    rows = json.loads(shared("reference/kidney_optima.json").read_text(encoding="utf-8"))["optima"]
    checked = 0
    for row in rows:
        if row["pairs"] > 100 or not row["file"].startswith(FOLDERS):
            continue
        pool = read_strictly(shared(f"data/kidney/{row['file']}"))
        run = clear_pool(
            pool,
            equal_priorities(pool),
            policy=Policy.EQUAL,
            cycle_cap=row["cycle_cap"],
            chain_cap=row["chain_cap"],
        )
        assert (run.transplants, run.status) == (row["transplants"], SolveStatus.OPTIMAL), row
        checked += 1
    assert checked == 21


@pytest.mark.parametrize("names", SAME, ids=lambda names: names[0] + "-" + names[1])
def test_one_pool_in_several_layouts_is_one_pool(shared: Shared, names: tuple[str, ...]) -> None:
    pools = [read_forgivingly(shared(f"data/kidney/kep_solver/{name}"))[0] for name in names]
    if names[1] == "test1.xml":  # XML says nothing of recipients.
        pools[0] = replace(
            pools[0],
            pairs=tuple(replace(p, patient_blood_group=None, cpra=None) for p in pools[0].pairs),
        )
    for pool in pools[1:]:
        assert (pool.pairs, pool.ndds) == (pools[0].pairs, pools[0].ndds)
        assert pool.arcs == pools[0].arcs


def test_a_match_to_a_recipient_for_whom_nobody_gives_is_refused_with_its_place(shared: Shared) -> None:
    path = shared("data/kidney/kep_solver/test7.json")
    with pytest.raises(BadPool, match=r'test7\.json: data\["121"\]\.matches\[1\]: donor 121: recipient 0 is'):
        read_strictly(path)
    pool, found = read_forgivingly(path)
    assert (len(pool.pairs), len(pool.ndds), len(pool.arcs), len(found)) == (120, 5, 922, 1)
    in_yaml = read_forgivingly(shared("data/kidney/kep_solver/test7.yaml"))[1]
    assert [text.partition(": ")[0].rpartition("/")[2] for text in in_yaml] == [
        "test7.yaml:2248",
        "test7.yaml:2590",
    ]


@pytest.mark.parametrize("name", ["test9_output.json", "test9_output.xml"])
def test_a_result_of_kep_solver_is_not_taken_for_a_pool(shared: Shared, name: str) -> None:
    with pytest.raises(BadPool, match=r"is it a pool for kep_solver|a pool is <data> with <entry> inside"):
        read_strictly(shared(f"data/kidney/kep_solver/{name}"))


# What the parts of a file mean


def test_donors_of_one_recipient_become_one_pair_with_the_best_score_of_each_arc(write: Write) -> None:
    document = {
        "data": {
            "a": donor(1, (2, 5), (3, 1), bloodtype="O"),
            "b": donor(1, (3, 4), (2, 5), bloodtype="O"),
            "c": donor(2, (1, 1), bloodtype="A"),
            "d": donor(3, (1, 1), bloodtype="A"),
            "e": donor(3, bloodtype="B"),
        }
    }
    pool = read_strictly(write("pool.json", document))
    assert [(p.id, p.donors, p.donor_blood_group) for p in pool.pairs] == [
        ("1", ("a", "b"), BloodGroup.O),
        ("2", (), BloodGroup.A),
        ("3", ("d", "e"), None),
    ]
    assert [(a.donor, a.recipient, a.weight, a.giver) for a in pool.arcs] == [
        ("1", "2", 5.0, "a"),
        ("1", "3", 4.0, "b"),
        ("2", "1", 1.0, ""),
        ("3", "1", 1.0, "d"),
    ]


def test_a_donor_who_matches_the_own_recipient_makes_the_pair_compatible(write: Write) -> None:
    document = {"data": {"1": donor(1, (1, 2)), "2": donor(2, (1, 1)), "3": donor(2, (2, 1))}}
    pool = read_strictly(write("pool.json", document))
    assert [pair.is_compatible for pair in pool.pairs] == [True, True]
    assert [(a.donor, a.giver) for a in pool.arcs if a.donor == a.recipient] == [("1", ""), ("2", "3")]


def test_a_donor_with_no_recipient_is_non_directed_and_never_confused_with_a_pair(write: Write) -> None:
    document = {
        "data": {
            "7": {"altruistic": True, "matches": [{"recipient": 8, "score": 1}], "bloodtype": "AB"},
            "9": {"matches": [{"recipient": 7, "score": 2}]},
            "1": donor(7),
            "2": donor(8, (7, 1), altruistic=False),
        }
    }
    pool = read_strictly(write("pool.json", document))
    assert [p.id for p in pool.pairs] == ["7", "8"]
    assert [(d.id, d.blood_group) for d in pool.ndds] == [("N7", BloodGroup.AB), ("N9", None)]
    assert arcs_of(pool) == {("8", "7"): 1.0, ("N7", "8"): 1.0, ("N9", "7"): 2.0}


def test_the_prefix_of_non_directed_donors_is_one_that_no_recipient_has(write: Write) -> None:
    document = {"data": {"7": {}, "1": donor(7), "2": donor("N7")}}
    pool = read_strictly(write("pool.json", document))
    assert ([p.id for p in pool.pairs], [d.id for d in pool.ndds]) == (["7", "N7"], ["NN7"])


@pytest.mark.parametrize("key", ["bloodtype", "bloodgroup"])
def test_blood_groups_and_fractions_are_read_from_the_first_layout(write: Write, key: str) -> None:
    document = {"data": {"1": donor(4, **{key: "B"})}, "recipients": {"4": {key: "AB", "pra": 0.25}}}
    pair = read_strictly(write("pool.json", document)).pairs[0]
    assert (pair.patient_blood_group, pair.donor_blood_group, pair.cpra) == (
        BloodGroup.AB,
        BloodGroup.B,
        0.25,
    )


@pytest.mark.parametrize("schema", [2, 3])
def test_the_later_layouts_give_percentages(write: Write, schema: int) -> None:
    document = {
        "schema": schema,
        "donors": {
            "1": {"id": "1", "paired_recipients": ["4"], "outgoing_transplants": []},
            "2": {
                "id": "2",
                "paired_recipients": [],
                "outgoing_transplants": [{"recipient": "4", "score": 3}],
            },
        },
        "recipients": {"4": {"id": "4", "cPRA": 0.5}},
    }
    pool = read_strictly(write("pool.json", document))
    assert (pool.pairs[0].cpra, pool.ndds[0].id, arcs_of(pool)) == (0.005, "2", {("2", "4"): 3.0})


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_packed_files_are_read_and_damaged_ones_refused(
    write: Write, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(json.dumps({"data": {str(i): donor(i) for i in range(50)}}).encode())
    assert len(read_strictly(write("pool.json" + suffix, packed)).pairs) == 50
    with pytest.raises(BadPool, match=r"cannot be unpacked \(.*; is it a complete \.[gx]z file"):
        read_strictly(write("cut.json" + suffix, packed[:-12]))
    with pytest.raises(BadPool, match="cannot be unpacked"):
        read_strictly(write("plain.json" + suffix, b"{}"))


# What does not fit


GOOD = donor(2, (1, 1))
BAD_ROWS: list[tuple[Any, str, int, int]] = [
    # The entry of donor 1, the complaint, how many pairs and arcs are left when forgiving.
    (5, r'data\["1"\]: donor 1 should have keys and values, not 5', 1, 0),
    (donor(1) | {"sources": [1, 2]}, r'data\["1"\]\.sources: donor 1 gives for 2 recipients', 1, 0),
    (donor(1) | {"sources": 1}, r'data\["1"\]\.sources: .* should be a list', 1, 0),
    (donor(1) | {"sources": [None]}, r'data\["1"\]\.sources: donor 1 gives for None, which is no id', 1, 0),
    (donor(1) | {"sources": [True]}, r"gives for True, which is no id", 1, 0),
    (
        donor(1, altruistic=True),
        r'data\["1"\]: donor 1 is called altruistic, but gives for a recipient',
        1,
        0,
    ),
    ({"altruistic": False}, r'data\["1"\]: donor 1 is not altruistic, but gives for nobody', 1, 0),
    (donor(1, altruistic="no"), r'data\["1"\]\.altruistic: should be true or false', 1, 0),
    (donor(1) | {"matches": {"2": 1}}, r'data\["1"\]\.matches: .* should be a list', 1, 0),
    (donor(1) | {"id": "5"}, r"data\[\"1\"\]\.id: donor 1 is called '5' here", 1, 0),
    (
        donor(1, (2, 1), (3, 1)),
        r'data\["1"\]\.matches\[2\]: donor 1: recipient 3 is matched, but no donor',
        2,
        2,
    ),
    (donor(1, (2, 1), (2, 3)), r'data\["1"\]\.matches\[2\]: donor 1: recipient 2 is matched twice', 2, 2),
    (donor(1, (2, -1)), r"matches\[1\]: .* a number of at least 0, not -1", 2, 1),
    (donor(1, (2, float("nan"))), r"a number of at least 0, not nan", 2, 1),
    (donor(1, (2, float("inf"))), r"a number of at least 0, not inf", 2, 1),
    (donor(1, (2, 10**400)), r"a number of at least 0, not 1000", 2, 1),
    (donor(1) | {"matches": [{"recipient": 2, "score": "3"}]}, r"at least 0, not '3'", 2, 1),
    (donor(1) | {"matches": [{"recipient": 2, "score": True}]}, r"at least 0, not True", 2, 1),
    (donor(1) | {"matches": [{"recipient": 2}]}, r"at least 0, not None", 2, 1),
    (donor(1) | {"matches": [{"score": 2}]}, r"a match should name its recipient, not None", 2, 1),
    (donor(1) | {"matches": [7]}, r"a match should have a recipient and a score, not 7", 2, 1),
    (donor(1, bloodtype="0"), r"data\[\"1\"\]\.bloodtype: the blood group of donor 1 is '0'", 2, 1),
    (donor(1, bloodtype=["A"]), r"the blood group of donor 1 is \['A'\]", 2, 1),
]


@pytest.mark.parametrize(("entry", "complaint", "pairs", "arcs"), BAD_ROWS)
def test_what_does_not_fit_is_refused_with_its_place_and_left_out_when_forgiving(
    write: Write, entry: Any, complaint: str, pairs: int, arcs: int
) -> None:
    path = write("pool.json", {"data": {"1": entry, "2": GOOD}})
    with pytest.raises(BadPool, match=complaint):
        read_strictly(path)
    pool, found = read_forgivingly(path)
    assert found
    assert (len(pool.pairs), len(pool.arcs)) == (pairs, arcs)


@pytest.mark.parametrize(
    ("recipients", "complaint"),
    [
        ({"1": {"pra": 1.5}}, r'recipients\["1"\]\.pra: the pra of recipient 1 is 1\.5; give a fraction'),
        ({"1": {"pra": "high"}}, r"the pra of recipient 1 is 'high'"),
        ({"1": {"bloodgroup": "C"}}, r'recipients\["1"\]\.bloodgroup: the blood group of recipient 1'),
        ({"1": []}, r'recipients\["1"\]: recipient 1 should have keys and values'),
        ({"9": {}}, r'recipients\["9"\]: no donor of this file would give for recipient 9'),
    ],
)
def test_a_recipient_of_whom_something_does_not_fit_stays_without_it(
    write: Write, recipients: dict[str, Any], complaint: str
) -> None:
    path = write("pool.json", {"data": {"1": donor(1)}, "recipients": recipients})
    with pytest.raises(BadPool, match=complaint):
        read_strictly(path)
    assert read_forgivingly(path)[0].pairs == (Pair(id="1"),)


def test_a_percentage_outside_its_range_and_an_unlisted_recipient_are_refused(write: Write) -> None:
    document: dict[str, Any] = {
        "schema": 3,
        "donors": {"1": {"paired_recipients": ["4"]}, "2": {"paired_recipients": ["5"]}},
        "recipients": {"4": {"cPRA": 101}},
    }
    with pytest.raises(BadPool) as caught:
        read_strictly(write("pool.json", document))
    assert "2 complaints" in str(caught.value)
    assert 'donors["2"].paired_recipients: donor 2 gives for recipient 5, whom the file does not list' in str(
        caught.value
    )
    assert 'recipients["4"].cPRA: the cPRA of recipient 4 is 101; give a percentage' in str(caught.value)


FRAMES = [
    ("pool.json", '{"data": {\n"1": }}', r"pool\.json:2: not valid JSON"),
    ("pool.json", '{"data": {"1": {}, "1": {}}}', 'the key "1" is given twice'),
    ("pool.json", "[]", "has neither 'data' nor 'donors'"),
    ("pool.json", '{"data": []}', "data should hold an entry per id, not list"),
    ("pool.json", '{"data": {}, "recipients": 3}', "recipients should hold an entry per id, not int"),
    ("pool.json", '{"donors": {}}', "schema null is not known"),
    ("pool.json", '{"schema": 9, "donors": {}}', "schema 9 is not known"),
    ("pool.json", "[" * 100_000, "nested too deeply"),
    ("pool.json", '{"data": ' + "1" * 5000 + "}", "a number that cannot be read"),
    ("pool.json", b'{"data": "\xff"}', r"pool\.json:1: not UTF-8"),
    ("pool.csv", "", "unknown kind of kep_solver file"),
    ("pool.yaml", "schema: 1\ndonors: [\n", r"pool\.yaml:3: not valid YAML"),
    ("pool.yaml", "schema: 1\n", "has no 'donors'"),
    ("pool.yaml", "", "has no 'donors'"),
    ("pool.yaml", "donors: {}\n", "schema None is not known"),
    ("pool.yaml", "schema: 1\ndonors:\n  1: {}\n  '1': {}\n", r"pool\.yaml:4: the key '1' is given twice"),
    ("pool.yaml", "schema: 1\ndonors:\n  [1]: {}\n", r"pool\.yaml:3: a key should be plain text"),
    ("pool.yaml", "schema: 1\na: &a []\ndonors: *a\n", r"pool\.yaml:2: repeats a part by reference"),
    ("pool.yaml", "schema: 1\x00", "not valid YAML"),
    ("pool.xml", "<data>\n<entry></data>", r"pool\.xml:2: not valid XML: mismatched tag"),
    ("pool.xml", "<pool/>", r"pool\.xml:1: <pool> is not expected"),
    ("pool.xml", "", r"pool\.xml:1: not valid XML"),
    ("pool.xml", '<!DOCTYPE data [<!ENTITY a "b">]>\n<data/>', r"pool\.xml:1: document types"),
    ("pool.xml", '<?xml version="1.0" encoding="klingon"?><data/>', r"pool\.xml:1: .*encoding"),
]


@pytest.mark.parametrize(("name", "contents", "complaint"), FRAMES)
@pytest.mark.parametrize("is_forgiving", [False, True])
def test_a_file_with_a_broken_frame_is_refused_either_way(
    write: Write, name: str, contents: str | bytes, complaint: str, is_forgiving: bool
) -> None:
    with pytest.raises(BadPool, match=complaint):
        read_kep_solver(write(name, contents), Complaints(is_forgiving=is_forgiving))


def test_complaints_about_xml_name_lines(write: Write) -> None:
    text = """<data>
  <entry donor_id="1">
    <sources><source>1</source></sources>
    <bloodgroup>X</bloodgroup>
    <matches>
      <match><recipient>2</recipient><score>3</score></match>
      <match><recipient>2</recipient>
        <score>much</score></match>
      <match><recipient>5</recipient><score>1</score></match>
    </matches>
  </entry>
  <entry donor_id="2"><sources><source>2</source></sources></entry>
  <entry donor_id="2"><sources><source>3</source></sources></entry>
  <entry><sources><source>4</source></sources></entry>
  <entry donor_id="6"><altruistic>perhaps</altruistic></entry>
</data>
"""
    pool, found = read_forgivingly(write("pool.xml", text))
    lines = sorted(int(complaint.partition("pool.xml:")[2].partition(":")[0]) for complaint in found)
    assert lines == [4, 7, 9, 13, 14, 15]
    assert any("13: donor 2 was described in line 12; remove one entry" in complaint for complaint in found)
    assert any("15: should be true or false, not 'perhaps'" in complaint for complaint in found)
    assert ([p.id for p in pool.pairs], arcs_of(pool), pool.ndds) == (["1", "2"], {("1", "2"): 3.0}, ())


def test_complaints_about_yaml_name_lines(write: Write) -> None:
    text = """schema: 1
donors:
  1:
    recipients: [1]
    matches:
    - {recipient_id: 2, score: 0x1F}
    - recipient_id: 2
      score: .5
  2:
    recipients:
    - 3
  4: {recipients: ['2'], altruistic: no, bloodtype: ~}
recipients: {1: {}, '2': {pra: 0.5, bloodgroup: O}}
"""
    pool, found = read_forgivingly(write("pool.yaml", text))
    lines = sorted(int(complaint.partition("pool.yaml:")[2].partition(":")[0]) for complaint in found)
    assert lines == [6, 10]
    assert pool.pairs == (
        Pair(id="1"),
        Pair(id="2", patient_blood_group=BloodGroup.O, cpra=0.5),
    )
    assert arcs_of(pool) == {("1", "2"): 0.5}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
PLACES: list[tuple[str | int, ...]] = [
    ("data",),
    ("data", "1"),
    ("data", "1", "sources"),
    ("data", "1", "sources", 0),
    ("data", "1", "matches"),
    ("data", "1", "matches", 0),
    ("data", "1", "matches", 0, "recipient"),
    ("data", "1", "matches", 0, "score"),
    ("data", "1", "bloodtype"),
    ("data", "1", "altruistic"),
    ("recipients",),
    ("recipients", "1"),
    ("recipients", "1", "pra"),
    ("recipients", "1", "bloodgroup"),
]


@given(place=st.sampled_from(PLACES), value=ANYTHING)
@settings(max_examples=150)
def test_whatever_stands_at_a_place_is_read_or_complained_of(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str | int, ...], value: Any
) -> None:
    document: Any = {
        "data": {"1": donor(1, (2, 1), bloodtype="A"), "2": donor(2, (1, 1))},
        "recipients": {"1": {"pra": 0.1, "bloodgroup": "O"}},
    }
    inside = document
    for part in place[:-1]:
        inside = inside[part]
    inside[place[-1]] = value
    path = tmp_path_factory.mktemp("kep") / "pool.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        pool, found = read_forgivingly(path)
    except BadPool:
        return  # A broken frame.
    if found:
        with pytest.raises(BadPool):
            read_strictly(path)
    else:
        assert read_strictly(path) == pool


# Writing


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Draw pools of which the format can say everything, but the order of arcs."""
    ids = draw(st.lists(st.text(min_size=1, max_size=3), unique=True, min_size=1, max_size=5))
    n_ndds = draw(st.integers(0, len(ids)))
    ndd_ids, pair_ids = ids[:n_ndds], ids[n_ndds:]
    groups = st.none() | st.sampled_from(BloodGroup)
    weights = st.floats(0, 1e9)
    pairs, arcs = [], []
    for i, pair_id in enumerate(pair_ids):
        donors = (
            tuple(f"donor {i}.{k} of them" for k in range(draw(st.integers(2, 3))))
            if draw(st.booleans())
            else ()
        )
        to = draw(st.lists(st.sampled_from(pair_ids), unique=True))
        pairs.append(
            Pair(
                id=pair_id,
                patient_blood_group=draw(groups),
                donor_blood_group=draw(groups),
                cpra=draw(st.none() | st.floats(0, 1)),
                is_compatible=pair_id in to,
                donors=donors,
            )
        )
        giver = st.sampled_from(donors) if donors else st.just("")
        arcs += [Arc(donor=pair_id, recipient=r, weight=draw(weights), giver=draw(giver)) for r in to]
    for ndd_id in ndd_ids:
        to = draw(st.lists(st.sampled_from(pair_ids), unique=True)) if pair_ids else []
        arcs += [Arc(donor=ndd_id, recipient=r, weight=draw(weights)) for r in to]
    return Pool(
        pairs=tuple(pairs),
        ndds=tuple(NonDirectedDonor(id=d, blood_group=draw(groups)) for d in ndd_ids),
        arcs=tuple(arcs),
        source="drawn",
    )


@given(pool=pools(), name=st.sampled_from(["pool.json", "pool.json.gz", "pool.json.xz"]))
@settings(max_examples=150)
def test_a_written_pool_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, pool: Pool, name: str
) -> None:
    path = tmp_path_factory.mktemp("kep") / name
    write_kep_solver(pool, path)
    back = read_strictly(path)
    assert (back.pairs, back.ndds, back.source) == (pool.pairs, pool.ndds, str(path))
    assert set(back.arcs) == set(pool.arcs)
    assert len(back.arcs) == len(pool.arcs)
    first = path.read_bytes()
    write_kep_solver(pool, path)
    assert path.read_bytes() == first


def test_published_pools_read_back_the_same(shared: Shared, tmp_path: Path) -> None:
    for name in (
        "kep_solver/large-1.json.gz",
        "kep_solver/test8c.json",
        "generated/uk_band_pra0_100_5_seed1.json.gz",
    ):
        pool = read_strictly(shared(f"data/kidney/{name}"))
        write_kep_solver(pool, tmp_path / "pool.json")
        back = read_strictly(tmp_path / "pool.json")
        assert replace(back, source="", arcs=()) == replace(pool, source="", arcs=())
        assert set(back.arcs) == set(pool.arcs)


def test_no_two_written_donors_have_the_same_id(tmp_path: Path) -> None:
    pool = Pool(
        pairs=(Pair(id="1"), Pair(id="2", donors=("1", "1-donor"))),
        arcs=(Arc(donor="1", recipient="2"), Arc(donor="2", recipient="1")),
        source="by hand",
    )
    write_kep_solver(pool, tmp_path / "pool.json")
    document = json.loads((tmp_path / "pool.json").read_text(encoding="utf-8"))
    assert list(document["data"]) == ["1-donor-donor", "1", "1-donor"]
    # The arc that names no giver is the first donor's.
    assert document["data"]["1"]["matches"] == [{"recipient": "1", "score": 1.0}]
    back = read_strictly(tmp_path / "pool.json")
    assert (back.pairs, arcs_of(back)) == (pool.pairs, arcs_of(pool))


@pytest.mark.parametrize("name", ["pool.xml", "pool.yaml", "pool.csv"])
def test_other_layouts_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match=r"are written as \.json, \.json\.gz, \.json\.xz"):
        write_kep_solver(Pool(pairs=(), source="empty"), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_donors_that_share_an_id_are_refused(tmp_path: Path) -> None:
    pairs = (Pair(id="1", donors=("x", "y")), Pair(id="2", donors=("z", "x")))
    with pytest.raises(BadRequest, match=r"two donors have the id 'x' \(one of pair '2'\)"):
        write_kep_solver(Pool(pairs=pairs, source="by hand"), tmp_path / "pool.json")
