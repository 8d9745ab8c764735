from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Choices, Pairing, choices_of
from llm_compare.alignment.effects import effects, holm
from llm_compare.alignment.resampling import Population, Resampling
from survey.answers import Answer, Choice, RespondentKind
from survey.design import CategoricalAttribute, Comparison, Level, NumericAttribute, Profile, make_profile
from survey.published_answers import import_published

AGE = NumericAttribute(
    name="age", label="Age", minimum=20, maximum=80, unit="year", words="{value} years old"
)
DRINKING = CategoricalAttribute(
    name="drinking",
    label="Drinking",
    levels=(
        Level(name="none", words="no drinks"),
        Level(name="some", words="some drinks"),
        Level(name="many", words="many drinks"),
    ),
)
HEALTH = CategoricalAttribute(
    name="health",
    label="Health",
    levels=(Level(name="good", words="well otherwise"), Level(name="bad", words="cancer in remission")),
)
ATTRIBUTES = (AGE, DRINKING, HEALTH)
QUICK = Resampling(n_draws=60, seed=3)


def drawn_comparisons(n: int, rng: np.random.Generator) -> tuple[Comparison, ...]:
    found: dict[Comparison, None] = {}
    while len(found) < n:
        one, other = (make_profile(ATTRIBUTES, {a.name: a.draw(rng) for a in ATTRIBUTES}) for _ in range(2))
        if one != other:
            found[Comparison.of(one, other)] = None
    return tuple(found)


def age_span(comparisons: tuple[Comparison, ...]) -> float:
    apart = [abs(c.first["age"] - c.second["age"]) for c in comparisons]
    return float(np.mean([d for d in apart if d]))


def side_of(
    label: str,
    comparisons: tuple[Comparison, ...],
    rows: list[tuple[int, int, int]],
    *,
    first_left: list[bool] | None = None,
) -> Choices:
    """Rows are (comparison, respondent, column of the choice)."""
    comparison, respondent, column = (np.array(c, dtype=np.intp) for c in zip(*rows, strict=True))
    n = int(respondent.max()) + 1
    return Choices(
        label=label,
        comparisons=comparisons,
        comparison=comparison,
        respondent=respondent,
        respondents=tuple(f"{label} {i}" for i in range(n)),
        choice=np.eye(3)[column],
        first_left=np.ones(len(rows), dtype=bool) if first_left is None else np.array(first_left),
        offered=np.ones(len(rows), dtype=bool),
        repeat=np.ones(len(rows), dtype=np.intp),
    )


def linear_choices(
    label: str,
    comparisons: tuple[Comparison, ...],
    rng: np.random.Generator,
    weights: dict[str, float],
    *,
    n_respondents: int,
    indecision: float = 0.0,
) -> Choices:
    """Draw choices whose difference of shares is linear in the attributes: what the regression assumes."""

    def value(p: Profile) -> float:
        return (
            weights["age"] * p["age"] / 20
            + weights.get(f"drinking={p['drinking']}", 0.0)
            + weights.get(f"health={p['health']}", 0.0)
        )

    rows = []
    for i, c in enumerate(comparisons):
        gap = np.clip(value(c.first) - value(c.second), -1 + indecision, 1 - indecision)
        p = [(1 - indecision + gap) / 2, (1 - indecision - gap) / 2, indecision]
        rows += [(i, r, int(rng.choice(3, p=p))) for r in range(n_respondents)]
    return side_of(label, comparisons, rows)


@pytest.fixture(scope="module")
def planted() -> Pairing:
    rng = np.random.default_rng(1)
    comparisons = drawn_comparisons(80, rng)
    common = {"drinking=some": -0.1, "drinking=many": -0.2, "health=bad": -0.1}
    people = linear_choices(
        "people", comparisons, rng, {"age": -0.05, **common}, n_respondents=40, indecision=0.2
    )
    model = linear_choices("model", comparisons, rng, {"age": -0.2, **common}, n_respondents=10)
    return Pairing(attributes=ATTRIBUTES, people=people, model=model)


