from __future__ import annotations

import pytest

from llm_compare.errors import CannotTune, UnknownTargetModules
from llm_compare.tuning.training.adapter import (
    adapted_for_training,
    computed_twice,
    linear_layers,
    n_trained,
    put_weights,
    saved_weights,
    trained,
)
from llm_compare.tuning.training.settings import TrainSettings

SETTINGS = TrainSettings(rank=2)


@pytest.fixture(scope="module")
def gpt2(tune_extra):
    """A random GPT-2, whose layers are no torch Linear but a kind of its own, with weights the other way round."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng(devices=[]):
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=20, n_positions=32, n_embd=8, n_layer=1, n_head=2)
        ).eval()


def outputs(network):
    import torch

    with torch.no_grad():
        return network(input_ids=torch.tensor([[1, 2, 3]])).logits


@pytest.fixture(autouse=True)
def _same_chance(tune_extra):
    import torch

    with torch.random.fork_rng(devices=[]):
        yield


def test_layers_are_named_as_they_can_be_asked_for(base, gpt2):
    assert linear_layers(base.network) == (
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    )
    assert linear_layers(gpt2) == ("c_attn", "c_proj", "c_fc")


def test_a_new_adapter_changes_nothing_until_it_is_trained_and_nothing_after_it_is_taken_off(gpt2):
    import torch

    before = outputs(gpt2)
    for _ in range(2):  # One after the other, on the one network.
        with adapted_for_training(gpt2, SETTINGS, seed=1) as tuned:
            assert torch.equal(outputs(tuned), before)
            with torch.no_grad():
                for parameter in trained(tuned).values():
                    parameter += 1
            assert not torch.allclose(outputs(tuned), before)
        assert torch.equal(outputs(gpt2), before)
    assert not any("lora" in name for name, _ in gpt2.named_modules())


def test_only_the_adapter_is_trained(gpt2):
    with adapted_for_training(gpt2, SETTINGS, seed=1) as tuned:
        moved = {name for name, p in tuned.named_parameters() if p.requires_grad}

        assert moved == set(trained(tuned))
        assert all("lora_A" in name or "lora_B" in name for name in moved)
        # Rank times (inputs + outputs) of attention (8 to 24, 8 to 8) and of the rest (8 to 32, 32 to 8).
        assert sum(p.numel() for p in trained(tuned).values()) == 2 * (32 + 16 + 40 + 40)
    assert n_trained(gpt2, SETTINGS) == 2 * (32 + 16 + 40 + 40)
    assert all(p.requires_grad for p in gpt2.parameters())


def test_equal_seeds_begin_alike_and_saved_weights_come_back(gpt2):
    import torch

    found = []
    for seed in (1, 1, 2):
        with adapted_for_training(gpt2, SETTINGS, seed=seed) as tuned:
            found.append(saved_weights(tuned))
    with adapted_for_training(gpt2, SETTINGS, seed=3) as tuned:
        put_weights(tuned, found[2])
        back = saved_weights(tuned)

    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])
    assert not all(torch.equal(found[0][k], found[2][k]) for k in found[0])
    assert all(torch.equal(back[k], found[2][k]) for k in found[2])


def test_a_name_that_only_some_models_have_is_unknown_even_beside_a_known_one(gpt2):
    with (
        pytest.raises(UnknownTargetModules, match="named q_proj; name some of c_attn, c_proj, c_fc"),
        adapted_for_training(gpt2, TrainSettings(target_modules=("c_attn", "q_proj")), seed=1),
    ):
        pass
    assert outputs(gpt2) is not None


def test_a_model_that_cannot_compute_twice_says_so(gpt2):
    class Cannot:
        def gradient_checkpointing_enable(self, **given):
            raise ValueError("Bare does not support gradient checkpointing.")

    with pytest.raises(CannotTune, match=r"does not support.*train without it"), computed_twice(Cannot()):
        pass
