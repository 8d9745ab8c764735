"""An open model on this machine, with or without an adapter: loaded, fingerprinted, asked.

Replies are stored under the name of the model that gave them. A local model can change behind its name, so every
name here ends in a fingerprint of what was loaded: ``tiny@3f9a1c0b2d4e``, ``tiny+size-64@91bc…``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llm_compare.errors import BadModel, OutOfMemory
from llm_compare.prompting.messages import Message
from llm_compare.tuning.models.chat import chat_template, check_answers, prompt_ids
from llm_compare.tuning.models.libraries import require_libraries
from llm_compare.tuning.models.prompted import Generated, Prompted, Token

FINGERPRINT_DIGITS = 12
TEMPLATE_FILE = "chat_template.jinja"
"""Lies in an adapter's folder where the template is not the tokenizer's own."""
_WEIGHTS = ("*.safetensors", "*.bin", "*.json", "*.jinja", "*.model", "*.txt")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How a model is brought into memory."""

    device: str = "auto"
    """``auto`` takes a GPU where there is one; else ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    dtype: str = "auto"
    """``auto`` is bfloat16 on a GPU that has it, float32 elsewhere; else ``float32``, ``bfloat16``, ``float16``."""
    threads: int = 1
    """CPU threads. The number changes the order of sums, so the same number gives the same bytes."""
    template: str | None = None
    """``plain`` or a Jinja file; None for the adapter's or the tokenizer's own."""


class LocalModel:
    """A causal language model that continues conversations.

    Make one with :func:`load_model`.
    """

    def __init__(
        self,
        *,
        network: Any,
        tokenizer: Any,
        template: str,
        label: str,
        fingerprint: str,
        ends: frozenset[int],
    ) -> None:
        self.network = network
        """The ``transformers`` or ``peft`` model."""
        self.tokenizer = tokenizer
        self.template = template
        self.label = label
        """What it is called, without the fingerprint."""
        self.fingerprint = fingerprint
        """SHA-256 (hex) of everything that was loaded: weights, configuration, tokenizer, template, adapter."""
        self.ends = ends
        """Tokens that end the model's turn."""

    @property
    def name(self) -> str:
        """Label and fingerprint: what replies are stored under."""
        return f"{self.label}@{self.fingerprint[:FINGERPRINT_DIGITS]}"

    @property
    def device(self) -> Any:
        """Where its inputs belong."""
        return next(self.network.parameters()).device

    @property
    def n_parameters(self) -> int:
        """Number of parameters, those of the adapter included."""
        return sum(p.numel() for p in self.network.parameters())

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a conversation up to where the model's turn begins."""
        return prompt_ids(self.tokenizer, self.template, messages)

    def check_answers(self, texts: Sequence[str]) -> None:
        """Check that the model can write each offered answer; see :func:`chat.check_answers`."""
        check_answers(self.tokenizer, texts, ends=self.ends, model=self.label)

    def continued(self, prompted: Sequence[Prompted]) -> list[Generated]:
        """Continue conversations, all in one batch. Same prompts in the same batch, same continuations.

        Raises
        ------
        OutOfMemory
            The batch does not fit.
        """
        with memory_watched("ask fewer at once (--batch), or load the model in bfloat16 (--dtype)"):
            return self._continued(prompted)

    def _continued(self, prompted: Sequence[Prompted]) -> list[Generated]:
        import torch

        if not prompted:
            return []
        ids = [self.prompt_ids(p.messages) for p in prompted]
        longest = max(map(len, ids))
        self._check_length(longest + max(p.max_tokens for p in prompted))
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else min(self.ends)
        tokens = torch.tensor([[pad] * (longest - len(i)) + i for i in ids], device=self.device)
        mask = torch.tensor([[0] * (longest - len(i)) + [1] * len(i) for i in ids], device=self.device)
        drawn = [np.random.default_rng(p.seed) for p in prompted]
        written: list[list[int]] = [[] for _ in prompted]
        told: list[list[Token]] = [[] for _ in prompted]
        open_ = [True] * len(prompted)
        past = None
        self.network.eval()
        with torch.inference_mode():
            for step in range(max(p.max_tokens for p in prompted)):
                places = (mask.cumsum(dim=1) - 1).clamp(min=0)
                given = tokens if past is None else tokens[:, -1:]
                found = self.network(
                    input_ids=given,
                    attention_mask=mask,
                    position_ids=places if past is None else places[:, -1:],
                    past_key_values=past,
                    use_cache=True,
                )
                past = found.past_key_values
                logprobs = torch.log_softmax(found.logits[:, -1].float(), dim=-1).cpu().numpy()
                following = []
                for i, p in enumerate(prompted):
                    if not open_[i] or step >= p.max_tokens:
                        open_[i] = False
                        following.append(pad)
                        continue
                    token = _drawn(logprobs[i], p, drawn[i])
                    if p.top_logprobs and (token not in self.ends or not written[i]):
                        told[i].append(self._told(token, logprobs[i], p.top_logprobs))
                    written[i].append(token)
                    open_[i] = token not in self.ends and len(written[i]) < p.max_tokens
                    following.append(token)
                if not any(open_):
                    break
                tokens = torch.cat([tokens, torch.tensor(following, device=self.device)[:, None]], dim=1)
                mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        return [
            Generated(
                text=self.tokenizer.decode(
                    [t for t in ids_out if t not in self.ends], skip_special_tokens=True
                ).strip(),
                finish_reason="stop" if ids_out and ids_out[-1] in self.ends else "length",
                tokens_in=len(ids_in),
                tokens_out=len(ids_out),
                tokens=tuple(tokens_told),
            )
            for ids_in, ids_out, tokens_told in zip(ids, written, told, strict=True)
        ]

    def _told(self, token: int, logprobs: Any, n: int) -> Token:
        order = np.argsort(-logprobs, kind="stable")[: max(n, 1)]
        top: dict[str, float] = {}
        for candidate in order.tolist():
            text = self.tokenizer.decode([candidate])
            value = float(logprobs[candidate])
            top[text] = float(np.logaddexp(top[text], value)) if text in top else value
        return Token(text=self.tokenizer.decode([token]), logprob=float(logprobs[token]), top=top)

    def _check_length(self, n: int) -> None:
        most = getattr(self.network.config, "max_position_embeddings", None)
        if most is not None and n > most:
            raise BadModel(
                f"a conversation of {n} tokens is longer than {self.label} can read ({most}); take a model with a "
                "longer context, or a shorter introduction"
            )