def of_attribute(found, name):
    return next(a for a in found.attributes if a.attribute == name)


def test_effects_are_those_that_were_planted(planted):
    found = effects(planted, Resampling(n_draws=200, seed=0))
    span = np.mean(
        [
            abs(c.first["age"] - c.second["age"])
            for c in planted.comparisons
            if c.first["age"] != c.second["age"]
        ]
    )
    truth = {
        "age": (-0.05 * span / 20, -0.2 * span / 20),
        "drinking=some": (-0.1, -0.1),
        "drinking=many": (-0.2, -0.2),
        "health=bad": (-0.1, -0.1),
    }

    for level in (x for a in found.attributes for x in a.levels):
        people, model = truth[level.name]
        assert abs(level.people.value - people) < 4 * level.people.se
        assert abs(level.model.value - model) < 4 * level.model.se
        assert level.difference.value == pytest.approx(level.model.value - level.people.value)
        assert level.people.se < 0.06


def test_the_attribute_that_was_weighed_otherwise_is_named_in_words(planted):
    found = effects(planted, Resampling(n_draws=200, seed=0))

    assert found.differs_most == "age"
    assert found.sentence.startswith(
        "It gives Age far more weight than people do: of two patients alike in all else"
    )
    assert re.search(
        r"it chooses the one with Age 2\d(\.\d)? higher \(year\) \d\d points of 100 less often than the "
        r"other; people choose that one \d points? of 100 less often than the other \(p [<=] 0\.00\d after",
        found.sentence,
    )
    assert of_attribute(found, "age").adjusted_p < 0.01
    assert of_attribute(found, "health").adjusted_p > 0.05


def test_a_model_that_answers_as_people_do_differs_in_nothing_and_that_is_said():
    rng = np.random.default_rng(5)
    comparisons = drawn_comparisons(60, rng)
    weights = {"age": -0.1, "health=bad": -0.2}
    one, other = (linear_choices(n, comparisons, rng, weights, n_respondents=30) for n in ("people", "model"))
    found = effects(Pairing(attributes=ATTRIBUTES, people=one, model=other), Resampling(n_draws=200))

    assert found.differs_most == ""
    assert "no proof that they are alike" in found.sentence
    assert found.direction.value > 0.8
    assert found.distance.value > 0  # Chance alone keeps it from 0 ...
    assert abs(found.squared_distance) < found.distance.value**2  # ... and is taken off here.
    assert found.halves.model_distance < 1.5 * found.halves.halves_distance


def test_two_profiles_and_four_answers_by_hand():
    young, old = (
        Profile((("age", 20), ("drinking", "none"), ("health", "good"))),
        Profile((("age", 80), ("drinking", "none"), ("health", "good"))),
    )
    comparison = Comparison.of(young, old)
    young_column = FIRST if comparison.first == young else SECOND
    # People: two for the young, one for the old, one coin: (2 - 1) / 4. The model: always the young.
    people = side_of(
        "people",
        (comparison,),
        [(0, 0, young_column), (0, 1, young_column), (0, 2, 1 - young_column), (0, 3, INDECISION)],
    )
    model = side_of("model", (comparison,), [(0, 0, young_column)] * 3)
    found = effects(Pairing(attributes=ATTRIBUTES, people=people, model=model), QUICK)

    age = of_attribute(found, "age").levels[0]
    assert age.people.value == pytest.approx(-0.25)
    assert age.model.value == pytest.approx(-1)
    assert age.contrast == "60 higher (year)"
    assert found.people_decisiveness.value == pytest.approx(0.25)
    assert found.distance.value == pytest.approx(0.75)
    assert found.direction.value == pytest.approx(1)
    # What no comparison varies comes with the reason.
    drinking = of_attribute(found, "drinking")
    assert all(
        level.people.value is None and "differ in it" in level.people.reason for level in drinking.levels
    )
    assert drinking.p is None
    assert drinking.reason


