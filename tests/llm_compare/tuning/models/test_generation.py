from __future__ import annotations

import numpy as np
import pytest

from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.models.generation import continued
from llm_compare.tuning.models.prompted import Prompted

CACHED = ("llama-3", "qwen-3", "gemma", "mistral", "phi-3", "gpt-2", "opt", "pythia")
"""Networks whose cache, positions or windows differ."""
UNCACHED = ("gpt", "mamba")
LENGTHS = (5, 41, 12)


@pytest.fixture(scope="module")
def tokenizer(shapes):
    return shapes.tokenizer("llama-3")


def prompts_of(*, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, n).tolist() for n in LENGTHS]


def asked(n=3, **given):
    message = Message(role=Speaker.USER, content="not read here")
    return [Prompted(messages=(message,), seed=i, **{"max_tokens": 8, **given}) for i in range(n)]


def ends(tokenizer):
    return frozenset([tokenizer.eos_token_id])


@pytest.mark.parametrize("shape", CACHED + UNCACHED)
def test_the_likeliest_continuation_is_that_of_transformers(shapes, tokenizer, shape):
    import torch

    network = shapes.network(shape, tokenizer)
    prompts = prompts_of()

    found = [
        continued(network, tokenizer, asked(1, temperature=0), [p], ends=ends(tokenizer))[0] for p in prompts
    ]

    for one, prompt in zip(found, prompts, strict=True):
        theirs = network.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=8,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=0,
        )[0, len(prompt) :].tolist()
        kept = [t for t in theirs if t != tokenizer.eos_token_id]
        assert one.text == tokenizer.decode(kept, skip_special_tokens=True).strip()
        assert one.tokens_out == len(theirs)
        assert one.tokens_in == len(prompt)


@pytest.mark.parametrize("shape", CACHED + UNCACHED)
def test_probabilities_are_those_of_the_conversation_alone_read_at_once(shapes, tokenizer, shape):
    import torch

    network = shapes.network(shape, tokenizer)
    prompts = prompts_of()
    together = continued(network, tokenizer, asked(top_logprobs=3), prompts, ends=frozenset([10**9]))

    for one, prompt in zip(together, prompts, strict=True):
        # The oracle reads prompt and continuation in one go: no padding, no cache, no steps.
        ids = list(prompt)
        for token in one.tokens:
            with torch.inference_mode():
                logits = network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            expected = torch.log_softmax(logits, dim=-1)
            by_text = {}
            for candidate, value in enumerate(expected.tolist()):
                by_text.setdefault(tokenizer.decode([candidate]), []).append((value, candidate))
            chosen = min(by_text[token.text], key=lambda pair: abs(pair[0] - token.logprob))
            assert token.logprob == pytest.approx(chosen[0], abs=2e-3)
            ids.append(chosen[1])
            assert list(token.top.values()) == sorted(token.top.values(), reverse=True)
            assert max(token.top.values()) >= expected.max().item() - 2e-3


def test_a_network_that_knows_more_tokens_than_the_tokenizer_is_read_as_far_as_it_can_be(shapes, tokenizer):
    network = shapes.network("llama-3", tokenizer, extra=5000)

    found = continued(
        network,
        tokenizer,
        asked(top_logprobs=20, temperature=1e9),  # Every token alike: most are beyond the tokenizer.
        prompts_of(),
        ends=ends(tokenizer),
    )

    assert all(one.tokens_out == 8 for one in found)
    assert any(token.text == "" for one in found for token in one.tokens)


def test_the_end_of_the_turn_ends_the_text_but_counts(shapes, tokenizer):
    network = shapes.network("gpt-2", tokenizer)
    [free] = continued(
        network, tokenizer, asked(1, temperature=0, top_logprobs=1), [[1, 2, 3]], ends=frozenset([10**9])
    )
    import torch

    with torch.inference_mode():
        first = int(network(input_ids=torch.tensor([[1, 2, 3]])).logits[0, -1].argmax())
    [ended] = continued(
        network, tokenizer, asked(1, temperature=0, top_logprobs=1), [[1, 2, 3]], ends=frozenset([first])
    )

    assert (free.finish_reason, free.tokens_out, len(free.tokens)) == ("length", 8, 8)
    # All that was said is the end: it is told, so that its probability is known.
    assert (ended.finish_reason, ended.tokens_out, ended.text, len(ended.tokens)) == ("stop", 1, "", 1)


def test_each_conversation_has_its_own_limit(shapes, tokenizer):
    network = shapes.network("gpt-2", tokenizer)
    wanted = [
        Prompted(messages=p.messages, max_tokens=m, seed=1) for p, m in zip(asked(), (1, 5, 3), strict=True)
    ]

    found = continued(network, tokenizer, wanted, prompts_of(), ends=frozenset([10**9]))

    assert [one.tokens_out for one in found] == [1, 5, 3]


def test_a_seed_decides_what_is_drawn_and_other_seeds_draw_otherwise(shapes, tokenizer):
    network = shapes.network("gpt-2", tokenizer)
    same = prompts_of()[:1]

    def text(seed):
        wanted = [Prompted(messages=asked(1)[0].messages, seed=seed, max_tokens=8)]
        return continued(network, tokenizer, wanted, same, ends=ends(tokenizer))[0].text

    assert text(5) == text(5)
    assert len({text(seed) for seed in range(8)}) > 1
