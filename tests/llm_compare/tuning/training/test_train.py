from __future__ import annotations

import dataclasses
import json
import math

import pytest

from llm_compare.errors import (
    BadModel,
    CannotTune,
    OutOfMemory,
    TrainingStopped,
    UnknownTargetModules,
)
from llm_compare.tuning.models.fingerprint import ADAPTER_WEIGHTS
from llm_compare.tuning.models.local_model import Loading, adapted, load_model
from llm_compare.tuning.training.adapter_manifest import MANIFEST_FILE, read_adapter_manifest
from llm_compare.tuning.training.checkpoint import checkpoint_path
from llm_compare.tuning.training.settings import TrainSettings
from llm_compare.tuning.training.train import train
from llm_compare.tuning.training_sets.labels import LabelKind

QUICK = TrainSettings(rank=2, steps=6, batch=8, learning_rate=5e-3, dropout=0.1, seed=3)


def weights(folder):
    return (folder / ADAPTER_WEIGHTS).read_bytes()


def all_close(one, other, tolerance):
    from safetensors.torch import load_file
    from torch import allclose

    a, b = load_file(one / ADAPTER_WEIGHTS), load_file(other / ADAPTER_WEIGHTS)
    return a.keys() == b.keys() and all(allclose(a[k], b[k], atol=tolerance) for k in a)


def stopping_after(n):
    seen = []

    def stop():
        seen.append(None)
        return len(seen) >= n

    return stop


def test_training_brings_the_models_shares_near_peoples_not_only_the_most_frequent_answer(
    able_base, training_set_of, tmp_path
):
    import torch

    from llm_compare.tuning.training.encoded import encode
    from llm_compare.tuning.training.loss import row_nats

    people = training_set_of(2)
    settings = TrainSettings(steps=100, batch=4, learning_rate=2e-2, max_gradient_norm=10.0)
    manifest = train(people, able_base, settings, tmp_path / "a")
    tuned = load_model(able_base, adapter=tmp_path / "a")

    # No model can be less surprised by people who disagree than their shares are uncertain.
    entropy = sum(-t.share * math.log(t.share) for e in people.examples for t in e.targets) / len(
        people.examples
    )
    assert entropy - 1e-6 < manifest.losses[-1] < entropy + 0.1
    for example, encoded in zip(
        people.examples, encode(tuned, people.examples, labels=LabelKind.SHARES), strict=True
    ):
        with torch.no_grad():
            shares = (-row_nats(tuned.network, encoded.rows, pad=0)).exp()
        wanted = torch.tensor([t.share for t in example.targets if t.share > 0])
        assert float((shares - wanted).abs().max()) < 0.1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_or_draw_others(base, training_set_of, tmp_path):
    people = training_set_of(4)
    train(people, base, QUICK, tmp_path / "a")
    train(people, base, QUICK, tmp_path / "b")
    train(people, base, dataclasses.replace(QUICK, seed=4), tmp_path / "c")
    train(dataclasses.replace(people, draw=2), base, QUICK, tmp_path / "d")

    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert (tmp_path / "a" / MANIFEST_FILE).read_bytes() == (tmp_path / "b" / MANIFEST_FILE).read_bytes()
    assert len({weights(tmp_path / name) for name in "acd"}) == 3


def test_each_step_leaves_out_other_inputs_by_chance(base, training_set_of, tmp_path, monkeypatch):
    import torch

    seeds, own = [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: (seeds.append(seed), own(seed))[1])
    train(training_set_of(4), base, QUICK, tmp_path / "a")
    # One for the first weights, one for each step.
    assert len(set(seeds)) == len(seeds) == 1 + QUICK.steps


def test_the_base_is_left_as_it_was_bit_for_bit_and_so_is_the_state_of_torch(base, training_set_of, tmp_path):
    import torch

    before = {name: tensor.clone() for name, tensor in base.network.state_dict().items()}
    moved = {name: p.requires_grad for name, p in base.network.named_parameters()}
    kind, random = type(base.network), torch.random.get_rng_state()

    train(training_set_of(4), base, QUICK, tmp_path / "a")

    after = base.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert moved == {name: p.requires_grad for name, p in base.network.named_parameters()}
    assert type(base.network) is kind
    assert not base.network.training
    assert torch.equal(random, torch.random.get_rng_state())
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("at_once", [1, 3])
def test_how_many_are_held_at_once_changes_memory_and_not_the_batch(base, training_set_of, tmp_path, at_once):
    settings = dataclasses.replace(QUICK, dropout=0.0)
    whole = train(training_set_of(4), base, settings, tmp_path / "a")
    parts = train(training_set_of(4), base, dataclasses.replace(settings, at_once=at_once), tmp_path / "b")

    assert parts.losses == pytest.approx(whole.losses, abs=1e-5)
    assert all_close(tmp_path / "a", tmp_path / "b", 1e-5)