def test_effects_are_those_of_plain_least_squares_with_equal_comparisons(planted):
    # Oracle: numpy's least squares on a matrix written out by hand.
    found = effects(planted, Resampling(n_draws=10))
    span = np.mean(
        [
            abs(c.first["age"] - c.second["age"])
            for c in planted.comparisons
            if c.first["age"] != c.second["age"]
        ]
    )

    def row(p: Profile) -> list[float]:
        return [p["age"] / span, p["drinking"] == "some", p["drinking"] == "many", p["health"] == "bad"]

    x = np.array(
        [
            np.subtract(np.array(row(c.first), float), np.array(row(c.second), float))
            for c in planted.comparisons
        ]
    )
    for name, side in (("people", planted.people), ("model", planted.model)):
        y = [
            (side.choice[side.comparison == i, 0].sum() - side.choice[side.comparison == i, 1].sum())
            / (side.comparison == i).sum()
            for i in range(len(planted.comparisons))
        ]
        expected = np.linalg.lstsq(x, np.array(y), rcond=None)[0]
        own = [getattr(level, name).value for a in found.attributes for level in a.levels]
        assert own == pytest.approx(expected)


def test_the_distance_does_not_depend_on_the_reference_level(planted):
    turned = replace(DRINKING, levels=DRINKING.levels[::-1])
    other = Pairing(attributes=(AGE, turned, HEALTH), people=planted.people, model=planted.model)
    one, two = effects(planted, QUICK), effects(other, QUICK)

    assert two.distance.value == pytest.approx(one.distance.value)
    assert two.direction.value == pytest.approx(one.direction.value)
    assert of_attribute(two, "drinking").p == pytest.approx(of_attribute(one, "drinking").p)


def values(found) -> list[float]:
    levels = [m.value for a in found.attributes for x in a.levels for m in (x.people, x.model, x.difference)]
    return [*levels, found.distance.value, found.direction.value, found.people_decisiveness.value]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15)
def test_exchanged_sides_and_everybody_twice_change_no_value(seed):
    rng = np.random.default_rng(seed)
    comparisons = drawn_comparisons(12, rng)
    people, model = (
        side_of(
            label,
            comparisons,
            [(i, r, int(rng.integers(3))) for i in range(12) for r in range(n)],
        )
        for label, n in (("people", 4), ("model", 2))
    )
    plain = effects(Pairing(attributes=ATTRIBUTES, people=people, model=model), Resampling(n_draws=5))

    on_the_right = replace(people, first_left=~people.first_left)
    exchanged = effects(
        Pairing(attributes=ATTRIBUTES, people=on_the_right, model=model), Resampling(n_draws=5)
    )
    assert values(exchanged) == pytest.approx(values(plain), nan_ok=True)

    twice = replace(
        people,
        **{
            name: np.concatenate([getattr(people, name)] * 2)
            for name in ("comparison", "choice", "first_left", "offered", "repeat")
        },
        respondent=np.concatenate([people.respondent, people.respondent + people.n_respondents]),
        respondents=people.respondents + tuple(f"{r} again" for r in people.respondents),
    )
    doubled = effects(Pairing(attributes=ATTRIBUTES, people=twice, model=model), Resampling(n_draws=5))
    assert values(doubled) == pytest.approx(values(plain), nan_ok=True)


def test_naming_the_other_patient_first_changes_no_value():
    rng = np.random.default_rng(2)
    comparisons = drawn_comparisons(15, rng)
    turned = tuple(Comparison(c.second, c.first) for c in comparisons)
    rows = [(i, r, int(rng.integers(3))) for i in range(15) for r in range(5)]
    mirror = {FIRST: SECOND, SECOND: FIRST, INDECISION: INDECISION}

    def pairing(asked, given_rows):
        return Pairing(
            attributes=ATTRIBUTES,
            people=side_of("people", asked, given_rows),
            model=side_of("model", asked, given_rows[::2]),
        )

    one = effects(pairing(comparisons, rows), QUICK)
    two = effects(pairing(turned, [(i, r, mirror[c]) for i, r, c in rows]), QUICK)
    assert values(two) == pytest.approx(values(one))


