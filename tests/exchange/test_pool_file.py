from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.errors import BadPool
from exchange.formats.text_rows import Complaints
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool
from exchange.pool_file import parse_pool, pool_text, read_pool, write_pool
from exchange.pool_generator import generate_pool
from survey.design import StudyDesign
from survey.design_file import example_design


@pytest.mark.parametrize("name", ["kidney-8", "kidney-numeric", "kidney-study1"])
def test_a_written_pool_reads_back_the_same_with_its_profiles(name: str, tmp_path: Path) -> None:
    pool = generate_pool(example_design(name), n_pairs=12, n_ndds=2, seed=1)
    write_pool(pool, tmp_path / "pool.json")
    read = read_pool(tmp_path / "pool.json")
    assert read == pool
    assert read.is_simulated
    assert [p.profile.id for p in read.pairs if p.profile] == [p.profile.id for p in pool.pairs if p.profile]
    assert pool_text(read) == (tmp_path / "pool.json").read_text(encoding="utf-8")


def test_unknown_facts_and_arc_numbers_survive_the_file() -> None:
    pool = Pool(
        pairs=(Pair(id="a"), Pair(id="b", patient_blood_group=BloodGroup.AB, cpra=0.1)),
        ndds=(NonDirectedDonor(id="n"),),
        arcs=(Arc(donor="n", recipient="a", weight=0.1 + 0.2, success_probability=1 / 3),),
        source="ünïcode “source”",
    )
    assert parse_pool(pool_text(pool), "x") == pool


def test_the_layout_of_the_file_does_not_change(study: StudyDesign) -> None:
    pool = Pool(
        pairs=(Pair(id="P1"), Pair(id="P2")), arcs=(Arc(donor="P1", recipient="P2"),), source="by hand"
    )
    assert pool_text(pool) == (
        '{\n"format": "equipoise-pool",\n"format_version": 2,\n"source": "by hand",\n'
        '"simulated": false,\n"note": "",\n'
        '"attributes": [],\n"pairs": [\n'
        '{"id": "P1", "patient_blood_group": null, "donor_blood_group": null, "cpra": null, "profile": null},\n'
        '{"id": "P2", "patient_blood_group": null, "donor_blood_group": null, "cpra": null, "profile": null}\n],\n'
        '"ndds": [],\n"arc_columns": ["donor", "recipient", "weight", "success_probability"],\n'
        '"arcs": [\n["P1", "P2", 1.0, 1.0]\n]\n}\n'
    )


