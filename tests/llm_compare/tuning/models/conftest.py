"""Tokenizers, templates and networks of the shapes of well-known open models; tiny, random, made on the spot."""

from __future__ import annotations

import pytest

from llm_compare.prompting.messages import Message, Speaker

MESSAGES = (
    Message(role=Speaker.SYSTEM, content="Two patients need a kidney.\n\nChoose who gets it."),
    Message(
        role=Speaker.USER,
        content="Patient A\n- Age: 30 years old\n\nPatient B\n- Age: 61 years old\n\nA = Patient A\nC = Coin",
    ),
)
TEXTS = [m.content for m in MESSAGES] + ["Answer: A", '{"answer": "B"}', "assistant user system model C"]

# In the manner of the templates that come with these models, as far as conversations of text need them.
LLAMA_3 = (
    "{{- bos_token }}"
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    '{%- set date_string = strftime_now("%d %b %Y") %}'
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}"
    "{%- set messages = messages[1:] %}{%- else %}{%- set system_message = '' %}{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string + '\\n\\n' + system_message"
    " + '<|eot_id|>' }}"
    "{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
    " + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
QWEN_3 = (
    "{%- for message in messages %}"
    "{%- if message.role == 'assistant' %}"
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- if loop.last %}{{- '<think>\\n' + '' + '\\n</think>\\n\\n' }}{%- endif %}"
    "{{- message.content + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}{%- endif %}"
)
GEMMA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}"
    "{% endif %}"
    "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
PHI_3 = (
    "{% for message in messages %}{{'<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
ALWAYS_THINKS = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '<|Assistant|>' + message['content'] + eos_token }}"
    "{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"
)
SHAPES = ("llama-3", "qwen-3", "gemma", "mistral", "phi-3")


def byte_level(*, template=None, special=(), texts=TEXTS, **named):
    """Return a tokenizer as those of GPT-2, Llama 3 and Qwen: pairs of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **named)
    made.add_special_tokens({"extra_special_tokens": list(special)})
    return made


def metaspace(*, template=None, special=(), texts=TEXTS, opens=False, **named):
    """Return a tokenizer as those of Llama 2, Mistral and Gemma: words with their space, bytes for the rest."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    named = {"unk_token": "<unk>", **named}
    # As such tokenizers are trained, with every word and letter of the texts whole.
    pieces = sorted({c for t in texts for c in t if c not in " \n"} | {"▁"})
    pieces += sorted({"▁" + word for t in texts for word in t.split()} - set(pieces))
    pieces += sorted({word for t in texts for word in t.split()} - set(pieces))
    raw = [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = [*named.values(), *raw, *pieces]
    scores = [0.0] * len(named) + [-20.0] * 256 + [-8.0 + 0.1 * len(p) for p in pieces]
    tokenizer = Tokenizer(
        models.Unigram(
            list(zip(vocabulary, scores, strict=True)),
            unk_id=vocabulary.index(named["unk_token"]),
            byte_fallback=True,
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    if opens:
        bos = named["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, vocabulary.index(bos))]
        )
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **named)
    made.add_special_tokens({"extra_special_tokens": list(special)})
    return made


def tokenizer_of(shape):
    """Return a tokenizer of the shape of a family of models."""
    if shape == "llama-3":
        return byte_level(
            template=LLAMA_3,
            bos_token="<|begin_of_text|>",
            eos_token="<|end_of_text|>",
            special=("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>"),
        )
    if shape == "qwen-3":
        return byte_level(
            template=QWEN_3, eos_token="<|im_end|>", pad_token="<|endoftext|>", special=("<|im_start|>",)
        )
    if shape == "gemma":
        return metaspace(
            template=GEMMA,
            pad_token="<pad>",
            eos_token="<eos>",
            bos_token="<bos>",
            special=("<start_of_turn>", "<end_of_turn>"),
            opens=True,
        )
    if shape == "mistral":
        return metaspace(template=MISTRAL, bos_token="<s>", eos_token="</s>", opens=True)
    if shape == "phi-3":
        return byte_level(
            template=PHI_3,
            eos_token="<|endoftext|>",
            special=("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        )
    assert shape == "gpt-2"
    return byte_level(bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def network_of(shape, tokenizer, *, extra=0, context=256):
    """Return a network of the shape of a family of models, with random weights that tell tokens well apart."""
    import torch
    import transformers as t

    common = {"vocab_size": len(tokenizer) + extra, "bos_token_id": None, "eos_token_id": None}
    common["pad_token_id"] = None
    llama = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": context,
    }
    kinds = {
        "llama-3": lambda: t.LlamaConfig(**common, **llama),
        "qwen-3": lambda: t.Qwen3Config(**common, **llama, head_dim=8),
        "gemma": lambda: t.Gemma2Config(**common, **llama, head_dim=8, sliding_window=16),
        "mistral": lambda: t.MistralConfig(**common, **llama, sliding_window=16),
        "phi-3": lambda: t.Phi3Config(**common, **llama),
        "gpt-2": lambda: t.GPT2Config(**common, n_embd=16, n_layer=2, n_head=2, n_positions=context),
        "opt": lambda: t.OPTConfig(
            **common,
            hidden_size=16,
            ffn_dim=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=context,
            word_embed_proj_dim=16,
        ),
        "pythia": lambda: t.GPTNeoXConfig(
            **common,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=context,
        ),
        "gpt": lambda: t.OpenAIGPTConfig(**common, n_embd=16, n_layer=2, n_head=2, n_positions=context),
        "mamba": lambda: t.MambaConfig(**common, hidden_size=16, num_hidden_layers=2, state_size=4),
    }
    torch.manual_seed(0)
    config = kinds[shape]()
    network = t.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return network.eval()


def save(folder, network, tokenizer, *, ends=None):
    """Write a model as ``transformers`` does."""
    if ends is not None:
        network.generation_config.eos_token_id = ends
    network.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def shapes(tune_extra):
    """What makes tokenizers and networks; skipped without the extra."""
    from types import SimpleNamespace

    from llm_compare.tuning.models.libraries import require_libraries

    require_libraries()
    return SimpleNamespace(
        messages=MESSAGES,
        names=SHAPES,
        byte_level=byte_level,
        metaspace=metaspace,
        tokenizer=tokenizer_of,
        network=network_of,
        save=save,
        always_thinks=ALWAYS_THINKS,
    )
