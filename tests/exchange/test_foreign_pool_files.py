from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange.errors import BadPool
from exchange.formats.text_rows import Complaints
from exchange.pool import BloodGroup, Pair
from exchange.pool_file import parse_pool, pool_text, read_pool, write_pool

Shared = Callable[[str], Path]

OLD_WMD = "3,4\n1,Pair 1 \n2,Pair 2 \n3,Alturist 3 \n0,1,1\n1,0,1\n0,2,0\n2,1,1\n"
NEW_WMD = """\
# FILE NAME: x.wmd
# NUMBER ALTERNATIVES: 3
# NUMBER EDGES: 4
# ALTERNATIVE NAME 1: Pair 1
# ALTERNATIVE NAME 2: Pair 2
# ALTERNATIVE NAME 3: Alturist 3
1,2,1.0
2,1,1.0
1,3,0.0
3,2,1.0
"""
DAT = "Pair,Patient,Donor,Wife-P?,%Pra,Out-Deg,Altruist\n1,O,A,0,0.05,1,0\n2,AB,B,1,0.2875,1,0\n3,O,O,0,0.05,1,1\n"
BPMDD = "3 1 2 5\n[[2],\n[1],\n[2]]\n[[1],\n[1],\n[1]]\n"
INPUT = "2 2\n0 1 1\n1 0 1.5\n-1 -1 -1\n"
NDDS = "1 1\n0 1 2\n-1 -1 -1\n"


def write(folder: Path, **files: str) -> Path:
    """Write files named like ``pool_wmd`` and return the path of the first."""
    paths = []
    for name, text in files.items():
        path = folder / name.replace("_", ".")
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths[0]


@pytest.mark.parametrize("text", [OLD_WMD, NEW_WMD])
def test_old_and_new_wmd_files_describe_the_same_pool(tmp_path: Path, text: str) -> None:
    pool = read_pool(write(tmp_path, pool_wmd=text, pool_dat=DAT))
    assert [(a.donor, a.recipient) for a in pool.arcs] == [("P1", "P2"), ("P2", "P1"), ("N3", "P2")]
    first, second = pool.pairs
    assert (first.patient_blood_group, first.donor_blood_group) == (BloodGroup.O, BloodGroup.A)
    assert second.cpra == 0.2875
    assert pool.ndds[0].blood_group is BloodGroup.O


def test_a_wmd_file_alone_says_nothing_of_blood_groups(tmp_path: Path) -> None:
    pool = read_pool(write(tmp_path, pool_wmd=OLD_WMD))
    assert pool.pairs[0] == Pair(id="P1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"pool\.wmd:1: the file is empty"),
        ("3\n", r"pool\.wmd:1: the first line"),
        ("3,x\n", r"pool\.wmd:1: the number of arcs"),
        ("5,0\n1,Pair 1\n", "ends before they do"),
        (OLD_WMD.replace("2,Pair 2", "7,Pair 2"), r"pool\.wmd:3: names should be numbered"),
        (OLD_WMD.replace("0,1,1", "0,3,1"), r"pool\.wmd:5: recipient 3 does not exist.* 0 to 2"),
        (OLD_WMD.replace("0,1,1", "0,0,1"), r"pool\.wmd:5: .*to itself"),
        (OLD_WMD.replace("1,0,1", "0,1,1"), r"pool\.wmd:6: .*given twice, first at .*pool\.wmd:5"),
        (OLD_WMD.replace("0,1,1", "0,1"), r"pool\.wmd:5: an arc has 3 fields"),
        (OLD_WMD.replace("0,1,1", "0,1,inf"), r"pool\.wmd:5: the weight should be a number"),
        (OLD_WMD + "2,0,1\n", "announces 4 arcs, but 5 are given"),
        (NEW_WMD.replace("1,2,1.0", "0,2,1.0"), r"pool\.wmd:7: donor 0 does not exist.* 1 to 3"),
        (NEW_WMD.replace("# NUMBER EDGES: 4\n", ""), "lacks '# NUMBER EDGES"),
        (NEW_WMD.replace("# ALTERNATIVE NAME 2: Pair 2\n", ""), "lacks '# ALTERNATIVE NAME 2"),
    ],
)
def test_a_malformed_wmd_file_names_file_and_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadPool, match=complaint):
        read_pool(write(tmp_path, pool_wmd=text))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (DAT.replace("%Pra", "Sens"), r"pool\.dat:1: the column %Pra is missing"),
        (DAT.replace("2,AB", "2,C"), r"pool\.dat:3: 'C' is not a blood group"),
        (DAT.replace("2,AB", "1,AB"), r"pool\.dat:3: number 1 is given twice"),
        (DAT.replace("3,O,O,0,0.05,1,1\n", ""), "describes 2 of 3 names"),
        (DAT.replace("1,1\n", "1,0\n"), "do not belong together"),
    ],
)
def test_a_dat_file_that_does_not_fit_is_complained_about(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadPool, match=complaint):
        read_pool(write(tmp_path, pool_wmd=OLD_WMD, pool_dat=text))


