"""A causal model so small that it is made on the spot: for the demonstration and for tests, without any download.

Its words are the lines of a study's prompts: one token per line (``- Age: 46 years old``), so a comparison is some
twenty tokens. It can read these studies and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_compare.tuning.models.libraries import require_libraries

PAD, UNKNOWN, END = "<pad>", "<unknown>", "<end>"
ROLES = ("<system>", "<user>", "<assistant>")
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<' + message['role'] + '>\\n' + message['content'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>\\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinySettings:
    """Size of the network."""

    hidden: int = 48
    layers: int = 2
    heads: int = 4
    context: int = 96
    seed: int = 0


def make_tokenizer(lines: Sequence[str]) -> Any:
    """Return a tokenizer whose tokens are these lines; any other line is unknown to it."""
    require_libraries()
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = dict.fromkeys([PAD, UNKNOWN, END, *ROLES, *(line for line in lines if line)])
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("\n+"), behavior="removed")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PAD,
        eos_token=END,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def make_network(tokenizer: Any, settings: TinySettings) -> Any:
    """Return a network with random weights for the tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(settings.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden,
            intermediate_size=2 * settings.hidden,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=settings.context,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            tie_word_embeddings=True,
        )
    )


def save_model(network: Any, tokenizer: Any, folder: Path) -> None:
    """Write network and tokenizer so that ``transformers`` loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
