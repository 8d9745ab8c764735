from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.errors import CannotTune
from llm_compare.tuning.training.schedule import (
    batch_of,
    learning_rate,
    noise_seed,
    set_apart,
    start_seed,
)
from llm_compare.tuning.training.settings import TrainSettings


@given(n=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 9), draw=st.integers(1, 3))
def test_in_every_epoch_each_example_is_seen_once(n, batch, seed, draw):
    settings = TrainSettings(batch=batch, seed=seed)

    seen = [i for step in range(2 * n) for i in batch_of(step, n=n, settings=settings, draw=draw)]

    assert len(seen) == 2 * n * batch
    for epoch in range(2 * batch):
        assert sorted(seen[epoch * n : (epoch + 1) * n]) == list(range(n))


def test_another_seed_or_draw_sees_the_examples_in_another_order():
    orders = {
        tuple(batch_of(0, n=100, settings=TrainSettings(seed=seed), draw=draw))
        for seed in (0, 1)
        for draw in (1, 2)
    }

    assert len(orders) == 4


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine():
    settings = TrainSettings(steps=20, warmup=0.2, learning_rate=1.0)
    rates = [learning_rate(step, settings) for step in range(20)]

    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[12] == pytest.approx(0.5)
    assert all(a > b > 0 for a, b in itertools.pairwise(rates[4:]))


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_the_learning_rate_may_rise_never_or_always(warmup):
    settings = TrainSettings(steps=4, warmup=warmup, learning_rate=1.0)

    assert max(learning_rate(step, settings) for step in range(4)) == 1.0


def test_every_step_and_device_has_noise_of_its_own_and_equal_seeds_equal_noise():
    def seeds(seed, draw):
        settings = TrainSettings(seed=seed)
        noise = [noise_seed(step, settings, draw, device) for step in range(5) for device in range(2)]
        return [*noise, start_seed(settings, draw)]

    assert max(Counter(seeds(0, 1) + seeds(0, 2) + seeds(1, 1)).values()) == 1
    assert seeds(3, 2) == seeds(3, 2)


@given(n=st.integers(2, 30), share=st.floats(0.01, 0.9), seed=st.integers(0, 5))
def test_what_is_set_apart_depends_on_the_comparisons_not_on_their_order(n, share, seed):
    ids = [f"{i:03}" for i in range(n)]
    settings = TrainSettings(validation=share, seed=seed)
    wanted = max(1, round(share * n))
    if wanted >= n:
        with pytest.raises(CannotTune, match="too few"):
            set_apart(ids, settings, 1)
        return

    apart = set_apart(ids, settings, 1)

    assert len(apart) == wanted
    assert apart == set_apart([*reversed(ids), *ids], settings, 1)


def test_nothing_is_set_apart_unless_wanted():
    assert set_apart(["a"], TrainSettings(), 1) == frozenset()


@pytest.mark.parametrize(
    "given_",
    [
        {"rank": 0},
        {"seed": -1},
        {"alpha": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"weight_decay": -1.0},
        {"dropout": 1.0},
        {"validation": 1.0},
        {"warmup": 1.5},
        {"max_gradient_norm": 0.0},
        {"target_modules": ()},
        {"target_modules": ("",)},
    ],
)
def test_impossible_settings_are_refused_by_name(given_):
    name = next(iter(given_)).replace("_", " ")
    with pytest.raises(CannotTune, match=name):
        TrainSettings(**given_)


def test_settings_are_read_as_they_were_written():
    settings = TrainSettings(rank=4, target_modules=("q_proj", "v_proj"), validation=0.2)

    assert TrainSettings.from_dict(settings.as_dict()) == settings
    with pytest.raises(CannotTune, match="settings of a training must be"):
        TrainSettings.from_dict({**settings.as_dict(), "more": 1})
