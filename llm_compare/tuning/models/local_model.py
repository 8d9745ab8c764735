"""An open model on this machine, with or without an adapter: loaded, fingerprinted, asked.

Replies are stored under the name of the model that gave them. A local model can change behind its name, so every
name here ends in a fingerprint of what was loaded: ``tiny@3f9a1c0b2d4e``, ``tiny+size-64@91bc…``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_compare.errors import BadModel
from llm_compare.prompting.messages import Message
from llm_compare.tuning.models.adapters import Weights, check_base
from llm_compare.tuning.models.chat import answer_ids, chat_template, check_answers, prompt_ids, turn_end
from llm_compare.tuning.models.devices import chosen_device, chosen_dtype, memory_watched
from llm_compare.tuning.models.fingerprint import adapter_hash, base_hash, folder_hash
from llm_compare.tuning.models.generation import continued
from llm_compare.tuning.models.libraries import require_libraries
from llm_compare.tuning.models.loading import Loading, loaded
from llm_compare.tuning.models.prompted import Generated, Prompted
from survey.answers import Choice

__all__ = [
    "FINGERPRINT_DIGITS",
    "TEMPLATE_FILE",
    "Loading",
    "LocalModel",
    "adapted",
    "chosen_device",
    "chosen_dtype",
    "folder_hash",
    "load_model",
    "memory_watched",
]

FINGERPRINT_DIGITS = 12
TEMPLATE_FILE = "chat_template.jinja"
"""Lies in an adapter's folder where the template is not the tokenizer's own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalModel:
    """A causal language model that continues conversations. Several may share one network in memory.

    Make one with :func:`load_model` or :func:`adapted`.
    """

    weights: Weights
    adapter: str | None
    """Name of its adapter among those of ``weights``; None for the base alone."""
    tokenizer: Any
    template: str
    """The chat template that its prompts are written with."""
    template_given: bool
    """Whether that was asked for; else it is the adapter's or the tokenizer's own."""
    label: str
    """What it is called, without the fingerprint."""
    base_fingerprint: str
    """SHA-256 (hex) of the base's weights, configuration and tokenizer; what an adapter belongs to."""
    fingerprint: str
    """SHA-256 (hex) of everything that its replies come from: the base, the template, the type of its numbers (e.g.
    bfloat16), the adapter. Devices and threads, which change the last digits, are not in it."""
    dtype: str
    """Type of the base's numbers."""
    ends: frozenset[int]
    """Tokens that end the model's turn."""
    n_parameters: int
    """Those of the adapter included."""

    @property
    def name(self) -> str:
        """Label and fingerprint: what replies are stored under."""
        return f"{self.label}@{self.fingerprint[:FINGERPRINT_DIGITS]}"

    @property
    def network(self) -> Any:
        """The ``transformers`` network, which all models that share it have in common; see :meth:`active`."""
        return self.weights.network

    @property
    def device(self) -> Any:
        """Where its inputs belong."""
        return next(self.network.parameters()).device

    @property
    def context(self) -> int | None:
        """The most tokens of a conversation with its continuation; None where there is no such bound."""
        most = getattr(self.network.config.get_text_config(), "max_position_embeddings", None)
        return most if isinstance(most, int) and most > 0 else None

    def active(self) -> AbstractContextManager[Any]:
        """Give the network with this model's adapter active and no other; meanwhile others wait."""
        return self.weights.active(self.adapter)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a conversation up to where the model's turn begins; see :func:`chat.prompt_ids`."""
        return prompt_ids(self.tokenizer, self.template, messages)

    def answer_ids(self, messages: Sequence[Message], text: str) -> list[int]:
        """Return the tokens that give the answer ``text`` and end the turn; see :func:`chat.answer_ids`."""
        return answer_ids(self.tokenizer, self.template, messages, text, ends=self.ends, model=self.label)

    def check_answers(
        self, messages: Sequence[Message], answers: Mapping[Choice, str], *, first_token: bool = False
    ) -> None:
        """Check that the model can give each offered answer; see :func:`chat.check_answers`."""
        check_answers(
            self.tokenizer,
            self.template,
            messages,
            answers,
            ends=self.ends,
            model=self.label,
            first_token=first_token,
        )

    def continued(self, prompted: Sequence[Prompted]) -> list[Generated]:
        """Continue conversations, all in one batch. Same prompts in the same batch, same continuations.

        What is asked beside a conversation changes the last digits of its probabilities only.

        Raises
        ------
        OutOfMemory
            The batch does not fit.
        BadModel
            A conversation is longer than the model can read, or its template refuses one.
        """
        if not prompted:
            return []
        way_out = "ask fewer at once (--batch), or load the model in bfloat16 (--dtype)"
        with memory_watched(way_out), self.active() as network:
            prompts = [self.prompt_ids(p.messages) for p in prompted]
            self._check_length(prompted, prompts)
            return continued(network, self.tokenizer, prompted, prompts, ends=self.ends)

    def _check_length(self, prompted: Sequence[Prompted], prompts: Sequence[Sequence[int]]) -> None:
        needed = max(len(ids) + p.max_tokens for ids, p in zip(prompts, prompted, strict=True))
        if self.context is not None and needed > self.context:
            raise BadModel(
                f"a conversation of {needed} tokens, with those to come, is longer than {self.label} can read "
                f"({self.context}); take a model with a longer context, a shorter introduction, or fewer tokens to "
                "come (--max-tokens)"
            )


