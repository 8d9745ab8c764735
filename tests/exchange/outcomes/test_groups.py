from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from exchange.compatibility import blood_group_class
from exchange.errors import BadRequest
from exchange.outcomes.groups import (
    CPRA_BANDS,
    MOST_PROFILES,
    Grouping,
    groupings,
    rows_of_groups,
)
from exchange.pool import BloodGroup
from survey.design import StudyDesign
from survey.design_file import example_design


def named(found: tuple[Grouping, ...], name: str) -> Grouping:
    return {grouping.name: grouping for grouping in found}[name]


def labels(grouping: Grouping, record) -> list[str]:
    groups, codes = grouping.split(record.patients)
    return [groups[code] for code in codes]


def test_every_patient_is_in_one_group_of_each_grouping(random_record) -> None:
    record = random_record(1)
    found = groupings(record)
    assert [g.name for g in found] == [
        "all",
        "profile",
        "age",
        "drinking",
        "blood_group_class",
        "blood_group_class x profile",
        "patient_blood_group",
        "cpra_band",
    ]
    for grouping in found:
        rows = rows_of_groups(*grouping.split(record.patients))
        assert sorted(np.concatenate(list(rows.values()))) == list(range(record.n_patients))
    assert labels(named(found, "age"), record) == record.patients["patient.age"].tolist()


def test_blood_group_classes_are_those_of_the_pair(make_record) -> None:
    both = list(product(BloodGroup, BloodGroup))
    record = make_record(
        patient_blood_group=[p.value for p, _ in both], donor_blood_group=[d.value for _, d in both]
    )
    found = labels(named(groupings(record), "blood_group_class"), record)
    assert found == [blood_group_class(p, d).value for p, d in both]


def test_crossed_groups_tell_class_and_profile_apart(random_record) -> None:
    record = random_record(2)
    found = groupings(record)
    both = zip(
        labels(named(found, "blood_group_class"), record),
        labels(named(found, "profile"), record),
        strict=True,
    )
    crossed = labels(named(found, "blood_group_class x profile"), record)
    assert crossed == [f"{group_class} x {profile}" for group_class, profile in both]


def test_a_cpra_band_holds_its_lower_end(make_record) -> None:
    record = make_record(cpra=[0.0, 0.19, 0.2, 0.5, 0.79, 0.8, 0.94, 0.95, 1.0])
    found = labels(named(groupings(record), "cpra_band"), record)
    assert found == [CPRA_BANDS[i] for i in (0, 0, 1, 2, 2, 3, 3, 4, 4)]


def test_profiles_and_levels_come_in_the_order_of_the_study(study: StudyDesign, make_record) -> None:
    ids = [p.id for p in study.profiles() or ()]
    attributes = {a.name: [p[a.name] for p in study.profiles() or ()] for a in study.attributes}
    record = make_record(profile=ids, attributes=attributes)
    found = groupings(record, study)
    assert list(named(found, "profile").known) == ids
    for attribute in study.attributes:
        assert named(found, attribute.name).known == attribute.level_names


def test_another_studys_patients_are_refused(study: StudyDesign, make_record) -> None:
    with pytest.raises(BadRequest, match=r"no column 'patient\.age'.*Give the study"):
        groupings(make_record(profile=["a"]), study)


def test_many_profiles_are_not_told_apart(make_record) -> None:
    def names(n: int) -> list[str]:
        return [g.name for g in groupings(make_record(profile=[f"p{i}" for i in range(n)]))]

    assert "profile" in names(MOST_PROFILES)
    assert "profile" not in names(MOST_PROFILES + 1)


def test_numeric_attributes_of_a_study_have_thirds_of_its_values_as_bands(make_record) -> None:
    design = example_design("kidney-numeric")
    record = make_record(
        profile=["a", "b", "c", "d"],
        attributes={"age": [25, 40, 41, 70], "drinks": [1, 2, 3, 5], "dependents": [0, 1, 1, 2]},
    )
    found = groupings(record, design)
    assert "profile" not in [g.name for g in found]
    # 46 ages from 25 to 70: 16, then 15, then 15 of them.
    assert labels(named(found, "age"), record) == ["at most 40", "at most 40", "over 40 to 55", "over 55"]
    assert labels(named(found, "drinks"), record) == ["at most 2", "at most 2", "over 2 to 4", "over 4"]
    assert labels(named(found, "dependents"), record) == [
        "at most 0",
        "over 0 to 1",
        "over 0 to 1",
        "over 1",
    ]


def test_without_a_study_numeric_attributes_are_cut_at_terciles(make_record) -> None:
    record = make_record(profile=["a"] * 9, attributes={"age": [30, 31, 32, 40, 41, 42, 50, 51, 52]})
    found = labels(named(groupings(record), "age"), record)
    assert found == ["at most 32"] * 3 + ["over 32 to 42"] * 3 + ["over 42"] * 3


def test_an_attribute_with_one_number_has_one_band(make_record) -> None:
    record = make_record(profile=["a"] * 3, attributes={"age": [30, 30, 30]})
    assert labels(named(groupings(record), "age"), record) == ["any"] * 3


def test_an_attribute_called_like_a_grouping_keeps_its_own_place(make_record) -> None:
    record = make_record(profile=["a", "b"], attributes={"profile": ["x", "y"]})
    assert [g.name for g in groupings(record)][:3] == ["all", "profile", "patient.profile"]
