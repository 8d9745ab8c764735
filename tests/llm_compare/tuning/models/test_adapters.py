from __future__ import annotations

import json
import threading

import pytest

from llm_compare.errors import BadModel, OutOfMemory
from llm_compare.tuning.models.libraries import quiet
from llm_compare.tuning.models.local_model import TEMPLATE_FILE, Loading, adapted, load_model
from llm_compare.tuning.models.prompted import Prompted


def lora(base_folder, folder, *, seed=1, config=None, **given):
    """Write a low-rank adapter with random weights, as large as to change every answer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = config or LoraConfig(
        **{"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **given}
    )
    with quiet():
        tuned = get_peft_model(AutoModelForCausalLM.from_pretrained(str(base_folder)), config)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.copy_(2 * torch.randn(parameter.shape))
    tuned.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def adapters(random_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    return {seed: lora(random_base, folder / f"seed-{seed}", seed=seed) for seed in (1, 2)}


@pytest.fixture
def asked(requests_of):
    return [Prompted(messages=r.messages, top_logprobs=4, max_tokens=2) for r in requests_of(3)]


def test_adapters_over_one_base_answer_as_each_does_alone_in_any_order(random_base, adapters, asked):
    alone = {
        None: load_model(random_base).continued(asked),
        **{
            seed: load_model(random_base, adapter=folder).continued(asked)
            for seed, folder in adapters.items()
        },
    }
    base = load_model(random_base)
    before = base.continued(asked)
    shared = {None: base, **{seed: adapted(base, folder) for seed, folder in adapters.items()}}

    assert before == alone[None]
    assert alone[1] != alone[None] != alone[2] != alone[1]
    for key in (1, None, 2, 1, 2, None, None, 1):
        assert shared[key].continued(asked) == alone[key]
    assert shared[1].network is base.network


def test_an_adapter_taken_out_of_memory_leaves_the_others_and_never_answers_as_the_base(
    random_base, adapters, asked
):
    base = load_model(random_base)
    plain = base.continued(asked)
    first, second = (adapted(base, adapters[seed]) for seed in (1, 2))
    expected = second.continued(asked)

    base.weights.remove(first.adapter)
    assert second.continued(asked) == expected
    with pytest.raises(BadModel, match="taken out of memory"):
        first.continued(asked)

    base.weights.remove(second.adapter)
    assert base.weights.n_parameters == sum(p.numel() for p in base.network.parameters())
    with pytest.raises(BadModel, match="taken out of memory"):
        second.continued(asked)
    assert base.continued(asked) == plain
    assert adapted(base, adapters[2]).continued(asked) == expected


def test_threads_that_ask_at_once_never_get_each_other_s_adapter(random_base, adapters, asked):
    base = load_model(random_base)
    models = {None: base, **{seed: adapted(base, folder) for seed, folder in adapters.items()}}
    expected = {key: model.continued(asked) for key, model in models.items()}
    wrong = []

    def ask(key):
        for _ in range(8):
            if models[key].continued(asked) != expected[key]:
                wrong.append(key)

    threads = [threading.Thread(target=ask, args=(key,)) for key in [*models, *models]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_the_network_in_hand_has_exactly_the_adapter_of_its_model(random_base, adapters):
    import torch

    base = load_model(random_base)
    tuned = adapted(base, adapters[1])
    ids = torch.tensor([[3, 4, 5]])

    def logits(model):
        with model.active() as network, torch.inference_mode():
            return network(input_ids=ids).logits

    plain = logits(load_model(random_base))
    assert torch.equal(logits(base), plain)
    assert not torch.allclose(logits(tuned), plain)
    assert torch.equal(logits(base), plain)
    merged = load_model(random_base, adapter=adapters[1])
    assert torch.equal(logits(tuned), logits(merged))


def test_a_model_counts_its_adapter_s_parameters_but_not_those_of_others(random_base, adapters):
    base = load_model(random_base)
    alone = base.n_parameters
    first, second = (adapted(base, adapters[seed]) for seed in (1, 2))

    # Two matrices (4 x 16 and 16 x 4) at two layers.
    assert first.n_parameters == second.n_parameters == alone + 2 * 2 * 4 * 16
    assert base.n_parameters == alone


def test_names_tell_base_and_adapters_apart(random_base, adapters, tmp_path):
    base = load_model(random_base)
    tuned = adapted(base, adapters[1])

    assert tuned.label == "tiny+seed-1"
    assert adapted(base, adapters[1], "people").label == "people"
    assert load_model(random_base, adapter=adapters[1], label="people").name == (
        adapted(base, adapters[1], "people").name
    )
    assert len({base.fingerprint, tuned.fingerprint, adapted(base, adapters[2]).fingerprint}) == 3
    assert tuned.base_fingerprint == base.base_fingerprint


def test_an_adapter_of_another_base_is_refused_by_its_manifest(random_base, adapters, tmp_path):
    import shutil

    base = load_model(random_base)
    mine, other, broken = (tmp_path / name for name in ("mine", "other", "broken"))
    for folder, manifest in (
        (mine, json.dumps({"base_fingerprint": base.base_fingerprint, "base_label": "tiny"})),
        (other, json.dumps({"base_fingerprint": "f" * 64, "base_label": "large"})),
        (broken, "{}"),
    ):
        shutil.copytree(adapters[1], folder)
        (folder / "tuning_manifest.json").write_text(manifest, encoding="utf-8")

    assert adapted(base, mine).label == "tiny+mine"
    # Another type of numbers, or another template, is the same base.
    half = load_model(random_base, loading=Loading(dtype="bfloat16", template="plain"))
    assert half.base_fingerprint == base.base_fingerprint
    assert adapted(half, mine).label == "tiny+mine"
    with pytest.raises(
        BadModel, match=r"other: was trained over large with the fingerprint f{12}, and tiny has"
    ):
        adapted(base, other)
    with pytest.raises(BadModel, match=r"tuning_manifest\.json: cannot be read"):
        adapted(base, broken)


def test_an_adapter_that_does_not_fit_is_refused_and_leaves_the_base_as_it_was(
    random_base, adapters, asked, shapes, tmp_path
):
    tokenizer = shapes.tokenizer("llama-3")
    other = shapes.save(tmp_path / "other", shapes.network("llama-3", tokenizer), tokenizer)
    gpt = shapes.save(tmp_path / "gpt", shapes.network("gpt-2", tokenizer), tokenizer)
    foreign = lora(other, tmp_path / "foreign", target_modules=["q_proj", "k_proj"])
    conv = lora(gpt, tmp_path / "conv", target_modules=["c_attn"], fan_in_fan_out=True)
    base = load_model(random_base)
    before = base.continued(asked)

    with pytest.raises(BadModel, match=r"foreign: .*(no adapter of this model|of another)"):
        adapted(base, foreign)
    with pytest.raises(BadModel, match="conv: is no adapter of this model"):
        adapted(base, conv)
    assert base.continued(asked) == before
    tuned = adapted(base, adapters[1])
    with_one = tuned.continued(asked)
    with pytest.raises(BadModel, match="foreign"):
        adapted(base, foreign)
    assert base.continued(asked) == before
    assert tuned.continued(asked) == with_one


def test_other_kinds_of_adapters_and_folders_are_refused_by_what_they_are(random_base, adapters, tmp_path):
    from peft import IA3Config, PromptTuningConfig

    base = load_model(random_base)
    prompt = lora(
        random_base,
        tmp_path / "prompt",
        config=PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2),
    )
    scaled = lora(
        random_base,
        tmp_path / "scaled",
        config=IA3Config(task_type="CAUSAL_LM", target_modules=["v_proj"], feedforward_modules=[]),
    )
    biased = lora(random_base, tmp_path / "biased", bias="all")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "adapter_config.json").write_text("{}", encoding="utf-8")
    (pickled / "adapter_model.bin").write_bytes(b"anything")

    for folder, words in (
        (prompt, "another kind .PROMPT_TUNING."),
        (scaled, "another kind .IA3."),
        (biased, "also holds biases"),
        (pickled, r"holds no adapter_model\.safetensors.*may run code"),
        (tmp_path, r"holds no adapter \(adapter_config\.json: No such file or directory\); name a folder"),
    ):
        with pytest.raises(BadModel, match=words):
            adapted(base, folder)
    with pytest.raises(BadModel, match="has an adapter already"):
        adapted(adapted(base, adapters[1]), adapters[2])


def test_an_adapter_with_a_damaged_file_is_refused(random_base, adapters, tmp_path):
    import shutil

    damaged = tmp_path / "damaged"
    shutil.copytree(adapters[1], damaged)
    whole = (damaged / "adapter_model.safetensors").read_bytes()
    (damaged / "adapter_model.safetensors").write_bytes(whole[:200])

    with pytest.raises(BadModel, match="damaged: is no adapter of this model"):
        load_model(random_base, adapter=damaged)


def test_an_adapter_brings_its_template_unless_another_is_asked_for(random_base, adapters, asked, tmp_path):
    import shutil

    folder = tmp_path / "own-template"
    shutil.copytree(adapters[1], folder)
    (folder / TEMPLATE_FILE).write_text("{{ messages[0]['content'] }}{{ messages[1]['content'] }}\n", "utf-8")

    base = load_model(random_base)
    assert adapted(base, folder).template.startswith("{{ messages[0]")
    assert adapted(base, folder).fingerprint != adapted(base, adapters[1]).fingerprint
    given = Loading(template="plain")
    assert "Answer:" in load_model(random_base, adapter=folder, loading=given).template
    assert "Answer:" in adapted(load_model(random_base, loading=given), folder).template


def test_a_batch_that_does_not_fit_says_what_takes_less(random_base, asked):
    model = load_model(random_base)
    import torch

    def refuse(*_):
        torch.empty(2**50, dtype=torch.uint8)

    handle = model.network.register_forward_pre_hook(refuse)
    with pytest.raises(OutOfMemory, match=r"ask fewer at once \(--batch\)"):
        model.continued(asked)
    handle.remove()
    assert len(model.continued(asked)) == len(asked)


def test_an_adapter_of_gpt_2_s_layers_gives_what_its_merged_weights_give(shapes, tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tokenizer = shapes.tokenizer("gpt-2")
    folder = shapes.save(tmp_path / "gpt-2", shapes.network("gpt-2", tokenizer), tokenizer)
    adapter = lora(folder, tmp_path / "adapter", target_modules=["c_attn"], fan_in_fan_out=True)
    ids = torch.tensor([[3, 4, 5]])
    with quiet():
        merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(str(folder)), str(adapter))
    merged = merged.merge_and_unload()

    model = load_model(folder, adapter=adapter, loading=Loading(template="plain"))
    with model.active() as network, torch.inference_mode():
        found = network(input_ids=ids).logits
        assert torch.allclose(found, merged(input_ids=ids).logits, atol=1e-3)
    assert model.n_parameters - model.weights.n_parameters == 4 * 16 * (1 + 3) * 2