def _spoilt(change: Callable[[dict[str, Any]], None]) -> str:
    document = json.loads(pool_text(generate_pool(example_design("kidney-8"), n_pairs=6, n_ndds=1, seed=1)))
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.update(format="other/9"), "bad.json: format: "),
        (lambda d: d.pop("pairs"), "bad.json: pairs: field required"),
        (lambda d: d.pop("simulated"), "bad.json: simulated: field required"),
        (lambda d: d.update(vertices=[]), "bad.json: vertices: "),
        (
            lambda d: d["pairs"][3].update(patient_blood_group="C"),
            r"bad.json:1: pairs\[4\]\.patient_blood_group: ",
        ),
        (lambda d: d["pairs"][3].update(cpra=45), r"bad.json:1: pairs\[4\]: .*fraction between 0 and 1"),
        (lambda d: d["arcs"].append(["P1", "P1", 1, 1]), r"bad.json:1: arcs\[\d+\]: .*to itself"),
        (
            lambda d: d["arcs"].append(["P1", "P2"]),
            r"bad.json:1: arcs\[\d+\]: should be \[donor, recipient, weight, success_probability\], not ",
        ),
        (
            lambda d: d["pairs"][0]["profile"]["values"].update(age="ancient"),
            r"bad.json:1: pairs\[1\]\.profile: .*age",
        ),
        (lambda d: d["pairs"][0]["profile"]["values"].pop("age"), r"bad.json:1: pairs\[1\]\.profile: .*age"),
        (lambda d: d["pairs"][2].update(donors=["x", "x"]), r"pairs\[3\]: .*names a donor twice"),
        (lambda d: d["pairs"][2].update(compatible=True), r"pairs\[3\]: .*has no arc to itself"),
        (lambda d: d["pairs"].append("P9"), r"bad.json:1: pairs\[7\]: "),
        (lambda d: d["pairs"].append(d["pairs"][0]), r"pairs\[7\]: the id 'P1' is given twice"),
        (lambda d: d["ndds"].append({"id": "P1"}), r"ndds\[2\]: the id 'P1' is given twice"),
        (lambda d: d["ndds"][0].update(id=""), r"ndds\[1\]: .*empty id"),
        (lambda d: d["arcs"].append(["P1", "P2", "1", 1]), r"arcs\[\d+\]: should be "),
        (lambda d: d["arcs"].append(["P1", "P2", True, 1]), r"arcs\[\d+\]: should be "),
        (lambda d: d["arcs"].append(["P1", "P2", 10**400, 1]), r"arcs\[\d+\]: should be "),
        (lambda d: d["arcs"].append("abcd"), r"arcs\[\d+\]: should be "),
        (lambda d: d["arcs"].append(d["arcs"][0]), r"given twice, first at bad.json:1: arcs\[1\]"),
        (lambda d: d.update(arc_columns=["donor", "recipient"]), "bad.json: arc_columns: should be donor, "),
        (lambda d: d.update(format_version=3), "bad.json: format_version: "),
        (lambda d: d["attributes"][0].update(kind="ordinal"), r"bad.json: .*attributes\[1\]: kind"),
    ],
)
def test_a_malformed_pool_file_names_the_place(
    change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    with pytest.raises(BadPool, match=complaint):
        parse_pool(_spoilt(change), "bad.json")


def test_a_bad_row_is_named_by_the_line_it_begins_on(tmp_path: Path) -> None:
    pool = generate_pool(example_design("kidney-8"), n_pairs=6, n_ndds=1, seed=1)
    path = tmp_path / "pool.json"
    text = pool_text(pool)
    lines = text.split("\n")
    third = lines.index('"pairs": [') + 3
    first_arc = lines.index('"arcs": [') + 2
    spoilt = [*lines]
    spoilt[third] = lines[third].replace('"P3"', '"P2"')
    spoilt[first_arc] = lines[first_arc].replace(", 1.0, 1.0", ", 1.0, 7.0")
    path.write_text("\n".join(spoilt))
    with pytest.raises(BadPool) as caught:
        read_pool(path)
    message = str(caught.value)
    assert f"{path}:{third + 1}: pairs[3]: the id 'P2' is given twice" in message
    assert f"{path}:{first_arc + 1}: arcs[2]: " in message
    assert "success probability 7" in message


def test_every_layout_of_the_rows_reads_the_same_or_is_refused_the_same() -> None:
    pool = generate_pool(example_design("kidney-8"), n_pairs=8, n_ndds=1, seed=1)
    text = pool_text(pool)
    arcs = text.index('"arcs": [\n') + len('"arcs": [\n')
    end = text.index("\n", arcs)
    for spoilt in (
        text[: end - 1] + text[end:],  # A comma less.
        text[:arcs] + text[arcs + 1 :],  # A bracket less.
        text[:end] + "," + text[end:],  # A comma more.
        text.removesuffix("\n]\n}\n") + ",\n]\n}\n",
    ):
        with pytest.raises(BadPool, match=r"x:\d+: not valid JSON"):
            parse_pool(spoilt, "x")
    for same in (
        text[:end] + text[end + 1 :],  # Two rows on a line.
        text[: arcs + 1] + "\n" + text[arcs + 1 :],  # A row on two lines.
        text[:arcs] + "\n" + text[arcs:],
        text.removesuffix("}\n") + ', "note": "later"}\n',
    ):
        read = parse_pool(same, "x")
        assert (read.pairs, read.arcs) == (pool.pairs, pool.arcs)


def test_a_key_called_arcs_within_something_else_is_not_taken_for_the_arcs() -> None:
    text = pool_text(
        Pool(pairs=(Pair(id="a"), Pair(id="b")), arcs=(Arc(donor="a", recipient="b"),), source="x")
    )
    nested = text.replace('"note": ""', '"note": {\n"arcs": [\n["x", "y", 1, 1]\n]}')
    with pytest.raises(BadPool, match="note: "):
        parse_pool(nested, "x")
    assert (
        parse_pool(text.replace('"source": "x"', '"source": "\\n\\"arcs\\": [\\n"'), "x").source
        == '\n"arcs": [\n'
    )


def test_version_1_is_read() -> None:
    text = (
        '{"format": "equipoise-pool", "format_version": 1, "source": "old", "simulated": true, "note": "", '
        '"attributes": [], "pairs": [{"id": "P1", "patient_blood_group": "O", "donor_blood_group": null, '
        '"cpra": 0.5, "profile": null}, {"id": "P2"}], "ndds": [{"id": "N", "blood_group": "AB"}], '
        '"arc_columns": ["donor", "recipient", "weight", "success_probability"], "arcs": [["N", "P2", 1, 0.5]]}'
    )
    assert parse_pool(text, "x") == Pool(
        pairs=(Pair(id="P1", patient_blood_group=BloodGroup.O, cpra=0.5), Pair(id="P2")),
        ndds=(NonDirectedDonor(id="N", blood_group=BloodGroup.AB),),
        arcs=(Arc(donor="N", recipient="P2", success_probability=0.5),),
        source="old",
        is_simulated=True,
    )


def test_compatible_pairs_and_several_donors_have_their_place_in_the_file() -> None:
    pool = Pool(
        pairs=(Pair(id="a", is_compatible=True, donors=("x", "y")), Pair(id="b")),
        arcs=(Arc(donor="a", recipient="a", giver="y"), Arc(donor="b", recipient="a")),
        source="by hand",
    )
    text = pool_text(pool)
    assert '"profile": null, "compatible": true, "donors": ["x", "y"]}' in text
    assert '["a", "a", 1.0, 1.0, "y"],\n["b", "a", 1.0, 1.0, ""]' in text
    with pytest.raises(BadPool, match=r"x:\d+: arcs\[1\]: .*giver 'z', who is not among the donors of 'a'"):
        parse_pool(text.replace('1.0, "y"]', '1.0, "z"]'), "x")


def test_a_long_list_of_arcs_is_read_in_parts_with_the_right_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = generate_pool(example_design("kidney-8"), n_pairs=40, n_ndds=2, seed=1)
    text = pool_text(pool)
    monkeypatch.setattr("exchange.formats.pool_json_file._CHUNK", 50)
    assert parse_pool(text, "x") == pool
    last = f"arcs[{len(pool.arcs)}]"
    spoilt = text.removesuffix("1.0]\n]\n}\n") + "5.0]\n]\n}\n"
    with pytest.raises(BadPool) as caught:
        parse_pool(spoilt, "x")
    assert str(caught.value).startswith(f"x:{text.count(chr(10)) - 2}: {last}: ")


def test_left_out_rows_are_counted_with_the_arcs_they_take_along() -> None:
    document = json.loads(_spoilt(lambda d: d["pairs"][0].update(cpra=45)))
    n_arcs = sum("P1" in arc[:2] for arc in document["arcs"])
    complaints = Complaints(is_forgiving=True)
    pool = parse_pool(json.dumps(document), "x", complaints)
    assert [p.id for p in pool.pairs] == ["P2", "P3", "P4", "P5", "P6"]
    assert n_arcs > 0
    assert complaints.rows_left_out == 1 + n_arcs
    assert complaints.found[0].startswith("x:1: pairs[1]: pair 'P1' has cPRA 45")
    assert sum(int(text.split(": ")[2].split()[0]) for text in complaints.found[1:]) == n_arcs


def test_a_compatible_pair_without_its_arc_stays_as_an_ordinary_pair() -> None:
    pool = Pool(
        pairs=(Pair(id="a", is_compatible=True), Pair(id="b")),
        arcs=(Arc(donor="a", recipient="a"), Arc(donor="a", recipient="b")),
        source="x",
    )
    complaints = Complaints(is_forgiving=True)
    read = parse_pool(pool_text(pool).replace('["a", "a", 1.0', '["a", "a", -1.0'), "x", complaints)
    assert read.pairs == (Pair(id="a"), Pair(id="b"))
    assert read.arcs == (Arc(donor="a", recipient="b"),)
    assert complaints.rows_left_out == 1
    assert ["weight -1" in complaints.found[0], "no arc to itself" in complaints.found[1]] == [True, True]


def test_a_broken_frame_is_refused_however_forgiving() -> None:
    for text in (
        "[]",
        "{}",
        _spoilt(lambda d: d.update(format_version=9)),
        _spoilt(lambda d: d.update(arcs={})),
    ):
        with pytest.raises(BadPool):
            parse_pool(text, "x", Complaints(is_forgiving=True))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"pairs": ' + "9" * 5000 + "}"])
def test_json_beyond_what_can_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadPool, match="x: not JSON that can be read"):
        parse_pool(text, "x")