@pytest.mark.parametrize("announced", [3, 5])
def test_bpmdd_text_is_read_plain_and_gzipped(tmp_path: Path, announced: int) -> None:
    # The published files announce the arcs back to the ndds too (here 2), but do not list them.
    text = BPMDD.replace("1 2 5", f"1 2 {announced}")
    plain = read_pool(write(tmp_path, pool_txt=text))
    assert [(a.donor, a.recipient) for a in plain.arcs] == [("P1", "P2"), ("P2", "P1"), ("N3", "P2")]
    packed = tmp_path / "pool.txt.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert read_pool(packed).arcs == plain.arcs


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("3 1 2\n[]\n[]\n", r"pool\.txt:1: the first line of a BPMDD file has 4 fields"),
        (BPMDD.replace("3 1 2 5", "4 1 2 5"), "4 members cannot be"),
        (BPMDD.replace("3 1 2 5", "3 1 2 4"), "announces 4 arcs, but 3 are listed"),
        (BPMDD.replace("[[2],\n[1],", "[[2],\n[1,"), r"pool\.txt:\d+: not a list of lists"),
        (BPMDD.replace("[[2],\n", "["), "2 lists for 3 members"),
        (BPMDD.replace("[[2],", "[[9],"), "list 1: recipient 9 does not exist"),
        (
            BPMDD.replace("[[1],\n[1],\n[1]]\n", "[[1],\n[1, 1],\n[1]]\n"),
            "list 2: 1 recipients, but 2 weights",
        ),
        (BPMDD.replace("[[1],\n[1],\n[1]]\n", '[["a"],\n[1],\n[1]]\n'), "list 1: 'a' is not a weight"),
    ],
)
def test_malformed_bpmdd_text_names_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadPool, match=complaint):
        read_pool(write(tmp_path, pool_txt=text))


def test_a_file_that_is_not_gzip_is_complained_about(tmp_path: Path) -> None:
    (tmp_path / "pool.txt.gz").write_text(BPMDD)
    with pytest.raises(BadPool, match="cannot be unpacked"):
        read_pool(tmp_path / "pool.txt.gz")


def test_input_and_ndds_files_are_read_together(tmp_path: Path) -> None:
    pool = read_pool(write(tmp_path, pool_input=INPUT, pool_ndds=NDDS))
    assert [(a.donor, a.recipient, a.weight) for a in pool.arcs] == [
        ("P0", "P1", 1.0),
        ("P1", "P0", 1.5),
        ("N0", "P1", 2.0),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"pool\.input:1: the file is empty"),
        ("-2 0\n-1 -1 -1\n", "cannot be negative"),
        (INPUT.replace("-1 -1 -1\n", ""), "is it cut off"),
        (INPUT.replace("0 1 1", "0 2 1"), r"pool\.input:2: recipient 2 does not exist.* 0 to 1"),
        (INPUT.replace("0 1 1", "0 one 1"), r"pool\.input:2: the recipient should be a whole number"),
    ],
)
def test_a_malformed_input_file_names_file_and_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadPool, match=complaint):
        read_pool(write(tmp_path, pool_input=text))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("duplicate-edge.input", r"duplicate-edge\.input:3: .*given twice, first at .*input:2"),
        ("self-loop.input", r"self-loop\.input:2: .*to itself"),
        ("out-of-range1.input", r"out-of-range1\.input:2: an arc has 3 fields"),
        ("incorrect_edge_count1.input", r"incorrect_edge_count1\.input:1: announces 2 arc.* 3 follow"),
    ],
)
def test_the_malformed_fixtures_of_kidney_solver_are_refused(
    shared: Shared, name: str, complaint: str
) -> None:
    with pytest.raises(BadPool, match=complaint):
        read_pool(shared(f"data/kidney/kidney_solver/{name}"))