def load_model(
    source: str | Path,
    *,
    adapter: Path | None = None,
    label: str | None = None,
    loading: Loading | None = None,
) -> LocalModel:
    """Load a causal language model.

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
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    how = loading or Loading()
    torch.set_num_threads(how.threads)
    device = chosen_device(how.device)
    dtype = chosen_dtype(how.dtype, device)
    with memory_watched("load it in bfloat16 (--dtype bfloat16), or take a smaller model"):
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(source))
            network = AutoModelForCausalLM.from_pretrained(str(source), dtype=dtype)
        except (OSError, ValueError, KeyError) as error:
            raise BadModel(
                f"{source}: is neither a folder with a causal language model nor one that the hub gave "
                f"({_first_line(error)}); name a folder that holds config.json, weights and tokenizer"
            ) from None
        given = how.template
        if adapter is not None and given is None and (adapter / TEMPLATE_FILE).is_file():
            given = str(adapter / TEMPLATE_FILE)
        template = chat_template(tokenizer, given, model=str(source))
        parts = [_base_fingerprint(source, network), hashlib.sha256(template.encode()).hexdigest()]
        name = label or Path(str(source)).name
        if adapter is not None:
            network = _with_adapter(network, adapter)
            parts.append(folder_hash(adapter, ("adapter_model.safetensors", "adapter_config.json")))
            name = label or f"{name}+{adapter.name}"
        network.to(device)
    network.eval()
    return LocalModel(
        network=network,
        tokenizer=tokenizer,
        template=template,
        label=name,
        fingerprint=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
        ends=ends_of(network, tokenizer),
    )


def ends_of(network: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end a model's turn.

    Raises
    ------
    BadModel
        There are none.
    """
    found: set[int] = set()
    for value in (getattr(network.generation_config, "eos_token_id", None), tokenizer.eos_token_id):
        found |= set(value) if isinstance(value, list | tuple) else set() if value is None else {int(value)}
    if not found:
        raise BadModel("the model has no token that ends its turn (eos_token); set one in its tokenizer")
    return frozenset(found)


