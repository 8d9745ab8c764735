from __future__ import annotations

import math

import pytest

from llm_compare.errors import BadModel, MissingExtra
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.models import libraries
from llm_compare.tuning.models.local_model import load_model
from llm_compare.tuning.models.prompted import Prompted


def test_a_continuation_does_not_depend_on_what_is_asked_beside_it(random_base, requests_of):
    model = load_model(random_base)
    asked = [Prompted(messages=r.messages, seed=i, top_logprobs=5) for i, r in enumerate(requests_of(3))]

    together = model.continued(asked)
    alone = [model.continued([p])[0] for p in asked]

    assert [g.text for g in together] == [g.text for g in alone]
    for one, other in zip(together, alone, strict=True):
        assert all(
            math.isclose(a.logprob, b.logprob, abs_tol=1e-4)
            for a, b in zip(one.tokens, other.tokens, strict=True)
        )


def test_asked_for_nothing_a_model_says_nothing(random_base):
    assert load_model(random_base).continued([]) == []


def test_missing_libraries_are_named_with_how_to_install_them(monkeypatch, tmp_path):
    monkeypatch.setattr(libraries, "_LIBRARIES", ("json", "a_library_that_nobody_has"))

    with pytest.raises(
        MissingExtra, match=r"need a_library_that_nobody_has: .*pip install 'equipoise\[tune\]'"
    ):
        load_model(tmp_path)


def test_the_model_checks_the_answers_of_its_own_prompts(random_base, requests_of):
    model = load_model(random_base)
    [request, *_] = requests_of(1)

    ids = model.answer_ids(request.messages, "B")

    assert model.tokenizer.convert_ids_to_tokens(ids) == ["B", "<end>"]
    assert model.prompt_ids(request.messages) == model.prompt_ids(request.messages)
    assert model.context is not None


def test_words_that_the_tokenizer_does_not_know_are_refused_rather_than_answered_by_chance(random_base):
    model = load_model(random_base)
    asked = Prompted(messages=(Message(role=Speaker.USER, content="Who should get the heart?"),))

    with pytest.raises(BadModel, match="does not know 'Who should get the heart"):
        model.continued([asked])
