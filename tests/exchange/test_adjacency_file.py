from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import BadPool, BadRequest
from exchange.formats.adjacency_file import read_adjacency, write_adjacency
from exchange.formats.text_rows import Complaints
from exchange.pool import Arc, BloodGroup, NonDirectedDonor, Pair, Pool

Shared = Callable[[str], Path]

FILES = ["sparse_512_26.npz", "sparse_1024_51.npz", "saidman_2048_102.npz"]


def read_strictly(path: Path) -> Pool:
    return read_adjacency(path, Complaints())


def keys(**changes: Any) -> dict[str, Any]:
    """Return the keys of a small file: P0 -> P1 -> P2 -> P0, P1 compatible, N0 -> P2; None takes a key away."""
    among = np.array([[0, 1, 0], [0, 1, 1], [1, 0, 0]], dtype=np.uint8)
    found = {
        "n": np.int64(3),
        "m": np.int64(1),
        "abits": np.packbits(among),
        "bbits": np.packbits(np.array([[0, 0, 1]], dtype=np.uint8)),
        "patient_bt": np.array([0, 1, 255], dtype=np.uint8),
        "donor_bt": np.array([2, 3, 0], dtype=np.uint8),
        "ndd_bt": np.array([1], dtype=np.uint8),
        "pra": np.array([0.05, np.nan, 0.9], dtype=np.float32),
    } | changes
    return {key: value for key, value in found.items() if value is not None}


def test_a_small_file_means_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    np.savez(path, **keys())
    assert read_strictly(path) == Pool(
        pairs=(
            Pair(id="P0", patient_blood_group=BloodGroup.O, donor_blood_group=BloodGroup.B, cpra=0.05),
            Pair(
                id="P1",
                patient_blood_group=BloodGroup.A,
                donor_blood_group=BloodGroup.AB,
                is_compatible=True,
            ),
            Pair(id="P2", donor_blood_group=BloodGroup.O, cpra=0.9),
        ),
        ndds=(NonDirectedDonor(id="N0", blood_group=BloodGroup.A),),
        arcs=tuple(
            Arc(donor=donor, recipient=recipient)
            for donor, recipient in [("P0", "P1"), ("P1", "P1"), ("P1", "P2"), ("P2", "P0"), ("N0", "P2")]
        ),
        source=str(path),
    )


def test_blood_groups_cpra_and_the_donors_of_an_empty_side_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    np.savez(path, **keys(m=np.int64(0), bbits=None, patient_bt=None, donor_bt=None, ndd_bt=None, pra=None))
    pool = read_strictly(path)
    assert pool.ndds == ()
    assert {(p.patient_blood_group, p.donor_blood_group, p.cpra) for p in pool.pairs} == {(None, None, None)}