def load_model(
    source: str | Path,
    *,
    adapter: Path | None = None,
    label: str | None = None,
    loading: Loading | None = None,
) -> LocalModel:
    """Load a causal language model.

    The number of CPU threads is set for the whole process.

    Parameters
    ----------
    source
        A folder, or a name on the model hub (which is downloaded unless it lies in the cache).
    adapter
        Folder of an adapter trained on this model.
    label
        What it is called; the folder's name unless given.

    Raises
    ------
    MissingExtra, BadModel, MissingChatTemplate, OutOfMemory
        It cannot be loaded; the message says what would work.
    """
    require_libraries()
    how = loading or Loading()
    called = label if label is not None and adapter is None else _label(source)
    with memory_watched("load it in bfloat16 (--dtype bfloat16), or take a smaller model"):
        base = loaded(source, how)
    # An adapter trained with a template of its own needs none of the tokenizer.
    given = how.template or _template_beside(adapter)
    template = chat_template(base.tokenizer, given, model=called)
    weights = Weights(base.network)
    fingerprint = base_hash(base.folder)
    model = LocalModel(
        weights=weights,
        adapter=None,
        tokenizer=base.tokenizer,
        template=template,
        template_given=how.template is not None,
        label=called,
        base_fingerprint=fingerprint,
        fingerprint=_hash(fingerprint, template, base.dtype),
        dtype=base.dtype,
        ends=ends_of(base.network, base.tokenizer, template),
        n_parameters=weights.n_parameters,
    )
    return model if adapter is None else adapted(model, adapter, label)


def adapted(base: LocalModel, adapter: Path, label: str | None = None) -> LocalModel:
    """Return the model that ``base`` becomes under an adapter. Both share the weights in memory, and go on working.

    Parameters
    ----------
    base
        A model without an adapter.
    adapter
        Folder of a low-rank adapter, of ours or of others (in the format of ``peft``).
    label
        What it is called; base and folder unless given.

    Raises
    ------
    BadModel
        There is no adapter in the folder, or it was trained over another base.
    OutOfMemory
        It does not fit.
    """
    if base.adapter is not None:
        raise BadModel(f"{base.label} has an adapter already; name the base alone")
    content = adapter_hash(adapter)
    check_base(adapter, fingerprint=base.base_fingerprint, label=base.label)
    template = base.template
    if not base.template_given and (beside := _template_beside(adapter)) is not None:
        template = chat_template(base.tokenizer, beside, model=base.label)
    with memory_watched("load the model in bfloat16 (--dtype bfloat16), or fewer adapters at once"):
        name = base.weights.add(adapter)
    return LocalModel(
        weights=base.weights,
        adapter=name,
        tokenizer=base.tokenizer,
        template=template,
        template_given=base.template_given,
        label=label if label is not None else f"{base.label}+{_label(adapter)}",
        base_fingerprint=base.base_fingerprint,
        fingerprint=_hash(base.base_fingerprint, template, base.dtype, content),
        dtype=base.dtype,
        ends=ends_of(base.network, base.tokenizer, template),
        n_parameters=base.weights.n_parameters + base.weights.n_adapter_parameters(name),
    )


def ends_of(network: Any, tokenizer: Any, template: str) -> frozenset[int]:
    """Return the tokens that end a model's turn: its own, its tokenizer's, and the one that the template writes.

    Raises
    ------
    BadModel
        There are none.
    """
    given = (
        getattr(network.generation_config, "eos_token_id", None),
        tokenizer.eos_token_id,
        # A base model's own end closes a text; the template may close turns with another.
        turn_end(tokenizer, template),
    )
    found: set[int] = set()
    for value in given:
        found |= set(value) if isinstance(value, list | tuple) else set() if value is None else {int(value)}
    if not found:
        raise BadModel(
            "the model has no token that ends its turn; set eos_token in its tokenizer_config.json or eos_token_id "
            "in its generation_config.json"
        )
    return frozenset(found)


def _template_beside(adapter: Path | None) -> str | None:
    beside = None if adapter is None else adapter / TEMPLATE_FILE
    return str(beside) if beside is not None and beside.is_file() else None


def _label(source: str | Path) -> str:
    path = Path(source)
    return path.resolve().name if path.is_dir() else path.name


def _hash(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()
