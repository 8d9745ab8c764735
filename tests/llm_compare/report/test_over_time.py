from __future__ import annotations

import copy
import json
from datetime import timedelta
from itertools import combinations, product

import numpy as np
import pytest

from llm_compare.alignment.alignment_file import write_alignment
from llm_compare.errors import BadAlignment
from llm_compare.report.over_time import over_time
from llm_compare.report.over_time_page import over_time_record, render_over_time
from survey.cli import run

LABEL = "openai/gpt-test"
OTHER = {"age=old": 1.0, "drinking=frequent": -0.3, "health=cancer": -0.5}


@pytest.fixture(scope="module")
def first(record_with):
    return record_with()


@pytest.fixture(scope="module")
def again(record_with, start):
    """The same model months later: nothing planted."""
    return record_with(seed=21, asked=start + timedelta(days=180))


@pytest.fixture(scope="module")
def turned(record_with):
    """A model that prefers the old, and is undecided far more often."""
    return record_with(OTHER, seed=4, indecision=1.0)


def one(*records, **options):
    return over_time({f"run {i}": r for i, r in enumerate(records)}, **options).models[0]


def named(model, measure):
    return next(c for c in (*model.changes, *model.effects) if measure in c.measure)


def test_the_same_run_twice_differs_in_nothing(first):
    model = one(first, first)

    assert model.warnings == ()
    assert all(d.is_same for d in model.differs)
    assert not any(c.is_shown for c in (*model.changes, *model.effects))
    assert all(c.difference.value == 0 for c in (*model.headline, *model.effects))
    assert model.same_across.value <= 1


def test_where_nothing_was_planted_nothing_is_claimed(first, again):
    model = one(first, again)

    assert model.warnings == ()
    assert not any(c.is_shown for c in (*model.changes, *model.effects))
    assert {d.what for d in model.differs if not d.is_same} == {"asked (UTC)"}


def test_a_planted_change_is_found(first, turned):
    model = one(first, turned)

    assert model.distance.is_shown
    assert model.distance.difference.low > 0
    assert named(model, "indecision").is_shown
    assert named(model, "indecision").difference.value > 0.3
    assert named(model, "random person").difference.high < 0
    age, drinking, _ = model.effects
    assert age.is_shown
    assert age.difference.value > 0.3
    assert not drinking.is_shown


def test_the_other_way_round_every_change_has_the_other_sign(first, turned):
    there, back = one(first, turned), one(turned, first)

    assert back.distance.difference == there.distance.difference
    for a, b in zip((*there.headline, *there.effects), (*back.headline, *back.effects), strict=True):
        assert a.difference.value == pytest.approx(-b.difference.value)
        assert a.adjusted_p == pytest.approx(b.adjusted_p)


def test_it_does_not_matter_which_patient_of_a_comparison_is_named_first(first, turned):
    swapped = copy.deepcopy(turned)
    measured = swapped["models"][0]["measured"]
    for c in measured["alignment"]["distance"]["comparisons"]:
        words = measured["comparisons"][c["comparison"]]
        words["first"], words["second"] = words["second"], words["first"]
        for side in ("people", "model"):
            c[side] = [c[side][1], c[side][0], c[side][2]]

    assert one(first, swapped) == one(first, turned)


def test_the_distance_is_that_of_every_pair_of_answers(first, turned):
    # Oracle: all pairs of answers, one by one.
    def answers(record):
        measured = record["models"][0]["measured"]
        return {
            frozenset(measured["comparisons"][c["comparison"]].values()): (
                measured["comparisons"][c["comparison"]]["first"],
                [k for k in range(3) for _ in range(int(c["model"][k]))],
            )
            for c in measured["alignment"]["distance"]["comparisons"]
        }

    def same(pairs):
        return float(np.mean([a == b for a, b in pairs]))

    earlier, later = answers(first), answers(turned)
    distances, across = [], []
    for key, (name, mine) in earlier.items():
        other_name, theirs = later[key]
        assert name == other_name
        across.append(same(product(mine, theirs)))
        distances.append(same(combinations(mine, 2)) + same(combinations(theirs, 2)) - 2 * across[-1])

    model = one(first, turned)
    assert model.distance.difference.value == pytest.approx(np.mean(distances))
    assert model.same_across.value == pytest.approx(np.mean(across))


def with_counts(record, counts):
    new = {**record, "models": [{**record["models"][0]}]}
    measured = dict(new["models"][0]["measured"])
    found = measured["alignment"]["distance"]["comparisons"]
    rows = [{**c, "model": [float(x) for x in row]} for c, row in zip(found, counts, strict=True)]
    measured["alignment"] = {
        **measured["alignment"],
        "distance": {**measured["alignment"]["distance"], "comparisons": rows},
    }
    new["models"][0]["measured"] = measured
    return new


def test_two_runs_of_one_law_are_0_apart_on_average_and_seldom_claimed(first):
    rng = np.random.default_rng(11)
    n = len(first["models"][0]["measured"]["alignment"]["distance"]["comparisons"])
    law = rng.dirichlet((1, 1, 1), size=n)
    values, claimed = [], 0
    for _ in range(150):
        a, b = (np.array([rng.multinomial(6, p) for p in law]) for _ in range(2))
        model = one(with_counts(first, a), with_counts(first, b))
        values.append(model.distance.difference.value)
        claimed += any(c.is_shown for c in model.changes)

    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert claimed <= 15  # 5 % of 150, and what chance adds to it.


