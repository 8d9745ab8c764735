"""What candidates and their groups are called."""

from __future__ import annotations

import pytest

from llm_compare.allocation.problems.problem import group_name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("White, Non-Hispanic", "White"),
        (" Black, Non-Hispanic", "Black"),  # The paper's quoted values begin with a blank.
        ("Hispanic/Latino", "Hispanic"),
        ("Asian, Non-Hispanic", "Asian"),
        ("Amer Ind/Alaska Native, Non-Hispanic", "Amer Ind/Alaska Native"),
        (
            "Native Hawaiian/other Pacific Islander, Non-Hispanic",
            "Native Hawaiian/other Pacific Islander",
        ),
        ("Multiracial, Non-Hispanic", "Multiracial"),
    ],
)
def test_a_group_is_called_by_its_whole_name_without_what_all_share(value, name):
    assert group_name("ethnicity", value) == name


def test_only_ethnicities_have_short_names():
    assert group_name("education", "ATTENDED COLLEGE/TECHNICAL SCHOOL") == "ATTENDED COLLEGE/TECHNICAL SCHOOL"
