"""Studies that are open, and models that take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from llm_compare.asking.scripted import ScriptedRespondent
from llm_compare.participation.model_participant import Group, usual_label
from llm_compare.participation.store import Study, study_to_take
from llm_compare.participation.taking import Taken, take
from llm_compare.prompting.call import Settings
from llm_compare.prompting.variant import Variant
from llm_compare.replies.store import Sessions
from survey.db import make_engine, writing
from survey.design_file import EXAMPLES
from survey.store import studies

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

ADAPTIVE = """
[study]
slug = "adaptive"
title = "An adaptive study"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
instructions = "What to do."
question = "Which patient should get the kidney?"
debrief = "What it was about."

[[attributes]]
name = "age"
label = "Age"
kind = "categorical"
favoured = "young"
levels = [{ name = "young", words = "30 years old" }, { name = "old", words = "70 years old" }]

[[attributes]]
name = "health"
label = "Other health"
kind = "categorical"
favoured = "good"
levels = [{ name = "good", words = "in good health" }, { name = "poor", words = "in poor health" }]

[profiles]
kind = "full_factorial"

[comparisons]
kind = "adaptive"
per_respondent = 4

[[arms]]
name = "with-coin"
indecision = true
"""


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def adaptive_design() -> str:
    return ADAPTIVE


@pytest.fixture
def open_study(engine: Engine) -> Callable[..., Study]:
    """Return a function that adds a design of the examples, or a text, opens it, and returns the study."""

    def add(name: str = "kidney-8", *, text: str = "", opened: bool = True) -> Study:
        toml = text or (EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")
        with writing(engine) as session:
            row = studies.add_study(session, toml, now=NOW)
            if opened:
                studies.open_study(session, row, now=NOW)
            return study_to_take(session, row.slug)

    return add


@pytest.fixture
def group_of() -> Callable[..., Group]:
    """Return a function that makes a group of scripted respondents."""

    def make(study: Study, model: str = "scripted/coin", *, seed: int = 1, **changes: Any) -> Group:
        given: dict[str, Any] = {
            "api_base": None,
            "label": usual_label(model),
            "settings": Settings(max_tokens=None, seed=seed),
            "variant": Variant(),
            "arm": study.design.arms[0].name,
            **changes,
        }
        return Group(model=model, design_hash=study.design_hash, seed=seed, **given)

    return make


@pytest.fixture
def let_take(sessions: Sessions) -> Callable[..., Taken]:
    """Return a function that lets a script take a study."""

    def run(study: Study, group: Group, count: int, answerer: Any = None, **options: Any) -> Taken:
        return take(
            sessions,
            study,
            group,
            count,
            lambda: answerer or ScriptedRespondent(study.design, group.model),
            now=NOW,
            rng=np.random.default_rng(0),
            **options,
        )

    return run