def test_what_forbids_to_speak_of_a_change_is_a_warning(first, again):
    other = copy.deepcopy(again)
    other["study"]["design_hash"] = "f" * 64
    measured = other["models"][0]["measured"]
    measured["calls"]["prompts"][0]["messages"][0][1] += " Be brief."
    measured["alignment"]["distance"]["comparisons"][0]["people"][0] += 1
    other["methods"]["parser"] = "another"
    words = "\n".join(one(first, other).warnings)

    assert "The studies differ (design hash" in words
    assert "The prompts differ" in words
    assert "The people’s answers differ" in words
    assert "different versions of the rules" in words


def test_a_comparison_that_only_one_run_asked_is_left_out_and_counted(first, again):
    fewer = copy.deepcopy(again)
    fewer["models"][0]["measured"]["alignment"]["distance"]["comparisons"].pop()
    model = one(first, fewer)

    assert model.n_only_one == 1
    assert model.n_common == model.distance.difference.n_comparisons


def test_models_with_other_names_are_paired_by_hand(first, record_with):
    newer = record_with(seed=3, label="openai/gpt-next")

    with pytest.raises(BadAlignment, match="--pair"):
        one(first, newer)
    assert one(first, newer, pairs=[(LABEL, "openai/gpt-next")]).later_label == "openai/gpt-next"
    with pytest.raises(BadAlignment, match="nobody"):
        one(first, newer, pairs=[("nobody", "openai/gpt-next")])
    with pytest.raises(BadAlignment, match="no later run has a model nobody"):
        one(first, first, pairs=[(LABEL, "nobody")])


def test_one_run_is_no_comparison(first):
    with pytest.raises(BadAlignment, match="two"):
        over_time({"a": first})


def test_the_page_warns_first_and_shows_every_change(first, turned):
    other = copy.deepcopy(turned)
    other["study"]["design_hash"] = "f" * 64
    runs = {"may.json": first, "november.json": other}
    found = over_time(runs)
    page = render_over_time(found, runs, sources={"may.json": "a" * 64, "november.json": "b" * 64})

    assert page.index("The studies differ") < page.index("An answer of one run equals")
    assert all(
        c.measure in page.replace("&#39;", "'") for c in (*found.models[0].changes, *found.models[0].effects)
    )
    assert "a" * 64 in page
    assert "<script" not in page
    assert not any(f">{word}<" in page for word in ("None", "nan"))
    assert page == render_over_time(found, runs, sources={"may.json": "a" * 64, "november.json": "b" * 64})


def test_the_numbers_of_the_page_are_plain_data(first, turned):
    record = over_time_record(over_time({"a": first, "b": turned}))

    assert json.loads(json.dumps(record))["models"][0]["distance"]["difference"]["value"] > 0


@pytest.fixture
def files(tmp_path, first, turned):
    for name, record in (("may", first), ("november", turned)):
        write_alignment(tmp_path / f"{name}.json", record)
    return tmp_path


def test_the_command_writes_one_run_and_compares_two(files, capsys):
    may, november = str(files / "may.json"), str(files / "november.json")

    assert run(["compare", "report", may, "--out", str(files / "one.html")]) == 0
    assert "<h2>Summary</h2>" in (files / "one.html").read_text(encoding="utf-8")
    assert run(["compare", "report", "--compare", may, november, "--out", str(files / "two.html")]) == 0
    assert "the answers changed" in capsys.readouterr().out
    assert "<h2>The runs</h2>" in (files / "two.html").read_text(encoding="utf-8")
    assert run(["compare", "report", "--compare", may, november, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == ["may.json", "november.json"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["may.json"], "--out"),
        (["may.json", "november.json", "--out", "x.html"], "--compare"),
        (["may.json", "--out", "x.html", "--json"], "--compare"),
        (["--compare", "may.json", "may.json"], "named twice"),
        (["--compare", "may.json"], "two"),
        (["--compare", "may.json", "november.json", "--pair", "x"], "EARLIER=LATER"),
        (["nowhere.json", "--out", "x.html"], "nowhere.json"),
        (["may.json", "--out", "may.json"], "--out"),
    ],
)
def test_wrong_input_says_what_to_do(files, arguments, complaint, capsys, monkeypatch):
    monkeypatch.chdir(files)

    assert run(["compare", "report", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_a_change_that_is_the_same_in_few_comparisons_is_not_called_certain(first, record_with):
    def always(column):
        """The first run's model, had it chosen the same in three comparisons every time."""
        run = copy.deepcopy(first)
        alignment = run["models"][0]["measured"]["alignment"]
        alignment["distance"]["comparisons"] = alignment["distance"]["comparisons"][:3]
        for c in alignment["distance"]["comparisons"]:
            c["model"] = [6.0 * (k == column) for k in range(3)]
        left = alignment["position"]["model"]["left"]
        left.update(value=float(column == 0), se=0.0, low=0.0 if column else 0.9, high=0.1 if column else 1.0)
        return run

    model = one(always(0), always(2))

    indecision = named(model, "indecision").difference
    assert (indecision.value, indecision.high) == (1.0, 1.0)
    # Signs drawn by chance agree in three comparisons once in four times.
    assert model.distance.p == named(model, "indecision").p == 0.25
    assert not model.distance.is_shown
    left = named(model, "for the left").difference
    assert (left.value, left.low) == (-1.0, -1.0)
    assert left.high == pytest.approx(-1 + np.hypot(0.1, 0.1))
