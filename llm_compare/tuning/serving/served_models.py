"""The models that a server answers for: found by name, asked one at a time, every draw from a seed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from llm_compare.errors import BadModel, CompareError, OutOfMemory
from llm_compare.prompting.messages import Message
from llm_compare.tuning.models.prompted import Generated, Prompted
from llm_compare.tuning.serving.protocol import ChatRequest, RequestRefused
from llm_compare.tuning.serving.response import completion

MOST_TOKENS = 1024
"""Written where the request sets no limit and the model reads more than that."""
_ID_DIGITS = 24


class Continues(Protocol):
    """What is needed of a model; :class:`~llm_compare.tuning.models.local_model.LocalModel` has it."""

    @property
    def name(self) -> str:
        """Label and fingerprint."""

    @property
    def label(self) -> str:
        """What it is called, without the fingerprint."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that was loaded."""

    @property
    def context(self) -> int | None:
        """The most tokens of prompt and reply together; None where there is no such bound."""

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a conversation."""

    def continued(self, prompted: Sequence[Prompted]) -> list[Generated]:
        """Continue conversations."""


class ServedModels:
    """Answers requests with the models that it holds.

    Parameters
    ----------
    models
        At least one. Several may share their weights: only one is asked at a time.
    seed
        Of every draw whose request brings no seed. Such a request draws from this seed, from all that it asks for,
        and from how many times it was answered before. So a fresh server with the same seed gives the same set of
        replies, whatever order the requests come in, while repeats of a request differ.

    Raises
    ------
    BadModel
        Two models have the same name.
    """

    def __init__(self, models: Sequence[Continues], *, seed: int = 0) -> None:
        self._models = {model.name: model for model in models}
        if len(self._models) < len(models):
            twice = [name for name, n in Counter(m.name for m in models).items() if n > 1]
            raise BadModel(f"{', '.join(twice)}: named twice; give each adapter once, under its own name")
        self.seed = seed
        self._answered: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models, in the order given."""
        return tuple(self._models)

    @property
    def n_answered(self) -> int:
        """Number of requests answered so far."""
        return self._answered.total()

    def found(self, name: str) -> Continues:
        """Return the model of that name.

        Raises
        ------
        RequestRefused
            There is none; the message names those there are.
        """
        if (model := self._models.get(name)) is not None:
            return model
        meant = [m.name for m in self._models.values() if m.label == name.partition("@")[0]]
        if meant:
            said = (
                f"no model {name!r}; ask for {' or '.join(meant)}: the name holds a fingerprint of the weights, so "
                "that replies of a model that was trained again are never taken for the old one's"
            )
        else:
            said = f"no model {name!r}; this server has {', '.join(self._models)}"
        raise RequestRefused(said, status=404, param="model", code="model_not_found")

    def answer(self, request: ChatRequest) -> dict[str, Any]:
        """Return the response to a request.

        Raises
        ------
        RequestRefused
            The model is not here, cannot read the request, or lacks memory for it (status 503).
        """
        model = self.found(request.model)
        asked = request.digest()
        with self._lock:
            drawn = request.digest(self.seed, self._answered[asked])
            seed = int.from_bytes(drawn[:8], "big") if request.seed is None else request.seed
            try:
                room = _room(model, request)
                generated = model.continued([request.prompted(max_tokens=room, seed=seed)])[0]
            except OutOfMemory as error:
                raise RequestRefused(str(error), status=503, code="out_of_memory") from error
            except CompareError as error:
                raise RequestRefused(str(error), param="messages") from error
            self._answered[asked] += 1
        return completion(request, generated, id_=drawn.hex()[:_ID_DIGITS], fingerprint=model.fingerprint)


def _room(model: Continues, request: ChatRequest) -> int:
    if request.max_tokens is not None:
        return request.max_tokens
    if model.context is None:
        return MOST_TOKENS
    # Of a prompt that fills the context, the model itself says so.
    return max(1, min(MOST_TOKENS, model.context - len(model.prompt_ids(request.messages))))