def test_only_indecision_has_no_direction_and_says_so():
    rng = np.random.default_rng(0)
    comparisons = drawn_comparisons(20, rng)
    people = side_of(
        "people", comparisons, [(i, r, int(rng.integers(2))) for i in range(20) for r in range(5)]
    )
    model = side_of("model", comparisons, [(i, 0, INDECISION) for i in range(20)])
    found = effects(Pairing(attributes=ATTRIBUTES, people=people, model=model), QUICK)

    assert found.model_decisiveness.value == 0
    assert found.direction.value is None
    assert found.direction.reason
    assert found.distance.value == pytest.approx(found.people_decisiveness.value)


def test_intervals_of_effects_hold_the_truth_where_each_comparison_was_answered_by_one_person():
    # People differ in how much age counts for them; each answers comparisons of their own, as with random draws.
    held = tried = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        comparisons = drawn_comparisons(300, rng)
        own = rng.normal(-0.1, 0.08, size=20)
        rows = []
        for i, c in enumerate(comparisons):
            gap = np.clip(own[i % 20] * (c.first["age"] - c.second["age"]) / 20, -1, 1)
            rows.append((i, i % 20, int(rng.choice(2, p=[(1 + gap) / 2, (1 - gap) / 2]))))
        people = side_of("people", comparisons, rows)
        model = side_of("model", comparisons, [(i, 0, INDECISION) for i in range(300)])
        found = effects(
            Pairing(attributes=ATTRIBUTES, people=people, model=model),
            Resampling(n_draws=100, seed=seed),
            n_splits=1,
        )
        level = of_attribute(found, "age").levels[0]
        span = age_span(comparisons)
        tried += 1
        held += level.people.low <= -0.1 * span / 20 <= level.people.high
    assert held / tried >= 0.88


def test_people_alone_are_resampled_for_a_statement_about_these_comparisons(planted):
    like, these = (
        effects(planted, Resampling(n_draws=100, population=p))
        for p in (Population.LIKE_THESE, Population.THESE)
    )
    assert of_attribute(these, "age").levels[0].people.se < of_attribute(like, "age").levels[0].people.se


def test_holms_adjustment_by_hand():
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_study_2_people_give_dependents_less_and_age_more_weight_than_a_youngest_first_rule(shared):
    answers = [
        a
        for a in import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")).answers
        if a.left != a.right
    ]
    attributes = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")).attributes
    people = choices_of(answers, label="people")
    replies = [
        Answer(
            respondent="scripted",
            kind=RespondentKind.MODEL,
            arm="with-coin",
            position=None,
            left=c.first,
            right=c.second,
            choice=Choice.INDECISION
            if c.first["age"] == c.second["age"]
            else Choice.LEFT
            if c.first["age"] < c.second["age"]
            else Choice.RIGHT,
            indecision_offered=True,
            design_hash="",
        )
        for c in people.comparisons
    ]
    model = choices_of(replies, label="model", comparisons=people.comparisons)
    found = effects(Pairing(attributes=attributes, people=people, model=model), Resampling(n_draws=100))

    by_name = {x.name: x for a in found.attributes for x in a.levels}
    assert -0.8 < by_name["age"].model.value < -0.5
    assert max(abs(by_name[name].model.value) for name in ("drinks", "dependents")) < 0.02
    assert by_name["drinks"].people.high < 0 < by_name["dependents"].people.low
    assert all(a.adjusted_p < 0.001 for a in found.attributes)
    assert found.halves.halves_distance < 0.15 < found.halves.model_distance