def test_a_byte_order_mark_is_no_harm_and_utf_16_is_named(tmp_path: Path) -> None:
    pool = Pool(pairs=(Pair(id="ü"),), source="x")
    path = tmp_path / "pool.json"
    path.write_bytes(b"\xef\xbb\xbf" + pool_text(pool).replace("\n", "\r\n").encode())
    assert read_pool(path) == pool
    path.write_text(pool_text(pool), encoding="utf-16")
    with pytest.raises(BadPool, match=r"pool\.json: UTF-16, not UTF-8"):
        read_pool(path)


def test_broken_json_names_the_line() -> None:
    with pytest.raises(BadPool, match=r"bad\.json:2: not valid JSON"):
        parse_pool('{\n"format": oops\n}', "bad.json")


def test_a_missing_file_an_unknown_kind_and_binary_garbage_are_complained_about(tmp_path: Path) -> None:
    with pytest.raises(BadPool, match=r"absent\.json: No such file"):
        read_pool(tmp_path / "absent.json")
    with pytest.raises(BadPool, match="unknown kind of pool file"):
        read_pool(tmp_path / "pool.xlsx")
    (tmp_path / "pool.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadPool, match="not UTF-8"):
        read_pool(tmp_path / "pool.json")


def test_json_that_is_no_object_is_refused_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "pool.json"
    path.write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(BadPool, match=r"pool\.json: holds no JSON object"):
        read_pool(path)
