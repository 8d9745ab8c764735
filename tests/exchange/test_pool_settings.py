from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import BadRequest
from exchange.pool import BloodGroup
from exchange.pool_model import MODELS, SAIDMAN, UNOS_SPARSE, CpraClass, PoolModel, ProfileShare
from exchange.pool_settings import parse_settings, read_settings, settings_text

fractions = st.floats(0, 1, allow_subnormal=False)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


@st.composite
def shares(draw: st.DrawFn, count: int) -> list[float]:
    parts = draw(st.lists(st.floats(0.01, 1), min_size=count, max_size=count))
    return [part / math.fsum(parts) for part in parts]


@st.composite
def models(draw: st.DrawFn) -> PoolModel:
    groups = [dict(zip(BloodGroup, draw(shares(4)), strict=True)) for _ in range(3)]
    classes, profiles = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    return PoolModel(
        name=draw(words),
        source=draw(words),
        patient_blood_groups=groups[0],
        donor_blood_groups=groups[1],
        ndd_blood_groups=groups[2],
        female_patient=draw(fractions),
        spousal_donor=draw(fractions),
        wife_negative_crossmatch_factor=draw(fractions),
        cpra_classes=tuple(
            CpraClass(share=share, positive_crossmatch=draw(fractions)) for share in draw(shares(classes))
        ),
        profile_shares=tuple(
            ProfileShare(
                share=share, values=(("age", draw(st.integers(20, 90))), (draw(words) + "!", draw(words)))
            )
            for share in draw(shares(profiles))
        )
        if profiles
        else (),
        crossmatch_tests=draw(st.integers(1, 3)),
    )


@given(model=models(), base=st.sampled_from(sorted(MODELS)))
def test_a_model_written_as_settings_reads_back_the_same_from_any_base(model: PoolModel, base: str) -> None:
    # A file without profiles leaves those of its base.
    start = replace(MODELS[base], profile_shares=())
    read = parse_settings(settings_text(model), "x.toml", start)
    assert replace(read, name=model.name, source=model.source) == model


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_the_printed_settings_of_a_model_change_nothing_in_it(model: PoolModel) -> None:
    assert parse_settings(settings_text(model), "x.toml", model) == model


def test_printed_settings_that_are_edited_no_longer_pass_for_the_model() -> None:
    text = settings_text(SAIDMAN).replace("female_patient = 0.409", "female_patient = 0.4")
    model = parse_settings(text, "mine.toml", SAIDMAN)
    assert model.name == "mine"
    assert model.source == f"{SAIDMAN.source}, but female_patient by mine.toml"


def test_constants_left_out_are_those_of_the_base(tmp_path: Path) -> None:
    path = tmp_path / "dutch.toml"
    path.write_text("spousal_donor = 0.3\n[ndd_blood_groups]\nO = 0.47\nA = 0.42\nB = 0.08\nAB = 0.03\n")
    model = read_settings(path, UNOS_SPARSE)
    assert model.name == "dutch"
    assert model.spousal_donor == 0.3
    assert model.ndd_blood_groups[BloodGroup.A] == 0.42
    assert model.donor_blood_groups == UNOS_SPARSE.donor_blood_groups
    assert model.cpra_classes == UNOS_SPARSE.cpra_classes
    assert model.source == f"{UNOS_SPARSE.source}, but spousal_donor, ndd_blood_groups by dutch.toml"


def test_settings_may_name_their_own_source() -> None:
    model = parse_settings('name = "nl"\nsource = "Registry 2024"\nspousal_donor = 1\n', "a.toml", SAIDMAN)
    assert (model.name, model.source, model.spousal_donor) == ("nl", "Registry 2024", 1.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("spousal_donor = \n", r"a\.toml: not valid TOML: .*line 1"),
        ("\nspousal = 0.3\n", r"a\.toml:2: spousal: is not a key of a settings file"),
        ('female_patient = "0.4"\n', r"a\.toml:1: female_patient: .*valid number, not '0\.4'"),
        ("female_patient = inf\n", r"a\.toml:1: female_patient: .*finite"),
        ("female_patient = 1.2\n", r"a\.toml:1: female_patient: 1\.2 is no fraction"),
        ("crossmatch_tests = 1.5\n", r"a\.toml:1: crossmatch_tests: .*integer"),
        ("crossmatch_tests = 0\n", r"a\.toml:1: crossmatch_tests: 0 is not a number of tests; give 1 to"),
        ("[donor_blood_groups]\nO = 1.0\n", r"a\.toml:1: donor_blood_groups\.A: is missing"),
        (
            "[donor_blood_groups]\nO = 0.5\nA = 0.5\nB = 0.5\nAB = 0.0\n",
            r"a\.toml:1: donor_blood_groups: the shares sum to 1\.5; they should sum to 1",
        ),
        (
            "[donor_blood_groups]\nO = 0.5\nA = 0.5\nB = -0.5\nAB = 0.0\n",
            r"a\.toml:4: donor_blood_groups\.B: -0\.5 is no fraction",
        ),
        ("cpra_classes = []\n", r"a\.toml:1: cpra_classes: .*at least 1"),
        (
            "[[cpra_classes]]\nshare = 1\npositive_crossmatch = 0\n[[cpra_classes]]\nshare = 0\n",
            r"a\.toml:4: cpra_classes\[2\]\.positive_crossmatch: is missing",
        ),
        (
            "[[cpra_classes]]\nshare = 1\npositive_crossmatch = 0\n"
            "[[cpra_classes]]\nshare = 0\npositive_crossmatch = 2\n",
            r"a\.toml:6: cpra_classes\[2\]\.positive_crossmatch: 2 is no fraction",
        ),
        (
            '[[profiles]]\nshare = 0.4\nvalues = { age = "old" }\n',
            r"a\.toml:1: profiles: the shares sum to 0\.4",
        ),
        ("[[profiles]]\nshare = 1\nvalues = { age = [1] }\n", r"a\.toml:3: profiles\[1\]\.values\.age"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_key(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        parse_settings(text, "a.toml", SAIDMAN)


def test_every_complaint_is_told_at_once() -> None:
    with pytest.raises(BadRequest) as caught:
        parse_settings("female_patient = 2\nspousal_donor = -1\n", "a.toml", SAIDMAN)
    assert [line.split(" ")[0] for line in str(caught.value).splitlines()] == ["a.toml:1:", "a.toml:2:"]


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="name an existing settings file"):
        read_settings(tmp_path / "none.toml", SAIDMAN)
    path = tmp_path / "latin.toml"
    path.write_bytes(b'source = "K\xf6ln"\n')
    with pytest.raises(BadRequest, match="not UTF-8 text"):
        read_settings(path, SAIDMAN)