@pytest.mark.parametrize(
    "same",
    [
        ("preflib_bpmdd/KP_Num1_N16_A0.txt", "preflib_wmd_old/MD-00001-00000001.wmd"),
        ("kidney_solver/MD-00001-00000100.input", "kidney_solver/MD-00001-00000100.wmd"),
    ],
)
def test_the_same_pool_in_two_formats_has_the_same_arcs(shared: Shared, same: tuple[str, str]) -> None:
    pools = [read_pool(shared(f"data/kidney/{name}")) for name in same]
    indices = []
    for pool in pools:
        number = {m: i for i, m in enumerate([*(p.id for p in pool.pairs), *(d.id for d in pool.ndds)])}
        indices.append({(number[a.donor], number[a.recipient]) for a in pool.arcs})
    assert indices[0] == indices[1]


@pytest.mark.parametrize(
    "name",
    [
        "preflib_wmd_new/00036-00000012.wmd",
        "preflib_wmd_old/sparse_128_19_1.wmd",
        "kidney_solver/100-random-weights.input",
    ],
)
def test_a_foreign_pool_survives_conversion(shared: Shared, name: str) -> None:
    pool = read_pool(shared(f"data/kidney/{name}"))
    assert parse_pool(pool_text(pool), "converted") == pool
    assert not pool.is_simulated
    assert pool.ndds


def forgiven(path: Path) -> tuple[list[tuple[str, str]], Complaints]:
    """Return the ends of the arcs that a forgiving reading keeps, and the complaints."""
    complaints = Complaints(is_forgiving=True)
    return [(a.donor, a.recipient) for a in read_pool(path, complaints).arcs], complaints


@pytest.mark.parametrize("text", [OLD_WMD, NEW_WMD])
def test_forgiving_a_wmd_file_leaves_out_its_bad_arcs_and_names_each(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, pool_wmd=text + "7,1,1\n1,0\n1,1,1\n2,1,-3\n")
    ends, complaints = forgiven(path)
    assert ends[:3] == [("P1", "P2"), ("P2", "P1"), ("N3", "P2")]
    places = [found.removeprefix(f"{path}:").split(":")[0] for found in complaints.found]
    n = text.count("\n")
    assert sorted(map(int, places)) == [
        n + 1,
        n + 2,
        n + 3,
        n + 4,
        n + 4,
    ]  # The last: more arcs than announced.
    assert complaints.rows_left_out == 4
    with pytest.raises(BadPool, match=rf"5 complaints(.|\n)*{n + 1}: (.|\n)*{n + 2}: "):
        read_pool(path)


def test_forgiving_a_dat_file_knows_nothing_of_who_stands_in_a_bad_line(tmp_path: Path) -> None:
    dat = DAT.replace("2,AB", "2,C").replace("1,O,A,0,0.05", "1,O,A,0,45")
    path = write(tmp_path, pool_wmd=OLD_WMD, pool_dat=dat)
    complaints = Complaints(is_forgiving=True)
    pool = read_pool(path, complaints)
    assert [p.donor_blood_group for p in pool.pairs] == [None, None]
    assert pool.ndds[0].blood_group is BloodGroup.O
    assert "pool.dat:2: %Pra should be a fraction between 0 and 1, not 45" in complaints.found[0]
    assert "pool.dat:3: 'C' is not a blood group" in complaints.found[1]
    with pytest.raises(BadPool, match="do not belong together"):
        read_pool(write(tmp_path, pool_wmd=OLD_WMD, pool_dat=DAT.replace("1,1\n", "1,0\n")), complaints)


