from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import ValidationError

from survey.config import BadSettings, Settings, described, load_settings, secrets_of


def test_the_database_lies_in_the_state_folder_unless_told() -> None:
    assert load_settings({}).database_url == "sqlite:///var/equipoise.sqlite"
    assert (
        load_settings({"EQUIPOISE_STATE_DIR": "/srv/eq"}).database_url == "sqlite:////srv/eq/equipoise.sqlite"
    )


def test_nothing_but_what_was_handed_over_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else a test would write to the database that the developer's shell happens to name.
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", "postgresql://someone@production/study")
    assert load_settings({}).database_url == "sqlite:///var/equipoise.sqlite"
    assert load_settings().database_url == "postgresql://someone@production/study"


def test_a_secret_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(BadSettings, match="EQUIPOISE_SECRET_KEY: is shorter than 32") as caught:
        load_settings({"EQUIPOISE_SECRET_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_key_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="secret_key: holds no usable key"):
        secrets_of(load_settings({}, state_dir=tmp_path))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).port = 1


def test_a_misspelled_variable_is_named() -> None:
    with pytest.raises(BadSettings, match="EQUIPOISE_DATABSE_URL: is no setting"):
        load_settings({"EQUIPOISE_DATABSE_URL": "sqlite:///x"})


def test_every_unusable_value_is_named() -> None:
    with pytest.raises(BadSettings) as caught:
        load_settings({"EQUIPOISE_PORT": "http", "EQUIPOISE_WORKERS": "0"})
    assert "EQUIPOISE_PORT" in str(caught.value)
    assert "EQUIPOISE_WORKERS" in str(caught.value)


def test_an_address_that_names_no_database_is_named() -> None:
    with pytest.raises(BadSettings, match="EQUIPOISE_DATABASE_URL"):
        load_settings({"EQUIPOISE_DATABASE_URL": "equipoise.sqlite"})


def test_the_command_line_wins_over_the_environment() -> None:
    assert load_settings({"EQUIPOISE_PORT": "9000"}, port=9001, host=None).port == 9001


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = load_settings({}, state_dir=tmp_path / "var")
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: secrets_of(settings), range(8)))
    assert len(made) == 1
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_tokens_follow_from_the_secret_key_and_differ(tmp_path: Path) -> None:
    one = secrets_of(load_settings({"EQUIPOISE_SECRET_KEY": "k" * 40}, state_dir=tmp_path))
    same = secrets_of(load_settings({"EQUIPOISE_SECRET_KEY": "k" * 40}, state_dir=tmp_path))
    other = secrets_of(load_settings({"EQUIPOISE_SECRET_KEY": "o" * 40}, state_dir=tmp_path))
    assert one == same
    assert one.research_token != other.research_token
    assert one.research_token != one.rehearsal_token
    assert not list(tmp_path.iterdir())


def test_secrets_are_never_shown() -> None:
    settings = load_settings(
        {
            "EQUIPOISE_SECRET_KEY": "topsecretkey" * 3,
            "EQUIPOISE_RESEARCH_TOKEN": "topsecrettoken" * 3,
            "EQUIPOISE_RATE_LIMIT_STORAGE": "redis://:topsecretpassword@counter.example:6379",
            "EQUIPOISE_DATABASE_URL": "postgresql://a:topsecretpassword@h/d",
        }
    )
    shown = described(settings)
    assert "topsecret" not in str(shown)
    assert "redis://" in str(shown)
    assert "topsecretkey" not in repr(settings)
    assert {row["name"].removeprefix("EQUIPOISE_").lower() for row in shown} == set(Settings.model_fields)
    assert all(row["meaning"] for row in shown)
