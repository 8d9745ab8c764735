"""Settings, read once from the environment by :func:`load_settings`; and the secrets derived from them."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from survey.errors import SurveyError

PREFIX = "EQUIPOISE_"
REDACTED = "********"
REHEARSAL_HEADER = "X-Equipoise-Rehearsal"
"""HTTP header in which a rehearsal sends ``Secrets.rehearsal_token``."""
REHEARSED_DESIGN_HEADER = "X-Equipoise-Design"
"""HTTP header in which a rehearsal says which design it takes, by its hash: another version may be the open one."""

SHORTEST_KEY = 32
"""Characters. Cookies can be forged by whoever guesses the key, and the researcher's token follows from it."""

_Port = Annotated[int, Field(ge=1, le=65_535)]


class BadSettings(SurveyError):
    """Environment variables that cannot be used; the message names each."""


def _default_database(known: Mapping[str, Any]) -> str:
    return f"sqlite:///{known.get('state_dir', 'var')}/equipoise.sqlite"


class Settings(BaseSettings):
    """Everything an operator can set. Frozen; pass it on, never read the environment again."""

    model_config = SettingsConfigDict(frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what :func:`load_settings` gives and nothing else: a second look at the environment could differ."""
        return (init_settings,)

    state_dir: Path = Field(
        Path("var"),
        description="Folder of the embedded database, the secret key and simulated experiments, made when needed.",
    )
    database_url: str = Field(
        default_factory=_default_database,
        description="Where answers are stored: sqlite:///file or postgresql://user:password@host/name.",
    )
    secret_key: SecretStr | None = Field(
        None, description="Signs cookies. Unset: made once and kept in <state_dir>/secret_key."
    )
    research_token: SecretStr | None = Field(
        None,
        description="Opens the researcher's pages while there is no account. Unset: derived from the secret key.",
    )
    host: str = Field("127.0.0.1", description="Address that 'equipoise serve' listens on.")
    port: _Port = Field(8000, description="Port that 'equipoise serve' listens on.")
    workers: Annotated[int, Field(ge=1)] = Field(2, description="Processes of 'equipoise serve' (gunicorn).")
    threads: Annotated[int, Field(ge=1)] = Field(4, description="Threads per process.")
    public_url: str = Field(
        "", description="Address participants use, e.g. https://study.example.org; makes cookies secure."
    )
    trusted_proxies: Annotated[int, Field(ge=0)] = Field(
        0, description="How many reverse proxies in front may state the visitor's scheme and host."
    )
    rate_limits: Literal["on", "off"] = Field(
        "on",
        description="Whether sign-ins, starts, participants' forms and API calls are limited; off for load tests.",
    )
    rate_limit_storage: str = Field(
        "memory://",
        description="Where limited requests are counted: memory:// (each process counts for itself, so with two "
        "workers a limit can be twice as large), or redis://host, memcached://host ... (counted together).",
    )
    experiments_at_once: Annotated[int, Field(ge=1)] = Field(
        1, description="Simulated experiments that researchers may let run at the same time on this machine."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")

    @field_validator("secret_key", "research_token")
    @classmethod
    def _is_hard_to_guess(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(
                f"is shorter than {SHORTEST_KEY} characters; make one with "
                "python3 -c 'import secrets; print(secrets.token_hex(32))'"
            )
        return key

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, url: str) -> str:
        """Refuse what would make wrong links: pages are served at the root of a host and nowhere else."""
        if not url:
            return url
        no_address = "is not an address such as https://study.example.org"
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise ValueError(no_address) from None
        if not usable or not url.isascii() or not url.isprintable() or set(url) & set(" @\\\"'<>"):
            raise ValueError(no_address)
        origin = f"{parts.scheme}://{parts.netloc}"
        if url not in (origin, f"{origin}/"):
            raise ValueError(
                f"holds more than scheme, host and port; write {origin} (a service under a path is not supported)"
            )
        return url

    @property
    def base_url(self) -> str:
        """Address for links that are printed, without a final slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104 - recognized, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What must agree between all processes that serve one installation."""

    secret_key: str
    research_token: str
    rehearsal_token: str
    """Lets a rehearsal, and nobody else, mark its participants as simulated."""


def load_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings from ``EQUIPOISE_*``; ``overrides`` (from a command line) win where not None.

    Raises
    ------
    BadSettings
        Naming every variable that is unknown (most likely misspelled) or has an unusable value.
    """
    environment = os.environ if environment is None else environment
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    known = sorted(Settings.model_fields)
    complaints = [
        f"{PREFIX}{name.upper()}: is no setting; 'equipoise config' lists them"
        for name in given
        if name not in known
    ]
    values = {name: value for name, value in given.items() if name in known}
    values |= {name: value for name, value in overrides.items() if value is not None}  # type: ignore[misc]
    settings = None
    try:
        settings = Settings(**values)  # type: ignore[arg-type]
        make_url(settings.database_url)
    except ValidationError as error:
        complaints += [
            f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
    except ArgumentError:
        complaints.append(
            f"{PREFIX}DATABASE_URL: is not a database address; write sqlite:///file or postgresql://user@host/name"
        )
    if complaints or settings is None:
        raise BadSettings("settings:\n" + "\n".join(f"  {c}" for c in complaints))
    return settings


def secrets_of(settings: Settings) -> Secrets:
    """Return the installation's secrets; makes ``<state_dir>/secret_key`` (mode 0600) if none is set."""
    key = settings.secret_key.get_secret_value() if settings.secret_key else _kept_key(settings.state_dir)
    token = settings.research_token
    return Secrets(
        secret_key=key,
        research_token=token.get_secret_value() if token else _derived(key, "research"),
        rehearsal_token=_derived(key, "rehearsal"),
    )


def described(settings: Settings) -> list[dict[str, str]]:
    """Return name, value (secrets redacted) and meaning of every setting, for people to read."""
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown = REDACTED
        elif name == "database_url":
            shown = make_url(value).render_as_string(hide_password=True)
        elif name == "rate_limit_storage":
            # Such an address may hold a password, in forms that no one parser knows.
            shown = f"{value.partition('://')[0]}://{REDACTED}" if "@" in value else value
        else:
            shown = "" if value is None else str(value)
        rows.append({"name": PREFIX + name.upper(), "value": shown, "meaning": field.description or ""})
    return rows


def _derived(key: str, purpose: str) -> str:
    return hmac.new(key.encode(), f"equipoise {purpose}".encode(), hashlib.sha256).hexdigest()[:48]


def _kept_key(state_dir: Path) -> str:
    path = state_dir / "secret_key"
    try:
        if not path.exists():
            state_dir.mkdir(parents=True, exist_ok=True)
            # Written beside and linked into place, so that a second process sees no key or the whole key.
            handle, name = tempfile.mkstemp(dir=state_dir, prefix=".secret_key-")
            draft = Path(name)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # Another process made it first; its key is the one.
            finally:
                draft.unlink()
        key = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise BadSettings(
            f"{path}: cannot keep the secret key ({error.strerror}); set {PREFIX}SECRET_KEY, or "
            f"{PREFIX}STATE_DIR to a folder that can be written"
        ) from None
    if len(key) < SHORTEST_KEY:
        raise BadSettings(f"{path}: holds no usable key; delete it and it is made anew")
    return key