@pytest.mark.parametrize("name", FILES)
def test_generated_pools_have_the_members_of_the_reference_and_the_arcs_of_a_plain_reading(
    shared: Shared, name: str
) -> None:
    path = shared(f"data/kidney/generated/{name}")
    rows = json.loads(shared("reference/kidney_optima.json").read_text(encoding="utf-8"))["optima"]
    expected = {(row["pairs"], row["ndds"]) for row in rows if row["file"] == f"generated/{name}"}
    pool = read_strictly(path)
    assert {(len(pool.pairs), len(pool.ndds))} == expected
    # Place k of a matrix is bit k % 8, counted from the highest, of byte k // 8.
    with np.load(path) as loaded:
        packed = {"P": loaded["abits"].tobytes(), "N": loaded["bbits"].tobytes()}
    assert len(pool.arcs) == sum(byte.bit_count() for data in packed.values() for byte in data)
    n = len(pool.pairs)
    for arc in pool.arcs[:: 1 + len(pool.arcs) // 10_000]:
        place = int(arc.donor[1:]) * n + int(arc.recipient[1:])
        assert packed[arc.donor[0]][place // 8] >> (7 - place % 8) & 1, arc


BAD = [
    ({"n": None}, "the key 'n' is absent"),
    ({"n": np.float64(3)}, "n should hold whole numbers, not float64"),
    ({"n": np.array([3])}, r"n has shape \(1,\), but it should be \(\)"),
    ({"n": np.int64(-1)}, "n is -1; it should be a number from 0"),
    ({"m": np.int64(10**9)}, "m is 1000000000; it should be a number from 0"),
    ({"abits": None}, "the key 'abits' is absent"),
    ({"abits": np.zeros(3, dtype=np.uint8)}, r"abits has shape \(3,\), but it should be \(2,\)"),
    ({"abits": np.zeros(2, dtype=np.uint16)}, r"abits should hold bytes \(uint8\), not uint16"),
    ({"abits": np.zeros((2, 1), dtype=np.uint8)}, r"abits has shape \(2, 1\)"),
    ({"abits": np.array([0, 1], dtype=np.uint8)}, "abits has ones after its 9 places"),
    ({"bbits": None}, "the key 'bbits' is absent"),
    ({"patient_bt": np.zeros(2, dtype=np.uint8)}, r"patient_bt has shape \(2,\), but it should be \(3,\)"),
    ({"donor_bt": np.array(["O", "A", "B"])}, "donor_bt should hold whole numbers, not <U1"),
    ({"pra": np.zeros(3, dtype=np.int64)}, "pra should hold numbers, not int64"),
]


@pytest.mark.parametrize(("changes", "complaint"), BAD)
@pytest.mark.parametrize("is_forgiving", [False, True])
def test_a_key_that_cannot_be_is_named(
    tmp_path: Path, changes: dict[str, Any], complaint: str, is_forgiving: bool
) -> None:
    path = tmp_path / "pool.npz"
    np.savez(path, **keys(**changes))
    with pytest.raises(BadPool, match=rf"pool\.npz: {complaint}"):
        read_adjacency(path, Complaints(is_forgiving=is_forgiving))


def test_values_that_do_not_fit_are_all_named_and_unknown_when_forgiving(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    np.savez(
        path,
        **keys(
            patient_bt=np.array([0, 4, -1], dtype=np.int8),
            ndd_bt=np.array([9], dtype=np.uint8),
            pra=np.array([0.5, 1.5, np.inf]),
        ),
    )
    complaints = Complaints(is_forgiving=True)
    pool = read_adjacency(path, complaints)
    assert [text.partition("npz: ")[2].partition(";")[0] for text in complaints.found] == [
        "patient_bt[1] is 4",
        "patient_bt[2] is -1",
        "ndd_bt[0] is 9",
        "pra[1] is 1.5",
        "pra[2] is inf",
    ]
    assert [pair.patient_blood_group for pair in pool.pairs] == [BloodGroup.O, None, None]
    assert [pair.cpra for pair in pool.pairs] == [0.5, None, None]
    assert len(pool.arcs) == 5
    with pytest.raises(BadPool, match="5 complaints"):
        read_strictly(path)


def test_what_is_no_file_of_matrices_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    np.savez_compressed(path, **keys())
    whole = path.read_bytes()
    for damaged in (b"", b"n, m\n3, 1\n", whole[:-30], whole[: len(whole) // 2], b"PK\x03\x04" + bytes(60)):
        path.write_bytes(damaged)
        with pytest.raises(BadPool, match=r"pool\.npz: not an? (readable )?\.npz file"):
            read_strictly(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BadPool, match="holds a single array"):
        read_strictly(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    np.savez(path, **keys(patient_bt=np.array([{"a": 1}, None, 3], dtype=object)))
    with pytest.raises(BadPool, match=r"not a readable \.npz file .*allow_pickle"):
        read_strictly(path)


def test_a_damaged_byte_never_ends_in_another_error(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    np.savez_compressed(path, **keys())
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            pool = read_adjacency(path, Complaints(is_forgiving=True))
        except BadPool:
            refused += 1
        else:
            assert len(pool.pairs) == 3
    assert refused > len(whole) // 6


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Draw pools of which the layout can say everything."""
    n, m = draw(st.integers(0, 6)), draw(st.integers(0, 3))
    donors = [*(f"P{i}" for i in range(n)), *(f"N{i}" for i in range(m))]
    arcs = [Arc(donor=donor, recipient=f"P{i}") for donor in donors for i in range(n) if draw(st.booleans())]
    compatible = {arc.donor for arc in arcs if arc.donor == arc.recipient}
    groups = st.none() | st.sampled_from(BloodGroup)
    return Pool(
        pairs=tuple(
            Pair(
                id=f"P{i}",
                patient_blood_group=draw(groups),
                donor_blood_group=draw(groups),
                cpra=draw(st.none() | st.floats(0, 1)),
                is_compatible=f"P{i}" in compatible,
            )
            for i in range(n)
        ),
        ndds=tuple(NonDirectedDonor(id=f"N{i}", blood_group=draw(groups)) for i in range(m)),
        arcs=tuple(arcs),
        source="drawn",
    )


@given(pool=pools())
@settings(max_examples=100)
def test_a_written_pool_reads_back_the_same(tmp_path_factory: pytest.TempPathFactory, pool: Pool) -> None:
    path = tmp_path_factory.mktemp("npz") / "pool.npz"
    write_adjacency(pool, path)
    assert replace(read_strictly(path), source="drawn") == pool
    first = path.read_bytes()
    write_adjacency(pool, path)
    assert path.read_bytes() == first


def test_another_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"written as \.npz"):
        write_adjacency(Pool(pairs=(), source="empty"), tmp_path / "pool.bin")
    assert not list(tmp_path.iterdir())
