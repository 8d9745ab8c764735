"""Local models for tests: tiny, random, made on the spot. Skipped where the extra is not installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import comparisons_to_ask, plan_requests
from llm_compare.prompting.variant import AnswerFormat, Variant
from survey.design_file import EXAMPLES, read_design

MISSING = [n for n in ("torch", "transformers", "peft", "accelerate") if importlib.util.find_spec(n) is None]


@pytest.fixture(scope="session")
def tune_extra():
    """What needs local models is skipped without the extra."""
    if MISSING:
        pytest.skip(f"the extra 'tune' is not installed ({', '.join(MISSING)} missing): make tune")


@pytest.fixture(scope="session")
def study():
    """Age 25-70, drinks 1-5, dependents 0-2; the first arm offers a coin."""
    return read_design(EXAMPLES / "kidney-numeric.toml")


@pytest.fixture(scope="session")
def requests_of(study):
    """Return a function that plans so many comparisons of the study, both ways round."""

    def make(count, *, seed=0, **given):
        comparisons = comparisons_to_ask(study, count=count, rng=np.random.default_rng(seed))
        return plan_requests(
            study, comparisons, arm=study.arms[0], model="openai/local", settings=Settings(), **given
        )

    return make


@pytest.fixture(scope="session")
def random_base(tune_extra, tmp_path_factory, requests_of):
    """Folder of a tiny model with random weights that can read the study's prompts."""
    from llm_compare.tuning.models.tiny_model import TinySettings, make_network, make_tokenizer, save_model

    lines = {f"- Age: {age} years old" for age in range(25, 71)}
    formats = [Variant(name=kind, answer_format=kind) for kind in (AnswerFormat.LETTER, AnswerFormat.JSON)]
    for request in requests_of(60, variants=formats):
        for message in request.messages:
            lines |= set(message.content.split("\n"))
    tokenizer = make_tokenizer([*sorted(lines), "A", "B", "C"])
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(make_network(tokenizer, TinySettings(hidden=16, layers=1, heads=2)), tokenizer, folder)
    return folder
