from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exchange.errors import BadPool
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
        '{\n"format": "equipoise-pool",\n"format_version": 1,\n"source": "by hand",\n'
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
            r"bad.json: pairs\[4\]\.patient_blood_group: ",
        ),
        (lambda d: d["pairs"][3].update(cpra=45), "bad.json: .*fraction between 0 and 1"),
        (lambda d: d["arcs"].append(["P1", "P1", 1, 1]), "bad.json: .*to itself"),
        (lambda d: d["arcs"].append(["P1", "P2"]), "bad.json: arcs"),
        (
            lambda d: d["pairs"][0]["profile"]["values"].update(age="ancient"),
            r"bad.json: pairs\[1\]\.profile: .*age",
        ),
        (lambda d: d["pairs"][0]["profile"]["values"].pop("age"), r"bad.json: pairs\[1\]\.profile: .*age"),
        (lambda d: d["attributes"][0].update(kind="ordinal"), r"bad.json: .*attributes\[1\]: kind"),
    ],
)
def test_a_malformed_pool_file_names_the_place(
    change: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    with pytest.raises(BadPool, match=complaint):
        parse_pool(_spoilt(change), "bad.json")


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
