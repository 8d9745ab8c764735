"""How often something may be asked for. Applied here, by endpoint, so that views need not know.

Limits stop floods and guessing. They are generous: a whole campus may share one address. What is counted is kept
under a keyed hash, so that no address and no account name lies in the storage or a log.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from flask import Flask, current_app, request
from flask_limiter import Limiter
from limits.errors import ConfigurationError
from limits.storage import storage_from_string
from werkzeug.wrappers import Response

from survey.config import REHEARSAL_HEADER, BadSettings, Settings
from survey.web import limit_storage
from survey.web.access import current_researcher
from survey.web.context import the_context

_EXTENSION = "equipoise.limiter"
_IN_MEMORY = {"memory://": f"{limit_storage.SCHEME}://"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """At most so many requests per time and key; a refused one is answered 429 with Retry-After."""

    amounts: str
    """As Flask-Limiter reads it, e.g. ``10 per 15 minutes``; several separated by ``;``."""
    key: Callable[[], str]
    """By what requests are told apart; called within a request."""
    scope: str
    """Endpoints under one scope are counted together."""
    counts: Callable[[Response], bool] | None = None
    """Which responses count; None: all requests."""


def _address() -> str:
    return _hashed(f"address {_network(request.remote_addr or '')}")


def _network(address: str) -> str:
    """Return who an address belongs to: of IPv6 the /64, in which a single visitor may take any address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))


def _account_name() -> str:
    # Without a name it is the operator's token that is guessed.
    name = request.form.get("name")
    return _address() if name is None else _hashed(f"account {name.strip().lower()}")


def _researcher() -> str:
    researcher = current_researcher()
    return _hashed(f"researcher {researcher.actor}") if researcher else _address()


def _participant() -> str:
    return _hashed(f"participant {(request.view_args or {}).get('token')}")


def _authorization() -> str:
    return _hashed(f"authorization {request.headers.get('Authorization', '')}")


def _hashed(key: str) -> str:
    return hmac.new(
        the_context().secrets.secret_key.encode(), key.encode(errors="replace"), hashlib.sha256
    ).hexdigest()


RULES: Mapping[str, tuple[Rule, ...]] = {
    "research.sign_in_sent": (
        Rule(amounts="60 per 15 minutes", key=_address, scope="sign-in by address"),
        Rule(
            amounts="10 per 15 minutes",
            key=_account_name,
            scope="failed sign-in by account",
            counts=lambda response: response.status_code == 403,
        ),
    ),
    "research.change_password": (Rule(amounts="10 per 15 minutes", key=_researcher, scope="password"),),
    "participate.start": (Rule(amounts="120 per minute; 3000 per hour", key=_address, scope="start"),),
}
"""By endpoint."""
PARTICIPANTS_FORMS = Rule(amounts="240 per minute", key=_participant, scope="participant")
"""For every form at a participant's own address, together: nobody sends four a second."""
API_CALLS = Rule(amounts="600 per minute", key=_authorization, scope="API token")
API_REFUSALS = Rule(
    amounts="60 per 10 minutes",
    key=_address,
    scope="refused API calls by address",
    counts=lambda response: response.status_code == 401,
)


def limit_requests(app: Flask, settings: Settings) -> None:
    """Apply the rules to the views that are registered so far; rehearsals are not limited.

    Raises
    ------
    BadSettings
        ``EQUIPOISE_RATE_LIMIT_STORAGE`` cannot be used.
    """
    if settings.rate_limits == "off":
        return
    require_storage(settings)
    limiter = Limiter(
        _address,
        storage_uri=_IN_MEMORY.get(settings.rate_limit_storage, settings.rate_limit_storage),
        strategy="fixed-window",
        # A storage that is down must neither stop a survey nor open the doors.
        in_memory_fallback_enabled=True,
    )
    limiter.init_app(app)
    app.extensions[_EXTENSION] = limiter
    for endpoint, rules in RULES.items():
        for rule in rules:
            _apply(app, limiter, endpoint, rule)
    for route in list(app.url_map.iter_rules()):
        is_form = "POST" in (route.methods or ()) and "token" in route.arguments
        if is_form and route.endpoint.startswith("participate."):
            _apply(app, limiter, route.endpoint, PARTICIPANTS_FORMS)
    if "api" in app.blueprints:
        # Checked before the token is looked up.
        for rule in (API_REFUSALS, API_CALLS):
            _limit(limiter, rule)(app.blueprints["api"])


def require_storage(settings: Settings) -> None:
    """Check that requests can be counted where the settings say.

    Raises
    ------
    BadSettings
        The address is of no known kind, or a library for it is not installed.
    """
    try:
        storage_from_string(settings.rate_limit_storage)
    except (ConfigurationError, ValueError) as error:
        reason = str(error).split(" : ", maxsplit=1)[0]
        raise BadSettings(
            f"settings:\n  EQUIPOISE_RATE_LIMIT_STORAGE: cannot be used here ({reason}); write memory://, or "
            "redis://host with the package redis installed"
        ) from None


def seconds_to_wait() -> int:
    """Return after how many seconds the request that was just refused may be repeated."""
    limiter = the_limiter()
    breached = limiter.current_limit if limiter else None
    return 60 if breached is None else max(1, round(breached.reset_at - time.time()))


def the_limiter() -> Limiter | None:
    """Return the running application's limiter; None if limits are off."""
    found = current_app.extensions.get(_EXTENSION)
    return found if isinstance(found, Limiter) else None


def _apply(app: Flask, limiter: Limiter, endpoint: str, rule: Rule) -> None:
    # An endpoint that is not there is a mistake here, and a KeyError at start.
    app.view_functions[endpoint] = _limit(limiter, rule)(app.view_functions[endpoint])


def _limit(limiter: Limiter, rule: Rule) -> Callable[..., Callable[..., Response]]:
    return limiter.shared_limit(
        rule.amounts,
        scope=rule.scope,
        key_func=rule.key,
        exempt_when=_is_rehearsal,
        deduct_when=rule.counts,
    )


def _is_rehearsal() -> bool:
    given = request.headers.get(REHEARSAL_HEADER, "")
    return hmac.compare_digest(given.encode(errors="replace"), the_context().secrets.rehearsal_token.encode())
