"""A protocol: everything about asking that is decided before the first call. Pure.

It comes from a file (``protocol_file``) or from the options of ``compare ask``; both lead to the same calls.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_compare.asking.limiter import Limits
from llm_compare.errors import CannotAsk, UnsupportedSetting
from llm_compare.prompting.call import Settings, is_scripted
from llm_compare.prompting.plan import AttributeOrders, attribute_orders, plan_requests
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import AnswerFormat, Variant
from survey.design import Comparison, StudyDesign

if TYPE_CHECKING:
    from llm_compare.asking.client import Capabilities

MOST_TOKENS = {
    AnswerFormat.LETTER: 16,
    AnswerFormat.JSON: 32,
    AnswerFormat.REASONED: 800,
    AnswerFormat.FREE: 400,
    AnswerFormat.SCALE: 16,
    AnswerFormat.ALLOCATION: 64,
    AnswerFormat.FIRST_TOKEN: 1,
}
"""Most tokens of a reply, unless chosen: room for the answer asked for, no more."""
MOST_TOKENS_REASONING = 4096
"""Likewise for a model that thinks first: its thoughts count, and cut off it would answer nothing."""
_NO_REASONING = "none"
_THINKS = re.compile(
    r"(?:^|[/-])(?:o[134](?:-|$)|gpt-5|gpt-oss|gemini-(?:2\.5|[3-9])|grok-[4-9]|qwen3|qwq|magistral|deepseek-r\d|r1)"
    r"|thinking|reason",
    re.IGNORECASE,
)
"""Names of models that think first unless told otherwise. litellm's own list says what can be made to think."""
_OWN_SERVERS = frozenset({"ollama", "ollama_chat", "lm_studio", "llamafile"})
"""Providers of litellm that stand for a program on this machine."""
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Settings of calls as a researcher chose them; None where nothing was chosen."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """None for what the answer format needs; see :data:`MOST_TOKENS`."""
    seed: int | None = None
    reasoning_effort: str | None = None

    def over(self, other: Choices) -> Choices:
        """Return these choices, and those of ``other`` where nothing is chosen here."""
        return Choices(
            temperature=other.temperature if self.temperature is None else self.temperature,
            top_p=other.top_p if self.top_p is None else self.top_p,
            max_tokens=other.max_tokens if self.max_tokens is None else self.max_tokens,
            seed=other.seed if self.seed is None else self.seed,
            reasoning_effort=other.reasoning_effort
            if self.reasoning_effort is None
            else self.reasoning_effort,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """A model that is asked, where it is reached, and what it costs."""

    model: str
    """The litellm model string, or ``scripted/...``."""
    api_base: str | None = None
    label: str = ""
    """What it is called in names of files; empty for the model string."""
    choices: Choices = field(default_factory=Choices)
    price: tuple[float, float] | None = None
    """USD per million tokens (in, out) as the researcher gives them; None for litellm's price list."""
    sends_schema: bool = True
    """Whether the answer's JSON schema is sent if the provider is known to take one."""

    @property
    def name(self) -> str:
        """The label, or else the model string."""
        return self.label or self.model

    @property
    def file_name(self) -> str:
        """The name with nothing in it that a file's name could not hold."""
        return _FILE_NAME.sub("-", self.name).strip("-.") or "model"

    @property
    def runs_here(self) -> bool:
        """Whether the server is on this machine or a private network, where calls have no price."""
        if self.api_base is None:
            return self.model.partition("/")[0] in _OWN_SERVERS
        host = urlsplit(self.api_base).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or host.endswith((".localhost", ".local"))
        return address.is_loopback or address.is_private


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedVariant:
    """A variant of the prompt, and the settings that it is asked with in place of the model's."""

    variant: Variant = field(default_factory=Variant)
    choices: Choices = field(default_factory=Choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What a run must not exceed. None means no limit."""

    budget_usd: float | None = None
    """For one run of the command, over all its models. What earlier runs spent is not counted."""
    max_calls: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int = 8
    timeout_seconds: float = 60.0

    @property
    def per_minute(self) -> Limits:
        """What a minute must not see more of."""
        return Limits(requests_per_minute=self.requests_per_minute, tokens_per_minute=self.tokens_per_minute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What is asked of whom, how often, and within which limits."""

    models: tuple[AskedModel, ...]
    variants: tuple[AskedVariant, ...] = (AskedVariant(),)
    orders: AttributeOrders = AttributeOrders.DESIGN
    repeats: int = 1
    arm: str | None = None
    """None for the design's first."""
    answered: Path | None = None
    """An answers.csv whose comparisons are asked; None for those of the design."""
    comparisons: int | None = None
    """How many are drawn; None for all, or as many as one person sees where the design draws them."""
    seed: int = 0
    """Of draws: of comparisons, and of what scripted respondents leave to chance."""
    limits: RunLimits = field(default_factory=RunLimits)
    file: Path | None = None
    """Where it was read from; None if it was given by options."""
    sha256: str | None = None
    """Of the file's bytes."""

    def __post_init__(self) -> None:
        """Refuse models whose replies would be written to one file."""
        names = [m.file_name for m in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names:
            raise CannotAsk("there is no model to ask; name one")
        if twice:
            raise CannotAsk(
                f"several models would be called {', '.join(twice)}; give each a label of its own, since each "
                "has a replies file of its own"
            )

    def only(self, names: Sequence[str]) -> Protocol:
        """Return the protocol for some of its models, by label or model string.

        Raises
        ------
        CannotAsk
            It has no such model.
        """
        known = {m.name for m in self.models} | {m.model for m in self.models}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise CannotAsk(
                f"the protocol has no model {', '.join(unknown)}; it has {', '.join(m.name for m in self.models)}"
            )
        return replace(self, models=tuple(m for m in self.models if m.name in names or m.model in names))


def settings_for(asked: AskedModel, variant: AskedVariant, *, seed: int) -> Settings:
    """Return the settings that a model is asked with in one variant.

    Parameters
    ----------
    seed
        Of the protocol. Only a scripted respondent is given it: a model is never sent a seed unasked.
    """
    return settings_of(
        asked,
        variant.choices.over(asked.choices),
        most_tokens=MOST_TOKENS[variant.variant.answer_format],
        seed=seed,
    )


def settings_of(asked: AskedModel, chosen: Choices, *, most_tokens: int, seed: int) -> Settings:
    """Return the settings that a model is asked with.

    Parameters
    ----------
    most_tokens
        Of a reply by a model that does not think first, where nothing else is chosen.
    seed
        As in :func:`settings_for`.
    """
    if is_scripted(asked.model):
        # A script draws by the seed, so the seed is part of what it is asked.
        return Settings(max_tokens=None, seed=seed)
    most = chosen.max_tokens
    if most is None:
        effort = chosen.reasoning_effort
        thinks = bool(_THINKS.search(asked.model)) if effort is None else effort != _NO_REASONING
        most = max(MOST_TOKENS_REASONING, most_tokens) if thinks else most_tokens
    return Settings(
        temperature=chosen.temperature,
        top_p=chosen.top_p,
        max_tokens=most,
        seed=chosen.seed,
        reasoning_effort=chosen.reasoning_effort,
    )


def protocol_requests(
    protocol: Protocol,
    asked: AskedModel,
    design: StudyDesign,
    comparisons: Sequence[Comparison],
    *,
    provider: Capabilities,
) -> tuple[Request, ...]:
    """Return every call that the protocol makes to one of its models, variant by variant.

    Parameters
    ----------
    provider
        What the model's provider takes; of a scripted respondent nothing is known.

    Raises
    ------
    CannotAsk
        A scripted respondent with settings, or a variant that cannot be asked in this design.
    UnsupportedSetting
        The provider does not take a setting, or does not give the probabilities that a variant reads.
    """
    settings = [settings_for(asked, v, seed=protocol.seed) for v in protocol.variants]
    for variant, chosen in zip(protocol.variants, settings, strict=True):
        _check(asked, variant, chosen, provider)
    return tuple(
        request
        for variant, chosen in zip(protocol.variants, settings, strict=True)
        for request in plan_requests(
            design,
            comparisons,
            arm=design.arms[0] if protocol.arm is None else design.arm(protocol.arm),
            model=asked.model,
            settings=chosen,
            variants=[variant.variant],
            orders=attribute_orders(design, protocol.orders),
            repeats=protocol.repeats,
            api_base=asked.api_base,
            takes_schema=asked.sends_schema and provider.takes_schema,
        )
    )


def _check(asked: AskedModel, variant: AskedVariant, settings: Settings, provider: Capabilities) -> None:
    name = variant.variant.name
    if is_scripted(asked.model):
        if asked.api_base or variant.choices.over(asked.choices) != Choices():
            raise CannotAsk(
                f"{asked.model} is a scripted respondent, not a model; an address and settings such as a "
                f"temperature (variant '{name}') mean nothing to it, so leave them out"
            )
        return
    if provider.takes is None:
        return
    if variant.variant.answer_format is AnswerFormat.FIRST_TOKEN and not provider.takes_logprobs:
        raise UnsupportedSetting(
            f"'{asked.model}' gives no probabilities of tokens (logprobs), which variant '{name}' reads; "
            "ask it in another answer format"
        )
    if refused := [setting for setting in settings.sent() if setting not in provider.takes]:
        raise UnsupportedSetting(
            f"'{asked.model}' does not accept {', '.join(refused)} (variant '{name}'); leave it out"
        )


def address_complaint(api_base: str) -> str | None:
    """Return what is wrong with a server's address, None if nothing is. It is stored with every reply."""
    parts = urlsplit(api_base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{api_base!r}: write it as http://host:port/v1"
    if parts.username or parts.password or parts.query:
        return (
            "leave name, password and key out of the address, it is stored with every reply; "
            "put the key into the environment variable of the provider"
        )
    return None