def test_forgiving_an_input_file_leaves_out_arcs_of_either_file(tmp_path: Path) -> None:
    text = INPUT.replace("1 0 1.5\n-1 -1 -1", "1 0 1_5\n0 1 2\n0 7 1")
    path = write(tmp_path, pool_input=text, pool_ndds=NDDS.replace("0 1 2", "0 1 -2"))
    ends, complaints = forgiven(path)
    assert ends == [("P0", "P1")]
    texts = "\n".join(complaints.found)
    for part in (
        "pool.input:3: the weight should be a number, not '1_5'",
        "given twice, first at",
        "pool.input:5: recipient 7",
        "is it cut off",
        "pool.input:1: announces 2 arc(s), but 4 follow",
        "pool.ndds:2: arc N0 -> P1 has weight -2",
    ):
        assert part in texts
    assert complaints.rows_left_out == 4


def test_forgiving_bpmdd_text_leaves_out_single_arcs(tmp_path: Path) -> None:
    path = write(tmp_path, pool_txt="3 1 2 4\n[[2, 9],\n[1],\n[2]]\n[[1, 1],\n[1],\n[-1]]\n")
    ends, complaints = forgiven(path)
    assert ends == [("P1", "P2"), ("P2", "P1")]
    assert complaints.found[0].startswith(f"{path}:2: list 1: recipient 9 does not exist")
    assert complaints.found[1].startswith(f"{path}:4: list 3: arc N3 -> P2 has weight -1")


@pytest.mark.parametrize(
    ("name", "text"),
    [("pool_wmd", "3\n"), ("pool_input", "x y\n"), ("pool_txt", "3 1 2\n"), ("pool_wmd", "")],
)
def test_a_file_without_a_readable_beginning_is_refused_however_forgiving(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(BadPool):
        forgiven(write(tmp_path, **{name: text}))


def test_windows_line_ends_and_byte_order_marks_change_nothing(tmp_path: Path) -> None:
    for name, text in {"pool_wmd": NEW_WMD, "pool_input": INPUT, "pool_txt": BPMDD}.items():
        path = write(tmp_path, **{name: text})
        plain = read_pool(path)
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        assert read_pool(path) == plain


def test_a_wmd_file_is_written_as_preflib_writes_it(tmp_path: Path) -> None:
    pool = read_pool(write(tmp_path, pool_wmd=NEW_WMD, pool_dat=DAT))
    out = tmp_path / "out.wmd"
    write_pool(pool, out)
    lines = out.read_text().splitlines()
    assert "# NUMBER ALTERNATIVES: 3" in lines
    assert "# NUMBER EDGES: 5" in lines
    assert "# ALTERNATIVE NAME 3: Alturist 3" in lines
    assert [line for line in lines if not line.startswith("#")] == [
        "1,2,1.0",
        "2,1,1.0",
        "3,2,1.0",
        "1,3,0.0",
        "2,3,0.0",
    ]
    assert (tmp_path / "out.dat").read_text() == (
        "Pair,Patient,Donor,Wife-P?,%Pra,Out-Deg,Altruist\n1,O,A,0,0.05,2,0\n2,AB,B,0,0.2875,2,0\n"
        "3,O,O,0,0.0,1,1\n"
    )


@pytest.mark.parametrize("number", ["03", "12"])
def test_preflibs_own_files_are_written_again_line_by_line(
    shared: Shared, tmp_path: Path, number: str
) -> None:
    source = shared(f"data/kidney/preflib_wmd_new/00036-000000{number}.wmd")
    write_pool(read_pool(source), tmp_path / "out.wmd")
    given, written = (
        [
            line
            for line in path.read_text().splitlines()
            if line[0] != "#" or "NUMBER" in line or " NAME " in line
        ]
        for path in (source, tmp_path / "out.wmd")
    )
    assert sorted(written[1:]) == sorted(given[1:])


def test_json_of_kep_solver_is_told_from_ours_by_its_keys(shared: Shared, tmp_path: Path) -> None:
    source = shared("data/kidney/kep_solver/test1.json")
    pool = read_pool(source)
    assert pool.pairs
    write_pool(pool, tmp_path / "out.kep.json")
    assert read_pool(tmp_path / "out.kep.json").arcs == pool.arcs
