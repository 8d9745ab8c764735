"""A causal model so small that it is made on the spot: for the demonstration and for tests, without any download.

Its words are the lines of a study's prompts: one token per line (``- Age: 46 years old``), so a comparison is some
twenty tokens. It spells any other line letter by letter, and knows nothing about it.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from llm_compare.tuning.models.devices import chosen_device
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


LETTERS = "".join(c for c in string.printable if c not in string.whitespace) + " "
"""What other lines are spelled with."""
_LONGEST_LINE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TinySettings:
    """Size of the network."""

    hidden: int = 48
    layers: int = 2
    heads: int = 4
    context: int = 512
    seed: int = 0


class Size(StrEnum):
    """How large a network is made."""

    AUTO = "auto"
    """Tiny on a CPU, small on a GPU."""
    TINY = "tiny"
    SMALL = "small"
    LARGE = "large"


SIZES: Mapping[Size, TinySettings] = {
    Size.TINY: TinySettings(),
    Size.SMALL: TinySettings(hidden=256, layers=4, heads=8),
    Size.LARGE: TinySettings(hidden=768, layers=8, heads=12),
}
"""About 60 thousand, 3 million and 47 million parameters."""
LEARNING_RATES: Mapping[Size, float] = {Size.TINY: 3e-3, Size.SMALL: 1e-3, Size.LARGE: 3e-4}
"""Of a pre-training that starts from random weights: the wider, the less."""


def chosen_size(wanted: Size, device: str) -> Size:
    """Return the size for ``wanted`` on a device.

    Raises
    ------
    BadModel
        There is no such device here.
    """
    if wanted is not Size.AUTO:
        return wanted
    return Size.SMALL if chosen_device(device).startswith("cuda") else Size.TINY


def make_tokenizer(lines: Sequence[str], *, letters: str = "") -> Any:
    """Return a tokenizer whose tokens are these lines.

    Parameters
    ----------
    letters
        What any other line is spelled with; a line that needs more than these is one unknown token.
    """
    require_libraries()
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = dict.fromkeys([PAD, UNKNOWN, END, *ROLES, *(line for line in lines if line), *letters])
    vocabulary = {w: i for i, w in enumerate(words)}
    # The longest known beginning of what is left of a line is one token: a whole line, if it is known.
    model = models.WordPiece(
        vocabulary,
        unk_token=UNKNOWN,
        max_input_chars_per_word=_LONGEST_LINE,
        continuing_subword_prefix="",
    )
    tokenizer = Tokenizer(model if letters else models.WordLevel(vocabulary, unk_token=UNKNOWN))
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
            # The usual 0.02 is meant for wide networks; in a narrow one it leaves nothing to learn from at first.
            initializer_range=settings.hidden**-0.5,
        )
    )


def save_model(network: Any, tokenizer: Any, folder: Path) -> None:
    """Write network and tokenizer so that ``transformers`` loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