def chosen_device(wanted: str) -> str:
    """Return the device for ``wanted``.

    Raises
    ------
    BadModel
        There is no such device here.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = wanted.partition(":")[0]
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": bool(torch.backends.mps.is_available()),
    }
    if not available.get(kind, False):
        raise BadModel(f"--device {wanted}: is not on this machine; use cpu, or auto for whatever there is")
    return wanted


def chosen_dtype(wanted: str, device: str) -> Any:
    """Return the torch type for ``wanted`` on ``device``.

    Raises
    ------
    BadModel
        There is no such type.
    """
    import torch

    if wanted == "auto":
        has_it = device.startswith("cuda") and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if has_it else torch.float32
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if wanted not in known:
        raise BadModel(f"--dtype {wanted}: is not one of {', '.join(known)}, auto")
    return known[wanted]


class memory_watched:  # noqa: N801 - reads like a function: with memory_watched(...)
    """Turn a lack of memory into an error that says what takes less."""

    def __init__(self, way_out: str) -> None:
        self._way_out = way_out

    def __enter__(self) -> None:
        """Begin to watch."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Raise :class:`OutOfMemory` in place of what the libraries raise."""
        if isinstance(error, MemoryError) or (
            isinstance(error, RuntimeError)
            and any(said in str(error) for said in ("out of memory", "not enough memory", "can't allocate"))
        ):
            raise OutOfMemory(f"not enough memory ({_first_line(error)}); {self._way_out}") from None


def folder_hash(folder: Path, patterns: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of the files of a folder that match, by name and content."""
    digest = hashlib.sha256()
    for path in sorted({p for pattern in patterns for p in folder.glob(pattern) if p.is_file()}):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def _base_fingerprint(source: str | Path, network: Any) -> str:
    if Path(str(source)).is_dir():
        return folder_hash(Path(str(source)), _WEIGHTS)
    # Of the hub, the commit says exactly what was loaded.
    return json.dumps([str(source), getattr(network.config, "_commit_hash", None)])


def _with_adapter(network: Any, adapter: Path) -> Any:
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(network, str(adapter))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BadModel(
            f"{adapter}: is no adapter of this model ({_first_line(error)}); name a folder written by 'equipoise "
            "compare tune train' with the model it was trained on"
        ) from None


def _drawn(logprobs: Any, prompted: Prompted, rng: np.random.Generator) -> int:
    if prompted.temperature == 0:
        return int(logprobs.argmax())
    scaled = logprobs.astype(np.float64) / prompted.temperature
    chance = np.exp(scaled - scaled.max())
    chance /= chance.sum()
    if prompted.top_p < 1:
        order = np.argsort(-chance, kind="stable")
        # The smallest set whose probabilities sum to top_p: the token that crosses it still belongs to it.
        kept = order[np.cumsum(chance[order]) - chance[order] < prompted.top_p]
        trimmed = np.zeros_like(chance)
        trimmed[kept] = chance[kept]
        chance = trimmed / trimmed.sum()
    return int(np.searchsorted(np.cumsum(chance), rng.random(), side="right").clip(max=len(chance) - 1))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