def test_computing_some_of_it_twice_changes_memory_and_not_the_weights(base, training_set_of, tmp_path):
    settings = dataclasses.replace(QUICK, dropout=0.0)
    train(training_set_of(4), base, settings, tmp_path / "a")
    train(
        training_set_of(4), base, dataclasses.replace(settings, gradient_checkpointing=True), tmp_path / "b"
    )

    assert all_close(tmp_path / "a", tmp_path / "b", 1e-6)
    assert not any(getattr(m, "gradient_checkpointing", False) for m in base.network.modules())


def test_a_base_in_bfloat16_learns_with_an_adapter_in_float32(random_base, training_set_of, tmp_path):
    from safetensors.torch import load_file

    manifest = train(
        training_set_of(4),
        random_base,
        dataclasses.replace(QUICK, steps=30, learning_rate=2e-2),
        tmp_path / "a",
        loading=Loading(dtype="bfloat16"),
    )

    assert manifest.dtype == "bfloat16"
    assert manifest.losses[-1] < 0.7 * manifest.losses[0]
    assert {str(t.dtype) for t in load_file(tmp_path / "a" / ADAPTER_WEIGHTS).values()} == {"torch.float32"}


def test_nothing_is_trained_in_float16(random_base, training_set_of, tmp_path):
    with pytest.raises(CannotTune, match="--dtype bfloat16"):
        train(training_set_of(2), random_base, QUICK, tmp_path / "a", loading=Loading(dtype="float16"))


def test_the_weights_with_the_least_loss_on_what_is_set_apart_are_kept(base, training_set_of, tmp_path):
    # Few comparisons, many steps: what is learned by heart in the end serves others less than what came before.
    settings = TrainSettings(rank=8, steps=60, batch=8, learning_rate=5e-2, validation=0.5)
    manifest = train(training_set_of(4), base, settings, tmp_path / "a")

    found = dict(manifest.validation_losses)
    assert {0, settings.steps} <= set(found)
    assert found[manifest.best_step] == min(found.values())
    assert manifest.best_step < settings.steps
    assert manifest.n_examples == 4
    ended = dataclasses.replace(settings, validation=0.0)
    assert train(training_set_of(4), base, ended, tmp_path / "b").best_step == settings.steps


@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_an_interrupted_training_goes_on_to_the_same_bytes(base, training_set_of, tmp_path, validation):
    settings = dataclasses.replace(QUICK, validation=validation)
    if validation:
        # Long steps to and fro: the best weights are those from before the last interruption.
        settings = dataclasses.replace(settings, learning_rate=0.5)
    people = training_set_of(4)
    whole = train(people, base, settings, tmp_path / "whole")
    assert whole.best_step < 5 if validation else whole.best_step == 6
    out = tmp_path / "parts"
    for done in (2, 5):
        with pytest.raises(TrainingStopped, match=f"{done} of 6 steps") as stopped:
            train(people, base, settings, out, stop=stopping_after(2 if done == 2 else 3))
        assert str(checkpoint_path(out)) in str(stopped.value)
        assert not out.exists()

    train(people, base, settings, out)

    assert weights(out) == weights(tmp_path / "whole")
    assert (out / MANIFEST_FILE).read_bytes() == (tmp_path / "whole" / MANIFEST_FILE).read_bytes()
    assert not checkpoint_path(out).exists()


def test_a_checkpoint_of_another_training_is_refused_and_kept(base, training_set_of, tmp_path):
    out = tmp_path / "a"
    with pytest.raises(TrainingStopped):
        train(training_set_of(4), base, QUICK, out, stop=stopping_after(2))
    kept = checkpoint_path(out).read_bytes()

    with pytest.raises(CannotTune, match=r"learning rate 0\.005 there, 0\.001 now"):
        train(training_set_of(4), base, dataclasses.replace(QUICK, learning_rate=1e-3), out)
    with pytest.raises(CannotTune, match="set sha256"):
        train(training_set_of(4, seed=1), base, QUICK, out)
    assert checkpoint_path(out).read_bytes() == kept


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_checkpoint_that_cannot_be_read_says_how_to_begin_again(base, training_set_of, tmp_path, content):
    out = tmp_path / "a"
    checkpoint_path(out).write_bytes(content)

    with pytest.raises(CannotTune, match="remove it to begin the training again"):
        train(training_set_of(2), base, QUICK, out)


def test_a_finished_adapter_is_not_trained_again_and_never_overwritten_by_another(
    base, training_set_of, tmp_path
):
    out = tmp_path / "a"
    first = train(training_set_of(4), base, QUICK, out)
    steps = []

    assert train(training_set_of(4), base, QUICK, out, progress=steps.append) == first
    assert steps == []
    with pytest.raises(CannotTune, match=r"holds an adapter of another training.*rank 2 there, 3 now"):
        train(training_set_of(4), base, dataclasses.replace(QUICK, rank=3), out)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "thesis.tex").write_text("")
    with pytest.raises(BadModel, match="holds no adapter"):
        train(training_set_of(4), base, QUICK, tmp_path / "strange")


