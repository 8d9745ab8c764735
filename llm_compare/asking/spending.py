"""What calls cost: prices, an estimate before, the cost of a reply, and a budget that cannot be exceeded. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from llm_compare.errors import NoPrice
from llm_compare.prompting.call import Call

_MILLION = 1_000_000
_CHARACTERS_PER_TOKEN = 4  # Rule of thumb for English; counting for real would reach for the network.
_FEWEST_TOKENS_OUT = 1
_TOKENS_AROUND_A_MESSAGE = (
    16  # Marks of role and end that chat templates add; the largest known is below this.
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs. Discounts, as for cached prompts, are left out: the bill may be lower."""

    usd_per_million_in: float
    usd_per_million_out: float
    """Also for the tokens that a model thinks with."""
    source: str
    """Who says so: ``given``, or the price map with its version and SHA-256."""

    def __post_init__(self) -> None:
        """Refuse prices below nothing."""
        if not (self.usd_per_million_in >= 0 and self.usd_per_million_out >= 0):
            raise ValueError(
                f"prices of {self.usd_per_million_in} and {self.usd_per_million_out} USD per million tokens: "
                "write numbers of 0 or more"
            )

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """Return the cost of so many tokens in USD."""
        return (tokens_in * self.usd_per_million_in + tokens_out * self.usd_per_million_out) / _MILLION


def cost_of(price: Price | None, tokens_in: int | None, tokens_out: int | None) -> float | None:
    """Return the cost of a reply in USD; None, not zero, where price or tokens are unknown."""
    if price is None or tokens_in is None or tokens_out is None:
        return None
    return price.cost(tokens_in, tokens_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What calls may take, before any is made."""

    tokens_in: int
    """Estimated from the length of the prompts."""
    tokens_out_low: int
    """One token for each reply."""
    tokens_out_high: int | None
    """As many as the settings allow; None where some allow any number."""
    usd_low: float | None
    """None where the price is unknown."""
    usd_high: float | None
    """None where price or most tokens are unknown."""


def estimate(requests: Iterable[Call], price: Price | None) -> Estimate:
    """Return what ``requests`` may take, each call made once and at one price."""
    tokens_in = calls = high = 0
    is_limited = True
    for request in requests:
        calls += 1
        tokens_in += tokens_sent(request)
        most = request.settings.max_tokens
        is_limited = is_limited and most is not None
        high += most or 0
    low = calls * _FEWEST_TOKENS_OUT
    return Estimate(
        tokens_in=tokens_in,
        tokens_out_low=low,
        tokens_out_high=high if is_limited else None,
        usd_low=None if price is None else price.cost(tokens_in, low),
        usd_high=None if price is None or not is_limited else price.cost(tokens_in, high),
    )


def tokens_sent(request: Call) -> int:
    """Return about how many tokens the prompt has: a quarter of its characters."""
    return sum(-(-len(m.content) // _CHARACTERS_PER_TOKEN) for m in request.messages)


def tokens_counted(request: Call) -> int:
    """Return about how many tokens providers count for a call against a limit per minute."""
    return tokens_sent(request) + (request.settings.max_tokens or 0)


class Budget:
    """Most money that one run may spend. What earlier runs spent is not counted.

    Before each attempt its worst case is set aside, and it is not made where that does not fit into what is left.
    So the budget holds as long as prices are right and the provider keeps to ``max_tokens``. A prompt's worst case
    is one token for each byte, several times what it will be.

    Parameters
    ----------
    max_usd
        Most to spend.
    price
        Of each model asked.

    Raises
    ------
    NoPrice
        A price is unknown: nobody could tell when the budget is used up.
    """

    def __init__(self, max_usd: float, price: Price | None) -> None:
        if price is None:
            raise NoPrice(
                f"a budget of {max_usd:g} USD cannot be kept: the price of the model is unknown; give its price in "
                "USD per million tokens in and out, or limit the number of calls instead"
            )
        if not max_usd >= 0:
            raise ValueError(f"a budget of {max_usd} USD: write a number of 0 or more")
        self.max_usd = max_usd
        self.price = price
        self._spent = 0.0
        self._set_aside = 0.0
        self._under_way = 0

    @property
    def spent_usd(self) -> float:
        """Spent so far, at worst: attempts whose cost is unknown are counted with their worst case."""
        return self._spent

    @property
    def is_settled(self) -> bool:
        """Whether no attempt is under way, so that no more money can become free."""
        return self._under_way == 0

    def worst_case(self, request: Call) -> float:
        """Return the most that one attempt at ``request`` can cost, in USD.

        Raises
        ------
        NoPrice
            The settings do not limit the reply, so it may cost anything.
        """
        most = request.settings.max_tokens
        if most is None:
            raise NoPrice(
                "a budget cannot be kept where replies may have any length; limit them (max_tokens)"
            )
        sent = sum(len(m.content.encode(errors="surrogatepass")) for m in request.messages)
        if (schema := request.parameters.get("response_format")) is not None:
            sent += len(json.dumps(schema))  # Providers count it as input.
        return self.price.cost(sent + _TOKENS_AROUND_A_MESSAGE * (len(request.messages) + 1), most)

    def set_aside(self, worst: float) -> bool:
        """Set aside the worst case of an attempt; return False, and set nothing aside, where it does not fit."""
        if self._spent + self._set_aside + worst > self.max_usd:
            return False
        self._set_aside += worst
        self._under_way += 1
        return True

    def settle(self, worst: float, cost: float | None) -> None:
        """Put the cost of an attempt in the place of its worst case, which stays where the cost is unknown."""
        self._under_way -= 1
        # Back to exactly 0: additions and subtractions in turn leave crumbs.
        self._set_aside = self._set_aside - worst if self._under_way else 0.0
        self._spent += worst if cost is None else cost