def test_a_finished_adapter_tells_what_it_is(base, random_base, training_set_of, tmp_path):
    people = training_set_of(4)
    seen = []
    manifest = train(people, random_base, QUICK, tmp_path / "a", progress=seen.append)

    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "adapter_config.json",
        ADAPTER_WEIGHTS,
        MANIFEST_FILE,
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert read_adapter_manifest(tmp_path / "a") == manifest
    assert manifest.base_fingerprint == base.base_fingerprint
    assert manifest.base_source == str(random_base)
    assert (manifest.set_name, manifest.size, manifest.draw, manifest.labels) == (
        people.name,
        people.size,
        people.draw,
        people.labels,
    )
    assert manifest.settings == QUICK
    assert manifest.complete
    assert len(manifest.losses) == len(seen) == QUICK.steps
    assert seen[-1] == f"step 6 of 6, loss {manifest.losses[-1]:.3f}"
    tuned = load_model(random_base, adapter=tmp_path / "a")
    assert manifest.n_parameters == tuned.n_parameters - base.n_parameters


def test_a_template_that_is_not_the_tokenizers_own_lies_beside_the_weights(
    random_base, training_set_of, tmp_path
):
    template = tmp_path / "own.jinja"
    template.write_text(load_model(random_base).template + "\n{# mine #}")
    train(training_set_of(2), random_base, QUICK, tmp_path / "a", loading=Loading(template=str(template)))

    assert load_model(random_base, adapter=tmp_path / "a").template == template.read_text()


@pytest.mark.parametrize("damage", ["manifest", "weights", "settings", "list"])
def test_a_damaged_adapter_is_not_taken_for_one(base, training_set_of, tmp_path, damage):
    out = tmp_path / "a"
    train(training_set_of(2), base, QUICK, out)
    if damage == "manifest":
        (out / MANIFEST_FILE).write_text("{")
    elif damage == "list":
        (out / MANIFEST_FILE).write_text("[]")
    elif damage == "settings":
        document = json.loads((out / MANIFEST_FILE).read_text())
        document["settings"]["rank"] = 0
        (out / MANIFEST_FILE).write_text(json.dumps(document))
    else:
        content = weights(out)
        (out / ADAPTER_WEIGHTS).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(
        BadModel, match="is not what was trained" if damage == "weights" else "holds no adapter"
    ):
        read_adapter_manifest(out)


def test_layers_are_named_and_unknown_names_answered_with_those_there_are(base, training_set_of, tmp_path):
    some = dataclasses.replace(QUICK, target_modules=("v_proj", "q_proj"))
    train(training_set_of(2), base, some, tmp_path / "a")
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())

    assert config["target_modules"] == ["q_proj", "v_proj"]
    with pytest.raises(UnknownTargetModules, match="no layer named c_attn; name some of q_proj, k_proj"):
        train(
            training_set_of(2),
            base,
            dataclasses.replace(QUICK, target_modules=("q_proj", "c_attn")),
            tmp_path / "b",
        )


def test_a_base_that_carries_adapters_in_memory_is_not_trained(random_base, training_set_of, tmp_path):
    base = load_model(random_base)
    train(training_set_of(2), base, QUICK, tmp_path / "a")
    tuned = adapted(base, tmp_path / "a")

    for model in (tuned, base):
        with pytest.raises(CannotTune, match="load the base alone"):
            train(training_set_of(2), model, QUICK, tmp_path / "b")


def test_a_loss_that_is_no_number_stops_with_the_way_out(base, training_set_of, tmp_path):
    with pytest.raises(CannotTune, match="lower --learning-rate than 1e\\+30"):
        train(training_set_of(2), base, dataclasses.replace(QUICK, learning_rate=1e30), tmp_path / "a")

    assert not (tmp_path / "a").exists()


def test_too_little_memory_names_what_takes_less(base, training_set_of, tmp_path, monkeypatch):
    import torch

    # The largest batch that a machine can be asked for: a real refusal by torch itself.
    monkeypatch.setattr(
        base.network,
        "forward",
        lambda **given: torch.empty(2**50),
    )
    with pytest.raises(OutOfMemory, match=r"--at-once 4.*--gradient-checkpointing.*--dtype bfloat16.*--rank"):
        train(training_set_of(2), base, QUICK, tmp_path / "a")


def test_a_prompt_that_the_model_cannot_hold_is_refused_before_training(base, training_set_of, tmp_path):
    longer = training_set_of(1)
    example = longer.examples[0]
    said = dataclasses.replace(example.messages[1], content=example.messages[1].content + "\nA" * 2_000)
    people = dataclasses.replace(
        longer, examples=(dataclasses.replace(example, messages=(example.messages[0], said)),)
    )

    with pytest.raises(BadModel, match=f"comparison {example.comparison_id}.*longer than"):
        train(people, base, QUICK, tmp_path / "a")
